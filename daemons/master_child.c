/* master_child.c - starting, watching and restarting workers (see master.h)
 *
 *     WAITING --time--> RUNNING --dies--> WAITING (again, at once for the first three, then after 1, 2, 4 ...
 * 60 seconds)
 *                          \--told to end--> ENDING --dies--> GONE
 *
 * At once is for a worker that crashed: what it had in hand waits. One that cannot even start (no program, no
 * descriptors, an error in its configuration) is started at most once a second, and then more and more rarely.
 *
 * A worker that does not turn its loop for five minutes hangs, so does one that five minutes after its start has not come to
 * that; it is killed and counts as dead. Under a wrapper (a debugger, perhaps) it has all the time that it wants.
 *
 * SECURITY: between fork and exec the child becomes its user; it gets no descriptors but stderr, the snapshot,
 * its listeners and its own private keys, and an environment of a few variables.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/planted.h"
#include "common/secret.h"
#include "daemons/master.h"

enum {
    ARGUMENTS_MAX = 2 * LISTENERS_MAX + 40,
    QUICK_MS = 10000,
    QUICK_FREE = 3,
    BACKOFF_MAX_MS = 60000,
    END_GRACE_MS = 75 * 60000,
    STILL_LOOKS = 3,
    NO_START_MS = 1000, /* between two starts of a worker that does not come to work */
    EXIT_CONFIG = 3,
    EXIT_SYSTEM = 71,
    EXIT_NOT_RUN = 127 /* as the dynamic linker ends where a library is missing */
};

/* ---- the child's side ---- */

/* Capabilities that no program below can get back, whatever files it may find. */
static void
empty_bounding_set(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            _exit(EXIT_SYSTEM);
}

static void
become(const struct identity *identity)
{
    if (identity == NULL)
        return;
    empty_bounding_set();
    if (setgroups(identity->n_groups, identity->groups) < 0 ||
        setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) < 0 || setuid(0) == 0)
        _exit(EXIT_SYSTEM);
}

static void
keep_fd(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0)
        _exit(EXIT_SYSTEM);
}

struct command {
    char *argv[ARGUMENTS_MAX];
    size_t n;
};

static void
add_argument(struct command *command, const char *text)
{
    BUG_UNLESS(command->n + 1 < ARGUMENTS_MAX);
    command->argv[command->n++] = xstrdup(text);
}

static void
add_words(struct command *command, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, " ");
        char *word = xstrndup(at, len);
        if (len > 0)
            add_argument(command, word);
        free(word);
        at += len + (at[len] == ' ');
    }
}

static void
build_command(struct master *master, const struct child *child, struct command *command)
{
    char text[4200];
    if (master->wrapper_instance != NULL && strcmp(master->wrapper_instance, child->instance) == 0)
        add_words(command, master->wrapper_command);
    snprintf(text, sizeof text, "%s/viaduct-%s", master->program_folder, worker_table[child->worker].program);
    add_argument(command, text);
    add_argument(command, "--conf-fd");
    snprintf(text, sizeof text, "%d", master->snapshot_fd);
    add_argument(command, text);
    add_argument(command, "--slot");
    snprintf(text, sizeof text, "%u", master->next_slot);
    add_argument(command, text);
    if (child->connector[0] != '\0') {
        add_argument(command, "--connector");
        add_argument(command, child->connector);
    }
    for (size_t i = 0; i < master->n_listeners; i++) {
        if (!listener_is_for(master, child, master->listeners[i].address))
            continue;
        snprintf(text, sizeof text, "%s=%d", master->listeners[i].address, master->listeners[i].fd);
        add_argument(command, "--listen");
        add_argument(command, text);
    }
}

_Noreturn static void
child_exec(struct master *master, const struct child *child, const struct identity *identity, pid_t master_pid)
{
    static char path[] = "PATH=/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
    char *environment[] = {path, lang, NULL, NULL, NULL, NULL, NULL, NULL};
    static const char *const passed[] = {"TZ", "VIADUCT_BUG", "ASAN_OPTIONS", "KRB5_CONFIG"};
    struct command command = {.n = 0};
    sigset_t none;
    size_t n = 2;
    build_command(master, child, &command);
    keep_fd(master->snapshot_fd);
    for (size_t i = 0; i < master->n_listeners; i++)
        if (listener_is_for(master, child, master->listeners[i].address))
            keep_fd(master->listeners[i].fd);
    for (size_t i = 0; i < COUNT_OF(passed); i++)
        if (getenv(passed[i]) != NULL)
            environment[n++] = xasprintf("%s=%s", passed[i], getenv(passed[i]));
    if (identity != NULL &&
        (environment[n] = secrets_open(master->root, child->worker, child->connector)) != NULL)
        n++;
    become(identity);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != master_pid) /* it ended before the line above could tell us */
        _exit(EXIT_SYSTEM);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(command.argv[0], command.argv, environment);
    fprintf(stderr, "by=master say=\"cannot run %s: %s\"\n", command.argv[0], strerror(errno));
    _exit(EXIT_NOT_RUN);
}

