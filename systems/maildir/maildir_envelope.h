/* maildir_envelope.h - within the module for folder trees: the envelope of a message in a file
 *
 * First lines X-Sender and X-Receiver, else Return-Path and Delivered-To or X-Original-To, else From, To, Cc
 * and Bcc.
 */
#ifndef VIADUCT_MAILDIR_ENVELOPE_H
#define VIADUCT_MAILDIR_ENVELOPE_H

#include "common/buf.h"

struct maildir_envelope {
    struct buf originator, recipients; /* recipients: mailboxes, NUL behind each */
    size_t n;
    struct buf malformed; /* who was named by what is no mailbox: a line for each */
    size_t n_malformed;
    const char *refusal; /* why the file cannot be taken at all; NULL */
    struct buf
        header;  /* the message's, with LF and its empty line; without Bcc and X-Receiver lines and the like */
    size_t body; /* where the rest begins in the file */
    size_t skip; /* octets of X-Sender and X-Receiver lines, no part of the message */
};

/* Reads it from the file's beginning (a header of a megabyte at most, 10,000 recipients) into a zeroed `envelope`, to
 * be cleared by the caller in any case. 0, or -errno. No recipient is no error. */
int maildir_read_envelope(int fd, struct maildir_envelope *envelope);
void maildir_envelope_clear(struct maildir_envelope *envelope);

#endif
