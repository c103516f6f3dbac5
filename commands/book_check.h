/* book_check.h - the chapters of `viaduct book check` */
#ifndef VIADUCT_COMMANDS_BOOK_CHECK_H
#define VIADUCT_COMMANDS_BOOK_CHECK_H

#include "commands/finding.h"
#include "common/book.h"

/* Notes who was written to or wrote under a one-off, by the tracking log (of what --since says, else of all that is kept), and is
 * not in the book: most messages first. Nothing of it is a fault. 0, or an exit code after saying why. */
int book_check_tracked(struct command *command, struct book *book, struct findings *findings);

#endif
