/* address_types.c - `viaduct address types`: which address types there are and who makes addresses of them; or what templates of
 * recipient policies give
 *
 * Types of systems that connectors name are among them, also where their modules come from outside.
 */
#include <stdlib.h>

#include "commands/listing.h"
#include "directory/policy.h"
#include "systems/registry.h"

/* ---- types ---- */

enum type_field {
    TF_TYPE,
    TF_GENERATOR,
    TF_MODULE,
    TF_VERSION,
    TF_LONGEST,
    TF_TEMPLATE,
    TF_CONNECTORS,
    TF_COUNT
};

static const struct field type_fields[TF_COUNT] = {
    [TF_TYPE] = {"type", FIELD_TEXT, COST_NAME, 8, "the address type", false},
    [TF_GENERATOR] = {"generator", FIELD_TEXT, COST_NAME, 9, "whose rules its templates have", false},
    [TF_MODULE] = {"module", FIELD_TEXT, COST_NAME, 10, "where the type comes from", false},
    [TF_VERSION] = {"version", FIELD_TEXT, COST_NAME, 8, "of the module", false},
    [TF_LONGEST] = {"longest", FIELD_NUMBER, COST_NAME, 7, "characters of an address", false},
    [TF_TEMPLATE] = {"template", FIELD_TEXT, COST_NAME, 40, "one to begin with", false},
    [TF_CONNECTORS] = {"connectors", FIELD_TEXT, COST_NAME, 0, "connectors whose system has it", true},
};

struct type_row {
    const struct conf_root *root;
    const struct address_type *type;
};

static const char *
type_of_connector(const struct conf_root *root, const struct conf_connector *connector)
{
    struct why why;
    const struct viaduct_system *system = registry_find(root, connector->type, &why);
    return system != NULL ? system->address_type : "";
}

static bool
get_connector(const struct type_row *row, size_t n, struct field_value *value)
{
    for (size_t i = 0; i < row->root->connectors_n; i++) {
        const struct conf_connector *connector = &row->root->connectors[i];
        if (span_equal_nocase(span_of(type_of_connector(row->root, connector)), span_of(row->type->name)) &&
            n-- == 0)
            return field_text(value, span_of(connector->title));
    }
    return false;
}

static bool
type_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct type_row *row = item;
    *value = (struct field_value){0};
    if (field == TF_CONNECTORS)
        return get_connector(row, i, value);
    if (i > 0)
        return false;
    switch ((enum type_field)field) {
    case TF_TYPE:
        return field_text(value, span_of(row->type->name));
    case TF_GENERATOR:
        return field_text(value, span_of(row->type->generator));
    case TF_MODULE:
        return field_text(value, span_of(row->type->module));
    case TF_VERSION:
        return field_text(value, span_of(row->type->version));
    case TF_LONGEST:
        value->number = (int64_t)row->type->longest;
        return true;
    default:
        return field_text(value, span_of(row->type->standard));
    }
}

/* A connector's system whose type nobody knows has templates of the plain generator. */
static void
add_modules(const struct conf_root *root, struct address_type *room)
{
    for (size_t i = 0; i < root->connectors_n; i++) {
        struct why why;
        const struct viaduct_system *system = registry_find(root, root->connectors[i].type, &why);
        if (system == NULL) {
            command_fail(EXIT_NOTHING, "connector %s: %s", root->connectors[i].title, why.text);
            continue;
        }
        room[i] = (struct address_type){system->address_type,
                                        "plain",
                                        system->name,
                                        system->version != NULL ? system->version : "",
                                        1000,
                                        NULL};
        address_type_add(&room[i]);
    }
}

static int
list_types(struct command *command)
{
    struct listing listing;
    const struct address_type *type;
    int r = listing_init(&listing, command, type_fields, TF_COUNT,
                         "type,generator,module,version,longest,template,connectors", type_get);
    if (r != 0)
        return r;
    for (size_t i = 0; (type = address_type_at(i)) != NULL; i++)
        if (!listing_add(&listing, &(struct type_row){command->root, type}))
            break;
    listing_end(&listing);
    return EXIT_DONE;
}

/* ---- templates ---- */

enum template_field { PF_TEMPLATE, PF_GENERATOR, PF_GIVES, PF_ALIKE, PF_REASON, PF_COUNT };

static const struct field template_fields[PF_COUNT] = {
    [PF_TEMPLATE] = {"template", FIELD_TEXT, COST_NAME, 30, "as it was given", false},
    [PF_GENERATOR] = {"generator", FIELD_TEXT, COST_NAME, 9, "whose rules it has", false},
    [PF_GIVES] = {"gives", FIELD_TEXT, COST_NAME, 34, "what Ann B. Beebe, alias ann.beebe, would get", false},
    [PF_ALIKE] = {"alike", FIELD_TEXT, COST_NAME, 34, "... and the next one of that name", false},
    [PF_REASON] = {"reason", FIELD_TEXT, COST_NAME, 0, "why it cannot be", false},
};

struct template_row {
    struct span template;
    const char *generator;
    struct buf gives, alike;
    struct why why;
};

static bool
template_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct template_row *row = item;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    switch ((enum template_field)field) {
    case PF_TEMPLATE:
        return field_text(value, row->template);
    case PF_GENERATOR:
        return field_text(value, span_of(row->generator));
    case PF_GIVES:
        return field_text(value, buf_span(&row->gives));
    case PF_ALIKE:
        return field_text(value, buf_span(&row->alike));
    default:
        return field_text(value, span_of(row->why.text));
    }
}

static int
show_template(struct listing *listing, const char *text)
{
    struct template_row row = {.template = span_of(text), .generator = "plain"};
    struct dir_entry sample = {.id = SPAN("sample"), .kind = DIR_MAILBOX};
    struct span type = {text, strcspn(text, ":")};
    sample.value[DIR_DISPLAY] = SPAN("Ann B. Beebe");
    sample.value[DIR_GIVEN] = SPAN("Ann");
    sample.value[DIR_INITIALS] = SPAN("B");
    sample.value[DIR_SURNAME] = SPAN("Beebe");
    sample.value[DIR_ALIAS] = SPAN("ann.beebe");
    const struct address_type *known = address_type_find(type);
    if (known != NULL)
        row.generator = known->generator;
    int r = address_template(row.template, &sample, 1, &row.gives, &row.why);
    if (r == 0)
        r = address_template(row.template, &sample, 2, &row.alike, &row.why);
    if (r == 0)
        row.why.text[0] = '\0';
    listing_add(listing, &row);
    buf_clear(&row.gives);
    buf_clear(&row.alike);
    return r == 0 ? EXIT_DONE : EXIT_NOTHING;
}

static int
list_templates(struct command *command)
{
    struct listing listing;
    int r =
        listing_init(&listing, command, template_fields, PF_COUNT, "template,gives,alike,reason", template_get);
    if (r != 0)
        return r;
    r = EXIT_DONE;
    for (size_t i = 0; i < command->n_operands; i++) {
        int one = show_template(&listing, command->operands[i]);
        r = r != EXIT_DONE ? r : one;
    }
    listing_end(&listing);
    return r;
}

int
address_types(struct command *command)
{
    struct address_type *room =
        xcalloc(command->root->connectors_n + 1, sizeof *room); /* lives as long as the registry */
    add_modules(command->root, room);
    return command->n_operands > 0 ? list_templates(command) : list_types(command);
}
