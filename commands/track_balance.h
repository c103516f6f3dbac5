/* track_balance.h - the chapters of `viaduct track` for each other: its columns, and `--balance` */
#ifndef VIADUCT_TRACK_BALANCE_H
#define VIADUCT_TRACK_BALANCE_H

#include "commands/command.h"
#include "commands/filter.h"

/* The columns and filters of the tracking log. */
extern const struct field track_fields[];
extern const size_t track_field_count;

/* Prints the books. EXIT_DONE where they balance, EXIT_NOTHING where they do not, or another exit code after
 * saying why. */
int track_balance_print(const struct command *command, int track_folder_fd);

#endif
