/* conf-t - the configuration: what must parse, round trips, schedules, explanations (mistakes: conf-mistakes-t)
 */
#include <time.h>

#include "conf/conf.h"
#include "t/tap.h"

/* The smallest sound file. */
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
            i, draw(2) ? "accept" : "refuse", draw(2) ? "yes" : "no", draw(900) + 1, sizes[draw(4)],
            draw(99999) + 1);
        buf_printf(out, "timeouts { data = %u%c idle = %us } ", draw(400) + 1, units[draw(5)], draw(400000));
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
    round_trips();
    schedules_open();
    keys_are_explained();
    documents_are_true();
    return tap_done();
}
