/* address-t.c - addresses of any type: the promises of common/address.h */
#include <errno.h>

#include "common/address.h"
#include "common/utf8.h"
#include "t/tap.h"

static struct arena *arena;
static struct why why;

static void
test_mailboxes(void)
{
    static const char *const good[] = {
        "bob@contoso.example",
        "bob.smith+tag@sub.contoso.example",
        "!#$%&'*+-/=?^_`{|}~@x.example",
        "a@b",
        "\"bob smith\"@x.example",
        "\"a@b\"@x.example",
        "\"a\\\"b\\\\\"@x.example",
        "\"\"@x.example",
        "\">\"@x.example",
        "bob@[127.0.0.1]",
        "bob@[IPv6:::1]",
        "bob@[ipv6:2001:db8::192.0.2.1]",
        "bob@_srv.x_y.example",
        "bob@1.2.3.example",
        "bob@xn--bcher-kva.example",
        "b\xC3\xBC"
        "cher@b\xC3\xBC"
        "cher.example",
        "\"\xE4\xB8\xAD \xE6\x96\x87\"@\xE4\xB8\xAD\xE6\x96\x87.example",
        "\xF0\x9F\x98\x80@x.example",
        "IMCEAX400-c=US+3Ba=+20+3Bp=MS+3Bo=PARIS+3Bs=user+3B@h.example",
    };
    static const char *const bad[] = {
        "",
        "bob",
        "@x.example",
        "bob@",
        ".bob@x.example",
        "bob.@x.example",
        "bo..b@x.example",
        "bob smith@x.example",
        " bob@x.example",
        "bob@x.example ",
        "bob@x.example\n",
        "bob@x..example",
        "bob@.example",
        "bob@x.example.",
        "bob@-x.example",
        "bob@x-.example",
        "bob@x!y.example",
        "bob@x@y.example",
        "<bob@x.example>",
        "\"bob@x.example",
        "\"bob\"smith@x.example",
        "\"bob\\\"@x.example",
        "\"bo\tb\"@x.example",
        "bob@[127.0.0.256]",
        "bob@[127.0.0.1",
        "bob@127.0.0.1]",
        "bob@[]",
        "bob@[IPv6:]",
        "bob@[IPv6:::1::]",
        "bob@[x-tag:anything]",
        "bo\xC3@x.example",
        "bo\xC0\x80@x.example",
        "bo\xED\xA0\x80@x.example",
        "bo\xC2\x85@x.example",
        "bob@b\xFC.example",
        "bo\x7f@x.example",
        "bob(comment)@x.example",
        "bob,ann@x.example",
        "a:b@x.example",
    };
    struct mailbox_parts parts;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ok(mailbox_parse(span_of(good[i]), &parts, &why) == 0, "a mailbox: %s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why = (struct why){0};
        ok(mailbox_parse(span_of(bad[i]), &parts, &why) == -EINVAL && strcmp(why.status, "5.1.3") == 0,
           "refused with 5.1.3: bad mailbox %zu", i);
    }
    struct span nul = {"bo\0b@x.example", 14};
    ok(mailbox_parse(nul, &parts, NULL) == -EINVAL, "a NUL is refused in a local part");
    nul = (struct span){"\"b\0\"@x.example", 14};
    ok(mailbox_parse(nul, &parts, NULL) == -EINVAL, "a NUL is refused in a quoted string");
    nul = (struct span){"b@[127.0.0.1\0]", 14};
    ok(mailbox_parse(nul, &parts, NULL) == -EINVAL, "a NUL is refused in an address literal");
    mailbox_parse(SPAN("\"a@b\"@X.example"), &parts, NULL);
    is_span(parts.local, "\"a@b\"", "the local part keeps its quotes");
    is_span(parts.domain, "X.example", "the domain is as written");
    ok(!parts.utf8, "an ASCII address needs no SMTPUTF8");
    mailbox_parse(SPAN("bob@\xC3\xBC.example"), &parts, NULL);
    ok(parts.utf8, "a UTF-8 domain is told");
}

static int
mailbox_of(size_t local, size_t domain, char byte)
{
    static char text[4000];
    struct mailbox_parts parts;
    memset(text, byte, local);
    text[local] = '@';
    for (size_t i = 0; i < domain; i++)
        text[local + 1 + i] = (i % 60 == 59 && i + 1 < domain) ? '.' : 'd';
    return mailbox_parse((struct span){text, local + 1 + domain}, &parts, NULL);
}

