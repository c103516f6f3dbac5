/* convert_out.c - an Internet message becomes an item for a GroupWise API gateway (see convert.h)
 *
 * The message is walked once to learn its structure (mime_walk.h), then the body and each file are decoded from
 * their ranges straight into the container; the header file comes last, since it tells the files' sizes. A part
 * that the plan leaves out is named in the report; nothing else is.
 *
 * What is hostile here: the message. Memory is bounded by the walker's limits and pieces of 64 KiB.
 */
#include "systems/gwise/convert_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "systems/gwise/html_text.h"

enum { PIECE = 64 << 10 };

static void
write_header(struct out_item *item, const struct buf *header)
{
    struct buf encoded = {0};
    item->changed += codepage_encode(item->codepage, buf_span(header), item->how, &encoded);
    container_part(&item->writer, PART_HEADER, SPAN("api"));
    for (size_t at = 0; at < encoded.len; at += PIECE)
        container_add(&item->writer, encoded.at + at, encoded.len - at < PIECE ? encoded.len - at : PIECE);
    container_part_end(&item->writer);
    buf_clear(&encoded);
}

static int
write_status(struct out_item *item, const struct buf *header)
{
    container_begin(&item->writer, item->out->write, item->out->arg);
    write_header(item, header);
    return container_end(&item->writer);
}

/* Body and files, then the header, which tells their sizes. */
static int
write_mail(struct out_item *item, struct buf *header, struct viaduct_reason *reason)
{
    int result = container_begin(&item->writer, item->out->write, item->out->arg);
    if (result == 0)
        result = out_write_body(item);
    if (result == 0)
        result = out_write_files(item);
    buf_reset(header);
    if (result == 0 && out_header(item, header, reason)) {
        write_header(item, header);
        result = container_end(&item->writer);
    }
    return result;
}

static enum viaduct_converted
convert(struct out_item *item, struct buf *header, struct viaduct_reason *reason)
{
    int result = mime_walk(item->in->read, item->in->arg, &item->tree);
    if (result < 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "the message cannot be read: %s",
                          strerror(-result));
    bool status = out_status(item, header);
    if (!status) {
        out_plan(item);
        out_meeting_find(item);
        status = out_meeting_status(item, header);
    }
    if (!status) {
        out_meeting_words(item);
        out_words(item);
    }
    /* A first try without sizes: what cannot be expressed is to be known before anything is written. */
    if (!status && !out_header(item, header, reason))
        return VIADUCT_CONVERT_REFUSED;
    result = status ? write_status(item, header) : write_mail(item, header, reason);
    if (item->changed > 0)
        gwise_report(item->out, "%llu characters are not in the gateway's code page and were replaced",
                     (unsigned long long)item->changed);
    if (result != 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "the item cannot be written: %s",
                          strerror(abs(result)));
    if (!status && out_keep(item, reason) < 0)
        return VIADUCT_CONVERT_BAD; /* the reason is one to wait */
    return VIADUCT_CONVERTED;
}

enum viaduct_converted
gwise_to_foreign(const struct viaduct_convert_in *in, const struct viaduct_convert_out *out,
                 struct viaduct_reason *reason)
{
    struct out_item item = {.in = in, .out = out};
    item.codepage = gwise_codepage(in, &item.how, reason);
    if (item.codepage == NULL)
        return VIADUCT_CONVERT_BAD;
    struct buf header = {0};
    item.site = gwise_site(in, reason);
    enum viaduct_converted result = item.site != NULL ? convert(&item, &header, reason) : VIADUCT_CONVERT_BAD;
    buf_clear(&header);
    for (size_t i = 0; i < item.n_files; i++)
        free(item.files[i].name);
    free(item.files);
    for (size_t i = 0; item.parts != NULL && i < item.tree.n; i++)
        out_tnef_free(item.parts[i].tnef);
    free(item.parts);
    out_meeting_free(&item);
    calendar_zone_free(item.site);
    mime_tree_clear(&item.tree);
    buf_clear(&item.before);
    buf_clear(&item.after);
    buf_clear(&item.piece);
    codepage_free(item.codepage);
    return result;
}

/* ---- decoding a part's range ---- */

void
out_decode_part(struct out_item *item, const struct mime_part *part, bool (*take)(void *, struct span),
                void *arg)
{
    struct mime_decoder decoder;
    struct buf decoded = {0};
    char *bytes = xmalloc(PIECE);
    bool going = true;
    mime_decoder_start(&decoder, part->encoding);
    for (uint64_t at = part->start; at < part->end && going;) {
        size_t want = part->end - at < PIECE ? (size_t)(part->end - at) : PIECE;
        ssize_t got = item->in->read(item->in->arg, at, bytes, want);
        if (got <= 0) {
            item->read_error = got < 0 ? (int)got : -EIO;
            break;
        }
        at += (uint64_t)got;
        buf_reset(&decoded);
        mime_decode(&decoder, bytes, (size_t)got, &decoded);
        if (at >= part->end)
            mime_decode_end(&decoder, &decoded);
        going = decoded.len == 0 || take(arg, buf_span(&decoded));
    }
    free(bytes);
    buf_clear(&decoded);
}

