/* change.h - one change to one entry of one side: what plans are made of and sides carry out */
#ifndef VIADUCT_DIRECTORY_CHANGE_H
#define VIADUCT_DIRECTORY_CHANGE_H

#include "directory/entry.h"

enum dir_operation {
    DIR_ADD,    /* a new entry, at `name`, with the deltas' new values */
    DIR_CHANGE, /* deltas */
    DIR_RENAME, /* to `new_name`: another RDN or another container; deltas as well */
    DIR_HIDE,   /* from address lists, out of groups: what was the source is gone; deleted later */
    DIR_SHOW,   /* no longer hidden: it is back */
    DIR_DELETE,
    DIR_DISABLE, /* a user that stood for a recipient who is gone: addresses and mark removed, the account stays */
    DIR_ADOPT, /* an existing entry of nobody's gets our mark: only where the operator asked for it */
    DIR_OPERATIONS
};

/* One attribute. `name` is canonical (attributes.def), or one of
 *
 *     proxyAddresses   add_ and remove_ are TYPE:value with the type's case as in the directory
 *     member           values are names on the entry's own side
 *     targetAddress, mail, mark, hidden ("TRUE", "FALSE" or nothing)
 *
 * `mail` goes with the primary SMTP address, and stands alone where the side keeps no others (DIR_PROXIES_MAIL). Of a single-valued attribute at most one value is removed and one added; removing without adding clears it. */
struct dir_delta {
    struct span name;
    struct span *remove;
    size_t n_remove;
    struct span *add;
    size_t n_add;
};

struct dir_change {
    enum dir_operation operation;
    enum dir_kind kind;
    bool host; /* of the host's directory; else of the foreign one */
    struct span
        id; /* of the entry; empty for DIR_ADD, and for a DIR_CHANGE of what the plan adds: see `name` */
    struct span name;     /* where it is, or shall be */
    struct span new_name; /* DIR_RENAME */
    struct span
        source; /* id of the entry on the other side that it stands for; empty: none (proxies of a host entry) */
    struct span why; /* for a person: "Ann Beebe has left GWDOM.PO1" */
    struct dir_delta *deltas;
    size_t n_deltas;
};

const char *dir_operation_name(enum dir_operation operation);

#endif
