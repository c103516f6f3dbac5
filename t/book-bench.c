/* book-bench.c - what a book costs beside bare tinycdb over the same records, for bench/book.py
 *
 *     book-bench build FOLDER N           a book of N addresses, four to a recipient, built and published
 *     book-bench bare-build FOLDER N      the records of that book, from memory, by tinycdb alone into as many files, with fsync
 *     book-bench find FOLDER N M          M look-ups of addresses of the book, in no order, by book_find()
 *     book-bench bare-find FOLDER N M     the same keys, folded before, by cdb_find() and cdb_read() of tinycdb, which map the files
 *     book-bench bare-seek FOLDER N M     ... by cdb_seek() and cdb_bread() of tinycdb, which read them, as the book does
 *
 * Each prints the seconds of what is compared, and nothing else. FOLDER has Temp/ and book/.
 */
#include <cdb.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/book_internal.h"
#include "common/crc32c.h"

enum { ADDRESSES = 4, TEXT = 100 };

static struct why why;
static int temp_fd, book_fd;

static double
seconds(void)
{
    struct timespec now;
    clock_gettime(getenv("BENCH_CPU") != NULL ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

_Noreturn static void
fail(const char *what)
{
    fprintf(stderr, "book-bench: %s %s\n", what, why.text);
    exit(1);
}

/* ---- people ---- */

struct person {
    char text[ADDRESSES][TEXT], display[TEXT];
    struct book_proxy proxies[ADDRESSES];
    struct book_entry entry;
};

static void
make_address(uint64_t person, unsigned which, char text[TEXT], struct address *address)
{
    static const char *const forms[ADDRESSES] = {
        "given%" PRIu64 ".surname@contoso.example", "Person%" PRIu64 "@mail.contoso.example",
        "Given%" PRIu64 " Surname/Contoso@Exchange", "Exchange.HQ.p%" PRIu64};
    static const char *const types[ADDRESSES] = {"SMTP", "SMTP", "NOTES", "GWISE"};
    char digits[24];
    const char *at = strchr(forms[which], '%');
    snprintf(digits, sizeof digits, "%" PRIu64, person);
    snprintf(text, TEXT, "%.*s%s%s", (int)(at - forms[which]), forms[which], digits, at + strlen("%" PRIu64));
    *address = (struct address){span_of(types[which]), span_of(text)};
}

static void
make_person(uint64_t number, struct person *person)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        make_address(number, i, person->text[i], &person->proxies[i].address);
        person->proxies[i].primary = i != 1;
    }
    snprintf(person->display, TEXT, "Given%" PRIu64 " Middle Surname", number);
    person->entry = (struct book_entry){.display = span_of(person->display),
                                        .side = SPAN("host"),
                                        .primary = person->proxies[0].address,
                                        .proxies = person->proxies,
                                        .n_proxies = ADDRESSES};
}

/* ---- building ---- */

static void
build(uint64_t n)
{
    struct person *people = xcalloc(n / ADDRESSES + 1, sizeof *people);
    for (uint64_t i = 0; i < n / ADDRESSES; i++)
        make_person(i, &people[i]);
    double begin = seconds();
    struct book_builder *builder =
        book_builder_new(temp_fd, book_next_generation(book_fd, &why), "bench", &why);
    if (builder == NULL)
        fail("no builder:");
    if (book_builder_expect(builder, n / ADDRESSES, &why) != 0)
        fail("not begun:");
    for (uint64_t i = 0; i < n / ADDRESSES; i++)
        if (book_builder_add(builder, &people[i].entry, &why) != 0)
            fail("not added:");
    if (book_builder_publish(builder, book_fd, &why) != 0)
        fail("not published:");
    printf("%.3f\n", seconds() - begin);
    free(people);
}

/* The records of one shard of the newest generation, one after the other: lengths, key, data. */
static bool
keep_record(struct span key, struct span data, void *arg)
{
    struct buf *records = arg;
    uint32_t lengths[2] = {(uint32_t)key.len, (uint32_t)data.len};
    buf_add(records, lengths, sizeof lengths);
    buf_add_span(records, key);
    buf_add_span(records, data);
    return true;
}

