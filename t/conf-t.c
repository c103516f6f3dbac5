/* conf-t - the configuration: what must parse, every kind of mistake, round trips, schedules, explanations */
#include <time.h>

#include "conf/conf.h"
#include "t/tap.h"

/* The smallest sound file; its last line is line 2. */
#define HOST "node = \"gw1\"\nhost { domains = { \"contoso.example\" } }\n"

static const char sample[] =
    "node  = \"gw1\"\n"
    "node-id = 1\n"
    "spool = \"/var/spool/viaduct\"\n"
    "admin-address = \"postmaster@contoso.example\"\n"
    "\n"
    "host {\n"
    "    domains = { \"contoso.example\" }\n"
    "    smtp    { listen = { \"127.0.0.1:2525\" }  allow = { \"127.0.0.0/8\" }\n"
    "              tls { certificate = \"...\"  key-file = \"...\" } }\n"
    "    deliver { to = { \"smtp://127.0.0.1:2526\" }          # or lmtp://, or maildir:///path\n"
    "              tls { mode = \"verify\"  ca-file = \"...\" } }\n"
    "    directory \"ad\" { url = { \"ldaps://dc1.contoso.example/\" }  bind-dn = \"...\"\n"
    "                     password-file = \"...\"  base = \"DC=contoso,DC=example\" }\n"
    "}\n"
    "\n"
    "connector \"groupwise\" {\n"
    "    type = \"gwise\"\n"
    "    peer { root = \"/mnt/gw/wpgate/api\"  poll = \"2s\" }\n"
    "    address-space { type = \"GWISE\"  pattern = \"*\"                   cost = 1 }\n"
    "    address-space { type = \"SMTP\"   pattern = \"*@gw.contoso.example\"  cost = 1 }\n"
    "    mapping { rule \"partners\" { kind = \"table\"     file = \"maps/partners.tab\" }\n"
    "              rule \"names\"    { kind = \"template\"  out = \"...\"  in = \"...\" } }\n"
    "    retry   { first = \"1m\"  max = \"1h\"  warn = \"4h\"  give-up = \"2d\" }\n"
    "    limits  { message = \"25M\"  recipients = 500  concurrency = 4 }\n"
    "    convert { codepage = \"437\" }\n"
    "    schedule = \"always\"\n"
    "}\n"
    "connector \"notes\"  { type = \"notes\"  peer { pickup = \"/srv/dxl/out\"  drop = \"/srv/dxl/in\" } }\n"
    "connector \"branch\" { type = \"smtp\"   peer { to = { \"smtp://mx.branch.example:25\" } }\n"
    "                     listen = { \"127.0.0.1:2527\" }            # or from = { \"10.2.0.0/16\" } on the "
    "host's port\n"
    "                     address-space { type = \"SMTP\"  pattern = \"*@branch.example\"  cost = 1 } }\n"
    "\n"
    "recipient-policy \"default\" { filter = \"(mailNickname=*)\"  priority = 1\n"
    "                             proxy = { \"SMTP:%m@contoso.example\", \"GWISE:Exchange.HQ.%m\" } }\n"
    "\n"
    "dirsync \"groupwise\" { connector = \"groupwise\"  directory = \"ad\"\n"
    "    import { container = \"OU=GroupWise,DC=contoso,DC=example\"  create-as = \"contact\" }\n"
    "    export { containers = { \"OU=Staff,DC=contoso,DC=example\" } }\n"
    "    limits { delete = { \"25\", \"2%\" }  change = { \"500\", \"20%\" } }\n"
    "    schedule = \"nightly\" }\n"
    "\n"
    "schedule \"nightly\" { at = { \"02:30\" } }\n"
    "log     { format = \"text\"  target = \"stderr\" }     # text or json; stderr, syslog or journal\n"
    "metrics { listen = \"127.0.0.1:9625\" }\n";

/* Reads `text`, which must be sound. */
static struct conf *
must_read(const char *text)
{
    struct buf errors = {0};
    struct conf *conf = conf_read("x.conf", span_of(text), &errors);
    if (conf == NULL) {
        printf("# %s\nBail out! a sound configuration was refused\n", errors.at);
        exit(1);
    }
    buf_clear(&errors);
    return conf;
}

static void
sample_parses(void)
{
    struct conf *conf = must_read(sample);
    const struct conf_root *root = conf_root(conf);
    const struct conf_connector *groupwise = conf_connector_find(root, "groupwise");
    is_text(root->node, "gw1", "a text is read");
    is_int(root->node_id, 1, "a number is read");
    ok(groupwise != NULL, "a connector is found by its name");
    is_int(groupwise->address_spaces_n, 2, "sections without title may stand often");
    is_text(groupwise->address_spaces[1].pattern, "*@gw.contoso.example", "and keep their order");
    is_text(groupwise->mapping.rules[1].title, "names", "rules keep their order and titles");
    is_int(groupwise->retry.give_up_s, 2 * 86400, "a time is read in seconds");
    is_int(groupwise->limits.message, 25 << 20, "a size is read in bytes");
    is_text(root->host.deliver.tls.mode, "verify", "a choice in a nested section is read");
    is_int(root->dirsyncs[0].limits.delete.n, 2, "a list is read");
    is_int(root->connectors[2].place.line, 29, "a section knows its line");
    ok(conf_connector_find(root, "host") == NULL, "host is no connector");
    conf_free(conf);
}

