/* mime_header.c - encoded words and dates in header fields (see mime_header.h) */
#include "systems/mime/mime_header.h"

#include <stdio.h>
#include <time.h>

#include "common/hex.h"
#include "systems/mime/charset.h"
#include "systems/mime/mime_decode.h"

/* ---- encoded words, read ---- */

struct word {
    struct span charset, text;
    bool base64;
    size_t len; /* of the whole */
};

static bool
take_word(struct span at, struct word *word)
{
    /* =?charset*lang?Q?text?=, at most 1,000 octets: longer ones than RFC 2047 allows are common */
    if (at.len < 8 || at.at[0] != '=' || at.at[1] != '?')
        return false;
    size_t len = at.len < 1000 ? at.len : 1000;
    const char *end = at.at + len, *charset = at.at + 2;
    const char *mark = memchr(charset, '?', (size_t)(end - charset));
    if (mark == NULL || mark == charset || end - mark < 5 || mark[2] != '?')
        return false;
    char how = (char)(mark[1] | 0x20);
    if (how != 'q' && how != 'b')
        return false;
    const char *text = mark + 3;
    for (const char *p = text; p + 1 < end && *p != ' ' && *p != '\n'; p++)
        if (*p == '?' && p[1] == '=') {
            const char *star = memchr(charset, '*', (size_t)(mark - charset));
            word->charset = (struct span){charset, (size_t)((star != NULL ? star : mark) - charset)};
            word->text = (struct span){text, (size_t)(p - text)};
            word->base64 = how == 'b';
            word->len = (size_t)(p + 2 - at.at);
            return true;
        }
    return false;
}

static void
decode_word(const struct word *word, struct buf *octets)
{
    struct mime_decoder decoder;
    if (word->base64) {
        mime_decoder_start(&decoder, MIME_BASE64);
        mime_decode(&decoder, word->text.at, word->text.len, octets);
        mime_decode_end(&decoder, octets);
        return;
    }
    for (size_t i = 0; i < word->text.len; i++) {
        char c = word->text.at[i];
        int value = c == '=' && i + 2 < word->text.len ? hex_octet(word->text.at + i + 1) : -1;
        if (value >= 0)
            i += 2;
        buf_add_byte(octets, value >= 0 ? (char)value : c == '_' ? ' ' : c);
    }
}

static void
add_clean(struct span text, struct buf *out)
{
    size_t from = out->len;
    charset_decode(SPAN("utf-8"), text, out);
    for (size_t i = from; i < out->len; i++)
        if ((unsigned char)out->at[i] < ' ' || out->at[i] == 0x7f)
            out->at[i] = ' ';
}

/* The words at hand are text now: their character set ends. */
static void
flush_words(struct span *charset, struct buf *octets, struct buf *out)
{
    struct buf text = {0};
    if (charset->at == NULL)
        return;
    charset_decode(*charset, buf_span(octets), &text);
    add_clean(buf_span(&text), out);
    buf_clear(&text);
    buf_reset(octets);
    *charset = (struct span){NULL, 0};
}

static void
add_plain(struct span text, struct buf *out)
{
    /* Unfolding: line ends vanish, the blanks behind them stay. */
    struct buf line = {0};
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != '\r' && text.at[i] != '\n')
            buf_add_byte(&line, text.at[i]);
    add_clean(buf_span(&line), out);
    buf_clear(&line);
}

static bool
only_blanks(struct span text)
{
    return span_trim(text).len == 0;
}

void
mime_decode_text(struct span body, struct buf *out)
{
    struct buf octets = {0};
    struct span charset = {NULL, 0};
    size_t plain = 0; /* where the text that is no word begins */
    body = span_trim(body);
    for (size_t i = 0; i < body.len;) {
        struct word word;
        const char *next = memchr(body.at + i, '=', body.len - i);
        if (next == NULL)
            break;
        i = (size_t)(next - body.at);
        if (!take_word((struct span){next, body.len - i}, &word)) {
            i++;
            continue;
        }
        struct span between = {body.at + plain, i - plain};
        bool joined = charset.at != NULL && only_blanks(between);
        if (!joined || !span_equal_nocase(charset, word.charset))
            flush_words(&charset, &octets, out);
        if (!joined)
            add_plain(between, out);
        charset = word.charset;
        decode_word(&word, &octets);
        i += word.len;
        plain = i;
    }
    flush_words(&charset, &octets, out);
    if (body.len > plain)
        add_plain((struct span){body.at + plain, body.len - plain}, out);
    buf_clear(&octets);
}

/* ---- encoded words, written ---- */

static bool
is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < ' ' || (unsigned char)text.at[i] > '~')
            return false;
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.at[i] == '=' && text.at[i + 1] == '?')
            return false; /* would be read as a word */
    return text.len == 0 || (text.at[0] != ' ' && text.at[text.len - 1] != ' ');
}

