/* correlation.h - what a connector remembers of messages that have left the spool
 *
 * A report, a reply or a status comes back days after its message was settled and unlinked. What is needed then (whose
 * message it was, its Message-ID, which reports were asked for) is kept as one record under a key that the other side
 * hands back. Converters write and read it; nobody else does.
 *
 *     mailbox/<connector>/Correlation/YYYYMMDD.xx     the day (UTC) a record was written on, and a digest of its key
 *     "\n<crc32c of what follows, 8 hex digits> <key> <value>\n"      with \\ \n \s \0 for backslash, LF, blank, NUL
 *
 * Files are appended to, a record by one write, so several converters may; a torn or damaged line is passed over, and
 * does not hide the records behind it. The newest record of a key counts. Whole days are forgotten by removing their
 * files, which nothing inside them can stop.
 *
 * A record is synced when correlation_put() returns: the message that it belongs to may leave.
 */
#ifndef VIADUCT_CORRELATION_H
#define VIADUCT_CORRELATION_H

#include "common/buf.h"

enum { CORRELATION_KEY_MAX = 1000, CORRELATION_VALUE_MAX = 16 << 10 };

/* Keeps `value` under `key` (1 to CORRELATION_KEY_MAX octets of any kind) as of `now_ms`. 0, or -errno with `why`:
 * -EMSGSIZE where key or value is longer than its limit or the key is empty. */
int correlation_put(int folder_fd, int64_t now_ms, struct span key, struct span value, struct why *why);

/* Adds to `value` what was kept under `key` on the last `keep_days` days, today among them. 1 where there was a record, 0
 * where there was none, or -errno where a file cannot be read. Memory does not grow with what is kept. */
int correlation_get(int folder_fd, int64_t now_ms, int keep_days, struct span key, struct buf *value);

/* Removes what was kept before the last `keep_days` days; names that are not of this form are left alone. The number of
 * files removed, or -errno: the first file that could not be, after all others were. */
int correlation_purge(int folder_fd, int64_t now_ms, int keep_days);

#endif
