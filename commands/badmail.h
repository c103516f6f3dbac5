/* badmail.h - the note `<id>.why` that lies beside a message in Badmail
 *
 * It says in `key=value` lines of the log's form which stage gave up and why; where it is missing, the
 * journal's last entry says it. The signature is the reason with what differs from message to message taken out
 * (numbers, ids, addresses, quoted text), so that a thousand messages with one cause have one signature.
 */
#ifndef VIADUCT_BADMAIL_H
#define VIADUCT_BADMAIL_H

#include "commands/spool_walk.h"

/* Fills message->stage, ->bad_reason and ->signature (spans in the message's arena). */
void badmail_explain(struct message *message);

/* Writes a reason's signature: at most 120 bytes. */
void badmail_signature(struct span reason, struct buf *out);

/* The note's name: "<stem>.why". */
void badmail_note_name(const char *stem, char name[QUEUE_NAME_MAX + 8]);

#endif