static void
test_lengths(void)
{
    is_int(mailbox_of(400, 20, 'a'), 0, "a local part of 400 octets is taken: encapsulated ones are long");
    is_int(mailbox_of(1000, 254, 'a'), 0, "the largest mailbox is taken");
    is_int(mailbox_of(1001, 20, 'a'), -EINVAL, "a local part of 1001 octets is refused");
    is_int(mailbox_of(4, 255, 'a'), -EINVAL, "a domain of 255 octets is refused");
    char label[100];
    struct mailbox_parts parts;
    snprintf(label, sizeof label, "a@%063d", 1);
    is_int(mailbox_parse(span_of(label), &parts, NULL), 0, "a label of 63 octets is taken");
    snprintf(label, sizeof label, "a@%064d", 1);
    is_int(mailbox_parse(span_of(label), &parts, NULL), -EINVAL, "a label of 64 octets is refused");
}

static void
check_path(const char *text, const char *want, const char *want_rest, bool null_allowed, const char *domain)
{
    struct address address;
    struct span rest;
    int err = path_parse(span_of(text), null_allowed, domain, arena, &address, &rest, &why);
    if (want == NULL) {
        is_int(err, -EINVAL, "no path: %s", text);
        return;
    }
    is_int(err, 0, "a path: %s", text);
    if (err != 0)
        return;
    is_span(address.value, want, "  its address");
    is_span(rest, want_rest, "  and what follows");
}

static void
test_paths(void)
{
    check_path("<bob@x.example>", "bob@x.example", "", false, NULL);
    check_path("<bob@x.example> SIZE=10", "bob@x.example", " SIZE=10", false, NULL);
    check_path("<>", "", "", true, NULL);
    check_path("<> BODY=8BITMIME", "", " BODY=8BITMIME", true, NULL);
    check_path("<>", NULL, NULL, false, NULL);
    check_path("<Postmaster>", "Postmaster@h.example", "", false, "h.example");
    check_path("<postmaster>", NULL, NULL, false, NULL);
    check_path("<bob>", NULL, NULL, false, "h.example");
    check_path("<@a.example:bob@x.example>", "bob@x.example", "", false, NULL);
    check_path("<@a.example,@[IPv6:::1]:bob@x.example>", "bob@x.example", "", false, NULL);
    check_path("<@a.example>", NULL, NULL, false, NULL);
    check_path("<@a.example,bob@x.example>", NULL, NULL, false, NULL);
    check_path("<@:bob@x.example>", NULL, NULL, false, NULL);
    check_path("<@[:bob@x.example>", NULL, NULL, false, NULL);
    check_path("<\"a>b\"@x.example>x", "\"a>b\"@x.example", "x", false, NULL);
    check_path("<\"a\\\">b\"@x.example>", "\"a\\\">b\"@x.example", "", false, NULL);
    check_path("<bob@x.example", NULL, NULL, false, NULL);
    check_path("bob@x.example", NULL, NULL, false, NULL);
    check_path(" <bob@x.example>", NULL, NULL, false, NULL);
    check_path("", NULL, NULL, true, NULL);
    check_path("<", NULL, NULL, true, NULL);
}

