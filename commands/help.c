/* help.c - help, version and completion, all made of the table of commands */
#include <ctype.h>
#include <stdio.h>

#include "commands/filter.h"
#include "commands/spool_walk.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

int
version_show(struct command *command)
{
    (void)command;
    printf("viaduct %s\n", PACKAGE_VERSION);
    return EXIT_DONE;
}

/* ---- help ---- */

static void
print_option(const struct option_row *row)
{
    char text[64];
    const char *value = row->value != NULL ? row->value : "";
    const char *between = value[0] == '\0' || value[0] == '[' ? "" : " ";
    if (row->letter != 0)
        snprintf(text, sizeof text, "-%c, --%s%s%s", row->letter, row->name, between, value);
    else
        snprintf(text, sizeof text, "    --%s%s%s", row->name, between, value);
    printf("  %-26s %s\n", text, row->help);
}

static void
print_verb(const struct verb *verb)
{
    char text[120];
    snprintf(text, sizeof text, "%s%s%s%s%s", verb->noun, verb->name[0] != '\0' ? " " : "", verb->name,
             verb->operands[0] != '\0' ? " " : "", verb->operands);
    printf("  %-48s %s\n", text, verb->help);
}

static void
help_all(void)
{
    printf("usage: viaduct [-c FILE] COMMAND [VERB] [OPERAND...] [OPTION...]\n\n");
    for (size_t i = 0; i < verb_count; i++)
        if (verb_table[i].help != NULL)
            print_verb(&verb_table[i]);
    printf("\nCommands and options may be shortened while they stay unambiguous. `viaduct help COMMAND` tells "
           "more,\n"
           "`viaduct help filter` what filters there are.\n\n"
           "Exit status: 0 done, 1 nothing matched or some failed, 2 usage, 3 configuration, 4 not running,\n"
           "5 no permission, 6 refused by a guard, 7 out of reach, 70 a bug.\n");
}

static void
help_filter(void)
{
    printf("A filter is one or more terms: field=value, field>value, field<value, field~part of a text. All "
           "must be\n"
           "true; terms with the same field and sign are alternatives. `*` in a value stands for anything. A "
           "queue id\n"
           "alone is a filter; `all` matches everything. Durations are 30s, 5m, 2h, 3d; sizes 10K, 25M.\n\n");
    for (size_t i = 0; i < message_field_count; i++)
        printf("  %-10s %s\n", message_fields[i].name, message_fields[i].help);
    printf("\nThe same names are columns for --columns and --sort.\n");
}

static int
help_noun(const char *noun, const char *name)
{
    uint64_t options = 0;
    size_t found = 0;
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *verb = &verb_table[i];
        bool same = span_starts_nocase(span_of(verb->noun), span_of(noun)) &&
                    (name == NULL || span_starts_nocase(span_of(verb->name), span_of(name)));
        if (!same || verb->help == NULL)
            continue;
        print_verb(verb);
        options |= verb->options;
        found++;
    }
    if (found == 0)
        return command_fail(EXIT_USAGE, "there is no command \"%s%s%s\"; `viaduct help` lists them", noun,
                            name != NULL ? " " : "", name != NULL ? name : "");
    if (options != 0)
        printf("\n");
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (options >> i & 1)
            print_option(&option_table[i]);
    return EXIT_DONE;
}

int
help_show(struct command *command)
{
    if (command->n_operands == 0) {
        help_all();
        return EXIT_DONE;
    }
    if (strcmp(command->operands[0], "filter") == 0) {
        help_filter();
        return EXIT_DONE;
    }
    return help_noun(command->operands[0], command->n_operands > 1 ? command->operands[1] : NULL);
}

/* ---- completion ---- */

static bool
is_first_of_noun(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (verb_table[k].help != NULL && strcmp(verb_table[k].noun, verb_table[i].noun) == 0)
            return false;
    return verb_table[i].help != NULL;
}

static void
print_nouns(void)
{
    for (size_t i = 0; i < verb_count; i++)
        if (is_first_of_noun(i))
            printf(" %s", verb_table[i].noun);
}

static void
print_verbs(const char *noun)
{
    for (size_t i = 0; i < verb_count; i++)
        if (verb_table[i].help != NULL && strcmp(verb_table[i].noun, noun) == 0 &&
            verb_table[i].name[0] != '\0')
            printf(" %s", verb_table[i].name);
}

