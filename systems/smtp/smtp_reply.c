/* smtp_reply.c - replies of an SMTP or LMTP server, taken apart line by line
 *
 * Sources: RFC 5321 sections 4.2 and 4.5.3.1, RFC 2034 section 4, RFC 1870 section 4, RFC 9422 (LIMITS).
 */
#include "systems/smtp/smtp_reply.h"

#include <errno.h>
#include <stdio.h>

enum { LIMIT_MAX = 999999 /* six digits */ };

static void add_text(struct smtp_reply *reply, struct span text);

void
smtp_reply_reset(struct smtp_reply *reply)
{
    reply->code = 0;
    reply->status[0] = '\0';
    reply->text[0] = '\0';
    reply->text_len = 0;
    reply->bytes = 0;
    reply->lines = 0;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The three digits that begin a line, or -1. */
static int
line_code(struct span line)
{
    if (line.len < 3 || line.at[0] < '2' || line.at[0] > '5' || !is_digit(line.at[1]) || !is_digit(line.at[2]))
        return -1;
    if (line.len > 3 && line.at[3] != ' ' && line.at[3] != '-')
        return -1;
    return (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0');
}

int
smtp_reply_line(struct smtp_reply *reply, struct span in, bool *last, struct span *text, struct why *why)
{
    size_t look = in.len < SMTP_REPLY_LINE_MAX ? in.len : SMTP_REPLY_LINE_MAX;
    const char *lf = look > 0 ? memchr(in.at, '\n', look) : NULL;
    if (lf == NULL && look < SMTP_REPLY_LINE_MAX)
        return 0;
    if (lf == NULL) {
        why_set(why, "4.5.0", "a line of the answer has more than %d bytes", SMTP_REPLY_LINE_MAX);
        return -EPROTO;
    }
    size_t used = (size_t)(lf - in.at) + 1;
    struct span line = {in.at, used - 1};
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    int code = line_code(line);
    if (code < 0 || (reply->lines > 0 && code != reply->code)) {
        why_set(why, "4.5.0", "not an SMTP answer: '%.*s'", (int)(line.len < 100 ? line.len : 100), line.at);
        return -EPROTO;
    }
    reply->bytes += used;
    if (reply->bytes > SMTP_REPLY_MAX) {
        why_set(why, "4.5.0", "an answer has more than %d bytes", SMTP_REPLY_MAX);
        return -EPROTO;
    }
    reply->code = code;
    *last = line.len == 3 || line.at[3] == ' ';
    struct span rest = {line.at + (line.len > 3 ? 4 : 3), line.len > 3 ? line.len - 4 : 0};
    if (text != NULL)
        *text = rest;
    add_text(reply, rest);
    reply->lines++;
    return (int)used;
}

/* The length of an enhanced status code of the reply's class that begins the text, or 0. */
static size_t
enhanced_length(int code, struct span text)
{
    size_t at = 2;
    if (text.len < 5 || text.at[0] != '0' + code / 100 || text.at[1] != '.' || code / 100 == 3)
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t begin = at;
        while (at < text.len && at - begin < 3 && is_digit(text.at[at]))
            at++;
        if (at == begin)
            return 0;
        if (part == 0 && (at == text.len || text.at[at++] != '.'))
            return 0;
    }
    return at == text.len || text.at[at] == ' ' ? at : 0;
}

/* The status code of the first line stays in the text, where a reader expects it; repetitions are dropped. */
static void
add_text(struct smtp_reply *reply, struct span text)
{
    size_t enhanced = enhanced_length(reply->code, text);
    if (enhanced > 0 && reply->lines == 0) {
        memcpy(reply->status, text.at, enhanced);
        reply->status[enhanced] = '\0';
    } else if (enhanced > 0) {
        text.at += enhanced;
        text.len -= enhanced;
        text = span_trim(text);
    }
    if (reply->lines > 0 && text.len > 0 && reply->text_len + 1 < sizeof reply->text)
        reply->text[reply->text_len++] = ' ';
    for (size_t i = 0; i < text.len && reply->text_len + 1 < sizeof reply->text; i++) {
        char c = text.at[i];
        reply->text[reply->text_len++] = c >= ' ' && c <= '~' ? c : '?';
    }
    reply->text[reply->text_len] = '\0';
}

static struct span
next_word(struct span *text)
{
    *text = span_trim(*text);
    size_t len = 0;
    while (len < text->len && text->at[len] != ' ' && text->at[len] != '\t')
        len++;
    struct span word = {text->at, len};
    text->at += len;
    text->len -= len;
    return word;
}

/* LIMITS: names that are not known, and values that are none, change nothing. */
static void
add_limits(struct smtp_caps *caps, struct span text)
{
    struct span word;
    while ((word = next_word(&text)).len > 0) {
        bool mail = span_starts_nocase(word, SPAN("MAILMAX=")),
             rcpt = span_starts_nocase(word, SPAN("RCPTMAX="));
        uint64_t value;
        if ((mail || rcpt) && span_to_u64((struct span){word.at + 8, word.len - 8}, LIMIT_MAX, &value))
            *(mail ? &caps->mail_max : &caps->rcpt_max) = value;
    }
}

void
smtp_caps_line(struct smtp_caps *caps, struct span text)
{
    struct span word = next_word(&text);
    if (span_equal_nocase(word, SPAN("PIPELINING")))
        caps->pipelining = true;
    else if (span_equal_nocase(word, SPAN("8BITMIME")))
        caps->eightbit = true;
    else if (span_equal_nocase(word, SPAN("SMTPUTF8")))
        caps->smtputf8 = true;
    else if (span_equal_nocase(word, SPAN("DSN")))
        caps->dsn = true;
    else if (span_equal_nocase(word, SPAN("STARTTLS")))
        caps->starttls = true;
    else if (span_equal_nocase(word, SPAN("ENHANCEDSTATUSCODES")))
        caps->enhanced = true;
    else if (span_equal_nocase(word, SPAN("LIMITS")))
        add_limits(caps, text);
    else if (span_equal_nocase(word, SPAN("SIZE"))) {
        caps->size = true;
        if (!span_to_u64(next_word(&text), UINT64_MAX, &caps->size_max))
            caps->size_max = 0;
    }
}

void
smtp_reply_status(const struct smtp_reply *reply, char status[12])
{
    if (reply->status[0] != '\0')
        memcpy(status, reply->status, sizeof reply->status);
    else
        snprintf(status, 12, "%d.0.0", reply->code / 100 % 10);
}
