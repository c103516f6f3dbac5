/* metrics.h - counters and queues as Prometheus reads them
 *
 * What the observer serves at /metrics and `viaduct stats --prometheus` prints. Every sample has a `node`
 * label; samples of messages, bytes, reports and sessions are summed for each connector over its workers,
 * others tell workers apart (see events.def). A worker's counter files ("<instance>.<lane>") are summed.
 *
 * Source: Prometheus, "Exposition formats", text format version 0.0.4.
 *
 * What is hostile here: counter files are other workers'; a file that is none is left out. Names and labels are
 * checked, so no file can make a line of its own.
 */
#ifndef VIADUCT_METRICS_H
#define VIADUCT_METRICS_H

#include <sys/types.h>

#include "common/log.h"
#include "common/spool_census.h"

enum { METRICS_FILES_MAX = 20000 };

/* What `Content-Type` says of the text. */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* What a worker counted, all its files summed. */
struct metrics_row {
    char worker[96];                        /* "outbound-gateway" */
    char connector[CONNECTOR_NAME_MAX + 1]; /* "" for workers there is one of */
    int64_t values[COUNTER_COUNT];
};

/* Reads all counter files: rows sorted by connector and worker, to be freed with free(). Returns their number,
 * or -errno where the folder cannot be read. */
ssize_t metrics_read(int spool_fd, struct metrics_row **rows);

/* Adds counters, and queues by a census taken now. Returns 0, or -errno where neither could be read. */
int metrics_print(int spool_fd, const char *node, struct buf *out);

/* The same with a census taken before. */
int metrics_print_census(int spool_fd, const char *node, const struct census *census, struct buf *out);

#endif
