/* side-ldap-write-t - changes become LDAP requests that prove whom they write on, and answers become results */
#include "t/side_ldap_fake.h"
#include "t/tap.h"

static const char conf_text[] =
    "node = \"gw1\"\n"
    "spool = \"/nowhere\"\n"
    "host { domains = { \"contoso.example\" }\n"
    "  directory \"ad\" { url = { \"ldaps://dc/\" } base = \"DC=x\" } }\n"
    "connector \"gw\" { type = \"smtp\" peer { to = { \"smtp://127.0.0.1:9\" } } address-space { pattern = "
    "\"*\" } }\n"
    "schedule \"nightly\" { at = { \"02:30\" } }\n"
    "dirsync \"gw\" { connector = \"gw\" directory = \"ad\"\n"
    "  foreign { format = \"ldap\" directory { url = { \"ldaps://domino/\" } base = \"O=x\" mark = \"comment\" "
    "kind = \"domino\" } }\n"
    "  import { container = \"OU=GW,DC=x\" } export { containers = { \"OU=S,DC=x\" } into = \"O=x\" } }\n";

static struct conf *conf;
static struct dir_context context;
static struct dir_side *host, *foreign;
static struct dir_change change;
static struct dir_delta deltas[10];
static struct span texts[10][2][4];

/* ---- changes by hand ---- */

static void
fake_reset(void)
{
    struct buf sent = fake.sent;
    struct ldap_server server = fake.server;
    memset(&fake, 0, sizeof fake);
    fake.sent = sent;
    fake.server = server;
    buf_reset(&fake.sent);
    buf_add_text(&fake.sent, "");
}

static void
begin(enum dir_operation operation, enum dir_kind kind, const char *name)
{
    fake_reset();
    change =
        (struct dir_change){.operation = operation, .kind = kind, .name = span_of(name), .source = SPAN("77")};
    change.id = operation == DIR_ADD ? SPAN("") : SPAN("33323130-3534-3736-3839-616263646566");
    change.deltas = deltas;
}

static void
delta(const char *name, const char *remove, const char *add)
{
    size_t i = change.n_deltas++;
    deltas[i] = (struct dir_delta){.name = span_of(name), .remove = texts[i][0], .add = texts[i][1]};
    if (remove != NULL)
        texts[i][0][deltas[i].n_remove++] = span_of(remove);
    if (add != NULL)
        texts[i][1][deltas[i].n_add++] = span_of(add);
}

static void
also(const char *remove, const char *add)
{
    struct dir_delta *last = &deltas[change.n_deltas - 1];
    if (remove != NULL)
        last->remove[last->n_remove++] = span_of(remove);
    if (add != NULL)
        last->add[last->n_add++] = span_of(add);
}

static struct {
    size_t n;
    enum dir_result result;
    char text[500];
} got;

static void
done(void *arg, const struct dir_change *which, enum dir_result result, const struct why *why)
{
    (void)arg, (void)which;
    got.n++;
    got.result = result;
    snprintf(got.text, sizeof got.text, "%s", why->text);
}

static enum dir_result
carry_out(struct dir_side *side)
{
    memset(&got, 0, sizeof got);
    side->ops->apply(side, &change, done, NULL);
    side->ops->flush(side);
    if (got.n != 1)
        printf("# %zu answers\n", got.n);
    return got.n == 1 ? got.result : DIR_BROKEN;
}

static void
answer(const char *dn, const char *mark)
{
    fake.entries[fake.n_entries++] =
        (struct ldap_answer){dn,
                             {"objectGUID", "0123456789abcdef", "objectClass", "contact",
                              mark != NULL ? "importedFrom" : NULL, mark}};
}

/* Another value of the last entry. */
static void
holds(const char *name, const char *value)
{
    const char **at = fake.entries[fake.n_entries - 1].values;
    while (*at != NULL)
        at += 2;
    at[0] = name;
    at[1] = value;
}

static struct dir_side *
open_side(bool of_host)
{
    struct why why = {"", ""};
    const struct conf_root *root = conf_root(conf);
    fake.server.active_directory = of_host;
    struct dir_side *side = side_ldap_new(
        &context, of_host ? &root->host.directories[0] : &root->dirsyncs[0].foreign.directory, of_host, &why);
    if (side == NULL || side->ops->open(side, &why) < 0)
        printf("Bail out! %s\n", why.text), exit(1);
    return side;
}