static void
test_typed(void)
{
    struct address a;
    struct buf out = {0};
    is_int(address_parse(SPAN("gwise:Dom.PO.bob"), arena, &a, &why), 0, "a type is read in any case");
    address_print(&a, &out);
    is_span(buf_span(&out), "GWISE:Dom.PO.bob", "a type is printed in upper case, the value as written");
    is_int(address_parse(SPAN("X400:c=US;a= ;p=MS;s=bob;"), arena, &a, &why), 0,
           "an X.400 address with blanks");
    is_int(address_parse(SPAN("bob@x.example"), arena, &a, &why), 0, "a bare mailbox is SMTP");
    is_span(a.type, "SMTP", "and says so");
    is_int(address_parse(SPAN("bob@[IPv6:::1]"), arena, &a, &why), 0, "a colon in a literal makes no type");
    is_int(address_parse(SPAN("\"a:b\"@x.example"), arena, &a, &why), 0, "a colon in quotes makes no type");
    is_int(address_parse(SPAN("SMTP:"), arena, &a, &why), 0, "the null reverse-path has a text");
    ok(address_is_null(&a), "and is known");
    is_int(address_parse(SPAN("smtp:bob"), arena, &a, &why), -EINVAL, "an SMTP value must be a mailbox");
    is_int(address_parse(SPAN("GWISE:"), arena, &a, &why), -EINVAL, "another type's value is not empty");
    is_int(address_parse(SPAN("GWISE:a\nb"), arena, &a, &why), -EINVAL, "nor holds a line break");
    is_int(address_parse(SPAN("GWISE:a\xFF"), arena, &a, &why), -EINVAL, "nor what is not UTF-8");
    is_int(address_parse(SPAN("bob"), arena, &a, &why), -EINVAL, "a word is no address");
    is_int(address_parse(SPAN(""), arena, &a, &why), -EINVAL, "nothing is no address");
    is_int(address_parse(SPAN(":x"), arena, &a, &why), -EINVAL, "a type is not empty");
    is_int(address_parse(SPAN("ABCDEFGHIJKLMNOPQRSTU:x"), arena, &a, &why), -EINVAL, "21 letters are no type");
    char *long_value = xmalloc(2100);
    memset(long_value, 'x', 2100);
    memcpy(long_value, "EX:", 3);
    is_int(address_parse((struct span){long_value, 2003}, arena, &a, &why), 0, "2000 octets are taken");
    is_int(address_parse((struct span){long_value, 2004}, arena, &a, &why), -EINVAL, "2001 octets are refused");
    free(long_value);
    buf_clear(&out);
}

static bool
same(const char *one, const char *two)
{
    struct address a, b;
    struct buf key_a = {0}, key_b = {0};
    if (address_parse(span_of(one), arena, &a, NULL) != 0 || address_parse(span_of(two), arena, &b, NULL) != 0)
        return false;
    bool equal = address_equal(&a, &b);
    bool keys = address_key(&a, &key_a) == 0 && address_key(&b, &key_b) == 0 &&
                span_equal(buf_span(&key_a), buf_span(&key_b));
    ok(equal == keys, "equal addresses have equal keys, others not: %s, %s", one, two);
    buf_clear(&key_a);
    buf_clear(&key_b);
    return equal;
}

static void
test_equal(void)
{
    ok(same("Bob@X.example", "bob@x.EXAMPLE"), "ASCII case does not count");
    ok(same("\"bob\"@x.example", "bob@x.example"), "needless quotes do not count");
    ok(same("\"b\\ob\"@x.example", "bob@x.example"), "needless backslashes do not count");
    ok(!same("\"bob \"@x.example", "bob@x.example"), "a quoted blank counts");
    ok(!same("\"a@b\"@x.example", "a@b.x.example"), "a quoted @ moves no domain");
    ok(same("bob@b\xC3\xBC"
            "cher.example",
            "bob@xn--bcher-kva.example"),
       "U-label and A-label are the same domain");
    ok(same("bob@B\xC3\x9C"
            "CHER.example",
            "bob@XN--BCHER-KVA.example"),
       "in any case");
    ok(!same("bob@fa\xC3\x9F.example", "bob@fass.example"), "IDNA 2008: sharp s is a letter of its own");
    ok(!same("bob@x\xEF\xBC\xA0y.example", "bob@x@y.example"), "a full-width @ never becomes one");
    ok(!same("bob@x.example", "bobby@x.example"), "different people differ");
    ok(same("GWISE:Ex.First  Group.bob", "gwise:ex.first group.BOB"), "runs of blanks are one, elsewhere too");
    ok(!same("GWISE:a.b.c", "NOTES:a.b.c"), "types count");
    struct address empty = {SPAN("SMTP"), SPAN("")}, broken = {SPAN("SMTP"), SPAN("no mailbox")};
    struct buf key = {0};
    is_int(address_key(&empty, &key), 0, "the null address has a key");
    is_span(buf_span(&key), "smtp:", "of its own");
    is_int(address_key(&broken, &key), -EINVAL, "what is no mailbox has none");
    buf_clear(&key);
}

static void
check_domain(const char *domain, const char *want)
{
    struct buf out = {0};
    int err = domain_to_ascii(span_of(domain), &out, &why);
    if (want == NULL)
        is_int(err, -EINVAL, "no A-label form: %s", domain);
    else
        ok(err == 0 && span_equal(buf_span(&out), span_of(want)), "%s is %s", domain, want);
    buf_clear(&out);
}

