/* mkmsg.c - writes queue files into a folder of a spool, for scenario tests
 *
 *     mkmsg SPOOL FOLDER CONNECTOR [options]           ("-" for folders there is one of)
 *
 *     --from A          envelope sender (default alice@host.example; "" is the null reverse-path)
 *     --rcpt A          a recipient, repeated (default bob@branch.example)
 *     --age TIME        how long ago it was accepted: 30s, 5m, 2h, 3d
 *     --size N          the body is filled up to N bytes: 512, 10K, 25M
 *     --body TEXT       text of the body (a header is written before it), or --body-file FILE: header and body
 *     --at SECONDS      in Deferred or Hold: the time in the name (default 0)
 *     --attempts N      transfers tried before, failed with --status S and --reason TEXT
 *     --origin NAME  --via NAME  --class C  --msgid M  --subject S  --id ID  --notify N
 *     --why TEXT        a note beside it (Badmail), from the stage --stage NAME (default cleanup)
 *     --count N         so many of them
 *
 * Prints the name of each. The file is made in Temp and moved, so a running worker never sees half of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/header_scan.h"
#include "common/log.h"
#include "common/queue_file.h"
#include "spool-layout/layout.h"

enum { RCPTS_MAX = 2000 };

struct wish {
    const char *from, *body, *body_file, *status, *reason, *origin, *via, *class, *msgid, *subject, *id, *why,
        *stage;
    const char *rcpts[RCPTS_MAX];
    size_t n_rcpts;
    int64_t age_s, size, at_s, attempts, notify, count;
};

static _Noreturn void
fail(const char *what, const char *detail)
{
    fprintf(stderr, "mkmsg: %s: %s\n", what, detail);
    exit(2);
}

static int64_t
with_unit(const char *text, const char *units, const int64_t *factors)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    if (end == text || errno != 0 || n < 0 || (*end != '\0' && (unit == NULL || end[1] != '\0')))
        fail("not a number with a unit", text);
    return n * (unit != NULL ? factors[unit - units] : 1);
}

static int64_t
seconds(const char *text)
{
    static const int64_t factors[] = {1, 60, 3600, 86400};
    return with_unit(text, "smhd", factors);
}

static int64_t
bytes(const char *text)
{
    static const int64_t factors[] = {1 << 10, 1 << 20, 1 << 30};
    return with_unit(text, "KMG", factors);
}

static void
take_option(struct wish *wish, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        int64_t *number;
        int64_t (*read)(const char *);
    } options[] = {
        {"--from", &wish->from, NULL, NULL},
        {"--body", &wish->body, NULL, NULL},
        {"--status", &wish->status, NULL, NULL},
        {"--reason", &wish->reason, NULL, NULL},
        {"--origin", &wish->origin, NULL, NULL},
        {"--via", &wish->via, NULL, NULL},
        {"--class", &wish->class, NULL, NULL},
        {"--msgid", &wish->msgid, NULL, NULL},
        {"--subject", &wish->subject, NULL, NULL},
        {"--id", &wish->id, NULL, NULL},
        {"--why", &wish->why, NULL, NULL},
        {"--stage", &wish->stage, NULL, NULL},
        {"--body-file", &wish->body_file, NULL, NULL},
        {"--age", NULL, &wish->age_s, seconds},
        {"--size", NULL, &wish->size, bytes},
        {"--at", NULL, &wish->at_s, seconds},
        {"--attempts", NULL, &wish->attempts, bytes},
        {"--notify", NULL, &wish->notify, bytes},
        {"--count", NULL, &wish->count, bytes},
    };
    if (strcmp(name, "--rcpt") == 0 && wish->n_rcpts < RCPTS_MAX) {
        wish->rcpts[wish->n_rcpts++] = value;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (options[i].text != NULL)
            *options[i].text = value;
        else
            *options[i].number = options[i].read(value);
        return;
    }
    fail("no such option", name);
}

/* An id of the past: the first 48 of its 130 bits are milliseconds. */
static void
make_id(const struct wish *wish, char id[ID_LEN + 1])
{
    static const char digits[33] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    if (wish->id != NULL) {
        if (id_time_ms(wish->id) < 0)
            fail("not an id", wish->id);
        snprintf(id, ID_LEN + 1, "%s", wish->id);
        return;
    }
    id_new(id);
    int64_t ms = time_ms() - wish->age_s * 1000;
    size_t tenth = (size_t)(strchr(digits, id[9]) - digits);
    id[9] = digits[((size_t)ms & 7) << 2 | (tenth & 3)];
    ms >>= 3;
    for (int i = 8; i >= 0; i--, ms >>= 5)
        id[i] = digits[ms & 31];
}

