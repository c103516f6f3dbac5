/* worker_control.c - operators' commands: holds, levels of diagnosis, runs (see worker.h)
 *
 * Commands are files renamed into control/<instance>/, so they work while the daemon is stopped and outlive it:
 *
 *     hold                 "reason=... until=<seconds, 0: no end> by=..."   this direction of the connector
 * rests level-<category>     "<level> <until>"                                 diagnosis run everything
 * deferred is due, once per change of the file's time
 *
 * The folder belongs to root (or the spool's user); a worker may read it, and ignores what it cannot
 * understand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/worker_inside.h"

int
control_open(struct service *service)
{
    struct service_inside *in = service->inside;
    char path[SPOOL_PATH_MAX + 100], full[4096];
    in->control_fd = -1;
    char control[SPOOL_PATH_MAX];
    folder_path(FOLDER_CONTROL, NULL, control);
    snprintf(path, sizeof path, "%s/%s", control, service->instance);
    if (mkdirat(service->spool_fd, path, 0750) < 0 && errno != EEXIST && errno != EACCES && errno != EPERM)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "cannot make %s: %s", path, strerror(errno));
    in->control_fd = openat(service->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in->control_fd < 0) {
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "cannot open %s: %s; operators' holds are not seen", path,
                strerror(errno));
        return 0;
    }
    snprintf(full, sizeof full, "%s/%s", service->root->spool, path);
    if (in->notify_fd >= 0)
        in->control_watch = inotify_add_watch(
            in->notify_fd, full, IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ONLYDIR);
    return 0;
}

/* Reads a small control file as text; false where there is none. */
static bool
read_text(int folder_fd, const char *name, char text[512])
{
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, 511);
    close(fd);
    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

/* "reason=... until=... by=...": false where the hold's time is over. */
static bool
hold_is_valid(const char *text, int64_t *until_s, char *reason, size_t size)
{
    struct span line = span_of(text), key;
    struct buf value = {0};
    *until_s = 0;
    reason[0] = '\0';
    while (log_next_pair(&line, &key, &value)) {
        uint64_t until;
        if (span_equal(key, SPAN("until")) && span_to_u64(buf_span(&value), INT64_MAX, &until))
            *until_s = (int64_t)until;
        if (span_equal(key, SPAN("reason")))
            snprintf(reason, size, "%s", value.at != NULL ? value.at : "");
    }
    buf_clear(&value);
    return *until_s == 0 || *until_s > time_ms() / 1000;
}

bool
service_connector_refuses(void *context, const char *connector)
{
    struct service *service = context;
    const struct conf_connector *options = conf_connector_find(service->root, connector);
    char path[SPOOL_PATH_MAX + 100], control[SPOOL_PATH_MAX], text[512], reason[160];
    int64_t until_s;
    if (options == NULL || strcmp(options->hold, "refuse") != 0)
        return false;
    folder_path(FOLDER_CONTROL, NULL, control);
    snprintf(path, sizeof path, "%s/%s-%s/hold", control, worker_table[WORKER_OUTBOUND].program, connector);
    return read_text(service->spool_fd, path, text) && hold_is_valid(text, &until_s, reason, sizeof reason);
}

static void
read_hold(struct service *service)
{
    struct service_inside *in = service->inside;
    char text[512];
    bool held = read_text(in->control_fd, "hold", text) &&
                hold_is_valid(text, &in->hold_until_s, in->state->hold_reason, sizeof in->state->hold_reason);
    if (!held)
        in->hold_until_s = 0;
    if (held != service->on_hold)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, held ? "on hold: %s" : "released%s",
                held ? in->state->hold_reason : "");
    service->on_hold = held;
    in->state->on_hold = held;
}

static void
read_levels(struct service *service)
{
    char name[80], text[512];
    int standard = log_level_by_word(service->root->log.level);
    for (int category = 0; category < LOG_CATEGORY_COUNT; category++) {
        snprintf(name, sizeof name, "level-%s", log_category_words[category]);
        int level = standard < 0 ? LEVEL_MEDIUM : standard;
        char word[24] = "";
        long long until = 0;
        if (read_text(service->inside->control_fd, name, text) &&
            sscanf(text, "%23s %lld", word, &until) >= 1 && (until == 0 || until > time_ms() / 1000) &&
            log_level_by_word(word) >= 0)
            level = log_level_by_word(word);
        log_set_level(category, (enum log_level)level);
    }
}

/* A run makes everything deferred due. Each is obeyed once by a process: the file's time tells which was. */
static void
read_run(struct service *service)
{
    struct stat st;
    int64_t *obeyed_ns = &service->inside->run_obeyed_ns;
    if (fstatat(service->inside->control_fd, "run", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    int64_t ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (ns == *obeyed_ns)
        return;
    *obeyed_ns = ns;
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "asked to run: everything deferred is due");
    service_run_deferred(service);
}

void
control_read(struct service *service)
{
    if (service->inside->control_fd < 0)
        return;
    read_hold(service);
    read_levels(service);
    read_run(service);
}

void
control_tick(struct service *service)
{
    struct service_inside *in = service->inside;
    static int ticks;
    bool over = service->on_hold && in->hold_until_s > 0 && in->hold_until_s <= time_ms() / 1000;
    if (over || ++ticks % 30 == 0)
        control_read(service);
}
