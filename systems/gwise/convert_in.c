/* convert_in.c - an item of a GroupWise API gateway becomes an Internet message (see convert.h)
 *
 * The container is read whole once, which proves its check and finds its parts; then the envelope is told, and
 * header, body and files are written, each from its place in the container.
 *
 * What is hostile here: the container and the header file in it. The header is held (api_read.h limits it),
 * parts are not.
 */
#include "systems/gwise/convert_in.h"

#include <errno.h>
#include <stdlib.h>

#include "systems/gwise/kept.h"
#include "systems/mime/mime_header.h"

enum { PARTS_MAX = 5000, RECIPIENTS_MAX = 100000 };

/* ---- the container ---- */

static char *
shown_name(const struct in_item *item, const char *name)
{
    struct buf shown = {0};
    codepage_decode(item->codepage, span_of(name), &shown);
    return shown.at != NULL ? shown.at : xstrdup("");
}

static bool
index_parts(struct in_item *item, struct buf *header, struct buf *evidence, struct why *why)
{
    struct container_reader *reader = xcalloc(1, sizeof *reader);
    struct container_item *part = xcalloc(1, sizeof *part);
    enum container_event event;
    struct in_part *current = NULL; /* the reader gives data of parts only */
    container_open(reader, item->in->read, item->in->arg);
    while ((event = container_next(reader, part, why)) != CONTAINER_END && event != CONTAINER_BROKEN) {
        if (event == CONTAINER_PART) {
            if (item->n_parts == PARTS_MAX) {
                why_set(why, "5.6.0", "the item has more than %d parts", PARTS_MAX);
                event = CONTAINER_BROKEN;
                break;
            }
            if (item->n_parts % 64 == 0)
                item->parts = xrealloc(item->parts, (item->n_parts + 64) * sizeof *item->parts);
            current = &item->parts[item->n_parts++];
            *current = (struct in_part){
                part->kind, xstrdup(part->name), shown_name(item, part->name), container_position(reader), 0,
                false};
        }
        if (event != CONTAINER_DATA)
            continue;
        BUG_UNLESS(current != NULL);
        current->bytes += part->data.len;
        struct buf *keep = current->kind == PART_HEADER ? header : current->kind == PART_META ? evidence : NULL;
        if (keep == header && keep->len + part->data.len > API_TEXT_MAX)
            item->cut = true;
        if (keep != NULL && !item->cut && keep->len + part->data.len <= API_TEXT_MAX)
            buf_add_span(keep, part->data);
    }
    free(reader);
    free(part);
    return event == CONTAINER_END;
}

/* ---- what it is ---- */

static const struct {
    const char *word;
    enum in_kind kind;
} kinds[] = {
    {"Mail", IN_MAIL},     {"Appt", IN_APPOINTMENT}, {"Note", IN_NOTE},
    {"Task", IN_TASK},     {"Todo", IN_TASK},        {"Phone", IN_PHONE},
    {"Status", IN_STATUS}, {"Search", IN_SEARCH},    {"Admin", IN_ADMIN},
};

static enum in_kind
kind_of(const struct api_item *root)
{
    struct span word = api_text(root, "Msg-Type");
    enum in_kind kind = IN_UNKNOWN;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (span_equal_nocase(word, span_of(kinds[i].word)))
            kind = kinds[i].kind;
    bool mail = api_find(root, "To") != NULL &&
                (api_find(root, "Msg-File") != NULL || api_find(root, "Subject") != NULL);
    if (word.len == 0 && mail)
        kind = IN_MAIL;
    bool status = api_find(root, "Status-Report") != NULL || api_find(root, "Set-Status") != NULL ||
                  api_find(root, "Orig-Msg-Id") != NULL;
    return status && kind != IN_SEARCH && kind != IN_ADMIN && kind != IN_UNKNOWN ? IN_STATUS : kind;
}

/* ---- the envelope ---- */

static char *
address_text(struct in_item *item, const struct api_address *address)
{
    struct buf text = {0};
    buf_add_span(&text, address->domain);
    buf_add_byte(&text, '.');
    buf_add_span(&text, address->office);
    buf_add_byte(&text, '.');
    buf_add_span(&text, address->user);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < ' ')
            text.at[i] = ' ';
    char *copy = arena_copy(item->arena, buf_span(&text));
    buf_clear(&text);
    return copy;
}

static bool
token_address(struct span token, struct api_address *address)
{
    struct span text;
    return api_token(token, "addr", &text) && api_split_address(text, address);
}

const char *
in_address(struct in_item *item, const struct api_item *element, struct span *domain)
{
    struct api_address address;
    if (!api_address(element, &address) && !token_address(api_text(element, "CDBA"), &address))
        return NULL;
    *domain = address.domain;
    return address_text(item, &address);
}

