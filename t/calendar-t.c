/* calendar-t.c - what a calendar says is understood: zones by every kind of name, clocks at their changes, whole days,
 * series, and anything hostile */
#include <errno.h>
#include <time.h>

#include "systems/calendar/calendar.h"
#include "t/tap.h"

static struct calendar_zone *site;
static struct arena *arena;
static struct buf said;

static void
take_line(void *arg, const char *line)
{
    (void)arg;
    buf_printf(&said, "%s\n", line);
}

static bool
was_said(const char *what)
{
    buf_add(&said, "", 0);
    return said.len > 0 && memmem(said.at, said.len, what, strlen(what)) != NULL;
}

static bool
text_holds(const struct buf *text, const char *what)
{
    return text->len > 0 && memmem(text->at, text->len, what, strlen(what)) != NULL;
}

static int
read_text(struct span text, struct calendar_item *item, struct why *why)
{
    arena_reset(arena);
    buf_reset(&said);
    return calendar_read(text, site, arena, take_line, NULL, item, why);
}

/* An event with these lines, read. */
static struct calendar_item
event(const char *zones, const char *lines)
{
    struct calendar_item item;
    struct why why = {"", ""};
    struct buf text = {0};
    buf_printf(
        &text,
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\n%sBEGIN:VEVENT\r\nUID:u1\r\n%sEND:VEVENT\r\n"
        "END:VCALENDAR\r\n",
        zones, lines);
    if (read_text(buf_span(&text), &item, &why) != 0)
        printf("# %s\n", why.text);
    buf_clear(&text);
    return item;
}

/* "2026-03-29T01:30:00Z" as a number. */
static int64_t
utc(int year, int month, int day, int hour, int minute)
{
    return calendar_clock_seconds(&(struct calendar_clock){year, month, day, hour, minute, 0});
}

/* ---- clocks and zones ---- */

static void
test_clock(void)
{
    struct calendar_clock clock = {2026, 11, 25, 15, 38, 10};
    is_int(calendar_clock_seconds(&clock), 1795621090, "a clock in seconds");
    int wrong = 0;
    for (int64_t s = -2208988800; s < 32503680000; s += 86399 * 7) {
        struct calendar_clock back = calendar_clock_of(s);
        wrong += calendar_clock_seconds(&back) != s || !calendar_clock_valid(&back);
    }
    is_int(wrong, 0, "every day from 1900 to 2999 comes back the same");
    is_int(calendar_weekday(&clock), 3, "a Wednesday");
    is_int(calendar_nth_weekday(2026, 3, 0, -1), 29, "the last Sunday of March 2026");
    is_int(calendar_nth_weekday(2026, 11, 0, 1), 1, "the first of November");
    is_int(calendar_nth_weekday(2026, 2, 0, 5), 22, "a fifth Sunday that February lacks is its last");
    ok(!calendar_clock_valid(&(struct calendar_clock){2026, 2, 29, 0, 0, 0}) &&
           calendar_clock_valid(&(struct calendar_clock){2028, 2, 29, 0, 0, 0}) &&
           !calendar_clock_valid(&(struct calendar_clock){2026, 13, 1, 0, 0, 0}) &&
           !calendar_clock_valid(&(struct calendar_clock){26, 1, 1, 0, 0, 0}),
       "dates that are none are told from those that are");
}

static void
zone_is(const char *name, const char *iana)
{
    struct calendar_zone *zone = calendar_zone_new(span_of(name));
    is_text(zone != NULL ? calendar_zone_name(zone) : "(unknown)", iana, "\"%.60s\" is %s", name, iana);
    calendar_zone_free(zone);
}

