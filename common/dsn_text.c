/* dsn_text.c - the part of a report that people read (see dsn.h)
 *
 * The built-in templates stand here and, word for word, in conf/templates/ for operators to begin with; a test
 * holds them together. A text names at most SHOWN_MAX recipients: the part for programs names all.
 */
#include "common/dsn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/header_scan.h"
#include "common/utf8.h"

enum { SHOWN_MAX = 100, REASON_MAX = 600, WIDTH = 72 };

static const char failed_text[] = "Undeliverable: @SUBJECT@\n"
                                  "Your message could not be delivered to everyone you sent it to. No further\n"
                                  "attempt will be made for these addresses:\n"
                                  "\n"
                                  "@RECIPIENTS@\n"
                                  "---\n"
                                  "Your message:\n"
                                  "\n"
                                  "    Subject: @SUBJECT@\n"
                                  "    Sent:    @DATE@\n"
                                  "    Id:      @ID@\n"
                                  "\n"
                                  "If you need help, write to @POSTMASTER@ and quote the id.\n"
                                  "\n"
                                  "This report was made by the mail system at @NODE@. Attached are the\n"
                                  "details for programs, and your message or its header.\n";

static const char delayed_text[] = "Delayed: @SUBJECT@\n"
                                   "Your message has not been delivered yet to these addresses:\n"
                                   "\n"
                                   "@RECIPIENTS@\n"
                                   "You need not do anything: delivery will be tried again until @RETRY@.\n"
                                   "You will get another report if that does not succeed.\n"
                                   "\n"
                                   "---\n"
                                   "Your message:\n"
                                   "\n"
                                   "    Subject: @SUBJECT@\n"
                                   "    Sent:    @DATE@\n"
                                   "    Id:      @ID@\n"
                                   "\n"
                                   "If you need help, write to @POSTMASTER@ and quote the id.\n"
                                   "\n"
                                   "This report was made by the mail system at @NODE@. Attached are the\n"
                                   "details for programs, and the header of your message.\n";

static const char relayed_text[] = "Relayed: @SUBJECT@\n"
                                   "You asked to be told when your message is delivered. It was handed to a\n"
                                   "mail system that will not say whether it arrives, so this is the last\n"
                                   "report about it for these addresses, unless delivery fails:\n"
                                   "\n"
                                   "@RECIPIENTS@\n"
                                   "---\n"
                                   "Your message:\n"
                                   "\n"
                                   "    Subject: @SUBJECT@\n"
                                   "    Sent:    @DATE@\n"
                                   "    Id:      @ID@\n"
                                   "\n"
                                   "This report was made by the mail system at @NODE@. Attached are the\n"
                                   "details for programs, and the header of your message.\n";

static const char delivered_text[] = "Delivered: @SUBJECT@\n"
                                     "You asked to be told when your message is delivered. This became of it:\n"
                                     "\n"
                                     "@RECIPIENTS@\n"
                                     "---\n"
                                     "Your message:\n"
                                     "\n"
                                     "    Subject: @SUBJECT@\n"
                                     "    Sent:    @DATE@\n"
                                     "    Id:      @ID@\n"
                                     "\n"
                                     "This report was made by the mail system at @NODE@. Attached are the\n"
                                     "details for programs, and the header of your message.\n";

static const struct {
    const char *file, *text;
} texts_table[DSN_TEXT_COUNT] = {
    [DSN_TEXT_FAILED] = {"failed.txt", failed_text},
    [DSN_TEXT_DELAYED] = {"delayed.txt", delayed_text},
    [DSN_TEXT_RELAYED] = {"relayed.txt", relayed_text},
    [DSN_TEXT_DELIVERED] = {"delivered.txt", delivered_text},
};

const char *
dsn_text_built_in(enum dsn_text text)
{
    return texts_table[text].text;
}

const char *
dsn_text_file(enum dsn_text text)
{
    return texts_table[text].file;
}

