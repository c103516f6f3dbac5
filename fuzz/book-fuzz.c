/* book-fuzz.c - any bytes as a shard, as an entry, as a manifest, and as CSV
 *
 * Beside not crashing: what an entry was read from is what it is written as, and a book built of a CSV holds as
 * many recipients as it says.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/book_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;
static int temp_fd = -1, book_fd;
static uint64_t generation;

static void
folders_make(void)
{
    char path[300];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/viaduct-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp");
    BUG_UNLESS(mkdtemp(path) != NULL);
    int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BUG_UNLESS(mkdirat(top, "Temp", 0700) == 0 && mkdirat(top, "book", 0700) == 0);
    temp_fd = openat(top, "Temp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    book_fd = openat(top, "book", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(top);
}

static int
file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    BUG_UNLESS(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static bool
each_record(struct span key, struct span data, void *arg)
{
    const struct book_shard *shard = arg;
    struct span found;
    struct book_entry entry;
    book_shard_find(shard, key, arena, &found);
    book_entry_read(data, arena, &entry);
    return true;
}

/* The interesting part of a shard is its head and its tables; zeros in between come for free. */
static void
fuzz_shard(const uint8_t *data, size_t size)
{
    struct book_shard shard;
    struct span found;
    if (book_shard_open(&shard, file_of(data, size)) != 0)
        return;
    book_shard_find(&shard, SPAN("smtp:ann@contoso.example"), arena, &found);
    book_shard_each(&shard, each_record, &shard);
    book_shard_close(&shard);
}

static void
fuzz_entry(struct span bytes)
{
    struct book_entry entry, again;
    struct buf out = {0};
    if (book_entry_read(bytes, arena, &entry) == 0) {
        book_entry_write(&entry, &out);
        BUG_UNLESS(book_entry_read(buf_span(&out), arena, &again) == 0);
        BUG_UNLESS(address_equal(&entry.primary, &again.primary) && entry.n_proxies == again.n_proxies);
        book_entry_host_address(&entry);
    }
    buf_clear(&out);
}

static bool
count(const struct book_entry *entry, void *arg)
{
    uint64_t *n = arg;
    *n += entry->n_proxies > 0;
    return true;
}

static void
fuzz_csv(const uint8_t *data, size_t size)
{
    struct buf errors = {0};
    int fd = file_of(data, size);
    struct book_builder *builder = book_builder_new(temp_fd, ++generation, "fuzz", NULL);
    BUG_UNLESS(builder != NULL);
    book_read_csv(fd, "fuzz.csv", builder, &errors);
    BUG_UNLESS(book_builder_publish(builder, book_fd, NULL) == 0);
    struct book *book = book_new(book_fd);
    uint64_t n = 0;
    BUG_UNLESS(book_refresh(book, NULL) == 1);
    BUG_UNLESS(book_each(book, count, &n) == 0 && n == book_entries(book));
    book_free(book);
    buf_clear(&errors);
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct book_manifest manifest;
    struct why why;
    if (arena == NULL)
        arena = arena_new(1 << 24);
    if (temp_fd < 0)
        folders_make();
    if (size == 0)
        return 0;
    struct span rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 's':
        fuzz_shard(data + 1, size - 1);
        break;
    case 'e':
        fuzz_entry(rest);
        break;
    case 'm':
        book_manifest_parse(rest, &manifest, &why);
        break;
    default:
        fuzz_csv(data, size);
    }
    arena_reset(arena);
    return 0;
}
