/* meeting_in.c - appointments of GroupWise's, and answers to ours, as iCalendar (see convert_in.h)
 *
 *     Appt                                   METHOD:REQUEST from its sender to all whom it names
 *     a status "accepted" or "declined"      METHOD:REPLY, where the message was a meeting that is remembered (kept.h)
 *
 * The message is readable for itself; the calendar is its other form. An appointment's UID is made of its Msg-Id, so that
 * whatever comes again about it meets its first. What has no usable begin, or a sender without an Internet address, stays
 * the readable message alone.
 */
#include <stdio.h>

#include "systems/gwise/choices.h"
#include "systems/gwise/convert_in.h"
#include "systems/gwise/kept.h"
#include "systems/mime/mime_decode.h"

/* ---- people ---- */

static bool
is_plain_mailbox(struct viaduct_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f || text.at[i] == '<' || text.at[i] == '>')
            return false;
    return text.len > 0 && text.len < 320 && memchr(text.at, '@', text.len) != NULL;
}

static struct span
name_of(struct in_item *item, const struct api_item *element, struct viaduct_text book)
{
    struct span first = api_text(element, "FN"), last = api_text(element, "LN");
    if (book.len > 0)
        return arena_span(item->arena, (struct span){book.at, book.len});
    char *name = arena_printf(item->arena, "%.*s%s%.*s", (int)first.len, first.at,
                              first.len > 0 && last.len > 0 ? " " : "", (int)last.len, last.at);
    return span_of(name);
}

/* Who an element is, in host form. False where he has none, or the arena is full. */
static bool
read_person(struct in_item *item, const struct api_item *element, struct calendar_person *person)
{
    struct viaduct_text book = {NULL, 0}, mailbox = {NULL, 0};
    struct span domain;
    const char *text = in_address(item, element, &domain);
    *person = (struct calendar_person){.mailbox = {"", 0}};
    if (text == NULL || item->in->translate == NULL)
        return false;
    mailbox = item->in->translate(item->in->arg, (struct viaduct_text){text, strlen(text)}, false, &book);
    if (!is_plain_mailbox(mailbox))
        return false;
    person->mailbox = arena_span(item->arena, (struct span){mailbox.at, mailbox.len});
    person->name = name_of(item, element, book);
    return person->mailbox.at != NULL;
}

/* Adds all of the first of two lists, or of the second where the first is not there. */
static void
add_people(struct in_item *item, const char *key, const char *or_key, enum calendar_role role)
{
    struct calendar_item *meeting = item->meeting;
    const struct api_item *list = api_find(&item->file.root, key);
    if (list == NULL || list->children == NULL)
        list = api_find(&item->file.root, or_key);
    for (const struct api_item *e = list != NULL ? list->children : NULL; e != NULL; e = e->next) {
        if (meeting->n_people == CALENDAR_PEOPLE_MAX) {
            gwise_report(item->out, "only %d people are named in the calendar", CALENDAR_PEOPLE_MAX);
            return;
        }
        struct calendar_person *person = &meeting->people[meeting->n_people];
        if (!read_person(item, e, person) || span_equal_nocase(person->mailbox, meeting->organizer.mailbox) ||
            calendar_find(meeting, person->mailbox) != NULL)
            continue;
        person->role = role;
        person->rsvp = true;
        meeting->n_people++;
    }
}

static struct calendar_item *
new_meeting(struct in_item *item)
{
    struct calendar_item *meeting = arena_alloc(item->arena, sizeof *meeting);
    struct calendar_person *people = arena_alloc(item->arena, CALENDAR_PEOPLE_MAX * sizeof *people);
    if (meeting == NULL || people == NULL)
        return NULL;
    *meeting = (struct calendar_item){.people = people, .percent = -1};
    return meeting;
}

/* ---- appointments ---- */

static void
set_time(const struct in_item *item, int64_t time_s, struct calendar_time *time)
{
    *time = (struct calendar_time){
        .form = CALENDAR_ZONED, .time_s = time_s, .clock = calendar_zone_clock(item->site, time_s)};
}

static bool
is_midnight(const struct calendar_clock *clock)
{
    return clock->hour == 0 && clock->minute == 0 && clock->second == 0;
}

/* From midnight to midnight, or to the minute before: whole days. */
static void
make_whole_days(const struct in_item *item)
{
    struct calendar_item *meeting = item->meeting;
    struct calendar_clock last = calendar_clock_of(calendar_clock_seconds(&meeting->end.clock) + 60);
    if (!is_midnight(&meeting->begin.clock) || meeting->end.form == CALENDAR_UNSET)
        return;
    if (!is_midnight(&meeting->end.clock)) {
        last.second = 0;
        if (!is_midnight(&last))
            return;
        meeting->end.clock = last;
    }
    if (calendar_clock_seconds(&meeting->end.clock) <= calendar_clock_seconds(&meeting->begin.clock))
        return;
    meeting->begin.form = meeting->end.form = CALENDAR_DATE;
}

