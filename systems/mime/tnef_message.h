/* tnef_message.h - the messages within TNEF: what they are, their bodies, attachments, recipients, and meetings
 *
 * tnef_gather() reads a TNEF stream and each message that is attached in it, and notes what a converter asks
 * for; octets that may be many (bodies, files) stay where they are and are noted by their place, to be read
 * with the source's function when they are wanted. tnef_read_body() does so for a body and gives UTF-8.
 *
 *     struct tnef_source source = {.read = read_file, .arg = &fd, .place = {0, size}};
 *     struct tnef_tree tree;
 *     int error = tnef_gather(&source, &tree, &why);
 *     if (error == 0 || error == -EINVAL)   the second: something is damaged, as `why` says; the rest is there
 *         ... tree.messages[0] is the message, its attachments are those with .message == 0 ...
 *     tnef_tree_clear(&tree);
 *
 * Messages stand behind the one they are attached to, at most TNEF_DEPTH_MAX deep; attachments and recipients
 * stand in the order of their messages. What passes a limit is left out and said so: `too_many`, `too_deep`, and
 * `too_long` for texts that were cut or left out.
 *
 * Where an attribute and a property say the same, the property counts: it is Unicode, and its times are UTC.
 * Times of attributes are somebody's local time, which is not told; they have names of their own (..._local_s).
 *
 * What is hostile here: all of it; see tnef.h. Memory: the limits times some 600 octets for each message,
 * 200 for each attachment or recipient, and TNEF_TEXTS_MAX for all texts: below 6 MiB. Time is linear: a nested
 * message's octets are passed over by the reader of the outer one, once for its checksum.
 *
 * Sources: [MS-OXTNEF], [MS-OXOMSG], [MS-OXOCAL] section 2.2, [MS-OXCMSG] section 2.2.2, [MS-OXPROPS].
 */
#ifndef VIADUCT_TNEF_MESSAGE_H
#define VIADUCT_TNEF_MESSAGE_H

#include "systems/mime/charset.h"
#include "systems/mime/tnef.h"

enum {
    TNEF_DEPTH_MAX = 20,
    TNEF_MESSAGES_MAX = 200,
    TNEF_ATTACHMENTS_MAX = 1000,
    TNEF_RECIPIENTS_MAX = 5000,
    TNEF_TEXTS_MAX = 4 << 20
};

/* A number or time that was not given. Times are seconds since 1970, UTC. */
#define TNEF_NOT_GIVEN INT64_MIN

enum tnef_body_kind { TNEF_NO_BODY, TNEF_BODY_TEXT, TNEF_BODY_HTML, TNEF_BODY_RTF /* compressed */ };

struct tnef_body {
    enum tnef_body_kind kind;
    struct tnef_place place;
    char charset[CHARSET_NAME_MAX]; /* for charset_new(); none for RTF */
};

/* What makes a message a meeting's, for iCalendar. Texts are the tree's, NULL where not given; places have no octets then. */
struct tnef_meeting {
    int64_t start_s, end_s;               /* PidLidAppointmentStartWhole, ...EndWhole */
    int64_t common_start_s, common_end_s; /* PidLidCommonStart, ...End */
    int64_t start_date_s, end_date_s;     /* PR_START_DATE, PR_END_DATE */
    int64_t start_local_s, end_local_s;   /* attDateStart, attDateEnd */
    int64_t proposed_start_s, proposed_end_s, counter_proposal;
    int64_t owner_critical_change_s, attendee_critical_change_s;
    int64_t state_flags;      /* 1 meeting, 2 received, 4 cancelled */
    int64_t busy, meant_busy; /* 0 free, 1 tentative, 2 busy, 3 away */
    int64_t all_day, recurring, sequence, duration_min, response, type;
    int64_t reminder, reminder_min;
    int64_t owner_appointment; /* PR_OWNER_APPT_ID, attAidOwner */
    int64_t wants_response;    /* PR_RESPONSE_REQUESTED, attRequestRes */
    char *location, *where, *time_zone,
        *recurrence_pattern;                      /* time_zone, recurrence_pattern: as a person reads it */
    struct tnef_place global_id, clean_global_id; /* PidLidGlobalObjectId, PidLidCleanGlobalObjectId */
    struct tnef_place recurrence;                 /* PidLidAppointmentRecur */
    struct tnef_place zone_struct, zone_start, zone_end, zone_recurrence;
};

