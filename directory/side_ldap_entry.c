/* side_ldap_entry.c - what an LDAP server holds of a recipient becomes an entry (see side_ldap.h)
 *
 * What is hostile here: every value. One that cannot be used is left out and named in the entry's trouble; the entry itself stays,
 * since one that were missing would be taken for somebody who is gone.
 */
#include <stdio.h>

#include "directory/side_ldap.h"

/* ---- values ---- */

void
side_entry_trouble(struct side_reader *reader, const char *what, struct span value, const char *text)
{
    bool harmed = false;
    if (reader->trouble.len > 400)
        return;
    if (value.len > 80)
        value.len = 80;
    value = side_clean(reader->arena, value, &harmed);
    buf_printf(&reader->trouble, "%s%s%s%.*s%s: %s", reader->trouble.len > 0 ? "; " : "", what,
               value.len > 0 ? " \"" : "", (int)value.len, value.at != NULL ? value.at : "",
               value.len > 0 ? "\"" : "", text);
}

/* The first value that is not empty. */
static struct span
text_of(struct side_reader *reader, const struct side_raw *raw, int slot, const char *name)
{
    struct side_values values = side_raw_slot(raw, slot);
    for (size_t i = 0; i < values.n; i++) {
        bool harmed = false;
        struct span value = side_clean(reader->arena, values.at[i], &harmed);
        if (harmed)
            side_entry_trouble(reader, name, (struct span){NULL, 0}, "what is no text, or too long, was cut");
        if (value.len > 0)
            return value;
    }
    return (struct span){NULL, 0};
}

static bool
has_value(const struct side_raw *raw, int slot)
{
    struct side_values values = side_raw_slot(raw, slot);
    return values.n > 0 && values.at[0].len > 0;
}

static bool
is_true(const struct side_raw *raw, int slot)
{
    struct side_values values = side_raw_slot(raw, slot);
    return values.n > 0 && span_equal_nocase(values.at[0], SPAN("TRUE"));
}

/* ---- addresses ---- */

/* "TYPE:value", whose case of the type says whether it is primary; `bare`: an SMTP address without type. */
void
side_entry_proxy(struct side_reader *reader, struct dir_entry *entry, struct span text, bool bare, bool primary)
{
    struct address address = {{NULL, 0}, {NULL, 0}};
    struct why why = {"", ""};
    const char *what = bare ? "mail" : "proxy address";
    int r = bare ? address_make(SPAN("SMTP"), text, false, reader->arena, &address, &why)
                 : address_parse(text, reader->arena, &address, &why);
    if (r == 0 && address.value.len == 0)
        r = why_set(&why, "5.1.3", "it is empty");
    if (r < 0) {
        side_entry_trouble(reader, what, text, why.text);
        return;
    }
    if (entry->n_proxies == DIR_PROXIES_MAX) {
        side_entry_trouble(reader, what, text, "there are more than an entry may have");
        return;
    }
    if (dir_entry_has_proxy(entry, &address))
        return;
    for (size_t i = 0; !bare && i < text.len && text.at[i] != ':'; i++)
        primary = primary && !(text.at[i] >= 'a' && text.at[i] <= 'z');
    reader->proxies[entry->n_proxies++] = (struct dir_proxy){address, primary};
}

/* A person writes addresses without type into `mail` alone; in proxyAddresses they are an error. */
static void
take_proxies(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct side_values values = side_raw_slot(raw, SLOT_PROXIES);
    struct span dirsync, source, mail;
    for (size_t i = 0; i < values.n; i++) {
        if (values.at[i].len == 0 || values.at[i].len > ADDRESS_VALUE_MAX + 24 ||
            memchr(values.at[i].at, ':', values.at[i].len) == NULL)
            side_entry_trouble(reader, "proxy address", values.at[i], "it is no TYPE:address");
        else
            side_entry_proxy(reader, entry, values.at[i], false, true);
    }
    const struct dir_proxy *smtp = dir_entry_proxy(entry, SPAN("SMTP"));
    mail = text_of(reader, raw, SLOT_MAIL, "mail");
    /* In an entry of ours `mail` follows the proxies: what differs there is no address more. */
    if (mail.len > 0 && (smtp == NULL || !dir_mark_parse(entry->mark, &dirsync, &source)))
        side_entry_proxy(reader, entry, mail, true, smtp == NULL || !smtp->primary);
}

