/* command.h - what the chapters of `viaduct` share: the table of verbs, options, the open spool, exit codes
 *
 * main() finds the verb in the table (commands.def), reads the options it takes, opens what it needs and calls
 * its function, which answers with an exit code. Everything is read from files and done by renames, so it works
 * with the daemons stopped. Messages to a person go to stderr through command_fail(); they name the object, the
 * reason and what to do.
 *
 * What is hostile here: the contents of the spool (queue files, state files, names), never the operator.
 */
#ifndef VIADUCT_COMMAND_H
#define VIADUCT_COMMAND_H

#include "common/buf.h"
#include "conf/conf.h"
#include "spool-layout/layout.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOTHING = 1, /* ran well, but nothing matched or some failed */
    EXIT_USAGE = 2,
    EXIT_CONFIG = 3,
    EXIT_NOT_RUNNING = 4,
    EXIT_PERMISSION = 5,
    EXIT_REFUSED = 6, /* by a guard */
    EXIT_UNREACHABLE = 7,
    EXIT_BUG = 70
};

enum option {
#define OPTION(symbol, name, letter, value, help) OPTION_##symbol,
#include "commands/commands.def"
    OPTION_COUNT
};

struct option_row {
    const char *name;
    char letter;
    const char *value; /* NULL for a flag; "[=X]" for one that may have a value */
    const char *help;
};

/* NEEDS_SPOOL: what lies there can be shown without a configuration, or with one that is broken (root: NULL). NEEDS_BOTH: the
 * configuration too, and a valid one. */
enum needs { NEEDS_NOTHING, NEEDS_CONFIG, NEEDS_SPOOL, NEEDS_BOTH };

struct command;

struct verb {
    const char *noun, *name; /* name "": the noun is the verb */
    int (*run)(struct command *command);
    enum needs needs;
    uint64_t options; /* a bit for each */
    const char *operands, *help;
};

extern const struct option_row option_table[OPTION_COUNT];
extern const struct verb verb_table[];
extern const size_t verb_count;

/* The bit of an option, and those that every verb takes. */
#define O(symbol)      (UINT64_C(1) << OPTION_##symbol)
#define COMMON_OPTIONS (O(CONFIG) | O(SPOOL) | O(HELP))

/* The one noun, or verb of a noun of the table, that begins with `word`: an exact one wins. NULL with `*count` of
 * candidates. */
const char *command_find_noun(struct span word, size_t *count);
const struct verb *command_find_verb(const char *noun, struct span word, size_t *count);

/* One call of the command. */
struct command {
    const struct verb *verb;
    const char *values[OPTION_COUNT]; /* NULL: not given; "" for a flag; the last one where it was repeated */
    const char **rcpts;               /* every --rcpt */
    size_t n_rcpts;
    char **operands;
    size_t n_operands;
    const char *conf_path;
    struct conf *conf;            /* NULL where it could not be read, or was not needed */
    const struct conf_root *root; /* of it */
    const char *spool_path;
    int spool_fd; /* -1 where not opened */
    bool offline; /* the daemons do not run */
};

static inline bool
command_has(const struct command *command, enum option option)
{
    return command->values[option] != NULL;
}

/* Prints "viaduct: ..." to stderr and returns `code`. */
int command_fail(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a failed system call: EACCES and EPERM give EXIT_PERMISSION and a word of help, others
 * EXIT_NOTHING. */
int command_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says that a file or folder of the spool may not be read by this user: once, the first one, and after that
 * command_was_denied() makes the exit code EXIT_PERMISSION whatever else the verb answers. For any thread. */
int command_deny(int error, const char *folder, const char *name);
bool command_was_denied(void);

/* Whether this user may read what lies in a folder that there is one of (with sub-folders: the book). 0, or
 * EXIT_PERMISSION after naming the first file. A folder that is not there is no error here. */
int command_check_readable(const struct command *command, enum folder folder);

/* Opens the folder of the tracking log, after that check. 0, or an exit code after saying what is wrong. */
int command_open_track(const struct command *command, int *folder_fd);

/* Usage error of the command's verb. */
int command_usage(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --limit, or SIZE_MAX; false after a usage error. */
bool command_limit(const struct command *command, size_t *limit);

/* --since in milliseconds since 1970, or 0. 0, or EXIT_USAGE after saying what it wants. */
int command_since(const struct command *command, int64_t *since_ms);

/* Who runs it, for journals and holds: the login of the real user, else "uid N". */
const char *command_who(void);

/* " (offline)" while the daemons are stopped, else "". */
const char *command_offline(const struct command *command);

/* Asks a yes-or-no question on the terminal. Without a terminal, or with another answer than yes, false. --yes:
 * true. */
bool command_confirm(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The program's own functions, one for each verb. */
#define VERB(noun, verb, function, needs, options, operands, help) int function(struct command *command);
#include "commands/commands.def"

/* Reads the configuration at conf_path. 0, or an exit code after saying what is wrong with it. */
int command_read_conf(struct command *command);

/* Chooses a verb by its noun and opens what it needs, for links. Returns 0 or an exit code. */
int command_prepare(struct command *command, const char *noun);

/* The link viaduct-qshape: takes qshape's own options. */
int qshape_main(struct command *command, int argc, char **argv);

/* Colours: the sequences, or "" where they are not wanted (no terminal, NO_COLOR). */
enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_BOLD, COLOUR_DIM };
const char *colour_on(enum colour colour);

/* Times for people and programs. */
void print_age(int64_t seconds, char text[24]);                /* "3d4h", "12m", "5s" */
void print_time(int64_t time_s, char text[32]);                /* RFC 3339, UTC, seconds */
void print_time_ms(int64_t time_ms, char text[40]);            /* with milliseconds */
void print_bytes(uint64_t bytes, char text[24]);               /* "4.0K" */
bool parse_duration(const char *text, int64_t *seconds);       /* 30, 30s, 5m, 2h, 3d, 1w */
bool parse_size(const char *text, int64_t *bytes);             /* 512, 10K, 25M, 1G */
bool parse_when(const char *text, bool past, int64_t *time_s); /* a duration from now (or ago), or RFC 3339 */

#endif
