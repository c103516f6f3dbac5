/* plan_new.c - a source without a copy: added, adopted, inherited, or a conflict (see plan_inside.h)
 *
 * Before an entry is made, all its addresses are looked for in the whole of the other directory: who is there already under one of
 * them is most often the same person, moved or entered by hand, and a second entry would be a twin. Such an entry is taken only
 * where the operator asks for it (adopt); one of ours whose source is gone passes to whoever has the address now.
 */
#include <stdio.h>

#include "directory/plan_inside.h"

/* Who has one of the addresses. */
struct rival {
    size_t place; /* in the target; SIZE_MAX: nobody */
    const struct address *address;
    bool ambiguous; /* several have one */
    bool quiet;     /* nothing is said */
};

static bool
is_asked(struct flow *flow, const struct wish *wish)
{
    const char *adopt = flow->planner->in->adopt;
    struct address address;
    struct why why;
    if (adopt == NULL)
        return false;
    if (span_equal(span_of(adopt), SPAN("all")) || span_equal_nocase(span_of(adopt), wish->target.value))
        return true;
    if (address_parse(span_of(adopt), flow->planner->scratch, &address, &why) != 0)
        return false;
    if (address_equal(&address, &wish->target))
        return true;
    for (size_t i = 0; i < wish->n_proxies; i++)
        if (address_equal(&address, &wish->proxies[i].address))
            return true;
    return false;
}

/* Not who has a copy on the other side himself. */
static bool
is_adoptable(const struct flow *flow, size_t place, const struct dir_entry *entry, const struct wish *wish)
{
    const struct flow *back = flow_back(flow);
    bool has_copy = back->copy_of[place] > 0 || (back->added != NULL && back->added[place].name.len > 0);
    bool fixed = flow->to_traits->naming == DIR_NAMED_ADDRESS && !address_equal(&entry->target, &wish->target);
    if (entry->mark.len > 0 || has_copy || fixed || flow->source_of[place] > 0 || flow->to_traits->no_adoption)
        return false;
    return wish->kind == DIR_GROUP ? entry->kind == DIR_GROUP
                                   : entry->kind == DIR_CONTACT || entry->kind == DIR_MAIL_USER;
}

static void
tell_rival(struct flow *flow, const struct wish *wish, const struct rival *rival, const struct dir_entry *entry)
{
    const struct dir_plan_input *in = flow->planner->in;
    char advice[700];
    if (rival->ambiguous)
        snprintf(advice, sizeof advice,
                 "and another entry has another of its addresses: only one of them can be it");
    else if (plan_is_ours(flow->planner, entry->mark, NULL) || flow->source_of[rival->place] > 0)
        snprintf(advice, sizeof advice, "which is the copy of somebody else");
    else if (entry->mark.len > 0)
        snprintf(advice, sizeof advice, "which has another's mark, and is left alone");
    else if (is_adoptable(flow, rival->place, entry, wish))
        snprintf(advice, sizeof advice, "`viaduct dirsync plan %s --adopt %.*s:%.*s` takes it",
                 in->dirsync->title, SHOWN(wish->target.type), SHOWN(wish->target.value));
    else
        snprintf(advice, sizeof advice, "which is a %s of %s itself", dir_kind_name(entry->kind),
                 flow->to_title);
    plan_notice(flow->planner, DIR_CONFLICT, !flow->import, wish->source->id, wish->source->name,
                "it gets no copy: %.*s has %.*s:%.*s already; %s", SHOWN(entry->name),
                SHOWN(rival->address->type), SHOWN(rival->address->value), advice);
}

/* Somebody who has an address: a copy whose source is there keeps it, and only the target is worth a conflict. Returns false
 * where the new one cannot be for it. */
static bool
meet(struct flow *flow, const struct wish *wish, size_t source_place, const struct address *address,
     bool is_target, struct rival *rival)
{
    struct dir_entry entry;
    bool planned;
    size_t holder = proxy_holder(flow, address, SIZE_MAX, source_place, true, &planned);
    if (holder == SIZE_MAX)
        return true;
    if (planned) {
        if (is_target && !rival->quiet && dir_set_get(flow->from, holder, &flow->other_room, &entry))
            plan_notice(flow->planner, DIR_CONFLICT, !flow->import, wish->source->id, wish->source->name,
                        "it gets no copy: %.*s has the address %.*s:%.*s too", SHOWN(entry.name),
                        SHOWN(address->type), SHOWN(address->value));
        return !is_target;
    }
    bool known = dir_set_get(flow->to, holder, &flow->other_room, &entry);
    bool ours = known && plan_is_ours(flow->planner, entry.mark, NULL);
    bool fixed =
        flow->to_traits->naming == DIR_NAMED_ADDRESS; /* it cannot become the copy of another address */
    if (!is_target && (gone_has_source(flow, holder) || (ours && (fixed || gone_goes(flow, holder, &entry)))))
        return true;
    if (rival->place != SIZE_MAX && rival->place != holder) {
        rival->ambiguous = true;
    } else {
        rival->place = holder;
        rival->address = address;
    }
    return true;
}