static void
test_names(void)
{
    char windows[CALENDAR_ZONE_NAME_MAX];
    zone_is("Europe/Berlin", "Europe/Berlin");
    zone_is("W. Europe Standard Time", "Europe/Berlin");
    zone_is("Romance Standard Time", "Europe/Paris");
    zone_is("Pacific Standard Time", "America/Los_Angeles");
    zone_is("\"W. Europe Standard Time\"", "Europe/Berlin");
    zone_is("/citadel.org/20190914_1/Europe/Berlin", "Europe/Berlin");
    zone_is("/freeassociation.sourceforge.net/America/Argentina/Buenos_Aires",
            "America/Argentina/Buenos_Aires");
    zone_is("Asia/Kolkata", "Asia/Kolkata");
    zone_is("Etc/UTC", "UTC");
    zone_is("GMT", "UTC");
    zone_is("Nowhere/Atlantis", "(unknown)");
    zone_is("Customized Time Zone", "(unknown)");
    zone_is("", "(unknown)");
    zone_is("////////", "(unknown)");
    zone_is("M\xc3\xbcnchen", "(unknown)");
    zone_is("Etc/Unknown", "(unknown)");
    struct calendar_zone *zone = calendar_zone_new(SPAN("Europe/Paris"));
    ok(calendar_zone_windows(zone, windows) && strcmp(windows, "Romance Standard Time") == 0,
       "Europe/Paris is Romance Standard Time to Windows");
    calendar_zone_free(zone);
    setenv("TZ", "America/New_York", 1);
    zone = calendar_zone_machine();
    is_text(calendar_zone_name(zone), "America/New_York", "the machine's zone is what TZ says");
    calendar_zone_free(zone);
    setenv("TZ", "XYZ-3:15", 1);
    tzset();
    zone = calendar_zone_machine();
    ok(calendar_zone_name(zone) == NULL, "a zone that only the C library knows has no name");
    is_int(calendar_zone_time(zone, &(struct calendar_clock){2026, 1, 1, 3, 15, 0}), utc(2026, 1, 1, 0, 0),
           "but works");
    is_int(calendar_zone_clock(zone, utc(2026, 1, 1, 0, 0)).minute, 15, "both ways");
    calendar_zone_free(zone);
    setenv("TZ", "UTC", 1);
    tzset();
}

/* What both ways of knowing a zone must agree on: ICU's table, and a VTIMEZONE. */
static const char berlin[] =
    "BEGIN:VTIMEZONE\r\nTZID:Our Own\r\nBEGIN:STANDARD\r\nDTSTART:16011028T030000\r\n"
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:16010325T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+"
    "0100\r\n"
    "TZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";

static void
test_changes(void)
{
    static const struct {
        const char *begin, *name;
        int month, day, hour, minute;
    } clocks[] = {
        {"20260101T120000", "winter", 1, 1, 11, 0},
        {"20260701T120000", "summer", 7, 1, 10, 0},
        {"20260329T015959", "the last minute before summer time", 3, 29, 0, 59},
        {"20260329T023000", "an hour that is left out: half an hour after two by the old clock", 3, 29, 1, 30},
        {"20260329T030000", "the first minute of summer time", 3, 29, 1, 0},
        {"20261025T023000", "an hour that comes twice is its first", 10, 25, 0, 30},
        {"20261025T030000", "the hour after", 10, 25, 2, 0},
        {"20271231T235959", "the year's end", 12, 31, 22, 59},
    };
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct buf line = {0};
        int year = clocks[i].month == 12 ? 2027 : 2026;
        buf_printf(&line, "DTSTART;TZID=\"W. Europe Standard Time\":%s\r\n", clocks[i].begin);
        struct calendar_item item = event("", line.at);
        is_int(item.begin.time_s / 60,
               utc(year, clocks[i].month, clocks[i].day, clocks[i].hour, clocks[i].minute) / 60,
               "by its Windows name: %s", clocks[i].name);
        buf_reset(&line);
        buf_printf(&line, "DTSTART;TZID=Our Own:%s\r\n", clocks[i].begin);
        item = event(berlin, line.at);
        is_int(item.begin.time_s / 60,
               utc(year, clocks[i].month, clocks[i].day, clocks[i].hour, clocks[i].minute) / 60,
               "by the calendar's own rules: %s", clocks[i].name);
        buf_clear(&line);
    }
}

