/* side_file_write.c - what the host exports, written as a whole file (see side_file.h)
 *
 *     foreign.write --> copies --change, change ...--> copies --flush--> FILE.new --fsync, rename--> foreign.write
 *
 * Changes are made in memory, and are done when the file has its name: killed before, there is the old file, and the next plan has
 * them again. A change for somebody of foreign.read is refused: that file is the foreign system's.
 *
 * What is hostile here: the folder, in which others may write. FILE.new is made anew, never through a link that lies there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory/side_file.h"
#include "directory/words.h"

enum { ARENA_BYTES = 256 << 20, BLOCK_BYTES = 1 << 20, PATH_BYTES = 4200 };

/* ---- the file's contents in memory ---- */

static bool
load(struct file_side *side, struct why *why)
{
    if (side->copies != NULL)
        return true;
    struct dir_set *copies = dir_set_new();
    int err = file_read(side, side->foreign->write, NULL, copies, why);
    if (err != 0 && err != -ENOENT) {
        dir_set_free(copies);
        return false;
    }
    if (!side->ldif) /* as the plan knows them */
        file_members(copies);
    if (side->arena == NULL)
        side->arena = arena_new(ARENA_BYTES);
    side->copies = copies;
    return true;
}

/* ---- members of groups, where names are DNs: they follow who is renamed or gone, as in a directory server ---- */

/* `place` is where its entry is now; SIZE_MAX: gone. */
static void
note_moved(struct file_side *side, struct span old_name, size_t place)
{
    struct buf key = {0};
    if (!side->ldif)
        return;
    if (side->moved == NULL)
        side->moved = dir_words_new();
    dir_words_set(side->moved, dir_fold(&key, old_name), place == SIZE_MAX ? 0 : (int64_t)place + 1);
    buf_clear(&key);
}

/* True where a member has moved. */
static bool
follow(struct file_side *side, struct dir_entry *entry, struct arena *arena, struct buf *key)
{
    struct dir_room room = {0};
    struct dir_entry member;
    size_t n = 0;
    bool moved = false;
    for (size_t i = 0; i < entry->n_members; i++) {
        int64_t to = dir_words_get(side->moved, dir_fold(key, entry->members[i]), -1);
        moved = moved || to >= 0;
        if (to > 0 && dir_set_get(side->copies, (size_t)to - 1, &room, &member))
            entry->members[n++] = arena_span(arena, member.name);
        else if (to != 0)
            entry->members[n++] = entry->members[i];
    }
    entry->n_members = n;
    dir_room_clear(&room);
    return moved;
}

/* Changes come in batches of one operation, so all names are those of before the batch. */
static void
follow_all(struct file_side *side)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    struct why why;
    struct buf key = {0};
    for (size_t place = 0; side->moved != NULL && place < dir_set_places(side->copies); place++) {
        if (dir_set_get(side->copies, place, &room, &entry) && entry.n_members > 0 &&
            follow(side, &entry, side->arena, &key))
            dir_set_put(side->copies, &entry, &why);
        arena_reset(side->arena);
    }
    dir_words_free(side->moved);
    side->moved = NULL;
    dir_room_clear(&room);
    buf_clear(&key);
}

/* ---- one change ---- */

static struct span
export_id(struct file_side *side, struct span source)
{
    struct buf text = {0};
    buf_add_span(&text, FILE_EXPORT);
    buf_add_span(&text, source);
    struct span id = arena_span(side->arena, buf_span(&text));
    buf_clear(&text);
    return id;
}

static enum dir_result
refuse(struct why *why, const char *text)
{
    why_set(why, "5.3.5", "%s", text);
    return DIR_REFUSED;
}

/* The entry that a change is for; its own id, or that of what this plan has added, which the plan knows by its source. */
static struct span
id_of(struct file_side *side, const struct dir_change *change)
{
    return change->id.len > 0 ? change->id : export_id(side, change->source);
}

static enum dir_result
put_entry(struct file_side *side, const struct dir_change *change, struct dir_entry *entry, struct why *why)
{
    enum dir_result result =
        dir_entry_edit(entry, change, side->side.context->dirsync->title, side->arena, why);
    if (result == DIR_DONE && dir_set_put(side->copies, entry, why) == SIZE_MAX)
        return DIR_REFUSED;
    side->dirty = side->dirty || result == DIR_DONE;
    return result;
}

static enum dir_result
add_entry(struct file_side *side, const struct dir_change *change, struct why *why)
{
    struct dir_room room = {0};
    struct dir_entry entry = {.id = export_id(side, change->source)}, there;
    size_t place = dir_set_find_id(side->copies, entry.id);
    bool before = place != SIZE_MAX && dir_set_get(side->copies, place, &room, &there) &&
                  span_equal_nocase(there.name, change->name);
    dir_room_clear(&room);
    if (change->source.len == 0 || entry.id.len > DIR_ID_MAX)
        return refuse(why, "its id is too long for the file");
    enum dir_result result = put_entry(side, change, &entry, why);
    return before && result == DIR_DONE ? DIR_DONE_BEFORE : result;
}

static enum dir_result
edit_entry(struct file_side *side, const struct dir_change *change, struct why *why)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    size_t place = dir_set_find_id(side->copies, id_of(side, change));
    if (place == SIZE_MAX || !dir_set_get(side->copies, place, &room, &entry)) {
        why_set(why, "4.3.2", "it is not in %s any more", side->foreign->write);
        return DIR_STALE;
    }
    struct span old_name = arena_span(side->arena, entry.name);
    enum dir_result result = put_entry(side, change, &entry, why);
    if (result == DIR_DONE && change->operation == DIR_RENAME)
        note_moved(side, old_name, place);
    dir_room_clear(&room);
    return result;
}