/* ---- templates from files ---- */

static int
read_text(int folder_fd, const char *name, char **text, struct why *why)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    char *bytes = xmalloc(DSN_TEXT_MAX + 2);
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, bytes + len, DSN_TEXT_MAX + 1 - len)) > 0)
        len += (size_t)n;
    int failed = n < 0 ? -errno : len > DSN_TEXT_MAX ? -EFBIG : 0;
    close(fd);
    if (failed == 0 && (!utf8_valid((struct span){bytes, len}) || memchr(bytes, '\0', len) != NULL))
        failed = -EINVAL;
    if (failed == 0) {
        bytes[len] = '\0';
        *text = bytes;
        return 0;
    }
    free(bytes);
    why_set(why, "", "template %s: %s", name, failed == -EINVAL ? "not a text in UTF-8" : strerror(-failed));
    return failed;
}

int
dsn_texts_load(struct dsn_texts *texts, const char *folder, struct why *why)
{
    memset(texts, 0, sizeof *texts);
    if (folder == NULL)
        return 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int failed = -errno;
        why_set(why, "", "folder of templates %s: %s", folder, strerror(-failed));
        return failed;
    }
    int failed = 0;
    for (int i = 0; failed == 0 && i < DSN_TEXT_COUNT; i++)
        failed = read_text(fd, texts_table[i].file, &texts->at[i], why);
    close(fd);
    if (failed < 0)
        dsn_texts_clear(texts);
    return failed;
}

void
dsn_texts_clear(struct dsn_texts *texts)
{
    for (int i = 0; i < DSN_TEXT_COUNT; i++) {
        free(texts->at[i]);
        texts->at[i] = NULL;
    }
}

/* ---- recipients ---- */

/* What a status says, in words for somebody who wrote a letter and not a mail server; by subject and detail. */
static const struct {
    const char *code, *hint;
} hints[] = {
    {".1.0", "The address could not be used. Check it for typing errors."},
    {".1.1", "Nobody has this address. Check the part before the @ for typing errors."},
    {".1.2", "There is no such domain, or it takes no mail. Check the part behind the @."},
    {".1.3", "The address is not written as it must be."},
    {".1.4", "The address means more than one person."},
    {".1.6", "The mailbox has moved and left no new address."},
    {".1.7",
     "Your own address, as the sender, is not known to the other system, or not written as it must be."},
    {".1.10", "The domain says that it takes no mail at all."},
    {".2.1", "The mailbox is closed or takes no mail at present."},
    {".2.2", "The mailbox is full. Try again later, or reach the person in another way."},
    {".2.3", "The message is too large for the mailbox. Send less at a time."},
    {".3.4", "The message is too large for the receiving system. Send less at a time."},
    {".4.1", "The receiving system did not answer."},
    {".4.4", "No way to the receiving system is known."},
    {".4.6", "The message went round in a circle between mail systems."},
    {".4.7", "The receiving system could not be reached for too long."},
    {".5.3", "The message has too many recipients. Send it to fewer at a time."},
    {".6.1", "The receiving system cannot take this kind of content."},
    {".6.7", "The receiving system cannot take an address with such characters."},
    {".7.1", "The receiving system does not let you write to this address."},
};

static const char *
hint_find(const char *code)
{
    for (size_t i = 0; i < COUNT_OF(hints); i++)
        if (strcmp(code + 1, hints[i].code) == 0)
            return hints[i].hint;
    return NULL;
}

/* Adds text as indented lines of at most WIDTH columns, where it has blanks. */
static void
add_wrapped(struct buf *out, struct span text)
{
    size_t column = 0;
    text = span_trim(text);
    while (text.len > 0) {
        const char *blank = memchr(text.at, ' ', text.len);
        size_t n = blank != NULL ? (size_t)(blank - text.at) : text.len;
        if (n > 0) {
            bool fresh = column == 0 || column + 1 + n > WIDTH;
            buf_add_text(out, !fresh ? " " : column == 0 ? "        " : "\n        ");
            buf_add(out, text.at, n);
            column = fresh ? 8 + n : column + 1 + n;
        }
        text.at += n + (blank != NULL);
        text.len -= n + (blank != NULL);
    }
    buf_add_byte(out, '\n');
}

