/* gwise-calendar-t.c - meetings, answers, tasks and notes reach the other side as what they are, and come back as the same */
#include "systems/calendar/calendar.h"
#include "systems/mime/mime_walk.h"
#include "t/gwise_convert_rig.h"

#define ID "VIADUCT-0123456789ABCDEFGHJKMNPQRS"
#define HEADER                                                                                                 \
    "From: anna@exchange.example\nTo: crew@gw.example\nCc: jo.hn@gw.example\nMessage-ID: "                     \
    "<m1@exchange.example>\n"                                                                                  \
    "Date: Wed, 1 Jul 2026 08:00:00 +0000\nMIME-Version: 1.0\n"

static void
use_options(const char *timezone, const char *reports)
{
    memset(gateway.options, 0, sizeof gateway.options);
    gateway.options[0][0] = "peer.domain";
    gateway.options[0][1] = "Exchange";
    gateway.options[1][0] = "convert.timezone";
    gateway.options[1][1] = timezone;
    gateway.options[2][0] = "convert.reports";
    gateway.options[2][1] = reports;
}

/* ---- messages with a calendar ---- */

/* A calendar with these lines in its one component, sent as an alternative to a text. */
static struct buf
invitation(const char *subject, const char *text, const char *method, const char *component, const char *lines)
{
    struct buf message = {0};
    buf_printf(&message,
               HEADER
               "Subject: %s\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; "
               "charset=utf-8\n\n%s\n--b\nContent-Type: text/calendar; charset=utf-8; method=%s\n\n"
               "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:%s\nBEGIN:%s\nUID:u1@exchange.example\n%sEND:%s\n"
               "END:VCALENDAR\n--b--\n",
               subject, text, method, method, component, lines, component);
    return message;
}

struct made {
    struct world world;
    struct buf header, body;
};

static void
make(struct made *made, struct buf *message)
{
    *made = (struct made){.world = {.refusal = ""}};
    if (outwards(&made->world, message->at, message->len) != VIADUCT_CONVERTED)
        printf("# %s\n", made->world.reason.text);
    made->header = part_of(&made->world.output, PART_HEADER, 0);
    made->body = part_of(&made->world.output, PART_BODY, 0);
    buf_clear(message);
}

static void
clear_made(struct made *made)
{
    buf_clear(&made->header);
    buf_clear(&made->body);
    clear_world(&made->world);
}

static bool
has_file(const struct made *made)
{
    return holds(&made->header, "Attach-File");
}

#define EVENT                                                                                                  \
    "ORGANIZER:mailto:anna@exchange.example\nATTENDEE:mailto:crew@gw.example\nSUMMARY:Plan\nLOCATION:"         \
    "B\xc3\xbc"                                                                                                \
    "ro; 2\nDTSTART;TZID=W. Europe Standard Time:20260701T140000\nDTEND;TZID=W. Europe Standard Time:"         \
    "20260701T153000\n"

