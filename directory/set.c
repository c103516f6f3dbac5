/* set.c - all entries of one directory, packed (see entry.h and set_inside.h) */
#include <stdlib.h>

#include "directory/set_inside.h"

enum { BLOCK = 1 << 20 };

struct dir_set *
dir_set_new(void)
{
    struct dir_set *set = xcalloc(1, sizeof *set);
    set->indexes = set_indexes_new();
    return set;
}

void
dir_set_free(struct dir_set *set)
{
    if (set == NULL)
        return;
    for (struct set_block *block = set->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(set->records);
    set_indexes_free(set->indexes);
    free(set);
}

/* A record larger than a block has a block of its own, put behind the one in use. */
static char *
take_room(struct dir_set *set, size_t len)
{
    struct set_block *block = set->blocks;
    if (block == NULL || block->size - block->used < len) {
        size_t size = len > BLOCK ? len : BLOCK;
        block = xmalloc(sizeof *block + size);
        block->used = 0;
        block->size = size;
        bool own = len > BLOCK && set->blocks != NULL;
        block->next = own ? set->blocks->next : set->blocks;
        if (own)
            set->blocks->next = block;
        else
            set->blocks = block;
    }
    block->used += len;
    return block->at + block->used - len;
}

static size_t
new_place(struct dir_set *set)
{
    if (set->places == set->places_size) {
        set->places_size = set->places_size > 0 ? 2 * set->places_size : 1024;
        set->records = xrealloc(set->records, set->places_size * sizeof *set->records);
    }
    set->records[set->places] = NULL;
    return set->places++;
}

size_t
dir_set_put(struct dir_set *set, const struct dir_entry *entry, struct why *why)
{
    struct buf *record = &set->indexes->record;
    if (set_record_check(entry, why) < 0)
        return SIZE_MAX;
    size_t place = dir_set_find_id(set, entry->id);
    if (place == SIZE_MAX && set->places == SET_PLACES_MAX) {
        why_set(why, "5.3.4", "more than %d entries", SET_PLACES_MAX);
        return SIZE_MAX;
    }
    buf_reset(record);
    set_record_write(entry, record);
    bool is_new = place == SIZE_MAX;
    if (is_new)
        place = new_place(set);
    char *room = take_room(set, record->len);
    memcpy(room, record->at, record->len);
    set->records[place] = room;
    set->count += is_new;
    set_index_forget(set);
    if (is_new)
        set_index_add_id(set, place);
    return place;
}

bool
dir_set_drop(struct dir_set *set, struct span id)
{
    size_t place = dir_set_find_id(set, id);
    if (place == SIZE_MAX)
        return false;
    set->records[place] = NULL; /* its slot in the index of ids stays, and is found by nobody */
    set->count--;
    set_index_forget(set);
    return true;
}

size_t
dir_set_count(const struct dir_set *set)
{
    return set->count;
}

size_t
dir_set_places(const struct dir_set *set)
{
    return set->places;
}

/* FNV-1a of each record, summed: the order does not matter. */
uint64_t
dir_set_digest(const struct dir_set *set)
{
    uint64_t sum = set->count;
    struct dir_room room = {0};
    struct dir_entry entry;
    for (size_t place = 0; place < set->places; place++) {
        const char *at = set->records[place];
        size_t len = at != NULL ? set_record_read(at, SET_RECORD_MAX, &room, &entry) : 0;
        uint64_t hash = UINT64_C(14695981039346656037);
        for (size_t i = 0; i < len; i++)
            hash = (hash ^ (unsigned char)at[i]) * UINT64_C(1099511628211);
        sum += len > 0 ? hash : 0;
    }
    dir_room_clear(&room);
    return sum;
}

bool
dir_set_get(const struct dir_set *set, size_t place, struct dir_room *room, struct dir_entry *entry)
{
    const char *record = place < set->places ? set->records[place] : NULL;
    if (record == NULL)
        return false;
    size_t len = set_record_read(record, SET_RECORD_MAX, room, entry);
    BUG_UNLESS(len > 0);
    return true;
}

bool
dir_set_glance(const struct dir_set *set, size_t place, struct dir_entry *entry)
{
    const char *record = place < set->places ? set->records[place] : NULL;
    if (record == NULL)
        return false;
    set_record_glance(record, entry);
    return true;
}

void
dir_room_clear(struct dir_room *room)
{
    free(room->proxies);
    free(room->members);
    *room = (struct dir_room){0};
}
