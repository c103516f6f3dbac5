/* conn_inside.h - what the two chapters of a connection share (conn.c its life, conn_io.c its bytes)
 *
 * Private to them: the owner's contract is conn.h.
 */
#ifndef VIADUCT_CONN_INSIDE_H
#define VIADUCT_CONN_INSIDE_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "systems/smtp/conn.h"

enum { IN_FIRST = 16 * 1024, /* a command batch or a small message in one read */ IN_LIMIT = 64 * 1024 };

enum conn_state { CONNECTING, PLAIN, HANDSHAKE, SECURE, CLOSED };

/* How far an end has come. */
enum conn_end { OPEN, DRAINING, LINGERING, ENDED };

struct conn {
    struct event_base *base;
    int fd;
    enum conn_state state;
    enum conn_end end;
    bool gently;       /* linger when drained */
    bool paused;       /* the owner wants no input */
    bool reading;      /* the read event is in the loop */
    bool writing;      /* the write event is */
    bool tell_drained; /* ops->drained is owed */
    bool timed;        /* the timer is in the loop */
    bool wake_read;    /* a read is owed: TLS holds bytes that no event will tell of */
    bool told;         /* ops->closed was called */
    const struct conn_ops *ops;
    void *arg;
    SSL *ssl;
    struct buf in; /* a window into the memory: `size` is 0, so that nobody makes it grow */
    char *memory;
    size_t memory_size;
    size_t limit;
    struct buf out;
    size_t out_done; /* of `out`, written */
    size_t thrown_away;
    int64_t timeout_ms, active_ms, timer_ms; /* length; last activity; when the timer goes off (monotonic) */
    const char *what;
    struct why why;
    /* `later` is made active for what the owner is to be told from the loop. None of the others is ever made
     * active by hand: libevent does not insert an event that is active already. */
    struct event read_event, write_event, timer, later;
    struct conn *next; /* in the pool */
};

/* A monotonic clock whose precision is enough for time-outs; it costs no system call. */
int64_t conn_clock_ms(void);

/* The end, now: the owner learns it from the loop. The first reason stays. */
void conn_end(struct conn *conn);
void conn_fail(struct conn *conn, const char *status, const char *what, const char *reason);
void conn_fail_tls(struct conn *conn, const char *what);

/* Everything is written and the owner is through. */
void conn_drained_end(struct conn *conn);

/* What is in the loop. */
void conn_read_start(struct conn *conn);
void conn_read_stop(struct conn *conn);
void conn_write_start(struct conn *conn);
void conn_write_stop(struct conn *conn);

/* Runs conn_on_later() from the loop. */
void conn_later(struct conn *conn);

void conn_tell_drained(struct conn *conn);
void conn_on_read(evutil_socket_t fd, short what, void *arg);
void conn_on_write(evutil_socket_t fd, short what, void *arg);

#endif
