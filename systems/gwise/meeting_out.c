/* meeting_out.c - what a message's calendar becomes in GroupWise (see convert_out.h)
 *
 *     REQUEST of an event      Appt, with times and place; an update is a new one, "Updated: "
 *     REQUEST of a task        Task
 *     a note                   Note
 *     REPLY                    a status of the appointment where the connector sends such and knows it; else mail
 *     CANCEL, COUNTER ...      mail, its subject says so
 *     PUBLISH, no method       nothing: the calendar stays the file that it is
 *
 * The calendar is not sent as a file where it became an item or words; what of it has no place is in the report. A
 * calendar that is not understood is a file, and the report says why.
 */
#include <stdio.h>

#include "systems/gwise/choices.h"
#include "systems/gwise/convert_out.h"
#include "systems/gwise/kept.h"

/* ---- what it says in words ---- */

static void
add_line(struct out_item *item, const char *label, struct span text)
{
    if (text.len > 0)
        buf_printf(&item->before, "%s: %.*s\n", label, (int)text.len, text.at);
}

static void
add_day(const struct calendar_clock *clock, struct buf *out)
{
    buf_printf(out, "%d/%d/%d", clock->day, clock->month, clock->year);
}

/* "1/3/2026 10:00 to 1/3/2026 11:00 (Europe/Berlin)"; whole days by their dates. */
static void
add_when(struct out_item *item, const struct calendar_item *meeting, const char *label)
{
    const char *zone = calendar_zone_name(item->site);
    struct calendar_time times[2] = {meeting->begin, meeting->end};
    struct buf text = {0};
    if (meeting->begin.form == CALENDAR_DATE &&
        meeting->end.form == CALENDAR_DATE) /* ends before the day that it names */
        times[1].clock = calendar_clock_of(calendar_clock_seconds(&meeting->end.clock) - CALENDAR_DAY_S);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct calendar_clock clock = times[i].clock;
        if (times[i].form == CALENDAR_UNSET)
            continue;
        if (times[i].form != CALENDAR_DATE)
            clock = calendar_zone_clock(item->site, times[i].time_s);
        buf_add_text(&text, text.len > 0 ? " to " : "");
        add_day(&clock, &text);
        if (times[i].form != CALENDAR_DATE)
            buf_printf(&text, " %d:%02d", clock.hour, clock.minute);
    }
    if (text.len > 0 && meeting->begin.form != CALENDAR_DATE && zone != NULL)
        buf_printf(&text, " (%s)", zone);
    add_line(item, label, buf_span(&text));
    buf_clear(&text);
}

static void
add_answer(struct out_item *item, const struct calendar_item *meeting)
{
    static const char *const words[] = {[CALENDAR_NO_ANSWER] = "no answer", [CALENDAR_ACCEPTED] = "accepted",
                                        [CALENDAR_DECLINED] = "declined",   [CALENDAR_TENTATIVE] = "tentative",
                                        [CALENDAR_DELEGATED] = "delegated", [CALENDAR_COMPLETED] = "completed",
                                        [CALENDAR_IN_PROCESS] = "begun"};
    const struct calendar_person *person = meeting->n_people > 0 ? &meeting->people[0] : NULL;
    if (person == NULL)
        return;
    struct span name = person->name.len > 0 ? person->name : person->mailbox;
    buf_printf(&item->before, "Answer: %s (%.*s)\n", words[person->answer], (int)name.len, name.at);
}

/* A series is one item: the text says so, since nothing else can. */
static void
add_series(struct out_item *item, const struct calendar_item *meeting)
{
    if (meeting->recurs) {
        buf_printf(&item->before, "This recurs %.*s. Only its first date is in this item.\n",
                   (int)meeting->recurs_words.len, meeting->recurs_words.at);
        gwise_report(item->out, "the series (%.*s) is sent as its first date, the text says how it recurs",
                     (int)meeting->recurs_words.len, meeting->recurs_words.at);
    }
    if (meeting->one_of.form != CALENDAR_UNSET)
        buf_add_text(&item->before, "This is one date of a series.\n");
}

static void
add_task_words(struct out_item *item, const struct calendar_item *meeting)
{
    if (meeting->percent >= 0)
        buf_printf(&item->before, "Done: %d %%\n", meeting->percent);
}

