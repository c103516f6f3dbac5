/* smtp_downgrade_body.c - bodies in 7 bits: counted as they pass, and encoded as a stream (see
 * smtp_downgrade.h)
 *
 * What is hostile here: any octets, in lines of any length. An encoder holds at most one line of base 64.
 *
 * Sources: RFC 2045 sections 2.8, 6.7 and 6.8.
 */
#include "systems/gwise/mime_decode.h"
#include "systems/smtp/smtp_downgrade.h"

enum { LINE_MAX_OCTETS = 998, QUOTED_COLUMNS = 75 };

static bool
stands_for_itself(unsigned char c)
{
    return c >= ' ' && c <= '~' && c != '=';
}

void
downgrade_count_octets(struct downgrade_count *count, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)at[i];
        count->line = c == '\n' ? 0 : count->line + 1;
        count->high += c > 127;
        count->quoted += !stands_for_itself(c) && c != '\n' && c != '\t';
        count->odd = count->odd || c == '\0' || c == '\r' || count->line > LINE_MAX_OCTETS;
    }
    count->bytes += len;
}

/* ---- quoted-printable ---- */

static void
put_quoted(struct downgrade_encoder *encoder, unsigned char c, bool plain, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    if (encoder->column + (plain ? 1 : 3) > QUOTED_COLUMNS) {
        buf_add(out, "=\n", 2);
        encoder->column = 0;
    }
    if (!plain) {
        buf_add_byte(out, '=');
        buf_add_byte(out, hex[c >> 4]);
        buf_add_byte(out, hex[c & 15]);
    } else {
        buf_add_byte(out, (char)c);
    }
    encoder->column += plain ? 1 : 3;
}

static void
put_held_blank(struct downgrade_encoder *encoder, bool plain, struct buf *out)
{
    if (encoder->n_held > 0)
        put_quoted(encoder, (unsigned char)encoder->held[0], plain, out);
    encoder->n_held = 0;
}

static void
quote(struct downgrade_encoder *encoder, unsigned char c, struct buf *out)
{
    put_held_blank(encoder, c != '\n', out);
    if (c == '\n') {
        buf_add_byte(out, '\n');
        encoder->column = 0;
    } else if (c == ' ' || c == '\t') {
        encoder->held[encoder->n_held++] = (char)c;
    } else {
        put_quoted(encoder, c, stands_for_itself(c), out);
    }
}

/* What is quoted already stays so: a '=' and the two octets that belong to it are never parted. */
static void
repair(struct downgrade_encoder *encoder, unsigned char c, struct buf *out)
{
    if (c == '\n') {
        buf_add_byte(out, '\n');
        encoder->column = 0;
        encoder->escape = 0;
        return;
    }
    if (c == '=' && encoder->escape == 0 && encoder->column + 3 > QUOTED_COLUMNS) {
        buf_add(out, "=\n", 2);
        encoder->column = 0;
    }
    if (encoder->escape > 0 && c <= 127) {
        buf_add_byte(out, (char)c);
        encoder->column++;
        encoder->escape--;
        return;
    }
    encoder->escape = c == '=' ? 2 : 0;
    put_quoted(encoder, c, c <= 127, out);
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
    for (size_t i = 0; encoder->action == DOWNGRADE_QUOTED && i < len; i++)
        quote(encoder, (unsigned char)at[i], out);
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
        put_held_blank(encoder, false, out);
    if (encoder->action == DOWNGRADE_BASE64)
        flush_line(encoder, out);
}
