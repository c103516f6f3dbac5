/* track.c - tracking records, collected and written before the moves they tell of (see log.h)
 *
 * One file a day (UTC) and process instance; the day is that of the records, so a file holds no other's. Each
 * flush is one write at the end of the file. What a kill or a full disk tore off is continued where this
 * process still has the rest, else closed with " torn", which makes the line malformed: readers drop it, and
 * the step it told of is repeated because its move was not made.
 *
 *     closed --record--> collecting --flush--> open --record--> collecting ...
 *     open --the day changes--> closed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log_inside.h"
#include "common/utc.h"

enum {
    WAITING_MAX = 256 << 10, /* more than this is written without waiting for log_flush() */
    ADDRESS_MAX = 700,       /* printed bytes of each value: all of a record stay below LOG_LINE_MAX */
    TEXT_VALUE_MAX = 400
};

const char *const track_event_names[TRACK_COUNT] = {
#define TRACK(symbol, name, sign, meaning) [TRACK_##symbol] = name,
#include "common/events.def"
};

const int track_event_signs[TRACK_COUNT] = {
#define TRACK(symbol, name, sign, meaning) [TRACK_##symbol] = sign,
#include "common/events.def"
};

static struct {
    int folder_fd, fd;
    char stem[100];
    int64_t day_ms; /* when the day of the records in `text` began */
    struct buf text;
} state = {.folder_fd = -1, .fd = -1};

static void
close_file(void)
{
    if (state.fd >= 0)
        close(state.fd);
    state.fd = -1;
}

void
track_start(int track_folder_fd, const char *file_stem)
{
    if (state.folder_fd >= 0)
        track_flush();
    close_file();
    buf_reset(&state.text);
    state.folder_fd = track_folder_fd;
    snprintf(state.stem, sizeof state.stem, "%s", file_stem);
}

/* ---- collecting ---- */

static void
add(const char *key, struct span value, size_t limit)
{
    if (value.len == 0)
        return;
    buf_add_byte(&state.text, ' ');
    log_print_cut(&state.text, key, value, limit);
}

static void
add_number(const char *key, uint64_t value)
{
    if (value > 0)
        buf_printf(&state.text, " %s=%llu", key, (unsigned long long)value);
}

/* "outbound-gateway/branch": the worker, and the connector where the record names none. */
static void
add_worker(const char *connector)
{
    const char *by = log_by();
    size_t len = strcspn(by, "/");
    add("by", (struct span){by, len}, TEXT_VALUE_MAX);
    bool named = connector != NULL && connector[0] != '\0';
    add("connector", span_of(named ? connector : by[len] == '/' ? by + len + 1 : ""), TEXT_VALUE_MAX);
}

/* Records of another day go to another file, so those of the last day are written first. Where that fails they
 * stay, and go to the new day's file: better there than nowhere. */
static void
change_day(int64_t day_ms)
{
    track_flush();
    close_file();
    state.day_ms = day_ms;
}

void
track_add(const struct track_record *record)
{
    BUG_UNLESS(record->event < TRACK_COUNT);
    if (state.folder_fd < 0)
        return;
    int64_t now = time_ms(), day_ms = now - now % UTC_DAY_MS;
    if (day_ms != state.day_ms)
        change_day(day_ms);

    char time[UTC_LEN + 1];
    utc_print(now, time);
    buf_reserve(&state.text, LOG_LINE_MAX);
    buf_add(&state.text, "time=", 5);
    buf_add(&state.text, time, UTC_LEN);
    add("event", span_of(track_event_names[record->event]), TEXT_VALUE_MAX);
    add("id", span_of(record->id), TEXT_VALUE_MAX);
    add_worker(record->connector);
    add("rcpt", record->rcpt, ADDRESS_MAX);
    if (record->attempt != 0)
        buf_printf(&state.text, " attempt=%lld", (long long)record->attempt);
    add("sender", record->sender, ADDRESS_MAX);
    add("translated", record->translated, ADDRESS_MAX);
    add("parent", record->parent, 100);
    add("msgid", record->msgid, TEXT_VALUE_MAX);
    add("status", record->status, 20);
    add("remote", record->remote, 200);
    add_number("bytes", record->bytes);
    add_number("rcpts", record->n_rcpts);
    add("reason", record->reason, TEXT_VALUE_MAX);
    add("subject", record->subject, 200);
    buf_add_byte(&state.text, '\n');
    if (state.text.len > WAITING_MAX)
        track_flush();
}

/* ---- writing ---- */

/* Sees whether the file ends within a line, as a kill or a power cut leaves it. */
static bool
ends_torn(int fd)
{
    struct stat st;
    char last = '\n';
    if (fstat(fd, &st) < 0 || st.st_size == 0)
        return false;
    return pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

static int
open_file(void)
{
    char day[UTC_DAY_LEN + 1], name[sizeof state.stem + sizeof day];
    utc_print_day(state.day_ms, day);
    snprintf(name, sizeof name, "%s.%s", state.stem, day);
    int fd =
        openat(state.folder_fd, name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    static const char torn[] = " torn\n";
    if (ends_torn(fd) && write(fd, torn, sizeof torn - 1) != (ssize_t)sizeof torn - 1) {
        close(fd);
        return -ENOSPC;
    }
    state.fd = fd;
    return 0;
}

/* Somebody removed the folder with all its logs: records go where those went, as they do from a process whose file was open.
 * Mail does not wait for it. */
static bool
folder_is_gone(void)
{
    struct stat st;
    return fstat(state.folder_fd, &st) == 0 && st.st_nlink == 0;
}

int
track_flush(void)
{
    if (state.text.len == 0)
        return 0;
    int r = state.fd < 0 ? open_file() : 0;
    size_t done = 0;
    if (r == -ENOENT && folder_is_gone()) {
        buf_reset(&state.text);
        return 0;
    }
    while (r == 0 && done < state.text.len) {
        ssize_t n = write(state.fd, state.text.at + done, state.text.len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            r = n == 0 ? -EIO : -errno;
    }
    buf_consume(&state.text, done);
    return r;
}
