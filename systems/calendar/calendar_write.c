/* calendar_write.c - an item becomes the text of a calendar (see calendar.h)
 *
 * libical escapes and folds; it does not look at what it is given, so every text is mended before.
 */
#include <stdlib.h>

#include "systems/calendar/calendar_inside.h"
#include "systems/mime/charset.h"

static const char product[] = "-//viaduct//viaduct//EN";

struct writing {
    const struct calendar_item *item;
    const struct calendar_zone *zone; /* NULL: UTC */
    icalcomponent *component;
};

/* ---- texts ---- */

/* Valid UTF-8 without control characters but LF; a copy, to be freed. */
static char *
mended(struct span text, bool lines)
{
    struct buf clean = {0};
    buf_reserve(&clean, text.len + 1);
    for (size_t i = 0; i < text.len;) {
        uint32_t code = 0;
        int n = charset_take_utf8(text.at + i, text.len - i, &code);
        if (n <= 0)
            charset_add_utf8(&clean, 0xfffd);
        else if (code == '\r' && lines)
            n = 1;
        else if ((code < ' ' && !(lines && code == '\n')) || (code >= 0x7f && code < 0xa0))
            buf_add_byte(&clean, ' ');
        else
            buf_add(&clean, text.at + i, (size_t)n);
        i += n > 0 ? (size_t)n : 1;
    }
    buf_add_byte(&clean, '\0');
    return clean.at;
}

static void
add_text(const struct writing *writing, icalproperty_kind kind, struct span text)
{
    if (text.len == 0)
        return;
    char *copy = mended(text, true);
    icalproperty *property = icalproperty_new(kind);
    icalproperty_set_value(property, icalvalue_new_text(copy));
    icalcomponent_add_property(writing->component, property);
    free(copy);
}

/* ---- people ---- */

/* "mailto:" and the mailbox, in which what a URI cannot hold is quoted. */
static char *
uri_of(struct span mailbox)
{
    struct buf uri = {0};
    buf_add_text(&uri, memchr(mailbox.at, '@', mailbox.len) != NULL ? "mailto:" : "");
    for (size_t i = 0; i < mailbox.len; i++) {
        unsigned char c = (unsigned char)mailbox.at[i];
        if (c <= ' ' || c >= 0x7f || strchr("%\"<>\\^`{|}?#", c) != NULL)
            buf_printf(&uri, "%%%02X", c);
        else
            buf_add_byte(&uri, (char)c);
    }
    buf_add_byte(&uri, '\0');
    return uri.at;
}

/* A parameter's value cannot hold a quotation mark, nor end its line. */
static void
add_name(icalproperty *property, struct span name)
{
    if (name.len == 0)
        return;
    char *copy = mended(name, false);
    for (char *at = copy; *at != '\0'; at++)
        if (*at == '"')
            *at = '\'';
    icalproperty_add_parameter(property, icalparameter_new_cn(copy));
    free(copy);
}

static icalparameter_partstat
partstat_of(enum calendar_answer answer)
{
    static const icalparameter_partstat words[] = {
        [CALENDAR_NO_ANSWER] = ICAL_PARTSTAT_NEEDSACTION, [CALENDAR_ACCEPTED] = ICAL_PARTSTAT_ACCEPTED,
        [CALENDAR_DECLINED] = ICAL_PARTSTAT_DECLINED,     [CALENDAR_TENTATIVE] = ICAL_PARTSTAT_TENTATIVE,
        [CALENDAR_DELEGATED] = ICAL_PARTSTAT_DELEGATED,   [CALENDAR_COMPLETED] = ICAL_PARTSTAT_COMPLETED,
        [CALENDAR_IN_PROCESS] = ICAL_PARTSTAT_INPROCESS};
    return words[answer];
}

