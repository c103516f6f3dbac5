/* plan_proxy.c - the addresses of a copy: a set, of which only what is ours is taken away (see plan_inside.h)
 *
 * An address on a copy is ours where its source has it, had it when an earlier plan was made (`added`), or where mail for the copy
 * went to it. All others are somebody's who administers that side, or a policy's, and stay. X500 addresses always stay: replies to
 * old messages find their way by them.
 */
#include "directory/plan_inside.h"

struct span
proxy_key(struct planner *planner, const struct address *address)
{
    if (address_key(address, &planner->key) < 0) {
        buf_reset(&planner->key);
        buf_add_span(&planner->key, address->value);
    }
    return buf_span(&planner->key);
}

static bool
lists(const struct dir_proxy *proxies, size_t n, const struct address *address)
{
    for (size_t i = 0; i < n; i++)
        if (address_equal(&proxies[i].address, address))
            return true;
    return false;
}

/* ---- what is remembered ---- */

/* "<" of an import, ">" of an export, and the source's id. */
static struct span
memory_id(struct flow *flow, struct span source_id)
{
    char *id = plan_memory(flow->planner->scratch, source_id.len + 1, 1);
    id[0] = flow->import ? '<' : '>';
    if (source_id.len > 0)
        memcpy(id + 1, source_id.at, source_id.len);
    return (struct span){id, source_id.len + 1};
}

bool
proxy_is_memory_of(const struct flow *flow, struct span id)
{
    return id.len > 0 && id.at[0] == (flow->import ? '<' : '>');
}

/* Under whose id it is remembered what a copy got: that of its mark, which may be of a source who is gone. */
static struct span
remembered_as(const struct flow *flow, struct span source_id, const struct dir_entry *copy)
{
    struct span id;
    return plan_is_ours(flow->planner, copy->mark, &id) && id.len > 0 ? id : source_id;
}

static bool
recall(struct flow *flow, struct span source_id, struct dir_room *room, struct dir_entry *memory)
{
    const struct dir_set *added = flow->planner->in->added;
    size_t place = added != NULL ? dir_set_find_id(added, memory_id(flow, source_id)) : SIZE_MAX;
    return place != SIZE_MAX && dir_set_get(added, place, room, memory);
}

bool
proxy_is_added(struct flow *flow, struct span source_id, const struct address *address)
{
    struct dir_room room = {0};
    struct dir_entry memory;
    bool added = recall(flow, source_id, &room, &memory) && lists(memory.proxies, memory.n_proxies, address);
    dir_room_clear(&room);
    return added;
}

void
proxy_remember_old(struct flow *flow, struct span source_id)
{
    struct dir_room room = {0};
    struct dir_entry memory;
    struct why why;
    if (recall(flow, source_id, &room, &memory))
        dir_set_put(flow->planner->plan->added, &memory, &why);
    dir_room_clear(&room);
}

void
proxy_remember(struct flow *flow, const struct wish *wish, const struct dir_entry *copy)
{
    struct dir_room room = {0};
    struct dir_entry memory, old = {0};
    struct why why;
    size_t n = wish->n_proxies;
    if (copy == NULL || !recall(flow, remembered_as(flow, wish->source->id, copy), &room, &old))
        old.n_proxies = 0;
    struct dir_proxy *proxies = plan_memory(flow->planner->scratch, n + old.n_proxies + 1, sizeof *proxies);
    if (n > 0)
        memcpy(proxies, wish->proxies, n * sizeof *proxies);
    for (size_t i = 0; i < old.n_proxies && n < DIR_PROXIES_MAX; i++) {
        const struct address *address = &old.proxies[i].address;
        if (!lists(proxies, n, address) && lists(copy->proxies, copy->n_proxies, address))
            proxies[n++] = old.proxies[i];
    }
    memory = (struct dir_entry){
        .id = memory_id(flow, wish->source->id), .kind = DIR_CONTACT, .proxies = proxies, .n_proxies = n};
    if (n > 0)
        dir_set_put(flow->planner->plan->added, &memory, &why);
    dir_room_clear(&room);
}

/* ---- who has it ---- */

void
proxy_claim(struct flow *flow, const struct address *address, size_t source_place)
{
    dir_words_set(flow->claimed, proxy_key(flow->planner, address), (int64_t)source_place + 1);
}

/* Whether a copy, or another entry, keeps an address in this plan. One whose source is gone is deleted by it, unless a source without
 * copy (`heir`) comes for it. */
