/* plan_inside.h - what the chapters of the planner share (see plan.h)
 *
 * A plan is made of two flows, import (foreign to host) and export (host to foreign), each from where recipients have their
 * mailboxes to where they have copies:
 *
 *     plan.c           the order of it all
 *     plan_parts.c     memory, texts, notices; what is asked of a plan
 *     plan_flow.c      a flow's settings; which copy belongs to which source
 *     plan_source.c    who is exported at all; what his copy shall be
 *     plan_policy.c    proxy addresses by policy
 *     plan_copy.c      a copy that is there: what has changed
 *     plan_move.c      copies whose target changes, decided before all others
 *     plan_new.c       one that is not: added, adopted, inherited, or a conflict
 *     plan_proxy.c     the addresses of a copy, a set of which only ours is taken away
 *     plan_name.c      DNs and names that are unique
 *     plan_group.c     members
 *     plan_gone.c      copies whose source is gone
 *     plan_guard.c     limits
 *     plan_write.c, plan_read.c   the file
 */
#ifndef VIADUCT_DIRECTORY_PLAN_INSIDE_H
#define VIADUCT_DIRECTORY_PLAN_INSIDE_H

#include "directory/plan.h"
#include "directory/words.h"

/* What became of a source. */
enum source_state {
    SOURCE_NONE,    /* no entry, or a copy of ours */
    SOURCE_OUT,     /* not to be exported: its copy goes */
    SOURCE_PRESENT, /* cannot be read or mapped: its copy stays as it is */
    SOURCE_HIDDEN,  /* from address lists: no new copy, one that is there is kept in step */
    SOURCE_GOOD
};

/* What becomes of a copy in this plan, for members. */
enum copy_fate { COPY_STAYS, COPY_ADOPTED, COPY_INHERITED, COPY_DELETED };

/* Of a copy whose target shall be another one. */
enum copy_move { MOVE_NONE, MOVE_STUCK, MOVE_GOES };

/* What this plan adds. */
struct new_copy {
    struct span name; /* empty: nothing */
    size_t change;    /* its place among the changes, as long as they are not in order */
};

struct flow {
    struct planner *planner;
    bool on;     /* configured, and the target can be written */
    bool import; /* to the host */
    const struct dir_set *from, *to;
    const struct dir_traits *from_traits, *to_traits;
    const char *from_title, *to_title;
    const char *container; /* NULL: none */
    struct buf container_key;
    const char *groups;
    int64_t delete_s;
    uint32_t kept, initial; /* bits of attributes: in step, set once */
    bool hides, proxies_initial, proxies_omitted, renames;
    bool may_add;

    uint32_t *copy_of, *source_of; /* by place: 1 + place on the other side; 0: none */
    uint8_t *state;                /* by source place */
    uint8_t *fate, *move;          /* by copy's place */
    struct new_copy *added;        /* by source place; NULL until there is one */
    struct span *renamed;          /* by copy's place: NULL until then */
    size_t *news;                  /* source places without copy */
    size_t n_news, news_size;
    struct dir_words *claimed; /* address keys that this plan gives to copies --> source place */
    struct dir_words *names;   /* folded names in the container; NULL until one is needed */
    struct dir_words *numbers; /* names with an address --> the number given last */
    uint64_t natives;          /* entries of `from` that are no copies */
    uint64_t copies;           /* entries of `to` with our mark */
    uint64_t held_back, members_held, not_added; /* what is not done because a reading does not do for it */
    uint32_t *stamps, stamp; /* by copy's place, of the group that was looked at last; NULL until then */
    const char *no_removal;  /* why; NULL: it may be */
    struct dir_room from_room, to_room, other_room;
    struct span last_parent; /* of DNs, with whether it lies below: see name_below() */
    bool last_below;
};

enum { NAME_CHARACTERS = 64 }; /* of an RDN, Active Directory's limit of cn */

/* All addresses of a host entry to which a policy gave some, in this plan or, where only the book keeps them, in an earlier one. */
struct extra {
    struct dir_proxy *proxies;
    size_t n;
};

/* Values of one attribute of the change in the making. */
struct draft_delta {
    const char *name;
    struct span *remove, *add;
    size_t n_remove, n_add, remove_size, add_size;
};

enum { DRAFT_DELTAS = DIR_ATTRIBUTES + 8 };

struct draft {
    struct dir_change change;
    struct draft_delta deltas[DRAFT_DELTAS];
    size_t n_deltas;
};

