/* intake_inside.h - what the chapters of the intake share, and nobody else uses
 *
 *     intake.c            doors; from the module's first byte to the commit
 *     intake_envelope.c   the envelope, translated
 *     intake_header.c     the header: our Received, what it lacks, addresses translated
 */
#ifndef VIADUCT_INTAKE_INSIDE_H
#define VIADUCT_INTAKE_INSIDE_H

#include "common/header_scan.h"
#include "daemons/intake.h"

/* A connector whose mail this process takes. */
struct door {
    const char *connector; /* "host" or a connector's name */
    struct translator *translator;
    const struct conf_limits *limits;
    const struct conf_mapping *mapping; /* NULL for the host */
    char mark[120];
};

struct doors {
    struct door *at;
    size_t n;
    struct viaduct_intake *free;
    struct arena *arena; /* of recipient_check */
};

struct viaduct_intake {
    struct viaduct_gateway *gateway;
    const struct door *door;
    struct arena *arena;
    struct envelope envelope;
    struct maker *maker;
    struct header_scan scan;
    struct buf header; /* while it is not whole */
    char id[ID_LEN + 1];
    char replaces[600];
    int error;
    struct why why;
    bool item; /* fetched for the converter: no message */
    void (*done)(void *arg, int result, const struct viaduct_reason *reason);
    void *arg;
    struct viaduct_intake *next;
};

/* ---- envelope ---- */

/* Fills in intake->envelope for its door. Returns 0 or -errno with intake->why. */
int intake_envelope(struct viaduct_intake *intake, const struct viaduct_envelope_in *in,
                    const struct viaduct_recipient_in *recipients, size_t n);

/* What it will need at most, once the header has told its Message-ID and Subject. */
size_t intake_envelope_reserve(const struct envelope *envelope);

/* The marks of recipients that failed on arrival, in the new file's journal and the tracking log. */
void intake_note_failed(struct viaduct_intake *intake);

/* ---- header ---- */

/* Feeds it; returns how many bytes it took, or -errno. */
ssize_t intake_take_header(struct viaduct_intake *intake, const char *bytes, size_t len);

/* The message is over: one without an empty line is a header alone. 0 or -errno. */
int intake_end_header(struct viaduct_intake *intake);

/* Notes what the whole intake will be refused with; returns `error`. */
int intake_failed(struct viaduct_intake *intake, int error, const char *status, const char *text);

#endif
