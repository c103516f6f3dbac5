/* master_plan.c - which workers there are by the configuration, the spool's tree (see master.h) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "daemons/master.h"
#include "systems/registry.h"

/* ---- folders ---- */

/* Whether an open folder holds no name but those that begin with a dot; closes it. */
static bool
names_are_none(int fd)
{
    bool empty = true;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return true;
    }
    for (const struct dirent *entry; empty && (entry = readdir(dir)) != NULL;)
        empty = entry->d_name[0] == '.';
    closedir(dir);
    return empty;
}

/* A folder that cannot be opened counts as empty. */
static bool
folder_is_empty(const struct master *master, enum folder folder, const char *connector)
{
    int fd = folder_open(master->spool_fd, folder, connector);
    return fd < 0 || names_are_none(fd);
}

/* `*where` is set where there is mail. */
static bool
mailbox_is_empty(const struct master *master, const char *connector, enum folder *where)
{
    for (unsigned folder = 0; folder < FOLDER_COUNT; folder++)
        if (folder_table[folder].per != PER_ONE && !folder_is_empty(master, (enum folder)folder, connector)) {
            *where = (enum folder)folder;
            return false;
        }
    return true;
}

/* Mail of the connector that an operator parked: sub-folders of Hold, named by their folder's path with '+' for '/'. */
static bool
hold_is_empty(const struct master *master, const char *connector)
{
    char path[SPOOL_PATH_MAX];
    bool empty = true;
    int hold = folder_open(master->spool_fd, FOLDER_HOLD, NULL);
    for (unsigned folder = 0; empty && hold >= 0 && folder < FOLDER_COUNT; folder++) {
        if (folder_table[folder].per == PER_ONE || folder_path((enum folder)folder, connector, path) < 0)
            continue;
        for (char *p = path; *p != '\0'; p++)
            if (*p == '/')
                *p = '+';
        int fd = openat(hold, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            empty = names_are_none(fd);
    }
    if (hold >= 0)
        close(hold);
    return empty;
}

/* A connector that still has mail is not removed: nobody would take from its folders any more. */
int
plan_check_removed(const struct master *master, const struct conf_root *next, struct why *why)
{
    for (size_t i = 0; i < master->root->connectors_n; i++) {
        const char *name = master->root->connectors[i].title;
        enum folder where = FOLDER_HOLD;
        if (conf_connector_find(next, name) != NULL)
            continue;
        if (!mailbox_is_empty(master, name, &where) || !hold_is_empty(master, name))
            return why_set(why, "5.3.5",
                           "the connector \"%s\" is no longer in the configuration, but %s still holds mail of "
                           "it; reroute, export or "
                           "delete that first (viaduct queue list connector=%s)",
                           name, folder_name(where), name);
    }
    return 0;
}

/* A drain does not wait for what an operator holds. */
static bool
is_held(const struct master *master, const char *connector)
{
    char control[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 100];
    folder_path(FOLDER_CONTROL, NULL, control);
    snprintf(path, sizeof path, "%s/%s-%s/hold", control, worker_table[WORKER_OUTBOUND].program, connector);
    return faccessat(master->spool_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* True where nothing is left on the road: in the folders that workers empty by themselves, and in drop where
 * `with_drop`. What is deferred, held or Badmail never counts. */
bool
plan_road_is_empty(const struct master *master, bool with_drop)
{
    for (unsigned i = 0; i < FOLDER_COUNT; i++) {
        enum folder folder = (enum folder)i;
        bool road = folder_table[i].kind == KIND_QUEUE || folder_table[i].kind == KIND_READY;
        if (folder == FOLDER_DEFERRED || folder == FOLDER_BADMAIL || folder == FOLDER_HOLD ||
            folder == FOLDER_DIR_IN || folder == FOLDER_DIR_OUT ||
            !(road || (with_drop && folder == FOLDER_DROP)))
            continue;
        if (folder_table[i].per == PER_ONE && !folder_is_empty(master, folder, NULL))
            return false;
        for (size_t c = 0; folder_table[i].per != PER_ONE && c <= master->root->connectors_n; c++) {
            const char *connector = c == 0 ? "host" : master->root->connectors[c - 1].title;
            bool rests = flow_taker(folder) == WORKER_OUTBOUND && is_held(master, connector);
            if (!rests && !folder_is_empty(master, folder, connector))
                return false;
        }
    }
    return true;
}

/* Makes what is missing of the tree, and opens it. */
int
plan_spool(struct master *master, struct why *why)
{
    size_t n = master->root->connectors_n + 1;
    const char **names = xcalloc(n, sizeof *names);
    names[0] = "host";
    for (size_t i = 1; i < n; i++)
        names[i] = master->root->connectors[i - 1].title;
    int r = spool_create(master->root->spool, names, n, why);
    free(names);
    if (r == 0 && master->spool_fd < 0) {
        master->spool_fd = open(master->root->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = master->spool_fd < 0 ? -errno : 0;
    }
    if (r < 0 && why->text[0] == '\0')
        why_set(why, "4.3.0", "cannot open the spool %s: %s", master->root->spool, strerror(-r));
    if (r == 0 && master->ownership != NULL) {
        struct ownership *next = ownership_open(master->spool_fd, master->root, why);
        r = next == NULL ? -EINVAL : ownership_apply(next, why);
        if (r == 0)
            master->ownership = next; /* the old one is the caller's, who may go back to it */
        else
            ownership_free(next);
    }
    return r;
}

/* ---- workers ---- */

static struct child *
add_child(struct master *master, enum worker_id worker, const char *connector)
{
    struct child *child = xcalloc(1, sizeof *child);
    child->worker = worker;
    snprintf(child->connector, sizeof child->connector, "%s", connector);
    snprintf(child->instance, sizeof child->instance, "%s%s%s", worker_table[worker].program,
             *connector ? "-" : "", connector);
    child->state = CHILD_WAITING;
    child->generation = master->generation;
    child->since_s = time_ms() / 1000;
    struct child **end = &master->children;
    while (*end != NULL)
        end = &(*end)->next;
    *end = child;
    return child;
}

/* What a module from outside has, only its code can tell, which does not run here: its workers are all started, and those it has
 * nothing for say so and end. */
static void
add_children_of(struct master *master, enum worker_id worker, const struct conf_connector *connector)
{
    const struct viaduct_system *system =
        registry_builtin_for(master->root, connector, worker == WORKER_INBOUND);
    if (system == NULL || registry_has_part(system, worker))
        add_child(master, worker, connector != NULL ? connector->title : "host")->optional = system == NULL;
}

/* One of each, or one per connector; a new generation beside what runs. */
void
plan_children(struct master *master)
{
    for (unsigned w = 0; w < WORKER_COMMAND; w++) {
        enum worker_id worker = (enum worker_id)w;
        if (worker_table[w].per == PER_ONE) {
            add_child(master, worker, "");
            continue;
        }
        add_children_of(master, worker, NULL);
        for (size_t i = 0; i < master->root->connectors_n; i++)
            add_children_of(master, worker, &master->root->connectors[i]);
    }
}
