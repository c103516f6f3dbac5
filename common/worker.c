/* worker.c - the skeleton's story: arguments, start, loop, end (see worker.h)
 *
 *        START --> OPEN folders --> PREPARE (worker) --> SANDBOX --> SWEEP Temp --> SUSPECTS --> LOOP --> END
 *
 * The order matters: what needs rights (listeners, keys, modules) comes before the sandbox; what touches
 * messages after it.
 */
#include "common/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/worker_inside.h"

enum { EXIT_CONFIG = 3, EXIT_SYSTEM = 71, DESCRIPTORS_WANTED = 16384 };

struct arguments {
    const char *conf_path, *connector;
    int conf_fd;
    unsigned slot;
    bool once;
};

struct judgement
judge(enum verdict verdict, const char *status, const char *format, ...)
{
    struct judgement judgement = {.verdict = verdict};
    char text[sizeof judgement.why.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(&judgement.why, status, "%s", text);
    return judgement;
}

/* ---- start ---- */

static int
add_listener(struct service *service, const char *text)
{
    struct service_inside *in = service->inside;
    const char *equals = strrchr(text, '=');
    uint64_t fd;
    if (equals == NULL || !span_to_u64(span_of(equals + 1), 1 << 20, &fd))
        return -EINVAL;
    in->listeners = xrealloc(in->listeners, (in->n_listeners + 1) * sizeof *in->listeners);
    char *address = xstrdup(text);
    address[equals - text] = '\0';
    in->listeners[in->n_listeners++] = (struct listener){address, (int)fd};
    return 0;
}

static int
usage(const char *program)
{
    fprintf(
        stderr,
        "usage: %s -c FILE [--connector NAME] [--once]\n"
        "Workers are started by viaduct-master; by hand only for one run, as the user who owns the spool.\n",
        program);
    return 2;
}

static int
parse_arguments(struct service *service, struct arguments *args, int argc, char **argv)
{
    static const struct option options[] = {
        {"conf-fd", required_argument, NULL, 'f'}, {"connector", required_argument, NULL, 'n'},
        {"slot", required_argument, NULL, 's'},    {"listen", required_argument, NULL, 'l'},
        {"once", no_argument, NULL, 'o'},          {NULL, 0, NULL, 0},
    };
    uint64_t number;
    *args = (struct arguments){.conf_fd = -1, .slot = 40000 + (unsigned)getpid() % 20000};
    for (int c; (c = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            args->conf_path = optarg;
            break;
        case 'f':
            if (!span_to_u64(span_of(optarg), 1 << 20, &number))
                return -EINVAL;
            args->conf_fd = (int)number;
            break;
        case 'n':
            args->connector = optarg;
            break;
        case 's':
            if (!span_to_u64(span_of(optarg), UINT16_MAX, &number))
                return -EINVAL;
            args->slot = (unsigned)number;
            break;
        case 'l':
            if (add_listener(service, optarg) < 0)
                return -EINVAL;
            break;
        case 'o':
            args->once = true;
            break;
        default:
            return -EINVAL;
        }
    }
    return optind == argc && (args->conf_path != NULL || args->conf_fd >= 0) ? 0 : -EINVAL;
}

/* The snapshot that the master made, by pread: the descriptor's offset is shared with others. */
static struct conf *
read_snapshot(int fd, struct buf *errors)
{
    struct buf text = {0};
    for (off_t at = 0;;) {
        buf_reserve(&text, 65536);
        ssize_t n = pread(fd, text.at + text.len, 65536, at);
        if (n <= 0)
            break;
        text.len += (size_t)n;
        at += n;
    }
    struct conf *conf = conf_read("snapshot", buf_span(&text), errors);
    buf_clear(&text);
    close(fd);
    return conf;
}

static int
load_configuration(struct service *service, const struct arguments *args)
{
    struct buf errors = {0};
    service->conf =
        args->conf_fd >= 0 ? read_snapshot(args->conf_fd, &errors) : conf_load(args->conf_path, &errors);
    if (service->conf == NULL)
        fprintf(stderr, "%s", errors.len > 0 ? errors.at : "the configuration cannot be read\n");
    buf_clear(&errors);
    if (service->conf == NULL)
        return -EINVAL;
    service->root = conf_root(service->conf);
    return 0;
}

static int
choose_connector(struct service *service, const char *name)
{
    bool wanted = worker_table[service->worker->id].per != PER_ONE;
    service->connector_name = "";
    if (!wanted && name == NULL)
        return 0;
    if (!wanted || name == NULL) {
        fprintf(stderr, wanted ? "--connector is needed\n" : "there is one of this worker: no --connector\n");
        return -EINVAL;
    }
    service->connector = conf_connector_find(service->root, name);
    if (service->connector == NULL && strcmp(name, "host") != 0) {
        fprintf(stderr, "no connector \"%s\" in the configuration\n", name);
        return -EINVAL;
    }
    service->connector_name = xstrdup(name);
    return 0;
}

static void
list_connectors(struct service *service)
{
    struct service_inside *in = service->inside;
    const struct conf_root *root = service->root;
    in->n_connectors = root->connectors_n + 1;
    in->connectors = xcalloc(in->n_connectors, sizeof *in->connectors);
    in->connectors[0] = "host";
    for (size_t i = 0; i < root->connectors_n; i++)
        in->connectors[i + 1] = root->connectors[i].title;
}

static int
open_spool(struct service *service)
{
    const struct worker_row *row = &worker_table[service->worker->id];
    const char *name = service->connector_name;
    snprintf(service->instance, sizeof service->instance, "%s%s%s", row->program, *name ? "-" : "", name);
    service->spool_fd = open(service->root->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (service->spool_fd >= 0)
        return 0;
    int r = -errno;
    fprintf(stderr, "cannot open the spool %s: %s; `viaduct spool create` makes it\n", service->root->spool,
            strerror(-r));
    return r;
}

/* Takes the first lane that nobody holds, and its Temp folder with it. */
static int
take_lane(struct service *service)
{
    struct service_inside *in = service->inside;
    int temp = folder_open(service->spool_fd, FOLDER_TEMP, NULL);
    int r = temp < 0 ? temp : -EBUSY;
    for (int lane = 0; r == -EBUSY && lane < STATE_LANES; lane++) {
        snprintf(in->lane_name, sizeof in->lane_name, "%s.%d", service->instance, lane);
        if (mkdirat(temp, in->lane_name, 0770) < 0 && errno != EEXIST)
            r = -errno;
        int fd =
            r == -EBUSY ? openat(temp, in->lane_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd < 0 && r == -EBUSY)
            r = -errno;
        if (r == -EBUSY && (r = spool_lock(fd)) == 0) {
            service->temp_fd = in->lane_fd = fd;
            in->lane = lane;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    if (temp >= 0)
        close(temp);
    if (r < 0)
        fprintf(stderr, "%s: cannot take a Temp folder: %s%s\n", service->instance, strerror(-r),
                r == -EBUSY ? "; this worker runs already" : "");
    return r;
}

static void
start_records(struct service *service)
{
    const struct conf_log *log = &service->root->log;
    int level = log_level_by_word(log->level);
    char by[80];
    snprintf(by, sizeof by, "%s%s%s", worker_table[service->worker->id].program,
             *service->connector_name ? "/" : "", service->connector_name);
    log_start(by, STDERR_FILENO, strcmp(log->format, "json") == 0,
              level < 0 ? LEVEL_MEDIUM : (enum log_level)level);
    int track = folder_open(service->spool_fd, FOLDER_TRACK, NULL);
    if (track >= 0)
        track_start(track, service->inside->lane_name);
    int counters = folder_open(service->spool_fd, FOLDER_COUNTERS, NULL);
    if (counters >= 0)
        counters_start(counters, service->inside->lane_name, service->connector_name);
}

/* ---- loop ---- */

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
    struct service *service = arg;
    (void)fd;
    (void)what;
    if (!service->ending)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "asked to end: finishing what is in hand");
    service->ending = true;
    service->inside->state->ending = 1;
    if (service->worker->drain != NULL)
        service->worker->drain(service);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg; /* the master reloads; a worker keeps its configuration for life */
}

/* A file system that turned read-only at an error of its disk is met, not announced; whether it still is, is tried once
 * a minute. */
static bool
is_read_only(const struct statvfs *vfs)
{
    enum { AGAIN_MS = 60000 };
    int64_t met = queue_met_read_only_ms(), now = time_ms();
    return (vfs->f_flag & ST_RDONLY) || (met > 0 && now >= met && now - met < AGAIN_MS);
}

static void
say_room(const struct statvfs *vfs, bool read_only, bool full)
{
    if (read_only) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "the spool's file system is read-only: taking no mail from outside (4.3.1); see the kernel's "
                "messages, "
                "repair and mount it, start again");
        return;
    }
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
            full
                ? "the spool has too little room (%llu bytes, %llu inodes): taking no mail from outside (4.3.1)"
                : "the spool has room again (%llu bytes, %llu inodes)",
            (unsigned long long)vfs->f_bavail * vfs->f_frsize, (unsigned long long)vfs->f_favail);
}

