/* shown.h - which characters may stand as they are in lines that people read on terminals
 *
 * Refused are control characters (C0, DEL and C1, which some terminals obey), the line and paragraph separators
 * U+2028 and U+2029, and the marks that turn the direction of writing (U+061C, U+200E, U+200F, U+202A to
 * U+202E, U+2066 to U+2069), with which a line can be made to look like another, the byte order mark, and the
 * code points that are no characters. Source: Unicode Technical Report 36, section 3; UAX 9 section 2.
 */
#ifndef VIADUCT_SHOWN_H
#define VIADUCT_SHOWN_H

#include "common/buf.h"

/* The code point of a sequence whose length utf8_sequence() gave. */
uint32_t shown_code_point(const char *at, size_t len);

/* The length of the well-formed UTF-8 sequence at `at`, if it may be shown as it is; else 0. */
size_t shown_sequence(const char *at, size_t len);

/* A text being printed at the end of a buffer, of at most `limit` bytes: where more is added, the last pieces
 * give way to "..." (to nothing with a limit below 3). */
struct shown_text {
    struct buf *out;
    size_t start, limit;
    size_t keep; /* what stays when "..." must follow */
};

enum {
    SHOWN_PIECE = 16
}; /* plain runs are best added in pieces of this length: what is cut is cut between pieces */

struct shown_text shown_begin(struct buf *out, size_t limit);

/* Adds a piece (a character, an escape, some plain bytes). False where the text was cut: nothing more is to be
 * added. */
bool shown_add(struct shown_text *text, const char *piece, size_t len);

#endif
