/* client_round.c - one message over a session that is open, in as many rounds as the peer needs
 *
 * A peer may take fewer recipients at once than a message has. It says so beforehand (LIMITS), or our
 * configuration does, or it answers 452 to those that are too many. They are held, the message goes to those who
 * were accepted, and at once to the others in another round: on the same session where it takes one more message, else on another one.
 *
 *     SEND -> SENT -> ACCEPTED -> SETTLED
 *      ^       +----> HELD ------> SETTLED, with the answer it had
 *      +--------------+            where nobody of the round was accepted and settled for good
 *
 * So it comes to an end: whoever is sent is settled by his round, or held; and nobody is held by two rounds in
 * neither of which the peer took the message for somebody else.
 *
 * Sources: RFC 5321 sections 4.5.3.1.8 and 4.5.3.1.10; RFC 3463 section 3.6 (X.5.3); RFC 9422.
 */
#include "systems/smtp/client.h"

/* Without a word about what it means, a 452 may as well be about one full mailbox. So many in a row are not. */
enum { HELD_IN_A_ROW = 10 };

bool
session_start(struct client_session *session, struct client_job *job)
{
    session->job = job;
    if (!mail_peer_can(session, job)) {
        session->job = NULL;
        return false;
    }
    if (mail_mark_recipients(session) == 0) {
        session->job = NULL;
        client_job_end(session->client, job, false, NULL);
        return false;
    }
    mail_begin(session);
    return true;
}

size_t
round_most(const struct client_session *session)
{
    uint64_t most = SIZE_MAX, limits[] = {session->job->most, session->caps.rcpt_max,
                                          (uint64_t)session->client->limits->transfer_recipients};
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        if (limits[i] > 0 && limits[i] < most)
            most = limits[i];
    return (size_t)most;
}

/* ---- too many ---- */

/* 452 in so many words, or without any; old servers say 552. With another status it is about one recipient, or
 * about the peer's disk. */
static bool
says_too_many(const struct smtp_reply *reply)
{
    return strcmp(reply->status, "4.5.3") == 0 || strcmp(reply->status, "5.5.3") == 0;
}

bool
round_is_too_many(const struct client_session *session)
{
    const struct smtp_reply *reply = &session->reply;
    return (reply->code == 452 || reply->code == 552) && (reply->status[0] == '\0' || says_too_many(reply));
}

void
round_hold(struct client_session *session, size_t index)
{
    struct viaduct_reason reason;
    mail_reason(session, VIADUCT_LATER, &reason);
    client_job_result(session->client, session->job, index, VIADUCT_LATER, &reason, session->remote);
    *mail_mark(session, index) = MARK_HELD;
    session->held++;
    if (session->accepted == 0)
        return;
    if (says_too_many(&session->reply) && (session->job->most == 0 || session->accepted < session->job->most))
        session->job->most = session->accepted;
    if (says_too_many(&session->reply) || session->held >= HELD_IN_A_ROW)
        session->most = session->sent; /* no more of them in this round */
}

/* ---- the end of a round ---- */

/* Returns how many are left for another round. */
static size_t
take_up(struct client_session *session)
{
    size_t left = 0;
    for (size_t i = 0; i < mail_recipients(session); i++) {
        unsigned char *mark = mail_mark(session, i);
        if (*mark == MARK_HELD)
            *mark = session->progress ? MARK_SEND : MARK_SETTLED;
        left += *mark == MARK_SEND;
    }
    return left;
}

void
round_end(struct client_session *session)
{
    struct client_job *job = session->job;
    session->messages++;
    if (take_up(session) == 0) {
        session->job = NULL;
        client_job_end(session->client, job, false, NULL);
        session_done(session);
        return;
    }
    job->begun = true;
    job->retried = false;
    if (!session_is_used_up(session)) {
        mail_begin(session);
        return;
    }
    session->job = NULL;
    session->owner->returned(session, job);
    session_done(session);
}
