/* completion.c - what may stand next on a command line: `viaduct completion`
 *
 * The scripts for the shells are thin: they hand over the words so far, the last one being the one at the cursor, and show
 * what `completion words` answers. So all three know the same, and it comes from the tables: nouns, verbs, options and
 * operands of commands.def, folders of flow.def, fields of filters, connectors of the configuration.
 *
 * An answer is a line "WORD<tab>meaning"; the line ":files" or ":folders" leaves it to the shell.
 */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/connector.h"
#include "commands/spool_walk.h"
#include "commands/track_balance.h"
#include "common/log.h"

/* What was read of the line, and the word to complete. */
struct line {
    struct command *command;
    const struct verb *first, *verb; /* of the noun, and the one said or meant; NULL: no noun yet */
    bool named;                      /* the verb was said */
    size_t n_operands;               /* behind noun and verb */
    const char *noun_operand;        /* the first of them */
    enum option awaits;              /* the word is this option's value; OPTION_COUNT: of none */
    const char *word, *before;       /* what stands before the part to complete: "connector=", "--to=", "id," */
    size_t before_len;
};

static void
offer(const struct line *line, const char *word, const char *end, const char *meaning)
{
    struct span whole = span_of(word);
    if (span_starts_nocase(whole, span_of(line->word)))
        printf("%.*s%s%s\t%s\n", (int)line->before_len, line->before, word, end, meaning);
}

/* ---- words of the tables ---- */

static void
offer_nouns(const struct line *line)
{
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *verb = &verb_table[i];
        bool first = verb->help != NULL;
        for (size_t k = 0; first && k < i; k++)
            first = verb_table[k].help == NULL || strcmp(verb_table[k].noun, verb->noun) != 0;
        if (first)
            offer(line, verb->noun, "", verb->help);
    }
}

static void
offer_verbs(const struct line *line, const char *noun)
{
    for (size_t i = 0; i < verb_count; i++)
        if (verb_table[i].help != NULL && verb_table[i].name[0] != '\0' &&
            strcmp(verb_table[i].noun, noun) == 0)
            offer(line, verb_table[i].name, "", verb_table[i].help);
}

static void
offer_options(const struct line *line)
{
    uint64_t known = line->verb != NULL ? line->verb->options | COMMON_OPTIONS : COMMON_OPTIONS | O(VERSION);
    char name[40];
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        snprintf(name, sizeof name, "--%s", option_table[i].name);
        if (known >> i & 1)
            offer(line, name, "", option_table[i].help);
    }
}

static void
offer_connectors(const struct line *line)
{
    struct command *command = line->command;
    if (command->conf == NULL && command->conf_path != NULL)
        command->conf = conf_load(command->conf_path, NULL);
    offer(line, "host", "", "the host organisation");
    for (size_t i = 0; command->conf != NULL && i < conf_root(command->conf)->connectors_n; i++)
        offer(line, conf_root(command->conf)->connectors[i].title, "", "connector");
}

static void
offer_folders(const struct line *line)
{
    for (unsigned f = 0; f < FOLDER_COUNT; f++)
        if (f == FOLDER_HOLD || folder_table[f].kind == KIND_QUEUE || folder_table[f].kind == KIND_READY)
            offer(line, folder_name((enum folder)f), "", folder_table[f].meaning);
}

static void
offer_states(const struct line *line)
{
    for (unsigned f = 0; f < FOLDER_COUNT; f++) {
        const char *state = folder_state((enum folder)f);
        bool first = state[0] != '\0';
        for (unsigned k = 0; first && k < f; k++)
            first = strcmp(folder_state((enum folder)k), state) != 0;
        if (first)
            offer(line, state, "", "state");
    }
}

/* ---- columns and filters ---- */

/* The fields that the verb filters by, or shows; NULL where it has a table of its own. */
static const struct field *
fields_of(const struct verb *verb, size_t *n)
{
    *n = 0;
    if (verb == NULL)
        return NULL;
    if (strcmp(verb->noun, "track") == 0) {
        *n = track_field_count;
        return track_fields;
    }
    if (strcmp(verb->noun, "connector") == 0) {
        *n = CF_COUNT;
        return connector_fields;
    }
    bool messages = strstr(verb->operands, "FILTER") != NULL && strstr(verb->noun, "shape") == NULL &&
                    strcmp(verb->name, "shape") != 0;
    *n = messages ? message_field_count : 0;
    return messages ? message_fields : NULL;
}

