/* book_check.h - the chapters of `viaduct book check` */
#ifndef VIADUCT_COMMANDS_BOOK_CHECK_H
#define VIADUCT_COMMANDS_BOOK_CHECK_H

#include "commands/finding.h"
#include "common/book.h"

/* Notes who was written to or wrote under a one-off, by the tracking log since a time (0: all that is kept), and is
 * not in the book: most messages first. Nothing of it is a fault. 0, or an exit code after saying why. */
int book_check_tracked(struct command *command, int64_t since_ms, struct book *book, struct findings *findings);

#endif
