/* client_pool.c - which job goes over which session, and when sessions are opened
 *
 * A session that becomes idle takes the next waiting job at once. Where none is idle, one is opened for each
 * waiting job up to the limit; but only one at a time until one of them has worked, so that an outage is found
 * out by one connection and not by twenty. When no session is alive and no address is left to try, all that
 * waits goes back to the gateway as unreachable.
 *
 * A session works when it has its first answer about mail, or lies idle. One that is opened and then turned away
 * (421 to MAIL) counts as a connection refused. But it is no outage: what was turned away may be this one message,
 * and only it is put off.
 */
#include <event2/event.h>
#include <stdio.h>

#include "systems/smtp/client.h"

enum { FEWER_MS = 60000, KICK_MS = 100 };

static void on_opened(struct client_session *session);
static void on_ready(struct client_session *session);
static void on_served(struct client_session *session);
static void on_returned(struct client_session *session, struct client_job *job);
static void on_failed(struct client_session *session, const struct why *why);
static void on_closed(struct client_session *session, const struct why *why);

static const struct session_owner pool_owner = {.opened = on_opened,
                                                .ready = on_ready,
                                                .served = on_served,
                                                .returned = on_returned,
                                                .failed = on_failed,
                                                .closed = on_closed};

/* ---- the queue ---- */

void
pool_add(struct smtp_client *client, struct client_job *job)
{
    job->next = NULL;
    *client->last = job;
    client->last = &job->next;
    client->n_waiting++;
}

static void
pool_add_first(struct smtp_client *client, struct client_job *job)
{
    job->next = client->first;
    client->first = job;
    if (job->next == NULL)
        client->last = &job->next;
    client->n_waiting++;
}

static struct client_job *
pool_take(struct smtp_client *client)
{
    struct client_job *job = client->first;
    if (job == NULL)
        return NULL;
    client->first = job->next;
    if (client->first == NULL)
        client->last = &client->first;
    client->n_waiting--;
    job->next = NULL;
    return job;
}

/* Gives the session the next job that has something to send. False: nothing waits. */
static bool
give(struct client_session *session)
{
    struct client_job *job;
    while ((job = pool_take(session->client)) != NULL)
        if (session_start(session, job))
            return true;
    return false;
}

/* ---- sessions ---- */

static void
session_link(struct client_session *session)
{
    struct smtp_client *client = session->client;
    session->next = client->sessions;
    if (session->next != NULL)
        session->next->before = session;
    client->sessions = session;
    client->n_sessions++;
    client->n_opening++;
}

static void
session_unlink(struct client_session *session)
{
    struct smtp_client *client = session->client;
    if (session->next != NULL)
        session->next->before = session->before;
    if (session->before != NULL)
        session->before->next = session->next;
    else
        client->sessions = session->next;
    client->n_sessions--;
}

static size_t
alive(const struct smtp_client *client)
{
    size_t n = 0;
    for (const struct client_session *s = client->sessions; s != NULL; s = s->next)
        n += s->opened && s->state != SESSION_CLOSING;
    return n;
}

/* A session serves mail. */
static bool
serves(const struct smtp_client *client)
{
    for (const struct client_session *s = client->sessions; s != NULL; s = s->next)
        if (s->served && s->state != SESSION_CLOSING)
            return true;
    return false;
}

static struct client_session *
find_idle(const struct smtp_client *client)
{
    if (client->n_idle == 0)
        return NULL;
    struct client_session *s = client->sessions;
    while (s != NULL && s->state != SESSION_IDLE)
        s = s->next;
    return s;
}

static void
outage_reason(struct smtp_client *client, struct viaduct_reason *reason)
{
    const struct why *why = &client->outage;
    snprintf(reason->status, sizeof reason->status, "%s", why->status[0] ? why->status : "4.4.1");
    snprintf(reason->text, sizeof reason->text, "%s",
             why->text[0] ? why->text : "no next hop takes the connection");
    client->outage = (struct why){"", ""};
    client->sweep++;
}

/* The message that was turned away by one of them goes back. */
static void
put_off(struct smtp_client *client)
{
    struct viaduct_reason reason;
    outage_reason(client, &reason);
    client_job_end(client, pool_take(client), false, &reason);
}

/* Everything that waits goes back. What the gateway hands over meanwhile is tried a little later, so that a
 * peer that refuses at once cannot keep us in a circle. */
static void
give_up(struct smtp_client *client)
{
    struct viaduct_reason reason;
    struct client_job *job = client->first;
    outage_reason(client, &reason);
    client->first = NULL;
    client->last = &client->first;
    client->n_waiting = 0;
    client->proven = false;
    client->told = false;
    while (job != NULL) {
        struct client_job *next = job->next;
        client_job_end(client, job, true, &reason);
        job = next;
    }
    struct timeval wait = {.tv_usec = KICK_MS * 1000};
    event_add(client->kick, &wait);
}

