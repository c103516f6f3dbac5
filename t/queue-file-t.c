/* queue-file-t.c - one message, one file: what was written is read, what is damaged is refused, a full disk
 * costs nothing */
#include "common/queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/crc32c.h"
#include "t/tap.h"

#define ID "0123456789ABCDEFGHIJKLMNOP"

static struct arena *arena;
static struct why why;
static int folder;
static char big[400000];

static void
make_envelope(struct envelope *envelope, struct recipient *recipients, size_t n)
{
    *envelope = (struct envelope){.id = SPAN(ID),
                                  .arrival_ms = 1764054000000,
                                  .origin = SPAN("host"),
                                  .originator = {SPAN("SMTP"), SPAN("alice@host.example")},
                                  .recipients = recipients,
                                  .n_recipients = n};
    for (size_t i = 0; i < n; i++)
        recipients[i] = (struct recipient){.address = {SPAN("SMTP"), SPAN("bob@branch.example")}, .kind = 1};
}

/* A finished file with two recipients; returns its descriptor. */
static int
make_file(const char *name, struct span body, size_t piece, size_t reserve, struct span journal)
{
    struct recipient recipients[2];
    struct envelope envelope;
    make_envelope(&envelope, recipients, 2);
    struct queue_writer *writer = queue_writer_new(folder, name, reserve, &why);
    if (writer == NULL)
        return -errno;
    for (size_t at = 0; at < body.len; at += piece)
        queue_writer_add(writer, body.at + at, body.len - at < piece ? body.len - at : piece);
    envelope.header_bytes = (int64_t)queue_writer_bytes(writer); /* learnt while the body passed */
    envelope.msgid = SPAN("<learnt@late.example>");
    int fd = queue_writer_finish(writer, &envelope, journal, &why);
    queue_writer_drop(writer);
    return fd;
}

/* Reads the body to its end, whatever stands in it. Returns its length, the error, or -1 where it is another. */
static ssize_t
body_is(const struct queue_file *file, struct span want, size_t piece)
{
    static char bytes[70000];
    struct queue_body body;
    ssize_t n, sum = 0;
    bool same = true;
    queue_body_start(&body, file);
    while ((n = queue_body_read(&body, bytes, piece, &why)) > 0) {
        same = same && (size_t)(sum + n) <= want.len && memcmp(bytes, want.at + sum, (size_t)n) == 0;
        sum += n;
    }
    return n < 0 ? n : same ? sum : -1;
}

static void
print_marks(struct buf *journal)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct recipient_mark mark = {.index = i, .state = RECIPIENT_FAILED, .text = SPAN("no such user")};
        journal_print(&(struct journal_entry){.kind = JOURNAL_MARK, .time_ms = 1, .marks = &mark, .n_marks = 1},
                      journal);
    }
}

/* Reads; and counts where a look from the same bytes sees something else. */
static size_t looked_different;

static int
read_and_look(int fd, struct queue_file *file)
{
    struct queue_file seen;
    struct why seen_why = {.text = ""};
    int looked = queue_file_look(fd, arena, &seen, &seen_why);
    int r = queue_file_read(fd, arena, file, &why);
    looked_different += looked != r || (r < 0 && strcmp(why.text, seen_why.text) != 0) ||
                        (r == 0 && (seen.size != file->size || seen.body_offset != file->body_offset ||
                                    seen.journal_end != file->journal_end ||
                                    envelope_count(&seen.envelope, RECIPIENT_FAILED) !=
                                        envelope_count(&file->envelope, RECIPIENT_FAILED)));
    return r;
}

