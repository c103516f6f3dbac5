/* utc.c - times as RFC 3339 in UTC (see utc.h)
 *
 * Days are counted in the proleptic Gregorian calendar with years that begin in March, so that the leap day is
 * the last of its year and a month's start is a linear function of its number.
 */
#include "common/utc.h"

#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define DAYS_OF_400  146097
#define MIN_SECOND   INT64_C(-62167219200) /* 0000-01-01T00:00:00 */
#define MAX_SECOND   INT64_C(253402300799) /* 9999-12-31T23:59:59 */

struct date {
    int year, month, day;
};

static struct date
date_of_day(int64_t day)
{
    int64_t shifted = day + DAYS_TO_1970;
    int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_OF_400 - 1)) / DAYS_OF_400;
    int64_t in_era = shifted - era * DAYS_OF_400;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153; /* 0: March */
    struct date date = {
        .day = (int)(in_year - (153 * month + 2) / 5 + 1),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .year = (int)(year + era * 400 + (month >= 10)),
    };
    return date;
}

static int64_t
day_of_date(struct date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t in_year = (153 * month + 2) / 5 + date.day - 1;
    return era * DAYS_OF_400 + of_era * 365 + of_era / 4 - of_era / 100 + in_year - DAYS_TO_1970;
}

static void
put_digits(char *at, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Divides rounding down, so that times before 1970 have fractions that count forward as well. */
static int64_t
floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static void
print_second(int64_t second, char text[UTC_LEN + 1])
{
    int64_t day = floor_div(second, 86400);
    int in_day = (int)(second - day * 86400);
    struct date date = date_of_day(day);
    memcpy(text, "0000-00-00T00:00:00.000Z", UTC_LEN + 1);
    put_digits(text, date.year, 4);
    put_digits(text + 5, date.month, 2);
    put_digits(text + 8, date.day, 2);
    put_digits(text + 11, in_day / 3600, 2);
    put_digits(text + 14, in_day / 60 % 60, 2);
    put_digits(text + 17, in_day % 60, 2);
}

void
utc_print(int64_t ms, char text[UTC_LEN + 1])
{
    static _Thread_local struct {
        int64_t second;
        char text[UTC_LEN + 1];
    } last = {.second = INT64_MIN};

    int64_t second = floor_div(ms, 1000);
    int fraction = (int)(ms - second * 1000);
    second = second < MIN_SECOND ? MIN_SECOND : second > MAX_SECOND ? MAX_SECOND : second;
    if (second != last.second) {
        print_second(second, last.text);
        last.second = second;
    }
    memcpy(text, last.text, UTC_LEN + 1);
    put_digits(text + 20, fraction, 3);
}

void
utc_print_day(int64_t ms, char text[UTC_DAY_LEN + 1])
{
    char whole[UTC_LEN + 1];
    utc_print(ms, whole);
    memcpy(text, whole, 4);
    memcpy(text + 4, whole + 5, 2);
    memcpy(text + 6, whole + 8, 2);
    text[UTC_DAY_LEN] = '\0';
}

static bool
get_digits(const char *at, int digits, int min, int max, int *value)
{
    int sum = 0;
    for (int i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        sum = sum * 10 + (at[i] - '0');
    }
    *value = sum;
    return sum >= min && sum <= max;
}

static bool
get_day(const char *year, const char *month, const char *day, int64_t *result)
{
    struct date date;
    if (!get_digits(year, 4, 0, 9999, &date.year) || !get_digits(month, 2, 1, 12, &date.month) ||
        !get_digits(day, 2, 1, 31, &date.day))
        return false;
    *result = day_of_date(date);
    struct date again = date_of_day(*result); /* 30 February comes back as another day */
    return again.month == date.month && again.day == date.day;
}

/* ".123" or "": thousandths. */
static bool
get_fraction(struct span text, int *thousandths)
{
    *thousandths = 0;
    if (text.len == 0)
        return true;
    if (text.at[0] != '.' || text.len < 2 || text.len > 10)
        return false;
    int scale = 100;
    for (size_t i = 1; i < text.len; i++, scale /= 10) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        *thousandths += (text.at[i] - '0') * scale;
    }
    return true;
}

bool
utc_parse(struct span text, int64_t *ms)
{
    enum { SECONDS_LEN = 19 };
    int64_t day;
    int hour, minute, second, fraction;
    const char *at = text.at;
    if (text.len < SECONDS_LEN + 1 || at[text.len - 1] != 'Z')
        return false;
    if (at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':')
        return false;
    if (!get_day(at, at + 5, at + 8, &day) || !get_digits(at + 11, 2, 0, 23, &hour) ||
        !get_digits(at + 14, 2, 0, 59, &minute) || !get_digits(at + 17, 2, 0, 59, &second))
        return false;
    struct span rest = {at + SECONDS_LEN, text.len - SECONDS_LEN - 1};
    if (!get_fraction(rest, &fraction))
        return false;
    *ms = ((day * 24 + hour) * 60 + minute) * 60000 + second * 1000 + fraction;
    return true;
}

bool
utc_parse_day(struct span text, int64_t *ms)
{
    int64_t day;
    if (text.len != UTC_DAY_LEN || !get_day(text.at, text.at + 4, text.at + 6, &day))
        return false;
    *ms = day * UTC_DAY_MS;
    return true;
}
