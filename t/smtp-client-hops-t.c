/* smtp-client-hops-t.c - connections of the SMTP client: fail-over, reuse, limits, and every way they end */
#include "t/smtp_fake.h"

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREET       ">220 fake", "<EHLO", ">250-fake", ">250 PIPELINING"
#define TAKE        "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok"

static struct gateway g;
static struct message m[8];

static void
begin(struct server *servers, size_t n)
{
    gateway_init(&g);
    for (size_t i = 0; i < n; i++) {
        server_listen(&servers[i]);
        gateway_hop(&g, "smtp", "127.0.0.1", servers[i].port);
    }
    for (size_t i = 0; i < COUNT_OF(m); i++)
        message_init(&m[i], "b@x.example", "x\n");
}

static void
send_one(size_t i)
{
    gateway_send(&g, &m[i]);
    gateway_run(&g, all_ended);
}

static void
end(struct server *servers, size_t n, const char *name)
{
    gateway_end(&g);
    for (size_t i = 0; i < n; i++) {
        server_stop(&servers[i], name);
        buf_clear(&servers[i].heard);
    }
    is_int(g.sessions, 0, "%s: no session is left", name);
}

/* A port where nobody listens. */
static int
closed_port(void)
{
    struct server server;
    server_listen(&server);
    close(server.listener);
    return server.port;
}

/* ---- fail-over ---- */

static void
second_hop(void)
{
    struct server s[2];
    begin(s, 2);
    g.root.host.limits.connection_messages = 1;
    gateway_begin(&g);
    server_start(&s[0], SCRIPT("@0", ">554 go away", "~"));
    server_start(&s[1], SCRIPT("@0", GREET, TAKE, "~", "@1", GREET, TAKE, "~"));
    send_one(0);
    send_one(1);
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.0.0", "where the first hop refuses, the second takes the message");
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0",
              "and the next one at once: the first is left out for a while");
    ok(!m[0].unreachable && g.reachable == 1, "which is no outage");
    is_int(g.failures, 1, "one connection failed");
    end(s, 2, "fail-over");
    is_int(s[0].accepted, 1, "the first hop was not asked again");
}

static void
outage(void)
{
    struct server s;
    begin(&s, 1);
    int port = s.port;
    close(s.listener);
    gateway_hop(&g, "smtp", "127.0.0.1", closed_port());
    gateway_begin(&g);
    gateway_send(&g, &m[0]);
    gateway_send(&g, &m[1]);
    gateway_run(&g, all_ended);
    ok(m[0].unreachable && m[1].unreachable, "with no hop left everything that waits is unreachable");
    is_text(m[0].reason.status, "4.4.1", "with a status");
    ok(strstr(m[0].reason.text, "refused") != NULL, "and the reason: %s", m[0].reason.text);
    is_int(g.reachable, 0, "and the gateway is not told that the peer is there");
    send_one(2);
    ok(m[2].unreachable, "asked again it tries again, back-off or not");
    is_int(g.failures, 4, "each hop once for each outage");

    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int one = 1;
    s.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s.listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(s.listener, 5) < 0) {
        ok(true, "the port was taken by another # SKIP");
        smtp_outbound_ops.finish(g.state);
        return;
    }
    server_start(&s, SCRIPT("@0", GREET, TAKE, "~"));
    send_one(3);
    is_result(&m[3], 0, VIADUCT_RELAYED, "2.0.0", "and as soon as the peer is back mail goes");
    is_int(g.reachable, 1, "and the gateway is told so");
    end(&s, 1, "outage");
}

static void
greeting_refuses(void)
{
    struct server s;
    begin(&s, 1);
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", ">421 4.3.2 not now", "~"));
    send_one(0);
    ok(m[0].unreachable, "a peer whose greeting refuses is not reachable");
    ok(strstr(m[0].reason.text, "421 4.3.2 not now") != NULL, "and its words are kept: %s", m[0].reason.text);
    is_text(m[0].reason.status, "4.3.2", "with its status");
    end(&s, 1, "greeting");
}

