/* plan_move.c - copies whose target address changes, and who gets it (see plan_inside.h)
 *
 * An address that one copy leaves may be what another one wants: a chain, or a circle where two have changed places. So all moves
 * are decided before any is planned. Each address goes to the first who wants it; so each mover waits for one other at most, and is
 * waited for by one at most, and what is decided for one end of a chain holds for all of it. A circle moves.
 */
#include <stdlib.h>

#include "directory/plan_inside.h"

struct mover {
    size_t source, copy; /* places */
    size_t waits_for;    /* index of a mover; SIZE_MAX: nobody */
    size_t path;         /* number of the walk that came by; 0: none yet */
    bool decided;
};

struct movers {
    struct flow *flow;
    struct mover *at;
    size_t n, size;
    struct dir_words *by_copy; /* the copy's place, as octets --> 1 + index */
};

static struct span
key_of(const size_t *place)
{
    return (struct span){(const char *)place, sizeof *place};
}

static void
decide(struct movers *movers, struct mover *mover, enum copy_move move)
{
    mover->decided = true;
    movers->flow->move[mover->copy] = (uint8_t)move;
}

/* ---- who moves ---- */

static bool
is_mover(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy)
{
    const struct address *target = source_address(flow, source);
    if (copy->broken || target == NULL ||
        (flow->to_traits->no_target && flow->to_traits->naming != DIR_NAMED_ADDRESS))
        return false;
    if (flow->to_traits->naming == DIR_NAMED_ADDRESS && copy->target.type.len == 0)
        return !span_equal_nocase(copy->name, target->value);
    return !address_equal(target, &copy->target);
}

static void
gather(struct movers *movers)
{
    struct flow *flow = movers->flow;
    struct dir_entry source, copy;
    for (size_t place = 0; place < dir_set_places(flow->from); place++) {
        size_t copy_place = (size_t)flow->copy_of[place] - 1;
        if (flow->state[place] < SOURCE_HIDDEN || flow->copy_of[place] == 0 ||
            !source_get(flow, place, &flow->from_room, &source) ||
            !dir_set_get(flow->to, copy_place, &flow->to_room, &copy) || !is_mover(flow, &source, &copy))
            continue;
        if (movers->n == movers->size) {
            movers->size = movers->size > 0 ? 2 * movers->size : 64;
            movers->at = xrealloc(movers->at, movers->size * sizeof *movers->at);
        }
        movers->at[movers->n++] = (struct mover){.source = place, .copy = copy_place, .waits_for = SIZE_MAX};
        dir_words_set(movers->by_copy, key_of(&copy_place), (int64_t)movers->n);
        flow->move[copy_place] = MOVE_STUCK; /* until it is decided */
    }
}

/* ---- what stands in the way ---- */

static void
tell(struct movers *movers, const struct mover *mover, const struct address *target, size_t holder,
     bool planned)
{
    struct flow *flow = movers->flow;
    struct dir_room room = {0};
    struct dir_entry copy, other;
    bool known = dir_set_get(planned ? flow->from : flow->to, holder, &room, &other);
    if (dir_set_get(flow->to, mover->copy, &flow->to_room, &copy))
        plan_notice(flow->planner, DIR_CONFLICT, flow->import, copy.id, copy.name,
                    "mail for it does not go to %.*s:%.*s yet: %.*s has that address", SHOWN(target->type),
                    SHOWN(target->value), SHOWN(known ? other.name : SPAN("another recipient")));
    dir_room_clear(&room);
}

/* Decides for one who waits for nobody, or notes whom he waits for. */
static void
look(struct movers *movers, struct mover *mover)
{
    struct flow *flow = movers->flow;
    struct dir_entry source, other;
    bool planned, more;
    if (!source_get(flow, mover->source, &flow->from_room, &source))
        return;
    const struct address *target = source_address(flow, &source);
    size_t holder = proxy_holder(flow, target, mover->copy, mover->source, false, &planned);
    if (holder == SIZE_MAX) {
        proxy_claim(flow, target, mover->source);
        decide(movers, mover, MOVE_GOES);
        return;
    }
    size_t first = dir_set_find_address(flow->to, target, &more);
    int64_t number = planned ? 0 : dir_words_get(movers->by_copy, key_of(&first), 0);
    if (number > 0 && !more && dir_set_get(flow->to, first, &flow->other_room, &other) &&
        address_equal(&other.target, target)) {
        proxy_claim(flow, target, mover->source);
        mover->waits_for = (size_t)number - 1;
        return;
    }
    tell(movers, mover, target, holder, planned);
    decide(movers, mover, MOVE_STUCK);
}

/* Walks to the end of a chain, and gives all on the way what is decided there; a way that comes back to itself is a circle. */
static void
walk(struct movers *movers, size_t from, size_t path)
{
    size_t at = from;
    while (!movers->at[at].decided && movers->at[at].path != path) {
        movers->at[at].path = path;
        at = movers->at[at].waits_for;
    }
    enum copy_move move =
        movers->at[at].decided ? (enum copy_move)movers->flow->move[movers->at[at].copy] : MOVE_GOES;
    for (at = from; !movers->at[at].decided; at = movers->at[at].waits_for) {
        struct mover *mover = &movers->at[at];
        struct dir_entry source;
        decide(movers, mover, move);
        if (move == MOVE_STUCK && source_get(movers->flow, mover->source, &movers->flow->from_room, &source))
            tell(movers, mover, source_address(movers->flow, &source), movers->at[mover->waits_for].copy,
                 false);
    }
}

void
move_decide(struct flow *flow)
{
    struct movers movers = {.flow = flow, .by_copy = dir_words_new()};
    gather(&movers);
    bool may = flow->may_add || flow->to_traits->naming != DIR_NAMED_ADDRESS; /* there a move is a new entry */
    for (size_t i = 0; i < movers.n && may; i++) {
        arena_reset(flow->planner->scratch);
        look(&movers, &movers.at[i]);
    }
    for (size_t i = 0; i < movers.n && may; i++)
        walk(&movers, i, i + 1);
    if (!may)
        flow->not_added += movers.n;
    free(movers.at);
    dir_words_free(movers.by_copy);
}
