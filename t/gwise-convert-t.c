/* gwise-convert-t.c - messages become items for the gateway and items become messages, and nothing gets lost
 * between */
#include "t/gwise_convert_rig.h"

/* ---- tests ---- */

static const char mixed[] =
    "From: =?iso-8859-1?Q?Anna_M=FCller?= (HQ) <anna@exchange.example>\n"
    "To: Crew (night) <crew@gw.example>, \"Out, Side\" <out@elsewhere.example>\n"
    "Cc: jo.hn@gw.example\n"
    "Subject: =?utf-8?B?R3LDvMOfZTsg?=\n =?utf-8?Q?caf=C3=A9_=E2=82=AC?=\n"
    "Date: Wed, 22 Aug 2007 15:23:19 +0000\n"
    "Importance: High\nSensitivity: private\n"
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"out er\"\n\npreamble\n"
    "--out er\nContent-Type: multipart/alternative; boundary=in\n\n"
    "--in\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
    "H=C3=A4llo =E2=80=9Cquoted=E2=80=9D=\n soft\nsecond = line\n\n"
    "--in\nContent-Type: text/html\n\n<p>not this</p>\n--in--\n\n"
    "--out er\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
    "Content-Disposition: attachment; filename*0*=utf-8''Kran%20%C3%9C; "
    "filename*1=\"bersicht.doc\"\n\nAAEC\nAwT/\n\n"
    "--out er\nContent-Type: text/plain; name=\"../../etc/notes.txt\"\n\nline one\nline two\n"
    "--out er\nContent-Disposition: attachment; filename=empty.bin\nContent-Transfer-Encoding: base64\n\n\n"
    "--out er\nContent-Type: message/rfc822\n\nSubject: inner\n\nwithin\n"
    "--out er--\nepilogue\n";

static void
test_outwards(void)
{
    struct world world = {0};
    is_int(outwards(&world, mixed, sizeof mixed - 1), VIADUCT_CONVERTED,
           "a message with everything is converted");
    struct buf header = part_of(&world.output, PART_HEADER, 0), body = part_of(&world.output, PART_BODY, 0);
    ok(strncmp(header.at, "Wpc-Api= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= MAIL; \r\nFrom= \r\n", 60) == 0,
       "the header begins as Exchange's connector wrote it");
    ok(holds(&header, "    WPD= Exchange; \r\n    WPPO= HQ; \r\n    WPU= anna; \r\n    CDBA= ^\xad"
                      "addrExchange.HQ.anna^\xad"),
       "the sender carries his token, in the code page");
    ok(holds(&header, "From-Text= Anna M\x81ller; "), "his name is decoded into code page 437");
    ok(holds(&header, "\nTo= \r\n    WPD= HARBOUR; \r\n    WPPO= Quay; \r\n    WPU= crew; \r\n    CDBA= "
                      "HARBOUR.Quay.crew;  ; \r\n"),
       "To is who the gateway delivers to");
    ok(holds(&header, "To-CC= \r\n    WPD= HARBOUR; \r\n    WPPO= Quay; \r\n    WPU= jo.hn; "),
       "copies stand in To-CC");
    ok(holds(&header, "    WPD= Exchange; \r\n    WPPO= SMTP; \r\n    WPU= \"out@elsewhere.example\"; "),
       "an address of another system is shown in All-To under our domain");
    ok(holds(&header, "To-Text= Crew, Out, Side; ") || holds(&header, "To-Text= Crew [night], Out, Side; "),
       "To-Text names them, without parentheses");
    ok(holds(&header, "Subject= Gr\x81\xe1"
                      "e\\; caf\x82 EUR; \r\n"),
       "the subject is decoded, escaped and fitted to the page");
    ok(holds(&header, "Date-Sent= 22/8/2007 15:23:19; "), "the date is local time, unpadded");
    ok(holds(&header, "Msg-Priority= High; ") && holds(&header, "Security= Confidential; "),
       "importance and sensitivity go over");
    ok(holds(&header, "Msg-Id= VIADUCT-0123456789ABCDEFGHJKMNPQRS; "), "the id tells whose it is");
    ok(holds(&header, "Current-File= \x01.001; \r\n    Original-File= Kran \x9a"
                      "bersicht.doc; \r\n    Size= 6;  , "),
       "a file has its name, mended from its sections, and its size");
    ok(holds(&header, "Original-File= notes.txt; "), "a name with a path loses it");
    is_text(body.at,
            "H\x84llo \"quoted\" soft\r\nsecond = line\r\n[The attached file empty.bin was empty.]\r\n",
            "the body is the plain text, in the code page, with CRLF, and says what is missing");
    struct buf file = part_of(&world.output, PART_FILE, 0);
    ok(file.len == 6 && memcmp(file.at, "\0\1\2\3\4\xff", 6) == 0, "a file's octets are exact");
    buf_clear(&file);
    file = part_of(&world.output, PART_FILE, 1);
    is_text(file.at, "line one\r\nline two", "a text file gets CRLF");
    buf_clear(&file);
    file = part_of(&world.output, PART_FILE, 2);
    is_text(file.at, "Subject: inner\r\n\r\nwithin", "a mail within is a file");
    ok(holds(&world.report, "HTML form") && holds(&world.report, "empty.bin"),
       "the report names what was left out");
    buf_clear(&file);
    buf_clear(&header);
    buf_clear(&body);
    clear_world(&world);
}

