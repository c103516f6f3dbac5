/* queue_file.h - one message, one file: header, envelope, body, journal
 *
 *     VIADUCT1 <envelope length> <its CRC> <body length> <its CRC> <CRC of this line> .LF      64 bytes, hex
 *     <envelope records>                                        see envelope.h
 *     <body>                                                    RFC 5322 message, LF line ends, not dot-stuffed
 *     <journal entries>                                         appended, each with length and CRC
 *
 * The whole format is in viaduct-queue-file(5). It can be read with less.
 *
 * Writing: a file is made in Temp by one process (queue_writer), its header line is written last, so that a
 * file whose header line is valid and whose size fits is complete. Only then it gets fsynced and moved: nothing
 * else is ever edited. Reading: every reader checks header line, envelope and journal whole, as hostile input;
 * the body's CRC is checked by whoever reads it to its end (queue_body_*), before what it made of it is
 * committed.
 */
#ifndef VIADUCT_QUEUE_FILE_H
#define VIADUCT_QUEUE_FILE_H

#include <sys/types.h>

#include "common/envelope.h"
#include "common/id.h"

enum {
    QUEUE_HEADER_LEN = 64,
    QUEUE_ENVELOPE_MAX = 32 << 20, /* 100,000 recipients with long parameters */
    QUEUE_JOURNAL_MAX = 64 << 20,
    QUEUE_FIRST_READ = 16 << 10 /* read at once: most messages need no second read */
};

/* ---- reading ---- */

struct queue_file {
    int fd; /* owned by who opened it */
    struct envelope envelope;
    uint64_t body_offset, body_bytes;
    uint32_t body_crc;
    uint64_t journal_offset, journal_end; /* where the next entry goes; what lies behind is a torn tail */
    uint64_t size;                        /* of the file when read */
    struct span first; /* the bytes from QUEUE_FIRST_READ, in the arena: small bodies need no read */
};

/* Reads and checks all but the body's bytes. Returns 0; -EINVAL or -EBADMSG with `why` (5.6.0, naming the
 * offset): a damaged file; -ENOMEM: envelope larger than the arena; other -errno with `why`: the read failed
 * (4.3.0). */
int queue_file_read(int fd, struct arena *arena, struct queue_file *file, struct why *why);

/* The same for listings, cheaper by a system call for small files; the file is not to be written to after it. */
int queue_file_look(int fd, struct arena *arena, struct queue_file *file, struct why *why);

/* Appends entries (journal_print) at journal_end, a torn tail is cut off first. Not synced: the caller does,
 * unless the file is unlinked next. Returns 0 or -errno (-EIO for a short write; journal_end is then
 * unchanged). */
int queue_file_append(struct queue_file *file, struct span entries);

/* Makes what was appended to a queue file durable (fdatasync); `fd` is open for reading and writing, its lock held. Where the
 * sync fails the journal is written once more and synced again. Returns 0 or the first error as -errno; then the journal is
 * written anew all the same, so that a later sync is about these bytes and not about pages that the kernel has given up:
 * after a failed write it takes them for clean, and the next sync says that all is well while the disk has the old ones. */
int queue_file_sync(int fd);

/* Calls `each` for every journal entry (spans valid during the call). Returns 0 or -errno with `why`. */
int queue_file_history(const struct queue_file *file, struct arena *arena,
                       void (*each)(const struct journal_entry *, void *), void *arg, struct why *why);

/* A walk over the body, by bounded pread; the CRC is counted along. */
struct queue_body {
    const struct queue_file *file;
    uint64_t at; /* next byte */
    uint32_t crc;
};

void queue_body_start(struct queue_body *body, const struct queue_file *file);

/* Reads up to `size` bytes. Returns their number; 0 at the end, where the CRC was right; -EBADMSG with `why`
 * where it was not, or the file is shorter than it says; -errno. */
ssize_t queue_body_read(struct queue_body *body, void *bytes, size_t size, struct why *why);

/* Reads the body to its end, for who reads it otherwise afterwards. 0 where its CRC is right, else as above. */
int queue_body_check(const struct queue_file *file, struct why *why);

/* The whole body where it lies in `first` (and then its CRC is checked): 1 with `body` set, 0 where it is
 * larger, -EBADMSG with `why`. */
int queue_body_small(const struct queue_file *file, struct span *body, struct why *why);

/* ---- writing ---- */

struct queue_writer;

/* When a file here could last not be begun or finished since the file system is read-only, in ms as time_ms(); 0: never.
 * statvfs(3) does not tell it of a file system that turned read-only by itself, at an error of its disk. */
int64_t queue_met_read_only_ms(void);

/* Begins a file `name` in the folder (a worker's Temp): O_EXCL, mode 0660. The envelope is kept by reference
 * only during the call to queue_writer_finish(): its values may change until then (header_bytes, msgid ... are
 * learnt while the body passes), if `reserve` bytes suffice for what is printed then. Small messages are
 * written by one pwrite at the end. Returns NULL with `why` and errno (ENOSPC, EDQUOT, EROFS: 4.3.1). */
struct queue_writer *queue_writer_new(int folder_fd, const char *name, size_t reserve, struct why *why);

/* Adds bytes of the body. Errors (disk full) are kept and returned by every later call: -errno. */
int queue_writer_add(struct queue_writer *writer, const void *bytes, size_t len);

/* Writes envelope, header line and, behind the body, `journal` (entries printed by journal_print, may be
 * empty). The file is complete then, not synced. Returns the descriptor (the caller's now), or -errno with the
 * file left for queue_writer_drop(). */
int queue_writer_finish(struct queue_writer *writer, const struct envelope *envelope, struct span journal,
                        struct why *why);

/* Bytes of body so far. */
uint64_t queue_writer_bytes(const struct queue_writer *writer);

/* Frees, closes the descriptor, and leaves the file to another process that writes it (a converter's child). */
void queue_writer_leave(struct queue_writer *writer);

/* Frees; removes the file unless finished. NULL is allowed. */
void queue_writer_drop(struct queue_writer *writer);

#endif
