/* calendar_write_zone.c - the VTIMEZONE of a zone that has a name (see calendar_inside.h)
 *
 * Two changes are told: the last one at or before the time, and the next. Where the year after has both again on the same
 * weekday of the month, they are told as rules of every year, which is what calendar programs understand best and show in
 * their own lists; else as they are. A zone whose clocks do not change has one observance, from 1970.
 */
#include <stdio.h>

#include "systems/calendar/calendar_inside.h"

enum { A_YEAR_S = 366 * CALENDAR_DAY_S };

struct change {
    struct calendar_clock clock; /* of the zone, before it */
    int from_s, to_s;
    int64_t when_s;
};

static bool
change_at(const struct calendar_zone *zone, int64_t time_s, bool next, struct change *change)
{
    if (!calendar_zone_change(zone, time_s, next, &change->when_s))
        return false;
    change->from_s = calendar_zone_offset(zone, change->when_s - 1);
    change->to_s = calendar_zone_offset(zone, change->when_s);
    change->clock = calendar_clock_of(change->when_s + change->from_s);
    return true;
}

/* Which weekday of its month a date is: 1 to 4, or -1 where it is the last one. */
static int
nth_of(const struct calendar_clock *clock)
{
    int weekday = calendar_weekday(clock);
    return calendar_nth_weekday(clock->year, clock->month, weekday, -1) == clock->day
               ? -1
               : (clock->day - 1) / 7 + 1;
}

static bool
falls_on(const struct calendar_clock *clock, int month, int weekday, int nth)
{
    return clock->month == month && calendar_nth_weekday(clock->year, month, weekday, nth) == clock->day;
}

/* Finds the rule that a change follows in this year and the next three. */
static bool
rule_of(const struct calendar_zone *zone, const struct change *change, int *nth)
{
    int weekday = calendar_weekday(&change->clock),
        candidates[2] = {nth_of(&change->clock), (change->clock.day - 1) / 7 + 1};
    for (size_t i = 0; i < COUNT_OF(candidates); i++) {
        struct change later = *change;
        bool follows = true;
        for (int n = 0; n < 6 && follows; n++) { /* two a year */
            follows = change_at(zone, later.when_s, true, &later);
            if (follows && later.from_s == change->from_s)
                follows = later.to_s == change->to_s && later.clock.hour == change->clock.hour &&
                          falls_on(&later.clock, change->clock.month, weekday, candidates[i]);
        }
        *nth = candidates[i];
        if (follows)
            return true;
    }
    return false;
}

static void
add_observance(icalcomponent *vtimezone, const struct calendar_zone *zone, const struct change *change,
               bool summer, bool ruled)
{
    static const char *const days[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
    icalcomponent *observance = icalcomponent_new(summer ? ICAL_XDAYLIGHT_COMPONENT : ICAL_XSTANDARD_COMPONENT);
    struct icaltimetype begin = icaltime_null_time();
    int nth = 0;
    char rule[80];
    begin.year = change->clock.year;
    begin.month = change->clock.month;
    begin.day = change->clock.day;
    begin.hour = change->clock.hour;
    begin.minute = change->clock.minute;
    begin.second = change->clock.second;
    icalcomponent_add_property(observance, icalproperty_new_dtstart(begin));
    icalcomponent_add_property(observance, icalproperty_new_tzoffsetfrom(change->from_s));
    icalcomponent_add_property(observance, icalproperty_new_tzoffsetto(change->to_s));
    if (ruled && rule_of(zone, change, &nth)) {
        snprintf(rule, sizeof rule, "FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", begin.month, nth,
                 days[calendar_weekday(&change->clock)]);
        icalcomponent_add_property(observance, icalproperty_new_rrule(icalrecurrencetype_from_string(rule)));
    }
    icalcomponent_add_component(vtimezone, observance);
}

void
calendar_add_zone(icalcomponent *calendar, const struct calendar_zone *zone, int64_t time_s)
{
    icalcomponent *vtimezone = icalcomponent_new(ICAL_VTIMEZONE_COMPONENT);
    struct change last = {.when_s = 0}, next = {.when_s = 0};
    int nth = 0;
    icalcomponent_add_property(vtimezone, icalproperty_new_tzid(calendar_zone_name(zone)));
    bool has_last = change_at(zone, time_s, false, &last), has_next = change_at(zone, time_s, true, &next),
         changes = has_last && has_next && next.when_s - last.when_s < A_YEAR_S && last.from_s == next.to_s;
    if (!changes && !has_last) {
        last.from_s = last.to_s = calendar_zone_offset(zone, time_s);
        last.clock = calendar_clock_of(0);
    }
    bool ruled = changes && rule_of(zone, &last, &nth) && rule_of(zone, &next, &nth);
    add_observance(vtimezone, zone, &last, changes && last.to_s > last.from_s, ruled);
    if (has_next && (changes || next.when_s - time_s < A_YEAR_S))
        add_observance(vtimezone, zone, &next, changes && next.to_s > next.from_s, ruled);
    icalcomponent_add_component(calendar, vtimezone);
}
