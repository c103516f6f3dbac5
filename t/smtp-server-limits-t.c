/* smtp-server-limits-t.c - the SMTP server holds its limits, and knows whom it talks to (server_admit.c,
 * proxy.c, server_xclient.c) */
#include "t/smtp-server-rig.h"

static void
test_networks(void)
{
    static const char *allow[] = {"127.0.0.1", "127.0.0.16/28"}, *from[] = {"127.0.0.9/32"};
    rig_init();
    rig.root.host.smtp.allow = rig_texts(allow, 2);
    rig.root.connectors_n = 1;
    rig.connectors[0] = (struct conf_connector){
        .title = "branch", .from = rig_texts(from, 1), .limits = rig_limits(), .timeouts = rig_timeouts()};
    rig.connectors[0].limits.message = 100;
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.2");
    is_text(client_hear(&c, 2), "554 5.7.1,end", "who is not on the list is refused at once");
    ok(log_has("client [127.0.0.2]") && log_has("554 5.7.1"), "and logged");
    client_close(&c);
    c = client_from(0, "127.0.0.31");
    is_text(client_hear(&c, 1), "220", "the last address of a listed network is let in");
    client_close(&c);
    c = client_from(0, "127.0.0.32");
    is_text(client_hear(&c, 1), "554 5.7.1", "the next is not");
    client_close(&c);
    c = client_from(0, "127.0.0.9");
    is_text(client_ask(&c, "", 1), "220", "a connector's network is let in");
    client_ask(&c, "EHLO x\r\n", 1);
    is_text(client_ask(&c, "MAIL FROM:<a@b.c> SIZE=101\r\n" MAIL RCPT "DATA\r\n.\r\n", 5),
            "552 5.3.4,250 2.1.0,250 2.1.5,354,250 2.0.0", "with the connector's limits");
    ok(strstr(rig.envelope.at, "connector=branch ") != NULL, "and its name stands in the envelope");
    client_close(&c);
    rig_stop();
}

static void
test_sizes(void)
{
    static char line[1000001];
    rig_init();
    rig.root.host.limits.message = 100;
    rig_start();
    struct peer_end c = client_greeted(0);
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    memset(line, 'x', sizeof line);
    client_send(&c, line, 97);
    is_text(client_ask(&c, "\r\n.\r\n", 1), "250 2.0.0", "below the limit: taken");
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    client_send(&c, "..", 2);
    client_send(&c, line, 97);
    is_text(client_ask(&c, "\r\n.\r\n", 1), "250 2.0.0", "of the limit, dot stuffing not counted: taken");
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    client_send(&c, line, 99);
    is_text(client_ask(&c, "\r\n.\r\n", 1), "552 5.3.4", "one octet more: refused");
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    client_send(&c, line, sizeof line);
    is_text(client_ask(&c, "\r\n.\r\nNOOP\r\n", 2), "552 5.3.4,250 2.0.0",
            "far more: swallowed, refused, and on");
    is_int(rig.body.len <= 100 + 65536, 1, "what is too much is not stored");
    client_close(&c);
    rig_stop();
    rig_init();
    rig_start();
    c = client_greeted(0);
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    client_send(&c, line, 1000000);
    is_text(client_ask(&c, "\r\n.\r\n", 1), "250 2.0.0", "a line of 1,000,000 octets is taken");
    ok(rig.last_body.len == 1000001 && memcmp(rig.last_body.at, line, 1000000) == 0, "whole");
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    memset(line, '\n', 4096);
    for (size_t i = 0; i + 82 < 4096; i += 82)
        memcpy(line + i, "0123456789012345678901234567890123456789012345678901234567890123456789012345678\r\n.",
               82);
    memcpy(line + 4096 - 5, "\r\n.\r\n", 5);
    memset(line + 4018, 'y', 4096 - 5 - 4018);
    line[4018 - 1] = 'y';
    client_send(&c, line, 4096);
    is_text(client_hear(&c, 1), "250 2.0.0", "4 KiB of lines are taken");
    is_int(rig.calls, 1, "and stored by one call");
    client_close(&c);
    rig_stop();
}

