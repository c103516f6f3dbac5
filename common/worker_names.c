/* worker_names.c - which messages there are: folders, inotify, scans, names that wait for their time
 *
 * A ring of names per folder, filled by inotify and by scans. A ring has a limit: where a folder holds more,
 * the rest is found by the next scan, when the ring is empty. So memory does not grow with a queue, and an
 * event that was lost (overflow, no inotify instance left) costs at most the time until the next planned scan.
 *
 * In Deferred the next attempt's time is part of the name. Names that are not yet due wait in a heap with a
 * limit; when it is full, only the earliest are kept, and `horizon_s` says up to which time the heap is
 * complete. When that time comes near, the folder is scanned again. A million deferred messages cost an index
 * of 20,000 names.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/worker_inside.h"

enum {
    RING_FIRST = 64,
    RING_MAX = 8192,
    STRANGER_NAME_MAX = 256,
    HEAP_MAX = 20000,
    SCAN_EVERY_MS = 30000,
    BLIND_EVERY_MS = 1000,
    BLIND_SHARE = 20,
    CREATED_RESCAN_MS = 2000
};

/* ---- ring ---- */

static char *
ring_at(const struct source *source, size_t index)
{
    return source->ring + (source->ring_first + index) % source->ring_size * source->stride;
}

static void
ring_grow(struct source *source)
{
    size_t size = source->ring_size == 0 ? RING_FIRST : source->ring_size * 2;
    char *ring = xcalloc(size, source->stride);
    for (size_t i = 0; i < source->ring_count; i++)
        memcpy(ring + i * source->stride, ring_at(source, i), source->stride);
    free(source->ring);
    source->ring = ring;
    source->ring_size = size;
    source->ring_first = 0;
}

static bool
ring_full(const struct source *source)
{
    return source->ring_count >= RING_MAX;
}

void
names_put(struct source *source, const char *name)
{
    size_t len = strlen(name);
    if (len >= source->stride)
        return; /* no queue file's name */
    if (ring_full(source)) {
        source->rescan = true;
        return;
    }
    if (source->ring_count == source->ring_size)
        ring_grow(source);
    memcpy(ring_at(source, source->ring_count++), name, len + 1);
}

/* ---- heap of waiting names ---- */

static void
heap_swap(struct waiting *a, struct waiting *b)
{
    struct waiting t = *a;
    *a = *b;
    *b = t;
}

static void
heap_up(struct waiting *heap, size_t i)
{
    for (; i > 0 && heap[i].time_s < heap[(i - 1) / 2].time_s; i = (i - 1) / 2)
        heap_swap(&heap[i], &heap[(i - 1) / 2]);
}

static void
heap_down(struct waiting *heap, size_t n)
{
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < n && heap[left].time_s < heap[least].time_s)
            least = left;
        if (right < n && heap[right].time_s < heap[least].time_s)
            least = right;
        if (least == i)
            return;
        heap_swap(&heap[i], &heap[least]);
        i = least;
    }
}

static int
by_time(const void *a, const void *b)
{
    int64_t x = ((const struct waiting *)a)->time_s, y = ((const struct waiting *)b)->time_s;
    return x < y ? -1 : x > y;
}

/* Keeps the earlier half; a sorted array is a heap. */
static void
heap_halve(struct service_inside *in)
{
    qsort(in->heap, in->n_heap, sizeof *in->heap, by_time);
    in->n_heap /= 2;
    in->horizon_s = in->heap[in->n_heap].time_s;
}

void
names_wait(struct service *service, struct source *source, const char *name, int64_t time_s)
{
    struct service_inside *in = service->inside;
    if (time_s >= in->horizon_s)
        return;
    if (in->heap == NULL)
        in->heap = xcalloc(HEAP_MAX, sizeof *in->heap);
    if (in->n_heap == HEAP_MAX) {
        heap_halve(in);
        if (time_s >= in->horizon_s)
            return;
    }
    struct waiting *entry = &in->heap[in->n_heap++];
    entry->time_s = time_s;
    entry->source = (uint32_t)(source - in->sources);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    heap_up(in->heap, in->n_heap - 1);
}

static struct waiting
heap_take(struct service_inside *in)
{
    struct waiting first = in->heap[0];
    in->heap[0] = in->heap[--in->n_heap];
    heap_down(in->heap, in->n_heap);
    return first;
}

/* The heap knows no more about the time from the horizon on: look again when that comes near, or all it knew is
 * done. */
