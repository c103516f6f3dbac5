/* envelope.c - the base envelope's records and the journal's (see envelope.h)
 *
 * Hostile here: every byte of a queue file. Nothing is scanned for: a record says its length, which is checked
 * against what is left. Printing replaces control bytes in text members, so that no writer's oversight makes a
 * file that every reader refuses.
 */
#include "common/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"
#include "common/id.h"

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

const char *
recipient_state_word(enum recipient_state state)
{
    BUG_UNLESS(state < RECIPIENT_STATE_COUNT);
    return state_words[state];
}

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

size_t
envelope_count(const struct envelope *envelope, enum recipient_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < envelope->n_recipients; i++)
        count += envelope->recipients[i].state == state;
    return count;
}

bool
envelope_owes_report(const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_recipients; i++)
        if (envelope->recipients[i].state == RECIPIENT_FAILED ||
            envelope->recipients[i].state == RECIPIENT_RELAYED)
            return true;
    return false;
}

bool
envelope_has_pending(const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_recipients; i++)
        if (!recipient_is_settled(envelope->recipients[i].state) && !envelope->recipients[i].listed)
            return true;
    return false;
}

/* ---- records ---- */

static void
record_head(struct buf *out, const char *tag, size_t len)
{
    char number[24];
    char *p = number + sizeof number;
    do {
        *--p = (char)('0' + len % 10);
        len /= 10;
    } while (len > 0);
    buf_add_text(out, tag);
    buf_add_byte(out, ' ');
    buf_add(out, p, (size_t)(number + sizeof number - p));
    buf_add_byte(out, ':');
}

static void
record_print(struct buf *out, const char *tag, struct span value)
{
    record_head(out, tag, value.len);
    buf_add_span(out, value);
    buf_add_byte(out, '\n');
}

static inline bool
is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static void
print_TEXT(struct buf *out, const char *tag, struct span value)
{
    if (value.len == 0)
        return;
    record_print(out, tag, value);
    size_t end = out->len - 1;
    for (size_t i = end - value.len; i < end; i++)
        if (is_control(out->at[i]))
            out->at[i] = '?';
}

static void
print_NUMBER(struct buf *out, const char *tag, int64_t value)
{
    if (value == 0)
        return;
    BUG_UNLESS(value > 0);
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    record_print(out, tag, (struct span){text, (size_t)len});
}

static void
print_FLAG(struct buf *out, const char *tag, bool value)
{
    if (value)
        record_print(out, tag, SPAN("1"));
}

static void
print_address(struct buf *out, const char *tag, const struct address *address)
{
    BUG_UNLESS(address->type.len > 0);
    record_head(out, tag, address->type.len + 1 + address->value.len);
    buf_add_span(out, address->type);
    buf_add_byte(out, ':');
    buf_add_span(out, address->value);
    buf_add_byte(out, '\n');
}

static void
print_properties(struct buf *out, const struct envelope_property *properties, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_add_span(out, properties[i].tag);
        record_print(out, "", properties[i].value);
    }
}

void
envelope_print(const struct envelope *envelope, struct buf *out)
{
#define ENVELOPE(member, kind, tag, meaning) print_##kind(out, tag, envelope->member);
#include "common/mte.def"
    print_properties(out, envelope->properties, envelope->n_properties);
    print_address(out, "from", &envelope->originator);
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        print_address(out, "rcpt", &recipient->address);
#define RECIPIENT(member, kind, tag, meaning) print_##kind(out, tag, recipient->member);
#include "common/mte.def"
        print_properties(out, recipient->properties, recipient->n_properties);
    }
    record_print(out, "end", SPAN(""));
}

/* ---- reading records ---- */

struct reader {
    const char *start;
    struct span rest;
    struct span tag, value; /* of the record read last */
    struct arena *arena;
    struct why *why;
};

static int
reader_error(struct reader *reader, const char *message)
{
    size_t offset = (size_t)(reader->rest.at - reader->start);
    return why_set(reader->why, "5.6.0", "damaged envelope: %s near offset %zu, record \"%.*s\"", message,
                   offset, (int)(reader->tag.len < 30 ? reader->tag.len : 30),
                   reader->tag.at ? reader->tag.at : "");
}

