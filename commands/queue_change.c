/* queue_change.c - retry, hold, release, bounce, delete, reroute, reconvert: what becomes of each message (see act.h) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/act.h"
#include "systems/registry.h"

/* The declared move of the operator's command, or -EINVAL saying what can be done instead. */
static int
find_move(struct act_item *item, enum verdict verdict, const struct move_row **move)
{
    *move = flow_find(WORKER_COMMAND, item->place->folder, verdict);
    if (*move != NULL)
        return 0;
    return why_set(&item->why, "", "messages in %s cannot be %s%s", folder_name(item->place->folder),
                   item->act->done, item->place->folder == FOLDER_HOLD ? "; release them first" : "");
}

static int
go_to(struct act_item *item, struct act_goal *goal, enum verdict verdict, const char *connector,
      const char *name)
{
    const struct move_row *move;
    if (find_move(item, verdict, &move) < 0)
        return -EINVAL;
    goal->verdict = verdict;
    snprintf(goal->name, sizeof goal->name, "%s", name);
    if (move->to == FOLDER_GONE)
        return 0;
    goal->to = spool_map_find(&item->act->map, move->to, connector);
    if (goal->to == NULL)
        return why_set(&item->why, "",
                       "the folder %s of %s is missing; `viaduct spool check --repair` makes it",
                       folder_name(move->to), connector);
    return 0;
}

/* ---- retry ---- */

static int
decide_retry(struct act_item *item, struct act_goal *goal)
{
    char name[QUEUE_NAME_MAX];
    goal->nothing = item->parts.has_time && item->parts.time_s == 0;
    queue_name_at(item->parts.stem, 0, name);
    return go_to(item, goal, VERDICT_RETRY, item->place->connector, name);
}

int
queue_retry(struct command *command)
{
    struct act act = {.verb = "retry", .done = "made due", .decide = decide_retry, .only = FOLDER_DEFERRED};
    return act_run(&act, command);
}

/* ---- hold and release ---- */

struct hold {
    int64_t until_s;
};

static int
decide_hold(struct act_item *item, struct act_goal *goal)
{
    const struct hold *hold = item->act->arg;
    const struct move_row *move;
    if (find_move(item, VERDICT_HOLD, &move) < 0)
        return -EINVAL;
    goal->verdict = VERDICT_HOLD;
    queue_name_at(item->parts.stem, hold->until_s, goal->name);
    goal->to = act_hold_place(item->act, item->place, &item->why);
    return goal->to != NULL ? 0 : -EIO;
}

int
queue_hold(struct command *command)
{
    struct hold hold = {0};
    const char *until = command->values[OPTION_UNTIL];
    if (until != NULL && strcmp(until, "never") != 0 &&
        (!parse_when(until, false, &hold.until_s) || hold.until_s <= time_ms() / 1000))
        return command_usage(command, "--until wants a time to come, like 2h or 2026-11-25T07:00:00Z");
    struct act act = {.verb = "hold",
                      .done = "held",
                      .decide = decide_hold,
                      .only = FOLDER_COUNT,
                      .arg = &hold,
                      .skips_held = true};
    return act_run(&act, command);
}

/* Back to where it came from; what was deferred is due now. */
static int
decide_release(struct act_item *item, struct act_goal *goal)
{
    enum folder folder = item->place->held_from;
    if (flow_find(WORKER_COMMAND, folder, VERDICT_HOLD) == NULL)
        return why_set(&item->why, "", "nothing is held from %s", item->place->path);
    goal->verdict = VERDICT_RELEASE;
    goal->to = spool_map_find(&item->act->map, folder, item->place->connector);
    if (goal->to == NULL)
        return why_set(&item->why, "", "its folder %s is missing; `viaduct spool check --repair` makes it",
                       folder_name(folder));
    if (folder == FOLDER_DEFERRED)
        queue_name_at(item->parts.stem, 0, goal->name);
    else
        snprintf(goal->name, sizeof goal->name, "%s", item->parts.stem);
    return 0;
}