static void
heap_refill(struct service *service, int64_t now_s)
{
    struct service_inside *in = service->inside;
    if (in->horizon_s == INT64_MAX || (in->n_heap > 0 && now_s < in->horizon_s - 1))
        return;
    service_rescan(service, FOLDER_DEFERRED);
}

bool
names_due(const struct service *service, int64_t now_s)
{
    const struct service_inside *in = service->inside;
    return in->n_heap > 0 && in->heap[0].time_s <= now_s;
}

void
names_make_due(struct service *service, int64_t now_s, size_t most)
{
    struct service_inside *in = service->inside;
    heap_refill(service, now_s);
    while (most-- > 0 && names_due(service, now_s)) {
        struct source *source = &in->sources[in->heap[0].source];
        if (ring_full(source))
            return;
        struct waiting first = heap_take(in);
        names_put(source, first.name);
    }
}

/* ---- scans ---- */

struct linux_dirent {
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

/* During a run of everything deferred: was this name there before the run began? A rename sets a file's ctime,
 * so what was tried and deferred again since is left alone. */
static bool
run_wants(const struct service *service, const struct source *source, const char *name)
{
    struct stat st;
    int64_t run_ms = service->inside->run_ms;
    if (run_ms == 0 || fstatat(source->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 < run_ms;
}

void
service_run_deferred(struct service *service)
{
    service->inside->run_ms = time_ms();
    service_rescan(service, FOLDER_DEFERRED);
}

/* The wall clock may be set back while names wait by it. They were given by a clock that is gone then: whatever waits longer
 * than a wait can be is due. Until a clock was seen to be set back a day more is allowed, for clocks that differ. */
static bool set_back;

static void
look_at_clock(struct service *service)
{
    enum { STEP_MS = 60000 };
    static int64_t before_ms;
    int64_t ahead_ms = time_ms() - monotonic_ms();
    if (before_ms != 0 && ahead_ms < before_ms - STEP_MS) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "the clock was set back by %lld s: waiting times are looked at again",
                (long long)(before_ms - ahead_ms) / 1000);
        set_back = true;
        service_rescan(service, FOLDER_DEFERRED);
    }
    before_ms = ahead_ms;
}

static bool
is_due(const struct service *service, int64_t time_s)
{
    const struct conf_retry *retry =
        service->connector != NULL ? &service->connector->retry : &service->root->host.retry;
    int64_t now_s = time_ms() / 1000, longest_s = (int64_t)retry->max_s + (set_back ? 60 : 86400);
    return time_s <= now_s || time_s > now_s + longest_s;
}

/* A name seen in a folder: into the ring, or the heap where its time has not come. */
static void
name_seen(struct service *service, struct source *source, const char *name)
{
    if (name[0] == '.')
        return;
    if (source->folder != FOLDER_DEFERRED) {
        names_put(source, name);
        return;
    }
    struct queue_name parts;
    if (!queue_name_parse(name, &parts))
        return;
    if (is_due(service, parts.time_s) || run_wants(service, source, name))
        names_put(source, name);
    else
        names_wait(service, source, name, parts.time_s);
}

/* Reads a whole folder, or what the ring takes of it. No stat: names say all. */
static void
scan(struct service *service, struct source *source)
{
    static char bytes[64 * 1024];
    source->rescan = false;
    if (source->folder == FOLDER_DEFERRED) { /* found anew by this scan */
        service->inside->n_heap = 0;
        service->inside->horizon_s = INT64_MAX;
    }
    source->rescan_ms = monotonic_ms() + SCAN_EVERY_MS;
    /* A run of everything deferred goes through a big folder in pieces, as the ring takes them. */
    bool run = source->folder == FOLDER_DEFERRED && service->inside->run_ms > 0;
    if (lseek(source->fd, run ? source->cursor : 0, SEEK_SET) < 0)
        return;
    source->cursor = 0;
    for (;;) {
        long n = syscall(SYS_getdents64, source->fd, bytes, sizeof bytes);
        if (n <= 0) {
            if (run) { /* through: the names that wait again are found by a scan of their own */
                service->inside->run_ms = 0;
                source->rescan = true;
            }
            return;
        }
        for (long at = 0; at < n;) {
            const struct linux_dirent *entry = (const struct linux_dirent *)(const void *)(bytes + at);
            name_seen(service, source, entry->name);
            at += entry->reclen;
            if (run && ring_full(source)) {
                source->cursor = entry->off;
                source->rescan = true;
                return;
            }
        }
        if (source->folder != FOLDER_DEFERRED && ring_full(source)) {
            source->rescan = true;
            return;
        }
    }
}

/* One that cannot be watched (no inotify instance is left) is looked at every second, or as often as that takes a
 * twentieth of the time. */
static void
scan_blind(struct service *service, struct source *source)
{
    int64_t begun_ms = monotonic_ms();
    scan(service, source);
    int64_t now_ms = monotonic_ms(), pause_ms = (now_ms - begun_ms) * BLIND_SHARE;
    int64_t next_ms = now_ms + (pause_ms > BLIND_EVERY_MS ? pause_ms : BLIND_EVERY_MS);
    if (next_ms < source->rescan_ms)
        source->rescan_ms = next_ms;
}

static void
folder_is_gone(struct service *service, const struct source *source)
{
    if (service->inside->exit_status == 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "the spool folder %s%s%s is gone or was replaced: ending, so that the tree is checked at the "
                "next start",
                folder_name(source->folder), *source->connector ? " of " : "", source->connector);
    service->inside->exit_status = 71;
}

/* A folder that somebody keeps open, as we do, sends no event when it is removed: its link count tells. */
static void
look_for_gone(struct service *service)
{
    const struct service_inside *in = service->inside;
    struct stat st;
    for (size_t i = 0; i < in->n_sources; i++)
        if (fstat(in->sources[i].fd, &st) == 0 && st.st_nlink == 0)
            folder_is_gone(service, &in->sources[i]);
}

void
names_scan_planned(struct service *service, bool all)
{
    look_for_gone(service);
    look_at_clock(service);
    struct service_inside *in = service->inside;
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < in->n_sources; i++) {
        struct source *source = &in->sources[i];
        if (source->ring_count > 0 && !all)
            continue;
        if (all || source->rescan || now_ms >= source->rescan_ms) {
            source->ring_count = 0;
            if (source->watch < 0)
                scan_blind(service, source);
            else
                scan(service, source);
        }
    }
    names_make_due(service, time_ms() / 1000, RING_MAX);
}

