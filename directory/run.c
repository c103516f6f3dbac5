/* run.c - a run of directory synchronisation (see run.h) */
#include "directory/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { PLAN_BYTES_MAX = 512 << 20, PLAN_DAYS_MAX = 3 /* one made on a Friday can be carried out on Monday */ };

/* One directory during a run. */
struct reach {
    struct dir_side *side;
    struct dir_set *set;
    struct dir_reading reading;
    char name[300]; /* of the set's file */
    bool open, read;
};

struct steps {
    struct dir_run *run;
    struct dir_context context;
    struct dir_policies *policies;
    struct reach host, foreign;
    struct dir_pending *pending;
    struct dir_set *given, *added; /* what the plan before left */
    struct dir_plan *plan;
    bool slip; /* a plan was asked for that is not there: nothing was done, and the status stays */
};

/* ---- the lock ---- */

/* Tries until somebody else's run has ended, or it is clear that this one will not wait. */
static int
lock_file(const struct dir_run *run, int fd)
{
    int64_t seconds = run->dirsync != NULL ? run->dirsync->limits.time_s : 2 * 3600;
    int64_t until = run->waits ? monotonic_ms() + seconds * 1000 : 0;
    for (bool told = false;; told = true) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        if (monotonic_ms() >= until)
            return -EBUSY;
        if (!told && run->note != NULL)
            run->note(run->arg, "another run is under way; waiting for its end");
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    }
}

