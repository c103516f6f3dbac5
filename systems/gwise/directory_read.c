/* directory_read.c - answers of GroupWise's directory (see directory.h) */
#include <errno.h>

#include "systems/gwise/directory.h"

static const struct {
    const char *keyword;
    enum directory_kind kind;
} groups[] = {{"DS-User", DIRECTORY_USER},
              {"DS-Resource", DIRECTORY_RESOURCE},
              {"DS-Group", DIRECTORY_GROUP},
              {"DS-External-Post-Office", DIRECTORY_OFFICE}};

static bool
is_group(const struct api_item *item, enum directory_kind *kind)
{
    for (size_t i = 0; item->kind == API_GROUP && i < COUNT_OF(groups); i++)
        if (span_equal_nocase(item->key, span_of(groups[i].keyword))) {
            *kind = groups[i].kind;
            return true;
        }
    return false;
}

static void
fill(const struct api_item *element, enum directory_kind kind, struct directory_entry *entry)
{
    *entry = (struct directory_entry){.kind = kind,
                                      .domain = api_text(element, "Domain"),
                                      .office = api_text(element, "Post-Office"),
                                      .object = api_text(element, "Object"),
                                      .visibility = api_text(element, "Visibility"),
                                      .time_zone = api_text(element, "Time-Zone")};
    for (unsigned i = 0; i < DIRECTORY_ATTRIBUTES; i++) {
        const char *keyword = directory_keyword((enum directory_attribute)i);
        entry->has[i] = api_find(element, keyword) != NULL;
        entry->values[i] = span_trim(api_text(element, keyword));
    }
    const struct api_item *alias = api_find(element, "Gw-Alias");
    for (; alias != NULL && entry->n_aliases < DIRECTORY_ALIASES_MAX; alias = api_find_next(alias)) {
        struct directory_alias *to = &entry->aliases[entry->n_aliases];
        to->type = api_text(alias->children, "Type");
        to->name = api_text(alias->children, "External-Name");
        entry->n_aliases += to->name.len > 0;
    }
}

/* ---- is it the answer? ---- */

static int
no_answer(struct why *why, const char *what, struct span value)
{
    why_set(why, "5.6.0", "%s%s%.*s: it is no answer to what was asked", what, value.len > 0 ? " " : "",
            (int)(value.len < 100 ? value.len : 100), value.at);
    return -EBADMSG;
}

static int
check_entry(const struct api_item *element, enum directory_kind kind, const struct directory_scope *scope,
            struct why *why)
{
    struct span operation = api_text(element, "Operation"), domain = api_text(element, "Domain"),
                office = api_text(element, "Post-Office"), object = api_text(element, "Object");
    if (!span_equal_nocase(operation, SPAN("List")))
        return no_answer(why, "it holds an entry with the operation", operation);
    if (domain.len == 0 || office.len == 0 || (kind != DIRECTORY_OFFICE && object.len == 0))
        return no_answer(why, "it holds an entry without domain, post office or object, after", object);
    if (!scope->everything && !span_equal_nocase(domain, scope->domain))
        return no_answer(why, "it names the domain", domain);
    if (!scope->everything && !span_equal_nocase(office, scope->office))
        return no_answer(why, "it names the post office", office);
    return 0;
}

static int
check(const struct api_file *file, const struct directory_scope *scope, struct why *why)
{
    enum directory_kind kind;
    int n = 0, r = 0;
    if (!file->ended)
        return no_answer(why, "the file ends early", (struct span){"", 0});
    if (!span_equal_nocase(api_text(&file->root, "Msg-Type"), SPAN("Admin")))
        return no_answer(why, "its Msg-Type is", api_text(&file->root, "Msg-Type"));
    for (const struct api_item *item = file->root.children; r == 0 && item != NULL; item = item->next)
        for (const struct api_item *e = is_group(item, &kind) ? item->children : NULL; r == 0 && e != NULL;
             e = e->next) {
            r = check_entry(e, kind, scope, why);
            n++;
        }
    if (r == 0 && n == 0)
        return no_answer(why, "it holds no entry", (struct span){"", 0});
    return r < 0 ? r : n;
}

int
directory_read(const struct api_file *file, const struct directory_scope *scope,
               bool (*each)(void *arg, const struct directory_entry *entry), void *arg, struct why *why)
{
    enum directory_kind kind;
    struct directory_entry entry;
    bool on = true;
    int n = check(file, scope, why);
    for (const struct api_item *item = file->root.children; n > 0 && on && item != NULL; item = item->next)
        for (const struct api_item *e = is_group(item, &kind) ? item->children : NULL; on && e != NULL;
             e = e->next) {
            fill(e, kind, &entry);
            on = each(arg, &entry);
        }
    return n;
}
