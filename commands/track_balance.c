/* track_balance.c - the books: what was taken over, what became of it, and whether the rest is really there
 *
 * The tracking logs tell how many recipients must still be on their way, and how many in Badmail; the spool is
 * counted against both. A recipient counts who is not settled in his message's file. Report requests hold
 * nobody who is not settled or in another file, and a split's parent, once its parts are committed, nobody but
 * them.
 *
 * While the daemons work a message may be counted twice or missed, and a record stands before its move is made:
 * only at rest must the difference be 0. Where tracking logs have expired (track.keep) that their messages
 * outlived, it is not 0 either.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/spool_walk.h"
#include "commands/track_balance.h"
#include "common/json_out.h"
#include "common/track_read.h"

struct found {
    int64_t on_their_way, badmail, damaged;
};

static bool
count_message(struct message *message, void *arg)
{
    struct found *found = arg;
    const struct envelope *envelope = &message->file.envelope;
    bool bad = message->place->folder == FOLDER_BADMAIL;
    if (!folder_has_envelopes(message->place->folder) || message->parts.is_request)
        return true;
    if (message->damaged) {
        found->damaged++;
        return true;
    }
    for (size_t i = 0; i < envelope->n_recipients && envelope->committed == 0; i++)
        if (!envelope->recipients[i].listed && !recipient_is_settled(envelope->recipients[i].state))
            ++*(bad ? &found->badmail : &found->on_their_way);
    return true;
}

static int
count_spool(const struct command *command, struct found *found)
{
    struct filter filter;
    struct spool_map map;
    int r = message_filter(command, 0, &filter);
    if (r == 0)
        r = spool_map_open(&map, command);
    if (r != 0)
        return r;
    spool_walk(&map, FOLDER_COUNT, &filter, COST_FILE, count_message, found);
    spool_map_close(&map);
    return 0;
}

/* What is damaged cannot be read: it may be anybody. */
static int64_t
beyond(int64_t difference, int64_t damaged)
{
    int64_t size = difference < 0 ? -difference : difference;
    return size > damaged ? difference : 0;
}

static void
print_number(struct json *json, bool as_json, const char *key, const char *meaning, int64_t number)
{
    if (as_json)
        json_add_number(json, key, number);
    else
        printf("%12" PRId64 "  %s\n", number, meaning);
}

int
track_balance_print(const struct command *command, int track_folder_fd)
{
    struct track_balance books;
    struct found found = {0};
    struct buf out = {0};
    struct json json;
    bool as_json = command_has(command, OPTION_JSON);
    int r = track_balance(track_folder_fd, &(struct track_range){.since_ms = 0}, &books);
    if (r < 0)
        return command_fail_errno(-r, "the tracking log");
    r = count_spool(command, &found);
    if (r != 0)
        return r;
    int64_t difference = beyond(books.in_spool - found.on_their_way, found.damaged),
            bad = beyond(books.badmail - found.badmail, found.damaged);
    const struct {
        const char *key, *meaning;
        int64_t number;
    } rows[] = {
        {"accepted", "recipients of messages taken over", books.accepted},
        {"reports", "reports made", books.reports},
        {"imported", "imported", books.imported},
        {"delivered", "taken by another system", books.delivered},
        {"failed", "failed, and reported where somebody could be told", books.failed},
        {"badmail", "in Badmail, by the tracking log", books.badmail},
        {"deleted", "deleted by a person", books.deleted},
        {"exported", "exported", books.exported},
        {"in-spool", "still on their way, by the tracking log", books.in_spool},
        {"found", "found on their way", found.on_their_way},
        {"found-badmail", "found in Badmail", found.badmail},
        {"damaged", "damaged files, whose recipients are not known", found.damaged},
        {"difference", "difference on the way", difference},
        {"difference-badmail", "difference in Badmail", bad},
    };
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        print_number(&json, as_json, rows[i].key, rows[i].meaning, rows[i].number);
    json_end_object(&json);
    if (as_json)
        puts(out.at);
    buf_clear(&out);
    return difference == 0 && bad == 0 ? EXIT_DONE : EXIT_NOTHING;
}
