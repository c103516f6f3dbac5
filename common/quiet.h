/* quiet.h - a file that somebody else writes, read only when he is done with it
 *
 * Whoever writes in place may pause, and half a file can look like a whole one. So it is waited until nobody has changed it for two
 * seconds, and what was read counts only where it is the same file afterwards.
 */
#ifndef VIADUCT_QUIET_H
#define VIADUCT_QUIET_H

#include <sys/stat.h>

#include "common/base.h"

/* Opens a regular file (never waits for a FIFO). The descriptor, or -errno with `why`. */
int quiet_open(const char *path, struct why *why);

/* Waits, no longer than `deadline_ms` (monotonic), and says in `st` what it is then. A file's own time counts where it is not in
 * the future (a share's server may have another clock). 0; -EAGAIN with `why` where it is still being written; -errno. */
int quiet_wait(int fd, const char *path, int64_t deadline_ms, struct stat *st, struct why *why);

/* After reading: 0 where it still is that file, also under its name; -EAGAIN with `why`. */
int quiet_judge(int fd, const char *path, const struct stat *before, struct why *why);

#endif
