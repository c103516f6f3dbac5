/* words.c - octets that are known, each with a number (see words.h)
 *
 * An open-addressing table over an array in the order in which words came; texts in an arena.
 */
#include "directory/words.h"

#include <stdlib.h>
#include <sys/random.h>

#include "common/arena.h"
#include "common/sip.h"

struct word {
    struct span text;
    uint64_t hash;
    int64_t number;
};

struct dir_words {
    struct word *words;
    uint32_t *slots; /* 1 + index; 0: free */
    size_t n, size;  /* size: of slots, a power of two; of it two thirds are used */
    uint64_t seed[2];
    struct arena *arena;
};

/* ---- the hash ---- */

void
dir_hash_seed(uint64_t seed[2])
{
    BUG_UNLESS(getrandom(seed, 2 * sizeof *seed, 0) == (ssize_t)(2 * sizeof *seed));
}

uint64_t
dir_hash(const uint64_t seed[2], struct span key)
{
    uint64_t v[4];
    sip_start(v, seed);
    for (size_t at = 0; at <= key.len; at += 8) {
        uint64_t word = 0;
        size_t n = key.len - at < 8 ? key.len - at : 8;
        if (n > 0)
            memcpy(&word, key.at + at, n);
        if (n < 8)
            word |= (uint64_t)key.len << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct span
dir_fold(struct buf *key, struct span text)
{
    buf_reset(key);
    buf_reserve(key, text.len);
    for (size_t i = 0; i < text.len; i++)
        key->at[i] = text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char)(text.at[i] + 32) : text.at[i];
    key->len = text.len;
    return buf_span(key);
}

/* ---- the table ---- */

struct dir_words *
dir_words_new(void)
{
    struct dir_words *words = xcalloc(1, sizeof *words);
    dir_hash_seed(words->seed);
    words->arena = arena_new(SIZE_MAX / 2);
    return words;
}

void
dir_words_free(struct dir_words *words)
{
    if (words == NULL)
        return;
    free(words->words);
    free(words->slots);
    arena_free(words->arena);
    free(words);
}

static uint32_t *
find(const struct dir_words *words, struct span text, uint64_t hash)
{
    for (size_t i = hash & (words->size - 1);; i = (i + 1) & (words->size - 1)) {
        uint32_t *slot = &words->slots[i];
        if (*slot == 0 ||
            (words->words[*slot - 1].hash == hash && span_equal(words->words[*slot - 1].text, text)))
            return slot;
    }
}

static void
grow(struct dir_words *words)
{
    words->size = words->size > 0 ? 2 * words->size : 256;
    free(words->slots);
    words->slots = xcalloc(words->size, sizeof *words->slots);
    words->words = xrealloc(words->words, (words->size / 3 * 2 + 1) * sizeof *words->words);
    for (size_t i = 0; i < words->n; i++)
        *find(words, words->words[i].text, words->words[i].hash) = (uint32_t)i + 1;
}

void
dir_words_set(struct dir_words *words, struct span text, int64_t number)
{
    if (words->n >= words->size / 3 * 2)
        grow(words);
    uint64_t hash = dir_hash(words->seed, text);
    uint32_t *slot = find(words, text, hash);
    if (*slot == 0) {
        BUG_UNLESS(words->n < UINT32_MAX - 1);
        words->words[words->n] = (struct word){.text = arena_span(words->arena, text), .hash = hash};
        *slot = (uint32_t)++words->n;
    }
    words->words[*slot - 1].number = number;
}

int64_t
dir_words_get(const struct dir_words *words, struct span text, int64_t missing)
{
    if (words->n == 0)
        return missing;
    uint32_t slot = *find(words, text, dir_hash(words->seed, text));
    return slot > 0 ? words->words[slot - 1].number : missing;
}

size_t
dir_words_count(const struct dir_words *words)
{
    return words->n;
}

struct span
dir_words_at(const struct dir_words *words, size_t n, int64_t *number)
{
    *number = words->words[n].number;
    return words->words[n].text;
}
