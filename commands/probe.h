/* probe.h - looking at the other side without moving mail: `connector test` and `check --live` */
#ifndef VIADUCT_PROBE_H
#define VIADUCT_PROBE_H

#include "commands/command.h"

/* Looks at every connector, listener and directory. EXIT_DONE, or EXIT_UNREACHABLE. */
int probe_all(const struct command *command);

#endif
