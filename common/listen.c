/* listen.c - opening a listening socket (see listen.h) */
#include "common/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024 };

int
listen_open(const char *address, struct why *why)
{
    const char *scheme_end = strstr(address, "://");
    const char *text = scheme_end != NULL ? scheme_end + 3 : address;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return why_set(why, "5.3.5", "\"%s\" is no address to listen on; write 127.0.0.1:25 or [::1]:25",
                       address);
    char host[128];
    bool bracket = text[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - (bracket ? 2 : 0), text + bracket);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM},
                    *info;
    if (getaddrinfo(host, colon + 1, &hints, &info) != 0)
        return why_set(why, "5.3.5", "\"%s\" is no address to listen on; write 127.0.0.1:25 or [::1]:25",
                       address);
    int one = 1, r = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        (info->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        r = -errno;
    freeaddrinfo(info);
    if (r == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    why_set(why, "4.3.5", "cannot listen on %s: %s%s", address, strerror(-r),
            r == -EADDRINUSE ? "; another program has this port"
            : r == -EACCES   ? "; ports below 1024 need root"
                             : "");
    return r;
}

int
listen_rest(int fd)
{
    int zero = 0;
    /* A socket that does not listen and may be bound beside others, anybody's could be. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &zero, sizeof zero) < 0)
        return -errno;
    return shutdown(fd, SHUT_RD) < 0 && errno != ENOTCONN ? -errno : 0;
}

int
listen_again(int fd)
{
    int one =
        1; /* connections that were accepted on the port are still there: without it they are in the way */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return -errno;
    return 0;
}
