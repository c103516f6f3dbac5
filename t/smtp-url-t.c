/* smtp-url-t.c - the URLs of next hops */
#include <errno.h>

#include "systems/smtp/smtp_url.h"
#include "t/tap.h"

static struct smtp_url url;
static struct why why;

static int
parse(const char *text)
{
    why = (struct why){"", ""};
    return smtp_url_parse(span_of(text), &url, &why);
}

static void
takes(const char *text, enum smtp_scheme scheme, const char *host, int port, bool mx)
{
    int result = parse(text);
    ok(result == 0 && url.scheme == scheme && strcmp(url.host, host) == 0 && url.port == port && !url.path[0],
       "%s is taken", text);
    ok(smtp_url_wants_mx(&url) == mx, "%s %s looked up as MX", text, mx ? "is" : "is not");
}

static void
refuses(const char *text, int error)
{
    int result = parse(text);
    ok(result == error && (error == -ENOENT || why.text[0] != '\0'), "'%s' is refused: %s", text, why.text);
}

static void
prints(const char *text, const char *want)
{
    char out[400] = "";
    if (parse(text) == 0)
        smtp_url_print(&url, out, sizeof out);
    is_text(out, want, "%s prints as %s", text, want);
}

int
main(void)
{
    takes("smtp://mx.example", SMTP_SCHEME_SMTP, "mx.example", 25, true);
    takes("SMTP://MX.Example/", SMTP_SCHEME_SMTP, "mx.example", 25, true);
    takes("smtp://mx.example.", SMTP_SCHEME_SMTP, "mx.example", 25, true);
    takes("smtp://mx.example:2526", SMTP_SCHEME_SMTP, "mx.example", 2526, false);
    takes("smtp://mx.example:25/", SMTP_SCHEME_SMTP, "mx.example", 25, false);
    takes("smtp://localhost", SMTP_SCHEME_SMTP, "localhost", 25, false);
    takes("smtp://127.0.0.1:2526", SMTP_SCHEME_SMTP, "127.0.0.1", 2526, false);
    takes("smtp://192.0.2.1", SMTP_SCHEME_SMTP, "192.0.2.1", 25, false);
    takes("smtp://[2001:DB8::1]", SMTP_SCHEME_SMTP, "2001:db8::1", 25, false);
    takes("smtp://[::1]:65535/", SMTP_SCHEME_SMTP, "::1", 65535, false);
    takes("smtp://[192.0.2.1]", SMTP_SCHEME_SMTP, "192.0.2.1", 25, false);
    takes("smtps://mx.example", SMTP_SCHEME_SMTPS, "mx.example", 465, false);
    takes("lmtp://mx.example", SMTP_SCHEME_LMTP, "mx.example", 24, false);
    takes("lmtp://[::1]:2424", SMTP_SCHEME_LMTP, "::1", 2424, false);
    takes("smtp://mail_hub", SMTP_SCHEME_SMTP, "mail_hub", 25, true);
    ok(parse("smtp://[::1]") == 0 && url.literal, "an address in brackets is literal");
    ok(parse("smtp://mx.example") == 0 && !url.literal, "a name is not");

    is_int(parse("lmtp:///run/dovecot/lmtp"), 0, "a local socket is taken");
    ok(strcmp(url.path, "/run/dovecot/lmtp") == 0 && url.host[0] == '\0', "with its path and no host");
    char longest[200] = "lmtp://";
    memset(longest + 7, '/', 107);
    is_int(parse(longest), 0, "a path of 107 bytes fits a socket's address");
    longest[7 + 107] = 'x';
    refuses(longest, -EINVAL);

    refuses("maildir:///srv", -ENOENT);
    refuses("http://x", -ENOENT);
    refuses("mx.example", -ENOENT);
    refuses("", -ENOENT);
    refuses("smtp:", -ENOENT);
    refuses("smtp://", -EINVAL);
    refuses("smtp:///path", -EINVAL);
    refuses("smtp://:25", -EINVAL);
    refuses("smtp://.", -EINVAL);
    refuses("smtp://a..b", -EINVAL);
    refuses("smtp://a b", -EINVAL);
    refuses("smtp://user@mx.example", -EINVAL);
    refuses("smtp://mx.example/inbox", -EINVAL);
    refuses("smtp://mx.example?x", -EINVAL);
    refuses("smtp://mx.example#x", -EINVAL);
    refuses("smtp://mx.example:", -EINVAL);
    refuses("smtp://mx.example:0", -EINVAL);
    refuses("smtp://mx.example:65536", -EINVAL);
    refuses("smtp://mx.example:2x", -EINVAL);
    refuses("smtp://mx.example:-1", -EINVAL);
    refuses("smtp://::1", -EINVAL);
    refuses("smtp://[::1", -EINVAL);
    refuses("smtp://[::1]25", -EINVAL);
    refuses("smtp://[mx.example]", -EINVAL);
    refuses("smtp://[]", -EINVAL);
    refuses("smtp://256.0.0.1", -EINVAL);
    refuses("smtp://1.2.3", -EINVAL);
    refuses("smtp://m\xc3\xbcnchen.example", -EINVAL);
    refuses("lmtp:///", -EINVAL);
    is_int(parse("lmtp:///a\nb"), -EINVAL, "a control byte in a path is refused");
    is_int(smtp_url_parse((struct span){"smtp://a\0b", 10}, &url, &why), -EINVAL, "a NUL in a name is refused");
    char label[100] = "smtp://";
    memset(label + 7, 'a', 64);
    refuses(label, -EINVAL);
    char name[400] = "smtp://";
    for (size_t i = 0; i < 300; i++)
        name[7 + i] = i % 2 ? '.' : 'a';
    refuses(name, -EINVAL);
    is_int(smtp_url_parse(span_of("smtp://"), &url, NULL), -EINVAL, "nobody needs to ask why");

    prints("SMTP://MX.example./", "smtp://mx.example");
    prints("smtp://[::1]:25", "smtp://[::1]:25");
    prints("lmtp:///run/x", "lmtp:///run/x");
    prints("smtps://a:465", "smtps://a:465");
    return tap_done();
}
