/* act.c - a snapshot of names and one declared move for each (see act.h) */
#include "commands/act.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "common/json_out.h"

enum { ACT_ARENA_MAX = 192 << 20, REFUSALS_SAID = 10 };

/* ---- the snapshot ---- */

struct snapshot {
    struct act *act;
    struct snapped {
        const struct place *place;
        char *name;
    } * at;
    size_t n, size, limit;
};

static bool
snap(struct message *message, void *arg)
{
    struct snapshot *snapshot = arg;
    enum folder folder = message->place->folder;
    if (folder == FOLDER_BADMAIL && snapshot->act->only != FOLDER_BADMAIL) {
        snapshot->act->n_badmail++; /* kept for a person: `all` does not mean these */
        return true;
    }
    if (snapshot->act->skips_held && folder == FOLDER_HOLD)
        return true;
    if (snapshot->act->concerns != NULL && !snapshot->act->concerns(snapshot->act, message->place)) {
        snapshot->act->n_apart++;
        return true;
    }
    if (snapshot->n == snapshot->size) {
        snapshot->size = snapshot->size > 0 ? snapshot->size * 2 : 64;
        snapshot->at = xrealloc(snapshot->at, snapshot->size * sizeof *snapshot->at);
    }
    snapshot->at[snapshot->n++] = (struct snapped){message->place, xstrdup(message->name)};
    return snapshot->n < snapshot->limit;
}

static void
snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n; i++)
        free(snapshot->at[i].name);
    free(snapshot->at);
}

/* ---- opening one message ---- */

/* Locked and still under that name: 0; -ENOENT gone; -EBUSY in a worker's hand; other -errno.
 *
 * Root becomes the folder's owner while it opens: a worker that was taken over can only lay what it could open
 * itself. The group is the file's own, since queue files belong to whoever wrote them and are shared by group.
 */