static void
check_file(const char *name, struct span body, size_t piece, struct span journal, const char *what)
{
    struct queue_file file;
    struct span small;
    int fd = make_file(name, body, piece, 1000, journal);
    ok(fd >= 0 && read_and_look(fd, &file) == 0, "%s: written and read", what);
    ok(file.body_bytes == body.len && file.envelope.header_bytes == (int64_t)body.len,
       "%s: with what was learnt last", what);
    is_span(file.envelope.msgid, "<learnt@late.example>", "%s: texts too", what);
    is_int(body_is(&file, body, 70000), body.len, "%s: the body is whole", what);
    is_int(body_is(&file, body, 977), body.len, "%s: in small pieces too", what);
    int r = queue_body_small(&file, &small, &why);
    if (file.body_offset + body.len <= QUEUE_FIRST_READ)
        ok(r == 1 && span_equal(small, body), "%s: and at hand without another read", what);
    else
        is_int(r, 0, "%s: and not said to be small", what);
    is_int(envelope_count(&file.envelope, RECIPIENT_FAILED), journal.len > 0 ? 2 : 0, "%s: its journal counts",
           what);
    close(fd);
    unlinkat(folder, name, 0);
    arena_reset(arena);
}

static void
test_round_trips(void)
{
    struct buf journal = {0};
    print_marks(&journal);
    check_file("empty", SPAN(""), 10, SPAN(""), "an empty body");
    check_file("small", (struct span){big, 900}, 100, buf_span(&journal), "a small message");
    check_file("edge", (struct span){big, (64 << 10) - 1}, 5000, buf_span(&journal),
               "the largest kept in memory");
    check_file("edge2", (struct span){big, 64 << 10}, 5000, buf_span(&journal),
               "the smallest that is streamed");
    check_file("large", (struct span){big, sizeof big}, 70000, SPAN(""), "a large message");
    check_file("large2", (struct span){big, sizeof big}, 333, buf_span(&journal),
               "a large message with a journal");
    buf_clear(&journal);
}

/* ---- damage ---- */

static void
put(int fd, const char *bytes, size_t len)
{
    if (ftruncate(fd, 0) < 0 || pwrite(fd, bytes, len, 0) != (ssize_t)len)
        abort();
}

static size_t
get(int fd, char *bytes, size_t size)
{
    return (size_t)pread(fd, bytes, size, 0);
}

static void
test_truncations(void)
{
    struct buf journal = {0};
    struct queue_file file;
    char bytes[4096];
    print_marks(&journal);
    int fd = make_file("cut", (struct span){big, 700}, 700, 100, buf_span(&journal));
    size_t size = get(fd, bytes, sizeof bytes), start = size - journal.len, taken = 0, wrong = 0;
    for (size_t len = size; len-- > 0; arena_reset(arena)) {
        if (ftruncate(fd, (off_t)len) < 0)
            abort();
        why.status[0] = '\0';
        int r = read_and_look(fd, &file);
        if (len < start)
            taken += (r != -EBADMSG && r != -EINVAL) || strcmp(why.status, "5.6.0") != 0;
        else /* the entries are equally long */
            wrong += r != 0 ||
                     envelope_count(&file.envelope, RECIPIENT_FAILED) != (len - start) / (journal.len / 2) ||
                     file.journal_end != start + (len - start) / (journal.len / 2) * (journal.len / 2);
    }
    is_int(taken, 0, "a file cut in header, envelope or body is refused, with the reason");
    is_int(wrong, 0, "cut in the journal, it holds what was whole");
    close(fd);
    unlinkat(folder, "cut", 0);
    buf_clear(&journal);
}

static void
test_flips(void)
{
    struct buf journal = {0};
    struct queue_file file;
    struct span small;
    char bytes[4096];
    print_marks(&journal);
    int fd = make_file("flip", (struct span){big, 300}, 300, 100, buf_span(&journal));
    size_t size = get(fd, bytes, sizeof bytes), start = size - journal.len, taken = 0, body_taken = 0,
           unsaid = 0;
    for (size_t bit = 0; bit < size * 8; bit++, arena_reset(arena)) {
        char byte = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        if (pwrite(fd, &byte, 1, (off_t)(bit / 8)) != 1)
            abort();
        why.text[0] = '\0';
        int r = read_and_look(fd, &file);
        bool in_body = bit / 8 >= start - 300 && bit / 8 < start;
        if (in_body)
            body_taken += r != 0 || body_is(&file, (struct span){big, 300}, 4096) != -EBADMSG ||
                          queue_body_small(&file, &small, &why) != -EBADMSG;
        else
            taken += r != -EBADMSG && r != -EINVAL;
        unsaid += why.text[0] == '\0';
        if (pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)) != 1)
            abort();
    }
    is_int(taken, 0, "a file with any bit of header, envelope or journal turned is refused");
    is_int(body_taken, 0, "with one of the body turned, whoever reads the body learns it, small or not");
    is_int(unsaid, 0, "and each time it is said why");
    close(fd);
    unlinkat(folder, "flip", 0);
    buf_clear(&journal);
}

