/* smtp_downgrade_parameter.c - parameters of Content-Type and Content-Disposition in ASCII (see
 * smtp_downgrade.h)
 *
 * One that is not ASCII becomes an extended one, in sections where it would not fit a line; the others stay as
 * they are.
 *
 * What is hostile here: parameters of any number and length, quotes that never end.
 *
 * Sources: RFC 2045 section 5.1; RFC 2231 sections 3 and 4; RFC 6857 section 3.1.4.
 */
#include "common/utf8.h"
#include "systems/smtp/smtp_downgrade.h"

enum { SECTION_COLUMNS = 72, SECTION_MIN = 12 };

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
add_unquoted(struct buf *out, struct span value)
{
    bool quoted = value.len > 0 && value.at[0] == '"';
    size_t end = quoted && value.len > 1 && value.at[value.len - 1] == '"' ? value.len - 1 : value.len;
    for (size_t i = quoted ? 1 : 0; i < end; i++) {
        if (quoted && value.at[i] == '\\' && i + 1 < end)
            i++;
        buf_add_byte(out, value.at[i]);
    }
}

static bool
is_attribute_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$&+-.^_`{|}~", c) != NULL);
}

static void
add_percent(struct span text, bool all, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (all ? is_attribute_char(c) : (unsigned char)c <= 127)
            buf_add_byte(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static void
put_parameter(struct fold *fold, struct span token)
{
    fold->blank = false;
    fold_token(fold, SPAN(";"));
    fold->blank = true;
    fold_token(fold, token);
}

/* name*=charset''text, or name*0*=, name*1*=... where that is too long for a line. */
static void
put_extended(struct fold *fold, struct span name, struct span value)
{
    bool utf8 = utf8_valid(value);
    struct buf token = {0}, piece = {0};
    size_t whole = name.len + 20;
    for (size_t i = 0; i < value.len && whole <= SECTION_COLUMNS; i++)
        whole += is_attribute_char(value.at[i]) ? 1 : 3;
    for (unsigned section = 0; section == 0 || value.len > 0; section++) {
        size_t n = 0;
        buf_reset(&token);
        buf_add_span(&token, name);
        if (whole > SECTION_COLUMNS)
            buf_printf(&token, "*%u", section);
        buf_printf(&token, "*=%s", section > 0 ? "" : utf8 ? "utf-8''" : "unknown-8bit''");
        size_t room = token.len + SECTION_MIN < SECTION_COLUMNS ? SECTION_COLUMNS - token.len : SECTION_MIN,
               used = 0;
        while (n < value.len) {
            size_t c = utf8 ? utf8_sequence(value.at + n, value.len - n) : 1;
            buf_reset(&piece);
            add_percent((struct span){value.at + n, c}, true, &piece);
            if (used + piece.len > room)
                break;
            buf_add_span(&token, buf_span(&piece));
            used += piece.len;
            n += c;
        }
        put_parameter(fold, buf_span(&token));
        value = (struct span){value.at + n, value.len - n};
    }
    buf_clear(&token);
    buf_clear(&piece);
}

/* A section of a parameter that the sender cut or encoded, and left octets above 127 in. */
static void
put_section(struct downgrade *d, struct fold *fold, struct span name, struct span value)
{
    struct buf token = {0};
    buf_add_span(&token, name);
    buf_add_byte(&token, '=');
    if (name.at[name.len - 1] == '*') {
        add_percent(value, false, &token);
    } else {
        buf_add_span(&token, value);
        for (size_t i = 0; i < token.len; i++)
            if ((unsigned char)token.at[i] > 127)
                token.at[i] = '?';
        downgrade_report(d, "a parameter %.*s is not ASCII: '?' put in", (int)(name.len < 40 ? name.len : 40),
                         name.at);
    }
    put_parameter(fold, buf_span(&token));
    buf_clear(&token);
}

static void
put_any_parameter(struct downgrade *d, struct fold *fold, struct span text)
{
    struct buf value = {0};
    const char *sign = text.len > 0 ? memchr(text.at, '=', text.len) : NULL;
    struct span name = span_trim((struct span){text.at, sign != NULL ? (size_t)(sign - text.at) : text.len});
    if (downgrade_is_ascii(text)) {
        if (text.len > 0)
            put_parameter(fold, text);
        return;
    }
    if (sign == NULL || name.len == 0 || !downgrade_is_ascii(name)) {
        downgrade_report(d, "a parameter whose name is not ASCII is left out");
        return;
    }
    struct span raw = span_trim((struct span){sign + 1, (size_t)(text.at + text.len - sign - 1)});
    if (raw.len > 0 && raw.at[0] == '"') /* what stands behind the quotes is a comment, or nothing */
        raw.len = fold_skip_quoted(raw, 0);
    if (downgrade_is_ascii(raw)) {
        put_parameter(fold, (struct span){text.at, (size_t)(raw.at + raw.len - text.at)});
        return;
    }
    /* A second boundary must not come before the first that readers know, as an extended one would. */
    if (memchr(name.at, '*', name.len) != NULL || span_equal_nocase(name, SPAN("boundary"))) {
        put_section(d, fold, name, raw);
    } else {
        add_unquoted(&value, raw);
        put_extended(fold, name, buf_span(&value));
    }
    buf_clear(&value);
}

size_t
downgrade_value_end(struct span body)
{
    const char *sign = body.len > 0 ? memchr(body.at, ';', body.len) : NULL;
    return sign != NULL ? (size_t)(sign - body.at) : body.len;
}

/* Behind the parameter that begins at `i`. A quoted string is one only as the whole value: what else has quotes
 * ends at the next ";" all the same, since mime_parameter(), which found the boundaries, reads it so. */
static size_t
parameter_end(struct span body, size_t i)
{
    while (i < body.len && body.at[i] != ';' && body.at[i] != '=')
        i++;
    if (i < body.len && body.at[i] == '=')
        for (i++; i < body.len && is_blank(body.at[i]);)
            i++;
    if (i < body.len && body.at[i] == '"')
        i = fold_skip_quoted(body, i);
    while (i < body.len && body.at[i] != ';')
        i++;
    return i < body.len ? i : body.len;
}

void
downgrade_parameters(struct downgrade *d, struct span body, struct fold *fold)
{
    size_t end = downgrade_value_end(body);
    fold_structured(fold, (struct span){body.at, end});
    while (end < body.len) {
        size_t from = end + 1;
        end = parameter_end(body, from);
        put_any_parameter(d, fold, span_trim((struct span){body.at + from, end - from}));
    }
}
