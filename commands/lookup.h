/* lookup.h - the answers of the workers' own code about addresses: for route, address and simulate
 *
 * The same functions as in the workers (common/translate.h) with the same book and configuration; nothing is written.
 */
#ifndef VIADUCT_COMMANDS_LOOKUP_H
#define VIADUCT_COMMANDS_LOOKUP_H

#include "commands/command.h"
#include "common/translate.h"

struct lookup {
    struct command *command;
    struct book *book;
    int book_fd;
    bool bookless; /* no book was ever built: look-ups in `book` say that it cannot be read */
    struct arena *arena;
};

/* Opens the book, or one with nobody in it; says on stderr what is not as it should be. */
void lookup_open(struct lookup *lookup, struct command *command);
void lookup_close(struct lookup *lookup);

/* The address type of a connector's system, upper case; that of the host (NULL) is SMTP. */
struct span lookup_type(const struct conf_root *root, const struct conf_connector *connector);

/* The translator of a connector (NULL: the host's); NULL with `why` (4.3.5) where its mapping cannot be read. */
struct translator *lookup_translator(struct lookup *lookup, const struct conf_connector *connector,
                                     struct why *why);

/* Prints an address for a terminal; makes its text, type and all, in the arena. */
void lookup_print(const struct address *address);
struct span lookup_text(const struct lookup *lookup, const struct address *address);

#endif
