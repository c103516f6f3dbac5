/* master_listener.c - listening sockets: opened, handed to workers, at rest while nobody serves them (see master.h)
 *
 *     OPEN --nobody has served it for a while--> AT REST --a worker is about to start--> OPEN
 *
 * The master holds every listening socket, so that neither a reload nor a worker's death refuses anybody: who comes
 * meanwhile waits in the backlog, which the next worker finds. Where none comes, waiting is no service: a sender would hang
 * until his own time limit, and not try another way. So a socket that nobody serves stops listening, and who comes is
 * refused at once.
 *
 * The road not taken: to close it and bind again. The port would be free meanwhile, and a port above 1023 anybody's to take.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/listen.h"
#include "common/log.h"
#include "daemons/master.h"

/* A restart takes less than GRACE; a start that takes longer than START is none. */
enum { GRACE_MS = 5000, START_MS = 60000 };

/* ---- by the configuration ---- */

static int
want_listener(struct master *master, const char *address, struct why *why)
{
    for (size_t i = 0; i < master->n_listeners; i++)
        if (strcmp(master->listeners[i].address, address) == 0) {
            master->listeners[i].wanted = true;
            return 0;
        }
    if (master->n_listeners == LISTENERS_MAX || strlen(address) >= sizeof master->listeners[0].address)
        return why_set(why, "5.3.5", "more than %d listeners, or one with too long an address: %s",
                       LISTENERS_MAX, address);
    int fd = listen_open(address, why);
    if (fd < 0)
        return fd;
    struct master_listener *listener = &master->listeners[master->n_listeners++];
    *listener = (struct master_listener){.fd = fd, .wanted = true, .served_ms = monotonic_ms()};
    snprintf(listener->address, sizeof listener->address, "%s", address);
    return 0;
}

static int
want_listeners(struct master *master, const struct conf_texts *addresses, struct why *why)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < addresses->n; i++)
        r = want_listener(master, addresses->at[i], why);
    return r;
}

static void
drop_unwanted(struct master *master)
{
    size_t kept = 0;
    for (size_t i = 0; i < master->n_listeners; i++) {
        if (master->listeners[i].wanted)
            master->listeners[kept++] = master->listeners[i];
        else
            close(master->listeners[i].fd); /* old workers have theirs until they are through */
    }
    master->n_listeners = kept;
}

/* Opens what the configuration wants and is not open; those no longer wanted are closed last, when nothing can
 * fail. */
int
listener_plan(struct master *master, struct why *why)
{
    const struct conf_root *root = master->root;
    for (size_t i = 0; i < master->n_listeners; i++)
        master->listeners[i].wanted = false;
    int r = want_listeners(master, &root->host.smtp.listen, why);
    for (size_t i = 0; r == 0 && i < root->connectors_n; i++)
        r = want_listeners(master, &root->connectors[i].listen, why);
    if (r == 0 && root->metrics.listen != NULL)
        r = want_listener(master, root->metrics.listen, why);
    if (r == 0)
        drop_unwanted(master);
    return r;
}

static bool
has_text(const struct conf_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->n; i++)
        if (strcmp(texts->at[i], text) == 0)
            return true;
    return false;
}

bool
listener_is_for(const struct master *master, const struct child *child, const char *address)
{
    const struct conf_connector *connector = conf_connector_find(master->root, child->connector);
    if (child->worker == WORKER_OBSERVER)
        return master->root->metrics.listen != NULL && strcmp(master->root->metrics.listen, address) == 0;
    if (child->worker != WORKER_INBOUND)
        return false;
    return has_text(connector != NULL ? &connector->listen : &master->root->host.smtp.listen, address);
}

/* ---- at rest ---- */

/* True where a worker is there for it; `starting` where one will be in a moment. */
static bool
is_served(struct master *master, const struct master_listener *listener, bool *starting)
{
    *starting = false;
    for (struct child *child = master->children; child != NULL; child = child->next) {
        if (child->state != CHILD_RUNNING || !listener_is_for(master, child, listener->address))
            continue;
        if (child_is_ready(master, child))
            return true;
        *starting = *starting || monotonic_ms() - child->started_ms < START_MS;
    }
    return false;
}

static void
rest(struct master *master, struct master_listener *listener)
{
    int r = listen_rest(listener->fd);
    if (r < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "nobody serves %s, and connections cannot be refused: %s",
                listener->address, strerror(-r));
        listener->served_ms = monotonic_ms(); /* said once in a while */
        return;
    }
    listener->resting = true;
    if (listener->refusing_s > 0)
        return; /* one more start that came to nothing: said before */
    listener->refusing_s = time_ms() / 1000;
    master->dirty = true;
    log_say(LOG_GENERAL, master->stopping ? LEVEL_MEDIUM : LEVEL_MINIMUM, NULL,
            "no worker serves %s: connections are refused%s", listener->address,
            master->stopping ? "" : " until one can be started; its last lines say why it cannot");
}

static int
wake(struct master_listener *listener)
{
    int r = listen_again(listener->fd);
    if (r < 0) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "cannot listen on %s again: %s", listener->address,
                strerror(-r));
        return r;
    }
    listener->resting = false;
    return 0;
}

static void
serves(struct master *master, struct master_listener *listener)
{
    if (listener->resting && wake(listener) < 0)
        return;
    listener->served_ms = monotonic_ms();
    if (listener->refusing_s == 0)
        return;
    listener->refusing_s = 0;
    master->dirty = true;
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "%s is served again", listener->address);
}

/* Also where it is not at rest: whoever held the socket before may have stopped it. */
int
listener_wake(struct master *master, const struct child *child)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < master->n_listeners; i++)
        if (listener_is_for(master, child, master->listeners[i].address))
            r = wake(&master->listeners[i]);
    return r;
}

void
listener_watch(struct master *master)
{
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < master->n_listeners; i++) {
        struct master_listener *listener = &master->listeners[i];
        bool starting, served = is_served(master, listener, &starting);
        bool soon = starting || (!master->stopping && now_ms - listener->served_ms < GRACE_MS);
        if (served)
            serves(master, listener);
        else if (!listener->resting && !soon)
            rest(master, listener);
    }
}
