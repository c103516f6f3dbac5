/* injection-t.c - S5: what a peer, a directory or GroupWise says is never the beginning of a line of ours
 *
 * 100,000 values, made of line ends of every kind (CR, LF, NUL, VT, FF, NEL, U+2028, U+2029, and all of them as
 * xtext, encoded words, percent and backslash escapes), 8-bit octets and a field of a header, are given to
 * everything that writes: log, tracking, JSON, envelope, reports, items for GroupWise and messages from it.
 * Whatever reads lines, by whichever of these ends, may find none that begins with that field.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "common/dsn.h"
#include "common/json_out.h"
#include "common/track_read.h"
#include "systems/gwise/container.h"
#include "systems/gwise/convert.h"
#include "t/smtp_downgrade_rig.h"
#include "t/tap.h"

enum { CASES = 100000, PIECES = 6 };

static const struct span evil = {"X-Evil: 1", 9};

#define PIECE(literal)                                                                                         \
    {                                                                                                          \
        literal, sizeof(literal) - 1                                                                           \
    }

static const struct span pieces[] = {
    PIECE("\r"),
    PIECE("\n"),
    PIECE("\r\n"),
    PIECE("\0"),
    PIECE("\v"),
    PIECE("\f"),
    PIECE("\xc2\x85"),
    PIECE("\xe2\x80\xa8"),
    PIECE("\xe2\x80\xa9"),
    PIECE("\x85"),
    PIECE("\xff"),
    PIECE("\xc3"),
    PIECE("\xc3\xbc"),
    PIECE("+0D+0A"),
    PIECE("+0A"),
    PIECE("\\x{0A}"),
    PIECE("\\x{2028}"),
    PIECE("\\n"),
    PIECE("%0D%0A"),
    PIECE("=0A"),
    PIECE("=?utf-8?Q?=0AX-Evil:_1?="),
    PIECE("=?utf-8?B?ClgtRXZpbDogMQ==?="),
    PIECE("=?utf-8?Q?=E2=80=A8X-Evil:_1?="),
    PIECE("&#10;"),
    PIECE("\""),
    PIECE("\\"),
    PIECE("<"),
    PIECE(">"),
    PIECE("@"),
    PIECE(" "),
    PIECE("\t"),
    PIECE("."),
    PIECE(","),
    PIECE("("),
    PIECE("a@in.example"),
    PIECE("\x1b[2J"),
    PIECE("\n\n"),
    PIECE("--"),
    PIECE("rfc822;"),
};

static uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);

static size_t
draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 11) % below;
}

/* A new value each time; the field stands behind each piece that may end a line. */
static struct span
value_of(struct buf *out)
{
    buf_reset(out);
    buf_add_text(out, "v");
    for (size_t i = 0, n = 1 + draw(PIECES); i < n; i++) {
        buf_add_span(out, pieces[draw(COUNT_OF(pieces))]);
        if (draw(3) > 0)
            buf_add_span(out, evil);
    }
    return buf_span(out);
}

/* ---- readers ---- */

/* Behind which octet does a line of anybody's begin? The length of the line end at this place; 0: none. */
static size_t
line_end(struct span text)
{
    static const struct span ends[] = {PIECE("\n"),           PIECE("\r"),          PIECE("\0"),
                                       PIECE("\v"),           PIECE("\f"),          PIECE("\xc2\x85"),
                                       PIECE("\xe2\x80\xa8"), PIECE("\xe2\x80\xa9")};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (text.len >= ends[i].len && memcmp(text.at, ends[i].at, ends[i].len) == 0)
            return ends[i].len;
    return 0;
}

static bool
has_evil_line(struct span text)
{
    bool begins = true;
    while (text.len > 0) {
        if (begins && text.len >= evil.len && memcmp(text.at, evil.at, evil.len) == 0)
            return true;
        size_t end = line_end(text);
        begins = end > 0;
        text.at += end > 0 ? end : 1;
        text.len -= end > 0 ? end : 1;
    }
    return false;
}

static size_t
count_lines(struct span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.at[i] == '\n';
    return n;
}

/* ---- writers: each adds what it wrote of the value to `out`; false where it is wrong already ---- */

static bool
write_pair(struct span value, struct buf *out)
{
    log_print_pair(out, "why", value);
    return count_lines(buf_span(out)) == 0;
}

