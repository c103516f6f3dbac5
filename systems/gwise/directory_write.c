/* directory_write.c - requests to GroupWise's directory (see directory.h) */
#include <stdio.h>

#include "systems/gwise/api_write.h"
#include "systems/gwise/directory.h"

enum { KEY_CHARACTERS = 32, OBJECT_CHARACTERS = 64, ALIAS_CHARACTERS = 128 };

static const struct {
    const char *keyword;
    size_t characters;
} attributes[] = {
#define ATTRIBUTE(symbol, keyword, characters) {keyword, characters},
#include "systems/gwise/directory.def"
};

static const char *const groups[] = {"DS-User", "DS-Resource", "DS-Group", "DS-External-Post-Office"};
static const char *const operations[] = {"List", "Add", "Modify", "Delete"};

const char *
directory_keyword(enum directory_attribute attribute)
{
    return attributes[attribute].keyword;
}

/* ---- lines of a group ---- */

/* The first `most` characters of UTF-8. */
static struct span
cut(struct span text, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += ((unsigned char)text.at[i] & 0xc0) != 0x80;
        if (n > most)
            return (struct span){text.at, i};
    }
    return text;
}

static void
put(struct buf *out, const char *indented_key, struct span value, size_t characters)
{
    api_put(out, indented_key, cut(span_trim(value), characters));
}

/* The sign for "no value" is one backslash, which a value must escape. */
static void
put_attribute(struct buf *out, enum directory_attribute attribute, struct span value, bool clears)
{
    char key[40];
    snprintf(key, sizeof key, "    %s", attributes[attribute].keyword);
    if (span_trim(value).len > 0)
        put(out, key, value, attributes[attribute].characters);
    else if (clears)
        api_put(out, key, SPAN("\\"));
}

static void
put_aliases(struct buf *out, const struct directory_entry *entry)
{
    for (size_t i = 0; i < entry->n_aliases; i++) {
        buf_add_text(out, "    Gw-Alias= \r\n");
        put(out, "        Type", entry->aliases[i].type, KEY_CHARACTERS);
        put(out, "        External-Name", entry->aliases[i].name, ALIAS_CHARACTERS);
        out->len -= 2; /* closed on the same line */
        buf_add_text(out, "; \r\n");
    }
}

/* ---- files ---- */

void
directory_write_begin(struct buf *out)
{
    api_put_raw(out, "WPC-API", "1.2");
    api_put_raw(out, "Msg-Type", "Admin");
}

void
directory_write_end(struct buf *out)
{
    buf_add_text(out, "-END-\r\n");
}

void
directory_write_list(struct buf *out, struct span domain, struct span office)
{
    directory_write_begin(out);
    buf_add_text(out, "DS-User= \r\n");
    put(out, "    Domain", domain, KEY_CHARACTERS);
    put(out, "    Post-Office", office, KEY_CHARACTERS);
    api_put_raw(out, "    Operation", "List");
    api_put_raw(out, "    Visibility", "System");
    buf_add_text(out, "    Gw-Alias=; \r\n    ; \r\n");
    directory_write_end(out);
}

void
directory_write_get(struct buf *out)
{
    directory_write_begin(out);
    buf_add_text(out, "-GET-DIRECTORY- \r\n");
    directory_write_end(out);
}

bool
directory_write_entry(struct buf *out, enum directory_operation operation, const struct directory_entry *entry,
                      struct span own_domain)
{
    bool office = entry->kind == DIRECTORY_OFFICE;
    if (operation == DIRECTORY_LIST || own_domain.len == 0 ||
        !span_equal_nocase(span_trim(entry->domain), own_domain) || span_trim(entry->office).len == 0 ||
        (!office && span_trim(entry->object).len == 0))
        return false;
    buf_printf(out, "%s= \r\n", groups[entry->kind]);
    api_put_raw(out, "    Operation", operations[operation]);
    if (!office && operation != DIRECTORY_DELETE)
        put(out, "    Visibility", entry->visibility.len > 0 ? entry->visibility : SPAN("System"),
            KEY_CHARACTERS);
    put(out, "    Domain", entry->domain, KEY_CHARACTERS);
    put(out, "    Post-Office", entry->office, KEY_CHARACTERS);
    if (office && operation != DIRECTORY_DELETE)
        put(out, "    Time-Zone", entry->time_zone.len > 0 ? entry->time_zone : SPAN("gmt"), KEY_CHARACTERS);
    if (!office)
        put(out, "    Object", entry->object, OBJECT_CHARACTERS);
    for (unsigned i = 0; !office && operation != DIRECTORY_DELETE && i < DIRECTORY_ATTRIBUTES; i++)
        if (entry->has[i])
            put_attribute(out, (enum directory_attribute)i, entry->values[i], operation == DIRECTORY_MODIFY);
    if (!office && operation != DIRECTORY_DELETE)
        put_aliases(out, entry);
    buf_add_text(out, !office && operation != DIRECTORY_DELETE && entry->n_aliases > 0
                          ? "    ;\r\n"
                          : "    ; \r\n"); /* as Exchange's connector did */
    return true;
}
