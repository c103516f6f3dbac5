/* client_mail.c - one round of a message over a session that is open: a transaction from MAIL to the answer to its
 * dot
 *
 *     [RSET] MAIL RCPT... DATA   in one write where PIPELINING is offered (at most CLIENT_WINDOW commands ahead
 * of their answers), else one by one body . CRLF                in one write where the message is small
 *
 * `stage` is the next command to send; answers come in the order of the commands, and the first that is still
 * open tells the state. With everything pipelined DATA may be under way when the last recipient is refused: if
 * the peer then asks for the message all the same, it gets an empty one (RFC 2920 section 3.1). A transaction
 * that was begun and not ended by a dot is reset in front of the next one.
 *
 * Outcomes: see client_outcome.c. A connection that dies behind the dot leaves open whether the message was
 * taken: LATER, and perhaps a duplicate. One that died while it lay idle is nobody's fault: the job goes to
 * another session. So it does where a new session hears 421 before anything else (RFC 5321 section 3.8): the peer
 * does not serve us, as if it had not taken the connection.
 *
 * Sources: RFC 5321 sections 3.3, 4.1.1.4, 4.2.5; RFC 2920; RFC 2033 section 4.2.
 */
#include <stdio.h>

#include "systems/smtp/client.h"

/* Commands in their order. */
enum stage { STAGE_RSET, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_ALL };

enum { BODY_AHEAD = 64 * 1024 };

static void go_on(struct client_session *session);
static void body_send(struct client_session *session);

void
mail_begin(struct client_session *session)
{
    session->stage = session->needs_rset ? STAGE_RSET : STAGE_MAIL;
    session->to_send = session->to_answer = session->awaited = session->accepted = 0;
    session->sent = session->held = 0;
    session->most = round_most(session);
    session->rset_open = session->mail_open = session->data_open = false;
    session->mail_refused = session->answered = session->progress = false;
    session->offset = 0;
    session->data = (struct smtp_data){false, false};
    go_on(session);
}

/* The peer does not keep to the protocol: what follows cannot be trusted. */
static void
nonsense(struct client_session *session, const char *what)
{
    session_break(session, "4.5.0", "%s answered with %d %s", what, session->reply.code, session->reply.text);
}

/* ---- commands ---- */

static bool
next_recipient(struct client_session *session)
{
    if (session->sent >= session->most)
        return false;
    while (session->to_send < mail_recipients(session) && *mail_mark(session, session->to_send) != MARK_SEND)
        session->to_send++;
    return session->to_send < mail_recipients(session);
}

/* Adds the next command, or moves on to the stage behind it. */
static void
send_one(struct client_session *session)
{
    struct buf *out = conn_out(session->conn);
    switch ((enum stage)session->stage) {
    case STAGE_RSET:
        buf_add(out, "RSET\r\n", 6);
        session->rset_open = true;
        session->stage = STAGE_MAIL;
        break;
    case STAGE_MAIL:
        command_mail(session, out);
        session->mail_open = session->needs_rset = true;
        session->stage = STAGE_RCPT;
        break;
    case STAGE_RCPT:
        if (!next_recipient(session)) {
            session->stage = STAGE_DATA;
            return;
        }
        command_rcpt(session, session->to_send, out);
        *mail_mark(session, session->to_send++) = MARK_SENT;
        session->sent++;
        break;
    case STAGE_DATA:
        session->stage = STAGE_ALL;
        if (session->awaited == 0 && session->accepted == 0)
            return; /* all are refused already */
        buf_add(out, "DATA\r\n", 6);
        session->data_open = true;
        break;
    case STAGE_ALL:
        return;
    }
    session->awaited++;
}

static enum session_state
next_answer(struct client_session *session)
{
    if (session->rset_open)
        return SESSION_RSET;
    if (session->mail_open)
        return SESSION_MAIL;
    return session->awaited > (size_t)session->data_open ? SESSION_RCPT : SESSION_DATA;
}

/* Sends what may be sent now, and waits for the answer that comes next. */
static void
go_on(struct client_session *session)
{
    size_t window = session->caps.pipelining ? CLIENT_WINDOW : 1;
    if (session->mail_refused)
        session->stage = STAGE_ALL;
    while (session->stage != STAGE_ALL && session->awaited < window)
        send_one(session);
    if (session->awaited == 0) {
        round_end(session);
        return;
    }
    session_await(session, next_answer(session));
    conn_flush(session->conn);
}