static void
test_request(void)
{
    struct made made;
    use_options("America/New_York", NULL);
    forget_all();
    struct buf message =
        invitation("Plan", "come all", "REQUEST", "VEVENT", EVENT "CLASS:PRIVATE\nCATEGORIES:Red\n");
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= APPT; "), "a request for a meeting is an appointment");
    ok(holds(&made.header, "Subject= Plan; \r\nBegin-Time= 1/7/2026 8:0; \r\nEnd-Time= 1/7/2026 9:30; "
                           "\r\nLocation= B\x81ro\\; 2; \r\n"),
       "with times by the clocks of the gateway's site, and its place in the code page");
    ok(holds(&made.header, "Date-Sent= 1/7/2026 4:0:0; "), "the site's clocks say when it was sent too");
    ok(holds(&made.header, "Security= Confidential; "), "what is private is confidential");
    is_text(made.body.at, "come all\r\n", "its body is the text");
    ok(!has_file(&made), "the calendar is no file");
    ok(holds(&made.world.report, "CATEGORIES"), "what has no place is told");
    ok(n_kept == 1 &&
           holds(&kept[0].value,
                 "uid u1@exchange.example\norganizer anna@exchange.example\nmeeting 0 1782907200 event\n"),
       "what an answer must say is kept");
    clear_made(&made);

    message = invitation("Plan", "", "REQUEST", "VEVENT", EVENT "SEQUENCE:1\nDESCRIPTION:new\\ntime\n");
    make(&made, &message);
    ok(holds(&made.header, "Subject= Updated: Plan; "), "an update is a new appointment that says so");
    ok(holds(&made.world.report, "has \"Updated: \""), "which the report tells");
    ok(holds(&made.body, "new\r\ntime\r\n"), "without a text its body is the description");
    clear_made(&made);
    message = invitation("updated: Plan", "x", "REQUEST", "VEVENT", EVENT "SEQUENCE:1\n");
    make(&made, &message);
    ok(holds(&made.header, "Subject= updated: Plan; "), "once");
    clear_made(&made);

    message = invitation("Plan", "x", "REQUEST", "VEVENT", EVENT "RRULE:FREQ=WEEKLY;COUNT=4\n");
    make(&made, &message);
    is_text(made.body.at, "This recurs every week, 4 times. Only its first date is in this item.\r\n\r\nx\r\n",
            "a series is its first date, and the text says so");
    ok(holds(&made.world.report, "the series (every week, 4 times)"), "and the report");
    clear_made(&made);

    message =
        invitation("Day", "x", "REQUEST", "VEVENT", "DTSTART;VALUE=DATE:20260701\nDTEND;VALUE=DATE:20260703\n");
    make(&made, &message);
    ok(holds(&made.header, "Begin-Time= 1/7/2026 0:0; \r\nEnd-Time= 3/7/2026 0:0; "),
       "whole days go from midnight to midnight");
    ok(holds(&made.body, "When: 1/7/2026 to 2/7/2026\r\n"), "and the text names the days");
    clear_made(&made);
    use_options("Nowhere/Atlantis", NULL);
    message = invitation("Plan", "x", "REQUEST", "VEVENT", EVENT);
    make(&made, &message);
    ok(made.world.output.len == 0 && strstr(made.world.reason.text, "convert.timezone") != NULL,
       "a site in no zone converts nothing");
    clear_made(&made);
    use_options("America/New_York", NULL);
}

static void
answered(const char *partstat, const char *subject, const char *want_subject, const char *want_words)
{
    struct made made;
    struct buf lines = {0};
    buf_printf(&lines,
               "ATTENDEE;CN=Anna;PARTSTAT=%s:mailto:anna@exchange.example\nDTSTART:20260701T120000Z\nCOMMENT:"
               "cannot\\, sorry\n",
               partstat);
    struct buf message = invitation(subject, "text", "REPLY", "VEVENT", lines.at);
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= MAIL; ") && holds(&made.header, want_subject),
       "an answer %s is a mail, its subject says it", partstat);
    ok(holds(&made.body, want_words) && holds(&made.body, "Comment: cannot, sorry\r\n") &&
           holds(&made.body, "When: 1/7/2026 8:00 (America/New_York)\r\n"),
       "and its text");
    ok(!has_file(&made) && holds(&made.world.report, "REPLY is sent as a mail"), "the report too");
    clear_made(&made);
    buf_clear(&lines);
}

