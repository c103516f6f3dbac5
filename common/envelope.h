/* envelope.h - the message transfer envelope: what a queue file says of its message
 *
 * A queue file begins with the base envelope, written once; what happens later is appended to its journal and
 * applied to the struct when the file is read. So a `struct envelope` that was read holds the present state:
 * which recipients are settled, how many attempts were made, what was reported.
 *
 * Records are `tag SP length ':' bytes LF`, so any byte can stand in a value and nothing is ever scanned for an
 * end (a newline in an address cannot become a record: CVE-2020-28021 and its kind). mte.def lists the tags.
 *
 * All spans of an envelope that was read point into the arena given to the reader.
 */
#ifndef VIADUCT_ENVELOPE_H
#define VIADUCT_ENVELOPE_H

#include "common/address.h"
#include "common/arena.h"
#include "common/buf.h"

enum recipient_state {
    RECIPIENT_PENDING,   /* to be delivered */
    RECIPIENT_DELIVERED, /* taken by the other side, which reports further (or nothing was asked for) */
    RECIPIENT_RELAYED,   /* taken by a side that sends no reports: success is ours to report */
    RECIPIENT_FAILED,    /* will not be delivered; the sender is to be told */
    RECIPIENT_DELAYED,   /* only in report requests: still pending, the sender is to be told */
    RECIPIENT_REPORTED,  /* settled, and a report (or a request for one) has been made */
    RECIPIENT_MOVED,     /* handed to a part */
    RECIPIENT_STATE_COUNT
};

/* "pending", "delivered", ... */
const char *recipient_state_word(enum recipient_state state);

static inline bool
recipient_is_settled(enum recipient_state state)
{
    return state != RECIPIENT_PENDING && state != RECIPIENT_DELAYED;
}

enum notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

/* A record that is kept and not interpreted. */
struct envelope_property {
    struct span tag, value;
};

#define MTE_C_TEXT   struct span
#define MTE_C_NUMBER int64_t
#define MTE_C_FLAG   bool

struct recipient {
    struct address address; /* in host form, as accepted */
#define RECIPIENT(member, kind, tag, meaning) MTE_C_##kind member;
#include "common/mte.def"
    struct envelope_property *properties;
    size_t n_properties;
    /* from the journal: */
    enum recipient_state state;
    struct span status; /* "5.1.1" */
    struct span text;   /* the reason, or the far end's answer */
    struct span remote; /* the far end, "dns; mx.example" or "" */
    int64_t state_ms;   /* when */
};

struct envelope {
#define ENVELOPE(member, kind, tag, meaning) MTE_C_##kind member;
#include "common/mte.def"
    struct address originator; /* value empty: the null reverse-path */
    struct recipient *recipients;
    size_t n_recipients;
    struct envelope_property *properties;
    size_t n_properties;
    /* from the journal: */
    int64_t attempts;   /* transfers tried since acceptance or the last requeue */
    int64_t tried_s;    /* so long it has been tried, by the times of the attempts: see envelope_tried_s() */
    int64_t last_try_s; /* when it was tried last, and when it was to be tried again; 0: never */
    int64_t next_try_s;
    int64_t next_report; /* N of the next report request .rN, 1 at first */
    int64_t warned_ms;   /* when the sender was told of a delay, 0: never */
    int64_t requeued_ms; /* when an operator sent it again, 0: never; retry time counts from here */
    int64_t committed;   /* parts of a committed split, 0: none */
    bool complete;       /* a part or request that stands by itself */
    struct span last_status, last_text, last_remote; /* of the last attempt */
};

/* True for a message whose originator must not get reports (null reverse-path). */
static inline bool
envelope_is_report(const struct envelope *envelope)
{
    return envelope->originator.value.len == 0;
}

/* True where a recipient FAILED, or was RELAYED with success to be told, and no report was made or asked for yet: the message
 * must go by Bounce. */
bool envelope_owes_report(const struct envelope *envelope);

/* True where a recipient that this message is responsible for is not settled. */
bool envelope_has_pending(const struct envelope *envelope);

/* For how long, at `now_s`, a message has been tried in vain since acceptance or the last requeue. Between two attempts no
 * more counts than had been planned, and a day: where the clock was set forward by years, or nobody worked, nothing is given
 * up early for it. A clock set back makes it no shorter than the attempts tell. */
int64_t envelope_tried_s(const struct envelope *envelope, int64_t now_s);

/* The recipients not yet settled; sets of indexes are made by walking them. */
size_t envelope_count(const struct envelope *envelope, enum recipient_state state);

/* Adds the base envelope's records, the end record included. The envelope's own members must be valid: BUG
 * else. */
void envelope_print(const struct envelope *envelope, struct buf *out);

/* Reads records of a base envelope: the whole span, which ends with the end record. Everything is checked: tags
 * known (those that begin with "x-" are kept as properties), numbers in range, addresses by address_parse, ids,
 * no more than `max_recipients` (whether there is anybody to go to is for workers to judge: Badmail holds files
 * of pickup's without), text members free of control bytes (properties may hold any byte). Returns 0, or
 * -EINVAL with `why` saying which record at which offset; -ENOMEM where the arena is full. */
int envelope_parse(struct span records, size_t max_recipients, struct arena *arena, struct envelope *envelope,
                   struct why *why);

/* ---- journal ---- */

enum journal_kind {
    JOURNAL_TRACE,     /* a move worth keeping: hold, release, reroute, bad */
    JOURNAL_MARK,      /* recipients changed their state */
    JOURNAL_ATTEMPT,   /* a transfer was tried and the rest is deferred */
    JOURNAL_COMMITTED, /* all parts of a split are durable: `number` of them */
    JOURNAL_COMPLETE, /* in a part's or request's own file: what it was made of says so too, it is to be moved on */
    JOURNAL_REPORTED, /* report request .r<number> is durable; its recipients are in the marks */
    JOURNAL_REQUEUED, /* an operator sent it again: attempts and loops count from zero, FAILED recipients that
                        * were not REPORTED are PENDING again; whoever is settled otherwise stays so */
    JOURNAL_KIND_COUNT
};

struct recipient_mark {
    uint32_t index;
    enum recipient_state state;
    struct span status, text, remote;
};

struct journal_entry {
    enum journal_kind kind;
    int64_t time_ms;
    struct span by; /* worker or person */
    struct span from, to, verdict;
    struct span status, text, remote;
    int64_t number, next_s;
    struct recipient_mark *marks;
    size_t n_marks;
};

/* Adds one entry: its frame (length, CRC32C) and records. */
void journal_print(const struct journal_entry *entry, struct buf *out);

/* What stands at the beginning of `bytes`. Returns the entry's length with `entry` filled (spans into `bytes`,
 * marks in the arena); 0 where the span is empty or a torn tail (cut short, or filled up with zero bytes, as a
 * power cut leaves an append that was not synced); -EBADMSG with `why` for anything else: damage, which must
 * not be taken for a tail, since entries behind it would be forgotten; -ENOMEM. */
int64_t journal_parse(struct span bytes, struct arena *arena, struct journal_entry *entry, struct why *why);

/* Applies an entry to the state in the envelope. -EBADMSG with `why` where it names recipients that are not
 * there, more parts than there are recipients, or a report that no name can number. */
int envelope_apply(struct envelope *envelope, const struct journal_entry *entry, struct why *why);

#endif
