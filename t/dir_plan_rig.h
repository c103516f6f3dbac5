/* dir_plan_rig.h - two directories in memory, a configuration, and plans carried out between them
 *
 * world_apply() is strict: what a change removes must be there, what it adds must not, names are unique, and who is deleted leaves
 * his groups, as a directory server does it. So a plan that rests on something that is not so fails here.
 */
#ifndef VIADUCT_DIR_PLAN_RIG_H
#define VIADUCT_DIR_PLAN_RIG_H

#include <stdarg.h>

#include "directory/plan.h"
#include "t/tap.h"

enum { DAY = 24 * 3600 };

struct world {
    struct conf_root root;
    struct conf_directory directory;
    struct conf_dirsync dirsync;
    struct conf_policy policy;
    struct dir_policies *policies;
    struct dir_set *side[2]; /* 0: foreign, 1: host */
    struct dir_traits traits[2];
    struct dir_pending *pending;
    struct dir_set *given, *added;
    struct dir_plan_input in; /* what a test changes: complete, before, adopt, now_s */
    struct dir_plan *plan;
    struct arena *texts; /* that live as long as the world */
    unsigned next_id;
    char trouble[500]; /* what was wrong with a change; "": nothing */
};

static struct why rig_why;

static inline struct conf_texts
texts_of(struct world *world, const char *words)
{
    struct conf_texts texts = {arena_alloc(world->texts, 20 * sizeof *texts.at), 0};
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, "|");
        texts.at[texts.n++] = arena_copy(world->texts, (struct span){at, len});
        at += len + (at[len] != '\0');
    }
    return texts;
}

/* GroupWise's users as contacts below OU=GroupWise, the host's below OU=Staff as contacts below O=Exchange. */
static inline struct world *
world_new(void)
{
    struct world *world = xcalloc(1, sizeof *world);
    const struct dir_traits all = {.attributes = UINT32_MAX,
                                   .hides = true,
                                   .members = true,
                                   .proxies = DIR_PROXIES_ALL,
                                   .naming = DIR_NAMED_DN};
    world->texts = arena_new(1 << 30);
    world->directory = (struct conf_directory){.title = "ad", .writable = true, .proxies = "directory"};
    world->root.host.directories = &world->directory;
    world->root.host.directories_n = 1;
    world->policy = (struct conf_policy){.title = "Default", .filter = "(mailNickname=*)", .priority = 1};
    world->root.policies = &world->policy;
    world->dirsync = (struct conf_dirsync){.title = "gw", .connector = "groupwise", .directory = "ad"};
    world->dirsync.foreign = (struct conf_foreign){.format = "ldap", .directory = {.writable = true}};
    world->dirsync.import = (struct conf_import){.set = true,
                                                 .container = "OU=GroupWise,DC=contoso,DC=example",
                                                 .create_as = "contact",
                                                 .groups = "group",
                                                 .delete_s = 14 * DAY};
    world->dirsync.export = (struct conf_export){.set = true, .container = "O=Exchange", .groups = "group"};
    world->dirsync.export.containers = texts_of(world, "OU=Staff,DC=contoso,DC=example");
    world->dirsync.limits.delete = texts_of(world, "25|2%");
    world->dirsync.limits.change = texts_of(world, "500|20%");
    world->dirsync.limits.shrink = "20%";
    world->side[0] = dir_set_new();
    world->side[1] = dir_set_new();
    world->traits[0] = world->traits[1] = all;
    world->pending = dir_pending_new();
    world->in = (struct dir_plan_input){.root = &world->root,
                                        .dirsync = &world->dirsync,
                                        .host_complete = true,
                                        .foreign_complete = true,
                                        .now_s = 1700000000,
                                        .address_type = "GWISE"};
    return world;
}

static inline void
world_free(struct world *world)
{
    dir_plan_free(world->plan);
    dir_policies_free(world->policies);
    dir_set_free(world->side[0]);
    dir_set_free(world->side[1]);
    dir_set_free(world->given);
    dir_set_free(world->added);
    dir_pending_free(world->pending);
    arena_free(world->texts);
    free(world);
}

/* A policy for everybody, its templates parted by '|'. */
static inline void
world_policy(struct world *world, const char *templates)
{
    world->policy.proxy = texts_of(world, templates);
    world->root.policies_n = 1;
    world->policies = dir_policies_new(&world->root, &rig_why);
    if (world->policies == NULL)
        printf("# policies: %s\n", rig_why.text);
}

