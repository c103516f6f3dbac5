/* plan_policy.c - proxy addresses by recipient policy, for the host's own recipients and for imported copies (see plan_inside.h)
 *
 * What a policy gives is written into the directory, or kept in the book alone where the directory shall not be written for it:
 * then the plan's `given` has it, and what was given once stays given, so that nobody's address changes because somebody left.
 *
 * Whether an address is taken is asked of both directories as they are, not of a list of all their addresses.
 */
#include <stdlib.h>

#include "directory/plan_inside.h"

/* ---- who has which address ---- */

/* Who is behind an entry: "h:" or "f:" and the id where his mailbox is. */
static void
owner_of(const struct planner *planner, const struct dir_entry *entry, bool host, struct buf *out)
{
    struct span source, id = entry->id;
    bool ours = plan_is_ours(planner, entry->mark, &source) && source.len > 0;
    buf_reset(out);
    buf_add_text(out, host != ours ? "h:" : "f:");
    buf_add_span(out, ours ? source : id);
}

/* A copy whose mark does not say whose it is, or one of many, is nobody's competitor for what it has. */
static bool
has_other(const struct planner *planner, const struct dir_set *set, bool host, const struct address *address,
          struct span owner)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    struct buf holder = {0};
    struct span source;
    bool more = false, other = false;
    size_t place = dir_set_find_address(set, address, &more);
    if (place != SIZE_MAX && dir_set_get(set, place, &room, &entry)) {
        owner_of(planner, &entry, host, &holder);
        bool nameless = plan_is_ours(planner, entry.mark, &source) && source.len == 0;
        other = more || (!nameless && !span_equal(buf_span(&holder), owner));
    }
    buf_clear(&holder);
    dir_room_clear(&room);
    return other;
}

/* What the book alone has of an address: the entry is the host's, by its id. */
static bool
was_given_to_other(const struct planner *planner, const struct address *address, struct span owner)
{
    const struct dir_plan_input *in = planner->in;
    struct dir_room room = {0};
    struct dir_entry entry;
    struct buf holder = {0};
    bool more, other = false;
    size_t place = in->given != NULL ? dir_set_find_address(in->given, address, &more) : SIZE_MAX;
    if (place != SIZE_MAX && dir_set_get(in->given, place, &room, &entry)) {
        size_t host = dir_set_find_id(in->host, entry.id);
        if (host != SIZE_MAX && dir_set_get(in->host, host, &room, &entry)) {
            owner_of(planner, &entry, true, &holder);
            other = !span_equal(buf_span(&holder), owner);
        }
    }
    buf_clear(&holder);
    dir_room_clear(&room);
    return other;
}

static bool
by_other(void *arg, const struct address *address, struct span owner)
{
    const struct planner *planner = arg;
    return has_other(planner, planner->in->host, true, address, owner) ||
           has_other(planner, planner->in->foreign, false, address, owner) ||
           was_given_to_other(planner, address, owner);
}

/* A number for whoever is at a place of a side. */
static int64_t
number_of(bool host, size_t place)
{
    return (int64_t)(2 * place + host + 2);
}

bool
policy_taken(struct flow *flow, const struct address *address, size_t source_place)
{
    struct planner *planner = flow->planner;
    int64_t holder = dir_words_get(planner->gifts, proxy_key(planner, address), 0);
    return holder != 0 && holder != number_of(!flow->import, source_place);
}

/* ---- what is given ---- */

/* One entry and what it is given: first what it was given before, then what it lacks still. */
struct gift {
    struct planner *planner;
    bool host;
    size_t place;                  /* of whom it is for, on that side */
    const struct dir_entry *entry; /* he, for notices */
    struct dir_proxy *proxies;     /* all that it has */
    size_t n, n_own, n_again;      /* its own, then those of earlier plans, then new ones */
};

static size_t
find(const struct gift *gift, const struct address *address)
{
    size_t i = 0;
    while (i < gift->n && !address_equal(&gift->proxies[i].address, address))
        i++;
    return i;
}

static bool
has_primary(const struct gift *gift, struct span type)
{
    for (size_t i = 0; i < gift->n; i++)
        if (gift->proxies[i].primary && span_equal(gift->proxies[i].address.type, type))
            return true;
    return false;
}

/* One that it has already as another address becomes primary, in the directory. */
static void
give(struct gift *gift, const struct address *address, bool primary)
{
    struct planner *planner = gift->planner;
    size_t at = find(gift, address);
    primary = primary && !has_primary(gift, address->type);
    if (at < gift->n && primary && !planner->in_book)
        gift->proxies[at].primary = true;
    if (at < gift->n || gift->n == DIR_PROXIES_MAX)
        return;
    struct address kept = {plan_keep(planner, address->type), plan_keep(planner, address->value)};
    gift->proxies[gift->n++] = (struct dir_proxy){kept, primary};
}