/* ---- taking names ---- */

static bool
source_ready(struct service *service, struct source *source)
{
    if (source->ring_count == 0 && source->rescan)
        scan(service, source);
    return source->ring_count > 0;
}

bool
names_pending(const struct service *service)
{
    const struct service_inside *in = service->inside;
    if (service->on_hold || service->resting)
        return false;
    for (size_t i = 0; i < in->n_sources; i++)
        if (in->sources[i].ring_count > 0 || in->sources[i].rescan)
            return true;
    return names_due(service, time_ms() / 1000);
}

/* The next name, folders in turn, so that retries do not keep new mail waiting, nor the other way round. */
bool
names_next(struct service *service, struct source **source, char name[256])
{
    struct service_inside *in = service->inside;
    for (size_t i = 0; i < in->n_sources; i++) {
        struct source *s = &in->sources[in->next_source];
        in->next_source = (in->next_source + 1) % in->n_sources;
        if (!source_ready(service, s))
            continue;
        snprintf(name, 256, "%s", ring_at(s, 0));
        s->ring_first = (s->ring_first + 1) % s->ring_size;
        s->ring_count--;
        *source = s;
        return true;
    }
    return false;
}

struct source *
names_source(struct service *service, enum folder folder, const char *connector)
{
    struct service_inside *in = service->inside;
    for (size_t i = 0; i < in->n_sources; i++)
        if (in->sources[i].folder == folder && strcmp(in->sources[i].connector, connector) == 0)
            return &in->sources[i];
    return NULL;
}

void
service_rescan(struct service *service, enum folder folder)
{
    for (size_t i = 0; i < service->inside->n_sources; i++)
        if (service->inside->sources[i].folder == folder)
            service->inside->sources[i].rescan = true;
}

void
service_rescan_in(struct service *service, enum folder folder, int64_t ms)
{
    int64_t at = monotonic_ms() + ms;
    for (size_t i = 0; i < service->inside->n_sources; i++)
        if (service->inside->sources[i].folder == folder && service->inside->sources[i].rescan_ms > at)
            service->inside->sources[i].rescan_ms = at;
}

/* ---- inotify ---- */

