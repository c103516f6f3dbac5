/* dirsync.c - directories in step: plan, show, apply, run, status
 *
 * A command does what the worker does at its times, by the same code (directory/run.h) and under the same lock, as the worker's
 * user: it needs no daemon, and shows how far it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/become.h"
#include "commands/dirsync.h"
#include "commands/listing.h"
#include "directory/run.h"

/* ---- runs ---- */

struct work {
    struct command *command;
    const struct conf_dirsync *dirsync;
    unsigned steps;
    bool shown; /* a line of progress stands on the terminal */
    int64_t shown_ms;
};

/* Where progress stood comes what is to stay. */
static void
clear_line(struct work *work)
{
    if (work->shown)
        fputs("\r\033[K", stderr);
    work->shown = false;
}

static void
progress(void *arg, const char *what, uint64_t done, uint64_t all)
{
    struct work *work = arg;
    int64_t now = monotonic_ms();
    if (!isatty(2) || (work->shown && now - work->shown_ms < 200 && done != all))
        return;
    if (all > 0)
        fprintf(stderr, "\r\033[K%s: %s: %" PRIu64 " of %" PRIu64, work->dirsync->title, what, done, all);
    else
        fprintf(stderr, "\r\033[K%s: %s: %" PRIu64, work->dirsync->title, what, done);
    work->shown = true;
    work->shown_ms = now;
}

static void
note(void *arg, const char *text)
{
    struct buf clean = {0};
    clear_line(arg);
    text_add_clean(&clean, span_of(text));
    fprintf(stderr, "%s: %s\n", ((struct work *)arg)->dirsync->title, clean.at != NULL ? clean.at : "");
    buf_clear(&clean);
}

static int
exit_of(int r)
{
    switch (r) {
    case 0:
        return EXIT_DONE;
    case -EPERM:
    case -ESTALE:
    case -EBADMSG:
        return EXIT_REFUSED;
    case -ENOTCONN:
    case -ETIMEDOUT:
    case -EACCES:
    case -EAGAIN:
        return EXIT_UNREACHABLE;
    case -EINVAL:
        return EXIT_CONFIG;
    default:
        return EXIT_NOTHING;
    }
}

static void
print_result(const struct work *work, const struct dir_run *run)
{
    const struct dir_status *status = &run->status;
    const char *title = work->dirsync->title;
    if ((work->steps & DIR_RUN_APPLY) == 0)
        printf("%s: %" PRIu64 " changes, %" PRIu64 " conflicts, %" PRIu64 " refusals planned over %" PRIu64
               " linked entries; plan %.12s\n",
               title, status->changes, status->conflicts, status->refusals, status->linked, status->hash);
    else
        printf("%s: %" PRIu64 " of %" PRIu64 " changes carried out, %" PRIu64 " failed; plan %.12s\n", title,
               status->done, status->changes, status->failed, status->hash);
    if ((work->steps & DIR_RUN_APPLY) != 0 && status->conflicts + status->refusals > 0)
        printf("%s: %" PRIu64 " conflicts and %" PRIu64
               " refusals are in the plan: `viaduct dirsync show %s` says why\n",
               title, status->conflicts, status->refusals, title);
    if ((work->steps & DIR_RUN_APPLY) == 0 && status->changes > 0)
        printf("`viaduct dirsync show %s` shows the plan, `viaduct dirsync apply %s` carries it out\n", title,
               title);
    if (run->published)
        printf("a new generation of the address book is published\n");
}

