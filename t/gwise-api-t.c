/* gwise-api-t.c - the reader of API files takes every form that was seen, and the writer writes the known one
 */
#include <dirent.h>

#include "systems/gwise/api_read.h"
#include "systems/gwise/api_write.h"
#include "systems/mime/charset.h"
#include "t/kit_fake.h"

static struct arena *arena;
static struct api_file file;

static void
read_text(const char *text)
{
    arena_reset(arena);
    if (api_read(span_of(text), arena, &file, NULL) != 0)
        printf("# not read\n");
}

static size_t
count(const struct api_item *parent)
{
    size_t n = 0;
    for (const struct api_item *e = parent != NULL ? parent->children : NULL; e != NULL; e = e->next)
        n++;
    return n;
}

static struct buf
fixture(const char *name)
{
    const char *top = getenv("srcdir");
    char folder[400];
    snprintf(folder, sizeof folder, "%s/t/fixtures/gwise", top != NULL ? top : ".");
    return fake_read(folder, name);
}

static void
test_closing_forms(void)
{
    static const struct {
        const char *text, *what;
        size_t elements;
    } forms[] = {
        {"To= \r\n    WPD= D; \r\n    WPU= u; ; \r\nSubject= s;\r\n-END-\r\n", "on the last pair's line", 1},
        {"To= \r\n    WPD= D; \r\n    WPU= u; \r\n    ;\r\nSubject= s;\r\n-END-\r\n", "alone, indented", 1},
        {"To= \n WPD= D;\n WPU= u;\n;\nSubject= s;\n-END-\n", "alone, not indented, LF lines", 1},
        {"To= \r\n    WPD= D; \r\n    WPU= u;  ,\r\n    WPD= D; \r\n    WPU= v;  ;\r\nSubject= s;\r\n-END-",
         "a list", 2},
        {"To= \n WPD= D; WPU= u; , \n WPD= D; WPU= v; , \n    ;\nSubject= s;\n-END-\n",
         "a ',' behind the last element", 2},
        {"To=; \r\nSubject= s; \r\n-END-\r\n", "the empty group", 0},
        {"To= \r\n    WPD= D; \r\n    WPU= u; \r\nSubject= s; \r\n-END-\r\n", "none at all", 1},
        {"To=D.P.u,D.P.v;\nSubject=s;\n-END-\n", "dotted addresses", 2},
        {"To= D.P.u ;\n;\n;\nSubject=s;\n-END-\n", "stray ';' lines", 1},
        {"tO=wpd=D;WPPO=p;wpu=u;;subject=s;-END-", "all on one line, any case", 1},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        read_text(forms[i].text);
        is_int(count(api_find(&file.root, "To")), forms[i].elements, "closing form: %s: elements",
               forms[i].what);
        is_span(api_text(&file.root, "Subject"), "s", "closing form: %s: what follows is at top level",
                forms[i].what);
    }
}

static void
test_scalars(void)
{
    read_text("Msg-Id= c=US\\;a= \\;p=x\\;gwcnt=0007; \r\nTo-Text= \r\n    GW One, GW Two;\r\n"
              "Orig-Msg-Id=     c=US\\;a= \\;\r\n        p=x;\r\nSubject= a\\\\b\\,c\\d "
              "\\;;\r\nX=1\r\n-END-\r\ntail\r\n");
    is_span(api_text(&file.root, "msg-id"), "c=US;a= ;p=x;gwcnt=0007",
            "escaped ';' and further '=' belong to the value");
    is_span(api_text(&file.root, "To-Text"), "GW One, GW Two",
            "a value may start a line later and keep its commas");
    is_span(api_text(&file.root, "Orig-Msg-Id"), "c=US;a= ;p=x", "a folded value is joined");
    is_span(api_text(&file.root, "Subject"), "a\\b,cd ;",
            "backslash escapes '\\', ',' and ';', and is dropped before others");
    is_span(api_text(&file.root, "X"), "1", "a value without ';' ends before the line -END-");
    ok(file.ended && file.warnings > 0, "and the file is read to its end, with a warning");
    is_span(file.trailer, "tail\r\n", "what follows -END- is the trailer");
    read_text("Last-Name= \\\\; \nFirst-Name=   ;\n-END-\n");
    is_span(api_text(&file.root, "Last-Name"), "", "one backslash means no value");
    read_text("Subject= unfinished;\r\nTo= \r\n WPD= x;");
    ok(!file.ended && !api_is_finished(SPAN("Subject= -END- ;\r\n -ENDE")),
       "a file without -END- is unfinished");
    ok(api_is_finished(SPAN("A=b;\n  -end-\r\n")), "-END- in any case, with blanks before it, is an end");
}

