/* calendar_read.c - the text of a calendar becomes an item (see calendar.h)
 *
 * libical's getters take a value for what its property should hold, and read an address where a number lies when VALUE= says
 * otherwise; so every value is asked for its kind first. Its own time zones are never used: they are files.
 */
#include <errno.h>
#include <stdlib.h>

#include "systems/calendar/calendar_inside.h"
#include "systems/mime/charset.h"

/* ---- words ---- */

static const struct {
    const char *word;
    enum calendar_method method;
    icalproperty_method theirs;
} methods[] = {
    {"PUBLISH", CALENDAR_PUBLISH, ICAL_METHOD_PUBLISH},
    {"REQUEST", CALENDAR_REQUEST, ICAL_METHOD_REQUEST},
    {"REPLY", CALENDAR_REPLY, ICAL_METHOD_REPLY},
    {"ADD", CALENDAR_ADD, ICAL_METHOD_ADD},
    {"CANCEL", CALENDAR_CANCEL, ICAL_METHOD_CANCEL},
    {"REFRESH", CALENDAR_REFRESH, ICAL_METHOD_REFRESH},
    {"COUNTER", CALENDAR_COUNTER, ICAL_METHOD_COUNTER},
    {"DECLINECOUNTER", CALENDAR_DECLINE_COUNTER, ICAL_METHOD_DECLINECOUNTER},
};

const char *
calendar_method_word(enum calendar_method method)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (methods[i].method == method)
            return methods[i].word;
    return "";
}

enum calendar_method
calendar_method_of(struct span word)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (span_equal_nocase(span_trim(word), span_of(methods[i].word)))
            return methods[i].method;
    return CALENDAR_NO_METHOD;
}

const struct calendar_person *
calendar_find(const struct calendar_item *item, struct span mailbox)
{
    for (size_t i = 0; i < item->n_people; i++)
        if (span_equal_nocase(item->people[i].mailbox, mailbox))
            return &item->people[i];
    return NULL;
}

/* ---- values ---- */

icalvalue *
calendar_value(const icalproperty *property, icalvalue_kind want)
{
    icalvalue *value = property != NULL ? icalproperty_get_value(property) : NULL;
    return value != NULL && icalvalue_isa(value) == want ? value : NULL;
}

static icalvalue *
first_value(icalcomponent *component, icalproperty_kind kind, icalvalue_kind want)
{
    return calendar_value(icalcomponent_get_first_property(component, kind), want);
}

/* A copy of ours: valid UTF-8, no control characters but LF. */
struct span
calendar_keep(struct calendar_reading *reading, const char *text, bool lines)
{
    struct buf clean = {0};
    size_t len = text != NULL ? strlen(text) : 0;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        int n = charset_take_utf8(text + i, len - i, &code);
        if (n <= 0)
            charset_add_utf8(&clean, 0xfffd);
        else if ((code < ' ' && !(lines && code == '\n')) || (code >= 0x7f && code < 0xa0))
            buf_add_byte(&clean, ' ');
        else
            buf_add(&clean, text + i, (size_t)n);
        i += n > 0 ? (size_t)n : 1;
    }
    struct span kept = arena_span(reading->arena, buf_span(&clean));
    reading->full = reading->full || kept.at == NULL;
    buf_clear(&clean);
    return kept.at != NULL ? kept : (struct span){"", 0};
}

static struct span
text_of(struct calendar_reading *reading, icalcomponent *component, icalproperty_kind kind, bool lines)
{
    icalvalue *value = first_value(component, kind, ICAL_TEXT_VALUE);
    return calendar_keep(reading, value != NULL ? icalvalue_get_text(value) : NULL, lines);
}

static int
number_of(icalcomponent *component, icalproperty_kind kind, int otherwise, int max)
{
    icalvalue *value = first_value(component, kind, ICAL_INTEGER_VALUE);
    int number = value != NULL ? icalvalue_get_integer(value) : otherwise;
    return number >= 0 && number <= max ? number : otherwise;
}

/* ---- people ---- */

static int
hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* "mailto:jo%2Bhn@example.com" */
static struct span
mailbox_of(struct calendar_reading *reading, const char *uri)
{
    struct buf mailbox = {0};
    bool mail = span_starts_nocase(span_of(uri), SPAN("mailto:"));
    for (const char *at = mail ? uri + 7 : uri; *at != '\0' && !(mail && *at == '?'); at++) {
        int high = mail && *at == '%' ? hex_digit(at[1]) : -1, low = high >= 0 ? hex_digit(at[2]) : -1;
        if (low >= 0)
            at += 2;
        buf_add_byte(&mailbox, low >= 0 ? (char)(high * 16 + low) : *at);
    }
    buf_add_byte(&mailbox, '\0');
    struct span kept = span_trim(calendar_keep(reading, mailbox.at, false));
    buf_clear(&mailbox);
    return kept;
}