/* Sends `n` RCPT commands "<prefix><i>@..." and returns how many answers began with `code`. */
static int
many_recipients(struct peer_end *c, const char *prefix, int n, const char *code)
{
    char line[100];
    int count = 0;
    for (int i = 0; i < n; i++) {
        snprintf(line, sizeof line, "RCPT TO:<%s%d@host.example>\r\n", prefix, i);
        client_say(c, line);
        if (i % 100 == 99)
            rig_turn(c);
    }
    for (int i = 0; i < n; i++)
        count += strncmp(client_hear(c, 1), code, strlen(code)) == 0;
    return count;
}

static void
test_recipients(void)
{
    rig_init();
    rig.root.host.limits.recipients = 10000;
    rig_start();
    struct peer_end c = client_greeted(0);
    client_ask(&c, MAIL, 1);
    is_int(many_recipients(&c, "r", 10000, "250 2.1.5"), 10000, "10,000 recipients are taken");
    is_text(client_ask(&c, RCPT, 1), "452 4.5.3", "one too many is put off");
    is_text(client_ask(&c, "DATA\r\nx\r\n.\r\n", 2), "354,250 2.0.0",
            "and the message is taken for the others");
    ok(strstr(rig.envelope.at, "n=10000") != NULL, "all of them");
    client_ask(&c, MAIL, 1);
    is_int(many_recipients(&c, "unknown", 10000, "550 5.1.1"), 10000,
           "10,000 unknown recipients: 10,000 refusals");
    is_text(client_ask(&c, "RSET\r\n", 1), "250 2.0.0", "and the session goes on");
    client_close(&c);
    rig_stop();
}

static void
test_counts(void)
{
    rig_init();
    rig.root.host.limits.sessions = 3;
    rig.root.host.limits.sessions_per_client = 2;
    rig.root.host.limits.errors = 3;
    rig.root.host.limits.rate = 2;
    rig.root.host.limits.commands = 12;
    rig_start();
    struct peer_end a = client_greeted(0), b = client_greeted(0), c = client_from(0, "127.0.0.1");
    is_text(client_hear(&c, 2), "421 4.7.0,end", "one session too many of one client is put off");
    client_close(&c);
    c = client_from(0, "127.0.0.2");
    is_text(client_hear(&c, 1), "220", "another client still has room");
    struct peer_end d = client_from(0, "127.0.0.3");
    is_text(client_hear(&d, 2), "421 4.7.0,end", "until there are too many in all");
    client_close(&d);
    client_close(&c);
    c = client_from(0, "127.0.0.3");
    is_text(client_hear(&c, 1), "220", "when one has gone there is room again");
    client_close(&c);
    is_text(client_ask(&a, "BLAH\r\nBLAH\r\nBLAH\r\n", 5), "500 5.5.1,500 5.5.1,500 5.5.1,421 4.7.0,end",
            "too many errors end a session");
    is_text(client_ask(&b, MAIL RCPT "DATA\r\n.\r\n" MAIL RCPT "DATA\r\n.\r\n" MAIL, 9),
            "250 2.1.0,250 2.1.5,354,250 2.0.0,250 2.1.0,250 2.1.5,354,250 2.0.0,450 4.7.1",
            "more messages a minute than allowed are put off");
    for (int i = 0; i < 11; i++)
        client_say(&b, "NOOP\r\n");
    client_say(&b, "NOOP\r\n");
    for (int i = 0; i < 11; i++)
        client_hear(&b, 1);
    is_text(client_hear(&b, 2), "421 4.7.0,end", "commands that bring no message end a session");
    client_close(&a);
    client_close(&b);
    rig_stop();
}

static void
test_early(void)
{
    rig_init();
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.1");
    client_say(&c, "EHLO early.example\r\n");
    is_text(client_hear(&c, 2), "554 5.5.1,end", "who talks before the greeting is refused");
    client_close(&c);
    c = client_from(0, "127.0.0.1");
    client_hear(&c, 1);
    is_text(client_ask(&c, "POST / HTTP/1.1\r\nMAIL FROM:<a@b.c>\r\n", 2), "554 5.5.1,end",
            "a web browser is not listened to");
    client_close(&c);
    rig_stop();
}

