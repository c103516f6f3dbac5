/* translate-t.c - what addresses become on the other side: the promises of common/translate.h */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/address_form.h"
#include "common/translate.h"
#include "t/book-rig.h"
#include "t/tap.h"

static struct arena *arena;
static struct why why;
static struct conf_root root;
static struct conf_connector gw, branch;
static struct conf_rule rules[3];
static const char *domains[] = {"contoso.example", "b\xC3\xBC"
                                                   "cher.example"};
static struct book *book;
static struct book_rig rig;

static struct address
address_of(const char *text)
{
    struct address a = {SPAN("SMTP"), SPAN("")};
    if (address_parse(span_of(text), arena, &a, &why) != 0)
        printf("# cannot parse %s: %s\n", text, why.text);
    return a;
}

static void
add(struct book_builder *builder, const char *display, const char *side, const char *primary, const char *other)
{
    struct book_proxy proxies[2] = {{address_of(primary), true}, {address_of(other ? other : primary), false}};
    struct book_entry entry = {span_of(display), span_of(side), address_of(primary), proxies, other ? 2 : 1};
    proxies[0].primary = other == NULL || !span_equal(proxies[0].address.type, proxies[1].address.type);
    proxies[1].primary = other != NULL;
    if (book_builder_add(builder, &entry, &why) != 0)
        printf("# cannot add %s: %s\n", display, why.text);
}

static void
make_book(void)
{
    struct book_builder *builder = book_builder_new(rig.temp_fd, 1, "t", &why);
    add(builder, "Ann Host", "host", "SMTP:ann@contoso.example", "GWISE:Exchange.HQ.ann");
    add(builder, "Nora Noproxy", "host", "SMTP:nora@contoso.example", NULL);
    add(builder, "Bob Wise", "groupwise", "GWISE:Dom.PO.bob", "SMTP:bob@contoso.example");
    add(builder, "Gus Wise", "groupwise", "GWISE:Dom.PO.gus", NULL);
    add(builder, "Bea Branch", "branch", "SMTP:bea@branch.example", "SMTP:bea@contoso.example");
    if (book_builder_publish(builder, rig.book_fd, &why) != 0)
        printf("Bail out! %s\n", why.text);
    book = book_new(rig.book_fd);
    book_refresh(book, &why);
}

static void
make_conf(void)
{
    root.host.domains = (struct conf_texts){domains, 2};
    gw.title = "groupwise";
    gw.type = "gwise";
    gw.peer.domain = "Exchange";
    branch.title = "branch";
    branch.type = "smtp";
}

static void
rule(size_t i, const char *title, const char *file, const char *out, const char *in)
{
    rules[i] = (struct conf_rule){
        .title = title, .kind = file ? "table" : "template", .file = file, .out = out, .in = in};
    rules[i].place.file = "viaduct.conf";
    rules[i].place.line = 7;
}

/* ---- one check ---- */

typedef int translate(struct translator *, const struct address *, enum address_role, struct arena *,
                      struct translation *, struct why *);

/* `want` NULL: -ENOENT with `word` as its status. */
static void
check(struct translator *translator, translate *function, enum address_role role, const char *text,
      const char *want, const char *word)
{
    struct address a = address_of(text);
    struct translation to;
    struct buf out = {0};
    int err = function(translator, &a, role, arena, &to, &why);
    if (want == NULL) {
        is_int(err, -ENOENT, "%s %s is not mapped", function == translate_out ? "out" : "in", text);
        is_text(why.status, word, "  status %s", word);
        return;
    }
    is_int(err, 0, "%s %s is mapped", function == translate_out ? "out" : "in", text);
    if (err == 0) {
        address_print(&to.address, &out);
        is_span(buf_span(&out), want, "  to %s", want);
        is_text(address_rule_word(to.rule), word, "  by %s", word);
    }
    buf_clear(&out);
}

#define OUT(translator, role, text, want, word) check(translator, translate_out, ROLE_##role, text, want, word)
#define IN(translator, role, text, want, word)  check(translator, translate_in, ROLE_##role, text, want, word)