static bool
write_json(struct span value, struct buf *out)
{
    struct json json;
    json_start(&json, out);
    json_begin_object(&json, NULL);
    json_add_span(&json, "why", value);
    json_end_object(&json);
    return count_lines(buf_span(out)) == 0;
}

static int log_fd, track_folder;

static void
take_file(int fd, struct buf *out)
{
    char bytes[65536];
    for (ssize_t n; (n = pread(fd, bytes, sizeof bytes, (off_t)out->len)) > 0;)
        buf_add(out, bytes, (size_t)n);
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        exit(1);
}

static bool
write_log(struct span value, struct buf *out)
{
    struct log_line line = log_begin(LOG_SESSIONS, LEVEL_MINIMUM, "ID");
    log_add(&line, "helo", value);
    log_end(&line);
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "it said %.*s", (int)value.len, value.at);
    log_flush();
    take_file(log_fd, out);
    return count_lines(buf_span(out)) == 2;
}

static bool
write_track(struct span value, struct buf *out)
{
    static int fd = -1;
    track_add(&(struct track_record){.event = TRACK_FAIL,
                                     .id = "ID",
                                     .connector = "c",
                                     .sender = value,
                                     .rcpt = value,
                                     .translated = value,
                                     .msgid = value,
                                     .subject = value,
                                     .reason = value,
                                     .remote = value});
    log_flush();
    if (fd < 0) {
        struct span stem;
        int64_t day_ms;
        for (int day = -1; day < 2 && fd < 0; day++) {
            char name[60];
            time_t at = (time_t)(time_ms() / 1000) + day * 86400;
            strftime(name, sizeof name, "t.%Y%m%d", gmtime(&at));
            if (track_file_parse(name, &stem, &day_ms))
                fd = openat(track_folder, name, O_RDWR | O_CLOEXEC);
        }
    }
    take_file(fd, out);
    return count_lines(buf_span(out)) == 1;
}

static struct arena *arena;

/* Length-prefixed: what is believed again is the same, and nobody was added. */
static bool
write_envelope(struct span value, struct buf *out)
{
    struct recipient r = {.address = {SPAN("X400"), value}, .kind = 1, .orcpt = value};
    struct envelope envelope = {.id = SPAN("06GVK4N5D00000000000000001"),
                                .arrival_ms = 1,
                                .origin = SPAN("host"),
                                .class = SPAN("IPM.Note"),
                                .originator = {SPAN("SMTP"), SPAN("a@in.example")},
                                .envid = value,
                                .helo = value,
                                .recipients = &r,
                                .n_recipients = 1},
                    again;
    struct buf records = {0};
    struct why why;
    struct address address;
    bool sound = address_make(SPAN("X400"), value, false, arena, &address, &why) == 0;
    if (sound) {
        envelope_print(&envelope, &records);
        int read = envelope_parse(buf_span(&records), 10, arena, &again, &why);
        sound = read < 0 ||
                (again.n_recipients == 1 && span_equal(again.envid, value) && span_equal(again.helo, value));
        buf_clear(&records);
    } else {
        sound = true;
    }
    buf_add_text(out, "checked above");
    arena_reset(arena);
    return sound;
}

static int
collect(void *arg, const void *bytes, size_t len)
{
    buf_add(arg, bytes, len);
    return 0;
}

