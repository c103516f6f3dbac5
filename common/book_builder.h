/* book_builder.h - a generation being built, shared by book_build.c and book_publish.c and by nobody else */
#ifndef VIADUCT_BOOK_BUILDER_H
#define VIADUCT_BOOK_BUILDER_H

#include "common/book_cdb.h"
#include "common/book_internal.h"

enum { BOOK_FILE_MODE = 0640, BOOK_FOLDER_MODE = 0750 };

struct given {
    uint64_t hash;  /* CRC32C of the key, and the hash of cdb */
    uint32_t at;    /* of the record, in its shard */
    uint32_t shard; /* one more than its number; 0: nothing here */
};

struct shard {
    struct book_cdb cdb;
    int fd;
};

struct book_builder {
    int temp_fd, folder_fd;
    char name[40];
    uint64_t generation, entries;
    char *source;
    struct shard *shard;
    size_t n_shards;
    struct given *given; /* open addressing, a power of two, at most two thirds full */
    size_t given_n, given_size;
    struct buf keys, data;
    size_t key_end[BOOK_PROXIES_MAX]; /* of the keys in `keys` of the entry being added */
    uint64_t key_hash[BOOK_PROXIES_MAX];
    size_t n_keys;
    bool broken;
};

/* Removes a generation's folder and what is in it, as far as that goes. */
void book_generation_remove(int parent_fd, const char *name);

#endif
