/* kit.h - what a system's module sees when the command calls it: the kit's services with no spool behind them
 *
 * `connector test`, `simulate` and `convert` call modules as gateways and converters do, so what they tell is what the module
 * itself says. Nothing can be taken in through these services, nothing is kept and nothing was.
 */
#ifndef VIADUCT_COMMANDS_KIT_H
#define VIADUCT_COMMANDS_KIT_H

#include <event2/event.h>

#include "common/buf.h"
#include "conf/conf.h"
#include "systems/viaduct/system.h"

/* What modules know as the process they run in. */
struct viaduct_gateway {
    const struct conf_root *root;
    const struct conf_connector *connector; /* NULL: the host */
    struct event_base *base;                /* NULL where the module needs no loop */
    bool quiet;                             /* what it says is not printed */
    struct option_text {
        struct option_text *next;
        struct buf value;
    } * options;
};

extern const struct viaduct_services kit_services;

/* Frees the values of options that were asked for. */
void kit_clear(struct viaduct_gateway *gateway);

#endif
