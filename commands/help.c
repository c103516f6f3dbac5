/* help.c - help and version, made of the table of commands */
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
