/* policy.c - the configuration's recipient policies: which one applies to whom, and what it gives (see policy.h) */
#include <errno.h>
#include <stdlib.h>

#include "directory/taken.h"

struct policy {
    const char *title;
    uint64_t priority;
    size_t place; /* in the configuration: decides among equals */
    const char *filter_text;
    struct dir_filter *filter;
    const struct conf_texts *templates;
};

struct dir_policies {
    struct policy *policy; /* by priority */
    size_t n;
};

/* ---- all of the configuration ---- */

static int
by_priority(const void *a, const void *b)
{
    const struct policy *one = a, *two = b;
    if (one->priority != two->priority)
        return one->priority < two->priority ? -1 : 1;
    return one->place < two->place ? -1 : one->place > two->place;
}

static int
read_policy(struct policy *policy, const struct conf_policy *conf, struct why *why)
{
    struct why inner = {.text = ""};
    policy->title = conf->title;
    policy->priority = (uint64_t)conf->priority;
    policy->filter_text = conf->filter;
    policy->templates = &conf->proxy;
    policy->filter = dir_filter_new(span_of(conf->filter), &inner);
    if (policy->filter == NULL)
        return why_set(why, "5.3.5", "recipient-policy \"%s\": %s", conf->title, inner.text);
    for (size_t i = 0; i < conf->proxy.n; i++)
        if (address_template_check(span_of(conf->proxy.at[i]), &inner) < 0)
            return why_set(why, "5.3.5", "recipient-policy \"%s\": \"%.100s\": %s", conf->title,
                           conf->proxy.at[i], inner.text);
    return 0;
}

struct dir_policies *
dir_policies_new(const struct conf_root *root, struct why *why)
{
    struct dir_policies *policies = xcalloc(1, sizeof *policies);
    policies->policy = xcalloc(root->policies_n > 0 ? root->policies_n : 1, sizeof *policies->policy);
    policies->n = root->policies_n;
    for (size_t i = 0; i < root->policies_n; i++) {
        policies->policy[i].place = i;
        if (read_policy(&policies->policy[i], &root->policies[i], why) < 0) {
            dir_policies_free(policies);
            return NULL;
        }
    }
    qsort(policies->policy, policies->n, sizeof *policies->policy, by_priority);
    return policies;
}

void
dir_policies_free(struct dir_policies *policies)
{
    if (policies == NULL)
        return;
    for (size_t i = 0; i < policies->n; i++)
        dir_filter_free(policies->policy[i].filter);
    free(policies->policy);
    free(policies);
}

/* FNV-1a over the filters with their ends, in order. */
uint64_t
dir_policies_digest(const struct dir_policies *policies)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < policies->n; i++)
        for (const char *at = policies->policy[i].filter_text;; at++) {
            digest = (digest ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
            if (*at == '\0')
                break;
        }
    return digest;
}

void
dir_policies_names(const struct dir_policies *policies, void (*each)(void *arg, struct span name), void *arg)
{
    for (size_t i = 0; i < policies->n; i++)
        dir_filter_names(policies->policy[i].filter, each, arg);
}

unsigned
dir_policies_choose(const struct dir_policies *policies,
                    bool (*value)(void *arg, struct span name, size_t n, struct span *value), void *arg)
{
    for (size_t i = 0; i < policies->n; i++)
        if (dir_filter_matches(policies->policy[i].filter, value, arg))
            return (unsigned)i + 1;
    return 0;
}

unsigned
dir_policies_choose_entry(const struct dir_policies *policies, const struct dir_entry *entry)
{
    for (size_t i = 0; i < policies->n; i++)
        if (dir_filter_matches_entry(policies->policy[i].filter, entry))
            return (unsigned)i + 1;
    return 0;
}

const char *
dir_policies_title(const struct dir_policies *policies, unsigned policy)
{
    return policy > 0 && policy <= policies->n ? policies->policy[policy - 1].title : NULL;
}

/* ---- what an entry lacks ---- */

struct lack {
    const struct dir_entry *entry;
    struct span owner;
    struct dir_taken *taken;
    void (*each)(void *arg, const struct address *address, bool primary);
    void (*note)(void *arg, const char *text);
    void *arg;
    char type[21]; /* of the template at hand, upper case */
    struct span text;
    bool primary;
};

