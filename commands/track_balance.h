/* track_balance.h - `viaduct track --balance` */
#ifndef VIADUCT_TRACK_BALANCE_H
#define VIADUCT_TRACK_BALANCE_H

#include "commands/command.h"

/* Prints the books. EXIT_DONE where they balance, EXIT_NOTHING where they do not, or another exit code after
 * saying why. */
int track_balance_print(const struct command *command, int track_folder_fd);

#endif
