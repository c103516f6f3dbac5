/* side_ldap_mods.c - a change becomes LDAP requests, from what the plan saw (see side_ldap_write.h)
 *
 * A request for a copy of ours takes its mark away and gives it back, before anything else: where the entry is another one by
 * now, or another's, the server refuses the whole request. In the same way an old value is taken away before the new one is set,
 * so that what somebody changed in the meantime is not overwritten unseen. Where an attribute can have several values the source's
 * is the only one: others that stand beside it go.
 */
#include "directory/side_ldap_write.h"

/* ---- building ---- */

void
side_mods_add(struct side_job *job, struct side_mods *mods, int op, const char *name, const struct span *values,
              size_t n)
{
    if (mods->n + 2 > mods->size) {
        size_t size = mods->size > 0 ? 2 * mods->size : 32;
        LDAPMod **more = arena_alloc(job->arena, size * sizeof *more);
        if (mods->n > 0)
            memcpy(more, mods->at, mods->n * sizeof *more);
        mods->at = more;
        mods->size = size;
    }
    LDAPMod *mod = arena_alloc(job->arena, sizeof *mod);
    struct berval *octets = arena_alloc(job->arena, (n + 1) * sizeof *octets);
    mod->mod_op = op | LDAP_MOD_BVALUES;
    mod->mod_type = (char *)(uintptr_t)name;
    mod->mod_bvalues = n > 0 ? arena_alloc(job->arena, (n + 1) * sizeof *mod->mod_bvalues) : NULL;
    for (size_t i = 0; i < n; i++) {
        octets[i] = (struct berval){values[i].len, (char *)(uintptr_t)values[i].at};
        mod->mod_bvalues[i] = &octets[i];
    }
    mods->at[mods->n++] = mod;
    mods->at[mods->n] = NULL;
}

void
side_mods_text(struct side_job *job, struct side_mods *mods, int op, const char *name, const char *value)
{
    struct span span = span_of(value);
    side_mods_add(job, mods, op, name, &span, value != NULL);
}

struct side_request *
side_job_request(struct side_job *job, enum side_request_kind kind)
{
    struct side_request *request = arena_alloc(job->arena, sizeof *request), **end = &job->requests;
    request->kind = kind;
    while (*end != NULL)
        end = &(*end)->next;
    *end = request;
    return request;
}

void
side_job_members(struct side_job *job, int op, const struct span *members, size_t n)
{
    for (size_t i = 0; i < n; i += SIDE_MEMBERS_A_REQUEST) {
        struct side_request *request = side_job_request(job, SIDE_MEMBERS);
        request->op = op;
        request->members = members + i;
        request->n_members = n - i < SIDE_MEMBERS_A_REQUEST ? n - i : SIDE_MEMBERS_A_REQUEST;
    }
}

/* ---- what a delta means on this server ---- */

const struct dir_delta *
side_delta_find(const struct dir_change *change, struct span name)
{
    for (size_t i = 0; i < change->n_deltas; i++)
        if (span_equal_nocase(change->deltas[i].name, name))
            return &change->deltas[i];
    return NULL;
}

static int
slot_of(const struct ldap_side *side, struct span name)
{
    static const struct {
        struct span name;
        int slot;
    } known[] = {
        {{"proxyAddresses", 14}, SLOT_PROXIES},
        {{"member", 6}, SLOT_MEMBER},
        {{"targetAddress", 13}, SLOT_TARGET},
        {{"mail", 4}, SLOT_MAIL},
        {{"mark", 4}, SLOT_MARK},
        {{"hidden", 6}, SLOT_HIDDEN},
    };
    enum dir_attribute attribute = dir_attribute_find(name);
    if (attribute != DIR_ATTRIBUTES)
        return (int)attribute;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (span_equal_nocase(name, known[i].name)) {
            int slot = known[i].slot;
            return slot == SLOT_MAIL && side->names.slot[SLOT_INTERNET][0] != '\0' ? SLOT_INTERNET : slot;
        }
    return -1;
}

const char *
side_delta_attribute(const struct ldap_side *side, const struct dir_change *change,
                     const struct dir_delta *delta, int *slot)
{
    *slot = slot_of(side, delta->name);
    if (*slot >= 0 && *slot < DIR_ATTRIBUTES && change->kind == DIR_GROUP &&
        (side->side.traits.not_of_groups >> *slot & 1) != 0)
        *slot = -1;
    return *slot < 0 ? "" : side->names.slot[*slot];
}

