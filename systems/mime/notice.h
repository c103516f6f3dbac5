/* notice.h - what became of a message, as the two kinds of report that Internet mail has for it
 *
 * Foreign systems tell of a message's fate by items of their own. Towards the host such an item becomes a delivery
 * status notification or a message disposition notification about one recipient; towards them a report of the host's
 * must be understood. This is the form between: one `struct notice` for each recipient.
 *
 *     multipart/report; report-type=delivery-status            delivered, delayed, failed
 *     multipart/report; report-type=disposition-notification   displayed, deleted
 *
 * (The bouncer's own reports, which return the message and tell of thousands, are written by common/dsn.h.)
 *
 * What is hostile here: every text of a notice that is written, every octet of a report that is read. Texts cannot end
 * their line; what has no place in a field becomes '?'. The reader keeps NOTICE_READ_MAX octets of a part at most, and
 * tells of NOTICE_RECIPIENTS_MAX recipients.
 *
 * Sources: RFC 3461 section 6, RFC 3464, RFC 6522, RFC 6533, RFC 8098.
 */
#ifndef VIADUCT_MIME_NOTICE_H
#define VIADUCT_MIME_NOTICE_H

#include "systems/mime/mime_walk.h"

enum { NOTICE_READ_MAX = 256 << 10, NOTICE_RECIPIENTS_MAX = 1000 };

enum notice_kind {
    NOTICE_NONE, /* of no kind that can be told: relayed, expanded, processed ... */
    NOTICE_DELIVERED,
    NOTICE_DELAYED,
    NOTICE_FAILED,
    NOTICE_DISPLAYED, /* read */
    NOTICE_DELETED    /* deleted; as far as is known, unread */
};

struct notice {
    enum notice_kind kind;
    struct span reporter;   /* name of the system that knows; a host name for delivery status */
    struct span recipient;  /* address of whom it is about */
    struct span orcpt;      /* "rfc822;user@host", as the sender gave it, decoded; may be empty */
    struct span envid;      /* as the sender gave it, decoded; may be empty */
    struct span message_id; /* of the message it is about, with its angle brackets; may be empty */
    struct span subject;    /* of that message, UTF-8; may be empty */
    struct span status;     /* "5.1.1"; where empty or of the wrong class a general one is written */
    struct span diagnostic; /* the other system's own words, UTF-8; may be empty */
    int64_t time_s;         /* when it happened; 0: not known */
};

/* The word for people: "delivered" ... */
const char *notice_word(enum notice_kind kind);

/* Adds the report's fields of MIME, its empty line and its parts (LF line ends); the caller wrote the other fields.
 * `boundary` must not occur in the texts as a line of its own behind "--"; 1 to 60 octets of letters, digits, '_', '='.
 * `kind` must not be NOTICE_NONE. */
void notice_write(const struct notice *notice, const char *boundary, struct buf *out);

/* True where the message says that it is a report of one of the two kinds. */
bool notice_is_report(const struct mime_tree *tree);

/* Reads a report: found(arg, notice) for each recipient, whose spans live during the call; those whose fate is none of
 * the kinds come as NOTICE_NONE. Returns how many, 0 where it is no report or says nothing, or a negative value that
 * `read` returned. */
int notice_read(mime_read_fn *read, void *read_arg, const struct mime_tree *tree,
                void (*found)(void *arg, const struct notice *notice), void *arg);

#endif
