/* run.h - a run of directory synchronisation, from reading to the book
 *
 *     lock --> read host --> read foreign --> plan --> guard --> apply --> read what was written --> book
 *
 * All of it happens in spool/dirsync/, as the user who owns that folder: in a child that the worker forks, or in the command.
 * Killed at any moment, the next run begins anew: what the sets hold is checked against the directories, whose marks are the
 * links, and a plan that was carried out in part is made again for the rest.
 *
 *     lock                    flock: one run at a time
 *     directory.<name>.set    what a directory of the host held at its last reading
 *     <dirsync>.set           ... and a foreign one
 *     directory.<name>.given  proxies that policies made and the directory does not keep, for the book (plan.h)
 *     <dirsync>.added         which proxies of copies came from their sources (plan.h)
 *     <dirsync>.plan          the last plan
 *     <dirsync>.applied       how far it was carried out: its hash, then a line for each change, appended
 *     <dirsync>.pending       what hides since when
 *     <dirsync>.status        the last run (status.h)
 *     <dirsync>.asked         what a GroupWise gateway was asked, and when; .answer: what it said (side_gwise.h)
 *     <connector>.unasked     what it told last without being asked
 */
#ifndef VIADUCT_DIRECTORY_RUN_H
#define VIADUCT_DIRECTORY_RUN_H

#include "directory/plan.h"
#include "directory/side.h"
#include "directory/status.h"

enum dir_run_step {
    DIR_RUN_READ = 1,  /* both directories */
    DIR_RUN_PLAN = 2,  /* what would make them agree, into the plan's file; needs READ */
    DIR_RUN_APPLY = 4, /* the plan just made, or the one in the file */
    DIR_RUN_BOOK = 8   /* the address book, of all that is known */
};

struct dir_run {
    const struct conf_root *root;
    const struct conf_dirsync *dirsync;     /* NULL: only `directory` is read, or only the book built */
    const struct conf_directory *directory; /* of the host; NULL: that of the dirsync */
    int spool_fd, folder_fd, book_fd;
    unsigned steps;
    bool full;         /* read all, not only what changed */
    bool goes_on;      /* see struct dir_context */
    bool waits;        /* for another run to end, for as long as a run may take; else -EBUSY at once */
    const char *adopt; /* see struct dir_plan_input */
    const char *hash;  /* APPLY without PLAN: only the plan with this hash; NULL: whichever lies there */
    const char *force; /* a plan's hash: it is carried out though a guard refuses it */
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t all);
    void (*note)(void *arg, const char *text); /* a line for a person: what was left out, what failed */
    void *arg;
    /* results */
    struct dir_status status;
    bool published; /* a new generation of the book */
};

/* 0; -EBUSY: another run holds the lock; -EINPROGRESS: an answer is awaited, the run goes on when it is there; -EPERM: a guard
 * refuses the plan (which is written); -ENOENT: no plan to be carried out; -ECANCELED: carried out, and some changes failed;
 * -ENOTCONN, -EACCES, -ETIMEDOUT: a directory is out of reach; or another -errno; each with `why`. The dirsync's status says the
 * same. */
int dir_run(struct dir_run *run, struct why *why);

/* ---- parts of a run (run_apply.c, run_book.c) ---- */

/* Carries the plan out, change by change, and appends to <dirsync>.applied; changes that stand there are passed over.
 * `pending` is brought up to date. Returns how many failed, or -errno with `why` where it could not go on. */
int64_t run_apply(struct dir_run *run, const struct dir_plan *plan, struct dir_side *host,
                  struct dir_side *foreign, struct dir_pending *pending, struct why *why);

/* Builds the book of every set and of book.source, and publishes it where it is not empty and no directory of the
 * configuration is still unread. 0 (`run->published`), or -errno with `why`. Needs the lock. */
int run_book(struct dir_run *run, struct why *why);

/* The names of files that hold sets. */
void run_directory_set_name(const struct conf_directory *directory, char name[300]);
void run_given_name(const struct conf_directory *directory, char name[300]);
void run_dirsync_set_name(const struct conf_dirsync *dirsync, char name[300]);

/* The directory that a dirsync names; NULL: there is none (conf_load() refuses that). The address type of its connector's
 * system ("SMTP" where the module cannot be had). */
const struct conf_directory *run_directory(const struct conf_root *root, const struct conf_dirsync *dirsync);
const char *run_address_type(const struct conf_root *root, const struct conf_dirsync *dirsync);

#endif