/* ---- entries ---- */

static inline struct span
text_of(struct world *world, const char *format, ...)
{
    char text[5000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_span(world->texts, span_of(text));
}

static inline struct address
address_in(struct world *world, const char *text)
{
    struct address address = {{NULL, 0}, {NULL, 0}};
    if (text[0] != '\0' &&
        address_parse(arena_span(world->texts, span_of(text)), world->texts, &address, &rig_why) != 0)
        printf("# no address: %s\n", text);
    return address;
}

/* An entry with addresses "GWISE:x|smtp:y": the first of the connector's type is the target of a foreign one. */
static inline struct dir_entry
entry_of(struct world *world, const char *id, const char *name, const char *display, const char *addresses)
{
    struct dir_entry entry = {.id = span_of(id), .name = span_of(name), .kind = DIR_MAILBOX};
    struct conf_texts texts = texts_of(world, addresses);
    entry.value[DIR_DISPLAY] = span_of(display);
    entry.proxies = arena_alloc(world->texts, (texts.n + 1) * sizeof *entry.proxies);
    for (size_t i = 0; i < texts.n; i++)
        entry.proxies[entry.n_proxies++] =
            (struct dir_proxy){address_in(world, texts.at[i]), texts.at[i][0] <= 'Z'};
    return entry;
}

static inline void
put_entry(struct world *world, bool host, const struct dir_entry *entry)
{
    if (dir_set_put(world->side[host], entry, &rig_why) == SIZE_MAX)
        printf("# cannot put: %s\n", rig_why.text);
}

/* A GroupWise user "Dom.PO.X". */
static inline void
foreign_user(struct world *world, const char *id, const char *gwise, const char *display, const char *smtp)
{
    struct span addresses = text_of(world, "GWISE:%s%s%s", gwise, smtp[0] != '\0' ? "|SMTP:" : "", smtp);
    struct dir_entry entry = entry_of(world, id, gwise, display, addresses.at);
    entry.target = entry.proxies[0].address;
    put_entry(world, false, &entry);
}

/* A mailbox of the host below OU=Staff. */
static inline void
host_user(struct world *world, const char *id, const char *display, const char *addresses)
{
    struct span name = text_of(world, "CN=%s,OU=Staff,DC=contoso,DC=example", display);
    struct dir_entry entry = entry_of(world, id, name.at, display, addresses);
    entry.policy = world->root.policies_n > 0;
    put_entry(world, true, &entry);
}

/* A group with members' names parted by '|'. */
static inline void
put_group(struct world *world, bool host, const char *id, const char *name, const char *addresses,
          const char *members)
{
    struct dir_entry entry = entry_of(world, id, name, id, addresses);
    struct conf_texts texts = texts_of(world, members);
    entry.kind = DIR_GROUP;
    if (!host)
        entry.target = entry.proxies[0].address;
    entry.members = arena_alloc(world->texts, (texts.n + 1) * sizeof *entry.members);
    for (size_t i = 0; i < texts.n; i++)
        entry.members[entry.n_members++] = span_of(texts.at[i]);
    put_entry(world, host, &entry);
}

/* Reads an entry, its texts in the world's memory; false where there is none. */
static inline bool
get_entry(struct world *world, bool host, size_t place, struct dir_entry *entry)
{
    static struct dir_room room;
    if (!dir_set_get(world->side[host], place, &room, entry))
        return false;
    struct dir_proxy *proxies = arena_alloc(world->texts, (entry->n_proxies + 1) * sizeof *proxies);
    struct span *members = arena_alloc(world->texts, (entry->n_members + 1) * sizeof *members);
    if (entry->n_proxies > 0)
        memcpy(proxies, entry->proxies, entry->n_proxies * sizeof *proxies);
    if (entry->n_members > 0)
        memcpy(members, entry->members, entry->n_members * sizeof *members);
    entry->proxies = proxies;
    entry->members = members;
    return true;
}

static inline bool
get_id(struct world *world, bool host, const char *id, struct dir_entry *entry)
{
    return get_entry(world, host, dir_set_find_id(world->side[host], span_of(id)), entry);
}

/* The copy of a source. */
static inline bool
get_copy(struct world *world, bool host, const char *source, struct dir_entry *copy)
{
    struct span mark = text_of(world, "viaduct:gw:%s", source),
                adopted = text_of(world, "viaduct-adopted:gw:%s", source);
    return get_entry(world, host, dir_set_find_mark(world->side[host], mark), copy) ||
           get_entry(world, host, dir_set_find_mark(world->side[host], adopted), copy);
}

static inline bool
entry_has(struct world *world, const struct dir_entry *entry, const char *proxy)
{
    struct address address = address_in(world, proxy);
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (address_equal(&entry->proxies[i].address, &address) &&
            entry->proxies[i].primary == (proxy[0] <= 'Z'))
            return true;
    return false;
}

static inline bool
entry_has_member(const struct dir_entry *entry, struct span name)
{
    for (size_t i = 0; i < entry->n_members; i++)
        if (span_equal_nocase(entry->members[i], name))
            return true;
    return false;
}

/* ---- plans ---- */

static inline struct dir_plan *
world_plan(struct world *world)
{
    dir_plan_free(world->plan);
    dir_pending_prune(world->pending, true, world->side[1]);
    dir_pending_prune(world->pending, false, world->side[0]);
    world->in.policies = world->policies;
    world->in.host = world->side[1];
    world->in.foreign = world->side[0];
    world->in.host_traits = &world->traits[1];
    world->in.foreign_traits = &world->traits[0];
    world->in.pending = world->pending;
    world->in.given = world->given;
    world->in.added = world->added;
    world->plan = dir_plan_make(&world->in);
    for (size_t i = 0; i < world->plan->n_back; i++)
        dir_pending_set(world->pending, world->plan->back[i].host, world->plan->back[i].id, 0);
    return world->plan;
}

static inline const struct dir_change *
find_change(const struct dir_plan *plan, bool host, enum dir_operation operation, const char *name)
{
    for (size_t i = 0; i < plan->n_changes; i++)
        if (plan->changes[i].host == host && plan->changes[i].operation == operation &&
            (name == NULL || span_equal(plan->changes[i].name, span_of(name))))
            return &plan->changes[i];
    return NULL;
}

static inline size_t
count_notices(const struct dir_plan *plan, enum dir_note kind, const char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->n_notices; i++)
        n += plan->notices[i].kind == kind &&
             memmem(plan->notices[i].text.at, plan->notices[i].text.len, text, strlen(text)) != NULL;
    return n;
}

