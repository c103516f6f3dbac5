/* dsn_subject.c - the subject of a message, read for people and written into a report's header (see dsn.h)
 *
 * Encoded words (RFC 2047) in UTF-8, US-ASCII and ISO-8859-1 are decoded; one in another character set is left
 * as it stands, which is what a mail program then decodes in the report's own Subject field.
 *
 * What is hostile here: the field's body. Work is linear: each byte is looked at once, or twice where what
 * looks like an encoded word is none.
 */
#include "common/dsn.h"

#include "common/hex.h"
#include "common/utf8.h"

enum { WORD_MAX = 1000 /* of one encoded word; the RFC allows 75, mailers do more */ };

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
add_base64_decoded(struct buf *out, struct span text)
{
    unsigned bits = 0, n = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.at[i] != '\0' ? strchr(base64_digits, text.at[i]) : NULL;
        if (digit == NULL)
            continue;
        bits = bits << 6 | (unsigned)(digit - base64_digits);
        n += 6;
        if (n >= 8) {
            n -= 8;
            buf_add_byte(out, (char)(unsigned char)(bits >> n));
        }
    }
}

static void
add_q_decoded(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        int octet = text.at[i] == '=' && i + 2 < text.len ? hex_octet(text.at + i + 1) : -1;
        if (octet >= 0) {
            buf_add_byte(out, (char)octet);
            i += 2;
        } else {
            buf_add_byte(out, text.at[i] == '_' ? ' ' : text.at[i]);
        }
    }
}

static void
add_latin1(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        if (c >= 0x80)
            buf_add_byte(out, (char)(0xc0 | c >> 6));
        buf_add_byte(out, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
    }
}

/* Decodes the encoded word that `text` begins with ("=?charset?x?...?="). Returns its length, 0 where it is
 * none or in a character set that is not decoded here. */
static size_t
add_encoded_word(struct buf *out, struct span text)
{
    size_t most = text.len < WORD_MAX ? text.len : WORD_MAX;
    const char *end = text.at + most;
    const char *first = most > 2 ? memchr(text.at + 2, '?', most - 2) : NULL;
    if (first == NULL || end - first < 5 || first[2] != '?')
        return 0;
    struct span data = {first + 3, 0};
    const char *last = memchr(data.at, '?', (size_t)(end - data.at));
    if (last == NULL || end - last < 2 || last[1] != '=')
        return 0;
    data.len = (size_t)(last - data.at);
    struct span charset = {text.at + 2, (size_t)(first - text.at) - 2};
    const char *language = memchr(charset.at, '*', charset.len); /* RFC 2231 section 5 */
    if (language != NULL)
        charset.len = (size_t)(language - charset.at);
    bool latin1 = span_equal_nocase(charset, SPAN("iso-8859-1"));
    if (!latin1 && !span_equal_nocase(charset, SPAN("utf-8")) && !span_equal_nocase(charset, SPAN("us-ascii")))
        return 0;
    struct buf bytes = {0};
    if ((first[1] | 32) == 'b')
        add_base64_decoded(&bytes, data);
    else
        add_q_decoded(&bytes, data);
    if (latin1)
        add_latin1(out, buf_span(&bytes));
    else
        buf_add_span(out, buf_span(&bytes));
    buf_clear(&bytes);
    return (size_t)(last + 2 - text.at);
}

void
dsn_subject_decode(struct span field, struct buf *out)
{
    struct buf text = {0};
    bool after_word = false;
    field = span_trim(field);
    for (size_t i = 0; i < field.len && text.len < 2 * DSN_SUBJECT_MAX;) {
        size_t blanks = i;
        while (blanks < field.len && strchr(" \t\n", field.at[blanks]) != NULL && field.at[blanks] != '\0')
            blanks++;
        bool word = field.len - blanks > 2 && memcmp(field.at + blanks, "=?", 2) == 0;
        size_t before = text.len, n = 0;
        if (!(word && after_word))
            buf_add(&text, field.at + i, blanks - i);
        if (word)
            n = add_encoded_word(&text, (struct span){field.at + blanks, field.len - blanks});
        if (n == 0 && word && after_word) { /* none after all: its blanks count */
            text.len = before;
            buf_add(&text, field.at + i, blanks - i);
        }
        after_word = n > 0;
        i = blanks + n;
        if (n == 0 && i < field.len)
            buf_add_byte(&text, field.at[i++]);
    }
    dsn_add_clean(out, buf_span(&text), true, DSN_SUBJECT_MAX);
    buf_clear(&text);
}

static void
add_base64(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        unsigned char b[3] = {0, 0, 0};
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        memcpy(b, bytes.at + i, n);
        unsigned bits = (unsigned)b[0] << 16 | (unsigned)b[1] << 8 | b[2];
        for (size_t j = 0; j < 4; j++)
            buf_add_byte(out, j <= n ? base64_digits[bits >> (18 - 6 * j) & 63] : '=');
    }
}

void
dsn_subject_write(struct span text, bool utf8, struct buf *out)
{
    if (utf8 || dsn_is_ascii(text)) {
        buf_add_byte(out, ' ');
        buf_add_span(out, text);
        return;
    }
    while (text.len > 0) {
        size_t n = 0, c;
        while (n < text.len && n < 45) {
            c = utf8_sequence(text.at + n, text.len - n);
            c = c > 0 ? c : 1;
            if (n + c > 45)
                break;
            n += c;
        }
        buf_add_text(out, out->len > 0 && out->at[out->len - 1] == '=' ? "\n =?utf-8?B?" : " =?utf-8?B?");
        add_base64(out, (struct span){text.at, n});
        buf_add_text(out, "?=");
        text.at += n;
        text.len -= n;
    }
}
