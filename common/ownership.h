/* ownership.h - users and groups of the spool when the master runs as root
 *
 * Each worker process has a user of its own, each folder a group of its own, all from one range of numbers
 * (privileges.uids). Which name got which number stands in state/owners, so it stays the same when the
 * configuration changes: a connector that comes back finds its files its own.
 *
 *     message folders   owner: the worker that takes; group: the folder's, which those who put have as a
 * supplementary group; mode 1770 (sticky: only the taker moves things out) drop              owner pickup, mode
 * 3733: anybody may put, nobody else may look or take Temp/<lane>       owner: its worker, mode 0700 state
 * counters    root, group common, 1770: each worker makes its own files track             owner observer (who
 * removes what is old), group common, 1770 book              owner dirsync, group common, 0750 dirsync 0700 queue files
 * 0660, group common (every worker's primary group)
 */
#ifndef VIADUCT_OWNERSHIP_H
#define VIADUCT_OWNERSHIP_H

#include <sys/types.h>

#include "conf/conf.h"
#include "spool-layout/layout.h"

struct ownership;

/* Reads state/owners below the spool (neither need be there: -1 for a spool that is not) and the range. NULL with `why`: bad range,
 * unreadable file. */
struct ownership *ownership_open(int spool_fd, const struct conf_root *root, struct why *why);
void ownership_free(struct ownership *ownership);

/* Whether the open state folder has the file: no master has dealt out numbers where it has not. */
bool ownership_known(int state_fd);

/* Writes the numbers in use into state/owners, over what stands there: for a state folder that was lost. 0, or -errno with
 * `why`. */
int ownership_keep(struct ownership *ownership, struct why *why);

/* Gives the whole tree its owners, groups and modes, and makes Temp's lanes and control's folders for these
 * workers
 * ("cleanup", "outbound-gateway-branch"). Only for root. 0, or -errno with `why` naming the path. */
int ownership_apply(struct ownership *ownership, struct why *why);

/* What ownership_check() calls for a folder whose owner, group or mode is not the declared one; `what` says both. */
typedef void ownership_fault(const char *path, const char *what, void *arg);

/* Compares the tree with what ownership_apply() would make of it, and changes nothing. Folders that are not there, and those
 * of workers that have no number yet (no master has started them), are passed over. 0, or -errno with `why` where a folder
 * may not be looked at. */
int ownership_check(struct ownership *ownership, ownership_fault *fault, void *arg, struct why *why);

struct identity {
    uid_t uid;
    gid_t gid;     /* common */
    gid_t *groups; /* the caller frees it */
    size_t n_groups;
};

/* Who a worker process is: its user, the common group, and the groups of the folders it puts into. `connector`
 * "" for workers there is one of. */
int ownership_identity(struct ownership *ownership, enum worker_id worker, const char *connector,
                       struct identity *identity, struct why *why);

/* The same, and changes nothing: what has no number yet is given one that is nobody's. */
int ownership_foresee(struct ownership *ownership, enum worker_id worker, const char *connector,
                      struct identity *identity, struct why *why);

#endif
