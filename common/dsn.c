/* dsn.c - what is owed to a sender, and the frame of a report (see dsn.h)
 *
 * The boundary is made of the report's own id, which did not exist when the message came: so nothing that is
 * returned can hold it.
 */
#include "common/dsn.h"

#include <errno.h>
#include <stdio.h>

#include "common/header_scan.h"
#include "common/utf8.h"

enum {
    FLUSH_AT = 32 << 10,
    HEADER_LOOK = 64 << 10, /* how much of a header is searched for Subject and References */
    REFERENCES_MAX = 10,
    PIECE = 16 << 10
};

/* ---- what is owed ---- */

enum dsn_action
dsn_owed(const struct dsn *dsn, const struct recipient *recipient)
{
    int64_t asked = recipient->notify == 0 ? NOTIFY_FAILURE | NOTIFY_DELAY : recipient->notify;
    if (asked & NOTIFY_NEVER)
        return DSN_NONE;
    switch (recipient->state) {
    case RECIPIENT_FAILED:
        return asked & NOTIFY_FAILURE ? DSN_FAILED : DSN_NONE;
    case RECIPIENT_DELAYED:
        return asked & NOTIFY_DELAY ? DSN_DELAYED : DSN_NONE;
    case RECIPIENT_RELAYED:
        if (!(asked & NOTIFY_SUCCESS))
            return DSN_NONE;
        return dsn->final ? DSN_DELIVERED : DSN_RELAYED;
    case RECIPIENT_PENDING:
    case RECIPIENT_DELIVERED: /* the other side reports */
    case RECIPIENT_REPORTED:
    case RECIPIENT_MOVED:
    case RECIPIENT_STATE_COUNT:
        break;
    }
    return DSN_NONE;
}

/* "REPORT.<class>.NDR": a class that is long or no word of dots, letters and digits becomes IPM.Note (which is
 * also what the other side makes of one it does not know). */
static const char *
report_class(const struct dsn *dsn, struct arena *arena)
{
    static const char *const ends[DSN_ACTION_COUNT] = {"DR", "DR", "Relayed.DR", "Delayed.DR", "NDR"};
    struct span class = dsn->about->envelope.class;
    bool good = class.len > 0 && class.len <= 60;
    for (size_t i = 0; good && i < class.len; i++) {
        char c = class.at[i];
        good =
            c == '.' || c == '-' || c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    }
    if (!good || span_starts_nocase(class, SPAN("REPORT.")))
        class = SPAN("IPM.Note");
    const char *text = arena_printf(arena, "REPORT.%.*s.%s", (int)class.len, class.at, ends[dsn->worst]);
    return text != NULL ? text : "REPORT.IPM.Note.NDR";
}

void
dsn_plan(struct dsn *dsn, struct arena *arena)
{
    const struct queue_file *file = dsn->about;
    const struct envelope *about = &file->envelope;
    memset(dsn->count, 0, sizeof dsn->count);
    dsn->worst = DSN_NONE;
    for (size_t i = 0; !envelope_is_report(about) && i < about->n_recipients; i++) {
        enum dsn_action action = dsn_owed(dsn, &about->recipients[i]);
        dsn->count[action]++;
        dsn->worst = action > dsn->worst ? action : dsn->worst;
    }
    dsn->class = report_class(dsn, arena);
    dsn->utf8 = about->utf8 || !dsn_is_ascii(about->originator.value);
    /* RFC 3461 section 4.3: RET speaks of failures only; other reports return the header. */
    bool whole = about->full_bytes <= 0 || (uint64_t)about->full_bytes <= file->body_bytes;
    dsn->full = dsn->worst == DSN_FAILED && !span_equal_nocase(about->ret, SPAN("HDRS")) && whole &&
                file->body_bytes <= dsn->return_bytes;
    dsn->body8bit = dsn->utf8 || about->body8bit;
    snprintf(dsn->msgid, sizeof dsn->msgid, "<%s@%.255s>", dsn->id, dsn->domain);
}

/* ---- pieces ---- */

int
dsn_flush(struct buf *out, const struct dsn_sink *sink, bool all)
{
    if (out->len == 0 || (!all && out->len < FLUSH_AT))
        return 0;
    int failed = sink->add(sink->arg, out->at, out->len);
    buf_reset(out);
    return failed;
}

/* Quoted-printable (RFC 2045 section 6.7), for the text where it is not ASCII: so a report needs no 8BITMIME of
 * its own. */