static void
test_fixtures(void)
{
    struct buf text = fixture("mail-from-gateway.api");
    ok(text.len > 0, "the fixtures are there");
    struct buf utf8 = {0};
    struct codepage *codepage = codepage_new("437");
    codepage_decode(codepage, buf_span(&text), &utf8);
    read_text(utf8.at);
    struct api_address address;
    ok(file.ended && !file.dotted, "a gateway's mail is read whole");
    is_int(count(api_find(&file.root, "To")), 2, "its list To has two elements");
    ok(api_address(api_find(&file.root, "From")->children, &address), "its sender is an address");
    is_span(address.user, "jmüller", "with the user in UTF-8");
    ok(api_address(api_find(&file.root, "To")->children->next, &address), "a quoted user is an address");
    is_span(address.user, "odd@host.example", "and the quotes are no part of it");
    const struct api_item *files = api_find(&file.root, "Attach-File");
    is_int(count(files), 2, "a ',' behind -CONVERSION-ALLOWED- parts no element");
    is_span(api_text(files->children, "Original-File"), "Kran Übersicht.doc", "so its file keeps its name");
    buf_clear(&text);
    buf_clear(&utf8);
    codepage_free(codepage);

    text = fixture("directory-answer.api");
    read_text(text.at);
    const struct api_item *user = api_find(&file.root, "DS-User");
    is_int(count(user), 1, "a directory group is one element");
    is_span(api_text(api_find(user->children, "Gw-Alias")->children, "External-Name"), "crew@harbour.example",
            "a group within a group is read");
    user = api_find_next(user);
    is_span(user != NULL ? api_text(user->children, "Object") : SPAN("none"), "mate", "groups may come again");
    ok(user != NULL && count(api_find(user->children, "Gw-Alias")) == 0,
       "an empty group within a group closes itself only");
    buf_clear(&text);

    text = fixture("busy-answer.api");
    read_text(text.at);
    is_int(count(api_find(&file.root, "Busy-Report")), 2, "busy slots are read, with a ',' behind the last");
    is_span(api_text(api_find(&file.root, "Busy-For")->children, "CDBA"), "HARBOUR.Quay.crew",
            "an unclosed group ends where the next keyword of the top level stands");
    is_span(api_text(&file.root, "Orig-Msg-Id"), "AAKD:2026.1.2.3.4:2026.1.9.3.4:2026.1.2.2.4.5",
            "a folded id is joined");
    buf_clear(&text);

    text = fixture("refused.api");
    read_text(text.at);
    ok(file.dotted && count(api_find(&file.root, "To")) == 3, "dotted addresses are noticed");
    ok(api_address(api_find(&file.root, "To")->children->next, &address), "and read");
    is_span(address.user, "b.c", "the second dot ends the post office, further ones are the user's");
    ok(file.trailer.len > 0 && strstr(file.trailer.at, "Unknown keyword: WPPO") != NULL,
       "a gateway's complaints are the trailer");
    buf_clear(&text);
}

static void
test_dates(void)
{
    int64_t time_s;
    setenv("TZ", "UTC", 1);
    ok(api_read_date(SPAN("22/8/2007 15:23:19"), &time_s) && time_s == 1187796199,
       "a date without zone is local time");
    ok(api_read_date(SPAN("26/11/1998 1:5 +0"), &time_s) && time_s == 912042300, "a date with zone +0");
    ok(api_read_date(SPAN("23/11/26 07:10 +01:30"), &time_s) && time_s == 1795412400,
       "two digits of the year, +hh:mm");
    ok(api_read_date(SPAN("1/1/71 0:0 -0500"), &time_s) && time_s == 31554000,
       "70 to 99 are of the last century");
    ok(!api_read_date(SPAN("32/1/2007 1:1"), &time_s) && !api_read_date(SPAN(""), &time_s) &&
           !api_read_date(SPAN("1/1/2007 1"), &time_s),
       "what is no date is none");
}

static void
test_hostile(void)
{
    struct buf text = {0};
    for (int i = 0; i < 100000; i++)
        buf_add_text(&text, "To= From= WPD= Gw-Alias= ");
    struct why why;
    arena_reset(arena);
    is_int(api_read(buf_span(&text), arena, &file, &why), 0,
           "a hundred thousand groups opened and never closed are read");
    buf_reset(&text);
    for (int i = 0; i < 200000; i++)
        buf_add_text(&text, "Gw-Alias= \n A= b; ");
    arena_reset(arena);
    is_int(api_read(buf_span(&text), arena, &file, &why), 0, "groups do not nest without end");
    buf_reset(&text);
    buf_add_text(&text, "Subject= ");
    for (int i = 0; i < 400000; i++)
        buf_add_text(&text, "\\;;x\n-"); /* every other ';' ends something */
    arena_reset(arena);
    is_int(api_read(buf_span(&text), arena, &file, &why), 0, "two megabytes of signs are read");
    buf_reset(&text);
    for (int i = 0; i < 1000; i++)
        buf_add_text(&text, "A= b; ");
    struct arena *small = arena_new(2000);
    ok(api_read(buf_span(&text), small, &file, &why) < 0 && why.text[0] != '\0',
       "the arena's cap ends it, with the reason");
    arena_free(small);
    buf_clear(&text);
}

