/* dirsync.h - how directories are kept in step, as a part of the status screen */
#ifndef VIADUCT_COMMANDS_DIRSYNC_H
#define VIADUCT_COMMANDS_DIRSYNC_H

#include "commands/command.h"
#include "common/json_out.h"

/* Builds the book as the worker does, of what directories held when they were last read, and of book.source. An exit code. */
int dirsync_build_book(struct command *command);

/* A title and a line or two for each dirsync; nothing where there is none. */
void dirsync_show_lines(const struct command *command);

/* The same as an array "dirsyncs". */
void dirsync_show_json(const struct command *command, struct json *json);

#endif
