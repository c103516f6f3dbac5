/* dsn-t.c - reports: who gets which, and whether what is written is what the RFCs ask for
 *
 * With a folder as argument it writes sample reports into it and tests nothing: t/dsn.t reads them with another
 * implementation of MIME.
 */
#include "common/dsn.h"
#include "t/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "common/header_scan.h"

enum { ARENA = 8 << 20 };

static struct arena *arena;
static int folder_fd;
static const char plain_message[] = "Received: from a by b; x\n"
                                    "From: Anna <anna@contoso.example>\n"
                                    "To: bob@branch.example\n"
                                    "Subject: Offer\n"
                                    "Message-ID: <m1@contoso.example>\n"
                                    "References: <r0@x>\n <r1@x> nonsense\n"
                                    "\n"
                                    "The body.\n";

/* A queue file of this text and envelope, read again: header_bytes and the rest as acceptance sets them. */
static struct queue_file
make_file(struct envelope *envelope, const char *text, size_t len)
{
    static int count;
    char name[20];
    struct why why;
    struct header_scan scan;
    struct queue_file file;
    header_scan_start(&scan, NULL);
    header_scan_feed(&scan, text, len);
    header_scan_finish(&scan);
    envelope->header_bytes = (int64_t)scan.bytes;
    envelope->msgid = arena_span(arena, span_of(scan.msgid));
    envelope->id = SPAN("06GVK4N5D00000000000000001");
    envelope->arrival_ms = 1795591588000;
    envelope->origin = SPAN("host");
    envelope->class = SPAN("IPM.Note");
    snprintf(name, sizeof name, "q%d", count++);
    struct queue_writer *writer = queue_writer_new(folder_fd, name, 64 << 10, &why);
    if (writer == NULL || queue_writer_add(writer, text, len) < 0)
        exit(1);
    int fd = queue_writer_finish(writer, envelope, (struct span){NULL, 0}, &why);
    queue_writer_drop(writer);
    unlinkat(folder_fd, name, 0);
    if (fd < 0 || queue_file_read(fd, arena, &file, &why) < 0) {
        printf("Bail out! %s\n", why.text);
        exit(1);
    }
    return file;
}

static struct recipient
recipient(const char *address, enum recipient_state state, int64_t notify, const char *status, const char *text)
{
    return (struct recipient){.address = {SPAN("SMTP"), span_of(address)},
                              .state = state,
                              .notify = notify,
                              .kind = 1,
                              .status = span_of(status),
                              .text = span_of(text),
                              .state_ms = 1795591600000};
}

/* What the journal would have said is set behind the reading. */
static void
set_states(struct queue_file *file, const struct recipient *from)
{
    for (size_t i = 0; i < file->envelope.n_recipients; i++) {
        struct recipient *r = &file->envelope.recipients[i];
        r->state = from[i].state;
        r->status = from[i].status;
        r->text = from[i].text;
        r->remote = from[i].remote;
        r->state_ms = from[i].state_ms;
    }
}

static int
collect(void *arg, const void *bytes, size_t len)
{
    buf_add(arg, bytes, len);
    return 0;
}

static struct dsn
new_dsn(const struct queue_file *about)
{
    return (struct dsn){.about = about,
                        .id = "06GVK4N5D00000000000000002",
                        .node = "gw1.contoso.example",
                        .domain = "contoso.example",
                        .from = "MAILER-DAEMON@contoso.example",
                        .postmaster = "postmaster@contoso.example",
                        .return_bytes = 50 << 10,
                        .now_s = 1795591700,
                        .retry_until_s = 1796023588};
}

static bool last_system; /* reports are made by the system that delivers */

