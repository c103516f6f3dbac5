/* carrier_out.h - within the outbound carrier: what is being transferred */
#ifndef VIADUCT_GWISE_CARRIER_OUT_H
#define VIADUCT_GWISE_CARRIER_OUT_H

#include "systems/gwise/carrier.h"
#include "systems/gwise/container.h"

struct carrier_out;

struct transfer {
    struct carrier_out *carrier;
    struct viaduct_delivery *delivery;
    enum { TRANSFER_WRITING, TRANSFER_WAITING, TRANSFER_GONE } state;
    char base[9];
    struct container_reader reader;
    enum part_kind kind; /* of the part being written */
    int fd, header_fd;   /* its file, and BASE.tmp; -1 */
    unsigned n_files;
    bool has_header, warned;
    int64_t since_ms, gone_ms;
    struct transfer *next;
};

struct old_marker {
    char base[9];
    int64_t due_ms;
    struct old_marker *next;
};

struct carrier_out {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    struct gateway_tree tree;
    struct event *timer;
    struct transfer *transfers;
    struct old_marker *markers, **markers_end;
    struct container_item item; /* of the step at hand */
    int64_t poll_ms, confirm_ms, swept_ms;
};

#endif
