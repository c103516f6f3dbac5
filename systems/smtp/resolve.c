/* resolve.c - names of next hops made into addresses, by c-ares on the loop (see resolve.h)
 *
 *     lookup --> literal, localhost ----------------------------------------> done
 *            --> MX --> each mail host: A and AAAA, side by side --> order --> done
 *            --> A and AAAA --------------------------------------> order --> done
 *
 * Sources: RFC 5321 section 5.1, RFC 7505 (null MX), RFC 6724 (order of addresses, done by c-ares).
 */
#include "systems/smtp/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/un.h>

enum { HOSTS_MAX = 10, PER_HOST = 8, TRY_MS = 4000, TRIES = 2, TTL_LEAST = 30, TTL_MOST = 600 };

struct watch {
    ares_socket_t fd;
    struct event *event;
    struct watch *next;
};

struct resolver {
    struct event_base *base;
    ares_channel channel;
    struct event *timer;
    struct watch *watches;
    bool ending;
};

struct mail_host {
    struct query *query;
    char name[256];
    uint64_t order; /* preference, then chance */
    struct resolve_address address[PER_HOST];
    size_t n;
    int status;
};

/* One lookup. Freed when the last answer came. */
struct query {
    struct resolver *resolver;
    char host[256];
    uint16_t port;
    resolve_done *done;
    void *arg;
    struct mail_host hosts[HOSTS_MAX];
    size_t n_hosts, open;
    struct resolve_result result;
};

static bool answer_at_once(struct resolver *resolver, const char *host, uint16_t port, resolve_done *done,
                           void *arg);
static void hosts_ask(struct query *query);
static void on_mx(void *arg, int status, int timeouts, unsigned char *answer, int len);

/* ---- on the loop ---- */

static void
timer_set(struct resolver *resolver)
{
    struct timeval wait, *next = ares_timeout(resolver->channel, NULL, &wait);
    if (next != NULL)
        event_add(resolver->timer, next);
    else
        event_del(resolver->timer);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;
    (void)fd;
    (void)what;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    timer_set(resolver);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;
    ares_process_fd(resolver->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    timer_set(resolver);
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = arg;
    struct watch **link = &resolver->watches;
    while (*link != NULL && (*link)->fd != fd)
        link = &(*link)->next;
    struct watch *watch = *link;
    if (watch != NULL) {
        event_free(watch->event);
        *link = watch->next;
        free(watch);
    }
    if (!readable && !writable)
        return;
    watch = xcalloc(1, sizeof *watch);
    watch->fd = fd;
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    watch->event = event_new(resolver->base, fd, what, on_socket, resolver);
    event_add(watch->event, NULL);
    watch->next = resolver->watches;
    resolver->watches = watch;
}

struct resolver *
resolver_new(struct event_base *base, struct why *why)
{
    struct resolver *resolver = xcalloc(1, sizeof *resolver);
    resolver->base = base;
    struct ares_options options = {0};
    options.timeout = TRY_MS;
    options.tries = TRIES;
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = resolver;
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status == ARES_SUCCESS)
        status = ares_init_options(&resolver->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        why_set(why, "4.4.3", "the resolver does not start: %s", ares_strerror(status));
        free(resolver);
        return NULL;
    }
    resolver->timer = event_new(base, -1, 0, on_timer, resolver);
    return resolver;
}

void
resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver->ending = true;
    ares_destroy(resolver->channel); /* ends every query and closes every socket */
    ares_library_cleanup();
    event_free(resolver->timer);
    free(resolver);
}

int
resolver_use(struct resolver *resolver, const char *servers)
{
    return ares_set_servers_ports_csv(resolver->channel, servers) == ARES_SUCCESS ? 0 : -EINVAL;
}

/* ---- a lookup ---- */

static bool
in_hosts_file(struct resolver *resolver, const char *host)
{
    struct hostent *entry = NULL;
    bool found = ares_gethostbyname_file(resolver->channel, host, AF_INET, &entry) == ARES_SUCCESS ||
                 ares_gethostbyname_file(resolver->channel, host, AF_INET6, &entry) == ARES_SUCCESS;
    if (found)
        ares_free_hostent(entry);
    return found;
}

static void
host_add(struct query *query, const char *name, uint64_t order)
{
    struct mail_host *host = &query->hosts[query->n_hosts++];
    host->query = query;
    host->order = order;
    snprintf(host->name, sizeof host->name, "%s", name);
}

void
resolver_lookup(struct resolver *resolver, const char *host, uint16_t port, bool mx, resolve_done *done,
                void *arg)
{
    if (answer_at_once(resolver, host, port, done, arg))
        return;
    struct query *query = xcalloc(1, sizeof *query);
    query->resolver = resolver;
    query->port = port;
    query->done = done;
    query->arg = arg;
    query->result.ttl_s = TTL_MOST;
    snprintf(query->host, sizeof query->host, "%s", host);
    if (mx && !in_hosts_file(resolver, host)) {
        ares_query(resolver->channel, query->host, C_IN, T_MX, on_mx, query);
    } else {
        host_add(query, host, 0);
        hosts_ask(query);
    }
    timer_set(resolver);
}

static void
address_set(struct resolve_address *to, const char *name, const struct sockaddr *from, uint16_t port)
{
    memset(to, 0, sizeof *to);
    snprintf(to->name, sizeof to->name, "%s", name);
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        v4.sin_port = htons(port);
        to->len = sizeof v4;
        memcpy(&to->at, &v4, sizeof v4);
    } else {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        v6.sin6_port = htons(port);
        to->len = sizeof v6;
        memcpy(&to->at, &v6, sizeof v6);
    }
}