static struct dsn
write_report(struct envelope *envelope, struct recipient *recipients, size_t n, const char *text,
             struct buf *out)
{
    struct why why;
    static struct queue_file file;
    envelope->recipients = recipients;
    envelope->n_recipients = n;
    if (envelope->originator.type.len == 0)
        envelope->originator = (struct address){SPAN("SMTP"), SPAN("anna@contoso.example")};
    file = make_file(envelope, text, strlen(text));
    set_states(&file, recipients);
    struct dsn dsn = new_dsn(&file);
    dsn.final = last_system;
    struct dsn_sink sink = {collect, out};
    dsn_plan(&dsn, arena);
    buf_reset(out);
    if (dsn.worst != DSN_NONE && dsn_write(&dsn, &sink, &why) < 0)
        ok(0, "the report is written: %s", why.text);
    close(file.fd);
    return dsn;
}

static bool
has(const struct buf *out, const char *text)
{
    bool found = out->at != NULL && strstr(out->at, text) != NULL;
    if (!found)
        printf("# not there: %s\n", text);
    return found;
}

static bool
lacks(const struct buf *out, const char *text)
{
    return out->at == NULL || strstr(out->at, text) == NULL;
}

/* ---- who gets what ---- */

static void
test_owed(void)
{
    static const struct {
        enum recipient_state state;
        int64_t notify;
        enum dsn_action owed;
    } table[] = {
        {RECIPIENT_FAILED, 0, DSN_FAILED},
        {RECIPIENT_FAILED, NOTIFY_FAILURE, DSN_FAILED},
        {RECIPIENT_FAILED, NOTIFY_SUCCESS, DSN_NONE},
        {RECIPIENT_FAILED, NOTIFY_NEVER, DSN_NONE},
        {RECIPIENT_DELAYED, 0, DSN_DELAYED},
        {RECIPIENT_DELAYED, NOTIFY_FAILURE, DSN_NONE},
        {RECIPIENT_DELAYED, NOTIFY_DELAY | NOTIFY_SUCCESS, DSN_DELAYED},
        {RECIPIENT_DELAYED, NOTIFY_NEVER, DSN_NONE},
        {RECIPIENT_RELAYED, 0, DSN_NONE},
        {RECIPIENT_RELAYED, NOTIFY_SUCCESS, DSN_RELAYED},
        {RECIPIENT_RELAYED, NOTIFY_FAILURE, DSN_NONE},
        {RECIPIENT_DELIVERED, NOTIFY_SUCCESS, DSN_NONE},
        {RECIPIENT_REPORTED, NOTIFY_SUCCESS | NOTIFY_FAILURE, DSN_NONE},
        {RECIPIENT_PENDING, NOTIFY_DELAY, DSN_NONE},
        {RECIPIENT_MOVED, NOTIFY_FAILURE, DSN_NONE},
    };
    struct dsn dsn = {.final = false};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct recipient r = {.state = table[i].state, .notify = table[i].notify};
        is_int(dsn_owed(&dsn, &r), table[i].owed, "NOTIFY %d of a recipient that is %s", (int)table[i].notify,
               recipient_state_word(table[i].state));
    }
    struct recipient r = {.state = RECIPIENT_RELAYED, .notify = NOTIFY_SUCCESS};
    dsn.final = true;
    is_int(dsn_owed(&dsn, &r), DSN_DELIVERED, "what the last system took is delivered, not relayed");
}

