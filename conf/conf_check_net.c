/* conf_check_net.c - listeners, networks and next hops
 *
 * Addresses to listen on are numbers, so that no name service decides what a gateway offers. Two listeners on
 * one address would be found out by the kernel only when one of them cannot start: so they are compared here,
 * an address for all (0.0.0.0) with every other of its port.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_schema.h"

struct listener {
    int family;
    unsigned port;
    unsigned char address[16];
    const char *text;
    struct conf_place place;
};

struct listeners {
    struct listener *at;
    size_t n, size;
};

static bool
parse_port(struct span text, unsigned *port)
{
    uint64_t number;
    if (!span_to_u64(text, 65535, &number) || number == 0)
        return false;
    *port = (unsigned)number;
    return true;
}

/* An address in numbers; brackets around IPv6 only where `brackets`. */
static int
parse_address(struct span text, bool brackets, unsigned char address[16])
{
    char copy[INET6_ADDRSTRLEN + 1];
    bool six = memchr(text.at, ':', text.len) != NULL;
    if (six && brackets) {
        if (text.len < 2 || text.at[0] != '[' || text.at[text.len - 1] != ']')
            return -1;
        text = (struct span){text.at + 1, text.len - 2};
    }
    if (text.len >= sizeof copy)
        return -1;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    memset(address, 0, 16);
    int family = six ? AF_INET6 : AF_INET;
    return inet_pton(family, copy, address) == 1 ? family : -1;
}

/* Splits "HOST:PORT" at its last colon outside of brackets. `port` is empty where there is none. */
static void
split_port(struct span text, struct span *host, struct span *port)
{
    size_t colon = text.len;
    while (colon > 0 && text.at[colon - 1] != ':' && text.at[colon - 1] != ']')
        colon--;
    if (colon == 0 || text.at[colon - 1] == ']') {
        *host = text;
        *port = (struct span){text.at + text.len, 0};
    } else {
        *host = (struct span){text.at, colon - 1};
        *port = (struct span){text.at + colon, text.len - colon};
    }
}

/* Takes "scheme://" from the text if it begins with it. */
static bool
take_scheme(struct span *text, struct span scheme)
{
    if (!span_starts_nocase(*text, scheme))
        return false;
    *text = (struct span){text->at + scheme.len, text->len - scheme.len};
    return true;
}

static void
add_listener(struct listeners *listeners, struct conf_errors *errors, const char *text, bool has_certificate,
             struct conf_place place)
{
    struct listener new = {.text = text, .place = place};
    struct span rest = {text, strlen(text)}, host, port;
    bool implicit_tls = take_scheme(&rest, SPAN("smtps://"));
    if (!implicit_tls && !take_scheme(&rest, SPAN("smtp://")))
        take_scheme(&rest, SPAN("lmtp://"));
    split_port(rest, &host, &port);
    new.family = parse_address(host, true, new.address);
    if (new.family < 0 || !parse_port(port, &new.port)) {
        conf_error(errors, &place, "listen: \"%s\" is not ADDRESS:PORT, as 127.0.0.1:25 or [::1]:25%s", text,
                   span_starts_nocase(host, SPAN("localhost")) ? "; did you mean \"127.0.0.1\"?" : "");
        return;
    }
    if (implicit_tls && !has_certificate)
        conf_error(errors, &place, "listen: \"%s\" needs tls { certificate = ... key-file = ... }", text);
    if (listeners->n == listeners->size) {
        listeners->size = listeners->size > 0 ? listeners->size * 2 : 16;
        listeners->at = xrealloc(listeners->at, listeners->size * sizeof *listeners->at);
    }
    listeners->at[listeners->n++] = new;
}

static void
add_all(const struct conf *conf, struct listeners *listeners, struct conf_errors *errors,
        const struct conf_texts *texts, bool has_certificate, const struct conf_place *section)
{
    for (size_t i = 0; i < texts->n; i++)
        add_listener(listeners, errors, texts->at[i], has_certificate, *conf_blame(conf, texts, section));
}

/* By family, port and address: an address for all is all zeros and comes first. */
static int
compare_sockets(const struct listener *a, const struct listener *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return memcmp(a->address, b->address, sizeof a->address);
}

/* Equal ones in the order of the file, so that the later one is blamed. */
static int
compare_listeners(const void *a, const void *b)
{
    const struct listener *x = a, *y = b;
    int order = compare_sockets(x, y);
    if (order != 0)
        return order;
    return x->place.line != y->place.line ? (x->place.line < y->place.line ? -1 : 1) : 0;
}

static bool
is_for_all(const struct listener *listener)
{
    static const unsigned char zeros[16];
    return memcmp(listener->address, zeros, sizeof zeros) == 0;
}

