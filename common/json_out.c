/* json_out.c - JSON written as it comes (see json_out.h) */
#include "common/json_out.h"

#include <math.h>
#include <stdio.h>

#include "common/shown.h"
#include "common/utc.h"
#include "common/utf8.h"

enum { ESCAPED_MAX = 12 }; /* two \uXXXX: a surrogate pair */

/* Bytes that stand for themselves in a string. */
static inline bool
is_plain(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* Writes how one character is escaped; returns the length. */
static size_t
print_escaped(uint32_t code, char text[ESCAPED_MAX + 1])
{
    if (code == '"' || code == '\\')
        return (size_t)snprintf(text, ESCAPED_MAX + 1, "\\%c", (char)code);
    if (code == '\n' || code == '\t')
        return (size_t)snprintf(text, ESCAPED_MAX + 1, "\\%c", code == '\n' ? 'n' : 't');
    if (code < 0x10000)
        return (size_t)snprintf(text, ESCAPED_MAX + 1, "\\u%04x", (unsigned)code);
    unsigned pair = (unsigned)code - 0x10000;
    return (size_t)snprintf(text, ESCAPED_MAX + 1, "\\u%04x\\u%04x", 0xd800 + (pair >> 10),
                            0xdc00 + (pair & 0x3ff));
}

/* How the character that `rest` begins with is written, in `text`; returns what it takes of `rest`. */
static size_t
print_character(struct span rest, char text[ESCAPED_MAX + 1], size_t *len)
{
    size_t n = utf8_sequence(rest.at, rest.len);
    if (n == 0) {
        memcpy(text, "\xef\xbf\xbd", 3);
        *len = 3;
        return 1;
    }
    if (shown_sequence(rest.at, n) == n && (n > 1 || is_plain(rest.at[0]))) {
        memcpy(text, rest.at, n);
        *len = n;
        return n;
    }
    *len = print_escaped(shown_code_point(rest.at, n), text);
    return n;
}

void
json_print_string(struct buf *out, struct span value, size_t limit)
{
    buf_add_byte(out, '"');
    struct shown_text text = shown_begin(out, limit);
    bool fits = true;
    while (fits && value.len > 0) {
        char escaped[ESCAPED_MAX + 1];
        size_t plain = 0, len, taken;
        while (plain < value.len && plain < SHOWN_PIECE && is_plain(value.at[plain]))
            plain++;
        if (plain > 0) {
            fits = shown_add(&text, value.at, plain);
            taken = plain;
        } else {
            taken = print_character(value, escaped, &len);
            fits = shown_add(&text, escaped, len);
        }
        value.at += taken;
        value.len -= taken;
    }
    buf_add_byte(out, '"');
}

void
json_start(struct json *json, struct buf *buf)
{
    *json = (struct json){.buf = buf};
}

/* What stands before a value: the comma, and the key in an object. */
static void
begin_value(struct json *json, const char *key)
{
    uint32_t bit = UINT32_C(1) << json->depth;
    bool in_array = (json->arrays & bit) != 0;
    BUG_UNLESS((key == NULL) == (json->depth == 0 || in_array));
    BUG_UNLESS(json->depth > 0 || (json->elements & bit) == 0);
    if (json->elements & bit)
        buf_add_byte(json->buf, ',');
    json->elements |= bit;
    if (key != NULL) {
        json_print_string(json->buf, span_of(key), SIZE_MAX);
        buf_add_byte(json->buf, ':');
    }
}

static void
begin_nest(struct json *json, const char *key, bool array)
{
    begin_value(json, key);
    json->depth++;
    BUG_UNLESS(json->depth < JSON_DEPTH_MAX);
    uint32_t bit = UINT32_C(1) << json->depth;
    json->elements &= ~bit;
    json->arrays = array ? json->arrays | bit : json->arrays & ~bit;
    buf_add_byte(json->buf, array ? '[' : '{');
}

static void
end_nest(struct json *json, bool array)
{
    BUG_UNLESS(json->depth > 0);
    BUG_UNLESS(((json->arrays >> json->depth) & 1) == (array ? 1 : 0));
    json->depth--;
    buf_add_byte(json->buf, array ? ']' : '}');
}

void
json_begin_object(struct json *json, const char *key)
{
    begin_nest(json, key, false);
}

void
json_end_object(struct json *json)
{
    end_nest(json, false);
}

void
json_begin_array(struct json *json, const char *key)
{
    begin_nest(json, key, true);
}

void
json_end_array(struct json *json)
{
    end_nest(json, true);
}

void
json_add_span(struct json *json, const char *key, struct span value)
{
    begin_value(json, key);
    json_print_string(json->buf, value, SIZE_MAX);
}

void
json_add_text(struct json *json, const char *key, const char *value)
{
    if (value == NULL)
        json_add_null(json, key);
    else
        json_add_span(json, key, span_of(value));
}

void
json_add_number(struct json *json, const char *key, int64_t value)
{
    begin_value(json, key);
    buf_printf(json->buf, "%lld", (long long)value);
}

void
json_add_fraction(struct json *json, const char *key, double value)
{
    if (!isfinite(value)) {
        json_add_null(json, key);
        return;
    }
    begin_value(json, key);
    buf_printf(json->buf, "%.10g", value); /* no program of ours sets a locale: the point is a point */
}

void
json_add_bool(struct json *json, const char *key, bool value)
{
    begin_value(json, key);
    buf_add_text(json->buf, value ? "true" : "false");
}

void
json_add_null(struct json *json, const char *key)
{
    begin_value(json, key);
    buf_add_text(json->buf, "null");
}

void
json_add_time(struct json *json, const char *key, int64_t ms)
{
    if (ms < 0) {
        json_add_null(json, key);
        return;
    }
    char text[UTC_LEN + 1];
    utc_print(ms, text);
    json_add_text(json, key, text);
}
