/* maildir.h - folder trees as a mail system, as a module of the kit
 *
 *   outbound   `to = "maildir:///PATH"` (peer.to, or deliver.to of the host): each recipient gets a copy in a
 * maildir of his own, PATH/ADDRESS/{tmp,new,cur}. ADDRESS is the recipient's address in lower case; '/', '%',
 * control characters and a dot in front are written as %XX, so no address can lead out of PATH and no two share
 * a folder. A copy begins with Return-Path and Delivered-To and is named after the queue id: one that is
 * delivered again after a crash is found to be there, and not doubled. inbound    `pickup = "PATH"`
 * (peer.pickup): each file in PATH/new is a message. Its envelope stands in first lines X-Sender and
 *              X-Receiver, else in Return-Path and Delivered-To or X-Original-To, else in From, To, Cc and Bcc.
 * What has no recipient or is no regular file is moved to PATH/failed and named in the log.
 *
 * Source: D. J. Bernstein, "Using maildir format" (cr.yp.to/proto/maildir.html).
 */
#ifndef VIADUCT_MAILDIR_H
#define VIADUCT_MAILDIR_H

#include "systems/viaduct/system.h"

extern const struct viaduct_system maildir_system;

/* The module's own, shared by its chapters. */
extern const struct viaduct_inbound_ops maildir_inbound_ops;
extern const struct viaduct_outbound_ops maildir_outbound_ops;

#endif
