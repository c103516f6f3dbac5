/* track_read.c - the files of a day merged by time (see track_read.h)
 *
 *     list the folder --> [ take the earliest day not yet read --> merge its files ] ... --> end
 *
 * Each file has a buffer and the time of the line that comes next; a heap says whose is the earliest. Files are
 * opened for one read each, so their number is not limited by descriptors. At the end the last day's files
 * stay, so that a later call goes on where they ended.
 */
#include "common/track_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/track_seen.h"
#include "common/utc.h"

enum {
    BUFFER = 16 << 10, /* a line has at most 4,000 bytes */
    PROBE = 8 << 10,
    SLACK_MS = 60000, /* by which lines of one file may be out of order when a time is searched */
    TIME_AT = 5       /* behind "time=" */
};

struct source {
    char *name;
    int64_t day_ms;
    off_t offset; /* in the file, of what follows the buffer */
    char *bytes;  /* NULL until it is the day's turn */
    size_t start, len;
    struct span line; /* the next one, in the buffer */
    int64_t time_ms;
};

struct track_reader {
    int folder_fd;
    struct track_range range;
    struct source **sources; /* by day, then name */
    size_t n_sources, next_source;
    struct source **heap; /* those of the day with a line, the earliest first */
    size_t n_heap;
    struct source *last; /* whose line was given */
    struct buf values;
    struct track_seen *seen;
    uint64_t malformed, repeated;
    bool listed;
};

struct track_reader *
track_reader_new(int track_folder_fd, const struct track_range *range)
{
    struct track_reader *reader = xcalloc(1, sizeof *reader);
    reader->folder_fd = track_folder_fd;
    reader->range = *range;
    if (reader->range.until_ms <= 0)
        reader->range.until_ms = INT64_MAX;
    reader->seen = track_seen_new(0);
    return reader;
}

static void
source_free(struct source *source)
{
    free(source->name);
    free(source->bytes);
    free(source);
}

void
track_reader_free(struct track_reader *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; i < reader->n_sources; i++)
        source_free(reader->sources[i]);
    free(reader->sources);
    free(reader->heap);
    buf_clear(&reader->values);
    track_seen_free(reader->seen);
    free(reader);
}

uint64_t
track_reader_malformed(const struct track_reader *reader)
{
    return reader->malformed;
}

uint64_t
track_reader_repeated(const struct track_reader *reader)
{
    return reader->repeated;
}

/* ---- one file ---- */

