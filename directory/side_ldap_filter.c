/* side_ldap_filter.c - what a server is asked for: filters, the digest that a reading is bound to (see side_ldap.h) */
#include <stdio.h>

#include "directory/side_ldap.h"

static void
add_presence(const struct side_names *names, int slot, struct buf *out)
{
    if (names->slot[slot][0] != '\0')
        buf_printf(out, "(%s=*)", names->slot[slot]);
}

/* Those with an address, or with a mark: ours may have lost theirs. */
static void
add_standard(const struct side_names *names, struct buf *out)
{
    buf_add_text(out, "(|");
    if (names->kind == SIDE_DOMINO) {
        static const char *const classes[] = {"dominoPerson", "dominoGroup", "dominoServerMailInDatabase",
                                              "inetOrgPerson", "groupOfNames"};
        for (size_t i = 0; i < COUNT_OF(classes); i++)
            buf_printf(out, "(objectClass=%s)", classes[i]);
    }
    add_presence(names, SLOT_MAIL, out);
    add_presence(names, SLOT_PROXIES, out);
    add_presence(names, SLOT_TARGET, out);
    if (names->kind == SIDE_AD)
        add_presence(names, SLOT_KEPT_ALIAS, out);
    add_presence(names, SLOT_MARK, out);
    buf_add_byte(out, ')');
}

/* A filter of the configuration leaves out nothing that is ours. */
void
side_filter(const struct side_names *names, const struct conf_directory *directory, struct buf *out)
{
    struct span filter = span_trim(span_of(directory->filter));
    buf_reset(out);
    if (filter.len == 0) {
        add_standard(names, out);
        return;
    }
    bool bare = filter.at[0] != '(';
    if (names->slot[SLOT_MARK][0] != '\0')
        buf_add_text(out, "(|");
    buf_printf(out, "%s%.*s%s", bare ? "(" : "", (int)filter.len, filter.at, bare ? ")" : "");
    if (names->slot[SLOT_MARK][0] != '\0')
        buf_printf(out, "(%s=viaduct*))", names->slot[SLOT_MARK]);
}

/* ---- ids ---- */

static int
hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A printed GUID in the order in which Active Directory keeps it. */
static bool
guid_octets(struct span id, unsigned char octets[16])
{
    static const unsigned char order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    size_t n = 0;
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash && id.at[i] != '-')
            return false;
        if (dash)
            continue;
        int high = hex_digit(id.at[i]), low = hex_digit(id.at[i + 1]);
        if (high < 0 || low < 0 || n == 16)
            return false;
        octets[order[n++]] = (unsigned char)(high << 4 | low);
        i++;
    }
    return n == 16;
}

static void
add_id(const char *name, struct span id, struct buf *out)
{
    unsigned char octets[16];
    buf_printf(out, "(%s=", name);
    if (span_equal_nocase(span_of(name), SPAN("objectGUID")) && guid_octets(id, octets))
        for (size_t i = 0; i < sizeof octets; i++)
            buf_printf(out, "\\%02x", octets[i]);
    else
        dir_filter_escape(id, out);
    buf_add_byte(out, ')');
}

void
side_id_filter(const struct side_names *names, struct span id, struct buf *out)
{
    size_t n = 0;
    for (int slot = SLOT_ID; slot < SLOTS; slot++)
        n += names->slot[slot][0] != '\0';
    if (n > 1)
        buf_add_text(out, "(|");
    for (int slot = SLOT_ID; slot < SLOTS; slot++)
        if (names->slot[slot][0] != '\0')
            add_id(names->slot[slot], id, out);
    if (n > 1)
        buf_add_byte(out, ')');
}

/* ---- the digest ---- */

static void
digest_text(uint64_t *digest, const char *text)
{
    for (const char *c = text != NULL ? text : ""; *c != '\0'; c++)
        *digest = (*digest ^ (unsigned char)*c) * UINT64_C(1099511628211);
    *digest = (*digest ^ 0xff) * UINT64_C(1099511628211);
}

/* FNV-1a of all that decides what becomes of an answer. The first text is the mapping's own version: another one makes everything
 * be read anew. */
uint64_t
side_digest(const struct ldap_side *side)
{
    uint64_t digest = UINT64_C(14695981039346656037);
    char policies[24];
    digest_text(&digest, "1");
    digest_text(&digest, side->directory->base);
    digest_text(&digest, side->filter.at);
    for (int i = 0; i < SLOTS; i++)
        digest_text(&digest, side->names.slot[i]);
    for (const char *const *name = side->names.asked; *name != NULL; name++)
        digest_text(&digest, *name);
    for (size_t i = 0; i < side->directory->opt_out.n; i++)
        digest_text(&digest, side->directory->opt_out.at[i]);
    digest_text(&digest, side->address_type);
    digest_text(&digest, side->mail_domain);
    snprintf(policies, sizeof policies, "%016llx",
             side->policies != NULL ? (unsigned long long)dir_policies_digest(side->policies) : 0);
    digest_text(&digest, policies);
    return digest;
}
