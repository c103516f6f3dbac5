/* track_line.c - one tracking record taken apart, and records added up (see track_read.h) */
#include <stddef.h>

#include "common/track_read.h"
#include "common/utc.h"

/* The values that are texts; their offsets into `values` become spans when all are there, since it may move. */
static const struct {
    const char *key;
    size_t offset;
} members[] = {
    {"id", offsetof(struct track_line, id)},
    {"by", offsetof(struct track_line, by)},
    {"connector", offsetof(struct track_line, connector)},
    {"rcpt", offsetof(struct track_line, rcpt)},
    {"sender", offsetof(struct track_line, sender)},
    {"translated", offsetof(struct track_line, translated)},
    {"parent", offsetof(struct track_line, parent)},
    {"msgid", offsetof(struct track_line, msgid)},
    {"status", offsetof(struct track_line, status)},
    {"remote", offsetof(struct track_line, remote)},
    {"reason", offsetof(struct track_line, reason)},
    {"subject", offsetof(struct track_line, subject)},
};

struct parsing {
    struct track_line *line;
    struct buf *values;
    size_t starts[COUNT_OF(members)], lens[COUNT_OF(members)];
    bool has_time, has_event;
};

static bool
parse_event(struct span value, enum track_event *event)
{
    for (unsigned i = 0; i < TRACK_COUNT; i++)
        if (span_equal(value, span_of(track_event_names[i]))) {
            *event = (enum track_event)i;
            return true;
        }
    return false;
}

/* False where a value that must be of a form is not. Keys of later versions are passed over. */
static bool
take_pair(struct parsing *parsing, struct span key, struct span value)
{
    uint64_t number;
    struct track_line *line = parsing->line;
    if (span_equal(key, SPAN("time")))
        return parsing->has_time = utc_parse(value, &line->time_ms);
    if (span_equal(key, SPAN("event")))
        return parsing->has_event = parse_event(value, &line->event);
    if (span_equal(key, SPAN("attempt"))) {
        bool fine = span_to_u64(value, INT64_MAX, &number);
        line->attempt = fine ? (int64_t)number : 0;
        return fine;
    }
    if (span_equal(key, SPAN("bytes")))
        return span_to_u64(value, UINT64_MAX, &line->bytes);
    if (span_equal(key, SPAN("rcpts")))
        return span_to_u64(value, UINT64_MAX, &line->n_rcpts);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (span_equal(key, span_of(members[i].key))) {
            parsing->starts[i] = parsing->values->len;
            parsing->lens[i] = value.len;
            buf_add_span(parsing->values, value);
            break;
        }
    return true;
}

bool
track_line_parse(struct span text, struct buf *values, struct track_line *line)
{
    static _Thread_local struct buf value; /* kept for the next record */
    struct parsing parsing = {.line = line, .values = values};
    struct span rest = text, key;
    *line = (struct track_line){.text = text};
    buf_reset(values);
    while (log_next_pair(&rest, &key, &value))
        if (!take_pair(&parsing, key, buf_span(&value)))
            return false;
    if (rest.len > 0 || !parsing.has_time || !parsing.has_event)
        return false;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        struct span *member = (struct span *)(void *)((char *)line + members[i].offset);
        if (parsing.lens[i] > 0)
            *member = (struct span){values->at + parsing.starts[i], parsing.lens[i]};
    }
    return line->id.len > 0;
}

/* ---- the books ---- */

/* A recipient that is deleted from Badmail was settled before: it only changes its place. */
static void
add_line(struct track_balance *balance, const struct track_line *line)
{
    balance->events[line->event]++;
    if (line->event == TRACK_DELETE && line->from_badmail)
        balance->badmail--;
    else
        balance->in_spool += track_event_signs[line->event];
    if (line->event == TRACK_REQUEUE && line->from_failed) {
        balance->failed--;
        balance->badmail++; /* where it is taken away with those that were there */
    }
}

static int64_t
count_of(const struct track_balance *balance, enum track_event event)
{
    return (int64_t)balance->events[event];
}

int
track_balance(int track_folder_fd, const struct track_range *range, struct track_balance *balance)
{
    struct track_range without = *range;
    struct track_line line;
    int r;
    without.repeats = false;
    *balance = (struct track_balance){0};
    struct track_reader *reader = track_reader_new(track_folder_fd, &without);
    while ((r = track_reader_next(reader, &line)) > 0)
        add_line(balance, &line);
    balance->malformed = track_reader_malformed(reader);
    balance->repeated = track_reader_repeated(reader);
    track_reader_free(reader);
    balance->accepted = count_of(balance, TRACK_RECEIVE);
    balance->reports = count_of(balance, TRACK_DSN);
    balance->delivered = count_of(balance, TRACK_SEND) + count_of(balance, TRACK_DELIVER);
    balance->failed += count_of(balance, TRACK_FAIL);
    balance->badmail += count_of(balance, TRACK_BADMAIL) - count_of(balance, TRACK_REQUEUE);
    balance->deleted = count_of(balance, TRACK_DELETE);
    balance->exported = count_of(balance, TRACK_EXPORT);
    balance->imported = count_of(balance, TRACK_IMPORT);
    return r;
}
