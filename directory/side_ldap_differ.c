/* side_ldap_differ.c - what a server has of one attribute becomes what a change wants (see side_ldap_settle.c)
 *
 * Values are taken away as they stand there: in another case, with blanks, or octets that the plan does not show.
 */
#include <stdlib.h>

#include "directory/side_ldap_write.h"

/* ---- sets of values ---- */

struct values {
    struct span *at;
    size_t n;
};

static struct values
values_new(struct side_job *job, size_t n)
{
    return (struct values){arena_alloc(job->arena, (n + 1) * sizeof(struct span)), 0};
}

static bool
has_value(const struct values *values, struct span value)
{
    for (size_t i = 0; i < values->n; i++)
        if (span_equal(values->at[i], value))
            return true;
    return false;
}

static struct span
keep(struct side_job *job, struct span value)
{
    return arena_span(job->arena, value);
}

/* Makes of `had` what is `wanted`. The order is that of the change itself: what goes, then what comes. */
static void
add_difference(struct settling *settling, struct side_mods *mods, const char *name, struct side_values had,
               const struct values *wanted)
{
    struct side_job *job = settling->job;
    struct values go = values_new(job, had.n), come = values_new(job, wanted->n),
                  old = {(struct span *)(uintptr_t)had.at, had.n};
    for (size_t i = 0; i < had.n; i++)
        if (!has_value(wanted, had.at[i]))
            go.at[go.n++] = keep(job, had.at[i]);
    for (size_t i = 0; i < wanted->n; i++)
        if (!has_value(&old, wanted->at[i]))
            come.at[come.n++] = keep(job, wanted->at[i]);
    if (go.n + come.n == 0)
        return;
    if (settling->replaces) {
        struct values all = values_new(job, wanted->n);
        for (size_t i = 0; i < wanted->n; i++)
            all.at[all.n++] = keep(job, wanted->at[i]);
        side_mods_add(job, mods, LDAP_MOD_REPLACE, name, all.at, all.n);
        return;
    }
    if (go.n > 0)
        side_mods_add(job, mods, LDAP_MOD_DELETE, name, go.at, go.n);
    if (come.n > 0)
        side_mods_add(job, mods, LDAP_MOD_ADD, name, come.at, come.n);
}

/* ---- one value ---- */

static bool
same(struct settling *settling, int slot, struct span raw, struct span known)
{
    bool harmed = false;
    if (span_equal(side_clean(settling->job->arena, raw, &harmed), known))
        return true;
    if (slot != SLOT_FULL_NAME)
        return false;
    struct buf text = {0};
    side_notes_abbreviate(raw, &text);
    bool equal = span_equal_nocase(buf_span(&text), known);
    buf_clear(&text);
    return equal;
}

bool
side_job_stale(struct side_job *job, const char *what, struct span have)
{
    bool harmed = false;
    have = side_clean(job->arena, have, &harmed);
    job->verdict = DIR_STALE;
    why_set(&job->why, "5.3.0", "%s has changed since the plan was made: it is \"%.*s\" now", what,
            (int)(have.len < 200 ? have.len : 200), have.at != NULL ? have.at : "");
    return false;
}

/* An attribute with one value that is ours, among others that are not (fullName), or alone. */
bool
settle_part(struct settling *settling, struct side_mods *mods, const struct side_part *part)
{
    struct side_job *job = settling->job;
    const char *name = job->side->names.slot[part->slot];
    struct side_values had = side_raw_slot(&settling->raw, part->slot);
    struct values wanted = values_new(job, had.n + 1);
    bool expected = had.n == 0, there = part->add.len == 0 && had.n == 0;
    for (size_t i = 0; i < had.n; i++) {
        expected = expected || (part->remove.len == 0 && span_trim(had.at[i]).len == 0);
        bool is_old = part->remove.len > 0 && same(settling, part->slot, had.at[i], part->remove),
             is_new = part->add.len > 0 && same(settling, part->slot, had.at[i], part->add);
        expected = expected || is_old;
        there = there || is_new;
        if ((part->slot == SLOT_FULL_NAME && !is_old) || is_new)
            wanted.at[wanted.n++] = had.at[i];
    }
    if (part->slot == SLOT_FULL_NAME && part->remove.len == 0)
        expected = true;
    if (!expected && !there)
        return side_job_stale(job, name, had.n > 0 ? had.at[0] : SPAN(""));
    if (!there && part->add.len > 0)
        wanted.at[wanted.n++] = part->add;
    add_difference(settling, mods, name, had, &wanted);
    return true;
}

