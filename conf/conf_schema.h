/* conf_schema.h - config.def as tables, and what the chapters of the configuration share
 *
 * Private to conf/. The tables let one walk serve the parser, the defaults, the printer, `config explain` and
 * the manual: a section is a `struct conf_schema`, each line of it a `struct conf_item` with the offset of its
 * member.
 */
#ifndef VIADUCT_CONF_SCHEMA_H
#define VIADUCT_CONF_SCHEMA_H

#include "common/arena.h"
#include "conf/conf.h"

enum conf_what { CONF_OPTION, CONF_ONE, CONF_MANY, CONF_SERIES };

enum conf_kind {
    CONF_TEXT,
    CONF_TEXTS,
    CONF_CHOICE,
    CONF_BOOL,
    CONF_NUMBER,
    CONF_BYTES,
    CONF_TIME,
    CONF_TIME0,
    CONF_FILE,
    CONF_FILES,
    CONF_FOLDER,
    CONF_SECRET
};

struct conf_schema;

/* One line of config.def. `standard` is an option's default as text, `section` a sub-section's schema (NULL for
 * an option), `n_offset` where the count of a MANY or SERIES stands. */
struct conf_item {
    enum conf_what what;
    enum conf_kind kind;
    const char *name, *standard, *help;
    size_t offset, n_offset;
    const struct conf_schema *(*section)(void);
};

struct conf_schema {
    const char *name, *help;
    const struct conf_item *items;
    size_t n;          /* items */
    size_t size_bytes; /* of its struct */
};

/* The schema of the whole file. */
const struct conf_schema *conf_schema_root(void);

/* An item by its name in the file, or NULL. */
const struct conf_item *conf_schema_find(const struct conf_schema *schema, struct span name);

/* The name of some section that knows this name, or NULL. */
const char *conf_schema_home(struct span name);

/* True where the option's value is a list. */
bool conf_item_is_list(const struct conf_item *item);

/* True where the section is followed by a title. */
static inline bool
conf_item_has_title(const struct conf_item *item)
{
    return item->what == CONF_MANY;
}

/* The head that all sections share, whatever their struct. */
const char **conf_section_title(void *section);
bool *conf_section_set(void *section);
struct conf_place *conf_section_place(void *section);

/* Sub-section number `i` of `section`, or NULL behind the last. */
void *conf_section_child(void *section, const struct conf_item *item, size_t i);

/* The nearest of several names by edit distance, for "did you mean". */
struct conf_nearest {
    const char *name; /* NULL where none is near enough */
    size_t distance;
};
void conf_nearest_offer(struct conf_nearest *nearest, struct span wanted, const char *name);