static void
is_body(const char *message, const char *want, const char *name)
{
    struct world world = {0};
    if (outwards(&world, message, strlen(message)) != VIADUCT_CONVERTED)
        printf("# %s\n", world.reason.text);
    struct buf body = part_of(&world.output, PART_BODY, 0);
    is_text(body.at, want, "%s", name);
    buf_clear(&body);
    clear_world(&world);
}

static void
test_bodies(void)
{
    is_body("Subject: x\n\nplain\n", "plain\r\n", "a message without MIME is text");
    is_body("Subject: x\n", "\r\n", "a message without body has one line end: the gateway drops empty bodies");
    is_body(
        "Content-Type: "
        "text/html\n\n<html><head><title>T</title><style>p{}</style></head><body><p>One&nbsp;&amp; "
        "<b>two</b><br>three</p><ul><li>a<li>b</ul><a href=\"http://x.example/\">here</a><!-- no --></body>",
        "One & two\r\nthree\r\n\r\n* a\r\n* b\r\n\r\nhere <http://x.example/>\r\n",
        "HTML alone is reduced to its text");
    is_body("Content-Type: text/plain; charset=us-ascii\n\nM\xfcller \xe2\x82\xac\n", "M\x81ller EUR\r\n",
            "octets that ASCII cannot be are read as what they are");
    is_body("Content-Type: text/plain; charset=utf-8\n\nna\xefve\n", "na\x8bve\r\n",
            "Windows-1252 that says UTF-8 is still text");
    is_body("Content-Type: text/plain; charset=\"no/such//TRANSLIT\"\n\nabc\n", "abc\r\n",
            "an unknown character set is guessed");
    is_body("Content-Type: text/plain; charset=iso-8859-2\n\n\xb1\n", "a\r\n",
            "letters that the page lacks lose their marks");
    is_body("Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8K\n", "hello\r\n",
            "a body in base 64 is decoded");
    is_body("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\n\nsecond\n--b--\n",
            "first\r\n\r\nsecond\r\n", "two texts are both in the body");
    is_body("Content-Type: multipart/mixed\n\nno boundary\n", "\r\n",
            "a multipart without boundary has no body");
    is_body("Subject: x\n\n.\x1a\x00", ". \r\n", "DOS's end of file is none");
}

