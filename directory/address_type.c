/* address_type.c - which address types there are, and who makes addresses of them (see policy.h) */
#include "directory/policy.h"

#define BUILT_IN "built in", PACKAGE_VERSION

static const struct address_type built_in[] = {
    {"SMTP", "smtp", BUILT_IN, 254, "%m@<domain>"},
    {"X400", "x400", BUILT_IN, 1118, "c=US;a= ;p=<org>;o=Exchange;s=%s;g=%g;"},
    {"NOTES", "notes", BUILT_IN, 254, "&d/<org>@Exchange"},
    {"GWISE", "gwise", BUILT_IN, 130, "Exchange.<org>.%m"},
    {"CCMAIL", "ccmail", BUILT_IN, 128, "%s, %g at <org>"},
    {"MS", "ms", BUILT_IN, 32, "<org>/EXCHANGE/%m"},
    {"SNADS", "node", BUILT_IN, 18, "EXCHANGE(&m)"},
    {"PROFS", "node", BUILT_IN, 18, "EXCHANGE(&m)"},
};

enum { ADDED_MAX = 64 };
static const struct address_type *added[ADDED_MAX];
static size_t n_added;

const struct address_type *
address_type_at(size_t n)
{
    if (n < COUNT_OF(built_in))
        return &built_in[n];
    n -= COUNT_OF(built_in);
    return n < n_added ? added[n] : NULL;
}

const struct address_type *
address_type_find(struct span type)
{
    const struct address_type *found;
    for (size_t i = 0; (found = address_type_at(i)) != NULL; i++)
        if (span_equal_nocase(type, span_of(found->name)))
            return found;
    return NULL;
}

void
address_type_add(const struct address_type *type)
{
    if (address_type_find(span_of(type->name)) == NULL && n_added < ADDED_MAX)
        added[n_added++] = type;
}
