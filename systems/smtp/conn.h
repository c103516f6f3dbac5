/* conn.h - one TCP (or local) connection with optional TLS, driven by the loop
 *
 * Used by the SMTP server and client. Input is collected in `in` until the owner consumes it; output is
 * collected in `out` and written at once when conn_flush() is called, the rest when the socket takes it.
 * Nothing blocks.
 *
 *          conn_new            conn_secure                    error, end of file, time-out
 *     ---> PLAIN -----------> HANDSHAKE ---> SECURE           any state ---> CLOSED (ops->closed, once)
 *
 * Going over to TLS throws away what was already read (RFC 3207 section 6: nothing pipelined across STARTTLS
 * survives).
 *
 * Owner's rules: callbacks may call anything here but conn_free(); to end from a callback use conn_close(),
 * which lets `out` drain first when asked to; ops->closed follows from the loop, where conn_free() is allowed.
 */
#ifndef VIADUCT_CONN_H
#define VIADUCT_CONN_H

#include <openssl/ssl.h>

#include "common/buf.h"

struct event_base;
struct conn;

struct conn_ops {
    void (*input)(struct conn *conn, void *arg);   /* new bytes in conn_in() */
    void (*drained)(struct conn *conn, void *arg); /* all output is written: always from the loop, never from
                       within conn_flush(); may be NULL */
    void (*secure)(struct conn *conn, void *arg);  /* the TLS handshake is over */
    void (*closed)(struct conn *conn, void *arg, const struct why *why); /* the end; why->text is "" for a clean
                       one. status: 4.4.1 connect(2) failed, 4.4.2 lost or timed out, 4.7.5 TLS failed */
    void (*timed_out)(struct conn *conn, void *arg); /* the time-out has come on an open connection: last words,
                       then conn_close(). NULL: it ends by itself, with 4.4.2 */
};

/* Takes the descriptor (non-blocking; closed by conn_free). With `connecting`, ops->drained is the sign of a
 * finished connect(2). A read event is added at once. */
struct conn *conn_new(struct event_base *base, int fd, bool connecting, const struct conn_ops *ops, void *arg);
void conn_free(struct conn *conn);

/* The descriptor; still the conn's. */
int conn_fd(const struct conn *conn);

/* The bytes received and not consumed; only to be read. The owner consumes by conn_consume(); what
 * was consumed stays readable until the callback returns. At most `limit` bytes are collected (default
 * 64 KiB): reading pauses there until some are consumed. */
struct buf *conn_in(struct conn *conn);
void conn_consume(struct conn *conn, size_t len);
void conn_set_limit(struct conn *conn, size_t limit);

/* Adds output; nothing is sent before conn_flush(). conn_pending() tells how many bytes wait. */
void conn_add(struct conn *conn, const void *bytes, size_t len);
void conn_printf(struct conn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct buf *conn_out(struct conn *conn);
void conn_flush(struct conn *conn);
size_t conn_pending(const struct conn *conn);

/* Stops and starts reading (while a message is being committed). The time-out stands still meanwhile. What was
 * already collected stays in conn_in(); conn_resume() does not call ops->input for it: the owner looks there
 * itself. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* Nothing for `seconds` (no byte read or written) ends it with 4.4.2; 0: no limit. `what` names the wait in
 * `why`. */
void conn_timeout(struct conn *conn, int64_t seconds, const char *what);

/* Begins TLS as server or client (by how the SSL was made; SSL_set_accept_state / SSL_set_connect_state done by
 * the caller). Takes the SSL. */
void conn_secure(struct conn *conn, SSL *ssl);
SSL *conn_ssl(const struct conn *conn); /* NULL while plain */

/* Ends: after the output is written (for which it may take 30 seconds), or at once. ops->input is not called
 * any more. */
void conn_close(struct conn *conn, bool drain);

/* The same, and what still comes in is read and thrown away for up to 5 seconds or 1 MiB: closing with bytes
 * unread would make the kernel reset the connection, and the peer lose the last answer. */
void conn_close_gently(struct conn *conn);
bool conn_is_closing(const struct conn *conn);

#endif
