/* cleanup.c - verifies what came in, and passes it to the router
 *
 *     every MTS-IN --pass--> Spooler-Queue          --fail--> Bounce (loops)          --bad--> Badmail
 *
 * Acceptance has written what had to be fixed; here nothing is rewritten. What is checked: that the message
 * came in by the door it names, that it has somebody to go to, that its small body is what was accepted, hops
 * and loops.
 *
 * Hostile here: the file may have been written by a gateway that was taken over.
 *
 * Sources: RFC 5321 section 6.3 (loops).
 */
#include "common/worker.h"

enum { LOOPS_MAX = 2 }; /* our own marks a message may bear when it comes in by the same connector once more */

static const struct conf_limits *
limits_of(const struct service *service, const char *connector)
{
    const struct conf_connector *conf = conf_connector_find(service->root, connector);
    return conf != NULL ? &conf->limits : &service->root->host.limits;
}

static bool
came_by_this_door(const struct job *job)
{
    const struct envelope *envelope = &job->file.envelope;
    if (span_equal(envelope->origin, span_of(job->connector)))
        return true;
    /* a report that a person sent again from Badmail */
    return span_equal(envelope->origin, SPAN("report")) && strcmp(job->connector, "host") == 0;
}

static struct judgement
check_hops(const struct service *service, struct job *job)
{
    const struct envelope *envelope = &job->file.envelope;
    long most = limits_of(service, job->connector)->hops;
    struct why why;
    if (envelope->hops > most) {
        why_set(&why, "5.4.6", "the message has made %lld hops, more than the %ld allowed: a mail loop",
                (long long)envelope->hops, most);
        return job_fail(job, &why);
    }
    if (envelope->loops > LOOPS_MAX) {
        why_set(&why, "5.4.6", "the message came through connector \"%s\" %lld times before: a mail loop",
                job->connector, (long long)envelope->loops);
        return job_fail(job, &why);
    }
    return judge(VERDICT_PASS, "", "%s", "");
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
take(struct service *service, struct job *job)
{
    struct why why;
    struct span body;
    if (!span_equal(job->file.envelope.id, span_of(job->parts.id)))
        return judge(VERDICT_BAD, "5.6.0", "its name is not that of the message in it");
    if (job->file.envelope.committed > 0 && !job->parts.is_part)
        return judge(VERDICT_BAD, "5.6.0", "it says that it was split, which nobody does before it is routed");
    if (!came_by_this_door(job))
        return judge(VERDICT_BAD, "5.6.0", "it lies in %s/MTS-IN and says that it came from \"%.*s\"",
                     job->connector, (int)job->file.envelope.origin.len, job->file.envelope.origin.at);
    if (!envelope_has_pending(&job->file.envelope) && envelope_count(&job->file.envelope, RECIPIENT_FAILED) > 0)
        return failed_before();
    if (!envelope_has_pending(&job->file.envelope) && envelope_owes_report(&job->file.envelope)) {
        struct judgement judgement = judge(VERDICT_FAIL, "5.0.0", "its recipients failed before");
        judgement.sync = true; /* a kill came between the marks and the move */
        return judgement;
    }
    if (!envelope_has_pending(&job->file.envelope))
        return judge(VERDICT_BAD, "5.5.0", "no recipient is left to deliver to");
    if (queue_body_small(&job->file, &body, &why) < 0)
        return (struct judgement){.verdict = VERDICT_BAD, .why = why};
    struct judgement judgement = check_hops(service, job);
    if (judgement.verdict == VERDICT_PASS)
        job_track(job, TRACK_SUBMIT, NULL, SPAN(""), NULL, NULL);
    return judgement;
}

static const struct worker cleanup = {.id = WORKER_CLEANUP, .max_in_hand = 64, .take = take};

int
main(int argc, char **argv)
{
    return worker_main(&cleanup, argc, argv);
}