static void
test_gwise_out(void)
{
    struct translator *t = translator_new(&root, &gw, SPAN("GWISE"), book, NULL);
    OUT(t, ORIGINATOR, "ann@contoso.example", "GWISE:Exchange.HQ.ann", "book");
    OUT(t, RESPONSIBLE, "Bob@Contoso.example", "GWISE:Dom.PO.bob", "book");
    OUT(t, RESPONSIBLE, "IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example", "GWISE:Dom.PO.zoe", "unwrapped");
    OUT(t, RESPONSIBLE, "IMCEAGWISE-Dom+2EPO+2Ezoe@xn--bcher-kva.example", "GWISE:Dom.PO.zoe", "unwrapped");
    OUT(t, RESPONSIBLE, "IMCEASMTP-bob+40contoso+2Eexample@contoso.example", "GWISE:Dom.PO.bob", "book");
    OUT(t, RESPONSIBLE, "GWISE:Dom.PO.zoe", "GWISE:Dom.PO.zoe", "same");
    OUT(t, ORIGINATOR, "", "SMTP:", "same");
    OUT(t, ORIGINATOR, "nora@contoso.example", NULL, "5.1.7");
    OUT(t, ORIGINATOR, "kim@x.example", "GWISE:Exchange.SMTP.\"kim@x.example\"", "one-off");
    OUT(t, RESPONSIBLE, "nora@contoso.example", NULL, "5.1.1");
    OUT(t, RESPONSIBLE, "IMCEAGWISE-Dom+2EPO+2Ezoe@evil.example", NULL, "5.1.1");
    OUT(t, RESPONSIBLE, "IMCEAGWISE-Dom+2@contoso.example", NULL, "5.1.1");
    OUT(t, LISTED, "nora@contoso.example", "GWISE:Exchange.SMTP.\"nora@contoso.example\"", "one-off");
    OUT(t, LISTED, "\"a b\"@x.example", "GWISE:Exchange.SMTP.\"\"a b\"@x.example\"", "one-off");
    OUT(t, LISTED, "IMCEANOTES-Ted_x@contoso.example",
        "GWISE:Exchange.SMTP.\"IMCEANOTES-Ted_x@contoso.example\"", "one-off");
    struct address ann = address_of("ann@contoso.example");
    struct translation to;
    translate_out(t, &ann, ROLE_LISTED, arena, &to, &why);
    is_span(to.display, "Ann Host", "the book's display comes with its address");
    gw.peer.domain = NULL;
    OUT(t, LISTED, "nora@contoso.example", NULL, "5.1.0");
    gw.peer.domain = "Exchange";
    translator_free(t);
}

static void
test_gwise_in(void)
{
    struct translator *t = translator_new(&root, &gw, SPAN("GWISE"), book, NULL);
    IN(t, ORIGINATOR, "GWISE:DOM.po.BOB", "SMTP:bob@contoso.example", "book");
    IN(t, RESPONSIBLE, "GWISE:Exchange.HQ.ann", "SMTP:ann@contoso.example", "book");
    IN(t, ORIGINATOR, "GWISE:Dom.PO.gus", "SMTP:IMCEAGWISE-Dom+2EPO+2Egus@contoso.example", "one-off");
    IN(t, ORIGINATOR, "GWISE:Dom.PO.zoe", "SMTP:IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example", "one-off");
    IN(t, LISTED, "GWISE:Dom.PO.zoe", "SMTP:IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example", "one-off");
    IN(t, RESPONSIBLE, "GWISE:Exchange.HQ.nobody", NULL, "5.1.1");
    IN(t, RESPONSIBLE, "GWISE:exchange.smtp.\"kim@x.example\"", "SMTP:kim@x.example", "unwrapped");
    IN(t, RESPONSIBLE, "GWISE:exchange.SMTP.kim@x.example", "SMTP:kim@x.example", "unwrapped");
    IN(t, RESPONSIBLE, "GWISE:exchange.SMTP.\"\"a b\"@x.example\"", "SMTP:\"a b\"@x.example", "unwrapped");
    IN(t, RESPONSIBLE, "GWISE:exchange.SMTP.\"bob@contoso.example\"", "SMTP:bob@contoso.example", "book");
    IN(t, RESPONSIBLE, "GWISE:exchange.SMTP.nobody", NULL, "5.1.1");
    IN(t, RESPONSIBLE, "kim@x.example", "SMTP:kim@x.example", "same");
    IN(t, ORIGINATOR, "", "SMTP:", "same");
    root.host.domains.n = 0;
    IN(t, ORIGINATOR, "GWISE:Dom.PO.zoe", NULL, "5.3.5");
    root.host.domains.n = 2;
    translator_free(t);
}

