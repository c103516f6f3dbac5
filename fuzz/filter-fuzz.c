/* filter-fuzz.c - filters and templates from anybody: the first line is a filter, the second a template, the rest values of an entry
 *
 * A filter that is read matches or not, and its double negation the same save where it is undefined; a template that is read makes
 * addresses that are some, or says why not.
 */
#include <errno.h>

#include "directory/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct span
line_of(struct span *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
    struct span line = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};
    *rest = (struct span){rest->at + line.len, rest->len - line.len};
    if (end != NULL)
        *rest = (struct span){rest->at + 1, rest->len - 1};
    return line;
}

static void
count_name(void *arg, struct span name)
{
    size_t *n = arg;
    BUG_UNLESS(name.len > 0);
    ++*n;
}

static void
try_filter(struct span text, const struct dir_entry *entry)
{
    struct why why = {.text = ""};
    struct dir_filter *filter = dir_filter_new(text, &why);
    struct buf twice = {0};
    size_t names = 0;
    if (filter == NULL) {
        BUG_UNLESS(why.text[0] != '\0');
        return;
    }
    dir_filter_names(filter, count_name, &names);
    BUG_UNLESS(names <= text.len);
    bool matches = dir_filter_matches_entry(filter, entry);
    buf_add_text(&twice, "(!(!");
    buf_add_span(&twice, text);
    buf_add_text(&twice, "))");
    struct dir_filter *double_negation = dir_filter_new(buf_span(&twice), &why);
    BUG_UNLESS(double_negation == NULL || dir_filter_matches_entry(double_negation, entry) == matches);
    dir_filter_free(double_negation);
    dir_filter_free(filter);
    buf_clear(&twice);
}

static void
try_template(struct span text, const struct dir_entry *entry)
{
    struct why why = {.text = ""};
    struct buf out = {0};
    bool good = address_template_check(text, &why) == 0;
    BUG_UNLESS(good || why.text[0] != '\0');
    for (unsigned number = 1; number < 12; number += 5) {
        int r = address_template(text, entry, number, &out, &why);
        BUG_UNLESS(good ? r == 0 || r == -ENODATA : r == -EINVAL);
        const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
        if (r != 0 || colon == NULL)
            continue;
        struct arena *arena = arena_new(4096);
        struct address address;
        struct span type = {text.at, (size_t)(colon - text.at)};
        BUG_UNLESS(address_make(type, buf_span(&out), false, arena, &address, NULL) == 0);
        arena_free(arena);
    }
    buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    union {
        const uint8_t *bytes;
        const char *text;
    } in = {bytes};
    struct span rest = {in.text, len}, filter = line_of(&rest), template = line_of(&rest);
    struct dir_entry entry = {.id = {"id", 2}, .kind = len % DIR_KINDS, .hidden = len % 2 == 0};
    for (size_t i = 0; i < DIR_ATTRIBUTES; i++)
        entry.value[i] = line_of(&rest);
    try_filter(filter, &entry);
    try_template(template, &entry);
    return 0;
}
