/* book.h - the address book: who is who on both sides
 *
 * The book maps every proxy address of every recipient, of both sides, to the recipient's entry. It is
 * published as a folder spool/book/<generation>/ (8 decimal digits or more, counting up) with
 *
 *     manifest           text: "viaduct-book 1", "entries N", "source ...", "built RFC3339", then one line
 *                        "shard NAME SIZE CRC32C" for each file; last line "end"
 *     book-000.cdb ...   keys are address_key()s, data the recipient's entry; a key's shard is crc32c(key) %
 * shards
 *
 * written in Temp, fsynced, and published by renaming the folder. Readers take the highest generation that is
 * whole (sizes and checksums right) and look for a newer one when told to; two generations are kept. A
 * generation that is not whole is skipped with a log line; when none is whole, look-ups answer -EAGAIN, so that
 * mail is deferred and not returned (promise: a torn book costs time, not mail).
 *
 * An entry is: display name, side ("host" or a connector's name), primary address (the one that mail is sent to
 * on its own side), proxies (upper-case type: primary of its type).
 *
 * cdb files have 32-bit offsets: a shard is closed before 2 GiB. Readers use pread, never mmap: a file that
 * shrinks must not kill a worker.
 */
#ifndef VIADUCT_BOOK_H
#define VIADUCT_BOOK_H

#include "common/address.h"

struct book_proxy {
    struct address address;
    bool primary; /* of its type */
};

struct book_entry {
    struct span display;
    struct span side;
    struct address primary;
    struct book_proxy *proxies; /* `primary` is among them */
    size_t n_proxies;
};

struct book;

/* A reader on the folder spool/book (descriptor kept, not owned). Opens no file yet. Never NULL. */
struct book *book_new(int book_folder_fd);
void book_free(struct book *book);

/* Only whoever holds this lock builds a generation and publishes it: from book_next_generation() to the end. The descriptor, to be
 * closed; -EAGAIN where another holds it and `waits` is false; or -errno. */
int book_lock(int book_folder_fd, bool waits);

/* Says that there will be a book (the configuration names sources or directories of the host): until its first generation is
 * there, look-ups answer -EAGAIN, so that mail waits for it, and nobody is unknown only because it is early. */
void book_expect(struct book *book);

/* Looks whether a newer generation is there and opens it, else keeps what it has. Returns 1 where a new one was
 * opened, 0 where nothing changed, -EAGAIN where there is a generation but none is whole (`why` names the
 * file), -ENOENT where there is none at all (look-ups then find nobody, which is a valid state: no book
 * configured).
 *
 * Where a generation was skipped, `why` (else empty) names the file also beside 0 and 1: to be logged, once for
 * each generation. Opening one reads all of it, to know that it is whole. */
int book_refresh(struct book *book, struct why *why);

/* The generation in use, 0 for none; and the number of entries by its manifest. */
uint64_t book_generation(const struct book *book);
uint64_t book_entries(const struct book *book);

/* Finds the recipient with this address (any proxy, either side). The first call looks for a generation where
 * nobody has yet; later ones leave that to book_refresh(). Returns 0 with `entry` in the arena; -ENOENT;
 * -EAGAIN where the book cannot be read now (mail waits); -ENOMEM where the arena is full. */
int book_find(struct book *book, const struct address *address, struct arena *arena, struct book_entry *entry);

/* Calls `each` for every entry once, in no order, for `book dump` and `book check`. Returns 0 or -EAGAIN. */
int book_each(struct book *book, bool (*each)(const struct book_entry *, void *), void *arg);

/* The best address of a type that an entry has: its primary address when that has the type, else the proxy
 * marked primary, else any. NULL where it has none. */
const struct address *book_entry_address(const struct book_entry *entry, struct span type);

/* The SMTP address under which the host's world knows an entry: for the host's own recipients the primary; for
 * foreign ones the SMTP proxy marked primary, else any SMTP proxy, else the primary when it is SMTP; NULL where
 * there is none. */
const struct address *book_entry_host_address(const struct book_entry *entry);