static void
test_trouble(void)
{
    rig_init();
    rig_start();
    struct peer_end c = client_greeted(0);
    client_ask(&c, MAIL RCPT "DATA\r\nhalf of it", 3);
    rig_pump(&c, rig.body.len > 0);
    client_close(&c);
    rig_pump(&c, rig.dropped > 0);
    ok(rig.dropped == 1 && rig.taken == 0, "a client that leaves within DATA leaves nothing behind");
    ok(log_has("refused message: the client left"), "but a line in the log");
    c = client_greeted(0);
    rig.full = true;
    is_text(client_ask(&c, MAIL "NOOP\r\n", 2), "452 4.3.1,250 2.0.0", "a full spool: 452 at MAIL, and on");
    rig.full = false;
    rig.no_room = true;
    is_text(client_ask(&c, MAIL RCPT "DATA\r\nNOOP\r\n", 4), "250 2.1.0,250 2.1.5,452 4.3.1,250 2.0.0",
            "no room at DATA: 452 and no data");
    rig.no_room = false;
    static char much[5 * 1024 * 1024];
    memset(much, 'x', sizeof much);
    rig.root.host.limits.message = 50 * 1024 * 1024;
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    client_send(&c, much, sizeof much);
    is_text(client_ask(&c, "\r\n.\r\nNOOP\r\n", 2), "452 4.3.1,250 2.0.0",
            "no room within the data: read to its end, 452");
    static const struct {
        int error;
        const char *want, *name;
    } failures[] = {
        {-EMSGSIZE, "250 2.1.0,250 2.1.5,354,552 5.3.4", "a header over its limit is refused for good"},
        {-EDQUOT, "250 2.1.0,250 2.1.5,354,452 4.3.1", "no room by quota: later"},
        {-EIO, "250 2.1.0,250 2.1.5,354,451 4.3.0", "a disk that fails: later, and not for want of room"}};
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        rig.add_result = failures[i].error;
        is_text(client_ask(&c, MAIL RCPT "DATA\r\nx\r\n.\r\n", 4), failures[i].want, "%s", failures[i].name);
    }
    rig.add_result = 0;
    rig.commit_result = -EIO;
    is_text(client_ask(&c, MAIL RCPT "DATA\r\n.\r\n", 4), "250 2.1.0,250 2.1.5,354,451 4.3.0",
            "not durable: no 250");
    rig.commit_reason = (struct viaduct_reason){"5.4.6", "it loops"};
    is_text(client_ask(&c, MAIL RCPT "DATA\r\n.\r\n", 4), "250 2.1.0,250 2.1.5,354,554 5.4.6",
            "a loop is refused for good");
    rig.commit_result = 0;
    rig.hold_commits = true;
    client_say(&c, MAIL RCPT "DATA\r\n.\r\nNOOP\r\n");
    rig_pump(&c, rig.held != NULL);
    struct linger {
        int on, seconds;
    } reset = {1, 0};
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    client_close(&c);
    for (int i = 0; i < 100; i++)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
    ok(smtp_inbound_ops.busy(rig.server), "a client that leaves before the answer: the commit goes on");
    int before = rig.taken;
    rig_commit_now(rig.held);
    for (int i = 0; i < 100; i++)
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
    ok(!smtp_inbound_ops.busy(rig.server) && rig.taken == before + 1,
       "the message is taken, and then the session ends");
    is_int(rig.connections, 0, "and is counted off");
    rig_stop();
}

static void
test_time(void)
{
    rig_init();
    rig.root.host.timeouts.command_s = 1;
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.1");
    is_text(client_hear(&c, 3), "220,421 4.4.2,end", "who says nothing is told so, and let go");
    client_close(&c);
    rig.root.host.timeouts.command_s = 300;
    c = client_greeted(0);
    rig.root.host.timeouts.session_s = 1;
    for (int i = 0; i < GUARD_TURNS && !c.over; i++) {
        rig_turn(&c);
        smtp_inbound_ops.tick(rig.server);
    }
    is_text(client_hear(&c, 2), "421 4.4.2,end", "a session ends when it has lasted too long");
    client_close(&c);
    rig_stop();
}

