/* side-ldap-entry-t - what an LDAP server holds becomes entries: Active Directory's, Domino's, any other's, and hostile values */
#include "directory/side_ldap.h"
#include "t/tap.h"

/* ---- an answer by hand ---- */

static struct side_names names;
static struct side_reader reader;
static struct side_raw raw;
static struct conf_directory directory;
static struct dir_entry entry;
static struct span values[64][8];
static size_t n_attributes;

static void
begin(enum side_kind kind, bool active_directory, bool host)
{
    struct why why = {"", ""};
    if (side_names_init(&names, kind, &directory, active_directory, NULL, NULL, &why) < 0)
        printf("# %s\n", why.text);
    side_names_ask(&names, SPAN("extensionAttribute1"));
    side_names_seal(&names);
    if (reader.arena == NULL) {
        reader.arena = arena_new(64 << 20);
        reader.proxies = xcalloc(DIR_PROXIES_MAX, sizeof *reader.proxies);
    }
    reader.names = &names;
    reader.directory = &directory;
    reader.host = host;
}

static void
answer(const char *dn)
{
    side_raw_begin(&raw, span_of(dn));
    n_attributes = 0;
}

static void
has_spans(const char *name, const struct span *given, size_t n)
{
    memcpy(values[n_attributes], given, n * sizeof *given);
    side_raw_attribute(&raw, &names, span_of(name), values[n_attributes++], n);
}

static void
has(const char *name, const char *first, const char *second)
{
    struct span given[2] = {span_of(first), span_of(second)};
    has_spans(name, given, second != NULL ? 2 : 1);
}

static bool
map(void)
{
    return side_entry_map(&reader, &raw, &entry);
}

static const char *
proxies(void)
{
    static struct buf out;
    buf_reset(&out);
    buf_add_text(&out, "");
    for (size_t i = 0; i < entry.n_proxies; i++) {
        buf_add_text(&out, entry.proxies[i].primary ? i == 0 ? "*" : " *" : i == 0 ? "" : " ");
        address_print(&entry.proxies[i].address, &out);
    }
    return out.at != NULL ? out.at : "";
}

static const char *
target(void)
{
    static struct buf out;
    buf_reset(&out);
    if (entry.target.type.len > 0)
        address_print(&entry.target, &out);
    return out.len > 0 ? out.at : "";
}

static bool
says(const char *text)
{
    return entry.trouble.len > 0 && memmem(entry.trouble.at, entry.trouble.len, text, strlen(text)) != NULL;
}

static void
ann(void)
{
    static const char guid[] = "\x2e\x30\x63\x98\xc3\xe0\x48\x42\x88\x0f\x36\xd7\xe9\x7f\x7e\xd1";
    struct span id = {guid, 16};
    answer("CN=Ann,OU=Staff,DC=contoso,DC=example");
    has("objectClass", "top", "user");
    has_spans("objectGUID", &id, 1);
    has("displayName", "Ann Beebe", NULL);
    has("MAILNICKNAME", "ann", NULL);
}

/* ---- Active Directory ---- */