static void
test_writer(void)
{
    struct buf out = {0};
    struct api_list list;
    api_put(&out, "Subject", SPAN("a;b\\c, d\r\nX= \x01y"));
    api_list_begin(&list, &out, "To");
    api_put_address(&list, SPAN("D"), SPAN("P"), SPAN("u;1"), SPAN("D.P.u;1"));
    api_put_address(&list, SPAN("D"), SPAN("P"), SPAN("v"), SPAN(""));
    api_list_end(&list);
    api_list_begin(&list, &out, "Attach-File");
    api_put_file(&list, "b.001", SPAN("x, y.doc"), 7);
    api_put_file(&list, "b.002", SPAN("z"), 0);
    api_list_end(&list);
    buf_add_text(&out, "-END-\r\n");
    is_bytes(out.at, strcspn(out.at, "\r"), "Subject= a\\;b\\\\c, d  X=  y; ",
             "no value can end its line or escape");
    read_text(out.at);
    is_span(api_text(&file.root, "Subject"), "a;b\\c, d  X=  y", "what is written is read the same");
    const struct api_item *to = api_find(&file.root, "To");
    ok(count(to) == 2 && count(api_find(&file.root, "Attach-File")) == 2 && file.warnings == 0, "lists too");
    is_span(api_text(to->children, "WPU"), "u;1", "with their escapes");
    is_span(api_text(api_find(&file.root, "Attach-File")->children, "Original-File"), "x, y.doc",
            "and a file's name");
    buf_clear(&out);
}

/* Genuine files, where they are at hand. */
static void
test_samples(void)
{
    static const char *const folders[] = {"exchange-to-groupwise", "groupwise-to-exchange",
                                          "third-party-to-groupwise"};
    const char *root = getenv("VIADUCT_SAMPLES");
    for (size_t i = 0; i < COUNT_OF(folders) && root != NULL; i++) {
        char path[500];
        snprintf(path, sizeof path, "%s/groupwise/%s", root, folders[i]);
        DIR *folder = opendir(path);
        const struct dirent *entry;
        while (folder != NULL && (entry = readdir(folder)) != NULL) {
            if (entry->d_name[0] == '.')
                continue;
            struct buf text = fake_read(path, entry->d_name);
            arena_reset(arena);
            int result = api_read(buf_span(&text), arena, &file, NULL);
            ok(result == 0 && file.ended && file.warnings == 0, "a genuine file is read without a warning: %s",
               entry->d_name);
            buf_clear(&text);
        }
        if (folder != NULL)
            closedir(folder);
    }
    if (root == NULL)
        ok(true, "genuine files # SKIP VIADUCT_SAMPLES is not set");
}

static void
test_length(void)
{
    static const struct {
        const char *type;
        size_t octets;
        bool taken;
        const char *what;
    } cases[] = {
        {"Mail", API_TEXT_MAX, true, "a mail's header may be long"},
        {"Mail", API_TEXT_MAX + 1, false, "and no longer"},
        {"admin", API_TEXT_MAX + 1, true, "a directory's may"},
        {"Admin", API_DIRECTORY_MAX, true, "be much longer"},
        {"Admin", API_DIRECTORY_MAX + 1, false, "to an end as well"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf text = {0};
        struct why why = {"", ""};
        buf_printf(&text, "WPC-API= 1.2; \r\nMsg-Type= %s; \r\n-END-\r\n", cases[i].type);
        buf_reserve(&text, cases[i].octets);
        memset(text.at + text.len, '#', cases[i].octets - text.len);
        text.len = cases[i].octets;
        arena_reset(arena);
        is_int(api_read(buf_span(&text), arena, &file, &why) == 0, cases[i].taken, "%s", cases[i].what);
        ok(cases[i].taken || strstr(why.text, "octets, more than") != NULL, "which is told: %s", why.text);
        buf_clear(&text);
    }
}

int
main(void)
{
    arena = arena_new(API_ARENA_MAX);
    test_closing_forms();
    test_scalars();
    test_fixtures();
    test_dates();
    test_hostile();
    test_length();
    test_writer();
    test_samples();
    arena_free(arena);
    return tap_done();
}
