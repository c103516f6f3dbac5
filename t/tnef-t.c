/* tnef-t.c - TNEF is read as its specification says, whole or damaged, and no length in it is believed
 *
 *     tnef-t FOLDER       writes the samples there instead: other programs can be asked what they read in them
 */
#include <errno.h>
#include <sys/types.h>

#include "systems/mime/tnef_message.h"
#include "t/tap.h"
#include "t/tnef_build.h"

/* ---- a source in memory ---- */

struct memory {
    struct span bytes;
    uint64_t octets_read, calls;
    size_t at_once; /* 0: as many as are asked for */
    int error;      /* what reads behind `fails_at` give */
    uint64_t fails_at;
};

static ssize_t
read_memory(void *arg, uint64_t offset, void *bytes, size_t size)
{
    struct memory *memory = arg;
    memory->calls++;
    if (memory->error != 0 && offset + size > memory->fails_at)
        return memory->error;
    if (offset >= memory->bytes.len)
        return 0;
    size_t left = memory->bytes.len - (size_t)offset, n = size < left ? size : left;
    if (memory->at_once > 0 && n > memory->at_once)
        n = memory->at_once;
    memcpy(bytes, memory->bytes.at + offset, n);
    memory->octets_read += n;
    return (ssize_t)n;
}

static struct memory memory;
static struct tnef_source source;
static struct tnef_tree tree;
static struct why why;

static int
gather(struct span bytes)
{
    memory = (struct memory){.bytes = bytes};
    source = (struct tnef_source){.read = read_memory, .arg = &memory, .place = {0, bytes.len}};
    return tnef_gather(&source, &tree, &why);
}

static int
add_body(void *arg, bool html, struct span utf8)
{
    struct buf *out = arg;
    if (out->len == 0)
        buf_add_text(out, html ? "html:" : "text:");
    buf_add_span(out, utf8);
    return 0;
}

static void
is_body(const struct tnef_body *body, const char *want, const char *what)
{
    struct buf out = {0};
    is_int(tnef_read_body(&source, body, add_body, &out, &why), 0, "%s is read", what);
    is_span(buf_span(&out), want, "... as it was written");
    is_text(why.text, "", "... with nothing wrong");
    buf_clear(&out);
}

static void
is_octets(struct tnef_place place, struct span want, const char *what)
{
    ok(place.bytes == want.len && place.offset + place.bytes <= memory.bytes.len &&
           (want.len == 0 || memcmp(memory.bytes.at + place.offset, want.at, want.len) == 0),
       "%s", what);
}

/* ---- samples ---- */

#define HELLO_RTF                                                                                              \
    "\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}"      \
    "\x0a\x80\x0f\xa0"

static const uint16_t sent[7] = {2004, 2, 17, 11, 25, 35, 2};

static void
put_head(struct buf *out, const char *class)
{
    tnef_begin(out);
    put_attribute(out, TNEF_OF_MESSAGE, 0x00089006, SPAN("\0\0\x01\0"));
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_OEM_CODEPAGE, SPAN("\xe3\x04\0\0\0\0\0\0")); /* 1251 */
    put_text(out, TNEF_OF_MESSAGE, TNEF_MESSAGE_CLASS, class);
}

static void
put_files(struct buf *out)
{
    struct list list = {0};
    put_rend_data(out, 1);
    put_text(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_TITLE, "REPORT~1.PDF");
    put_attribute(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_META_FILE, SPAN("picture"));
    put_attribute(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_DATA, SPAN("%PDF-1.4 and so on"));
    put_i4(&list, 0x3705, 1);
    put_unicode(&list, 0x3707, "report of the year.pdf");
    put_string8(&list, 0x370e, "application/pdf");
    put_unicode(&list, 0x3712, "part1@x.example");
    put_tag(&list, TNEF_BOOLEAN, 0x7ffe);
    put_u32(&list.data, 1);
    put_list(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_PROPS, &list);

    put_rend_data(out, 1); /* an empty file */
    put_text(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_TITLE, "empty.txt");
    put_attribute(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_DATA, SPAN(""));

    put_rend_data(out, 2); /* an object */
    put_tag(&list, TNEF_OBJECT, 0x3701);
    put_one(&list, SPAN(IID_OF_STORAGE "storage"));
    put_i4(&list, 0x3705, 6);
    put_list(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_PROPS, &list);

    put_rend_data(out, 1); /* a path */
    put_i4(&list, 0x3705, 4);
    put_unicode(&list, 0x370d, "\\\\server\\share\\plan.xls");
    put_list(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_PROPS, &list);
}

static void
make_note(struct buf *out)
{
    struct list list = {0};
    put_head(out, "IPM.Microsoft Mail.Note");
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_PRIORITY, SPAN("\x01\0"));
    put_text(out, TNEF_OF_MESSAGE, TNEF_SUBJECT, "\xcf\xf0\xe8\xe2\xe5\xf2");
    put_date(out, TNEF_DATE_SENT, sent);
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_FROM,
                  SPAN("\x04\0\x1c\0\x05\0\x13\0"
                       "Anna\0SMTP:anna@x.example\0"));
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_SENT_FOR,
                  SPAN("\x04\0"
                       "Bob\0\x0d\0EX:/o=x/cn=b\0"));
    put_text(out, TNEF_OF_MESSAGE, TNEF_BODY, "of the attribute");
    put_string8(&list, 0x1000, "first line\r\n\xe4\r\n");
    put_binary(&list, 0x1009, SPAN(HELLO_RTF));
    put_binary(&list, 0x1013, SPAN("<p>\xc3\xa4</p>"));
    put_i4(&list, 0x3fde, 65001);
    put_time(&list, 0x0039, 1077045935);
    put_i4(&list, 0x0036, 2);
    put_unicode(&list, 0x1035, "<m1@x.example>");
    put_unicode(&list, 0x1042, "<m0@x.example>");
    put_binary(&list, 0x007f, SPAN("key"));
    put_list(out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    put_files(out);
    buf_clear(&list.data);
}

