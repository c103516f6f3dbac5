/* header_scan.h - what acceptance must know of a message's header, learnt while the bytes pass
 *
 * A scanner for the header block only (RFC 5322 section 2.2), fed in any pieces; it never looks at the body and
 * keeps no more than a few values. Lines end in LF. Linear in the bytes fed, whatever they are; a line may have
 * any length.
 *
 * Sources: RFC 5322 sections 2.2, 3.6; RFC 5321 section 4.4 (Received).
 */
#ifndef VIADUCT_HEADER_SCAN_H
#define VIADUCT_HEADER_SCAN_H

#include "common/base.h"

struct header_scan {
    /* results; valid when `ended` */
    bool ended;
    bool no_header; /* the first line is no header field: the body begins at byte 0 */
    bool has_date, has_msgid, has_from, has_mime;
    bool eight_bit; /* an octet above 127 in the header */
    bool has_nul;
    uint64_t bytes;    /* length of the header, the empty line included (0 with no_header) */
    uint32_t hops;     /* Received fields */
    uint32_t loops;    /* of those, ones with our mark */
    char msgid[400];   /* body of the first Message-ID, trimmed, unfolded, cut, no control bytes; "" for none */
    char subject[200]; /* likewise */
    /* the scanner's own */
    char mark[120];
    size_t mark_len;
    char line[512]; /* the beginning of a line whose end has not come yet */
    size_t line_len;
    char received[1024]; /* the Received field being read, unfolded, cut */
    size_t received_len;
    int field;  /* the field that the last line belongs to */
    bool begun; /* a line was judged */
};

/* `mark` is what our own Received field for this connector and direction contains: see header_mark(). NULL:
 * none. */
void header_scan_start(struct header_scan *scan, const char *mark);

/* Takes the next bytes. Returns how many belong to the header: `len` while it goes on, less where it ended
 * within. After the end it returns 0 and changes nothing. With `no_header` it returns 0 as well, and what was
 * fed before belongs to the body too (at most the 512 bytes that are needed to see it, and what came with them;
 * `eight_bit` and `has_nul` tell of the pieces before the last). */
size_t header_scan_feed(struct header_scan *scan, const char *bytes, size_t len);

/* The message is over. Without an empty line it is a message of header fields alone, and one without any byte
 * has no header. After the end it changes nothing. */
void header_scan_finish(struct header_scan *scan);

/* Writes our mark: "by <node> (viaduct <connector> in)" or "out)". Received fields that we write must contain
 * this very text: a node's name is cut after 59 bytes in it. */
void header_mark(const char *node, const char *connector, bool inbound, char mark[120]);

/* Finds the first field with this name in a whole header block (LF line ends). `body` is its body, folded as it
 * stands, the blank after the colon left out. Returns false where there is none. */
bool header_find(struct span header, struct span name, struct span *body);

/* Walks over the fields of a header block: sets `name` and `body` (folded) and moves `header` on. False at the
 * end. A line that is no field is skipped; an empty line ends the block. */
bool header_next(struct span *header, struct span *name, struct span *body);

/* True for a line that begins a field of this name; blanks may stand before the colon (RFC 5322 section 4.5). */
bool header_line_is(struct span line, struct span name);

/* The date of RFC 5322 section 3.3 in local time with its zone: "Wed, 25 Nov 2026 07:26:28 +0000". */
void header_date(int64_t time_s, char date[40]);

#endif
