/* template-t.c - Templates of proxy addresses: what each type's generator makes of an entry, what it refuses, and that every address it makes is
 * one. The cases are those of Exchange's documentation, and what went wrong in its generators. */
#include <errno.h>

#include "directory/policy.h"
#include "t/tap.h"

struct person {
    const char *alias, *given, *surname, *initials, *display;
};

static const struct person ted = {"ted", "Ted", "Bremer", "A", "Ted Bremer"};
static const struct person mark = {"markc", "Mark", "Clark", "M", "Mark M. Clark"};
static const struct person john = {"jdoe", "John", "Doe", "", "Doe, John Q."};
static const struct person system_object = {"system", "", "", "", ""};
static const struct person nobody = {"", "", "", "", ""};
static const struct person juergen = {"jmueller", "J\xc3\xbcrgen", "M\xc3\xbcller-Wei\xc3\x9f", "",
                                      "J\xc3\xbcrgen M\xc3\xbcller"};
static const struct person ito = {"ito", "\xe5\xa4\xaa\xe9\x83\x8e", "\xe4\xbc\x8a\xe8\x97\xa4", "",
                                  "\xe4\xbc\x8a\xe8\x97\xa4 \xe5\xa4\xaa\xe9\x83\x8e"};
static const struct person dotted = {"ann.beebe", "Ann", "O'Neil / Beebe", "",
                                     "Beebe/O'Neil, Ann (Sales) [x] <y>"};
static const struct person long_name = {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl",
                                        "Maximilian-Alexander", "Wolfeschlegelsteinhausenbergerdorffwelche", "",
                                        ""};

static struct dir_entry
entry_of(const struct person *person)
{
    struct dir_entry entry = {.kind = DIR_MAILBOX};
    entry.value[DIR_ALIAS] = span_of(person->alias);
    entry.value[DIR_GIVEN] = span_of(person->given);
    entry.value[DIR_SURNAME] = span_of(person->surname);
    entry.value[DIR_INITIALS] = span_of(person->initials);
    entry.value[DIR_DISPLAY] = span_of(person->display);
    return entry;
}