static void
defaults_fill(void)
{
    struct conf *conf = must_read(HOST "connector \"c\" { type = \"smtp\" }");
    const struct conf_connector *connector = &conf_root(conf)->connectors[0];
    ok(!connector->retry.set && connector->retry.first_s == 300, "defaults fill a section that is not there");
    is_int(connector->smtp.allow.n, 2, "a default list is split at blanks");
    is_text(connector->peer.tls.mode, "may", "defaults fill sections within");
    ok(connector->transit == false && connector->mapping.headers == true, "yes and no are defaults");
    ok(connector->peer.root == NULL, "what has no default is not set");
    conf_free(conf);
    conf = must_read("host { domains = { \"contoso.example\" } }");
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    is_text(conf_root(conf)->node, name, "the node is named after the host");
    conf_free(conf);
}

static void
syntax_is_free(void)
{
    struct conf *conf =
        must_read("\xef\xbb\xbf/* one\n two */ node=gw1 // three\nhost{domains={a.example,b.example,}"
                  "schedule='never'}\r\nreports{from='o\\'neil@a.example'}"
                  "spool = \"/a\\\\b\\$\\\"\" connector c { type = x peer { to = smtp://mx.example:25 } }");
    const struct conf_root *root = conf_root(conf);
    is_text(root->node, "gw1", "words need no quotes, and comments no line of their own");
    is_int(root->host.domains.n, 2, "a list may end with a comma");
    is_text(root->reports.from, "o'neil@a.example", "single quotes have one escape");
    is_text(root->spool, "/a\\b$\"", "double quotes have three");
    is_text(root->connectors[0].peer.to.at[0], "smtp://mx.example:25",
            "// in a word begins no comment, one value is a list");
    conf_free(conf);
}

struct mistake {
    const char *text, *line, *words, *promise;
};

static const struct mistake mistakes[] = {
    {HOST "colour = 3\n", "x.conf:3: ", "colour is not known in viaduct.conf", "an unknown option is an error"},
    {HOST "conector \"c\" { type = \"smtp\" }\n", "x.conf:3: ", "did you mean \"connector\"?",
     "a misspelt section asks"},
    {HOST "connector \"c\" {\n tpye = \"smtp\" }\n", "x.conf:4: ", "did you mean \"type\"?",
     "swapped letters ask"},
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
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"5q\" } }",
     "x.conf:4: ", "first = \"5q\": a time is needed, as 30s", "an unknown unit of time is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"-5m\" } }", "x.conf:4: ", "a time is needed",
     "a negative time is an error"},
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
    {HOST "schedule \"n\" { every = 0 }", "x.conf:3: ", "every: 1s at least", "every nothing is an error"},
    {HOST "schedule \"always\" { at = { \"02:30\" } }", "x.conf:3: ", "this name is taken",
     "always cannot be redefined"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"2h\" } }",
     "x.conf:4: ", "first is longer than max", "the first wait is not longer than the longest"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { first = \"0\" } }", "x.conf:4: ", "1s at least",
     "a wait of nothing is an error"},
    {HOST "connector \"c\" { type = \"smtp\"\nretry { warn = \"2d\" give-up = \"2d\" } }",
     "x.conf:4: ", "warn is not before give-up", "the warning comes before the end"},
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
    {HOST "connector \"c\" { type = \"smtp\" smtp { tls { certificate = \"/x\" } } }",
     "x.conf:3: ", "belong together", "a certificate needs its key"},
    {HOST "connector \"c\" { type = \"smtp\" mapping { rule \"r\" { } } }",
     "x.conf:3: ", "is a table, which needs file", "a table needs a file"},
    {HOST "connector \"c\" { type = \"smtp\" mapping { rule \"r\" { kind = template } } }",
     "x.conf:3: ", "needs in, out or both", "a template needs a template"},
    {HOST "recipient-policy \"p\" { proxy = { \"nobody\" } }", "x.conf:3: ", "is not TYPE:address",
     "proxies are checked"},
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
    buf_reserve(&text, 5 << 20);
    memset(text.at, ' ', 5 << 20);
    ok(conf_read("x.conf", (struct span){text.at, 5 << 20}, &errors) == NULL &&
           strstr(errors.at, "larger than 4 MiB") != NULL,
       "more than 4 MiB are refused");
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

static bool
same_print(const char *text, bool changed_only)
{
    struct conf *first = must_read(text);
    struct buf a = {0}, b = {0};
    conf_print(first, changed_only, &a);
    struct conf *second = must_read(a.at);
    conf_print(second, false, &b);
    buf_reset(&a);
    conf_print(first, false, &a); /* all of it must be equal, however it was handed on */
    bool same = span_equal(buf_span(&a), buf_span(&b));
    if (!same)
        printf("# first\n%s\n# second\n%s\n", a.at, b.at);
    conf_free(first);
    conf_free(second);
    buf_clear(&a);
    buf_clear(&b);
    return same;
}

static unsigned long seed = 1;

static unsigned
draw(unsigned below)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(seed >> 33) % below;
}

