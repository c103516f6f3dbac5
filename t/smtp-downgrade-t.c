/* smtp-downgrade-t.c - what a peer of 7 bits gets: pure ASCII that decodes to what was sent, and nothing
 * touched without need */
#include "conf/conf.h"
#include "systems/mime/mime_decode.h"
#include "systems/mime/mime_header.h"
#include "systems/mime/mime_walk.h"
#include "t/smtp_downgrade_rig.h"
#include "t/tap.h"

static struct rig rig;

static const char *
converted(const char *message)
{
    enum viaduct_converted answer = rig_convert(&rig, span_of(message), NULL);
    if (answer != VIADUCT_CONVERTED)
        printf("# answer %d: %s %s\n", (int)answer, rig.reason.status, rig.reason.text);
    return answer == VIADUCT_CONVERTED && rig_is_ascii(&rig) ? rig.output.at : "(not ASCII)";
}

/* The body of a field of the output, decoded. */
static const char *
decoded_field(const char *name)
{
    static struct buf text;
    struct span body;
    buf_reset(&text);
    buf_add(&text, "", 0);
    if (mime_field(buf_span(&rig.output), name, &body))
        mime_decode_text(body, &text);
    return text.at;
}

static bool
lines_fit(const struct rig *r, size_t most)
{
    size_t column = 0;
    for (size_t i = 0; i < r->output.len; i++) {
        column = r->output.at[i] == '\n' ? 0 : column + 1;
        if (column > most)
            return false;
    }
    return true;
}

/* ---- bodies ---- */

static void
test_bodies(void)
{
    static const char plain[] = "From: a@b.example\nSubject: x\nMIME-Version: 1.0\nContent-Transfer-Encoding: "
                                "8bit\n\nHello \n\tworld = 1\n";
    is_text(converted(plain), plain,
            "a message that is 7-bit already stays octet for octet, whatever its label");
    is_text(converted("From: a@b.example\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                      "Content-Transfer-Encoding: 8bit\n\nGr\xc3\xbc\xc3\x9f"
                      "e = 1 \nend\t\n"),
            "From: a@b.example\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D 1=20\nend=09\n",
            "text becomes quoted-printable; blanks that end a line are quoted");
    is_text(converted("From: a@b.example\n\nGr\xfc\xdf"
                      "e\n"),
            "From: a@b.example\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n"
            "Content-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe\n",
            "8-bit text without any label gets one that claims nothing");
    is_text(
        converted("MIME-Version: 1.0\nContent-Type: image/x\nContent-Transfer-Encoding: binary\n\n\x89PNG\n"),
        "MIME-Version: 1.0\nContent-Type: image/x\nContent-Transfer-Encoding: base64\n\niVBORw0K\n",
        "what is no text becomes base 64, with line ends as on the wire");
    is_text(
        converted("MIME-Version: 1.0\nContent-Type: text/plain; charset=koi8-r\n\n\xd0\xd2\xc9\xd7\xc5\xd4\n"),
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: "
        "base64\n\n0NLJ18XUDQo=\n",
        "text that quoted-printable would more than double becomes base 64");
    is_text(converted("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
                      "quoted-printable\n\n"
                      "a=C3=A9 \xc3\xa9=\nb\n"),
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
            "quoted-printable\n\n"
            "a=C3=A9 =C3=A9=\nb\n",
            "what is quoted already is not quoted twice; what was forgotten is");
    converted("MIME-Version: 1.0\nContent-Type: image/x\nContent-Transfer-Encoding: base64\n\niVBO\xe9Rw0K\n");
    ok(strstr(rig.output.at, "iVBO?Rw0K") != NULL && strstr(rig.report.at, "'?'") != NULL,
       "octets that base 64 ignores become others that it ignores, and it is told");
}

