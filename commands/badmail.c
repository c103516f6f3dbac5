/* badmail.c - what no rule could handle: list, requeue, delete (`show` is that of the queue)
 *
 * Requeue sends a message again from the start of the road: a *requeued* entry in its journal makes attempts
 * and loops count from zero, and recipients that failed without a report are tried again; others stay settled.
 *
 *     Badmail --requeue--> its origin's MTS-IN     reports of our own: the host's
 *             --fetch----> its origin's ReadyIn    an item that was never converted
 *             --fail-----> Bounce                  what the bouncer put aside while its sender had too many reports
 *
 * The note beside it goes first.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/act.h"
#include "commands/badmail.h"
#include "commands/message_show.h"

int
badmail_list(struct command *command)
{
    return message_list(command, FOLDER_BADMAIL, "id,connector,age,stage,code,signature,reason");
}

static const struct place *
find_goal(struct act_item *item, enum verdict verdict, const char *connector)
{
    const struct move_row *move = flow_find(WORKER_COMMAND, FOLDER_BADMAIL, verdict);
    BUG_UNLESS(move != NULL);
    return spool_map_find(&item->act->map, move->to, connector);
}

/* The folder that a verdict leads to, of the connector it came from; of the one whose Badmail it lies in where
 * that one went. 0, or -EINVAL saying so. */
static int
go_back(struct act_item *item, struct act_goal *goal, enum verdict verdict, struct span from)
{
    char origin[CONNECTOR_NAME_MAX + 1] = "";
    if (from.len <= CONNECTOR_NAME_MAX)
        snprintf(origin, sizeof origin, "%.*s", (int)from.len, from.at);
    goal->verdict = verdict;
    goal->to = find_goal(item, verdict, origin);
    if (goal->to == NULL)
        goal->to = find_goal(item, verdict, item->place->connector);
    if (goal->to == NULL)
        return why_set(&item->why, "", "neither \"%s\" nor \"%s\" has the folder it would be sent again from",
                       origin, item->place->connector);
    return 0;
}

/* An item that was claimed and not converted: it goes to the converter again. Nobody knows its recipients yet. */
static bool
is_item(const struct envelope *envelope)
{
    return span_equal(envelope->class, SPAN("ITEM")) && envelope->n_recipients == 0;
}

/* What the bouncer put aside with somebody to tell (its sender had too many reports): all recipients are
 * settled, and the report is still owed. What has no sender is not among it: the bouncer could only put it
 * aside again. */
static bool
owes_report(struct act_item *item)
{
    const struct envelope *envelope = &item->file.envelope;
    struct message message = {
        .place = item->place, .name = item->name, .parts = item->parts, .arena = item->arena};
    bool owed = false;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        if (recipient->state == RECIPIENT_PENDING && !recipient->listed)
            return false;
        owed |= recipient->state == RECIPIENT_FAILED || recipient->state == RECIPIENT_RELAYED ||
                recipient->state == RECIPIENT_DELAYED;
    }
    if (!owed || envelope_is_report(envelope))
        return false;
    badmail_explain(&message);
    return span_equal(message.stage, span_of(worker_table[WORKER_BOUNCER].program));
}

/* A queue file that is damaged would only come back: it is no container of a foreign system. */
static int
requeue_unreadable(struct act_item *item, struct act_goal *goal)
{
    char magic[4] = "";
    if (pread(item->fd, magic, sizeof magic, 0) == 4 && memcmp(magic, "VIAD", 4) == 0)
        return -EBADMSG;
    return go_back(item, goal, VERDICT_FETCH, span_of(item->place->connector));
}

static int
decide_requeue(struct act_item *item, struct act_goal *goal)
{
    const struct envelope *envelope = &item->file.envelope;
    snprintf(goal->name, sizeof goal->name, "%s", item->parts.stem);
    goal->tracks = true;
    goal->track = TRACK_REQUEUE;
    if (!item->readable)
        return requeue_unreadable(item, goal);
    if (is_item(envelope))
        return go_back(item, goal, VERDICT_FETCH, envelope->origin);
    if (owes_report(item)) {
        goal->tracks = false; /* nobody is on the way again */
        return go_back(item, goal, VERDICT_FAIL, SPAN(""));
    }
    goal->kind = JOURNAL_REQUEUED;
    return go_back(item, goal, VERDICT_REQUEUE,
                   span_equal(envelope->origin, SPAN("report")) ? SPAN("host") : envelope->origin);
}

/* Before the move: behind it a worker may already have put it aside again, with a new note of that name. Where
 * the move fails, the journal still tells why it is here. */
static void
remove_note(struct act_item *item)
{
    char name[QUEUE_NAME_MAX + 8];
    badmail_note_name(item->parts.stem, name);
    int r = spool_remove(item->place->fd, name);
    if (r < 0 && r != -ENOENT)
        command_fail(EXIT_NOTHING, "%s/%s stays: %s", item->place->path, name, strerror(-r));
}

int
badmail_requeue(struct command *command)
{
    struct act act = {.verb = "requeue",
                      .done = "sent again",
                      .decide = decide_requeue,
                      .clear = remove_note,
                      .only = FOLDER_BADMAIL};
    return act_run(&act, command);
}

/* Badmail has settled its recipients for the books; readers of the tracking log know that a DELETE after it is
 * the end of the story and no second loss. */
static int
decide_delete_bad(struct act_item *item, struct act_goal *goal)
{
    (void)item;
    goal->verdict = VERDICT_DONE;
    goal->tracks = true;
    goal->track = TRACK_DELETE;
    BUG_UNLESS(flow_find(WORKER_COMMAND, FOLDER_BADMAIL, VERDICT_DONE) != NULL);
    return 0;
}

int
badmail_delete(struct command *command)
{
    struct act act = {.verb = "delete",
                      .done = "deleted",
                      .decide = decide_delete_bad,
                      .clear = remove_note,
                      .only = FOLDER_BADMAIL,
                      .asks = true};
    return act_run(&act, command);
}
