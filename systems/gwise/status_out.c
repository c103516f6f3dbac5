/* status_out.c - a report of the host's becomes a status for GroupWise (see convert_out.h)
 *
 * Where the connector says `convert.reports = "status"`, and the report tells one thing about one recipient of a message
 * that came from GroupWise not long ago, it goes there as a status of that message. Anything else goes as the mail that
 * it is: a status that a gateway does not understand ends in GWPROB, unseen.
 *
 * No genuine status file is known; the words that are written are in choices.def. Answers to meetings go the same way
 * (meeting_out.c).
 */
#include "systems/gwise/api_write.h"
#include "systems/gwise/choices.h"
#include "systems/gwise/convert_out.h"
#include "systems/gwise/kept.h"
#include "systems/mime/mime_header.h"
#include "systems/mime/notice.h"

static const char *const actions[] = {
    [NOTICE_NONE] = NULL,
#define WORD(name, text)
#define STATUS(stem, fate, notice)
#define TOLD(notice, word) [notice] = word,
#define ANSWER(answer, word, mail)
#define NUMBER(name, value)
#include "systems/gwise/choices.def"
};

/* The one thing that is told: what must outlive the reading is in the arena. */
struct telling {
    struct arena *arena;
    enum notice_kind kind;
    struct span recipient, message_id, reason;
    size_t n;
};

static void
note_one(void *arg, const struct notice *notice)
{
    struct telling *telling = arg;
    const char *semicolon = notice->orcpt.len == 0 ? NULL : memchr(notice->orcpt.at, ';', notice->orcpt.len);
    struct span recipient = notice->recipient;
    if (semicolon != NULL) /* the address that its sender used */
        recipient = span_trim(
            (struct span){semicolon + 1, (size_t)(notice->orcpt.at + notice->orcpt.len - semicolon - 1)});
    if (telling->n++ > 0)
        return;
    telling->kind = notice->kind;
    telling->recipient = arena_span(telling->arena, recipient);
    telling->message_id = arena_span(telling->arena, notice->message_id);
    telling->reason = arena_span(telling->arena, notice->diagnostic);
}

/* The words and their reason: "Undeliverable: smtp; 550 no such user". */
static void
put_action(struct buf *header, const struct out_told *told)
{
    struct buf text = {0};
    size_t len = told->reason.len < GWISE_ACTION_MAX ? told->reason.len : GWISE_ACTION_MAX;
    while (len > 0 && len < told->reason.len && ((unsigned char)told->reason.at[len] & 0xc0) == 0x80)
        len--;
    buf_add_text(&text, told->action);
    if (len > 0) {
        buf_add_text(&text, ": ");
        buf_add(&text, told->reason.at, len);
    }
    api_put(header, "    Action", buf_span(&text));
    buf_clear(&text);
}

static bool
put_people(struct out_item *item, struct buf *header, struct span who, struct viaduct_reason *reason)
{
    struct buf text = {0}, unused = {0};
    struct api_address address;
    struct api_list list;
    bool fine = out_translate(item, who, &text, &unused) && api_split_address(buf_span(&text), &address);
    if (fine) {
        api_list_begin(&list, header, "From");
        out_put_address(&list, &address);
        api_list_end(&list);
        fine = out_put_recipients(item, "To", header, reason);
    }
    buf_clear(&text);
    buf_clear(&unused);
    return fine;
}

bool
out_write_status(struct out_item *item, const struct out_told *told, struct buf *header)
{
    struct viaduct_reason reason;
    char date[40];
    int64_t time_s = 0;
    struct span body = {"", 0};
    struct buf own = {0};
    mime_field(buf_span(&item->tree.header), "Date", &body);
    if (!mime_read_date(body, &time_s))
        time_s = item->in->message->arrival_ms / 1000;
    api_put_raw(header, "Wpc-Api", "1.2");
    api_put_raw(header, "Header-Char", "T50");
    api_put(header, "Msg-Type", told->type.len > 0 ? told->type : span_of(gwise_words.type_mail));
    buf_printf(&own, GWISE_ID_PREFIX "%s", item->in->id != NULL ? item->in->id : "");
    api_put(header, "Msg-Id", buf_span(&own));
    buf_clear(&own);
    api_put(header, "Orig-Msg-ID", told->id);
    if (!put_people(item, header, told->who, &reason)) {
        buf_reset(header);
        return false;
    }
    buf_add_text(header, "Status-Report= \r\n");
    put_action(header, told);
    gwise_write_date(item->site, time_s, true, date);
    buf_printf(header, "    Time= %s; ; \r\n-END-\r\n", date);
    return true;
}

bool
out_sends_statuses(const struct out_item *item)
{
    const char *how = gwise_option(item->in, "convert.reports");
    return how != NULL && strcmp(how, "status") == 0;
}

bool
out_status(struct out_item *item, struct buf *header)
{
    if (!out_sends_statuses(item) || !notice_is_report(&item->tree))
        return false;
    struct arena *arena = arena_new(1 << 20);
    struct telling telling = {.arena = arena};
    struct out_told told = {.id = {"", 0}};
    bool fine = notice_read(item->in->read, item->in->arg, &item->tree, note_one, &telling) == 1 &&
                actions[telling.kind] != NULL &&
                kept_find_in(item->in, telling.message_id, arena, &told.id, &told.type);
    if (fine) {
        told.who = telling.recipient;
        told.action = actions[telling.kind];
        told.reason = telling.kind == NOTICE_FAILED ? telling.reason : (struct span){"", 0};
        fine = out_write_status(item, &told, header);
    }
    if (fine)
        gwise_report(item->out, "the report \"%s\" is sent as a status of its message",
                     notice_word(telling.kind));
    else
        gwise_report(item->out, "a report that GroupWise has no status for is sent as a mail");
    arena_free(arena);
    return fine;
}
