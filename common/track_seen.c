/* track_seen.c - which records were seen already (see track_seen.h)
 *
 * The hash is SipHash-2-4 with a random key (see sip.h).
 */
#include "common/track_seen.h"

#include <stdlib.h>
#include <sys/random.h>

#include "common/id.h"
#include "common/sip.h"

enum {
    MOST = 2 << 20,
    SMALLEST = 1024,
    ROUNDS_MAX = 1000, /* of Badmail and back for one recipient */
    ANY_ATTEMPT = -1
};

struct generation {
    uint64_t *slots; /* 0: free */
    size_t size, n;  /* size: a power of two, at most half of it is used */
};

struct track_seen {
    uint64_t key[2];
    size_t most;
    struct generation young, old;
};

/* ---- the hash ---- */

struct sip {
    uint64_t v[4];
    uint64_t word; /* of the bytes not yet mixed in */
    size_t len;
};

static void
sip_word(struct sip *sip)
{
    sip->v[3] ^= sip->word;
    sip_round(sip->v);
    sip_round(sip->v);
    sip->v[0] ^= sip->word;
    sip->word = 0;
}

/* Before what is not a whole number of words. */
static void
sip_add_number(struct sip *sip, uint64_t number)
{
    BUG_UNLESS(sip->len % 8 == 0);
    sip->word = number;
    sip->len += 8;
    sip_word(sip);
}

static void
sip_add(struct sip *sip, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        sip->word |= (uint64_t)at[i] << (sip->len % 8 * 8);
        if (++sip->len % 8 == 0)
            sip_word(sip);
    }
}

static uint64_t
sip_end(struct sip *sip)
{
    sip->word |= (uint64_t)sip->len << 56;
    sip_word(sip);
    sip->v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(sip->v);
    return sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
}

/* ---- the set ---- */

static void
generation_new(struct generation *generation, size_t size)
{
    *generation = (struct generation){.slots = xcalloc(size, sizeof *generation->slots), .size = size};
}

/* The slot that holds the hash, or the free one where it belongs. */
static uint64_t *
find_slot(const struct generation *generation, uint64_t hash)
{
    size_t i = (size_t)hash & (generation->size - 1);
    while (generation->slots[i] != 0 && generation->slots[i] != hash)
        i = (i + 1) & (generation->size - 1);
    return &generation->slots[i];
}

static void
grow(struct generation *generation)
{
    struct generation larger;
    generation_new(&larger, generation->size * 2);
    for (size_t i = 0; i < generation->size; i++)
        if (generation->slots[i] != 0)
            *find_slot(&larger, generation->slots[i]) = generation->slots[i];
    larger.n = generation->n;
    free(generation->slots);
    *generation = larger;
}

static void
insert(struct track_seen *seen, uint64_t hash)
{
    if (seen->young.n >= seen->most) {
        free(seen->old.slots);
        seen->old = seen->young;
        generation_new(&seen->young, SMALLEST);
    }
    if ((seen->young.n + 1) * 2 > seen->young.size)
        grow(&seen->young);
    uint64_t *slot = find_slot(&seen->young, hash);
    seen->young.n += *slot == 0;
    *slot = hash;
}

static bool
contains(struct track_seen *seen, uint64_t hash)
{
    if (*find_slot(&seen->young, hash) != 0)
        return true;
    if (seen->old.slots == NULL || *find_slot(&seen->old, hash) == 0)
        return false;
    insert(seen, hash);
    return true;
}

struct track_seen *
track_seen_new(size_t most)
{
    struct track_seen *seen = xcalloc(1, sizeof *seen);
    seen->most = most > 0 ? most : MOST;
    if (getrandom(seen->key, sizeof seen->key, 0) != (ssize_t)sizeof seen->key)
        seen->key[0] = (uint64_t)time_ms();
    generation_new(&seen->young, SMALLEST);
    return seen;
}

void
track_seen_free(struct track_seen *seen)
{
    if (seen == NULL)
        return;
    free(seen->young.slots);
    free(seen->old.slots);
    free(seen);
}

/* ---- records ---- */

/* Parts of a message have its id with a suffix; a recipient is in one of them only. What does not change the
 * balance may happen again at another connector. */
static uint64_t
key_of(const struct track_seen *seen, const struct track_line *line, enum track_event event, int64_t attempt,
       int64_t round)
{
    struct sip sip = {0};
    size_t id_len = line->id.len < ID_LEN ? line->id.len : ID_LEN;
    sip_start(sip.v, seen->key);
    sip_add_number(&sip, (uint64_t)event);
    sip_add_number(&sip, (uint64_t)attempt);
    sip_add_number(&sip, (uint64_t)round);
    sip_add_number(&sip, id_len);
    sip_add(&sip, line->id.at, id_len);
    sip_add(&sip, line->rcpt.at, line->rcpt.len);
    if (track_event_signs[event] == 0) { /* given to one connector after another */
        sip_add(&sip, "", 1);
        sip_add(&sip, line->connector.at, line->connector.len);
    }
    uint64_t hash = sip_end(&sip);
    return hash != 0 ? hash : 1;
}

/* Whether an event that ends the recipient's stay in the spool happened in this round, at whatever attempt. */
static bool
was(struct track_seen *seen, const struct track_line *line, enum track_event event, int64_t round)
{
    return contains(seen, key_of(seen, line, event, ANY_ATTEMPT, round));
}

/* How often the recipient began anew: was sent again from Badmail, or imported. */
static int64_t
round_of(struct track_seen *seen, const struct track_line *line)
{
    int64_t round = 0;
    while (round < ROUNDS_MAX && contains(seen, key_of(seen, line, TRACK_REQUEUE, ANY_ATTEMPT, round)))
        round++;
    return round;
}

/* A second REQUEUE is none unless the recipient was in Badmail, or failed, again; a second IMPORT is none
 * unless it left the spool in between. */
static void
note_beginning(struct track_seen *seen, struct track_line *line, int64_t round)
{
    bool badmail = was(seen, line, TRACK_BADMAIL, round), failed = was(seen, line, TRACK_FAIL, round);
    bool left = was(seen, line, TRACK_EXPORT, round) || was(seen, line, TRACK_DELETE, round);
    line->from_failed = line->event == TRACK_REQUEUE && failed && !badmail;
    line->repeated = round > 0 && !(line->event == TRACK_REQUEUE ? badmail || failed : left);
    if (!line->repeated)
        insert(seen, key_of(seen, line, TRACK_REQUEUE, ANY_ATTEMPT, round));
}

void
track_seen_note(struct track_seen *seen, struct track_line *line)
{
    int64_t round = round_of(seen, line);
    line->repeated = line->from_badmail = line->from_failed = false;
    if (line->event == TRACK_REQUEUE || line->event == TRACK_IMPORT) {
        note_beginning(seen, line, round);
        return;
    }
    if (line->event == TRACK_DELETE)
        line->from_badmail = was(seen, line, TRACK_BADMAIL, round);
    uint64_t key = key_of(seen, line, line->event, line->attempt, round);
    line->repeated = contains(seen, key);
    if (line->repeated)
        return;
    insert(seen, key);
    if (line->event == TRACK_BADMAIL || line->event == TRACK_FAIL || line->event == TRACK_EXPORT ||
        line->event == TRACK_DELETE)
        insert(seen, key_of(seen, line, line->event, ANY_ATTEMPT, round));
}
