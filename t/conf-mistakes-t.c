/* conf-mistakes-t - the configuration: every kind of mistake is told with its file, its line and helpful words
 */
#include "conf/conf.h"
#include "t/tap.h"

/* The smallest sound file; its last line is line 2. */
#define HOST "node = \"gw1\"\nhost { domains = { \"contoso.example\" } }\n"

struct mistake {
    const char *text, *line, *words, *promise;
};

static const struct mistake mistakes[] = {
    {HOST "colour = 3\n", "x.conf:3: ", "colour is not known in viaduct.conf", "an unknown option is an error"},
    {HOST "conector \"c\" { type = \"smtp\" }\n", "x.conf:3: ", "did you mean \"connector\"?",
     "a misspelt section asks"},
    {HOST "connector \"c\" {\n tpye = \"smtp\" }\n", "x.conf:4: ", "did you mean \"type\"?",
     "swapped letters ask"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"90\" } }",
     "x.conf:4: ", "a time with its unit is needed", "a time without a unit is none"},
    {HOST "give-up = \"2d\"\n", "x.conf:3: ", "it belongs into retry",
     "an option of another section is shown its home"},
    {"node = \"a\"\nnode = \"b\"\nhost { domains = { \"x.example\" } }",
     "x.conf:2: ", "node stands here again; it was set at x.conf:1", "a repeated option is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\n listen = { }\n listen = { \"127.0.0.1:25\" } }",
     "x.conf:5: ", "it was set at x.conf:4", "so is one whose first value was an empty list"},
    {HOST "log { }\nlog { }", "x.conf:4: ", "log stands here again; it stands at x.conf:3",
     "a repeated section is an error"},
    {HOST "connector \"c\" { type = \"smtp\" }\nconnector c { type = \"smtp\" }", "x.conf:4: ",
     "connector \"c\" stands here again; it stands at x.conf:3", "a repeated title is an error, quoted or not"},
    {HOST "connector \"c\" {\n type = smtp; listen = \"127.0.0.1:25\" }", "x.conf:4: ", "`;` ends nothing here",
     "an unquoted ; is an error"},
    {HOST "spool = \"/x\nadmin-address = \"a@b.example\"\n", "x.conf:3: ",
     "this quote (\") is not closed on its line", "a quote that is not closed is reported where it begins"},
    {HOST "spool = '/x\n", "x.conf:3: ", "this quote (') is not closed", "so is a single quote"},
    {HOST "space = \"10 M\"\n", "x.conf:3: ", "space = \"10 M\": a size is needed, as 512, 10K",
     "a bad size is an error"},
    {HOST "space = \"10X\"\n", "x.conf:3: ", "a size is needed", "an unknown unit of size is an error"},
    {HOST "space = \"99999999999T\"\n", "x.conf:3: ", "a size is needed", "a size that overflows is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"5q\" } }", "x.conf:4: ",
     "first = \"5q\": a time with its unit is needed, as 30s", "an unknown unit of time is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"-5m\" } }",
     "x.conf:4: ", "a time with its unit", "a negative time is an error"},
    {HOST "node-id = 65536\n", "x.conf:3: ", "node-id = \"65536\": a whole number from 0 to 65535",
     "a number out of range is an error"},
    {HOST "node-id = \"\"\n", "x.conf:3: ", "a whole number", "an empty number is an error"},
    {HOST "log { subjects = true }\n", "x.conf:3: ", "did you mean \"yes\"?", "true is asked about"},
    {HOST "log {\nformat = \"jsn\" }\n", "x.conf:4: ", "one of text, json is needed; did you mean \"json\"?",
     "a misspelt choice asks"},
    {HOST "node-id = { 1, 2 }\n", "x.conf:3: ", "node-id takes one value, not a list",
     "a list for one value is an error"},
    {HOST "connector c { from = { \"10.0.0.0/8\" \"11.0.0.0/8\" } type = smtp }",
     "x.conf:3: ", "a comma is missing before \"11.0.0.0/8\"", "a missing comma is an error"},
    {HOST "connector { type = \"smtp\" }", "x.conf:3: ", "connector needs a title",
     "a missing title is an error"},
    {HOST "log \"x\" { }", "x.conf:3: ", "log has no title", "a title too many is an error"},
    {HOST "log = \"x\"", "x.conf:3: ", "log is a section", "a section used as an option is an error"},
    {HOST "space { }", "x.conf:3: ", "space is an option", "an option used as a section is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\n", "x.conf:3: ", "connector { is not closed by }",
     "a section that is not closed is reported where it begins"},
    {HOST "}\n", "x.conf:3: ", "this } closes nothing", "a brace too many is an error"},
    {HOST "/* never\n\n", "x.conf:3: ", "this comment (/*) is not closed",
     "a comment that is not closed is an error"},
    {HOST "spool = ", "x.conf:3: ", "the file ends where a value should stand", "a missing value is an error"},
    {HOST "= 5\n", "x.conf:3: ", "= where the name of an option should stand", "a missing name is an error"},
    {HOST "spool += \"x\"\n", "x.conf:3: ", "`+=` is not known", "+= is an error"},
    {HOST "spool = *\n", "x.conf:3: ", "`*` must stand in quotes", "a sign without quotes is an error"},
    {HOST "spool = \"${HOME}\"\n", "x.conf:3: ", "environment variables are not read",
     "the environment is not read"},
    {HOST "recipient-policy p { filter = \"(cn=\\2a)\" proxy = { \"SMTP:x\" } }",
     "x.conf:3: ", "write \\\\ for a backslash", "an escape that would be read as octal is an error"},
    {HOST "spool = \"a\tb\"\n", "x.conf:3: ", "control byte 0x09", "a control byte in a text is an error"},
    {HOST "spool = \"\xff\"\n", "x.conf:3: ", "is not UTF-8", "text that is not UTF-8 is an error"},
    {HOST "include(\"other.conf\")\n", "x.conf:3: ", "a snapshot includes nothing",
     "a snapshot cannot include"},
    {HOST "include(5, 6)\n", "x.conf:3: ", "write include(\"FILE\")", "a wrong include is an error"},
    {"node = \"gw1\"\n", "x.conf:1: ", "host: domains is needed", "the host's domains are needed"},
    {"node = \"gw1\"\nhost {\n}", "x.conf:2: ", "domains is needed", "and their place is the host section"},
    {"node = \"g w\"\nhost { domains = { \"x.example\" } }", "x.conf:1: ", "not a host's name",
     "the node's name is checked"},
    {"host {\n domains = { \"x..example\" } }", "x.conf:2: ", "\"x..example\" is not a domain's name",
     "domains are checked"},
    {HOST "admin-address = postmaster\n", "x.conf:3: ", "is not an address like a@b.example",
     "addresses are checked"},
    {HOST "connector \"Host\" { type = \"smtp\" }", "x.conf:3: ", "this name is the host organisation's own",
     "no connector is named host"},
    {HOST "connector \"a/b\" { type = \"smtp\" }", "x.conf:3: ", "its name is a folder's too",
     "a connector's name can be a folder's"},
    {HOST "connector \"..\" { type = \"smtp\" }", "x.conf:3: ", "its name is a folder's too",
     "and no way out of one"},
    {HOST "connector \"c\" { type = smtp }\nconnector \"C\" { type = smtp }",
     "x.conf:4: ", "differs from \"c\" by case only", "names that differ by case are an error"},
    {HOST "connector \"c\" { }", "x.conf:3: ", "connector \"c\" needs type", "a connector needs a type"},
    {HOST "connector \"c\" { type = \"gwise\" }",
     "x.conf:3: ", "gwise needs peer { root = ", "a gwise connector needs its folder"},
    {HOST "connector \"c\" { type = \"smtp\"\n address-space { } }",
     "x.conf:3: ", "no peer { to = ", "an address space needs a next hop"},
    {HOST
     "connector \"c\" { type = \"smtp\" peer { to = { \"smtp://h\" } }\n address-space { type = \"SM TP\" } }",
     "x.conf:4: ", "is not an address type", "an address type is checked"},
    {HOST
     "connector \"c\" { type = \"smtp\" peer { to = { \"smtp://h\" } }\n address-space { pattern = \"\" } }",
     "x.conf:4: ", "pattern is empty", "an empty pattern is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\n schedule = \"nihgtly\" }\nschedule \"nightly\" { during = { "
          "\"22:00-06:00\" } }",
     "x.conf:4: ", "schedule \"nihgtly\" does not exist; did you mean \"nightly\"?",
     "a schedule that does not exist is an error"},
    {HOST "connector \"c\" { type = \"smtp\" schedule = \"n\" }\nschedule \"n\" { at = { \"02:30\" } }",
     "x.conf:3: ", "has no windows", "sending needs windows"},
    {HOST "schedule \"n\" { at = { \"24:30\" } }", "x.conf:3: ", "\"24:30\" is not a time like",
     "times are checked"},
    {HOST "schedule \"n\" { at = { \"mo 02:30\" } }", "x.conf:3: ", "is not a time like", "days are checked"},
    {HOST "schedule \"n\" { during = { \"10:00-10:00\" } }", "x.conf:3: ", "is not a window like",
     "an empty window is an error"},
    {HOST "schedule \"n\" { }", "x.conf:3: ", "names no time", "a schedule names a time"},
    {HOST "schedule \"n\" { every = 0 }", "x.conf:3: ", "every = \"0\": at least 1s is needed",
     "every nothing is an error"},
    {HOST "schedule \"always\" { at = { \"02:30\" } }", "x.conf:3: ", "this name is taken",
     "always cannot be redefined"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"2h\" } }", "x.conf:4: ",
     "first (2h) is longer than max, the longest wait (1h)", "the first wait is not longer than the longest"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"0\" } }", "x.conf:4: ", "at least 1s is needed",
     "a wait of nothing is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { warn = \"2d\" give-up = \"2d\" } }",
     "x.conf:4: ", "warn is not before give-up", "the warning comes before the end"},
    {HOST "connector \"c\" { type = \"smtp\"\nlimits { message = 0 } }", "x.conf:4: ", "at least 1K is needed",
     "a limit of nothing is an error"},
    {HOST "dirsync \"d\" {\n connector = \"c\" directory = \"ad\" schedule = \"never\" export { containers = { "
          "\"x\" } } }",
     "x.conf:4: ", "connector \"c\" does not exist", "dirsync needs its connector"},
    {HOST "dirsync \"d\" {\n connector = \"c\" directory = \"ad\" schedule = \"never\" export { containers = { "
          "\"x\" } } }",
     "x.conf:4: ", "directory \"ad\" does not exist in host", "dirsync needs its directory"},
    {HOST "dirsync \"d\" { schedule = \"never\"\n export { } }", "x.conf:4: ", "export needs containers",
     "a run without containers is refused"},
    {HOST "dirsync \"d\" { schedule = \"never\" }", "x.conf:3: ", "does nothing",
     "a dirsync that does nothing is an error"},
    {HOST "dirsync \"d\" { export { containers = { x } }\n schedule = \"always\" }",
     "x.conf:4: ", "a run needs times", "a run needs times"},
    {HOST "dirsync \"d\" { export { containers = { x } } limits { delete = { \"120%\" } } }",
     "x.conf:3: ", "\"120%\" is neither a number nor a share", "shares are checked"},
    {HOST "dirsync \"d\" {\n import { container = \"OU=GW,OU=Staff,DC=x\" }\n export { containers = { "
          "\"ou=staff,dc=x\" } } }",
     "x.conf:5: ", "would come back", "what is imported is not exported"},
    {HOST "dirsync \"d\" {\n export { containers = { x } } limits { shrink = \"7\" } }",
     "x.conf:4: ", "\"7\" is not a share", "shrink is a share"},
    {HOST
     "connector \"c\" { type = \"smtp\" }\ndirsync \"d\" { connector = \"c\" export { containers = { x } } }",
     "x.conf:4: ", "since its connector is of type smtp", "another system's dirsync names its directory"},
    {HOST "dirsync \"d\" { import { container = x }\n foreign { format = \"csv\" } }",
     "x.conf:4: ", "foreign needs read", "a file that is imported needs a name"},
    {HOST "dirsync \"d\" { export { containers = { x } }\n foreign { format = \"ldap\" directory { url = { "
          "\"ldaps://x/\" } } } }",
     "x.conf:4: ", "the foreign directory of dirsync \"d\" needs base", "a foreign directory needs its base"},
    {HOST
     "connector \"c\" { type = \"gwise\" peer { root = \"/x\" } }\ndirsync \"d\" { connector = \"c\" export { "
     "containers = { x } } }\ndirsync \"e\" { connector = \"c\"\n export { containers = { y } } }",
     "x.conf:6: ", "as \"d\" does: each would delete what the other has exported",
     "a gateway's foreign domain is one dirsync's"},
    {HOST "dirsync \"d\" { export { containers = { x } } foreign { format = \"csv\" write = \"/o\" } }\n"
          "dirsync \"e\" { export { containers = { y } }\n foreign { format = \"csv\"\n write = \"/o\" } }",
     "x.conf:6: ", "the file is that of dirsync \"d\"", "a file is one dirsync's"},
    {HOST "dirsync \"a/b\" { export { containers = { x } } }",
     "x.conf:3: ", "dirsync \"a/b\": the name must be", "a name that cannot be a file's"},
    {"host { domains = { x.example }\n directory \"ad\" { url = { \"http://x/\" } base = \"\" } }",
     "x.conf:2: ", "begins with none of ldap://", "a directory's URL is checked"},
    {"host { domains = { x.example }\n directory \"ad\" { url = { \"ldaps://x/\" } base = \"\" bind-dn = "
     "\"cn=a\" } }",
     "x.conf:2: ", "bind-dn needs password-file", "a name without a password is nobody"},
    {"host { domains = { x.example }\n directory \"ad\" { url = { \"ldaps://x/\" } base = \"\" auth = "
     "\"gssapi\" } }",
     "x.conf:2: ", "needs keytab-file", "Kerberos needs a key table"},
    {"host { domains = { x.example }\n directory \"ad\" { url = { \"ldaps://x/\" } base = \"\"\n tls { name = "
     "\"y\" } } }",
     "x.conf:3: ", "must bear the host name in url", "a directory's certificate bears the URL's host"},
    {"host { domains = { x.example }\n directory \"ad\" { url = { \"ldaps://x/\" } base = \"\"\n tls { pins = "
     "{ "
     "\"y\" } } } }",
     "x.conf:3: ", "not a SHA-256 digest", "a directory's pins are checked"},
    {"host { domains = { x.example }\n directory \"ad\" { url = { \"ldaps://x/\" } base = \"\"\n map = { "
     "\"=x\" } } }",
     "x.conf:3: ", "map: \"=x\" is not of the form", "a map is checked"},
    {HOST "metrics { listen = \"127.0.0.1:25\" }\nconnector \"c\" { type = \"smtp\"\n listen = { "
          "\"127.0.0.1:25\" } }",
     "x.conf:5: ", "is taken by \"127.0.0.1:25\" at x.conf:3", "two listeners on one address are an error"},
    {HOST "metrics { listen = \"127.0.0.1:25\" }\nconnector \"c\" { type = \"smtp\"\n listen = { "
          "\"smtp://0.0.0.0:25\" } }",
     "x.conf:3: ", "is taken by \"smtp://0.0.0.0:25\" at x.conf:5", "so is one on all addresses"},
    {HOST "metrics { listen = \"[::1]:25\" }\nconnector \"c\" { type = \"smtp\"\n listen = { \"[0::1]:25\" } }",
     "x.conf:5: ", "is taken by", "one address in two spellings is one"},
    {HOST "metrics { listen = \"localhost:25\" }", "x.conf:3: ", "did you mean \"127.0.0.1\"?",
     "listeners are numbers"},
    {HOST "metrics { listen = \"127.0.0.1\" }", "x.conf:3: ", "is not ADDRESS:PORT", "a listener needs a port"},
    {HOST "metrics { listen = \"127.0.0.1:65536\" }", "x.conf:3: ", "is not ADDRESS:PORT", "ports are checked"},
    {HOST "connector \"c\" { type = \"smtp\" listen = { \"smtps://127.0.0.1:465\" } }",
     "x.conf:3: ", "needs tls { certificate", "implicit TLS needs a certificate"},
    {HOST "connector \"c\" { type = \"smtp\" from = { \"10.2.0.1/16\" } }",
     "x.conf:3: ", "did you mean \"10.2.0.0/16\"?", "a network with host bits asks"},
    {HOST "connector \"c\" { type = \"smtp\" from = { \"10.2.0.0/33\" } }",
     "x.conf:3: ", "is not a network like", "prefixes are checked"},
    {HOST "connector \"c\" { type = \"smtp\" peer { to = { \"mx.example\" } } }",
     "x.conf:3: ", "is none of smtp://HOST[:PORT]", "next hops are checked"},
    {HOST "connector \"c\" { type = \"smtp\" peer { to = { \"lmtp://h\" } } }", "x.conf:3: ", "is none of",
     "LMTP needs a port"},
    {HOST "connector \"c\" { type = \"smtp\" peer { tls { mode = \"pin\" } } }",
     "x.conf:3: ", "mode \"pin\" needs pins", "pin needs pins"},
    {HOST "connector \"c\" { type = \"smtp\" smtp { tls {\nmode = \"verify\" } } }",
     "x.conf:4: ", "is for peers; a listener takes none, may or encrypt", "a listener checks no certificates"},
    {HOST "connector \"c\" { type = \"smtp\" smtp { tls {\nmode = \"encrypt\" } } }",
     "x.conf:4: ", "needs certificate and key-file", "a listener with TLS needs a certificate"},
    {HOST "connector \"c\" { type = \"smtp\" peer { to = { \"smtps://h\" } tls {\nmode = \"none\" } } }",
     "x.conf:4: ", "mode is \"none\", but smtps://h needs TLS", "implicit TLS cannot be switched off"},
    {HOST "connector \"c\" { type = \"smtp\" smtp { tls { certificate = \"/x\" } } }",
     "x.conf:3: ", "belong together", "a certificate needs its key"},
    {HOST "connector \"c\" { type = \"smtp\" mapping { rule \"r\" { } } }",
     "x.conf:3: ", "is a table, which needs file", "a table needs a file"},
    {HOST "connector \"c\" { type = \"smtp\" mapping { rule \"r\" { kind = template } } }",
     "x.conf:3: ", "needs in, out or both", "a template needs a template"},
    {HOST "recipient-policy \"p\" { proxy = { \"nobody\" } }",
     "x.conf:3: ", "it must begin with an address type", "proxies are checked"},
    {HOST "recipient-policy \"p\" {\n proxy = { \"SMTP:%m@x.example\", \"NOTES:&d/Org\" } }",
     "x.conf:4: ", "\"NOTES:&d/Org\": template, character 13: a NOTES template ends in @domain",
     "by the rules of their types"},
    {HOST "recipient-policy \"p\" {\n proxy = { \"SMTP:%m@x.example\", \"SMTP:%g@x.example\" } }",
     "x.conf:4: ", "one primary address of type SMTP", "nobody has two primary addresses of a type"},
    {HOST "recipient-policy \"p\" { proxy = { \"SMTP:%m@x.example\" }\n filter = \"(&(a=b)(c=d)\" }",
     "x.conf:4: ", "filter, character 13: a ) is missing", "a policy's filter is checked"},
    {HOST
     "dirsync \"d\" {\n export { containers = { x }\n filter = \"(|(department=Sales)(employeeType=x))\" } }",
     "x.conf:5: ", "entries are kept without \"employeeType\"",
     "a filter of what is exported asks for what entries have"},
    {HOST "dirsync \"d\" {\n export { containers = { x }\n filter = \"department=Sales\" } }",
     "x.conf:5: ", "a ( must stand here", "... and is checked"},
    {HOST "log { target = \"jurnal\" }", "x.conf:3: ", "did you mean \"journal\"?", "log targets are checked"},
    {HOST "privileges { uids = \"5\" }", "x.conf:3: ", "not a range of user numbers",
     "ranges of users are checked"},
};

