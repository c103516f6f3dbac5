/* queue.c - the queue viewer: list and show
 *
 * What is hostile here: everything in a queue file. What is shown on a terminal has control bytes replaced;
 * only --raw, and --body when it does not go to a terminal, give bytes as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/badmail.h"
#include "commands/listing.h"
#include "commands/message_show.h"

/* ---- list ---- */

static bool
list_message(struct message *message, void *arg)
{
    struct listing *listing = arg;
    return listing_add(listing, message);
}

static void
print_total(const struct command *command, const struct listing *listing, size_t matched)
{
    char now[32];
    if (listing->json)
        return;
    print_time(time_ms() / 1000, now);
    printf("%s%zu messages%s as of %s%s%s\n", colour_on(COLOUR_DIM), matched,
           listing->sort == listing->n_fields && matched >= listing->limit ? " or more" : "", now,
           command_offline(command), colour_on(COLOUR_NONE));
}

int
message_list(struct command *command, enum folder only, const char *columns)
{
    struct filter filter;
    struct listing listing;
    struct spool_map map;
    int r = message_filter(command, 0, &filter);
    if (r == 0)
        r = listing_init(&listing, command, message_fields, message_field_count, columns, message_get);
    if (r == 0)
        r = spool_map_open(&map, command);
    if (r != 0)
        return r;
    size_t matched = spool_walk(&map, only, &filter, listing_cost(&listing), list_message, &listing);
    listing_end(&listing);
    print_total(command, &listing, matched);
    spool_map_close(&map);
    return matched > 0 ? EXIT_DONE : EXIT_NOTHING;
}

int
queue_list(struct command *command)
{
    return message_list(command, FOLDER_COUNT, "id,state,connector,age,size,sender,rcpt,reason");
}

/* ---- show ---- */

struct show {
    struct command *command;
    size_t shown;
    bool failed;
};

static void
show_title(const struct show *show, const struct message *message, const char *what)
{
    (void)message;
    if (show->shown > 0)
        printf("\n");
    printf("%s%s%s\n", colour_on(COLOUR_BOLD), what, colour_on(COLOUR_NONE));
}

/* The parts that were asked for, in the order of the file. */
static void
show_parts(struct show *show, struct message *message, bool titles)
{
    static const struct {
        enum option option;
        const char *title;
        int (*print)(struct message *message);
    } parts[] = {
        {OPTION_ENVELOPE, "Envelope", message_print_envelope},
        {OPTION_REPORT, "Report", message_print_report},
        {OPTION_LOG, "Log", message_print_log},
        {OPTION_HEADER, "Header", message_print_header},
        {OPTION_BODY, "Body", message_print_body},
        {OPTION_RAW, "File", message_print_raw},
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!command_has(show->command, parts[i].option))
            continue;
        if (titles)
            show_title(show, message, parts[i].title);
        int r = parts[i].print(message);
        if (r < 0) {
            command_fail(EXIT_NOTHING, "%s: %s", message->parts.stem,
                         message->why.text[0] != '\0' ? message->why.text : strerror(-r));
            show->failed = true;
        }
        show->shown++;
    }
}

static size_t
parts_asked(struct command *command)
{
    static const enum option options[] = {OPTION_ENVELOPE, OPTION_REPORT, OPTION_LOG,
                                          OPTION_HEADER,   OPTION_BODY,   OPTION_RAW};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(options); i++)
        n += command_has(command, options[i]);
    return n;
}

static bool
show_message(struct message *message, void *arg)
{
    struct show *show = arg;
    size_t asked = parts_asked(show->command);
    int fd = openat(message->place->fd, message->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        command_deny(errno, message->place->path, message->name);
    if (fd < 0)
        return true;
    message->file.fd = fd;
    if (command_has(show->command, OPTION_JSON)) {
        message_print_json(message);
        show->shown++;
    } else if (asked == 0) {
        message_print_summary(message, show->command);
        show->shown++;
    } else {
        show_parts(show, message, asked > 1);
    }
    message->file.fd = -1;
    close(fd);
    return true;
}

int
queue_show(struct command *command)
{
    struct filter filter;
    struct spool_map map;
    struct show show = {.command = command};
    if (command->n_operands == 0)
        return command_usage(command, "which message? say its queue id");
    int r = message_filter(command, 0, &filter);
    if (r == 0 && filter_is_empty(&filter))
        r = command_usage(command, "which message? say its queue id");
    if (r == 0)
        r = spool_map_open(&map, command);
    if (r != 0)
        return r;
    enum folder only = strcmp(command->verb->noun, "badmail") == 0 ? FOLDER_BADMAIL : FOLDER_COUNT;
    spool_walk(&map, only, &filter, COST_FILE, show_message, &show);
    spool_map_close(&map);
    if (show.shown == 0 && command_was_denied())
        return EXIT_PERMISSION;
    if (show.shown == 0)
        return command_fail(EXIT_NOTHING,
                            "no such message in the spool; `viaduct track %s` may tell what became of it",
                            command->operands[0]);
    return show.failed ? EXIT_NOTHING : EXIT_DONE;
}
