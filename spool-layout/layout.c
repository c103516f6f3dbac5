/* layout.c - the expansions of flow.def, and moves (see layout.h) */
#include "spool-layout/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/planted.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

static const char *const verdict_words[VERDICT_COUNT] = {
    [VERDICT_NONE] = "none",
#define VERDICT(symbol, word, meaning) [VERDICT_##symbol] = word,
#include "spool-layout/flow.def"
};

const struct worker_row worker_table[WORKER_COUNT] = {
#define WORKER(symbol, program, per, meaning) [WORKER_##symbol] = {program, PER_##per, meaning},
#include "spool-layout/flow.def"
};

/* Where the last component begins: connectors' folders lie in "mailbox/%s/", the others at the top
 * (t/flow-t.c). */
#define NAME_AT_PER_ONE       0
#define NAME_AT_PER_CONNECTOR (sizeof("mailbox/%s/") - 1)

const struct folder_row folder_table[FOLDER_COUNT] = {
#define FOLDER(symbol, path, per, kind, meaning)                                                               \
    [FOLDER_##symbol] = {path, &path[NAME_AT_PER_##per], PER_##per, KIND_##kind, meaning},
#include "spool-layout/flow.def"
};

const struct move_row move_table[] = {
#define MOVE(worker, from, verdict, to, how)                                                                   \
    {WORKER_##worker, FOLDER_##from, VERDICT_##verdict, FOLDER_##to, HOW_##how},
#include "spool-layout/flow.def"
};

const size_t move_count = COUNT_OF(move_table);

const char *
verdict_word(enum verdict verdict)
{
    BUG_UNLESS(verdict < VERDICT_COUNT);
    return verdict_words[verdict];
}

const char *
folder_name(enum folder folder)
{
    if (folder == FOLDER_GONE)
        return "gone";
    if (folder == FOLDER_SYSTEM)
        return "system";
    BUG_UNLESS(folder < FOLDER_COUNT);
    return folder_table[folder].name;
}

enum folder
folder_by_name(const char *name)
{
    for (unsigned i = 0; i < FOLDER_COUNT; i++)
        if (strcasecmp(folder_table[i].name, name) == 0)
            return (enum folder)i;
    return FOLDER_COUNT;
}

const struct move_row *
flow_find(enum worker_id worker, enum folder from, enum verdict verdict)
{
    for (size_t i = 0; i < move_count; i++) {
        const struct move_row *move = &move_table[i];
        if (move->worker == worker && move->from == from && move->verdict == verdict)
            return move;
    }
    return NULL;
}

enum worker_id
flow_taker(enum folder folder)
{
    for (size_t i = 0; i < move_count; i++)
        if (move_table[i].from == folder && move_table[i].worker != WORKER_COMMAND)
            return move_table[i].worker;
    return WORKER_COUNT;
}

bool
flow_puts(enum worker_id worker, enum folder folder)
{
    for (size_t i = 0; i < move_count; i++)
        if (move_table[i].worker == worker && move_table[i].to == folder)
            return true;
    return false;
}

bool
flow_takes(enum worker_id worker, enum folder folder)
{
    for (size_t i = 0; i < move_count; i++)
        if (move_table[i].worker == worker && move_table[i].from == folder)
            return true;
    return false;
}

bool
connector_name_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > CONNECTOR_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && (i == 0 || (c != '-' && c != '_')))
            return false;
    }
    return true;
}

int
folder_path(enum folder folder, const char *connector, char path[SPOOL_PATH_MAX])
{
    BUG_UNLESS(folder < FOLDER_COUNT);
    const struct folder_row *row = &folder_table[folder];
    if (row->per == PER_ONE) {
        snprintf(path, SPOOL_PATH_MAX, "%s", row->path);
        return 0;
    }
    if (connector == NULL || !connector_name_valid(connector))
        return -EINVAL;
    const char *mark = strstr(row->path, "%s");
    BUG_UNLESS(mark != NULL);
    snprintf(path, SPOOL_PATH_MAX, "%.*s%s%s", (int)(mark - row->path), row->path, connector, mark + 2);
    return 0;
}

