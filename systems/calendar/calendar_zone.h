/* calendar_zone.h - wall clocks and time zones, by their IANA or Windows names or the machine's own
 *
 * A clock reading (`struct calendar_clock`) means a time only with a zone. Zones are ICU's, whose tables lie in its
 * library: no file is opened, so they work in a sandbox. A clock that a change to summer time leaves out is read with the
 * offset before the change, one that comes twice is its first (RFC 5545 section 3.3.5).
 *
 * Only programs that convert are linked with ICU (build-aux/sources.mk).
 *
 * Sources: RFC 5545 section 3.3.5; the table of Windows names is Unicode CLDR's, as ICU has it.
 */
#ifndef VIADUCT_CALENDAR_ZONE_H
#define VIADUCT_CALENDAR_ZONE_H

#include "common/base.h"

struct calendar_clock {
    int year, month, day; /* month 1 to 12, day 1 to 31 */
    int hour, minute, second;
};

enum { CALENDAR_ZONE_NAME_MAX = 64, CALENDAR_DAY_S = 24 * 3600 };

/* True where it is a date and time that the Gregorian calendar has, in the years 1900 to 2999. */
bool calendar_clock_valid(const struct calendar_clock *clock);

/* Seconds since 1970 as if the clock showed UTC, and back. Any year of four digits. */
int64_t calendar_clock_seconds(const struct calendar_clock *clock);
struct calendar_clock calendar_clock_of(int64_t seconds);

/* 0 is Sunday. */
int calendar_weekday(const struct calendar_clock *clock);

/* The day of the month that is the `nth` such weekday; -1: the last one. Beyond the month's end it is the last one. */
int calendar_nth_weekday(int year, int month, int weekday, int nth);

struct calendar_zone;

/* A zone by its name: "Europe/Berlin", "W. Europe Standard Time", or either behind a path of some program's
 * ("/citadel.org/20190914_1/Europe/Berlin"). NULL where it is unknown. calendar_zone_free() takes NULL. */
struct calendar_zone *calendar_zone_new(struct span name);
void calendar_zone_free(struct calendar_zone *zone);

/* The machine's: by TZ or /etc/localtime; where these give no name that is known, what the C library knows of it. */
struct calendar_zone *calendar_zone_machine(void);

/* Its IANA name; NULL where only the C library knows the zone. "Etc/UTC" and its likes are all "UTC". */
const char *calendar_zone_name(const struct calendar_zone *zone);

/* Its Windows name. False, with "", where there is none. */
bool calendar_zone_windows(const struct calendar_zone *zone, char name[CALENDAR_ZONE_NAME_MAX]);

/* The time at which its clocks show this; what they show at a time; seconds east of UTC at a time. */
int64_t calendar_zone_time(const struct calendar_zone *zone, const struct calendar_clock *clock);
struct calendar_clock calendar_zone_clock(const struct calendar_zone *zone, int64_t time_s);
int calendar_zone_offset(const struct calendar_zone *zone, int64_t time_s);

/* The last change of its offset at or before a time, or the next one after it. False where there is none. */
bool calendar_zone_change(const struct calendar_zone *zone, int64_t time_s, bool next, int64_t *change_s);

#endif
