/* cost-message.c - messages made to be costly, each before everything on the road that reads a message
 *
 *     cost-message [PARSER [SHAPE]]       those whose names contain these; see cost_rig.h for what is printed
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "common/dsn.h"
#include "common/header_scan.h"
#include "common/translate.h"
#include "daemons/pickup.h"
#include "systems/gwise/convert.h"
#include "systems/maildir/maildir_envelope.h"
#include "systems/smtp/server_data.h"
#include "t/cost_rig.h"
#include "t/smtp_downgrade_rig.h"

/* ---- hostile messages ---- */

#define TOP "From: Anna <anna@in.example>\nTo: bob@branch.example\nMIME-Version: 1.0\nMessage-ID: <m@x>\n"
#define END "\n\nThe body.\n"

static const struct shape shapes[] = {
    {"multiparts in each other", TOP, "Content-Type: multipart/mixed; boundary=b#\n\n--b#\n", "x\n"},
    {"messages in each other", TOP, "Content-Type: message/rfc822\n\nSubject: #\n", END},
    {"parts", TOP "Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: x/y; name=f#\n\nx\n",
     "--b--\n"},
    {"parts with 8-bit text", TOP "Content-Type: multipart/mixed; boundary=b\n\n",
     "--b\nSubject: \xc3\xbc\n\n\xc3\xbc\n", "--b--\n"},
    {"lines like boundaries", TOP "Content-Type: multipart/mixed; boundary=bbbbbbbb\n\n", "--bbbbbbb#\n--\n",
     ""},
    {"addresses in a field", TOP "To: x@in.example", ",\n Anna # <a#@in.example>", END},
    {"addresses without blanks", TOP "Cc: x@in.example", ",a#@in.example", END},
    {"8-bit names of addresses", TOP "To: x@in.example", ",\n \"\xc3\xbc #\" (\xc3\xbc) <a#@in.example>", END},
    {"addresses, encapsulated", TOP "To: x@in.example", ", IMCEAGWISE-D+2EP+2Eu#@contoso.example", END},
    {"groups of addresses", TOP "To: x@in.example", ",\n g#: a@in.example;", END},
    {"fields with addresses", TOP, "To: Bob <b#@in.example>\n", END},
    {"commas", TOP "To: a@in.example", ",", END},
    {"open angles", TOP "To: ", "<a#@in.example ", END},
    {"open quotes", TOP "To: ", "\"a\\\" ", END},
    {"closed quotes", TOP "To: ", "\"a\" ", END},
    {"brackets", TOP "To: a@", "[", END},
    {"labels of a domain", TOP "To: a@x", ".y", END},
    {"comments in each other", TOP "To: a@in.example ", "(", END},
    {"comments", TOP "To: a@in.example ", "(c#) ", END},
    {"8-bit comments in each other", TOP "To: a@in.example ", "(\xc3\xbc ", END},
    {"comments that open and close", TOP "To: ", "(()", END},
    {"header fields", TOP, "X-#: y\n", END},
    {"8-bit header fields", TOP, "X-#: \xc3\xbc\n", END},
    {"the same field", TOP, "Subject: =?utf-8?B?w7w=?= #\n", END},
    {"types of the message", TOP, "Content-Type: text/plain; charset=x#\n", END},
    {"folds", TOP "Subject: x", "\n #", END},
    {"8-bit folds", TOP "Subject: x", "\n \xc3\xbc", END},
    {"empty folds", TOP "Subject: x", "\n ", END},
    {"blanks", TOP "Subject: x", " ", END},
    {"colons", TOP, ":", END},
    {"lines that are no fields", TOP, "no field #\n", END},
    {"parameters in pieces", TOP "Content-Type: text/plain", ";\n name*#=x", END},
    {"parameters, encoded, in pieces", TOP "Content-Disposition: attachment", ";\n filename*#*=%C3%BC", END},
    {"pieces out of order", TOP "Content-Type: text/plain", ";\n name*9#*=%C3%BC; name*8#=y", END},
    {"parameters", TOP "Content-Type: text/plain", "; p#=v", END},
    {"8-bit parameters", TOP "Content-Type: text/plain", "; p#=\"\xc3\xbc\"", END},
    {"semicolons", TOP "Content-Type: text/plain", ";", END},
    {"a line", TOP "\n", "xxxxxxxxxx", "\n"},
    {"an 8-bit line", TOP "\n", "\xc3\xbc", "\n"},
    {"a line of the header", TOP "X-A: ", "xxxxxxxxx", END},
    {"8-bit lines", TOP "Content-Transfer-Encoding: 8bit\n\n", "\xc3\xbc #\n", ""},
    {"empty lines", TOP "\n", "\n", ""},
    {"encoded words", TOP "Subject:", " =?utf-8?B?w7w=?=", END},
    {"encoded words without an end", TOP "Subject:", " =?utf-8?Q?x", END},
    {"beginnings of encoded words", TOP "Subject:", "=?", END},
    {"encoded words in names", TOP "To: x@in.example", ", =?iso-8859-1?Q?=FC#?= <a@in.example>", END},
    {"references", TOP "References:", " <r#@x.example>", END},
    {"angles in references", TOP "References: ", "<", END},
    {"Received", TOP, "Received: from h# by g (viaduct host in); Wed, 25 Nov 2026 08:00:00 +0000\n", END},
    {"HTML", TOP "Content-Type: text/html\n\n", "<a href=x#>y</a>&amp;<p><td>", ""},
    {"HTML that never closes", TOP "Content-Type: text/html\n\n", "<a href=\"&<!--", ""},
    {"HTML elements in each other", TOP "Content-Type: text/html\n\n", "<pre><a href=x><script>", ""},
    {"quoted-printable", TOP "Content-Transfer-Encoding: quoted-printable\n\n", "=FC=\n=", ""},
    {"blanks in quoted-printable", TOP "Content-Transfer-Encoding: quoted-printable\n\nx", " \t", "x\n"},
    {"base64", TOP "Content-Transfer-Encoding: base64\n\n", "dGhl=\n=", ""},
    {"blank texts beside TNEF", TOP "Content-Type: multipart/mixed; boundary=b\n\n",
     "--b\n\n        \n        \n\n--b\nContent-Type: application/ms-tnef\n\nx\n", "--b--\n"},
    {"names of parameters", TOP "Content-Disposition: attachment",
     ";\n nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn#=\xc3\xbc", END},
    {"attached files", TOP "Content-Type: multipart/mixed; boundary=b\n\n",
     "--b\nContent-Disposition: attachment; filename=same\n\nx\n", "--b--\n"},
};

