/* queue-file-fuzz.c - queue files of any bytes: no harm, all lengths within the file, and an entry that is
 * appended is read
 *
 * The first byte chooses: bytes as they stand, or (1) two lengths, then envelope, body and journal, with the
 * header line made here, or (2) the same, the journal being the records of one entry, since no fuzzer guesses a
 * checksum.
 */
#include "common/queue_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;
static struct why why;
static int fd = -1;

static void
make_file(struct span data, bool framed, struct buf *out)
{
    size_t envelope = data.len > 1 ? (size_t)(unsigned char)data.at[0] * 8 + (unsigned char)data.at[1] : 0;
    size_t body = data.len > 2 ? (unsigned char)data.at[2] : 0;
    size_t head = data.len < 3 ? data.len : 3;
    data.at += head;
    data.len -= head;
    envelope = envelope < data.len ? envelope : data.len;
    body = body < data.len - envelope ? body : data.len - envelope;
    buf_printf(out, "VIADUCT1 %08zx %08x %016zx %08x ", envelope, crc32c(0, data.at, envelope), body,
               crc32c(0, data.at + envelope, body));
    buf_printf(out, "%08x .\n", crc32c(0, out->at, out->len));
    buf_add(out, data.at, envelope + body);
    struct span journal = {data.at + envelope + body, data.len - envelope - body};
    if (framed) {
        char digits[9];
        snprintf(digits, sizeof digits, "%08x", (unsigned)journal.len);
        buf_printf(out, "+ %s %08x %08x\n", digits, crc32c(0, digits, 8), crc32c(0, journal.at, journal.len));
    }
    buf_add_span(out, journal);
}

static void
count_entry(const struct journal_entry *entry, void *arg)
{
    if (entry->kind >= JOURNAL_KIND_COUNT)
        abort();
    *(size_t *)arg += 1;
}

static size_t
entries(const struct queue_file *file)
{
    size_t n = 0;
    if (queue_file_history(file, arena, count_entry, &n, &why) < 0)
        abort();
    return n;
}

static void
read_body(const struct queue_file *file)
{
    char bytes[100];
    struct queue_body body;
    struct span small;
    uint64_t sum = 0;
    ssize_t n;
    queue_body_start(&body, file);
    while ((n = queue_body_read(&body, bytes, sizeof bytes, &why)) > 0)
        sum += (uint64_t)n;
    if (n == 0 && sum != file->body_bytes)
        abort();
    int r = queue_body_small(file, &small, &why);
    if ((r == 1 && (n < 0 || small.len != sum)) || (r < 0 && n == 0))
        abort();
}

/* Whatever stood there, an entry of ours is behind it and nothing before it has changed. */
static void
append(struct queue_file *file)
{
    struct queue_file again;
    struct buf entry = {0};
    size_t before = entries(file);
    journal_print(&(struct journal_entry){.kind = JOURNAL_TRACE, .by = SPAN("fuzz"), .number = 7}, &entry);
    if (queue_file_append(file, buf_span(&entry)) < 0 || queue_file_read(fd, arena, &again, &why) < 0)
        abort();
    if (entries(&again) != before + 1 || again.envelope.n_recipients != file->envelope.n_recipients ||
        again.journal_end != again.size)
        abort();
    for (size_t i = 0; i < file->envelope.n_recipients; i++)
        if (again.envelope.recipients[i].state != file->envelope.recipients[i].state)
            abort();
    buf_clear(&entry);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct queue_file file;
    struct buf text = {0};
    if (size < 1)
        return 0;
    if (fd < 0) {
        fd = memfd_create("queue-file-fuzz", MFD_CLOEXEC);
        arena = arena_new(16 << 20);
    }
    struct span rest = {(const char *)data + 1, size - 1};
    if (data[0] == 1 || data[0] == 2)
        make_file(rest, data[0] == 2, &text);
    else
        buf_add_span(&text, rest);
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, text.at, text.len, 0) != (ssize_t)text.len)
        abort();
    int r = queue_file_read(fd, arena, &file, &why);
    if (r == 0) {
        if (file.body_offset + file.body_bytes != file.journal_offset ||
            file.journal_end < file.journal_offset || file.journal_end > file.size || file.size != text.len)
            abort();
        read_body(&file);
        append(&file);
    }
    buf_clear(&text);
    arena_reset(arena);
    return 0;
}
