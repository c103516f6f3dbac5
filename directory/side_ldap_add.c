/* side_ldap_add.c - the request that makes a new entry (see side_ldap_write.h)
 *
 *     Active Directory   contact; user, disabled (userAccountControl 514) or enabled (512, with a password that nobody knows);
 *                        group (groupType 8: universal, for distribution)
 *     Domino             dominoPerson, dominoGroup of type 1 (mail), not available for other synchronisations
 *     any other          inetOrgPerson, groupOfNames
 *
 * The mark is part of the request: there is no moment at which the entry is nobody's.
 */
#include <stdio.h>
#include <sys/random.h>

#include "directory/side_ldap_write.h"

enum { ACCOUNT_MAX = 20, ACCOUNT_TRIES = 30 };

static bool
is_user(const struct side_job *job)
{
    return job->side->names.kind == SIDE_AD && job->change->kind == DIR_MAIL_USER;
}

static bool
is_group(const struct side_job *job)
{
    return job->change->kind == DIR_GROUP && job->side->side.traits.members;
}

/* ---- classes ---- */

static void
add_classes(struct side_job *job, struct side_mods *mods)
{
    /* Active Directory fills in the classes above */
    static const struct span contact = {"contact", 7}, user = {"user", 4}, group = {"group", 5},
                             domino[] = {{"top", 3},
                                         {"person", 6},
                                         {"organizationalPerson", 20},
                                         {"inetOrgPerson", 13},
                                         {"dominoPerson", 12}},
                             domino_group[] = {{"top", 3}, {"dominoGroup", 11}},
                             plain_group[] = {{"top", 3}, {"groupOfNames", 12}, {"extensibleObject", 16}};
    const char *name = "objectClass";
    switch (job->side->names.kind) {
    case SIDE_AD:
        side_mods_add(job, mods, 0, name, is_group(job) ? &group : is_user(job) ? &user : &contact, 1);
        break;
    case SIDE_DOMINO:
        if (is_group(job))
            side_mods_add(job, mods, 0, name, domino_group, COUNT_OF(domino_group));
        else
            side_mods_add(job, mods, 0, name, domino, COUNT_OF(domino));
        break;
    default:
        if (is_group(job))
            side_mods_add(job, mods, 0, name, plain_group, COUNT_OF(plain_group));
        else
            side_mods_add(job, mods, 0, name, domino, COUNT_OF(domino) - 1);
    }
}

/* ---- names ---- */

/* The value of the first RDN, without escapes. */
static struct span
common_name(struct side_job *job)
{
    LDAPDN dn = NULL;
    struct span name = {NULL, 0};
    if (ldap_str2dn(job->dn, &dn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS && dn != NULL && dn[0] != NULL &&
        dn[0][0] != NULL) {
        const LDAPAVA *ava = dn[0][0];
        if (span_equal_nocase((struct span){ava->la_attr.bv_val, ava->la_attr.bv_len}, SPAN("cn")))
            name = arena_span(job->arena, (struct span){ava->la_value.bv_val, ava->la_value.bv_len});
    }
    if (dn != NULL)
        ldap_dnfree(dn);
    return name;
}

static struct span
added(const struct side_job *job, struct span name)
{
    const struct dir_delta *delta = side_delta_find(job->change, name);
    return delta != NULL && delta->n_add > 0 ? delta->add[0] : (struct span){NULL, 0};
}

/* ---- accounts ---- */

static uint32_t
hash_of(struct span text)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.at[i]) * 16777619u;
    return h;
}

static bool
is_legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

/* 1 to 20 of letters, digits, '-', '_', '.', no dot at either end: legal everywhere, for old clients too. The n-th try has its
 * number behind it, the last ones a part of the source's id. */