static ssize_t
read_at(const struct track_reader *reader, const struct source *source, char *bytes, size_t size, off_t offset)
{
    int fd = openat(reader->folder_fd, source->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0; /* it was removed meanwhile, or is no file */
    ssize_t n = pread(fd, bytes, size, offset);
    close(fd);
    return n > 0 ? n : 0;
}

static bool
line_time(struct span line, int64_t *ms)
{
    return line.len > TIME_AT + UTC_LEN && memcmp(line.at, "time=", TIME_AT) == 0 &&
           utc_parse((struct span){line.at + TIME_AT, UTC_LEN}, ms);
}

/* The next whole line of the buffer; false where it holds none. */
static bool
buffered_line(struct source *source, struct span *line)
{
    char *at = source->bytes + source->start;
    const char *end = source->len > 0 ? memchr(at, '\n', source->len) : NULL;
    if (end == NULL)
        return false;
    *line = (struct span){at, (size_t)(end - at)};
    source->start += line->len + 1;
    source->len -= line->len + 1;
    return true;
}

/* Reads more behind what the buffer holds. False at the end of the file. A line longer than the buffer is none
 * of ours: its beginning is dropped, and the rest will be malformed. */
static bool
refill(struct track_reader *reader, struct source *source)
{
    if (source->len == BUFFER) {
        source->len = 0;
        reader->malformed++;
    }
    if (source->len > 0 && source->start > 0)
        memmove(source->bytes, source->bytes + source->start, source->len);
    source->start = 0;
    ssize_t n = read_at(reader, source, source->bytes + source->len, BUFFER - source->len, source->offset);
    source->offset += n;
    source->len += (size_t)n;
    return n > 0;
}

/* Moves on to the next line in the range. False at the end of the file; what stands there without a line end
 * may still be completed and stays in the buffer. */
static bool
advance(struct track_reader *reader, struct source *source)
{
    for (;;) {
        while (!buffered_line(source, &source->line))
            if (!refill(reader, source))
                return false;
        if (!line_time(source->line, &source->time_ms))
            reader->malformed++;
        else if (source->time_ms >= reader->range.since_ms && source->time_ms < reader->range.until_ms)
            return true;
    }
}

/* The time of the first whole line behind `offset`; false where there is none. */
static bool
time_behind(struct track_reader *reader, const struct source *source, off_t offset, int64_t *ms)
{
    char bytes[PROBE];
    struct span rest = {bytes, (size_t)read_at(reader, source, bytes, sizeof bytes, offset)};
    while (rest.len > 0) {
        const char *end = memchr(rest.at, '\n', rest.len);
        if (end == NULL)
            return false;
        rest.len -= (size_t)(end + 1 - rest.at);
        rest.at = end + 1;
        if (line_time(rest, ms))
            return true;
    }
    return false;
}

/* Finds by halving where lines of the range begin, so that the last hour of a long day is not searched from
 * midnight. */
static void
skip_to_range(struct track_reader *reader, struct source *source)
{
    struct stat st;
    int64_t ms, wanted = reader->range.since_ms - SLACK_MS;
    if (wanted <= source->day_ms || fstatat(reader->folder_fd, source->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    off_t low = 0, high = st.st_size;
    while (high - low > 4 * PROBE) {
        off_t middle = low + (high - low) / 2;
        if (time_behind(reader, source, middle, &ms) && ms < wanted)
            low = middle;
        else
            high = middle;
    }
    char bytes[PROBE]; /* from `low` to the next line's beginning */
    ssize_t n = low > 0 ? read_at(reader, source, bytes, sizeof bytes, low) : 0;
    const char *end = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;
    source->offset = end != NULL ? low + (end + 1 - bytes) : 0;
}

/* ---- the heap ---- */

static bool
is_earlier(const struct source *a, const struct source *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : strcmp(a->name, b->name) < 0;
}

static void
sift_down(struct track_reader *reader, size_t i)
{
    struct source **heap = reader->heap;
    for (;;) {
        size_t least = i, left = 2 * i + 1;
        if (left < reader->n_heap && is_earlier(heap[left], heap[least]))
            least = left;
        if (left + 1 < reader->n_heap && is_earlier(heap[left + 1], heap[least]))
            least = left + 1;
        if (least == i)
            return;
        struct source *swapped = heap[i];
        heap[i] = heap[least];
        heap[least] = swapped;
        i = least;
    }
}

static void
push(struct track_reader *reader, struct source *source)
{
    size_t i = reader->n_heap++;
    for (; i > 0 && is_earlier(source, reader->heap[(i - 1) / 2]); i = (i - 1) / 2)
        reader->heap[i] = reader->heap[(i - 1) / 2];
    reader->heap[i] = source;
}

/* The line that was given last is done with: its file moves on, or leaves the heap. */
static void
pop_last(struct track_reader *reader)
{
    if (reader->last == NULL)
        return;
    reader->last = NULL;
    if (!advance(reader, reader->heap[0]))
        reader->heap[0] = reader->heap[--reader->n_heap];
    sift_down(reader, 0);
}

/* ---- days ---- */

/* Files of days before the one that is being read were listed with it. */
static bool
is_known(const struct track_reader *reader, const char *name, int64_t day_ms)
{
    size_t i = reader->n_sources;
    if (i > 0 && day_ms < reader->sources[i - 1]->day_ms)
        return true;
    for (; i > 0 && reader->sources[i - 1]->day_ms >= day_ms; i--)
        if (strcmp(reader->sources[i - 1]->name, name) == 0)
            return true;
    return false;
}

static void
add_source(struct track_reader *reader, const char *name)
{
    struct span stem;
    int64_t day_ms;
    if (!track_file_parse(name, &stem, &day_ms) || day_ms + UTC_DAY_MS <= reader->range.since_ms ||
        day_ms >= reader->range.until_ms || (reader->listed && is_known(reader, name, day_ms)))
        return;
    if ((reader->n_sources & (reader->n_sources - 1)) == 0) {
        size_t size = reader->n_sources > 0 ? reader->n_sources * 2 : 1;
        reader->sources = xrealloc(reader->sources, size * sizeof *reader->sources);
        reader->heap = xrealloc(reader->heap, size * sizeof *reader->heap);
    }
    struct source *source = xcalloc(1, sizeof *source);
    source->name = xstrdup(name);
    source->day_ms = day_ms;
    reader->sources[reader->n_sources++] = source;
}

static int
compare_sources(const void *a, const void *b)
{
    const struct source *const *x = a, *const *y = b;
    if ((*x)->day_ms != (*y)->day_ms)
        return (*x)->day_ms < (*y)->day_ms ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

static int
list_files(struct track_reader *reader)
{
    int fd = openat(reader->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    size_t before = reader->n_sources;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        add_source(reader, entry->d_name);
    closedir(dir);
    if (reader->n_sources > before)
        qsort(reader->sources + before, reader->n_sources - before, sizeof *reader->sources, compare_sources);
    reader->listed = true;
    return 0;
}

/* Begins the earliest day that was not begun; false where there is none. Buffers of the days before are given
 * back. */
static bool
begin_day(struct track_reader *reader)
{
    if (reader->next_source == reader->n_sources)
        return false;
    int64_t day_ms = reader->sources[reader->next_source]->day_ms;
    for (size_t i = 0; i < reader->next_source; i++) {
        struct source *old = reader->sources[i];
        if (old->day_ms < day_ms - UTC_DAY_MS && old->bytes != NULL) {
            free(old->bytes);
            old->bytes = NULL;
        }
    }
    while (reader->next_source < reader->n_sources && reader->sources[reader->next_source]->day_ms == day_ms) {
        struct source *source = reader->sources[reader->next_source++];
        source->bytes = xmalloc(BUFFER);
        skip_to_range(reader, source);
        if (advance(reader, source))
            push(reader, source);
    }
    return true;
}

/* Looks again at the files that were read to their end, and for new ones. */
static int
look_again(struct track_reader *reader)
{
    for (size_t i = 0; i < reader->next_source; i++)
        if (reader->sources[i]->bytes != NULL && advance(reader, reader->sources[i]))
            push(reader, reader->sources[i]);
    return list_files(reader);
}

/* Brings a line to the top of the heap: 1, 0 at the end, -errno. */
static int
next_line(struct track_reader *reader)
{
    pop_last(reader);
    while (reader->n_heap == 0 && begin_day(reader))
        ;
    if (reader->n_heap > 0)
        return 1;
    int r = look_again(reader);
    while (r == 0 && reader->n_heap == 0 && begin_day(reader))
        ;
    return r < 0 ? r : reader->n_heap > 0;
}

static bool
is_wanted(const struct track_reader *reader, struct span line)
{
    struct span needle = reader->range.must_contain;
    return needle.len == 0 || memmem(line.at, line.len, needle.at, needle.len) != NULL;
}

int
track_reader_next(struct track_reader *reader, struct track_line *line)
{
    for (;;) {
        int r = next_line(reader);
        if (r <= 0)
            return r;
        reader->last = reader->heap[0];
        if (!is_wanted(reader, reader->last->line))
            continue;
        if (!track_line_parse(reader->last->line, &reader->values, line)) {
            reader->malformed++;
            continue;
        }
        track_seen_note(reader->seen, line);
        reader->repeated += line->repeated;
        if (!line->repeated || reader->range.repeats)
            return 1;
    }
}
