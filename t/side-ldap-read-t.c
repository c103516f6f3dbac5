/* side-ldap-read-t - a directory behind LDAP is read: all or nothing, whole or by what changed */
#include "t/side_ldap_fake.h"
#include "t/tap.h"

static const char conf_text[] = "node = \"gw1\"\n"
                                "spool = \"/nowhere\"\n"
                                "host { domains = { \"contoso.example\" }\n"
                                "  directory \"ad\" { url = { \"ldaps://dc/\" } base = \"DC=x\" } }\n";

static struct conf *conf;
static struct dir_context context;
static struct dir_side *side;
static struct dir_set *set;
static struct dir_reading reading;
static struct why why;
static char notes[4000];

static void
note(void *arg, const char *text)
{
    (void)arg;
    snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s\n", text);
}

/* ---- who is there ---- */

/* Sixteen octets that begin with a letter. */
static const char *
guid(char letter)
{
    static char octets[26][17];
    char *of = octets[letter - 'a'];
    memset(of, letter, 16);
    return of;
}

static void
person(struct ldap_answer *entry, const char *dn, char letter)
{
    *entry =
        (struct ldap_answer){dn, {"objectGUID", guid(letter), "objectClass", "user", "mail", "a@x.example"}};
}

static void
group(struct ldap_answer *entry, const char *dn, char letter, const char *member)
{
    *entry = (struct ldap_answer){
        dn, {"objectGUID", guid(letter), "objectClass", "group", "mail", "g@x.example", "member", member}};
}