/* True where the queue should be looked at again. */
static bool
open_another(struct smtp_client *client)
{
    if (client->n_sessions >= client->most || client->n_opening >= (client->proven ? client->n_waiting : 1))
        return false;
    struct client_hop *hop = NULL;
    struct client_target *target = NULL;
    enum hop_choice choice = hops_choose(client, false, &hop, &target);
    bool desperate = choice == HOP_NONE && client->n_opening == 0 && alive(client) == 0;
    if (desperate)
        choice = hops_choose(client, true, &hop, &target);
    if (choice == HOP_NONE && desperate && client->first->turned) {
        put_off(client);
        return true;
    }
    if (choice == HOP_NONE && desperate)
        give_up(client);
    if (choice != HOP_CHOSEN)
        return false;
    struct why why = {"", ""};
    bool plain = target->plain_until_ms > monotonic_ms();
    struct client_session *session =
        session_open(client, client->base, hop, &target->address, plain, &pool_owner, NULL, &why);
    if (session == NULL) {
        client->services->count_connection(client->gateway, false, 0, true);
        client->proven = false;
        hops_note(client, hop->url.path[0] ? hop->url.path : hop->url.host, &why);
        hops_failed(hop, &target->address, INT64_MAX);
        return true;
    }
    session_link(session);
    return true;
}

void
pool_pump(struct smtp_client *client)
{
    if (client->inside > 0 || client->pumping)
        return;
    client->pumping = true;
    while (client->first != NULL) {
        struct client_session *idle = find_idle(client);
        if (idle != NULL)
            give(idle);
        else if (!open_another(client))
            break;
    }
    client->pumping = false;
}

/* ---- what sessions tell ---- */

static void
on_opened(struct client_session *session)
{
    struct smtp_client *client = session->client;
    client->n_opening--;
    client->services->count_connection(client->gateway, false, 1, false);
    if (session->plain && session->mode == TLS_MAY) {
        struct client_target *target = hops_find(session->hop, &session->address);
        if (target != NULL && target->plain_until_ms < monotonic_ms())
            target->plain_until_ms = monotonic_ms() + 300000;
    }
}

static void
on_served(struct client_session *session)
{
    struct smtp_client *client = session->client;
    client->proven = true;
    client->sweep++;
    hops_worked(session->hop, &session->address);
    if (!client->told) {
        client->told = true;
        client->inside++;
        client->services->reachable(client->gateway);
        client->inside--;
    }
}

static void
on_ready(struct client_session *session)
{
    struct smtp_client *client = session->client;
    if (!give(session)) {
        if (!session->served) {
            session->served = true;
            on_served(session);
        }
        if (client->draining)
            session_quit(session);
    }
    pool_pump(client);
}

static void
on_returned(struct client_session *session, struct client_job *job)
{
    pool_add_first(session->client, job);
}

/* A session that did not come to serve mail. Turned away with a 4xx while others of ours are alive: the peer wants
 * fewer connections, not none. */
static void
not_served(struct client_session *session, const struct why *why)
{
    struct smtp_client *client = session->client;
    if (session->busy && (session->turned ? serves(client) : alive(client) > 0)) {
        struct client_target *target = hops_find(session->hop, &session->address);
        client->most = alive(client);
        client->most_until_ms = monotonic_ms() + FEWER_MS;
        if (target != NULL)
            target->probing = false;
        return;
    }
    client->proven = false;
    client->services->say(client->gateway, VIADUCT_LOG_INFO, NULL, "%s: %s", session->peer, why->text);
    hops_note(client, session->peer, why);
    hops_failed(session->hop, &session->address, session->started_ms);
}

static void
on_failed(struct client_session *session, const struct why *why)
{
    struct smtp_client *client = session->client;
    session_unlink(session);
    client->n_opening--;
    client->services->count_connection(client->gateway, false, 0, true);
    if (!client->draining || client->first != NULL) /* else nobody needs it any more, see pool_drain() */
        not_served(session, why);
    pool_pump(client);
}

static void
on_closed(struct client_session *session, const struct why *why)
{
    struct smtp_client *client = session->client;
    session_unlink(session);
    client->services->count_connection(client->gateway, false, -1, false);
    if (!session->served)
        not_served(session, why);
    else if (why->text[0] != '\0')
        client->services->say(client->gateway, VIADUCT_LOG_DETAIL, NULL, "%s: %s", session->peer, why->text);
    pool_pump(client);
}

/* ---- time ---- */

/* What is idle says QUIT; what is only being opened is given up where nothing waits for it. */
static void
close_unneeded(struct smtp_client *client)
{
    for (struct client_session *s = client->sessions; s != NULL; s = s->next) {
        if (s->state == SESSION_IDLE)
            session_quit(s);
        else if (!s->opened && client->first == NULL)
            session_break(s, "4.3.2", "not needed any more");
    }
}

void
pool_tick(struct smtp_client *client)
{
    int64_t now = monotonic_ms();
    if (client->most_until_ms <= now)
        client->most = (size_t)client->limits->concurrency;
    for (struct client_session *s = client->sessions; s != NULL; s = s->next)
        session_tick(s, now);
    if (client->draining)
        close_unneeded(client);
    pool_pump(client);
}

void
pool_drain(struct smtp_client *client)
{
    client->draining = true;
    close_unneeded(client);
}
