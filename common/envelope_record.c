/* envelope_record.c - records of envelopes and journals: a tag, a length, bytes (see envelope_inside.h)
 *
 * Hostile here: every byte that is read. Nothing is scanned for: a record says its length, which is checked against
 * what is left. Printing replaces control bytes in text members, so that no writer's oversight makes a file that
 * every reader refuses.
 */
#include <errno.h>
#include <stdio.h>

#include "common/envelope_inside.h"

/* ---- printing ---- */

void
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

void
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

void
record_print_TEXT(struct buf *out, const char *tag, struct span value)
{
    if (value.len == 0)
        return;
    record_print(out, tag, value);
    size_t end = out->len - 1;
    for (size_t i = end - value.len; i < end; i++)
        if (is_control(out->at[i]))
            out->at[i] = '?';
}

bool
record_text_is(struct span written, struct span text)
{
    for (size_t i = 0; i < text.len && text.len == written.len; i++)
        if (written.at[i] != (is_control(text.at[i]) ? '?' : text.at[i]))
            return false;
    return text.len == written.len;
}

void
record_print_NUMBER(struct buf *out, const char *tag, int64_t value)
{
    if (value == 0)
        return;
    BUG_UNLESS(value > 0);
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    record_print(out, tag, (struct span){text, (size_t)len});
}

void
record_print_FLAG(struct buf *out, const char *tag, bool value)
{
    if (value)
        record_print(out, tag, SPAN("1"));
}

/* ---- reading ---- */

int
record_error(struct record_reader *reader, const char *message)
{
    size_t offset = (size_t)(reader->rest.at - reader->start);
    return why_set(reader->why, "5.6.0", "damaged envelope: %s near offset %zu, record \"%.*s\"", message,
                   offset, (int)(reader->tag.len < 30 ? reader->tag.len : 30),
                   reader->tag.at ? reader->tag.at : "");
}

/* Reads `tag SP length ':' value LF`. */
int
record_next(struct record_reader *reader)
{
    struct span rest = reader->rest;
    size_t n = 0;
    while (n < rest.len && n < 40 && rest.at[n] != ' ')
        n++;
    if (n == 0 || n >= rest.len || rest.at[n] != ' ')
        return record_error(reader, "no tag");
    reader->tag = (struct span){rest.at, n};
    size_t digits = n + 1;
    while (digits < rest.len && digits < n + 12 && rest.at[digits] != ':')
        digits++;
    uint64_t len;
    struct span number = {rest.at + n + 1, digits - n - 1};
    if (digits >= rest.len || rest.at[digits] != ':' || !span_to_u64(number, UINT32_MAX, &len))
        return record_error(reader, "no length");
    size_t left = rest.len - digits - 1;
    if (left < 1 || len > left - 1)
        return record_error(reader, "longer than the file");
    reader->value = (struct span){rest.at + digits + 1, (size_t)len};
    if (reader->value.at[len] != '\n')
        return record_error(reader, "no line end behind the value");
    reader->rest = (struct span){reader->value.at + len + 1, left - 1 - (size_t)len};
    return 0;
}

int
record_read_TEXT(struct record_reader *reader, struct span *member)
{
    for (size_t i = 0; i < reader->value.len; i++)
        if (is_control(reader->value.at[i]))
            return record_error(reader, "control character in a text");
    *member = reader->value;
    return 0;
}

int
record_read_NUMBER(struct record_reader *reader, int64_t *member)
{
    uint64_t value;
    if (!span_to_u64(reader->value, INT64_MAX, &value))
        return record_error(reader, "not a number");
    *member = (int64_t)value;
    return 0;
}

int
record_read_FLAG(struct record_reader *reader, bool *member)
{
    if (!span_equal(reader->value, SPAN("1")))
        return record_error(reader, "not a flag");
    *member = true;
    return 0;
}

int
record_no_memory(struct record_reader *reader)
{
    why_set(reader->why, "5.6.0", "an envelope or journal larger than a worker's memory for one message");
    return -ENOMEM;
}
