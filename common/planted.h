/* planted.h - protections that a test can take out, one at a time, to see that the crash tests miss them
 *
 * A test that has never failed proves little. A build with --enable-planted-bugs obeys VIADUCT_BUG=<name> in
 * the environment; in every other build planted_bug() is false when compiled, and nothing of it is left.
 *
 *     nofsync      new files are not synced before they count                  powercut
 *     nosync       journals are not synced before their message moves          powercut
 *     ackearly     mail is acknowledged before it is on the disk               powercut
 *     syncagain    a failed fsync is repeated on the same file                 diskerror
 *     norewrite    a journal is synced again without being written again       diskerror
 *     removeearly  what a copy replaces is removed before the copy is whole    sweep
 *     goneearly    a message is removed before the far end has taken it        sweep
 *     nocommit     parts are moved that the parent's journal does not tell of  sweep
 *     noreported   a report is asked for without noting that it was            sweep
 *     norecords    messages move before the records that tell of it            sweep
 *     norecover    what a kill left in Temp stays there                        sweep
 *     nowhole      recovery moves on what is torn                              sweep
 *     keepsource   recovery moves a copy on beside what it replaces            sweep
 *     trustparts   recovery moves on parts that are not committed              sweep
 *     noclaim      a message is taken without its lock                         race
 *     nowatch      a worker that stands still is not replaced                  hang
 *
 * And times that no test can wait for stand in the environment of such a build.
 */
#ifndef VIADUCT_PLANTED_H
#define VIADUCT_PLANTED_H

#include <stdbool.h>

#ifdef VIADUCT_PLANTED_BUGS

#include <stdlib.h>
#include <string.h>

static inline bool
planted_bug(const char *name)
{
    const char *chosen = getenv("VIADUCT_BUG");
    return chosen != NULL && strcmp(chosen, name) == 0;
}

static inline long long
planted_ms(const char *name, long long normal_ms)
{
    const char *chosen = getenv(name);
    return chosen != NULL ? strtoll(chosen, NULL, 10) : normal_ms;
}

#else

static inline bool
planted_bug(const char *name)
{
    (void)name;
    return false;
}

static inline long long
planted_ms(const char *name, long long normal_ms)
{
    (void)name;
    return normal_ms;
}

#endif
#endif