/* The part behind the last sign is what is completed. */
static void
step_behind(struct line *line, const char *sign)
{
    line->before = line->word;
    line->before_len = (size_t)(sign + 1 - line->word);
    line->word = sign + 1;
}

static void
offer_filter(struct line *line)
{
    size_t n;
    const struct field *fields =
        strcmp(line->verb->noun, "track") == 0 ? fields_of(line->verb, &n) : message_fields;
    n = fields == message_fields ? message_field_count : n;
    const char *sign = strpbrk(line->word, "=<>~");
    if (sign == NULL) {
        for (size_t i = 0; i < n; i++)
            offer(line, fields[i].name, "=", fields[i].help);
        return;
    }
    struct span name = {line->word, (size_t)(sign - line->word)};
    step_behind(line, sign);
    if (*sign != '=')
        return;
    if (span_equal(name, SPAN("connector")) || span_equal(name, SPAN("origin")))
        offer_connectors(line);
    else if (span_equal(name, SPAN("folder")))
        offer_folders(line);
    else if (span_equal(name, SPAN("state")))
        offer_states(line);
    for (size_t i = 0; i < TRACK_COUNT && span_equal(name, SPAN("event")); i++)
        offer(line, track_event_names[i], "", "event");
    for (size_t i = 0; i < 2 && span_equal(name, SPAN("dir")); i++)
        offer(line, i == 0 ? "in" : "out", "", "direction");
}

static void
offer_columns(struct line *line, bool list)
{
    size_t n;
    const struct field *fields = fields_of(line->verb, &n);
    const char *comma = list ? strrchr(line->word, ',') : NULL;
    if (comma != NULL) {
        const char *before = line->before;
        size_t len = line->before_len;
        step_behind(line, comma);
        if (len > 0) { /* "--columns=id," : both stand in one word */
            line->before = before;
            line->before_len = (size_t)(comma + 1 - before);
        }
    }
    for (size_t i = 0; i < n; i++)
        offer(line, fields[i].name, "", fields[i].help);
}

/* ---- values and operands ---- */

static void
offer_types(const struct line *line)
{
    offer(line, "SMTP", "", "the host's type");
    offer_connectors(line);
}

static void
offer_value(struct line *line)
{
    static const char *const by[] = {"domain", "sender", "connector", "reason", "folder"};
    switch (line->awaits) {
    case OPTION_CONFIG:
        printf(":files\n");
        break;
    case OPTION_SPOOL:
        printf(":folders\n");
        break;
    case OPTION_CONNECTOR:
        offer_connectors(line);
        break;
    case OPTION_TO:
    case OPTION_FROM:
        if (line->verb != NULL && strcmp(line->verb->noun, "address") == 0)
            offer_types(line);
        else
            offer_connectors(line);
        break;
    case OPTION_BY:
        for (size_t i = 0; i < COUNT_OF(by); i++)
            offer(line, by[i], "", "count by");
        break;
    case OPTION_DIRECTION:
        offer(line, "in", "", "from the system");
        offer(line, "out", "", "to the system");
        break;
    case OPTION_COLUMNS:
    case OPTION_SORT:
        offer_columns(line, line->awaits == OPTION_COLUMNS);
        break;
    default: /* a time, a number, an address, words */
        break;
    }
}

/* One alternative of an operand as commands.def writes it: a word in small letters is itself. */
static void
offer_operand(struct line *line, struct span what)
{
    char word[40];
    snprintf(word, sizeof word, "%.*s", (int)what.len, what.at);
    word[strcspn(word, ".[]")] = '\0';
    if (strcmp(word, "FILTER") == 0)
        offer_filter(line);
    else if (strcmp(word, "FILE") == 0)
        printf(":files\n");
    else if (strcmp(word, "DIR") == 0)
        printf(":folders\n");
    else if (strcmp(word, "NAME") == 0)
        offer_connectors(line);
    else if (strcmp(word, "COMMAND") == 0)
        offer_nouns(line);
    else if (strcmp(word, "VERB") == 0 && line->noun_operand != NULL)
        offer_verbs(line, line->noun_operand);
    for (int c = 0; c < LOG_CATEGORY_COUNT && strcmp(word, "CATEGORY") == 0; c++)
        offer(line, log_category_words[c], "", "category");
    if (islower((unsigned char)word[0]))
        offer(line, word, "", "");
}