static const struct {
    const struct person *person;
    const char *template;
    unsigned number;
    const char *becomes; /* NULL: nothing can be made */
} cases[] = {
    /* SMTP */
    {&ted, "SMTP:@contoso.example", 1, "ted@contoso.example"},
    {&ted, "SMTP:%m@contoso.example", 2, "ted2@contoso.example"},
    {&ted, "smtp:%g.%s@contoso.example", 1, "Ted.Bremer@contoso.example"},
    {&ted, "smtp:%g.%s@contoso.example", 17, "Ted.Bremer17@contoso.example"},
    {&ted, "SMTP:%1g%s@contoso.example", 1, "TBremer@contoso.example"},
    {&ted, "SMTP:%3s%2g@contoso.example", 1, "BreTe@contoso.example"},
    {&ted, "SMTP:%30s@contoso.example", 1, "Bremer@contoso.example"},
    {&ted, "SMTP:50%%%m@contoso.example", 1, "50%ted@contoso.example"},
    {&mark, "SMTP:%d@contoso.example", 1, "MarkMClark@contoso.example"},
    {&mark, "SMTP:%r._%d@contoso.example", 1, "MarkM_Clark@contoso.example"},
    {&mark, "SMTP:%r..%d@contoso.example", 1, "MarkM.Clark@contoso.example"},
    {&mark, "SMTP:%r _%d@contoso.example", 1, "Mark_M_Clark@contoso.example"},
    {&mark, "SMTP:%rMX%g%rMM%d@contoso.example", 1, "XarkarkClark@contoso.example"},
    {&mark, "SMTP:%g%rkz.%g@contoso.example", 1, "Mark.Marz@contoso.example"},
    {&mark, "SMTP:%r%-%d@contoso.example", 1, "MarkMClark@contoso.example"},
    {&john, "SMTP:%g.%1i.%s@contoso.example", 1, "John.Doe@contoso.example"},
    {&john, "SMTP:%i.%s@contoso.example", 1, "Doe@contoso.example"},
    {&john, "SMTP:%s.%i@contoso.example", 3, "Doe3@contoso.example"},
    {&system_object, "SMTP:%g.%s@contoso.example", 1, "system@contoso.example"},
    {&system_object, "SMTP:staff-%s@contoso.example", 1, "system@contoso.example"},
    {&nobody, "SMTP:%g.%s@contoso.example", 1, NULL},
    {&nobody, "SMTP:@contoso.example", 1, NULL},
    {&juergen, "SMTP:%g.%s@contoso.example", 1, "Jurgen.Muller-Weiss@contoso.example"},
    {&juergen,
     "SMTP:%r\xc3\xbc"
     "e%2g@contoso.example",
     1, "Je@contoso.example"},
    {&ito, "SMTP:%g.%s@contoso.example", 1, "ito@contoso.example"},
    {&dotted, "SMTP:@contoso.example", 1, "ann.beebe@contoso.example"},
    {&dotted, "SMTP:%s@contoso.example", 1, "O'Neil/Beebe@contoso.example"},
    {&dotted, "SMTP:%d@contoso.example", 1, "Beebe/O'NeilAnnSalesxy@contoso.example"},
    {&long_name, "SMTP:%g.%s.%s@contoso.example", 12,
     "Maximilian-Alexander.Wolfeschlegelsteinhausenbergerdorffwelche12@contoso.example"},
    /* X400 */
    {&ted, "X400:c=US;a= ;p=First Organizati;o=Exchange;s=%s;g=%g;", 1,
     "c=US;a= ;p=First Organizati;o=Exchange;s=Bremer;g=Ted;"},
    {&ted, "X400:c=US;a= ;p=First Organization;o=Exchange;", 1,
     "c=US;a= ;p=First Organizati;o=Exchange;s=Bremer;g=Ted;"},
    {&ted, "X400:c=US;a= ;p=P;s=%s;g=%g", 2, "c=US;a= ;p=P;s=Bremer2;g=Ted;"},
    {&ted, "x400:c=US;a= ;p=P;dda:ID=%m;", 2, "c=US;a= ;p=P;dda:ID=ted2;"},
    {&ted, "X400:c=US;a= ;p=P;cn=%d;", 2, "c=US;a= ;p=P;cn=Ted Bremer2;"},
    {&system_object, "X400:c=US;a= ;p=P;s=%s;g=%g;", 1, "c=US;a= ;p=P;s=system;"},
    {&juergen, "X400:c=DE;a= ;p=P;s=%s;g=%g;", 1, "c=DE;a= ;p=P;s=Muller-Weiss;g=Jurgen;"},
    {&long_name, "X400:c=276;a= ;p=P;s=%s;g=%g;i=%m;", 10,
     "c=276;a= ;p=P;s=Wolfeschlegelsteinhausenbergerdorffwel10;g=Maximilian-Alexa;i=abcde;"},
    {&nobody, "X400:c=US;a= ;p=P;s=%s;g=%g;", 1, NULL},
    /* NOTES */
    {&ted, "NOTES:&d/Contoso@Exchange", 1, "Ted Bremer/Contoso@Exchange"},
    {&ted, "NOTES:%d/Contoso@Exchange", 3, "Ted Bremer3/Contoso@Exchange"},
    {&ted, "NOTES:/Contoso@Exchange", 1, "Ted Bremer/Contoso@Exchange"},
    {&ted, "NOTES:&S2&G3@Exchange", 1, "BrTed@Exchange"},
    {&ted, "NOTES:&2s%3G@Exchange", 1, "BrTed@Exchange"},
    {&ted, "NOTES:&m/R&&D/Contoso@Exchange", 1, "ted/R&D/Contoso@Exchange"},
    {&john, "NOTES:&d/Contoso@Exchange", 1, "John Q. Doe/Contoso@Exchange"},
    {&john, "NOTES:%r..&d/Contoso@Exchange", 1, "John Q Doe/Contoso@Exchange"},
    {&john, "NOTES:&r _&d/Contoso@Exchange", 2, "John_Q._Doe2/Contoso@Exchange"},
    {&dotted, "NOTES:&d@Exchange", 1, "Ann (Sales) [x] y BeebeO'Neil@Exchange"},
    {&ito, "NOTES:&d/Org@Exchange", 1, "\xe4\xbc\x8a\xe8\x97\xa4 \xe5\xa4\xaa\xe9\x83\x8e/Org@Exchange"},
    {&ito, "NOTES:&s1@Exchange", 1, "\xe4\xbc\x8a@Exchange"},
    {&system_object, "NOTES:&d/Org@Exchange", 1, "system/Org@Exchange"},
    /* GWISE */
    {&ted, "GWISE:Exchange.First Administrative Group.%m", 1, "Exchange.First Administrative Group.ted"},
    {&ted, "GWISE:Exchange.HQ", 2, "Exchange.HQ.ted2"},
    {&dotted, "gwise:Exchange.HQ.%m", 1, "Exchange.HQ.ann_beebe"},
    {&dotted, "gwise:Exchange.HQ.%d", 1, "Exchange.HQ.Beebe/O'Neil Ann Sales [x] <y>"},
    {&juergen, "GWISE:Exchange.HQ.%g", 1, "Exchange.HQ.J\xc3\xbcrgen"},
    {&ito, "GWISE:Exchange.HQ.%g", 1, "Exchange.HQ.ito"},
    /* MS: 10/10/10 */
    {&ted, "MS:CONTOSO/HQ/%m", 1, "CONTOSO/HQ/TED"},
    {&ted, "MS:First Organization/Exchange/%m", 1, "FIRST ORGA/EXCHANGE/TED"},
    {&ted, "MS:CONTOSO/HQ", 2, "CONTOSO/HQ/TED2"},
    {&long_name, "MS:CONTOSO/HQ/%s", 10, "CONTOSO/HQ/WOLFESCH10"},
    {&juergen, "MS:CONTOSO/HQ/%g", 1, "CONTOSO/HQ/JURGEN"},
    /* CCMAIL: the first alike one has 1, before " at " */
    {&ted, "CCMAIL:%s, %g at Site", 1, "Bremer, Ted at Site"},
    {&ted, "CCMAIL:%s, %g at Site", 2, "Bremer, Ted1 at Site"},
    {&ted, "CCMAIL:at Site", 1, "Bremer, Ted at Site"},
    {&ted, "CCMAIL:%m at Site", 3, "ted2 at Site"},
    {&system_object, "CCMAIL:%s, %g at Site", 1, "system at Site"},
    /* SNADS, PROFS: 8 and 8 */
    {&john, "SNADS:Microsft(&m)", 1, "MICROSFT(JDOE)"},
    {&long_name, "PROFS:MICROSOFTX", 2, "MICROSOF(ABCDEFG2)"},
    /* any other */
    {&ted, "FAX:%d", 1, "Ted Bremer"},
    {&ted, "fax:%m@7", 2, "ted2@7"},
    {&nobody, "FAX:%m", 1, NULL},
};

