/* maildir_envelope.h - within the module for folder trees: the envelope of a message in a file
 *
 * First lines X-Sender and X-Receiver, else Return-Path and Delivered-To or X-Original-To, else From, To, Cc
 * and Bcc.
 */
#ifndef VIADUCT_MAILDIR_ENVELOPE_H
#define VIADUCT_MAILDIR_ENVELOPE_H

#include "common/buf.h"

struct maildir_envelope {
    struct buf originator, recipients; /* recipients: NUL behind each */
    size_t n;
    size_t skip; /* octets of X-Sender and X-Receiver lines, no part of the message */
};

/* Reads it from the file's beginning (a megabyte at most) into a zeroed `envelope`, whose bufs are the caller's
 * to clear. 0, or -errno. No recipient is no error. */
int maildir_read_envelope(int fd, struct maildir_envelope *envelope);

#endif
