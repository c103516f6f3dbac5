/* observer_http.c - the few words of HTTP that a metrics page needs (see observer_http.h)
 *
 *     accepted --request whole--> answering --all written--> waiting for the peer --it closes--> closed
 *         |                           |                           |
 *         +---------------------------+---------------------------+-- ten seconds, or an error --> closed
 */
#include "daemons/observer_http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct http_server *server;
    struct connection *next, **link; /* `link`: what points to this one */
    struct bufferevent *bev;
    struct event *deadline;
    bool answering;
};

struct http_server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL when draining */
    http_handler *handler;
    void *arg;
    struct connection *connections;
    size_t n;
};

/* ---- connections ---- */

static void
resume(struct http_server *server)
{
    if (server->listener != NULL && server->n < HTTP_CONNECTIONS_MAX)
        evconnlistener_enable(server->listener);
}

static void
close_connection(struct connection *connection)
{
    struct http_server *server = connection->server;
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    server->n--;
    event_free(connection->deadline);
    bufferevent_free(connection->bev);
    free(connection);
    resume(server);
}

static const char *
status_words(int status)
{
    static const struct {
        int status;
        const char *words;
    } rows[] = {
        {200, "OK"},        {400, "Bad Request"},         {404, "Not Found"}, {405, "Method Not Allowed"},
        {431, "Too Large"}, {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].words;
    return "Unknown";
}

static void
answer(struct connection *connection, const struct http_answer *what)
{
    struct evbuffer *out = bufferevent_get_output(connection->bev);
    connection->answering = true;
    bufferevent_disable(connection->bev, EV_READ);
    evbuffer_add_printf(out,
                        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
                        what->status, status_words(what->status), what->type, what->body.len,
                        what->status == 405 ? "Allow: GET\r\n" : "");
    evbuffer_add(out, what->body.at, what->body.len);
}

static void
refuse(struct connection *connection, int status)
{
    struct http_answer what = {.status = status, .type = "text/plain"};
    buf_printf(&what.body, "%d %s\n", status, status_words(status));
    answer(connection, &what);
    buf_clear(&what.body);
}

/* ---- requests ---- */

/* The path of a request line, copied; the query is cut off. Returns the status: 200, or why not. */
static int
read_request_line(struct span line, char *path, size_t size)
{
    const char *blank = memchr(line.at, ' ', line.len);
    if (blank == NULL)
        return 400;
    struct span method = {line.at, (size_t)(blank - line.at)};
    struct span target = {blank + 1, line.len - method.len - 1};
    const char *end = memchr(target.at, ' ', target.len);
    if (end == NULL || end == target.at || target.at[0] != '/')
        return 400;
    struct span version = {end + 1, target.len - (size_t)(end + 1 - target.at)};
    if (version.len != 8 || memcmp(version.at, "HTTP/1.", 7) != 0)
        return 400;
    if (!span_equal(method, SPAN("GET")))
        return 405;
    target.len = (size_t)(end - target.at);
    const char *query = memchr(target.at, '?', target.len);
    if (query != NULL)
        target.len = (size_t)(query - target.at);
    if (target.len >= size || memchr(target.at, '\0', target.len) != NULL)
        return 404;
    memcpy(path, target.at, target.len);
    path[target.len] = '\0';
    return 200;
}

static void
handle(struct connection *connection, struct span line)
{
    char path[64];
    int status = read_request_line(line, path, sizeof path);
    if (status != 200) {
        refuse(connection, status);
        return;
    }
    struct http_answer what = {.status = 404, .type = "text/plain"};
    connection->server->handler(path, &what, connection->server->arg);
    if (what.body.len > 0 || what.status == 200)
        answer(connection, &what);
    else
        refuse(connection, what.status);
    buf_clear(&what.body);
}

/* A request is answered when all its header is there: an answer to half a request would meet the other half. */
static void
on_read(struct bufferevent *bev, void *arg)
{
    struct connection *connection = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    if (connection->answering) {
        evbuffer_drain(in, evbuffer_get_length(in)); /* a body that nobody asked for */
        return;
    }
    size_t len = evbuffer_get_length(in);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0 || end.pos > HTTP_REQUEST_MAX) {
        if (len > HTTP_REQUEST_MAX)
            refuse(connection, 431);
        return;
    }
    struct span request = {(const char *)evbuffer_pullup(in, end.pos + 2), (size_t)end.pos + 2};
    request.len = (size_t)((const char *)memmem(request.at, request.len, "\r\n", 2) - request.at);
    handle(connection, request);
}

/* The peer closes when it has read all: closing first, with bytes of its unread, would reset the connection and
 * could take the answer away from it. */
static void
on_written(struct bufferevent *bev, void *arg)
{
    struct connection *connection = arg;
    if (!connection->answering || evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    struct evbuffer *in = bufferevent_get_input(bev);
    evbuffer_drain(in, evbuffer_get_length(in)); /* a full buffer would stop reading */
    shutdown(bufferevent_getfd(bev), SHUT_WR);
    bufferevent_enable(bev, EV_READ);
}

/* Reading is off while an answer is being written, so the end of the peer's side means that all is said. */
static void
on_gone(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    close_connection(arg);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    close_connection(arg);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int peer_len, void *arg)
{
    struct http_server *server = arg;
    static const struct timeval deadline = {HTTP_DEADLINE_S, 0};
    (void)peer;
    (void)peer_len;
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->server = server;
    connection->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    connection->deadline = evtimer_new(server->base, on_deadline, connection);
    BUG_UNLESS(connection->bev != NULL && connection->deadline != NULL);
    connection->next = server->connections;
    connection->link = &server->connections;
    if (connection->next != NULL)
        connection->next->link = &connection->next;
    server->connections = connection;
    if (++server->n >= HTTP_CONNECTIONS_MAX)
        evconnlistener_disable(listener);
    bufferevent_setcb(connection->bev, on_read, on_written, on_gone, connection);
    bufferevent_setwatermark(connection->bev, EV_READ, 0, HTTP_REQUEST_MAX + 1);
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
    evtimer_add(connection->deadline, &deadline);
}

/* Out of descriptors: accepting would fail again at once, and again. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    evconnlistener_disable(listener);
}

/* ---- the server ---- */

struct http_server *
http_server_new(struct event_base *base, int listen_fd, http_handler *handler, void *arg)
{
    struct http_server *server = xcalloc(1, sizeof *server);
    *server = (struct http_server){.base = base, .handler = handler, .arg = arg};
    evutil_make_socket_nonblocking(listen_fd);
    server->listener = evconnlistener_new(base, on_accept, server,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listen_fd);
    BUG_UNLESS(server->listener != NULL);
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return server;
}

void
http_server_tick(struct http_server *server)
{
    resume(server);
}

void
http_server_drain(struct http_server *server)
{
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    server->listener = NULL;
}

size_t
http_server_connections(const struct http_server *server)
{
    return server->n;
}

void
http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    http_server_drain(server);
    for (struct connection *connection = server->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        close_connection(connection);
    }
    free(server);
}
