/* smtp-server-t.c - what the SMTP and LMTP server promises its clients, command by command (server_inside.h) */
#include "t/smtp-server-rig.h"

static void
test_message(void)
{
    rig_init();
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.1");
    is_text(client_hear(&c, 1), "220", "a client is greeted");
    client_say(&c, "EHLO client.example\r\n");
    rig_pump(&c, answer_length(&c.got) > 0);
    ok(strstr(c.got.at, "250-SIZE 4194304\r\n") && strstr(c.got.at, "PIPELINING") &&
           strstr(c.got.at, "8BITMIME") && strstr(c.got.at, "DSN") && strstr(c.got.at, "SMTPUTF8") &&
           strstr(c.got.at, "ENHANCEDSTATUSCODES"),
       "the extensions are offered");
    ok(!strstr(c.got.at, "STARTTLS") && !strstr(c.got.at, "XCLIENT"), "what cannot be had is not offered");
    client_hear(&c, 1);
    is_text(client_ask(&c, MAIL, 1), "250 2.1.0", "MAIL");
    is_text(client_ask(&c, RCPT, 1), "250 2.1.5", "RCPT");
    is_text(client_ask(&c, "DATA\r\n", 1), "354", "DATA");
    is_text(client_ask(&c, "Subject: x\r\n\r\n..dot\r\nbody\r\n.\r\n", 1), "250 2.0.0", "the message is taken");
    is_bytes(rig.last_body.at, rig.last_body.len, "Subject: x\n\n.dot\nbody\n",
             "lines end in LF, dots are taken off");
    is_text(rig.envelope.at,
            "from=a@b.example client=[127.0.0.1] helo=client.example with=ESMTP to=c@host.example n=1",
            "the envelope is handed on");
    is_text(client_ask(&c, "mail from:<>\r\nrcpt to:<postmaster>\r\ndata\r\n.\r\n", 4),
            "250 2.1.0,250 2.1.5,354,250 2.0.0",
            "verbs in any case, the null path, <postmaster>, an empty message");
    ok(strstr(rig.envelope.at, "from= ") && strstr(rig.envelope.at, "to=postmaster@host.example"),
       "<postmaster> is the host's");
    is_text(client_ask(&c, "QUIT\r\n", 2), "221 2.0.0,end", "QUIT is answered and ends the session");
    client_close(&c);
    is_int(rig.connections, 0, "connections are counted up and down");
    ok(!smtp_inbound_ops.busy(rig.server), "nothing is left of a session");
    rig_stop();
}

static void
test_pipelining(void)
{
    rig_init();
    rig.hold_commits = true;
    rig_start();
    struct peer_end c = client_greeted(0);
    c.reads = 0;
    client_say(&c, MAIL RCPT RCPT "DATA\r\n");
    is_text(client_hear(&c, 4), "250 2.1.0,250 2.1.5,250 2.1.5,354",
            "a batch of commands is answered in order");
    is_int(c.reads, 1, "by one write");
    client_say(&c, "one\r\n.\r\n" MAIL RCPT "DATA\r\ntwo\r\n.\r\nQUIT\r\n");
    rig_pump(&c, rig.held != NULL);
    for (int i = 0; i < 50; i++)
        rig_turn(&c);
    is_int(c.got.len, 0, "no answer before the message is durable, nor any to what was sent ahead");
    struct viaduct_intake *first = rig.held;
    rig.held = NULL;
    rig_commit_now(first);
    is_text(client_hear(&c, 4), "250 2.0.0,250 2.1.0,250 2.1.5,354",
            "then the 250, and what was sent ahead is done");
    rig_pump(&c, rig.held != NULL);
    rig_commit_now(rig.held);
    is_text(client_hear(&c, 3), "250 2.0.0,221 2.0.0,end", "to the end");
    is_bytes(rig.last_body.at, rig.last_body.len, "two\n", "each message whole");
    client_close(&c);
    rig_stop();
}