static void
test_status(void)
{
    static const struct {
        enum dsn_action action;
        const char *status, *want;
    } table[] = {
        {DSN_FAILED, "5.1.1", "5.1.1"},
        {DSN_FAILED, "4.4.7", "5.4.7"},
        {DSN_FAILED, "", "5.0.0"},
        {DSN_FAILED, "5.1", "5.0.0"},
        {DSN_FAILED, "5.1.1\nX", "5.0.0"},
        {DSN_FAILED, "5.1.1000", "5.0.0"},
        {DSN_FAILED, "5.123.123", "5.123.123"},
        {DSN_FAILED, "6.1.1", "5.0.0"},
        {DSN_FAILED, "5..1", "5.0.0"},
        {DSN_DELAYED, "5.4.1", "4.4.1"},
        {DSN_DELAYED, "", "4.0.0"},
        {DSN_RELAYED, "2.1.5", "2.1.5"},
        {DSN_RELAYED, "4.2.0", "2.0.0"},
        {DSN_DELIVERED, "", "2.0.0"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char code[12];
        dsn_status_code(table[i].action, span_of(table[i].status), code);
        is_text(code, table[i].want, "status of a %s recipient agrees with its action (%zu)",
                dsn_action_word(table[i].action), i);
    }
}

/* ---- values ---- */

static void
is_value(bool good, struct buf *out, const char *want, const char *name)
{
    if (want == NULL)
        ok(!good && out->len == 0, "%s", name);
    else
        is_bytes(out->at ? out->at : "", good ? out->len : 0, want, "%s", name);
    buf_reset(out);
}

static void
test_values(void)
{
    struct buf out = {0};
    is_value(dsn_add_xtext(&out, SPAN("a+2Bb+3Dc"), false), &out, "a+b=c", "xtext is decoded");
    is_value(dsn_add_xtext(&out, SPAN("a+0Ab"), false), &out, NULL, "xtext with a newline is refused");
    is_value(dsn_add_xtext(&out, SPAN("a+C3+A4"), false), &out, NULL,
             "UTF-8 does not get into an ASCII report");
    is_value(dsn_add_xtext(&out, SPAN("a+C3+A4"), true), &out, "a\303\244",
             "it does into one that may hold it");
    is_value(dsn_add_xtext(&out, SPAN("a+C3"), true), &out, NULL, "half a character does not");
    is_value(dsn_add_xtext(&out, SPAN("a+2"), true), &out, NULL, "cut xtext is refused");
    is_value(dsn_add_xtext(&out, SPAN("+"), true), &out, NULL, "a plus alone is refused");
    is_value(dsn_add_xtext(&out, SPAN(""), true), &out, NULL, "nothing is refused");
    is_value(dsn_add_unitext(&out, SPAN("\\x{E4}b\\x{1F600}\\x{20AC}")), &out,
             "\303\244b\360\237\230\200\342\202\254", "characters written \\x{} are decoded");
    ok(!dsn_add_unitext(&out, SPAN("\\x{D800}")), "a surrogate is refused");
    buf_reset(&out);
    ok(!dsn_add_unitext(&out, SPAN("\\x{A}")), "a newline is refused");
    buf_reset(&out);
    ok(!dsn_add_unitext(&out, SPAN("\\x{E4")), "an open brace is refused");
    buf_reset(&out);
    dsn_add_addr_xtext(&out, SPAN("j\303\266+\\@\342\202\254\360\237\230\200"));
    is_value(true, &out, "j\\x{F6}\\x{2B}\\x{5C}@\\x{20AC}\\x{1F600}", "and encoded");
    dsn_add_clean(&out, SPAN("a\r\nSubject: x\0\177\303\244\377"), false, 100);
    is_value(true, &out, "a? Subject: x????", "text becomes one line of ASCII");
    dsn_add_clean(&out, SPAN("\303\244\302\205\377b"), true, 100);
    is_value(true, &out,
             "\303\244?"
             "?b",
             "or of UTF-8 without controls");
    dsn_add_clean(&out, SPAN("abcdef"), true, 3);
    is_value(true, &out, "abc...", "and is cut");
    buf_clear(&out);
}

static void
test_subject(void)
{
    static const struct {
        const char *field, *want;
    } table[] = {
        {"plain text", "plain text"},
        {"=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?UTF-8*de?b?IEvDtmxu?=", "Gr\303\274\303\237e aus K\303\266ln"},
        {"=?iso-8859-1?q?caf=E9?= today", "caf\303\251 today"},
        {"a =?utf-8?q?b?=\n\t=?x-strange?q?c?= d", "a b  =?x-strange?q?c?= d"},
        {"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\303\244"},
        {"=?utf-8?q?a=0AX:_b?=", "a X: b"},
        {"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"},
        {"=?", "=?"},
        {"=?utf-8?q?=FF?=", "?"},
    };
    struct buf out = {0}, again = {0};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        dsn_subject_decode(span_of(table[i].field), &out);
        is_bytes(out.at ? out.at : "", out.len, table[i].want, "a subject for people (%zu)", i);
        buf_reset(&out);
    }
    for (size_t len = 0; len < 40; len++) {
        struct buf text = {0};
        for (size_t i = 0; i < len; i++)
            buf_add_text(&text, i % 3 ? "\303\274" : "\342\202\254");
        buf_add_text(&text, "x");
        dsn_subject_write(buf_span(&text), false, &out);
        bool fits = true;
        size_t column = 9;
        for (size_t i = 0; i < out.len; i++) {
            column = out.at[i] == '\n' ? 0 : column + 1;
            fits = fits && column <= 85;
        }
        dsn_subject_decode(buf_span(&out), &again);
        if (!span_equal(buf_span(&again), buf_span(&text)) || !fits || !dsn_is_ascii(buf_span(&out)))
            ok(0, "a subject of %zu characters survives encoded words", len);
        buf_reset(&out);
        buf_reset(&again);
        buf_clear(&text);
    }
    ok(1, "subjects of all lengths survive encoded words");
    buf_clear(&out);
    buf_clear(&again);
}

