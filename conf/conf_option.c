/* conf_option.c - an option of a connector as text (see conf_option.h) */
#include "conf/conf_option.h"

#include "conf/conf_schema.h"

static bool
print_texts(const struct conf_texts *texts, struct buf *out)
{
    for (size_t i = 0; i < texts->n; i++)
        buf_printf(out, "%s%s", i > 0 ? "\n" : "", texts->at[i]);
    return texts->n > 0;
}

static bool
print_text(const char *text, struct buf *out)
{
    if (text == NULL)
        return false;
    buf_add_text(out, text);
    return true;
}

static bool
print_member(const struct conf_item *item, const void *member, struct buf *out)
{
    switch (item->kind) {
    case CONF_TEXTS:
    case CONF_FILES:
        return print_texts(member, out);
    case CONF_BOOL:
        return print_text(*(const bool *)member ? "yes" : "no", out);
    case CONF_NUMBER:
        buf_printf(out, "%ld", *(const long *)member);
        return true;
    case CONF_BYTES:
        buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)member);
        return true;
    case CONF_TIME:
    case CONF_TIME0:
        buf_printf(out, "%lld", (long long)*(const int64_t *)member);
        return true;
    case CONF_TEXT:
    case CONF_CHOICE:
    case CONF_FILE:
    case CONF_FOLDER:
    case CONF_SECRET:
        return print_text(*(const char *const *)member, out);
    }
    return false;
}

bool
conf_option_text(const struct conf_root *root, const struct conf_connector *connector, const char *name,
                 struct buf *out)
{
    const struct conf_item *item =
        conf_schema_find(conf_schema_root(), connector != NULL ? SPAN("connector") : SPAN("host"));
    const void *section = connector != NULL ? (const void *)connector : (const void *)&root->host;
    buf_reset(out);
    for (struct span rest = span_of(name); item != NULL && item->what != CONF_OPTION;) {
        const char *dot = rest.len > 0 ? memchr(rest.at, '.', rest.len) : NULL;
        struct span part = {rest.at, dot != NULL ? (size_t)(dot - rest.at) : rest.len};
        item = conf_schema_find(item->section(), part);
        if (item == NULL || item->what == CONF_MANY || item->what == CONF_SERIES)
            return false;
        section = (const char *)section + item->offset;
        rest = dot != NULL ? (struct span){dot + 1, rest.len - part.len - 1} : (struct span){NULL, 0};
    }
    return item != NULL && print_member(item, section, out);
}