/* ---- answers ---- */

static void
rset_answered(struct client_session *session)
{
    session->rset_open = false;
    session->answered = false; /* nothing of this message was looked at */
    if (session->reply.code / 100 != 2)
        nonsense(session, "RSET");
    else
        go_on(session);
}

static void
mail_answered(struct client_session *session)
{
    struct viaduct_reason reason;
    session->mail_open = false;
    if (session->reply.code / 100 == 3) {
        nonsense(session, "MAIL");
        return;
    }
    if (session->reply.code / 100 != 2) {
        enum viaduct_outcome outcome = mail_outcome(session);
        mail_reason(session, outcome, &reason);
        mail_settle_all(session, outcome, &reason);
        session->mail_refused = true;
    }
    go_on(session);
}

/* RCPTs are answered in their order. After a refused MAIL all of them are settled, and the answers only
 * counted. */
static void
rcpt_answered(struct client_session *session)
{
    struct viaduct_reason reason;
    if (session->reply.code / 100 == 3) {
        nonsense(session, "RCPT");
        return;
    }
    while (!session->mail_refused && *mail_mark(session, session->to_answer) != MARK_SENT)
        session->to_answer++;
    if (session->mail_refused) {
        go_on(session);
        return;
    }
    size_t index = session->to_answer++;
    if (session->reply.code / 100 == 2) {
        *mail_mark(session, index) = MARK_ACCEPTED;
        session->accepted++;
        session->held = 0;
    } else if (round_is_too_many(session)) {
        round_hold(session, index);
    } else {
        enum viaduct_outcome outcome = mail_outcome(session);
        mail_reason(session, outcome, &reason);
        mail_settle(session, index, outcome, &reason);
    }
    go_on(session);
}

/* 354 although nobody is left to take the message. An LMTP server would answer the dot for each of nobody. */
static void
send_nothing(struct client_session *session)
{
    if (session->lmtp) {
        session->ended = true;
        round_end(session);
        return;
    }
    conn_add(session->conn, ".\r\n", 3);
    session_await(session, SESSION_DOT);
    conn_flush(session->conn);
}

static void
data_answered(struct client_session *session)
{
    struct viaduct_reason reason;
    session->data_open = false;
    if (session->reply.code == 354 && session->accepted == 0) {
        send_nothing(session);
    } else if (session->reply.code == 354) {
        session_await(session, SESSION_BODY);
        if (conn_in(session->conn)->len == 0)
            body_send(session);
        /* else: nothing was sent yet, so what came already is a refusal, or nonsense that must not pass for the
         * answer to the dot. body_answered() gets it. */
    } else if (session->reply.code / 100 <= 3) {
        nonsense(session, "DATA");
    } else {
        enum viaduct_outcome outcome = mail_outcome(session);
        mail_reason(session, outcome, &reason);
        mail_settle_accepted(session, outcome, &reason);
        go_on(session); /* nothing is awaited any more: it ends */
    }
}

/* The next recipient whose answer the dot brings (LMTP). */
static size_t
next_accepted(struct client_session *session, size_t from)
{
    while (from < mail_recipients(session) && *mail_mark(session, from) != MARK_ACCEPTED)
        from++;
    return from;
}

static void
dot_answered(struct client_session *session)
{
    struct viaduct_reason reason;
    enum viaduct_outcome outcome = mail_outcome(session);
    int class = session->reply.code / 100;
    if (class == 3 || (class == 2 && conn_pending(session->conn) > 0)) {
        nonsense(session, "the end of the message");
        return;
    }
    mail_reason(session, outcome, &reason);
    if (conn_pending(session->conn) > 0)
        session->ended = true; /* refused before it was all sent */
    if (session->lmtp && session->reply.code != 421) {
        mail_settle(session, session->to_answer, outcome, &reason);
        session->to_answer = next_accepted(session, session->to_answer);
        if (session->to_answer < mail_recipients(session)) {
            session_await(session, SESSION_DOT);
            return;
        }
    } else {
        mail_settle_accepted(session, outcome, &reason);
    }
    session->needs_rset = false;
    round_end(session);
}

/* Before the dot only a refusal makes sense. It counts, and the connection ends in the middle of the message.
 */