/* ---- whole reports ---- */

static struct dsn
sample_failed(struct buf *out)
{
    struct envelope envelope = {.envid = SPAN("QQ+2B1"), .helo = SPAN("mail.contoso.example")};
    struct recipient r[4] = {
        recipient("bob@branch.example", RECIPIENT_FAILED, 0, "5.1.1",
                  "mx.branch.example said: 550 5.1.1 <bob@branch.example>: no such user"),
        recipient("carl@branch.example", RECIPIENT_DELIVERED, NOTIFY_SUCCESS, "", ""),
        recipient("dora@branch.example", RECIPIENT_FAILED, NOTIFY_FAILURE, "4.4.7",
                  "no next hop could be reached for 2 days"),
        recipient("emil@branch.example", RECIPIENT_FAILED, NOTIFY_NEVER, "5.1.1", "no such user")};
    r[0].remote = SPAN("dns; mx.branch.example");
    r[0].orcpt = SPAN("rfc822;Bob+2Bnews@branch.example");
    return write_report(&envelope, r, 4, plain_message, out);
}

static struct dsn
sample_mixed(struct buf *out)
{
    struct envelope envelope = {.ret = SPAN("HDRS"), .client = SPAN("192.0.2.7")};
    struct recipient r[3] = {
        recipient("bob@branch.example", RECIPIENT_FAILED, NOTIFY_FAILURE | NOTIFY_SUCCESS, "5.2.2",
                  "mailbox full"),
        recipient("carl@branch.example", RECIPIENT_RELAYED, NOTIFY_SUCCESS, "2.0.0", "250 ok"),
        recipient("Dom.PO.dora", RECIPIENT_DELAYED, NOTIFY_DELAY, "4.4.1", "connection refused")};
    r[2].address.type = SPAN("GWISE");
    return write_report(&envelope, r, 3, plain_message, out);
}

static struct dsn
sample_utf8(struct buf *out)
{
    static const char text[] = "From: j\303\266rg@contoso.example\n"
                               "Subject: Gr\303\274\303\237e\n"
                               "Message-ID: <u1@contoso.example>\n\n"
                               "Sch\303\266n.\n";
    struct envelope envelope = {.utf8 = true, .body8bit = true};
    struct recipient r[2] = {
        recipient("zo\303\253@branch.example", RECIPIENT_FAILED, 0, "5.1.1", "unbekannt: zo\303\253"),
        recipient("carl@branch.example", RECIPIENT_FAILED, 0, "5.1.1", "unknown")};
    envelope.originator = (struct address){SPAN("SMTP"), SPAN("j\303\266rg@contoso.example")};
    r[0].orcpt = SPAN("utf-8;zo\\x{EB}@branch.example");
    return write_report(&envelope, r, 2, text, out);
}