struct tnef_message {
    int parent;     /* the message it is attached to; -1 for the outermost */
    int attachment; /* ... and the attachment it is; -1 */
    unsigned level; /* 0 for the outermost */
    struct tnef_place place;
    bool damaged;

    char *class;           /* "IPM.Note"; names of the time before Exchange are replaced by today's */
    char *subject, *topic; /* subject: made of its parts where it is not given whole */
    char *subject_prefix, *subject_rest;
    char *sender_name, *sender_type, *sender_address; /* who sent it: "SMTP" and "a@x.example" */
    char *from_name, *from_type, *from_address;       /* whom that was for, where given */
    char *message_id, *in_reply_to, *references;
    struct tnef_place correlation_key; /* PR_TNEF_CORRELATION_KEY, against the field X-MS-TNEF-Correlator */
    int64_t codepage, internet_codepage, message_codepage;
    int64_t importance;  /* 0 low, 1 normal, 2 high */
    int64_t priority;    /* -1 low, 0 normal, 1 high */
    int64_t sensitivity; /* 0 none, 1 personal, 2 private, 3 confidential */
    int64_t sent_s, delivered_s, expires_s, sent_local_s;
    int64_t wants_receipt, wants_report; /* when it is read; when it is delivered */
    int64_t rtf_in_sync;                 /* RTF and text are the same version */
    struct tnef_body text, html, rtf;
    struct tnef_meeting meeting;
};

enum tnef_attached {
    TNEF_FILE, /* octets at `data`, possibly none */
    TNEF_ATTACHED_MESSAGE,
    TNEF_OLE,      /* an object of OLE; `data` are its octets, of use for nobody else */
    TNEF_REFERENCE /* a path, no octets */
};

struct tnef_attachment {
    int message;  /* whose it is */
    int embedded; /* TNEF_ATTACHED_MESSAGE: the message that it is; -1 where a limit kept it out */
    enum tnef_attached kind;
    const char *name; /* the best of the names; NULL where it has none. Not to be used as a path */
    char *long_name, *short_name, *title, *display_name, *transport_name, *path;
    char *mime_tag, *content_id, *content_location;
    struct tnef_place data, meta_file; /* meta_file: a picture of it, Windows' format */
    enum tnef_object object;
    int64_t method, flags, hidden, position; /* position: in the text, -1 for none */
    int64_t rendered_as;                     /* attAttachRendData: 1 file, 2 OLE */
};

struct tnef_recipient {
    int message;
    int64_t type; /* 1 To, 2 Cc, 3 Bcc */
    char *name, *address_type, *address, *smtp_address;
};

struct tnef_tree {
    struct tnef_message *messages;
    struct tnef_attachment *attachments;
    struct tnef_recipient *recipients;
    size_t n_messages, n_attachments, n_recipients;
    size_t text_bytes; /* of all texts */
    bool too_many, too_deep, too_long;
    uint64_t wrong_sums, first_wrong_sum; /* as in struct tnef_report */
};

/* Reads all. 0; -EINVAL with `why` (the first damage and its offset): the tree holds what could be read; -errno of the
 * source's function. tnef_tree_clear() in every case. */
int tnef_gather(const struct tnef_source *source, struct tnef_tree *tree, struct why *why);
void tnef_tree_clear(struct tnef_tree *tree);

/* Takes UTF-8 of a body, in pieces; `html`: it is HTML, else text with LF line ends. What it returns ends the reading unless it
 * is 0. */
typedef int tnef_body_fn(void *arg, bool html, struct span utf8);

/* Reads a body and gives its text or HTML: RTF is unpacked and reduced to what it was made from. 0; what `take` returned;
 * -errno of the source's function; -EINVAL with `why` where compressed RTF is damaged: what could be unpacked was given. With
 * 0 `why->text` is empty, or says how many characters may be wrong. */
int tnef_read_body(const struct tnef_source *source, const struct tnef_body *body, tnef_body_fn *take,
                   void *arg, struct why *why);

#endif
