/* taken.c - who has which address (see policy.h)
 *
 * Of an address and its owner hashes of 64 bits are kept, with a random key, 16 octets for each: a million addresses in some
 * 32 MiB. That two are mistaken for one another happens once in 10^8 runs of that size, nobody can bring it about, and what
 * comes of it is a number behind a name.
 */
#include <stdlib.h>

#include "directory/taken.h"
#include "directory/words.h"

struct had {
    uint64_t address, owner; /* address 0: nothing here */
};

struct dir_taken {
    uint64_t seed[2];
    struct had *had; /* open addressing, a power of two, at most two thirds full */
    size_t n, size;
    struct dir_words *numbers; /* by stem: the last that was tried */
    struct buf key;
    bool (*by_other)(void *arg, const struct address *address, struct span owner);
    void *arg;
};

struct dir_taken *
dir_taken_new(void)
{
    struct dir_taken *taken = xcalloc(1, sizeof *taken);
    dir_hash_seed(taken->seed);
    taken->numbers = dir_words_new();
    return taken;
}

void
dir_taken_free(struct dir_taken *taken)
{
    if (taken == NULL)
        return;
    dir_words_free(taken->numbers);
    buf_clear(&taken->key);
    free(taken->had);
    free(taken);
}

void
dir_taken_ask(struct dir_taken *taken,
              bool (*by_other)(void *arg, const struct address *address, struct span owner), void *arg)
{
    taken->by_other = by_other;
    taken->arg = arg;
}

/* ---- the table ---- */

static struct had *
slot_of(struct had *had, size_t size, uint64_t address)
{
    size_t i = (size_t)address & (size - 1);
    while (had[i].address != 0 && had[i].address != address)
        i = (i + 1) & (size - 1);
    return &had[i];
}

static void
grow(struct dir_taken *taken)
{
    if ((taken->n + 1) * 3 <= taken->size * 2)
        return;
    size_t size = taken->size > 0 ? 2 * taken->size : 1024;
    struct had *had = xcalloc(size, sizeof *had);
    for (size_t i = 0; i < taken->size; i++)
        if (taken->had[i].address != 0)
            *slot_of(had, size, taken->had[i].address) = taken->had[i];
    free(taken->had);
    taken->had = had;
    taken->size = size;
}

/* 0 for what has no key: that nobody has. */
static uint64_t
hash_of(struct dir_taken *taken, const struct address *address)
{
    if (address_key(address, &taken->key) != 0)
        return 0;
    uint64_t hash = dir_hash(taken->seed, buf_span(&taken->key));
    return hash != 0 ? hash : 1;
}

bool
dir_taken_add(struct dir_taken *taken, const struct address *address, struct span owner)
{
    uint64_t hash = hash_of(taken, address), who = dir_hash(taken->seed, owner);
    if (hash == 0 || (taken->by_other != NULL && taken->by_other(taken->arg, address, owner)))
        return false;
    grow(taken);
    struct had *had = slot_of(taken->had, taken->size, hash);
    if (had->address == hash)
        return had->owner == who;
    *had = (struct had){hash, who};
    taken->n++;
    return true;
}

bool
dir_taken_by_other(const struct dir_taken *taken, const struct address *address, struct span owner)
{
    struct buf key = {0};
    bool other = false;
    if (taken->size > 0 && address_key(address, &key) == 0) {
        uint64_t hash = dir_hash(taken->seed, buf_span(&key));
        hash = hash != 0 ? hash : 1;
        const struct had *had = slot_of(taken->had, taken->size, hash);
        other = had->address == hash && had->owner != dir_hash(taken->seed, owner);
    }
    buf_clear(&key);
    return other || (taken->by_other != NULL && taken->by_other(taken->arg, address, owner));
}

unsigned
taken_next_number(struct dir_taken *taken, struct span stem)
{
    int64_t number = dir_words_get(taken->numbers, stem, 1) + 1;
    dir_words_set(taken->numbers, stem, number);
    return (unsigned)number;
}
