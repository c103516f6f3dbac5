/* edit.h - a change carried out on an entry in memory: for sides that write a directory whole, and for those that send all of an
 * entry */
#ifndef VIADUCT_DIRECTORY_EDIT_H
#define VIADUCT_DIRECTORY_EDIT_H

#include "directory/side.h"

/* Carries a change out on `entry`; arrays and texts that are new lie in the arena, or where the change's do. For DIR_ADD the entry
 * is an empty one, and gets kind, name and, where `dirsync` (a title) is not NULL, its mark. Returns DIR_DONE, DIR_DONE_BEFORE
 * where nothing had to be changed; DIR_STALE with `why` where a value is neither what the plan saw nor what it wants; DIR_REFUSED
 * with `why` for what no entry can be (an address that is none, more than DIR_PROXIES_MAX, an operation that is none of ADD,
 * CHANGE, RENAME, HIDE, SHOW). Then the entry is of no use. */
enum dir_result dir_entry_edit(struct dir_entry *entry, const struct dir_change *change, const char *dirsync,
                               struct arena *arena, struct why *why);

/* The delta with this name (ASCII case ignored), or NULL. */
const struct dir_delta *dir_change_delta(const struct dir_change *change, struct span name);

#endif