static void
header_line(char line[QUEUE_HEADER_LEN + 1], unsigned long long envelope, unsigned crc, unsigned long long body)
{
    snprintf(line, QUEUE_HEADER_LEN + 1, "VIADUCT1 %08llx %08x %016llx %08x ", envelope, crc, body, 0U);
    snprintf(line + 53, 12, "%08x .\n", crc32c(0, line, 53));
}

/* Header lines with a right checksum, made by somebody who was taken over. */
static void
test_hostile_headers(void)
{
    static const unsigned long long lengths[][2] = {
        {0, 0}, {0xffffffff, 0}, {7, 0xffffffffffffffff}, {7, 0x7fffffffffffffff},
        {8, 0}, {7, 1},          {32 << 20, 0},           {(32 << 20) + 1, 0}};
    struct queue_file file;
    char line[QUEUE_HEADER_LEN + 8], bytes[4096];
    int fd = make_file("hostile", SPAN(""), 1, 100, SPAN(""));
    size_t size = get(fd, bytes, sizeof bytes), len = size - QUEUE_HEADER_LEN, taken = 0;
    unsigned crc = crc32c(0, bytes + QUEUE_HEADER_LEN, len);
    for (unsigned long long below = 1; below <= size + 2;
         below++) { /* lengths that turn over when they are added */
        header_line(line, len, crc, 0 - below);
        memcpy(bytes, line, QUEUE_HEADER_LEN);
        put(fd, bytes, size);
        taken += read_and_look(fd, &file) != -EBADMSG;
        arena_reset(arena);
    }
    header_line(line, len, crc, 0);
    memcpy(bytes, line, QUEUE_HEADER_LEN);
    put(fd, bytes, size);
    ok(read_and_look(fd, &file) == 0 && taken == 0, "no length of a body but the right one is believed");
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        header_line(line, lengths[i][0], crc32c(0, "end 0:\n", 7), lengths[i][1]);
        memcpy(line + QUEUE_HEADER_LEN, "end 0:\n", 7);
        put(fd, line, QUEUE_HEADER_LEN + 7);
        int r = read_and_look(fd, &file);
        taken += r != -EBADMSG && r != -EINVAL;
        arena_reset(arena);
    }
    is_int(taken, 0, "nor one of an envelope");
    header_line(line, 64 << 20, 0, 0);
    put(fd, line, QUEUE_HEADER_LEN);
    if (ftruncate(fd, 128 << 20) < 0)
        abort();
    is_int(read_and_look(fd, &file), -EBADMSG, "an envelope of 64 MiB is refused");
    ok(strstr(why.text, "shorter") != NULL, "unread");
    close(fd);
    unlinkat(folder, "hostile", 0);
    arena_reset(arena);
}

static void
test_other_files(void)
{
    struct queue_file file;
    int ends[2];
    why.text[0] = '\0';
    int r = queue_file_read(folder, arena, &file, &why);
    ok(r < 0 && r != -EBADMSG && r != -EINVAL && why.text[0] != '\0',
       "a folder cannot be read, which is no damage");
    if (pipe(ends) < 0)
        abort();
    is_int(queue_file_read(ends[0], arena, &file, &why), -EBADMSG,
           "a pipe is not waited for: it is no queue file");
    close(ends[0]);
    close(ends[1]);
    r = queue_file_read(-1, arena, &file, &why);
    ok(r == -EBADF && why_is_temporary(&why), "a read that fails is tried again");
    int fd = make_file("shrinks", (struct span){big, 100000}, 100000, 1000, SPAN(""));
    ok(queue_file_read(fd, arena, &file, &why) == 0 && ftruncate(fd, 50000) == 0,
       "a file that is cut under its reader");
    is_int(body_is(&file, (struct span){big, 100000}, 4096), -EBADMSG, "is found out");
    close(fd);
    unlinkat(folder, "shrinks", 0);
    arena_reset(arena);
}

