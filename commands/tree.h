/* tree.h - the spool's tree against its declaration */
#ifndef VIADUCT_TREE_H
#define VIADUCT_TREE_H

#include <sys/types.h>

#include "commands/finding.h"

struct tree_result {
    struct findings *findings; /* the caller's: where it is told; NULL: printed */
    size_t n_missing, n_foreign, n_damaged, n_closed, n_rights, n_messages;
    bool has_common;
    gid_t common; /* the group of queue files; not known without state/ */
};

/* Checks folders (and, with `deep`, every queue file). Tells what is wrong to the findings. Returns
 * EXIT_DONE, EXIT_NOTHING where something is wrong, EXIT_PERMISSION. */
int tree_check(const struct conf_root *root, const char *spool_path, bool deep, struct tree_result *result);

/* A spool that root's master runs belongs to its workers: everything gets the owners, groups and modes that it gets at
 * the master's start. One that an ordinary user runs is that user's. 0, or -errno with `why`. */
int tree_give_owners(const struct conf_root *root, const char *spool_path, struct why *why);

#endif
