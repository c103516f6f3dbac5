/* smtp-client-t.c - what the SMTP client says to a peer, and what it makes of the answers */
#include "t/smtp_fake.h"

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPENING     "@0", ">220 fake ESMTP", "<EHLO gw1.contoso.example"
#define PIPE        OPENING, ">250-fake", ">250-PIPELINING", ">250-8BITMIME", ">250 SIZE 10000000"
#define PLAIN_PEER  OPENING, ">250 fake"

/* One message, one server, one script. */
static void
run(const char *name, const char *const *script, struct message *messages, size_t n, struct gateway *g,
    const char *heard)
{
    struct server server;
    server_listen(&server);
    gateway_hop(g, "smtp", "127.0.0.1", server.port);
    gateway_begin(g);
    server_start(&server, script);
    for (size_t i = 0; i < n; i++)
        gateway_send(g, &messages[i]);
    gateway_run(g, all_ended);
    gateway_end(g);
    server_stop(&server, name);
    for (size_t i = 0; i < n; i++)
        is_int(messages[i].ends, 1, "%s: the delivery ended once", name);
    if (heard != NULL)
        is_bytes(server.heard.at, server.heard.len, heard, "%s: what was sent", name);
    buf_clear(&server.heard);
}

static void
simple(const char *name, const char *const *script, struct message *m)
{
    struct gateway g;
    gateway_init(&g);
    run(name, script, m, 1, &g, NULL);
}

/* ---- the straight road ---- */

static void
pipelined(void)
{
    struct gateway g;
    static struct message m[2];
    message_init(&m[0], "b@x.example c@x.example", "Subject: 1\n\n.dot\nbare\rCR\n");
    message_init(&m[1], "d@x.example", "x");
    gateway_init(&g);
    g.root.host.limits.concurrency = 1;
    run("pipelining",
        SCRIPT(PIPE, "1DATA\r\n", "<MAIL", "<RCPT", "<RCPT", "<DATA", ">250 2.1.0 ok", ">250 2.1.5 ok",
               ">250 2.1.5 ok", ">354 go", "1\r\n.\r\n", "D", ">250 2.0.0 queued", "1DATA\r\n", "<MAIL",
               "<RCPT", "<DATA", "+250 ok\r\n250 ok\r\n354 go\r\n", "D", ">250 2.0.0 again", "~"),
        m, 2, &g,
        "EHLO gw1.contoso.example\n"
        "MAIL FROM:<a@contoso.example> SIZE=29\nRCPT TO:<b@x.example>\nRCPT TO:<c@x.example>\nDATA\n"
        "Subject: 1\n\n..dot\nbare\nCR\n.\n"
        "MAIL FROM:<a@contoso.example> SIZE=1\nRCPT TO:<d@x.example>\nDATA\nx\n.\n");
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.0.0", "a peer without DSN relays");
    is_text(m[0].results[1].reason.text, "127.0.0.1 said: 250 2.0.0 queued", "the answer reaches the log");
    is_text(m[0].results[1].remote, "dns; [127.0.0.1]", "the far end is named");
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", "the second goes over the same connection, without RSET");
    ok(!m[0].unreachable && !m[0].out_of_order, "and the body was read in order");
    is_int(g.reachable, 1, "the gateway is told once that the peer is there");
    is_int(g.sessions, 0, "sessions are counted down again");
}

static void
stepwise(void)
{
    static struct message m;
    message_init(&m, "b@x.example c@x.example", "x\n");
    simple("no pipelining",
           SCRIPT(PLAIN_PEER, "<MAIL FROM:<a@contoso.example>\r\n", "=", ">250 ok", "<RCPT TO:<b@", "=",
                  ">250 ok", "<RCPT TO:<c@", "=", ">250 ok", "<DATA", "=", ">354 go", "D", ">250 ok", "~"),
           &m);
    is_result(&m, 1, VIADUCT_RELAYED, "2.0.0", "one command waits for the answer to the one before");
}

