/* client_data.h - a body on its way to the wire: LF becomes CRLF, dots are doubled, and nothing else ends a
 * line
 *
 * The queue keeps bodies with LF line ends. RFC 5321 section 4.5.2 wants a dot doubled that begins a line,
 * section 2.3.8 that CR and LF appear on the wire only as CRLF. What one relay passes on as a bare CR or LF
 * another may read as the end of the message, and what follows as commands: so a CR that no LF follows is sent
 * as CRLF also, and a dot behind it is doubled like any other at the beginning of a line.
 *
 * The encoder keeps two bits between pieces: the result does not depend on where the body was cut.
 */
#ifndef VIADUCT_SMTP_CLIENT_DATA_H
#define VIADUCT_SMTP_CLIENT_DATA_H

#include "common/buf.h"

struct smtp_data {
    bool in_line;  /* something stands on this line already */
    bool after_cr; /* the last byte was CR, sent as CRLF: an LF that follows belongs to it */
};

/* A struct set to zero is at the beginning of a body. */

/* Adds `len` bytes in wire form: at most 2 * len bytes. */
void smtp_data_add(struct smtp_data *data, const char *bytes, size_t len, struct buf *out);

/* Ends the last line, where it is open, and the message: CRLF "." CRLF. An empty body gives "." CRLF alone. The
 * struct is at the beginning again. */
void smtp_data_end(struct smtp_data *data, struct buf *out);

#endif
