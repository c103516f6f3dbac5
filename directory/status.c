/* status.c - what is known of a dirsync's last run (see status.h) */
#include "directory/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"

enum { STATUS_MAX = 64 * 1024, STATUS_NAME = 300 };

/* The members, each once: numbers, then texts. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"begun", offsetof(struct dir_status, begun_s)},
    {"ended", offsetof(struct dir_status, ended_s)},
    {"applied", offsetof(struct dir_status, applied_s)},
    {"changes", offsetof(struct dir_status, changes)},
    {"done", offsetof(struct dir_status, done)},
    {"failed", offsetof(struct dir_status, failed)},
    {"conflicts", offsetof(struct dir_status, conflicts)},
    {"refusals", offsetof(struct dir_status, refusals)},
    {"linked", offsetof(struct dir_status, linked)},
    {"hiding", offsetof(struct dir_status, hiding)},
    {"host-entries", offsetof(struct dir_status, host_entries)},
    {"foreign-entries", offsetof(struct dir_status, foreign_entries)},
};
static const struct {
    const char *name;
    size_t offset, size;
} texts[] = {
    {"result", offsetof(struct dir_status, result), sizeof(((struct dir_status *)NULL)->result)},
    {"text", offsetof(struct dir_status, text), sizeof(((struct dir_status *)NULL)->text)},
    {"hash", offsetof(struct dir_status, hash), sizeof(((struct dir_status *)NULL)->hash)},
};

static void
take_line(struct span name, struct span value, struct dir_status *status)
{
    uint64_t number;
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (span_equal(name, span_of(numbers[i].name)) && span_to_u64(value, INT64_MAX, &number))
            memcpy((char *)status + numbers[i].offset, &number, sizeof number);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (span_equal(name, span_of(texts[i].name)))
            snprintf((char *)status + texts[i].offset, texts[i].size, "%.*s", (int)value.len, value.at);
}

bool
dir_status_read(int folder_fd, const char *dirsync, struct dir_status *status)
{
    char name[STATUS_NAME];
    struct buf text = {0};
    memset(status, 0, sizeof *status);
    snprintf(name, sizeof name, "%s.status", dirsync);
    int r = dir_file_read(folder_fd, name, STATUS_MAX, &text);
    struct span rest = buf_span(&text);
    while (r == 0 && rest.len > 0) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.at) : rest.len;
        const char *colon = memchr(rest.at, ':', len);
        if (colon != NULL)
            take_line((struct span){rest.at, (size_t)(colon - rest.at)},
                      span_trim((struct span){colon + 1, len - (size_t)(colon + 1 - rest.at)}), status);
        len += end != NULL;
        rest = (struct span){rest.at + len, rest.len - len};
    }
    buf_clear(&text);
    return r == 0;
}

int
dir_status_write(int folder_fd, const char *dirsync, const struct dir_status *status)
{
    char name[STATUS_NAME];
    struct buf text = {0};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uint64_t number;
        memcpy(&number, (const char *)status + numbers[i].offset, sizeof number);
        buf_printf(&text, "%s: %" PRIu64 "\n", numbers[i].name, number);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        buf_printf(&text, "%s: %s\n", texts[i].name, (const char *)status + texts[i].offset);
    snprintf(name, sizeof name, "%s.status", dirsync);
    int r = dir_file_write(folder_fd, name, buf_span(&text),
                           false); /* how many were read is what the next reading is held against */
    buf_clear(&text);
    return r;
}

static int
write_whole(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            bytes = (struct span){bytes.at + n, bytes.len - (size_t)n};
    }
    return 0;
}

int
dir_file_write(int folder_fd, const char *name, struct span bytes, bool hasty)
{
    char temporary[STATUS_NAME];
    snprintf(temporary, sizeof temporary, "%.290s.new", name);
    int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : write_whole(fd, bytes);
    if (r == 0 && !hasty && fsync(fd) < 0)
        r = -errno;
    if (fd >= 0 && close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && renameat(folder_fd, temporary, folder_fd, name) < 0)
        r = -errno;
    if (r < 0 && fd >= 0)
        unlinkat(folder_fd, temporary, 0);
    return r;
}

int
dir_file_read(int folder_fd, const char *name, size_t most, struct buf *out)
{
    struct stat st = {0};
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > most))
        r = -EFBIG;
    for (ssize_t n = 1; r == 0 && n != 0;) {
        buf_reserve(out, 65536);
        n = read(fd, out->at + out->len, 65535);
        if (n < 0 && errno != EINTR)
            r = -errno;
        if (n > 0)
            out->len += (size_t)n;
        if (out->len > most)
            r = -EFBIG;
    }
    if (r == 0)
        out->at[out->len] = '\0';
    if (fd >= 0)
        close(fd);
    return r;
}
