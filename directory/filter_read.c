/* filter_read.c - the text of an LDAP filter read into a program (see policy.h)
 *
 * One pass over the text with a list of what is open. Blanks between parentheses are passed over, so that a long filter may
 * stand on several lines; within an item they belong to its value.
 *
 * Source: RFC 4515; MS-ADTS section 3.1.1.3.4.4 (matching rules).
 */
#include <stdlib.h>

#include "directory/filter_inside.h"

struct reader {
    struct span text;
    size_t at;
    struct dir_filter *filter;
    size_t open[FILTER_DEPTH_MAX];   /* nodes that are not closed */
    size_t inside[FILTER_DEPTH_MAX]; /* how many filters are in each */
    size_t depth;
    struct why *why;
};

static int
refuse(const struct reader *reader, const char *what)
{
    return why_set(reader->why, "5.3.5", "filter, character %zu: %s", reader->at + 1, what);
}

static char
here(const struct reader *reader)
{
    return reader->at < reader->text.len ? reader->text.at[reader->at] : '\0';
}

static void
skip_blanks(struct reader *reader)
{
    while (reader->at < reader->text.len && strchr(" \t\r\n", reader->text.at[reader->at]) != NULL &&
           reader->text.at[reader->at] != '\0')
        reader->at++;
}

/* ---- the program ---- */

static struct filter_node *
add_node(struct dir_filter *filter, enum filter_op op)
{
    if (filter->n_nodes == filter->nodes_size) {
        filter->nodes_size = filter->nodes_size > 0 ? 2 * filter->nodes_size : 8;
        filter->nodes = xrealloc(filter->nodes, filter->nodes_size * sizeof *filter->nodes);
    }
    struct filter_node *node = &filter->nodes[filter->n_nodes++];
    *node = (struct filter_node){.op = op};
    return node;
}

static void
add_piece(struct dir_filter *filter, size_t from)
{
    if (filter->n_pieces == filter->pieces_size) {
        filter->pieces_size = filter->pieces_size > 0 ? 2 * filter->pieces_size : 8;
        filter->pieces = xrealloc(filter->pieces, filter->pieces_size * sizeof *filter->pieces);
    }
    filter->pieces[filter->n_pieces++] = (struct filter_word){from, filter->words.len - from};
}

/* ---- an item ---- */

static bool
is_name_octet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == ';' || c == '_';
}

static int
read_name(struct reader *reader, struct filter_word *name)
{
    size_t from = reader->at;
    while (is_name_octet(here(reader)))
        reader->at++;
    struct span whole = {reader->text.at + from, reader->at - from};
    const char *options = whole.len > 0 ? memchr(whole.at, ';', whole.len) : NULL;
    if (options != NULL)
        whole.len = (size_t)(options - whole.at);
    if (whole.len == 0)
        return refuse(reader, "an attribute's name is missing");
    *name = (struct filter_word){reader->filter->words.len, whole.len};
    buf_add_span(&reader->filter->words, whole);
    return 0;
}

/* ":1.2.840.113556.1.4.803" behind the name, with its ":". */
static int
read_rule(struct reader *reader, enum filter_op *op)
{
    static const struct {
        struct span oid;
        enum filter_op op;
    } rules[] = {{{"1.2.840.113556.1.4.803", 22}, FILTER_ALL_BITS},
                 {{"1.2.840.113556.1.4.804", 22}, FILTER_ANY_BIT}};
    size_t from = ++reader->at;
    while (is_name_octet(here(reader)))
        reader->at++;
    struct span oid = {reader->text.at + from, reader->at - from};
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (span_equal(oid, rules[i].oid)) {
            *op = rules[i].op;
            if (here(reader) != ':')
                return refuse(reader, "\":=\" must follow a matching rule");
            reader->at++;
            return 0;
        }
    reader->at = from;
    return refuse(reader, "the matching rules known are 1.2.840.113556.1.4.803 and .804 (bits)");
}

static int
read_operator(struct reader *reader, enum filter_op *op)
{
    *op = FILTER_EQUAL;
    if (here(reader) == ':') {
        int r = read_rule(reader, op);
        if (r < 0)
            return r;
    } else if (here(reader) == '>' || here(reader) == '<' || here(reader) == '~') {
        *op = here(reader) == '>' ? FILTER_AT_LEAST : here(reader) == '<' ? FILTER_AT_MOST : FILTER_EQUAL;
        reader->at++;
    }
    if (here(reader) != '=')
        return refuse(reader, "one of = ~= >= <= must follow an attribute's name");
    reader->at++;
    return 0;
}

static int
hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int
read_escape(struct reader *reader)
{
    struct span rest = {reader->text.at + reader->at, reader->text.len - reader->at};
    int high = rest.len > 2 ? hex(rest.at[1]) : -1, low = rest.len > 2 ? hex(rest.at[2]) : -1;
    if (high < 0 || low < 0)
        return refuse(reader, "two hexadecimal digits must follow \\");
    buf_add_byte(&reader->filter->words, (char)(16 * high + low));
    reader->at += 3;
    return 0;
}

