/* spool_map.c - which folders there are, and which files are locked (see spool_walk.h) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "commands/spool_walk.h"

static bool
has_connector(const struct spool_map *map, const char *name)
{
    for (size_t i = 0; i < map->n_connectors; i++)
        if (strcmp(map->connectors[i], name) == 0)
            return true;
    return false;
}

static void
add_connector(struct spool_map *map, const char *name)
{
    if (!connector_name_valid(name) || has_connector(map, name))
        return;
    map->connectors = xrealloc(map->connectors, (map->n_connectors + 1) * sizeof *map->connectors);
    snprintf(map->connectors[map->n_connectors++], sizeof *map->connectors, "%s", name);
}

/* Mailboxes in the tree that the configuration does not name (any more) may still hold mail. Their parent is
 * what stands before the connector's name in a folder's path. */
static void
add_mailboxes(struct spool_map *map)
{
    char parent[SPOOL_PATH_MAX];
    const char *path = folder_table[FOLDER_MTS_IN].path;
    snprintf(parent, sizeof parent, "%.*s", (int)(strstr(path, "%s") - path), path);
    int fd = openat(map->spool_fd, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        add_connector(map, entry->d_name);
    closedir(dir);
}

static int
add_place(struct spool_map *map, enum folder folder, enum folder held_from, const char *connector,
          const char *path)
{
    int fd = openat(map->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0;
    if (fd < 0)
        return command_fail_errno(errno, "the spool folder %s", path);
    map->places = xrealloc(map->places, (map->n_places + 1) * sizeof *map->places);
    struct place *place = &map->places[map->n_places++];
    *place = (struct place){.folder = folder, .held_from = held_from, .fd = fd};
    snprintf(place->connector, sizeof place->connector, "%s", connector != NULL ? connector : "");
    snprintf(place->path, sizeof place->path, "%s", path);
    return 0;
}

static int
add_folder(struct spool_map *map, enum folder folder)
{
    char path[SPOOL_PATH_MAX];
    bool one = folder_table[folder].per == PER_ONE;
    for (size_t i = 0; i < (one ? 1 : map->n_connectors); i++) {
        const char *connector = one ? NULL : map->connectors[i];
        if (folder_path(folder, connector, path) < 0)
            continue;
        int r = add_place(map, folder, FOLDER_COUNT, connector, path);
        if (r != 0)
            return r;
    }
    return 0;
}

void
place_flatten(const struct place *place, char flat[SPOOL_PATH_MAX])
{
    snprintf(flat, SPOOL_PATH_MAX, "%.*s", SPOOL_PATH_MAX - 1, place->path);
    for (char *p = flat; *p != '\0'; p++)
        if (*p == '/')
            *p = '+';
}

static bool
flat_is(enum folder folder, const char *connector, const char *flat)
{
    struct place place;
    char other[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX];
    if (folder_path(folder, connector, path) < 0)
        return false;
    snprintf(place.path, sizeof place.path, "%s", path);
    place_flatten(&place, other);
    return strcmp(other, flat) == 0;
}

bool
place_unflatten(const struct spool_map *map, const char *flat, enum folder *folder, const char **connector)
{
    for (unsigned f = 0; f < FOLDER_COUNT; f++) {
        bool one = folder_table[f].per == PER_ONE;
        for (size_t i = 0; i < (one ? 1 : map->n_connectors); i++) {
            const char *name = one ? "" : map->connectors[i];
            if (!flat_is((enum folder)f, name, flat))
                continue;
            *folder = (enum folder)f;
            *connector = name;
            return true;
        }
    }
    return false;
}

static int
add_held(struct spool_map *map)
{
    char path[SPOOL_PATH_MAX], sub[SPOOL_PATH_MAX + 80];
    if (folder_path(FOLDER_HOLD, NULL, path) < 0)
        return 0;
    int fd = openat(map->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : command_fail_errno(errno, "the spool folder %s", path);
    DIR *dir = fdopendir(fd);
    int r = 0;
    for (struct dirent *entry; dir != NULL && r == 0 && (entry = readdir(dir)) != NULL;) {
        enum folder from;
        const char *connector;
        if (entry->d_name[0] == '.' || !place_unflatten(map, entry->d_name, &from, &connector))
            continue;
        snprintf(sub, sizeof sub, "%s/%.79s", path, entry->d_name);
        r = add_place(map, FOLDER_HOLD, from, connector, sub);
    }
    if (dir != NULL)
        closedir(dir);
    return r;
}

static int
inode_compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Lines like "1: FLOCK  ADVISORY  WRITE 708 08:01:1234567 0 EOF". Of other namespaces nothing is seen: then
 * nothing is shown as being in transfer, which harms nobody. */
static void
read_locks(struct spool_map *map)
{
    struct stat st;
    char line[256];
    FILE *locks = fopen("/proc/locks", "re");
    if (locks == NULL || fstat(map->spool_fd, &st) < 0) {
        if (locks != NULL)
            fclose(locks);
        return;
    }
    while (fgets(line, sizeof line, locks) != NULL) {
        unsigned maj, min;
        unsigned long long inode;
        if (sscanf(line, "%*s FLOCK %*s %*s %*d %x:%x:%llu", &maj, &min, &inode) != 3)
            continue;
        if (maj != major(st.st_dev) || min != minor(st.st_dev))
            continue;
        map->locked = xrealloc(map->locked, (map->n_locked + 1) * sizeof *map->locked);
        map->locked[map->n_locked++] = inode;
    }
    fclose(locks);
    if (map->n_locked > 1)
        qsort(map->locked, map->n_locked, sizeof *map->locked, inode_compare);
}

void
spool_map_connectors(struct spool_map *map, const struct command *command)
{
    *map = (struct spool_map){.spool_fd = command->spool_fd};
    add_connector(map, "host");
    for (size_t i = 0; command->root != NULL && i < command->root->connectors_n; i++)
        add_connector(map, command->root->connectors[i].title);
    if (map->spool_fd >= 0)
        add_mailboxes(map);
}

int
spool_map_open(struct spool_map *map, const struct command *command)
{
    spool_map_connectors(map, command);
    int r = 0;
    for (unsigned f = 0; r == 0 && f < FOLDER_COUNT; f++)
        if (f != FOLDER_HOLD && (folder_table[f].kind == KIND_QUEUE || folder_table[f].kind == KIND_READY))
            r = add_folder(map, (enum folder)f);
    if (r == 0)
        r = add_held(map);
    if (r == 0)
        read_locks(map);
    else
        spool_map_close(map);
    return r;
}

void
spool_map_close(struct spool_map *map)
{
    for (size_t i = 0; i < map->n_places; i++)
        close(map->places[i].fd);
    free(map->places);
    free(map->connectors);
    free(map->locked);
    *map = (struct spool_map){.spool_fd = -1};
}

int
filter_check_connectors(const struct command *command, const struct filter *filter)
{
    struct spool_map map;
    struct why why;
    spool_map_connectors(&map, command);
    const char **names = xcalloc(map.n_connectors, sizeof *names);
    for (size_t i = 0; i < map.n_connectors; i++)
        names[i] = map.connectors[i];
    int r = filter_check_values(filter, "connector", names, map.n_connectors, &why);
    free(names);
    spool_map_close(&map);
    return r == 0 ? 0 : command_usage(command, "%s", why.text);
}

bool
command_has_connector(const struct command *command)
{
    static const struct field field = {.name = "connector", .kind = FIELD_TEXT};
    const char *name = command->values[OPTION_CONNECTOR];
    struct filter filter;
    filter_init(&filter, &field, 1);
    if (name != NULL)
        filter.terms[filter.n_terms++] = (struct filter_term){.op = '=', .text = name};
    return filter_check_connectors(command, &filter) == 0;
}

int
spool_common_group(int spool_fd, gid_t *gid)
{
    struct stat st;
    int fd = folder_open_path(spool_fd, FOLDER_STATE, NULL);
    int r = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0)
        *gid = st.st_gid;
    if (fd >= 0)
        close(fd);
    return r;
}

const struct place *
spool_map_find(const struct spool_map *map, enum folder folder, const char *connector)
{
    for (size_t i = 0; i < map->n_places; i++) {
        const struct place *place = &map->places[i];
        bool same = folder_table[folder].per == PER_ONE || strcmp(place->connector, connector) == 0;
        if (place->folder == folder && place->held_from == FOLDER_COUNT && same)
            return place;
    }
    return NULL;
}
