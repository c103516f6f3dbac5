/* spool_census.h - how many messages lie in each folder and how long the oldest has been with us
 *
 * Only names are read (getdents), no file is looked at: the age of a message is in its id. So a census of a
 * million messages costs about a second, and nothing where folders are empty. A message that moves while it is
 * counted may be counted twice or not at all.
 *
 * What is hostile here: names in drop/ are strangers'; connectors are found by listing the mailboxes.
 */
#ifndef VIADUCT_SPOOL_CENSUS_H
#define VIADUCT_SPOOL_CENSUS_H

#include "spool-layout/layout.h"

enum { CENSUS_CONNECTORS_MAX = 4096 };

struct census_row {
    char connector[CONNECTOR_NAME_MAX + 1]; /* "" for folders there is one of */
    enum folder folder;
    uint64_t count;
    int64_t oldest_ms; /* when the oldest was accepted, milliseconds since 1970; -1 where there is none, or no
                          name tells */
};

/* Rows in the order of connectors' names ("" first) and folders. Empty folders have rows too. */
struct census {
    struct census_row *rows;
    size_t n;
    bool complete;    /* false: names were left uncounted (too many), or a folder could not be read */
    int64_t taken_ms; /* when, milliseconds since 1970 */
    int64_t cost_ms;  /* how long it took */
};

/* Counts all folders that hold messages, at most `most` names altogether. Returns 0, or -errno where the spool
 * could not be read at all; the census is empty then. End it with census_clear(). */
int census_take(int spool_fd, uint64_t most, struct census *census);

void census_clear(struct census *census);

#endif
