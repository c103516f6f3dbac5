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
    return tap_done();
}
