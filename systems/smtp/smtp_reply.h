/* smtp_reply.h - replies of an SMTP or LMTP server, taken apart line by line
 *
 * A reply is one line or several, "250-text" ... "250 text", each with the same code (RFC 5321 section 4.2).
 * Its text is kept in one printable line for logs and reports; an enhanced status code (RFC 2034) is read where
 * it fits the code.
 *
 * What is hostile here: all of it. Lines without end, replies without end, codes that change on the way,
 * control bytes that a terminal would obey. A reply takes no memory but its struct.
 */
#ifndef VIADUCT_SMTP_REPLY_H
#define VIADUCT_SMTP_REPLY_H

#include "common/base.h"

/* RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers are seen to send more. */
enum { SMTP_REPLY_LINE_MAX = 2048, SMTP_REPLY_MAX = 64 * 1024 };

struct smtp_reply {
    int code;        /* 200 to 599; 0 before the first line */
    char status[12]; /* enhanced status code, or "" */
    char text[400];  /* what follows the code, lines joined by a blank, cut; no control bytes */
    size_t text_len;
    size_t bytes; /* taken so far */
    unsigned lines;
};

/* What EHLO (or LHLO) offered. */
struct smtp_caps {
    bool pipelining, eightbit, smtputf8, dsn, starttls, enhanced, size;
    uint64_t size_max;           /* 0: no limit named, as in those below */
    uint64_t mail_max, rcpt_max; /* LIMITS: MAILs of a session, RCPTs of a transaction */
};

/* Makes it ready for the next reply. */
void smtp_reply_reset(struct smtp_reply *reply);

/* Takes one line off `in`. Returns its length with the line end, and `*last` true where the reply is complete;
 * 0 where the line is not whole yet; -EPROTO with `why` (4.5.0) where this is no reply: no code, a code that
 * differs from that of the line before, a line or a reply over the limits. `text` (may be NULL) gets what
 * follows the code, pointing into `in`. Lines may end in a bare LF: what a server says is never passed on as
 * mail. */
int smtp_reply_line(struct smtp_reply *reply, struct span in, bool *last, struct span *text, struct why *why);

/* Reads one line of the answer to EHLO; the first line, the server's name, is for the caller to leave out.
 * Unknown words change nothing. */
void smtp_caps_line(struct smtp_caps *caps, struct span text);

/* The enhanced status code to report: the server's, or "C.0.0" with the class of the reply. */
void smtp_reply_status(const struct smtp_reply *reply, char status[12]);

#endif