static void
make_meeting(struct buf *out)
{
    struct list list = {0};
    put_head(out, "IPM.Microsoft Schedule.MtgReq");
    put_date(out, TNEF_DATE_START, sent);
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_AID_OWNER, SPAN("\x01\x02\x03\x84"));
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_REQUEST_RES, SPAN("\x01\0"));
    put_unicode(&list, 0x003d, "Re: ");
    put_unicode(&list, 0x0e1d, "plans");
    put_time(&list, 0x0060, 1000);
    put_time(&list, 0x0061, 2000);
    put_named(&list, TNEF_SYSTIME, SET_APPOINTMENT, 0x820d);
    put_filetime(&list, 1077048000);
    put_named(&list, TNEF_SYSTIME, SET_APPOINTMENT, 0x820e);
    put_filetime(&list, -1);
    put_named(&list, TNEF_UNICODE, SET_APPOINTMENT, 0x8208);
    put_one_wide(&list, "Room 5");
    put_named(&list, TNEF_I4, SET_APPOINTMENT, 0x8217);
    put_u32(&list.data, 3);
    put_named(&list, TNEF_I4, SET_APPOINTMENT, 0x8205);
    put_u32(&list.data, 2);
    put_named(&list, TNEF_BOOLEAN, SET_APPOINTMENT, 0x8215);
    put_u32(&list.data, 1);
    put_named(&list, TNEF_BINARY, SET_APPOINTMENT, 0x8216);
    put_one(&list, SPAN("recurs"));
    put_named(&list, TNEF_BINARY, SET_APPOINTMENT, 0x8233);
    put_one(&list, SPAN("zone"));
    put_named(&list, TNEF_SYSTIME, SET_COMMON, 0x8516);
    put_filetime(&list, 77);
    put_named(&list, TNEF_BINARY, SET_MEETING, 0x0003);
    put_one(&list, SPAN("global"));
    put_named(&list, TNEF_BINARY, SET_MEETING, 0x0023);
    put_one(&list, SPAN("clean"));
    put_named(&list, TNEF_I4, SET_COMMON, 0x8205); /* the number of another set: not ours */
    put_u32(&list.data, 9);
    put_list(out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
}

static void
put_recipients(struct buf *out, uint32_t n)
{
    struct buf table = {0};
    put_u32(&table, n);
    for (uint32_t i = 0; i < n; i++) {
        struct list row = {0};
        char address[40];
        snprintf(address, sizeof address, "r%u@x.example", (unsigned)i);
        put_i4(&row, 0x0c15, 1 + i % 3);
        put_unicode(&row, 0x3001, "Name");
        put_string8(&row, 0x3002, "SMTP");
        put_string8(&row, 0x3003, address);
        put_u32(&table, row.n);
        buf_add_span(&table, buf_span(&row.data));
        buf_clear(&row.data);
    }
    put_attribute(out, TNEF_OF_MESSAGE, TNEF_RECIP_TABLE, buf_span(&table));
    buf_clear(&table);
}

/* Messages in each other: the innermost has a file. */
static void
make_nested(struct buf *out, int depth)
{
    struct buf inner = {0};
    make_note(&inner);
    for (int i = 0; i < depth; i++) {
        char subject[20];
        snprintf(subject, sizeof subject, "level %d", depth - 1 - i);
        put_head(out, "IPM.Note");
        put_text(out, TNEF_OF_MESSAGE, TNEF_SUBJECT, subject);
        put_recipients(out, 1);
        put_attached(out, buf_span(&inner), "attached");
        put_rend_data(out, 1);
        put_attribute(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_DATA,
                      buf_span(&(struct buf){.at = subject, .len = 7}));
        buf_reset(&inner);
        buf_add_span(&inner, buf_span(out));
    }
    buf_clear(&inner);
}

/* ---- messages ---- */

