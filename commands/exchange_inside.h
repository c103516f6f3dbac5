/* exchange_inside.h - the chapters that read connector objects, among themselves (see exchange.h) */
#ifndef VIADUCT_COMMANDS_EXCHANGE_INSIDE_H
#define VIADUCT_COMMANDS_EXCHANGE_INSIDE_H

#include "commands/exchange.h"
#include "common/ldif.h"
#include "spool-layout/layout.h"

struct reading_file {
    struct buf text, *errors;
    char shown[200];  /* the file's name */
    char domain[256]; /* of the host: by the first object's DN; "" not known */
    char (*names)[48];
    size_t n_names, n_good;
    bool has_dirsync;
};

struct reading_object {
    const struct ldif_record *record;
    const struct exchange_kind *kind;
    struct buf *out;
    char name[48];
    bool has_dirsync;
};

/* The first value, trimmed; empty where there is none. */
struct span exchange_first(const struct reading_object *object, const char *name);

/* Adds a value in quotes. False, with nothing added, for one that no configuration can have. */
bool exchange_quote(struct span value, struct buf *out);

/* Adds a line "# name: value; text"; secrets are not shown. */
void exchange_comment(struct buf *out, const char *indent, const char *name, struct span value,
                      const char *text);

/* exchange_object.c: adds the sections of one object. */
void exchange_object(struct reading_object *object);

#endif
