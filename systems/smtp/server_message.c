/* server_message.c - DATA, the message, its commit (see server_inside.h)
 *
 * The answer 250 is given in one place, committed(), which intake_commit() calls when the message is durable.
 * Whatever goes wrong before is remembered in `failure` and answered at the end of data, which is read by the
 * same strict rules all the same: nothing of a refused message is ever taken for a command.
 *
 * What is hostile here: the message; see server_data.h. A message with bare CR or LF is refused and its session
 * ended, since its sender and we may differ about where it ended. NUL is refused too (RFC 5321 section 4.5.2):
 * every way of carrying it on would change the message or end it early somewhere.
 *
 * Sources: RFC 5321 sections 4.1.1.4, 4.5.3; RFC 2033 section 4.2; RFC 3848; RFC 6531 section 3.7.3.
 */
#include <errno.h>
#include <stdio.h>

#include "systems/smtp/server_inside.h"

/* The name of the protocol for Received. */
static const char *
protocol_name(const struct session *s)
{
    static const char *const names[2][2][2] = {{{"ESMTP", "ESMTPS"}, {"UTF8SMTP", "UTF8SMTPS"}},
                                               {{"LMTP", "LMTPS"}, {"UTF8LMTP", "UTF8LMTPS"}}};
    if (!s->extended && !s->secure)
        return "SMTP";
    return names[s->listener->lmtp][s->smtputf8][s->secure];
}

static struct viaduct_text
text_of(const char *text)
{
    return (struct viaduct_text){text, strlen(text)};
}

/* An answer that stands for the whole message: LMTP gives it for every RCPT that was taken, repeats included
 * (RFC 2033 section 4.2). */
static void
answer_message(struct session *s, const char *reply)
{
    size_t times = s->listener->lmtp ? s->n_answered : 1;
    for (size_t i = 0; i < times; i++)
        session_answer(s, reply);
}

static bool
intake_begin(struct session *s, struct viaduct_reason *reason)
{
    static struct buf client; /* lives until the call returns */
    const struct smtp_server *server = s->server;
    session_print_client(s, &client);
    struct viaduct_envelope_in envelope = {.size = sizeof envelope,
                                           .originator = {s->originator.at, s->originator.len},
                                           .ret = {s->ret.at, s->ret.len},
                                           .envid = {s->envid.at, s->envid.len},
                                           .smtputf8 = s->smtputf8,
                                           .client = {client.at, client.len},
                                           .helo = {s->helo.at, s->helo.len},
                                           .protocol = text_of(protocol_name(s)),
                                           .connector = text_of(s->peer->name)};
    s->intake =
        server->services->intake_new(server->gateway, &envelope, s->recipients, s->n_recipients, reason);
    return s->intake != NULL;
}

/* Why DATA cannot be now; NULL where it can. */
static const char *
data_is_out_of_turn(const struct session *s, struct span args)
{
    if (args.len > 0)
        return "501 5.5.4 DATA takes no parameters";
    if (!s->mail)
        return "503 5.5.1 say MAIL first";
    if (s->n_recipients > 0)
        return NULL;
    return s->n_refused > 0 && !s->listener->lmtp ? "554 5.5.1 no valid recipients"
                                                  : "503 5.5.1 no valid recipients";
}

/* The enhanced status and words of a reason, with a code in front. A message as such is refused by 554. */
static void
print_reason(char *reply, size_t size, const struct viaduct_reason *reason)
{
    const char *status = reason->status[0] == '4' || reason->status[0] == '5' ? reason->status : "4.3.0";
    int code = reply_code(status);
    snprintf(reply, size, "%d %s %.*s", code == 550 ? 554 : code, status, REPLY_TEXT_MAX,
             reason->text[0] ? reason->text : "the message cannot be taken");
}

void
session_data(struct session *s, struct span args)
{
    struct viaduct_reason reason = {"", ""};
    const char *bad = data_is_out_of_turn(s, args);
    if (bad != NULL) {
        session_refuse(s, bad[2] == '4' ? POLICY : BLUNDER, SPAN("DATA"), "%s", bad);
        return;
    }
    if (!intake_begin(s, &reason)) {
        char reply[sizeof s->failure];
        print_reason(reply, sizeof reply, &reason);
        session_refuse(s, POLICY, SPAN("DATA"), "%s", reply);
        session_reset(s);
        return;
    }
    s->phase = PHASE_DATA;
    smtp_data_begin(&s->data, s->server->normalize);
    conn_timeout(s->conn, s->peer->timeouts->data_s, "the message");
    session_answer(s, "354 go on, end with CRLF . CRLF");
}

