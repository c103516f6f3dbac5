/* worker_jobs.c - claiming, judging, acting (see worker.h)
 *
 *     a name --claim--> a job --take()--> a judgement --act--> a move
 *
 * Acting is done in batches at the end of each turn of the loop: all log lines and tracking records of the
 * batch are written first, by one write each, then the moves are made. A kill in between leaves records of
 * moves that were not made; they are made at the next start and told of again, and readers drop the repetition.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/planted.h"
#include "common/worker_inside.h"

enum {
    ARENA_CAP = 160 << 20,
    BATCH = 64,
    PAUSE_MS = 1000,
    BUSY_RESCAN_MS = 1000,
    BUSY_TRIES = 40,
    BATCH_BYTES = 32 << 20
};

void
jobs_init(struct service *service)
{
    struct service_inside *in = service->inside;
    in->n_jobs = service->max_in_hand;
    BUG_UNLESS(in->n_jobs >= 1 && in->n_jobs <= STATE_SLOTS);
    in->jobs = xcalloc(in->n_jobs, sizeof *in->jobs);
    for (unsigned i = in->n_jobs; i-- > 0;) {
        struct job *job = &in->jobs[i];
        job->fd = -1;
        job->service = service;
        job->slot = i;
        job->next = in->free_jobs;
        in->free_jobs = job;
    }
}

/* ---- claim ---- */

static bool
in_hand(const struct service_inside *in, const struct source *source, const char *name)
{
    for (unsigned i = 0; in->in_hand > 0 && i < in->n_jobs; i++) {
        const struct job *job = &in->jobs[i];
        if (job->fd >= 0 && job->folder == source->folder && strcmp(job_name_there(job), name) == 0 &&
            strcmp(job->connector, source->connector) == 0)
            return true;
    }
    return false;
}

static void
free_job(struct service *service, struct job *job)
{
    struct service_inside *in = service->inside;
    state_free_slot(service, job);
    if (!job->closed)
        close(job->fd);
    arena_reset(job->arena);
    job->fd = -1;
    job->data = NULL;
    job->next = in->free_jobs;
    in->free_jobs = job;
    in->in_hand--;
}

static struct job *
new_job(struct service *service, const struct source *source, const char *name, int fd)
{
    struct service_inside *in = service->inside;
    struct job *job = in->free_jobs;
    in->free_jobs = job->next;
    in->in_hand++;
    if (job->arena == NULL)
        job->arena = arena_new(ARENA_CAP);
    job->folder = source->folder;
    job->connector = source->connector;
    job->fd = fd;
    job->data = NULL;
    job->true_name = service->worker->raw ? arena_copy(job->arena, span_of(name)) : NULL;
    job->next = NULL;
    job->told = job->closed = job->kept = job->poison = false;
    job->taken_ms = monotonic_ms();
    memset(&job->file, 0, sizeof job->file);
    snprintf(job->name, sizeof job->name, "%.*s", QUEUE_NAME_MAX - 1, name);
    state_hold_slot(service, job);
    return job;
}

/* A stranger's file: opened without following links or waiting for a FIFO's other end; the worker checks the
 * rest. Locked, since at a reload there are two of a worker for a moment: the second would take it too, and then remove
 * what a stranger had put there under the same name meanwhile. */
