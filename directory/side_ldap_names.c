/* side_ldap_names.c - which attribute of a server keeps what (see side_ldap.h) */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "directory/side_ldap.h"

static const char *const kept[DIR_ATTRIBUTES][SIDE_KINDS] = {
#define ATTRIBUTE(symbol, name, domino, ldap, characters) {name, domino, ldap},
#include "directory/attributes.def"
};

static const char *const others[][SIDE_KINDS] = {
#define SLOT(symbol, ad, domino, ldap) {ad, domino, ldap},
#include "directory/side_ldap_slots.def"
};

/* Ids that servers other than Active Directory give: OpenLDAP and its kin, Domino, 389, IBM. */
static const char *const ids[] = {"entryUUID", "dominoUNID", "nsUniqueId", "ibm-entryUUID"};
_Static_assert(COUNT_OF(ids) <= SLOT_IDS, "as many candidates as slots");

/* ---- the hash of names ---- */

static unsigned
hash_of(struct span name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ ((unsigned char)name.at[i] | 32u)) * 16777619u;
    return (h ^ h >> 16) & 255;
}

int
side_names_find(const struct side_names *names, struct span name)
{
    int slot = names->bucket[hash_of(name)];
    while (slot >= 0 && !span_equal_nocase(span_of(names->slot[slot]), name))
        slot = names->next[slot];
    return slot;
}

static void
index_slot(struct side_names *names, int slot)
{
    int first = side_names_find(names, span_of(names->slot[slot]));
    if (first >= 0) {
        while (names->chain[first] >= 0)
            first = names->chain[first];
        names->chain[first] = (int16_t)slot;
        return;
    }
    unsigned h = hash_of(span_of(names->slot[slot]));
    names->next[slot] = names->bucket[h];
    names->bucket[h] = (int16_t)slot;
}

void
side_names_seal(struct side_names *names)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(names->bucket); i++)
        names->bucket[i] = -1;
    for (int i = 0; i < SLOTS; i++)
        names->chain[i] = -1;
    for (int i = 0; i < SLOTS; i++) {
        if (names->slot[i][0] == '\0')
            continue;
        if (side_names_find(names, span_of(names->slot[i])) < 0)
            names->asked[n++] = names->slot[i];
        index_slot(names, i);
    }
    for (size_t i = 0; i < names->n_extras; i++)
        if (side_names_find(names, span_of(names->extra[i])) < 0)
            names->asked[n++] = names->extra[i];
    names->asked[n] = NULL;
}

bool
side_names_ask(struct side_names *names, struct span name)
{
    for (size_t i = 0; i < names->n_extras; i++)
        if (span_equal_nocase(span_of(names->extra[i]), name))
            return true;
    if (name.len == 0 || name.len >= SIDE_NAME_MAX || names->n_extras == SIDE_EXTRAS_MAX)
        return false;
    snprintf(names->extra[names->n_extras++], SIDE_NAME_MAX, "%.*s", (int)name.len, name.at);
    return true;
}

/* ---- filling ---- */

static void
set_slot(struct side_names *names, int slot, const char *name)
{
    snprintf(names->slot[slot], SIDE_NAME_MAX, "%.*s", SIDE_NAME_MAX - 1, name);
}

/* NAME=ATTRIBUTE of the configuration. */
static int
apply_map(struct side_names *names, const char *pair, struct why *why)
{
    const char *equals = strchr(pair, '=');
    size_t len = equals != NULL ? (size_t)(equals - pair) : 0;
    enum dir_attribute attribute = dir_attribute_find((struct span){pair, len});
    if (len == 0 || attribute == DIR_ATTRIBUTES)
        return why_set(why, "5.3.5", "map: \"%.100s\" names nothing that is kept in step", pair);
    if (strlen(equals + 1) >= SIDE_NAME_MAX)
        return why_set(why, "5.3.5", "map: \"%.100s\": no attribute has so long a name", pair);
    set_slot(names, (int)attribute, equals + 1);
    return 0;
}

static void
set_ids(struct side_names *names, const struct conf_directory *directory, bool active_directory)
{
    if (directory->id != NULL)
        set_slot(names, SLOT_ID, directory->id);
    else if (active_directory)
        set_slot(names, SLOT_ID, "objectGUID");
    else
        for (size_t i = 0; i < COUNT_OF(ids); i++)
            set_slot(names, SLOT_ID + (int)i, ids[i]);
}

static void
set_mark(struct side_names *names, const struct conf_directory *directory,
         bool (*knows)(void *arg, const char *name), void *arg)
{
    if (directory->mark != NULL)
        set_slot(names, SLOT_MARK, directory->mark);
    else if (names->kind == SIDE_AD)
        set_slot(names, SLOT_MARK,
                 knows == NULL || knows(arg, "importedFrom") ? "importedFrom" : "adminDescription");
}

/* An attribute that is the mark, or tells entries apart, is nothing else: it would be overwritten by what the other side has. */
static void
spare_own(struct side_names *names)
{
    for (int i = 0; i < DIR_ATTRIBUTES; i++)
        if (span_equal_nocase(span_of(names->slot[i]), span_of(names->slot[SLOT_MARK])) ||
            span_equal_nocase(span_of(names->slot[i]), span_of(names->slot[SLOT_ID])))
            names->slot[i][0] = '\0';
}

int
side_names_init(struct side_names *names, enum side_kind kind, const struct conf_directory *directory,
                bool active_directory, bool (*knows)(void *arg, const char *name), void *arg, struct why *why)
{
    memset(names, 0, sizeof *names);
    names->kind = kind;
    for (int i = 0; i < DIR_ATTRIBUTES; i++)
        set_slot(names, i, kept[i][kind]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        set_slot(names, DIR_ATTRIBUTES + (int)i, others[i][kind]);
    for (size_t i = 0; i < directory->map.n; i++)
        if (apply_map(names, directory->map.at[i], why) < 0)
            return -EINVAL;
    set_ids(names, directory, active_directory);
    set_mark(names, directory, knows, arg);
    spare_own(names);
    for (int i = 0; i < SLOTS && knows != NULL; i++)
        if (names->slot[i][0] != '\0' && !knows(arg, names->slot[i]))
            names->slot[i][0] = '\0';
    return 0;
}
