/* gateway.h - what the inbound and outbound gateway share: the process that a system's module runs in
 *
 * A gateway translates between the module, which speaks the system's language and knows only the kit
 * (systems/viaduct/system.h), and the road: envelopes, folders, the book. The services that a module may call
 * are split over gateway.c (both directions), inbound-gateway.c (intake) and outbound-gateway.c (deliveries).
 */
#ifndef VIADUCT_GATEWAY_H
#define VIADUCT_GATEWAY_H

#include "common/translate.h"
#include "common/worker.h"
#include "systems/viaduct/system.h"

struct viaduct_gateway {
    struct service *service;
    const struct viaduct_system *system;
    void *module; /* the module's state */
    struct book *book;
    bool book_told;
    int64_t looked_ms;             /* monotonic: gateway_has_newer_book() */
    struct translator *translator; /* of the gateway's own connector */
    struct viaduct_services services;
    int correlation_fd;   /* converters: of the folder Correlation, or -errno */
    const char *fixed_id; /* of the next intake; NULL: a new one. A message keeps its item's */
    void *inside;         /* the direction's own */
};

static inline struct span
span_from(struct viaduct_text text)
{
    return (struct span){text.at, text.len};
}

static inline struct viaduct_text
text_from(struct span span)
{
    return (struct viaduct_text){span.at, span.len};
}

void reason_set(struct viaduct_reason *reason, const struct why *why);
void why_from(struct why *why, const struct viaduct_reason *reason);

/* Makes the gateway for a service: finds the module, opens the book, fills in the services of both directions.
 * -errno after it said why. */
int gateway_open(struct service *service, bool inbound);

/* For prepare() of a worker that its system's module has no part for: says so. -EOPNOTSUPP. */
int gateway_unused(struct service *service, const char *part);

/* Looks for a newer book; called by ticks. */
void gateway_refresh_book(struct viaduct_gateway *gateway);

/* For an address that should be in the book and is not: whether there is a newer one, which is in use then. Who has taken or routed
 * the message may have had it before us. Looks once in a millisecond, whatever the number of strangers. */
bool gateway_has_newer_book(struct viaduct_gateway *gateway);

/* Lets the sandbox leave the system's folders to a carrier: peer.root, pickup, drop, maildir paths, files for
 * name look-ups. */
void gateway_allow_paths(struct viaduct_gateway *gateway);

#endif