static void
check_listeners(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_root *root = &conf->root;
    const struct conf_smtp *smtp = &root->host.smtp;
    struct listeners all = {0};
    add_all(conf, &all, errors, &smtp->listen, smtp->tls.certificate != NULL, &smtp->place);
    for (size_t i = 0; i < root->connectors_n; i++) {
        const struct conf_connector *connector = &root->connectors[i];
        bool certificate = smtp->tls.certificate != NULL || connector->smtp.tls.certificate != NULL;
        add_all(conf, &all, errors, &connector->listen, certificate, &connector->place);
        add_all(conf, &all, errors, &connector->smtp.listen, certificate, &connector->smtp.place);
    }
    if (root->metrics.listen != NULL)
        add_listener(&all, errors, root->metrics.listen, true,
                     *conf_blame(conf, &root->metrics.listen, &root->metrics.place));
    if (all.n > 0)
        qsort(all.at, all.n, sizeof *all.at, compare_listeners);
    for (size_t i = 1, group = 0; i < all.n; i++) {
        if (all.at[i].family != all.at[group].family || all.at[i].port != all.at[group].port)
            group = i;
        const struct listener *other =
            group < i && is_for_all(&all.at[group]) ? &all.at[group] : &all.at[i - 1];
        if (group < i && (is_for_all(other) || compare_sockets(other, &all.at[i]) == 0))
            conf_error(errors, &all.at[i].place, "listen: \"%s\" is taken by \"%s\" at %s:%d", all.at[i].text,
                       other->text, other->place.file, other->place.line);
    }
    free(all.at);
}

/* Clears the bits behind the prefix; returns true where one was set. */
static bool
clear_host_bits(unsigned char *address, size_t bits, size_t prefix)
{
    bool had = false;
    for (size_t bit = prefix; bit < bits; bit++) {
        unsigned char mask = (unsigned char)(0x80 >> (bit % 8));
        had = had || (address[bit / 8] & mask) != 0;
        address[bit / 8] = (unsigned char)(address[bit / 8] & ~mask);
    }
    return had;
}

static void
check_network(struct conf_errors *errors, const char *name, const char *text, const struct conf_place *place)
{
    unsigned char address[16];
    const char *slash = strchr(text, '/');
    struct span host = {text, slash != NULL ? (size_t)(slash - text) : strlen(text)};
    int family = parse_address(host, false, address);
    uint64_t bits = family == AF_INET ? 32 : 128, prefix = bits;
    char shown[INET6_ADDRSTRLEN] = "";
    if (family < 0 || (slash != NULL && !span_to_u64(span_of(slash + 1), bits, &prefix)))
        conf_error(errors, place, "%s: \"%s\" is not a network like 10.2.0.0/16 or fd00::/8", name, text);
    else if (clear_host_bits(address, bits, prefix) && inet_ntop(family, address, shown, sizeof shown) != NULL)
        conf_error(errors, place, "%s: \"%s\" has bits behind its prefix; did you mean \"%s/%d\"?", name, text,
                   shown, (int)prefix);
}

static void
check_networks(const struct conf *conf, struct conf_errors *errors, const char *name,
               const struct conf_texts *texts, const struct conf_place *section)
{
    for (size_t i = 0; i < texts->n; i++)
        check_network(errors, name, texts->at[i], conf_blame(conf, texts, section));
}

static void
check_server(const struct conf *conf, struct conf_errors *errors, const struct conf_smtp *smtp)
{
    check_networks(conf, errors, "allow", &smtp->allow, &smtp->place);
    check_networks(conf, errors, "proxy-from", &smtp->proxy_from, &smtp->place);
    check_networks(conf, errors, "xclient-from", &smtp->xclient_from, &smtp->place);
}

static bool
is_host(struct span host)
{
    unsigned char address[16];
    if (host.len > 0 && host.at[0] == '[')
        return parse_address(host, true, address) == AF_INET6;
    for (size_t i = 0; i < host.len; i++)
        if (strchr(" \t/@:[]\"'<>", host.at[i]) != NULL)
            return false;
    return host.len > 0;
}

static bool
is_hop(struct span rest)
{
    struct span host, port;
    unsigned number;
    if (take_scheme(&rest, SPAN("maildir://")))
        return rest.len > 1 && rest.at[0] == '/';
    bool lmtp = take_scheme(&rest, SPAN("lmtp://"));
    if (lmtp && rest.len > 1 && rest.at[0] == '/')
        return true;
    if (!lmtp && !take_scheme(&rest, SPAN("smtps://")) && !take_scheme(&rest, SPAN("smtp://")))
        return false;
    split_port(rest, &host, &port);
    if (!is_host(host))
        return false;
    return host.len == rest.len ? !lmtp : parse_port(port, &number);
}

static void
check_hops(const struct conf *conf, struct conf_errors *errors, const struct conf_texts *to,
           const struct conf_place *section)
{
    for (size_t i = 0; i < to->n; i++)
        if (!is_hop(span_of(to->at[i])))
            conf_error(errors, conf_blame(conf, to, section),
                       "to: \"%s\" is none of smtp://HOST[:PORT], smtps://HOST[:PORT], lmtp://HOST:PORT, "
                       "lmtp:///SOCKET, maildir:///PATH",
                       to->at[i]);
}

void
conf_check_net(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_root *root = &conf->root;
    check_listeners(conf, errors);
    check_server(conf, errors, &root->host.smtp);
    check_hops(conf, errors, &root->host.deliver.to, &root->host.deliver.place);
    for (size_t i = 0; i < root->connectors_n; i++) {
        const struct conf_connector *connector = &root->connectors[i];
        struct span type = span_of(connector->type);
        check_server(conf, errors, &connector->smtp);
        check_networks(conf, errors, "from", &connector->from, &connector->place);
        /* Systems built elsewhere may have next hops of their own kind. */
        if (span_equal(type, SPAN("smtp")) || span_equal(type, SPAN("maildir")))
            check_hops(conf, errors, &connector->peer.to, &connector->peer.place);
    }
}
