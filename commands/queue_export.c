/* queue_export.c - messages out of the spool into a folder, and back into a spool (perhaps another node's)
 *
 * An export writes DIR/<folder's path with '+' for '/'>/<name>: the queue file as it is. The copy is durable
 * before the original is removed, so a kill leaves a message in both places and never in none; import refuses
 * ids that the spool has. Ids stay: they are unique across nodes.
 *
 * What is hostile here: an import's folder. Files are checked whole (envelope, journal, body) while they are
 * copied.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/act.h"

enum { COPY_CHUNK = 256 * 1024 };

/* Copies a whole file to a new one and makes it durable. 0 or -errno; on failure nothing is left. */
static int
copy_file(int from, int folder, const char *name)
{
    int r = 0, to = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (to < 0)
        return -errno;
    char *bytes = xmalloc(COPY_CHUNK);
    for (off_t at = 0; r == 0;) {
        ssize_t n = pread(from, bytes, COPY_CHUNK, at);
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        for (ssize_t done = 0; r == 0 && done < n;) {
            ssize_t written = write(to, bytes + done, (size_t)(n - done));
            r = written < 0 ? -errno : 0;
            done += written > 0 ? written : 0;
        }
        at += n;
    }
    free(bytes);
    if (r == 0 && fsync(to) < 0)
        r = -errno;
    close(to);
    if (r < 0)
        spool_remove(folder, name);
    return r;
}

/* ---- export ---- */

static int
export_folder(int dir_fd, const struct place *place)
{
    char flat[SPOOL_PATH_MAX];
    struct place origin = *place;
    if (place->folder == FOLDER_HOLD) /* held messages keep their place under Hold's own name */
        snprintf(origin.path, sizeof origin.path, "%s", place->path);
    place_flatten(&origin, flat);
    if (mkdirat(dir_fd, flat, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(dir_fd, flat, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int
export_copy(struct act_item *item)
{
    const int *dir_fd = item->act->arg;
    int folder = export_folder(*dir_fd, item->place);
    int r = folder < 0 ? folder : copy_file(item->fd, folder, item->name);
    if (r == 0 && fsync(folder) < 0)
        r = -errno;
    if (folder >= 0)
        close(folder);
    if (r < 0)
        why_set(&item->why, "", "cannot be written there: %s", strerror(-r));
    return r;
}

static int
decide_export(struct act_item *item, struct act_goal *goal)
{
    goal->verdict = VERDICT_DONE;
    if (flow_find(WORKER_COMMAND, item->place->folder, VERDICT_DONE) == NULL)
        return why_set(&item->why, "", "messages in %s cannot be exported", folder_name(item->place->folder));
    if (!command_has(item->act->command, OPTION_COPY))
        return 0;
    goal->nothing = true;
    return export_copy(item);
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
                      .before = copies ? NULL : export_copy,
                      .only = FOLDER_COUNT,
                      .arg = &dir_fd,
                      .first = 1,
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
    struct arena *arena;
};

/* All of the file as hostile input: envelope, journal, and the body to its end. */
static int
check_file(struct import *import, int fd, struct why *why)
{
    struct queue_file file;
    struct queue_body body;
    char bytes[64 * 1024];
    ssize_t n;
    int r = queue_file_read(fd, import->arena, &file, why);
    if (r < 0)
        return r;
    queue_body_start(&body, &file);
    while ((n = queue_body_read(&body, bytes, sizeof bytes, why)) > 0)
        continue;
    return (int)n;
}

static int
import_file(struct import *import, int from_fd, const char *name, const struct place *to, struct why *why)
{
    int fd = openat(from_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return why_set(why, "", "cannot be opened: %s", strerror(errno)), -EIO;
    int r = folder_has_envelopes(to->folder) ? check_file(import, fd, why) : 0;
    if (r == 0 && !command_has(import->act.command, OPTION_DRY_RUN)) {
        spool_remove(import->temp_fd,
                     name); /* what an import that was killed left: Temp of the command is ours */
        r = copy_file(fd, import->temp_fd, name);
        if (r == 0)
            r = spool_move(import->temp_fd, name, to->fd, name);
        if (r < 0) {
            spool_remove(import->temp_fd, name);
            why_set(why, "", r == -EEXIST ? "the spool has it already" : "cannot be written: %s", strerror(-r));
        }
    }
    close(fd);
    if (r == 0 && !command_has(import->act.command, OPTION_COPY) &&
        !command_has(import->act.command, OPTION_DRY_RUN))
        r = spool_remove(from_fd, name);
    return r;
}

static void
import_folder(struct import *import, const char *flat, const struct place *to)
{
    struct queue_name parts;
    struct why why = {0};
    int fd = openat(import->dir_fd, flat, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (!queue_name_parse(entry->d_name, &parts))
            continue;
        arena_reset(import->arena);
        import->act.matched++;
        int r = import_file(import, dirfd(dir), entry->d_name, to, &why);
        import->act.n_done += r == 0;
        import->act.n_refused += r != 0;
        if (r != 0)
            command_fail(EXIT_NOTHING, "%s/%s: %s", flat, entry->d_name, why.text);
    }
    if (dir != NULL)
        closedir(dir);
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
    if (!place_unflatten(&import->act.map, held ? flat + len + 1 : flat, &folder, &connector))
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

static int
open_temp(int spool_fd)
{
    char temp[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 16];
    folder_path(FOLDER_TEMP, NULL, temp);
    snprintf(path, sizeof path, "%s/%s", temp, worker_table[WORKER_COMMAND].program);
    if (mkdirat(spool_fd, path, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
queue_import(struct command *command)
{
    struct import import = {.act = {.command = command, .verb = "import", .done = "imported"}};
    if (command->n_operands != 1)
        return command_usage(command, "say the folder that an export wrote");
    int r = spool_map_open(&import.act.map, command);
    if (r != 0)
        return r;
    import.dir_fd = open_folder(command->operands[0], false);
    import.temp_fd = import.dir_fd < 0 ? -1 : open_temp(command->spool_fd);
    if (import.dir_fd < 0) {
        r = command_fail_errno(-import.dir_fd, "the folder %s", command->operands[0]);
    } else if (import.temp_fd < 0) {
        r = command_fail_errno(-import.temp_fd, "the spool's folder for what is being written");
    } else {
        import.arena = arena_new(192 << 20);
        import_all(&import);
        arena_free(import.arena);
        r = act_report(&import.act);
    }
    if (import.dir_fd >= 0)
        close(import.dir_fd);
    if (import.temp_fd >= 0)
        close(import.temp_fd);
    spool_map_close(&import.act.map);
    return r;
}
