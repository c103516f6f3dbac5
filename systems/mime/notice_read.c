/* notice_read.c - a report of the host's, understood (see notice.h) */
#include <errno.h>
#include <stdlib.h>

#include "common/dsn.h"
#include "common/header_scan.h"
#include "systems/mime/mime_header.h"
#include "systems/mime/notice.h"

static bool
type_is(const struct mime_part *part, const char *type, const char *or_type)
{
    return strcmp(part->type, type) == 0 || strcmp(part->type, or_type) == 0;
}

bool
notice_is_report(const struct mime_tree *tree)
{
    if (tree->n < 2 || strcmp(tree->parts[0].type, "multipart/report") != 0)
        return false;
    for (size_t i = 1; i < tree->n; i++)
        if (type_is(&tree->parts[i], "message/delivery-status", "message/global-delivery-status") ||
            type_is(&tree->parts[i], "message/disposition-notification",
                    "message/global-disposition-notification"))
            return true;
    return false;
}

/* A part's content, decoded, no more than NOTICE_READ_MAX octets of it. 0, or what `read` returned. */
static int
read_part(mime_read_fn *read, void *arg, const struct mime_part *part, struct buf *out)
{
    struct mime_decoder decoder;
    char piece[4096];
    mime_decoder_start(&decoder, part->encoding);
    for (uint64_t at = part->start; at < part->end && out->len < NOTICE_READ_MAX;) {
        size_t want = part->end - at < sizeof piece ? (size_t)(part->end - at) : sizeof piece;
        ssize_t n = read(arg, at, piece, want);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        mime_decode(&decoder, piece, (size_t)n, out);
        at += (uint64_t)n;
    }
    mime_decode_end(&decoder, out);
    buf_add_text(out, "\n\n"); /* a block may lack its end */
    return 0;
}

/* ---- values ---- */

/* "rfc822; user@host" without its type; addresses of RFC 6533 come with their characters. */
static void
address_of(struct span field, struct buf *out)
{
    const char *semicolon = memchr(field.at, ';', field.len);
    struct span type = {field.at, semicolon != NULL ? (size_t)(semicolon - field.at) : 0};
    struct span address = semicolon != NULL
                              ? (struct span){semicolon + 1, (size_t)(field.at + field.len - semicolon - 1)}
                              : field;
    address = span_trim(address);
    if (address.len >= 2 && address.at[0] == '<' && address.at[address.len - 1] == '>')
        address = (struct span){address.at + 1, address.len - 2};
    if (!span_equal_nocase(span_trim(type), SPAN("utf-8")) || !dsn_add_unitext(out, address)) {
        buf_reset(out);
        buf_add_span(out, address);
    }
}

static struct span
field(struct span block, const char *name)
{
    struct span body = {"", 0};
    header_find(block, span_of(name), &body);
    return span_trim(body);
}

