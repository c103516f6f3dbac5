/* master.c - the supervisor: reads the configuration, starts, watches and restarts workers (see master.h)
 *
 *     START --> RUN <--> RELOAD (SIGHUP)          RUN --> DRAIN (SIGTERM, where control/master/drain asks for
 * it) --> STOP --> END
 *
 * It never reads a message. All it shares with its workers are inherited descriptors (listeners, the snapshot
 * of the configuration), signals and exit statuses. A reload starts a new generation of workers beside the old
 * one, which finishes what it has in hand: listeners stay open throughout, sessions go on, and where the new
 * configuration has an error nothing changes.
 *
 * SECURITY: the only process that is root, where viaduct is started as root.
 */
#include "daemons/master.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "systems/readiness.h"

enum {
    EXIT_CONFIG = 3,
    EXIT_PERMISSION = 5,
    EXIT_GUARD = 6,
    EXIT_SYSTEM = 71,
    TURN_MS = 250,
    ONCE_TURN_MS = 20,
    IDLE_MS = 150
};

/* ---- configuration ---- */

/* A file in memory that workers read: sealed, so that none of them can change what the others see. */
static int
make_snapshot(const struct conf *conf)
{
    struct buf text = {0};
    conf_print(conf, false, &text);
    int fd = memfd_create("viaduct.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool written = fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len;
    buf_clear(&text);
    if (written && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int
load(struct master *master, struct buf *errors)
{
    struct conf *conf = conf_load(master->conf_path, errors);
    if (conf == NULL)
        return -EINVAL;
    if (readiness_check(conf, errors) < 0) {
        conf_free(conf);
        return -EINVAL;
    }
    int snapshot = make_snapshot(conf);
    if (snapshot < 0) {
        buf_printf(errors, "cannot make the workers' snapshot of the configuration: %s\n", strerror(errno));
        conf_free(conf);
        return -EIO;
    }
    master->conf = conf;
    master->root = conf_root(conf);
    master->snapshot_fd = snapshot;
    master->loaded_s = time_ms() / 1000;
    master->generation++;
    return 0;
}

/* All that can fail is done before anything changes. */
static int
try_reload(struct master *master, struct buf *errors)
{
    struct master old = *master;
    struct why why = {"", ""};
    int r = load(master, errors);
    if (r == 0 && strcmp(old.root->spool, master->root->spool) != 0)
        r = why_set(&why, "5.3.5", "the spool cannot be changed by a reload (%s to %s): stop, move it, start",
                    old.root->spool, master->root->spool);
    if (r == 0)
        r = plan_check_removed(&old, master->root, &why);
    if (r == 0)
        r = plan_spool(master, &why);
    if (r == 0)
        r = listener_plan(master, &why);
    if (r == 0) {
        if (master->ownership != old.ownership)
            ownership_free(old.ownership);
        conf_free(old.conf);
        close(old.snapshot_fd);
        return 0;
    }
    if (master->ownership != old.ownership)
        ownership_free(master->ownership);
    for (size_t i = old.n_listeners; i < master->n_listeners; i++)
        close(master->listeners[i].fd); /* opened for the configuration that is refused */
    master->ownership = old.ownership;
    master->n_listeners = old.n_listeners;
    if (why.text[0] != '\0')
        buf_printf(errors, "%s\n", why.text);
    if (master->conf != old.conf) {
        conf_free(master->conf);
        close(master->snapshot_fd);
    }
    master->conf = old.conf;
    master->root = old.root;
    master->snapshot_fd = old.snapshot_fd;
    master->generation = old.generation;
    master->loaded_s = old.loaded_s;
    return r;
}

static void
log_refused(const struct buf *errors)
{
    for (const char *at = errors->at; at != NULL && *at != '\0';) {
        int len = (int)strcspn(at, "\n");
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "reload refused, the old configuration stays: %.*s", len, at);
        at += len + (at[len] == '\n');
    }
}

/* New workers beside the old ones, which finish what they have in hand. */
static void
begin_generation(struct master *master)
{
    tree_remember(master);
    plan_children(master);
    child_start_due(master);
    child_end_all(master, master->generation, false);
}

/* A folder was made anew: it gets its owners, and workers that know it. Tried again where that fails. */
static void
meet_another_tree(struct master *master)
{
    struct ownership *old = master->ownership;
    struct why why = {"", ""};
    int r = 0;
    if (old != NULL) /* workers stay who they are, whatever the repair has dealt out */
        r = ownership_keep(old, &why);
    if (r == 0)
        r = plan_spool(master, &why);
    if (master->ownership != old)
        ownership_free(old);
    if (r == 0)
        r = status_open(master, &why);
    if (r < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s", why.text);
        return;
    }
    master->generation++;
    master->dirty = true;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
            "folders of the spool were made anew: starting workers that know them, generation %u",
            master->generation);
    begin_generation(master);
}

static void
reload(struct master *master)
{
    struct buf errors = {0};
    status_notify_reloading();
    int r = try_reload(master, &errors);
    master_log_reopen(master); /* also where it is refused: the file may have been moved away */
    if (r < 0) {
        snprintf(master->conf_error, sizeof master->conf_error, "%.*s", (int)strcspn(errors.at, "\n"),
                 errors.at);
        log_refused(&errors);
    } else {
        master->conf_error[0] = '\0';
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "reloaded: generation %u", master->generation);
        begin_generation(master);
    }
    master->reloads++;
    buf_clear(&errors);
    status_notify_ready(master);
    master->dirty = true;
}