static void
test_long_lines(void)
{
    struct buf message = {0};
    buf_add_text(&message, "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n");
    for (int i = 0; i < 1000000; i++)
        buf_add_byte(&message, i % 100 == 50 ? '\xe9' : 'x');
    ok(rig_convert(&rig, buf_span(&message), NULL) == VIADUCT_CONVERTED && rig_is_ascii(&rig) &&
           lines_fit(&rig, 76),
       "a line of a million octets is cut into lines of 76");
    buf_reset(&message);
    buf_add_text(&message, "Subject: ");
    for (int i = 0; i < 900000; i++)
        buf_add_byte(&message, i % 3 == 1 ? '\xe9' : i % 3 == 2 ? ' ' : 'x');
    buf_add_text(&message, "\n\nx\n");
    ok(rig_convert(&rig, buf_span(&message), NULL) == VIADUCT_CONVERTED && rig_is_ascii(&rig) &&
           lines_fit(&rig, 76),
       "so is a field of 900,000");
    buf_reset(&message);
    buf_add_text(&message, "To: ");
    for (int i = 0; i < 20000; i++)
        buf_add_text(&message, "g\xc3\xa9: (\xe9 (( \xc3\xa9@x.example,");
    buf_add_text(&message, "\n\nx\n");
    ok(rig_convert(&rig, buf_span(&message), NULL) == VIADUCT_CONVERTED && rig_is_ascii(&rig),
       "so is a list of groups and comments that never end");
    buf_clear(&message);
}

/* ---- structure ---- */

static void
test_structure(void)
{
    static const char head[] =
        "From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==b\"\n";
    struct buf message = {0}, want = {0};
    buf_printf(&message,
               "%sContent-Transfer-Encoding: 8bit\n\nPreamble \xe9\n--==b\n\nplain \xe9\n--==b\nContent-Type: "
               "text/plain\n\nascii \n",
               head);
    buf_printf(&message, "--==b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: "
                         "\xc3\xa9\n\ninner \xc3\xa9\n--==b--\nEpilogue \xe9\n");
    buf_printf(&want,
               "%sContent-Transfer-Encoding: 7bit\n\nPreamble ?\n--==b\nContent-Type: text/plain; "
               "charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\nplain "
               "=E9\n--==b\nContent-Type: text/plain\n\nascii \n",
               head);
    buf_printf(
        &want,
        "--==b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: =?utf-8?B?w6k=?=\n"
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: "
        "quoted-printable\n\n"
        "inner =C3=A9\n--==b--\nEpilogue ?\n");
    is_text(converted(message.at), want.at,
            "parts are encoded each for itself, a message within in its parts; what is 7-bit stays");
    ok(strstr(rig.report.at, "2 octets") != NULL, "what stands between parts is lost, and it is told");
    converted("MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n\n--s\nContent-Type: "
              "text/plain\n\n\xe9\n--s\n"
              "Content-Type: application/pgp-signature\n\nsig\n--s--\n");
    ok(strstr(rig.broken.at, "multipart/signed") != NULL,
       "a signature over what had to be encoded is reported as broken");
    converted("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: "
              "multipart/signed; boundary=s\n\n"
              "--s\nContent-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\nx\n--s\nContent-Type: "
              "a/b\n\nsig\n--s--\n--m\n\n\xe9\n--m--\n");
    ok(strstr(rig.output.at, "Content-Transfer-Encoding: 8bit\n\nx\n") != NULL && rig.report.len == 0,
       "what is signed and 7-bit keeps even its label");
    converted("Content-Type: multipart/mixed\n\n--x\n\n\xe9\n--x--\n");
    ok(strstr(rig.output.at, "Content-Type: text/plain; charset=unknown-8bit\n") != NULL &&
           strstr(rig.output.at, "=E9") != NULL,
       "a multipart without boundary goes as the text it is");
    converted("Content-Type: multipart/mixed; boundary=b\n\n--x\n\n\xe9\n--x--\n");
    ok(strstr(rig.output.at, "Content-Type: text/plain; charset=unknown-8bit\n") != NULL &&
           strstr(rig.output.at, "=E9") != NULL,
       "and so does one whose boundary never comes");
    converted("Content-Type: message/global\n\nFrom: \xc3\xa9@x.example\n\nx\n");
    ok(strstr(rig.output.at, "Content-Type: message/rfc822\n") != NULL,
       "message/global becomes message/rfc822");
    converted("Content-Type: message/delivery-status\n\nDiagnostic: \xe9\n");
    ok(strstr(rig.output.at, "\n\nDiagnostic: ?\n") != NULL && rig.report.len > 0,
       "what may not be encoded loses octets, and it is told");
    buf_clear(&message);
    buf_clear(&want);
}