/* One of the lines must begin with the place and hold the words. */
static bool
has_line(const char *errors, const char *place, const char *words)
{
    while (*errors != '\0') {
        size_t len = strcspn(errors, "\n");
        if (strncmp(errors, place, strlen(place)) == 0 && memmem(errors, len, words, strlen(words)) != NULL)
            return true;
        errors += len + (errors[len] == '\n');
    }
    return false;
}

static void
mistakes_are_told(void)
{
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        struct buf errors = {0};
        struct conf *conf = conf_read("x.conf", span_of(mistakes[i].text), &errors);
        bool told = conf == NULL && has_line(errors.at, mistakes[i].line, mistakes[i].words);
        ok(told, "%s", mistakes[i].promise);
        if (!told)
            printf("#  wanted %s...%s\n#  got %s\n", mistakes[i].line, mistakes[i].words,
                   errors.len > 0 ? errors.at : "nothing");
        conf_free(conf);
        buf_clear(&errors);
    }
}

static void
all_mistakes_at_once(void)
{
    struct buf errors = {0};
    ok(conf_read("x.conf", span_of("nod = 1\nspace = x\nlog { formt = text }\nnode-id = ;;7 ;\nnode-id = 9\n"),
                 &errors) == NULL,
       "a file with several mistakes is refused");
    ok(has_line(errors.at, "x.conf:1:", "nod") && has_line(errors.at, "x.conf:2:", "size") &&
           has_line(errors.at, "x.conf:3:", "format") && has_line(errors.at, "x.conf:4:", ";") &&
           has_line(errors.at, "x.conf:5:", "again"),
       "one run tells all of them");
    ok(strstr(errors.at, "domains") == NULL, "what may follow from other mistakes is not told");
    buf_clear(&errors);
    struct buf text = {0};
    for (int i = 0; i < 10000; i++)
        buf_add_text(&text, "x\n");
    conf_read("x.conf", buf_span(&text), &errors);
    size_t lines = 0;
    for (size_t i = 0; i < errors.len; i++)
        lines += errors.at[i] == '\n';
    is_int(lines, 51, "no more than 50 errors are told, and that there are more");
    ok(conf_read("x.conf", buf_span(&text), NULL) == NULL, "errors need not be wanted");
    buf_clear(&text);
    buf_clear(&errors);
}

