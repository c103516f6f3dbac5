/* status_in.c - what a status of GroupWise's says of a message, as a report (see convert_in.h)
 *
 * GroupWise tracks a message per recipient and sends an item for each step. Of those the host gets what its mail knows:
 * delivered, not delivered, read, deleted unread; the first and the last two only where they were asked for. A meeting that
 * was accepted or declined is answered (meeting_in.c). Steps that mail has no report for (delegated, completed) come as
 * readable mail, and so does everything about a message that nobody remembers.
 *
 * No genuine status file is known. The words that are looked for are in choices.def.
 */
#include <stdio.h>

#include "common/dsn.h"
#include "conf/conf.h"
#include "systems/gwise/choices.h"
#include "systems/gwise/convert_in.h"
#include "systems/gwise/kept.h"
#include "systems/mime/mime_header.h"

/* ACCEPTED, DECLINED: of a meeting, else in words; DELETED: a meeting is declined, else a notice. */
enum fate { FATE_UNKNOWN, FATE_WORDS, FATE_NOTICE, FATE_ACCEPTED, FATE_DECLINED, FATE_DELETED };

static const struct {
    const char *stem;
    enum fate fate;
    enum notice_kind kind;
} stems[] = {
#define WORD(name, text)
#define STATUS(stem, fate, notice) {stem, fate, notice},
#define TOLD(notice, word)
#define ANSWER(answer, word, mail)
#define NUMBER(name, value)
#include "systems/gwise/choices.def"
};

static const char *const subjects[] = {
    [NOTICE_NONE] = "",
    [NOTICE_DELIVERED] = "Delivered: ",
    [NOTICE_DELAYED] = "Delayed: ",
    [NOTICE_FAILED] = "Undeliverable: ",
    [NOTICE_DISPLAYED] = "Read: ",
    [NOTICE_DELETED] = "Deleted unread: ",
};

struct span
in_status_action(const struct in_item *item)
{
    const struct api_item *report = api_find(&item->file.root, "Status-Report");
    struct span action = report != NULL ? api_text(report->children, "Action") : (struct span){"", 0};
    return action.len > 0 ? action : api_text(&item->file.root, "Set-Status");
}

static bool
contains(struct span text, const char *stem)
{
    size_t len = strlen(stem);
    for (size_t i = 0; i + len <= text.len; i++)
        if (span_equal_nocase((struct span){text.at + i, len}, (struct span){stem, len}))
            return true;
    return false;
}

static enum fate
fate_of(struct span action, enum notice_kind *kind)
{
    for (size_t i = 0; i < COUNT_OF(stems); i++)
        if (contains(action, stems[i].stem)) {
            *kind = stems[i].kind;
            return stems[i].fate;
        }
    return FATE_UNKNOWN;
}

/* What was asked for stands with what was kept; else in the token that the status brings back. */
static bool
was_asked(enum notice_kind kind, const struct kept *kept, const struct kept_recipient *recipient)
{
    if (kind == NOTICE_FAILED)
        return (recipient->notify & VIADUCT_NOTIFY_NEVER) == 0 &&
               (recipient->notify == 0 || (recipient->notify & VIADUCT_NOTIFY_FAILURE) != 0);
    if (kind == NOTICE_DELIVERED)
        return (recipient->notify & VIADUCT_NOTIFY_SUCCESS) != 0;
    return (kept->asked & GWISE_ASKED_OPENED) != 0;
}

/* Gateways were seen to add their offset from UTC twice: nothing happened in the future. */
static int64_t
time_of(const struct in_item *item)
{
    const struct api_item *report = api_find(&item->file.root, "Status-Report");
    int64_t now_s = time_ms() / 1000, time_s = 0;
    struct span text = report != NULL ? api_text(report->children, "Time") : (struct span){"", 0};
    if (!gwise_read_date(item->site, text, &time_s))
        return 0;
    return time_s < now_s ? time_s : now_s;
}

static struct span
in_arena(struct in_item *item, const struct buf *text)
{
    return arena_span(item->arena, buf_span(text));
}

/* "rfc822;user@host" of ORCPT; without one the address that the sender wrote. */
static struct span
original_of(struct in_item *item, const struct kept_recipient *recipient)
{
    struct buf text = {0};
    const char *semicolon =
        recipient->orcpt.len == 0 ? NULL : memchr(recipient->orcpt.at, ';', recipient->orcpt.len);
    if (semicolon != NULL) {
        struct span xtext = {semicolon + 1,
                             (size_t)(recipient->orcpt.at + recipient->orcpt.len - semicolon - 1)};
        buf_add(&text, recipient->orcpt.at, (size_t)(semicolon + 1 - recipient->orcpt.at));
        if (!dsn_add_xtext(&text, xtext, true))
            buf_add_span(&text, xtext);
    }
    struct span original = in_arena(item, &text);
    buf_clear(&text);
    return original;
}