static void
test_domains(void)
{
    check_domain("Contoso.Example", "contoso.example");
    check_domain("b\xC3\xBC"
                 "cher.example",
                 "xn--bcher-kva.example");
    check_domain("fa\xC3\x9F.example", "xn--fa-hia.example");
    check_domain("\xE4\xB8\xAD\xE6\x96\x87.example", "xn--fiq228c.example");
    check_domain("[127.0.0.1]", NULL);
    check_domain("", NULL);
    check_domain("a..b", NULL);
    check_domain("x\xEF\xBC\xA0y.example", NULL);
    check_domain("x\xEF\xBC\x8Fy.example", NULL);
    check_domain("\xCC\x80x.example", NULL);
}

static void
check_imcea(const char *typed, const char *want)
{
    struct address a, back;
    struct buf out = {0};
    address_parse(span_of(typed), arena, &a, NULL);
    imcea_encode(&a, SPAN("h.example"), &out);
    is_span(buf_span(&out), want, "encapsulated: %s", typed);
    is_int(imcea_decode(buf_span(&out), arena, &back, &why), 0, "and taken out again");
    ok(span_equal(a.type, back.type) && span_equal(a.value, back.value), "it is the same");
    buf_clear(&out);
}

static void
check_imcea_in(const char *text, int want, const char *typed)
{
    struct address a;
    struct buf out = {0};
    int err = imcea_decode(span_of(text), arena, &a, &why);
    is_int(err, want, "%s: %s", want == 0 ? "unwrapped" : want == -ENOENT ? "left alone" : "refused", text);
    if (err == 0) {
        address_print(&a, &out);
        is_span(buf_span(&out), typed, "  as %s", typed);
    }
    buf_clear(&out);
}

static void
test_imcea(void)
{
    check_imcea("NOTES:Ted Bremer/Contoso@Exchange", "IMCEANOTES-Ted+20Bremer_Contoso+40Exchange@h.example");
    check_imcea("EX:/O=ORG/OU=SITE/CN=RECIPIENTS/CN=ALIAS",
                "IMCEAEX-_O=ORG_OU=SITE_CN=RECIPIENTS_CN=ALIAS@h.example");
    check_imcea("X400:c=US;a= ;p=MS;o=PARIS;s=user;",
                "IMCEAX400-c=US+3Ba=+20+3Bp=MS+3Bo=PARIS+3Bs=user+3B@h.example");
    check_imcea("GWISE:DOM.PO.a_b", "IMCEAGWISE-DOM+2EPO+2Ea+5Fb@h.example");
    check_imcea("NOTES:(J\xC3\xBCrgen) +1", "IMCEANOTES-+28J+C3+BCrgen+29+20+2B1@h.example");
    check_imcea_in("imceagwise-DOM+2epo+2Ea+5fb@h.example", 0, "GWISE:DOM.po.a_b");
    check_imcea_in("IMCEAGWISE-DOM+2EPO+2Eb", 0, "GWISE:DOM.PO.b");
    check_imcea_in("IMCEAGWISE-DOM.PO.b@h.example", 0, "GWISE:DOM.PO.b");
    check_imcea_in("\"IMCEANOTES-Ted Bremer_x\"@h.example", 0, "NOTES:Ted Bremer/x");
    check_imcea_in("IMCEASMTP-bob+40x+2Eexample@h.example", 0, "SMTP:bob@x.example");
    check_imcea_in("IMCEASMTP-IMCEANOTES-Ted+2B20B+40h+2Eexample@h.example", 0, "NOTES:Ted B");
    check_imcea_in("bob@h.example", -ENOENT, NULL);
    check_imcea_in("", -ENOENT, NULL);
    check_imcea_in("IMCEA@h.example", -ENOENT, NULL);
    check_imcea_in("imceaman@h.example", -ENOENT, NULL);
    check_imcea_in("imcea.man-x@h.example", -ENOENT, NULL);
    check_imcea_in("IMCEA-x@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-a+2@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-a+@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-a+G0@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-a+00b@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-a+0D+0Ab@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEAGWISE-a+FFb@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEASMTP-no+20mailbox@h.example", -EINVAL, NULL);
    check_imcea_in("IMCEASMTP-@h.example", -EINVAL, NULL);
}

