/* cost-directory.c - the directory's parsers and its planner, each over hostile inputs at a size and at twice the size
 *
 * Run by t/cost.t. An input of the planner is a foreign directory in which all have one name, one address, each other as members ...
 */
#include "directory/plan_inside.h"
#include "directory/set_inside.h"
#include "t/cost_rig.h"

static struct why why;

#define BEGIN "viaduct-plan 1\ndirsync: gw\nmade: 1\nhost-entries: 1\nforeign-entries: 1\nlinked: 1\n"
#define ONE   BEGIN "changes: 1\nnotices: 0\n\nchange 1: host add contact\n"

static const struct shape plan_shapes[] = {
    {"lines", BEGIN, "x: y\n", ""},
    {"values", ONE, "  + member: CN=x#\n", ""},
    {"attributes", ONE, "  + a#: b\n", ""},
    {"members of a change", ONE, "  name: x#\n", ""},
    {"a value", ONE "  + a: ", "xxxxxxx", "\n"},
    {"base64", ONE "  + a:: ", "QUJD", "\n"},
    {"copies", BEGIN, "copies: host 5 contact\n", ""},
    {"digits", "viaduct-plan 1\ndirsync: gw\nmade: ", "111111", "\n"},
};

static void
read_plan(struct span text)
{
    struct dir_plan *plan = NULL;
    plan_read_text(text, &plan, &why);
}

static const struct shape name_shapes[] = {
    {"RDNs", "", "CN=x#,", "O=y"},    {"escapes", "CN=", "\\2c", ",O=y"}, {"blanks", "CN=a", "      ", "b,O=y"},
    {"signs", "CN=", "=+=;", ",O=y"}, {"backslashes", "CN=", "\\\\", ""}, {"a letter", "CN=", "\xc3\x84", ""},
};

static void
read_name(struct span text)
{
    struct planner planner = {.scratch = arena};
    struct span value;
    name_fold(text, &planner.key);
    name_parent(text);
    name_value(&planner, text, &value);
    name_cut(text, 64);
}

/* Of a record: what its counts and lengths say against what is there. */
static const struct shape record_shapes[] = {{"lengths", "\x01x", "\x01", ""},
                                             {"texts", "\x01x\x01y\x00", "\x01z", ""},
                                             {"long numbers", "\x01x", "\xff", ""}};

static void
read_record(struct span text)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    set_record_read(text.at, text.len, &room, &entry);
    for (size_t at = 0; at < text.len; at += 64)
        set_record_read(text.at + at, text.len - at < 64 ? text.len - at : 64, &room, &entry);
}

/* ---- the planner: a foreign directory of one line for each entry, ID|NAME|DISPLAY|ADDRESSES|MEMBERS, the last two parted by blanks ---- */

static const struct shape planner_shapes[] = {
    {"strangers", "", "#|n#|D #|GWISE:D.P.U#|\n", ""},
    {"one display name", "", "#|n#|Ann|GWISE:D.P.U#|\n", ""},
    {"one long address beside", "",
     "#|n#|Ann|GWISE:D.P.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa#|\n", ""},
    {"one address", "", "#|n#|D #|GWISE:D.P.same|\n", ""},
    {"one address beside", "", "#|n#|D #|GWISE:D.P.U# SMTP:same@x.example|\n", ""},
    {"one name", "", "#|same|D #|GWISE:D.P.U#|\n", ""},
    {"members of one", "g|g|G|GWISE:D.P.G|", "n# ", "\n"},
    {"groups in one group", "", "#|n#|D #|GWISE:D.P.G#|n0 n1 n#\n", ""},
    {"addresses of one", "1|n|D|GWISE:D.P.G", " smtp:a#@x.example", "|\n"},
};

static struct span
piece(struct span *line, char end)
{
    const char *at = line->len > 0 ? memchr(line->at, end, line->len) : NULL;
    size_t len = at != NULL ? (size_t)(at - line->at) : line->len;
    struct span text = {line->at, len};
    len += at != NULL;
    *line = (struct span){line->at + len, line->len - len};
    return text;
}

static void
put_line(struct dir_set *set, struct span line)
{
    struct dir_proxy proxies[DIR_PROXIES_MAX];
    struct dir_entry entry = {.id = piece(&line, '|'), .name = piece(&line, '|'), .kind = DIR_MAILBOX};
    entry.value[DIR_DISPLAY] = piece(&line, '|');
    struct span addresses = piece(&line, '|'), members = line;
    entry.proxies = proxies;
    while (addresses.len > 0 && entry.n_proxies < DIR_PROXIES_MAX) {
        struct span address = piece(&addresses, ' ');
        if (address_parse(address, arena, &proxies[entry.n_proxies].address, &why) == 0)
            proxies[entry.n_proxies++].primary = address.at[0] <= 'Z';
    }
    if (members.len > 0)
        entry.kind = DIR_GROUP;
    entry.members = arena_alloc(arena, (members.len / 2 + 1) * sizeof *entry.members);
    while (members.len > 0 && entry.members != NULL)
        entry.members[entry.n_members++] = piece(&members, ' ');
    if (entry.n_proxies > 0)
        entry.target = proxies[0].address;
    dir_set_put(set, &entry, &why);
}

static void
make_plan(struct span text)
{
    struct conf_dirsync dirsync = {
        .title = "gw",
        .foreign = {.format = "ldap", .directory = {.writable = true}},
        .import = {.set = true, .container = "OU=x", .create_as = "contact", .groups = "group"},
        .limits = {.shrink = "20%"}};
    struct dir_plan_input in = {.dirsync = &dirsync,
                                .host = dir_set_new(),
                                .host_complete = true,
                                .foreign_complete = true,
                                .now_s = 1,
                                .address_type = "GWISE"};
    struct dir_set *foreign = dir_set_new();
    struct buf out = {0};
    while (text.len > 0)
        put_line(foreign, piece(&text, '\n'));
    in.foreign = foreign;
    dir_plan_write(dir_plan_make(&in), &out);
}

#define SHAPES(table) table, COUNT_OF(table)

static const struct {
    struct parser parser;
    const struct shape *shapes;
    size_t n;
} table[] = {
    {{"plan's file", read_plan}, SHAPES(plan_shapes)},
    {{"DN", read_name}, SHAPES(name_shapes)},
    {{"record of a set", read_record}, SHAPES(record_shapes)},
    {{"planner", make_plan}, SHAPES(planner_shapes)},
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        for (size_t j = 0; j < table[i].n && (argc < 2 || strstr(table[i].parser.name, argv[1]) != NULL); j++)
            if (argc < 3 || strstr(table[i].shapes[j].name, argv[2]) != NULL)
                cost_shape(&table[i].shapes[j], &table[i].parser, 1, "");
    return 0;
}