static struct address
make_address(const char *text, struct arena *arena)
{
    struct address address = {SPAN("SMTP"), SPAN("")};
    struct why why;
    if (text[0] != '\0' && address_parse(span_of(text), arena, &address, &why) < 0)
        fail(text, why.text);
    return address;
}

/* ---- the body ---- */

static void
add_body(struct queue_writer *writer, struct header_scan *scan, struct span text)
{
    if (!scan->ended)
        header_scan_feed(scan, text.at, text.len);
    if (queue_writer_add(writer, text.at, text.len) < 0)
        fail("cannot write", strerror(errno));
}

static void
add_file(struct queue_writer *writer, struct header_scan *scan, const char *path)
{
    char block[64 * 1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path, strerror(errno));
    for (ssize_t n; (n = read(fd, block, sizeof block)) > 0;)
        add_body(writer, scan, (struct span){block, (size_t)n});
    close(fd);
}

static void
write_body(const struct wish *wish, struct queue_writer *writer, struct header_scan *scan)
{
    static const char filler[] = "The quick brown fox jumps over the lazy dog, again and again and again.\n";
    char date[40];
    struct buf header = {0};
    if (wish->body_file != NULL) {
        add_file(writer, scan, wish->body_file);
        return;
    }
    header_date(time_ms() / 1000 - wish->age_s, date);
    buf_printf(&header, "From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: %s\n\n", wish->from,
               wish->rcpts[0], wish->subject, date, wish->msgid);
    add_body(writer, scan, buf_span(&header));
    buf_clear(&header);
    add_body(writer, scan, span_of(wish->body));
    add_body(writer, scan, SPAN("\n"));
    while ((int64_t)queue_writer_bytes(writer) < wish->size)
        add_body(writer, scan, (struct span){filler, sizeof filler - 1});
}

/* ---- the envelope ---- */

static void
make_envelope(const struct wish *wish, const char *id, struct arena *arena, struct envelope *envelope)
{
    *envelope = (struct envelope){.id = span_of(id),
                                  .arrival_ms = id_time_ms(id),
                                  .origin = span_of(wish->origin),
                                  .class = span_of(wish->class),
                                  .msgid = span_of(wish->msgid),
                                  .subject = span_of(wish->subject),
                                  .protocol = SPAN("ESMTP"),
                                  .client = SPAN("127.0.0.1"),
                                  .via = span_of(wish->via)};
    envelope->next_report = 1;
    envelope->originator = make_address(wish->from, arena);
    envelope->n_recipients = wish->n_rcpts;
    envelope->recipients = arena_alloc(arena, wish->n_rcpts * sizeof *envelope->recipients);
    for (size_t i = 0; i < wish->n_rcpts; i++) {
        envelope->recipients[i].address = make_address(wish->rcpts[i], arena);
        envelope->recipients[i].kind = 1;
        envelope->recipients[i].notify = wish->notify;
    }
}

static void
make_journal(const struct wish *wish, struct buf *journal)
{
    for (int64_t i = 0; i < wish->attempts; i++) {
        struct journal_entry entry = {.kind = JOURNAL_ATTEMPT,
                                      .time_ms = time_ms(),
                                      .by = SPAN("outbound-gateway"),
                                      .status = span_of(wish->status),
                                      .text = span_of(wish->reason),
                                      .remote = SPAN("dns; mx.branch.example"),
                                      .next_s = wish->at_s};
        journal_print(&entry, journal);
    }
}

