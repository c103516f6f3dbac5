/* status.c - one screen: is it well, and if not, what is not
 *
 * Version, master, configuration; connectors with their lights; queues with the oldest; Badmail, holds; workers
 * in trouble; what pickup cannot read; room on the disk. All of it is read from files, so it works offline.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/connector.h"
#include "commands/dirsync.h"
#include "commands/listing.h"
#include "commands/master.h"
#include "common/spool_census.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

struct status {
    struct command *command;
    struct spool_map map;
    struct connector_view *views;
    size_t n_views;
    struct buf master; /* the master's state file */
    pid_t pid;
    struct census census;
};

static void
title(const char *text)
{
    printf("%s%s%s\n", colour_on(COLOUR_BOLD), text, colour_on(COLOUR_NONE));
}

/* ---- master ---- */

/* An age from a state value, given as seconds or RFC 3339. */
static bool
age_of(struct span value, char age[24])
{
    uint64_t seconds;
    int64_t time_s;
    char text[40];
    snprintf(text, sizeof text, "%.*s", (int)(value.len < 39 ? value.len : 39), value.len > 0 ? value.at : "");
    if (span_to_u64(value, INT64_MAX, &seconds))
        time_s =
            (int64_t)(seconds > 100000000000 ? seconds / 1000 : seconds); /* milliseconds are told by size */
    else if (!parse_when(text, true, &time_s))
        return false;
    print_age(time_ms() / 1000 - time_s, age);
    return true;
}

static void
print_value(const char *before, struct span value, const char *after)
{
    struct buf out = {0};
    text_add_clean(&out, value);
    printf("%s%s%s", before, out.at != NULL ? out.at : "", after);
    buf_clear(&out);
}

static void
show_master(const struct status *status)
{
    struct span text = buf_span(&status->master);
    struct buf value = {0};
    char age[24];
    printf("viaduct %s, ", PACKAGE_VERSION);
    if (status->command->offline)
        printf("%sstopped%s (offline)\n", colour_on(COLOUR_YELLOW), colour_on(COLOUR_NONE));
    else
        printf("%sruns%s, pid %d", colour_on(COLOUR_GREEN), colour_on(COLOUR_NONE), (int)status->pid);
    if (!status->command->offline && master_value(text, "started", &value) && age_of(buf_span(&value), age))
        printf(", up %s", age);
    if (!status->command->offline && master_value(text, "stopping", &value) && value.len > 0 &&
        value.at[0] == '1')
        printf(", stopping");
    printf(status->command->offline ? "" : "\n");
    if (master_value(text, "config", &value) && value.len > 0)
        print_value("  configuration ", buf_span(&value), "");
    if (master_value(text, "generation", &value))
        print_value(", generation ", buf_span(&value), "");
    if (master_value(text, "loaded", &value) && age_of(buf_span(&value), age))
        printf(", %s old", age);
    if (text.len > 0)
        putchar('\n');
    if (master_value(text, "config-error", &value) && value.len > 0)
        print_value("  the configuration on disk is not in force: ", buf_span(&value), "\n");
    buf_clear(&value);
}

/* ---- workers ---- */

/* How it ended last, from its wait status. */
static void
print_ending(struct span last)
{
    uint64_t status;
    if (!span_to_u64(last, INT32_MAX, &status))
        return;
    if (WIFSIGNALED((int)status))
        printf("; last ended by signal %d", WTERMSIG((int)status));
    else if (status != 0)
        printf("; last ended with status %d", WEXITSTATUS((int)status));
}