static void
test_lmtp(void)
{
    static const char *listen[] = {"lmtp://127.0.0.1:0"};
    rig_init();
    rig.root.host.smtp.listen = rig_texts(listen, 1);
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.1");
    is_text(client_hear(&c, 1), "220", "LMTP greets");
    is_text(client_ask(&c, "EHLO a.example\r\nHELO a.example\r\nLHLO a.example\r\n", 3),
            "500 5.5.1,500 5.5.1,250", "LMTP says LHLO and nothing else");
    is_text(client_ask(&c, MAIL RCPT "RCPT TO:<unknown@host.example>\r\n" RCPT "DATA\r\n", 5),
            "250 2.1.0,250 2.1.5,550 5.1.1,250 2.1.5,354", "recipients are taken or refused");
    is_text(client_ask(&c, "x\r\n.\r\nNOOP\r\n", 3), "250 2.0.0,250 2.0.0,250 2.0.0",
            "one answer for each recipient taken, then the next command's");
    ok(strstr(rig.envelope.at, "with=LMTP ") != NULL, "LMTP stands in the envelope");
    rig.commit_result = -ENOSPC;
    rig.commit_reason = (struct viaduct_reason){"4.3.1", "full"};
    is_text(client_ask(&c, MAIL RCPT RCPT "DATA\r\nx\r\n.\r\n", 6),
            "250 2.1.0,250 2.1.5,250 2.1.5,354,452 4.3.1,452 4.3.1", "a failure too is told for each");
    is_text(client_ask(&c, MAIL "RCPT TO:<unknown@host.example>\r\nDATA\r\n", 3),
            "250 2.1.0,550 5.1.1,503 5.5.1", "no recipients: 503");
    client_close(&c);
    rig_stop();
}

struct question {
    const char *say, *want, *name;
};

static void
ask_all(const struct question *questions, size_t n, const char *before, int before_n)
{
    for (size_t i = 0; i < n; i++) {
        struct peer_end c = client_greeted(0);
        if (before_n > 0)
            client_ask(&c, before, before_n);
        client_say(&c, questions[i].say);
        is_text(client_ask(&c, "\r\n", 1), questions[i].want, "%s", questions[i].name);
        client_close(&c);
    }
}

