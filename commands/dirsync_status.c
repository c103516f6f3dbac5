/* dirsync_status.c - what was done to keep directories in step, and what comes next (see dirsync.h) */
#include "commands/dirsync.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "commands/become.h"
#include "commands/listing.h"
#include "directory/status.h"

enum status_field {
    SF_DIRSYNC,
    SF_CONNECTOR,
    SF_LAST,
    SF_RESULT,
    SF_NEXT,
    SF_LINKED,
    SF_CHANGES,
    SF_DONE,
    SF_FAILED,
    SF_CONFLICTS,
    SF_REFUSALS,
    SF_HIDING,
    SF_PLAN,
    SF_WHY,
    SF_COUNT
};

static const struct field status_fields[SF_COUNT] = {
    [SF_DIRSYNC] = {"dirsync", FIELD_TEXT, COST_NAME, 14, "its name", false},
    [SF_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 12, "its connector", false},
    [SF_LAST] = {"last", FIELD_TIME, COST_NAME, 20, "when the last run ended", false},
    [SF_RESULT] = {"result", FIELD_TEXT, COST_NAME, 8, "done, planned, waiting, refused or failed", false},
    [SF_NEXT] = {"next", FIELD_TIME, COST_NAME, 20, "when the next run is due by the schedule", false},
    [SF_LINKED] = {"linked", FIELD_NUMBER, COST_NAME, 7, "pairs of entries", false},
    [SF_CHANGES] = {"changes", FIELD_NUMBER, COST_NAME, 7, "changes of the last plan", false},
    [SF_DONE] = {"done", FIELD_NUMBER, COST_NAME, 6, "of these, carried out", false},
    [SF_FAILED] = {"failed", FIELD_NUMBER, COST_NAME, 6, "of these, refused by the directory", false},
    [SF_CONFLICTS] = {"conflicts", FIELD_NUMBER, COST_NAME, 9, "conflicts in it", false},
    [SF_REFUSALS] = {"refusals", FIELD_NUMBER, COST_NAME, 8, "refusals in it", false},
    [SF_HIDING] = {"hiding", FIELD_NUMBER, COST_NAME, 6, "entries that wait hidden to be deleted", false},
    [SF_PLAN] = {"plan", FIELD_TEXT, COST_NAME, 12, "the plan's hash", false},
    [SF_WHY] = {"why", FIELD_TEXT, COST_NAME, 0, "why it was refused, failed or waits", false},
};

struct status_row {
    const struct conf_dirsync *dirsync;
    const struct dir_status *status;
    int64_t next_s;
};

static bool
status_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct status_row *row = item;
    const struct dir_status *status = row->status;
    bool ran = status->ended_s > 0;
    *value = (struct field_value){.unknown = true};
    if (i > 0)
        return false;
    switch ((enum status_field)field) {
    case SF_DIRSYNC:
        return field_text(value, span_of(row->dirsync->title));
    case SF_CONNECTOR:
        return field_text(value, span_of(row->dirsync->connector));
    case SF_LAST:
        return field_number(value, ran, status->ended_s);
    case SF_RESULT:
        return field_text(value, span_of(ran ? status->result : ""));
    case SF_NEXT:
        return field_number(value, row->next_s > 0, row->next_s);
    case SF_LINKED:
        return field_number(value, ran, (int64_t)status->linked);
    case SF_CHANGES:
        return field_number(value, ran, (int64_t)status->changes);
    case SF_DONE:
        return field_number(value, ran, (int64_t)status->done);
    case SF_FAILED:
        return field_number(value, ran, (int64_t)status->failed);
    case SF_CONFLICTS:
        return field_number(value, ran, (int64_t)status->conflicts);
    case SF_REFUSALS:
        return field_number(value, ran, (int64_t)status->refusals);
    case SF_HIDING:
        return field_number(value, ran, (int64_t)status->hiding);
    case SF_PLAN:
        return field_text(value, (struct span){status->hash, strnlen(status->hash, 12)});
    default:
        return field_text(value, span_of(status->text));
    }
}

static int64_t
next_of(const struct conf_root *root, const struct conf_dirsync *dirsync, const struct dir_status *status)
{
    int64_t now = time_ms() / 1000;
    return strcmp(dirsync->schedule, "never") == 0
               ? -1
               : conf_schedule_next(root, dirsync->schedule, status->begun_s > 0 ? status->begun_s : now);
}