static void
add_literal(struct resolve_result *result, const char *name, const char *text, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const void *from = NULL;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        from = &v4;
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        from = &v6;
    if (from != NULL)
        address_set(&result->address[result->n++], name, from, port);
}

static bool
answer_at_once(struct resolver *resolver, const char *host, uint16_t port, resolve_done *done, void *arg)
{
    (void)resolver;
    struct resolve_result result = {.ttl_s = TTL_MOST};
    struct why why = {"", ""};
    if (strcmp(host, "localhost") == 0) {
        add_literal(&result, host, "127.0.0.1", port);
        add_literal(&result, host, "::1", port);
    } else {
        add_literal(&result, host, host, port);
    }
    if (result.n == 0)
        return false;
    done(arg, &result, &why);
    return true;
}

/* ---- answers ---- */

static void
finish(struct query *query, const struct why *why)
{
    if (!query->resolver->ending)
        query->done(query->arg, &query->result, why);
    free(query);
}

static bool
is_host(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 254 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

/* Equal preferences share the load by chance. */
static uint64_t
shuffled(unsigned short preference)
{
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) < 0)
        chance = 0;
    return (uint64_t)preference << 32 | chance;
}

static int
by_order(const void *a, const void *b)
{
    uint64_t x = ((const struct mail_host *)a)->order, y = ((const struct mail_host *)b)->order;
    return (x > y) - (x < y);
}

/* The best HOSTS_MAX hosts of an answer; `*null` where one says that there is none (RFC 7505). */
static void
take_mx(struct query *query, const struct ares_mx_reply *mx, bool *null)
{
    for (; mx != NULL; mx = mx->next) {
        if (mx->host[0] == '\0' || strcmp(mx->host, ".") == 0)
            *null = true;
        if (!is_host(mx->host) || strcmp(mx->host, ".") == 0)
            continue;
        uint64_t order = shuffled(mx->priority);
        if (query->n_hosts == HOSTS_MAX) {
            if (query->hosts[HOSTS_MAX - 1].order <= order)
                continue;
            query->n_hosts--;
        }
        host_add(query, mx->host, order);
        qsort(query->hosts, query->n_hosts, sizeof query->hosts[0], by_order);
    }
}

static void
on_mx(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct query *query = arg;
    struct ares_mx_reply *mx = NULL;
    bool null = false;
    struct why why;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_mx_reply(answer, len, &mx);
    if (status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND) {
        why_set(&why, "4.4.3", "the mail hosts of %s cannot be looked up: %s", query->host,
                ares_strerror(status));
        finish(query, &why);
        return;
    }
    take_mx(query, mx, &null);
    ares_free_data(mx);
    if (query->n_hosts == 0 && null) {
        why_set(&why, "4.4.4", "%s says that it takes no mail (null MX)", query->host);
        finish(query, &why);
        return;
    }
    query->result.by_mx = query->n_hosts > 0;
    if (query->n_hosts == 0)
        host_add(query, query->host, 0);
    hosts_ask(query);
}

static void
hosts_done(struct query *query)
{
    struct resolve_result *result = &query->result;
    int status = ARES_ENODATA;
    for (size_t i = 0; i < query->n_hosts; i++) {
        struct mail_host *host = &query->hosts[i];
        for (size_t k = 0; k < host->n && result->n < RESOLVE_MAX; k++)
            result->address[result->n++] = host->address[k];
        if (host->n == 0 && host->status != ARES_ENOTFOUND)
            status = host->status;
        else if (host->n == 0 && status == ARES_ENODATA)
            status = ARES_ENOTFOUND;
    }
    struct why why = {"", ""};
    if (result->ttl_s < TTL_LEAST)
        result->ttl_s = TTL_LEAST;
    if (result->n == 0 && (status == ARES_ENOTFOUND || status == ARES_ENODATA))
        why_set(&why, "4.4.4", "%s has no address: %s", query->host, ares_strerror(status));
    else if (result->n == 0)
        why_set(&why, "4.4.3", "%s cannot be looked up: %s", query->host, ares_strerror(status));
    finish(query, &why);
}

static void
on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct mail_host *host = arg;
    struct query *query = host->query;
    (void)timeouts;
    host->status = status;
    if (status == ARES_SUCCESS) {
        for (struct ares_addrinfo_node *node = found->nodes; node != NULL; node = node->ai_next) {
            if ((node->ai_family != AF_INET && node->ai_family != AF_INET6) || host->n == PER_HOST)
                continue;
            address_set(&host->address[host->n++], host->name, node->ai_addr, query->port);
            if (node->ai_ttl < query->result.ttl_s)
                query->result.ttl_s = node->ai_ttl;
        }
        ares_freeaddrinfo(found);
        if (host->n == 0)
            host->status = ARES_ENODATA;
    }
    if (--query->open == 0)
        hosts_done(query);
}

static void
hosts_ask(struct query *query)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_channel channel = query->resolver->channel;
    size_t n = query->n_hosts;
    query->open = n + 1; /* answers may come before ares_getaddrinfo() returns */
    for (size_t i = 0; i < n; i++)
        ares_getaddrinfo(channel, query->hosts[i].name, NULL, &hints, on_addresses, &query->hosts[i]);
    if (--query->open == 0)
        hosts_done(query);
}

void
resolve_print(const struct resolve_address *address, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "?";
    out[0] = '\0';
    if (address->at.ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &address->at, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        snprintf(out, size, "%s:%u", text, (unsigned)ntohs(v4.sin_port));
    } else if (address->at.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &address->at, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        snprintf(out, size, "[%s]:%u", text, (unsigned)ntohs(v6.sin6_port));
    } else if (address->at.ss_family == AF_UNIX) {
        struct sockaddr_un local;
        memcpy(&local, &address->at, sizeof local);
        snprintf(out, size, "%s", local.sun_path);
    }
}
