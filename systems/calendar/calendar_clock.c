/* calendar_clock.c - days and weekdays of the Gregorian calendar (see calendar_zone.h) */
#include "systems/calendar/calendar_zone.h"

static bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

bool
calendar_clock_valid(const struct calendar_clock *clock)
{
    return clock->year >= 1900 && clock->year < 3000 && clock->month >= 1 && clock->month <= 12 &&
           clock->day >= 1 && clock->day <= days_of(clock->year, clock->month) && clock->hour >= 0 &&
           clock->hour < 24 && clock->minute >= 0 && clock->minute < 60 && clock->second >= 0 &&
           clock->second <= 60;
}

/* Years begin in March here, so that the leap day is the last of its year. */
int64_t
calendar_clock_seconds(const struct calendar_clock *clock)
{
    int64_t year = clock->month <= 2 ? clock->year - 1 : clock->year;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (clock->month + (clock->month > 2 ? -3 : 9)) + 2) / 5 + clock->day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return days * CALENDAR_DAY_S + clock->hour * 3600 + clock->minute * 60 + clock->second;
}

struct calendar_clock
calendar_clock_of(int64_t seconds)
{
    int64_t days = seconds / CALENDAR_DAY_S, rest = seconds % CALENDAR_DAY_S;
    if (rest < 0) {
        rest += CALENDAR_DAY_S;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    struct calendar_clock clock = {.day = (int)(of_year - (153 * month + 2) / 5 + 1),
                                   .month = (int)(month < 10 ? month + 3 : month - 9),
                                   .hour = (int)(rest / 3600),
                                   .minute = (int)(rest / 60 % 60),
                                   .second = (int)(rest % 60)};
    clock.year = (int)(year + era * 400 + (clock.month <= 2));
    return clock;
}

int
calendar_weekday(const struct calendar_clock *clock)
{
    int64_t days =
        calendar_clock_seconds(&(struct calendar_clock){clock->year, clock->month, clock->day, 0, 0, 0}) /
        CALENDAR_DAY_S;
    return (int)(((days + 4) % 7 + 7) % 7);
}

int
calendar_nth_weekday(int year, int month, int weekday, int nth)
{
    struct calendar_clock first = {.year = year, .month = month, .day = 1};
    int day = 1 + (weekday - calendar_weekday(&first) + 7) % 7, last = days_of(year, month);
    if (nth > 0)
        day += 7 * (nth - 1);
    else
        day += (last - day) / 7 * 7 + 7 * (nth + 1);
    while (day > last)
        day -= 7;
    return day < 1 ? 1 : day;
}