static bool
has_text(struct out_item *item)
{
    for (size_t i = 0; i < item->tree.n; i++)
        if (item->parts[i].body && item->tree.parts[i].end - item->tree.parts[i].start > 2)
            return true;
    return false;
}

static void
tell_lost(const struct out_item *item, const struct calendar_item *meeting)
{
    if (meeting->free)
        gwise_report(item->out, "that the appointment shows as free time is not carried");
    if (meeting->component == CALENDAR_NOTE && meeting->begin.form == CALENDAR_UNSET)
        gwise_report(item->out, "the note has no day");
    if (strcmp(item->meeting->type, gwise_words.type_mail) == 0)
        gwise_report(item->out, "the calendar's %s is sent as a mail", calendar_method_word(meeting->method));
}

void
out_meeting_words(struct out_item *item)
{
    if (item->meeting == NULL)
        return;
    const struct calendar_item *meeting = &item->meeting->item;
    bool mail = strcmp(item->meeting->type, gwise_words.type_mail) == 0;
    if (meeting->method == CALENDAR_REPLY)
        add_answer(item, meeting);
    if (mail || meeting->begin.form == CALENDAR_DATE)
        add_when(item, meeting, "When");
    if (mail)
        add_line(item, "Where", meeting->location);
    if (mail)
        add_line(item, "Comment", meeting->comment);
    add_series(item, meeting);
    add_task_words(item, meeting);
    tell_lost(item, meeting);
}

/* The description says what the text says, where there is one. */
void
out_meeting_body(struct out_item *item)
{
    if (item->meeting == NULL || item->meeting->item.description.len == 0 || has_text(item))
        return;
    if (item->body_begun)
        out_add_text(item, SPAN("\n"));
    out_add_text(item, item->meeting->item.description);
    if (item->mid_line)
        out_add_text(item, SPAN("\n"));
}

/* ---- the header ---- */

static const char *
prefix_of(const struct calendar_item *meeting)
{
    static const struct {
        enum calendar_answer answer;
        const char *prefix;
    } answers[] = {
#define WORD(name, text)
#define STATUS(stem, fate, notice)
#define TOLD(notice, word)
#define ANSWER(answer, word, mail) {answer, mail},
#define NUMBER(name, value)
#include "systems/gwise/choices.def"
    };
    enum calendar_answer answer = meeting->n_people > 0 ? meeting->people[0].answer : CALENDAR_NO_ANSWER;
    for (size_t i = 0; i < COUNT_OF(answers) && meeting->method == CALENDAR_REPLY; i++)
        if (answers[i].answer == answer)
            return answers[i].prefix;
    if (meeting->method == CALENDAR_CANCEL)
        return gwise_words.subject_cancelled;
    if (meeting->method == CALENDAR_COUNTER)
        return gwise_words.subject_counter;
    return meeting->method == CALENDAR_REQUEST && meeting->sequence > 0 ? gwise_words.subject_updated : "";
}

void
out_meeting_subject(struct out_item *item, struct buf *subject)
{
    struct buf text = {0};
    if (item->meeting == NULL)
        return;
    const char *prefix = prefix_of(&item->meeting->item);
    struct span shown = span_trim(buf_span(subject));
    if (shown.len == 0)
        shown = item->meeting->item.summary;
    bool says = span_starts_nocase(shown, span_trim(span_of(prefix)));
    if (!says)
        buf_add_text(&text, prefix);
    if (!says && !item->meeting->subject_told)
        gwise_report(item->out, "the subject has \"%s\" in front of it, GroupWise has no item that says it",
                     prefix);
    item->meeting->subject_told = true;
    buf_add_span(&text, shown);
    buf_reset(subject);
    buf_add_span(subject, buf_span(&text));
    buf_clear(&text);
}

const char *
out_meeting_type(const struct out_item *item)
{
    return item->meeting != NULL ? item->meeting->type : gwise_words.type_mail;
}

