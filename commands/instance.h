/* instance.h - a worker's instance seen from outside: its state page, its holds, orders to it
 *
 * Orders are small files renamed into control/<instance>/, so they outlive the daemons and work while they are
 * stopped.
 */
#ifndef VIADUCT_INSTANCE_H
#define VIADUCT_INSTANCE_H

#include "commands/command.h"
#include "common/worker_state.h"

enum { INSTANCE_MAX = 80 };

/* "outbound-gateway-branch"; for a worker there is one of, its program's name. */
void instance_name(enum worker_id worker, const char *connector, char instance[INSTANCE_MAX]);

/* The page of the instance's process that lives (that beat last). -ENOENT where it has none. */
int instance_state(int spool_fd, const char *instance, struct state_page *page);

struct hold_order {
    bool held;
    int64_t until_s; /* 0: no end */
    char reason[200], by[64];
};

/* Reads control/<instance>/hold; `held` is false where there is none or it has ended. 0 or -errno. */
int instance_hold(int spool_fd, const char *instance, struct hold_order *hold);

/* Writes an order, replacing one of that name; NULL text removes it (-ENOENT where there was none). 0 or
 * -errno. */
int instance_order(int spool_fd, const char *instance, const char *name, const char *text);

#endif
