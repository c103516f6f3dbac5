/* maildir_box.c - one recipient's maildir: its folders, its files (see maildir_box.h) */
#include "systems/maildir/maildir_box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/crc32c.h"

enum { BOX_NAME_MAX = 200 };

/* ---- folders ---- */

/* An address as the name of a folder: one to one, and never a path. Long ones end in their CRC. */
static void
box_name(struct viaduct_text address, char name[256])
{
    size_t n = 0;
    bool cut = address.len == 0;
    for (size_t i = 0; i < address.len && !cut; i++) {
        unsigned char c = (unsigned char)address.at[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + 32);
        cut = n + 3 > BOX_NAME_MAX;
        if (cut)
            break;
        if (c < 0x20 || c == 0x7f || c == '/' || c == '%' || (c == '.' && n == 0))
            n += (size_t)snprintf(name + n, 4, "%%%02X", c);
        else
            name[n++] = (char)c;
    }
    name[n] = '\0';
    if (cut)
        snprintf(name + n, 256 - n, "%%%08x", crc32c(0, address.at, address.len));
}

static int
sync_close(int fd)
{
    int error = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    close(fd);
    return error;
}

/* Opens a sub-folder, made where it is missing. A descriptor, or -errno. */
static int
open_made(int parent_fd, const char *name, bool *made)
{
    if (mkdirat(parent_fd, name, 0700) == 0)
        *made = true;
    else if (errno != EEXIST)
        return -errno;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* Opens the maildir of an address, with all its folders on disk. */
int
maildir_box_open(int root_fd, struct viaduct_text address)
{
    static const char *const folders[] = {"tmp", "new", "cur"};
    char name[256];
    bool made = false;
    box_name(address, name);
    int box_fd = open_made(root_fd, name, &made), error = 0;
    if (box_fd < 0)
        return box_fd;
    for (size_t i = 0; i < COUNT_OF(folders) && error == 0; i++) {
        int fd = open_made(box_fd, folders[i], &made);
        if (fd < 0)
            error = fd;
        else
            close(fd);
    }
    if (error == 0 && made && (fsync(box_fd) < 0 || fsync(root_fd) < 0) && errno != EINVAL)
        error = -errno;
    if (error != 0)
        close(box_fd);
    return error != 0 ? error : box_fd;
}

int
maildir_box_tmp(int box_fd, const char *name, int *tmp_fd)
{
    *tmp_fd = openat(box_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*tmp_fd < 0)
        return -errno;
    unlinkat(*tmp_fd, name, 0); /* of an attempt that was cut short: the name is this message's alone */
    int fd = openat(*tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : -errno;
}

int
maildir_write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -ENOSPC;
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

/* tmp/NAME, complete, becomes new/NAME. A file that is there already is this message, delivered before. */
int
maildir_box_publish(int box_fd, const char *name, int fd)
{
    char from[220], to[220];
    if (fsync(fd) < 0)
        return -errno;
    snprintf(from, sizeof from, "tmp/%s", name);
    snprintf(to, sizeof to, "new/%s", name);
    int error = 0;
    if (renameat2(box_fd, from, box_fd, to, RENAME_NOREPLACE) < 0) {
        error = -errno;
        if (error == -EINVAL || error == -ENOSYS || error == -ENOTSUP)
            error = linkat(box_fd, from, box_fd, to, 0) < 0 ? -errno : 0;
        if (error == 0 || error == -EEXIST)
            unlinkat(box_fd, from, 0);
        if (error == -EEXIST)
            error = 0;
    }
    int new_fd = error == 0 ? openat(box_fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (new_fd >= 0)
        error = sync_close(new_fd);
    return error;
}