static void
write_note(const struct wish *wish, int folder_fd, const char *id)
{
    char name[QUEUE_NAME_MAX + 8];
    struct buf line = {0};
    snprintf(name, sizeof name, "%s.why", id);
    log_print_pair(&line, "by", span_of(wish->stage));
    log_print_pair(&line, "why", span_of(wish->why));
    buf_add_byte(&line, '\n');
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0 || write(fd, line.at, line.len) != (ssize_t)line.len)
        fail(name, strerror(errno));
    close(fd);
    buf_clear(&line);
}

static void
make_message(const struct wish *wish, int temp_fd, int folder_fd, enum folder folder)
{
    char id[ID_LEN + 1], name[QUEUE_NAME_MAX];
    struct why why = {0};
    struct envelope envelope;
    struct header_scan scan;
    struct buf journal = {0};
    struct arena *arena = arena_new(8 << 20);
    make_id(wish, id);
    make_envelope(wish, id, arena, &envelope);
    struct queue_writer *writer = queue_writer_new(temp_fd, id, 4096 + wish->n_rcpts * 300, &why);
    if (writer == NULL)
        fail("cannot begin a file", why.text);
    header_scan_start(&scan, NULL);
    write_body(wish, writer, &scan);
    if (!scan.ended)
        header_scan_finish(&scan);
    envelope.header_bytes = (int64_t)scan.bytes;
    make_journal(wish, &journal);
    int fd = queue_writer_finish(writer, &envelope, buf_span(&journal), &why);
    if (fd < 0)
        fail("cannot finish a file", why.text);
    queue_writer_drop(writer);
    close(fd);
    snprintf(name, sizeof name, "%s", id);
    if (folder == FOLDER_DEFERRED || folder == FOLDER_HOLD)
        queue_name_at(id, wish->at_s, name);
    if (wish->why != NULL)
        write_note(wish, folder_fd, id);
    int r = spool_move(temp_fd, id, folder_fd, name);
    if (r < 0)
        fail("cannot move it", strerror(-r));
    puts(name);
    buf_clear(&journal);
    arena_free(arena);
}

int
main(int argc, char **argv)
{
    struct wish wish = {.from = "alice@host.example",
                        .body = "Hello.",
                        .status = "4.4.1",
                        .reason = "cannot connect to mx.branch.example: Connection refused",
                        .origin = "host",
                        .via = "",
                        .class = "IPM.Note",
                        .msgid = "<test@host.example>",
                        .subject = "test",
                        .stage = "cleanup",
                        .count = 1};
    if (argc < 4)
        fail("usage", "mkmsg SPOOL FOLDER CONNECTOR [--OPTION VALUE]...");
    for (int i = 4; i < argc; i += 2) {
        if (i + 1 >= argc)
            fail("option without value", argv[i]);
        take_option(&wish, argv[i], argv[i + 1]);
    }
    if (wish.n_rcpts == 0)
        wish.rcpts[wish.n_rcpts++] = "bob@branch.example";
    enum folder folder = folder_by_name(argv[2]);
    if (folder == FOLDER_COUNT)
        fail("no such folder", argv[2]);
    int spool_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int temp_fd = spool_fd < 0 ? -1 : folder_open(spool_fd, FOLDER_TEMP, NULL);
    int folder_fd = spool_fd < 0 ? -1 : folder_open(spool_fd, folder, argv[3]);
    if (temp_fd < 0 || folder_fd < 0)
        fail("the spool or its folder is not there", argv[1]);
    id_start(1, (uint16_t)(getpid() & 0xffff));
    for (int64_t i = 0; i < wish.count; i++)
        make_message(&wish, temp_fd, folder_fd, folder);
    return 0;
}
