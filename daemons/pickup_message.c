/* pickup_message.c - a dropped file written anew as a message of ours (see pickup.h)
 *
 * The file is read once, by one descriptor: its beginning into memory until the header is whole, the rest in
 * pieces. Line ends become LF on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/utf8.h"
#include "daemons/pickup.h"

enum { PIECE = 64 << 10, LINES_MAX = 4 << 20 /* what envelope lines may have beside the header */ };

/* ---- reading ---- */

/* Adds the next piece of the file, with LF line ends (a CR alone ends a line too: it must not reach a system
 * that takes it for something else). Returns 1, 0 at the end, or -errno. */
static int
read_piece(struct intake *in, struct buf *out)
{
    buf_reserve(out, PIECE + 1);
    char *to = out->at + out->len;
    ssize_t n = pread(in->job->fd, to, PIECE, in->at);
    if (n < 0)
        return -errno;
    in->ended = n == 0;
    in->at += n;
    size_t kept = 0;
    for (size_t i = 0; i < (size_t)n; i++) { /* in place: never more bytes than before */
        char c = to[i];
        bool skip = c == '\n' && in->cr;
        in->cr = c == '\r';
        if (!skip)
            to[kept++] = c == '\r' ? '\n' : c;
    }
    out->len += kept;
    to[kept] = '\0';
    return n > 0;
}

/* Reads until the header is whole: an empty line, the end of the file, or the limit. */
static int
read_head(struct intake *in)
{
    size_t limit = (size_t)in->service->root->host.limits.header + LINES_MAX;
    size_t looked = 0;
    while (in->head.len < limit) {
        int r = read_piece(in, &in->head);
        if (r <= 0)
            return r;
        if (memmem(in->head.at + looked, in->head.len - looked, "\n\n", 2) != NULL || in->head.at[0] == '\n')
            return 0;
        looked = in->head.len > 0 ? in->head.len - 1 : 0;
    }
    return 0;
}

/* ---- writing ---- */

static int
add(struct intake *in, const char *at, size_t len)
{
    if (len > 0)
        in->last = at[len - 1];
    return maker_add(in->maker, at, len);
}

static int
add_body(struct intake *in, const char *at, size_t len)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        all |= word;
    }
    for (; i < len; i++)
        all |= (unsigned char)at[i];
    in->eight_bit = in->eight_bit || (all & UINT64_C(0x8080808080808080)) != 0;
    in->nul = in->nul || (len > 0 && memchr(at, '\0', len) != NULL);
    return add(in, at, len);
}

/* The fields that we put before those of the message. */
static void
print_own_fields(const struct intake *in, const struct header_scan *scan, struct buf *out)
{
    char date[40];
    header_date(in->envelope->arrival_ms / 1000, date);
    buf_printf(out, "Received: %s\n\twith local id %s (uid %u);\n\t%s\n", in->mark, in->id,
               (unsigned)in->stat.st_uid, date);
    if (!scan->has_date)
        buf_printf(out, "Date: %s\n", date);
    if (!scan->has_msgid)
        buf_printf(out, "Message-ID: %.*s\n", (int)in->envelope->msgid.len, in->envelope->msgid.at);
    if (!scan->has_from && in->envelope->originator.value.len > 0)
        buf_printf(out, "From: %.*s\n", (int)in->envelope->originator.value.len,
                   in->envelope->originator.value.at);
    else if (!scan->has_from)
        buf_printf(out, "From: MAILER-DAEMON@%s\n", in->rules->domain);
}

/* Fields that end here: who gets a blind copy is nobody's business, and a return path is the last system's to
 * write. */