static int
claim_stranger(const struct source *source, const char *name)
{
    struct stat status;
    int fd = openat(source->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int r = fd < 0 ? -errno : planted_bug("noclaim") ? 0 : spool_lock(fd);
    if (r == 0)
        r = spool_check_named(source->fd, name, fd, &status);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* The worker before us holds its lock for the few microseconds between its rename and its close: that is waited
 * out here. A lock held longer is an operator's, or that of a process of the generation before: the name is
 * found again by the next scan, and until then others are not waited for either. A lack of descriptors passes as well. */
static int
claim(struct source *source, const char *name)
{
    int fd = spool_claim(source->fd, name);
    int tries = fd == -EBUSY && monotonic_ms() >= source->busy_until_ms ? BUSY_TRIES : 0;
    for (int i = 0; fd == -EBUSY && i < tries; i++) {
        if (i < BUSY_TRIES / 2)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        fd = spool_claim(source->fd, name);
    }
    int64_t soon_ms = monotonic_ms() + BUSY_RESCAN_MS;
    if (fd == -EBUSY && tries > 0)
        source->busy_until_ms = soon_ms;
    bool passes = fd == -EBUSY || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM;
    if (passes && source->rescan_ms > soon_ms) /* never later than it was */
        source->rescan_ms = soon_ms;
    if (fd < 0 && fd != -ENOENT && fd != -EBUSY)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, name, "cannot open it in %s: %s", folder_name(source->folder),
                strerror(-fd));
    return fd;
}

/* ---- judge ---- */

static struct judgement
read_and_take(struct service *service, struct job *job)
{
    struct why why = {"", ""};
    unsigned crashes = state_crashes_of(service, job);
    job->poison = crashes >= STATE_CRASHES_MAX;
    if (job->poison && !service->worker->raw) {
        /* The books want its recipients. Where to read them is what ends the worker, the next time it is not done. */
        if (crashes == STATE_CRASHES_MAX && queue_file_read(job->fd, job->arena, &job->file, &why) < 0)
            memset(&job->file, 0, sizeof job->file);
        return judge(VERDICT_BAD, "5.3.0", "it ended the worker %s %u times", service->instance, crashes);
    }
    if (service->worker->raw)
        return service->worker->take(service, job);
    int r = queue_file_read(job->fd, job->arena, &job->file, &why);
    if (r == -EINVAL || r == -EBADMSG || r == -ENOMEM)
        return (struct judgement){.verdict = VERDICT_BAD, .why = why};
    if (r < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, job->name, "%s; it stays in %s and is looked at again", why.text,
                folder_name(job->folder));
        return (struct judgement){.verdict = VERDICT_NONE};
    }
    return service->worker->take(service, job);
}

void
job_settle(struct job *job, struct judgement judgement)
{
    struct service_inside *in = job->service->inside;
    BUG_UNLESS(!judgement.later && job->next == NULL && in->settled_end != &job->next);
    if (job->waits) {
        job->waits = false;
        in->n_waiting--;
        state_hold_slot(job->service, job);
    }
    job->judgement = judgement;
    in->settled_bytes += arena_bytes(job->arena);
    *in->settled_end = job;
    in->settled_end = &job->next;
}

void
job_waits(struct job *job)
{
    if (job->waits)
        return;
    job->waits = true;
    job->service->inside->n_waiting++;
    state_free_slot(job->service, job);
    state_suspect_passed(job->service, job_name_there(job));
}

/* Claims a name and judges what it names. Returns 0, or -errno where it could not be claimed. */
static int
take_name(struct service *service, struct source *source, const char *name)
{
    bool raw = service->worker->raw;
    struct queue_name parts = {0};
    if (!raw && !queue_name_parse(name, &parts))
        return -EINVAL;
    if (in_hand(service->inside, source, name))
        return -EBUSY;
    int fd = raw ? claim_stranger(source, name) : claim(source, name);
    if (fd < 0 && raw && fd != -ENOENT && service->worker->refused != NULL)
        service->worker->refused(service, name, -fd);
    if (fd < 0)
        return fd;
    struct job *job = new_job(service, source, name, fd);
    job->parts = parts;
    if (raw)
        job->data = (void *)(uintptr_t)job->true_name;
    struct judgement judgement = read_and_take(service, job);
    if (!judgement.later)
        job_settle(job, judgement);
    return 0;
}

/* A suspect that cannot be claimed is none: it would keep all others waiting. One that an operator has locked
 * is waited for. */
static bool
take_suspect(struct service *service)
{
    struct service_inside *in = service->inside;
    if (!in->suspects_running || in->in_hand > in->n_waiting || in->in_hand == in->n_jobs)
        return in->suspects_running;
    if (state_next_suspect(service)) {
        int r = take_name(service, in->suspect_source, in->suspect_name);
        if (r < 0 && r != -EBUSY)
            state_suspect_passed(service, in->suspect_name);
    }
    return in->suspects_running;
}

