/* cost-text.c - every other text that comes from outside, made to be costly: configuration, books, items, envelopes,
 * journals, reports, tracking records, addresses, replies
 *
 *     cost-text [PARSER [SHAPE]]       those whose names contain these; see cost_rig.h for what is printed
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/book.h"
#include "common/dsn.h"
#include "common/json_out.h"
#include "common/mapping_table.h"
#include "common/track_read.h"
#include "conf/conf.h"
#include "daemons/pickup.h"
#include "systems/calendar/calendar.h"
#include "systems/gwise/api_read.h"
#include "systems/gwise/container.h"
#include "systems/gwise/convert.h"
#include "systems/gwise/html_text.h"
#include "systems/smtp/smtp_reply.h"
#include "t/cost_rig.h"
#include "t/smtp_downgrade_rig.h"

static struct why why;

static int
file_of(struct span bytes)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes.at, bytes.len) != (ssize_t)bytes.len || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

/* Takes a line off; false behind the last. */
static bool
next_line(struct span *text, struct span *line)
{
    const char *end = text->len > 0 ? memchr(text->at, '\n', text->len) : NULL;
    if (end == NULL)
        return false;
    *line = (struct span){text->at, (size_t)(end - text->at)};
    text->len -= line->len + 1;
    text->at = end + 1;
    return true;
}

/* ---- configuration ---- */

#define HOST                                                                                                   \
    "node = \"gw1.contoso.example\"\nspool = \"/s\"\nhost { domains = { \"contoso.example\" } deliver { to = " \
    "{ \"smtp://h\" } } }\n"
#define CONNECTOR                                                                                              \
    "connector \"c\" { type = \"smtp\" peer { to = { \"smtp://h\" } } address-space { pattern = \"*\" } "

static const struct shape conf_shapes[] = {
    {"connectors", HOST,
     "connector \"c#\" { type = \"smtp\" peer { to = { \"smtp://h\" } } address-space { pattern = "
     "\"*@c#.example\" } }\n",
     ""},
    {"connectors of one name", HOST, "connector \"c\" { type = \"smtp\" peer { to = { \"smtp://h\" } } }\n",
     ""},
    {"address spaces", HOST CONNECTOR,
     "address-space { type = \"SMTP\" pattern = \"*@c#.example\" cost = 1 }\n", "}\n"},
    {"rules", HOST CONNECTOR "mapping {\n", "rule \"r#\" { kind = \"template\" out = \"%m@x.example\" }\n",
     "} }\n"},
    {"schedules", HOST, "schedule \"s#\" { during = { \"mon 08:00-18:00\" } }\n", ""},
    {"words of a list", HOST CONNECTOR "limits { } peer { to = {\n", "\"smtp://h#\",\n",
     "\"smtp://h\" } } }\n"},
    {"domains", "node = \"g\"\nspool = \"/s\"\nhost { domains = {\n", "\"d#.example\",\n",
     "\"e.example\" } }\n"},
    {"unknown options", HOST, "option# = 1\n", ""},
    {"an option again", HOST, "space = \"1M\"\n", ""},
    {"open blocks", HOST, "host {\n", ""},
    {"open lists", HOST, "x = { ", ""},
    {"comments", HOST, "/* # */ // #\n# #\n", ""},
    {"quotes", HOST, "\"\\\"", ""},
    {"a word", HOST, "xxxxxxx", ""},
    {"closing braces", HOST, "}\n", ""},
};

static void
read_conf(struct span text)
{
    struct buf errors = {0}, out = {0};
    struct conf *conf = conf_read("cost.conf", text, &errors);
    if (conf != NULL)
        conf_print(conf, false, &out);
    conf_free(conf);
}

/* ---- books and tables ---- */

static const struct shape csv_shapes[] = {
    {"recipients", "display,primary,proxies,side\n",
     "Anna #,SMTP:a#@in.example,smtp:b#@x.example GWISE:D.P.u#,host\n", ""},
    {"recipients twice", "display,primary,proxies,side\n", "Anna,SMTP:a@in.example,,host\n", ""},
    {"errors", "display,primary,proxies,side\n", "x,#,y\n", ""},
    {"proxies", "display,primary,proxies,side\nAnna,SMTP:a@in.example,", "smtp:b#@x.example ", ",host\n"},
    {"proxies of several", "display,primary,proxies,side\n",
     "#,SMTP:a#@in.example,smtp:a@x.example|smtp:b@x.example,host\n", ""},
    {"columns", "display,primary,proxies,side", ",c#", "\n"},
    {"quotes", "display,primary\n", "\"\"\"", "\n"},
    {"a field", "display,primary\n\"", "xxxxxxxx\n", "\"\n"},
    {"empty lines", "display,primary\n", "\n", ""},
};

