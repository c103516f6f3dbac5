/* convert_header.c - the header file of an item on its way to GroupWise (see convert.h)
 *
 * The order of keywords is that of Exchange's connector. Who the gateway is to deliver to stands in To, To-CC
 * and To-BC; all that the sender wrote to stands in All-To and All-To-CC, and as text in To-Text and
 * To-CC-Text. An address of another system is carried as WPD our domain, WPPO SMTP, WPU "user@host".
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "systems/gwise/api_read.h"
#include "systems/gwise/api_write.h"
#include "systems/gwise/choices.h"
#include "systems/gwise/convert_out.h"
#include "systems/gwise/kept.h"
#include "systems/mime/mime_header.h"

enum {
    FIELD_READ_MAX = 64 << 10,
    LISTED_MAX = 500 /* addresses shown of a header field */
};

static struct span
text_span(struct viaduct_text text)
{
    return (struct span){text.at, text.len};
}

static struct span
field_of(const struct out_item *item, const char *name)
{
    struct span body = {"", 0};
    mime_field(buf_span(&item->tree.header), name, &body);
    if (body.len > FIELD_READ_MAX)
        body.len = FIELD_READ_MAX;
    return body;
}

/* The longest run of whole characters of at most `max` octets. */
static struct span
cut(struct span text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.at[max] & 0xc0) == 0x80)
        max--;
    return (struct span){text.at, max};
}

/* GroupWise's client shows only what stands in parentheses, where there are any. */
static void
bracket(struct buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        text->at[i] = text->at[i] == '(' ? '[' : text->at[i] == ')' ? ']' : text->at[i];
}

static const char *
our_domain(const struct out_item *item)
{
    const char *domain = gwise_option(item->in, "peer.domain");
    return domain != NULL && domain[0] != '\0' ? domain : NULL;
}

/* ---- addresses ---- */

void
out_put_address(struct api_list *list, const struct api_address *address)
{
    struct buf user = {0}, token = {0};
    if (span_equal_nocase(address->office, SPAN("SMTP"))) {
        buf_add_byte(&user, '"');
        buf_add_span(&user, address->user);
        buf_add_byte(&user, '"');
    } else {
        buf_add_span(&user, address->user);
        buf_add_span(&token, address->domain);
        buf_add_byte(&token, '.');
        buf_add_span(&token, address->office);
        buf_add_byte(&token, '.');
        buf_add_span(&token, address->user);
    }
    api_put_address(list, address->domain, address->office, buf_span(&user), buf_span(&token));
    buf_clear(&user);
    buf_clear(&token);
}

static int
list_of(int kind)
{
    return kind == 2 || kind == 3 ? kind : 1;
}

/* The recipients of one kind that the gateway is to deliver to. */
static bool
put_recipients(struct out_item *item, const char *key, int kind, bool all, struct buf *header,
               struct viaduct_reason *reason)
{
    const struct viaduct_delivery *message = item->in->message;
    struct api_list list;
    bool begun = false;
    for (size_t i = 0; i < message->n_recipients; i++) {
        const struct viaduct_recipient_out *recipient = &message->recipients[i];
        struct api_address address;
        if (list_of(recipient->kind) != kind || (!all && !recipient->responsible))
            continue;
        if (!api_split_address(text_span(recipient->address), &address)) {
            if (!recipient->responsible)
                continue;
            gwise_ends(VIADUCT_CONVERT_REFUSED, reason, "5.1.3",
                       "%.*s is no GroupWise address (Domain.PostOffice.User)",
                       (int)(recipient->address.len < 200 ? recipient->address.len : 200),
                       recipient->address.at);
            return false;
        }
        if (!begun)
            api_list_begin(&list, header, key);
        begun = true;
        out_put_address(&list, &address);
    }
    if (begun)
        api_list_end(&list);
    return true;
}

bool
out_put_recipients(struct out_item *item, const char *key, struct buf *header, struct viaduct_reason *reason)
{
    return put_recipients(item, key, 1, false, header, reason) &&
           put_recipients(item, key, 2, false, header, reason) &&
           put_recipients(item, key, 3, false, header, reason);
}

/* ---- addresses that only stand in the header ---- */

