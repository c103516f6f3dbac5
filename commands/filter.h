/* filter.h - the one filter grammar of every listing and every action
 *
 *     term    field = value | field > value | field < value | field ~ value
 *     filter  terms, ANDed; terms with the same field and operator are ORed; a bare queue id means id=...,
 *             <...> a Message-ID; the word `all` matches everything
 *
 * `=` compares without ASCII case, and '*' in the value stands for any run of characters; `~` finds a part of
 * the text;
 * `>` and `<` compare numbers, durations (2h, 3d) and sizes (1M). A status code matches by its beginning at a
 * dot: code=4.4 finds 4.4.1. What the fields are, and what reading them costs, is the table of whoever filters;
 * terms are judged in the order of cost, so that a file is only opened when its name did not settle the matter.
 */
#ifndef VIADUCT_FILTER_H
#define VIADUCT_FILTER_H

#include "common/base.h"

enum field_kind {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_TENTHS,   /* number: tenths, as of a rate; shown with its fraction, not to be filtered */
    FIELD_DURATION, /* number: seconds */
    FIELD_BYTES,
    FIELD_TIME,   /* number: seconds since 1970 */
    FIELD_MOMENT, /* number: milliseconds since 1970 */
    FIELD_CODE
};

enum field_cost { COST_NAME, COST_STAT, COST_FILE };

/* A fact of an item: can be filtered, shown as a column, sorted by. */
struct field {
    const char *name;
    enum field_kind kind;
    enum field_cost cost;
    int width; /* of its column; 0: as it comes, last */
    const char *help;
    bool several; /* has any number of values: an array in JSON, whatever their number */
};

struct field_value {
    struct span text;
    int64_t number;
    bool unknown; /* there is none; matches nothing and is shown as "-" */
};

/* Value number `i` of a field of an item; false behind the last (a message has several recipients). */
typedef bool field_get(const void *item, size_t field, size_t i, struct field_value *value);

/* Fill a value and return true: a text is unknown when it is empty, a number when it is not known. */
static inline bool
field_text(struct field_value *value, struct span text)
{
    value->text = text;
    value->unknown = text.len == 0;
    return true;
}

static inline bool
field_number(struct field_value *value, bool known, int64_t number)
{
    value->number = number;
    value->unknown = !known;
    return true;
}

enum { FILTER_TERMS_MAX = 64 };

struct filter_term {
    size_t field;
    char op; /* = > < ~ */
    const char *text;
    int64_t number;
};

struct filter {
    const struct field *fields;
    size_t n_fields;
    struct filter_term terms[FILTER_TERMS_MAX];
    size_t n_terms;
    bool all; /* `all` was said */
};

void filter_init(struct filter *filter, const struct field *fields, size_t n_fields);

/* Adds one operand (kept by reference). Returns 0, or -EINVAL with `why`: unknown field with a "did you mean",
 * operator that does not fit, bad number. */
int filter_add(struct filter *filter, const char *operand, struct why *why);

/* Whether every term `field=value` can be true, where a field has only these values (letters' case apart). 0, or -EINVAL with
 * `why` and a "did you mean" or the whole list. */
int filter_check_values(const struct filter *filter, const char *field, const char *const *values, size_t n,
                        struct why *why);

/* Nothing was said: actions refuse it. */
static inline bool
filter_is_empty(const struct filter *filter)
{
    return filter->n_terms == 0 && !filter->all;
}

/* Whether a term judges by what has just this cost. */
bool filter_needs(const struct filter *filter, enum field_cost cost);

/* Judges the terms that cost exactly `cost`; others count as true. An item matches when all costs do. */
bool filter_match(const struct filter *filter, enum field_cost cost, field_get *get, const void *item);

/* The field with this name, or n. */
size_t field_find(const struct field *fields, size_t n, struct span name);

#endif
