/* book_internal.h - the book's files, shared by its reader and its builder and by nobody else */
#ifndef VIADUCT_BOOK_INTERNAL_H
#define VIADUCT_BOOK_INTERNAL_H

#include "common/book.h"

enum {
    BOOK_SHARDS_READ_MAX =
        BOOK_SHARDS_MAX, /* more are refused: a generation of another make may have other numbers */
    BOOK_ENTRY_BYTES_MAX = 4 * 1024 * 1024,
    BOOK_NAME_SIZE = 24 /* a generation's folder, 8 to 20 digits */
};

/* ---- one entry as bytes (book_entry.c) ---- */

/* Adds the entry's form: version, display, side, index of the primary, proxies; numbers are little-endian. */
void book_entry_write(const struct book_entry *entry, struct buf *out);

/* Reads and checks it; spans point into `bytes`. Returns 0, -EINVAL, -ENOMEM. */
int book_entry_read(struct span bytes, struct arena *arena, struct book_entry *entry);

/* ---- a recipient out of a file (book_people.c) ---- */

/* Upper case in the type of "TYPE:value" says: primary of its type. */
bool book_marks_primary(struct span text);
bool book_entry_has_primary(const struct book_entry *entry, struct span type);

/* Puts the entry's primary among its proxies, and makes it the primary of its type where nobody else is or the host's own world
 * asks. False where there is no room. */
bool book_entry_add_primary(struct book_entry *entry);

/* A copy in which line breaks and tabs are blanks. */
struct span book_display(struct arena *arena, struct span text);

/* ---- one shard (book_shard.c) ---- */

struct book_shard {
    int fd;
    uint32_t size;
    struct {
        uint32_t at, slots;
    } table[256];
};

/* Takes the descriptor, owned from now on even on error. Returns 0, -EINVAL where the file is no cdb, or
 * -errno. */
int book_shard_open(struct book_shard *shard, int fd);
void book_shard_close(struct book_shard *shard);

/* The data of a key, in the arena. Returns 0, -ENOENT, -EIO (unreadable or torn), -ENOMEM. */
int book_shard_find(const struct book_shard *shard, struct span key, struct arena *arena, struct span *data);

/* Calls `each` for every record until it returns false. Returns 0, -EIO. */
int book_shard_each(const struct book_shard *shard, bool (*each)(struct span key, struct span data, void *arg),
                    void *arg);

/* ---- one generation (book_manifest.c) ---- */

struct book_manifest {
    uint64_t entries;
    size_t shards;
    struct {
        uint64_t size;
        uint32_t crc;
    } shard[BOOK_SHARDS_READ_MAX];
};

void book_shard_name(size_t shard, char name[BOOK_NAME_SIZE]);
void book_generation_name(uint64_t generation, char name[BOOK_NAME_SIZE]);

/* Size and CRC32C of an open file. Returns 0 or -errno. */
int book_file_sum(int fd, uint64_t *size, uint32_t *crc);

void book_manifest_print(const struct book_manifest *manifest, const char *source, struct buf *out);

/* Returns 0, or -EINVAL with `why`. */
int book_manifest_parse(struct span text, struct book_manifest *manifest, struct why *why);

/* Reads the manifest in a generation's folder. Returns 0; -EINVAL with `why` where it is missing or torn;
 * -errno with `why` where it cannot be read now. */
int book_manifest_read(int generation_fd, struct book_manifest *manifest, struct why *why);

/* The numbers of the generations in the book folder, descending; the caller frees. Returns 0 or -errno. */
int book_generations(int book_folder_fd, uint64_t **numbers, size_t *count);

#endif