static void
refused(const struct buf *message, const char *name)
{
    enum viaduct_converted answer = rig_convert(&rig, buf_span(message), NULL);
    ok(answer == VIADUCT_CONVERT_REFUSED && strcmp(rig.reason.status, "5.6.3") == 0 && rig.output.len == 0,
       "%s", name);
}

static void
test_limits(void)
{
    struct buf message = {0};
    for (int high = 1; high >= 0; high--) {
        buf_reset(&message);
        for (int i = 0; i < 1000; i++)
            buf_printf(&message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
        buf_add_text(&message, high ? "\n\xe9\n" : "\nx\n");
        if (high)
            refused(&message,
                    "1,000 multiparts within each other are refused where the innermost is not ASCII");
        else
            ok(rig_convert(&rig, buf_span(&message), NULL) == VIADUCT_CONVERTED &&
                   rig.output.len == message.len && memcmp(rig.output.at, message.at, message.len) == 0,
               "and copied where all is ASCII");
    }
    buf_reset(&message);
    for (int i = 0; i < 1000; i++)
        buf_add_text(&message, "Content-Type: message/rfc822\n\n");
    buf_add_text(&message, "\n\xe9\n");
    refused(&message, "so are 1,000 messages");
    buf_reset(&message);
    buf_add_text(&message, "Content-Type: multipart/mixed; boundary=b\n\n");
    for (int i = 0; i < 10001; i++)
        buf_add_text(&message, "--b\n\nx\n");
    buf_add_text(&message, "--b\n\n\xe9\n--b--\n");
    refused(&message, "so are more than 10,000 parts");
    buf_reset(&message);
    buf_add_text(&message, "X: ");
    for (int i = 0; i < 2000000; i++)
        buf_add_byte(&message, 'x');
    buf_add_text(&message, "\n\n\xe9\n");
    refused(&message, "so is a header of two million octets before a body that is not ASCII");
    buf_reset(&message);
    buf_add_text(&message,
                 "Content-Type: multipart/mixed; boundary=\"\xc3\xa9\"\n\n--\xc3\xa9\n\nx\n--\xc3\xa9--\n");
    refused(&message, "so is a boundary that is not ASCII");
    buf_clear(&message);
}

/* ---- headers ---- */

static void
test_text_fields(void)
{
    converted("Subject: Re: =?utf-8?Q?=C3=A4?= \xc3\xb6 and \xc3\xbc \xc3\xbc\n =?utf-8?Q?=C3=A4?= "
              "end\nX-Plain: as  it\n is\n\nx\n");
    is_text(decoded_field("Subject"), "Re: \xc3\xa4 \xc3\xb6 and \xc3\xbc \xc3\xbc \xc3\xa4 end",
            "words that are not ASCII are encoded, with the blanks that readers would drop");
    ok(strstr(rig.output.at, " and") != NULL && strstr(rig.output.at, "and=") == NULL &&
           strstr(rig.output.at, "X-Plain: as  it\n is\n") != NULL,
       "words and fields that are ASCII stay");
    converted("Subject: \xe9\n\nx\n");
    is_text(rig.output.at, "Subject: =?unknown-8bit?Q?=E9?=\n\nx\n",
            "text of unknown character set is said to be so");
    converted("Subject: "
              "\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80"
              "\xf0\x9f\x9a\x80"
              "\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80\xf0\x9f\x9a\x80"
              "\xf0\x9f\x9a\x80\n\nx\n");
    ok(lines_fit(&rig, 76) && strstr(decoded_field("Subject"), "\xef\xbf\xbd") == NULL,
       "long runs are folded between characters");
    converted(
        "Date: Wed, 25 Nov 2026 08:00:00 +0100 (Mitteleurop\xe4ische (Zeit))\nKeywords: a, \xc3\xa9 b\n\nx\n");
    ok(strstr(rig.output.at, "Date: Wed, 25 Nov 2026 08:00:00 +0100 (=?unknown-8bit?") != NULL,
       "a comment is encoded within its parentheses");
    converted("Message-ID: <\xc3\xa9@x.example>\nReceived: from \xc3\xa9.example by b.example for "
              "<\xc3\xa9@b.example>;\n Wed, 25 Nov 2026 08:00:00 +0000\n"
              "junk \xe9\n\nx\n");
    is_text(rig.output.at,
            "Downgraded-Message-ID: =?utf-8?B?PMOpQHguZXhhbXBsZT4=?=\n"
            "Received: from xn--9ca.example by b.example; Wed, 25 Nov 2026 08:00:00 +0000\njunk ?\n\nx\n",
            "identifiers and trace are kept as far as ASCII goes");
    is_text(
        converted("Message-ID: <1@x.example> (\xc3\xa9)\nOriginal-Recipient: utf-8; \xc3\xa9@x.example\n\nx\n"),
        "Message-ID: <1@x.example> (=?utf-8?B?w6k=?=)\n"
        "Downgraded-Original-Recipient: utf-8; =?utf-8?B?w6lAeC5leGFtcGxl?=\n\nx\n",
        "an identifier with a comment stays one; a typed address is kept under another name");
    is_text(
        converted("List-Post: <mailto:b\xc3\xa9@x.example> (b\xc3\xa9 only), <http://x.example/?q=1>\n\nx\n"),
        "List-Post: <mailto:b%C3%A9@x.example> (=?utf-8?Q?b=C3=A9_only?=),\n <http://x.example/?q=1>\n\nx\n",
        "in a URI each octet of a character is written as a URI has it");
}

static void
test_address_fields(void)
{
    is_text(converted("From: J\xc3\xbcrgen \"M. (x)\" <j@x.example>, plain <p@x.example> (\xc3\xa9)\n\nx\n"),
            "From: =?utf-8?Q?J=C3=BCrgen?= \"M. (x)\" <j@x.example>, plain <p@x.example>\n "
            "(=?utf-8?B?w6k=?=)\n\nx\n",
            "display names and comments become encoded words; quotes hold what they held");
    is_text(converted("From: \"M\xc3\xbcller, J.\" <j@x.example>\n\nx\n"),
            "From: =?utf-8?B?TcO8bGxlciwgSi4=?= <j@x.example>\n\nx\n",
            "a quoted name is encoded without its quotes");
    is_text(converted("To: <a@b\xc3\xbc"
                      "cher.example>, c@d.example\n\nx\n"),
            "To: <a@xn--bcher-kva.example>, c@d.example\n\nx\n", "domains become A-labels");
    is_text(converted("To: =?utf-8?Q?=C3=A4?= <\xc3\xa9@x.example>, c@d.example\n\nx\n"),
            "To: =?utf-8?Q?=C3=A4?= =?utf-8?B?IMOpQHguZXhhbXBsZQ==?= :;, c@d.example\n\nx\n",
            "a local part that has no ASCII form is shown as an empty group's name");
    ok(rig.report.len > 0, "and it is told");
    is_text(converted("Cc: Crew: a@x.example, \xc3\xa9@x.example;, c@d.example\n\nx\n"),
            "Cc: Crew =?utf-8?B?YUB4LmV4YW1wbGUsIMOpQHguZXhhbXBsZQ==?= :;, c@d.example\n\nx\n",
            "in a group, the group's list is shown");
    is_text(converted("Cc: Cr\xc3\xa9w: a@x.example;\n\nx\n"), "Cc: =?utf-8?B?Q3LDqXc=?= : a@x.example;\n\nx\n",
            "a group's name is a phrase");
}

static void
test_parameters(void)
{
    is_text(converted(
                "MIME-Version: 1.0\nContent-Type: application/pdf; name=\"\xc3\xa9 1.pdf\"\n"
                "Content-Disposition: attachment; size=1;\n filename=\xe9.pdf; x*0=\"a\"; x*1=\"\xe9\"\n\nx\n"),
            "MIME-Version: 1.0\nContent-Type: application/pdf; name*=utf-8''%C3%A9%201.pdf\n"
            "Content-Disposition: attachment; size=1; filename*=unknown-8bit''%E9.pdf;\n x*0=\"a\"; "
            "x*1=\"?\"\n\nx\n",
            "parameters are extended ones; what is ASCII stays");
    converted("Content-Type: multipart/mixed; x=a\"b; boundary=\"b\" (\xe9)\n\n--b\n\n\xe9\n--b--\n");
    ok(strstr(rig.output.at, "boundary=\"b\"\n") != NULL && strstr(rig.output.at, "\n\n=E9\n--b--\n") != NULL,
       "a boundary stays what it was, whatever stands around it");
    struct buf message = {0}, name = {0};
    struct span body;
    buf_add_text(&message, "Content-Disposition: attachment; filename=\"");
    for (int i = 0; i < 40; i++)
        buf_add_text(&message, "\xe2\x82\xac e");
    buf_add_text(&message, "\"\n\nx\n");
    converted(message.at);
    ok(mime_field(buf_span(&rig.output), "Content-Disposition", &body) &&
           mime_parameter(body, "filename", &name) && name.len == 200 &&
           memcmp(name.at, strchr(message.at, '"') + 1, 200) == 0,
       "a long one is cut into sections that join to the same");
    ok(lines_fit(&rig, 76), "that fit their lines");
    buf_clear(&message);
    buf_clear(&name);
}

/* ---- signatures of mail systems ---- */

#define DKIM "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=1;\n h = from : Subject\n : to; bh=A=; b=A=\n"

static void
test_seals(void)
{
    converted(DKIM "From: a@x.example\nSubject: x\nX-Other: \xc3\xa9\n\nx\n");
    is_text(rig.broken.at, "", "a DKIM signature that covers nothing of what was changed still holds");
    converted(DKIM "From: a@x.example\nSubject: \xc3\xa9\n\nx\n");
    is_text(rig.broken.at,
            "the DKIM signature of x.example no longer holds: a field that it covers had to be written anew\n",
            "one that covers a field that was is told of");
    converted(DKIM
              "From: a@x.example\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n\xc3\xa9\n");
    is_text(rig.broken.at, "the DKIM signature of x.example no longer holds: the body had to be written anew\n",
            "and so is any where the body was");
    converted(DKIM "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a/b; "
                   "name=\"\xc3\xa9\"\n\nx\n--b--\n");
    ok(strstr(rig.broken.at, "the body") != NULL, "to which the header of a part belongs");
    converted("ARC-Message-Signature: i=1; d=y.example; h=to:mime-version\n" DKIM "From: a@x.example\nSubject: "
              "x\n\n\xc3\xa9\n");
    ok(strstr(rig.broken.at, "ARC signature of y.example") &&
           strstr(rig.broken.at, "DKIM signature of x.example"),
       "each is told of, ARC's too");
    converted("DKIM-Signature: d=x.example; h=message-id\nMessage-ID: <\xc3\xa9@x.example>\n\nx\n");
    ok(rig.broken.len > 0, "a field that is kept under another name was changed");
    converted("DKIM-Signature: h=from; d=\xc3\xa9.example\nFrom: a@x.example\n\nx\n");
    ok(rig.broken.len > 0 && rig_is_ascii(&rig), "so was a signature that is not ASCII itself");
    converted(
        "DKIM-Signature: h;=from; ;d\nDKIM-Signature:\nDKIM-Signature: h=:::to:\nSubject: \xc3\xa9\n\nx\n");
    is_text(rig.broken.at, "", "what is no signature covers nothing");
}

/* ---- the envelope ---- */

static void
test_envelope(void)
{
    struct viaduct_recipient_out recipients[] = {{.address = {"a@x.example", 11}, .responsible = true},
                                                 {.address = {"\xc3\xa9@x.example", 12}, .responsible = true}};
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .originator = {"s@\xc3\xa9.example", 12},
                                        .recipients = recipients,
                                        .n_recipients = 2};
    struct span message = SPAN("From: s@x.example\n\nx\n");
    is_int(rig_convert(&rig, message, &delivery), VIADUCT_CONVERTED,
           "one recipient who can be written is enough; a domain has A-labels");
    recipients[0].responsible = false;
    ok(rig_convert(&rig, message, &delivery) == VIADUCT_CONVERT_REFUSED &&
           strcmp(rig.reason.status, "5.6.7") == 0,
       "a message whose recipients all have no ASCII form is refused with 5.6.7");
    recipients[0].responsible = true;
    delivery.originator = (struct viaduct_text){"\xc3\xa9@x.example", 12};
    ok(rig_convert(&rig, message, &delivery) == VIADUCT_CONVERT_REFUSED &&
           strcmp(rig.reason.status, "5.6.7") == 0,
       "so is one whose sender has none");
}

