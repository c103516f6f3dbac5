/* tnef_body.c - a body of TNEF on its way out (see tnef_message.h)
 *
 *     text, HTML:  octets -> UTF-8, to the first NUL -> lines that end in LF
 *     RTF:         octets -> unpacked -> text, or the HTML that it was made from
 */
#include <stdlib.h>

#include "systems/mime/rtf_compressed.h"
#include "systems/mime/rtf_text.h"
#include "systems/mime/tnef_inside.h"
#include "systems/mime/tnef_message.h"

enum { PIECE = 16 << 10 };

struct reading {
    tnef_body_fn *take;
    void *arg;
    bool html, ended; /* ended: a NUL came */
    struct charset *charset;
    struct rtf_compressed *packed;
    struct rtf_text *rtf;
    struct buf raw, out; /* raw: unpacked RTF, or UTF-8 as it stands */
};

/* Adds text up to a NUL, which writers put behind it, with LF line ends. */
static void
add_text(struct reading *reading, struct span utf8)
{
    for (size_t i = 0; i < utf8.len && !reading->ended; i++)
        if (utf8.at[i] == '\0')
            reading->ended = true;
        else if (utf8.at[i] != '\r')
            buf_add_byte(&reading->out, utf8.at[i]);
}

static void
feed(struct reading *reading, const char *octets, size_t len, bool last)
{
    buf_reset(&reading->raw);
    if (reading->packed != NULL) {
        rtf_compressed_feed(reading->packed, octets, len, &reading->raw);
        rtf_text_feed(reading->rtf, reading->raw.at, reading->raw.len, &reading->out);
        if (last)
            rtf_text_end(reading->rtf, &reading->out);
        reading->html = rtf_text_kind(reading->rtf) == RTF_FROM_HTML;
        return;
    }
    charset_feed(reading->charset, octets, len, &reading->raw);
    if (last)
        charset_end(reading->charset, &reading->raw);
    add_text(reading, buf_span(&reading->raw));
}

static int
give(struct reading *reading)
{
    int result = reading->out.len > 0 ? reading->take(reading->arg, reading->html, buf_span(&reading->out)) : 0;
    buf_reset(&reading->out);
    return result;
}

static int
read_pieces(struct reading *reading, const struct tnef_source *source, struct tnef_place place)
{
    char *piece = xmalloc(PIECE);
    ssize_t got = 1;
    int result = 0;
    while (result == 0 && got > 0 && place.bytes > 0 && !reading->ended) {
        got = tnef_read_some(source, place.offset, piece, place.bytes < PIECE ? (size_t)place.bytes : PIECE);
        if (got > 0) {
            feed(reading, piece, (size_t)got, false);
            result = give(reading);
            place.offset += (uint64_t)got;
            place.bytes -= (uint64_t)got;
        }
    }
    free(piece);
    if (got < 0)
        return (int)got;
    if (result == 0) {
        feed(reading, NULL, 0, true);
        result = give(reading);
    }
    return result;
}

static void
tell_faults(const struct reading *reading, struct why *why)
{
    uint64_t faults = reading->rtf != NULL ? rtf_text_faults(reading->rtf) : charset_faults(reading->charset);
    if (faults > 0)
        why_set(why, "5.6.0", "characters of the body that may be wrong: %llu", (unsigned long long)faults);
    else if (why != NULL)
        memset(why, 0, sizeof *why);
}

int
tnef_read_body(const struct tnef_source *source, const struct tnef_body *body, tnef_body_fn *take, void *arg,
               struct why *why)
{
    struct reading reading = {.take = take, .arg = arg, .html = body->kind == TNEF_BODY_HTML};
    if (body->kind == TNEF_BODY_RTF) {
        reading.packed = xmalloc(sizeof *reading.packed);
        rtf_compressed_start(reading.packed);
        reading.rtf = rtf_text_new();
    } else {
        reading.charset = charset_new(span_of(body->charset));
    }
    int result = read_pieces(&reading, source, body->place);
    if (result == 0 && reading.packed != NULL)
        result = rtf_compressed_end(reading.packed, why);
    if (result == 0)
        tell_faults(&reading, why);
    charset_free(reading.charset);
    rtf_text_free(reading.rtf);
    free(reading.packed);
    buf_clear(&reading.raw);
    buf_clear(&reading.out);
    return result;
}
