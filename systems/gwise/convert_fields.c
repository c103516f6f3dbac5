/* convert_fields.c - the header fields of a message from GroupWise, and the words for items that are no mail
 * (see convert_in.h)
 *
 * Delivery goes by To, To-CC and To-BC; shown are All-To and All-To-CC where they are there, since a gateway
 * expands lists into them, and blind copies never.
 */
#include <stdio.h>

#include "common/header_scan.h"
#include "systems/gwise/convert_in.h"
#include "systems/gwise/kept.h"
#include "systems/mime/mime_header.h"

enum { LISTED_MAX = 500 };

/* ---- addresses ---- */

/* What is written between < and > must not end its line or itself. */
static bool
is_mailbox(struct viaduct_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f || text.at[i] == '<' || text.at[i] == '>' ||
            (text.at[i] == ' ' && text.at[0] != '"'))
            return false;
    return text.len > 0 && text.len < 1300;
}

static void
add_display(const struct api_item *element, struct span fallback, struct viaduct_text book, struct buf *display)
{
    struct span first = api_text(element, "FN"), last = api_text(element, "LN");
    if (first.len == 0)
        first = api_text(element, "G");
    if (last.len == 0)
        last = api_text(element, "S");
    if (book.len > 0) {
        buf_add(display, book.at, book.len);
    } else if (fallback.len > 0) {
        buf_add_span(display, fallback);
    } else {
        buf_add_span(display, first);
        buf_add_text(display, first.len > 0 && last.len > 0 ? " " : "");
        buf_add_span(display, last);
    }
}

/* One address, folded before it; text that has no Internet form stands as a display name alone. */
static void
put_address(struct in_item *item, const struct api_item *element, struct span shown, bool first,
            struct buf *out)
{
    struct span domain;
    struct buf display = {0};
    struct viaduct_text book = {NULL, 0}, mailbox = {NULL, 0};
    const char *text = in_address(item, element, &domain);
    if (text == NULL)
        return;
    if (item->in->translate != NULL)
        mailbox = item->in->translate(item->in->arg, (struct viaduct_text){text, strlen(text)}, false, &book);
    add_display(element, shown, book, &display);
    bool fine = is_mailbox(mailbox);
    if (display.len == 0 && !fine)
        buf_add_text(&display, text);
    buf_add_text(out, first ? " " : ",\n ");
    if (display.len > 0) {
        mime_encode_text(buf_span(&display), 13, true, out);
        buf_add_byte(out, ' ');
    }
    if (fine)
        buf_printf(out, "<%.*s>", (int)mailbox.len, mailbox.at);
    else
        buf_add_text(out, "<unknown@gwise.invalid>");
    buf_clear(&display);
}

static void
put_list(struct in_item *item, const char *field, const char *key, const char *or_key, struct buf *out)
{
    const struct api_item *list = api_find(&item->file.root, key);
    struct buf addresses = {0};
    if (list == NULL || list->children == NULL)
        list = api_find(&item->file.root, or_key);
    size_t n = 0;
    for (const struct api_item *e = list != NULL ? list->children : NULL; e != NULL && n < LISTED_MAX;
         e = e->next, n++)
        put_address(item, e, (struct span){"", 0}, addresses.len == 0, &addresses);
    if (n == LISTED_MAX)
        gwise_report(item->out, "only %d addresses of %s are shown", LISTED_MAX, field);
    if (addresses.len > 0) {
        buf_printf(out, "%s:", field);
        buf_add_span(out, buf_span(&addresses));
        buf_add_byte(out, '\n');
    }
    buf_clear(&addresses);
}

/* ---- fields ---- */

static void
put_text(const char *field, struct span text, struct buf *out)
{
    buf_printf(out, "%s: ", field);
    mime_encode_text(text, strlen(field) + 2, false, out);
    buf_add_byte(out, '\n');
}