static int
hex_value(char c)
{
    const char *digits = "0123456789ABCDEF", *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* The part that people read is seen as they see it: quoted-printable decoded. */
static void
decode_text(struct buf *out)
{
    static const struct span begin = PIECE("quoted-printable\nContent-Description: Notification\n\n"),
                             end = PIECE("\n--=_");
    const char *from = memmem(out->at, out->len, begin.at, begin.len);
    const char *to = from != NULL ? memmem(from, out->len - (size_t)(from - out->at), end.at, end.len) : NULL;
    if (to == NULL)
        return;
    size_t keep = (size_t)(from - out->at), text = keep + begin.len, text_end = (size_t)(to - out->at);
    for (size_t i = keep; i < out->len; i++) {
        bool quoted = i >= text && i + 2 < text_end && out->at[i] == '=';
        int high = quoted ? hex_value(out->at[i + 1]) : -1, low = quoted ? hex_value(out->at[i + 2]) : -1;
        if (quoted && out->at[i + 1] == '\n') {
            i++;
        } else {
            out->at[keep++] = (char)(high >= 0 && low >= 0 ? high * 16 + low : out->at[i]);
            i += high >= 0 && low >= 0 ? 2 : 0;
        }
    }
    out->len = keep;
}

static int report_fd;

static bool
write_report(struct span value, struct buf *out)
{
    static const char message[] = "From: a@in.example\nSubject: x\n\nx\n";
    struct buf whole = {0};
    struct recipient r = {.address = {SPAN("SMTP"), value},
                          .state = RECIPIENT_FAILED,
                          .kind = 1,
                          .status = value,
                          .text = value,
                          .remote = value,
                          .orcpt = value};
    struct queue_file about = {.fd = report_fd, .body_bytes = 0};
    struct dsn_texts texts = {{NULL}};
    struct dsn dsn = {.about = &about,
                      .id = "06GVK4N5D00000000000000002",
                      .node = "gw1.contoso.example",
                      .domain = "contoso.example",
                      .from = "MAILER-DAEMON@contoso.example",
                      .postmaster = "postmaster@contoso.example",
                      .texts = &texts,
                      .return_bytes = 1000,
                      .now_s = 1795591700};
    struct why why;
    bool in_header = draw(2) > 0; /* the message's own subject, decoded for the text that people read */
    buf_add_text(&whole, "From: a@in.example\nSubject: ");
    for (size_t i = 0; i < value.len && in_header; i++)
        buf_add_byte(&whole, value.at[i] == '\n' ? ' ' : value.at[i]);
    buf_add_text(&whole, "\n\nx\n");
    if (!in_header) {
        buf_reset(&whole);
        buf_add_text(&whole, message);
    }
    if (ftruncate(report_fd, 0) < 0 || pwrite(report_fd, whole.at, whole.len, 0) != (ssize_t)whole.len)
        return false;
    about.body_bytes = whole.len;
    about.envelope = (struct envelope){.originator = {SPAN("SMTP"), SPAN("a@in.example")},
                                       .id = SPAN("06GVK4N5D00000000000000001"),
                                       .class = value,
                                       .envid = value,
                                       .msgid = value,
                                       .helo = value,
                                       .header_bytes = (int64_t)whole.len - 2,
                                       .recipients = &r,
                                       .n_recipients = 1};
    dsn_plan(&dsn, arena);
    int written = dsn_write(&dsn, &(struct dsn_sink){collect, out}, &why);
    const char *returned =
        memmem(out->at, out->len, "\nFrom: a@in.example\n", 20); /* from here on it is the message's own */
    if (returned != NULL)
        out->len = (size_t)(returned - out->at);
    decode_text(out);
    buf_clear(&whole);
    arena_reset(arena);
    return written < 0 || returned != NULL;
}

/* ---- GroupWise ---- */

static struct viaduct_text
translate(void *arg, struct viaduct_text address, bool outwards, struct viaduct_text *display)
{
    const struct span *value = arg;
    *display = (struct viaduct_text){value->at, value->len};
    return outwards ? (struct viaduct_text){"D.P.u", 5}
                    : (struct viaduct_text){"u@in.example", address.len > 0 ? 12 : 0};
}

static int
take_envelope(void *arg, const struct viaduct_envelope_in *envelope, const struct viaduct_recipient_in *list,
              size_t n)
{
    (void)arg;
    (void)envelope;
    (void)list;
    return n > 0 ? 0 : -EINVAL;
}

static struct rig item, made;

static struct viaduct_text
translate_made(void *arg, struct viaduct_text address, bool outwards, struct viaduct_text *display)
{
    (void)arg;
    static struct span shown;
    shown = buf_span(&item.report);
    return translate(&shown, address, outwards, display);
}

/* The value is a subject, a name, a file's name and what the directory shows. */
static bool
write_from_gwise(struct span value, struct buf *out)
{
    struct container_writer writer;
    static const char begin[] = "From= WPD= D; WPPO= P; WPU= u; CDBA= ",
                      middle[] = "; ;\r\nTo= WPD= D; WPPO= P; WPU= v; ; Subject= ", end[] = ";\r\n-END-\r\n";
    buf_reset(&item.output);
    buf_reset(&item.report);
    buf_add_span(&item.report, value);
    buf_reset(&made.output);
    container_begin(&writer, rig_write, &item);
    container_part(&writer, PART_HEADER, SPAN("a.api"));
    container_add(&writer, begin, sizeof begin - 1);
    container_add(&writer, value.at, value.len);
    container_add(&writer, middle, sizeof middle - 1);
    container_add(&writer, value.at, value.len);
    container_add(&writer, end, sizeof end - 1);
    container_part_end(&writer);
    container_part(&writer, PART_BODY, SPAN("a.bdy"));
    container_add(&writer, "the body", 8);
    container_part_end(&writer);
    container_end(&writer);
    made.input = buf_span(&item.output);
    struct viaduct_convert_in in = {
        .size = sizeof in, .id = "X", .need = "", .read = rig_read, .arg = &made, .translate = translate_made};
    struct viaduct_convert_out to = {
        .size = sizeof to, .write = rig_write, .envelope = take_envelope, .report = rig_report, .arg = &made};
    gwise_from_foreign(&in, &to, &made.reason);
    buf_add_span(out, buf_span(&made.output));
    return true;
}

/* The value is a subject and a name of a message; the item's header has lines of keywords. */
static bool
write_to_gwise(struct span value, struct buf *out)
{
    static const struct viaduct_recipient_out recipient = {
        .address = {"D.P.u", 5}, .kind = 1, .responsible = true};
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .id = "X",
                                        .originator = {"E.P.s", 5},
                                        .recipients = &recipient,
                                        .n_recipients = 1};
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .id = "X",
                                    .need = "",
                                    .message = &delivery,
                                    .read = rig_read,
                                    .arg = &made,
                                    .translate = translate_made};
    struct viaduct_convert_out to = {.size = sizeof to, .write = rig_write, .report = rig_report, .arg = &made};
    struct buf message = {0};
    buf_reset(&item.report);
    buf_add_span(&item.report, value);
    buf_add_text(&message, "From: \"a\" <a@in.example>\nSubject: ");
    for (size_t i = 0; i < value.len; i++) /* a field has one line */
        buf_add_byte(&message, value.at[i] == '\n' ? ' ' : value.at[i]);
    buf_add_text(&message, "\n\nthe body\n");
    buf_reset(&made.output);
    made.input = buf_span(&message);
    gwise_to_foreign(&in, &to, &made.reason);
    buf_add_span(out, buf_span(&made.output));
    buf_clear(&message);
    return true;
}