static void
account_name(const struct side_job *job, struct span cn, char name[ACCOUNT_MAX + 1])
{
    struct span from = added(job, SPAN("mailNickname"));
    char suffix[12] = "";
    size_t n = 0;
    if (from.len == 0)
        from = added(job, SPAN("displayName"));
    if (from.len == 0)
        from = cn;
    if (job->tries >= ACCOUNT_TRIES / 2)
        snprintf(suffix, sizeof suffix, "-%07x", (hash_of(job->change->source) + job->tries) & 0xfffffff);
    else if (job->tries > 0)
        snprintf(suffix, sizeof suffix, "%u", job->tries + 1);
    for (size_t i = 0; i < from.len && n < ACCOUNT_MAX - strlen(suffix); i++)
        if (is_legal(from.at[i]) && (from.at[i] != '.' || n > 0))
            name[n++] = from.at[i];
    while (n > 0 && name[n - 1] == '.')
        n--;
    if (n == 0)
        n = (size_t)snprintf(name, ACCOUNT_MAX + 1, "u%08x", hash_of(job->change->source));
    snprintf(name + n, ACCOUNT_MAX + 1 - n, "%s", suffix);
}

/* contoso.example of DC=contoso,DC=example; empty where there is none. */
static void
domain_of(struct side_job *job, struct buf *out)
{
    LDAPDN dn = NULL;
    if (ldap_str2dn(job->dn, &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS || dn == NULL)
        return;
    for (size_t i = 0; dn[i] != NULL; i++) {
        const LDAPAVA *ava = dn[i][0];
        if (ava == NULL ||
            !span_equal_nocase((struct span){ava->la_attr.bv_val, ava->la_attr.bv_len}, SPAN("dc")))
            continue;
        if (out->len > 0)
            buf_add_byte(out, '.');
        buf_add(out, ava->la_value.bv_val, ava->la_value.bv_len);
    }
    ldap_dnfree(dn);
}

/* Nobody knows it and it is kept nowhere: who shall log on is given another one by an administrator. Quoted, in UTF-16, as
 * unicodePwd wants it. */
static struct span
password(struct side_job *job)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_+=.,!%";
    enum { LENGTH = 40 };
    unsigned char octets[LENGTH];
    char *out = arena_alloc(job->arena, 2 * (LENGTH + 6));
    size_t n = 0;
    BUG_UNLESS(getrandom(octets, sizeof octets, 0) == (ssize_t)sizeof octets);
    out[2 * n++] = '"';
    for (size_t i = 0; i < LENGTH; i++)
        out[2 * n++] = letters[octets[i] % (sizeof letters - 1)];
    for (const char *c = "Aa1!"; *c != '\0'; c++) /* of each kind at least one */
        out[2 * n++] = *c;
    out[2 * n++] = '"';
    return (struct span){out, 2 * n};
}

static void
add_account(struct side_job *job, struct side_mods *mods, struct span cn)
{
    const struct dir_context *context = job->side->side.context;
    char name[ACCOUNT_MAX + 1];
    struct buf text = {0};
    account_name(job, cn, name);
    side_mods_text(job, mods, 0, "sAMAccountName", arena_copy(job->arena, span_of(name)));
    domain_of(job, &text);
    if (text.len > 0)
        side_mods_text(job, mods, 0, "userPrincipalName", arena_printf(job->arena, "%s@%s", name, text.at));
    buf_clear(&text);
    bool enabled = job->side->side.host && context->dirsync != NULL &&
                   span_equal(span_of(context->dirsync->import.create_as), SPAN("enabled-user"));
    side_mods_text(job, mods, 0, "userAccountControl", enabled ? "512" : "514");
    if (!enabled || !ldap_link_server(job->side->link)->active_directory)
        return;
    struct span secret = password(job);
    side_mods_add(job, mods, 0, "unicodePwd", &secret, 1);
}

/* ---- the entry ---- */

static bool
has(const struct side_mods *mods, const char *name)
{
    for (size_t i = 0; i < mods->n; i++)
        if (span_equal_nocase(span_of(mods->at[i]->mod_type), span_of(name)))
            return true;
    return false;
}