/* A sender without SMTPUTF8 whose message has an encoded subject and a recipient in UTF-8 nevertheless. */
static struct dsn
sample_ascii(struct buf *out)
{
    static const char text[] = "From: anna@contoso.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nx\n";
    struct envelope envelope = {0};
    struct recipient r[1] = {
        recipient("zo\303\253@branch.example", RECIPIENT_DELAYED, 0, "4.4.1", "zo\303\253 wartet")};
    return write_report(&envelope, r, 1, text, out);
}

static struct dsn
sample_relayed(struct buf *out)
{
    struct envelope envelope = {0};
    struct recipient r[1] = {
        recipient("bob@branch.example", RECIPIENT_RELAYED, NOTIFY_SUCCESS, "2.1.5", "250 2.1.5 ok")};
    r[0].remote = SPAN("dns; mx.branch.example");
    return write_report(&envelope, r, 1, plain_message, out);
}

/* All that an attacker can put into an envelope and a header. */
static struct dsn
sample_hostile(struct buf *out)
{
    static const char text[] = "From: x\nSubject: a\n\t=?utf-8?q?=0D=0ABcc:_evil?=\r\n"
                               "Message-ID: <m>\rX-Evil: 1\n"
                               "References: <a\rb> <ok@x> <\377@x>\n\n"
                               "--=_06GVK4N5D00000000000000002--\n";
    struct envelope envelope = {.envid = SPAN("a+0D+0AX-Evil:+20b"), .helo = SPAN("h\311")};
    struct recipient r[2] = {recipient("bob@branch.example", RECIPIENT_FAILED, 0, "5.1.1\nX-Evil: 1",
                                       "550 no\r\n\r\n--=_\nX-Evil: 1\0\377"),
                             recipient("\"a b\"@branch.example", RECIPIENT_FAILED, 0, "5.1.1", "")};
    r[0].remote = SPAN("dns; x\r\nX-Evil: 1");
    r[0].orcpt = SPAN("rfc822;a+0D+0AX-Evil:+201");
    r[1].orcpt = SPAN("x y;a");
    return write_report(&envelope, r, 2, text, out);
}

static void
test_failed(void)
{
    struct buf out = {0};
    struct dsn dsn = sample_failed(&out);
    is_text(dsn.class, "REPORT.IPM.Note.NDR", "the class of a non-delivery report");
    ok(!dsn.utf8 && !dsn.body8bit && dsn.full, "it is ASCII and returns the message");
    ok(dsn.count[DSN_FAILED] == 2, "two are owed");
    ok(has(&out, "\nTo: anna@contoso.example\n"), "it goes to the originator");
    ok(has(&out, "\nSubject: Undeliverable: Offer\n"), "it names the subject");
    ok(has(&out, "\nAuto-Submitted: auto-replied\n"), "it says that it is automatic");
    ok(has(&out, "\nIn-Reply-To: <m1@contoso.example>\n"), "it answers the message");
    ok(has(&out, "\nReferences: <r0@x>\n <r1@x>\n <m1@contoso.example>\n"), "in its thread");
    ok(has(&out, "\nReporting-MTA: dns; gw1.contoso.example\nOriginal-Envelope-Id: QQ+1\n"),
       "ENVID comes back decoded");
    ok(has(&out, "\nReceived-From-MTA: dns; mail.contoso.example\nArrival-Date: "),
       "where it came from, and when");
    ok(has(&out, "\n\nOriginal-Recipient: rfc822; Bob+news@branch.example\nFinal-Recipient: rfc822; "
                 "bob@branch.example\n"
                 "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.branch.example\n"
                 "Diagnostic-Code: smtp; 550 5.1.1 <bob@branch.example>: no such user\n"
                 "Last-Attempt-Date: "),
       "the fields of the first recipient");
    ok(has(&out, "\nFinal-Recipient: rfc822; dora@branch.example\nAction: failed\nStatus: 5.4.7\n"
                 "Diagnostic-Code: x-viaduct; no next hop could be reached for 2 days\n"),
       "a failure is permanent though its reason was temporary");
    ok(lacks(&out, "carl@") && lacks(&out, "emil@"),
       "recipients about whom nothing is owed do not stand in it");
    ok(has(&out, "Nobody has this address."), "people are told what the code means");
    ok(has(&out, "\nContent-Type: message/rfc822\n") && has(&out, plain_message),
       "the message is returned as it was");
    ok(strstr(out.at, "\n\n") + 2 == out.at + dsn.header_bytes, "the length of the header is known");
    buf_clear(&out);
}