static int
do_run(void *arg)
{
    struct work *work = arg;
    struct command *command = work->command;
    struct why why = {"", ""};
    struct dir_run run = {.root = command->root,
                          .dirsync = work->dirsync,
                          .spool_fd = command->spool_fd,
                          .folder_fd = folder_open(command->spool_fd, FOLDER_DIRSYNC, NULL),
                          .book_fd = folder_open(command->spool_fd, FOLDER_BOOK, NULL),
                          .steps = work->steps,
                          .full = command_has(command, OPTION_FULL),
                          .goes_on = (work->steps & DIR_RUN_APPLY) != 0,
                          .waits = true,
                          .adopt = command->values[OPTION_ADOPT],
                          .hash = command->values[OPTION_PLAN],
                          .force = command->values[OPTION_FORCE],
                          .progress = progress,
                          .note = note,
                          .arg = work};
    int bad = run.folder_fd < 0 ? run.folder_fd : run.book_fd < 0 ? run.book_fd : 0;
    if (bad < 0)
        return command_fail_errno(-bad, "the folders dirsync and book of the spool %s", command->spool_path);
    int r = dir_run(&run, &why);
    clear_line(work);
    bool planned = (work->steps & DIR_RUN_PLAN) != 0 && run.status.hash[0] != '\0';
    if (r == 0 || r == -ECANCELED || (r == -EPERM && planned))
        print_result(work, &run);
    if (r < 0)
        command_fail((enum exit_code)exit_of(r), "%s: %s", work->dirsync->title, why.text);
    if (r == -EINPROGRESS && (work->steps & DIR_RUN_APPLY) == 0)
        fprintf(stderr, "(say it again when the answer is there: the log and `viaduct dirsync status` tell)\n");
    if (r == -EPERM)
        fprintf(stderr,
                "(look at the plan: `viaduct dirsync show %s`; `viaduct dirsync apply %s --force %.12s` "
                "carries it out all the "
                "same)\n",
                work->dirsync->title, work->dirsync->title, run.status.hash);
    close(run.folder_fd);
    close(run.book_fd);
    if (r == 0 && work->steps == (DIR_RUN_READ | DIR_RUN_PLAN | DIR_RUN_BOOK) && run.status.changes == 0)
        return EXIT_NOTHING;
    return exit_of(r);
}

static const struct conf_dirsync *
find_dirsync(const struct conf_root *root, const char *name)
{
    for (size_t i = 0; i < root->dirsyncs_n; i++)
        if (strcmp(root->dirsyncs[i].title, name) == 0)
            return &root->dirsyncs[i];
    return NULL;
}

/* The dirsyncs that are named; the only one there is where none is; all for `all`. 0, or an exit code. */
static int
each_dirsync(struct command *command, int (*each)(struct command *command, const struct conf_dirsync *dirsync))
{
    const struct conf_root *root = command->root;
    int r = EXIT_DONE;
    bool all = command->n_operands == 1 && strcmp(command->operands[0], "all") == 0;
    if (root->dirsyncs_n == 0)
        return command_fail(EXIT_CONFIG, "the configuration has no dirsync section; viaduct.conf(5) and "
                                         "viaduct-dirsync(7) tell how one is written");
    if (command->n_operands == 0 && root->dirsyncs_n > 1)
        return command_usage(command, "which dirsync? or say `all`");
    for (size_t i = 0; i < command->n_operands && !all; i++)
        if (find_dirsync(root, command->operands[i]) == NULL)
            return command_fail(EXIT_USAGE, "there is no dirsync \"%s\"; `viaduct dirsync status` shows them",
                                command->operands[i]);
    for (size_t i = 0; i < root->dirsyncs_n; i++) {
        bool named = all || command->n_operands == 0;
        for (size_t k = 0; k < command->n_operands && !named; k++)
            named = strcmp(command->operands[k], root->dirsyncs[i].title) == 0;
        int one = named ? each(command, &root->dirsyncs[i]) : EXIT_DONE;
        r = r != EXIT_DONE ? r : one;
    }
    return r;
}

static int
work_on(struct command *command, const struct conf_dirsync *dirsync, unsigned steps)
{
    struct work work = {.command = command, .dirsync = dirsync, .steps = steps};
    return command_become(command, WORKER_DIRSYNC, FOLDER_DIRSYNC, NULL, do_run, &work);
}

