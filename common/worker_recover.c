/* worker_recover.c - the sweep of Temp: what an end in the middle of something left behind
 *
 * | found in Temp        | condition                                | what the sweep does                         |
 * | -------------------- | ---------------------------------------- | ------------------------------------------- |
 * | torn file            |                                          | removed: it was never accepted              |
 * | damaged file         | complete, or  what it replaces is gone   | left, and named in the log: the only copy   |
 * | unreadable file      | (EIO, no memory)                         | left, and looked at again                   |
 * | message <id>         | replaces nothing                         | moved on: it may have been acknowledged     |
 * | message <id>         | replaces a file                          | that is removed, then moved on              |
 * | part, request        | *complete* in its own journal            | moved on                                    |
 * | part <id>.<n>        | parent there, *committed*                | moved on to its connector                   |
 * | part <id>.<n>        | parent there, not committed              | removed: the split is made anew             |
 * | request <id>.r<n>    | parent there, *reported* n               | moved on to Bounce                          |
 * | request <id>.r<n>    | parent there, not reported               | removed: it is made anew                    |
 * | part, request        | not complete itself, parent not there    | left, and named: an operator has the parent |
 * | <id>.item            |                                          | removed: a converter's item is made again   |
 * | <id>.gone            | <id> there, replaces it                  | removed: a dropped file, half removed       |
 * | <id>.gone            | another file, or <id> has moved on       | put back into drop                          |
 * | anything else        |                                          | left, and named in the log                  |
 *
 * At start, and every ten seconds for lanes whose process has ended since. A worker sweeps the lanes of its own name
 * that nobody holds, and no others: a folder of Temp has one owner.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/envelope_inside.h"
#include "common/planted.h"
#include "common/worker_inside.h"

enum fate { FATE_REMOVE, FATE_MOVE, FATE_LEAVE };

/* Reads header, envelope, journal and the whole body. Returns 0; -EBADMSG or -EINVAL with why: torn; another
 * -errno with why: it is not known, since it could not be read. */
static int
check_whole(struct queue_file *file, int fd, struct arena *arena, struct why *why)
{
    char bytes[16384];
    struct queue_body body;
    ssize_t n;
    why_set(why, "4.3.0", "more than memory holds");
    int r = queue_file_read(fd, arena, file, why);
    if (r < 0)
        return r;
    queue_body_start(&body, file);
    while ((n = queue_body_read(&body, bytes, sizeof bytes, why)) > 0)
        continue;
    return (int)n;
}

