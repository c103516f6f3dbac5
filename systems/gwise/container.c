/* container.c - writing and reading items (see container.h) */
#include "systems/gwise/container.h"

#include <errno.h>
#include <stdio.h>

#include "common/crc32c.h"

static const char magic[] = "VIADUCTITEM1\n";
static const char *const kind_words[] = {"header", "body", "file", "meta"};

static int
put(struct container_writer *writer, const void *bytes, size_t len)
{
    if (writer->error != 0 || len == 0)
        return writer->error;
    writer->crc = crc32c(writer->crc, bytes, len);
    writer->error = writer->write(writer->arg, bytes, len);
    return writer->error;
}

int
container_begin(struct container_writer *writer, int (*write)(void *, const void *, size_t), void *arg)
{
    *writer = (struct container_writer){.write = write, .arg = arg};
    return put(writer, magic, sizeof magic - 1);
}

int
container_part(struct container_writer *writer, enum part_kind kind, struct span name)
{
    BUG_UNLESS(!writer->open && name.len <= CONTAINER_NAME_MAX);
    char line[40];
    int len = snprintf(line, sizeof line, "part %s %zu:", kind_words[kind], name.len);
    writer->open = true;
    put(writer, line, (size_t)len);
    put(writer, name.at, name.len);
    return put(writer, "\n", 1);
}

int
container_add(struct container_writer *writer, const void *bytes, size_t len)
{
    BUG_UNLESS(writer->open && len <= CONTAINER_CHUNK_MAX);
    if (len == 0)
        return writer->error;
    char line[16];
    int n = snprintf(line, sizeof line, "%08zx\n", len);
    put(writer, line, (size_t)n);
    put(writer, bytes, len);
    return put(writer, "\n", 1);
}

int
container_part_end(struct container_writer *writer)
{
    BUG_UNLESS(writer->open);
    writer->open = false;
    return put(writer, "00000000\n", 9);
}

int
container_end(struct container_writer *writer)
{
    BUG_UNLESS(!writer->open);
    char line[24];
    int len = snprintf(line, sizeof line, "end %08x\n", writer->crc);
    return put(writer, line, (size_t)len);
}

/* ---- reading ---- */

void
container_open(struct container_reader *reader, ssize_t (*read)(void *, uint64_t, void *, size_t), void *arg)
{
    memset(reader, 0, sizeof *reader);
    reader->read = read;
    reader->arg = arg;
}

uint64_t
container_position(const struct container_reader *reader)
{
    return reader->offset - (reader->filled - reader->at);
}

void
container_seek(struct container_reader *reader, uint64_t position)
{
    reader->offset = position;
    reader->at = reader->filled = 0;
    reader->chunk = 0;
    reader->in_part = true;
}

static bool
fill(struct container_reader *reader)
{
    if (reader->at < reader->filled)
        return true;
    ssize_t got = reader->read(reader->arg, reader->offset, reader->buffer, sizeof reader->buffer);
    if (got <= 0 || (size_t)got > sizeof reader->buffer)
        return false;
    reader->at = 0;
    reader->filled = (size_t)got;
    reader->offset += (uint64_t)got;
    return true;
}

/* The next line without its LF, counted into the check when `counted`; -1 at the end or when it is longer than
 * `size`. */
static int
take_line(struct container_reader *reader, char *line, size_t size, uint32_t *crc)
{
    size_t len = 0;
    for (;;) {
        if (!fill(reader))
            return -1;
        char c = reader->buffer[reader->at++];
        if (len + 1 >= size)
            return -1;
        line[len++] = c;
        if (c == '\n')
            break;
    }
    *crc = crc32c(reader->crc, line, len);
    line[len - 1] = '\0';
    return (int)(len - 1);
}

static bool
read_hex(const char *text, uint32_t *value)
{
    uint32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            sum = sum << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            sum = sum << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *value = sum;
    return text[8] == '\0';
}

static enum container_event
broken(struct container_reader *reader, struct why *why, const char *what)
{
    why_set(why, "5.6.0", "the item is damaged at octet %llu: %s",
            (unsigned long long)container_position(reader), what);
    return CONTAINER_BROKEN;
}

static enum container_event
take_data(struct container_reader *reader, struct container_item *item, struct why *why)
{
    if (!fill(reader))
        return broken(reader, why, "it ends within a part");
    size_t len = reader->filled - reader->at;
    if (len > reader->chunk)
        len = (size_t)reader->chunk;
    item->data = (struct span){reader->buffer + reader->at, len};
    reader->crc = crc32c(reader->crc, item->data.at, len);
    reader->at += len;
    reader->chunk -= len;
    return CONTAINER_DATA;
}

static enum container_event
next_chunk(struct container_reader *reader, struct container_item *item, struct why *why)
{
    char line[16];
    uint32_t crc, len;
    int n = take_line(reader, line, sizeof line, &crc);
    if (n == 0) { /* the LF behind a chunk */
        reader->crc = crc;
        n = take_line(reader, line, sizeof line, &crc);
    }
    if (n != 8 || !read_hex(line, &len) || len > CONTAINER_CHUNK_MAX)
        return broken(reader, why, "no length of a piece");
    reader->crc = crc;
    if (len == 0) {
        reader->in_part = false;
        return CONTAINER_PART_END;
    }
    reader->chunk = len;
    return take_data(reader, item, why);
}

static bool
read_part_line(char *line, size_t len, struct container_item *item)
{
    for (size_t kind = 0; kind < COUNT_OF(kind_words); kind++) {
        size_t word = strlen(kind_words[kind]);
        if (strncmp(line + 5, kind_words[kind], word) != 0 || line[5 + word] != ' ')
            continue;
        const char *digits = line + 5 + word + 1;
        size_t n = strspn(digits, "0123456789");
        uint64_t name_len;
        if (digits[n] != ':' || !span_to_u64((struct span){digits, n}, CONTAINER_NAME_MAX, &name_len))
            return false;
        const char *name = digits + n + 1;
        if ((size_t)(line + len - name) != name_len || memchr(name, '\0', (size_t)name_len) != NULL)
            return false;
        memcpy(item->name, name, (size_t)name_len);
        item->name[name_len] = '\0';
        item->kind = (enum part_kind)kind;
        return true;
    }
    return false;
}

static enum container_event
next_part(struct container_reader *reader, struct container_item *item, struct why *why)
{
    char line[CONTAINER_NAME_MAX + 40];
    uint32_t crc, want;
    int n = take_line(reader, line, sizeof line, &crc);
    if (n == 12 && strncmp(line, "end ", 4) == 0 && read_hex(line + 4, &want)) {
        if (want != reader->crc)
            return broken(reader, why, "its check is wrong");
        return fill(reader) ? broken(reader, why, "something follows its end") : CONTAINER_END;
    }
    if (n < 5 || strncmp(line, "part ", 5) != 0 || !read_part_line(line, (size_t)n, item))
        return broken(reader, why, "neither a part nor the end");
    reader->crc = crc;
    reader->in_part = true;
    return CONTAINER_PART;
}

enum container_event
container_next(struct container_reader *reader, struct container_item *item, struct why *why)
{
    if (reader->chunk > 0)
        return take_data(reader, item, why);
    if (reader->in_part)
        return next_chunk(reader, item, why);
    if (container_position(reader) == 0) {
        char line[sizeof magic];
        uint32_t crc;
        if (take_line(reader, line, sizeof line, &crc) != (int)sizeof magic - 2 ||
            strncmp(line, magic, sizeof magic - 2) != 0)
            return broken(reader, why, "it does not begin like one");
        reader->crc = crc;
    }
    return next_part(reader, item, why);
}