static int
list_status(void *arg)
{
    struct command *command = arg;
    const struct conf_root *root = command->root;
    struct listing listing;
    int r =
        listing_init(&listing, command, status_fields, SF_COUNT,
                     "dirsync,last,result,next,linked,changes,done,failed,conflicts,hiding,why", status_get);
    int fd = r == 0 ? folder_open(command->spool_fd, FOLDER_DIRSYNC, NULL) : -1;
    if (r != 0)
        return r;
    if (fd < 0)
        return command_fail_errno(-fd, "the folder dirsync of the spool %s", command->spool_path);
    for (size_t i = 0; i < root->dirsyncs_n; i++) {
        const struct conf_dirsync *dirsync = &root->dirsyncs[i];
        struct dir_status status;
        if (command->n_operands > 0 && strcmp(command->operands[0], dirsync->title) != 0)
            continue;
        dir_status_read(fd, dirsync->title, &status);
        listing_add(&listing, &(struct status_row){dirsync, &status, next_of(root, dirsync, &status)});
    }
    listing_end(&listing);
    close(fd);
    return listing.shown > 0 ? EXIT_DONE : EXIT_NOTHING;
}

int
dirsync_status(struct command *command)
{
    return command_become(command, WORKER_DIRSYNC, FOLDER_DIRSYNC, NULL, list_status, command);
}

/* ---- a part of `viaduct status` ---- */

/* The folder, or -1 where nobody keeps directories in step, or this user may not look. */
static int
open_folder(const struct command *command)
{
    return command->root == NULL || command->root->dirsyncs_n == 0
               ? -1
               : folder_open(command->spool_fd, FOLDER_DIRSYNC, NULL);
}

static void
print_dirsync(const struct command *command, const struct conf_dirsync *dirsync,
              const struct dir_status *status)
{
    char age[24], next[32];
    int64_t next_s = next_of(command->root, dirsync, status);
    bool good = strcmp(status->result, "done") == 0 || strcmp(status->result, "planned") == 0;
    printf("  %-16s ", dirsync->title);
    if (status->ended_s == 0) {
        printf("never ran");
    } else {
        print_age(time_ms() / 1000 - status->ended_s, age);
        printf("%s%s%s %s ago, %" PRIu64 " of %" PRIu64 " changes", good ? "" : colour_on(COLOUR_RED),
               status->result, good ? "" : colour_on(COLOUR_NONE), age, status->done, status->changes);
        if (status->failed > 0)
            printf(", %" PRIu64 " failed", status->failed);
        if (status->conflicts > 0)
            printf(", %" PRIu64 " conflicts", status->conflicts);
    }
    print_time(next_s, next);
    printf(next_s > 0 ? "; next %s\n" : "; no next run\n", next);
    if (status->text[0] != '\0')
        printf("  %-16s %s\n", "", status->text);
}

void
dirsync_show_lines(const struct command *command)
{
    struct dir_status status;
    int fd = open_folder(command);
    if (fd < 0)
        return;
    printf("%sDirectories%s\n", colour_on(COLOUR_BOLD), colour_on(COLOUR_NONE));
    for (size_t i = 0; i < command->root->dirsyncs_n; i++) {
        dir_status_read(fd, command->root->dirsyncs[i].title, &status);
        print_dirsync(command, &command->root->dirsyncs[i], &status);
    }
    close(fd);
}

void
dirsync_show_json(const struct command *command, struct json *json)
{
    int fd = open_folder(command);
    json_begin_array(json, "dirsyncs");
    for (size_t i = 0; fd >= 0 && i < command->root->dirsyncs_n; i++) {
        struct dir_status status;
        struct field_value value;
        const struct conf_dirsync *dirsync = &command->root->dirsyncs[i];
        dir_status_read(fd, dirsync->title, &status);
        struct status_row row = {dirsync, &status, next_of(command->root, dirsync, &status)};
        json_begin_object(json, NULL);
        for (size_t f = 0; f < SF_COUNT; f++) {
            if (!status_get(&row, f, 0, &value) || value.unknown)
                continue;
            if (status_fields[f].kind == FIELD_TEXT)
                json_add_span(json, status_fields[f].name, value.text);
            else if (status_fields[f].kind == FIELD_TIME)
                json_add_time(json, status_fields[f].name, value.number * 1000);
            else
                json_add_number(json, status_fields[f].name, value.number);
        }
        json_end_object(json);
    }
    json_end_array(json);
    if (fd >= 0)
        close(fd);
}
