/* side_ldap_settle.c - a change that the server refused is held against what the server has (see side_ldap_write.h)
 *
 * Why a request that rests on what the plan saw is refused can be harmless: it was carried out before a kill; a value has blanks,
 * another case or octets that the plan does not show; an attribute knows no equality. So the entry is read, and
 *
 *     it is not there, elsewhere, or another's     stale
 *     a value is neither what the plan saw nor what it wants     stale
 *     all is as the plan wants it                  done before
 *     else                                         the request is made again of the server's own octets
 */
#include <errno.h>

#include "directory/side_ldap_write.h"

/* ---- the whole entry ---- */

static bool
settle_deltas(struct settling *settling, struct side_mods *mods)
{
    struct side_job *job = settling->job;
    const struct side_names *names = &job->side->names;
    for (size_t i = 0; i < job->change->n_deltas; i++) {
        const struct dir_delta *delta = &job->change->deltas[i];
        struct side_part parts[SIDE_PARTS_MAX];
        int slot;
        const char *name = side_delta_attribute(job->side, job->change, delta, &slot);
        if (slot < 0 || slot == SLOT_MARK || slot == SLOT_HIDDEN || slot == SLOT_MEMBER ||
            (slot == SLOT_MAIL && names->slot[SLOT_PROXIES][0] != '\0'))
            continue;
        if (slot == SLOT_PROXIES) {
            if (name[0] != '\0')
                settle_proxies(settling, mods, delta);
            continue;
        }
        size_t n = side_delta_parts(job->side, job->change, delta, parts);
        for (size_t p = 0; p < n; p++)
            if (!settle_part(settling, mods, &parts[p]))
                return false;
    }
    return true;
}

static void
settle_followers(struct settling *settling, struct side_mods *mods)
{
    struct side_job *job = settling->job;
    const struct side_names *names = &job->side->names;
    struct span mail;
    bool hidden, is_hidden;
    struct side_values had = side_raw_slot(&settling->raw, SLOT_MAIL);
    if (side_mail_follows(job->side, job->change, &mail) &&
        !(mail.len > 0 ? had.n == 1 && span_equal(had.at[0], mail) : had.n == 0))
        side_mods_add(job, mods, LDAP_MOD_REPLACE, names->slot[SLOT_MAIL], &mail, mail.len > 0);
    had = side_raw_slot(&settling->raw, SLOT_HIDDEN);
    is_hidden = had.n > 0 && span_equal_nocase(had.at[0], SPAN("TRUE"));
    if (names->slot[SLOT_HIDDEN][0] != '\0' && side_hiding(job->change, &hidden) && hidden != is_hidden)
        side_mods_text(job, mods, LDAP_MOD_REPLACE, names->slot[SLOT_HIDDEN], hidden ? "TRUE" : NULL);
}

/* Who has another target by now, given by somebody else, keeps it and all. */
static bool
settle_target(struct settling *settling, struct side_mods *mods)
{
    const struct dir_delta *target = side_delta_find(settling->job->change, SPAN("targetAddress"));
    struct side_part part = {.slot = SLOT_TARGET,
                             .remove = target != NULL && target->n_remove > 0 ? target->remove[0] : SPAN("")};
    return settling->job->side->names.slot[SLOT_TARGET][0] == '\0' || settle_part(settling, mods, &part);
}

/* What is there of all that makes a recipient. */
static void
settle_stripped(struct settling *settling, struct side_mods *mods)
{
    struct side_job *job = settling->job;
    int slots[SLOTS];
    size_t n = side_mail_slots(job->side, slots);
    for (size_t i = 0; i < n; i++)
        if (side_raw_slot(&settling->raw, slots[i]).n > 0)
            side_mods_add(job, mods, LDAP_MOD_REPLACE, job->side->names.slot[slots[i]], NULL, 0);
}

