/* plan_guard.c - what a run may do without being asked (see plan.h)
 *
 * Limits hold for each side, all kinds of entry together and each kind by itself: five of five groups are a catastrophe that no
 * share of all recipients shows. A share allows one at least.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "directory/plan_inside.h"

uint64_t
guard_number(const struct conf_texts *limits)
{
    uint64_t number, most = UINT64_MAX;
    for (size_t i = 0; i < limits->n; i++)
        if (span_to_u64(span_of(limits->at[i]), UINT32_MAX, &number) && number < most)
            most = number;
    return most;
}

int
guard_share(struct span text)
{
    uint64_t share;
    if (text.len == 0 || text.at[text.len - 1] != '%' ||
        !span_to_u64((struct span){text.at, text.len - 1}, 100, &share))
        return -1;
    return (int)share;
}

static int
smallest_share(const struct conf_texts *limits)
{
    int most = -1;
    for (size_t i = 0; i < limits->n; i++) {
        int share = guard_share(span_of(limits->at[i]));
        if (share >= 0 && (most < 0 || share < most))
            most = share;
    }
    return most;
}

struct limit {
    const struct conf_texts *texts;
    const char *name, *what;
    const enum dir_operation *operations;
    size_t n_operations;
};

static int
hold_against(const struct limit *limit, const char *dirsync, bool host, const char *kind, uint64_t n,
             uint64_t of, struct why *why)
{
    uint64_t number = guard_number(limit->texts);
    int share = smallest_share(limit->texts);
    uint64_t most = share >= 0 ? of / 100 * (uint64_t)share + of % 100 * (uint64_t)share / 100 : UINT64_MAX;
    if (most == 0)
        most = share > 0;
    if (n > number)
        why_set(why, "5.7.1",
                "%" PRIu64
                " %s of %s on the %s side are more than limits.%s of dirsync \"%s\" allows, %" PRIu64,
                n, limit->what, kind, host ? "host's" : "foreign", limit->name, dirsync, number);
    else if (n > most)
        why_set(why, "5.7.1",
                "%" PRIu64 " %s of %" PRIu64
                " %s on the %s side are more than limits.%s of dirsync \"%s\" allows, %d%%",
                n, limit->what, of, kind, host ? "host's" : "foreign", limit->name, dirsync, share);
    return n > number || n > most ? -EPERM : 0;
}

/* Members that a new entry gets by a change of its own are part of what is added, which is not limited: it has no id yet. */
static uint64_t
count(const struct dir_plan *plan, const struct limit *limit, bool host, int kind)
{
    uint64_t n = 0;
    for (size_t i = 0; i < plan->n_changes; i++) {
        const struct dir_change *change = &plan->changes[i];
        for (size_t k = 0; k < limit->n_operations; k++)
            n += change->host == host && change->operation == limit->operations[k] && change->id.len > 0 &&
                 (kind < 0 || change->kind == (enum dir_kind)kind);
    }
    return n;
}

/* What a share is of: the copies; of the host, whose own recipients policies change, all that there are. */
static int
guard_side(const struct dir_plan *plan, const struct limit *limit, bool host, bool policies, struct why *why)
{
    uint64_t all = policies && host ? plan->host_entries : 0;
    for (unsigned kind = 0; kind < DIR_KINDS; kind++)
        all += plan->linked_kinds[host][kind];
    int r = hold_against(limit, plan->dirsync, host, "recipients", count(plan, limit, host, -1), all, why);
    for (unsigned kind = 0; kind < DIR_KINDS && r == 0; kind++) {
        uint64_t of = plan->linked_kinds[host][kind];
        char name[40];
        snprintf(name, sizeof name, "the kind \"%s\"", dir_kind_name((enum dir_kind)kind));
        if (policies && host) /* of its own entries kinds are not counted */
            of = all;
        r = hold_against(limit, plan->dirsync, host, name, count(plan, limit, host, (int)kind), of, why);
    }
    return r;
}

int
dir_plan_guard(const struct dir_plan *plan, const struct conf_dirsync *dirsync, struct why *why)
{
    static const enum dir_operation deletions[] = {DIR_DELETE, DIR_HIDE, DIR_DISABLE};
    static const enum dir_operation changes[] = {DIR_CHANGE, DIR_RENAME, DIR_SHOW, DIR_ADOPT};
    struct limit limits[] = {{&dirsync->limits.delete, "delete", "deletions", deletions, COUNT_OF(deletions)},
                             {&dirsync->limits.change, "change", "changes", changes, COUNT_OF(changes)}};
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        for (int host = 1; host >= 0; host--) {
            int r = guard_side(plan, &limits[i], host, i == 1, why);
            if (r < 0)
                return r;
        }
    return 0;
}
