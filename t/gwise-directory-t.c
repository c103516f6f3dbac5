/* gwise-directory-t.c - requests to GroupWise's directory are as Exchange's were and touch nothing of GroupWise's own;
 * answers are taken only for what they can be */
#include "systems/gwise/directory.h"

#include <errno.h>
#include <stdlib.h>

#include "t/tap.h"

static struct arena *arena;
static struct buf told;

/* ---- requests ---- */

static void
set(struct directory_entry *entry, enum directory_attribute attribute, const char *value)
{
    entry->has[attribute] = true;
    entry->values[attribute] = span_of(value);
}

static void
test_requests(void)
{
    struct buf out = {0};
    directory_write_list(&out, SPAN("EXCHANGE"), SPAN("US"));
    is_text(out.at,
            "WPC-API= 1.2; \r\nMsg-Type= Admin; \r\nDS-User= \r\n    Domain= EXCHANGE; \r\n    Post-Office= "
            "US; \r\n"
            "    Operation= List; \r\n    Visibility= System; \r\n    Gw-Alias=; \r\n    ; \r\n-END-\r\n",
            "a List is what Exchange's connector wrote");
    buf_reset(&out);
    directory_write_get(&out);
    is_text(out.at, "WPC-API= 1.2; \r\nMsg-Type= Admin; \r\n-GET-DIRECTORY- \r\n-END-\r\n",
            "so is a request for everything");
    buf_reset(&out);
    struct directory_entry office = {
        .kind = DIRECTORY_OFFICE, .domain = SPAN("EXCHANGE"), .office = SPAN("US")};
    directory_write_begin(&out);
    ok(directory_write_entry(&out, DIRECTORY_ADD, &office, SPAN("Exchange")), "a post office can be added");
    directory_write_end(&out);
    is_text(out.at,
            "WPC-API= 1.2; \r\nMsg-Type= Admin; \r\nDS-External-Post-Office= \r\n    Operation= Add; \r\n"
            "    Domain= EXCHANGE; \r\n    Post-Office= US; \r\n    Time-Zone= gmt; \r\n    ; \r\n-END-\r\n",
            "in the same form");
    buf_reset(&out);
    struct directory_entry user = {
        .domain = SPAN("Exchange"), .office = SPAN("US"), .object = SPAN("Administrator"), .n_aliases = 1};
    user.aliases[0] = (struct directory_alias){SPAN("exchange"), SPAN("Administrator@EXCHANGE")};
    for (unsigned i = 0; i <= DIRECTORY_NETWORK_ID; i++)
        set(&user, (enum directory_attribute)i,
            i == DIRECTORY_FIRST_NAME || i == DIRECTORY_DESCRIPTION ? "Administrator" : " ");
    ok(directory_write_entry(&out, DIRECTORY_MODIFY, &user, SPAN("EXCHANGE")), "a user can be modified");
    is_text(out.at,
            "DS-User= \r\n    Operation= Modify; \r\n    Visibility= System; \r\n    Domain= Exchange; \r\n    "
            "Post-Office= US; \r\n"
            "    Object= Administrator; \r\n    Last-Name= \\\\; \r\n    First-Name= Administrator; \r\n    "
            "Description= Administrator; \r\n"
            "    Account-ID= \\\\; \r\n    Title= \\\\; \r\n    Department= \\\\; \r\n    Phone= \\\\; \r\n    "
            "Fax= \\\\; \r\n    Network-ID= \\\\; \r\n"
            "    Gw-Alias= \r\n        Type= exchange; \r\n        External-Name= Administrator@EXCHANGE; ; "
            "\r\n    ;\r\n",
            "blank values clear what is there");
    buf_reset(&out);
    directory_write_entry(&out, DIRECTORY_ADD, &user, SPAN("EXCHANGE"));
    ok(strstr(out.at, "\\\\") == NULL && strstr(out.at, "Title") == NULL, "in an Add they are left out");
    buf_reset(&out);
    directory_write_entry(&out, DIRECTORY_DELETE, &user, SPAN("EXCHANGE"));
    is_text(out.at,
            "DS-User= \r\n    Operation= Delete; \r\n    Domain= Exchange; \r\n    Post-Office= US; \r\n    "
            "Object= Administrator; \r\n    ; \r\n",
            "a deletion names the object alone");
    buf_clear(&out);
}