static void
check_room(struct service *service)
{
    struct statvfs vfs;
    if (fstatvfs(service->spool_fd, &vfs) < 0)
        return;
    bool read_only = is_read_only(&vfs);
    bool full = read_only || (uint64_t)vfs.f_bavail * vfs.f_frsize < service->root->space ||
                (vfs.f_files > 0 && vfs.f_favail < (fsfilcnt_t)service->root->inodes);
    if (full != service->full)
        say_room(&vfs, read_only, full);
    service->full = full;
    service->inside->state->full = full;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct service *service = arg;
    struct service_inside *in = service->inside;
    (void)fd;
    (void)what;
    in->state->beat_ms = time_ms();
    in->state->in_hand = in->in_hand;
    in->state->waiting = (uint32_t)in->n_heap;
    counter_set(COUNTER_IN_HAND, in->in_hand);
    check_room(service);
    control_tick(service);
    makers_retry(service);
    if (in->state->beat_ms / 1000 % 10 == 0)
        recover_other_lanes(service, false);
    names_scan_planned(service, false);
    if (service->worker->tick != NULL)
        service->worker->tick(service);
}

static int
start_loop(struct service *service)
{
    struct service_inside *in = service->inside;
    struct timeval second = {1, 0};
    in->tick_event = event_new(service->base, -1, EV_PERSIST, on_tick, service);
    in->term_event = evsignal_new(service->base, SIGTERM, on_term, service);
    in->int_event = evsignal_new(service->base, SIGINT, on_term, service);
    in->hup_event = evsignal_new(service->base, SIGHUP, on_hup, service);
    event_add(in->tick_event, &second);
    event_add(in->term_event, NULL);
    event_add(in->int_event, NULL);
    event_add(in->hup_event, NULL);
    if (service->worker->threads > 0)
        service->pool = commit_pool_new(service->base, service->worker->threads);
    return 0;
}

