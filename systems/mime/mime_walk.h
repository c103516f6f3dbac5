/* mime_walk.h - the structure of a MIME message, found in one pass without holding its content
 *
 * mime_walk() reads a message (LF line ends) through a pread-like function and notes for each part what it is
 * and where its octets lie, so that a converter can then decode just the ranges it wants, in the order it
 * wants. Parts stand in the order of the message, each behind its parent.
 *
 * What is hostile here: all of it. No recursion; a line of any length; at most MIME_DEPTH_MAX open multiparts
 * and MIME_PARTS_MAX parts. What passes a limit is not lost: a multipart too deep, and all that follows the
 * last part allowed, become leaves whose octets are the raw text (`raw`). A multipart without boundary, or
 * whose boundary never comes, is a leaf of its own text. message/rfc822 is a leaf, carried as a file, unless
 * the options ask for what is within.
 *
 * Sources: RFC 2045, RFC 2046 section 5.1 (a boundary of an outer multipart ends the inner ones), RFC 2183.
 */
#ifndef VIADUCT_MIME_WALK_H
#define VIADUCT_MIME_WALK_H

#include <sys/types.h>

#include "common/buf.h"
#include "systems/mime/mime_decode.h"

enum {
    MIME_DEPTH_MAX = 100,
    MIME_PARTS_MAX = 1000,
    MIME_ROOT_HEADER_MAX = 1 << 20,
    MIME_PART_HEADER_MAX = 64 << 10
};

struct mime_part {
    int parent; /* -1 for the root */
    int level;  /* 0 for the root */
    bool multipart, raw, attachment /* said so, or has a name */, inline_id /* has a Content-ID */;
    bool has_children;
    bool container; /* message/rfc822 or message/global that was entered: its one child is the message within */
    enum mime_encoding encoding;
    char type[80];                     /* "text/plain", lower case */
    char charset[48];                  /* as written; "" where not given */
    char *name;                        /* UTF-8, NULL where it has none; the tree's */
    uint64_t header_start, start, end; /* the header, its empty line included, lies before `start` */
    uint64_t
        whole_end; /* of all that came as this part: of a multipart with its last boundary and what follows that */
};

struct mime_tree {
    struct mime_part *parts;
    size_t n;
    struct buf header; /* the message's own, LF line ends, the empty line left out */
    bool header_cut;   /* it was longer than MIME_ROOT_HEADER_MAX */
    bool too_deep, too_many;
    bool odd_boundary; /* a boundary that came has octets above 127 */
};

/* What a reader may want beyond the structure. Set to zero: what mime_walk() does. */
struct mime_walk_options {
    bool enter_messages; /* at most MIME_DEPTH_MAX levels */
    size_t parts_max;    /* 0: MIME_PARTS_MAX */
    /* The octets of part `part`, as they pass: of its header, or of its content, which for a multipart is what
     * stands outside of its parts. The line end before a boundary comes with the content, though `end` leaves
     * it out; the boundary itself does not. May be NULL. */
    void (*octets)(void *arg, size_t part, bool header, const char *at, size_t len);
    void *arg;
};

typedef ssize_t mime_read_fn(void *arg, uint64_t offset, void *bytes, size_t size);

/* Returns 0, or a negative value that `read` returned. mime_tree_clear() in either case. */
int mime_walk(mime_read_fn *read, void *arg, struct mime_tree *tree);
int mime_walk_with(mime_read_fn *read, void *arg, const struct mime_walk_options *options,
                   struct mime_tree *tree);
void mime_tree_clear(struct mime_tree *tree);

/* The body of the first field with this name in a header block, folded as it stands. */
bool mime_field(struct span header, const char *name, struct span *body);

#endif