static int
open_folder(int spool_fd, enum folder folder, const char *connector, int how)
{
    char path[SPOOL_PATH_MAX];
    int r = folder_path(folder, connector, path);
    if (r < 0)
        return r;
    int fd = openat(spool_fd, path, how | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
folder_open(int spool_fd, enum folder folder, const char *connector)
{
    return open_folder(spool_fd, folder, connector, O_RDONLY);
}

int
folder_open_path(int spool_fd, enum folder folder, const char *connector)
{
    return open_folder(spool_fd, folder, connector, O_PATH);
}

int
spool_move(int from_fd, const char *from_name, int to_fd, const char *to_name)
{
    if (syscall(SYS_renameat2, from_fd, from_name, to_fd, to_name, RENAME_NOREPLACE) == 0)
        return 0;
    return -errno;
}

int
spool_remove(int folder_fd, const char *name)
{
    return unlinkat(folder_fd, name, 0) == 0 ? 0 : -errno;
}

static bool
is_file(int folder_fd, const char *name, ino_t inode)
{
    struct stat st;
    return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == inode;
}

int
spool_remove_aside(int folder_fd, const char *name, ino_t inode, int aside_fd, const char *aside)
{
    int removed = is_file(aside_fd, aside, inode) ? spool_remove(aside_fd, aside) : -ESTALE;
    if (removed == 0)
        return 0;
    int r = spool_move(aside_fd, aside, folder_fd, name);
    if (r == -EEXIST)
        r = spool_move(aside_fd, aside, folder_fd, aside);
    return removed == -ESTALE ? r : removed;
}

int
spool_remove_file(int folder_fd, const char *name, ino_t inode, int aside_fd, const char *aside)
{
    if (!is_file(folder_fd, name, inode))
        return -ENOENT;
    int r = spool_move(folder_fd, name, aside_fd, aside);
    bool ours = r == 0 && is_file(aside_fd, aside, inode);
    if (r == 0)
        r = spool_remove_aside(folder_fd, name, inode, aside_fd, aside);
    if (r == 0)
        return ours ? 0 : -ENOENT;
    /* What cannot be moved aside may be a link or a folder that took its place. */
    return is_file(folder_fd, name, inode) ? r : -ENOENT;
}

int
spool_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

int
spool_check_named(int folder_fd, const char *name, int fd, struct stat *status)
{
    struct stat named;
    if (fstat(fd, status) < 0 || fstatat(folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return status->st_ino == named.st_ino && status->st_dev == named.st_dev ? 0 : -ENOENT;
}

int
spool_claim(int folder_fd, const char *name)
{
    int fd = openat(folder_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat status;
    int r = planted_bug("noclaim") ? 0 : spool_lock(fd);
    if (r == 0)
        r = spool_check_named(folder_fd, name, fd, &status);
    if (r == 0 && S_ISREG(status.st_mode))
        return fd;
    if (r == 0)
        r = -EINVAL;
    close(fd);
    return r;
}

/* mkdir -p below the spool. */
static int
make_path(int spool_fd, const char *path, struct why *why)
{
    char part[SPOOL_PATH_MAX];
    for (const char *end = path; *end != '\0';) {
        end += 1 + strcspn(end + 1, "/");
        snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
        if (mkdirat(spool_fd, part, 0700) < 0 && errno != EEXIST) {
            int r = -errno;
            why_set(why, "4.3.0", "cannot create the spool folder %s: %s", part, strerror(-r));
            return r;
        }
    }
    return 0;
}

static int
make_folder(int spool_fd, enum folder folder, const char *const *connectors, size_t count, struct why *why)
{
    char path[SPOOL_PATH_MAX];
    size_t times = folder_table[folder].per == PER_ONE ? 1 : count;
    for (size_t i = 0; i < times; i++) {
        const char *connector = folder_table[folder].per == PER_ONE ? NULL : connectors[i];
        if (folder_path(folder, connector, path) < 0)
            return why_set(why, "5.3.5", "the connector name \"%s\" cannot be a folder's", connector);
        int r = make_path(spool_fd, path, why);
        if (r < 0)
            return r;
    }
    return 0;
}

int
spool_create(const char *spool_path, const char *const *connectors, size_t count, struct why *why)
{
    if (mkdir(spool_path, 0711) < 0 && errno != EEXIST) {
        int r = -errno;
        why_set(why, "4.3.0", "cannot create the spool %s: %s", spool_path, strerror(-r));
        return r;
    }
    int fd = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    if (r < 0)
        why_set(why, "4.3.0", "cannot open the spool %s: %s", spool_path, strerror(-r));
    for (unsigned i = 0; r == 0 && i < FOLDER_COUNT; i++)
        r = make_folder(fd, (enum folder)i, connectors, count, why);
    if (fd >= 0)
        close(fd);
    return r;
}
