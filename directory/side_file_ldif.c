/* side_file_ldif.c - entries as records of LDIF files (see side_file.h; common/ldif.h reads and writes the records)
 *
 * What is read may come from any directory: attributes have Active Directory's names, Domino's or those of inetOrgPerson. A record
 * with an address is a recipient, others (containers) are passed over. What is written are contacts and groups as they would be
 * in Active Directory with Exchange's schema, so that ldifde takes them, and ldapmodify where the schema is there:
 *
 *     dn: CN=Ann Beebe,OU=...                    export.into is the container
 *     objectClass: contact | group
 *     targetAddress: SMTP:ann@contoso.example
 *     proxyAddresses: SMTP:ann@contoso.example
 *     importedFrom: viaduct:<dirsync>:<id>       the mark
 */
#include <errno.h>
#include <stdlib.h>

#include "common/ldif.h"
#include "directory/side_file.h"

static const char *const names[DIR_ATTRIBUTES][3] = {
#define ATTRIBUTE(symbol, name, domino, ldap, characters) {name, ldap, domino},
#include "directory/attributes.def"
};

#define MARK_ATTRIBUTE   "importedFrom"
#define HIDDEN_ATTRIBUTE "msExchHideFromAddressLists"

/* ---- reading ---- */

static bool
is_one_of(struct span text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_equal_nocase(text, span_of(words[i])))
            return true;
    return false;
}

static struct span
first(const struct ldif_record *record, const char *name)
{
    struct span value = {"", 0};
    ldif_value(record, span_of(name), 0, &value);
    return value;
}

static void
take_kind(const struct ldif_record *record, bool ours, struct dir_entry *entry)
{
    static const char *const groups[] = {"group", "groupOfNames", "groupOfUniqueNames", "groupOfMembers",
                                         "dominoGroup"};
    static const char *const contacts[] = {"contact"};
    static const char *const resources[] = {"dominoResource", "msExchResource"};
    static const char *const folders[] = {"publicFolder", "dominoMailInDatabase", "dominoServerMailInDatabase"};
    entry->kind = ours ? DIR_CONTACT : DIR_MAILBOX;
    for (size_t i = 0; i < record->n_attributes; i++) {
        struct span value = record->attributes[i].value;
        if (!ldif_is(&record->attributes[i], SPAN("objectClass")))
            continue;
        if (is_one_of(value, groups, COUNT_OF(groups)))
            entry->kind = DIR_GROUP;
        else if (is_one_of(value, contacts, COUNT_OF(contacts)))
            entry->kind = DIR_CONTACT;
        else if (is_one_of(value, resources, COUNT_OF(resources)))
            entry->kind = DIR_RESOURCE;
        else if (is_one_of(value, folders, COUNT_OF(folders)))
            entry->kind = DIR_FOLDER;
    }
}

static bool
is_printable_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            return false;
    return true;
}

/* What its server says identifies it; a GUID in octets is told in hex digits. Empty: the address has to do. */
static void
take_id(struct file_reader *reader, const struct ldif_record *record, struct dir_entry *entry)
{
    static const char *const ids[] = {"entryUUID", "objectGUID", "dominoUNID", "GUID", "nsUniqueId"};
    struct span value = {"", 0};
    for (size_t i = 0; i < COUNT_OF(ids) && value.len == 0; i++)
        value = first(record, ids[i]);
    if (value.len == 0 || value.len > DIR_ID_MAX / 2)
        return;
    if (is_printable_ascii(value)) {
        entry->id = span_trim(value);
        return;
    }
    struct buf text = {0};
    for (size_t i = 0; i < value.len; i++)
        buf_printf(&text, "%02x", (unsigned)(unsigned char)value.at[i]);
    entry->id = arena_span(reader->arena, buf_span(&text));
    buf_clear(&text);
}

/* The mark of ours before a stranger's, which is never empty. */
static void
take_mark(struct file_reader *reader, const struct ldif_record *record, struct dir_entry *entry)
{
    struct span value, dirsync, source;
    for (size_t n = 0; ldif_value(record, SPAN(MARK_ATTRIBUTE), n, &value) && n < 100; n++) {
        bool parsed = dir_mark_parse(value, &dirsync, &source) && value.len <= DIR_MARK_MAX;
        if (parsed || entry->mark.len == 0)
            entry->mark = parsed ? value : SPAN("?");
        if (parsed)
            break;
    }
    if (!reader->ours)
        return;
    if (!dir_mark_parse(entry->mark, &dirsync, &source)) {
        file_error(reader, "there is no " MARK_ATTRIBUTE " of viaduct's");
        return;
    }
    struct buf text = {0};
    buf_add_span(&text, FILE_EXPORT);
    buf_add_span(&text, source);
    entry->id = arena_span(reader->arena, buf_span(&text));
    buf_clear(&text);
}

