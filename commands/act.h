/* act.h - what an operator does to messages: a snapshot of names, then one declared move for each
 *
 * Every action is a move that flow.def declares for the worker `command`; where none is declared for a folder,
 * the message is refused with the reason. For each message of the snapshot: open it (as its folder's owner,
 * never following a link), take its lock, check that the name still has that inode, append what is to be
 * remembered to its journal, write the tracking records, move it. What has gone meanwhile is counted; what a
 * worker has in hand is left alone and counted too.
 */
#ifndef VIADUCT_ACT_H
#define VIADUCT_ACT_H

#include "commands/spool_walk.h"
#include "common/log.h"

/* One message locked and checked, on its way. */
struct act_item {
    struct act *act;
    const struct place *place;
    const char *name;
    struct queue_name parts;
    int fd;
    struct queue_file file; /* when `readable` */
    bool readable;
    struct arena *arena;
    struct why why;
};

/* Where a message goes; filled by the verb for each message. */
struct act_goal {
    enum verdict verdict;
    const struct place *to;    /* NULL: the move declared for the verdict leads out of the spool (GONE) */
    char name[QUEUE_NAME_MAX]; /* there */
    bool nothing;              /* it is so already: counts as done */
    bool mark_failed;          /* recipients still pending become failed with the reason */
    enum journal_kind kind;    /* JOURNAL_TRACE, JOURNAL_REQUEUED */
    bool tracks;
    enum track_event track; /* a record for each recipient that is still pending, or becomes it again */
    bool needs_envelope;    /* a damaged file is refused */
};

/* Decides for one message: 0, or -EINVAL with item->why where it cannot be. */
typedef int act_decide(struct act_item *item, struct act_goal *goal);

struct act {
    struct command *command;
    struct spool_map map;
    const char *verb;   /* "hold" */
    const char *done;   /* "held" */
    const char *reason; /* the operator's, never NULL */
    const char *apart;  /* what is told of those that `concerns` passes over */
    act_decide *decide;
    int (*copy)(struct act_item *item);   /* before anything is remembered; may be NULL */
    void (*clear)(struct act_item *item); /* the last step before the move; may be NULL */
    void *arg;
    enum folder only; /* FOLDER_COUNT: anywhere */
    bool stays;       /* the copy is all: nothing is remembered and nothing moved */
    bool asks;        /* must be confirmed */
    bool skips_held;  /* what is held already is no failure */
    bool (*concerns)(const struct act *act, const struct place *place); /* NULL: every folder's messages */
    size_t first;                                                       /* operand at which the filter begins */
    /* counts */
    size_t matched, n_done, n_gone, n_busy, n_refused, n_badmail, n_apart;
    bool no_permission; /* some were refused for that */
};

/* Does all of it: filter, snapshot, confirmation, moves, counts. Returns the exit code. */
int act_run(struct act *act, struct command *command);

/* The place of a folder in the tree, Hold's sub-folders made when missing. NULL with why. */
const struct place *act_hold_place(struct act *act, const struct place *from, struct why *why);

/* Starts the tracking log, for those who do not use act_run(). */
void act_start_logs(const struct act *act);

/* A tracking record for each recipient of the item's envelope that is pending. */
void act_track(const struct act_item *item, const struct act_goal *goal);

/* Prints the counts and returns the exit code: for those who do not use act_run(). */
int act_report(const struct act *act);

#endif