/* A display name as people read it: decoded, without the quotes that a field needs. */
static void
add_shown(struct span display, struct buf *out)
{
    struct buf text = {0};
    mime_decode_text(display, &text);
    struct span shown = span_trim(buf_span(&text));
    bool quoted = shown.len >= 2 && shown.at[0] == '"' && shown.at[shown.len - 1] == '"';
    size_t end = quoted ? shown.len - 1 : shown.len;
    for (size_t i = quoted ? 1 : 0; i < end; i++) {
        if (quoted && shown.at[i] == '\\' && i + 1 < end)
            i++;
        buf_add_byte(out, shown.at[i]);
    }
    buf_clear(&text);
}

struct listing {
    struct out_item *item;
    struct api_list list;
    struct buf *header, text; /* text: To-Text */
    const char *key;
    bool begun;
    size_t n;
};

bool
out_translate(const struct out_item *item, struct span mailbox, struct buf *text, struct buf *display)
{
    struct viaduct_text shown = {NULL, 0}, answer = {NULL, 0};
    if (item->in->translate != NULL)
        answer =
            item->in->translate(item->in->arg, (struct viaduct_text){mailbox.at, mailbox.len}, true, &shown);
    if (shown.len > 0)
        buf_add(display, shown.at, shown.len);
    if (answer.len > 0) {
        buf_add(text, answer.at, answer.len);
        return true;
    }
    if (our_domain(item) == NULL)
        return false;
    buf_printf(text, "%s.SMTP.%.*s", our_domain(item), (int)mailbox.len, mailbox.at);
    return true;
}

static void
list_address(const struct header_address *found, void *arg)
{
    struct listing *listing = arg;
    struct buf display = {0}, text = {0};
    struct api_address address;
    if (listing->n++ >= LISTED_MAX)
        return;
    add_shown(found->display.len > 0 ? found->display : found->whole, &display);
    struct buf book = {0};
    bool fine = found->mailbox.len > 0 && found->mailbox.len < 1300 &&
                out_translate(listing->item, found->mailbox, &text, &book) &&
                api_split_address(buf_span(&text), &address);
    if (fine && !listing->begun)
        api_list_begin(&listing->list, listing->header, listing->key);
    if (fine) {
        listing->begun = true;
        out_put_address(&listing->list, &address);
    }
    if (listing->text.len > 0)
        buf_add_text(&listing->text, ", ");
    buf_add_span(&listing->text, buf_span(found->display.len == 0 && book.len > 0 ? &book : &display));
    buf_clear(&display);
    buf_clear(&text);
    buf_clear(&book);
}

/* All-To and To-Text, or their likes for copies. The text is left in `listing`, to stand at its place. */
static void
put_listing(struct out_item *item, struct listing *listing, const char *field, const char *key,
            struct buf *header)
{
    *listing = (struct listing){.item = item, .header = header, .key = key};
    struct span body = field_of(item, field);
    if (body.len > 0)
        header_addresses(body, list_address, listing);
    if (listing->begun)
        api_list_end(&listing->list);
    if (listing->n > LISTED_MAX)
        gwise_report(item->out, "only %d addresses of the field %s are shown", LISTED_MAX, field);
    bracket(&listing->text);
}

/* ---- the originator ---- */

struct sender {
    struct buf address, display;
};

static void
note_sender(const struct header_address *found, void *arg)
{
    struct sender *sender = arg;
    if (sender->address.len > 0 || found->mailbox.len == 0)
        return;
    buf_add_span(&sender->address, found->mailbox);
    add_shown(found->display, &sender->display);
}

/* Which statuses the sender wants to see (NOTIFY, Disposition-Notification-To). */
static unsigned
asked(const struct out_item *item)
{
    const struct viaduct_delivery *message = item->in->message;
    unsigned what = field_of(item, "Disposition-Notification-To").len > 0 ? GWISE_ASKED_OPENED : 0;
    for (size_t i = 0; message != NULL && i < message->n_recipients; i++)
        if (message->recipients[i].responsible && (message->recipients[i].notify & VIADUCT_NOTIFY_SUCCESS) != 0)
            what |= GWISE_ASKED_DELIVERED;
    return what;
}

/* No genuine value but None is known: these are the names of the gateway's levels of status. */
static const char *
status_request(const struct out_item *item)
{
    const char *const words[] = {gwise_words.request_none, gwise_words.request_delivered,
                                 gwise_words.request_opened, gwise_words.request_both};
    return words[asked(item)];
}

