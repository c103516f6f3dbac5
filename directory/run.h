/* run.h - a run of directory synchronisation, from reading to the book
 *
 *     lock --> read host --> read foreign --> plan --> guard --> apply --> (read back) --> book
 *
 * All of it happens in spool/dirsync/, as the user who owns that folder: in a child that the worker forks, or in the command.
 *
 *     lock                    flock: one run at a time
 *     directory.<name>.set    what a directory of the host held at its last reading
 *     <dirsync>.set           ... and a foreign one
 *     <dirsync>.plan          the last plan; <dirsync>.applied: how far it was carried out (a line for each change, appended)
 *     <dirsync>.pending       what hides since when
 *     <dirsync>.status        the last run, for `status`
 */
#ifndef VIADUCT_DIRECTORY_RUN_H
#define VIADUCT_DIRECTORY_RUN_H

#include "directory/plan.h"
#include "directory/side.h"

enum dir_run_step { DIR_RUN_PLAN = 1, DIR_RUN_APPLY = 2, DIR_RUN_BOOK = 4 };

struct dir_run {
    const struct conf_root *root;
    const struct conf_dirsync *dirsync;
    int spool_fd, folder_fd, temp_fd, book_fd;
    unsigned steps;
    bool full; /* read all, not only what changed */
    const char *adopt;
    const char *force;     /* a plan's hash: carry it out though a guard refuses it */
    struct dir_plan *plan; /* made, or to be carried out (with DIR_RUN_APPLY alone) */
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t all);
    void (*note)(void *arg, const char *text);
    void *arg;
    uint64_t done, failed; /* changes */
};

/* 0; -EBUSY: another run holds the lock; -EINPROGRESS: an answer is awaited; -EPERM: a guard refuses the plan (which is
 * written); -ENOTCONN, -EACCES: a directory is out of reach; -ETIMEDOUT: its deadline; each with `why`. */
int dir_run(struct dir_run *run, struct why *why);

#endif
