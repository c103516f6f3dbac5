/* set_file.c - a set as a file (see entry.h and set_inside.h)
 *
 *     viaduct-directory 1
 *     source: dc1.contoso.example 6a0e...
 *     cookie: 0a1f...                          octets in hex
 *     full: 1711111111
 *     read: 1711112222
 *     head: 8a9136aa                           CRC32C of all before
 *     records: length, CRC32C (each four octets, low first), record
 *     length 0
 *     end 2 2e189d21                           how many, CRC32C of their CRCs
 *
 * What is hostile here: all of it on reading. Memory is bounded by the file's size.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/hex.h"
#include "directory/set_inside.h"

enum { CHUNK = 1 << 18, HEAD_LINE_MAX = 1 << 22, FRAME = 8, FILE_NAME = 300 };

static void
put_u32(char at[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
}

static uint32_t
get_u32(const char *at)
{
    const unsigned char *octets = (const unsigned char *)at;
    return octets[0] | (uint32_t)octets[1] << 8 | (uint32_t)octets[2] << 16 | (uint32_t)octets[3] << 24;
}

/* ---- writing ---- */

struct writer {
    int fd;
    int err; /* 0 or -errno of the first failure */
    struct buf out;
};

static void
write_out(struct writer *writer)
{
    size_t at = 0;
    while (writer->err == 0 && at < writer->out.len) {
        ssize_t n = write(writer->fd, writer->out.at + at, writer->out.len - at);
        if (n < 0 && errno != EINTR)
            writer->err = -errno;
        if (n > 0)
            at += (size_t)n;
    }
    buf_reset(&writer->out);
}

static void
write_head(struct writer *writer, const struct dir_reading *reading)
{
    struct buf *out = &writer->out;
    buf_add_text(out, "viaduct-directory 1\n");
    buf_add_text(out, "source: ");
    for (const char *c = reading->source; *c != '\0'; c++)
        buf_add_byte(out, (unsigned char)*c < 32 ? '?' : *c);
    buf_add_text(out, "\ncookie: ");
    for (size_t i = 0; i < reading->cookie.len; i++)
        buf_printf(out, "%02x", (unsigned char)reading->cookie.at[i]);
    buf_printf(out, "\nfull: %" PRId64 "\nread: %" PRId64 "\n", reading->full_s, reading->read_s);
    buf_printf(out, "head: %08" PRIx32 "\n", crc32c(0, out->at, out->len));
}

static void
write_records(struct writer *writer, const struct dir_set *set)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    uint32_t all = 0;
    char frame[FRAME];
    for (size_t place = 0; place < set->places; place++) {
        const char *record = set->records[place];
        if (record == NULL)
            continue;
        size_t len = set_record_read(record, SET_RECORD_MAX, &room, &entry);
        put_u32(frame, (uint32_t)len);
        put_u32(frame + 4, crc32c(0, record, len));
        all = crc32c(all, frame + 4, 4);
        buf_add(&writer->out, frame, FRAME);
        buf_add(&writer->out, record, len);
        if (writer->out.len >= CHUNK)
            write_out(writer);
    }
    put_u32(frame, 0);
    buf_add(&writer->out, frame, 4);
    buf_printf(&writer->out, "end %zu %08" PRIx32 "\n", set->count, all);
    dir_room_clear(&room);
}

int
dir_set_write(const struct dir_set *set, const struct dir_reading *reading, int folder_fd, const char *name,
              struct why *why)
{
    char temporary[FILE_NAME];
    struct writer writer = {0};
    snprintf(temporary, sizeof temporary, "%.290s.new", name);
    writer.fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (writer.fd < 0)
        return why_set(why, "4.3.0", "%s cannot be made: %s", temporary, strerror(errno)), -errno;
    write_head(&writer, reading);
    write_records(&writer, set);
    write_out(&writer);
    buf_clear(&writer.out);
    if (writer.err == 0 && fsync(writer.fd) < 0)
        writer.err = -errno;
    if (close(writer.fd) < 0 && writer.err == 0)
        writer.err = -errno;
    if (writer.err == 0 && renameat(folder_fd, temporary, folder_fd, name) < 0)
        writer.err = -errno;
    if (writer.err < 0) {
        unlinkat(folder_fd, temporary, 0);
        why_set(why, "4.3.0", "%s cannot be written: %s", name, strerror(-writer.err));
    }
    return writer.err;
}

/* ---- reading ---- */

struct reader {
    int fd;
    int err;
    uint64_t left; /* in the file, behind what is in `in` */
    struct buf in;
    size_t at;
};

/* Has `need` octets at `at`, where the file has as many. */
static bool
fill(struct reader *reader, size_t need)
{
    if (reader->in.len - reader->at >= need)
        return true;
    if (need - (reader->in.len - reader->at) > reader->left)
        return false;
    buf_consume(&reader->in, reader->at);
    reader->at = 0;
    while (reader->in.len < need) {
        size_t want = need - reader->in.len > CHUNK ? need - reader->in.len : CHUNK;
        buf_reserve(&reader->in, want);
        ssize_t n = read(reader->fd, reader->in.at + reader->in.len, want);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            reader->err = n < 0 ? -errno : 0;
            reader->left = 0;
            return false;
        }
        if (n > 0) {
            reader->in.len += (size_t)n;
            reader->left -= (uint64_t)n < reader->left ? (uint64_t)n : reader->left;
        }
    }
    return true;
}

