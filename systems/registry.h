/* registry.h - finding a system's module by its name */
#ifndef VIADUCT_REGISTRY_H
#define VIADUCT_REGISTRY_H

#include "common/base.h"
#include "conf/conf.h"
#include "spool-layout/layout.h"
#include "systems/viaduct/system.h"

/* The modules that come with viaduct, ended by NULL. */
extern const struct viaduct_system *const registry_builtin[];

/* One of those by its name; NULL for others. Loads nothing. */
const struct viaduct_system *registry_find_builtin(const char *name);

/* The module for a connector type: one of those above, or NAME.so in the modules folder (dlopen; checked for
 * its ABI and name). NULL with `why`. */
const struct viaduct_system *registry_find(const struct conf_root *root, const char *name, struct why *why);

enum { REGISTRY_PATH_SIZE = 4096 };

/* Where the module of a system from outside lies, or would. 0, or -EINVAL with `why`. */
int registry_path(const struct conf_root *root, const char *name, char path[REGISTRY_PATH_SIZE],
                  struct why *why);

/* Whether there is one for a type, without running any of its code: built in, or a file that was built for this machine with
 * our header, whose note tells the ABI. 0, or -EINVAL with `why`. Sources: elf(5). */
int registry_check(const struct conf_root *root, const char *name, struct why *why);

/* The module for a connector, NULL meaning the host (whose deliveries go by SMTP, LMTP or into maildirs).
 * `inbound` chooses the host's module for what it sends. */
const struct viaduct_system *registry_for(const struct conf_root *root, const struct conf_connector *connector,
                                          bool inbound, struct why *why);

/* The same without loading anything: NULL where the module comes from outside. What is loaded is foreign code and runs at
 * once, so whoever is root asks this. */
const struct viaduct_system *registry_builtin_for(const struct conf_root *root,
                                                  const struct conf_connector *connector, bool inbound);

/* Whether a system has anything to do for a worker of its connector. */
bool registry_has_part(const struct viaduct_system *system, enum worker_id worker);

#endif
