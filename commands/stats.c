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

/* ---- rows ---- */

enum { STAT_WORKER, STAT_CONNECTOR, STAT_COUNTERS, STAT_COUNT = STAT_COUNTERS + COUNTER_COUNT };

/* A counter's name as a column: that of Prometheus with its labels' values behind it, "viaduct_reports_total_failed". */
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

/* Made of the table of counters once; a column is as wide as its name. */
static const struct field *
stat_fields(void)
{
    static struct field fields[STAT_COUNT];
    static struct buf names[COUNTER_COUNT];
    if (fields[STAT_WORKER].name != NULL)
        return fields;
    fields[STAT_WORKER] = (struct field){"worker", FIELD_TEXT, COST_NAME, 20, "the worker", false};
    fields[STAT_CONNECTOR] =
        (struct field){"connector", FIELD_TEXT, COST_NAME, 12, "of which connector", false};
    for (int c = 0; c < COUNTER_COUNT; c++) {
        counter_name(counter_table[c].name, &names[c]);
        fields[STAT_COUNTERS + c] = (struct field){
            names[c].at, FIELD_NUMBER, COST_NAME, (int)names[c].len, counter_table[c].meaning, false};
    }
    return fields;
}

static bool
stat_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct metrics_row *row = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    if (field >= STAT_COUNTERS)
        return field_number(value, true, row->values[field - STAT_COUNTERS]);
    value->text = span_of(field == STAT_WORKER ? row->worker : row->connector);
    return true;
}

/* For people: what is not 0, in words. */
static void
print_row(const struct metrics_row *row)
{
    printf("%s%s%s%s%s\n", colour_on(COLOUR_BOLD), row->worker, row->connector[0] != '\0' ? " " : "",
           row->connector, colour_on(COLOUR_NONE));
    for (int c = 0; c < COUNTER_COUNT; c++)
        if (row->values[c] != 0)
            printf("  %12" PRId64 "  %s\n", row->values[c], counter_table[c].meaning);
}

int
stats_show(struct command *command)
{
    struct metrics_row *rows;
    struct listing listing;
    if (command_has(command, OPTION_PROMETHEUS) && listing_wanted(command))
        return command_usage(command,
                             "--prometheus is a format of its own: no --json, --columns, --sort or --limit");
    int r = listing_init(&listing, command, stat_fields(), STAT_COUNT,
                         "worker,connector,viaduct_moves_total,viaduct_messages_total_in_accepted,"
                         "viaduct_messages_total_out_delivered,viaduct_messages_total_out_failed",
                         stat_get);
    if (r == 0)
        r = command_check_readable(command, FOLDER_COUNTERS);
    if (r != 0)
        return r;
    if (command_has(command, OPTION_PROMETHEUS))
        return print_prometheus(command);
    ssize_t n = metrics_read(command->spool_fd, &rows);
    if (n < 0)
        return command_fail_errno((int)-n, "the counters of %s", command->spool_path);
    for (ssize_t i = 0; i < n; i++)
        if (!listing_wanted(command))
            print_row(&rows[i]);
        else if (!listing_add(&listing, &rows[i]))
            break;
    listing_end(&listing);
    free(rows);
    if (n == 0 && !listing.json)
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

/* A worker's second, or however long it was. */
struct rates {
    const struct metrics_row *now, *before; /* `before` NULL: it is new */
    double seconds;
    int64_t time_ms;
};

enum top_field {
    TOP_TIME,
    TOP_WORKER,
    TOP_CONNECTOR,
    TOP_MOVES,
    TOP_IN,
    TOP_OUT,
    TOP_DEFER,
    TOP_KIB,
    TOP_HAND,
    TOP_CONNS,
    TOP_COUNT
};

static const struct field top_fields[TOP_COUNT] = {
    [TOP_TIME] = {"time", FIELD_MOMENT, COST_NAME, 24, "when", false},
    [TOP_WORKER] = {"worker", FIELD_TEXT, COST_NAME, 20, "the worker", false},
    [TOP_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 12, "of which connector", false},
    [TOP_MOVES] = {"moves", FIELD_TENTHS, COST_NAME, 9, "moves in a second", false},
    [TOP_IN] = {"in", FIELD_TENTHS, COST_NAME, 9, "messages taken over in a second", false},
    [TOP_OUT] = {"out", FIELD_TENTHS, COST_NAME, 9, "messages delivered in a second", false},
    [TOP_DEFER] = {"defer", FIELD_TENTHS, COST_NAME, 9, "transfers put off in a second", false},
    [TOP_KIB] = {"kib", FIELD_TENTHS, COST_NAME, 9, "KiB in and out in a second", false},
    [TOP_HAND] = {"in_hand", FIELD_NUMBER, COST_NAME, 7, "messages in hand", false},
    [TOP_CONNS] = {"conns", FIELD_NUMBER, COST_NAME, 5, "open connections", false},
};

static int64_t
tenths(const struct rates *rates, enum counter counter)
{
    int64_t old = rates->before != NULL ? rates->before->values[counter] : 0;
    double more = (double)(rates->now->values[counter] - old);
    return rates->seconds > 0 && more > 0 ? (int64_t)(more * 10 / rates->seconds + 0.5) : 0;
}

static bool
top_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct rates *rates = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    switch ((enum top_field)field) {
    case TOP_TIME:
        return field_number(value, true, rates->time_ms);
    case TOP_WORKER:
        return field_text(value, span_of(rates->now->worker));
    case TOP_CONNECTOR:
        return field_text(value, span_of(rates->now->connector));
    case TOP_MOVES:
        return field_number(value, true, tenths(rates, COUNTER_MOVES));
    case TOP_IN:
        return field_number(value, true, tenths(rates, COUNTER_MESSAGES_IN));
    case TOP_OUT:
        return field_number(value, true, tenths(rates, COUNTER_MESSAGES_OUT));
    case TOP_DEFER:
        return field_number(value, true, tenths(rates, COUNTER_DEFERRED_OUT));
    case TOP_KIB:
        return field_number(value, true,
                            (tenths(rates, COUNTER_BYTES_IN) + tenths(rates, COUNTER_BYTES_OUT)) / 1024);
    case TOP_HAND:
        return field_number(value, true, rates->now->values[COUNTER_IN_HAND]);
    default:
        return field_number(value, true, rates->now->values[COUNTER_CONNECTIONS]);
    }
}