/* The message will not be taken: what has come is dropped, what comes is read to its end. The first reason
 * counts. */
static void
message_fail(struct session *s, const char *reply)
{
    if (s->intake != NULL)
        s->server->services->intake_drop(s->intake);
    s->intake = NULL;
    if (s->failure[0] == '\0')
        snprintf(s->failure, sizeof s->failure, "%s", reply);
}

static void
take_content(void *arg, const char *bytes, size_t len)
{
    struct session *s = arg;
    int error = s->intake != NULL ? s->server->services->intake_add(s->intake, bytes, len) : 0;
    if (error == -EMSGSIZE)
        message_fail(s, "552 5.3.4 the header is larger than this system takes");
    else if (error == -ENOSPC || error == -EDQUOT)
        message_fail(s, "452 4.3.1 the message cannot be written, no room: try again later");
    else if (error < 0)
        message_fail(s, "451 4.3.0 the message cannot be written, try again later");
}

/* What the automaton has found wrong; it goes before what we found wrong ourselves. */
static void
look_for_faults(struct session *s)
{
    bool bare = (s->data.faults & (DATA_BARE_CR | DATA_BARE_LF)) != 0 && !s->server->normalize;
    if (bare)
        message_fail(s, "550 5.6.11 lines must end in CRLF, the message has a bare CR or LF");
    if (s->data.faults & DATA_NUL)
        message_fail(s, "550 5.6.0 the message has a NUL octet");
    if (smtp_data_size(&s->data) > s->peer->limits->message)
        message_fail(s, "552 5.3.4 message too big");
}

/* After the end of data of a message that is refused. */
static void
refuse_message(struct session *s)
{
    bool bare = (s->data.faults & (DATA_BARE_CR | DATA_BARE_LF)) != 0 && !s->server->normalize;
    answer_message(s, s->failure);
    session_log_refusal(s, SPAN("message"), s->failure);
    s->phase = PHASE_COMMAND;
    session_reset(s);
    if (bare)
        session_hang_up(s, "421 4.7.0 closing, we might not agree where the message ended");
}

/* Tells the client; the session goes on. */
static void
answer_commit(struct session *s, int result, const struct viaduct_reason *reason)
{
    char reply[sizeof s->failure];
    if (result == 0) {
        snprintf(reply, sizeof reply, "250 2.0.0 queued as %s", s->id);
        s->idle_commands = 0;
        s->errors = 0;
        s->messages++;
    } else if (reason != NULL && reason->status[0] != '\0') {
        print_reason(reply, sizeof reply, reason);
    } else {
        snprintf(reply, sizeof reply, "%s", "451 4.3.0 the message could not be made durable, try again later");
    }
    if (s->conn != NULL)
        answer_message(s, reply);
    if (result != 0)
        session_log_refusal(s, SPAN("message"), reply);
    else if (s->conn == NULL)
        s->server->services->say(s->server->gateway, VIADUCT_LOG_INFO, s->id,
                                 "session %llx: the client left before the answer, the message is taken",
                                 (unsigned long long)s->number);
}

static void
committed(void *arg, int result, const struct viaduct_reason *reason)
{
    struct session *s = arg;
    if (s->server == NULL) { /* the server has ended */
        session_forget(s);
        return;
    }
    bool inside = s->committing;
    answer_commit(s, result, reason);
    s->phase = PHASE_COMMAND;
    session_reset(s);
    if (s->conn == NULL) {
        session_end(s);
        return;
    }
    conn_timeout(s->conn, s->peer->timeouts->command_s, "a command");
    conn_resume(s->conn);
    if (!inside)
        session_run(s);
}

static void
commit(struct session *s)
{
    struct viaduct_intake *intake = s->intake;
    snprintf(s->id, sizeof s->id, "%s", s->server->services->intake_id(intake));
    s->intake = NULL; /* it is the commit's now */
    s->phase = PHASE_COMMIT;
    conn_pause(s->conn);
    conn_flush(s->conn);
    s->committing = true;
    s->server->services->intake_commit(intake, -1, NULL, committed, s);
    s->committing = false;
}

void
session_take_data(struct session *s)
{
    const struct smtp_data_sink sink = {take_content, s};
    struct buf *in = conn_in(s->conn);
    size_t used;
    bool over = smtp_data_feed(&s->data, in->at, in->len, &used, &sink);
    conn_consume(s->conn, used);
    look_for_faults(s);
    if (!over)
        return;
    if (s->failure[0] != '\0') {
        conn_timeout(s->conn, s->peer->timeouts->command_s, "a command");
        refuse_message(s);
    } else {
        commit(s);
    }
}
