/* conn_io.c - the bytes of a connection: reading, writing, TLS (see conn.h, conn_inside.h)
 *
 * One read per turn of the loop, one write per batch of answers; what the socket does not take at once is
 * written when it says that it will.
 *
 * What is hostile here: the peer's bytes, and when they come. TLS renegotiation is off (tls.c), so reading
 * never needs to write or the other way round but in the handshake.
 */
#include "systems/smtp/conn_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/socket.h>

enum { LINGER_BYTES = 1024 * 1024 };

/* ---- input ---- */

struct buf *
conn_in(struct conn *conn)
{
    return &conn->in;
}

static void
read_again(struct conn *conn)
{
    conn->wake_read = true;
    conn_later(conn);
}

/* TLS may hold bytes that no event will tell of. */
static void
read_wake(struct conn *conn)
{
    if (conn->state == CLOSED)
        return;
    conn_read_start(conn);
    if (conn->state == SECURE && SSL_pending(conn->ssl) > 0)
        read_again(conn);
}

void
conn_consume(struct conn *conn, size_t len)
{
    BUG_UNLESS(len <= conn->in.len);
    bool was_full = conn->in.len >= conn->limit;
    conn->in.at += len;
    conn->in.len -= len;
    if (conn->in.len == 0)
        conn->in.at = conn->memory;
    if (was_full && conn->in.len < conn->limit && !conn->paused)
        read_wake(conn);
}

void
conn_set_limit(struct conn *conn, size_t limit)
{
    conn->limit = limit;
    if (conn->in.len < limit && !conn->paused)
        read_wake(conn);
}

void
conn_pause(struct conn *conn)
{
    conn->paused = true;
}

void
conn_resume(struct conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    conn->active_ms = conn_clock_ms();
    if (conn->in.len < conn->limit)
        read_wake(conn);
}

static void
memory_grow(struct conn *conn)
{
    size_t start = (size_t)(conn->in.at - conn->memory);
    conn->memory_size *= 2;
    conn->memory = xrealloc(conn->memory, conn->memory_size + 1);
    conn->in.at = conn->memory + start;
}

/* Room behind what was collected, at most up to the limit. What is unconsumed is moved to the front only when
 * the room has become small, so that a batch of commands is not moved once per command. */
static size_t
read_room(struct conn *conn)
{
    size_t start = (size_t)(conn->in.at - conn->memory);
    if (start > 0 && conn->memory_size - start - conn->in.len < conn->memory_size / 2) {
        memmove(conn->memory, conn->in.at, conn->in.len);
        conn->in.at = conn->memory;
        start = 0;
    }
    if (start + conn->in.len >= conn->memory_size)
        memory_grow(conn);
    size_t room = conn->memory_size - start - conn->in.len;
    size_t allowed = conn->limit - conn->in.len;
    return room < allowed ? room : allowed;
}

/* One read, or for TLS as many as empty the record at hand. Returns bytes added; 0 with `*over` at the end or
 * on error, which is then noted. */
static size_t
read_some(struct conn *conn, size_t room, bool *over)
{
    char *to = conn->in.at + conn->in.len;
    if (conn->state != SECURE) {
        ssize_t got = recv(conn->fd, to, room, 0);
        if (got > 0)
            return (size_t)got;
        *over = got == 0 || (errno != EAGAIN && errno != EINTR);
        if (got < 0 && *over)
            conn_fail(conn, "4.4.2", "connection lost", strerror(errno));
        return 0;
    }
    size_t sum = 0;
    ERR_clear_error();
    do {
        size_t got = 0;
        if (SSL_read_ex(conn->ssl, to + sum, room - sum, &got) == 1) {
            sum += got;
            continue;
        }
        int error = SSL_get_error(conn->ssl, 0);
        *over = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
        if (error == SSL_ERROR_SSL)
            conn_fail_tls(conn, "TLS failed");
        else if (error == SSL_ERROR_SYSCALL)
            conn_fail(conn, "4.4.2", "connection lost", strerror(errno));
        break;
    } while (sum < room && SSL_pending(conn->ssl) > 0);
    return sum;
}

static void
read_input(struct conn *conn)
{
    bool over = false;
    size_t got = read_some(conn, read_room(conn), &over);
    conn->in.len += got;
    conn->in.at[conn->in.len] = '\0';
    if (conn->in.len == conn->memory_size && conn->memory_size < conn->limit)
        memory_grow(conn); /* much comes: read more at a time */
    if (got > 0) {
        conn->active_ms = conn_clock_ms();
        conn->ops->input(conn, conn->arg);
    }
    if (over && conn->end == OPEN)
        conn_end(conn);
}

