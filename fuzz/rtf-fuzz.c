/* rtf-fuzz.c - any octets as RTF, compressed or not: pieces do not matter, what comes out is UTF-8 and bounded */
#include "systems/mime/charset.h"
#include "systems/mime/rtf_compressed.h"
#include "systems/mime/rtf_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rtf_kind
read_rtf(struct span rtf, size_t piece, struct buf *out)
{
    struct rtf_text *text = rtf_text_new();
    for (size_t at = 0; at < rtf.len; at += piece)
        rtf_text_feed(text, rtf.at + at, rtf.len - at < piece ? rtf.len - at : piece, out);
    rtf_text_end(text, out);
    enum rtf_kind kind = rtf_text_kind(text);
    rtf_text_free(text);
    return kind;
}

static void
check_rtf(struct span rtf)
{
    struct buf whole = {0}, pieces = {0};
    enum rtf_kind kind = read_rtf(rtf, rtf.len + 1, &whole);
    BUG_UNLESS(read_rtf(rtf, 1, &pieces) == kind);
    BUG_UNLESS(span_equal(buf_span(&whole), buf_span(&pieces)));
    BUG_UNLESS(whole.len <= 3 * rtf.len + 10);
    for (size_t i = 0; i < whole.len;) {
        uint32_t code;
        int n = charset_take_utf8(whole.at + i, whole.len - i, &code);
        BUG_UNLESS(n > 0);
        i += (size_t)n;
    }
    buf_clear(&whole);
    buf_clear(&pieces);
}

static int
unpack(struct span packed, size_t piece, struct buf *out)
{
    struct rtf_compressed state;
    struct why why;
    rtf_compressed_start(&state);
    for (size_t at = 0; at < packed.len; at += piece)
        rtf_compressed_feed(&state, packed.at + at, packed.len - at < piece ? packed.len - at : piece, out);
    BUG_UNLESS(out->len <= 9 * packed.len && (state.n_header < RTF_HEADER || out->len <= state.declared));
    return rtf_compressed_end(&state, &why);
}

static void
check_compressed(struct span packed)
{
    struct buf whole = {0}, pieces = {0};
    int error = unpack(packed, packed.len + 1, &whole);
    BUG_UNLESS(unpack(packed, 1, &pieces) == error);
    BUG_UNLESS(span_equal(buf_span(&whole), buf_span(&pieces)));
    check_rtf(buf_span(&whole));
    buf_clear(&whole);
    buf_clear(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    if (size > 64 << 10)
        return 0;
    check_rtf(input);
    check_compressed(input);
    return 0;
}