/* The primary address of the foreign type, else of another type than SMTP, else SMTP: where an entry without targetAddress is
 * reached. */
static void
take_target_from_proxies(struct side_reader *reader, struct dir_entry *entry)
{
    const struct dir_proxy *best = NULL;
    if (reader->address_type.len > 0)
        best = dir_entry_proxy(entry, reader->address_type);
    for (size_t i = 0; best == NULL && i < entry->n_proxies; i++)
        if (entry->proxies[i].primary && !address_is_smtp(&entry->proxies[i].address) &&
            !span_equal(entry->proxies[i].address.type, SPAN("X500")) &&
            !span_equal(entry->proxies[i].address.type, SPAN("X400")))
            best = &entry->proxies[i];
    if (best == NULL)
        best = dir_entry_proxy(entry, SPAN("SMTP"));
    if (best != NULL)
        entry->target = best->address;
}

static void
take_target(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct span text = text_of(reader, raw, SLOT_TARGET, "targetAddress");
    struct why why = {"", ""};
    if (text.len > 0 &&
        (address_parse(text, reader->arena, &entry->target, &why) < 0 || entry->target.value.len == 0)) {
        side_entry_trouble(reader, "targetAddress", text, why.text[0] != '\0' ? why.text : "it is empty");
        entry->target = (struct address){{NULL, 0}, {NULL, 0}};
        entry->broken = true;
        return;
    }
    if (text.len == 0 && (entry->kind == DIR_CONTACT || entry->kind == DIR_MAIL_USER || !reader->host))
        take_target_from_proxies(reader, entry);
}

/* ---- Active Directory ---- */

enum { IS_PERSON = 1, IS_CONTACT = 2, IS_GROUP = 4, IS_FOLDER = 8, IS_NOBODY = 16 };

static unsigned
classes_of(const struct side_raw *raw)
{
    static const struct {
        struct span name;
        unsigned bit;
    } known[] = {
        {{"user", 4}, IS_PERSON},
        {{"contact", 7}, IS_CONTACT},
        {{"group", 5}, IS_GROUP},
        {{"person", 6}, IS_PERSON},
        {{"inetOrgPerson", 13}, IS_PERSON},
        {{"publicFolder", 12}, IS_FOLDER},
        {{"computer", 8}, IS_NOBODY},
        {{"groupOfNames", 12}, IS_GROUP},
        {{"groupOfUniqueNames", 18}, IS_GROUP},
        {{"groupOfMembers", 14}, IS_GROUP},
        {{"mailGroup", 9}, IS_GROUP},
        {{"mailRecipient", 13}, IS_PERSON},
        {{"inetMailRecipient", 17}, IS_PERSON},
        {{"inetLocalMailRecipient", 22}, IS_PERSON},
        {{"msExchDynamicDistributionList", 29}, IS_GROUP},
        {{"msDS-GroupManagedServiceAccount", 31}, IS_NOBODY},
    };
    struct side_values values = side_raw_slot(raw, SLOT_CLASS);
    unsigned bits = 0;
    for (size_t i = 0; i < values.n && i < 64; i++)
        for (size_t k = 0; k < COUNT_OF(known); k++)
            if (span_equal_nocase(values.at[i], known[k].name))
                bits |= known[k].bit;
    return bits;
}

/* 7 is a room, 8 equipment (msExchRecipientDisplayType). */
static bool
is_resource(const struct side_raw *raw)
{
    struct side_values values = side_raw_slot(raw, SLOT_DISPLAY_TYPE);
    return values.n > 0 && (span_equal(values.at[0], SPAN("7")) || span_equal(values.at[0], SPAN("8")));
}