static bool
is_idle(const struct service *service)
{
    const struct service_inside *in = service->inside;
    return in->in_hand == 0 && in->settled == NULL &&
           (service->pool == NULL || commit_pool_pending(service->pool) == 0) &&
           (service->worker->busy == NULL || !service->worker->busy((struct service *)(uintptr_t)service));
}

/* True when the worker is through: asked to end, or --once with nothing left. */
static bool
is_through(struct service *service)
{
    if (!is_idle(service))
        return false;
    if (service->ending)
        return true;
    struct service_inside *in = service->inside;
    if (!service->once || names_pending(service) || in->suspects_running)
        return false;
    if (in->idle_moves == in->state->moves + 1) /* looked since the last move: what is left stays where it is */
        return true;
    in->idle_moves = in->state->moves + 1;
    names_scan_planned(service, true);
    return !names_pending(service);
}

static void
run_loop(struct service *service)
{
    struct service_inside *in = service->inside;
    while (in->exit_status == 0 && !is_through(service)) {
        bool alone = in->suspects_running && in->in_hand > in->n_waiting;
        bool work = names_pending(service) && !service->ending && !alone && in->in_hand < in->n_jobs &&
                    monotonic_ms() >= in->pause_until_ms;
        bool block = !work && (!service->once || names_pending(service) || !is_idle(service));
        event_base_loop(service->base, EVLOOP_ONCE | (block ? 0 : EVLOOP_NONBLOCK));
        jobs_take(service);
        jobs_act(service);
        int logged = log_flush();
        if (service->pool != NULL && logged == 0) /* records before the moves they tell of */
            commit_pool_flush(service->pool);
        else if (service->pool != NULL) /* who waits for an answer is not kept until there is room again */
            commit_pool_refuse(service->pool, -ENOSPC);
    }
}

