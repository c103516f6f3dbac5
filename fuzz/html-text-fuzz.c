/* html-text-fuzz.c - any text as HTML: pieces do not matter, what comes out is UTF-8 with LF, and bounded */
#include "systems/gwise/html_text.h"
#include "systems/mime/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
reduce(struct span utf8, size_t piece, struct buf *out)
{
    struct html_text html;
    html_text_start(&html);
    for (size_t at = 0; at < utf8.len; at += piece)
        html_text_feed(&html, utf8.at + at, utf8.len - at < piece ? utf8.len - at : piece, out);
    html_text_end(&html, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf utf8 = {0}, whole = {0}, pieces = {0};
    if (size > 64 << 10)
        return 0;
    struct charset *charset = charset_new(SPAN("utf-8"));
    charset_feed(charset, (const char *)data, size, &utf8);
    charset_end(charset, &utf8);
    charset_free(charset);
    reduce(buf_span(&utf8), utf8.len + 1, &whole);
    reduce(buf_span(&utf8), 1, &pieces);
    BUG_UNLESS(span_equal(buf_span(&whole), buf_span(&pieces)));
    BUG_UNLESS(whole.len <= 3 * utf8.len + 10);
    BUG_UNLESS(whole.len == 0 || whole.at[whole.len - 1] == '\n');
    for (size_t i = 0; i < whole.len;) {
        uint32_t code;
        int n = charset_take_utf8(whole.at + i, whole.len - i, &code);
        BUG_UNLESS(n > 0 && code != 0 && code != '\r');
        i += (size_t)n;
    }
    buf_clear(&utf8);
    buf_clear(&whole);
    buf_clear(&pieces);
    return 0;
}
