/* side_file_read.c - a file is opened, read and judged (see side_file.h)
 *
 * A file is good when nobody has changed it for a moment, it ends with a line break, holds somebody, has no error, and is the same
 * when it was read as when it was opened.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/quiet.h"
#include "directory/side_file.h"

enum { ARENA_BYTES = 128 << 20 };

void
file_note(const struct file_side *side, const char *format, ...)
{
    char text[1000];
    va_list args;
    if (side->side.context->note == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    side->side.context->note(side->side.context->arg, text);
}

/* ---- a file ---- */

/* Whether a file in the place of foreign.write is one that we wrote. */
static bool
is_ours(const struct file_side *side, int fd)
{
    char begin[sizeof FILE_LDIF_BEGIN];
    const char *want = side->ldif ? FILE_LDIF_BEGIN : FILE_CSV_BEGIN;
    size_t len = strlen(want);
    return pread(fd, begin, len, 0) == (ssize_t)len && memcmp(begin, want, len) == 0;
}

static int
judge(struct file_reader *reader, const struct stat *before, bool whole, struct why *why)
{
    if (reader->err != 0) {
        *why = reader->why;
        return reader->err;
    }
    int err = quiet_judge(reader->fd, reader->path, before, why);
    if (err != 0)
        return err;
    if (!whole) {
        why_set(why, "4.3.2", "%s does not end with a line break: it was cut, or somebody is still writing it",
                reader->path);
        return -EAGAIN;
    }
    if (reader->wrong > 0) {
        *why = reader->why;
        if (reader->wrong > 1)
            file_note(reader->side, "%s has %zu errors", reader->path, reader->wrong);
        return -EINVAL;
    }
    if (reader->entries == 0 && !reader->ours) {
        why_set(why, "4.3.2", "%s names nobody", reader->path);
        return -EAGAIN;
    }
    return 0;
}

static int
read_open(struct file_reader *reader, struct why *why)
{
    struct stat before;
    int err = reader->ours
                  ? 0
                  : quiet_wait(reader->fd, reader->path, reader->side->side.context->deadline_ms, &before, why);
    if (err == 0 && fstat(reader->fd, &before) < 0)
        err = -errno;
    if (err != 0)
        return err;
    if (before.st_size == 0 && reader->ours)
        return 0;
    if (before.st_size == 0) {
        why_set(why, "4.3.2", "%s is empty: it was cut, or somebody is still writing it", reader->path);
        return -EAGAIN;
    }
    if (reader->ours && !is_ours(reader->side, reader->fd)) {
        why_set(why, "5.3.5", "%s is there and was not written by viaduct: it is not overwritten; move it away",
                reader->path);
        return -EEXIST;
    }
    reader->arena = arena_new(ARENA_BYTES);
    reader->proxies = xmalloc(DIR_PROXIES_MAX * sizeof *reader->proxies);
    bool whole = reader->side->ldif ? file_read_ldif(reader) : file_read_csv(reader);
    arena_free(reader->arena);
    free(reader->proxies);
    buf_clear(&reader->trouble);
    return judge(reader, &before, whole, why);
}

int
file_read(struct file_side *side, const char *path, const struct dir_set *copies, struct dir_set *set,
          struct why *why)
{
    struct file_reader reader = {
        .side = side, .path = path, .ours = copies == NULL, .set = set, .copies = copies};
    reader.fd = quiet_open(path, why);
    if (reader.fd < 0)
        return reader.fd;
    int err = read_open(&reader, why);
    close(reader.fd);
    if (err == 0 && reader.echoes > 0)
        file_note(side, "%s: %zu recipients of the host that were exported have come back, and are left out",
                  path, reader.echoes);
    return err;
}
