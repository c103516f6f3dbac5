/* side.h - one directory, read and written: what LDAP servers, files and GroupWise have in common
 *
 *     open --> read --> (plan) --> apply... --> flush --> close
 *
 * A side is used by one run at a time, in a process that does nothing else: calls may take as long as the run's deadline.
 * Reading fills a set (entry.h). Only a reading that came to its end says anything about who is not there.
 */
#ifndef VIADUCT_DIRECTORY_SIDE_H
#define VIADUCT_DIRECTORY_SIDE_H

#include "conf/conf.h"
#include "directory/change.h"

/* What happened to a change. */
enum dir_result {
    DIR_DONE,
    DIR_DONE_BEFORE, /* it was so already: the rerun of a plan */
    DIR_STALE,   /* the entry is not what the plan saw: nothing was done; the next plan sees it as it is now */
    DIR_REFUSED, /* the directory said no to this entry: `why` has its words and what to do */
    DIR_BROKEN /* no answer, or one that ends the run: this and what follows was not done, or is not known to be */
};

struct dir_context {
    const struct conf_root *root;
    const struct conf_dirsync *dirsync; /* NULL where a directory is read for itself (the book) */
    int spool_fd, folder_fd;            /* of the spool, and of spool/dirsync */
    int64_t deadline_ms;                /* monotonic: no wait ends later */
    bool
        goes_on; /* when an answer is there that is waited for, the worker goes on by itself; else the person who asked does */
    void (*progress)(void *arg, const char *what, uint64_t done,
                     uint64_t all); /* all 0: not known; may be NULL */
    void (*note)(void *arg,
                 const char *text); /* what a person should know: a fail-over, entries left out; may be NULL */
    void *arg;
};

struct dir_side;

struct dir_side_ops {
    const char *kind; /* "ldap", "csv", "ldif", "gwise" */

    /* Connects, and learns what the other side can. 0, or -errno with `why`. */
    int (*open)(struct dir_side *side, struct why *why);

    /* Brings the set up to date. With `full`, or where the reading's cookie is of no use any more, all is read into a new set
     * and the old one replaced; else only what changed. `reading` is set to what the next call needs. Returns
     * 0 (the set is complete), -EINPROGRESS where an answer is awaited that comes by DirIn (the run ends and goes on later),
     * or -errno with `why`: then set and reading are as before. */
    int (*read)(struct dir_side *side, struct dir_set **set, struct dir_reading *reading, bool full,
                struct why *why);

    /* Carries a change out, perhaps later: `done` is called for each, in any order, at the latest in flush(). `change` must
     * live until then. For a change with DIR_BROKEN all later ones get it too. */
    void (*apply)(struct dir_side *side, const struct dir_change *change,
                  void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                               const struct why *why),
                  void *arg);
    void (*flush)(struct dir_side *side);

    void (*close)(struct dir_side *side); /* frees the side */
};

struct dir_side {
    const struct dir_side_ops *ops;
    const struct dir_context *context;
    const char *title; /* for messages: the directory's or connector's name */
    bool host;
    bool writable;            /* set by open() */
    struct dir_traits traits; /* set by open(): what it can keep */
};

/* The sides. Each returns a side that is not open yet, or NULL with `why` where its configuration cannot be. */
struct dir_side *side_ldap_new(const struct dir_context *context, const struct conf_directory *directory,
                               bool host, struct why *why);
struct dir_side *side_file_new(const struct dir_context *context, const struct conf_foreign *foreign,
                               struct why *why);
struct dir_side *side_gwise_new(const struct dir_context *context, const struct conf_foreign *foreign,
                                struct why *why);

#endif