static struct span
first_of(const struct span *values, size_t n)
{
    return n > 0 ? values[0] : (struct span){NULL, 0};
}

static bool
split_type(struct span text, struct span type, struct span *value)
{
    if (text.len <= type.len || !span_starts_nocase(text, type) || text.at[type.len] != ':')
        return false;
    *value = (struct span){text.at + type.len + 1, text.len - type.len - 1};
    return true;
}

/* Domino: NOTES:name@domain is fullName and mailDomain, SMTP:... is internetAddress. */
static size_t
domino_target(struct span remove, struct span add, struct side_part parts[SIDE_PARTS_MAX])
{
    struct side_part name = {.slot = SLOT_FULL_NAME}, domain = {.slot = SLOT_MAIL_DOMAIN},
                     mail = {.slot = SLOT_INTERNET}, system = {.slot = SLOT_MAIL_SYSTEM};
    struct span value;
    if (split_type(remove, SPAN("NOTES"), &value)) {
        side_notes_split(value, &name.remove, &domain.remove);
        system.remove = SPAN("1");
    } else if (split_type(remove, SPAN("SMTP"), &mail.remove)) {
        system.remove = SPAN("5");
    }
    if (split_type(add, SPAN("NOTES"), &value)) {
        side_notes_split(value, &name.add, &domain.add);
        system.add = SPAN("1");
    } else if (split_type(add, SPAN("SMTP"), &mail.add)) {
        system.add = SPAN("5");
    }
    size_t n = 0;
    const struct side_part all[] = {name, domain, mail, system};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (!span_equal(all[i].remove, all[i].add))
            parts[n++] = all[i];
    return n;
}

/* Whether the change says by itself what becomes of an attribute that a target is kept in. */
static bool
is_told(const struct dir_change *change, int slot)
{
    return slot == SLOT_INTERNET && side_delta_find(change, SPAN("mail")) != NULL;
}

size_t
side_delta_parts(const struct ldap_side *side, const struct dir_change *change, const struct dir_delta *delta,
                 struct side_part parts[SIDE_PARTS_MAX])
{
    struct side_part part = {.remove = first_of(delta->remove, delta->n_remove),
                             .add = first_of(delta->add, delta->n_add)};
    const char *name = side_delta_attribute(side, change, delta, &part.slot);
    if (part.slot == SLOT_TARGET && side->names.kind == SIDE_DOMINO) {
        size_t n = domino_target(part.remove, part.add, parts), kept = 0;
        for (size_t i = 0; i < n; i++)
            if (side->names.slot[parts[i].slot][0] != '\0' && !is_told(change, parts[i].slot))
                parts[kept++] = parts[i];
        return kept;
    }
    if (part.slot == SLOT_TARGET && side->names.kind == SIDE_PLAIN) {
        struct span remove = part.remove, add = part.add;
        part = (struct side_part){.slot = SLOT_MAIL};
        split_type(remove, SPAN("SMTP"), &part.remove);
        split_type(add, SPAN("SMTP"), &part.add);
        name = side->names.slot[SLOT_MAIL];
    }
    parts[0] = part;
    return name[0] != '\0' && !span_equal(part.remove, part.add);
}

/* ---- what comes besides ---- */

void
side_job_marks(struct side_job *job)
{
    const struct dir_change *change = job->change;
    const struct dir_delta *delta = side_delta_find(change, SPAN("mark"));
    const struct conf_dirsync *dirsync = job->side->side.context->dirsync;
    struct span mark = {NULL, 0};
    if (change->source.len > 0 && dirsync != NULL) {
        struct buf text = {0};
        dir_mark_print(dirsync->title, change->source, change->operation == DIR_ADOPT, &text);
        mark = arena_span(job->arena, buf_span(&text));
        buf_clear(&text);
    }
    bool fresh = change->operation == DIR_ADD || change->operation == DIR_ADOPT;
    job->mark_before = delta != NULL ? first_of(delta->remove, delta->n_remove)
                       : fresh       ? (struct span){NULL, 0}
                                     : mark;
    job->mark_after = delta != NULL && delta->n_add > 0 ? delta->add[0]
                      : delta == NULL || fresh          ? mark
                                                        : (struct span){NULL, 0};
    if (change->operation == DIR_DISABLE)
        job->mark_after = (struct span){NULL, 0};
    if (change->operation == DIR_DISABLE && job->mark_before.len == 0)
        job->mark_before = mark;
}

