/* probe.h - looking at the other side without moving mail: `connector test` and `check --live` */
#ifndef VIADUCT_PROBE_H
#define VIADUCT_PROBE_H

#include "commands/finding.h"

/* Looks at every connector, listener and directory. What it sees goes to the
 * findings. EXIT_DONE, or EXIT_UNREACHABLE. */
int probe_all(const struct command *command, struct findings *findings);

#endif