/* What a stranger on one side is called on the other leads back to him. */
static void
test_replies(void)
{
    struct translator *t = translator_new(&root, &gw, SPAN("GWISE"), book, NULL);
    static const char *const foreign[] = {"GWISE:Dom.PO.zoe", "GWISE:Dom.PO.a/b_c+d e",
                                          "GWISE:D.P.name..a3@x.example", "GWISE:Dom.PO.J\xC3\xBCrgen"};
    static const char *const outside[] = {"kim@x.example", "\"a b\"@x.example", "\"q\\\"q\"@x.example",
                                          "x.y.z@\xC3\xBC.example"};
    struct translation there, back;
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        struct address a = address_of(foreign[i]);
        int err = translate_in(t, &a, ROLE_ORIGINATOR, arena, &there, &why);
        err |= err ? err : translate_out(t, &there.address, ROLE_RESPONSIBLE, arena, &back, &why);
        ok(err == 0 && address_equal(&a, &back.address), "a reply to %s comes back to him", foreign[i]);
    }
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        struct address a = address_of(outside[i]);
        int err = translate_out(t, &a, ROLE_LISTED, arena, &there, &why);
        err |= err ? err : translate_in(t, &there.address, ROLE_RESPONSIBLE, arena, &back, &why);
        ok(err == 0 && address_equal(&a, &back.address), "a reply to the listed %s reaches him", outside[i]);
    }
    char *long_value = xcalloc(1, 600);
    memset(long_value, '.', 599);
    struct address a = {SPAN("GWISE"), {long_value, 599}};
    is_int(translate_in(t, &a, ROLE_ORIGINATOR, arena, &there, &why), -ENOENT,
           "no mailbox holds 600 escaped octets");
    free(long_value);
    translator_free(t);
}

static void
test_smtp(void)
{
    struct translator *t = translator_new(&root, &branch, SPAN("SMTP"), book, NULL);
    OUT(t, RESPONSIBLE, "bea@contoso.example", "SMTP:bea@branch.example", "book");
    OUT(t, ORIGINATOR, "ann@contoso.example", "SMTP:ann@contoso.example", "book");
    OUT(t, ORIGINATOR, "bob@contoso.example", "SMTP:bob@contoso.example", "book");
    OUT(t, ORIGINATOR, "stranger@x.example", "SMTP:stranger@x.example", "same");
    OUT(t, RESPONSIBLE, "new@branch.example", "SMTP:new@branch.example", "same");
    OUT(t, ORIGINATOR, "IMCEAGWISE-Dom+2EPO+2Egus@contoso.example",
        "SMTP:IMCEAGWISE-Dom+2EPO+2Egus@contoso.example", "same");
    OUT(t, RESPONSIBLE, "IMCEASMTP-new+40branch+2Eexample@contoso.example", "SMTP:new@branch.example",
        "unwrapped");
    OUT(t, RESPONSIBLE, "IMCEASMTP-new+40branch+2Eexample@other.example",
        "SMTP:IMCEASMTP-new+40branch+2Eexample@other.example", "same");
    OUT(t, RESPONSIBLE, "imcea-x@contoso.example", "SMTP:imcea-x@contoso.example", "same");
    IN(t, ORIGINATOR, "bea@branch.example", "SMTP:bea@contoso.example", "book");
    IN(t, ORIGINATOR, "new@branch.example", "SMTP:new@branch.example", "same");
    IN(t, RESPONSIBLE, "ann@contoso.example", "SMTP:ann@contoso.example", "book");
    IN(t, RESPONSIBLE, "IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example",
       "SMTP:IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example", "same");
    translator_free(t);
    t = translator_new(&root, NULL, SPAN("SMTP"), book, NULL);
    OUT(t, RESPONSIBLE, "bea@contoso.example", "SMTP:bea@contoso.example", "same");
    OUT(t, RESPONSIBLE, "GWISE:a.b.c", "GWISE:a.b.c", "same");
    IN(t, RESPONSIBLE, "bea@contoso.example", "SMTP:bea@contoso.example", "same");
    translator_free(t);
    t = translator_new(&root, &branch, SPAN("SMTP"), NULL, NULL);
    OUT(t, RESPONSIBLE, "bea@contoso.example", "SMTP:bea@contoso.example", "same");
    IN(t, ORIGINATOR, "bea@branch.example", "SMTP:bea@branch.example", "same");
    translator_free(t);
}

/* ---- rules ---- */

