/* book_publish.c - a finished generation made visible by one rename, and old ones removed (see book.h)
 *
 * Everything is fsynced before the rename and the book folder after it, so after a power cut there is the old
 * generation or the whole new one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/book_builder.h"
#include "spool-layout/layout.h"

uint64_t
book_next_generation(int book_folder_fd, struct why *why)
{
    uint64_t *numbers, next;
    size_t count;
    int err = book_generations(book_folder_fd, &numbers, &count);
    if (err != 0) {
        why_set(why, "4.3.0", "book: %s", strerror(-err));
        return 0;
    }
    next = count > 0 ? numbers[0] + 1 : 1;
    free(numbers);
    return next;
}

int
book_lock(int book_folder_fd, bool waits)
{
    int fd = openat(book_folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
    while ((r = fd < 0 ? -1 : flock(fd, waits ? LOCK_EX : LOCK_EX | LOCK_NB)) < 0 && fd >= 0 && errno == EINTR)
        ;
    if (r == 0)
        return fd;
    int err = errno == EWOULDBLOCK ? -EAGAIN : -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

/* To the workers' group, with a mode under which they can read it, whatever mask it was made under. */
static int
hand_over(int fd, gid_t group, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_gid != group && fchown(fd, (uid_t)-1, group) != 0) ||
        ((st.st_mode & 0777) != mode && fchmod(fd, mode) != 0))
        return -errno;
    return fsync(fd) == 0 ? 0 : -errno;
}

/* All records ordered by shard and table, which is how their slots are written; `counts` has 256 numbers for each shard. */
static struct book_slot *
slots_sort(const struct book_builder *builder, uint32_t *counts)
{
    struct book_slot *slots = xcalloc(builder->given_n + 1, sizeof *slots);
    size_t tables = builder->n_shards * 256, at = 0;
    size_t *next = xcalloc(tables, sizeof *next);
    for (size_t i = 0; i < builder->given_size; i++)
        if (builder->given[i].shard != 0)
            counts[(builder->given[i].shard - 1) * (size_t)256 + (builder->given[i].hash & 255)]++;
    for (size_t i = 0; i < tables; i++) {
        next[i] = at;
        at += counts[i];
    }
    for (size_t i = 0; i < builder->given_size; i++) {
        const struct given *given = &builder->given[i];
        if (given->shard != 0)
            slots[next[(given->shard - 1) * (size_t)256 + (given->hash & 255)]++] =
                (struct book_slot){(uint32_t)given->hash, given->at};
    }
    free(next);
    return slots;
}

static int
shards_finish(struct book_builder *builder, gid_t group, struct book_manifest *manifest)
{
    uint32_t *counts = xcalloc(builder->n_shards * 256, sizeof *counts);
    struct book_slot *slots = slots_sort(builder, counts), *next = slots;
    int err = 0;
    manifest->entries = builder->entries;
    manifest->shards = builder->n_shards;
    for (size_t i = 0; i < builder->n_shards && err == 0; i++) {
        struct shard *shard = &builder->shard[i];
        err = book_cdb_finish(&shard->cdb, next, counts + i * 256, &manifest->shard[i].size,
                              &manifest->shard[i].crc);
        next += shard->cdb.records;
        if (err == 0)
            err = hand_over(shard->fd, group, BOOK_FILE_MODE);
    }
    free(counts);
    free(slots);
    return err;
}

static int
manifest_write(struct book_builder *builder, gid_t group, const struct book_manifest *manifest)
{
    struct buf text = {0};
    size_t done = 0;
    int err = 0;
    int fd = openat(builder->folder_fd, "manifest", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, BOOK_FILE_MODE);
    if (fd < 0)
        return -errno;
    book_manifest_print(manifest, builder->source, &text);
    while (err == 0 && done < text.len) {
        ssize_t n = write(fd, text.at + done, text.len - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            err = -errno;
    }
    if (err == 0)
        err = hand_over(fd, group, BOOK_FILE_MODE);
    close(fd);
    buf_clear(&text);
    return err;
}

/* A descriptor that was opened only to look at cannot be fsynced: open anew. */
static int
folder_sync(int folder_fd)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

/* Keeps the new generation and the one before. */
static void
prune(int book_folder_fd, uint64_t newest)
{
    uint64_t *numbers;
    char name[BOOK_NAME_SIZE];
    size_t count, kept = 0;
    if (book_generations(book_folder_fd, &numbers, &count) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= newest || kept++ == 0)
            continue;
        book_generation_name(numbers[i], name);
        book_generation_remove(book_folder_fd, name);
    }
    free(numbers);
}

static int
publish(struct book_builder *builder, int book_folder_fd)
{
    char name[BOOK_NAME_SIZE];
    struct stat st;
    struct book_manifest *manifest = xcalloc(1, sizeof *manifest);
    int err = builder->broken ? -EIO : fstat(book_folder_fd, &st) == 0 ? 0 : -errno;
    if (err == 0)
        err = shards_finish(builder, st.st_gid, manifest);
    if (err == 0)
        err = manifest_write(builder, st.st_gid, manifest);
    if (err == 0)
        err = hand_over(builder->folder_fd, st.st_gid, BOOK_FOLDER_MODE);
    book_generation_name(builder->generation, name);
    if (err == 0)
        err = spool_move(builder->temp_fd, builder->name, book_folder_fd, name);
    free(manifest);
    return err;
}

/* Frees what is in memory and closes. */
static void
builder_free(struct book_builder *builder)
{
    for (size_t i = 0; i < builder->n_shards; i++) {
        book_cdb_clear(&builder->shard[i].cdb);
        close(builder->shard[i].fd);
    }
    free(builder->shard);
    if (builder->folder_fd >= 0)
        close(builder->folder_fd);
    buf_clear(&builder->keys);
    buf_clear(&builder->data);
    free(builder->given);
    free(builder->source);
    free(builder);
}

int
book_builder_publish(struct book_builder *builder, int book_folder_fd, struct why *why)
{
    int err = publish(builder, book_folder_fd);
    if (err != 0) {
        why_set(why, "4.3.0", "%s cannot be published as generation %llu: %s", builder->name,
                (unsigned long long)builder->generation, strerror(-err));
        book_builder_drop(builder);
        return err;
    }
    uint64_t generation = builder->generation;
    builder_free(builder);
    err = folder_sync(book_folder_fd);
    if (err != 0)
        why_set(why, "4.3.0", "book: %s", strerror(-err));
    else
        prune(book_folder_fd, generation);
    return err;
}

void
book_builder_drop(struct book_builder *builder)
{
    if (builder == NULL)
        return;
    if (builder->folder_fd >= 0)
        book_generation_remove(builder->temp_fd, builder->name);
    builder_free(builder);
}

/* Removes a generation's folder. The manifest goes first: without it no reader takes what is left for whole. */
void
book_generation_remove(int parent_fd, const char *name)
{
    struct dirent *item;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    spool_remove(fd, "manifest");
    while ((item = readdir(folder)) != NULL)
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            spool_remove(fd, item->d_name);
    closedir(folder);
    unlinkat(parent_fd, name, AT_REMOVEDIR);
}
