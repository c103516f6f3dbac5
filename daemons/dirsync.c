/* dirsync.c - keeps directories in step by their schedules, and publishes the address book
 *
 *     due (schedule, refresh, an answer in DirIn, a file that changed) --> a child runs it (directory/run.h) --> status, log
 *
 * One thing at a time, each in a child of its own: a child reads servers, may wait for them and may die of what they say; the
 * worker goes on answering operators, and ends a child that passes its deadline. What a child did is in the spool when it is
 * done or killed; there is nothing to undo.
 *
 * The sources of the book are looked at every book.check; when one has changed (time, size, inode), a new generation is built. A
 * source with errors publishes nothing, nor do sources without anybody in them, as a file that is cut off: the book that is
 * there stays, the errors are told, and `status` shows the last.
 *
 * Hostile here: what directories and files hold, in the child; answers in DirIn.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/worker.h"
#include "directory/ldap.h"
#include "directory/run.h"
#include "directory/side_gwise.h"

enum {
    RETRY_S = 15 * 60, /* after a run that found no server */
    BUSY_S = 10, /* after one that found another under way: an operator's, or the one of a worker that ends */
    GRACE_MS = 60 * 1000 /* behind a run's own deadline */
};

/* What a child is doing. Both NULL: the book alone. */
struct task {
    const struct conf_dirsync *dirsync;
    const struct conf_directory *directory;
};

/* How it ended, as it says through its pipe. */
struct ending {
    bool told; /* false: it was killed, or died */
    int result;
    bool published;
    uint64_t changes, done, failed;
    struct why why;
};

struct dirsync {
    int book_fd, folder_fd;
    uint64_t seen;   /* of the sources: a hash of what stat tells; 0: never looked */
    int64_t look_ms; /* monotonic: the next look */
    bool book_due;
    int64_t *run_s;      /* of each dirsync: when it is due, seconds since 1970; -1: never */
    int64_t *refresh_ms; /* of each directory, monotonic */
    pid_t child;         /* 0: none */
    int child_fd;        /* its pipe */
    int64_t child_ms;    /* when it is ended, monotonic */
    bool answered;       /* what it asked a gateway for is there already */
    struct task task;
};

/* ---- the sources of the book ---- */

static uint64_t
mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(1099511628211);
}

/* What they look like from outside. A file that is missing is part of it. */
static uint64_t
look(const struct conf_texts *sources)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sources->n; i++) {
        struct stat st;
        if (stat(sources->at[i], &st) < 0)
            memset(&st, 0, sizeof st);
        hash = mix(mix(mix(hash, (uint64_t)st.st_ino), (uint64_t)st.st_size), (uint64_t)st.st_mtim.tv_sec);
        hash = mix(hash, (uint64_t)st.st_mtim.tv_nsec);
    }
    return hash;
}

static void
look_at_sources(struct service *service)
{
    struct dirsync *dirsync = service->data;
    if (service->root->book.source.n == 0 || monotonic_ms() < dirsync->look_ms)
        return;
    dirsync->look_ms = monotonic_ms() + service->root->book.check_s * 1000;
    uint64_t now = look(&service->root->book.source);
    dirsync->book_due |= now != dirsync->seen;
    dirsync->seen = now;
}

/* ---- the child ---- */

static void
child_note(void *arg, const char *text)
{
    (void)arg;
    log_say(LOG_DIRECTORY, LEVEL_MEDIUM, NULL, "%s", text);
    log_flush();
}

static void
send_ending(int fd, const struct ending *ending)
{
    /* smaller than PIPE_BUF: whole or not at all */
    if (write(fd, ending, sizeof *ending) != (ssize_t)sizeof *ending)
        _exit(1);
}

