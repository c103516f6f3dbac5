/* envelope_journal.c - the journal's entries, printed, read and applied to the envelope (see envelope.h)
 *
 *     + LLLLLLLL HHHHHHHH CCCCCCCC LF <records, the last is end>
 *
 * L: length of the records; H: CRC of L's eight digits; C: CRC of the records. H tells a cut-off tail (L is
 * right, but fewer bytes follow) from a damaged length.
 *
 * Hostile here: every byte of a queue file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"
#include "common/envelope_inside.h"

enum { FRAME_LEN = 29, ENTRY_MAX = 32 << 20, REPORTS_MAX = 999999 /* six digits, see id.h */ };

static const char *const state_words[RECIPIENT_STATE_COUNT] = {
    [RECIPIENT_PENDING] = "pending", [RECIPIENT_DELIVERED] = "delivered", [RECIPIENT_RELAYED] = "relayed",
    [RECIPIENT_FAILED] = "failed",   [RECIPIENT_DELAYED] = "delayed",     [RECIPIENT_REPORTED] = "reported",
    [RECIPIENT_MOVED] = "moved",
};

static const char *const kind_words[JOURNAL_KIND_COUNT] = {
    [JOURNAL_TRACE] = "trace",         [JOURNAL_MARK] = "mark",         [JOURNAL_ATTEMPT] = "attempt",
    [JOURNAL_COMMITTED] = "committed", [JOURNAL_COMPLETE] = "complete", [JOURNAL_REPORTED] = "reported",
    [JOURNAL_REQUEUED] = "requeued",
};

/* The members of an entry and their tags; the end record and the marks aside. */
#define JOURNAL_MEMBERS(X)                                                                                     \
    X(time_ms, NUMBER, "time")                                                                                 \
    X(by, TEXT, "by")                                                                                          \
    X(from, TEXT, "from")                                                                                      \
    X(to, TEXT, "to")                                                                                          \
    X(verdict, TEXT, "verdict")                                                                                \
    X(status, TEXT, "status")                                                                                  \
    X(text, TEXT, "text")                                                                                      \
    X(remote, TEXT, "remote")                                                                                  \
    X(number, NUMBER, "number")                                                                                \
    X(next_s, NUMBER, "next")

#define MARK_MEMBERS(X)                                                                                        \
    X(status, TEXT, "mark-status")                                                                             \
    X(text, TEXT, "mark-text")                                                                                 \
    X(remote, TEXT, "mark-remote")

const char *
recipient_state_word(enum recipient_state state)
{
    BUG_UNLESS(state < RECIPIENT_STATE_COUNT);
    return state_words[state];
}

void
journal_print(const struct journal_entry *entry, struct buf *out)
{
    size_t frame = out->len;
    buf_reserve(out, FRAME_LEN);
    out->len += FRAME_LEN;
    record_print(out, "kind", span_of(kind_words[entry->kind]));
#define PRINT(member, kind, tag) record_print_##kind(out, tag, entry->member);
    JOURNAL_MEMBERS(PRINT)
#undef PRINT
    for (size_t i = 0; i < entry->n_marks; i++) {
        const struct recipient_mark *mark = &entry->marks[i];
        char text[40];
        int len = snprintf(text, sizeof text, "%u %s", mark->index, state_words[mark->state]);
        record_print(out, "mark", (struct span){text, (size_t)len});
#define PRINT(member, kind, tag) record_print_##kind(out, tag, mark->member);
        MARK_MEMBERS(PRINT)
#undef PRINT
    }
    record_print(out, "end", SPAN(""));
    size_t len = out->len - frame - FRAME_LEN;
    BUG_UNLESS(len <= ENTRY_MAX);
    char text[FRAME_LEN + 1], digits[9];
    snprintf(digits, sizeof digits, "%08x", (unsigned)len);
    snprintf(text, sizeof text, "+ %s %08x %08x\n", digits, crc32c(0, digits, 8),
             crc32c(0, out->at + frame + FRAME_LEN, len));
    memcpy(out->at + frame, text, FRAME_LEN);
}

static bool
all_zero(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != '\0')
            return false;
    return true;
}

/* True for bytes that were cut off before `at` and filled up with zeroes: no entry ends in one. */
static bool
zero_from(struct span bytes, size_t at)
{
    return all_zero((struct span){bytes.at + at, bytes.len - at});
}

static bool
hex_word(const char *text, uint32_t *value)
{
    uint32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            sum = sum << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            sum = sum << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *value = sum;
    return true;
}

static int
damaged_journal(struct why *why, const char *what)
{
    why_set(why, "5.6.0", "damaged journal: %s", what);
    return -EBADMSG;
}

