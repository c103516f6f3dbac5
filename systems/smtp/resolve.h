/* resolve.h - names of next hops made into addresses, by c-ares on the loop
 *
 * With `mx`, the host's MX records are looked up first and their hosts' addresses come in the order of
 * preference, equal ones shuffled (RFC 5321 section 5.1); a host without MX records, or one that stands in the
 * hosts file, is its own mail host. IP addresses and "localhost" need no lookup. At most RESOLVE_MAX addresses
 * are given.
 *
 * resolver_new() reads /etc/resolv.conf, so it is called before the sandbox closes. /etc/hosts is read at each
 * lookup, and does not count where it cannot be read.
 *
 * What is hostile here: what the name server says. Names that are no host names are left out.
 */
#ifndef VIADUCT_RESOLVE_H
#define VIADUCT_RESOLVE_H

#include <sys/socket.h>

#include "common/base.h"

struct event_base;
struct resolver;

enum { RESOLVE_MAX = 16 };

struct resolve_address {
    char name[256]; /* the host whose address it is: an MX host's, or the one asked for */
    struct sockaddr_storage at;
    socklen_t len;
};

struct resolve_result {
    struct resolve_address address[RESOLVE_MAX];
    size_t n;      /* 0: the lookup failed, and `why` says how */
    int64_t ttl_s; /* 30 to 600: how long the answer may be used */
    bool by_mx;
};

/* Called once for each lookup, perhaps before resolver_lookup() returns. `why`: 4.4.3 no answer, 4.4.4 no such
 * host, no address, or a host that takes no mail (RFC 7505). Both live until it returns. */
typedef void resolve_done(void *arg, const struct resolve_result *result, const struct why *why);

/* A resolver on a loop; NULL with `why`. */
struct resolver *resolver_new(struct event_base *base, struct why *why);

/* Pending lookups are forgotten: their `done` is not called. NULL is allowed. */
void resolver_free(struct resolver *resolver);

/* Asks these servers ("127.0.0.1:5353,[::1]:53") instead of those of /etc/resolv.conf. 0 or -EINVAL. */
int resolver_use(struct resolver *resolver, const char *servers);

void resolver_lookup(struct resolver *resolver, const char *host, uint16_t port, bool mx, resolve_done *done,
                     void *arg);

/* "192.0.2.1:25", "[2001:db8::1]:25", or the path of a local socket; cut at `size`. */
void resolve_print(const struct resolve_address *address, char *out, size_t size);

#endif
