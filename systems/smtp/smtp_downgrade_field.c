/* smtp_downgrade_field.c - a header block in ASCII, each field by its kind (see smtp_downgrade.h)
 *
 * A field that is ASCII is copied octet for octet. Of the others: addresses, structured fields with phrases and
 * comments, parameters of MIME, URIs, and identifiers and typed addresses, which can be no other and are kept as
 * "Downgraded-..."; all that is left is text.
 *
 * What is hostile here: the block. Lines that are no fields are kept, with '?' for what is not ASCII.
 *
 * Sources: RFC 6857 sections 3.1.10 (what is kept under another name), 3.2 (the method for each field) and 4
 * (fields of parts); RFC 5322 section 3.6; RFC 2045 sections 4 to 6; RFC 2369 and RFC 5064 (URIs); RFC 3987 section
 * 3.1 (a URI for an IRI).
 */
#include <stdio.h>

#include "common/address.h"
#include "systems/smtp/smtp_downgrade.h"

struct block {
    struct downgrade *d;
    const struct downgrade_header *how;
    struct buf *out;
    struct buf unfolded; /* the body of the field at hand */
    bool has_type, has_encoding, has_version;
};

static bool
is_one_of(struct span name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_equal_nocase(name, span_of(names[i])))
            return true;
    return false;
}

static struct span
without_resent(struct span name)
{
    return span_starts_nocase(name, SPAN("Resent-")) ? (struct span){name.at + 7, name.len - 7} : name;
}

static bool
holds_addresses(struct span name)
{
    static const char *const names[] = {
        "From",         "Sender",    "Reply-To",        "To",
        "Cc",           "Bcc",       "Return-Path",     "Disposition-Notification-To",
        "Delivered-To", "Errors-To", "Mail-Followup-To"};
    return is_one_of(without_resent(name), names, COUNT_OF(names));
}

static bool
is_structured(struct span name)
{
    static const char *const names[] = {
        "Date",           "Keywords", "MIME-Version", "Content-Transfer-Encoding", "Content-Language",
        "Auto-Submitted", "List-Id"};
    return is_one_of(without_resent(name), names, COUNT_OF(names));
}

static bool
holds_uris(struct span name)
{
    static const char *const names[] = {"List-Post",  "List-Unsubscribe", "List-Subscribe", "List-Help",
                                        "List-Owner", "List-Archive",     "Archived-At"};
    return is_one_of(name, names, COUNT_OF(names));
}

static bool
is_identifier(struct span name)
{
    static const char *const names[] = {"Message-ID", "In-Reply-To",        "References",
                                        "Content-ID", "Original-Recipient", "Final-Recipient"};
    return is_one_of(without_resent(name), names, COUNT_OF(names));
}

/* ---- Content-Type ---- */

/* A type of ours before the sender's parameters; plain text has none of them. */
static void
put_type(struct block *block, struct fold *fold, struct span body)
{
    size_t end = downgrade_value_end(body);
    fold_token(fold, span_of(block->how->type));
    if (!span_starts_nocase(span_of(block->how->type), SPAN("text/")))
        downgrade_parameters(block->d, (struct span){body.at + end, body.len - end}, fold);
}

/* ---- Received ---- */

/* A word of Received that is not ASCII: a domain, or nothing that can be kept. */
static void
put_trace_word(struct fold *fold, struct span word)
{
    struct buf ascii = {0};
    if (domain_to_ascii(word, &ascii, NULL) != 0 || !downgrade_is_ascii(buf_span(&ascii))) {
        buf_reset(&ascii);
        for (size_t i = 0; i < word.len; i++)
            buf_add_byte(&ascii, (unsigned char)word.at[i] > 127 ? '?' : word.at[i]);
    }
    fold_token(fold, buf_span(&ascii));
    buf_clear(&ascii);
}

static size_t
trace_word_end(struct span body, size_t i)
{
    size_t end = i;
    while (end < body.len && strchr(" \t\r(;", body.at[end]) == NULL)
        end++;
    return end > i ? end : i + 1;
}

