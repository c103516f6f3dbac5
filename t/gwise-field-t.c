/* gwise-field-t.c - what other connectors to GroupWise failed at in the field does no harm here
 *
 * One test for each problem that its users reported and no other test shows; the rest stand with what they are about:
 * header files that were never finished (gwise-carrier-t), folded and dotted values (gwise-api-t), refusals in GWPROB
 * (gwise-carrier-t, road-gwise), times in the future (gwise-status-t), damage in what is remembered (correlation-t).
 */
#include <unistd.h>

#include "systems/mime/charset.h"
#include "t/gwise_convert_rig.h"

static char root[400], api_out[420], att_out[420];

static void
make_tree(void)
{
    static const char *const names[] = {"API_IN", "ATT_IN", "API_OUT", "ATT_OUT"};
    snprintf(root, sizeof root, "%s", tap_folder());
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[420];
        snprintf(path, sizeof path, "%s/%s", root, names[i]);
        mkdir(path, 0700);
    }
    snprintf(api_out, sizeof api_out, "%s/API_OUT", root);
    snprintf(att_out, sizeof att_out, "%s/ATT_OUT", root);
    static const char *const options[][2] = {
        {"peer.domain", "Exchange"}, {"convert.codepage", "437"}, {"peer.poll", "0s"}, {"peer.settle", "1h"}};
    for (size_t i = 0; i < COUNT_OF(options); i++)
        memcpy(gateway.options[i], options[i], sizeof options[i]);
    gateway.options[COUNT_OF(options)][0] = "peer.root";
    gateway.options[COUNT_OF(options)][1] = root;
    gateway.base = event_base_new();
}

static void
forget(void)
{
    for (int i = 0; i < gateway.n_intakes; i++) {
        buf_clear(&gateway.intakes[i]->bytes);
        buf_clear(&gateway.intakes[i]->originator);
        buf_clear(&gateway.intakes[i]->recipients);
        free(gateway.intakes[i]);
    }
    gateway.n_intakes = 0;
    buf_clear(&gateway.said);
}

static void *
start_in(void)
{
    void *state = NULL;
    struct viaduct_reason reason = {"", ""};
    forget();
    if (gwise_system.inbound->prepare(&fake_services, &gateway, &state, &reason) != 0 ||
        gwise_system.inbound->begin(state, &reason) != 0)
        printf("# %s\n", reason.text);
    return state;
}

/* The gateway leaves a mail with one file. */
static void
leave_mail(const char *name, const char *current, const char *original)
{
    struct buf text = {0};
    buf_printf(&text,
               "WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n" FROM TO
               "Subject= s; \r\nAttach-File= \r\n Current-File= "
               "%s; \r\n Original-File= %s; ; \r\n-END-\r\n",
               current, original);
    fake_write(api_out, name, text.at, text.len);
    buf_clear(&text);
}

/* Whether the message that the fetched item becomes holds it. */
static bool
becomes(int which, const char *what)
{
    struct world world = {0};
    if (which >= gateway.n_intakes)
        return false;
    bool held =
        inwards(&world, &gateway.intakes[which]->bytes) == VIADUCT_CONVERTED && holds(&world.output, what);
    clear_world(&world);
    return held;
}

static void
test_same_names(void)
{
    void *state = start_in();
    fake_write(att_out, "Comments", "first", 5);
    leave_mail("36ED2937.API", "Comments", "Comments");
    fake_run_until(&gateway, &gateway.n_intakes, 1);
    for (int i = 0; i < 100 && fake_exists(att_out, "Comments"); i++)
        fake_run_ms(&gateway, 5);
    fake_write(att_out, "Comments", "second", 6);
    leave_mail("36ED2938.API", "COMMENTS", "Comments");
    fake_run_until(&gateway, &gateway.n_intakes, 2);
    ok(becomes(0, "Zmlyc3Q=\n") && becomes(1, "c2Vjb25k\n"),
       "two messages with files of one name get each its own");
    gwise_system.inbound->finish(state);
}

