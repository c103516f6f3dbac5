/* queue_file.c - one message, one file: header, envelope, body, journal (see queue_file.h)
 *
 * The writer keeps a small message in memory and writes it with one system call; a large one streams to the
 * disk behind a gap that the envelope fills at the end, padded by a `pad` record. In both cases the header line
 * is valid only when all is there.
 *
 * Hostile here: every byte that is read.
 */
#include "common/queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/planted.h"

/* ---- header line ---- */

static const char magic[] = "VIADUCT1 ";

struct header {
    uint64_t envelope_bytes, body_bytes;
    uint32_t envelope_crc, body_crc;
};

static void
put_hex(char *text, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
}

/* 64 bytes: "VIADUCT1 " 8 ' ' 8 ' ' 16 ' ' 8 ' ' 8 " ." LF */
static void
header_print(const struct header *header, char line[QUEUE_HEADER_LEN])
{
    memset(line, ' ', QUEUE_HEADER_LEN);
    memcpy(line, magic, sizeof magic - 1);
    put_hex(line + 9, header->envelope_bytes, 8);
    put_hex(line + 18, header->envelope_crc, 8);
    put_hex(line + 27, header->body_bytes, 16);
    put_hex(line + 44, header->body_crc, 8);
    put_hex(line + 53, crc32c(0, line, 53), 8);
    line[QUEUE_HEADER_LEN - 2] = '.';
    line[QUEUE_HEADER_LEN - 1] = '\n';
}