static void
test_kinds(void)
{
    begin(SIDE_AD, true, true);
    ann();
    has("homeMDB", "CN=Store", NULL);
    has("proxyAddresses", "SMTP:ann@contoso.example", "x400:c=US;a= ;p=MS;s=ann;");
    has("mail", "ann@contoso.example", NULL);
    has("userAccountControl", "514", NULL);
    ok(map() && entry.kind == DIR_MAILBOX && !entry.broken, "a user with a store is a mailbox");
    is_span(entry.id, "9863302e-e0c3-4248-880f-36d7e97f7ed1",
            "its objectGUID is its id, in the order that people see");
    is_span(entry.value[DIR_ALIAS], "ann", "names of attributes have no case");
    is_text(proxies(), "*SMTP:ann@contoso.example X400:c=US;a= ;p=MS;s=ann;",
            "the case of a type says which is primary");
    ok(entry.disabled && !entry.hidden && entry.target.type.len == 0, "an account that is disabled");
    ann();
    has("targetAddress", "NOTES:Ann/Org@ACME", NULL);
    has("msExchHideFromAddressLists", "true", NULL);
    ok(map() && entry.kind == DIR_MAIL_USER && entry.hidden,
       "a user with a target is a mail user, here hidden");
    is_text(target(), "NOTES:Ann/Org@ACME", "with that target");
    ann();
    has("msExchMailboxGuid", "x", NULL);
    has("msExchRecipientDisplayType", "8", NULL);
    has("mail", "beamer@contoso.example", NULL);
    ok(map() && entry.kind == DIR_RESOURCE, "equipment is a resource");
    is_text(proxies(), "*SMTP:beamer@contoso.example", "mail alone is the primary address");
    answer("CN=Box,DC=contoso,DC=example");
    has("objectClass", "user", "computer");
    has("mail", "box@contoso.example", NULL);
    ok(!map(), "a computer is no recipient");
    answer("CN=Some,DC=contoso,DC=example");
    has("objectClass", "container", NULL);
    has("mail", "some@contoso.example", NULL);
    ok(!map(), "nor is what is neither person nor list");
    ann();
    ok(!map(), "nor a user without any address");
}

static void
test_contacts_and_groups(void)
{
    static const char guid[17] = "0123456789abcdef";
    struct span id = {guid, 16};
    answer("CN=C");
    has("objectClass", "person", "contact");
    has_spans("objectGUID", &id, 1);
    has("proxyAddresses", "NOTES:C/Org@ACME", "SMTP:c@contoso.example");
    has("importedFrom", "viaduct:gw:77", NULL);
    has("mail", "other@contoso.example", NULL);
    ok(map() && entry.kind == DIR_CONTACT, "a contact");
    is_text(target(), "NOTES:C/Org@ACME", "without targetAddress its foreign address is where mail goes");
    is_text(proxies(), "*NOTES:C/Org@ACME *SMTP:c@contoso.example",
            "of ours, mail is no address beside the proxies");
    is_span(entry.mark, "viaduct:gw:77", "its mark");
    answer("CN=C");
    has("objectClass", "contact", NULL);
    has_spans("objectGUID", &id, 1);
    has("targetAddress", "nothing that is an address", NULL);
    ok(map() && entry.broken && says("targetAddress"),
       "a contact whose target is none stays, broken, and says why");
    answer("CN=G");
    has("objectClass", "group", NULL);
    has_spans("objectGUID", &id, 1);
    has("mail", "g@contoso.example", NULL);
    has("member", "CN=A,DC=x", "CN=\xff,DC=x");
    ok(map() && entry.kind == DIR_GROUP && entry.n_members == 1 && says("member"),
       "a member that is no name is left out");
    answer("CN=G");
    has("objectClass", "group", NULL);
    has("mail", "g@contoso.example", NULL);
    ok(map() && entry.broken && says("objectGUID"), "an entry without id is there, and is not touched");
    is_span(entry.id, "CN=G", "it is known by its name");
}

/* ---- hostile values ---- */

