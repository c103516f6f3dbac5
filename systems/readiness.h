/* readiness.h - what the configuration names outside itself: whether workers could start with it
 *
 * conf_load() tells what is wrong with the words of a configuration. What the files that it names hold, only workers would find
 * out when they start: certificates and keys, authorities, tables of addresses, texts of reports, modules; and whether groups and
 * the log's target exist. A worker that cannot start leaves its connector down, and at a reload the one before has gone by then.
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

/* 0, or -EINVAL with a line "FILE:LINE: message" in `errors` for all that was found: the line of the option, or of a table. */
int readiness_check(const struct conf *conf, struct buf *errors);

#endif