/* A side that has seen its server go is of no more use. */
static void
open_again(void)
{
    host->ops->close(host);
    host = open_side(true);
}

/* ---- requests ---- */

static void
test_add(void)
{
    begin(DIR_ADD, DIR_CONTACT, "CN=Ann \\2C B,OU=GW,DC=x");
    delta("displayName", NULL, "Ann, B");
    delta("targetAddress", NULL, "GWISE:D.P.ANN");
    delta("proxyAddresses", NULL, "GWISE:D.P.ANN");
    also(NULL, "SMTP:ann@contoso.example");
    delta("mail", NULL, "ann@contoso.example");
    is_int(carry_out(host), DIR_DONE, "a contact is added");
    is_text(fake.sent.at,
            "add CN=Ann \\2C B,OU=GW,DC=x\n"
            " +objectClass=contact\n +importedFrom=viaduct:gw:77\n +displayName=Ann, B\n "
            "+targetAddress=GWISE:D.P.ANN\n"
            " +proxyAddresses=GWISE:D.P.ANN\n +proxyAddresses=SMTP:ann@contoso.example\n +cn=Ann , B\n"
            " +mail=ann@contoso.example\n +msExchRecipientDisplayType=6\n",
            "in one request, with its mark");
    begin(DIR_ADD, DIR_MAIL_USER, "CN=Ann,OU=GW,DC=contoso,DC=example");
    delta("mailNickname", NULL, ".a/n\\n[o]:t;l|e=g,a+l*?<>@.");
    is_int(carry_out(host), DIR_DONE, "a user is added");
    ok(strstr(fake.sent.at, " +sAMAccountName=annotlegal\n +userPrincipalName=annotlegal@contoso.example\n"
                            " +userAccountControl=514\n") != NULL,
       "disabled, with a legal account name");
    ok(strstr(fake.sent.at, "unicodePwd") == NULL, "and no password");
    begin(DIR_ADD, DIR_CONTACT, "CN=Hans,O=x");
    delta("displayName", NULL, "Hans");
    delta("targetAddress", NULL, "NOTES:Hans/Contoso@odd@Exchange");
    delta("mail", NULL, "hans@contoso.example");
    is_int(carry_out(foreign), DIR_DONE, "a person is added to Domino");
    is_text(
        fake.sent.at,
        "add CN=Hans,O=x\n +objectClass=top\n +objectClass=person\n +objectClass=organizationalPerson\n"
        " +objectClass=inetOrgPerson\n +objectClass=dominoPerson\n +comment=viaduct:gw:77\n +displayName=Hans\n"
        " +fullName=Hans/Contoso@odd\n +mailDomain=Exchange\n +mailSystem=1\n "
        "+internetAddress=hans@contoso.example\n"
        " +cn=Hans\n +sn=Hans\n +availableForDirSync=0\n",
        "with all that Domino asks for, not available for other synchronisation");
}