/* ---- the master's side ---- */

static void
child_start(struct master *master, struct child *child)
{
    struct identity identity = {.groups = NULL};
    struct why why;
    bool own_user = geteuid() == 0; /* no worker is ever root */
    BUG_UNLESS(!own_user || master->ownership != NULL);
    if (own_user &&
        ownership_identity(master->ownership, child->worker, child->connector, &identity, &why) < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "cannot start %s: %s", child->instance, why.text);
        child->next_start_ms = monotonic_ms() + BACKOFF_MAX_MS;
        free(identity.groups);
        return;
    }
    if (listener_wake(master, child) < 0) {
        child->next_start_ms = monotonic_ms() + BACKOFF_MAX_MS;
        free(identity.groups);
        return;
    }
    master->next_slot = master->next_slot % 39999 + 1;
    log_flush();
    pid_t master_pid = getpid(), pid = fork();
    if (pid == 0)
        child_exec(master, child, own_user ? &identity : NULL, master_pid);
    free(identity.groups);
    if (pid < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "cannot start %s: %s; trying again in a second",
                child->instance, strerror(errno));
        child->next_start_ms = monotonic_ms() + 1000;
        return;
    }
    child->pid = pid;
    child->state = CHILD_RUNNING;
    child->ready = child->stuck = false;
    child->still = 0;
    child->started_ms = monotonic_ms();
    child->since_s = time_ms() / 1000;
    master->dirty = true;
}

void
child_start_due(struct master *master)
{
    int64_t now_ms = monotonic_ms();
    for (struct child *child = master->children; child != NULL; child = child->next)
        if (child->state == CHILD_WAITING && now_ms >= child->next_start_ms)
            child_start(master, child);
}

static void
describe_death(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == EXIT_NOT_RUN)
        snprintf(text, size, "could not be run (see the line before)");
    else if (WEXITSTATUS(status) == EXIT_SYSTEM)
        snprintf(text, size, "could not go on: the system refused what it needs (see its last lines)");
    else
        snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

/* It ended by itself, and not because of a message. */
static bool
could_not_start(int status)
{
    return WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_NOT_RUN || WEXITSTATUS(status) == EXIT_SYSTEM ||
                                 WEXITSTATUS(status) == EXIT_CONFIG);
}

static int64_t
backoff_ms(const struct child *child, int status)
{
    unsigned quick_deaths = child->quick_deaths;
    if (quick_deaths <= QUICK_FREE)
        return could_not_start(status) || child->stuck ? NO_START_MS : 0;
    int64_t wait = 1000;
    for (unsigned i = QUICK_FREE + 1; i < quick_deaths && wait < BACKOFF_MAX_MS; i++)
        wait *= 2;
    return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}

static void
child_died(struct master *master, struct child *child, int status)
{
    char how[160];
    int64_t now_ms = monotonic_ms();
    describe_death(status, how, sizeof how);
    child->last_status = status;
    child->pid = 0;
    child->since_s = time_ms() / 1000;
    master->dirty = true;
    if (child->optional && WIFEXITED(status) && WEXITSTATUS(status) == WORKER_UNUSED) {
        child->state = CHILD_GONE; /* it said why */
        return;
    }
    bool over =
        master->stopping && master->drain_deadline_ms == 0; /* a drain has work for it, up to its deadline */
    if (child->state == CHILD_ENDING || over) {
        child->state = CHILD_GONE;
        if (status != 0)
            log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "%s %s while ending", child->instance, how);
        return;
    }
    bool quick = child->stuck || now_ms - child->started_ms < QUICK_MS;
    child->quick_deaths = quick ? child->quick_deaths + 1 : 1;
    child->restarts++;
    int64_t wait_ms = backoff_ms(child, status);
    child->next_start_ms = now_ms + wait_ms;
    child->state = CHILD_WAITING;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s %s; starting it again%s%lld%s", child->instance, how,
            wait_ms > 0 ? " in " : " at once (", (long long)wait_ms / 1000,
            wait_ms > 0 ? " seconds" : " seconds)");
}

static void
forget_gone(struct master *master)
{
    for (struct child **at = &master->children; *at != NULL;) {
        struct child *child = *at;
        if (child->state != CHILD_GONE) {
            at = &child->next;
            continue;
        }
        *at = child->next;
        free(child);
        master->dirty = true;
    }
}

