/* trial.h - a module's conversion of one message, run for an operator: what the road would do, with nothing kept
 *
 * As in a converter, the module works in a child with the limits of the connector's section `convert` (where root asks, as the
 * user nobody), since what it reads is hostile. The child tells in lines, "<letter> text", what the module says; what it writes
 * goes into files in memory. Nothing of the spool is touched.
 *
 * What is hostile here: the message, and so the child once it has read it: its lines are bounded, and what they say of places
 * in the files is checked.
 */
#ifndef VIADUCT_COMMANDS_TRIAL_H
#define VIADUCT_COMMANDS_TRIAL_H

#include "commands/lookup.h"
#include "systems/viaduct/system.h"

/* A file that a carrier would make of the result: its octets in trial.files_fd, what a person sees in trial.shown_fd. */
struct trial_file {
    const char *what; /* "header", "body", "file", "note" */
    char *name;       /* a plain name */
    uint64_t at, bytes, shown_at, shown_bytes;
};

/* Filled by the caller down to `spreads`; all zero else. */
struct trial {
    struct lookup *lookup;
    const struct viaduct_system *system;
    const struct conf_connector *connector; /* NULL: the host, with the defaults */
    struct translator *translator;
    const struct viaduct_delivery *delivery; /* NULL: from foreign */
    int fd;                                  /* towards foreign: the message, as the spool has it */
    uint64_t bytes;
    const char *path; /* from foreign: the item's main file */
    bool spreads;     /* the result is wanted as files, where the module can say */

    struct buf headers;              /* addresses of the header that change: "old -> new", lines */
    struct buf lost;                 /* what the conversion loses or changes, lines */
    struct buf envelope;             /* from foreign: "from A" and "to B", lines */
    int item_fd, files_fd, shown_fd; /* in memory; item_fd: what the module wrote */
    struct trial_file *files;
    size_t n_files;
    int answer;     /* enum viaduct_converted; -1: none came */
    struct why why; /* where it is not VIADUCT_CONVERTED */
};

/* The id that a message has here. */
#define TRIAL_ID "0000000000000000000000SIMU"

/* Whether a system has files to show. */
bool trial_has_files(const struct viaduct_system *system);

void trial_run(struct trial *trial);
/* What is heard of the child, closes and frees. */
void trial_clear(struct trial *trial);

/* A line added to lines that have it not yet. */
void trial_add_once(struct buf *lines, const char *text);

#endif
