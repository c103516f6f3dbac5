/* client_command.c - MAIL and RCPT with their parameters
 *
 * A parameter is sent only where the peer offered its extension. Addresses and parameters come from a queue
 * file: they are looked at again here, so that nothing in them can end a command line or add a parameter.
 *
 * Sources: RFC 5321 sections 4.1.1.2 and 4.1.1.3; RFC 1870 (SIZE); RFC 6152 (BODY); RFC 6531 (SMTPUTF8); RFC
 * 3461 sections 4 and 5.2.1 (RET, ENVID, NOTIFY, ORCPT; xtext); RFC 6533 section 3 (utf-8 addresses in ORCPT).
 */
#include <stdio.h>

#include "common/utf8.h"
#include "systems/smtp/client.h"
#include "systems/smtp/smtp_downgrade.h"

enum { ENVID_MAX = 100, ORCPT_MAX = 500, ADDRESS_MAX = 1300 };

bool
command_is_ascii(struct viaduct_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] > 126)
            return false;
    return true;
}

bool
command_has_ascii_form(struct viaduct_text address)
{
    struct buf ascii = {0};
    bool fine = downgrade_mailbox((struct span){address.at, address.len}, &ascii);
    buf_clear(&ascii);
    return fine;
}

/* To a peer without SMTPUTF8, a domain goes as its A-labels. */
static void
add_address(const struct client_session *session, struct viaduct_text address, struct buf *out)
{
    struct span as_it_is = {address.at, address.len};
    if (session->utf8 || !downgrade_mailbox(as_it_is, out))
        buf_add_span(out, as_it_is);
}

bool
command_address_ok(struct viaduct_text address)
{
    bool quoted = false;
    if (address.len > ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < address.len; i++) {
        unsigned char c = (unsigned char)address.at[i];
        if (c < ' ' || c == 127)
            return false;
        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\' && i + 1 < address.len && (unsigned char)address.at[i + 1] >= ' ')
            i++;
        else if (!quoted && (c == ' ' || c == '<' || c == '>' || c == '\\'))
            return false;
    }
    return !quoted;
}

static bool
is_xchar(unsigned char c)
{
    return c > ' ' && c < 127 && c != '+' && c != '=';
}

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* xtext as it was received: "+" and two hex digits, or what needs none. */
static bool
is_xtext(struct viaduct_text text, size_t most)
{
    if (text.len == 0 || text.len > most)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '+' && i + 2 < text.len && is_hex(text.at[i + 1]) && is_hex(text.at[i + 2]))
            i += 2;
        else if (!is_xchar((unsigned char)text.at[i]))
            return false;
    }
    return true;
}

static void
add_text(struct buf *out, struct viaduct_text text)
{
    buf_add(out, text.at, text.len);
}

static bool
same(struct viaduct_text a, struct viaduct_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* The size on the wire: LF becomes CRLF. Dots that are doubled do not count (RFC 1870 section 3). */
static uint64_t
wire_bytes(const struct viaduct_delivery *d)
{
    return d->bytes + d->lines_hint;
}

void
command_mail(struct client_session *session, struct buf *out)
{
    const struct viaduct_delivery *d = session->job->d;
    const struct smtp_caps *caps = &session->caps;
    buf_add(out, "MAIL FROM:<", 11);
    add_address(session, d->originator, out);
    buf_add_byte(out, '>');
    if (caps->size)
        buf_printf(out, " SIZE=%llu", (unsigned long long)wire_bytes(d));
    if (caps->eightbit && (d->body_8bit || session->utf8))
        buf_add_text(out, " BODY=8BITMIME");
    if (session->utf8)
        buf_add_text(out, " SMTPUTF8");
    struct span ret = {d->ret.at, d->ret.len};
    if (caps->dsn && span_equal_nocase(ret, SPAN("FULL")))
        buf_add_text(out, " RET=FULL");
    if (caps->dsn && span_equal_nocase(ret, SPAN("HDRS")))
        buf_add_text(out, " RET=HDRS");
    if (caps->dsn && is_xtext(d->envid, ENVID_MAX)) {
        buf_add_text(out, " ENVID=");
        add_text(out, d->envid);
    }
    buf_add(out, "\r\n", 2);
}

/* ---- ORCPT ---- */

/* The character at `*i`, of text that is UTF-8. */
static uint32_t
next_point(struct viaduct_text text, size_t *i)
{
    unsigned char c = (unsigned char)text.at[(*i)++];
    uint32_t point = c;
    if (c >= 0xc0) {
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        point = c & (0x3fu >> more);
        while (more-- > 0)
            point = point << 6 | ((unsigned char)text.at[(*i)++] & 0x3f);
    }
    return point;
}

/* An address in xtext; one beyond ASCII as utf-8-addr-xtext, where what may not stand for itself is \x{HEX}, "+" and
 * "=" as well. False: not UTF-8. */
static bool
add_orcpt_address(struct buf *out, struct viaduct_text text)
{
    bool utf8 = !command_is_ascii(text);
    if (utf8 && !utf8_valid((struct span){text.at, text.len}))
        return false;
    buf_add_text(out, utf8 ? "utf-8;" : "rfc822;");
    for (size_t i = 0; i < text.len;) {
        uint32_t point = next_point(text, &i);
        if (point <= 126 && is_xchar((unsigned char)point) && !(utf8 && point == '\\'))
            buf_add_byte(out, (char)point);
        else
            buf_printf(out, utf8 ? "\\x{%02X}" : "+%02X", (unsigned)point);
    }
    return true;
}

/* As it was received: "type;xtext". One with UTF-8 in it goes as it is where SMTPUTF8 goes. */
static bool
is_orcpt(struct viaduct_text orcpt, bool utf8)
{
    const char *sign = orcpt.len > 0 ? memchr(orcpt.at, ';', orcpt.len) : NULL;
    if (sign == NULL || sign == orcpt.at || orcpt.len > ORCPT_MAX)
        return false;
    struct viaduct_text type = {orcpt.at, (size_t)(sign - orcpt.at)};
    struct viaduct_text rest = {sign + 1, orcpt.len - type.len - 1};
    if (!is_xtext(type, ORCPT_MAX))
        return false;
    if (!utf8 || command_is_ascii(rest))
        return is_xtext(rest, ORCPT_MAX);
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.at[i] <= ' ' || rest.at[i] == '=' || rest.at[i] == 127)
            return false;
    return utf8_valid((struct span){rest.at, rest.len});
}