/* Nobody else gets it in this plan. */
static void
give_kept(struct gift *gift, const struct address *address, bool primary)
{
    struct planner *planner = gift->planner;
    give(gift, address, primary);
    dir_words_set(planner->gifts, proxy_key(planner, address), number_of(gift->host, gift->place));
}

static void
give_new(void *arg, const struct address *address, bool primary)
{
    struct gift *gift = arg;
    give_kept(gift, address, primary);
    if (gift->planner->in_book)
        plan_notice(
            gift->planner, DIR_REMARK, gift->host, gift->entry->id, gift->entry->name,
            "it is given %.*s:%.*s, in the address book alone: the directory does not keep what policies give",
            SHOWN(address->type), SHOWN(address->value));
}

static void
note(void *arg, const char *text)
{
    const struct gift *gift = arg;
    plan_notice(gift->planner, DIR_REMARK, gift->host, gift->entry->id, gift->entry->name, "%s", text);
}

/* What the book alone had for it, where the directory has no address of the type yet and nobody else got it. */
static void
give_again(struct gift *gift, struct span id, struct span owner)
{
    const struct dir_set *given = gift->planner->in->given;
    struct dir_room room = {0};
    struct dir_entry before;
    size_t place = given != NULL && id.len > 0 ? dir_set_find_id(given, id) : SIZE_MAX;
    if (place != SIZE_MAX && dir_set_get(given, place, &room, &before))
        for (size_t i = 0; i < before.n_proxies; i++) {
            const struct dir_proxy *proxy = &before.proxies[i];
            bool needed = !proxy->primary || !has_primary(gift, proxy->address.type);
            if (needed && !by_other(gift->planner, &proxy->address, owner) &&
                dir_taken_add(gift->planner->taken, &proxy->address, owner))
                give_kept(gift, &proxy->address, proxy->primary);
        }
    gift->n_again = gift->n;
    dir_room_clear(&room);
}

/* For the next plan, and the book: what the directory has not, and shall not have, or has not yet. */
static void
keep_given(struct gift *gift, struct span id, struct span name)
{
    size_t end = gift->planner->in_book ? gift->n : gift->n_again;
    struct dir_entry kept = {.id = id,
                             .name = name,
                             .kind = gift->entry->kind,
                             .proxies = gift->proxies + gift->n_own,
                             .n_proxies = end > gift->n_own ? end - gift->n_own : 0};
    struct why why;
    if (kept.n_proxies > 0 && id.len > 0)
        dir_set_put(gift->planner->plan->given, &kept, &why);
}

static void
complete(struct gift *gift, struct dir_entry entry, struct span owner)
{
    entry.proxies = gift->proxies;
    entry.n_proxies = gift->n;
    if (entry.policy == 0 || gift->planner->in->policies == NULL)
        return;
    /* its addresses may be moved while they are added to: the callee reads from the entry's own list */
    struct dir_proxy *own = plan_memory(gift->planner->scratch, gift->n + 1, sizeof *own);
    if (gift->n > 0)
        memcpy(own, gift->proxies, gift->n * sizeof *own);
    entry.proxies = own;
    dir_policies_complete(gift->planner->in->policies, &entry, owner, gift->planner->taken, give_new, note,
                          gift);
}

static void
make_taken(struct planner *planner)
{
    if (planner->taken != NULL)
        return;
    planner->taken = dir_taken_new();
    planner->gifts = dir_words_new();
    dir_taken_ask(planner->taken, by_other, planner);
}

/* ---- the host's own ---- */

static void
keep_extra(struct planner *planner, size_t place, const struct gift *gift)
{
    size_t n = gift->n;
    if (planner->extra_of == NULL)
        planner->extra_of = xcalloc(dir_set_places(planner->in->host), sizeof *planner->extra_of);
    if (planner->n_extras == planner->extras_size) {
        planner->extras_size = planner->extras_size > 0 ? 2 * planner->extras_size : 64;
        planner->extras = xrealloc(planner->extras, planner->extras_size * sizeof *planner->extras);
    }
    struct extra *extra = &planner->extras[planner->n_extras++];
    extra->proxies = xcalloc(n, sizeof *extra->proxies);
    extra->n = n;
    memcpy(extra->proxies, gift->proxies, n * sizeof *extra->proxies);
    planner->extra_of[place] = (uint32_t)planner->n_extras;
}