static void
test_drain(void)
{
    rig_init();
    rig_start();
    struct peer_end idle = client_greeted(0), busy = client_greeted(0), fresh = client_greeted(0);
    client_ask(&idle, MAIL RCPT "DATA\r\n", 3);
    client_ask(&idle, "x\r\n.\r\n", 1);
    client_ask(&busy, MAIL RCPT "DATA\r\n", 3);
    smtp_inbound_ops.drain(rig.server);
    is_text(client_hear(&idle, 2), "421 4.3.2,end",
            "ending: an idle session that has brought its mail is told");
    is_text(client_ask(&fresh, MAIL RCPT "DATA\r\n", 3), "250 2.1.0,250 2.1.5,354",
            "one that was accepted just before still brings its first message");
    is_text(client_ask(&fresh, "x\r\n.\r\n" MAIL, 3), "250 2.0.0,421 4.3.2,end", "and no second one");
    client_close(&fresh);
    is_text(client_ask(&busy, "x\r\n.\r\n" MAIL, 3), "250 2.0.0,421 4.3.2,end",
            "the others when their message is through");
    client_close(&idle);
    client_close(&busy);
    ok(!smtp_inbound_ops.busy(rig.server), "then nothing is left");
    rig_stop();
}

/* A client that sends what has long answers, and does not read. */
static void
test_deaf(void)
{
    static const char hello[] = "EHLO x\r\n";
    rig_init();
    rig.root.host.limits.commands = 1000000;
    rig_start();
    struct peer_end c = client_greeted(0);
    client_say(&c, hello);
    rig_pump(&c, answer_length(&c.got) > 0);
    size_t answer = c.got.len, bytes = 0, turns = 0;
    buf_reset(&c.got);
    for (; bytes < 32 * 1024 * 1024 && turns < 1000; turns++) {
        char block[8000];
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = hello[(bytes + i) % (sizeof hello - 1)];
        ssize_t put = send(c.fd, block, sizeof block, MSG_NOSIGNAL);
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        bytes += put > 0 ? (size_t)put : 0;
        turns = put > 0 ? 0 : turns;
    }
    size_t sent = bytes / (sizeof hello - 1);
    size_t waiting = conn_pending(rig.server->first->conn);
    ok(waiting > 0 && waiting < 256 * 1024,
       "answers to a client that does not read are bounded: %zu for %zu commands", waiting, sent);
    size_t heard = 0;
    while (heard < sent * answer) {
        rig_pump(&c, c.got.len > 0 || c.over);
        if (c.got.len == 0)
            break;
        heard += c.got.len;
        buf_reset(&c.got);
    }
    is_int(heard, sent * answer, "and all are there when it reads");
    client_close(&c);
    rig_stop();
}

struct proxied {
    const char *header;
    size_t len;
    const char *want, *client, *name;
};

