/* book.h - the book opened for a command that reads it */
#ifndef VIADUCT_COMMANDS_BOOK_H
#define VIADUCT_COMMANDS_BOOK_H

#include "commands/command.h"
#include "common/book.h"

enum { BOOK_ARENA = 16 << 20 };

struct book_reader {
    struct command *command;
    struct book *book;
    int fd;
    bool torn; /* a newer generation cannot be used, which was said */
};

/* Opens the newest generation that is whole; says what is wrong. 0, or the exit code; to be closed in any case. */
int book_reader_open(struct book_reader *reader, struct command *command);
void book_reader_close(struct book_reader *reader);

#endif