static void
test_refused(void)
{
    struct world world = {0};
    struct viaduct_recipient_out bad = {.address = TEXT("nobody"), .kind = 1, .responsible = true};
    struct viaduct_delivery delivery = {
        .size = sizeof delivery, .id = "X", .recipients = &bad, .n_recipients = 1};
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .gateway = &gateway,
                                    .services = &fake_services,
                                    .id = "X",
                                    .message = &delivery,
                                    .read = read_input,
                                    .arg = &world,
                                    .translate = translate};
    struct viaduct_convert_out out = {.size = sizeof out,
                                      .write = write_output,
                                      .envelope = take_envelope,
                                      .report = take_report,
                                      .arg = &world};
    buf_add_text(&world.input, "Subject: x\n\n");
    is_int(gwise_system.convert->to_foreign(&in, &out, &world.reason), VIADUCT_CONVERT_REFUSED,
           "a recipient without GroupWise address is refused");
    is_text(world.reason.status, "5.1.3", "with its status");
    ok(world.output.len == 0, "before anything is written");
    bad.responsible = false;
    is_int(gwise_system.convert->to_foreign(&in, &out, &world.reason), VIADUCT_CONVERT_REFUSED,
           "so is a message for nobody");
    clear_world(&world);
}

static void
test_nested(void)
{
    struct world world = {0};
    struct buf message = {0};
    buf_add_text(&message, "Subject: deep\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    buf_add_text(&message, "Content-Type: text/plain\n\nat the bottom\n");
    for (int i = 999; i >= 0; i--)
        buf_printf(&message, "--b%d--\n", i);
    is_int(outwards(&world, message.at, message.len), VIADUCT_CONVERTED,
           "parts nested a thousand deep are converted");
    struct buf file = part_of(&world.output, PART_FILE, 0);
    ok(holds(&file, "at the bottom"), "what lies too deep is carried as a file");
    buf_clear(&file);
    clear_world(&world);

    buf_reset(&message);
    buf_add_text(&message, "Content-Type: multipart/mixed; boundary=b\n\n");
    for (int i = 0; i < 5000; i++)
        buf_printf(&message, "--b\nContent-Type: application/x\n\npart %d\n", i);
    is_int(outwards(&world, message.at, message.len), VIADUCT_CONVERTED, "five thousand parts are converted");
    bool all = holds(&world.output, "part 0\r\n") || holds(&world.output, "part 0");
    ok(all && holds(&world.output, "part 4999"), "and the last of them is there");
    clear_world(&world);

    buf_reset(&message);
    buf_add_text(&message, "Subject: ");
    for (int i = 0; i < 20000; i++)
        buf_add_text(&message, "=?utf-8?Q?=C3=A9?= ");
    buf_add_text(&message, "\n\nx\n");
    is_int(outwards(&world, message.at, message.len), VIADUCT_CONVERTED, "a subject of 400 KB is converted");
    struct buf body = part_of(&world.output, PART_BODY, 0);
    ok(body.len > 1000 && strncmp(body.at, "Subject: \x82\x82", 11) == 0,
       "it is cut, and stands whole in the body");
    buf_clear(&body);
    clear_world(&world);
    buf_clear(&message);
}

static void
test_round_trip(void)
{
    struct world out = {0}, back = {0};
    outwards(&out, mixed, sizeof mixed - 1);
    struct buf carried = carry(&out.output);
    gateway.options[0][1] = "HARBOUR"; /* now seen from the other side */
    is_int(inwards(&back, &carried), VIADUCT_CONVERTED, "what was sent can be read back");
    gateway.options[0][1] = "Exchange";
    is_text(back.originator.at, "Exchange.HQ.anna", "the originator is the same");
    is_text(back.recipients.at, "1:HARBOUR.Quay.crew\n2:HARBOUR.Quay.jo.hn\n",
            "the recipients are the same, by kind");
    struct buf subject = {0};
    const char *field = back.output.len > 0 ? strstr(back.output.at, "\nSubject: ") : NULL;
    if (field != NULL)
        mime_decode_text((struct span){field + 10, strcspn(field + 10, "\n")}, &subject);
    is_text(subject.at, "Grüße; café EUR", "the subject is the same, but for what the page lacks");
    ok(holds(&back.output, "Date: Wed, 22 Aug 2007 15:23:19 +0000\n"), "the date is the same");
    ok(holds(&back.output, "Importance: high\n"), "so is the importance");
    ok(holds(&back.output, "H=C3=A4llo \"quoted\" soft\nsecond =3D line\n"), "the text is the same");
    ok(holds(&back.output, "AAECAwT/\n"), "a file's octets are the same");
    ok(holds(&back.output, "filename*=utf-8''Kran%20%C3%9Cbersicht.doc"), "its name is the same (RFC 2231)");
    ok(holds(&back.output, "<crew@gw.example>") && holds(&back.output, "<anna@exchange.example>"),
       "header addresses are in host form");
    buf_clear(&subject);
    buf_clear(&carried);
    clear_world(&out);
    clear_world(&back);
}

static void
is_inward(const char *header, enum viaduct_converted want, const char *holding, const char *name)
{
    struct world world = {0};
    struct buf item = make_item(header, strlen(header), "body\r\n", NULL);
    enum viaduct_converted got = inwards(&world, &item);
    is_int(got, want, "%s", name);
    ok(holds(&world.output, holding) || strstr(world.reason.text, holding) != NULL, "%s, in words that tell",
       name);
    buf_clear(&item);
    clear_world(&world);
}

static void
test_inwards(void)
{
    const char *top = getenv("srcdir");
    char folder[400];
    struct world world = {0};
    snprintf(folder, sizeof folder, "%s/t/fixtures/gwise", top != NULL ? top : ".");
    struct buf header = fake_read(folder, "mail-from-gateway.api");
    struct buf item = make_item(header.at, header.len,
                                "Gr\x81\xe1"
                                "e\r\n",
                                "kran.doc");
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "a gateway's mail becomes a message");
    is_text(
        world.recipients.at,
        "1:Exchange.HQ.anna.berg\n1:exchange.HQ.odd@host.example\n2:Exchange.HQ.carl\n3:Exchange.HQ.secret\n",
        "envelope recipients are To, To-CC and To-BC of our domain");
    is_text(world.foreign_id.at, "4003A1B2.7C1D.000B.000", "its id is kept");
    ok(holds(&world.output, "To: Anna Berg <anna.berg@exchange.example>,\n <unknown@gwise.invalid>\n") ||
           holds(&world.output, "To: Anna Berg <anna.berg@exchange.example>,\n \"HARBOUR.Quay Nine.crew\" "
                                "<unknown@gwise.invalid>\n"),
       "the header shows All-To");
    ok(!holds(&world.output, "secret"), "blind copies are never shown");
    ok(holds(&world.output, "Date: Mon, 07 Mar 2005 08:05:01 +0000\n") ||
           holds(&world.output, "Date: Mon, 7 Mar 2005 08:05:01 +0000\n"),
       "the zone of the date counts");
    ok(holds(&world.output, "Message-ID: <4003A1B2.7C1D.000B.000@HARBOUR.gwise.invalid>\n"),
       "the Message-ID is made from the id");
    ok(holds(&world.output, "Importance: high\n") &&
           holds(&world.output, "Sensitivity: Company-Confidential\n"),
       "priority and security go over");
    ok(holds(&world.output, "Gr=C3=BC=C3=9Fe\n"), "the text is UTF-8");
    ok(holds(&world.output, "MTIzNDU=\n") && holds(&world.output, "Kran%20%C3%9Cbersicht.doc"),
       "a file is found whatever the case of its name, and shown by its own");
    ok(holds(&world.report, "u.txt did not come"), "a file that did not come is reported");
    clear_world(&world);
    buf_clear(&item);

    buf_reset(&header);
    struct buf admin = fake_read(folder, "directory-answer.api");
    item = make_item(admin.at, admin.len, NULL, NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERT_DIRECTORY, "a directory answer is handed on");
    clear_world(&world);
    item.at[item.len / 2] ^= 1;
    is_int(inwards(&world, &item), VIADUCT_CONVERT_BAD, "one wrong bit in a container is noticed");
    clear_world(&world);
    buf_clear(&item);
    buf_clear(&admin);
    buf_clear(&header);

    is_inward("Msg-Type= Search; \r\n" FROM TO "-END-\r\n", VIADUCT_CONVERT_BAD, "without Msg-Id",
              "a busy search that cannot be answered is refused with its reason");
    is_inward("Msg-Type= PassThrough; \r\n" FROM TO "-END-\r\n", VIADUCT_CONVERT_BAD, "PassThrough",
              "an unknown type is kept for a person");
    is_inward(FROM TO "Subject= s; \r\n-END-\r\n", VIADUCT_CONVERTED, "Subject: s\n",
              "a mail without type is a mail");
    is_inward(FROM TO "-END-\r\n", VIADUCT_CONVERT_BAD, "no Msg-Type", "without type and subject it is none");
    is_inward("Msg-Type= Mail; \r\n" FROM "Subject= s; \r\n-END-\r\n", VIADUCT_CONVERT_BAD,
              "no active recipients", "a mail to nobody is kept for a person");
    is_inward("Msg-Type= Mail; \r\n" FROM "To= WPD= Other; WPPO= x; WPU= y; ; \r\n-END-\r\n",
              VIADUCT_CONVERT_BAD, "peer.domain", "so is one to another domain");
    is_inward("Msg-Type= Mail; \r\n" TO "Subject= s; \r\n-END-\r\n", VIADUCT_CONVERT_BAD, "sender",
              "and one from nobody");
    is_inward("Msg-Type= Appt; \r\n" FROM TO
              "Subject= meet; \r\nBegin-Time= 1/2/2026 9:0; \r\nLocation= Room; \r\n-END-\r\n",
              VIADUCT_CONVERTED, "[Appointment]\nBegin: 1/2/2026 9:0\nPlace: Room\n\nbody\n",
              "an appointment is readable mail");
    is_inward("Msg-Type= Phone; \r\n" FROM TO "Caller-Name= Bo\xd8; \r\n-END-\r\n", VIADUCT_CONVERTED,
              "Caller: Bo=E2=95=AA", "a phone message too");
    is_inward("Msg-Type= Mail; \r\n" FROM "To= \r\n CDBA= ^\xad"
              "addrExchange.HQ.anna^\xad"
              "sbjtHello; ; \r\nOrig-Msg-ID= VIADUCT-1; \r\n"
              "Status-Report= \r\n Action= Delivered; Time= 1/2/2026 9:0; ; \r\n-END-\r\n",
              VIADUCT_CONVERTED, "[Status of a message]\nRecipient: HARBOUR.Quay.crew\nAction: Delivered\n",
              "a status is readable mail");
    is_inward("Msg-Type= Mail; \r\nFROM=HARBOUR.Quay.crew;\r\nTO=Exchange.HQ.anna;\r\nSUBJECT=a\r\n "
              "b\\;\r\n\tBcc: x@y;\r\n-END-\r\n",
              VIADUCT_CONVERTED, "Subject: ab;Bcc: x@y\n", "no value can begin a header line of its own");
}