static void
test_proxy(void)
{
#define V2 "\r\n\r\n\0\r\nQUIT\n"
    static const struct proxied cases[] = {
        {"PROXY TCP4 192.0.2.1 10.0.0.1 5000 25\r\n", 39, "220", "[192.0.2.1]", "version 1, IPv4"},
        {"PROXY TCP6 2001:db8::1 ::1 5000 25\r\n", 36, "220", "[IPv6:2001:db8::1]", "version 1, IPv6"},
        {"PROXY UNKNOWN\r\n", 15, "554 5.7.1", NULL,
         "a client that nobody knows has not the balancer's rights"},
        {"PROXY UNKNOWN 192.0.2.1 10.0.0.1 5000 25\r\n", 42, "554 5.7.1", NULL, "nor with words behind"},
        {V2 "\x21\x00\0\0", 16, "554 5.7.1", NULL, "nor in version 2 without addresses"},
        {V2 "\x21\x31\0\0", 16, "554 5.7.1", NULL, "nor from a socket without a network"},
        {V2 "\x21\x11\0\x0c\xc0\0\2\1\x0a\0\0\1\x13\x88\0\x19", 28, "220", "[192.0.2.1]", "version 2, IPv4"},
        {V2
         "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x13\x88\0\x19",
         52, "220", "[IPv6:2001:db8::1]", "version 2, IPv6"},
        {V2 "\x20\x00\0\0", 16, "220", "[127.0.0.1]", "version 2, local"},
        {V2 "\x21\x11\0\x0f\xc0\0\2\1\x0a\0\0\1\x13\x88\0\x19\4\0\0", 31, "220", "[192.0.2.1]",
         "version 2 with more behind"},
        {"PROXY TCP4 198.51.100.1 10.0.0.1 5000 25\r\n", 42, "554 5.7.1", NULL,
         "the announced client is not allowed"},
        {"EHLO x\r\n", 8, "end", NULL, "no header"},
        {"PROXY TCP4 192.0.2.1\r\n", 22, "end", NULL, "words are missing"},
        {"PROXY TCP4 2001:db8::1 ::1 5000 25\r\n", 36, "end", NULL, "the families differ"},
        {"PROXY TCP4 192.0.2.1 10.0.0.1 5000 65536\r\n", 42, "end", NULL, "no such port"},
        {"PROXY TCP4 192.0.2.1 10.0.0.1 5000 25\n", 38, "end", NULL, "a bare LF"},
        {V2 "\x31\x11\0\x0c\xc0\0\2\1\x0a\0\0\1\x13\x88\0\x19", 28, "end", NULL, "version 3"},
        {V2 "\x21\x11\0\x04\xc0\0\2\1", 20, "end", NULL, "addresses too short"},
        {V2 "\x21\x11\xff\xff", 16, "end", NULL, "far too long"},
    };
    static const char *allow[] = {"127.0.0.1", "192.0.2.0/24", "2001:db8::/32"}, *from[] = {"127.0.0.1"};
    rig_init();
    rig.root.host.smtp.allow = rig_texts(allow, 3);
    rig.root.host.smtp.proxy_from = rig_texts(from, 1);
    rig_start();
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int pieces = 0; pieces < 2; pieces++) {
            struct peer_end c = client_from(0, "127.0.0.1");
            for (size_t k = 0; pieces == 1 && k < cases[i].len; k++, rig_turn(&c))
                client_send(&c, cases[i].header + k, 1);
            if (pieces == 0)
                client_send(&c, cases[i].header, cases[i].len);
            is_text(client_hear(&c, 1), cases[i].want, "PROXY: %s%s", cases[i].name,
                    pieces ? ", byte by byte" : "");
            if (cases[i].client != NULL) {
                client_ask(&c, "EHLO x\r\n" MAIL RCPT "DATA\r\n.\r\n", 5);
                ok(strstr(rig.envelope.at, cases[i].client) != NULL, "PROXY: the client is %s",
                   cases[i].client);
            }
            client_close(&c);
        }
    rig_stop();
}

static void
test_xclient(void)
{
    static const char *from[] = {"127.0.0.5"}, *allow[] = {"127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"};
    rig_init();
    rig.root.host.smtp.allow = rig_texts(allow, 3);
    rig.root.host.smtp.xclient_from = rig_texts(from, 1);
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.5");
    client_hear(&c, 1);
    client_say(&c, "EHLO proxy.example\r\n");
    rig_pump(&c, answer_length(&c.got) > 0);
    ok(strstr(c.got.at, "XCLIENT ") != NULL, "XCLIENT is offered to listed networks");
    client_hear(&c, 1);
    is_text(client_ask(&c, "XCLIENT NAME=mx.example ADDR=192.0.2.7 PORT=77 PROTO=ESMTP LOGIN=joe\r\n", 1),
            "220", "XCLIENT begins the session anew");
    is_text(client_ask(&c, MAIL "EHLO real.example\r\n" MAIL RCPT "DATA\r\n.\r\n", 6),
            "503 5.5.1,250,250 2.1.0,250 2.1.5,354,250 2.0.0", "EHLO is needed again");
    ok(strstr(rig.envelope.at, "client=mx.example [192.0.2.7] helo=real.example") != NULL,
       "the client is the announced one");
    is_text(client_ask(&c, "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 HELO=other.example\r\n", 1), "220",
            "another over the same connection");
    client_ask(&c, "EHLO z.example\r\n" MAIL RCPT "DATA\r\n.\r\n", 5);
    ok(strstr(rig.envelope.at, "client=[IPv6:2001:db8::7] helo=z.example") != NULL, "with IPv6 and no name");
    is_text(client_ask(
                &c,
                "XCLIENT NAME=a+0D+0Ab\r\nXCLIENT NAME=a(b\r\nXCLIENT ADDR=1.2\r\nXCLIENT FOO=1\r\nXCLIENT\r\n",
                5),
            "501 5.5.4,501 5.5.4,501 5.5.4,501 5.5.4,501 5.5.4", "malformed attributes are refused");
    is_text(client_ask(&c, MAIL "XCLIENT NAME=a\r\nRSET\r\n", 3), "250 2.1.0,503 5.5.1,250 2.0.0",
            "not within a transaction");
    is_text(client_ask(&c, "XCLIENT ADDR=198.51.100.1\r\n", 2), "554 5.7.1,end",
            "a client that is not allowed is refused");
    client_close(&c);
    is_int(rig.server->peers[0].n_sessions, 0, "sessions are counted back whoever they became");
    rig_stop();
}