static bool
keeps(struct flow *flow, size_t place, const struct address *address, bool heir)
{
    struct dir_room room = {0};
    struct dir_entry source, copy;
    struct wish wish;
    size_t from = flow->source_of[place];
    if (flow->fate[place] == COPY_DELETED)
        return false;
    if (!dir_set_get(flow->to, place, &flow->other_room, &copy))
        return false;
    if (copy.broken) /* it is left as it is */
        return true;
    if (!heir && gone_loses(flow, place, &copy, address))
        return false;
    if (from == 0 || flow->state[from - 1] < SOURCE_HIDDEN || span_equal(address->type, SPAN("X500")) ||
        !source_get(flow, from - 1, &room, &source)) {
        dir_room_clear(&room);
        return true;
    }
    source_wish(flow, &source, &wish);
    bool moves = flow->move[place] == MOVE_GOES,
         renewed = moves && flow->to_traits->naming == DIR_NAMED_ADDRESS;
    bool was_target = address_equal(&copy.target, address);
    bool single = flow->to_traits->proxies == DIR_PROXIES_MAIL && wish.n_proxies > 0;
    bool ours =
        renewed || (was_target && moves) ||
        (!was_target && (single || proxy_is_added(flow, remembered_as(flow, source.id, &copy), address)));
    bool kept = !ours || (moves && address_equal(&wish.target, address)) ||
                lists(wish.proxies, wish.n_proxies, address);
    dir_room_clear(&room);
    return kept;
}

size_t
proxy_holder(struct flow *flow, const struct address *address, size_t own, size_t source_place, bool heir,
             bool *planned)
{
    bool more = false;
    int64_t claimed = dir_words_get(flow->claimed, proxy_key(flow->planner, address), 0);
    *planned = claimed != 0 && claimed != (int64_t)source_place + 1;
    if (*planned)
        return (size_t)(claimed - 1);
    size_t holder = dir_set_find_address(flow->to, address, &more);
    if (holder == SIZE_MAX || holder == own)
        return SIZE_MAX;
    return more || keeps(flow, holder, address, heir) ? holder : SIZE_MAX;
}

/* ---- what a copy shall have ---- */

static void
tell_taken(struct flow *flow, const struct wish *wish, const struct address *address, size_t holder,
           bool planned)
{
    struct dir_entry other;
    struct dir_room room = {0};
    const struct dir_set *set = planned ? flow->from : flow->to;
    bool known = holder != SIZE_MAX && dir_set_get(set, holder, &room, &other);
    plan_notice(flow->planner, DIR_CONFLICT, !flow->import, wish->source->id, wish->source->name,
                "%.*s:%.*s is not given to its copy: %.*s has it already", SHOWN(address->type),
                SHOWN(address->value), SHOWN(known ? other.name : SPAN("another recipient")));
    dir_room_clear(&room);
}

/* Whether the copy may get an address that it has not. */
static bool
may_get(struct flow *flow, const struct wish *wish, size_t source_place, size_t own,
        const struct address *address)
{
    bool planned;
    size_t holder = proxy_holder(flow, address, own, source_place, false, &planned);
    if (holder != SIZE_MAX) {
        tell_taken(flow, wish, address, holder, planned);
        return false;
    }
    if (policy_taken(flow, address, source_place)) {
        tell_taken(flow, wish, address, SIZE_MAX, false);
        return false;
    }
    return true;
}

static bool
has_primary(const struct dir_proxy *proxies, size_t n, struct span type)
{
    for (size_t i = 0; i < n; i++)
        if (proxies[i].primary && span_equal(proxies[i].address.type, type))
            return true;
    return false;
}

/* Of a copy's own addresses those that stay though its source has them not. */
static size_t
keep_others(struct flow *flow, const struct wish *wish, const struct dir_entry *copy, struct dir_proxy *proxies)
{
    struct dir_room room = {0};
    struct dir_entry memory;
    size_t n = 0;
    bool known = recall(flow, remembered_as(flow, wish->source->id, copy), &room, &memory);
    bool moved = copy->target.type.len > 0 && !address_equal(&copy->target, &wish->target);
    for (size_t i = 0; i < copy->n_proxies && n < DIR_PROXIES_MAX; i++) {
        const struct address *address = &copy->proxies[i].address;
        bool ours = (known && lists(memory.proxies, memory.n_proxies, address)) ||
                    (moved && address_equal(address, &copy->target));
        if (lists(wish->proxies, wish->n_proxies, address) ||
            (ours && !span_equal(address->type, SPAN("X500"))))
            continue;
        proxies[n++] = copy->proxies[i];
    }
    dir_room_clear(&room);
    return n;
}

size_t
proxy_settle(struct flow *flow, const struct wish *wish, size_t source_place, const struct dir_entry *copy,
             struct dir_proxy proxies[DIR_PROXIES_MAX])
{
    size_t own = copy != NULL ? (size_t)flow->copy_of[source_place] - 1 : SIZE_MAX;
    size_t n = 0;
    bool single = flow->to_traits->proxies == DIR_PROXIES_MAIL && wish->n_proxies > 0;
    if (copy != NULL && !single) /* a single value is the source's */
        n = keep_others(flow, wish, copy, proxies);
    size_t others = n;
    for (size_t i = 0; i < wish->n_proxies && n < DIR_PROXIES_MAX; i++) {
        const struct dir_proxy *proxy = &wish->proxies[i];
        bool there = copy != NULL && lists(copy->proxies, copy->n_proxies, &proxy->address);
        if (!there && !may_get(flow, wish, source_place, own, &proxy->address))
            continue;
        if (!there)
            proxy_claim(flow, &proxy->address, source_place);
        proxies[n++] = (struct dir_proxy){proxy->address,
                                          proxy->primary && !has_primary(proxies, others, proxy->address.type)};
    }
    return n;
}