/* O with a stroke: 0x9d in code page 850, not in 437. */
static void
test_accents_in_850(void)
{
    static const char message[] =
        "From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: application/octet-stream\n"
        "Content-Disposition: attachment; filename*=utf-8''%C3%98re.doc\n\noctets\n";
    struct world world = {0};
    gateway.options[1][1] = "850";
    outwards(&world, message, sizeof message - 1);
    struct buf header = part_of(&world.output, PART_HEADER, 0);
    ok(holds(&header, "Original-File= \x9dre.doc; "),
       "a file's name goes out in code page 850 where that is set");
    ok(world.report.len == 0, "and nothing of it is lost");
    buf_clear(&header);
    clear_world(&world);
    void *state = start_in();
    fake_write(att_out, "\x9d.001", "octets", 6);
    fake_write(att_out, "\xc3\x98.002", "others", 6);
    leave_mail("36ED2939.API", "\x9d.001", "\x9dre.doc");
    leave_mail("36ED293A.API", "\x9d.002", "\x9dre.doc");
    fake_run_until(&gateway, &gateway.n_intakes, 2);
    ok(becomes(0, "b2N0ZXRz\n") && becomes(1, "b3RoZXJz\n"),
       "a file whose name on disk has accents comes in, by octets or by characters");
    ok(becomes(0, "filename*=utf-8''%C3%98re.doc"), "under its name");
    gwise_system.inbound->finish(state);
    gateway.options[1][1] = "437";
}

/* No part of an item may be empty: the gateway would drop it without a word. */
static void
is_never_empty(const char *message, const char *name)
{
    struct world world = {0};
    is_int(outwards(&world, message, strlen(message)), VIADUCT_CONVERTED, "%s", name);
    struct buf body = part_of(&world.output, PART_BODY, 0), header = part_of(&world.output, PART_HEADER, 0);
    size_t n = 0;
    for (const char *at = header.at; (at = strstr(at, "Current-File=")) != NULL; at++) {
        struct buf file = part_of(&world.output, PART_FILE, (int)n++);
        ok(file.len > 0, "file %zu is not empty", n);
        buf_clear(&file);
    }
    ok(body.len > 0 && !holds(&header, "Size= 0;"), "nor is its body");
    buf_clear(&body);
    buf_clear(&header);
    clear_world(&world);
}

static void
test_empty(void)
{
    is_never_empty("From: anna@exchange.example\nTo: crew@gw.example\n\n", "a message without a body");
    is_never_empty(
        "From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/html\n\n<p>\n--b\nContent-Disposition: attachment; filename=a\n\n"
        "--b\nContent-Disposition: attachment; filename=b\nContent-Transfer-Encoding: base64\n\n=\n"
        "--b\nContent-Type: message/rfc822\n\n--b\nContent-Disposition: attachment; filename=c\n\nx\n--b--\n",
        "one with empty files of every kind");
}

static void
test_long_subject(void)
{
    enum { LONG = 100000 };
    struct buf message = {0}, status = {0};
    struct world world = {0};
    buf_add_text(&message, "From: anna@exchange.example\nTo: crew@gw.example\nSubject: ");
    for (int i = 0; i < LONG; i++)
        buf_add_byte(&message, 's');
    buf_add_text(&message, "\n\ntext\n");
    is_int(outwards(&world, message.at, message.len), VIADUCT_CONVERTED,
           "a subject of 100,000 octets goes out");
    struct buf header = part_of(&world.output, PART_HEADER, 0);
    const char *token = header.len > 0 ? strstr(header.at, "sbjt") : NULL;
    ok(token != NULL && strcspn(token + 4, "^") == 100, "cut to 100 octets in the token that comes back");
    ok(holds(&world.report, "the subject has 100000 octets"), "which the report tells");
    buf_clear(&header);
    clear_world(&world);
    buf_add_text(&status, "Msg-Type= Mail; \r\n" FROM "To= \r\n CDBA= ^\xad"
                          "addrExchange.HQ.anna^\xadsbjt");
    for (int i = 0; i < LONG; i++)
        buf_add_byte(&status, 's');
    buf_add_text(&status, "; ; \r\nOrig-Msg-ID= VIADUCT-0123456789ABCDEFGHJKMNPQRS; \r\nStatus-Report= \r\n "
                          "Action= Undeliverable; ; \r\n-END-\r\n");
    struct buf item = make_item(status.at, status.len, NULL, NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "a report of failure with such a token is understood");
    ok(holds(&world.output, "Action: failed\n") && world.output.len < 10000, "and tells of it in short");
    buf_clear(&item);
    clear_world(&world);
    buf_clear(&message);
    buf_clear(&status);
    forget_all();
}

