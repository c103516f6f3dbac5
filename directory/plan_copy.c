/* plan_copy.c - a copy that is there: what has changed (see plan_inside.h)
 *
 * The source owns what is kept in step: whatever else stands at the copy is set right again, and the change says who owns it.
 * What is initial, and what the flow does not keep, is never looked at.
 */
#include <stdlib.h>

#include "directory/plan_inside.h"

/* Says that a value was cut, where it is written. */
static void
tell_cut(struct flow *flow, const struct wish *wish, unsigned attribute)
{
    if ((wish->cut >> attribute & 1) != 0)
        plan_notice(flow->planner, DIR_REMARK, !flow->import, wish->source->id, wish->source->name,
                    "%s is longer than %s takes, and cut", dir_attribute_name((enum dir_attribute)attribute),
                    flow->to_title);
}

static void
draft_values(struct flow *flow, const struct wish *wish, const struct dir_entry *copy)
{
    uint32_t bits = copy != NULL ? flow->kept & ~flow->initial : flow->kept;
    if (wish->source->kind == DIR_GROUP) /* save what is made of other things */
        bits &= ~(flow->from_traits->not_of_groups & ~(UINT32_C(1) << DIR_DISPLAY | UINT32_C(1) << DIR_ALIAS));
    if ((copy != NULL ? copy->kind : wish->kind) == DIR_GROUP)
        bits &= ~flow->to_traits->not_of_groups;
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++) {
        struct span old = copy != NULL ? copy->value[i] : SPAN("");
        if ((bits >> i & 1) == 0 || span_equal(old, wish->value[i]))
            continue;
        tell_cut(flow, wish, i);
        draft_replace(flow->planner, dir_attribute_name((enum dir_attribute)i), old, wish->value[i]);
    }
}

/* A target that it may not get stays the old one, among its addresses too: see plan_move.c. */
static void
keep_target(struct wish *wish, const struct dir_entry *copy)
{
    size_t n = 0;
    for (size_t i = 0; i < wish->n_proxies; i++)
        if (!address_equal(&wish->proxies[i].address, &wish->target) &&
            !address_equal(&wish->proxies[i].address, &copy->target))
            wish->proxies[n++] = wish->proxies[i];
    wish->n_proxies = n;
    for (size_t i = 0; i < copy->n_proxies; i++)
        if (address_equal(&copy->proxies[i].address, &copy->target))
            wish->proxies[wish->n_proxies++] = copy->proxies[i]; /* there is room: the wished target is out */
    wish->target = copy->target;
}

static void
draft_target(struct flow *flow, size_t source_place, struct wish *wish, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    if (flow->to_traits->no_target || address_equal(&copy->target, &wish->target))
        return;
    if (flow->move[flow->copy_of[source_place] - 1] == MOVE_STUCK) {
        keep_target(wish, copy);
        return;
    }
    struct span old = copy->target.type.len > 0 ? plan_address_text(planner, &copy->target) : SPAN("");
    draft_replace(planner, "targetAddress", old, plan_address_text(planner, &wish->target));
}

static void
draft_addresses(struct flow *flow, size_t source_place, const struct wish *wish, const struct dir_entry *copy)
{
    struct dir_proxy proxies[DIR_PROXIES_MAX];
    size_t n = 0;
    if (flow->proxies_initial && copy != NULL) {
        if (copy->n_proxies > 0)
            memcpy(proxies, copy->proxies, copy->n_proxies * sizeof *proxies);
        n = copy->n_proxies;
    } else {
        n = proxy_settle(flow, wish, source_place, copy, proxies);
    }
    policy_copy(flow, wish, source_place, copy, proxies, &n);
    draft_proxies(flow->planner, flow->to_traits, copy != NULL ? copy->proxies : NULL,
                  copy != NULL ? copy->n_proxies : 0, proxies, n);
}

/* What hides because its source was gone is shown by an operation of its own. */
static void
draft_hidden(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy)
{
    const struct dir_pending *pending = flow->planner->in->pending;
    if (!flow->hides || source->hidden == copy->hidden)
        return;
    if (source->hidden)
        draft_add(flow->planner, "hidden", SPAN("TRUE"));
    else if (pending == NULL || dir_pending_since(pending, flow->import, copy->id) == 0)
        draft_remove(flow->planner, "hidden", SPAN("TRUE"));
}

static void
draft_name(struct flow *flow, size_t copy_place, const struct wish *wish, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    if (name_is_kept(flow, copy_place, copy))
        return;
    struct span name = name_choose(flow, wish, copy);
    if (span_equal(name, copy->name))
        return;
    planner->draft.change.operation = DIR_RENAME;
    planner->draft.change.new_name = name;
}

static void
note_name(struct flow *flow, size_t copy_place)
{
    const struct dir_plan *plan = flow->planner->plan;
    const struct dir_change *change = &plan->changes[plan->n_changes - 1];
    if (change->operation != DIR_RENAME)
        return;
    if (flow->renamed == NULL)
        flow->renamed = xcalloc(dir_set_places(flow->to), sizeof *flow->renamed);
    flow->renamed[copy_place] = change->new_name;
}