/* GroupWise's clocks show no day but by its midnights. */
static void
put_time(const struct out_item *item, const char *key, const struct calendar_time *time, int early_s,
         struct buf *header)
{
    char text[40];
    if (time->form == CALENDAR_UNSET)
        return;
    int64_t time_s =
        time->form == CALENDAR_DATE ? calendar_zone_time(item->site, &time->clock) - early_s : time->time_s;
    gwise_write_date(item->site, time_s, false, text);
    api_put_raw(header, key, text);
}

static void
put_task(const struct calendar_item *meeting, struct buf *header)
{
    int rank = (meeting->priority - 1) / GWISE_TASK_PRIORITIES;
    if (meeting->priority == 0 || rank >= GWISE_TASK_CATEGORIES)
        return;
    char category[2] = {(char)('A' + rank), '\0'},
         priority[2] = {(char)('1' + (meeting->priority - 1) % GWISE_TASK_PRIORITIES), '\0'};
    api_put_raw(header, "Task-Category", category);
    api_put_raw(header, "Task-Priority", priority);
}

void
out_meeting_put(const struct out_item *item, struct buf *header)
{
    if (item->meeting == NULL || strcmp(item->meeting->type, gwise_words.type_mail) == 0)
        return;
    const struct calendar_item *meeting = &item->meeting->item;
    put_time(item, "Begin-Time", &meeting->begin, 0, header);
    put_time(item, "End-Time", &meeting->end, meeting->component == CALENDAR_EVENT ? GWISE_DAY_ENDS_EARLY_S : 0,
             header);
    if (meeting->location.len > 0)
        api_put(header, "Location", meeting->location);
    if (meeting->component == CALENDAR_TASK)
        put_task(meeting, header);
}

const char *
out_meeting_security(const struct out_item *item)
{
    return item->meeting != NULL && item->meeting->item.class != CALENDAR_PUBLIC ? gwise_words.security_private
                                                                                 : gwise_words.security_normal;
}

void
out_meeting_keep(const struct out_item *item, struct kept *kept)
{
    if (item->meeting == NULL || item->meeting->item.method != CALENDAR_REQUEST)
        return;
    const struct calendar_item *meeting = &item->meeting->item;
    if (meeting->one_of.form != CALENDAR_UNSET) /* an answer would be to the whole series */
        return;
    kept->uid = meeting->uid;
    kept->organizer = meeting->organizer.mailbox;
    kept->sequence = meeting->sequence;
    kept->begin_s = meeting->begin.form != CALENDAR_UNSET ? meeting->begin.time_s : 0;
    kept->task = meeting->component == CALENDAR_TASK;
}

/* ---- an answer as a status ---- */

static const char *
action_of(enum calendar_answer answer)
{
    static const struct {
        enum calendar_answer answer;
        const char *action;
    } actions[] = {
#define WORD(name, text)
#define STATUS(stem, fate, notice)
#define TOLD(notice, word)
#define ANSWER(answer, word, mail) {answer, word},
#define NUMBER(name, value)
#include "systems/gwise/choices.def"
    };
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (actions[i].answer == answer)
            return actions[i].action;
    return NULL;
}

bool
out_meeting_status(struct out_item *item, struct buf *header)
{
    if (item->meeting == NULL || item->meeting->item.method != CALENDAR_REPLY || !out_sends_statuses(item))
        return false;
    const struct calendar_item *meeting = &item->meeting->item;
    const struct calendar_person *person = meeting->n_people > 0 ? &meeting->people[0] : NULL;
    struct out_told told = {.action = person != NULL ? action_of(person->answer) : NULL,
                            .reason = meeting->comment};
    struct buf message_id = {0};
    buf_printf(&message_id, "<%.*s>", (int)meeting->uid.len, meeting->uid.at);
    bool fine = told.action != NULL && meeting->one_of.form == CALENDAR_UNSET &&
                kept_find_in(item->in, buf_span(&message_id), item->meeting->arena, &told.id, &told.type);
    if (fine) {
        told.who = person->mailbox;
        fine = out_write_status(item, &told, header);
    }
    if (fine)
        gwise_report(item->out, "the answer \"%s\" is sent as a status of the appointment, without its text",
                     told.action);
    if (fine && person->answer == CALENDAR_TENTATIVE)
        gwise_report(item->out, "a tentative answer appears as accepted");
    buf_clear(&message_id);
    return fine;
}
