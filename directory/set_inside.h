/* set_inside.h - what the chapters of a set share (see entry.h)
 *
 * A record is an entry packed: numbers in seven bits an octet, texts with their length before them. Records lie in blocks that
 * never move, so spans into them stay valid; a record that is replaced leaves a hole, which the next reading from the file does
 * not have.
 *
 *     set.c         blocks, places, put and get
 *     set_record.c  entry <-> record
 *     set_index.c   who has this id, name, mark, address
 *     set_file.c    the file
 */
#ifndef VIADUCT_DIRECTORY_SET_INSIDE_H
#define VIADUCT_DIRECTORY_SET_INSIDE_H

#include "directory/entry.h"

enum {
    SET_ID_MAX =
        DIR_ID_MAX + 8,    /* what is remembered of an entry stands under its id with something before it */
    SET_VALUE_MAX = 65535, /* octets of an attribute's value or of `trouble` */
    SET_MEMBERS_MAX = 1000000,
    SET_RECORD_MAX = 1 << 28
};

struct set_slot {
    uint32_t tag;   /* of the hash */
    uint32_t place; /* 1 + place, with SET_MORE where others have the key too; 0: free */
};

enum { SET_PLACES_MAX = 0x7ffffff0 };
#define SET_MORE UINT32_C(0x80000000)

/* An open-addressing table. Each key stands once, with the lowest place that has it. */
struct set_index {
    struct set_slot *slots;
    size_t size; /* a power of two; 0: not built */
    size_t n;
};

enum set_key { SET_BY_ID, SET_BY_NAME, SET_BY_MARK, SET_BY_ADDRESS, SET_KEYS };

/* What a look-up may change in a set that is const to its user. */
struct set_indexes {
    struct set_index by[SET_KEYS];
    uint64_t seed[2];
    struct buf key, record; /* scratch */
    struct dir_room room;
    uint64_t seen[DIR_PROXIES_MAX + 1]; /* hashes of one entry's addresses */
};

struct set_block {
    struct set_block *next;
    size_t used, size;
    char at[];
};

struct dir_set {
    struct set_block *blocks; /* the newest first */
    const char **records;     /* by place; NULL: dropped */
    size_t places, places_size;
    size_t count;
    struct set_indexes *indexes;
};

/* ---- set_record.c ---- */

/* Whether an entry can be kept. 0 or -EINVAL with `why`. */
int set_record_check(const struct dir_entry *entry, struct why *why);

/* Adds the record of an entry that can be. */
void set_record_write(const struct dir_entry *entry, struct buf *out);

/* Reads one of at most `len` octets. Returns its length, or 0 where it is none. Hostile records are refused or give an entry that
 * set_record_check() judges. */
size_t set_record_read(const char *at, size_t len, struct dir_room *room, struct dir_entry *entry);

/* Of one that set_record_write() made: what stands before the values; all but the members; the id alone, which stands first. */
void set_record_glance(const char *at, struct dir_entry *entry);
void set_record_addresses(const char *at, struct dir_room *room, struct dir_entry *entry);
struct span set_record_id(const char *at);

/* ---- set_index.c ---- */

struct set_indexes *set_indexes_new(void);
void set_indexes_free(struct set_indexes *indexes);

/* Keeps the index of ids in step; the others are built anew when they are asked. */
void set_index_add_id(struct dir_set *set, size_t place);
void set_index_forget(struct dir_set *set);

#endif