/* A text of signs that need care in quotes. */
static void
add_odd_text(struct buf *out)
{
    static const char *const pieces[] = {"a",  " ",  "\\\\", "\\\"", "\\$",      "{",  "}", "#",
                                         "//", "/*", "'",    ";",    "\xc3\xa4", "$-", "=", "%0"};
    for (unsigned i = draw(12) + 1; i > 0; i--)
        buf_add_text(out, pieces[draw(COUNT_OF(pieces))]);
}

static void
add_random_conf(struct buf *out)
{
    static const char units[] = "smhdw", sizes[] = "KMGT";
    buf_printf(out, "node = gw%u host { domains = { d%u.example } unknown = %s }\n", draw(9), draw(9),
               draw(2) ? "pass" : "refuse");
    for (unsigned i = draw(4); i > 0; i--) {
        buf_printf(
            out,
            "connector c%u { type = other hold = %s transit = %s limits { message = %u%c recipients = %u }\n",
            i, draw(2) ? "accept" : "refuse", draw(2) ? "yes" : "no", draw(900), sizes[draw(4)],
            draw(99999) + 1);
        buf_printf(out, "timeouts { data = %u%c idle = %u } ", draw(400), units[draw(5)], draw(400000));
        for (unsigned j = draw(3); j > 0; j--) {
            buf_printf(out, "address-space { cost = %u pattern = \"", draw(101));
            add_odd_text(out);
            buf_add_text(out, "\" } ");
        }
        buf_add_text(out, "peer { to = { x");
        for (unsigned j = draw(3); j > 0; j--) {
            buf_add_text(out, ", \"");
            add_odd_text(out);
            buf_add_text(out, "\"");
        }
        buf_printf(out, " } } %s }\n", draw(2) ? "convert { }" : "");
    }
    if (draw(2))
        buf_add_text(out, "metrics { } ");
    if (draw(2))
        buf_add_text(out, "schedule s { every = 5m during = { 'sat 10:00-24:00' } } ");
}

static void
round_trips(void)
{
    ok(same_print(sample, false), "what is printed reads as the same configuration");
    ok(same_print(sample, true), "so does what differs from the defaults");
    int same = 0, tries = 300;
    for (int i = 0; i < tries; i++) {
        struct buf text = {0};
        add_random_conf(&text);
        same += same_print(text.at, i % 2 != 0);
        buf_clear(&text);
    }
    is_int(same, tries, "random configurations survive printing and reading");
    struct buf out = {0};
    struct conf *conf = must_read(HOST "space = 100M metrics { }");
    conf_print(conf, true, &out);
    is_text(out.at, "node = \"gw1\"\nhost {\n    domains = { \"contoso.example\" }\n}\nmetrics {\n}\n",
            "only changes are printed when only changes are wanted");
    conf_free(conf);
    buf_clear(&out);
}

static int64_t
local_time(int day, int hour, int minute)
{
    /* 2 March 2025 is a Sunday. */
    struct tm tm = {
        .tm_year = 125, .tm_mon = 2, .tm_mday = 2 + day, .tm_hour = hour, .tm_min = minute, .tm_isdst = -1};
    return mktime(&tm);
}

