/* observer_http.h - the few words of HTTP that a metrics page needs
 *
 * One request a connection, GET only, answered with Content-Length and closed. What a stranger can take from us
 * is bounded: 32 connections (more wait in the kernel), 4 KiB of request, ten seconds from accept to the last
 * byte, whether bytes trickle or not.
 *
 * The HTTP server of libevent was not taken: it has no limit on connections, and its time-outs begin anew with
 * every byte.
 *
 * What is hostile here: all requests. Source: RFC 9110, RFC 9112 sections 2 to 6.
 */
#ifndef VIADUCT_OBSERVER_HTTP_H
#define VIADUCT_OBSERVER_HTTP_H

#include "common/buf.h"

enum { HTTP_CONNECTIONS_MAX = 32, HTTP_REQUEST_MAX = 4096, HTTP_DEADLINE_S = 10 };

struct event_base;
struct http_server;

/* The handler fills in status (200 and 503; 404 where it knows no such path), type and body. */
struct http_answer {
    int status;
    const char *type;
    struct buf body;
};

typedef void http_handler(const char *path, struct http_answer *answer, void *arg);

/* Serves on a listening socket, which becomes the server's. */
struct http_server *http_server_new(struct event_base *base, int listen_fd, http_handler *handler, void *arg);

/* To be called about once a second: takes connections again after the process had run out of descriptors. */
void http_server_tick(struct http_server *server);

/* Takes no more connections; those there are finish. */
void http_server_drain(struct http_server *server);

size_t http_server_connections(const struct http_server *server);

/* Ends all connections. NULL is allowed. */
void http_server_free(struct http_server *server);

#endif
