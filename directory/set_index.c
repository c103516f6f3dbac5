/* set_index.c - who has this id, name, mark, address (see set_inside.h)
 *
 * Keys come from outside, so the hash has a random key of its own (words.h), and a key that many have stands once: neither
 * makes a table slow. A slot has a part of the hash and the place; whether the entry there really has the key is looked at.
 */
#include <stdlib.h>

#include "directory/set_inside.h"
#include "directory/words.h"

struct set_indexes *
set_indexes_new(void)
{
    struct set_indexes *indexes = xcalloc(1, sizeof *indexes);
    dir_hash_seed(indexes->seed);
    return indexes;
}

void
set_indexes_free(struct set_indexes *indexes)
{
    for (unsigned i = 0; i < SET_KEYS; i++)
        free(indexes->by[i].slots);
    buf_clear(&indexes->key);
    buf_clear(&indexes->record);
    dir_room_clear(&indexes->room);
    free(indexes);
}

/* ---- keys ---- */

static uint64_t
hash_name(struct set_indexes *indexes, struct span name)
{
    return dir_hash(indexes->seed, dir_fold(&indexes->key, name));
}

static uint64_t
hash_address(struct set_indexes *indexes, const struct address *address)
{
    if (address_key(address, &indexes->key) < 0)
        dir_fold(&indexes->key, address->value);
    return dir_hash(indexes->seed, buf_span(&indexes->key));
}

static bool
has_address(const struct dir_entry *entry, const struct address *address)
{
    if (entry->target.type.len > 0 && address_equal(&entry->target, address))
        return true;
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (address_equal(&entry->proxies[i].address, address))
            return true;
    return false;
}

struct question {
    enum set_key by;
    struct span text;
    const struct address *address;
};

/* Whether the entry at a place is one that is asked for. */
static bool
fits(const struct dir_set *set, size_t place, const struct question *question)
{
    struct dir_entry entry;
    if (set->records[place] == NULL)
        return false;
    if (question->by == SET_BY_ID)
        return span_equal(set_record_id(set->records[place]), question->text);
    if (question->by == SET_BY_ADDRESS) {
        set_record_addresses(set->records[place], &set->indexes->room, &entry);
        return has_address(&entry, question->address);
    }
    set_record_glance(set->records[place], &entry);
    return question->by == SET_BY_NAME ? span_equal_nocase(entry.name, question->text)
                                       : span_equal(entry.mark, question->text);
}

/* ---- tables ---- */

static struct set_slot *
slot_find(const struct dir_set *set, uint64_t value, const struct question *question)
{
    const struct set_index *index = &set->indexes->by[question->by];
    uint32_t tag = (uint32_t)(value >> 32);
    for (size_t i = value & (index->size - 1);; i = (i + 1) & (index->size - 1)) {
        struct set_slot *slot = &index->slots[i];
        if (slot->place == 0 || (slot->tag == tag && fits(set, (slot->place & ~SET_MORE) - 1, question)))
            return slot;
    }
}

static void
index_make(struct set_index *index, size_t keys)
{
    index->size = 1024;
    while (index->size * 2 < keys * 3)
        index->size *= 2;
    index->n = 0;
    free(index->slots);
    index->slots = xcalloc(index->size, sizeof *index->slots);
}

/* Says that the entry at `place` has the key. */
static void
index_add(const struct dir_set *set, uint64_t value, const struct question *question, size_t place)
{
    struct set_slot *slot = slot_find(set, value, question);
    if (slot->place == 0) {
        *slot = (struct set_slot){(uint32_t)(value >> 32), (uint32_t)place + 1};
        set->indexes->by[question->by].n++;
    } else if ((slot->place & ~SET_MORE) - 1 != place) {
        slot->place |= SET_MORE;
    }
}

static void
add_id(const struct dir_set *set, size_t place)
{
    struct question question = {.by = SET_BY_ID, .text = set_record_id(set->records[place])};
    index_add(set, dir_hash(set->indexes->seed, question.text), &question, place);
}

void
set_index_add_id(struct dir_set *set, size_t place)
{
    struct set_index *index = &set->indexes->by[SET_BY_ID];
    if (index->size > 0 && (index->n + 1) * 3 <= index->size * 2) {
        add_id(set, place);
        return;
    }
    index_make(index, 2 * (set->count + 1)); /* without the ids of those who were dropped */
    for (size_t i = 0; i < set->places; i++)
        if (set->records[i] != NULL)
            add_id(set, i);
}