int
queue_release(struct command *command)
{
    struct act act = {.verb = "release", .done = "released", .decide = decide_release, .only = FOLDER_HOLD};
    return act_run(&act, command);
}

/* ---- bounce and delete ---- */

static int
decide_bounce(struct act_item *item, struct act_goal *goal)
{
    goal->mark_failed = goal->needs_envelope = goal->tracks = true;
    goal->track = TRACK_FAIL;
    return go_to(item, goal, VERDICT_FAIL, item->place->connector, item->parts.stem);
}

int
queue_bounce(struct command *command)
{
    struct act act = {.verb = "bounce",
                      .done = "returned to their senders",
                      .decide = decide_bounce,
                      .only = FOLDER_COUNT,
                      .asks = true};
    return act_run(&act, command);
}

static int
decide_delete(struct act_item *item, struct act_goal *goal)
{
    goal->tracks = true;
    goal->track = TRACK_DELETE;
    return go_to(item, goal, VERDICT_DONE, item->place->connector, item->parts.stem);
}

int
queue_delete(struct command *command)
{
    struct act act = {
        .verb = "delete", .done = "deleted", .decide = decide_delete, .only = FOLDER_COUNT, .asks = true};
    return act_run(&act, command);
}

/* ---- reroute ---- */

static int
decide_reroute(struct act_item *item, struct act_goal *goal)
{
    const char *connector = item->act->arg;
    if (strcmp(item->place->connector, connector) == 0)
        return why_set(&item->why, "", "it is %s's already", connector);
    goal->tracks = true;
    goal->track = TRACK_REDIRECT;
    return go_to(item, goal, VERDICT_REROUTE, connector, item->parts.stem);
}

int
queue_reroute(struct command *command)
{
    const char *to = command->values[OPTION_TO];
    if (to == NULL)
        return command_usage(command, "say with --to which connector gets them");
    bool known =
        strcmp(to, "host") == 0 || command->root == NULL || conf_connector_find(command->root, to) != NULL;
    if (!known)
        return command_fail(EXIT_USAGE, "there is no connector \"%s\"; `viaduct connector list` shows them",
                            to);
    char arg[CONNECTOR_NAME_MAX + 1];
    snprintf(arg, sizeof arg, "%.40s", to);
    struct act act = {
        .verb = "reroute", .done = "rerouted", .decide = decide_reroute, .only = FOLDER_COUNT, .arg = arg};
    return act_run(&act, command);
}

/* ---- reconvert ---- */

/* What lies in ReadyOut has an item; what is deferred is converted before its next attempt where the connector's system wants
 * every message converted. Modules from outside are not asked: to load one would run its code as the operator. */
static bool
is_converted(const struct act *act, const struct place *place)
{
    const struct conf_root *root = act->command->root;
    if (flow_find(WORKER_COMMAND, place->folder, VERDICT_RECONVERT) == NULL)
        return false;
    if (place->folder == FOLDER_READY_OUT)
        return true;
    const struct conf_connector *connector = root != NULL ? conf_connector_find(root, place->connector) : NULL;
    const struct viaduct_system *system =
        connector != NULL ? registry_builtin_for(root, connector, false) : NULL;
    return system != NULL && system->always_convert;
}

/* The original has been there all the time; only its item goes (act.c). */
static int
decide_reconvert(struct act_item *item, struct act_goal *goal)
{
    return go_to(item, goal, VERDICT_RECONVERT, item->place->connector, item->parts.stem);
}

int
queue_reconvert(struct command *command)
{
    struct act act = {.verb = "reconvert",
                      .done = "sent back to be converted",
                      .decide = decide_reconvert,
                      .only = FOLDER_COUNT,
                      .concerns = is_converted,
                      .apart = "wait in no folder that holds converted ones"};
    return act_run(&act, command);
}
