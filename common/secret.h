/* secret.h - files that a worker's user may not read: the master, which is root, opens them and hands on
 * descriptors
 *
 * A private key of mode 0600 is root's, and each worker has a user of its own. So the master opens what the
 * worker's sections name in `...-file` options before the child becomes that user, and tells descriptors and
 * paths in the environment:
 *
 *     VIADUCT_SECRETS=7:/etc/ssl/private/gw1.key<LF>9:/etc/viaduct/other.key
 *
 * A worker that was started by hand, or by an ordinary user, opens the file itself.
 */
#ifndef VIADUCT_SECRET_H
#define VIADUCT_SECRET_H

#include "common/buf.h"
#include "conf/conf.h"
#include "spool-layout/layout.h"

#define SECRETS_VARIABLE "VIADUCT_SECRETS"

/* Adds the whole file (64 KiB at most) to `out`, which the caller wipes. 0, or -errno: -EFBIG where it is
 * larger. */
int secret_read(const char *path, struct buf *out);

/* For whoever is root and starts a worker, or does its work as its user: opens the secrets that the worker's sections name, in
 * descriptors that an exec() leaves open, and returns the line for its environment ("VIADUCT_SECRETS=..."), which the caller
 * frees; NULL where there are none. What cannot be opened is left to the worker, which says why. `connector` "" or "host" for
 * the host's. */
char *secrets_open(const struct conf_root *root, enum worker_id worker, const char *connector);

/* Overwrites and clears. */
void secret_wipe(struct buf *secret);

#endif
