/* side_gwise_write.c - what the host exports, as requests to GroupWise (see side_gwise.h)
 *
 *     changes --> entries with the changes, in memory --> a file of Add, Modify, Delete --flush--> DirOut
 *                                                     \-> a file of post offices, before it
 *
 * A gateway takes its files in whatever order: what is deleted in one and added in another may be gone until the next run has
 * seen it. Durable in DirOut a request is done: nothing tells what becomes of it. A request for an entry that lies elsewhere than in our
 * own foreign domain is never made (directory_write_entry() makes none either).
 */
#include "directory/side_gwise.h"

#include <errno.h>
#include <stdlib.h>

#include "directory/run.h"
#include "directory/words.h"

enum { FILE_BYTES = 256 << 10, ARENA_BYTES = 16 << 20 };

/* ---- what is there ---- */

static void
know_office(struct gwise_side *side, struct span name)
{
    struct api_address address;
    struct buf key = {0};
    if (api_split_address(name, &address) && span_equal_nocase(address.domain, span_of(side->domain)))
        dir_words_set(side->offices, dir_fold(&key, address.office), 1);
    buf_clear(&key);
}

/* What the last reading knew: the plan was made of it. */
static bool
load(struct gwise_side *side, struct why *why)
{
    const struct dir_context *context = side->side.context;
    struct dir_reading reading = {.full_s = 0};
    struct dir_room room = {0};
    struct dir_entry entry;
    char name[300];
    if (side->current != NULL)
        return true;
    struct dir_set *set = dir_set_new();
    run_dirsync_set_name(context->dirsync, name);
    int err = dir_set_read(set, &reading, context->folder_fd, name, why);
    buf_clear(&reading.cookie);
    if (err != 0) {
        dir_set_free(set);
        if (err == -ENOENT)
            why_set(why, "5.3.5", "what GroupWise holds was never read");
        return false;
    }
    if (side->arena == NULL)
        side->arena = arena_new(ARENA_BYTES);
    dir_words_free(side->offices);
    side->offices = dir_words_new();
    for (size_t place = 0; place < dir_set_places(set); place++)
        if (dir_set_get(set, place, &room, &entry))
            know_office(side, entry.name);
    dir_room_clear(&room);
    side->current = set;
    return true;
}

/* ---- requests ---- */

static void
begin_file(struct buf *file)
{
    if (file->len == 0)
        directory_write_begin(file);
}

/* A post office that nobody is known to lie in is added, before who shall: in a file of its own, as Exchange did it, and once more
 * where it is needed, since nothing tells in which order a gateway takes its files. */
static void
see_to_office(struct gwise_side *side, const struct directory_entry *entry)
{
    struct buf key = {0};
    if (dir_words_get(side->offices, dir_fold(&key, entry->office), 0) == 0) {
        struct directory_entry office = {
            .kind = DIRECTORY_OFFICE, .domain = entry->domain, .office = entry->office};
        begin_file(&side->office_file);
        directory_write_entry(&side->office_file, DIRECTORY_ADD, &office, span_of(side->domain));
        begin_file(&side->file);
        directory_write_entry(&side->file, DIRECTORY_ADD, &office, span_of(side->domain));
        dir_words_set(side->offices, buf_span(&key), 1);
    }
    buf_clear(&key);
}

static void
end_file(struct gwise_side *side, struct buf *file)
{
    if (file->len == 0)
        return;
    directory_write_end(file);
    if (side->n_files == side->files_size) {
        side->files_size = side->files_size > 0 ? 2 * side->files_size : 16;
        side->files = xrealloc(side->files, side->files_size * sizeof *side->files);
    }
    side->files[side->n_files++] = *file;
    *file = (struct buf){0};
}

static bool
put_request(struct gwise_side *side, enum directory_operation operation, const struct directory_entry *entry)
{
    begin_file(&side->file);
    return directory_write_entry(&side->file, operation, entry, span_of(side->domain));
}

/* ---- changes ---- */

static enum dir_result
request(struct gwise_side *side, enum directory_operation operation, const struct directory_entry *out,
        struct why *why)
{
    if (operation != DIRECTORY_DELETE)
        see_to_office(side, out);
    bool put = operation != DIRECTORY_MODIFY || put_request(side, DIRECTORY_ADD, out);
    put = put && put_request(side, operation, out);
    if (side->file.len >= FILE_BYTES) {
        end_file(side, &side->office_file);
        end_file(side, &side->file);
    }
    if (put)
        return DIR_DONE;
    why_set(why, "5.7.1", "it does not lie in our own foreign domain");
    return DIR_REFUSED;
}

