/* grid.h - a week in quarters of an hour, as Exchange's connectors kept their schedules: 84 octets
 *
 * One bit for each quarter of an hour, Sunday 00:00 UTC first, the highest bit of an octet first. That order is what is known of it,
 * and not proven; texts that are made of it say so. Ours are times of the local clock, so a grid is turned by the present offset
 * of the local time zone: where summer time begins, times move by an hour.
 *
 * Source: Microsoft's schema of Exchange (activationSchedule, msExchDirsyncSchedule: octet strings of 84).
 */
#ifndef VIADUCT_COMMANDS_GRID_H
#define VIADUCT_COMMANDS_GRID_H

#include "conf/conf.h"

enum { GRID_BYTES = 84, GRID_QUARTERS = 7 * 96 };

/* By local time: true for a quarter that is chosen; index day * 96 + quarter, day 0 is Sunday. */
struct grid {
    bool at[GRID_QUARTERS];
};

/* The quarters in which a schedule is open, or, with `runs`, those in which a run begins. False where it has times that no grid
 * can tell (minutes between quarters, `every` less than 15m): then the nearest are chosen. */
bool grid_of_schedule(const struct conf_schedule *schedule, bool runs, struct grid *grid);

size_t grid_count(const struct grid *grid);

/* To and from the octets, by the local time zone's offset now. */
void grid_to_octets(const struct grid *grid, unsigned char octets[GRID_BYTES]);
void grid_from_octets(const unsigned char octets[GRID_BYTES], struct grid *grid);

/* Adds { "mon 08:00-18:00", ... } of what is chosen, or, with `runs`, { "mon 02:30", ... }; without days where all are alike. */
void grid_print(const struct grid *grid, bool runs, struct buf *out);

#endif
