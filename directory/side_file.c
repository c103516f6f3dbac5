/* side_file.c - a directory that comes and goes as files (see side.h, side_file.h)
 *
 * foreign.read has the foreign system's recipients, foreign.write those of the host that were exported; the set is both. The
 * latter is a file of ours: its entries have our mark, all others have none. Where the foreign system leaves in foreign.read what
 * it took from foreign.write, these entries are known by address or mark, and left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/quiet.h"
#include "directory/side_file.h"
#include "directory/words.h"

static bool
exports(const struct file_side *side)
{
    const struct conf_dirsync *dirsync = side->side.context->dirsync;
    return side->foreign->write != NULL && (dirsync == NULL || dirsync->export.set);
}

static bool
imports(const struct file_side *side)
{
    const struct conf_dirsync *dirsync = side->side.context->dirsync;
    return side->foreign->read != NULL && (dirsync == NULL || dirsync->import.set);
}

/* What a CSV file has no column for is not kept in step: else a missing column would clear the copies' values. Where the other
 * direction writes all of them, that cannot be told apart; import.omit can. */
static uint32_t
attributes_of(const struct file_side *side)
{
    struct why why;
    uint32_t bits = UINT32_MAX;
    int fd = side->ldif || exports(side) || !imports(side) ? -1 : quiet_open(side->foreign->read, &why);
    if (fd >= 0) {
        bits = file_csv_attributes(fd);
        close(fd);
    }
    return bits;
}

static int
file_open(struct dir_side *base, struct why *why)
{
    struct file_side *side = (struct file_side *)base;
    (void)why;
    base->writable = exports(side);
    base->traits = (struct dir_traits){.attributes = attributes_of(side),
                                       .no_adoption = true, /* the file that is written holds ours alone */
                                       .hides = true,
                                       .members = true,
                                       .proxies = DIR_PROXIES_ALL,
                                       .naming = side->ldif ? DIR_NAMED_DN : DIR_NAMED_ADDRESS};
    return 0;
}

/* Adds all of one set to another. */
static int
join(struct file_side *side, const struct dir_set *from, struct dir_set *to, struct why *why)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    int err = 0;
    for (size_t place = 0; place < dir_set_places(from) && err == 0; place++) {
        if (!dir_set_get(from, place, &room, &entry))
            continue;
        if (dir_set_find_id(to, entry.id) != SIZE_MAX) {
            why_set(why, "5.3.5", "\"%.*s\" stands in both %s and %s", (int)entry.id.len, entry.id.at,
                    side->foreign->read, side->foreign->write);
            err = -EINVAL;
        } else if (dir_set_put(to, &entry, why) == SIZE_MAX) {
            err = -EINVAL;
        }
    }
    dir_room_clear(&room);
    return err;
}

/* The copies first: what comes back of them is known then. */
static int
read_both(struct file_side *side, struct dir_set *set, struct why *why)
{
    struct dir_set *copies = dir_set_new();
    int err = exports(side) ? file_read(side, side->foreign->write, NULL, copies, why) : 0;
    if (err == -ENOENT) { /* nothing was exported yet */
        err = 0;
        why_set(why, "", "%s", "");
    }
    if (err == 0 && imports(side))
        err = file_read(side, side->foreign->read, copies, set, why);
    if (err == -ENOENT)
        err = -EAGAIN; /* not left there yet */
    if (err == 0)
        err = join(side, copies, set, why);
    if (err == 0 && !side->ldif)
        file_members(set);
    dir_set_free(copies);
    return err;
}

static int
file_read_side(struct dir_side *base, struct dir_set **set, struct dir_reading *reading, bool full,
               struct why *why)
{
    struct file_side *side = (struct file_side *)base;
    struct dir_set *new = dir_set_new();
    (void)full; /* a file is always read whole */
    int err = read_both(side, new, why);
    if (err != 0) {
        dir_set_free(new);
        return err;
    }
    dir_set_free(*set);
    *set = new;
    snprintf(reading->source, sizeof reading->source, "%s",
             side->foreign->read != NULL ? side->foreign->read : side->foreign->write);
    buf_reset(&reading->cookie);
    reading->full_s = reading->read_s = time_ms() / 1000;
    return 0;
}

static void
file_close(struct dir_side *base)
{
    struct file_side *side = (struct file_side *)base;
    dir_set_free(side->copies);
    arena_free(side->arena);
    dir_words_free(side->moved);
    free(side->waiting);
    free(side);
}

struct dir_side *
side_file_new(const struct dir_context *context, const struct conf_foreign *foreign, struct why *why)
{
    static const struct dir_side_ops csv_ops = {"csv",      file_open,  file_read_side,
                                                file_apply, file_flush, file_close};
    static const struct dir_side_ops ldif_ops = {"ldif",     file_open,  file_read_side,
                                                 file_apply, file_flush, file_close};
    if (foreign->read == NULL && foreign->write == NULL) {
        why_set(why, "5.3.5", "foreign names neither a file to read nor one to write");
        return NULL;
    }
    struct file_side *side = xcalloc(1, sizeof *side);
    side->ldif = span_equal(span_of(foreign->format), SPAN("ldif"));
    side->side = (struct dir_side){.ops = side->ldif ? &ldif_ops : &csv_ops,
                                   .context = context,
                                   .title = context->dirsync != NULL ? context->dirsync->title : "file"};
    side->foreign = foreign;
    return &side->side;
}