static void
test_small_arena(void)
{
    struct queue_file file;
    struct arena *small = arena_new(20000);
    int fd = make_file("memory", (struct span){big, 100}, 100, 100, SPAN(""));
    struct buf journal = {0};
    while (journal.len < 40000)
        print_marks(&journal);
    queue_file_read(fd, arena, &file, &why);
    queue_file_append(&file, buf_span(&journal));
    is_int(queue_file_read(fd, small, &file, &why), -ENOMEM,
           "a journal larger than a message may have is said to be");
    close(fd);
    unlinkat(folder, "memory", 0);
    arena_free(small);
    buf_clear(&journal);
    arena_reset(arena);
}

/* ---- appending ---- */

static void
count_entry(const struct journal_entry *entry, void *arg)
{
    *(int64_t *)arg = *(int64_t *)arg * 10 + entry->number;
}

static void
append_number(struct queue_file *file, int64_t number, int want, const char *what)
{
    struct buf text = {0};
    journal_print(&(struct journal_entry){.kind = JOURNAL_TRACE, .by = SPAN("somebody"), .number = number},
                  &text);
    is_int(queue_file_append(file, buf_span(&text)), want, "%s", what);
    buf_clear(&text);
}

static int64_t
numbers_in(int fd)
{
    struct queue_file file;
    int64_t numbers = 0;
    int r = queue_file_read(fd, arena, &file, &why);
    if (r == 0)
        r = queue_file_history(&file, arena, count_entry, &numbers, &why);
    return r < 0 ? r : numbers;
}

static void
test_append(void)
{
    struct queue_file file;
    struct buf torn = {0};
    int fd = make_file("append", (struct span){big, 100}, 100, 100, SPAN(""));
    queue_file_read(fd, arena, &file, &why);
    append_number(&file, 1, 0, "an entry is appended");
    append_number(&file, 2, 0, "and one more");
    is_int(numbers_in(fd), 12, "both are there, in order");
    journal_print(
        &(struct journal_entry){.kind = JOURNAL_TRACE, .text = {big, 50}, .by = {big, 59}, .remote = {big, 59}},
        &torn);
    if (pwrite(fd, torn.at, torn.len - 3, (off_t)file.journal_end) < 0)
        abort();
    ok(queue_file_read(fd, arena, &file, &why) == 0 && file.journal_end < file.size, "a torn tail is known");
    append_number(&file, 3, 0, "an entry is appended behind it");
    is_int(numbers_in(fd), 123, "and not lost in it");
    is_int(envelope_count(&file.envelope, RECIPIENT_FAILED), 0, "what was torn never happened");
    if (ftruncate(fd, (off_t)file.journal_end + 5000) < 0)
        abort();
    queue_file_read(fd, arena, &file, &why);
    append_number(&file, 4, 0, "behind a tail of zeroes too");
    is_int(numbers_in(fd), 1234, "it can be read");
    close(fd);
    unlinkat(folder, "append", 0);
    buf_clear(&torn);
    arena_reset(arena);
}

/* ---- a full disk: a limit on the size of files stands in for it ---- */