static void
test_imcea_depth(void)
{
    struct address a = {SPAN("GWISE"), SPAN("D.P.u")}, back;
    struct span text[7];
    for (size_t i = 0; i < 7; i++) {
        struct buf out = {0};
        imcea_encode(&a, SPAN("h.example"), &out);
        text[i] = arena_span(arena, buf_span(&out));
        a = (struct address){SPAN("SMTP"), text[i]};
        buf_clear(&out);
    }
    is_int(imcea_decode(text[3], arena, &back, &why), 0, "four layers are unwrapped");
    is_span(back.value, "D.P.u", "to the address within");
    is_int(imcea_decode(text[4], arena, &back, &why), -EINVAL, "five are refused");
    is_int(imcea_decode(text[6], arena, &back, &why), -EINVAL, "and more");
    is_int(imcea_decode_once(text[1], arena, &back, &why), 0, "one layer alone");
    is_span(back.value, "IMCEAGWISE-D+2EP+2Eu@h.example", "shows the next");
}

static uint32_t
random_next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Printable UTF-8 of one to four octets a character. */
static struct span
random_text(uint32_t *state, char *out, size_t characters)
{
    size_t len = 0;
    for (size_t i = 0; i < characters; i++) {
        switch (random_next(state) % 8) {
        case 0:
            memcpy(out + len, "\xC3\xA9", 2), len += 2;
            break;
        case 1:
            memcpy(out + len, "\xF0\x9F\x98\x80", 4), len += 4;
            break;
        default:
            out[len++] = (char)(' ' + random_next(state) % 95);
        }
    }
    return (struct span){out, len};
}

static void
test_round_trips(void)
{
    uint32_t state = 7;
    char one[400], two[400];
    unsigned lost_imcea = 0, lost_oneoff = 0, untrue = 0;
    for (unsigned i = 0; i < 5000; i++) {
        struct address a = {SPAN("NOTES"), random_text(&state, one, 1 + random_next(&state) % 60)}, back;
        struct span display = span_trim(random_text(&state, two, random_next(&state) % 60)), shown;
        struct buf out = {0};
        struct mailbox_parts parts;
        imcea_encode(&a, SPAN("h.example"), &out);
        lost_imcea += imcea_decode(buf_span(&out), arena, &back, NULL) != 0 || !span_equal(a.value, back.value);
        untrue += mailbox_parse(buf_span(&out), &parts, NULL) != 0;
        buf_reset(&out);
        oneoff_print(display, &a, &out);
        lost_oneoff += oneoff_parse(buf_span(&out), arena, &shown, &back, NULL) != 0 ||
                       !span_equal(a.value, back.value) || !span_equal(display, shown);
        buf_clear(&out);
        arena_reset(arena);
    }
    is_int(lost_imcea, 0, "5000 random addresses come back from encapsulation");
    is_int(untrue, 0, "and each encapsulated form is a mailbox");
    is_int(lost_oneoff, 0, "5000 random one-offs come back with their displays");
}

static void
test_random_bytes(void)
{
    uint32_t state = 11;
    unsigned lost = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char bytes[40];
        struct address a = {SPAN("EX"), {bytes, 1 + random_next(&state) % sizeof bytes}}, back;
        struct buf out = {0};
        for (size_t k = 0; k < a.value.len; k++)
            bytes[k] = (char)random_next(&state);
        imcea_encode(&a, SPAN("h.example"), &out);
        int err = imcea_decode(buf_span(&out), arena, &back, NULL);
        lost += utf8_printable(a.value) ? err != 0 || !span_equal(a.value, back.value) : err != -EINVAL;
        buf_clear(&out);
        arena_reset(arena);
    }
    is_int(lost, 0, "random bytes come back as they were, or are refused for what they hold");
}

static void
check_oneoff(const char *text, int want, const char *want_display, const char *typed)
{
    struct address a;
    struct span display;
    struct buf out = {0};
    int err = oneoff_parse(span_of(text), arena, &display, &a, &why);
    is_int(err, want, "one-off %s: %s", want == 0 ? "read" : want == -ENOENT ? "not seen" : "refused", text);
    if (err == 0) {
        is_span(display, want_display, "  display");
        address_print(&a, &out);
        is_span(buf_span(&out), typed, "  address");
    }
    buf_clear(&out);
}

