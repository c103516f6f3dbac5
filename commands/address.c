/* address.c - `viaduct address`: what an address becomes on the other side, by which rule, and what that becomes again
 *
 * --from and --to name an address type or a connector. One of them is the host's side (SMTP), or else the way leads over
 * it: in through one connector, out through the other. The translators of the gateways answer (common/translate.h).
 */
#include <errno.h>
#include <stdio.h>

#include "commands/listing.h"
#include "commands/lookup.h"

/* A side that --from or --to names. */
struct side {
    bool given;
    const struct conf_connector *connector; /* NULL: the host */
    struct span type;
};

struct address_row {
    const struct lookup *lookup;
    const char *given, *way; /* "there" or "back" */
    const struct conf_connector *connector;
    bool outwards;
    enum address_role role;
    struct address address;
    int result;
    struct translation becomes;
    struct why why;
};

static const char *const roles[] = {"as originator", "as recipient", "in a header"};

/* ---- which sides ---- */

static int
no_side(const struct command *command, const char *word)
{
    struct buf known = {0};
    buf_add_text(&known, "SMTP (host)");
    for (size_t i = 0; i < command->root->connectors_n; i++) {
        const struct conf_connector *connector = &command->root->connectors[i];
        struct span type = lookup_type(command->root, connector);
        buf_printf(&known, ", %.*s (%s)", (int)type.len, type.at, connector->title);
    }
    int r =
        word != NULL
            ? command_usage(command, "no connector has the name or the address type \"%s\"; there are %s", word,
                            known.at)
            : command_usage(command, "say with --from and --to which address types; there are %s", known.at);
    buf_clear(&known);
    return r;
}

/* The connector that a name or an address type means; the type SMTP means the host. */
static int
find_side(const struct command *command, const char *word, struct side *side)
{
    const struct conf_root *root = command->root;
    *side = (struct side){.given = word != NULL, .type = SPAN("SMTP")};
    if (word == NULL || strcmp(word, "host") == 0)
        return 0;
    side->connector = conf_connector_find(root, word);
    for (size_t i = 0; side->connector == NULL && i < root->connectors_n; i++) {
        struct span type = lookup_type(root, &root->connectors[i]);
        if (span_equal_nocase(type, span_of(word)) && !span_equal(type, SPAN("SMTP")))
            side->connector = &root->connectors[i];
    }
    if (side->connector == NULL && !span_equal_nocase(span_of(word), SPAN("SMTP")))
        return no_side(command, word);
    side->type = lookup_type(root, side->connector);
    return 0;
}

/* What is not said is the host; where nothing is said, a foreign address tells its own type. --connector chooses among
 * those that have the type. */
static int
find_sides(const struct command *command, struct side *from, struct side *to)
{
    int r = find_side(command, command->values[OPTION_FROM], from);
    if (r == 0)
        r = find_side(command, command->values[OPTION_TO], to);
    if (r != 0 || command->values[OPTION_CONNECTOR] == NULL)
        return r;
    struct side named;
    r = find_side(command, command->values[OPTION_CONNECTOR], &named);
    if (r != 0)
        return r;
    struct side *foreign = from->connector != NULL && to->connector == NULL ? from : to;
    if (foreign->given && foreign->connector != NULL && !span_equal(named.type, foreign->type))
        return command_usage(command, "connector %s has addresses of type %.*s",
                             command->values[OPTION_CONNECTOR], (int)named.type.len, named.type.at);
    foreign->connector = named.connector;
    foreign->type = named.type;
    foreign->given = true;
    return 0;
}

/* Reads an address as one of the type that --from says; a foreign one may stand without its type. */
static int
read_address(struct lookup *lookup, const struct side *from, const char *text, struct address *address,
             struct why *why)
{
    int r = address_parse(span_of(text), lookup->arena, address, why);
    if (!from->given)
        return r;
    bool smtp = span_equal(from->type, SPAN("SMTP"));
    if (r < 0 && !smtp) {
        const char *typed = arena_printf(lookup->arena, "%.*s:%s", (int)from->type.len, from->type.at, text);
        r = typed != NULL ? address_parse(span_of(typed), lookup->arena, address, why) : -ENOMEM;
    }
    struct address inner;
    if (r < 0 || span_equal(address->type, from->type))
        return r;
    if (address_is_smtp(address) &&
        host_unwrap(lookup->command->root, address, lookup->arena, &inner, why) == 0 &&
        span_equal(inner.type, from->type)) {
        *address = inner; /* the one-off under which the host knows it */
        return 0;
    }
    why_set(why, "5.1.3", "it is an address of type %.*s, and --from says %.*s", (int)address->type.len,
            address->type.at, (int)from->type.len, from->type.at);
    return -EINVAL;
}