/* An Internet address that is no proxy, where there is no other. */
static void
take_mail(struct file_reader *reader, const struct ldif_record *record, struct dir_entry *entry)
{
    struct buf text = {0};
    struct span mail = span_trim(first(record, "mail"));
    if (mail.len == 0 || reader->ours || dir_entry_proxy(entry, SPAN("SMTP")) != NULL)
        return;
    buf_add_text(&text, "SMTP:");
    buf_add_span(&text, mail);
    file_proxy(reader, entry, arena_span(reader->arena, buf_span(&text)));
    buf_clear(&text);
}

/* Where it is reached: its target, else an address of its own. */
static void
take_target(struct file_reader *reader, const struct ldif_record *record, struct dir_entry *entry)
{
    struct span target = span_trim(first(record, "targetAddress")), mail = span_trim(first(record, "mail"));
    struct why why;
    struct span text = target.len > 0 ? target : mail;
    if (text.len == 0 && entry->n_proxies > 0) {
        entry->target = entry->proxies[0].address;
        for (size_t i = entry->n_proxies; i-- > 0;)
            if (entry->proxies[i].primary)
                entry->target = entry->proxies[i].address;
    } else if (address_parse(text, reader->arena, &entry->target, &why) != 0 || entry->target.value.len == 0) {
        entry->target = (struct address){{NULL, 0}, {NULL, 0}};
        file_trouble(reader, "%s \"%.*s\": %s", target.len > 0 ? "targetAddress" : "mail",
                     (int)(text.len < 100 ? text.len : 100), text.at, why.text);
    }
}

static void
take_values(struct file_reader *reader, const struct ldif_record *record, struct dir_entry *entry)
{
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        for (size_t k = 0; k < 3 && entry->value[i].len == 0; k++)
            if (names[i][k][0] != '\0')
                entry->value[i] = file_clean(reader, first(record, names[i][k]));
    if (entry->value[DIR_DISPLAY].len == 0 && !reader->ours)
        entry->value[DIR_DISPLAY] = file_clean(reader, first(record, "cn"));
}

static bool
is_member(const struct ldif_attribute *attribute)
{
    return ldif_is(attribute, SPAN("member")) || ldif_is(attribute, SPAN("uniqueMember"));
}

/* "member;range=0-1499": Active Directory gives so many members at a time, and who wrote the file took the first only. */
static bool
is_cut(struct span name)
{
    const char *range = memmem(name.at, name.len, ";range=", 7);
    return range != NULL && name.at[name.len - 1] != '*';
}

/* Passes over what may be many. */
static void
take_lists(struct file_reader *reader, const struct ldif_record *record, struct dir_entry *entry)
{
    size_t n = 0;
    bool cut = false;
    for (size_t i = 0; i < record->n_attributes; i++) {
        const struct ldif_attribute *attribute = &record->attributes[i];
        n += is_member(attribute);
        cut = cut || (is_member(attribute) && is_cut(attribute->name));
        if (ldif_is(attribute, SPAN("proxyAddresses")))
            file_proxy(reader, entry, span_trim(attribute->value));
    }
    if (cut)
        file_trouble(reader, "the members are a part of all (range)");
    entry->members = n > 0 ? arena_alloc(reader->arena, n * sizeof *entry->members) : NULL;
    for (size_t i = 0; entry->members != NULL && i < record->n_attributes; i++)
        if (is_member(&record->attributes[i]) && record->attributes[i].value.len > 0)
            entry->members[entry->n_members++] = file_clean(reader, record->attributes[i].value);
}

static bool
is_recipient(const struct ldif_record *record)
{
    return first(record, "targetAddress").len > 0 || first(record, "mail").len > 0 ||
           first(record, "proxyAddresses").len > 0;
}

