/* server_command.c - the commands but those of a transaction (see server_inside.h)
 *
 * What is hostile here: one line without control bytes, at most COMMAND_MAX long. What is echoed into Received
 * (the HELO name) is held to few characters; nothing of a line is ever repeated in an answer.
 */
#include "systems/smtp/server_inside.h"
#include "systems/smtp/tls.h"

/* A span that may stand in a static table. */
#define WORD(literal)                                                                                          \
    {                                                                                                          \
        ("" literal), sizeof(literal) - 1                                                                      \
    }

struct command {
    struct span verb;
    void (*run)(struct session *s, struct span args);
};

static const struct span no_args = {"", 0};

bool
name_is_sane(struct span name)
{
    if (name.len == 0 || name.len > HELO_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || strchr("()<>\\\",;@", name.at[i]) != NULL)
            return false;
    return true;
}

/* Returns false, with the answer given, where the name is none. */
static bool
take_helo(struct session *s, struct span name, struct span verb)
{
    if (!name_is_sane(name)) {
        session_refuse(s, BLUNDER, verb, "501 5.5.4 give a host name or an address literal");
        return false;
    }
    session_reset(s);
    buf_reset(&s->helo);
    buf_add_span(&s->helo, name);
    s->greeted = true;
    return true;
}

static void
command_helo(struct session *s, struct span args)
{
    if (s->listener->lmtp) {
        session_refuse(s, BLUNDER, SPAN("HELO"), "500 5.5.1 this is LMTP, say LHLO");
        return;
    }
    if (!take_helo(s, args, SPAN("HELO")))
        return;
    s->extended = false;
    session_answerf(s, "250 %s", s->server->hostname);
}