#define LOST "To= \r\n WPU= ; Foreign-Name= who knows; , \r\n"

/* Nobody vanishes without a word. */
static void
test_unreadable(void)
{
    struct world world = {0};
    static const char lost[] = "Msg-Type= Mail; \r\n" FROM LOST " WPD= Exchange; WPPO= HQ; WPU= anna; ; \r\n"
                               "Subject= s; \r\n-END-\r\n",
                      alone[] = "Msg-Type= Mail; \r\n" FROM LOST " WPD= Other; WPPO= x; WPU= y; ; \r\n"
                                "Subject= s; \r\n-END-\r\n";
    struct buf item = make_item(lost, sizeof lost - 1, "body\r\n", NULL);
    buf_reset(&gateway.said);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED,
           "a recipient who cannot be read keeps no mail from the others");
    is_text(world.recipients.at, "1:Exchange.HQ.anna\n", "who get it");
    ok(holds(&world.report, "entry 1 of To is no address"), "the report names him by his place");
    ok(gateway.said.at != NULL && strstr(gateway.said.at, "1 of its recipients could not be read") != NULL,
       "and the log tells of him");
    clear_world(&world);
    buf_clear(&item);
    item = make_item(alone, sizeof alone - 1, "body\r\n", NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERT_BAD, "when nobody is left a person looks at it");
    ok(strstr(world.reason.text,
              "1 entries of its lists To, To-CC and To-BC are no addresses, 1 are of other") != NULL,
       "with the whole reason: %s", world.reason.text);
    is_text(world.reason.status, "5.1.3", "and its status");
    clear_world(&world);
    buf_clear(&item);
}

