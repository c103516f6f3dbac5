/* mime-seek-t.c - every place of an encoded part is found, in whatever order, and at a cost that does not grow with it */
#include "systems/mime/mime_seek.h"

#include <errno.h>
#include <stdlib.h>

#include "t/tap.h"

static uint64_t octets_read;
static int fail_at = -1;

static ssize_t
read_text(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct buf *text = arg;
    size_t left = offset < text->len ? text->len - (size_t)offset : 0, n = left < size ? left : size;
    if (fail_at >= 0 && offset + n > (uint64_t)fail_at)
        return -EIO;
    if (n > 0)
        memcpy(bytes, text->at + offset, n);
    octets_read += n;
    return (ssize_t)n;
}

static char
octet(uint64_t offset)
{
    return (char)((offset * 2654435761U) >> 13);
}

/* A part of `bytes` octets, with something before and behind it. */
static struct mime_part
make_part(struct buf *text, enum mime_encoding encoding, uint64_t bytes, size_t line)
{
    struct mime_part part = {.encoding = encoding};
    struct mime_quoter quoter = {0};
    buf_add_text(text, "before\n");
    part.start = text->len;
    for (uint64_t at = 0; at < bytes;) {
        char piece[100];
        size_t n = 0;
        for (; n < line && at < bytes; n++, at++)
            piece[n] = octet(at);
        if (encoding == MIME_BASE64) {
            mime_encode_base64(piece, n, text);
            buf_add_byte(text, '\n');
        } else if (encoding == MIME_QUOTED) {
            for (size_t i = 0; i < n; i++)
                mime_quote_octet(&quoter, (unsigned char)piece[i], false, text);
        } else {
            buf_add(text, piece, n);
        }
    }
    part.end = text->len;
    buf_add_text(text, "AAAA\nbehind\n");
    return part;
}

static bool
is_right(struct mime_seek *seek, uint64_t offset, size_t size)
{
    char *bytes = xmalloc(size);
    size_t got = 0;
    ssize_t n = 1;
    while (got < size && (n = mime_seek_read(seek, offset + got, bytes + got, size - got)) > 0)
        got += (size_t)n;
    bool right = got == size;
    for (size_t i = 0; right && i < size; i++)
        right = bytes[i] == octet(offset + i);
    free(bytes);
    return right;
}

static void
test_places(enum mime_encoding encoding, const char *name, size_t line)
{
    enum { BYTES = 1000003 };
    struct buf text = {0};
    struct mime_part part = make_part(&text, encoding, BYTES, line);
    struct mime_seek *seek = mime_seek_new(read_text, &text, &part);
    uint64_t bytes = 0;
    unsigned wrong = 0, seed = 7;
    char c;
    ok(is_right(seek, 500000, 100), "%s: a place in the middle, at once", name);
    is_int(mime_seek_bytes(seek, &bytes), 0, "%s: its length is found", name);
    is_int(bytes, BYTES, "%s: and right", name);
    ok(is_right(seek, 0, BYTES), "%s: all of it, in order", name);
    for (int i = 0; i < 300; i++) {
        seed = seed * 1664525U + 1013904223U;
        uint64_t at = seed % BYTES;
        size_t most = (size_t)(BYTES - at), n = 1 + (seed >> 20) % 3000;
        wrong += !is_right(seek, at, n < most ? n : most);
    }
    is_int(wrong, 0, "%s: places in any order", name);
    is_int(mime_seek_read(seek, BYTES, &c, 1), 0, "%s: behind the end is nothing", name);
    is_int(mime_seek_read(seek, UINT64_MAX, &c, 1), 0, "%s: far behind it neither", name);
    octets_read = 0;
    for (int i = 0; i < 100; i++)
        is_right(seek, i % 2 == 0 ? 10 : BYTES - 10, 1);
    ok(octets_read < 100ULL * 5 * MIME_SEEK_STEP,
       "%s: going to and fro reads a step or two each, not all (%llu octets)", name,
       (unsigned long long)octets_read);
    mime_seek_free(seek);
    buf_clear(&text);
}

static void
test_ends(void)
{
    struct buf text = {0};
    uint64_t bytes = 1;
    char c;
    struct mime_part part = make_part(&text, MIME_BASE64, 0, 57);
    struct mime_seek *seek = mime_seek_new(read_text, &text, &part);
    is_int(mime_seek_read(seek, 0, &c, 1), 0, "an empty part has no octets");
    ok(mime_seek_bytes(seek, &bytes) == 0 && bytes == 0, "and no length");
    mime_seek_free(seek);
    buf_reset(&text);
    part = make_part(&text, MIME_BASE64, 300000, 57);
    seek = mime_seek_new(read_text, &text, &part);
    fail_at = 200000;
    is_int(mime_seek_bytes(seek, &bytes), -EIO, "a read that fails is told");
    is_int(mime_seek_read(seek, 299999, &c, 1), -EIO, "here too");
    ok(is_right(seek, 1000, 1000), "what can be read is");
    fail_at = -1;
    ok(is_right(seek, 299000, 1000), "and later the rest");
    mime_seek_free(seek);
    part.end += 1000; /* says more than there is */
    seek = mime_seek_new(read_text, &text, &part);
    is_int(mime_seek_bytes(seek, &bytes), -EIO, "a part that is not all there is an error");
    mime_seek_free(seek);
    mime_seek_free(NULL);
    buf_clear(&text);
}

int
main(void)
{
    test_places(MIME_BASE64, "base 64", 57);
    test_places(MIME_BASE64, "base 64 of odd lines", 43);
    test_places(MIME_QUOTED, "quoted-printable", 60);
    test_places(MIME_IDENTITY, "as it is", 64);
    test_ends();
    return tap_done();
}
