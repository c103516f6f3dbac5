/* filter.c - whether a filter matches (see policy.h)
 *
 * Three answers as in RFC 4511 section 4.5.1.7, save that an attribute which is not there has no value that equals anything: its
 * negation is true, as Active Directory answers. Only an order (>=, <=) is undefined without a value.
 *
 * What is open is kept in a list of a hundred at most. Work is that of the items that must be asked, each once.
 */
#include "directory/filter_inside.h"

enum answer { NO, UNKNOWN, YES };

struct asker {
    const struct dir_filter *filter;
    bool (*value)(void *arg, struct span name, size_t n, struct span *value);
    void *arg;
};

bool
filter_number(struct span text, int64_t *number)
{
    uint64_t size;
    bool minus = text.len > 0 && text.at[0] == '-';
    struct span digits = {text.at + minus, text.len - minus};
    if (text.len == 0 || !span_to_u64(digits, INT64_MAX, &size))
        return false;
    *number = minus ? -(int64_t)size : (int64_t)size;
    return true;
}

/* ---- one value ---- */

/* -1, 0, 1: as numbers where both are, else as text without ASCII case. */
static int
compare(struct span a, struct span b)
{
    int64_t one, two;
    if (filter_number(a, &one) && filter_number(b, &two))
        return one < two ? -1 : one > two;
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        unsigned char x = (unsigned char)a.at[i], y = (unsigned char)b.at[i];
        x = x >= 'A' && x <= 'Z' ? (unsigned char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char)(y + 32) : y;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* The first place of a piece; where two octets differ the next place is tried, which for the short values of a directory beats
 * everything cleverer. */
static bool
find_piece(struct span *rest, struct span piece)
{
    for (size_t i = 0; i + piece.len <= rest->len; i++)
        if (octets_equal_nocase(rest->at + i, piece.at, piece.len)) {
            *rest = (struct span){rest->at + i + piece.len, rest->len - i - piece.len};
            return true;
        }
    return false;
}

static bool
has_pieces(const struct dir_filter *filter, const struct filter_node *node, struct span value)
{
    struct span first = filter_word(filter, filter->pieces[node->piece]);
    struct span last = filter_word(filter, filter->pieces[node->piece + node->pieces - 1]);
    if (value.len < first.len + last.len || !octets_equal_nocase(value.at, first.at, first.len) ||
        !octets_equal_nocase(value.at + value.len - last.len, last.at, last.len))
        return false;
    struct span rest = {value.at + first.len, value.len - first.len - last.len};
    for (size_t i = 1; i + 1 < node->pieces; i++)
        if (!find_piece(&rest, filter_word(filter, filter->pieces[node->piece + i])))
            return false;
    return true;
}

static bool
fits(const struct dir_filter *filter, const struct filter_node *node, struct span value)
{
    struct span asked = filter_word(filter, filter->pieces[node->piece]);
    int64_t number;
    switch (node->op) {
    case FILTER_PRESENT:
        return true;
    case FILTER_EQUAL:
        return span_equal_nocase(value, asked);
    case FILTER_AT_LEAST:
        return compare(value, asked) >= 0;
    case FILTER_AT_MOST:
        return compare(value, asked) <= 0;
    case FILTER_PIECES:
        return has_pieces(filter, node, value);
    case FILTER_ALL_BITS:
        return filter_number(value, &number) && (number & node->number) == node->number;
    case FILTER_ANY_BIT:
        return filter_number(value, &number) && (number & node->number) != 0;
    default:
        BUG_UNLESS(node->op == FILTER_PRESENT); /* an item is one of those */
        return false;
    }
}

static enum answer
ask(const struct asker *asker, const struct filter_node *node)
{
    struct span name = filter_word(asker->filter, node->name), value;
    size_t n = 0;
    for (; asker->value(asker->arg, name, n, &value); n++)
        if (fits(asker->filter, node, value))
            return YES;
    bool order = node->op == FILTER_AT_LEAST || node->op == FILTER_AT_MOST;
    return n == 0 && order ? UNKNOWN : NO;
}

/* ---- the whole ---- */

/* What is inside is told one after another; true where the rest cannot change the answer. */
static bool
take(enum filter_op op, enum answer inside, enum answer *so_far)
{
    if (op == FILTER_NOT)
        *so_far = inside == YES ? NO : inside == NO ? YES : UNKNOWN;
    else if (op == FILTER_AND)
        *so_far = inside < *so_far ? inside : *so_far;
    else
        *so_far = inside > *so_far ? inside : *so_far;
    return (op == FILTER_AND && *so_far == NO) || (op == FILTER_OR && *so_far == YES);
}

bool
dir_filter_matches(const struct dir_filter *filter,
                   bool (*value)(void *arg, struct span name, size_t n, struct span *value), void *arg)
{
    struct asker asker = {filter, value, arg};
    enum answer so_far[FILTER_DEPTH_MAX] = {NO}, result = NO;
    const struct filter_node *open[FILTER_DEPTH_MAX] = {NULL};
    size_t depth = 0;
    for (size_t i = 0; i < filter->n_nodes; i++) {
        const struct filter_node *node = &filter->nodes[i];
        if (node->op == FILTER_AND || node->op == FILTER_OR || node->op == FILTER_NOT) {
            BUG_UNLESS(depth < FILTER_DEPTH_MAX);
            open[depth] = node;
            so_far[depth++] = node->op == FILTER_AND ? YES : NO;
            continue;
        }
        BUG_UNLESS(node->op != FILTER_CLOSE || depth > 0);
        result = node->op == FILTER_CLOSE ? so_far[--depth] : ask(&asker, node);
        if (depth > 0 && take(open[depth - 1]->op, result, &so_far[depth - 1]))
            i = open[depth - 1]->close - 1; /* its closing node is next */
    }
    return result == YES;
}