static bool
find_rival(struct flow *flow, const struct wish *wish, size_t source_place, struct rival *rival)
{
    *rival = (struct rival){.place = SIZE_MAX, .quiet = rival->quiet};
    bool good = meet(flow, wish, source_place, &wish->target, true, rival);
    for (size_t i = 0; i < wish->n_proxies && good; i++)
        good = meet(flow, wish, source_place, &wish->proxies[i].address, false, rival);
    return good;
}

static void
adopt_copy(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    struct buf mark = {0};
    dir_mark_print(planner->in->dirsync->title, source->id, true, &mark);
    draft_begin(planner, DIR_ADOPT, flow->import, copy->kind, copy->id, copy->name);
    draft_replace(planner, "mark", copy->mark, buf_span(&mark));
    draft_commit(planner, source->id, "it is taken for %.*s of %s, as the operator asked", SHOWN(source->name),
                 flow->from_title);
    buf_clear(&mark);
}

/* From now on it is the source's copy: adopted, or with another mark, which its update writes with all else. */
static void
take_over(struct flow *flow, size_t source_place, const struct dir_entry *source, const struct dir_entry *copy,
          bool adopt)
{
    struct flow *back = flow_back(flow);
    size_t place = dir_set_find_id(flow->to, copy->id);
    if (adopt) /* it is no recipient of its own any more */
        back->state[place] = SOURCE_NONE;
    if (flow->source_of[place] > 0) /* who is not exported any more */
        flow->copy_of[flow->source_of[place] - 1] = 0;
    flow->copy_of[source_place] = (uint32_t)place + 1;
    flow->source_of[place] = (uint32_t)source_place + 1;
    flow->fate[place] = adopt ? COPY_ADOPTED : COPY_INHERITED;
    flow->planner->plan->linked++;
    flow->planner->plan->linked_kinds[flow->import][copy->kind] += adopt;
    if (adopt)
        adopt_copy(flow, source, copy);
}

void
copy_inherit(struct flow *flow, size_t source_place, const struct dir_entry *source)
{
    struct dir_entry entry;
    struct rival rival = {.quiet = true};
    struct wish wish;
    if (!flow->may_add)
        return;
    source_wish(flow, source, &wish);
    if (!find_rival(flow, &wish, source_place, &rival) || rival.place == SIZE_MAX || rival.ambiguous ||
        !dir_set_get(flow->to, rival.place, &flow->to_room, &entry))
        return;
    bool orphan = !gone_has_source(flow, rival.place) && plan_is_ours(flow->planner, entry.mark, NULL);
    if (orphan ? flow->no_removal == NULL
               : is_adoptable(flow, rival.place, &entry, &wish) && is_asked(flow, &wish))
        take_over(flow, source_place, source, &entry, !orphan);
}

void
copy_new(struct flow *flow, size_t source_place, const struct dir_entry *source)
{
    struct planner *planner = flow->planner;
    struct dir_entry entry;
    struct rival rival = {.quiet = false};
    struct wish wish;
    if (!flow->may_add) {
        flow->not_added++;
        return;
    }
    source_wish(flow, source, &wish);
    if (!find_rival(flow, &wish, source_place, &rival))
        return;
    if (rival.place != SIZE_MAX && dir_set_get(flow->to, rival.place, &flow->to_room, &entry)) {
        tell_rival(flow, &wish, &rival, &entry);
        return;
    }
    size_t named = dir_set_find_name(flow->to, wish.target.value);
    if (flow->to_traits->naming == DIR_NAMED_ADDRESS && named != SIZE_MAX &&
        dir_set_get(flow->to, named, &flow->to_room, &entry) && flow->fate[named] != COPY_DELETED &&
        !gone_is_deleted(flow, named, &entry)) { /* it is called so, whatever its address is */
        rival = (struct rival){.place = named, .address = &wish.target};
        tell_rival(flow, &wish, &rival, &entry);
        return;
    }
    if (policy_taken(flow, &wish.target, source_place)) {
        plan_notice(planner, DIR_CONFLICT, !flow->import, source->id, source->name,
                    "it gets no copy: a recipient policy has just given %.*s:%.*s to somebody else",
                    SHOWN(wish.target.type), SHOWN(wish.target.value));
        return;
    }
    copy_add(flow, source_place, &wish);
}