static struct span
primary_smtp(const struct span *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i].len > 5 && memcmp(values[i].at, "SMTP:", 5) == 0)
            return (struct span){values[i].at + 5, values[i].len - 5};
    return (struct span){NULL, 0};
}

/* `mail` is the primary SMTP address where there are proxyAddresses; empty: none any more. */
bool
side_mail_follows(const struct ldap_side *side, const struct dir_change *change, struct span *mail)
{
    const struct dir_delta *proxies = side_delta_find(change, SPAN("proxyAddresses"));
    const struct dir_delta *delta = side_delta_find(change, SPAN("mail"));
    if (side->names.slot[SLOT_PROXIES][0] == '\0' || side->names.slot[SLOT_MAIL][0] == '\0')
        return false;
    if (delta != NULL) {
        *mail = first_of(delta->add, delta->n_add);
        return true;
    }
    if (proxies == NULL)
        return false;
    *mail = primary_smtp(proxies->add, proxies->n_add);
    return mail->len > 0 || primary_smtp(proxies->remove, proxies->n_remove).len > 0;
}

bool
side_hiding(const struct dir_change *change, bool *hidden)
{
    const struct dir_delta *delta = side_delta_find(change, SPAN("hidden"));
    *hidden = change->operation == DIR_HIDE ||
              (delta != NULL && delta->n_add > 0 && span_equal_nocase(delta->add[0], SPAN("TRUE")));
    return delta != NULL || change->operation == DIR_HIDE || change->operation == DIR_SHOW;
}

size_t
side_mail_slots(const struct ldap_side *side, int slots[SLOTS])
{
    static const int all[] = {SLOT_PROXIES, SLOT_TARGET,       SLOT_MAIL,     SLOT_KEPT_ALIAS,
                              SLOT_HIDDEN,  SLOT_DISPLAY_TYPE, SLOT_INTERNET, SLOT_MAIL_DOMAIN};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (side->names.slot[all[i]][0] != '\0')
            slots[n++] = all[i];
    return n;
}

/* ---- the requests ---- */

static bool
is_apart(int slot)
{
    return slot == SLOT_MARK || slot == SLOT_HIDDEN || slot == SLOT_MEMBER;
}

static void
add_part(struct side_job *job, struct side_mods *mods, const struct side_part *part)
{
    const char *name = job->side->names.slot[part->slot];
    bool several = part->slot == SLOT_FULL_NAME; /* other names are other's */
    if (part->remove.len > 0)
        side_mods_add(job, mods, LDAP_MOD_DELETE, name, &part->remove, 1);
    if (part->add.len > 0)
        side_mods_add(job, mods, part->remove.len > 0 && !several ? LDAP_MOD_REPLACE : LDAP_MOD_ADD, name,
                      &part->add, 1);
}

static void
add_deltas(struct side_job *job, struct side_mods *mods)
{
    const struct dir_change *change = job->change;
    for (size_t i = 0; i < change->n_deltas; i++) {
        const struct dir_delta *delta = &change->deltas[i];
        struct side_part parts[SIDE_PARTS_MAX];
        int slot;
        const char *name = side_delta_attribute(job->side, change, delta, &slot);
        if (slot < 0 || is_apart(slot) || (slot == SLOT_MAIL && job->side->names.slot[SLOT_PROXIES][0] != '\0'))
            continue;
        if (slot == SLOT_PROXIES) {
            if (name[0] != '\0' && delta->n_remove > 0)
                side_mods_add(job, mods, LDAP_MOD_DELETE, name, delta->remove, delta->n_remove);
            if (name[0] != '\0' && delta->n_add > 0)
                side_mods_add(job, mods, LDAP_MOD_ADD, name, delta->add, delta->n_add);
            continue;
        }
        size_t n = side_delta_parts(job->side, change, delta, parts);
        for (size_t p = 0; p < n; p++)
            add_part(job, mods, &parts[p]);
    }
}

