/* badmail.c - what no rule could handle: list, requeue, delete (`show` is that of the queue)
 *
 * Requeue sends a message again from the start of the road: a *requeued* entry in its journal makes attempts
 * and loops count from zero, settled recipients stay settled; it goes to its origin's MTS-IN. An item that was
 * never converted (no queue file) goes back to ReadyIn. The note beside it is removed when it has gone.
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

/* The mailbox it came from; the one whose Badmail it lies in where that is none (a report, a connector that
 * went). */
static int
decide_requeue(struct act_item *item, struct act_goal *goal)
{
    char origin[CONNECTOR_NAME_MAX + 1] = "";
    struct span from = item->readable ? item->file.envelope.origin : SPAN("");
    snprintf(goal->name, sizeof goal->name, "%s", item->parts.stem);
    if (!item->readable) {
        goal->verdict = VERDICT_FETCH;
        goal->to = find_goal(item, VERDICT_FETCH, item->place->connector);
        struct stat st;
        char magic[4] = "";
        /* A queue file that is damaged would only come back: it is no container of a foreign system. */
        if (pread(item->fd, magic, sizeof magic, 0) == 4 && memcmp(magic, "VIAD", 4) == 0)
            return -EBADMSG;
        if (goal->to == NULL || fstat(item->fd, &st) < 0)
            return why_set(&item->why, "", "there is no ReadyIn for %s: it cannot be sent again",
                           item->place->connector);
        return 0;
    }
    if (from.len <= CONNECTOR_NAME_MAX)
        snprintf(origin, sizeof origin, "%.*s", (int)from.len, from.at);
    goal->verdict = VERDICT_REQUEUE;
    goal->kind = JOURNAL_REQUEUED;
    goal->tracks = true;
    goal->track = TRACK_REQUEUE;
    goal->to = find_goal(item, VERDICT_REQUEUE, origin);
    if (goal->to == NULL)
        goal->to = find_goal(item, VERDICT_REQUEUE, item->place->connector);
    if (goal->to == NULL)
        return why_set(&item->why, "", "neither %s nor %s has a mailbox", origin, item->place->connector);
    return 0;
}

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
                      .after = remove_note,
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
                      .after = remove_note,
                      .only = FOLDER_BADMAIL,
                      .asks = true};
    return act_run(&act, command);
}
