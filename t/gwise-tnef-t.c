/* gwise-tnef-t.c - a winmail.dat is opened on its way to GroupWise: its body, its files, and what could not be sent */
#include "t/gwise_convert_rig.h"
#include "t/tnef_build.h"

#define HELLO_RTF                                                                                              \
    "\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}"      \
    "\x0a\x80\x0f\xa0"

static void
put_head(struct buf *out)
{
    tnef_begin(out);
    put_attribute(out, TNEF_OF_MESSAGE, 0x00089006, SPAN("\0\0\x01\0"));
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_OEM_CODEPAGE, SPAN("\xe4\x04\0\0\0\0\0\0")); /* 1252 */
    put_text(out, TNEF_OF_MESSAGE, TNEF_MESSAGE_CLASS, "IPM.Microsoft Mail.Note");
}

static void
put_file(struct buf *out, const char *name, uint32_t method, struct span octets)
{
    struct list list = {0};
    put_rend_data(out, 1);
    if (method == 1)
        put_attribute(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_DATA, octets);
    put_i4(&list, 0x3705, method);
    put_unicode(&list, 0x3707, name);
    if (method == 5 || method == 6) {
        put_tag(&list, TNEF_OBJECT, 0x3701);
        put_one(&list, octets);
    }
    put_list(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_PROPS, &list);
    buf_clear(&list.data);
}