/* ---- turned away ---- */

#define TURN "<MAIL", "<RCPT", "<DATA", ">421 4.3.2 not now", "~"

/* As with a connection that is refused: the next hop is tried in the same attempt. */
static void
turned(const char *name, const char *const *script)
{
    struct server s[2];
    begin(s, 2);
    g.root.host.limits.connection_messages = 1;
    gateway_begin(&g);
    server_start(&s[0], script);
    server_start(&s[1], SCRIPT("@0", GREET, TAKE, "~", "@1", GREET, TAKE, "~"));
    send_one(0);
    send_one(1);
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.0.0", name);
    is_int(m[0].ends, 1, "once");
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", "and the next message goes there at once");
    is_int(g.reachable, 1, "the gateway is told once that mail goes");
    end(s, 2, "turned away");
    is_int(s[0].accepted, 1, "the first hop was not asked again");
}

static void
turned_by_all(void)
{
    struct server s[2];
    begin(s, 2);
    gateway_begin(&g);
    server_start(&s[0], SCRIPT("@0", GREET, TURN, "@1", GREET, TURN));
    server_start(&s[1], SCRIPT("@0", GREET, TURN, "@1", GREET, TURN));
    send_one(0);
    is_text(m[0].reason.status, "4.3.2", "turned away by each hop a message waits for its next attempt");
    ok(!m[0].unreachable && g.reachable == 0, "that is no outage: it may be this message alone");
    send_one(1);
    is_text(m[1].reason.status, "4.3.2", "so the next one has its own attempt");
    end(s, 2, "turned away by all");
    ok(s[0].accepted == 2 && s[1].accepted == 2, "of each hop once");
}

static void
turned_and_refused(void)
{
    struct server s;
    begin(&s, 1);
    gateway_hop(&g, "smtp", "127.0.0.1", closed_port());
    g.root.host.limits.concurrency = 1;
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, TURN, "@1", GREET, TAKE, "~"));
    gateway_send(&g, &m[0]);
    gateway_send(&g, &m[1]);
    gateway_run(&g, all_ended);
    ok(!m[0].unreachable && strstr(m[0].reason.text, "421 4.3.2 not now") &&
           strstr(m[0].reason.text, "refused"),
       "turned away here, refused there, a message waits: %s", m[0].reason.text);
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", "and does not take with it the one behind it");
    end(&s, 1, "turned away and refused");
}

/* 421 to MAIL beside a session that works: as with a greeting, fewer connections are wanted. */
static void
turned_beside(void)
{
    struct server s;
    begin(&s, 1);
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, TAKE, "<MAIL", "@1", GREET, TURN, "@0", "<RCPT", "<DATA",
                            "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", TAKE, "~"));
    send_one(0);
    gateway_send(&g, &m[1]);
    gateway_send(&g, &m[2]);
    gateway_run(&g, all_ended);
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", "a session that serves goes on");
    is_result(&m[2], 0, VIADUCT_RELAYED, "2.0.0", "and takes what another was turned away with");
    end(&s, 1, "turned away beside another");
}

static void
turned_away(void)
{
    turned("421 to MAIL: the next hop takes the message", SCRIPT("@0", GREET, TURN));
    turned("421 to EHLO: so it does", SCRIPT("@0", ">220 fake", "<EHLO", ">421 4.3.2 not now", "~"));
    turned("421 to STARTTLS: so it does", SCRIPT("@0", ">220 fake", "<EHLO", ">250-fake", ">250 STARTTLS",
                                                 "<STARTTLS", ">421 4.3.2 not now", "~"));
    turned_by_all();
    turned_and_refused();
    turned_beside();
}

/* A greeting of 4xx beside sessions that work: fewer connections are wanted. */
static void
fewer(void)
{
    struct server s;
    begin(&s, 1);
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, "<MAIL", "@1", ">421 too many", "~", "@0", "<RCPT", "<DATA",
                            "+250 1\r\n250 2\r\n354 3\r\n", "D", ">250 ok", TAKE, TAKE, "~"));
    for (size_t i = 0; i < 3; i++)
        gateway_send(&g, &m[i]);
    gateway_run(&g, all_ended);
    for (size_t i = 0; i < 3; i++)
        is_result(&m[i], 0, VIADUCT_RELAYED, "2.0.0", "message goes over the session that the peer allows");
    end(&s, 1, "fewer connections");
}

