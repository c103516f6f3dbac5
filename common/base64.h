/* base64.h - octets as text without line breaks (RFC 4648 section 4)
 *
 * MIME's base64, with its line breaks and its leniency, is systems/mime/mime_decode.h.
 */
#ifndef VIADUCT_BASE64_H
#define VIADUCT_BASE64_H

#include "common/buf.h"

/* Adds the octets as base64, padded. */
void base64_add(struct span octets, struct buf *out);

/* Adds what the text stands for. False, with nothing added, for text that is not base64: another character (blanks too), a length
 * that is no multiple of four, padding elsewhere than at the end, or bits behind the last octet. */
bool base64_read(struct span text, struct buf *out);

#endif
