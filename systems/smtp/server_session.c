/* server_session.c - one session: greeting, lines, PROXY, TLS, the end (see server_inside.h)
 *
 * What is hostile here: lines without end, control bytes in commands, commands sent before they may be (ahead
 * of the greeting; across STARTTLS, where conn_secure() throws them away), clients that leave at any point.
 *
 * Answers are collected while there is input to work off, and sent by one write.
 */
#include "systems/smtp/server_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "systems/smtp/proxy.h"
#include "systems/smtp/tls.h"

enum { INPUT_LIMIT = 64 * 1024, POOL_MAX = 256, BATCH_OUT = 32 * 1024 };

/* ---- answers ---- */

void
session_answer(struct session *s, const char *reply)
{
    struct buf *out = conn_out(s->conn);
    buf_add_text(out, reply);
    buf_add(out, "\r\n", 2);
}

static void
make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

void
session_answerf(struct session *s, const char *format, ...)
{
    char reply[REPLY_TEXT_MAX + 32];
    va_list args;
    va_start(args, format);
    vsnprintf(reply, sizeof reply, format, args);
    va_end(args);
    make_printable(reply);
    session_answer(s, reply);
}

void
session_print_client(const struct session *s, struct buf *out)
{
    char literal[NET_ADDRESS_TEXT];
    net_address_literal(&s->address, literal);
    buf_reset(out);
    buf_printf(out, "%s%s[%s]", s->name.len > 0 ? s->name.at : "", s->name.len > 0 ? " " : "", literal);
}

void
session_log_refusal(struct session *s, struct span what, const char *reply)
{
    const struct smtp_server *server = s->server;
    char literal[NET_ADDRESS_TEXT];
    net_address_literal(&s->address, literal);
    server->services->say(server->gateway, VIADUCT_LOG_INFO, NULL,
                          "session %llx client [%s] helo %s refused %.*s: %s", (unsigned long long)s->number,
                          literal, s->helo.len > 0 ? s->helo.at : "-", what.len < 200 ? (int)what.len : 200,
                          what.at ? what.at : "", reply);
}

void
session_refuse(struct session *s, enum refusal refusal, struct span what, const char *format, ...)
{
    char reply[REPLY_TEXT_MAX + 32];
    va_list args;
    va_start(args, format);
    vsnprintf(reply, sizeof reply, format, args);
    va_end(args);
    make_printable(reply);
    session_answer(s, reply);
    session_log_refusal(s, what, reply);
    s->errors += refusal == BLUNDER;
    if (s->peer != NULL && s->errors >= s->peer->limits->errors)
        session_hang_up(s, "421 4.7.0 too many errors");
}

void
session_hang_up(struct session *s, const char *reply)
{
    if (conn_is_closing(s->conn))
        return;
    session_answer(s, reply);
    session_log_refusal(s, SPAN("session"), reply);
    conn_close_gently(s->conn);
}

bool
session_is_idle(const struct session *s)
{
    return s->conn != NULL && s->phase == PHASE_COMMAND && !s->mail;
}

/* ---- the beginning ---- */

/* Implicit TLS. Strangers are turned away before they cost a handshake, without a word that they could read. */
static void
session_wait_tls(struct session *s)
{
    const char *refusal = session_admit(s);
    SSL *ssl = refusal == NULL ? tls_server_ssl(s->server->tls) : NULL;
    if (ssl == NULL) {
        session_log_refusal(s, SPAN("connection"), refusal ? refusal : "TLS cannot be begun");
        conn_close(s->conn, false);
        return;
    }
    s->phase = PHASE_TLS;
    conn_timeout(s->conn, s->server->peers[0].timeouts->greeting_s, "TLS");
    conn_secure(s->conn, ssl);
}

void
session_begin(struct session *s)
{
    s->server->services->count_connection(s->server->gateway, true, 1, false);
    if (netlist_has(&s->server->proxy_from, &s->origin)) {
        s->phase = PHASE_PROXY;
        conn_timeout(s->conn, s->server->peers[0].timeouts->greeting_s, "a PROXY header");
        if (s->listener->tls)
            conn_set_limit(s->conn, 1); /* what stands behind the header is TLS's */
    } else if (s->listener->tls) {
        session_wait_tls(s);
    } else {
        session_greet(s);
    }
}