static void
add_token(struct out_item *item, const struct api_address *address, const char *date, struct buf *token)
{
    /* What the gateway hands back in replies and statuses: sender, subject, time, and the report asked for. */
    struct buf subject = {0};
    static const char mark[] = "^\xc2\xa1";
    mime_decode_text(field_of(item, "Subject"), &subject);
    for (size_t i = 0; i < subject.len; i++) /* a '^' would begin a tag */
        subject.at[i] = subject.at[i] == '^' ? '\'' : subject.at[i];
    buf_printf(token, "%saddr", mark);
    buf_add_span(token, address->domain);
    buf_add_byte(token, '.');
    buf_add_span(token, address->office);
    buf_add_byte(token, '.');
    buf_add_span(token, address->user);
    buf_printf(token, "%ssbjt", mark);
    buf_add_span(token, cut(buf_span(&subject), GWISE_TOKEN_SUBJECT_MAX));
    buf_printf(token, "%sosnt%s%sstrq%s", mark, date, mark, status_request(item));
    buf_printf(token, "%s" GWISE_TOKEN_ID GWISE_ID_PREFIX "%s", mark, item->in->id != NULL ? item->in->id : "");
    buf_clear(&subject);
}

static bool
put_from(struct out_item *item, const char *date, struct buf *header, struct viaduct_reason *reason)
{
    struct sender sender = {{0}, {0}};
    struct buf text = {0}, token = {0}, unused = {0};
    struct api_address address;
    struct span originator = text_span(item->in->message->originator);
    header_addresses(field_of(item, "From"), note_sender, &sender);
    if (originator.len > 0)
        buf_add_span(&text, originator);
    else if (sender.address.len == 0 || !out_translate(item, buf_span(&sender.address), &text, &unused))
        buf_printf(&text, "%s.SMTP.postmaster", our_domain(item) != NULL ? our_domain(item) : "Exchange");
    bool fine = api_split_address(buf_span(&text), &address);
    if (fine) {
        struct api_list list;
        bool foreign = span_equal_nocase(address.office, SPAN("SMTP"));
        struct buf user = {0};
        buf_add_text(&user, foreign ? "\"" : "");
        buf_add_span(&user, address.user);
        buf_add_text(&user, foreign ? "\"" : "");
        add_token(item, &address, date, &token);
        api_list_begin(&list, header, "From");
        api_put_address(&list, address.domain, address.office, buf_span(&user), buf_span(&token));
        api_list_end(&list);
        bracket(&sender.display);
        api_put(header, "From-Text", sender.display.len > 0 ? buf_span(&sender.display) : address.user);
        buf_clear(&user);
    } else {
        gwise_ends(VIADUCT_CONVERT_REFUSED, reason, "5.1.7", "the sender %.*s has no GroupWise address",
                   (int)(text.len < 200 ? text.len : 200), text.at);
    }
    buf_clear(&sender.address);
    buf_clear(&sender.display);
    buf_clear(&text);
    buf_clear(&token);
    buf_clear(&unused);
    return fine;
}

/* ---- the rest ---- */

void
out_subject(struct out_item *item, struct buf *subject)
{
    struct buf whole = {0};
    struct span field = {"", 0};
    mime_field(buf_span(&item->tree.header), "Subject", &field); /* all of it: the body gets what is cut here */
    mime_decode_text(field, &whole);
    out_meeting_subject(item, &whole);
    struct span shown = cut(buf_span(&whole), GWISE_SUBJECT_MAX);
    buf_add_span(subject, shown);
    if (shown.len < whole.len && !item->subject_told) {
        item->subject_told = true;
        gwise_report(item->out, "the subject has %zu octets; it is cut, and stands whole in the body",
                     whole.len);
        buf_add_text(&item->before, "Subject: ");
        buf_add_span(&item->before, buf_span(&whole));
        buf_add_text(&item->before, "\n\n");
    }
    buf_clear(&whole);
}

static const char *
priority(const struct out_item *item)
{
    struct span importance = field_of(item, "Importance"), x = field_of(item, "X-Priority");
    if (importance.len == 0)
        importance = field_of(item, "Priority");
    if (span_starts_nocase(importance, SPAN("high")) || span_starts_nocase(importance, SPAN("urgent")))
        return gwise_words.priority_high;
    if (span_starts_nocase(importance, SPAN("low")) || span_starts_nocase(importance, SPAN("non-urgent")))
        return gwise_words.priority_low;
    if (importance.len == 0 && x.len > 0 && (x.at[0] == '1' || x.at[0] == '2'))
        return gwise_words.priority_high;
    return importance.len == 0 && x.len > 0 && (x.at[0] == '4' || x.at[0] == '5') ? gwise_words.priority_low
                                                                                  : gwise_words.priority_normal;
}

