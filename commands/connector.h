/* connector.h - a connector as operators see it: for `connector list` and `status` */
#ifndef VIADUCT_COMMANDS_CONNECTOR_H
#define VIADUCT_COMMANDS_CONNECTOR_H

#include "commands/filter.h"
#include "commands/instance.h"
#include "commands/spool_walk.h"

enum connector_field {
    CF_NAME,
    CF_TYPE,
    CF_LIGHT,
    CF_SINCE,
    CF_IN,
    CF_OUT,
    CF_DEFERRED,
    CF_OLDEST,
    CF_BADMAIL,
    CF_LAST_OK,
    CF_HOLD,
    CF_WHY,
    CF_COUNT
};

extern const struct field connector_fields[CF_COUNT];

struct connector_view {
    char name[CONNECTOR_NAME_MAX + 1];
    const char *type;  /* owned by the configuration */
    const char *light; /* "up", "held", "trouble", "down", "stopped", "unknown" */
    enum colour colour;
    int64_t since_ms; /* 0: not known */
    char why[300];
    char held[8]; /* "in", "out", "in+out" or "" */
    struct hold_order hold_in, hold_out;
    int64_t last_ok_ms, oldest_s;
    uint64_t n_in, n_out, n_deferred, n_badmail;
};

/* Looks at all connectors of the map; the caller frees *views. */
int connector_views(const struct command *command, const struct spool_map *map, struct connector_view **views,
                    size_t *n);

field_get connector_get;

#endif
