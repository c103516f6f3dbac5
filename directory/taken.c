/* taken.c - who has which address (see policy.h)
 *
 * An open-addressing table of two numbers for each address: a digest of its key and one of its owner, 16 octets. Two addresses of
 * one digest (never, in practice) are taken for the same: that costs a number behind a name, and gives nobody another's.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "directory/policy.h"

struct dir_taken {
    struct {
        uint64_t key, owner; /* key 0: free */
    } *slots;
    size_t size, n;
    uint64_t seed;
    struct buf key;
    bool (*by_other)(void *arg, const struct address *address, struct span owner);
    void *arg;
};

struct dir_taken *
dir_taken_new(void)
{
    struct dir_taken *taken = xcalloc(1, sizeof *taken);
    if (getrandom(&taken->seed, sizeof taken->seed, 0) != (ssize_t)sizeof taken->seed)
        taken->seed = (uint64_t)time_ms();
    return taken;
}

void
dir_taken_free(struct dir_taken *taken)
{
    if (taken == NULL)
        return;
    free(taken->slots);
    buf_clear(&taken->key);
    free(taken);
}

void
dir_taken_ask(struct dir_taken *taken, bool (*by_other)(void *arg, const struct address *address, struct span owner),
              void *arg)
{
    taken->by_other = by_other;
    taken->arg = arg;
}

static uint64_t
digest(const struct dir_taken *taken, struct span text)
{
    uint64_t hash = taken->seed ^ UINT64_C(14695981039346656037);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * UINT64_C(1099511628211);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    hash ^= hash >> 32;
    return hash != 0 ? hash : 1;
}

static size_t
find(const struct dir_taken *taken, uint64_t key)
{
    size_t i = (size_t)key & (taken->size - 1);
    while (taken->slots[i].key != 0 && taken->slots[i].key != key)
        i = (i + 1) & (taken->size - 1);
    return i;
}

static void
grow(struct dir_taken *taken)
{
    struct dir_taken old = *taken;
    taken->size = old.size > 0 ? 2 * old.size : 1024;
    taken->slots = xcalloc(taken->size, sizeof *taken->slots);
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].key != 0)
            taken->slots[find(taken, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

static uint64_t
key_of(struct dir_taken *taken, const struct address *address)
{
    address_key(address, &taken->key);
    return digest(taken, buf_span(&taken->key));
}

bool
dir_taken_by_other(const struct dir_taken *taken, const struct address *address, struct span owner)
{
    struct buf text = {0};
    address_key(address, &text);
    size_t i = taken->size > 0 ? find(taken, digest(taken, buf_span(&text))) : 0;
    buf_clear(&text);
    if (taken->size > 0 && taken->slots[i].key != 0)
        return taken->slots[i].owner != digest(taken, owner);
    return taken->by_other != NULL && taken->by_other(taken->arg, address, owner);
}

bool
dir_taken_add(struct dir_taken *taken, const struct address *address, struct span owner)
{
    if (dir_taken_by_other(taken, address, owner))
        return false;
    if (3 * taken->n >= 2 * taken->size)
        grow(taken);
    uint64_t key = key_of(taken, address);
    size_t i = find(taken, key);
    if (taken->slots[i].key == 0) {
        taken->slots[i].key = key;
        taken->slots[i].owner = digest(taken, owner);
        taken->n++;
    }
    return true;
}
