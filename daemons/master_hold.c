/* master_hold.c - messages in Hold whose time is over go back to where they came from (see master.h)
 *
 * Hold has one sub-folder for each folder of origin, named by its path with '+' for '/'. A message is
 * `<stem>@<until>`; 0 means no end. Only names are looked at: the master reads no message. A release is a move,
 * as the operator's is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/id.h"
#include "common/log.h"
#include "daemons/master.h"

/* The folder that a sub-folder of Hold stands for; -1 where it is none of flow.def's. */
static int
open_origin(const struct master *master, const char *name, enum folder *found)
{
    char path[SPOOL_PATH_MAX], known[SPOOL_PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s", name) >= sizeof path)
        return -1;
    for (char *p = path; *p != '\0'; p++)
        if (*p == '+')
            *p = '/';
    for (unsigned folder = 0; folder < FOLDER_COUNT; folder++)
        for (size_t i = 0; i <= master->root->connectors_n; i++) {
            const char *connector = i == 0 ? "host" : master->root->connectors[i - 1].title;
            *found = (enum folder)folder;
            if (folder_path((enum folder)folder, connector, known) == 0 && strcmp(known, path) == 0)
                return folder_open(master->spool_fd, (enum folder)folder, connector);
        }
    return -1;
}

static void
release_folder(struct master *master, int hold_fd, const char *name, int64_t now_s)
{
    enum folder folder = FOLDER_COUNT;
    int from = openat(hold_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int to = from < 0 ? -1 : open_origin(master, name, &folder);
    int copy = to < 0 ? -1 : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct queue_name parts;
        char back[QUEUE_NAME_MAX + 2];
        if (!queue_name_parse(entry->d_name, &parts) || !parts.has_time || parts.time_s == 0 ||
            parts.time_s > now_s)
            continue;
        snprintf(back, sizeof back, "%s%s", parts.stem, folder == FOLDER_DEFERRED ? "@0" : "");
        int claimed = spool_claim(from, entry->d_name); /* an operator may be at it */
        if (claimed < 0)
            continue;
        int r = spool_move(from, entry->d_name, to, back);
        close(claimed);
        log_say(LOG_MOVES, LEVEL_MEDIUM, parts.stem,
                r < 0 ? "cannot release it from Hold to %s: %s" : "its hold is over: released to %s%s", name,
                r < 0 ? strerror(-r) : "");
    }
    if (dir != NULL)
        closedir(dir);
    if (to >= 0)
        close(to);
    if (from >= 0)
        close(from);
}

void
hold_release_due(struct master *master)
{
    int hold = folder_open(master->spool_fd, FOLDER_HOLD, NULL);
    int copy = hold < 0 ? -1 : openat(hold, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    int64_t now_s = time_ms() / 1000;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            release_folder(master, hold, entry->d_name, now_s);
    if (dir != NULL)
        closedir(dir);
    if (hold >= 0)
        close(hold);
}