static int
parse_mark(struct record_reader *reader, struct recipient_mark *mark)
{
    struct span value = reader->value;
    size_t n = 0;
    while (n < value.len && value.at[n] != ' ')
        n++;
    uint64_t index;
    if (n >= value.len || !span_to_u64((struct span){value.at, n}, UINT32_MAX, &index))
        return record_error(reader, "malformed mark");
    struct span word = {value.at + n + 1, value.len - n - 1};
    for (unsigned state = 0; state < RECIPIENT_STATE_COUNT; state++)
        if (span_equal(word, span_of(state_words[state]))) {
            *mark = (struct recipient_mark){.index = (uint32_t)index, .state = (enum recipient_state)state};
            return 0;
        }
    return record_error(reader, "unknown recipient state");
}

static int
parse_kind(struct record_reader *reader, enum journal_kind *kind)
{
    for (unsigned i = 0; i < JOURNAL_KIND_COUNT; i++)
        if (span_equal(reader->value, span_of(kind_words[i]))) {
            *kind = (enum journal_kind)i;
            return 0;
        }
    return record_error(reader, "unknown kind of entry");
}

static int
count_marks(struct record_reader reader, size_t *count)
{
    for (*count = 0; reader.rest.len > 0;) {
        int r = record_next(&reader);
        if (r < 0)
            return r;
        *count += record_is(&reader, SPAN("mark"));
    }
    return 0;
}

/* As with the recipients of an envelope: there is room for one, and where a second comes the rest are counted. */
static int
add_mark(struct record_reader *reader, struct journal_entry *entry)
{
    size_t more = 0;
    if (entry->n_marks == 1) {
        int r = count_marks(*reader, &more);
        struct recipient_mark *all = r == 0 ? arena_alloc(reader->arena, (2 + more) * sizeof *all) : NULL;
        if (all == NULL)
            return r < 0 ? r : record_no_memory(reader);
        all[0] = entry->marks[0];
        entry->marks = all;
    }
    return parse_mark(reader, &entry->marks[entry->n_marks++]);
}

static int
parse_entry_record(struct record_reader *reader, struct journal_entry *entry)
{
    struct recipient_mark *mark = entry->n_marks > 0 ? &entry->marks[entry->n_marks - 1] : NULL;
    if (record_is(reader, SPAN("kind")))
        return parse_kind(reader, &entry->kind);
    if (record_is(reader, SPAN("mark")))
        return add_mark(reader, entry);
#define READ(member, kind, tag)                                                                                \
    if (record_is(reader, SPAN(tag)))                                                                          \
        return record_read_##kind(reader, &entry->member);
    JOURNAL_MEMBERS(READ)
#undef READ
    if (mark == NULL)
        return record_error(reader, "unknown record");
#define READ(member, kind, tag)                                                                                \
    if (record_is(reader, SPAN(tag)))                                                                          \
        return record_read_##kind(reader, &mark->member);
    MARK_MEMBERS(READ)
#undef READ
    return record_error(reader, "unknown record");
}

static int
parse_entry(struct span records, struct arena *arena, struct journal_entry *entry, struct why *why)
{
    struct record_reader reader = {.start = records.at, .rest = records, .arena = arena, .why = why};
    memset(entry, 0, sizeof *entry);
    entry->marks = arena_alloc(arena, sizeof *entry->marks);
    if (entry->marks == NULL)
        return record_no_memory(&reader);
    while (reader.rest.len > 0) {
        if (record_next(&reader) < 0)
            return -EBADMSG;
        if (record_is(&reader, SPAN("end")))
            return reader.rest.len == 0 ? 0 : damaged_journal(why, "bytes behind an entry's end");
        int r = parse_entry_record(&reader, entry);
        if (r < 0)
            return r == -ENOMEM ? r : -EBADMSG;
    }
    return damaged_journal(why, "an entry has no end");
}

int64_t
journal_parse(struct span bytes, struct arena *arena, struct journal_entry *entry, struct why *why)
{
    if (bytes.len < FRAME_LEN || (bytes.at[0] == '\0' && all_zero(bytes)))
        return 0;
    uint32_t len, len_crc, crc;
    const char *p = bytes.at;
    if (p[0] != '+' || p[1] != ' ' || p[10] != ' ' || p[19] != ' ' || p[28] != '\n' || !hex_word(p + 2, &len) ||
        !hex_word(p + 11, &len_crc) || !hex_word(p + 20, &crc) || crc32c(0, p + 2, 8) != len_crc ||
        len > ENTRY_MAX)
        return zero_from(bytes, FRAME_LEN - 1) ? 0 : damaged_journal(why, "not the beginning of an entry");
    if (len > bytes.len - FRAME_LEN)
        return 0;
    struct span records = {p + FRAME_LEN, len};
    if (crc32c(0, records.at, records.len) != crc) {
        return zero_from(bytes, FRAME_LEN + len - 1) ? 0 : damaged_journal(why, "wrong checksum of an entry");
    }
    int r = parse_entry(records, arena, entry, why);
    return r < 0 ? r : FRAME_LEN + (int64_t)len;
}