static void
test_others(void)
{
    struct made made;
    answered("ACCEPTED", "Plan", "Subject= Accepted: Plan; ", "Answer: accepted (Anna)\r\n");
    answered("DECLINED", "Declined: Plan", "Subject= Declined: Plan; ", "Answer: declined (Anna)\r\n");
    answered("TENTATIVE", "Plan", "Subject= Tentative: Plan; ", "Answer: tentative (Anna)\r\n");
    struct buf message = invitation("Plan", "off", "CANCEL", "VEVENT", EVENT);
    make(&made, &message);
    ok(holds(&made.header, "Subject= Canceled: Plan; ") && holds(&made.header, "MAIL") &&
           holds(&made.body, "Where: B\x81ro; 2\r\n"),
       "a meeting that is off is a mail that says so");
    clear_made(&made);
    message = invitation("Plan", "later?", "COUNTER", "VEVENT", EVENT);
    make(&made, &message);
    ok(holds(&made.header, "Subject= New Time Proposed: Plan; ") &&
           holds(&made.body, "When: 1/7/2026 8:00 to 1/7/2026 9:30"),
       "another time is proposed in words");
    clear_made(&made);
    message = invitation("Do", "it", "REQUEST", "VTODO",
                         "DTSTART:20260701T120000Z\nDUE:20260702T120000Z\nPRIORITY:4\nPERCENT-COMPLETE:50\n");
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= TASK; ") &&
           holds(&made.header, "Begin-Time= 1/7/2026 8:0; \r\nEnd-Time= 2/7/2026 8:0; \r\nTask-Category= B; "
                               "\r\nTask-Priority= 1; "),
       "a task is one, with its due and priority");
    ok(holds(&made.body, "Done: 50 %"), "how far it is stands in the text");
    clear_made(&made);
    message = invitation("Day", "today", "PUBLISH", "VJOURNAL", "DTSTART;VALUE=DATE:20260701\n");
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= NOTE; ") && holds(&made.header, "Begin-Time= 1/7/2026 0:0; "),
       "a note is one, of its day");
    clear_made(&made);
}

/* What is no request, or not understood, stays the file that it is. */
static void
test_files(void)
{
    static const char *const broken[] = {"BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n", "no calendar",
                                         "\xff\xfe\0\1", "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n"};
    struct made made;
    struct buf message = invitation("Flight", "x", "PUBLISH", "VEVENT", EVENT);
    make(&made, &message);
    ok(has_file(&made) && holds(&made.header, "MAIL"), "an event that is only told of stays a file");
    clear_made(&made);
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        buf_printf(&message,
                   HEADER "Subject: x\nContent-Type: multipart/mixed; "
                          "boundary=b\n\n--b\n\ntext\n--b\nContent-Type: text/calendar; "
                          "method=REQUEST; name=invite.ics\n\n%s\n--b--\n",
                   broken[i]);
        make(&made, &message);
        ok(has_file(&made) && holds(&made.header, "MAIL") && holds(&made.header, "invite.ics"),
           "a calendar that is none is a file");
        ok(holds(&made.world.report, "a calendar is sent as a file: "), "and the report says why");
        clear_made(&made);
    }
    buf_printf(&message, HEADER "Subject: x\nContent-Type: text/calendar; method=REQUEST; "
                                "name=big.ics\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n"
                                "UID:u\nDTSTART:20260701T120000Z\n");
    while (message.len < CALENDAR_TEXT_MAX + 2000)
        buf_add_text(&message, "X-FILL:abcdefghijklmnopqrstuvwxyz\n");
    buf_add_text(&message, "END:VEVENT\nEND:VCALENDAR\n");
    size_t whole = message.len;
    make(&made, &message);
    struct buf file = part_of(&made.world.output, PART_FILE, 0);
    ok(holds(&made.world.report, "octets") && file.len > whole - 400,
       "a calendar of more than a megabyte is a file, whole");
    buf_clear(&file);
    clear_made(&made);
}

