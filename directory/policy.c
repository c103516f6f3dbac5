/* policy.c - recipient policies: who gets which proxy addresses (see policy.h) */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/policy.h"

enum { DIGITS_MAX = 6 };

struct policy {
    const struct conf_policy *conf;
    struct dir_filter *filter;
};

/* Of a template: up to which number tries were in vain, by the address of the first. */
struct stem {
    uint64_t hash;
    unsigned last;
};

struct dir_policies {
    struct policy *policies; /* by priority */
    size_t n;
    struct stem *stems;
    size_t stems_size, n_stems;
};

/* ---- making ---- */

static int
by_priority(const void *a, const void *b)
{
    const struct policy *x = a, *y = b;
    if (x->conf->priority != y->conf->priority)
        return x->conf->priority < y->conf->priority ? -1 : 1;
    return (x->conf > y->conf) - (x->conf < y->conf); /* as they stand in the file */
}

static int
check_templates(const struct conf_policy *conf, struct why *why)
{
    for (size_t i = 0; i < conf->proxy.n; i++)
        if (address_template_check(span_of(conf->proxy.at[i]), why) < 0)
            return -EINVAL;
    return 0;
}

struct dir_policies *
dir_policies_new(const struct conf_root *root, struct why *why)
{
    struct dir_policies *policies = xcalloc(1, sizeof *policies);
    policies->policies = xcalloc(root->policies_n + 1, sizeof *policies->policies);
    for (size_t i = 0; i < root->policies_n; i++) {
        const struct conf_policy *conf = &root->policies[i];
        struct why part = {"", ""};
        struct dir_filter *filter = dir_filter_new(span_of(conf->filter), &part);
        if (filter == NULL || check_templates(conf, &part) < 0) {
            why_set(why, "5.3.5", "recipient-policy \"%s\": %s", conf->title, part.text);
            dir_filter_free(filter);
            dir_policies_free(policies);
            return NULL;
        }
        policies->policies[policies->n++] = (struct policy){conf, filter};
    }
    if (policies->n > 1)
        qsort(policies->policies, policies->n, sizeof *policies->policies, by_priority);
    return policies;
}

void
dir_policies_free(struct dir_policies *policies)
{
    if (policies == NULL)
        return;
    for (size_t i = 0; i < policies->n; i++)
        dir_filter_free(policies->policies[i].filter);
    free(policies->policies);
    free(policies->stems);
    free(policies);
}

static uint64_t
mix_text(uint64_t hash, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * UINT64_C(1099511628211);
    return (hash ^ 0x100) * UINT64_C(1099511628211);
}

uint64_t
dir_policies_digest(const struct dir_policies *policies)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < policies->n; i++)
        hash = mix_text(hash, span_of(policies->policies[i].conf->filter));
    return hash;
}

void
dir_policies_names(const struct dir_policies *policies, void (*each)(void *arg, struct span name), void *arg)
{
    for (size_t i = 0; i < policies->n; i++)
        dir_filter_names(policies->policies[i].filter, each, arg);
}

unsigned
dir_policies_choose(const struct dir_policies *policies,
                    bool (*value)(void *arg, struct span name, size_t n, struct span *value), void *arg)
{
    for (size_t i = 0; i < policies->n; i++)
        if (dir_filter_matches(policies->policies[i].filter, value, arg))
            return (unsigned)i + 1;
    return 0;
}

unsigned
dir_policies_choose_entry(const struct dir_policies *policies, const struct dir_entry *entry)
{
    for (size_t i = 0; i < policies->n; i++)
        if (dir_filter_matches_entry(policies->policies[i].filter, entry))
            return (unsigned)i + 1;
    return 0;
}

const char *
dir_policies_title(const struct dir_policies *policies, unsigned policy)
{
    return policy == 0 || policy > policies->n ? "" : policies->policies[policy - 1].conf->title;
}

/* ---- numbers ---- */

static struct stem *
find_stem(struct dir_policies *policies, struct span address)
{
    uint64_t hash = mix_text(UINT64_C(14695981039346656037), address);
    hash = hash != 0 ? hash : 1;
    if (2 * policies->n_stems >= policies->stems_size) {
        struct stem *old = policies->stems;
        size_t size = policies->stems_size;
        policies->stems_size = size > 0 ? 2 * size : 256;
        policies->stems = xcalloc(policies->stems_size, sizeof *policies->stems);
        for (size_t i = 0; i < size; i++) {
            size_t at = (size_t)old[i].hash & (policies->stems_size - 1);
            while (old[i].hash != 0 && policies->stems[at].hash != 0)
                at = (at + 1) & (policies->stems_size - 1);
            if (old[i].hash != 0)
                policies->stems[at] = old[i];
        }
        free(old);
    }
    size_t at = (size_t)hash & (policies->stems_size - 1);
    while (policies->stems[at].hash != 0 && policies->stems[at].hash != hash)
        at = (at + 1) & (policies->stems_size - 1);
    if (policies->stems[at].hash == 0) {
        policies->stems[at].hash = hash;
        policies->n_stems++;
    }
    return &policies->stems[at];
}

/* ---- completing ---- */

struct completing {
    struct dir_policies *policies;
    const struct dir_entry *entry;
    struct span owner;
    struct dir_taken *taken;
    void (*each)(void *arg, const struct address *address, bool primary);
    void (*note)(void *arg, const char *text);
    void *arg;
    struct arena *arena;
    struct span template, type; /* the type in upper case */
    bool primary;
};

