/* mime_seek.h - any place of an encoded part, decoded, without decoding all that stands before it
 *
 * Formats with offsets of their own (TNEF) lie in messages as base 64 or quoted-printable. A mime_seek decodes a part once
 * from its beginning, and keeps the decoder's state every MIME_SEEK_STEP octets, so that a later read begins at the
 * last place noted before it. That costs some hundred octets of memory for each 64 KiB, the octets themselves are not held.
 *
 *     struct mime_seek *seek = mime_seek_new(read, arg, part);
 *     ... mime_seek_bytes(seek, &bytes) ... mime_seek_read(seek, offset, ...) as a mime_read_fn ...
 *     mime_seek_free(seek);
 */
#ifndef VIADUCT_MIME_SEEK_H
#define VIADUCT_MIME_SEEK_H

#include "systems/mime/mime_walk.h"

enum { MIME_SEEK_STEP = 64 << 10 };

struct mime_seek;

/* For a part whose octets lie in what `read` reads. Never NULL; mime_seek_free() takes NULL. */
struct mime_seek *mime_seek_new(mime_read_fn *read, void *arg, const struct mime_part *part);
void mime_seek_free(struct mime_seek *seek);

/* How many octets the part decodes to: passes it once. 0, or -errno of `read` (-EIO where it ends early). */
int mime_seek_bytes(struct mime_seek *seek, uint64_t *bytes);

/* A mime_read_fn on the decoded octets; `arg` is the mime_seek. */
ssize_t mime_seek_read(void *arg, uint64_t offset, void *bytes, size_t size);

#endif
