/* server.c - the SMTP server's life: listeners, limits, accepting, ending (see server_inside.h)
 *
 *     prepare   listeners, certificate and networks are read (before the sandbox)
 *     begin     accepting starts
 *     tick      sessions that are too old end; clients that are gone are forgotten
 *     drain     no more accepting; idle sessions are told 421, the others when their message is through
 *     finish    everything is given back
 *
 * Everything a session costs is bounded: sessions by `sessions` and `sessions-per-client`, a session's memory
 * by its input buffer and the envelope's arena, its time by `session`. When descriptors run out, accepting
 * rests until the next tick.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "systems/smtp/server_inside.h"
#include "systems/smtp/smtp.h"
#include "systems/smtp/tls.h"
#include "systems/viaduct/reason.h"

enum { ACCEPT_BATCH = 16, ENVELOPE_BYTES = 4096, SESSIONS_REFUSED = 500, LAST_MESSAGE_MS = 5000 };

static void server_free(struct smtp_server *server);

/* ---- prepare ---- */

static int
reason_of(struct viaduct_reason *reason, const struct why *why)
{
    reason_from(reason, why);
    return -1;
}

static void
listener_name(struct listener *listener, const char *address)
{
    struct span s = span_of(address);
    listener->address = address;
    listener->lmtp = span_starts_nocase(s, SPAN("lmtp://"));
    listener->tls = span_starts_nocase(s, SPAN("smtps://"));
    listener->fd = -1;
}

static int
listeners_open(struct smtp_server *server, const struct conf_texts *texts, struct viaduct_reason *reason)
{
    server->listeners =
        xrealloc(server->listeners, (server->n_listeners + texts->n + 1) * sizeof *server->listeners);
    for (size_t i = 0; i < texts->n; i++) {
        struct listener *listener = &server->listeners[server->n_listeners++];
        *listener = (struct listener){.server = server};
        listener_name(listener, texts->at[i]);
        listener->fd = server->services->listener(server->gateway, texts->at[i], reason);
        if (listener->fd < 0)
            return -1;
        fcntl(listener->fd, F_SETFL, fcntl(listener->fd, F_GETFL) | O_NONBLOCK);
        if (listener->tls && server->tls == NULL) {
            snprintf(reason->text, sizeof reason->text, "%s needs a certificate in its tls section",
                     texts->at[i]);
            return -1;
        }
    }
    return 0;
}

static int
tls_prepare(struct smtp_server *server, struct viaduct_reason *reason)
{
    const struct conf_tls *tls = &server->conf->tls;
    enum tls_mode mode = tls_mode_by_word(tls->mode);
    struct why why = {.text = ""};
    server->tls_needed = mode == TLS_ENCRYPT;
    if (mode == TLS_VERIFY || mode == TLS_PIN)
        why_set(&why, "", "tls mode %s is for peers; a listener takes none, may or encrypt", tls->mode);
    else if (mode == TLS_NONE || (mode == TLS_MAY && tls->certificate == NULL))
        return 0;
    else if ((server->tls = tls_server_new(tls, &why)) != NULL)
        return 0;
    return reason_of(reason, &why);
}

static int
networks_read(struct smtp_server *server, const struct conf_root *root, bool host,
              struct viaduct_reason *reason)
{
    struct why why = {.text = ""};
    if (netlist_read(&server->conf->allow, &server->allow, &why) < 0 ||
        netlist_read(&server->conf->proxy_from, &server->proxy_from, &why) < 0 ||
        netlist_read(&server->conf->xclient_from, &server->xclient_from, &why) < 0)
        return reason_of(reason, &why);
    for (size_t i = 0; host && i < root->connectors_n; i++) {
        const struct conf_connector *connector = &root->connectors[i];
        if (connector->from.n == 0)
            continue;
        struct peer *peer = &server->peers[server->n_peers++];
        *peer = (struct peer){
            .name = connector->title, .limits = &connector->limits, .timeouts = &connector->timeouts};
        server->max_sessions += peer->limits->sessions;
        if (server->max_recipients < peer->limits->recipients)
            server->max_recipients = peer->limits->recipients;
        if (netlist_read(&connector->from, &peer->from, &why) < 0)
            return reason_of(reason, &why);
    }
    return 0;
}

