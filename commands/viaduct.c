/* viaduct.c - the operator's command: finds the verb, reads its options, opens what it needs
 *
 *     viaduct [-c FILE] NOUN [VERB] [OPERAND...] [options]
 *
 * Nouns, verbs and options may be shortened as long as they stay unambiguous. The table is commands.def; help
 * is made of it. Links named viaduct-mailq and viaduct-qshape behave as their names say.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/command.h"
#include "commands/master.h"
#include "conf/conf_schema.h"

#ifndef VIADUCT_SYSCONFDIR
#define VIADUCT_SYSCONFDIR "/etc"
#endif

const struct option_row option_table[OPTION_COUNT] = {
#define OPTION(symbol, name, letter, value, help) [OPTION_##symbol] = {name, letter, value, help},
#include "commands/commands.def"
};

const struct verb verb_table[] = {
#define VERB(noun, verb, function, needs, options, operands, help)                                             \
    {noun, verb, function, NEEDS_##needs, options, operands, help},
#include "commands/commands.def"
};
const size_t verb_count = COUNT_OF(verb_table);

/* ---- the verb ---- */

const char *
command_find_noun(struct span word, size_t *count)
{
    const char *found = NULL;
    *count = 0;
    for (size_t i = 0; i < verb_count; i++) {
        struct span noun = span_of(verb_table[i].noun);
        if (span_equal(noun, word)) {
            *count = 1;
            return verb_table[i].noun;
        }
        if (verb_table[i].help == NULL || !span_starts_nocase(noun, word) ||
            (found != NULL && strcmp(found, verb_table[i].noun) == 0))
            continue;
        found = verb_table[i].noun;
        ++*count;
    }
    return *count == 1 ? found : NULL;
}

const struct verb *
command_find_verb(const char *noun, struct span word, size_t *count)
{
    const struct verb *found = NULL;
    *count = 0;
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *verb = &verb_table[i];
        if (strcmp(verb->noun, noun) != 0)
            continue;
        if (span_equal(span_of(verb->name), word)) {
            *count = 1;
            return verb;
        }
        if (verb->help == NULL || !span_starts_nocase(span_of(verb->name), word))
            continue;
        found = verb;
        ++*count;
    }
    return *count == 1 ? found : NULL;
}

/* `noun` is one of the table. */
static const struct verb *
first_verb(const char *noun)
{
    size_t i = 0;
    while (i < verb_count && strcmp(verb_table[i].noun, noun) != 0)
        i++;
    BUG_UNLESS(i < verb_count);
    return &verb_table[i];
}

/* A word that could be a verb: letters only, which no filter and no id is; `all` is a filter. */
static bool
looks_like_verb(const char *word)
{
    return word[0] != '\0' && strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word) &&
           strcmp(word, "all") != 0;
}

static int
no_such(const char *noun, const char *word, size_t count)
{
    struct conf_nearest near = {0};
    for (size_t i = 0; i < verb_count; i++)
        if (verb_table[i].help != NULL && (noun == NULL || strcmp(noun, verb_table[i].noun) == 0))
            conf_nearest_offer(&near, span_of(word), noun == NULL ? verb_table[i].noun : verb_table[i].name);
    if (count > 1)
        return command_fail(EXIT_USAGE, "\"%s\" is ambiguous; `viaduct help%s%s` lists the commands", word,
                            noun != NULL ? " " : "", noun != NULL ? noun : "");
    if (near.name != NULL)
        return command_fail(EXIT_USAGE, "there is no command \"%s%s%s\"; did you mean \"%s\"?",
                            noun != NULL ? noun : "", noun != NULL ? " " : "", word, near.name);
    return command_fail(EXIT_USAGE, "there is no command \"%s%s%s\"; `viaduct help%s%s` lists them",
                        noun != NULL ? noun : "", noun != NULL ? " " : "", word, noun != NULL ? " " : "",
                        noun != NULL ? noun : "");
}

/* Finds the verb in the first operands and takes them off. NULL where there is none, which it says; the exit code is then
 * in `*code`. */
