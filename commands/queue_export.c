/* queue_export.c - messages out of the spool into a folder, and back into a spool (perhaps another node's)
 *
 * An export writes DIR/<folder's path with '+' for '/'>/<name>: the queue file as it is. The copy is durable
 * before the original is removed, and so the other way round: a kill leaves a message in both places and never
 * in none. What it leaves in the command's Temp is half of a copy or a second one, and goes when the next
 * import begins. Import refuses what the spool has, in whatever folder. Ids stay: they are unique across nodes.
 *
 * What is hostile here: an import's folder. Files are checked whole (envelope, journal, body) while they are
 * copied.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/act.h"

enum { COPY_CHUNK = 256 * 1024 };

static int
copy_bytes(int from, int to)
{
    char *bytes = xmalloc(COPY_CHUNK);
    ssize_t n = 0;
    int r = 0;
    for (off_t at = 0; r == 0 && (n = pread(from, bytes, COPY_CHUNK, at)) > 0; at += n) {
        ssize_t done = 0;
        while (r == 0 && done < n) {
            ssize_t written = write(to, bytes + done, (size_t)(n - done));
            r = written < 0 ? -errno : 0;
            done += written > 0 ? written : 0;
        }
    }
    if (n < 0)
        r = -errno;
    free(bytes);
    return r;
}

struct rights {
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* Copies a whole file to a new one, whatever the umask, and makes it durable. 0 or -errno; on failure nothing
 * is left. */
static int
copy_file(int from, int folder, const char *name, const struct rights *rights)
{
    int to = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return -errno;
    int r = copy_bytes(from, to);
    if (r == 0 && geteuid() == 0 && fchown(to, rights->uid, rights->gid) < 0)
        r = -errno;
    if (r == 0 && (fchmod(to, rights->mode) < 0 || fsync(to) < 0))
        r = -errno;
    close(to);
    if (r < 0)
        spool_remove(folder, name);
    return r;
}