static void
helo(void)
{
    static struct message m;
    message_init(&m, "b@x.example", "x\n");
    simple("EHLO unknown",
           SCRIPT(OPENING, ">502 what", "<HELO gw1.contoso.example", ">250 hi", "<MAIL", ">250 ok", "<RCPT",
                  ">250 ok", "<DATA", ">354 go", "D", ">250 ok", "~"),
           &m);
    is_result(&m, 0, VIADUCT_RELAYED, "2.0.0", "HELO will do");
}

static void
many(void)
{
    static struct message m;
    static char rcpts[5000];
    static const char *script[700] = {PIPE, "<MAIL", ">250 ok"};
    size_t at = 0, n = 0;
    while (script[at] != NULL)
        at++;
    for (int i = 0; i < 250; i++)
        n += (size_t)snprintf(rcpts + n, sizeof rcpts - n, "%sr%d@x.example", i ? " " : "", i);
    for (int i = 0; i < 250; i++) {
        script[at++] = "<RCPT";
        script[at++] = i % 2 ? ">550 5.1.1 no" : ">250 ok";
    }
    const char *rest[] = {"<DATA", ">354 go", "D", ">250 ok", "~"};
    for (size_t i = 0; i < COUNT_OF(rest); i++)
        script[at++] = rest[i];
    message_init(&m, rcpts, "x\n");
    simple("250 recipients", script, &m);
    int taken = 0, refused = 0;
    for (int i = 0; i < 250; i++) {
        taken += m.results[i].times == 1 && m.results[i].outcome == VIADUCT_RELAYED && i % 2 == 0;
        refused += m.results[i].times == 1 && m.results[i].outcome == VIADUCT_REFUSED && i % 2 == 1;
    }
    ok(taken == 125 && refused == 125, "each of them has its own answer");
}

/* ---- refusals ---- */

static void
mixed(void)
{
    static struct message m;
    message_init(&m, "b@x.example c@x.example d@x.example e@x.example", "x\n");
    simple("mixed answers",
           SCRIPT(PIPE, "<MAIL", "<RCPT", "<RCPT", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">250 ok",
                  ">450 4.2.1 later", ">550-5.1.1 no such", ">550 5.1.1 user", ">552 too many", ">354 go", "D",
                  ">250 2.6.0 ok", "<MAIL", "<RCPT TO:<e@", "<DATA", ">250 ok", ">552 too many", ">503 nobody",
                  "~"),
           &m);
    is_result(&m, 0, VIADUCT_RELAYED, "2.6.0", "250 is taken");
    is_result(&m, 1, VIADUCT_LATER, "4.2.1", "450 is later");
    is_result(&m, 2, VIADUCT_REFUSED, "5.1.1", "550 is refused");
    is_text(m.results[2].reason.text, "127.0.0.1 said: 550 5.1.1 no such user", "with all lines of the answer");
    ok(m.results[3].outcome == VIADUCT_LATER && strcmp(m.results[3].reason.status, "4.0.0") == 0,
       "552 may mean too many recipients, and is no refusal");
}

static void
none_accepted(void)
{
    struct gateway g;
    static struct message m[3];
    for (size_t i = 0; i < 3; i++)
        message_init(&m[i], "b@x.example", "x\n");
    gateway_init(&g);
    g.root.host.limits.concurrency = 1;
    run("nobody accepted",
        SCRIPT(PIPE, "<MAIL", "<RCPT", "<DATA", ">250 ok", ">550 no", ">503 nobody", "1DATA", "<RSET", "<MAIL",
               "<RCPT", "<DATA", ">250 reset", ">250 ok", ">550 no", ">354 well then", "1.\r\n", "<.",
               ">554 empty", "<MAIL", "<RCPT", "<DATA", ">250 ok", ">250 ok", ">354 go", "D", ">250 ok", "~"),
        m, 3, &g, NULL);
    is_result(&m[0], 0, VIADUCT_REFUSED, "5.0.0", "refused at RCPT; DATA's answer does not count");
    is_result(&m[1], 0, VIADUCT_REFUSED, "5.0.0",
              "a peer that wants the message all the same gets an empty one");
    is_result(&m[2], 0, VIADUCT_RELAYED, "2.0.0", "and the next message goes its way");
}

