/* translate_internal.h - what translate.c shares with translate_header.c, and with nobody else */
#ifndef VIADUCT_TRANSLATE_INTERNAL_H
#define VIADUCT_TRANSLATE_INTERNAL_H

#include "common/mapping.h"
#include "common/translate.h"

struct translator {
    const struct conf_root *root;
    const struct conf_connector *connector; /* NULL: the host */
    struct span type;
    struct book *book;
    struct mapping *mapping; /* NULL for the host */
    struct arena *scratch;   /* for one header address, then reset */
};

/* The address encapsulated in the host's first domain. Returns 0; -ENOENT with `why` where there is no domain,
 * or no mailbox can hold it; -ENOMEM. */
int host_wrap(const struct conf_root *root, const struct address *address, struct arena *arena,
              struct address *made, struct why *why);

#endif
