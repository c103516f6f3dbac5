/* book_cdb.h - a cdb file being written; its form stands in book_shard.c, which reads it
 *
 * As cdb_make of tinycdb, save that the writer keeps no list of its own: the builder knows where each record is. Offsets are 32
 * bits: the caller sees to it that what is added, and 16 octets for each record, stays below 4 GiB.
 */
#ifndef VIADUCT_BOOK_CDB_H
#define VIADUCT_BOOK_CDB_H

#include "common/buf.h"

struct book_cdb {
    int fd;
    uint64_t written; /* octets that are in the file; behind them comes the buffer */
    uint64_t records;
    uint32_t crc; /* of what was written behind the head */
    struct buf buffer;
};

/* Where a record begins, and the hash of its key. */
struct book_slot {
    uint32_t hash, at;
};

/* The hash of a key in cdb's tables. */
uint32_t book_cdb_hash(struct span key);

/* Begins in an empty file, whose descriptor is the caller's. */
void book_cdb_start(struct book_cdb *cdb, int fd);
void book_cdb_clear(struct book_cdb *cdb);

/* How long the file would be if it ended now. */
uint64_t book_cdb_size(const struct book_cdb *cdb);

/* Adds a record; `*at` is where it begins. 0 or -errno. */
int book_cdb_add(struct book_cdb *cdb, struct span key, struct span data, uint32_t *at);

/* Whether the record at `at` has this key: 1, 0 or -errno. */
int book_cdb_is(struct book_cdb *cdb, uint32_t at, struct span key);

/* The record's data in `out` (reset). 0 or -errno. */
int book_cdb_data(struct book_cdb *cdb, uint32_t at, struct buf *out);

/* Writes tables and head: `slots` are those of the whole file, ordered by table (hash % 256), `counts` their numbers. Tells size
 * and CRC32C of the whole file. 0 or -errno. */
int book_cdb_finish(struct book_cdb *cdb, const struct book_slot *slots, const uint32_t counts[256],
                    uint64_t *size, uint32_t *crc);

#endif
