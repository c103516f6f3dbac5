/* conf_schedule.c - when mail is sent, and when runs are due
 *
 * Times are local: an administrator means the clock on the wall. A window that would end before it begins ends
 * on the next day. Where the clock is put forward, a time that is skipped is due as much later.
 */
#include <time.h>

#include "conf/conf_schema.h"

enum { DAY_MINUTES = 24 * 60 };

static bool
parse_two(struct span text, uint64_t max, int *value)
{
    uint64_t number;
    if (text.len != 2 || !span_to_u64(text, max, &number))
        return false;
    *value = (int)number;
    return true;
}

/* HH:MM, with 24:00 where a window ends. */
static bool
parse_clock(struct span text, bool ends, int *minutes)
{
    int hour, minute;
    if (text.len != 5 || text.at[2] != ':' || !parse_two((struct span){text.at, 2}, 24, &hour) ||
        !parse_two((struct span){text.at + 3, 2}, 59, &minute))
        return false;
    *minutes = hour * 60 + minute;
    return *minutes < DAY_MINUTES || (ends && *minutes == DAY_MINUTES);
}

/* Takes "DAY " from the beginning of the text, if it is there. */
static int
take_day(struct span *text)
{
    static const char names[7][5] = {"sun ", "mon ", "tue ", "wed ", "thu ", "fri ", "sat "};
    for (int day = 0; day < 7; day++)
        if (span_starts_nocase(*text, span_of(names[day]))) {
            *text = span_trim((struct span){text->at + 4, text->len - 4});
            return day;
        }
    return -1;
}

bool
conf_schedule_parse_at(struct span text, struct conf_window *window)
{
    window->day = take_day(&text);
    if (!parse_clock(text, false, &window->from))
        return false;
    window->to = window->from;
    return true;
}

bool
conf_schedule_parse_during(struct span text, struct conf_window *window)
{
    window->day = take_day(&text);
    return text.len == 11 && text.at[5] == '-' &&
           parse_clock((struct span){text.at, 5}, false, &window->from) &&
           parse_clock((struct span){text.at + 6, 5}, true, &window->to) && window->from != window->to;
}

static bool
is_day(const struct conf_window *window, int day)
{
    return window->day < 0 || window->day == day;
}

static bool
window_holds(const struct conf_window *window, int day, int minute)
{
    bool ends_next_day = window->to < window->from;
    int to = ends_next_day ? DAY_MINUTES : window->to;
    if (is_day(window, day) && minute >= window->from && minute < to)
        return true;
    return ends_next_day && is_day(window, (day + 6) % 7) && minute < window->to;
}

static const struct conf_schedule *
find(const struct conf_root *root, const char *name)
{
    for (size_t i = 0; i < root->schedules_n; i++)
        if (span_equal(span_of(root->schedules[i].title), span_of(name)))
            return &root->schedules[i];
    return NULL;
}

bool
conf_schedule_open(const struct conf_root *root, const char *schedule, int64_t now_s)
{
    if (schedule == NULL || span_equal(span_of(schedule), SPAN("always")))
        return true;
    const struct conf_schedule *found = find(root, schedule);
    time_t now = (time_t)now_s;
    struct tm local;
    if (found == NULL || localtime_r(&now, &local) == NULL)
        return false;
    for (size_t i = 0; i < found->during.n; i++) {
        struct conf_window window;
        if (conf_schedule_parse_during(span_of(found->during.at[i]), &window) &&
            window_holds(&window, local.tm_wday, local.tm_hour * 60 + local.tm_min))
            return true;
    }
    return false;
}

/* The first moment behind `after_s` at which this time of day comes, looking a week and a day ahead. */
static int64_t
next_at(const struct conf_window *at, int64_t after_s)
{
    time_t after = (time_t)after_s;
    struct tm today;
    if (localtime_r(&after, &today) == NULL)
        return -1;
    for (int ahead = 0; ahead <= 8; ahead++) {
        struct tm then = {.tm_year = today.tm_year,
                          .tm_mon = today.tm_mon,
                          .tm_mday = today.tm_mday + ahead,
                          .tm_hour = at->from / 60,
                          .tm_min = at->from % 60,
                          .tm_isdst = -1};
        time_t when = mktime(&then);
        if (when != (time_t)-1 && when > after && is_day(at, then.tm_wday))
            return when;
    }
    return -1;
}

static int64_t
sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int64_t
conf_schedule_next(const struct conf_root *root, const char *schedule, int64_t after_s)
{
    const struct conf_schedule *found = schedule != NULL ? find(root, schedule) : NULL;
    int64_t next = -1;
    if (found == NULL)
        return -1;
    if (found->every_s > 0)
        next = after_s + found->every_s;
    for (size_t i = 0; i < found->at.n; i++) {
        struct conf_window at;
        if (conf_schedule_parse_at(span_of(found->at.at[i]), &at))
            next = sooner(next, next_at(&at, after_s));
    }
    return next;
}