static const struct verb *
choose_verb(struct command *command, int *code)
{
    size_t count;
    const char *noun = command_find_noun(span_of(command->operands[0]), &count);
    if (noun == NULL) {
        *code = no_such(NULL, command->operands[0], count);
        return NULL;
    }
    command->operands++;
    command->n_operands--;
    const struct verb *first = first_verb(noun);
    if (command->n_operands == 0 || !looks_like_verb(command->operands[0]))
        return first;
    const struct verb *verb = command_find_verb(noun, span_of(command->operands[0]), &count);
    if (verb == NULL && first->name[0] == '\0')
        return first; /* a noun that does something itself: an operand */
    if (verb == NULL) {
        *code = no_such(noun, command->operands[0], count);
        return NULL;
    }
    command->operands++;
    command->n_operands--;
    return verb;
}

/* ---- options ---- */

static int
bad_option(const char *name, size_t len, size_t count)
{
    struct conf_nearest near = {0};
    for (size_t i = 0; i < OPTION_COUNT; i++)
        conf_nearest_offer(&near, (struct span){name, len}, option_table[i].name);
    if (count > 1)
        return command_fail(EXIT_USAGE, "the option --%.*s is ambiguous", (int)len, name);
    if (near.name != NULL)
        return command_fail(EXIT_USAGE, "there is no option --%.*s; did you mean --%s?", (int)len, name,
                            near.name);
    return command_fail(EXIT_USAGE, "there is no option --%.*s", (int)len, name);
}

static enum option
find_long(struct span name, size_t *count)
{
    enum option found = OPTION_COUNT;
    *count = 0;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        struct span other = span_of(option_table[i].name);
        if (!span_starts_nocase(other, name))
            continue;
        found = (enum option)i;
        ++*count;
        if (other.len == name.len) {
            *count = 1;
            break;
        }
    }
    return *count == 1 ? found : OPTION_COUNT;
}

static void
keep_value(struct command *command, enum option option, const char *value)
{
    command->values[option] = value;
    if (option == OPTION_RCPT)
        command->rcpts[command->n_rcpts++] = value;
}

/* One option at argv[*at]; its value may be the next word. */
static int
take_option(struct command *command, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *value = NULL;
    enum option option = OPTION_COUNT;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "="), count;
        option = find_long((struct span){word + 2, len}, &count);
        if (option == OPTION_COUNT)
            return bad_option(word + 2, len, count);
        value = word[2 + len] == '=' ? word + 3 + len : NULL;
    } else {
        for (unsigned i = 0; i < OPTION_COUNT && option == OPTION_COUNT; i++)
            if (option_table[i].letter != 0 && option_table[i].letter == word[1])
                option = (enum option)i;
        if (option == OPTION_COUNT || (word[2] != '\0' && option_table[option].value == NULL))
            return command_fail(EXIT_USAGE, "there is no option %s; `viaduct help` tells which there are",
                                word);
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    const char *wants = option_table[option].value;
    if (wants == NULL && value != NULL)
        return command_fail(EXIT_USAGE, "the option --%s has no value", option_table[option].name);
    if (wants != NULL && wants[0] != '[' && value == NULL) {
        if (*at + 1 >= argc)
            return command_fail(EXIT_USAGE, "the option --%s wants %s", option_table[option].name, wants);
        value = argv[++*at];
    }
    keep_value(command, option, value != NULL ? value : "");
    return 0;
}

/* Parts options from operands; "--" ends options. */
static int
take_words(struct command *command, int argc, char **argv)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            int r = take_option(command, argc, argv, &i);
            if (r != 0)
                return r;
        } else {
            command->operands[command->n_operands++] = argv[i];
        }
    }
    return 0;
}

/* How many operands the table gives a verb; SIZE_MAX where dots say that the last may be repeated. Options that stand among
 * them are none. */
static size_t
most_operands(const struct verb *verb)
{
    size_t n = 0;
    for (const char *at = verb->operands; *at != '\0' && *at != '-';) {
        size_t len = strcspn(at, " ");
        if (memmem(at, len, "...", 3) != NULL)
            return SIZE_MAX;
        n++;
        at += len + (at[len] == ' ');
    }
    return n;
}

