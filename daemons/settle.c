/* settle.c - what becomes of a message after an attempt to transfer it (see delivery.h)
 *
 *     every recipient taken, nothing to report ----------------------------> done (nothing is written, the file
 * goes) every recipient settled, some failed or success is to be reported ---> marks, then Bounce: the message
 * is the report's material some not settled ----> marks; a request for those that failed; a delay warning when
 * it is time; the attempt; then Deferred, or, past give-up, failed
 *
 * A mark is on disk before its message moves. SMTP leaves one window, between the peer's 250 and our mark: a
 * message whose transfer ended there is transferred again.
 *
 * Sources: RFC 3461 section 5.2 (what a relay reports), RFC 3464.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/worker_inside.h"
#include "daemons/delivery.h"

static const struct conf_retry *
retry_of(const struct service *service)
{
    return service->connector != NULL ? &service->connector->retry : &service->root->host.retry;
}

int64_t
retry_wait_s(const struct conf_retry *retry, int64_t attempts)
{
    int64_t wait = (int64_t)retry->first_s * 100,
            most = (int64_t)retry->max_s * 100; /* hundredths: 1 s grows too */
    for (int64_t i = 0; i < attempts && wait < most && i < 200; i++)
        wait = wait * retry->factor / 100;
    return (wait < most ? wait : most) / 100;
}

/* What is being worked out. */
struct outcome {
    struct delivery *delivery;
    struct recipient_mark *settled; /* delivered, relayed, failed */
    size_t n_settled;
    struct recipient_mark *reported; /* of those, what the sender is to be told now */
    size_t n_reported;
    struct recipient_mark *delayed;
    size_t n_delayed;
    struct why why; /* of the first that is not settled, or failed */
    bool told;
    struct outcome *next; /* in the list of those that could not be written down yet */
};

/* What was transferred and could not be written down (a full disk): kept in hand, since taken again it would be transferred
 * again. Only the writing is repeated, by the tick. */
static struct outcome *unwritten;

static bool
success_is_wanted(const struct job *job, const struct recipient *recipient)
{
    return (recipient->notify & NOTIFY_SUCCESS) && !envelope_is_report(&job->file.envelope);
}

static bool
success_is_ours_to_tell(const struct service *service)
{
    return service->connector == NULL || strcmp(service->connector->report, "none") != 0;
}

static struct recipient_mark
mark_of(struct job *job, uint32_t index, enum recipient_state state, const struct result *result)
{
    return (struct recipient_mark){.index = index,
                                   .state = state,
                                   .status = arena_span(job->arena, span_of(result->why.status)),
                                   .text = arena_span(job->arena, span_of(result->why.text)),
                                   .remote = arena_span(job->arena, span_of(result->remote))};
}

static enum track_event
sent_event(const struct service *service)
{
    const struct viaduct_gateway *gateway = service->data;
    return strcmp(gateway->system->name, "maildir") == 0 ? TRACK_DELIVER : TRACK_SEND;
}

/* One recipient that was taken or refused. */
static void
add_settled(struct outcome *outcome, size_t i, const struct result *result)
{
    struct job *job = outcome->delivery->job;
    uint32_t index = outcome->delivery->indexes[i];
    const struct recipient *recipient = &job->file.envelope.recipients[index];
    bool failed = result->outcome == VIADUCT_REFUSED;
    bool relayed = result->outcome == VIADUCT_RELAYED && success_is_wanted(job, recipient) &&
                   success_is_ours_to_tell(job->service);
    enum recipient_state state = failed ? RECIPIENT_FAILED : relayed ? RECIPIENT_RELAYED : RECIPIENT_DELIVERED;
    struct recipient_mark mark = mark_of(job, index, state, result);
    job_track(job, failed ? TRACK_FAIL : sent_event(job->service), recipient,
              outcome->delivery->translations[i].address.value, &result->why, result->remote);
    counter_add(failed ? COUNTER_FAILED_OUT : COUNTER_MESSAGES_OUT, 1);
    outcome->settled[outcome->n_settled++] = mark;
    if (failed || relayed)
        outcome->reported[outcome->n_reported++] = mark;
    if (failed && outcome->why.text[0] == '\0')
        outcome->why = result->why;
}