static void
none_accepted_stepwise(void)
{
    struct gateway g;
    static struct message m[2];
    message_init(&m[0], "b@x.example", "x\n");
    message_init(&m[1], "c@x.example", "x\n");
    gateway_init(&g);
    g.root.host.limits.concurrency = 1;
    run("nobody accepted, step by step",
        SCRIPT(PLAIN_PEER, "<MAIL", ">250 ok", "<RCPT", ">550 no", "<RSET", ">250 ok", "<MAIL", ">250 ok",
               "<RCPT", ">250 ok", "<DATA", ">354 go", "D", ">250 ok", "~"),
        m, 2, &g, NULL);
    is_result(&m[0], 0, VIADUCT_REFUSED, "5.0.0",
              "no DATA is sent, and RSET stands in front of the next message");
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", "which is delivered");
}

static void
refused_whole(void)
{
    struct gateway g;
    static struct message m[4];
    for (size_t i = 0; i < 4; i++)
        message_init(&m[i], "b@x.example c@x.example", "x\n");
    gateway_init(&g);
    g.root.host.limits.concurrency = 1;
    run("refused whole",
        SCRIPT(PIPE, "<MAIL", "<RCPT", "<RCPT", "<DATA", ">550 5.7.1 not you", ">503 no", ">503 no", ">503 no",
               "<RSET", "<MAIL", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">250 ok", ">250 ok", ">250 ok",
               ">452 4.3.1 full", "<RSET", "<MAIL", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">250 ok", ">250 ok",
               ">250 ok", ">354 go", "D", ">554 5.6.0 spam", "<MAIL", "<RCPT", "<RCPT", "<DATA",
               ">530 5.7.0 STARTTLS first", ">503 no", ">503 no", ">503 no", "~"),
        m, 4, &g, NULL);
    is_result(&m[0], 1, VIADUCT_REFUSED, "5.7.1", "a refused sender refuses all recipients");
    is_result(&m[1], 0, VIADUCT_LATER, "4.3.1", "a full disk at DATA is later");
    is_result(&m[2], 1, VIADUCT_REFUSED, "5.6.0",
              "554 to the dot is for all, and ends the transaction: no RSET");
    is_result(&m[3], 0, VIADUCT_LATER, "4.7.0", "530 is about our settings, so no mail is returned for it");
}

static void
early_refusal(void)
{
    static struct message m;
    static char body[3000001];
    memset(body, 'x', sizeof body - 1);
    message_init(&m, "b@x.example", body);
    simple("refused in the middle",
           SCRIPT(PIPE, "<MAIL", "<RCPT", "<DATA", ">250 ok", ">250 ok", ">354 go", ">552 5.3.4 enough", "."),
           &m);
    is_result(&m, 0, VIADUCT_REFUSED, "5.3.4", "the answer counts, and the end of the message is never sent");
}

/* ---- what the peer cannot take ---- */

static void
too_big(void)
{
    static struct message m;
    message_init(&m, "b@x.example", "x\n");
    m.d.bytes = 2000;
    m.d.lines_hint = 10;
    simple("too big", SCRIPT(OPENING, ">250-fake", ">250 SIZE 2009", "~"), &m);
    is_result(&m, 0, VIADUCT_REFUSED, "5.3.4", "what is larger than SIZE is not sent");
    is_int(m.asked, 0, "nor read");
}

