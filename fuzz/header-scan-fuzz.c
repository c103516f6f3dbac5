/* header-scan-fuzz.c - headers of any bytes, cut anywhere: no harm, and the same result as uncut */
#include "common/header_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
scan_cut(struct header_scan *scan, const char *text, size_t len, size_t piece)
{
    header_scan_start(scan, "by gw1 (viaduct branch in)");
    for (size_t at = 0; at < len; at += piece)
        if (header_scan_feed(scan, text + at, len - at < piece ? len - at : piece) > len - at)
            abort();
    header_scan_finish(scan);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = (size_t)data[0] + 1, len = size - 1;
    const char *text = (const char *)data + 1;
    struct header_scan whole, cut;
    scan_cut(&whole, text, len, len + 1);
    scan_cut(&cut, text, len, piece);
    if (whole.no_header != cut.no_header || whole.bytes != cut.bytes || whole.hops != cut.hops ||
        whole.loops != cut.loops || strcmp(whole.msgid, cut.msgid) != 0 ||
        strcmp(whole.subject, cut.subject) != 0 ||
        (!whole.no_header && (whole.eight_bit != cut.eight_bit || whole.has_nul != cut.has_nul)))
        abort();
    struct span header = {text, len}, name, body;
    while (header_next(&header, &name, &body))
        if (name.len == 0 || body.at < text || body.at + body.len > text + len)
            abort();
    return 0;
}
