/* converter.h - running a module's conversion in a child that can do nothing else
 *
 * The parent parses nothing. For each message it forks a child with limits on time (wall clock and CPU) and
 * memory; the child calls the module's callbacks over streams and writes its result into a file in Temp. A
 * child that crashes, hangs or takes too much is a refusal for its message, never a crash of the worker.
 */
#ifndef VIADUCT_CONVERTER_H
#define VIADUCT_CONVERTER_H

#include "daemons/gateway.h"

struct conversion {
    enum viaduct_converted answer;
    bool crashed; /* the child did not answer: `why` says how it ended */
    struct why why;
    struct buf broken; /* signatures that no longer hold, lines */
    struct buf report; /* what was lost or changed, lines; those of `broken` too */
};

/* The connector's section `convert`; the host's is the defaults. */
const struct conf_convert *converter_limits(const struct service *service);

/* What a converted message of this size may become: encodings grow it, nothing multiplies it. */
static inline uint64_t
converter_file_limit(uint64_t bytes)
{
    return bytes * 4 + (64 << 20);
}

/* Runs `work` in a child that may write files of `file_bytes` at most, with the connector's limits, and takes its answer: what work() returns, the reason and
 * report it filled in. */
void converter_run(const struct conf_convert *limits, uint64_t file_bytes,
                   enum viaduct_converted (*work)(void *arg, struct conversion *conversion), void *arg,
                   struct conversion *conversion);
void conversion_clear(struct conversion *conversion);

/* Gives the module the services remember() and recall(), on the connector's own records (common/correlation.h). Without
 * them, where the folder cannot be opened: said, and both fail then. */
void converter_remembers(struct viaduct_gateway *gateway);

/* Removes what is older than `convert.keep`, once a day; to be called by ticks. */
void converter_forget(struct viaduct_gateway *gateway);

#endif
