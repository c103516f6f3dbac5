/* conf_read.c - from a file to a configuration
 *
 * Three steps: the guard (conf_scan.c) reports what is wrong with the form and leaves the sound statements;
 * libconfuse parses these; the values fill the structs, with defaults for the rest. Then conf_check.c looks at
 * what options mean together. Errors of one step do not hide those of the step before; the last runs only when
 * all else is well, so that one mistake is not reported as three.
 *
 * Hostile here: the text, through the guard only. libconfuse keeps its scanner in global variables: one
 * configuration at a time is read in a process.
 */
#include <confuse.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf_schema.h"

struct reader {
    struct conf *conf;
    struct conf_errors *errors;
    bool files; /* open the files that are named */
};

void *
conf_alloc(struct conf *conf, size_t size)
{
    void *memory = arena_alloc(conf->arena, size);
    BUG_UNLESS(memory != NULL); /* the arena has no cap: what a file may hold has */
    return memory;
}

const char *
conf_copy(struct conf *conf, struct span text)
{
    const char *copy = arena_copy(conf->arena, text);
    BUG_UNLESS(copy != NULL);
    return copy;
}

static int
compare_origins(const void *a, const void *b)
{
    const struct conf_origin *x = a, *y = b;
    return x->member < y->member ? -1 : x->member > y->member;
}

const struct conf_place *
conf_origin(const struct conf *conf, const void *member)
{
    struct conf_origin key = {.member = member};
    if (conf->origins_n == 0)
        return NULL;
    const struct conf_origin *found =
        bsearch(&key, conf->origins, conf->origins_n, sizeof *conf->origins, compare_origins);
    return found != NULL ? &found->place : NULL;
}

static void
add_origin(struct conf *conf, const void *member, struct conf_place place)
{
    if (conf->origins_n == conf->origins_size) {
        conf->origins_size = conf->origins_size > 0 ? conf->origins_size * 2 : 64;
        conf->origins = xrealloc(conf->origins, conf->origins_size * sizeof *conf->origins);
    }
    conf->origins[conf->origins_n++] = (struct conf_origin){member, place};
}

/* libconfuse's own table of a section; it copies it. Recursion as deep as the schema. No defaults: a section
 * that does not stand in the file costs nothing. */
static cfg_opt_t *
parser_table(struct conf *conf, const struct conf_schema *schema)
{
    cfg_opt_t *table = conf_alloc(conf, (schema->n + 1) * sizeof *table);
    for (size_t i = 0; i < schema->n; i++) {
        const struct conf_item *item = &schema->items[i];
        cfg_opt_t *row = &table[i];
        row->name = item->name;
        row->type = item->what == CONF_OPTION ? CFGT_STR : CFGT_SEC;
        row->flags = CFGF_NODEFAULT;
        if (conf_item_is_list(item))
            row->flags |= CFGF_LIST;
        if (item->what == CONF_MANY ||
            item->what == CONF_SERIES) /* without titles: it would search them one by one */
            row->flags |= CFGF_MULTI;
        if (item->what != CONF_OPTION)
            row->subopts = parser_table(conf, item->section());
    }
    return table;
}

static void
resolve_files(struct reader *reader, const struct conf_item *item, struct conf_place place,
              struct conf_texts *texts)
{
    struct why why;
    if (!reader->files || (item->kind != CONF_FILE && item->kind != CONF_FILES && item->kind != CONF_FOLDER &&
                           item->kind != CONF_SECRET))
        return;
    for (size_t i = 0; i < texts->n; i++) {
        texts->at[i] = conf_file_resolve(reader->conf, place.file, texts->at[i]);
        if (item->kind != CONF_FOLDER && conf_file_check(item->kind, texts->at[i], &why) < 0)
            conf_error(reader->errors, &place, "%s: %s", item->name, why.text);
    }
}

static void
fill_option(struct reader *reader, cfg_t *parsed, const struct conf_item *item, const struct conf_seen *seen,
            char *member)
{
    struct conf *conf = reader->conf;
    struct conf_texts texts = {0};
    struct why why;
    cfg_opt_t *option = cfg_getopt(parsed, item->name);
    conf_value_default(conf, item, member);
    texts.n = option != NULL ? cfg_opt_size(option) : 0;
    if (texts.n != 1 && !conf_item_is_list(item)) {
        conf_error(reader->errors, &seen->place, "%s was not understood", item->name);
        return;
    }
    texts.at = conf_alloc(conf, texts.n * sizeof *texts.at);
    for (size_t i = 0; i < texts.n; i++)
        texts.at[i] = conf_copy(conf, span_of(cfg_opt_getnstr(option, (unsigned)i)));
    resolve_files(reader, item, seen->place, &texts);
    if (conf_value_parse(conf, item, &texts, member, &why) < 0)
        conf_error(reader->errors, &seen->place, "%s", why.text);
    add_origin(conf, member, seen->place);
}

/* A section that does not stand in the file: its defaults, and those of the sections within. */
static void
fill_defaults(struct conf *conf, const struct conf_schema *schema, char *section)
{
    *conf_section_title(section) = "";
    *conf_section_place(section) = conf->root.place;
    for (size_t i = 0; i < schema->n; i++) {
        const struct conf_item *item = &schema->items[i];
        if (item->what == CONF_OPTION)
            conf_value_default(conf, item, section + item->offset);
        else if (item->what == CONF_ONE)
            fill_defaults(conf, item->section(), section + item->offset);
    }
}

static void fill_section(struct reader *reader, cfg_t *parsed, const struct conf_scanned *scanned,
                         char *section);