/* ---- reuse and limits ---- */

static void
messages_limit(void)
{
    struct server s;
    begin(&s, 1);
    g.root.host.limits.connection_messages = 2;
    g.root.host.limits.concurrency = 1;
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, TAKE, TAKE, "<QUIT", "~", "@1", GREET, TAKE, "~"));
    for (size_t i = 0; i < 3; i++)
        gateway_send(&g, &m[i]);
    gateway_run(&g, all_ended);
    is_result(&m[2], 0, VIADUCT_RELAYED, "2.0.0", "after connection-messages there is a new connection");
    end(&s, 1, "connection-messages");
}

static void
concurrency(void)
{
    struct server s;
    begin(&s, 1);
    g.root.host.limits.concurrency = 2;
    gateway_begin(&g);
    server_start(
        &s, SCRIPT("@0", GREET, "1DATA", "@1", GREET, "1DATA", "@0", TAKE, TAKE, TAKE, "@1", TAKE, "@0", "~"));
    for (size_t i = 0; i < 4; i++)
        gateway_send(&g, &m[i]);
    gateway_run(&g, all_ended);
    is_result(&m[3], 0, VIADUCT_RELAYED, "2.0.0", "what waits takes the first session that is free");
    is_int(g.most_sessions, 2, "never more sessions than concurrency allows");
    end(&s, 1, "concurrency");
}

static bool
no_sessions(struct gateway *gateway)
{
    return gateway->sessions == 0;
}

static void
idle(void)
{
    struct server s;
    begin(&s, 1);
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, TAKE, "<QUIT", "~"));
    send_one(0);
    is_int(g.sessions, 1, "a session is kept for the next message");
    gateway_run(&g, no_sessions);
    is_int(g.sessions, 0, "but not for longer than the idle time");
    end(&s, 1, "idle");
}

/* ---- ends ---- */

static void
stale(const char *name, const char *farewell)
{
    struct server s;
    begin(&s, 1);
    g.root.host.limits.concurrency = 1;
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, TAKE, "1DATA", farewell, "X", "@1", GREET, TAKE, "~"));
    gateway_send(&g, &m[0]);
    gateway_send(&g, &m[1]);
    gateway_run(&g, all_ended);
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", name);
    is_int(m[1].ends, 1, "once");
    end(&s, 1, "stale connection");
}

/* It happens again on the next connection that was used before: then the message waits for its next attempt. */
static void
stale_once(void)
{
    struct server s;
    begin(&s, 1);
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, "1DATA", "X"));
    send_one(0);
    is_result(&m[0], 0, VIADUCT_LATER, "4.4.2", "a new connection that dies at MAIL is the message's failure");
    ok(!m[0].unreachable, "and no outage");
    end(&s, 1, "fresh connection");
}

static void
lost(const char *name, const char *const *script, const char *status, bool twice)
{
    struct server s;
    begin(&s, 1);
    gateway_begin(&g);
    server_start(&s, script);
    send_one(0);
    is_result(&m[0], 0, VIADUCT_LATER, status, name);
    ok((strstr(m[0].results[0].reason.text, "twice") != NULL) == twice, "%s",
       twice ? "and it says that it may arrive twice" : "and no duplicate is to be feared");
    ok(!m[0].unreachable, "which is no outage");
    end(&s, 1, name);
}