/* Clauses "for" and "id" are left out where they are not ASCII (RFC 6857 section 3.2.5). */
static void
put_trace(struct fold *fold, struct span body)
{
    struct span held = {"", 0}; /* a "for" or "id", until what follows is seen */
    for (size_t i = 0; i < body.len;) {
        size_t end = body.at[i] == '(' ? fold_skip_comment(body, i) : trace_word_end(body, i);
        struct span word = span_trim((struct span){body.at + i, end - i});
        bool ascii = downgrade_is_ascii(word);
        i = end;
        if (word.len == 0)
            continue;
        if (ascii || held.len == 0)
            fold_token(fold, held);
        fold->blank = word.at[0] != ';';
        bool clause = span_equal_nocase(word, SPAN("for")) || span_equal_nocase(word, SPAN("id"));
        if (word.at[0] == '(')
            fold_structured(fold, word);
        else if (ascii && !clause)
            fold_token(fold, word);
        else if (!ascii && held.len == 0)
            put_trace_word(fold, word);
        held = clause ? word : SPAN("");
        fold->blank = true;
    }
    fold_token(fold, held);
}

/* ---- one field ---- */

static void
unfold(struct span body, struct buf *out)
{
    buf_reset(out);
    buf_add(out, "", 0);
    for (size_t i = 0; i < body.len; i++)
        if (body.at[i] != '\n' && !(body.at[i] == '\r' && i + 1 < body.len && body.at[i + 1] == '\n'))
            buf_add_byte(out, body.at[i]);
}

/* Between "<" and ">" UTF-8 is written as a URI has it; around them stand comments. */
static void
put_uris(struct fold *fold, struct span body)
{
    struct buf uri = {0};
    while (body.len > 0) {
        const char *open = memchr(body.at, '<', body.len);
        size_t before = open != NULL ? (size_t)(open - body.at) : body.len;
        const char *close = open != NULL ? memchr(open, '>', body.len - before) : NULL;
        size_t end = close != NULL ? (size_t)(close + 1 - body.at) : body.len;
        fold_structured(fold, (struct span){body.at, before});
        buf_reset(&uri);
        for (size_t i = before; i < end; i++)
            if ((unsigned char)body.at[i] > 127)
                buf_printf(&uri, "%%%02X", (unsigned)(unsigned char)body.at[i]);
            else
                buf_add_byte(&uri, body.at[i]);
        fold_token(fold, buf_span(&uri));
        body = (struct span){body.at + end, body.len - end};
    }
    buf_clear(&uri);
}

static bool
only_comments_are_not_ascii(struct span body)
{
    for (size_t i = 0; i < body.len;) {
        if ((unsigned char)body.at[i] > 127)
            return false;
        i = body.at[i] == '(' ? fold_skip_comment(body, i) : i + 1;
    }
    return true;
}

static void
put_identifier(struct block *block, struct span name, struct span body)
{
    struct buf renamed = {0};
    struct fold fold;
    if (only_comments_are_not_ascii(body)) {
        fold_begin(&fold, name, block->out);
        fold_structured(&fold, body);
        fold_end(&fold);
        return;
    }
    buf_add_text(&renamed, "Downgraded-");
    buf_add_span(&renamed, name);
    fold_begin(&fold, buf_span(&renamed), block->out);
    fold_text(&fold, body);
    fold_end(&fold);
    downgrade_report(block->d, "%.*s is not ASCII: kept as %.*s", (int)name.len, name.at, (int)renamed.len,
                     renamed.at);
    buf_clear(&renamed);
}

static void
put_field(struct block *block, struct span name, struct span raw)
{
    struct fold fold;
    unfold(raw, &block->unfolded);
    struct span body = buf_span(&block->unfolded);
    if (is_identifier(name)) {
        put_identifier(block, name, body);
        return;
    }
    fold_begin(&fold, name, block->out);
    bool type = span_equal_nocase(name, SPAN("Content-Type"));
    if (type && block->how->type != NULL)
        put_type(block, &fold, body);
    else if (type || span_equal_nocase(name, SPAN("Content-Disposition")))
        downgrade_parameters(block->d, body, &fold);
    else if (holds_addresses(name))
        downgrade_addresses(block->d, body, block->how->translate, &fold);
    else if (span_equal_nocase(name, SPAN("Received")))
        put_trace(&fold, body);
    else if (holds_uris(name))
        put_uris(&fold, body);
    else if (is_structured(name))
        fold_structured(&fold, body);
    else
        fold_text(&fold, body);
    fold_end(&fold);
}

