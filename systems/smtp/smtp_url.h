/* smtp_url.h - where a next hop is: smtp://, smtps:// and lmtp:// read from the configuration
 *
 *     smtp://HOST[:PORT]    port 25; without a port HOST is looked up as MX where it has one
 *     smtps://HOST[:PORT]   port 465, TLS from the first byte
 *     lmtp://HOST[:PORT]    port 24 (RFC 2033 section 5 forbids 25)
 *     lmtp:///PATH          a local socket
 *
 * HOST is a name in its A-label form, an IPv4 address, or an address in brackets. A slash may end the first
 * three. User names, queries and fragments are refused: nothing here would honour them.
 */
#ifndef VIADUCT_SMTP_URL_H
#define VIADUCT_SMTP_URL_H

#include "common/base.h"

enum smtp_scheme { SMTP_SCHEME_SMTP, SMTP_SCHEME_SMTPS, SMTP_SCHEME_LMTP };

struct smtp_url {
    enum smtp_scheme scheme;
    char host[256]; /* lower case, without brackets or final dot; "" for a local socket */
    char path[108]; /* absolute path of a local socket, or "" (as long as sun_path allows) */
    uint16_t port;  /* the scheme's own where none stands in the URL */
    bool port_given;
    bool literal; /* host is an IP address: nothing is looked up */
};

/* Reads a URL. Returns 0; -ENOENT where the scheme is none of these three (another system's URL); -EINVAL with
 * `why` in words for the author of the configuration (status 5.3.5). `why` may be NULL. */
int smtp_url_parse(struct span text, struct smtp_url *url, struct why *why);

/* True where the MX records of the host are to be looked up: smtp, no port, a name that is not "localhost". */
bool smtp_url_wants_mx(const struct smtp_url *url);

/* Prints the URL in its shortest form, cut at `size`. */
void smtp_url_print(const struct smtp_url *url, char *out, size_t size);

#endif