static void
body_answered(struct client_session *session)
{
    struct viaduct_reason reason;
    enum viaduct_outcome outcome = mail_outcome(session);
    if (session->reply.code / 100 <= 3) {
        nonsense(session, "the middle of the message");
        return;
    }
    mail_reason(session, outcome, &reason);
    mail_settle_accepted(session, outcome, &reason);
    session_break(session, reason.status, "%s", reason.text);
}

/* 421: the peer ends the session, whatever it was asked. Where nothing of the message was answered yet it is the
 * end of a long session, or a new one that is turned away: in both cases the message goes elsewhere. */
static void
farewell(struct client_session *session)
{
    struct viaduct_reason reason;
    mail_reason(session, VIADUCT_LATER, &reason);
    if (session->answered || session->state == SESSION_DOT)
        mail_settle_all(session, VIADUCT_LATER, &reason);
    else if (session->messages == 0)
        session->turned = session->busy = true;
    session_break(session, reason.status, "the peer ends the session: 421 %s", session->reply.text);
}

void
mail_answer(struct client_session *session)
{
    if (session->awaited > 0)
        session->awaited--;
    if (session->reply.code == 421 && session->state != SESSION_BODY) {
        farewell(session);
        return;
    }
    session->answered = true;
    if (!session->served) {
        session->served = true;
        session->owner->served(session);
    }
    switch (session->state) {
    case SESSION_RSET:
        rset_answered(session);
        break;
    case SESSION_MAIL:
        mail_answered(session);
        break;
    case SESSION_RCPT:
        rcpt_answered(session);
        break;
    case SESSION_DATA:
        data_answered(session);
        break;
    case SESSION_BODY:
        body_answered(session);
        break;
    default:
        dot_answered(session);
    }
}

/* ---- the body ---- */

static void
body_ended(struct client_session *session)
{
    smtp_data_end(&session->data, conn_out(session->conn));
    session->to_answer = next_accepted(session, 0);
    session_await(session, SESSION_DOT);
}

/* Fills the output up to BODY_AHEAD and writes it: a small message leaves in one write, a large one as the peer
 * takes it. The end is sent only after body_read() said that all of the body was right. */
static void
body_send(struct client_session *session)
{
    struct smtp_client *client = session->client;
    struct viaduct_delivery *d = session->job->d;
    while (session->state == SESSION_BODY && conn_pending(session->conn) < BODY_AHEAD) {
        ssize_t got = client->services->body_read(d, session->offset, client->chunk, CLIENT_CHUNK);
        if (got < 0) {
            session_break(session, "4.3.0",
                          "the message is damaged or cannot be read: its transfer was broken off");
            return;
        }
        session->offset += (uint64_t)got;
        if (got == 0)
            body_ended(session);
        else
            smtp_data_add(&session->data, client->chunk, (size_t)got, conn_out(session->conn));
    }
    conn_flush(session->conn);
}

void
mail_drained(struct client_session *session)
{
    if (session->state == SESSION_BODY)
        body_send(session);
    else if (session->state == SESSION_DOT)
        session_await(session, SESSION_DOT); /* the wait for the answer begins now */
}

/* ---- the connection is gone ---- */

/* The message was not begun, and goes to another session: once where this one had died while it lay idle; and from
 * each address that turned it away, until none is left that has not (client_pool.c). */
static bool
goes_elsewhere(struct client_session *session, struct client_job *job)
{
    bool stale = !session->answered && session->messages > 0 && !job->retried;
    job->retried = job->retried || stale;
    job->turned = job->turned || session->turned;
    return stale || session->turned;
}

void
mail_lost(struct client_session *session, const struct why *why)
{
    struct client_job *job = session->job;
    struct viaduct_reason reason;
    session->job = NULL;
    if (goes_elsewhere(session, job)) {
        session->owner->returned(session, job);
        return;
    }
    bool behind_dot =
        session->state == SESSION_DOT && conn_pending(session->conn) == 0 && session->accepted > 0;
    snprintf(reason.status, sizeof reason.status, "%s", why->status[0] ? why->status : "4.4.2");
    snprintf(reason.text, sizeof reason.text, "%.120s: %.200s%s", session->peer, why->text,
             behind_dot
                 ? "; the end of the message was sent, so the peer may have taken it, and it may arrive twice"
                 : "");
    session->job = job;
    mail_settle_all(session, VIADUCT_LATER, &reason);
    session->job = NULL;
    client_job_end(session->client, job, false, &reason);
}