/* A client that talks before it is greeted is a program that does not read answers (RFC 5321 section 3.1). */
static bool
session_is_early(const struct session *s, int fd)
{
    int waiting = 0;
    bool proxied = netlist_has(&s->server->proxy_from, &s->origin);
    return !proxied && fd >= 0 && ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

void
session_greet(struct session *s)
{
    const struct smtp_server *server = s->server;
    const char *refusal = session_admit(s);
    s->phase = PHASE_COMMAND;
    if (refusal == NULL && session_is_early(s, conn_fd(s->conn)))
        refusal = "554 5.5.1 you talked before the greeting";
    if (refusal != NULL) {
        session_hang_up(s, refusal);
        return;
    }
    conn_timeout(s->conn, s->peer->timeouts->command_s, "a command");
    s->welcomed = true;
    conn_printf(s->conn, "220 %s %s viaduct\r\n", server->hostname, s->listener->lmtp ? "LMTP" : "ESMTP");
    conn_flush(s->conn);
}

/* Takes the PROXY header off. Returns true when the session can go on. */
static bool
session_take_proxy(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    struct proxy proxy;
    struct why why;
    size_t used;
    int done = proxy_read(buf_span(in), &proxy, &used, &why);
    if (done == 0 && s->listener->tls)
        conn_set_limit(s->conn, used);
    if (done < 0) {
        session_log_refusal(s, SPAN("connection"), why.text);
        conn_close(s->conn, false);
    }
    if (done <= 0)
        return false;
    conn_consume(s->conn, used);
    conn_set_limit(s->conn, INPUT_LIMIT);
    s->unknown_client = proxy.unknown;
    if (!proxy.local && !proxy.unknown)
        s->address = proxy.client;
    if (s->listener->tls)
        session_wait_tls(s);
    else
        session_greet(s);
    return s->phase == PHASE_COMMAND;
}

/* ---- lines ---- */

/* Consumes up to the end of an overlong line. Returns true when it is reached. */
static bool
session_swallow(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    const char *lf = in->len > 0 ? memchr(in->at, '\n', in->len) : NULL;
    s->swallowing = lf == NULL;
    conn_consume(s->conn, lf ? (size_t)(lf - in->at) + 1 : in->len);
    if (lf != NULL)
        session_refuse(s, BLUNDER, SPAN("command"), "500 5.5.2 line longer than %d octets", COMMAND_MAX);
    return lf != NULL;
}

/* A command holds no control byte but the CRLF at its end: what looks like two lines to somebody is none to us.
 */
static bool
line_is_clean(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.at[i] < ' ' || line.at[i] == 0x7f)
            if (line.at[i] != '\t')
                return false;
    return true;
}

/* Takes one line and does what it says. Returns false where the buffer holds no whole line. */
static bool
session_take_line(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    if (s->swallowing)
        return session_swallow(s);
    const char *lf = in->len > 0 ? memchr(in->at, '\n', in->len < COMMAND_MAX ? in->len : COMMAND_MAX) : NULL;
    if (lf == NULL && in->len >= COMMAND_MAX) {
        s->swallowing = true;
        return true;
    }
    if (lf == NULL)
        return false;
    struct span line = {in->at, (size_t)(lf - in->at)};
    conn_consume(s->conn, line.len + 1);
    bool cr = line.len > 0 && line.at[line.len - 1] == '\r';
    line.len -= cr;
    if (!cr && !s->server->normalize)
        session_refuse(s, BLUNDER, SPAN("command"), "500 5.5.2 a command ends in CRLF, not in a bare LF");
    else if (!line_is_clean(line))
        session_refuse(s, BLUNDER, SPAN("command"), "500 5.5.2 control characters in a command");
    else
        session_command(s, line);
    return true;
}