/* ---- rows ---- */

enum address_field {
    AF_ADDRESS,
    AF_WAY,
    AF_CONNECTOR,
    AF_DIRECTION,
    AF_ROLE,
    AF_BECOMES,
    AF_RULE,
    AF_STATUS,
    AF_REASON,
    AF_COUNT
};

static const struct field address_fields[AF_COUNT] = {
    [AF_ADDRESS] = {"address", FIELD_TEXT, COST_NAME, 30, "what is translated", false},
    [AF_WAY] = {"way", FIELD_TEXT, COST_NAME, 5, "there, or back", false},
    [AF_CONNECTOR] = {"connector", FIELD_TEXT, COST_NAME, 12, "whose translation", false},
    [AF_DIRECTION] = {"direction", FIELD_TEXT, COST_NAME, 9, "out to the system, or in from it", false},
    [AF_ROLE] = {"role", FIELD_TEXT, COST_NAME, 13, "as originator, as recipient, in a header", false},
    [AF_BECOMES] = {"becomes", FIELD_TEXT, COST_NAME, 30, "what it becomes", false},
    [AF_RULE] = {"rule", FIELD_TEXT, COST_NAME, 20, "by which rule", false},
    [AF_STATUS] = {"status", FIELD_CODE, COST_NAME, 6, "of the report where it cannot be mapped", false},
    [AF_REASON] = {"reason", FIELD_TEXT, COST_NAME, 0, "why not", false},
};

static struct span
rule_text(const struct address_row *row)
{
    const char *title = row->becomes.rule_title != NULL ? row->becomes.rule_title : "";
    const char *text = arena_printf(row->lookup->arena, "%s%s%s", address_rule_word(row->becomes.rule),
                                    title[0] != '\0' ? " " : "", title);
    return span_of(text != NULL ? text : "");
}

static bool
address_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct address_row *row = item;
    bool mapped = row->result == 0;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    switch ((enum address_field)field) {
    case AF_ADDRESS:
        return field_text(value,
                          row->given != NULL ? span_of(row->given) : lookup_text(row->lookup, &row->address));
    case AF_WAY:
        return field_text(value, span_of(row->way));
    case AF_CONNECTOR:
        return field_text(value, span_of(row->connector != NULL ? row->connector->title : "host"));
    case AF_DIRECTION:
        return field_text(value, span_of(row->outwards ? "out" : "in"));
    case AF_ROLE:
        return field_text(value, span_of(roles[row->role]));
    case AF_BECOMES:
        return field_text(value, mapped ? lookup_text(row->lookup, &row->becomes.address) : SPAN(""));
    case AF_RULE:
        return field_text(value, mapped ? rule_text(row) : SPAN(""));
    case AF_STATUS:
        return field_text(value, span_of(mapped ? "" : row->why.status));
    default:
        return field_text(value, span_of(mapped ? "" : row->why.text));
    }
}

static void
print_row(const struct address_row *row)
{
    printf("%-4s %-14s ", row->outwards ? "out" : "in", roles[row->role]);
    if (row->result < 0) {
        printf("%s: %s %s\n", row->role == ROLE_LISTED ? "kept as text" : "not mapped", row->why.status,
               row->why.text);
        return;
    }
    lookup_print(&row->becomes.address);
    printf("  (%.*s)\n", (int)rule_text(row).len, rule_text(row).at);
}

/* ---- the way ---- */

struct showing {
    struct lookup *lookup;
    struct listing *listing; /* NULL: in words */
    const char *way;
    bool failed;
};

static int
translate_once(struct lookup *lookup, struct address_row *row)
{
    struct translator *translator = lookup_translator(lookup, row->connector, &row->why);
    if (translator == NULL)
        return -EIO;
    int r = row->outwards
                ? translate_out(translator, &row->address, row->role, lookup->arena, &row->becomes, &row->why)
                : translate_in(translator, &row->address, row->role, lookup->arena, &row->becomes, &row->why);
    if (r == 0) /* the title belongs to the configuration, the value may belong to the translator */
        row->becomes.address.value = arena_span(lookup->arena, row->becomes.address.value);
    translator_free(translator);
    return r;
}

