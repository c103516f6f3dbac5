/* message_report.c - what conversions lost of a message or changed, as the journal keeps it (see message_show.h)
 *
 * Each converter leaves an entry "converted" with a line for each loss. Of one converter the last entry counts: its message was
 * converted anew since the others, and an empty text says that nothing is lost now.
 *
 * What is hostile here: the lines, which quote names of files and the like from the message.
 */
#include "commands/message_show.h"

#include <stdio.h>

#include "commands/listing.h"

enum { CONVERTERS_MAX = 8 };

struct reports {
    struct arena *arena;
    struct report {
        struct span by, lines;
        int64_t time_ms;
    } at[CONVERTERS_MAX];
    size_t n;
};

bool
message_is_conversion(const struct journal_entry *entry)
{
    return entry->kind == JOURNAL_TRACE && span_equal(entry->verdict, SPAN("converted"));
}

static void
note_report(const struct journal_entry *entry, void *arg)
{
    struct reports *reports = arg;
    size_t i = 0;
    if (!message_is_conversion(entry))
        return;
    while (i < reports->n && !span_equal(reports->at[i].by, entry->by))
        i++;
    if (i == CONVERTERS_MAX)
        return;
    reports->n += i == reports->n;
    reports->at[i] = (struct report){arena_span(reports->arena, entry->by),
                                     arena_span(reports->arena, entry->text), entry->time_ms};
}

static int
find_reports(struct message *message, struct reports *reports)
{
    *reports = (struct reports){.arena = message->arena};
    return queue_file_history(&message->file, message->arena, note_report, reports, &message->why);
}

/* Takes the first line off; false where there is none. */
static bool
take_line(struct span *lines, struct span *line)
{
    if (lines->len == 0)
        return false;
    const char *end = memchr(lines->at, '\n', lines->len);
    *line = (struct span){lines->at, end != NULL ? (size_t)(end - lines->at) : lines->len};
    size_t used = line->len + (end != NULL);
    *lines = (struct span){lines->at + used, lines->len - used};
    return true;
}

int
message_print_conversion(struct message *message)
{
    struct reports reports;
    struct span line;
    char when[40];
    int r = find_reports(message, &reports);
    for (size_t i = 0; r == 0 && i < reports.n; i++) {
        struct span lines = reports.at[i].lines;
        struct buf out = {0};
        if (lines.len == 0)
            continue;
        print_time_ms(reports.at[i].time_ms, when);
        text_add_clean(&out, reports.at[i].by);
        printf("%-18s by %s, %s; lost or changed:\n", "converted", out.at != NULL ? out.at : "?", when);
        while (take_line(&lines, &line)) {
            buf_reset(&out);
            text_add_clean(&out, line);
            printf("  %s\n", out.at != NULL ? out.at : "");
        }
        buf_clear(&out);
    }
    return r;
}

void
message_add_conversion(struct message *message, struct json *json)
{
    struct reports reports;
    json_begin_array(json, "conversions");
    if (find_reports(message, &reports) < 0)
        reports.n = 0;
    for (size_t i = 0; i < reports.n; i++) {
        struct span lines = reports.at[i].lines, line;
        json_begin_object(json, NULL);
        json_add_span(json, "by", reports.at[i].by);
        json_add_time(json, "time", reports.at[i].time_ms);
        json_begin_array(json, "lost");
        while (take_line(&lines, &line))
            json_add_span(json, NULL, line);
        json_end_array(json);
        json_end_object(json);
    }
    json_end_array(json);
}