static void
test_not_taken(void)
{
    static const char plain[] = "Msg-Type= Mail; \r\n" FROM TO "Subject= s; \r\n-END-\r\n";
    static const struct {
        int error;
        const char *status, *name;
    } errors[] = {{-ENOSPC, "4.3.1", "no room: later"},
                  {-EIO, "4.3.0", "a disk that fails: later"},
                  {-EMSGSIZE, "5.3.4", "a header over its limit: never"}};
    struct buf item = make_item(plain, sizeof plain - 1, "body\r\n", NULL);
    struct world world = {.refusal = "4.3.0"};
    is_int(inwards(&world, &item), VIADUCT_CONVERT_BAD, "an envelope that is not taken ends it");
    ok(strcmp(world.reason.status, "4.3.0") == 0 &&
           strcmp(world.reason.text, "the book is being replaced") == 0,
       "with the reason of who did not take it: %s %s", world.reason.status, world.reason.text);
    clear_world(&world);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        world = (struct world){.write_error = errors[i].error};
        is_int(inwards(&world, &item), VIADUCT_CONVERT_BAD, "a message that cannot be written is no message");
        is_text(world.reason.status, errors[i].status, "%s", errors[i].name);
        clear_world(&world);
    }
    buf_clear(&item);
}

/* ---- what is sealed, and what only words can carry ---- */