/* ---- its surroundings ---- */

static struct conf_connector connector;

static const void *
own_connector(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return &connector;
}

static void
test_translation(void)
{
    static const struct viaduct_services services = {.size = sizeof services, .conf_connector = own_connector};
    static const char message[] =
        "From: Anna <anna@in.example>\nTo: b@x.example,\n  c@x.example\nSubject: to a@in.example\n\nx\n";
    rig.services = &services;
    connector.mapping.headers = true;
    is_text(converted(message),
            "From: Anna <anna@out.example>\nTo: b@x.example,\n  c@x.example\nSubject: to a@in.example\n\nx\n",
            "addresses of the header are translated, and nothing else");
    is_text(
        converted(
            "Cc: J\xc3\xbcrgen <j@in.example>, (x) K <@r.example:k@in.example>, \xc3\xa9@in.example\n\nx\n"),
        "Cc: =?utf-8?Q?J=C3=BCrgen?= <j@out.example>, (x) K <k@out.example>,\n "
        "=?utf-8?B?w6lAb3V0LmV4YW1wbGU=?= :;\n\nx\n",
        "so are those in a field that must change anyway");
    connector.mapping.headers = false;
    is_text(converted(message), message, "but where that is not wanted, none is");
    rig.services = NULL;
}

static void
test_failures(void)
{
    struct span message = SPAN("From: a@b.example\nContent-Type: text/plain\n\n\xe9\xe9\xe9 and more text\n");
    rig.fills = 70;
    ok(rig_convert(&rig, message, NULL) == VIADUCT_CONVERT_BAD && strcmp(rig.reason.status, "4.3.0") == 0,
       "a full disk is no fault of the message");
    rig.fills = 0;
    is_int(rig_convert(&rig, message, NULL), VIADUCT_CONVERTED, "and the next attempt is as good as the first");
}