/* The next line without its end; false where there is none of less than 4 MiB. */
static bool
take_line(struct reader *reader, struct span *line)
{
    size_t seen = 0;
    for (;;) {
        const char *begin = reader->in.at != NULL ? reader->in.at + reader->at : ""; /* nothing is read yet */
        size_t have = reader->in.len - reader->at;
        const char *end = have > seen ? memchr(begin + seen, '\n', have - seen) : NULL;
        if (end != NULL) {
            *line = (struct span){begin, (size_t)(end - begin)};
            reader->at += line->len + 1;
            return true;
        }
        seen = have;
        if (have >= HEAD_LINE_MAX || !fill(reader, have + 1))
            return false;
    }
}

static bool
take_after(struct span *line, const char *prefix)
{
    size_t len = strlen(prefix);
    if (line->len < len || memcmp(line->at, prefix, len) != 0)
        return false;
    *line = (struct span){line->at + len, line->len - len};
    return true;
}

static bool
read_hex(struct span hex, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        int octet = hex_octet(hex.at + i);
        if (octet < 0)
            return false;
        buf_add_byte(out, (char)octet);
    }
    return hex.len % 2 == 0;
}

static bool
read_time(struct span text, int64_t *time_s)
{
    uint64_t value;
    if (!span_to_u64(text, INT64_MAX, &value))
        return false;
    *time_s = (int64_t)value;
    return true;
}

static bool
read_crc(struct span hex, uint32_t *crc)
{
    *crc = 0;
    for (size_t i = 0; i < hex.len && hex_digit(hex.at[i]) >= 0; i++)
        *crc = *crc << 4 | (uint32_t)hex_digit(hex.at[i]);
    return hex.len == 8;
}

/* One line of the head, the n-th. */
static bool
read_head_line(struct span line, unsigned n, struct dir_reading *reading)
{
    if (n == 0)
        return span_equal(line, SPAN("viaduct-directory 1"));
    if (n == 1 && take_after(&line, "source: ") && line.len < sizeof reading->source) {
        memcpy(reading->source, line.at, line.len);
        reading->source[line.len] = '\0';
        return true;
    }
    if (n == 2 && take_after(&line, "cookie: "))
        return read_hex(line, &reading->cookie);
    if (n == 3 && take_after(&line, "full: "))
        return read_time(line, &reading->full_s);
    return n == 4 && take_after(&line, "read: ") && read_time(line, &reading->read_s);
}

static bool
read_head(struct reader *reader, struct dir_reading *reading)
{
    struct span line;
    uint32_t crc = 0, said;
    for (unsigned n = 0; n < 5; n++) {
        if (!take_line(reader, &line) || !read_head_line(line, n, reading))
            return false;
        crc = crc32c(crc, line.at, line.len + 1);
    }
    return take_line(reader, &line) && take_after(&line, "head: ") && read_crc(line, &said) && said == crc;
}

static bool
read_record(struct reader *reader, size_t len, uint32_t crc, struct dir_set *set, struct dir_room *room)
{
    struct dir_entry entry;
    struct why why;
    if (len > SET_RECORD_MAX || !fill(reader, len))
        return false;
    const char *record = reader->in.at + reader->at;
    if (crc32c(0, record, len) != crc || set_record_read(record, len, room, &entry) != len)
        return false;
    size_t before = set->count;
    reader->at += len;
    return dir_set_put(set, &entry, &why) != SIZE_MAX && set->count == before + 1;
}

static bool
read_end(struct reader *reader, const struct dir_set *set, uint32_t all)
{
    struct span line;
    char end[60];
    snprintf(end, sizeof end, "end %zu %08" PRIx32, set->count, all);
    return take_line(reader, &line) && span_equal(line, span_of(end)) && reader->at == reader->in.len &&
           reader->left == 0;
}

static bool
read_records(struct reader *reader, struct dir_set *set)
{
    struct dir_room room = {0};
    uint32_t all = 0;
    bool good;
    for (;;) {
        size_t len = fill(reader, 4) ? get_u32(reader->in.at + reader->at) : 0;
        good = reader->in.len - reader->at >= 4;
        reader->at += good ? 4 : 0;
        if (!good || len == 0)
            break;
        good = fill(reader, 4);
        if (!good)
            break;
        uint32_t crc = get_u32(reader->in.at + reader->at);
        all = crc32c(all, reader->in.at + reader->at, 4);
        reader->at += 4;
        good = read_record(reader, len, crc, set, &room);
        if (!good)
            break;
    }
    dir_room_clear(&room);
    return good && read_end(reader, set, all);
}

int
dir_set_read(struct dir_set *set, struct dir_reading *reading, int folder_fd, const char *name, struct why *why)
{
    struct stat st = {.st_size = 0};
    struct reader reader = {.fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    BUG_UNLESS(set->places == 0);
    int r = reader.fd < 0 || fstat(reader.fd, &st) < 0 ? -errno : 0;
    if (r == 0 && !S_ISREG(st.st_mode))
        r = -EINVAL;
    if (r == 0) {
        reader.left = (uint64_t)st.st_size;
        if (!read_head(&reader, reading) || !read_records(&reader, set))
            r = reader.err < 0 ? reader.err : -EINVAL;
    }
    if (r == -EINVAL)
        why_set(why, "4.3.0", "%s is torn or damaged", name);
    else if (r < 0)
        why_set(why, "4.3.0", "%s cannot be read: %s", name, strerror(-r));
    if (reader.fd >= 0)
        close(reader.fd);
    buf_clear(&reader.in);
    return r;
}
