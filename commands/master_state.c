/* master_state.c - the master's state file (see master.h)
 *
 * What is hostile here: nothing is believed but the lock; lines that cannot be read are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "commands/master.h"
#include "common/log.h"
#include "spool-layout/layout.h"

enum { STATE_MAX = 256 * 1024 };

static int
open_state(int spool_fd)
{
    char folder[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 10];
    folder_path(FOLDER_STATE, NULL, folder);
    snprintf(path, sizeof path, "%s/master", folder);
    int fd = openat(spool_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int
read_all(int fd, struct buf *text)
{
    buf_reset(text);
    while (text->len < STATE_MAX) {
        buf_reserve(text, 4096);
        ssize_t n = pread(fd, text->at + text->len, 4096, (off_t)text->len);
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        text->len += (size_t)n;
        text->at[text->len] = '\0';
    }
    return 0;
}

int
master_state(int spool_fd, struct buf *text)
{
    int fd = open_state(spool_fd);
    if (fd < 0)
        return fd;
    int r = read_all(fd, text);
    close(fd);
    return r;
}

/* Whether the kernel knows of a lock on the spool, and whose; asking so takes none, and cannot get in the way of a
 * master that starts. */
static bool
is_locked(const struct stat *st, uint64_t *pid)
{
    char line[256];
    bool found = false;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks != NULL && !found && fgets(line, sizeof line, locks) != NULL) {
        unsigned maj, min;
        unsigned long long inode;
        int owner;
        found = sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%llu", &owner, &maj, &min, &inode) == 4 &&
                inode == st->st_ino && maj == major(st->st_dev) && min == minor(st->st_dev);
        *pid = found && owner > 0 ? (uint64_t)owner : 0;
    }
    if (locks != NULL)
        fclose(locks);
    return found;
}

/* A master in another process namespace is not seen there; then a shared lock that is refused proves it. */
static bool
refuses_lock(int spool_fd)
{
    int fd = openat(spool_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool refused = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return refused;
}

bool
master_runs(int spool_fd, pid_t *pid)
{
    struct buf text = {0}, value = {0};
    struct stat st;
    uint64_t number = 0, owner = 0;
    if (pid != NULL)
        *pid = 0;
    if (fstat(spool_fd, &st) < 0)
        return false;
    if (master_state(spool_fd, &text) == 0 && master_value(buf_span(&text), "pid", &value))
        span_to_u64(buf_span(&value), INT32_MAX, &number);
    bool runs = is_locked(&st, &owner) || (number > 0 && refuses_lock(spool_fd));
    if (runs && pid != NULL) /* the state file may be gone; what the kernel says is not */
        *pid = (pid_t)(owner > 0 ? owner : number);
    buf_clear(&text);
    buf_clear(&value);
    return runs;
}

/* Takes a line off `text`. */
static bool
next_line(struct span *text, struct span *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->at, '\n', text->len);
    size_t len = end != NULL ? (size_t)(end - text->at) : text->len;
    *line = (struct span){text->at, len};
    len += end != NULL;
    *text = (struct span){text->at + len, text->len - len};
    return true;
}

static bool
pair_value(struct span line, const char *key, struct buf *value)
{
    struct span name;
    while (log_next_pair(&line, &name, value))
        if (span_equal(name, span_of(key)))
            return true;
    buf_reset(value);
    return false;
}

bool
master_value(struct span text, const char *key, struct buf *value)
{
    struct span line;
    return next_line(&text, &line) && pair_value(line, key, value);
}

bool
master_next_worker(struct span *text, struct span *line)
{
    while (next_line(text, line))
        if (line->len > 7 && memcmp(line->at, "worker=", 7) == 0)
            return true;
    return false;
}

bool
master_worker_value(struct span line, const char *key, struct buf *value)
{
    return pair_value(line, key, value);
}

bool
master_next_refusing(struct span *text, struct buf *address, int64_t *since_s)
{
    struct span line;
    struct buf value = {0};
    uint64_t since = 0;
    bool found = false;
    while (!found && next_line(text, &line))
        found = line.len > 9 && memcmp(line.at, "listener=", 9) == 0 && pair_value(line, "state", &value) &&
                span_equal(buf_span(&value), SPAN("refusing")) && pair_value(line, "listener", address);
    if (found && pair_value(line, "since", &value))
        span_to_u64(buf_span(&value), INT32_MAX, &since);
    *since_s = (int64_t)since;
    buf_clear(&value);
    return found;
}

bool
master_worker_state(struct span text, const char *instance, struct buf *state)
{
    struct span line;
    struct buf value = {0};
    bool found = false;
    while (!found && master_next_worker(&text, &line))
        found = pair_value(line, "worker", &value) && span_equal(buf_span(&value), span_of(instance)) &&
                pair_value(line, "state", state);
    buf_clear(&value);
    return found;
}