/* A parameter with UTF-8 in it for a peer without SMTPUTF8: characters beyond ASCII as \x{HEX}. What stands there so
 * already stays. */
static void
add_orcpt_7bit(struct buf *out, struct viaduct_text orcpt)
{
    size_t before = out->len;
    for (size_t i = 0; i < orcpt.len;) {
        uint32_t point = next_point(orcpt, &i);
        if (point <= 126)
            buf_add_byte(out, (char)point);
        else
            buf_printf(out, "\\x{%X}", (unsigned)point);
    }
    if (out->len - before > ORCPT_MAX)
        out->len = before;
}

/* Where none was given and the address is no longer the one that was given to us, that one is named (RFC 3461
 * section 5.2.1 c). */
static void
add_orcpt(struct client_session *session, const struct viaduct_recipient_out *rcpt, struct buf *out)
{
    size_t before = out->len;
    if (rcpt->orcpt.len > 0) {
        buf_add_text(out, " ORCPT=");
        size_t value = out->len;
        if (is_orcpt(rcpt->orcpt, session->utf8))
            add_text(out, rcpt->orcpt);
        else if (is_orcpt(rcpt->orcpt, true) &&
                 span_starts_nocase((struct span){rcpt->orcpt.at, rcpt->orcpt.len}, SPAN("utf-8;")))
            add_orcpt_7bit(out, rcpt->orcpt);
        if (out->len == value)
            out->len = before;
        return;
    }
    if (rcpt->original.len == 0 || same(rcpt->original, rcpt->address))
        return;
    buf_add_text(out, " ORCPT=");
    if (!add_orcpt_address(out, rcpt->original) || out->len - before > ORCPT_MAX + 7)
        out->len = before;
}

static void
add_notify(unsigned notify, struct buf *out)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{VIADUCT_NOTIFY_SUCCESS, "SUCCESS"},
                 {VIADUCT_NOTIFY_FAILURE, "FAILURE"},
                 {VIADUCT_NOTIFY_DELAY, "DELAY"}};
    const char *sign = " NOTIFY=";
    if (notify & VIADUCT_NOTIFY_NEVER) {
        buf_add_text(out, " NOTIFY=NEVER");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!(notify & words[i].bit))
            continue;
        buf_add_text(out, sign);
        buf_add_text(out, words[i].word);
        sign = ",";
    }
}

void
command_rcpt(struct client_session *session, size_t index, struct buf *out)
{
    const struct viaduct_recipient_out *rcpt = &session->job->d->recipients[index];
    buf_add(out, "RCPT TO:<", 9);
    add_address(session, rcpt->address, out);
    buf_add_byte(out, '>');
    if (session->caps.dsn) {
        add_notify(rcpt->notify, out);
        add_orcpt(session, rcpt, out);
    }
    buf_add(out, "\r\n", 2);
}
