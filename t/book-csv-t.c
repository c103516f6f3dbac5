/* book-csv-t.c - recipients from CSV: the promises of book_read_csv() */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/book.h"
#include "t/book-rig.h"
#include "t/tap.h"

static struct why why;
static struct buf errors;
static int temp_fd, book_fd;
static uint64_t generation;
static struct book *book;
static struct arena *arena;

/* Builds a book from the text and opens it. Returns what book_read_csv() did. */
static int
load(const char *text, size_t len)
{
    int fd = memfd_create("csv", MFD_CLOEXEC);
    struct book_builder *builder = book_builder_new(temp_fd, ++generation, "csv", &why);
    if (builder == NULL || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
        return -1000;
    buf_reset(&errors);
    int wrong = book_read_csv(fd, "people.csv", builder, &errors);
    close(fd);
    if (book_builder_publish(builder, book_fd, &why) != 0)
        return -1001;
    book_refresh(book, &why);
    return wrong;
}

static int
load_text(const char *text)
{
    return load(text, strlen(text));
}

static bool
find(const char *text, struct book_entry *entry)
{
    struct address a;
    return address_parse(span_of(text), arena, &a, NULL) == 0 && book_find(book, &a, arena, entry) == 0;
}

static bool
said(const char *text)
{
    if (errors.len > 0 && strstr(errors.at, text) != NULL)
        return true;
    printf("# errors: %s\n", errors.len > 0 ? errors.at : "none");
    return false;
}

static void
test_plain(void)
{
    struct book_entry e;
    is_int(load_text("display,primary,proxies,side\n"
                     "Ann,SMTP:ann@contoso.example,GWISE:Exchange.HQ.ann smtp:a@contoso.example,host\n"
                     "Bob,GWISE:Dom.PO.bob,SMTP:bob@contoso.example,groupwise\n"),
           0, "a plain file has no errors");
    is_int(book_entries(book), 2, "two recipients");
    ok(find("SMTP:a@contoso.example", &e), "a secondary proxy");
    is_span(e.display, "Ann", "is Ann's");
    is_int(e.n_proxies, 3, "the primary is among her proxies");
    is_span(e.primary.value, "ann@contoso.example", "and her primary");
    ok(find("GWISE:dom.po.BOB", &e), "a foreign primary");
    is_span(book_entry_host_address(&e)->value, "bob@contoso.example",
            "is known to the host by his SMTP proxy");
}

static void
test_forms(void)
{
    struct book_entry e;
    is_int(load_text("primary,side\nSMTP:ann@x.example,host\nSMTP:cy@contoso.exam,host"), 1,
           "a file that does not end with a line break is no whole one");
    ok(said("people.csv: the last line has no line break") || said("the last line has no line break"),
       "which is told");
    is_int(load_text("\xEF\xBB\xBFSide, PRIMARY ,note,Proxies,Display\r\n"
                     "host,SMTP:ted@x.example,\"a,\"\"b\"\"\",,\"Bremer, \"\"Ted\"\"\"\r\n"
                     "\r\n"
                     ",,,,\r\n"
                     "Host, \"SMTP:j@x.example\" ,n,\"GWISE:Ex.First "
                     "Group.j|smtp:jj@x.example|\",\"J\xC3\xBCrgen\nM\"\r\n"
                     "gw,GWISE:a b.c.d,n,GWISE:a b.c.e|,O\"Hara\n"
                     "host,plain@x.example\n"),
           0, "BOM, CRLF, other columns, any order, quotes, line breaks in quotes, bars, empty lines");
    ok(find("SMTP:ted@x.example", &e), "Ted");
    is_span(e.display, "Bremer, \"Ted\"", "doubled quotes are one");
    ok(find("SMTP:jj@x.example", &e), "Juergen");
    is_span(e.display, "J\xC3\xBCrgen M", "a line break in a name is a blank");
    is_span(e.side, "host", "Host is host");
    ok(find("GWISE:ex.first group.J", &e), "a proxy with blanks, between bars");
    ok(find("GWISE:a b.c.e", &e), "one alone, with a bar behind it");
    is_span(e.display, "O\"Hara", "a quote within a plain field is a quote");
    ok(find("SMTP:plain@x.example", &e), "missing last fields are empty, a bare mailbox is SMTP");
}

static void
test_primaries(void)
{
    struct book_entry e;
    is_int(load_text("primary,proxies,side\n"
                     "SMTP:b@branch.example,SMTP:b@host.example|smtp:b2@host.example,branch\n"
                     "SMTP:c@branch.example,smtp:c2@branch.example,branch\n"
                     "SMTP:h@host.example,SMTP:h2@host.example|SMTP:h3@host.example,host\n"),
           0, "upper case may stand everywhere");
    find("SMTP:b@branch.example", &e);
    is_span(book_entry_address(&e, SPAN("SMTP"))->value, "b@branch.example",
            "mail goes to the primary column's");
    is_span(book_entry_host_address(&e)->value, "b@host.example",
            "the host knows a foreign one by the marked proxy");
    find("SMTP:c2@branch.example", &e);
    is_span(book_entry_host_address(&e)->value, "c@branch.example", "or the primary where none is marked");
    find("SMTP:h3@host.example", &e);
    is_span(book_entry_host_address(&e)->value, "h@host.example", "its own by the primary");
}

static void
test_errors(void)
{
    is_int(load_text("display,primary,proxies,side\n"
                     "A,SMTP:a@x.example,,host\n"
                     "B,nonsense,,host\n"
                     "C,SMTP:c@x.example,smtp:c2,host\n"
                     "D,SMTP:d@x.example,GWISE:Ex.First Group.d,host\n"
                     "E,SMTP:e@x.example,,\n"
                     "Bremer, Ted,SMTP:t@x.example,,host\n"
                     "F,SMTP:f@x.example,smtp:A@X.example,host\n"
                     "\"G\"x,SMTP:g@x.example,,host\n"
                     "\"H\nH\" \"x\",SMTP:h@x.example,,host\n"
                     "\xFF,SMTP:i@x.example,,host\n"
                     "J,SMTP:j@x.example,,host\n"),
           9, "each wrong recipient is counted");
    is_int(book_entries(book), 2, "the others are there");
    ok(said("people.csv:3: primary \"nonsense\""), "the line of a bad primary");
    ok(said("people.csv:4: proxy \"smtp:c2\""), "of a bad proxy");
    ok(said("people.csv:5: ") && said("needs |"), "of blanks without a bar, with advice");
    ok(said("people.csv:6: ") && said("side"), "of an empty side");
    ok(said("people.csv:7: 5 fields"), "of a comma without quotes");
    ok(said("people.csv:8: ") && said("belongs to SMTP:a@x.example"), "of a duplicate, with who has it");
    ok(said("people.csv:9: text behind"), "of text behind a quote");
    ok(said("people.csv:10: text behind"), "where the record begins, not where it ends");
    ok(said("people.csv:12: not in UTF-8"), "of bytes that are no text");
    struct book_entry e;
    ok(find("SMTP:j@x.example", &e), "and what follows is read");
}

static void
test_headers(void)
{
    is_int(load_text(""), 1, "an empty file is an error");
    ok(said("no header line"), "which is told");
    is_int(load_text("display;primary;proxies;side\nA;SMTP:a@x.example;;host\n"), 1,
           "semicolons are no commas");
    ok(said("people.csv:1: "), "which is told for the first line, once");
    is_int(load_text("display,proxies,side\nA,SMTP:a@x.example,host\n"), 1, "a column is missing");
    is_int(load("display,primary,side\0\n", 22), 1, "a NUL");
    is_int(load_text("\"display,primary\n,side\n"), 1, "a quote that is not closed");
    ok(said("people.csv:1: a quote"), "is told where it began");
}

static void
test_sizes(void)
{
    struct buf text = {0};
    struct book_entry e;
    buf_add_text(&text, "primary,side,note\nSMTP:a@x.example,host,\"");
    for (size_t i = 0; i < 3000000; i++)
        buf_add_byte(&text, i % 50 ? 'x' : '\n');
    buf_add_text(&text, "\"\nSMTP:b@x.example,host,");
    for (size_t i = 0; i < 300; i++)
        buf_add_byte(&text, ',');
    buf_add_text(&text, "\nSMTP:c@x.example,host,\n");
    is_int(load(text.at, text.len), 2, "records of 3 MB and of 300 fields are passed over");
    ok(said("people.csv:2: more than") && said("people.csv:60003: more than"), "with their lines");
    ok(!find("SMTP:a@x.example", &e) && find("SMTP:c@x.example", &e), "and what follows is read");
    buf_reset(&text);
    buf_add_text(&text, "primary,side,proxies\nSMTP:a@x.example,host,");
    for (size_t i = 0; i < 600; i++)
        buf_printf(&text, "smtp:a%zu@x.example ", i);
    buf_add_byte(&text, '\n');
    is_int(load(text.at, text.len), 1, "600 addresses are more than a recipient may have");
    buf_reset(&text);
    buf_add_text(&text, "primary,side,proxies\nSMTP:a@x.example,host,");
    for (size_t i = 0; i < 499; i++)
        buf_printf(&text, "smtp:a%zu@x.example ", i);
    buf_add_byte(&text, '\n');
    is_int(load(text.at, text.len), 0, "500 are taken");
    ok(find("SMTP:a498@x.example", &e) && e.n_proxies == 500, "and found");
    buf_clear(&text);
    struct book_builder *builder = book_builder_new(temp_fd, ++generation, "csv", &why);
    is_int(book_read_csv(temp_fd, "people.csv", builder, &errors), -EISDIR,
           "a file that cannot be read is told");
    is_int(book_read_csv(-1, "people.csv", builder, NULL), -EBADF, "errors may be thrown away");
    book_builder_drop(builder);
}

int
main(void)
{
    struct book_rig rig = book_rig_make();
    arena = arena_new(1 << 24);
    temp_fd = rig.temp_fd;
    book_fd = rig.book_fd;
    book = book_new(book_fd);
    test_plain();
    test_forms();
    test_primaries();
    test_errors();
    test_headers();
    test_sizes();
    book_free(book);
    buf_clear(&errors);
    arena_free(arena);
    book_rig_clear(&rig);
    return tap_done();
}