/* Reads `tag SP length ':' value LF`. */
static int
reader_next(struct reader *reader)
{
    struct span rest = reader->rest;
    size_t n = 0;
    while (n < rest.len && n < 40 && rest.at[n] != ' ')
        n++;
    if (n == 0 || n >= rest.len || rest.at[n] != ' ')
        return reader_error(reader, "no tag");
    reader->tag = (struct span){rest.at, n};
    size_t digits = n + 1;
    while (digits < rest.len && digits < n + 12 && rest.at[digits] != ':')
        digits++;
    uint64_t len;
    struct span number = {rest.at + n + 1, digits - n - 1};
    if (digits >= rest.len || rest.at[digits] != ':' || !span_to_u64(number, UINT32_MAX, &len))
        return reader_error(reader, "no length");
    size_t left = rest.len - digits - 1;
    if (left < 1 || len > left - 1)
        return reader_error(reader, "longer than the file");
    reader->value = (struct span){rest.at + digits + 1, (size_t)len};
    if (reader->value.at[len] != '\n')
        return reader_error(reader, "no line end behind the value");
    reader->rest = (struct span){reader->value.at + len + 1, left - 1 - (size_t)len};
    return 0;
}

static int
read_TEXT(struct reader *reader, struct span *member)
{
    for (size_t i = 0; i < reader->value.len; i++)
        if (is_control(reader->value.at[i]))
            return reader_error(reader, "control character in a text");
    *member = reader->value;
    return 0;
}

static int
read_NUMBER(struct reader *reader, int64_t *member)
{
    uint64_t value;
    if (!span_to_u64(reader->value, INT64_MAX, &value))
        return reader_error(reader, "not a number");
    *member = (int64_t)value;
    return 0;
}

static int
read_FLAG(struct reader *reader, bool *member)
{
    if (!span_equal(reader->value, SPAN("1")))
        return reader_error(reader, "not a flag");
    *member = true;
    return 0;
}

static bool
tag_is(const struct reader *reader, struct span tag)
{
    return span_equal(reader->tag, tag);
}

static bool
is_property(const struct reader *reader, char scope)
{
    if (reader->tag.len > 2 && memcmp(reader->tag.at, "x-", 2) == 0)
        return true;
    static const struct {
        struct span tag;
        char scope;
    } known[] = {
#define PROPERTY(tag, id, scope, meaning) {{tag, sizeof tag - 1}, #scope[0]},
#include "common/mte.def"
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].scope == scope && tag_is(reader, known[i].tag))
            return true;
    return false;
}

enum { PROPERTIES_MAX = 200 };

static int
reader_no_memory(struct reader *reader)
{
    why_set(reader->why, "5.6.0", "an envelope or journal larger than a worker's memory for one message");
    return -ENOMEM;
}

/* Properties are rare: the array grows by copying. */
static int
add_property(struct reader *reader, struct envelope_property **properties, size_t *n)
{
    struct envelope_property *more =
        *n < PROPERTIES_MAX ? arena_alloc(reader->arena, (*n + 1) * sizeof *more) : NULL;
    if (*n >= PROPERTIES_MAX)
        return reader_error(reader, "too many properties");
    if (more == NULL)
        return reader_no_memory(reader);
    if (*n > 0)
        memcpy(more, *properties, *n * sizeof *more);
    more[*n] = (struct envelope_property){reader->tag, reader->value};
    *properties = more;
    *n += 1;
    return 0;
}

static int
read_recipient_record(struct reader *reader, struct recipient *recipient)
{
#define RECIPIENT(member, kind, tag, meaning)                                                                  \
    if (tag_is(reader, SPAN(tag)))                                                                             \
        return read_##kind(reader, &recipient->member);
#include "common/mte.def"
    if (tag_is(reader, SPAN("pad"))) /* the last record before the end, whatever stands before it */
        return 0;
    if (is_property(reader, 'R'))
        return add_property(reader, &recipient->properties, &recipient->n_properties);
    return reader_error(reader, "unknown record");
}

