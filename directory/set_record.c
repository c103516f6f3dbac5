/* set_record.c - an entry as octets (see set_inside.h)
 *
 *     id name mark  flags  kind policy trouble  bits of attributes, their values  target  proxies  members
 *
 * Texts and numbers as set_inside.h says; an address is its type and its value, a proxy has one number before it, 1 where it is
 * primary. What is hostile here: a record of the file.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/utf8.h"
#include "directory/set_inside.h"

enum { HIDDEN = 1, OPTED_OUT = 2, DISABLED = 4, BROKEN = 8, FLAGS = 16 };

/* ---- what can be kept ---- */

static int
check_address(const struct address *address, const struct dir_entry *entry, struct why *why)
{
    if (address_type_valid(address->type) && address->value.len <= ADDRESS_VALUE_MAX)
        return 0;
    return why_set(why, "5.1.3", "%.*s: an address without a good type, or longer than %d octets",
                   (int)entry->id.len, entry->id.at, ADDRESS_VALUE_MAX);
}

static int
check_texts(const struct dir_entry *entry, struct why *why)
{
    if (entry->id.len == 0 || entry->id.len > SET_ID_MAX || !utf8_printable(entry->id))
        return why_set(why, "5.1.0", "an entry without an id that is printable and has 1 to %d octets",
                       DIR_ID_MAX);
    if (entry->name.len > DIR_NAME_MAX || entry->mark.len > DIR_MARK_MAX || entry->trouble.len > SET_VALUE_MAX)
        return why_set(why, "5.1.0", "%.*s: its name, or its mark, is too long", (int)entry->id.len,
                       entry->id.at);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if (entry->value[i].len > SET_VALUE_MAX)
            return why_set(why, "5.1.0", "%.*s: %s has more than %d octets", (int)entry->id.len, entry->id.at,
                           dir_attribute_name((enum dir_attribute)i), SET_VALUE_MAX);
    return 0;
}

int
set_record_check(const struct dir_entry *entry, struct why *why)
{
    if (check_texts(entry, why) < 0)
        return -EINVAL;
    if (entry->kind >= DIR_KINDS || entry->n_proxies > DIR_PROXIES_MAX || entry->n_members > SET_MEMBERS_MAX)
        return why_set(why, "5.1.0", "%.*s: more than %d addresses or %d members", (int)entry->id.len,
                       entry->id.at, DIR_PROXIES_MAX, SET_MEMBERS_MAX);
    if (entry->target.type.len > 0 && check_address(&entry->target, entry, why) < 0)
        return -EINVAL;
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (check_address(&entry->proxies[i].address, entry, why) < 0)
            return -EINVAL;
    size_t members = 0;
    for (size_t i = 0; i < entry->n_members; i++) {
        members += entry->members[i].len;
        if (entry->members[i].len > DIR_NAME_MAX || members > SET_RECORD_MAX / 2)
            return why_set(why, "5.1.0", "%.*s: a member's name is too long", (int)entry->id.len, entry->id.at);
    }
    return 0;
}

/* ---- writing ---- */

static void
add_number(struct buf *out, size_t number)
{
    for (; number > 0x7f; number >>= 7)
        buf_add_byte(out, (char)(0x80 | (number & 0x7f)));
    buf_add_byte(out, (char)number);
}

static void
add_text(struct buf *out, struct span text)
{
    add_number(out, text.len);
    buf_add_span(out, text);
}

static void
add_address(struct buf *out, const struct address *address)
{
    add_text(out, address->type);
    if (address->type.len > 0)
        add_text(out, address->value);
}

static void
add_values(struct buf *out, const struct dir_entry *entry)
{
    size_t bits = 0;
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        bits |= (size_t)(entry->value[i].len > 0) << i;
    add_number(out, bits);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if (entry->value[i].len > 0)
            add_text(out, entry->value[i]);
}

void
set_record_write(const struct dir_entry *entry, struct buf *out)
{
    add_text(out, entry->id);
    add_text(out, entry->name);
    add_text(out, entry->mark);
    add_number(out, (entry->hidden ? HIDDEN : 0U) | (entry->opted_out ? OPTED_OUT : 0U) |
                        (entry->disabled ? DISABLED : 0U) | (entry->broken ? BROKEN : 0U));
    add_number(out, entry->kind);
    add_number(out, entry->policy);
    add_text(out, entry->trouble);
    add_values(out, entry);
    add_address(out, &entry->target);
    add_number(out, entry->n_proxies);
    for (size_t i = 0; i < entry->n_proxies; i++) {
        add_number(out, entry->proxies[i].primary);
        add_address(out, &entry->proxies[i].address);
    }
    add_number(out, entry->n_members);
    for (size_t i = 0; i < entry->n_members; i++)
        add_text(out, entry->members[i]);
}