static void
test_dotted(void)
{
    static const char header[] =
        "Msg-Type= Mail; \r\nFrom= HARBOUR.Quay.crew; \r\nTo= Exchange.HQ.anna; \r\nSubject= s; \r\n-END-\r\n";
    struct world world = {0};
    struct buf item = make_item(header, sizeof header - 1, "body\r\n", NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "dotted addresses are understood");
    ok(holds(&world.report, "Addressing Format"), "and the gateway's wrong setting is named");
    buf_clear(&item);
    clear_world(&world);
}

static void
test_unasked_directory(void)
{
    static const char header[] =
        "Msg-Type= Admin; \r\nDS-User= \r\n Operation= Delete; \r\n Domain= Exchange; \r\n "
        "Post-Office= HQ; \r\n Object= anna; ; \r\n-END-\r\n";
    struct world world = {0};
    struct buf item = make_item(header, sizeof header - 1, NULL, NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERT_DIRECTORY,
           "a directory item that nobody asked for is put by for who knows what was asked");
    ok(world.output.len == 0 && world.recipients.len == 0 && world.question.len == 0,
       "and becomes neither mail nor an answer");
    buf_clear(&item);
    clear_world(&world);
}

static void
test_parentheses(void)
{
    static const char message[] = "From: \"Anna (HQ)\" <anna@exchange.example>\nTo: \"Crew (night) (2)\" "
                                  "<crew@gw.example>\nCc: \"Jo (day)\" <jo.hn@gw.example>\n\nx\n";
    struct world world = {0};
    outwards(&world, message, sizeof message - 1);
    struct buf header = part_of(&world.output, PART_HEADER, 0);
    ok(holds(&header, "From-Text= Anna [HQ]; ") && holds(&header, "To-Text= Crew [night] [2]; ") &&
           holds(&header, "To-CC-Text= Jo [day]; "),
       "parentheses in names are brackets: GroupWise would show what is in them alone");
    buf_clear(&header);
    clear_world(&world);
}

static void
test_lost_share(void)
{
    char away[440];
    struct viaduct_reason reason = {"", ""};
    void *state = NULL;
    gateway.options[4][1] = "/nonexistent/gateway";
    ok(gwise_system.inbound->prepare(&fake_services, &gateway, &state, &reason) != 0 &&
           strstr(reason.text, "/nonexistent/gateway") != NULL,
       "a gateway's folder that is not there is an error at start, which names it");
    gateway.options[4][1] = root;
    state = start_in();
    snprintf(away, sizeof away, "%s.away", api_out);
    if (rename(api_out, away) != 0 || rmdir(away) != 0)
        printf("# the folder cannot be removed\n");
    fake_run_ms(&gateway, 100);
    ok(fake_said(&gateway, "API_OUT"), "a share that is lost later is told of");
    ok(!gwise_system.inbound->busy(state), "and keeps nobody from stopping");
    mkdir(api_out, 0700);
    fake_write(att_out, "a.001", "x", 1);
    leave_mail("36ED293B.API", "a.001", "a");
    fake_run_until(&gateway, &gateway.n_intakes, 1);
    is_int(gateway.n_intakes, 1, "when it is back, mail is fetched again");
    gwise_system.inbound->finish(state);
}

