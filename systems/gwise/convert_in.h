/* convert_in.h - within the conversion from GroupWise: the item in hand */
#ifndef VIADUCT_GWISE_CONVERT_IN_H
#define VIADUCT_GWISE_CONVERT_IN_H

#include "systems/calendar/calendar.h"
#include "systems/gwise/api_read.h"
#include "systems/gwise/container.h"
#include "systems/gwise/convert.h"
#include "systems/gwise/convert_time.h"
#include "systems/mime/notice.h"

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
    struct calendar_zone *site; /* whose clocks the item's times are */
    struct arena *arena;
    struct in_part *parts;
    size_t n_parts;
    bool cut;             /* its header was longer than a mail's can be */
    struct api_file file; /* the header, in UTF-8 */
    enum in_kind kind;
    struct notice notice;          /* of IN_STATUS: what is told; NOTICE_NONE: in words */
    struct calendar_item *meeting; /* what the message has as a calendar; NULL: none */
    struct span answered;          /* of an answer: the Message-ID of what is answered; else empty */
    const struct in_part *comment; /* of an appointment: text that came as a file; NULL: none */
    const char *from;              /* Domain.PostOffice.User; NULL where there is none */
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
/* The same for a notice, without subject and what follows from it: from the person, or from `postmaster` where given. */
void in_notice_header(struct in_item *item, const char *postmaster, struct buf *out);
void in_words(struct in_item *item, struct buf *out);

/* A boundary that no other message of ours has, and no text can know. */
void in_boundary(const struct in_item *item, char boundary[60]);

/* Adds the Message-ID that the item has here, the same whenever it comes; nothing where it has no usable Msg-Id. */
void in_message_id(const struct in_item *item, struct buf *out);

/* For an item of the kind IN_STATUS: what it becomes. False where nobody is to be told, with the reason; true where it
 * becomes a message, a notice (`item->notice`) or one in words. Sets `item->from`. */
bool in_status(struct in_item *item, struct viaduct_reason *reason);
/* For an item of the kind IN_APPOINTMENT: sets `item->meeting`, where it can be one. */
void in_meeting(struct in_item *item);
/* For a status that answers a meeting: sets `item->meeting` and `item->answered`. False where it cannot be told as that. */
struct kept;
bool in_answer(struct in_item *item, const struct kept *kept, enum calendar_answer answer, int64_t time_s);
/* What stands before the subject of the answer in hand. */
const char *in_answer_prefix(const struct in_item *item);
/* Adds `item->meeting` to `item->piece`: its fields of MIME, the empty line, the calendar. */
void in_write_calendar(struct in_item *item, struct span description);

/* What an item of the kind IN_SEARCH becomes: an answer, or nothing. */
enum viaduct_converted in_search(struct in_item *item, struct viaduct_reason *reason);

/* Whether its sender asked for statuses of this kind: "deliver", "open". */
bool in_wants(const struct in_item *item, const char *what);
/* The word that a status says, empty where it has none. */
struct span in_status_action(const struct in_item *item);
/* Adds the whole message of a notice to `item->piece`. */
void in_write_notice(struct in_item *item);

#endif
