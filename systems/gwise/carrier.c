/* carrier.c - the folders of an API gateway (see carrier.h) */
#include "systems/gwise/carrier.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *const folder_names[GATEWAY_FOLDERS] = {"API_IN",  "ATT_IN", "API_OUT",
                                                          "ATT_OUT", "GWPROB", "GWHOLD"};

bool
gateway_name_fine(struct span name)
{
    if (name.len == 0 || name.len > 255 || name.at[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] == '/' || name.at[i] == '\\' || name.at[i] == ':' || (unsigned char)name.at[i] < ' ')
            return false;
    return true;
}

bool
gateway_find(int folder_fd, struct span name, char found[256], struct stat *status)
{
    if (folder_fd < 0 || !gateway_name_fine(name))
        return false;
    memcpy(found, name.at, name.len);
    found[name.len] = '\0';
    if (fstatat(folder_fd, found, status, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool there = false;
    const struct dirent *entry;
    while (!there && (entry = readdir(folder)) != NULL)
        if (span_equal_nocase(span_of(entry->d_name), name)) {
            snprintf(found, 256, "%s", entry->d_name);
            there = fstatat(folder_fd, found, status, AT_SYMLINK_NOFOLLOW) == 0;
        }
    closedir(folder);
    return there;
}

int
gateway_open_read(int folder_fd, const char *name, struct stat *status)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, status) < 0 ? -errno : S_ISREG(status->st_mode) ? 0 : -EINVAL;
    if (error != 0)
        close(fd);
    return error != 0 ? error : fd;
}

int
gateway_read_file(int folder_fd, const char *name, size_t max, struct buf *out)
{
    struct stat status;
    char piece[16384];
    int fd = gateway_open_read(folder_fd, name, &status);
    ssize_t got = 0;
    if (fd < 0)
        return fd;
    while (out->len < max) {
        size_t want = max - out->len < sizeof piece ? max - out->len : sizeof piece;
        got = read(fd, piece, want);
        if (got <= 0)
            break;
        buf_add(out, piece, (size_t)got);
    }
    int error = got < 0 ? -errno : 0;
    close(fd);
    return error;
}

static int
open_folder(int root_fd, const char *name)
{
    struct stat status;
    char found[256];
    if (!gateway_find(root_fd, span_of(name), found, &status))
        return -ENOENT;
    int fd = openat(root_fd, found, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int
gateway_tree_open(struct gateway_tree *tree, const char *root, struct viaduct_reason *reason)
{
    tree->root = root;
    for (int i = 0; i < GATEWAY_FOLDERS; i++)
        tree->fd[i] = -1;
    int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = root_fd < 0 ? -errno : 0;
    if (error != 0)
        reason_fill(reason, "4.4.1", "the gateway's folder %s cannot be opened: %s", root, strerror(-error));
    for (int i = 0; i < GATEWAY_FOLDERS && error == 0; i++) {
        int fd = open_folder(root_fd, folder_names[i]);
        if (fd >= 0)
            tree->fd[i] = fd;
        if (fd >= 0 || i >= GWPROB)
            continue;
        error = fd;
        reason_fill(reason, "4.4.1", "the gateway's folder %s/%s cannot be opened: %s", root, folder_names[i],
                    strerror(-error));
    }
    if (root_fd >= 0)
        close(root_fd);
    if (error != 0)
        gateway_tree_close(tree);
    return error;
}

void
gateway_tree_close(struct gateway_tree *tree)
{
    for (int i = 0; i < GATEWAY_FOLDERS; i++) {
        if (tree->fd[i] >= 0)
            close(tree->fd[i]);
        tree->fd[i] = -1;
    }
}

bool
gateway_tree_alive(const struct gateway_tree *tree, enum gateway_folder folder)
{
    struct stat status;
    return tree->fd[folder] >= 0 && fstat(tree->fd[folder], &status) == 0 && status.st_nlink > 0 &&
           fstatat(tree->fd[folder], ".", &status, 0) == 0;
}

int
gateway_optional(struct gateway_tree *tree, enum gateway_folder folder)
{
    if (tree->fd[folder] < 0 || !gateway_tree_alive(tree, folder)) {
        int root_fd = open(tree->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd = root_fd >= 0 ? open_folder(root_fd, folder_names[folder]) : -1;
        if (root_fd >= 0)
            close(root_fd);
        if (tree->fd[folder] >= 0)
            close(tree->fd[folder]);
        tree->fd[folder] = fd >= 0 ? fd : -1;
    }
    return tree->fd[folder];
}

int64_t
gateway_option_ms(const struct viaduct_services *services, struct viaduct_gateway *gateway, const char *name,
                  int64_t fallback_s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    const char *text = services->option(gateway, name);
    struct span digits = span_trim(span_of(text));
    int64_t unit_s = 1;
    uint64_t number;
    for (size_t i = 0; i < COUNT_OF(units) && digits.len > 0; i++)
        if (digits.at[digits.len - 1] == units[i].unit) {
            unit_s = units[i].seconds;
            digits.len--;
            break;
        }
    if (!span_to_u64(digits, 1000000000, &number))
        return fallback_s * 1000;
    return (int64_t)number * unit_s * 1000;
}
