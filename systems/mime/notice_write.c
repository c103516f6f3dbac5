/* notice_write.c - a report about one recipient (see notice.h) */
#include "common/dsn.h"
#include "common/header_scan.h"
#include "systems/mime/mime_header.h"
#include "systems/mime/notice.h"

enum { ADDRESS_CUT = 1000, TEXT_CUT = 900 };

static const struct {
    const char *word, *action, *status, *text;
    enum dsn_action code;
} kinds[] = {
    [NOTICE_NONE] = {"of no known kind", "", "", "", DSN_NONE},
    [NOTICE_DELIVERED] = {"delivered", "delivered", "2.0.0", "Your message was delivered to", DSN_DELIVERED},
    [NOTICE_DELAYED] = {"delayed", "delayed", "4.0.0", "Your message has not been delivered yet to",
                        DSN_DELAYED},
    [NOTICE_FAILED] = {"not delivered", "failed", "5.0.0", "Your message could not be delivered to",
                       DSN_FAILED},
    [NOTICE_DISPLAYED] = {"read", "displayed", "", "Your message was read by", DSN_NONE},
    [NOTICE_DELETED] = {"deleted", "deleted", "", "Your message was deleted unread by", DSN_NONE},
};

const char *
notice_word(enum notice_kind kind)
{
    return kinds[kind].word;
}

static bool
is_disposition(const struct notice *notice)
{
    return notice->kind == NOTICE_DISPLAYED || notice->kind == NOTICE_DELETED;
}

/* "Name: type;address"; an address beyond ASCII in the form of RFC 6533 that fits into ASCII. */
static void
put_address(const char *field, struct span address, struct buf *out)
{
    struct span shown = address;
    if (shown.len > ADDRESS_CUT)
        shown.len = ADDRESS_CUT;
    bool ascii = dsn_is_ascii(shown);
    buf_printf(out, "%s: %s;", field, ascii ? "rfc822" : "utf-8");
    if (ascii)
        dsn_add_clean(out, shown, false, ADDRESS_CUT);
    else
        dsn_add_addr_xtext(out, shown);
    buf_add_byte(out, '\n');
}

static void
put_line(const char *field, struct span text, struct buf *out)
{
    if (text.len == 0)
        return;
    buf_printf(out, "%s: ", field);
    dsn_add_clean(out, text, false, TEXT_CUT);
    buf_add_byte(out, '\n');
}

static void
put_orcpt(const struct notice *notice, struct buf *out)
{
    const char *semicolon = notice->orcpt.len == 0 ? NULL : memchr(notice->orcpt.at, ';', notice->orcpt.len);
    if (semicolon != NULL && dsn_is_ascii(notice->orcpt))
        put_line("Original-Recipient", notice->orcpt, out);
    else if (semicolon != NULL)
        put_address(
            "Original-Recipient",
            (struct span){semicolon + 1, (size_t)(notice->orcpt.at + notice->orcpt.len - semicolon - 1)}, out);
}

/* ---- the parts ---- */

static void
put_words(const struct notice *notice, struct buf *out)
{
    struct buf text = {0};
    struct mime_quoter quoter = {0};
    char date[40];
    buf_printf(&text, "%s:\n\n    ", kinds[notice->kind].text);
    dsn_add_clean(&text, notice->recipient, true, ADDRESS_CUT);
    buf_add_byte(&text, '\n');
    if (notice->subject.len > 0) {
        buf_add_text(&text, "\nSubject: ");
        dsn_add_clean(&text, notice->subject, true, TEXT_CUT);
    }
    if (notice->time_s > 0) {
        header_date(notice->time_s, date);
        buf_printf(&text, "\nTime: %s", date);
    }
    if (notice->diagnostic.len > 0) {
        buf_add_text(&text, "\nReason: ");
        dsn_add_clean(&text, notice->diagnostic, true, TEXT_CUT);
    }
    buf_add_byte(&text, '\n');
    if (notice->kind == NOTICE_DISPLAYED)
        buf_add_text(&text, "\nThat does not mean that it was understood.\n");
    buf_add_text(out,
                 "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n");
    mime_quote(&quoter, text.at, text.len, out);
    mime_quote_end(&quoter, out);
    buf_clear(&text);
}

static void
put_status(const struct notice *notice, struct buf *out)
{
    char code[12], date[40];
    struct span status = notice->status.len > 0 ? notice->status : span_of(kinds[notice->kind].status);
    dsn_status_code(kinds[notice->kind].code, status, code);
    buf_add_text(out, "Content-Type: message/delivery-status\n\n");
    put_line("Original-Envelope-Id", notice->envid, out);
    buf_add_text(out, "Reporting-MTA: dns;");
    dsn_add_clean(out, notice->reporter, false, ADDRESS_CUT);
    buf_add_text(out, "\n\n");
    put_orcpt(notice, out);
    put_address("Final-Recipient", notice->recipient, out);
    buf_printf(out, "Action: %s\nStatus: %s\n", kinds[notice->kind].action, code);
    if (notice->diagnostic.len > 0) {
        buf_add_text(out, "Diagnostic-Code: x-system;");
        dsn_add_clean(out, notice->diagnostic, false, TEXT_CUT);
        buf_add_byte(out, '\n');
    }
    if (notice->time_s > 0) {
        header_date(notice->time_s, date);
        buf_printf(out, "Last-Attempt-Date: %s\n", date);
    }
}

static void
put_disposition(const struct notice *notice, struct buf *out)
{
    buf_add_text(out, "Content-Type: message/disposition-notification\n\n");
    put_line("Reporting-UA", notice->reporter, out);
    put_orcpt(notice, out);
    put_address("Final-Recipient", notice->recipient, out);
    put_line("Original-Message-ID", notice->message_id, out);
    /* The person did it, and the other system sends such items without asking (RFC 8098 section 3.2.6). */
    buf_printf(out, "Disposition: manual-action/MDN-sent-automatically; %s\n", kinds[notice->kind].action);
}

void
notice_write(const struct notice *notice, const char *boundary, struct buf *out)
{
    BUG_UNLESS(notice->kind != NOTICE_NONE);
    buf_printf(out, "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=%s;\n boundary=\"%s\"\n\n",
               is_disposition(notice) ? "disposition-notification" : "delivery-status", boundary);
    buf_printf(out, "--%s\n", boundary);
    put_words(notice, out);
    buf_printf(out, "\n--%s\n", boundary);
    if (is_disposition(notice))
        put_disposition(notice, out);
    else
        put_status(notice, out);
    if (notice->message_id.len > 0 || notice->subject.len > 0) {
        buf_printf(out, "\n--%s\nContent-Type: text/rfc822-headers\n\n", boundary);
        put_line("Message-ID", notice->message_id, out);
        if (notice->subject.len > 0) {
            buf_add_text(out, "Subject: ");
            mime_encode_text(notice->subject, 9, false, out);
            buf_add_byte(out, '\n');
        }
    }
    buf_printf(out, "\n--%s--\n", boundary);
}
