/* utf8.h - well-formed UTF-8 and nothing else
 *
 * Overlong forms, surrogates and what lies above U+10FFFF are refused: they are how a forbidden byte is
 * smuggled past a check. Source: RFC 3629 section 4.
 */
#ifndef VIADUCT_UTF8_H
#define VIADUCT_UTF8_H

#include "common/base.h"

/* The length in octets (1 to 4) of the well-formed sequence that `len` octets at `at` begin with; 0 where none
 * does, and for `len` 0. */
size_t utf8_sequence(const char *at, size_t len);

/* True where the whole span is well-formed UTF-8; the empty span is. */
bool utf8_valid(struct span text);

/* True where it also holds no control characters: C0 with NUL, DEL, and C1 (U+0080 to U+009F), which some
 * terminals obey. */
bool utf8_printable(struct span text);

#endif
