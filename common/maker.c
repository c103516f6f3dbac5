/* maker.c - new queue files: written in Temp, made durable, moved to where flow.def says (see worker.h)
 *
 *     new --> add... --> commit: finish, record, fsync, remove the source, move --> done
 *                  \--> drop
 *
 * A file in Temp that is complete is accepted mail (recovery moves it on); one that is not complete is nothing.
 * So the tracking record is written when the file is complete and before it is moved, and a failed fsync
 * removes the file: it is never synced again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/planted.h"
#include "common/worker_inside.h"

struct maker {
    struct service *service;
    struct envelope *envelope;
    struct queue_writer *writer;
    struct buf journal;
    char stem[QUEUE_NAME_MAX];
    void (*done)(void *arg, int result);
    void *arg;
    bool source_removed, tracked;
    uint64_t bytes;
    struct maker *next; /* in the list of stuck ones */
    struct commit commit;
};

struct maker *
maker_new(struct service *service, const char *stem, struct envelope *envelope, size_t reserve, struct why *why)
{
    struct queue_writer *writer = queue_writer_new(service->temp_fd, stem, reserve, why);
    if (writer == NULL)
        return NULL;
    struct maker *maker = xmalloc(sizeof *maker);
    maker->service = service;
    maker->envelope = envelope;
    maker->writer = writer;
    maker->journal = (struct buf){0};
    maker->source_removed = false;
    maker->next = NULL;
    snprintf(maker->stem, sizeof maker->stem, "%s", stem);
    return maker;
}

int
maker_add(struct maker *maker, const void *bytes, size_t len)
{
    return queue_writer_add(maker->writer, bytes, len);
}

uint64_t
maker_bytes(const struct maker *maker)
{
    return queue_writer_bytes(maker->writer);
}

void
maker_journal(struct maker *maker, const struct journal_entry *entry)
{
    journal_print(entry, &maker->journal);
}

static void
maker_free(struct maker *maker)
{
    queue_writer_drop(maker->writer);
    buf_clear(&maker->journal);
    free(maker);
}

void
maker_drop(struct maker *maker)
{
    if (maker != NULL)
        maker_free(maker);
}

void
track_made(const struct service *service, const char *stem, const struct envelope *envelope, uint64_t bytes,
           enum track_event event)
{
    struct track_record record = {.event = event,
                                  .id = stem,
                                  .connector = service->connector_name,
                                  .sender = envelope->originator.value,
                                  .msgid = envelope->msgid,
                                  .subject = envelope->subject,
                                  .parent = envelope->parent,
                                  .remote = envelope->client,
                                  .bytes = bytes,
                                  .n_rcpts = envelope->n_recipients};
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        if (envelope->recipients[i].listed)
            continue;
        record.rcpt = envelope->recipients[i].address.value;
        track_add(&record);
    }
}

static void
track_recipients(const struct maker *maker, enum track_event event)
{
    track_made(maker->service, maker->stem, maker->envelope, maker->bytes, event);
}

/* A file that is nothing after all. Where it cannot even be removed it is emptied: complete in Temp, recovery would take it
 * for accepted mail. */
