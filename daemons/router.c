/* router.c - chooses the connector that is responsible for each recipient, and splits
 *
 *     Spooler-Queue --route--> <connector>/MTS-OUT     --split--> several of them, as parts
 *                   --fail--> Bounce    --report--> Bounce (a request, when only some failed)    --bad-->
 * Badmail
 *
 * Only the host organisation routes: what came from a foreign system goes to the host as it is. Host mail and
 * reports are routed by the book, then by address spaces (common/route.c). The straight road, one connector for
 * all, writes nothing.
 *
 * While the book cannot be read, messages wait in Spooler-Queue: a torn book costs time, not mail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"
#include "common/translate.h"
#include "common/worker.h"

struct router {
    struct book *book;
    bool book_told;
    int64_t looked_ms; /* monotonic: for a newer book than the one that did not know somebody */
};

/* What was found for a message's recipients. */
struct plan {
    struct split_part *parts; /* by connector, in the order of the recipients */
    uint32_t **recipients;    /* of each part */
    size_t n_parts;
    struct recipient_mark *failed;
    size_t n_failed;
};

static bool
is_ours_to_route(const struct recipient *recipient)
{
    return !recipient_is_settled(recipient->state) && !recipient->listed;
}

static void
plan_add(struct job *job, struct plan *plan, const char *connector, uint32_t index)
{
    size_t i = 0;
    while (i < plan->n_parts && strcmp(plan->parts[i].connector, connector) != 0)
        i++;
    if (i == plan->n_parts) {
        plan->recipients[i] = arena_alloc(job->arena, job->file.envelope.n_recipients * sizeof(uint32_t));
        BUG_UNLESS(plan->recipients[i] != NULL);
        plan->parts[i] = (struct split_part){.connector = connector, .recipients = plan->recipients[i]};
        plan->n_parts++;
    }
    plan->recipients[i][plan->parts[i].n_recipients++] = index;
}

static void
plan_fail(struct job *job, struct plan *plan, uint32_t index, const struct why *why)
{
    job_track(job, TRACK_FAIL, &job->file.envelope.recipients[index], SPAN(""), why, NULL);
    plan->failed[plan->n_failed++] =
        (struct recipient_mark){.index = index,
                                .state = RECIPIENT_FAILED,
                                .status = arena_span(job->arena, span_of(why->status)),
                                .text = arena_span(job->arena, span_of(why->text))};
}

static bool
comes_from_host(const struct envelope *envelope)
{
    return span_equal(envelope->origin, SPAN("host")) || span_equal(envelope->origin, SPAN("report"));
}

/* The host sends us mail of the whole world, and a report for a sender whom no connector knows can only go back the way
 * his message came; so can one for a sender of the host's own who is in no book, whatever is done with strangers' mail
 * to such. */
static bool
goes_by_host(const struct service *service, const struct job *job, const struct recipient *recipient,
             const struct why *why)
{
    return span_equal(job->file.envelope.origin, SPAN("report")) && address_is_smtp(&recipient->address) &&
           (strcmp(why->status, "5.1.2") == 0 || route_is_host_domain(service->root, &recipient->address));
}

/* True where there is another book than before. */
static bool
refresh_book(struct service *service)
{
    struct router *router = service->data;
    if (service_refresh_book(service, router->book, &router->book_told) != 1)
        return false;
    log_say(LOG_DIRECTORY, LEVEL_MEDIUM, NULL, "using book generation %llu, %llu entries",
            (unsigned long long)book_generation(router->book), (unsigned long long)book_entries(router->book));
    return true;
}

static void
tick(struct service *service)
{
    refresh_book(service);
}

/* The gateway that has taken a message may have had a newer book than we have: nobody is unknown before that was looked for.
 * Once in a millisecond is enough for any number of strangers. */
static bool
has_newer_book(struct service *service)
{
    struct router *router = service->data;
    int64_t now_ms = monotonic_ms();
    bool looked = router->looked_ms == now_ms;
    router->looked_ms = now_ms;
    return !looked && refresh_book(service);
}

/* Host mail that would go back to the host unchanged would come back here for ever. The postmaster's goes there
 * all the same: there must be one, and hops are counted. */
static int
route_one(struct service *service, struct job *job, const struct recipient *recipient, const char **connector,
          struct why *why)
{
    struct router *router = service->data;
    struct route_answer answer;
    struct route_choice choice = {crc32c(0, job->parts.id, ID_LEN), service_connector_refuses, service};
    int r =
        route_find_open(service->root, router->book, &recipient->address, &choice, job->arena, &answer, why);
    if ((r == -ENOENT || r == -EAGAIN) && has_newer_book(service))
        r = route_find_open(service->root, router->book, &recipient->address, &choice, job->arena, &answer,
                            why);
    bool nobody_else = r == -ENOENT || (r == 0 && strcmp(answer.connector, "host") == 0);
    if (nobody_else && route_is_host_postmaster(service->root, &recipient->address))
        return 0;
    if (r == -ENOENT && goes_by_host(service, job, recipient, why)) {
        *connector = "host";
        return 0;
    }
    if (r < 0)
        return r;
    *connector = answer.connector;
    bool to_host = strcmp(answer.connector, "host") == 0;
    if (to_host && span_equal(job->file.envelope.origin, SPAN("host")) &&
        address_equal(&answer.target, &recipient->address)) {
        why_set(why, "5.4.6", "the host sent it here, but %.*s is an address of the host itself: a loop",
                (int)recipient->address.value.len, recipient->address.value.at);
        return -ENOENT;
    }
    return 0;
}