/* What is offered (RFC 5321 section 4.1.1.1). */
static void
answer_extensions(struct session *s)
{
    const struct smtp_server *server = s->server;
    struct buf *out = conn_out(s->conn);
    buf_printf(out, "250-%s\r\n250-SIZE %llu\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n",
               server->hostname, (unsigned long long)s->peer->limits->message);
    if (server->utf8)
        buf_add_text(out, "250-SMTPUTF8\r\n");
    if (server->tls != NULL && !s->secure)
        buf_add_text(out, "250-STARTTLS\r\n");
    if (session_may_xclient(s))
        buf_add_text(out, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n");
    buf_add_text(out, "250 ENHANCEDSTATUSCODES\r\n");
}

static void
extended_hello(struct session *s, struct span args, bool lmtp)
{
    struct span verb = lmtp ? SPAN("LHLO") : SPAN("EHLO");
    if (s->listener->lmtp != lmtp) {
        session_refuse(s, BLUNDER, verb, "500 5.5.1 this is %s", lmtp ? "SMTP, say EHLO" : "LMTP, say LHLO");
        return;
    }
    if (!take_helo(s, args, verb))
        return;
    s->extended = true;
    answer_extensions(s);
}

static void
command_ehlo(struct session *s, struct span args)
{
    extended_hello(s, args, false);
}

static void
command_lhlo(struct session *s, struct span args)
{
    extended_hello(s, args, true);
}

static void
command_starttls(struct session *s, struct span args)
{
    if (s->secure) {
        session_refuse(s, BLUNDER, SPAN("STARTTLS"), "503 5.5.1 TLS is active already");
        return;
    }
    if (s->server->tls == NULL) {
        session_refuse(s, BLUNDER, SPAN("STARTTLS"), "502 5.5.1 TLS is not offered");
        return;
    }
    if (args.len > 0) {
        session_refuse(s, BLUNDER, SPAN("STARTTLS"), "501 5.5.4 STARTTLS takes no parameters");
        return;
    }
    SSL *ssl = tls_server_ssl(s->server->tls);
    if (ssl == NULL) {
        session_refuse(s, POLICY, SPAN("STARTTLS"), "454 4.7.0 TLS is not available now");
        return;
    }
    /* All that was said in clear is forgotten (RFC 3207 section 4.2). */
    session_reset(s);
    buf_reset(&s->helo);
    s->greeted = s->extended = false;
    session_answer(s, "220 2.0.0 begin TLS");
    conn_flush(s->conn);
    s->phase = PHASE_TLS;
    conn_timeout(s->conn, s->peer->timeouts->greeting_s, "TLS");
    conn_secure(s->conn, ssl);
}

static void
command_rset(struct session *s, struct span args)
{
    (void)args;
    session_reset(s);
    session_answer(s, "250 2.0.0 forgotten");
}

static void
command_noop(struct session *s, struct span args)
{
    (void)args;
    session_answer(s, "250 2.0.0 nothing done");
}

static void
command_quit(struct session *s, struct span args)
{
    (void)args;
    session_reset(s);
    session_answer(s, "221 2.0.0 goodbye");
    /* Who says QUIT sends no more, so nothing unread can reset the connection; unless he did. */
    if (conn_in(s->conn)->len > 0)
        conn_close_gently(s->conn);
    else
        conn_close(s->conn, true);
}

static void
command_vrfy(struct session *s, struct span args)
{
    if (args.len == 0)
        session_refuse(s, BLUNDER, SPAN("VRFY"), "501 5.5.4 VRFY needs an address");
    else
        session_answer(s, "252 2.0.0 not verified here, send mail and see");
}

static void
command_help(struct session *s, struct span args)
{
    (void)args;
    session_answer(s, "214 2.0.0 see RFC 5321");
}

static void
command_absent(struct session *s, struct span args)
{
    (void)args;
    session_refuse(s, BLUNDER, SPAN("command"), "502 5.5.1 not implemented here");
}

/* A web browser made to talk to us sends its user's words as commands: it is not listened to any further. */
static void
command_web(struct session *s, struct span args)
{
    (void)args;
    session_hang_up(s, "554 5.5.1 this is no web server");
}

/* The order is that of how often they come. */
static const struct command commands[] = {
    {WORD("RCPT"), session_rcpt},   {WORD("MAIL"), session_mail},       {WORD("DATA"), session_data},
    {WORD("RSET"), command_rset},   {WORD("EHLO"), command_ehlo},       {WORD("QUIT"), command_quit},
    {WORD("LHLO"), command_lhlo},   {WORD("HELO"), command_helo},       {WORD("STARTTLS"), command_starttls},
    {WORD("NOOP"), command_noop},   {WORD("XCLIENT"), session_xclient}, {WORD("VRFY"), command_vrfy},
    {WORD("HELP"), command_help},   {WORD("EXPN"), command_absent},     {WORD("ETRN"), command_absent},
    {WORD("BDAT"), command_absent}, {WORD("AUTH"), command_absent},     {WORD("TURN"), command_absent},
    {WORD("ATRN"), command_absent}, {WORD("SEND"), command_absent},     {WORD("SAML"), command_absent},
    {WORD("SOML"), command_absent}, {WORD("XFORWARD"), command_absent}, {WORD("BURL"), command_absent},
    {WORD("GET"), command_web},     {WORD("POST"), command_web},        {WORD("PUT"), command_web},
    {WORD("HEAD"), command_web},    {WORD("OPTIONS"), command_web},     {WORD("CONNECT"), command_web},
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Commands that bring no message are counted, lest a session lives by NOOP alone. Recipients do not count:
 * their number is limited, and those that are refused come in lists of any length. */
static bool
is_idling(struct session *s, const struct command *command)
{
    bool counts = command == NULL || command->run != session_rcpt || !s->mail;
    s->idle_commands += counts;
    return counts && s->idle_commands > s->peer->limits->commands;
}

void
session_command(struct session *s, struct span line)
{
    struct span verb = line, args = no_args;
    for (size_t i = 0; i < line.len; i++)
        if (is_blank(line.at[i])) {
            verb.len = i;
            args = span_trim((struct span){line.at + i, line.len - i});
            break;
        }
    const struct command *command = NULL;
    for (size_t i = 0; command == NULL && i < COUNT_OF(commands); i++)
        if (span_equal_nocase(verb, commands[i].verb))
            command = &commands[i];
    if (is_idling(s, command))
        session_hang_up(s, "421 4.7.0 too many commands without a message");
    else if (command != NULL)
        command->run(s, args);
    else
        session_refuse(s, BLUNDER, SPAN("command"), "500 5.5.1 unknown command");
}