static void
test_oneoffs(void)
{
    struct buf out = {0};
    struct address a = {SPAN("SMTP"), SPAN("bob@x.example")};
    oneoff_print(SPAN("Bob [x]; a\\b\r"), &a, &out);
    is_span(buf_span(&out), "Bob \\[x\\]\\; a\\\\b\\x0d[SMTP:bob@x.example]", "special characters are escaped");
    buf_reset(&out);
    oneoff_print(SPAN(""), &a, &out);
    is_span(buf_span(&out), "[SMTP:bob@x.example]", "an empty display is left out");
    buf_clear(&out);
    check_oneoff("Bob[SMTP:bob@x.example]", 0, "Bob", "SMTP:bob@x.example");
    check_oneoff(" Bob  [smtp:bob@x.example] \t", 0, "Bob", "SMTP:bob@x.example");
    check_oneoff("[GWISE:a.b.c]", 0, "", "GWISE:a.b.c");
    check_oneoff("a [b] [re: c] [GWISE:a\\:b\\x2ec]", 0, "a [b] [re: c]", "GWISE:a:b.c");
    check_oneoff("Bob[SMTP:bob@[IPv6:::1]]", 0, "Bob", "SMTP:bob@[IPv6:::1]");
    check_oneoff("Bob[SMTP:bob@x.example] x", -ENOENT, NULL, NULL);
    check_oneoff("Bob[SMTP:bob@x.example\\]", -ENOENT, NULL, NULL);
    check_oneoff("Bob [x]", -ENOENT, NULL, NULL);
    check_oneoff("Bob ]", -ENOENT, NULL, NULL);
    check_oneoff("Bob [", -ENOENT, NULL, NULL);
    check_oneoff("Bob", -ENOENT, NULL, NULL);
    check_oneoff("", -ENOENT, NULL, NULL);
    check_oneoff("Bob[SMTP:]", -EINVAL, NULL, NULL);
    check_oneoff("Bob[SMTP:bob]", -EINVAL, NULL, NULL);
    check_oneoff("Bob[GWISE:a\\x0ab]", -EINVAL, NULL, NULL);
    check_oneoff("Bob[GWISE:a\\xg0b]", -EINVAL, NULL, NULL);
    check_oneoff("Bob[GWISE:a\\x0]", -EINVAL, NULL, NULL);
}

static unsigned
rank(const char *type, const char *pattern, const char *typed)
{
    struct address a;
    if (address_parse(span_of(typed), arena, &a, NULL) != 0)
        return 0;
    return pattern_match(span_of(type), span_of(pattern), &a);
}

static void
test_patterns(void)
{
    const char *bob = "SMTP:Bob@gw.Contoso.example", *gw = "GWISE:Dom.PO.bob";
    unsigned none = rank("SMTP", "other.example", bob), empty = rank("SMTP", "", bob),
             any = rank("SMTP", "*", bob);
    unsigned far = rank("SMTP", "*.example", bob), near = rank("SMTP", "*.contoso.example", bob);
    unsigned exact = rank("SMTP", "gw.contoso.example", bob),
             person = rank("SMTP", "bob@gw.contoso.example", bob);
    ok(none == 0 && none < empty && empty < any, "no match, the empty pattern, a wildcard rank in this order");
    ok(any < far && far < near, "among wildcards the longer one is better");
    ok(near < exact && exact < person, "a domain is better than wildcards, a mailbox than a domain");
    is_int(rank("SMTP", "*@gw.contoso.example", bob), exact, "*@domain is the same as the domain");
    is_int(rank("SMTP", "*@*.contoso.example", bob), near, "*@*.domain is the same as *.domain");
    is_int(rank("SMTP", "*.gw.contoso.example", bob), 0, "*.domain is not the domain itself");
    is_int(rank("SMTP", "*.toso.example", bob), 0, "*.domain needs the dot");
    is_int(rank("GWISE", "*", bob), 0, "types are never mixed");
    ok(rank("smtp", "GW.contoso.EXAMPLE", bob) == exact, "case does not count");
    ok(rank("SMTP",
            "b\xC3\xBC"
            "cher.example",
            "SMTP:a@xn--bcher-kva.example") > 0,
       "a U-label pattern matches the A-label");
    ok(rank("SMTP",
            "*.b\xC3\xBC"
            "cher.example",
            "SMTP:a@x.xn--bcher-kva.example") > 0,
       "with a wildcard too");
    ok(rank("GWISE", "*", gw) < rank("GWISE", "Dom.*.*", gw), "GWISE:Dom.*.* is better than GWISE:*");
    ok(rank("GWISE", "Dom.*.*", gw) < rank("GWISE", "dom.po.bob", gw), "an exact one is best");
    ok(rank("GWISE", "", gw) > 0 && rank("GWISE", "", gw) < rank("GWISE", "*", gw), "an empty one is last");
    ok(rank("GWISE", "D?m.P%.b*", gw) > 0, "? and %% stand for one character");
    ok(rank("GWISE", "Dom.PO.b?b?", gw) == 0, "which must be there");
    ok(rank("GWISE", "J?rg", "GWISE:J\xC3\xB6rg") > 0, "one character may be two octets");
    ok(rank("NOTES", "*@Acme", "NOTES:Ted/x@acme") > 0, "a tail decides");
    const char *bob400 = "X400:c=US;a= ;p=MS;o=Paris;s=Bob;";
    ok(rank("X400", "p=ms;c=us", bob400) > 0, "X.400 fields that are not given match anything, in any order");
    ok(rank("X400", "p=ms;c=us;o=P*s", bob400) > rank("X400", "p=ms;c=us", bob400), "more fields are better");
    ok(rank("X400", "c=us;a= ;p=ms;o=paris;s=bob", bob400) > rank("X400", "c=us;a= ;p=ms;o=paris;s=b*", bob400),
       "all of them are exact");
    ok(rank("X400", "/c=US/p=MS", bob400) > 0, "the form with slashes is the same");
    is_int(rank("X400", "c=us;p=other", bob400), 0, "a field that differs");
    is_int(rank("X400", "c=us;ou1=x", bob400), 0, "a field that is not there");
    ok(rank("X400", "*", bob400) > 0 && rank("X400", "*", bob400) < rank("X400", "c=us", bob400),
       "a lone * is least");
    struct address null = {SPAN("SMTP"), SPAN("")};
    is_int(pattern_match(SPAN("SMTP"), SPAN("*"), &null), 0, "the null address is nobody's");
}

