/* gwise-status-t.c - what GroupWise says of a message becomes the report that its sender asked for, and no other */
#include "t/gwise_convert_rig.h"

static const char asking[] =
    "From: anna@exchange.example\nTo: crew@gw.example\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= ^x\n"
    "Message-ID: <m1@exchange.example>\nDisposition-Notification-To: anna@exchange.example\n\nhello\n",
                  plain[] = "From: anna@exchange.example\nTo: crew@gw.example\nSubject: Hi\nMessage-ID: "
                            "<m2@exchange.example>\n\nhello\n";

static const struct viaduct_recipient_out wanting[] = {
    {.address = TEXT("HARBOUR.Quay.crew"),
     .original = TEXT("crew@gw.example"),
     .orcpt = TEXT("rfc822;Cr+2Bew@gw.example"),
     .notify = VIADUCT_NOTIFY_SUCCESS | VIADUCT_NOTIFY_FAILURE,
     .kind = 1,
     .responsible = true},
    {.address = TEXT("HARBOUR.Quay.mute"),
     .original = TEXT("mute@gw.example"),
     .notify = VIADUCT_NOTIFY_NEVER,
     .kind = 1,
     .responsible = true},
};

#define STATUS(who, action, id)                                                                                \
    "Wpc-Api= 1.2; \r\nMsg-Type= Mail; \r\nFrom= \r\n WPD= HARBOUR; WPPO= Quay; WPU= " who "; ; \r\n" TO       \
    "Orig-Msg-ID= " id "; \r\nStatus-Report= \r\n Action= " action "; Time= 1/2/2026 9:0:0; ; \r\n-END-\r\n"

#define ID "VIADUCT-0123456789ABCDEFGHJKMNPQRS"

/* Sends a status in; the message that it becomes, or "" and the reason. */
static const char *
status(const char *header, struct world *world, enum viaduct_converted want, const char *name)
{
    struct buf item = make_item(header, strlen(header), NULL, NULL);
    clear_world(world);
    is_int(inwards(world, &item), want, "%s", name);
    buf_clear(&item);
    return world->output.len > 0 ? world->output.at : "";
}

static void
test_outwards(void)
{
    struct world world = {0};
    forget_all();
    is_int(outwards_to(&world, asking, sizeof asking - 1, wanting, 2), VIADUCT_CONVERTED,
           "a mail that asks for reports goes out");
    struct buf header = part_of(&world.output, PART_HEADER, 0);
    ok(holds(&header, "Status-Request= Full; \r\n"), "so the gateway is asked for all statuses");
    ok(holds(&header, "strqFull"), "and the token that comes back says it");
    ok(holds(&header, "vmid" ID), "with the id by which the mail is known here");
    ok(holds(&header, " 'x^"), "and nothing of the subject can pass for one of its tags");
    is_int(n_kept, 1, "what must be known later is kept");
    is_text(kept[0].key.at, ID, "under that id");
    ok(holds(&kept[0].value, "message-id <m1@exchange.example>\n") && holds(&kept[0].value, "envid QQ+3D1\n"),
       "with the ids of the sender");
    buf_clear(&header);
    clear_world(&world);
    outwards_to(&world, plain, sizeof plain - 1, recipients, 2);
    header = part_of(&world.output, PART_HEADER, 0);
    ok(holds(&header, "Status-Request= None; \r\n"),
       "a mail that asks for nothing asks the gateway for nothing");
    buf_clear(&header);
    clear_world(&world);
    keep_error = -EIO;
    is_int(outwards(&world, plain, sizeof plain - 1), VIADUCT_CONVERT_BAD,
           "what cannot be kept holds the mail back");
    is_text(world.reason.status, "4.3.0", "for a while");
    keep_error = 0;
    clear_world(&world);
}

static void
test_notices(void)
{
    struct world out = {0}, world = {0};
    forget_all();
    outwards_to(&out, asking, sizeof asking - 1, wanting, 2);
    const char *message =
        status(STATUS("CREW", "Delivered", ID), &world, VIADUCT_CONVERTED, "delivered, and asked for");
    ok(strstr(message, "report-type=delivery-status") != NULL, "is a delivery status notification");
    ok(strstr(message, "Subject: =?utf-8?B?") != NULL &&
           strstr(message, "In-Reply-To: <m1@exchange.example>\n") != NULL,
       "about that message");
    ok(strstr(message, "Original-Envelope-Id: QQ=1\n") != NULL, "with its ENVID");
    ok(strstr(message, "Original-Recipient: rfc822;Cr+ew@gw.example\n") != NULL &&
           strstr(message, "Final-Recipient: rfc822;CREW@gw.example\n") != NULL,
       "and its ORCPT");
    ok(strstr(message, "Action: delivered\nStatus: 2.0.0\n") != NULL, "in the words for programs");
    is_text(world.originator.at != NULL ? world.originator.at : "", "", "which nobody answers");
    is_text(world.recipients.at, "1:Exchange.HQ.anna\n", "to the sender");
    message = status(STATUS("crew", "Opened", ID), &world, VIADUCT_CONVERTED, "opened, and asked for");
    ok(strstr(message, "Disposition: manual-action/MDN-sent-automatically; displayed\n") != NULL &&
           strstr(message, "From: Crew") == NULL && strstr(message, "<crew@gw.example>") != NULL,
       "is a read receipt, from the reader");
    ok(strstr(message, "Original-Message-ID: <m1@exchange.example>\n") != NULL, "about that message");
    message = status(STATUS("crew", "Purged", ID), &world, VIADUCT_CONVERTED, "purged");
    ok(strstr(message, "; deleted\n") != NULL, "is one of deletion");
    message =
        status(STATUS("crew", "Undeliverable: mailbox full", ID), &world, VIADUCT_CONVERTED, "undeliverable");
    ok(strstr(message,
              "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: x-system;Undeliverable: mailbox full\n") != NULL,
       "is a failure, in the gateway's words");
    clear_world(&out);
    clear_world(&world);
}

