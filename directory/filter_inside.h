/* filter_inside.h - a filter as it is kept, shared by its parser and its evaluator and by nobody else
 *
 * A program in the order of the text: an opening node (AND, OR, NOT), what is in it, its closing node. Each opening node knows
 * where it closes, so that a result that is certain passes over the rest.
 */
#ifndef VIADUCT_DIRECTORY_FILTER_INSIDE_H
#define VIADUCT_DIRECTORY_FILTER_INSIDE_H

#include "directory/policy.h"

enum { FILTER_DEPTH_MAX = 100, FILTER_BYTES_MAX = 65536 };

enum filter_op {
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
    FILTER_CLOSE,
    FILTER_PRESENT,
    FILTER_EQUAL,
    FILTER_AT_LEAST,
    FILTER_AT_MOST,
    FILTER_PIECES, /* substrings */
    FILTER_ALL_BITS,
    FILTER_ANY_BIT
};

/* Octets in `words`. */
struct filter_word {
    size_t at, len;
};

struct filter_node {
    enum filter_op op;
    size_t close;            /* of an opening node */
    struct filter_word name; /* without options */
    size_t piece,
        pieces; /* its values: one, or the pieces of a substring; the first and last of these stand at the ends */
    int64_t number; /* bits */
};

struct dir_filter {
    struct buf words; /* names, and values without escapes */
    struct filter_node *nodes;
    size_t n_nodes, nodes_size;
    struct filter_word *pieces;
    size_t n_pieces, pieces_size;
};

static inline struct span
filter_word(const struct dir_filter *filter, struct filter_word word)
{
    return (struct span){filter->words.at + word.at, word.len};
}

/* A decimal number with sign that fills the span. */
bool filter_number(struct span text, int64_t *number);

#endif