void
set_index_forget(struct dir_set *set)
{
    for (unsigned by = SET_BY_NAME; by < SET_KEYS; by++)
        set->indexes->by[by].size = 0;
}

/* ---- what is built when it is asked for ---- */

static size_t
count_keys(const struct dir_set *set, enum set_key by)
{
    struct dir_entry entry;
    size_t n = 0;
    if (by != SET_BY_ADDRESS)
        return set->count;
    for (size_t i = 0; i < set->places; i++)
        if (set->records[i] != NULL) {
            set_record_addresses(set->records[i], &set->indexes->room, &entry);
            n += entry.n_proxies + (entry.target.type.len > 0);
        }
    return n;
}

/* An address that an entry has twice, most often as target and as proxy, is added once. The entry's spans must not lie in the
 * indexes' room, which look-ups use. */
static void
add_addresses(const struct dir_set *set, const struct dir_entry *entry, size_t place)
{
    uint64_t *seen = set->indexes->seen;
    size_t n_seen = 0;
    for (size_t i = 0; i <= entry->n_proxies; i++) {
        struct question question = {.by = SET_BY_ADDRESS,
                                    .address = i > 0 ? &entry->proxies[i - 1].address : &entry->target};
        if (question.address->type.len == 0)
            continue;
        uint64_t value = hash_address(set->indexes, question.address);
        size_t j = 0;
        while (j < n_seen && seen[j] != value)
            j++;
        if (j < n_seen)
            continue;
        seen[n_seen++] = value;
        index_add(set, value, &question, place);
    }
}

static void
add_key(const struct dir_set *set, enum set_key by, const struct dir_entry *entry, size_t place)
{
    struct question question = {.by = by, .text = by == SET_BY_NAME ? entry->name : entry->mark};
    if (question.text.len > 0)
        index_add(set,
                  by == SET_BY_NAME ? hash_name(set->indexes, question.text)
                                    : dir_hash(set->indexes->seed, question.text),
                  &question, place);
}

static void
build(const struct dir_set *set, enum set_key by)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    if (set->indexes->by[by].size > 0)
        return;
    index_make(&set->indexes->by[by], count_keys(set, by));
    for (size_t place = 0; place < set->places; place++) {
        if (!dir_set_glance(set, place, &entry))
            continue;
        if (by == SET_BY_ADDRESS) {
            set_record_addresses(set->records[place], &room, &entry);
            add_addresses(set, &entry, place);
        } else {
            add_key(set, by, &entry, place);
        }
    }
    dir_room_clear(&room);
}

/* ---- questions ---- */

static size_t
answer(const struct dir_set *set, uint64_t value, const struct question *question, bool *more)
{
    const struct set_slot *slot = slot_find(set, value, question);
    if (more != NULL)
        *more = (slot->place & SET_MORE) != 0;
    return slot->place == 0 ? SIZE_MAX : (slot->place & ~SET_MORE) - 1;
}

size_t
dir_set_find_id(const struct dir_set *set, struct span id)
{
    struct question question = {.by = SET_BY_ID, .text = id};
    return set->indexes->by[SET_BY_ID].size == 0
               ? SIZE_MAX
               : answer(set, dir_hash(set->indexes->seed, id), &question, NULL);
}

size_t
dir_set_find_name(const struct dir_set *set, struct span name)
{
    struct question question = {.by = SET_BY_NAME, .text = name};
    build(set, SET_BY_NAME);
    return answer(set, hash_name(set->indexes, name), &question, NULL);
}

size_t
dir_set_find_mark(const struct dir_set *set, struct span mark)
{
    struct question question = {.by = SET_BY_MARK, .text = mark};
    build(set, SET_BY_MARK);
    return answer(set, dir_hash(set->indexes->seed, mark), &question, NULL);
}

size_t
dir_set_find_address(const struct dir_set *set, const struct address *address, bool *more)
{
    struct question question = {.by = SET_BY_ADDRESS, .address = address};
    build(set, SET_BY_ADDRESS);
    return answer(set, hash_address(set->indexes, address), &question, more);
}
