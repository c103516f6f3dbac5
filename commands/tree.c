/* tree.c - the spool against its declaration: check, repair, create, and the picture of the road
 *
 * Repair makes folders that are missing, and gives folders their owner, group and mode. Nothing else is touched: a file
 * that should not be there is named, for a person to look at.
 */
#include "commands/tree.h"
#include "common/ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/spool_walk.h"

/* "host" and the configuration's connectors; the array is the caller's, the names are not. */
static const char **
connector_names(const struct conf_root *root, size_t *n)
{
    size_t count = 1 + (root != NULL ? root->connectors_n : 0);
    const char **names = xcalloc(count, sizeof *names);
    names[0] = "host";
    for (size_t i = 1; i < count; i++)
        names[i] = root->connectors[i - 1].title;
    *n = count;
    return names;
}

/* ---- folders ---- */

static int
check_folder(int spool_fd, const char *path, dev_t device, struct tree_result *result)
{
    struct stat st;
    if (fstatat(spool_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == EACCES)
            return command_fail_errno(errno, "%s", path);
        finding_of(result->findings, "wrong", path, "missing");
        result->n_missing++;
    } else if (!S_ISDIR(st.st_mode)) {
        finding_of(result->findings, "wrong", path, "is no folder");
        result->n_foreign++;
    } else if (st.st_dev != device) {
        finding_of(result->findings, "wrong", path,
                   "lies in another file system: moves into it cannot be atomic");
        result->n_foreign++;
    } else if (faccessat(spool_fd, path, R_OK | X_OK, AT_EACCESS) < 0 && errno == EACCES) {
        return command_deny(errno, "spool", path); /* what is in there cannot be told */
    }
    return 0;
}

static int
check_folders(int spool_fd, const struct conf_root *root, struct tree_result *result)
{
    char path[SPOOL_PATH_MAX];
    struct stat st;
    size_t n;
    int r = 0;
    const char **names = connector_names(root, &n);
    if (fstat(spool_fd, &st) < 0)
        r = command_fail_errno(errno, "the spool");
    for (unsigned f = 0; r == 0 && f < FOLDER_COUNT; f++)
        for (size_t i = 0; r == 0 && i < (folder_table[f].per == PER_ONE ? 1 : n); i++)
            if (folder_path((enum folder)f, names[i], path) == 0)
                r = check_folder(spool_fd, path, st.st_dev, result);
    free(names);
    return r;
}

/* ---- owners and modes ---- */

static void
tell_rights(const char *path, const char *what, void *arg)
{
    struct tree_result *result = arg;
    finding_of(result->findings, "wrong", path, "%s", what);
    result->n_rights++;
}