/* ---- reading ---- */

struct cursor {
    const char *at;
    size_t left;
    bool bad;
};

static size_t
take_number(struct cursor *cursor)
{
    size_t number = 0;
    for (unsigned shift = 0; shift < 35 && cursor->left > 0; shift += 7) {
        unsigned char octet = (unsigned char)*cursor->at++;
        cursor->left--;
        number |= (size_t)(octet & 0x7f) << shift;
        if (octet < 0x80)
            return number;
    }
    cursor->bad = true;
    cursor->left = 0;
    return 0;
}

static struct span
take_text(struct cursor *cursor)
{
    size_t len = take_number(cursor);
    if (len > cursor->left) {
        cursor->bad = true;
        len = 0;
    }
    struct span text = {cursor->at, len};
    cursor->at += len;
    cursor->left -= len;
    return text;
}

static struct address
take_address(struct cursor *cursor)
{
    struct address address = {.type = take_text(cursor)};
    if (address.type.len > 0)
        address.value = take_text(cursor);
    return address;
}

static void
take_values(struct cursor *cursor, struct dir_entry *entry)
{
    size_t bits = take_number(cursor);
    cursor->bad |= bits >> DIR_ATTRIBUTES != 0;
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if ((bits >> i & 1) != 0)
            entry->value[i] = take_text(cursor);
}

/* A number of things, each of which takes an octet at least: no more than there are octets. */
static size_t
take_count(struct cursor *cursor, size_t most)
{
    size_t n = take_number(cursor);
    if (n <= most && n <= cursor->left)
        return n;
    cursor->bad = true;
    return 0;
}

static void
take_proxies(struct cursor *cursor, struct dir_room *room, struct dir_entry *entry)
{
    size_t n = take_count(cursor, DIR_PROXIES_MAX);
    if (n > room->proxies_size) {
        room->proxies_size = n < 16 ? 16 : 2 * n;
        room->proxies = xrealloc(room->proxies, room->proxies_size * sizeof *room->proxies);
    }
    for (size_t i = 0; i < n; i++) {
        room->proxies[i].primary = take_number(cursor) == 1;
        room->proxies[i].address = take_address(cursor);
    }
    entry->proxies = room->proxies;
    entry->n_proxies = n;
}

static void
take_members(struct cursor *cursor, struct dir_room *room, struct dir_entry *entry)
{
    size_t n = take_count(cursor, SET_MEMBERS_MAX);
    if (n > room->members_size) {
        room->members_size = n < 16 ? 16 : 2 * n;
        room->members = xrealloc(room->members, room->members_size * sizeof *room->members);
    }
    for (size_t i = 0; i < n; i++)
        room->members[i] = take_text(cursor);
    entry->members = room->members;
    entry->n_members = n;
}

/* What stands before the values. False for what no entry has. */
static bool
take_head(struct cursor *cursor, struct dir_entry *entry)
{
    memset(entry, 0, sizeof *entry);
    entry->id = take_text(cursor);
    entry->name = take_text(cursor);
    entry->mark = take_text(cursor);
    size_t flags = take_number(cursor), kind = take_number(cursor), policy = take_number(cursor);
    entry->hidden = (flags & HIDDEN) != 0;
    entry->opted_out = (flags & OPTED_OUT) != 0;
    entry->disabled = (flags & DISABLED) != 0;
    entry->broken = (flags & BROKEN) != 0;
    entry->kind = (enum dir_kind)kind;
    entry->policy = (unsigned)policy;
    entry->trouble = take_text(cursor);
    return flags < FLAGS && kind < DIR_KINDS && policy <= UINT32_MAX;
}

size_t
set_record_read(const char *at, size_t len, struct dir_room *room, struct dir_entry *entry)
{
    struct cursor cursor = {at, len, false};
    bool good = take_head(&cursor, entry);
    take_values(&cursor, entry);
    entry->target = take_address(&cursor);
    take_proxies(&cursor, room, entry);
    take_members(&cursor, room, entry);
    return cursor.bad || !good ? 0 : len - cursor.left;
}

void
set_record_glance(const char *at, struct dir_entry *entry)
{
    struct cursor cursor = {at, SET_RECORD_MAX, false};
    take_head(&cursor, entry);
}

void
set_record_addresses(const char *at, struct dir_room *room, struct dir_entry *entry)
{
    struct cursor cursor = {at, SET_RECORD_MAX, false};
    take_head(&cursor, entry);
    take_values(&cursor, entry);
    entry->target = take_address(&cursor);
    take_proxies(&cursor, room, entry);
}

struct span
set_record_id(const char *at)
{
    struct cursor cursor = {at, SET_ID_MAX + 8, false};
    return take_text(&cursor);
}
