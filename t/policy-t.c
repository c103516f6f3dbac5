/* policy-t.c - Recipient policies: which one applies, what it gives, and that nobody gets what another has */
#include "directory/policy.h"
#include "t/tap.h"

#define CONF                                                                                                   \
    "node = \"gw1\"\nhost { domains = { \"contoso.example\" } }\n"                                             \
    "recipient-policy \"all\" { priority = 100 proxy = { \"SMTP:%m@contoso.example\" } }\n"                    \
    "recipient-policy \"sales\" { filter = \"(department=Sales)\" priority = 5\n"                              \
    "  proxy = { \"SMTP:%g.%s@sales.example\", \"smtp:%m@contoso.example\", \"NOTES:&d/Contoso@Exchange\", "   \
    "\"notes:&m@Exchange\" } }\n"                                                                              \
    "recipient-policy \"late\" { filter = \"(department=*)\" priority = 5 proxy = { \"SMTP:%m@late.example\" " \
    "} }\n"

static struct conf *conf;
static struct dir_policies *policies;
static struct dir_taken *taken;
static struct buf given, notes;

static void
add_given(void *arg, const struct address *address, bool primary)
{
    (void)arg;
    buf_printf(&given, "%s%s%.*s:%.*s", given.len > 0 ? " | " : "", primary ? "*" : "", (int)address->type.len,
               address->type.at, (int)address->value.len, address->value.at);
}

static void
add_note(void *arg, const char *text)
{
    (void)arg;
    buf_printf(&notes, "%s\n", text);
}

/* What one is given. */
static const char *
complete(struct dir_entry *entry, const char *owner)
{
    buf_reset(&given);
    buf_reset(&notes);
    buf_add_text(&given, "");
    entry->policy = dir_policies_choose_entry(policies, entry);
    dir_policies_complete(policies, entry, span_of(owner), taken, add_given, add_note, NULL);
    return given.len > 0 ? given.at : "";
}

static struct dir_entry
person(const char *alias, const char *display, const char *given_name, const char *surname,
       const char *department)
{
    struct dir_entry entry = {.id = span_of(alias), .kind = DIR_MAILBOX};
    entry.value[DIR_ALIAS] = span_of(alias);
    entry.value[DIR_DISPLAY] = span_of(display);
    entry.value[DIR_GIVEN] = span_of(given_name);
    entry.value[DIR_SURNAME] = span_of(surname);
    entry.value[DIR_DEPARTMENT] = span_of(department);
    return entry;
}

static struct address
smtp(const char *value)
{
    return (struct address){SPAN("SMTP"), span_of(value)};
}

static void
test_choice(void)
{
    struct dir_entry one = person("ann", "Ann Beebe", "Ann", "Beebe", "Sales"),
                     two = person("bob", "", "", "", ""), three = person("carl", "", "", "", "Market"),
                     nobody = person("", "X", "", "", "");
    is_text(dir_policies_title(policies, dir_policies_choose_entry(policies, &one)), "sales",
            "the lowest number that matches wins, among equals the first in the file");
    is_text(dir_policies_title(policies, dir_policies_choose_entry(policies, &three)), "late",
            "... else the next");
    is_text(dir_policies_title(policies, dir_policies_choose_entry(policies, &two)), "all", "... or the last");
    is_int(dir_policies_choose_entry(policies, &nobody), 0, "... or none");
    ok(dir_policies_title(policies, 0) == NULL, "none has no title");
}

static void
test_gifts(void)
{
    struct dir_entry one = person("ann", "Beebe, Ann", "Ann", "Beebe", "Sales");
    is_text(complete(&one, "h:1"),
            "*SMTP:Ann.Beebe@sales.example | SMTP:ann@contoso.example | *NOTES:Ann Beebe/Contoso@Exchange | "
            "NOTES:ann@Exchange",
            "each template gives one address; lower case another than the primary");
    is_int((long)notes.len, 0, "... without a word");
    struct dir_proxy has[] = {{smtp("a.b@old.example"), true},
                              {smtp("annie@CONTOSO.example"), false},
                              {{SPAN("NOTES"), SPAN("x@y")}, false}};
    one.proxies = has;
    one.n_proxies = 3;
    is_text(
        complete(&one, "h:1"), "*NOTES:Ann Beebe/Contoso@Exchange",
        "what is there stays: a primary, one in the template's domain, one of another type beside the primary");
    has[0] = (struct dir_proxy){smtp("ann.beebe@sales.example"), false};
    one.n_proxies = 1;
    ok(strstr(complete(&one, "h:1"), "*SMTP:Ann.Beebe@sales.example |") == given.at,
       "one that it has as another becomes primary");
    one = person("", "", "", "", "Sales");
    is_text(complete(&one, "h:2"), "", "whoever has no names gets nothing");
    ok(notes.len > 0 && strstr(notes.at, "no address is made of \"SMTP:%g.%s@sales.example\": ") == notes.at,
       "... which is told: %s", notes.at);
}