/* The mark of a source who is gone becomes that of the one who has the address now. */
static void
draft_mark(struct flow *flow, size_t copy_place, const struct dir_entry *source, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    struct buf mark = {0};
    if (flow->fate[copy_place] != COPY_INHERITED)
        return;
    dir_mark_print(planner->in->dirsync->title, source->id, dir_mark_adopted(copy->mark), &mark);
    struct span kept = arena_span(planner->scratch, buf_span(&mark));
    BUG_UNLESS(kept.at != NULL);
    draft_replace(planner, "mark", copy->mark, kept);
    buf_clear(&mark);
}

/* Where the address is the key, another address is another entry. */
static bool
replace_copy(struct flow *flow, size_t source_place, struct wish *wish, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    size_t place = (size_t)flow->copy_of[source_place] - 1;
    if (flow->to_traits->naming != DIR_NAMED_ADDRESS || flow->move[place] == MOVE_NONE)
        return false;
    if (flow->move[place] == MOVE_STUCK)
        return true; /* it stays as it is */
    draft_begin(planner, DIR_DELETE, flow->import, copy->kind, copy->id, copy->name);
    draft_commit(planner, wish->source->id, "%.*s has another address, %.*s", SHOWN(wish->source->name),
                 SHOWN(wish->target.value));
    flow->fate[place] = COPY_DELETED;
    flow->copy_of[source_place] = 0;
    flow->source_of[place] = 0;
    copy_add(flow, source_place, wish);
    return true;
}

/* A user whom we made and who has got a mailbox since, as in a migration: a target address would take his mail away from it. */
static bool
has_mailbox(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy)
{
    if (!flow->import || copy->kind != DIR_MAILBOX)
        return false;
    proxy_remember_old(flow, source->id);
    plan_notice(
        flow->planner, DIR_CONFLICT, true, copy->id, copy->name,
        "it stands for %.*s of %s, and has a mailbox of its own by now, so it is left as it is: take its mark "
        "away, or the other one from %s",
        SHOWN(source->name), flow->from_title, flow->from_title);
    return true;
}

/* What cannot be read cannot be set right either: nobody knows what stands there. */
static bool
is_unreadable(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy)
{
    if (!copy->broken)
        return false;
    proxy_remember_old(flow, source->id);
    gone_tell_broken(flow, copy);
    return true;
}

void
copy_update(struct flow *flow, size_t source_place, const struct dir_entry *source,
            const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    size_t place = (size_t)flow->copy_of[source_place] - 1;
    struct wish wish;
    if (is_unreadable(flow, source, copy) || has_mailbox(flow, source, copy))
        return;
    source_wish(flow, source, &wish);
    if (replace_copy(flow, source_place, &wish, copy))
        return;
    proxy_remember(flow, &wish, copy);
    draft_begin(planner, DIR_CHANGE, flow->import, copy->kind, copy->id, copy->name);
    draft_values(flow, &wish, copy);
    draft_target(flow, source_place, &wish, copy);
    draft_addresses(flow, source_place, &wish, copy);
    draft_hidden(flow, source, copy);
    draft_mark(flow, place, source, copy);
    draft_name(flow, place, &wish, copy);
    if (!draft_has_deltas(planner) && planner->draft.change.operation == DIR_CHANGE)
        return;
    draft_commit(planner, source->id,
                 flow->fate[place] == COPY_INHERITED ? "%s has somebody else under this address now: %.*s"
                                                     : "%s owns it and has it so: %.*s",
                 flow->from_title, SHOWN(source->name));
    note_name(flow, place);
}

/* ---- new ones ---- */

void
copy_add(struct flow *flow, size_t source_place, struct wish *wish)
{
    struct planner *planner = flow->planner;
    const struct dir_entry *source = wish->source;
    struct buf mark = {0};
    draft_begin(planner, DIR_ADD, flow->import, wish->kind, SPAN(""), name_choose(flow, wish, NULL));
    draft_values(flow, wish, NULL);
    if (!flow->to_traits->no_target)
        draft_replace(planner, "targetAddress", SPAN(""), plan_address_text(planner, &wish->target));
    proxy_claim(flow, &wish->target, source_place);
    draft_addresses(flow, source_place, wish, NULL);
    if (flow->hides && source->hidden)
        draft_add(planner, "hidden", SPAN("TRUE"));
    dir_mark_print(planner->in->dirsync->title, source->id, false, &mark);
    draft_replace(planner, "mark", SPAN(""), buf_span(&mark));
    draft_commit(planner, source->id, "%.*s is new in %s", SHOWN(source->name), flow->from_title);
    buf_clear(&mark);
    if (flow->added == NULL)
        flow->added = xcalloc(dir_set_places(flow->from), sizeof *flow->added);
    size_t change = planner->plan->n_changes - 1;
    flow->added[source_place] = (struct new_copy){planner->plan->changes[change].name, change};
    proxy_remember(flow, wish, NULL);
}
