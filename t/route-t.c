/* route-t.c - who is responsible for a recipient: the promises of route_find() */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/translate.h"
#include "t/book-rig.h"
#include "t/tap.h"

static struct arena *arena;
static struct why why;
static struct conf_root root;
static struct conf_connector connectors[4];
static struct conf_address_space spaces[4][3];
static const char *domains[] = {"contoso.example", "shared.example"};
static struct book *book;
static struct book_rig rig;

static void
space(size_t connector, const char *type, const char *pattern, long cost)
{
    struct conf_connector *c = &connectors[connector];
    c->address_spaces = spaces[connector];
    spaces[connector][c->address_spaces_n] =
        (struct conf_address_space){.type = type, .pattern = pattern, .cost = cost};
    c->address_spaces_n++;
}

static void
make_conf(void)
{
    static const char *const titles[] = {"groupwise", "branch", "smart1", "smart2"};
    root.host.domains = (struct conf_texts){domains, 2};
    root.host.unknown = "refuse";
    root.connectors = connectors;
    root.connectors_n = 4;
    for (size_t i = 0; i < 4; i++)
        connectors[i].title = titles[i];
    space(0, "GWISE", "*", 1);
    space(0, "SMTP", "*@gw.contoso.example", 1);
    space(0, "SMTP", "shared.example", 5);
    space(1, "SMTP", "*.branch.example", 1);
    space(1, "SMTP", "boss@x.example", 90);
    space(1, "GWISE", "Branch.*.*", 9);
    space(2, "SMTP", "*", 2);
    space(2, "smtp", "*.example", 3);
    space(3, "SMTP", "*", 2);
    space(3, "SMTP", "*.example", 1);
    space(3, "SMTP", "", 1);
}

static void
add(struct book_builder *builder, const char *side, const char *primary, const char *other)
{
    struct book_proxy proxies[2] = {{.primary = true}, {.primary = false}};
    address_parse(span_of(primary), arena, &proxies[0].address, &why);
    address_parse(span_of(other), arena, &proxies[1].address, &why);
    struct book_entry entry = {SPAN("x"), span_of(side), proxies[0].address, proxies, 2};
    if (book_builder_add(builder, &entry, &why) != 0)
        printf("# cannot add %s: %s\n", primary, why.text);
}

static void
make_book(void)
{
    struct book_builder *builder = book_builder_new(rig.temp_fd, 1, "t", &why);
    add(builder, "host", "SMTP:ann@contoso.example", "SMTP:ann@old.example");
    add(builder, "groupwise", "GWISE:Dom.PO.bob", "SMTP:bob@contoso.example");
    add(builder, "branch", "SMTP:bea@branch.example", "SMTP:bea@contoso.example");
    add(builder, "gone", "GWISE:Dom.PO.old", "SMTP:old@contoso.example");
    if (book_builder_publish(builder, rig.book_fd, &why) != 0)
        printf("Bail out! %s\n", why.text);
    book = book_new(rig.book_fd);
    book_refresh(book, &why);
}

/* `connector` NULL: -ENOENT with status `target`. */
static void
check_with(struct book *with, uint32_t spread, const char *text, const char *connector, const char *target,
           const char *reason)
{
    struct address a;
    struct route_answer answer;
    struct buf out = {0};
    if (address_parse(span_of(text), arena, &a, &why) != 0)
        printf("# cannot parse %s\n", text);
    int err = route_find(&root, with, &a, spread, arena, &answer, &why);
    if (connector == NULL) {
        is_int(err, -ENOENT, "%s goes nowhere", text);
        is_text(why.status, target, "  status %s", target);
        return;
    }
    is_int(err, 0, "%s is routed", text);
    if (err == 0) {
        is_text(answer.connector, connector, "  to %s", connector);
        address_print(&answer.target, &out);
        is_span(buf_span(&out), target, "  as %s", target);
        ok(strstr(answer.reason, reason) != NULL, "  because of %s", reason);
        ok((answer.space != NULL) == (strncmp(answer.reason, "address space", 13) == 0),
           "  and the space is told");
    }
    buf_clear(&out);
}

static void
check(const char *text, const char *connector, const char *target, const char *reason)
{
    check_with(book, 0, text, connector, target, reason);
}

static void
test_book(void)
{
    check("ANN@contoso.example", "host", "SMTP:ann@contoso.example", "book entry, side host");
    check("ann@old.example", "host", "SMTP:ann@contoso.example", "book entry, side host");
    check("bob@contoso.example", "groupwise", "GWISE:Dom.PO.bob", "book entry, side groupwise");
    check("bea@contoso.example", "branch", "SMTP:bea@branch.example", "book entry, side branch");
    check("old@contoso.example", "groupwise", "GWISE:Dom.PO.old", "address space GWISE:*");
    check("GWISE:dom.po.BOB", "groupwise", "GWISE:Dom.PO.bob", "book entry, side groupwise");
}

