/* convert_message.c - the Internet message that an item of GroupWise becomes (see convert.h)
 *
 * A text body in UTF-8 (7bit where it is ASCII with short lines, else quoted-printable), alone or as the first
 * part of a multipart/mixed whose other parts are the files in base 64. Files are matched by Current-File, or
 * by Original-File where the gateway stored them under that; what nobody named is attached too, since it came
 * with the item.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"
#include "systems/gwise/choices.h"
#include "systems/gwise/convert_in.h"
#include "systems/mime/mime_decode.h"
#include "systems/mime/mime_header.h"

enum { PIECE = 32 << 10, FILES_MAX = 5000 };

static void
flush(struct in_item *item)
{
    if (item->error == 0 && item->piece.len > 0)
        item->error = item->out->write(item->out->arg, item->piece.at, item->piece.len);
    buf_reset(&item->piece);
}

/* Reads a part's octets again, from its place. */
static void
each_piece(struct in_item *item, const struct in_part *part, void (*take)(void *, struct span), void *arg)
{
    struct container_reader *reader = xcalloc(1, sizeof *reader);
    struct container_item *piece = xcalloc(1, sizeof *piece);
    container_open(reader, item->in->read, item->in->arg);
    container_seek(reader, part->position);
    while (item->error == 0 && container_next(reader, piece, NULL) == CONTAINER_DATA)
        take(arg, piece->data);
    free(reader);
    free(piece);
}

/* ---- the body ---- */

/* What there is to read, one after the other. */
struct reading {
    struct buf words;
    const struct in_part *body;
};

struct text {
    struct in_item *item;
    bool measuring, plain; /* plain: ASCII, lines short, none that could be a boundary */
    bool mid_line;         /* the text does not end its last line */
    size_t column, marked; /* marked: octets at the line's start that begin a boundary of ours */
    struct buf utf8;
    struct mime_quoter quoter;
};

static void
measure(struct text *text, struct span utf8)
{
    for (size_t i = 0; i < utf8.len; i++) {
        static const char mark[] = "--=_";
        unsigned char c = (unsigned char)utf8.at[i];
        text->marked = text->marked == text->column && text->column < 4 && (char)c == mark[text->column]
                           ? text->marked + 1
                           : 0;
        text->column = c == '\n' ? 0 : text->column + 1;
        if (c >= 0x80 || c == 0 || text->column > 900 || text->marked == 4)
            text->plain = false;
    }
}

static void
add_text(struct text *text, struct span utf8)
{
    if (text->measuring)
        measure(text, utf8);
    else if (text->plain)
        buf_add_span(&text->item->piece, utf8);
    else
        mime_quote(&text->quoter, utf8.at, utf8.len, &text->item->piece);
    if (text->item->piece.len >= PIECE)
        flush(text->item);
}

static void
take_text(void *arg, struct span bytes)
{
    struct text *text = arg;
    struct buf lines = {0};
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != '\r')
            buf_add_byte(&lines, bytes.at[i]);
    buf_reset(&text->utf8);
    codepage_decode(text->item->codepage, buf_span(&lines), &text->utf8);
    add_text(text, buf_span(&text->utf8));
    buf_clear(&lines);
}

static void
pass_body(struct text *text, const struct reading *reading)
{
    text->column = 0;
    add_text(text, buf_span(&reading->words));
    if (reading->body != NULL)
        each_piece(text->item, reading->body, take_text, text);
    if (text->item->comment != NULL) {
        add_text(text, SPAN("\n"));
        each_piece(text->item, text->item->comment, take_text, text);
    }
    if (!text->measuring)
        mime_quote_end(&text->quoter, &text->item->piece);
    if (text->measuring)
        text->mid_line = text->column > 0;
    else if (text->mid_line)
        buf_add_byte(&text->item->piece, '\n');
}

