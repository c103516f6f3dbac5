/* client_hello.c - from a connection to a session that mail may go over: greeting, EHLO, STARTTLS
 *
 * TLS by mode: none never; may where the peer offers STARTTLS, and again without where the handshake fails (see
 * client_session.c); encrypt, verify and pin always, or there is no session. A local socket (lmtp:///PATH) has
 * no network to protect and uses none. Whatever stands in the clear behind the answer to STARTTLS was put there
 * to be taken for an answer within TLS (RFC 3207 section 6): the connection is broken off.
 *
 * Sources: RFC 5321 sections 3.1, 3.2, 4.1.1.1; RFC 3207; RFC 2033 (LHLO); RFC 8314.
 */
#include <stdlib.h>

#include "systems/smtp/client.h"

static void hello(struct client_session *session);
static void greeted(struct client_session *session);
static void hello_answered(struct client_session *session);
static void starttls_answered(struct client_session *session);
static void tls_begin(struct client_session *session);

void
hello_connected(struct client_session *session)
{
    session_note(session, "connected to %s", session->peer);
    if (session->implicit_tls)
        tls_begin(session);
    else
        session_await(session, SESSION_GREETING);
}

void
hello_answer(struct client_session *session)
{
    if (session->state == SESSION_GREETING)
        greeted(session);
    else if (session->state == SESSION_STARTTLS)
        starttls_answered(session);
    else
        hello_answered(session);
}

/* ---- greeting and hello ---- */

static void
hello(struct client_session *session)
{
    memset(&session->caps, 0, sizeof session->caps);
    conn_printf(session->conn, "%s %s\r\n", session->lmtp ? "LHLO" : "EHLO", session->client->node);
    session_await(session, SESSION_HELLO);
    conn_flush(session->conn);
}

static void
break_by_answer(struct client_session *session, const char *what)
{
    char status[12];
    session->busy = session->reply.code / 100 == 4;
    smtp_reply_status(&session->reply, status);
    status[0] = '4'; /* it is the connection that is refused, not a message */
    session_break(session, status, "%s: %d %s", what, session->reply.code, session->reply.text);
}

static void
greeted(struct client_session *session)
{
    session_note(session, "greeting: %d %s", session->reply.code, session->reply.text);
    if (session->reply.code == 220) {
        hello(session);
        return;
    }
    break_by_answer(session, "the peer's greeting refuses us");
}

static void
open_for_mail(struct client_session *session)
{
    session->opened = true;
    session->owner->opened(session);
    session->since_ms = monotonic_ms();
    session_await(session, SESSION_IDLE);
    session->owner->ready(session);
}

static void
helloed(struct client_session *session)
{
    bool wanted = session->mode != TLS_NONE && !session->secured && !session->plain;
    const struct smtp_caps *caps = &session->caps;
    session_note(session, "offers:%s%s%s%s%s%s", caps->pipelining ? " PIPELINING" : "",
                 caps->size ? " SIZE" : "", caps->eightbit ? " 8BITMIME" : "",
                 caps->smtputf8 ? " SMTPUTF8" : "", caps->dsn ? " DSN" : "", caps->starttls ? " STARTTLS" : "");
    if (wanted && caps->starttls) {
        conn_add(session->conn, "STARTTLS\r\n", 10);
        session_await(session, SESSION_STARTTLS);
        conn_flush(session->conn);
    } else if (wanted && session->mode >= TLS_ENCRYPT) {
        session_break(session, "4.7.4", "TLS is wanted, but the peer does not offer STARTTLS");
    } else {
        open_for_mail(session);
    }
}

static void
hello_answered(struct client_session *session)
{
    if (session->reply.code / 100 == 2) {
        helloed(session);
    } else if (session->reply.code / 100 == 5 && session->state == SESSION_HELLO && !session->lmtp) {
        session_note(session, "EHLO refused (%d %s): HELO", session->reply.code, session->reply.text);
        memset(&session->caps, 0, sizeof session->caps);
        conn_printf(session->conn, "HELO %s\r\n", session->client->node);
        session_await(session, SESSION_HELO);
        conn_flush(session->conn);
    } else {
        break_by_answer(session, session->lmtp ? "LHLO refused" : "HELO refused");
    }
}

/* ---- TLS ---- */

static void
tls_begin(struct client_session *session)
{
    struct why why = {"", ""};
    SSL *ssl = tls_client_ssl(session->client->tls, session->hop->url.host, &why);
    if (ssl == NULL) {
        session_break(session, "4.7.5", "%s", why.text);
        return;
    }
    session_await(session, SESSION_TLS);
    conn_secure(session->conn, ssl);
}

void
hello_secure(struct client_session *session)
{
    const struct conn *conn = session->conn;
    session->secured = true;
    if (session->owner->note != NULL) {
        struct buf text = {NULL, 0, 0};
        tls_describe(conn_ssl(conn), &text);
        buf_add_text(&text, ", key ");
        tls_peer_pin(conn_ssl(conn), &text);
        session_note(session, "TLS: %s", text.at);
        buf_clear(&text);
    }
    if (session->implicit_tls)
        session_await(session, SESSION_GREETING);
    else
        hello(session);
}

static void
starttls_answered(struct client_session *session)
{
    if (session->reply.code == 421) {
        break_by_answer(session, "STARTTLS refused");
    } else if (session->reply.code != 220 && session->mode == TLS_MAY) {
        session_note(session, "STARTTLS refused (%d %s): going on without", session->reply.code,
                     session->reply.text);
        session->plain = true;
        hello(session);
    } else if (session->reply.code != 220) {
        session_break(session, "4.7.4", "STARTTLS refused: %d %s", session->reply.code, session->reply.text);
    } else if (conn_in(session->conn)->len > 0) {
        session_break(session, "4.7.5",
                      "the peer sent something behind its answer to STARTTLS: "
                      "somebody may be tampering with the connection");
    } else {
        tls_begin(session);
    }
}
