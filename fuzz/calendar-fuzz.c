/* calendar-fuzz.c - any octets as a calendar
 *
 * The first octet chooses: the whole text as it stands, or what follows as the lines of an event behind a time zone's, so
 * that chance need not find what must surround them. What was understood is written, and must be understood again: the
 * same method, times to the second, and no fewer people.
 */
#include <stdint.h>
#include <stdlib.h>

#include "systems/calendar/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take_line(void *arg, const char *line)
{
    (void)arg;
    BUG_UNLESS(line[0] != '\0');
}

static void
wrap(struct span text, struct buf *calendar)
{
    size_t zone = text.len / 3;
    buf_add_text(calendar,
                 "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nTZID:Z\nBEGIN:STANDARD\n"
                 "DTSTART:19701025T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n");
    buf_add(calendar, text.at, zone);
    buf_add_text(calendar, "\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\n");
    buf_add(calendar, text.at + zone, text.len - zone);
    buf_add_text(calendar, "\nEND:VEVENT\nEND:VCALENDAR\n");
}

static void
check_again(const struct calendar_item *item, const struct calendar_zone *site)
{
    struct arena *arena = arena_new(CALENDAR_ARENA_MAX);
    struct calendar_item again;
    struct buf text = {0};
    struct why why = {"", ""};
    calendar_write(item, site, &text);
    if (text.len <= CALENDAR_TEXT_MAX) {
        BUG_UNLESS(calendar_read(buf_span(&text), site, arena, take_line, NULL, &again, &why) == 0);
        BUG_UNLESS(again.method == item->method && again.component == item->component);
        BUG_UNLESS(again.begin.form == CALENDAR_UNSET || again.begin.time_s / 60 == item->begin.time_s / 60);
        BUG_UNLESS(again.n_people == item->n_people);
    }
    buf_clear(&text);
    arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct calendar_zone *site;
    static struct arena *arena;
    struct calendar_item item;
    struct buf wrapped = {0};
    struct why why = {"", ""};
    if (size == 0)
        return 0;
    if (site == NULL) {
        site = calendar_zone_new(SPAN("Europe/Berlin"));
        arena = arena_new(CALENDAR_ARENA_MAX);
    }
    arena_reset(arena);
    struct span text = {(const char *)data + 1, size - 1};
    if (data[0] % 2 == 1) {
        wrap(text, &wrapped);
        text = buf_span(&wrapped);
    }
    if (calendar_read(text, site, arena, take_line, NULL, &item, &why) < 0)
        BUG_UNLESS(why.text[0] != '\0');
    else if (item.uid.len > 0 && (item.component != CALENDAR_EVENT || item.begin.form != CALENDAR_UNSET))
        check_again(&item, site);
    buf_clear(&wrapped);
    return 0;
}
