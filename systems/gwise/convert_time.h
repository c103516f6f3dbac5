/* convert_time.h - times of GroupWise's files, which are clocks of the gateway's site
 *
 * A time in a header file says no zone as a rule: it is what a clock at the writer's site shows. The option
 * `convert.timezone` says which zone that is; the machine's where it is not set.
 */
#ifndef VIADUCT_GWISE_CONVERT_TIME_H
#define VIADUCT_GWISE_CONVERT_TIME_H

#include "systems/calendar/calendar_zone.h"
#include "systems/gwise/convert.h"

/* The site's zone, to be freed; NULL, with the reason, where the option names none that is known. */
struct calendar_zone *gwise_site(const struct viaduct_convert_in *in, struct viaduct_reason *reason);

/* "25/11/2026 7:3:9", nothing padded; without `seconds` "25/11/2026 7:3". */
void gwise_write_date(const struct calendar_zone *site, int64_t time_s, bool seconds, char text[40]);

/* A date of section 1.6 of the format, whose own zone counts where it has one. False where it is none. */
bool gwise_read_date(const struct calendar_zone *site, struct span text, int64_t *time_s);

#endif