static bool
is_dropped_field(struct span line)
{
    static const struct span names[] = {{"Bcc", 3}, {"Resent-Bcc", 10}, {"Return-Path", 11}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (header_line_is(line, names[i]))
            return true;
    return false;
}

/* Adds the message's header without those fields, with the empty line at its end. */
static void
print_header(struct span header, struct buf *out)
{
    bool drop = false, empty = false;
    while (header.len > 0) {
        const char *end = memchr(header.at, '\n', header.len);
        size_t n = end != NULL ? (size_t)(end - header.at) : header.len;
        if (n == 0 || (header.at[0] != ' ' && header.at[0] != '\t'))
            drop = is_dropped_field((struct span){header.at, n});
        empty = n == 0;
        if (!drop) {
            buf_add(out, header.at, n);
            buf_add_byte(out, '\n');
        }
        header.at += n + (end != NULL);
        header.len -= n + (end != NULL);
    }
    if (!empty)
        buf_add_byte(out, '\n');
}

/* ---- the envelope ---- */

static void
start_envelope(struct intake *in)
{
    struct arena *arena = in->job->arena;
    in->envelope = arena_alloc(arena, sizeof *in->envelope);
    BUG_UNLESS(in->envelope != NULL); /* the arena is fresh */
    id_new(in->id);
    in->envelope->id = span_of(arena_copy(arena, span_of(in->id)));
    in->envelope->arrival_ms = time_ms();
    in->envelope->origin = SPAN("host");
    in->envelope->class = SPAN("IPM.Note");
    in->envelope->protocol = SPAN("local");
    in->envelope->client = span_of(arena_printf(arena, "uid %u", (unsigned)in->stat.st_uid));
    in->envelope->originator = (struct address){SPAN("SMTP"), SPAN("")};
    in->envelope->replaces = span_of(arena_printf(arena, "%llu %s/%s", (unsigned long long)in->stat.st_ino,
                                                  folder_table[FOLDER_DROP].path, in->name));
}

/* Envelope lines, or the header's fields. A line that mailboxes begin messages with is passed over. */
static int
read_envelope(struct intake *in, struct span *text, struct header_scan *scan)
{
    struct arena *arena = in->job->arena;
    int lines = drop_envelope_lines(text, in->rules, arena, in->envelope, &in->why);
    if (lines == 0 && span_starts_nocase(*text, SPAN("From ")) && memchr(text->at, '\n', text->len) != NULL) {
        const char *end = memchr(text->at, '\n', text->len);
        text->len -= (size_t)(end + 1 - text->at);
        text->at = end + 1;
    }
    header_scan_start(scan, in->mark);
    header_scan_feed(scan, text->at, text->len);
    if (!scan->ended && !in->ended)
        return why_set(&in->why, "5.3.4", "its header is larger than limits.header of the host");
    header_scan_finish(scan);
    if (scan->bytes > in->service->root->host.limits.header)
        return why_set(&in->why, "5.3.4", "its header is larger than limits.header of the host");
    if (scan->has_nul)
        return why_set(&in->why, "5.6.0", "its header holds a NUL");
    if (lines != 0)
        return lines < 0 ? lines : 0;
    return drop_envelope_header((struct span){text->at, (size_t)scan->bytes}, in->rules, arena, in->envelope,
                                &in->why);
}

static int
complete_envelope(struct intake *in, const struct header_scan *scan, struct span header)
{
    struct envelope *envelope = in->envelope;
    struct arena *arena = in->job->arena;
    const char *msgid = scan->has_msgid ? arena_copy(arena, span_of(scan->msgid))
                                        : arena_printf(arena, "<%s@%s>", in->id, in->rules->domain);
    const char *subject = in->service->root->log.subjects ? arena_copy(arena, span_of(scan->subject)) : "";
    if (msgid == NULL || subject == NULL)
        return why_set(&in->why, "5.3.0", "its envelope is larger than this worker's memory for a message");
    envelope->msgid = span_of(msgid);
    envelope->subject = span_of(subject);
    envelope->hops = scan->hops;
    envelope->loops = scan->loops;
    envelope->utf8 = envelope->utf8 || (scan->eight_bit && utf8_valid(header));
    in->eight_bit = scan->eight_bit;
    return 0;
}

/* Room for the envelope, with the numbers that are not known yet. */
static size_t
envelope_room(struct envelope *envelope)
{
    struct buf size = {0};
    struct envelope largest = *envelope;
    largest.header_bytes = INT32_MAX;
    largest.body8bit = true;
    envelope_print(&largest, &size);
    size_t room = size.len + 64;
    buf_clear(&size);
    return room;
}

/* ---- one file ---- */

/* Copies what is left of the file, and ends it with a line end. */
static int
copy_rest(struct intake *in)
{
    struct buf piece = {0};
    int r = 0;
    while (r == 0 && !in->ended) {
        buf_reset(&piece);
        r = read_piece(in, &piece);
        r = r > 0 ? add_body(in, piece.at, piece.len) : r;
    }
    if (r == 0 && in->last != '\n')
        r = add(in, "\n", 1);
    buf_clear(&piece);
    return r;
}

/* True where the name still stands for the file that was read, and nobody wrote to it meanwhile. */
static bool
is_unchanged(const struct intake *in)
{
    struct stat now, named;
    int drop = service_folder(in->service, FOLDER_DROP, NULL);
    return fstat(in->job->fd, &now) == 0 && now.st_size == in->stat.st_size && in->at == now.st_size &&
           now.st_nlink == 1 && now.st_mtim.tv_sec == in->stat.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == in->stat.st_mtim.tv_nsec &&
           fstatat(drop, in->name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == now.st_ino &&
           named.st_dev == now.st_dev;
}

static void
commit(struct intake *in, enum verdict verdict, enum track_event track)
{
    struct maker_goal goal = {.from = FOLDER_DROP,
                              .verdict = verdict,
                              .connector = "host",
                              .track = track,
                              .source_fd = service_folder(in->service, FOLDER_DROP, NULL),
                              .source_name = in->name,
                              .source_inode = in->stat.st_ino};
    /* quoted: what stands in quotes is left out of signatures, so equal faults of different files are one */
    why_set(&goal.why, in->why.status, "%s%s\"%.200s\", uid %u", in->why.text,
            in->why.text[0] != '\0' ? "; file " : "file ", in->name, (unsigned)in->stat.st_uid);
    maker_commit(in->maker, &goal, in->done, in->job);
    in->maker = NULL;
}

/* The spool or the file failed, not the message: it stays and is looked at again. */
static enum pickup_outcome
leave(struct intake *in, int failed, const char *what)
{
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s: %s: %s; it stays in %s and is taken later", in->name, what,
            in->why.text[0] != '\0' ? in->why.text : strerror(-failed), folder_name(FOLDER_DROP));
    return PICKUP_LEFT;
}

static enum pickup_outcome
take_message(struct intake *in)
{
    struct header_scan scan;
    struct buf out = {0};
    int r = read_head(in);
    if (r < 0)
        return leave(in, r, "cannot be read");
    struct span text = buf_span(&in->head);
    start_envelope(in);
    r = read_envelope(in, &text, &scan);
    struct span header = {text.at, (size_t)scan.bytes};
    if (r < 0 || complete_envelope(in, &scan, header) < 0)
        return PICKUP_BAD;
    print_own_fields(in, &scan, &out);
    print_header(header, &out);
    in->envelope->header_bytes = (int64_t)out.len;
    in->maker = maker_new(in->service, in->id, in->envelope, envelope_room(in->envelope), &in->why);
    r = in->maker == NULL ? -errno : add(in, out.at, out.len);
    buf_clear(&out);
    if (r == 0)
        r = add_body(in, header.at + header.len, text.len - header.len);
    if (r == 0)
        r = copy_rest(in);
    if (r < 0)
        return leave(in, r, "cannot be written");
    if (in->nul) {
        why_set(&in->why, "5.6.0", "it holds a NUL");
        return PICKUP_BAD;
    }
    if (!is_unchanged(in))
        return PICKUP_LEFT;
    in->envelope->body8bit = in->eight_bit;
    counter_add(COUNTER_MESSAGES_IN, 1);
    counter_add(COUNTER_BYTES_IN, (int64_t)maker_bytes(in->maker));
    commit(in, VERDICT_ACCEPT, TRACK_RECEIVE);
    return PICKUP_TAKEN;
}

/* Keeps the file for a person: its bytes as they are, but for line ends, and the reason in the journal. */
static enum pickup_outcome
take_bad(struct intake *in)
{
    struct why reason = in->why;
    maker_drop(in->maker);
    in->at = 0;
    in->cr = in->ended = false;
    in->last = '\n';
    start_envelope(in);
    in->why = (struct why){.text = ""};
    in->maker = maker_new(in->service, in->id, in->envelope, envelope_room(in->envelope), &in->why);
    int r = in->maker == NULL ? -errno : copy_rest(in);
    if (r < 0)
        return leave(in, r, "cannot be written");
    if (!is_unchanged(in))
        return PICKUP_LEFT;
    in->envelope->body8bit = in->eight_bit;
    in->why = reason;
    maker_journal(in->maker, &(struct journal_entry){.kind = JOURNAL_TRACE,
                                                     .time_ms = in->envelope->arrival_ms,
                                                     .by = span_of(in->service->instance),
                                                     .from = span_of(folder_name(FOLDER_DROP)),
                                                     .to = span_of(folder_name(FOLDER_BADMAIL)),
                                                     .verdict = span_of(verdict_word(VERDICT_BAD)),
                                                     .status = span_of(reason.status),
                                                     .text = span_of(reason.text)});
    counter_add(COUNTER_REFUSED_IN, 1);
    commit(in, VERDICT_BAD, TRACK_COUNT);
    return PICKUP_TAKEN;
}

enum pickup_outcome
pickup_copy(struct intake *in)
{
    enum pickup_outcome outcome = PICKUP_BAD;
    if (in->job->poison) /* put aside unread: reading it ended the worker before */
        why_set(&in->why, "5.3.0", "reading it ended the worker %s again and again", in->service->instance);
    else
        outcome = take_message(in);
    if (outcome == PICKUP_BAD)
        outcome = take_bad(in);
    maker_drop(in->maker);
    buf_clear(&in->head);
    return outcome;
}