/* Whose it is. A copy's mark may be the adopted form of ours; what is to get our mark may have it already. */
static bool
settle_mark(struct settling *settling, bool *has_after)
{
    struct side_job *job = settling->job;
    struct span mark = side_mark_of(&settling->raw, job->arena), dirsync, source, ours, theirs;
    *has_after = span_equal(mark, job->mark_after);
    if (*has_after || span_equal(mark, job->mark_before))
        return true;
    if (job->change->operation != DIR_DELETE && side_delta_find(job->change, SPAN("mark")) == NULL &&
        job->mark_before.len > 0 && dir_mark_adopted(mark) && dir_mark_parse(mark, &dirsync, &source) &&
        dir_mark_parse(job->mark_before, &ours, &theirs) && span_equal(dirsync, ours) &&
        span_equal(source, theirs)) {
        job->mark_before = arena_span(job->arena, mark);
        if (job->change->operation != DIR_DISABLE)
            job->mark_after = job->mark_before;
        *has_after = job->change->operation != DIR_DISABLE;
        return true;
    }
    job->verdict = DIR_STALE;
    if (mark.len == 0)
        why_set(&job->why, "5.3.0", "it has lost its mark, and is nobody's now");
    else
        why_set(&job->why, "5.3.0", "it is marked as another's: %.*s", (int)(mark.len < 200 ? mark.len : 200),
                mark.at);
    return false;
}

static void
add_mark(struct settling *settling, struct side_mods *mods)
{
    struct side_job *job = settling->job;
    const char *name = job->side->names.slot[SLOT_MARK];
    struct side_values had = side_raw_slot(&settling->raw, SLOT_MARK);
    struct span mark = arena_span(job->arena, side_mark_of(&settling->raw, job->arena));
    if (settling->replaces) {
        /* The one place where a mark is only looked at before it is written: an attribute without an equality rule. */
        if (!span_equal(mark, job->mark_after) || had.n != 1)
            side_mods_add(job, mods, LDAP_MOD_REPLACE, name, &job->mark_after, job->mark_after.len > 0);
        return;
    }
    if (mark.len > 0 && had.n > 0)
        side_mods_add(job, mods, LDAP_MOD_DELETE, name, &mark, 1);
    if (job->mark_after.len > 0)
        side_mods_add(job, mods, LDAP_MOD_ADD, name, &job->mark_after, 1);
}

/* Where it is: at its name, or already at the new one. */
static bool
settle_name(struct settling *settling, bool *renamed)
{
    struct side_job *job = settling->job;
    struct span dn = settling->raw.dn, old = job->change->name, new = job->change->new_name;
    *renamed = job->change->operation == DIR_RENAME && ldap_dn_below(dn, new) && ldap_dn_below(new, dn);
    if (*renamed)
        job->dn = arena_copy(job->arena, dn);
    if (*renamed || (ldap_dn_below(dn, old) && ldap_dn_below(old, dn)))
        return true;
    return side_job_stale(job, "its name", dn);
}

/* Whom the plan takes for a mail user may have been moved here since. */
static bool
settle_mailbox(struct settling *settling)
{
    static const int slots[] = {SLOT_HOME_MDB, SLOT_HOME_SERVER, SLOT_MAILBOX};
    struct side_job *job = settling->job;
    for (size_t i = 0; i < COUNT_OF(slots) && job->change->kind == DIR_MAIL_USER; i++)
        if (side_raw_slot(&settling->raw, slots[i]).n > 0) {
            job->verdict = DIR_STALE;
            why_set(&job->why, "5.3.0", "it has got a mailbox since the plan was made");
            return false;
        }
    return true;
}

