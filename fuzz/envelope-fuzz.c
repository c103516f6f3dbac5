/* envelope-fuzz.c - records of any bytes: no harm, and what is believed is printed and believed again, the same
 *
 * The first byte chooses: an envelope, a journal as it stands, or one entry whose frame is made right here,
 * since no fuzzer guesses a checksum.
 */
#include "common/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;
static struct why why;

static void
try_envelope(struct span records)
{
    struct envelope envelope, again;
    struct buf first = {0}, second = {0};
    int r = envelope_parse(records, 1000, arena, &envelope, &why);
    if (r < 0 && (why.text[0] == '\0' && r != -ENOMEM))
        abort();
    if (r < 0)
        return;
    if (envelope.n_recipients > 1000)
        abort();
    envelope_print(&envelope, &first);
    if (envelope_parse(buf_span(&first), 1000, arena, &again, &why) < 0)
        abort();
    envelope_print(&again, &second);
    if (!span_equal(buf_span(&first), buf_span(&second)))
        abort();
    buf_clear(&first);
    buf_clear(&second);
}

/* An entry that is believed can be applied, or names somebody who is not there. */
static void
try_apply(const struct journal_entry *entry)
{
    struct recipient recipients[3];
    memset(recipients, 0, sizeof recipients);
    struct envelope envelope = {
        .recipients = recipients, .n_recipients = COUNT_OF(recipients), .next_report = 1};
    if (envelope_apply(&envelope, entry, &why) < 0)
        return;
    for (size_t i = 0; i < COUNT_OF(recipients); i++)
        if (recipients[i].state >= RECIPIENT_STATE_COUNT)
            abort();
}

static void
try_journal(struct span bytes)
{
    struct journal_entry entry, again;
    for (int64_t n; (n = journal_parse(bytes, arena, &entry, &why)) != 0;) {
        struct buf first = {0}, second = {0};
        if (n < 0)
            return;
        if ((uint64_t)n > bytes.len || entry.kind >= JOURNAL_KIND_COUNT)
            abort();
        try_apply(&entry);
        journal_print(&entry, &first);
        if (journal_parse(buf_span(&first), arena, &again, &why) != (int64_t)first.len)
            abort();
        journal_print(&again, &second);
        if (!span_equal(buf_span(&first), buf_span(&second)))
            abort();
        buf_clear(&first);
        buf_clear(&second);
        bytes.at += n;
        bytes.len -= (size_t)n;
    }
}

static void
try_entry(struct span records)
{
    struct buf text = {0};
    char digits[9];
    snprintf(digits, sizeof digits, "%08x", (unsigned)records.len);
    buf_printf(&text, "+ %s %08x %08x\n", digits, crc32c(0, digits, 8), crc32c(0, records.at, records.len));
    buf_add_span(&text, records);
    try_journal(buf_span(&text));
    buf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (arena == NULL)
        arena = arena_new(16 << 20);
    struct span rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'e')
        try_envelope(rest);
    else if (data[0] == 'j')
        try_journal(rest);
    else
        try_entry(rest);
    arena_reset(arena);
    return 0;
}
