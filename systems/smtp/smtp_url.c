/* smtp_url.c - where a next hop is: smtp://, smtps:// and lmtp:// read from the configuration
 *
 * Sources: RFC 3986 section 3.2 (authority), RFC 5321 section 5.1 (MX), RFC 8314 section 3.3 (465), RFC 2033.
 */
#include "systems/smtp/smtp_url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum { LABEL_MAX = 63, NAME_MAX_BYTES = 253 };

static const struct {
    struct span word;
    uint16_t port;
} schemes[] = {
    [SMTP_SCHEME_SMTP] = {{"smtp://", 7}, 25},
    [SMTP_SCHEME_SMTPS] = {{"smtps://", 8}, 465},
    [SMTP_SCHEME_LMTP] = {{"lmtp://", 7}, 24},
};

static int read_path(struct span rest, struct smtp_url *url, struct why *why);
static int read_authority(struct span rest, struct smtp_url *url, struct why *why);

int
smtp_url_parse(struct span text, struct smtp_url *url, struct why *why)
{
    memset(url, 0, sizeof *url);
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (!span_starts_nocase(text, schemes[i].word))
            continue;
        url->scheme = (enum smtp_scheme)i;
        url->port = schemes[i].port;
        struct span rest = {text.at + schemes[i].word.len, text.len - schemes[i].word.len};
        if (url->scheme == SMTP_SCHEME_LMTP && rest.len > 0 && rest.at[0] == '/')
            return read_path(rest, url, why);
        return read_authority(rest, url, why);
    }
    return -ENOENT;
}

static int
read_path(struct span rest, struct smtp_url *url, struct why *why)
{
    if (rest.len < 2)
        return why_set(why, "5.3.5", "lmtp:/// needs the path of a socket");
    if (rest.len >= sizeof url->path)
        return why_set(why, "5.3.5", "the path of a socket has at most %zu bytes", sizeof url->path - 1);
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.at[i] < ' ' || rest.at[i] == 127)
            return why_set(why, "5.3.5", "a control byte in the path of a socket");
    memcpy(url->path, rest.at, rest.len);
    return 0;
}

static bool
is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of 1 to 63 letters, digits, hyphens and underscores (seen in the field), 253 bytes in all. A last
 * label of digits alone is a mistyped IPv4 address: no such top-level domain can exist (RFC 3696 section 2). */
static bool
is_host_name(const char *host)
{
    size_t label = 0;
    bool digits = true;
    for (const char *c = host; *c != '\0'; c++) {
        if (*c == '.') {
            if (label == 0)
                return false;
            label = 0;
            digits = true;
            continue;
        }
        if (!is_name_byte(*c) || ++label > LABEL_MAX)
            return false;
        digits = digits && *c >= '0' && *c <= '9';
    }
    return label > 0 && !digits && strlen(host) <= NAME_MAX_BYTES;
}

static int
take_host(struct span host, bool brackets, struct smtp_url *url, struct why *why)
{
    if (host.len > 0 && !brackets && host.at[host.len - 1] == '.')
        host.len--;
    if (host.len == 0)
        return why_set(why, "5.3.5", "the URL names no host");
    if (host.len >= sizeof url->host || memchr(host.at, '\0', host.len) != NULL)
        return why_set(why, "5.3.5", "the host's name is too long or holds a NUL");
    for (size_t i = 0; i < host.len; i++)
        url->host[i] = host.at[i] >= 'A' && host.at[i] <= 'Z' ? (char)(host.at[i] + 32) : host.at[i];
    struct in_addr v4;
    struct in6_addr v6;
    url->literal = inet_pton(AF_INET, url->host, &v4) == 1;
    if (brackets && !url->literal) {
        url->literal = inet_pton(AF_INET6, url->host, &v6) == 1;
        if (!url->literal)
            return why_set(why, "5.3.5", "no IP address stands in the brackets: '%s'", url->host);
    }
    if (!url->literal && !is_host_name(url->host))
        return why_set(why, "5.3.5",
                       "'%s' is no host name (an IPv6 address needs brackets, a name in another "
                       "script its xn-- form)",
                       url->host);
    return 0;
}

static int
read_authority(struct span rest, struct smtp_url *url, struct why *why)
{
    if (rest.len > 0 && rest.at[rest.len - 1] == '/')
        rest.len--;
    for (size_t i = 0; i < rest.len; i++)
        if (memchr("/@?#", rest.at[i], 4) != NULL)
            return why_set(why, "5.3.5", "only HOST[:PORT] may follow '%.*s', not '%c'",
                           (int)schemes[url->scheme].word.len, schemes[url->scheme].word.at, rest.at[i]);
    bool brackets = rest.len > 0 && rest.at[0] == '[';
    const char *end = memchr(rest.at, brackets ? ']' : ':', rest.len);
    if (brackets && end == NULL)
        return why_set(why, "5.3.5", "the bracket of the address is not closed");
    struct span host = {rest.at + brackets, (size_t)((end ? end : rest.at + rest.len) - rest.at) - brackets};
    struct span port = {NULL, 0};
    if (end != NULL)
        port = (struct span){end + brackets, rest.len - (size_t)(end + brackets - rest.at)};
    int result = take_host(host, brackets, url, why);
    if (result < 0 || port.len == 0)
        return result;
    uint64_t number = 0;
    if (port.at[0] != ':' || !span_to_u64((struct span){port.at + 1, port.len - 1}, UINT16_MAX, &number) ||
        number == 0)
        return why_set(why, "5.3.5", "a port is a number from 1 to 65535");
    url->port = (uint16_t)number;
    url->port_given = true;
    return 0;
}

bool
smtp_url_wants_mx(const struct smtp_url *url)
{
    return url->scheme == SMTP_SCHEME_SMTP && !url->port_given && !url->literal &&
           strcmp(url->host, "localhost") != 0;
}

void
smtp_url_print(const struct smtp_url *url, char *out, size_t size)
{
    const char *scheme = schemes[url->scheme].word.at;
    bool brackets = strchr(url->host, ':') != NULL;
    if (url->path[0] != '\0')
        snprintf(out, size, "%s%s", scheme, url->path);
    else if (url->port_given)
        snprintf(out, size, "%s%s%s%s:%u", scheme, brackets ? "[" : "", url->host, brackets ? "]" : "",
                 (unsigned)url->port);
    else
        snprintf(out, size, "%s%s%s%s", scheme, brackets ? "[" : "", url->host, brackets ? "]" : "");
}
