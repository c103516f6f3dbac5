/* side_ldap_write.c - changes on their way to an LDAP server (see side.h and side_ldap_write.h)
 *
 *     apply --> proof --> request --> answer --> request ... --> done
 *                 |                     |
 *                 |                     +-- refused, and it rests on what the plan saw: settled, once
 *                 +-- only for entries that bear no mark: they are looked at, many at a time, before they are written
 *
 * How an entry of another's is kept from being written:
 *
 *     copies of ours     each request takes the mark away and gives it back, so the server refuses where it is another; before a
 *                        deletion and a renaming, which can hold no such condition, a request of that alone goes first
 *     nobody's           (addresses by policy, adoption) read, by id, directly before; adoption adds the mark, which an attribute
 *                        with one value refuses where there is one
 *     new ones           the server refuses a name that is taken
 *
 * Answers come while other requests are sent, so what follows from one is noted, and done between calls of the link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/side_ldap_write.h"

enum { PROOFS = 64, UNKNOWN_BYTES_MAX = 300 };

struct queue {
    struct side_job *first, **end;
};

struct side_writer {
    struct queue answered;
    struct side_job *unproved, *unused;
    size_t n_unproved;
    bool broken;
    struct why why;
};

static void
push(struct queue *queue, struct side_job *job)
{
    job->next = NULL;
    if (queue->first == NULL)
        queue->end = &queue->first;
    *queue->end = job;
    queue->end = &job->next;
}

static struct side_job *
pop(struct queue *queue)
{
    struct side_job *job = queue->first;
    if (job != NULL)
        queue->first = job->next;
    return job;
}

/* ---- jobs ---- */

static struct side_job *
job_new(struct ldap_side *side, const struct dir_change *change)
{
    struct side_job *job = side->writer->unused;
    struct arena *arena = job != NULL ? job->arena : arena_new(SIZE_MAX / 2);
    if (job != NULL)
        side->writer->unused = job->next;
    else
        job = xcalloc(1, sizeof *job);
    *job = (struct side_job){.side = side, .change = change, .arena = arena, .unknown = job->unknown};
    buf_reset(&job->unknown);
    job->dn = arena_copy(arena, change->name);
    return job;
}

static void
finish(struct side_job *job, enum dir_result result)
{
    struct side_writer *writer = job->side->writer;
    if (result == DIR_BROKEN && !writer->broken) {
        writer->broken = true;
        writer->why = job->why;
    }
    if (job->n_unknown > 0 && (result == DIR_DONE || result == DIR_DONE_BEFORE)) {
        result = DIR_REFUSED;
        why_set(&job->why, "5.3.0", "members that are not there (any more) were left out, %zu: %s",
                job->n_unknown, job->unknown.at);
    }
    job->done(job->arg, job->change, result, &job->why);
    arena_reset(job->arena);
    job->next = writer->unused;
    writer->unused = job;
}

void
side_writer_free(struct side_writer *writer)
{
    if (writer == NULL)
        return;
    for (struct side_job *job = writer->unused, *next; job != NULL; job = next) {
        next = job->next;
        buf_clear(&job->unknown);
        arena_free(job->arena);
        free(job);
    }
    free(writer);
}

/* ---- requests ---- */

static void
take_answer(void *arg, const struct ldap_result *result)
{
    struct side_job *job = arg;
    job->code = result->code;
    snprintf(job->text, sizeof job->text, "%.*s", (int)(result->text.len < 290 ? result->text.len : 290),
             result->text.at != NULL ? result->text.at : "");
    push(&job->side->writer->answered, job);
}

static void
send_members(struct side_job *job, struct side_request *request)
{
    struct side_mods mods = {0};
    side_mods_add(job, &mods, request->op, job->side->names.slot[SLOT_MEMBER], request->members,
                  request->n_members);
    request->mods = mods;
    ldap_write_modify(job->side->link, job->dn, mods.at, take_answer, job);
}

/* The next request, or the end. */
static void
go_on(struct side_job *job)
{
    struct side_request *request = job->requests;
    struct ldap_link *link = job->side->link;
    if (request == NULL) {
        finish(job, job->written ? DIR_DONE : DIR_DONE_BEFORE);
        return;
    }
    switch (request->kind) {
    case SIDE_ADD:
        ldap_write_add(link, job->dn, request->mods.at, take_answer, job);
        break;
    case SIDE_MODIFY:
        ldap_write_modify(link, job->dn, request->mods.at, take_answer, job);
        break;
    case SIDE_MEMBERS:
        send_members(job, request);
        break;
    case SIDE_RENAME:
        ldap_write_rename(link, job->dn, request->rdn, request->parent, take_answer, job);
        break;
    case SIDE_DELETE:
        ldap_write_delete(link, job->dn, take_answer, job);
    }
}