static void
test_not_asked(void)
{
    struct world out = {0}, world = {0};
    forget_all();
    outwards_to(&out, asking, sizeof asking - 1, wanting, 2);
    status(STATUS("mute", "Delivered", ID), &world, VIADUCT_CONVERT_NOTHING,
           "NOTIFY=NEVER: no report of success");
    ok(strstr(world.reason.text, "nobody asked") != NULL && world.output.len == 0,
       "nothing is written, the reason says why");
    status(STATUS("mute", "Undeliverable", ID), &world, VIADUCT_CONVERT_NOTHING, "nor of failure");
    clear_world(&out);
    forget_all();
    outwards_to(&out, plain, sizeof plain - 1, recipients, 2);
    status(STATUS("crew", "Delivered", ID), &world, VIADUCT_CONVERT_NOTHING, "no NOTIFY: no report of success");
    status(STATUS("crew", "Opened", ID), &world, VIADUCT_CONVERT_NOTHING,
           "no receipt was asked for: none is sent");
    const char *message =
        status(STATUS("crew", "Undeliverable", ID), &world, VIADUCT_CONVERTED, "a failure is told");
    ok(strstr(message, "Action: failed\n") != NULL, "always");
    status(STATUS("crew", "Archived", ID), &world, VIADUCT_CONVERT_NOTHING,
           "a step that mail knows nothing of is told to nobody");
    clear_world(&out);
    clear_world(&world);
}

static void
test_unknown(void)
{
    struct world out = {0}, world = {0};
    forget_all();
    const char *message = status(STATUS("crew", "Delivered", ID), &world, VIADUCT_CONVERTED,
                                 "about a message that nobody remembers");
    ok(strstr(message, "[Status of a message]\nRecipient: HARBOUR.Quay.crew\nAction: Delivered\n") != NULL,
       "it is told in words");
    outwards(&out, plain, sizeof plain - 1);
    message = status(STATUS("crew", "Accepted", ID), &world, VIADUCT_CONVERTED, "what mail has no report for");
    ok(strstr(message, "Action: Accepted\n") != NULL, "too");
    message = status(STATUS("crew", "Undeliverable", "VIADUCT-01234567\r\n       89ABCDEFGHJ  KMNPQRS"), &world,
                     VIADUCT_CONVERTED, "a folded id");
    ok(strstr(message, "Action: failed\n") != NULL, "is the same id");
    message = status("Msg-Type= Status; \r\n" FROM TO "Orig-Msg-ID= " ID
                     "; \r\nSet-Status= UNDELIVERABLE; \r\n-END-\r\n",
                     &world, VIADUCT_CONVERTED, "Set-Status in place of a report");
    ok(strstr(message, "Action: failed\n") != NULL, "says the same");
    message = status("Msg-Type= Status; \r\n" FROM TO "Orig-Msg-ID= " ID "; \r\n-END-\r\n", &world,
                     VIADUCT_CONVERTED, "a status that says nothing");
    ok(strstr(message, "[Status of a message]") != NULL, "is told in words");
    clear_world(&out);
    clear_world(&world);
}

/* A time in the future is a gateway's fault. */
static void
test_future(void)
{
    struct world out = {0}, world = {0};
    forget_all();
    outwards(&out, plain, sizeof plain - 1);
    const char *message =
        status("Msg-Type= Mail; \r\n" FROM TO "Orig-Msg-ID= " ID
               "; \r\nStatus-Report= \r\n Action= Undeliverable; Time= 1/2/2199 9:0:0; ; \r\n-END-\r\n",
               &world, VIADUCT_CONVERTED, "a status of the year 2199");
    ok(strstr(message, "Last-Attempt-Date: ") != NULL && strstr(message, "2199") == NULL, "happened now");
    clear_world(&out);
    clear_world(&world);
}