static int
server_fill(struct smtp_server *server, struct viaduct_reason *reason)
{
    const struct viaduct_services *services = server->services;
    const struct conf_root *root = services->conf_root(server->gateway);
    const struct conf_connector *connector = services->conf_connector(server->gateway);
    server->conf = connector ? &connector->smtp : &root->host.smtp;
    server->hostname = server->conf->hostname ? server->conf->hostname : services->node(server->gateway);
    server->default_domain = root->host.domains.n > 0 ? root->host.domains.at[0] : server->hostname;
    server->postmaster = root->admin_address;
    server->utf8 = strcmp(server->conf->smtputf8, "no") != 0;
    server->normalize = strcmp(server->conf->bare_newline, "refuse") != 0;
    server->peers = xcalloc(1 + root->connectors_n, sizeof *server->peers);
    server->n_peers = 1;
    server->peers[0] = (struct peer){.name = "",
                                     .limits = connector ? &connector->limits : &root->host.limits,
                                     .timeouts = connector ? &connector->timeouts : &root->host.timeouts};
    server->max_sessions = SESSIONS_REFUSED + server->peers[0].limits->sessions;
    server->max_recipients = server->peers[0].limits->recipients;
    if (networks_read(server, root, connector == NULL, reason) < 0 || tls_prepare(server, reason) < 0)
        return -1;
    if (connector != NULL && listeners_open(server, &connector->listen, reason) < 0)
        return -1;
    return listeners_open(server, &server->conf->listen, reason);
}

static int
server_prepare(const struct viaduct_services *services, struct viaduct_gateway *gateway, void **state,
               struct viaduct_reason *reason)
{
    struct smtp_server *server = xcalloc(1, sizeof *server);
    server->services = services;
    server->gateway = gateway;
    server->base = services->loop(gateway);
    if (getrandom(&server->seed, sizeof server->seed, 0) < 0)
        server->seed = (uint64_t)time_ms();
    if (server_fill(server, reason) < 0) {
        server_free(server);
        return -1;
    }
    *state = server;
    return 0;
}

/* ---- accepting ---- */

static struct session *
session_take(struct smtp_server *server)
{
    struct session *s = server->pool;
    if (s == NULL) {
        s = xcalloc(1, sizeof *s);
        s->arena = arena_new(64 * 1024 + (size_t)server->max_recipients * ENVELOPE_BYTES);
        return s;
    }
    server->pool = s->next;
    server->n_pool--;
    struct session fresh = {.name = s->name,
                            .helo = s->helo,
                            .arena = s->arena,
                            .recipients = s->recipients,
                            .recipients_size = s->recipients_size,
                            .keys = s->keys,
                            .n_keys = s->n_keys};
    *s = fresh;
    buf_reset(&s->name);
    buf_reset(&s->helo);
    return s;
}

void
server_start_session(struct smtp_server *server, const struct listener *listener, int fd,
                     const struct sockaddr *peer)
{
    struct session *s = session_take(server);
    s->server = server;
    s->listener = listener;
    s->number = ++server->n_started;
    s->start_ms = monotonic_ms();
    s->origin = s->address = net_address_of(peer);
    s->prev = server->last;
    *(server->last ? &server->last->next : &server->first) = s;
    server->last = s;
    server->n_sessions++;
    s->conn = conn_new(server->base, fd, false, &session_conn_ops, s);
    session_begin(s);
}

static void
listening_change(struct smtp_server *server, bool on)
{
    for (size_t i = 0; i < server->n_listeners; i++)
        if (!event_initialized(&server->listeners[i].event))
            continue; /* not begun */
        else if (on)
            event_add(&server->listeners[i].event, NULL);
        else
            event_del(&server->listeners[i].event);
}