static void
next_request(struct side_job *job)
{
    job->requests = job->requests->next;
    go_on(job);
}

/* ---- answers ---- */

static void
settle(struct side_job *job)
{
    struct why why = {"", ""};
    int r = side_job_settle(job, &why);
    if (r < 0) {
        job->why = why;
        finish(job, DIR_BROKEN);
    } else if (job->verdict == DIR_DONE) {
        go_on(job);
    } else {
        finish(job, job->verdict);
    }
}

/* One of these members is not there, or is there already: halves tell which. */
static void
halve_members(struct side_job *job, struct side_request *request)
{
    struct side_request *second = arena_alloc(job->arena, sizeof *second);
    *second = *request;
    request->n_members /= 2;
    second->members += request->n_members;
    second->n_members -= request->n_members;
    request->next = second;
    go_on(job);
}

static void
note_unknown(struct side_job *job, struct span name)
{
    job->n_unknown++;
    if (job->unknown.len < UNKNOWN_BYTES_MAX)
        buf_printf(&job->unknown, "%s%.*s", job->unknown.len > 0 ? "; " : "",
                   (int)(name.len < 150 ? name.len : 150), name.at);
}

/* Active Directory says 53 of somebody who is no member, 68 of one who is. */
static void
judge_members(struct side_job *job, struct side_request *request)
{
    bool adding = request->op == LDAP_MOD_ADD;
    bool there = job->code == LDAP_TYPE_OR_VALUE_EXISTS || job->code == LDAP_ALREADY_EXISTS,
         gone = job->code == LDAP_NO_SUCH_ATTRIBUTE ||
                (job->code == LDAP_UNWILLING_TO_PERFORM && ldap_link_server(job->side->link)->active_directory);
    bool unknown = job->code == LDAP_NO_SUCH_OBJECT || job->code == LDAP_CONSTRAINT_VIOLATION ||
                   job->code == LDAP_INVALID_SYNTAX || job->code == LDAP_INVALID_DN_SYNTAX;
    if (!(adding ? there : gone) && !unknown) {
        finish(job, side_result(job, SIDE_MEMBERS));
        return;
    }
    if (request->n_members > 1) {
        halve_members(job, request);
        return;
    }
    if (unknown && adding)
        note_unknown(job, request->members[0]);
    next_request(job);
}

/* The name is taken: by our own entry of an earlier try, or by another's; or the account's name is. */
static void
judge_taken(struct side_job *job)
{
    int code = job->code;
    struct why why = {"", ""};
    if (side_job_settle(job, &why) < 0) {
        job->why = why;
        finish(job, DIR_BROKEN);
    } else if (job->verdict == DIR_DONE) {
        go_on(job);
    } else if (job->verdict != DIR_STALE) {
        finish(job, job->verdict);
    } else if (side_job_another_account(job)) {
        go_on(job);
    } else {
        job->code = code;
        finish(job, side_result(job, SIDE_ADD) == DIR_BROKEN ? DIR_BROKEN : DIR_REFUSED);
    }
}

static bool
names_account(const struct side_job *job)
{
    return job->code == LDAP_CONSTRAINT_VIOLATION &&
           (strcasestr(job->text, "userPrincipalName") != NULL || strcasestr(job->text, "21C8") != NULL ||
            strcasestr(job->text, "sAMAccountName") != NULL);
}

/* Perhaps: Active Directory says of a member who is not there what others say of a container that is not. */
static bool
blames_members(const struct side_job *job)
{
    return job->code == LDAP_CONSTRAINT_VIOLATION || job->code == LDAP_INVALID_SYNTAX ||
           (job->code == LDAP_NO_SUCH_OBJECT && ldap_link_server(job->side->link)->active_directory);
}

static void
judge_add(struct side_job *job)
{
    const struct dir_delta *members = side_delta_find(job->change, SPAN("member"));
    if (job->code == LDAP_ALREADY_EXISTS) {
        judge_taken(job);
    } else if (names_account(job) && side_job_another_account(job)) {
        go_on(job);
    } else if (blames_members(job) && !job->settled && members != NULL && members->n_add > 0) {
        job->settled = true;
        job->requests = NULL;
        side_job_add(job);
        go_on(job);
    } else {
        finish(job, side_result(job, SIDE_ADD));
    }
}

static bool
may_be_settled(const struct side_job *job)
{
    switch (job->code) {
    case LDAP_NO_SUCH_ATTRIBUTE:
    case LDAP_TYPE_OR_VALUE_EXISTS:
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_INAPPROPRIATE_MATCHING:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_ALREADY_EXISTS:
        return true;
    default:
        return false;
    }
}

