/* conf.h - the configuration: viaduct.conf read, checked, and handed on
 *
 * config.def declares every section and option; this file turns it into one struct per section. A loaded
 * configuration is never changed: a reload loads another one.
 *
 * The master loads the file (conf_load), and hands workers a snapshot (conf_print, given to them as a file in
 * memory, read with conf_read): so all workers of one generation see the same configuration, and one that is
 * restarted does not meet a file that somebody is editing.
 */
#ifndef VIADUCT_CONF_H
#define VIADUCT_CONF_H

#include "common/base.h"
#include "common/buf.h"

struct conf_texts {
    const char **at;
    size_t n;
};

/* Where an option or section stands, for messages. `file` is owned by the configuration. */
struct conf_place {
    const char *file;
    int line;
};

#define CONF_C_TEXT   const char *
#define CONF_C_TEXTS  struct conf_texts
#define CONF_C_CHOICE const char *
#define CONF_C_BOOL   bool
#define CONF_C_NUMBER long
#define CONF_C_BYTES  uint64_t
#define CONF_C_TIME   int64_t
#define CONF_C_TIME0  int64_t
#define CONF_C_FILE   const char *
#define CONF_C_FILES  struct conf_texts
#define CONF_C_FOLDER const char *
#define CONF_C_SECRET const char *

/* Every section: `title` ("" where it has none), `set` (it stands in the file), `place`, then its members. MANY
 * and SERIES members are `struct conf_X *member; size_t member_n;`. */
#define SECTION(symbol, name, help)                                                                            \
    struct conf_##symbol {                                                                                     \
        const char *title;                                                                                     \
        bool set;                                                                                              \
        struct conf_place place;
#define OPTION(member, kind, name, standard, help) CONF_C_##kind member;
#define ONE(member, section, name, help)           struct conf_##section member;
#define MANY(member, section, name, help)                                                                      \
    struct conf_##section *member;                                                                             \
    size_t member##_n;
#define SERIES(member, section, name, help) MANY(member, section, name, help)
#define END()                                                                                                  \
    }                                                                                                          \
    ;
#include "conf/config.def"

struct conf;

/* Reads and checks a file and what it includes; not from two threads at a time. Returns NULL on error. All
 * errors found are added to `errors`, one a line, as "FILE:LINE: message", with a "did you mean" where a name
 * is misspelt; `errors` may be NULL. At most 50 are shown. Files are looked for beside the file that names
 * them, and their names made absolute. A file has at most 4 MiB with all that it includes (include("FILE"), 8
 * deep at most). Checks: unknown and repeated options and titles, wrong units and ranges, unquoted `;`, missing
 * needed options, references to schedules, connectors and directories that do not exist, unreadable files,
 * secrets that others can read, connector names that cannot be a folder's ("host" is taken), two listeners on
 * one address. */
struct conf *conf_load(const char *path, struct buf *errors);

/* The same from text (64 MiB at most): a snapshot made by conf_print(). `name` stands in messages. Files named
 * in it are not opened. */
struct conf *conf_read(const char *name, struct span text, struct buf *errors);

/* Adds "FILE:LINE: message" with the line of an option, or of its section where the option does not stand in the file: for
 * whoever finds out more about a configuration than its words tell. */
void conf_complain(const struct conf *conf, const void *member, const struct conf_place *section,
                   struct buf *errors, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Frees a configuration; NULL is allowed. */
void conf_free(struct conf *conf);

/* The root section; owned by the configuration. */
const struct conf_root *conf_root(const struct conf *conf);

/* Prints the effective configuration in the file's own syntax: all options, or those that differ from their
 * defaults. Sections that do not stand in the file appear as comments, with their defaults. conf_read() of the
 * result gives an equal configuration. */
void conf_print(const struct conf *conf, bool changed_only, struct buf *out);

/* An option with its value, as `config show` lists them. */
struct conf_setting {
    const char *key;                /* dotted, with titles: connector.groupwise.peer.root */
    const char *value;              /* in the file's syntax */
    bool standard;                  /* it is the default */
    const struct conf_place *place; /* where it was set; NULL: nowhere */
};

/* Calls `each` for every option that has a value, or with `changed_only` those that differ from their defaults, in the
 * order of conf_print(), until it returns false. Sections that do not stand in the file are left out. What it is given
 * is valid during the call. */
void conf_each(const struct conf *conf, bool changed_only,
               bool (*each)(const struct conf_setting *setting, void *arg), void *arg);

/* `config explain KEY`: kind, default, range, help and the value in force for a dotted key
 * ("connector.retry.first", or the last part alone, or a section). Returns the number of options explained; 0
 * adds a "did you mean" line. `conf` may be NULL: then no values are shown. */
int conf_explain(const struct conf *conf, const char *key, struct buf *out);

/* The options as a manual page's body (mdoc) and as a commented sample file: what `make` calls to generate
 * both. */
void conf_print_manual(struct buf *out);
void conf_print_sample(struct buf *out);

/* A connector by name. "host" gives NULL, as does an unknown name. */
const struct conf_connector *conf_connector_find(const struct conf_root *root, const char *name);

/* True where a sending schedule ("always", "never", or a schedule's name) is open at this time (seconds since
 * 1970; windows are local time). A schedule without windows is never open; NULL is always. */
bool conf_schedule_open(const struct conf_root *root, const char *schedule, int64_t now_s);

/* When a run by this schedule is next due: the first of its `at` times (local time) behind `after_s`, or
 * `every` after it, whichever comes first, in seconds since 1970. -1 where it names no such time ("never",
 * "always", a schedule of windows only, an unknown name). `after_s` is the time of the run before. */
int64_t conf_schedule_next(const struct conf_root *root, const char *schedule, int64_t after_s);

/* Whether dirsync builds the address book: of sources, or of the host's directories. */
static inline bool
conf_makes_book(const struct conf_root *root)
{
    return root->book.source.n > 0 || root->host.directories_n > 0;
}

#endif
