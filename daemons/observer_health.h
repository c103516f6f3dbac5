/* observer_health.h - whether the workers live, told in JSON */
#ifndef VIADUCT_OBSERVER_HEALTH_H
#define VIADUCT_OBSERVER_HEALTH_H

#include "common/buf.h"
#include "conf/conf.h"

enum { HEALTH_BEAT_MAX_MS = 30000 }; /* workers beat once a second */

/* Adds {"node", "status", "workers": [{"instance", "status", "since"?, "trouble"?}]}. A worker is "ok"; "ended"
 * (in order); "trouble" (with its system), "full" (the spool has too little room); or "dead": it has not ended
 * and its heart has not beaten for 30 seconds. The whole is the worst of them, as "ok", "degraded" or
 * "failing". Returns false for "failing". Workers that the configuration does not name are left out. */
bool health_print(int spool_fd, const struct conf_root *root, const char *node, struct buf *out);

#endif
