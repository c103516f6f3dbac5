/* rtf_compressed.h - the compressed RTF of a message (PR_RTF_COMPRESSED), unpacked as a stream
 *
 * The octets go in by any pieces, the RTF comes out behind what is in `out` already: at most nine octets for
 * each that went in, and never more than the size that the header declares. Both forms are read: LZFu
 * (compressed) and MELA (stored).
 *
 * What is hostile here: all of it. There is nothing to allocate: the state is the window of 4 KiB. A damaged
 * stream is unpacked as far as it goes: rtf_compressed_end() says what was wrong, and what came out until
 * then may be used.
 *
 *     struct rtf_compressed packed;
 *     rtf_compressed_start(&packed);
 *     while (... more octets ...)
 *         rtf_compressed_feed(&packed, bytes, len, &out);   and take what is in `out`
 *     if (rtf_compressed_end(&packed, &why) < 0) ... why says what is wrong with it
 *
 * Source: [MS-OXRTFCP] sections 2.1.3 and 3.1 (header, window, tokens, end mark, CRC).
 */
#ifndef VIADUCT_RTF_COMPRESSED_H
#define VIADUCT_RTF_COMPRESSED_H

#include "common/buf.h"

enum { RTF_WINDOW = 4096, RTF_HEADER = 16 };

struct rtf_compressed {
    unsigned char header[RTF_HEADER];
    size_t n_header;
    bool unknown, stored, ended, excess; /* excess: more came than was declared */
    uint32_t crc, crc_declared;
    uint64_t left;             /* octets of the content that are to come */
    uint64_t declared, so_far; /* octets of RTF */
    unsigned char control;     /* what the next tokens are, from the lowest bit on */
    unsigned n_control;
    int first; /* of the two octets of a reference; -1: none */
    size_t write;
    unsigned char window[RTF_WINDOW];
};

/* Begins; nothing needs to be freed. */
void rtf_compressed_start(struct rtf_compressed *packed);

/* Adds the RTF that the next octets stand for. What follows the end is passed over. */
void rtf_compressed_feed(struct rtf_compressed *packed, const char *bytes, size_t len, struct buf *out);

/* 0 where all was there and right. -EINVAL with `why`: no compressed RTF, torn, more or less than its header
 * declares, or a wrong checksum. */
int rtf_compressed_end(const struct rtf_compressed *packed, struct why *why);

#endif