/* The answer of a person there is a reply here. */
static void
test_thread(void)
{
    struct world out = {0}, world = {0};
    forget_all();
    outwards(&out, plain, sizeof plain - 1);
    struct buf header = part_of(&out.output, PART_HEADER, 0), reply = {0};
    const char *token = strstr(header.at, "CDBA= ");
    buf_printf(&reply,
               "Msg-Type= Mail; \r\n" FROM
               "To= \r\n WPD= Exchange; WPPO= HQ; WPU= anna; \r\n %.*s; ; \r\nSubject= Re: Hi; \r\n-END-\r\n",
               token != NULL ? (int)strcspn(token, ";") : 0, token != NULL ? token : "");
    const char *message = status(reply.at, &world, VIADUCT_CONVERTED, "a reply to it");
    ok(strstr(message, "In-Reply-To: <m2@exchange.example>\nReferences: <m2@exchange.example>\n") != NULL,
       "belongs to it here as well");
    buf_clear(&reply);
    buf_clear(&header);
    clear_world(&out);
    clear_world(&world);
}

/* ---- reports of the host's, towards GroupWise ---- */

#define MID "<4003A1B2.7C1D.000B.000@HARBOUR.gwise.invalid>"
#define DSN(action, more)                                                                                      \
    "From: postmaster@exchange.example\nTo: crew@gw.example\nSubject: report\nDate: Wed, 25 Nov 2026 "         \
    "09:00:00 +0000\n"                                                                                         \
    "Content-Type: multipart/report; report-type=delivery-status; boundary=B\n\n--B\nContent-Type: "           \
    "text/plain\n\nwords\n"                                                                                    \
    "--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: "                \
    "rfc822;anna@exchange.example\n"                                                                           \
    "Action: " action "\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no; such\n" more                            \
    "--B\nContent-Type: text/rfc822-headers\n\nMessage-ID: " MID "\n--B--\n"

static void
came_in(void)
{
    struct world world = {0};
    static const char header[] =
        "Msg-Type= Mail; \r\n" FROM TO "Msg-Id= 4003A1B2.7C1D.000B.000; \r\nSubject= s; \r\n"
        "Status-Request= Full; \r\n-END-\r\n";
    const char *message =
        status(header, &world, VIADUCT_CONVERTED, "a mail of GroupWise's that asks for statuses");
    ok(strstr(message, "\nDisposition-Notification-To: <crew@gw.example>\n") != NULL,
       "asks the host for a receipt");
    clear_world(&world);
}

/* Sends a report out; the header file that it becomes. */
static struct buf
report(const char *text, const char *name)
{
    struct world world = {0};
    is_int(outwards_to(&world, text, strlen(text), recipients, 1), VIADUCT_CONVERTED, "%s", name);
    struct buf header = part_of(&world.output, PART_HEADER, 0);
    clear_world(&world);
    return header;
}

static void
test_reports(void)
{
    gateway.options[1][0] = "convert.reports";
    gateway.options[1][1] = "status";
    forget_all();
    came_in();
    struct buf header = report(DSN("failed", ""), "a failure that the host reports");
    is_text(
        header.at,
        "Wpc-Api= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= Mail; \r\nMsg-Id= " ID "; \r\n"
        "Orig-Msg-ID= 4003A1B2.7C1D.000B.000; \r\n"
        "From= \r\n    WPD= Exchange; \r\n    WPPO= HQ; \r\n    WPU= anna; \r\n    CDBA= Exchange.HQ.anna;  "
        "; \r\n"
        "To= \r\n    WPD= HARBOUR; \r\n    WPPO= Quay; \r\n    WPU= crew; \r\n    CDBA= HARBOUR.Quay.crew;  "
        "; \r\n"
        "Status-Report= \r\n    Action= Undeliverable: smtp\\; 550 no\\; such; \r\n    Time= 25/11/2026 "
        "9:0:0; ; \r\n-END-\r\n",
        "is a status of the message there");
    buf_clear(&header);
    header = report(DSN("relayed", ""), "what GroupWise has no status for");
    ok(holds(&header, "Msg-Type= MAIL; \r\n") && !holds(&header, "Status-Report"), "goes as a mail");
    buf_clear(&header);
    header =
        report(DSN("failed", "\nFinal-Recipient: rfc822;b@exchange.example\nAction: failed\nStatus: 5.1.1\n"),
               "a report about two");
    ok(holds(&header, "Msg-Type= MAIL; \r\n"), "goes as a mail, which says it all");
    buf_clear(&header);
    forget_all();
    header = report(DSN("failed", ""), "about a message that nobody remembers");
    ok(holds(&header, "Msg-Type= MAIL; \r\n"), "too");
    buf_clear(&header);
    gateway.options[1][1] = "mail";
    forget_all();
    came_in();
    is_int(n_kept, 0, "where reports go as mails nothing is kept for them");
    header = report(DSN("failed", ""), "and all of them");
    ok(holds(&header, "Msg-Type= MAIL; \r\n"), "are mails");
    buf_clear(&header);
    gateway.options[1][0] = NULL;
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    gateway.options[0][0] = "peer.domain";
    gateway.options[0][1] = "Exchange";
    test_outwards();
    test_notices();
    test_not_asked();
    test_unknown();
    test_future();
    test_thread();
    test_reports();
    return tap_done();
}
