/* book_cdb.c - a cdb file being written (see book_cdb.h)
 *
 * What is written is summed while it is in memory, so that a book of gigabytes need not be read again to be published. The head
 * is written last; until then the file is no cdb.
 */
#include "common/book_cdb.h"

#include <errno.h>
#include <unistd.h>

#include "common/crc32c.h"

enum { HEAD_BYTES = 2048, BUFFER_BYTES = 128 * 1024 };

uint32_t
book_cdb_hash(struct span key)
{
    uint32_t hash = 5381;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash * 33) ^ (unsigned char)key.at[i];
    return hash;
}

static void
put_number(unsigned char *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(number >> 8 * i);
}

static uint32_t
get_number(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

void
book_cdb_start(struct book_cdb *cdb, int fd)
{
    *cdb = (struct book_cdb){.fd = fd, .written = HEAD_BYTES};
    buf_reserve(&cdb->buffer, BUFFER_BYTES);
}

void
book_cdb_clear(struct book_cdb *cdb)
{
    buf_clear(&cdb->buffer);
}

uint64_t
book_cdb_size(const struct book_cdb *cdb)
{
    return cdb->written + cdb->buffer.len + 16 * cdb->records;
}

/* ---- writing ---- */

static int
write_at(int fd, const void *bytes, size_t len, uint64_t at)
{
    const char *from = bytes;
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        from += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int
flush(struct book_cdb *cdb)
{
    int r = write_at(cdb->fd, cdb->buffer.at, cdb->buffer.len, cdb->written);
    if (r < 0)
        return r;
    cdb->crc = crc32c(cdb->crc, cdb->buffer.at, cdb->buffer.len);
    cdb->written += cdb->buffer.len;
    buf_reset(&cdb->buffer);
    return 0;
}

static int
make_room(struct book_cdb *cdb, size_t len)
{
    return cdb->buffer.len > 0 && cdb->buffer.len + len > BUFFER_BYTES ? flush(cdb) : 0;
}

int
book_cdb_add(struct book_cdb *cdb, struct span key, struct span data, uint32_t *at)
{
    unsigned char lengths[8];
    int r = make_room(cdb, sizeof lengths + key.len + data.len);
    if (r < 0)
        return r;
    *at = (uint32_t)(cdb->written + cdb->buffer.len);
    put_number(lengths, (uint32_t)key.len);
    put_number(lengths + 4, (uint32_t)data.len);
    buf_reserve(&cdb->buffer, sizeof lengths + key.len + data.len);
    buf_add(&cdb->buffer, lengths, sizeof lengths);
    buf_add_span(&cdb->buffer, key);
    buf_add_span(&cdb->buffer, data);
    cdb->records++;
    return 0;
}

/* ---- looking at what was written ---- */

/* `len` octets at `at`, of the file or of what is not written yet. */
static int
read_back(struct book_cdb *cdb, uint64_t at, void *bytes, size_t len)
{
    if (at >= cdb->written) {
        if (at - cdb->written + len > cdb->buffer.len)
            return -EIO;
        memcpy(bytes, cdb->buffer.at + (at - cdb->written), len);
        return 0;
    }
    ssize_t n = pread(cdb->fd, bytes, len, (off_t)at);
    return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

int
book_cdb_is(struct book_cdb *cdb, uint32_t at, struct span key)
{
    unsigned char lengths[8];
    struct buf other = {0};
    int r = read_back(cdb, at, lengths, sizeof lengths);
    if (r < 0 || get_number(lengths) != key.len)
        return r;
    buf_reserve(&other, key.len);
    r = read_back(cdb, (uint64_t)at + sizeof lengths, other.at, key.len);
    bool same = r == 0 && memcmp(other.at, key.at, key.len) == 0;
    buf_clear(&other);
    return r < 0 ? r : same;
}

int
book_cdb_data(struct book_cdb *cdb, uint32_t at, struct buf *out)
{
    unsigned char lengths[8];
    buf_reset(out);
    int r = read_back(cdb, at, lengths, sizeof lengths);
    if (r < 0)
        return r;
    uint32_t key = get_number(lengths), data = get_number(lengths + 4);
    buf_reserve(out, data);
    r = read_back(cdb, (uint64_t)at + sizeof lengths + key, out->at, data);
    out->len = r == 0 ? data : 0;
    return r;
}

/* ---- the end ---- */

/* One table: twice as many slots as records, each record in the first free one from where its hash points. */
static int
write_table(struct book_cdb *cdb, const struct book_slot *slots, uint32_t count, struct buf *table)
{
    uint32_t size = 2 * count;
    buf_reset(table);
    buf_reserve(table, (size_t)size * 8);
    memset(table->at, 0, (size_t)size * 8);
    table->len = (size_t)size * 8;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = (slots[i].hash >> 8) % size;
        unsigned char *to;
        union {
            char *text;
            unsigned char *bytes;
        } start = {table->at};
        for (;; slot = slot + 1 == size ? 0 : slot + 1) {
            to = start.bytes + (size_t)slot * 8;
            if (get_number(to + 4) == 0)
                break;
        }
        put_number(to, slots[i].hash);
        put_number(to + 4, slots[i].at);
    }
    int r = make_room(cdb, table->len);
    buf_add_span(&cdb->buffer, buf_span(table));
    return r;
}

int
book_cdb_finish(struct book_cdb *cdb, const struct book_slot *slots, const uint32_t counts[256], uint64_t *size,
                uint32_t *crc)
{
    unsigned char head[HEAD_BYTES];
    struct buf table = {0};
    int r = 0;
    for (unsigned i = 0; i < 256 && r == 0; i++) {
        put_number(head + i * 8, (uint32_t)(cdb->written + cdb->buffer.len));
        put_number(head + i * 8 + 4, 2 * counts[i]);
        if (counts[i] > 0)
            r = write_table(cdb, slots, counts[i], &table);
        slots += counts[i];
    }
    buf_clear(&table);
    if (r == 0)
        r = flush(cdb);
    if (r == 0)
        r = write_at(cdb->fd, head, sizeof head, 0);
    *size = cdb->written;
    *crc = crc32c_join(crc32c(0, head, sizeof head), cdb->crc, cdb->written - HEAD_BYTES);
    return r;
}