static void
read_csv(struct span text)
{
    struct buf errors = {0};
    char top[] = "/tmp/viaduct-cost-XXXXXX";
    if (mkdtemp(top) == NULL)
        abort();
    int folder = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct book_builder *builder = book_builder_new(folder, 1, "cost", &why);
    if (builder == NULL || book_read_csv(file_of(text), "cost.csv", builder, &errors) < -1)
        abort();
    book_builder_drop(builder);
    rmdir(top);
}

static const struct shape table_shapes[] = {
    {"pairs", "", "D.P.u# a#@in.example\n", ""},      {"pairs of one address", "", "D.P.u a@in.example\n", ""},
    {"patterns", "", "D.P#.* *@p#.in.example\n", ""}, {"errors", "", "# #\nx#\n", ""},
    {"blanks", "D.P.u", " \t", "a@in.example\n"},     {"words", "D.P.u", " x", "a@in.example\n"},
};

static void
read_table(struct span text)
{
    char path[40];
    struct buf errors = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", file_of(text));
    struct mapping_table *table = mapping_table_new(path, SPAN("GWISE"), &errors);
    struct address address = {SPAN("GWISE"), SPAN("D.P.zz")};
    struct span found;
    if (table != NULL)
        mapping_table_find(table, false, &address, arena, &found);
}

/* ---- GroupWise ---- */

#define WHO "WPD= D; WPPO= P; WPU= u#; "

static const struct shape api_shapes[] = {
    {"keywords", "", "Key#= v;\r\n", "-END-\r\n"},
    {"one keyword", "", "Subject= v#;\r\n", "-END-\r\n"},
    {"addresses", "From= WPD= D; WPPO= P; WPU= u; ;\r\nTo= WPD= D; WPPO= P; WPU= v; ", ",\r\n" WHO,
     ";\r\n-END-\r\n"},
    {"dotted addresses", "To= D.P.u", ", D.P.u#", ";\r\n-END-\r\n"},
    {"files", "Attach-File= ", "Current-File= f#; Original-File= g#; ,", ";\r\n-END-\r\n"},
    {"groups never closed", "", "To= WPD= D", "\r\n-END-\r\n"},
    {"empty elements", "To= ", ",", ";\r\n-END-\r\n"},
    {"flags", "", "-F#- ;\r\n", "-END-\r\n"},
    {"folds", "Subject= x", "\r\n  #", ";\r\n-END-\r\n"},
    {"escapes", "Subject= x", "\\;\\", ";\r\n-END-\r\n"},
    {"a value without an end", "Subject= ", "xxxxxxx#", ""},
    {"equal signs", "", "=", ""},
    {"ends", "Subject= ", "\r\n-END", ";\r\n-END-\r\n"},
    {"blanks", "Subject= x", " ", ";\r\n-END-\r\n"},
    {"octets of a code page", "Subject= ", "\xc3\xbc\xff", ";\r\n-END-\r\n"},
    {"HTML", "", "<a href=x#>y</a>&amp;<p><!--", ""},
    {"lines", "", "text #\r\n", ""},
};

static void
read_api(struct span text)
{
    struct api_file file;
    struct api_address address;
    api_is_finished(text);
    if (api_read(text, arena, &file, &why) < 0)
        return;
    for (const struct api_item *item = file.root.children; item != NULL; item = item->next)
        for (const struct api_item *element = item->children; element != NULL; element = element->next)
            api_address(element, &address);
    api_find(&file.root, "None");
}

static int
take_envelope(void *arg, const struct viaduct_envelope_in *envelope, const struct viaduct_recipient_in *list,
              size_t n)
{
    (void)arg;
    (void)envelope;
    (void)list;
    return n > 0 ? 0 : -EINVAL;
}