void
jobs_take(struct service *service)
{
    struct service_inside *in = service->inside;
    struct source *source;
    char name[256];
    if (service->ending || service->on_hold || service->resting || monotonic_ms() < in->pause_until_ms ||
        take_suspect(service))
        return;
    names_make_due(service, time_ms() / 1000, BATCH);
    for (unsigned i = 0; i < BATCH && in->in_hand < in->n_jobs && names_next(service, &source, name); i++) {
        take_name(service, source, name);
        if (in->settled_bytes > BATCH_BYTES) /* a batch of huge envelopes ends early */
            break;
    }
}

/* ---- act ---- */

/* The connector in whose folder the message goes on. Badmail of a message without one: where it came from. */
static const char *
destination_connector(struct service *service, const struct job *job)
{
    if (job->judgement.connector != NULL)
        return job->judgement.connector;
    if (*job->connector != '\0')
        return job->connector;
    for (size_t i = 0; i < service->inside->n_connectors; i++)
        if (span_equal(job->file.envelope.origin, span_of(service->inside->connectors[i])))
            return service->inside->connectors[i];
    return "host";
}

void
service_log_move(struct service *service, const char *id, enum folder from, const char *connector,
                 enum verdict verdict, enum folder to, const char *to_connector, const struct why *why)
{
    bool notable = verdict == VERDICT_BAD || verdict == VERDICT_FAIL || verdict == VERDICT_DEFER;
    counter_add(COUNTER_MOVES, 1);
    service->inside->state->moves++;
    struct log_line line = log_begin(LOG_MOVES, notable ? LEVEL_MINIMUM : LEVEL_MEDIUM, id);
    log_add_text(&line, "from", folder_name(from));
    if (connector != NULL && *connector != '\0')
        log_add_text(&line, "connector", connector);
    log_add_text(&line, "verdict", verdict_word(verdict));
    log_add_text(&line, "to", folder_name(to));
    if (to_connector != NULL && *to_connector != '\0' &&
        (connector == NULL || strcmp(connector, to_connector) != 0))
        log_add_text(&line, "for", to_connector);
    if (why != NULL && why->status[0] != '\0')
        log_add_text(&line, "status", why->status);
    if (why != NULL && why->text[0] != '\0')
        log_add_text(&line, "why", why->text);
    log_end(&line);
}

static void
count_stage(const struct job *job)
{
    if (job->file.envelope.arrival_ms > 0)
        counter_add_stage(time_ms() - job->file.envelope.arrival_ms);
}

/* Badmail settles every recipient that was not settled before; a message without any (unreadable) is one line.
 */
static void
track_badmail(const struct job *job)
{
    const struct envelope *envelope = &job->file.envelope;
    struct track_record record = {.event = TRACK_BADMAIL,
                                  .id = job->parts.stem[0] != '\0' ? job->parts.stem : job->name,
                                  .connector = job->connector,
                                  .sender = envelope->originator.value,
                                  .msgid = envelope->msgid,
                                  .status = span_of(job->judgement.why.status),
                                  .reason = span_of(job->judgement.why.text)};
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        if (recipient_is_settled(envelope->recipients[i].state) || envelope->recipients[i].listed)
            continue;
        record.rcpt = envelope->recipients[i].address.value;
        track_add(&record);
    }
    bool item =
        span_equal(envelope->class, SPAN("ITEM")); /* no message yet: it was never taken into the books */
    if (envelope->n_recipients == 0 && !item)
        track_add(&record);
    counter_add(COUNTER_BADMAIL, 1);
}

/* What kind of error it is, without what differs from message to message: groups Badmail for an operator. */
static void
error_signature(const char *program, enum folder from, const struct why *why, struct buf *out)
{
    buf_printf(out, "%s/%s/%s/", program, folder_name(from), why->status);
    bool last_digit = false;
    for (const char *p = why->text; *p != '\0' && out->len < 200; p++) {
        const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (end != NULL) { /* a name, or what somebody said */
            buf_add_text(out, "\"...\"");
            p = end;
            continue;
        }
        bool digit = *p >= '0' && *p <= '9';
        if (!digit)
            buf_add_byte(out, *p == ' ' ? '-' : *p);
        else if (!last_digit)
            buf_add_byte(out, 'N');
        last_digit = digit;
    }
}

/* <stem>.why beside the message: stage, reason, signature, where it came from. Written before the message
 * moves. */