static bool
read_times(const struct in_item *item)
{
    struct calendar_item *meeting = item->meeting;
    const struct api_item *root = &item->file.root;
    int64_t time_s = 0;
    if (!gwise_read_date(item->site, api_text(root, "Begin-Time"), &time_s))
        return false;
    set_time(item, time_s, &meeting->begin);
    if (gwise_read_date(item->site, api_text(root, "End-Time"), &time_s) && time_s >= meeting->begin.time_s)
        set_time(item, time_s, &meeting->end);
    make_whole_days(item);
    if (gwise_read_date(item->site, api_text(root, "Date-Sent"), &time_s) && time_s > 0)
        meeting->stamp_s = time_s;
    return true;
}

static void
read_grades(const struct in_item *item)
{
    struct span priority = api_text(&item->file.root, "Msg-Priority"),
                security = api_text(&item->file.root, "Security");
    if (span_equal_nocase(priority, span_of(gwise_words.priority_high)))
        item->meeting->priority = 1;
    if (span_equal_nocase(priority, span_of(gwise_words.priority_low)))
        item->meeting->priority = 9;
    if (security.len > 0 && !span_equal_nocase(security, span_of(gwise_words.security_normal)))
        item->meeting->class = CALENDAR_CONFIDENTIAL;
}

static bool
read_meeting(struct in_item *item)
{
    struct calendar_item *meeting = item->meeting;
    const struct api_item *from = api_find(&item->file.root, "From");
    struct buf id = {0};
    in_message_id(item, &id);
    bool fine = id.len > 2 && from != NULL && read_person(item, from->children, &meeting->organizer) &&
                read_times(item);
    if (fine)
        meeting->uid = arena_span(item->arena, (struct span){id.at + 1, id.len - 2});
    buf_clear(&id);
    if (!fine || meeting->uid.at == NULL)
        return false;
    meeting->method = CALENDAR_REQUEST;
    meeting->summary = api_text(&item->file.root, "Subject");
    meeting->location = api_text(&item->file.root, "Location");
    add_people(item, "All-To", "To", CALENDAR_REQUIRED);
    add_people(item, "All-To-CC", api_find(&item->file.root, "To-CC") != NULL ? "To-CC" : "CC",
               CALENDAR_OPTIONAL);
    read_grades(item);
    return true;
}

void
in_meeting(struct in_item *item)
{
    item->meeting = new_meeting(item);
    if (item->meeting != NULL && read_meeting(item))
        return;
    gwise_report(item->out,
                 "the appointment has no time, id or sender that a calendar can have: it is a message only");
    item->meeting = NULL;
}

/* ---- answers ---- */

bool
in_answer(struct in_item *item, const struct kept *kept, enum calendar_answer answer, int64_t time_s)
{
    const struct api_item *from = api_find(&item->file.root, "From");
    struct calendar_item *meeting = new_meeting(item);
    if (meeting == NULL || kept->uid.len == 0 || from == NULL ||
        !read_person(item, from->children, &meeting->people[0]))
        return false;
    meeting->component = kept->task ? CALENDAR_TASK : CALENDAR_EVENT;
    meeting->method = CALENDAR_REPLY;
    meeting->uid = kept->uid;
    meeting->sequence = kept->sequence;
    meeting->summary = kept->subject;
    meeting->organizer.mailbox = kept->organizer;
    meeting->people[0].answer = answer;
    meeting->n_people = 1;
    meeting->stamp_s = time_s;
    set_time(item, kept->begin_s, &meeting->begin);
    meeting->begin.form = CALENDAR_UTC;
    item->answered = kept->message_id;
    item->meeting = meeting;
    return true;
}

const char *
in_answer_prefix(const struct in_item *item)
{
    static const struct {
        enum calendar_answer answer;
        const char *prefix;
    } prefixes[] = {
#define WORD(name, text)
#define STATUS(stem, fate, notice)
#define TOLD(notice, word)
#define ANSWER(answer, word, mail) {answer, mail},
#define NUMBER(name, value)
#include "systems/gwise/choices.def"
    };
    enum calendar_answer answer = item->meeting->people[0].answer;
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (prefixes[i].answer == answer)
            return prefixes[i].prefix;
    return "";
}

/* ---- the calendar's part ---- */

void
in_write_calendar(struct in_item *item, struct span description)
{
    struct buf text = {0};
    struct mime_quoter quoter = {0};
    item->meeting->description = span_trim(description);
    calendar_write(item->meeting, item->site, &text);
    buf_printf(&item->piece,
               "Content-Type: text/calendar; charset=utf-8; method=%s\nContent-Transfer-Encoding: ",
               calendar_method_word(item->meeting->method));
    bool plain = true;
    for (size_t i = 0; i < text.len && plain; i++)
        plain = (unsigned char)text.at[i] < 0x80;
    buf_add_text(&item->piece, plain ? "7bit\n\n" : "quoted-printable\n\n");
    if (plain) {
        buf_add_span(&item->piece, buf_span(&text));
    } else {
        mime_quote(&quoter, text.at, text.len, &item->piece);
        mime_quote_end(&quoter, &item->piece);
    }
    buf_clear(&text);
}
