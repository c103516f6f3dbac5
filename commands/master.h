/* master.h - what the command knows of the master: its state file, and whether it runs
 *
 * The master holds a flock on the spool as long as it lives and writes key=value lines into the file `master` in
 * the state folder, so a stale file never passes for a running master and no pid file is needed.
 */
#ifndef VIADUCT_COMMANDS_MASTER_H
#define VIADUCT_COMMANDS_MASTER_H

#include <sys/types.h>

#include "common/buf.h"

/* True while the master of this spool runs; its pid goes to `pid` (may be NULL; 0 where neither kernel nor file tells).
 * Takes no lock: it asks the kernel who holds one. */
bool master_runs(int spool_fd, pid_t *pid);

/* Reads the state file, at most 256 KiB, into `text`. Returns 0 or -errno. */
int master_state(int spool_fd, struct buf *text);

/* The master's own value of `key`, unescaped (reset first); false where there is none. */
bool master_value(struct span text, const char *key, struct buf *value);

/* Walks over the lines `worker=...`: sets `line` to the next one and moves `text` on. */
bool master_next_worker(struct span *text, struct span *line);

/* One pair of a worker's line (`worker=... pid=... state=... since=...`); `value` unescaped. False where it is
 * missing. */
bool master_worker_value(struct span line, const char *key, struct buf *value);

/* Walks over the lines of listeners whose connections are refused since no worker serves them: their address, and since when
 * (seconds since 1970, 0 where that cannot be read). */
bool master_next_refusing(struct span *text, struct buf *address, int64_t *since_s);

/* The state of a worker in the master's words: "running", "waiting" (before it is started again) ...; false where there is no such
 * worker. */
bool master_worker_state(struct span text, const char *instance, struct buf *state);

#endif