/* Errors: one line each, at most CONF_ERRORS_MAX of them, control bytes replaced. */
enum { CONF_ERRORS_MAX = 50 };
struct conf_errors {
    struct buf *out; /* NULL: only counted */
    int n;
};
void conf_error(struct conf_errors *errors, const struct conf_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds "FILE:LINE: TEXT; did you mean NAME?", the question only where there is a name. */
void conf_error_nearest(struct conf_errors *errors, const struct conf_place *place,
                        const struct conf_nearest *near, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Where a member was set, found by its address (stable, since sections are laid out once). */
struct conf_origin {
    const void *member;
    struct conf_place place;
};

struct conf {
    struct arena *arena;
    struct conf_root root;
    struct conf_origin *origins; /* in the order of filling: by section */
    size_t origins_n, origins_size;
};

NEW_MEMORY void *conf_alloc(struct conf *conf, size_t size) __attribute__((alloc_size(2)));
const char *conf_copy(struct conf *conf, struct span text) __attribute__((returns_nonnull));

/* The place of an option that stands in the file, or NULL where its default holds. */
const struct conf_place *conf_origin(const struct conf *conf, const void *member);

/* Values (conf_value.c). `texts` has exactly one text for what is no list. */
int conf_value_parse(struct conf *conf, const struct conf_item *item, const struct conf_texts *texts,
                     void *member, struct why *why);
void conf_value_default(struct conf *conf, const struct conf_item *item, void *member);

/* The value as it stands in a file; nothing where it is not set. */
void conf_value_print(const struct conf_item *item, const void *member, struct buf *out);

/* True where the value prints as its default does. */
bool conf_value_is_default(const struct conf_item *item, const void *member);

/* A default as it would stand in a file; nothing where there is none. */
void conf_value_print_default(const struct conf_item *item, struct buf *out);

/* A number with a unit: 30, 30s, 5m, 2h, 3d, 1w in seconds; 512, 10K, 25M, 1G, 1T in bytes. False for anything
 * else, and beyond a hundred years or 2^50 bytes. */
bool conf_time_parse(struct span text, int64_t *seconds);
bool conf_bytes_parse(struct span text, int64_t *bytes);

/* "5m", "2h" */
void conf_value_print_time(int64_t seconds, struct buf *out);

/* What may be given, in words: "a number from 1 to 100", "one of text, json". */
void conf_value_print_range(const struct conf_item *item, struct buf *out);

/* Files named by options (conf_file.c). */
const char *conf_file_resolve(struct conf *conf, const char *beside, const char *path);
int conf_file_check(enum conf_kind kind, const char *path, struct why *why);

/* The guard before the parser (conf_scan.c, conf_token.c): which sections and options stand where. */
struct conf_seen {
    bool set;
    struct conf_place place;
    struct conf_scanned *first, *last; /* of a section */
    size_t n;
    struct conf_scanned **index; /* those with a title, by its hash: open addressing, half full at most */
    size_t index_size;
};
struct conf_scanned {
    const struct conf_schema *schema;
    struct conf_place place;
    struct span title;
    struct conf_seen *seen; /* one for each item of the schema */
    struct conf_scanned *next;
};

/* Scans `text` and, where `includes` is true, what it includes. Adds to `clean` the same statements with
 * neither comments, includes nor anything that was reported. Returns the root, or NULL where the text cannot be
 * understood further. */
struct conf_scanned *conf_scan(struct conf *conf, const char *name, struct span text, bool includes,
                               struct buf *clean, struct conf_errors *errors);

/* Reads a whole file of at most CONF_SIZE_MAX bytes. A snapshot shows all defaults, so it may be larger than
 * what people write. */
enum { CONF_SIZE_MAX = 4 * 1024 * 1024, CONF_SNAPSHOT_MAX = 64 * 1024 * 1024 };
int conf_file_slurp(const char *path, struct buf *out, struct why *why);

/* What no single option can tell (conf_check.c). */
void conf_check(const struct conf *conf, struct conf_errors *errors);

/* Schedules and what runs by them (conf_check_times.c); a reference by which mail is sent. */
void conf_check_times(const struct conf *conf, struct conf_errors *errors);
void conf_check_sending(const struct conf *conf, struct conf_errors *errors, const char *const *schedule,
                        const struct conf_place *section);

/* A schedule by its name, or NULL after an error with a "did you mean". */
const struct conf_schedule *conf_find_schedule(const struct conf *conf, struct conf_errors *errors,
                                               const char *name, const struct conf_place *place);

/* Directories and dirsyncs (conf_check_directory.c). */
void conf_check_directories(const struct conf *conf, struct conf_errors *errors);

/* Recipient policies, and filters (conf_check_policy.c). */
void conf_check_policies(const struct conf *conf, struct conf_errors *errors);

/* Addresses, networks and next hops (conf_check_net.c). */
void conf_check_net(const struct conf *conf, struct conf_errors *errors);

/* The place to blame for a member: its own, or its section's where the default holds. */
const struct conf_place *conf_blame(const struct conf *conf, const void *member,
                                    const struct conf_place *section);

/* What certificate, key and pins of a tls section must be, wherever it stands. */
void conf_check_tls(const struct conf *conf, struct conf_errors *errors, const struct conf_tls *tls);

/* Schedules as text (conf_schedule.c): minutes of the day; `day` is 0 (Sunday) to 6, or -1 for every day. `to`
 * may be smaller than `from`: the window then ends on the next day. */
struct conf_window {
    int day, from, to;
};
bool conf_schedule_parse_at(struct span text, struct conf_window *window);
bool conf_schedule_parse_during(struct span text, struct conf_window *window);

#endif