/* Whether accept4() failed for want of something that the next second may bring. */
static void
accept_failed(struct smtp_server *server, int error)
{
    if (error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO)
        return;
    server->services->say(server->gateway, VIADUCT_LOG_ERROR, NULL, "cannot accept connections for now: %s",
                          strerror(error));
    server->starved = true;
    listening_change(server, false);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    (void)what;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof peer;
        int client = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            accept_failed(listener->server, errno);
            return;
        }
        if (listener->server->n_sessions >= listener->server->max_sessions) {
            close(client); /* a flood of those who are refused anyway */
            listener->server->n_flooded++;
            continue;
        }
        server_start_session(listener->server, listener, client, (const struct sockaddr *)&peer);
    }
}

static int
server_begin(void *state, struct viaduct_reason *reason)
{
    struct smtp_server *server = state;
    (void)reason;
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct listener *listener = &server->listeners[i];
        event_assign(&listener->event, server->base, listener->fd, EV_READ | EV_PERSIST, on_accept, listener);
    }
    listening_change(server, true);
    return 0;
}

/* ---- time and end ---- */

static void
session_tick(struct session *s, int64_t now)
{
    if (s->conn == NULL || conn_is_closing(s->conn))
        return;
    const struct conf_timeouts *timeouts = s->peer ? s->peer->timeouts : s->server->peers[0].timeouts;
    bool old = timeouts->session_s > 0 && now - s->start_ms >= timeouts->session_s * 1000;
    if (s->phase == PHASE_PROXY || s->phase == PHASE_TLS) {
        if (old)
            conn_close(s->conn, false);
    } else if (s->server->ending && session_is_idle(s) &&
               (s->messages > 0 || now - s->start_ms > LAST_MESSAGE_MS)) {
        session_hang_up(s, "421 4.3.2 going down, try again later");
    } else if (old && s->phase != PHASE_COMMIT) {
        session_hang_up(s, "421 4.4.2 the session has lasted too long");
    }
}

static void
sessions_tick(struct smtp_server *server)
{
    int64_t now = monotonic_ms();
    for (struct session *s = server->first, *next; s != NULL; s = next) {
        next = s->next;
        session_tick(s, now);
    }
}

static void
server_tick(void *state)
{
    struct smtp_server *server = state;
    if (server->starved && !server->ending) {
        server->starved = false;
        listening_change(server, true);
    }
    if (server->n_flooded > 0)
        server->services->say(server->gateway, VIADUCT_LOG_INFO, NULL,
                              "%ld connections closed unanswered: too many", server->n_flooded);
    server->n_flooded = 0;
    sessions_tick(server);
    clients_tidy(server);
}

static void
server_drain(void *state)
{
    struct smtp_server *server = state;
    if (server->ending)
        return;
    server->ending = true;
    listening_change(server, false);
    sessions_tick(server);
}

static bool
server_busy(void *state)
{
    const struct smtp_server *server = state;
    return server->n_sessions > 0;
}

static void
server_free(struct smtp_server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++)
        if (server->listeners[i].fd >= 0)
            close(server->listeners[i].fd);
    sessions_clear(server);
    for (size_t i = 0; i < server->n_peers; i++)
        netlist_clear(&server->peers[i].from);
    clients_clear(server);
    netlist_clear(&server->allow);
    netlist_clear(&server->proxy_from);
    netlist_clear(&server->xclient_from);
    SSL_CTX_free(server->tls);
    free(server->peers);
    free(server->listeners);
    free(server);
}

static void
server_finish(void *state)
{
    struct smtp_server *server = state;
    listening_change(server, false);
    server_free(server);
}

const struct viaduct_inbound_ops smtp_inbound_ops = {
    .size = sizeof(struct viaduct_inbound_ops),
    .prepare = server_prepare,
    .begin = server_begin,
    .tick = server_tick,
    .drain = server_drain,
    .busy = server_busy,
    .finish = server_finish,
};
