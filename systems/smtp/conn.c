/* conn.c - one TCP (or local) connection with optional TLS (see conn.h)
 *
 * System calls are what a session costs, so: one read per turn of the loop, one write per batch of answers, and
 * the epoll set is changed only when the kernel would otherwise wake us for nothing. A pause, for example,
 * takes the read event out only when something really comes in during it. The timer is set once and looks, when
 * it goes off, whether there was activity meanwhile, instead of being set anew at each byte.
 *
 * What is hostile here: the peer may send and stop at any byte, never read, or reset. Each of these ends in
 * ops->closed; memory is bounded by the input limit and by what the owner adds.
 *
 * Sources: RFC 3207, RFC 5321 section 4.5.3.2; libevent's and OpenSSL's manuals.
 */
#include "systems/smtp/conn_inside.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Under a sanitizer nothing is pooled, so that a use after free is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_MAX 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_MAX 0
#endif
#endif
#ifndef POOL_MAX
#define POOL_MAX 256
#endif

enum { OUT_KEEP = 64 * 1024, DRAIN_S = 30, LINGER_S = 5 };

static struct conn *pool;
static unsigned pool_n;

static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_later(evutil_socket_t fd, short what, void *arg);

int64_t
conn_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- life ---- */

static struct conn *
conn_take(void)
{
    struct conn *conn = pool;
    if (conn == NULL)
        return xcalloc(1, sizeof *conn);
    pool = conn->next;
    pool_n--;
    /* What is kept is memory alone. */
    struct conn fresh = {.memory = conn->memory, .memory_size = conn->memory_size, .out = conn->out};
    *conn = fresh;
    buf_reset(&conn->out);
    return conn;
}

struct conn *
conn_new(struct event_base *base, int fd, bool connecting, const struct conn_ops *ops, void *arg)
{
    struct conn *conn = conn_take();
    conn->base = base;
    conn->fd = fd;
    conn->ops = ops;
    conn->arg = arg;
    conn->limit = IN_LIMIT;
    conn->state = connecting ? CONNECTING : PLAIN;
    if (conn->memory == NULL) {
        conn->memory_size = IN_FIRST;
        conn->memory = xmalloc(conn->memory_size + 1);
    }
    conn->in.at = conn->memory;
    conn->in.at[0] = '\0';
    conn->active_ms = conn_clock_ms();
    event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, conn_on_read, conn);
    event_assign(&conn->write_event, base, fd, EV_WRITE | EV_PERSIST, conn_on_write, conn);
    event_assign(&conn->timer, base, -1, 0, on_timer, conn);
    event_assign(&conn->later, base, -1, 0, on_later, conn);
    if (connecting) {
        conn->writing = true;
        event_add(&conn->write_event, NULL);
    } else {
        conn->reading = true;
        event_add(&conn->read_event, NULL);
    }
    return conn;
}

void
conn_free(struct conn *conn)
{
    if (conn == NULL)
        return;
    event_del(&conn->read_event);
    event_del(&conn->write_event);
    event_del(&conn->timer);
    event_del(&conn->later);
    SSL_free(conn->ssl);
    close(conn->fd);
    if (pool_n + 1 <= POOL_MAX && conn->memory_size <= IN_LIMIT && conn->out.size <= OUT_KEEP) {
        conn->next = pool;
        pool = conn;
        pool_n++;
        return;
    }
    free(conn->memory);
    buf_clear(&conn->out);
    free(conn);
}

int
conn_fd(const struct conn *conn)
{
    return conn->fd;
}

/* ---- what is in the loop ---- */

void
conn_read_start(struct conn *conn)
{
    if (!conn->reading) {
        conn->reading = true;
        event_add(&conn->read_event, NULL);
    }
}

void
conn_read_stop(struct conn *conn)
{
    if (conn->reading) {
        conn->reading = false;
        event_del(&conn->read_event);
    }
}

void
conn_write_start(struct conn *conn)
{
    if (!conn->writing) {
        conn->writing = true;
        event_add(&conn->write_event, NULL);
    }
}

void
conn_write_stop(struct conn *conn)
{
    if (conn->writing) {
        conn->writing = false;
        event_del(&conn->write_event);
    }
}

/* ---- ends ---- */

void
conn_end(struct conn *conn)
{
    if (conn->state == CLOSED)
        return;
    conn->state = CLOSED;
    conn->end = ENDED;
    conn_read_stop(conn);
    conn_write_stop(conn);
    conn_later(conn);
}

void
conn_fail(struct conn *conn, const char *status, const char *what, const char *reason)
{
    if (conn->end == OPEN)
        why_set(&conn->why, status, "%s%s%s", what, *reason ? ": " : "", reason);
    conn_end(conn);
}

