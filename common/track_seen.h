/* track_seen.h - which records were seen already: a set of keyed hashes that forgets the oldest
 *
 * Two generations: when the young one is full, the old one is forgotten and the young one grows old. What is
 * found in the old one is put into the young one, so what is in use stays.
 */
#ifndef VIADUCT_TRACK_SEEN_H
#define VIADUCT_TRACK_SEEN_H

#include "common/track_read.h"

struct track_seen;

/* `most` hashes in each generation, at least 1; 0: two million. */
struct track_seen *track_seen_new(size_t most);
void track_seen_free(struct track_seen *seen);

/* Notes a record, and sets its `repeated`, `from_badmail` and `from_failed`. */
void track_seen_note(struct track_seen *seen, struct track_line *line);

#endif
