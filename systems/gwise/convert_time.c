/* convert_time.c - times of the gateway's site (see convert_time.h) */
#include "systems/gwise/convert_time.h"

#include <stdio.h>

#include "systems/gwise/api_read.h"

struct calendar_zone *
gwise_site(const struct viaduct_convert_in *in, struct viaduct_reason *reason)
{
    const char *name = gwise_option(in, "convert.timezone");
    if (name == NULL || name[0] == '\0')
        return calendar_zone_machine();
    struct calendar_zone *site = calendar_zone_new(span_of(name));
    if (site == NULL)
        gwise_ends(VIADUCT_CONVERT_BAD, reason, "5.3.5", "convert.timezone = \"%s\" is no time zone known here",
                   name);
    return site;
}

void
gwise_write_date(const struct calendar_zone *site, int64_t time_s, bool seconds, char text[40])
{
    struct calendar_clock clock = calendar_zone_clock(site, time_s);
    int n = snprintf(text, 40, "%d/%d/%d %d:%d", clock.day, clock.month, clock.year, clock.hour, clock.minute);
    if (seconds && n > 0 && n < 30)
        snprintf(text + n, (size_t)(40 - n), ":%d", clock.second);
}

bool
gwise_read_date(const struct calendar_zone *site, struct span text, int64_t *time_s)
{
    struct api_clock read;
    if (!api_read_clock(text, &read))
        return false;
    struct calendar_clock clock = {read.year, read.month, read.day, read.hour, read.minute, read.second};
    *time_s = read.zoned ? calendar_clock_seconds(&clock) - read.zone_s : calendar_zone_time(site, &clock);
    return true;
}