/* OpenSSL's own words; its queue of errors is emptied. */
void
conn_fail_tls(struct conn *conn, const char *what)
{
    unsigned long error = ERR_get_error();
    long verified = SSL_get_verify_result(conn->ssl);
    const char *reason = ERR_reason_error_string(error);
    if (reason == NULL)
        reason = error != 0 ? "unknown error" : "the connection was lost";
    if (verified == X509_V_ERR_APPLICATION_VERIFICATION)
        reason = "the peer's public key is none of the pins";
    else if (verified != X509_V_OK)
        reason = X509_verify_cert_error_string(verified);
    ERR_clear_error();
    conn_fail(conn, "4.7.5", what, reason);
}

void
conn_drained_end(struct conn *conn)
{
    if (conn->state == SECURE) {
        ERR_clear_error();
        SSL_shutdown(conn->ssl); /* says close_notify; the peer's is not waited for */
        ERR_clear_error();
    }
    if (!conn->gently) {
        conn_end(conn);
        return;
    }
    shutdown(conn->fd, SHUT_WR);
    conn->end = LINGERING;
    conn_read_start(conn);
    conn_timeout(conn, LINGER_S, "the peer to close");
}

static void
conn_close_how(struct conn *conn, bool drain, bool gently)
{
    if (conn->state == CLOSED || (conn->end != OPEN && drain))
        return;
    if (!drain || conn->state == CONNECTING || conn->state == HANDSHAKE) {
        conn->end = DRAINING;
        conn_end(conn);
        return;
    }
    conn->end = DRAINING;
    conn->gently = gently;
    conn_timeout(conn, DRAIN_S, "the last answer to be taken");
    conn_flush(conn);
}

void
conn_close(struct conn *conn, bool drain)
{
    conn_close_how(conn, drain, false);
}

void
conn_close_gently(struct conn *conn)
{
    conn_close_how(conn, true, true);
}

bool
conn_is_closing(const struct conn *conn)
{
    return conn->end != OPEN;
}

/* ---- time ---- */

static void
timer_set(struct conn *conn, int64_t now, int64_t wait_ms, bool common)
{
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000), .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};
    /* Equal waits stand in a queue of their own, where adding one is cheap. */
    const struct timeval *queue = common ? event_base_init_common_timeout(conn->base, &wait) : NULL;
    event_add(&conn->timer, queue ? queue : &wait);
    conn->timed = true;
    conn->timer_ms = now + wait_ms;
}

void
conn_timeout(struct conn *conn, int64_t seconds, const char *what)
{
    conn->what = what;
    conn->timeout_ms = seconds * 1000;
    conn->active_ms = conn_clock_ms();
    if (seconds > 0 && (!conn->timed || conn->active_ms + conn->timeout_ms < conn->timer_ms))
        timer_set(conn, conn->active_ms, conn->timeout_ms, true);
}

static void
conn_time_out(struct conn *conn)
{
    bool open = conn->end == OPEN && (conn->state == PLAIN || conn->state == SECURE);
    if (open && conn->ops->timed_out != NULL) {
        why_set(&conn->why, "4.4.2", "timed out waiting for %s", conn->what);
        conn->ops->timed_out(conn, conn->arg);
        return;
    }
    const char *status = conn->state == CONNECTING ? "4.4.1" : conn->state == HANDSHAKE ? "4.7.5" : "4.4.2";
    conn_fail(conn, status, "timed out waiting for", conn->what);
}

/* What is owed to the owner. */
static void
on_later(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    (void)fd;
    (void)what;
    if (conn->state != CLOSED && conn->wake_read) {
        conn->wake_read = false;
        conn_on_read(conn->fd, EV_READ, conn);
    }
    if (conn->state != CLOSED)
        conn_tell_drained(conn);
    if (conn->state == CLOSED && !conn->told) {
        conn->told = true;
        conn->ops->closed(conn, conn->arg, &conn->why); /* may free the conn */
    }
}

void
conn_later(struct conn *conn)
{
    event_active(&conn->later, EV_TIMEOUT, 0);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    (void)fd;
    (void)what;
    conn->timed = false;
    if (conn->timeout_ms == 0 || conn->state == CLOSED)
        return;
    int64_t now = conn_clock_ms();
    if (conn->paused && conn->end == OPEN)
        conn->active_ms = now; /* it is us who keep the peer waiting */
    int64_t rest = conn->active_ms + conn->timeout_ms - now;
    if (rest > 0)
        timer_set(conn, now, rest, false);
    else
        conn_time_out(conn);
}
