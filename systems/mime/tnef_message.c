/* tnef_message.c - messages gathered from TNEF (see tnef_message.h)
 *
 * The tree is its own list of what is to be done: a message that is attached is added behind, and read when its
 * turn comes. So there is no recursion, and no message is in hand twice.
 */
#include "systems/mime/tnef_message.h"

#include <errno.h>
#include <stdlib.h>

#include "systems/mime/tnef_field.h"
#include "systems/mime/tnef_gather.h"

enum { BODY = 0x1000, RTF_COMPRESSED = 0x1009, BODY_HTML = 0x1013, ATTACH_DATA = 0x3701 };
enum { BY_REFERENCE = 2, BY_REFERENCE_ONLY = 4, BY_MESSAGE = 5, BY_OLE = 6, RENDERED_OLE = 2 };

static void *
grow(void *array, size_t n, size_t size)
{
    return (n & (n - 1)) != 0 ? array : xrealloc(array, (n > 0 ? n * 2 : 1) * size); /* at each power of two */
}

static struct tnef_message *
add_message(struct tnef_tree *tree, struct tnef_place place)
{
    tree->messages = grow(tree->messages, tree->n_messages, sizeof *tree->messages);
    struct tnef_message *message = &tree->messages[tree->n_messages++];
    memset(message, 0, sizeof *message);
    message->parent = message->attachment = -1;
    message->place = place;
    tnef_fields_begin(message, TNEF_IN_MESSAGE, TNEF_IN_MEETING);
    return message;
}

/* ---- texts ---- */

int
tnef_gather_text(struct tnef_gathering *gathering, struct tnef_place place, const char *charset, char **text)
{
    struct tnef_tree *tree = gathering->tree;
    struct buf utf8 = {0};
    int error = tnef_read_text(&gathering->source, place, charset, &utf8);
    tree->too_long = tree->too_long || place.bytes > TNEF_TEXT_MAX;
    if (*text != NULL)
        tree->text_bytes -= strlen(*text);
    free(*text);
    *text = NULL;
    if (tree->text_bytes + utf8.len > TNEF_TEXTS_MAX)
        tree->too_long = true;
    else if (utf8.len > 0)
        *text = xstrndup(utf8.at, utf8.len);
    tree->text_bytes += *text != NULL ? strlen(*text) : 0;
    buf_clear(&utf8);
    return error;
}

/* ---- properties ---- */

static const char *
charset_of(const struct tnef_gathering *gathering, const struct tnef_property *property)
{
    return property->type == TNEF_UNICODE ? "UTF-16LE" : gathering->octets;
}

static bool
is_text(const struct tnef_property *property)
{
    return property->type == TNEF_UNICODE || property->type == TNEF_STRING8;
}

/* A property of another type than its field's is no value of it. */
static int
gather_field(struct tnef_gathering *gathering, void *structure, const struct tnef_property *property)
{
    const struct tnef_field *field = tnef_field_of(property);
    if (field == NULL || property->index > 0)
        return 0;
    bool number = property->type == TNEF_I2 || property->type == TNEF_I4 || property->type == TNEF_I8 ||
                  property->type == TNEF_BOOLEAN;
    if (field->kind == TNEF_FIELD_TEXT && is_text(property))
        return tnef_gather_text(gathering, property->value, charset_of(gathering, property),
                                tnef_field_text(structure, field));
    if ((field->kind == TNEF_FIELD_NUMBER && number) ||
        (field->kind == TNEF_FIELD_TIME && property->type == TNEF_SYSTIME))
        *tnef_field_number(structure, field) = tnef_number(property);
    if (field->kind == TNEF_FIELD_PLACE && property->type == TNEF_BINARY)
        *tnef_field_place(structure, field) = property->value;
    return 0;
}

/* The character set of a body of octets is settled at the message's end: its number may come behind. */
static void
gather_body(struct tnef_message *message, const struct tnef_property *property)
{
    struct tnef_body body = {.place = property->value};
    if (property->multiple || property->named)
        return;
    if (property->type == TNEF_UNICODE)
        memcpy(body.charset, "UTF-16LE", sizeof "UTF-16LE");
    if (property->id == BODY && is_text(property)) {
        body.kind = TNEF_BODY_TEXT;
        message->text = body;
    } else if (property->id == BODY_HTML && (is_text(property) || property->type == TNEF_BINARY)) {
        body.kind = TNEF_BODY_HTML;
        message->html = body;
    } else if (property->id == RTF_COMPRESSED && property->type == TNEF_BINARY) {
        body.kind = TNEF_BODY_RTF;
        message->rtf = body;
    }
}