static void say(const struct lack *lack, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
say(const struct lack *lack, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    lack->note(lack->arg, text.at);
    buf_clear(&text);
}

/* The type in upper case marks the primary. */
static void
take_type(struct lack *lack)
{
    size_t i = 0;
    lack->primary = true;
    for (; i < lack->text.len && lack->text.at[i] != ':' && i + 1 < sizeof lack->type; i++) {
        char c = lack->text.at[i];
        bool small = c >= 'a' && c <= 'z';
        lack->primary = lack->primary && !small;
        lack->type[i] = small ? (char)(c - 32) : c;
    }
    lack->type[i] = '\0';
}

/* Whether a secondary address that the entry has is of the template's kind: of its domain for SMTP; for another type any that is
 * not the primary one. Else each change of a name would add another. */
static bool
is_like(const struct lack *lack, const struct dir_proxy *proxy)
{
    struct mailbox_parts parts;
    if (!address_is_smtp(&proxy->address))
        return !proxy->primary;
    const char *at = memrchr(lack->text.at, '@', lack->text.len);
    struct span domain = {at + 1, (size_t)(lack->text.at + lack->text.len - at) - 1};
    return mailbox_parse(proxy->address.value, &parts, NULL) == 0 && domain_equal(parts.domain, domain);
}

static bool
has_already(const struct lack *lack)
{
    for (size_t i = 0; i < lack->entry->n_proxies; i++) {
        const struct dir_proxy *proxy = &lack->entry->proxies[i];
        if (!span_equal(proxy->address.type, span_of(lack->type)))
            continue;
        if (lack->primary ? proxy->primary : is_like(lack, proxy))
            return true;
    }
    return false;
}

/* From the number on that was free for the last alike one: ten thousand alike names cost ten thousand questions, not fifty million. */
static void
give(const struct lack *lack)
{
    struct buf value = {0}, stem = {0}, wanted = {0};
    struct why why;
    struct address address = {.type = span_of(lack->type)};
    int r = address_template(lack->text, lack->entry, 1, &value, &why);
    buf_add_span(&wanted, buf_span(&value));
    address.value = buf_span(&value);
    if (r == 0 && address_key(&address, &stem) != 0)
        r = why_set(&why, "", "it has no form that could be compared");
    unsigned number = 1, tries = 0;
    for (; r == 0 && tries < DIR_TRIES; tries++) {
        if (dir_taken_add(lack->taken, &address, lack->owner))
            break;
        number = taken_next_number(lack->taken, buf_span(&stem));
        r = address_template(lack->text, lack->entry, number, &value, &why);
        address.value = buf_span(&value);
    }
    if (r == 0 && tries == DIR_TRIES)
        r = why_set(&why, "", "the first %d numbers for it are taken", DIR_TRIES);
    if (r != 0)
        say(lack, "no address is made of \"%.*s\": %s", (int)lack->text.len, lack->text.at, why.text);
    else {
        if (number > 1)
            say(lack, "%s:%.*s is taken by another, %.*s is given", lack->type, (int)wanted.len, wanted.at,
                (int)value.len, value.at);
        lack->each(lack->arg, &address, lack->primary);
    }
    buf_clear(&value);
    buf_clear(&stem);
    buf_clear(&wanted);
}

void
dir_policies_complete(const struct dir_policies *policies, const struct dir_entry *entry, struct span owner,
                      struct dir_taken *taken,
                      void (*each)(void *arg, const struct address *address, bool primary),
                      void (*note)(void *arg, const char *text), void *arg)
{
    if (entry->policy == 0 || entry->policy > policies->n)
        return;
    const struct policy *policy = &policies->policy[entry->policy - 1];
    struct lack lack = {.entry = entry, .owner = owner, .taken = taken, .each = each, .note = note, .arg = arg};
    for (size_t i = 0; i < policy->templates->n; i++) {
        lack.text = span_of(policy->templates->at[i]);
        take_type(&lack);
        if (!has_already(&lack))
            give(&lack);
    }
}
