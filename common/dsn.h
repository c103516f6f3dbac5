/* dsn.h - delivery status notifications: what is owed to a sender, and how it is written
 *
 * A report is one message of type multipart/report with three parts: a text for a person, from templates that
 * an operator may change; message/delivery-status for programs; and the message it is about, or its header.
 * Where the sender spoke SMTPUTF8, the parts are those of RFC 6533 and hold UTF-8; else everything that we
 * write is ASCII.
 *
 * A caller fills the first members of `struct dsn`, calls dsn_plan(), which finds out what is owed, and, unless
 * that is nothing, dsn_write(), which hands the report out in pieces: a report for 100,000 recipients needs no
 * more memory than one for ten.
 *
 * Who gets what (RFC 3461 sections 4.1, 5.2, 6): NOTIFY of a recipient decides; where none was given, failures
 * and delays are reported and successes are not. Nothing is ever owed for a message with the null reverse-path.
 *
 * What is hostile here: addresses, answers of far ends, ORCPT and ENVID, the whole message. Nothing of them can
 * begin a header field, a status field or a part of the report.
 *
 * Sources: RFC 3461, RFC 3462/6522 (multipart/report), RFC 3463, RFC 3464, RFC 6533, RFC 3834 section 3.
 */
#ifndef VIADUCT_DSN_H
#define VIADUCT_DSN_H

#include "common/queue_file.h"

/* In order of severity: a report is called after the most severe action in it. */
enum dsn_action { DSN_NONE, DSN_DELIVERED, DSN_RELAYED, DSN_DELAYED, DSN_FAILED, DSN_ACTION_COUNT };

/* Values of the Action field: "failed" ...; "none" for DSN_NONE (RFC 3464 section 2.3.3). */
const char *dsn_action_word(enum dsn_action action);

struct dsn;

/* What is owed to the sender for one recipient in its present state. */
enum dsn_action dsn_owed(const struct dsn *dsn, const struct recipient *recipient);

/* ---- texts ---- */

enum dsn_text { DSN_TEXT_FAILED, DSN_TEXT_DELAYED, DSN_TEXT_RELAYED, DSN_TEXT_DELIVERED, DSN_TEXT_COUNT };

/* Templates for the part that people read. The first line is the subject, then comes the text, and behind a
 * line of three dashes the closing, which stands once where a report tells of several kinds. Variables are
 * written
 * @NAME@, unknown ones stand as they are:
 *     @NODE@ @POSTMASTER@    who we are, whom to ask          @ID@ @DATE@ @SUBJECT@ @SENDER@   of the message
 *     @RECIPIENTS@           the recipients and reasons       @RETRY@                          until when we
 * try */
struct dsn_texts {
    char *at[DSN_TEXT_COUNT]; /* NULL: the built-in one */
};

enum { DSN_TEXT_MAX = 64 << 10 };

/* The built-in text, and the name of the file that replaces it ("failed.txt"). */
const char *dsn_text_built_in(enum dsn_text text);
const char *dsn_text_file(enum dsn_text text);

/* Reads templates from a folder; one that is not there is left built-in. `folder` NULL: all built-in. Returns
 * 0, or -errno with `why` naming the file: unreadable, longer than DSN_TEXT_MAX (-EFBIG), not UTF-8 (-EINVAL).
 */
int dsn_texts_load(struct dsn_texts *texts, const char *folder, struct why *why);
void dsn_texts_clear(struct dsn_texts *texts);

/* ---- a report ---- */

/* Takes bytes of the report. Returns 0 or -errno, which ends the writing. */
struct dsn_sink {
    int (*add)(void *arg, const void *bytes, size_t len);
    void *arg;
};

