/* book-ldif-t.c - recipients from LDIF: the promises of book_read_ldif() */
#include <errno.h>
#include <sys/mman.h>

#include "common/book.h"
#include "t/book-rig.h"

static struct why why;
static struct buf errors;
static int temp_fd, book_fd;
static uint64_t generation;
static struct book *book;
static struct arena *arena;

static int
load(const char *name, const char *text)
{
    int fd = memfd_create("ldif", MFD_CLOEXEC);
    size_t len = strlen(text);
    struct book_builder *builder = book_builder_new(temp_fd, ++generation, "ldif", &why);
    if (builder == NULL || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
        return -1000;
    buf_reset(&errors);
    int wrong = book_read_file(fd, name, builder, &errors);
    close(fd);
    if (book_builder_publish(builder, book_fd, &why) != 0)
        return -1001;
    book_refresh(book, &why);
    return wrong;
}

static bool
find(const char *text, struct book_entry *entry)
{
    struct address a;
    arena_reset(arena);
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

/* Side and primary address, "" for nobody. */
static const char *
who(const char *address)
{
    static char text[300];
    struct book_entry e;
    snprintf(text, sizeof text, "%s", "");
    if (find(address, &e))
        snprintf(text, sizeof text, "%.*s %.*s:%.*s %.*s", (int)e.side.len, e.side.at, (int)e.primary.type.len,
                 e.primary.type.at, (int)e.primary.value.len, e.primary.value.at, (int)e.display.len,
                 e.display.at);
    return text;
}

static const char plain[] = "version: 1\r\n"
                            "# exported\r\n"
                            "dn: OU=Staff,DC=contoso,DC=example\r\n"
                            "objectClass: organizationalUnit\r\n"
                            "\r\n"
                            "dn: CN=Ann Beebe,OU=Staff,DC=contoso,DC=example\r\n"
                            "changetype: add\r\n"
                            "displayName:: QsO2YmUsIEFubg==\r\n"
                            "cn: Ann Beebe\r\n"
                            "proxyAddresses: smtp:annie@contoso.exam\r\n"
                            " ple\r\n"
                            "proxyAddresses: SMTP:ann@contoso.example\r\n"
                            "proxyAddresses: NOTES:Ann Beebe/Contoso@Exchange\r\n"
                            "proxyAddresses: X400:c=US;a= ;p=P;s=Beebe;\r\n"
                            "mail: Ann@contoso.example\r\n"
                            "\r\n"
                            "dn: cn=Bob,o=Org\r\n"
                            "MAIL: bob@contoso.example\r\n"
                            "mail: robert@contoso.example\r\n"
                            "uid: bob\r\n"
                            "\r\n"
                            "# a comment, and\r\n"
                            "#  its folded line\r\n"
                            "dn: CN=Carl,OU=GW\r\n"
                            "viaductSide: groupwise\r\n"
                            "targetAddress: GWISE:Dom.PO.carl\r\n"
                            "proxyAddresses: SMTP:carl@contoso.example\r\n"
                            "cn;lang-de: Carl\r\n"
                            "\r\n"
                            "dn: CN=Dora,OU=GW\r\n"
                            "viaductSide: groupwise\r\n"
                            "proxyAddresses: X400:c=US;a= ;p=P;s=Dora;\r\n"
                            "proxyAddresses: SMTP:dora@contoso.example\r\n"
                            "proxyAddresses: GWISE:Dom.PO.dora\r\n"
                            "proxyAddresses: gwise:Dom.PO.d\r\n"
                            "\r\n"
                            "dn: CN=Eve,OU=Partners\r\n"
                            "targetAddress: SMTP:eve@partner.example\r\n"
                            "mail: eve@contoso.example\r\n";

static void
test_plain(void)
{
    struct book_entry e;
    is_int(load("people.LDIF", plain), 0, "folded lines, base64, comments, CR LF, containers, changetype: add");
    is_int((long)book_entries(book), 5, "whoever has an address is in");
    is_text(who("SMTP:annie@contoso.example"),
            "host SMTP:ann@contoso.example B\xc3\xb6"
            "be, Ann",
            "the host's own");
    is_text(who("NOTES:ann beebe/contoso@exchange"),
            "host SMTP:ann@contoso.example B\xc3\xb6"
            "be, Ann",
            "... by every proxy; X.400 is one");
    is_text(who("SMTP:robert@contoso.example"), "host SMTP:bob@contoso.example bob",
            "without proxyAddresses mail is the address, several are");
    is_text(who("SMTP:carl@contoso.example"), "groupwise GWISE:Dom.PO.carl Carl",
            "a foreign one is sent to where targetAddress says");
    is_text(who("GWISE:Dom.PO.d"), "groupwise GWISE:Dom.PO.dora Dom.PO.dora",
            "... without it, to the primary of its system's type");
    is_text(who("SMTP:eve@contoso.example"), "host SMTP:eve@contoso.example eve@contoso.example",
            "a contact of the host whose mail goes to the Internet is the host's");
    is_text(who("SMTP:eve@partner.example"), "", "... and where it goes is no address of the host's");
    ok(find("GWISE:Dom.PO.carl", &e) && e.n_proxies == 2, "the target is among the proxies");
}

static void
test_wrong(void)
{
    is_int(load("p.ldif", "dn: CN=A\nproxyAddresses: GWISE:D.P.a\ntargetAddress: GWISE:D.P.a\n\ndn: "
                          "CN=B\nmail: b@x.example\n"),
           1, "a foreign target without a side");
    ok(said("p.ldif:1: targetAddress GWISE:D.P.a leads to a foreign system"), "... is told with its line");
    is_text(who("SMTP:b@x.example"), "host SMTP:b@x.example b@x.example", "others are read");
    is_int(load("p.ldif", "dn: CN=A\nchangetype: modify\nreplace: mail\nmail: a@x.example\n-\n\ndn: "
                          "CN=B\nmail: b@x.example\n"),
           1, "a record that changes something");
    ok(said("p.ldif:5: a change of an entry"), "... is told for what it is");
    is_int(load("p.ldif", "dn: CN=A\nchangetype: delete\n\ndn: CN=B\nmail: b@x.example\n"), 1,
           "so is one that deletes");
    ok(said("p.ldif:2: a change (delete), not an entry"), "... in words");
    is_int(load("p.ldif", "dn: CN=A\ncn: A\nmail: not an address\n\ndn: CN=B\nmail: b@x.example\n"), 1,
           "a bad address");
    ok(said("p.ldif:3: mail \"not an address\": "), "... is told at its own line");
    is_int(load("p.ldif", "dn: CN=A\nmail: a@x.example\n\ndn: CN=B\nmail: A@X.example\n"), 1,
           "two with one address");
    ok(said("p.ldif:4: ") && said("belongs to SMTP:a@x.example already"), "... both are named");
    is_int(load("p.ldif", "dn: CN=A\nmail:< file:///etc/passwd\n"), 1,
           "a value in another file is an error: nothing is opened");
    is_int(load("p.ldif", "dn: CN=A\nmail: a@x.example"), 1,
           "a file without its last line break may have been cut");
    ok(said("may have been cut"), "... which is told");
    is_int(load("p.ldif", "dn: CN=A\nproxyAddresses: GWISE:D.P.a\n"), 1,
           "a host's recipient without SMTP address");
    ok(said("p.ldif:1: it has no address of type SMTP"), "... is an error");
    is_int(load("p.csv", "display,primary,side\nA,SMTP:a@x.example,host\n"), 0,
           "a file of another name is CSV");
    is_int((long)book_entries(book), 1, "... and read as such");
}

static void
test_many_addresses(void)
{
    struct buf text = {0};
    buf_add_text(&text, "dn: CN=A\n");
    for (int i = 0; i < BOOK_PROXIES_MAX + 1; i++)
        buf_printf(&text, "proxyAddresses: smtp:a%d@x.example\n", i);
    buf_add_text(&text, "\ndn: CN=B\nmail: b@x.example\n");
    is_int(load("p.ldif", text.at), 1, "more addresses than a recipient may have");
    ok(said("p.ldif:502: more than 500 addresses"), "... are an error");
    buf_clear(&text);
}

int
main(void)
{
    struct book_rig rig = book_rig_make();
    temp_fd = rig.temp_fd;
    book_fd = rig.book_fd;
    book = book_new(book_fd);
    arena = arena_new(1 << 20);
    test_plain();
    test_wrong();
    test_many_addresses();
    is_int(book_read_ldif(temp_fd, "p.ldif", NULL, &errors), -EISDIR, "a folder cannot be read");
    buf_clear(&errors);
    arena_free(arena);
    book_free(book);
    book_rig_clear(&rig);
    return tap_done();
}
