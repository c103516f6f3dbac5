/* pickup.c - viaduct-pickup: takes what local programs leave in drop/
 *
 *     drop --ACCEPT--> host/MTS-IN      written anew under our id, the envelope made from its lines or its
 * header
 *          --BAD-----> host/Badmail     no envelope can be made of it
 *          (left)                       not ours to take, or not yet: named in the log, once
 *
 * What is hostile here: everything in drop/. Whoever may put a file there can choose its name, put links, FIFOs
 * and folders there, keep it open and write on, and exchange it while we read. So: the skeleton opens names
 * without following links or waiting; only a regular file with one name is read; by one descriptor, from which
 * all that is decided is learnt; and it is copied, never moved, since a rename would leave the stranger his own
 * descriptor. A file that changed while it was read is read again later. A descriptor that is open for writing
 * is seen by a lease where the file is ours (fcntl(2), F_SETLEASE); elsewhere the file must have been left
 * alone for QUIET_S.
 *
 * The copy names what it replaces, so that a kill between removal and move ends in one message (promise 4).
 *
 * SECURITY: no network; reads drop/, writes Temp, host/MTS-IN and host/Badmail. Needs no set-id program: drop/
 * belongs to this worker's user and is sticky (mode 3733).
 */
#include "daemons/pickup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "common/header_scan.h"
#include "common/utf8.h"

enum { IN_HAND = 64, THREADS = 4, QUIET_S = 2, NAMED_MAX = 4096 };

static struct {
    struct drop_rules rules;
    char mark[120];
    bool waiting;              /* something is to be looked at again soon */
    ino_t pending[IN_HAND];    /* being committed, by the job's slot: a scan may meet their names again */
    uint64_t named[NAMED_MAX]; /* what the log has been told of, the last ones */
    size_t n_named;
    struct service *service;
} state;

/* ---- what is left is named, once ---- */

static void
name_once(const char *name, const struct stat *st, const char *reason)
{
    uint64_t hash = state.rules.seed;
    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
    if (st != NULL)
        hash = (hash ^ (uint64_t)st->st_ino ^ (uint64_t)st->st_ctim.tv_nsec) * UINT64_C(1099511628211);
    for (size_t i = 0; i < state.n_named && i < NAMED_MAX; i++)
        if (state.named[i] == hash)
            return;
    state.named[state.n_named++ % NAMED_MAX] = hash;
    struct log_line line = log_begin(LOG_SECURITY, LEVEL_MINIMUM, NULL);
    log_add_text(&line, "file", name);
    log_add_text(&line, "from", folder_name(FOLDER_DROP));
    if (st != NULL)
        log_add_number(&line, "uid", st->st_uid);
    log_add_text(&line, "say", "cannot be picked up and stays");
    log_add_text(&line, "why", reason);
    log_end(&line);
    char text[160];
    snprintf(text, sizeof text, "a file in %s cannot be picked up and stays there: %s",
             folder_name(FOLDER_DROP), reason);
    service_error(state.service, text);
}

static void
refused(struct service *service, const char *name, int error)
{
    (void)service;
    if (error == EBUSY) /* whoever holds its lock, another of us or its writer, is not through */
        state.waiting = true;
    else if (name[0] != '.')
        name_once(name, NULL,
                  error == ELOOP   ? "it is a symbolic link"
                  : error == ENXIO ? "it is a socket or a device"
                                   : strerror(error));
}

/* ---- which files are taken ---- */

static bool
is_pending(ino_t inode)
{
    for (size_t i = 0; i < IN_HAND; i++)
        if (state.pending[i] == inode)
            return true;
    return false;
}

/* What can never be taken, and why; NULL for a file that can. One that ended us again and again is put aside whatever it is
 * called: here it may have been the name. */
