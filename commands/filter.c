/* filter.c - the filter grammar (see filter.h) */
#include "commands/filter.h"

#include <errno.h>

#include "commands/command.h"
#include "common/address.h"
#include "common/id.h"
#include "conf/conf_schema.h"

void
filter_init(struct filter *filter, const struct field *fields, size_t n_fields)
{
    *filter = (struct filter){.fields = fields, .n_fields = n_fields};
}

size_t
field_find(const struct field *fields, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_equal_nocase(span_of(fields[i].name), name))
            return i;
    return n;
}

static int
unknown_field(const struct filter *filter, struct span name, struct why *why)
{
    struct conf_nearest near = {0};
    for (size_t i = 0; i < filter->n_fields; i++)
        conf_nearest_offer(&near, name, filter->fields[i].name);
    if (near.name != NULL)
        return why_set(why, "", "there is no filter \"%.*s\"; did you mean \"%s\"?", (int)name.len, name.at,
                       near.name);
    return why_set(why, "", "there is no filter \"%.*s\"; `viaduct help filter` lists them", (int)name.len,
                   name.at);
}

static bool
term_number(enum field_kind kind, const char *text, int64_t *number)
{
    uint64_t u;
    switch (kind) {
    case FIELD_DURATION:
        return parse_duration(text, number);
    case FIELD_BYTES:
        return parse_size(text, number);
    case FIELD_TIME:
        return parse_when(text, true, number);
    case FIELD_MOMENT:
        if (!parse_when(text, true, number))
            return false;
        *number *= 1000;
        return true;
    case FIELD_TENTHS:
    case FIELD_NUMBER:
        if (!span_to_u64(span_of(text), INT64_MAX, &u))
            return false;
        *number = (int64_t)u;
        return true;
    case FIELD_TEXT:
    case FIELD_CODE:
        break;
    }
    return false;
}

static bool
kind_is_text(enum field_kind kind)
{
    return kind == FIELD_TEXT || kind == FIELD_CODE;
}

static int
term_check(const struct filter *filter, struct filter_term *term, struct why *why)
{
    const struct field *field = &filter->fields[term->field];
    if (kind_is_text(field->kind)) {
        if (term->op == '<' || term->op == '>')
            return why_set(why, "", "%s is no number: say %s=... or %s~...", field->name, field->name,
                           field->name);
        if (term->op == '~' && term->text[0] == '\0')
            return why_set(why, "", "%s~ wants the text to look for", field->name);
        return 0;
    }
    if (term->op == '~')
        return why_set(why, "", "%s is a number: say %s=..., %s>... or %s<...", field->name, field->name,
                       field->name, field->name);
    if (!term_number(field->kind, term->text, &term->number))
        return why_set(why, "", "%s cannot be \"%s\": it is %s", field->name, term->text,
                       field->kind == FIELD_DURATION ? "a duration like 30s, 5m, 2h, 3d"
                       : field->kind == FIELD_BYTES  ? "a size like 512, 10K, 25M"
                       : field->kind == FIELD_TIME || field->kind == FIELD_MOMENT
                           ? "a time like 2026-11-25T07:00:00Z, or 2h for two hours ago"
                           : "a number");
    return 0;
}

/* A bare operand: an id, a stem of a part, or `all`. */
static int
add_bare(struct filter *filter, const char *operand, struct why *why)
{
    struct queue_name name;
    if (strcmp(operand, "all") == 0) {
        filter->all = true;
        return 0;
    }
    size_t id = field_find(filter->fields, filter->n_fields, SPAN("id"));
    if (id == filter->n_fields || !queue_name_parse(operand, &name))
        return why_set(why, "", "\"%s\" is neither a filter (field=value) nor a queue id nor `all`", operand);
    filter->terms[filter->n_terms++] = (struct filter_term){.field = id, .op = '=', .text = operand};
    return 0;
}

int
filter_add(struct filter *filter, const char *operand, struct why *why)
{
    if (filter->n_terms == FILTER_TERMS_MAX)
        return why_set(why, "", "more than %d filter terms", FILTER_TERMS_MAX);
    size_t len = strcspn(operand, "=<>~"), msgid = field_find(filter->fields, filter->n_fields, SPAN("msgid"));
    if (operand[0] == '<' && operand[strlen(operand) - 1] == '>' && msgid < filter->n_fields) {
        filter->terms[filter->n_terms++] = (struct filter_term){.field = msgid, .op = '=', .text = operand};
        return 0;
    }
    if (operand[len] == '\0')
        return add_bare(filter, operand, why);
    struct filter_term term = {.op = operand[len], .text = operand + len + 1};
    struct span name = {operand, len};
    term.field = field_find(filter->fields, filter->n_fields, name);
    if (term.field == filter->n_fields)
        return unknown_field(filter, name, why);
    if (term_check(filter, &term, why) < 0)
        return -EINVAL;
    filter->terms[filter->n_terms++] = term;
    return 0;
}