static struct tnef_recipient *
recipient_of(struct tnef_gathering *gathering, uint32_t row)
{
    struct tnef_tree *tree = gathering->tree;
    if (gathering->row != row) {
        gathering->row = row;
        gathering->recipient = -1;
        tree->too_many = tree->too_many || tree->n_recipients == TNEF_RECIPIENTS_MAX;
        if (tree->n_recipients < TNEF_RECIPIENTS_MAX) {
            tree->recipients = grow(tree->recipients, tree->n_recipients, sizeof *tree->recipients);
            struct tnef_recipient *recipient = &tree->recipients[tree->n_recipients];
            memset(recipient, 0, sizeof *recipient);
            tnef_fields_begin(recipient, TNEF_IN_RECIPIENT, TNEF_IN_RECIPIENT);
            recipient->message = gathering->message;
            gathering->recipient = (int)tree->n_recipients++;
        }
    }
    return gathering->recipient >= 0 ? &tree->recipients[gathering->recipient] : NULL;
}

static int
take_property(void *arg, const struct tnef_property *property)
{
    struct tnef_gathering *gathering = arg;
    struct tnef_tree *tree = gathering->tree;
    if (property->list == TNEF_RECIP_TABLE) {
        struct tnef_recipient *recipient = recipient_of(gathering, property->row);
        return recipient != NULL ? gather_field(gathering, recipient, property) : 0;
    }
    if (property->list == TNEF_ATTACH_PROPS) {
        if (gathering->attachment < 0)
            return 0;
        struct tnef_attachment *attachment = &tree->attachments[gathering->attachment];
        if (property->id == ATTACH_DATA && (property->type == TNEF_OBJECT || property->type == TNEF_BINARY)) {
            attachment->data = property->value;
            attachment->object = property->object;
        }
        return gather_field(gathering, attachment, property);
    }
    struct tnef_message *message = &tree->messages[gathering->message];
    gather_body(message, property);
    return gather_field(gathering, message, property);
}

static int
take_attribute(void *arg, const struct tnef_attribute *attribute)
{
    return tnef_gather_attribute(arg, attribute);
}

/* ---- attachments ---- */

static enum tnef_attached
kind_of(const struct tnef_attachment *attachment)
{
    if (attachment->object == TNEF_OBJECT_MESSAGE ||
        (attachment->method == BY_MESSAGE && attachment->object != TNEF_OBJECT_STORAGE))
        return TNEF_ATTACHED_MESSAGE;
    if (attachment->object == TNEF_OBJECT_STORAGE || attachment->method == BY_OLE ||
        attachment->rendered_as == RENDERED_OLE)
        return TNEF_OLE;
    if (attachment->method >= BY_REFERENCE && attachment->method <= BY_REFERENCE_ONLY &&
        attachment->data.bytes == 0)
        return TNEF_REFERENCE;
    return TNEF_FILE;
}

static const char *
name_of(const struct tnef_attachment *attachment)
{
    const char *const names[] = {attachment->long_name, attachment->transport_name, attachment->short_name,
                                 attachment->title, attachment->display_name};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i] != NULL)
            return names[i];
    return NULL;
}

/* A message that is attached takes its turn behind those that are known. */
static void
queue_message(struct tnef_gathering *gathering, struct tnef_attachment *attachment)
{
    struct tnef_tree *tree = gathering->tree;
    unsigned level = tree->messages[gathering->message].level + 1;
    tree->too_deep = tree->too_deep || level > TNEF_DEPTH_MAX;
    tree->too_many = tree->too_many || tree->n_messages == TNEF_MESSAGES_MAX;
    if (level > TNEF_DEPTH_MAX || tree->n_messages == TNEF_MESSAGES_MAX)
        return;
    attachment->embedded = (int)tree->n_messages;
    struct tnef_message *message = add_message(tree, attachment->data);
    message->parent = gathering->message;
    message->attachment = gathering->attachment;
    message->level = level;
}

static void
end_attachment(struct tnef_gathering *gathering)
{
    if (gathering->attachment >= 0) {
        struct tnef_attachment *attachment = &gathering->tree->attachments[gathering->attachment];
        attachment->kind = kind_of(attachment);
        attachment->name = name_of(attachment);
        if (attachment->kind == TNEF_ATTACHED_MESSAGE)
            queue_message(gathering, attachment);
    }
    gathering->attachment = TNEF_NO_ATTACHMENT;
}

