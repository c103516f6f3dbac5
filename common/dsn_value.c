/* dsn_value.c - text from outside made harmless for a report (see dsn.h)
 *
 * What is hostile here: every value. What leaves these functions is one line of printable text, ASCII unless
 * UTF-8 was asked for.
 */
#include "common/dsn.h"

#include "common/hex.h"
#include "common/utf8.h"

bool
dsn_is_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= 0x80)
            return false;
    return true;
}

void
dsn_add_clean(struct buf *out, struct span text, bool utf8, size_t max)
{
    size_t start = out->len;
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_sequence(text.at + i, text.len - i);
        if (out->len - start + (n > 0 ? n : 1) > max) {
            buf_add_text(out, "...");
            return;
        }
        bool plain = n == 1 && text.at[i] >= ' ' && text.at[i] <= '~';
        if (plain || (utf8 && n > 1 && utf8_printable((struct span){text.at + i, n})))
            buf_add(out, text.at + i, n);
        else
            buf_add_byte(out, n == 1 && (text.at[i] == '\t' || text.at[i] == '\n') ? ' ' : '?');
        i += n > 0 ? n : 1;
    }
}

bool
dsn_add_xtext(struct buf *out, struct span xtext, bool utf8)
{
    size_t start = out->len;
    bool good = true;
    for (size_t i = 0; good && i < xtext.len; i++) {
        char c = xtext.at[i];
        if (c == '+') {
            int octet =
                i + 2 < xtext.len ? hex_octet(xtext.at + i + 1) : -1; /* lower case is not allowed, and seen */
            good = octet >= 0;
            c = (char)octet;
            i += 2;
        }
        if (good)
            buf_add_byte(out, c);
    }
    struct span decoded = {out->at != NULL ? out->at + start : "", out->len - start};
    good = good && decoded.len > 0 && utf8_printable(decoded);
    for (size_t i = 0; good && !utf8 && i < decoded.len; i++)
        good = (unsigned char)decoded.at[i] < 0x80;
    if (!good && out->at != NULL) {
        out->len = start;
        out->at[start] = '\0';
    }
    return good;
}

bool
dsn_add_unitext(struct buf *out, struct span text)
{
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i++) {
        unsigned long c = 0;
        size_t n = 0;
        if (text.at[i] != '\\') {
            buf_add_byte(out, text.at[i]);
            continue;
        }
        if (text.len - i < 5 || memcmp(text.at + i, "\\x{", 3) != 0)
            return false;
        for (i += 3; i < text.len && n < 6 && hex_digit(text.at[i]) >= 0; i++, n++)
            c = c * 16 + (unsigned long)hex_digit(text.at[i]);
        if (n == 0 || i >= text.len || text.at[i] != '}' || c > 0x10ffff)
            return false;
        if (c < 0x80) {
            buf_add_byte(out, (char)c);
        } else if (c < 0x800) {
            buf_add_byte(out, (char)(0xc0 | c >> 6));
            buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
        } else {
            if (c >= 0x10000)
                buf_add_byte(out, (char)(0xf0 | c >> 18));
            buf_add_byte(out, (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12));
            buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
            buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
        }
    }
    return out->at == NULL || utf8_printable((struct span){out->at + start, out->len - start});
}

void
dsn_add_addr_xtext(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len;) {
        const unsigned char *p = (const unsigned char *)text.at + i;
        size_t n = utf8_sequence(text.at + i, text.len - i);
        unsigned long c = p[0];
        if (n == 2)
            c = (c & 0x1f) << 6 | (p[1] & 0x3fu);
        else if (n == 3)
            c = (c & 0x0f) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        else if (n == 4)
            c = (c & 0x07) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
        bool plain = n == 1 && c > ' ' && c <= '~' && c != '+' && c != '=' && c != '\\';
        if (plain)
            buf_add_byte(out, (char)c);
        else if (n > 0)
            buf_printf(out, "\\x{%02lX}", c);
        else
            buf_add_byte(out, '?');
        i += n > 0 ? n : 1;
    }
}