/* ---- end ---- */

static void
end_service(struct service *service)
{
    if (service->worker->finish != NULL)
        service->worker->finish(service);
    commit_pool_free(service->pool);
    jobs_act(service);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "ended");
    log_flush();
    state_close(service);
}

static int
start_service(struct service *service, const struct arguments *args)
{
    if (take_lane(service) < 0)
        return EXIT_SYSTEM;
    start_records(service);
    id_start((uint16_t)service->root->node_id, (uint16_t)args->slot);
    service->base = event_base_new();
    BUG_UNLESS(service->base != NULL);
    if (state_open(service) < 0 || names_open(service) < 0 || control_open(service) < 0)
        return EXIT_SYSTEM;
    int prepared = service->worker->prepare != NULL ? service->worker->prepare(service) : 0;
    if (prepared < 0) {
        state_close(service); /* no message was touched */
        return prepared == -EOPNOTSUPP ? WORKER_UNUSED : EXIT_SYSTEM;
    }
    jobs_init(service);
    if (state_reserve(service) < 0)
        return EXIT_SYSTEM;
    char told[sizeof service->inside->state->sandbox];
    if (sandbox_enter(service, told, sizeof told) < 0)
        return EXIT_SYSTEM;
    memcpy(service->inside->state->sandbox, told, sizeof told);
    start_loop(service);
    check_room(service);
    control_read(service);
    if (recover_temp(service) < 0)
        return EXIT_SYSTEM;
    state_begin_suspects(service);
    if (service->worker->begin != NULL && service->worker->begin(service) < 0)
        return EXIT_SYSTEM;
    names_scan_planned(service, true);
    service->inside->state->ready = 1;
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "started (%s)", told);
    log_flush();
    return 0;
}

/* So that no spool file ever gets the number of standard output or error. */
static void
keep_low_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        continue;
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Sessions, messages in hand and foreign files: the soft limit (1024, often) is for programs that use select(). */
static void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int
worker_main(const struct worker *worker, int argc, char **argv)
{
    struct service service = {.worker = worker,
                              .spool_fd = -1,
                              .temp_fd = -1,
                              .max_in_hand = worker->max_in_hand,
                              .network = worker->network};
    struct arguments args;
    service.inside = xcalloc(1, sizeof *service.inside);
    service.inside->horizon_s = INT64_MAX;
    service.inside->settled_end = &service.inside->settled;
    if (parse_arguments(&service, &args, argc, argv) < 0)
        return usage(argv[0]);
    keep_low_descriptors();
    raise_descriptors();
    umask(0007);
    signal(SIGPIPE, SIG_IGN);
    service.once = args.once;
    if (load_configuration(&service, &args) < 0 || choose_connector(&service, args.connector) < 0)
        return EXIT_CONFIG;
    list_connectors(&service);
    if (open_spool(&service) < 0)
        return EXIT_SYSTEM;
    int status = start_service(&service, &args);
    if (status != 0) {
        log_flush();
        return status;
    }
    run_loop(&service);
    end_service(&service);
    return service.inside->exit_status;
}