static void
add_quoted_printable(struct buf *out, struct span text)
{
    size_t column = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool last = i + 1 == text.len || text.at[i + 1] == '\n';
        bool plain = (c > ' ' && c <= '~' && c != '=') || (c == ' ' && !last);
        if (c == '\n') {
            buf_add_byte(out, '\n');
            column = 0;
            continue;
        }
        if (column + (plain ? 1 : 3) > 75) {
            buf_add_text(out, "=\n");
            column = 0;
        }
        if (plain)
            buf_add_byte(out, (char)c);
        else
            buf_printf(out, "=%02X", c);
        column += plain ? 1 : 3;
    }
}

static bool
has_long_line(struct span text)
{
    while (text.len > 0) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t n = end != NULL ? (size_t)(end - text.at) : text.len;
        if (n > 998)
            return true;
        text.at += n + (end != NULL);
        text.len -= n + (end != NULL);
    }
    return false;
}

/* ---- the header ---- */

/* A message identifier that may stand in a header of ours. */
static bool
is_msgid(const struct dsn *dsn, struct span text)
{
    if (text.len < 3 || text.len > 250 || text.at[0] != '<' || text.at[text.len - 1] != '>')
        return false;
    for (size_t i = 1; i + 1 < text.len; i++)
        if (text.at[i] == '<' || text.at[i] == '>' || text.at[i] == ' ')
            return false;
    return utf8_printable(text) && (dsn->utf8 || dsn_is_ascii(text));
}

/* References are those of the message and its own identifier, the last few of them (RFC 5322 section 3.6.4). */
static void
add_references(const struct dsn *dsn, struct span header, struct buf *out)
{
    struct span body, found[REFERENCES_MAX];
    size_t n = 0;
    struct span own = dsn->about->envelope.msgid;
    if (!is_msgid(dsn, own))
        return;
    buf_printf(out, "In-Reply-To: %.*s\nReferences:", (int)own.len, own.at);
    if (!header_find(header, SPAN("References"), &body))
        body = SPAN("");
    for (size_t i = 0; i < body.len;) {
        size_t start = i;
        while (i < body.len && body.at[i] != ' ' && body.at[i] != '\t' && body.at[i] != '\n')
            i++;
        struct span word = {body.at + start, i - start};
        if (is_msgid(dsn, word))
            found[n++ % REFERENCES_MAX] = word;
        i += i < body.len;
    }
    for (size_t i = n > REFERENCES_MAX ? n - REFERENCES_MAX : 0; i < n; i++)
        buf_printf(out, " %.*s\n", (int)found[i % REFERENCES_MAX].len, found[i % REFERENCES_MAX].at);
    buf_printf(out, " %.*s\n", (int)own.len, own.at);
}

static void
add_originator(const struct dsn *dsn, struct buf *out)
{
    const struct address *originator = &dsn->about->envelope.originator;
    buf_add_text(out, "To: ");
    if (address_is_smtp(originator))
        dsn_add_clean(out, originator->value, dsn->utf8, ADDRESS_VALUE_MAX);
    else
        imcea_encode(originator, span_of(dsn->domain), out);
    buf_add_byte(out, '\n');
}

static void
add_header(const struct dsn *dsn, struct span header, struct span subject, struct buf *out)
{
    const struct envelope *about = &dsn->about->envelope;
    char mark[120], date[40];
    struct buf line = {0};
    header_mark(dsn->node, "report", true, mark);
    header_date(dsn->now_s, date);
    buf_printf(out, "Received: %s\n\twith local id %s;\n\t%s\n", mark, dsn->id, date);
    buf_printf(out, "Date: %s\n", date);
    buf_printf(out, "From: Mail Delivery System <%s>\n", dsn->from);
    add_originator(dsn, out);
    dsn_text_subject(dsn, subject, &line);
    buf_add_text(out, "Subject:");
    dsn_subject_write(buf_span(&line), dsn->utf8, out);
    buf_printf(out, "\nMessage-ID: %s\n", dsn->msgid);
    add_references(dsn, header, out);
    buf_add_text(out, "Auto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n");
    buf_printf(out, "X-Viaduct-Queue-Id: %s\nX-Viaduct-Report-Of: %.*s\n", dsn->id, (int)about->id.len,
               about->id.at);
    buf_printf(out,
               "MIME-Version: 1.0\n"
               "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"=_%s\"\n",
               dsn->id);
    buf_printf(out, "Content-Transfer-Encoding: %s\n", dsn->body8bit ? "8bit" : "7bit");
    buf_clear(&line);
}

/* ---- the parts ---- */

static void
add_part(const struct dsn *dsn, const char *type, const char *encoding, const char *description,
         struct buf *out)
{
    buf_printf(out, "\n--=_%s\nContent-Type: %s\nContent-Transfer-Encoding: %s\nContent-Description: %s\n\n",
               dsn->id, type, encoding, description);
}

