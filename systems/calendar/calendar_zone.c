/* calendar_zone.c - time zones by ICU (see calendar_zone.h)
 *
 * ICU answers a name that it does not know with GMT and no error, so every name is asked for first.
 */
#include "systems/calendar/calendar_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unicode/ucal.h>
#include <unicode/ustring.h>
#include <unistd.h>

struct calendar_zone {
    UCalendar *calendar; /* NULL: the C library's */
    char name[CALENDAR_ZONE_NAME_MAX];
};

enum { NAME_MAX_HERE = 200 };

/* ---- names ---- */

static bool
to_wide(struct span name, UChar wide[CALENDAR_ZONE_NAME_MAX])
{
    if (name.len == 0 || name.len >= CALENDAR_ZONE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < ' ' || name.at[i] > '~')
            return false;
    u_charsToUChars(name.at, wide, (int32_t)name.len);
    wide[name.len] = 0;
    return true;
}

static void
to_narrow(const UChar *wide, int32_t len, char name[CALENDAR_ZONE_NAME_MAX])
{
    u_UCharsToChars(wide, name, len);
    name[len] = '\0';
}

/* The IANA name for either kind of name. */
static bool
known(const UChar wide[CALENDAR_ZONE_NAME_MAX], UChar iana[CALENDAR_ZONE_NAME_MAX])
{
    UErrorCode error = U_ZERO_ERROR;
    UBool of_system = 0;
    ucal_getCanonicalTimeZoneID(wide, -1, iana, CALENDAR_ZONE_NAME_MAX, &of_system, &error);
    if (U_SUCCESS(error) && error != U_STRING_NOT_TERMINATED_WARNING && of_system) {
        u_strcpy(iana, wide); /* the name as it came: the canonical one of Asia/Kolkata is Asia/Calcutta */
        return true;
    }
    error = U_ZERO_ERROR;
    int32_t len = ucal_getTimeZoneIDForWindowsID(wide, -1, NULL, iana, CALENDAR_ZONE_NAME_MAX, &error);
    return U_SUCCESS(error) && len > 0 && len < CALENDAR_ZONE_NAME_MAX;
}