static enum dir_result
drop_entry(struct file_side *side, struct span id)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    size_t place = dir_set_find_id(side->copies, id);
    if (place != SIZE_MAX && dir_set_get(side->copies, place, &room, &entry))
        note_moved(side, entry.name, SIZE_MAX);
    dir_room_clear(&room);
    bool dropped = dir_set_drop(side->copies, id);
    side->dirty = side->dirty || dropped;
    return dropped ? DIR_DONE : DIR_DONE_BEFORE;
}

static enum dir_result
change_entry(struct file_side *side, const struct dir_change *change, struct why *why)
{
    struct span id = id_of(side, change);
    if (id.len < FILE_EXPORT.len || memcmp(id.at, FILE_EXPORT.at, FILE_EXPORT.len) != 0)
        return refuse(why, "it stands in the file that the foreign system leaves, which is not ours to change");
    if (change->operation == DIR_ADD)
        return add_entry(side, change, why);
    if (change->operation == DIR_DELETE)
        return drop_entry(side, id);
    return edit_entry(side, change, why);
}

static void
wait_for_file(struct file_side *side, const struct file_waiting *waiting)
{
    if (side->n_waiting == side->waiting_size) {
        side->waiting_size = side->waiting_size > 0 ? 2 * side->waiting_size : 256;
        side->waiting = xrealloc(side->waiting, side->waiting_size * sizeof *side->waiting);
    }
    side->waiting[side->n_waiting++] = *waiting;
}

void
file_apply(struct dir_side *base, const struct dir_change *change,
           void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                        const struct why *why),
           void *arg)
{
    struct file_side *side = (struct file_side *)base;
    struct why why = {"", ""};
    if (!side->broken && (!base->writable || !load(side, &why))) {
        side->broken = true;
        side->why = why;
        if (!base->writable)
            why_set(&side->why, "5.3.5", "foreign.write names no file");
    }
    if (side->broken) {
        done(arg, change, DIR_BROKEN, &side->why);
        return;
    }
    enum dir_result result = change_entry(side, change, &why);
    arena_reset(side->arena);
    if (result == DIR_DONE || result == DIR_DONE_BEFORE)
        wait_for_file(side, &(struct file_waiting){change, result, done, arg});
    else
        done(arg, change, result, &why);
}

/* ---- the file ---- */

static int
write_all(int fd, struct buf *text)
{
    for (size_t at = 0; at < text->len;) {
        ssize_t n = write(fd, text->at + at, text->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        at += (size_t)n;
    }
    buf_reset(text);
    return 0;
}

static int
write_entries(const struct file_side *side, int fd)
{
    struct buf text = {0};
    struct dir_room room = {0};
    struct dir_entry entry;
    int err = 0;
    if (side->ldif)
        file_begin_ldif(&text);
    else
        file_begin_csv(&text);
    for (size_t place = 0; place < dir_set_places(side->copies) && err == 0; place++) {
        if (!dir_set_get(side->copies, place, &room, &entry))
            continue;
        if (side->ldif)
            file_add_ldif(&entry, &text);
        else
            file_add_csv(side->copies, &entry, &text);
        if (text.len >= BLOCK_BYTES)
            err = write_all(fd, &text);
    }
    if (err == 0)
        err = write_all(fd, &text);
    buf_clear(&text);
    dir_room_clear(&room);
    return err;
}

/* Who may read the old one may read the new one. */
static void
keep_owner(int fd, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    bool same_group = fchown(fd, (uid_t)-1, st.st_gid) == 0;
    fchmod(fd, st.st_mode & (same_group ? 0777 : 0707)); /* no more people than before may read it */
}

static int
sync_folder(const char *path)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int len = slash == path ? 1 : slash != NULL ? (int)(slash - path) : 1;
    snprintf(folder, sizeof folder, "%.*s", len, slash != NULL ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 ? -errno : 0;
    if (fd >= 0 && fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP) /* some shares cannot */
        err = -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

static int
write_file(struct file_side *side)
{
    char name[PATH_BYTES];
    const char *path = side->foreign->write;
    if (snprintf(name, sizeof name, "%s.new", path) >= (int)sizeof name)
        return -ENAMETOOLONG;
    if (unlink(name) < 0 && errno != ENOENT)
        return -errno;
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    int err = fd < 0 ? -errno : write_entries(side, fd);
    if (fd >= 0)
        keep_owner(fd, path);
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (fd >= 0 && close(fd) < 0 && err == 0)
        err = -errno;
    if (err == 0 && rename(name, path) < 0)
        err = -errno;
    if (err != 0 && fd >= 0)
        unlink(name);
    return err != 0 ? err : sync_folder(path);
}

void
file_flush(struct dir_side *base)
{
    struct file_side *side = (struct file_side *)base;
    int err = 0;
    if (side->moved != NULL)
        follow_all(side);
    if (side->dirty && !side->broken)
        err = write_file(side);
    if (err != 0) {
        why_set(&side->why, "4.3.0", "%s cannot be written: %s", side->foreign->write, strerror(-err));
        side->broken = true;
    }
    side->dirty = false;
    for (size_t i = 0; i < side->n_waiting; i++) {
        const struct file_waiting *waiting = &side->waiting[i];
        waiting->done(waiting->arg, waiting->change, side->broken ? DIR_BROKEN : waiting->result, &side->why);
    }
    side->n_waiting = 0;
}