static void
test_change(void)
{
    begin(DIR_CHANGE, DIR_CONTACT, "CN=Ann,DC=x");
    delta("displayName", "Ann", "Anna");
    delta("title", "Boss", NULL);
    delta("company", NULL, "Org");
    delta("proxyAddresses", "SMTP:a@x", "smtp:a@x");
    also(NULL, "SMTP:b@x");
    is_int(carry_out(host), DIR_DONE, "a change");
    is_text(
        fake.sent.at,
        "modify CN=Ann,DC=x\n -importedFrom=viaduct:gw:77\n +importedFrom=viaduct:gw:77\n -displayName=Ann\n"
        " =displayName=Anna\n -title=Boss\n +company=Org\n -proxyAddresses=SMTP:a@x\n "
        "+proxyAddresses=smtp:a@x\n"
        " +proxyAddresses=SMTP:b@x\n =mail=b@x\n",
        "takes the mark and old values away first, so that another's entry and a changed one refuse it");
    begin(DIR_HIDE, DIR_CONTACT, "CN=Ann,DC=x");
    is_int(carry_out(host), DIR_DONE, "hidden");
    ok(strstr(fake.sent.at, " =msExchHideFromAddressLists=TRUE\n") != NULL, "by its attribute");
    begin(DIR_SHOW, DIR_CONTACT, "CN=Ann,DC=x");
    is_int(carry_out(host), DIR_DONE, "shown");
    ok(strstr(fake.sent.at, " =msExchHideFromAddressLists\n") != NULL, "without it");
    begin(DIR_DELETE, DIR_CONTACT, "CN=Ann,DC=x");
    is_int(carry_out(host), DIR_DONE, "deleted");
    is_text(
        fake.sent.at,
        "modify CN=Ann,DC=x\n -importedFrom=viaduct:gw:77\n +importedFrom=viaduct:gw:77\ndelete CN=Ann,DC=x\n",
        "after its mark was proved");
    begin(DIR_DELETE, DIR_CONTACT, "CN=Ann,DC=x");
    fake.codes[0] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 1;
    answer("CN=Ann,DC=x", "another's");
    is_int(carry_out(host), DIR_STALE, "another's entry is not deleted");
    ok(strstr(fake.sent.at, "delete") == NULL, "nor is that asked for");
    fake_reset();
    fake.codes[0] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 1;
    answer("CN=Ann,DC=x", "viaduct-adopted:gw:77");
    is_int(carry_out(host), DIR_STALE, "nor is one that was there before us");
    begin(DIR_RENAME, DIR_CONTACT, "CN=Ann\\, B,OU=A,DC=x");
    change.new_name = SPAN("CN=Anna\\, B,OU=B,DC=x");
    is_int(carry_out(host), DIR_DONE, "renamed");
    ok(strstr(fake.sent.at, "rename CN=Ann\\, B,OU=A,DC=x to CN=Anna\\, B below OU=B,DC=x\n") != NULL,
       "to both its parts");
    begin(DIR_DISABLE, DIR_MAIL_USER, "CN=Ann,DC=x");
    delta("proxyAddresses", "SMTP:a@x", NULL);
    delta("targetAddress", "GWISE:a.b.c", NULL);
    delta("mark", "viaduct:gw:77", NULL);
    is_int(carry_out(host), DIR_DONE, "disabled");
    is_text(fake.sent.at,
            "modify CN=Ann,DC=x\n -importedFrom=viaduct:gw:77\n -targetAddress=GWISE:a.b.c\n =proxyAddresses\n "
            "=targetAddress\n =mail\n "
            "=mailNickname\n"
            " =msExchHideFromAddressLists\n =msExchRecipientDisplayType\n",
            "loses its mark and all of mail, and stays");
    fake_reset();
    fake.codes[0] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 1;
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    holds("homeMDB", "CN=Store");
    is_int(carry_out(host), DIR_STALE, "one who has got a mailbox loses nothing: %s", got.text);
    is_int(fake.next_code, 1, "nothing more is sent");
    begin(DIR_DISABLE, DIR_MAIL_USER, "CN=Ann,DC=x");
    delta("proxyAddresses", "SMTP:a@x", NULL);
    delta("mark", "viaduct-adopted:gw:77", NULL);
    is_int(carry_out(host), DIR_DONE, "one that was adopted");
    is_text(fake.sent.at,
            "modify CN=Ann,DC=x\n -importedFrom=viaduct-adopted:gw:77\n -proxyAddresses=SMTP:a@x\n =mail\n",
            "loses what the plan says");
}

/* ---- whose entry it is ---- */