static void
hostile_sizes(void)
{
    struct buf errors = {0}, text = {0};
    buf_reserve(&text, 65 << 20);
    memset(text.at, ' ', 65 << 20);
    ok(conf_read("x.conf", (struct span){text.at, 65 << 20}, &errors) == NULL &&
           strstr(errors.at, "larger than 64 MiB") != NULL,
       "more than 64 MiB are refused");
    buf_reset(&errors);
    memset(text.at, '{', 1 << 20);
    memcpy(text.at, "xxx ", 4);
    ok(conf_read("x.conf", (struct span){text.at, 1 << 20}, &errors) == NULL &&
           strstr(errors.at, "is not closed") != NULL,
       "a million open braces are refused");
    buf_reset(&errors);
    buf_reset(&text);
    buf_add_text(&text, HOST "connector c { type = smtp ");
    for (int i = 0; i < 5000; i++)
        buf_add_text(&text, "address-space{}");
    buf_add_text(&text, "}");
    ok(conf_read("x.conf", buf_span(&text), &errors) == NULL &&
           strstr(errors.at, "more than 4096 sections") != NULL,
       "more than 4096 sections are refused");
    buf_reset(&errors);
    ok(conf_read("x.conf", (struct span){"node = \"a\"\0host { }", 19}, &errors) == NULL &&
           strstr(errors.at, "control byte 0x00") != NULL,
       "a NUL byte is refused");
    buf_reset(&errors);
    char *tight = malloc(3); /* nothing behind it, for the sanitizer to see a step too far */
    ok(tight != NULL && conf_read("x.conf", (struct span){memcpy(tight, "a\"\\", 3), 3}, &errors) == NULL &&
           strstr(errors.at, "a backslash must stand before") != NULL,
       "a text that ends behind a backslash is refused");
    free(tight);
    ok(conf_read("x.conf", (struct span){NULL, 0}, NULL) == NULL, "an empty file is refused, not read beyond");
    buf_clear(&errors);
    buf_clear(&text);
}

int
main(void)
{
    mistakes_are_told();
    all_mistakes_at_once();
    hostile_sizes();
    return tap_done();
}
