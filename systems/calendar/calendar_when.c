/* calendar_when.c - when a calendar's item is, and how it recurs (see calendar_inside.h) */
#include "systems/calendar/calendar_inside.h"

/* A zone by the calendar's own rules, else by its name. */
static void
resolve(struct calendar_reading *reading, struct calendar_time *time)
{
    struct calendar_zone *zone;
    for (size_t i = 0; i < reading->n_rules; i++)
        if (reading->understood[i] && span_equal(reading->rules[i].name, time->zone)) {
            time->time_s = calendar_rules_time(&reading->rules[i], &time->clock);
            return;
        }
    zone = calendar_zone_new(time->zone);
    if (zone != NULL) {
        time->time_s = calendar_zone_time(zone, &time->clock);
        calendar_zone_free(zone);
        return;
    }
    if (!span_equal(reading->unknown, time->zone))
        calendar_say(&reading->report, "the time zone \"%.*s\" is unknown, its times are taken for local ones",
                     (int)(time->zone.len < 100 ? time->zone.len : 100), time->zone.at);
    reading->unknown = time->zone;
    time->form = CALENDAR_FLOATING;
    time->time_s = calendar_zone_time(reading->site, &time->clock);
}

static void
read_time(struct calendar_reading *reading, icalproperty *property, struct calendar_time *time)
{
    icalvalue *value = property != NULL ? icalproperty_get_value(property) : NULL;
    icalvalue_kind kind = value != NULL ? icalvalue_isa(value) : ICAL_NO_VALUE;
    *time = (struct calendar_time){.form = CALENDAR_UNSET};
    if (kind != ICAL_DATETIME_VALUE && kind != ICAL_DATE_VALUE && kind != ICAL_DATETIMEDATE_VALUE)
        return;
    struct icaltimetype theirs =
        kind == ICAL_DATE_VALUE ? icalvalue_get_date(value) : icalvalue_get_datetime(value);
    time->clock = calendar_clock_from(theirs);
    if (!calendar_clock_valid(&time->clock)) {
        calendar_say(&reading->report, "a time of the calendar item is none, and left out");
        return;
    }
    icalparameter *zone = icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER);
    const char *name = zone != NULL ? icalparameter_get_tzid(zone) : NULL;
    if (theirs.is_date)
        time->clock.hour = time->clock.minute = time->clock.second = 0;
    time->form = theirs.is_date            ? CALENDAR_DATE
                 : icaltime_is_utc(theirs) ? CALENDAR_UTC
                 : name != NULL            ? CALENDAR_ZONED
                                           : CALENDAR_FLOATING;
    if (time->form == CALENDAR_UTC) {
        time->time_s = calendar_clock_seconds(&time->clock);
    } else if (time->form == CALENDAR_ZONED) {
        time->zone = calendar_keep(reading, name, false);
        resolve(reading, time);
    } else {
        time->time_s = calendar_zone_time(reading->site, &time->clock);
    }
}

static void
read_named_time(struct calendar_reading *reading, icalcomponent *component, icalproperty_kind kind,
                struct calendar_time *time)
{
    read_time(reading, icalcomponent_get_first_property(component, kind), time);
}

/* DURATION, at most ten years of it: days by the calendar, the rest by the clock that never jumps. */
static void
add_duration(struct calendar_reading *reading, icalcomponent *component)
{
    enum { DAYS_MAX = 3660 };
    struct calendar_item *item = reading->item;
    icalvalue *value = calendar_value(icalcomponent_get_first_property(component, ICAL_DURATION_PROPERTY),
                                      ICAL_DURATION_VALUE);
    struct icaldurationtype length = icaldurationtype_null_duration();
    if (value != NULL)
        length = icalvalue_get_duration(value);
    if (value == NULL || length.is_neg || length.days > DAYS_MAX || length.weeks > DAYS_MAX / 7 ||
        length.hours > DAYS_MAX * 24 || length.minutes > DAYS_MAX * 1440 || length.seconds > DAYS_MAX * 86400U)
        return;
    int64_t days = (int64_t)length.days + 7 * (int64_t)length.weeks,
            rest_s = (int64_t)length.hours * 3600 + (int64_t)length.minutes * 60 + length.seconds;
    item->end = item->begin;
    item->end.time_s += days * CALENDAR_DAY_S + rest_s;
    item->end.clock = calendar_clock_of(calendar_clock_seconds(&item->begin.clock) + days * CALENDAR_DAY_S);
    if (days > 0 && item->end.form == CALENDAR_ZONED) {
        resolve(reading, &item->end); /* over a change of the clocks */
        item->end.time_s += rest_s;
    } else if (days > 0 && item->end.form != CALENDAR_UTC) {
        item->end.time_s = calendar_zone_time(reading->site, &item->end.clock) + rest_s;
    }
    item->end.clock = calendar_clock_of(calendar_clock_seconds(&item->end.clock) + rest_s);
}

static void
read_interval(struct calendar_reading *reading, icalcomponent *component)
{
    struct calendar_item *item = reading->item;
    read_named_time(reading, component, ICAL_DTSTART_PROPERTY, &item->begin);
    read_named_time(reading, component,
                    item->component == CALENDAR_TASK ? ICAL_DUE_PROPERTY : ICAL_DTEND_PROPERTY, &item->end);
    read_named_time(reading, component, ICAL_RECURRENCEID_PROPERTY, &item->one_of);
    struct calendar_time stamp;
    read_named_time(reading, component, ICAL_DTSTAMP_PROPERTY, &stamp);
    item->stamp_s = stamp.time_s;
    if (item->begin.form != CALENDAR_UNSET && item->end.form == CALENDAR_UNSET)
        add_duration(reading, component);
    if (item->component == CALENDAR_EVENT && item->begin.form == CALENDAR_DATE &&
        item->end.form == CALENDAR_UNSET) {
        item->end = item->begin;
        item->end.clock = calendar_clock_of(calendar_clock_seconds(&item->begin.clock) + CALENDAR_DAY_S);
        item->end.time_s = calendar_zone_time(reading->site, &item->end.clock);
    }
    if (item->begin.form != CALENDAR_UNSET && item->end.form != CALENDAR_UNSET &&
        item->end.time_s < item->begin.time_s) {
        calendar_say(&reading->report, "the calendar item ends before it begins, its end is left out");
        item->end = (struct calendar_time){.form = CALENDAR_UNSET};
    }
}

static void
read_recurrence(struct calendar_reading *reading, icalcomponent *component)
{
    struct buf words = {0};
    icalvalue *rule =
        calendar_value(icalcomponent_get_first_property(component, ICAL_RRULE_PROPERTY), ICAL_RECUR_VALUE);
    int dates = icalcomponent_count_properties(component, ICAL_RDATE_PROPERTY);
    reading->item->recurs = icalcomponent_count_properties(component, ICAL_RRULE_PROPERTY) > 0 || dates > 0;
    if (rule != NULL) {
        struct icalrecurrencetype recurs = icalvalue_get_recur(rule);
        calendar_repeat_words(&recurs, &words);
    }
    if (dates > 0)
        buf_add_text(&words, words.len > 0 ? ", and on more dates" : "on more dates");
    buf_add_byte(&words, '\0');
    reading->item->recurs_words = calendar_keep(reading, words.at, false);
    buf_clear(&words);
}

void
calendar_read_times(struct calendar_reading *reading, icalcomponent *component)
{
    read_interval(reading, component);
    read_recurrence(reading, component);
}
