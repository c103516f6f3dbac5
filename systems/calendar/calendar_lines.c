/* calendar_lines.c - reduces a calendar to what is wanted of it (see calendar_inside.h)
 *
 *     VCALENDAR                     METHOD, VERSION
 *         VTIMEZONE                 TZID
 *             STANDARD, DAYLIGHT    when they begin, and their offsets
 *         the first VEVENT, VTODO or VJOURNAL
 *
 * Everything else is passed over, with all that it holds, by counting BEGIN and END: alarms, inline attachments, HTML in X-
 * properties, further events. One pass; a folded line is put together once.
 */
#include <errno.h>
#include <stdarg.h>

#include "systems/calendar/calendar_inside.h"
#include "systems/mime/charset.h"

enum { DEPTH_MAX = 3, LINES_MAX = 4000, TEXT_LINE_MAX = 4000 };

enum place { PLACE_NONE, PLACE_CALENDAR = 1, PLACE_ITEM = 2, PLACE_ZONE = 4, PLACE_RULE = 8 };

/* What is kept where. `words`: text for people, which may be cut. */
static const struct {
    const char *name;
    int place;
    bool words;
} kept[] = {
    {"METHOD", PLACE_CALENDAR, false},
    {"VERSION", PLACE_CALENDAR, false},
    {"UID", PLACE_ITEM, false},
    {"SEQUENCE", PLACE_ITEM, false},
    {"SUMMARY", PLACE_ITEM, true},
    {"LOCATION", PLACE_ITEM, true},
    {"DESCRIPTION", PLACE_ITEM, true},
    {"COMMENT", PLACE_ITEM, true},
    {"ORGANIZER", PLACE_ITEM, false},
    {"ATTENDEE", PLACE_ITEM, false},
    {"DTSTART", PLACE_ITEM | PLACE_RULE, false},
    {"DTEND", PLACE_ITEM, false},
    {"DUE", PLACE_ITEM, false},
    {"DURATION", PLACE_ITEM, false},
    {"DTSTAMP", PLACE_ITEM, false},
    {"RECURRENCE-ID", PLACE_ITEM, false},
    {"RRULE", PLACE_ITEM | PLACE_RULE, false},
    {"RDATE", PLACE_ITEM | PLACE_RULE, false},
    {"STATUS", PLACE_ITEM, false},
    {"TRANSP", PLACE_ITEM, false},
    {"PRIORITY", PLACE_ITEM, false},
    {"PERCENT-COMPLETE", PLACE_ITEM, false},
    {"CLASS", PLACE_ITEM, false},
    {"TZID", PLACE_ZONE, false},
    {"TZOFFSETFROM", PLACE_RULE, false},
    {"TZOFFSETTO", PLACE_RULE, false},
};

/* What people wrote or see, and no item has. */
static const char *const missed[] = {"ATTACH", "CATEGORIES", "CONTACT",   "URL",    "RELATED-TO",
                                     "GEO",    "RESOURCES",  "EXDATE",    "EXRULE", "REQUEST-STATUS",
                                     "IMAGE",  "CONFERENCE", "X-ALT-DESC"};

struct reading {
    const struct calendar_report *report;
    struct buf *lines;
    struct buf line; /* the one at hand, unfolded */
    enum place places[DEPTH_MAX + 1];
    char names[DEPTH_MAX + 1][16];
    int depth;
    size_t passing, n_lines; /* passing: BEGINs that wait for their END */
    size_t n_people, n_items, n_zones, n_alarms, n_cut;
    bool seen[COUNT_OF(missed)], finished;
};

void
calendar_say(const struct calendar_report *report, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    if (report->line == NULL)
        return;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    report->line(report->arg, text.at);
    buf_clear(&text);
}

static void
put_line(struct reading *reading, struct span line)
{
    buf_add_span(reading->lines, line);
    buf_add_byte(reading->lines, '\n');
    reading->n_lines++;
}

/* ---- components ---- */

/* Where a component belongs that begins here; PLACE_NONE: nowhere that matters. */
static enum place
place_of(struct reading *reading, struct span name)
{
    enum place outer = reading->places[reading->depth];
    if (reading->depth == 0)
        return span_equal_nocase(name, SPAN("VCALENDAR")) ? PLACE_CALENDAR : PLACE_NONE;
    if (outer == PLACE_ZONE &&
        (span_equal_nocase(name, SPAN("STANDARD")) || span_equal_nocase(name, SPAN("DAYLIGHT"))))
        return PLACE_RULE;
    if (outer != PLACE_CALENDAR) {
        reading->n_alarms += span_equal_nocase(name, SPAN("VALARM"));
        return PLACE_NONE;
    }
    if (span_equal_nocase(name, SPAN("VTIMEZONE")))
        return reading->n_zones++ < CALENDAR_RULES_MAX ? PLACE_ZONE : PLACE_NONE;
    if (span_equal_nocase(name, SPAN("VEVENT")) || span_equal_nocase(name, SPAN("VTODO")) ||
        span_equal_nocase(name, SPAN("VJOURNAL")))
        return reading->n_items++ == 0 ? PLACE_ITEM : PLACE_NONE;
    return PLACE_NONE;
}

static void
take_begin(struct reading *reading, struct span name)
{
    enum place place = reading->passing > 0 ? PLACE_NONE : place_of(reading, name);
    if (place == PLACE_NONE) {
        reading->passing++;
        return;
    }
    BUG_UNLESS(reading->depth < DEPTH_MAX && name.len < sizeof reading->names[0]);
    reading->places[++reading->depth] = place;
    memcpy(reading->names[reading->depth], name.at, name.len);
    reading->names[reading->depth][name.len] = '\0';
    put_line(reading, buf_span(&reading->line));
}