/* ---- end ---- */

/* `viaduct stop --drain` leaves the number of seconds in control/master/drain. */
static int64_t
drain_asked_ms(const struct master *master)
{
    char path[SPOOL_PATH_MAX + 20], folder[SPOOL_PATH_MAX], text[32];
    uint64_t seconds;
    folder_path(FOLDER_CONTROL, NULL, folder);
    snprintf(path, sizeof path, "%s/master/drain", folder);
    int fd = openat(master->spool_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0) {
        close(fd);
        unlinkat(master->spool_fd, path, 0);
    }
    if (n <= 0 || !span_to_u64(span_trim((struct span){text, (size_t)n}), 86400, &seconds))
        return 0;
    return (int64_t)seconds * 1000;
}

static void
begin_stop(struct master *master)
{
    int64_t drain_ms = drain_asked_ms(master), now_ms = monotonic_ms();
    status_notify("STOPPING=1\nSTATUS=%s", drain_ms > 0 ? "draining: no mail is taken in" : "stopping");
    master->stopping = true;
    master->dirty = true;
    if (drain_ms > 0 && master->drain_deadline_ms == 0) {
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL,
                "stopping: taking nothing more in, draining for %lld seconds at most",
                (long long)drain_ms / 1000);
        master->drain_deadline_ms = now_ms + drain_ms;
        child_end_all(master, UINT32_MAX, true);
        return;
    }
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "stopping: workers finish what they have in hand");
    master->drain_deadline_ms = 0;
    master->stop_deadline_ms = now_ms + STOP_GRACE_MS;
    child_end_all(master, UINT32_MAX, false);
}

static void
go_on_stopping(struct master *master)
{
    int64_t now_ms = monotonic_ms();
    if (master->drain_deadline_ms > 0 && (now_ms >= master->drain_deadline_ms ||
                                          (!child_takes_in(master) && plan_road_is_empty(master, false)))) {
        master->drain_deadline_ms = 0;
        master->stop_deadline_ms = now_ms + STOP_GRACE_MS;
        child_end_all(master, UINT32_MAX, false);
    }
    if (master->stop_deadline_ms > 0 && now_ms >= master->stop_deadline_ms) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "some workers did not end in %d seconds: killing them; what they had in hand is taken again",
                STOP_GRACE_MS / 1000);
        child_kill_all(master);
        master->stop_deadline_ms = now_ms + 1000;
    }
}

/* ---- loop ---- */

/* --once: through when nothing moves on the road for a moment. */
static void
look_whether_idle(struct master *master)
{
    int64_t now_ms = monotonic_ms();
    if (!plan_road_is_empty(master, true))
        master->idle_since_ms = 0;
    else if (master->idle_since_ms == 0)
        master->idle_since_ms = now_ms;
    else if (now_ms - master->idle_since_ms >= IDLE_MS)
        begin_stop(master);
}

static void
on_signal(struct master *master, uint32_t signal_number)
{
    if (signal_number == SIGHUP && !master->stopping)
        reload(master);
    bool shortens = master->stopping && master->drain_deadline_ms > 0; /* asked once more: no more draining */
    if ((signal_number == SIGTERM || signal_number == SIGINT) && (!master->stopping || shortens))
        begin_stop(master);
}

static void
each_turn(struct master *master)
{
    static int64_t last_s;
    int64_t now_s = monotonic_ms() / 1000;
    child_reap(master);
    if (!master->stopping || master->drain_deadline_ms > 0)
        child_start_due(master);
    if (master->once && !master->stopping)
        look_whether_idle(master);
    if (master->stopping)
        go_on_stopping(master);
    if (now_s != last_s) {
        last_s = now_s;
        child_watch(master);
        listener_watch(master);
        if (!master->stopping && tree_is_another(master))
            meet_another_tree(master);
        if (now_s % 30 == 0)
            hold_release_due(master);
        status_notify("WATCHDOG=1");
    }
    if (master->dirty)
        status_write(master);
    log_flush();
}

static void
run(struct master *master, int signals)
{
    while (!master->stopping || child_any(master)) {
        struct pollfd fd = {signals, POLLIN, 0};
        int n = poll(&fd, 1, master->once ? ONCE_TURN_MS : TURN_MS);
        struct signalfd_siginfo info;
        while (n > 0 && read(signals, &info, sizeof info) == (ssize_t)sizeof info)
            on_signal(master, info.ssi_signo);
        each_turn(master);
    }
}

/* ---- start ---- */

static int
usage(void)
{
    fprintf(stderr,
            "usage: viaduct-master [-c FILE] [--foreground] [--once] [--wrapper INSTANCE=COMMAND]\n"
            "  -c FILE        configuration (" VIADUCT_SYSCONFDIR "/viaduct/viaduct.conf)\n"
            "  --foreground   stay in the foreground, log to stderr\n"
            "  --once         run until the road is empty, then end (implies --foreground)\n"
            "  --wrapper I=C  start the worker I (as cleanup, outbound-gateway-branch) under the command C\n");
    return 2;
}

