/* maildir_box.h - within the module for folder trees: one recipient's maildir
 *
 * Functions return a descriptor or 0, or -errno.
 */
#ifndef VIADUCT_MAILDIR_BOX_H
#define VIADUCT_MAILDIR_BOX_H

#include "common/base.h"
#include "systems/viaduct/reason.h"

/* Opens the maildir of an address below a root, with tmp, new and cur made and on disk. */
int maildir_box_open(int root_fd, struct viaduct_text address);

/* Makes tmp/NAME anew; `*tmp_fd` gets the folder tmp, to be closed by the caller (-1 where it could not be
 * opened). */
int maildir_box_tmp(int box_fd, const char *name, int *tmp_fd);

/* tmp/NAME, open as `fd` and complete, becomes new/NAME, durably. A file that is there already is this message.
 */
int maildir_box_publish(int box_fd, const char *name, int fd);

/* Writes all of it; a device that takes nothing is full. */
int maildir_write_all(int fd, const char *at, size_t len);

#endif