static void
write_body(struct in_item *item, const struct reading *reading)
{
    struct text text = {.item = item, .measuring = true, .plain = true};
    pass_body(&text, reading);
    text.measuring = false;
    buf_add_text(&item->piece, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: ");
    buf_add_text(&item->piece, text.plain ? "7bit\n\n" : "quoted-printable\n\n");
    pass_body(&text, reading);
    buf_clear(&text.utf8);
}

/* ---- files ---- */

struct encoding {
    struct in_item *item;
    char rest[57];
    size_t n_rest;
};

static void
add_line(struct encoding *encoding)
{
    if (encoding->n_rest == 0)
        return;
    mime_encode_base64(encoding->rest, encoding->n_rest, &encoding->item->piece);
    buf_add_byte(&encoding->item->piece, '\n');
    encoding->n_rest = 0;
    if (encoding->item->piece.len >= PIECE)
        flush(encoding->item);
}

static void
take_octets(void *arg, struct span bytes)
{
    struct encoding *encoding = arg;
    while (bytes.len > 0) {
        size_t n = sizeof encoding->rest - encoding->n_rest;
        if (n > bytes.len)
            n = bytes.len;
        memcpy(encoding->rest + encoding->n_rest, bytes.at, n);
        encoding->n_rest += n;
        bytes.at += n;
        bytes.len -= n;
        if (encoding->n_rest == sizeof encoding->rest)
            add_line(encoding);
    }
}

static void
write_file(struct in_item *item, const struct in_part *part, struct span shown, const char *boundary)
{
    struct encoding encoding = {.item = item};
    struct buf name = {0};
    gwise_file_name(shown, &name);
    buf_printf(&item->piece, "\n--%s\nContent-Type: %s", boundary, gwise_type_of_name(buf_span(&name)));
    mime_put_parameter(&item->piece, "name", buf_span(&name));
    buf_add_text(&item->piece, "\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment");
    mime_put_parameter(&item->piece, "filename", buf_span(&name));
    buf_add_text(&item->piece, "\n\n");
    each_piece(item, part, take_octets, &encoding);
    add_line(&encoding);
    buf_clear(&name);
}

/* Names in a header and on the disk of a gateway: the same but for case, and for the code page. */
static struct in_part *
part_named(struct in_item *item, struct span name)
{
    for (size_t i = 0; i < item->n_parts && name.len > 0; i++)
        if (item->parts[i].kind == PART_FILE && !item->parts[i].used &&
            (span_equal_nocase(span_of(item->parts[i].shown), name) ||
             span_equal_nocase(span_of(item->parts[i].name), name)))
            return &item->parts[i];
    return NULL;
}

/* Whether an element of Attach-File is the comment that was taken for text. */
static bool
is_comment(const struct in_item *item, const struct api_item *element)
{
    struct span name = span_of(gwise_words.comments_file);
    return item->comment != NULL && (span_equal_nocase(api_text(element, "Original-File"), name) ||
                                     span_equal_nocase(api_text(element, "Current-File"), name));
}

/* Of an appointment: the comment that gateways attach to it, under its name, or under one that Attach-File explains. */
static void
find_comment(struct in_item *item)
{
    const struct api_item *list = api_find(&item->file.root, "Attach-File");
    struct span name = span_of(gwise_words.comments_file);
    struct in_part *part = item->kind == IN_APPOINTMENT ? part_named(item, name) : NULL;
    for (const struct api_item *e = list != NULL ? list->children : NULL;
         e != NULL && part == NULL && item->kind == IN_APPOINTMENT; e = e->next)
        if (span_equal_nocase(api_text(e, "Original-File"), name))
            part = part_named(item, api_text(e, "Current-File"));
    if (part != NULL)
        part->used = true;
    item->comment = part;
}

/* Whether any came, or should have. */
static bool
has_files(const struct in_item *item)
{
    const struct api_item *list = api_find(&item->file.root, "Attach-File");
    for (const struct api_item *e = list != NULL ? list->children : NULL; e != NULL; e = e->next)
        if (!is_comment(item, e))
            return true;
    for (size_t i = 0; i < item->n_parts; i++)
        if (item->parts[i].kind == PART_FILE && !item->parts[i].used)
            return true;
    return false;
}

static void
write_files(struct in_item *item, const char *boundary)
{
    const struct api_item *list = api_find(&item->file.root, "Attach-File");
    struct span body = api_text(&item->file.root, "Msg-File");
    size_t n = 0;
    for (; list != NULL; list = api_find_next(list))
        for (const struct api_item *e = list->children; e != NULL && item->error == 0 && n < FILES_MAX;
             e = e->next, n++) {
            struct span current = api_text(e, "Current-File"), original = api_text(e, "Original-File");
            struct in_part *part = part_named(item, current.len > 0 ? current : original);
            if (part == NULL && ((current.len > 0 && span_equal_nocase(current, body)) || is_comment(item, e)))
                continue; /* the body once more */
            if (part == NULL) {
                gwise_report(item->out, "the file %.*s did not come with the item",
                             (int)(original.len < 200 ? original.len : 200), original.at);
                continue;
            }
            part->used = true;
            write_file(item, part, original.len > 0 ? original : current, boundary);
        }
    for (size_t i = 0; i < item->n_parts && item->error == 0; i++)
        if (item->parts[i].kind == PART_FILE && !item->parts[i].used)
            write_file(item, &item->parts[i], span_of(item->parts[i].shown), boundary);
    buf_printf(&item->piece, "\n--%s--\n", boundary);
}

void
in_boundary(const struct in_item *item, char boundary[60])
{
    /* "--=_" begins no line of a quoted-printable or base 64 text, and a body that has such a line is not sent as 7bit. */
    struct span id = api_text(&item->file.root, "Msg-Id");
    snprintf(boundary, 60, "=_gwise_%08x_%016llx", crc32c(0, id.at, id.len), (unsigned long long)time_ms());
}

struct description {
    struct in_item *item;
    struct buf text;
    bool cut;
};

static void
take_description(void *arg, struct span bytes)
{
    enum { DESCRIPTION_MAX = 64 << 10 };
    struct description *description = arg;
    struct buf lines = {0};
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != '\r')
            buf_add_byte(&lines, bytes.at[i]);
    description->cut = description->cut || description->text.len > DESCRIPTION_MAX;
    if (!description->cut)
        codepage_decode(description->item->codepage, buf_span(&lines), &description->text);
    buf_clear(&lines);
}

