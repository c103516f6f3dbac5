/* plan_gone.c - copies whose source is gone (see plan_inside.h)
 *
 * A copy is hidden first, and deleted when it has hidden long enough; a user, and what was there before us, is let go instead of
 * deleted. Who comes back in time is shown again. All this only where the reading of the other side can be believed: one that did
 * not come to its end, that is empty, or much smaller than the last, says nothing about who is gone.
 */
#include <inttypes.h>

#include "directory/plan_inside.h"

enum removal { STAYS, HIDES, GOES };

/* ---- whether a reading can be believed ---- */

static const char *
judge_size(struct flow *flow)
{
    const struct dir_plan_input *in = flow->planner->in;
    uint64_t before = flow->import ? in->foreign_before : in->host_before, now = flow->natives;
    int share = guard_share(span_of(in->dirsync->limits.shrink));
    char *why = NULL;
    if (share < 0)
        share = 20;
    if (now == 0 && flow->copies > 0 && share < 100)
        why = arena_printf(flow->planner->plan->arena, "nobody was read in %s", flow->from_title);
    else if (before > 0 && (double)now < (double)before * (100 - share) / 100)
        why = arena_printf(flow->planner->plan->arena,
                           "%" PRIu64 " were read in %s, and %" PRIu64 " at the last run", now,
                           flow->from_title, before);
    return why;
}

void
gone_judge(struct flow *flow)
{
    bool complete = flow->import ? flow->planner->in->foreign_complete : flow->planner->in->host_complete;
    if (!complete)
        flow->no_removal =
            arena_printf(flow->planner->plan->arena, "%s was not read to its end", flow->from_title);
    else
        flow->no_removal = judge_size(flow);
}

/* ---- one copy ---- */

bool
gone_has_source(const struct flow *flow, size_t place)
{
    size_t source = flow->source_of[place];
    return source > 0 && flow->state[source - 1] >= SOURCE_PRESENT;
}

static enum removal
removal_of(const struct flow *flow, const struct dir_entry *copy)
{
    const struct dir_plan_input *in = flow->planner->in;
    int64_t since = in->pending != NULL ? dir_pending_since(in->pending, flow->import, copy->id) : 0;
    if (flow->delete_s == 0)
        return GOES;
    if (since == 0)
        return HIDES;
    return since <= in->now_s && in->now_s - since >= flow->delete_s ? GOES : STAYS;
}

/* An account is no recipient: it stays when that goes. So does what was there before us. */
static bool
is_let_go(const struct flow *flow, const struct dir_entry *copy)
{
    bool user = copy->kind == DIR_MAIL_USER || copy->kind == DIR_MAILBOX;
    return dir_mark_adopted(copy->mark) || (flow->import && user);
}

bool
gone_goes(struct flow *flow, size_t place, const struct dir_entry *copy)
{
    return flow->on && !copy->broken && plan_is_ours(flow->planner, copy->mark, NULL) &&
           !gone_has_source(flow, place) && flow->no_removal == NULL && removal_of(flow, copy) == GOES;
}

bool
gone_is_deleted(struct flow *flow, size_t place, const struct dir_entry *copy)
{
    return gone_goes(flow, place, copy) && !is_let_go(flow, copy);
}

bool
gone_loses(struct flow *flow, size_t place, const struct dir_entry *copy, const struct address *address)
{
    struct span source;
    if (!gone_goes(flow, place, copy) || !plan_is_ours(flow->planner, copy->mark, &source))
        return false;
    if (flow->import && copy->kind == DIR_MAILBOX)
        return false; /* see let_go() */
    return !dir_mark_adopted(copy->mark) || address_equal(&copy->target, address) ||
           proxy_is_added(flow, source, address);
}

/* ---- what is done ---- */

static void
commit(struct flow *flow, const struct dir_entry *copy)
{
    struct span source = {"", 0};
    struct dir_entry entry;
    size_t place = dir_set_find_id(flow->to, copy->id);
    plan_is_ours(flow->planner, copy->mark, &source);
    if (flow->source_of[place] > 0 &&
        dir_set_get(flow->from, flow->source_of[place] - 1, &flow->from_room, &entry))
        draft_commit(flow->planner, source, "%.*s of %s is not to be seen here any more", SHOWN(entry.name),
                     flow->from_title);
    else
        draft_commit(flow->planner, source, "%.*s is gone from %s", SHOWN(source), flow->from_title);
}

/* Its addresses go with the mark: those that are ours, and of a user all, since his mail has nowhere to go; and his alias, which
 * makes him a recipient to policies. Whoever has got a mailbox here loses the mark alone. */