static const struct {
    const char *template;
    const char *place; /* what the reason names */
} wrong[] = {
    {"", "character 1"},
    {"%m@contoso.example", "character 1"},
    {"TOOLONGATYPEFORANADDRESS:%m", "character 1"},
    {"SMTP:", "nothing"},
    {"SMTP:%m", "@domain"},
    {"SMTP:%m@", "no domain"},
    {"SMTP:%m@con toso", "character 9"},
    {"SMTP:%x@contoso.example", "character 6"},
    {"SMTP:%g%@contoso.example", "character 8"},
    {"SMTP:%0s@contoso.example", "character 6"},
    {"SMTP:%3r.x@contoso.example", "character 6"},
    {"SMTP:&m@contoso.example", "without a code"},
    {"SMTP:info@contoso.example", "without a code"},
    {"SMTP:a b%m@contoso.example", "character 7"},
    {"SMTP:%ra %m@contoso.example", "character 6"},
    {"SMTP:%r", "character"},
    {"SMTP:%m\xff@contoso.example", "character 8"},
    {"X400:a= ;p=P;s=%s;", "country"},
    {"X400:c=USA;a= ;p=P;s=%s;", "two letters"},
    {"X400:c=US;zz=%s;", "character 11"},
    {"X400:c=US;s=%s;S=%g;", "there before"},
    {"X400:c=US;%s", "KEY=VALUE"},
    {"NOTES:&d/Contoso", "@domain"},
    {"NOTES:&d/R&T@Exchange", "character 11"},
    {"GWISE:%m", "DOMAIN.POSTOFFICE.OBJECT"},
    {"GWISE:a.b.c.%m", "DOMAIN.POSTOFFICE.OBJECT"},
    {"GWISE:a@b.c.%m", "character 8"},
    {"MS:%m", "NETWORK/POSTOFFICE/MAILBOX"},
    {"CCMAIL:%s, %g", " at "},
    {"SNADS:NODE(&m", "NODE(USER)"},
    {"FAX:123", "without a code"},
};

static void
test_cases(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dir_entry entry = entry_of(cases[i].person);
        struct why why = {.text = ""};
        struct buf out = {0};
        int r = address_template(span_of(cases[i].template), &entry, cases[i].number, &out, &why);
        if (cases[i].becomes == NULL) {
            ok(r == -ENODATA && why.text[0] != '\0' && out.len == 0, "%s: nothing for who has no names",
               cases[i].template);
            is_int(address_template_check(span_of(cases[i].template), &why), 0, "... and the template is good");
        } else {
            is_text(r == 0 ? out.at : why.text, cases[i].becomes, "%s, %u", cases[i].template, cases[i].number);
        }
        buf_clear(&out);
    }
}

