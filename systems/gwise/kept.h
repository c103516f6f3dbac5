/* kept.h - what is remembered of a message that went to GroupWise, for what comes back about it
 *
 * A status or a reply of GroupWise's names the message by the Msg-Id that we gave it: GWISE_ID_PREFIX and its queue id.
 * By the time it comes the message has long left the spool. Under that id the connector keeps (services->remember)
 *
 *     message-id <...>                 subject TEXT               envid XTEXT            asked delivered opened
 *     uid TEXT                         organizer MAILBOX          meeting SEQUENCE BEGIN event|task
 *     to ADDRESS TAB ORIGINAL TAB ORCPT TAB NOTIFY                one for each recipient that the gateway delivers to
 *
 * a line each. Where they do not all fit, recipients at the end are left out: their reports go without ORCPT.
 *
 * For the other way it keeps, under "mid:" and the Message-ID that an item of GroupWise's got, what a report of the
 * host's must say to be understood there: the item's Msg-Id and Msg-Type.
 */
#ifndef VIADUCT_GWISE_KEPT_H
#define VIADUCT_GWISE_KEPT_H

#include "common/arena.h"
#include "systems/gwise/convert.h"

/* Which statuses were asked for; NOTICES of failure are always told. */
enum { GWISE_ASKED_DELIVERED = 1, GWISE_ASKED_OPENED = 2 };

struct kept {
    struct span message_id, subject, envid;
    unsigned asked;
    struct span uid, organizer; /* of a meeting or task that went out; uid empty: it was none */
    int sequence;
    int64_t begin_s; /* 0: it has no begin */
    bool task;
    struct span recipients; /* the lines "to ...", for kept_recipient() */
};

struct kept_recipient {
    struct span original, orcpt; /* host form; as in SMTP, xtext kept */
    unsigned notify;
};

/* Keeps a message that goes out: its id there, the header's values, the recipients of `in->message`. 0, or -errno with
 * the reason: the message must wait. 0 too where nothing can be kept at all (no such service). */
int kept_out(const struct viaduct_convert_in *in, struct span id, const struct kept *kept,
             struct viaduct_reason *reason);

/* Finds a message that went out by the id that came back, whose blanks mean nothing: a gateway folds long ones. False
 * where nobody knows it. Spans live in the arena. */
bool kept_find(const struct viaduct_convert_in *in, struct span id, struct arena *arena, struct kept *kept);

/* What was kept of the recipient with this address (Domain.PostOffice.User, without regard to case). */
bool kept_recipient(const struct kept *kept, struct span address, struct kept_recipient *recipient);

/* Keeps an item that came in, under the Message-ID that it got here. As kept_out(). */
int kept_in(const struct viaduct_convert_in *in, struct span message_id, struct span id, struct span type,
            struct viaduct_reason *reason);

/* Finds an item that came in: its Msg-Id and Msg-Type there. */
bool kept_find_in(const struct viaduct_convert_in *in, struct span message_id, struct arena *arena,
                  struct span *id, struct span *type);

#endif
