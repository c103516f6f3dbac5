/* container.h - one item on its way to or from an API gateway: header, body and attachments in one file
 *
 * ReadyIn and ReadyOut hold one file an item; this is its form. It is written and read as a stream: no part
 * need fit into memory, and its length need not be known when it begins (an attachment's is not, before it is
 * decoded).
 *
 *     VIADUCTITEM1\n
 *     part KIND LENGTH:NAME\n          KIND header | body | file | meta; NAME as LENGTH octets (0 to 1,000),
 * any but LF
 *     XXXXXXXX\n octets \n             as often as needed: hexadecimal length (1 to 10000000), that many octets
 *     00000000\n                       the part's end
 *     end XXXXXXXX\n                   CRC-32C of everything before this line
 *
 *   outwards   body, files, then the header (it tells the files' sizes). Names are extensions: "bdy", "001". In
 * the header the octet 0x01 stands for the base name of eight digits, which the carrier chooses. inwards [meta]
 * header, then body and files under their names in ATT_OUT. A meta part named "why" says that the carrier gave
 * up waiting for the rest, and why: evidence for a person.
 *
 * What is hostile here: all of it, when read. Lengths are checked against the file's, names against LF and
 * their limit; the reader holds one line and no part.
 */
#ifndef VIADUCT_GWISE_CONTAINER_H
#define VIADUCT_GWISE_CONTAINER_H

#include <sys/types.h>

#include "common/base.h"

enum {
    CONTAINER_NAME_MAX = 1000,
    CONTAINER_CHUNK_MAX = 0x10000000,
    CONTAINER_BASE_MARK = 1 /* stands for the base name in a header on its way out */
};

enum part_kind { PART_HEADER, PART_BODY, PART_FILE, PART_META };

/* ---- writing ---- */

struct container_writer {
    int (*write)(void *arg, const void *bytes, size_t len);
    void *arg;
    uint32_t crc;
    int error; /* the first one, kept: later calls do nothing */
    bool open; /* a part is */
};

/* Each returns 0, or what `write` returned when it failed (then and ever after). */
int container_begin(struct container_writer *writer, int (*write)(void *, const void *, size_t), void *arg);
int container_part(struct container_writer *writer, enum part_kind kind, struct span name);
int container_add(struct container_writer *writer, const void *bytes, size_t len);
int container_part_end(struct container_writer *writer);
int container_end(struct container_writer *writer);

/* ---- reading ---- */

struct container_reader {
    /* up to `size` octets from `offset`; 0 at the end, negative: -errno */
    ssize_t (*read)(void *arg, uint64_t offset, void *bytes, size_t size);
    void *arg;
    uint64_t offset; /* of what comes next */
    uint32_t crc;
    uint64_t chunk; /* octets left of the chunk */
    char buffer[8192];
    size_t at, filled;
    bool in_part;
};

enum container_event { CONTAINER_PART, CONTAINER_DATA, CONTAINER_PART_END, CONTAINER_END, CONTAINER_BROKEN };

struct container_item {
    enum part_kind kind; /* CONTAINER_PART */
    char name[CONTAINER_NAME_MAX + 1];
    struct span data; /* CONTAINER_DATA: octets, valid until the next call */
};

void container_open(struct container_reader *reader, ssize_t (*read)(void *, uint64_t, void *, size_t),
                    void *arg);

/* What comes next. CONTAINER_END only where the check was right and nothing follows; CONTAINER_BROKEN, with
 * `why`, for anything that is no container. Offsets asked of `read` ascend. */
enum container_event container_next(struct container_reader *reader, struct container_item *item,
                                    struct why *why);

/* Where container_next() would go on: a reader opened later may start there (in the part at hand, at its data).
 */
uint64_t container_position(const struct container_reader *reader);

/* Starts within a part, at a position that container_position() gave behind CONTAINER_PART. The check at the
 * end cannot be right any more: to be used where a whole pass has found it right before. */
void container_seek(struct container_reader *reader, uint64_t position);

#endif