/* Up to the ")", which is left; each '*' ends a piece. */
static int
read_value(struct reader *reader, size_t *stars)
{
    struct buf *words = &reader->filter->words;
    size_t from = words->len;
    *stars = 0;
    for (; reader->at < reader->text.len && here(reader) != ')';) {
        char c = here(reader);
        if (c == '(' || c == '\0')
            return refuse(reader, "a value holds this character only as \\28 or \\00");
        if (c == '\\') {
            int r = read_escape(reader);
            if (r < 0)
                return r;
            continue;
        }
        reader->at++;
        if (c == '*') {
            ++*stars;
            add_piece(reader->filter, from);
            from = words->len;
        } else
            buf_add_byte(words, c);
    }
    add_piece(reader->filter, from);
    return here(reader) == ')' ? 0 : refuse(reader, "a ) is missing");
}

static int
set_meaning(struct reader *reader, struct filter_node *node, size_t stars)
{
    struct dir_filter *filter = reader->filter;
    struct span value = filter_word(filter, filter->pieces[node->piece]);
    bool bits = node->op == FILTER_ALL_BITS || node->op == FILTER_ANY_BIT;
    if (stars > 0 && node->op != FILTER_EQUAL)
        return refuse(reader, "* stands for any text only behind =; elsewhere it is \\2a");
    if (bits && !filter_number(value, &node->number))
        return refuse(reader, "a matching rule of bits needs a number");
    if (stars > 0)
        node->op = FILTER_PIECES;
    if (stars == 1 && value.len == 0 && filter->pieces[node->piece + 1].len == 0)
        node->op = FILTER_PRESENT;
    return 0;
}

static int
read_item(struct reader *reader)
{
    struct filter_word name;
    enum filter_op op = FILTER_EQUAL;
    size_t stars = 0;
    int r = read_name(reader, &name);
    if (r == 0)
        r = read_operator(reader, &op);
    if (r < 0)
        return r;
    struct filter_node *node = add_node(reader->filter, op);
    node->name = name;
    node->piece = reader->filter->n_pieces;
    r = read_value(reader, &stars);
    node->pieces = reader->filter->n_pieces - node->piece;
    return r < 0 ? r : set_meaning(reader, node, stars);
}

/* ---- what is around items ---- */

/* Behind "(". */
static int
read_open(struct reader *reader)
{
    skip_blanks(reader);
    char c = here(reader);
    if (reader->depth > 0)
        reader->inside[reader->depth - 1]++;
    if (c != '&' && c != '|' && c != '!') {
        int r = read_item(reader);
        reader->at += r == 0; /* its ")" */
        return r;
    }
    if (reader->depth == FILTER_DEPTH_MAX)
        return refuse(reader, "more than 100 levels of parentheses");
    reader->inside[reader->depth] = 0;
    reader->open[reader->depth++] = reader->filter->n_nodes;
    add_node(reader->filter, c == '&' ? FILTER_AND : c == '|' ? FILTER_OR : FILTER_NOT);
    reader->at++;
    return 0;
}

/* Behind ")". "(&)" is true and "(|)" false (RFC 4526); "(!)" is nothing. */
static int
read_close(struct reader *reader)
{
    struct dir_filter *filter = reader->filter;
    size_t open = reader->open[--reader->depth];
    if (filter->nodes[open].op == FILTER_NOT && reader->inside[reader->depth] != 1)
        return refuse(reader, "! negates one filter");
    filter->nodes[open].close = filter->n_nodes;
    add_node(filter, FILTER_CLOSE);
    return 0;
}

static int
read_all(struct reader *reader)
{
    if (reader->text.len > FILTER_BYTES_MAX)
        return refuse(reader, "longer than 65536 characters");
    do {
        skip_blanks(reader);
        char c = here(reader);
        if (c != '(' && (c != ')' || reader->depth == 0))
            return refuse(reader, c == '\0' && reader->at >= reader->text.len && reader->depth > 0
                                      ? "a ) is missing"
                                      : "a ( must stand here");
        reader->at++;
        int r = c == '(' ? read_open(reader) : read_close(reader);
        if (r < 0)
            return r;
    } while (reader->depth > 0);
    skip_blanks(reader);
    return reader->at == reader->text.len ? 0 : refuse(reader, "something stands behind the last )");
}

struct dir_filter *
dir_filter_new(struct span text, struct why *why)
{
    struct dir_filter *filter = xcalloc(1, sizeof *filter);
    struct reader reader = {.text = text, .filter = filter, .why = why};
    buf_add_text(&filter->words, "");
    buf_reserve(&filter->words, 1);
    if (read_all(&reader) == 0)
        return filter;
    dir_filter_free(filter);
    return NULL;
}

void
dir_filter_free(struct dir_filter *filter)
{
    if (filter == NULL)
        return;
    buf_clear(&filter->words);
    free(filter->nodes);
    free(filter->pieces);
    free(filter);
}

void
dir_filter_names(const struct dir_filter *filter, void (*each)(void *arg, struct span name), void *arg)
{
    for (size_t i = 0; i < filter->n_nodes; i++) {
        struct span name = filter_word(filter, filter->nodes[i].name);
        bool again = false;
        for (size_t k = 0; k < i && !again; k++)
            again = span_equal_nocase(name, filter_word(filter, filter->nodes[k].name));
        if (name.len > 0 && !again)
            each(arg, name);
    }
}

void
dir_filter_escape(struct span value, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (c == '\0' || c == '(' || c == ')' || c == '*' || c == '\\')
            buf_printf(out, "\\%02x", (unsigned char)c);
        else
            buf_add_byte(out, c);
    }
}
