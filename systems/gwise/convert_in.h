/* convert_in.h - within the conversion from GroupWise: the item in hand */
#ifndef VIADUCT_GWISE_CONVERT_IN_H
#define VIADUCT_GWISE_CONVERT_IN_H

#include "systems/gwise/api_read.h"
#include "systems/gwise/container.h"
#include "systems/gwise/convert.h"

enum in_kind {
    IN_MAIL,
    IN_APPOINTMENT,
    IN_NOTE,
    IN_TASK,
    IN_PHONE,
    IN_STATUS,
    IN_SEARCH,
    IN_ADMIN,
    IN_UNKNOWN
};

struct in_part {
    enum part_kind kind;
    char *name, *shown; /* as on the gateway's disk, and in UTF-8 */
    uint64_t position, bytes;
    bool used;
};

struct in_item {
    const struct viaduct_convert_in *in;
    const struct viaduct_convert_out *out;
    struct codepage *codepage;
    struct arena *arena;
    struct in_part *parts;
    size_t n_parts;
    struct api_file file; /* the header, in UTF-8 */
    enum in_kind kind;
    const char *from; /* Domain.PostOffice.User; NULL where there is none */
    struct viaduct_recipient_in *recipients;
    size_t n_recipients, n_addresses, n_unreadable; /* the last: entries of their lists that are no address */
    struct buf piece;                               /* collects octets for `out` */
    int error;
};

/* The address of an element as Domain.PostOffice.User, in the arena; NULL where it has none. */
const char *in_address(struct in_item *item, const struct api_item *element, struct span *domain);

/* Writes the message behind the envelope. 0, or what `write` returned. */
int in_write_message(struct in_item *item);

/* The fields of the message down to the empty line, but for those of MIME; the lines that tell in words what an
 * item other than a mail is. */
void in_header(struct in_item *item, struct buf *out);
void in_words(struct in_item *item, struct buf *out);

#endif
