/* plan_group.c - members of groups that are groups on both sides (see plan_inside.h)
 *
 * A member is looked for by its name, and found again on the other side by its link: a copy of a source, or the source of a copy.
 * One that has no counterpart is left out. Only members that differ are changed, compared as entries and not as names, so that a
 * member who was renamed is no change. Groups that are members of each other are members like others: nothing is followed.
 */
#include <stdlib.h>

#include "directory/plan_inside.h"

/* A counterpart on the other side: an entry that is there, or one that the plan adds. */
struct counterpart {
    size_t place;    /* SIZE_MAX: none */
    size_t added_by; /* the source of a new one; SIZE_MAX: none */
};

bool
group_is_expanded(const struct flow *flow, const struct dir_entry *source)
{
    return source->kind == DIR_GROUP && span_equal(span_of(flow->groups), SPAN("group")) &&
           flow->from_traits->members && flow->to_traits->members;
}

static struct counterpart
find_counterpart(struct flow *flow, struct span member)
{
    struct flow *back = flow_back(flow);
    struct counterpart none = {SIZE_MAX, SIZE_MAX};
    struct dir_entry entry;
    size_t place = dir_set_find_name(flow->from, member);
    if (place == SIZE_MAX)
        return none;
    if (back->fate[place] == COPY_DELETED || /* a copy that goes leaves this group too */
        (back->source_of[place] > 0 && dir_set_glance(back->to, place, &entry) &&
         gone_goes(back, place, &entry)))
        return none;
    if (back->source_of[place] > 0) /* a copy: its source is at home on the other side */
        return (struct counterpart){back->source_of[place] - 1, SIZE_MAX};
    if (flow->copy_of[place] > 0 && flow->state[place] >= SOURCE_PRESENT)
        return (struct counterpart){flow->copy_of[place] - 1, SIZE_MAX};
    if (flow->added != NULL && flow->added[place].name.len > 0)
        return (struct counterpart){SIZE_MAX, place};
    return none;
}

/* What an entry that is there is called when the plan has been carried out that far. */
static struct span
name_of(struct flow *flow, size_t place)
{
    struct dir_entry entry;
    if (flow->renamed != NULL && flow->renamed[place].len > 0)
        return flow->renamed[place];
    return dir_set_glance(flow->to, place, &entry) ? entry.name : SPAN("");
}

static void
new_stamp(struct flow *flow)
{
    if (flow->stamps == NULL)
        flow->stamps = xcalloc(dir_set_places(flow->to) + 1, sizeof *flow->stamps);
    flow->stamp += 2;
}

/* ---- a group that is there ---- */

/* A member that is not to be one. What is deleted leaves its groups by itself; a name that nobody has is taken out where it could
 * only be one of our copies. */
static bool
goes(struct flow *flow, struct span name, size_t place)
{
    struct dir_entry entry;
    if (place == SIZE_MAX)
        return flow->may_add && flow->container != NULL && flow->to_traits->naming == DIR_NAMED_DN &&
               name_below(flow, name);
    if (flow->fate[place] == COPY_DELETED)
        return false;
    return dir_set_glance(flow->to, place, &entry) && !gone_is_deleted(flow, place, &entry);
}

/* A reading that cannot be believed says as little about who left a group as about who is gone. */
static bool
is_removed(struct flow *flow, struct span name, size_t place)
{
    bool believed = flow->no_removal == NULL && (place != SIZE_MAX || flow_back(flow)->no_removal == NULL);
    bool removed = goes(flow, name, place);
    flow->members_held += removed && !believed;
    return removed && believed;
}

static void
remove_members(struct flow *flow, const struct dir_entry *copy)
{
    for (size_t i = 0; i < copy->n_members; i++) {
        size_t place = dir_set_find_name(flow->to, copy->members[i]);
        uint32_t *stamp = place != SIZE_MAX ? &flow->stamps[place] : NULL;
        if (stamp != NULL && *stamp >= flow->stamp)
            *stamp = flow->stamp + 1; /* it is one already */
        else if (is_removed(flow, copy->members[i], place))
            draft_remove(flow->planner, "member",
                         place != SIZE_MAX && flow->renamed != NULL && flow->renamed[place].len > 0
                             ? flow->renamed[place]
                             : copy->members[i]);
    }
}

