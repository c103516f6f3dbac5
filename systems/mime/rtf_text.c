/* rtf_text.c - octets of RTF into tokens (see rtf_text.h)
 *
 *     TEXT --'\'--> BACKSLASH --letter--> WORD --digit, '-'--> NUMBER --blank, anything--> TEXT
 *                       |--"'"--> HEX, two digits --> TEXT          '--\binN--> BINARY, N octets --> TEXT
 *                       '--anything else: a symbol --> TEXT
 */
#include "systems/mime/rtf_text.h"

#include <stdlib.h>

#include "systems/mime/rtf_inside.h"

struct rtf_text *
rtf_text_new(void)
{
    struct rtf_text *rtf = xcalloc(1, sizeof *rtf);
    rtf->page = 1252;
    rtf->groups[0].skip_after = 1;
    return rtf;
}

void
rtf_text_free(struct rtf_text *rtf)
{
    if (rtf == NULL)
        return;
    for (size_t i = 0; i < rtf->n_decoders; i++)
        charset_free(rtf->decoders[i].charset);
    buf_clear(&rtf->instruction);
    buf_clear(&rtf->link);
    buf_clear(&rtf->shown);
    buf_clear(&rtf->decoded);
    free(rtf);
}

enum rtf_kind
rtf_text_kind(const struct rtf_text *rtf)
{
    return rtf->kind;
}

uint64_t
rtf_text_faults(const struct rtf_text *rtf)
{
    uint64_t faults = rtf->faults;
    for (size_t i = 0; i < rtf->n_decoders; i++)
        if (rtf->decoders[i].charset != NULL)
            faults += charset_faults(rtf->decoders[i].charset);
    return faults;
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- tokens ---- */

static void
end_word(struct rtf_text *rtf, struct buf *out)
{
    rtf->word[rtf->n_word] = '\0';
    rtf->at = RTF_AT_TEXT;
    if (strcmp(rtf->word, "bin") == 0 && rtf->number > 0 && !rtf->negative)
        rtf->at = RTF_AT_BINARY;
    else
        rtf_word(rtf, out);
}

static void
begin_word(struct rtf_text *rtf, char c)
{
    rtf->word[0] = c;
    rtf->n_word = 1;
    rtf->has_number = rtf->negative = false;
    rtf->number = 0;
    rtf->at = RTF_AT_WORD;
}

/* An octet behind a word or its number: a blank is their end and nothing else. True where the octet was used. */
static bool
word_octet(struct rtf_text *rtf, char c, struct buf *out)
{
    if (rtf->at == RTF_AT_WORD && is_letter(c)) {
        if (rtf->n_word < RTF_WORD_MAX)
            rtf->word[rtf->n_word++] = c;
        return true;
    }
    if (is_digit(c)) {
        rtf->at = RTF_AT_NUMBER;
        rtf->has_number = true;
        if (rtf->number < 100000000)
            rtf->number = rtf->number * 10 + (uint32_t)(c - '0');
        return true;
    }
    if (c == '-' && rtf->at == RTF_AT_WORD) {
        rtf->at = RTF_AT_NUMBER;
        rtf->negative = true;
        return true;
    }
    end_word(rtf, out);
    return c == ' ';
}

static void
backslash_octet(struct rtf_text *rtf, char c, struct buf *out)
{
    rtf->at = RTF_AT_TEXT;
    if (is_letter(c)) {
        begin_word(rtf, c);
    } else if (c == '\'') {
        rtf->at = RTF_AT_HEX;
        rtf->hex = rtf->n_hex = 0;
    } else {
        rtf_symbol(rtf, c, out);
    }
}

/* Octets that stand for the \uN before them are passed over. */
static void
text_octet(struct rtf_text *rtf, unsigned char octet, struct buf *out)
{
    if (rtf->skip > 0)
        rtf->skip--;
    else
        rtf_octet(rtf, octet, out);
}

/* True where the octet was used: broken digits end, and are nothing. */
static bool
hex_octet(struct rtf_text *rtf, char c, struct buf *out)
{
    char lower = (char)(c | 0x20);
    if (!is_digit(c) && !(lower >= 'a' && lower <= 'f')) {
        rtf->at = RTF_AT_TEXT;
        return false;
    }
    rtf->hex = rtf->hex << 4 | (unsigned)(is_digit(c) ? c - '0' : lower - 'a' + 10);
    if (++rtf->n_hex == 2) {
        rtf->at = RTF_AT_TEXT;
        text_octet(rtf, (unsigned char)rtf->hex, out);
    }
    return true;
}

static void
plain_octet(struct rtf_text *rtf, char c, struct buf *out)
{
    if (c == '\\')
        rtf->at = RTF_AT_BACKSLASH;
    else if (c == '{')
        rtf_open(rtf, out);
    else if (c == '}')
        rtf_close(rtf, out);
    else if ((c != '\r' && c != '\n' && c != '\0') || (!rtf->begun && c == '\n'))
        text_octet(rtf, (unsigned char)c, out);
}

static void
take(struct rtf_text *rtf, char c, struct buf *out)
{
    if (rtf->at == RTF_AT_BACKSLASH) {
        backslash_octet(rtf, c, out);
        return;
    }
    if ((rtf->at == RTF_AT_WORD || rtf->at == RTF_AT_NUMBER) && word_octet(rtf, c, out))
        return;
    if (rtf->at == RTF_AT_HEX && hex_octet(rtf, c, out))
        return;
    if (rtf->at == RTF_AT_BINARY) { /* directly behind a word, too: its blank is used, so this is the first */
        if (--rtf->number == 0)
            rtf->at = RTF_AT_TEXT;
        return;
    }
    plain_octet(rtf, c, out);
}

void
rtf_text_feed(struct rtf_text *rtf, const char *bytes, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len && !rtf->over; i++)
        take(rtf, bytes[i], out);
}

void
rtf_text_end(struct rtf_text *rtf, struct buf *out)
{
    if (!rtf->over && (rtf->at == RTF_AT_WORD || rtf->at == RTF_AT_NUMBER))
        end_word(rtf, out);
    rtf_settle(rtf, out);
    if (rtf->kind != RTF_FROM_HTML && rtf->line_open)
        buf_add_byte(out, '\n');
    rtf->line_open = false;
}