static void
test_parameters(void)
{
    static const struct question mail[] = {
        {"MAIL FROM:<a@b.c> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=a+2Bb SMTPUTF8", "250 2.1.0",
         "all of MAIL's"},
        {"MAIL FROM: <a@b.c>  body=7bit", "250 2.1.0", "blanks after the colon and between"},
        {"MAIL FROM:<a@b.c> ENVID=a+2bb", "501 5.5.4", "xtext has upper-case digits"},
        {"MAIL FROM:<a@b.c> ENVID=a+0D+0Ab", "501 5.5.4", "no CR LF hides in an ENVID"},
        {"MAIL FROM:<a@b.c> ENVID=a+2", "501 5.5.4", "xtext is not cut off"},
        {"MAIL FROM:<a@b.c> ENVID=a=b", "501 5.5.4", "no = in xtext"},
        {"MAIL FROM:<a@b.c> ENVID=", "501 5.5.4", "no empty ENVID"},
        {"MAIL FROM:<a@b.c> RET=ALL", "501 5.5.4", "RET has two words"},
        {"MAIL FROM:<a@b.c> RET=FULL RET=FULL", "501 5.5.4", "no parameter twice"},
        {"MAIL FROM:<a@b.c> SIZE=x", "501 5.5.4", "SIZE is a number"},
        {"MAIL FROM:<a@b.c> SIZE=99999999999999999999999", "501 5.5.4", "SIZE does not overflow"},
        {"MAIL FROM:<a@b.c> SIZE=4194304", "250 2.1.0", "SIZE of the limit"},
        {"MAIL FROM:<a@b.c> SIZE=4194305", "552 5.3.4", "SIZE above the limit"},
        {"MAIL FROM:<a@b.c> BODY=BINARYMIME", "501 5.5.4", "what is not offered is refused"},
        {"MAIL FROM:<a@b.c> AUTH=<>", "555 5.5.4", "unknown parameters are refused"},
        {"MAIL FROM:<a@b.c>SIZE=1", "501 5.1.7", "a blank stands before parameters"},
        {"MAIL FROM:<\xc3\xa9@b.c>", "553 5.6.7", "a UTF-8 originator needs SMTPUTF8"},
        {"MAIL FROM:<\xc3\xa9@b.c> SMTPUTF8", "250 2.1.0", "and has it"},
        {"MAIL FROM:a@b.c", "501 5.1.7", "a path has brackets"},
        {"MAIL TO:<a@b.c>", "501 5.5.2", "MAIL says FROM"},
        {"MAIL", "501 5.5.2", "MAIL alone"},
        {"RCPT TO:<a@b.c>", "503 5.5.1", "RCPT before MAIL"},
        {"DATA", "503 5.5.1", "DATA before MAIL"},
        {"VRFY a", "252 2.0.0", "VRFY"},
        {"NOOP x", "250 2.0.0", "NOOP"},
        {"HELP", "214 2.0.0", "HELP"},
        {"RSET", "250 2.0.0", "RSET"},
        {"EXPN list", "502 5.5.1", "EXPN"},
        {"ETRN a", "502 5.5.1", "ETRN"},
        {"BDAT 5 LAST", "502 5.5.1", "BDAT"},
        {"STARTTLS", "502 5.5.1", "STARTTLS where it is not offered"},
        {"XCLIENT ADDR=1.2.3.4", "550 5.7.1", "XCLIENT where it is not allowed"},
        {"LHLO a", "500 5.5.1", "LHLO in SMTP"},
        {"EHLO", "501 5.5.4", "EHLO needs a name"},
        {"EHLO a(b", "501 5.5.4", "a name that could end a comment in Received"},
        {"BLAH", "500 5.5.1", "an unknown command"},
        {"", "500 5.5.1", "an empty command"},
        {"NOOP \x01", "500 5.5.2", "a control character"},
        {"NOOP a\rRSET", "500 5.5.2", "a CR inside"},
    };
    static const struct question rcpt[] = {
        {"RCPT TO:<c@d.e> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@z", "250 2.1.5", "all of RCPT's"},
        {"RCPT TO:<c@d.e> NOTIFY=NEVER", "250 2.1.5", "NOTIFY=NEVER"},
        {"RCPT TO:<c@d.e> NOTIFY=NEVER,DELAY", "501 5.5.4", "NEVER stands alone"},
        {"RCPT TO:<c@d.e> NOTIFY=DELAY,DELAY", "501 5.5.4", "no word twice"},
        {"RCPT TO:<c@d.e> NOTIFY=", "501 5.5.4", "NOTIFY is not empty"},
        {"RCPT TO:<c@d.e> NOTIFY=DELAY,", "501 5.5.4", "no empty word"},
        {"RCPT TO:<c@d.e> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4", "NOTIFY once"},
        {"RCPT TO:<c@d.e> ORCPT=x@y", "501 5.5.4", "ORCPT has a type"},
        {"RCPT TO:<c@d.e> ORCPT=rfc822;", "501 5.5.4", "ORCPT has an address"},
        {"RCPT TO:<c@d.e> ORCPT=rfc822;a+0Ab@c", "501 5.5.4", "no LF hides in an ORCPT"},
        {"RCPT TO:<c@d.e> ORCPT=rfc822;a+00@c", "501 5.5.4", "nor NUL"},
        {"RCPT TO:<c@d.e> ORCPT=rfc822;\xc3\xa9@c", "501 5.5.4", "nor 8-bit"},
        {"RCPT TO:<c@d.e> ORCPT=rfc822;j+C3+BC@c", "250 2.1.5",
         "UTF-8 in xtext is taken, as Postfix writes it"},
        {"RCPT TO:<c@d.e> ORCPT=rfc822;j+FC@c", "501 5.5.4", "what is no UTF-8 is not"},
        {"RCPT TO:<c@d.e> ORCPT=rf c;a@c", "501 5.5.4", "nor a blank"},
        {"RCPT TO:<c@d.e> FOO=1", "555 5.5.4", "unknown parameters are refused"},
        {"RCPT TO:<unknown@d.e>", "550 5.1.1", "an unknown recipient"},
        {"RCPT TO:<secret@d.e>", "550 5.7.1", "a forbidden one"},
        {"RCPT TO:<later@d.e>", "451 4.3.0", "one that cannot be looked up"},
        {"RCPT TO:<\xc3\xa9@d.e>", "553 5.6.7", "a UTF-8 recipient without SMTPUTF8"},
        {"RCPT TO:<>", "501 5.1.3", "no null recipient"},
        {"RCPT TO:<@a.b,@c.d:c@d.e>", "250 2.1.5", "a source route is skipped"},
        {"MAIL FROM:<a@b.c>", "503 5.5.1", "no second MAIL"},
        {"DATA x", "501 5.5.4", "DATA takes no parameters"},
        {"DATA", "503 5.5.1", "DATA needs recipients"},
    };
    rig_init();
    rig_start();
    ask_all(mail, COUNT_OF(mail), NULL, 0);
    ask_all(rcpt, COUNT_OF(rcpt), MAIL, 1);
    struct peer_end c = client_greeted(0);
    client_ask(&c,
               "MAIL FROM:<a@b.c> RET=full ENVID=Q+2B1\r\nRCPT TO:<c@d.e> NOTIFY=SUCCESS,DELAY "
               "ORCPT=rfc822;x+2By@z\r\n"
               "DATA\r\n.\r\n",
               4);
    ok(strstr(rig.envelope.at, "ret=FULL envid=Q+2B1 ") &&
           strstr(rig.envelope.at, "orcpt=rfc822;x+2By@z notify=10 "),
       "DSN parameters are handed on, xtext as it came");
    client_ask(
        &c,
        "MAIL FROM:<\xc3\xa9@b.c> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@d.e> ORCPT=utf-8;\xc3\xbc@d.e\r\nDATA\r\n.\r\n",
        4);
    ok(strstr(rig.envelope.at, "with=UTF8SMTP ") && strstr(rig.envelope.at, "to=\xc3\xbc@d.e"),
       "SMTPUTF8 is carried");
    is_text(client_ask(&c, MAIL "RCPT TO:<unknown@d.e>\r\nDATA\r\n", 3), "250 2.1.0,550 5.1.1,554 5.5.1",
            "all recipients refused: DATA is refused");
    client_close(&c);
    c = client_from(0, "127.0.0.1");
    is_text(client_ask(&c, "", 1), "220", "greeting");
    is_text(client_ask(&c, MAIL "HELO x\r\n" MAIL RCPT "DATA\r\n.\r\n", 6),
            "503 5.5.1,250,250 2.1.0,250 2.1.5,354,250 2.0.0", "MAIL after HELO, not before");
    ok(strstr(rig.envelope.at, "with=SMTP ") != NULL, "HELO is SMTP");
    is_text(client_ask(&c, "MAIL FROM:<a@b.c> SIZE=1\r\n", 1), "555 5.5.4",
            "after HELO there are no parameters");
    ok(log_has("refused unknown@d.e: 550 5.1.1 nobody of that name"),
       "a refusal is logged with who, what and why");
    client_close(&c);
    rig_stop();
}