static icalparameter_role
role_of(enum calendar_role role)
{
    static const icalparameter_role words[] = {[CALENDAR_REQUIRED] = ICAL_ROLE_REQPARTICIPANT,
                                               [CALENDAR_OPTIONAL] = ICAL_ROLE_OPTPARTICIPANT,
                                               [CALENDAR_CHAIR] = ICAL_ROLE_CHAIR,
                                               [CALENDAR_INFORMED] = ICAL_ROLE_NONPARTICIPANT};
    return words[role];
}

static void
add_person(const struct writing *writing, icalproperty_kind kind, const struct calendar_person *person)
{
    if (person->mailbox.len == 0)
        return;
    char *uri = uri_of(person->mailbox);
    icalproperty *property = icalproperty_new(kind);
    icalproperty_set_value(property, icalvalue_new_caladdress(uri));
    add_name(property, person->name);
    if (kind == ICAL_ATTENDEE_PROPERTY) {
        icalproperty_add_parameter(property, icalparameter_new_role(role_of(person->role)));
        icalproperty_add_parameter(property, icalparameter_new_partstat(partstat_of(person->answer)));
        if (person->rsvp)
            icalproperty_add_parameter(property, icalparameter_new_rsvp(ICAL_RSVP_TRUE));
    }
    icalcomponent_add_property(writing->component, property);
    free(uri);
}

/* ---- times ---- */

static struct icaltimetype
theirs_of(const struct calendar_clock *clock, bool date, bool utc)
{
    struct icaltimetype time = icaltime_null_time();
    time.year = clock->year;
    time.month = clock->month;
    time.day = clock->day;
    time.hour = clock->hour;
    time.minute = clock->minute;
    time.second = clock->second < 60 ? clock->second : 59;
    time.is_date = date;
    if (utc)
        time.zone = icaltimezone_get_utc_timezone();
    return time;
}

static bool
in_utc(const struct writing *writing, const struct calendar_time *time)
{
    return time->form == CALENDAR_UTC ||
           (time->form == CALENDAR_ZONED &&
            (writing->zone == NULL || strcmp(calendar_zone_name(writing->zone), "UTC") == 0));
}

static void
add_time(const struct writing *writing, icalproperty_kind kind, const struct calendar_time *time)
{
    struct calendar_clock clock = time->clock;
    bool utc = in_utc(writing, time), zoned = time->form == CALENDAR_ZONED && !utc,
         date = time->form == CALENDAR_DATE;
    if (time->form == CALENDAR_UNSET)
        return;
    if (utc)
        clock = calendar_clock_of(time->time_s);
    if (zoned)
        clock = calendar_zone_clock(writing->zone, time->time_s);
    struct icaltimetype theirs = theirs_of(&clock, date, utc);
    icalproperty *property = icalproperty_new(kind);
    icalproperty_set_value(property, date ? icalvalue_new_date(theirs) : icalvalue_new_datetime(theirs));
    if (date)
        icalproperty_add_parameter(property, icalparameter_new_value(ICAL_VALUE_DATE));
    if (zoned)
        icalproperty_add_parameter(property, icalparameter_new_tzid(calendar_zone_name(writing->zone)));
    icalcomponent_add_property(writing->component, property);
}

static void
add_times(const struct writing *writing)
{
    const struct calendar_item *item = writing->item;
    struct calendar_time stamp = {.form = CALENDAR_UTC,
                                  .time_s = item->stamp_s > 0 ? item->stamp_s : time_ms() / 1000};
    add_time(writing, ICAL_DTSTAMP_PROPERTY, &stamp);
    add_time(writing, ICAL_RECURRENCEID_PROPERTY, &item->one_of);
    add_time(writing, ICAL_DTSTART_PROPERTY, &item->begin);
    add_time(writing, item->component == CALENDAR_TASK ? ICAL_DUE_PROPERTY : ICAL_DTEND_PROPERTY, &item->end);
}

/* ---- the whole ---- */