static void
test_own_zones(void)
{
    struct calendar_item item =
        event("BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
              "TZOFFSETFROM:+0530\r\nTZOFFSETTO:+0530\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
              "DTSTART;TZID=W. Europe Standard Time:20260101T120000\r\n");
    is_int(item.begin.time_s, utc(2026, 1, 1, 6, 30), "a calendar's own rules come before the name");
    item = event(
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
        "RRULE:FREQ=SECONDLY\r\nTZOFFSETFROM:+0500\r\nTZOFFSETTO:+0500\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
        "DTSTART;TZID=Europe/Berlin:20260101T120000\r\n");
    is_int(item.begin.time_s, utc(2026, 1, 1, 11, 0),
           "rules of every second are not followed, the name decides");
    item = event("BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:DAYLIGHT\r\nDTSTART:20070311T020000\r\n"
                 "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU;UNTIL=20200308T070000Z\r\nTZOFFSETFROM:-"
                 "0500\r\nTZOFFSETTO:-0400\r\n"
                 "END:DAYLIGHT\r\nBEGIN:STANDARD\r\nDTSTART:20071104T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=11;"
                 "BYDAY=1SU\r\n"
                 "TZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
                 "DTSTART;TZID=Ours:20190701T120000\r\nDTEND;TZID=Ours:20260701T120000\r\n");
    is_int(item.begin.time_s, utc(2019, 7, 1, 16, 0), "a rule holds until its end");
    is_int(item.end.time_s, utc(2026, 7, 1, 17, 0), "and not after");
    item = event("", "DTSTART;TZID=Customized Time Zone:20260101T120000\r\nDTEND;TZID=Customized Time "
                     "Zone:20260101T130000\r\n");
    ok(item.begin.form == CALENDAR_FLOATING && item.begin.time_s == utc(2026, 1, 1, 17, 0) &&
           was_said("the time zone \"Customized Time Zone\" is unknown"),
       "a zone that nobody knows is the site's, and this is told");
    ok(strstr(strstr(said.at, "unknown") + 1, "unknown") == NULL, "once");
}

/* ---- items ---- */

static void
test_event(void)
{
    struct calendar_item item = event(
        "", "SEQUENCE:2\r\nDTSTAMP:20260102T030405Z\r\nSUMMARY;LANGUAGE=de:Gr\xc3\xbc\xc3\x9f"
            "e\\, alle\\; zusa\r\n mmen\r\n"
            "LOCATION:Raum 1\\\\2\r\nDESCRIPTION:one\\nt\r\n\two\r\nORGANIZER;CN=\"Berg, "
            "Anna\":MAILTO:anna@exchange.example\r\n"
            "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=DECLINED;RSVP=TRUE;CN=Jo:mailto:jo%2Bhn@gw.example\r\n"
            "ATTENDEE:mailto:crew@gw.example\r\nDTSTART:20260301T100000Z\r\nDURATION:PT1H30M\r\nPRIORITY:"
            "1\r\nCLASS:PRIVATE\r\n"
            "TRANSP:TRANSPARENT\r\nCATEGORIES:Red\r\nATTACH:http://x.example/\r\n"
            "BEGIN:VALARM\r\nACTION:DISPLAY\r\nSUMMARY:not this\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n");
    ok(item.method == CALENDAR_REQUEST && item.component == CALENDAR_EVENT, "a request for a meeting");
    is_span(item.uid, "u1", "its uid");
    is_int(item.sequence, 2, "its sequence");
    is_span(item.summary, "Grüße, alle; zusammen", "its summary, unfolded and unescaped");
    is_span(item.location, "Raum 1\\2", "its place");
    is_span(item.description, "one\ntwo", "its description");
    is_span(item.organizer.mailbox, "anna@exchange.example", "its organizer");
    is_span(item.organizer.name, "Berg, Anna", "and his name");
    is_int((long long)item.n_people, 2, "who is invited");
    const struct calendar_person *jo = calendar_find(&item, SPAN("Jo+hn@gw.example"));
    ok(jo != NULL && jo->role == CALENDAR_OPTIONAL && jo->answer == CALENDAR_DECLINED && jo->rsvp,
       "as what, with what answer");
    ok(item.begin.form == CALENDAR_UTC && item.begin.time_s == utc(2026, 3, 1, 10, 0), "its begin");
    ok(item.end.time_s == utc(2026, 3, 1, 11, 30), "its end, by its duration");
    ok(item.priority == 1 && item.class == CALENDAR_PRIVATE && item.free &&
           item.stamp_s == utc(2026, 1, 2, 3, 4) + 5,
       "its priority, class, and when this was said");
    ok(was_said("not carried: ATTACH, CATEGORIES\n") && was_said("reminder"), "what has no place is told");
}

