/* plan.c - what would make two directories agree (see plan.h and plan_inside.h)
 *
 * The order: policies, since an address that they give may be the one under which a recipient is exported; then each flow: links,
 * copies that are there, new ones, groups with their members, copies whose source is gone. The changes are put in order last.
 */
#include "directory/plan_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- a flow, source by source ---- */

/* Sources without copy, for whom there may be one to be had. */
static void
inherit(struct flow *flow)
{
    struct dir_entry source;
    for (size_t place = 0; place < dir_set_places(flow->from); place++) {
        if (flow->state[place] != SOURCE_GOOD || flow->copy_of[place] > 0 ||
            !source_get(flow, place, &flow->from_room, &source))
            continue;
        arena_reset(flow->planner->scratch);
        copy_inherit(flow, place, &source);
    }
}

/* All that is linked: before what is new, so that who has an address keeps it. */
static void
plan_linked(struct flow *flow, bool groups)
{
    struct dir_entry source, copy;
    for (size_t place = 0; place < dir_set_places(flow->from); place++) {
        size_t copy_place = flow->copy_of[place];
        if (flow->state[place] < SOURCE_HIDDEN || (copy_place == 0 && flow->state[place] != SOURCE_GOOD) ||
            !source_get(flow, place, &flow->from_room, &source) || group_is_expanded(flow, &source) != groups)
            continue;
        arena_reset(flow->planner->scratch);
        if (copy_place > 0 && dir_set_get(flow->to, copy_place - 1, &flow->to_room, &copy))
            copy_update(flow, place, &source, &copy);
        if (copy_place == 0 || (groups && flow->copy_of[place] == 0))
            flow->news[flow->n_news++] = place; /* or it was replaced, and gets its members with the new ones */
    }
}

static void
plan_news(struct flow *flow)
{
    struct dir_entry source;
    for (size_t i = 0; i < flow->n_news; i++) {
        arena_reset(flow->planner->scratch);
        if ((flow->added == NULL || flow->added[flow->news[i]].name.len == 0) &&
            source_get(flow, flow->news[i], &flow->from_room, &source))
            copy_new(flow, flow->news[i], &source);
    }
}

/* Members of new groups, when all new groups have their names. */
static void
plan_new_members(struct flow *flow)
{
    struct dir_entry source;
    for (size_t i = 0; i < flow->n_news; i++) {
        arena_reset(flow->planner->scratch);
        if (flow->added != NULL && flow->added[flow->news[i]].name.len > 0 &&
            source_get(flow, flow->news[i], &flow->from_room, &source))
            group_members_new(flow, flow->news[i], &source);
    }
    flow->n_news = 0;
}

/* What the planner may say of a source that is not exported. */
static void
judge_sources(struct flow *flow)
{
    struct dir_entry source;
    for (size_t place = 0; place < dir_set_places(flow->from); place++) {
        arena_reset(flow->planner->scratch);
        if (!source_get(flow, place, &flow->from_room, &source) ||
            plan_is_ours(flow->planner, source.mark, NULL))
            continue;
        flow->natives += source.n_proxies > 0 || source.target.type.len > 0;
        flow->state[place] = (uint8_t)source_judge(flow, &source);
        if (flow->state[place] == SOURCE_PRESENT)
            proxy_remember_old(flow, source.id);
    }
}

static void
plan_flow(struct flow *flow)
{
    if (!flow->on)
        return;
    inherit(flow);
    move_decide(flow);
    plan_linked(flow, false);
    plan_news(flow);
    flow->n_news = 0;
}

/* What a flow that is off has given stays remembered for the time when it is on again. */
static void
remember_all(struct flow *flow)
{
    const struct dir_set *added = flow->planner->in->added;
    struct dir_entry memory;
    struct why why;
    for (size_t place = 0; added != NULL && !flow->on && place < dir_set_places(added); place++)
        if (dir_set_get(added, place, &flow->other_room, &memory) && proxy_is_memory_of(flow, memory.id))
            dir_set_put(flow->planner->plan->added, &memory, &why);
}

/* Members of the groups that are there. */
static void
plan_members(struct flow *flow)
{
    struct dir_entry source, copy;
    for (size_t place = 0; place < dir_set_places(flow->from); place++) {
        size_t copy_place = flow->copy_of[place];
        if (flow->state[place] < SOURCE_HIDDEN || copy_place == 0 ||
            !source_get(flow, place, &flow->from_room, &source) || !group_is_expanded(flow, &source) ||
            !dir_set_get(flow->to, copy_place - 1, &flow->to_room, &copy) || copy.kind != DIR_GROUP)
            continue;
        arena_reset(flow->planner->scratch);
        group_members(flow, &source, &copy);
    }
}

/* When all others are done, since members may be anybody, of either flow. */
static void
plan_groups(struct flow *flow)
{
    if (!flow->on)
        return;
    plan_linked(flow, true);
    plan_news(flow);
}

/* When all groups have their names. */
static void
plan_ends(struct flow *flow)
{
    if (!flow->on)
        return;
    plan_new_members(flow);
    plan_members(flow);
    gone_all(flow);
}

/* ---- the order of changes ---- */

struct ranked {
    unsigned rank;
    size_t place;
};

/* Of one side: groups behind all others, since their members must be there. Where the address is the key, one must be gone before
 * it is given anew. Of one entry the rename comes last: until then it is found under its name. */