static inline void
print_plan(struct dir_plan *plan)
{
    struct buf text = {0};
    dir_plan_write(plan, &text);
    printf("# ");
    for (size_t i = 0; i < text.len; i++)
        printf(text.at[i] == '\n' ? "\n# " : "%c", text.at[i]);
    printf("\n");
    buf_clear(&text);
}

/* ---- a plan carried out ---- */

static inline void
complain(struct world *world, const struct dir_change *change, const char *what, struct span value)
{
    if (world->trouble[0] == '\0')
        snprintf(world->trouble, sizeof world->trouble, "%s %s %.*s: %s %.*s",
                 change->host ? "host" : "foreign", dir_operation_name(change->operation),
                 (int)change->name.len, change->name.at, what, (int)value.len, value.at);
}

static inline void
apply_value(struct world *world, const struct dir_change *change, const struct dir_delta *delta,
            struct span *value)
{
    if (delta->n_remove > 1 || delta->n_add > 1 ||
        !span_equal(delta->n_remove > 0 ? delta->remove[0] : SPAN(""), *value))
        complain(world, change, "removes what is not there", delta->name);
    *value = delta->n_add > 0 ? arena_span(world->texts, delta->add[0]) : SPAN("");
}

static inline size_t
find_proxy(struct world *world, const struct dir_entry *entry, struct span text, struct dir_proxy *proxy)
{
    proxy->primary = text.at[0] <= 'Z';
    proxy->address = address_in(world, arena_copy(world->texts, text));
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (address_equal(&entry->proxies[i].address, &proxy->address))
            return i;
    return SIZE_MAX;
}

