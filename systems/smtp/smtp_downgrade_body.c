/* smtp_downgrade_body.c - bodies in 7 bits: counted as they pass, and encoded as a stream (see
 * smtp_downgrade.h)
 *
 * What is hostile here: any octets, in lines of any length. An encoder holds at most one line of base 64.
 *
 * Sources: RFC 2045 sections 2.8, 6.7 and 6.8.
 */
#include "systems/mime/mime_decode.h"
#include "systems/smtp/smtp_downgrade.h"

enum { LINE_MAX_OCTETS = 998 };

void
downgrade_count_octets(struct downgrade_count *count, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)at[i];
        count->line = c == '\n' ? 0 : count->line + 1;
        count->high += c > 127;
        count->quoted += !mime_is_plain(c) && c != '\n' && c != '\t';
        count->odd = count->odd || c == '\0' || c == '\r' || count->line > LINE_MAX_OCTETS;
    }
    count->bytes += len;
}

/* ---- quoted-printable ---- */

/* What is quoted already stays so: a '=' and the two octets that belong to it are never parted. */
static void
repair(struct downgrade_encoder *encoder, unsigned char c, struct buf *out)
{
    struct mime_quoter *quoter = &encoder->quoter;
    if (c == '\n') {
        buf_add_byte(out, '\n');
        quoter->column = 0;
        encoder->escape = 0;
        return;
    }
    if (c == '=' && encoder->escape == 0 && quoter->column + 3 > MIME_QUOTED_COLUMNS) {
        buf_add(out, "=\n", 2);
        quoter->column = 0;
    }
    if (encoder->escape > 0 && c <= 127) {
        buf_add_byte(out, (char)c);
        quoter->column++;
        encoder->escape--;
        return;
    }
    encoder->escape = c == '=' ? 2 : 0;
    mime_quote_octet(quoter, c, c <= 127, out);
}

/* ---- base 64 ---- */

static void
flush_line(struct downgrade_encoder *encoder, struct buf *out)
{
    if (encoder->n_held == 0)
        return;
    if (encoder->begun)
        buf_add_byte(out, '\n');
    encoder->begun = true;
    mime_encode_base64(encoder->held, encoder->n_held, out);
    encoder->n_held = 0;
}

static void
put_base64(struct downgrade_encoder *encoder, char c, struct buf *out)
{
    encoder->held[encoder->n_held++] = c;
    if (encoder->n_held == sizeof encoder->held)
        flush_line(encoder, out);
}

/* ---- all of them ---- */

static void
mark(struct downgrade_encoder *encoder, const char *at, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        bool high = (unsigned char)at[i] > 127;
        encoder->marked += high;
        buf_add_byte(out, high ? '?' : at[i]);
    }
}

void
downgrade_encode(struct downgrade_encoder *encoder, const char *at, size_t len, struct buf *out)
{
    if (encoder->action == DOWNGRADE_KEEP)
        buf_add(out, at, len);
    if (encoder->action == DOWNGRADE_MARK)
        mark(encoder, at, len, out);
    if (encoder->action == DOWNGRADE_QUOTED)
        mime_quote(&encoder->quoter, at, len, out);
    for (size_t i = 0; encoder->action == DOWNGRADE_REPAIR && i < len; i++)
        repair(encoder, (unsigned char)at[i], out);
    for (size_t i = 0; encoder->action == DOWNGRADE_BASE64 && i < len; i++) {
        if (at[i] == '\n')
            put_base64(encoder, '\r', out);
        put_base64(encoder, at[i], out);
    }
}

void
downgrade_encode_end(struct downgrade_encoder *encoder, struct buf *out)
{
    if (encoder->action == DOWNGRADE_QUOTED)
        mime_quote_end(&encoder->quoter, out);
    if (encoder->action == DOWNGRADE_BASE64)
        flush_line(encoder, out);
}