static void
test_times(void)
{
    struct calendar_item item = event("", "DTSTART:20260301T100000\r\n");
    ok(item.begin.form == CALENDAR_FLOATING && item.begin.time_s == utc(2026, 3, 1, 15, 0),
       "a floating time is the site's");
    ok(item.end.form == CALENDAR_UNSET, "an event without end has none");
    item = event("", "DTSTART;VALUE=DATE:20260301\r\n");
    ok(item.begin.form == CALENDAR_DATE && item.begin.time_s == utc(2026, 3, 1, 5, 0),
       "a whole day begins at the site's midnight");
    ok(item.end.form == CALENDAR_DATE && item.end.clock.day == 2, "and ends with it");
    item = event("", "DTSTART;TZID=America/New_York:20260307T120000\r\nDURATION:P1D\r\n");
    is_int(item.end.time_s, utc(2026, 3, 8, 16, 0),
           "a duration of a day over a change of the clocks is a day of 23 hours");
    item = event("", "DTSTART;TZID=America/New_York:20260307T120000\r\nDURATION:PT24H\r\n");
    is_int(item.end.time_s, utc(2026, 3, 8, 17, 0), "one of 24 hours is not");
    item = event("", "DTSTART:20260301T100000Z\r\nDTEND:20260301T090000Z\r\n");
    ok(item.end.form == CALENDAR_UNSET && was_said("ends before it begins"),
       "an end before the begin is left out, and told");
    item = event("", "DTSTART:20260231T100000Z\r\n");
    ok(item.begin.form == CALENDAR_UNSET, "the 31st of February is no time");
    item = event("", "DTSTART:20260301T100000Z\r\nDURATION:P99999999W\r\n");
    ok(item.end.form == CALENDAR_UNSET, "a duration of ages is none");
    item = event(
        "", "DTSTART;VALUE=TEXT:20260301T100000Z\r\nSUMMARY;VALUE=DATE:20260301\r\nSEQUENCE;VALUE=TEXT:x\r\n"
            "ATTENDEE;VALUE=INTEGER:5\r\nRRULE;VALUE=TEXT:x\r\nDURATION;VALUE=TEXT:PT1H\r\nPRIORITY;VALUE="
            "FLOAT:1.5\r\n");
    ok(item.sequence == 0 && item.recurs_words.len == 0 && item.n_people <= 1 &&
           item.begin.form != CALENDAR_ZONED,
       "a value said to be of another kind than its property's is taken for nothing it is not");
}

static void
repeats(const char *rule, const char *words)
{
    struct buf line = {0};
    buf_printf(&line, "DTSTART:20260301T100000Z\r\n%s\r\n", rule);
    struct calendar_item item = event("", line.at);
    is_span(item.recurs_words, words, "%s", words);
    ok(item.recurs, "which recurs");
    buf_clear(&line);
}

static void
test_series(void)
{
    repeats("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,FR;COUNT=10",
            "every 2 weeks on Monday, Wednesday and Friday, 10 times");
    repeats("RRULE:FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20261231T000000Z",
            "every month on the last Friday, until 31 December 2026");
    repeats("RRULE:FREQ=YEARLY;BYMONTH=3,10;BYMONTHDAY=1", "every year on day 1 in March and October");
    repeats("RRULE:FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1",
            "every month on Monday and Tuesday (of these, some only)");
    repeats("RRULE:FREQ=DAILY\r\nRDATE:20260401T100000Z", "every day, and on more dates");
    repeats("RDATE:20260401T100000Z", "on more dates");
    struct calendar_item item = event("", "DTSTART:20260301T100000Z\r\nRECURRENCE-ID:20260301T090000Z\r\n");
    ok(!item.recurs && item.one_of.time_s == utc(2026, 3, 1, 9, 0), "one date of a series is known as that");
}