static const char *
what_is_wrong(const struct intake *in, uint64_t limit)
{
    if (!in->job->poison && !utf8_printable(span_of(in->name)))
        return "its name holds control characters, or is no UTF-8";
    if (S_ISDIR(in->stat.st_mode))
        return "it is a folder";
    if (!S_ISREG(in->stat.st_mode))
        return "it is no regular file";
    if (in->stat.st_nlink > 1)
        return "it has a second name (hard link)";
    if (in->stat.st_size > 0 && (uint64_t)in->stat.st_size > limit)
        return "it is larger than limits.message of the host";
    return NULL;
}

/* True while somebody may still be writing. */
static bool
is_being_written(const struct intake *in)
{
    if (fcntl(in->job->fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(in->job->fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    if (errno == EAGAIN)
        return true;
    int64_t quiet_s = time_ms() / 1000 - in->stat.st_ctim.tv_sec;
    return quiet_s >= 0 && quiet_s < QUIET_S;
}

/* True where the file can be taken now. Else it was named, or is looked at again. */
static bool
can_be_taken(struct intake *in)
{
    if (in->name[0] == '.')
        return false;
    if (fstat(in->job->fd, &in->stat) < 0) {
        name_once(in->name, NULL, strerror(errno));
        return false;
    }
    if (in->stat.st_nlink == 0 || is_pending(in->stat.st_ino))
        return false; /* gone, or in hand */
    const char *wrong = what_is_wrong(in, in->service->root->host.limits.message);
    bool young = time_ms() / 1000 - in->stat.st_ctim.tv_sec < QUIET_S;
    if (wrong != NULL && in->stat.st_nlink > 1 && S_ISREG(in->stat.st_mode) && young)
        wrong = NULL; /* link() and unlink() is how some programs move a file */
    else if (wrong != NULL)
        name_once(in->name, &in->stat, wrong);
    if (wrong != NULL)
        return false;
    if (in->stat.st_nlink > 1 || in->service->full || is_being_written(in)) {
        state.waiting = true;
        return false;
    }
    return true;
}

static void
intake_done(void *arg, int result)
{
    struct job *job = arg;
    state.waiting = state.waiting || result < 0;
    state.pending[job->slot] = 0;
    job_settle(job, (struct judgement){.verdict = VERDICT_NONE});
}

static struct judgement
take(struct service *service, struct job *job)
{
    struct intake in = {.service = service,
                        .job = job,
                        .rules = &state.rules,
                        .mark = state.mark,
                        .name = job->data,
                        .done = intake_done,
                        .last = '\n'};
    if (in.name == NULL || !can_be_taken(&in))
        return (struct judgement){.verdict = VERDICT_NONE};
    state.pending[job->slot] = in.stat.st_ino;
    if (pickup_copy(&in) == PICKUP_TAKEN)
        return JUDGED_LATER;
    state.pending[job->slot] = 0;
    state.waiting = true;
    return (struct judgement){.verdict = VERDICT_NONE};
}

/* ---- life ---- */

static void
tick(struct service *service)
{
    if (!state.waiting || service->full)
        return;
    state.waiting = false;
    service_rescan(service, FOLDER_DROP);
}

static int
prepare(struct service *service)
{
    state.service = service;
    const struct conf_root *root = service->root;
    tzset();                /* reads the zone's file while that can be opened */
    signal(SIGIO, SIG_IGN); /* somebody opens a file for writing in the moment of our lease on it */
    state.rules.domain = root->host.domains.n > 0 ? root->host.domains.at[0] : root->node;
    state.rules.max_recipients = (size_t)root->host.limits.recipients;
    if (getrandom(&state.rules.seed, sizeof state.rules.seed, 0) != (ssize_t)sizeof state.rules.seed)
        state.rules.seed = (uint64_t)time_ms();
    header_mark(root->node, "host", true, state.mark);
    return 0;
}

static const struct worker pickup = {
    .id = WORKER_PICKUP,
    .max_in_hand = IN_HAND,
    .threads = THREADS,
    .raw = true,
    .prepare = prepare,
    .take = take,
    .refused = refused,
    .tick = tick,
};

int
main(int argc, char **argv)
{
    return worker_main(&pickup, argc, argv);
}