static bool
take_kind(const struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct span dirsync, source;
    unsigned classes = classes_of(raw);
    bool ours = dir_mark_parse(entry->mark, &dirsync, &source);
    if ((classes & IS_NOBODY) != 0)
        return false;
    if ((classes & IS_CONTACT) != 0)
        entry->kind = DIR_CONTACT;
    else if ((classes & IS_GROUP) != 0)
        entry->kind = DIR_GROUP;
    else if ((classes & IS_FOLDER) != 0)
        entry->kind = DIR_FOLDER;
    else if ((classes & IS_PERSON) == 0)
        return false;
    else if (reader->names->kind == SIDE_PLAIN)
        entry->kind = ours ? DIR_CONTACT : DIR_MAILBOX;
    else if (has_value(raw, SLOT_HOME_MDB) || has_value(raw, SLOT_HOME_SERVER) || has_value(raw, SLOT_MAILBOX))
        entry->kind = is_resource(raw) ? DIR_RESOURCE : DIR_MAILBOX;
    else if (has_value(raw, SLOT_TARGET) || ours)
        entry->kind = DIR_MAIL_USER;
    else
        entry->kind = is_resource(raw) ? DIR_RESOURCE : DIR_MAILBOX;
    return true;
}

static bool
is_disabled(const struct side_raw *raw)
{
    struct side_values values = side_raw_slot(raw, SLOT_ACCOUNT);
    uint64_t control;
    return values.n > 0 && span_to_u64(values.at[0], UINT32_MAX, &control) && (control & 2) != 0;
}

static bool
map_ad(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    if (!take_kind(reader, raw, entry))
        return false;
    entry->hidden = is_true(raw, SLOT_HIDDEN);
    entry->disabled = is_disabled(raw);
    if (entry->value[DIR_ALIAS].len == 0 && reader->names->slot[SLOT_KEPT_ALIAS][0] == '\0')
        entry->value[DIR_ALIAS] = text_of(reader, raw, SLOT_ACCOUNT_NAME, "sAMAccountName");
    take_proxies(reader, raw, entry);
    take_target(reader, raw, entry);
    return true;
}

/* Any other server: `mail` is all there is; its first value is where mail goes, the others are addresses too. */
static bool
map_plain(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct side_values mail = side_raw_slot(raw, SLOT_MAIL);
    if (!take_kind(reader, raw, entry))
        return false;
    for (size_t i = 0; i < mail.n; i++) {
        bool harmed = false;
        side_entry_proxy(reader, entry, side_clean(reader->arena, mail.at[i], &harmed), true, i == 0);
    }
    if (entry->kind == DIR_CONTACT || !reader->host)
        take_target_from_proxies(reader, entry);
    return true;
}

/* ---- what all have ---- */

static void
take_values(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    for (int i = 0; i < DIR_ATTRIBUTES; i++)
        if (raw->slot[i] >= 0)
            entry->value[i] = text_of(reader, raw, i, dir_attribute_name((enum dir_attribute)i));
    if (entry->value[DIR_DISPLAY].len == 0 && entry->mark.len == 0)
        entry->value[DIR_DISPLAY] = text_of(reader, raw, SLOT_COMMON_NAME, "cn");
}

static void
take_members(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct side_values members = side_raw_slot(raw, SLOT_MEMBER),
                       unique = side_raw_slot(raw, SLOT_UNIQUE_MEMBER);
    if (entry->kind != DIR_GROUP || members.n + unique.n == 0)
        return;
    entry->members = arena_alloc(reader->arena, (members.n + unique.n) * sizeof *entry->members);
    if (entry->members == NULL) {
        side_entry_trouble(reader, "member", (struct span){NULL, 0}, "there are too many");
        entry->broken = true; /* not: a group without members */
        return;
    }
    for (size_t i = 0; i < members.n + unique.n; i++) {
        bool harmed = false;
        struct span name = i < members.n ? members.at[i] : unique.at[i - members.n];
        if (name.len > 0 && name.len <= DIR_NAME_MAX)
            name = side_clean(reader->arena, name, &harmed);
        if (harmed || name.len == 0 || name.len > DIR_NAME_MAX)
            side_entry_trouble(reader, "member", name, "it is no name");
        else
            entry->members[entry->n_members++] = name;
    }
}

