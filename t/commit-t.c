/* commit-t.c - the pool that makes things durable: in order, no further than the first failure, and nothing
 * lost */
#include "common/commit.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "t/tap.h"

enum { MANY = 10000, THREADS = 16 };

static int folder, other;
static unsigned done_count, done_failed, done_elsewhere;
static pthread_t loop_thread;

static void
on_done(struct commit *commit)
{
    done_count++;
    done_failed += commit->result != 0;
    done_elsewhere += !pthread_equal(pthread_self(), loop_thread);
}

static int
make(const char *name, const char *text)
{
    int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        abort();
    return fd;
}

static bool
is_there(int in, const char *name)
{
    struct stat st;
    return fstatat(in, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void
test_order(void)
{
    struct commit commit;
    int fd = make("a", "new"), old = make("old", "old");
    commit_init(&commit, on_done, NULL);
    commit_add_sync(&commit, fd);
    commit_add_move(&commit, folder, "old", folder, "older"); /* the name is free only after this */
    commit_add_move(&commit, folder, "a", folder, "old");
    commit_add_remove(&commit, folder, "older");
    commit_add_datasync(&commit, fd);
    commit_add_close(&commit, fd);
    is_int(commit_run(&commit), 0, "a list of steps is done");
    ok(is_there(folder, "old") && !is_there(folder, "a") && !is_there(folder, "older"), "in its order");
    ok(!is_open(fd), "and closed");
    close(old);
    unlinkat(folder, "old", 0);
}

static void
test_failure(void)
{
    struct commit commit;
    int fd = make("a", "x"), kept = make("kept", "x"), taken = make("taken", "x");
    commit_init(&commit, on_done, NULL);
    commit_add_sync(&commit, fd);
    commit_add_move(&commit, folder, "missing", other, "missing");
    commit_add_remove(&commit, folder, "kept");
    commit_add_close(&commit, fd);
    commit_add_move(&commit, folder, "a", other, "a");
    commit_add_close(&commit, kept);
    is_int(commit_run(&commit), -ENOENT, "the first step that fails tells the result");
    is_int(commit.failed, 1, "and which it was");
    ok(is_there(folder, "kept") && is_there(folder, "a"), "what comes behind it is not done");
    ok(!is_open(fd) && !is_open(kept), "but what was open is closed");
    commit_init(&commit, on_done, NULL);
    commit_add_move(&commit, folder, "a", folder, "taken");
    is_int(commit_run(&commit), -EEXIST, "nothing is moved over what is there");
    ok(is_there(folder, "a"), "and it stays where it was");
    commit_init(&commit, on_done, NULL);
    commit_add_sync(&commit, -1);
    commit_add_remove(&commit, folder, "a");
    is_int(commit_run(&commit), -EBADF, "what cannot be synced");
    ok(is_there(folder, "a") && commit.failed == 0, "is not followed by anything");
    commit_init(&commit, on_done, NULL);
    commit_add_remove(&commit, folder, "missing");
    commit_add_remove(&commit, folder, "a");
    is_int(commit_run(&commit), 0, "what is removed already is removed");
    commit_init(&commit, on_done, NULL);
    commit_add_datasync(&commit, -1);
    is_int(commit_run(&commit), -EBADF, "a failed datasync is told as well");
    close(taken);
    unlinkat(folder, "kept", 0);
    unlinkat(folder, "taken", 0);
}

static struct commit *
make_many(void)
{
    struct commit *commits = xcalloc(MANY, sizeof *commits);
    char name[20];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "m%d", i);
        close(make(name, ""));
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY); /* a descriptor to close, that costs no sync */
        commit_init(&commits[i], on_done, NULL);
        if (i % 3 == 0) /* fails: the move behind it must not be made */
            commit_add_move(&commits[i], folder, "missing", other, "missing");
        commit_add_move(&commits[i], folder, name, other, name);
        commit_add_move(&commits[i], other, name, folder, name);
        commit_add_move(&commits[i], folder, name, other, name);
        commit_add_close(&commits[i], fd);
        if (i >= 500) { /* as many as a process may have open */
            close(fd);
            commits[i].n_steps--;
        }
    }
    return commits;
}