static void
test_lines(void)
{
    static char text[3 * COMMAND_MAX];
    rig_init();
    rig_start();
    struct peer_end c = client_greeted(0);
    memset(text, 'x', sizeof text);
    memcpy(text, "NOOP ", 5);
    memcpy(text + COMMAND_MAX - 2, "\r\n", 3);
    is_text(client_ask(&c, text, 1), "250 2.0.0", "a line of 2,048 octets is taken");
    text[COMMAND_MAX - 2] = text[COMMAND_MAX - 1] = text[COMMAND_MAX] = 'x';
    memcpy(text + sizeof text - 9, "\r\nNOOP\r\n", 9);
    is_text(client_ask(&c, text, 2), "500 5.5.2,250 2.0.0",
            "a longer one is swallowed to its end, and the next is heard");
    is_text(client_ask(&c, "NOOP\nNOOP\r\n", 2), "500 5.5.2,250 2.0.0", "a bare LF ends no command");
    client_send(&c, "NOOP \0\r\n", 8);
    is_text(client_hear(&c, 1), "500 5.5.2", "nor is NUL part of one");
    for (const char *p = MAIL RCPT "DATA\r\nabc\r\n.\r\nNOOP\r\n"; *p != '\0'; p++) {
        client_send(&c, p, 1);
        rig_turn(&c);
    }
    is_text(client_hear(&c, 5), "250 2.1.0,250 2.1.5,354,250 2.0.0,250 2.0.0",
            "byte by byte is the same session");
    client_close(&c);
    rig_stop();
}

/* What several servers have taken for the end of a message, with a second message behind it. */
static void
test_smuggling(void)
{
    static const char *const ends[] = {"\n.\n",   "\n.\r\n", "\r\n.\n",    "\r.\r",
                                       "\r\n.\r", "\r.\r\n", "\r\n\n.\r\n"};
    rig_init();
    rig_start();
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct peer_end c = client_greeted(0);
        client_ask(&c, MAIL RCPT "DATA\r\n", 3);
        client_say(&c, "one");
        client_say(&c, ends[i]);
        client_say(&c, MAIL RCPT "DATA\r\ntwo\r\n.\r\n" MAIL);
        is_text(client_hear(&c, 3), "550 5.6.11,421 4.7.0,end",
                "smuggling %zu: refused at the true end, and closed", i + 1);
        client_close(&c);
    }
    is_int(rig.taken, 0, "nothing was taken");
    struct peer_end c = client_greeted(0);
    client_ask(&c, MAIL RCPT "DATA\r\n", 3);
    client_send(&c, "a\0b\r\n.\r\nNOOP\r\n", 14);
    is_text(client_hear(&c, 2), "550 5.6.0,250 2.0.0", "NUL is refused in clear words");
    client_close(&c);
    rig_stop();
    rig_init();
    rig.root.host.smtp.bare_newline = "normalize";
    rig_start();
    c = client_greeted(0);
    is_text(client_ask(&c, MAIL RCPT "DATA\r\none\n.\r\ntwo\r.\rx\r\n.\r\n", 4),
            "250 2.1.0,250 2.1.5,354,250 2.0.0", "normalising takes it");
    is_bytes(rig.last_body.at, rig.last_body.len, "one\n.\ntwo\n.\nx\n", "as one message, with whole lines");
    client_close(&c);
    rig_stop();
}

int
main(void)
{
    test_message();
    test_pipelining();
    test_lmtp();
    test_parameters();
    test_lines();
    test_smuggling();
    return tap_done();
}
