/* buf.h - a growing byte string that one owner holds
 *
 * Invariant: `at[len]` is NUL once anything was added; `at` may be NULL before. Growth doubles. Memory is the
 * owner's: buf_clear() gives it back. A `struct buf` set to zero is empty and valid.
 */
#ifndef VIADUCT_BUF_H
#define VIADUCT_BUF_H

#include <stdarg.h>

#include "common/base.h"

struct buf {
    char *at;
    size_t len;
    size_t size;
};

/* Makes room for `more` bytes behind what is there. */
void buf_reserve(struct buf *buf, size_t more);

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_span(struct buf *buf, struct span span);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_byte(struct buf *buf, char byte);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);

/* Empties it and keeps the memory. */
void buf_reset(struct buf *buf);

/* Empties it and frees the memory. */
void buf_clear(struct buf *buf);

static inline struct span
buf_span(const struct buf *buf)
{
    return (struct span){buf->at, buf->len};
}

#endif