static bool
is_utc(const char *name)
{
    static const char *const names[] = {"UTC",       "GMT",           "Etc/UTC",   "Etc/GMT",
                                        "Etc/UCT",   "UCT",           "Zulu",      "Etc/Zulu",
                                        "Universal", "Etc/Universal", "Greenwich", "Etc/Greenwich"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static struct calendar_zone *
open_zone(struct span name)
{
    UChar wide[CALENDAR_ZONE_NAME_MAX], iana[CALENDAR_ZONE_NAME_MAX];
    UErrorCode error = U_ZERO_ERROR;
    if (!to_wide(name, wide) || !known(wide, iana))
        return NULL;
    UCalendar *calendar = ucal_open(iana, -1, "", UCAL_GREGORIAN, &error);
    if (U_FAILURE(error))
        return NULL;
    ucal_setAttribute(calendar, UCAL_REPEATED_WALL_TIME, UCAL_WALLTIME_FIRST);
    ucal_setAttribute(calendar, UCAL_SKIPPED_WALL_TIME, UCAL_WALLTIME_LAST);
    ucal_setGregorianChange(calendar, -1e15, &error); /* no Julian dates */
    struct calendar_zone *zone = xcalloc(1, sizeof *zone);
    zone->calendar = calendar;
    to_narrow(iana, u_strlen(iana), zone->name);
    if (is_utc(zone->name))
        snprintf(zone->name, sizeof zone->name, "UTC");
    return zone;
}

struct calendar_zone *
calendar_zone_new(struct span name)
{
    name = span_trim(name);
    if (name.len >= 2 && name.at[0] == '"' && name.at[name.len - 1] == '"')
        name = (struct span){name.at + 1, name.len - 2};
    struct calendar_zone *zone = open_zone(name);
    while (zone == NULL && name.len > 0 && name.len < NAME_MAX_HERE) {
        const char *slash = memchr(name.at, '/', name.len);
        if (slash == NULL)
            break;
        name = (struct span){slash + 1, (size_t)(name.at + name.len - slash - 1)};
        zone = open_zone(name);
    }
    return zone;
}

void
calendar_zone_free(struct calendar_zone *zone)
{
    if (zone != NULL && zone->calendar != NULL)
        ucal_close(zone->calendar);
    free(zone);
}

/* What the C library takes TZ for: a name, with or without a colon, or a path; else what /etc/localtime points to. */
static struct calendar_zone *
named_by_machine(void)
{
    static const char folder[] = "zoneinfo/";
    char target[NAME_MAX_HERE];
    const char *tz = getenv("TZ");
    if (tz != NULL)
        return calendar_zone_new(span_of(tz[0] == ':' ? tz + 1 : tz[0] != '\0' ? tz : "UTC"));
    ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *name = strstr(target, folder);
    return name != NULL ? calendar_zone_new(span_of(name + sizeof folder - 1)) : NULL;
}

struct calendar_zone *
calendar_zone_machine(void)
{
    struct calendar_zone *zone = named_by_machine();
    return zone != NULL ? zone : xcalloc(1, sizeof *zone);
}

const char *
calendar_zone_name(const struct calendar_zone *zone)
{
    return zone->name[0] != '\0' ? zone->name : NULL;
}

bool
calendar_zone_windows(const struct calendar_zone *zone, char name[CALENDAR_ZONE_NAME_MAX])
{
    UChar wide[CALENDAR_ZONE_NAME_MAX], windows[CALENDAR_ZONE_NAME_MAX];
    UErrorCode error = U_ZERO_ERROR;
    name[0] = '\0';
    if (!to_wide(span_of(zone->name), wide))
        return false;
    int32_t len = ucal_getWindowsTimeZoneID(wide, -1, windows, CALENDAR_ZONE_NAME_MAX, &error);
    if (U_FAILURE(error) || len <= 0 || len >= CALENDAR_ZONE_NAME_MAX)
        return false;
    to_narrow(windows, len, name);
    return true;
}

/* ---- times ---- */

static int64_t
time_by_library(const struct calendar_clock *clock)
{
    struct tm tm = {.tm_year = clock->year - 1900,
                    .tm_mon = clock->month - 1,
                    .tm_mday = clock->day,
                    .tm_hour = clock->hour,
                    .tm_min = clock->minute,
                    .tm_sec = clock->second,
                    .tm_isdst = -1};
    return mktime(&tm);
}

int64_t
calendar_zone_time(const struct calendar_zone *zone, const struct calendar_clock *clock)
{
    UErrorCode error = U_ZERO_ERROR;
    if (zone->calendar == NULL)
        return time_by_library(clock);
    ucal_clear(zone->calendar);
    ucal_setDateTime(zone->calendar, clock->year, clock->month - 1, clock->day, clock->hour, clock->minute,
                     clock->second, &error);
    UDate ms = ucal_getMillis(zone->calendar, &error);
    return U_SUCCESS(error) ? (int64_t)(ms / 1000) : calendar_clock_seconds(clock);
}

int
calendar_zone_offset(const struct calendar_zone *zone, int64_t time_s)
{
    UErrorCode error = U_ZERO_ERROR;
    if (zone->calendar == NULL) {
        struct tm tm;
        time_t clock = (time_t)time_s;
        return localtime_r(&clock, &tm) != NULL ? (int)tm.tm_gmtoff : 0;
    }
    ucal_setMillis(zone->calendar, (UDate)time_s * 1000, &error);
    int32_t ms =
        ucal_get(zone->calendar, UCAL_ZONE_OFFSET, &error) + ucal_get(zone->calendar, UCAL_DST_OFFSET, &error);
    return U_SUCCESS(error) ? ms / 1000 : 0;
}

struct calendar_clock
calendar_zone_clock(const struct calendar_zone *zone, int64_t time_s)
{
    return calendar_clock_of(time_s + calendar_zone_offset(zone, time_s));
}

bool
calendar_zone_change(const struct calendar_zone *zone, int64_t time_s, bool next, int64_t *change_s)
{
    UErrorCode error = U_ZERO_ERROR;
    UDate when = 0;
    if (zone->calendar == NULL)
        return false;
    ucal_setMillis(zone->calendar, (UDate)time_s * 1000, &error);
    UBool found = ucal_getTimeZoneTransitionDate(
        zone->calendar, next ? UCAL_TZ_TRANSITION_NEXT : UCAL_TZ_TRANSITION_PREVIOUS_INCLUSIVE, &when, &error);
    *change_s = (int64_t)(when / 1000);
    return found && U_SUCCESS(error);
}