/* One that is not settled: the attempt failed for now. */
static void
add_pending(struct outcome *outcome, size_t i, const struct result *result)
{
    struct job *job = outcome->delivery->job;
    uint32_t index = outcome->delivery->indexes[i];
    const struct recipient *recipient = &job->file.envelope.recipients[index];
    job_track(job, TRACK_DEFER, recipient, SPAN(""), &result->why, result->remote);
    counter_add(COUNTER_DEFERRED_OUT, 1);
    outcome->delayed[outcome->n_delayed++] = mark_of(job, index, RECIPIENT_DELAYED, result);
    outcome->why = result->why;
}

static void
collect(struct outcome *outcome, const struct why *reason)
{
    struct delivery *delivery = outcome->delivery;
    struct job *job = delivery->job;
    size_t n = job->file.envelope.n_recipients;
    outcome->settled = arena_alloc(job->arena, n * sizeof *outcome->settled);
    outcome->reported = arena_alloc(job->arena, n * sizeof *outcome->reported);
    outcome->delayed = arena_alloc(job->arena, n * sizeof *outcome->delayed);
    BUG_UNLESS(outcome->settled != NULL && outcome->reported != NULL && outcome->delayed != NULL);
    for (size_t i = 0; i < n; i++) {
        struct result *result = &delivery->results[i];
        bool seen = i < delivery->out.n_recipients;
        if (!seen && !result->given) /* settled before, or none of ours */
            continue;
        if (seen && !delivery->out.recipients[i].responsible)
            continue;
        if (!result->given || result->outcome == VIADUCT_LATER) {
            if (!result->given || result->why.text[0] == '\0')
                result->why = *reason;
            add_pending(outcome, i, result);
        } else {
            add_settled(outcome, i, result);
        }
    }
}

static struct judgement
again(struct outcome *outcome, int error, const struct why *why)
{
    struct job *job = outcome->delivery->job;
    if (error == -EBADMSG)
        return (struct judgement){.verdict = VERDICT_BAD, .why = *why};
    if (!outcome->told)
        log_say(LOG_TRANSFER, LEVEL_MINIMUM, job->parts.stem,
                "%s; what became of it is kept, and written down later", why->text);
    outcome->told = true;
    outcome->next = unwritten;
    unwritten = outcome;
    return JUDGED_LATER;
}

/* Why it goes to Bounce: the first that failed, now or in an earlier attempt; or nobody, and a success is to be told. */
static enum verdict
say_why_bounce(const struct outcome *outcome, struct why *why)
{
    const struct envelope *envelope = &outcome->delivery->job->file.envelope;
    *why = outcome->why;
    for (size_t i = 0; why->text[0] == '\0' && i < envelope->n_recipients; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        char status[sizeof why->status];
        if (recipient->state != RECIPIENT_FAILED)
            continue;
        snprintf(status, sizeof status, "%.*s", (int)recipient->status.len, recipient->status.at);
        why_set(why, status, "%.*s (in an earlier attempt)", (int)recipient->text.len, recipient->text.at);
    }
    if (why->text[0] != '\0')
        return VERDICT_FAIL;
    why_set(why, "2.0.0", "all have it; the sender asked to be told");
    return VERDICT_TELL;
}

/* Recipients of earlier attempts may have failed and been reported: what counts is what has not been told. */
static struct judgement
all_settled(struct outcome *outcome)
{
    struct job *job = outcome->delivery->job;
    struct why why;
    if (outcome->n_reported == 0 && !envelope_owes_report(&job->file.envelope))
        return judge(VERDICT_DONE, "", "%s", "");
    int r = job_mark(job, outcome->settled, outcome->n_settled, &why);
    if (r < 0)
        return again(outcome, r, &why);
    struct judgement judgement = {.sync = true};
    judgement.verdict = say_why_bounce(outcome, &judgement.why);
    return judgement;
}

/* Past give-up: those that were not settled fail, with the last reason. */
static struct judgement
give_up(struct outcome *outcome)
{
    struct job *job = outcome->delivery->job;
    why_set(&outcome->why, "5.4.7", "given up after %lld attempts; the last one: %s",
            (long long)job->file.envelope.attempts + 1, outcome->why.text);
    for (size_t i = 0; i < outcome->n_delayed; i++) {
        struct recipient_mark mark = outcome->delayed[i];
        mark.state = RECIPIENT_FAILED;
        mark.status = SPAN("5.4.7");
        mark.text = span_of(outcome->why.text);
        job_track(job, TRACK_FAIL, &job->file.envelope.recipients[mark.index], SPAN(""), &outcome->why, NULL);
        counter_add(COUNTER_FAILED_OUT, 1);
        outcome->settled[outcome->n_settled++] = mark;
    }
    outcome->n_delayed = 0;
    outcome->n_reported = outcome->n_settled;
    return all_settled(outcome);
}

