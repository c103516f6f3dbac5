/* grid.c - a week in quarters of an hour (see grid.h) */
#include "commands/grid.h"

#include <string.h>
#include <time.h>

#include "conf/conf_schema.h"

enum { DAY_QUARTERS = 96, QUARTER_S = 900 };

/* ---- from a schedule ---- */

static void
choose(struct grid *grid, const struct conf_window *window, int from, int to)
{
    for (int day = 0; day < 7; day++)
        if (window->day < 0 || window->day == day)
            for (int q = from; q < to; q++)
                grid->at[(day * DAY_QUARTERS + q) % GRID_QUARTERS] = true;
}

/* A window that ends before it begins ends on the next day. */
static bool
choose_window(struct grid *grid, struct conf_window window)
{
    int to = window.to < window.from ? window.to + 24 * 60 : window.to;
    choose(grid, &window, window.from / 15, (to + 14) / 15);
    return window.from % 15 == 0 && to % 15 == 0;
}

bool
grid_of_schedule(const struct conf_schedule *schedule, bool runs, struct grid *grid)
{
    struct conf_window window;
    bool exact = true;
    memset(grid, 0, sizeof *grid);
    for (size_t i = 0; !runs && i < schedule->during.n; i++)
        if (conf_schedule_parse_during(span_of(schedule->during.at[i]), &window))
            exact = choose_window(grid, window) && exact;
    for (size_t i = 0; runs && i < schedule->at.n; i++)
        if (conf_schedule_parse_at(span_of(schedule->at.at[i]), &window)) {
            choose(grid, &window, window.from / 15, window.from / 15 + 1);
            exact = exact && window.from % 15 == 0;
        }
    if (!runs || schedule->every_s == 0)
        return exact;
    int64_t every = schedule->every_s < QUARTER_S ? 1 : schedule->every_s / QUARTER_S;
    for (int64_t q = 0; q < GRID_QUARTERS; q += every)
        grid->at[q] = true;
    return exact && schedule->every_s % QUARTER_S == 0 && GRID_QUARTERS % every == 0;
}

size_t
grid_count(const struct grid *grid)
{
    size_t n = 0;
    for (size_t i = 0; i < GRID_QUARTERS; i++)
        n += grid->at[i];
    return n;
}

/* ---- octets ---- */

/* How many quarters local time is ahead of UTC, now. */
static int
ahead(void)
{
    time_t now = time(NULL);
    struct tm local;
    return localtime_r(&now, &local) != NULL ? (int)(local.tm_gmtoff / QUARTER_S) : 0;
}

static size_t
turned(int quarter, int by)
{
    return (size_t)(((quarter + by) % GRID_QUARTERS + GRID_QUARTERS) % GRID_QUARTERS);
}

void
grid_to_octets(const struct grid *grid, unsigned char octets[GRID_BYTES])
{
    int by = ahead();
    memset(octets, 0, GRID_BYTES);
    for (int q = 0; q < GRID_QUARTERS; q++)
        if (grid->at[turned(q, by)])
            octets[q / 8] |= (unsigned char)(0x80 >> (q % 8));
}

void
grid_from_octets(const unsigned char octets[GRID_BYTES], struct grid *grid)
{
    int by = ahead();
    for (int q = 0; q < GRID_QUARTERS; q++)
        grid->at[turned(q, by)] = (octets[q / 8] & 0x80 >> (q % 8)) != 0;
}

/* ---- words ---- */

static const char *const days[7] = {"sun ", "mon ", "tue ", "wed ", "thu ", "fri ", "sat "};

static void
print_one(const char *day, int from, int to, bool *first, struct buf *out)
{
    buf_printf(out, "%s\"%s%02d:%02d", *first ? " " : ", ", day, from / 4, from % 4 * 15);
    if (to > from)
        buf_printf(out, "-%02d:%02d", to / 4, to % 4 * 15);
    buf_add_byte(out, '"');
    *first = false;
}

static void
print_day(const bool *at, const char *day, bool runs, bool *first, struct buf *out)
{
    for (int q = 0; q < DAY_QUARTERS; q++) {
        int end = q;
        while (end < DAY_QUARTERS && at[end] && !(runs && end > q))
            end++;
        if (end > q)
            print_one(day, q, runs ? q : end, first, out);
        q = end > q ? end - 1 : q;
    }
}

void
grid_print(const struct grid *grid, bool runs, struct buf *out)
{
    bool first = true, alike = true;
    for (int day = 1; day < 7; day++)
        alike = alike && memcmp(grid->at, grid->at + day * DAY_QUARTERS, DAY_QUARTERS * sizeof *grid->at) == 0;
    buf_add_text(out, "{");
    for (int day = 0; day < (alike ? 1 : 7); day++)
        print_day(grid->at + day * DAY_QUARTERS, alike ? "" : days[day], runs, &first, out);
    buf_add_text(out, " }");
}