static const char *
write_file(const char *name, const char *text)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", rig.top, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        printf("Bail out! cannot write %s\n", path);
    close(fd);
    return path;
}

static const char *
title_of(struct translator *t, bool outwards, const char *text)
{
    struct address a = address_of(text);
    struct translation to;
    int err = (outwards ? translate_out : translate_in)(t, &a, ROLE_RESPONSIBLE, arena, &to, &why);
    return err == 0 ? to.rule_title : "(none)";
}

static void
test_rules(void)
{
    struct buf errors = {0};
    char *file = xstrdup(write_file("partners.tab", "\xEF\xBB\xBF# foreign              host\n"
                                                    "GWISE:Dom.PO.carl   SMTP:carl@contoso.example   # Carl\n"
                                                    "Dom.PO.carl2\tcarl@contoso.example\r\n"
                                                    "\n"
                                                    "Ex.First Group.dora dora@contoso.example\n"
                                                    "Dom2.*  *@dom2.example\n"
                                                    "Dom2.PO2.*  *@late.example\n"
                                                    "Room.PO.* *@rooms.example"));
    rule(0, "partners", file, NULL, NULL);
    rule(1, "names", NULL, "Exchange.%h.%m", "%3@%2.%1.example");
    rule(2, "rest", NULL, "Exchange.NET.%0", NULL);
    gw.mapping.rules = rules;
    gw.mapping.rules_n = 3;
    struct translator *t = translator_new(&root, &gw, SPAN("GWISE"), book, &errors);
    ok(t != NULL && errors.len == 0, "tables and templates are loaded");
    OUT(t, RESPONSIBLE, "carl@contoso.example", "GWISE:Dom.PO.carl", "table");
    OUT(t, RESPONSIBLE, "CARL@contoso.example", "GWISE:Dom.PO.carl", "table");
    OUT(t, RESPONSIBLE, "dora@contoso.example", "GWISE:Ex.First Group.dora", "table");
    OUT(t, RESPONSIBLE, "po.x@DOM2.example", "GWISE:Dom2.po.x", "table");
    OUT(t, RESPONSIBLE, "b.c@late.example", "GWISE:Dom2.PO2.b.c", "table");
    OUT(t, ORIGINATOR, "ann@contoso.example", "GWISE:Exchange.HQ.ann", "book");
    OUT(t, ORIGINATOR, "nora@contoso.example", "GWISE:Exchange.contoso.nora", "template");
    OUT(t, ORIGINATOR, "nora@x.example", "GWISE:Exchange.NET.nora@x.example", "template");
    is_text(title_of(t, true, "carl@contoso.example"), "partners", "the rule's title is told");
    is_text(title_of(t, true, "nora@contoso.example"), "names", "of the first that applies");
    is_text(title_of(t, true, "nora@x.example"), "rest",
            "one that forgets the domain is for the host's own only");
    IN(t, ORIGINATOR, "GWISE:dom.po.CARL2", "SMTP:carl@contoso.example", "table");
    IN(t, ORIGINATOR, "GWISE:Dom2.PO2.b", "SMTP:PO2.b@dom2.example", "table");
    IN(t, ORIGINATOR, "GWISE:Room.PO.Blue room \"1\"", "SMTP:\"Blue room \\\"1\\\"\"@rooms.example", "table");
    IN(t, RESPONSIBLE, "GWISE:ad.hq.zoe", "SMTP:zoe@hq.ad.example", "template");
    IN(t, RESPONSIBLE, "GWISE:ad..zoe", NULL, "5.1.1");
    IN(t, RESPONSIBLE, "GWISE:a d.hq.zoe", NULL, "5.1.1");
    IN(t, RESPONSIBLE, "GWISE:ad.hq", NULL, "5.1.1");
    IN(t, ORIGINATOR, "GWISE:ad.hq", "SMTP:IMCEAGWISE-ad+2Ehq@contoso.example", "one-off");
    translator_free(t);
    free(file);
    buf_clear(&errors);
}

static bool
loads(const char *want)
{
    struct buf errors = {0};
    struct translator *t = translator_new(&root, &gw, SPAN("GWISE"), book, &errors);
    bool told = t == NULL && errors.len > 0 && strstr(errors.at, want) != NULL;
    if (!told)
        printf("# %s\n", errors.len > 0 ? errors.at : "no errors");
    translator_free(t);
    buf_clear(&errors);
    return told;
}