static inline void
apply_proxies(struct world *world, const struct dir_change *change, const struct dir_delta *delta,
              struct dir_entry *entry)
{
    struct dir_proxy *proxies =
                         arena_alloc(world->texts, (entry->n_proxies + delta->n_add + 1) * sizeof *proxies),
                     one;
    if (entry->n_proxies > 0)
        memcpy(proxies, entry->proxies, entry->n_proxies * sizeof *proxies);
    entry->proxies = proxies;
    for (size_t i = 0; i < delta->n_remove; i++) {
        size_t at = find_proxy(world, entry, delta->remove[i], &one);
        if (at == SIZE_MAX || entry->proxies[at].primary != one.primary)
            complain(world, change, "removes an address that is not there:", delta->remove[i]);
        else
            entry->proxies[at] = entry->proxies[--entry->n_proxies];
    }
    for (size_t i = 0; i < delta->n_add; i++) {
        if (find_proxy(world, entry, delta->add[i], &one) != SIZE_MAX)
            complain(world, change, "adds an address that is there:", delta->add[i]);
        for (size_t j = 0; j < entry->n_proxies; j++)
            if (one.primary && entry->proxies[j].primary &&
                span_equal(entry->proxies[j].address.type, one.address.type))
                complain(world, change, "makes a second primary address:", delta->add[i]);
        entry->proxies[entry->n_proxies++] = one;
    }
}

static inline void
apply_members(struct world *world, const struct dir_change *change, const struct dir_delta *delta,
              struct dir_entry *entry)
{
    struct span *members = arena_alloc(world->texts, (entry->n_members + delta->n_add + 1) * sizeof *members);
    size_t n = 0;
    struct dir_entry removed = {.members = delta->remove, .n_members = delta->n_remove};
    for (size_t i = 0; i < entry->n_members; i++)
        if (!entry_has_member(&removed, entry->members[i]))
            members[n++] = entry->members[i];
    if (n + delta->n_remove != entry->n_members)
        complain(world, change, "removes members that are none", SPAN(""));
    entry->members = members;
    entry->n_members = n;
    for (size_t i = 0; i < delta->n_add; i++) {
        if (entry_has_member(entry, delta->add[i]))
            complain(world, change, "adds a member that is one:", delta->add[i]);
        if (dir_set_find_name(world->side[change->host], delta->add[i]) == SIZE_MAX &&
            !span_equal_nocase(delta->add[i], change->name))
            complain(world, change, "adds a member who does not exist:", delta->add[i]);
        members[entry->n_members++] = arena_span(world->texts, delta->add[i]);
    }
}

static inline void
apply_delta(struct world *world, const struct dir_change *change, const struct dir_delta *delta,
            struct dir_entry *entry)
{
    enum dir_attribute attribute = dir_attribute_find(delta->name);
    const struct dir_traits *traits = &world->traits[change->host];
    if (attribute != DIR_ATTRIBUTES && (traits->attributes >> attribute & 1) == 0)
        complain(world, change, "writes what is not kept there:", delta->name);
    if (attribute != DIR_ATTRIBUTES) {
        apply_value(world, change, delta, &entry->value[attribute]);
    } else if (span_equal(delta->name, SPAN("proxyAddresses"))) {
        apply_proxies(world, change, delta, entry);
    } else if (span_equal(delta->name, SPAN("member"))) {
        apply_members(world, change, delta, entry);
    } else if (span_equal(delta->name, SPAN("targetAddress"))) {
        entry->target = address_in(world, delta->n_add > 0 ? arena_copy(world->texts, delta->add[0]) : "");
    } else if (span_equal(delta->name, SPAN("hidden"))) {
        entry->hidden = delta->n_add > 0;
    } else if (span_equal(delta->name, SPAN("mark"))) {
        apply_value(world, change, delta, &entry->mark);
    } else if (span_equal(delta->name, SPAN("mail")) && traits->proxies == DIR_PROXIES_MAIL) {
        entry->n_proxies = delta->n_add;
        entry->proxies = arena_alloc(world->texts, sizeof *entry->proxies);
        if (delta->n_add > 0)
            entry->proxies[0] =
                (struct dir_proxy){{SPAN("SMTP"), arena_span(world->texts, delta->add[0])}, true};
    } else if (!span_equal(delta->name, SPAN("mail"))) {
        complain(world, change, "writes an attribute that does not exist:", delta->name);
    }
}

