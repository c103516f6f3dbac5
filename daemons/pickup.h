/* pickup.h - what the chapters of viaduct-pickup share
 *
 *     pickup.c           files: which are taken, which are left
 *     pickup_message.c   the message: read, and written anew
 *     pickup_envelope.c  the envelope: from the first lines, or from the header
 */
#ifndef VIADUCT_PICKUP_H
#define VIADUCT_PICKUP_H

#include <sys/stat.h>

#include "common/header_scan.h"
#include "common/worker.h"

/* What the envelope is made with. */
struct drop_rules {
    const char *domain; /* is put behind local parts that stand alone */
    size_t max_recipients;
    uint64_t seed; /* of the table that finds recipients named twice */
};

/* Takes the envelope lines off the beginning of a message (LF line ends): "X-Sender: <a@b> RET=HDRS ENVID=x"
 * and "X-Receiver: <c@d> NOTIFY=FAILURE ORCPT=rfc822;e@f", one address each, up to the first other line.
 * Addresses may stand without brackets; "<>" is no sender. Unknown parameters are passed over. Fills
 * originator, recipients, ret, envid and utf8; everything is in the arena. Returns 1 where there were such
 * lines (`text` is moved behind them), 0 where there were none, -EINVAL with `why` where they make no envelope.
 */
int drop_envelope_lines(struct span *text, const struct drop_rules *rules, struct arena *arena,
                        struct envelope *envelope, struct why *why);

/* Makes the envelope from header fields: recipients from To, Cc and Bcc (or Resent-To, -Cc, -Bcc where one of
 * them is there), originator from Sender or From (Resent-Sender, Resent-From first). Returns 0, or -EINVAL with
 * `why`: no recipient, an element that is no address, too many. */
int drop_envelope_header(struct span header, const struct drop_rules *rules, struct arena *arena,
                         struct envelope *envelope, struct why *why);

/* One file being taken. */
struct intake {
    struct service *service;
    struct job *job;
    const struct drop_rules *rules;
    const char *mark; /* of our Received fields */
    const char *name; /* in drop/: printable UTF-8, as pickup.c made sure; any where it is put aside */
    struct stat stat; /* when it was found fit */
    void (*done)(void *job, int result); /* the file is taken, or stays */
    off_t at;                            /* next byte to read */
    bool cr, ended;                      /* the last byte was a CR; nothing more to read */
    struct buf head;                     /* what was read before the envelope was known */
    char id[ID_LEN + 1];
    struct envelope *envelope;
    struct maker *maker;
    char last; /* byte of the message */
    bool eight_bit, nul;
    struct why why;
};

enum pickup_outcome {
    PICKUP_TAKEN, /* done() will be called, or has been */
    PICKUP_LEFT,  /* it stays, and is looked at again soon: it changed meanwhile, or could not be read or copied
                   */
    PICKUP_BAD    /* (inside) no message can be made of it */
};

/* Writes the file anew and commits it, as a message or for Badmail. The first members of `in` up to `done` are
 * the caller's, and `last` is LF; the rest is zero. */
enum pickup_outcome pickup_copy(struct intake *in);

#endif