#define SIGNED                                                                                                 \
    "Content-Type: multipart/signed; micalg=sha-256; protocol=\"application/pgp-signature\"; boundary=S\n\n"   \
    "--S\nContent-Type: text/plain\n\n- -- dash  \ntext\n\n--S\nContent-Type: application/pgp-signature; "     \
    "name=signature.asc\n\nSIG\n--S--\n"

static void
is_sealed(const char *message, const char *body, const char *name, const char *octets, int n_files,
          const char *test)
{
    struct world world = {0};
    is_int(outwards(&world, message, strlen(message)), VIADUCT_CONVERTED, "%s", test);
    struct buf header = part_of(&world.output, PART_HEADER, 0), text = part_of(&world.output, PART_BODY, 0),
               file = part_of(&world.output, PART_FILE, 0), more = part_of(&world.output, PART_FILE, n_files);
    char original[80];
    snprintf(original, sizeof original, "Original-File= %s; ", name);
    is_text(text.at, body, "%s: the body says so", test);
    ok(holds(&header, original), "%s: the file is called %s", test, name);
    is_text(file.at, octets, "%s: and is what came", test);
    ok(more.len == 0, "%s: nothing of it is sent twice", test);
    ok(holds(&world.report, name), "%s: the report names it", test);
    buf_clear(&header);
    buf_clear(&text);
    buf_clear(&file);
    buf_clear(&more);
    clear_world(&world);
}

static void
test_sealed(void)
{
    is_sealed(
        "From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: multipart/mixed; "
        "boundary=M\n\n--M\n" SIGNED "--M--\n",
        "- -- dash  \r\ntext\r\n[This message is signed. The signed original is the file signed.eml.]\r\n",
        "signed.eml",
        "Content-Type: multipart/signed; micalg=sha-256; protocol=\"application/pgp-signature\"; "
        "boundary=S\r\n\r\n"
        "--S\r\nContent-Type: text/plain\r\n\r\n- -- dash  \r\ntext\r\n\r\n--S\r\nContent-Type: "
        "application/pgp-signature; name=signature.asc\r\n\r\nSIG\r\n--S--",
        1, "a signed part");
    is_sealed("From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: multipart/encrypted; "
              "protocol=\"application/pgp-encrypted\"; boundary=E\n\n"
              "--E\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--E\nContent-Type: "
              "application/octet-stream; name=encrypted.asc\n\nPGP\n--E--\n",
              "[This message is encrypted. It is the file encrypted.eml, for a program that has the key.]\r\n",
              "encrypted.eml",
              "From: anna@exchange.example\r\nTo: crew@gw.example\r\nContent-Type: multipart/encrypted; "
              "protocol=\"application/pgp-encrypted\"; boundary=E\r\n\r\n"
              "--E\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--E\r\nContent-Type: "
              "application/octet-stream; name=encrypted.asc\r\n\r\nPGP\r\n--E--\r\n",
              1, "an encrypted message");
    is_sealed("From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: application/pkcs7-mime; "
              "smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\nMIIB\n",
              "[This message is encrypted or signed (S/MIME). It is the file smime.p7m, for a program that can "
              "open it.]\r\n",
              "smime.p7m", "0\x82\x01", 1, "an S/MIME message");
}

