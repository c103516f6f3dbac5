/* side_ldap_domino.c - Domino's directory as its LDAP service shows it (see side_ldap.h)
 *
 *     NOTES address     first fullName, else the DN, without CN=, OU= and O=, "@", mailDomain
 *     SMTP address      internetAddress, else `mail` where it looks like one: Domino computes it of what it has, and
 *                       "Ann_Beebe/Sales/Org@host" is none
 *     no recipient      mailSystem 100 (none), groups for access control, denial and servers, entries without any address
 *     opted out         availableForDirSync is there and not 1
 *
 * Sources: Domino's documents and their items as its LDAP server shows them.
 */
#include "directory/side_ldap.h"

/* ---- Notes names ---- */

/* The part of a name up to its next separator; a backslash of a DN hides one. */
static size_t
part_len(struct span name, char separator)
{
    size_t i = 0;
    while (i < name.len && name.at[i] != separator)
        i += separator == ',' && name.at[i] == '\\' && i + 1 < name.len ? 2 : 1;
    return i;
}

static struct span
without_key(struct span part)
{
    static const struct span keys[] = {{"CN=", 3},  {"OU=", 3},  {"OU1=", 4}, {"OU2=", 4},
                                       {"OU3=", 4}, {"OU4=", 4}, {"O=", 2},   {"C=", 2}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (span_starts_nocase(part, keys[i]))
            return (struct span){part.at + keys[i].len, part.len - keys[i].len};
    return part;
}

void
side_notes_abbreviate(struct span name, struct buf *out)
{
    bool dn = memchr(name.at, '/', name.len) == NULL && memchr(name.at, '=', name.len) != NULL;
    char separator = dn ? ',' : '/';
    for (bool first = true; name.len > 0; first = false) {
        size_t len = part_len(name, separator);
        struct span part = without_key(span_trim((struct span){name.at, len}));
        if (!first)
            buf_add_byte(out, '/');
        for (size_t i = 0; i < part.len; i++)
            if (!(dn && part.at[i] == '\\' && i + 1 < part.len))
                buf_add_byte(out, part.at[i]);
        len += len < name.len;
        name = (struct span){name.at + len, name.len - len};
    }
}

void
side_notes_split(struct span address, struct span *name, struct span *domain)
{
    size_t at = address.len;
    while (at > 0 && address.at[at - 1] != '@')
        at--;
    if (at == 0) {
        *name = span_trim(address);
        *domain = (struct span){NULL, 0};
        return;
    }
    *name = span_trim((struct span){address.at, at - 1});
    *domain = span_trim((struct span){address.at + at, address.len - at});
}

/* ---- entries ---- */

static struct span
first_value(struct side_reader *reader, const struct side_raw *raw, int slot)
{
    struct side_values values = side_raw_slot(raw, slot);
    bool harmed = false;
    return values.n > 0 ? side_clean(reader->arena, values.at[0], &harmed) : (struct span){NULL, 0};
}

static bool
has_class(const struct side_raw *raw, struct span name)
{
    struct side_values values = side_raw_slot(raw, SLOT_CLASS);
    for (size_t i = 0; i < values.n; i++)
        if (span_equal_nocase(values.at[i], name))
            return true;
    return false;
}

static bool
take_kind(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct span dirsync, source, type = first_value(reader, raw, SLOT_GROUP_TYPE),
                                 system = first_value(reader, raw, SLOT_MAIL_SYSTEM);
    bool ours = dir_mark_parse(entry->mark, &dirsync, &source);
    if (has_class(raw, SPAN("dominoGroup")) || has_class(raw, SPAN("groupOfNames"))) {
        entry->kind = DIR_GROUP;
        return type.len == 0 || span_equal(type, SPAN("0")) || span_equal(type, SPAN("1"));
    }
    if (has_class(raw, SPAN("dominoServerMailInDatabase"))) {
        entry->kind = DIR_FOLDER;
        return true;
    }
    entry->kind = ours ? DIR_CONTACT : DIR_MAILBOX;
    return (has_class(raw, SPAN("dominoPerson")) || has_class(raw, SPAN("inetOrgPerson"))) &&
           (ours || !span_equal(system, SPAN("100")));
}

/* The first of all names; of a copy of ours, whose other names somebody may have added or put before it, the first with a hierarchy. */
static struct span
full_name(struct side_reader *reader, const struct side_raw *raw, const struct dir_entry *entry)
{
    struct side_values values = side_raw_slot(raw, SLOT_FULL_NAME);
    struct span dirsync, source;
    bool harmed = false;
    for (size_t i = 0; i < values.n && dir_mark_parse(entry->mark, &dirsync, &source); i++)
        if (values.at[i].len > 0 && memchr(values.at[i].at, '/', values.at[i].len) != NULL)
            return side_clean(reader->arena, values.at[i], &harmed);
    return first_value(reader, raw, SLOT_FULL_NAME);
}

/* Name and domain as NOTES address, which is where mail goes. */
static void
take_notes(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct span name = full_name(reader, raw, entry), domain = first_value(reader, raw, SLOT_MAIL_DOMAIN);
    struct buf text = {0};
    struct why why = {"", ""};
    if (domain.len == 0 && entry->kind == DIR_GROUP)
        domain = reader->mail_domain;
    if (domain.len == 0)
        return;
    side_notes_abbreviate(name.len > 0 ? name : entry->name, &text);
    buf_add_byte(&text, '@');
    buf_add_span(&text, domain);
    struct span value = arena_span(reader->arena, buf_span(&text));
    buf_clear(&text);
    if (address_make(SPAN("NOTES"), value, false, reader->arena, &entry->target, &why) == 0)
        return;
    side_entry_trouble(reader, "fullName", value, why.text);
    entry->target = (struct address){{NULL, 0}, {NULL, 0}};
    entry->broken = true;
}

static void
take_internet(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct mailbox_parts parts;
    struct span address = first_value(reader, raw, SLOT_INTERNET);
    if (address.len > 0) {
        side_entry_proxy(reader, entry, address, true, true);
        return;
    }
    address = first_value(reader, raw, SLOT_MAIL);
    if (address.len > 0 && memchr(address.at, '/', address.len) == NULL &&
        memchr(address.at, '%', address.len) == NULL && mailbox_parse(address, &parts, NULL) == 0)
        side_entry_proxy(reader, entry, address, true, true);
}

bool
side_domino_map(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct span available = first_value(reader, raw, SLOT_AVAILABLE);
    if (!take_kind(reader, raw, entry))
        return false;
    if (entry->value[DIR_ALIAS].len == 0)
        entry->value[DIR_ALIAS] = first_value(reader, raw, SLOT_SHORT_NAME);
    take_notes(reader, raw, entry);
    take_internet(reader, raw, entry);
    if (entry->target.type.len == 0 && entry->n_proxies > 0 && !entry->broken)
        entry->target = entry->proxies[0].address;
    reader->homeless += entry->kind == DIR_GROUP && entry->target.type.len == 0;
    entry->opted_out = available.len > 0 && !span_equal(available, SPAN("1"));
    return true;
}
