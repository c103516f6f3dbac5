/* dir-filter-t.c - Filters over entries: RFC 4515's text, Active Directory's answers, and what is refused with its place */
#include "directory/policy.h"
#include "t/tap.h"

static struct dir_proxy proxies[] = {
    {{{"SMTP", 4}, {"Ann@contoso.example", 19}}, true},
    {{{"SMTP", 4}, {"annie@contoso.example", 21}}, false},
    {{{"NOTES", 5}, {"Ann Beebe/Contoso@Exchange", 26}}, true},
};

static struct dir_entry
ann(void)
{
    struct dir_entry entry = {
        .id = SPAN("1"), .kind = DIR_MAILBOX, .proxies = proxies, .n_proxies = COUNT_OF(proxies)};
    entry.value[DIR_DISPLAY] = SPAN("Ann (Sales) Beebe*");
    entry.value[DIR_ALIAS] = SPAN("ann");
    entry.value[DIR_DEPARTMENT] = SPAN("Sales");
    entry.value[DIR_POSTCODE] = SPAN("0100");
    entry.value[DIR_CITY] = SPAN("K\xc3\xb6ln");
    return entry;
}

static const struct {
    const char *filter;
    bool matches;
} asked[] = {
    {"(mailNickname=*)", true},
    {"(MAILNICKNAME=ANN)", true},
    {"(mailNickname=an)", false},
    {"(mailNickname~=Ann)", true},
    {"(mailNickname;lang-de=ann)", true},
    {" ( & (mailNickname=ann)\n  (department=Sales) ) ", true},
    {"(department=sal*)", true},
    {"(department=*les)", true},
    {"(department=s*l*s)", true},
    {"(department=s*al*les)", false}, /* pieces do not overlap */
    {"(department=sales*sales)", false},
    {"(department=**)", true},
    {"(displayName=*\\28sales\\29*)", true},
    {"(displayName=*beebe\\2a)", true},
    {"(displayName=*beebe)", false},
    {"(l=k\\c3\\b6ln)", true},
    {"(l=K\xc3\xb6ln)", true},
    {"(proxyAddresses=smtp:annie@contoso.example)", true},
    {"(proxyAddresses=NOTES:*@exchange)", true},
    {"(proxyAddresses=GWISE:*)", false},
    {"(mail=ann@contoso.example)", true},
    {"(targetAddress=*)", false},
    {"(objectClass=user)", true},
    {"(objectClass=person)", true},
    {"(objectClass=contact)", false},
    {"(objectCategory=person)", true},
    {"(homeMDB=*)", true},
    {"(&(objectCategory=person)(objectClass=user)(|(homeMDB=*)(msExchHomeServerName=*)))", true},
    {"(userAccountControl=512)", true},
    {"(userAccountControl:1.2.840.113556.1.4.803:=512)", true},
    {"(userAccountControl:1.2.840.113556.1.4.803:=514)", false},
    {"(userAccountControl:1.2.840.113556.1.4.804:=514)", true},
    {"(!(userAccountControl:1.2.840.113556.1.4.803:=2))", true},
    {"(!(msExchHideFromAddressLists=TRUE))", true},
    {"(!(title=*))", true}, /* what is not there equals nothing */
    {"(!(title=Boss))", true},
    {"(title>=A)", false},    /* and has no order: neither this */
    {"(!(title>=A))", false}, /* nor that */
    {"(|(title>=A)(department=Sales))", true},
    {"(&(!(title>=A))(department=Sales))", false},
    {"(!(&(title>=A)(department=Market)))", true},
    {"(postalCode>=99)", true}, /* numbers as numbers */
    {"(postalCode<=100)", true},
    {"(postalCode>=101)", false},
    {"(postalCode=100)", false}, /* but equal is equal text */
    {"(department>=SALAMI)", true},
    {"(department<=salami)", false},
    {"(title:1.2.840.113556.1.4.804:=1)", false},
    {"(&)", true},
    {"(|)", false},
    {"(&(department=Sales)(|(title=x)(l=*)(st=*))(!(co=*)))", true},
    {"(|(department=x)(&(l=*)(!(l=k*))))", false},
    {"(unheard=*)", false},
    {"(title=)", false},
};

static const struct {
    const char *filter;
    const char *place;
} refused[] = {
    {"", "character 1: a ( must stand here"},
    {"department=Sales", "character 1: "},
    {"(department=Sales", "character 18: a ) is missing"},
    {"(&(department=Sales)", "character 21: a ) is missing"},
    {"(department=Sales))", "character 19: something stands behind"},
    {"(department=Sales)(l=*)", "character 19: "},
    {"(department)", "character 12: one of = ~= >= <="},
    {"(=x)", "character 2: an attribute's name"},
    {"(department>Sales)", "character 13: "},
    {"(department=Sa(les)", "character 15: "},
    {"(department=\\2)", "character 13: two hexadecimal digits"},
    {"(department=\\zz)", "character 13: "},
    {"(department>=S*)", "* stands for any text only behind ="},
    {"(!(a=b)(c=d))", "! negates one filter"},
    {"(!)", "! negates one filter"},
    {"(a:1.2.840.113556.1.4.1941:=CN=x)", "character 4: the matching rules known"},
    {"(a:dn:=x)", "character 4: "},
    {"(a:1.2.840.113556.1.4.803:=x)", "needs a number"},
    {"(&(a=b)c=d)", "character 8: "},
};

