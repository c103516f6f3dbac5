/* client.c - the SMTP and LMTP client: the module's operations; jobs in, results out (see client.h)
 *
 * Sources: RFC 5321, RFC 2033; system.h for what the gateway expects.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "systems/smtp/client.h"
#include "systems/smtp/smtp_client.h"
#include "systems/viaduct/reason.h"

static int client_configure(struct smtp_client *client, struct why *why);
static void client_free(struct smtp_client *client);
static void on_kick(evutil_socket_t fd, short what, void *arg);

static int
client_prepare(const struct viaduct_services *services, struct viaduct_gateway *gateway, void **state,
               struct viaduct_reason *reason)
{
    struct why why = {"", ""};
    struct smtp_client *client = xcalloc(1, sizeof *client);
    client->services = services;
    client->gateway = gateway;
    client->base = services->loop(gateway);
    client->node = services->node(gateway);
    client->last = &client->first;
    client->chunk = xmalloc(CLIENT_CHUNK);
    client->kick = event_new(client->base, -1, 0, on_kick, client);
    if (client_configure(client, &why) < 0) {
        reason_from(reason, &why);
        client_free(client);
        return -1;
    }
    *state = client;
    return 0;
}

/* ---- configuration ---- */

static int
client_hops(struct smtp_client *client, const struct conf_texts *to, const struct conf_tls *tls,
            struct why *why)
{
    client->hops = xcalloc(to->n + 1, sizeof *client->hops);
    for (size_t i = 0; i < to->n; i++) {
        struct client_hop *hop = &client->hops[client->n_hops++];
        struct why detail = {"", ""};
        hop->client = client;
        int result = smtp_url_parse(span_of(to->at[i]), &hop->url, &detail);
        if (result == -ENOENT)
            return why_set(why, "5.3.5", "'%s' is not an smtp, smtps or lmtp URL", to->at[i]);
        if (result < 0)
            return why_set(why, "5.3.5", "'%s': %s", to->at[i], detail.text);
        if (hop->url.scheme == SMTP_SCHEME_SMTPS && tls_mode_by_word(tls->mode) == TLS_NONE)
            return why_set(why, "5.3.5", "'%s' needs TLS, but tls.mode is none", to->at[i]);
    }
    if (client->n_hops == 0)
        return why_set(why, "5.3.5", "no next hop is set (peer.to, or deliver.to of the host)");
    return 0;
}

static int
client_configure(struct smtp_client *client, struct why *why)
{
    const struct conf_root *root = client->services->conf_root(client->gateway);
    const struct conf_connector *connector = client->services->conf_connector(client->gateway);
    client->limits = connector ? &connector->limits : &root->host.limits;
    client->timeouts = connector ? &connector->timeouts : &root->host.timeouts;
    client->most = (size_t)client->limits->concurrency;
    const struct conf_tls *tls = connector ? &connector->peer.tls : &root->host.deliver.tls;
    if (client_hops(client, connector ? &connector->peer.to : &root->host.deliver.to, tls, why) < 0)
        return -EINVAL;
    client->tls = tls_client_new(tls, why);
    if (client->tls == NULL)
        return -EINVAL;
    client->resolver = resolver_new(client->base, why);
    return client->resolver == NULL ? -EINVAL : 0;
}

static void
client_free(struct smtp_client *client)
{
    resolver_free(client->resolver);
    tls_client_free(client->tls);
    event_free(client->kick);
    while (client->spare != NULL) {
        struct client_job *job = client->spare;
        client->spare = job->next;
        buf_clear(&job->marks);
        free(job);
    }
    free(client->hops);
    free(client->chunk);
    free(client);
}

/* ---- jobs ---- */

static struct client_job *
job_new(struct smtp_client *client, struct viaduct_delivery *d)
{
    struct client_job *job = client->spare;
    if (job != NULL)
        client->spare = job->next;
    else
        job = xcalloc(1, sizeof *job);
    buf_reset(&job->marks);
    *job = (struct client_job){.d = d, .marks = job->marks};
    d->module = job;
    return job;
}

static void
job_free(struct smtp_client *client, struct client_job *job)
{
    job->d = NULL;
    job->next = client->spare;
    client->spare = job;
}

void
client_job_result(struct smtp_client *client, struct client_job *job, size_t index,
                  enum viaduct_outcome outcome, const struct viaduct_reason *reason, const char *remote)
{
    client->services->recipient_result(job->d, index, outcome, reason, remote);
}

void
client_job_end(struct smtp_client *client, struct client_job *job, bool unreachable,
               const struct viaduct_reason *reason)
{
    const struct viaduct_reason none = {"", ""};
    struct viaduct_delivery *d = job->d;
    job_free(client, job);
    client->inside++;
    client->services->delivery_end(d, unreachable, reason ? reason : &none);
    client->inside--;
}

void
client_job_convert(struct smtp_client *client, struct client_job *job, const char *need)
{
    struct viaduct_delivery *d = job->d;
    job_free(client, job);
    client->inside++;
    client->services->delivery_convert(d, need);
    client->inside--;
}

/* ---- operations ---- */

static int
client_begin(void *state, struct viaduct_reason *reason)
{
    (void)state;
    (void)reason;
    return 0; /* connections are opened when there is mail */
}

static void
client_deliver(void *state, struct viaduct_delivery *d)
{
    struct smtp_client *client = state;
    pool_add(client, job_new(client, d));
    pool_pump(client);
}

static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pool_pump(arg);
}

static void
client_tick(void *state)
{
    pool_tick(state);
}

static void
client_drain(void *state)
{
    pool_drain(state);
}

static bool
client_busy(void *state)
{
    const struct smtp_client *client = state;
    if (client->first != NULL || (client->draining && client->n_sessions > 0))
        return true;
    for (const struct client_session *s = client->sessions; s != NULL; s = s->next)
        if (s->job != NULL)
            return true;
    return false;
}

/* Whatever is still in hand goes back as it is. */
static void
client_finish(void *state)
{
    struct smtp_client *client = state;
    const struct viaduct_reason reason = {"4.3.2", "the gateway ended before the transfer did"};
    client->inside++; /* nothing is begun any more */
    while (client->sessions != NULL) {
        struct client_session *session = client->sessions;
        client->sessions = session->next;
        if (session->job != NULL)
            client_job_end(client, session->job, false, &reason);
        session_free(session);
    }
    while (client->first != NULL) {
        struct client_job *job = client->first;
        client->first = job->next;
        client_job_end(client, job, false, &reason);
    }
    client_free(client);
}

static int
client_test_op(void *state, void (*line)(void *arg, const char *text), void *arg)
{
    return client_test(state, line, arg);
}

const struct viaduct_outbound_ops smtp_outbound_ops = {
    .size = sizeof smtp_outbound_ops,
    .prepare = client_prepare,
    .begin = client_begin,
    .deliver = client_deliver,
    .tick = client_tick,
    .drain = client_drain,
    .busy = client_busy,
    .finish = client_finish,
    .test = client_test_op,
};
