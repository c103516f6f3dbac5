/* calendar_rules.c - a VTIMEZONE of a calendar's own, understood without unrolling it (see calendar_inside.h)
 *
 * libical finds an offset by making a list of all changes up to the year in question, which a rule of a hostile calendar
 * can make as long as it likes. Here a change is computed for the one year that matters; rules that this cannot do are not
 * understood, and the zone's name decides.
 */
#include "systems/calendar/calendar_inside.h"

static icalvalue *
value_of(icalcomponent *component, icalproperty_kind kind, icalvalue_kind want)
{
    icalproperty *property = icalcomponent_get_first_property(component, kind);
    icalvalue *value = property != NULL ? icalproperty_get_value(property) : NULL;
    return value != NULL && icalvalue_isa(value) == want ? value : NULL;
}

struct calendar_clock
calendar_clock_from(struct icaltimetype time)
{
    return (struct calendar_clock){time.year, time.month, time.day, time.hour, time.minute, time.second};
}

/* ---- reading ---- */

static bool
only(const short *list, size_t size, int *value)
{
    *value = list[0];
    return list[0] != ICAL_RECURRENCE_ARRAY_MAX && (size == 1 || list[1] == ICAL_RECURRENCE_ARRAY_MAX);
}

static bool
none(const short *list)
{
    return list[0] == ICAL_RECURRENCE_ARRAY_MAX;
}

/* The week of the month that days like 8, 9 ... 14 are in. */
static int
week_of(const short *days)
{
    int i = 1;
    while (i < 7 && days[i] == days[0] + i)
        i++;
    bool week = i == 7 && (days[0] == 1 || days[0] == 8 || days[0] == 15 || days[0] == 22);
    return week ? (days[0] - 1) / 7 + 1 : 0;
}

static bool
read_rule(const struct icalrecurrencetype *rule, struct calendar_observance *observance)
{
    int day = 0;
    if (rule->freq != ICAL_YEARLY_RECURRENCE || rule->interval > 1 || !none(rule->by_week_no) ||
        !none(rule->by_year_day) || !none(rule->by_set_pos) || !none(rule->by_hour) || rule->count > 0)
        return false;
    if (!none(rule->by_month) && (!only(rule->by_month, ICAL_BY_MONTH_SIZE, &observance->month) ||
                                  observance->month < 1 || observance->month > 12))
        return false;
    if (!none(rule->by_day)) {
        if (!only(rule->by_day, ICAL_BY_DAY_SIZE, &day))
            return false;
        observance->weekday = (int)icalrecurrencetype_day_day_of_week((short)day) - 1;
        observance->nth = icalrecurrencetype_day_position((short)day);
        if (observance->nth == 0)
            observance->nth = week_of(rule->by_month_day);
        if (observance->nth == 0 || observance->nth > 5 || observance->nth < -5)
            return false;
    } else if (!none(rule->by_month_day) &&
               !only(rule->by_month_day, ICAL_BY_MONTHDAY_SIZE, &observance->day)) {
        return false;
    }
    if (!icaltime_is_null_time(rule->until)) {
        struct calendar_clock until = calendar_clock_from(rule->until);
        observance->until_s =
            calendar_clock_seconds(&until) + (rule->until.is_date ? CALENDAR_DAY_S : observance->from_s);
    }
    observance->yearly = true;
    return observance->day >= 0 && observance->day <= 28;
}

static bool
read_observance(icalcomponent *component, struct calendar_observance *observance)
{
    icalvalue *begin = value_of(component, ICAL_DTSTART_PROPERTY, ICAL_DATETIME_VALUE),
              *from = value_of(component, ICAL_TZOFFSETFROM_PROPERTY, ICAL_UTCOFFSET_VALUE),
              *to = value_of(component, ICAL_TZOFFSETTO_PROPERTY, ICAL_UTCOFFSET_VALUE),
              *rule = value_of(component, ICAL_RRULE_PROPERTY, ICAL_RECUR_VALUE);
    if (begin == NULL || from == NULL || to == NULL)
        return false;
    struct calendar_clock clock = calendar_clock_from(icalvalue_get_datetime(begin));
    if (clock.year < 1 || clock.year > 2999 || clock.month < 1 || clock.month > 12 || clock.day < 1 ||
        clock.day > 31)
        return false;
    *observance = (struct calendar_observance){.start_s = calendar_clock_seconds(&clock),
                                               .until_s = INT64_MAX,
                                               .from_s = icalvalue_get_utcoffset(from),
                                               .to_s = icalvalue_get_utcoffset(to),
                                               .month = clock.month};
    if (observance->from_s < -CALENDAR_DAY_S || observance->from_s > CALENDAR_DAY_S ||
        observance->to_s < -CALENDAR_DAY_S || observance->to_s > CALENDAR_DAY_S)
        return false;
    bool ruled = icalcomponent_get_first_property(component, ICAL_RRULE_PROPERTY) != NULL;
    if (!ruled)
        return true;
    if (rule == NULL || icalcomponent_count_properties(component, ICAL_RRULE_PROPERTY) != 1)
        return false;
    struct icalrecurrencetype recurs = icalvalue_get_recur(rule);
    bool fine = read_rule(&recurs, observance);
    if (fine && observance->nth == 0 && observance->day == 0)
        observance->day = clock.day <= 28 ? clock.day : 28;
    return fine;
}

