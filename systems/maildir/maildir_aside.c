/* maildir_aside.c - files that a person must look at (see maildir_aside.h)
 *
 * What is hostile here: what lies in failed/ under a name that we want. Nothing is followed or written over but a
 * NAME.why.
 */
#include "systems/maildir/maildir_aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "systems/maildir/maildir_box.h"

enum { NAMES_MAX = 100 };

/* "NAME", then "NAME.1" ... */
static const char *
aside_name(const char *name, int n, char out[300])
{
    if (n == 0)
        snprintf(out, 300, "failed/%s", name);
    else
        snprintf(out, 300, "failed/%.240s.%d", name, n);
    return out;
}

static bool
is_same_file(int a_fd, const char *a, int b_fd, const char *b)
{
    struct stat one, two;
    return fstatat(a_fd, a, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(b_fd, b, &two, AT_SYMLINK_NOFOLLOW) == 0 && one.st_ino == two.st_ino &&
           one.st_dev == two.st_dev;
}

static int
make_folder(int root_fd)
{
    return mkdirat(root_fd, "failed", 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The log says the same, so a .why that cannot be written is no reason to leave a file where it is. */
static void
write_why(int root_fd, const char *path, struct span why)
{
    char name[320];
    snprintf(name, sizeof name, "%.247s.why", path); /* "failed/" and 240 octets of the name */
    int fd = openat(root_fd, name,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    maildir_write_all(fd, why.at, why.len);
    close(fd);
}

int
maildir_set_aside(int root_fd, int new_fd, const char *name, struct span why)
{
    char path[300];
    int error = make_folder(root_fd);
    for (int n = 0; error == 0 && n < NAMES_MAX; n++) {
        aside_name(name, n, path);
        if (is_same_file(new_fd, name, root_fd, path))
            error = unlinkat(new_fd, name, 0) < 0 ? -errno : 0;
        else if (renameat2(new_fd, name, root_fd, path, RENAME_NOREPLACE) < 0)
            error = -errno;
        if (error == 0)
            write_why(root_fd, path, why);
        if (error != -EEXIST)
            return error;
        error = 0;
    }
    return error != 0 ? error : -EEXIST;
}

/* ---- a copy ---- */

static int
copy_octets(int from, int to)
{
    char piece[16384];
    ssize_t got;
    int error = 0;
    while (error == 0 && (got = read(from, piece, sizeof piece)) != 0)
        error = got < 0 ? -errno : maildir_write_all(to, piece, (size_t)got);
    return error == 0 && fsync(to) < 0 ? -errno : error;
}

static int
copy_file(int new_fd, const char *name, int root_fd, const char *path)
{
    int from = openat(new_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (from < 0)
        return -errno;
    int to = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = to < 0 ? -errno : copy_octets(from, to);
    close(from);
    if (to >= 0 && close(to) < 0 && error == 0)
        error = -errno;
    if (to >= 0 && error != 0)
        unlinkat(root_fd, path, 0);
    return error;
}

int
maildir_keep_copy(int root_fd, int new_fd, const char *name, struct span why)
{
    char path[300];
    int error = make_folder(root_fd);
    for (int n = 0; error == 0 && n < NAMES_MAX; n++) {
        aside_name(name, n, path);
        bool there = is_same_file(new_fd, name, root_fd, path);
        if (!there && linkat(new_fd, name, root_fd, path, 0) < 0)
            error = -errno;
        if (error != 0 && error != -EEXIST)
            error = copy_file(new_fd, name, root_fd, path);
        if (error == 0)
            write_why(root_fd, path, why);
        if (error != -EEXIST)
            return error;
        error = 0;
    }
    return error != 0 ? error : -EEXIST;
}