static void
test_nobodys(void)
{
    begin(DIR_CHANGE, DIR_MAILBOX, "CN=Bob,DC=x");
    change.source = SPAN("");
    delta("proxyAddresses", NULL, "GWISE:E.H.BOB");
    answer("CN=Bob,DC=x", NULL);
    is_int(carry_out(host), DIR_DONE, "a host's entry gets an address");
    is_int(fake.n_reads, 1, "after it was looked at");
    is_text(fake.sent.at, "modify CN=Bob,DC=x\n +proxyAddresses=GWISE:E.H.BOB\n", "which no mark can prove");
    fake_reset();
    answer("CN=Bob,DC=x", "what another tool wrote there");
    is_int(carry_out(host), DIR_DONE, "a mailbox is nobody's copy, whatever stands there");
    fake_reset();
    answer("CN=Bob,DC=x", "viaduct:other:1");
    is_int(carry_out(host), DIR_STALE, "save a mark of ours: %s", got.text);
    is_text(fake.sent.at, "", "nothing is sent");
    fake_reset();
    is_int(carry_out(host), DIR_STALE, "nor one that is gone: %s", got.text);
    fake_reset();
    answer("CN=Robert,DC=x", NULL);
    is_int(carry_out(host), DIR_STALE, "nor one that has another name: %s", got.text);
    fake_reset();
    fake.read_codes[0] = -EAGAIN;
    is_int(carry_out(host), DIR_BROKEN, "where it cannot be looked at, the run ends");
    open_again();
    begin(DIR_ADOPT, DIR_CONTACT, "CN=Ann,DC=x");
    answer("CN=Ann,DC=x", NULL);
    is_int(carry_out(host), DIR_DONE, "one of nobody's is adopted");
    is_text(fake.sent.at, "modify CN=Ann,DC=x\n +importedFrom=viaduct-adopted:gw:77\n",
            "with a mark that says so");
    fake_reset();
    answer("CN=Ann,DC=x", "viaduct-adopted:gw:77");
    is_int(carry_out(host), DIR_DONE, "one that is adopted already");
    is_text(fake.sent.at,
            "modify CN=Ann,DC=x\n -importedFrom=viaduct-adopted:gw:77\n +importedFrom=viaduct-adopted:gw:77\n",
            "keeps its mark");
    fake_reset();
    answer("CN=Ann,DC=x", "viaduct:other:1");
    is_int(carry_out(host), DIR_STALE, "not one of another dirsync");
}

static void
test_many_proofs(void)
{
    struct dir_change changes[100];
    begin(DIR_CHANGE, DIR_MAILBOX, "CN=Bob,DC=x");
    change.source = SPAN("");
    answer("CN=Bob,DC=x", NULL);
    delta("title", NULL, "x");
    fake.late = true;
    memset(&got, 0, sizeof got);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        changes[i] = change;
        host->ops->apply(host, &changes[i], done, NULL);
    }
    host->ops->flush(host);
    is_int(got.n, COUNT_OF(changes), "a hundred, with late answers in any order");
    is_int(fake.n_reads, 2, "are looked at in two questions");
}

/* ---- what the server says ---- */

static void
test_settled(void)
{
    begin(DIR_CHANGE, DIR_CONTACT, "CN=Ann,DC=x");
    delta("displayName", "Ann", "Anna");
    delta("proxyAddresses", "SMTP:a@x", "SMTP:b@x");
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    holds("displayName", " Ann\t");
    holds("proxyAddresses", "Smtp:A@x");
    fake.codes[0] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 1;
    is_int(carry_out(host), DIR_DONE, "values that stand there in another spelling");
    ok(strstr(fake.sent.at + 10, " -displayName= Ann\t\n +displayName=Anna\n") != NULL,
       "are taken away as they stand");
    ok(strstr(fake.sent.at, "-proxyAddresses=Smtp:A@x") == NULL, "a secondary address is not the primary one");
    fake_reset();
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    holds("displayName", "Anna");
    holds("proxyAddresses", "SMTP:b@x");
    holds("mail", "b@x");
    fake.codes[0] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 1;
    is_int(carry_out(host), DIR_DONE_BEFORE, "what is so already was done before");
    fake_reset();
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    holds("displayName", "Anette");
    fake.codes[0] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 1;
    is_int(carry_out(host), DIR_STALE, "what somebody changed is stale: %s", got.text);
    fake_reset();
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    holds("displayName", "Ann");
    holds("proxyAddresses", "SMTP:a@x");
    holds("proxyAddresses", "X400:s=a;");
    fake.codes[0] = LDAP_INAPPROPRIATE_MATCHING;
    fake.n_codes = 1;
    is_int(carry_out(host), DIR_DONE, "an attribute without equality");
    ok(strstr(fake.sent.at, " =displayName=Anna\n =proxyAddresses=X400:s=a;\n =proxyAddresses=SMTP:b@x\n") !=
           NULL,
       "is written whole");
    fake_reset();
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    holds("displayName", "Ann");
    for (size_t i = 0; i < 8; i++)
        fake.codes[i] = LDAP_NO_SUCH_ATTRIBUTE;
    fake.n_codes = 8;
    is_int(carry_out(host), DIR_STALE, "a server that refuses again and again ends it");
    ok(fake.next_code <= 3, "after few tries");
}

