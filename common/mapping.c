/* mapping.c - a connector's mapping rules in their order (see mapping.h)
 *
 * What is hostile here: the addresses. What a rule makes of them is checked like an address from outside; a
 * rule whose result is none does not apply.
 */
#include "common/mapping.h"

#include <errno.h>
#include <stdlib.h>

#include "common/address_form.h"
#include "common/mapping_table.h"

struct rule {
    const struct conf_rule *conf;
    struct mapping_table *table; /* NULL for a template */
    bool out_keeps_domain;
};

struct mapping {
    struct span type;
    struct rule *rules;
    size_t n;
};

static bool
template_error(const struct conf_rule *conf, struct buf *errors, const char *what)
{
    if (errors != NULL)
        buf_printf(errors, "%s:%d: rule \"%s\": %s\n", conf->place.file ? conf->place.file : "",
                   conf->place.line, conf->title, what);
    return false;
}

/* Every % must be followed by one of `letters`, or another %. */
static bool
template_valid(const char *template, const char *letters)
{
    for (const char *p = template; p != NULL && *p != '\0'; p++) {
        if (*p != '%')
            continue;
        p++;
        if (*p == '\0' || (*p != '%' && strchr(letters, *p) == NULL))
            return false;
    }
    return true;
}

static bool
template_keeps_domain(const char *template)
{
    for (const char *p = template; p != NULL && *p != '\0'; p++) {
        if (*p == '%' && (p[1] == 'd' || p[1] == '0'))
            return true;
        if (*p == '%' && p[1] != '\0')
            p++;
    }
    return false;
}

static bool
rule_load(struct rule *rule, const struct conf_rule *conf, struct span type, struct buf *errors)
{
    rule->conf = conf;
    if (strcmp(conf->kind, "table") == 0) {
        if (conf->file == NULL)
            return template_error(conf, errors, "a table needs a file");
        rule->table = mapping_table_new(conf->file, type, errors);
        return rule->table != NULL;
    }
    if (conf->out == NULL && conf->in == NULL)
        return template_error(conf, errors, "a template needs out, in, or both");
    if (!template_valid(conf->out, "mdh0"))
        return template_error(conf, errors, "out: after % stands one of m d h 0 %");
    if (!template_valid(conf->in, "0123456789"))
        return template_error(conf, errors, "in: after % stands one of 0 to 9 or %");
    rule->out_keeps_domain = template_keeps_domain(conf->out);
    return true;
}

struct mapping *
mapping_new(const struct conf_mapping *conf, struct span type, struct buf *errors)
{
    struct mapping *mapping = xcalloc(1, sizeof *mapping);
    bool good = true;
    mapping->type = type;
    mapping->rules = xcalloc(conf->rules_n, sizeof *mapping->rules);
    mapping->n = conf->rules_n;
    for (size_t i = 0; i < conf->rules_n; i++)
        good &= rule_load(&mapping->rules[i], &conf->rules[i], type, errors);
    if (good)
        return mapping;
    mapping_free(mapping);
    return NULL;
}

void
mapping_free(struct mapping *mapping)
{
    if (mapping == NULL)
        return;
    for (size_t i = 0; i < mapping->n; i++)
        mapping_table_free(mapping->rules[i].table);
    free(mapping->rules);
    free(mapping);
}

/* ---- templates ---- */

/* What a letter of the template stands for in this address; false where it has no such part. */
static bool
part_out(const struct address *address, char letter, struct span *part)
{
    struct mailbox_parts parts;
    if (mailbox_parse(address->value, &parts, NULL) != 0)
        return false;
    *part = letter == 'm' ? parts.local : letter == '0' ? address->value : parts.domain;
    if (letter == 'h' && part->len > 0) {
        const char *dot = memchr(part->at, '.', part->len);
        part->len = dot != NULL ? (size_t)(dot - part->at) : part->len;
    }
    if (letter == 'm' && part->len >= 2 && part->at[0] == '"')
        *part = (struct span){part->at + 1, part->len - 2};
    return part->len > 0;
}