static void
test_mixed(void)
{
    struct buf out = {0};
    struct dsn dsn = sample_mixed(&out);
    is_text(dsn.class, "REPORT.IPM.Note.NDR", "a mixed report is called after the worst");
    ok(!dsn.full && has(&out, "\nContent-Type: text/rfc822-headers\n"), "RET=HDRS returns the header alone");
    ok(has(&out, "Subject: Offer\n") && lacks(&out, "The body."), "and no body");
    ok(has(&out, "\nAction: relayed\nStatus: 2.0.0\n") && has(&out, "\nAction: failed\nStatus: 5.2.2\n"),
       "one report says both");
    ok(has(&out, "\nFinal-Recipient: gwise; Dom.PO.dora\nAction: delayed\nStatus: 4.4.1\n"),
       "a foreign recipient keeps its type");
    ok(has(&out, "\nWill-Retry-Until: "), "a delay says until when");
    ok(has(&out, "\nReceived-From-MTA: dns; [192.0.2.7]\n"), "a client without a name is named by its address");
    dsn = sample_relayed(&out);
    is_text(dsn.class, "REPORT.IPM.Note.Relayed.DR", "the class of a relay report");
    ok(!dsn.full && lacks(&out, "The body."), "a success returns no body");
    ok(has(&out, "Subject: Relayed: Offer\n") && has(&out, "will not say whether it arrives"),
       "its subject does not say that the message has arrived");
    last_system = true;
    sample_relayed(&out);
    last_system = false;
    ok(has(&out, "Subject: Delivered: Offer\n") && has(&out, "\nAction: delivered\n") &&
           lacks(&out, "will not say whether it arrives"),
       "one of a delivery does");
    buf_clear(&out);
}

static void
test_utf8(void)
{
    struct buf out = {0};
    struct dsn dsn = sample_utf8(&out);
    ok(dsn.utf8 && dsn.body8bit, "a sender with SMTPUTF8 gets UTF-8");
    ok(has(&out, "Content-Type: message/global-delivery-status\n") &&
           has(&out, "Content-Type: message/global\n"),
       "the parts are those of RFC 6533");
    ok(has(&out, "\nOriginal-Recipient: utf-8; zo\303\253@branch.example\n"
                 "Final-Recipient: utf-8; zo\303\253@branch.example\n"),
       "addresses as they are");
    ok(has(&out, "\nFinal-Recipient: rfc822; carl@branch.example\n"), "an ASCII address keeps its type");
    ok(has(&out, "\nTo: j\303\266rg@contoso.example\n"), "the originator too");
    dsn = sample_ascii(&out);
    ok(!dsn.utf8 && dsn_is_ascii(buf_span(&out)), "a sender without SMTPUTF8 gets ASCII");
    ok(has(&out, "\nFinal-Recipient: utf-8; zo\\x{EB}@branch.example\n"), "with the address encoded");
    ok(has(&out, "\nSubject: =?utf-8?B?"), "and the subject");
    is_text(dsn.class, "REPORT.IPM.Note.Delayed.DR", "the class of a delay report");
    buf_clear(&out);
}