/* A word that a verb would pass over may be what its user relies on: `stop branch` must not stop everything. */
static int
check_operands(const struct command *command)
{
    size_t most = most_operands(command->verb);
    if (command->n_operands <= most || command->verb->run == completion_print)
        return 0;
    return command_usage(command, "what is \"%s\"? It takes %s", command->operands[most],
                         most == 0 ? "no operand" : "no more operands");
}

static int
check_options(const struct command *command)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (command->values[i] != NULL && ((command->verb->options | COMMON_OPTIONS) >> i & 1) == 0)
            return command_usage(command, "the option --%s does not go with it", option_table[i].name);
    return 0;
}

/* ---- what the verb needs ---- */

int
command_read_conf(struct command *command)
{
    struct buf errors = {0};
    if (access(command->conf_path, R_OK) < 0)
        return errno == EACCES
                   ? command_fail_errno(errno, "the configuration %s", command->conf_path)
                   : command_fail(EXIT_CONFIG, "the configuration %s: %s; name another one with -c FILE",
                                  command->conf_path, strerror(errno));
    command->conf = conf_load(command->conf_path, &errors);
    if (errors.len > 0)
        fputs(errors.at, stderr);
    buf_clear(&errors);
    if (command->conf == NULL)
        return command_fail(EXIT_CONFIG, "%s is not valid", command->conf_path);
    command->root = conf_root(command->conf);
    return 0;
}

/* The value of the line `spool = "..."`, allocated; NULL where there is none. */
static char *
spool_line(const char *line)
{
    static const char key[] = "spool";
    line += strspn(line, " \t");
    if (strncmp(line, key, sizeof key - 1) != 0)
        return NULL;
    line += sizeof key - 1;
    line += strspn(line, " \t");
    if (*line++ != '=')
        return NULL;
    line += strspn(line, " \t");
    size_t len = *line == '"' ? strcspn(line + 1, "\"\n") : 0;
    return len > 0 && line[1] == '/' && line[1 + len] == '"' ? xstrndup(line + 1, len) : NULL;
}

/* An operator who has just broken the configuration must still see what runs: the daemons keep the old one, and all that is
 * wanted of the file is where the spool is. Returns false where it does not say. */
static bool
go_on_with_spool(struct command *command)
{
    static char *found; /* values are kept by reference */
    FILE *file = fopen(command->conf_path, "re");
    char *line = NULL;
    size_t size = 0;
    while (file != NULL && found == NULL && getline(&line, &size, file) > 0)
        found = spool_line(line);
    free(line);
    if (file != NULL)
        fclose(file);
    if (found == NULL)
        return false;
    fprintf(stderr, "viaduct: going on without it, with the spool %s that it names\n", found);
    command->values[OPTION_SPOOL] = found;
    return true;
}

static int
load_conf(struct command *command)
{
    const char *path = command->values[OPTION_CONFIG];
    if (path == NULL)
        path = getenv("VIADUCT_CONF");
    command->conf_path = path != NULL && path[0] != '\0' ? path : VIADUCT_SYSCONFDIR "/viaduct/viaduct.conf";
    if (command->verb->needs == NEEDS_NOTHING)
        return 0;
    bool needed = command->verb->needs != NEEDS_SPOOL || command->values[OPTION_SPOOL] == NULL;
    if (!needed && command->values[OPTION_CONFIG] == NULL && access(command->conf_path, R_OK) < 0)
        return 0; /* a spool was named: its folders tell which connectors there are */
    int r = command_read_conf(command);
    if (r == EXIT_CONFIG && needed && command->verb->needs == NEEDS_SPOOL && go_on_with_spool(command))
        return 0;
    return needed || access(command->conf_path, R_OK) < 0 ? r : 0;
}

/* A folder that has not one of a spool's is not a spool that is empty. Whoever compares it with the declaration says what is
 * missing himself. */
