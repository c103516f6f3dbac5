/* log.h - log lines, tracking records and counters, all declared in events.def
 *
 * Lines are `key=value` pairs, values quoted where they hold blanks, quotes, '=' or anything unprintable
 * (escaped \xHH; UTF-8 is kept); the first pair is id=... where there is a message. Lines and records are
 * collected in memory and written when log_flush() is called, by one write(2) each: the skeleton does so once
 * per turn of its loop, before the moves the lines tell of. A line is at most 4,000 bytes; longer values are
 * cut with "...". Where the log is a stream (stderr, a file) a line of the text form ends in time=...; syslog
 * and the journal know the time.
 *
 * Tracking records are lines of the same form in track/<worker>.<YYYYMMDD> (UTC), one per recipient and event:
 *
 *     time=2026-11-25T07:26:28.123Z event=SEND id=... by=outbound-gateway connector=branch rcpt=... sender=...
 *
 * They are written before the move they tell of, so a kill between them gives a record too many and never one
 * too few: readers drop repetitions of id, recipient, event and attempt. So where the same can truly happen to
 * a recipient again, `attempt` must tell: DEFER, SEND and FAIL carry the number of the attempt.
 */
#ifndef VIADUCT_LOG_H
#define VIADUCT_LOG_H

#include "common/buf.h"

enum log_category {
#define CATEGORY(symbol, word, meaning) LOG_##symbol,
#include "common/events.def"
    LOG_CATEGORY_COUNT
};

enum log_level { LEVEL_NONE = 0, LEVEL_MINIMUM = 1, LEVEL_MEDIUM = 3, LEVEL_MAXIMUM = 5 };

enum track_event {
#define TRACK(symbol, name, sign, meaning) TRACK_##symbol,
#include "common/events.def"
    TRACK_COUNT
};

enum counter {
#define COUNTER(symbol, name, type, per, meaning) COUNTER_##symbol,
#include "common/events.def"
    COUNTER_COUNT
};

extern const char *const log_category_words[LOG_CATEGORY_COUNT];
extern const char *const track_event_names[TRACK_COUNT];
extern const int track_event_signs[TRACK_COUNT];

struct counter_row {
    const char *name; /* for Prometheus, the label set left open: "viaduct_bytes_total{direction=\"in\"" */
    bool gauge;
    bool per_worker; /* shown for each worker; else summed for each connector */
    const char *meaning;
};
extern const struct counter_row counter_table[COUNTER_COUNT];

/* "none", "minimum", "medium", "maximum"; -1 for another word. */
int log_level_by_word(const char *word);
const char *log_level_word(enum log_level level);
int log_category_by_word(const char *word); /* -1 for another word */

/* Begins logging for this process: `by` stands in every line ("cleanup", "outbound-gateway/branch"). `fd` gets
 * the lines. `json` chooses JSON lines. Before this, lines go to stderr as text. */
void log_start(const char *by, int fd, bool json, enum log_level level);

/* Opens what log.target names: "stderr", "syslog" (/dev/log), "journal" (/run/systemd/journal/socket), both
 * also with another socket's path behind a colon, or the path of a file that is appended to (made with mode
 * 0640). Returns a descriptor, for stderr 2, or -errno. A journal that is not there is told on stderr, and 2
 * returned. The descriptor can be handed to other processes: log_start() sees by its kind how lines are framed.
 */
int log_open_target(const char *target);

/* Sets a category's level, or all (-1). */
void log_set_level(int category, enum log_level level);
bool log_wants(enum log_category category, enum log_level level);

/* A line under construction. Adding to a line that is not wanted costs nothing. */
struct log_line {
    struct buf *buf; /* NULL: not wanted */
    size_t start;
};

/* Begins a line; `id` NULL for none. End it with log_end(). Only one line is under construction at a time;
 * log_say() may be called meanwhile. */
struct log_line log_begin(enum log_category category, enum log_level level, const char *id);
void log_add(struct log_line *line, const char *key, struct span value);
void log_add_text(struct log_line *line, const char *key, const char *value);
void log_add_number(struct log_line *line, const char *key, int64_t value);
void log_end(struct log_line *line);

/* A whole line with a message for a person: `id=... by=... say="..."`. Level MINIMUM is for errors, MEDIUM for
 * what an operator wants to know, MAXIMUM for diagnosis. */
void log_say(enum log_category category, enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes what was collected: lines to the log, records to the tracking log. Errors are counted, not fatal;
 * returns -errno where the tracking log could not be written (disk full), so that the skeleton can hold back
 * its moves. */
int log_flush(void);

/* Adds `key=value` to any buffer in the same form, after a blank where a pair stands before it. Nothing is cut.
 * Readers use log_next_pair() to take lines apart. */
void log_print_pair(struct buf *out, const char *key, struct span value);

/* Takes the next pair off a line of the text form. The value is unescaped into `value` (reset first). Returns
 * false at the end (`line->len` is 0) or at something malformed (`line` begins with it). A value that
 * log_print_pair() made comes back as it was. */
bool log_next_pair(struct span *line, struct span *key, struct buf *value);

/* ---- tracking ---- */

/* Records go to <file_stem>.<day> in this folder from now on. The descriptor is kept, not duplicated: it must
 * stay open. Before this, and after track_start(-1, ""), records are dropped. */
void track_start(int track_folder_fd, const char *file_stem);

/* What a record says; empty spans and zero numbers are left out. */
struct track_record {
    enum track_event event;
    const char *id;
    const char *connector;
    struct span sender, rcpt, translated; /* rcpt in host form; translated as the other side knows it */
    struct span msgid, subject, parent;
    struct span status, reason, remote;
    uint64_t bytes;
    int64_t attempt;
    size_t n_rcpts;
};

/* Collects a record with the time of now; log_flush() writes it. `by` is log_start()'s, without what follows a
 * '/'. */
void track_add(const struct track_record *record);

/* ---- counters ---- */

/* Maps counters/<name> (made when missing, continued when there, gauges from 0): a count costs one addition and
 * no system call. The file is a line "viaduct-counters 1 <CRC of the counters' names> <connector>\n" padded
 * with NULs to 128 bytes, then COUNTER_COUNT 64-bit numbers in the order of events.def. A file of another
 * version is replaced. Where it cannot be mapped, counts are kept in memory only and a line says so.
 * `connector` is "" for workers there is one of. */
void counters_start(int counters_folder_fd, const char *name, const char *connector);
void counter_add(enum counter counter, int64_t by);
void counter_set(enum counter counter, int64_t value);

/* Counts one message in the histogram of viaduct_stage_seconds: `ms` since its acceptance (negative, where
 * clocks differ, is 0). */
void counter_add_stage(int64_t ms);

/* Reads a counter file. Returns 0, or -EINVAL for a file of another version. */
int counters_read(int fd, char connector[64], int64_t values[COUNTER_COUNT]);

#endif