static void
add_followers(struct side_job *job, struct side_mods *mods)
{
    const struct side_names *names = &job->side->names;
    struct span mail;
    bool hidden;
    if (side_mail_follows(job->side, job->change, &mail))
        side_mods_add(job, mods, LDAP_MOD_REPLACE, names->slot[SLOT_MAIL], &mail, mail.len > 0);
    if (names->slot[SLOT_HIDDEN][0] != '\0' && side_hiding(job->change, &hidden))
        side_mods_text(job, mods, LDAP_MOD_REPLACE, names->slot[SLOT_HIDDEN], hidden ? "TRUE" : NULL);
}

/* The old target first: who has got a mailbox since has it no more, and is left alone. */
static void
add_disabling(struct side_job *job, struct side_mods *mods)
{
    const struct dir_delta *target = side_delta_find(job->change, SPAN("targetAddress"));
    int slots[SLOTS];
    size_t n = side_mail_slots(job->side, slots);
    if (target != NULL && target->n_remove > 0 && job->side->names.slot[SLOT_TARGET][0] != '\0')
        side_mods_add(job, mods, LDAP_MOD_DELETE, job->side->names.slot[SLOT_TARGET], target->remove, 1);
    for (size_t i = 0; i < n; i++)
        side_mods_add(job, mods, LDAP_MOD_REPLACE, job->side->names.slot[slots[i]], NULL, 0);
}

/* An account that we made and that stays. One that was there before us, or has got a mailbox, loses no more than the plan says. */
bool
side_strips(const struct side_job *job)
{
    return job->change->operation == DIR_DISABLE && job->change->kind == DIR_MAIL_USER &&
           !dir_mark_adopted(job->mark_before);
}

static void
plan_modify(struct side_job *job)
{
    const char *mark = job->side->names.slot[SLOT_MARK];
    enum dir_operation operation = job->change->operation;
    struct side_mods mods = {0};
    if (job->mark_before.len > 0)
        side_mods_add(job, &mods, LDAP_MOD_DELETE, mark, &job->mark_before, 1);
    if (job->mark_after.len > 0)
        side_mods_add(job, &mods, LDAP_MOD_ADD, mark, &job->mark_after, 1);
    size_t bare = mods.n;
    if (side_strips(job)) {
        add_disabling(job, &mods);
    } else if (operation != DIR_DELETE) {
        add_deltas(job, &mods);
        add_followers(job, &mods);
    }
    bool more = operation == DIR_DELETE || operation == DIR_RENAME || operation == DIR_DISABLE ||
                operation == DIR_ADOPT || side_delta_find(job->change, SPAN("member")) != NULL;
    if (mods.n > bare || (more && mods.n > 0))
        side_job_request(job, SIDE_MODIFY)->mods = mods;
}

/* The parts of a DN: its first RDN, and what is above it. */
static void
split_dn(struct side_job *job, struct span dn, const char **rdn, const char **parent)
{
    size_t len = 0;
    while (len < dn.len && dn.at[len] != ',')
        len += dn.at[len] == '\\' && len + 1 < dn.len ? 2 : 1;
    *rdn = arena_copy(job->arena, (struct span){dn.at, len});
    len += len < dn.len;
    *parent = arena_copy(job->arena, span_trim((struct span){dn.at + len, dn.len - len}));
}

void
side_job_rename(struct side_job *job)
{
    const char *old_rdn, *old_parent;
    struct side_request *request = side_job_request(job, SIDE_RENAME);
    split_dn(job, job->change->new_name, &request->rdn, &request->parent);
    split_dn(job, span_of(job->dn), &old_rdn, &old_parent);
    if (span_equal_nocase(span_of(old_parent), span_of(request->parent)))
        request->parent = NULL;
}

void
side_job_plan(struct side_job *job)
{
    const struct dir_change *change = job->change;
    const struct dir_delta *members = side_delta_find(change, SPAN("member"));
    job->requests = NULL;
    if (change->operation == DIR_ADD) {
        side_job_add(job);
        return;
    }
    plan_modify(job);
    if (members != NULL && job->side->side.traits.members && change->operation != DIR_DELETE) {
        /* those who come first: some classes want one member at least */
        side_job_members(job, LDAP_MOD_ADD, members->add, members->n_add);
        side_job_members(job, LDAP_MOD_DELETE, members->remove, members->n_remove);
    }
    if (change->operation == DIR_RENAME)
        side_job_rename(job);
    if (change->operation == DIR_DELETE)
        side_job_request(job, SIDE_DELETE);
}