/* ---- building ---- */

/* Generations are built in shards of less than 2 GiB each: 8, or as many as the recipients that are expected need. */
enum { BOOK_SHARDS = 8, BOOK_SHARDS_MAX = 256, BOOK_PROXIES_MAX = 500, BOOK_DISPLAY_MAX = 1000 };

/* The number for the next generation: one above the highest that is there, whole or not. 0 with `why` on error.
 */
uint64_t book_next_generation(int book_folder_fd, struct why *why);

struct book_builder;

/* Begins generation `n` below the Temp folder `temp_fd` under the name "book.<n>". Returns NULL with `why` on
 * error. */
struct book_builder *book_builder_new(int temp_fd, uint64_t generation, const char *source, struct why *why);

/* Says how many recipients are to come, before the first is added: where they might fill 8 shards there are more of them. 4 KiB
 * are counted for each, ten times what one with four addresses takes. 0, or -errno with `why`: then it can only be dropped. */
int book_builder_expect(struct book_builder *builder, uint64_t recipients, struct why *why);

/* Adds a recipient; its addresses and texts are copied. Returns 0; -EEXIST with `why` naming both where another
 * recipient already has one of the addresses; -EINVAL with `why` for an entry that cannot be: no valid address,
 * `primary` not among the proxies, two proxies marked primary of one type, more than BOOK_PROXIES_MAX, a
 * display or side that is too long or has control characters; -EFBIG where a shard is full. After one of these
 * the builder goes on; after another -errno (disk full) it can only be dropped. */
int book_builder_add(struct book_builder *builder, const struct book_entry *entry, struct why *why);

/* Whether a recipient that was added has this address: 1, with the name of that one added to `owner` (NULL: not wanted); 0; or
 * -errno. */
int book_builder_has(struct book_builder *builder, const struct address *address, struct buf *owner);

/* Finishes, fsyncs, and publishes by renaming into the book folder; older generations but the last are removed.
 * Files get the group of the book folder, so that workers may read them. Frees the builder in any case, and
 * removes what it wrote where it fails. Returns 0 or -errno with `why`. */
int book_builder_publish(struct book_builder *builder, int book_folder_fd, struct why *why);

/* How many recipients were added. */
uint64_t book_builder_entries(const struct book_builder *builder);

/* Gives up: removes what was written. NULL is allowed. */
void book_builder_drop(struct book_builder *builder);

/* Reads CSV (RFC 4180: quotes, doubled quotes, line breaks within quotes; UTF-8, a BOM is skipped) with a
 * header line naming the columns display, primary, proxies, side in any order; others are ignored. `proxies`
 * are separated by blanks or '|'; a value with blanks is written with '|' between proxies. Adds each recipient
 * to the builder. The primary is added to the proxies where it is missing. A type in upper case marks the
 * primary of the type, the first where several do; the primary column's address is that of its type where none
 * is marked, and always for the host's own. Errors are added to `errors` as "NAME:LINE: ..."; recipients with
 * errors are left out. Returns the number of recipients in error, or -errno for a file that cannot be read or a
 * builder that can only be dropped; memory does not grow with the file. */
int book_read_csv(int fd, const char *name, struct book_builder *builder, struct buf *errors);

/* The same for LDIF (RFC 2849), as directories are exported. Of each record count displayName, else cn, else mailNickname or uid;
 * proxyAddresses (a type in upper case marks the primary of the type), mail, targetAddress; and viaductSide, the connector behind
 * which the recipient is, or host, which is so without it. The host's own have their primary SMTP proxy, else mail, as primary;
 * foreign ones targetAddress, else the primary proxy of their system's type. Records without an address are passed over; a record
 * that would change something (changetype) is an error, since the file is then no picture of a directory. */
int book_read_ldif(int fd, const char *name, struct book_builder *builder, struct buf *errors);

/* One of both, by the file's name: *.ldif, else CSV. */
int book_read_file(int fd, const char *name, struct book_builder *builder, struct buf *errors);

#endif