static struct span
header_of(struct span message)
{
    const char *end = memmem(message.at, message.len, "\n\n", 2);
    return (struct span){message.at, end != NULL ? (size_t)(end - message.at) + 1 : message.len};
}

/* ---- the road: acceptance ---- */

static void
discard(void *arg, const char *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static void
read_data(struct span message)
{
    struct smtp_data data;
    size_t consumed;
    smtp_data_begin(&data, true);
    for (size_t at = 0; at < message.len; at += consumed)
        if (smtp_data_feed(&data, message.at + at, message.len - at < 1000 ? message.len - at : 1000, &consumed,
                           &(struct smtp_data_sink){discard, NULL}))
            smtp_data_begin(&data, true);
}

static void
scan_header(struct span message)
{
    struct header_scan scan;
    struct span header = header_of(message), name, body;
    header_scan_start(&scan, "by g (viaduct host in)");
    for (size_t at = 0; at < message.len; at += 100)
        header_scan_feed(&scan, message.at + at, message.len - at < 100 ? message.len - at : 100);
    header_scan_finish(&scan);
    while (header_next(&header, &name, &body))
        continue;
}

static const struct drop_rules rules = {.domain = "contoso.example", .max_recipients = 1000000, .seed = 7};

static void
pick_up(struct span message)
{
    struct envelope envelope = {.originator = {SPAN("SMTP"), SPAN("")}};
    struct why why;
    drop_envelope_header(header_of(message), &rules, arena, &envelope, &why);
}

static int
file_of(struct span bytes)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes.at, bytes.len) != (ssize_t)bytes.len)
        abort();
    return fd;
}

static void
read_maildir(struct span message)
{
    struct maildir_envelope envelope = {.n = 0};
    maildir_read_envelope(file_of(message), &envelope);
}

/* ---- translation ---- */

static const char *domains[] = {"contoso.example"};
static struct conf_rule mapping[] = {
    {.title = "a", .kind = "template", .out = "Exchange.HQ.%m", .in = "%3@%1.example"},
    {.title = "b", .kind = "template", .out = "%0"},
    {.title = "a", .kind = "template", .out = "%m@out.example", .in = "%1@contoso.example"},
};
static struct conf_connector to_gwise = {.title = "g",
                                         .peer = {.domain = "Exchange"},
                                         .mapping = {.rules = mapping, .rules_n = 2}},
                             to_smtp = {.title = "s", .mapping = {.rules = mapping + 2, .rules_n = 1}};

