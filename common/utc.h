/* utc.h - times as people and programs read them: RFC 3339, UTC, milliseconds
 *
 * Nothing here reads the time zone, opens a file or makes a system call, so it works in any sandbox. The text
 * of the last second is remembered: printing many times of one second costs a copy.
 */
#ifndef VIADUCT_UTC_H
#define VIADUCT_UTC_H

#include "common/base.h"

enum { UTC_LEN = 24, UTC_DAY_LEN = 8, UTC_DAY_MS = 86400000 };

/* Writes "2026-11-25T07:26:28.123Z" and a NUL: `ms` since 1970. Times outside the years 0 to 9999 become the
 * nearest. */
void utc_print(int64_t ms, char text[UTC_LEN + 1]);

/* Writes "20261125" and a NUL for the day that `ms` lies in. */
void utc_print_day(int64_t ms, char text[UTC_DAY_LEN + 1]);

/* Reads what utc_print() writes; the fraction may be missing or have 1 to 9 digits (what passes milliseconds is
 * dropped). False for anything else, with `*ms` untouched. */
bool utc_parse(struct span text, int64_t *ms);

/* Reads "20261125": the milliseconds at which that day begins. False for anything else. */
bool utc_parse_day(struct span text, int64_t *ms);

#endif