struct dsn {
    /* the caller's: */
    const struct queue_file *about; /* the message, or the request made from it */
    const char *id;                 /* queue id of the report */
    const char *node;               /* who reports */
    const char *domain;             /* of our addresses and Message-IDs */
    const char *from;               /* mailbox that the report comes from */
    const char *postmaster;         /* whom people may ask */
    const struct dsn_texts *texts;
    uint64_t return_bytes; /* how much of a message may be returned */
    int64_t now_s;
    int64_t retry_until_s; /* for delayed recipients; 0: not known */
    bool final;            /* who took recipients delivers himself: DELIVERED, not RELAYED (RFC 3464 2.3.3) */

    /* found by dsn_plan(): */
    size_t count[DSN_ACTION_COUNT];
    enum dsn_action worst; /* DSN_NONE: nothing is owed */
    const char *class;     /* "REPORT.IPM.Note.NDR", ".Delayed.DR", ".Relayed.DR" or ".DR" */
    bool utf8;             /* the report needs SMTPUTF8 */
    bool full;             /* the message is returned, not its header alone */
    bool body8bit;         /* the report holds octets above 127 */
    char msgid[400];       /* of the report */

    /* found by dsn_write(): */
    uint64_t header_bytes; /* length of the report's header, the empty line included */
};

/* Decides what is owed and in which form. `class` and what the caller gave must outlive the writing; a class of
 * the message other than IPM.Note is kept in the report's where it is short and harmless, with memory from the
 * arena. */
void dsn_plan(struct dsn *dsn, struct arena *arena);

/* Writes the report (LF line ends). `worst` must not be DSN_NONE. Returns 0, or what makes the report useless:
 * -EBADMSG with `why`, the message turned out damaged; -errno with `why`, it could not be read; -errno of the
 * sink (`why` untouched). */
int dsn_write(struct dsn *dsn, const struct dsn_sink *sink, struct why *why);

/* ---- chapters of the writer, for each other ---- */

/* Flushes what was collected into the sink once it is large, or always with `all`. */
int dsn_flush(struct buf *out, const struct dsn_sink *sink, bool all);

/* The subject of the message for people: encoded words decoded, one line of UTF-8, cut. */
enum { DSN_SUBJECT_MAX = 300 };
void dsn_subject_decode(struct span field, struct buf *out);

/* Adds a blank and a clean text as the body of a Subject field: as it is, or as encoded words (RFC 2047). */
void dsn_subject_write(struct span text, bool utf8, struct buf *out);

/* The first part's text and the report's subject, from the templates; `subject` is the message's, decoded. */
void dsn_text_subject(const struct dsn *dsn, struct span subject, struct buf *out);
void dsn_text_body(const struct dsn *dsn, struct span subject, struct buf *out);

/* The second part: writes its fields. */
int dsn_status_write(const struct dsn *dsn, struct buf *out, const struct dsn_sink *sink);

/* The status that fits an action: "5.1.1"; the class is corrected where it contradicts (RFC 3464
 * section 2.3.4), a malformed one replaced. */
void dsn_status_code(enum dsn_action action, struct span status, char code[12]);

/* Adds text from outside as one line: control bytes and what is no UTF-8 become '?'; without `utf8` every other
 * octet above 127 too. At most `max` bytes, "..." where cut. */
void dsn_add_clean(struct buf *out, struct span text, bool utf8, size_t max);

/* xtext decoded (RFC 3461 section 4); false where it is malformed or holds what does not belong into a field:
 * control bytes, or without `utf8` octets above 127. `out` is added to only on success. */
bool dsn_add_xtext(struct buf *out, struct span xtext, bool utf8);

/* True where no octet is above 127. */
bool dsn_is_ascii(struct span text);

/* RFC 6533 section 3: text whose characters may be written \x{HEX} is added with the characters themselves;
 * false where that is malformed or gives control characters (something may have been added then). */
bool dsn_add_unitext(struct buf *out, struct span text);

/* The other way, utf-8-addr-xtext: all but plain ASCII is written \x{HEX}. */
void dsn_add_addr_xtext(struct buf *out, struct span text);

#endif
