/* header-address-t.c - the address lists of header fields: the promises of header_addresses() */
#include "common/address.h"
#include "t/tap.h"

static void
collect(const struct header_address *a, void *arg)
{
    struct buf *out = arg;
    buf_add_byte(out, '{');
    buf_add_span(out, a->display);
    buf_add_byte(out, '|');
    buf_add_span(out, a->mailbox);
    if (a->mailbox.len == 0) {
        buf_add_byte(out, '|');
        buf_add_span(out, a->whole);
    }
    buf_add_byte(out, '}');
}

static void
check(const char *body, const char *want, const char *promise)
{
    struct buf out = {0};
    size_t count = header_addresses(span_of(body), collect, &out);
    size_t seen = 0;
    for (size_t i = 0; i < out.len; i++)
        seen += out.at[i] == '}';
    is_bytes(out.at ? out.at : "", out.len, want, "%s", promise);
    ok(count == seen, "  and the count is right");
    buf_clear(&out);
}

static void
test_forms(void)
{
    check("bob@x.example", "{|bob@x.example}", "a bare address");
    check(" Bob <bob@x.example>\n", "{Bob|bob@x.example}", "a name and an address");
    check("\"Bremer, Ted\" <ted@x.example>, ann@y.example", "{\"Bremer, Ted\"|ted@x.example}{|ann@y.example}",
          "a comma in quotes parts nothing");
    check("=?utf-8?Q?J=C3=BCrgen?= <j@x.example>", "{=?utf-8?Q?J=C3=BCrgen?=|j@x.example}",
          "encoded words stay");
    check("bob@x.example (Bob (the first), Smith)", "{Bob (the first), Smith|bob@x.example}",
          "a comment is the display");
    check("(a) bob@x.example (Bob)", "{Bob|bob@x.example}", "the comment behind it");
    check("Bob <@a.example,@b.example:bob@x.example>", "{Bob|bob@x.example}", "a route is passed over");
    check("\"a,b\"@x.example, <\"<>\"@y.example>", "{|\"a,b\"@x.example}{|\"<>\"@y.example}",
          "quoted local parts");
    check("bob@[IPv6:::1], ann@[127.0.0.1]", "{|bob@[IPv6:::1]}{|ann@[127.0.0.1]}", "literals hold colons");
    check("J\xC3\xBCrgen <j\xC3\xBC@x.example>", "{J\xC3\xBCrgen|j\xC3\xBC@x.example}", "UTF-8 as it is");
    check("Bob\n <bob@x.example>,\n\tann@x.example", "{Bob|bob@x.example}{|ann@x.example}", "folded fields");
    check("< bob@x.example >", "{|bob@x.example}", "blanks within the brackets");
}

static void
test_groups(void)
{
    check("Friends: bob@x.example, Ann <ann@x.example>; carl@x.example",
          "{|bob@x.example}{Ann|ann@x.example}{|carl@x.example}", "members of a group, and what follows it");
    check("undisclosed-recipients:;", "", "an empty group is nobody");
    check("\"A: B\": bob@x.example;", "{|bob@x.example}", "a colon in a group's quoted name");
    check("A: bob@x.example", "{|bob@x.example}", "a group that never ends");
}

static void
test_leniency(void)
{
    check("", "", "nothing");
    check(" \n\t ", "", "blanks");
    check(",, ,bob@x.example,", "{|bob@x.example}", "empty elements");
    check("Bob", "{||Bob}", "a name alone is text");
    check("Bob <>", "{Bob||Bob <>}", "empty brackets");
    check("bob @ x.example", "{||bob @ x.example}", "an address with blanks is text");
    check("bob(x)@x.example", "{||bob(x)@x.example}", "an address with a comment within is text");
    check("a <bob@x.example, ann@x.example", "{||a <bob@x.example}{|ann@x.example}",
          "a missing bracket costs one address");
    check("<bob@x.example", "{||<bob@x.example}", "or the last");
    check("\"Bob <bob@x.example>", "{||\"Bob <bob@x.example>}", "a quote without an end is text");
    check("(Bob <bob@x.example>", "{||(Bob <bob@x.example>}", "a comment without an end too");
    check("<a@x.example> <b@x.example>", "{|a@x.example}", "two in one element: the first");
    check("bob@x.example \\", "{||bob@x.example \\}", "a backslash at the end");
    check(")", "{||)}", "a closing parenthesis alone");
}

static void
count_only(const struct header_address *a, void *arg)
{
    size_t *with = arg;
    *with += a->mailbox.len > 0;
}

static void
test_size(void)
{
    size_t many = 500000, with = 0, n = 0;
    struct buf body = {0};
    for (size_t i = 0; i < many; i++)
        buf_add_text(&body, i % 2 ? "a@b.example, " : "\"x\" <c@d.example>,\n ");
    is_int(header_addresses(buf_span(&body), count_only, &with), many, "half a million addresses are counted");
    is_int(with, many, "and each is one");
    buf_reset(&body);
    for (size_t i = 0; i < many; i++)
        buf_add_byte(&body, '(');
    is_int(header_addresses(buf_span(&body), count_only, &n), 1,
           "half a million nested comments are one element");
    for (size_t i = 0; i < many; i++)
        buf_add_byte(&body, ')');
    buf_add_text(&body, "bob@x.example");
    n = 0;
    header_addresses(buf_span(&body), count_only, &n);
    is_int(n, 1, "and behind their ends an address is found");
    static const char openers[] = "<\"[\\:;,(";
    for (size_t k = 0; k + 1 < sizeof openers; k++) {
        buf_reset(&body);
        for (size_t i = 0; i < many; i++) {
            buf_add_byte(&body, openers[k]);
            buf_add_byte(&body, 'a');
        }
        n = 0;
        header_addresses(buf_span(&body), count_only, &n);
        is_int(n, 0, "half a million %c end", openers[k]);
    }
    buf_clear(&body);
}

int
main(void)
{
    test_forms();
    test_groups();
    test_leniency();
    test_size();
    return tap_done();
}
