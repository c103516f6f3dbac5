/* id.h - queue ids and the names of queue files
 *
 * An id is 26 characters of base 32 (0-9 A-V without regard to case; we write upper case): 130 bits, from the
 * left
 *
 *     48  milliseconds since 1970      16  node-id      16  slot of the process      50  counter
 *
 * so ids sort by time and are unique across nodes and processes. The milliseconds never run backwards within a
 * process; the counter starts at a random place at each start and only counts, so ids stay unique over clock
 * jumps and restarts (two starts would have to draw starting points within each other's count in the same
 * millisecond). The spool refuses an existing name in any case (O_EXCL, RENAME_NOREPLACE).
 *
 * A name in a folder is  <id> [.<part>...] [.r<N>] [@<time>] :
 *     <id>            a message            <id>.2     its second part, after a split (parts may be split again)
 *     <id>.r1         the first report request made from it
 *     <name>@<time>   in Deferred: when the next attempt is due; in Hold: until when (seconds, decimal; 0 in
 * Deferred: now; 0 in Hold: no end)
 */
#ifndef VIADUCT_ID_H
#define VIADUCT_ID_H

#include "common/base.h"

enum { ID_LEN = 26, ID_PARTS_MAX = 4, QUEUE_NAME_MAX = 80 };

/* Begins ids for this process. `slot` is the one that master gave (0 for commands). */
void id_start(uint16_t node_id, uint16_t slot);

/* Whether id_start() was called: commands begin ids only where they make some. */
bool id_started(void);

/* Writes a new id and a NUL. */
void id_new(char id[ID_LEN + 1]);

/* The time in an id, milliseconds since 1970; -1 where the text does not begin with an id. */
int64_t id_time_ms(const char *id);

/* A queue file's name taken apart. */
struct queue_name {
    char stem[QUEUE_NAME_MAX]; /* without "@time": the message's name in every folder */
    char id[ID_LEN + 1];
    bool is_request; /* ends in .rN */
    bool is_part;
    bool has_time;
    int64_t time_s; /* behind the '@' */
};

/* Takes a name apart; false where it is not a queue file's name. Nothing hostile can be in an accepted name:
 * only 0-9 A-V . r @ and digits. */
bool queue_name_parse(const char *name, struct queue_name *parts);

/* Writes "<stem>@<time>". */
void queue_name_at(const char *stem, int64_t time_s, char name[QUEUE_NAME_MAX]);

#endif