/* The text alone, or, of what has a calendar, both as forms of the same. */
static void
write_text(struct in_item *item, const struct reading *reading)
{
    struct description description = {.item = item};
    char boundary[60];
    if (item->meeting == NULL) {
        write_body(item, reading);
        return;
    }
    in_boundary(item, boundary);
    boundary[2] = 'a'; /* neither of the two boundaries begins like the other */
    buf_printf(&item->piece, "Content-Type: multipart/alternative; boundary=\"%s\"\n\n--%s\n", boundary,
               boundary);
    write_body(item, reading);
    if (reading->body != NULL)
        each_piece(item, reading->body, take_description, &description);
    if (item->comment != NULL) {
        buf_add_byte(&description.text, '\n');
        each_piece(item, item->comment, take_description, &description);
    }
    if (description.cut)
        gwise_report(item->out, "the text is cut in the calendar, and whole in the message");
    buf_printf(&item->piece, "\n--%s\n", boundary);
    in_write_calendar(item, buf_span(&description.text));
    buf_printf(&item->piece, "\n--%s--\n", boundary);
    buf_clear(&description.text);
}

static void
write_item(struct in_item *item)
{
    struct reading reading = {.body = NULL};
    char boundary[60];
    for (size_t i = 0; i < item->n_parts && reading.body == NULL; i++)
        if (item->parts[i].kind == PART_BODY)
            reading.body = &item->parts[i];
    find_comment(item);
    in_words(item, &reading.words);
    in_header(item, &item->piece);
    buf_add_text(&item->piece, "MIME-Version: 1.0\n");
    if (has_files(item)) {
        in_boundary(item, boundary);
        buf_printf(&item->piece, "Content-Type: multipart/mixed; boundary=\"%s\"\n\n--%s\n", boundary,
                   boundary);
        write_text(item, &reading);
        write_files(item, boundary);
    } else {
        write_text(item, &reading);
    }
    buf_clear(&reading.words);
}

int
in_write_message(struct in_item *item)
{
    if (item->notice.kind != NOTICE_NONE)
        in_write_notice(item);
    else
        write_item(item);
    flush(item);
    return item->error;
}
