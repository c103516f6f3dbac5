/* readiness.h - what the configuration names outside itself: whether workers could start with it
 *
 * conf_load() tells what is wrong with the words of a configuration. What the files that it names hold, only workers would find
 * out when they start: certificates and keys, authorities, tables of addresses, texts of reports, modules; and whether groups and
 * the log's target exist. A worker that cannot start leaves its connector down, and at a reload the one before has gone by then.
 * What root may read, a worker with a user of its own may not: that is asked too (readiness_files.c).
 * So `viaduct check` asks here, and the master before it starts or reloads.
 *
 * What may be so today and otherwise tomorrow is not looked at: peers, names, ports, the folders of foreign systems.
 *
 * SECURITY: foreign files are read by a child process that lives a minute at most: the master, who is root, is neither kept
 * waiting nor brought down by one. Code of modules does not run (registry_check()).
 */
#ifndef VIADUCT_READINESS_H
#define VIADUCT_READINESS_H

#include "conf/conf.h"

/* The part of it that asks as each worker: whether that may read the files that it needs. Adds lines to `errors`; none where
 * workers have no users of their own, since this is not root or the spool is not root's. Only for a process that does nothing
 * else. */
void readiness_check_files(const struct conf *conf, struct buf *errors);

/* 0, or -EINVAL with a line "FILE:LINE: message" in `errors` for all that was found: the line of the option, or of a table. */
int readiness_check(const struct conf *conf, struct buf *errors);

#endif
