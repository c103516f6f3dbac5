/* stats.c - counters, and `top`: what they do in a second
 *
 * Counters are files that workers map; reading them asks nobody and disturbs nobody.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "commands/listing.h"
#include "common/metrics.h"

static const char *
node_name(const struct command *command)
{
    static char host[256];
    if (command->root != NULL && command->root->node != NULL)
        return command->root->node;
    if (host[0] == '\0' && gethostname(host, sizeof host - 1) < 0)
        snprintf(host, sizeof host, "localhost");
    return host;
}

static int
print_prometheus(const struct command *command)
{
    struct buf out = {0};
    int r = metrics_print(command->spool_fd, node_name(command), &out);
    if (r == 0)
        fputs(out.at != NULL ? out.at : "", stdout);
    buf_clear(&out);
    return r == 0 ? EXIT_DONE : command_fail_errno(-r, "the counters of %s", command->spool_path);
}

/* A counter's name for JSON: that of Prometheus with its labels' values behind it,
 * "viaduct_reports_total_failed". */
static void
counter_name(const char *name, struct buf *out)
{
    size_t base = strcspn(name, "{");
    bool quoted = false;
    buf_reset(out);
    buf_add(out, name, base);
    for (const char *p = name + base; *p != '\0'; p++) {
        if (*p == '"')
            quoted = !quoted;
        if (*p == '"' && quoted)
            buf_add_byte(out, '_');
        else if (*p != '"' && quoted)
            buf_add_byte(out, *p);
    }
}

static void
print_row(const struct metrics_row *row, bool json)
{
    struct buf out = {0}, name = {0};
    struct json line;
    if (!json)
        printf("%s%s%s%s\n", colour_on(COLOUR_BOLD), row->worker, row->connector[0] != '\0' ? " " : "",
               row->connector);
    json_start(&line, &out);
    json_begin_object(&line, NULL);
    json_add_text(&line, "worker", row->worker);
    json_add_text(&line, "connector", row->connector);
    for (int c = 0; c < COUNTER_COUNT; c++) {
        counter_name(counter_table[c].name, &name);
        json_add_number(&line, name.at, row->values[c]);
        if (!json && row->values[c] != 0)
            printf("  %12" PRId64 "  %s\n", row->values[c], counter_table[c].meaning);
    }
    json_end_object(&line);
    if (json)
        puts(out.at);
    else
        fputs(colour_on(COLOUR_NONE), stdout);
    buf_clear(&out);
    buf_clear(&name);
}

int
stats_show(struct command *command)
{
    struct metrics_row *rows;
    int r = command_check_readable(command, FOLDER_COUNTERS);
    if (r != 0)
        return r;
    if (command_has(command, OPTION_PROMETHEUS))
        return print_prometheus(command);
    ssize_t n = metrics_read(command->spool_fd, &rows);
    if (n < 0)
        return command_fail_errno((int)-n, "the counters of %s", command->spool_path);
    for (ssize_t i = 0; i < n; i++)
        print_row(&rows[i], command_has(command, OPTION_JSON));
    free(rows);
    if (n == 0 && !command_has(command, OPTION_JSON))
        printf("nothing was counted yet%s\n", command_offline(command));
    return n > 0 ? EXIT_DONE : EXIT_NOTHING;
}

/* ---- top ---- */

static const struct metrics_row *
same_row(const struct metrics_row *rows, ssize_t n, const struct metrics_row *like)
{
    for (ssize_t i = 0; i < n; i++)
        if (strcmp(rows[i].worker, like->worker) == 0 && strcmp(rows[i].connector, like->connector) == 0)
            return &rows[i];
    return NULL;
}

static double
rate(const struct metrics_row *now, const struct metrics_row *before, enum counter counter, double seconds)
{
    int64_t old = before != NULL ? before->values[counter] : 0;
    return seconds > 0 ? (double)(now->values[counter] - old) / seconds : 0;
}

static void
print_rates(const struct metrics_row *rows, ssize_t n, const struct metrics_row *before, ssize_t n_before,
            double seconds)
{
    printf("%s%-20s %-12s %9s %9s %9s %9s %9s %8s %6s%s\n", colour_on(COLOUR_BOLD), "worker", "connector",
           "moves/s", "in/s", "out/s", "defer/s", "KiB/s", "in hand", "conns", colour_on(COLOUR_NONE));
    for (ssize_t i = 0; i < n; i++) {
        const struct metrics_row *old = same_row(before, n_before, &rows[i]);
        double bytes =
            rate(&rows[i], old, COUNTER_BYTES_IN, seconds) + rate(&rows[i], old, COUNTER_BYTES_OUT, seconds);
        printf("%-20s %-12s %9.1f %9.1f %9.1f %9.1f %9.1f %8" PRId64 " %6" PRId64 "\n", rows[i].worker,
               rows[i].connector, rate(&rows[i], old, COUNTER_MOVES, seconds),
               rate(&rows[i], old, COUNTER_MESSAGES_IN, seconds),
               rate(&rows[i], old, COUNTER_MESSAGES_OUT, seconds),
               rate(&rows[i], old, COUNTER_DEFERRED_OUT, seconds), bytes / 1024,
               rows[i].values[COUNTER_IN_HAND], rows[i].values[COUNTER_CONNECTIONS]);
    }
}

/* Once a second until the operator ends it; --once: one second's rates. */
int
stats_top(struct command *command)
{
    struct metrics_row *before = NULL, *rows = NULL;
    struct timespec wait = {.tv_sec = 1};
    bool terminal = isatty(STDOUT_FILENO);
    char now[32];
    int r = command_check_readable(command, FOLDER_COUNTERS);
    if (r != 0)
        return r;
    ssize_t n_before = metrics_read(command->spool_fd, &before), n;
    int64_t then = monotonic_ms();
    if (n_before < 0)
        return command_fail_errno((int)-n_before, "the counters of %s", command->spool_path);
    do {
        nanosleep(&wait, NULL);
        n = metrics_read(command->spool_fd, &rows);
        if (n < 0)
            break;
        int64_t at = monotonic_ms();
        print_time(time_ms() / 1000, now);
        printf("%s%s%s\n", terminal ? "\033[H\033[J" : "", now, command_offline(command));
        print_rates(rows, n, before, n_before, (double)(at - then) / 1000);
        free(before);
        before = rows;
        n_before = n;
        then = at;
    } while (!command_has(command, OPTION_ONCE) && fflush(stdout) == 0);
    free(before);
    return n < 0 ? command_fail_errno((int)-n, "the counters of %s", command->spool_path) : EXIT_DONE;
}
