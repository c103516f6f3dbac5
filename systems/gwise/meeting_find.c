/* meeting_find.c - the calendar that a message on its way to GroupWise has (see convert_out.h)
 *
 * The first part that is a calendar, and says something that an item of GroupWise's or words can say, is what the message is
 * about; the same once more is left out, since many programs send it as an alternative and as a file. All others stay files.
 */
#include <stdlib.h>

#include "systems/gwise/choices.h"
#include "systems/gwise/convert_out.h"
#include "systems/mime/charset.h"
#include "systems/mime/mime_header.h"

enum { LOOKED_AT_MAX = 8 };

static bool
is_calendar(const struct mime_part *part)
{
    size_t len = part->name != NULL ? strlen(part->name) : 0;
    return !part->multipart && !part->raw &&
           (strcmp(part->type, "text/calendar") == 0 || strcmp(part->type, "application/ics") == 0 ||
            (len > 4 && strcmp(part->type, "application/octet-stream") == 0 &&
             span_equal_nocase(span_of(part->name + len - 4), SPAN(".ics"))));
}

static bool
take_octets(void *arg, struct span bytes)
{
    struct buf *text = arg;
    buf_add_span(text, bytes);
    return text->len <= CALENDAR_TEXT_MAX;
}

/* The parameter of the media type, where the calendar itself names no method. */
static enum calendar_method
method_of_part(struct out_item *item, const struct mime_part *part)
{
    struct buf header = {0}, word = {0};
    struct span body = {"", 0};
    size_t len = (size_t)(part->start - part->header_start);
    if (len > MIME_PART_HEADER_MAX)
        len = MIME_PART_HEADER_MAX;
    buf_reserve(&header, len + 1);
    ssize_t got = item->in->read(item->in->arg, part->header_start, header.at, len);
    header.len = got > 0 ? (size_t)got : 0;
    if (mime_field(buf_span(&header), "Content-Type", &body))
        mime_parameter(body, "method", &word);
    enum calendar_method method = calendar_method_of(buf_span(&word));
    buf_clear(&header);
    buf_clear(&word);
    return method;
}

static void
add_report(void *arg, const char *line)
{
    gwise_report(((struct out_item *)arg)->out, "%s", line);
}

static bool
read_part(struct out_item *item, size_t index, struct arena *arena, struct calendar_item *found)
{
    const struct mime_part *part = &item->tree.parts[index];
    struct buf octets = {0}, text = {0};
    struct why why = {"", ""};
    out_decode_part(item, part, take_octets, &octets);
    charset_decode(part->charset[0] != '\0' ? span_of(part->charset) : SPAN("utf-8"), buf_span(&octets), &text);
    bool fine = calendar_read(buf_span(&text), item->site, arena, add_report, item, found, &why) == 0;
    if (!fine)
        gwise_report(item->out, "a calendar is sent as a file: %s", why.text);
    if (fine && found->method == CALENDAR_NO_METHOD)
        found->method = method_of_part(item, part);
    buf_clear(&octets);
    buf_clear(&text);
    return fine;
}

/* Whether it says something that an item or words can say. */
static bool
says_something(const struct calendar_item *item)
{
    if (item->component == CALENDAR_NOTE)
        return item->method == CALENDAR_PUBLISH || item->method == CALENDAR_REQUEST;
    bool timed = item->begin.form != CALENDAR_UNSET || item->component == CALENDAR_TASK;
    return item->method != CALENDAR_NO_METHOD && item->method != CALENDAR_PUBLISH &&
           (timed || item->method != CALENDAR_REQUEST);
}

static const char *
type_of(const struct calendar_item *item)
{
    if (item->method == CALENDAR_REQUEST && item->component == CALENDAR_EVENT)
        return gwise_words.type_appointment;
    if (item->method == CALENDAR_REQUEST && item->component == CALENDAR_TASK)
        return gwise_words.type_task;
    return item->component == CALENDAR_NOTE ? gwise_words.type_note : gwise_words.type_mail;
}

static bool
is_same(const struct calendar_item *a, const struct calendar_item *b)
{
    return a->method == b->method && span_equal(a->uid, b->uid) && a->one_of.time_s == b->one_of.time_s;
}

void
out_meeting_find(struct out_item *item)
{
    struct arena *arena = arena_new(CALENDAR_ARENA_MAX);
    size_t looked_at = 0;
    for (size_t i = 0; i < item->tree.n && looked_at < LOOKED_AT_MAX && item->read_error == 0; i++) {
        struct calendar_item found;
        if (!item->parts[i].file || !is_calendar(&item->tree.parts[i]))
            continue;
        looked_at++;
        if (item->meeting == NULL)
            arena_reset(arena);
        if (!read_part(item, i, arena, &found) || !says_something(&found))
            continue;
        if (item->meeting == NULL) {
            item->meeting = xcalloc(1, sizeof *item->meeting);
            *item->meeting = (struct out_meeting){.arena = arena, .item = found, .type = type_of(&found)};
            item->parts[i].file = false;
        } else if (is_same(&item->meeting->item, &found)) {
            item->parts[i].file = false;
        }
    }
    if (item->meeting == NULL)
        arena_free(arena);
}

void
out_meeting_free(struct out_item *item)
{
    if (item->meeting != NULL)
        arena_free(item->meeting->arena);
    free(item->meeting);
}