static void
unmake(const struct service *service, const char *stem)
{
    int r = spool_remove(service->temp_fd, stem);
    int fd = r < 0 && r != -ENOENT ? openat(service->temp_fd, stem, O_WRONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd >= 0 && ftruncate(fd, 0) < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, stem,
                "it can be neither removed from Temp nor emptied (%s): the next start will move it on",
                strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* The file could not be made durable or moved. Before its source was removed it is nothing and goes; after that
 * it is the only copy, stays in Temp, and its move is tried again. */
static bool
maker_stuck(struct maker *maker)
{
    struct service *service = maker->service;
    bool untold = maker->commit.failed == maker->commit.n_steps;
    enum commit_op failed = untold ? COMMIT_CLOSE : maker->commit.steps[maker->commit.failed].op;
    bool only_copy = maker->source_removed && failed == COMMIT_MOVE;
    bool withdrawn = failed == COMMIT_REMOVE_FILE && maker->commit.result == -ENOENT;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, maker->stem, "cannot %s: %s%s",
            untold                  ? "write its tracking record"
            : withdrawn             ? "take the dropped file"
            : failed == COMMIT_MOVE ? "move it out of Temp"
            : failed == COMMIT_SYNC ? "make it durable (fsync)"
                                    : "remove what it replaces",
            withdrawn ? "somebody took the file away, or put another in its place"
                      : strerror(-maker->commit.result),
            only_copy ? "; the file stays in Temp and is moved later" : "");
    state_error(service, strerror(-maker->commit.result));
    if (failed == COMMIT_MOVE &&
        maker->commit.result == -ENOENT) /* the folder is gone: looked for anew after a start */
        service->inside->exit_status = 71;
    if (only_copy)
        return true;
    if (maker->tracked) /* the counterpart of the record written before the fsync; the envelope is still the
                           caller's */
        track_recipients(maker, TRACK_REFUSE);
    unmake(service, maker->stem);
    service->inside->state->moves--; /* told of and not made: --once ends where nothing moves any more */
    return false;
}

static void
on_commit(struct commit *commit)
{
    struct maker *maker = commit->arg;
    struct service *service = maker->service;
    void (*done)(void *, int) = maker->done;
    void *arg = maker->arg;
    int result = commit->result;
    if (result < 0 && maker_stuck(maker)) {
        maker->next = service->inside->stuck;
        service->inside->stuck = maker;
        maker->done = NULL;
        result = 0; /* it is accepted */
    } else {
        maker_free(maker);
    }
    if (done != NULL)
        done(arg, result);
}

void
stuck_add(struct service *service, const char *stem, int to_fd)
{
    struct stuck_move *stuck = xcalloc(1, sizeof *stuck);
    snprintf(stuck->stem, sizeof stuck->stem, "%s", stem);
    stuck->to_fd = to_fd;
    stuck->next = service->inside->stuck_moves;
    service->inside->stuck_moves = stuck;
}

static void
retry_stuck_moves(struct service *service)
{
    for (struct stuck_move **at = &service->inside->stuck_moves; *at != NULL;) {
        struct stuck_move *stuck = *at;
        int r = spool_move(service->temp_fd, stuck->stem, stuck->to_fd, stuck->stem);
        if (r < 0 && r != -ENOENT) {
            at = &stuck->next;
            continue;
        }
        *at = stuck->next;
        free(stuck);
    }
}

/* Called by the tick: moves what is complete in Temp and could not be moved before. */
void
makers_retry(struct service *service)
{
    struct maker **at = &service->inside->stuck;
    retry_stuck_moves(service);
    while (*at != NULL) {
        struct maker *maker = *at;
        const struct commit_step *move = &maker->commit.steps[maker->commit.failed];
        if (spool_move(move->fd, move->name, move->to_fd, move->to_name) < 0) {
            at = &maker->next;
            continue;
        }
        *at = maker->next;
        maker_free(maker);
    }
}

static void
finish_failed(struct maker *maker, int result, void (*done)(void *, int), void *arg)
{
    maker_free(maker);
    if (done != NULL)
        done(arg, result);
}

/* Where others may exchange files it is moved into Temp first, as <stem>.gone, and removed there. */
static void
add_removal(struct maker *maker, const struct maker_goal *goal)
{
    char aside[QUEUE_NAME_MAX];
    if (!maker->source_removed)
        return;
    if (goal->source_inode == 0) {
        commit_add_remove(&maker->commit, goal->source_fd, goal->source_name);
        return;
    }
    snprintf(aside, sizeof aside, "%.70s" SPOOL_ASIDE, maker->stem);
    commit_add_remove_file(&maker->commit, goal->source_fd, goal->source_name, goal->source_inode,
                           maker->service->temp_fd, aside);
}

void
maker_commit(struct maker *maker, const struct maker_goal *goal, void (*done)(void *arg, int result), void *arg)
{
    struct service *service = maker->service;
    const struct move_row *move = flow_find(service->worker->id, goal->from, goal->verdict);
    BUG_UNLESS(move != NULL && move->how == HOW_REWRITE);
    const char *connector = goal->connector != NULL ? goal->connector : service->connector_name;
    struct why why;
    if (planted_bug("removeearly") && goal->source_name != NULL)
        spool_remove(goal->source_fd, goal->source_name);
    int to = service_folder(service, move->to, connector);
    int fd = to < 0 ? to : queue_writer_finish(maker->writer, maker->envelope, buf_span(&maker->journal), &why);
    if (fd < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, maker->stem, "%s",
                to < 0 ? "the folder it goes to cannot be opened" : why.text);
        finish_failed(maker, fd, done, arg);
        return;
    }
    if (move->to == FOLDER_BADMAIL)
        badmail_note(service, maker->stem, goal->from, service->connector_name, &goal->why, to);
    maker->bytes = maker_bytes(maker);
    maker->tracked = goal->track != TRACK_COUNT;
    if (maker->tracked)
        track_recipients(maker, goal->track);
    service_log_move(service, maker->stem, goal->from, service->connector_name, move->verdict, move->to,
                     folder_table[move->to].per == PER_ONE ? NULL : connector, &goal->why);
    maker->done = done;
    maker->arg = arg;
    maker->source_removed = goal->source_fd >= 0 && goal->source_name != NULL;
    if (planted_bug("ackearly") && !maker->source_removed && done != NULL) {
        maker->done = NULL;
        done(arg, 0);
    }
    commit_init(&maker->commit, on_commit, maker);
    commit_add_sync(&maker->commit, fd);
    add_removal(maker, goal);
    commit_add_move(&maker->commit, service->temp_fd, maker->stem, to, maker->stem);
    commit_add_close(&maker->commit, fd);
    maker->commit.refusable = goal->from == FOLDER_SYSTEM && !maker->source_removed;
    if (service->pool != NULL) {
        commit_submit(service->pool, &maker->commit);
        return;
    }
    if (log_flush() < 0) { /* as a failed fsync: nothing was moved or removed */
        maker->commit.result = -ENOSPC;
        maker->commit.failed = maker->commit.n_steps;
        close(fd);
    } else {
        commit_run(&maker->commit);
    }
    on_commit(&maker->commit);
}