/* The gateway's id, made fit. */
void
in_message_id(const struct in_item *item, struct buf *out)
{
    struct span id = api_text(&item->file.root, "Msg-Id");
    struct span domain;
    const struct api_item *from = api_find(&item->file.root, "From");
    struct api_address address;
    domain = from != NULL && api_address(from->children, &address) ? address.domain : SPAN("gateway");
    if (id.len == 0 || id.len > 200)
        return;
    buf_add_byte(out, '<');
    for (size_t i = 0; i < id.len + 1 + domain.len; i++) {
        char c = i < id.len ? id.at[i] : i == id.len ? '@' : domain.at[i - id.len - 1];
        bool fine =
            (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c == '@' && i == id.len);
        bool dot = c == '.' && i > 0 && i + 1 < id.len && out->at[out->len - 1] != '.' && id.at[i + 1] != '.';
        buf_add_byte(out, fine || dot ? c : '-');
    }
    buf_add_text(out, ".gwise.invalid>");
}

static void
put_message_id(const struct in_item *item, struct buf *out)
{
    struct buf id = {0};
    in_message_id(item, &id);
    if (id.len > 0)
        buf_printf(out, "Message-ID: %.*s\n", (int)id.len, id.at);
    buf_clear(&id);
}

/* A reply's recipients bring back the token that their mail went out with, and in it the id by which it is known. */
static void
put_thread(struct in_item *item, struct buf *out)
{
    static const char *const lists[] = {"To", "To-CC", "CC"};
    struct kept kept = {.message_id = item->answered};
    struct span id = {"", 0};
    for (size_t i = 0; i < COUNT_OF(lists) && id.len == 0 && kept.message_id.len == 0; i++) {
        const struct api_item *list = api_find(&item->file.root, lists[i]);
        for (const struct api_item *e = list != NULL ? list->children : NULL; e != NULL && id.len == 0;
             e = e->next)
            api_token(api_text(e, "CDBA"), GWISE_TOKEN_ID, &id);
    }
    if (id.len > 0 && !kept_find(item->in, id, item->arena, &kept))
        return;
    if (kept.message_id.len == 0)
        return;
    buf_printf(out, "In-Reply-To: %.*s\nReferences: %.*s\n", (int)kept.message_id.len, kept.message_id.at,
               (int)kept.message_id.len, kept.message_id.at);
}

static void
put_grades(const struct in_item *item, struct buf *out)
{
    struct span priority = api_text(&item->file.root, "Msg-Priority"),
                security = api_text(&item->file.root, "Security");
    if (span_equal_nocase(priority, SPAN("High")))
        buf_add_text(out, "Importance: high\n");
    if (span_equal_nocase(priority, SPAN("Low")))
        buf_add_text(out, "Importance: low\n");
    if (security.len > 0 && !span_equal_nocase(security, SPAN("Normal")))
        buf_add_text(out, "Sensitivity: Company-Confidential\n");
}

static void
put_subject(const struct in_item *item, struct buf *out)
{
    struct buf text = {0};
    if (item->kind == IN_STATUS && item->meeting != NULL) {
        buf_add_text(&text, in_answer_prefix(item));
        buf_add_span(&text, item->meeting->summary);
        put_text("Subject", span_trim(buf_span(&text)), out);
        buf_clear(&text);
        return;
    }
    if (item->kind == IN_STATUS) {
        struct span action = in_status_action(item);
        buf_printf(&text, "Status%s%.*s: ", action.len > 0 ? " " : "", (int)action.len, action.at);
    }
    buf_add_span(&text, api_text(&item->file.root, "Subject"));
    put_text("Subject", span_trim(buf_span(&text)), out);
    buf_clear(&text);
}

static bool
from_is_known(const struct in_item *item)
{
    const struct api_item *from = api_find(&item->file.root, "From");
    return from != NULL && from->children != NULL && item->from != NULL;
}

/* From, To, Cc: of everything. */
static void
put_people(struct in_item *item, struct buf *out)
{
    if (from_is_known(item)) {
        buf_add_text(out, "From:");
        put_address(item, api_find(&item->file.root, "From")->children, api_text(&item->file.root, "From-Text"),
                    true, out);
        buf_add_byte(out, '\n');
    } else {
        buf_add_text(out, "From: GroupWise <unknown@gwise.invalid>\n");
    }
    put_list(item, "To", "All-To", "To", out);
    put_list(item, "Cc", "All-To-CC", api_find(&item->file.root, "To-CC") != NULL ? "To-CC" : "CC", out);
}

static void
put_date(const struct in_item *item, struct buf *out)
{
    int64_t sent_s;
    char date[40];
    if (gwise_read_date(item->site, api_text(&item->file.root, "Date-Sent"), &sent_s)) {
        header_date(sent_s, date);
        buf_printf(out, "Date: %s\n", date);
    }
}