static void
show_workers(const struct status *status)
{
    struct span text = buf_span(&status->master), line;
    struct buf name = {0}, state = {0}, restarts = {0}, last = {0};
    bool said = false;
    while (!status->command->offline && master_next_worker(&text, &line)) {
        master_worker_value(line, "worker", &name);
        master_worker_value(line, "state", &state);
        master_worker_value(line, "restarts", &restarts);
        master_worker_value(line, "last", &last);
        bool well = state.len == 0 || strcmp(state.at, "running") == 0 || strcmp(state.at, "ready") == 0 ||
                    strcmp(state.at, "up") == 0;
        bool restarted = restarts.len > 0 && strcmp(restarts.at, "0") != 0;
        if (well && !restarted)
            continue;
        if (!said)
            title("Workers");
        said = true;
        print_value("  ", buf_span(&name), ": ");
        print_value("", buf_span(&state), "");
        print_value(", restarted ", restarts.len > 0 ? buf_span(&restarts) : SPAN("0"), " times");
        print_ending(buf_span(&last));
        putchar('\n');
    }
    buf_clear(&name);
    buf_clear(&state);
    buf_clear(&restarts);
    buf_clear(&last);
}

/* Listeners whose senders are refused. */
static void
show_refusing(const struct status *status)
{
    struct span text = buf_span(&status->master);
    struct buf address = {0};
    int64_t since_s;
    char age[24];
    bool said = false;
    while (!status->command->offline && master_next_refusing(&text, &address, &since_s)) {
        if (!said)
            title("Listeners");
        said = true;
        print_age(time_ms() / 1000 - since_s, age);
        print_value("  ", buf_span(&address), "");
        printf(": %sconnections are refused%s, for %s: no worker serves it\n", colour_on(COLOUR_RED),
               colour_on(COLOUR_NONE), age);
    }
    buf_clear(&address);
}

/* The last error of each worker there is one of; gateways' stand with their connectors. */
static void
show_errors(const struct status *status)
{
    static struct state_page page;
    char instance[INSTANCE_MAX], age[24];
    bool said = false;
    for (unsigned w = 0; w < WORKER_COUNT; w++) {
        bool one = worker_table[w].per == PER_ONE;
        for (size_t i = 0; i < (one ? 1 : status->map.n_connectors); i++) {
            instance_name((enum worker_id)w, one ? "" : status->map.connectors[i], instance);
            if (instance_state(status->command->spool_fd, instance, &page) < 0 || page.last_error_ms == 0)
                continue;
            if (!said)
                title("Last errors");
            said = true;
            print_age((time_ms() - page.last_error_ms) / 1000, age);
            printf("  %s, %s ago: ", instance, age);
            print_value("", span_of(page.last_error), "\n");
        }
    }
}

/* Workers that do without the same part of their confinement. */
struct unconfined {
    char first[INSTANCE_MAX], without[sizeof((struct state_page *)NULL)->sandbox];
    unsigned more;
};

enum { UNCONFINED_MAX = 8 };

static void
add_unconfined(struct unconfined *groups, size_t *n, const char *instance, const char *without)
{
    size_t i = 0;
    while (i < *n && strcmp(groups[i].without, without) != 0)
        i++;
    if (i < *n) {
        groups[i].more++;
        return;
    }
    if (i == UNCONFINED_MAX)
        return;
    (*n)++;
    groups[i] = (struct unconfined){.more = 0};
    snprintf(groups[i].first, sizeof groups[i].first, "%s", instance);
    snprintf(groups[i].without, sizeof groups[i].without, "%s", without);
}

/* Who is confined with less than viaduct asks for: what the kernel could not give, or the configuration took away. */
static size_t
find_unconfined(const struct status *status, struct unconfined groups[UNCONFINED_MAX])
{
    static struct state_page page;
    char instance[INSTANCE_MAX];
    size_t n = 0;
    for (unsigned w = 0; w < WORKER_COMMAND; w++) {
        bool one = worker_table[w].per == PER_ONE;
        for (size_t i = 0; i < (one ? 1 : status->map.n_connectors); i++) {
            instance_name((enum worker_id)w, one ? "" : status->map.connectors[i], instance);
            bool runs = instance_state(status->command->spool_fd, instance, &page) == 0 && page.pid != 0;
            const char *without = runs ? strstr(page.sandbox, STATE_SANDBOX_WITHOUT) : NULL;
            if (without != NULL)
                add_unconfined(groups, &n, instance, without + strlen(STATE_SANDBOX_WITHOUT));
        }
    }
    return n;
}

