/* dsn-value-fuzz.c - text from outside on its way into a report: one line, printable, ASCII where that is asked
 * for */
#include <stdlib.h>

#include "common/dsn.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct buf *out, bool utf8)
{
    if (out->len > 0 && (!utf8_printable(buf_span(out)) || (!utf8 && !dsn_is_ascii(buf_span(out)))))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct buf out = {0}, again = {0};
    for (int utf8 = 0; utf8 < 2; utf8++) {
        dsn_add_clean(&out, text, utf8, 100);
        check(&out, utf8);
        if (out.len > 103)
            abort();
        buf_reset(&out);
        dsn_add_xtext(&out, text, utf8);
        check(&out, utf8);
        buf_reset(&out);
    }
    dsn_add_addr_xtext(&out, text);
    check(&out, false);
    if (utf8_printable(text) &&
        (!dsn_add_unitext(&again, buf_span(&out)) || !span_equal(buf_span(&again), text)))
        abort();
    buf_reset(&out);
    if (dsn_add_unitext(&out, text))
        check(&out, true);
    buf_reset(&out);
    buf_reset(&again);
    dsn_subject_decode(text, &out);
    check(&out, true);
    dsn_subject_write(buf_span(&out), false, &again);
    if (!dsn_is_ascii(buf_span(&again)))
        abort();
    buf_clear(&out);
    buf_clear(&again);
    char code[12];
    dsn_status_code(DSN_FAILED, text, code);
    if (code[0] != '5' || strlen(code) < 5)
        abort();
    return 0;
}
