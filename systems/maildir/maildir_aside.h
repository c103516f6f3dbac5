/* maildir_aside.h - within the module for folder trees: files that a person must look at
 *
 * They lie in failed/ beside new/, each with a NAME.why that says what became of it. Nothing there is ever written
 * over: a file whose name is in use gets a number behind it.
 */
#ifndef VIADUCT_MAILDIR_ASIDE_H
#define VIADUCT_MAILDIR_ASIDE_H

#include "common/base.h"

/* Moves new/NAME to failed/, or removes it where a copy of it lies there already. `why`: lines. 0, or -errno: it is in
 * new still. */
int maildir_set_aside(int root_fd, int new_fd, const char *name, struct span why);

/* Puts the file into failed/ and leaves it in new: a link, or a durable copy where links are not to be had. Once for
 * each file, however often it is called (but for copies after a crash). 0, or -errno. */
int maildir_keep_copy(int root_fd, int new_fd, const char *name, struct span why);

#endif
