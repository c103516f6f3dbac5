/* charset.c - octets of any character set into UTF-8 (see charset.h) */
#include "systems/mime/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>

#include "systems/mime/codepage_table.h"

enum kind { KIND_UTF8, KIND_WINDOWS, KIND_UTF16, KIND_ICONV };

struct charset {
    enum kind kind;
    bool known;
    iconv_t iconv;
    char rest[16]; /* an incomplete sequence */
    size_t n_rest;
    uint64_t faults;
};

int
charset_take_utf8(const char *at, size_t len, uint32_t *code)
{
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0)
        return -1;
    unsigned char c = (unsigned char)at[0];
    if (c < 0x80) {
        *code = c;
        return 1;
    }
    int need = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    if (need == 0)
        return 0;
    uint32_t value = c & (0xffU >> (need + 1));
    for (int i = 1; i < need; i++) {
        if ((size_t)i >= len)
            return -1;
        unsigned char next = (unsigned char)at[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (next & 0x3fU);
    }
    if (value < lowest[need] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return need;
}

void
charset_add_utf8(struct buf *out, uint32_t code)
{
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    char c[4];
    size_t n = 0;
    if (code < 0x80) {
        c[n++] = (char)code;
    } else if (code < 0x800) {
        c[n++] = (char)(0xc0 | code >> 6);
        c[n++] = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        c[n++] = (char)(0xe0 | code >> 12);
        c[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        c[n++] = (char)(0x80 | (code & 0x3f));
    } else {
        c[n++] = (char)(0xf0 | code >> 18);
        c[n++] = (char)(0x80 | (code >> 12 & 0x3f));
        c[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        c[n++] = (char)(0x80 | (code & 0x3f));
    }
    buf_add(out, c, n);
}

static bool
named(struct span label, const char *names)
{
    /* `names` are separated by blanks */
    while (*names != '\0') {
        size_t len = strcspn(names, " ");
        if (span_equal_nocase(label, (struct span){names, len}))
            return true;
        names += len + (names[len] == ' ');
    }
    return false;
}

/* The name as iconv may see it; false where it holds anything else. */
static bool
plain_name(struct span label, char name[64])
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+";
    if (label.len == 0 || label.len > 40)
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (label.at[i] == '\0' || strchr(fine, label.at[i]) == NULL)
            return false;
    memcpy(name, label.at, label.len);
    name[label.len] = '\0';
    return true;
}

struct charset *
charset_new(struct span label)
{
    struct charset *charset = xcalloc(1, sizeof *charset);
    char name[64];
    label = span_trim(label);
    charset->known = true;
    charset->iconv = (iconv_t)-1;
    if (label.len == 0 || named(label, "utf-8 utf8 us-ascii ascii ansi_x3.4-1968 unicode-1-1-utf-8"))
        return charset;
    if (named(label, "iso-8859-1 iso8859-1 latin1 windows-1252 cp1252 iso_8859-1 x-user-defined")) {
        charset->kind = KIND_WINDOWS;
        return charset;
    }
    if (named(label, "utf-16le")) {
        charset->kind = KIND_UTF16;
        return charset;
    }
    if (plain_name(label, name) && !named(label, "wchar_t internal"))
        charset->iconv = iconv_open("UTF-8", name);
    charset->known = charset->iconv != (iconv_t)-1;
    charset->kind = charset->known ? KIND_ICONV : KIND_UTF8;
    return charset;
}

void
charset_free(struct charset *charset)
{
    if (charset == NULL)
        return;
    if (charset->iconv != (iconv_t)-1)
        iconv_close(charset->iconv);
    free(charset);
}

bool
charset_known(const struct charset *charset)
{
    return charset->known;
}

uint64_t
charset_faults(const struct charset *charset)
{
    return charset->faults;
}

static void
add_windows(struct buf *out, char byte)
{
    unsigned char c = (unsigned char)byte;
    uint32_t code = c < 0x80 ? c : codepage_1252[c - 0x80];
    charset_add_utf8(out, code != 0 || c == 0 ? code : 0xfffd);
}

/* Octets that are UTF-8, or ought to be. Returns how many were used; an incomplete sequence at the end is left.
 */
static size_t
feed_utf8(struct charset *charset, const char *at, size_t len, bool last, struct buf *out)
{
    size_t i = 0;
    while (i < len) {
        size_t plain = i;
        while (plain < len && (unsigned char)at[plain] < 0x80)
            plain++;
        buf_add(out, at + i, plain - i);
        i = plain;
        if (i == len)
            break;
        uint32_t code;
        int n = charset_take_utf8(at + i, len - i, &code);
        if (n < 0 && !last)
            break;
        if (n > 0) {
            buf_add(out, at + i, (size_t)n);
            i += (size_t)n;
        } else {
            add_windows(out, at[i++]);
            charset->faults++;
        }
    }
    return i;
}

/* Pairs of octets, the lower one first. A half of a surrogate pair that is alone becomes U+FFFD. */
static size_t
feed_utf16(struct charset *charset, const char *at, size_t len, bool last, struct buf *out)
{
    size_t i = 0;
    while (i < len) {
        const unsigned char *p = (const unsigned char *)at + i;
        size_t left = len - i, used = 2;
        uint32_t code = left < 2 ? 0xfffd : p[0] | (uint32_t)p[1] << 8;
        bool high = left >= 2 && code >= 0xd800 && code < 0xdc00;
        if ((left < 2 || (high && left < 4)) && !last)
            break;
        if (high && left >= 4 && (p[3] & 0xfc) == 0xdc) {
            code = 0x10000 + ((code & 0x3ff) << 10 | (p[2] | (uint32_t)(p[3] & 3) << 8));
            used = 4;
        }
        if (left < 2 || (code >= 0xd800 && code < 0xe000))
            charset->faults++;
        charset_add_utf8(out, code);
        i += used < left ? used : left;
    }
    return i;
}

static size_t
feed_iconv(struct charset *charset, const char *at, size_t len, bool last, struct buf *out)
{
    union {
        const char *in; /* iconv(3) takes char **, and does not write there */
        char *at;
    } from = {at};
    size_t left = len;
    while (left > 0) {
        char piece[1024], *to = piece;
        size_t room = sizeof piece;
        size_t before = left;
        size_t got = iconv(charset->iconv, &from.at, &left, &to, &room);
        int error = got == (size_t)-1 ? errno : 0;
        buf_add(out, piece, sizeof piece - room);
        if (error == EINVAL && !last && left < sizeof charset->rest)
            break;
        if (error == EILSEQ || error == EINVAL) {
            charset_add_utf8(out, 0xfffd);
            charset->faults++;
            from.at++;
            left--;
        } else if (left == before && room == sizeof piece) {
            break; /* no progress: cannot be, and must not spin */
        }
    }
    return len - left;
}

static size_t
feed(struct charset *charset, const char *at, size_t len, bool last, struct buf *out)
{
    if (charset->kind == KIND_UTF8)
        return feed_utf8(charset, at, len, last, out);
    if (charset->kind == KIND_UTF16)
        return feed_utf16(charset, at, len, last, out);
    if (charset->kind == KIND_ICONV)
        return feed_iconv(charset, at, len, last, out);
    for (size_t i = 0; i < len; i++)
        add_windows(out, at[i]);
    return len;
}

void
charset_feed(struct charset *charset, const char *bytes, size_t len, struct buf *out)
{
    /* What waits is completed octet by octet: sequences are short. */
    while (charset->n_rest > 0 && len > 0) {
        charset->rest[charset->n_rest++] = *bytes++;
        len--;
        bool full = charset->n_rest == sizeof charset->rest;
        size_t used = feed(charset, charset->rest, charset->n_rest, full, out);
        memmove(charset->rest, charset->rest + used, charset->n_rest - used);
        charset->n_rest -= used;
    }
    if (len == 0)
        return;
    size_t used = feed(charset, bytes, len, false, out);
    BUG_UNLESS(len - used < sizeof charset->rest);
    memcpy(charset->rest, bytes + used, len - used);
    charset->n_rest = len - used;
}

void
charset_end(struct charset *charset, struct buf *out)
{
    feed(charset, charset->rest, charset->n_rest, true, out);
    charset->n_rest = 0;
}

void
charset_decode(struct span label, struct span bytes, struct buf *out)
{
    struct charset *charset = charset_new(label);
    charset_feed(charset, bytes.at, bytes.len, out);
    charset_end(charset, out);
    charset_free(charset);
}
