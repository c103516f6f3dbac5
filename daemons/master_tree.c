/* master_tree.c - folders of the spool that vanish, and come back as others (see master.h)
 *
 *     there --gone--> MISSING (said once) --made again--> all are there: new workers beside the old ones
 *
 * A worker knows the folders that were there when it started: its descriptors, its Landlock rules and its page of
 * state belong to these and not to their names. So a folder that was made anew, by `viaduct spool check --repair`
 * or by hand, needs workers that know it. They come as after a reload: who has a session keeps it.
 *
 * The master's own lock is on the spool itself, which stays: a second master is refused whatever becomes of what
 * lies within.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "daemons/master.h"

enum { LOOK_EVERY_MS = 1000 };

/* A folder by its path, and which one it is: the number of its inode may be given again, with another birth. */
struct tree_folder {
    char path[SPOOL_PATH_MAX];
    uint64_t inode;
    struct statx_timestamp born;
    bool gone;
};

static bool
look(int spool_fd, const char *path, struct statx *stx)
{
    if (statx(spool_fd, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO | STATX_BTIME, stx) < 0)
        return errno != ENOENT && errno != ENOTDIR; /* what cannot be told is not missing */
    return S_ISDIR(stx->stx_mode);
}

static void
remember(struct tree_folder *folder, const struct statx *stx)
{
    folder->inode = stx->stx_ino;
    folder->born = stx->stx_btime;
    folder->gone = false;
}

static bool
is_same(const struct tree_folder *folder, const struct statx *stx)
{
    return stx->stx_ino == 0 || /* could not be told */
           (folder->inode == stx->stx_ino && folder->born.tv_sec == stx->stx_btime.tv_sec &&
            folder->born.tv_nsec == stx->stx_btime.tv_nsec);
}

static void
add_folder(struct master *master, enum folder id, const char *connector)
{
    struct statx stx = {.stx_ino = 0};
    master->tree = xrealloc(master->tree, (master->n_tree + 1) * sizeof *master->tree);
    struct tree_folder *folder = &master->tree[master->n_tree];
    if (folder_path(id, connector, folder->path) < 0)
        return;
    master->n_tree++;
    bool there = look(master->spool_fd, folder->path, &stx);
    remember(folder, &stx);
    folder->gone = !there;
}

void
tree_remember(struct master *master)
{
    free(master->tree);
    master->tree = NULL;
    master->n_tree = 0;
    for (unsigned f = 0; f < FOLDER_COUNT; f++) {
        bool one = folder_table[f].per == PER_ONE;
        for (size_t i = 0; i < (one ? 1 : master->root->connectors_n + 1); i++)
            add_folder(master, (enum folder)f, i == 0 ? "host" : master->root->connectors[i - 1].title);
    }
}

bool
tree_is_another(struct master *master)
{
    int64_t now_ms = monotonic_ms();
    bool another = false, missing = false;
    if (now_ms < master->tree_look_ms)
        return false;
    master->tree_look_ms = now_ms + LOOK_EVERY_MS;
    for (size_t i = 0; i < master->n_tree; i++) {
        struct tree_folder *folder = &master->tree[i];
        struct statx stx = {.stx_ino = 0};
        bool there = look(master->spool_fd, folder->path, &stx);
        if (!there && !folder->gone)
            log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                    "the spool folder %s is gone with what lay in it; `viaduct spool check --repair` makes it "
                    "again",
                    folder->path);
        missing = missing || !there;
        another = another || (there && (folder->gone || !is_same(folder, &stx)));
        folder->gone = folder->gone || !there;
    }
    return another && !missing;
}
