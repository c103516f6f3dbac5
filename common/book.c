/* book.c - the reader of the address book (see book.h)
 *
 *            book_refresh: none there            book_refresh: some there, none whole
 *     NONE  <------------------------ (start) ------------------------------------->  TORN
 *   finds nobody                         |                                     mail waits: -EAGAIN
 *        \                               v                                          /
 *         `-----------------------> OPEN, generation n <---------------------------'
 *                                    |  ^ a higher one that is whole
 *                                    `--'
 *
 * From OPEN there is no way back: a generation that was checked stays in use until a higher one is whole, whatever happens to its
 * name. Where that is gone and only lower ones are there (the folder was restored from a copy), the highest of these is taken.
 *
 * What is hostile here: a folder in which a disk or a person has left anything at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/book_internal.h"
#include "common/crc32c.h"

enum { BAD_MAX = 8 };

enum book_state { STATE_UNSEEN, STATE_NONE, STATE_TORN, STATE_OPEN };

struct book {
    int folder_fd;
    enum book_state state;
    bool expected; /* none is only not yet */
    uint64_t generation, entries;
    struct book_shard *shards;
    size_t n_shards;
    uint64_t bad[BAD_MAX]; /* generations that were read and found torn: not read again at each tick */
    size_t n_bad;
    struct why torn; /* about the last of them */
    struct buf key;
};

void
book_expect(struct book *book)
{
    book->expected = true;
}

struct book *
book_new(int book_folder_fd)
{
    struct book *book = xcalloc(1, sizeof *book);
    book->folder_fd = book_folder_fd;
    return book;
}

static void
shards_free(struct book_shard *shards, size_t n)
{
    for (size_t i = 0; i < n; i++)
        book_shard_close(&shards[i]);
    free(shards);
}

void
book_free(struct book *book)
{
    if (book == NULL)
        return;
    shards_free(book->shards, book->n_shards);
    buf_clear(&book->key);
    free(book);
}

uint64_t
book_generation(const struct book *book)
{
    return book->generation;
}

uint64_t
book_entries(const struct book *book)
{
    return book->entries;
}

/* ---- opening a generation ---- */

/* Opens one shard and compares it with what the manifest says. `why` names the file. */
static int
shard_check(int folder, const struct book_manifest *manifest, size_t i, struct book_shard *shard,
            struct why *why)
{
    char name[BOOK_NAME_SIZE];
    uint64_t size = 0;
    uint32_t crc = 0;
    book_shard_name(i, name);
    shard->fd = -1;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int err = fd >= 0 ? book_shard_open(shard, fd) : -errno;
    if (err == 0)
        err = book_file_sum(fd, &size, &crc);
    if (err == 0 && (size != manifest->shard[i].size || crc != manifest->shard[i].crc))
        err = -EINVAL;
    if (err == -ENOENT || err == -ELOOP)
        err = -EINVAL;
    if (err == -EINVAL)
        why_set(why, "4.3.0", "%s is missing, torn or not what the manifest says", name);
    else if (err != 0)
        why_set(why, "4.3.0", "%s: %s", name, strerror(-err));
    return err;
}

static int
shards_open(int folder, const struct book_manifest *manifest, struct book_shard **shards, struct why *why)
{
    struct book_shard *opened = xcalloc(manifest->shards, sizeof *opened);
    for (size_t i = 0; i < manifest->shards; i++) {
        int err = shard_check(folder, manifest, i, &opened[i], why);
        if (err != 0) {
            shards_free(opened, i + 1);
            return err;
        }
    }
    *shards = opened;
    return 0;
}

/* Puts the generation's name before the reason. */
static void
name_generation(const char *name, struct why *why)
{
    struct why inner = *why;
    why_set(why, "4.3.0", "book/%s: %.400s", name, inner.text);
}