static void
let_go(struct flow *flow, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    struct dir_proxy kept[DIR_PROXIES_MAX];
    struct span source = {"", 0};
    bool adopted = dir_mark_adopted(copy->mark), mailbox = flow->import && copy->kind == DIR_MAILBOX;
    size_t n = 0;
    plan_is_ours(planner, copy->mark, &source);
    draft_begin(planner, DIR_DISABLE, flow->import, copy->kind, copy->id, copy->name);
    for (size_t i = 0; i < copy->n_proxies && (adopted || mailbox); i++)
        if (mailbox || (!address_equal(&copy->proxies[i].address, &copy->target) &&
                        !proxy_is_added(flow, source, &copy->proxies[i].address)))
            kept[n++] = copy->proxies[i];
    if (copy->target.type.len > 0 && !mailbox)
        draft_replace(planner, "targetAddress", plan_address_text(planner, &copy->target), SPAN(""));
    draft_proxies(planner, flow->to_traits, copy->proxies, copy->n_proxies, kept, n);
    if (!adopted && !mailbox)
        draft_replace(planner, dir_attribute_name(DIR_ALIAS), copy->value[DIR_ALIAS], SPAN(""));
    draft_replace(planner, "mark", copy->mark, SPAN(""));
    commit(flow, copy);
}

void
gone_tell_broken(struct flow *flow, const struct dir_entry *copy)
{
    plan_notice(flow->planner, DIR_CONFLICT, flow->import, copy->id, copy->name,
                "it is one of our copies and cannot be read, so it is left as it is: %.*s; set that right, or "
                "delete it: then "
                "it is made anew",
                SHOWN(copy->trouble));
}

static void
remove_copy(struct flow *flow, const struct dir_entry *copy)
{
    enum removal removal = removal_of(flow, copy);
    if (copy->broken) {
        gone_tell_broken(flow, copy);
        return;
    }
    if (removal != STAYS && flow->no_removal != NULL) {
        flow->held_back++;
    } else if (removal == GOES && is_let_go(flow, copy)) {
        let_go(flow, copy);
    } else if (removal != STAYS) {
        draft_begin(flow->planner, removal == GOES ? DIR_DELETE : DIR_HIDE, flow->import, copy->kind, copy->id,
                    copy->name);
        commit(flow, copy);
    }
}

/* Its time is over without a change: should its source go once more, it waits anew. */
static void
end_waiting(struct flow *flow, const struct dir_entry *copy)
{
    struct planner *planner = flow->planner;
    struct dir_plan *plan = planner->plan;
    if (plan->n_back == planner->back_size) {
        planner->back_size = planner->back_size > 0 ? 2 * planner->back_size : 64;
        plan->back = xrealloc(plan->back, planner->back_size * sizeof *plan->back);
    }
    plan->back[plan->n_back++] = (struct dir_back){flow->import, plan_keep(planner, copy->id)};
}

static void
show_again(struct flow *flow, size_t place, const struct dir_entry *copy)
{
    const struct dir_pending *pending = flow->planner->in->pending;
    struct dir_entry source;
    size_t from = flow->source_of[place] - 1;
    if (pending == NULL || copy->broken || dir_pending_since(pending, flow->import, copy->id) == 0 ||
        !dir_set_get(flow->from, from, &flow->from_room, &source))
        return;
    if (flow->state[from] ==
        SOURCE_HIDDEN) { /* it hides because its source does: not any more because that was gone */
        end_waiting(flow, copy);
        return;
    }
    draft_begin(flow->planner, DIR_SHOW, flow->import, copy->kind, copy->id, copy->name);
    draft_commit(flow->planner, source.id, "%.*s is there again in %s", SHOWN(source.name), flow->from_title);
}

static void
tell(struct flow *flow)
{
    struct planner *planner = flow->planner;
    const char *dirsync = planner->in->dirsync->title;
    if (flow->held_back > 0)
        plan_notice(
            planner, DIR_REFUSAL, flow->import, SPAN(""), SPAN(""),
            "%" PRIu64
            " copies in %s are neither hidden nor deleted, because %s; look after that directory and its "
            "reading, and where it is right that they go, set limits.shrink = 100%% in dirsync \"%s\" for one "
            "run",
            flow->held_back, flow->to_title, flow->no_removal, dirsync);
    if (flow->members_held > 0)
        plan_notice(planner, DIR_REFUSAL, flow->import, SPAN(""), SPAN(""),
                    "%" PRIu64 " members stay in their groups in %s, because %s", flow->members_held,
                    flow->to_title, flow->no_removal != NULL ? flow->no_removal : flow_back(flow)->no_removal);
    if (flow->not_added > 0)
        plan_notice(
            planner, DIR_REFUSAL, flow->import, SPAN(""), SPAN(""),
            "%" PRIu64
            " recipients are not added, because %s was not read to its end and they may be there already",
            flow->not_added, flow->to_title);
}

void
gone_all(struct flow *flow)
{
    struct dir_entry copy;
    struct span source;
    for (size_t place = 0; place < dir_set_places(flow->to); place++) {
        if (!dir_set_get(flow->to, place, &flow->to_room, &copy) ||
            !plan_is_ours(flow->planner, copy.mark, &source) || flow->fate[place] == COPY_DELETED)
            continue;
        arena_reset(flow->planner->scratch);
        if (gone_has_source(flow, place)) {
            show_again(flow, place, &copy);
        } else if (flow->source_of[place] == 0 || flow->state[flow->source_of[place] - 1] == SOURCE_OUT) {
            proxy_remember_old(flow, source);
            remove_copy(flow, &copy);
        }
    }
    tell(flow);
}