static void
test_hostile(void)
{
    struct buf out = {0};
    struct dsn dsn = sample_hostile(&out);
    const char *third = out.at != NULL ? strstr(out.at, "Content-Type: message/rfc822") : NULL;
    ok(third != NULL, "a hostile message gets a report of three parts");
    struct span ours = {out.at, third != NULL ? (size_t)(third - out.at) : 0};
    ok(ours.len > 0 && memmem(ours.at, ours.len, "\nX-Evil", 7) == NULL &&
           memmem(ours.at, ours.len, "\nBcc", 4) == NULL,
       "nothing of it begins a field");
    ok(memchr(ours.at, '\r', ours.len) == NULL && memchr(ours.at, '\0', ours.len) == NULL,
       "no control byte comes through");
    ok(dsn_is_ascii(ours), "nor 8-bit");
    ok(lacks(&out, "Original-Recipient"), "malformed ORCPT is left out");
    (void)dsn;
    struct envelope envelope = {.originator = {SPAN("SMTP"), SPAN("")}};
    struct recipient r[1] = {recipient("bob@branch.example", RECIPIENT_FAILED, NOTIFY_FAILURE, "5.1.1", "no")};
    dsn = write_report(&envelope, r, 1, plain_message, &out);
    is_int(dsn.worst, DSN_NONE, "a report is never answered by a report");
    buf_clear(&out);
}

static int
count_bytes(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return 0;
}

static int
refuse(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return -28;
}

static void
test_large(void)
{
    enum { MANY = 20000, BIG = 300000 };
    struct buf out = {0};
    struct recipient *r = calloc(MANY, sizeof *r);
    struct envelope envelope = {0};
    for (size_t i = 0; i < MANY; i++) {
        r[i] = recipient("", RECIPIENT_FAILED, 0, "5.1.1", "no such user");
        r[i].address.value = span_of(arena_printf(arena, "user%zu@branch.example", i));
    }
    write_report(&envelope, r, MANY, plain_message, &out);
    size_t n = 0, listed = 0;
    for (const char *p = out.at; (p = strstr(p, "\nFinal-Recipient")) != NULL; p++)
        n++;
    for (const char *p = out.at; (p = strstr(p, "\n    user")) != NULL; p++)
        listed++;
    is_int(n, MANY, "every recipient stands in the part for programs");
    ok(listed == 100 && has(&out, "... and 19900 more"), "people are shown the first hundred");
    char *text = malloc(BIG + 1);
    memset(text, 'x', BIG);
    for (size_t i = 70; i < BIG; i += 71)
        text[i] = '\n';
    memcpy(text, "Subject: long\n\n", 15);
    text[BIG] = '\0';
    struct dsn dsn = write_report(&envelope, r, 1, text, &out);
    ok(!dsn.full && out.len < 5000 && has(&out, "text/rfc822-headers"),
       "a message larger than reports.return: its header alone");
    memset(text, 'x', BIG);
    memcpy(text, "Subject: ", 9);
    for (size_t i = 100; i + 5 < BIG; i += 100)
        memcpy(text + i, "\nX: ", 4);
    memcpy(text + BIG - 3, "\n\ny", 3);
    dsn = write_report(&envelope, r, 1, text, &out);
    ok(!dsn.full && out.len > (50 << 10) && out.len < (55 << 10), "a larger header is cut");
    envelope.full_bytes = 999999;
    dsn = write_report(&envelope, r, 1, plain_message, &out);
    ok(!dsn.full, "what holds only the beginning of a message is not called the message");
    struct queue_file file = make_file(&envelope, text, BIG);
    set_states(&file, r);
    dsn = new_dsn(&file);
    dsn_plan(&dsn, arena);
    size_t bytes = 0;
    struct why why = {0};
    is_int(dsn_write(&dsn, &(struct dsn_sink){refuse, &bytes}, &why), -28, "a full disk ends the writing");
    dsn.full = true;
    file.body_crc ^= 1;
    is_int(dsn_write(&dsn, &(struct dsn_sink){count_bytes, &bytes}, &why), -EBADMSG,
           "a damaged message is not returned");
    dsn.full = false;
    is_int(dsn_write(&dsn, &(struct dsn_sink){count_bytes, &bytes}, &why), -EBADMSG, "nor is its header alone");
    ok(why.text[0] != '\0', "with the reason");
    close(file.fd);
    free(text);
    free(r);
    buf_clear(&out);
}