/* Returns 0 with the generation in use, -EINVAL where it is torn for good, or another -errno. */
static int
generation_open(struct book *book, uint64_t generation, struct why *why)
{
    char name[BOOK_NAME_SIZE];
    struct book_manifest *manifest = xmalloc(sizeof *manifest);
    struct book_shard *shards = NULL;
    book_generation_name(generation, name);
    int folder = openat(book->folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = folder >= 0 ? 0 : errno == ENOTDIR ? -EINVAL : -errno;
    if (err != 0)
        why_set(why, "4.3.0", "%s", err == -EINVAL ? "not a folder" : strerror(-err));
    if (err == 0)
        err = book_manifest_read(folder, manifest, why);
    if (err == 0)
        err = shards_open(folder, manifest, &shards, why);
    if (folder >= 0)
        close(folder);
    if (err == 0) {
        shards_free(book->shards, book->n_shards);
        book->shards = shards;
        book->n_shards = manifest->shards;
        book->generation = generation;
        book->entries = manifest->entries;
        book->state = STATE_OPEN;
    } else {
        name_generation(name, why);
    }
    free(manifest);
    return err;
}

static bool
is_known_bad(const struct book *book, uint64_t generation)
{
    for (size_t i = 0; i < book->n_bad; i++)
        if (book->bad[i] == generation)
            return true;
    return false;
}

static void
remember_bad(struct book *book, uint64_t generation)
{
    if (book->n_bad == BAD_MAX)
        memmove(book->bad, book->bad + 1, sizeof book->bad[0] * --book->n_bad);
    book->bad[book->n_bad++] = generation;
}

static void
say(struct why *why, const struct why *reason)
{
    if (why != NULL)
        *why = *reason;
}

/* Tries the generations above the one in use, highest first. Returns 1 where one was opened. */
static int
try_newer(struct book *book, const uint64_t *numbers, size_t count, struct why *why)
{
    for (size_t i = 0; i < count && numbers[i] > book->generation; i++) {
        if (is_known_bad(book, numbers[i]))
            continue;
        int err = generation_open(book, numbers[i], &book->torn);
        if (err == 0)
            return 1;
        if (err == -EINVAL)
            remember_bad(book, numbers[i]);
        say(why, &book->torn);
    }
    return 0;
}

/* The one in use is not there any more, nor any above it. */
static bool
is_set_back(const struct book *book, const uint64_t *numbers, size_t count)
{
    return book->state == STATE_OPEN && count > 0 && numbers[0] < book->generation;
}

int
book_refresh(struct book *book, struct why *why)
{
    uint64_t *numbers;
    size_t count;
    if (why != NULL)
        *why = (struct why){0};
    int err = book_generations(book->folder_fd, &numbers, &count);
    if (err != 0)
        why_set(&book->torn, "4.3.0", "book: %s", strerror(-err));
    uint64_t in_use = book->generation;
    bool set_back = err == 0 && is_set_back(book, numbers, count);
    if (set_back)
        book->generation = 0; /* any will do */
    int opened = err == 0 ? try_newer(book, numbers, count, why) : 0;
    if (set_back && opened == 0)
        book->generation = in_use;
    free(numbers);
    if (opened > 0)
        return 1;
    if (err != 0)
        say(why, &book->torn);
    if (book->state == STATE_OPEN)
        return 0;
    book->state = err == 0 && count == 0 ? STATE_NONE : STATE_TORN;
    if (book->state == STATE_NONE)
        return -ENOENT;
    say(why, &book->torn);
    return -EAGAIN;
}

/* ---- looking up ---- */

int
book_find(struct book *book, const struct address *address, struct arena *arena, struct book_entry *entry)
{
    struct span data;
    if (book->state == STATE_UNSEEN)
        book_refresh(book, NULL);
    if (book->state != STATE_OPEN)
        return book->state == STATE_NONE && !book->expected ? -ENOENT : -EAGAIN;
    if (address_key(address, &book->key) != 0)
        return -ENOENT;
    struct span key = buf_span(&book->key);
    size_t shard = crc32c(0, key.at, key.len) % book->n_shards;
    int err = book_shard_find(&book->shards[shard], key, arena, &data);
    if (err == 0)
        err = book_entry_read(data, arena, entry);
    return err == -EIO || err == -EINVAL ? -EAGAIN : err;
}

struct walk {
    struct arena *arena;
    bool (*each)(const struct book_entry *, void *);
    void *arg;
    struct buf key;
    bool torn, more;
};

/* A recipient lies under each of his addresses; the primary's record speaks for all. */
static bool
walk_record(struct span key, struct span data, void *arg)
{
    struct walk *walk = arg;
    struct book_entry entry;
    arena_reset(walk->arena);
    if (book_entry_read(data, walk->arena, &entry) != 0 || address_key(&entry.primary, &walk->key) != 0) {
        walk->torn = true;
        return false;
    }
    if (span_equal(key, buf_span(&walk->key)))
        walk->more = walk->each(&entry, walk->arg);
    return walk->more;
}

int
book_each(struct book *book, bool (*each)(const struct book_entry *, void *), void *arg)
{
    struct walk walk = {.each = each, .arg = arg, .more = true};
    int err = 0;
    if (book->state == STATE_UNSEEN)
        book_refresh(book, NULL);
    if (book->state != STATE_OPEN)
        return book->state == STATE_NONE ? 0 : -EAGAIN;
    walk.arena = arena_new(BOOK_ENTRY_BYTES_MAX);
    for (size_t i = 0; i < book->n_shards && err == 0 && walk.more && !walk.torn; i++)
        err = book_shard_each(&book->shards[i], walk_record, &walk);
    arena_free(walk.arena);
    buf_clear(&walk.key);
    return err != 0 || walk.torn ? -EAGAIN : 0;
}