static void
test_pattern_cost(void)
{
    char value[2001], pattern[1001];
    memset(value, 'a', 2000);
    value[2000] = '\0';
    for (size_t i = 0; i < 1000; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[998] = '*';
    pattern[999] = 'b';
    pattern[1000] = '\0';
    struct address a = {SPAN("EX"), span_of(value)};
    is_int(pattern_match(SPAN("EX"), span_of(pattern), &a), 0, "a hostile pattern ends");
}

static void
test_pattern_valid(void)
{
    static const char *const good[] = {
        "*", "", "x.example", "*.x.example", "*@x.example", "*@*.x.example", "*@*", "bob@x.example"};
    static const char *const bad[] = {"*x.example",   "*@*x.example", "x y.example", "x.*.example",
                                      "b*@x.example", "@x.example",   "*."};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ok(pattern_valid(SPAN("smtp"), span_of(good[i]), &why), "a pattern: '%s'", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ok(!pattern_valid(SPAN("SMTP"), span_of(bad[i]), &why), "no pattern: '%s'", bad[i]);
    ok(pattern_valid(SPAN("GWISE"), SPAN("*dom. x.*"), &why), "other types take any text");
    ok(!pattern_valid(SPAN("GWISE"), SPAN("a\n"), &why), "but no control characters");
    ok(!pattern_valid(SPAN("G W"), SPAN("*"), &why), "a type is one word");
}

static void
test_full_arena(void)
{
    struct arena *small = arena_new(4);
    struct address a;
    struct span rest, display;
    is_int(address_parse(SPAN("GWISE:a.b.c"), small, &a, &why), -EINVAL, "a full arena ends parsing");
    ok(why_is_temporary(&why), "with a temporary status");
    is_int(imcea_decode(SPAN("IMCEAGWISE-a+2Eb@h.example"), small, &a, &why), -EINVAL, "and decoding");
    ok(imcea_decode(SPAN("\"IMCEAGWISE-a b\"@h.example"), small, &a, &why) != 0, "and quoted decoding");
    is_int(oneoff_parse(SPAN("A[GWISE:a.b.c]"), small, &display, &a, &why), -EINVAL, "and one-offs");
    is_int(path_parse(SPAN("<postmaster>"), false, "h.example", small, &a, &rest, &why), -EINVAL, "and paths");
    arena_free(small);
}

int
main(void)
{
    arena = arena_new(1 << 20);
    test_mailboxes();
    test_lengths();
    test_paths();
    test_typed();
    test_equal();
    test_domains();
    test_imcea();
    test_imcea_depth();
    test_round_trips();
    test_random_bytes();
    test_oneoffs();
    test_patterns();
    test_pattern_cost();
    test_pattern_valid();
    test_full_arena();
    arena_free(arena);
    return tap_done();
}
