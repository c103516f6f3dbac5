/* commit.c - the small pool of threads that make things durable (see commit.h)
 *
 * Two lists under one mutex: `todo`, taken by the threads, and `ready`, taken by the loop. A commit belongs to
 * one of them, to a thread, or to its owner; nothing is shared. The eventfd is written when `ready` becomes
 * non-empty, so a burst costs one wake-up.
 */
#include "common/commit.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/planted.h"
#include "common/queue_file.h"
#include "spool-layout/layout.h"

enum { THREAD_STACK = 64 * 1024 };

struct list {
    struct commit *first, **end;
};

struct commit_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list todo, ready; /* under the lock */
    unsigned idle;           /* threads that wait; under the lock */
    bool ending;             /* under the lock */
    struct list held;        /* the loop's: submitted, not flushed */
    size_t n_held, pending;
    int wake_fd;
    struct event *wake;
    unsigned n_threads;
    pthread_t threads[];
};

static void
list_init(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void
list_add(struct list *list, struct commit *commit)
{
    commit->next = NULL;
    *list->end = commit;
    list->end = &commit->next;
}

/* Moves all of `from` to the end of `to`. */
static void
list_join(struct list *to, struct list *from)
{
    if (from->first == NULL)
        return;
    *to->end = from->first;
    to->end = from->end;
    list_init(from);
}

static struct commit *
list_take(struct list *list)
{
    struct commit *commit = list->first;
    if (commit != NULL && (list->first = commit->next) == NULL)
        list->end = &list->first;
    return commit;
}

/* ---- steps ---- */

static int
step_run(const struct commit_step *step)
{
    int r = 0;
    switch (step->op) {
    case COMMIT_SYNC:
        if (planted_bug("ackearly"))
            nanosleep(&(struct timespec){.tv_nsec = 80000000}, NULL);
        if (planted_bug("nofsync"))
            return 0;
        if (planted_bug("syncagain") && fsync(step->fd) < 0)
            return fsync(step->fd) < 0 ? -errno : 0;
        return fsync(step->fd) < 0 ? -errno : 0;
    case COMMIT_DATASYNC:
        if (planted_bug("nosync"))
            return 0;
        return queue_file_sync(step->fd);
    case COMMIT_MOVE:
        return spool_move(step->fd, step->name, step->to_fd, step->to_name);
    case COMMIT_REMOVE:
        r = spool_remove(step->fd, step->name);
        return r == -ENOENT ? 0 : r;
    case COMMIT_REMOVE_FILE:
        return spool_remove_file(step->fd, step->name, step->inode, step->to_fd, step->to_name);
    case COMMIT_CLOSE:
        return 0;
    }
    return r;
}

int
commit_run(struct commit *commit)
{
    commit->result = 0;
    for (unsigned i = 0; i < commit->n_steps; i++) {
        const struct commit_step *step = &commit->steps[i];
        if (step->op == COMMIT_CLOSE) {
            close(step->fd);
        } else if (commit->result == 0) {
            commit->result = step_run(step);
            commit->failed = i;
        }
    }
    return commit->result;
}

void
commit_init(struct commit *commit, void (*done)(struct commit *), void *arg)
{
    commit->next = NULL;
    commit->n_steps = 0;
    commit->result = 0;
    commit->failed = 0;
    commit->refusable = false;
    commit->done = done;
    commit->arg = arg;
}

static struct commit_step *
step_add(struct commit *commit, enum commit_op op, int fd)
{
    BUG_UNLESS(commit->n_steps < COMMIT_STEPS_MAX);
    struct commit_step *step = &commit->steps[commit->n_steps++];
    step->op = op;
    step->fd = fd;
    return step;
}

static void
copy_name(char *to, size_t size, const char *name)
{
    size_t len = strlen(name);
    BUG_UNLESS(len < size);
    memcpy(to, name, len + 1);
}

void
commit_add_sync(struct commit *commit, int fd)
{
    step_add(commit, COMMIT_SYNC, fd);
}

void
commit_add_datasync(struct commit *commit, int fd)
{
    step_add(commit, COMMIT_DATASYNC, fd);
}

void
commit_add_move(struct commit *commit, int fd, const char *name, int to_fd, const char *to_name)
{
    struct commit_step *step = step_add(commit, COMMIT_MOVE, fd);
    step->to_fd = to_fd;
    copy_name(step->name, sizeof step->name, name);
    copy_name(step->to_name, sizeof step->to_name, to_name);
}

void
commit_add_remove(struct commit *commit, int fd, const char *name)
{
    struct commit_step *step = step_add(commit, COMMIT_REMOVE, fd);
    copy_name(step->name, sizeof step->name, name);
}

void
commit_add_remove_file(struct commit *commit, int fd, const char *name, ino_t inode, int aside_fd,
                       const char *aside)
{
    struct commit_step *step = step_add(commit, COMMIT_REMOVE_FILE, fd);
    step->to_fd = aside_fd;
    step->inode = inode;
    copy_name(step->name, sizeof step->name, name);
    copy_name(step->to_name, sizeof step->to_name, aside);
}

void
commit_add_close(struct commit *commit, int fd)
{
    step_add(commit, COMMIT_CLOSE, fd);
}

/* ---- threads ---- */

static void
wake_loop(struct commit_pool *pool)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(pool->wake_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    BUG_UNLESS(n == (ssize_t)sizeof one || errno == EAGAIN);
}

static void *
thread_main(void *arg)
{
    struct commit_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct commit *commit = list_take(&pool->todo);
        if (commit == NULL) {
            if (pool->ending)
                break;
            pool->idle++;
            pthread_cond_wait(&pool->work, &pool->lock);
            pool->idle--;
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        commit_run(commit);
        pthread_mutex_lock(&pool->lock);
        bool first = pool->ready.first == NULL;
        list_add(&pool->ready, commit);
        if (first)
            wake_loop(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void
take_ready(struct commit_pool *pool)
{
    struct list ready;
    list_init(&ready);
    pthread_mutex_lock(&pool->lock);
    list_join(&ready, &pool->ready);
    pthread_mutex_unlock(&pool->lock);
    for (struct commit *commit; (commit = list_take(&ready)) != NULL;) {
        pool->pending--;
        commit->done(commit);
    }
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) < 0) {
        /* EAGAIN: somebody was quicker; the list says what there is */
    }
    take_ready(arg);
}

struct commit_pool *
commit_pool_new(struct event_base *base, unsigned threads)
{
    BUG_UNLESS(threads >= 1 && threads <= 64);
    struct commit_pool *pool = xcalloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    list_init(&pool->todo);
    list_init(&pool->ready);
    list_init(&pool->held);
    pool->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    BUG_UNLESS(pool->wake_fd >= 0);
    pool->wake = event_new(base, pool->wake_fd, EV_READ | EV_PERSIST, on_wake, pool);
    event_add(pool->wake, NULL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    for (; pool->n_threads < threads; pool->n_threads++)
        if (pthread_create(&pool->threads[pool->n_threads], &attr, thread_main, pool) != 0)
            break;
    pthread_attr_destroy(&attr);
    BUG_UNLESS(pool->n_threads > 0);
    return pool;
}

void
commit_pool_free(struct commit_pool *pool)
{
    if (pool == NULL)
        return;
    commit_pool_flush(pool);
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    take_ready(pool);
    event_free(pool->wake);
    close(pool->wake_fd);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void
commit_submit(struct commit_pool *pool, struct commit *commit)
{
    list_add(&pool->held, commit);
    pool->n_held++;
    pool->pending++;
}

void
commit_pool_flush(struct commit_pool *pool)
{
    if (pool->n_held == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    list_join(&pool->todo, &pool->held);
    size_t wake = pool->n_held < pool->idle ? pool->n_held : pool->idle;
    while (wake-- > 0)
        pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    pool->n_held = 0;
}

void
commit_pool_refuse(struct commit_pool *pool, int result)
{
    struct list held, refused;
    list_init(&held);
    list_init(&refused);
    list_join(&held, &pool->held);
    for (struct commit *commit; (commit = list_take(&held)) != NULL;)
        list_add(commit->refusable ? &refused : &pool->held, commit);
    for (struct commit *commit; (commit = list_take(&refused)) != NULL;) {
        for (unsigned i = 0; i < commit->n_steps; i++)
            if (commit->steps[i].op == COMMIT_CLOSE)
                close(commit->steps[i].fd);
        commit->result = result;
        commit->failed = commit->n_steps;
        pool->n_held--;
        pool->pending--;
        commit->done(commit);
    }
}

size_t
commit_pool_pending(const struct commit_pool *pool)
{
    return pool->pending;
}
