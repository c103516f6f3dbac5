/* mime_parameter.c - parameters of Content-Type and Content-Disposition (see mime_header.h)
 *
 * What is hostile here: sections of RFC 2231 in any order and number. One pass over the field; sections 0 to 63
 * are kept, the first of each number counts.
 */
#include <stdio.h>

#include "common/hex.h"
#include "systems/mime/charset.h"
#include "systems/mime/mime_decode.h"
#include "systems/mime/mime_header.h"

enum { SECTIONS_MAX = 64 };

void
mime_value(struct span body, char *value, size_t size)
{
    size_t n = 0;
    body = span_trim(body);
    for (size_t i = 0; i < body.len && n + 1 < size; i++) {
        char c = body.at[i];
        if (c == ';' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '(')
            break;
        if ((unsigned char)c <= ' ' || (unsigned char)c > '~')
            c = '_';
        value[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    value[n] = '\0';
}

struct parameter {
    struct span name, value; /* value: quotes and backslashes as written */
    bool quoted;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next "; name=value"; moves `rest` on. */
static bool
next_parameter(struct span *rest, struct parameter *parameter)
{
    const char *p = rest->at, *end = rest->at + rest->len;
    while (p < end && *p != ';')
        p++;
    while (p < end && (*p == ';' || is_blank(*p)))
        p++;
    const char *name = p;
    while (p < end && *p != '=' && *p != ';')
        p++;
    parameter->name = span_trim((struct span){name, (size_t)(p - name)});
    parameter->value = (struct span){p, 0};
    parameter->quoted = false;
    if (p < end && *p == '=') {
        p++;
        while (p < end && is_blank(*p))
            p++;
        const char *value = p;
        parameter->quoted = p < end && *p == '"';
        if (parameter->quoted) {
            value = ++p;
            while (p < end && *p != '"')
                p += *p == '\\' && p + 1 < end ? 2 : 1;
        } else {
            while (p < end && *p != ';')
                p++;
        }
        parameter->value = (struct span){value, (size_t)(p - value)};
        if (!parameter->quoted)
            parameter->value = span_trim(parameter->value);
        p += parameter->quoted && p < end;
    }
    *rest = (struct span){p, (size_t)(end - p)};
    return parameter->name.len > 0 || rest->len > 0;
}

static void
add_value(const struct parameter *parameter, struct buf *out)
{
    for (size_t i = 0; i < parameter->value.len; i++) {
        char c = parameter->value.at[i];
        if (parameter->quoted && c == '\\' && i + 1 < parameter->value.len)
            c = parameter->value.at[++i];
        if (c != '\r' && c != '\n')
            buf_add_byte(out, c);
    }
}

static void
add_percent(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int value = text.at[i] == '%' && i + 2 < text.len ? hex_octet(text.at + i + 1) : -1;
        if (value >= 0)
            i += 2;
        buf_add_byte(out, value >= 0 ? (char)value : text.at[i]);
    }
}

/* name*N or name*N* (section >= 0), name* (section 0, `*encoded`); -1 for another name, -2 for the name itself.
 */
static int
section_of(struct span name, struct span want, bool *encoded)
{
    if (!span_starts_nocase(name, want))
        return -1;
    struct span rest = {name.at + want.len, name.len - want.len};
    *encoded = false;
    if (rest.len == 0)
        return -2;
    if (rest.at[0] != '*')
        return -1;
    rest.at++;
    rest.len--;
    if (rest.len == 0 || rest.at[rest.len - 1] == '*')
        *encoded = true;
    if (rest.len > 0 && *encoded)
        rest.len--;
    uint64_t number = 0;
    if (rest.len > 0 && !span_to_u64(rest, SECTIONS_MAX - 1, &number))
        return -1;
    return (int)number;
}

/* Splits charset'language'text. */
static struct span
take_charset(struct span *text)
{
    const char *end = text->at + text->len;
    const char *one = text->len > 0 ? memchr(text->at, '\'', text->len) : NULL;
    const char *two = one != NULL ? memchr(one + 1, '\'', (size_t)(end - one - 1)) : NULL;
    if (two == NULL)
        return (struct span){"", 0};
    struct span charset = {text->at, (size_t)(one - text->at)};
    *text = (struct span){two + 1, (size_t)(end - two - 1)};
    return charset;
}

struct section {
    struct parameter parameter;
    bool there, encoded;
};

static bool
join_sections(const struct section *sections, struct buf *out)
{
    struct buf octets = {0};
    struct span charset = {"", 0};
    for (int i = 0; i < SECTIONS_MAX && sections[i].there; i++) {
        struct span value = sections[i].parameter.value;
        if (!sections[i].encoded) {
            add_value(&sections[i].parameter, &octets);
            continue;
        }
        if (i == 0)
            charset = take_charset(&value);
        add_percent(value, &octets);
    }
    charset_decode(charset, buf_span(&octets), out);
    buf_clear(&octets);
    return true;
}

bool
mime_parameter(struct span body, const char *name, struct buf *out)
{
    struct section sections[SECTIONS_MAX];
    struct parameter parameter, plain;
    bool found = false, encoded;
    memset(sections, 0, sizeof sections);
    struct span rest = body;
    while (rest.len > 0 && next_parameter(&rest, &parameter)) {
        int section = section_of(parameter.name, span_of(name), &encoded);
        if (section == -2 && !found) {
            plain = parameter;
            found = true;
        } else if (section >= 0 && !sections[section].there) {
            sections[section] = (struct section){parameter, true, encoded};
        }
    }
    if (sections[0].there)
        return join_sections(sections, out);
    if (!found)
        return false;
    struct buf value = {0};
    add_value(&plain, &value);
    mime_decode_text(buf_span(&value), out);
    buf_clear(&value);
    return true;
}

void
mime_put_parameter(struct buf *out, const char *name, struct span value)
{
    bool ascii = true;
    buf_printf(out, ";\n %s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        ascii = ascii && (unsigned char)c >= ' ' && (unsigned char)c <= '~';
        if (c == '"' || c == '\\')
            buf_add_byte(out, '\\');
        if ((unsigned char)c < 0x80)
            buf_add_byte(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
        else if (((unsigned char)c & 0xc0) != 0x80)
            buf_add_byte(out, '_');
    }
    buf_add_byte(out, '"');
    if (ascii)
        return;
    buf_printf(out, ";\n %s*=utf-8''", name);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
                     c == '-' || c == '_';
        if (plain)
            buf_add_byte(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}
