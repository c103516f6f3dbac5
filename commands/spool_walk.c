/* spool_walk.c - the walk over messages (see spool_walk.h) */
#include "commands/spool_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/badmail.h"

enum {
    MESSAGE_ARENA_MAX = 192 << 20, /* the largest envelope and journal, taken apart */
    NAMES_BYTES = 32 << 10,        /* some 450 names: what one thread takes at once */
    WALKED_MAX = 64                /* files that were read and are still open */
};

struct walk {
    const struct spool_map *map;
    enum folder only;
    const struct filter *filter;
    enum field_cost cost;
    message_each *each;
    void *arg;
    struct arena *arena;
    struct spool_walked walked;
    union {
        struct dirent64 first; /* for its alignment */
        char bytes[NAMES_BYTES];
    } names;
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

/* Those that are still to be settled here; when all are settled, all count. */
static void
list_recipients(struct message *message)
{
    const struct envelope *envelope = &message->file.envelope;
    size_t n = envelope->n_recipients;
    const struct recipient **list = n > 0 ? arena_alloc(message->arena, n * sizeof(void *)) : NULL;
    message->recipients = list;
    message->n_recipients = 0;
    for (int pass = 0; list != NULL && pass < 2 && message->n_recipients == 0; pass++)
        for (size_t i = 0; i < n; i++) {
            const struct recipient *recipient = &envelope->recipients[i];
            if (!recipient->listed && (pass > 0 || !recipient_is_settled(recipient->state)))
                list[message->n_recipients++] = recipient;
        }
}

static void
close_walked(struct spool_walked *walked)
{
    if (walked->n > 0 && close_range((unsigned)walked->first, (unsigned)(walked->first + walked->n - 1), 0) < 0)
        for (int i = 0; i < walked->n; i++) /* a filter of calls does not know it */
            close(walked->first + i);
    walked->n = 0;
}

/* Each descriptor in the range is one that was given here: where one does not follow the last, a new range begins. */
static void
close_later(struct spool_walked *walked, int fd)
{
    if (walked == NULL) {
        close(fd);
        return;
    }
    if (walked->n == WALKED_MAX || (walked->n > 0 && fd != walked->first + walked->n))
        close_walked(walked);
    if (walked->n == 0)
        walked->first = fd;
    walked->n++;
}

/* Reads a queue file; a damaged one is shown with its damage, not left out. */
static bool
load_file(struct message *message)
{
    if (message->has_file)
        return true;
    if (!folder_has_envelopes(message->place->folder))
        return load_stat(message);
    int fd = openat(message->place->fd, message->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return false;
    message->has_file = true;
    message->damaged = true;
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        command_deny(errno, message->place->path, message->name);
    if (fd < 0) {
        why_set(&message->why, "4.3.0", "cannot open it: %s", strerror(errno));
        return true;
    }
    int r = queue_file_look(fd, message->arena, &message->file, &message->why);
    message->damaged = r < 0;
    close_later(message->walked, fd);
    message->file.fd = -1;
    if (!message->damaged)
        list_recipients(message);
    if (message->place->folder == FOLDER_BADMAIL)
        badmail_explain(message);
    return true;
}

bool
message_load(struct message *message, enum field_cost cost)
{
    switch (cost) {
    case COST_NAME:
        return true;
    case COST_STAT:
        return load_stat(message);
    default:
        return load_file(message);
    }
}

/* Judges one name, dearer facts last. */
static void
walk_name(struct walk *walk, const struct place *place, const struct dirent64 *entry)
{
    struct message message = {.map = walk->map,
                              .place = place,
                              .name = entry->d_name,
                              .inode = entry->d_ino,
                              .now_s = walk->now_s,
                              .arena = walk->arena,
                              .walked = &walk->walked};
    if (!queue_name_parse(entry->d_name, &message.parts))
        return;
    message.locked = is_locked(walk->map, message.inode);
    for (int cost = COST_NAME; cost <= COST_FILE; cost++) {
        bool needed = filter_needs(walk->filter, (enum field_cost)cost);
        if (needed && (!message_load(&message, (enum field_cost)cost) ||
                       !filter_match(walk->filter, (enum field_cost)cost, message_get, &message)))
            return;
    }
    if (!message_load(&message, walk->cost))
        return;
    walk->matched++;
    walk->ended = !walk->each(&message, walk->arg);
}

/* Threads of a team share the open folder, and with it the place in it: the kernel gives each other names. */
static void
walk_place(struct walk *walk, const struct place *place)
{
    ssize_t n = 0;
    while (!walk->ended && (n = getdents64(place->fd, &walk->names, sizeof walk->names)) > 0)
        for (ssize_t at = 0; at < n && !walk->ended;) {
            const struct dirent64 *entry = (const void *)(walk->names.bytes + at);
            at += entry->d_reclen;
            arena_reset(walk->arena);
            if (entry->d_name[0] != '.')
                walk_name(walk, place, entry);
        }
    if (n < 0)
        command_fail_errno(errno, "the spool folder %s", place->path);
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

static void *
walk_run(void *arg)
{
    struct walk *walk = arg;
    const struct spool_map *map = walk->map;
    for (size_t i = 0; i < map->n_places && !walk->ended; i++)
        if ((walk->only == FOLDER_COUNT || map->places[i].folder == walk->only) &&
            place_can_match(walk->filter, &map->places[i]))
            walk_place(walk, &map->places[i]);
    close_walked(&walk->walked);
    return NULL;
}

/* A table of descriptors of its own: else every open and close of one thread would wait for the others'. */
static void *
walk_run_apart(void *arg)
{
    (void)unshare(CLONE_FILES); /* refused: right all the same, and slower */
    return walk_run(arg);
}

static void
rewind_places(const struct spool_map *map)
{
    for (size_t i = 0; i < map->n_places; i++)
        (void)lseek(map->places[i].fd, 0, SEEK_SET);
}

size_t
spool_walk_team(const struct spool_map *map, enum folder only, const struct filter *filter,
                enum field_cost cost, message_each *each, void *const *args, size_t n)
{
    struct walk *walks = xcalloc(n, sizeof *walks);
    pthread_t *threads = xcalloc(n, sizeof *threads);
    size_t started = 1, matched = 0;
    int64_t now_s = time_ms() / 1000;
    rewind_places(map);
    for (size_t i = 0; i < n; i++) {
        struct walk *walk = &walks[i];
        *walk = (struct walk){
            .map = map, .only = only, .filter = filter, .cost = cost, .each = each, .arg = args[i]};
        walk->now_s = now_s;
        walk->arena = arena_new(MESSAGE_ARENA_MAX);
    }
    while (started < n && pthread_create(&threads[started], NULL, walk_run_apart, &walks[started]) == 0)
        started++; /* what threads there are do the work of all */
    walk_run(&walks[0]);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && i < started)
            pthread_join(threads[i], NULL);
        matched += walks[i].matched;
        arena_free(walks[i].arena);
    }
    free(threads);
    free(walks);
    return matched;
}

size_t
spool_walk(const struct spool_map *map, enum folder only, const struct filter *filter, enum field_cost cost,
           message_each *each, void *arg)
{
    return spool_walk_team(map, only, filter, cost, each, &arg, 1);
}

/* Each value once. */
static size_t
add_word(const char *words[], size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return n;
    words[n] = word;
    return n + (word[0] != '\0');
}

/* What the map and the configuration have none of is a slip of the pen, not a question. */
static int
check_values(const struct command *command, const struct filter *filter)
{
    static const char *const directions[] = {"in", "out"};
    const char *folders[FOLDER_COUNT], *states[FOLDER_COUNT + 1];
    size_t n_folders = 0, n_states = add_word(states, 0, "transfer");
    struct why why;
    for (unsigned f = 0; f < FOLDER_COUNT; f++) {
        bool messages =
            f == FOLDER_HOLD || folder_table[f].kind == KIND_QUEUE || folder_table[f].kind == KIND_READY;
        n_folders = messages ? add_word(folders, n_folders, folder_name((enum folder)f)) : n_folders;
        n_states = messages ? add_word(states, n_states, folder_state((enum folder)f)) : n_states;
    }
    if (filter_check_values(filter, "dir", directions, COUNT_OF(directions), &why) < 0 ||
        filter_check_values(filter, "folder", folders, n_folders, &why) < 0 ||
        filter_check_values(filter, "state", states, n_states, &why) < 0)
        return command_usage(command, "%s", why.text);
    return filter_check_connectors(command, filter);
}

int
message_filter(const struct command *command, size_t first, struct filter *filter)
{
    struct why why;
    filter_init(filter, message_fields, message_field_count);
    for (size_t i = first; i < command->n_operands; i++)
        if (filter_add(filter, command->operands[i], &why) < 0)
            return command_usage(command, "%s", why.text);
    return check_values(command, filter);
}
