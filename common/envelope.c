/* envelope.c - the base envelope, printed and read (see envelope.h)
 *
 * Hostile here: every byte of a queue file.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/envelope_inside.h"
#include "common/id.h"

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

/* ---- printing ---- */

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
#define ENVELOPE(member, kind, tag, meaning) record_print_##kind(out, tag, envelope->member);
#include "common/mte.def"
    print_properties(out, envelope->properties, envelope->n_properties);
    print_address(out, "from", &envelope->originator);
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        print_address(out, "rcpt", &recipient->address);
#define RECIPIENT(member, kind, tag, meaning) record_print_##kind(out, tag, recipient->member);
#include "common/mte.def"
        print_properties(out, recipient->properties, recipient->n_properties);
    }
    record_print(out, "end", SPAN(""));
}

/* ---- reading ---- */

static bool
is_property(const struct record_reader *reader, char scope)
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
        if (known[i].scope == scope && record_is(reader, known[i].tag))
            return true;
    return false;
}

enum { PROPERTIES_MAX = 200 };

/* Properties are rare: the array grows by copying. */
static int
add_property(struct record_reader *reader, struct envelope_property **properties, size_t *n)
{
    struct envelope_property *more =
        *n < PROPERTIES_MAX ? arena_alloc(reader->arena, (*n + 1) * sizeof *more) : NULL;
    if (*n >= PROPERTIES_MAX)
        return record_error(reader, "too many properties");
    if (more == NULL)
        return record_no_memory(reader);
    if (*n > 0)
        memcpy(more, *properties, *n * sizeof *more);
    more[*n] = (struct envelope_property){reader->tag, reader->value};
    *properties = more;
    *n += 1;
    return 0;
}

static int
read_recipient_record(struct record_reader *reader, struct recipient *recipient)
{
#define RECIPIENT(member, kind, tag, meaning)                                                                  \
    if (record_is(reader, SPAN(tag)))                                                                          \
        return record_read_##kind(reader, &recipient->member);
#include "common/mte.def"
    if (record_is(reader, SPAN("pad"))) /* the last record before the end, whatever stands before it */
        return 0;
    if (is_property(reader, 'R'))
        return add_property(reader, &recipient->properties, &recipient->n_properties);
    return record_error(reader, "unknown record");
}

static int
read_message_record(struct record_reader *reader, struct envelope *envelope)
{
#define ENVELOPE(member, kind, tag, meaning)                                                                   \
    if (record_is(reader, SPAN(tag)))                                                                          \
        return record_read_##kind(reader, &envelope->member);
#include "common/mte.def"
    if (record_is(reader, SPAN("pad")))
        return 0;
    if (is_property(reader, 'M'))
        return add_property(reader, &envelope->properties, &envelope->n_properties);
    return record_error(reader, "unknown record");
}

static int
read_address(struct record_reader *reader, struct address *address)
{
    struct why inner;
    int r = address_parse(reader->value, reader->arena, address, &inner);
    if (r == -ENOMEM)
        return record_no_memory(reader);
    if (r < 0)
        return record_error(reader, inner.text);
    return 0;
}

/* How many recipients are still to come. */
static int
count_recipients(struct record_reader reader, size_t *count)
{
    for (*count = 0; reader.rest.len > 0;) {
        int r = record_next(&reader);
        if (r < 0)
            return r;
        *count += record_is(&reader, SPAN("rcpt"));
    }
    return 0;
}

/* Most messages have one recipient, for whom there is room. Only where a second comes those behind it are counted, so that
 * their array is made once more, and no more often. */
static int
add_recipient(struct record_reader *reader, struct envelope *envelope, size_t max_recipients)
{
    size_t n = envelope->n_recipients, more = 0;
    int r = n == 1 ? count_recipients(*reader, &more) : 0;
    if (r < 0)
        return r;
    if (n + 1 + more > max_recipients)
        return record_error(reader, "too many recipients");
    if (n == 1) {
        struct recipient *all = arena_alloc(reader->arena, (2 + more) * sizeof *all);
        if (all == NULL)
            return record_no_memory(reader);
        all[0] = envelope->recipients[0];
        envelope->recipients = all;
    }
    envelope->n_recipients++;
    return read_address(reader, &envelope->recipients[n].address);
}

static int
check_whole(struct record_reader *reader, const struct envelope *envelope)
{
    reader->tag = (struct span){NULL, 0};
    if (envelope->id.len != ID_LEN)
        return record_error(reader, "no queue id");
    for (size_t i = 0; i < ID_LEN; i++) /* id_time_ms() wants a C string: check the characters here */
        if (!((envelope->id.at[i] >= '0' && envelope->id.at[i] <= '9') ||
              (envelope->id.at[i] >= 'A' && envelope->id.at[i] <= 'V')))
            return record_error(reader, "malformed queue id");
    if (envelope->originator.type.len == 0)
        return record_error(reader, "no originator");
    if (envelope->origin.len == 0)
        return record_error(reader, "no origin");
    return 0;
}

static int
read_records(struct record_reader *reader, struct envelope *envelope, size_t max_recipients)
{
    while (reader->rest.len > 0) {
        int r = record_next(reader);
        if (r == 0 && record_is(reader, SPAN("end")))
            return reader->rest.len == 0 ? 0 : record_error(reader, "bytes behind the end record");
        if (r == 0 && record_is(reader, SPAN("rcpt"))) {
            r = add_recipient(reader, envelope, max_recipients);
        } else if (r == 0 && record_is(reader, SPAN("from"))) {
            r = read_address(reader, &envelope->originator);
        } else if (r == 0 && envelope->n_recipients > 0) {
            r = read_recipient_record(reader, &envelope->recipients[envelope->n_recipients - 1]);
        } else if (r == 0) {
            r = read_message_record(reader, envelope);
        }
        if (r < 0)
            return r;
    }
    return record_error(reader, "no end record");
}

int
envelope_parse(struct span records, size_t max_recipients, struct arena *arena, struct envelope *envelope,
               struct why *why)
{
    struct record_reader reader = {.start = records.at, .rest = records, .arena = arena, .why = why};
    memset(envelope, 0, sizeof *envelope);
    envelope->next_report = 1;
    envelope->recipients = arena_alloc(arena, sizeof *envelope->recipients);
    if (envelope->recipients == NULL)
        return record_no_memory(&reader);
    int r = read_records(&reader, envelope, max_recipients);
    return r < 0 ? r : check_whole(&reader, envelope);
}
