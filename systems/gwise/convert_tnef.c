/* convert_tnef.c - a winmail.dat is opened on its way to GroupWise (see convert_out.h)
 *
 * Outlook's own format holds what a message was made of: bodies, files, messages within. Its files become files of the
 * item; its body becomes the body where the message has no other text; the messages within are shown as text files, with
 * their files beside those of the outer one. What cannot be opened stays the file that it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/header_scan.h"
#include "systems/gwise/convert_out.h"
#include "systems/gwise/html_text.h"
#include "systems/mime/mime_seek.h"
#include "systems/mime/tnef_message.h"

struct out_tnef {
    struct mime_seek *seek;
    struct tnef_source source;
    struct tnef_tree tree;
};

enum { PIECE = 64 << 10 };

bool
out_is_tnef(const struct mime_part *part)
{
    return !part->multipart && !part->raw &&
           (strcmp(part->type, "application/ms-tnef") == 0 ||
            strcmp(part->type, "application/vnd.ms-tnef") == 0 ||
            (part->name != NULL && span_equal_nocase(span_of(part->name), SPAN("winmail.dat"))));
}

/* Why a file of it cannot be sent; NULL where it can. */
static const char *
refusal(const struct tnef_attachment *attachment)
{
    if (attachment->kind == TNEF_REFERENCE)
        return "it is a link, not a file";
    if (attachment->kind == TNEF_OLE)
        return "it is an embedded object, which only Outlook can show";
    return attachment->kind == TNEF_FILE && attachment->data.bytes == 0 ? "it is empty" : NULL;
}

static const char *
name_of(const struct tnef_attachment *attachment, size_t number, char numbered[40])
{
    snprintf(numbered, 40, "file-%zu.bin", number);
    return attachment->name != NULL && attachment->name[0] != '\0' ? attachment->name : numbered;
}

/* Said before the body is written, since it stands there too. */
static void
tell_left_out(struct out_item *item, const struct tnef_tree *tree)
{
    char numbered[40];
    for (size_t i = 0; i < tree->n_attachments; i++) {
        const struct tnef_attachment *attachment = &tree->attachments[i];
        const char *why = refusal(attachment), *name = name_of(attachment, i + 1, numbered);
        if (why == NULL)
            continue;
        gwise_report(item->out, "the file %.200s of the winmail.dat is left out: %s", name, why);
        buf_printf(&item->after, "[The file %.200s could not be sent: %s.]\n", name, why);
    }
}

struct out_tnef *
out_tnef_open(struct out_item *item, const struct mime_part *part)
{
    struct out_tnef *tnef = xcalloc(1, sizeof *tnef);
    struct why why = {"", ""};
    tnef->seek = mime_seek_new(item->in->read, item->in->arg, part);
    tnef->source = (struct tnef_source){.read = mime_seek_read, .arg = tnef->seek};
    int r = mime_seek_bytes(tnef->seek, &tnef->source.place.bytes);
    if (r == 0)
        r = tnef_gather(&tnef->source, &tnef->tree, &why);
    if (r != 0 && r != -EINVAL) /* not to be read now */
        item->read_error = r;
    if (r == -EINVAL)
        gwise_report(item->out, "the winmail.dat is damaged: %s", why.text);
    bool something = tnef->tree.n_messages > 0 && (tnef->tree.n_attachments > 0 || out_tnef_has_body(tnef));
    if (r == 0 || (r == -EINVAL && something)) {
        tell_left_out(item, &tnef->tree);
        return tnef;
    }
    out_tnef_free(tnef);
    return NULL;
}

void
out_tnef_free(struct out_tnef *tnef)
{
    if (tnef == NULL)
        return;
    tnef_tree_clear(&tnef->tree);
    mime_seek_free(tnef->seek);
    free(tnef);
}

/* ---- bodies ---- */

static const struct tnef_body *
best_body(const struct tnef_message *message)
{
    if (message->text.kind != TNEF_NO_BODY && message->text.place.bytes > 0)
        return &message->text;
    if (message->html.kind != TNEF_NO_BODY && message->html.place.bytes > 0)
        return &message->html;
    return message->rtf.kind != TNEF_NO_BODY && message->rtf.place.bytes > 0 ? &message->rtf : NULL;
}

bool
out_tnef_has_body(const struct out_tnef *tnef)
{
    return best_body(&tnef->tree.messages[0]) != NULL;
}

struct reading {
    struct out_item *item;
    void (*add)(struct out_item *item, struct span utf8);
    struct html_text html;
    bool html_begun;
    struct buf text;
};