/* One step in all roles. `address` becomes what the recipient becomes, or who is in a header; false where neither can be
 * mapped, and the way ends. */
static bool
show_step(struct showing *showing, const struct conf_connector *connector, bool outwards, const char *given,
          struct address *address)
{
    struct address next = *address;
    bool mapped = false;
    if (showing->listing == NULL && strcmp(showing->way, "back") == 0)
        printf("and back:\n");
    for (int role = ROLE_ORIGINATOR; role <= ROLE_LISTED; role++) {
        struct address_row row = {.lookup = showing->lookup,
                                  .given = given,
                                  .way = showing->way,
                                  .connector = connector,
                                  .outwards = outwards,
                                  .role = (enum address_role)role,
                                  .address = *address};
        row.result = translate_once(showing->lookup, &row);
        if (row.result < 0 && role != ROLE_LISTED && strcmp(showing->way, "there") == 0)
            showing->failed = true;
        if (row.result == 0 && (role == ROLE_RESPONSIBLE || !mapped)) {
            next = row.becomes.address;
            mapped = true;
        }
        if (showing->listing != NULL)
            listing_add(showing->listing, &row);
        else
            print_row(&row);
    }
    *address = next;
    return mapped;
}

/* In from one side where that is foreign, then out to the other. Two sides of the host are one step that changes nothing. */
static bool
show_way(struct showing *showing, const struct side *from, const struct side *to, const char *given,
         struct address *address)
{
    bool mapped = true;
    if (from->connector != NULL)
        mapped = show_step(showing, from->connector, false, given, address);
    if (mapped && (to->connector != NULL || from->connector == NULL))
        mapped = show_step(showing, to->connector, true, from->connector != NULL ? NULL : given, address);
    return mapped;
}

/* Where nothing was said, the type of a foreign address, open or as a one-off, tells where it comes from. */
static int
guess_sides(struct lookup *lookup, const struct address *address, struct side *from)
{
    struct address inner = *address;
    struct why why;
    if (address_is_smtp(address) &&
        host_unwrap(lookup->command->root, address, lookup->arena, &inner, &why) != 0)
        return no_side(lookup->command, NULL);
    const char *type = arena_copy(lookup->arena, inner.type);
    return type != NULL ? find_side(lookup->command, type, from) : -ENOMEM;
}

static int
show_address(struct showing *showing, const struct side *from, const struct side *to, const char *text)
{
    struct side source = *from;
    struct address address;
    struct why why = {0};
    arena_reset(showing->lookup->arena);
    if (read_address(showing->lookup, from, text, &address, &why) < 0)
        return command_fail(EXIT_NOTHING, "%s: %s", text, why.text);
    int r = !from->given && !to->given ? guess_sides(showing->lookup, &address, &source) : 0;
    if (r == 0 && !from->given && to->connector != NULL && !address_is_smtp(&address) &&
        !span_equal(address.type, to->type)) /* over the host */
        r = guess_sides(showing->lookup, &address, &source);
    if (r != 0)
        return r;
    showing->way = "there";
    showing->failed = false;
    bool mapped = show_way(showing, &source, to, text, &address);
    showing->way = "back";
    if (mapped)
        show_way(showing, to, &source, NULL, &address);
    return showing->failed ? EXIT_NOTHING : EXIT_DONE;
}

int
address_show(struct command *command)
{
    struct lookup lookup;
    struct listing listing;
    struct side from, to;
    if (command->n_operands == 0)
        return command_usage(command, "which address?");
    int r = listing_init(&listing, command, address_fields, AF_COUNT,
                         "address,way,direction,role,becomes,rule,status,reason", address_get);
    if (r == 0)
        r = find_sides(command, &from, &to);
    if (r != 0)
        return r;
    lookup_open(&lookup, command);
    struct showing showing = {.lookup = &lookup, .listing = listing_wanted(command) ? &listing : NULL};
    for (size_t i = 0; i < command->n_operands; i++) {
        int one = show_address(&showing, &from, &to, command->operands[i]);
        r = r != EXIT_DONE ? r : one;
    }
    listing_end(&listing);
    lookup_close(&lookup);
    return r;
}