static enum dir_result
write_entry(struct gwise_side *side, const struct dir_change *change, struct dir_entry *entry, bool is_new,
            struct why *why)
{
    struct directory_entry out;
    enum dir_result result = dir_entry_edit(entry, change, NULL, side->arena, why);
    if (result != DIR_DONE)
        return result;
    if (!gwise_fill(side, entry, &out, why))
        return DIR_REFUSED;
    result = request(side, is_new ? DIRECTORY_ADD : DIRECTORY_MODIFY, &out, why);
    if (result == DIR_DONE && dir_set_put(side->current, entry, why) == SIZE_MAX)
        return DIR_REFUSED;
    return result;
}

static enum dir_result
add_entry(struct gwise_side *side, const struct dir_change *change, struct why *why)
{
    struct buf mark = {0};
    struct dir_entry entry = {.id = gwise_id(change->name, side->arena)};
    bool is_new = dir_set_find_id(side->current, entry.id) == SIZE_MAX;
    enum dir_result result = write_entry(side, change, &entry, is_new, why);
    if (result == DIR_DONE) { /* the mark is where it lies, and names no source */
        dir_mark_print(side->side.context->dirsync->title, SPAN(""), false, &mark);
        entry.mark = buf_span(&mark);
        entry.kind = DIR_CONTACT;
        if (dir_set_put(side->current, &entry, why) == SIZE_MAX)
            result = DIR_REFUSED;
        buf_clear(&mark);
    }
    return result;
}

static enum dir_result
delete_entry(struct gwise_side *side, const struct dir_change *change, struct span id, struct why *why)
{
    struct dir_entry entry = {.id = id, .name = change->name};
    struct directory_entry out;
    if (dir_set_find_id(side->current, id) == SIZE_MAX)
        return DIR_DONE_BEFORE;
    if (!gwise_fill(side, &entry, &out, why))
        return DIR_REFUSED;
    enum dir_result result = request(side, DIRECTORY_DELETE, &out, why);
    if (result == DIR_DONE)
        dir_set_drop(side->current, id);
    return result;
}

static enum dir_result
change_entry(struct gwise_side *side, const struct dir_change *change, struct why *why)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    struct span id = change->id.len > 0 ? change->id : gwise_id(change->name, side->arena);
    if (change->operation == DIR_ADD)
        return add_entry(side, change, why);
    if (change->operation == DIR_DELETE)
        return delete_entry(side, change, id, why);
    size_t place = dir_set_find_id(side->current, id);
    if (place == SIZE_MAX || !dir_set_get(side->current, place, &room, &entry)) {
        why_set(why, "4.3.2", "GroupWise does not have it any more");
        return DIR_STALE;
    }
    enum dir_result result = write_entry(side, change, &entry, false, why);
    dir_room_clear(&room);
    return result;
}

static void
wait_for_files(struct gwise_side *side, const struct gwise_waiting *waiting)
{
    if (side->n_waiting == side->waiting_size) {
        side->waiting_size = side->waiting_size > 0 ? 2 * side->waiting_size : 256;
        side->waiting = xrealloc(side->waiting, side->waiting_size * sizeof *side->waiting);
    }
    side->waiting[side->n_waiting++] = *waiting;
}

void
gwise_apply(struct dir_side *base, const struct dir_change *change,
            void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                         const struct why *why),
            void *arg)
{
    struct gwise_side *side = (struct gwise_side *)base;
    struct why why = {"", ""};
    if (!side->broken && !load(side, &why)) {
        side->broken = true;
        side->why = why;
    }
    if (side->broken) {
        done(arg, change, DIR_BROKEN, &side->why);
        return;
    }
    enum dir_result result = change_entry(side, change, &why);
    arena_reset(side->arena);
    if (result == DIR_DONE || result == DIR_DONE_BEFORE)
        wait_for_files(side, &(struct gwise_waiting){change, result, done, arg});
    else
        done(arg, change, result, &why);
}

/* ---- sending ---- */

void
gwise_flush(struct dir_side *base)
{
    struct gwise_side *side = (struct gwise_side *)base;
    int err = 0;
    end_file(side, &side->office_file);
    end_file(side, &side->file);
    for (size_t i = 0; i < side->n_files; i++) {
        if (err == 0 && !side->broken)
            err = gwise_send(side, buf_span(&side->files[i]), &side->why);
        buf_clear(&side->files[i]);
    }
    side->n_files = 0;
    side->broken = side->broken || err != 0;
    for (size_t i = 0; i < side->n_waiting; i++) {
        const struct gwise_waiting *waiting = &side->waiting[i];
        waiting->done(waiting->arg, waiting->change, side->broken ? DIR_BROKEN : waiting->result, &side->why);
    }
    side->n_waiting = 0;
}