/* Finds the parent in the folders the worker takes from: under its own name, or as <stem>@<time>. */
static int
open_parent(struct service *service, const char *stem)
{
    struct service_inside *in = service->inside;
    for (size_t i = 0; i < in->n_sources; i++) {
        int fd = openat(in->sources[i].fd, stem, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        if (errno != ENOENT)
            return -errno;
        int copy = openat(in->sources[i].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = copy >= 0 && in->sources[i].folder == FOLDER_DEFERRED ? fdopendir(copy) : NULL;
        if (dir == NULL && copy >= 0)
            close(copy);
        for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
            struct queue_name parts;
            if (queue_name_parse(entry->d_name, &parts) && strcmp(parts.stem, stem) == 0)
                fd = openat(in->sources[i].fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
            if (fd >= 0)
                break;
        }
        if (dir != NULL)
            closedir(dir);
        if (fd >= 0)
            return fd;
    }
    return -ENOENT;
}

static enum fate
fate_by_parent(struct service *service, const struct queue_name *parts, const struct queue_file *file,
               struct arena *arena)
{
    /* In its own journal, written after the parent's. */
    if (file->envelope.complete || planted_bug("trustparts"))
        return FATE_MOVE;
    char stem[QUEUE_NAME_MAX];
    snprintf(stem, sizeof stem, "%s", parts->stem);
    char *dot = strrchr(stem, '.');
    BUG_UNLESS(dot != NULL);
    uint64_t number = 0;
    span_to_u64(span_of(dot + (parts->is_request ? 2 : 1)), 1000000, &number);
    *dot = '\0';
    int fd = open_parent(service, stem);
    if (fd < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, parts->stem,
                "in Temp, and the message it was made of is not to be found (%s): left there", strerror(-fd));
    if (fd < 0)
        return FATE_LEAVE;
    struct queue_file parent;
    struct why why;
    int r = queue_file_read(fd, arena, &parent, &why);
    close(fd);
    if (r < 0)
        return FATE_LEAVE;
    if (parts->is_request)
        return parent.envelope.next_report > (int64_t)number ? FATE_MOVE : FATE_REMOVE;
    return parent.envelope.committed > 0 ? FATE_MOVE : FATE_REMOVE;
}

/* A stranger's name may hold control bytes, which no envelope does: then the file with that inode is searched whose name would
 * have been written so. NULL where there is none; else the caller frees it. */
static char *
find_unprintable(int folder_fd, ino_t inode, struct span written)
{
    char *name = NULL;
    int fd = memchr(written.at, '?', written.len) != NULL
                 ? openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                 : -1;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; folder != NULL && name == NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_ino == inode && record_text_is(written, span_of(entry->d_name)))
            name = xstrdup(entry->d_name);
    if (folder != NULL)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    return name;
}

static bool
is_file(int folder_fd, const char *name, ino_t inode)
{
    struct stat st;
    return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == inode;
}

/* `replaces` is "<inode> <folder>/<name>". Finds the folder among those the worker takes from, and the name in it where it is
 * still that file. Returns the folder's descriptor, with `name` the caller's to free; -ENOENT where it is gone; -EXDEV
 * where it lies outside the spool (the worker's own recover() knows). */
static int
find_replaced(struct service *service, struct span replaces, char **name)
{
    struct service_inside *in = service->inside;
    const char *blank = replaces.len > 0 ? memchr(replaces.at, ' ', replaces.len) : NULL;
    uint64_t inode;
    *name = NULL;
    if (blank == NULL ||
        !span_to_u64((struct span){replaces.at, (size_t)(blank - replaces.at)}, UINT64_MAX, &inode))
        return -EXDEV;
    struct span path = {blank + 1, replaces.len - (size_t)(blank - replaces.at) - 1};
    for (size_t i = 0; i < in->n_sources; i++) {
        char folder[SPOOL_PATH_MAX];
        folder_path(in->sources[i].folder, in->sources[i].connector, folder);
        size_t len = strlen(folder);
        if (path.len <= len + 1 || memcmp(path.at, folder, len) != 0 || path.at[len] != '/')
            continue;
        struct span written = {path.at + len + 1, path.len - len - 1};
        *name = xstrndup(written.at, written.len);
        if (strchr(*name, '/') == NULL && is_file(in->sources[i].fd, *name, (ino_t)inode))
            return in->sources[i].fd;
        free(*name);
        *name = folder_table[in->sources[i].folder].kind == KIND_DROP
                    ? find_unprintable(in->sources[i].fd, (ino_t)inode, written)
                    : NULL;
        return *name != NULL && is_file(in->sources[i].fd, *name, (ino_t)inode) ? in->sources[i].fd : -ENOENT;
    }
    return -EXDEV;
}

/* The name that a replaced file lies aside under while it is removed from drop (spool_remove_file). */
static struct source *
aside_of(struct service *service, const char *stem, char aside[QUEUE_NAME_MAX + sizeof SPOOL_ASIDE])
{
    snprintf(aside, QUEUE_NAME_MAX + sizeof SPOOL_ASIDE, "%s" SPOOL_ASIDE, stem);
    for (size_t i = 0; i < service->inside->n_sources; i++)
        if (folder_table[service->inside->sources[i].folder].kind == KIND_DROP)
            return &service->inside->sources[i];
    return NULL;
}

static void
remove_replaced(struct service *service, int temp, const char *stem, struct span replaces)
{
    char *name, aside[QUEUE_NAME_MAX + sizeof SPOOL_ASIDE];
    const struct source *drop = aside_of(service, stem, aside);
    uint64_t inode = 0;
    const char *blank = memchr(replaces.at, ' ', replaces.len);
    if (blank != NULL)
        span_to_u64((struct span){replaces.at, (size_t)(blank - replaces.at)}, UINT64_MAX, &inode);
    if (drop != NULL && spool_remove_aside(drop->fd, aside, (ino_t)inode, temp, aside) == 0)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, stem,
                "recovery: removed what it replaces, or put back what had its name");
    int folder = find_replaced(service, replaces, &name);
    int r = folder < 0     ? folder
            : drop != NULL ? spool_remove_file(folder, name, (ino_t)inode, temp, aside)
                           : spool_remove(folder, name);
    if (r == 0)
        log_say(LOG_GENERAL, LEVEL_MEDIUM, stem, "recovery: removed %s, which it replaces", name);
    free(name);
}

