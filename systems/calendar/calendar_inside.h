/* calendar_inside.h - within the calendar: the reduced text, zones of a calendar's own, and libical's words for ours */
#ifndef VIADUCT_CALENDAR_INSIDE_H
#define VIADUCT_CALENDAR_INSIDE_H

#include <libical/ical.h>

#include "systems/calendar/calendar.h"

enum { CALENDAR_RULES_MAX = 50, CALENDAR_OBSERVANCES_MAX = 40, CALENDAR_LINE_MAX = 8000 };

struct calendar_report {
    void (*line)(void *arg, const char *line);
    void *arg;
};

void calendar_say(const struct calendar_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reduces a text to its first calendar, in which the first event, task or note, and the time zones, have only the
 * properties that calendar_read() knows; lines are unfolded and end in LF. Names of properties that say something to
 * people, and are left out, are reported. 0, or -EINVAL with `why`. */
int calendar_lines(struct span text, const struct calendar_report *report, struct buf *lines, struct why *why);

/* One VTIMEZONE, understood: when its clocks change. */
struct calendar_observance {
    int64_t start_s;              /* its first onset, by the clock that went before; seconds as if UTC */
    int64_t until_s;              /* the last onset, likewise; INT64_MAX none */
    int from_s, to_s;             /* offsets before and after */
    bool yearly;                  /* else it is at start_s only */
    int month, weekday, nth, day; /* nth 0: on `day` */
};

struct calendar_rules {
    struct span name; /* libical's */
    struct calendar_observance *observances;
    size_t n;
};

/* Understands a VTIMEZONE; false where it has rules beyond "a weekday of a month, every year". The arena has the memory. */
bool calendar_rules_read(icalcomponent *zone, struct arena *arena, struct calendar_rules *rules);
/* The time at which a clock by these rules shows this. */
int64_t calendar_rules_time(const struct calendar_rules *rules, const struct calendar_clock *clock);

/* Adds the VTIMEZONE of a zone that has a name, as it is round a time. */
void calendar_add_zone(icalcomponent *calendar, const struct calendar_zone *zone, int64_t time_s);

/* Adds words for how something recurs. */
void calendar_repeat_words(const struct icalrecurrencetype *rule, struct buf *out);

struct calendar_clock calendar_clock_from(struct icaltimetype time);

/* ---- a calendar while it is read ---- */

struct calendar_reading {
    const struct calendar_zone *site;
    struct arena *arena;
    struct calendar_report report;
    struct calendar_item *item;
    struct calendar_rules rules[CALENDAR_RULES_MAX];
    bool understood[CALENDAR_RULES_MAX];
    size_t n_rules;
    struct span unknown; /* the last zone that nobody knew: each is told once */
    bool full;
};

/* The value of a property where it is of the wanted kind; NULL. */
icalvalue *calendar_value(const icalproperty *property, icalvalue_kind want);

/* A copy in the arena: valid UTF-8, no control characters but LF, and that only where `lines`. */
struct span calendar_keep(struct calendar_reading *reading, const char *text, bool lines);

/* Fills the item's times, and how it recurs. */
void calendar_read_times(struct calendar_reading *reading, icalcomponent *component);

#endif
