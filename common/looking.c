/* looking.c - access control lists for those who may look (see looking.h)
 *
 * The format is the kernel's (linux/posix_acl_xattr.h): a version and entries of tag, permissions and id,
 * little-endian. The folder's own list is set last, so it tells that all within was seen to.
 */
#include "common/looking.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base.h"

enum { ACL_VERSION = 2, ACL_HEAD_LEN = 4, ACL_ENTRY_LEN = 8, ACL_ENTRIES = 5 };
enum { ACL_LEN = ACL_HEAD_LEN + ACL_ENTRIES * ACL_ENTRY_LEN, ACL_MAX = 512 };
enum { TAG_USER_OBJ = 0x01, TAG_GROUP_OBJ = 0x04, TAG_GROUP = 0x08, TAG_MASK = 0x10, TAG_OTHER = 0x20 };
enum { READ = 4, LIST = 5 };

static const char access_list[] = "system.posix_acl_access";
static const char default_list[] = "system.posix_acl_default";

/* ---- one list ---- */

static unsigned char *
put_entry(unsigned char *at, unsigned tag, unsigned permissions, uint32_t id)
{
    const unsigned char bytes[ACL_ENTRY_LEN] = {(unsigned char)tag,         0,
                                                (unsigned char)permissions, 0,
                                                (unsigned char)id,          (unsigned char)(id >> 8),
                                                (unsigned char)(id >> 16),  (unsigned char)(id >> 24)};
    memcpy(at, bytes, sizeof bytes);
    return at + sizeof bytes;
}

/* What `mode` gives to owner, group and others, and `may` to the members of `gid`. */
static int
set_list(int fd, const char *name, unsigned mode, unsigned may, gid_t gid)
{
    unsigned char list[ACL_LEN] = {ACL_VERSION, 0, 0, 0}, *at = list + ACL_HEAD_LEN;
    unsigned group = mode >> 3 & 7;
    at = put_entry(at, TAG_USER_OBJ, mode >> 6 & 7, UINT32_MAX);
    at = put_entry(at, TAG_GROUP_OBJ, group, UINT32_MAX);
    at = put_entry(at, TAG_GROUP, may, gid);
    at = put_entry(at, TAG_MASK, group | may, UINT32_MAX);
    at = put_entry(at, TAG_OTHER, mode & 7, UINT32_MAX);
    BUG_UNLESS(at == list + sizeof list);
    return fsetxattr(fd, name, list, sizeof list, 0);
}

struct found {
    bool names_group;     /* the members of gid are named */
    unsigned group_perms; /* of the file's group, where there is a list */
    bool has_list;
};

static void
look_at_list(int fd, gid_t gid, struct found *found)
{
    unsigned char list[ACL_MAX];
    *found = (struct found){.names_group = false};
    ssize_t len = fgetxattr(fd, access_list, list, sizeof list);
    for (ssize_t i = ACL_HEAD_LEN; i + ACL_ENTRY_LEN <= len; i += ACL_ENTRY_LEN) {
        unsigned tag = list[i] | (unsigned)list[i + 1] << 8, permissions = list[i + 2];
        uint32_t id = list[i + 4] | (uint32_t)list[i + 5] << 8 | (uint32_t)list[i + 6] << 16 |
                      (uint32_t)list[i + 7] << 24;
        found->has_list = true;
        if (tag == TAG_GROUP_OBJ)
            found->group_perms = permissions & 7;
        if (tag == TAG_GROUP && id == gid)
            found->names_group = true;
    }
}

/* ---- what was there before ---- */

/* With a list, the mode's group bits are the list's mask. */
static mode_t
true_mode(const struct stat *st, const struct found *found)
{
    return found->has_list ? (st->st_mode & ~(mode_t)070) | (mode_t)(found->group_perms << 3) : st->st_mode;
}

mode_t
looking_mode(int fd, const struct stat *st)
{
    struct found found;
    look_at_list(fd, (gid_t)-1, &found);
    return true_mode(st, &found) & 07777;
}

static void see_to_files(int folder_fd, gid_t gid, bool deep);

/* A file, or a folder within with its files: a generation of the book, a sub-folder of Hold. */
static void
see_to(int folder_fd, dev_t device, const char *name, gid_t gid, bool deep)
{
    struct stat st;
    struct found found;
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    bool is_known = fstat(fd, &st) == 0 && st.st_dev == device;
    look_at_list(fd, gid, &found);
    if (is_known && S_ISREG(st.st_mode) && st.st_nlink == 1 && !found.names_group)
        set_list(fd, access_list, true_mode(&st, &found), READ, gid);
    if (is_known && S_ISDIR(st.st_mode) && deep) {
        set_list(fd, default_list, 0770, LIST, gid);
        see_to_files(fd, gid, false);
        set_list(fd, access_list, true_mode(&st, &found), LIST, gid);
    }
    close(fd);
}

static void
see_to_files(int folder_fd, gid_t gid, bool deep)
{
    struct stat st;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 || fstat(fd, &st) < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            see_to(folder_fd, st.st_dev, entry->d_name, gid, deep);
    closedir(dir);
}

void
looking_allow(int folder_fd, mode_t mode, const char *name, enum looking what)
{
    struct found found;
    const struct group *group = getgrnam(name);
    if (group == NULL)
        return;
    look_at_list(folder_fd, group->gr_gid, &found);
    /* A folder's group may search what is made within, as its mode then says; the mask keeps it off files. */
    if (set_list(folder_fd, default_list, 0770, LIST, group->gr_gid) < 0)
        return; /* a file system without lists: nobody but root looks */
    if (what == LOOKING_FILES && !found.names_group)
        see_to_files(folder_fd, group->gr_gid, true);
    set_list(folder_fd, access_list, mode, LIST, group->gr_gid);
}
