/* mime_decode.c - base 64 and quoted-printable (see mime_decode.h) */
#include "systems/mime/mime_decode.h"
#include "common/hex.h"

enum mime_encoding
mime_encoding_of(struct span name)
{
    name = span_trim(name);
    if (span_starts_nocase(name, SPAN("base64")))
        return MIME_BASE64;
    return span_starts_nocase(name, SPAN("quoted-printable")) ? MIME_QUOTED : MIME_IDENTITY;
}

void
mime_decoder_start(struct mime_decoder *decoder, enum mime_encoding encoding)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->encoding = encoding;
}

static int
digit64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void
decode_base64(struct mime_decoder *decoder, const char *bytes, size_t len, struct buf *out)
{
    buf_reserve(out, len / 4 * 3 + 3);
    for (size_t i = 0; i < len; i++) {
        int digit = digit64(bytes[i]);
        if (bytes[i] == '=') { /* the end of a run; another may follow where texts were joined */
            decoder->bits = 0;
            decoder->n_bits = 0;
        }
        if (digit < 0)
            continue;
        decoder->bits = (decoder->bits << 6 | (uint32_t)digit) & 0xffffff;
        decoder->n_bits += 6;
        if (decoder->n_bits >= 8) {
            decoder->n_bits -= 8;
            buf_add_byte(out, (char)(decoder->bits >> decoder->n_bits & 0xff));
        }
    }
}

static void
flush_held(struct mime_decoder *decoder, struct buf *out)
{
    buf_add(out, decoder->held, decoder->n_held);
    decoder->n_held = 0;
}

/* One octet behind a held '='. True while more may belong to it. */
static void
quoted_escape(struct mime_decoder *decoder, char c, struct buf *out)
{
    if (c == '\n') { /* a soft line end, blanks before it ignored */
        decoder->n_held = 0;
        return;
    }
    bool blank = c == ' ' || c == '\t' || c == '\r';
    bool blanks = decoder->n_held > 1 && hex_digit(decoder->held[1]) < 0;
    if (decoder->n_held == sizeof decoder->held || (!blank && (blanks || hex_digit(c) < 0)) ||
        (blank && decoder->n_held > 1 && !blanks)) {
        flush_held(decoder, out);
        decoder->held[decoder->n_held++] = c;
        if (c != '=' && !blank)
            flush_held(decoder, out);
        return;
    }
    decoder->held[decoder->n_held++] = c;
    if (decoder->n_held == 3 && !blank) {
        buf_add_byte(out, (char)hex_octet(decoder->held + 1));
        decoder->n_held = 0;
    }
}

static void
decode_quoted(struct mime_decoder *decoder, const char *bytes, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        if (decoder->n_held > 0 && decoder->held[0] == '=') {
            quoted_escape(decoder, c, out);
        } else if (c == '\n') { /* blanks before it were added in transport */
            decoder->n_held = 0;
            buf_add_byte(out, c);
        } else if (c == ' ' || c == '\t' || c == '\r') {
            if (decoder->n_held == sizeof decoder->held)
                flush_held(decoder, out);
            decoder->held[decoder->n_held++] = c;
        } else {
            flush_held(decoder, out);
            if (c == '=')
                decoder->held[decoder->n_held++] = c;
            else
                buf_add_byte(out, c);
        }
    }
}

void
mime_decode(struct mime_decoder *decoder, const char *bytes, size_t len, struct buf *out)
{
    if (decoder->encoding == MIME_BASE64)
        decode_base64(decoder, bytes, len, out);
    else if (decoder->encoding == MIME_QUOTED)
        decode_quoted(decoder, bytes, len, out);
    else
        buf_add(out, bytes, len);
}

void
mime_decode_end(struct mime_decoder *decoder, struct buf *out)
{
    if (decoder->encoding == MIME_QUOTED && decoder->n_held > 0 && decoder->held[0] == '=' &&
        decoder->n_held > 1)
        flush_held(decoder, out);
    decoder->n_held = 0;
}

void
mime_encode_base64(const char *bytes, size_t len, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_reserve(out, (len + 2) / 3 * 4);
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)bytes[i + k] : 0U);
        char text[4] = {digits[bits >> 18 & 63], digits[bits >> 12 & 63], digits[bits >> 6 & 63],
                        digits[bits & 63]};
        if (n < 3)
            text[3] = '=';
        if (n < 2)
            text[2] = '=';
        buf_add(out, text, 4);
    }
}

/* ---- quoted-printable, written ---- */

bool
mime_is_plain(unsigned char c)
{
    return c >= ' ' && c <= '~' && c != '=';
}

void
mime_quote_octet(struct mime_quoter *quoter, unsigned char c, bool plain, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t width = plain ? 1 : 3;
    if (quoter->column + width > MIME_QUOTED_COLUMNS) {
        buf_add(out, "=\n", 2);
        quoter->column = 0;
    }
    char quoted[3] = {plain ? (char)c : '=', digits[c >> 4], digits[c & 15]};
    buf_add(out, quoted, width);
    quoter->column += width;
}

static void
put_held(struct mime_quoter *quoter, bool plain, struct buf *out)
{
    if (quoter->held != '\0')
        mime_quote_octet(quoter, (unsigned char)quoter->held, plain, out);
    quoter->held = '\0';
}

void
mime_quote(struct mime_quoter *quoter, const char *bytes, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        put_held(quoter, c != '\n', out);
        if (c == '\n') {
            buf_add_byte(out, '\n');
            quoter->column = 0;
        } else if (c == ' ' || c == '\t') {
            quoter->held = c;
        } else {
            mime_quote_octet(quoter, (unsigned char)c, mime_is_plain((unsigned char)c), out);
        }
    }
}

void
mime_quote_end(struct mime_quoter *quoter, struct buf *out)
{
    put_held(quoter, false, out);
}
