/* utf8.c - well-formed UTF-8 (see utf8.h) */
#include "common/utf8.h"

static bool
is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* The second octet's range is narrower behind E0, ED, F0 and F4: overlong forms, surrogates, past the end. */
static bool
is_second(unsigned char first, unsigned char c)
{
    switch (first) {
    case 0xE0:
        return c >= 0xA0 && c <= 0xBF;
    case 0xED:
        return c >= 0x80 && c <= 0x9F;
    case 0xF0:
        return c >= 0x90 && c <= 0xBF;
    case 0xF4:
        return c >= 0x80 && c <= 0x8F;
    default:
        return is_tail(c);
    }
}

size_t
utf8_sequence(const char *at, size_t len)
{
    const unsigned char *p = (const unsigned char *)at;
    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t need = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
                  : p[0] >= 0xE0 && p[0] <= 0xEF ? 3
                  : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                                 : 0;
    if (need == 0 || len < need || !is_second(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < need; i++)
        if (!is_tail(p[i]))
            return 0;
    return need;
}

bool
utf8_valid(struct span text)
{
    for (size_t i = 0; i < text.len;) {
        size_t step = utf8_sequence(text.at + i, text.len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

bool
utf8_printable(struct span text)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.at[i];
        size_t step = utf8_sequence(text.at + i, text.len - i);
        if (step == 0 || c < ' ' || c == 0x7f)
            return false;
        if (step == 2 && c == 0xC2 && (unsigned char)text.at[i + 1] < 0xA0)
            return false;
        if (step == 3 && memcmp(text.at + i, "\xe2\x80", 2) == 0 && (text.at[i + 2] & 0xFE) == 0xA8)
            return false; /* U+2028 and U+2029: to some readers a line ends there */
        i += step;
    }
    return true;
}
