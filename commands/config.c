/* config.c - the configuration: show, explain, check */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/command.h"
#include "commands/probe.h"
#include "commands/tree.h"
#include "systems/readiness.h"

int
config_show(struct command *command)
{
    struct buf out = {0};
    conf_print(command->conf, command_has(command, OPTION_CHANGED), &out);
    fwrite(out.at != NULL ? out.at : "", 1, out.len, stdout);
    buf_clear(&out);
    return EXIT_DONE;
}

int
config_explain(struct command *command)
{
    struct buf out = {0};
    if (command->n_operands == 0)
        return command_usage(command, "which option? say its name, as in connector.retry.first");
    int found = 0;
    for (size_t i = 0; i < command->n_operands; i++) {
        buf_reset(&out);
        int n = conf_explain(command->conf, command->operands[i], &out);
        fwrite(out.at != NULL ? out.at : "", 1, out.len, n > 0 ? stdout : stderr);
        found += n > 0;
    }
    buf_clear(&out);
    return found == (int)command->n_operands ? EXIT_DONE : EXIT_NOTHING;
}

/* What a configuration that is valid may still lack. */
static void
print_advice(const struct conf_root *root)
{
    for (size_t i = 0; i < root->connectors_n; i++)
        if (root->connectors[i].address_spaces_n == 0)
            printf("note: connector %s has no address-space: only the book leads to it\n",
                   root->connectors[i].title);
    if (root->admin_address == NULL)
        printf("note: admin-address is not set: nobody is told what no sender can be told\n");
}

static int
check_spool(const struct command *command)
{
    struct tree_result result;
    if (access(command->root->spool, F_OK) < 0 && errno == ENOENT) {
        printf("note: the spool %s is not there yet; `viaduct start` or `viaduct spool create` makes it\n",
               command->root->spool);
        return EXIT_DONE;
    }
    int r = tree_check(command->root, command->root->spool, false, &result);
    if (r == EXIT_DONE)
        printf("the spool %s is as declared\n", command->root->spool);
    return r;
}

static int
check_readiness(struct command *command)
{
    struct buf errors = {0};
    int r = readiness_check(command->conf, &errors);
    if (r < 0)
        fputs(errors.at != NULL ? errors.at : "", stderr);
    buf_clear(&errors);
    return r < 0 ? command_fail(EXIT_CONFIG, "%s is not valid", command->conf_path) : EXIT_DONE;
}

int
config_check(struct command *command)
{
    int r = command_read_conf(command);
    if (r == EXIT_DONE)
        r = check_readiness(command);
    if (r != EXIT_DONE)
        return r;
    size_t n = command->root->connectors_n;
    printf("%s is valid: %zu connector%s\n", command->conf_path, n, n == 1 ? "" : "s");
    print_advice(command->root);
    r = check_spool(command);
    if (command_has(command, OPTION_LIVE)) {
        int live = probe_all(command);
        r = live != EXIT_DONE ? live : r;
    }
    return r;
}