static void
try_published(void)
{
    struct buf out = {0};
    buf_add(&out, "\x78\x9f\x3e\x22\x01\0", 6);
    buf_add(&out, "\x01\x06\x90\x08\0\x04\0\0\0\0\0\x01\0\x01\0", 15);
    buf_add(&out, "\x01\x07\x90\x06\0\x08\0\0\0\xe4\x04\0\0\0\0\0\0\xe8\0", 19);
    buf_add(&out, "\x01\x08\x80\x07\0\x18\0\0\0IPM.Microsoft Mail.Note\0\x31\x08", 35);
    buf_add(&out, "\x01\x0d\x80\x04\0\x02\0\0\0\x02\0\x02\0", 13);
    buf_add(&out, "\x01\x04\x80\x01\0\x0f\0\0\0Simple subject\0\x7a\x05", 26);
    is_int(gather(buf_span(&out)), 0, "the beginning of the published example");
    is_int((int)tree.wrong_sums, 0, "... its checksums are right");
    is_text(tree.messages[0].class, "IPM.Note", "... its class, as it is called today");
    is_text(tree.messages[0].subject, "Simple subject", "... its subject");
    is_int(tree.messages[0].importance, 1, "... its importance");
    is_int(tree.messages[0].codepage, 1252, "... its code page");
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static void
try_note(void)
{
    struct buf out = {0};
    make_note(&out);
    for (size_t at_once = 0; at_once < 2; at_once++) {
        memory = (struct memory){.bytes = buf_span(&out), .at_once = at_once};
        source = (struct tnef_source){.read = read_memory, .arg = &memory, .place = {0, out.len}};
        is_int(tnef_gather(&source, &tree, &why), 0, "a message%s", at_once ? ", an octet at a time" : "");
        const struct tnef_message *m = tree.messages;
        is_int((int)tree.n_messages, 1, "... is one");
        is_text(m->class, "IPM.Note", "... its class");
        is_text(m->subject, "\u041f\u0440\u0438\u0432\u0435\u0442", "... its subject, by its code page");
        is_int(m->importance, 2, "... its importance");
        is_int(m->sensitivity, 2, "... its sensitivity");
        is_int(m->sent_local_s, 1077017135, "... when it was sent, by its sender's clock");
        is_int(m->sent_s, 1077045935, "... and in UTC");
        ok(m->expires_s == TNEF_NOT_GIVEN, "... what is not given is said not to be");
        is_text(m->sender_name, "Anna", "... its sender");
        is_text(m->sender_type, "SMTP", "... the type of the address");
        is_text(m->sender_address, "anna@x.example", "... the address");
        is_text(m->from_name, "Bob", "... for whom it was sent");
        is_text(m->from_type, "EX", "... the type of that address");
        is_text(m->from_address, "/o=x/cn=b", "... that address");
        is_text(m->message_id, "<m1@x.example>", "... its id");
        is_text(m->in_reply_to, "<m0@x.example>", "... what it answers");
        is_octets(m->correlation_key, SPAN("key"), "... its correlation key");
        is_body(&m->text, "text:first line\n\u0434\n", "the text of a property, not the attribute's,");
        is_body(&m->html, "html:<p>\u00e4</p>", "the HTML, in the code page of the Internet's,");
        is_body(&m->rtf, "text:hello world\n", "the RTF");
        tnef_tree_clear(&tree);
    }
    buf_clear(&out);
}

static void
try_files(void)
{
    struct buf out = {0};
    make_note(&out);
    is_int(gather(buf_span(&out)), 0, "a message with attachments");
    is_int((int)tree.n_attachments, 4, "... has four");
    const struct tnef_attachment *a = tree.attachments;
    ok(a[0].kind == TNEF_FILE, "a file");
    is_text(a[0].name, "report of the year.pdf", "... its long name");
    is_text(a[0].mime_tag, "application/pdf", "... its type");
    is_text(a[0].content_id, "part1@x.example", "... its Content-ID");
    is_int(a[0].hidden, 1, "... it is hidden");
    is_int(a[0].method, 1, "... it is here");
    is_octets(a[0].data, SPAN("%PDF-1.4 and so on"), "... its octets");
    is_octets(a[0].meta_file, SPAN("picture"), "... its picture");
    ok(a[1].kind == TNEF_FILE && a[1].data.bytes == 0, "a file without octets");
    is_text(a[1].name, "empty.txt", "... its name is its title");
    ok(a[2].kind == TNEF_OLE && a[2].name == NULL, "an object, without a name");
    is_octets(a[2].data, SPAN("storage"), "... its octets, without its interface");
    ok(a[3].kind == TNEF_REFERENCE, "a path");
    is_text(a[3].path, "\\\\server\\share\\plan.xls", "... which it is");
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static void
try_meeting(void)
{
    struct buf out = {0};
    make_meeting(&out);
    is_int(gather(buf_span(&out)), 0, "a meeting");
    const struct tnef_message *m = tree.messages;
    const struct tnef_meeting *meeting = &m->meeting;
    is_text(m->class, "IPM.Schedule.Meeting.Request", "... its class");
    is_text(m->subject, "Re: plans", "... its subject, of two parts");
    is_int(meeting->start_s, 1077048000, "... its start");
    is_int(meeting->end_s, -1, "... its end, before 1970");
    is_int(meeting->common_start_s, 77, "... another start");
    ok(meeting->common_end_s == TNEF_NOT_GIVEN, "... no other end");
    is_int(meeting->start_date_s, 1000, "... PR_START_DATE");
    is_int(meeting->end_date_s, 2000, "... PR_END_DATE");
    is_int(meeting->start_local_s, 1077017135, "... its start on the wall");
    is_text(meeting->location, "Room 5", "... its place");
    is_int(meeting->state_flags, 3, "... its state");
    is_int(meeting->busy, 2, "... how busy, by the property of the right set");
    is_int(meeting->all_day, 1, "... all day");
    is_int(meeting->owner_appointment, (int32_t)0x84030201, "... its owner's number");
    is_int(meeting->wants_response, 1, "... it wants an answer");
    is_octets(meeting->recurrence, SPAN("recurs"), "... its recurrence");
    is_octets(meeting->zone_struct, SPAN("zone"), "... its time zone");
    is_octets(meeting->global_id, SPAN("global"), "... its global id");
    is_octets(meeting->clean_global_id, SPAN("clean"), "... its clean one");
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static void
try_nested(void)
{
    struct buf out = {0};
    make_nested(&out, 3);
    is_int(gather(buf_span(&out)), 0, "messages in each other");
    is_int((int)tree.n_messages, 4, "... all of them");
    is_int((int)tree.n_attachments, 10, "... with what is attached to each");
    for (int i = 0; i < 3; i++) {
        char subject[20];
        snprintf(subject, sizeof subject, "level %d", i);
        const struct tnef_attachment *a = &tree.attachments[2 * i];
        is_text(tree.messages[i].subject, subject, "... its subject");
        ok(tree.messages[i].parent == i - 1 && tree.messages[i].level == (unsigned)i, "... its place");
        ok(a->kind == TNEF_ATTACHED_MESSAGE && a->message == i && a->embedded == i + 1,
           "... the message in it");
        is_text(a->name, "attached", "... the name of that");
        is_octets(a[1].data, (struct span){subject, 7}, "... the file behind it");
        is_int(tree.recipients[i].message, i, "... its recipient");
        is_int(tree.messages[i + 1].attachment, 2 * i, "... which attachment the next one is");
    }
    is_body(&tree.messages[3].rtf, "text:hello world\n", "the innermost one's RTF");
    is_text(tree.recipients[0].address, "r0@x.example", "a recipient's address");
    is_text(tree.recipients[0].address_type, "SMTP", "... its type");
    is_text(tree.recipients[0].name, "Name", "... its name");
    is_int(tree.recipients[0].type, 1, "... To");
    tnef_tree_clear(&tree);
    make_nested(&out, 30);
    is_int(gather(buf_span(&out)), 0, "thirty messages in each other");
    is_int((int)tree.n_messages, 1 + TNEF_DEPTH_MAX, "... as many as are allowed");
    ok(tree.too_deep && !tree.too_many, "... which is said");
    is_int(tree.attachments[2 * TNEF_DEPTH_MAX].embedded, -1, "... the next one is an attachment without");
    ok(memory.octets_read < 3 * out.len + 200000, "... and %zu octets were read %.1f times", out.len,
       (double)memory.octets_read / (double)out.len);
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

/* ---- properties ---- */

static int
show_property(void *arg, const struct tnef_property *p)
{
    struct buf *out = arg;
    buf_printf(out, "%x/%x%s", p->type, p->id, p->multiple ? "*" : "");
    if (p->named && p->name.bytes == 0)
        buf_printf(out, " %02x:%x", p->set[0], (unsigned)p->number);
    if (p->named && p->name.bytes > 0) {
        buf_printf(out, " %02x:", p->set[0]);
        tnef_read_text(&source, p->name, "UTF-16LE", out);
    }
    buf_printf(out, " %u of %u, %llu octets", p->index + 1, p->count, (unsigned long long)p->value.bytes);
    if (p->type == TNEF_UNICODE || p->type == TNEF_STRING8 || p->type == TNEF_BINARY ||
        p->type == TNEF_OBJECT) {
        buf_add_text(out, " = ");
        tnef_read_text(&source, p->value, p->type == TNEF_UNICODE ? "UTF-16LE" : "CP1252", out);
    } else if (tnef_number(p) != 0) {
        buf_printf(out, " = %lld", (long long)tnef_number(p));
    }
    buf_printf(out, "%s\n", p->object == TNEF_OBJECT_OTHER ? " (object)" : "");
    return out->len > 5000 ? 42 : 0;
}

static int
read_all(struct span bytes, struct buf *shown, struct tnef_report *report)
{
    const struct tnef_visitor visitor = {.property = show_property, .arg = shown};
    memory = (struct memory){.bytes = bytes};
    source = (struct tnef_source){.read = read_memory, .arg = &memory, .place = {0, bytes.len}};
    return tnef_read(&source, &visitor, report, &why);
}

static void
make_types(struct buf *out)
{
    struct list list = {0};
    tnef_begin(out);
    put_tag(&list, TNEF_NULL, 1);
    put_tag(&list, TNEF_I2, 2);
    put_u32(&list.data, 0xfffe);
    put_i4(&list, 3, 0xfffffffd);
    put_tag(&list, TNEF_R4, 4);
    put_u32(&list.data, 0);
    static const uint16_t wide[] = {TNEF_R8, TNEF_CURRENCY, TNEF_APPTIME, TNEF_I8, TNEF_SYSTIME};
    for (uint32_t i = 0; i < COUNT_OF(wide); i++) {
        put_tag(&list, wide[i], 5 + i);
        put_filetime(&list, 0);
    }
    put_tag(&list, TNEF_ERROR, 10);
    put_u32(&list.data, 0x8004010f);
    put_tag(&list, TNEF_BOOLEAN, 11);
    put_u32(&list.data, 0xffff0001);
    put_tag(&list, TNEF_CLSID, 12);
    buf_add(&list.data, SET_MEETING, 16);
    put_string8(&list, 13, "octets");
    put_unicode(&list, 14, "wide");
    put_binary(&list, 15, SPAN("12345"));
    put_tag(&list, TNEF_OBJECT, 16);
    put_one(&list, SPAN("\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x47object"));
    put_tag(&list, TNEF_OBJECT, 17);
    put_one(&list, SPAN("short"));
    put_tag(&list, 0x1000 | TNEF_I2, 18);
    put_u32(&list.data, 3);
    for (uint32_t i = 1; i <= 3; i++)
        put_u32(&list.data, i);
    put_tag(&list, 0x1000 | TNEF_STRING8, 19);
    put_u32(&list.data, 2);
    put_value(&list, SPAN("a"));
    put_value(&list, SPAN("bcdef"));
    put_tag(&list, 0x1000 | TNEF_I8, 20);
    put_u32(&list.data, 0);
    put_named(&list, TNEF_I4, SET_COMMON, 0x8503);
    put_u32(&list.data, 7);
    put_tag(&list, 0x1000 | TNEF_UNICODE, 0x8001);
    buf_add(&list.data, SET_APPOINTMENT, 16);
    put_u32(&list.data, 1);
    put_u32(&list.data, 10);
    put_wide(&list.data, "Name");
    put_u16(&list.data, 0);
    fill_up(&list.data);
    put_one_wide(&list, "v");
    put_list(out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    put_recipients(out, 2);
}

static void
try_types(void)
{
    struct buf out = {0}, shown = {0};
    struct tnef_report report;
    make_types(&out);
    is_int(read_all(buf_span(&out), &shown, &report), 0, "properties of every type");
    is_span(buf_span(&shown),
            "1/1 1 of 1, 0 octets\n2/2 1 of 1, 4 octets = -2\n3/3 1 of 1, 4 octets = -3\n"
            "4/4 1 of 1, 4 octets\n5/5 1 of 1, 8 octets\n6/6 1 of 1, 8 octets\n7/7 1 of 1, 8 octets\n"
            "14/8 1 of 1, 8 octets = 116444736000000000\n40/9 1 of 1, 8 octets\n"
            "a/a 1 of 1, 4 octets = -2147221233\nb/b 1 of 1, 4 octets = 1\n48/c 1 of 1, 16 octets\n"
            "1e/d 1 of 1, 7 octets = octets\n1f/e 1 of 1, 10 octets = wide\n102/f 1 of 1, 5 octets = 12345\n"
            "d/10 1 of 1, 6 octets = object (object)\nd/11 1 of 1, 5 octets = short (object)\n"
            "2/12* 1 of 3, 4 octets = 1\n2/12* 2 of 3, 4 octets = 2\n2/12* 3 of 3, 4 octets = 3\n"
            "1e/13* 1 of 2, 1 octets = a\n1e/13* 2 of 2, 5 octets = bcdef\n"
            "3/8014 08:8503 1 of 1, 4 octets = 7\n1f/8001* 02:Name 1 of 1, 4 octets = v\n"
            "3/c15 1 of 1, 4 octets = 1\n1f/3001 1 of 1, 10 octets = Name\n1e/3002 1 of 1, 5 octets = SMTP\n"
            "1e/3003 1 of 1, 13 octets = r0@x.example\n"
            "3/c15 1 of 1, 4 octets = 2\n1f/3001 1 of 1, 10 octets = Name\n1e/3002 1 of 1, 5 octets = SMTP\n"
            "1e/3003 1 of 1, 13 octets = r1@x.example\n",
            "... each value as it was written");
    is_int((int)report.attributes, 2, "... two attributes");
    is_int((int)report.values, 32, "... and so many values");
    buf_reset(&shown);
    for (int i = 0; i < 6000; i++)
        buf_add_byte(&shown, '.');
    is_int(read_all(buf_span(&out), &shown, &report), 42, "what the visitor returns ends it");
    buf_clear(&out);
    buf_clear(&shown);
}

/* ---- damage ---- */

/* A list that is damaged; the subject behind it shows that reading went on. */
static void
is_damaged(struct span data, uint32_t id, const char *reason)
{
    struct buf out = {0};
    struct list list = {0};
    put_head(&out, "IPM.Note");
    put_attribute(&out, TNEF_OF_MESSAGE, id, data);
    put_unicode(&list, 0x0037, "behind");
    put_list(&out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    is_int(gather(buf_span(&out)), -EINVAL, "damage");
    ok(strstr(why.text, reason) != NULL && strstr(why.text, "octet ") != NULL, "... which is said: %s",
       why.text);
    ok(tree.messages[0].damaged && tree.messages[0].subject != NULL, "... and reading goes on behind it");
    ok(tree.messages[0].rtf.kind == TNEF_NO_BODY, "... the damaged value is not told");
    ok(memory.octets_read < 10000, "... after %llu octets", (unsigned long long)memory.octets_read);
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static void
try_damage(void)
{
    static const uint32_t props = TNEF_MSG_PROPS;
    is_damaged(SPAN("\xff\xff\xff\xff"), props, "too early");
    is_damaged(SPAN("\x01\0\0\0\x02\x01\x09\x10\x01\0\0\0\xff\xff\xff\xff"), props,
               "4294967295 octets, 0 are left");
    is_damaged(SPAN("\x01\0\0\0\x02\x01\x08\x10\xff\xff\xff\xff\x01\0\0\0x"), props, "too early");
    is_damaged(SPAN("\x01\0\0\0\x02\x10\x09\x10\xff\xff\xff\xff"), props, "too early");
    is_damaged(SPAN("\x01\0\0\0\x99\0\x09\x10"), props, "unknown type 0x0099");
    is_damaged(SPAN("\x01\0\0\0\x03\0\x01\x80" SET_COMMON "\x02\0\0\0"), props, "unknown kind 2");
    is_damaged(SPAN("\x01\0\0\0\x03\0\x01\x80" SET_COMMON "\x01\0\0\0\xf0\xff\xff\xff"), props,
               "4294967280 octets");
    is_damaged(SPAN("\xff\xff\xff\xff\xff\xff\xff\xff"), TNEF_RECIP_TABLE, "too early");
}

/* Damage of the stream itself: behind that nothing can be found. */
static void
try_stream_damage(void)
{
    struct buf out = {0};
    make_note(&out);
    size_t len = out.len;
    buf_add(&out, "\x02\x0f\x80\x06\0\xff\xff\xff\xff", 9);
    buf_add(&out, "rest", 4);
    is_int(gather(buf_span(&out)), -EINVAL, "a length of 4 GiB");
    char reason[200];
    snprintf(reason, sizeof reason,
             "0x0006800f at octet %zu of the TNEF says it has 4294967295 octets, 4 are left", len);
    ok(strstr(why.text, reason) != NULL, "... is said: %s", why.text);
    ok(tree.n_attachments == 4 && tree.messages[0].html.kind == TNEF_BODY_HTML, "... what was before is there");
    ok(memory.octets_read < 20000, "... after %llu octets", (unsigned long long)memory.octets_read);
    tnef_tree_clear(&tree);
    out.at[len] = 3;
    is_int(gather(buf_span(&out)), -EINVAL, "a level that is none");
    ok(strstr(why.text, "its level is 3") != NULL, "... is said: %s", why.text);
    tnef_tree_clear(&tree);
    is_int(gather(SPAN("From: a@x.example\n")), -EINVAL, "what is no TNEF");
    ok(strstr(why.text, "signature") != NULL, "... is said: %s", why.text);
    tnef_tree_clear(&tree);
    is_int(gather(SPAN("")), -EINVAL, "nothing is no TNEF");
    tnef_tree_clear(&tree);
    is_int(gather((struct span){out.at, 6}), 0, "TNEF without attributes");
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

/* Torn anywhere, it is damaged, unless it is torn behind an attribute. */
static void
try_torn(void)
{
    struct buf out = {0};
    make_nested(&out, 2);
    size_t wrong = 0, whole = 0;
    for (size_t len = 0; len < out.len; len++) {
        char *copy = xstrndup("", 0);
        copy = xrealloc(copy, len + 1);
        memcpy(copy, out.at, len);
        int error = gather((struct span){copy, len});
        whole += error == 0;
        wrong += error != 0 && error != -EINVAL;
        tnef_tree_clear(&tree);
        /* ... and where the source is shorter than was said. */
        memory = (struct memory){.bytes = {copy, len}};
        source = (struct tnef_source){.read = read_memory, .arg = &memory, .place = {0, out.len}};
        wrong += tnef_gather(&source, &tree, &why) != -EINVAL;
        tnef_tree_clear(&tree);
        free(copy);
    }
    is_int((int)wrong, 0, "torn TNEF is damaged");
    is_int((int)whole, 9, "... unless it is torn behind an attribute");
    buf_clear(&out);
}

static void
try_wrong_sums(void)
{
    struct buf out = {0};
    make_note(&out);
    out.at[6 + 15 + 19 + 9 + 24] ^= 1; /* the class's */
    out.at[out.len - 1] ^= 1;
    is_int(gather(buf_span(&out)), 0, "wrong checksums are not fatal");
    is_int((int)tree.wrong_sums, 2, "... but counted");
    is_int((int)tree.first_wrong_sum, 6 + 15 + 19, "... and the first has its place");
    is_text(tree.messages[0].class, "IPM.Note", "... what it covers is used");
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static void
try_errors(void)
{
    struct buf out = {0};
    struct buf file = {0};
    make_nested(&out, 2);
    for (int i = 0; i < 5000; i++)
        buf_add_byte(&file, 'x');
    put_attribute(&out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_DATA, buf_span(&file));
    buf_clear(&file);
    size_t wrong = 0, failed = 0;
    for (uint64_t at = 0; at < out.len; at += 3) {
        memory = (struct memory){.bytes = buf_span(&out), .error = -EIO, .fails_at = at};
        source = (struct tnef_source){.read = read_memory, .arg = &memory, .place = {0, out.len}};
        int error = tnef_gather(&source, &tree, &why);
        failed += error == -EIO;
        wrong += error != -EIO && error != 0;
        tnef_tree_clear(&tree);
    }
    ok(wrong == 0 && failed > out.len / 3 - 100,
       "what cannot be read is no damage: the error is returned (%zu of %zu)", failed, out.len / 3 + 1);
    buf_clear(&out);
}

/* ---- limits ---- */

/* A file of 256 MiB: zeros, which cost no memory here. */
static uint64_t big_read;
static size_t big_most;
static struct span big_head;

static ssize_t
read_big(void *arg, uint64_t offset, void *bytes, size_t size)
{
    uint64_t end = *(uint64_t *)arg;
    size_t n = end - offset < size ? (size_t)(end - offset) : size;
    memset(bytes, 0, n);
    for (size_t i = 0; i < n && offset + i < big_head.len; i++)
        ((char *)bytes)[i] = big_head.at[offset + i];
    big_read += n;
    big_most = n > big_most ? n : big_most;
    return (ssize_t)n;
}

static void
try_big(void)
{
    struct buf out = {0};
    uint64_t bytes = 256 << 20, end;
    put_head(&out, "IPM.Note");
    put_rend_data(&out, 1);
    buf_add(&out, "\x02\x0f\x80\x06\0\0\0\0\x10", 9);
    big_head = buf_span(&out);
    end = out.len + bytes + 2;
    source = (struct tnef_source){.read = read_big, .arg = &end, .place = {0, end}};
    is_int(tnef_gather(&source, &tree, &why), 0, "a file of 256 MiB");
    ok(tree.attachments[0].data.bytes == bytes && tree.attachments[0].data.offset == out.len,
       "... is at its place");
    ok(big_read < bytes + 10000 && big_most <= 65536, "... and was read once, in pieces");
    tnef_tree_clear(&tree);
    big_read = 0;
    source.trusts_sums = true;
    is_int(tnef_gather(&source, &tree, &why), 0, "... or not at all where checksums are not looked at");
    ok(big_read < 10000, "... but for %llu octets", (unsigned long long)big_read);
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static void
try_many(void)
{
    struct buf out = {0}, long_text = {0};
    struct list list = {0};
    put_head(&out, "IPM.Note");
    put_recipients(&out, TNEF_RECIPIENTS_MAX + 10);
    for (int i = 0; i < TNEF_ATTACHMENTS_MAX + 10; i++) {
        put_rend_data(&out, 1);
        put_text(&out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_TITLE, i < TNEF_ATTACHMENTS_MAX ? "a" : "too many");
    }
    is_int(gather(buf_span(&out)), 0, "more than is allowed");
    ok(tree.n_attachments == TNEF_ATTACHMENTS_MAX && tree.n_recipients == TNEF_RECIPIENTS_MAX && tree.too_many,
       "... is left out, and said to be");
    is_text(tree.attachments[TNEF_ATTACHMENTS_MAX - 1].name, "a", "... and spoils nothing");
    ok(!tree.too_long, "... no text was too long");
    tnef_tree_clear(&tree);

    put_head(&out, "IPM.Note");
    for (int i = 0; i < TNEF_TEXT_MAX; i++)
        buf_add_byte(&long_text, 'x');
    for (int i = 0; i < 700; i++) {
        put_rend_data(&out, 1);
        put_string8(&list, 0x3707, long_text.at);
        put_string8(&list, 0x3707, long_text.at); /* the same again takes no more */
        put_list(&out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_PROPS, &list);
    }
    is_int(gather(buf_span(&out)), 0, "names of 8,000 octets");
    ok(tree.too_long && tree.text_bytes <= TNEF_TEXTS_MAX && tree.text_bytes > TNEF_TEXTS_MAX - 10000,
       "... are left out when there is no more room for them");
    ok(tree.attachments[500].name != NULL && tree.attachments[699].name == NULL, "... the last ones");
    tnef_tree_clear(&tree);
    buf_clear(&out);
    buf_clear(&long_text);
}

static void
try_many_messages(void)
{
    struct buf inner = {0}, out = {0};
    put_head(&inner, "IPM.Note");
    put_head(&out, "IPM.Note");
    for (int i = 0; i < TNEF_MESSAGES_MAX + 5; i++) {
        inner.len -= i == 0; /* the first is damaged */
        put_attached(&out, buf_span(&inner), "m");
        inner.len += i == 0;
    }
    is_int(gather(buf_span(&out)), -EINVAL, "more messages than are allowed, the first damaged");
    ok(tree.n_messages == TNEF_MESSAGES_MAX && tree.n_attachments == TNEF_MESSAGES_MAX + 5 && tree.too_many,
       "... some are left out, and said to be");
    ok(!tree.messages[0].damaged && tree.messages[1].damaged && !tree.messages[2].damaged,
       "... one is damaged");
    is_text(tree.messages[2].class, "IPM.Note", "... those behind it are read");
    is_int(tree.attachments[TNEF_MESSAGES_MAX - 1].embedded, -1, "... the attachments say which are left out");
    tnef_tree_clear(&tree);
    buf_clear(&inner);
    buf_clear(&out);
}

/* What attributes say in odd places or wrong lengths. */
static void
try_odd_attributes(void)
{
    struct buf out = {0};
    struct list list = {0};
    put_head(&out, "IPM.Note");
    put_unicode(&list, 0x0037, "of the property");
    put_list(&out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    put_text(&out, TNEF_OF_MESSAGE, TNEF_SUBJECT, "of the attribute");
    put_attribute(&out, TNEF_OF_MESSAGE, TNEF_FROM,
                  SPAN("\x04\0\x1c\0\x05\0\x13\0"
                       "Anna\0SMTP:a"));
    put_attribute(&out, TNEF_OF_MESSAGE, TNEF_SENT_FOR,
                  SPAN("\x04\0"
                       "Bob\0\xff\0"
                       "EX:b"));
    put_attribute(&out, TNEF_OF_MESSAGE, TNEF_DATE_SENT, SPAN("\xd4\x07\x0d\0\x01\0\0\0\0\0\0\0\0\0"));
    put_attribute(&out, TNEF_OF_MESSAGE, TNEF_AID_OWNER, SPAN("\x01"));
    put_text(&out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_TITLE, "title");
    is_int(gather(buf_span(&out)), 0, "odd attributes");
    const struct tnef_message *m = tree.messages;
    is_text(m->subject, "of the property", "... come second to properties");
    ok(m->sender_name == NULL && m->sender_address == NULL && m->from_address == NULL,
       "... with lengths too long say nothing");
    ok(m->sent_local_s == TNEF_NOT_GIVEN, "... nor does a month that is none");
    ok(m->meeting.owner_appointment == TNEF_NOT_GIVEN, "... nor a number that is too short");
    ok(tree.n_attachments == 1 && tree.attachments[0].kind == TNEF_FILE,
       "an attachment that does not begin as it should");
    is_text(tree.n_attachments == 1 ? tree.attachments[0].name : "", "title", "... has its name");
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

/* ---- bodies ---- */

static void
try_body(const char *what, uint32_t type, uint32_t id, struct span octets, const char *want)
{
    struct buf out = {0};
    struct list list = {0};
    put_head(&out, "IPM.Note");
    put_tag(&list, type, id);
    put_one(&list, octets);
    put_list(&out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    is_int(gather(buf_span(&out)), 0, "a message with %s", what);
    const struct tnef_message *m = tree.messages;
    is_body(m->text.kind != TNEF_NO_BODY   ? &m->text
            : m->html.kind != TNEF_NO_BODY ? &m->html
                                           : &m->rtf,
            want, what);
    tnef_tree_clear(&tree);
    buf_clear(&out);
}

static int
stop(void *arg, bool html, struct span utf8)
{
    (void)arg;
    (void)html;
    return utf8.len > 0 ? 7 : 0;
}

static void
try_bodies(void)
{
    struct buf stored = {0}, out = {0};
    struct list list = {0};
    static const char html[] = "{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag <b>}x\\'e4{\\*\\htmltag </b>}}";
    put_u32(&stored, 12 + sizeof html - 1);
    put_u32(&stored, sizeof html - 1);
    buf_add_text(&stored, "MELA");
    put_u32(&stored, 0);
    buf_add(&stored, html, sizeof html - 1);
    try_body("text of octets", TNEF_STRING8, 0x1000, SPAN("\xe4\r\n\0 behind its end"), "text:\u0434\n");
    try_body("text in Unicode", TNEF_UNICODE, 0x1000, SPAN("a\0\x34\x04\r\0\n\0\0\0z\0"), "text:a\u0434\n");
    try_body("HTML in Unicode", TNEF_UNICODE, 0x1013, SPAN("<\0b\0>\0"), "html:<b>");
    try_body("HTML of octets", TNEF_BINARY, 0x1013, SPAN("\xe4"), "html:\u0434");
    try_body("RTF that was HTML", TNEF_BINARY, 0x1009, buf_span(&stored), "html:<b>x\u00e4</b>");
    try_body("no text in it", TNEF_STRING8, 0x1000, SPAN(""), "");

    put_head(&out, "IPM.Note");
    put_binary(&list, 0x1009, SPAN(HELLO_RTF "\0"));
    put_string8(&list, 0x1000, "text");
    put_list(&out, TNEF_OF_MESSAGE, TNEF_MSG_PROPS, &list);
    gather(buf_span(&out));
    struct tnef_body torn = tree.messages[0].rtf;
    torn.place.bytes -= 8;
    is_int(tnef_read_body(&source, &torn, stop, NULL, &why), 7, "what takes a body may end it");
    memcpy(tree.messages[0].text.charset, "UTF-16LE", sizeof "UTF-16LE");
    tree.messages[0].text.place.bytes = 3;
    is_int(tnef_read_body(&source, &tree.messages[0].text, add_body, &stored, &why), 0, "text that is torn");
    is_text(why.text, "characters of the body that may be wrong: 1", "... has its faults counted");
    is_int(tnef_read_body(&source, &torn, add_body, &stored, &why), -EINVAL, "RTF that is torn");
    ok(strstr(why.text, "before its end") != NULL, "... is said to be: %s", why.text);
    memory.error = -EIO;
    is_int(tnef_read_body(&source, &tree.messages[0].text, add_body, &stored, &why), -EIO,
           "what cannot be read");
    tnef_tree_clear(&tree);
    buf_clear(&out);
    buf_clear(&stored);
}

/* ---- samples for others ---- */

static void
write_file(const char *folder, const char *name, const struct buf *bytes)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes->at, 1, bytes->len, file) != bytes->len || fclose(file) != 0)
        exit(1);
}

static int
write_samples(const char *folder)
{
    struct buf out = {0};
    make_note(&out);
    write_file(folder, "note", &out);
    make_meeting(&out);
    write_file(folder, "meeting", &out);
    make_nested(&out, 2);
    write_file(folder, "nested", &out);
    make_types(&out);
    write_file(folder, "types", &out);
    buf_clear(&out);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return write_samples(argv[1]);
    try_published();
    try_note();
    try_files();
    try_meeting();
    try_nested();
    try_types();
    try_damage();
    try_stream_damage();
    try_torn();
    try_wrong_sums();
    try_errors();
    try_big();
    try_many();
    try_many_messages();
    try_odd_attributes();
    try_bodies();
    return tap_done();
}
