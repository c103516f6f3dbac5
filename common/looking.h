/* looking.h - those who may look at the spool of a master that root started: members of privileges.admin-group
 *
 * They get an entry in the access control lists: read and search on folders, read on files. A folder passes its
 * list on to what is made in it; files that were there before the group was get theirs when the master starts.
 * Where the group does not exist, or the file system has no lists, only root looks.
 *
 * What is hostile here: names in folders that workers write to. Only what is open is changed: regular files with
 * one name, so that nobody gets a list for a file that lies elsewhere; nothing is followed or waited for.
 */
#ifndef VIADUCT_LOOKING_H
#define VIADUCT_LOOKING_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* What of a folder's contents is seen to, when its list is new: nothing, or its files and those of its sub-folders. */
enum looking { LOOKING_FOLDER, LOOKING_FILES };

/* Lets members of `group` (a name; it need not exist) look into the open folder, whose mode is `mode`. Idempotent; costs two
 * system calls where the list is there already. Nothing that fails is an error: then only root looks. */
void looking_allow(int folder_fd, mode_t mode, const char *group, enum looking what);

/* The mode of what is open as it would be without a list, 07777: with one, the group's bits of a mode are the list's mask. */
mode_t looking_mode(int fd, const struct stat *st);

#endif