static void
eightbit(void)
{
    static struct message m;
    message_init(&m, "b@x.example", "\xc3\xa4\n");
    m.d.body_8bit = true;
    simple("8bit without 8BITMIME", SCRIPT(PLAIN_PEER, "~"), &m);
    is_text(m.need, "7bit", "goes to the converter");
    message_init(&m, "b@x.example", "\xc3\xa4\n");
    m.d.body_8bit = m.d.converted = true;
    simple("8bit although converted", SCRIPT(PLAIN_PEER, "~"), &m);
    is_result(&m, 0, VIADUCT_REFUSED, "5.6.3", "is refused");
    message_init(&m, "b@x.example", "\xc3\xa4\n");
    m.d.body_8bit = true;
    simple("8bit with 8BITMIME",
           SCRIPT(PIPE, "<MAIL FROM:<a@contoso.example> SIZE=4 BODY=8BITMIME\r\n", "<RCPT", "<DATA",
                  "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", "~"),
           &m);
    is_result(&m, 0, VIADUCT_RELAYED, "2.0.0", "is sent as it is");
}

#define UTF8_PEER OPENING, ">250-fake", ">250-SMTPUTF8", ">250-8BITMIME", ">250 PIPELINING"

static void
utf8(void)
{
    static struct message m;
    message_init(&m, "j\xc3\xbcrgen@x.example c@x.example", "x\n");
    simple("UTF-8 address", SCRIPT(PIPE, "~"), &m);
    is_text(m.need, "ascii-addresses", "goes to the converter where SMTPUTF8 is not offered");
    message_init(&m, "j\xc3\xbcrgen@x.example c@x.example", "x\n");
    m.d.converted = true;
    simple("UTF-8 address, converted",
           SCRIPT(PIPE, "<MAIL", "<RCPT TO:<c@", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", "~"),
           &m);
    is_result(&m, 0, VIADUCT_REFUSED, "5.6.7", "who has no ASCII address is refused");
    is_result(&m, 1, VIADUCT_RELAYED, "2.0.0", "the others get it");
    message_init(&m, "c@x.example", "x\n");
    m.d.smtputf8 = true;
    simple("UTF-8 header", SCRIPT(PIPE, "~"), &m);
    is_text(m.need, "ascii-addresses", "goes to the converter too");
    message_init(&m, "c@x.example", "x\n");
    m.d.smtputf8 = m.d.converted = true;
    simple("UTF-8 header, converted", SCRIPT(PIPE, "~"), &m);
    is_result(&m, 0, VIADUCT_REFUSED, "5.6.9", "what still needs SMTPUTF8 is refused");
    message_init(&m, "j\xc3\xbcrgen@x.example", "x\n");
    simple("UTF-8 offered",
           SCRIPT(UTF8_PEER, "<MAIL FROM:<a@contoso.example> BODY=8BITMIME SMTPUTF8\r\n",
                  "<RCPT TO:<j\xc3\xbcrgen@", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", "~"),
           &m);
    is_result(&m, 0, VIADUCT_RELAYED, "2.0.0", "is sent as it is");
}

/* ---- DSN ---- */

static void
dsn(void)
{
    static struct message m;
    struct gateway g;
    message_init(&m, "b@x.example c@x.example d@x.example e@x.example f@x.example", "x\n");
    m.d.ret = text_of("HDRS");
    m.d.envid = text_of("QQ+2B1");
    m.rcpts[0].notify = VIADUCT_NOTIFY_SUCCESS | VIADUCT_NOTIFY_FAILURE | VIADUCT_NOTIFY_DELAY;
    m.rcpts[0].orcpt = text_of("rfc822;B+2Bx@y.example");
    m.rcpts[1].notify = VIADUCT_NOTIFY_NEVER;
    m.rcpts[1].original = text_of("c+x@contoso.example");
    m.rcpts[2].orcpt = text_of("rfc822;d NOTIFY=NEVER");
    m.rcpts[3].original = text_of("j\xc3\xbcrg+x@contoso.example");
    m.rcpts[4].notify = VIADUCT_NOTIFY_DELAY;
    m.rcpts[4].orcpt = text_of("utf-8;j\xc3\xbc\\x{FC}rg@y.example");
    gateway_init(&g);
    run("DSN",
        SCRIPT(OPENING, ">250-fake", ">250-DSN", ">250 PIPELINING", "<MAIL", "<RCPT", "<RCPT", "<RCPT", "<RCPT",
               "<RCPT", "<DATA", "+250 1\r\n250 2\r\n250 3\r\n250 4\r\n250 5\r\n250 6\r\n354 3\r\n", "D",
               ">250 2.0.0 ok", "~"),
        &m, 1, &g,
        "EHLO gw1.contoso.example\nMAIL FROM:<a@contoso.example> RET=HDRS ENVID=QQ+2B1\n"
        "RCPT TO:<b@x.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;B+2Bx@y.example\n"
        "RCPT TO:<c@x.example> NOTIFY=NEVER ORCPT=rfc822;c+2Bx@contoso.example\n"
        "RCPT TO:<d@x.example>\n"
        "RCPT TO:<e@x.example> ORCPT=utf-8;j\\x{FC}rg\\x{2B}x@contoso.example\n"
        "RCPT TO:<f@x.example> NOTIFY=DELAY ORCPT=utf-8;j\\x{FC}\\x{FC}rg@y.example\n"
        "DATA\nx\n.\n");
    is_result(&m, 0, VIADUCT_TAKEN, "2.0.0", "a peer with DSN sends the reports itself");
    message_init(&m, "b@x.example", "x\n");
    m.d.originator = text_of("");
    m.d.ret = text_of("FULL");
    m.d.envid = text_of("bad envid");
    m.rcpts[0].notify = VIADUCT_NOTIFY_NEVER;
    m.rcpts[0].orcpt = text_of("rfc822;b@x.example");
    gateway_init(&g);
    run("no DSN", SCRIPT(PIPE, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", "~"),
        &m, 1, &g, "EHLO gw1.contoso.example\nMAIL FROM:<> SIZE=3\nRCPT TO:<b@x.example>\nDATA\nx\n.\n");
}

static void
injection(void)
{
    static const char *const bad[] = {
        "b@x.example>\r\nRCPT", "b@x.example> NOTIFY=NEVER", "b\x01@x", "\"b@x.example", "b@x.example\n",
        "<b@x.example"};
    static struct message m;
    message_init(&m, "c@x.example", "x\n");
    m.d.n_recipients = 1 + COUNT_OF(bad);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        m.rcpts[1 + i].address = text_of(bad[i]);
        m.rcpts[1 + i].responsible = true;
    }
    simple("bad recipients",
           SCRIPT(PIPE, "<MAIL", "<RCPT TO:<c@x.example>\r\n", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D",
                  ">250 ok", "~"),
           &m);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        is_result(&m, 1 + i, VIADUCT_REFUSED, "5.1.3", "an address cannot add to a command");
    is_result(&m, 0, VIADUCT_RELAYED, "2.0.0", "and harms nobody else");
    message_init(&m, "c@x.example", "x\n");
    m.d.originator = text_of("a@x> SIZE=1");
    simple("bad sender", SCRIPT(PIPE, "~"), &m);
    is_result(&m, 0, VIADUCT_REFUSED, "5.1.7", "nor can the sender's");
    message_init(&m, "\"b>c\"@x.example", "x\n");
    simple("quoted bracket",
           SCRIPT(PIPE, "<MAIL", "<RCPT TO:<\"b>c\"@x.example>\r\n", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n",
                  "D", ">250 ok", "~"),
           &m);
    is_result(&m, 0, VIADUCT_RELAYED, "2.0.0", "within quotes a bracket is an address's right");
    message_init(&m, "b@x.example c@x.example", "x\n");
    m.rcpts[1].responsible = false;
    simple("listed only",
           SCRIPT(PIPE, "<MAIL", "<RCPT TO:<b@", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", "~"),
           &m);
    is_int(m.results[1].times, 0, "who is only listed is not sent to");
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    pipelined();
    stepwise();
    helo();
    many();
    mixed();
    none_accepted();
    none_accepted_stepwise();
    refused_whole();
    early_refusal();
    too_big();
    eightbit();
    utf8();
    dsn();
    injection();
    return tap_done();
}