static int
make_plan(struct service *service, struct job *job, struct plan *plan, struct why *why)
{
    const struct envelope *envelope = &job->file.envelope;
    size_t most = service->root->connectors_n + 1;
    plan->parts = arena_alloc(job->arena, most * sizeof *plan->parts);
    plan->recipients = arena_alloc(job->arena, most * sizeof *plan->recipients);
    plan->failed = arena_alloc(job->arena, envelope->n_recipients * sizeof *plan->failed);
    BUG_UNLESS(plan->parts != NULL && plan->recipients != NULL && plan->failed != NULL);
    bool routed = comes_from_host(envelope);
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const char *connector = "host";
        if (!is_ours_to_route(&envelope->recipients[i]))
            continue;
        int r = routed ? route_one(service, job, &envelope->recipients[i], &connector, why) : 0;
        if (r == -EAGAIN)
            return r;
        if (r < 0)
            plan_fail(job, plan, (uint32_t)i, why);
        else
            plan_add(job, plan, connector, (uint32_t)i);
    }
    return 0;
}

static struct judgement
wait_here(struct service *service, struct job *job, const struct why *why)
{
    log_say(LOG_ROUTING, LEVEL_MINIMUM, job->parts.stem, "%s; it waits in Spooler-Queue", why->text);
    service_rescan_in(service, FOLDER_SPOOLER_QUEUE, 5000);
    return (struct judgement){.verdict = VERDICT_NONE};
}

/* What cannot be done now is done later; what is damaged (its body, which nobody has read before) does not
 * heal. */
static struct judgement
not_done(struct service *service, struct job *job, const struct why *why)
{
    if (why_is_temporary(why))
        return wait_here(service, job, why);
    return (struct judgement){.verdict = VERDICT_BAD, .why = *why};
}

static struct judgement
all_failed(struct job *job, const struct plan *plan)
{
    struct why why;
    struct judgement judgement = {.verdict = VERDICT_FAIL, .sync = true};
    why_set(&judgement.why, plan->failed[0].status.at, "%s%s", plan->failed[0].text.at,
            plan->n_failed > 1 ? " (and others)" : "");
    int r = job_mark(job, plan->failed, plan->n_failed, &why);
    if (r < 0)
        return not_done(job->service, job, &why);
    return judgement;
}

/* A kill came between the marks and the move to Bounce. */
static struct judgement
failed_before(void)
{
    struct judgement judgement = judge(VERDICT_FAIL, "5.0.0", "its recipients failed before");
    judgement.sync = true;
    return judgement;
}

static struct judgement
carry_out(struct service *service, struct job *job, const struct plan *plan)
{
    struct why why = {"4.3.0", "it cannot be split now"};
    if (envelope_owes_report(&job->file.envelope) && job_request_owed(job, &why) < 0)
        return not_done(service, job, &why); /* of an earlier try: no part would remember them */
    if (plan->n_failed > 0 && job_request_report(job, plan->failed, plan->n_failed, &why) < 0)
        return not_done(service, job, &why);
    if (plan->n_parts > 1) {
        if (job_split(job, plan->parts, plan->n_parts, &why) < 0)
            return not_done(service, job, &why);
        return judge(VERDICT_DONE, "", "split into %zu parts", plan->n_parts);
    }
    job_track(job, TRACK_TRANSFER, NULL, span_of(plan->parts[0].connector), NULL, NULL);
    struct judgement judgement = judge(VERDICT_ROUTE, "", "%s", "");
    judgement.connector = plan->parts[0].connector;
    return judgement;
}

static struct judgement
take(struct service *service, struct job *job)
{
    struct plan plan = {0};
    struct why why = {"4.3.0", "the address book cannot be read now"};
    if (job->file.envelope.committed > 0) {
        int r = job_split_resume(job, &why);
        if (r < 0)
            return not_done(service, job, &why);
        return judge(VERDICT_DONE, "", "split before, all parts are on their way");
    }
    int r = make_plan(service, job, &plan, &why);
    if (r < 0)
        return not_done(service, job, &why);
    if (plan.n_parts == 0 && plan.n_failed == 0 && envelope_owes_report(&job->file.envelope))
        return failed_before();
    if (plan.n_parts == 0 && plan.n_failed == 0)
        return judge(VERDICT_BAD, "5.5.0", "no recipient is left to route");
    if (plan.n_parts == 0)
        return all_failed(job, &plan);
    return carry_out(service, job, &plan);
}

static int
prepare(struct service *service)
{
    struct router *router = xcalloc(1, sizeof *router);
    int fd = folder_open(service->spool_fd, FOLDER_BOOK, NULL);
    if (fd < 0)
        return fd;
    router->book = book_new(fd);
    if (conf_makes_book(service->root))
        book_expect(router->book);
    service->data = router;
    return 0;
}

static int
begin(struct service *service)
{
    refresh_book(service);
    return 0;
}

static const struct worker router_worker = {.id = WORKER_ROUTER,
                                            .max_in_hand = 64,
                                            .threads = 2,
                                            .prepare = prepare,
                                            .begin = begin,
                                            .take = take,
                                            .tick = tick};

int
main(int argc, char **argv)
{
    return worker_main(&router_worker, argc, argv);
}