static int
plan_one(struct command *command, const struct conf_dirsync *dirsync)
{
    return work_on(command, dirsync, DIR_RUN_READ | DIR_RUN_PLAN | DIR_RUN_BOOK);
}

static int
apply_one(struct command *command, const struct conf_dirsync *dirsync)
{
    return work_on(command, dirsync, DIR_RUN_APPLY | DIR_RUN_BOOK);
}

static int
run_one(struct command *command, const struct conf_dirsync *dirsync)
{
    return work_on(command, dirsync, DIR_RUN_READ | DIR_RUN_PLAN | DIR_RUN_APPLY | DIR_RUN_BOOK);
}

int
dirsync_plan(struct command *command)
{
    return each_dirsync(command, plan_one);
}

int
dirsync_apply(struct command *command)
{
    return each_dirsync(command, apply_one);
}

int
dirsync_run(struct command *command)
{
    return each_dirsync(command, run_one);
}

/* ---- the book ---- */

static int
do_book(void *arg)
{
    struct command *command = arg;
    struct why why = {"", ""};
    static const struct conf_dirsync nobody = {.title = "book"};
    struct work work = {.command = command, .dirsync = &nobody};
    struct dir_run run = {.root = command->root,
                          .spool_fd = command->spool_fd,
                          .folder_fd = folder_open(command->spool_fd, FOLDER_DIRSYNC, NULL),
                          .book_fd = folder_open(command->spool_fd, FOLDER_BOOK, NULL),
                          .steps = DIR_RUN_BOOK,
                          .waits = true,
                          .note = note,
                          .arg = &work};
    int bad = run.folder_fd < 0 ? run.folder_fd : run.book_fd < 0 ? run.book_fd : 0;
    if (bad < 0)
        return command_fail_errno(-bad, "the folders dirsync and book of the spool %s", command->spool_path);
    int r = dir_run(&run, &why);
    if (r < 0)
        command_fail((enum exit_code)exit_of(r), "%s", why.text);
    else
        puts(run.published ? "a new generation of the address book is published"
                           : "nothing has changed: the book in use is of what directories and files hold");
    close(run.folder_fd);
    close(run.book_fd);
    return r == -EAGAIN ? EXIT_NOTHING : exit_of(r);
}

int
dirsync_build_book(struct command *command)
{
    return command_become(command, WORKER_DIRSYNC, FOLDER_DIRSYNC, NULL, do_book, command);
}

/* ---- show ---- */

enum plan_field { PF_NUMBER, PF_SIDE, PF_WHAT, PF_KIND, PF_NAME, PF_SOURCE, PF_ATTRIBUTES, PF_WHY, PF_COUNT };

static const struct field plan_fields[PF_COUNT] = {
    [PF_NUMBER] = {"number", FIELD_NUMBER, COST_NAME, 6, "its place in the plan", false},
    [PF_SIDE] = {"side", FIELD_TEXT, COST_NAME, 7, "host or foreign", false},
    [PF_WHAT] = {"what", FIELD_TEXT, COST_NAME, 8,
                 "add, change, rename, hide, show, delete, disable, adopt; "
                 "conflict, refusal, remark for what is not done",
                 false},
    [PF_KIND] = {"kind", FIELD_TEXT, COST_NAME, 9, "contact, group, ...", false},
    [PF_NAME] = {"name", FIELD_TEXT, COST_NAME, 40, "the entry", false},
    [PF_SOURCE] = {"source", FIELD_TEXT, COST_NAME, 30, "whom it stands for", false},
    [PF_ATTRIBUTES] = {"attributes", FIELD_TEXT, COST_NAME, 24, "which attributes change", true},
    [PF_WHY] = {"why", FIELD_TEXT, COST_NAME, 0, "the reason", false},
};

/* A change or a notice. */
struct plan_row {
    size_t number;
    const struct dir_change *change;
    const struct dir_notice *notice;
};

