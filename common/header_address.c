/* header_address.c - the address list of a header field, read in one pass (see address.h)
 *
 * What is hostile here: all of it. One loop with a counter for comments; nothing is copied, nothing recurses,
 * and each octet is looked at a fixed number of times, so 100,000 parentheses or half a million addresses cost
 * what they weigh.
 *
 * What a mail client would still show as an address is one: missing commas at the end, empty elements, an
 * unclosed group. What it would not (an unclosed bracket, two words where an address should be) is handed over
 * as text.
 *
 * Source: RFC 5322 sections 3.2.2, 3.4 and 4.4.
 */
#include "common/address.h"

static const size_t NOWHERE = SIZE_MAX;

struct element {
    size_t start, end;           /* first octet that is no blank, and behind the last */
    size_t word, word_end;       /* the words outside comments and angle brackets */
    size_t comment, comment_end; /* inside the first comment */
    size_t angle, angle_end;     /* inside the angle brackets; angle_end NOWHERE while they are open */
    bool torn;                   /* words are parted by a comment, or stand behind the brackets */
};

struct scan {
    struct span body;
    struct element element;
    void (*each)(const struct header_address *, void *);
    void *arg;
    size_t count;
};

static void
element_begin(struct element *e)
{
    *e = (struct element){NOWHERE, 0, NOWHERE, 0, NOWHERE, 0, NOWHERE, NOWHERE, false};
}

static struct span
part(const struct scan *scan, size_t from, size_t to)
{
    return (struct span){scan->body.at + from, to - from};
}

/* The address in angle brackets may have an obsolete route before it: <@a,@b:user@host>. */
static struct span
angle_address(struct span inner)
{
    inner = span_trim(inner);
    if (inner.len == 0 || inner.at[0] != '@')
        return inner;
    const char *colon = memchr(inner.at, ':', inner.len);
    const char *bracket = memchr(inner.at, '[', inner.len);
    if (colon == NULL || (bracket != NULL && bracket < colon))
        return (struct span){inner.at, 0};
    return span_trim((struct span){colon + 1, inner.len - (size_t)(colon + 1 - inner.at)});
}

static void
element_end(struct scan *scan)
{
    struct element *e = &scan->element;
    struct mailbox_parts parts;
    struct header_address out = {0};
    if (e->start != NOWHERE) {
        out.whole = part(scan, e->start, e->end);
        if (e->angle != NOWHERE && e->angle_end != NOWHERE) {
            out.mailbox = angle_address(part(scan, e->angle, e->angle_end));
            if (e->word != NOWHERE && !e->torn)
                out.display = part(scan, e->word, e->word_end);
        } else if (e->angle == NOWHERE && e->word != NOWHERE && !e->torn) {
            out.mailbox = part(scan, e->word, e->word_end);
            if (e->comment != NOWHERE)
                out.display = span_trim(part(scan, e->comment, e->comment_end));
        }
        if (out.mailbox.len > 0 && mailbox_parse(out.mailbox, &parts, NULL) != 0)
            out.mailbox.len = 0;
        scan->count++;
        scan->each(&out, scan->arg);
    }
    element_begin(e);
}

/* Notes that the element has octets from..to, as part of a word where `word`. */
static void
element_add(struct element *e, size_t from, size_t to, bool word)
{
    if (e->start == NOWHERE)
        e->start = from;
    e->end = to;
    if (!word)
        return;
    if (e->angle != NOWHERE || (e->word != NOWHERE && e->comment != NOWHERE && e->comment > e->word_end))
        e->torn = true;
    if (e->word == NOWHERE)
        e->word = from;
    e->word_end = to;
}

/* Behind the end of a comment that begins at `i`; nesting is counted. */
static size_t
comment_skip(struct span body, size_t i)
{
    size_t depth = 0;
    for (; i < body.len; i++) {
        if (body.at[i] == '\\')
            i++;
        else if (body.at[i] == '(')
            depth++;
        else if (body.at[i] == ')' && --depth == 0)
            return i + 1;
    }
    return body.len;
}

/* Behind the end of a quoted string, or of a domain literal, that begins at `i`. */
static size_t
quoted_skip(struct span body, size_t i, char close)
{
    for (i++; i < body.len; i++) {
        if (body.at[i] == '\\')
            i++;
        else if (body.at[i] == close)
            return i + 1;
    }
    return body.len;
}

/* Behind the ">" for the "<" at `i`; at a comma where none comes before it, so that one missing bracket costs
 * one address. Commas of a route are passed over. */
static size_t
angle_skip(struct scan *scan, size_t i)
{
    struct span body = scan->body;
    struct element *e = &scan->element;
    size_t from = i;
    bool route = false, begun = false;
    e->angle = i + 1;
    for (i++; i < body.len && body.at[i] != '>'; i++) {
        char c = body.at[i];
        if (!begun && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            begun = true;
            route = c == '@';
        }
        if (c == ',' && !route)
            break;
        if (c == '"')
            i = quoted_skip(body, i, '"') - 1;
    }
    bool closed = i < body.len && body.at[i] == '>';
    e->angle_end = closed ? i : NOWHERE;
    size_t next = closed ? i + 1 : i < body.len ? i : body.len;
    element_add(e, from, next, false);
    return next;
}

/* Takes what begins at `i`; returns where to go on. */
static size_t
scan_step(struct scan *scan, size_t i)
{
    struct element *e = &scan->element;
    size_t next = i + 1;
    switch (scan->body.at[i]) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return next;
    case ',':
    case ';':
        element_end(scan);
        return next;
    case ':': /* what came before is a group's name */
        element_begin(e);
        return next;
    case '(':
        next = comment_skip(scan->body, i);
        element_add(e, i, next, false);
        if (e->comment == NOWHERE || (e->word != NOWHERE && e->comment < e->word)) {
            e->comment = i + 1;
            e->comment_end = scan->body.at[next - 1] == ')' && next > i + 1 ? next - 1 : next;
        }
        return next;
    case '<':
        if (e->angle == NOWHERE)
            return angle_skip(scan, i);
        break;
    case '"':
        next = quoted_skip(scan->body, i, '"');
        break;
    case '[':
        next = quoted_skip(scan->body, i, ']');
        break;
    default:
        break;
    }
    element_add(e, i, next, true);
    return next;
}

size_t
header_addresses(struct span body, void (*each)(const struct header_address *, void *), void *arg)
{
    struct scan scan = {.body = body, .each = each, .arg = arg};
    element_begin(&scan.element);
    for (size_t i = 0; i < body.len;)
        i = scan_step(&scan, i);
    element_end(&scan);
    return scan.count;
}