static void
test_hostile(void)
{
    static char octets[256], big[1 << 20];
    static struct span many[DIR_PROXIES_MAX + 10];
    struct arena *texts = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (char)i;
    memset(big, 'x', sizeof big);
    struct span all = {octets, sizeof octets}, mib = {big, sizeof big}, nul = {"a\0b", 3};
    begin(SIDE_AD, true, true);
    ann();
    has("mail", "ann@contoso.example", NULL);
    has_spans("title", &all, 1);
    has_spans("company", &mib, 1);
    has_spans("info", &nul, 1);
    has("sn", "Bee\xcc\xff\x62\x65", NULL);
    has("l", "\xe2\x80\x8b M\xc3\xbcnchen\xc2\x85", NULL);
    ok(map() && !entry.broken,
       "values of all octets, of 1 MiB, with NUL and broken UTF-8 do not break an entry");
    ok(entry.value[DIR_TITLE].len > 90 &&
           memchr(entry.value[DIR_TITLE].at, '\n', entry.value[DIR_TITLE].len) == NULL,
       "control octets are none of it");
    is_int(entry.value[DIR_COMPANY].len, SIDE_VALUE_MAX, "a long value is cut");
    is_span(entry.value[DIR_INFO], "a b", "a NUL is a blank");
    is_span(entry.value[DIR_SURNAME], "Bee be", "so is broken UTF-8");
    is_span(entry.value[DIR_CITY], "\xe2\x80\x8b M\xc3\xbcnchen", "good UTF-8 stays, C1 goes");
    ok(says("title") && says("company") && says("info"), "the trouble names them");
    ann();
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = span_of(arena_printf(texts, "smtp:a%zu@x.example", i));
    side_raw_attribute(&raw, &names, SPAN("proxyAddresses"), many, COUNT_OF(many));
    ok(map() && entry.n_proxies == DIR_PROXIES_MAX && says("more than"),
       "of too many addresses the first are taken");
    ann();
    struct span bad[] = {SPAN("SMTP:"),
                         SPAN("no type"),
                         SPAN("smtp:a\0b@x.example"),
                         SPAN("SMTP:ok@x.example"),
                         SPAN("smtp:OK@X.example"),
                         SPAN(""),
                         {big, sizeof big},
                         SPAN("???:x")};
    has_spans("proxyAddresses", bad, COUNT_OF(bad));
    ok(map() && !entry.broken && says("no type"), "addresses that are none are left out, and named");
    is_text(proxies(), "*SMTP:ok@x.example", "what is one stays, once");
    ann();
    has("mail", "ann@contoso.example", NULL);
    has_spans("importedFrom", &mib, 1);
    ok(map() && entry.mark.len > 0 && entry.mark.len <= DIR_MARK_MAX,
       "a mark that is too long is a stranger's");
    ann();
    has("mail", "ann@contoso.example", NULL);
    has("importedFrom", "", NULL);
    ok(map() && entry.mark.len > 0, "so is one that is there and empty");
    ann();
    has("mail", "ann@contoso.example", NULL);
    has("importedFrom", "some other tool", "viaduct:gw:9");
    map();
    is_span(entry.mark, "viaduct:gw:9", "ours is found among others");
    ann();
    raw.dn = (struct span){big, 5000};
    has("mail", "ann@contoso.example", NULL);
    ok(map() && entry.broken, "an endless name breaks an entry");
    memset(big, '\xc3', 600);
    for (size_t i = 5; i < 600; i += 2)
        big[i] = '\xa4';
    memcpy(big, "CN=x", 4);
    answer("");
    raw.dn = (struct span){big, 600};
    has("objectClass", "contact", NULL);
    has("mail", "a@x.example", NULL);
    ok(map() && entry.broken && entry.id.len > 250 && entry.id.len <= DIR_ID_MAX &&
           (unsigned char)entry.id.at[entry.id.len - 1] == 0xa4,
       "a name that stands for an id is cut between characters");
    arena_free(texts);
}

/* ---- configuration ---- */

static void
test_configuration(void)
{
    const char *map_pairs[] = {"department=departmentNumber", "title="}, *wrong[] = {"nonsense=x"},
               *out[] = {"extensionAttribute1=no"};
    struct why why = {"", ""};
    directory.map = (struct conf_texts){map_pairs, 2};
    directory.opt_out = (struct conf_texts){out, 1};
    begin(SIDE_AD, true, true);
    ann();
    has("mail", "ann@contoso.example", NULL);
    has("departmentNumber", "Sales", NULL);
    has("title", "Boss", NULL);
    has("ExtensionAttribute1", "yes", " No ");
    ok(map() && entry.opted_out, "an opt-out is found among several values, without case");
    is_span(entry.value[DIR_DEPARTMENT], "Sales", "map names another attribute");
    is_int(entry.value[DIR_TITLE].len, 0, "or none");
    directory.map = (struct conf_texts){wrong, 1};
    ok(side_names_init(&names, SIDE_AD, &directory, true, NULL, NULL, &why) < 0 &&
           strstr(why.text, "nonsense") != NULL,
       "map of what is not kept is refused: %s", why.text);
    directory.map.n = directory.opt_out.n = 0;
    directory.mark = "employeeType";
    begin(SIDE_PLAIN, false, false);
    is_text(names.slot[SLOT_MARK], "employeeType", "the mark's attribute is the configured one");
    answer("uid=x,o=Org");
    has("objectClass", "inetOrgPerson", NULL);
    has("nsUniqueId", "77", NULL);
    has("mail", "x@org.example", "xx@org.example");
    has("cn", "Xaver", NULL);
    ok(map() && entry.kind == DIR_MAILBOX, "any server: inetOrgPerson");
    is_span(entry.id, "77", "the first id that there is");
    is_text(target(), "SMTP:x@org.example", "its mail is where mail goes");
    is_text(proxies(), "*SMTP:x@org.example SMTP:xx@org.example", "other values are addresses too");
    is_span(entry.value[DIR_DISPLAY], "Xaver", "cn stands for a display name");
    directory.mark = NULL;
}