static enum calendar_answer
answer_of(icalproperty *property)
{
    icalparameter *parameter = icalproperty_get_first_parameter(property, ICAL_PARTSTAT_PARAMETER);
    switch (parameter != NULL ? icalparameter_get_partstat(parameter) : ICAL_PARTSTAT_NONE) {
    case ICAL_PARTSTAT_ACCEPTED:
        return CALENDAR_ACCEPTED;
    case ICAL_PARTSTAT_DECLINED:
        return CALENDAR_DECLINED;
    case ICAL_PARTSTAT_TENTATIVE:
        return CALENDAR_TENTATIVE;
    case ICAL_PARTSTAT_DELEGATED:
        return CALENDAR_DELEGATED;
    case ICAL_PARTSTAT_COMPLETED:
        return CALENDAR_COMPLETED;
    case ICAL_PARTSTAT_INPROCESS:
        return CALENDAR_IN_PROCESS;
    default:
        return CALENDAR_NO_ANSWER;
    }
}

static enum calendar_role
role_of(icalproperty *property)
{
    icalparameter *parameter = icalproperty_get_first_parameter(property, ICAL_ROLE_PARAMETER);
    switch (parameter != NULL ? icalparameter_get_role(parameter) : ICAL_ROLE_REQPARTICIPANT) {
    case ICAL_ROLE_CHAIR:
        return CALENDAR_CHAIR;
    case ICAL_ROLE_OPTPARTICIPANT:
        return CALENDAR_OPTIONAL;
    case ICAL_ROLE_NONPARTICIPANT:
        return CALENDAR_INFORMED;
    default:
        return CALENDAR_REQUIRED;
    }
}

static void
read_person(struct calendar_reading *reading, icalproperty *property, struct calendar_person *person)
{
    icalvalue *value = calendar_value(property, ICAL_CALADDRESS_VALUE);
    const char *uri = value != NULL ? icalvalue_get_caladdress(value) : NULL;
    icalparameter *name = icalproperty_get_first_parameter(property, ICAL_CN_PARAMETER),
                  *rsvp = icalproperty_get_first_parameter(property, ICAL_RSVP_PARAMETER);
    *person = (struct calendar_person){.mailbox = {"", 0}, .name = {"", 0}};
    if (uri == NULL)
        return;
    person->mailbox = mailbox_of(reading, uri);
    person->name = calendar_keep(reading, name != NULL ? icalparameter_get_cn(name) : NULL, false);
    person->rsvp = rsvp != NULL && icalparameter_get_rsvp(rsvp) == ICAL_RSVP_TRUE;
    person->answer = answer_of(property);
    person->role = role_of(property);
}

static void
read_people(struct calendar_reading *reading, icalcomponent *component)
{
    struct calendar_item *item = reading->item;
    icalproperty *organizer = icalcomponent_get_first_property(component, ICAL_ORGANIZER_PROPERTY);
    if (organizer != NULL)
        read_person(reading, organizer, &item->organizer);
    int n = icalcomponent_count_properties(component, ICAL_ATTENDEE_PROPERTY);
    item->people = arena_alloc(reading->arena, ((size_t)n + 1) * sizeof *item->people);
    reading->full = reading->full || item->people == NULL;
    for (icalproperty *p = icalcomponent_get_first_property(component, ICAL_ATTENDEE_PROPERTY);
         p != NULL && item->people != NULL && item->n_people < (size_t)n;
         p = icalcomponent_get_next_property(component, ICAL_ATTENDEE_PROPERTY)) {
        read_person(reading, p, &item->people[item->n_people]);
        item->n_people += item->people[item->n_people].mailbox.len > 0;
    }
}

/* ---- the whole ---- */

static void
read_grades(icalcomponent *component, struct calendar_item *item)
{
    icalvalue *status = first_value(component, ICAL_STATUS_PROPERTY, ICAL_STATUS_VALUE),
              *shown = first_value(component, ICAL_TRANSP_PROPERTY, ICAL_TRANSP_VALUE),
              *class = first_value(component, ICAL_CLASS_PROPERTY, ICAL_CLASS_VALUE);
    item->cancelled = status != NULL && icalvalue_get_status(status) == ICAL_STATUS_CANCELLED;
    item->free = shown != NULL && icalvalue_get_transp(shown) == ICAL_TRANSP_TRANSPARENT;
    icalproperty_class theirs = class != NULL ? icalvalue_get_class(class) : ICAL_CLASS_PUBLIC;
    item->class = theirs == ICAL_CLASS_PRIVATE        ? CALENDAR_PRIVATE
                  : theirs == ICAL_CLASS_CONFIDENTIAL ? CALENDAR_CONFIDENTIAL
                                                      : CALENDAR_PUBLIC;
    item->sequence = number_of(component, ICAL_SEQUENCE_PROPERTY, 0, INT32_MAX - 1);
    item->priority = number_of(component, ICAL_PRIORITY_PROPERTY, 0, 9);
    item->percent = number_of(component, ICAL_PERCENTCOMPLETE_PROPERTY, -1, 100);
}

