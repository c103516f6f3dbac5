/* server_data.h - the end-of-data automaton: octets after DATA in, lines with LF out
 *
 * Only CRLF . CRLF ends a message (RFC 5321 section 4.1.1.4); the CRLF of the DATA command counts as the first.
 * A line begins only after CRLF, for the end as for the dot that is taken off. So no other server's idea of an
 * end can smuggle a second message through us, and we take none for an end that the sender did not.
 *
 *              '.'            CR                LF
 *     START --------> DOT --------> DOT_CR --------> end
 *       ^  \          |                |
 *       |   \ other   | other          | other: a bare CR
 *       |    v        v                v
 *       |    INSIDE <-------------------
 *       |     |  ^
 *       |  CR |  | other: a bare CR
 *       |     v  |
 *       +---- CR -              (LF in INSIDE: a bare LF, stays INSIDE)
 *         LF
 *
 * A CR without LF, a LF without CR and NUL are faults (section 2.3.8, 4.5.2). They are counted, and the
 * automaton goes on by the same rules. With `normalize` each bare CR or LF gives one LF; without it nothing is
 * given out after the first.
 *
 * It needs no memory, may be fed any pieces, and is linear; a piece is given out in as few calls as 64 KiB
 * allow.
 */
#ifndef VIADUCT_SERVER_DATA_H
#define VIADUCT_SERVER_DATA_H

#include "common/base.h"

enum smtp_data_state { DATA_START, DATA_DOT, DATA_DOT_CR, DATA_INSIDE, DATA_CR };

enum { DATA_BARE_CR = 1, DATA_BARE_LF = 2, DATA_NUL = 4 };

struct smtp_data {
    enum smtp_data_state state;
    bool normalize;
    unsigned faults;     /* DATA_BARE_CR | ... */
    uint64_t wire_bytes; /* taken in so far */
    uint64_t extra;      /* of these, what is no part of the message: dots taken off, the end */
};

/* Where the content goes: lines end in LF, dots are taken off. The bytes live until the call returns. */
struct smtp_data_sink {
    void (*add)(void *arg, const char *bytes, size_t len);
    void *arg;
};

/* Its size so far as RFC 1870 counts: CRLF as two, without stuffed dots and the end. */
static inline uint64_t
smtp_data_size(const struct smtp_data *data)
{
    return data->wire_bytes - data->extra;
}

/* Begins a message. */
void smtp_data_begin(struct smtp_data *data, bool normalize);

/* Takes up to `len` bytes; `*consumed` tells how many belong to this message (less than `len` only at its end).
 * Returns true at the end. Not to be called from within the sink. */
bool smtp_data_feed(struct smtp_data *data, const char *in, size_t len, size_t *consumed,
                    const struct smtp_data_sink *sink);

#endif