static void
test_html_file(void)
{
    static const char message[] =
        "From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: multipart/alternative; boundary=A\n\n"
        "--A\nContent-Type: text/plain\n\nplain\n--A\nContent-Type: text/html\n\n<p>rich</p>\n--A--\n";
    struct world world = {0};
    gateway.options[1][0] = "convert.html";
    gateway.options[1][1] = "attach";
    outwards(&world, message, sizeof message - 1);
    struct buf header = part_of(&world.output, PART_HEADER, 0), body = part_of(&world.output, PART_BODY, 0),
               file = part_of(&world.output, PART_FILE, 0);
    is_text(body.at, "plain\r\n", "where the connector says so the plain text is the body");
    is_text(file.at, "<p>rich</p>", "and the HTML a file as well");
    ok(holds(&header, "Original-File= message.html; "), "with a name");
    buf_clear(&header);
    buf_clear(&body);
    buf_clear(&file);
    clear_world(&world);
    gateway.options[1][0] = NULL;
}

static void
test_words(void)
{
    static const char message[] =
        "From: Anna <anna@exchange.example>\nSender: office@exchange.example\nReply-To: "
        "=?utf-8?Q?J=C3=BCrgen?= <list@exchange.example>\n"
        "To: crew@gw.example\nExpires: Thu, 26 Nov 2026 09:00:00 +0000\n\ntext\n";
    struct world world = {0};
    outwards(&world, message, sizeof message - 1);
    struct buf body = part_of(&world.output, PART_BODY, 0);
    is_text(body.at,
            "Replies to: J\x81rgen <list@exchange.example>\r\nSent by: office@exchange.example\r\nExpires: "
            "Thu, 26 Nov 2026 09:00:00 +0000\r\n\r\ntext\r\n",
            "what GroupWise has no keyword for stands before the text");
    ok(holds(&world.report, "Reply-To") && holds(&world.report, "Sender") && holds(&world.report, "Expires"),
       "and in the report");
    buf_clear(&body);
    clear_world(&world);
    is_body("From: anna@exchange.example\nReply-To: anna@exchange.example\nTo: crew@gw.example\n\ntext\n",
            "text\r\n", "what says nothing new is not said");
}

/* Its answers find their place by the subject alone: said, since nothing else would show it. */
static void
test_answers(void)
{
    static const char *const fields[] = {"In-Reply-To: <1@exchange.example>\n",
                                         "References: <1@exchange.example>\n", ""};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct world world = {0};
        char message[200];
        int len = snprintf(message, sizeof message,
                           "From: anna@exchange.example\nTo: crew@gw.example\n%s\ntext\n", fields[i]);
        is_int(outwards(&world, message, (size_t)len), VIADUCT_CONVERTED, "an answer goes out, %zu", i);
        ok(holds(&world.report, "which message it answers") == (fields[i][0] != '\0'),
           "and its report says whether a thread was lost");
        clear_world(&world);
    }
}