/* While lingering: what comes is of no interest. */
static void
read_nothing(struct conn *conn)
{
    ssize_t got = recv(conn->fd, conn->memory, conn->memory_size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    conn->thrown_away += got > 0 ? (size_t)got : 0;
    if (got <= 0 || conn->thrown_away > LINGER_BYTES)
        conn_end(conn);
}

static void handshake(struct conn *conn);

void
conn_on_read(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    (void)fd;
    (void)what;
    if (conn->state == CLOSED)
        return;
    if (conn->end == LINGERING)
        read_nothing(conn);
    else if (conn->end == DRAINING)
        conn_read_stop(conn);
    else if (conn->state == HANDSHAKE)
        handshake(conn);
    else if (conn->paused || conn->in.len >= conn->limit)
        conn_read_stop(conn);
    else
        read_input(conn);
    if (conn->state == SECURE && conn->end == OPEN && !conn->paused) {
        if (SSL_pending(conn->ssl) > 0 && conn->in.len < conn->limit)
            read_again(conn);
        if (conn_pending(conn) > 0 && conn->writing)
            conn_flush(conn); /* TLS may have waited for input to write on */
    }
}

/* ---- output ---- */

struct buf *
conn_out(struct conn *conn)
{
    return &conn->out;
}

void
conn_add(struct conn *conn, const void *bytes, size_t len)
{
    buf_add(&conn->out, bytes, len);
}

void
conn_printf(struct conn *conn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(&conn->out, format, args);
    va_end(args);
}

size_t
conn_pending(const struct conn *conn)
{
    return conn->out.len - conn->out_done;
}

/* Returns bytes written; 0 where the socket takes no more now or the connection failed. */
static size_t
write_some(struct conn *conn, const char *at, size_t len)
{
    if (conn->state != SECURE) {
        ssize_t put = send(conn->fd, at, len, MSG_NOSIGNAL);
        if (put >= 0)
            return (size_t)put;
        if (errno != EAGAIN && errno != EINTR)
            conn_fail(conn, "4.4.2", "connection lost", strerror(errno));
        return 0;
    }
    size_t put = 0;
    ERR_clear_error();
    if (SSL_write_ex(conn->ssl, at, len, &put) == 1)
        return put;
    int error = SSL_get_error(conn->ssl, 0);
    if (error == SSL_ERROR_SYSCALL)
        conn_fail(conn, "4.4.2", "connection lost", strerror(errno));
    else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        conn_fail_tls(conn, "TLS failed");
    return 0;
}

/* Returns true when nothing is left. */
static bool
write_all(struct conn *conn)
{
    bool some = false;
    while (conn_pending(conn) > 0) {
        size_t put = write_some(conn, conn->out.at + conn->out_done, conn_pending(conn));
        if (put == 0)
            break;
        conn->out_done += put;
        some = true;
    }
    if (some && conn->end == OPEN)
        conn->active_ms = conn_clock_ms();
    if (conn->state == CLOSED)
        return false;
    if (conn_pending(conn) > 0) {
        conn_write_start(conn);
        return false;
    }
    conn->out_done = 0;
    buf_reset(&conn->out);
    return true;
}

void
conn_flush(struct conn *conn)
{
    if (conn->state == CLOSED || conn->state == CONNECTING || conn->end == LINGERING)
        return;
    bool had = conn_pending(conn) > 0;
    if (!write_all(conn) || conn->state == HANDSHAKE)
        return;
    conn_write_stop(conn);
    if (conn->end == DRAINING) {
        conn_drained_end(conn);
    } else if (had && conn->ops->drained != NULL) {
        conn->tell_drained = true;
        conn_later(conn);
    }
}

static void
connected(struct conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0) {
        conn_fail(conn, "4.4.1", "cannot connect", strerror(error));
        return;
    }
    conn->state = PLAIN;
    conn->active_ms = conn_clock_ms();
    conn_write_stop(conn);
    conn_read_start(conn);
    conn->tell_drained = true;
    conn_later(conn);
}

void
conn_on_write(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    (void)fd;
    (void)what;
    if (conn->state == CONNECTING)
        connected(conn);
    else if (conn->state == HANDSHAKE)
        handshake(conn);
    else
        conn_flush(conn);
}

void
conn_tell_drained(struct conn *conn)
{
    if (!conn->tell_drained || conn->end != OPEN || conn_pending(conn) > 0)
        return;
    conn->tell_drained = false;
    if (conn->ops->drained != NULL)
        conn->ops->drained(conn, conn->arg);
}

/* ---- TLS ---- */

void
conn_secure(struct conn *conn, SSL *ssl)
{
    if (conn->state != PLAIN || conn->end != OPEN) {
        SSL_free(ssl); /* it failed meanwhile, which ops->closed will say */
        return;
    }
    /* OpenSSL writes without MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    conn->ssl = ssl;
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
    SSL_set_fd(ssl, conn->fd);
    conn_consume(conn, conn->in.len);
    conn->state = HANDSHAKE;
    conn->active_ms = conn_clock_ms();
    conn_read_start(conn);
    read_again(conn);
}

SSL *
conn_ssl(const struct conn *conn)
{
    return conn->state == SECURE ? conn->ssl : NULL;
}

static void
handshake(struct conn *conn)
{
    /* The invitation (220) goes out in clear before the first byte of TLS. */
    if (conn_pending(conn) > 0 && !write_all(conn))
        return;
    ERR_clear_error();
    int done = SSL_do_handshake(conn->ssl);
    if (done == 1) {
        conn->state = SECURE;
        conn->active_ms = conn_clock_ms();
        conn_write_stop(conn);
        conn_read_start(conn);
        if (conn->ops->secure != NULL)
            conn->ops->secure(conn, conn->arg);
        return;
    }
    int error = SSL_get_error(conn->ssl, done);
    if (error == SSL_ERROR_WANT_WRITE)
        conn_write_start(conn);
    else if (error == SSL_ERROR_WANT_READ)
        conn_write_stop(conn);
    else
        conn_fail_tls(conn, "TLS handshake failed");
}