/* As many programs send it: an alternative, and the same once more as a file. */
static void
test_twice(void)
{
    static const char calendar[] = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n" EVENT "END:VEVENT\nEND:VCALENDAR\n",
                      other[] = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:other\n" EVENT
                                "END:VEVENT\nEND:VCALENDAR\n";
    struct made made;
    struct buf message = {0};
    buf_printf(&message,
               HEADER "Subject: x\nContent-Type: multipart/mixed; "
                      "boundary=b\n\n--b\n\ntext\n--b\nContent-Type: text/calendar; method=request\n\n%s"
                      "--b\nContent-Type: application/ics; method=\"REQUEST\"; name=invite.ics\n\n%s"
                      "--b\nContent-Type: application/octet-stream; name=other.ICS\n\n%s--b--\n",
               calendar, calendar, other);
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= APPT; "), "the method may stand with the media type alone, in any case");
    ok(holds(&made.header, "other.ICS") && !holds(&made.header, "invite.ics"),
       "the same calendar once more is left out, another one is a file");
    clear_made(&made);
}

/* ---- items from GroupWise ---- */

#define APPOINTMENT(more)                                                                                      \
    "Wpc-Api= 1.2; \r\nMsg-Type= Appt; \r\nMsg-Id= 4003A1B2.7C1D.000B.000; \r\n"                               \
    "From= \r\n WPD= HARBOUR; WPPO= Quay; WPU= crew; FN= The; LN= Crew; ; \r\n" TO                             \
    "All-To= \r\n WPD= Exchange; WPPO= HQ; WPU= anna; , \r\n WPD= Exchange; WPPO= HQ; WPU= anna; , \r\n"       \
    " WPD= Other; WPPO= x; WPU= y; ; \r\nAll-To-CC= \r\n WPD= Exchange; WPPO= HQ; WPU= carl; ; \r\n"           \
    "Subject= Gr\x81\xe1"                                                                                      \
    "e; \r\nDate-Sent= 1/7/2026 4:0:0; \r\nMsg-File= 4003a1b2.bdy; \r\n" more "-END-\r\n"

/* The calendar in a message; a part decoded by the walker's own means. */
static bool
find_calendar(struct world *world, struct calendar_item *item, struct arena *arena, struct calendar_zone *site)
{
    struct world message = {.input = world->output};
    struct mime_tree tree = {0};
    struct buf text = {0};
    struct why why = {"", ""};
    bool found = false;
    mime_walk(read_input, &message, &tree);
    for (size_t i = 0; i < tree.n && !found; i++) {
        struct mime_decoder decoder;
        if (strcmp(tree.parts[i].type, "text/calendar") != 0)
            continue;
        mime_decoder_start(&decoder, tree.parts[i].encoding);
        mime_decode(&decoder, world->output.at + tree.parts[i].start,
                    (size_t)(tree.parts[i].end - tree.parts[i].start), &text);
        mime_decode_end(&decoder, &text);
        found = calendar_read(buf_span(&text), site, arena, NULL, NULL, item, &why) == 0;
    }
    mime_tree_clear(&tree);
    buf_clear(&text);
    return found;
}

static struct buf
item_with(const char *header, const char *body, const char *file)
{
    return make_item(header, strlen(header), body, file);
}