static unsigned
rank_of(const struct planner *planner, const struct dir_change *change)
{
    static const unsigned plain[DIR_OPERATIONS] = {
        [DIR_ADOPT] = 1, [DIR_CHANGE] = 2, [DIR_SHOW] = 3,    [DIR_RENAME] = 4,
        [DIR_ADD] = 5,   [DIR_HIDE] = 6,   [DIR_DISABLE] = 7, [DIR_DELETE] = 8};
    static const unsigned group[DIR_OPERATIONS] = {
        [DIR_ADOPT] = 1,  [DIR_SHOW] = 2, [DIR_RENAME] = 3,  [DIR_ADD] = 4,
        [DIR_CHANGE] = 5, [DIR_HIDE] = 6, [DIR_DISABLE] = 7, [DIR_DELETE] = 8};
    const struct flow *flow = change->host ? &planner->import : &planner->export;
    bool is_group = change->kind == DIR_GROUP;
    unsigned rank = is_group ? group[change->operation] : plain[change->operation];
    if (change->operation == DIR_DELETE && flow->to_traits->naming == DIR_NAMED_ADDRESS)
        return change->host ? 0 : 20;
    return rank + (is_group ? 10 : 0) + (change->host ? 0 : 20);
}

static int
compare_ranks(const void *a, const void *b)
{
    const struct ranked *one = a, *two = b;
    if (one->rank != two->rank)
        return one->rank < two->rank ? -1 : 1;
    return one->place < two->place ? -1 : one->place > two->place;
}

static void
put_in_order(struct planner *planner)
{
    struct dir_plan *plan = planner->plan;
    if (plan->n_changes == 0)
        return;
    struct ranked *ranked = xcalloc(plan->n_changes, sizeof *ranked);
    struct dir_change *changes = xcalloc(plan->n_changes, sizeof *changes);
    for (size_t i = 0; i < plan->n_changes; i++)
        ranked[i] = (struct ranked){rank_of(planner, &plan->changes[i]), i};
    qsort(ranked, plan->n_changes, sizeof *ranked, compare_ranks);
    for (size_t i = 0; i < plan->n_changes; i++)
        changes[i] = plan->changes[ranked[i].place];
    free(plan->changes);
    free(ranked);
    plan->changes = changes;
}

/* ---- the whole ---- */

static const struct conf_directory *
find_directory(const struct dir_plan_input *in)
{
    if (in->root == NULL)
        return NULL;
    for (size_t i = 0; i < in->root->host.directories_n; i++)
        if (span_equal(span_of(in->root->host.directories[i].title), span_of(in->dirsync->directory)))
            return &in->root->host.directories[i];
    return NULL;
}

static void
begin(struct planner *planner, const struct dir_plan_input *in)
{
    struct dir_plan *plan = xcalloc(1, sizeof *plan);
    plan->arena = arena_new(SIZE_MAX / 2);
    plan->given = dir_set_new();
    plan->added = dir_set_new();
    plan->made_s = in->now_s;
    snprintf(plan->dirsync, sizeof plan->dirsync, "%.127s", in->dirsync->title);
    planner->in = in;
    planner->plan = plan;
    planner->directory = find_directory(in);
    planner->scratch = arena_new(SIZE_MAX / 2);
    planner->in_book =
        in->host_read_only ||
        (planner->directory != NULL &&
         (!planner->directory->writable || span_equal(span_of(planner->directory->proxies), SPAN("book"))));
    flow_begin(planner, &planner->import, true);
    flow_begin(planner, &planner->export, false);
}

static void
end(struct planner *planner)
{
    for (size_t i = 0; i < planner->n_extras; i++)
        free(planner->extras[i].proxies);
    free(planner->extras);
    free(planner->extra_of);
    flow_clear(&planner->import);
    flow_clear(&planner->export);
    dir_taken_free(planner->taken);
    dir_words_free(planner->gifts);
    dir_filter_free(planner->filter);
    draft_clear(&planner->draft);
    arena_free(planner->scratch);
    buf_clear(&planner->key);
}

/* What the next reading is held against: a reading that was not believed does not become the measure. */
static uint64_t
believed(const struct flow *flow, uint64_t before)
{
    return flow->no_removal != NULL && before > flow->natives ? before : flow->natives;
}

struct dir_plan *
dir_plan_make(const struct dir_plan_input *in)
{
    struct planner planner = {0};
    struct why why = {"", ""};
    begin(&planner, in);
    struct dir_plan *plan = planner.plan;
    policy_hosts(&planner);
    flow_link(&planner.import);
    flow_link(&planner.export);
    judge_sources(&planner.import);
    judge_sources(&planner.export);
    gone_judge(&planner.import);
    gone_judge(&planner.export);
    plan_flow(&planner.import);
    plan_flow(&planner.export);
    plan_groups(&planner.import);
    plan_groups(&planner.export);
    plan_ends(&planner.import);
    plan_ends(&planner.export);
    remember_all(&planner.import);
    remember_all(&planner.export);
    put_in_order(&planner);
    plan->foreign_entries = believed(&planner.import, in->foreign_before);
    plan->host_entries = believed(&planner.export, in->host_before);
    if (dir_plan_guard(plan, in->dirsync, &why) < 0)
        snprintf(plan->refused, sizeof plan->refused, "%s", why.text);
    end(&planner);
    return plan;
}
