/* client_session.c - one connection from connect(2) to QUIT, without mail (states: see client.h)
 *
 * Every end goes through conn's ops->closed, and on_closed() alone decides what it means for the job or the
 * owner.
 *
 * What is hostile here: the server's answers and when they come. Besides conn's time-out for silence each
 * answer has a deadline, so that one byte a minute keeps nobody busy.
 *
 * Source: RFC 5321 section 4.5.3.2.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "systems/smtp/client.h"

static void on_input(struct conn *conn, void *arg);
static void on_drained(struct conn *conn, void *arg);
static void on_secure(struct conn *conn, void *arg);
static void on_closed(struct conn *conn, void *arg, const struct why *why);

static const struct conn_ops session_conn_ops = {
    .input = on_input, .drained = on_drained, .secure = on_secure, .closed = on_closed};

/* ---- waiting ---- */

enum wait { WAIT_CONNECT, WAIT_GREETING, WAIT_COMMAND, WAIT_DATA, WAIT_DOT, WAIT_NONE };

static const struct {
    enum wait wait;
    bool answer; /* one reply is awaited: it has a deadline */
    const char *what;
} waits[] = {
    [SESSION_CONNECT] = {WAIT_CONNECT, true, "the connection"},
    [SESSION_TLS] = {WAIT_GREETING, true, "the TLS handshake"},
    [SESSION_GREETING] = {WAIT_GREETING, true, "the greeting"},
    [SESSION_HELLO] = {WAIT_GREETING, true, "the answer to EHLO"},
    [SESSION_HELO] = {WAIT_GREETING, true, "the answer to HELO"},
    [SESSION_STARTTLS] = {WAIT_GREETING, true, "the answer to STARTTLS"},
    [SESSION_IDLE] = {WAIT_NONE, false, "mail"},
    [SESSION_RSET] = {WAIT_COMMAND, true, "the answer to RSET"},
    [SESSION_MAIL] = {WAIT_COMMAND, true, "the answer to MAIL"},
    [SESSION_RCPT] = {WAIT_COMMAND, true, "the answer to RCPT"},
    [SESSION_DATA] = {WAIT_COMMAND, true, "the answer to DATA"},
    [SESSION_BODY] = {WAIT_DATA, false, "the peer to take the message"},
    [SESSION_DOT] = {WAIT_DOT, true, "the answer to the end of the message"},
    [SESSION_CLOSING] = {WAIT_NONE, false, "the end"},
};

static int64_t
wait_seconds(const struct conf_timeouts *timeouts, enum wait wait)
{
    switch (wait) {
    case WAIT_CONNECT:
        return timeouts->connect_s;
    case WAIT_GREETING:
        return timeouts->greeting_s;
    case WAIT_COMMAND:
        return timeouts->command_s;
    case WAIT_DATA:
        return timeouts->data_s;
    case WAIT_DOT:
        return timeouts->dot_s;
    case WAIT_NONE:
        break;
    }
    return 0;
}

void
session_await(struct client_session *session, enum session_state state)
{
    int64_t seconds = wait_seconds(session->client->timeouts, waits[state].wait);
    if (state == SESSION_IDLE && session->state != SESSION_IDLE)
        session->client->n_idle++;
    if (state != SESSION_IDLE && session->state == SESSION_IDLE)
        session->client->n_idle--;
    session->state = state;
    session->deadline_ms = waits[state].answer && seconds > 0 ? monotonic_ms() + seconds * 1000 + 1000 : 0;
    if (state != SESSION_CLOSING)
        conn_timeout(session->conn, seconds, waits[state].what);
}

void
session_tick(struct client_session *session, int64_t now_ms)
{
    const struct conf_timeouts *timeouts = session->client->timeouts;
    if (session->state == SESSION_IDLE && now_ms - session->since_ms >= timeouts->idle_s * 1000)
        session_quit(session);
    else if (session->deadline_ms > 0 && now_ms > session->deadline_ms && conn_pending(session->conn) == 0)
        session_break(session, session->opened ? "4.4.2" : "4.4.1", "timed out waiting for %s",
                      waits[session->state].what);
}

void
session_note(struct client_session *session, const char *format, ...)
{
    char text[600];
    if (session->owner->note == NULL)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    session->owner->note(session, text);
}

/* ---- opening ---- */