static void
ends(void)
{
    stale("a connection that died idle costs nothing: another takes the message", "+");
    stale("nor does a 421 in front of the first answer", ">421 4.4.2 idle for too long");
    stale_once();
    lost("lost after MAIL", SCRIPT("@0", GREET, "1DATA", ">250 ok", "X"), "4.4.2", false);
    lost("421 to RCPT", SCRIPT("@0", GREET, "1DATA", ">250 ok", ">421 4.3.2 down", "."), "4.3.2", false);
    lost("lost at DATA", SCRIPT("@0", GREET, "1DATA", ">250 ok", ">250 ok", "X"), "4.4.2", false);
    lost("lost after the dot",
         SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", "X"), "4.4.2",
         true);
    lost("421 to the dot",
         SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", ">421 4.3.2 down",
                "~"),
         "4.3.2", false);
    lost("250 to DATA", SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n250 3\r\n", "."),
         "4.5.0", false);
    lost("answers that come too early",
         SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n250 4\r\n", "."), "4.5.0",
         false);
    lost("354 to MAIL", SCRIPT("@0", GREET, "1DATA", ">354 what", "."), "4.5.0", false);
    lost("no number", SCRIPT("@0", GREET, "1DATA", ">hello", "."), "4.5.0", false);
    lost("code changes", SCRIPT("@0", GREET, "1DATA", ">250-ok", ">550 no", "."), "4.5.0", false);
}

static char *
flood(size_t lines, size_t width)
{
    char *text = xmalloc(lines * (width + 7) + 2), *at = text;
    *at++ = '+';
    for (size_t i = 0; i < lines; i++) {
        memcpy(at, "250-", 4);
        memset(at + 4, 'x', width);
        at += 4 + width;
        *at++ = '\r';
        *at++ = '\n';
    }
    *at = '\0';
    return text;
}

static void
floods(void)
{
    char *wide = flood(1, 3000), *deep = flood(2000, 50);
    lost("line without end", SCRIPT("@0", GREET, "1DATA", wide, "."), "4.5.0", false);
    lost("answer without end", SCRIPT("@0", GREET, "1DATA", deep, "."), "4.5.0", false);
    free(wide);
    free(deep);
}

/* ---- time ---- */

static void
silence(const char *name, const char *const *script, const char *status, bool unreachable)
{
    struct server s;
    begin(&s, 1);
    g.root.host.timeouts = (struct conf_timeouts){
        .connect_s = 1, .greeting_s = 1, .command_s = 1, .data_s = 1, .dot_s = 1, .idle_s = 1};
    gateway_begin(&g);
    server_start(&s, script);
    send_one(0);
    is_text(m[0].reason.status, status, "silence %s ends the attempt", name);
    ok(strstr(m[0].reason.text, "timed out") != NULL, "%s: %s", name, m[0].reason.text);
    ok(m[0].unreachable == unreachable, "%s: it %s an outage", name, unreachable ? "is" : "is not");
    end(&s, 1, name);
}

static void
silences(void)
{
    silence("at the greeting", SCRIPT("@0", "."), "4.4.2", true);
    silence("at EHLO", SCRIPT("@0", ">220 hi", "."), "4.4.2", true);
    silence("at MAIL", SCRIPT("@0", GREET, "."), "4.4.2", false);
    silence("at DATA", SCRIPT("@0", GREET, "1DATA", ">250 ok", ">250 ok", "."), "4.4.2", false);
    silence("behind the dot",
            SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "D", "~"), "4.4.2",
            false);
}

/* ---- the body ---- */