/* ---- Domino ---- */

static void
person(const char *full_name, const char *domain)
{
    answer("CN=Ann Beebe,OU=Sales,O=Org");
    has("objectClass", "inetOrgPerson", "dominoPerson");
    has("dominoUNID", "00112233445566778899AABBCCDDEEFF", NULL);
    if (full_name != NULL)
        has("fullName", full_name, "Annie");
    if (domain != NULL)
        has("mailDomain", domain, NULL);
}

static void
test_domino(void)
{
    begin(SIDE_DOMINO, false, false);
    reader.mail_domain = SPAN("ACME");
    person("CN=Ann Beebe/OU=Sales/O=Org", "ACME");
    has("mail", "Ann_Beebe/Sales/Org%ACME@host.example", NULL);
    ok(map() && entry.kind == DIR_MAILBOX && !entry.opted_out, "a person");
    is_text(target(), "NOTES:Ann Beebe/Sales/Org@ACME", "is reached under his Notes name");
    is_text(proxies(), "", "an address that Domino made up is none");
    person("Ann", "ACME");
    has("mail", "Ann_Beebe/Sales/Org@host.example", NULL);
    map();
    is_text(proxies(), "", "nor is one with a hierarchy");
    person(NULL, "ACME");
    has("internetAddress", "ann@acme.example", NULL);
    has("availableForDirSync", "0", NULL);
    ok(map() && entry.opted_out, "one who is not available for synchronisation");
    is_text(target(), "NOTES:Ann Beebe/Sales/Org@ACME", "without fullName, the DN is the Notes name");
    is_text(proxies(), "*SMTP:ann@acme.example", "the Internet address is an SMTP address");
    person("Ann", NULL);
    has("mail", "ann@acme.example", NULL);
    ok(map(), "without mail domain");
    is_text(target(), "SMTP:ann@acme.example", "mail goes to the Internet address");
    person("Ann", "ACME");
    has("mailSystem", "100", NULL);
    ok(!map(), "who has no mail is no recipient");
    static const char *const types[] = {"0", "1", "2", "3", "4"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        answer("CN=All");
        has("objectClass", "dominoGroup", NULL);
        has("groupType", types[i], NULL);
        ok(map() == (i < 2), "groups of type %s are %smail lists", types[i], i < 2 ? "" : "no ");
    }
    answer("CN=All");
    has("objectClass", "dominoGroup", NULL);
    ok(map(), "a group without type is one");
    is_text(target(), "NOTES:All@ACME", "in the connector's domain");
    answer("CN=Orders");
    has("objectClass", "dominoServerMailInDatabase", NULL);
    has("mailDomain", "ACME", NULL);
    ok(map() && entry.kind == DIR_FOLDER, "a mail-in database is a folder");
}