/* True where there may be more to do now. */
static bool
session_step(struct session *s)
{
    switch (s->phase) {
    case PHASE_PROXY:
        return session_take_proxy(s);
    case PHASE_COMMAND:
        return session_take_line(s);
    case PHASE_DATA:
        session_take_data(s);
        return s->phase == PHASE_COMMAND;
    case PHASE_TLS:
    case PHASE_COMMIT:
        break;
    }
    return false;
}

void
session_run(struct session *s)
{
    while (s->conn != NULL && !conn_is_closing(s->conn) && session_step(s))
        if (conn_pending(s->conn) > BATCH_OUT) {
            conn_flush(s->conn);
            /* Who sends and does not read waits until he does. */
            s->blocked = conn_pending(s->conn) > BATCH_OUT;
            if (s->blocked)
                break;
        }
    if (s->conn != NULL)
        conn_flush(s->conn);
}

/* ---- what the connection tells ---- */

static void
on_input(struct conn *conn, void *arg)
{
    struct session *s = arg;
    (void)conn;
    if (!s->blocked)
        session_run(s);
}

static void
on_drained(struct conn *conn, void *arg)
{
    struct session *s = arg;
    (void)conn;
    if (s->blocked) {
        s->blocked = false;
        session_run(s);
    }
}

static void
on_secure(struct conn *conn, void *arg)
{
    struct session *s = arg;
    struct buf text = {0};
    tls_describe(conn_ssl(conn), &text);
    s->server->services->say(s->server->gateway, VIADUCT_LOG_DETAIL, NULL, "session %llx TLS %s",
                             (unsigned long long)s->number, text.at);
    buf_clear(&text);
    s->secure = true;
    s->phase = PHASE_COMMAND;
    if (!s->welcomed)
        session_greet(s); /* implicit TLS */
    else
        conn_timeout(conn, s->peer->timeouts->command_s, "a command");
}

static void
on_timed_out(struct conn *conn, void *arg)
{
    (void)conn;
    session_hang_up(arg, "421 4.4.2 you took too long");
}

static void
on_closed(struct conn *conn, void *arg, const struct why *why)
{
    struct session *s = arg;
    if (why->text[0] != '\0')
        session_log_refusal(s, SPAN("session"), why->text);
    else if (s->phase == PHASE_DATA)
        session_log_refusal(s, SPAN("message"), "the client left before its end");
    s->server->services->count_connection(s->server->gateway, true, -1, why->text[0] != '\0');
    s->conn = NULL;
    conn_free(conn);
    if (s->phase != PHASE_COMMIT)
        session_end(s);
}

const struct conn_ops session_conn_ops = {.input = on_input,
                                          .drained = on_drained,
                                          .secure = on_secure,
                                          .closed = on_closed,
                                          .timed_out = on_timed_out};

/* ---- the end ---- */

void
session_forget(struct session *s)
{
    arena_free(s->arena);
    buf_clear(&s->name);
    buf_clear(&s->helo);
    free(s->recipients);
    free(s->keys);
    free(s);
}

void
session_end(struct session *s)
{
    struct smtp_server *server = s->server;
    session_reset(s);
    session_unadmit(s);
    *(s->prev ? &s->prev->next : &server->first) = s->next;
    *(s->next ? &s->next->prev : &server->last) = s->prev;
    server->n_sessions--;
    if (server->n_pool >= POOL_MAX || s->recipients_size > 1000) {
        session_forget(s);
        return;
    }
    s->next = server->pool;
    server->pool = s;
    server->n_pool++;
}

void
sessions_clear(struct smtp_server *server)
{
    for (struct session *s = server->first, *next; s != NULL; s = next) {
        next = s->next;
        if (s->conn != NULL)
            server->services->count_connection(server->gateway, true, -1, false);
        conn_free(s->conn);
        s->conn = NULL;
        if (s->phase != PHASE_COMMIT)
            session_end(s);
        else
            s->server = NULL;
    }
    for (struct session *s = server->pool, *next; s != NULL; s = next) {
        next = s->next;
        session_forget(s);
    }
}
