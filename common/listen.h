/* listen.h - opening a listening socket for an address of the configuration */
#ifndef VIADUCT_LISTEN_H
#define VIADUCT_LISTEN_H

#include "common/base.h"

/* "127.0.0.1:25", "[::1]:25", with or without a scheme ("smtps://") before. Non-blocking, close-on-exec,
 * backlog 1024. Returns a descriptor; -EINVAL for no such address, or -errno, with `why` saying what to do. */
int listen_open(const char *address, struct why *why);

/* Stops listening for everybody who has the socket: who waits in the backlog is reset, who comes is refused at once;
 * accepted connections go on. The port stays bound and cannot be bound by anybody else. 0 or -errno.
 * Linux: shutdown(2) brings a listening socket back to where it was before listen(2). */
int listen_rest(int fd);

/* Listens again; no change where it does already. 0 or -errno (-EADDRINUSE: somebody bound the port in the moment between). */
int listen_again(int fd);

#endif