static void
add_reason(struct buf *out, const struct recipient *r, enum dsn_action action)
{
    char code[12];
    struct buf text = {0};
    dsn_status_code(action, r->status, code);
    const char *hint = hint_find(code);
    if (hint != NULL)
        add_wrapped(out, span_of(hint));
    if (action == DSN_DELIVERED)
        buf_add_text(&text, "Delivered.");
    else if (action == DSN_RELAYED)
        buf_add_text(&text, "Handed to a system that does not confirm delivery.");
    else
        buf_printf(&text, "Status %s", code);
    if (r->remote.len > 0 && action != DSN_DELIVERED) {
        struct span remote = r->remote;
        if (span_starts_nocase(remote, SPAN("dns;")))
            remote = span_trim((struct span){remote.at + 4, remote.len - 4});
        buf_add_text(&text, action == DSN_RELAYED ? " It is " : " from ");
        dsn_add_clean(&text, remote, true, 255);
        buf_add_text(&text, action == DSN_RELAYED ? "." : "");
    }
    if (r->text.len > 0 && action >= DSN_DELAYED) {
        buf_add_text(&text, ": ");
        dsn_add_clean(&text, r->text, true, REASON_MAX);
    }
    add_wrapped(out, buf_span(&text));
    buf_clear(&text);
}

static enum dsn_text
text_of(enum dsn_action action)
{
    return action == DSN_FAILED    ? DSN_TEXT_FAILED
           : action == DSN_DELAYED ? DSN_TEXT_DELAYED
           : action == DSN_RELAYED ? DSN_TEXT_RELAYED
                                   : DSN_TEXT_DELIVERED;
}

static void
add_recipients(const struct dsn *dsn, enum dsn_text kind, struct buf *out)
{
    const struct envelope *about = &dsn->about->envelope;
    size_t shown = 0, more = 0;
    for (size_t i = 0; i < about->n_recipients; i++) {
        const struct recipient *r = &about->recipients[i];
        enum dsn_action action = dsn_owed(dsn, r);
        if (action == DSN_NONE || text_of(action) != kind)
            continue;
        if (shown == SHOWN_MAX) {
            more++;
            continue;
        }
        shown++;
        buf_add_text(out, shown > 1 ? "\n    " : "    ");
        if (!address_is_smtp(&r->address))
            buf_printf(out, "%.*s:", (int)r->address.type.len, r->address.type.at);
        dsn_add_clean(out, r->address.value, true, 300);
        buf_add_byte(out, '\n');
        add_reason(out, r, action);
    }
    if (more > 0)
        buf_printf(out, "\n    ... and %zu more, which the details for programs name.\n", more);
}

/* ---- variables ---- */

static void
add_variable(const struct dsn *dsn, struct span name, struct span subject, enum dsn_text kind, struct buf *out)
{
    const struct envelope *about = &dsn->about->envelope;
    char date[40];
    if (span_equal(name, SPAN("NODE"))) {
        buf_add_text(out, dsn->node);
    } else if (span_equal(name, SPAN("POSTMASTER"))) {
        buf_add_text(out, dsn->postmaster);
    } else if (span_equal(name, SPAN("ID"))) {
        buf_add_span(out, about->id);
    } else if (span_equal(name, SPAN("DATE"))) {
        header_date(about->arrival_ms / 1000, date);
        buf_add_text(out, date);
    } else if (span_equal(name, SPAN("SUBJECT"))) {
        buf_add_text(out, subject.len > 0 ? "" : "(no subject)");
        buf_add_span(out, subject);
    } else if (span_equal(name, SPAN("SENDER"))) {
        dsn_add_clean(out, about->originator.value, true, 300);
    } else if (span_equal(name, SPAN("RETRY")) && dsn->retry_until_s > 0) {
        header_date(dsn->retry_until_s, date);
        buf_add_text(out, date);
    } else if (span_equal(name, SPAN("RETRY"))) {
        buf_add_text(out, "it is given up");
    } else if (span_equal(name, SPAN("RECIPIENTS"))) {
        add_recipients(dsn, kind, out);
    } else {
        buf_printf(out, "@%.*s@", (int)name.len, name.at);
    }
}

