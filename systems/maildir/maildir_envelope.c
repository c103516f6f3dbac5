/* maildir_envelope.c - the envelope of a message in a file (see maildir_envelope.h) */
#include "systems/maildir/maildir_envelope.h"

#include <errno.h>
#include <unistd.h>

#include "common/address.h"
#include "common/header_scan.h"

enum { HEADER_MAX = 1 << 20, RECIPIENTS_MAX = 10000, MALFORMED_SHOWN = 100, ADDRESS_MAX = 1300 };

/* A name in a line for people: printable, and not too long. */
static void
add_malformed(struct maildir_envelope *envelope, struct span text, const char *why)
{
    envelope->n_malformed++;
    if (envelope->n_malformed > MALFORMED_SHOWN)
        return;
    buf_add_text(&envelope->malformed, "recipient ");
    for (size_t i = 0; i < text.len && i < 200; i++)
        buf_add_byte(&envelope->malformed,
                     (unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f ? '?' : text.at[i]);
    buf_printf(&envelope->malformed, ": %s\n", why);
}

static struct span
without_brackets(struct span text)
{
    struct span address = span_trim(text);
    if (address.len >= 2 && address.at[0] == '<' && address.at[address.len - 1] == '>')
        address = (struct span){address.at + 1, address.len - 2};
    return address;
}

static void
add_recipient(struct maildir_envelope *envelope, struct span text)
{
    struct span address = without_brackets(text);
    struct mailbox_parts parts;
    struct why why;
    if (address.len > ADDRESS_MAX || mailbox_parse(address, &parts, &why) < 0) {
        add_malformed(envelope, address, address.len > ADDRESS_MAX ? "longer than any address" : why.text);
        return;
    }
    for (size_t at = 0;
         at < envelope->recipients.len && envelope->n < 200;) { /* of long lists repeats do no harm */
        struct span known = span_of(envelope->recipients.at + at);
        if (span_equal_nocase(known, address))
            return;
        at += known.len + 1;
    }
    if (envelope->n == RECIPIENTS_MAX) {
        envelope->refusal = "it names more than 10,000 recipients";
        return;
    }
    buf_add_span(&envelope->recipients, address);
    buf_add_byte(&envelope->recipients, '\0');
    envelope->n++;
}

static void
set_originator(struct maildir_envelope *envelope, struct span text)
{
    struct span address = without_brackets(text);
    struct mailbox_parts parts;
    struct why why;
    buf_reset(&envelope->originator);
    if (address.len == 0)
        return;
    if (address.len > ADDRESS_MAX || mailbox_parse(address, &parts, &why) < 0)
        envelope->refusal = "its sender is no address, so nobody could be told what becomes of it";
    else
        buf_add_span(&envelope->originator, address);
}

/* The next header field; false at the end of the header. */
static bool
next_field(struct span *rest, struct span *name, struct span *body)
{
    const char *line = rest->at, *end = rest->at + rest->len, *p = line;
    if (rest->len == 0 || *line == '\n' || *line == '\r')
        return false;
    do {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        p = lf != NULL ? lf + 1 : end;
    } while (p < end && (*p == ' ' || *p == '\t'));
    const char *colon = memchr(line, ':', (size_t)(p - line));
    *name = colon != NULL ? span_trim((struct span){line, (size_t)(colon - line)}) : (struct span){line, 0};
    *body =
        colon != NULL ? span_trim((struct span){colon + 1, (size_t)(p - colon - 1)}) : (struct span){line, 0};
    *rest = (struct span){p, (size_t)(end - p)};
    return true;
}

/* X-Sender and X-Receiver in the first lines. */
static bool
take_drop_form(struct maildir_envelope *envelope, struct span header)
{
    struct span rest = header, name, body, before = header;
    bool found = false;
    while (next_field(&rest, &name, &body)) {
        if (span_equal_nocase(name, SPAN("X-Sender")))
            set_originator(envelope, body);
        else if (span_equal_nocase(name, SPAN("X-Receiver")))
            add_recipient(envelope, body);
        else
            break;
        found = true;
        before = rest;
    }
    envelope->skip = (size_t)(before.at - header.at);
    return found && envelope->n + envelope->n_malformed > 0;
}

static void
note_recipient(const struct header_address *found, void *arg)
{
    struct span whole = span_trim(found->whole);
    if (found->mailbox.len > 0 || whole.len > 0)
        add_recipient(arg, found->mailbox.len > 0 ? found->mailbox : whole);
}

static void
note_originator(const struct header_address *found, void *arg)
{
    struct maildir_envelope *envelope = arg;
    if (envelope->originator.len == 0)
        set_originator(envelope, found->mailbox);
}

enum pass { PASS_DELIVERY, PASS_ADDRESSES };

static void
take_fields(struct maildir_envelope *envelope, struct span header, enum pass pass)
{
    struct span rest = header, name, body;
    bool returned = false;
    while (next_field(&rest, &name, &body)) {
        bool delivery =
            span_equal_nocase(name, SPAN("Delivered-To")) || span_equal_nocase(name, SPAN("X-Original-To"));
        if (pass == PASS_DELIVERY && delivery)
            add_recipient(envelope, body);
        if (pass == PASS_ADDRESSES &&
            (span_equal_nocase(name, SPAN("To")) || span_equal_nocase(name, SPAN("Cc")) ||
             span_equal_nocase(name, SPAN("Bcc"))))
            header_addresses(body, note_recipient, envelope);
        if (span_equal_nocase(name, SPAN("Return-Path")) && !returned) {
            set_originator(envelope, body);
            returned = true;
        }
    }
    for (rest = header; !returned && next_field(&rest, &name, &body);)
        if (span_equal_nocase(name, SPAN("From")))
            header_addresses(body, note_originator, envelope);
}

/* ---- the header ---- */

/* Where the header ends, its empty line included; 0 where it goes on behind what was read. */
static size_t
header_length(struct span text)
{
    for (size_t at = 0; at < text.len;) {
        const char *lf = memchr(text.at + at, '\n', text.len - at);
        if (lf == NULL)
            return 0;
        size_t end = (size_t)(lf - text.at);
        bool empty = end == at || (end == at + 1 && text.at[at] == '\r');
        at = end + 1;
        if (empty)
            return at;
    }
    return 0;
}

/* Who gets a blind copy is nobody's business. */
static bool
is_blind(struct span line)
{
    return header_line_is(line, SPAN("Bcc")) || header_line_is(line, SPAN("Resent-Bcc"));
}

/* The header as it goes on: LF for CRLF (a CR by itself stays), without blind copies. */
static void
print_header(struct span text, struct buf *out)
{
    bool drop = false;
    while (text.len > 0) {
        const char *lf = memchr(text.at, '\n', text.len);
        size_t all = lf != NULL ? (size_t)(lf - text.at) + 1 : text.len;
        size_t n = all - (lf != NULL);
        n -= lf != NULL && n > 0 && text.at[n - 1] == '\r';
        if (n == 0 || (text.at[0] != ' ' && text.at[0] != '\t'))
            drop = is_blind((struct span){text.at, n});
        if (!drop) {
            buf_add(out, text.at, n);
            if (lf != NULL)
                buf_add_byte(out, '\n');
        }
        text.at += all;
        text.len -= all;
    }
}

/* Reads until the header is whole. `*header_len` is its length, the empty line included; 0 where it is too large. Returns 0 or
 * -errno. */
static int
read_header(int fd, struct buf *header, size_t *header_len)
{
    char piece[16384];
    size_t line = 0; /* where to look on */
    for (;;) {
        ssize_t got = pread(fd, piece, sizeof piece, (off_t)header->len);
        if (got < 0)
            return -errno;
        if (got == 0) { /* a message that is all header */
            *header_len = header->len;
            return 0;
        }
        buf_add(header, piece, (size_t)got);
        const char *last = memrchr(piece, '\n', (size_t)got);
        if (last != NULL) { /* else a line goes on, which is not looked through again for each piece of it */
            size_t len = header_length((struct span){header->at + line, header->len - line});
            if (len > 0) {
                *header_len = line + len > HEADER_MAX ? 0 : line + len;
                return 0;
            }
            line = header->len - (size_t)(piece + got - last) + 1;
        }
        if (header->len > HEADER_MAX)
            return 0;
    }
}

int
maildir_read_envelope(int fd, struct maildir_envelope *envelope)
{
    struct buf read = {0};
    size_t len = 0;
    int error = read_header(fd, &read, &len);
    if (error == 0 && len == 0 && read.len > 0)
        envelope->refusal = "its header is larger than a megabyte";
    if (len > 0) {
        struct span header = {read.at, len};
        bool drop = take_drop_form(envelope, header);
        struct span rest = {header.at + envelope->skip, header.len - envelope->skip};
        if (!drop)
            take_fields(envelope, rest, PASS_DELIVERY);
        if (!drop && envelope->n == 0 && envelope->n_malformed == 0)
            take_fields(envelope, rest, PASS_ADDRESSES);
        print_header(rest, &envelope->header);
        envelope->body = len;
    }
    if (envelope->n_malformed > MALFORMED_SHOWN)
        buf_printf(&envelope->malformed, "and %zu more\n", envelope->n_malformed - MALFORMED_SHOWN);
    buf_clear(&read);
    return error;
}

void
maildir_envelope_clear(struct maildir_envelope *envelope)
{
    buf_clear(&envelope->originator);
    buf_clear(&envelope->recipients);
    buf_clear(&envelope->malformed);
    buf_clear(&envelope->header);
}