static int
make_folder(int at_fd, const char *path)
{
    if (mkdirat(at_fd, path, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ---- export ---- */

static int
export_folder(int dir_fd, const struct place *place)
{
    char flat[SPOOL_PATH_MAX];
    place_flatten(place, flat);
    return make_folder(dir_fd, flat);
}

static int
export_copy(struct act_item *item)
{
    const int *dir_fd = item->act->arg;
    const struct rights rights = {geteuid(), getegid(), 0600};
    int folder = export_folder(*dir_fd, item->place);
    int r = folder < 0 ? folder : copy_file(item->fd, folder, item->name, &rights);
    if (r == 0 && (fsync(folder) < 0 || fsync(*dir_fd) < 0))
        r = -errno;
    if (folder >= 0)
        close(folder);
    if (r < 0)
        why_set(&item->why, "", "cannot be written there: %s", strerror(-r));
    return r;
}

static bool
can_export(enum folder folder)
{
    return folder != FOLDER_BADMAIL && flow_find(WORKER_COMMAND, folder, VERDICT_DONE) != NULL;
}

static int
decide_export(struct act_item *item, struct act_goal *goal)
{
    goal->verdict = VERDICT_DONE;
    goal->tracks = true;
    goal->track = TRACK_EXPORT;
    if (!can_export(item->place->folder))
        return why_set(&item->why, "", "messages in %s cannot be exported", folder_name(item->place->folder));
    return 0;
}

/* The folder, made when missing. */
static int
open_folder(const char *path, bool make)
{
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
queue_export(struct command *command)
{
    if (command->n_operands < 2)
        return command_usage(command, "say a folder and which messages; `all` for every message");
    bool copies = command_has(command, OPTION_COPY);
    int dir_fd = open_folder(command->operands[0], !command_has(command, OPTION_DRY_RUN));
    if (dir_fd < 0 && !command_has(command, OPTION_DRY_RUN))
        return command_fail_errno(-dir_fd, "the folder %s", command->operands[0]);
    struct act act = {.verb = "export",
                      .done = copies ? "copied" : "exported",
                      .decide = decide_export,
                      .copy = export_copy,
                      .only = FOLDER_COUNT,
                      .arg = &dir_fd,
                      .first = 1,
                      .stays = copies,
                      .asks = !copies};
    int r = act_run(&act, command);
    if (dir_fd >= 0)
        close(dir_fd);
    return r;
}

/* ---- import ---- */

struct import {
    struct act act;
    int dir_fd, temp_fd;
    gid_t common; /* the group that queue files have: every worker's */
    void *known;  /* stems of the spool's messages (tsearch) */
    struct arena *arena;
};

static int
compare_stems(const void *a, const void *b)
{
    const char *x = a, *y = b;
    return strcmp(x, y);
}

static void
add_known(struct import *import, const char *stem)
{
    char *copy = xstrdup(stem);
    char **found = tsearch(copy, &import->known, compare_stems);
    if (found == NULL || *found != copy)
        free(copy);
}

static bool
note_known(struct message *message, void *arg)
{
    add_known(arg, message->parts.stem);
    return true;
}

/* The name alone decides: it may lie in another folder than where it was exported from, deferred or on hold. */
static void
find_known(struct import *import)
{
    struct filter all;
    filter_init(&all, message_fields, message_field_count);
    spool_walk(&import->act.map, FOLDER_COUNT, &all, COST_NAME, note_known, import);
}

/* All of the file as hostile input: envelope, journal, and the body to its end. */
static int
check_file(struct import *import, struct act_item *item)
{
    int r = queue_file_read(item->fd, import->arena, &item->file, &item->why);
    return r < 0 ? r : queue_body_check(&item->file, &item->why);
}

static bool
is_dry(const struct import *import)
{
    return command_has(import->act.command, OPTION_DRY_RUN);
}

/* A copy in Temp that the folder's taker can open, as any worker's. */
static int
copy_in(struct import *import, int fd, const char *name, const struct place *to)
{
    struct stat folder;
    if (fstat(to->fd, &folder) < 0)
        return -errno;
    const struct rights rights = {folder.st_uid, import->common, 0660};
    return copy_file(fd, import->temp_fd, name, &rights);
}

/* The record is written before the move it tells of. Both folders are synced behind it: the source is removed
 * next. */
static int
move_in(struct import *import, const char *name, const struct place *to)
{
    int r = log_flush();
    if (r == 0)
        r = spool_move(import->temp_fd, name, to->fd, name);
    if (r < 0)
        spool_remove(import->temp_fd, name);
    else if (fsync(to->fd) < 0 || fsync(import->temp_fd) < 0)
        r = -errno;
    return r;
}

static int
bring_in(struct import *import, struct act_item *item, const struct place *to)
{
    const struct act_goal goal = {.to = to, .kind = JOURNAL_TRACE, .track = TRACK_IMPORT};
    int r = copy_in(import, item->fd, item->name, to);
    if (r == 0) {
        act_track(item, &goal);
        r = move_in(import, item->name, to);
    }
    if (r < 0)
        return why_set(&item->why, "", "cannot be written: %s", strerror(-r));
    add_known(import, item->parts.stem);
    return 0;
}

static int
import_file(struct import *import, int from_fd, struct act_item *item, const struct place *to)
{
    if (tfind(item->parts.stem, &import->known, compare_stems) != NULL)
        return why_set(&item->why, "", "the spool has it already");
    item->fd = openat(from_fd, item->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (item->fd < 0)
        return why_set(&item->why, "", "cannot be opened: %s", strerror(errno));
    item->readable = folder_has_envelopes(to->folder);
    int r = item->readable ? check_file(import, item) : 0;
    if (r == 0 && !is_dry(import))
        r = bring_in(import, item, to);
    close(item->fd);
    if (r < 0 || is_dry(import) || command_has(import->act.command, OPTION_COPY))
        return r;
    r = spool_remove(from_fd, item->name);
    return r < 0 ? why_set(&item->why, "", "is imported, but cannot be removed: %s", strerror(-r)) : 0;
}

static void
import_folder(struct import *import, const char *flat, const struct place *to)
{
    int fd = openat(import->dir_fd, flat, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct act_item item = {.act = &import->act, .place = to, .name = entry->d_name};
        if (!queue_name_parse(entry->d_name, &item.parts))
            continue;
        arena_reset(import->arena);
        import->act.matched++;
        int r = import_file(import, dirfd(dir), &item, to);
        import->act.n_done += r == 0;
        import->act.n_refused += r != 0;
        if (r != 0)
            command_fail(EXIT_NOTHING, "%s/%s: %s", flat, entry->d_name, item.why.text);
    }
    if (dir != NULL) {
        fsync(dirfd(dir)); /* or a power cut brings back what was imported, to be imported again */
        closedir(dir);
    }
}

/* Where an exported folder's messages go: the folder itself; held ones go on hold again. */
static const struct place *
import_place(struct import *import, const char *flat)
{
    char hold[SPOOL_PATH_MAX];
    enum folder folder;
    const char *connector;
    struct why why;
    folder_path(FOLDER_HOLD, NULL, hold);
    size_t len = strlen(hold);
    bool held = strncmp(flat, hold, len) == 0 && flat[len] == '+';
    if (!place_unflatten(&import->act.map, held ? flat + len + 1 : flat, &folder, &connector) ||
        !can_export(folder))
        return NULL;
    const struct place *place = spool_map_find(&import->act.map, folder, connector);
    return held && place != NULL ? act_hold_place(&import->act, place, &why) : place;
}

static void
import_all(struct import *import)
{
    int fd = openat(import->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        const struct place *place = import_place(import, entry->d_name);
        if (place != NULL) {
            import_folder(import, entry->d_name, place);
            continue;
        }
        command_fail(EXIT_NOTHING, "%s is no folder of this spool (is its connector configured?): left alone",
                     entry->d_name);
        import->act.matched++;
        import->act.n_refused++;
    }
    if (dir != NULL)
        closedir(dir);
}

/* The command's folder below Temp, for this import alone, without what one that was killed left there: whatever
 * it is, its source was not removed. */
static int
open_temp(int spool_fd)
{
    char temp[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 16];
    struct queue_name parts;
    folder_path(FOLDER_TEMP, NULL, temp);
    snprintf(path, sizeof path, "%s/%s", temp, worker_table[WORKER_COMMAND].program);
    int fd = make_folder(spool_fd, path);
    if (fd < 0)
        return fd;
    int r = spool_lock(fd);
    int list = r < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = list < 0 ? NULL : fdopendir(list);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (queue_name_parse(entry->d_name, &parts))
            spool_remove(fd, entry->d_name);
    if (dir != NULL)
        closedir(dir);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static int
import_from(struct import *import)
{
    int r = spool_common_group(import->act.map.spool_fd, &import->common);
    if (r < 0)
        return command_fail_errno(-r, "the spool's folder %s", folder_name(FOLDER_STATE));
    import->arena = arena_new(192 << 20);
    act_start_logs(&import->act);
    find_known(import);
    import_all(import);
    log_flush();
    tdestroy(import->known, free);
    arena_free(import->arena);
    return act_report(&import->act);
}

int
queue_import(struct command *command)
{
    struct import import = {
        .act = {.command = command, .verb = "import", .done = "imported", .reason = "by an operator"}};
    if (command->n_operands != 1)
        return command_usage(command, "say the folder that an export wrote");
    int r = spool_map_open(&import.act.map, command);
    if (r != 0)
        return r;
    import.dir_fd = open_folder(command->operands[0], false);
    import.temp_fd = import.dir_fd < 0 ? -1 : open_temp(command->spool_fd);
    if (import.dir_fd < 0)
        r = command_fail_errno(-import.dir_fd, "the folder %s", command->operands[0]);
    else if (import.temp_fd == -EBUSY)
        r = command_fail(EXIT_REFUSED, "another import is at work");
    else if (import.temp_fd < 0)
        r = command_fail_errno(-import.temp_fd, "the spool's folder for what is being written");
    else
        r = import_from(&import);
    if (import.dir_fd >= 0)
        close(import.dir_fd);
    if (import.temp_fd >= 0)
        close(import.temp_fd);
    spool_map_close(&import.act.map);
    return r;
}
