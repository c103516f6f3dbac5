/* translate_header.c - the addresses of a header's fields, rewritten in place (see translate.h)
 *
 * Fields are copied byte for byte until one holds an address that changes; that field is written anew, and only
 * the mailboxes in it and the white space between its elements change. Displays, comments and group names stay
 * as they are written, folds within them too.
 *
 * What is hostile here: the header. It is gone over once; an address is translated in memory that is reset for
 * the next.
 *
 * Source: RFC 5322 sections 2.2.3 and 3.6.
 */
#include <errno.h>

#include "common/translate_internal.h"

enum { COLUMNS = 78 };

struct field {
    struct translator *translator;
    bool outwards;
    struct span body; /* behind the colon, with the last line's LF */
    size_t done;      /* octets of the body already written */
    size_t column;
    size_t elements;
    struct buf *out;
    int changed, err;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The name of a field line; empty where there is none. */
static struct span
field_name(struct span field)
{
    const char *colon = memchr(field.at, ':', field.len);
    struct span name = {field.at, colon != NULL ? (size_t)(colon - field.at) : 0};
    while (name.len > 0 && (name.at[name.len - 1] == ' ' || name.at[name.len - 1] == '\t'))
        name.len--;
    return name;
}

static bool
holds_addresses(struct span name)
{
    static const char *const names[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};
    if (span_equal_nocase(name, SPAN("Disposition-Notification-To")))
        return true;
    if (span_starts_nocase(name, SPAN("Resent-")))
        name = (struct span){name.at + 7, name.len - 7};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_equal_nocase(name, span_of(names[i])))
            return true;
    return false;
}

/* ---- one address ---- */

/* An address that a header's mailbox stands for: on the way in, what our side encapsulated of this system's. */
static struct address
header_form(struct field *field, struct span mailbox)
{
    struct translator *translator = field->translator;
    struct address address = {SPAN("SMTP"), mailbox}, inner;
    if (!field->outwards && host_unwrap(translator->root, &address, translator->scratch, &inner, NULL) == 0 &&
        span_equal(inner.type, translator->type))
        return inner;
    return address;
}

/* The mailbox that takes the place of `mailbox`; itself where nothing changes. In the scratch arena. */
static struct span
translate_mailbox(struct field *field, struct span mailbox)
{
    struct translator *translator = field->translator;
    struct arena *scratch = translator->scratch;
    struct translation to;
    struct address address = header_form(field, mailbox);
    int err = field->outwards ? translate_out(translator, &address, ROLE_LISTED, scratch, &to, NULL)
                              : translate_in(translator, &address, ROLE_LISTED, scratch, &to, NULL);
    if (err == 0 && !address_is_smtp(&to.address))
        err = host_wrap(translator->root, &to.address, scratch, &to.address, NULL);
    if (err == -EAGAIN)
        field->err = err;
    return err == 0 ? to.address.value : mailbox;
}

/* ---- one field ---- */

static void
write_text(struct field *field, struct span text)
{
    const char *line = text.len > 0 ? memrchr(text.at, '\n', text.len) : NULL;
    buf_add_span(field->out, text);
    field->column = line != NULL ? (size_t)(text.at + text.len - line - 1) : field->column + text.len;
}

/* The first line's length of an element that gets another mailbox. */
static size_t
first_line(struct span whole, struct span mailbox, size_t new_len)
{
    const char *line = memchr(whole.at, '\n', whole.len);
    if (line != NULL && (mailbox.len == 0 || line < mailbox.at))
        return (size_t)(line - whole.at);
    return whole.len - mailbox.len + new_len;
}

/* What stands between two elements: a comma, a group's name. It is kept without the white space around it. */
static void
write_gap(struct field *field, size_t to, size_t next_len)
{
    struct span gap = span_trim((struct span){field->body.at + field->done, to - field->done});
    if (gap.len > 0 && gap.at[0] != ',' && gap.at[0] != ';')
        write_text(field, SPAN(" "));
    write_text(field, gap);
    /* One column for the blank and one for the comma that will follow. */
    bool fold = field->elements > 0 && field->column + next_len + 2 > COLUMNS;
    write_text(field, fold ? SPAN("\n ") : SPAN(" "));
}

static void
write_element(const struct header_address *element, void *arg)
{
    struct field *field = arg;
    if (field->err != 0)
        return;
    struct span whole = element->whole, mailbox = element->mailbox;
    struct span to = mailbox.len > 0 ? translate_mailbox(field, mailbox) : mailbox;
    write_gap(field, (size_t)(whole.at - field->body.at), first_line(whole, mailbox, to.len));
    if (mailbox.len == 0 || span_equal(to, mailbox)) {
        write_text(field, whole);
    } else {
        write_text(field, (struct span){whole.at, (size_t)(mailbox.at - whole.at)});
        write_text(field, to);
        const char *behind = mailbox.at + mailbox.len;
        write_text(field, (struct span){behind, (size_t)(whole.at + whole.len - behind)});
        field->changed++;
    }
    field->done = (size_t)(whole.at - field->body.at) + whole.len;
    field->elements++;
    arena_reset(field->translator->scratch);
}

static int
write_field(struct translator *translator, bool outwards, struct span text, struct buf *out)
{
    size_t start = out->len;
    size_t head = (size_t)((const char *)memchr(text.at, ':', text.len) - text.at) + 1;
    struct field field = {.translator = translator, .outwards = outwards, .out = out};
    field.body = (struct span){text.at + head, text.len - head};
    write_text(&field, (struct span){text.at, head});
    header_addresses(field.body, write_element, &field);
    if (field.err != 0)
        return field.err;
    if (field.changed == 0) { /* byte for byte */
        out->len = start;
        buf_add_span(out, text);
        return 0;
    }
    buf_add_span(out, (struct span){field.body.at + field.done, field.body.len - field.done});
    /* A comment without an end holds the line end too; two of them would end the header here. */
    while (out->len > start && is_blank(out->at[out->len - 1]))
        out->len--;
    buf_add_byte(out, '\n');
    return field.changed;
}

/* The length of the field that `header` begins with: its line and those that continue it. */
static size_t
field_length(struct span header)
{
    for (size_t i = 0; i < header.len;) {
        const char *line = memchr(header.at + i, '\n', header.len - i);
        if (line == NULL)
            return header.len;
        i = (size_t)(line - header.at) + 1;
        if (i < header.len && header.at[i] != ' ' && header.at[i] != '\t')
            return i;
    }
    return header.len;
}

int
translate_header(struct translator *translator, bool outwards, struct span header, struct buf *out)
{
    size_t start = out->len;
    int changed = 0;
    while (header.len > 0) {
        struct span field = {header.at, field_length(header)};
        int now = 0;
        if (translator->connector != NULL && holds_addresses(field_name(field)))
            now = write_field(translator, outwards, field, out);
        else
            buf_add_span(out, field);
        if (now < 0) {
            out->len = start;
            buf_add(out, "", 0);
            return now;
        }
        changed += now;
        header.at += field.len;
        header.len -= field.len;
    }
    return changed;
}