static int
take_body(void *arg, bool html, struct span utf8)
{
    struct reading *reading = arg;
    if (!html) {
        reading->add(reading->item, utf8);
        return 0;
    }
    reading->html_begun = true;
    html_text_feed(&reading->html, utf8.at, utf8.len, &reading->text);
    reading->add(reading->item, buf_span(&reading->text));
    buf_reset(&reading->text);
    return 0;
}

static void
read_body(struct out_item *item, const struct out_tnef *tnef, const struct tnef_message *message,
          void (*add)(struct out_item *item, struct span utf8))
{
    struct reading reading = {.item = item, .add = add};
    const struct tnef_body *body = best_body(message);
    struct why why = {"", ""};
    if (body == NULL)
        return;
    html_text_start(&reading.html);
    int r = tnef_read_body(&tnef->source, body, take_body, &reading, &why);
    if (reading.html_begun) {
        html_text_end(&reading.html, &reading.text);
        add(item, buf_span(&reading.text));
    }
    if (r == -EINVAL)
        gwise_report(item->out, "a body in the winmail.dat is damaged: %s", why.text);
    else if (r < 0)
        item->read_error = r;
    buf_clear(&reading.text);
}

void
out_tnef_body(struct out_item *item, const struct out_tnef *tnef)
{
    gwise_report(item->out, "the body is that of the winmail.dat, as plain text");
    read_body(item, tnef, &tnef->tree.messages[0], out_add_text);
}

/* ---- files ---- */

static void
add_octets(struct out_item *item, const struct out_tnef *tnef, struct tnef_place place)
{
    char *bytes = xmalloc(PIECE);
    for (uint64_t at = 0; at < place.bytes && item->read_error == 0 && item->writer.error == 0;) {
        size_t want = place.bytes - at < PIECE ? (size_t)(place.bytes - at) : PIECE;
        ssize_t n = tnef->source.read(tnef->source.arg, place.offset + at, bytes, want);
        if (n <= 0) {
            item->read_error = n < 0 ? (int)n : -EIO;
            break;
        }
        out_add_octets(item, (struct span){bytes, (size_t)n});
        at += (uint64_t)n;
    }
    free(bytes);
}

static void
write_attachment(struct out_item *item, const struct out_tnef *tnef, const struct tnef_attachment *attachment,
                 size_t number)
{
    char numbered[40];
    if (refusal(attachment) != NULL)
        return;
    out_begin_file(item);
    add_octets(item, tnef, attachment->data);
    out_end_file(item, span_of(name_of(attachment, number, numbered)));
}

static void
add_field(struct out_item *item, const char *label, const char *text)
{
    struct buf line = {0};
    if (text == NULL || *text == '\0')
        return;
    buf_printf(&line, "%s: %s\n", label, text);
    out_add_file_text(item, buf_span(&line));
    buf_clear(&line);
}

/* A message within: who, when, what, as a text file. */
static void
write_message(struct out_item *item, const struct out_tnef *tnef, const struct tnef_message *message)
{
    struct buf name = {0};
    char date[40];
    buf_printf(&name, "%.80s.txt",
               message->subject != NULL && message->subject[0] != '\0' ? message->subject : "message");
    out_begin_file(item);
    add_field(item, "From", message->sender_name != NULL ? message->sender_name : message->sender_address);
    add_field(item, "Subject", message->subject);
    if (message->sent_s != TNEF_NOT_GIVEN) {
        header_date(message->sent_s, date);
        add_field(item, "Date", date);
    }
    out_add_file_text(item, SPAN("\n"));
    read_body(item, tnef, message, out_add_file_text);
    out_end_file(item, buf_span(&name));
    gwise_report(item->out, "a message within the winmail.dat is sent as the text file %s", name.at);
    buf_clear(&name);
}

void
out_tnef_files(struct out_item *item, const struct out_tnef *tnef)
{
    const struct tnef_tree *tree = &tnef->tree;
    for (size_t i = 0; i < tree->n_attachments && item->read_error == 0 && item->writer.error == 0; i++) {
        const struct tnef_attachment *attachment = &tree->attachments[i];
        if (attachment->kind == TNEF_ATTACHED_MESSAGE && attachment->embedded >= 0)
            write_message(item, tnef, &tree->messages[attachment->embedded]);
        else if (attachment->kind == TNEF_ATTACHED_MESSAGE)
            gwise_report(item->out, "a message within the winmail.dat is left out: it lies too deep");
        else
            write_attachment(item, tnef, attachment, i + 1);
    }
    if (tree->too_many)
        gwise_report(item->out, "the winmail.dat holds more than can be read, its end is left out");
    if (tree->wrong_sums > 0)
        gwise_report(item->out,
                     "%llu checksums in the winmail.dat are wrong, what they stand for may be damaged",
                     (unsigned long long)tree->wrong_sums);
}
