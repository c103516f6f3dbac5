/* client_outcome.c - whether a peer can take a message, and what its answers mean for each recipient
 *
 * Each recipient has its own answer: that to RCPT where it refuses, else that to DATA or to the dot (LMTP: one
 * for each accepted recipient). 2xx is TAKEN, or RELAYED where the peer knows no DSN; 4xx LATER; 5xx REFUSED.
 *
 * Sources: RFC 5321 sections 4.2.1 and 4.5.3.1.10; RFC 1870 section 6.1; RFC 6152; RFC 6531 section 3.1; RFC
 * 3463.
 */
#include <stdio.h>

#include "systems/smtp/client.h"

/* ---- what the peer can take ---- */

static void
refuse(struct client_session *session, struct client_job *job, const char *status, const char *text)
{
    struct viaduct_reason reason;
    snprintf(reason.status, sizeof reason.status, "%s", status);
    snprintf(reason.text, sizeof reason.text, "%s", text);
    for (size_t i = 0; i < job->d->n_recipients; i++)
        if (job->begun ? *mail_mark(session, i) != MARK_SETTLED : job->d->recipients[i].responsible)
            client_job_result(session->client, job, i, VIADUCT_REFUSED, &reason, session->remote);
    client_job_end(session->client, job, false, &reason);
}

/* The peer needs another form of the message. Where others have been sent it as it is, the rest gets it so at
 * the next attempt: what goes to the converter is taken up again without the results it had. */
static void
convert(struct client_session *session, struct client_job *job, const char *need)
{
    struct viaduct_reason reason = {"4.6.3", ""};
    if (!job->begun) {
        client_job_convert(session->client, job, need);
        return;
    }
    snprintf(reason.text, sizeof reason.text, "%s needs %s, others have taken the message as it is: next time",
             session->peer, need);
    client_job_end(session->client, job, false, &reason);
}

static bool
needs_utf8(const struct viaduct_delivery *d)
{
    if (d->smtputf8 || !command_has_ascii_form(d->originator))
        return true;
    for (size_t i = 0; i < d->n_recipients; i++)
        if (d->recipients[i].responsible && !command_is_ascii(d->recipients[i].address))
            return true;
    return false;
}

bool
mail_peer_can(struct client_session *session, struct client_job *job)
{
    const struct viaduct_delivery *d = job->d;
    const struct smtp_caps *caps = &session->caps;
    const unsigned long long wire_bytes = d->bytes + d->lines_hint;
    char text[350];
    bool utf8 = needs_utf8(d);
    session->utf8 = utf8 && caps->smtputf8;
    if (!command_address_ok(d->originator)) {
        refuse(session, job, "5.1.7", "the sender's address cannot be written as an SMTP address");
    } else if (caps->size && caps->size_max > 0 && wire_bytes > caps->size_max) {
        snprintf(text, sizeof text, "the message has %llu bytes, %s takes %llu", wire_bytes,
                 session->address.name, (unsigned long long)caps->size_max);
        refuse(session, job, "5.3.4", text);
    } else if (utf8 && !caps->smtputf8 && !d->converted) {
        convert(session, job, "ascii-addresses");
    } else if (utf8 && !caps->smtputf8 && d->smtputf8) {
        refuse(session, job, "5.6.9", "the message's header needs SMTPUTF8, which the peer does not offer");
    } else if (utf8 && !caps->smtputf8 && !command_has_ascii_form(d->originator)) {
        refuse(session, job, "5.6.7", "the sender's address needs SMTPUTF8, which the peer does not offer");
    } else if (d->body_8bit && !caps->eightbit && !session->utf8 && !d->converted) {
        convert(session, job, "7bit");
    } else if (d->body_8bit && !caps->eightbit && !session->utf8) {
        refuse(session, job, "5.6.3", "the message has 8-bit text, which the peer does not take");
    } else {
        return true;
    }
    return false;
}