/* The operand at this place; the last one may stand again where dots say so. */
static void
offer_operands(struct line *line)
{
    const char *at = line->verb->operands, *last = NULL;
    for (size_t i = 0; *at == '[' || isalpha((unsigned char)*at); i++) {
        size_t len = strcspn(at, " ");
        last = at;
        if (i == line->n_operands)
            break;
        if (memmem(at, len, "...", 3) == NULL)
            last = NULL;
        at += len + (at[len] == ' ');
    }
    size_t len = last != NULL ? strcspn(last, " ") : 0;
    for (const char *p = last; p != NULL && p < last + len;) {
        size_t n = strcspn(p, "| ");
        struct span what = {p[0] == '[' ? p + 1 : p, n - (p[0] == '[')};
        p += n + (p[n] == '|');
        struct line again = *line; /* an alternative may move the part to complete */
        offer_operand(&again, what);
    }
}

/* ---- the line ---- */

static enum option
find_option(const char *word)
{
    size_t len = strcspn(word, "=");
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if ((word[1] == '-' && span_equal((struct span){word + 2, len - 2}, span_of(option_table[i].name))) ||
            (word[1] != '-' && word[1] == option_table[i].letter && word[1] != '\0'))
            return (enum option)i;
    return OPTION_COUNT;
}

/* A value of its own word. */
static bool
wants_word(enum option option)
{
    return option != OPTION_COUNT && option_table[option].value != NULL && option_table[option].value[0] != '[';
}

static void
take_operand(struct line *line, const char *word)
{
    size_t count;
    if (line->first == NULL) {
        const char *noun = command_find_noun(span_of(word), &count);
        for (size_t i = 0; noun != NULL && line->first == NULL && i < verb_count; i++)
            if (strcmp(verb_table[i].noun, noun) == 0)
                line->first = &verb_table[i];
        line->verb = line->first;
        return;
    }
    if (line->n_operands == 0 && !line->named) {
        const struct verb *verb = command_find_verb(line->first->noun, span_of(word), &count);
        if (verb != NULL) {
            line->verb = verb;
            line->named = true;
            return;
        }
    }
    if (line->n_operands++ == 0)
        line->noun_operand = word;
}

static void
read_words(struct line *line, char **words, size_t n)
{
    bool options = true;
    line->awaits = OPTION_COUNT;
    for (size_t i = 0; i < n; i++) {
        const char *word = words[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] != '\0') {
            enum option option = find_option(word);
            const char *value = strchr(word, '=');
            if (wants_word(option) && value == NULL && i + 1 == n)
                line->awaits = option;
            else if (wants_word(option) && value == NULL)
                value = words[++i];
            else if (value != NULL)
                value++;
            if (option == OPTION_CONFIG && value != NULL)
                line->command->conf_path = value;
        } else {
            take_operand(line, word);
        }
    }
}

static void
complete(struct line *line)
{
    const char *sign = strchr(line->word, '=');
    if (line->awaits == OPTION_COUNT && line->word[0] == '-' && sign != NULL) {
        line->awaits = find_option(line->word);
        step_behind(line, sign);
        if (line->awaits == OPTION_COUNT)
            return;
    }
    if (line->awaits != OPTION_COUNT)
        offer_value(line);
    else if (line->word[0] == '-')
        offer_options(line);
    else if (line->verb == NULL)
        offer_nouns(line);
    if (line->awaits != OPTION_COUNT || line->word[0] == '-' || line->verb == NULL)
        return;
    if (line->n_operands == 0 && !line->named)
        offer_verbs(line, line->verb->noun);
    offer_operands(line);
}

