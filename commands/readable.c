/* readable.c - what this user may not read is said, and never taken for nothing (see command.h)
 *
 * A member of the looking group gets into folders as soon as the master has been started with that group; files
 * of earlier runs get its right then too. Should one have been left out, then an empty listing, "down" or "pid 0"
 * would be a lie: the file is named and the exit code is EXIT_PERMISSION.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/command.h"

static atomic_bool denied;

bool
command_was_denied(void)
{
    return atomic_load(&denied);
}

int
command_deny(int error, const char *folder, const char *name)
{
    if (atomic_exchange(&denied, true)) /* the first one stands for all */
        return EXIT_PERMISSION;
    return command_fail_errno(error, "%s/%s", folder, name);
}

/* One name; a generation of the book is a folder of files. */
static int
check_name(int folder_fd, const char *folder, const char *name, bool deep)
{
    char path[2 * SPOOL_PATH_MAX];
    if (faccessat(folder_fd, name, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0 &&
        (errno == EACCES || errno == EPERM))
        return command_deny(errno, folder, name);
    int fd = deep ? openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int r = 0;
    snprintf(path, sizeof path, "%s/%.190s", folder, name);
    for (const struct dirent *entry; dir != NULL && r == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            r = check_name(fd, path, entry->d_name, false);
    if (dir != NULL)
        closedir(dir);
    return r;
}

int
command_check_readable(const struct command *command, enum folder folder)
{
    char path[SPOOL_PATH_MAX];
    int fd = folder_open(command->spool_fd, folder, NULL), r = 0;
    folder_path(folder, NULL, path);
    if (fd == -EACCES || fd == -EPERM)
        return command_deny(-fd, command->spool_path, path);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (const struct dirent *entry; dir != NULL && r == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            r = check_name(fd, path, entry->d_name, folder == FOLDER_BOOK);
    if (dir != NULL)
        closedir(dir);
    return r;
}

int
command_open_track(const struct command *command, int *folder_fd)
{
    int r = command_check_readable(command, FOLDER_TRACK);
    if (r != 0)
        return r;
    *folder_fd = folder_open(command->spool_fd, FOLDER_TRACK, NULL);
    return *folder_fd < 0 ? command_fail_errno(-*folder_fd, "the tracking log in %s", command->spool_path) : 0;
}