static void
judge_refused(struct side_job *job, enum side_request_kind kind)
{
    if (kind == SIDE_DELETE && job->code == LDAP_NO_SUCH_OBJECT)
        next_request(job);
    else if (may_be_settled(job) && (!job->settled || job->code == LDAP_INAPPROPRIATE_MATCHING) &&
             job->tries++ < 3)
        settle(job);
    else
        finish(job, side_result(job, kind));
}

static void
judge(struct side_job *job)
{
    struct side_request *request = job->requests;
    if (job->code == LDAP_SUCCESS) {
        job->written = true;
        next_request(job);
    } else if (side_result(job, request->kind) == DIR_BROKEN) {
        finish(job, DIR_BROKEN);
    } else if (request->kind == SIDE_ADD) {
        judge_add(job);
    } else if (request->kind == SIDE_MEMBERS) {
        judge_members(job, request);
    } else {
        judge_refused(job, request->kind);
    }
}

static void
judge_answers(struct side_writer *writer)
{
    for (struct side_job *job = pop(&writer->answered); job != NULL; job = pop(&writer->answered))
        judge(job);
}

/* ---- proofs ---- */

static void
prove(struct ldap_side *side)
{
    struct side_writer *writer = side->writer;
    struct side_job *jobs = writer->unproved;
    struct why why = {"", ""};
    writer->unproved = NULL;
    writer->n_unproved = 0;
    int r = jobs != NULL && !writer->broken ? side_jobs_prove(side, jobs, &why) : 0;
    for (struct side_job *job = jobs, *next; job != NULL; job = next) {
        next = job->next;
        if (writer->broken || r < 0) {
            job->why = writer->broken ? writer->why : why;
            finish(job, DIR_BROKEN);
        } else if (!job->found || job->verdict != DIR_DONE) {
            finish(job, job->verdict);
        } else {
            side_job_plan(job);
            go_on(job);
        }
    }
}

/* ---- the side's operations ---- */

static void
refuse(struct side_job *job, enum dir_result result, const struct why *why)
{
    job->why = *why;
    finish(job, result);
}

/* A name that cannot be one, or holds a NUL, would be cut on its way. */
static bool
is_usable(const struct dir_change *change)
{
    return memchr(change->name.at, '\0', change->name.len) == NULL && change->name.len > 0 &&
           (change->operation != DIR_RENAME ||
            (change->new_name.len > 0 && memchr(change->new_name.at, '\0', change->new_name.len) == NULL));
}

/* No plan asks for that; nothing is deleted for a plan that is wrong. */
static bool
is_unmarked(const struct side_job *job)
{
    enum dir_operation operation = job->change->operation;
    return job->mark_before.len == 0 &&
           (operation == DIR_DELETE || operation == DIR_RENAME || operation == DIR_DISABLE);
}

void
side_ldap_apply(struct dir_side *base, const struct dir_change *change,
                void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                             const struct why *why),
                void *arg)
{
    struct ldap_side *side = (struct ldap_side *)base;
    struct why why;
    if (side->writer == NULL)
        side->writer = xcalloc(1, sizeof *side->writer);
    struct side_writer *writer = side->writer;
    struct side_job *job = job_new(side, change);
    job->done = done;
    job->arg = arg;
    job->verdict = DIR_DONE;
    if (writer->broken) {
        refuse(job, DIR_BROKEN, &writer->why);
        return;
    }
    if (!base->writable || !is_usable(change)) {
        if (!base->writable)
            why_set(&why, "5.3.5",
                    "the directory may not be written (writable = no), or has no attribute for marks (mark)");
        else
            why_set(&why, "5.3.0", "it has no name that can be written");
        refuse(job, DIR_REFUSED, &why);
        return;
    }
    side_job_marks(job);
    if (is_unmarked(job)) {
        why_set(&why, "5.7.1",
                "the plan does not say whose copy it is: what is not marked is not taken away or moved");
        refuse(job, DIR_REFUSED, &why);
        return;
    }
    if (change->operation != DIR_ADD && job->mark_before.len == 0 && change->id.len > 0) {
        job->next = writer->unproved;
        writer->unproved = job;
        if (++writer->n_unproved >= PROOFS)
            prove(side);
    } else {
        side_job_plan(job);
        go_on(job);
    }
    judge_answers(writer);
}

void
side_ldap_flush(struct dir_side *base)
{
    struct ldap_side *side = (struct ldap_side *)base;
    if (side->writer == NULL)
        return;
    do {
        prove(side);
        judge_answers(side->writer);
        ldap_write_flush(side->link);
    } while (side->writer->answered.first != NULL || side->writer->unproved != NULL);
}