static void
add_text_part(const struct dsn *dsn, struct span subject, struct buf *out)
{
    struct buf text = {0};
    dsn_text_body(dsn, subject, &text);
    bool plain = dsn_is_ascii(buf_span(&text));
    bool quoted = !plain || has_long_line(buf_span(&text));
    add_part(dsn, plain ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8",
             quoted ? "quoted-printable" : "7bit", "Notification", out);
    if (quoted)
        add_quoted_printable(out, buf_span(&text));
    else
        buf_add_span(out, buf_span(&text));
    buf_clear(&text);
}

/* Copies the first `len` bytes of the message. It is read to its end even so, for its sum is the sum of all: what is
 * damaged is nobody's mail, and not to be returned in part. A copy that ends early ends with a whole line. */
static int
copy_body(const struct dsn *dsn, uint64_t len, const struct dsn_sink *sink, struct why *why)
{
    char bytes[PIECE];
    struct queue_body body;
    ssize_t n;
    queue_body_start(&body, dsn->about);
    while ((n = queue_body_read(&body, bytes, sizeof bytes, why)) > 0) {
        size_t take = (uint64_t)n < len ? (size_t)n : (size_t)len;
        len -= take;
        const char *end = len == 0 ? memrchr(bytes, '\n', take) : NULL;
        if (end != NULL)
            take = (size_t)(end - bytes);
        int failed = take > 0 ? sink->add(sink->arg, bytes, take) : 0;
        if (failed < 0)
            return failed;
    }
    return (int)n;
}

static int
write_original(const struct dsn *dsn, struct buf *out, const struct dsn_sink *sink, struct why *why)
{
    const struct envelope *about = &dsn->about->envelope;
    const char *encoding = dsn->body8bit ? "8bit" : "7bit";
    if (dsn->full)
        add_part(dsn, dsn->utf8 ? "message/global" : "message/rfc822", encoding, "Undelivered message", out);
    else
        add_part(dsn, dsn->utf8 ? "message/global-headers" : "text/rfc822-headers", encoding,
                 "Header of the message", out);
    int failed = dsn_flush(out, sink, true);
    uint64_t header = about->header_bytes > 0 ? (uint64_t)about->header_bytes : 0;
    if (header > dsn->about->body_bytes)
        header = dsn->about->body_bytes;
    /* The empty line at the end of the header stays away. */
    uint64_t len = header > dsn->return_bytes ? dsn->return_bytes : header > 0 ? header - 1 : 0;
    if (failed == 0)
        failed = copy_body(dsn, dsn->full ? UINT64_MAX : len, sink, why);
    return failed;
}

/* The beginning of the message's header, for the fields that are looked for. */
static int
read_header(const struct dsn *dsn, struct buf *header, struct why *why)
{
    const struct queue_file *about = dsn->about;
    struct queue_body body;
    size_t want = HEADER_LOOK;
    if (about->envelope.header_bytes >= 0 && (uint64_t)about->envelope.header_bytes < want)
        want = (size_t)about->envelope.header_bytes;
    buf_reserve(header, want + 1);
    queue_body_start(&body, about);
    while (header->len < want) {
        ssize_t n = queue_body_read(&body, header->at + header->len, want - header->len, why);
        if (n <= 0)
            return (int)n;
        header->len += (size_t)n;
    }
    return 0;
}

int
dsn_write(struct dsn *dsn, const struct dsn_sink *sink, struct why *why)
{
    BUG_UNLESS(dsn->worst != DSN_NONE);
    struct buf out = {0}, header = {0}, subject = {0};
    struct span field;
    int failed = read_header(dsn, &header, why);
    if (failed == 0) {
        if (header_find(buf_span(&header), SPAN("Subject"), &field))
            dsn_subject_decode(field, &subject);
        add_header(dsn, buf_span(&header), buf_span(&subject), &out);
        dsn->header_bytes = out.len + 1;
        add_text_part(dsn, buf_span(&subject), &out);
        add_part(dsn, dsn->utf8 ? "message/global-delivery-status" : "message/delivery-status",
                 dsn->utf8 ? "8bit" : "7bit", "Delivery report", &out);
        failed = dsn_status_write(dsn, &out, sink);
    }
    if (failed == 0)
        failed = write_original(dsn, &out, sink, why);
    if (failed == 0) {
        buf_printf(&out, "\n--=_%s--\n", dsn->id);
        failed = dsn_flush(&out, sink, true);
    }
    buf_clear(&out);
    buf_clear(&header);
    buf_clear(&subject);
    return failed;
}