static void
show_confinement(const struct status *status)
{
    struct unconfined groups[UNCONFINED_MAX];
    size_t n = find_unconfined(status, groups);
    if (n > 0)
        title("Workers are confined in part");
    for (size_t i = 0; i < n; i++) {
        printf("  %s", groups[i].first);
        if (groups[i].more > 0)
            printf(" and %u more", groups[i].more);
        print_value(": without ", span_of(groups[i].without), "\n");
    }
}

static void
json_confinement(const struct status *status, struct json *json)
{
    struct unconfined groups[UNCONFINED_MAX];
    size_t n = find_unconfined(status, groups);
    json_begin_array(json, "confined_without");
    for (size_t i = 0; i < n; i++) {
        json_begin_object(json, NULL);
        json_add_text(json, "worker", groups[i].first);
        json_add_number(json, "more", groups[i].more);
        json_add_text(json, "without", groups[i].without);
        json_end_object(json);
    }
    json_end_array(json);
}

/* ---- connectors, queues, holds ---- */

static void
show_connectors(const struct status *status)
{
    char age[24], oldest[24];
    title("Connectors");
    for (size_t i = 0; i < status->n_views; i++) {
        const struct connector_view *view = &status->views[i];
        print_age(view->oldest_s, oldest);
        print_age((time_ms() - view->since_ms) / 1000, age);
        printf("  %-12s %-7s %s%-8s%s %-7s in %" PRIu64 ", out %" PRIu64 " (%" PRIu64 " deferred)", view->name,
               view->type, colour_on(view->colour), view->light, colour_on(COLOUR_NONE),
               view->since_ms > 0 ? age : "-", view->n_in, view->n_out, view->n_deferred);
        if (view->n_in + view->n_out > 0)
            printf(", oldest %s", oldest);
        if (view->n_badmail > 0)
            printf(", %s%" PRIu64 " badmail%s", colour_on(COLOUR_RED), view->n_badmail, colour_on(COLOUR_NONE));
        if (view->why[0] != '\0')
            print_value("; ", span_of(view->why), "");
        putchar('\n');
    }
}

static void
show_queues(const struct status *status)
{
    bool said = false;
    char age[24];
    for (size_t i = 0; i < status->census.n; i++) {
        const struct census_row *row = &status->census.rows[i];
        if (row->count == 0)
            continue;
        if (!said)
            title("Queues");
        said = true;
        printf("  %-12s %-14s %8" PRIu64, row->connector, folder_name(row->folder), row->count);
        if (row->oldest_ms >= 0) {
            print_age((time_ms() - row->oldest_ms) / 1000, age);
            printf("  oldest %s", age);
        }
        putchar('\n');
    }
    if (!said)
        printf("The queues are empty.\n");
    if (!status->census.complete)
        printf("  (not all could be counted)\n");
}

static void
show_hold(const char *connector, const char *direction, const struct hold_order *hold)
{
    char until[32] = "it is released";
    if (!hold->held)
        return;
    if (hold->until_s > 0)
        print_time(hold->until_s, until);
    printf("  %s %s on hold until %s", connector, direction, until);
    print_value(" by ", span_of(hold->by), "");
    print_value(": ", span_of(hold->reason), "\n");
}

static void
show_holds(const struct status *status)
{
    for (size_t i = 0; i < status->n_views; i++) {
        show_hold(status->views[i].name, "in", &status->views[i].hold_in);
        show_hold(status->views[i].name, "out", &status->views[i].hold_out);
    }
}

static void
show_room(const struct status *status)
{
    struct statvfs fs;
    char room[24];
    if (fstatvfs(status->command->spool_fd, &fs) < 0)
        return;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool tight = status->command->root != NULL && bytes < status->command->root->space;
    print_bytes(bytes, room);
    printf("Room: %s%s, %" PRIu64 " inodes%s%s\n", tight ? colour_on(COLOUR_RED) : "", room,
           (uint64_t)fs.f_favail, tight ? ": less than `space`, nothing is taken in" : "",
           tight ? colour_on(COLOUR_NONE) : "");
}