static const char *
security(const struct out_item *item)
{
    struct span sensitivity = field_of(item, "Sensitivity");
    if (span_starts_nocase(sensitivity, SPAN("company")))
        return gwise_words.security_company;
    return span_starts_nocase(sensitivity, SPAN("p")) ? gwise_words.security_private /* personal, private */
                                                      : out_meeting_security(item);
}

static void
put_files(const struct out_item *item, struct buf *header)
{
    struct api_list list;
    if (item->n_files == 0)
        return;
    api_list_begin(&list, header, "Attach-File");
    for (size_t i = 0; i < item->n_files; i++) {
        char current[32];
        snprintf(current, sizeof current, "%c.%03zu", CONTAINER_BASE_MARK, i + 1);
        api_put_file(&list, current, span_of(item->files[i].name), item->files[i].bytes);
    }
    api_list_end(&list);
}

static bool
has_responsible(const struct viaduct_delivery *message)
{
    for (size_t i = 0; message != NULL && i < message->n_recipients; i++)
        if (message->recipients[i].responsible)
            return true;
    return false;
}

bool
out_header(struct out_item *item, struct buf *header, struct viaduct_reason *reason)
{
    struct listing to, copies;
    struct buf text = {0};
    char date[40];
    int64_t sent_s = 0;
    if (!has_responsible(item->in->message)) {
        gwise_ends(VIADUCT_CONVERT_REFUSED, reason, "5.1.0",
                   "no recipient is to be delivered to by the gateway");
        return false;
    }
    if (!mime_read_date(field_of(item, "Date"), &sent_s))
        sent_s = item->in->message->arrival_ms / 1000;
    gwise_write_date(item->site, sent_s, true, date);
    api_put_raw(header, "Wpc-Api", "1.2");
    api_put_raw(header, "Header-Char", "T50");
    api_put_raw(header, "Msg-Type", out_meeting_type(item));
    if (!put_from(item, date, header, reason) || !put_recipients(item, "To", 1, false, header, reason) ||
        !put_recipients(item, "To-CC", 2, false, header, reason) ||
        !put_recipients(item, "To-BC", 3, false, header, reason))
        return false;
    put_listing(item, &to, "To", "All-To", header);
    if (!to.begun)
        put_recipients(item, "All-To", 1, true, header, reason);
    put_listing(item, &copies, "Cc", "All-To-CC", header);
    if (!copies.begun)
        put_recipients(item, "All-To-CC", 2, true, header, reason);
    if (to.text.len > 0)
        api_put(header, "To-Text", buf_span(&to.text));
    if (copies.text.len > 0)
        api_put(header, "To-CC-Text", buf_span(&copies.text));
    api_put_raw(header, "Msg-Char", "T50");
    snprintf(date, sizeof date, "%c.bdy", CONTAINER_BASE_MARK);
    api_put_raw(header, "Msg-File", date);
    put_files(item, header);
    out_subject(item, &text);
    api_put(header, "Subject", buf_span(&text));
    out_meeting_put(item, header);
    buf_reset(&text);
    buf_printf(&text, GWISE_ID_PREFIX "%s", item->in->id != NULL ? item->in->id : "");
    api_put(header, "Msg-Id", buf_span(&text));
    gwise_write_date(item->site, sent_s, true, date);
    api_put_raw(header, "Date-Sent", date);
    api_put_raw(header, "Security", security(item));
    api_put_raw(header, "Msg-Priority", priority(item));
    api_put_raw(header, "Status-Request", status_request(item));
    buf_add_text(header, "-END-\r\n");
    buf_clear(&to.text);
    buf_clear(&copies.text);
    buf_clear(&text);
    return true;
}

int
out_keep(const struct out_item *item, struct viaduct_reason *reason)
{
    struct buf id = {0}, subject = {0};
    if (item->in->id == NULL)
        return 0;
    buf_printf(&id, GWISE_ID_PREFIX "%s", item->in->id);
    mime_decode_text(field_of(item, "Subject"), &subject);
    struct kept kept = {.message_id = field_of(item, "Message-ID"),
                        .subject = cut(buf_span(&subject), 400),
                        .envid = text_span(item->in->message->envid),
                        .asked = asked(item)};
    out_meeting_keep(item, &kept);
    int r = kept_out(item->in, buf_span(&id), &kept, reason);
    buf_clear(&id);
    buf_clear(&subject);
    return r;
}