static int
claim(struct act_item *item)
{
    struct stat folder, file;
    bool root = geteuid() == 0;
    if (fstat(item->place->fd, &folder) < 0 ||
        fstatat(item->place->fd, item->name, &file, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (root) {
        setfsgid(file.st_gid);
        setfsuid(folder.st_uid);
    }
    item->fd = spool_claim(item->place->fd, item->name);
    if (root) {
        setfsuid(geteuid());
        setfsgid(getegid());
    }
    return item->fd < 0 ? item->fd : 0;
}

static void
read_item(struct act_item *item)
{
    item->readable = folder_has_envelopes(item->place->folder) &&
                     queue_file_read(item->fd, item->arena, &item->file, &item->why) == 0;
}

/* ---- what is remembered ---- */

static bool
is_pending(const struct recipient *recipient)
{
    return !recipient->listed && !recipient_is_settled(recipient->state);
}

static int
append_marks(struct act_item *item, const struct journal_entry *trace, struct buf *entries)
{
    const struct envelope *envelope = &item->file.envelope;
    struct journal_entry entry = {.kind = JOURNAL_MARK, .time_ms = trace->time_ms, .by = trace->by};
    entry.marks = arena_alloc(item->arena, envelope->n_recipients * sizeof *entry.marks);
    if (entry.marks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < envelope->n_recipients; i++)
        if (is_pending(&envelope->recipients[i]))
            entry.marks[entry.n_marks++] = (struct recipient_mark){
                .index = (uint32_t)i, .state = RECIPIENT_FAILED, .status = SPAN("5.0.0"), .text = trace->text};
    if (entry.n_marks > 0)
        journal_print(&entry, entries);
    return 0;
}

static int
append_journal(struct act_item *item, const struct act_goal *goal)
{
    struct buf entries = {0};
    char by[80];
    snprintf(by, sizeof by, "command/%s", command_who());
    struct journal_entry entry = {.kind = goal->kind,
                                  .time_ms = time_ms(),
                                  .by = span_of(by),
                                  .from = span_of(folder_name(item->place->folder)),
                                  .to = span_of(goal->to != NULL ? goal->to->path : folder_name(FOLDER_GONE)),
                                  .verdict = span_of(verdict_word(goal->verdict)),
                                  .text = span_of(item->act->reason)};
    int r = goal->mark_failed ? append_marks(item, &entry, &entries) : 0;
    journal_print(&entry, &entries);
    if (r == 0)
        r = queue_file_append(&item->file, buf_span(&entries));
    buf_clear(&entries);
    return r;
}

/* The connector it is given to; where it leaves for a folder of all, the one it was with. */
static const char *
track_connector(const struct act_item *item, const struct act_goal *goal)
{
    bool given = goal->to != NULL && goal->to->connector[0] != '\0';
    return given ? goal->to->connector : item->place->connector;
}

/* Addresses stand in records as workers write them, or the events of one recipient would be those of two. */
void
act_track(const struct act_item *item, const struct act_goal *goal)
{
    static const struct envelope unreadable;
    const struct envelope *envelope = item->readable ? &item->file.envelope : &unreadable;
    struct track_record record = {.event = goal->track,
                                  .id = item->parts.stem,
                                  .connector = track_connector(item, goal),
                                  .sender = envelope->originator.value,
                                  .msgid = envelope->msgid,
                                  .status = goal->track == TRACK_FAIL ? SPAN("5.0.0") : SPAN(""),
                                  .reason = span_of(item->act->reason),
                                  .attempt = envelope->attempts};
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        bool reopened = goal->kind == JOURNAL_REQUEUED && recipient->state == RECIPIENT_FAILED;
        if (!is_pending(recipient) && !reopened)
            continue;
        record.rcpt = recipient->address.value;
        track_add(&record);
    }
    if (envelope->n_recipients == 0 && item->place->folder == FOLDER_BADMAIL)
        track_add(&record); /* the worker that put it there wrote one line, too */
}

static void
log_item(const struct act_item *item, const struct act_goal *goal)
{
    struct log_line line = log_begin(LOG_MOVES, LEVEL_MEDIUM, item->parts.stem);
    log_add_text(&line, "from", item->place->path);
    log_add_text(&line, "verdict", verdict_word(goal->verdict));
    log_add_text(&line, "to", goal->to != NULL ? goal->to->path : folder_name(FOLDER_GONE));
    log_add_text(&line, "why", item->act->reason);
    log_end(&line);
}

/* ---- one message ---- */

/* Journal and tracking record are durable before the move they tell of. */
static int
remember(struct act_item *item, const struct act_goal *goal)
{
    if (item->readable && goal->to != NULL) {
        int r = append_journal(item, goal);
        if (r == 0)
            r = queue_file_sync(item->fd);
        if (r < 0) {
            why_set(&item->why, "4.3.0", "cannot append to its journal: %s", strerror(-r));
            return r;
        }
    }
    if (goal->tracks)
        act_track(item, goal);
    log_item(item, goal);
    int r = log_flush();
    if (r < 0)
        why_set(&item->why, "4.3.0", "cannot write the tracking log: %s", strerror(-r));
    return r;
}

static int
move_item(struct act_item *item, const struct act_goal *goal)
{
    int r = goal->to != NULL ? spool_move(item->place->fd, item->name, goal->to->fd, goal->name)
                             : spool_remove(item->place->fd, item->name);
    if (r == -EEXIST)
        why_set(&item->why, "4.3.0", "%s already has a file of that name", goal->to->path);
    else if (r < 0)
        why_set(&item->why, "4.3.0", "cannot move it: %s", strerror(-r));
    return r;
}

/* The converter's item goes before its message leaves ReadyOut: an end in between leaves a message that is converted again, and
 * no item that could be taken for one of the next conversion. */
static void
remove_converted(const struct act_item *item)
{
    char name[QUEUE_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s.item", item->parts.stem);
    spool_remove(item->place->fd, name);
}

static int
act_on(struct act_item *item)
{
    struct act_goal goal = {.kind = JOURNAL_TRACE};
    int r = claim(item);
    if (r < 0) {
        why_set(&item->why, "4.3.0", "cannot open it: %s", strerror(-r));
        return r;
    }
    read_item(item);
    r = item->act->decide(item, &goal);
    if (r < 0 || goal.nothing)
        return r;
    if (goal.needs_envelope && !item->readable)
        return -EBADMSG;
    if (item->act->copy != NULL)
        r = item->act->copy(item);
    if (r < 0 || item->act->stays)
        return r;
    r = remember(item, &goal);
    if (r == 0 && item->act->clear != NULL)
        item->act->clear(item);
    if (r == 0 && item->place->folder == FOLDER_READY_OUT)
        remove_converted(item);
    return r < 0 ? r : move_item(item, &goal);
}

static void
count_result(struct act *act, const struct act_item *item, int r)
{
    if (r == 0) {
        act->n_done++;
    } else if (r == -ENOENT) {
        act->n_gone++;
    } else if (r == -EBUSY) {
        act->n_busy++;
    } else {
        act->n_refused++;
        act->no_permission |= r == -EACCES || r == -EPERM;
        if (act->n_refused <= REFUSALS_SAID)
            command_fail(EXIT_NOTHING, "%s in %s: %s", item->parts.stem, item->place->path, item->why.text);
    }
}

static void
act_on_name(struct act *act, const struct snapped *snapped, struct arena *arena)
{
    struct act_item item = {
        .act = act, .place = snapped->place, .name = snapped->name, .fd = -1, .arena = arena};
    arena_reset(arena);
    if (!queue_name_parse(snapped->name, &item.parts))
        return;
    int r = act_on(&item);
    count_result(act, &item, r);
    if (item.fd >= 0)
        close(item.fd);
}

/* ---- all of them ---- */

void
act_start_logs(const struct act *act)
{
    int fd = folder_open(act->map.spool_fd, FOLDER_TRACK, NULL);
    log_start("command", STDERR_FILENO, false, LEVEL_NONE);
    if (fd >= 0)
        track_start(fd, "command");
}

static void
act_on_all(struct act *act, const struct snapshot *snapshot)
{
    struct arena *arena = arena_new(ACT_ARENA_MAX);
    act_start_logs(act);
    for (size_t i = 0; i < snapshot->n; i++)
        act_on_name(act, &snapshot->at[i], arena);
    log_flush();
    arena_free(arena);
}

int
act_report(const struct act *act)
{
    if (command_has(act->command, OPTION_JSON)) {
        struct buf out = {0};
        struct json json;
        json_start(&json, &out);
        json_begin_object(&json, NULL);
        json_add_text(&json, "verb", act->verb);
        json_add_bool(&json, "dry_run", command_has(act->command, OPTION_DRY_RUN));
        json_add_number(&json, "matched", (int64_t)act->matched);
        json_add_number(&json, "done", (int64_t)act->n_done);
        json_add_number(&json, "gone", (int64_t)act->n_gone);
        json_add_number(&json, "in_transfer", (int64_t)act->n_busy);
        json_add_number(&json, "failed", (int64_t)act->n_refused);
        json_end_object(&json);
        puts(out.at);
        buf_clear(&out);
    } else if (command_has(act->command, OPTION_DRY_RUN)) {
        printf("%zu messages would be %s%s\n", act->matched, act->done, command_offline(act->command));
    } else {
        printf("%zu of %zu messages %s; %zu had already left, %zu in transfer were left alone, %zu failed%s\n",
               act->n_done, act->matched, act->done, act->n_gone, act->n_busy, act->n_refused,
               command_offline(act->command));
    }
    if (act->n_badmail > 0)
        fprintf(stderr, "%zu matching messages in Badmail were left alone; see `viaduct badmail`\n",
                act->n_badmail);
    if (act->n_apart > 0)
        fprintf(stderr, "%zu matching messages %s, and were left alone\n", act->n_apart, act->apart);
    if (act->matched == 0)
        return EXIT_NOTHING;
    if (command_has(act->command, OPTION_DRY_RUN))
        return EXIT_DONE;
    if (act->no_permission)
        return command_fail_errno(EACCES, "%zu messages", act->n_refused);
    return act->n_busy > 0 || act->n_refused > 0 || act->n_done == 0 ? EXIT_NOTHING : EXIT_DONE;
}

static int
act_on_filter(struct act *act, const struct filter *filter, size_t limit)
{
    struct snapshot snapshot = {.act = act, .limit = limit};
    if (limit > 0)
        spool_walk(&act->map, act->only, filter, COST_NAME, snap, &snapshot);
    act->matched = snapshot.n;
    int r = 0;
    if (command_has(act->command, OPTION_DRY_RUN)) {
        for (size_t i = 0; i < snapshot.n && !command_has(act->command, OPTION_JSON); i++)
            printf("%s/%s\n", snapshot.at[i].place->path, snapshot.at[i].name);
    } else if (snapshot.n > 0 && act->asks &&
               !command_confirm(act->command, "%s %zu messages?", act->verb, snapshot.n)) {
        r = command_fail(EXIT_REFUSED, "%zu messages match; nothing was changed: say --yes to %s them",
                         snapshot.n, act->verb);
    } else {
        act_on_all(act, &snapshot);
    }
    snapshot_free(&snapshot);
    return r != 0 ? r : act_report(act);
}

int
act_run(struct act *act, struct command *command)
{
    struct filter filter;
    size_t limit;
    act->command = command;
    act->reason = command_has(command, OPTION_REASON) ? command->values[OPTION_REASON] : "by an operator";
    int r = message_filter(command, act->first, &filter);
    if (r != 0)
        return r;
    if (!command_limit(command, &limit))
        return EXIT_USAGE;
    if (filter_is_empty(&filter))
        return command_fail(EXIT_REFUSED, "an empty filter is refused; say `all` for every message");
    r = spool_map_open(&act->map, command);
    if (r != 0)
        return r;
    r = act_on_filter(act, &filter, limit);
    spool_map_close(&act->map);
    return r;
}