static void
marks_begin(struct client_job *job)
{
    size_t n = job->d->n_recipients;
    buf_reserve(&job->marks, n + 1);
    for (size_t i = 0; i < n; i++)
        buf_add_byte(&job->marks, job->d->recipients[i].responsible ? MARK_SEND : MARK_SETTLED);
}

size_t
mail_mark_recipients(struct client_session *session)
{
    struct client_job *job = session->job;
    struct viaduct_reason no_form = {"5.1.3", "the address cannot be written as an SMTP address"};
    struct viaduct_reason no_utf8 = {"5.6.7", "the address needs SMTPUTF8, which the peer does not offer"};
    size_t n = mail_recipients(session), wanted = 0;
    if (job->marks.len < n)
        marks_begin(job);
    for (size_t i = 0; i < n; i++) {
        const struct viaduct_recipient_out *rcpt = &job->d->recipients[i];
        const struct viaduct_reason *bad = NULL;
        if (*mail_mark(session, i) == MARK_SETTLED)
            continue;
        if ((rcpt->address.len == 0 || !command_address_ok(rcpt->address)))
            bad = &no_form;
        else if (!session->utf8 && !command_has_ascii_form(rcpt->address))
            bad = &no_utf8;
        if (bad != NULL)
            client_job_result(session->client, job, i, VIADUCT_REFUSED, bad, NULL);
        *mail_mark(session, i) = bad == NULL ? MARK_SEND : MARK_SETTLED;
        wanted += bad == NULL;
    }
    return wanted;
}

/* ---- results ---- */

void
mail_settle(struct client_session *session, size_t index, enum viaduct_outcome outcome,
            const struct viaduct_reason *reason)
{
    unsigned char *mark = mail_mark(session, index);
    session->progress = session->progress || (*mark == MARK_ACCEPTED && outcome != VIADUCT_LATER);
    *mark = MARK_SETTLED;
    client_job_result(session->client, session->job, index, outcome, reason, session->remote);
}

void
mail_settle_accepted(struct client_session *session, enum viaduct_outcome outcome,
                     const struct viaduct_reason *reason)
{
    for (size_t i = 0; i < mail_recipients(session); i++) {
        int mark = *mail_mark(session, i);
        if (mark == MARK_ACCEPTED || (mark == MARK_SEND && outcome == VIADUCT_LATER))
            mail_settle(session, i, outcome, reason);
    }
    session->accepted = 0;
}

void
mail_settle_all(struct client_session *session, enum viaduct_outcome outcome,
                const struct viaduct_reason *reason)
{
    for (size_t i = 0; i < mail_recipients(session); i++)
        if (*mail_mark(session, i) != MARK_SETTLED && *mail_mark(session, i) != MARK_HELD)
            mail_settle(session, i, outcome, reason);
    session->accepted = 0;
}

/* What an answer means. 552 to RCPT is no refusal where it may mean too many recipients, see client_round.c; 530
 * speaks of how we talk to the peer, not of the message. */
enum viaduct_outcome
mail_outcome(const struct client_session *session)
{
    const struct smtp_reply *reply = &session->reply;
    if (reply->code / 100 == 2)
        return session->caps.dsn ? VIADUCT_TAKEN : VIADUCT_RELAYED;
    if (session->state == SESSION_RCPT && round_is_too_many(session))
        return VIADUCT_LATER;
    if (reply->code / 100 == 5 && reply->code != 530)
        return VIADUCT_REFUSED;
    return VIADUCT_LATER;
}

void
mail_reason(const struct client_session *session, enum viaduct_outcome outcome, struct viaduct_reason *reason)
{
    smtp_reply_status(&session->reply, reason->status);
    reason->status[0] = outcome == VIADUCT_LATER ? '4' : outcome == VIADUCT_REFUSED ? '5' : '2';
    snprintf(reason->text, sizeof reason->text, "%.80s said: %d %s",
             session->address.name[0] ? session->address.name : session->peer, session->reply.code,
             session->reply.text);
}