struct look {
    struct metrics_row *rows;
    ssize_t n;
    int64_t monotonic, time;
};

static int
take_look(const struct command *command, struct look *look)
{
    look->n = metrics_read(command->spool_fd, &look->rows);
    look->monotonic = monotonic_ms();
    look->time = time_ms();
    return look->n < 0 ? (int)look->n : 0;
}

/* One listing for each second: the head stands once more on a terminal, which is cleared. */
static int
print_second(const struct command *command, const struct look *now, const struct look *before)
{
    struct listing listing;
    bool terminal = isatty(STDOUT_FILENO);
    char text[32];
    int r = listing_init(&listing, command, top_fields, TOP_COUNT,
                         "worker,connector,moves,in,out,defer,kib,in_hand,conns", top_get);
    if (r != 0)
        return r;
    print_time(now->time / 1000, text);
    if (!listing.json)
        printf("%s%s%s\n", terminal ? "\033[H\033[J" : "", text, command_offline(command));
    for (ssize_t i = 0; i < now->n; i++) {
        struct rates rates = {.now = &now->rows[i],
                              .before = same_row(before->rows, before->n, &now->rows[i]),
                              .seconds = (double)(now->monotonic - before->monotonic) / 1000,
                              .time_ms = now->time};
        if (!listing_add(&listing, &rates))
            break;
    }
    listing_end(&listing);
    return 0;
}

/* Once a second until the operator ends it; --once: one second's rates. */
int
stats_top(struct command *command)
{
    struct timespec wait = {.tv_sec = 1};
    struct listing tried;
    struct look before, now;
    int r =
        listing_init(&tried, command, top_fields, TOP_COUNT, "worker", top_get); /* options are told at once */
    if (r == 0)
        r = command_check_readable(command, FOLDER_COUNTERS);
    if (r != 0)
        return r;
    int failed = take_look(command, &before);
    while (failed == 0) {
        nanosleep(&wait, NULL);
        failed = take_look(command, &now);
        if (failed < 0)
            break;
        print_second(command, &now, &before);
        free(before.rows);
        before = now;
        if (command_has(command, OPTION_ONCE) || fflush(stdout) != 0)
            break;
    }
    if (failed == 0 || before.n >= 0)
        free(before.rows);
    if (failed < 0)
        return command_fail_errno(-failed, "the counters of %s", command->spool_path);
    return EXIT_DONE;
}