/* Groups know members by their names: a server keeps them right when one is renamed or deleted (`to` empty). */
static inline void
follow_members(struct world *world, bool host, struct span from, struct span to)
{
    struct dir_entry entry;
    for (size_t place = 0; place < dir_set_places(world->side[host]); place++) {
        if (!get_entry(world, host, place, &entry) || !entry_has_member(&entry, from))
            continue;
        size_t n = 0;
        for (size_t i = 0; i < entry.n_members; i++)
            if (!span_equal_nocase(entry.members[i], from))
                entry.members[n++] = entry.members[i];
            else if (to.len > 0)
                entry.members[n++] = to;
        entry.n_members = n;
        put_entry(world, host, &entry);
    }
}

static inline bool
find_changed(struct world *world, const struct dir_change *change, struct dir_entry *entry)
{
    const struct dir_set *set = world->side[change->host];
    size_t place = change->id.len > 0 ? dir_set_find_id(set, change->id) : dir_set_find_name(set, change->name);
    if (change->operation == DIR_ADD) {
        *entry = (struct dir_entry){.id = text_of(world, "%s%u", change->host ? "h" : "f", ++world->next_id),
                                    .kind = change->kind,
                                    .name = arena_span(world->texts, change->name)};
        if (place != SIZE_MAX)
            complain(world, change, "there is one already", SPAN(""));
        if (world->traits[change->host].naming == DIR_NAMED_ADDRESS)
            entry->id = entry->name;
        return true;
    }
    if (get_entry(world, change->host, place, entry) && span_equal(entry->name, change->name))
        return true;
    complain(world, change, "there is none", SPAN(""));
    return false;
}

static inline void
apply_change(struct world *world, const struct dir_change *change)
{
    struct dir_entry entry;
    bool host = change->host;
    if (!find_changed(world, change, &entry))
        return;
    for (size_t i = 0; i < change->n_deltas; i++)
        apply_delta(world, change, &change->deltas[i], &entry);
    if (change->operation == DIR_HIDE || change->operation == DIR_SHOW)
        entry.hidden = change->operation == DIR_HIDE;
    if (change->operation == DIR_HIDE)
        dir_pending_set(world->pending, host, entry.id, world->in.now_s);
    if (change->operation == DIR_SHOW || change->operation == DIR_DELETE || change->operation == DIR_DISABLE)
        dir_pending_set(world->pending, host, entry.id, 0);
    if (change->operation == DIR_DELETE) {
        dir_set_drop(world->side[host], entry.id);
        follow_members(world, host, entry.name, SPAN(""));
        return;
    }
    if (change->operation == DIR_RENAME) {
        struct span old = entry.name;
        entry.name = arena_span(world->texts, change->new_name);
        if (dir_set_find_name(world->side[host], entry.name) != SIZE_MAX && !span_equal_nocase(old, entry.name))
            complain(world, change, "there is one already:", entry.name);
        follow_members(world, host, old, entry.name);
        for (size_t i = 0; i < entry.n_members; i++)
            if (span_equal_nocase(entry.members[i], old))
                entry.members[i] = entry.name;
    }
    if (host && world->policies != NULL)
        entry.policy = dir_policies_choose_entry(world->policies, &entry);
    put_entry(world, host, &entry);
}

static inline void
keep_set(struct dir_set **kept, struct dir_set **new)
{
    if (*new == NULL)
        return;
    dir_set_free(*kept);
    *kept = *new;
    *new = NULL;
}

/* Carries the plan out, and keeps what it leaves. True where nothing was wrong with it. */
static inline bool
world_apply(struct world *world)
{
    struct dir_plan *plan = world->plan;
    world->trouble[0] = '\0';
    for (size_t i = 0; i < plan->n_changes; i++)
        apply_change(world, &plan->changes[i]);
    keep_set(&world->given, &plan->given);
    keep_set(&world->added, &plan->added);
    world->in.host_before = plan->host_entries;
    world->in.foreign_before = plan->foreign_entries;
    if (world->trouble[0] != '\0')
        printf("# %s\n", world->trouble);
    return world->trouble[0] == '\0';
}

/* A plan, carried out; and the next one has nothing to do. */
static inline bool
world_sync(struct world *world)
{
    world_plan(world);
    bool good = world_apply(world);
    if (world_plan(world)->n_changes > 0) {
        printf("# the next plan is not empty:\n");
        print_plan(world->plan);
        good = false;
    }
    return good;
}

#endif