static bool
get_hex(const char *text, int digits, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* A line is valid where printing what was read gives the same bytes: one rule for magic, blanks and checksum.
 */
static int
header_parse(const char line[QUEUE_HEADER_LEN], struct header *header, struct why *why)
{
    uint64_t envelope_crc, body_crc;
    char again[QUEUE_HEADER_LEN];
    if (get_hex(line + 9, 8, &header->envelope_bytes) && get_hex(line + 18, 8, &envelope_crc) &&
        get_hex(line + 27, 16, &header->body_bytes) && get_hex(line + 44, 8, &body_crc)) {
        header->envelope_crc = (uint32_t)envelope_crc;
        header->body_crc = (uint32_t)body_crc;
        header_print(header, again);
        if (memcmp(line, again, QUEUE_HEADER_LEN) == 0)
            return 0;
    }
    why_set(why, "5.6.0", "damaged queue file: no valid header line at offset 0");
    return -EBADMSG;
}

/* ---- reading ---- */

/* pread to the end of the span or of the file. Returns bytes read or -errno. */
static ssize_t
read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, (char *)bytes + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int
read_failed(struct why *why, int error)
{
    why_set(why, "4.3.0", "cannot read the queue file: %s", strerror(-error));
    return error;
}

static int
damaged(struct why *why, const char *what, uint64_t offset)
{
    why_set(why, "5.6.0", "damaged queue file: %s at offset %llu", what, (unsigned long long)offset);
    return -EBADMSG;
}

/* Bytes [offset, offset + len) of the file: from the first read where they lie there, else read into the arena.
 */
static int
bytes_at(struct queue_file *file, struct arena *arena, uint64_t offset, uint64_t len, struct span *bytes,
         struct why *why)
{
    if (offset + len <= file->first.len) {
        *bytes = (struct span){file->first.at + offset, (size_t)len};
        return 0;
    }
    char *memory = arena_alloc(arena, (size_t)len);
    if (memory == NULL) {
        why_set(why, "5.6.0",
                "queue file with %llu bytes of envelope or journal: more than one message may have",
                (unsigned long long)len);
        return -ENOMEM;
    }
    ssize_t n = read_at(file->fd, memory, (size_t)len, offset);
    if (n < 0)
        return read_failed(why, (int)n);
    if ((uint64_t)n < len)
        return damaged(why, "the file ends early", offset + (uint64_t)n);
    *bytes = (struct span){memory, (size_t)len};
    return 0;
}

static int
read_first(struct queue_file *file, struct arena *arena, struct header *header, struct why *why)
{
    struct stat st;
    if (fstat(file->fd, &st) < 0)
        return read_failed(why, -errno);
    file->size = (uint64_t)st.st_size;
    size_t want = file->size < QUEUE_FIRST_READ ? (size_t)file->size : QUEUE_FIRST_READ;
    char *memory = arena_alloc(arena, want);
    if (memory == NULL) {
        why_set(why, "4.3.0", "no memory for the first bytes of the queue file");
        return -ENOMEM;
    }
    ssize_t n = read_at(file->fd, memory, want, 0);
    if (n < 0)
        return read_failed(why, (int)n);
    if (n < QUEUE_HEADER_LEN)
        return damaged(why, "the file ends early", (uint64_t)n);
    file->first = (struct span){memory, (size_t)n};
    return header_parse(memory, header, why);
}

/* For who only looks: a file that ends within the first page needs no fstat. A read that ended there for another reason (an
 * error of the disk) is taken for the end, which is why nobody who writes to the file may look at it this way. */
static int
look_first(struct queue_file *file, struct arena *arena, struct header *header, struct why *why)
{
    enum { PAGE = 4096 };
    char *memory = arena_alloc(arena, PAGE);
    ssize_t n = memory != NULL ? pread(file->fd, memory, PAGE, 0) : -1;
    if (n < QUEUE_HEADER_LEN || n == PAGE)
        return read_first(file, arena, header, why);
    file->size = (uint64_t)n;
    file->first = (struct span){memory, (size_t)n};
    return header_parse(memory, header, why);
}

static int
read_envelope(struct queue_file *file, struct arena *arena, const struct header *header, struct why *why)
{
    uint64_t left = file->size - QUEUE_HEADER_LEN;
    if (header->envelope_bytes > QUEUE_ENVELOPE_MAX || header->envelope_bytes > left ||
        header->body_bytes > left - header->envelope_bytes)
        return damaged(why, "shorter than its header line says", file->size);
    struct span records;
    int r = bytes_at(file, arena, QUEUE_HEADER_LEN, header->envelope_bytes, &records, why);
    if (r < 0)
        return r;
    if (crc32c(0, records.at, records.len) != header->envelope_crc)
        return damaged(why, "wrong checksum of the envelope", QUEUE_HEADER_LEN);
    file->body_offset = QUEUE_HEADER_LEN + header->envelope_bytes;
    file->body_bytes = header->body_bytes;
    file->body_crc = header->body_crc;
    file->journal_offset = file->journal_end = file->body_offset + file->body_bytes;
    return envelope_parse(records, 100000, arena, &file->envelope, why);
}

struct walk {
    void (*each)(const struct journal_entry *, void *);
    void *arg;
    struct envelope *apply;
};

/* Walks over the journal; returns where it ends (a torn tail left out), or -errno. */
static int64_t
walk_journal(struct queue_file *file, struct arena *arena, const struct walk *walk, struct why *why)
{
    uint64_t len = file->size - file->journal_offset;
    struct span rest;
    if (len > QUEUE_JOURNAL_MAX)
        return damaged(why, "a journal of more than 64 MiB", file->journal_offset);
    int r = bytes_at(file, arena, file->journal_offset, len, &rest, why);
    if (r < 0)
        return r;
    for (;;) {
        struct journal_entry entry;
        int64_t n = journal_parse(rest, arena, &entry, why);
        if (n <= 0)
            return n < 0 ? n : (int64_t)(file->size - rest.len);
        if (walk->apply != NULL && (r = envelope_apply(walk->apply, &entry, why)) < 0)
            return r;
        if (walk->each != NULL)
            walk->each(&entry, walk->arg);
        rest.at += n;
        rest.len -= (size_t)n;
    }
}

typedef int first_reader(struct queue_file *file, struct arena *arena, struct header *header, struct why *why);

static int
read_by(first_reader *first, int fd, struct arena *arena, struct queue_file *file, struct why *why)
{
    struct header header = {0};
    memset(file, 0, sizeof *file);
    file->fd = fd;
    int r = first(file, arena, &header, why);
    if (r == 0)
        r = read_envelope(file, arena, &header, why);
    if (r < 0 || file->size == file->journal_offset)
        return r;
    int64_t end = walk_journal(file, arena, &(struct walk){.apply = &file->envelope}, why);
    if (end < 0)
        return (int)end;
    file->journal_end = (uint64_t)end;
    return 0;
}

int
queue_file_read(int fd, struct arena *arena, struct queue_file *file, struct why *why)
{
    return read_by(read_first, fd, arena, file, why);
}

int
queue_file_look(int fd, struct arena *arena, struct queue_file *file, struct why *why)
{
    return read_by(look_first, fd, arena, file, why);
}

int
queue_file_history(const struct queue_file *file, struct arena *arena,
                   void (*each)(const struct journal_entry *, void *), void *arg, struct why *why)
{
    struct queue_file copy = *file;
    int64_t end = walk_journal(&copy, arena, &(struct walk){.each = each, .arg = arg}, why);
    return end < 0 ? (int)end : 0;
}

int
queue_file_append(struct queue_file *file, struct span entries)
{
    if (file->size > file->journal_end) {
        if (ftruncate(file->fd, (off_t)file->journal_end) < 0)
            return -errno;
        file->size = file->journal_end;
    }
    ssize_t n;
    do
        n = pwrite(file->fd, entries.at, entries.len, (off_t)file->journal_end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    file->size = file->journal_end + (uint64_t)n;
    if ((size_t)n < entries.len)
        return -EIO;
    file->journal_end = file->size;
    return 0;
}

/* ---- body ---- */

void
queue_body_start(struct queue_body *body, const struct queue_file *file)
{
    *body = (struct queue_body){.file = file};
}

static ssize_t
body_end(const struct queue_body *body, struct why *why)
{
    if (body->crc == body->file->body_crc)
        return 0;
    return damaged(why, "wrong checksum of the body", body->file->body_offset);
}

ssize_t
queue_body_read(struct queue_body *body, void *bytes, size_t size, struct why *why)
{
    const struct queue_file *file = body->file;
    uint64_t left = file->body_bytes - body->at;
    if (left == 0)
        return body_end(body, why);
    size_t want = size < left ? size : (size_t)left;
    uint64_t offset = file->body_offset + body->at;
    if (offset + want <= file->first.len) {
        memcpy(bytes, file->first.at + offset, want);
    } else {
        ssize_t n = read_at(file->fd, bytes, want, offset);
        if (n < 0)
            return read_failed(why, (int)n);
        if ((size_t)n < want)
            return damaged(why, "the body ends early", offset + (uint64_t)n);
    }
    body->crc = crc32c(body->crc, bytes, want);
    body->at += want;
    return (ssize_t)want;
}

int
queue_body_check(const struct queue_file *file, struct why *why)
{
    struct queue_body body;
    char bytes[64 * 1024];
    ssize_t n;
    queue_body_start(&body, file);
    while ((n = queue_body_read(&body, bytes, sizeof bytes, why)) > 0)
        continue;
    return (int)n;
}

int
queue_body_small(const struct queue_file *file, struct span *body, struct why *why)
{
    if (file->body_offset + file->body_bytes > file->first.len)
        return 0;
    *body = (struct span){file->first.at + file->body_offset, (size_t)file->body_bytes};
    if (crc32c(0, body->at, body->len) != file->body_crc)
        return damaged(why, "wrong checksum of the body", file->body_offset);
    return 1;
}

/* ---- writing ---- */

enum { WRITER_BUFFER = 64 << 10, PAD_MIN = 14 };

struct queue_writer {
    int folder_fd, fd, error;
    bool streaming, finished;
    char name[QUEUE_NAME_MAX];
    size_t reserve;
    struct buf body;  /* not yet written */
    uint64_t written; /* bytes of the body on disk */
    uint32_t crc;
    struct buf records;
};

static _Atomic int64_t met_read_only_ms;

int64_t
queue_met_read_only_ms(void)
{
    return met_read_only_ms;
}

static int
write_failed(struct why *why, int error)
{
    bool full = error == -ENOSPC || error == -EDQUOT || error == -EROFS;
    if (error == -EROFS)
        met_read_only_ms = time_ms();
    why_set(why, full ? "4.3.1" : "4.3.0", "cannot write to the spool: %s", strerror(-error));
    return error;
}

struct queue_writer *
queue_writer_new(int folder_fd, const char *name, size_t reserve, struct why *why)
{
    int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd < 0) {
        int error = errno;
        write_failed(why, -error);
        errno = error;
        return NULL;
    }
    struct queue_writer *writer = xcalloc(1, sizeof *writer);
    writer->folder_fd = folder_fd;
    writer->fd = fd;
    writer->reserve = reserve + PAD_MIN;
    snprintf(writer->name, sizeof writer->name, "%s", name);
    return writer;
}

/* Writes all of it. */
static int
write_at(int fd, const void *bytes, size_t len, uint64_t offset)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* From memory, which after a failed write still has what the disk has not. */
static int
rewrite_journal(int fd)
{
    char line[QUEUE_HEADER_LEN];
    struct header header;
    struct stat st;
    struct why why;
    ssize_t n = read_at(fd, line, sizeof line, 0);
    if (n < 0 || fstat(fd, &st) < 0)
        return n < 0 ? (int)n : -errno;
    if (n < QUEUE_HEADER_LEN || header_parse(line, &header, &why) < 0)
        return -EBADMSG;
    uint64_t at = QUEUE_HEADER_LEN + header.envelope_bytes + header.body_bytes, size = (uint64_t)st.st_size;
    if (size < at || size - at > QUEUE_JOURNAL_MAX)
        return -EBADMSG;
    char *bytes = xmalloc((size_t)(size - at) + 1);
    n = read_at(fd, bytes, (size_t)(size - at), at);
    int r = n < 0 ? (int)n : write_at(fd, bytes, (size_t)n, at);
    free(bytes);
    return r;
}

int
queue_file_sync(int fd)
{
    if (fdatasync(fd) == 0)
        return 0;
    int error = -errno;
    if (planted_bug("norewrite") || rewrite_journal(fd) < 0)
        return error;
    if (fdatasync(fd) == 0)
        return 0;
    rewrite_journal(fd);
    return error;
}

static int
write_body(struct queue_writer *writer)
{
    uint64_t offset = QUEUE_HEADER_LEN + writer->reserve + writer->written;
    int r = write_at(writer->fd, writer->body.at, writer->body.len, offset);
    if (r < 0)
        return writer->error = r;
    writer->written += writer->body.len;
    writer->streaming = true;
    buf_reset(&writer->body);
    return 0;
}

int
queue_writer_add(struct queue_writer *writer, const void *bytes, size_t len)
{
    if (writer->error < 0)
        return writer->error;
    writer->crc = crc32c(writer->crc, bytes, len);
    buf_add(&writer->body, bytes, len);
    return writer->body.len >= WRITER_BUFFER ? write_body(writer) : 0;
}

uint64_t
queue_writer_bytes(const struct queue_writer *writer)
{
    return writer->written + writer->body.len;
}

/* The `end` record is taken off, a pad record put on that fills the gap to the byte, and `end` again. */
static int
pad_records(struct queue_writer *writer)
{
    static const char end[] = "end 0:\n";
    struct buf *records = &writer->records;
    if (records->len + PAD_MIN > writer->reserve)
        return -E2BIG;
    size_t pad = writer->reserve - records->len - PAD_MIN;
    records->len -= sizeof end - 1;
    buf_printf(records, "pad %08zu:%*s\n", pad, (int)pad, "");
    buf_add_text(records, end);
    return 0;
}

/* The whole small file by one system call. */
static int
finish_small(struct queue_writer *writer, const struct header *header, struct span journal)
{
    char line[QUEUE_HEADER_LEN];
    header_print(header, line);
    struct iovec iov[4] = {
        {line, sizeof line},
        {writer->records.at, writer->records.len},
        {writer->body.at, writer->body.len},
        {(void *)(uintptr_t)journal.at, journal.len},
    };
    size_t total = sizeof line + writer->records.len + writer->body.len + journal.len;
    ssize_t n;
    do
        n = pwritev(writer->fd, iov, journal.len > 0 ? 4 : 3, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == total ? 0 : -ENOSPC;
}

/* The rest of the body, the journal, the envelope, and last the header line. */
static int
finish_large(struct queue_writer *writer, struct header *header, struct span journal)
{
    char line[QUEUE_HEADER_LEN];
    int r = write_body(writer);
    if (r == 0)
        r = write_at(writer->fd, journal.at, journal.len, QUEUE_HEADER_LEN + writer->reserve + writer->written);
    if (r == 0)
        r = write_at(writer->fd, writer->records.at, writer->records.len, QUEUE_HEADER_LEN);
    header_print(header, line);
    return r == 0 ? write_at(writer->fd, line, sizeof line, 0) : r;
}

int
queue_writer_finish(struct queue_writer *writer, const struct envelope *envelope, struct span journal,
                    struct why *why)
{
    int r = writer->error;
    envelope_print(envelope, &writer->records);
    if (r == 0 && writer->streaming)
        r = pad_records(writer);
    struct header header = {.envelope_bytes = writer->records.len,
                            .envelope_crc = crc32c(0, writer->records.at, writer->records.len),
                            .body_bytes = queue_writer_bytes(writer),
                            .body_crc = writer->crc};
    if (r == 0)
        r = writer->streaming ? finish_large(writer, &header, journal) : finish_small(writer, &header, journal);
    if (r < 0) {
        writer->error = r;
        return write_failed(why, r);
    }
    writer->finished = true;
    return writer->fd;
}

void
queue_writer_leave(struct queue_writer *writer)
{
    close(writer->fd);
    writer->finished = true;
    queue_writer_drop(writer);
}

void
queue_writer_drop(struct queue_writer *writer)
{
    if (writer == NULL)
        return;
    if (!writer->finished) {
        close(writer->fd);
        unlinkat(writer->folder_fd, writer->name, 0);
    }
    buf_clear(&writer->body);
    buf_clear(&writer->records);
    free(writer);
}
