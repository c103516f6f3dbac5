/* carrier_in.h - within the inbound carrier: what lies in API_OUT, and the item being fetched */
#ifndef VIADUCT_GWISE_CARRIER_IN_H
#define VIADUCT_GWISE_CARRIER_IN_H

#include "systems/gwise/carrier.h"
#include "systems/gwise/container.h"
#include "systems/mime/charset.h"

/* A header file in API_OUT, as the last look found it. */
struct candidate {
    char *name;
    uint64_t bytes;
    struct timespec changed;
    int64_t first_ms, tried_ms; /* monotonic */
    bool same;                  /* as it was a poll before */
    bool warned;
    char **files; /* what it names in ATT_OUT, once it was read; NULL-terminated */
};

/* A file that is copied, and removed afterwards when it is still the same. */
struct source {
    enum gateway_folder folder;
    enum part_kind kind;
    bool own; /* bears the header's name: no other header means it */
    char *name;
    ino_t inode;
    uint64_t bytes;
    struct timespec changed;
    struct source *next;
};

struct fetch {
    char *name; /* of the header */
    struct viaduct_intake *intake;
    struct container_writer writer;
    struct source *sources, *at; /* header first */
    int fd;
    uint64_t copied;
    bool committing;
};

struct carrier_in {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    struct gateway_tree tree;
    struct event *timer;
    struct codepage *codepage;    /* of names in header files; NULL where it is unknown */
    struct candidate *candidates; /* ordered by name */
    size_t n_candidates;
    struct fetch *fetch;     /* one at a time */
    struct source *removals; /* attachments of items that are durable */
    int64_t poll_ms, settle_ms, polled_ms;
    bool again; /* there may be more to fetch before the next poll */
    bool lost;  /* the folders were gone at the last look */
};

/* Looks into API_OUT and keeps what is known of names that were there before. */
void in_scan(struct carrier_in *carrier);
void in_forget(struct candidate *candidate);

/* Judges a candidate: IN_READY with the sources to copy, IN_WAIT, or IN_GIVE_UP with the sources there are and
 * the reason. */
enum in_judgement { IN_READY, IN_WAIT, IN_GIVE_UP };
enum in_judgement in_judge(struct carrier_in *carrier, struct candidate *candidate, struct source **sources,
                           struct buf *why);

void in_free_sources(struct source *sources);

/* Removes attachments that no other header names. */
void in_remove_attachments(struct carrier_in *carrier);

#endif