static void
schedules_open(void)
{
    enum { SUN, MON, FRI = 5, SAT };
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    struct conf *conf = must_read(HOST "schedule night { during = { '22:00-06:00' } }"
                                       "schedule weekend { during = { 'sat 00:00-24:00', 'sun 10:00-11:00' } }"
                                       "schedule friday { during = { 'fri 22:00-02:00' } }"
                                       "schedule runs { at = { '02:30', 'mon 12:00' } }"
                                       "schedule often { every = 15m at = { '02:30' } }");
    const struct conf_root *root = conf_root(conf);
    ok(conf_schedule_open(root, "always", 0) && !conf_schedule_open(root, "never", 0),
       "always is open and never is not");
    ok(conf_schedule_open(root, "night", local_time(MON, 22, 0)), "a window is open from its first minute");
    ok(!conf_schedule_open(root, "night", local_time(MON, 21, 59)), "and not before");
    ok(conf_schedule_open(root, "night", local_time(MON, 5, 59)),
       "a window over midnight is open on the next day");
    ok(!conf_schedule_open(root, "night", local_time(MON, 6, 0)), "until its end");
    ok(conf_schedule_open(root, "weekend", local_time(SAT, 23, 59)), "24:00 is the end of the day");
    ok(!conf_schedule_open(root, "weekend", local_time(SUN, 0, 0)), "and not part of the next");
    ok(conf_schedule_open(root, "weekend", local_time(SUN, 10, 30)), "several windows add up");
    ok(conf_schedule_open(root, "friday", local_time(SAT, 1, 59)), "the window of a day goes on into the next");
    ok(!conf_schedule_open(root, "friday", local_time(FRI, 1, 59)),
       "and is not open in the morning of its own day");
    ok(!conf_schedule_open(root, "runs", local_time(MON, 2, 30)), "times of runs are no windows");
    is_int(conf_schedule_next(root, "runs", local_time(SUN, 2, 29)), local_time(SUN, 2, 30),
           "the next run is today");
    is_int(conf_schedule_next(root, "runs", local_time(SUN, 2, 30)), local_time(MON, 2, 30), "or tomorrow");
    is_int(conf_schedule_next(root, "runs", local_time(MON, 2, 30)), local_time(MON, 12, 0),
           "or at the time of a weekday");
    is_int(conf_schedule_next(root, "often", 1000), 1900, "or after a while");
    is_int(conf_schedule_next(root, "often", local_time(MON, 2, 20)), local_time(MON, 2, 30),
           "or at its time, if that is sooner");
    is_int(conf_schedule_next(root, "never", 1000), -1, "never has no next run");
    is_int(conf_schedule_next(root, "runs", local_time(27, 2, 30)), local_time(28, 3, 30),
           "a time that the change of clocks skips is not lost");
    conf_free(conf);
}

static void
keys_are_explained(void)
{
    struct conf *conf = must_read(sample);
    struct buf out = {0};
    is_int(conf_explain(conf, "connector.retry.first", &out), 1, "a dotted key names one option");
    ok(strstr(out.at, "default \"5m\"") &&
           strstr(out.at, "now \"1m\" in connector \"groupwise\" retry (x.conf:23)") &&
           strstr(out.at, "now \"5m\" in connector \"notes\" retry (default)"),
       "its default, its values and where they come from are shown");
    buf_reset(&out);
    is_int(conf_explain(conf, "first", &out), 2, "the last part alone names all of that name");
    is_int(conf_explain(conf, "node-id", &out), 1, "an option outside of sections is explained");
    ok(strstr(out.at, "a number from 0 to 65535; default 0") && strstr(out.at, "now 1 (x.conf:2)"),
       "with range and value");
    is_int(conf_explain(conf, "connector.retry", &out), 5, "a section explains its options");
    buf_reset(&out);
    is_int(conf_explain(conf, "connector.retry.frist", &out), 0, "an unknown key is not explained");
    ok(strstr(out.at, "did you mean \"first\"?") != NULL, "but asks");
    is_int(conf_explain(NULL, "spool", &out), 1, "an option is explained without a configuration");
    is_int(conf_explain(conf, "", &out), 0, "the empty key is none");
    buf_clear(&out);
    conf_free(conf);
}

/* What the sample shows as comments must be known to the parser: so its comments are taken away. */
static void
documents_are_true(void)
{
    struct buf out = {0}, bare = {0}, errors = {0};
    conf_print_sample(&out);
    conf_free(must_read(out.at));
    ok(true, "the sample file is sound");
    for (const char *line = strstr(out.at, "\n##") + 1; *line != '\0'; line += strcspn(line, "\n") + 1)
        if (line[0] == '#' && line[1] != '#')
            buf_add(&bare, line + 1, strcspn(line + 1, "\n") + 1);
    conf_read("x.conf", buf_span(&bare), &errors);
    ok(bare.len > 1000 && strstr(errors.at, "not known") == NULL && strstr(errors.at, "again") == NULL &&
           strstr(errors.at, "needed, as") == NULL,
       "all that it shows is known, once, and of the right kind");
    buf_reset(&out);
    conf_print_manual(&out);
    ok(strstr(out.at, ".It Ic give-up\n") && strstr(out.at, "It stands in host, connector.") &&
           strstr(out.at, "default \"5d\""),
       "the manual names options, their homes and defaults");
    buf_clear(&out);
    buf_clear(&bare);
    buf_clear(&errors);
}

int
main(void)
{
    sample_parses();
    defaults_fill();
    syntax_is_free();
    mistakes_are_told();
    all_mistakes_at_once();
    hostile_sizes();
    round_trips();
    schedules_open();
    keys_are_explained();
    documents_are_true();
    return tap_done();
}