/* A proxy that cannot tell its client has no rights to lend. */
static void
test_unknown_client(void)
{
    static const char *const unknown[] = {"XCLIENT ADDR=[UNAVAILABLE]\r\n", "XCLIENT ADDR=[TEMPUNAVAIL]\r\n",
                                          "XCLIENT NAME=mx.example ADDR=[unavailable]\r\n"};
    static const char *from[] = {"127.0.0.5"}, *allow[] = {"127.0.0.0/8"};
    rig_init();
    rig.root.host.smtp.allow = rig_texts(allow, 1);
    rig.root.host.smtp.xclient_from = rig_texts(from, 1);
    rig_start();
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        struct peer_end c = client_from(0, "127.0.0.5");
        client_hear(&c, 1);
        client_ask(&c, "EHLO proxy.example\r\n", 1);
        is_text(client_ask(&c, unknown[i], 2), "554 5.7.1,end", "%.*s: a client in no network",
                (int)strlen(unknown[i]) - 2, unknown[i]);
        client_close(&c);
    }
    rig_stop();
}

static void
test_proxy_is_nobody(void)
{
    static const char *from[] = {"127.0.0.5"}, *allow[] = {"192.0.2.0/24"};
    rig_init();
    rig.root.host.smtp.allow = rig_texts(allow, 1);
    rig.root.host.smtp.xclient_from = rig_texts(from, 1);
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.5");
    is_text(client_hear(&c, 1), "220", "a proxy is greeted that is in no network itself");
    is_text(client_ask(&c, "EHLO proxy.example\r\n" MAIL, 2), "250,554 5.7.1",
            "and may send nothing of its own");
    is_text(client_ask(&c, "XCLIENT NAME=mx.example\r\nEHLO proxy.example\r\n" MAIL, 3), "220,250,554 5.7.1",
            "nor for a client that it has not named by address");
    is_text(client_ask(&c, "XCLIENT ADDR=192.0.2.7\r\nEHLO real.example\r\n" MAIL RCPT, 4),
            "220,250,250 2.1.0,250 2.1.5", "only for one that is allowed");
    client_close(&c);
    c = client_from(0, "127.0.0.6");
    is_text(client_hear(&c, 2), "554 5.7.1,end", "others in no network are turned away");
    client_close(&c);
    is_int(rig.server->peers[0].n_sessions, 0, "and nobody stays counted");
    rig_stop();
}