static bool
opts_out(const struct side_reader *reader, const struct side_raw *raw)
{
    const struct conf_texts *pairs = &reader->directory->opt_out;
    for (size_t i = 0; i < pairs->n; i++) {
        const char *equals = strchr(pairs->at[i], '=');
        struct span value, name = {pairs->at[i], equals != NULL ? (size_t)(equals - pairs->at[i]) : 0};
        for (size_t n = 0; name.len > 0 && side_raw_value((void *)(uintptr_t)raw, name, n, &value); n++)
            if (span_equal_nocase(span_trim(value), span_of(equals + 1)))
                return true;
    }
    return false;
}

/* Where it is, and what it is known by. An entry without id keeps its name as such: it is there, and can be nothing more. */
static void
take_identity(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    bool harmed = false;
    entry->name = side_clean(reader->arena, raw->dn, &harmed);
    if (harmed || raw->dn.len > DIR_NAME_MAX) {
        side_entry_trouble(reader, "its name", (struct span){NULL, 0}, "it is too long, or no text");
        entry->broken = true;
    }
    entry->id = side_id_of(reader->names, raw, reader->arena);
    entry->mark = side_mark_of(raw, reader->arena);
    if (entry->id.len > 0)
        return;
    side_entry_trouble(reader,
                       reader->names->slot[SLOT_ID][0] != '\0' ? reader->names->slot[SLOT_ID] : "its id",
                       (struct span){NULL, 0}, "the server shows none");
    entry->broken = true;
    entry->id = side_cut(entry->name, DIR_ID_MAX);
}

/* ---- policies ---- */

/* "person" of "CN=Person,CN=Schema,...": filters name a category by it, as Active Directory lets them. Servers that are only like
 * it have none: the class says it. */
static bool
category(const struct side_raw *raw, size_t n, struct span *value)
{
    unsigned classes = classes_of(raw);
    if (side_raw_value((void *)(uintptr_t)raw, SPAN("objectCategory"), 0, value)) {
        const char *comma = n == 1 ? memchr(value->at, ',', value->len) : NULL;
        if (comma != NULL && value->len > 3)
            *value = (struct span){value->at + 3, (size_t)(comma - value->at) - 3};
        return n == 0 || comma != NULL;
    }
    *value = (classes & IS_GROUP) != 0 ? SPAN("group") : SPAN("person");
    return n == 0 && (classes & (IS_GROUP | IS_PERSON | IS_CONTACT)) != 0;
}

static bool
policy_value(void *arg, struct span name, size_t n, struct span *value)
{
    if (span_equal_nocase(name, SPAN("objectCategory")))
        return category(arg, n, value);
    return side_raw_value(arg, name, n, value);
}

/* 0 too for whom Exchange's own policies are switched off: "do not update addresses automatically". */
static unsigned
policy_of(const struct side_reader *reader, const struct side_raw *raw)
{
    static const char address_policies[] = "{26491CFC-9E50-4857-861B-0CB8DF22B5D7}";
    struct side_values values = side_raw_slot(raw, SLOT_NO_POLICY);
    for (size_t i = 0; i < values.n; i++)
        if (memmem(values.at[i].at, values.at[i].len, address_policies, sizeof address_policies - 1) != NULL)
            return 0;
    return dir_policies_choose(reader->policies, policy_value, (void *)(uintptr_t)raw);
}

bool
side_entry_map(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry)
{
    struct span dirsync, source;
    arena_reset(reader->arena);
    buf_reset(&reader->trouble);
    memset(entry, 0, sizeof *entry);
    entry->proxies = reader->proxies;
    take_identity(reader, raw, entry);
    take_values(reader, raw, entry);
    bool (*map)(struct side_reader *, const struct side_raw *, struct dir_entry *) =
        reader->names->kind == SIDE_DOMINO ? side_domino_map
        : reader->names->kind == SIDE_AD   ? map_ad
                                           : map_plain;
    if (!map(reader, raw, entry))
        return false;
    if (reader->policies != NULL)
        entry->policy = policy_of(reader, raw);
    /* Nobody's entry that mail cannot reach and for which no address is to be made is no recipient. */
    if (entry->n_proxies == 0 && entry->target.type.len == 0 && !entry->broken && entry->policy == 0 &&
        !dir_mark_parse(entry->mark, &dirsync, &source))
        return false;
    take_members(reader, raw, entry);
    entry->opted_out = entry->opted_out || opts_out(reader, raw);
    entry->trouble = buf_span(&reader->trouble);
    return true;
}