void
badmail_note(struct service *service, const char *stem, enum folder from, const char *connector,
             const struct why *why, int badmail_fd)
{
    struct buf text = {0}, signature = {0};
    char name[QUEUE_NAME_MAX + 8];
    const char *program = worker_table[service->worker->id].program;
    error_signature(program, from, why, &signature);
    log_print_pair(&text, "stage", span_of(program));
    log_print_pair(&text, "from", span_of(folder_name(from)));
    log_print_pair(&text, "connector", span_of(connector));
    log_print_pair(&text, "status", span_of(why->status));
    log_print_pair(&text, "reason", span_of(why->text));
    log_print_pair(&text, "signature", buf_span(&signature));
    buf_printf(&text, " time=%lld version=%s\n", (long long)(time_ms() / 1000), PACKAGE_VERSION);
    snprintf(name, sizeof name, "%s.why", stem);
    int fd = openat(badmail_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd < 0 || write(fd, text.at, text.len) < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, stem, "cannot write %s into Badmail: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    buf_clear(&text);
    buf_clear(&signature);
}

static const struct move_row *
find_move(struct service *service, const struct job *job)
{
    const struct move_row *move = flow_find(service->worker->id, job->folder, job->judgement.verdict);
    BUG_UNLESS(move != NULL); /* a verdict that flow.def does not declare */
    return move;
}

static void
tell(struct service *service, struct job *job)
{
    if (job->judgement.verdict == VERDICT_NONE || service->worker->raw)
        return;
    const struct move_row *move = find_move(service, job);
    const char *connector = NULL;
    if (move->to < FOLDER_COUNT && folder_table[move->to].per != PER_ONE)
        connector = destination_connector(service, job);
    service_log_move(service, job->parts.stem, job->folder, job->connector, move->verdict, move->to, connector,
                     &job->judgement.why);
    count_stage(job);
    if (move->verdict == VERDICT_BAD) {
        track_badmail(job);
        state_error(service, job->judgement.why.text);
    }
}

/* A move that the spool refused: the message stays where it is and is found again; the worker rests a moment.
 */
static void
move_failed(struct service *service, const struct job *job, const struct move_row *move, int error)
{
    int from = service_folder(service, job->folder, job->connector);
    bool there = error == -ENOENT && faccessat(from, job->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (error == -ENOENT && !there)
        return; /* an operator took it away meanwhile */
    if (there)  /* then it is the other folder that is gone: it is looked for anew after a start */
        service->inside->exit_status = 71;

    service->inside->state->moves--; /* told of and not made */
    log_say(LOG_GENERAL, LEVEL_MINIMUM, job->parts.stem,
            "cannot move it from %s to %s: %s; it stays in %s and is taken again", folder_name(job->folder),
            folder_name(move->to), strerror(-error), folder_name(job->folder));
    state_error(service, strerror(-error));
    if (error == -EEXIST) /* this message's trouble alone: the planned scan finds it again */
        return;
    service->inside->pause_until_ms = monotonic_ms() + PAUSE_MS;
    struct source *source = names_source(service, job->folder, job->connector);
    if (source != NULL)
        source->rescan_ms = monotonic_ms() + PAUSE_MS;
}

/* The converter's item beside a message in ReadyOut goes first: without it the message is converted again,
 * while an item made later by a quick converter must not be taken for the old one. */
static void
remove_item(struct service *service, const struct job *job)
{
    char name[QUEUE_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s.item", job->parts.stem);
    spool_remove(service_folder(service, job->folder, job->connector), name);
}

/* A message that is through and cannot be removed (a file system that refuses even that) is kept in hand, and
 * only its removal is tried again: taken again, it would be transferred again, every second. */
static void
keep_settled(struct service *service, struct job *job, int error)
{
    struct service_inside *in = service->inside;
    if (!job->kept)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, job->parts.stem,
                "it is through, but cannot be removed from %s: %s; its removal is tried again",
                folder_name(job->folder), strerror(-error));
    job->kept = true;
    state_error(service, strerror(-error));
    in->pause_until_ms = monotonic_ms() + PAUSE_MS;
    *in->settled_end = job;
    in->settled_end = &job->next;
}

static void
job_moved(struct service *service, struct job *job, const struct move_row *move, int result)
{
    if (result < 0 && result != -ENOENT && move->to == FOLDER_GONE && !service->ending) {
        keep_settled(service, job, result);
        return;
    }
    if (result < 0)
        move_failed(service, job, move, result);
    state_suspect_passed(service, job->name);
    free_job(service, job);
}

static void
on_commit(struct commit *commit)
{
    struct job *job = commit->arg;
    job_moved(job->service, job, find_move(job->service, job), commit->result);
    free(commit);
}

/* The journal was appended to: it must be on disk before the name moves. */
static void
move_synced(struct service *service, struct job *job, const struct move_row *move, int from, int to,
            const char *name)
{
    struct commit *commit = xcalloc(1, sizeof *commit);
    commit_init(commit, on_commit, job);
    commit_add_datasync(commit, job->fd);
    commit_add_move(commit, from, job->name, to, name);
    commit_add_close(commit, job->fd); /* with its lock: the next worker waits for it */
    job->closed = true;
    if (service->pool != NULL) {
        commit_submit(service->pool, commit);
        return;
    }
    commit_run(commit);
    job_moved(service, job, move, commit->result);
    free(commit);
}

/* The name in Badmail: the stem, or where that is taken (damage of two files of one name) the stem and a
 * number. */
static void
badmail_name(const struct job *job, int badmail_fd, char name[QUEUE_NAME_MAX])
{
    snprintf(name, QUEUE_NAME_MAX, "%s", job->parts.stem);
    for (int i = 1; i < 100 && faccessat(badmail_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; i++)
        snprintf(name, QUEUE_NAME_MAX, "%.*s.%d", ID_LEN, job->parts.stem, 900 + i);
}

static void
new_name(struct service *service, const struct job *job, const struct move_row *move, int to,
         char name[QUEUE_NAME_MAX])
{
    if (move->to == FOLDER_DEFERRED)
        queue_name_at(job->parts.stem, job->judgement.next_s, name);
    else
        snprintf(name, QUEUE_NAME_MAX, "%s", job->parts.stem);
    if (move->verdict != VERDICT_BAD)
        return;
    badmail_name(job, to, name);
    badmail_note(service, name, job->folder, job->connector, &job->judgement.why, to);
}

static void
act(struct service *service, struct job *job)
{
    if (job->judgement.verdict == VERDICT_NONE ||
        service->worker->raw) { /* left where it is, or its maker moves it */
        state_suspect_passed(service, job_name_there(job));
        free_job(service, job);
        return;
    }
    const struct move_row *move = find_move(service, job);
    int from = service_folder(service, job->folder, job->connector);
    if (job->folder == FOLDER_READY_OUT)
        remove_item(service, job);
    if (move->to == FOLDER_GONE) {
        job_moved(service, job, move, spool_remove(from, job->name));
        return;
    }
    const char *connector = folder_table[move->to].per == PER_ONE ? NULL : destination_connector(service, job);
    int to = service_folder(service, move->to, connector);
    char name[QUEUE_NAME_MAX];
    new_name(service, job, move, to, name);
    bool same = from == to && strcmp(name, job->name) == 0;
    if (same)
        job_moved(service, job, move, job->judgement.sync ? queue_file_sync(job->fd) : 0);
    else if (job->judgement.sync)
        move_synced(service, job, move, from, to, name);
    else
        job_moved(service, job, move, spool_move(from, job->name, to, name));
}

/* Where the tracking log cannot be written (disk full), nothing moves: the batch waits, told of but not acted
 * on, and the records stay in memory for the next try. */
void
jobs_act(struct service *service)
{
    struct service_inside *in = service->inside;
    for (struct job *job = in->settled; job != NULL; job = job->next) {
        if (!job->told)
            tell(service, job);
        job->told = true;
    }
    bool pause = !service->ending && monotonic_ms() < in->pause_until_ms;
    if (in->settled == NULL || pause || (!planted_bug("norecords") && log_flush() < 0))
        return;
    struct job *batch = in->settled;
    in->settled = NULL;
    in->settled_end = &in->settled;
    in->settled_bytes = 0;
    for (struct job *next, *job = batch; job != NULL; job = next) {
        next = job->next;
        job->next = NULL;
        act(service, job);
    }
}