static const struct {
    const char *name;
    bool (*write)(struct span value, struct buf *out);
    int every; /* costly ones see fewer */
} writers[] = {
    {"a pair of a log line", write_pair, 1},
    {"the log", write_log, 1},
    {"the tracking log", write_track, 1},
    {"JSON", write_json, 1},
    {"an envelope", write_envelope, 1},
    {"a report", write_report, 5},
    {"a message from GroupWise", write_from_gwise, 5},
    {"an item for GroupWise", write_to_gwise, 5},
};

static void
try_writer(size_t w)
{
    struct buf value = {0}, out = {0};
    size_t extra = 0, wrong = 0, wrote = 0, cases = CASES / (size_t)writers[w].every;
    for (size_t i = 0; i < cases; i++) {
        struct span given = value_of(&value);
        buf_reset(&out);
        buf_add(&out, "", 0);
        bool sound = writers[w].write(given, &out);
        bool evil_line = has_evil_line(buf_span(&out));
        if ((evil_line || !sound) && extra + wrong == 0) {
            struct buf shown = {0};
            log_print_pair(&shown, "given", given);
            log_print_pair(&shown, "made", buf_span(&out));
            printf("# %s\n", shown.at);
            buf_clear(&shown);
        }
        extra += evil_line;
        wrong += !sound;
        wrote += out.len > 0;
    }
    ok(extra == 0 && wrong == 0 && wrote > cases / 2,
       "%s: %zu lines too many, %zu wrong, in %zu cases (%zu written)", writers[w].name, extra, wrong, cases,
       wrote);
    buf_clear(&value);
    buf_clear(&out);
}

int
main(void)
{
    arena = arena_new(16 << 20);
    log_fd = memfd_create("log", MFD_CLOEXEC);
    report_fd = memfd_create("message", MFD_CLOEXEC);
    track_folder = open(tap_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    log_start("test", log_fd, false, LEVEL_MAXIMUM);
    track_start(track_folder, "t");
    for (size_t w = 0; w < COUNT_OF(writers); w++)
        try_writer(w);
    track_start(-1, "");
    return tap_done();
}
