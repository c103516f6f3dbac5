/* track_read.h - tracking logs read back: all workers' files as one story, without repetitions
 *
 *     struct track_reader *reader = track_reader_new(folder_fd, &(struct track_range){.since_ms = since});
 *     while ((r = track_reader_next(reader, &line)) > 0)
 *         ...
 *     track_reader_free(reader);
 *
 * Files are merged by time, day by day. A record is written before its move, so a kill leaves records whose
 * step was repeated: of records with the same id, recipient, event and attempt the first is given and the rest
 * counted. A message that a person sent again from Badmail, or imported, begins anew: its events are told apart
 * from those before.
 *
 * Memory: a buffer for each file of a day, and 64-bit hashes (keyed, so that nobody can choose two that
 * collide) of the last two to four million records: a repetition further away than that is not seen. No file is
 * kept open.
 *
 * What is hostile here: the lines, which other workers wrote. Malformed ones, such as a kill tears off, are
 * counted and passed over.
 */
#ifndef VIADUCT_TRACK_READ_H
#define VIADUCT_TRACK_READ_H

#include "common/log.h"

struct track_range {
    int64_t since_ms;         /* records before it are left out; 0: from the beginning */
    int64_t until_ms;         /* records at or after it are left out; 0: to the end */
    struct span must_contain; /* only lines with these bytes are read (as they stand in the line); empty: all */
    bool repeats;             /* give repetitions too, marked */
};

/* One record. Spans are valid until the next call; what the record does not say is empty or 0. */
struct track_line {
    int64_t time_ms;
    enum track_event event;
    struct span text; /* the whole line, without its end */
    struct span id, by, connector, rcpt, sender, translated, parent, msgid, status, remote, reason, subject;
    int64_t attempt;
    uint64_t bytes, n_rcpts;
    bool repeated;
    bool from_badmail; /* DELETE: it had been put into Badmail, so it was settled before */
    bool from_failed;  /* REQUEUE: it had failed and is tried again instead of being reported */
};

struct track_reader;

/* Begins reading. The descriptor is the caller's and must stay open. */
struct track_reader *track_reader_new(int track_folder_fd, const struct track_range *range);

/* The next record: 1; 0 at the end; -errno where the folder cannot be read. Behind the end it may be called
 * again: it then looks for what was added meanwhile (`viaduct track --follow`). */
int track_reader_next(struct track_reader *reader, struct track_line *line);

/* How many lines were passed over so far because they were malformed, or because they were repetitions. */
uint64_t track_reader_malformed(const struct track_reader *reader);
uint64_t track_reader_repeated(const struct track_reader *reader);

/* NULL is allowed. */
void track_reader_free(struct track_reader *reader);

/* Takes a record apart. Spans point into `text` and `values` (reset first). False where it is malformed. */
bool track_line_parse(struct span text, struct buf *values, struct track_line *line);

/* ---- the books ---- */

/* Recipients, each counted once:
 * accepted + reports + imported = delivered + failed + badmail + deleted + exported + in_spool. */
struct track_balance {
    uint64_t events[TRACK_COUNT];
    uint64_t malformed, repeated;
    int64_t accepted;  /* RECEIVE */
    int64_t reports;   /* DSN: messages of our own */
    int64_t delivered; /* SEND, DELIVER */
    int64_t failed;    /* FAIL, and not sent again */
    int64_t badmail;   /* in Badmail now: put there, and neither sent again nor deleted */
    int64_t deleted;   /* by a person */
    int64_t exported;  /* by a person: to another spool, or back into this one by an import */
    int64_t imported;
    int64_t in_spool; /* what must then still be on its way */
};

/* Adds up the records of a range (which should begin before the first message; `repeats` is ignored). 0 or
 * -errno. */
int track_balance(int track_folder_fd, const struct track_range *range, struct track_balance *balance);

/* ---- files ---- */

/* Takes the name of a tracking log apart: "outbound-gateway-branch.0.20261125". `stem` points into the name,
 * `day_ms` is when the day begins. False for any other name. */
bool track_file_parse(const char *name, struct span *stem, int64_t *day_ms);

/* Removes tracking logs whose day ended more than `keep_s` seconds before `now_ms`; 0: keeps all. Returns how
 * many were removed, or -errno where the folder could not be read or a file not removed (the rest is still
 * tried). */
int track_expire(int track_folder_fd, int64_t keep_s, int64_t now_ms);

#endif