static void
add_values(struct side_job *job, struct side_mods *mods)
{
    const struct ldap_side *side = job->side;
    struct side_part parts[SIDE_PARTS_MAX];
    for (size_t i = 0; i < job->change->n_deltas; i++) {
        const struct dir_delta *delta = &job->change->deltas[i];
        int slot;
        const char *name = side_delta_attribute(side, job->change, delta, &slot);
        if (slot < 0 || slot == SLOT_MARK || slot == SLOT_MEMBER || slot == SLOT_HIDDEN || delta->n_add == 0)
            continue;
        if (slot == SLOT_PROXIES && name[0] != '\0')
            side_mods_add(job, mods, 0, name, delta->add, delta->n_add);
        else if (slot == SLOT_MAIL && side->names.slot[SLOT_PROXIES][0] != '\0')
            continue;
        size_t n = slot != SLOT_PROXIES ? side_delta_parts(side, job->change, delta, parts) : 0;
        for (size_t p = 0; p < n; p++)
            if (parts[p].add.len > 0 && !has(mods, side->names.slot[parts[p].slot]))
                side_mods_add(job, mods, 0, side->names.slot[parts[p].slot], &parts[p].add, 1);
    }
}

/* What the kind of server asks for besides. */
static void
add_needed(struct side_job *job, struct side_mods *mods, struct span cn)
{
    const struct side_names *names = &job->side->names;
    bool hidden;
    struct span mail, surname = added(job, SPAN("displayName"));
    if (!has(mods, "cn") && cn.len > 0)
        side_mods_add(job, mods, 0, "cn", &cn, 1);
    if (names->kind != SIDE_AD && !is_group(job) && !has(mods, "sn"))
        side_mods_add(job, mods, 0, "sn", surname.len > 0 ? &surname : &cn, 1);
    if (side_mail_follows(job->side, job->change, &mail) && mail.len > 0)
        side_mods_add(job, mods, 0, names->slot[SLOT_MAIL], &mail, 1);
    if (names->slot[SLOT_HIDDEN][0] != '\0' && side_hiding(job->change, &hidden) && hidden)
        side_mods_text(job, mods, 0, names->slot[SLOT_HIDDEN], "TRUE");
    if (names->kind == SIDE_AD && is_group(job))
        side_mods_text(job, mods, 0, "groupType", "8");
    if (names->kind == SIDE_AD && !is_group(job) && names->slot[SLOT_DISPLAY_TYPE][0] != '\0')
        side_mods_text(job, mods, 0, names->slot[SLOT_DISPLAY_TYPE], "6"); /* a remote recipient */
    if (is_user(job))
        add_account(job, mods, cn);
    if (names->kind == SIDE_DOMINO && is_group(job) && names->slot[SLOT_GROUP_TYPE][0] != '\0')
        side_mods_text(job, mods, 0, names->slot[SLOT_GROUP_TYPE], "1");
    if (names->slot[SLOT_AVAILABLE][0] != '\0')
        side_mods_text(job, mods, 0, names->slot[SLOT_AVAILABLE], "0");
}

/* groupOfNames must have a member when it is made, so the first ones are part of the request wherever there are any. */
void
side_job_add(struct side_job *job)
{
    const struct dir_delta *members = is_group(job) ? side_delta_find(job->change, SPAN("member")) : NULL;
    struct side_request *request = side_job_request(job, SIDE_ADD);
    struct span cn = common_name(job);
    size_t n = members != NULL ? members->n_add : 0,
           first = n < SIDE_MEMBERS_A_REQUEST ? n : SIDE_MEMBERS_A_REQUEST;
    add_classes(job, &request->mods);
    if (job->mark_after.len > 0)
        side_mods_add(job, &request->mods, 0, job->side->names.slot[SLOT_MARK], &job->mark_after, 1);
    add_values(job, &request->mods);
    add_needed(job, &request->mods, cn);
    if (job->settled) /* one of the members was refused: they come one by one */
        first = 0;
    if (first > 0)
        side_mods_add(job, &request->mods, 0, job->side->names.slot[SLOT_MEMBER], members->add, first);
    if (n > first)
        side_job_members(job, LDAP_MOD_ADD, members->add + first, n - first);
}

bool
side_job_another_account(struct side_job *job)
{
    if (!is_user(job) || ++job->tries >= ACCOUNT_TRIES)
        return false;
    job->requests = NULL;
    side_job_add(job);
    return true;
}