/* False where it ends something else than what was begun. */
static bool
take_end(struct reading *reading, struct span name)
{
    if (reading->passing > 0) {
        reading->passing--;
        return true;
    }
    if (reading->depth == 0 || !span_equal_nocase(name, span_of(reading->names[reading->depth])))
        return false;
    put_line(reading, buf_span(&reading->line));
    reading->finished = --reading->depth == 0;
    return true;
}

/* ---- properties ---- */

static void
note_missed(struct reading *reading, struct span name)
{
    for (size_t i = 0; i < COUNT_OF(missed) && reading->places[reading->depth] == PLACE_ITEM; i++)
        reading->seen[i] = reading->seen[i] || span_equal_nocase(name, span_of(missed[i]));
}

static size_t
whole_characters(const char *at, size_t len)
{
    while (len > 0 && ((unsigned char)at[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static void
take_property(struct reading *reading, struct span name)
{
    struct span line = buf_span(&reading->line);
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        if ((kept[i].place & (int)reading->places[reading->depth]) == 0 ||
            !span_equal_nocase(name, span_of(kept[i].name)))
            continue;
        bool long_text = strcmp(kept[i].name, "DESCRIPTION") == 0 || strcmp(kept[i].name, "COMMENT") == 0;
        size_t most = long_text ? CALENDAR_TEXT_MAX : kept[i].words ? TEXT_LINE_MAX : CALENDAR_LINE_MAX;
        if (strcmp(kept[i].name, "ATTENDEE") == 0 && reading->n_people++ >= CALENDAR_PEOPLE_MAX)
            return;
        reading->n_cut += line.len > most;
        if (line.len > most && kept[i].words)
            line.len = whole_characters(line.at, most);
        if (line.len <= most)
            put_line(reading, line);
        return;
    }
    note_missed(reading, name);
}

static bool
take_line(struct reading *reading)
{
    struct span line = buf_span(&reading->line), name = line;
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] == ':' || line.at[i] == ';') {
            name.len = i;
            break;
        }
    struct span value = {line.at + name.len, line.len - name.len};
    if (value.len > 0 && value.at[0] == ':')
        value = span_trim((struct span){value.at + 1, value.len - 1});
    if (span_equal_nocase(name, SPAN("BEGIN")))
        take_begin(reading, value);
    else if (span_equal_nocase(name, SPAN("END")))
        return take_end(reading, value);
    else if (reading->depth > 0 && reading->passing == 0 && name.len < line.len)
        take_property(reading, name);
    return true;
}

/* ---- the text ---- */

/* Adds a physical line. Control characters, NUL among them, have no place in any line. */
static void
add_physical(struct buf *line, struct span text)
{
    while (text.len > 0 && text.at[text.len - 1] == '\r')
        text.len--;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= ' ' && text.at[i] != 0x7f)
            buf_add_byte(line, text.at[i]);
        else
            buf_add_byte(line, ' ');
}

static bool
read_lines(struct reading *reading, struct span text)
{
    const char *at = text.at, *end = text.at + text.len;
    while (at < end && !reading->finished && reading->n_lines < LINES_MAX) {
        buf_reset(&reading->line);
        do {
            const char *lf = memchr(at, '\n', (size_t)(end - at)), *stop = lf != NULL ? lf : end;
            size_t fold = reading->line.len > 0; /* the blank that says it goes on */
            add_physical(&reading->line, (struct span){at + fold, (size_t)(stop - at) - fold});
            at = lf != NULL ? lf + 1 : end;
        } while (at < end && (*at == ' ' || *at == '\t') && reading->line.len > 0);
        if (reading->line.len > 0 && !take_line(reading))
            return false;
    }
    return true;
}

static void
tell_missed(const struct reading *reading)
{
    struct buf names = {0};
    for (size_t i = 0; i < COUNT_OF(missed); i++)
        if (reading->seen[i])
            buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", missed[i]);
    if (names.len > 0)
        calendar_say(reading->report, "of the calendar item these are not carried: %s", names.at);
    if (reading->n_alarms > 0)
        calendar_say(reading->report, "the calendar item's reminder is not carried");
    if (reading->n_items > 1)
        calendar_say(reading->report, "the calendar holds %zu items, the first is carried", reading->n_items);
    if (reading->n_people > CALENDAR_PEOPLE_MAX)
        calendar_say(reading->report, "only %d of %zu attendees are read", CALENDAR_PEOPLE_MAX,
                     reading->n_people);
    if (reading->n_cut > 0)
        calendar_say(reading->report, "%zu lines of the calendar item are too long and were cut or left out",
                     reading->n_cut);
    buf_clear(&names);
}

int
calendar_lines(struct span text, const struct calendar_report *report, struct buf *lines, struct why *why)
{
    struct reading reading = {.report = report, .lines = lines};
    if (text.len > CALENDAR_TEXT_MAX)
        return why_set(why, "5.6.0", "the calendar has more than %d octets", CALENDAR_TEXT_MAX);
    bool fine = text.len > 0 && read_lines(&reading, text);
    buf_clear(&reading.line);
    if (fine && reading.finished && reading.n_items > 0) {
        tell_missed(&reading);
        return 0;
    }
    return why_set(why, "5.6.0", "%s",
                   reading.n_lines >= LINES_MAX ? "the calendar has too many lines"
                   : fine && reading.finished   ? "the calendar holds no event, task or note"
                   : reading.n_lines == 0       ? "this is no calendar"
                                                : "the calendar's components do not end as they begin");
}