static void
test_appointment(void)
{
    struct world world = {0};
    struct calendar_item meeting = {0};
    struct arena *arena = arena_new(CALENDAR_ARENA_MAX);
    struct calendar_zone *utc = calendar_zone_new(SPAN("UTC"));
    use_options("Europe/Berlin", NULL);
    struct buf item = item_with(
        APPOINTMENT("Begin-Time= 25/10/2026 2:30; \r\nEnd-Time= 25/10/2026 3:30; \r\nLocation= B\x81ro, 2; \r\n"
                    "Msg-Priority= High; \r\nSecurity= Confidential; \r\n"),
        "Kommt\r\nalle\r\n", NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "an appointment comes in");
    ok(holds(&world.output, "Content-Type: multipart/alternative; boundary="), "as one thing in two forms");
    ok(holds(&world.output, "Content-Type: text/calendar; charset=utf-8; method=REQUEST\n"),
       "the other is a calendar, whose method stands with its type");
    ok(holds(&world.output, "[Appointment]\nBegin: 25/10/2026 2:30\n") && holds(&world.output, "Kommt\nalle\n"),
       "the first is for reading");
    ok(find_calendar(&world, &meeting, arena, utc), "the calendar can be read");
    is_int(meeting.method, CALENDAR_REQUEST, "it asks");
    is_span(meeting.uid, "4003A1B2.7C1D.000B.000@HARBOUR.gwise.invalid", "its uid is made of the item's id");
    is_int(meeting.begin.time_s, 1792888200, "it begins when the site's clock shows that for the first time");
    is_int(meeting.end.time_s, 1792888200 + 7200, "and ends by the clock after the change");
    is_span(meeting.summary, "Grüße", "its subject");
    is_span(meeting.location, "Büro, 2", "its place");
    is_span(meeting.description, "Kommt\nalle", "its text");
    is_span(meeting.organizer.mailbox, "crew@gw.example", "who asks");
    is_span(meeting.organizer.name, "The Crew", "by name");
    is_int((long long)meeting.n_people, 2, "who is asked: each once, and nobody without an address");
    ok(calendar_find(&meeting, SPAN("anna@exchange.example"))->rsvp &&
           calendar_find(&meeting, SPAN("carl@exchange.example"))->role == CALENDAR_OPTIONAL,
       "for an answer; copies are optional");
    ok(meeting.priority == 1 && meeting.class == CALENDAR_CONFIDENTIAL && meeting.stamp_s == 1782871200,
       "how urgent, how secret, when sent");
    ok(!holds(&world.report, "as a message"), "nothing is said to be lost");
    clear_world(&world);
    buf_clear(&item);

    item = item_with(APPOINTMENT("Begin-Time= 1/7/2026 9:0 +0; \r\nAttach-File= \r\n Current-File= Comments; "
                                 "Original-File= Comments; , "
                                 "\r\n Current-File= 1.001; Original-File= a.doc; ; \r\n"),
                     "body\r\n", "COMMENTS");
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "one with a comment comes in");
    ok(find_calendar(&world, &meeting, arena, utc) && meeting.begin.time_s == 1782896400 &&
           meeting.end.form == CALENDAR_UNSET,
       "its own zone counts");
    is_span(meeting.description, "body\n\n12345", "its comment is part of the text");
    ok(holds(&world.output, "body\n\n12345\n") && !holds(&world.output, "omments"), "and no file");
    ok(holds(&world.report, "a.doc did not come") && !holds(&world.report, "omments"),
       "what is missing is still told");
    clear_world(&world);
    buf_clear(&item);

    item = item_with(APPOINTMENT("Begin-Time= 1/7/2026 0:0; \r\nEnd-Time= 1/7/2026 23:59; \r\n"), "body\r\n",
                     "u.txt");
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "one with a file comes in");
    ok(find_calendar(&world, &meeting, arena, utc) && meeting.begin.form == CALENDAR_DATE &&
           meeting.end.clock.day == 2,
       "a whole day is one");
    ok(holds(&world.output, "Content-Type: multipart/mixed; boundary=\"=_gwise") &&
           holds(&world.output, "filename=\"u.txt\""),
       "the file stands beside both forms");
    clear_world(&world);
    buf_clear(&item);

    item = item_with(APPOINTMENT("Begin-Time= tomorrow; \r\n"), "body\r\n", NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "one without a time comes in");
    ok(!holds(&world.output, "text/calendar") && holds(&world.report, "a message only"),
       "as a message, and the report says so");
    clear_world(&world);
    buf_clear(&item);
    calendar_zone_free(utc);
    arena_free(arena);
}