static void
test_guards(void)
{
    struct buf out = {0};
    struct directory_entry user = {
        .domain = SPAN("GWDOMAIN"), .office = SPAN("GWPO"), .object = SPAN("GWUser1")};
    unsigned written = 0;
    for (enum directory_operation o = DIRECTORY_LIST; o < DIRECTORY_OPERATIONS; o++)
        written += directory_write_entry(&out, o, &user, SPAN("Exchange")) ||
                   directory_write_entry(&out, o, &user, SPAN(""));
    is_int(written, 0, "nothing of GroupWise's own is added, changed or deleted");
    user.domain = SPAN("Exchange");
    user.office = SPAN(" ");
    ok(!directory_write_entry(&out, DIRECTORY_DELETE, &user, SPAN("Exchange")), "nor what has no post office");
    user.office = SPAN("US");
    user.object = SPAN(" ");
    ok(!directory_write_entry(&out, DIRECTORY_DELETE, &user, SPAN("Exchange")),
       "or no name: it might stand for all");
    ok(!directory_write_entry(&out, DIRECTORY_LIST, &user, SPAN("Exchange")), "a List is no change");
    is_int(out.len, 0, "and not an octet of it is written");
    user.object = SPAN("x; Operation= Delete; \r\n-END-");
    set(&user, DIRECTORY_TITLE, "Schöne Grüße aus dem Süden der Stadt und weiter");
    directory_write_entry(&out, DIRECTORY_ADD, &user, SPAN("Exchange"));
    ok(strstr(out.at, "Object= x\\; Operation= Delete\\;   -END-; \r\n") != NULL,
       "no value ends its line or begins a keyword");
    ok(strstr(out.at, "Title= Schöne Grüße aus dem Süden der S; \r\n") != NULL,
       "a long one is cut after as many characters as there is room for");
    buf_clear(&out);
}

/* ---- answers ---- */

static bool
tell(void *arg, const struct directory_entry *entry)
{
    const int *most = arg;
    static int n;
    n = told.len == 0 ? 1 : n + 1;
    buf_printf(&told, "%d:%.*s.%.*s.%.*s", (int)entry->kind, (int)entry->domain.len, entry->domain.at,
               (int)entry->office.len, entry->office.at, (int)entry->object.len, entry->object.at);
    for (unsigned i = 0; i < DIRECTORY_ATTRIBUTES; i++)
        if (entry->has[i])
            buf_printf(&told, " %s=%.*s", directory_keyword((enum directory_attribute)i),
                       (int)entry->values[i].len, entry->values[i].at);
    for (size_t i = 0; i < entry->n_aliases; i++)
        buf_printf(&told, " %.*s:%.*s", (int)entry->aliases[i].type.len, entry->aliases[i].type.at,
                   (int)entry->aliases[i].name.len, entry->aliases[i].name.at);
    buf_add_byte(&told, '\n');
    return n < *most;
}

static int
read_answer(const char *text, const struct directory_scope *scope, int most, struct why *why)
{
    struct api_file file;
    buf_reset(&told);
    arena_reset(arena);
    api_read(span_of(text), arena, &file, NULL);
    int n = directory_read(&file, scope, tell, &most, why);
    if (told.at == NULL)
        buf_add_text(&told, "");
    return n;
}

#define FRAME                                                                                                  \
    "WPC-API= 1.2; \r\nHeader-Char= T50; \r\nMsg-Type= ADMIN; \r\n# The query: Domain = EXCHANGE\r\n\r\n"
