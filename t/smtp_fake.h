/* smtp_fake.h - for tests of the SMTP client: a server that follows a script, and a gateway that notes what it
 * is told
 *
 * The server is a thread with blocking sockets on a loopback port. Its script is a list of strings:
 *
 *     @N      go on with connection N (0 to 7); accept it where it is new
 *     >text   send text, with CRLF          +text   send text as it is
 *     <text   read a line, which must begin with text
 *     1text   one recv() must bring text: it was sent in one write together with what stands in front of it
 *     =       nothing more has been sent by the client
 *     D       read a message up to CRLF.CRLF        .  read the rest of a transfer up to its end, without final
 * dot T       TLS handshake as server        X close       ~ the client must close (QUIT is swallowed)
 *
 * All that was read stands in `heard`, lines with LF. The first thing that is not as the script says stands in
 * `error`.
 */
#ifndef VIADUCT_T_SMTP_FAKE_H
#define VIADUCT_T_SMTP_FAKE_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/buf.h"
#include "conf/conf.h"
#include "systems/smtp/smtp_client.h"
#include "systems/smtp/tls.h"
#include "t/tap.h"

/* ---- the server ---- */

enum { PEERS = 8, PATIENCE_S = 20 };

struct peer {
    int fd;
    bool open;
    SSL *ssl;
    struct buf in;
};

struct server {
    int listener, port;
    SSL_CTX *tls;
    const char *const *script;
    struct peer peers[PEERS];
    int at; /* the connection in use */
    int accepted;
    struct buf heard;
    char error[300];
    pthread_t thread;
};

static inline void
server_listen(struct server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    memset(server, 0, sizeof *server);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(server->listener, 50) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&at, &len) < 0)
        printf("Bail out! no loopback port\n"), exit(1);
    server->port = ntohs(at.sin_port);
}

static inline bool
server_fail(struct server *server, const char *step, const char *what)
{
    if (server->error[0] == '\0')
        snprintf(server->error, sizeof server->error, "at '%.60s': %.200s", step, what);
    return false;
}

static inline ssize_t
peer_read(struct peer *peer)
{
    char bytes[65536];
    ssize_t got;
    if (peer->ssl != NULL)
        got = SSL_read(peer->ssl, bytes, sizeof bytes);
    else
        got = recv(peer->fd, bytes, sizeof bytes, 0);
    if (got > 0)
        buf_add(&peer->in, bytes, (size_t)got);
    return got;
}

