/* notice-t.c - reports about one recipient, written for people and programs, and those of others understood */
#include "systems/mime/notice.h"

#include <errno.h>

#include "t/tap.h"

/* ---- reading what lies in memory ---- */

static ssize_t
read_text(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct span *text = arg;
    size_t left = offset < text->len ? text->len - (size_t)offset : 0, n = left < size ? left : size;
    if (n > 0)
        memcpy(bytes, text->at + offset, n);
    return (ssize_t)n;
}

static struct buf told;

static void
tell(void *arg, const struct notice *n)
{
    (void)arg;
    buf_printf(&told, "%s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s\n", notice_word(n->kind),
               (int)n->recipient.len, n->recipient.at, (int)n->orcpt.len, n->orcpt.at, (int)n->envid.len,
               n->envid.at, (int)n->message_id.len, n->message_id.at, (int)n->subject.len, n->subject.at,
               (int)n->status.len, n->status.at, (int)n->diagnostic.len, n->diagnostic.at, (int)n->reporter.len,
               n->reporter.at);
}

/* What is read of a message: a line a recipient; "no report" where it is none. */
static const char *
read_back(struct span message)
{
    struct mime_tree tree = {0};
    buf_reset(&told);
    mime_walk(read_text, &message, &tree);
    bool is = notice_is_report(&tree);
    int n = notice_read(read_text, &message, &tree, tell, NULL);
    if (!is)
        buf_printf(&told, "no report");
    else if (n <= 0)
        buf_printf(&told, "%d", n);
    mime_tree_clear(&tree);
    return told.len > 0 ? told.at : "";
}

static struct buf
write_one(const struct notice *notice)
{
    struct buf out = {0};
    buf_add_text(&out, "From: a@b.example\n");
    notice_write(notice, "=_b", &out);
    return out;
}

/* ---- written, and read again ---- */

static void
test_round_trip(void)
{
    static const struct {
        enum notice_kind kind;
        const char *status, *want;
    } kinds[] = {{NOTICE_DELIVERED, "", "delivered"},
                 {NOTICE_DELAYED, "4.4.1", "delayed"},
                 {NOTICE_FAILED, "5.1.1", "not delivered"},
                 {NOTICE_DISPLAYED, "", "read"},
                 {NOTICE_DELETED, "", "deleted"}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct notice notice = {.kind = kinds[i].kind,
                                .reporter = SPAN("gw1.contoso.example"),
                                .recipient = SPAN("carla@gw.contoso.example"),
                                .orcpt = SPAN("rfc822;Carla@gw.contoso.example"),
                                .envid = SPAN("QQ314159"),
                                .message_id = SPAN("<1@contoso.example>"),
                                .subject = SPAN("Größe"),
                                .status = span_of(kinds[i].status),
                                .diagnostic = SPAN("User not found"),
                                .time_s = 1795608000};
        struct buf message = write_one(&notice);
        bool mdn = kinds[i].kind >= NOTICE_DISPLAYED;
        char want[400];
        snprintf(want, sizeof want,
                 "%s|carla@gw.contoso.example|rfc822;Carla@gw.contoso.example|%s|<1@contoso.example>|Größe|%s|%"
                 "s|%s\n",
                 kinds[i].want, mdn ? "" : "QQ314159",
                 mdn                        ? ""
                 : *kinds[i].status != '\0' ? kinds[i].status
                                            : "2.0.0",
                 mdn ? "" : "x-system;User not found", mdn ? "" : "gw1.contoso.example");
        is_text(read_back(buf_span(&message)), want, "%s: comes back as it went", kinds[i].want);
        ok(strstr(message.at, mdn ? "report-type=disposition-notification" : "report-type=delivery-status") !=
               NULL,
           "%s: as the right kind of report", kinds[i].want);
        buf_clear(&message);
    }
}

static void
test_status_fits(void)
{
    struct notice notice = {
        .kind = NOTICE_FAILED, .reporter = SPAN("n"), .recipient = SPAN("a@b"), .status = SPAN("2.0.0")};
    struct buf message = write_one(&notice);
    ok(strstr(message.at, "Status: 5.0.0\n") != NULL, "a failure is never told with a status of success");
    buf_clear(&message);
    notice.status = SPAN("nonsense\n--=_b");
    message = write_one(&notice);
    ok(strstr(message.at, "Status: 5.0.0\n") != NULL, "what is no status is not written");
    buf_clear(&message);
}

static unsigned
count_lines(const char *text, const char *line)
{
    unsigned n = 0;
    size_t len = strlen(line);
    for (const char *at = text; at != NULL; at = strchr(at, '\n'), at += at != NULL)
        n += strncmp(at, line, len) == 0 && (at[len] == '\n' || at[len] == '\0');
    return n;
}

static void
test_hostile_texts(void)
{
    static const char evil[] = "x\n--=_b--\nBcc: everybody@example\r\n\r\n\001\377";
    struct span text = {evil, sizeof evil - 1};
    struct notice notice = {.kind = NOTICE_FAILED,
                            .reporter = text,
                            .recipient = text,
                            .orcpt = text,
                            .envid = text,
                            .message_id = text,
                            .subject = text,
                            .status = text,
                            .diagnostic = text};
    for (enum notice_kind kind = NOTICE_DELIVERED; kind <= NOTICE_DELETED; kind++) {
        notice.kind = kind;
        struct buf message = write_one(&notice);
        is_int(count_lines(message.at, "--=_b--"), 1, "%s: no text ends the report", notice_word(kind));
        ok(strstr(message.at, "\nBcc") == NULL && strstr(message.at, "\r") == NULL &&
               strstr(message.at, "\001") == NULL,
           "%s: or begins a field, or brings control characters", notice_word(kind));
        buf_clear(&message);
    }
}