static void
test_bad_rules(void)
{
    const char *file = write_file("bad.tab", "Dom.PO.a a@x.example\n"
                                             "alone\n"
                                             "Dom.PO.b b@x@y\n"
                                             "Dom.* b@x.example\n"
                                             "*.* *@*.example\n"
                                             "NOTES:a b@x.example\n"
                                             "dom.po.A c@x.example\n");
    rule(0, "bad", file, NULL, NULL);
    gw.mapping.rules_n = 1;
    ok(loads("bad.tab:2: "), "a line with one address is an error");
    ok(loads("bad.tab:3: host address"), "a bad host address");
    ok(loads("bad.tab:4: a *"), "a * on one side");
    ok(loads("bad.tab:5: a *"), "two on a side");
    ok(loads("bad.tab:6: the foreign address is of type GWISE"), "another type");
    ok(loads("bad.tab:7: this foreign address stands already in line 1"), "a foreign address twice");
    rule(0, "bad", "/nowhere/x.tab", NULL, NULL);
    ok(loads("/nowhere/x.tab:1: cannot be opened"), "a file that is not there");
    rule(0, "bad", NULL, NULL, NULL);
    ok(loads("viaduct.conf:7: rule \"bad\""), "an empty template, with its place");
    rule(0, "bad", NULL, "%x", NULL);
    ok(loads("after %"), "an unknown letter");
    rule(0, "bad", NULL, "a%", NULL);
    ok(loads("after %"), "a percent sign at the end");
    rule(0, "bad", NULL, NULL, "%m@x.example");
    ok(loads("after %"), "a letter of the other direction");
    rules[0].kind = "table";
    ok(loads("needs a file"), "a table without a file");
    gw.mapping.rules_n = 0;
}

/* ---- headers ---- */

static void
check_header(struct translator *t, bool outwards, const char *header, const char *want, int changed,
             const char *promise)
{
    struct buf out = {0};
    buf_add_text(&out, "X\n");
    is_int(translate_header(t, outwards, span_of(header), &out), changed, "%s: %d changed", promise, changed);
    buf_consume(&out, 2);
    is_bytes(out.at, out.len, want, "%s", promise);
    buf_clear(&out);
}

static void
test_headers(void)
{
    struct translator *t = translator_new(&root, &branch, SPAN("SMTP"), book, NULL);
    const char *same =
        "Received: from bea@contoso.example\n by x\nFROM :  Ann  <ann@contoso.example>\n"
        "Subject: bea@contoso.example\nTo: nobody, , <>,\n\tx@y.example (c)\nno colon\n\nbea@contoso.example\n";
    check_header(t, true, same, same, 0, "what needs no change stays byte for byte");
    check_header(t, true, "To: \"Bea, B\" <bea@contoso.example>,ann@contoso.example\nSubject: x\n",
                 "To: \"Bea, B\" <bea@branch.example>, ann@contoso.example\nSubject: x\n", 1,
                 "a changed field is written anew");
    check_header(t, true,
                 "cc: Friends: bea@contoso.example (Bea), Ann\n <ann@contoso.example>; kim@x.example\n",
                 "cc: Friends: bea@branch.example (Bea), Ann\n <ann@contoso.example>; kim@x.example\n", 1,
                 "groups, comments and folds within elements stay");
    check_header(t, true,
                 "Resent-Cc: bea@contoso.example\nDisposition-Notification-To: <bea@contoso.example>\n",
                 "Resent-Cc: bea@branch.example\nDisposition-Notification-To: <bea@branch.example>\n", 2,
                 "all fields with addresses are seen");
    check_header(t, true, "To: bea@contoso.example (no end\n\tof it\nX: y\n",
                 "To: bea@branch.example (no end\n\tof it\nX: y\n", 1,
                 "a comment without an end ends no header");
    check_header(t, false, "From: bea@branch.example\nReply-To: new@branch.example",
                 "From: bea@contoso.example\nReply-To: new@branch.example", 1,
                 "inwards too, without a last line end");
    check_header(t, true,
                 "To: One Long Name <one@somewhere.example>, Two Long Name <two@somewhere.example>,\n"
                 " Bea <bea@contoso.example>, Three Long Name <three@somewhere.example>\n",
                 "To: One Long Name <one@somewhere.example>,\n Two Long Name <two@somewhere.example>, "
                 "Bea <bea@branch.example>,\n Three Long Name <three@somewhere.example>\n",
                 1, "and folded at 78 columns");
    translator_free(t);
    t = translator_new(&root, &gw, SPAN("GWISE"), book, NULL);
    check_header(t, true, "From: ann@contoso.example\nTo: kim@x.example\n",
                 "From: IMCEAGWISE-Exchange+2EHQ+2Eann@contoso.example\n"
                 "To: IMCEAGWISE-Exchange+2ESMTP+2E+22kim+40x+2Eexample+22@contoso.example\n",
                 2, "addresses of another type are encapsulated");
    check_header(t, false,
                 "From: IMCEAGWISE-Dom+2EPO+2Ebob@contoso.example\n"
                 "To: IMCEAGWISE-Exchange+2ESMTP+2E+22kim+40x+2Eexample+22@contoso.example\n",
                 "From: bob@contoso.example\nTo: kim@x.example\n", 2, "and read back on the way in");
    translator_free(t);
}