static bool
part_in(const struct address *address, char letter, struct span *part)
{
    struct span parts[ADDRESS_PARTS_MAX];
    size_t wanted = (size_t)(letter - '0');
    size_t n = address_form_split(address_form_find(address->type), address->value, parts);
    *part = wanted == 0 ? address->value : wanted <= n ? parts[wanted - 1] : (struct span){NULL, 0};
    return part->len > 0;
}

static int
template_expand(const char *template, bool outwards, const struct address *address, struct arena *arena,
                struct span *text)
{
    struct buf out = {0};
    struct span part;
    bool good = true;
    for (const char *p = template; good && *p != '\0'; p++) {
        if (*p != '%' || p[1] == '%') {
            buf_add_byte(&out, *p);
            p += *p == '%';
            continue;
        }
        p++;
        good = outwards ? part_out(address, *p, &part) : part_in(address, *p, &part);
        if (good)
            buf_add_span(&out, part);
    }
    int err = good ? 0 : -ENOENT;
    if (good) {
        *text = arena_span(arena, buf_span(&out));
        err = text->at != NULL ? 0 : -ENOMEM;
    }
    buf_clear(&out);
    return err;
}

/* ---- results ---- */

/* A local part with blanks and the like is put in quotes. */
static int
quote_local(struct span text, struct arena *arena, struct span *quoted)
{
    const char *sign = text.len > 0 ? memrchr(text.at, '@', text.len) : NULL;
    size_t local = sign != NULL ? (size_t)(sign - text.at) : 0, n = 0;
    char *out = arena_alloc(arena, text.len * 2 + 2);
    if (out == NULL)
        return -ENOMEM;
    out[n++] = '"';
    for (size_t i = 0; i < local; i++) {
        if (text.at[i] == '"' || text.at[i] == '\\')
            out[n++] = '\\';
        out[n++] = text.at[i];
    }
    out[n++] = '"';
    memcpy(out + n, text.at + local, text.len - local);
    *quoted = (struct span){out, n + text.len - local};
    return 0;
}

static int
result_make(struct span type, struct span text, struct arena *arena, struct address *address)
{
    int err = 0;
    *address = (struct address){type, text};
    if (address_check(address, false, NULL) == 0)
        return 0;
    if (!address_is_smtp(address))
        return -ENOENT;
    err = quote_local(text, arena, &address->value);
    return err != 0 ? err : address_check(address, false, NULL) == 0 ? 0 : -ENOENT;
}

static int
rule_apply(const struct mapping *mapping, const struct rule *rule, bool outwards, const struct address *address,
           bool in_host_domain, struct arena *arena, struct mapping_answer *answer)
{
    struct span text;
    const char *template = outwards ? rule->conf->out : rule->conf->in;
    int err = -ENOENT;
    if (rule->table != NULL)
        err = mapping_table_find(rule->table, outwards, address, arena, &text);
    else if (template != NULL && (!outwards || in_host_domain || rule->out_keeps_domain))
        err = template_expand(template, outwards, address, arena, &text);
    if (err == 0)
        err = result_make(outwards ? mapping->type : SPAN("SMTP"), text, arena, &answer->address);
    answer->title = rule->conf->title;
    answer->table = rule->table != NULL;
    return err;
}

static int
mapping_apply(const struct mapping *mapping, bool outwards, const struct address *address, bool in_host_domain,
              struct arena *arena, struct mapping_answer *answer)
{
    for (size_t i = 0; i < mapping->n; i++) {
        int err = rule_apply(mapping, &mapping->rules[i], outwards, address, in_host_domain, arena, answer);
        if (err != -ENOENT)
            return err;
    }
    return -ENOENT;
}

int
mapping_out(struct mapping *mapping, const struct address *address, bool in_host_domain, struct arena *arena,
            struct mapping_answer *answer)
{
    return address_is_smtp(address) ? mapping_apply(mapping, true, address, in_host_domain, arena, answer)
                                    : -ENOENT;
}

int
mapping_in(struct mapping *mapping, const struct address *address, struct arena *arena,
           struct mapping_answer *answer)
{
    return span_equal(address->type, mapping->type)
               ? mapping_apply(mapping, false, address, false, arena, answer)
               : -ENOENT;
}
