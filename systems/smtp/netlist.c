/* netlist.c - network addresses and lists of networks (see netlist.h) */
#include "systems/smtp/netlist.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
is_mapped(const unsigned char at[16])
{
    return memcmp(at, mapped, sizeof mapped) == 0;
}

struct net_address
net_address_of(const struct sockaddr *peer)
{
    struct net_address address = {.port = 0};
    memcpy(address.at, mapped, sizeof mapped);
    memcpy(address.at + 12, (const unsigned char[]){127, 0, 0, 1}, 4);
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof in);
        memcpy(address.at + 12, &in.sin_addr, 4);
        address.port = ntohs(in.sin_port);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, peer, sizeof in6);
        memcpy(address.at, &in6.sin6_addr, 16);
        address.port = ntohs(in6.sin6_port);
    }
    return address;
}

bool
net_address_read(struct span text, struct net_address *address)
{
    char copy[NET_ADDRESS_TEXT];
    if (span_starts_nocase(text, SPAN("IPV6:")))
        text = (struct span){text.at + 5, text.len - 5};
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    address->port = 0;
    if (inet_pton(AF_INET6, copy, address->at) == 1)
        return true;
    memcpy(address->at, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, address->at + 12) == 1;
}

void
net_address_print(const struct net_address *address, char text[NET_ADDRESS_TEXT])
{
    bool four = is_mapped(address->at);
    if (inet_ntop(four ? AF_INET : AF_INET6, address->at + (four ? 12 : 0), text, NET_ADDRESS_TEXT) == NULL)
        snprintf(text, NET_ADDRESS_TEXT, "unknown");
}

void
net_address_literal(const struct net_address *address, char text[NET_ADDRESS_TEXT])
{
    char plain[NET_ADDRESS_TEXT];
    net_address_print(address, plain);
    snprintf(text, NET_ADDRESS_TEXT, "%s%.41s", is_mapped(address->at) ? "" : "IPv6:", plain);
}

bool
net_address_equal(const struct net_address *a, const struct net_address *b)
{
    return memcmp(a->at, b->at, sizeof a->at) == 0;
}

/* True where the first `bits` bits agree. */
static bool
same_prefix(const unsigned char a[16], const unsigned char b[16], unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

static bool
rest_is_zero(const unsigned char at[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        if (at[i / 8] & (0x80 >> (i % 8)))
            return false;
    return true;
}

static int
net_read(const char *text, struct net *net, struct why *why)
{
    const char *slash = strchr(text, '/');
    struct span head = {text, slash ? (size_t)(slash - text) : strlen(text)};
    struct net_address address;
    if (!net_address_read(head, &address))
        return why_set(why, "", "not a network: %s", text);
    unsigned above = is_mapped(address.at) && memchr(head.at, ':', head.len) == NULL ? 96 : 0;
    uint64_t bits = 128 - above;
    if (slash != NULL && !span_to_u64(span_of(slash + 1), 128 - above, &bits))
        return why_set(why, "", "prefix length in %s is not 0 to %u", text, 128 - above);
    net->bits = (unsigned)bits + above;
    memcpy(net->at, address.at, sizeof net->at);
    if (!rest_is_zero(net->at, net->bits))
        return why_set(why, "", "network %s has bits set behind its prefix", text);
    return 0;
}

int
netlist_read(const struct conf_texts *texts, struct netlist *list, struct why *why)
{
    *list = (struct netlist){.at = xcalloc(texts->n, sizeof *list->at)};
    for (size_t i = 0; i < texts->n; i++) {
        if (net_read(texts->at[i], &list->at[i], why) < 0) {
            netlist_clear(list);
            return -EINVAL;
        }
        list->n++;
    }
    return 0;
}

void
netlist_clear(struct netlist *list)
{
    free(list->at);
    *list = (struct netlist){0};
}

bool
netlist_has(const struct netlist *list, const struct net_address *address)
{
    for (size_t i = 0; i < list->n; i++)
        if (same_prefix(list->at[i].at, address->at, list->at[i].bits))
            return true;
    return false;
}