static void
tell(const struct completing *completing, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
tell(const struct completing *completing, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (completing->note != NULL)
        completing->note(completing->arg, text);
}

static int
make(struct completing *completing, unsigned number, struct address *address, struct buf *value, struct why *why)
{
    int r = address_template(completing->template, completing->entry, number, value, why);
    *address = (struct address){completing->type, buf_span(value)};
    return r == 0 ? address_check(address, false, why) : r;
}

static bool
has(const struct dir_entry *entry, const struct address *address)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (address_equal(&entry->proxies[i].address, address))
            return true;
    return false;
}

/* Whether one of the entry's own addresses is what the template gives, with whatever number. */
static bool
has_variant(struct completing *completing, const struct address *first)
{
    const struct dir_entry *entry = completing->entry;
    struct buf value = {0};
    struct address address;
    struct why why;
    bool found = has(entry, first);
    for (size_t i = 0; i < entry->n_proxies && !found; i++) {
        struct span own = entry->proxies[i].address.value;
        if (!span_equal(entry->proxies[i].address.type, completing->type))
            continue;
        for (size_t k = 0; k < own.len && !found; k++) {
            size_t digits = 0;
            while (k + digits < own.len && own.at[k + digits] >= '0' && own.at[k + digits] <= '9')
                digits++;
            uint64_t number;
            if (digits > 0 && digits <= DIGITS_MAX && span_to_u64((struct span){own.at + k, digits}, DIR_TRIES, &number))
                for (unsigned n = (unsigned)number; n <= number + 1 && !found; n++) /* cc:Mail counts from 1 */
                    found = n > 1 && make(completing, n, &address, &value, &why) == 0 &&
                            address_equal(&address, &entry->proxies[i].address);
            k += digits;
        }
    }
    buf_clear(&value);
    return found;
}

static bool
has_primary(const struct dir_entry *entry, struct span type)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (entry->proxies[i].primary && span_equal(entry->proxies[i].address.type, type))
            return true;
    return false;
}

/* The first that nobody else has. */
static void
give_out(struct completing *completing, const struct address *first)
{
    struct buf value = {0};
    struct address address = *first;
    struct why why = {"", ""};
    struct stem *stem = find_stem(completing->policies, first->value);
    unsigned number = dir_taken_by_other(completing->taken, first, completing->owner) ? (stem->last > 1 ? stem->last + 1 : 2) : 1;
    bool given = number == 1;
    for (; !given && number <= DIR_TRIES; number++) {
        if (make(completing, number, &address, &value, &why) < 0)
            break;
        given = !dir_taken_by_other(completing->taken, &address, completing->owner);
        stem->last = number;
    }
    int len = (int)(first->value.len < 200 ? first->value.len : 200);
    if (!given) {
        tell(completing, "%.*s:%.*s is taken, and no other could be made%s%s", (int)first->type.len, first->type.at, len,
             first->value.at, why.text[0] != '\0' ? ": " : " in 10000 tries", why.text);
    } else {
        dir_taken_add(completing->taken, &address, completing->owner);
        if (number > 1)
            tell(completing, "%.*s:%.*s is somebody else's; %.*s is given", (int)first->type.len, first->type.at, len,
                 first->value.at, (int)(address.value.len < 200 ? address.value.len : 200), address.value.at);
        completing->each(completing->arg, &address, completing->primary);
    }
    buf_clear(&value);
}

static void
complete_one(struct completing *completing)
{
    struct buf value = {0};
    struct address first;
    struct why why = {"", ""};
    if (completing->primary && has_primary(completing->entry, completing->type))
        return;
    int r = make(completing, 1, &first, &value, &why);
    if (r < 0)
        tell(completing, "%.*s: %s", (int)completing->template.len, completing->template.at, why.text);
    else if (completing->primary || !has_variant(completing, &first))
        give_out(completing, &first);
    buf_clear(&value);
}

void
dir_policies_complete(const struct dir_policies *policies, const struct dir_entry *entry, struct span owner,
                      struct dir_taken *taken, void (*each)(void *arg, const struct address *address, bool primary),
                      void (*note)(void *arg, const char *text), void *arg)
{
    union {
        const struct dir_policies *in;
        struct dir_policies *out; /* what was tried before is remembered there */
    } both = {policies};
    if (entry->policy == 0 || entry->policy > policies->n)
        return;
    const struct conf_texts *templates = &policies->policies[entry->policy - 1].conf->proxy;
    struct arena *arena = arena_new(65536);
    for (size_t i = 0; i < templates->n; i++) {
        struct span template = span_of(templates->at[i]);
        const char *colon = memchr(template.at, ':', template.len);
        if (colon == NULL)
            continue;
        char *type = arena_copy(arena, (struct span){template.at, (size_t)(colon - template.at)});
        bool primary = type != NULL && *type >= 'A' && *type <= 'Z';
        for (char *c = type; c != NULL && *c != '\0'; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 32);
        struct completing completing = {.policies = both.out,
                                        .entry = entry,
                                        .owner = owner,
                                        .taken = taken,
                                        .each = each,
                                        .note = note,
                                        .arg = arg,
                                        .template = template,
                                        .type = span_of(type),
                                        .primary = primary};
        if (type != NULL)
            complete_one(&completing);
    }
    arena_free(arena);
}
