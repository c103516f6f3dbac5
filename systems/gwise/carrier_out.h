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
    bool tmp_left; /* handed over by a link, and BASE.tmp could not be removed yet */
    int64_t since_ms, gone_ms;
    struct transfer *next;
};

struct old_marker {
    char base[9];
    bool tmp_left;
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
    int64_t poll_ms, confirm_ms, settle_ms;
    bool tells_delivered; /* the gateway sends statuses of success: reports of success are made of them */
    int64_t watched_ms, swept_ms, late_ms;
};

/* ---- carrier_claim.c ---- */

/* The base name of a queue id: eight digits; `probe` counts names passed over. */
void out_name_base(const char *id, unsigned probe, char base[9]);
/* "BASE.EXTENSION", put into `name` and returned. */
const char *out_file_name(const char *base, const char *extension, char name[32]);
bool out_is_there(int folder_fd, const char *base, const char *extension);
/* True where the file holds our id: in its Msg-Id, or as the only thing in a marker or an unfinished header.
 * `text` gets the file. */
bool out_holds_id(int folder_fd, const char *base, const char *extension, const char *id, struct buf *text);

/* What lies under a base name, seen from a message. */
enum spot { SPOT_FREE, SPOT_UNFINISHED, SPOT_SENT, SPOT_OTHERS };
enum spot out_look_at(struct carrier_out *carrier, const char *base, const char *id);

/* Steps 1 and 2 (`again`: what is there is ours); step 4. 0, or -errno. */
int out_claim(struct carrier_out *carrier, struct transfer *transfer, bool again);
int out_publish(struct carrier_out *carrier, struct transfer *transfer);

/* A header that was handed over: notes whether its BASE.tmp is still there; removes it, true when it is gone. */
void out_left_tmp(struct carrier_out *carrier, struct transfer *transfer);
bool out_remove_tmp(struct carrier_out *carrier, const char *base);

/* Adds a word to a marker: "sent" (whatever BASE.tmp says), "settled" (as relayed, and its result is being kept). Not
 * made durable: what a crash takes from it costs a second copy or a line in the log, no message. */
void out_mark(struct carrier_out *carrier, const char *base, const char *word);
/* True where a marker has the word; `text` is the marker. */
bool out_is_marked(const struct buf *text, const char *word);

/* Makes a folder's names durable; shares that cannot are let be. */
int out_sync_folder(int fd);

/* Closes the transfer's files; takes an attempt back that was not sent. */
void out_close_files(struct transfer *transfer);
void out_take_back(struct carrier_out *carrier, struct transfer *transfer);

/* Removes markers that are due (`all`: forgets them, they stay on disk); ones that outlived their process. */
void out_drop_markers(struct carrier_out *carrier, bool all);
void out_sweep_markers(struct carrier_out *carrier);

/* ---- carrier_write.c ---- */

/* Makes the delivery's body ready to be read, and reads and writes the next of it: in the end the transfer waits, or
 * has ended. */
void out_write_begin(struct transfer *transfer);
void out_write_step(struct carrier_out *carrier, struct transfer *transfer);

/* ---- carrier_watch.c ---- */

/* Looks once what has become of all that was handed over. */
void out_watch(struct carrier_out *carrier);
/* Refusals in GWPROB of messages that were settled as relayed: an error in the log for each, once. */
void out_report_late(struct carrier_out *carrier);

/* ---- carrier_out.c ---- */

/* Tells the results, and forgets the transfer. */
void out_end_transfer(struct carrier_out *carrier, struct transfer *transfer, enum viaduct_outcome outcome,
                      bool unreachable, const struct viaduct_reason *reason);

/* Takes an attempt back; `error` (-errno) says whether it is the message's or the folders' fault. */
void out_fail_transfer(struct carrier_out *carrier, struct transfer *transfer, int error, const char *what);

/* From here on it counts as sent, and waits for the gateway. */
void out_wait(struct carrier_out *carrier, struct transfer *transfer);

#endif
