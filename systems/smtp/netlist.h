/* netlist.h - network addresses and lists of networks ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1")
 *
 * Both families are kept in one form: IPv4 as the IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), so a
 * client that comes over a dual-stack socket is the same client. Peers of local sockets count as 127.0.0.1.
 */
#ifndef VIADUCT_NETLIST_H
#define VIADUCT_NETLIST_H

#include "common/base.h"
#include "conf/conf.h"

struct sockaddr;

struct net_address {
    unsigned char at[16];
    uint16_t port; /* host order; no part of comparisons */
};

enum { NET_ADDRESS_TEXT = 48 };

/* The peer's address of a socket. */
struct net_address net_address_of(const struct sockaddr *peer);

/* Reads "192.0.2.1", "2001:db8::1" or "IPV6:2001:db8::1". Returns false for anything else. */
bool net_address_read(struct span text, struct net_address *address);

/* "192.0.2.1" or "2001:db8::1". */
void net_address_print(const struct net_address *address, char text[NET_ADDRESS_TEXT]);

/* The form of an address literal's inside: "192.0.2.1" or "IPv6:2001:db8::1" (RFC 5321 section 4.1.3). */
void net_address_literal(const struct net_address *address, char text[NET_ADDRESS_TEXT]);

bool net_address_equal(const struct net_address *a, const struct net_address *b);

struct net {
    unsigned char at[16];
    unsigned bits;
};

struct netlist {
    struct net *at;
    size_t n;
};

/* Reads a list; bits behind the prefix length must be zero, as a sign that the author meant it. Returns 0, or
 * -EINVAL with `why` naming the element. The list is freed with netlist_clear(). */
int netlist_read(const struct conf_texts *texts, struct netlist *list, struct why *why);
void netlist_clear(struct netlist *list);

bool netlist_has(const struct netlist *list, const struct net_address *address);

#endif
