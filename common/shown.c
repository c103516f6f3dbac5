/* shown.c - which characters may stand as they are in lines that people read (see shown.h) */
#include "common/shown.h"

#include "common/utf8.h"

uint32_t
shown_code_point(const char *at, size_t len)
{
    static const unsigned char first_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    BUG_UNLESS(len >= 1 && len <= 4);
    uint32_t code = (unsigned char)at[0] & first_bits[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

static bool
may_be_shown(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return false;
    if (code < 0x61c)
        return true;
    if (code == 0x61c || code == 0x200e || code == 0x200f || code == 0xfeff)
        return false;
    if ((code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
        return false;
    return (code & 0xfffe) != 0xfffe && (code < 0xfdd0 || code > 0xfdef);
}

size_t
shown_sequence(const char *at, size_t len)
{
    size_t n = utf8_sequence(at, len);
    return n > 0 && may_be_shown(shown_code_point(at, n)) ? n : 0;
}

struct shown_text
shown_begin(struct buf *out, size_t limit)
{
    return (struct shown_text){.out = out, .start = out->len, .limit = limit};
}

bool
shown_add(struct shown_text *text, const char *piece, size_t len)
{
    size_t used = text->out->len - text->start;
    if (len > text->limit - used) {
        text->out->len = text->start + text->keep;
        buf_add(text->out, "...", text->limit < 3 ? 0 : 3);
        return false;
    }
    buf_add(text->out, piece, len);
    if (text->limit >= 3 && used + len <= text->limit - 3)
        text->keep = used + len;
    return true;
}