static void
fill_notice(struct in_item *item, const struct kept *kept, const struct kept_recipient *recipient,
            struct notice *notice)
{
    struct buf envid = {0}, text = {0};
    struct viaduct_text display, mailbox = {NULL, 0};
    if (!dsn_add_xtext(&envid, kept->envid, true))
        buf_reset(&envid);
    if (item->from != NULL && item->in->translate != NULL)
        mailbox = item->in->translate(item->in->arg, (struct viaduct_text){item->from, strlen(item->from)},
                                      false, &display);
    buf_add(&text, mailbox.at, mailbox.len);
    notice->recipient = in_arena(item, &text);
    if (notice->recipient.len == 0)
        notice->recipient = recipient->original;
    notice->reporter = item->in->services != NULL && item->in->services->node != NULL
                           ? span_of(item->in->services->node(item->in->gateway))
                           : SPAN("gwise.invalid");
    notice->orcpt = original_of(item, recipient);
    notice->envid = in_arena(item, &envid);
    notice->message_id = kept->message_id;
    notice->subject = kept->subject;
    notice->diagnostic = notice->kind == NOTICE_FAILED ? in_status_action(item) : (struct span){"", 0};
    notice->time_s = time_of(item);
    buf_clear(&envid);
    buf_clear(&text);
}

bool
in_status(struct in_item *item, struct viaduct_reason *reason)
{
    struct kept kept;
    struct kept_recipient recipient = {{"", 0}, {"", 0}, 0};
    struct notice notice = {.kind = NOTICE_NONE};
    struct span id = api_text(&item->file.root, "Orig-Msg-Id"), action = in_status_action(item), domain;
    const struct api_item *from = api_find(&item->file.root, "From");
    enum fate fate = fate_of(action, &notice.kind);
    item->from = from != NULL ? in_address(item, from->children, &domain) : NULL;
    if (fate == FATE_UNKNOWN && action.len > 0) {
        gwise_ends(VIADUCT_CONVERT_NOTHING, reason, "",
                   "the status \"%.*s\" has no meaning here: nobody is told of it",
                   (int)(action.len < 60 ? action.len : 60), action.at);
        return false;
    }
    if (fate == FATE_UNKNOWN || fate == FATE_WORDS || !kept_find(item->in, id, item->arena, &kept))
        return true; /* in words */
    if (fate != FATE_NOTICE && item->from != NULL &&
        in_answer(item, &kept, fate == FATE_ACCEPTED ? CALENDAR_ACCEPTED : CALENDAR_DECLINED, time_of(item)))
        return true;
    if (fate == FATE_ACCEPTED || fate == FATE_DECLINED)
        return true; /* in words: it was no meeting */
    if (item->from != NULL)
        kept_recipient(&kept, span_of(item->from), &recipient);
    if (!was_asked(notice.kind, &kept, &recipient)) {
        gwise_ends(VIADUCT_CONVERT_NOTHING, reason, "", "%s: nobody asked to be told",
                   notice_word(notice.kind));
        return false;
    }
    fill_notice(item, &kept, &recipient, &notice);
    item->notice = notice;
    return true;
}

/* ---- the message ---- */

static const char *
postmaster(const struct in_item *item)
{
    const struct viaduct_services *services = item->in->services;
    const struct conf_root *root =
        services != NULL && services->conf_root != NULL ? services->conf_root(item->in->gateway) : NULL;
    return root != NULL ? root->admin_address : NULL;
}

void
in_write_notice(struct in_item *item)
{
    const struct notice *notice = &item->notice;
    struct buf subject = {0}, *out = &item->piece;
    char boundary[60];
    in_notice_header(
        item, notice->kind == NOTICE_DELIVERED || notice->kind == NOTICE_FAILED ? postmaster(item) : NULL, out);
    buf_add_text(&subject, subjects[notice->kind]);
    buf_add_span(&subject, notice->subject);
    buf_add_text(out, "Subject: ");
    mime_encode_text(span_trim(buf_span(&subject)), 9, false, out);
    buf_add_byte(out, '\n');
    if (notice->message_id.len > 0)
        buf_printf(out, "In-Reply-To: %.*s\nReferences: %.*s\n", (int)notice->message_id.len,
                   notice->message_id.at, (int)notice->message_id.len, notice->message_id.at);
    buf_add_text(out, "Auto-Submitted: auto-replied\n");
    in_boundary(item, boundary);
    notice_write(notice, boundary, out);
    buf_clear(&subject);
}
