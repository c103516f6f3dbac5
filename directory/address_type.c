/* address_type.c - who makes addresses of a type (see policy.h)
 *
 * Source: Exchange's Address-Types container and its proxy generators; lengths: of proxyAddresses (1123 characters) where the type
 * has none of its own.
 */
#include "directory/policy.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

enum { MODULES_MAX = 32 };

static const struct address_type built_in[] = {
    {"SMTP", "smtp", "built in", PACKAGE_VERSION, 1123, "%m@<domain>"},
    {"X400", "x400", "built in", PACKAGE_VERSION, 1123, "c=<country>;a= ;p=<org>;o=<site>;s=%s;g=%g;"},
    {"NOTES", "notes", "built in", PACKAGE_VERSION, 1123, "&d/<org>@<foreign domain>"},
    {"GWISE", "gwise", "built in", PACKAGE_VERSION, 128, "Exchange.<site>.%m"},
    {"MS", "ms", "built in", PACKAGE_VERSION, 32, "<ORG>/<SITE>/%m"},
    {"CCMAIL", "ccmail", "built in", PACKAGE_VERSION, 126, "%s, %g at <site>"},
};

static struct address_type added[MODULES_MAX];
static size_t n_added;

const struct address_type *
address_type_at(size_t n)
{
    if (n < COUNT_OF(built_in))
        return &built_in[n];
    return n - COUNT_OF(built_in) < n_added ? &added[n - COUNT_OF(built_in)] : NULL;
}

const struct address_type *
address_type_find(struct span type)
{
    for (size_t i = 0; address_type_at(i) != NULL; i++)
        if (span_equal_nocase(type, span_of(address_type_at(i)->name)))
            return address_type_at(i);
    return NULL;
}

void
address_type_add(const struct address_type *type)
{
    if (address_type_find(span_of(type->name)) == NULL && n_added < MODULES_MAX)
        added[n_added++] = *type;
}