static void
test_notes_names(void)
{
    static const char *const pairs[][2] = {
        {"CN=Ann Beebe/OU=Sales/O=Org", "Ann Beebe/Sales/Org"},
        {"Ann Beebe/Sales/Org", "Ann Beebe/Sales/Org"},
        {"CN=Beebe\\, Ann,O=Org", "Beebe, Ann/Org"},
        {"cn=A,ou=B,o=C,c=DE", "A/B/C/DE"},
        {"Ann", "Ann"},
        {"", ""},
        {"CN=,O=", "/"},
        {"CN=x\\", "x\\"},
    };
    struct span name, domain;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct buf out = {0};
        buf_add_text(&out, "");
        side_notes_abbreviate(span_of(pairs[i][0]), &out);
        is_text(out.at != NULL ? out.at : "", pairs[i][1], "\"%s\" abbreviated", pairs[i][0]);
        buf_clear(&out);
    }
    side_notes_split(SPAN("a@b/Org @ ACME"), &name, &domain);
    ok(span_equal(name, SPAN("a@b/Org")) && span_equal(domain, SPAN("ACME")),
       "a domain stands behind the last @");
    side_notes_split(SPAN("a"), &name, &domain);
    ok(span_equal(name, SPAN("a")) && domain.len == 0, "there may be none");
}

static void
test_filters(void)
{
    struct buf out = {0};
    begin(SIDE_AD, true, true);
    side_id_filter(&names, SPAN("9863302e-e0c3-4248-880f-36d7e97f7ed1"), &out);
    is_text(out.at, "(objectGUID=\\2e\\30\\63\\98\\c3\\e0\\48\\42\\88\\0f\\36\\d7\\e9\\7f\\7e\\d1)",
            "a GUID is asked for in the server's order");
    buf_reset(&out);
    side_id_filter(&names, SPAN("*)(a=b"), &out);
    ok(strchr(out.at, '*') == NULL, "an id that is none is escaped: %s", out.at);
    directory.filter = "mail=*";
    side_filter(&names, &directory, &out);
    is_text(out.at, "(|(mail=*)(importedFrom=viaduct*))", "a filter leaves out nothing that is ours");
    directory.filter = NULL;
    side_filter(&names, &directory, &out);
    ok(strstr(out.at, "(mailNickname=*)") != NULL && strstr(out.at, "(importedFrom=*)") != NULL,
       "without one: who has an address or a mark");
    buf_clear(&out);
}

/* ---- policies ---- */

static unsigned
policy_for(const char *category, const char *excluded)
{
    ann();
    has("mail", "ann@contoso.example", NULL);
    if (category != NULL)
        has("objectCategory", category, NULL);
    if (excluded != NULL)
        has("msExchPoliciesExcluded", "{00000000-0000-0000-0000-000000000000}", excluded);
    return map() ? entry.policy : 99;
}

static void
test_policies(void)
{
    struct conf_policy policies[] = {
        {.title = "people", .filter = "(&(objectCategory=person)(objectClass=user))", .priority = 1}};
    struct conf_root root = {.policies = policies, .policies_n = 1};
    struct why why = {"", ""};
    begin(SIDE_AD, true, true);
    struct dir_policies *made = dir_policies_new(&root, &why);
    ok(made != NULL, "policies %s", why.text);
    reader.policies = made;
    is_int(policy_for("CN=Person,CN=Schema,CN=Configuration,DC=contoso,DC=example", NULL), 1,
           "a category is known by its short name");
    is_int(policy_for(NULL, NULL), 1, "or by the class");
    is_int(policy_for("CN=Group,CN=Schema", NULL), 0, "another one does not match");
    is_int(policy_for(NULL, "{26491CFC-9E50-4857-861B-0CB8DF22B5D7}"), 0,
           "who is excluded from Exchange's policies has none");
    reader.policies = NULL;
    dir_policies_free(made);
    for (size_t i = 0; i < SIDE_EXTRAS_MAX; i++) {
        char name[20];
        snprintf(name, sizeof name, "attribute%zu", i);
        if (!side_names_ask(&names, span_of(name)))
            break;
    }
    ok(!side_names_ask(&names, SPAN("oneMore")) && side_names_ask(&names, SPAN("ATTRIBUTE1")),
       "too many attributes are not asked for in silence");
}

int
main(void)
{
    test_kinds();
    test_contacts_and_groups();
    test_hostile();
    test_configuration();
    test_domino();
    test_notes_names();
    test_filters();
    test_policies();
    side_raw_clear(&raw);
    return tap_done();
}