/* A spool that an ordinary user runs is that user's, and of others only what they drop. With `repair` it becomes so. */
static void
check_user_folder(int spool_fd, enum folder folder, const char *path, uid_t owner, struct tree_result *result)
{
    char what[120];
    struct stat st;
    mode_t others = folder == FOLDER_DROP ? 0 : 07;
    if (fstatat(spool_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return;
    mode_t mode = st.st_mode & 07777, wanted = (mode | 0700) & ~others;
    if (st.st_uid == owner && mode == wanted)
        return;
    snprintf(what, sizeof what, "owner %u, mode %04o; the spool's owner is %u, the mode would be %04o",
             (unsigned)st.st_uid, (unsigned)mode, (unsigned)owner, (unsigned)wanted);
    tell_rights(path, what, result);
}

static void
repair_user_folder(int spool_fd, enum folder folder, const char *path, const struct stat *top)
{
    struct stat st;
    int fd = openat(spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        bool failed = st.st_uid != top->st_uid && fchown(fd, top->st_uid, top->st_gid) < 0;
        if (!failed) /* what could not be mended is named by the check that follows */
            fchmod(fd, ((st.st_mode & 07777) | 0700) & ~(mode_t)(folder == FOLDER_DROP ? 0 : 07));
    }
    if (fd >= 0)
        close(fd);
}

/* Each folder of a user's spool: `result` counts what is wrong; without one it is put right. */
static void
user_folders(int spool_fd, const struct conf_root *root, const struct stat *top, struct tree_result *result)
{
    char path[SPOOL_PATH_MAX];
    size_t n;
    const char **names = connector_names(root, &n);
    for (unsigned f = 0; f < FOLDER_COUNT; f++)
        for (size_t i = 0; i < (folder_table[f].per == PER_ONE ? 1 : n); i++) {
            if (folder_path((enum folder)f, names[i], path) < 0)
                continue;
            if (result != NULL)
                check_user_folder(spool_fd, (enum folder)f, path, top->st_uid, result);
            else
                repair_user_folder(spool_fd, (enum folder)f, path, top);
        }
    free(names);
}

/* Whether root's master has dealt out numbers: before its first start there is nothing to compare with. */
static bool
has_owners(int spool_fd)
{
    int state = folder_open(spool_fd, FOLDER_STATE, NULL);
    bool has = state >= 0 && ownership_known(state);
    if (state >= 0)
        close(state);
    return has;
}

static int
check_owners(int spool_fd, const struct conf_root *root, struct tree_result *result)
{
    struct stat top;
    struct why why = {0};
    if (fstat(spool_fd, &top) < 0)
        return command_fail_errno(errno, "the spool");
    if (top.st_uid != 0) {
        user_folders(spool_fd, root, &top, result);
        return 0;
    }
    if (root == NULL || !has_owners(spool_fd))
        return 0;
    struct ownership *ownership = ownership_open(spool_fd, root, &why);
    if (ownership == NULL)
        return command_fail(EXIT_NOTHING, "%s", why.text);
    int r = ownership_check(ownership, tell_rights, result, &why);
    ownership_free(ownership);
    return r == 0 ? 0
                  : command_fail(r == -EACCES || r == -EPERM ? EXIT_PERMISSION : EXIT_NOTHING, "%s", why.text);
}

/* ---- files ---- */

/* Whether the folder's taker may read the file and append to it. Its user owns the folder; its group is the common
 * one, as queue files' is. */
static bool
taker_can_open(const struct message *message, gid_t common)
{
    struct stat folder;
    const struct stat *file = &message->stat;
    if (!S_ISREG(file->st_mode) || fstat(message->place->fd, &folder) < 0)
        return false;
    if (folder.st_uid == 0)
        return true;
    unsigned shift = file->st_uid == folder.st_uid ? 6 : file->st_gid == common ? 3 : 0;
    return (file->st_mode >> shift & 06) == 06;
}

static void
check_rights(const struct message *message, struct tree_result *result)
{
    const struct stat *file = &message->stat;
    if (!result->has_common || taker_can_open(message, result->common))
        return;
    char path[SPOOL_PATH_MAX + QUEUE_NAME_MAX + 2];
    snprintf(path, sizeof path, "%s/%s", message->place->path, message->name);
    finding_of(
        result->findings, "wrong", path,
        "the worker that takes from there cannot open it: owner %u, group %u, mode %04o; queue files have "
        "group %u, mode 0660",
        file->st_uid, file->st_gid, file->st_mode & 07777U, result->common);
    result->n_closed++;
}

static bool
check_message(struct message *message, void *arg)
{
    struct tree_result *result = arg;
    if (!message_load(message, COST_STAT))
        return true;
    result->n_messages++;
    check_rights(message, result);
    if (message->damaged && message->place->folder != FOLDER_BADMAIL) {
        char path[SPOOL_PATH_MAX + QUEUE_NAME_MAX + 2];
        snprintf(path, sizeof path, "%s/%s", message->place->path, message->name);
        finding_of(result->findings, "wrong", path, "damaged: %s", message->why.text);
        result->n_damaged++;
    }
    return true;
}

/* Files that no worker will ever take. In Badmail the notes lie beside the messages. */
static void
check_names(const struct place *place, struct tree_result *result)
{
    struct queue_name parts;
    int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        bool note = place->folder == FOLDER_BADMAIL && len > 4 && strcmp(entry->d_name + len - 4, ".why") == 0;
        if (entry->d_name[0] == '.' || note || queue_name_parse(entry->d_name, &parts))
            continue;
        struct why shown;
        why_set(&shown, "", "%s/%s", place->path, entry->d_name);
        finding_of(result->findings, "wrong", shown.text, "is no message: nobody takes it");
        result->n_foreign++;
    }
    if (dir != NULL)
        closedir(dir);
}

static int
check_files(int spool_fd, const struct conf_root *root, struct tree_result *result)
{
    struct command command = {.spool_fd = spool_fd, .root = root};
    struct spool_map map;
    struct filter all;
    int r = spool_map_open(&map, &command);
    if (r != 0)
        return r;
    result->has_common =
        spool_common_group(spool_fd, &result->common) == 0; /* else state/ was named as missing */
    filter_init(&all, message_fields, message_field_count);
    spool_walk(&map, FOLDER_COUNT, &all, COST_FILE, check_message, result);
    for (size_t i = 0; i < map.n_places; i++)
        check_names(&map.places[i], result);
    spool_map_close(&map);
    return 0;
}

int
tree_check(const struct conf_root *root, const char *spool_path, bool deep, struct tree_result *result)
{
    *result = (struct tree_result){.findings = result->findings};
    int fd = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return command_fail_errno(errno, "the spool %s", spool_path);
    int r = check_folders(fd, root, result);
    if (r == 0)
        r = check_owners(fd, root, result);
    if (r == 0 && deep)
        r = check_files(fd, root, result);
    close(fd);
    if (r != 0)
        return r;
    bool sound =
        result->n_missing + result->n_foreign + result->n_damaged + result->n_closed + result->n_rights == 0;
    return sound ? EXIT_DONE : EXIT_NOTHING;
}

/* ---- the commands ---- */

int
tree_give_owners(const struct conf_root *root, const char *spool_path, struct why *why)
{
    struct stat st;
    int fd = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool roots = fd >= 0 && geteuid() == 0 && root != NULL && fstat(fd, &st) == 0 && st.st_uid == 0;
    struct ownership *ownership = roots ? ownership_open(fd, root, why) : NULL;
    int r = !roots ? 0 : ownership == NULL ? -EINVAL : ownership_apply(ownership, why);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid != 0)
        user_folders(fd, root, &st, NULL);
    ownership_free(ownership);
    if (fd >= 0)
        close(fd);
    return r;
}