/* Which statuses its sender wants: the names of the gateway's levels. */
bool
in_wants(const struct in_item *item, const char *what)
{
    struct span request = api_text(&item->file.root, "Status-Request");
    return item->kind != IN_STATUS &&
           (span_starts_nocase(request, span_of(what)) || span_starts_nocase(request, SPAN("full")) ||
            span_starts_nocase(request, SPAN("all")));
}

/* What a report of the host's must say to be a status there. */
static int
keep(struct in_item *item, struct viaduct_reason *reason)
{
    const char *how = gwise_option(item->in, "convert.reports");
    struct buf message_id = {0};
    if (how == NULL || strcmp(how, "status") != 0 || item->kind == IN_STATUS)
        return 0;
    in_message_id(item, &message_id);
    int r = kept_in(item->in, buf_span(&message_id), api_text(&item->file.root, "Msg-Id"),
                    api_text(&item->file.root, "Msg-Type"), reason);
    buf_clear(&message_id);
    return r;
}

/* Adds the recipients of one list; ones of another foreign domain are not ours to deliver to. Who cannot be read is
 * counted and reported: he may be ours. */
static bool
take_recipients(struct in_item *item, const char *key, int kind)
{
    const char *ours = gwise_option(item->in, "peer.domain");
    const struct api_item *list = api_find(&item->file.root, key);
    size_t n = 0;
    for (const struct api_item *e = list != NULL ? list->children : NULL; e != NULL; e = e->next) {
        struct span domain;
        n++;
        const char *text = in_address(item, e, &domain);
        if (text == NULL) {
            item->n_unreadable++;
            gwise_report(item->out, "entry %zu of %s is no address: nobody got the message for it", n, key);
            continue;
        }
        item->n_addresses++;
        if (ours != NULL && ours[0] != '\0' && !span_equal_nocase(domain, span_of(ours)))
            continue;
        if (item->n_recipients == RECIPIENTS_MAX)
            return false;
        if ((item->n_recipients & (item->n_recipients - 1)) == 0)
            item->recipients =
                xrealloc(item->recipients,
                         (item->n_recipients > 0 ? item->n_recipients * 2 : 1) * sizeof *item->recipients);
        item->recipients[item->n_recipients++] = (struct viaduct_recipient_in){
            .size = sizeof(struct viaduct_recipient_in),
            .address = {text, strlen(text)},
            .notify = in_wants(item, "deliver") ? VIADUCT_NOTIFY_SUCCESS | VIADUCT_NOTIFY_FAILURE : 0,
            .kind = kind};
    }
    return true;
}

static void
say_unreadable(const struct in_item *item)
{
    const struct viaduct_services *services = item->in->services;
    if (services != NULL && services->say != NULL)
        services->say(item->in->gateway, VIADUCT_LOG_ERROR, item->in->id,
                      "%zu of its recipients could not be read and will not get it, %zu will",
                      item->n_unreadable, item->n_recipients);
}

/* What cannot be written now may be later; a header over its limit never will. */
static const char *
writing_status(int error)
{
    if (error == -ENOSPC || error == -EDQUOT)
        return "4.3.1";
    if (error == -EMSGSIZE)
        return "5.3.4";
    return error == -EIO || error == -EAGAIN || error == -ENOMEM ? "4.3.0" : "5.6.0";
}

static enum viaduct_converted
tell_envelope(struct in_item *item, struct viaduct_reason *reason)
{
    static const struct {
        const char *key;
        int kind;
    } lists[] = {{"To", 1}, {"To-CC", 2}, {"CC", 2}, {"To-BC", 3}, {"BC", 3}};
    const struct api_item *from = api_find(&item->file.root, "From");
    struct span domain;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (!take_recipients(item, lists[i].key, lists[i].kind))
            return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.5.3", "more than %d recipients", RECIPIENTS_MAX);
    if (item->n_recipients == 0 && item->n_unreadable > 0)
        return gwise_ends(
            VIADUCT_CONVERT_BAD, reason, "5.1.3",
            "no recipient is left: %zu entries of its lists To, To-CC and To-BC are no addresses, %zu "
            "are of other domains (peer.domain)",
            item->n_unreadable, item->n_addresses);
    if (item->n_recipients == 0 && item->n_addresses > 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.1.2",
                          "none of its %zu recipients is in our domain (peer.domain)", item->n_addresses);
    if (item->n_recipients == 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.1.0",
                          "no active recipients: its lists To, To-CC and To-BC are empty");
    item->from = from != NULL ? in_address(item, from->children, &domain) : NULL;
    if (item->from == NULL && item->kind != IN_STATUS)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.1.7", "its sender (From) is missing or no address");
    struct span id = api_text(&item->file.root, "Msg-Id");
    struct viaduct_envelope_in envelope = {.size = sizeof envelope};
    if (item->from != NULL &&
        (item->kind != IN_STATUS || item->meeting != NULL)) /* a status must not be answered by a report */
        envelope.originator = (struct viaduct_text){item->from, strlen(item->from)};
    envelope.foreign_id = (struct viaduct_text){id.at, id.len < 400 ? id.len : 400};
    int result = item->out->envelope(item->out->arg, &envelope, item->recipients, item->n_recipients);
    if (result != 0 && reason != NULL && reason->status[0] != '\0')
        return VIADUCT_CONVERT_BAD; /* who did not take it has said why, and perhaps "not now" */
    if (result != 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "its envelope was not taken: %s",
                          strerror(abs(result)));
    if (item->n_unreadable > 0)
        say_unreadable(item);
    return VIADUCT_CONVERTED;
}