/* All sub-sections of one name. The guard counted them in the order in which libconfuse keeps them. */
static void
fill_sections(struct reader *reader, cfg_t *parsed, const struct conf_item *item, const struct conf_seen *seen,
              char *section)
{
    const struct conf_schema *schema = item->section();
    char *children = section + item->offset;
    if (cfg_size(parsed, item->name) != seen->n) {
        conf_error(reader->errors, &seen->place, "%s was not understood", item->name);
        return;
    }
    if (item->what != CONF_ONE) {
        children = conf_alloc(reader->conf, seen->n * schema->size_bytes);
        memcpy(section + item->offset, &children, sizeof children);
        memcpy(section + item->n_offset, &seen->n, sizeof seen->n);
    }
    unsigned n = 0;
    for (const struct conf_scanned *child = seen->first; child != NULL; child = child->next, n++)
        fill_section(reader, cfg_getnsec(parsed, item->name, n), child, children + n * schema->size_bytes);
}

static void
fill_section(struct reader *reader, cfg_t *parsed, const struct conf_scanned *scanned, char *section)
{
    const struct conf_schema *schema = scanned->schema;
    *conf_section_title(section) = scanned->title.at;
    *conf_section_set(section) = true;
    *conf_section_place(section) = scanned->place;
    for (size_t i = 0; i < schema->n; i++) {
        const struct conf_item *item = &schema->items[i];
        const struct conf_seen *seen = &scanned->seen[i];
        if (item->what != CONF_OPTION && seen->set)
            fill_sections(reader, parsed, item, seen, section);
        else if (item->what == CONF_ONE)
            fill_defaults(reader->conf, item->section(), section + item->offset);
        else if (item->what == CONF_OPTION && seen->set)
            fill_option(reader, parsed, item, seen, section + item->offset);
        else if (item->what == CONF_OPTION)
            conf_value_default(reader->conf, item, section + item->offset);
    }
}

/* The node's name is part of the configuration, so that all workers of a generation use the same. */
static void
name_node(struct conf *conf)
{
    char name[256];
    if (conf->root.node != NULL || gethostname(name, sizeof name) < 0)
        return;
    name[sizeof name - 1] = '\0';
    conf->root.node = conf_copy(conf, span_of(name));
}

/* The guard lets nothing through that libconfuse refuses; this is for the day when one of them is mistaken. */
static void
keep_message(cfg_t *parsed, const char *format, va_list args)
{
    (void)parsed;
    (void)format;
    (void)args;
}

static void
parse(struct reader *reader, const struct conf_scanned *scanned, const struct buf *clean)
{
    struct conf *conf = reader->conf;
    cfg_t *parsed = cfg_init(parser_table(conf, conf_schema_root()), CFGF_NONE);
    BUG_UNLESS(parsed != NULL);
    cfg_set_error_function(parsed, keep_message);
    if (clean->len > 0 && cfg_parse_buf(parsed, clean->at) != CFG_SUCCESS)
        conf_error(reader->errors, &scanned->place, "the file was not understood");
    else
        fill_section(reader, parsed, scanned, (char *)&conf->root);
    cfg_free(parsed);
}

static struct conf *
read_text(const char *name, struct span text, bool files, struct buf *messages)
{
    struct conf *conf = xcalloc(1, sizeof *conf);
    struct conf_errors errors = {.out = messages};
    struct reader reader = {conf, &errors, files};
    struct buf clean = {0};
    conf->arena = arena_new(SIZE_MAX / 4);
    name = conf_copy(conf, span_of(name));
    conf->root.place = (struct conf_place){name, 1};
    const struct conf_scanned *scanned = conf_scan(conf, name, text, files, &clean, &errors);
    if (scanned != NULL) {
        parse(&reader, scanned, &clean);
        name_node(conf);
        if (conf->origins_n > 0)
            qsort(conf->origins, conf->origins_n, sizeof *conf->origins, compare_origins);
        if (errors.n == 0)
            conf_check(conf, &errors);
    }
    buf_clear(&clean);
    if (scanned != NULL && errors.n == 0)
        return conf;
    conf_free(conf);
    return NULL;
}

struct conf *
conf_read(const char *name, struct span text, struct buf *errors)
{
    return read_text(name, text, false, errors);
}

/* A worker must be able to read the snapshot of what was loaded. An odd path (a folder's name with a line end,
 * say) could make one that it refuses: better told here than by a worker that does not start. */
static struct conf *
handed_on(struct conf *conf, struct buf *errors)
{
    struct buf snapshot = {0};
    if (conf == NULL)
        return NULL;
    conf_print(conf, false, &snapshot);
    struct conf *copy = conf_read("snapshot of the configuration", buf_span(&snapshot), errors);
    buf_clear(&snapshot);
    if (copy == NULL) {
        conf_free(conf);
        return NULL;
    }
    conf_free(copy);
    return conf;
}

struct conf *
conf_load(const char *path, struct buf *errors)
{
    struct buf text = {0};
    struct why why;
    struct conf *conf = NULL;
    if (conf_file_slurp(path, &text, &why) == 0)
        conf = handed_on(read_text(path, buf_span(&text), true, errors), errors);
    else if (errors != NULL)
        buf_printf(errors, "%s:0: %s\n", path, why.text);
    buf_clear(&text);
    return conf;
}

void
conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    arena_free(conf->arena);
    free(conf->origins);
    free(conf);
}

const struct conf_root *
conf_root(const struct conf *conf)
{
    return &conf->root;
}

const struct conf_connector *
conf_connector_find(const struct conf_root *root, const char *name)
{
    for (size_t i = 0; i < root->connectors_n; i++)
        if (span_equal(span_of(root->connectors[i].title), span_of(name)))
            return &root->connectors[i];
    return NULL;
}