static void
test_readable(void)
{
    struct world world = {0};
    static const char task[] = "Msg-Type= Task; \r\n" FROM TO
                               "Subject= s; \r\nBegin-Time= 1/7/2026 8:0; \r\nEnd-Time= 2/7/2026 8:0; \r\n"
                               "Task-Category= A; \r\nTask-Priority= 1; \r\n-END-\r\n";
    struct buf item = item_with(task, "do\r\n", NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "a task comes in");
    ok(holds(&world.output, "[Task]\nBegin: 1/7/2026 8:0\nDue: 2/7/2026 8:0\nPriority: A1\n\ndo\n"),
       "in words, its priority as GroupWise shows it");
    clear_world(&world);
    buf_clear(&item);
}

/* ---- answers ---- */

#define STATUS(action)                                                                                         \
    "Wpc-Api= 1.2; \r\nMsg-Type= Appt; \r\nFrom= \r\n WPD= HARBOUR; WPPO= Quay; WPU= crew; ; \r\n" TO          \
    "Orig-Msg-ID= " ID "; \r\nStatus-Report= \r\n Action= " action "; Time= 2/7/2026 9:0:0; ; \r\n-END-\r\n"

static void
says(const char *header, enum calendar_answer answer, const char *subject)
{
    struct world world = {0};
    struct calendar_item meeting = {0};
    struct arena *arena = arena_new(CALENDAR_ARENA_MAX);
    struct calendar_zone *utc = calendar_zone_new(SPAN("UTC"));
    struct buf item = item_with(header, NULL, NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "an answer comes in");
    ok(find_calendar(&world, &meeting, arena, utc) && meeting.method == CALENDAR_REPLY,
       "as one that a calendar understands");
    is_span(meeting.uid, "u1@exchange.example", "about the meeting that was asked for");
    ok(meeting.n_people == 1 && meeting.people[0].answer == answer &&
           span_equal(meeting.people[0].mailbox, SPAN("crew@gw.example")),
       "what, and whose");
    is_span(meeting.organizer.mailbox, "anna@exchange.example", "to whom");
    ok(meeting.begin.time_s == 1782907200 && meeting.sequence == 3, "which of its versions");
    ok(holds(&world.output, subject) && holds(&world.output, "In-Reply-To: <m1@exchange.example>\n"),
       "in its thread");
    is_text(world.originator.at != NULL ? world.originator.at : "", "HARBOUR.Quay.crew",
            "it is a person's mail");
    clear_world(&world);
    buf_clear(&item);
    calendar_zone_free(utc);
    arena_free(arena);
}

static void
test_answers(void)
{
    struct made made;
    struct world world = {0};
    forget_all();
    struct buf message = invitation("Plan", "x", "REQUEST", "VEVENT", EVENT "SEQUENCE:3\n");
    make(&made, &message);
    clear_made(&made);
    says(STATUS("Accepted"), CALENDAR_ACCEPTED, "Subject: Accepted: ");
    says(STATUS("Declined"), CALENDAR_DECLINED, "Subject: Declined: ");
    says(STATUS("Deleted"), CALENDAR_DECLINED, "Subject: Declined: ");
    forget_all();
    struct buf item = item_with(STATUS("Accepted"), NULL, NULL);
    inwards(&world, &item);
    ok(!holds(&world.output, "text/calendar") && holds(&world.output, "Action: Accepted\n"),
       "an answer to what nobody remembers is told in words");
    clear_world(&world);
    message = invitation("Plan", "x", "REQUEST", "VEVENT", EVENT "RECURRENCE-ID:20260701T120000Z\n");
    make(&made, &message);
    clear_made(&made);
    inwards(&world, &item);
    ok(!holds(&world.output, "text/calendar"),
       "so is one about a single date of a series: it would be to all of it");
    clear_world(&world);
    buf_clear(&item);
    buf_printf(&message, HEADER "Subject: mail\n\nx\n");
    make(&made, &message);
    clear_made(&made);
    item = item_with(STATUS("Accepted"), NULL, NULL);
    inwards(&world, &item);
    ok(!holds(&world.output, "text/calendar"), "and one to a mail");
    clear_world(&world);
    buf_clear(&item);
}

