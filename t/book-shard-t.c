/* book-shard-t.c - reading a cdb file that may be torn: what book_shard.c promises for every number in it */
#include <cdb.h>
#include <errno.h>
#include <sys/mman.h>

#include "common/book_internal.h"
#include "t/tap.h"

static struct arena *arena;

static void
put_number(char *at, uint32_t n)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (char)(n >> 8 * i);
}

static int
file_of(const char *bytes, size_t len)
{
    int fd = memfd_create("shard", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) {
        printf("Bail out! cannot make a file\n");
        exit(1);
    }
    return fd;
}

/* A shard in which every table is `slots` slots at `table`, all of them the pair (hash of "k", record). */
static int
find_in(uint32_t table, uint32_t slots, uint32_t record, uint32_t key_len, uint32_t data_len, size_t size)
{
    char *bytes = xcalloc(1, size > 4096 ? size : 4096);
    struct book_shard shard;
    struct span data;
    for (unsigned i = 0; i < 256; i++) {
        put_number(bytes + i * 8, table);
        put_number(bytes + i * 8 + 4, slots);
    }
    put_number(bytes + 2048, key_len);
    put_number(bytes + 2052, data_len);
    bytes[2056] = 'k';
    memcpy(bytes + 2057, "data", 4);
    for (uint32_t i = 0; table >= 2100 && i < slots && table + i * 8 + 8 <= size; i++) {
        put_number(bytes + table + i * 8, cdb_hash("k", 1));
        put_number(bytes + table + i * 8 + 4, record);
    }
    int err = book_shard_open(&shard, file_of(bytes, size));
    free(bytes);
    if (err != 0)
        return err;
    err = book_shard_find(&shard, SPAN("k"), arena, &data);
    if (err == 0 && !span_equal(data, SPAN("data")))
        err = 1;
    book_shard_close(&shard);
    return err;
}

static void
test_numbers(void)
{
    is_int(find_in(2104, 2, 2048, 1, 4, 3000), 0, "a good record is found");
    is_int(find_in(2104, 2, 2048, 2, 4, 3000), -ENOENT, "another key is not, though every slot points to it");
    is_int(find_in(2104, 100, 2048, 2, 4, 3000), -ENOENT,
           "a full table ends the search after as many slots as it has");
    is_int(find_in(2104, 2, 0, 1, 4, 3000), -ENOENT, "an empty slot ends it");
    is_int(find_in(0, 0, 0, 1, 4, 3000), -ENOENT, "an empty table too");
    is_int(find_in(2104, 2, 2048, 1, 0xffffffff, 3000), -EIO, "data longer than the file is torn");
    is_int(find_in(2104, 2, 2048, 1, 960, 3000), -EIO, "also when it is longer by little");
    is_int(find_in(2104, 2, 2048, 0xffffffff, 0xffffffff, 3000), -EIO, "lengths that overflow are torn");
    is_int(find_in(2104, 2, 100, 1, 4, 3000), -EIO, "a record in the head is torn");
    is_int(find_in(2104, 2, 2996, 1, 4, 3000), -EIO, "one at the end");
    is_int(find_in(2104, 2, 0xfffffff8, 1, 4, 3000), -EIO, "one behind it");
    is_int(find_in(2992, 2, 2048, 1, 4, 3000), -EINVAL, "a table behind the end is refused when opened");
    is_int(find_in(100, 2, 2048, 1, 4, 3000), -EINVAL, "one in the head");
    is_int(find_in(2104, 0xffffffff, 2048, 1, 4, 3000), -EINVAL,
           "one with more slots than the file has octets");
    is_int(find_in(2104, 2, 2048, 1, 4, 2047), -EINVAL, "a file shorter than a head");
    is_int(find_in(2104, 2, 2048, 1, 8 * 1024 * 1024, 9 * 1024 * 1024), -EIO,
           "an entry larger than any is torn");
}

static bool
count(struct span key, struct span data, void *arg)
{
    size_t *n = arg;
    *n += key.len == 5 && data.len >= 5;
    return true;
}

static bool
stop(struct span key, struct span data, void *arg)
{
    size_t *n = arg;
    *n += key.len + data.len > 0;
    return false;
}

/* Files of tinycdb's make, with data longer than what is read at once. */
static void
test_library(void)
{
    enum { MANY = 3000 };
    struct cdb_make make;
    struct book_shard shard;
    char key[10], *value = xcalloc(1, 10000);
    int fd = memfd_create("shard", MFD_CLOEXEC);
    unsigned lost = 0;
    memset(value, 'v', 10000);
    cdb_make_start(&make, fd);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "%05u", i);
        memcpy(value, key, 5);
        cdb_make_add(&make, key, 5, value, i % 100 == 0 ? 10000 : 5 + i % 50);
    }
    cdb_make_finish(&make);
    is_int(book_shard_open(&shard, fd), 0, "a file of the library is opened");
    for (unsigned i = 0; i < MANY; i++) {
        struct span data = {NULL, 0};
        snprintf(key, sizeof key, "%05u", i);
        int err = book_shard_find(&shard, span_of(key), arena, &data);
        size_t want = i % 100 == 0 ? 10000 : 5 + i % 50;
        lost += err != 0 || data.len != want || memcmp(data.at, key, 5) != 0 || data.at[want - 1] == 0;
        arena_reset(arena);
    }
    is_int(lost, 0, "each record is found, long ones too");
    struct span data;
    is_int(book_shard_find(&shard, SPAN("3000x"), arena, &data), -ENOENT, "and no other");
    char *long_key = xcalloc(1, 5000);
    is_int(book_shard_find(&shard, (struct span){long_key, 5000}, arena, &data), -ENOENT,
           "nor a key that none can be");
    size_t n = 0;
    is_int(book_shard_each(&shard, count, &n), 0, "the records can be walked");
    is_int(n, MANY, "all of them");
    n = 0;
    book_shard_each(&shard, stop, &n);
    is_int(n, 1, "or until told to stop");
    if (ftruncate(fd, 40000) != 0)
        printf("# cannot cut\n");
    is_int(book_shard_each(&shard, count, &n), -EIO, "a walk over a file that was cut says so");
    book_shard_close(&shard);
    free(long_key);
    free(value);
}

int
main(void)
{
    arena = arena_new(1 << 24);
    test_numbers();
    test_library();
    arena_free(arena);
    return tap_done();
}