/* ---- the whole ---- */

static enum viaduct_converted
understand(struct in_item *item, const struct buf *raw, struct buf *header, struct viaduct_reason *reason)
{
    struct why why;
    codepage_decode(item->codepage, buf_span(raw), header);
    if (item->cut && api_is_directory(buf_span(header)))
        return VIADUCT_CONVERT_DIRECTORY;
    if (item->cut)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "its header file has more than %d octets",
                          API_TEXT_MAX);
    if (api_read(buf_span(header), item->arena, &item->file, &why) < 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, why.status, "%s", why.text);
    item->kind = kind_of(&item->file.root);
    if (item->kind == IN_ADMIN)
        return VIADUCT_CONVERT_DIRECTORY;
    if (item->kind == IN_SEARCH)
        return in_search(item, reason);
    struct span word = api_text(&item->file.root, "Msg-Type");
    if (item->kind == IN_UNKNOWN)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.1",
                          word.len > 0 ? "items of Msg-Type %.*s are not carried"
                                       : "no Msg-Type, and not what a message needs%.*s",
                          (int)(word.len < 60 ? word.len : 60), word.at);
    if (!item->file.ended)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "the header file has no line -END-");
    if (item->kind == IN_STATUS && !in_status(item, reason))
        return VIADUCT_CONVERT_NOTHING;
    if (item->kind == IN_APPOINTMENT)
        in_meeting(item);
    if (item->file.dotted)
        gwise_report(item->out, "addresses are dotted: the gateway's Addressing Format should be Component");
    return VIADUCT_CONVERTED;
}

static enum viaduct_converted
convert(struct in_item *item, struct buf *raw, struct buf *header, struct buf *evidence,
        struct viaduct_reason *reason)
{
    struct why why = {"", ""};
    if (!index_parts(item, raw, evidence, &why))
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, why.status, "%s", why.text);
    if (evidence->len > 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "%.*s",
                          (int)(evidence->len < 400 ? evidence->len : 400), evidence->at);
    if (raw->len == 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.6.0", "the item holds no header file");
    enum viaduct_converted result = understand(item, raw, header, reason);
    if (result == VIADUCT_CONVERTED)
        result = tell_envelope(item, reason);
    if (result != VIADUCT_CONVERTED)
        return result;
    if (keep(item, reason) < 0)
        return VIADUCT_CONVERT_BAD; /* the reason is one to wait */
    int error = in_write_message(item);
    if (error != 0)
        return gwise_ends(VIADUCT_CONVERT_BAD, reason, writing_status(error),
                          "the message cannot be written: %s", strerror(abs(error)));
    return VIADUCT_CONVERTED;
}

enum viaduct_converted
gwise_from_foreign(const struct viaduct_convert_in *in, const struct viaduct_convert_out *out,
                   struct viaduct_reason *reason)
{
    struct in_item item = {.in = in, .out = out};
    struct buf raw = {0}, header = {0}, evidence = {0};
    enum unmappable how;
    item.codepage = gwise_codepage(in, &how, reason);
    if (item.codepage == NULL)
        return VIADUCT_CONVERT_BAD;
    item.arena = arena_new(API_ARENA_MAX);
    item.site = gwise_site(in, reason);
    enum viaduct_converted result =
        item.site != NULL ? convert(&item, &raw, &header, &evidence, reason) : VIADUCT_CONVERT_BAD;
    for (size_t i = 0; i < item.n_parts; i++) {
        free(item.parts[i].name);
        free(item.parts[i].shown);
    }
    free(item.parts);
    free(item.recipients);
    arena_free(item.arena);
    calendar_zone_free(item.site);
    buf_clear(&raw);
    buf_clear(&header);
    buf_clear(&evidence);
    buf_clear(&item.piece);
    codepage_free(item.codepage);
    return result;
}
