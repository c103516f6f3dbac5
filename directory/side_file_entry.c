/* side_file_entry.c - what a record of a file says becomes an entry (see side_file.h)
 *
 * What cannot be used of an entry that is known is its trouble: it stays, since one that were missing would be taken for somebody
 * who is gone. Whom an entry is about must be known, else the file is no reading.
 */
#include <stdio.h>

#include "common/utf8.h"
#include "directory/side_file.h"
#include "directory/words.h"

enum { MEMBERS_BYTES = 256 << 20 };

/* ---- what is wrong ---- */

void
file_error(struct file_reader *reader, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reader->wrong++;
    if (reader->wrong == 1)
        why_set(&reader->why, "5.3.5", "%s:%zu: %s", reader->path, reader->line, text);
    else if (reader->wrong <= FILE_ERRORS_TOLD)
        file_note(reader->side, "%s:%zu: %s", reader->path, reader->line, text);
}

void
file_broken(struct file_reader *reader, int err)
{
    reader->err = err;
    why_set(&reader->why, "4.3.0", "%s: %s", reader->path, strerror(-err));
}

void
file_trouble(struct file_reader *reader, const char *format, ...)
{
    va_list args;
    if (reader->trouble.len > 400)
        return;
    buf_printf(&reader->trouble, reader->trouble.len == 0 ? "line %zu: " : "; ", reader->line);
    va_start(args, format);
    buf_vprintf(&reader->trouble, format, args);
    va_end(args);
}

/* ---- parts of an entry ---- */

struct span
file_clean(struct file_reader *reader, struct span value)
{
    value = span_trim(value);
    if (value.len > FILE_VALUE_MAX) {
        file_trouble(reader, "a value of %zu octets", value.len);
        value.len = FILE_VALUE_MAX;
        while (value.len > 0 && (value.at[value.len] & 0xc0) == 0x80)
            value.len--;
    }
    if (utf8_printable(value))
        return value;
    if (!utf8_valid(value))
        file_trouble(reader, "a value is not in UTF-8");
    char *copy = arena_copy(reader->arena, value);
    for (size_t i = 0, len; copy != NULL && i < value.len; i += len) {
        len = utf8_sequence(copy + i, value.len - i);
        bool good = len > 0 && utf8_printable((struct span){copy + i, len});
        len = len > 0 ? len : 1;
        if (!good)
            memset(copy + i, ' ', len);
    }
    return span_trim((struct span){copy, copy != NULL ? value.len : 0});
}

static bool
has_primary(const struct dir_entry *entry, struct span type)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (entry->proxies[i].primary && span_equal(entry->proxies[i].address.type, type))
            return true;
    return false;
}

/* Upper case says: primary of its type. */
static bool
is_marked(struct span text)
{
    for (size_t i = 0; i < text.len && text.at[i] != ':'; i++)
        if (text.at[i] >= 'a' && text.at[i] <= 'z')
            return false;
    return true;
}

void
file_proxy(struct file_reader *reader, struct dir_entry *entry, struct span text)
{
    struct address address;
    struct why why;
    if (address_parse(text, reader->arena, &address, &why) != 0 || address.value.len == 0)
        file_trouble(reader, "\"%.*s\" is no address (one with blanks needs | between addresses)",
                     (int)(text.len < 100 ? text.len : 100), text.at);
    else if (entry->n_proxies == DIR_PROXIES_MAX)
        file_trouble(reader, "more than %d addresses", DIR_PROXIES_MAX);
    else if (!dir_entry_has_proxy(entry, &address)) {
        bool primary = is_marked(text) && !has_primary(entry, address.type); /* before there is one more */
        entry->proxies[entry->n_proxies++] = (struct dir_proxy){address, primary};
    }
}

/* ---- an entry ---- */

/* Known by its mark, or by the address that we gave it. */
static bool
is_echo(const struct file_reader *reader, const struct dir_entry *entry)
{
    bool more;
    if (reader->copies == NULL || dir_set_count(reader->copies) == 0)
        return false;
    if (entry->mark.len > 0 && dir_set_find_mark(reader->copies, entry->mark) != SIZE_MAX)
        return true;
    return entry->target.type.len > 0 &&
           dir_set_find_address(reader->copies, &entry->target, &more) != SIZE_MAX;
}

