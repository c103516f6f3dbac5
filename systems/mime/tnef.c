/* tnef.c - the stream of attributes (see tnef.h) */
#include "systems/mime/tnef.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "systems/mime/charset.h"
#include "systems/mime/tnef_inside.h"

enum { SIGNATURE = 0x223e9f78, ATTRIBUTE_HEADER = 9, SUM = 2, PIECE = 64 << 10 };

void
tnef_damage(struct tnef_reading *reading, const char *format, ...)
{
    char text[300];
    va_list args;
    if (reading->damaged)
        return;
    reading->damaged = true;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(reading->why, "5.6.0", "%s", text);
}

static uint32_t
sum_of(const unsigned char *octets, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += octets[i];
    return sum;
}

/* Adds up the next octets of the stream. False where the source ends before them or cannot be read. */
static bool
add_up(struct tnef_reading *reading, uint64_t bytes, uint32_t *sum)
{
    struct tnef_cursor *stream = &reading->stream;
    ssize_t got = 1;
    *sum = 0;
    if (bytes <= sizeof stream->window) {
        const unsigned char *data = tnef_take(stream, (size_t)bytes);
        *sum = data != NULL ? sum_of(data, (size_t)bytes) : 0;
        return data != NULL;
    }
    for (; bytes > 0 && got > 0; bytes -= (uint64_t)got, stream->at += (uint64_t)got) {
        got =
            tnef_read_some(reading->source, stream->at, reading->piece, bytes < PIECE ? (size_t)bytes : PIECE);
        stream->error = got < 0 ? (int)got : 0;
        if (got > 0)
            *sum += sum_of(reading->piece, (size_t)got) & 0xffff;
        else
            return false;
    }
    return true;
}

/* Passes over an attribute's data and checksum. False where that cannot be. */
static bool
pass_data(struct tnef_reading *reading, const struct tnef_attribute *attribute)
{
    struct tnef_cursor *stream = &reading->stream;
    uint64_t start = attribute->data.offset - ATTRIBUTE_HEADER;
    uint32_t sum;
    if (reading->source->trusts_sums) {
        stream->at += attribute->data.bytes + SUM;
        return true;
    }
    const unsigned char *said = add_up(reading, attribute->data.bytes, &sum) ? tnef_take(stream, SUM) : NULL;
    if (said != NULL && tnef_u16(said) != (sum & 0xffff) && reading->report->wrong_sums++ == 0)
        reading->report->first_wrong_sum = start;
    if (said == NULL && stream->error == 0)
        tnef_damage(reading, "the TNEF ends within the attribute at octet %llu", (unsigned long long)start);
    return said != NULL;
}

static bool
is_list(const struct tnef_attribute *attribute)
{
    return attribute->id == TNEF_MSG_PROPS || attribute->id == TNEF_ATTACH_PROPS ||
           attribute->id == TNEF_RECIP_TABLE;
}

/* Reads an attribute's header; false where there is none, or none more. */
static bool
next_attribute(struct tnef_reading *reading, struct tnef_attribute *attribute)
{
    struct tnef_cursor *stream = &reading->stream;
    unsigned long long start = stream->at;
    if (stream->at == stream->end)
        return false;
    const unsigned char *header = tnef_take(stream, ATTRIBUTE_HEADER);
    if (header == NULL) {
        tnef_damage(reading, "the TNEF ends within the header of the attribute at octet %llu", start);
        return false;
    }
    uint32_t level = header[0], bytes = tnef_u32(header + 5);
    attribute->id = tnef_u32(header + 1);
    if (level != TNEF_OF_MESSAGE && level != TNEF_OF_ATTACHMENT) {
        tnef_damage(reading, "at octet %llu of the TNEF begins no attribute: its level is %u", start, level);
        return false;
    }
    if (stream->end - stream->at < (uint64_t)bytes + SUM) {
        tnef_damage(reading,
                    "the attribute 0x%08x at octet %llu of the TNEF says it has %u octets, %llu are left",
                    attribute->id, start, bytes, (unsigned long long)(stream->end - stream->at));
        return false;
    }
    attribute->level = level == TNEF_OF_MESSAGE ? TNEF_OF_MESSAGE : TNEF_OF_ATTACHMENT;
    attribute->data = (struct tnef_place){stream->at, bytes};
    return true;
}

static int
read_attributes(struct tnef_reading *reading)
{
    const struct tnef_visitor *visitor = reading->visitor;
    struct tnef_attribute attribute;
    int error = 0;
    while (error == 0 && next_attribute(reading, &attribute) && pass_data(reading, &attribute)) {
        reading->report->attributes++;
        if (visitor->attribute != NULL)
            error = visitor->attribute(visitor->arg, &attribute);
        if (error == 0 && is_list(&attribute))
            error = tnef_read_list(reading, attribute.id, attribute.data);
    }
    return error != 0 ? error : reading->stream.error;
}

