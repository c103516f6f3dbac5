/* base64.c - octets as text without line breaks (see base64.h) */
#include "common/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_add(struct span octets, struct buf *out)
{
    buf_reserve(out, octets.len / 3 * 4 + 4);
    for (size_t i = 0; i < octets.len; i += 3) {
        size_t n = octets.len - i < 3 ? octets.len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)octets.at[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_add_byte(out, k <= n ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
    }
}

/* 0 to 63; 64 for a character that is none. */
static uint32_t
value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Four characters, `n` of which are no padding. */
static bool
group_read(const char *at, size_t n, struct buf *out)
{
    uint32_t bits = 0;
    for (size_t k = 0; k < 4; k++) {
        uint32_t value = k < n ? value_of(at[k]) : 0;
        if (value == 64)
            return false;
        bits = bits << 6 | value;
    }
    if ((n == 2 && (bits & 0xFFFF) != 0) || (n == 3 && (bits & 0xFF) != 0))
        return false;
    for (size_t k = 0; k + 1 < n; k++)
        buf_add_byte(out, (char)(bits >> (16 - 8 * k) & 0xFF));
    return true;
}

bool
base64_read(struct span text, struct buf *out)
{
    size_t before = out->len, padding = 0;
    if (text.len % 4 != 0)
        return false;
    while (padding < 2 && padding < text.len && text.at[text.len - 1 - padding] == '=')
        padding++;
    buf_reserve(out, text.len / 4 * 3 + 1);
    for (size_t i = 0; i < text.len; i += 4)
        if (!group_read(text.at + i, i + 4 == text.len ? 4 - padding : 4, out)) {
            out->len = before;
            return false;
        }
    return true;
}
