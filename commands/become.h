/* become.h - doing what a worker does, as the worker's user
 *
 * What root may do proves nothing for a worker, and files that root makes are not the worker's. Where root's master runs the
 * spool, a command that works in a worker's stead becomes its user first; where an ordinary user does, it is that user already.
 */
#ifndef VIADUCT_BECOME_H
#define VIADUCT_BECOME_H

#include "commands/command.h"

/* Calls work(arg) as the user of the worker who owns `folder` (in a spool that a user runs: that user), in a child that has the
 * worker's secrets, and returns its exit code; here, without any change, where this is not root, or the folder is root's own. An
 * exit code after saying why where the folder is not its worker's. The work must say itself what went wrong. */
int command_become(const struct command *command, enum worker_id worker, enum folder folder,
                   const char *connector, int (*work)(void *arg), void *arg);

#endif