_Noreturn static void
child(const struct service *service, int fd)
{
    const struct dirsync *dirsync = service->data;
    struct ending ending = {.told = true};
    const struct conf_dirsync *conf = dirsync->task.dirsync;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    sandbox_refuse_signals();
    struct dir_run run = {.root = service->root,
                          .dirsync = conf,
                          .directory = dirsync->task.directory,
                          .spool_fd = service->spool_fd,
                          .folder_fd = dirsync->folder_fd,
                          .book_fd = dirsync->book_fd,
                          .steps = DIR_RUN_BOOK,
                          .goes_on = true,
                          .note = child_note};
    if (conf != NULL || run.directory != NULL)
        run.steps |= DIR_RUN_READ;
    if (conf != NULL)
        run.steps |= DIR_RUN_PLAN | (conf->apply ? DIR_RUN_APPLY : 0);
    ending.result = dir_run(&run, &ending.why);
    ending.published = run.published;
    ending.changes = run.status.changes;
    ending.done = run.status.done;
    ending.failed = run.status.failed;
    log_flush();
    send_ending(fd, &ending);
    _exit(0);
}

static void
begin_task(struct service *service, struct task task)
{
    struct dirsync *dirsync = service->data;
    int ends[2];
    int64_t seconds = task.dirsync != NULL ? task.dirsync->limits.time_s : 2 * 3600;
    dirsync->task = task;
    dirsync->answered = false;
    log_flush();
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, "no pipe for a run: %s", strerror(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(service, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, "no process for a run: %s", strerror(errno));
        close(ends[0]);
        return;
    }
    dirsync->book_due =
        false; /* every task builds it, of what it finds; what changes from now on is another one's */
    dirsync->child = pid;
    dirsync->child_fd = ends[0];
    dirsync->child_ms = monotonic_ms() + seconds * 1000 + GRACE_MS;
}

/* ---- when ---- */

static int64_t
next_run(const struct service *service, const struct conf_dirsync *conf, int64_t after_s)
{
    struct span schedule = span_of(conf->schedule);
    return span_equal(schedule, SPAN("never")) ? -1
                                               : conf_schedule_next(service->root, conf->schedule, after_s);
}

/* The first run of a dirsync is when its schedule next says so; one that was missed while nothing ran is due at once. */
static void
plan_ahead(struct service *service)
{
    struct dirsync *dirsync = service->data;
    int64_t now = time_ms() / 1000;
    for (size_t i = 0; i < service->root->dirsyncs_n; i++) {
        struct dir_status status;
        dir_status_read(dirsync->folder_fd, service->root->dirsyncs[i].title, &status);
        dirsync->run_s[i] = next_run(service, &service->root->dirsyncs[i],
                                     status.begun_s > 0 && status.begun_s <= now ? status.begun_s : now);
    }
}

static void
plan_next(struct service *service, const struct conf_dirsync *conf, int result)
{
    struct dirsync *dirsync = service->data;
    int64_t now = time_ms() / 1000, next = next_run(service, conf, now);
    bool again = result == -ENOTCONN || result == -ETIMEDOUT || result == -EAGAIN || result == -EBUSY;
    int64_t soon = now + (result == -EBUSY ? BUSY_S : RETRY_S);
    if (result == -EINPROGRESS && dirsync->answered) /* it came while the run that asked was still at work */
        next = now;
    else if (result == -EINPROGRESS) /* should no answer come, the run says so */
        next = next < 0 || next > now + conf->foreign.answer_s + 1 ? now + conf->foreign.answer_s + 1 : next;
    if (again && (next < 0 || next > soon))
        next = soon;
    dirsync->run_s[conf - service->root->dirsyncs] = next;
}

static void
plan_refresh(struct service *service, const struct conf_directory *directory, int result)
{
    struct dirsync *dirsync = service->data;
    int64_t after_s = result == -EBUSY ? BUSY_S : directory->refresh_s;
    dirsync->refresh_ms[directory - service->root->host.directories] = monotonic_ms() + after_s * 1000;
}

static void
begin_due(struct service *service)
{
    struct dirsync *dirsync = service->data;
    const struct conf_root *root = service->root;
    int64_t now = time_ms() / 1000;
    for (size_t i = 0; i < root->dirsyncs_n; i++)
        if (dirsync->run_s[i] >= 0 && dirsync->run_s[i] <= now) {
            begin_task(service, (struct task){.dirsync = &root->dirsyncs[i]});
            return;
        }
    for (size_t i = 0; i < root->host.directories_n; i++)
        if (dirsync->refresh_ms[i] <= monotonic_ms()) {
            begin_task(service, (struct task){.directory = &root->host.directories[i]});
            return;
        }
    if (dirsync->book_due)
        begin_task(service, (struct task){.dirsync = NULL});
}

