/* conf_print.c - a configuration in its own syntax, and `config explain`
 *
 * What is printed is read again by every worker, so it must give the same configuration: sections that do not
 * stand in the file are printed as comments, since to read them would make them stand there.
 */
#include "conf/conf_schema.h"

struct printer {
    struct buf *out;
    bool changed_only;
    bool comment;
    int depth;
};

static void
begin_line(const struct printer *printer)
{
    buf_printf(printer->out, "%s%*s", printer->comment ? "# " : "", printer->depth * 4, "");
}

static void
print_option(const struct printer *printer, const struct conf_item *item, const void *member)
{
    struct buf value = {0};
    conf_value_print(item, member, &value);
    if (value.len > 0 && !(printer->changed_only && conf_value_is_default(item, member))) {
        begin_line(printer);
        buf_printf(printer->out, "%s = %s\n", item->name, value.at);
    }
    buf_clear(&value);
}

/* Recursion as deep as the schema. Sections are only read: the pointers of conf_schema.h serve its writers too.
 */
static void
print_section(const struct printer *printer, const struct conf_schema *schema, void *section)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct conf_item *item = &schema->items[i];
        if (item->what == CONF_OPTION) {
            print_option(printer, item, (char *)section + item->offset);
            continue;
        }
        void *child;
        for (size_t n = 0; (child = conf_section_child(section, item, n)) != NULL; n++) {
            struct printer inner = *printer;
            inner.comment = printer->comment || !*conf_section_set(child);
            inner.depth++;
            if (inner.comment && printer->changed_only)
                continue;
            struct printer outer = inner;
            outer.depth--;
            begin_line(&outer);
            if (conf_item_has_title(item))
                buf_printf(printer->out, "%s \"%s\" {\n", item->name, *conf_section_title(child));
            else
                buf_printf(printer->out, "%s {\n", item->name);
            print_section(&inner, item->section(), child);
            begin_line(&outer);
            buf_add_text(printer->out, "}\n");
        }
    }
}

void
conf_print(const struct conf *conf, bool changed_only, struct buf *out)
{
    struct conf_root root = conf->root; /* what it points to is not written either */
    struct printer printer = {.out = out, .changed_only = changed_only};
    print_section(&printer, conf_schema_root(), &root);
}

/* ---- option by option ---- */

struct teller {
    const struct conf *conf;
    struct conf_root root; /* a copy, only read: see conf_print() */
    bool changed_only, ended;
    bool (*each)(const struct conf_setting *setting, void *arg);
    void *arg;
    struct buf key;
};

/* Members of the root's copy were set under another address: that of the root itself. */
static const struct conf_place *
place_of(const struct conf *conf, const struct conf_root *copy, const char *member)
{
    const char *start = (const char *)copy;
    bool inside = member >= start && member < start + sizeof *copy;
    return conf_origin(conf, inside ? (const char *)&conf->root + (member - start) : member);
}

static void
tell_option(struct teller *teller, const struct conf_item *item, const char *member)
{
    struct buf value = {0};
    bool standard = conf_value_is_default(item, member);
    conf_value_print(item, member, &value);
    if (value.len > 0 && !(teller->changed_only && standard))
        teller->ended =
            !teller->each(&(struct conf_setting){.key = teller->key.at,
                                                 .value = value.at,
                                                 .standard = standard,
                                                 .place = place_of(teller->conf, &teller->root, member)},
                          teller->arg);
    buf_clear(&value);
}

/* Recursion as deep as the schema. A series without titles is numbered. */
static void
tell_section(struct teller *teller, const struct conf_schema *schema, void *section)
{
    size_t len = teller->key.len;
    for (size_t i = 0; i < schema->n && !teller->ended; i++) {
        const struct conf_item *item = &schema->items[i];
        void *child;
        if (item->what == CONF_OPTION) {
            buf_printf(&teller->key, "%s%s", len > 0 ? "." : "", item->name);
            tell_option(teller, item, (char *)section + item->offset);
        }
        for (size_t n = 0; item->what != CONF_OPTION && (child = conf_section_child(section, item, n)) != NULL;
             n++) {
            if (!*conf_section_set(child))
                continue;
            teller->key.len = len;
            buf_printf(&teller->key, "%s%s", len > 0 ? "." : "", item->name);
            if (conf_item_has_title(item))
                buf_printf(&teller->key, ".%s", *conf_section_title(child));
            else if (n > 0)
                buf_printf(&teller->key, ".%zu", n + 1);
            tell_section(teller, item->section(), child);
        }
        teller->key.len = len;
    }
}

void
conf_each(const struct conf *conf, bool changed_only,
          bool (*each)(const struct conf_setting *setting, void *arg), void *arg)
{
    struct teller teller = {
        .conf = conf, .root = conf->root, .changed_only = changed_only, .each = each, .arg = arg};
    tell_section(&teller, conf_schema_root(), &teller.root);
    buf_clear(&teller.key);
}