static int
impossible(const struct filter_term *term, const char *field, const char *const *values, size_t n,
           struct why *why)
{
    struct conf_nearest near = {0};
    struct buf list = {0};
    for (size_t i = 0; i < n; i++) {
        conf_nearest_offer(&near, span_of(term->text), values[i]);
        buf_printf(&list, "%s%s", i > 0 ? ", " : "", values[i]);
    }
    if (near.name != NULL)
        why_set(why, "", "%s is never \"%s\"; did you mean \"%s\"?", field, term->text, near.name);
    else
        why_set(why, "", "%s is never \"%s\"; there are %s", field, term->text,
                list.at != NULL ? list.at : "none");
    buf_clear(&list);
    return -EINVAL;
}

int
filter_check_values(const struct filter *filter, const char *field, const char *const *values, size_t n,
                    struct why *why)
{
    for (size_t i = 0; i < filter->n_terms; i++) {
        const struct filter_term *term = &filter->terms[i];
        bool possible = term->op != '=' || strcmp(filter->fields[term->field].name, field) != 0;
        for (size_t k = 0; k < n && !possible; k++)
            possible = wildcard_match(span_of(term->text), span_of(values[k]), false);
        if (!possible)
            return impossible(term, field, values, n, why);
    }
    return 0;
}

bool
filter_needs(const struct filter *filter, enum field_cost cost)
{
    for (size_t i = 0; i < filter->n_terms; i++)
        if (filter->fields[filter->terms[i].field].cost == cost)
            return true;
    return false;
}

static bool
span_contains(struct span text, struct span part)
{
    for (size_t i = 0; part.len <= text.len && i <= text.len - part.len; i++)
        if (span_starts_nocase((struct span){text.at + i, text.len - i}, part))
            return true;
    return false;
}

/* "4.4" is the beginning of "4.4.1" and not of "4.41". */
static bool
code_match(struct span code, struct span wanted)
{
    return span_starts_nocase(code, wanted) && (code.len == wanted.len || code.at[wanted.len] == '.');
}

static bool
value_match(const struct field *field, const struct filter_term *term, const struct field_value *value)
{
    struct span wanted = span_of(term->text);
    if (value->unknown)
        return false;
    if (term->op == '~')
        return span_contains(value->text, wanted);
    if (field->kind == FIELD_CODE)
        return code_match(value->text, wanted);
    if (field->kind == FIELD_TEXT)
        return wildcard_match(wanted, value->text, false);
    if (term->op == '>')
        return value->number > term->number;
    return term->op == '<' ? value->number < term->number : value->number == term->number;
}

static bool
term_match(const struct filter *filter, const struct filter_term *term, field_get *get, const void *item)
{
    struct field_value value = {0};
    for (size_t i = 0; get(item, term->field, i, &value); i++) {
        if (value_match(&filter->fields[term->field], term, &value))
            return true;
        value = (struct field_value){0};
    }
    return false;
}

/* Terms with the field and operator of `first`, ORed. */
static bool
group_match(const struct filter *filter, const struct filter_term *first, field_get *get, const void *item)
{
    for (const struct filter_term *term = first; term < filter->terms + filter->n_terms; term++)
        if (term->field == first->field && term->op == first->op && term_match(filter, term, get, item))
            return true;
    return false;
}

static bool
is_first_of_group(const struct filter *filter, const struct filter_term *term)
{
    for (const struct filter_term *t = filter->terms; t < term; t++)
        if (t->field == term->field && t->op == term->op)
            return false;
    return true;
}

bool
filter_match(const struct filter *filter, enum field_cost cost, field_get *get, const void *item)
{
    for (const struct filter_term *term = filter->terms; term < filter->terms + filter->n_terms; term++) {
        if (filter->fields[term->field].cost != cost || !is_first_of_group(filter, term))
            continue;
        if (!group_match(filter, term, get, item))
            return false;
    }
    return true;
}