static void
test_tasks(void)
{
    static const char task
        [] = "BEGIN:VCALENDAR\nMETHOD:Request\nBEGIN:VTODO\nUID:t\nDTSTART;VALUE=DATE:20260301\nDUE;VALUE=DATE:"
             "20260305\n"
             "PERCENT-COMPLETE:40\nEND:VTODO\nBEGIN:VTODO\nUID:second\nEND:VTODO\nEND:VCALENDAR\n",
    note[] =
        "BEGIN:VCALENDAR\nBEGIN:VJOURNAL\nUID:n\nDTSTART;VALUE=DATE:20260301\nEND:VJOURNAL\nEND:VCALENDAR\n";
    struct calendar_item item;
    struct why why;
    is_int(read_text(span_of(task), &item, &why), 0, "a task is read");
    ok(item.component == CALENDAR_TASK && item.end.clock.day == 5 && item.percent == 40 &&
           item.method == CALENDAR_REQUEST,
       "with when it is due, and how far it is");
    ok(was_said("holds 2 items"), "that there is another is told");
    is_int(read_text(span_of(note), &item, &why), 0, "a note is read");
    ok(item.component == CALENDAR_NOTE && item.method == CALENDAR_NO_METHOD && item.percent == -1,
       "which asks for nothing");
}

/* ---- hostile ---- */

static void
refused(struct span text, const char *words, const char *name)
{
    struct calendar_item item;
    struct why why = {"", ""};
    is_int(read_text(text, &item, &why), -EINVAL, "%s", name);
    ok(strstr(why.text, words) != NULL, "and the reason is told: %s", why.text);
}

static void
add_times(struct buf *text, const char *what, int n)
{
    for (int i = 0; i < n; i++)
        buf_add_text(text, what);
}