static enum notice_kind
kind_of_action(struct span action)
{
    static const struct {
        const char *word;
        enum notice_kind kind;
    } words[] = {{"delivered", NOTICE_DELIVERED}, {"delayed", NOTICE_DELAYED}, {"failed", NOTICE_FAILED}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (span_starts_nocase(action, span_of(words[i].word)))
            return words[i].kind;
    return NOTICE_NONE;
}

static enum notice_kind
kind_of_disposition(struct span body)
{
    const char *semicolon = memchr(body.at, ';', body.len);
    if (semicolon == NULL)
        return NOTICE_NONE;
    struct span type = span_trim((struct span){semicolon + 1, (size_t)(body.at + body.len - semicolon - 1)});
    if (span_starts_nocase(type, SPAN("displayed")))
        return NOTICE_DISPLAYED;
    return span_starts_nocase(type, SPAN("deleted")) ? NOTICE_DELETED : NOTICE_NONE;
}

/* ---- the report ---- */

struct reading {
    struct notice common; /* what holds for every recipient */
    void (*found)(void *arg, const struct notice *notice);
    void *arg;
    int n;
};

/* Cuts the next block of fields off: what stands before an empty line. False at the end. */
static bool
next_block(struct span *text, struct span *block)
{
    while (text->len > 0 && (text->at[0] == '\n' || text->at[0] == '\r')) {
        text->at++;
        text->len--;
    }
    if (text->len == 0)
        return false;
    size_t len = 0;
    for (bool empty = false; len < text->len && !empty; len++)
        empty = text->at[len] == '\n' &&
                (len + 1 == text->len || text->at[len + 1] == '\n' ||
                 (text->at[len + 1] == '\r' && len + 2 < text->len && text->at[len + 2] == '\n'));
    *block = (struct span){text->at, len};
    *text = (struct span){text->at + len, text->len - len};
    return true;
}

static void
tell_block(struct reading *reading, struct span block, bool disposition)
{
    struct buf recipient = {0}, diagnostic = {0};
    struct notice notice = reading->common;
    address_of(field(block, "Final-Recipient"), &recipient);
    notice.kind =
        disposition ? kind_of_disposition(field(block, "Disposition")) : kind_of_action(field(block, "Action"));
    notice.recipient = buf_span(&recipient);
    notice.orcpt = field(block, "Original-Recipient");
    notice.status = field(block, "Status");
    mime_decode_text(field(block, "Diagnostic-Code"), &diagnostic);
    notice.diagnostic = buf_span(&diagnostic);
    if (disposition && field(block, "Original-Message-ID").len > 0)
        notice.message_id = field(block, "Original-Message-ID");
    if ((recipient.len > 0 || notice.orcpt.len > 0) && reading->n < NOTICE_RECIPIENTS_MAX) {
        reading->n++;
        reading->found(reading->arg, &notice);
    }
    buf_clear(&recipient);
    buf_clear(&diagnostic);
}

static void
tell_blocks(struct reading *reading, struct span text, bool disposition)
{
    struct span block;
    bool first = !disposition; /* of a delivery status the first block is the message's */
    while (next_block(&text, &block)) {
        if (first) {
            reading->common.envid = field(block, "Original-Envelope-Id");
            struct span reporter = field(block, "Reporting-MTA");
            const char *semicolon = memchr(reporter.at, ';', reporter.len);
            if (semicolon != NULL)
                reporter = span_trim(
                    (struct span){semicolon + 1, (size_t)(reporter.at + reporter.len - semicolon - 1)});
            reading->common.reporter = reporter;
        } else {
            tell_block(reading, block, disposition);
        }
        first = false;
    }
}

/* What is returned of the message: its Message-ID and subject. */
static void
read_returned(struct reading *reading, struct span header, struct buf *subject)
{
    struct span id = field(header, "Message-ID");
    if (id.len > 0)
        reading->common.message_id = id;
    mime_decode_text(field(header, "Subject"), subject);
    reading->common.subject = buf_span(subject);
}

int
notice_read(mime_read_fn *read, void *read_arg, const struct mime_tree *tree,
            void (*found)(void *arg, const struct notice *notice), void *arg)
{
    struct reading reading = {.found = found, .arg = arg};
    struct buf status = {0}, returned = {0}, subject = {0};
    bool disposition = false;
    int r = 0;
    for (size_t i = 1; r == 0 && notice_is_report(tree) && i < tree->n; i++) {
        const struct mime_part *part = &tree->parts[i];
        bool mdn = type_is(part, "message/disposition-notification", "message/global-disposition-notification");
        if (status.len == 0 &&
            (mdn || type_is(part, "message/delivery-status", "message/global-delivery-status"))) {
            disposition = mdn;
            r = read_part(read, read_arg, part, &status);
        } else if (returned.len == 0 && (type_is(part, "text/rfc822-headers", "message/rfc822") ||
                                         type_is(part, "message/global-headers", "message/global"))) {
            r = read_part(read, read_arg, part, &returned);
        }
    }
    if (r == 0 && status.len > 0) {
        read_returned(&reading, buf_span(&returned), &subject);
        tell_blocks(&reading, buf_span(&status), disposition);
    }
    buf_clear(&status);
    buf_clear(&returned);
    buf_clear(&subject);
    return r < 0 ? r : reading.n;
}