static inline void
peer_write(struct peer *peer, const char *bytes, size_t len)
{
    if (peer->ssl != NULL) {
        SSL_write(peer->ssl, bytes, (int)len);
        return;
    }
    while (len > 0) {
        ssize_t put = send(peer->fd, bytes, len, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        bytes += put;
        len -= (size_t)put;
    }
}

static inline void
peer_close(struct peer *peer)
{
    if (!peer->open)
        return;
    SSL_free(peer->ssl);
    close(peer->fd);
    buf_clear(&peer->in);
    memset(peer, 0, sizeof *peer);
}

static inline bool
server_accept(struct server *server, const char *step)
{
    struct pollfd wait = {server->listener, POLLIN, 0};
    struct timeval patience = {PATIENCE_S, 0};
    server->at = step[1] - '0';
    struct peer *peer = &server->peers[server->at];
    if (peer->open)
        return true;
    if (poll(&wait, 1, PATIENCE_S * 1000) != 1)
        return server_fail(server, step, "no connection came");
    memset(peer, 0, sizeof *peer);
    peer->fd = accept(server->listener, NULL, NULL);
    peer->open = true;
    server->accepted++;
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return true;
}

static inline void
server_hear(struct server *server, struct peer *peer, size_t len, size_t end)
{
    for (size_t i = 0; i < len; i++)
        if (peer->in.at[i] != '\r' || i + 1 == len || peer->in.at[i + 1] != '\n')
            buf_add_byte(&server->heard, peer->in.at[i]);
    buf_consume(&peer->in, len + end);
}

static inline bool
server_line(struct server *server, struct peer *peer, const char *step)
{
    char *lf;
    while ((lf = peer->in.len ? memchr(peer->in.at, '\n', peer->in.len) : NULL) == NULL)
        if (peer_read(peer) <= 0)
            return server_fail(server, step, "the connection ended");
    size_t len = (size_t)(lf - peer->in.at) + 1;
    bool good = len >= 2 && lf[-1] == '\r' && strncmp(peer->in.at, step + 1, strlen(step + 1)) == 0;
    if (!good) {
        *lf = '\0';
        return server_fail(server, step, peer->in.at);
    }
    server_hear(server, peer, len, 0);
    return true;
}

static inline bool
server_message(struct server *server, struct peer *peer, const char *step)
{
    char *end;
    for (;;) {
        if (peer->in.len >= 3 && memcmp(peer->in.at, ".\r\n", 3) == 0)
            end = peer->in.at - 2;
        else
            end = peer->in.len ? memmem(peer->in.at, peer->in.len, "\r\n.\r\n", 5) : NULL;
        if (end != NULL)
            break;
        if (peer_read(peer) <= 0)
            return server_fail(server, step, "the connection ended in the message");
    }
    server_hear(server, peer, (size_t)(end + 5 - peer->in.at), 0);
    return true;
}

/* Reads to the end of the connection; there must be no final dot. */
static inline bool
server_torn(struct server *server, struct peer *peer, const char *step)
{
    while (peer_read(peer) > 0)
        continue;
    if (peer->in.len > 0 && memmem(peer->in.at, peer->in.len, "\r\n.\r\n", 5) != NULL)
        return server_fail(server, step, "the end of the message was sent");
    server_hear(server, peer, peer->in.len, 0);
    return true;
}

static inline bool
server_end(struct server *server, struct peer *peer, const char *step)
{
    while (peer_read(peer) > 0)
        continue;
    if (peer->in.len > 0 && (peer->in.len != 6 || memcmp(peer->in.at, "QUIT\r\n", 6) != 0)) {
        buf_add_byte(&peer->in, '\0');
        return server_fail(server, step, peer->in.at);
    }
    peer_close(peer);
    return true;
}

static inline bool
server_once(struct server *server, struct peer *peer, const char *step)
{
    if (peer->in.len == 0 && peer_read(peer) <= 0)
        return server_fail(server, step, "the connection ended");
    if (memmem(peer->in.at, peer->in.len, step + 1, strlen(step + 1)) == NULL)
        return server_fail(server, step, "not in the first read");
    return true;
}

static inline bool
server_quiet(struct server *server, struct peer *peer, const char *step)
{
    int waiting = 0;
    if (ioctl(peer->fd, FIONREAD, &waiting) < 0 || waiting > 0 || peer->in.len > 0)
        return server_fail(server, step, "more was sent");
    return true;
}

static inline void
server_tls(struct server *server, struct peer *peer)
{
    peer->ssl = SSL_new(server->tls);
    SSL_set_fd(peer->ssl, peer->fd);
    if (SSL_accept(peer->ssl) != 1) /* the client's refusal: the test looks at the client */
        peer_close(peer);
}

static inline bool
server_step(struct server *server, const char *step)
{
    struct peer *peer = &server->peers[server->at];
    if (step[0] == '@')
        return server_accept(server, step);
    if (!peer->open)
        return true;
    switch (step[0]) {
    case '>':
        peer_write(peer, step + 1, strlen(step + 1));
        peer_write(peer, "\r\n", 2);
        return true;
    case '+':
        peer_write(peer, step + 1, strlen(step + 1));
        return true;
    case '<':
        return server_line(server, peer, step);
    case '1':
        return server_once(server, peer, step);
    case '=':
        return server_quiet(server, peer, step);
    case 'D':
        return server_message(server, peer, step);
    case '.':
        return server_torn(server, peer, step);
    case 'T':
        server_tls(server, peer);
        return true;
    case 'X':
        peer_close(peer);
        return true;
    case '~':
        return server_end(server, peer, step);
    default:
        return server_fail(server, step, "no such step");
    }
}

static inline void *
server_run(void *arg)
{
    struct server *server = arg;
    for (size_t i = 0; server->script[i] != NULL; i++)
        if (!server_step(server, server->script[i]))
            break;
    for (size_t i = 0; i < PEERS; i++)
        peer_close(&server->peers[i]);
    return NULL;
}

static inline void
server_start(struct server *server, const char *const *script)
{
    server->script = script;
    pthread_create(&server->thread, NULL, server_run, server);
}

/* Waits for its end and says whether all went by the script. */
static inline void
server_stop(struct server *server, const char *name)
{
    pthread_join(server->thread, NULL);
    ok(server->error[0] == '\0', "%s: the peer saw what it should%s%s", name, server->error[0] ? " " : "", "");
    if (server->error[0] != '\0')
        printf("# %s\n", server->error);
    close(server->listener);
}

/* ---- the gateway ---- */

enum { RCPTS_MAX = 300 };

struct result {
    int times;
    enum viaduct_outcome outcome;
    struct viaduct_reason reason;
    char remote[300];
};

struct message {
    struct viaduct_delivery d;
    struct viaduct_recipient_out rcpts[RCPTS_MAX];
    struct result results[RCPTS_MAX];
    const char *body;
    uint64_t asked;     /* the highest offset so far */
    int64_t damaged_at; /* body_read fails there; -1 never */
    bool out_of_order, ended, unreachable;
    int readings; /* how often its body was begun */
    int ends;
    char need[40];
    struct viaduct_reason reason;
};

struct gateway {
    struct event_base *base;
    struct conf_root root;
    const char *urls[8];
    const char *pins[2];
    void *state;
    int reachable, sessions, most_sessions, failures, open_messages;
    bool verbose;
};

static inline struct event_base *
fake_loop(struct viaduct_gateway *g)
{
    return ((struct gateway *)g)->base;
}

static inline const char *
fake_node(struct viaduct_gateway *g)
{
    (void)g;
    return "gw1.contoso.example";
}

static inline const void *
fake_root(struct viaduct_gateway *g)
{
    return &((struct gateway *)g)->root;
}

static inline const void *
fake_connector(struct viaduct_gateway *g)
{
    (void)g;
    return NULL; /* the host */
}

static inline void __attribute__((format(printf, 4, 5)))
fake_say(struct viaduct_gateway *g, enum viaduct_log_level level, const char *id, const char *format, ...)
{
    va_list args;
    (void)level;
    (void)id;
    if (!((struct gateway *)g)->verbose)
        return;
    va_start(args, format);
    printf("# says: ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static inline ssize_t
fake_body_read(struct viaduct_delivery *d, uint64_t offset, void *bytes, size_t size)
{
    struct message *m = d->gateway;
    if (offset < m->asked && offset > 0)
        m->out_of_order = true;
    m->readings += offset == 0;
    m->asked = offset;
    if (m->damaged_at >= 0 && (int64_t)(offset + size) > m->damaged_at)
        return -EBADMSG;
    size_t rest = (size_t)(d->bytes - offset);
    size_t n = rest < size ? rest : size;
    memcpy(bytes, m->body + offset, n);
    return (ssize_t)n;
}

static inline void
fake_result(struct viaduct_delivery *d, size_t index, enum viaduct_outcome outcome,
            const struct viaduct_reason *reason, const char *remote)
{
    struct result *r = &((struct message *)d->gateway)->results[index];
    r->times++;
    r->outcome = outcome;
    r->reason = *reason;
    snprintf(r->remote, sizeof r->remote, "%s", remote ? remote : "");
}

static struct gateway *fake_current;

static inline void
fake_end(struct viaduct_delivery *d, bool unreachable, const struct viaduct_reason *reason)
{
    struct message *m = d->gateway;
    m->ended = true;
    m->ends++;
    m->unreachable = unreachable;
    m->reason = *reason;
    fake_current->open_messages--;
}

static inline void
fake_convert(struct viaduct_delivery *d, const char *need)
{
    struct message *m = d->gateway;
    m->ended = true;
    m->ends++;
    snprintf(m->need, sizeof m->need, "%s", need);
    fake_current->open_messages--;
}

static inline void
fake_reachable(struct viaduct_gateway *g)
{
    ((struct gateway *)g)->reachable++;
}

static inline void
fake_count(struct viaduct_gateway *g, bool inbound, int delta, bool failed)
{
    struct gateway *gateway = (struct gateway *)g;
    (void)inbound;
    gateway->sessions += delta;
    gateway->failures += failed;
    if (gateway->sessions > gateway->most_sessions)
        gateway->most_sessions = gateway->sessions;
}

static const struct viaduct_services fake_services = {
    .size = sizeof fake_services,
    .loop = fake_loop,
    .node = fake_node,
    .conf_root = fake_root,
    .conf_connector = fake_connector,
    .say = fake_say,
    .body_read = fake_body_read,
    .recipient_result = fake_result,
    .delivery_end = fake_end,
    .delivery_convert = fake_convert,
    .reachable = fake_reachable,
    .count_connection = fake_count,
};

static inline void
gateway_init(struct gateway *g)
{
    struct conf_host *host = &g->root.host;
    memset(g, 0, sizeof *g);
    g->base = event_base_new();
    g->verbose = getenv("VERBOSE") != NULL;
    host->limits.concurrency = 20;
    host->limits.connection_messages = 100;
    host->timeouts = (struct conf_timeouts){
        .connect_s = 10, .greeting_s = 10, .command_s = 10, .data_s = 10, .dot_s = 10, .idle_s = 1};
    host->deliver.to.at = g->urls;
    host->deliver.tls.mode = "may";
    fake_current = g;
}

/* Adds a next hop on loopback. */
static inline void
gateway_hop(struct gateway *g, const char *scheme, const char *host, int port)
{
    g->urls[g->root.host.deliver.to.n++] = xasprintf("%s://%s:%d", scheme, host, port);
}

static inline void
gateway_begin(struct gateway *g)
{
    struct viaduct_reason reason = {"", ""};
    int result = smtp_outbound_ops.prepare(&fake_services, (struct viaduct_gateway *)g, &g->state, &reason);
    if (result < 0 || smtp_outbound_ops.begin(g->state, &reason) < 0)
        printf("Bail out! %s\n", reason.text), exit(1);
}

static inline void
gateway_on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct gateway *g = arg;
    (void)fd;
    (void)what;
    smtp_outbound_ops.tick(g->state);
}

/* Runs the loop until `done`, or so long that something must be wrong. */
static inline void
gateway_run(struct gateway *g, bool (*done)(struct gateway *))
{
    struct event *tick = event_new(g->base, -1, EV_PERSIST, gateway_on_tick, g);
    struct timeval often = {0, 20000};
    int64_t end = monotonic_ms() + PATIENCE_S * 1000;
    event_add(tick, &often);
    while (!done(g) && monotonic_ms() < end)
        event_base_loop(g->base, EVLOOP_ONCE);
    event_free(tick);
}

static inline bool
all_ended(struct gateway *g)
{
    return g->open_messages == 0;
}

static inline bool
not_busy(struct gateway *g)
{
    return !smtp_outbound_ops.busy(g->state);
}

/* Drains and ends. */
static inline void
gateway_end(struct gateway *g)
{
    smtp_outbound_ops.drain(g->state);
    gateway_run(g, not_busy);
    smtp_outbound_ops.finish(g->state);
    event_base_free(g->base);
    for (size_t i = 0; i < g->root.host.deliver.to.n; i++)
        free((void *)(uintptr_t)g->urls[i]);
}

static inline struct viaduct_text
text_of(const char *text)
{
    return (struct viaduct_text){text, text ? strlen(text) : 0};
}

/* A message from a@contoso.example; `rcpts` separated by blanks. */
static inline void
message_init(struct message *m, const char *rcpts, const char *body)
{
    memset(m, 0, sizeof *m);
    m->damaged_at = -1;
    m->body = body;
    m->d = (struct viaduct_delivery){.size = sizeof m->d,
                                     .id = "test",
                                     .originator = text_of("a@contoso.example"),
                                     .recipients = m->rcpts,
                                     .bytes = strlen(body),
                                     .gateway = m};
    for (const char *c = body; *c != '\0'; c++)
        m->d.lines_hint += *c == '\n';
    while (*rcpts != '\0') {
        size_t len = strcspn(rcpts, " ");
        struct viaduct_recipient_out *rcpt = &m->rcpts[m->d.n_recipients++];
        rcpt->address = (struct viaduct_text){rcpts, len};
        rcpt->original = rcpt->address;
        rcpt->responsible = true;
        rcpts += len + (rcpts[len] == ' ');
    }
}

static inline void
gateway_send(struct gateway *g, struct message *m)
{
    g->open_messages++;
    smtp_outbound_ops.deliver(g->state, &m->d);
}

static inline void
is_result(const struct message *m, size_t index, enum viaduct_outcome outcome, const char *status,
          const char *name)
{
    const struct result *r = &m->results[index];
    bool good = r->times == 1 && r->outcome == outcome && strcmp(r->reason.status, status) == 0;
    ok(good, "%s", name);
    if (!good)
        printf("#   %d times, outcome %d, %s '%s'; end: %s '%s'\n", r->times, (int)r->outcome, r->reason.status,
               r->reason.text, m->reason.status, m->reason.text);
}

#endif