static int
parse(struct master *master, int argc, char **argv)
{
    static const struct option options[] = {{"foreground", no_argument, NULL, 'f'},
                                            {"once", no_argument, NULL, 'o'},
                                            {"wrapper", required_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        char *equals = c == 'w' ? strchr(optarg, '=') : NULL;
        if (c == 'c') {
            master->conf_path = optarg;
        } else if (c == 'f' || c == 'o') {
            master->foreground = true;
            master->once = master->once || c == 'o';
        } else if (equals != NULL) {
            *equals = '\0';
            master->wrapper_instance = optarg;
            master->wrapper_command = equals + 1;
        } else {
            return -EINVAL;
        }
    }
    return optind == argc ? 0 : -EINVAL;
}

/* Workers stand beside the master: in the installation, and in a build folder. */
static const char *
own_folder(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return VIADUCT_LIBEXECDIR;
    path[n] = '\0';
    return dirname(path);
}

/* One master for one spool. The lock is on the spool itself: no folder within that somebody removes takes it along. */
static int
lock_spool(struct master *master, struct why *why)
{
    const char *path = master->root->spool;
    if (mkdir(path, 0711) < 0 && errno != EEXIST) {
        int r = -errno;
        why_set(why, "4.3.0", "cannot create the spool %s: %s", path, strerror(-r));
        return r;
    }
    master->lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = master->lock_fd < 0 ? -errno : spool_lock(master->lock_fd);
    if (r == -EBUSY)
        why_set(why, "5.3.5", "another viaduct-master runs on the spool %s; `viaduct status` tells which",
                path);
    else if (r < 0)
        why_set(why, "5.3.5", "cannot lock the spool %s: %s", path, strerror(-r));
    return r;
}

/* Nothing is touched before the lock is had. */
static int
open_spool(struct master *master)
{
    struct why why = {"", ""};
    int r = lock_spool(master, &why);
    if (r == 0)
        r = plan_spool(master, &why);
    if (r == 0 && geteuid() == 0) {
        master->ownership = ownership_open(master->spool_fd, master->root, &why);
        r = master->ownership == NULL ? -EINVAL : ownership_apply(master->ownership, &why);
    }
    if (r == 0)
        r = listener_plan(master, &why);
    if (r == 0)
        r = status_open(master, &why);
    if (r < 0)
        fprintf(stderr, "viaduct-master: %s\n", why.text);
    return r;
}

/* Into the background: the caller learns by the exit status whether the start went well. */
static void
detach(int *tell)
{
    int ends[2];
    *tell = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid_t pid = fork();
    if (pid > 0) {
        unsigned char status = EXIT_SYSTEM;
        close(ends[1]);
        if (read(ends[0], &status, 1) < 0)
            status = EXIT_SYSTEM;
        _exit(status);
    }
    close(ends[0]);
    setsid();
    *tell = ends[1];
}

static void
started(int tell)
{
    unsigned char status = 0;
    if (tell < 0)
        return;
    if (write(tell, &status, 1) < 0) {
        /* the caller has gone */
    }
    close(tell);
}

static int
block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int
fail(int tell, int status)
{
    unsigned char byte = (unsigned char)status;
    if (tell >= 0 && write(tell, &byte, 1) < 0) {
        /* the caller has gone */
    }
    return status;
}

int
main(int argc, char **argv)
{
    struct master master = {.conf_path = VIADUCT_SYSCONFDIR "/viaduct/viaduct.conf",
                            .spool_fd = -1,
                            .lock_fd = -1,
                            .status_fd = -1,
                            .stderr_fd = -1};
    struct buf errors = {0};
    int tell = -1;
    if (parse(&master, argc, argv) < 0)
        return usage();
    if (load(&master, &errors) < 0) {
        fprintf(stderr, "%s", errors.at);
        return EXIT_CONFIG;
    }
    umask(0007);
    if (master.root->privileges.sandbox) /* its memory holds passwords of the configuration */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    master.program_folder = own_folder();
    if (!master.foreground)
        detach(&tell);
    int r = open_spool(&master);
    if (r < 0)
        return fail(tell, r == -EBUSY                   ? EXIT_GUARD
                          : r == -EACCES || r == -EPERM ? EXIT_PERMISSION
                                                        : EXIT_SYSTEM);
    if (master_log_open(&master) < 0)
        return fail(tell, EXIT_SYSTEM);
    int signals = block_signals();
    master.started_s = time_ms() / 1000;
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "viaduct %s starts on %s%s", PACKAGE_VERSION, master.root->spool,
            geteuid() == 0 ? "" : " as an ordinary user: all workers run under this user");
    tree_remember(&master);
    plan_children(&master);
    child_start_due(&master);
    status_write(&master);
    started(tell);
    status_notify_ready(&master);
    run(&master, signals);
    status_write(&master);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "viaduct has stopped");
    log_flush();
    return 0;
}