/* A line that is no field, or the beginning of one that never came to its colon. */
static void
put_line(struct block *block, struct span line)
{
    bool ascii = downgrade_is_ascii(line);
    size_t from = block->out->len;
    buf_add_span(block->out, line);
    for (size_t i = from; i < block->out->len; i++)
        if ((unsigned char)block->out->at[i] > 127)
            block->out->at[i] = '?';
    if (!ascii)
        downgrade_report(block->d, "a line of a header that is no field is not ASCII: '?' put in");
}

static struct span
field_name(struct span field)
{
    const char *colon = memchr(field.at, ':', field.len);
    struct span name = span_trim((struct span){field.at, colon != NULL ? (size_t)(colon - field.at) : 0});
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~')
            return (struct span){field.at, 0};
    return name.at == field.at ? name : (struct span){field.at, 0};
}

static bool
is_changed(struct block *block, struct span name, struct span field, struct span body)
{
    if (!downgrade_is_ascii(field) ||
        (block->how->type != NULL && span_equal_nocase(name, SPAN("Content-Type"))))
        return true;
    if (!block->how->translate || !holds_addresses(name))
        return false;
    unfold(body, &block->unfolded);
    return downgrade_translates(block->d, buf_span(&block->unfolded));
}

static void
take_field(struct block *block, struct span field)
{
    struct span name = field_name(field);
    if (name.len == 0) {
        put_line(block, field);
        return;
    }
    size_t from = block->out->len, colon = (size_t)((const char *)memchr(field.at, ':', field.len) - field.at);
    struct span body = {field.at + colon + 1, field.len - colon - 1};
    block->has_type = block->has_type || span_equal_nocase(name, SPAN("Content-Type"));
    block->has_version = block->has_version || span_equal_nocase(name, SPAN("MIME-Version"));
    if (block->how->encoding != NULL && span_equal_nocase(name, SPAN("Content-Transfer-Encoding"))) {
        if (!block->has_encoding)
            buf_printf(block->out, "%.*s: %s\n", (int)name.len, name.at, block->how->encoding);
        block->has_encoding = true;
    } else if (is_changed(block, name, field, body)) {
        put_field(block, name, body);
    } else {
        buf_add_span(block->out, field);
    }
    struct span written = {block->out->at + from, block->out->len - from};
    if (block->how->root && !span_equal(written, field))
        downgrade_field_changed(block->d, name);
}

/* ---- the block ---- */

static size_t
line_length(struct span text)
{
    const char *lf = memchr(text.at, '\n', text.len);
    return lf != NULL ? (size_t)(lf + 1 - text.at) : text.len;
}

static size_t
field_length(struct span block)
{
    size_t n = line_length(block);
    while (n < block.len && (block.at[n] == ' ' || block.at[n] == '\t'))
        n += line_length((struct span){block.at + n, block.len - n});
    return n;
}

static bool
is_empty_line(struct span block)
{
    return block.at[0] == '\n' || (block.len > 1 && block.at[0] == '\r' && block.at[1] == '\n');
}

static void
add_field(struct block *block, const char *name, const char *body)
{
    buf_printf(block->out, "%s: %s\n", name, body);
    if (block->how->root)
        downgrade_field_changed(block->d, span_of(name));
}

static void
add_missing(struct block *block)
{
    const struct downgrade_header *how = block->how;
    bool mime = how->encoding != NULL || how->add_type;
    if (block->out->len > 0 && block->out->at[block->out->len - 1] != '\n')
        buf_add_byte(block->out, '\n');
    if (how->message && mime && !block->has_version)
        add_field(block, "MIME-Version", "1.0");
    if (how->add_type && !block->has_type)
        add_field(block, "Content-Type", "text/plain; charset=unknown-8bit");
    if (how->encoding != NULL && !block->has_encoding)
        add_field(block, "Content-Transfer-Encoding", how->encoding);
}

void
downgrade_header_write(struct downgrade *d, const struct downgrade_header *how, struct span header,
                       struct buf *out)
{
    struct block block = {.d = d, .how = how, .out = out};
    while (header.len > 0 && !is_empty_line(header)) {
        size_t n = field_length(header);
        take_field(&block, (struct span){header.at, n});
        header = (struct span){header.at + n, header.len - n};
    }
    add_missing(&block);
    buf_add_span(out, header);
    buf_clear(&block.unfolded);
}
