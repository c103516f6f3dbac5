/* json_out.h - JSON written as it comes: log lines and what `viaduct ... --json` prints
 *
 *     struct json json;
 *     json_start(&json, &buf);
 *     json_begin_object(&json, NULL);
 *     json_add_text(&json, "id", id);
 *     json_begin_array(&json, "recipients"); json_add_span(&json, NULL, address); json_end_array(&json);
 *     json_end_object(&json);
 *
 * Members of objects have a key, elements of arrays (and the outermost value) have NULL. The output holds no
 * line end, so one value is one line of JSON Lines. Strings are always valid: bytes that are not UTF-8 become
 * U+FFFD, and what could trouble a terminal is written \uXXXX. A wrong order of calls is a bug. Source: RFC
 * 8259.
 */
#ifndef VIADUCT_JSON_OUT_H
#define VIADUCT_JSON_OUT_H

#include "common/buf.h"

enum { JSON_DEPTH_MAX = 32 };

struct json {
    struct buf *buf;
    unsigned depth;    /* objects and arrays open */
    uint32_t arrays;   /* bit n: what is open at depth n is an array */
    uint32_t elements; /* bit n: it has an element already */
};

/* Begins a value at the end of `buf`. */
void json_start(struct json *json, struct buf *buf);

void json_begin_object(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *key);
void json_end_array(struct json *json);

void json_add_span(struct json *json, const char *key, struct span value);
void json_add_text(struct json *json, const char *key, const char *value); /* NULL: null */
void json_add_number(struct json *json, const char *key, int64_t value);
void json_add_fraction(struct json *json, const char *key, double value); /* not finite: null */
void json_add_bool(struct json *json, const char *key, bool value);
void json_add_null(struct json *json, const char *key);
void json_add_time(struct json *json, const char *key, int64_t ms); /* RFC 3339; below 0: null */

/* Adds a string with its quotes to any buffer. At most `limit` bytes are printed between the quotes; what does
 * not fit is replaced by "..." (with `limit` below 3: by nothing). */
void json_print_string(struct buf *out, struct span value, size_t limit);

#endif