static int
read_message_record(struct reader *reader, struct envelope *envelope)
{
#define ENVELOPE(member, kind, tag, meaning)                                                                   \
    if (tag_is(reader, SPAN(tag)))                                                                             \
        return read_##kind(reader, &envelope->member);
#include "common/mte.def"
    if (tag_is(reader, SPAN("pad")))
        return 0;
    if (is_property(reader, 'M'))
        return add_property(reader, &envelope->properties, &envelope->n_properties);
    return reader_error(reader, "unknown record");
}

static int
read_address(struct reader *reader, struct address *address)
{
    struct why inner;
    int r = address_parse(reader->value, reader->arena, address, &inner);
    if (r == -ENOMEM)
        return reader_no_memory(reader);
    if (r < 0)
        return reader_error(reader, inner.text);
    return 0;
}

/* How many recipients there are, so that their array is made once. */
static int
count_recipients(struct reader reader, size_t *count)
{
    for (*count = 0; reader.rest.len > 0;) {
        int r = reader_next(&reader);
        if (r < 0)
            return r;
        *count += tag_is(&reader, SPAN("rcpt"));
    }
    return 0;
}

static int
check_whole(struct reader *reader, const struct envelope *envelope)
{
    reader->tag = (struct span){NULL, 0};
    if (envelope->id.len != ID_LEN)
        return reader_error(reader, "no queue id");
    for (size_t i = 0; i < ID_LEN; i++) /* id_time_ms() wants a C string: check the characters here */
        if (!((envelope->id.at[i] >= '0' && envelope->id.at[i] <= '9') ||
              (envelope->id.at[i] >= 'A' && envelope->id.at[i] <= 'V')))
            return reader_error(reader, "malformed queue id");
    if (envelope->originator.type.len == 0)
        return reader_error(reader, "no originator");
    if (envelope->origin.len == 0)
        return reader_error(reader, "no origin");
    return 0;
}

static int
read_records(struct reader *reader, struct envelope *envelope)
{
    struct recipient *recipient = NULL;
    while (reader->rest.len > 0) {
        int r = reader_next(reader);
        if (r == 0 && tag_is(reader, SPAN("end")))
            return reader->rest.len == 0 ? 0 : reader_error(reader, "bytes behind the end record");
        if (r == 0 && tag_is(reader, SPAN("rcpt"))) {
            recipient = &envelope->recipients[envelope->n_recipients++];
            r = read_address(reader, &recipient->address);
        } else if (r == 0 && tag_is(reader, SPAN("from"))) {
            r = read_address(reader, &envelope->originator);
        } else if (r == 0 && recipient != NULL) {
            r = read_recipient_record(reader, recipient);
        } else if (r == 0) {
            r = read_message_record(reader, envelope);
        }
        if (r < 0)
            return r;
    }
    return reader_error(reader, "no end record");
}

int
envelope_parse(struct span records, size_t max_recipients, struct arena *arena, struct envelope *envelope,
               struct why *why)
{
    struct reader reader = {.start = records.at, .rest = records, .arena = arena, .why = why};
    memset(envelope, 0, sizeof *envelope);
    envelope->next_report = 1;
    size_t count;
    int r = count_recipients(reader, &count);
    if (r < 0)
        return r;
    if (count > max_recipients)
        return reader_error(&reader, "too many recipients");
    envelope->recipients = arena_alloc(arena, count * sizeof *envelope->recipients);
    if (envelope->recipients == NULL)
        return reader_no_memory(&reader);
    r = read_records(&reader, envelope);
    return r < 0 ? r : check_whole(&reader, envelope);
}

/* ---- journal ----
 *
 *     + LLLLLLLL HHHHHHHH CCCCCCCC LF <records, the last is end>
 *
 * L: length of the records; H: CRC of L's eight digits; C: CRC of the records. H tells a cut-off tail (L is
 * right, but fewer bytes follow) from a damaged length.
 */