static const char *
id_of(char letter)
{
    static char text[40];
    char pair[3];
    snprintf(pair, sizeof pair, "%02x", letter);
    int at = 0;
    for (int i = 0; i < 16; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%s",
                       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", pair);
    return text;
}

/* The name of who has an id; "" where there is none. */
static const char *
name_of(char letter)
{
    static char name[200];
    struct dir_room room = {0};
    struct dir_entry entry;
    name[0] = '\0';
    if (dir_set_get(set, dir_set_find_id(set, span_of(id_of(letter))), &room, &entry))
        snprintf(name, sizeof name, "%.*s%s%.*s", (int)entry.name.len, entry.name.at,
                 entry.n_members > 0 ? " has " : "", entry.n_members > 0 ? (int)entry.members[0].len : 0,
                 entry.n_members > 0 ? entry.members[0].at : "");
    dir_room_clear(&room);
    return name;
}

static int
read_side(bool full)
{
    notes[0] = '\0';
    return side->ops->read(side, &set, &reading, full, &why);
}

static const char *
cookie(void)
{
    return reading.cookie.len > 0 ? reading.cookie.at : "";
}

/* ---- all ---- */

static void
test_all(void)
{
    fake.changes = LDAP_CHANGES_USN;
    person(&fake.entries[0], "CN=A,DC=x", 'a');
    person(&fake.entries[1], "CN=B,DC=x", 'b');
    group(&fake.entries[2], "CN=G,DC=x", 'g', "CN=A,DC=x");
    fake.n_entries = 3;
    is_int(read_side(false), 0, "the first reading reads all");
    is_int(dir_set_count(set), 3, "who is there");
    is_text(cookie(), "next", "and what changed meanwhile is asked for at once");
    ok(strncmp(reading.source, "server-1 ", 9) == 0 && reading.full_s > 0, "bound to this server: %s",
       reading.source);
    fake.n_entries = 1;
    fake.n_reads = 0;
    fake.read_codes[0] = -ETIMEDOUT;
    struct dir_set *before = set;
    is_int(read_side(true), -ETIMEDOUT, "a reading that does not end");
    ok(set == before && dir_set_count(set) == 3, "leaves what was known");
    fake.n_reads = 0;
    fake.n_entries = 3;
    fake.opens = 0;
    fake.read_codes[0] = -EAGAIN;
    is_int(read_side(true), 0, "one whose connection is lost is begun anew");
    is_int(dir_set_count(set), 3, "with all entries once");
    is_int(fake.opens, 1, "after another connection was made");
    fake.n_reads = 0;
    for (size_t i = 0; i < 8; i++)
        fake.read_codes[i] = -EAGAIN;
    is_int(read_side(true), -EAGAIN, "not for ever");
    is_int(fake.n_reads, 3, "three times");
    is_int(fake.opens, 1 + 2, "on three connections");
    memset(fake.read_codes, 0, sizeof fake.read_codes);
}

/* ---- a server with a limit ---- */

static void
test_letters(void)
{
    fake.n_reads = 0;
    fake.read_codes[0] = fake.read_codes[2] = -EMSGSIZE;
    is_int(read_side(true), 0, "a server that shows only some, and knows no pages, is read all the same");
    is_int(dir_set_count(set), 3, "each is there once");
    is_text(fake.filters[1] + strlen(fake.filters[0]) + 2, "(cn=a*))", "it is asked letter by letter");
    is_text(fake.filters[3] + strlen(fake.filters[0]) + 2, "(cn=ba*))", "where there are too many, by two");
    is_int(fake.n_reads, 1 + 36 + 36 + 1 + 1, "and for those who have other names");
    ok(strstr(fake.last_filter, "(!(|(cn=a*)(cn=b*)") != NULL, "%.60s", fake.last_filter);
    fake.n_reads = 0;
    fake.read_codes[2] = -ETIMEDOUT;
    is_int(read_side(true), -ETIMEDOUT, "a letter that does not end leaves all as it was");
    for (size_t i = 0; i < 8; i++)
        fake.read_codes[i] = -EMSGSIZE;
    fake.n_reads = 0;
    is_int(read_side(true), -EMSGSIZE, "it is not asked for ever");
    memset(fake.read_codes, 0, sizeof fake.read_codes);
}

/* ---- changes ---- */

static void
test_changes(void)
{
    struct ldap_answer changed[3];
    fake.n_reads = 0;
    fake.n_entries = 0;
    person(&changed[0], "CN=B2,DC=x", 'b');
    person(&changed[1], "CN=C,DC=x", 'c');
    fake.changed[0] = &changed[0];
    fake.changed[1] = &changed[1];
    fake.n_changed = 2;
    is_int(read_side(false), 0, "the next one reads what changed");
    is_int(dir_set_count(set), 4, "one is new");
    is_text(name_of('b'), "CN=B2,DC=x", "one has another name");
    is_text(cookie(), "next", "the place from where to go on has moved");
    is_int(fake.n_reads, 0, "nobody is asked for besides");
    fake.n_changed = 0;
    fake.gone[0] = id_of('a');
    fake.n_gone = 1;
    fake.n_entries = 1;
    group(&fake.entries[0], "CN=G,DC=x", 'g', "CN=B2,DC=x");
    is_int(read_side(false), 0, "a member of a group is gone");
    is_text(name_of('a'), "", "he is not there any more");
    is_int(fake.n_reads, 1, "the group, which the server does not call changed, is read again");
    is_text(fake.filters[0], "(|(objectGUID=\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67\\67))",
            "by its id");
    is_text(name_of('g'), "CN=G,DC=x has CN=B2,DC=x", "and has the member that it has now");
    fake.n_gone = 0;
    fake.n_reads = 0;
    person(&changed[0], "CN=B3,DC=x", 'b');
    fake.n_changed = 1;
    group(&fake.entries[0], "CN=G,DC=x", 'g', "CN=B3,DC=x");
    is_int(read_side(false), 0, "a member is renamed");
    is_text(name_of('g'), "CN=G,DC=x has CN=B3,DC=x", "the group knows it");
    changed[0] = (struct ldap_answer){"CN=B3,DC=x", {"objectGUID", guid('b'), "objectClass", "user"}};
    fake.n_reads = 0;
    is_int(read_side(false), 0, "one who has no address any more");
    is_text(name_of('b'), "", "is gone");
    fake.n_changed = 0;
}

static void
test_broken_changes(void)
{
    struct ldap_answer changed;
    person(&changed, "CN=D,DC=x", 'd');
    fake.changed[0] = &changed;
    fake.n_changed = 1;
    fake.gone[0] = id_of('g');
    fake.n_gone = 1;
    fake.changes_code = -ETIMEDOUT;
    size_t count = dir_set_count(set);
    is_int(read_side(false), -ETIMEDOUT, "changes that do not end");
    ok(dir_set_count(set) == count && name_of('d')[0] == '\0' && name_of('g')[0] != '\0', "change nothing");
    is_text(cookie(), "next", "the place stays");
    fake.changes_code = -ESTALE;
    fake.n_entries = 1;
    person(&fake.entries[0], "CN=Z,DC=x", 'z');
    is_int(read_side(false), 0, "a place that the server has forgotten");
    ok(dir_set_count(set) == 1 && name_of('z')[0] != '\0', "makes all be read");
    ok(strstr(notes, "all is read") != NULL, "and is told: %s", notes);
    fake.changes_code = 0;
    fake.n_changed = fake.n_gone = 0;
    snprintf(reading.source, sizeof reading.source, "server-2 0");
    buf_reset(&reading.cookie);
    buf_add_text(&reading.cookie, "another's");
    person(&fake.entries[0], "CN=Y,DC=x", 'y');
    is_int(read_side(false), 0, "another server's place");
    ok(name_of('y')[0] != '\0' && strncmp(reading.source, "server-1 ", 9) == 0, "makes all be read, too");
    fake.changes = LDAP_CHANGES_SYNCREPL;
    person(&fake.entries[0], "CN=X,DC=x", 'x');
    is_int(read_side(false), 0, "a server that calls entries by another id in its changes");
    ok(name_of('x')[0] != '\0' && reading.cookie.len == 0, "is read whole each time");
}

/* ---- the digest ---- */

static void
test_bound(void)
{
    char first[256];
    struct conf_directory *directory =
        (struct conf_directory *)(uintptr_t)&conf_root(conf)->host.directories[0];
    const char *pair = "title=personalTitle", *old = directory->filter;
    snprintf(first, sizeof first, "%s", reading.source);
    directory->filter = "(mail=*)";
    is_int(side->ops->open(side, &why), 0, "another filter");
    is_int(read_side(true), 0, "reads");
    ok(strcmp(first, reading.source) != 0, "what was read by the old one is not gone on with");
    directory->filter = old;
    directory->map = (struct conf_texts){&pair, 1};
    is_int(side->ops->open(side, &why) + read_side(true), 0, "another map");
    ok(strcmp(first, reading.source) != 0, "nor is that");
    directory->map.n = 0;
    is_int(side->ops->open(side, &why) + read_side(true), 0, "all as before");
    is_text(reading.source, first, "is the same again");
    fake.lacks[0] = "proxyAddresses";
    is_int(side->ops->open(side, &why) + read_side(true), 0, "another schema");
    ok(strcmp(first, reading.source) != 0 && side->traits.proxies == DIR_PROXIES_MAIL, "is another mapping");
    fake.lacks[0] = "importedFrom";
    is_int(side->ops->open(side, &why), 0, "a schema without Exchange");
    ok(side->writable, "marks are kept in adminDescription");
    fake.lacks[1] = "adminDescription";
    is_int(side->ops->open(side, &why), 0, "or without that");
    ok(!side->writable, "it cannot be written");
}

int
main(void)
{
    struct buf errors = {0};
    conf = conf_read("conf", span_of(conf_text), &errors);
    if (conf == NULL)
        return printf("Bail out! %s\n", errors.at), 1;
    context =
        (struct dir_context){.root = conf_root(conf), .deadline_ms = monotonic_ms() + 60000, .note = note};
    fake.server.active_directory = true;
    snprintf(fake.server.identity, sizeof fake.server.identity, "server-1");
    side = side_ldap_new(&context, &conf_root(conf)->host.directories[0], true, &why);
    if (side == NULL || side->ops->open(side, &why) < 0)
        return printf("Bail out! %s\n", why.text), 1;
    test_all();
    test_letters();
    test_changes();
    test_broken_changes();
    test_bound();
    side->ops->close(side);
    dir_set_free(set);
    buf_clear(&reading.cookie);
    conf_free(conf);
    buf_clear(&fake.sent);
    return tap_done();
}
