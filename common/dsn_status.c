/* dsn_status.c - the part of a report that programs read (see dsn.h)
 *
 * Fields are those of RFC 3464 section 2; in a report to a sender who spoke SMTPUTF8 they hold UTF-8 (RFC 6533
 * section 4). Every value comes from outside in the end: it is made one line of printable text here, folded at
 * its blanks, and cut where it is too long for a line (RFC 5322 section 2.1.1).
 */
#include "common/dsn.h"

#include <stdio.h>

#include "common/header_scan.h"
#include "common/utf8.h"

enum { FOLD_AT = 76, VALUE_MAX = 900 };

static const char *const words[DSN_ACTION_COUNT] = {"none", "delivered", "relayed", "delayed", "failed"};

const char *
dsn_action_word(enum dsn_action action)
{
    return words[action];
}

/* Adds "Name: value", folded at blanks. The value is clean. */
static void
add_field(struct buf *out, const char *name, struct span value)
{
    buf_printf(out, "%s:", name);
    size_t column = strlen(name) + 1;
    while (value.len > 0) {
        const char *blank = memchr(value.at, ' ', value.len);
        size_t n = blank != NULL ? (size_t)(blank - value.at) : value.len;
        if (n > 0) {
            bool fold = column + 1 + n > FOLD_AT && column > strlen(name) + 1;
            buf_add_text(out, fold ? "\n " : " ");
            buf_add(out, value.at, n);
            column = fold ? n + 1 : column + 1 + n;
        }
        value.at += n + (blank != NULL);
        value.len -= n + (blank != NULL);
    }
    buf_add_byte(out, '\n');
}

/* Adds "Name: type; value" with a value from outside; nothing for an empty one. */
static void
add_typed(const struct dsn *dsn, struct buf *out, const char *name, const char *type, struct span value)
{
    struct buf text = {0};
    if (value.len == 0)
        return;
    buf_printf(&text, "%s; ", type);
    dsn_add_clean(&text, value, dsn->utf8, VALUE_MAX);
    add_field(out, name, buf_span(&text));
    buf_clear(&text);
}

static void
add_date(struct buf *out, const char *name, int64_t time_s)
{
    char date[40];
    if (time_s <= 0)
        return;
    header_date(time_s, date);
    buf_printf(out, "%s: %s\n", name, date);
}

/* ---- status codes ---- */

/* class "." subject "." detail, one digit and two of one to three (RFC 3463 section 2). */
static bool
status_valid(struct span s)
{
    size_t at = 2, n;
    if (s.len < 5 || s.len > 9 || (s.at[0] != '2' && s.at[0] != '4' && s.at[0] != '5') || s.at[1] != '.')
        return false;
    for (int part = 0; part < 2; part++) {
        for (n = 0; at < s.len && s.at[at] >= '0' && s.at[at] <= '9'; n++)
            at++;
        if (n == 0 || n > 3)
            return false;
        if (part == 0 && (at >= s.len || s.at[at++] != '.'))
            return false;
    }
    return at == s.len;
}

void
dsn_status_code(enum dsn_action action, struct span status, char code[12])
{
    char class = action == DSN_FAILED ? '5' : action == DSN_DELAYED ? '4' : '2';
    /* A success says nothing by the subject of an error that came before it. */
    bool keep = status_valid(status) && (class != '2' || status.at[0] == '2');
    if (keep)
        snprintf(code, 12, "%c%.*s", class, (int)status.len - 1, status.at + 1);
    else
        snprintf(code, 12, "%c.0.0", class);
}

/* ---- the groups of fields ---- */

static void
add_message_fields(const struct dsn *dsn, struct buf *out)
{
    const struct envelope *about = &dsn->about->envelope;
    struct buf text = {0};
    add_typed(dsn, out, "Reporting-MTA", "dns", span_of(dsn->node));
    if (dsn_add_xtext(&text, about->envid, dsn->utf8) && text.len <= VALUE_MAX)
        add_field(out, "Original-Envelope-Id", buf_span(&text));
    buf_reset(&text);
    if (about->helo.len > 0) {
        add_typed(dsn, out, "Received-From-MTA", "dns", about->helo);
    } else if (about->client.len > 0 && !span_equal(about->protocol, SPAN("local"))) {
        buf_printf(&text, "[%.*s]", (int)about->client.len, about->client.at);
        add_typed(dsn, out, "Received-From-MTA", "dns", buf_span(&text));
    }
    add_date(out, "Arrival-Date", about->arrival_ms / 1000);
    add_field(out, "X-Viaduct-Queue-Id", about->id);
    buf_clear(&text);
}

/* An address as type and value. The types of RFC 3464 are "rfc822" and "utf-8"; foreign ones are our address
 * types. */
