/* side_ldap_prove.c - what no request can prove: that an entry is nobody's (see side_ldap_write.h)
 *
 * Many are looked at with one question, directly before they are written. */
#include "directory/side_ldap_write.h"

struct proving {
    struct ldap_side *side;
    struct side_job *jobs;
    struct side_raw raw;
    struct arena *arena;
};

/* A mailbox is nobody's copy, whatever other tools write into that attribute; addresses by policy are for it all the same. */
static bool
is_own(const struct side_job *job, struct span mark)
{
    struct span dirsync, source;
    enum dir_kind kind = job->change->kind;
    return job->mark_after.len == 0 && !dir_mark_parse(mark, &dirsync, &source) &&
           (kind == DIR_MAILBOX || kind == DIR_RESOURCE || kind == DIR_FOLDER);
}

static bool
take_proof(void *arg, const struct ldap_answer *answer)
{
    struct proving *proving = arg;
    arena_reset(proving->arena);
    side_raw_fill(&proving->raw, &proving->side->names, answer);
    struct span id = side_id_of(&proving->side->names, &proving->raw, proving->arena),
                mark = side_mark_of(&proving->raw, proving->arena), dn = proving->raw.dn;
    for (struct side_job *job = proving->jobs; job != NULL; job = job->next) {
        if (!span_equal(job->change->id, id))
            continue;
        job->found = true;
        if (!ldap_dn_below(dn, job->change->name) || !ldap_dn_below(job->change->name, dn))
            side_job_stale(job, "its name", dn);
        else if (span_equal(mark, job->mark_after))
            job->mark_before = job->mark_after;
        else if (mark.len > 0 && !is_own(job, mark))
            side_job_stale(job, "its mark", mark);
    }
    return true;
}

int
side_jobs_prove(struct ldap_side *side, struct side_job *jobs, struct why *why)
{
    struct proving proving = {.side = side, .jobs = jobs, .arena = arena_new(1 << 20)};
    struct buf filter = {0};
    const char *attributes[SLOT_IDS + 2];
    size_t n = 0;
    for (int slot = SLOT_MARK; slot < SLOTS; slot++)
        if (side->names.slot[slot][0] != '\0')
            attributes[n++] = side->names.slot[slot];
    attributes[n] = NULL;
    buf_add_text(&filter, "(|");
    for (const struct side_job *job = jobs; job != NULL; job = job->next)
        side_id_filter(&side->names, job->change->id, &filter);
    buf_add_byte(&filter, ')');
    struct ldap_question question = {
        .base = side->directory->base != NULL ? side->directory->base : "",
        .filter = filter.at,
        .attributes = attributes,
    };
    int r = ldap_read(side->link, &question, take_proof, &proving, why);
    for (struct side_job *job = jobs; r == 0 && job != NULL; job = job->next) {
        if (!job->found)
            side_job_missing(job);
    }
    buf_clear(&filter);
    side_raw_clear(&proving.raw);
    arena_free(proving.arena);
    return r;
}