static void
settle_found(struct settling *settling)
{
    struct side_job *job = settling->job;
    enum dir_operation operation = job->change->operation;
    const struct dir_delta *members = side_delta_find(job->change, SPAN("member"));
    struct side_mods mods = {0};
    bool renamed, has_after;
    job->requests = NULL;
    if (!settle_name(settling, &renamed) || !settle_mark(settling, &has_after) || !settle_mailbox(settling))
        return;
    add_mark(settling, &mods);
    size_t bare = mods.n;
    if (side_strips(job)) {
        if (!settle_target(settling, &mods))
            return;
        settle_stripped(settling, &mods);
    } else if (operation != DIR_DELETE) {
        if (!settle_deltas(settling, &mods))
            return;
        settle_followers(settling, &mods);
    }
    if (mods.n > 0 &&
        (mods.n > bare || !has_after || operation == DIR_DELETE || (operation == DIR_RENAME && !renamed)))
        side_job_request(job, SIDE_MODIFY)->mods = mods;
    if (members != NULL && job->side->side.traits.members && operation != DIR_DELETE)
        settle_members(settling, members);
    if (operation == DIR_RENAME && !renamed)
        side_job_rename(job);
    if (operation == DIR_DELETE)
        side_job_request(job, SIDE_DELETE);
    job->verdict = job->requests != NULL ? DIR_DONE : DIR_DONE_BEFORE;
}

/* ---- a new entry whose name is taken ---- */

static void
settle_added(struct settling *settling)
{
    struct side_job *job = settling->job;
    const struct dir_delta *members = side_delta_find(job->change, SPAN("member"));
    struct span mark = side_mark_of(&settling->raw, job->arena);
    job->requests = NULL;
    if (mark.len == 0 || !span_equal(mark, job->mark_after)) {
        job->verdict = DIR_REFUSED;
        why_set(&job->why, "5.3.0",
                "something else has this name, and is %s%.*s: rename one of them, or adopt it",
                mark.len > 0 ? "marked as " : "nobody's", (int)(mark.len < 200 ? mark.len : 200),
                mark.at != NULL ? mark.at : "");
        return;
    }
    if (members != NULL && job->side->side.traits.members)
        settle_members(settling, members);
    job->verdict = job->requests != NULL ? DIR_DONE : DIR_DONE_BEFORE;
}

/* ---- asking ---- */

static bool
take(void *arg, const struct ldap_answer *answer)
{
    struct settling *settling = arg;
    struct span dn = ldap_answer_dn(answer), name = span_of(settling->job->dn);
    bool by_name = settling->job->change->id.len == 0;
    if (by_name && !ldap_dn_below(name, dn))
        return true; /* something below it */
    side_raw_fill(&settling->raw, &settling->job->side->names, answer);
    settling->found = true;
    if (settling->job->change->operation == DIR_ADD)
        settle_added(settling);
    else
        settle_found(settling);
    return true;
}

void
side_job_missing(struct side_job *job)
{
    enum dir_operation operation = job->change->operation;
    job->requests = NULL;
    job->verdict = operation == DIR_DELETE ? DIR_DONE_BEFORE : DIR_STALE;
    why_set(&job->why, "5.3.0", "it is not there any more");
}

int
side_job_settle(struct side_job *job, struct why *why)
{
    struct settling settling = {.job = job, .replaces = job->code == LDAP_INAPPROPRIATE_MATCHING};
    const struct ldap_side *side = job->side;
    struct buf filter = {0};
    bool by_name = job->change->id.len == 0;
    const char *member = side->names.slot[SLOT_MEMBER];
    if (!by_name)
        side_id_filter(&side->names, job->change->id, &filter);
    struct ldap_question question = {
        .base = by_name                         ? job->dn
                : side->directory->base != NULL ? side->directory->base
                                                : "",
        .filter = by_name ? "(objectClass=*)" : filter.at,
        .attributes = side->names.asked,
        .ranged = member[0] != '\0' ? member : NULL,
    };
    int r = ldap_read(side->link, &question, take, &settling, why);
    job->settled = true;
    if ((r == 0 || r == -ENOENT) && !settling.found) {
        side_job_missing(job);
        r = 0;
    }
    buf_clear(&filter);
    side_raw_clear(&settling.raw);
    return r;
}