static void
test_texts(void)
{
    struct dsn_texts texts;
    struct why why;
    char path[400];
    const char *folder = tap_folder();
    is_int(dsn_texts_load(&texts, folder, &why), 0, "a folder without templates leaves the built-in ones");
    snprintf(path, sizeof path, "%s/failed.txt", folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "Nicht zustellbar f\303\274r @SENDER@: @SUBJECT@\nHallo @SENDER@ @NO@ @ @@ "
               "@NODE@\n@RECIPIENTS@---\nEnde @ID@\n");
    fclose(f);
    is_int(dsn_texts_load(&texts, folder, &why), 0, "a template is read");
    struct envelope envelope = {.originator = {SPAN("SMTP"), SPAN("anna@contoso.example")}};
    struct recipient r[1] = {recipient("bob@branch.example", RECIPIENT_FAILED, 0, "5.1.1", "no")};
    envelope.recipients = r;
    envelope.n_recipients = 1;
    struct queue_file file = make_file(&envelope, plain_message, strlen(plain_message));
    set_states(&file, r);
    struct dsn dsn = new_dsn(&file);
    struct buf out = {0};
    dsn.texts = &texts;
    dsn_plan(&dsn, arena);
    dsn_text_subject(&dsn, SPAN("Offer"), &out);
    is_bytes(out.at, out.len, "Nicht zustellbar f\303\274r anna@contoso.example: Offer",
             "the subject is the template's");
    buf_reset(&out);
    dsn_text_body(&dsn, SPAN("Offer"), &out);
    ok(has(&out, "Hallo anna@contoso.example @NO@ @ @@ gw1.contoso.example\n    bob@branch.example\n"),
       "variables are replaced, everything else stays");
    ok(has(&out, "\nEnde 06GVK4N5D00000000000000001\n"), "the closing stands at the end");
    dsn_texts_clear(&texts);
    f = fopen(path, "w");
    fprintf(f, "\377\n");
    fclose(f);
    is_int(dsn_texts_load(&texts, folder, &why), -EINVAL, "a template that is no UTF-8 is refused");
    ok(strstr(why.text, "failed.txt") != NULL, "by its name");
    unlink(path);
    is_int(dsn_texts_load(&texts, path, &why), -ENOENT, "a folder that is not there is told of");
    rmdir(folder);
    close(file.fd);
    buf_clear(&out);
}

static void
write_samples(const char *folder)
{
    static const struct {
        const char *name;
        struct dsn (*make)(struct buf *);
    } samples[] = {{"failed", sample_failed}, {"mixed", sample_mixed},     {"utf8", sample_utf8},
                   {"ascii", sample_ascii},   {"relayed", sample_relayed}, {"hostile", sample_hostile}};
    struct buf out = {0};
    char path[500];
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        samples[i].make(&out);
        snprintf(path, sizeof path, "%s/%s.eml", folder, samples[i].name);
        FILE *f = fopen(path, "w");
        if (f == NULL || fwrite(out.at, 1, out.len, f) != out.len || fclose(f) != 0)
            exit(1);
    }
    for (int i = 0; i < DSN_TEXT_COUNT; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, dsn_text_file((enum dsn_text)i));
        FILE *f = fopen(path, "w");
        if (f == NULL || fputs(dsn_text_built_in((enum dsn_text)i), f) < 0 || fclose(f) != 0)
            exit(1);
    }
    buf_clear(&out);
}

int
main(int argc, char **argv)
{
    char tmp[300];
    snprintf(tmp, sizeof tmp, "%s", tap_folder());
    setenv("TZ", "UTC0", 1);
    arena = arena_new(ARENA * 4);
    folder_fd = open(tmp, O_RDONLY | O_DIRECTORY);
    if (argc > 1) {
        write_samples(argv[1]);
    } else {
        test_owed();
        test_status();
        test_values();
        test_subject();
        test_failed();
        test_mixed();
        test_utf8();
        test_hostile();
        test_large();
        test_texts();
    }
    close(folder_fd);
    rmdir(tmp);
    arena_free(arena);
    return argc > 1 ? 0 : tap_done();
}