int
tnef_read(const struct tnef_source *source, const struct tnef_visitor *visitor, struct tnef_report *report,
          struct why *why)
{
    struct tnef_reading *reading = xcalloc(1, sizeof *reading);
    reading->source = source;
    reading->visitor = visitor;
    reading->report = report;
    reading->why = why;
    reading->piece = xmalloc(PIECE);
    memset(report, 0, sizeof *report);
    tnef_cursor_set(&reading->stream, source, source->place);
    const unsigned char *start = tnef_take(&reading->stream, 6);
    int error = reading->stream.error;
    if (start != NULL && tnef_u32(start) == SIGNATURE)
        error = read_attributes(reading);
    else if (error == 0)
        tnef_damage(reading, "it is no TNEF: its signature is missing at octet %llu",
                    (unsigned long long)source->place.offset);
    if (error == 0 && reading->damaged)
        error = -EINVAL;
    free(reading->piece);
    free(reading);
    return error;
}

/* ---- places ---- */

ssize_t
tnef_read_some(const struct tnef_source *source, uint64_t offset, void *bytes, size_t size)
{
    return source->read(source->arg, offset, bytes, size);
}

void
tnef_cursor_set(struct tnef_cursor *cursor, const struct tnef_source *source, struct tnef_place place)
{
    cursor->source = source;
    cursor->at = place.offset;
    cursor->end = place.offset + place.bytes;
    cursor->error = 0;
    cursor->window_len = 0;
}

/* Fills the window from the cursor on, until it has `len` octets. */
static bool
fill(struct tnef_cursor *cursor, size_t len)
{
    uint64_t left = cursor->end - cursor->at;
    size_t want = left < sizeof cursor->window ? (size_t)left : sizeof cursor->window;
    cursor->window_at = cursor->at;
    cursor->window_len = 0;
    while (cursor->window_len < len) {
        ssize_t got = tnef_read_some(cursor->source, cursor->at + cursor->window_len,
                                     cursor->window + cursor->window_len, want - cursor->window_len);
        if (got <= 0) {
            cursor->error = (int)got;
            return false;
        }
        cursor->window_len += (size_t)got;
    }
    return true;
}

const unsigned char *
tnef_take(struct tnef_cursor *cursor, size_t len)
{
    if (cursor->end - cursor->at < len)
        return NULL;
    bool there = cursor->at >= cursor->window_at && cursor->at - cursor->window_at <= cursor->window_len &&
                 cursor->window_len - (cursor->at - cursor->window_at) >= len;
    if (!there && !fill(cursor, len))
        return NULL;
    const unsigned char *taken = cursor->window + (cursor->at - cursor->window_at);
    cursor->at += len;
    return taken;
}

/* ---- values ---- */

int64_t
tnef_number(const struct tnef_property *property)
{
    uint64_t bits = property->bits;
    switch (property->type) {
    case TNEF_I2:
        return (int16_t)(bits & 0xffff);
    case TNEF_I4:
    case TNEF_ERROR:
        return (int32_t)(bits & 0xffffffff);
    case TNEF_BOOLEAN:
        return (bits & 0xffff) != 0;
    case TNEF_I8:
        return (int64_t)bits;
    case TNEF_SYSTIME: /* hundreds of nanoseconds since 1601 */
        return (int64_t)(bits / 10000000) - 11644473600;
    default:
        return 0;
    }
}

static size_t
text_end(const char *octets, size_t len, bool wide)
{
    size_t step = wide ? 2 : 1, i = 0;
    while (i + step <= len && (octets[i] != '\0' || (wide && octets[i + 1] != '\0')))
        i += step;
    return i;
}

int
tnef_read_text(const struct tnef_source *source, struct tnef_place place, const char *charset, struct buf *out)
{
    size_t want = place.bytes < TNEF_TEXT_MAX ? (size_t)place.bytes : TNEF_TEXT_MAX, len = 0;
    char *octets = xmalloc(TNEF_TEXT_MAX);
    struct buf text = {0};
    ssize_t got = 1;
    while (len < want && got > 0) {
        got = tnef_read_some(source, place.offset + len, octets + len, want - len);
        len += got > 0 ? (size_t)got : 0;
    }
    /* Without charset_end(): a character that was cut is left out. */
    struct charset *decoder = charset_new(span_of(charset));
    charset_feed(decoder, octets, text_end(octets, len, strcmp(charset, "UTF-16LE") == 0), &text);
    charset_free(decoder);
    for (size_t i = 0; i < text.len; i++)
        buf_add_byte(out, (unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f ? ' ' : text.at[i]);
    buf_clear(&text);
    free(octets);
    return got < 0 ? (int)got : 0;
}
