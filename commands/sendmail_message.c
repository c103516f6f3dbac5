/* sendmail_message.c - the envelope lines and the message that viaduct-sendmail writes (see sendmail.h) */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "commands/sendmail.h"
#include "common/address.h"
#include "common/header_scan.h"

enum { HEADER_MAX = 1 << 20, PIECE = 64 << 10, ADDRESS_MAX = 1300 };

/* ---- the envelope ---- */

/* As pickup will read it: a local part that stands alone gets our domain. */
static int
check_mailbox(struct span word, struct why *why)
{
    struct mailbox_parts parts;
    struct buf full = {0};
    buf_add_span(&full, word);
    if (memchr(word.at, '@', word.len) == NULL)
        buf_add_text(&full, "@localhost");
    int r = mailbox_parse(buf_span(&full), &parts, why);
    buf_clear(&full);
    return r;
}

/* An address of printable characters; angle brackets around it are taken off. None where `empty` allows it. Returns
 * EX_OK, or EX_DATAERR after saying whose address is wrong and why. */
static int
take_address(const char *whose, const char *text, bool empty, struct span *word)
{
    struct why why = {.text = "it is longer than an address may be, or holds characters that none has"};
    *word = span_trim(span_of(text));
    if (word->len >= 2 && word->at[0] == '<' && word->at[word->len - 1] == '>')
        *word = (struct span){word->at + 1, word->len - 2};
    bool good = word->len <= ADDRESS_MAX;
    for (size_t i = 0; good && i < word->len; i++)
        good = (unsigned char)word->at[i] >= ' ' && word->at[i] != 0x7f && word->at[i] != '<' &&
               word->at[i] != '>';
    if (good && (word->len > 0 || !empty))
        good = check_mailbox(*word, &why) == 0;
    return good ? EX_OK : sendmail_fail(EX_DATAERR, "%s is no address: %s: %s", whose, text, why.text);
}

