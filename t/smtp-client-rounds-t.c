/* smtp-client-rounds-t.c - a peer that takes fewer recipients at once than a message has gets them in several
 * transactions, at once, and each recipient keeps the answer that is his */
#include "t/smtp_fake.h"

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GREET       ">220 fake", "<EHLO", ">250-fake", ">250 PIPELINING"
#define LIMITED     ">220 fake", "<EHLO", ">250-fake", ">250-LIMITS x RCPTMAX=2 FOO=1 MAILMAX=2", ">250 PIPELINING"
#define TOO_MANY    ">452 4.5.3 too many recipients"

static struct gateway g;
static struct message m;

static void
begin(struct server *server, const char *scheme, const char *rcpts)
{
    gateway_init(&g);
    g.root.host.limits.concurrency = 1;
    server_listen(server);
    gateway_hop(&g, scheme, "127.0.0.1", server->port);
    message_init(&m, rcpts, "x\n");
}

static void
run(struct server *server, const char *name, const char *const *script)
{
    gateway_begin(&g);
    server_start(server, script);
    gateway_send(&g, &m);
    gateway_run(&g, all_ended);
    gateway_end(&g);
    server_stop(server, name);
    buf_clear(&server->heard);
    is_int(m.ends, 1, "%s: the delivery ended once", name);
    ok(!m.unreachable && !m.out_of_order,
       "%s: it is no outage, and the body was read from its beginning each time", name);
}

/* The answer that stands. */
static void
stands(size_t index, enum viaduct_outcome outcome, const char *words, const char *name)
{
    const struct result *r = &m.results[index];
    bool good = r->times > 0 && r->outcome == outcome && strstr(r->reason.text, words) != NULL;
    ok(good, "%s", name);
    if (!good)
        printf("#   %zu: outcome %d, %s '%s'\n", index, (int)r->outcome, r->reason.status, r->reason.text);
}

static void
too_many(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x c@x d@x e@x");
    run(&s, "452 4.5.3",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT TO:<a@", "<RCPT TO:<b@", "<RCPT TO:<c@", "<RCPT TO:<d@",
               "<RCPT TO:<e@", "<DATA", ">250 ok", ">250 a", ">550 5.1.1 b", ">250 c", TOO_MANY, TOO_MANY,
               ">354 go", "D", ">250 first", "<MAIL", "<RCPT TO:<d@", "<RCPT TO:<e@", "<DATA", ">250 ok",
               ">250 d", ">450 4.2.1 e is busy", ">354 go", "D", ">250 second", "~"));
    stands(0, VIADUCT_RELAYED, "250 first", "who was accepted got the message first");
    stands(1, VIADUCT_REFUSED, "550 5.1.1 b", "a refusal is not asked about again");
    stands(2, VIADUCT_RELAYED, "250 first", "the second too");
    stands(3, VIADUCT_RELAYED, "250 second", "one too many gets it in a second transaction");
    stands(4, VIADUCT_LATER, "450 4.2.1 e is busy", "where each has an answer of his own");
    is_int(m.readings, 2, "the body was sent twice");
}

/* What it said it takes is what it is asked for; a peer of one recipient a time gets all of them. */
static void
one_by_one(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x c@x");
    run(&s, "one a time",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT TO:<a@", "<RCPT TO:<b@", "<RCPT TO:<c@", "<DATA", ">250 ok",
               ">250 a", TOO_MANY, TOO_MANY, ">354 go", "D", ">250 1", "<MAIL", "<RCPT TO:<b@", "<DATA",
               ">250 ok", ">250 b", ">354 go", "D", ">554 5.7.1 not for b", "<MAIL", "<RCPT TO:<c@", "<DATA",
               ">250 ok", ">250 c", ">354 go", "D", ">250 3", "~"));
    stands(0, VIADUCT_RELAYED, "250 1", "the first has it");
    stands(1, VIADUCT_REFUSED, "554 5.7.1 not for b", "a refusal of the message is for those it was sent to");
    stands(2, VIADUCT_RELAYED, "250 3", "and the last has it");
}

static void
no_words(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x c@x d@x");
    run(&s, "452 without a word",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<RCPT", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">452 what",
               ">250 b", ">552 hm", ">452 4.2.2 d is full", ">354 go", "D", ">250 first", "<MAIL",
               "<RCPT TO:<a@", "<RCPT TO:<c@", "<DATA", ">250 ok", ">452 a is full", ">552 c is full",
               ">503 nobody", "~"));
    stands(1, VIADUCT_RELAYED, "250 first", "who was accepted has it");
    stands(0, VIADUCT_LATER, "452 a is full", "whom a round of their own does not help is deferred");
    stands(2, VIADUCT_LATER, "552 c is full", "with his own answer");
    stands(3, VIADUCT_LATER, "452 4.2.2 d is full", "what is no matter of numbers is not tried again");
    is_int(m.results[3].times, 1, "not once");
}

/* Nobody was taken: all would be the same again. */
static void
no_progress(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x");
    run(&s, "nobody at all",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<RCPT", "<DATA", ">250 ok", TOO_MANY, TOO_MANY, ">503 no", "~"));
    stands(0, VIADUCT_LATER, "452 4.5.3", "where nobody is accepted all wait for the next attempt");
    begin(&s, "smtp", "a@x b@x");
    run(&s, "not taken",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">250 a", TOO_MANY, ">354 go", "D",
               ">451 4.3.0 not now", "~"));
    stands(0, VIADUCT_LATER, "451 4.3.0 not now", "a message that is not taken now");
    stands(1, VIADUCT_LATER, "452 4.5.3", "is not tried for the others either");
}

