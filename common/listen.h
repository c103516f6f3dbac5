/* listen.h - opening a listening socket for an address of the configuration */
#ifndef VIADUCT_LISTEN_H
#define VIADUCT_LISTEN_H

#include "common/base.h"

/* "127.0.0.1:25", "[::1]:25", with or without a scheme ("smtps://") before. Non-blocking, close-on-exec,
 * backlog 1024. Returns a descriptor; -EINVAL for no such address, or -errno, with `why` saying what to do. */
int listen_open(const char *address, struct why *why);

#endif
