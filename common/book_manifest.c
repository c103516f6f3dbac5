/* book_manifest.c - the manifest of a generation, and the generations of a book (see book.h)
 *
 * What is hostile here: a manifest that a power cut left short, or that names what is no shard. It is read up
 * to a limit, each line must be the one expected at its place, and shard names are not taken from it but
 * compared.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/book_internal.h"
#include "common/crc32c.h"

enum { MANIFEST_BYTES_MAX = 64 * 1024, SUM_BYTES = 256 * 1024 };

void
book_shard_name(size_t shard, char name[BOOK_NAME_SIZE])
{
    snprintf(name, BOOK_NAME_SIZE, "book-%03zu.cdb", shard % 1000);
}

void
book_generation_name(uint64_t generation, char name[BOOK_NAME_SIZE])
{
    snprintf(name, BOOK_NAME_SIZE, "%08llu", (unsigned long long)generation);
}

int
book_file_sum(int fd, uint64_t *size, uint32_t *crc)
{
    char *bytes = xmalloc(SUM_BYTES);
    ssize_t n = 0;
    *size = 0;
    *crc = 0;
    do {
        n = pread(fd, bytes, SUM_BYTES, (off_t)*size);
        if (n > 0) {
            *crc = crc32c(*crc, bytes, (size_t)n);
            *size += (uint64_t)n;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    int err = n < 0 ? -errno : 0;
    free(bytes);
    return err;
}

void
book_manifest_print(const struct book_manifest *manifest, const char *source, struct buf *out)
{
    char name[BOOK_NAME_SIZE], built[40];
    time_t now = (time_t)(time_ms() / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(built, sizeof built, "%Y-%m-%dT%H:%M:%SZ", &utc);
    buf_printf(out, "viaduct-book 1\nentries %llu\nsource ", (unsigned long long)manifest->entries);
    for (const char *p = source; *p != '\0'; p++)
        buf_add_byte(out, (unsigned char)*p < ' ' ? '?' : *p);
    buf_printf(out, "\nbuilt %s\n", built);
    for (size_t i = 0; i < manifest->shards; i++) {
        book_shard_name(i, name);
        buf_printf(out, "shard %s %llu %08x\n", name, (unsigned long long)manifest->shard[i].size,
                   manifest->shard[i].crc);
    }
    buf_add_text(out, "end\n");
}

/* The next line without its LF; false where no whole line is left. */
static bool
next_line(struct span *text, struct span *line)
{
    const char *end = text->len > 0 ? memchr(text->at, '\n', text->len) : NULL;
    if (end == NULL)
        return false;
    *line = (struct span){text->at, (size_t)(end - text->at)};
    text->at += line->len + 1;
    text->len -= line->len + 1;
    return true;
}

/* What follows "WORD " in a line that begins so. */
static bool
after_word(struct span line, const char *word, struct span *rest)
{
    size_t len = strlen(word);
    if (line.len <= len || memcmp(line.at, word, len) != 0 || line.at[len] != ' ')
        return false;
    *rest = (struct span){line.at + len + 1, line.len - len - 1};
    return true;
}

static bool
hex_number(struct span text, uint32_t *value)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = memchr("0123456789abcdef", text.at[i], 16);
        if (digit == NULL)
            return false;
        sum = sum << 4 | (uint32_t)(digit - "0123456789abcdef");
    }
    *value = sum;
    return text.len == 8;
}

/* "NAME SIZE CRC" of the shard that comes next. */
static bool
parse_shard(struct span rest, struct book_manifest *manifest)
{
    char name[BOOK_NAME_SIZE];
    struct span size;
    size_t i = manifest->shards;
    if (i == BOOK_SHARDS_READ_MAX)
        return false;
    book_shard_name(i, name);
    if (!after_word(rest, name, &size))
        return false;
    const char *blank = memchr(size.at, ' ', size.len);
    if (blank == NULL)
        return false;
    struct span crc = {blank + 1, size.len - (size_t)(blank + 1 - size.at)};
    size.len = (size_t)(blank - size.at);
    manifest->shards++;
    return span_to_u64(size, UINT32_MAX, &manifest->shard[i].size) && hex_number(crc, &manifest->shard[i].crc);
}

int
book_manifest_parse(struct span text, struct book_manifest *manifest, struct why *why)
{
    struct span line, rest;
    manifest->shards = 0;
    if (!next_line(&text, &line) || !span_equal(line, SPAN("viaduct-book 1")))
        return why_set(why, "4.3.0", "not a manifest of a book that this version reads");
    if (!next_line(&text, &line) || !after_word(line, "entries", &rest) ||
        !span_to_u64(rest, UINT64_MAX, &manifest->entries))
        return why_set(why, "4.3.0", "manifest without its number of entries");
    while (next_line(&text, &line)) {
        if (span_equal(line, SPAN("end")))
            return manifest->shards > 0 && text.len == 0
                       ? 0
                       : why_set(why, "4.3.0", "manifest without shards, or with something behind its end");
        if (after_word(line, "shard", &rest) && !parse_shard(rest, manifest))
            return why_set(why, "4.3.0", "manifest with a bad line for shard %zu", manifest->shards);
    }
    return why_set(why, "4.3.0", "manifest without an end");
}

int
book_manifest_read(int generation_fd, struct book_manifest *manifest, struct why *why)
{
    char *text = xmalloc(MANIFEST_BYTES_MAX);
    int fd = openat(generation_fd, "manifest", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd >= 0 ? pread(fd, text, MANIFEST_BYTES_MAX, 0) : -1;
    int err = n < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (err == -ENOENT || err == -ELOOP || err == -EISDIR)
        err = why_set(why, "4.3.0", "no manifest");
    else if (err != 0)
        why_set(why, "4.3.0", "manifest: %s", strerror(-err));
    else
        err = book_manifest_parse((struct span){text, (size_t)n}, manifest, why);
    free(text);
    return err;
}

static int
descending(const void *one, const void *two)
{
    uint64_t a, b;
    memcpy(&a, one, sizeof a);
    memcpy(&b, two, sizeof b);
    return (a < b) - (a > b);
}

/* Eight digits or more, as they are written: 9 and 00000009 are not both the ninth. */
static bool
is_generation(const char *name, uint64_t *number)
{
    char written[BOOK_NAME_SIZE];
    if (!span_to_u64(span_of(name), UINT64_MAX, number) || *number == 0)
        return false;
    book_generation_name(*number, written);
    return strcmp(written, name) == 0;
}

int
book_generations(int book_folder_fd, uint64_t **numbers, size_t *count)
{
    uint64_t number;
    size_t size = 0;
    struct dirent *item;
    *numbers = NULL;
    *count = 0;
    /* A description of its own: directory streams of the same one would share their position. */
    int fd = openat(book_folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        int err = -errno;
        if (fd >= 0)
            close(fd);
        return err;
    }
    while ((item = readdir(folder)) != NULL) {
        if (!is_generation(item->d_name, &number))
            continue;
        if (*count == size) {
            size = size > 0 ? size * 2 : 8;
            *numbers = xrealloc(*numbers, size * sizeof **numbers);
        }
        (*numbers)[(*count)++] = number;
    }
    closedir(folder);
    if (*count > 1)
        qsort(*numbers, *count, sizeof **numbers, descending);
    return 0;
}