static void
read_component(struct calendar_reading *reading, icalcomponent *component)
{
    struct calendar_item *item = reading->item;
    item->uid = text_of(reading, component, ICAL_UID_PROPERTY, false);
    item->summary = text_of(reading, component, ICAL_SUMMARY_PROPERTY, false);
    item->location = text_of(reading, component, ICAL_LOCATION_PROPERTY, false);
    item->description = text_of(reading, component, ICAL_DESCRIPTION_PROPERTY, true);
    item->comment = text_of(reading, component, ICAL_COMMENT_PROPERTY, true);
    read_grades(component, item);
    read_people(reading, component);
    calendar_read_times(reading, component);
}

static icalcomponent *
find_component(struct calendar_reading *reading, icalcomponent *calendar)
{
    icalcomponent *found = NULL;
    for (icalcomponent *c = icalcomponent_get_first_component(calendar, ICAL_ANY_COMPONENT); c != NULL;
         c = icalcomponent_get_next_component(calendar, ICAL_ANY_COMPONENT)) {
        icalcomponent_kind kind = icalcomponent_isa(c);
        if (kind == ICAL_VTIMEZONE_COMPONENT && reading->n_rules < CALENDAR_RULES_MAX) {
            reading->understood[reading->n_rules] =
                calendar_rules_read(c, reading->arena, &reading->rules[reading->n_rules]);
            reading->n_rules++;
        } else if (found == NULL && (kind == ICAL_VEVENT_COMPONENT || kind == ICAL_VTODO_COMPONENT ||
                                     kind == ICAL_VJOURNAL_COMPONENT)) {
            found = c;
            reading->item->component = kind == ICAL_VEVENT_COMPONENT  ? CALENDAR_EVENT
                                       : kind == ICAL_VTODO_COMPONENT ? CALENDAR_TASK
                                                                      : CALENDAR_NOTE;
        }
    }
    return found;
}

static void
read_method(icalcomponent *calendar, struct calendar_item *item)
{
    icalvalue *value = first_value(calendar, ICAL_METHOD_PROPERTY, ICAL_METHOD_VALUE);
    icalproperty_method theirs = value != NULL ? icalvalue_get_method(value) : ICAL_METHOD_NONE;
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (methods[i].theirs == theirs)
            item->method = methods[i].method;
}

static int
understand(struct calendar_reading *reading, icalcomponent *calendar, struct why *why)
{
    icalvalue *version =
        calendar != NULL ? first_value(calendar, ICAL_VERSION_PROPERTY, ICAL_TEXT_VALUE) : NULL;
    icalcomponent *component = calendar != NULL && icalcomponent_isa(calendar) == ICAL_VCALENDAR_COMPONENT
                                   ? find_component(reading, calendar)
                                   : NULL;
    if (component == NULL)
        return why_set(why, "5.6.0", "the calendar cannot be understood");
    if (version != NULL && icalvalue_get_text(version) != NULL && icalvalue_get_text(version)[0] == '1')
        return why_set(why, "5.6.0", "the calendar is of version 1.0, which is another format");
    read_method(calendar, reading->item);
    read_component(reading, component);
    return reading->full ? why_set(why, "5.6.0", "the calendar takes too much memory") : 0;
}

/* As fgets(). libical's own reader of strings looks for the end of a line anew with each piece of it, which makes a long
 * line cost the square of its length. */
static char *
next_piece(char *piece, size_t size, void *rest)
{
    struct span *text = rest;
    size_t most = text->len < size - 1 ? text->len : size - 1;
    const char *end = most > 0 ? memchr(text->at, '\n', most) : NULL;
    size_t len = end != NULL ? (size_t)(end - text->at) + 1 : most;
    if (len == 0)
        return NULL;
    memcpy(piece, text->at, len);
    piece[len] = '\0';
    *text = (struct span){text->at + len, text->len - len};
    return piece;
}

static icalcomponent *
parse(struct span lines)
{
    icalparser *parser = icalparser_new();
    icalparser_set_gen_data(parser, &lines);
    icalcomponent *calendar = icalparser_parse(parser, next_piece);
    icalparser_free(parser);
    return calendar;
}

int
calendar_read(struct span text, const struct calendar_zone *site, struct arena *arena,
              void (*report)(void *arg, const char *line), void *arg, struct calendar_item *item,
              struct why *why)
{
    struct calendar_reading *reading = xcalloc(1, sizeof *reading);
    struct buf lines = {0};
    *item = (struct calendar_item){.percent = -1};
    *reading = (struct calendar_reading){
        .site = site, .arena = arena, .report = {report, arg}, .item = item, .unknown = {"", 0}};
    int result = calendar_lines(text, &reading->report, &lines, why);
    if (result == 0) {
        icalerror_set_errors_are_fatal(0);
        ical_set_unknown_token_handling_setting(ICAL_DISCARD_TOKEN);
        icalcomponent *calendar = parse(buf_span(&lines));
        result = understand(reading, calendar, why);
        if (calendar != NULL)
            icalcomponent_free(calendar);
        icalmemory_free_ring();
    }
    buf_clear(&lines);
    free(reading);
    return result;
}