/* RDATEs are onsets like the first. */
static bool
add_dates(icalcomponent *component, struct calendar_rules *rules)
{
    struct calendar_observance like = rules->observances[rules->n - 1];
    like.yearly = false;
    for (icalproperty *p = icalcomponent_get_first_property(component, ICAL_RDATE_PROPERTY); p != NULL;
         p = icalcomponent_get_next_property(component, ICAL_RDATE_PROPERTY)) {
        icalvalue *value = icalproperty_get_value(p);
        if (value == NULL || rules->n == CALENDAR_OBSERVANCES_MAX)
            return false;
        icalvalue_kind kind = icalvalue_isa(value);
        if (kind != ICAL_DATETIME_VALUE && kind != ICAL_DATETIMEPERIOD_VALUE)
            return false;
        struct calendar_clock clock =
            calendar_clock_from(kind == ICAL_DATETIME_VALUE ? icalvalue_get_datetime(value)
                                                            : icalvalue_get_datetimeperiod(value).time);
        if (!calendar_clock_valid(&clock))
            return false;
        like.start_s = calendar_clock_seconds(&clock);
        rules->observances[rules->n++] = like;
    }
    return true;
}

bool
calendar_rules_read(icalcomponent *zone, struct arena *arena, struct calendar_rules *rules)
{
    icalvalue *name = value_of(zone, ICAL_TZID_PROPERTY, ICAL_TEXT_VALUE);
    *rules = (struct calendar_rules){.name = span_of(name != NULL ? icalvalue_get_text(name) : NULL)};
    rules->observances = arena_alloc(arena, CALENDAR_OBSERVANCES_MAX * sizeof *rules->observances);
    if (rules->observances == NULL || rules->name.len == 0)
        return false;
    for (icalcomponent *c = icalcomponent_get_first_component(zone, ICAL_ANY_COMPONENT); c != NULL;
         c = icalcomponent_get_next_component(zone, ICAL_ANY_COMPONENT)) {
        if (rules->n == CALENDAR_OBSERVANCES_MAX || !read_observance(c, &rules->observances[rules->n]))
            return false;
        rules->n++;
        if (!add_dates(c, rules))
            return false;
    }
    return rules->n > 0;
}

/* ---- asking ---- */

static int64_t
onset_in(const struct calendar_observance *observance, int year)
{
    struct calendar_clock onset = calendar_clock_of(observance->start_s);
    onset.year = year;
    onset.month = observance->month;
    onset.day = observance->nth != 0
                    ? calendar_nth_weekday(year, observance->month, observance->weekday, observance->nth)
                    : observance->day;
    return calendar_clock_seconds(&onset);
}

/* The last onset at or before `clock_s`; INT64_MIN none. Of yearly ones it is in the last year that counts, or in the one before. */
static int64_t
last_onset(const struct calendar_observance *observance, int64_t clock_s)
{
    int64_t last_s = clock_s < observance->until_s ? clock_s : observance->until_s;
    if (clock_s < observance->start_s)
        return INT64_MIN;
    int year = calendar_clock_of(last_s).year;
    for (int i = 0; observance->yearly && i < 2; i++) {
        int64_t onset_s = onset_in(observance, year - i);
        if (onset_s <= last_s)
            return onset_s > observance->start_s ? onset_s : observance->start_s;
    }
    return observance->start_s;
}

int64_t
calendar_rules_time(const struct calendar_rules *rules, const struct calendar_clock *clock)
{
    int64_t clock_s = calendar_clock_seconds(clock), best_s = INT64_MIN;
    const struct calendar_observance *first = &rules->observances[0], *found = NULL;
    for (size_t i = 0; i < rules->n; i++) {
        int64_t onset_s = last_onset(&rules->observances[i], clock_s);
        if (onset_s != INT64_MIN && onset_s >= best_s) {
            best_s = onset_s;
            found = &rules->observances[i];
        }
        if (rules->observances[i].start_s < first->start_s)
            first = &rules->observances[i];
    }
    if (found == NULL)
        return clock_s - first->from_s;
    bool left_out =
        clock_s - best_s < found->to_s - found->from_s; /* an hour that the change to summer time skips */
    return clock_s - (left_out ? found->from_s : found->to_s);
}
