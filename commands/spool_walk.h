/* spool_walk.h - every message of the spool, name by name
 *
 * A walk goes over all message folders of all connectors, Hold and its sub-folders included, and calls back for
 * each queue file's name. What a name tells (id, age, next attempt) costs no system call more; size costs a
 * stat; the rest opens the file, and only when a filter or a column asks. Nothing is locked, renamed or
 * written: a listing does not disturb workers. Which files are in a worker's hand is what the kernel says in
 * /proc/locks.
 *
 * As workers go on meanwhile, a listing can miss a message or show it twice; it is true "as of" then.
 */
#ifndef VIADUCT_SPOOL_WALK_H
#define VIADUCT_SPOOL_WALK_H

#include <sys/stat.h>

#include "commands/command.h"
#include "commands/filter.h"
#include "common/queue_file.h"

/* One folder of messages. */
struct place {
    enum folder folder;                     /* FOLDER_HOLD for its sub-folders */
    enum folder held_from;                  /* of those: where they came from; FOLDER_COUNT else */
    char connector[CONNECTOR_NAME_MAX + 1]; /* "" where there is one folder for all */
    char path[SPOOL_PATH_MAX + 80];         /* relative to the spool */
    int fd;
};

struct spool_map {
    int spool_fd;
    char (*connectors)[CONNECTOR_NAME_MAX + 1]; /* of configuration and tree */
    size_t n_connectors;
    struct place *places;
    size_t n_places;
    uint64_t *locked; /* inodes that are locked, sorted */
    size_t n_locked;
};

/* Finds and opens all folders. Those that are not there are left out; a folder that may not be read is an
 * error. Returns 0 or an exit code after saying why. */
int spool_map_open(struct spool_map *map, const struct command *command);
/* The same without folders and locks: only the connectors' names. */
void spool_map_connectors(struct spool_map *map, const struct command *command);
void spool_map_close(struct spool_map *map);

/* The group that queue files have, every worker's own: that of state/ (see common/ownership.h). 0 or -errno. */
int spool_common_group(int spool_fd, gid_t *gid);

/* The place of a folder, or NULL. */
const struct place *spool_map_find(const struct spool_map *map, enum folder folder, const char *connector);

/* The folder and connector that a path with '+' for '/' (a sub-folder of Hold, an exported folder) stands for.
 */
bool place_unflatten(const struct spool_map *map, const char *flat, enum folder *folder,
                     const char **connector);

/* Writes the flattened form of a folder's path. */
void place_flatten(const struct place *place, char flat[SPOOL_PATH_MAX]);

/* Descriptors of files that were read, which follow one another: closed by one call for many. */
struct spool_walked {
    int first, n;
};

struct message {
    const struct spool_map *map;
    const struct place *place;
    const char *name;
    struct queue_name parts;
    uint64_t inode;
    bool locked;
    int64_t now_s;
    bool has_stat, has_file; /* whether the following are valid */
    struct stat stat;
    struct queue_file file;
    const struct recipient **recipients; /* those a listing shows: not yet settled here, or all where all are */
    size_t n_recipients;
    bool damaged; /* the file could not be read: `why` */
    struct why why;
    struct span signature; /* of Badmail: see badmail.h */
    struct span stage, bad_reason;
    struct arena *arena;
    struct spool_walked *walked; /* files to be closed, or NULL: at once */
};

/* Since acceptance, in seconds; 0 where the clock was ahead then. */
int64_t message_age_s(const struct message *message);

/* Called for each message that matches; false ends the walk. */
typedef bool message_each(struct message *message, void *arg);

/* Walks. `only`: FOLDER_COUNT, or the one kind of folder to look at. Messages have what `cost` pays for.
 * Returns the number of messages that matched. */
size_t spool_walk(const struct spool_map *map, enum folder only, const struct filter *filter,
                  enum field_cost cost, message_each *each, void *arg);

/* The same by `n` threads, the caller among them, which share the messages out: `each` is called by each with the one of
 * `args` that is its own, and returns true. For counting and adding up; the order is anyhow. */
size_t spool_walk_team(const struct spool_map *map, enum folder only, const struct filter *filter,
                       enum field_cost cost, message_each *each, void *const *args, size_t n);

/* Loads just what `cost` names: the stat, or the file (in a folder without envelopes the stat). False where it has gone. */
bool message_load(struct message *message, enum field_cost cost);

/* Fields of a message: filters, columns, sorting. */
extern const struct field message_fields[];
extern const size_t message_field_count;
field_get message_get;

/* "in", "out" or "", and the word for a folder's state: "deferred". */
const char *folder_direction(enum folder folder);
const char *folder_state(enum folder folder);

/* Whether a folder holds queue files whose envelope can be read. */
static inline bool
folder_has_envelopes(enum folder folder)
{
    return folder_table[folder].kind == KIND_QUEUE;
}

/* Checks that `connector=` names some that there are, in a filter that knows the field. 0 or EXIT_USAGE after saying why. */
int filter_check_connectors(const struct command *command, const struct filter *filter);

/* The connector of --connector: true where there is one (or none was asked for), else says that there is not. */
bool command_has_connector(const struct command *command);

/* Parses operands as a filter on messages. 0 or EXIT_USAGE after saying why. */
int message_filter(const struct command *command, size_t first, struct filter *filter);

#endif
