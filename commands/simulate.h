/* simulate.h - the chapters of `viaduct simulate`: what would become of one message
 *
 *     simulate.c          who gets it by which road, and the report for whom it does not reach
 *     simulate_side.c     what one connector would be given: header and body, converted
 *     simulate_show.c     telling it
 */
#ifndef VIADUCT_COMMANDS_SIMULATE_H
#define VIADUCT_COMMANDS_SIMULATE_H

#include "commands/listing.h"
#include "commands/lookup.h"
#include "common/header_scan.h"
#include "systems/viaduct/system.h"

/* The message, with LF line ends as in the spool. */
struct sim_message {
    int fd; /* in memory; read by pread */
    uint64_t bytes;
    struct buf header;  /* the beginning of it at most SIM_HEADER_MAX bytes */
    struct buf subject; /* decoded */
    bool eight_bit;
};

enum { SIM_HEADER_MAX = 1 << 20 };

/* Reads a message from a file, "-" for standard input; fills in `scan`. 0, or an exit code after saying why. message->fd must be
 * -1 before, and sim_message_clear() follows in any case. */
int sim_message_read(const char *path, struct sim_message *message, struct header_scan *scan);
void sim_message_clear(struct sim_message *message);

/* What a connector is given. Lines end in LF. */
struct sim_side {
    const char *name;
    const struct conf_connector *connector; /* NULL: the host */
    struct translator *translator;
    struct address sender; /* as translated */
    enum address_rule sender_rule;
    struct why sender_why; /* status "" where it was */
    bool sender_waits;
    bool converts;      /* its system has a form of its own for messages */
    struct buf headers; /* addresses of the header that change: "old -> new" */
    struct buf lost;    /* what the conversion loses or changes */
    struct buf item;    /* the beginning of what the module writes */
    uint64_t item_bytes;
    bool failed;    /* the message cannot be converted */
    bool bad;       /* and would be Badmail: nobody is told */
    struct why why; /* of both */
};

/* One recipient as the module sees it. */
struct sim_recipient {
    const char *given;
    struct address address; /* in host form */
    struct sim_side *side;  /* NULL: no road */
    const char *route;      /* why there */
    struct translation becomes;
    const char *fails; /* "routing", "translation of the sender" ...; NULL: it goes */
    bool waits;        /* it would be tried again */
    struct why why;
};

struct simulation {
    struct lookup lookup;
    struct sim_message message;
    struct address sender;
    const char *origin; /* where mail of the sender comes from: "host" or a connector */
    struct sim_side *sides;
    size_t n_sides;
    struct sim_recipient *recipients;
    size_t n;
    struct buf report; /* subject and text; empty: none */
};

/* Whether the sender would be told of the recipient, had it one. */
bool sim_is_reported(const struct sim_recipient *recipient);

/* All of it in words, or a row for each recipient; sim_listing() answers as listing_init(). */
void sim_print(const struct simulation *simulation);
int sim_listing(struct listing *listing, const struct command *command);
void sim_list(const struct simulation *simulation, struct listing *listing);

/* Converts the message for the recipients of `side` that do not fail, in a child with the connector's limits; fills in
 * headers, lost, item, failed, bad and why. */
void sim_side_convert(struct lookup *lookup, struct sim_side *side, const struct sim_message *message,
                      const struct sim_recipient *recipients, size_t n);
void sim_side_clear(struct sim_side *side);

#endif
