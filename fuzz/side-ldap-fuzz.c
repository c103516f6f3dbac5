/* side-ldap-fuzz.c - any octets as what an LDAP server holds of somebody
 *
 * The first octet says what kind of server it is; then names and values in lines, "name=value", with the DN first. Beside not
 * crashing: what comes of it is text without control octets and can be put into a set, and what stands under a mark of ours is so
 * marked.
 */
#include <stdlib.h>

#include "common/utf8.h"
#include "directory/side_ldap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf_directory directory;
static struct side_names names[SIDE_KINDS];
static struct side_reader reader;
static struct side_raw raw;
static struct span values[4096];

static void
make(void)
{
    static const char *out[] = {"info=no"};
    struct why why;
    directory.opt_out = (struct conf_texts){out, 1};
    for (unsigned kind = 0; kind < SIDE_KINDS; kind++) {
        directory.mark = kind == SIDE_AD ? NULL : "description";
        BUG_UNLESS(side_names_init(&names[kind], (enum side_kind)kind, &directory, kind == SIDE_AD, NULL, NULL,
                                   &why) == 0);
        side_names_ask(&names[kind], SPAN("info"));
        side_names_seal(&names[kind]);
    }
    reader.directory = &directory;
    reader.arena = arena_new(64 << 20);
    reader.proxies = xcalloc(DIR_PROXIES_MAX, sizeof *reader.proxies);
}

static struct span
next_line(struct span *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
    struct span line = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};
    size_t used = line.len + (end != NULL);
    *rest = (struct span){rest->at + used, rest->len - used};
    return line;
}

static struct span
name_of(struct span line, struct span *value)
{
    const char *equals = line.len > 0 ? memchr(line.at, '=', line.len) : NULL;
    size_t len = equals != NULL ? (size_t)(equals - line.at) : line.len;
    *value = equals != NULL ? (struct span){equals + 1, line.len - len - 1} : (struct span){NULL, 0};
    return (struct span){line.at, len};
}

/* Lines of the same name, one behind the other, are values of one attribute. */
static void
fill(struct span rest)
{
    struct span last = {NULL, 0}, value;
    size_t n = 0, first = 0;
    side_raw_begin(&raw, next_line(&rest));
    while (rest.len > 0 && n < COUNT_OF(values)) {
        struct span name = name_of(next_line(&rest), &value);
        if (n > first && !span_equal_nocase(name, last)) {
            side_raw_attribute(&raw, reader.names, last, values + first, n - first);
            first = n;
        }
        last = name;
        values[n++] = value;
    }
    if (n > first)
        side_raw_attribute(&raw, reader.names, last, values + first, n - first);
}

static void
judge(const struct dir_entry *entry)
{
    struct dir_set *set = dir_set_new();
    struct why why;
    struct span dirsync, source;
    BUG_UNLESS(entry->id.len > 0 || raw.dn.len == 0 || entry->broken);
    BUG_UNLESS(utf8_printable(entry->name) && utf8_printable(entry->mark) && utf8_printable(entry->trouble));
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        BUG_UNLESS(utf8_printable(entry->value[i]) && entry->value[i].len <= SIDE_VALUE_MAX);
    for (size_t i = 0; i < entry->n_proxies; i++)
        BUG_UNLESS(address_check(&entry->proxies[i].address, false, &why) == 0);
    for (size_t i = 0; i < entry->n_members; i++)
        BUG_UNLESS(utf8_printable(entry->members[i]) && entry->members[i].len <= DIR_NAME_MAX);
    if (entry->target.type.len > 0)
        BUG_UNLESS(address_check(&entry->target, false, &why) == 0);
    if (dir_mark_parse(entry->mark, &dirsync, &source))
        BUG_UNLESS(side_raw_slot(&raw, SLOT_MARK).n > 0);
    if (entry->id.len > 0)
        BUG_UNLESS(dir_set_put(set, entry, &why) != SIZE_MAX);
    dir_set_free(set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dir_entry entry;
    struct buf out = {0};
    if (reader.arena == NULL)
        make();
    if (size == 0)
        return 0;
    reader.names = &names[data[0] % SIDE_KINDS];
    reader.host = (data[0] & 4) != 0;
    fill((struct span){(const char *)data + 1, size - 1});
    if (side_entry_map(&reader, &raw, &entry))
        judge(&entry);
    side_notes_abbreviate(raw.dn, &out);
    side_id_filter(reader.names, raw.dn, &out);
    buf_clear(&out);
    return 0;
}