enum { FRAME_LEN = 29, ENTRY_MAX = 32 << 20, REPORTS_MAX = 999999 /* six digits, see id.h */ };

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

void
journal_print(const struct journal_entry *entry, struct buf *out)
{
    size_t frame = out->len;
    buf_reserve(out, FRAME_LEN);
    out->len += FRAME_LEN;
    record_print(out, "kind", span_of(kind_words[entry->kind]));
#define PRINT(member, kind, tag) print_##kind(out, tag, entry->member);
    JOURNAL_MEMBERS(PRINT)
#undef PRINT
    for (size_t i = 0; i < entry->n_marks; i++) {
        const struct recipient_mark *mark = &entry->marks[i];
        char text[40];
        int len = snprintf(text, sizeof text, "%u %s", mark->index, state_words[mark->state]);
        record_print(out, "mark", (struct span){text, (size_t)len});
#define PRINT(member, kind, tag) print_##kind(out, tag, mark->member);
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
parse_mark(struct reader *reader, struct recipient_mark *mark)
{
    struct span value = reader->value;
    size_t n = 0;
    while (n < value.len && value.at[n] != ' ')
        n++;
    uint64_t index;
    if (n >= value.len || !span_to_u64((struct span){value.at, n}, UINT32_MAX, &index))
        return reader_error(reader, "malformed mark");
    struct span word = {value.at + n + 1, value.len - n - 1};
    for (unsigned state = 0; state < RECIPIENT_STATE_COUNT; state++)
        if (span_equal(word, span_of(state_words[state]))) {
            *mark = (struct recipient_mark){.index = (uint32_t)index, .state = (enum recipient_state)state};
            return 0;
        }
    return reader_error(reader, "unknown recipient state");
}

static int
parse_kind(struct reader *reader, enum journal_kind *kind)
{
    for (unsigned i = 0; i < JOURNAL_KIND_COUNT; i++)
        if (span_equal(reader->value, span_of(kind_words[i]))) {
            *kind = (enum journal_kind)i;
            return 0;
        }
    return reader_error(reader, "unknown kind of entry");
}

static int
parse_entry_record(struct reader *reader, struct journal_entry *entry)
{
    struct recipient_mark *mark = entry->n_marks > 0 ? &entry->marks[entry->n_marks - 1] : NULL;
    if (tag_is(reader, SPAN("kind")))
        return parse_kind(reader, &entry->kind);
    if (tag_is(reader, SPAN("mark")))
        return parse_mark(reader, &entry->marks[entry->n_marks++]);
#define READ(member, kind, tag)                                                                                \
    if (tag_is(reader, SPAN(tag)))                                                                             \
        return read_##kind(reader, &entry->member);
    JOURNAL_MEMBERS(READ)
#undef READ
    if (mark == NULL)
        return reader_error(reader, "unknown record");
#define READ(member, kind, tag)                                                                                \
    if (tag_is(reader, SPAN(tag)))                                                                             \
        return read_##kind(reader, &mark->member);
    MARK_MEMBERS(READ)
#undef READ
    return reader_error(reader, "unknown record");
}

static int
parse_entry(struct span records, struct arena *arena, struct journal_entry *entry, struct why *why)
{
    struct reader reader = {.start = records.at, .rest = records, .arena = arena, .why = why};
    struct reader walk = reader;
    size_t marks = 0;
    memset(entry, 0, sizeof *entry);
    while (walk.rest.len > 0) {
        if (reader_next(&walk) < 0)
            return -EBADMSG;
        marks += tag_is(&walk, SPAN("mark"));
    }
    entry->marks = arena_alloc(arena, marks * sizeof *entry->marks);
    if (entry->marks == NULL)
        return reader_no_memory(&reader);
    while (reader.rest.len > 0) {
        if (reader_next(&reader) < 0)
            return -EBADMSG;
        if (tag_is(&reader, SPAN("end")))
            return reader.rest.len == 0 ? 0 : damaged_journal(why, "bytes behind an entry's end");
        if (parse_entry_record(&reader, entry) < 0)
            return -EBADMSG;
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