struct planner {
    const struct dir_plan_input *in;
    const struct conf_directory *directory; /* the host's; NULL: not configured */
    struct dir_plan *plan;
    size_t changes_size, notices_size, back_size;
    struct flow import, export;
    struct dir_taken *taken;
    struct dir_words *gifts; /* keys of addresses that policies gave in this plan --> to whom */
    bool in_book;            /* what policies give is kept in the book alone */
    uint32_t *extra_of;      /* by host place: 1 + index; NULL: none has any */
    struct extra *extras;
    size_t n_extras, extras_size;
    struct dir_filter *filter; /* of export; NULL: all */
    struct span last_parent;   /* of DNs, with whether it lies within: see name_within() */
    bool last_within;
    struct arena *scratch; /* of one recipient */
    struct draft draft;
    struct buf key;
};

/* ---- plan_parts.c ---- */

/* Copies into the plan; zeroed memory of the plan, and of one recipient. */
struct span plan_keep(struct planner *planner, struct span text);
void *plan_memory(struct arena *arena, size_t n, size_t size);

/* ---- plan_draft.c: one change in the making. Texts must live until it is committed, which copies them ---- */

void draft_begin(struct planner *planner, enum dir_operation operation, bool host, enum dir_kind kind,
                 struct span id, struct span name);
/* Adds a value to be removed from or added to an attribute. */
void draft_remove(struct planner *planner, const char *name, struct span value);
void draft_add(struct planner *planner, const char *name, struct span value);
/* The value of a single-valued one; empty: none. */
void draft_replace(struct planner *planner, const char *name, struct span old, struct span new);
/* What stands in a copy's list of addresses becomes another list; `mail` follows. */
void draft_proxies(struct planner *planner, const struct dir_traits *traits, const struct dir_proxy *old,
                   size_t n_old, const struct dir_proxy *new, size_t n_new);
bool draft_has_deltas(const struct planner *planner);
/* Adds it to the plan. */
void draft_commit(struct planner *planner, struct span source, const char *why, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds its attributes to a change that is in the plan already. */
void draft_attach(struct planner *planner, size_t change);
void draft_clear(struct draft *draft);

/* ---- more of plan_parts.c ---- */

void plan_notice(struct planner *planner, enum dir_note kind, bool host, struct span id, struct span name,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));

/* "TYPE:value", or "type:value" where it is not primary; in scratch memory. */
struct span plan_proxy_text(struct planner *planner, const struct dir_proxy *proxy);
struct span plan_address_text(struct planner *planner, const struct address *address);

/* "%.*s" of a span, cut between characters where it is long: for notices. */
#define SHOWN(span) plan_shown(span), (span).at
int plan_shown(struct span text);
/* Makes a text fit for a line: no control octets, no torn characters. */
void plan_tidy(char *text);

/* ---- plan_flow.c ---- */

void flow_begin(struct planner *planner, struct flow *flow, bool import);
void flow_clear(struct flow *flow);
/* The other one. */
struct flow *flow_back(const struct flow *flow);

/* Whether it is a copy that this dirsync made; `source` may be NULL. */
bool plan_is_ours(const struct planner *planner, struct span mark, struct span *source);

/* Finds each copy's source. */
void flow_link(struct flow *flow);

/* ---- plan_source.c ---- */

/* Reads a source with what policies gave it beyond its own addresses. False: no entry. */
bool source_get(struct flow *flow, size_t place, struct dir_room *room, struct dir_entry *entry);

enum source_state source_judge(struct flow *flow, const struct dir_entry *entry);

/* The address under which the other side's people write to a source; NULL: it has none of the kind. */
const struct address *source_address(const struct flow *flow, const struct dir_entry *entry);

/* What a copy of a source shall be. Spans point into the source, the scratch arena, or constants. */
struct wish {
    const struct dir_entry *source;
    enum dir_kind kind; /* of a new one */
    struct address target;
    struct span value[DIR_ATTRIBUTES];
    uint32_t cut;              /* bits of values that were too long */
    struct dir_proxy *proxies; /* the target first */
    size_t n_proxies;
};
void source_wish(struct flow *flow, const struct dir_entry *source, struct wish *wish);

/* ---- plan_policy.c ---- */

void policy_hosts(struct planner *planner);

/* What an imported copy lacks by policy, added to `proxies` (which has room for DIR_PROXIES_MAX). */
void policy_copy(struct flow *flow, const struct wish *wish, size_t source_place, const struct dir_entry *copy,
                 struct dir_proxy *proxies, size_t *n_proxies);

/* Whether an address was given by a policy in this plan to somebody else than this source. */
bool policy_taken(struct flow *flow, const struct address *address, size_t source_place);

/* ---- plan_copy.c, plan_new.c ---- */

void copy_update(struct flow *flow, size_t source_place, const struct dir_entry *source,
                 const struct dir_entry *copy);
