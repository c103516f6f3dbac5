/* proxy.c - the PROXY protocol's header (see proxy.h)
 *
 * What is hostile here: all of it; a balancer can be talked into sending what a client wrote.
 */
#include "systems/smtp/proxy.h"

enum { V1_LEAST = 15, V1_MAX = 107, V2_HEAD = 16 };

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* The next word of a version 1 line, which are parted by single blanks. */
static struct span
next_word(struct span *line)
{
    const char *blank = line->len > 0 ? memchr(line->at, ' ', line->len) : NULL;
    struct span word = {line->at, blank ? (size_t)(blank - line->at) : line->len};
    size_t skip = word.len + (blank != NULL);
    *line = (struct span){line->at + skip, line->len - skip};
    return word;
}

/* A line "PROXY TCP4 SOURCE DESTINATION PORT PORT" without its end. */
static int
v1_line(struct span line, struct proxy *proxy, struct why *why)
{
    next_word(&line);
    struct span family = next_word(&line);
    proxy->unknown = span_equal(family, SPAN("UNKNOWN"));
    if (proxy->unknown)
        return 1;
    bool six = span_equal(family, SPAN("TCP6"));
    struct span source = next_word(&line), target = next_word(&line);
    struct span source_port = next_word(&line), target_port = next_word(&line);
    struct net_address to;
    uint64_t port = 0, to_port;
    bool good = (six || span_equal(family, SPAN("TCP4"))) && net_address_read(source, &proxy->client) &&
                net_address_read(target, &to) && span_to_u64(source_port, 65535, &port) &&
                span_to_u64(target_port, 65535, &to_port) && line.len == 0 &&
                (memchr(source.at, ':', source.len) != NULL) == six;
    proxy->client.port = (uint16_t)port;
    if (good)
        return 1;
    why_set(why, "5.5.1", "malformed PROXY line");
    return -1;
}

static int
v1_read(struct span in, struct proxy *proxy, size_t *used, struct why *why)
{
    const char *lf = memchr(in.at, '\n', in.len < V1_MAX ? in.len : V1_MAX);
    if (lf == NULL && in.len < V1_MAX) {
        /* The shortest line has 15 bytes; after that its end may be the next byte. */
        *used = in.len < V1_LEAST ? V1_LEAST : in.len + 1;
        return 0;
    }
    if (lf == NULL || lf == in.at || lf[-1] != '\r') {
        why_set(why, "5.5.1", "malformed PROXY line");
        return -1;
    }
    *used = (size_t)(lf - in.at) + 1;
    return v1_line((struct span){in.at, *used - 2}, proxy, why);
}

static unsigned
u16(const char *at)
{
    return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* The addresses of version 2, by family: nibble 1 is IPv4, 2 is IPv6; the low nibble 1 is TCP. */
static int
v2_addresses(const char *at, unsigned len, unsigned family, struct proxy *proxy, struct why *why)
{
    static const unsigned char four[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (family == 0x11 && len >= 12) {
        memcpy(proxy->client.at, four, 12);
        memcpy(proxy->client.at + 12, at, 4);
        proxy->client.port = (uint16_t)u16(at + 8);
    } else if (family == 0x21 && len >= 36) {
        memcpy(proxy->client.at, at, 16);
        proxy->client.port = (uint16_t)u16(at + 32);
    } else if (family == 0x11 || family == 0x21) {
        why_set(why, "5.5.1", "PROXY header too short for its addresses");
        return -1;
    } else {
        proxy->unknown = true; /* unspecified, or sockets that say nothing of a client */
    }
    return 1;
}

static int
v2_read(struct span in, struct proxy *proxy, size_t *used, struct why *why)
{
    *used = V2_HEAD;
    if (in.len < V2_HEAD)
        return 0;
    unsigned command = (unsigned char)in.at[12], len = u16(in.at + 14);
    if ((command != 0x20 && command != 0x21) || len > PROXY_MAX - V2_HEAD) {
        why_set(why, "5.5.1", "PROXY header of an unknown version or too long");
        return -1;
    }
    *used = V2_HEAD + len;
    if (in.len < *used)
        return 0;
    proxy->local = command == 0x20;
    return proxy->local ? 1 : v2_addresses(in.at + V2_HEAD, len, (unsigned char)in.at[13], proxy, why);
}

int
proxy_read(struct span in, struct proxy *proxy, size_t *used, struct why *why)
{
    *proxy = (struct proxy){.local = false};
    *used = V1_LEAST; /* what any header has */
    size_t v1 = in.len < 6 ? in.len : 6, v2 = in.len < 12 ? in.len : 12;
    if (in.len == 0)
        return 0;
    if (memcmp(in.at, "PROXY ", v1) == 0)
        return v1_read(in, proxy, used, why);
    if (memcmp(in.at, v2_signature, v2) == 0)
        return v2 < 12 ? 0 : v2_read(in, proxy, used, why);
    why_set(why, "5.5.1", "no PROXY header where one is needed");
    return -1;
}