/* Makes what is missing and gives everything its owner. 0 or an exit code after saying why. */
static int
repair(struct command *command, struct findings *findings)
{
    struct tree_result result = {.findings = findings};
    struct why why;
    size_t n;
    int r = tree_check(command->root, command->spool_path, false, &result);
    if (r != EXIT_DONE && r != EXIT_NOTHING)
        return r;
    const char **names = connector_names(command->root, &n);
    r = result.n_missing > 0 ? spool_create(command->spool_path, names, n, &why) : 0;
    free(names);
    if (r == 0 && result.n_missing + result.n_rights > 0)
        r = tree_give_owners(command->root, command->spool_path, &why);
    if (r == -EACCES || r == -EPERM)
        return command_fail_errno(-r, "the spool %s", command->spool_path);
    if (r < 0)
        return command_fail(EXIT_NOTHING, "%s", why.text);
    if (result.n_missing > 0)
        finding(findings, "note", command->spool_path, "made %zu folders", result.n_missing);
    return 0;
}

int
spool_check(struct command *command)
{
    struct findings findings;
    struct tree_result result = {.findings = &findings};
    int r = findings_open(&findings, command);
    if (r == 0 && command_has(command, OPTION_REPAIR))
        r = repair(command, &findings);
    if (r != 0)
        return r;
    r = tree_check(command->root, command->spool_path, true, &result);
    if (r == EXIT_DONE || r == EXIT_NOTHING)
        finding(&findings, r == EXIT_DONE ? "ok" : "note", command->spool_path,
                "%zu messages, %zu damaged, %zu that their worker cannot open; %zu folders missing, %zu with "
                "another owner or mode, %zu things that should not be there%s",
                result.n_messages, result.n_damaged, result.n_closed, result.n_missing, result.n_rights,
                result.n_foreign, command_offline(command));
    findings_close(&findings);
    return r;
}

int
spool_make(struct command *command)
{
    struct why why;
    size_t n;
    const char *path = command->spool_path != NULL ? command->spool_path : command->root->spool;
    const char **names = connector_names(command->root, &n);
    int r = spool_create(path, names, n, &why);
    free(names);
    if (r == 0) /* else what root puts into it before the first start, the book, is closed to the workers */
        r = tree_give_owners(command->root, path, &why);
    if (r == -EACCES || r == -EPERM)
        return command_fail_errno(-r, "the spool %s", path);
    if (r < 0)
        return command_fail(EXIT_NOTHING, "%s", why.text);
    printf("the spool %s stands, for the host and %zu connector%s\n", path, n - 1, n == 2 ? "" : "s");
    return EXIT_DONE;
}

/* ---- the picture ---- */

static const char *
how_word(enum move_how how)
{
    return how == HOW_HAND ? "hand" : "rewrite";
}

static void
graph_dot(void)
{
    printf("digraph spool {\n    rankdir=LR;\n    node [shape=box];\n");
    printf("    \"system\" [shape=ellipse];\n    \"gone\" [shape=ellipse];\n");
    for (size_t i = 0; i < move_count; i++) {
        const struct move_row *move = &move_table[i];
        bool operator_s = move->worker == WORKER_COMMAND;
        printf("    \"%s\" -> \"%s\" [label=\"%s: %s\"%s];\n", folder_name(move->from), folder_name(move->to),
               worker_table[move->worker].program, verdict_word(move->verdict),
               operator_s                 ? ", style=dotted"
               : move->how == HOW_REWRITE ? ", style=bold"
                                          : "");
    }
    printf("}\n");
}

static void
graph_text(void)
{
    enum worker_id last = WORKER_COUNT;
    for (size_t i = 0; i < move_count; i++) {
        const struct move_row *move = &move_table[i];
        if (move->worker != last)
            printf("%s%s%s%s - %s\n", i > 0 ? "\n" : "", colour_on(COLOUR_BOLD),
                   worker_table[move->worker].program, colour_on(COLOUR_NONE),
                   worker_table[move->worker].meaning);
        last = move->worker;
        printf("    %-14s --%-8s> %-14s %s\n", folder_name(move->from), verdict_word(move->verdict),
               folder_name(move->to), how_word(move->how));
    }
}

int
spool_graph(struct command *command)
{
    if (command_has(command, OPTION_DOT))
        graph_dot();
    else
        graph_text();
    return EXIT_DONE;
}
