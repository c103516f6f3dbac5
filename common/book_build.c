/* book_build.c - a generation of the book being built (see book.h)
 *
 * The folder "book.<n>" is filled in Temp; book_publish.c makes it visible. A crash before leaves a folder that
 * the next build removes. Which addresses were given is kept as one hash and one offset each, so a duplicate is
 * found without reading, and the recipient who has it already is read back only to name him.
 */
#include "common/book_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/utf8.h"
#include "spool-layout/layout.h"

/* A reader's offsets are 32 bits; half of that leaves room for the tables at the end. */
static const uint64_t SHARD_BYTES_MAX = UINT64_C(1) << 31;

enum { RECORD_OVERHEAD = 8 + 16, EXPECTED_BYTES = 4096, EXPECTED_KEYS = 4, EXPECTED_MAX = 1 << 20 };

/* ---- beginning ---- */

static int
folder_make(struct book_builder *builder)
{
    if (mkdirat(builder->temp_fd, builder->name, BOOK_FOLDER_MODE) != 0) {
        if (errno != EEXIST)
            return -errno;
        book_generation_remove(builder->temp_fd, builder->name); /* left by a build that died */
        if (mkdirat(builder->temp_fd, builder->name, BOOK_FOLDER_MODE) != 0)
            return -errno;
    }
    builder->folder_fd =
        openat(builder->temp_fd, builder->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return builder->folder_fd >= 0 ? 0 : -errno;
}

static int
shards_make(struct book_builder *builder, size_t n)
{
    char name[BOOK_NAME_SIZE];
    builder->shard = xrealloc(builder->shard, n * sizeof *builder->shard);
    while (builder->n_shards < n) {
        struct shard *shard = &builder->shard[builder->n_shards];
        book_shard_name(builder->n_shards, name);
        shard->fd = openat(builder->folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, BOOK_FILE_MODE);
        if (shard->fd < 0)
            return -errno;
        book_cdb_start(&shard->cdb, shard->fd);
        builder->n_shards++;
    }
    return 0;
}

struct book_builder *
book_builder_new(int temp_fd, uint64_t generation, const char *source, struct why *why)
{
    struct book_builder *builder = xcalloc(1, sizeof *builder);
    builder->temp_fd = temp_fd;
    builder->folder_fd = -1;
    builder->generation = generation;
    builder->source = xstrdup(source);
    snprintf(builder->name, sizeof builder->name, "book.%llu", (unsigned long long)generation);
    int err = folder_make(builder);
    if (err == 0)
        err = shards_make(builder, BOOK_SHARDS);
    if (err == 0)
        return builder;
    why_set(why, "4.3.0", "%s: %s", builder->name, strerror(-err));
    book_builder_drop(builder);
    return NULL;
}

/* ---- what was given ---- */

/* Both hashes that are needed anyhow: one chooses the shard, the other the slot in its tables. */
static uint64_t
hash_of(struct span key)
{
    return (uint64_t)crc32c(0, key.at, key.len) << 32 | book_cdb_hash(key);
}

static size_t
given_slot(const struct book_builder *builder, uint64_t hash)
{
    return (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (builder->given_size - 1);
}

/* The slot is needed soon: memory of a million is far from the processor. */
static void
given_await(const struct book_builder *builder, uint64_t hash)
{
    if (builder->given_size > 0)
        __builtin_prefetch(&builder->given[given_slot(builder, hash)], 1);
}

static void
given_put(struct book_builder *builder, struct given given)
{
    size_t i = given_slot(builder, given.hash);
    while (builder->given[i].shard != 0)
        i = (i + 1) & (builder->given_size - 1);
    builder->given[i] = given;
}

/* Room for `more`. */
static void
given_grow(struct book_builder *builder, size_t more)
{
    if ((builder->given_n + more) * 3 <= builder->given_size * 2)
        return;
    struct given *old = builder->given;
    size_t old_size = builder->given_size;
    builder->given_size = old_size > 0 ? old_size : 1024;
    while ((builder->given_n + more) * 3 > builder->given_size * 2)
        builder->given_size *= 2;
    builder->given = xcalloc(builder->given_size, sizeof *builder->given);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].shard != 0)
            given_put(builder, old[i]);
    free(old);
}

