/* side_ldap_raw.c - an answer's attributes, sorted by what they are used for (see side_ldap.h) */
#include <stdlib.h>

#include "directory/side_ldap.h"

void
side_raw_begin(struct side_raw *raw, struct span dn)
{
    raw->dn = dn;
    raw->n_attributes = 0;
    memset(raw->slot, 0xff, sizeof raw->slot);
}

void
side_raw_clear(struct side_raw *raw)
{
    free(raw->attributes);
    free(raw->values);
    memset(raw, 0, sizeof *raw);
}

void
side_raw_attribute(struct side_raw *raw, const struct side_names *names, struct span name,
                   const struct span *values, size_t n)
{
    if (raw->n_attributes == raw->attributes_size) {
        raw->attributes_size = raw->attributes_size == 0 ? 64 : raw->attributes_size * 2;
        raw->attributes = xrealloc(raw->attributes, raw->attributes_size * sizeof *raw->attributes);
    }
    raw->attributes[raw->n_attributes] = (struct side_values){name, values, n};
    for (int slot = side_names_find(names, name); slot >= 0; slot = names->chain[slot])
        if (raw->slot[slot] < 0 && raw->n_attributes < INT16_MAX)
            raw->slot[slot] = (int16_t)raw->n_attributes;
    raw->n_attributes++;
}

static void
reserve_values(struct side_raw *raw, size_t n)
{
    if (n <= raw->values_size)
        return;
    raw->values_size = n < 256 ? 256 : n * 2;
    raw->values = xrealloc(raw->values, raw->values_size * sizeof *raw->values);
}

void
side_raw_fill(struct side_raw *raw, const struct side_names *names, const struct ldap_answer *answer)
{
    size_t n = 0, n_attributes = ldap_answer_attributes(answer);
    side_raw_begin(raw, ldap_answer_dn(answer));
    for (size_t i = 0; i < n_attributes; i++)
        n += ldap_answer_count(answer, i);
    reserve_values(raw, n);
    n = 0;
    for (size_t i = 0; i < n_attributes; i++) {
        size_t first = n, count = ldap_answer_count(answer, i);
        for (size_t v = 0; v < count; v++)
            raw->values[n++] = ldap_answer_at(answer, i, v);
        side_raw_attribute(raw, names, ldap_answer_name(answer, i), raw->values + first, count);
    }
}

struct side_values
side_raw_slot(const struct side_raw *raw, int slot)
{
    return raw->slot[slot] < 0 ? (struct side_values){{NULL, 0}, NULL, 0} : raw->attributes[raw->slot[slot]];
}

bool
side_raw_value(void *arg, struct span name, size_t n, struct span *value)
{
    const struct side_raw *raw = arg;
    for (size_t i = 0; i < raw->n_attributes; i++) {
        if (!span_equal_nocase(raw->attributes[i].name, name))
            continue;
        if (n >= raw->attributes[i].n)
            return false;
        *value = raw->attributes[i].at[n];
        return true;
    }
    return false;
}
