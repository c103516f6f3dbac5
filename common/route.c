/* route.c - which connector is responsible for a recipient (see translate.h)
 *
 * What is hostile here: the address, which is opened (IMCEA) only in the host's own domains. For a plain
 * address without book this costs comparisons and one formatted reason; no system call.
 *
 * The order of the answer's reasons is that of the design: book entry, address space, host domain.
 */
#include <errno.h>

#include "common/translate.h"

struct best {
    unsigned rank;
    long cost;
    uint32_t count; /* how many are equal */
};

static struct span
domain_of(const struct address *address)
{
    const char *sign = address->value.len > 0 ? memrchr(address->value.at, '@', address->value.len) : NULL;
    if (sign == NULL || !address_is_smtp(address))
        return (struct span){NULL, 0};
    return (struct span){sign + 1, address->value.len - (size_t)(sign + 1 - address->value.at)};
}

static int
give_reason(struct route_answer *answer, const char *reason)
{
    answer->reason = reason;
    return reason != NULL ? 0 : -ENOMEM;
}

static int
no_route(struct why *why, const char *status, const struct address *address, const char *text)
{
    why_set(why, status, "%.*s:%.*s: %s", (int)address->type.len, address->type.at, (int)address->value.len,
            address->value.at, text);
    return -ENOENT;
}

/* ---- address spaces ---- */

/* One space held against the best so far: -1 worse, 0 equal, 1 better. */
static int
compare(const struct best *best, unsigned rank, long cost)
{
    if (rank != best->rank)
        return rank > best->rank ? 1 : -1;
    return cost == best->cost ? 0 : cost < best->cost ? 1 : -1;
}

static unsigned
space_rank(const struct conf_address_space *space, const struct address *address)
{
    return pattern_match(span_of(space->type), span_of(space->pattern), address);
}

static bool
is_closed(const struct route_choice *choice, const char *connector)
{
    return choice->closed != NULL && strcmp(connector, "host") != 0 &&
           choice->closed(choice->context, connector);
}

static struct best
best_space(const struct conf_root *root, const struct address *address)
{
    struct best best = {0};
    for (size_t c = 0; c < root->connectors_n; c++) {
        const struct conf_connector *connector = &root->connectors[c];
        for (size_t s = 0; s < connector->address_spaces_n; s++) {
            const struct conf_address_space *space = &connector->address_spaces[s];
            unsigned rank = space_rank(space, address);
            int order = rank > 0 ? compare(&best, rank, space->cost) : -1;
            if (order > 0)
                best = (struct best){rank, space->cost, 0};
            best.count += order >= 0;
        }
    }
    return best;
}

/* The n-th of those that are as good as the best, and open where `choice` is given. Returns how many there are; with n at
 * or beyond that, all were looked at and none is taken. */
static uint32_t
take_space(const struct conf_root *root, const struct address *address, const struct best *best,
           const struct route_choice *choice, uint32_t n, struct route_answer *answer)
{
    uint32_t seen = 0;
    for (size_t c = 0; c < root->connectors_n; c++) {
        const struct conf_connector *connector = &root->connectors[c];
        for (size_t s = 0; s < connector->address_spaces_n; s++) {
            const struct conf_address_space *space = &connector->address_spaces[s];
            if (space->cost != best->cost || space_rank(space, address) != best->rank ||
                (choice != NULL && is_closed(choice, connector->title)) || seen++ != n)
                continue;
            answer->connector = connector->title;
            answer->space = space;
        }
    }
    return seen;
}

/* One of the equals: of those that take mail now, where any does. What is closed is a file of the operator's, so it is looked
 * at only where it changes the choice. */
static void
choose_space(const struct conf_root *root, const struct address *address, const struct best *best,
             const struct route_choice *choice, struct route_answer *answer)
{
    uint32_t open = 0;
    if (best->count > 1 && choice->closed != NULL)
        open = take_space(root, address, best, choice, UINT32_MAX, answer);
    if (open > 0 && open < best->count)
        take_space(root, address, best, choice, choice->spread % open, answer);
    else
        take_space(root, address, best, NULL, choice->spread % best->count, answer);
}

/* ---- the order ---- */

static bool
is_configured(const struct conf_root *root, struct span side, const char **name)
{
    *name = "host";
    if (span_equal_nocase(side, SPAN("host")))
        return true;
    for (size_t i = 0; i < root->connectors_n; i++) {
        *name = root->connectors[i].title;
        if (span_equal(side, span_of(*name)))
            return true;
    }
    return false;
}

