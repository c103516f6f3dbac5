/* cost-session.c - SMTP sessions made to be costly: what one client can say to the server
 *
 *     cost-session [PARSER [SHAPE]]       those whose names contain these; see cost_rig.h for what is printed
 */
#include "t/smtp-server-rig.h"

#include "t/cost_rig.h"

#define TO_DATA "EHLO c\r\n" MAIL RCPT "DATA\r\n"

static const struct shape shapes[] = {
    {"recipients", "EHLO c\r\n" MAIL, "RCPT TO:<b#@host.example>\r\n", "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"},
    {"a recipient again", "EHLO c\r\n" MAIL, RCPT, "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"},
    {"unknown recipients", "EHLO c\r\n" MAIL, "RCPT TO:<unknown#@host.example>\r\n", "RSET\r\n"},
    {"recipients with ORCPT", "EHLO c\r\n" MAIL,
     "RCPT TO:<b#@host.example> ORCPT=rfc822;+41+42@x NOTIFY=NEVER\r\n", "RSET\r\n"},
    {"transactions", "EHLO c\r\n", MAIL RCPT "RSET\r\n", ""},
    {"messages", "EHLO c\r\n", MAIL RCPT "DATA\r\nSubject: #\r\n\r\nx\r\n.\r\n", ""},
    {"greetings", "", "EHLO c#\r\n", ""},
    {"unknown commands", "EHLO c\r\n", "X#\r\n", ""},
    {"empty commands", "EHLO c\r\n", "\r\n", ""},
    {"a command", "EHLO c\r\n", "xxxxxxxx", "\r\n"},
    {"parameters", "EHLO c\r\nMAIL FROM:<a@b.example>", " X#=y", "\r\n"},
    {"fields", TO_DATA, "X-#: y\r\n", "\r\nx\r\n.\r\n"},
    {"Received", TO_DATA, "Received: from h# by g; Wed, 25 Nov 2026 08:00:00 +0000\r\n", "\r\nx\r\n.\r\n"},
    {"folds", TO_DATA "Subject: x\r\n", " #\r\n", "\r\nx\r\n.\r\n"},
    {"lines with dots", TO_DATA "Subject: x\r\n\r\n", "..\r\n", ".\r\n"},
    {"a line", TO_DATA "Subject: x\r\n\r\n", "xxxxxxxxx", "\r\n.\r\n"},
    {"a line of the header", TO_DATA "Subject: ", "xxxxxxxxx", "\r\n\r\nx\r\n.\r\n"},
    {"carriage returns", TO_DATA "Subject: x\r\n\r\n", "\r", "\r\n.\r\n"},
};

static void
talk(struct span script)
{
    rig_init();
    rig.root.host.limits = (struct conf_limits){.message = 16 << 20,
                                                .recipients = 1000000,
                                                .sessions = 50,
                                                .sessions_per_client = 40,
                                                .errors = 1000000,
                                                .commands = 10000000,
                                                .header = 16 << 20};
    rig.root.host.smtp.bare_newline = "normalize";
    rig_start();
    struct peer_end c = client_from(0, "127.0.0.1");
    client_hear(&c, 1);
    while (script.len > 0) {
        size_t piece = script.len < 4096 ? script.len : 4096;
        client_send(&c, script.at, piece);
        rig_turn(&c);
        buf_reset(&c.got);
        buf_reset(&rig.log);
        script.at += piece;
        script.len -= piece;
    }
    if (c.over) /* nothing here is a reason to hang up */
        abort();
    client_say(&c, "QUIT\r\n");
    rig_pump(&c, c.over);
}

static const struct parser server = {"SMTP server", talk};

int
main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        if (argc < 3 || strstr(shapes[i].name, argv[2]) != NULL)
            cost_shape(&shapes[i], &server, 1, argc > 1 ? argv[1] : "");
    return 0;
}
