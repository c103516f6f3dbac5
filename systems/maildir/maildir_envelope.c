/* maildir_envelope.c - the envelope of a message in a file (see maildir_envelope.h) */
#include "systems/maildir/maildir_envelope.h"

#include <errno.h>
#include <unistd.h>

#include "common/address.h"

enum { HEADER_MAX = 1 << 20, RECIPIENTS_MAX = 10000 };

static void
add_recipient(struct maildir_envelope *envelope, struct span text)
{
    struct span address = span_trim(text);
    if (address.len >= 2 && address.at[0] == '<' && address.at[address.len - 1] == '>')
        address = (struct span){address.at + 1, address.len - 2};
    if (address.len == 0 || address.len > 1300 || envelope->n == RECIPIENTS_MAX ||
        memchr(address.at, '\0', address.len))
        return;
    for (size_t at = 0;
         at < envelope->recipients.len && envelope->n < 200;) { /* of long lists repeats do no harm */
        struct span known = span_of(envelope->recipients.at + at);
        if (span_equal_nocase(known, address))
            return;
        at += known.len + 1;
    }
    buf_add_span(&envelope->recipients, address);
    buf_add_byte(&envelope->recipients, '\0');
    envelope->n++;
}

static void
set_originator(struct maildir_envelope *envelope, struct span text)
{
    struct span address = span_trim(text);
    if (address.len >= 2 && address.at[0] == '<' && address.at[address.len - 1] == '>')
        address = (struct span){address.at + 1, address.len - 2};
    buf_reset(&envelope->originator);
    if (address.len <= 1300)
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
    return found && envelope->n > 0;
}

static void
note_recipient(const struct header_address *found, void *arg)
{
    add_recipient(arg, found->mailbox);
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

int
maildir_read_envelope(int fd, struct maildir_envelope *envelope)
{
    struct buf header = {0};
    char piece[16384];
    ssize_t got;
    int error = 0;
    while (header.len < HEADER_MAX) {
        got = pread(fd, piece, sizeof piece, (off_t)header.len);
        if (got < 0)
            error = -errno;
        if (got <= 0)
            break;
        size_t from = header.len > 3 ? header.len - 3 : 0;
        buf_add(&header, piece, (size_t)got);
        if (memmem(header.at + from, header.len - from, "\n\n", 2) != NULL ||
            memmem(header.at + from, header.len - from, "\n\r\n", 3) != NULL)
            break;
    }
    if (error == 0 && header.len > 0 && !take_drop_form(envelope, buf_span(&header))) {
        struct span rest = {header.at + envelope->skip, header.len - envelope->skip};
        take_fields(envelope, rest, PASS_DELIVERY);
        if (envelope->n == 0)
            take_fields(envelope, rest, PASS_ADDRESSES);
    }
    buf_clear(&header);
    return error;
}