static void
add_quoted(struct span text, struct buf *out)
{
    static const char atoms[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~ ";
    bool plain = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        plain = plain && strchr(atoms, text.at[i]) != NULL;
    if (!plain)
        buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"' || text.at[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.at[i]);
    }
    if (!plain)
        buf_add_byte(out, '"');
}

/* Plain text may be folded at its blanks. */
static void
add_folded(struct span text, size_t column, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *rest = text.at + i;
        if (*rest == ' ' && i + 1 < text.len && rest[1] != ' ') {
            const char *blank = memchr(rest + 1, ' ', text.len - i - 1);
            size_t word = blank != NULL ? (size_t)(blank - rest) : text.len - i;
            if (column + word > 76) {
                buf_add_byte(out, '\n');
                column = 0;
            }
        }
        buf_add_byte(out, *rest);
        column++;
    }
}

void
mime_encode_text(struct span text, size_t column, bool phrase, struct buf *out)
{
    struct buf clean = {0};
    charset_decode(SPAN("utf-8"), text, &clean);
    struct span rest = buf_span(&clean);
    if (is_plain(rest)) {
        if (phrase)
            add_quoted(rest, out);
        else
            add_folded(rest, column, out);
        rest.len = 0;
    }
    for (bool first = true; rest.len > 0; first = false) {
        /* 39 octets are 52 in base 64: with its frame a word of 64; one beside a long field name is shorter */
        size_t room = first && column > 12 ? 15 : 39, n = 0;
        while (n < rest.len) {
            uint32_t code = 0;
            int len = charset_take_utf8(rest.at + n, rest.len - n, &code);
            size_t step = len > 0 ? (size_t)len : 1;
            if (n + step > room)
                break;
            n += step;
        }
        if (!first)
            buf_add_text(out, "\n ");
        buf_add_text(out, "=?utf-8?B?");
        mime_encode_base64(rest.at, n, out);
        buf_add_text(out, "?=");
        rest.at += n;
        rest.len -= n;
    }
    buf_clear(&clean);
}

/* ---- dates ---- */

static bool
take_date_number(const char **at, const char *end, int *value, int digits)
{
    int n = 0;
    *value = 0;
    while (*at < end && n < digits && **at >= '0' && **at <= '9') {
        *value = *value * 10 + (**at - '0');
        (*at)++;
        n++;
    }
    return n > 0;
}

static void
skip_date_space(const char **at, const char *end)
{
    int depth = 0;
    for (; *at < end; (*at)++) {
        char c = **at;
        depth += c == '(' ? 1 : 0;
        if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n' && c != ',' && c != '-')
            return;
        if (c == ')' && depth > 0)
            depth--;
    }
}

/* +hhmm, or one of the obsolete names (RFC 5322 section 4.3); anything else is UTC. */
static int
date_zone(const char *at, const char *end)
{
    static const struct {
        const char *name;
        int hours;
    } names[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_starts_nocase((struct span){at, (size_t)(end - at)}, span_of(names[i].name)))
            return names[i].hours * 3600;
    int sign = at < end && *at == '-' ? -1 : 1, value;
    if (at == end || (*at != '+' && *at != '-'))
        return 0;
    at++;
    if (!take_date_number(&at, end, &value, 4))
        return 0;
    return sign * ((value / 100) * 3600 + (value % 100) * 60);
}

static int
month_of(const char **at, const char *end)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; i < 12 && end - *at >= 3; i++)
        if (span_equal_nocase((struct span){*at, 3}, (struct span){names + i * 3, 3})) {
            while (*at < end && ((**at | 0x20) >= 'a' && (**at | 0x20) <= 'z'))
                (*at)++;
            return i;
        }
    return -1;
}

bool
mime_read_date(struct span body, int64_t *time_s)
{
    const char *at = body.at, *end = body.at + body.len;
    struct tm tm = {0};
    int year;
    skip_date_space(&at, end);
    while (at < end && (*at < '0' || *at > '9')) /* the day's name */
        at++;
    if (!take_date_number(&at, end, &tm.tm_mday, 2))
        return false;
    skip_date_space(&at, end);
    tm.tm_mon = month_of(&at, end);
    skip_date_space(&at, end);
    if (tm.tm_mon < 0 || !take_date_number(&at, end, &year, 4))
        return false;
    year += year < 50 ? 2000 : year < 1000 ? 1900 : 0;
    tm.tm_year = year - 1900;
    skip_date_space(&at, end);
    if (!take_date_number(&at, end, &tm.tm_hour, 2) || at == end || *at++ != ':' ||
        !take_date_number(&at, end, &tm.tm_min, 2))
        return false;
    if (at < end && *at == ':') {
        at++;
        take_date_number(&at, end, &tm.tm_sec, 2);
    }
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    *time_s = timegm(&tm) - date_zone(at, end);
    return tm.tm_mday <= 31 && tm.tm_hour < 24 && tm.tm_min < 60 && tm.tm_sec <= 60;
}
