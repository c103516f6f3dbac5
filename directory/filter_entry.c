/* filter_entry.c - a filter asked of an entry as this program knows it, whatever directory it is from (see policy.h)
 *
 * The names are Active Directory's, as everywhere. What an entry is stands under the names that recipient policies of Exchange
 * ask for: objectClass, objectCategory, homeMDB.
 */
#include "directory/policy.h"

enum other {
    OF_PROXIES,
    OF_MAIL,
    OF_TARGET,
    OF_CLASS,
    OF_CATEGORY,
    OF_HIDDEN,
    OF_CONTROL,
    OF_STORE,
    OF_MARK,
    OTHERS
};

static const char *const others[OTHERS] = {[OF_PROXIES] = "proxyAddresses",
                                           [OF_MAIL] = "mail",
                                           [OF_TARGET] = "targetAddress",
                                           [OF_CLASS] = "objectClass",
                                           [OF_CATEGORY] = "objectCategory",
                                           [OF_HIDDEN] = "msExchHideFromAddressLists",
                                           [OF_CONTROL] = "userAccountControl",
                                           [OF_STORE] = "homeMDB",
                                           [OF_MARK] = "mark"};

static const char *const attributes[DIR_ATTRIBUTES] = {
#define ATTRIBUTE(symbol, name, domino, ldap, characters) [DIR_##symbol] = name,
#include "directory/attributes.def"
};

static size_t
find_other(struct span name)
{
    size_t i = 0;
    while (i < OTHERS && !span_equal_nocase(name, span_of(others[i])))
        i++;
    return i;
}

static size_t
find_attribute(struct span name)
{
    size_t i = 0;
    while (i < DIR_ATTRIBUTES && !span_equal_nocase(name, span_of(attributes[i])))
        i++;
    return i;
}

bool
dir_filter_name_of_entry(struct span name)
{
    return find_other(name) < OTHERS || find_attribute(name) < DIR_ATTRIBUTES;
}

/* ---- values ---- */

struct asked {
    const struct dir_entry *entry;
    struct buf text; /* of the address that was asked for last */
};

static struct span
address_text(struct asked *asked, const struct address *address, bool primary)
{
    buf_reset(&asked->text);
    for (size_t i = 0; i < address->type.len; i++) {
        char c = address->type.at[i];
        buf_add_byte(&asked->text, !primary && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    buf_add_byte(&asked->text, ':');
    buf_add_span(&asked->text, address->value);
    return buf_span(&asked->text);
}

static struct span
mail_of(const struct dir_entry *entry)
{
    const struct address *found = NULL;
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (address_is_smtp(&entry->proxies[i].address) && (found == NULL || entry->proxies[i].primary))
            found = &entry->proxies[i].address;
    if (found == NULL && address_is_smtp(&entry->target))
        found = &entry->target;
    return found != NULL ? found->value : SPAN("");
}

static struct span
class_of(enum dir_kind kind, size_t n)
{
    static const char *const person[] = {"top", "person", "organizationalPerson", NULL};
    const char *last = kind == DIR_CONTACT  ? "contact"
                       : kind == DIR_GROUP  ? "group"
                       : kind == DIR_FOLDER ? "publicFolder"
                                            : "user";
    if (kind == DIR_GROUP || kind == DIR_FOLDER)
        return span_of(n == 0 ? "top" : n == 1 ? last : NULL);
    return span_of(n < 3 ? person[n] : n == 3 ? last : NULL);
}

static struct span
single_of(const struct dir_entry *entry, enum other other)
{
    bool user = entry->kind == DIR_MAILBOX || entry->kind == DIR_MAIL_USER || entry->kind == DIR_RESOURCE;
    switch (other) {
    case OF_MAIL:
        return mail_of(entry);
    case OF_CATEGORY:
        return entry->kind == DIR_GROUP    ? SPAN("group")
               : entry->kind == DIR_FOLDER ? SPAN("publicFolder")
                                           : SPAN("person");
    case OF_HIDDEN:
        return entry->hidden ? SPAN("TRUE") : SPAN("");
    case OF_CONTROL:
        return !user ? SPAN("") : entry->disabled ? SPAN("514") : SPAN("512");
    case OF_STORE:
        return entry->kind == DIR_MAILBOX || entry->kind == DIR_RESOURCE ? SPAN("mailbox") : SPAN("");
    case OF_MARK:
        return entry->mark;
    default:
        return SPAN("");
    }
}

static bool
value_of(void *arg, struct span name, size_t n, struct span *value)
{
    struct asked *asked = arg;
    const struct dir_entry *entry = asked->entry;
    size_t attribute = find_attribute(name), other = find_other(name);
    *value = SPAN("");
    if (other == OF_PROXIES) {
        if (n < entry->n_proxies)
            *value = address_text(asked, &entry->proxies[n].address, entry->proxies[n].primary);
    } else if (other == OF_CLASS)
        *value = class_of(entry->kind, n);
    else if (n > 0)
        return false;
    else if (attribute < DIR_ATTRIBUTES)
        *value = entry->value[attribute];
    else if (other == OF_TARGET && entry->target.type.len > 0)
        *value = address_text(asked, &entry->target, true);
    else if (other < OTHERS)
        *value = single_of(entry, (enum other)other);
    return value->len > 0;
}

bool
dir_filter_matches_entry(const struct dir_filter *filter, const struct dir_entry *entry)
{
    struct asked asked = {.entry = entry};
    bool matches = dir_filter_matches(filter, value_of, &asked);
    buf_clear(&asked.text);
    return matches;
}
