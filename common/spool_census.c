/* spool_census.c - messages counted by their names (see spool_census.h) */
#include "common/spool_census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/id.h"

enum { HOLD_DEPTH = 1 }; /* a sub-folder for each folder that messages are held from */

struct counting {
    int spool_fd;
    uint64_t left; /* names that may still be looked at */
    struct census *census;
};

static DIR *
open_folder(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (dir == NULL)
        close(fd);
    return dir;
}

/* The next name that does not begin with a dot; NULL at the end, or when enough was looked at. */
static const struct dirent *
next_name(struct counting *counting, DIR *dir)
{
    for (;;) {
        if (counting->left == 0) {
            counting->census->complete = false;
            return NULL;
        }
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0)
            counting->census->complete = false;
        if (entry == NULL)
            return NULL;
        counting->left--;
        if (entry->d_name[0] != '.')
            return entry;
    }
}

/* Counts a name if it is a message's: in folders of queue files it must be a queue file's (so a Badmail's .why
 * is none); elsewhere any will do. */
static void
count_name(struct census_row *row, const char *name)
{
    struct queue_name parts;
    bool is_queue_name = queue_name_parse(name, &parts);
    if (!is_queue_name && folder_table[row->folder].kind == KIND_QUEUE)
        return;
    row->count++;
    int64_t ms = is_queue_name ? id_time_ms(parts.id) : -1;
    if (ms >= 0 && (row->oldest_ms < 0 || ms < row->oldest_ms))
        row->oldest_ms = ms;
}

/* Counts what lies in the open folder (which is closed), and `depth` levels of sub-folders. */
static void
count_folder(struct counting *counting, struct census_row *row, DIR *dir, int depth)
{
    const struct dirent *entry;
    while ((entry = next_name(counting, dir)) != NULL) {
        if (entry->d_type != DT_DIR) {
            count_name(row, entry->d_name);
            continue;
        }
        DIR *sub = depth > 0 ? open_folder(dirfd(dir), entry->d_name) : NULL;
        if (sub != NULL)
            count_folder(counting, row, sub, depth - 1);
    }
    closedir(dir);
}

static void
add_row(struct counting *counting, enum folder folder, const char *connector)
{
    struct census *census = counting->census;
    struct census_row *row = &census->rows[census->n++];
    char path[SPOOL_PATH_MAX];
    *row = (struct census_row){.folder = folder, .oldest_ms = -1};
    snprintf(row->connector, sizeof row->connector, "%s", connector);
    if (folder_path(folder, connector, path) < 0)
        return;
    DIR *dir = open_folder(counting->spool_fd, path);
    if (dir != NULL)
        count_folder(counting, row, dir, folder == FOLDER_HOLD ? HOLD_DEPTH : 0);
    else if (errno != ENOENT)
        census->complete = false;
}

static bool
holds_messages(enum folder folder, enum per per)
{
    return folder_table[folder].kind != KIND_OTHER && folder_table[folder].per == per;
}

static void
add_rows(struct counting *counting, enum per per, const char *connector)
{
    struct census *census = counting->census;
    census->rows = xrealloc(census->rows, (census->n + FOLDER_COUNT) * sizeof *census->rows);
    for (unsigned i = 0; i < FOLDER_COUNT; i++)
        if (holds_messages((enum folder)i, per))
            add_row(counting, (enum folder)i, connector);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The folder that holds connectors' mailboxes is what stands before "%s" in a path of the map. */
static DIR *
open_mailboxes(int spool_fd)
{
    const char *path = folder_table[FOLDER_MTS_IN].path;
    char parent[SPOOL_PATH_MAX];
    snprintf(parent, sizeof parent, "%.*s", (int)(strstr(path, "%s") - path), path);
    return open_folder(spool_fd, parent);
}

static int
find_connectors(struct counting *counting, char (**names)[CONNECTOR_NAME_MAX + 1], size_t *n)
{
    DIR *dir = open_mailboxes(counting->spool_fd);
    if (dir == NULL)
        return -errno;
    const struct dirent *entry;
    while ((entry = next_name(counting, dir)) != NULL && *n < CENSUS_CONNECTORS_MAX) {
        if (!connector_name_valid(entry->d_name) || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
            continue;
        if ((*n & (*n - 1)) == 0)
            *names = xrealloc(*names, (*n > 0 ? *n * 2 : 1) * sizeof **names);
        memcpy((*names)[(*n)++], entry->d_name, strlen(entry->d_name) + 1); /* a valid name fits */
    }
    closedir(dir);
    return 0;
}

int
census_take(int spool_fd, uint64_t most, struct census *census)
{
    struct counting counting = {.spool_fd = spool_fd, .left = most, .census = census};
    char(*names)[CONNECTOR_NAME_MAX + 1] = NULL;
    size_t n = 0;
    int64_t began = monotonic_ms();
    *census = (struct census){.complete = true, .taken_ms = time_ms()};
    int r = find_connectors(&counting, &names, &n);
    if (r == 0) {
        if (n > 0)
            qsort(names, n, sizeof *names, compare_names);
        add_rows(&counting, PER_ONE, "");
        for (size_t i = 0; i < n; i++)
            add_rows(&counting, PER_CONNECTOR, names[i]);
    }
    free(names);
    census->cost_ms = monotonic_ms() - began;
    return r;
}

void
census_clear(struct census *census)
{
    free(census->rows);
    *census = (struct census){0};
}
