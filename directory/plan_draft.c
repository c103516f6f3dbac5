/* plan_draft.c - one change in the making (see plan_inside.h)
 *
 * Most recipients have not changed, so nothing is copied before it is known that a change has something to say.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/plan_inside.h"

void
draft_begin(struct planner *planner, enum dir_operation operation, bool host, enum dir_kind kind,
            struct span id, struct span name)
{
    struct draft *draft = &planner->draft;
    draft->change =
        (struct dir_change){.operation = operation, .kind = kind, .host = host, .id = id, .name = name};
    for (size_t i = 0; i < draft->n_deltas; i++)
        draft->deltas[i].n_remove = draft->deltas[i].n_add = 0;
    draft->n_deltas = 0;
}

void
draft_clear(struct draft *draft)
{
    for (size_t i = 0; i < DRAFT_DELTAS; i++) {
        free(draft->deltas[i].remove);
        free(draft->deltas[i].add);
    }
}

static struct draft_delta *
delta_of(struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->n_deltas; i++)
        if (strcmp(draft->deltas[i].name, name) == 0)
            return &draft->deltas[i];
    BUG_UNLESS(draft->n_deltas < DRAFT_DELTAS);
    draft->deltas[draft->n_deltas].name = name;
    return &draft->deltas[draft->n_deltas++];
}

static void
push(struct span **values, size_t *n, size_t *size, struct span value)
{
    if (*n == *size) {
        *size = *size > 0 ? 2 * *size : 4;
        *values = xrealloc(*values, *size * sizeof **values);
    }
    (*values)[(*n)++] = value;
}

void
draft_remove(struct planner *planner, const char *name, struct span value)
{
    struct draft_delta *delta = delta_of(&planner->draft, name);
    push(&delta->remove, &delta->n_remove, &delta->remove_size, value);
}

void
draft_add(struct planner *planner, const char *name, struct span value)
{
    struct draft_delta *delta = delta_of(&planner->draft, name);
    push(&delta->add, &delta->n_add, &delta->add_size, value);
}

void
draft_replace(struct planner *planner, const char *name, struct span old, struct span new)
{
    if (span_equal(old, new))
        return;
    if (old.len > 0)
        draft_remove(planner, name, old);
    if (new.len > 0)
        draft_add(planner, name, new);
}

static const struct dir_proxy *
find(const struct dir_proxy *proxies, size_t n, const struct address *address)
{
    for (size_t i = 0; i < n; i++)
        if (address_equal(&proxies[i].address, address))
            return &proxies[i];
    return NULL;
}

/* The primary SMTP address; where there is only one, that. */
static struct span
mail_of(const struct dir_traits *traits, const struct dir_proxy *proxies, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (address_is_smtp(&proxies[i].address) && (proxies[i].primary || traits->proxies == DIR_PROXIES_MAIL))
            return proxies[i].address.value;
    return (struct span){"", 0};
}

void
draft_proxies(struct planner *planner, const struct dir_traits *traits, const struct dir_proxy *old,
              size_t n_old, const struct dir_proxy *new, size_t n_new)
{
    BUG_UNLESS((old != NULL || n_old == 0) && (new != NULL || n_new == 0));
    if (traits->proxies == DIR_PROXIES_NONE)
        return;
    for (size_t i = 0; i < n_old && traits->proxies == DIR_PROXIES_ALL; i++) {
        const struct dir_proxy *same = find(new, n_new, &old[i].address);
        if (same == NULL || same->primary != old[i].primary)
            draft_remove(planner, "proxyAddresses", plan_proxy_text(planner, &old[i]));
    }
    for (size_t i = 0; i < n_new && traits->proxies == DIR_PROXIES_ALL; i++) {
        const struct dir_proxy *same = find(old, n_old, &new[i].address);
        if (same == NULL || same->primary != new[i].primary)
            draft_add(planner, "proxyAddresses", plan_proxy_text(planner, &new[i]));
    }
    struct span was = mail_of(traits, old, n_old), is = mail_of(traits, new, n_new);
    if (!span_equal_nocase(was, is))
        draft_replace(planner, "mail", was, is);
}

bool
draft_has_deltas(const struct planner *planner)
{
    return planner->draft.n_deltas > 0;
}

/* ---- into the plan ---- */

static struct span *
keep_all(struct planner *planner, const struct span *values, size_t n)
{
    struct span *kept = n > 0 ? plan_memory(planner->plan->arena, n, sizeof *kept) : NULL;
    for (size_t i = 0; i < n; i++)
        kept[i] = plan_keep(planner, values[i]);
    return kept;
}

static void
keep_deltas(struct planner *planner, struct dir_change *change)
{
    const struct draft *draft = &planner->draft;
    size_t before = change->n_deltas;
    struct dir_delta *deltas = plan_memory(planner->plan->arena, before + draft->n_deltas + 1, sizeof *deltas);
    if (before > 0)
        memcpy(deltas, change->deltas, before * sizeof *deltas);
    change->deltas = deltas;
    change->n_deltas = before + draft->n_deltas;
    for (size_t i = 0; i < draft->n_deltas; i++) {
        const struct draft_delta *from = &draft->deltas[i];
        deltas[before + i] = (struct dir_delta){.name = span_of(from->name),
                                                .remove = keep_all(planner, from->remove, from->n_remove),
                                                .n_remove = from->n_remove,
                                                .add = keep_all(planner, from->add, from->n_add),
                                                .n_add = from->n_add};
    }
}

void
draft_commit(struct planner *planner, struct span source, const char *why, ...)
{
    struct dir_plan *plan = planner->plan;
    char text[1000];
    va_list args;
    va_start(args, why);
    vsnprintf(text, sizeof text, why, args);
    va_end(args);
    plan_tidy(text);
    if (plan->n_changes == planner->changes_size) {
        planner->changes_size = planner->changes_size > 0 ? 2 * planner->changes_size : 256;
        plan->changes = xrealloc(plan->changes, planner->changes_size * sizeof *plan->changes);
    }
    struct dir_change *change = &plan->changes[plan->n_changes++];
    *change = planner->draft.change;
    change->id = plan_keep(planner, change->id);
    change->name = plan_keep(planner, change->name);
    change->new_name = plan_keep(planner, change->new_name);
    change->source = plan_keep(planner, source);
    change->why = plan_keep(planner, span_of(text));
    keep_deltas(planner, change);
}

void
draft_attach(struct planner *planner, size_t change)
{
    if (draft_has_deltas(planner))
        keep_deltas(planner, &planner->plan->changes[change]);
}
