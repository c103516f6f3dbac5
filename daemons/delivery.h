/* delivery.h - one message in the hands of an outbound module, and what becomes of its recipients */
#ifndef VIADUCT_DELIVERY_H
#define VIADUCT_DELIVERY_H

#include "daemons/gateway.h"

struct result {
    enum viaduct_outcome outcome;
    bool given;
    struct why why;
    char remote[128];
};

/* A delivery lives in its job's arena. */
struct delivery {
    struct viaduct_delivery out; /* first: modules see only this */
    struct job *job;
    uint32_t *indexes; /* of the envelope's recipients, for each of out.recipients */
    struct result *results;
    struct translation *translations;
    struct buf header;      /* the header as translated, where it differs; freed at the end */
    uint64_t header_bytes;  /* of the original that `header` stands for */
    struct queue_file item; /* the converter's, for what comes from ReadyOut */
    bool has_item, bare;    /* bare: the job's file is the item, and there is no message */
    struct queue_body body;
    bool damaged;
    struct why damage;
};

/* Translates envelope and header, and gives the message to the module. Judges at once where that cannot be. */
struct judgement delivery_start(struct viaduct_gateway *gateway, struct job *job);

/* The same for an item that is no message, from DirOut: it is for nobody, but the module sees one recipient without address,
 * whose result is the item's. */
struct judgement delivery_start_item(struct viaduct_gateway *gateway, struct job *job);

/* Fills in the services of deliveries. */
void delivery_services(struct viaduct_services *services);

/* What becomes of a message after an attempt (settle.c): marks, report requests, the next attempt.
 * `unreachable`: no next hop took the connection. `reason`: why those without a result are not settled. */
struct judgement settle(struct delivery *delivery, bool unreachable, const struct why *reason);

/* Tries again to write down what could not be (called by the tick): those jobs are settled then. */
void settle_unwritten(void);

/* Seconds to wait after the given number of attempts. */
int64_t retry_wait_s(const struct conf_retry *retry, int64_t attempts);

#endif
