/* listing.h - rows for people (a table) and for programs (JSON lines)
 *
 * The columns are the fields that filters know (filter.h). Rows are printed as they come, so a listing of a
 * million messages needs no memory; only --sort collects them first. JSON: one object a line, members named
 * like the fields, numbers as numbers, times as RFC 3339 in UTC, several values as an array; what is unknown is
 * left out. Bytes that are no UTF-8 are written as U+FFFD; control bytes never reach a terminal.
 */
#ifndef VIADUCT_LISTING_H
#define VIADUCT_LISTING_H

#include "commands/command.h"
#include "commands/filter.h"
#include "common/json_out.h"

enum { LISTING_COLUMNS_MAX = 40 };

struct listing {
    const struct field *fields;
    size_t n_fields;
    field_get *get;
    size_t columns[LISTING_COLUMNS_MAX];
    size_t n_columns;
    bool json;
    size_t sort; /* field, or n_fields for none */
    bool backwards;
    size_t limit, shown;
    bool headed;
    struct listing_row *rows; /* only when sorting */
    size_t n_rows, size_rows;
};

/* Reads --json, --columns, --sort, --limit. `standard` names the table's columns when --columns does not,
 * separated by commas; JSON then shows all fields. Returns 0 or EXIT_USAGE after saying why. */
int listing_init(struct listing *listing, const struct command *command, const struct field *fields,
                 size_t n_fields, const char *standard, field_get *get);

/* Whether rows were asked for, by any of these options, where a verb says it in its own way to people else. */
bool listing_wanted(const struct command *command);

/* What reading the columns and the sorted field costs. */
enum field_cost listing_cost(const struct listing *listing);

/* Adds an item. False where the limit is reached and nothing more can be shown. */
bool listing_add(struct listing *listing, const void *item);

/* Prints what was collected for sorting; frees. */
void listing_end(struct listing *listing);

/* One value for a terminal: control bytes and broken UTF-8 as '?'. */
void text_add_clean(struct buf *out, struct span text);

#endif