static void
test_unwrapping(void)
{
    check("IMCEAGWISE-Dom+2EPO+2Ebob@contoso.example", "groupwise", "GWISE:Dom.PO.bob", "book entry");
    check("imceagwise-Dom+2EPO+2Ezoe@CONTOSO.example", "groupwise", "GWISE:Dom.PO.zoe",
          "address space GWISE:*, cost 1");
    check("IMCEAGWISE-Branch+2EPO+2Ezoe@contoso.example", "branch", "GWISE:Branch.PO.zoe",
          "GWISE:Branch.*.*, cost 9");
    check("IMCEASMTP-bob+40contoso+2Eexample@contoso.example", "groupwise", "GWISE:Dom.PO.bob", "book entry");
    check("IMCEASMTP-IMCEAGWISE-Dom+2B2EPO+2B2Ezoe+40contoso+2Eexample@contoso.example", "groupwise",
          "GWISE:Dom.PO.zoe", "address space GWISE:*");
    check("IMCEAGWISE-Dom+2EPO+2Ezoe@evil.example", "smart2", "SMTP:IMCEAGWISE-Dom+2EPO+2Ezoe@evil.example",
          "address space SMTP:*.example");
    check("IMCEASMTP-IMCEAGWISE-Dom+2B2EPO+2B2Ezoe+40evil+2Eexample@contoso.example", "smart2",
          "SMTP:IMCEAGWISE-Dom+2EPO+2Ezoe@evil.example", "address space SMTP:*.example");
    check("IMCEAGWISE-Dom+2@contoso.example", NULL, "5.1.3", NULL);
    check("IMCEANOTES-Ted_x@contoso.example", NULL, "5.1.2", NULL);
    struct address a = {SPAN("SMTP"), SPAN("IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example")};
    struct route_answer answer;
    struct arena *small = arena_new(10);
    is_int(route_find(&root, NULL, &a, 0, small, &answer, &why), -ENOMEM, "a full arena is told");
    arena_free(small);
}

static void
test_spaces(void)
{
    check("kim@gw.contoso.example", "groupwise", "SMTP:kim@gw.contoso.example",
          "SMTP:*@gw.contoso.example, cost 1");
    check("kim@a.branch.example", "branch", "SMTP:kim@a.branch.example", "SMTP:*.branch.example, cost 1");
    check("kim@branch.example", "smart2", "SMTP:kim@branch.example", "SMTP:*.example, cost 1");
    check("boss@x.example", "branch", "SMTP:boss@x.example", "SMTP:boss@x.example, cost 90");
    check("NOTES:Ted/x", NULL, "5.1.2", NULL);
    check("SMTP:", NULL, "5.1.3", NULL);
}

static void
test_spread(void)
{
    unsigned first = 0;
    for (uint32_t i = 0; i < 10; i++) {
        struct address a = {SPAN("SMTP"), SPAN("kim@far.test")};
        struct route_answer answer = {0};
        route_find(&root, book, &a, i, arena, &answer, &why);
        first += answer.connector != NULL && strcmp(answer.connector, "smart1") == 0;
    }
    is_int(first, 5, "equal connectors share the load");
    connectors[2].address_spaces[0].cost = 1;
    check_with(book, 1, "kim@far.test", "smart1", "SMTP:kim@far.test", "SMTP:*, cost 1");
    connectors[2].address_spaces[0].cost = 2;
}

static bool
is_named(void *context, const char *connector)
{
    return strstr(context, connector) != NULL;
}

static void
check_closed(const char *closed, uint32_t spread, const char *connector)
{
    char names[40];
    struct address a = {SPAN("SMTP"), SPAN("kim@far.test")};
    struct route_answer answer = {0};
    snprintf(names, sizeof names, "%s", closed);
    struct route_choice choice = {spread, is_named, names};
    is_int(route_find_open(&root, book, &a, &choice, arena, &answer, &why), 0, "with \"%s\" closed", closed);
    is_text(answer.connector, connector, "  choice %u is %s", (unsigned)spread, connector);
}

static void
test_closed(void)
{
    for (uint32_t i = 0; i < 4; i++) {
        check_closed("smart1", i, "smart2");
        check_closed("smart2", i, "smart1");
        check_closed("smart1 smart2", i, i % 2 == 0 ? "smart1" : "smart2");
        check_closed("branch", i, i % 2 == 0 ? "smart1" : "smart2");
    }
    connectors[2].address_spaces[0].cost = 1;
    check_closed("smart1", 0, "smart1"); /* its equal is dearer: none of an equal cost is open */
    connectors[2].address_spaces[0].cost = 2;
}

static void
test_host_domains(void)
{
    check("nobody@contoso.example", NULL, "5.1.1", NULL);
    check("Postmaster@contoso.example", "host", "SMTP:Postmaster@contoso.example", "host domain");
    check("nobody@shared.example", "groupwise", "SMTP:nobody@shared.example", "SMTP:shared.example, cost 5");
    check_with(NULL, 0, "nobody@contoso.example", "host", "SMTP:nobody@contoso.example",
               "host domain contoso.example");
    root.host.unknown = "pass";
    check("nobody@contoso.example", "host", "SMTP:nobody@contoso.example", "host domain contoso.example");
    root.host.unknown = "refuse";
    struct address a = {SPAN("SMTP"), SPAN("nobody@Contoso.example")};
    struct route_answer answer;
    is_int(route_find(&root, NULL, &a, 0, arena, &answer, NULL), 0, "a reason is not needed");
    ok(answer.host_domain, "a host domain is told");
    a.value = SPAN("nobody@sub.contoso.example");
    route_find(&root, NULL, &a, 0, arena, &answer, NULL);
    ok(!answer.host_domain, "one below it is another");
    a.value = SPAN("ann@contoso.example");
    struct book *torn = book_new(-1);
    is_int(route_find(&root, torn, &a, 0, arena, &answer, &why), -EAGAIN,
           "a book that cannot be read makes mail wait");
    ok(why_is_temporary(&why), "with a temporary status");
    book_free(torn);
    root.connectors_n = 0;
    check("kim@far.test", NULL, "5.1.2", NULL);
    root.connectors_n = 4;
}

int
main(void)
{
    arena = arena_new(1 << 24);
    rig = book_rig_make();
    make_conf();
    make_book();
    test_book();
    test_unwrapping();
    test_spaces();
    test_spread();
    test_closed();
    test_host_domains();
    book_free(book);
    book_rig_clear(&rig);
    arena_free(arena);
    return tap_done();
}
