/* convert_out.h - within the conversion towards GroupWise: the item in hand */
#ifndef VIADUCT_GWISE_CONVERT_OUT_H
#define VIADUCT_GWISE_CONVERT_OUT_H

#include "systems/calendar/calendar.h"
#include "systems/gwise/api_read.h"
#include "systems/gwise/api_write.h"
#include "systems/gwise/container.h"
#include "systems/gwise/convert.h"
#include "systems/gwise/convert_time.h"
#include "systems/mime/mime_walk.h"

/* What becomes of a part of the message; neither: it is left out. */
struct out_part {
    bool body, file;
    bool whole;            /* the file is the part with its header and all within, as it came */
    const char *name;      /* of the file, where it has another than the part */
    struct out_tnef *tnef; /* what is in it is sent in its place: its body (`body`) and files */
};

struct out_file {
    char *name; /* UTF-8 */
    uint64_t bytes;
};

/* What a calendar in the message says. */
struct out_meeting {
    struct arena *arena;
    struct calendar_item item;
    const char *type; /* Msg-Type */
    bool subject_told;
};

struct out_item {
    const struct viaduct_convert_in *in;
    const struct viaduct_convert_out *out;
    struct codepage *codepage;
    struct calendar_zone *site; /* whose clocks the item's times are */
    enum unmappable how;
    uint64_t changed; /* characters that the code page lacks */
    struct mime_tree tree;
    struct out_part *parts;      /* one for each of the tree's */
    struct out_meeting *meeting; /* what its calendar says; NULL: it has none, or none that can be said */
    struct container_writer writer;
    struct buf before, after; /* lines of ours round the body, UTF-8 */
    struct out_file *files;
    size_t n_files;
    int read_error;
    uint64_t file_bytes; /* of the file being written */
    struct buf piece;    /* collects octets for the container */
    bool body_begun, mid_line, subject_told;
};

/* Decides what becomes of each part. */
void out_plan(struct out_item *item);

/* What a header says that no keyword of GroupWise's can carry: as lines before the body, and in the report. */
void out_words(struct out_item *item);

/* Write the body and the files into the container. 0, or -errno. */
int out_write_body(struct out_item *item);
int out_write_files(struct out_item *item);

/* ---- what the chapters share ---- */

/* Reads a part's octets, undoes its transfer encoding and hands over pieces. `take` returns false to stop. */
void out_decode_part(struct out_item *item, const struct mime_part *part, bool (*take)(void *, struct span),
                     void *arg);

/* Adds UTF-8 with LF to the body of the item. */
void out_add_text(struct out_item *item, struct span utf8);

/* A file of the item: begin, octets or text (UTF-8 with LF, which becomes the gateway's code page with CRLF), end with its
 * name. One without any octet gets a line end: the gateway drops a message with an empty file. */
void out_begin_file(struct out_item *item);
void out_add_octets(struct out_item *item, struct span octets);
void out_add_file_text(struct out_item *item, struct span utf8);
void out_end_file(struct out_item *item, struct span name);

/* convert_tnef.c: whether a part is Outlook's own format; what is in it, NULL where it cannot be opened (with a line for the
 * report where it is damaged); whether it has a body that is not empty; the body into the item's, the files into files. */
bool out_is_tnef(const struct mime_part *part);
struct out_tnef *out_tnef_open(struct out_item *item, const struct mime_part *part);
void out_tnef_free(struct out_tnef *tnef);
bool out_tnef_has_body(const struct out_tnef *tnef);
void out_tnef_body(struct out_item *item, const struct out_tnef *tnef);
void out_tnef_files(struct out_item *item, const struct out_tnef *tnef);

/* meeting_find.c, meeting_out.c: look for a calendar among the parts that are files; what it says goes into the item's type
 * and times, and into words before the body. All of them do nothing where there is none. */
struct kept;
void out_meeting_find(struct out_item *item);
void out_meeting_free(struct out_item *item);
void out_meeting_words(struct out_item *item);
void out_meeting_body(struct out_item *item);
void out_meeting_subject(struct out_item *item, struct buf *subject);
const char *out_meeting_type(const struct out_item *item);
const char *out_meeting_security(const struct out_item *item);
void out_meeting_put(const struct out_item *item, struct buf *header);
void out_meeting_keep(const struct out_item *item, struct kept *kept);
/* Writes the header of a status instead, where the message answers an appointment that is known; else adds nothing. */
bool out_meeting_status(struct out_item *item, struct buf *header);

/* The text of the header file, UTF-8, for the parts written. False with the reason where the item cannot be
 * expressed. */
bool out_header(struct out_item *item, struct buf *header, struct viaduct_reason *reason);

/* Keeps what must be known of the message when something comes back about it (kept.h). 0, or -errno with the reason. */
int out_keep(const struct out_item *item, struct viaduct_reason *reason);

/* Writes the header of a status instead, where the message is a report that GroupWise has one for; else adds nothing. */
bool out_status(struct out_item *item, struct buf *header);

/* What a status says: whose, of which message there (its Msg-Id and Msg-Type), what, and why (may be empty). */
struct out_told {
    struct span who, id, type, reason;
    const char *action;
};
bool out_write_status(struct out_item *item, const struct out_told *told, struct buf *header);
/* Whether the connector wants them (convert.reports). */
bool out_sends_statuses(const struct out_item *item);

/* An element of an address list, with its token. */
void out_put_address(struct api_list *list, const struct api_address *address);
/* Adds the address on the other side, and the name in the book; a one-off of ours where the translator has none. False
 * where there is no form. */
bool out_translate(const struct out_item *item, struct span mailbox, struct buf *text, struct buf *display);
/* A list of all recipients that the gateway is to deliver to, of whatever kind. False with the reason. */
bool out_put_recipients(struct out_item *item, const char *key, struct buf *header,
                        struct viaduct_reason *reason);

/* The subject, cut to what is sent; the whole is left in `item->before` then. */
void out_subject(struct out_item *item, struct buf *subject);

#endif