static void
test_answers(void)
{
    struct dir_entry entry = ann();
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        struct why why = {.text = ""};
        struct dir_filter *filter = dir_filter_new(span_of(asked[i].filter), &why);
        ok(filter != NULL && dir_filter_matches_entry(filter, &entry) == asked[i].matches, "%s %s %s",
           asked[i].filter, asked[i].matches ? "matches" : "does not match", why.text);
        dir_filter_free(filter);
    }
}

static void
test_kinds(void)
{
    static const char *const filters[] = {"(homeMDB=*)",
                                          "(objectClass=user)",
                                          "(objectClass=contact)",
                                          "(objectCategory=group)",
                                          "(objectClass=publicFolder)",
                                          "(userAccountControl=514)"};
    static const char *const answers[DIR_KINDS] = {"110001", "010001", "001000", "000100", "110001", "000010"};
    for (unsigned kind = 0; kind < DIR_KINDS; kind++) {
        struct dir_entry entry = {.id = SPAN("1"), .kind = (enum dir_kind)kind, .disabled = true};
        char said[8] = "";
        for (size_t i = 0; i < COUNT_OF(filters); i++) {
            struct dir_filter *filter = dir_filter_new(span_of(filters[i]), NULL);
            said[i] = dir_filter_matches_entry(filter, &entry) ? '1' : '0';
            said[i + 1] = '\0';
            dir_filter_free(filter);
        }
        is_text(said, answers[kind], "what kind %u is called", kind);
    }
}

static void
test_refused(void)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct why why = {.text = ""};
        struct dir_filter *filter = dir_filter_new(span_of(refused[i].filter), &why);
        ok(filter == NULL && strstr(why.text, refused[i].place) != NULL, "%s is refused: %s", refused[i].filter,
           why.text);
        dir_filter_free(filter);
    }
}

/* 100 levels are read and asked, 101 refused; a hundred thousand are no deeper than that. */
static void
test_depth(void)
{
    for (unsigned depth = 100; depth <= 100000; depth = depth == 100   ? 101
                                                        : depth == 101 ? 20000
                                                                       : depth + 100000) {
        struct buf text = {0};
        struct why why = {.text = ""};
        struct dir_entry entry = ann();
        for (unsigned i = 0; i < depth; i++)
            buf_add_text(&text, i % 2 ? "(!" : "(&");
        buf_add_text(&text, "(mailNickname=ann)");
        for (unsigned i = 0; i < depth; i++)
            buf_add_byte(&text, ')');
        struct dir_filter *filter = dir_filter_new(buf_span(&text), &why);
        if (depth == 100)
            ok(filter != NULL && dir_filter_matches_entry(filter, &entry), "100 levels of parentheses");
        else
            ok(filter == NULL && strstr(why.text, "100 levels") != NULL, "%u are refused", depth);
        dir_filter_free(filter);
        buf_clear(&text);
    }
}

static size_t n_asked;

static bool
count_values(void *arg, struct span name, size_t n, struct span *value)
{
    (void)arg, (void)name, (void)n;
    n_asked++;
    *value = SPAN("x");
    return n == 0;
}

/* What is certain is not asked further: a list of a thousand people costs one question where the first fits. */
static void
test_work(void)
{
    struct buf text = {0};
    buf_add_text(&text, "(|");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "(|(a=x)(b%d=y))", i);
    buf_add_text(&text, ")");
    struct dir_filter *filter = dir_filter_new(buf_span(&text), NULL);
    ok(filter != NULL && dir_filter_matches(filter, count_values, NULL), "a thousand in a row");
    is_int((long)n_asked, 1, "... are asked until one is certain");
    dir_filter_free(filter);
    buf_clear(&text);
}

static void
add_name(void *arg, struct span name)
{
    struct buf *names = arg;
    buf_add_span(names, name);
    buf_add_byte(names, ' ');
}

static void
test_names(void)
{
    struct buf names = {0}, escaped = {0};
    struct dir_filter *filter = dir_filter_new(SPAN("(&(Title=x)(|(l;lang-de=*)(TITLE=y))(!(st>=3)))"), NULL);
    dir_filter_names(filter, add_name, &names);
    is_text(names.at, "Title l st ", "what it asks for, each once, without options");
    dir_filter_free(filter);
    dir_filter_escape((struct span){"a*(b)\\\0c", 8}, &escaped);
    is_text(escaped.at, "a\\2a\\28b\\29\\5c\\00c", "what has a meaning is escaped");
    ok(dir_filter_name_of_entry(SPAN("DEPARTMENT")) && dir_filter_name_of_entry(SPAN("proxyaddresses")) &&
           !dir_filter_name_of_entry(SPAN("employeeType")),
       "what entries have is known");
    buf_clear(&names);
    buf_clear(&escaped);
}

int
main(void)
{
    test_answers();
    test_kinds();
    test_refused();
    test_depth();
    test_work();
    test_names();
    return tap_done();
}