static int
completion_words(struct command *command)
{
    size_t n = command->n_operands - 1;
    struct line line = {.command = command, .before = "", .word = n > 0 ? command->operands[n] : ""};
    if (n > 0)
        read_words(&line, command->operands + 1, n - 1);
    complete(&line);
    return EXIT_DONE;
}

/* ---- the scripts ---- */

static const char bash_script[] =
    "# viaduct(1) completion for bash; made by `viaduct completion bash`\n"
    "_viaduct() {\n"
    "    local i raw=${COMP_WORDS[COMP_CWORD]} before word\n"
    "    local -a words=()\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do # bash parts words at = and :, which are none to viaduct\n"
    "        if [[ $i -gt 1 && (${COMP_WORDS[i]} == [=:]* || ${words[-1]} == *[=:]) ]]; then\n"
    "            words[-1]+=${COMP_WORDS[i]}\n"
    "        else\n"
    "            words+=(\"${COMP_WORDS[i]}\")\n"
    "        fi\n"
    "    done\n"
    "    [[ $raw != [=:] ]] || raw=\n"
    "    before=${words[-1]%\"$raw\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r word _; do\n"
    "        case $word in\n"
    "        :files | :folders)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            [[ $word == :files ]] && i=-f || i=-d\n"
    "            while read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen $i -- \"$raw\")\n"
    "            ;;\n"
    "        *)\n"
    "            [[ $word != *= ]] || compopt -o nospace 2>/dev/null\n"
    "            COMPREPLY+=(\"${word#\"$before\"}\")\n"
    "            ;;\n"
    "        esac\n"
    "    done < <(\"${1/#\\~\\//$HOME/}\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _viaduct viaduct\n";

static const char zsh_script[] =
    "#compdef viaduct\n"
    "# viaduct(1) completion for zsh; made by `viaduct completion zsh`\n"
    "_viaduct() {\n"
    "    local word text\n"
    "    local -a whole open\n"
    "    while IFS=$'\\t' read -r word text; do\n"
    "        case $word in\n"
    "        :files) _files ;;\n"
    "        :folders) _files -/ ;;\n"
    "        *=) open+=(\"${word//:/\\\\:}:$text\") ;;\n"
    "        *) whole+=(\"${word//:/\\\\:}:$text\") ;;\n"
    "        esac\n"
    "    done < <(${(Q)words[1]} completion words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( $#whole )) && _describe -t words word whole\n"
    "    (( $#open )) && _describe -t filters filter open -S ''\n"
    "    return 0\n"
    "}\n"
    "if [[ ${funcstack[1]} == _viaduct ]]; then\n"
    "    _viaduct \"$@\"\n"
    "else\n"
    "    compdef _viaduct viaduct\n"
    "fi\n";

static const char fish_script[] = "# viaduct(1) completion for fish; made by `viaduct completion fish`\n"
                                  "function __viaduct_words\n"
                                  "    set -l words (commandline -opc)\n"
                                  "    for line in ($words[1] completion words -- $words[2..-1] (commandline "
                                  "-ct | string collect -a) 2>/dev/null)\n"
                                  "        switch $line\n"
                                  "            case :files\n"
                                  "                __fish_complete_path (commandline -ct)\n"
                                  "            case :folders\n"
                                  "                __fish_complete_directories (commandline -ct)\n"
                                  "            case '*'\n"
                                  "                echo $line\n"
                                  "        end\n"
                                  "    end\n"
                                  "end\n"
                                  "complete -c viaduct -f -a '(__viaduct_words)'\n";

int
completion_print(struct command *command)
{
    const char *what = command->n_operands > 0 ? command->operands[0] : "";
    if (strcmp(what, "words") == 0)
        return completion_words(command);
    const char *script = strcmp(what, "bash") == 0   ? bash_script
                         : strcmp(what, "zsh") == 0  ? zsh_script
                         : strcmp(what, "fish") == 0 ? fish_script
                                                     : NULL;
    if (script == NULL || command->n_operands > 1)
        return command_usage(command, "for which shell? bash, zsh or fish");
    fputs(script, stdout);
    return EXIT_DONE;
}