static int
connect_begin(struct client_session *session, struct why *why)
{
    const struct resolve_address *address = &session->address;
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_set(why, "4.4.1", "no socket: %s", strerror(errno));
    int one = 1;
    if (address->at.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    bool connecting = false;
    if (connect(fd, (const struct sockaddr *)&address->at, address->len) < 0) {
        if (errno != EINPROGRESS) {
            why_set(why, "4.4.1", "cannot connect to %s: %s", session->peer, strerror(errno));
            close(fd);
            return -EINVAL;
        }
        connecting = true;
    }
    session->conn = conn_new(session->base, fd, connecting, &session_conn_ops, session);
    session->secured = false;
    smtp_reply_reset(&session->reply);
    session_await(session, SESSION_CONNECT);
    if (!connecting)
        on_drained(session->conn, session);
    return 0;
}

static void
name_peer(struct client_session *session)
{
    char at[140];
    const char *name = session->address.name;
    resolve_print(&session->address, at, sizeof at);
    if (session->address.at.ss_family == AF_UNIX) {
        snprintf(session->peer, sizeof session->peer, "%s", at);
        snprintf(session->remote, sizeof session->remote, "x-local; %s", at);
        return;
    }
    const char *port = strrchr(at, ':');
    int len = port ? (int)(port - at) : (int)strlen(at);
    if (session->hop->url.literal)
        snprintf(session->peer, sizeof session->peer, "%s", at);
    else if (at[0] == '[') /* IPv6 brings its brackets */
        snprintf(session->peer, sizeof session->peer, "%.190s%s", name, at);
    else
        snprintf(session->peer, sizeof session->peer, "%s[%.*s]%s", name, len, at, port ? port : "");
    if (session->hop->url.literal)
        snprintf(session->remote, sizeof session->remote, "dns; [%s]", name);
    else
        snprintf(session->remote, sizeof session->remote, "dns; %s", name);
}

struct client_session *
session_open(struct smtp_client *client, struct event_base *base, struct client_hop *hop,
             const struct resolve_address *address, bool plain, const struct session_owner *owner, void *arg,
             struct why *why)
{
    struct client_session *session = xcalloc(1, sizeof *session);
    session->client = client;
    session->base = base;
    session->owner = owner;
    session->arg = arg;
    session->hop = hop;
    session->address = *address;
    session->plain = plain;
    session->lmtp = hop->url.scheme == SMTP_SCHEME_LMTP;
    session->implicit_tls = hop->url.scheme == SMTP_SCHEME_SMTPS;
    session->mode = address->at.ss_family == AF_UNIX ? TLS_NONE : tls_client_mode(client->tls);
    session->started_ms = monotonic_ms();
    name_peer(session);
    if (connect_begin(session, why) < 0) {
        session_free(session);
        return NULL;
    }
    return session;
}

void
session_free(struct client_session *session)
{
    if (session->state == SESSION_IDLE)
        session->client->n_idle--;
    conn_free(session->conn);
    free(session);
}

/* ---- events ---- */

static void
on_drained(struct conn *conn, void *arg)
{
    struct client_session *session = arg;
    (void)conn;
    if (session->state == SESSION_CONNECT)
        hello_connected(session);
    else
        mail_drained(session);
}

static void
on_secure(struct conn *conn, void *arg)
{
    (void)conn;
    hello_secure(arg);
}

static void
answered(struct client_session *session)
{
    switch (session->state) {
    case SESSION_GREETING:
    case SESSION_HELLO:
    case SESSION_HELO:
    case SESSION_STARTTLS:
        hello_answer(session);
        break;
    case SESSION_RSET:
    case SESSION_MAIL:
    case SESSION_RCPT:
    case SESSION_DATA:
    case SESSION_BODY:
    case SESSION_DOT:
        mail_answer(session);
        break;
    case SESSION_IDLE:
        session_break(session, "4.4.2", "the peer ends the session: %d %s", session->reply.code,
                      session->reply.text);
        break;
    case SESSION_CONNECT:
    case SESSION_TLS:
    case SESSION_CLOSING:
        session_break(session, "4.5.0", "an answer that nothing was asked for");
    }
}

static void
on_input(struct conn *conn, void *arg)
{
    struct client_session *session = arg;
    while (!conn_is_closing(conn)) {
        struct why why;
        struct span text;
        bool last = false;
        int used = smtp_reply_line(&session->reply, buf_span(conn_in(conn)), &last, &text, &why);
        if (used < 0)
            session_break(session, why.status, "%s", why.text);
        if (used <= 0)
            return;
        if (session->state == SESSION_HELLO && session->reply.lines > 1)
            smtp_caps_line(&session->caps, text);
        conn_consume(conn, (size_t)used);
        if (!last)
            continue;
        answered(session);
        smtp_reply_reset(&session->reply);
    }
}

/* ---- the end ---- */

bool
session_is_used_up(const struct client_session *session)
{
    uint64_t messages = (uint64_t)session->messages, announced = session->caps.mail_max;
    return session->ended || messages >= (uint64_t)session->client->limits->connection_messages ||
           (announced > 0 && messages >= announced);
}

void
session_done(struct client_session *session)
{
    session->since_ms = monotonic_ms();
    if (session_is_used_up(session)) {
        session_quit(session);
        return;
    }
    session_await(session, SESSION_IDLE);
    session->owner->ready(session);
}

void
session_quit(struct client_session *session)
{
    session_await(session, SESSION_CLOSING);
    if (!conn_is_closing(session->conn)) {
        conn_add(session->conn, "QUIT\r\n", 6);
        conn_close(session->conn, true);
    }
}

void
session_break(struct client_session *session, const char *status, const char *format, ...)
{
    char text[sizeof session->cause.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (session->cause.text[0] == '\0')
        why_set(&session->cause, status, "%s", text);
    conn_close(session->conn, false);
}

/* Only with mode may: where the handshake failed, once more without TLS. */
static bool
again_without_tls(struct client_session *session, const struct why *why)
{
    if (session->state != SESSION_TLS || session->mode != TLS_MAY || session->implicit_tls ||
        session->cause.text[0] != '\0')
        return false;
    struct smtp_client *client = session->client;
    client->services->say(client->gateway, VIADUCT_LOG_INFO, NULL, "%s: %s; sending without TLS", session->peer,
                          why->text);
    session_note(session, "TLS failed (%s): once more without", why->text);
    conn_free(session->conn);
    session->conn = NULL;
    session->plain = true;
    return connect_begin(session, &session->cause) == 0;
}

static void
on_closed(struct conn *conn, void *arg, const struct why *why)
{
    struct client_session *session = arg;
    const struct why closed = {"4.4.2", "the peer closed the connection"};
    (void)conn;
    if (again_without_tls(session, why))
        return;
    if (session->cause.text[0] != '\0')
        why = &session->cause;
    else if (why->text[0] == '\0' && session->state != SESSION_CLOSING && session->state != SESSION_IDLE)
        why = &closed;
    if (session->job != NULL)
        mail_lost(session, why);
    session_await(session, SESSION_CLOSING);
    if (session->opened)
        session->owner->closed(session, why);
    else
        session->owner->failed(session, why);
    session_free(session);
}