void
child_reap(struct master *master)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (struct child *child = master->children; child != NULL; child = child->next)
            if (child->pid == pid)
                child_died(master, child, status);
    forget_gone(master);
}

static bool
takes_in(const struct child *child)
{
    return child->worker == WORKER_INBOUND || child->worker == WORKER_PICKUP;
}

void
child_end_all(struct master *master, unsigned before_generation, bool inbound_only)
{
    for (struct child *child = master->children; child != NULL; child = child->next) {
        if (child->generation >= before_generation)
            continue;
        if (inbound_only && !takes_in(child))
            continue;
        if (child->state == CHILD_RUNNING) {
            kill(child->pid, SIGTERM);
            child->end_by_ms = monotonic_ms() + END_GRACE_MS;
        }
        child->state = child->state == CHILD_WAITING ? CHILD_GONE : CHILD_ENDING;
    }
    forget_gone(master);
}

void
child_kill_all(struct master *master)
{
    for (struct child *child = master->children; child != NULL; child = child->next)
        if (child->pid > 0)
            kill(child->pid, SIGKILL);
}

bool
child_any(const struct master *master)
{
    return master->children != NULL;
}

bool
child_takes_in(const struct master *master)
{
    for (const struct child *child = master->children; child != NULL; child = child->next)
        if (takes_in(child))
            return true;
    return false;
}

/* Finds the lane whose page has this process, and looks at its heartbeat. */
static int64_t
last_beat_ms(int state_fd, const struct child *child)
{
    static struct state_page page;
    for (int lane = 0; lane < STATE_LANES; lane++) {
        char name[120];
        snprintf(name, sizeof name, "%s.%d", child->instance, lane);
        if (state_read(state_fd, name, &page) == 0 && page.pid == child->pid && page.ready)
            return page.beat_ms;
    }
    return 0;
}

static bool
is_wrapped(const struct master *master, const struct child *child)
{
    return master->wrapper_instance != NULL && strcmp(master->wrapper_instance, child->instance) == 0;
}

bool
child_is_ready(struct master *master, struct child *child)
{
    bool wrapped = is_wrapped(master, child);
    int state = child->ready || wrapped ? -1 : folder_open(master->spool_fd, FOLDER_STATE, NULL);
    if (state >= 0) {
        child->ready = last_beat_ms(state, child) > 0;
        close(state);
    }
    return child->ready || wrapped;
}

static void
kill_hanging(struct child *child, const char *what)
{
    if (planted_bug("nowatch"))
        return;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s hangs: %s %d seconds; killing it", child->instance, what,
            HANG_MS / 1000);
    kill(child->pid, SIGKILL);
}

/* The wall clock may jump, and the master itself may have stood still: only a heart that stood still over several looks counts, or
 * one that has never beaten. */
static void
watch_heart(struct master *master, struct child *child)
{
    int64_t now_ms = monotonic_ms(), patience_ms = planted_ms("VIADUCT_HANG_MS", HANG_MS);
    int state = folder_open(master->spool_fd, FOLDER_STATE, NULL);
    int64_t beat_ms = state < 0 ? 0 : last_beat_ms(state, child);
    if (state >= 0)
        close(state);
    child->ready = child->ready || beat_ms > 0;
    if (beat_ms == 0 || beat_ms != child->last_beat_ms) {
        child->last_beat_ms = beat_ms;
        child->beat_seen_ms = now_ms;
        child->still = 0;
    } else if (++child->still >= STILL_LOOKS && now_ms - child->beat_seen_ms > patience_ms) {
        kill_hanging(child, "its loop has not turned for");
    }
    if (state >= 0 && !child->ready && !is_wrapped(master, child) && now_ms - child->started_ms > patience_ms) {
        child->stuck = true;
        kill_hanging(child, "it was started and has not come to work for");
    }
}

/* Called once a second; looks at one worker in turn, so that the cost does not grow with their number, and at those that are
 * about to start, or may stand still. */
void
child_watch(struct master *master)
{
    static unsigned turn;
    unsigned n = 0, i = 0;
    for (struct child *child = master->children; child != NULL; child = child->next)
        n++;
    unsigned wanted = n > 0 ? turn++ % n : 0;
    for (struct child *child = master->children; child != NULL; child = child->next) {
        if (child->state == CHILD_ENDING && monotonic_ms() > child->end_by_ms) {
            log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s has not ended in %d minutes: killing it",
                    child->instance, END_GRACE_MS / 60000);
            kill(child->pid, SIGKILL);
        }
        bool doubtful = child->still > 0 || (!child->ready && !is_wrapped(master, child));
        if ((i++ == wanted || doubtful) && child->state == CHILD_RUNNING)
            watch_heart(master, child);
    }
}
