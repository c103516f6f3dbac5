/* conf_doc.c - config.def as prose: the options of viaduct.conf(5), and the sample file
 *
 * Both are made from the tables, so neither can tell of an option that the parser does not know.
 */
#include "conf/conf_schema.h"

enum { SCHEMAS_MAX = 64 };

/* All schemas, each once, those that contain others first. */
struct schemas {
    const struct conf_schema *at[SCHEMAS_MAX];
    size_t n;
};

static void
collect(struct schemas *schemas, const struct conf_schema *schema)
{
    for (size_t i = 0; i < schemas->n; i++)
        if (schemas->at[i] == schema)
            return;
    BUG_UNLESS(schemas->n < SCHEMAS_MAX);
    schemas->at[schemas->n++] = schema;
    for (size_t i = 0; i < schema->n; i++)
        if (schema->items[i].what != CONF_OPTION)
            collect(schemas, schema->items[i].section());
}

/* Text in a manual page: no control line, no escapes, each sentence on a line of its own. */
static void
add_mdoc(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_add_text(out, "\\&");
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            buf_add_text(out, "\\e");
        else if (*text == ' ' && out->at[out->len - 1] == '.' && text[1] >= 'A' && text[1] <= 'Z')
            buf_add_byte(out, '\n');
        else
            buf_add_byte(out, *text);
    }
    buf_add_byte(out, '\n');
}

/* "It stands in host, connector." */
static void
add_homes(struct buf *out, const struct schemas *schemas, const struct conf_schema *schema)
{
    const char *before = "It stands in";
    for (size_t i = 0; i < schemas->n; i++)
        for (size_t j = 0; j < schemas->at[i]->n; j++) {
            const struct conf_item *item = &schemas->at[i]->items[j];
            if (item->what == CONF_OPTION || item->section() != schema)
                continue;
            const char *home = schemas->at[i]->name;
            buf_printf(out, "%s %s", before, home[0] != '\0' ? home : "no other section");
            before = ",";
        }
    buf_add_text(out, ".\n");
}

static void
add_manual_item(struct buf *out, const struct conf_item *item)
{
    struct buf line = {0};
    if (item->what != CONF_OPTION) {
        buf_printf(out, ".It Ic %s%s\n", item->name, conf_item_has_title(item) ? " Ar name" : "");
        buf_printf(&line, "A section%s. %s", item->what == CONF_ONE ? "" : ", which may stand more than once",
                   item->help);
    } else {
        buf_printf(out, ".It Ic %s\n", item->name);
        add_mdoc(out, item->help);
        buf_add_text(out, ".br\n");
        conf_value_print_range(item, &line);
        line.at[0] = (char)(line.at[0] - 'a' + 'A');
        size_t begin = line.len;
        buf_add_text(&line, "; default ");
        conf_value_print_default(item, &line);
        if (line.len == begin + 10)
            line.len = begin;
        line.at[line.len] = '\0';
        buf_add_byte(&line, '.');
    }
    add_mdoc(out, line.at);
    buf_clear(&line);
}

void
conf_print_manual(struct buf *out)
{
    struct schemas schemas = {0};
    collect(&schemas, conf_schema_root());
    for (size_t i = 0; i < schemas.n; i++) {
        const struct conf_schema *schema = schemas.at[i];
        if (schema->name[0] == '\0') {
            buf_add_text(out, ".Ss Outside of any section\n");
        } else {
            buf_printf(out, ".Ss %s\n", schema->name);
            add_mdoc(out, schema->help);
            add_homes(out, &schemas, schema);
        }
        buf_add_text(out, ".Bl -tag -width Ds\n");
        for (size_t j = 0; j < schema->n; j++)
            add_manual_item(out, &schema->items[j]);
        buf_add_text(out, ".El\n");
    }
}

static void
add_sample_section(struct buf *out, const struct conf_schema *schema, int depth)
{
    struct buf value = {0};
    for (size_t i = 0; i < schema->n; i++) {
        const struct conf_item *item = &schema->items[i];
        buf_printf(out, "##%*s %s\n", depth * 4, "", item->help);
        if (item->what != CONF_OPTION) {
            buf_printf(out, "#%*s%s%s {\n", depth * 4, "", item->name,
                       conf_item_has_title(item) ? " \"NAME\"" : "");
            add_sample_section(out, item->section(), depth + 1);
            buf_printf(out, "#%*s}\n", depth * 4, "");
            continue;
        }
        conf_value_print_default(item, &value);
        if (value.len == 0)
            buf_add_text(&value, conf_item_is_list(item)   ? "{ \"...\" }"
                                 : item->kind == CONF_TIME ? "\"15m\""
                                                           : "\"...\"");
        buf_printf(out, "#%*s%s = %s\n", depth * 4, "", item->name, value.at);
        buf_reset(&value);
    }
    buf_clear(&value);
}

static const char sample_head[] =
    "# viaduct.conf - see viaduct.conf(5); `viaduct check` tells whether a file is sound\n"
    "#\n"
    "# A small configuration: the host's mail server on one side, one other SMTP system on the other.\n"
    "\n"
    "node = \"gw1\"\n"
    "admin-address = \"postmaster@contoso.example\"\n"
    "\n"
    "host {\n"
    "    domains = { \"contoso.example\" }\n"
    "    smtp    { listen = { \"127.0.0.1:2525\" } }\n"
    "    deliver { to = { \"smtp://127.0.0.1:2526\" } }\n"
    "}\n"
    "\n"
    "connector \"branch\" {\n"
    "    type = \"smtp\"\n"
    "    listen = { \"127.0.0.1:2527\" }\n"
    "    peer { to = { \"smtp://mx.branch.example:25\" } }\n"
    "    address-space { type = \"SMTP\"  pattern = \"*@branch.example\"  cost = 1 }\n"
    "}\n"
    "\n"
    "# Everything there is, with its default; an example or \"...\" where there is none. A line with ## tells "
    "what the next "
    "one means.\n"
    "\n";

void
conf_print_sample(struct buf *out)
{
    buf_add_text(out, sample_head);
    add_sample_section(out, conf_schema_root(), 0);
}