static void
flush_piece(struct out_item *item)
{
    if (item->piece.len > 0)
        container_add(&item->writer, item->piece.at, item->piece.len);
    buf_reset(&item->piece);
}

/* ---- the body ---- */

struct body {
    struct out_item *item;
    struct charset *charset;
    bool is_html;
    struct html_text html;
    struct buf utf8, text;
};

static bool
is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* UTF-8 with LF as the gateway takes it: CRLF, code page, no control characters (0x1a ends a text file in DOS). Returns the
 * last octet of the text. */
static char
encode_text(struct out_item *item, struct span text)
{
    struct buf clean = {0};
    buf_reserve(&clean, text.len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '\n')
            buf_add_byte(&clean, '\r');
        if (c != '\r')
            buf_add_byte(&clean, is_control(c) ? ' ' : c);
        item->changed += is_control(c);
    }
    char last = clean.len > 0 ? clean.at[clean.len - 1] : '\0';
    item->changed += codepage_encode(item->codepage, buf_span(&clean), item->how, &item->piece);
    buf_clear(&clean);
    return last;
}

void
out_add_text(struct out_item *item, struct span text)
{
    char last = encode_text(item, text);
    item->body_begun = item->body_begun || last != '\0';
    item->mid_line = last != '\0' ? last != '\n' : item->mid_line;
    if (item->piece.len >= PIECE)
        flush_piece(item);
}

static void
pass_text(struct body *body)
{
    if (body->is_html) {
        html_text_feed(&body->html, body->utf8.at, body->utf8.len, &body->text);
        out_add_text(body->item, buf_span(&body->text));
        buf_reset(&body->text);
    } else {
        out_add_text(body->item, buf_span(&body->utf8));
    }
    buf_reset(&body->utf8);
}

static bool
take_body(void *arg, struct span bytes)
{
    struct body *body = arg;
    charset_feed(body->charset, bytes.at, bytes.len, &body->utf8);
    pass_text(body);
    return body->item->writer.error == 0;
}

static void
write_body_part(struct out_item *item, const struct mime_part *part)
{
    struct body body = {.item = item, .is_html = strcmp(part->type, "text/html") == 0};
    body.charset = charset_new(span_of(part->charset));
    html_text_start(&body.html);
    if (body.is_html)
        gwise_report(item->out, "the HTML body is sent as plain text");
    if (!charset_known(body.charset))
        gwise_report(item->out, "the character set %s is unknown, its text was guessed", part->charset);
    if (item->body_begun)
        out_add_text(item, SPAN("\n"));
    out_decode_part(item, part, take_body, &body);
    charset_end(body.charset, &body.utf8);
    pass_text(&body);
    if (body.is_html) {
        html_text_end(&body.html, &body.text);
        out_add_text(item, buf_span(&body.text));
    }
    if (item->mid_line)
        out_add_text(item, SPAN("\n")); /* the last one was the boundary's */
    if (charset_faults(body.charset) > 0)
        gwise_report(item->out, "%llu octets of the body are not in the character set it names",
                     (unsigned long long)charset_faults(body.charset));
    charset_free(body.charset);
    buf_clear(&body.utf8);
    buf_clear(&body.text);
}

static void
write_body(struct out_item *item, size_t index)
{
    if (item->parts[index].tnef == NULL) {
        write_body_part(item, &item->tree.parts[index]);
        return;
    }
    if (item->body_begun)
        out_add_text(item, SPAN("\n"));
    out_tnef_body(item, item->parts[index].tnef);
    if (item->mid_line)
        out_add_text(item, SPAN("\n"));
}

static bool
note_octet(void *arg, struct span bytes)
{
    *(bool *)arg = bytes.len == 0;
    return false;
}

/* The gateway drops a message with an empty file without a word: such files are not sent. */
static bool
is_empty_file(struct out_item *item, const struct mime_part *part)
{
    bool empty = true;
    out_decode_part(item, part, note_octet, &empty);
    return empty;
}

static void
file_name(const struct out_item *item, size_t index, struct buf *name)
{
    const struct mime_part *part = &item->tree.parts[index];
    if (item->parts[index].name != NULL)
        buf_add_text(name, item->parts[index].name);
    else if (part->name != NULL)
        gwise_file_name(span_of(part->name), name);
    else
        buf_printf(name, "part-%zu%s", index, part->raw ? ".eml" : gwise_extension_of_type(part->type));
}