/* ---- proxies ---- */

/* The address alone, type included, without the case of the type. */
static bool
same_address(struct span a, struct span b)
{
    return span_equal_nocase(span_trim(a), span_trim(b));
}

static bool
among(const struct span *values, size_t n, struct span value)
{
    for (size_t i = 0; i < n; i++)
        if (same_address(values[i], value) && dir_proxy_is_primary(values[i]) == dir_proxy_is_primary(value))
            return true;
    return false;
}

void
settle_proxies(struct settling *settling, struct side_mods *mods, const struct dir_delta *delta)
{
    struct side_job *job = settling->job;
    struct side_values had = side_raw_slot(&settling->raw, SLOT_PROXIES);
    struct values wanted = values_new(job, had.n + delta->n_add);
    for (size_t i = 0; i < had.n; i++) {
        bool given = false; /* anew, perhaps with another case of the type */
        for (size_t a = 0; a < delta->n_add; a++)
            given = given || (same_address(had.at[i], delta->add[a]) &&
                              dir_proxy_is_primary(had.at[i]) != dir_proxy_is_primary(delta->add[a]));
        if (!given && !among(delta->remove, delta->n_remove, had.at[i]))
            wanted.at[wanted.n++] = had.at[i];
    }
    for (size_t a = 0; a < delta->n_add; a++)
        if (!among(wanted.at, wanted.n, delta->add[a]))
            wanted.at[wanted.n++] = delta->add[a];
    add_difference(settling, mods, job->side->names.slot[SLOT_PROXIES], had, &wanted);
}

/* ---- members ---- */

static int
by_octets(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    for (size_t i = 0; i < len; i++) {
        int c = x->at[i] >= 'A' && x->at[i] <= 'Z' ? x->at[i] + 32 : (unsigned char)x->at[i],
            d = y->at[i] >= 'A' && y->at[i] <= 'Z' ? y->at[i] + 32 : (unsigned char)y->at[i];
        if (c != d)
            return c < d ? -1 : 1;
    }
    return x->len < y->len ? -1 : x->len > y->len;
}

void
settle_members(struct settling *settling, const struct dir_delta *delta)
{
    struct side_job *job = settling->job;
    struct side_values had = side_raw_slot(&settling->raw, SLOT_MEMBER);
    struct values sorted = values_new(job, had.n), go = values_new(job, delta->n_remove),
                  come = values_new(job, delta->n_add);
    for (size_t i = 0; i < had.n; i++)
        sorted.at[sorted.n++] = had.at[i];
    if (sorted.n > 0)
        qsort(sorted.at, sorted.n, sizeof *sorted.at, by_octets);
    for (size_t i = 0; i < delta->n_remove; i++)
        if (bsearch(&delta->remove[i], sorted.at, sorted.n, sizeof *sorted.at, by_octets) != NULL)
            go.at[go.n++] = delta->remove[i];
    for (size_t i = 0; i < delta->n_add; i++)
        if (bsearch(&delta->add[i], sorted.at, sorted.n, sizeof *sorted.at, by_octets) == NULL)
            come.at[come.n++] = delta->add[i];
    side_job_members(job, LDAP_MOD_ADD, come.at, come.n);
    side_job_members(job, LDAP_MOD_DELETE, go.at, go.n);
}