/* An item whose header and whose body are this text. */
static void
convert_item(struct span text)
{
    static struct rig item, rig;
    static const char begin[] = "From= WPD= D; WPPO= P; WPU= u; ; To= WPD= D; WPPO= P; WPU= v; ; ";
    struct container_writer writer;
    container_begin(&writer, rig_write, &item);
    container_part(&writer, PART_HEADER, SPAN("a.api"));
    container_add(&writer, begin, sizeof begin - 1);
    container_add(&writer, text.at, text.len);
    container_add(&writer, "\r\n-END-\r\n", 9);
    container_part_end(&writer);
    container_part(&writer, PART_BODY, SPAN("a.bdy"));
    container_add(&writer, text.at, text.len);
    container_part_end(&writer);
    container_end(&writer);
    rig.input = buf_span(&item.output);
    struct viaduct_convert_in in = {
        .size = sizeof in, .id = "X", .need = "", .read = rig_read, .arg = &rig, .translate = rig_translate};
    struct viaduct_convert_out out = {
        .size = sizeof out, .write = rig_write, .envelope = take_envelope, .report = rig_report, .arg = &rig};
    gwise_from_foreign(&in, &out, &rig.reason);
}

static const struct shape html_shapes[] = {
    {"links", "", "<a href=x#>y</a>", ""},       {"open tags", "", "<", ""},
    {"open comments", "", "<!--", ""},           {"references", "", "&amp;&#169;&", ""},
    {"elements in each other", "", "<pre>", ""}, {"a script without an end", "<script>", "</scrip", ""},
};

static void
read_html(struct span text)
{
    struct html_text html;
    struct buf out = {0};
    html_text_start(&html);
    for (size_t at = 0; at < text.len; at += 1000)
        html_text_feed(&html, text.at + at, text.len - at < 1000 ? text.len - at : 1000, &out);
    html_text_end(&html, &out);
}

#define ICAL "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:u\nDTSTART:20260701T120000Z\n"

static const struct shape calendar_shapes[] = {
    {"components in each other", "", "BEGIN:VEVENT\n", ""},
    {"calendars in each other", "", "BEGIN:VCALENDAR\n", ""},
    {"alarms", ICAL, "BEGIN:VALARM\nTRIGGER:-PT#M\nEND:VALARM\n", "END:VEVENT\nEND:VCALENDAR\n"},
    {"people", ICAL, "ATTENDEE;CN=\"x #\":mailto:a#@b.example\n", "END:VEVENT\nEND:VCALENDAR\n"},
    {"events", "BEGIN:VCALENDAR\n", "BEGIN:VEVENT\nUID:#\nDTSTART:20260701T120000Z\nEND:VEVENT\n",
     "END:VCALENDAR\n"},
    {"zones", "BEGIN:VCALENDAR\n", "BEGIN:VTIMEZONE\nTZID:#\nBEGIN:STANDARD\nEND:STANDARD\nEND:VTIMEZONE\n",
     "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=x:20260701T120000\nEND:VEVENT\nEND:VCALENDAR\n"},
    {"folds of a text", ICAL "DESCRIPTION:", "\n x", "\nEND:VEVENT\nEND:VCALENDAR\n"},
    {"escapes of a text", ICAL "DESCRIPTION:", "\\n\\,", "\nEND:VEVENT\nEND:VCALENDAR\n"},
    {"dates of a series", ICAL, "RDATE:20260701T12#\n", "END:VEVENT\nEND:VCALENDAR\n"},
    {"parameters", ICAL, "SUMMARY;X=#;X=\"#\":x\n", "END:VEVENT\nEND:VCALENDAR\n"},
};

static struct calendar_zone *site;

static void
read_calendar(struct span text)
{
    struct calendar_item item;
    struct buf out = {0};
    if (calendar_read(text, site, arena, NULL, NULL, &item, &why) == 0)
        calendar_write(&item, site, &out);
}

/* ---- envelopes, journals, reports: one line is one recipient ---- */

static const struct shape recipient_shapes[] = {
    {"recipients", "", "a#@in.example\n", ""},
    {"recipients with 8-bit names", "", "\xc3\xbc#@in.example\n", ""},
};

static struct envelope
make_envelope(struct span text)
{
    struct envelope envelope = {.id = SPAN("06GVK4N5D00000000000000001"),
                                .arrival_ms = 1,
                                .origin = SPAN("host"),
                                .class = SPAN("IPM.Note"),
                                .originator = {SPAN("SMTP"), SPAN("anna@contoso.example")}};
    struct span line;
    struct buf list = {0};
    while (next_line(&text, &line)) {
        struct recipient r = {.address = {SPAN("SMTP"), line}, .kind = 1};
        buf_add(&list, &r, sizeof r);
    }
    envelope.recipients = (struct recipient *)(void *)list.at;
    envelope.n_recipients = list.len / sizeof(struct recipient);
    return envelope;
}

