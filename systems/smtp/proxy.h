/* proxy.h - the PROXY protocol's header, versions 1 and 2
 *
 * A load balancer sends it before anything else, to say whom it speaks for. Only connections from networks that
 * are listed as balancers are asked for one; there it must stand.
 *
 * Source: "The PROXY protocol", HAProxy, doc/proxy-protocol.txt, sections 2.1 and 2.2.
 */
#ifndef VIADUCT_PROXY_H
#define VIADUCT_PROXY_H

#include "systems/smtp/netlist.h"

/* The longest header taken: v2 with 2,048 bytes of addresses and additions. */
enum { PROXY_MAX = 16 + 2048 };

struct proxy {
    bool local;   /* LOCAL: the connection is the balancer's own, there is no client */
    bool unknown; /* UNKNOWN, or a family without addresses: there is a client, and nobody can say who */
    struct net_address client;
};

/* Reads the header at the front of `in`. Returns 1 with `*proxy` and `*used` bytes; 0 where more is needed, and
 * `*used` is then how many bytes may be read without reading behind the header (more than `in.len`); -1 with
 * `why` where this is no header. Every byte counts a bounded number of times. */
int proxy_read(struct span in, struct proxy *proxy, size_t *used, struct why *why);

#endif