/* An answer of the host's to an appointment of GroupWise's. */
static void
test_status(void)
{
    struct made made;
    struct world world = {0};
    static const char reply[] = "ATTENDEE;PARTSTAT=TENTATIVE:mailto:anna@exchange.example\nCOMMENT:perhaps\n";
    use_options("America/New_York", "status");
    forget_all();
    struct buf item = item_with(APPOINTMENT("Begin-Time= 1/7/2026 9:0; \r\n"), "body\r\n", NULL);
    inwards(&world, &item);
    clear_world(&world);
    buf_clear(&item);
    struct buf message = {0};
    buf_printf(&message,
               HEADER "Subject: Tentative: x\nContent-Type: text/calendar; "
                      "method=REPLY\n\nBEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\n"
                      "UID:4003A1B2.7C1D.000B.000@HARBOUR.gwise.invalid\n%sEND:VEVENT\nEND:VCALENDAR\n",
               reply);
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= Appt; ") && holds(&made.header, "Orig-Msg-ID= 4003A1B2.7C1D.000B.000; "),
       "an answer is a status of the appointment");
    ok(holds(&made.header, "Action= Accepted: perhaps; \r\n") &&
           holds(&made.world.report, "tentative answer appears as accepted"),
       "tentative is accepted, which is told");
    ok(holds(&made.header, "From= \r\n    WPD= Exchange; \r\n    WPPO= HQ; \r\n    WPU= anna; "),
       "from him who answers");
    clear_made(&made);
    message = invitation("Plan", "x", "REPLY", "VEVENT", reply);
    make(&made, &message);
    ok(holds(&made.header, "Msg-Type= MAIL; "), "an answer to what nobody remembers is a mail");
    clear_made(&made);
    use_options("America/New_York", NULL);
}

/* ---- there and back ---- */

static void
test_round_trip(void)
{
    struct made made;
    struct world back = {0}, again = {0};
    struct calendar_item meeting = {0};
    struct arena *arena = arena_new(CALENDAR_ARENA_MAX);
    struct calendar_zone *utc = calendar_zone_new(SPAN("UTC"));
    struct buf message = invitation("Plan", "come all", "REQUEST", "VEVENT", EVENT);
    make(&made, &message);
    struct buf carried = carry(&made.world.output);
    gateway.options[0][1] = "HARBOUR"; /* now seen from the other side */
    is_int(inwards(&back, &carried), VIADUCT_CONVERTED, "a meeting that was sent comes back");
    gateway.options[0][1] = "Exchange";
    ok(find_calendar(&back, &meeting, arena, utc) && meeting.begin.time_s == 1782907200 &&
           meeting.end.time_s == 1782912600 && span_equal(meeting.location, SPAN("Büro; 2")) &&
           span_equal(meeting.summary, SPAN("Plan")) &&
           span_equal(meeting.organizer.mailbox, SPAN("anna@exchange.example")) &&
           calendar_find(&meeting, SPAN("crew@gw.example")) != NULL,
       "at the same time and place, with the same people");
    buf_clear(&carried);
    clear_made(&made);
    is_int(outwards(&again, back.output.at, back.output.len), VIADUCT_CONVERTED, "and goes out once more");
    struct buf header = part_of(&again.output, PART_HEADER, 0);
    ok(holds(&header, "Msg-Type= APPT; ") &&
           holds(&header,
                 "Begin-Time= 1/7/2026 8:0; \r\nEnd-Time= 1/7/2026 9:30; \r\nLocation= B\x81ro\\; 2; "),
       "as the same appointment");
    buf_clear(&header);
    clear_world(&back);
    clear_world(&again);
    calendar_zone_free(utc);
    arena_free(arena);
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    test_request();
    test_others();
    test_files();
    test_twice();
    test_appointment();
    test_readable();
    test_answers();
    test_status();
    test_round_trip();
    forget_all();
    return tap_done();
}