static void
print_fields(void)
{
    for (size_t i = 0; i < message_field_count; i++)
        printf(" %s=", message_fields[i].name);
}

static void
print_options(void)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        printf(" --%s", option_table[i].name);
}

static void
completion_bash(void)
{
    printf("# viaduct(1) completion for bash; made by `viaduct completion bash`\n"
           "_viaduct() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} noun=${COMP_WORDS[1]}\n"
           "    COMPREPLY=()\n"
           "    case $word in\n"
           "    -*) COMPREPLY=($(compgen -W \"");
    print_options();
    printf("\" -- \"$word\")); return ;;\n    esac\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"");
    print_nouns();
    printf("\" -- \"$word\"))\n        return\n    fi\n    case $COMP_CWORD:$noun in\n");
    for (size_t i = 0; i < verb_count; i++) {
        if (!is_first_of_noun(i) || verb_table[i].name[0] == '\0')
            continue;
        printf("    2:%s) COMPREPLY=($(compgen -W \"", verb_table[i].noun);
        print_verbs(verb_table[i].noun);
        printf("\" -- \"$word\")) ;;\n");
    }
    printf("    *:queue|*:badmail|*:flush|*:requeue|*:shape)\n"
           "        compopt -o nospace 2>/dev/null\n        COMPREPLY=($(compgen -W \"");
    print_fields();
    printf(" all\" -- \"$word\")) ;;\n    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n    esac\n}\n"
           "complete -F _viaduct viaduct\n");
}

/* A help text within single quotes of zsh's _describe: quotes and colours of its own are left out. */
static void
print_quoted(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\'' || *text == ':' || *text == '`' || *text == '\\')
            putchar(*text == '`' ? '"' : ' ');
        else
            putchar(*text);
}

static void
completion_zsh(void)
{
    printf("#compdef viaduct\n# made by `viaduct completion zsh`\n"
           "local -a words_here\nif (( CURRENT == 2 )); then\n    words_here=(");
    for (size_t i = 0; i < verb_count; i++) {
        if (!is_first_of_noun(i))
            continue;
        printf("\n        '%s:", verb_table[i].noun);
        print_quoted(verb_table[i].help);
        printf("'");
    }
    printf(")\n    _describe command words_here\n    return\nfi\nif (( CURRENT == 3 )); then\n    case "
           "$words[2] in\n");
    for (size_t i = 0; i < verb_count; i++) {
        if (!is_first_of_noun(i) || verb_table[i].name[0] == '\0')
            continue;
        printf("    %s) words_here=(", verb_table[i].noun);
        print_verbs(verb_table[i].noun);
        printf(" ) ; _describe verb words_here; return ;;\n");
    }
    printf("    esac\nfi\nwords_here=(");
    print_options();
    printf(" )\n_describe option words_here\nwords_here=(");
    print_fields();
    printf(" )\n_describe filter words_here -S ''\n_files\n");
}

static void
completion_fish(void)
{
    printf("# viaduct(1) completion for fish; made by `viaduct completion fish`\ncomplete -c viaduct -f\n");
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *verb = &verb_table[i];
        if (is_first_of_noun(i)) {
            printf("complete -c viaduct -n __fish_use_subcommand -a %s -d '", verb->noun);
            print_quoted(verb->help);
            printf("'\n");
        }
        if (verb->help == NULL || verb->name[0] == '\0')
            continue;
        printf("complete -c viaduct -n '__fish_seen_subcommand_from %s' -a %s -d '", verb->noun, verb->name);
        print_quoted(verb->help);
        printf("'\n");
    }
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        printf("complete -c viaduct -l %s", option_table[i].name);
        if (option_table[i].letter != 0)
            printf(" -s %c", option_table[i].letter);
        printf("%s -d '", option_table[i].value != NULL && option_table[i].value[0] != '[' ? " -r" : "");
        print_quoted(option_table[i].help);
        printf("'\n");
    }
}

int
completion_print(struct command *command)
{
    const char *shell = command->n_operands == 1 ? command->operands[0] : "";
    if (strcmp(shell, "bash") == 0)
        completion_bash();
    else if (strcmp(shell, "zsh") == 0)
        completion_zsh();
    else if (strcmp(shell, "fish") == 0)
        completion_fish();
    else
        return command_usage(command, "for which shell? bash, zsh or fish");
    return EXIT_DONE;
}