/* RFC 6532: names, subjects and addresses in UTF-8, unencoded */
static void
test_smtputf8(void)
{
    static const char message[] = "From: J\xc3\xb6rg <j\xc3\xb6rg@exchange.example>\n"
                                  "To: Caf\xc3\xa9 <crew@gw.example>\nSubject: Gr\xc3\xbc\xc3\x9f"
                                  "e\nContent-Type: text/plain; charset=utf-8\n\nh\xc3\xa4llo\n";
    struct world world = {0};
    is_int(outwards(&world, message, sizeof message - 1), VIADUCT_CONVERTED,
           "a message in UTF-8 throughout goes out");
    struct buf header = part_of(&world.output, PART_HEADER, 0), body = part_of(&world.output, PART_BODY, 0);
    ok(holds(&header, "From-Text= J\x94rg; ") && holds(&header, "To-Text= Caf\x82; "),
       "names are in the gateway's code page");
    ok(holds(&header, "Subject= Gr\x81\xe1"
                      "e; "),
       "so is the subject");
    is_text(body.at, "From: J\x94rg <j\x94rg@exchange.example>\r\n\r\nh\x84llo\r\n",
            "and the text, with the author, who is not the envelope's sender");
    buf_clear(&header);
    buf_clear(&body);
    clear_world(&world);
}

/* ---- busy searches ---- */

#define SEARCH(id, more)                                                                                       \
    "WPC-API= 1.2; \r\nMsg-Type= SEARCH; \r\nMsg-Id= " id "; \r\n" more FROM                                   \
    "To= \r\n WPD= Exchange; WPPO= HQ; WPU= anna; CDBA= Exchange.HQ.anna; ; \r\nBegin-Time= 25/11/2026 0:0; "  \
    "\r\nEnd-Time= 2/12/2026 0:0; \r\n-END-\r\n"

static void
test_search(void)
{
    static const struct {
        const char *header, *busy, *why;
    } silent[] = {{SEARCH("45A1.B2", "Orig-Msg-Id= ABCDEFGH:1:2:3; \r\n"), "empty", "nobody here asked"},
                  {SEARCH("FB-PROBE:7.11.25.0.0:7.11.26.0.0:1", ""), "empty", "probe"},
                  {SEARCH("45A1.B2", ""), "none", "convert.busy"}};
    struct world world = {0};
    struct buf item = make_item(SEARCH("45A1.B2", ""), strlen(SEARCH("45A1.B2", "")), NULL, NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERT_ANSWERED, "a busy search is answered");
    struct buf header = part_of(&world.question, PART_HEADER, 0);
    is_text(header.at,
            "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= SEARCH; \r\nMsg-Id= VIADUCT-x; \r\nOrig-Msg-ID= "
            "45A1.B2; \r\n"
            "To= \r\n    WPD= HARBOUR; \r\n    WPPO= Quay; \r\n    WPU= crew;  ; \r\n"
            "Busy-For= \r\n    CDBA= Exchange.HQ.anna; \r\n    ; \r\nBusy-Report= \r\n    ; \r\nSend-Options= "
            "None; \r\n-END-\r\n",
            "to who asked, about whom he asked, without times");
    is_int(world.output.len, 0, "and no message comes of it");
    buf_clear(&header);
    buf_clear(&item);
    clear_world(&world);
    for (size_t i = 0; i < COUNT_OF(silent); i++) {
        gateway.options[1][0] = "convert.busy";
        gateway.options[1][1] = silent[i].busy;
        item = make_item(silent[i].header, strlen(silent[i].header), NULL, NULL);
        is_int(inwards(&world, &item), VIADUCT_CONVERT_NOTHING, "%s: not answered", silent[i].why);
        ok(strstr(world.reason.text, silent[i].why) != NULL && world.question.len == 0, "with the reason: %s",
           world.reason.text);
        buf_clear(&item);
        clear_world(&world);
    }
    gateway.options[1][0] = NULL;
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    gateway.options[0][0] = "peer.domain";
    gateway.options[0][1] = "Exchange";
    test_outwards();
    test_bodies();
    test_refused();
    test_nested();
    test_unreadable();
    test_not_taken();
    test_round_trip();
    test_inwards();
    test_sealed();
    test_html_file();
    test_words();
    test_answers();
    test_smtputf8();
    test_search();
    return tap_done();
}