/* ---- applying ---- */

/* What counts of the time from the last attempt to this one. */
static int64_t
since_last_try_s(const struct envelope *envelope, int64_t now_s)
{
    enum { BEYOND_PLAN_S = 25 * 3600 }; /* a window of sending opens once a day */
    int64_t passed = now_s - envelope->last_try_s, planned = envelope->next_try_s - envelope->last_try_s;
    int64_t most = BEYOND_PLAN_S + (planned > 0 && planned < INT32_MAX ? planned : 0);
    return passed < 0 ? 0 : passed < most ? passed : most;
}

int64_t
envelope_tried_s(const struct envelope *envelope, int64_t now_s)
{
    int64_t since_s = (envelope->requeued_ms > 0 ? envelope->requeued_ms : envelope->arrival_ms) / 1000;
    int64_t tried_s = envelope->tried_s + since_last_try_s(envelope, now_s);
    return since_s <= now_s && now_s - since_s < tried_s ? now_s - since_s : tried_s;
}

static void
apply_attempt(struct envelope *envelope, const struct journal_entry *entry)
{
    int64_t time_s = entry->time_ms / 1000;
    if (envelope->attempts++ > 0)
        envelope->tried_s += since_last_try_s(envelope, time_s);
    envelope->last_try_s = time_s;
    envelope->next_try_s = entry->next_s;
    envelope->last_status = entry->status;
    envelope->last_text = entry->text;
    envelope->last_remote = entry->remote;
}

static void
apply_mark(struct envelope *envelope, const struct journal_entry *entry, const struct recipient_mark *mark)
{
    struct recipient *recipient = &envelope->recipients[mark->index];
    recipient->state = mark->state;
    recipient->status = mark->status;
    recipient->text = mark->text;
    recipient->remote = mark->remote;
    recipient->state_ms = entry->time_ms;
}

/* Who failed and was never reported gets another try: the report that was owed is not owed any more. */
static void
reopen_failed(struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        struct recipient *recipient = &envelope->recipients[i];
        if (recipient->state != RECIPIENT_FAILED)
            continue;
        recipient->state = RECIPIENT_PENDING;
        recipient->status = recipient->text = recipient->remote = SPAN("");
        recipient->state_ms = 0;
    }
}

int
envelope_apply(struct envelope *envelope, const struct journal_entry *entry, struct why *why)
{
    for (size_t i = 0; i < entry->n_marks; i++) {
        const struct recipient_mark *mark = &entry->marks[i];
        if (mark->index >= envelope->n_recipients)
            return damaged_journal(why, "a mark of a recipient that is not there");
        /* a request for a delay report leaves its recipients pending */
        if (entry->kind == JOURNAL_REPORTED && mark->state == RECIPIENT_DELAYED)
            envelope->warned_ms = entry->time_ms;
        else
            apply_mark(envelope, entry, mark);
    }
    switch (entry->kind) {
    case JOURNAL_ATTEMPT:
        apply_attempt(envelope, entry);
        break;
    case JOURNAL_COMMITTED:
        if ((uint64_t)entry->number > envelope->n_recipients)
            return damaged_journal(why, "a split into more parts than there are recipients");
        envelope->committed = entry->number;
        break;
    case JOURNAL_COMPLETE:
        envelope->complete = true;
        break;
    case JOURNAL_REPORTED:
        if (entry->number >= REPORTS_MAX)
            return damaged_journal(why, "more reports than a name can number");
        envelope->next_report = entry->number + 1;
        break;
    case JOURNAL_REQUEUED:
        envelope->committed = 0;
        envelope->attempts = envelope->tried_s = envelope->last_try_s = envelope->next_try_s = 0;
        envelope->hops = 0;
        envelope->loops = 0;
        envelope->warned_ms = 0;
        envelope->requeued_ms = entry->time_ms;
        reopen_failed(envelope);
        break;
    case JOURNAL_TRACE:
    case JOURNAL_MARK:
    case JOURNAL_KIND_COUNT:
        break;
    }
    return 0;
}