static void
put_body(struct buf *out, uint32_t id, struct span octets)
{
    struct list list = {0};
    put_i4(&list, 0x3fde, 65001);
    put_binary(&list, id, octets);
    put_list(out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    buf_clear(&list.data);
}

/* Sends a message with this winmail.dat, and a text where one is given; the parts that come of it. */
struct result {
    struct buf header, body, files[4], report;
};

static struct result
send_out(const struct buf *tnef, const char *text, const char *name)
{
    struct world world = {0};
    struct buf message = {0};
    struct result result = {{0}, {0}, {{0}}, {0}};
    buf_printf(
        &message,
        "From: anna@exchange.example\nTo: crew@gw.example\nContent-Type: multipart/mixed; boundary=M\n\n");
    if (text != NULL)
        buf_printf(&message, "--M\nContent-Type: text/plain\n\n%s\n", text);
    buf_add_text(
        &message,
        "--M\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\nContent-Transfer-Encoding: base64\n\n");
    for (size_t at = 0; at < tnef->len; at += 57) {
        mime_encode_base64(tnef->at + at, tnef->len - at < 57 ? tnef->len - at : 57, &message);
        buf_add_byte(&message, '\n');
    }
    buf_add_text(&message, "--M--\n");
    is_int(outwards_to(&world, message.at, message.len, recipients, 1), VIADUCT_CONVERTED, "%s", name);
    result.header = part_of(&world.output, PART_HEADER, 0);
    result.body = part_of(&world.output, PART_BODY, 0);
    for (int i = 0; i < 4; i++)
        result.files[i] = part_of(&world.output, PART_FILE, i);
    buf_add_span(&result.report, buf_span(&world.report));
    buf_add_text(&result.report, "");
    buf_clear(&message);
    clear_world(&world);
    return result;
}

static void
clear(struct result *result)
{
    buf_clear(&result->header);
    buf_clear(&result->body);
    for (int i = 0; i < 4; i++)
        buf_clear(&result->files[i]);
    buf_clear(&result->report);
}

static void
test_files(void)
{
    struct buf tnef = {0};
    put_head(&tnef);
    put_body(&tnef, 0x1009, SPAN(HELLO_RTF));
    put_file(&tnef, "report of the year.pdf", 1, SPAN("%PDF-1.4\r\n\0x"));
    put_file(&tnef, "empty.txt", 1, SPAN(""));
    put_file(&tnef, "drawing", 6, SPAN(IID_OF_STORAGE "storage"));
    struct result result = send_out(&tnef, "the text of the mail", "a mail with text and a winmail.dat");
    is_text(result.body.at,
            "the text of the mail\r\n[The file empty.txt could not be sent: it is empty.]\r\n"
            "[The file drawing could not be sent: it is an embedded object, which only Outlook can show.]\r\n",
            "its text is the body, and what cannot be sent is named there");
    ok(holds(&result.header, "Original-File= report of the year.pdf; ") && !holds(&result.header, "winmail"),
       "the file within is a file, the winmail.dat is none");
    ok(result.files[0].len == 12 && memcmp(result.files[0].at, "%PDF-1.4\r\n\0x", 12) == 0, "octet by octet");
    ok(result.files[1].len == 0, "and the only one");
    ok(holds(&result.report, "empty.txt") && holds(&result.report, "drawing"),
       "the report names what is left out");
    clear(&result);
    result = send_out(&tnef, NULL, "the same without text");
    ok(holds(&result.body, "hello world\r\n"), "the RTF within is the body");
    clear(&result);
    buf_clear(&tnef);
}

static void
test_bodies(void)
{
    struct buf tnef = {0};
    put_head(&tnef);
    put_body(&tnef, 0x1013,
             SPAN("<html><p>Gr\xc3\xbc\xc3\x9f"
                  "e</p><ul><li>one<li>two</ul></html>"));
    struct result result = send_out(&tnef, "\n", "an empty text, and HTML within");
    ok(holds(&result.body, "Gr\x81\xe1"
                           "e\r\n") &&
           holds(&result.body, "one\r\n"),
       "the HTML within is the body, as text");
    clear(&result);
    buf_clear(&tnef);
}

static void
test_message_within(void)
{
    struct buf tnef = {0}, inner = {0}, object = {0};
    put_head(&inner);
    put_text(&inner, TNEF_OF_MESSAGE, TNEF_SUBJECT, "what he/she wrote");
    put_text(&inner, TNEF_OF_MESSAGE, TNEF_BODY, "within\r\n");
    put_file(&inner, "deep.bin", 1, SPAN("deep"));
    buf_add_span(&object, SPAN(IID_OF_MESSAGE));
    buf_add_span(&object, buf_span(&inner));
    put_head(&tnef);
    put_file(&tnef, "unused", 5, buf_span(&object));
    struct result result = send_out(&tnef, "look", "a message within");
    ok(holds(&result.header, "Original-File= she wrote.txt; ") ||
           holds(&result.header, "Original-File= what he_she wrote.txt; "),
       "is a text file with its subject's name");
    ok(holds(&result.files[0], "Subject: what he/she wrote\r\n\r\nwithin\r\n"), "that says what it said");
    is_text(result.files[1].at, "deep", "and its file is a file of the outer one");
    ok(holds(&result.report, "message within"), "the report tells");
    clear(&result);
    buf_clear(&tnef);
    buf_clear(&inner);
    buf_clear(&object);
}

static void
test_damaged(void)
{
    struct buf tnef = {0};
    put_head(&tnef);
    put_file(&tnef, "whole.bin", 1, SPAN("whole"));
    put_file(&tnef, "torn.bin", 1, SPAN("this one is torn off somewhere"));
    tnef.len -= 150;
    struct result result = send_out(&tnef, "text", "a torn winmail.dat");
    is_text(result.files[0].at, "whole", "gives what can be read of it");
    ok(holds(&result.report, "winmail.dat is damaged: "), "and says that it is damaged");
    clear(&result);
    tnef.len = 3;
    result = send_out(&tnef, "text", "no winmail.dat at all, under that name");
    ok(holds(&result.header, "Original-File= winmail.dat; "), "stays the file that it is");
    ok(result.files[0].len == 3, "octet by octet");
    clear(&result);
    buf_reset(&tnef);
    put_head(&tnef);
    buf_add_span(&tnef, SPAN("\x02\x0f\x80\x06\0\xff\xff\xff\xff"
                             "four GiB"));
    result = send_out(&tnef, "text", "a length of 4 GiB");
    ok(holds(&result.report, "winmail.dat is damaged: "), "costs nothing, and is told");
    clear(&result);
    buf_clear(&tnef);
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    gateway.options[0][0] = "peer.domain";
    gateway.options[0][1] = "Exchange";
    test_files();
    test_bodies();
    test_message_within();
    test_damaged();
    return tap_done();
}