static void
leave_out_empty(struct out_item *item)
{
    for (size_t i = 0; i < item->tree.n; i++) {
        struct buf name = {0};
        if (!item->parts[i].file || item->parts[i].whole || !is_empty_file(item, &item->tree.parts[i]))
            continue;
        item->parts[i].file = false;
        file_name(item, i, &name);
        gwise_report(item->out, "the file %s is empty and not sent", name.at);
        buf_printf(&item->after, "[The attached file %s was empty.]\n", name.at);
        buf_clear(&name);
    }
}

int
out_write_body(struct out_item *item)
{
    leave_out_empty(item);
    container_part(&item->writer, PART_BODY, SPAN("bdy"));
    out_add_text(item, buf_span(&item->before));
    for (size_t i = 0; i < item->tree.n; i++)
        if (item->parts[i].body)
            write_body(item, i);
    out_meeting_body(item);
    out_add_text(item, buf_span(&item->after));
    if (!item->body_begun)
        out_add_text(item, SPAN("\n")); /* a body of no octets makes the gateway drop the message */
    flush_piece(item);
    container_part_end(&item->writer);
    return item->read_error != 0 ? item->read_error : item->writer.error;
}

/* ---- files ---- */

void
out_begin_file(struct out_item *item)
{
    char extension[8];
    snprintf(extension, sizeof extension, "%03zu", item->n_files + 1);
    container_part(&item->writer, PART_FILE, span_of(extension));
    item->file_bytes = 0;
}

void
out_add_octets(struct out_item *item, struct span octets)
{
    buf_add_span(&item->piece, octets);
    item->file_bytes += octets.len;
    if (item->piece.len >= PIECE)
        flush_piece(item);
}

void
out_add_file_text(struct out_item *item, struct span utf8)
{
    size_t before = item->piece.len;
    encode_text(item, utf8);
    item->file_bytes += item->piece.len - before;
    if (item->piece.len >= PIECE)
        flush_piece(item);
}

void
out_end_file(struct out_item *item, struct span name)
{
    struct buf clean = {0};
    if (item->file_bytes == 0)
        out_add_octets(item, SPAN("\r\n"));
    flush_piece(item);
    container_part_end(&item->writer);
    gwise_file_name(name, &clean);
    item->files = xrealloc(item->files, (item->n_files + 1) * sizeof *item->files);
    item->files[item->n_files++] = (struct out_file){clean.at, item->file_bytes};
}

struct file {
    struct out_item *item;
    bool lines; /* text in transport form: its lines end in CRLF */
};

static bool
take_file(void *arg, struct span bytes)
{
    struct file *file = arg;
    struct buf text = {0};
    for (size_t i = 0; file->lines && i < bytes.len; i++) {
        if (bytes.at[i] == '\n')
            buf_add_byte(&text, '\r');
        if (bytes.at[i] != '\r')
            buf_add_byte(&text, bytes.at[i]);
    }
    out_add_octets(file->item, file->lines ? buf_span(&text) : bytes);
    buf_clear(&text);
    return file->item->writer.error == 0;
}

static void
write_file(struct out_item *item, size_t index)
{
    struct mime_part copy = item->tree.parts[index], *part = &copy;
    struct file file = {.item = item};
    struct buf name = {0};
    if (item->parts[index].whole) { /* with its header, as it came: what is signed or encrypted stays so */
        part->start = part->header_start;
        part->end = part->whole_end;
        part->encoding = MIME_IDENTITY;
        part->raw = true;
    }
    file.lines = part->raw || (part->encoding != MIME_BASE64 && (strncmp(part->type, "text/", 5) == 0 ||
                                                                 strncmp(part->type, "message/", 8) == 0));
    out_begin_file(item);
    out_decode_part(item, part, take_file, &file);
    file_name(item, index, &name);
    if (item->parts[index].name == NULL && part->name != NULL && strcmp(name.at, part->name) != 0)
        gwise_report(item->out, "the name of the file %s is sent as %s", part->name, name.at);
    out_end_file(item, buf_span(&name));
    buf_clear(&name);
}

int
out_write_files(struct out_item *item)
{
    for (size_t i = 0; i < item->tree.n && item->read_error == 0 && item->writer.error == 0; i++)
        if (item->parts[i].tnef != NULL)
            out_tnef_files(item, item->parts[i].tnef);
        else if (item->parts[i].file)
            write_file(item, i);
    return item->read_error != 0 ? item->read_error : item->writer.error;
}