static void
test_many(struct event_base *base)
{
    struct commit *commits = make_many();
    char name[20];
    struct commit_pool *pool = commit_pool_new(base, THREADS);
    done_count = done_failed = 0;
    for (int i = 0; i < MANY / 2; i++)
        commit_submit(pool, &commits[i]);
    for (int i = 0; i < 20; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
    ok(done_count == 0 && is_there(folder, "m1"), "nothing begins before the flush");
    is_int(commit_pool_pending(pool), MANY / 2, "all are pending");
    commit_pool_flush(pool);
    while (done_count < MANY / 4)
        event_base_loop(base, EVLOOP_ONCE);
    ok(commit_pool_pending(pool) == MANY / 2 - done_count, "those that are done are not pending");
    for (int i = MANY / 2; i < MANY; i++) {
        commit_submit(pool, &commits[i]);
        if (i % 7 == 0)
            commit_pool_flush(pool);
    }
    while (done_count < MANY - MANY / 10)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK), commit_pool_flush(pool);
    commit_pool_free(pool);
    is_int(done_count, MANY, "10,000 commits over 16 threads are all told of, those left at the end too");
    is_int(done_failed, (MANY + 2) / 3, "with their results");
    is_int(done_elsewhere, 0, "in the loop's thread");
    unsigned wrong = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "m%d", i);
        wrong += is_there(other, name) != (i % 3 != 0) || is_there(folder, name) != (i % 3 == 0);
        unlinkat(i % 3 != 0 ? other : folder, name, 0);
    }
    is_int(wrong, 0, "each file is where its steps lead");
    free(commits);
}

static void
test_refuse(struct event_base *base)
{
    struct commit commits[4];
    struct commit_pool *pool = commit_pool_new(base, 1);
    int fd = dup(folder);
    done_count = done_failed = 0;
    for (int i = 0; i < 4; i++) {
        char name[20];
        snprintf(name, sizeof name, "r%d", i);
        close(openat(folder, name, O_WRONLY | O_CREAT, 0600));
        commit_init(&commits[i], on_done, NULL);
        commit_add_move(&commits[i], folder, name, other, name);
        commits[i].refusable = i % 2 == 0;
        if (i == 0)
            commit_add_close(&commits[i], fd);
        commit_submit(pool, &commits[i]);
    }
    commit_pool_refuse(pool, -ENOSPC);
    is_int(done_count, 2, "those that can be refused are told of at once");
    ok(done_failed == 2 && commits[0].result == -ENOSPC && commits[0].failed == commits[0].n_steps,
       "as failed, by no step of theirs");
    ok(is_there(folder, "r0") && is_there(folder, "r2"), "nothing of them was done");
    ok(fcntl(fd, F_GETFD) < 0, "but closing");
    is_int(commit_pool_pending(pool), 2, "the others wait");
    commit_pool_free(pool);
    ok(done_count == 4 && is_there(other, "r1") && is_there(other, "r3"), "and are done later");
    unlinkat(folder, "r0", 0);
    unlinkat(folder, "r2", 0);
    unlinkat(other, "r1", 0);
    unlinkat(other, "r3", 0);
}

static void
test_end_without_loop(struct event_base *base)
{
    struct commit commits[3];
    struct commit_pool *pool = commit_pool_new(base, 1);
    done_count = 0;
    for (int i = 0; i < 3; i++) {
        commit_init(&commits[i], on_done, NULL);
        commit_submit(pool, &commits[i]);
    }
    commit_pool_free(pool);
    is_int(done_count, 3, "a pool that ends does what was submitted and not flushed");
    commit_pool_free(NULL);
}

int
main(void)
{
    const char *path = tap_folder();
    loop_thread = pthread_self();
    folder = open(path, O_RDONLY | O_DIRECTORY);
    if (mkdirat(folder, "other", 0700) < 0)
        abort();
    other = openat(folder, "other", O_RDONLY | O_DIRECTORY);
    struct event_base *base = event_base_new();
    test_order();
    test_failure();
    test_many(base);
    test_refuse(base);
    test_end_without_loop(base);
    event_base_free(base);
    close(other);
    unlinkat(folder, "other", AT_REMOVEDIR);
    close(folder);
    ok(rmdir(path) == 0, "nothing is left behind");
    return tap_done();
}