static void
test_header_size(void)
{
    struct translator *t = translator_new(&root, &branch, SPAN("SMTP"), book, NULL);
    struct buf header = {0}, out = {0};
    size_t longest = 0, line = 0;
    buf_add_text(&header, "To:");
    for (size_t i = 0; i < 20000; i++)
        buf_printf(&header, " p%zu@x.example, bea@contoso.example,", i);
    buf_add_text(&header, "\n");
    is_int(translate_header(t, true, buf_span(&header), &out), 20000, "20000 of 40000 addresses are changed");
    for (size_t i = 0; i < out.len; i++) {
        line = out.at[i] == '\n' ? 0 : line + 1;
        longest = line > longest ? line : longest;
    }
    ok(longest <= 78, "no line is longer than 78 columns (%zu)", longest);
    translator_free(t);
    struct book *none = book_new(-1);
    t = translator_new(&root, &branch, SPAN("SMTP"), none, NULL);
    buf_reset(&out);
    is_int(translate_header(t, true, buf_span(&header), &out), -EAGAIN, "a book that cannot be read is told");
    is_int(out.len, 0, "and nothing is given");
    struct address bea = address_of("bea@contoso.example");
    struct translation to;
    is_int(translate_out(t, &bea, ROLE_RESPONSIBLE, arena, &to, &why), -EAGAIN, "for single addresses as well");
    ok(why_is_temporary(&why), "with a temporary status");
    translator_free(t);
    book_free(none);
    buf_clear(&header);
    buf_clear(&out);
}

/* ---- a module's own type ---- */

static int
parrot_in(const struct address *foreign, struct arena *a, struct address *smtp)
{
    struct span value = {foreign->value.at + 1, foreign->value.len - 1};
    return foreign->value.at[0] == '!' && address_make(SPAN("SMTP"), value, false, a, smtp, NULL) == 0
               ? 0
               : -ENOENT;
}

static void
test_registered(void)
{
    static const struct address_form parrot = {"PARROT", "!", 9, NULL, parrot_in};
    struct span parts[ADDRESS_PARTS_MAX];
    is_int(address_form_register(&parrot), 0, "a module registers its type");
    is_int(address_form_register(&parrot), 0, "again, over itself");
    ok(address_form_find(SPAN("parrot")) == &parrot, "and it is found");
    struct translator *t = translator_new(&root, &gw, SPAN("PARROT"), book, NULL);
    IN(t, RESPONSIBLE, "PARROT:!kim@x.example", "SMTP:kim@x.example", "unwrapped");
    OUT(t, LISTED, "kim@x.example", NULL, "5.1.0");
    translator_free(t);
    is_int(address_form_split(address_form_find(SPAN("GWISE")), SPAN("D.P.a.b"), parts), 3,
           "GroupWise has three parts");
    is_span(parts[2], "a.b", "the last with its dots");
    is_int(address_form_split(address_form_find(SPAN("FAX")), SPAN("1/2.3@4;5/6/7/8/9/10/11"), parts), 9,
           "unknown types have nine at most");
}

int
main(void)
{
    arena = arena_new(1 << 24);
    rig = book_rig_make();
    make_conf();
    make_book();
    test_gwise_out();
    test_gwise_in();
    test_replies();
    test_smtp();
    test_rules();
    test_bad_rules();
    test_headers();
    test_header_size();
    test_registered();
    book_free(book);
    book_rig_clear(&rig);
    arena_free(arena);
    return tap_done();
}
