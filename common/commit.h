/* commit.h - the small pool of threads that make things durable
 *
 * One fsync at a time caps a worker at some 3,000 messages a second where the disk gives 14,000 in parallel. So
 * the skeleton has a few threads that only fsync, rename, unlink and close, in the order they are told, and
 * report through an eventfd to the loop. Nothing else in viaduct is threaded; a commit touches no memory but
 * its own.
 *
 * A commit is a list of steps, done in order; the first that fails ends it, and the rest is not done (closing
 * excepted). A failed fsync is never repeated on the same file: the second one would succeed and lie.
 */
#ifndef VIADUCT_COMMIT_H
#define VIADUCT_COMMIT_H

#include <sys/types.h>

#include "common/base.h"
#include "common/id.h"

struct event_base;

enum commit_op {
    COMMIT_SYNC,        /* fsync(fd) */
    COMMIT_DATASYNC,    /* fdatasync(fd) */
    COMMIT_MOVE,        /* renameat2(fd, name, to_fd, to_name, RENAME_NOREPLACE) */
    COMMIT_REMOVE,      /* unlinkat(fd, name); -ENOENT is success: a repeated step */
    COMMIT_REMOVE_FILE, /* spool_remove_file(fd, name, inode, to_fd, to_name) */
    COMMIT_CLOSE        /* close(fd): done in any case */
};

struct commit_step {
    enum commit_op op;
    int fd, to_fd;
    char name[QUEUE_NAME_MAX + 180]; /* a stranger's file name may have 255 bytes */
    char to_name[QUEUE_NAME_MAX];
    ino_t inode;
};

enum { COMMIT_STEPS_MAX = 6 };

struct commit {
    struct commit *next; /* the pool's */
    struct commit_step steps[COMMIT_STEPS_MAX];
    unsigned n_steps;
    int result;                          /* 0 or -errno of the first step that failed */
    unsigned failed;                     /* which step that was */
    bool refusable;                      /* somebody waits who can be refused: see commit_pool_refuse() */
    void (*done)(struct commit *commit); /* called in the loop's thread; the commit is the caller's again */
    void *arg;
};

struct commit_pool;

/* Starts `threads` threads (1 to 64) that report into the loop. They inherit the caller's confinement: start
 * the pool after entering the sandbox. */
struct commit_pool *commit_pool_new(struct event_base *base, unsigned threads);

/* Waits for all commits, calls their done(), ends the threads. NULL is allowed. */
void commit_pool_free(struct commit_pool *pool);

/* Empties a commit and sets what is called at its end. */
void commit_init(struct commit *commit, void (*done)(struct commit *), void *arg);

void commit_add_sync(struct commit *commit, int fd);
void commit_add_datasync(struct commit *commit, int fd);
void commit_add_move(struct commit *commit, int fd, const char *name, int to_fd, const char *to_name);
void commit_add_remove(struct commit *commit, int fd, const char *name);
/* For a folder where others may exchange files: see spool_remove_file(). */
void commit_add_remove_file(struct commit *commit, int fd, const char *name, ino_t inode, int aside_fd,
                            const char *aside);
void commit_add_close(struct commit *commit, int fd);

/* Queues a commit. It begins when commit_pool_flush() is called: so that log lines and tracking records of the
 * same turn of the loop are written before the moves they tell of. */
void commit_submit(struct commit_pool *pool, struct commit *commit);
void commit_pool_flush(struct commit_pool *pool);

/* Instead of commit_pool_flush(), where the records cannot be written: ends the queued commits that are `refusable` with
 * `result` (-errno) and `failed` behind their last step; of their steps only closing is done. The others stay queued. */
void commit_pool_refuse(struct commit_pool *pool, int result);

/* Commits not yet done. */
size_t commit_pool_pending(const struct commit_pool *pool);

/* Does all steps here and now (workers that need no parallelism, recovery, commands). Returns commit->result.
 */
int commit_run(struct commit *commit);

#endif