static void
record_take(struct file_reader *reader, const struct ldif_record *record)
{
    struct dir_entry entry = {.proxies = reader->proxies};
    if (!is_recipient(record))
        return;
    entry.name = file_clean(reader, record->dn);
    if (entry.name.len == 0) {
        file_error(reader, "there is no name behind dn:");
        return;
    }
    take_kind(record, reader->ours, &entry);
    take_id(reader, record, &entry);
    take_mark(reader, record, &entry);
    take_lists(reader, record, &entry);
    take_mail(reader, record, &entry);
    take_target(reader, record, &entry);
    take_values(reader, record, &entry);
    entry.hidden = span_equal_nocase(span_trim(first(record, HIDDEN_ATTRIBUTE)), SPAN("TRUE"));
    file_put(reader, &entry);
}

bool
file_read_ldif(struct file_reader *reader)
{
    struct ldif *ldif = ldif_new(reader->fd);
    struct ldif_record record;
    struct why why;
    int n;
    while ((n = ldif_next(ldif, &record, &why)) != 0) {
        if (n != 1 && n != -EINVAL) {
            file_broken(reader, n);
            break;
        }
        reader->line = record.line;
        if (n == 1)
            record_take(reader, &record);
        else
            file_error(reader, "%s", why.text);
        arena_reset(reader->arena);
        buf_reset(&reader->trouble);
    }
    bool whole = n != 0 || ldif_ended(ldif);
    ldif_free(ldif);
    return whole;
}

/* ---- writing ---- */

void
file_begin_ldif(struct buf *out)
{
    buf_add_text(out, FILE_LDIF_BEGIN "\nversion: 1\n");
}

/* The value of a DN's first RDN, without its escapes (RFC 4514 section 3). */
static void
rdn_value(struct span dn, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF0123456789abcdef";
    const char *equals = dn.len > 0 ? memchr(dn.at, '=', dn.len) : NULL;
    buf_reset(out);
    for (size_t i = equals != NULL ? (size_t)(equals + 1 - dn.at) : 0; i < dn.len; i++) {
        if (dn.at[i] == ',' || dn.at[i] == '+')
            break;
        const char *high = dn.at[i] == '\\' && i + 2 < dn.len ? memchr(digits, dn.at[i + 1], 32) : NULL;
        const char *low = high != NULL ? memchr(digits, dn.at[i + 2], 32) : NULL;
        if (low != NULL) {
            buf_add_byte(out, (char)(((high - digits) & 15) << 4 | ((low - digits) & 15)));
            i += 2;
        } else {
            i += dn.at[i] == '\\' && i + 1 < dn.len;
            buf_add_byte(out, dn.at[i]);
        }
    }
}

static void
add_text(const char *name, struct span value, struct buf *out)
{
    if (value.len > 0)
        ldif_add(span_of(name), value, out);
}

static void
add_address(const char *name, const struct address *address, bool primary, struct buf *out)
{
    struct buf text = {0};
    for (size_t i = 0; i < address->type.len; i++) {
        char c = address->type.at[i];
        buf_add_byte(&text, primary || c < 'A' || c > 'Z' ? c : (char)(c + 32));
    }
    buf_add_byte(&text, ':');
    buf_add_span(&text, address->value);
    ldif_add(span_of(name), buf_span(&text), out);
    buf_clear(&text);
}

void
file_add_ldif(const struct dir_entry *entry, struct buf *out)
{
    struct buf cn = {0};
    const struct dir_proxy *mail = dir_entry_proxy(entry, SPAN("SMTP"));
    buf_add_byte(out, '\n');
    ldif_add(SPAN("dn"), entry->name, out);
    ldif_add(SPAN("objectClass"), SPAN("top"), out);
    ldif_add(SPAN("objectClass"), entry->kind == DIR_GROUP ? SPAN("group") : SPAN("contact"), out);
    rdn_value(entry->name, &cn);
    add_text("cn", buf_span(&cn), out);
    buf_clear(&cn);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        add_text(dir_attribute_name((enum dir_attribute)i), entry->value[i], out);
    if (mail != NULL)
        add_text("mail", mail->address.value, out);
    if (entry->target.type.len > 0)
        add_address("targetAddress", &entry->target, true, out);
    for (size_t i = 0; i < entry->n_proxies; i++)
        add_address("proxyAddresses", &entry->proxies[i].address, entry->proxies[i].primary, out);
    for (size_t i = 0; i < entry->n_members; i++)
        add_text("member", entry->members[i], out);
    if (entry->hidden)
        add_text(HIDDEN_ATTRIBUTE, SPAN("TRUE"), out);
    add_text(MARK_ATTRIBUTE, entry->mark, out);
}