/* Adds text with its variables. A variable is @ and 1 to 20 capital letters and @. */
static void
add_expanded(const struct dsn *dsn, struct span text, struct span subject, enum dsn_text kind, struct buf *out)
{
    while (text.len > 0) {
        const char *at = memchr(text.at, '@', text.len);
        size_t plain = at != NULL ? (size_t)(at - text.at) : text.len;
        buf_add(out, text.at, plain);
        text.at += plain;
        text.len -= plain;
        size_t n = 1;
        while (n < text.len && n <= 20 && text.at[n] >= 'A' && text.at[n] <= 'Z')
            n++;
        if (n > 1 && n < text.len && text.at[n] == '@') {
            add_variable(dsn, (struct span){text.at + 1, n - 1}, subject, kind, out);
            n++;
        } else if (text.len > 0) {
            n = 1;
            buf_add_byte(out, '@');
        } else {
            n = 0;
        }
        text.at += n;
        text.len -= n;
    }
}

/* A template's three pieces: first line, text, and closing behind a line of three dashes. */
static void
take_apart(const struct dsn *dsn, enum dsn_text kind, struct span *subject, struct span *text,
           struct span *closing)
{
    const char *all =
        dsn->texts != NULL && dsn->texts->at[kind] != NULL ? dsn->texts->at[kind] : texts_table[kind].text;
    const char *end = strchr(all, '\n');
    *subject = (struct span){all, end != NULL ? (size_t)(end - all) : strlen(all)};
    *text = span_of(end != NULL ? end + 1 : "");
    *closing = SPAN("");
    const char *dashes = text->len > 0 ? strstr(text->at, "\n---\n") : NULL;
    if (dashes != NULL) {
        *closing = span_of(dashes + 5);
        text->len = (size_t)(dashes + 1 - text->at);
    }
}

void
dsn_text_subject(const struct dsn *dsn, struct span subject, struct buf *out)
{
    struct span line, text, closing;
    struct buf expanded = {0};
    take_apart(dsn, text_of(dsn->worst), &line, &text, &closing);
    add_expanded(dsn, line, subject, text_of(dsn->worst), &expanded);
    dsn_add_clean(out, span_trim(buf_span(&expanded)), true, 2 * DSN_SUBJECT_MAX);
    buf_clear(&expanded);
}

void
dsn_text_body(const struct dsn *dsn, struct span subject, struct buf *out)
{
    struct span line, text, closing;
    const bool wanted[DSN_TEXT_COUNT] = {
        [DSN_TEXT_FAILED] = dsn->count[DSN_FAILED] > 0,
        [DSN_TEXT_DELAYED] = dsn->count[DSN_DELAYED] > 0,
        [DSN_TEXT_RELAYED] = dsn->count[DSN_RELAYED] > 0,
        [DSN_TEXT_DELIVERED] = dsn->count[DSN_DELIVERED] > 0,
    };
    for (int kind = 0; kind < DSN_TEXT_COUNT; kind++) {
        if (!wanted[kind])
            continue;
        take_apart(dsn, (enum dsn_text)kind, &line, &text, &closing);
        add_expanded(dsn, text, subject, (enum dsn_text)kind, out);
    }
    take_apart(dsn, text_of(dsn->worst), &line, &text, &closing);
    add_expanded(dsn, closing, subject, text_of(dsn->worst), out);
}