static void
add_grades(const struct writing *writing)
{
    const struct calendar_item *item = writing->item;
    icalcomponent *component = writing->component;
    icalcomponent_add_property(component, icalproperty_new_sequence(item->sequence));
    if (item->priority > 0)
        icalcomponent_add_property(component, icalproperty_new_priority(item->priority));
    if (item->class != CALENDAR_PUBLIC)
        icalcomponent_add_property(component, icalproperty_new_class(item->class == CALENDAR_PRIVATE
                                                                         ? ICAL_CLASS_PRIVATE
                                                                         : ICAL_CLASS_CONFIDENTIAL));
    if (item->cancelled || item->method == CALENDAR_CANCEL)
        icalcomponent_add_property(component, icalproperty_new_status(ICAL_STATUS_CANCELLED));
    if (item->component == CALENDAR_EVENT && item->free)
        icalcomponent_add_property(component, icalproperty_new_transp(ICAL_TRANSP_TRANSPARENT));
    if (item->component == CALENDAR_TASK && item->percent >= 0)
        icalcomponent_add_property(component, icalproperty_new_percentcomplete(item->percent));
}

static icalcomponent *
make_component(const struct calendar_item *item, const struct calendar_zone *zone)
{
    static const icalcomponent_kind kinds[] = {[CALENDAR_EVENT] = ICAL_VEVENT_COMPONENT,
                                               [CALENDAR_TASK] = ICAL_VTODO_COMPONENT,
                                               [CALENDAR_NOTE] = ICAL_VJOURNAL_COMPONENT};
    struct writing writing = {
        .item = item, .zone = zone, .component = icalcomponent_new(kinds[item->component])};
    add_text(&writing, ICAL_UID_PROPERTY, item->uid);
    add_times(&writing);
    add_text(&writing, ICAL_SUMMARY_PROPERTY, item->summary);
    add_text(&writing, ICAL_LOCATION_PROPERTY, item->location);
    add_text(&writing, ICAL_DESCRIPTION_PROPERTY, item->description);
    add_text(&writing, ICAL_COMMENT_PROPERTY, item->comment);
    add_person(&writing, ICAL_ORGANIZER_PROPERTY, &item->organizer);
    for (size_t i = 0; i < item->n_people; i++)
        add_person(&writing, ICAL_ATTENDEE_PROPERTY, &item->people[i]);
    add_grades(&writing);
    return writing.component;
}

static void
add_without_cr(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++)
        if (*text != '\r')
            buf_add_byte(out, *text);
}

void
calendar_write(const struct calendar_item *item, const struct calendar_zone *zone, struct buf *out)
{
    BUG_UNLESS(item->uid.len > 0 && (item->component != CALENDAR_EVENT || item->begin.form != CALENDAR_UNSET));
    bool zoned = item->begin.form == CALENDAR_ZONED || item->end.form == CALENDAR_ZONED;
    if (zone != NULL && calendar_zone_name(zone) == NULL)
        zone = NULL;
    icalerror_set_errors_are_fatal(0);
    icalcomponent *calendar = icalcomponent_new(ICAL_VCALENDAR_COMPONENT);
    icalcomponent_add_property(calendar, icalproperty_new_version("2.0"));
    icalcomponent_add_property(calendar, icalproperty_new_prodid(product));
    if (item->method != CALENDAR_NO_METHOD)
        icalcomponent_add_property(calendar, icalproperty_new_method(icalproperty_string_to_method(
                                                 calendar_method_word(item->method))));
    if (zoned && zone != NULL && strcmp(calendar_zone_name(zone), "UTC") != 0)
        calendar_add_zone(calendar, zone,
                          item->begin.form == CALENDAR_ZONED ? item->begin.time_s : item->end.time_s);
    icalcomponent_add_component(calendar, make_component(item, zone));
    char *text = icalcomponent_as_ical_string_r(calendar);
    add_without_cr(text != NULL ? text : "", out);
    icalmemory_free_buffer(text);
    icalcomponent_free(calendar);
    icalmemory_free_ring();
}