static void
add_address(const struct dsn *dsn, struct buf *out, const char *name, const struct address *address)
{
    struct buf text = {0};
    bool ascii = dsn_is_ascii(address->value);
    if (!address_is_smtp(address)) {
        for (size_t i = 0; i < address->type.len; i++) {
            char c = address->type.at[i];
            buf_add_byte(&text, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
        }
        buf_add_text(&text, "; ");
        dsn_add_clean(&text, address->value, dsn->utf8, VALUE_MAX);
    } else if (ascii || dsn->utf8) {
        buf_add_text(&text, ascii ? "rfc822; " : "utf-8; ");
        dsn_add_clean(&text, address->value, true, VALUE_MAX);
    } else {
        buf_add_text(&text, "utf-8; ");
        dsn_add_addr_xtext(&text, address->value);
    }
    add_field(out, name, buf_span(&text));
    buf_clear(&text);
}

/* The value of an ORCPT of type utf-8 (RFC 6533 section 3): characters as themselves, or written \x{HEX},
 * whichever the report can hold. */
static bool
add_original_utf8(const struct dsn *dsn, struct buf *text, struct span value)
{
    if (!utf8_printable(value))
        return false;
    if (dsn->utf8)
        return dsn_add_unitext(text, value);
    if (dsn_is_ascii(value))
        buf_add_span(text, value);
    else
        dsn_add_addr_xtext(text, value);
    return true;
}

static bool
is_atom(struct span text)
{
    bool good = text.len > 0 && text.len <= 20;
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.at[i];
        good = c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    return good;
}

/* ORCPT is "type;xtext". What is malformed is left out: nobody could use it. */
static void
add_original(const struct dsn *dsn, struct buf *out, struct span orcpt)
{
    const char *semicolon = orcpt.len > 0 ? memchr(orcpt.at, ';', orcpt.len) : NULL;
    if (semicolon == NULL)
        return;
    struct span type = {orcpt.at, (size_t)(semicolon - orcpt.at)};
    struct span value = {semicolon + 1, orcpt.len - type.len - 1};
    struct buf text = {0};
    if (is_atom(type)) {
        buf_add_span(&text, type);
        buf_add_text(&text, "; ");
        bool good = span_equal_nocase(type, SPAN("utf-8")) ? add_original_utf8(dsn, &text, value)
                                                           : dsn_add_xtext(&text, value, dsn->utf8);
        if (good && text.len <= VALUE_MAX)
            add_field(out, "Original-Recipient", buf_span(&text));
    }
    buf_clear(&text);
}

static bool
is_smtp_answer(struct span text)
{
    for (size_t i = 0; i < 3; i++)
        if (i >= text.len || text.at[i] < '0' || text.at[i] > '9')
            return false;
    return text.len == 3 || text.at[3] == ' ' || text.at[3] == '-';
}

/* The answer of an SMTP server begins with its three-digit code, or with who gave it ("mx.example said: 550
 * ..."), which Remote-MTA tells already; other reasons are our own words. */
static void
add_diagnostic(const struct dsn *dsn, struct buf *out, const struct recipient *r)
{
    static const char said[] = " said: ";
    struct span text = r->text;
    const char *found = text.len > 0 ? memmem(text.at, text.len, said, sizeof said - 1) : NULL;
    if (found != NULL && memchr(text.at, ' ', text.len) == found) {
        size_t skipped = (size_t)(found - text.at) + sizeof said - 1;
        text = (struct span){text.at + skipped, text.len - skipped};
    }
    bool answer = is_smtp_answer(text);
    add_typed(dsn, out, "Diagnostic-Code", answer ? "smtp" : "x-viaduct", answer ? text : r->text);
}

static void
add_recipient_fields(const struct dsn *dsn, struct buf *out, const struct recipient *r)
{
    char code[12];
    enum dsn_action action = dsn_owed(dsn, r);
    dsn_status_code(action, r->status, code);
    buf_add_byte(out, '\n');
    add_original(dsn, out, r->orcpt);
    add_address(dsn, out, "Final-Recipient", &r->address);
    buf_printf(out, "Action: %s\nStatus: %s\n", dsn_action_word(action), code);
    struct span remote = r->remote;
    if (span_starts_nocase(remote, SPAN("dns;")))
        remote = span_trim((struct span){remote.at + 4, remote.len - 4});
    add_typed(dsn, out, "Remote-MTA", "dns", remote);
    add_diagnostic(dsn, out, r);
    add_date(out, "Last-Attempt-Date", r->state_ms / 1000);
    if (action == DSN_DELAYED)
        add_date(out, "Will-Retry-Until", dsn->retry_until_s);
}

int
dsn_status_write(const struct dsn *dsn, struct buf *out, const struct dsn_sink *sink)
{
    const struct envelope *about = &dsn->about->envelope;
    int failed = 0;
    add_message_fields(dsn, out);
    for (size_t i = 0; failed == 0 && i < about->n_recipients; i++) {
        if (dsn_owed(dsn, &about->recipients[i]) == DSN_NONE)
            continue;
        add_recipient_fields(dsn, out, &about->recipients[i]);
        failed = dsn_flush(out, sink, false);
    }
    return failed;
}