static bool
make_id(struct file_reader *reader, struct dir_entry *entry)
{
    struct buf text = {0};
    if (entry->id.len == 0 && entry->target.type.len > 0) {
        struct buf value = {0}; /* whatever its case it is the same person */
        dir_fold(&value, entry->target.value);
        buf_printf(&text, "%.*s:%.*s", (int)entry->target.type.len, entry->target.type.at, (int)value.len,
                   value.at);
        buf_clear(&value);
        entry->id = arena_span(reader->arena, buf_span(&text));
        buf_clear(&text);
    }
    if (entry->id.len == 0)
        file_error(reader, "neither id nor a valid address%s%.*s", reader->trouble.len > 0 ? ": " : "",
                   (int)reader->trouble.len, reader->trouble.at != NULL ? reader->trouble.at : "");
    else if (entry->id.len > DIR_ID_MAX)
        file_error(reader, "an id of more than %d octets", DIR_ID_MAX);
    else
        return true;
    return false;
}

void
file_put(struct file_reader *reader, struct dir_entry *entry)
{
    struct why why;
    if (!make_id(reader, entry))
        return;
    reader->entries++;
    if (is_echo(reader, entry)) {
        reader->echoes++;
        return;
    }
    if (dir_set_find_id(reader->set, entry->id) != SIZE_MAX) {
        file_error(reader, "\"%.*s\" is there twice", (int)(entry->id.len < 100 ? entry->id.len : 100),
                   entry->id.at);
        return;
    }
    entry->broken = reader->trouble.len > 0;
    entry->trouble = entry->broken ? buf_span(&reader->trouble) : SPAN("");
    if (dir_set_put(reader->set, entry, &why) == SIZE_MAX)
        file_error(reader, "%s", why.text);
}

/* ---- members, when all are read ---- */

/* The name of whom a member means: an address, as primary one or not, or an id. */
static struct span
member_name(const struct dir_set *set, struct span text, struct arena *arena, struct dir_room *room)
{
    struct address address;
    struct dir_entry entry;
    bool more, parsed = address_parse(text, arena, &address, NULL) == 0, told = false;
    if (parsed && dir_set_find_name(set, address.value) != SIZE_MAX)
        return address.value;
    size_t place = parsed ? dir_set_find_address(set, &address, &more) : dir_set_find_id(set, text);
    told = place != SIZE_MAX && dir_set_get(set, place, room, &entry) && entry.name.len > 0;
    return told ? entry.name : parsed ? address.value : text;
}

/* True where a member's name is another one than was written there. */
static bool
name_members(const struct dir_set *set, struct dir_entry *entry, struct arena *arena, struct dir_room *room)
{
    bool changed = false;
    for (size_t i = 0; i < entry->n_members; i++) {
        struct span name = member_name(set, entry->members[i], arena, room);
        changed = changed || !span_equal(name, entry->members[i]);
        entry->members[i] = name;
    }
    return changed;
}

/* What changes is gathered first: each put would make the set's indexes be built anew. */
void
file_members(struct dir_set *set)
{
    struct dir_set *changed = dir_set_new();
    struct dir_room room = {0}, other = {0};
    struct dir_entry entry;
    struct arena *arena = arena_new(MEMBERS_BYTES);
    struct why why;
    for (size_t place = 0; place < dir_set_places(set); place++) {
        if (dir_set_get(set, place, &room, &entry) && entry.n_members > 0 &&
            name_members(set, &entry, arena, &other))
            dir_set_put(changed, &entry, &why);
        arena_reset(arena);
    }
    for (size_t place = 0; place < dir_set_places(changed); place++)
        if (dir_set_get(changed, place, &room, &entry))
            dir_set_put(set, &entry, &why);
    arena_free(arena);
    dir_room_clear(&room);
    dir_room_clear(&other);
    dir_set_free(changed);
}