/* Is a host domain better than the best space? It ranks as the exact pattern of that domain. */
static bool
host_is_better(const struct route_answer *answer, const struct best *best)
{
    struct span domain = domain_of(&answer->target);
    return answer->host_domain && pattern_match(SPAN("SMTP"), domain, &answer->target) > best->rank;
}

/* RFC 5321 section 4.5.1: there is always a postmaster. */
static bool
is_postmaster(const struct address *address)
{
    struct span domain = domain_of(address);
    struct span local = {address->value.at, address->value.len - domain.len - 1};
    return span_equal_nocase(local, SPAN("postmaster"));
}

bool
route_is_host_domain(const struct conf_root *root, const struct address *address)
{
    return span_equal(address->type, SPAN("SMTP")) && domain_of(address).len > 0 &&
           host_domain_has(root, domain_of(address));
}

bool
route_is_host_postmaster(const struct conf_root *root, const struct address *address)
{
    return route_is_host_domain(root, address) && is_postmaster(address);
}

static int
route_to_host(const struct conf_root *root, struct book *book, bool in_book, struct arena *arena,
              struct route_answer *answer, struct why *why)
{
    bool refuse = root->host.unknown != NULL && strcmp(root->host.unknown, "refuse") == 0;
    struct span domain = domain_of(&answer->target);
    if (refuse && !in_book && book != NULL && book_generation(book) > 0 && !is_postmaster(&answer->target))
        return no_route(why, "5.1.1", &answer->target, "in no address book, and the domain is the host's");
    answer->connector = "host";
    return give_reason(answer, arena_printf(arena, "host domain %.*s", (int)domain.len, domain.at));
}

static int
route_by_space(const struct conf_root *root, struct book *book, bool in_book, const struct route_choice *choice,
               struct arena *arena, struct route_answer *answer, struct why *why)
{
    struct best best = best_space(root, &answer->target);
    answer->host_domain = host_domain_has(root, domain_of(&answer->target));
    if (host_is_better(answer, &best))
        return route_to_host(root, book, in_book, arena, answer, why);
    if (best.rank == 0)
        return no_route(why, "5.1.2", &answer->target, "no connector has an address space for it");
    choose_space(root, &answer->target, &best, choice, answer);
    const struct conf_address_space *space = answer->space;
    return give_reason(
        answer, arena_printf(arena, "address space %s:%s, cost %ld", space->type, space->pattern, space->cost));
}

static int
find_entry(struct book *book, const struct address *address, struct arena *arena, struct book_entry *entry,
           struct why *why)
{
    if (book == NULL)
        return -ENOENT;
    int err = book_find(book, address, arena, entry);
    if (err == -EAGAIN)
        why_set(why, "4.3.0", "the address book cannot be read now");
    if (err == -ENOMEM)
        why_set(why, "4.3.1", "no memory for an address");
    return err;
}

int
route_find(const struct conf_root *root, struct book *book, const struct address *address, uint32_t spread,
           struct arena *arena, struct route_answer *answer, struct why *why)
{
    struct route_choice choice = {.spread = spread};
    return route_find_open(root, book, address, &choice, arena, answer, why);
}

int
route_find_open(const struct conf_root *root, struct book *book, const struct address *address,
                const struct route_choice *choice, struct arena *arena, struct route_answer *answer,
                struct why *why)
{
    struct book_entry entry;
    *answer = (struct route_answer){.target = *address, .reason = ""};
    if (address_is_null(address))
        return no_route(why, "5.1.3", address, "the empty address is nobody's");
    int err = host_unwrap(root, address, arena, &answer->target, why);
    if (err == -ENOMEM)
        return err;
    if (err == -EINVAL)
        return -ENOENT; /* with the decoder's reason */
    err = find_entry(book, &answer->target, arena, &entry, why);
    if (err != 0 && err != -ENOENT)
        return err;
    if (err == -ENOENT)
        return route_by_space(root, book, false, choice, arena, answer, why);
    answer->host_domain = host_domain_has(root, domain_of(&answer->target));
    answer->target = entry.primary;
    if (!is_configured(root, entry.side, &answer->connector))
        return route_by_space(root, book, true, choice, arena, answer, why);
    return give_reason(answer, arena_printf(arena, "book entry, side %s", answer->connector));
}
