/* smtp_downgrade.h - what the chapters of the way down to 7 bits share, and nobody else uses
 *
 *     smtp_downgrade.c          the message: its structure found, then written part by part
 *     smtp_downgrade_body.c     bodies: what they hold, how they are encoded
 *     smtp_downgrade_field.c    a header's fields, each by its kind
 *     smtp_downgrade_parameter.c  parameters of MIME
 *     smtp_downgrade_address.c  fields with addresses
 *     smtp_downgrade_word.c     encoded words, and folding
 *     smtp_downgrade_seal.c     signatures that what was changed breaks
 *
 * What is hostile here: every octet of the message. Nothing recurses; a body is never held, a header at most up
 * to the limits of mime_walk.h; work is linear in the message's length.
 */
#ifndef VIADUCT_SMTP_DOWNGRADE_H
#define VIADUCT_SMTP_DOWNGRADE_H

#include "common/buf.h"
#include "systems/mime/mime_decode.h"
#include "systems/mime/mime_walk.h"
#include "systems/viaduct/system.h"

enum { DOWNGRADE_COLUMNS = 76, DOWNGRADE_REPORTS_MAX = 100, DOWNGRADE_BROKEN_MAX = 10 };

/* What passed of a part: of its body, or of its header. */
struct downgrade_count {
    uint64_t bytes, quoted /* octets that quoted-printable writes as three */, high /* above 127 */, line;
    uint64_t header_high;
    bool odd; /* NUL, CR, or a line of more than 998 octets: not even "8bit" */
};

struct downgrade {
    const struct viaduct_convert_in *in;
    const struct viaduct_convert_out *out;
    struct mime_tree tree;
    struct downgrade_count *counts; /* one for each part */
    size_t counts_size;
    bool high;         /* something is above 127 */
    bool changes;      /* that, or lines and octets that 7bit does not allow: labels are put right too */
    bool translates;   /* addresses of the header are translated (mapping.headers) */
    uint64_t replaced; /* octets between parts that became '?' */
    bool body_changed; /* anything behind the message's own header is not what it was */
    struct buf fields; /* names of the fields of that header that are not: ":subject:to:" */
    size_t reports, broken;
    struct buf pending; /* octets to write */
    char last;          /* the octet written last */
    int failed;         /* what reading or writing answered; 0: nothing yet */
};

bool downgrade_is_ascii(struct span text);

/* Tells what was lost or changed: one line. */
void downgrade_report(struct downgrade *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- signatures ---- */

/* A field of the message's own header was changed, added or left out. */
void downgrade_field_changed(struct downgrade *d, struct span name);

/* Tells of a signature that no longer holds: one line. */
void downgrade_broken(struct downgrade *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Tells of each signature in the message's own header that covers what was changed. */
void downgrade_seals(struct downgrade *d);

/* ---- bodies ---- */

enum downgrade_action {
    DOWNGRADE_KEEP,
    DOWNGRADE_QUOTED, /* to quoted-printable */
    DOWNGRADE_BASE64,
    DOWNGRADE_REPAIR, /* is quoted-printable, with octets above 127 in it: those are quoted */
    DOWNGRADE_MARK    /* may not be encoded: '?' for octets above 127 */
};

struct downgrade_encoder {
    enum downgrade_action action;
    struct mime_quoter quoter;
    char held[57]; /* base 64: a line's octets */
    size_t n_held;
    unsigned escape; /* repair: octets that still belong to a '=' */
    bool begun;
    uint64_t marked; /* octets that became '?' */
};

void downgrade_count_octets(struct downgrade_count *count, const char *at, size_t len);

/* Adds what the octets become. Line ends are LF on both sides; within base 64 they are CRLF, as on the wire
 * (RFC 2045 section 6.8). */
void downgrade_encode(struct downgrade_encoder *encoder, const char *at, size_t len, struct buf *out);
void downgrade_encode_end(struct downgrade_encoder *encoder, struct buf *out);

/* ---- header ---- */

struct fold;

struct downgrade_header {
    bool root;            /* the message's own */
    bool message;         /* of a message, not of a part */
    bool translate;       /* its addresses are translated */
    const char *encoding; /* for Content-Transfer-Encoding; NULL: as it is */
    const char *type;     /* a Content-Type instead of what it has; NULL: as it is */
    bool add_type;        /* where it has none, text/plain of unknown character set */
};

/* Adds a header block (with its empty line where it has one) in ASCII. Fields that need no change are copied as
 * they are. */
void downgrade_header_write(struct downgrade *d, const struct downgrade_header *how, struct span header,
                            struct buf *out);

/* Adds the value and the parameters of Content-Type or Content-Disposition, unfolded. */
void downgrade_parameters(struct downgrade *d, struct span body, struct fold *fold);

/* The length of the value before the parameters. */
size_t downgrade_value_end(struct span body);

/* ---- words and folding ---- */

/* A field being written. Tokens are folded before they would pass DOWNGRADE_COLUMNS, where a blank may stand
 * before them. */
struct fold {
    struct buf *out;
    size_t column;
    bool blank;   /* a blank is due before the next token */
    bool encoded; /* the last token is an encoded word */
};

/* Begins a field: "Name:". */
void fold_begin(struct fold *fold, struct span name, struct buf *out);
void fold_end(struct fold *fold);

/* Adds a token; a blank or fold before it where one is due. */
void fold_token(struct fold *fold, struct span token);

/* Adds text as encoded words (RFC 2047), in UTF-8 or unknown-8bit; a blank is due behind. Where the last token
 * is an encoded word too, the blank between them becomes part of the text, since readers drop it. */
void fold_encoded(struct fold *fold, struct span text);

/* Adds unfolded unstructured text: runs of words that are not ASCII become encoded words. */
void fold_text(struct fold *fold, struct span text);

/* Adds unfolded structured text: phrases and comments with encoded words where they are not ASCII; the rest as
 * it stands. */
void fold_structured(struct fold *fold, struct span text);

/* Behind the end of the comment, or of the quoted string, that begins at `i`. */
size_t fold_skip_comment(struct span text, size_t i);
size_t fold_skip_quoted(struct span text, size_t i);

/* ---- addresses ---- */

/* Adds an address list, unfolded. `translate`: mailboxes are translated as well. */
void downgrade_addresses(struct downgrade *d, struct span body, bool translate, struct fold *fold);

/* True where a mailbox of the list has another form on the other side. */
bool downgrade_translates(struct downgrade *d, struct span body);

/* Adds the address with its domain as A-labels. False where it has octets above 127 that it cannot be without.
 */
bool downgrade_mailbox(struct span mailbox, struct buf *out);

#endif