static void
limit_files(rlim_t size)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void
test_full_while_appending(void)
{
    struct queue_file file;
    int fd = make_file("full", (struct span){big, 100}, 100, 100, SPAN(""));
    queue_file_read(fd, arena, &file, &why);
    append_number(&file, 1, 0, "while there is room an entry is appended");
    uint64_t end = file.journal_end;
    limit_files(end + 20);
    append_number(&file, 2, -EIO, "half an entry is none");
    is_int(file.journal_end, end, "the journal ends where it did");
    is_int(numbers_in(fd), 1, "and can be read");
    limit_files(end);
    append_number(&file, 2, -EFBIG, "none at all neither");
    limit_files(RLIM_INFINITY);
    append_number(&file, 3, 0, "with room again the next is appended");
    is_int(numbers_in(fd), 13, "where the half one was");
    close(fd);
    unlinkat(folder, "full", 0);
    arena_reset(arena);
}

static void
test_full_while_writing(void)
{
    struct recipient recipients[1];
    struct envelope envelope;
    make_envelope(&envelope, recipients, 1);
    struct stat st;
    limit_files(100000);
    struct queue_writer *writer = queue_writer_new(folder, "large", 100, &why);
    int r = 0;
    for (size_t i = 0; i < 4 && r == 0; i++)
        r = queue_writer_add(writer, big, 50000);
    ok(r < 0, "a large message notices a full disk while it comes in");
    is_int(queue_writer_add(writer, "x", 1), r, "and does not forget it");
    limit_files(RLIM_INFINITY);
    is_int(queue_writer_finish(writer, &envelope, SPAN(""), &why), r, "nor finish what lacks a piece");
    ok(why_is_temporary(&why), "the sender may try again");
    queue_writer_drop(writer);
    ok(fstatat(folder, "large", &st, 0) < 0 && errno == ENOENT, "the file is gone");
    for (rlim_t size = 0; size < 300; size += 10) {
        limit_files(size);
        int fd = make_file("small", (struct span){big, 100}, 100, 100, SPAN(""));
        limit_files(RLIM_INFINITY);
        if (fd >= 0 || fstatat(folder, "small", &st, 0) == 0 || !why_is_temporary(&why))
            r = 1;
    }
    ok(r < 0, "a small one is refused wherever the disk ends, and leaves nothing");
}

static void
test_writer_refuses(void)
{
    struct stat st;
    int fd = make_file("there", SPAN("x"), 1, 100, SPAN(""));
    is_int(make_file("there", SPAN("y"), 1, 100, SPAN("")), -EEXIST,
           "a file that is there is not written over");
    close(fd);
    if (symlinkat("elsewhere", folder, "link") < 0)
        abort();
    ok(make_file("link", SPAN("y"), 1, 100, SPAN("")) < 0 && fstatat(folder, "elsewhere", &st, 0) < 0,
       "no link is followed");
    unlinkat(folder, "link", 0);
    fd = make_file("reserve", (struct span){big, 100000}, 100000, 10, SPAN(""));
    ok(fd < 0 && fstatat(folder, "reserve", &st, 0) < 0,
       "an envelope larger than its reserve makes no file, but no harm");
    fstatat(folder, "there", &st, 0);
    is_int(st.st_mode & 0777, 0660, "a file is for workers only");
    unlinkat(folder, "there", 0);
    struct queue_writer *writer = queue_writer_new(folder, "left", 10, &why);
    queue_writer_leave(writer);
    is_int(fstatat(folder, "left", &st, 0), 0, "a file that is left to another stays");
    unlinkat(folder, "left", 0);
    queue_writer_drop(NULL);
}

int
main(void)
{
    const char *path = tap_folder();
    signal(SIGXFSZ, SIG_IGN);
    umask(0007);
    folder = open(path, O_RDONLY | O_DIRECTORY);
    arena = arena_new(256 << 20);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = i % 61 == 60 ? '\n' : (char)('A' + i * 7 % 57);
    test_round_trips();
    test_truncations();
    test_flips();
    test_hostile_headers();
    is_int(looked_different, 0, "a look sees what a reader reads, and the same damage");
    test_other_files();
    test_small_arena();
    test_append();
    test_full_while_appending();
    test_full_while_writing();
    test_writer_refuses();
    arena_free(arena);
    close(folder);
    ok(rmdir(path) == 0, "nothing is left behind");
    return tap_done();
}