void
tnef_begin_attachment(struct tnef_gathering *gathering)
{
    struct tnef_tree *tree = gathering->tree;
    end_attachment(gathering);
    gathering->attachment = TNEF_LEFT_OUT;
    tree->too_many = tree->too_many || tree->n_attachments == TNEF_ATTACHMENTS_MAX;
    if (tree->n_attachments == TNEF_ATTACHMENTS_MAX)
        return;
    tree->attachments = grow(tree->attachments, tree->n_attachments, sizeof *tree->attachments);
    struct tnef_attachment *attachment = &tree->attachments[tree->n_attachments];
    memset(attachment, 0, sizeof *attachment);
    tnef_fields_begin(attachment, TNEF_IN_ATTACHMENT, TNEF_IN_ATTACHMENT);
    attachment->message = gathering->message;
    attachment->embedded = -1;
    attachment->rendered_as = TNEF_NOT_GIVEN;
    gathering->attachment = (int)tree->n_attachments++;
}

/* ---- messages ---- */

static void
settle_charset(const struct tnef_gathering *gathering, const struct tnef_message *message,
               struct tnef_body *body)
{
    int64_t number = body->kind == TNEF_BODY_HTML ? message->internet_codepage : TNEF_NOT_GIVEN;
    if (body->charset[0] != '\0' || body->kind == TNEF_NO_BODY)
        return;
    if (number < 0 || number > UINT32_MAX || !charset_of_number((uint32_t)number, body->charset))
        memcpy(body->charset, gathering->octets, sizeof body->charset);
}

static void
settle_subject(struct tnef_tree *tree, struct tnef_message *message)
{
    if (message->subject != NULL || message->subject_rest == NULL)
        return;
    const char *prefix = message->subject_prefix != NULL ? message->subject_prefix : "";
    message->subject = xasprintf("%s%s", prefix, message->subject_rest);
    tree->text_bytes += strlen(message->subject);
}

static void
end_message(struct tnef_gathering *gathering)
{
    struct tnef_message *message = &gathering->tree->messages[gathering->message];
    settle_charset(gathering, message, &message->text);
    settle_charset(gathering, message, &message->html);
    settle_subject(gathering->tree, message);
}

static int
gather_message(struct tnef_gathering *gathering, struct why *why)
{
    const struct tnef_visitor visitor = {
        .attribute = take_attribute, .property = take_property, .arg = gathering};
    struct tnef_tree *tree = gathering->tree;
    struct tnef_report report;
    gathering->source.place = tree->messages[gathering->message].place;
    gathering->attachment = TNEF_NO_ATTACHMENT;
    gathering->row = UINT64_MAX;
    memcpy(gathering->octets, "CP1252", sizeof "CP1252");
    int error = tnef_read(&gathering->source, &visitor, &report, why);
    if (report.wrong_sums > 0 && tree->wrong_sums == 0)
        tree->first_wrong_sum = report.first_wrong_sum;
    tree->wrong_sums += report.wrong_sums;
    end_attachment(gathering);
    end_message(gathering);
    tree->messages[gathering->message].damaged = error == -EINVAL;
    return error;
}

int
tnef_gather(const struct tnef_source *source, struct tnef_tree *tree, struct why *why)
{
    struct tnef_gathering *gathering = xcalloc(1, sizeof *gathering);
    struct why later;
    int error = 0, first = 0;
    memset(tree, 0, sizeof *tree);
    gathering->source = *source;
    gathering->tree = tree;
    add_message(tree, source->place);
    while ((error == 0 || error == -EINVAL) && (size_t)gathering->message < tree->n_messages) {
        error = gather_message(gathering, first == 0 ? why : &later);
        first = first == 0 ? error : first;
        gathering->message++;
        gathering->source.trusts_sums = true;
    }
    free(gathering);
    return error == 0 ? first : error;
}

void
tnef_tree_clear(struct tnef_tree *tree)
{
    for (size_t i = 0; i < tree->n_messages; i++)
        tnef_fields_clear(&tree->messages[i], TNEF_IN_MESSAGE, TNEF_IN_MEETING);
    for (size_t i = 0; i < tree->n_attachments; i++) {
        tnef_fields_clear(&tree->attachments[i], TNEF_IN_ATTACHMENT, TNEF_IN_ATTACHMENT);
        free(tree->attachments[i].title);
        free(tree->attachments[i].transport_name);
    }
    for (size_t i = 0; i < tree->n_recipients; i++)
        tnef_fields_clear(&tree->recipients[i], TNEF_IN_RECIPIENT, TNEF_IN_RECIPIENT);
    free(tree->messages);
    free(tree->attachments);
    free(tree->recipients);
    memset(tree, 0, sizeof *tree);
}