/* A stranger's file that was being removed: its message settles that, in its turn. Where that has moved on, this is
 * another file, which somebody had put in its place. */
static void
recover_aside(struct service *service, int temp, const char *name)
{
    char stem[QUEUE_NAME_MAX], aside[QUEUE_NAME_MAX + sizeof SPOOL_ASIDE];
    size_t len = strlen(name) - strlen(SPOOL_ASIDE);
    snprintf(stem, sizeof stem, "%.*s", (int)len, name);
    const struct source *drop = aside_of(service, stem, aside);
    if (faccessat(temp, stem, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    int r = drop == NULL ? -ENOENT : spool_remove_aside(drop->fd, aside, 0, temp, aside);
    if (r != -ENOENT)
        log_say(LOG_GENERAL, r < 0 ? LEVEL_MINIMUM : LEVEL_MEDIUM, stem,
                "recovery: a dropped file is put back: %s", r < 0 ? strerror(-r) : "done");
}

/* Damage of a file that was complete once: it is the only copy where it is committed, or its source is gone. */
static bool
is_only_copy(struct service *service, const struct queue_file *file)
{
    char *name;
    if (file->envelope.complete)
        return true;
    if (file->envelope.replaces.len == 0)
        return false;
    int r = find_replaced(service, file->envelope.replaces, &name);
    free(name);
    return r == -ENOENT || r == -EXDEV; /* beyond the spool: what lies there is not known here */
}

static enum fate
fate_by_contents(struct service *service, const char *name, struct queue_file *file, int fd,
                 struct arena *arena)
{
    struct why why;
    int r = check_whole(file, fd, arena, &why);
    if (r == 0)
        return FATE_MOVE;
    if (planted_bug("nowhole"))
        return FATE_MOVE;
    bool torn = r == -EBADMSG || r == -EINVAL;
    bool keep = !torn || is_only_copy(service, file);
    log_say(LOG_GENERAL, keep ? LEVEL_MINIMUM : LEVEL_MEDIUM, name,
            keep ? "recovery: cannot be read in Temp, and may be the only copy: left there (%s)"
                 : "recovery: torn in Temp, never accepted, removed (%s)",
            why.text);
    return keep ? FATE_LEAVE : FATE_REMOVE;
}

/* Where a complete file goes: the worker's REWRITE move that fits its kind. */
static const struct move_row *
move_of(struct service *service, const struct queue_name *parts, const struct queue_file *file)
{
    bool request = parts->is_request, part = !request && file->envelope.via.len > 0 && parts->is_part;
    const struct move_row *found = NULL;
    for (size_t i = 0; i < move_count && found == NULL; i++) {
        const struct move_row *move = &move_table[i];
        if (move->worker != service->worker->id || move->how != HOW_REWRITE)
            continue;
        if (request ? move->to == FOLDER_BOUNCE
            : part  ? move->verdict == VERDICT_SPLIT
                    : move->to != FOLDER_BOUNCE && move->verdict != VERDICT_SPLIT)
            found = move;
    }
    return found;
}

/* A kill between the end of the file and the flush of its records left none: they are written again, and
 * readers drop what they have seen. */
static void
track_again(struct service *service, const char *name, const struct move_row *move,
            const struct queue_file *file)
{
    bool report = move->from == FOLDER_BOUNCE && move->verdict == VERDICT_REPORT;
    if (move->verdict != VERDICT_ACCEPT && !report)
        return;
    track_made(service, name, &file->envelope, file->body_bytes, report ? TRACK_DSN : TRACK_RECEIVE);
    log_flush();
}

/* Whether the file of that name in a folder is the same message, byte for byte as far as its header line tells. */
static bool
is_same_file(int folder_fd, const char *name, const struct queue_file *file)
{
    char line[QUEUE_HEADER_LEN];
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool same = pread(fd, line, sizeof line, 0) == (ssize_t)sizeof line && file->first.len >= sizeof line &&
                memcmp(line, file->first.at, sizeof line) == 0;
    close(fd);
    return same;
}

static void
move_on(struct service *service, int temp, const char *name, const struct queue_name *parts,
        struct queue_file *file)
{
    const struct envelope *envelope = &file->envelope;
    const struct move_row *move = move_of(service, parts, file);
    const char *connector = service->connector_name;
    if (move == NULL) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, name,
                "recovery: a complete file in Temp that this worker never makes: left there");
        return;
    }
    if (envelope->replaces.len > 0 && !planted_bug("keepsource"))
        remove_replaced(service, temp, name, envelope->replaces);
    struct span owner = move->verdict == VERDICT_SPLIT ? envelope->via : envelope->origin;
    for (size_t i = 0; i < service->inside->n_connectors; i++)
        if (span_equal(owner, span_of(service->inside->connectors[i])))
            connector = service->inside->connectors[i];
    if (move->verdict == VERDICT_SPLIT && !span_equal(owner, span_of(connector))) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, name,
                "recovery: a part for connector \"%.*s\", which is not configured: left in Temp",
                (int)owner.len, owner.at);
        return;
    }
    if (folder_table[move->to].per != PER_ONE && *connector == '\0')
        connector = "host";
    if (span_equal(envelope->class, SPAN("ITEM")) &&
        flow_find(service->worker->id, FOLDER_SYSTEM, VERDICT_FETCH) != NULL)
        move = flow_find(service->worker->id, FOLDER_SYSTEM, VERDICT_FETCH);
    track_again(service, name, move, file);
    int to = service_folder(service, move->to, folder_table[move->to].per == PER_ONE ? NULL : connector);
    int r = to < 0 ? to : spool_move(temp, name, to, name);
    if (r == -EEXIST &&
        is_same_file(to, name, file)) /* moved before a power cut that undid the removal from Temp */
        r = spool_remove(temp, name);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, name,
            r < 0 ? "recovery: complete in Temp, cannot be moved to %s: %s"
                  : "recovery: complete in Temp, moved on to %s%s",
            folder_name(move->to), r < 0 ? strerror(-r) : "");
}

