/* master_state.c - the master's state file (see master.h)
 *
 * What is hostile here: nothing is believed but the lock; lines that cannot be read are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
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

bool
master_runs(int spool_fd, pid_t *pid)
{
    struct buf text = {0};
    struct span value;
    uint64_t number = 0;
    int fd = open_state(spool_fd);
    if (pid != NULL)
        *pid = 0;
    if (fd < 0)
        return false;
    /* A shared lock that is refused proves a master; one that is granted is given back at once by close(). */
    bool runs = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (runs && pid != NULL && read_all(fd, &text) == 0 && master_value(buf_span(&text), "pid", &value) &&
        span_to_u64(value, INT32_MAX, &number))
        *pid = (pid_t)number;
    close(fd);
    buf_clear(&text);
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
line_value(struct span line, const char *key, struct span *value)
{
    size_t len = strlen(key);
    if (line.len <= len || line.at[len] != '=' || memcmp(line.at, key, len) != 0)
        return false;
    *value = (struct span){line.at + len + 1, line.len - len - 1};
    return true;
}

bool
master_value(struct span text, const char *key, struct span *value)
{
    for (struct span line; next_line(&text, &line);)
        if (line_value(line, key, value))
            return true;
    return false;
}

bool
master_next_worker(struct span *text, struct span *line)
{
    struct span value;
    while (next_line(text, line))
        if (line_value(*line, "worker", &value))
            return true;
    return false;
}

bool
master_worker_value(struct span line, const char *key, struct buf *value)
{
    struct span name;
    while (log_next_pair(&line, &name, value))
        if (span_equal(name, span_of(key)))
            return true;
    buf_reset(value);
    return false;
}
