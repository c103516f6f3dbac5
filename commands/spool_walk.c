/* spool_walk.c - the walk over messages (see spool_walk.h) */
#include "commands/spool_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/badmail.h"

enum { MESSAGE_ARENA_MAX = 192 << 20 }; /* the largest envelope and journal, taken apart */

struct walk {
    const struct spool_map *map;
    const struct filter *filter;
    enum field_cost cost;
    message_each *each;
    void *arg;
    struct arena *arena;
    int64_t now_s;
    size_t matched;
    bool ended;
};

static bool
is_locked(const struct spool_map *map, uint64_t inode)
{
    size_t low = 0, high = map->n_locked;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->locked[middle] == inode)
            return true;
        if (map->locked[middle] < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool
load_stat(struct message *message)
{
    if (message->has_stat)
        return true;
    if (fstatat(message->place->fd, message->name, &message->stat, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    message->has_stat = true;
    return true;
}

/* Reads a queue file; a damaged one is shown with its damage, not left out. */
static bool
load_file(struct message *message)
{
    if (message->has_file || !folder_has_envelopes(message->place->folder))
        return true;
    int fd = openat(message->place->fd, message->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return false;
    message->has_file = true;
    message->damaged = true;
    if (fd < 0) {
        why_set(&message->why, "4.3.0", "cannot open it: %s", strerror(errno));
        return true;
    }
    int r = queue_file_read(fd, message->arena, &message->file, &message->why);
    message->damaged = r < 0;
    close(fd);
    message->file.fd = -1;
    if (message->place->folder == FOLDER_BADMAIL)
        badmail_explain(message);
    return true;
}

bool
message_load(struct message *message, enum field_cost cost)
{
    if (cost >= COST_STAT && !load_stat(message))
        return false;
    return cost < COST_FILE || load_file(message);
}

/* Judges one name, dearer facts last. */
static void
walk_name(struct walk *walk, const struct place *place, const struct dirent *entry)
{
    struct message message = {.map = walk->map,
                              .place = place,
                              .name = entry->d_name,
                              .inode = entry->d_ino,
                              .now_s = walk->now_s,
                              .arena = walk->arena};
    if (!queue_name_parse(entry->d_name, &message.parts))
        return;
    message.locked = is_locked(walk->map, message.inode);
    for (int cost = COST_NAME; cost <= COST_FILE; cost++) {
        bool needed = (int)filter_cost(walk->filter) >= cost;
        if (needed && (!message_load(&message, (enum field_cost)cost) ||
                       !filter_match(walk->filter, (enum field_cost)cost, message_get, &message)))
            return;
    }
    if (!message_load(&message, walk->cost))
        return;
    walk->matched++;
    walk->ended = !walk->each(&message, walk->arg);
}

static void
walk_place(struct walk *walk, const struct place *place)
{
    int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        command_fail_errno(errno, "the spool folder %s", place->path);
        return;
    }
    for (struct dirent *entry; !walk->ended && (entry = readdir(dir)) != NULL;) {
        arena_reset(walk->arena);
        if (entry->d_name[0] != '.')
            walk_name(walk, place, entry);
    }
    closedir(dir);
}

/* A folder none of whose messages can match by what the place alone tells is not even read. */
static bool
place_can_match(const struct filter *filter, const struct place *place)
{
    static const char *const known[] = {"folder", "state", "dir", "connector"};
    struct filter only = *filter;
    struct message message = {.place = place};
    size_t n = 0;
    for (size_t i = 0; i < filter->n_terms; i++)
        for (size_t k = 0; k < COUNT_OF(known); k++)
            if (strcmp(filter->fields[filter->terms[i].field].name, known[k]) == 0)
                only.terms[n++] = filter->terms[i];
    only.n_terms = n;
    for (size_t i = 0; i < n; i++) /* what a lock or an envelope decides cannot be told here */
        if (strcmp(filter->fields[only.terms[i].field].name, "state") == 0 ||
            (filter->fields[only.terms[i].field].cost == COST_FILE))
            return true;
    return filter_match(&only, COST_NAME, message_get, &message);
}

size_t
spool_walk(const struct spool_map *map, enum folder only, const struct filter *filter, enum field_cost cost,
           message_each *each, void *arg)
{
    struct walk walk = {.map = map, .filter = filter, .cost = cost, .each = each, .arg = arg};
    walk.arena = arena_new(MESSAGE_ARENA_MAX);
    walk.now_s = time_ms() / 1000;
    for (size_t i = 0; i < map->n_places && !walk.ended; i++)
        if ((only == FOLDER_COUNT || map->places[i].folder == only) && place_can_match(filter, &map->places[i]))
            walk_place(&walk, &map->places[i]);
    arena_free(walk.arena);
    return walk.matched;
}

int
message_filter(const struct command *command, size_t first, struct filter *filter)
{
    struct why why;
    filter_init(filter, message_fields, message_field_count);
    for (size_t i = first; i < command->n_operands; i++)
        if (filter_add(filter, command->operands[i], &why) < 0)
            return command_usage(command, "%s", why.text);
    return 0;
}