static size_t
add_members(struct flow *flow, const struct dir_entry *source, size_t own)
{
    size_t left_out = 0;
    for (size_t i = 0; i < source->n_members; i++) {
        struct counterpart found = find_counterpart(flow, source->members[i]);
        if (found.place == own)
            continue; /* no directory takes a group into itself */
        if (found.place != SIZE_MAX && flow->stamps[found.place] == flow->stamp) {
            draft_add(flow->planner, "member", name_of(flow, found.place));
            flow->stamps[found.place] = flow->stamp + 1;
        } else if (found.added_by != SIZE_MAX) {
            draft_add(flow->planner, "member", flow->added[found.added_by].name);
        } else if (found.place == SIZE_MAX) {
            left_out++;
        }
    }
    return left_out;
}

static void
tell_left_out(struct flow *flow, const struct dir_entry *source, size_t n)
{
    if (n > 0)
        plan_notice(flow->planner, DIR_REMARK, !flow->import, source->id, source->name,
                    "%zu of its %zu members have no counterpart in %s, and are left out", n, source->n_members,
                    flow->to_title);
}

void
group_members(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy)
{
    size_t own = dir_set_find_id(flow->to, copy->id);
    if (copy->broken) /* told with its attributes */
        return;
    draft_begin(flow->planner, DIR_CHANGE, flow->import, copy->kind, copy->id, name_of(flow, own));
    new_stamp(flow);
    for (size_t i = 0; i < source->n_members; i++) {
        struct counterpart found = find_counterpart(flow, source->members[i]);
        if (found.place != SIZE_MAX)
            flow->stamps[found.place] = flow->stamp;
    }
    remove_members(flow, copy);
    size_t left_out = add_members(flow, source, own);
    if (!draft_has_deltas(flow->planner))
        return;
    draft_commit(flow->planner, source->id, "%s owns it, and these are its members: %.*s", flow->from_title,
                 SHOWN(source->name));
    tell_left_out(flow, source, left_out);
}

/* ---- a new group ---- */

void
group_members_new(struct flow *flow, size_t source_place, const struct dir_entry *source)
{
    struct planner *planner = flow->planner;
    size_t change = flow->added[source_place].change, left_out = 0, late = 0;
    new_stamp(flow);
    draft_begin(planner, DIR_ADD, flow->import, DIR_GROUP, SPAN(""), SPAN(""));
    for (size_t i = 0; i < source->n_members; i++) {
        struct counterpart found = find_counterpart(flow, source->members[i]);
        if (found.place != SIZE_MAX && flow->stamps[found.place] != flow->stamp) {
            flow->stamps[found.place] = flow->stamp;
            draft_add(planner, "member", name_of(flow, found.place));
        } else if (found.added_by != SIZE_MAX) {
            const struct new_copy *added = &flow->added[found.added_by];
            bool later = added->change > change && planner->plan->changes[added->change].kind == DIR_GROUP;
            late += later;
            if (!later && added->change != change)
                draft_add(planner, "member", added->name);
        }
        left_out += found.place == SIZE_MAX && found.added_by == SIZE_MAX;
    }
    draft_attach(planner, change);
    tell_left_out(flow, source, left_out);
    if (late == 0)
        return;
    draft_begin(planner, DIR_CHANGE, flow->import, DIR_GROUP, SPAN(""), flow->added[source_place].name);
    for (size_t i = 0; i < source->n_members; i++) {
        struct counterpart found = find_counterpart(flow, source->members[i]);
        if (found.added_by != SIZE_MAX && flow->added[found.added_by].change > change &&
            planner->plan->changes[flow->added[found.added_by].change].kind == DIR_GROUP)
            draft_add(planner, "member", flow->added[found.added_by].name);
    }
    draft_commit(planner, source->id, "%.*s has these groups as members, which are new as well",
                 SHOWN(source->name));
}