static struct source *
source_of_watch(struct service *service, int watch)
{
    struct service_inside *in = service->inside;
    for (size_t i = 0; i < in->n_sources; i++)
        if (in->sources[i].watch == watch)
            return &in->sources[i];
    return NULL;
}

/* A new name in a folder of strangers. A file is most often just begun, and its end is told as well; where it has ended under
 * another name (link, and unlink of that), this is all that is told: it is looked at in a moment. What is no file has no end. */
static void
created(struct service *service, struct source *source, const char *name)
{
    struct stat st;
    if (name[0] == '.')
        return;
    if (fstatat(source->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        service_rescan_in(service, source->folder, CREATED_RESCAN_MS);
    else
        name_seen(service, source, name);
}

static void
on_event(struct service *service, const struct inotify_event *event)
{
    struct service_inside *in = service->inside;
    if (event->mask & IN_Q_OVERFLOW) {
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "too many events at once: looking at all folders again");
        for (size_t i = 0; i < in->n_sources; i++)
            in->sources[i].rescan = true;
        return;
    }
    if (event->wd == in->control_watch) {
        control_read(service);
        return;
    }
    struct source *source = source_of_watch(service, event->wd);
    if (source == NULL)
        return;
    if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
        folder_is_gone(service, source);
        return;
    }
    if (event->len > 0 && (event->mask & IN_CREATE))
        created(service, source, event->name);
    else if (event->len > 0)
        name_seen(service, source, event->name);
}

static void
on_notify(evutil_socket_t fd, short what, void *arg)
{
    static char bytes[32 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
    (void)what;
    ssize_t n = read(fd, bytes, sizeof bytes);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(bytes + at);
        on_event(arg, event);
        at += (ssize_t)sizeof *event + (ssize_t)event->len;
    }
}

static int
watch(struct service *service, const char *path, uint32_t mask)
{
    char full[4096];
    snprintf(full, sizeof full, "%s/%s", service->root->spool, path);
    if (service->inside->notify_fd < 0)
        return -1;
    int wd = inotify_add_watch(service->inside->notify_fd, full, mask | IN_ONLYDIR);
    if (wd < 0)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "cannot watch %s: %s; it is looked at every second or so",
                full, strerror(errno));
    return wd;
}

/* ---- opening ---- */

static int
add_source(struct service *service, enum folder folder, const char *connector)
{
    struct service_inside *in = service->inside;
    char path[SPOOL_PATH_MAX];
    folder_path(folder, connector, path);
    int fd = folder_open(service->spool_fd, folder, connector);
    if (fd < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "cannot open the spool folder %s: %s; `viaduct spool check --repair` makes it", path,
                strerror(-fd));
        return fd;
    }
    bool drop = folder_table[folder].kind == KIND_DROP;
    struct source source = {.folder = folder,
                            .connector = connector != NULL ? connector : "",
                            .fd = fd,
                            .rescan = true,
                            .stride = drop ? STRANGER_NAME_MAX : QUEUE_NAME_MAX};
    source.watch = watch(service, path,
                         IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | (drop ? IN_CREATE | IN_CLOSE_WRITE : 0));
    in->sources = xrealloc(in->sources, (in->n_sources + 1) * sizeof *in->sources);
    in->sources[in->n_sources++] = source;
    return 0;
}

/* Which connectors' folders of a kind a worker takes from: its own, or all where there is one such worker. */
static int
add_sources(struct service *service, enum folder folder)
{
    const struct service_inside *in = service->inside;
    if (folder_table[folder].per == PER_ONE)
        return add_source(service, folder, NULL);
    if (worker_table[service->worker->id].per != PER_ONE)
        return add_source(service, folder, service->connector_name);
    for (size_t i = 0; i < in->n_connectors; i++) {
        int r = add_source(service, folder, in->connectors[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int
names_open(struct service *service)
{
    struct service_inside *in = service->inside;
    in->control_watch = -1;
    in->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (in->notify_fd < 0) {
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "no inotify (%s): folders are looked at every second or so",
                strerror(errno));
    } else {
        in->notify_event = event_new(service->base, in->notify_fd, EV_READ | EV_PERSIST, on_notify, service);
        event_add(in->notify_event, NULL);
    }
    for (unsigned folder = 0; folder < FOLDER_COUNT; folder++) {
        if (!flow_takes(service->worker->id, (enum folder)folder))
            continue;
        int r = add_sources(service, (enum folder)folder);
        if (r < 0)
            return r;
    }
    return 0;
}