static void
test_utf8(void)
{
    struct notice notice = {.kind = NOTICE_FAILED,
                            .reporter = SPAN("gw1.contoso.example"),
                            .recipient = SPAN("jürgen@gw.contoso.example"),
                            .orcpt = SPAN("utf-8;jürgen@gw.contoso.example")};
    struct buf message = write_one(&notice);
    for (size_t i = 0; i < message.len; i++)
        if ((unsigned char)message.at[i] >= 0x80) {
            ok(false, "an octet above 127 at %zu", i);
            break;
        }
    ok(strstr(message.at, "Final-Recipient: utf-8;j\\x{FC}rgen@gw.contoso.example\n") != NULL,
       "an address beyond ASCII is written in ASCII");
    read_back(buf_span(&message));
    ok(strstr(told.at, "not delivered|jürgen@gw.contoso.example|") == told.at, "and read as it was");
    buf_clear(&message);
}

/* ---- other people's ---- */

#define HEAD(type)                                                                                             \
    "From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=" type "; boundary=\"B\"\n\n" \
    "--B\nContent-Type: text/plain\n\nhello\n"

static void
test_reports_of_others(void)
{
    is_text(
        read_back(SPAN(HEAD(
            "delivery-status") "--B\nContent-Type: message/delivery-status\n\n"
                               "Reporting-MTA: dns; mx.example\nX-Postfix-Queue-ID: 3F\n\n"
                               "Final-Recipient: rfc822; a@x.example\nOriginal-Recipient: rfc822;A@x.example\n"
                               "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n such user\n\n"
                               "Final-Recipient: rfc822; b@x.example\nAction: delayed\nStatus: 4.4.1\n\n"
                               "Final-Recipient: rfc822; c@x.example\nAction: relayed\nStatus: 2.0.0\n"
                               "--B\nContent-Type: message/rfc822\n\nMessage-ID: <m@x.example>\nSubject: "
                               "=?utf-8?q?h=C3=A9?=\n\nbody\n--B--\n")),
        "not delivered|a@x.example|rfc822;A@x.example||<m@x.example>|hé|5.1.1|smtp; 550 no such "
        "user|mx.example\n"
        "delayed|b@x.example|||<m@x.example>|hé|4.4.1||mx.example\n"
        "of no known kind|c@x.example|||<m@x.example>|hé|2.0.0||mx.example\n",
        "a report with three recipients, as Postfix writes it");
    is_text(
        read_back(SPAN(HEAD(
            "disposition-notification") "--B\nContent-Type: message/disposition-notification\n\n"
                                        "Reporting-UA: pc; Mailer 1\nFinal-Recipient: "
                                        "rfc822;<a@x.example>\nOriginal-Message-ID: <m@x.example>\n"
                                        "Disposition: manual-action/MDN-sent-manually; displayed\n\n--B--\n")),
        "read|a@x.example|||<m@x.example>||||\n", "a read receipt, as mail programs write it");
    is_text(read_back(SPAN(
                HEAD("disposition-notification") "--B\nContent-Type: "
                                                 "message/disposition-notification\nContent-Transfer-Encoding: "
                                                 "base64\n\n"
                                                 "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7YUB4CkRpc3Bvc2l0aW9uOiBhL2I7I"
                                                 "GRlbGV0ZWQvZXJyb3IK\n--B--\n")),
            "deleted|a@x|||||||\n", "in base 64");
}

static void
test_none(void)
{
    is_text(read_back(SPAN("Subject: x\n\nhello\n")), "no report", "a mail is no report");
    is_text(read_back(SPAN("")), "no report", "nor is nothing");
    is_text(read_back(SPAN(HEAD("delivery-status") "--B--\n")), "no report", "nor what has no second part");
    is_text(
        read_back(SPAN(HEAD("delivery-status") "--B\nContent-Type: message/delivery-status\n\n\n\n--B--\n")),
        "0", "an empty status says nothing");
    is_text(read_back(SPAN(HEAD("delivery-status") "--B\nContent-Type: message/delivery-status\n\n"
                                                   "Reporting-MTA: dns; x\n\nAction: failed\n\n--B--\n")),
            "0", "nor does one that names nobody");
}

static void
test_many(void)
{
    struct buf message = {0};
    buf_add_text(
        &message,
        HEAD("delivery-status") "--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n");
    for (int i = 0; i < 100000; i++)
        buf_printf(&message, "\nFinal-Recipient: rfc822;u%d@x.example\nAction: failed\n", i);
    buf_add_text(&message, "--B--\n");
    read_back(buf_span(&message));
    unsigned lines = 0;
    for (size_t i = 0; i < told.len; i++)
        lines += told.at[i] == '\n';
    is_int(lines, NOTICE_RECIPIENTS_MAX, "of 100,000 recipients the first %d are told", NOTICE_RECIPIENTS_MAX);
    buf_clear(&message);
}

int
main(void)
{
    test_round_trip();
    test_status_fits();
    test_hostile_texts();
    test_utf8();
    test_reports_of_others();
    test_none();
    test_many();
    return tap_done();
}