static void
test_repeats(void)
{
    static const char *listen[] = {"127.0.0.1:0", "lmtp://127.0.0.1:0"};
    rig_init();
    rig.root.host.smtp.listen = rig_texts(listen, 2);
    rig.root.host.limits.recipients = 20000;
    rig_start();
    struct peer_end c = client_greeted(0);
    is_text(client_ask(
                &c,
                MAIL "RCPT TO:<x@branch.example> NOTIFY=NEVER\r\nRCPT TO:<X@BRANCH.example> NOTIFY=SUCCESS\r\n"
                     "RCPT TO:<y@branch.example>\r\nRCPT TO:<x@Branch.Example>\r\nDATA\r\n.\r\n",
                7),
            "250 2.1.0,250 2.1.5,250 2.1.5,250 2.1.5,250 2.1.5,354,250 2.0.0",
            "a recipient who is named again is answered as before");
    ok(strstr(rig.envelope.at, "to=x@branch.example notify=1 to=y@branch.example n=2") != NULL,
       "and gets one copy, with the parameters that were given first: %s", rig.envelope.at);
    client_ask(&c, MAIL, 1);
    is_int(many_recipients(&c, "r", 10000, "250 2.1.5"), 10000, "10,000 of them");
    is_int(many_recipients(&c, "R", 10000, "250 2.1.5"), 10000, "twice");
    is_text(client_ask(&c, RCPT "DATA\r\n.\r\n", 3), "452 4.5.3,354,250 2.0.0", "are as many as may be said");
    ok(strstr(rig.envelope.at, "n=10000") != NULL, "and 10,000 recipients");
    is_text(client_ask(&c, MAIL "RCPT TO:<r1@host.example>\r\nDATA\r\n.\r\n", 4),
            "250 2.1.0,250 2.1.5,354,250 2.0.0", "the next message knows nothing of them");
    ok(strstr(rig.envelope.at, "n=1") != NULL, "and has its recipient");
    client_close(&c);
    c = client_from(1, "127.0.0.1");
    client_hear(&c, 1);
    client_ask(&c, "LHLO a.example\r\n", 1);
    is_text(client_ask(&c, MAIL RCPT RCPT RCPT "DATA\r\n.\r\nNOOP\r\n", 9),
            "250 2.1.0,250 2.1.5,250 2.1.5,250 2.1.5,354,250 2.0.0,250 2.0.0,250 2.0.0,250 2.0.0",
            "LMTP answers the message for every RCPT that was taken, repeats too");
    client_close(&c);
    rig_stop();
}

static void
postmaster_is(const char *admin, const char *say, const char *want, const char *name)
{
    struct buf command = {0};
    rig_init();
    rig.root.admin_address = admin;
    rig_start();
    struct peer_end c = client_greeted(0);
    buf_printf(&command, MAIL "RCPT TO:%s\r\nDATA\r\n.\r\n", say);
    is_text(client_ask(&c, command.at, 4), "250 2.1.0,250 2.1.5,354,250 2.0.0", "%s", name);
    ok(strstr(rig.envelope.at, want) != NULL, "%s: %s", name, rig.envelope.at);
    buf_clear(&command);
    client_close(&c);
    rig_stop();
}

static void
test_postmaster(void)
{
    postmaster_is(NULL, "<Postmaster>", "to=Postmaster@host.example ",
                  "the postmaster without a domain is taken");
    postmaster_is("admin@branch.example", "<POSTMASTER>", "to=admin@branch.example ",
                  "and is whom admin-address names");
    postmaster_is("unknown@host.example", "<postmaster>", "to=postmaster@host.example ",
                  "unless mail for him goes nowhere");
    postmaster_is("admin@branch.example", "<postmaster@branch.example>", "to=postmaster@branch.example ",
                  "one with a domain is himself");
}

static void
test_netlist(void)
{
    static const char *const bad[] = {"10.0.0.0/33",    "10.0.0.1/8", "10.0.0", "x",
                                      "2001:db8::/129", "10.0.0.0/",  "::1/8",  ""};
    struct netlist list;
    struct why why;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *texts[] = {bad[i]};
        ok(netlist_read(&(struct conf_texts){texts, 1}, &list, &why) < 0, "no network: '%s'", bad[i]);
    }
    static const char *good[] = {"0.0.0.0/0"};
    struct net_address four, six;
    net_address_read(SPAN("255.255.255.255"), &four);
    net_address_read(SPAN("2001:db8::1"), &six);
    ok(netlist_read(&(struct conf_texts){good, 1}, &list, &why) == 0 && netlist_has(&list, &four) &&
           !netlist_has(&list, &six),
       "0.0.0.0/0 is all of IPv4 and nothing of IPv6");
    netlist_clear(&list);
}

int
main(void)
{
    test_netlist();
    test_networks();
    test_sizes();
    test_recipients();
    test_counts();
    test_early();
    test_trouble();
    test_time();
    test_drain();
    test_deaf();
    test_proxy();
    test_xclient();
    test_unknown_client();
    test_proxy_is_nobody();
    test_repeats();
    test_postmaster();
    return tap_done();
}
