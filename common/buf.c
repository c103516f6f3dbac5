/* buf.c - a growing byte string (see buf.h) */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>

void
buf_reserve(struct buf *buf, size_t more)
{
    BUG_UNLESS(more < SIZE_MAX / 4 && buf->len < SIZE_MAX / 4);
    size_t need = buf->len + more + 1;
    if (need <= buf->size)
        return;
    size_t size = buf->size > 0 ? buf->size : 256;
    while (size < need)
        size *= 2;
    buf->at = xrealloc(buf->at, size);
    buf->size = size;
}

void
buf_add(struct buf *buf, const void *bytes, size_t len)
{
    buf_reserve(buf, len);
    if (len > 0)
        memcpy(buf->at + buf->len, bytes, len);
    buf->len += len;
    buf->at[buf->len] = '\0';
}

void
buf_add_span(struct buf *buf, struct span span)
{
    buf_add(buf, span.at, span.len);
}

void
buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void
buf_add_byte(struct buf *buf, char byte)
{
    buf_add(buf, &byte, 1);
}

void
buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    buf_reserve(buf, 120);
    int len = vsnprintf(buf->at + buf->len, buf->size - buf->len, format, args);
    BUG_UNLESS(len >= 0);
    if ((size_t)len >= buf->size - buf->len) {
        buf_reserve(buf, (size_t)len);
        vsnprintf(buf->at + buf->len, buf->size - buf->len, format, again);
    }
    va_end(again);
    buf->len += (size_t)len;
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

void
buf_consume(struct buf *buf, size_t len)
{
    BUG_UNLESS(len <= buf->len);
    if (len == 0)
        return;
    buf->len -= len;
    memmove(buf->at, buf->at + len, buf->len + 1);
}

void
buf_reset(struct buf *buf)
{
    buf->len = 0;
    if (buf->at != NULL)
        buf->at[0] = '\0';
}

void
buf_clear(struct buf *buf)
{
    free(buf->at);
    *buf = (struct buf){0};
}
