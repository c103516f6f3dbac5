/* quiet.c - a file that somebody else writes (see quiet.h) */
#include "common/quiet.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { QUIET_MS = 2000, LOOK_MS = 100 };

int
quiet_open(const char *path, struct why *why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
    if (err == 0 && fstat(fd, &st) < 0)
        err = -errno;
    if (err == 0 && !S_ISREG(st.st_mode))
        err = -EINVAL;
    if (err == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    why_set(why, "4.3.0", "%s: %s", path, err == -EINVAL ? "it is no file" : strerror(-err));
    return err;
}

static bool
same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int
quiet_wait(int fd, const char *path, int64_t deadline_ms, struct stat *st, struct why *why)
{
    const struct timespec nap = {.tv_nsec = LOOK_MS * 1000000L};
    struct stat last = {0};
    int64_t since_ms = 0;
    for (;; nanosleep(&nap, NULL)) {
        int64_t now_ms = monotonic_ms();
        if (fstat(fd, st) < 0)
            return -errno;
        if (since_ms == 0 || !same(&last, st))
            since_ms = now_ms;
        last = *st;
        int64_t age_ms = time_ms() - ((int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000);
        if (age_ms >= QUIET_MS || now_ms - since_ms >= QUIET_MS)
            return 0;
        if (now_ms >= deadline_ms) {
            why_set(why, "4.3.2", "%s is still being written", path);
            return -EAGAIN;
        }
    }
}

int
quiet_judge(int fd, const char *path, const struct stat *before, struct why *why)
{
    struct stat now, there;
    if (fstat(fd, &now) == 0 && stat(path, &there) == 0 && same(before, &now) && same(&now, &there))
        return 0;
    why_set(why, "4.3.2", "%s was changed while it was read", path);
    return -EAGAIN;
}
