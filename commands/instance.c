/* instance.c - state pages read, orders written (see instance.h) */
#include "commands/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

void
instance_name(enum worker_id worker, const char *connector, char instance[INSTANCE_MAX])
{
    const struct worker_row *row = &worker_table[worker];
    if (row->per == PER_ONE)
        snprintf(instance, INSTANCE_MAX, "%s", row->program);
    else
        snprintf(instance, INSTANCE_MAX, "%.30s-%.40s", row->program, connector);
}

int
instance_state(int spool_fd, const char *instance, struct state_page *page)
{
    struct state_page other;
    char name[INSTANCE_MAX + 8];
    int fd = folder_open(spool_fd, FOLDER_STATE, NULL), found = -ENOENT;
    if (fd < 0)
        return fd;
    for (int lane = 0; lane < STATE_LANES; lane++) {
        snprintf(name, sizeof name, "%s.%d", instance, lane);
        int r = state_read(fd, name, &other);
        if (r < 0 && found < 0 && r != -ENOENT)
            found = r;
        if (r == 0 && (found < 0 || other.beat_ms > page->beat_ms)) {
            *page = other;
            found = 0;
        }
    }
    close(fd);
    return found;
}

/* The order folder of an instance, made when missing (its owner becomes the spool's). */
static int
open_orders(int spool_fd, const char *instance, bool make)
{
    char control[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + INSTANCE_MAX + 2];
    folder_path(FOLDER_CONTROL, NULL, control);
    snprintf(path, sizeof path, "%s/%s", control, instance);
    int fd = openat(spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT || !make)
        return fd >= 0 ? fd : -errno;
    bool made = mkdirat(spool_fd, path, 0755) == 0;
    if (!made && errno != EEXIST)
        return -errno;
    fd = openat(spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (made) /* the worker, whoever it is, must be able to look, whatever the operator's umask */
        fchmod(fd, 0755);
    return fd;
}

int
instance_hold(int spool_fd, const char *instance, struct hold_order *hold)
{
    char text[1024];
    struct buf value = {0};
    struct span key;
    *hold = (struct hold_order){0};
    int folder = open_orders(spool_fd, instance, false);
    if (folder < 0)
        return folder == -ENOENT ? 0 : folder;
    int fd = openat(folder, "hold", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    close(folder);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    struct span line = span_trim((struct span){text, n > 0 ? (size_t)n : 0});
    hold->held = true;
    while (log_next_pair(&line, &key, &value)) {
        uint64_t until;
        if (span_equal(key, SPAN("until")) && span_to_u64(buf_span(&value), INT64_MAX, &until))
            hold->until_s = (int64_t)until;
        else if (span_equal(key, SPAN("reason")))
            snprintf(hold->reason, sizeof hold->reason, "%s", value.at != NULL ? value.at : "");
        else if (span_equal(key, SPAN("by")))
            snprintf(hold->by, sizeof hold->by, "%s", value.at != NULL ? value.at : "");
    }
    buf_clear(&value);
    hold->held = hold->until_s == 0 || hold->until_s > time_ms() / 1000;
    return 0;
}

/* The new file is whole before it gets its name. */
static int
write_order(int folder, const char *temporary, const char *name, const char *text)
{
    size_t len = strlen(text);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, len);
    int r = n < 0 ? -errno : (size_t)n < len ? -EIO : 0;
    if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
        r = -errno;
    close(fd);
    if (r == 0) {
        spool_remove(folder, name);
        r = spool_move(folder, temporary, folder, name);
    }
    if (r < 0)
        spool_remove(folder, temporary);
    return r;
}

int
instance_order(int spool_fd, const char *instance, const char *name, const char *text)
{
    char temporary[64];
    int folder = open_orders(spool_fd, instance, text != NULL);
    if (folder < 0)
        return folder;
    snprintf(temporary, sizeof temporary, ".%.30s.%d", name, (int)getpid());
    int r = text != NULL ? write_order(folder, temporary, name, text) : spool_remove(folder, name);
    close(folder);
    return r;
}