static void
test_wrong(void)
{
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct why why = {.text = ""};
        int r = address_template_check(span_of(wrong[i].template), &why);
        ok(r == -EINVAL && strstr(why.text, wrong[i].place) != NULL, "\"%s\" is refused: %s", wrong[i].template,
           why.text);
        struct dir_entry entry = entry_of(&ted);
        struct buf out = {0};
        ok(address_template(span_of(wrong[i].template), &entry, 1, &out, &why) == -EINVAL,
           "... for an entry too");
        buf_clear(&out);
    }
}

/* Whatever a value holds and whatever number is tried: what is made is an address within its type's length, or nothing. */
static void
test_all_characters(void)
{
    static const char *const templates[] = {"SMTP:%d@contoso.example",
                                            "X400:c=US;a= ;p=P;s=%d;g=%g;",
                                            "NOTES:&d/O@X",
                                            "GWISE:E.P.%d",
                                            "MS:N/P/%d",
                                            "CCMAIL:%d at P",
                                            "SNADS:N(&d)",
                                            "FAX:%d"};
    size_t wrongs = 0, made = 0;
    for (unsigned c = 1; c < 0x3000; c++) {
        char display[16];
        size_t n = 0;
        if (c < 0x80)
            display[n++] = (char)c;
        else if (c < 0x800) {
            display[n++] = (char)(0xc0 | c >> 6);
            display[n++] = (char)(0x80 | (c & 0x3f));
        } else {
            display[n++] = (char)(0xe0 | c >> 12);
            display[n++] = (char)(0x80 | (c >> 6 & 0x3f));
            display[n++] = (char)(0x80 | (c & 0x3f));
        }
        struct dir_entry entry = {.kind = DIR_CONTACT};
        entry.value[DIR_DISPLAY] = (struct span){display, n};
        for (size_t t = 0; t < COUNT_OF(templates); t++) {
            struct buf out = {0};
            struct span template = span_of(templates[t]);
            struct span type = {template.at, (size_t)((const char *)strchr(template.at, ':') - template.at)};
            int r = address_template(template, &entry, 1 + c % 3, &out, NULL);
            struct address address = {type, buf_span(&out)};
            if (r == 0 && address_check(&address, false, NULL) != 0)
                wrongs++;
            wrongs += r != 0 && r != -ENODATA;
            made += r == 0;
            buf_clear(&out);
        }
    }
    is_int((long)wrongs, 0, "no character makes something that is no address");
    ok(made > 10000, "... and most make one");
}

static void
test_hostile(void)
{
    struct dir_entry entry = {.kind = DIR_CONTACT};
    struct buf value = {0}, template = {0}, out = {0};
    struct why why;
    for (int i = 0; i < 100000; i++)
        buf_add_text(&value, "\xff\xc3\xbc.");
    for (size_t i = 0; i < DIR_ATTRIBUTES; i++)
        entry.value[i] = buf_span(&value);
    ok(address_template(SPAN("SMTP:%d@contoso.example"), &entry, 1, &out, &why) == 0 && out.len == 64 + 16,
       "a value of a megabyte with octets that are no characters becomes 64 characters");
    buf_add_text(&template, "SMTP:");
    while (template.len < 1100)
        buf_add_text(&template, "%d");
    buf_add_text(&template, "@a.example");
    ok(address_template(buf_span(&template), &entry, 99, &out, &why) == 0 && out.len == 64 + 10,
       "... five hundred times too");
    while (template.len < 3000)
        buf_add_text(&template, "x");
    is_int(address_template_check(buf_span(&template), &why), -EINVAL,
           "a template of 3000 characters is refused");
    buf_clear(&value);
    buf_clear(&template);
    buf_clear(&out);
}

static void
test_types(void)
{
    static const struct address_type mine = {"BOX", "plain", "box", "7", 20, NULL},
                                     again = {"SMTP", "plain", "box", "7", 20, NULL};
    size_t n = 0;
    struct why why;
    for (const struct address_type *type; (type = address_type_at(n)) != NULL; n++)
        ok(type->generator[0] != '\0' && address_type_find(span_of(type->name)) == type, "%s is known",
           type->name);
    ok(address_type_find(SPAN("BOX")) == NULL, "a module's type is not known before");
    address_type_add(&mine);
    address_type_add(&again);
    ok(address_type_find(SPAN("box")) == &mine && address_type_at(n) == &mine && address_type_at(n + 1) == NULL,
       "... and is, once it was added; one that is built in stays");
    struct dir_entry entry = entry_of(&long_name);
    struct buf out = {0};
    ok(address_template(SPAN("BOX:%m@7"), &entry, 12, &out, &why) == 0 &&
           span_equal(buf_span(&out), SPAN("abcdefghijklmnop12@7")),
       "its length holds: %s", out.at);
    buf_clear(&out);
}

int
main(void)
{
    test_cases();
    test_wrong();
    test_all_characters();
    test_hostile();
    test_types();
    return tap_done();
}
