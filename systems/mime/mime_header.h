/* mime_header.h - header fields for people: encoded words, parameters and dates, read and written
 *
 * Readers take anything and give valid UTF-8 without control characters (but for blanks); they never fail. Work
 * is linear in the field's length.
 *
 * Sources: RFC 2047, RFC 2231, RFC 2045 section 5.1, RFC 5322 section 3.3.
 */
#ifndef VIADUCT_MIME_HEADER_H
#define VIADUCT_MIME_HEADER_H

#include "common/buf.h"

/* Adds a field body as UTF-8 text: unfolded, encoded words decoded (adjacent ones joined, even within a
 * character), raw octets read as UTF-8 or Windows-1252. */
void mime_decode_text(struct span body, struct buf *out);

/* Adds text for an unstructured field or a display name: as it is where it is plain ASCII, else as encoded
 * words (UTF-8, B), folded so that no line passes 76 columns when `column` octets stand before it. `phrase`:
 * for a display name, quoted where needed. Text is UTF-8; what is none becomes U+FFFD. */
void mime_encode_text(struct span text, size_t column, bool phrase, struct buf *out);

/* The value before the parameters of Content-Type or Content-Disposition, lower case ASCII, cut at `size`. */
void mime_value(struct span body, char *value, size_t size);

/* Adds a parameter's value as UTF-8: quoted string, RFC 2231 with sections and character set, or encoded words
 * (forbidden, and common). False where there is none of that name. */
bool mime_parameter(struct span body, const char *name, struct buf *out);

/* Adds `; name="value"`, and where it is not ASCII `; name*=utf-8''...` behind an ASCII one, each on a line of
 * its own. */
void mime_put_parameter(struct buf *out, const char *name, struct span value);

/* A date of RFC 5322, comments and obsolete zones allowed. False where it is none. */
bool mime_read_date(struct span body, int64_t *time_s);

#endif