#define OURS                                                                                                   \
    "DS-User= \r\n    Operation= List; \r\n    Domain= Exchange; \r\n    Post-Office= US; \r\n    Object= "    \
    "anna; \r\n"                                                                                               \
    "    Visibility= System; \r\n    First-Name= Anna; \r\n    Last-Name=  \\\\; \r\n    Gw-Alias= \r\n      " \
    "  Type= exchange; \r\n"                                                                                   \
    "        External-Name= anna@HQ; \r\n    ;\r\n;\r\n"
#define THEIRS                                                                                                 \
    "DS-User= \r\n Operation= List; \r\n Domain= GW; \r\n Post-Office= PO; \r\n Object= lena; \r\n Dept=  "    \
    ";\r\n;\r\n"

static void
test_answers(void)
{
    const struct directory_scope list = {.domain = SPAN("EXCHANGE"), .office = SPAN("us")},
                                 all = {.everything = true};
    struct why why;
    is_int(read_answer(FRAME OURS "-END-\r\n", &list, 99, &why), 1, "the answer to a List");
    is_text(told.at, "0:Exchange.US.anna Last-Name= First-Name=Anna exchange:anna@HQ\n",
            "is read, its sign for no value too");
    is_int(
        read_answer(FRAME OURS THEIRS
                    "DS-Group= \r\n Operation= List; Domain= GW; Post-Office= PO; Object= all; ; \r\n-END-\r\n",
                    &all, 99, &why),
        3, "the whole directory");
    ok(strstr(told.at, "\n0:GW.PO.lena\n2:GW.PO.all\n") != NULL, "is read, groups among it");
    is_int(read_answer(FRAME OURS THEIRS "-END-\r\n", &all, 1, &why), 2, "whoever has enough");
    ok(strchr(told.at, '\n')[1] == '\0', "gets no more");
}

static void
test_no_answers(void)
{
    const struct directory_scope list = {.domain = SPAN("EXCHANGE"), .office = SPAN("US")},
                                 all = {.everything = true};
    static const struct {
        const char *text, *why, *name;
        bool everything;
    } files[] = {
        {FRAME OURS THEIRS "-END-\r\n", "it names the domain GW", "the whole directory is no answer to a List",
         false},
        {FRAME THEIRS OURS "-END-\r\n", "it names the domain GW", "in whatever order", false},
        {FRAME "DS-User= \r\n Operation= List; Domain= Exchange; Post-Office= DE; Object= b; ; \r\n-END-\r\n",
         "it names the post office DE", "nor is another post office", false},
        {FRAME OURS, "ends early", "a file without -END- is no answer", true},
        {FRAME OURS "DS-User= \r\n Operation= List; Domain= Exchange; Post", "ends early", "a torn one neither",
         true},
        {FRAME "-END-\r\n", "no entry", "one without entries is no empty directory", true},
        {"", "ends early", "nor is nothing", true},
        {FRAME "DS-User= \r\n Operation= Delete; Domain= Exchange; Post-Office= US; Object= a; ; \r\n-END-\r\n",
         "operation Delete", "changes that a gateway sends unasked are no answer", true},
        {FRAME "DS-User= \r\n Operation= List; Domain= Exchange; Object= a; ; \r\n-END-\r\n", "without domain",
         "an entry without its key spoils the whole", true},
        {"Msg-Type= Mail; \r\n" OURS "-END-\r\n", "Msg-Type is Mail", "a mail is none", true},
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct why why = {"", ""};
        is_int(read_answer(files[i].text, files[i].everything ? &all : &list, 99, &why), -EBADMSG, "%s",
               files[i].name);
        ok(strstr(why.text, files[i].why) != NULL, "and why: %s", why.text);
        is_int(told.len, 0, "of it nothing is told");
    }
}

int
main(void)
{
    arena = arena_new(API_ARENA_MAX);
    test_requests();
    test_guards();
    test_answers();
    test_no_answers();
    return tap_done();
}
