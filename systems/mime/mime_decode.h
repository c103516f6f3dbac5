/* mime_decode.h - content transfer encodings, undone and made as a stream
 *
 * Decoders take anything: what is no digit of base 64 is passed over, a broken '=' of quoted-printable stands
 * for itself.
 *
 * Source: RFC 2045 sections 6.7 and 6.8.
 */
#ifndef VIADUCT_MIME_DECODE_H
#define VIADUCT_MIME_DECODE_H

#include "common/buf.h"

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED };

struct mime_decoder {
    enum mime_encoding encoding;
    uint32_t bits; /* base 64: digits collected */
    int n_bits;
    bool padded;
    char held[80]; /* quoted-printable: '=' and what may follow, or blanks that may end a line */
    size_t n_held;
};

void mime_decoder_start(struct mime_decoder *decoder, enum mime_encoding encoding);
/* Adds what the octets stand for. */
void mime_decode(struct mime_decoder *decoder, const char *bytes, size_t len, struct buf *out);
void mime_decode_end(struct mime_decoder *decoder, struct buf *out);

/* The encoding by its name in Content-Transfer-Encoding; unknown ones are left as they are. */
enum mime_encoding mime_encoding_of(struct span name);

/* Adds base 64 without line ends, padded. */
void mime_encode_base64(const char *bytes, size_t len, struct buf *out);

/* Quoted-printable, written: no line is longer than 76 octets, blanks at a line's end are quoted. */
enum { MIME_QUOTED_COLUMNS = 75 }; /* before the '=' of a soft line end */

struct mime_quoter {
    size_t column;
    char held; /* a blank that may end its line; NUL: none */
};

/* Adds one octet, as it is (`plain`) or quoted, behind a soft line end where it does not fit. */
void mime_quote_octet(struct mime_quoter *quoter, unsigned char c, bool plain, struct buf *out);
/* Adds a text with LF line ends, in any pieces; the end of it. */
void mime_quote(struct mime_quoter *quoter, const char *bytes, size_t len, struct buf *out);
void mime_quote_end(struct mime_quoter *quoter, struct buf *out);
/* True for an octet that quoted-printable leaves as it is, wherever it stands. */
bool mime_is_plain(unsigned char c);

#endif