static void
translate_with(const struct conf_connector *connector, struct span type, struct span message)
{
    struct conf_root root = {.host.domains = {domains, 1}};
    struct translator *translator = translator_new(&root, connector, type, NULL, NULL);
    struct buf out = {0};
    if (translator == NULL)
        abort();
    for (int outwards = 0; outwards < 2; outwards++) {
        translate_header(translator, outwards, header_of(message), &out);
        buf_reset(&out);
    }
}

static void
translate_gwise(struct span message)
{
    translate_with(&to_gwise, SPAN("GWISE"), message);
}

static void
translate_smtp(struct span message)
{
    translate_with(&to_smtp, SPAN("SMTP"), message);
}

/* ---- conversion ---- */

static const void *
own_connector(struct viaduct_gateway *gateway)
{
    static struct conf_connector connector = {.mapping = {.headers = true}};
    (void)gateway;
    return &connector;
}

static void
downgrade_body(struct span message)
{
    static struct rig rig;
    rig_convert(&rig, message, NULL);
}

static void
downgrade_addresses_too(struct span message)
{
    static const struct viaduct_services services = {.size = sizeof services, .conf_connector = own_connector};
    static struct rig rig = {.services = &services};
    rig_convert(&rig, message, NULL);
}

static void
convert_to_gwise(struct span message)
{
    static const struct viaduct_recipient_out recipient = {
        .address = {"D.P.u", 5}, .kind = 1, .responsible = true};
    static struct rig rig;
    struct viaduct_delivery delivery = {.size = sizeof delivery,
                                        .id = "X",
                                        .originator = {"E.P.s", 5},
                                        .recipients = &recipient,
                                        .n_recipients = 1};
    struct viaduct_convert_in in = {.size = sizeof in,
                                    .id = "X",
                                    .need = "",
                                    .message = &delivery,
                                    .read = rig_read,
                                    .arg = &rig,
                                    .translate = rig_translate,
                                    .bytes = message.len};
    struct viaduct_convert_out out = {
        .size = sizeof out, .write = rig_write, .report = rig_report, .arg = &rig};
    rig.input = message;
    gwise_to_foreign(&in, &out, &rig.reason);
}

/* ---- a report about it ---- */

static int
count_bytes(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return 0;
}

static void
write_report(struct span message)
{
    static struct recipient nobody = {.address = {{"SMTP", 4}, {"nobody@branch.example", 21}},
                                      .state = RECIPIENT_FAILED,
                                      .kind = 1,
                                      .status = {"5.1.1", 5}};
    struct queue_file about = {.fd = file_of(message), .body_bytes = message.len};
    struct envelope *envelope = &about.envelope;
    struct dsn_texts texts = {{NULL}};
    struct dsn dsn = {.about = &about,
                      .id = "06GVK4N5D00000000000000002",
                      .node = "gw1.contoso.example",
                      .domain = "contoso.example",
                      .from = "MAILER-DAEMON@contoso.example",
                      .postmaster = "postmaster@contoso.example",
                      .texts = &texts,
                      .return_bytes = 50 << 20,
                      .now_s = 1795591700};
    struct why why;
    size_t total = 0;
    envelope->originator = (struct address){SPAN("SMTP"), SPAN("anna@contoso.example")};
    envelope->id = SPAN("06GVK4N5D00000000000000001");
    envelope->class = SPAN("IPM.Note");
    envelope->header_bytes = (int64_t)header_of(message).len;
    envelope->recipients = &nobody;
    envelope->n_recipients = 1;
    dsn_plan(&dsn, arena);
    dsn_write(&dsn, &(struct dsn_sink){count_bytes, &total}, &why);
    if (total < 500)
        abort();
}

static const struct parser parsers[] = {
    {"SMTP data", read_data},
    {"header scan", scan_header},
    {"pickup's envelope", pick_up},
    {"a maildir's envelope", read_maildir},
    {"header to and from SMTP", translate_smtp},
    {"header to and from GroupWise", translate_gwise},
    {"7-bit downgrade", downgrade_body},
    {"downgrade with addresses", downgrade_addresses_too},
    {"GroupWise item", convert_to_gwise},
    {"report", write_report},
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        if (argc < 3 || strstr(shapes[i].name, argv[2]) != NULL)
            cost_shape(&shapes[i], parsers, COUNT_OF(parsers), argc > 1 ? argv[1] : "");
    return 0;
}