static void
write_gift(struct planner *planner, const struct dir_entry *entry, const struct gift *gift)
{
    const char *title =
        planner->in->policies != NULL ? dir_policies_title(planner->in->policies, entry->policy) : "";
    draft_begin(planner, DIR_CHANGE, true, entry->kind, entry->id, entry->name);
    draft_proxies(planner, planner->import.to_traits, entry->proxies, entry->n_proxies, gift->proxies, gift->n);
    if (draft_has_deltas(planner))
        draft_commit(planner, SPAN(""), "recipient-policy \"%.200s\" gives it", title != NULL ? title : "");
}

/* Somebody else's contact is left alone; a mailbox is nobody's copy, whatever stands in that attribute. */
static bool
is_served(const struct planner *planner, const struct dir_entry *entry)
{
    bool own = entry->kind == DIR_MAILBOX || entry->kind == DIR_RESOURCE || entry->kind == DIR_FOLDER;
    struct span dirsync, source;
    return !entry->broken && !plan_is_ours(planner, entry->mark, NULL) &&
           !dir_mark_parse(entry->mark, &dirsync, &source) && (own || entry->mark.len == 0);
}

static bool
is_changed(const struct gift *gift, const struct dir_entry *entry)
{
    for (size_t i = 0; i < gift->n_own; i++)
        if (gift->proxies[i].primary != entry->proxies[i].primary)
            return true;
    return gift->n > gift->n_own;
}

static void
serve(struct planner *planner, size_t place, const struct dir_entry *entry, struct dir_proxy *proxies)
{
    struct gift gift = {.planner = planner, .host = true, .place = place, .entry = entry, .proxies = proxies};
    struct buf owner = {0};
    struct span source;
    if (plan_is_ours(planner, entry->mark, &source)) { /* it is for whoever the copy stands for */
        gift.host = false;
        gift.place = dir_set_find_id(planner->in->foreign, source);
    }
    gift.n = gift.n_own = entry->n_proxies;
    if (entry->n_proxies > 0)
        memcpy(proxies, entry->proxies, entry->n_proxies * sizeof *proxies);
    owner_of(planner, entry, true, &owner);
    if (dir_entry_is_recipient(entry))
        give_again(&gift, entry->id, buf_span(&owner));
    if (planner->in->host_complete && is_served(planner, entry))
        complete(&gift, *entry, buf_span(&owner));
    keep_given(&gift, entry->id, entry->name);
    if (is_changed(&gift, entry) && is_served(planner, entry)) {
        if (!planner->in_book)
            write_gift(planner, entry, &gift);
        keep_extra(planner, place, &gift);
    }
    buf_clear(&owner);
}

void
policy_hosts(struct planner *planner)
{
    const struct dir_set *host = planner->in->host;
    struct dir_proxy *proxies = xcalloc(DIR_PROXIES_MAX, sizeof *proxies);
    struct dir_room room = {0};
    struct dir_entry entry;
    make_taken(planner);
    for (size_t place = 0; place < dir_set_places(host); place++) {
        if (!dir_set_get(host, place, &room, &entry))
            continue;
        arena_reset(planner->scratch);
        /* copies have their turn with their sources; one that has not keeps what it was given */
        serve(planner, place, &entry, proxies);
    }
    free(proxies);
    dir_room_clear(&room);
}

/* ---- copies in the host's directory ---- */

void
policy_copy(struct flow *flow, const struct wish *wish, size_t source_place, const struct dir_entry *copy,
            struct dir_proxy *proxies, size_t *n_proxies)
{
    struct planner *planner = flow->planner;
    const struct dir_plan_input *in = planner->in;
    struct dir_entry entry = {.kind = wish->kind};
    struct gift gift = {.planner = planner,
                        .host = false,
                        .place = source_place,
                        .entry = wish->source,
                        .proxies = proxies,
                        .n = *n_proxies,
                        .n_own = *n_proxies};
    struct buf owner = {0};
    if (!flow->import || in->policies == NULL || (planner->in_book && copy == NULL))
        return;
    if (copy != NULL)
        entry = *copy;
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        if ((flow->kept >> i & 1) != 0 && (copy == NULL || (flow->initial >> i & 1) == 0))
            entry.value[i] = wish->value[i];
    entry.target = wish->target;
    entry.proxies = proxies;
    entry.n_proxies = *n_proxies;
    if (copy == NULL)
        entry.policy = dir_policies_choose_entry(in->policies, &entry);
    owner_of(planner, wish->source, false, &owner);
    give_again(&gift, entry.id, buf_span(&owner));
    complete(&gift, entry, buf_span(&owner));
    keep_given(&gift, entry.id, entry.name);
    if (!planner->in_book)
        *n_proxies = gift.n;
    buf_clear(&owner);
}
