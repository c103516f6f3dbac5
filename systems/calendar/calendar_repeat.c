/* calendar_repeat.c - a rule of recurrence in words (see calendar_inside.h)
 *
 * For systems that carry no series: "every 2 weeks on Monday and Friday, 10 times". What is said is true of the rule; the
 * rarest parts of it (hours, weeks of the year, positions) are only named.
 */
#include "systems/calendar/calendar_inside.h"

enum { LISTED_MAX = 12 };

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static void
add_separator(size_t i, bool last, struct buf *out)
{
    if (i > 0)
        buf_add_text(out, last ? " and " : ", ");
}

static bool
is_last(const short *list, size_t i, size_t size)
{
    return i + 1 == size || list[i + 1] == ICAL_RECURRENCE_ARRAY_MAX;
}

static void
add_ordinal(int n, struct buf *out)
{
    static const char *const words[] = {"", "first ", "second ", "third ", "fourth ", "fifth "};
    if (n < -1)
        buf_printf(out, "%d. ", -n);
    else if (n > 5)
        buf_printf(out, "%d. ", n);
    else
        buf_add_text(out, n < 0 ? "" : words[n]);
    if (n < 0)
        buf_add_text(out, n == -1 ? "last " : "to last ");
}

static void
add_days(const struct icalrecurrencetype *rule, struct buf *out)
{
    static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
    for (size_t i = 0; i < LISTED_MAX && rule->by_day[i] != ICAL_RECURRENCE_ARRAY_MAX; i++) {
        int day = (int)icalrecurrencetype_day_day_of_week(rule->by_day[i]),
            nth = icalrecurrencetype_day_position(rule->by_day[i]);
        buf_add_text(out, i == 0 ? nth != 0 ? " on the " : " on " : "");
        add_separator(i, is_last(rule->by_day, i, ICAL_BY_DAY_SIZE), out);
        add_ordinal(nth, out);
        buf_add_text(out, day >= 1 && day <= 7 ? names[day - 1] : "day");
    }
}

static void
add_dates(const struct icalrecurrencetype *rule, struct buf *out)
{
    for (size_t i = 0; i < LISTED_MAX && rule->by_month_day[i] != ICAL_RECURRENCE_ARRAY_MAX; i++) {
        buf_add_text(out, i == 0 ? " on day " : "");
        add_separator(i, is_last(rule->by_month_day, i, ICAL_BY_MONTHDAY_SIZE), out);
        if (rule->by_month_day[i] < 0)
            buf_printf(out, "%d from the end", -rule->by_month_day[i]);
        else
            buf_printf(out, "%d", rule->by_month_day[i]);
    }
}

static void
add_months(const struct icalrecurrencetype *rule, struct buf *out)
{
    for (size_t i = 0; i < LISTED_MAX && rule->by_month[i] != ICAL_RECURRENCE_ARRAY_MAX; i++) {
        buf_add_text(out, i == 0 ? " in " : "");
        add_separator(i, is_last(rule->by_month, i, ICAL_BY_MONTH_SIZE), out);
        buf_add_text(out,
                     rule->by_month[i] >= 1 && rule->by_month[i] <= 12 ? months[rule->by_month[i] - 1] : "?");
    }
}

void
calendar_repeat_words(const struct icalrecurrencetype *rule, struct buf *out)
{
    static const char *const units[] = {"second", "minute", "hour", "day", "week", "month", "year"};
    if ((size_t)rule->freq >= COUNT_OF(units)) {
        buf_add_text(out, "more than once");
        return;
    }
    if (rule->interval > 1)
        buf_printf(out, "every %d %ss", rule->interval, units[rule->freq]);
    else
        buf_printf(out, "every %s", units[rule->freq]);
    add_days(rule, out);
    add_dates(rule, out);
    add_months(rule, out);
    if (rule->by_set_pos[0] != ICAL_RECURRENCE_ARRAY_MAX || rule->by_hour[0] != ICAL_RECURRENCE_ARRAY_MAX ||
        rule->by_week_no[0] != ICAL_RECURRENCE_ARRAY_MAX || rule->by_year_day[0] != ICAL_RECURRENCE_ARRAY_MAX)
        buf_add_text(out, " (of these, some only)");
    if (rule->count > 0)
        buf_printf(out, ", %d times", rule->count);
    else if (!icaltime_is_null_time(rule->until) && rule->until.month >= 1 && rule->until.month <= 12)
        buf_printf(out, ", until %d %s %d", rule->until.day, months[rule->until.month - 1], rule->until.year);
}