static void
test_malformed(void)
{
    struct buf text = {0};
    refused(SPAN(""), "no calendar", "no text");
    refused((struct span){NULL, 0}, "no calendar", "none at all");
    refused(SPAN("\0\1\2\xff"), "no calendar", "octets");
    refused(SPAN("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), "no event", "an empty calendar");
    refused(SPAN("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x\n"), "do not end", "a calendar that breaks off");
    refused(SPAN("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\nEND:VEVENT\n"), "do not end",
            "components that cross");
    refused(SPAN("BEGIN:VCALENDAR\nVERSION:1.0\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n"), "1.0",
            "a calendar of 1996");
    refused(SPAN("BEGIN:VCARD\nFN:x\nEND:VCARD\n"), "no calendar", "a visiting card");
    add_times(&text, "BEGIN:VCALENDAR\nBEGIN:VEVENT\n", 30000);
    refused(buf_span(&text), "do not end", "components nested sixty thousand deep");
    buf_reset(&text);
    buf_add_text(&text, "BEGIN:VCALENDAR\nBEGIN:VEVENT\n");
    add_times(&text, "ATTENDEE:mailto:a@b.example\nUID:u\n", 20000);
    buf_add_text(&text, "END:VEVENT\nEND:VCALENDAR\n");
    refused(buf_span(&text), "too many lines", "forty thousand lines");
    buf_reset(&text);
    add_times(&text, "BEGIN:VCALENDAR\n", (CALENDAR_TEXT_MAX >> 4) + 1);
    refused(buf_span(&text), "octets", "more than a calendar may have");
    buf_clear(&text);
}

static void
test_large(void)
{
    struct calendar_item item;
    struct why why;
    struct buf text = {0};
    buf_add_text(&text, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nDTSTART:20260301T100000Z\nSUMMARY:");
    add_times(&text, "\xc3\xa4", 20000);
    buf_add_text(&text, "\nATTACH;VALUE=BINARY;ENCODING=BASE64:");
    add_times(&text, "QUJD", 50000);
    buf_add_text(&text, "\nDESCRIPTION:");
    add_times(&text, "words\\n", 50000);
    add_times(&text, "\nATTENDEE:mailto:a@b.example", 1000);
    buf_add_text(&text, "\nEND:VEVENT\nEND:VCALENDAR\n");
    is_int(read_text(buf_span(&text), &item, &why), 0, "a calendar of 700 KB is read");
    ok(item.summary.len > 3900 && item.summary.len <= 4000 &&
           (item.summary.at[item.summary.len - 1] & 0x40) == 0 && was_said("too long"),
       "an endless summary is cut between characters, and this is told");
    is_int((long long)item.description.len, 50000 * 6, "a long description is whole");
    is_int((long long)item.n_people, CALENDAR_PEOPLE_MAX, "no more people than are wanted");
    ok(was_said("only 500 of 1000 attendees"), "which is told");
    buf_clear(&text);
    item = event("", "DTSTART:20260301T100000Z\r\nSUMMARY:a\x1b[31m\\nb\x7f\xff\xc2\x9bz\r\nATTENDEE:mailto:a%"
                     "0Ab@x.example\r\n");
    is_span(item.summary, "a [31m b \xef\xbf\xbd z", "no control character comes through, and all is UTF-8");
    is_span(item.people[0].mailbox, "a b@x.example", "nor does one in an address");
}

/* ---- writing ---- */

static const struct calendar_person people[] = {
    {.mailbox = {"crew@gw.example", 15}, .name = {"The \"Crew\"; all", 15}, .rsvp = true},
    {.mailbox = {"odd <one>@gw.example", 20},
     .name = {"", 0},
     .role = CALENDAR_OPTIONAL,
     .answer = CALENDAR_TENTATIVE},
};

static struct calendar_item
sample(int64_t begin_s)
{
    static struct calendar_person all[2];
    memcpy(all, people, sizeof all);
    return (struct calendar_item){
        .method = CALENDAR_REQUEST,
        .uid = SPAN("4003A1B2.7C1D@HARBOUR.gwise.invalid"),
        .sequence = 3,
        .summary = SPAN("Grüße; an, alle\\"),
        .location = SPAN("Raum"),
        .description = SPAN("one\r\ntwo \x01 \xff and a line that is so long that it must be folded "
                            "somewhere behind the seventy-fifth octet ääääääääääääääääääääääääää"),
        .organizer = {.mailbox = SPAN("anna@exchange.example"), .name = SPAN("Anna")},
        .people = all,
        .n_people = 2,
        .begin = {.form = CALENDAR_ZONED, .time_s = begin_s},
        .end = {.form = CALENDAR_ZONED, .time_s = begin_s + 5400},
        .priority = 5,
        .percent = -1,
        .stamp_s = 1000000000,
        .class = CALENDAR_CONFIDENTIAL};
}

static void
check_lines(const struct buf *text, const char *name)
{
    size_t longest = 0, column = 0, odd = 0;
    for (size_t i = 0; i < text->len; i++) {
        column = text->at[i] == '\n' ? 0 : column + 1;
        longest = column > longest ? column : longest;
        odd += text->at[i] == '\r' || (column == 1 && ((unsigned char)text->at[i] & 0xc0) == 0x80) ||
               (column == 2 && text->at[i - 1] == ' ' && ((unsigned char)text->at[i] & 0xc0) == 0x80);
    }
    ok(longest <= 75 && odd == 0, "%s: no line is longer than 75 octets, no character is torn", name);
}

/* Written in a zone and read by a reader who knows nothing but what is written. */
static void
comes_back(const char *zone_name, int64_t begin_s, const char *holding)
{
    struct calendar_item item = sample(begin_s), back;
    struct calendar_zone *zone = calendar_zone_new(span_of(zone_name));
    struct buf text = {0};
    struct why why = {"", ""};
    calendar_write(&item, zone, &text);
    buf_add(&text, "", 0);
    check_lines(&text, zone_name);
    ok(text_holds(&text, holding), "it holds %.40s...", holding);
    for (char *at = text.at;
         (at = memmem(at, (size_t)(text.at + text.len - at), zone_name, strlen(zone_name))) != NULL; at++)
        at[0] = '@'; /* a name that nobody knows: the VTIMEZONE alone must do */
    is_int(read_text(buf_span(&text), &back, &why), 0, "what is written can be read %s", why.text);
    is_int(back.begin.time_s, begin_s, "the time is the same");
    is_int(back.end.time_s, begin_s + 5400, "and the end");
    ok(!was_said("unknown"), "by the zone that it brings");
    calendar_zone_free(zone);
    buf_clear(&text);
}

static void
test_writing(void)
{
    comes_back("Europe/Berlin", utc(2026, 7, 1, 10, 0), "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3");
    comes_back("Europe/Berlin", utc(2026, 12, 1, 10, 0), "BEGIN:DAYLIGHT");
    comes_back("Europe/Berlin", utc(2026, 10, 25, 0, 30), "BEGIN:STANDARD");
    comes_back("America/New_York", utc(2026, 3, 8, 6, 59), "BYDAY=2SU");
    comes_back("Australia/Lord_Howe", utc(2026, 4, 4, 14, 0), "TZOFFSETTO:+1030");
    comes_back("Asia/Kolkata", utc(2026, 4, 4, 15, 0), "TZOFFSETTO:+0530");
    comes_back("Africa/Casablanca", utc(2026, 3, 1, 12, 0), "BEGIN:VTIMEZONE");
    comes_back("America/Sao_Paulo", utc(2010, 1, 1, 12, 0), "BEGIN:VTIMEZONE");
    comes_back("America/Sao_Paulo", utc(2026, 1, 1, 12, 0), "TZOFFSETTO:-0300");
    struct calendar_item item = sample(utc(2026, 7, 1, 10, 0)), back;
    struct buf text = {0};
    struct why why;
    calendar_write(&item, NULL, &text);
    ok(text_holds(&text, "DTSTART:20260701T100000Z\n") && !text_holds(&text, "VTIMEZONE"),
       "without a zone times are UTC");
    ok(text_holds(&text, "METHOD:REQUEST\n"), "METHOD is upper case");
    is_int(read_text(buf_span(&text), &back, &why), 0, "it can be read");
    is_span(back.summary, "Grüße; an, alle\\", "the summary is the same");
    ok(back.description.len > 100 && memcmp(back.description.at, "one\ntwo   \xef\xbf\xbd and", 17) == 0,
       "the description is, but mended");
    is_span(back.people[0].name, "The 'Crew'; all", "names keep what a parameter can hold");
    is_span(back.people[1].mailbox, "odd <one>@gw.example", "odd addresses are quoted and come back");
    ok(back.people[0].rsvp && back.people[1].role == CALENDAR_OPTIONAL &&
           back.people[1].answer == CALENDAR_TENTATIVE && back.sequence == 3 && back.priority == 5 &&
           back.class == CALENDAR_CONFIDENTIAL && back.stamp_s == 1000000000,
       "and all the rest");
    buf_reset(&text);
    item.begin = (struct calendar_time){.form = CALENDAR_DATE, .clock = {2026, 3, 1, 0, 0, 0}};
    item.end = (struct calendar_time){.form = CALENDAR_UNSET};
    item.method = CALENDAR_CANCEL;
    calendar_write(&item, site, &text);
    ok(text_holds(&text, "DTSTART;VALUE=DATE:20260301\n") && text_holds(&text, "STATUS:CANCELLED\n") &&
           text_holds(&text, "METHOD:CANCEL\n"),
       "a whole day, cancelled");
    buf_clear(&text);
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    arena = arena_new(CALENDAR_ARENA_MAX);
    site = calendar_zone_new(SPAN("America/New_York"));
    test_clock();
    test_names();
    test_changes();
    test_own_zones();
    test_event();
    test_times();
    test_series();
    test_tasks();
    test_malformed();
    test_large();
    test_writing();
    calendar_zone_free(site);
    arena_free(arena);
    buf_clear(&said);
    return tap_done();
}