static bool
plan_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    static const char *const notices[DIR_NOTE_KINDS] = {"conflict", "refusal", "remark"};
    const struct plan_row *row = item;
    const struct dir_change *change = row->change;
    *value = (struct field_value){.unknown = true};
    if (i >= (field == PF_ATTRIBUTES && change != NULL ? change->n_deltas : 1))
        return false;
    switch ((enum plan_field)field) {
    case PF_NUMBER:
        return field_number(value, change != NULL, (int64_t)row->number);
    case PF_SIDE:
        return field_text(value,
                          span_of((change != NULL ? change->host : row->notice->host) ? "host" : "foreign"));
    case PF_WHAT:
        return field_text(value, span_of(change != NULL ? dir_operation_name(change->operation)
                                                        : notices[row->notice->kind]));
    case PF_KIND:
        return field_text(value, span_of(change != NULL ? dir_kind_name(change->kind) : ""));
    case PF_NAME:
        return field_text(value, change != NULL ? change->name : row->notice->name);
    case PF_SOURCE:
        return field_text(value, change != NULL ? change->source : row->notice->id);
    case PF_ATTRIBUTES:
        return field_text(value, change != NULL ? change->deltas[i].name : SPAN(""));
    default:
        return field_text(value, change != NULL ? change->why : row->notice->text);
    }
}

struct shown {
    struct command *command;
    const struct conf_dirsync *dirsync;
};

static void
list_plan(struct listing *listing, const struct dir_plan *plan)
{
    bool more = true;
    for (size_t i = 0; i < plan->n_changes && more; i++)
        more = listing_add(listing, &(struct plan_row){i + 1, &plan->changes[i], NULL});
    for (size_t i = 0; i < plan->n_notices && more; i++)
        more = listing_add(listing, &(struct plan_row){0, NULL, &plan->notices[i]});
}

static int
show_plan(void *arg)
{
    const struct shown *shown = arg;
    struct command *command = shown->command;
    struct buf text = {0};
    struct why why = {"", ""};
    struct dir_plan *plan = NULL;
    struct listing listing;
    char name[300];
    int fd = folder_open(command->spool_fd, FOLDER_DIRSYNC, NULL);
    snprintf(name, sizeof name, "%.200s.plan", shown->dirsync->title);
    int r = fd < 0 ? fd : dir_file_read(fd, name, 512 << 20, &text);
    if (fd >= 0)
        close(fd);
    if (r == -ENOENT)
        return command_fail(EXIT_NOTHING, "there is no plan; `viaduct dirsync plan %s` makes one",
                            shown->dirsync->title);
    if (r < 0)
        return command_fail_errno(-r, "dirsync/%s in the spool %s", name, command->spool_path);
    r = dir_plan_read(buf_span(&text), &plan, &why);
    if (r < 0)
        command_fail(EXIT_REFUSED, "%s: %s", name, why.text);
    bool listed = listing_wanted(command);
    if (!listed)
        fwrite(text.at, 1, text.len, stdout);
    if (r == 0 && listed &&
        (r = listing_init(&listing, command, plan_fields, PF_COUNT, "number,side,what,kind,name,attributes,why",
                          plan_get)) == 0) {
        list_plan(&listing, plan);
        listing_end(&listing);
    }
    bool nothing = plan != NULL && plan->n_changes + plan->n_notices == 0;
    if (plan != NULL)
        dir_plan_free(plan);
    buf_clear(&text);
    return r < 0 ? EXIT_REFUSED : r > 0 ? r : nothing ? EXIT_NOTHING : EXIT_DONE;
}

static int
show_one(struct command *command, const struct conf_dirsync *dirsync)
{
    struct shown shown = {command, dirsync};
    return command_become(command, WORKER_DIRSYNC, FOLDER_DIRSYNC, NULL, show_plan, &shown);
}

int
dirsync_show(struct command *command)
{
    return each_dirsync(command, show_one);
}