/* The key's record, when it was given. Returns 1 found, 0 not, -errno. Equal hashes are confirmed by the record's key. */
static int
given_find(struct book_builder *builder, struct span key, uint64_t hash, struct given *found)
{
    if (builder->given_size == 0)
        return 0;
    for (size_t i = given_slot(builder, hash); builder->given[i].shard != 0;
         i = (i + 1) & (builder->given_size - 1)) {
        const struct given *given = &builder->given[i];
        int there =
            given->hash != hash ? 0 : book_cdb_is(&builder->shard[given->shard - 1].cdb, given->at, key);
        if (there == 0)
            continue;
        *found = *given;
        return there;
    }
    return 0;
}

/* The recipient's name for a message: his primary address. */
static void
given_name(struct book_builder *builder, const struct given *given, struct buf *name)
{
    struct arena *arena = arena_new(BOOK_ENTRY_BYTES_MAX);
    struct buf data = {0};
    struct book_entry entry;
    if (book_cdb_data(&builder->shard[given->shard - 1].cdb, given->at, &data) == 0 &&
        book_entry_read(buf_span(&data), arena, &entry) == 0)
        address_print(&entry.primary, name);
    buf_clear(&data);
    arena_free(arena);
}

int
book_builder_expect(struct book_builder *builder, uint64_t recipients, struct why *why)
{
    uint64_t shards = recipients / (SHARD_BYTES_MAX / EXPECTED_BYTES) + 1;
    BUG_UNLESS(builder->entries == 0);
    if (recipients < EXPECTED_MAX)
        given_grow(builder, (size_t)recipients * EXPECTED_KEYS);
    if (shards <= builder->n_shards)
        return 0;
    int err = shards_make(builder, shards < BOOK_SHARDS_MAX ? (size_t)shards : BOOK_SHARDS_MAX);
    if (err != 0) {
        builder->broken = true;
        why_set(why, "4.3.0", "%s: %s", builder->name, strerror(-err));
    }
    return err;
}

/* ---- adding ---- */

static int
refuse(struct why *why, const struct book_entry *entry, const char *text)
{
    return why_set(why, "", "%.*s: %s", (int)entry->primary.value.len, entry->primary.value.at, text);
}

static bool
text_valid(struct span text, size_t longest)
{
    return text.len <= longest && utf8_printable(text);
}

/* One primary of each type. */
static bool
primaries_valid(const struct book_entry *entry)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        for (size_t k = 0; entry->proxies[i].primary && k < i; k++)
            if (entry->proxies[k].primary &&
                span_equal(entry->proxies[i].address.type, entry->proxies[k].address.type))
                return false;
    return true;
}

static int
entry_check(const struct book_entry *entry, struct why *why)
{
    bool found = false;
    if (!text_valid(entry->display, BOOK_DISPLAY_MAX))
        return refuse(why, entry, "the display name is too long or has control characters");
    if (!text_valid(entry->side, CONNECTOR_NAME_MAX) || entry->side.len == 0)
        return refuse(why, entry, "the side is host or a connector's name");
    if (entry->n_proxies == 0 || entry->n_proxies > BOOK_PROXIES_MAX)
        return refuse(why, entry, "more addresses than a recipient may have, or none");
    for (size_t i = 0; i < entry->n_proxies; i++) {
        const struct address *address = &entry->proxies[i].address;
        if (!address_type_valid(address->type))
            return refuse(why, entry, "bad address type");
        bool parsed_later = address_is_smtp(address) && address->value.len > 0; /* by address_key() */
        if (!parsed_later && address_check(address, false, why) != 0)
            return -EINVAL;
        found |= address_equal(address, &entry->primary);
    }
    if (!found)
        return refuse(why, entry, "the primary address is not among the proxies");
    return primaries_valid(entry) ? 0 : refuse(why, entry, "two proxies are primary of one type");
}

static struct span
key_at(const struct book_builder *builder, size_t i)
{
    size_t start = i > 0 ? builder->key_end[i - 1] : 0;
    return (struct span){builder->keys.at + start, builder->key_end[i] - start};
}

