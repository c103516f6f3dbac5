/* log_level.c - `viaduct log level`: how much workers log of a category
 *
 * An order for every instance there is, or those of one connector; it outlives daemons until its end, if it has
 * one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands/instance.h"
#include "commands/spool_walk.h"
#include "common/log.h"

struct level_order {
    struct command *command;
    const char *text;
    int category; /* -1: all */
    size_t n_done, n_failed;
    int last_error;
};

static void
order_instance(struct level_order *order, const char *instance)
{
    char name[64];
    for (int c = 0; c < LOG_CATEGORY_COUNT; c++) {
        if (order->category >= 0 && order->category != c)
            continue;
        snprintf(name, sizeof name, "level-%.40s", log_category_words[c]);
        int r = command_has(order->command, OPTION_DRY_RUN)
                    ? 0
                    : instance_order(order->command->spool_fd, instance, name, order->text);
        if (r < 0) {
            order->n_failed++;
            order->last_error = -r;
        }
    }
    order->n_done++;
}

static void
order_all(struct level_order *order, const struct spool_map *map, const char *only)
{
    char instance[INSTANCE_MAX];
    for (unsigned w = 0; w < WORKER_COUNT; w++) {
        bool one = worker_table[w].per == PER_ONE;
        if (w == WORKER_COMMAND || (one && only != NULL))
            continue;
        for (size_t i = 0; i < (one ? 1 : map->n_connectors); i++) {
            if (!one && only != NULL && strcmp(only, map->connectors[i]) != 0)
                continue;
            instance_name((enum worker_id)w, one ? "" : map->connectors[i], instance);
            order_instance(order, instance);
        }
    }
}

static int
bad_category(struct command *command, const char *word)
{
    struct buf words = {0};
    for (int c = 0; c < LOG_CATEGORY_COUNT; c++)
        buf_printf(&words, "%s%s", c > 0 ? ", " : "", log_category_words[c]);
    int r = command_usage(command, "there is no category \"%s\"; there are all, %s", word, words.at);
    buf_clear(&words);
    return r;
}

int
log_level(struct command *command)
{
    struct level_order order = {.command = command, .category = -1};
    struct spool_map map;
    int64_t until = 0;
    char text[64];
    if (command->n_operands != 2)
        return command_usage(command, "say a category and a level");
    if (strcmp(command->operands[0], "all") != 0) {
        order.category = log_category_by_word(command->operands[0]);
        if (order.category < 0)
            return bad_category(command, command->operands[0]);
    }
    if (log_level_by_word(command->operands[1]) < 0)
        return command_usage(command, "the level is none, minimum, medium or maximum, not \"%s\"",
                             command->operands[1]);
    if (command_has(command, OPTION_FOR) && !parse_when(command->values[OPTION_FOR], false, &until))
        return command_usage(command, "--for wants a time like 10m, not \"%s\"", command->values[OPTION_FOR]);
    snprintf(text, sizeof text, "%s %" PRId64 "\n", command->operands[1], until);
    order.text = text;
    if (!command_has_connector(command))
        return EXIT_USAGE;
    int r = spool_map_open(&map, command);
    if (r != 0)
        return r;
    order_all(&order, &map, command->values[OPTION_CONNECTOR]);
    spool_map_close(&map);
    if (order.n_failed > 0)
        return command_fail_errno(order.last_error, "%zu orders could not be written", order.n_failed);
    printf("%zu workers %s %s of %s%s%s%s\n", order.n_done,
           command_has(command, OPTION_DRY_RUN) ? "would log" : "log", command->operands[1],
           command->operands[0], until > 0 ? " for " : "", until > 0 ? command->values[OPTION_FOR] : "",
           command_offline(command));
    return order.n_done > 0 ? EXIT_DONE : EXIT_NOTHING;
}
