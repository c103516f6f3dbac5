/* tree.h - the spool's tree against its declaration */
#ifndef VIADUCT_TREE_H
#define VIADUCT_TREE_H

#include <sys/types.h>

#include "commands/command.h"

struct tree_result {
    size_t n_missing, n_foreign, n_damaged, n_closed, n_rights, n_messages;
    bool has_common;
    gid_t common; /* the group of queue files; not known without state/ */
};

/* Checks folders (and, with `deep`, every queue file). Says what is wrong on stdout, a line each. Returns
 * EXIT_DONE, EXIT_NOTHING where something is wrong, EXIT_PERMISSION. */
int tree_check(const struct conf_root *root, const char *spool_path, bool deep, struct tree_result *result);

#endif