static void
test_alike(void)
{
    struct dir_entry one = person("ann", "Ann Beebe", "Ann", "Beebe", "Sales");
    is_text(complete(&one, "h:7"),
            "*SMTP:Ann.Beebe2@sales.example | SMTP:ann2@contoso.example | *NOTES:Ann Beebe2/Contoso@Exchange | "
            "NOTES:ann2@Exchange",
            "what somebody else has is numbered");
    ok(notes.len > 0 &&
           strstr(notes.at,
                  "SMTP:Ann.Beebe@sales.example is taken by another, Ann.Beebe2@sales.example is given\n") ==
               notes.at,
       "... and both are told: %s", notes.at);
    is_text(complete(&one, "h:1"),
            "*SMTP:Ann.Beebe@sales.example | SMTP:ann@contoso.example | *NOTES:Ann Beebe/Contoso@Exchange | "
            "NOTES:ann@Exchange",
            "nobody competes with himself");
    struct address upper = smtp("ANN.beebe@SALES.example");
    ok(dir_taken_by_other(taken, &upper, SPAN("h:9")) && !dir_taken_by_other(taken, &upper, SPAN("h:1")),
       "case makes no other address");
    ok(!dir_taken_add(taken, &upper, SPAN("h:9")) && dir_taken_add(taken, &upper, SPAN("h:1")),
       "... to whomever it is given");
}

static size_t n_asked;
static const char *elsewhere = "";

static bool
by_other(void *arg, const struct address *address, struct span owner)
{
    (void)arg, (void)owner;
    n_asked++;
    struct span stem = span_of(elsewhere);
    return stem.len > 0 && span_starts_nocase(address->value, stem);
}

/* Ten thousand of one name: each gets the next number, and none tries those before him. */
static void
test_ten_thousand(void)
{
    enum { PEOPLE = 10000 };
    char owner[32];
    struct dir_entry one = person("john.smith", "", "", "", "");
    size_t wrong = 0;
    dir_taken_ask(taken, by_other, NULL);
    n_asked = 0;
    for (unsigned i = 1; i <= PEOPLE && wrong == 0; i++) {
        char want[80];
        snprintf(owner, sizeof owner, "h:js%u", i);
        if (i == 1)
            snprintf(want, sizeof want, "*SMTP:john.smith@contoso.example");
        else
            snprintf(want, sizeof want, "*SMTP:john.smith%u@contoso.example", i);
        wrong += strcmp(complete(&one, owner), want) != 0;
    }
    is_int((long)wrong, 0, "ten thousand of one name have numbers in a row");
    ok(n_asked <= 2 * PEOPLE, "... and two questions each: %zu", n_asked);
    elsewhere = "full";
    n_asked = 0;
    one = person("full", "", "", "", "");
    is_text(complete(&one, "h:full"), "", "where ten thousand numbers are taken there is none");
    ok(n_asked <= DIR_TRIES + 1 && notes.len > 0 && strstr(notes.at, "numbers for it are taken") != NULL,
       "... after as many tries: %s", notes.at);
    dir_taken_ask(taken, NULL, NULL);
}

/* A million addresses, each known again, none mistaken for another; memory is counted, not time. */
static void
test_million(void)
{
    enum { MANY = 1000000 };
    struct dir_taken *many = dir_taken_new();
    char value[40], owner[16];
    size_t wrong = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(value, sizeof value, "p%u@contoso.example", i);
        snprintf(owner, sizeof owner, "h:%u", i);
        struct address address = smtp(value);
        wrong += !dir_taken_add(many, &address, span_of(owner));
    }
    for (unsigned i = 0; i < MANY; i += 7) {
        snprintf(value, sizeof value, "P%u@contoso.example", i);
        snprintf(owner, sizeof owner, "h:%u", i);
        struct address address = smtp(value);
        wrong += dir_taken_by_other(many, &address, span_of(owner)) ||
                 !dir_taken_by_other(many, &address, SPAN("h:x"));
    }
    is_int((long)wrong, 0, "a million addresses are told apart");
    dir_taken_free(many);
}

static void
add_name(void *arg, struct span name)
{
    (void)arg;
    buf_printf(&notes, "%.*s ", (int)name.len, name.at);
}

static void
test_digest(void)
{
    struct buf errors = {0};
    struct why why;
    uint64_t digest = dir_policies_digest(policies);
    struct conf *other = conf_read(
        "x.conf",
        SPAN(CONF "recipient-policy \"more\" { filter = \"(l=x)\" proxy = { \"SMTP:%m@x.example\" } }\n"),
        &errors);
    struct dir_policies *more = dir_policies_new(conf_root(other), &why);
    ok(more != NULL && dir_policies_digest(more) != digest, "another filter makes another digest");
    buf_reset(&notes);
    dir_policies_names(more, add_name, NULL);
    ok(strstr(notes.at, "department") != NULL && strstr(notes.at, "mailNickname") != NULL,
       "what a reader must ask for: %s", notes.at);
    dir_policies_free(more);
    conf_free(other);
    buf_clear(&errors);
}

int
main(void)
{
    struct buf errors = {0};
    struct why why;
    conf = conf_read("x.conf", SPAN(CONF), &errors);
    if (conf == NULL) {
        printf("Bail out! %s\n", errors.at);
        return 1;
    }
    policies = dir_policies_new(conf_root(conf), &why);
    taken = dir_taken_new();
    test_choice();
    test_gifts();
    test_alike();
    test_ten_thousand();
    test_million();
    test_digest();
    dir_policies_free(policies);
    dir_taken_free(taken);
    conf_free(conf);
    buf_clear(&errors);
    buf_clear(&given);
    buf_clear(&notes);
    return tap_done();
}