/* Each is deferred with what he was told last, and nobody who has the message gets it again. */
static void
lost(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x c@x");
    run(&s, "lost in the second round",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">250 a", TOO_MANY,
               TOO_MANY, ">354 go", "D", ">250 first", "<MAIL", "<RCPT TO:<b@", "<DATA", ">250 ok", ">250 b",
               "X"));
    stands(0, VIADUCT_RELAYED, "250 first", "what was taken stays taken");
    stands(1, VIADUCT_LATER, "closed the connection", "who was being sent to waits");
    stands(2, VIADUCT_LATER, "closed the connection", "and who was to come after him");
}

/* Between two transactions a peer may end the session as between two messages. */
static void
other_session(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x");
    run(&s, "another session",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<RCPT", "<DATA", ">250 ok", ">250 a", TOO_MANY, ">354 go", "D",
               ">250 first", "1DATA", ">421 4.3.2 enough", "X", "@1", GREET, "<MAIL", "<RCPT TO:<b@", "<DATA",
               ">250 ok", ">250 b", ">354 go", "D", ">250 second", "~"));
    stands(0, VIADUCT_RELAYED, "250 first", "who has it");
    stands(1, VIADUCT_RELAYED, "250 second", "the rest goes over another session, at once");
}

/* Another session may know less than the first. Conversion begins anew, so it must wait. */
static void
less_able(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x");
    m.d.body_8bit = true;
    run(&s, "less able",
        SCRIPT("@0", ">220 fake", "<EHLO", ">250-fake", ">250-8BITMIME", ">250 PIPELINING", "<MAIL", "<RCPT",
               "<RCPT", "<DATA", ">250 ok", ">250 a", TOO_MANY, ">354 go", "D", ">250 first", "1DATA", "X",
               "@1", GREET, "~"));
    is_text(m.need, "", "a message that some have is not converted for the rest");
    stands(0, VIADUCT_RELAYED, "250 first", "who has it");
    stands(1, VIADUCT_LATER, "452 4.5.3", "the rest waits for the next attempt");
}

/* ---- limits that are known beforehand ---- */

static void
announced(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x c@x d@x e@x");
    run(&s, "LIMITS",
        SCRIPT("@0", LIMITED, "<MAIL", "<RCPT TO:<a@", "<RCPT TO:<b@", "<DATA", ">250 ok", ">550 5.1.1 a",
               ">550 5.1.1 b", ">503 no", "<RSET", "<MAIL", "<RCPT TO:<c@", "<RCPT TO:<d@", "<DATA", ">250 ok",
               ">250 ok", ">250 c", ">250 d", ">354 go", "D", ">250 second", "<QUIT", "~", "@1", LIMITED,
               "<MAIL", "<RCPT TO:<e@", "<DATA", ">250 ok", ">250 e", ">354 go", "D", ">250 third", "~"));
    stands(0, VIADUCT_REFUSED, "5.1.1 a", "never more than RCPTMAX are asked for");
    stands(3, VIADUCT_RELAYED, "250 second", "who was not asked for yet is, whatever became of the others");
    stands(4, VIADUCT_RELAYED, "250 third", "after MAILMAX transactions on a new connection");
    for (size_t i = 0; i < 5; i++)
        is_int(m.results[i].times, 1, "with one result for recipient %zu", i);
}

static void
configured(void)
{
    struct server s;
    begin(&s, "smtp", "a@x b@x c@x");
    g.root.host.limits.transfer_recipients = 2;
    run(&s, "transfer-recipients",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT TO:<a@", "<RCPT TO:<b@", "<DATA", ">250 ok", ">250 a", ">250 b",
               ">354 go", "D", ">250 first", "<MAIL", "<RCPT TO:<c@", "<DATA", ">250 ok", ">250 c", ">354 go",
               "D", ">250 second", "~"));
    stands(1, VIADUCT_RELAYED, "250 first", "no transaction has more recipients than are configured");
    stands(2, VIADUCT_RELAYED, "250 second", "and the others follow");
    begin(&s, "smtp", "a@x b@x c@x");
    g.root.host.limits.transfer_recipients = 2;
    run(&s, "MAIL refused",
        SCRIPT("@0", GREET, "<MAIL", "<RCPT", "<RCPT", "<DATA", ">550 5.7.1 not you", ">503 no", ">503 no",
               ">503 no", "~"));
    stands(2, VIADUCT_REFUSED, "5.7.1 not you", "a refused sender is refused for those not asked for yet");
}

static void
lmtp(void)
{
    struct server s;
    begin(&s, "lmtp", "a@x b@x c@x d@x");
    run(&s, "LMTP",
        SCRIPT("@0", ">220 fake", "<LHLO", ">250-fake", ">250 PIPELINING", "<MAIL", "<RCPT", "<RCPT", "<RCPT",
               "<RCPT", "<DATA", ">250 ok", ">250 a", ">250 b", TOO_MANY, TOO_MANY, ">354 go", "D",
               ">452 4.2.2 a is full", ">250 b has it", "<MAIL", "<RCPT TO:<c@", "<RCPT TO:<d@", "<DATA",
               ">250 ok", ">250 c", ">250 d", ">354 go", "D", ">250 c has it", ">550 5.2.1 d is gone", "~"));
    stands(0, VIADUCT_LATER, "a is full", "an answer to the dot is one's own");
    stands(1, VIADUCT_RELAYED, "b has it", "one who has it is progress enough");
    stands(2, VIADUCT_RELAYED, "c has it", "so the others follow");
    stands(3, VIADUCT_REFUSED, "d is gone", "each with his answer");
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    too_many();
    one_by_one();
    no_words();
    no_progress();
    lost();
    other_session();
    less_able();
    announced();
    configured();
    lmtp();
    return tap_done();
}