void
in_header(struct in_item *item, struct buf *out)
{
    put_people(item, out);
    put_subject(item, out);
    put_date(item, out);
    put_message_id(item, out);
    put_thread(item, out);
    put_grades(item, out);
    if (in_wants(item, "open") && from_is_known(item)) {
        buf_add_text(out, "Disposition-Notification-To:");
        put_address(item, api_find(&item->file.root, "From")->children, (struct span){"", 0}, true, out);
        buf_add_byte(out, '\n');
    }
    if (item->kind == IN_STATUS && item->meeting == NULL)
        buf_add_text(out, "Auto-Submitted: auto-replied\n");
}

void
in_notice_header(struct in_item *item, const char *postmaster, struct buf *out)
{
    if (postmaster == NULL) {
        put_people(item, out);
    } else {
        buf_printf(out, "From: Mail Delivery System <%s>\n", postmaster);
        put_list(item, "To", "To", "To", out);
    }
    put_date(item, out);
}

/* ---- words ---- */

static void
add_fact(const struct api_item *parent, const char *key, const char *label, struct buf *out)
{
    struct span text = parent != NULL ? span_trim(api_text(parent, key)) : (struct span){"", 0};
    if (text.len == 0)
        return;
    buf_printf(out, "%s: ", label);
    for (size_t i = 0; i < text.len; i++)
        buf_add_byte(out, (unsigned char)text.at[i] < ' ' ? ' ' : text.at[i]);
    buf_add_byte(out, '\n');
}

static const struct {
    enum in_kind kind;
    const char *key, *label;
} facts[] = {
    {IN_APPOINTMENT, "Begin-Time", "Begin"}, {IN_APPOINTMENT, "End-Time", "End"},
    {IN_APPOINTMENT, "Location", "Place"},   {IN_NOTE, "Begin-Time", "Day"},
    {IN_TASK, "Begin-Time", "Begin"},        {IN_TASK, "End-Time", "Due"},
    {IN_PHONE, "Caller-Name", "Caller"},     {IN_PHONE, "Caller-Company", "Company"},
    {IN_PHONE, "Caller-Phone", "Telephone"}, {IN_PHONE, "Call-Action", "Action"},
    {IN_STATUS, "Set-Status", "Status"},     {IN_STATUS, "Orig-Msg-Id", "Message"},
};

/* "A1", as GroupWise shows it. */
static void
add_rank(const struct api_item *root, struct buf *out)
{
    struct span category = api_text(root, "Task-Category"), number = api_text(root, "Task-Priority");
    struct buf rank = {0};
    buf_add_span(&rank, category);
    buf_add_span(&rank, number);
    for (size_t i = 0; i < rank.len; i++)
        rank.at[i] = (unsigned char)rank.at[i] < ' ' ? ' ' : rank.at[i];
    if (rank.len > 0)
        buf_printf(out, "Priority: %.*s\n", (int)rank.len, rank.at);
    buf_clear(&rank);
}

void
in_words(struct in_item *item, struct buf *out)
{
    static const char *const titles[] = {[IN_APPOINTMENT] = "Appointment",
                                         [IN_NOTE] = "Note",
                                         [IN_TASK] = "Task",
                                         [IN_PHONE] = "Phone message",
                                         [IN_STATUS] = "Status of a message"};
    if ((size_t)item->kind >= COUNT_OF(titles) || titles[item->kind] == NULL)
        return;
    buf_printf(out, "[%s]\n", titles[item->kind]);
    if (item->kind == IN_STATUS) {
        const struct api_item *report = api_find(&item->file.root, "Status-Report");
        const struct api_item *element = report != NULL ? report->children : NULL;
        buf_printf(out, "Recipient: %s\n", item->from != NULL ? item->from : "unknown");
        add_fact(element, "Action", "Action", out);
        add_fact(element, "Time", "Time", out);
    }
    for (size_t i = 0; i < COUNT_OF(facts); i++)
        if (facts[i].kind == item->kind)
            add_fact(&item->file.root, facts[i].key, facts[i].label, out);
    if (item->kind == IN_TASK)
        add_rank(&item->file.root, out);
    buf_add_byte(out, '\n');
    if (item->meeting == NULL)
        gwise_report(item->out, "an item of the kind \"%s\" is carried as a message", titles[item->kind]);
}