static void
read_envelope(struct span text)
{
    struct envelope envelope = make_envelope(text), again;
    struct buf records = {0};
    envelope_print(&envelope, &records);
    if (envelope_parse(buf_span(&records), envelope.n_recipients, arena, &again, &why) < 0 &&
        arena_bytes(arena) < ARENA_MAX / 2)
        abort();
}

static void
apply_all(struct span journal, struct envelope *envelope)
{
    struct journal_entry entry;
    for (int64_t n; (n = journal_parse(journal, arena, &entry, &why)) > 0;) {
        if (envelope_apply(envelope, &entry, &why) < 0)
            abort();
        journal.at += n;
        journal.len -= (size_t)n;
        arena_reset(arena);
    }
}

static const struct recipient_mark failed = {0, RECIPIENT_FAILED, {"5.1.1", 5}, {"x", 1}, {"", 0}};

static void
read_journal(struct span text)
{
    struct envelope envelope = make_envelope(text);
    struct buf journal = {0};
    for (size_t i = 0; i < envelope.n_recipients; i++) {
        struct recipient_mark mark = failed;
        struct journal_entry one = {.kind = JOURNAL_MARK, .by = SPAN("w"), .marks = &mark, .n_marks = 1};
        mark.index = (uint32_t)i;
        journal_print(&one, &journal);
    }
    apply_all(buf_span(&journal), &envelope);
}

static void
read_entry(struct span text)
{
    struct envelope envelope = make_envelope(text);
    struct buf journal = {0};
    struct recipient_mark *marks = xcalloc(envelope.n_recipients, sizeof *marks);
    struct journal_entry all = {
        .kind = JOURNAL_MARK, .by = SPAN("w"), .marks = marks, .n_marks = envelope.n_recipients};
    for (size_t i = 0; i < envelope.n_recipients; i++) {
        marks[i] = failed;
        marks[i].index = (uint32_t)i;
    }
    journal_print(&all, &journal);
    free(marks);
    apply_all(buf_span(&journal), &envelope);
}

static int
count_bytes(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return 0;
}

static void
write_report(struct span text)
{
    struct queue_file about = {.fd = file_of(SPAN("From: anna@contoso.example\n\n")),
                               .body_bytes = 28,
                               .envelope = make_envelope(text)};
    struct dsn_texts texts = {{NULL}};
    struct dsn dsn = {.about = &about,
                      .id = "06GVK4N5D00000000000000002",
                      .node = "gw1.contoso.example",
                      .domain = "contoso.example",
                      .from = "MAILER-DAEMON@contoso.example",
                      .postmaster = "postmaster@contoso.example",
                      .texts = &texts,
                      .return_bytes = 50 << 10,
                      .now_s = 1795591700};
    size_t total = 0;
    about.envelope.header_bytes = 28;
    for (size_t i = 0; i < about.envelope.n_recipients; i++)
        about.envelope.recipients[i].state = RECIPIENT_FAILED;
    dsn_plan(&dsn, arena);
    dsn_write(&dsn, &(struct dsn_sink){count_bytes, &total}, &why);
    if (total < text.len)
        abort();
}

/* ---- lines: what is dropped, tracked, answered ---- */

static const struct shape drop_shapes[] = {
    {"receivers", "X-Sender: <a@in.example>\n", "X-Receiver: <b#@in.example>\n", "\nx\n"},
    {"a receiver again", "X-Sender: <a@in.example>\n", "X-Receiver: <b@in.example>\n", "\nx\n"},
    {"parameters", "X-Sender: <a@in.example>", " P#=x", "\nX-Receiver: <b@in.example>\n\nx\n"},
    {"senders", "", "X-Sender: <a#@in.example>\n", "\nx\n"},
};

static void
read_drop(struct span text)
{
    static const struct drop_rules rules = {.domain = "contoso.example", .max_recipients = 1000000, .seed = 7};
    struct envelope envelope = {.originator = {SPAN("SMTP"), SPAN("")}};
    drop_envelope_lines(&text, &rules, arena, &envelope, &why);
}

static const struct shape pair_shapes[] = {
    {"pairs", "", "k#=v ", ""},        {"quoted pairs", "", "k=\"v \\\" \\x0A\" ", ""},
    {"open quotes", "", "k=\"", ""},   {"control characters", "", "\x01\n", ""},
    {"8-bit", "", "\xc3\xbc\xff", ""},
};