/* ---- the end ---- */

static void
read_ending(const struct service *service, int fd, int status, struct ending *ending)
{
    if (read(fd, ending, sizeof *ending) == (ssize_t)sizeof *ending)
        return;
    memset(ending, 0, sizeof *ending);
    ending->result = -EIO;
    if (WIFSIGNALED(status) && service->ending)
        why_set(&ending->why, "4.3.2", "ended with the worker; the next run begins anew");
    else if (WIFSIGNALED(status))
        why_set(&ending->why, "4.3.0", "the run was ended by signal %d%s", WTERMSIG(status),
                WTERMSIG(status) == SIGKILL ? ", as it passed its deadline or memory ran out" : "");
    else
        why_set(&ending->why, "4.3.0", "the run ended without a word (status %d)", WEXITSTATUS(status));
}

static void
tell_dirsync(struct service *service, const struct conf_dirsync *conf, const struct ending *ending)
{
    bool good = ending->result == 0 || ending->result == -EINPROGRESS;
    if (ending->result == 0)
        log_say(LOG_DIRECTORY, LEVEL_MEDIUM, NULL, "dirsync %s: %llu changes planned, %llu done", conf->title,
                (unsigned long long)ending->changes, (unsigned long long)ending->done);
    else
        log_say(LOG_DIRECTORY, good ? LEVEL_MEDIUM : LEVEL_MINIMUM, NULL, "dirsync %s: %s", conf->title,
                ending->why.text);
    if (!good)
        service_error(service, ending->why.text);
}

static void
tell_ending(struct service *service, const struct task *task, const struct ending *ending)
{
    if (task->dirsync != NULL) {
        tell_dirsync(service, task->dirsync, ending);
    } else if (ending->result < 0 && task->directory != NULL) {
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, "directory %s: %s", task->directory->title,
                ending->why.text);
        service_error(service, ending->why.text);
    } else if (ending->result < 0) {
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, "no new book: %s", ending->why.text);
        service_error(service, ending->why.text);
    }
    if (ending->published)
        log_say(LOG_DIRECTORY, LEVEL_MEDIUM, NULL, "a new generation of the book is published");
}

static void
end_task(struct service *service, int status)
{
    struct dirsync *dirsync = service->data;
    struct task task = dirsync->task;
    struct ending ending;
    read_ending(service, dirsync->child_fd, status, &ending);
    close(dirsync->child_fd);
    dirsync->child = 0;
    dirsync->book_due |= ending.result == -EBUSY || !ending.told; /* no book was built */
    tell_ending(service, &task, &ending);
    if (task.dirsync != NULL)
        plan_next(service, task.dirsync, ending.result);
    const struct conf_directory *directory =
        task.dirsync != NULL ? run_directory(service->root, task.dirsync) : task.directory;
    if (directory != NULL)
        plan_refresh(service, directory, ending.result);
}

static void
tick(struct service *service)
{
    struct dirsync *dirsync = service->data;
    int status = 0;
    look_at_sources(service);
    if (dirsync->child != 0 && waitpid(dirsync->child, &status, WNOHANG) == dirsync->child)
        end_task(service, status);
    else if (dirsync->child != 0 && monotonic_ms() > dirsync->child_ms)
        kill(dirsync->child, SIGKILL);
    if (dirsync->child == 0 && !service->ending)
        begin_due(service);
}

/* ---- life ---- */

static bool
has_servers(const struct conf_root *root)
{
    bool has = root->host.directories_n > 0;
    for (size_t i = 0; i < root->dirsyncs_n; i++)
        has |= span_equal(span_of(root->dirsyncs[i].foreign.format), SPAN("ldap"));
    return has;
}

static void
allow_file(void *arg, const char *path)
{
    service_allow_path(arg, path, false);
}