static void
recover_file(struct service *service, int temp, const char *name, struct arena *arena)
{
    struct queue_name parts;
    struct queue_file file;
    const char *suffix = strrchr(name, '.');
    if (suffix != NULL && strcmp(suffix, ".item") == 0) {
        spool_remove(temp, name);
        return;
    }
    if (suffix != NULL && strcmp(suffix, SPOOL_ASIDE) == 0) {
        recover_aside(service, temp, name);
        return;
    }
    if (!queue_name_parse(name, &parts) || parts.has_time) {
        log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "recovery: \"%s\" in Temp is none of ours: left there", name);
        return;
    }
    int fd = openat(temp, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    arena_reset(arena);
    enum fate fate = fate_by_contents(service, name, &file, fd, arena);
    if (fate == FATE_MOVE && (parts.is_request || parts.is_part))
        fate = fate_by_parent(service, &parts, &file, arena);
    if (fate == FATE_MOVE && fsync(fd) < 0) {
        fate = FATE_LEAVE; /* the next look shall see what is on the disk, not what is in memory */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    bool done =
        fate == FATE_MOVE && service->worker->recover != NULL && service->worker->recover(service, name, &file);
    if (fate == FATE_MOVE && !done)
        move_on(service, temp, name, &parts, &file);
    if (fate == FATE_REMOVE)
        spool_remove(temp, name);
    close(fd);
}

static void
recover_lane(struct service *service, int temp, struct arena *arena)
{
    int copy = openat(temp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL && copy >= 0)
        close(copy);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            recover_file(service, temp, entry->d_name, arena);
    if (dir != NULL)
        closedir(dir);
}

/* A lane of this worker's name that is not its own, where nobody holds it. */
static void
recover_lane_of_others(struct service *service, int lane, bool all, struct arena *arena)
{
    bool *busy = &service->inside->lane_busy[lane];
    int fd = lane_open(service, lane);
    bool is_free = fd >= 0 && spool_lock(fd) == 0;
    if (is_free && (all || *busy)) /* its process has ended since the last look */
        recover_lane(service, fd, arena);
    *busy = fd >= 0 && !is_free;
    if (fd >= 0)
        close(fd);
}

void
recover_own_lane(struct service *service)
{
    struct arena *arena = arena_new(256 << 20);
    recover_lane(service, service->temp_fd, arena);
    arena_free(arena);
}

void
recover_other_lanes(struct service *service, bool all)
{
    struct arena *arena = arena_new(256 << 20);
    for (int lane = 0; lane < STATE_LANES; lane++)
        if (lane != service->inside->lane)
            recover_lane_of_others(service, lane, all, arena);
    arena_free(arena);
}

int
recover_temp(struct service *service)
{
    if (planted_bug("norecover"))
        return 0;
    recover_own_lane(service);
    recover_other_lanes(service, true);
    return 0;
}