/* A source without copy: takes one over where one is to be had, which is brought in step with all others that are there. */
void copy_inherit(struct flow *flow, size_t source_place, const struct dir_entry *source);
/* Adds one, or says why not. */
void copy_new(struct flow *flow, size_t source_place, const struct dir_entry *source);
/* Adds a copy, whose target nobody has. */
void copy_add(struct flow *flow, size_t source_place, struct wish *wish);

/* ---- plan_move.c ---- */

/* Decides which copies get another target: `move`. */
void move_decide(struct flow *flow);

/* ---- plan_proxy.c ---- */

/* The key of an address in `planner->key`. */
struct span proxy_key(struct planner *planner, const struct address *address);

/* Who has an address on the flow's target, other than the copy at `own` (SIZE_MAX: none): the place, or SIZE_MAX. `planned` is set
 * where this plan gives it to somebody, whose source's place is returned. A copy that loses it in this plan does not have it; one
 * that goes has it still for somebody who may be its `heir`. */
size_t proxy_holder(struct flow *flow, const struct address *address, size_t own, size_t source_place,
                    bool heir, bool *planned);
void proxy_claim(struct flow *flow, const struct address *address, size_t source_place);

/* The addresses that a copy shall have: its own, the wished, without what is ours and no longer wished, in `proxies`. What cannot
 * be given is told. */
size_t proxy_settle(struct flow *flow, const struct wish *wish, size_t source_place,
                    const struct dir_entry *copy, struct dir_proxy proxies[DIR_PROXIES_MAX]);

/* Remembers which of a copy's addresses are ours (`copy` NULL: of a new one). */
void proxy_remember(struct flow *flow, const struct wish *wish, const struct dir_entry *copy);
/* Whether that is kept under this id in `added` for a copy of the flow. */
bool proxy_is_memory_of(const struct flow *flow, struct span id);
/* As it was before. */
void proxy_remember_old(struct flow *flow, struct span source_id);
/* Whether an earlier plan put it there. */
bool proxy_is_added(struct flow *flow, struct span source_id, const struct address *address);

/* ---- plan_name.c ---- */

/* A DN as octets that are equal where DNs are (RFC 4514, ASCII case ignored). */
void name_fold(struct span dn, struct buf *out);
struct span name_parent(struct span dn);
/* The value of the first RDN, where its attribute is CN; false else. */
bool name_value(struct planner *planner, struct span dn, struct span *value);
/* Whether a DN lies below (not: is) a flow's container; true where it has none. */
bool name_below(struct flow *flow, struct span dn);
/* Whether it lies below one of these, or is one. */
bool name_within(struct planner *planner, struct span dn, const struct conf_texts *containers);

/* The name of a new copy, or the one that an existing copy shall have (`copy` NULL: new). The same as it has where that one
 * will do. */
struct span name_choose(struct flow *flow, const struct wish *wish, const struct dir_entry *copy);
/* Whether a copy keeps the name that it has, whatever its source says. */
bool name_is_kept(const struct flow *flow, size_t copy_place, const struct dir_entry *copy);

/* The first `n` characters. */
struct span name_cut(struct span text, size_t n);

/* ---- plan_group.c, plan_gone.c, plan_guard.c ---- */

bool group_is_expanded(const struct flow *flow, const struct dir_entry *source);
/* What changes of the members of a copy. */
void group_members(struct flow *flow, const struct dir_entry *source, const struct dir_entry *copy);
/* The members of a new group, into its change; groups that are added behind it get a change of their own. */
void group_members_new(struct flow *flow, size_t source_place, const struct dir_entry *source);

void gone_judge(struct flow *flow);
void gone_all(struct flow *flow);
/* Says that a copy of ours is left as it is because it cannot be read. */
void gone_tell_broken(struct flow *flow, const struct dir_entry *copy);
/* Whether a copy's source is there, and is to have one. */
bool gone_has_source(const struct flow *flow, size_t copy_place);
/* Whether a copy is deleted in this plan, because its source is gone and its time is over. */
bool gone_is_deleted(struct flow *flow, size_t copy_place, const struct dir_entry *copy);
/* Whether it is deleted or let go. */
bool gone_goes(struct flow *flow, size_t copy_place, const struct dir_entry *copy);
/* Whether it loses an address in this plan for that reason. */
bool gone_loses(struct flow *flow, size_t copy_place, const struct dir_entry *copy,
                const struct address *address);

/* SHA-256 in hex. */
void plan_hash(struct span text, char hash[65]);

/* dir_plan_read() without a look at the hash: what is behind it must stand by itself. */
int plan_read_text(struct span text, struct dir_plan **plan, struct why *why);

/* "25", "2%": the number, or SIZE_MAX where there is none. */
uint64_t guard_number(const struct conf_texts *limits);
/* Per cent, or -1. */
int guard_share(struct span text);

#endif