/* A list may return a message to who wrote it: the same id is no reason to lose it. Loops end by the count of hops. */
static void
test_same_id(void)
{
    static const char header[] =
        "Msg-Type= Mail; \r\n" FROM TO "Msg-Id= 4003A1B2.7C1D.000B.000; \r\nSubject= s; "
        "\r\n-END-\r\n";
    for (int i = 0; i < 2; i++) {
        struct world world = {0};
        struct buf item = make_item(header, sizeof header - 1, "body\r\n", NULL);
        is_int(inwards(&world, &item), VIADUCT_CONVERTED, "an id that comes once more, %d", i);
        ok(holds(&world.output, "Message-ID: <4003A1B2.7C1D.000B.000@HARBOUR.gwise.invalid>\n"),
           "has one Message-ID, by which the host knows it");
        buf_clear(&item);
        clear_world(&world);
    }
}

static void
test_place(void)
{
    static const char header[] =
        "Msg-Type= Appt; \r\n" FROM TO "Subject= s; \r\nBegin-Time= 1/2/2027 9:0; \r\nEnd-Time= "
        "1/2/2027 10:0; \r\nLocation= Gro\xe1"
        "er Saal; \r\n-END-\r\n";
    struct world world = {0};
    struct buf item = make_item(header, sizeof header - 1, "body\r\n", NULL);
    is_int(inwards(&world, &item), VIADUCT_CONVERTED, "an appointment at a place with accents comes in");
    ok(holds(&world.output, "Gro=C3=9Fer Saal") || holds(&world.output, "Gro\xc3\x9f"
                                                                        "er Saal"),
       "with the place in UTF-8");
    buf_clear(&item);
    clear_world(&world);
}

static void
test_case(void)
{
    static const char
        upper[] = "WPC-API= 1.2; \r\nMSG-TYPE= MAIL; \r\n" FROM
                  "TO= \r\n WPD= EXCHANGE; WPPO= HQ; WPU= anna; ; \r\nSUBJECT= s; \r\nMSG-PRIORITY= HIGH; "
                  "\r\nATTACH-FILE= \r\n CURRENT-FILE= KRAN.DOC; ORIGINAL-FILE= k.doc; ; \r\n-END-\r\n",
        lower[] = "wpc-api= 1.2; \r\nmsg-type= mail; \r\n" FROM
                  "to= \r\n wpd= exchange; wppo= HQ; wpu= anna; ; \r\nsubject= s; \r\nmsg-priority= high; "
                  "\r\nattach-file= \r\n current-file= kran.doc; original-file= k.doc; ; \r\n-end-\r\n";
    static const struct {
        const char *header, *name;
    } forms[] = {{upper, "capitals"}, {lower, "small letters"}};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct world world = {0};
        struct buf item = make_item(forms[i].header, strlen(forms[i].header), "body\r\n", "Kran.doc");
        is_int(inwards(&world, &item), VIADUCT_CONVERTED, "%s: keywords and domains are the same",
               forms[i].name);
        ok(holds(&world.output, "Importance: high\n") && holds(&world.output, "filename=\"k.doc\"") &&
               holds(&world.output, "MTIzNDU=\n") && holds(&world.recipients, ".HQ.anna\n"),
           "%s: so are values and names of files", forms[i].name);
        buf_clear(&item);
        clear_world(&world);
    }
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    make_tree();
    test_same_names();
    test_accents_in_850();
    test_empty();
    test_long_subject();
    test_dotted();
    test_unasked_directory();
    test_parentheses();
    test_lost_share();
    test_same_id();
    test_place();
    test_case();
    forget();
    event_base_free(gateway.base);
    return tap_done();
}