/* The entry's keys, each once. 0, or -EINVAL with `why` for an address of which there is none. */
static int
keys_make(struct book_builder *builder, const struct book_entry *entry, struct why *why)
{
    struct buf key = {0};
    buf_reset(&builder->keys);
    builder->n_keys = 0;
    for (size_t i = 0; i < entry->n_proxies; i++) {
        bool again = false;
        if (address_key(&entry->proxies[i].address, &key) != 0) {
            buf_clear(&key);
            return address_check(&entry->proxies[i].address, false, why) != 0 ? -EINVAL
                                                                              : refuse(why, entry, "no key");
        }
        for (size_t k = 0; k < builder->n_keys && !again; k++)
            again = span_equal(key_at(builder, k), buf_span(&key));
        if (again)
            continue;
        builder->key_hash[builder->n_keys] = hash_of(buf_span(&key));
        given_await(builder, builder->key_hash[builder->n_keys]);
        buf_add_span(&builder->keys, buf_span(&key));
        builder->key_end[builder->n_keys++] = builder->keys.len;
    }
    buf_clear(&key);
    return 0;
}

static size_t
shard_of(const struct book_builder *builder, uint64_t hash)
{
    return (size_t)(hash >> 32) % builder->n_shards;
}

static int
keys_check(struct book_builder *builder, const struct book_entry *entry, struct why *why)
{
    struct given given = {0};
    for (size_t i = 0; i < builder->n_keys; i++) {
        struct span key = key_at(builder, i);
        uint64_t hash = builder->key_hash[i];
        uint64_t end = book_cdb_size(&builder->shard[shard_of(builder, hash)].cdb);
        /* All of an entry's records might lie in one shard. */
        if (end + builder->n_keys * (builder->data.len + RECORD_OVERHEAD) + builder->keys.len >
            SHARD_BYTES_MAX) {
            refuse(why, entry, "a shard of the book is full");
            return -EFBIG;
        }
        int found = given_find(builder, key, hash, &given);
        if (found < 0)
            return found;
        if (found > 0) {
            struct buf other = {0};
            given_name(builder, &given, &other);
            why_set(why, "", "%.*s of %.*s belongs to %.*s already", (int)key.len, key.at,
                    (int)entry->primary.value.len, entry->primary.value.at, (int)other.len,
                    other.len > 0 ? other.at : "");
            buf_clear(&other);
            return -EEXIST;
        }
    }
    return 0;
}

static int
records_add(struct book_builder *builder)
{
    given_grow(builder, builder->n_keys);
    for (size_t i = 0; i < builder->n_keys; i++) {
        struct span key = key_at(builder, i);
        size_t number = shard_of(builder, builder->key_hash[i]);
        struct given given = {.hash = builder->key_hash[i], .shard = (uint32_t)number + 1};
        int err = book_cdb_add(&builder->shard[number].cdb, key, buf_span(&builder->data), &given.at);
        if (err != 0)
            return err;
        given_put(builder, given);
        builder->given_n++;
    }
    builder->entries++;
    return 0;
}

uint64_t
book_builder_entries(const struct book_builder *builder)
{
    return builder->entries;
}

int
book_builder_has(struct book_builder *builder, const struct address *address, struct buf *owner)
{
    struct given given = {0};
    struct buf key = {0};
    int r = builder->broken ? -EIO : address_key(address, &key);
    if (r == 0)
        r = given_find(builder, buf_span(&key), hash_of(buf_span(&key)), &given);
    buf_clear(&key);
    if (r > 0 && owner != NULL)
        given_name(builder, &given, owner);
    return r;
}

int
book_builder_add(struct book_builder *builder, const struct book_entry *entry, struct why *why)
{
    if (builder->broken) {
        why_set(why, "4.3.0", "%s cannot be written", builder->name);
        return -EIO;
    }
    int err = entry_check(entry, why);
    if (err != 0)
        return err;
    buf_reset(&builder->data);
    book_entry_write(entry, &builder->data);
    err = keys_make(builder, entry, why);
    if (err != 0)
        return err;
    err = keys_check(builder, entry, why);
    if (err == 0)
        err = records_add(builder);
    if (err != 0 && err != -EEXIST && err != -EFBIG) {
        builder->broken = true; /* half an entry may be there */
        why_set(why, "4.3.0", "%s: %s", builder->name, strerror(-err));
    }
    return err;
}