static void
test_codes(void)
{
    static const struct {
        int code;
        enum dir_result result;
        const char *text;
    } table[] = {
        {LDAP_INSUFFICIENT_ACCESS, DIR_REFUSED, "no"},
        {LDAP_UNWILLING_TO_PERFORM, DIR_REFUSED, "password"},
        {LDAP_UNWILLING_TO_PERFORM, DIR_BROKEN, "operation restricted"},
        {LDAP_UNWILLING_TO_PERFORM, DIR_BROKEN, "shadow context; no update referral"},
        {LDAP_REFERRAL, DIR_BROKEN, ""},
        {LDAP_INVALID_SYNTAX, DIR_REFUSED, "displayName"},
        {LDAP_OBJECT_CLASS_VIOLATION, DIR_REFUSED, ""},
        {LDAP_UNDEFINED_TYPE, DIR_REFUSED, ""},
        {LDAP_ADMINLIMIT_EXCEEDED, DIR_REFUSED, ""},
        {LDAP_OTHER, DIR_REFUSED, ""},
        {LDAP_ENCODING_ERROR, DIR_REFUSED, ""},
        {LDAP_SERVER_DOWN, DIR_BROKEN, ""},
        {LDAP_BUSY, DIR_BROKEN, ""},
        {LDAP_UNAVAILABLE, DIR_BROKEN, ""},
        {LDAP_INVALID_CREDENTIALS, DIR_BROKEN, ""},
        {LDAP_STRONG_AUTH_REQUIRED, DIR_BROKEN, ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        begin(DIR_CHANGE, DIR_CONTACT, "CN=Ann,DC=x");
        delta("title", NULL, "x");
        fake.codes[0] = table[i].code;
        fake.n_codes = 1;
        fake.text = table[i].text;
        is_int(carry_out(host), table[i].result, "%d: %s", table[i].code, got.text);
        if (table[i].result != DIR_BROKEN)
            continue;
        fake_reset();
        is_int(carry_out(host), DIR_BROKEN, "... and all that follows");
        is_text(fake.sent.at, "", "... without being sent");
        open_again();
    }
}

static void
test_taken(void)
{
    begin(DIR_ADD, DIR_CONTACT, "CN=Ann,DC=x");
    fake.codes[0] = LDAP_ALREADY_EXISTS;
    fake.n_codes = 1;
    answer("CN=Ann,DC=x", "viaduct:gw:77");
    is_int(carry_out(host), DIR_DONE_BEFORE, "a name that our own entry has: done before");
    fake_reset();
    fake.codes[0] = LDAP_ALREADY_EXISTS;
    fake.n_codes = 1;
    answer("CN=Ann,DC=x", "viaduct:gw:78");
    is_int(carry_out(host), DIR_REFUSED, "that another one has: %s", got.text);
    begin(DIR_ADD, DIR_MAIL_USER, "CN=Ann,DC=x");
    delta("mailNickname", NULL, "ann");
    fake.codes[0] = fake.codes[1] = LDAP_ALREADY_EXISTS;
    fake.n_codes = 2;
    is_int(carry_out(host), DIR_DONE, "an account name that is taken");
    ok(strstr(fake.sent.at, "=ann\n") != NULL && strstr(fake.sent.at, "=ann2\n") != NULL &&
           strstr(fake.sent.at, "sAMAccountName=ann3\n") != NULL,
       "gets a number");
    fake_reset();
    for (size_t i = 0; i < 64; i++)
        fake.codes[i] = LDAP_ALREADY_EXISTS;
    fake.n_codes = 64;
    is_int(carry_out(host), DIR_REFUSED, "not for ever: %s", got.text);
    ok(fake.next_code <= 31, "%zu tries", fake.next_code);
}

static void
test_members(void)
{
    static struct span many[2500];
    begin(DIR_CHANGE, DIR_GROUP, "CN=G,DC=x");
    deltas[0] = (struct dir_delta){.name = SPAN("member"), .add = many, .n_add = COUNT_OF(many)};
    change.n_deltas = 1;
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = SPAN("CN=M,DC=x");
    is_int(carry_out(host), DIR_DONE, "2,500 members");
    is_int(fake.next_code, 4, "go in three requests, after the one that proves the mark");
    fake_reset();
    many[3] = SPAN("CN=Gone,DC=x");
    deltas[0].n_add = 4;
    int codes[] = {0, LDAP_NO_SUCH_OBJECT, 0, LDAP_NO_SUCH_OBJECT, LDAP_ALREADY_EXISTS, LDAP_NO_SUCH_OBJECT};
    memcpy(fake.codes, codes, sizeof codes);
    fake.n_codes = COUNT_OF(codes);
    is_int(carry_out(host), DIR_REFUSED, "one who is not there: %s", got.text);
    ok(strstr(got.text, "1: CN=Gone,DC=x") != NULL && fake.next_code == 6, "is found by halves, and named");
    begin(DIR_ADD, DIR_GROUP, "CN=G,DC=x");
    delta("member", NULL, "CN=Gone,DC=x");
    fake.codes[0] = LDAP_NO_SUCH_OBJECT;
    fake.codes[2] = LDAP_NO_SUCH_OBJECT;
    fake.n_codes = 3;
    is_int(carry_out(host), DIR_REFUSED, "a new group with one who is not there: %s", got.text);
    is_int(fake.next_code, 3, "is made without him");
    fake_reset();
    fake.codes[0] = fake.codes[1] = LDAP_NO_SUCH_OBJECT;
    fake.n_codes = 2;
    is_int(carry_out(host), DIR_REFUSED, "where the container is not there: %s", got.text);
    is_int(fake.next_code, 2, "nothing else is tried");
}

static void
test_what_cannot_be(void)
{
    begin(DIR_CHANGE, DIR_CONTACT, "CN=Ann,DC=x");
    change.name = (struct span){"CN=a\0b", 6};
    is_int(carry_out(host), DIR_REFUSED, "a name with NUL is not written: %s", got.text);
    begin(DIR_CHANGE, DIR_CONTACT, "CN=Hans,O=x");
    delta("co", NULL, "DE");
    delta("hidden", NULL, "TRUE");
    is_int(carry_out(foreign), DIR_DONE_BEFORE, "what a server does not keep is no change");
    is_text(fake.sent.at, "", "and nothing is sent");
    begin(DIR_CHANGE, DIR_GROUP, "CN=G,DC=x");
    delta("sn", NULL, "G");
    is_int(carry_out(host), DIR_DONE_BEFORE, "nor is what its groups cannot have");
    begin(DIR_ADD, DIR_GROUP, "CN=G,O=x");
    delta("displayName", NULL, "G");
    delta("sn", NULL, "G");
    is_int(carry_out(foreign), DIR_DONE, "it is left out");
    ok(strstr(fake.sent.at, "displayName") != NULL && strstr(fake.sent.at, " +sn=") == NULL, "of new ones too");
    bool writable = host->writable;
    host->writable = false;
    begin(DIR_ADD, DIR_CONTACT, "CN=Ann,DC=x");
    is_int(carry_out(host), DIR_REFUSED, "a directory that may not be written: %s", got.text);
    host->writable = writable;
    struct conf_directory directory = conf_root(conf)->host.directories[0];
    struct why why = {"", ""};
    directory.base = "OU=Elsewhere,DC=x";
    ok(side_ldap_new(&context, &directory, true, &why) == NULL && strstr(why.text, "import.container") != NULL,
       "what would be written where nobody reads is refused: %s", why.text);
    directory.base = "dc = X";
    struct dir_side *side = side_ldap_new(&context, &directory, true, &why);
    ok(side != NULL, "names compare as such");
    side->ops->close(side);
}

int
main(void)
{
    struct buf errors = {0};
    conf = conf_read("conf", span_of(conf_text), &errors);
    if (conf == NULL)
        return printf("Bail out! %s\n", errors.at), 1;
    context = (struct dir_context){.root = conf_root(conf),
                                   .dirsync = &conf_root(conf)->dirsyncs[0],
                                   .deadline_ms = monotonic_ms() + 60000};
    foreign = open_side(false);
    host = open_side(true);
    test_add();
    test_change();
    test_nobodys();
    test_many_proofs();
    test_settled();
    test_codes();
    test_taken();
    test_members();
    test_what_cannot_be();
    host->ops->close(host);
    foreign->ops->close(foreign);
    conf_free(conf);
    buf_clear(&fake.sent);
    return tap_done();
}
