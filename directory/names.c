/* names.c - the words of the directory: attributes, kinds, operations */
#include "directory/change.h"

static const struct {
    const char *name;
    size_t limit;
} attributes[DIR_ATTRIBUTES] = {
#define ATTRIBUTE(symbol, name, domino, ldap, characters) [DIR_##symbol] = {name, characters},
#include "directory/attributes.def"
};

const char *
dir_attribute_name(enum dir_attribute attribute)
{
    return attributes[attribute].name;
}

size_t
dir_attribute_limit(enum dir_attribute attribute)
{
    return attributes[attribute].limit;
}

enum dir_attribute
dir_attribute_find(struct span name)
{
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if (span_equal_nocase(name, span_of(attributes[i].name)))
            return (enum dir_attribute)i;
    return DIR_ATTRIBUTES;
}

const char *
dir_kind_name(enum dir_kind kind)
{
    static const char *const names[DIR_KINDS] = {"mailbox", "mail user", "contact",
                                                 "group",   "resource",  "folder"};
    return names[kind];
}

const char *
dir_operation_name(enum dir_operation operation)
{
    static const char *const names[DIR_OPERATIONS] = {"add",  "change", "rename",  "hide",
                                                      "show", "delete", "disable", "adopt"};
    return names[operation];
}