static int
take_lock(const struct dir_run *run, struct why *why)
{
    int fd = openat(run->folder_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : lock_file(run, fd);
    if (r == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    if (r == -EBUSY)
        why_set(why, "4.3.2", "another run of dirsync is under way; `viaduct dirsync status` shows it");
    else
        why_set(why, "4.3.0", "dirsync/lock in the spool: %s", strerror(-r));
    return r;
}

/* ---- reading ---- */

static void tell(const struct dir_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
tell(const struct dir_run *run, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (run->note != NULL)
        run->note(run->arg, text);
}

static int
open_reach(struct reach *reach, struct why *why)
{
    int r = reach->side == NULL ? -EINVAL : reach->open ? 0 : reach->side->ops->open(reach->side, why);
    reach->open = r == 0;
    return r;
}

/* What the last run read; a file that is torn or of another make is as none. */
static void
recall(struct steps *steps, struct reach *reach)
{
    struct why why = {"", ""};
    if (reach->set != NULL)
        return;
    reach->set = dir_set_new();
    int r = dir_set_read(reach->set, &reach->reading, steps->run->folder_fd, reach->name, &why);
    if (r == 0)
        return;
    if (r != -ENOENT)
        tell(steps->run, "%s: %s; everything is read anew", reach->name, why.text);
    dir_set_free(reach->set);
    reach->set = dir_set_new();
    buf_clear(&reach->reading.cookie);
    memset(&reach->reading, 0, sizeof reach->reading);
}

static bool
is_full_due(const struct steps *steps, const struct reach *reach)
{
    const struct conf_dirsync *dirsync = steps->run->dirsync;
    int64_t every = dirsync != NULL ? dirsync->full_s : 7 * 24 * 3600, now = time_ms() / 1000;
    bool asked = steps->run->full && !reach->read; /* what was written is read back as it comes */
    return asked || reach->reading.full_s == 0 || reach->reading.full_s > now ||
           now - reach->reading.full_s >= every;
}

static int
read_reach(struct steps *steps, struct reach *reach, bool full, struct why *why)
{
    int r = open_reach(reach, why);
    if (r < 0)
        return r;
    recall(steps, reach);
    r = reach->side->ops->read(reach->side, &reach->set, &reach->reading, full || is_full_due(steps, reach),
                               why);
    if (r < 0)
        return r;
    reach->read = true;
    return dir_set_write(reach->set, &reach->reading, steps->run->folder_fd, reach->name, why);
}

/* ---- planning ---- */

/* What the plan before left. What cannot be read is as not there: plan.h says what that costs. */
static struct dir_set *
recall_left(const struct steps *steps, const char *name)
{
    struct dir_reading reading = {.full_s = 0};
    struct why why = {"", ""};
    struct dir_set *set = dir_set_new();
    int r = dir_set_read(set, &reading, steps->run->folder_fd, name, &why);
    buf_clear(&reading.cookie);
    if (r < 0 && r != -ENOENT)
        tell(steps->run, "%s: %s", name, why.text);
    if (r == 0)
        return set;
    dir_set_free(set);
    return NULL;
}

static int
keep_left(const struct steps *steps, const struct dir_set *set, const char *name, struct why *why)
{
    struct dir_reading reading = {.read_s = time_ms() / 1000};
    return set == NULL ? 0 : dir_set_write(set, &reading, steps->run->folder_fd, name, why);
}

static void
count_notices(const struct dir_plan *plan, struct dir_status *status)
{
    status->conflicts = status->refusals = 0;
    for (size_t i = 0; i < plan->n_notices; i++) {
        status->conflicts += plan->notices[i].kind == DIR_CONFLICT;
        status->refusals += plan->notices[i].kind == DIR_REFUSAL;
    }
}

static void
plan_name(const struct dir_run *run, const char *what, char name[300])
{
    snprintf(name, 300, "%.200s.%s", run->dirsync->title, what);
}

/* Who does not wait to be deleted any more. */
static int
keep_back(const struct steps *steps, struct why *why)
{
    char name[300];
    for (size_t i = 0; i < steps->plan->n_back; i++)
        dir_pending_set(steps->pending, steps->plan->back[i].host, steps->plan->back[i].id, 0);
    plan_name(steps->run, "pending", name);
    return steps->plan->n_back == 0 ? 0 : dir_pending_write(steps->pending, steps->run->folder_fd, name, why);
}

static int
make_plan(struct steps *steps, struct why *why)
{
    struct dir_run *run = steps->run;
    struct buf text = {0};
    char name[300], given[300], added[300];
    run_given_name(run_directory(run->root, run->dirsync), given);
    plan_name(run, "added", added);
    steps->given = recall_left(steps, given);
    steps->added = recall_left(steps, added);
    if (steps->host.read)
        dir_pending_prune(steps->pending, true, steps->host.set);
    if (steps->foreign.read)
        dir_pending_prune(steps->pending, false, steps->foreign.set);
    struct dir_plan_input input = {
        .root = run->root,
        .dirsync = run->dirsync,
        .policies = steps->policies,
        .host = steps->host.set,
        .foreign = steps->foreign.set,
        .host_complete = steps->host.read,
        .foreign_complete = steps->foreign.read,
        .host_read_only = !steps->host.side->writable,
        .foreign_read_only = !steps->foreign.side->writable,
        .host_before = run->status.host_entries,
        .foreign_before = run->status.foreign_entries,
        .host_traits = &steps->host.side->traits,
        .foreign_traits = &steps->foreign.side->traits,
        .pending = steps->pending,
        .given = steps->given,
        .added = steps->added,
        .now_s = time_ms() / 1000,
        .address_type = run_address_type(run->root, run->dirsync),
        .adopt = run->adopt,
    };
    steps->plan = dir_plan_make(&input);
    int r = keep_left(steps, steps->plan->given, given, why);
    if (r == 0)
        r = keep_left(steps, steps->plan->added, added, why);
    if (r == 0)
        r = keep_back(steps, why);
    if (r < 0)
        return r;
    dir_plan_write(steps->plan, &text); /* behind what it rests on */
    plan_name(run, "plan", name);
    r = dir_file_write(run->folder_fd, name, buf_span(&text), false);
    buf_clear(&text);
    if (r < 0)
        why_set(why, "4.3.0", "dirsync/%s in the spool cannot be written: %s", name, strerror(-r));
    return r;
}

/* Whether what was planned can still be true: who is gone may be back by now. */
static int
judge_plan(struct steps *steps, struct why *why)
{
    const struct dir_plan *plan = steps->plan;
    const char *title = steps->run->dirsync->title;
    int64_t days = (time_ms() / 1000 - plan->made_s) / (24 * 3600);
    if (strcmp(plan->dirsync, title) != 0)
        why_set(why, "5.3.5", "the plan is one of dirsync \"%s\"; `viaduct dirsync plan %s` makes a new one",
                plan->dirsync, title);
    else if (days >= PLAN_DAYS_MAX)
        why_set(why, "5.3.5",
                "the plan was made %lld days ago, and the directories are others by now; `viaduct dirsync plan "
                "%s` makes a new one",
                (long long)days, title);
    else
        return 0;
    steps->slip = true;
    return -ESTALE;
}

/* The plan that a person has looked at. */
static int
take_plan(struct steps *steps, struct why *why)
{
    struct dir_run *run = steps->run;
    struct buf text = {0};
    char name[300];
    plan_name(run, "plan", name);
    int r = dir_file_read(run->folder_fd, name, PLAN_BYTES_MAX, &text);
    if (r == -ENOENT)
        why_set(why, "5.3.5", "there is no plan for %s; `viaduct dirsync plan %s` makes one",
                run->dirsync->title, run->dirsync->title);
    else if (r < 0)
        why_set(why, "4.3.0", "dirsync/%s in the spool: %s", name, strerror(-r));
    else if (dir_plan_read(buf_span(&text), &steps->plan, why) < 0)
        r = -EBADMSG;
    buf_clear(&text);
    steps->slip = r == -ENOENT;
    if (r == 0)
        r = judge_plan(steps, why);
    if (r == 0 && run->hash != NULL && !span_starts_nocase(span_of(steps->plan->hash), span_of(run->hash))) {
        why_set(why, "5.3.5",
                "the plan that lies there is %.12s, not %.64s: look at it before it is carried out",
                steps->plan->hash, run->hash);
        r = -ESTALE;
        steps->slip = true;
    }
    return r;
}

/* Whether it may be carried out. A hash of fewer than eight digits forces nothing. */
static int
ask_guard(struct steps *steps, struct why *why)
{
    struct dir_run *run = steps->run;
    struct span force = span_of(run->force);
    int r = dir_plan_guard(steps->plan, run->dirsync, why);
    bool forced = force.len >= 8 && span_starts_nocase(span_of(steps->plan->hash), force);
    if (r < 0 && !forced && force.len > 0)
        tell(run, "--force %.64s is not this plan's hash, %.12s, or shorter than eight digits", run->force,
             steps->plan->hash);
    if (r == 0 || !forced)
        return r;
    tell(run, "carried out by --force: %s", why->text);
    why_set(why, "", "%s", "");
    return 0;
}

/* ---- carrying out ---- */

/* What was written is read back, so that the book and the next run know it. A failure costs only that. */
static void
read_back(struct steps *steps)
{
    struct why why = {"", ""};
    bool host = dir_plan_writes(steps->plan, true), foreign = dir_plan_writes(steps->plan, false);
    if (host && read_reach(steps, &steps->host, false, &why) < 0)
        tell(steps->run, "what was written could not be read back: %s", why.text);
    if (foreign && read_reach(steps, &steps->foreign, false, &why) < 0 && why.text[0] != '\0')
        tell(steps->run, "what was written could not be read back: %s", why.text);
}

static int
carry_out(struct steps *steps, struct why *why)
{
    struct dir_run *run = steps->run;
    char name[300];
    int r = ask_guard(steps, why);
    if (r == 0)
        r = open_reach(&steps->host, why);
    if (r == 0)
        r = open_reach(&steps->foreign, why);
    if (r < 0)
        return r;
    int64_t failed = run_apply(run, steps->plan, steps->host.side, steps->foreign.side, steps->pending, why);
    plan_name(run, "pending", name);
    r = dir_pending_write(steps->pending, run->folder_fd, name, why);
    if (failed < 0)
        return (int)failed;
    if (r < 0)
        return r;
    run->status.applied_s = time_ms() / 1000;
    run->status.host_entries = steps->plan->host_entries;
    run->status.foreign_entries = steps->plan->foreign_entries;
    read_back(steps);
    if (failed > 0)
        why_set(why, "5.3.0", "%lld of %zu changes failed; the next run tries them again", (long long)failed,
                steps->plan->n_changes);
    return failed > 0 ? -ECANCELED : 0;
}

/* ---- the whole ---- */

static struct dir_side *
new_foreign(const struct dir_context *context, const struct conf_foreign *foreign, struct why *why)
{
    struct span format = span_of(foreign->format);
    if (span_equal(format, SPAN("ldap")))
        return side_ldap_new(context, &foreign->directory, false, why);
    if (span_equal(format, SPAN("gwise")))
        return side_gwise_new(context, foreign, why);
    return side_file_new(context, foreign, why);
}

static int
begin(struct steps *steps, struct why *why)
{
    struct dir_run *run = steps->run;
    const struct conf_dirsync *dirsync = run->dirsync;
    const struct conf_directory *directory =
        dirsync != NULL ? run_directory(run->root, dirsync) : run->directory;
    int64_t seconds = dirsync != NULL ? dirsync->limits.time_s : 2 * 3600;
    steps->context = (struct dir_context){.root = run->root,
                                          .dirsync = dirsync,
                                          .spool_fd = run->spool_fd,
                                          .folder_fd = run->folder_fd,
                                          .deadline_ms = monotonic_ms() + seconds * 1000,
                                          .goes_on = run->goes_on,
                                          .progress = run->progress,
                                          .note = run->note,
                                          .arg = run->arg};
    steps->policies = dir_policies_new(run->root, why);
    if (steps->policies == NULL)
        return -EINVAL;
    if (directory != NULL) {
        run_directory_set_name(directory, steps->host.name);
        steps->host.side = side_ldap_new(&steps->context, directory, true, why);
        if (steps->host.side == NULL)
            return -EINVAL;
    }
    if (dirsync == NULL)
        return 0;
    char name[300];
    run_dirsync_set_name(dirsync, steps->foreign.name);
    steps->foreign.side = new_foreign(&steps->context, &dirsync->foreign, why);
    steps->pending = dir_pending_new();
    plan_name(run, "pending", name);
    struct why lost = {"", ""};
    if (steps->foreign.side == NULL)
        return -EINVAL;
    int r = dir_pending_read(steps->pending, run->folder_fd, name, &lost);
    if (r < 0 && r != -ENOENT) /* as if nobody hid: they wait their time again */
        tell(run, "%s", lost.text);
    return 0;
}

static void
close_reach(struct reach *reach)
{
    if (reach->side != NULL)
        reach->side->ops->close(reach->side);
    dir_set_free(reach->set);
    buf_clear(&reach->reading.cookie);
}

static int
go(struct steps *steps, struct why *why)
{
    struct dir_run *run = steps->run;
    int r = 0;
    if ((run->steps & DIR_RUN_READ) != 0)
        r = read_reach(steps, &steps->host, false, why);
    if (r == 0 && run->dirsync == NULL)
        return 0;
    if (r == 0 && (run->steps & DIR_RUN_READ) != 0)
        r = read_reach(steps, &steps->foreign, false, why);
    if (r == 0 && (run->steps & DIR_RUN_PLAN) != 0)
        r = make_plan(steps, why);
    else if (r == 0 && (run->steps & DIR_RUN_APPLY) != 0)
        r = take_plan(steps, why);
    if (steps->plan != NULL) {
        snprintf(run->status.hash, sizeof run->status.hash, "%s", steps->plan->hash);
        run->status.changes = steps->plan->n_changes;
        run->status.linked = steps->plan->linked;
        run->status.done = run->status.failed = 0;
        count_notices(steps->plan, &run->status);
    }
    if (r == 0 && (run->steps & DIR_RUN_APPLY) != 0)
        r = carry_out(steps, why);
    return r;
}

static const char *
result_word(const struct dir_run *run, int r)
{
    if (r == -EINPROGRESS)
        return "waiting";
    if (r == -EPERM)
        return "refused";
    if (r < 0)
        return "failed";
    return (run->steps & DIR_RUN_APPLY) != 0 ? "done" : "planned";
}

static void
keep_status(struct steps *steps, int64_t begun_s, int r, const struct why *why)
{
    struct dir_run *run = steps->run;
    struct dir_status *status = &run->status;
    status->begun_s = begun_s;
    status->ended_s = time_ms() / 1000;
    status->hiding = steps->pending != NULL ? dir_pending_count(steps->pending) : status->hiding;
    snprintf(status->result, sizeof status->result, "%s", result_word(run, r));
    snprintf(status->text, sizeof status->text, "%s", r < 0 ? why->text : "");
    int written = dir_status_write(run->folder_fd, run->dirsync->title, status);
    if (written < 0)
        tell(run, "dirsync/%s.status in the spool cannot be written: %s", run->dirsync->title,
             strerror(-written));
}

int
dir_run(struct dir_run *run, struct why *why)
{
    struct steps steps = {.run = run};
    int64_t begun_s = time_ms() / 1000;
    int lock = take_lock(run, why);
    if (lock < 0)
        return lock;
    int r = 0;
    if (run->dirsync != NULL)
        dir_status_read(run->folder_fd, run->dirsync->title, &run->status);
    if (run->dirsync != NULL || run->directory != NULL) {
        r = begin(&steps, why);
        if (r == 0)
            r = go(&steps, why);
    }
    if (run->dirsync != NULL && !steps.slip)
        keep_status(&steps, begun_s, r, why);
    close_reach(&steps.host);
    close_reach(&steps.foreign);
    if (steps.plan != NULL)
        dir_plan_free(steps.plan);
    dir_pending_free(steps.pending);
    dir_set_free(steps.given);
    dir_set_free(steps.added);
    dir_policies_free(steps.policies);
    /* What was read before something failed is better than what was known before. */
    struct why other = {"", ""};
    if ((run->steps & DIR_RUN_BOOK) != 0) {
        int book = run_book(run, &other);
        if (book < 0 && r == 0)
            *why = other;
        else if (book < 0)
            tell(run, "%s", other.text);
        r = r == 0 ? book : r;
    }
    close(lock);
    return r;
}
