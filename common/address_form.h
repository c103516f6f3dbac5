/* address_form.h - what is known of each address type beyond its name, in one table
 *
 * How the parts of an address are separated (for templates), and how a system carries an address of the
 * Internet (its one-off form). A type that the table does not name has parts between any of . / @ ; and no
 * one-off form: towards it nothing is made up, and from it only IMCEA encapsulation. A system's module adds its
 * type by registering a row.
 */
#ifndef VIADUCT_ADDRESS_FORM_H
#define VIADUCT_ADDRESS_FORM_H

#include "common/address.h"

enum { ADDRESS_PARTS_MAX = 9 };

struct address_form {
    const char *type;       /* upper case */
    const char *separators; /* each of these octets ends a part */
    size_t parts_max;       /* 1 to ADDRESS_PARTS_MAX; the last part holds the rest, separators and all */

    /* Makes the system's own form of an SMTP address; `domain` is the peer's name for our side. NULL: it has
     * none. Returns 0; -ENOMEM; -EINVAL where the form cannot carry this one. */
    int (*oneoff_out)(const char *domain, const struct address *smtp, struct arena *arena,
                      struct address *foreign);

    /* Undoes it. Returns 0; -ENOENT where the address is no one-off. */
    int (*oneoff_in)(const struct address *foreign, struct arena *arena, struct address *smtp);
};

/* The row for a type; the one for unknown types where there is none. Never NULL. */
const struct address_form *address_form_find(struct span type);

/* Adds or replaces the row of a type; kept, not owned. To be called before any worker thread runs. Returns 0,
 * or -ENOSPC where 16 rows are registered. */
int address_form_register(const struct address_form *form);

/* Splits a value into its parts; returns their number (at least 1; empty parts count). */
size_t address_form_split(const struct address_form *form, struct span value,
                          struct span parts[ADDRESS_PARTS_MAX]);

#endif
