/* book_shard.c - looking a key up in a cdb file by pread (see book_internal.h)
 *
 * The file: 2,048 octets with 256 pairs (offset, slots), then records (key length, data length, key, data),
 * then the hash tables of pairs (hash, offset of the record); all numbers 32 bits, little-endian. A key with
 * hash h is in table h % 256, from slot (h / 256) % slots on; an offset of 0 ends the search.
 *
 * What is hostile here: every number, for a torn file. Each offset and length is checked against the file's
 * size in 64 bits before it is used; a search ends after as many slots as the table has. The pairs at the start
 * are read once, so a look-up costs one pread for the slots, and one for the record where the key is there. No
 * mmap: a file that shrinks under a reader is a short read, not a signal.
 *
 * Source: D. J. Bernstein, A structure for constant databases.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/book_internal.h"

enum { HEAD_BYTES = 2048, SLOT_BYTES = 8, SLOTS_AT_ONCE = 16, KEY_MAX = 4088, DATA_AT_ONCE = 512 };

static uint32_t
number(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t
hash_of(struct span key)
{
    uint32_t hash = 5381;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash * 33) ^ (unsigned char)key.at[i];
    return hash;
}

/* Reads exactly `len` octets at `at`. Returns 0 or -EIO. */
static int
read_at(const struct book_shard *shard, void *bytes, size_t len, uint64_t at)
{
    char *to = bytes;
    while (len > 0) {
        ssize_t n = pread(shard->fd, to, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -EIO;
        to += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int
head_read(struct book_shard *shard)
{
    unsigned char head[HEAD_BYTES];
    if (read_at(shard, head, sizeof head, 0) != 0)
        return -EIO;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t at = number(head + i * SLOT_BYTES), slots = number(head + i * SLOT_BYTES + 4);
        if (slots > 0 && (at < HEAD_BYTES || at + (uint64_t)slots * SLOT_BYTES > shard->size))
            return -EINVAL;
        shard->table[i].at = at;
        shard->table[i].slots = slots;
    }
    return 0;
}

int
book_shard_open(struct book_shard *shard, int fd)
{
    struct stat st;
    shard->fd = fd;
    int err = fstat(fd, &st) == 0 ? 0 : -errno;
    if (err == 0 && (!S_ISREG(st.st_mode) || st.st_size < HEAD_BYTES || st.st_size > UINT32_MAX))
        err = -EINVAL;
    if (err == 0) {
        shard->size = (uint32_t)st.st_size;
        err = head_read(shard);
    }
    if (err != 0)
        book_shard_close(shard);
    return err;
}

void
book_shard_close(struct book_shard *shard)
{
    if (shard->fd >= 0)
        close(shard->fd);
    shard->fd = -1;
}

/* The lengths of the record at `at`; false where it does not lie within the file. */
static bool
record_lengths(const struct book_shard *shard, const unsigned char *head, uint64_t at, uint32_t *key,
               uint32_t *data)
{
    *key = number(head);
    *data = number(head + 4);
    return at + SLOT_BYTES + *key + *data <= shard->size && *data <= BOOK_ENTRY_BYTES_MAX;
}

/* The data of the record at `at`, when it has this key. Returns 0, -ENOENT, -EIO, -ENOMEM. */
static int
record_take(const struct book_shard *shard, uint64_t at, struct span key, struct arena *arena,
            struct span *data)
{
    unsigned char bytes[SLOT_BYTES + KEY_MAX + DATA_AT_ONCE];
    uint32_t key_len, data_len;
    if (at < HEAD_BYTES || at + SLOT_BYTES > shard->size)
        return -EIO;
    size_t want = SLOT_BYTES + key.len + DATA_AT_ONCE; /* most records whole, none of the page behind */
    size_t have = shard->size - at < want ? (size_t)(shard->size - at) : want;
    if (read_at(shard, bytes, have, at) != 0 || !record_lengths(shard, bytes, at, &key_len, &data_len))
        return -EIO;
    if (key_len != key.len || memcmp(bytes + SLOT_BYTES, key.at, key.len) != 0)
        return -ENOENT;
    char *copy = arena_alloc(arena, data_len + (size_t)1);
    if (copy == NULL)
        return -ENOMEM;
    size_t skip = SLOT_BYTES + key.len, first = have - skip < data_len ? have - skip : data_len;
    memcpy(copy, bytes + skip, first);
    if (read_at(shard, copy + first, data_len - first, at + skip + first) != 0)
        return -EIO;
    *data = (struct span){copy, data_len};
    return 0;
}

/* Looks through `n` slots. Returns 1 to go on. */
static int
slots_search(const struct book_shard *shard, const unsigned char *slots, size_t n, uint32_t hash,
             struct span key, struct arena *arena, struct span *data)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t at = number(slots + i * SLOT_BYTES + 4);
        if (at == 0)
            return -ENOENT;
        if (number(slots + i * SLOT_BYTES) != hash)
            continue;
        int err = record_take(shard, at, key, arena, data);
        if (err != -ENOENT)
            return err;
    }
    return 1;
}

int
book_shard_find(const struct book_shard *shard, struct span key, struct arena *arena, struct span *data)
{
    unsigned char bytes[SLOTS_AT_ONCE * SLOT_BYTES];
    uint32_t hash = hash_of(key), slots = shard->table[hash % 256].slots;
    uint64_t at = shard->table[hash % 256].at;
    if (slots == 0 || key.len > KEY_MAX)
        return -ENOENT;
    uint32_t slot = (hash >> 8) % slots;
    for (uint32_t seen = 0; seen < slots;) {
        uint32_t n = slots - slot < SLOTS_AT_ONCE ? slots - slot : SLOTS_AT_ONCE;
        n = n < slots - seen ? n : slots - seen;
        if (read_at(shard, bytes, (size_t)n * SLOT_BYTES, at + (uint64_t)slot * SLOT_BYTES) != 0)
            return -EIO;
        int found = slots_search(shard, bytes, n, hash, key, arena, data);
        if (found <= 0)
            return found;
        seen += n;
        slot = (slot + n) % slots;
    }
    return -ENOENT;
}

/* Where the records end: at the first table. */
static uint64_t
records_end(const struct book_shard *shard)
{
    uint64_t end = shard->size;
    bool any = false;
    for (unsigned i = 0; i < 256; i++) {
        if (shard->table[i].slots == 0)
            continue;
        any = true;
        if (shard->table[i].at < end)
            end = shard->table[i].at;
    }
    return any ? end : HEAD_BYTES;
}

int
book_shard_each(const struct book_shard *shard, bool (*each)(struct span key, struct span data, void *arg),
                void *arg)
{
    struct buf record = {0};
    unsigned char head[SLOT_BYTES];
    uint64_t end = records_end(shard);
    bool more = true;
    int err = 0;
    for (uint64_t at = HEAD_BYTES; err == 0 && more && at < end;) {
        uint32_t key, data;
        buf_reset(&record);
        if (at + SLOT_BYTES > end || read_at(shard, head, sizeof head, at) != 0 ||
            !record_lengths(shard, head, at, &key, &data) || key > KEY_MAX) {
            err = -EIO;
            break;
        }
        buf_reserve(&record, (size_t)key + data);
        err = read_at(shard, record.at, (size_t)key + data, at + SLOT_BYTES);
        if (err == 0)
            more = each((struct span){record.at, key}, (struct span){record.at + key, data}, arg);
        at += SLOT_BYTES + (uint64_t)key + data;
    }
    buf_clear(&record);
    return err;
}