struct explainer {
    const struct conf *conf;
    struct conf_root root;
    struct span key;
    struct buf *out;
    struct conf_nearest nearest;
    int n;
};

/* Shows one value with where it comes from. */
static void
show_value(struct explainer *explainer, const struct conf_item *item, const char *member, const char *label)
{
    const struct conf_place *place = place_of(explainer->conf, &explainer->root, member);
    struct buf value = {0};
    conf_value_print(item, member, &value);
    buf_printf(explainer->out, "    now %s%s%s", value.len > 0 ? value.at : "not set",
               label[0] != '\0' ? " in" : "", label);
    if (place != NULL)
        buf_printf(explainer->out, " (%s:%d)\n", place->file, place->line);
    else
        buf_add_text(explainer->out, " (default)\n");
    buf_clear(&value);
}

/* Follows a dotted path down from `section` to all values that it names. */
static void
show_values(struct explainer *explainer, const struct conf_schema *schema, void *section, struct span path,
            struct buf *label)
{
    const char *dot = memchr(path.at, '.', path.len);
    struct span first = {path.at, dot != NULL ? (size_t)(dot - path.at) : path.len};
    const struct conf_item *item = conf_schema_find(schema, first);
    BUG_UNLESS(item != NULL);
    if (item->what == CONF_OPTION) {
        show_value(explainer, item, (char *)section + item->offset, label->len > 0 ? label->at : "");
        return;
    }
    struct span rest = {path.at + first.len + 1, path.len - first.len - 1};
    size_t len = label->len;
    void *child;
    for (size_t i = 0; (child = conf_section_child(section, item, i)) != NULL; i++) {
        buf_printf(label, " %s", item->name);
        if (conf_item_has_title(item))
            buf_printf(label, " \"%s\"", *conf_section_title(child));
        show_values(explainer, item->section(), child, rest, label);
        label->len = len;
        label->at[len] = '\0';
    }
}

static void
explain_option(struct explainer *explainer, const struct conf_item *item, struct span path)
{
    struct buf label = {0}, standard = {0};
    buf_printf(explainer->out, "%.*s: ", (int)path.len, path.at);
    conf_value_print_range(item, explainer->out);
    conf_value_print_default(item, &standard);
    buf_printf(explainer->out, "%s%s\n    %s\n", standard.len > 0 ? "; default " : "",
               standard.len > 0 ? standard.at : "", item->help);
    if (explainer->conf != NULL)
        show_values(explainer, conf_schema_root(), &explainer->root, path, &label);
    explainer->n++;
    buf_clear(&label);
    buf_clear(&standard);
}

/* The key is the path, or its end behind a dot. */
static bool
is_named(struct span path, struct span key)
{
    if (path.len < key.len || !span_equal((struct span){path.at + path.len - key.len, key.len}, key))
        return false;
    return path.len == key.len || path.at[path.len - key.len - 1] == '.';
}

static void
explain_schema(struct explainer *explainer, const struct conf_schema *schema, struct buf *path, bool named)
{
    size_t len = path->len;
    const char *dot = memrchr(explainer->key.at, '.', explainer->key.len);
    struct span last = explainer->key;
    if (dot != NULL)
        last = (struct span){dot + 1, (size_t)(last.at + last.len - dot - 1)};
    for (size_t i = 0; i < schema->n; i++) {
        const struct conf_item *item = &schema->items[i];
        buf_printf(path, "%s%s", len > 0 ? "." : "", item->name);
        bool this_one = is_named(buf_span(path), explainer->key);
        conf_nearest_offer(&explainer->nearest, last, item->name);
        if (item->what != CONF_OPTION) {
            if (this_one)
                buf_printf(explainer->out, "%s: a section%s\n    %s\n", path->at,
                           conf_item_has_title(item) ? " with a title" : "", item->help);
            explain_schema(explainer, item->section(), path, this_one);
        } else if (this_one || named) {
            explain_option(explainer, item, buf_span(path));
        }
        path->len = len;
        path->at[len] = '\0';
    }
}

int
conf_explain(const struct conf *conf, const char *key, struct buf *out)
{
    struct explainer explainer = {.conf = conf, .key = span_of(key), .out = out};
    struct buf path = {0};
    if (conf != NULL)
        explainer.root = conf->root;
    if (explainer.key.len > 0)
        explain_schema(&explainer, conf_schema_root(), &path, false);
    if (explainer.n == 0 && explainer.nearest.name != NULL)
        buf_printf(out, "%s is not known; did you mean \"%s\"?\n", key, explainer.nearest.name);
    else if (explainer.n == 0)
        buf_printf(out, "%s is not known\n", key);
    buf_clear(&path);
    return explainer.n;
}