/* The delay warning: once, to those who did not forbid it (RFC 3461 section 4.1). */
static int
warn(struct outcome *outcome, int64_t tried_s, struct why *why)
{
    struct job *job = outcome->delivery->job;
    const struct conf_retry *retry = retry_of(job->service);
    const struct envelope *envelope = &job->file.envelope;
    size_t n = 0;
    struct recipient_mark *told = arena_alloc(job->arena, outcome->n_delayed * sizeof *told);
    BUG_UNLESS(told != NULL);
    if (retry->warn_s == 0 || envelope->warned_ms > 0 || tried_s < retry->warn_s ||
        envelope_is_report(envelope))
        return 0;
    for (size_t i = 0; i < outcome->n_delayed; i++) {
        int64_t notify = envelope->recipients[outcome->delayed[i].index].notify;
        if (notify == 0 || (notify & NOTIFY_DELAY))
            told[n++] = outcome->delayed[i];
    }
    return n > 0 ? job_request_report(job, told, n, why) : 0;
}

/* Marks of what this attempt settled, a request for what is to be told, the delay warning, the attempt itself: in this order,
 * so that what was delivered is written down first. Each may be repeated. */
static int
note_attempt(struct outcome *outcome, int64_t tried_s, int64_t next_s, struct why *why)
{
    struct job *job = outcome->delivery->job;
    int r = job_mark(job, outcome->settled, outcome->n_settled, why);
    if (r == 0)
        r = job_request_owed(job, why);
    if (r == 0)
        r = warn(outcome, tried_s, why);
    struct journal_entry entry = {.kind = JOURNAL_ATTEMPT,
                                  .status = arena_span(job->arena, span_of(outcome->why.status)),
                                  .text = arena_span(job->arena, span_of(outcome->why.text)),
                                  .next_s = next_s};
    return r == 0 ? job_journal(job, &entry, why) : r;
}

static struct judgement
some_pending(struct outcome *outcome)
{
    struct job *job = outcome->delivery->job;
    const struct envelope *envelope = &job->file.envelope;
    const struct conf_retry *retry = retry_of(job->service);
    struct why why;
    int64_t now_s = time_ms() / 1000, next_s = now_s + retry_wait_s(retry, envelope->attempts);
    int64_t since_s = (envelope->requeued_ms > 0 ? envelope->requeued_ms : envelope->arrival_ms) / 1000;
    int64_t tried_s = envelope->attempts > 0 ? envelope_tried_s(envelope, now_s) : now_s - since_s;
    if (envelope->attempts > 0 && tried_s >= retry->give_up_s)
        return give_up(outcome);
    int r = note_attempt(outcome, tried_s, next_s, &why);
    if (r < 0)
        return again(outcome, r, &why);
    struct judgement judgement = {
        .verdict = VERDICT_DEFER, .sync = true, .next_s = next_s, .why = outcome->why};
    return judgement;
}

static void
note_trouble(struct service *service, const struct why *why)
{
    struct state_page *page = service->inside->state;
    snprintf(page->trouble, sizeof page->trouble, "%.250s", why->text);
    if (page->trouble_ms != 0)
        return;
    page->trouble_ms = time_ms();
    log_say(LOG_TRANSFER, LEVEL_MINIMUM, NULL, "the system cannot be reached: %s", why->text);
}

static struct judgement
write_down(struct outcome *outcome)
{
    return outcome->n_delayed > 0 ? some_pending(outcome) : all_settled(outcome);
}

void
settle_unwritten(void)
{
    struct outcome *list = unwritten;
    unwritten = NULL;
    for (struct outcome *next, *outcome = list; outcome != NULL; outcome = next) {
        next = outcome->next;
        struct judgement judgement = write_down(outcome);
        if (!judgement.later)
            job_settle(outcome->delivery->job, judgement);
    }
}

struct judgement
settle(struct delivery *delivery, bool unreachable, const struct why *reason)
{
    struct job *job = delivery->job;
    struct outcome *outcome = arena_alloc(job->arena, sizeof *outcome);
    BUG_UNLESS(outcome != NULL);
    outcome->delivery = delivery;
    if (delivery->damaged)
        return (struct judgement){.verdict = VERDICT_BAD, .why = delivery->damage};
    if (unreachable)
        note_trouble(job->service, reason);
    collect(outcome, reason);
    if (outcome->n_delayed == 0)
        counter_add(COUNTER_BYTES_OUT, (int64_t)delivery->out.bytes);
    return write_down(outcome);
}
