/* observer.c - shows what the others do: counters and queues at /metrics, life at /health; ends old tracking
 * logs
 *
 * No message passes here and the worker has no moves: it reads names of folders, counter and state files, and
 * removes tracking logs that are older than `track.keep`.
 *
 * Counting a large spool takes time, so a census is taken when somebody asks, at most every 15 seconds, and so
 * rarely that it takes no more than a twentieth of the worker's time; between, the last one is shown with its
 * age.
 *
 * What is hostile here: requests (observer_http.c); counter and state files, names in drop/.
 *
 * SECURITY: who can connect to `metrics.listen` learns names of connectors and counts, no addresses and no
 * content. There is no authentication: listen on loopback, or let a reverse proxy do it. Its sandbox lets the
 * worker accept connections and make none, read the spool and write in the folder of tracking logs alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/metrics.h"
#include "common/track_read.h"
#include "common/worker.h"
#include "daemons/observer_health.h"
#include "daemons/observer_http.h"

enum {
    CENSUS_EVERY_MS = 15000,
    CENSUS_SHARE = 20,     /* a census costs at most this part of the time */
    CENSUS_MOST = 5000000, /* names */
    FRESH_MS = 1000,       /* an answer is given again within this time */
    EXPIRE_EVERY_MS = 3600000
};

/* An answer that is kept for those who ask at once again. */
struct page {
    struct buf text;
    int status;
    int64_t made_ms; /* monotonic; 0: never */
};

struct observer {
    struct service *service;
    const char *node;
    struct http_server *http;
    struct census census;
    int64_t next_census_ms; /* monotonic */
    struct page metrics, health;
    int track_fd;
    int64_t next_expire_ms; /* monotonic */
};

/* ---- answers ---- */

static void
refresh_census(struct observer *observer)
{
    int64_t now = monotonic_ms();
    if (now < observer->next_census_ms)
        return;
    census_clear(&observer->census);
    if (census_take(observer->service->spool_fd, CENSUS_MOST, &observer->census) < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "the mailboxes cannot be listed: no queues are shown");
    int64_t pause = observer->census.cost_ms * CENSUS_SHARE;
    observer->next_census_ms = monotonic_ms() + (pause > CENSUS_EVERY_MS ? pause : CENSUS_EVERY_MS);
}

static void
make_metrics(struct observer *observer)
{
    struct page *page = &observer->metrics;
    refresh_census(observer);
    buf_reset(&page->text);
    int r = metrics_print_census(observer->service->spool_fd, observer->node, &observer->census, &page->text);
    page->status = r < 0 ? 503 : 200;
}

static void
make_health(struct observer *observer)
{
    struct page *page = &observer->health;
    buf_reset(&page->text);
    page->status =
        health_print(observer->service->spool_fd, observer->service->root, observer->node, &page->text) ? 200
                                                                                                        : 503;
}

static void
give_page(struct observer *observer, struct page *page, void (*make)(struct observer *),
          struct http_answer *answer)
{
    int64_t now = monotonic_ms();
    if (page->made_ms == 0 || now - page->made_ms >= FRESH_MS) {
        make(observer);
        page->made_ms = now;
    }
    answer->status = page->status;
    buf_add_span(&answer->body, buf_span(&page->text));
}

static void
on_request(const char *path, struct http_answer *answer, void *arg)
{
    struct observer *observer = arg;
    if (strcmp(path, "/metrics") == 0) {
        answer->type = METRICS_TYPE;
        give_page(observer, &observer->metrics, make_metrics, answer);
    } else if (strcmp(path, "/health") == 0) {
        answer->type = "application/json";
        give_page(observer, &observer->health, make_health, answer);
    }
}

/* ---- tracking logs ---- */

static void
expire_tracks(struct observer *observer)
{
    int64_t now = monotonic_ms();
    if (now < observer->next_expire_ms || observer->track_fd < 0)
        return;
    observer->next_expire_ms = now + EXPIRE_EVERY_MS;
    int r = track_expire(observer->track_fd, observer->service->root->track.keep_s, time_ms());
    if (r < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "old tracking logs could not be removed: %s", strerror(-r));
    else if (r > 0)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "%d tracking logs older than track.keep were removed", r);
}

/* ---- the worker ---- */

static const char *
node_name(const struct conf_root *root)
{
    static char name[256]; /* for the life of the process */
    if (root->node != NULL && root->node[0] != '\0')
        return root->node;
    if (gethostname(name, sizeof name - 1) < 0)
        snprintf(name, sizeof name, "localhost");
    return name;
}

static int
listen_for_requests(struct observer *observer)
{
    struct why why;
    const char *address = observer->service->root->metrics.listen;
    if (address == NULL || address[0] == '\0')
        return 0;
    int fd = service_listener(observer->service, address, &why);
    if (fd < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "no metrics over HTTP: %s", why.text);
        return fd;
    }
    observer->http = http_server_new(observer->service->base, fd, on_request, observer);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "metrics at http://%s/metrics", address);
    return 0;
}

static int
prepare(struct service *service)
{
    struct observer *observer = xcalloc(1, sizeof *observer);
    service->data = observer;
    observer->service = service;
    observer->node = node_name(service->root);
    observer->track_fd = folder_open(service->spool_fd, FOLDER_TRACK, NULL);
    return listen_for_requests(observer);
}

static void
tick(struct service *service)
{
    struct observer *observer = service->data;
    expire_tracks(observer);
    if (observer->http != NULL)
        http_server_tick(observer->http);
}

static int
begin(struct service *service)
{
    tick(service);
    return 0;
}

static void
drain(struct service *service)
{
    struct observer *observer = service->data;
    if (observer->http != NULL)
        http_server_drain(observer->http);
}

static bool
busy(struct service *service)
{
    struct observer *observer = service->data;
    return observer->http != NULL && http_server_connections(observer->http) > 0;
}

static void
finish(struct service *service)
{
    struct observer *observer = service->data;
    http_server_free(observer->http);
    census_clear(&observer->census);
    buf_clear(&observer->metrics.text);
    buf_clear(&observer->health.text);
    if (observer->track_fd >= 0)
        close(observer->track_fd);
    free(observer);
    service->data = NULL;
}

static const struct worker observer_worker = {.id = WORKER_OBSERVER,
                                              .max_in_hand = 1,
                                              .network = NETWORK_ACCEPT,
                                              .prepare = prepare,
                                              .begin = begin,
                                              .tick = tick,
                                              .drain = drain,
                                              .busy = busy,
                                              .finish = finish};

int
main(int argc, char **argv)
{
    return worker_main(&observer_worker, argc, argv);
}