/* ---- any message ---- */

static uint32_t seed = 1;

static unsigned
any(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void
add_any_text(struct buf *out, unsigned lines, bool high)
{
    static const char *const words[] = {"word", " ", "  ",    "\t",  "=",
                                        "=?",   ".", "From ", "-- ", "longer-word-of-some-length-that-goes-on",
                                        "\r",   "(", "\"",    ",",   "<a@b.example>"};
    static const char *const highs[] = {"\xc3\xa9", "\xe9", "\xe2\x82\xac", "\xf0\x9f\x9a\x80", "\xff", "\x80"};
    for (unsigned i = 0; i < lines; i++) {
        for (unsigned n = any(30); n > 0; n--)
            buf_add_text(out, high && any(3) == 0 ? highs[any(COUNT_OF(highs))] : words[any(COUNT_OF(words))]);
        buf_add_byte(out, '\n');
    }
}

static void
add_any_entity(struct buf *out, unsigned depth)
{
    static const char *const types[] = {"text/plain; charset=utf-8", "text/html",
                                        "application/pdf; name=\"\xc3\xa9.pdf\"", "image/png"};
    static const char *const labels[] = {"", "Content-Transfer-Encoding: 8bit\n",
                                         "Content-Transfer-Encoding: binary\n",
                                         "Content-Transfer-Encoding: 7bit\n"};
    unsigned kind = depth > 5 ? any(2) : any(4);
    if (kind == 2) {
        unsigned id = any(1000000);
        buf_printf(out, "Content-Type: multipart/%s; boundary=\"=_%u_%u\"\n%s\n",
                   any(4) > 0 ? "mixed" : "signed", depth, id, labels[any(2)]);
        add_any_text(out, any(2), any(2));
        for (unsigned n = any(4) + 1; n > 0; n--) {
            buf_printf(out, "--=_%u_%u\n", depth, id);
            add_any_entity(out, depth + 1);
            buf_add_byte(out, '\n');
        }
        buf_printf(out, "--=_%u_%u--\n", depth, id);
        add_any_text(out, any(2), any(2));
    } else if (kind == 3) {
        buf_printf(out,
                   "Content-Type: message/rfc822\n%s\nSubject: \xc3\xa9 x \xe9\nTo: \xc3\xa9 <a@b.example>\n",
                   labels[any(2)]);
        add_any_entity(out, depth + 1);
    } else {
        if (any(4) > 0)
            buf_printf(out, "Content-Type: %s\n", types[any(COUNT_OF(types))]);
        buf_add_text(out, labels[any(COUNT_OF(labels))]);
        buf_add_byte(out, '\n');
        add_any_text(out, any(6), any(2));
    }
}

/* A part's octets, decoded; base 64 of text with the line ends of the spool. */
static void
decode_part(const struct mime_part *part, struct span message, bool wire, struct buf *out)
{
    struct mime_decoder decoder;
    struct buf bytes = {0};
    mime_decoder_start(&decoder, part->encoding);
    mime_decode(&decoder, message.at + part->start, (size_t)(part->end - part->start), &bytes);
    mime_decode_end(&decoder, &bytes);
    buf_reset(out);
    buf_add(out, "", 0);
    for (size_t i = 0; i < bytes.len; i++)
        if (!(wire && bytes.at[i] == '\r' && i + 1 < bytes.len && bytes.at[i + 1] == '\n'))
            buf_add_byte(out, bytes.at[i]);
    buf_clear(&bytes);
}

static bool
same_part(const struct mime_part *was, const struct mime_part *is, struct span before, struct span after)
{
    struct buf a = {0}, b = {0};
    bool same =
        was->multipart == is->multipart && was->container == is->container && strcmp(was->type, is->type) == 0;
    if (same && !was->multipart && !was->container) {
        decode_part(was, before, false, &a);
        decode_part(is, after, is->encoding == MIME_BASE64 && was->encoding != MIME_BASE64, &b);
        /* What comes to the peer ends in a line end. */
        if (is->end == after.len && a.len > 0 && a.at[a.len - 1] != '\n' && b.len == a.len + 1)
            b.len--;
        same = a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
    }
    buf_clear(&a);
    buf_clear(&b);
    return same;
}

static ssize_t
read_span(void *arg, uint64_t offset, void *bytes, size_t size)
{
    const struct span *text = arg;
    size_t left = offset < text->len ? text->len - (size_t)offset : 0, n = left < size ? left : size;
    if (n > 0)
        memcpy(bytes, text->at + offset, n);
    return (ssize_t)n;
}

static bool
same_message(struct span before, struct span after)
{
    static const struct mime_walk_options options = {.enter_messages = true};
    struct mime_tree was, is;
    bool same = mime_walk_with(read_span, &before, &options, &was) == 0;
    same = mime_walk_with(read_span, &after, &options, &is) == 0 && same && was.n == is.n;
    for (size_t i = 0; same && i < was.n; i++)
        same = same_part(&was.parts[i], &is.parts[i], before, after);
    mime_tree_clear(&was);
    mime_tree_clear(&is);
    return same;
}

static void
test_any_message(void)
{
    struct buf message = {0};
    struct rig again = {0};
    int ascii = 0, same = 0, still = 0, pieces = 0, runs = 2000;
    for (int i = 0; i < runs; i++) {
        seed = (uint32_t)i * 2654435761u + 1;
        buf_reset(&message);
        buf_add_text(&message, "From: a@b.example\nSubject: x\nMIME-Version: 1.0\n");
        add_any_entity(&message, 0);
        bool fine = rig_convert(&rig, buf_span(&message), NULL) == VIADUCT_CONVERTED;
        ascii += fine && rig_is_ascii(&rig);
        same += fine && same_message(buf_span(&message), buf_span(&rig.output));
        again.piece = 0;
        rig_convert(&again, buf_span(&rig.output), NULL);
        still +=
            again.output.len == rig.output.len && memcmp(again.output.at, rig.output.at, rig.output.len) == 0;
        again.piece = 7;
        rig_convert(&again, buf_span(&message), NULL);
        pieces +=
            again.output.len == rig.output.len && memcmp(again.output.at, rig.output.at, rig.output.len) == 0;
    }
    is_int(ascii, runs, "any tree of parts becomes pure ASCII");
    is_int(same, runs, "has the same parts, which decode to the same octets");
    is_int(still, runs, "and converted again stays as it is");
    is_int(pieces, runs, "in whatever pieces it is read");
    buf_clear(&message);
    rig_clear(&again);
}

int
main(void)
{
    test_bodies();
    test_long_lines();
    test_structure();
    test_limits();
    test_text_fields();
    test_address_fields();
    test_parameters();
    test_seals();
    test_envelope();
    test_translation();
    test_failures();
    test_any_message();
    rig_clear(&rig);
    return tap_done();
}