/* ---- JSON ---- */

static void
json_connectors(const struct status *status, struct json *json)
{
    json_begin_array(json, "connectors");
    for (size_t i = 0; i < status->n_views; i++) {
        json_begin_object(json, NULL);
        for (size_t f = 0; f < CF_COUNT; f++) {
            struct field_value value;
            if (!connector_get(&status->views[i], f, 0, &value) || value.unknown)
                continue;
            if (connector_fields[f].kind == FIELD_TEXT)
                json_add_span(json, connector_fields[f].name, value.text);
            else if (connector_fields[f].kind == FIELD_TIME)
                json_add_time(json, connector_fields[f].name, value.number * 1000);
            else
                json_add_number(json, connector_fields[f].name, value.number);
        }
        json_end_object(json);
    }
    json_end_array(json);
}

static void
json_queues(const struct status *status, struct json *json)
{
    json_begin_array(json, "queues");
    for (size_t i = 0; i < status->census.n; i++) {
        const struct census_row *row = &status->census.rows[i];
        json_begin_object(json, NULL);
        json_add_text(json, "connector", row->connector);
        json_add_text(json, "folder", folder_name(row->folder));
        json_add_number(json, "messages", (int64_t)row->count);
        if (row->oldest_ms >= 0)
            json_add_number(json, "oldest_seconds", (time_ms() - row->oldest_ms) / 1000);
        json_end_object(json);
    }
    json_end_array(json);
}

static void
json_refusing(const struct status *status, struct json *json)
{
    struct span text = buf_span(&status->master);
    struct buf address = {0};
    int64_t since_s;
    json_begin_array(json, "refusing");
    while (!status->command->offline && master_next_refusing(&text, &address, &since_s)) {
        json_begin_object(json, NULL);
        json_add_span(json, "listener", buf_span(&address));
        json_add_time(json, "since", since_s * 1000);
        json_end_object(json);
    }
    json_end_array(json);
    buf_clear(&address);
}

static void
show_json(const struct status *status)
{
    struct buf out = {0};
    struct json json;
    struct buf value = {0};
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "version", PACKAGE_VERSION);
    json_add_bool(&json, "running", !status->command->offline);
    if (!status->command->offline)
        json_add_number(&json, "pid", status->pid);
    if (master_value(buf_span(&status->master), "generation", &value))
        json_add_span(&json, "generation", buf_span(&value));
    if (master_value(buf_span(&status->master), "config-error", &value) && value.len > 0)
        json_add_span(&json, "config_error", buf_span(&value));
    json_refusing(status, &json);
    json_connectors(status, &json);
    json_queues(status, &json);
    dirsync_show_json(status->command, &json);
    json_confinement(status, &json);
    json_end_object(&json);
    puts(out.at);
    buf_clear(&out);
    buf_clear(&value);
}

int
status_show(struct command *command)
{
    struct status status = {.command = command};
    int r = spool_map_open(&status.map, command);
    if (r != 0)
        return r;
    master_runs(command->spool_fd, &status.pid);
    master_state(command->spool_fd, &status.master);
    connector_views(command, &status.map, &status.views, &status.n_views);
    if (census_take(command->spool_fd, UINT64_MAX, &status.census) < 0)
        status.census = (struct census){0};
    if (command_has(command, OPTION_JSON)) {
        show_json(&status);
    } else {
        show_master(&status);
        show_connectors(&status);
        show_holds(&status);
        show_queues(&status);
        dirsync_show_lines(command);
        show_refusing(&status);
        show_workers(&status);
        show_errors(&status);
        show_confinement(&status);
        show_room(&status);
    }
    census_clear(&status.census);
    buf_clear(&status.master);
    free(status.views);
    spool_map_close(&status.map);
    return command->offline ? EXIT_NOT_RUNNING : EXIT_DONE;
}