static int
open_generation(void)
{
    char name[BOOK_NAME_SIZE];
    book_generation_name(book_next_generation(book_fd, &why) - 1, name);
    int fd = openat(book_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail("no book");
    return fd;
}

static size_t
count_shards(int generation_fd)
{
    struct book_manifest *manifest = xcalloc(1, sizeof *manifest);
    if (book_manifest_read(generation_fd, manifest, &why) != 0)
        fail("no manifest:");
    size_t n = manifest->shards;
    free(manifest);
    return n;
}

static int
open_shard(int generation_fd, size_t i)
{
    char name[BOOK_NAME_SIZE];
    book_shard_name(i, name);
    int fd = openat(generation_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail("no shard");
    return fd;
}

static void
write_bare(const struct buf *records, const char *name)
{
    struct cdb_make make;
    int fd = openat(temp_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || cdb_make_start(&make, fd) != 0)
        fail("no file");
    for (size_t at = 0; at < records->len;) {
        uint32_t lengths[2];
        memcpy(lengths, records->at + at, sizeof lengths);
        at += sizeof lengths;
        if (cdb_make_add(&make, records->at + at, lengths[0], records->at + at + lengths[0], lengths[1]) != 0)
            fail("not written");
        at += (size_t)lengths[0] + lengths[1];
    }
    if (cdb_make_finish(&make) != 0 || fsync(fd) != 0)
        fail("not finished");
    close(fd);
}

static void
build_bare(void)
{
    int generation = open_generation();
    size_t n = count_shards(generation);
    struct buf *records = xcalloc(n, sizeof *records);
    char name[BOOK_NAME_SIZE];
    for (size_t i = 0; i < n; i++) {
        struct book_shard shard;
        if (book_shard_open(&shard, open_shard(generation, i)) != 0 ||
            book_shard_each(&shard, keep_record, &records[i]) != 0)
            fail("unreadable");
        book_shard_close(&shard);
    }
    double begin = seconds();
    for (size_t i = 0; i < n; i++) {
        book_shard_name(i, name);
        write_bare(&records[i], name);
    }
    printf("%.3f\n", seconds() - begin);
    for (size_t i = 0; i < n; i++) {
        book_shard_name(i, name);
        unlinkat(temp_fd, name, 0);
        buf_clear(&records[i]);
    }
    free(records);
}

/* ---- looking up ---- */

/* The same walk over all addresses each time: a step that has no divisor with their number. */
static void
pick(uint64_t n, uint64_t i, char text[TEXT], struct address *address)
{
    uint64_t which = i * UINT64_C(2654435761) % n;
    make_address(which / ADDRESSES, (unsigned)(which % ADDRESSES), text, address);
}

struct picked {
    char text[TEXT];
    struct address address;
};

static struct picked *
pick_all(uint64_t n, uint64_t m)
{
    struct picked *picked = xcalloc(m, sizeof *picked);
    for (uint64_t i = 0; i < m; i++)
        pick(n, i, picked[i].text, &picked[i].address);
    return picked;
}

static void
find(uint64_t n, uint64_t m)
{
    struct picked *picked = pick_all(n, m);
    struct book *book = book_new(book_fd);
    struct arena *arena = arena_new(1 << 20);
    struct book_entry entry;
    if (book_refresh(book, &why) != 1)
        fail("no book:");
    double begin = seconds();
    for (uint64_t i = 0; i < m; i++) {
        arena_reset(arena);
        if (book_find(book, &picked[i].address, arena, &entry) != 0)
            fail("not found");
    }
    printf("%.3f\n", seconds() - begin);
    arena_free(arena);
    book_free(book);
    free(picked);
}

/* By reading or by a map. */
static bool
find_one(struct cdb *shard, const struct buf *key, bool by_reading, char *data, size_t size)
{
    unsigned len;
    if (by_reading)
        return cdb_seek(cdb_fileno(shard), key->at, (unsigned)key->len, &len) > 0 && len <= size &&
               cdb_bread(cdb_fileno(shard), data, (int)len) == 0;
    return cdb_find(shard, key->at, (unsigned)key->len) > 0 && cdb_datalen(shard) <= size &&
           cdb_read(shard, data, cdb_datalen(shard), cdb_datapos(shard)) == 0;
}

static void
find_bare(uint64_t n, uint64_t m, bool by_reading)
{
    int generation = open_generation();
    size_t n_shards = count_shards(generation);
    struct cdb *shards = xcalloc(n_shards, sizeof *shards);
    struct picked *picked = pick_all(n, m);
    struct buf *keys = xcalloc(m, sizeof *keys);
    char data[65536];
    for (size_t i = 0; i < n_shards; i++)
        if (cdb_init(&shards[i], open_shard(generation, i)) != 0)
            fail("no cdb");
    for (uint64_t i = 0; i < m; i++)
        address_key(&picked[i].address, &keys[i]);
    double begin = seconds();
    for (uint64_t i = 0; i < m; i++) {
        struct cdb *shard = &shards[crc32c(0, keys[i].at, keys[i].len) % n_shards];
        if (!find_one(shard, &keys[i], by_reading, data, sizeof data))
            fail("not found");
    }
    printf("%.3f\n", seconds() - begin);
}

static int
open_folder(const char *top, const char *name)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", top, name);
    mkdir(path, 0700);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    return fd;
}

int
main(int argc, char **argv)
{
    if (argc < 4)
        fail("usage: book-bench build|bare-build|find|bare-find|bare-seek FOLDER N [M]");
    uint64_t n = strtoull(argv[3], NULL, 10), m = argc > 4 ? strtoull(argv[4], NULL, 10) : n;
    temp_fd = open_folder(argv[2], "Temp");
    book_fd = open_folder(argv[2], "book");
    if (strcmp(argv[1], "build") == 0)
        build(n);
    else if (strcmp(argv[1], "bare-build") == 0)
        build_bare();
    else if (strcmp(argv[1], "find") == 0)
        find(n, m);
    else if (strcmp(argv[1], "bare-find") == 0)
        find_bare(n, m, false);
    else if (strcmp(argv[1], "bare-seek") == 0)
        find_bare(n, m, true);
    else
        fail("unknown word");
    return 0;
}