static void
damaged(void)
{
    static char body[200001];
    struct server s[1];
    memset(body, 'x', sizeof body - 1);
    for (int large = 0; large < 2; large++) {
        begin(s, 1);
        gateway_begin(&g);
        message_init(&m[0], "b@x.example", large ? body : "x\n");
        m[0].damaged_at = large ? 150000 : 0;
        server_start(&s[0],
                     SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<DATA", "+250 1\r\n250 2\r\n354 3\r\n", "."));
        send_one(0);
        is_result(&m[0], 0, VIADUCT_LATER, "4.3.0", "a damaged body breaks the transfer off without its end");
        end(s, 1, large ? "damaged later" : "damaged at once");
    }
}

static void
large(void)
{
    enum { SIZE = 5 * 1000 * 1000 };
    struct server s;
    char *body = xmalloc(SIZE + 1);
    for (size_t i = 0; i < SIZE; i++)
        body[i] = i % 77 == 76 ? '\n' : i % 77 == 0 && i % 3 == 0 ? '.' : (char)('a' + i % 26);
    body[SIZE] = '\0';
    begin(&s, 1);
    gateway_begin(&g);
    message_init(&m[0], "b@x.example", body);
    server_start(&s, SCRIPT("@0", GREET, TAKE, "~"));
    send_one(0);
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.0.0", "5 MB are taken");
    ok(!m[0].out_of_order, "read in order");
    gateway_end(&g);
    server_stop(&s, "5 MB");
    char *at = memmem(s.heard.at, s.heard.len, "DATA\n", 5), *end_at = s.heard.at + s.heard.len;
    size_t i = 0, bad = 0;
    for (at += 5; at < end_at - 3 && i < SIZE; at++, i++) {
        if (at[0] == '.' && at[-1] == '\n')
            at++;
        bad += *at != body[i];
    }
    ok(i == SIZE && bad == 0, "and arrive as they were");
    buf_clear(&s.heard);
    free(body);
}

/* ---- LMTP ---- */

#define LMTP_GREET ">220 fake", "<LHLO gw1.contoso.example", ">250-fake", ">250 PIPELINING"

static void
lmtp(void)
{
    struct server s;
    begin(&s, 0);
    server_listen(&s);
    gateway_hop(&g, "lmtp", "127.0.0.1", s.port);
    gateway_begin(&g);
    message_init(&m[0], "b@x.example c@x.example d@x.example e@x.example", "x\n");
    server_start(&s, SCRIPT("@0", LMTP_GREET, "<MAIL", "<RCPT", "<RCPT", "<RCPT", "<RCPT", "<DATA",
                            "+250 0\r\n250 1\r\n550 5.1.1 2\r\n250 3\r\n250 4\r\n354 5\r\n", "D",
                            "+250 2.1.5 b\r\n452 4.", "+2.2 d\r\n", "+552 5.2.2 e\r\n", TAKE, "~"));
    gateway_send(&g, &m[0]);
    gateway_run(&g, all_ended);
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.1.5", "LMTP: each accepted recipient has an answer to the dot");
    is_result(&m[0], 1, VIADUCT_REFUSED, "5.1.1", "LMTP: one refused at RCPT has none");
    is_result(&m[0], 2, VIADUCT_LATER, "4.2.2", "LMTP: one may be full for now");
    is_result(&m[0], 3, VIADUCT_REFUSED, "5.2.2", "LMTP: and one for good");
    send_one(1);
    is_result(&m[1], 0, VIADUCT_RELAYED, "2.0.0", "LMTP: the session goes on");
    end(&s, 1, "LMTP");
}

static void
lmtp_lost(void)
{
    struct server s;
    begin(&s, 0);
    server_listen(&s);
    gateway_hop(&g, "lmtp", "127.0.0.1", s.port);
    gateway_begin(&g);
    message_init(&m[0], "b@x.example c@x.example", "x\n");
    server_start(&s, SCRIPT("@0", LMTP_GREET, "<MAIL", "<RCPT", "<RCPT", "<DATA",
                            "+250 0\r\n250 1\r\n250 2\r\n354 5\r\n", "D", ">250 2.1.5 b", "X"));
    send_one(0);
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.1.5", "LMTP: an answer that came counts");
    is_result(&m[0], 1, VIADUCT_LATER, "4.4.2", "LMTP: one that did not come is later");
    end(&s, 1, "LMTP lost");
}

static void
local_socket(void)
{
    struct server s;
    const char *folder = tap_folder();
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%.80s/lmtp", folder);
    begin(&s, 0);
    memset(&s, 0, sizeof s);
    s.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = bind(s.listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(s.listener, 5) == 0;
    ok(bound, "a local socket is there");
    g.urls[g.root.host.deliver.to.n++] = xasprintf("lmtp://%s", at.sun_path);
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", LMTP_GREET, TAKE, "~"));
    send_one(0);
    is_result(&m[0], 0, VIADUCT_RELAYED, "2.0.0", "LMTP over a local socket");
    unlink(at.sun_path);
    end(&s, 1, "local socket");

    begin(&s, 0);
    g.urls[g.root.host.deliver.to.n++] = xasprintf("lmtp://%s", at.sun_path);
    gateway_begin(&g);
    send_one(2);
    ok(m[2].unreachable, "a socket that is not there is an outage: %s", m[2].reason.text);
    end(NULL, 0, "no socket");
    rmdir(folder);
}

/* ---- the operator's ---- */

static void
add_line(void *arg, const char *text)
{
    buf_add_text(arg, text);
    buf_add_byte(arg, '\n');
}

static void
test_op(void)
{
    struct server s;
    struct buf said = {NULL, 0, 0};
    begin(&s, 1);
    gateway_hop(&g, "smtp", "localhost", closed_port());
    gateway_begin(&g);
    server_start(
        &s, SCRIPT("@0", ">220 fake ESMTP", "<EHLO", ">250-fake", ">250-SIZE 1", ">250 DSN", "<QUIT", "~"));
    is_int(smtp_outbound_ops.test(g.state, add_line, &said), 0,
           "a test goes well where one hop would take mail");
    ok(strstr(said.at, "greeting: 220 fake ESMTP") && strstr(said.at, "offers: SIZE DSN") &&
           strstr(said.at, "ready for mail"),
       "it tells each step");
    ok(strstr(said.at, "next hop smtp://localhost") && strstr(said.at, "failed: cannot connect"),
       "and what failed");
    end(&s, 1, "test");
    buf_reset(&said);
    begin(&s, 0);
    gateway_hop(&g, "smtp", "127.0.0.1", closed_port());
    gateway_begin(&g);
    is_int(smtp_outbound_ops.test(g.state, add_line, &said), -1, "and badly where none would");
    end(NULL, 0, "test in vain");
    buf_clear(&said);
}

static bool
data_begun(struct gateway *gateway)
{
    return gateway->sessions == 1;
}

static void
finishing(void)
{
    struct server s;
    begin(&s, 1);
    g.root.host.limits.concurrency = 1;
    gateway_begin(&g);
    server_start(&s, SCRIPT("@0", GREET, "."));
    gateway_send(&g, &m[0]);
    gateway_send(&g, &m[1]);
    gateway_run(&g, data_begun);
    ok(smtp_outbound_ops.busy(g.state), "with mail in hand it is busy");
    smtp_outbound_ops.finish(g.state);
    ok(m[0].ends == 1 && m[1].ends == 1 && !m[0].unreachable, "at the end what is in hand goes back");
    event_base_free(g.base);
    server_stop(&s, "finish");
    buf_clear(&s.heard);
    free((void *)(uintptr_t)g.urls[0]);
}

static void
bad_settings(void)
{
    struct viaduct_reason reason;
    static const char *const urls[] = {"maildir:///x", "smtp://", "smtps://x.example"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        gateway_init(&g);
        g.urls[0] = urls[i];
        g.root.host.deliver.to.n = 1;
        g.root.host.deliver.tls.mode = "none";
        reason.text[0] = '\0';
        is_int(smtp_outbound_ops.prepare(&fake_services, (struct viaduct_gateway *)&g, &g.state, &reason), -1,
               "%s is refused: %s", urls[i], reason.text);
        event_base_free(g.base);
    }
    gateway_init(&g);
    is_int(smtp_outbound_ops.prepare(&fake_services, (struct viaduct_gateway *)&g, &g.state, &reason), -1,
           "and so is no next hop");
    event_base_free(g.base);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    second_hop();
    outage();
    greeting_refuses();
    fewer();
    turned_away();
    messages_limit();
    concurrency();
    idle();
    ends();
    floods();
    silences();
    damaged();
    large();
    lmtp();
    lmtp_lost();
    local_socket();
    test_op();
    finishing();
    bad_settings();
    return tap_done();
}
