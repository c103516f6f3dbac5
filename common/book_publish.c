/* book_publish.c - a finished generation made visible by one rename, and old ones removed (see book.h)
 *
 * Everything is fsynced before the rename and the book folder after it, so after a power cut there is the old
 * generation or the whole new one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

static int
hand_over(int fd, gid_t group)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_gid != group && fchown(fd, (uid_t)-1, group) != 0))
        return -errno;
    return fsync(fd) == 0 ? 0 : -errno;
}

static int
shards_finish(struct book_builder *builder, gid_t group, struct book_manifest *manifest)
{
    manifest->entries = builder->entries;
    manifest->shards = BOOK_SHARDS;
    for (size_t i = 0; i < BOOK_SHARDS; i++) {
        struct shard *shard = &builder->shard[i];
        errno = 0;
        if (cdb_make_finish(&shard->make) != 0)
            return errno != 0 ? -errno : -EIO;
        int err = book_file_sum(shard->fd, &manifest->shard[i].size, &manifest->shard[i].crc);
        if (err == 0)
            err = hand_over(shard->fd, group);
        if (err != 0)
            return err;
        close(shard->fd);
        shard->fd = -1;
    }
    return 0;
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
        err = hand_over(fd, group);
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
        err = hand_over(builder->folder_fd, st.st_gid);
    book_generation_name(builder->generation, name);
    if (err == 0)
        err = spool_move(builder->temp_fd, builder->name, book_folder_fd, name);
    free(manifest);
    return err;
}

/* Frees what is in memory and closes; cdb frees its lists only when it finishes. */
static void
builder_free(struct book_builder *builder)
{
    for (size_t i = 0; i < builder->n_shards; i++) {
        if (builder->shard[i].fd < 0)
            continue;
        cdb_make_finish(&builder->shard[i].make);
        close(builder->shard[i].fd);
    }
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