/* What lies outside the spool: sources, the files of foreign directories, what LDAP sessions need. */
static void
allow(struct service *service)
{
    const struct conf_root *root = service->root;
    for (size_t i = 0; i < root->book.source.n; i++)
        service_allow_parent(service, root->book.source.at[i], false);
    for (size_t i = 0; i < root->host.directories_n; i++)
        ldap_link_paths(&root->host.directories[i], allow_file, service);
    for (size_t i = 0; i < root->dirsyncs_n; i++) {
        const struct conf_foreign *foreign = &root->dirsyncs[i].foreign;
        if (span_equal(span_of(foreign->format), SPAN("ldap")))
            ldap_link_paths(&foreign->directory, allow_file, service);
        if (foreign->read != NULL)
            service_allow_parent(service, foreign->read, false);
        if (foreign->write != NULL)
            service_allow_parent(service, foreign->write, true);
    }
}

/* Libraries load what they need while they may. */
static void
preload(const struct conf_root *root)
{
    for (size_t i = 0; i < root->host.directories_n; i++)
        ldap_link_preload(&root->host.directories[i]);
    for (size_t i = 0; i < root->dirsyncs_n; i++) {
        ldap_link_preload(&root->dirsyncs[i].foreign.directory);
        run_address_type(root, &root->dirsyncs[i]); /* a module from outside */
    }
}

static int
prepare(struct service *service)
{
    struct dirsync *dirsync = xcalloc(1, sizeof *dirsync);
    const struct conf_root *root = service->root;
    service->data = dirsync;
    dirsync->run_s = xcalloc(root->dirsyncs_n + 1, sizeof *dirsync->run_s);
    dirsync->refresh_ms = xcalloc(root->host.directories_n + 1, sizeof *dirsync->refresh_ms);
    dirsync->book_fd = folder_open(service->spool_fd, FOLDER_BOOK, NULL);
    dirsync->folder_fd = folder_open(service->spool_fd, FOLDER_DIRSYNC, NULL);
    if (!has_servers(root))
        service->network = NETWORK_NONE;
    preload(root);
    allow(service);
    return dirsync->book_fd < 0 ? dirsync->book_fd : dirsync->folder_fd < 0 ? dirsync->folder_fd : 0;
}

static int
begin(struct service *service)
{
    plan_ahead(service);
    tick(service);
    return 0;
}

/* What is half done is done again: nothing is lost by an end in the midst. */
static void
drain(struct service *service)
{
    struct dirsync *dirsync = service->data;
    if (dirsync->child != 0)
        kill(dirsync->child, SIGKILL);
}

/* What came through a system is judged here, and used by the next run. It is hostile: a crash costs a restart, and the third one
 * of the same item puts it aside. */
static struct judgement
take(struct service *service, struct job *job)
{
    struct dirsync *dirsync = service->data;
    const struct conf_dirsync *whose = NULL;
    struct why why = {"", ""};
    struct dir_context context = {.root = service->root,
                                  .spool_fd = service->spool_fd,
                                  .folder_fd = dirsync->folder_fd,
                                  .deadline_ms = monotonic_ms() + GRACE_MS};
    bool goes_on = false;
    int r = side_gwise_answer(&context, job->connector, &job->file, &whose, &goes_on, &why);
    if (r == 0 && goes_on) {
        dirsync->run_s[whose - service->root->dirsyncs] = time_ms() / 1000;
        dirsync->answered = dirsync->child != 0 && dirsync->task.dirsync == whose;
    }
    if (r == 0)
        return judge(VERDICT_DONE, "", "the answer that dirsync %s waits for%s", whose->title,
                     goes_on ? "" : ": whoever asked by `viaduct dirsync plan` says that again");
    if (r == -ENOENT)
        return judge(VERDICT_DONE, "", "%s", why.text);
    return judge(r == -EBADMSG ? VERDICT_BAD : VERDICT_NONE, why.status, "%s", why.text);
}

static const struct worker dirsync_worker = {.id = WORKER_DIRSYNC,
                                             .max_in_hand = 1,
                                             .network = NETWORK_CONNECT,
                                             .prepare = prepare,
                                             .begin = begin,
                                             .take = take,
                                             .tick = tick,
                                             .drain = drain};

int
main(int argc, char **argv)
{
    return worker_main(&dirsync_worker, argc, argv);
}