static int
check_is_spool(const struct command *command)
{
    char path[SPOOL_PATH_MAX];
    struct stat st;
    if (command->verb->run == spool_check)
        return 0;
    for (unsigned f = 0; f < FOLDER_COUNT; f++)
        if (folder_path((enum folder)f, "host", path) == 0 &&
            (fstatat(command->spool_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
            return 0;
    return command_fail(EXIT_NOTHING,
                        "%s is no spool: it has none of a spool's folders; `viaduct spool create` makes them",
                        command->spool_path);
}

static int
open_spool(struct command *command)
{
    const char *path = command->values[OPTION_SPOOL];
    bool needed = command->verb->needs == NEEDS_SPOOL || command->verb->needs == NEEDS_BOTH;
    command->spool_path = path != NULL ? path : command->root != NULL ? command->root->spool : NULL;
    if (command->spool_path == NULL)
        return 0;
    command->spool_fd = open(command->spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (command->spool_fd >= 0) {
        int r = needed ? check_is_spool(command) : 0;
        if (r == 0 && needed)
            r = command_check_readable(command, FOLDER_STATE);
        command->offline = r == 0 && !master_runs(command->spool_fd, NULL);
        return r;
    }
    if (!needed)
        return 0;
    if (errno == ENOENT)
        return command_fail(EXIT_NOTHING, "the spool %s is not there; `viaduct spool create` makes it",
                            command->spool_path);
    return command_fail_errno(errno, "the spool %s", command->spool_path);
}

int
command_prepare(struct command *command, const char *noun)
{
    if (noun != NULL)
        command->verb = first_verb(noun);
    int r = check_options(command);
    if (r == 0)
        r = check_operands(command);
    if (r == 0)
        r = load_conf(command);
    return r == 0 ? open_spool(command) : r;
}

static int
run_verb(struct command *command)
{
    int r = command_prepare(command, NULL);
    if (r == 0)
        r = command->verb->run(command);
    if (command_was_denied() && (r == EXIT_DONE || r == EXIT_NOTHING || r == EXIT_NOT_RUNNING))
        r = EXIT_PERMISSION;
    if (fflush(stdout) != 0 && errno != EPIPE && r == 0)
        r = command_fail(EXIT_NOTHING, "standard output: %s", strerror(errno));
    return r;
}

static bool
called_as(const char *program, const char *name)
{
    const char *slash = strrchr(program, '/');
    return strcmp(slash != NULL ? slash + 1 : program, name) == 0;
}

static int
run_main(struct command *command, int argc, char **argv)
{
    if (called_as(argv[0], "viaduct-qshape"))
        return qshape_main(command, argc, argv);
    int r = take_words(command, argc, argv);
    if (r != 0)
        return r;
    if (called_as(argv[0], "viaduct-mailq")) {
        command->verb = first_verb("queue");
        return run_verb(command);
    }
    if (command->n_operands == 0 && command_has(command, OPTION_VERSION))
        return version_show(command);
    if (command->n_operands == 0) {
        r = help_show(command);
        return command_has(command, OPTION_HELP) ? r : EXIT_USAGE;
    }
    command->verb = choose_verb(command, &r);
    if (command->verb == NULL)
        return r;
    if (command_has(command, OPTION_HELP)) {
        static char *words[2];
        words[0] = xstrdup(command->verb->noun);
        words[1] = xstrdup(command->verb->name);
        command->operands = words;
        command->n_operands = command->verb->name[0] != '\0' ? 2 : 1;
        return help_show(command);
    }
    return run_verb(command);
}

int
main(int argc, char **argv)
{
    struct command command = {.spool_fd = -1};
    if (argc < 1)
        return EXIT_USAGE;
    command.operands = xcalloc((size_t)argc + 1, sizeof *command.operands);
    command.rcpts = xcalloc((size_t)argc + 1, sizeof *command.rcpts);
    char **operands = command.operands;
    int r = run_main(&command, argc, argv);
    conf_free(command.conf);
    if (command.spool_fd >= 0)
        close(command.spool_fd);
    free(command.rcpts);
    free(operands);
    return r;
}