static void
read_pairs(struct span text)
{
    struct buf value = {0}, out = {0};
    struct track_line record;
    struct span line = text, key;
    struct json json;
    track_line_parse(text, &value, &record);
    while (log_next_pair(&line, &key, &value))
        continue;
    log_print_pair(&out, "k", text);
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_span(&json, "k", text);
    json_end_object(&json);
}

static const struct shape address_shapes[] = {
    {"dots", "a@b", ".c", ""},
    {"quotes", "\"", "\\\"", "\"@x.example"},
    {"at signs", "", "@", ""},
    {"one-off", "", "[SMTP:", "]"},
    {"escapes", "Name[SMTP:", "\\x41\\[", "]"},
    {"8-bit labels", "a@b", ".\xc3\xbc", ""},
    {"colons", "IPv6@[IPv6:", ":", "]"},
    {"encapsulated", "IMCEASMTP-", "+2E", "@x"},
    {"encapsulated again", "", "IMCEASMTP-IMCEAX-", "@x"},
    {"route", "<", "@a,", ":b@c>"},
    {"labels", "a@b", ".c#", ""},
};

static void
read_address(struct span text)
{
    struct mailbox_parts parts;
    struct address address;
    struct span rest, display;
    struct buf out = {0};
    mailbox_parse(text, &parts, &why);
    path_parse(text, true, "h.example", arena, &address, &rest, &why);
    address_parse(text, arena, &address, &why);
    imcea_decode(text, arena, &address, &why);
    oneoff_parse(text, arena, &display, &address, &why);
    domain_to_ascii(text, &out, &why);
    dsn_subject_decode(text, &out);
    buf_reset(&out);
    dsn_add_clean(&out, text, false, text.len);
    dsn_add_addr_xtext(&out, text);
}

static const struct shape reply_shapes[] = {
    {"lines", "", "250-x#\r\n", "250 x\r\n"},    {"replies", "", "250 2.0.0 x#\r\n", ""},
    {"a line", "250 ", "xxxxxxx", "\r\n"},       {"words", "250-SIZE", " #", "\r\n250 x\r\n"},
    {"codes that change", "", "250-x\r\n#", ""}, {"control characters", "250 ", "\x1b", "\r\n"},
};

static void
read_replies(struct span text)
{
    struct smtp_reply reply;
    struct smtp_caps caps = {false};
    smtp_reply_reset(&reply);
    for (bool last = false; text.len > 0;) {
        struct span said = {NULL, 0};
        int took = smtp_reply_line(&reply, text, &last, &said, &why);
        smtp_caps_line(&caps, said);
        if (took <= 0)
            smtp_reply_reset(&reply);
        took = took > 0 ? took : 1;
        text.at += took;
        text.len -= (size_t)took;
        if (last)
            smtp_reply_reset(&reply);
    }
}

#define SHAPES(table) table, COUNT_OF(table)

static const struct {
    struct parser parser;
    const struct shape *shapes;
    size_t n;
} table[] = {
    {{"configuration", read_conf}, SHAPES(conf_shapes)},
    {{"book of CSV", read_csv}, SHAPES(csv_shapes)},
    {{"mapping table", read_table}, SHAPES(table_shapes)},
    {{"API file", read_api}, SHAPES(api_shapes)},
    {{"message of a GroupWise item", convert_item}, SHAPES(api_shapes)},
    {{"text of HTML", read_html}, SHAPES(html_shapes)},
    {{"calendar", read_calendar}, SHAPES(calendar_shapes)},
    {{"envelope", read_envelope}, SHAPES(recipient_shapes)},
    {{"journal", read_journal}, SHAPES(recipient_shapes)},
    {{"journal's entry", read_entry}, SHAPES(recipient_shapes)},
    {{"report for many", write_report}, SHAPES(recipient_shapes)},
    {{"dropped envelope", read_drop}, SHAPES(drop_shapes)},
    {{"log lines", read_pairs}, SHAPES(pair_shapes)},
    {{"addresses", read_address}, SHAPES(address_shapes)},
    {{"replies", read_replies}, SHAPES(reply_shapes)},
};

int
main(int argc, char **argv)
{
    site = calendar_zone_new(SPAN("Europe/Berlin"));
    for (size_t i = 0; i < COUNT_OF(table); i++)
        for (size_t j = 0; j < table[i].n && (argc < 2 || strstr(table[i].parser.name, argv[1]) != NULL); j++)
            if (argc < 3 || strstr(table[i].shapes[j].name, argv[2]) != NULL)
                cost_shape(&table[i].shapes[j], &table[i].parser, 1, "");
    return 0;
}