/* Notices are about the message, so values get no blanks into an envelope line. */
static int
add_parameter(struct buf *out, const char *key, const char *value)
{
    if (value == NULL)
        return EX_OK;
    for (const char *p = value; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~')
            return sendmail_fail(EX_USAGE, "%s: a value without blanks is needed", key);
    if (*value == '\0')
        return sendmail_fail(EX_USAGE, "%s: the value is empty", key);
    buf_printf(out, " %s=%s", key, value);
    return EX_OK;
}

/* The sender where none was given: the user, whose domain pickup adds. */
static const char *
own_name(void)
{
    static char text[40];
    const struct passwd *user = getpwuid(getuid());
    if (user != NULL && user->pw_name[0] != '\0')
        return user->pw_name;
    snprintf(text, sizeof text, "uid%u", (unsigned)getuid());
    return text;
}

static int
add_recipient(struct buf *out, const struct options *options, const char *text)
{
    struct span word;
    int status = take_address("recipient", text, false, &word);
    if (status != EX_OK)
        return status;
    buf_printf(out, "X-Receiver: <%.*s>", (int)word.len, word.at);
    status = add_parameter(out, "NOTIFY", options->notify);
    buf_add_byte(out, '\n');
    return status;
}

/* ---- recipients from the header (-t) ---- */

static void
add_element(const struct header_address *element, void *arg)
{
    struct buf *out = arg;
    struct span text = element->mailbox.len > 0 ? element->mailbox : span_trim(element->whole);
    if (text.len > 0) {
        buf_add_span(out, text);
        buf_add_byte(out, '\0');
    }
}

/* -t with a sender or parameters that the header cannot hold: the recipients become lines here. Recipients
 * given as arguments are added to them. */
static int
add_header_recipients(struct buf *out, const struct options *options, struct span header)
{
    static const struct span names[] = {{"Resent-To", 9}, {"Resent-Cc", 9}, {"Resent-Bcc", 10},
                                        {"To", 2},        {"Cc", 2},        {"Bcc", 3}};
    struct buf found = {0};
    struct span rest = header, name, body;
    bool resent = false;
    int status = EX_OK;
    for (size_t i = 0; i < 3; i++)
        resent = resent || header_find(header, names[i], &body);
    while (header_next(&rest, &name, &body))
        for (size_t i = resent ? 0 : 3; i < (resent ? 3u : 6u); i++)
            if (span_equal_nocase(name, names[i]))
                header_addresses(body, add_element, &found);
    for (size_t at = 0; status == EX_OK && at < found.len; at += strlen(found.at + at) + 1)
        status = add_recipient(out, options, found.at + at);
    if (status == EX_OK && found.len == 0 && options->n_recipients == 0)
        status = sendmail_fail(EX_DATAERR, "-t: the header names no recipients");
    buf_clear(&found);
    return status;
}

int
sendmail_envelope(const struct options *options, struct span header, struct buf *out)
{
    struct span sender;
    int status = take_address("sender", options->sender != NULL ? options->sender : own_name(), true, &sender);
    if (status != EX_OK)
        return status;
    buf_printf(out, "X-Sender: <%.*s>", (int)sender.len, sender.at);
    status = add_parameter(out, "RET", options->ret);
    if (status == EX_OK)
        status = add_parameter(out, "ENVID", options->envid);
    buf_add_byte(out, '\n');
    if (status == EX_OK && options->header_recipients)
        status = add_header_recipients(out, options, header);
    for (int i = 0; status == EX_OK && i < options->n_recipients; i++)
        status = add_recipient(out, options, options->recipients[i]);
    return status;
}

/* ---- the message ---- */

/* Returns the line's length with its LF, 0 at the end, -1 for an error. */
static ssize_t
next_line(struct input *input)
{
    if (input->ended)
        return 0;
    ssize_t n = getline(&input->line, &input->size, stdin);
    if (n < 0) {
        input->ended = true;
        return ferror(stdin) ? -1 : 0;
    }
    bool dot = input->line[0] == '.' &&
               (strcmp(input->line, ".\n") == 0 || strcmp(input->line, ".\r\n") == 0 || n == 1);
    if (dot && !input->dot_is_text) {
        input->ended = true;
        return 0;
    }
    return n;
}

static bool
is_empty_line(const char *line, ssize_t len)
{
    return (len == 1 && line[0] == '\n') || (len == 2 && line[0] == '\r' && line[1] == '\n');
}

/* A message that begins like an envelope would add to the one that we write before it. */
static bool
is_envelope_line(const char *line)
{
    return strncasecmp(line, "X-Sender:", 9) == 0 || strncasecmp(line, "X-Receiver:", 11) == 0;
}

int
sendmail_read_header(struct input *input, struct buf *header, ssize_t *first)
{
    ssize_t n;
    bool skipped = false;
    *first = 0;
    while ((n = next_line(input)) > 0) {
        bool begin = header->len == 0;
        bool folded = input->line[0] == ' ' || input->line[0] == '\t';
        skipped = begin && (is_envelope_line(input->line) || (skipped && folded));
        if (skipped || (begin && strncmp(input->line, "From ", 5) == 0))
            continue;
        if (is_empty_line(input->line, n))
            break;
        struct span line = {input->line, (size_t)n}, name, body;
        if (header->len + (size_t)n > HEADER_MAX)
            return sendmail_fail(EX_DATAERR, "the message's header is larger than 1 MiB");
        if ((begin && folded) || (!folded && !header_next(&line, &name, &body))) {
            *first = n;
            break;
        }
        bool crlf = n >= 2 && input->line[n - 2] == '\r' && input->line[n - 1] == '\n';
        buf_add(header, input->line, (size_t)n - (crlf ? 2 : input->line[n - 1] == '\n' ? 1 : 0));
        buf_add_byte(header, '\n');
    }
    return n < 0 ? sendmail_fail(EX_NOINPUT, "cannot read the message: %s", strerror(errno)) : EX_OK;
}

void
sendmail_add_from(const struct options *options, struct span header, const char *domain, struct buf *out)
{
    struct span sender, body;
    if (options->full_name == NULL || header_find(header, SPAN("From"), &body) ||
        take_address("sender", options->sender != NULL ? options->sender : own_name(), true, &sender) !=
            EX_OK ||
        sender.len == 0)
        return;
    buf_add_text(out, "From: \"");
    for (const char *p = options->full_name; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
    }
    bool bare = memchr(sender.at, '@', sender.len) == NULL;
    buf_printf(out, "\" <%.*s%s%s>\n", (int)sender.len, sender.at, bare ? "@" : "", bare ? domain : "");
}

int
sendmail_write(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int
sendmail_write_body(struct input *input, ssize_t first, int fd)
{
    struct buf piece = {0};
    int failed = 0;
    ssize_t n = first > 0 ? first : next_line(input);
    for (; failed == 0 && n > 0; n = next_line(input)) {
        buf_add(&piece, input->line, (size_t)n);
        if (piece.len >= PIECE) {
            failed = sendmail_write(fd, piece.at, piece.len);
            buf_reset(&piece);
        }
    }
    if (failed == 0)
        failed = n < 0 ? -EIO : sendmail_write(fd, piece.at, piece.len);
    buf_clear(&piece);
    return failed;
}
