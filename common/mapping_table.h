/* mapping_table.h - one table of a mapping, in memory (part of mapping.c; its form is told in mapping.h) */
#ifndef VIADUCT_MAPPING_TABLE_H
#define VIADUCT_MAPPING_TABLE_H

#include "common/address.h"

struct mapping_table;

/* Reads a table. Returns NULL with lines added to `errors` where any line is wrong, or the file cannot be read.
 */
struct mapping_table *mapping_table_new(const char *path, struct span type, struct buf *errors);
void mapping_table_free(struct mapping_table *table);

/* The text of the other side's address: owned by the table, or in the arena where a '*' was filled. Returns 0,
 * -ENOENT, -ENOMEM. The text is not checked: what a '*' caught may not fit the other type. */
int mapping_table_find(const struct mapping_table *table, bool outwards, const struct address *address,
                       struct arena *arena, struct span *text);

#endif
