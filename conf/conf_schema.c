/* conf_schema.c - config.def as tables (see conf_schema.h) */
#include "conf/conf_schema.h"

#include <stdarg.h>
#include <stdio.h>

/* Every section becomes a function that returns its table. A function, since its scope can hold the name `here`
 * for the struct whose members the lines describe: a line of config.def does not say which section it stands
 * in. */
#define SECTION(symbol, section_name, section_help)                                                            \
    static const struct conf_schema *schema_##symbol(void)                                                     \
    {                                                                                                          \
        typedef struct conf_##symbol here;                                                                     \
        _Static_assert(offsetof(here, title) == offsetof(struct conf_root, title) &&                           \
                           offsetof(here, set) == offsetof(struct conf_root, set) &&                           \
                           offsetof(here, place) == offsetof(struct conf_root, place),                         \
                       "all sections begin alike");                                                            \
        static const char name_here[] = section_name, help_here[] = section_help;                              \
        static const struct conf_item items[] = {
#define OPTION(member, option_kind, option_name, option_standard, option_help)                                 \
    {.what = CONF_OPTION,                                                                                      \
     .kind = CONF_##option_kind,                                                                               \
     .name = option_name,                                                                                      \
     .standard = option_standard,                                                                              \
     .help = option_help,                                                                                      \
     .offset = offsetof(here, member)},
#define ONE(member, symbol, item_name, item_help)                                                              \
    {.what = CONF_ONE,                                                                                         \
     .name = item_name,                                                                                        \
     .help = item_help,                                                                                        \
     .offset = offsetof(here, member),                                                                         \
     .section = schema_##symbol},
#define SOME(item_what, member, symbol, item_name, item_help)                                                  \
    {.what = item_what,                                                                                        \
     .name = item_name,                                                                                        \
     .help = item_help,                                                                                        \
     .offset = offsetof(here, member),                                                                         \
     .n_offset = offsetof(here, member##_n),                                                                   \
     .section = schema_##symbol},
#define MANY(member, symbol, item_name, item_help)   SOME(CONF_MANY, member, symbol, item_name, item_help)
#define SERIES(member, symbol, item_name, item_help) SOME(CONF_SERIES, member, symbol, item_name, item_help)
#define END()                                                                                                  \
    }                                                                                                          \
    ;                                                                                                          \
    static const struct conf_schema schema = {.name = name_here,                                               \
                                              .help = help_here,                                               \
                                              .items = items,                                                  \
                                              .n = COUNT_OF(items),                                            \
                                              .size_bytes = sizeof(here)};                                     \
    return &schema;                                                                                            \
    }
#include "conf/config.def"

const struct conf_schema *
conf_schema_root(void)
{
    return schema_root();
}

const struct conf_item *
conf_schema_find(const struct conf_schema *schema, struct span name)
{
    for (size_t i = 0; i < schema->n; i++)
        if (span_equal(span_of(schema->items[i].name), name))
            return &schema->items[i];
    return NULL;
}

bool
conf_item_is_list(const struct conf_item *item)
{
    return item->what == CONF_OPTION && (item->kind == CONF_TEXTS || item->kind == CONF_FILES);
}

const char **
conf_section_title(void *section)
{
    return (void *)((char *)section + offsetof(struct conf_root, title));
}

bool *
conf_section_set(void *section)
{
    return (void *)((char *)section + offsetof(struct conf_root, set));
}

struct conf_place *
conf_section_place(void *section)
{
    return (void *)((char *)section + offsetof(struct conf_root, place));
}

void *
conf_section_child(void *section, const struct conf_item *item, size_t i)
{
    char *member = (char *)section + item->offset;
    if (item->what == CONF_ONE)
        return i == 0 ? member : NULL;
    size_t n;
    char *array;
    memcpy(&n, (char *)section + item->n_offset, sizeof n);
    memcpy(&array, member, sizeof array);
    return i < n ? array + i * item->section()->size_bytes : NULL;
}

enum { NEAR_LEN = 40 };

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance with swapped neighbours as one edit; names are short (at most NEAR_LEN). */
static size_t
edit_distance(struct span a, struct span b)
{
    size_t rows[3][NEAR_LEN + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t swap = above[j - 1] + (a.at[i - 1] != b.at[j - 1]);
            row[j] = smaller(swap, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1])
                row[j] = smaller(row[j], second[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void
conf_nearest_offer(struct conf_nearest *nearest, struct span wanted, const char *name)
{
    struct span other = span_of(name);
    if (wanted.len == 0 || wanted.len > NEAR_LEN || other.len > NEAR_LEN)
        return;
    size_t distance = span_equal_nocase(wanted, other) ? 0 : edit_distance(wanted, other);
    bool near = distance <= 1 + wanted.len / 4 && distance < other.len && distance < wanted.len;
    if (near && (nearest->name == NULL || distance < nearest->distance))
        *nearest = (struct conf_nearest){name, distance};
}

static void
error_line(struct conf_errors *errors, const struct conf_place *place, const char *text, const char *meant)
{
    struct why line; /* for its replacing of control bytes */
    if (errors->n == CONF_ERRORS_MAX && errors->out != NULL)
        buf_add_text(errors->out, "more errors are not shown\n");
    if (errors->n++ >= CONF_ERRORS_MAX || errors->out == NULL)
        return;
    if (meant != NULL)
        why_set(&line, "", "%s; did you mean \"%s\"?", text, meant);
    else
        why_set(&line, "", "%s", text);
    buf_printf(errors->out, "%s:%d: %s\n", place->file, place->line, line.text);
}

void
conf_error(struct conf_errors *errors, const struct conf_place *place, const char *format, ...)
{
    char text[420];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_line(errors, place, text, NULL);
}

void
conf_error_nearest(struct conf_errors *errors, const struct conf_place *place, const struct conf_nearest *near,
                   const char *format, ...)
{
    char text[420];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_line(errors, place, text, near->name);
}

/* Depth first over the schema; a section that stands in several places is met several times, which harms
 * nothing. */
static const char *
home_of(const struct conf_schema *schema, struct span name)
{
    if (conf_schema_find(schema, name) != NULL)
        return schema->name[0] != '\0' ? schema->name : "the file itself, outside of any section";
    const char *home = NULL;
    for (size_t i = 0; i < schema->n && home == NULL; i++)
        if (schema->items[i].what != CONF_OPTION)
            home = home_of(schema->items[i].section(), name);
    return home;
}

const char *
conf_schema_home(struct span name)
{
    return home_of(conf_schema_root(), name);
}
