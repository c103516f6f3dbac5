/* side_ldap.h - the chapters of the LDAP side, among themselves (see side.h)
 *
 *     ldap_answer --> struct side_raw --> struct dir_entry       side_ldap_raw.c, side_ldap_value.c, side_ldap_entry.c, side_ldap_domino.c
 *     struct dir_change --> struct side_mods --> requests        side_ldap_mods.c, side_ldap_add.c, side_ldap_write.c
 *     an answer --> what it means, and what follows              side_ldap_result.c, side_ldap_settle.c, side_ldap_differ.c
 *     what the server is, and is asked for                       side_ldap.c, side_ldap_names.c, side_ldap_filter.c, side_ldap_read.c,
 *                                                                side_ldap_prove.c
 *
 * Three kinds of servers, told apart by configuration or by what the server says of itself: Active Directory (and servers with its
 * schema), Domino, and any other whose people are inetOrgPerson. What differs is a column of side_ldap_slots.def and of
 * attributes.def, and a function or two.
 */
#ifndef VIADUCT_SIDE_LDAP_H
#define VIADUCT_SIDE_LDAP_H

#include "directory/ldap.h"
#include "directory/policy.h"
#include "directory/side.h"

enum side_kind { SIDE_AD, SIDE_DOMINO, SIDE_PLAIN, SIDE_KINDS };

/* What an attribute of the server is used for. The first are those that are kept in step. */
enum side_slot {
#define ATTRIBUTE(symbol, name, domino, ldap, characters) SLOT_KEPT_##symbol,
#include "directory/attributes.def"
#define SLOT(symbol, ad, domino, ldap) SLOT_##symbol,
#include "directory/side_ldap_slots.def"
    SLOT_MARK,
    SLOT_ID, /* and those behind it: the candidates, in order */
    SLOT_IDS = 4,
    SLOTS = SLOT_ID + SLOT_IDS
};

enum { SIDE_NAME_MAX = 64, SIDE_EXTRAS_MAX = 64, SIDE_VALUE_MAX = 4096 };

/* ---- names: which attribute keeps what (side_ldap_names.c) ---- */

struct side_names {
    enum side_kind kind;
    char slot[SLOTS][SIDE_NAME_MAX];            /* "": nothing keeps it */
    char extra[SIDE_EXTRAS_MAX][SIDE_NAME_MAX]; /* asked for besides: by policies and opt-outs */
    size_t n_extras;
    const char *asked[SLOTS + SIDE_EXTRAS_MAX + 1]; /* all, each once, NULL-terminated */
    int16_t chain[SLOTS];                           /* the next slot with the same attribute; -1: none */
    int16_t bucket[256];                            /* first slot of a hash; -1: none */
    int16_t next[SLOTS];                            /* next slot of the same hash */
};

/* Fills it in: from the kind's columns, `map`, `mark` and `id` of the configuration, without what `knows` denies (NULL: nothing).
 * -EINVAL with `why` for a `map` that names what is not kept in step. */
int side_names_init(struct side_names *names, enum side_kind kind, const struct conf_directory *directory,
                    bool active_directory, bool (*knows)(void *arg, const char *name), void *arg,
                    struct why *why);
/* Asks for another attribute besides, once. False where there are too many, or its name is too long. */
bool side_names_ask(struct side_names *names, struct span name);
/* Makes `asked` and the hash: after the last side_names_ask(). */
void side_names_seal(struct side_names *names);
/* The first slot that an attribute fills, by name without case; -1: none. Others follow by `chain`. */
int side_names_find(const struct side_names *names, struct span name);

/* ---- what an answer holds (side_ldap_raw.c) ---- */

struct side_values {
    struct span name;
    const struct span *at;
    size_t n;
};

struct side_raw {
    struct span dn;
    struct side_values *attributes;
    size_t n_attributes;
    struct span *values; /* of all */
    size_t attributes_size, values_size;
    int16_t slot[SLOTS]; /* index among the attributes; -1: is not there */
};

/* Fills it from an answer, whose octets it points to; memory is used again from call to call. */
void side_raw_fill(struct side_raw *raw, const struct side_names *names, const struct ldap_answer *answer);
void side_raw_clear(struct side_raw *raw);
/* The same by hand: begin, then attribute by attribute with its values; for tests, and for side_raw_fill(). */
void side_raw_begin(struct side_raw *raw, struct span dn);
void side_raw_attribute(struct side_raw *raw, const struct side_names *names, struct span name,
                        const struct span *values, size_t n);
/* Values of a slot (n 0: none), and of any attribute by name. */
struct side_values side_raw_slot(const struct side_raw *raw, int slot);
bool side_raw_value(void *arg, struct span name, size_t n, struct span *value);

/* ---- entries (side_ldap_entry.c, side_ldap_domino.c) ---- */

struct side_reader {
    const struct side_names *names;
    const struct conf_directory *directory;
    const struct dir_policies *policies; /* NULL: none */
    bool host;
    struct span address_type; /* of the foreign system: what a foreign entry's own address is */
    struct span mail_domain;  /* Domino: of groups that name none */
    struct arena *arena;      /* of one entry: reset by side_entry_map() */
    struct dir_proxy *proxies;
    struct buf trouble;
    uint64_t homeless; /* lists that no mail domain was found for; counted */
};

/* Makes an entry; its spans live until the next call. False where it is no recipient. */
bool side_entry_map(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry);

/* A value without control octets and broken UTF-8, trimmed, SIDE_VALUE_MAX octets at most. `*harmed` is set where more than blanks
 * was lost. */
struct span side_clean(struct arena *arena, struct span value, bool *harmed);
/* At most so many octets, no half character at the end. */
struct span side_cut(struct span value, size_t most);

/* What stands as mark: ours before a stranger's, which is never empty. */
struct span side_mark_of(const struct side_raw *raw, struct arena *arena);
/* The id, printed to the arena; empty: there is none. */
struct span side_id_of(const struct side_names *names, const struct side_raw *raw, struct arena *arena);

/* Adds a filter that finds the entry with an id. */
void side_id_filter(const struct side_names *names, struct span id, struct buf *out);

/* For side_ldap_domino.c. */
void side_entry_proxy(struct side_reader *reader, struct dir_entry *entry, struct span text, bool bare,
                      bool primary);
void side_entry_trouble(struct side_reader *reader, const char *what, struct span value, const char *text);
bool side_domino_map(struct side_reader *reader, const struct side_raw *raw, struct dir_entry *entry);

/* "CN=Ann Beebe/OU=Sales/O=Org" or a DN as "Ann Beebe/Sales/Org". */
void side_notes_abbreviate(struct span name, struct buf *out);
/* A NOTES address in its name and its domain, at the last '@'. */
void side_notes_split(struct span address, struct span *name, struct span *domain);

/* ---- the side (side_ldap.c) ---- */

struct ldap_side {
    struct dir_side side; /* first: the operations know no other */
    const struct conf_directory *directory;
    struct ldap_link *link;
    struct dir_policies *policies; /* of the host; else NULL */
    struct side_names names;
    struct side_reader reader;
    struct buf filter;
    char source[256]; /* what a cookie is bound to: the server, and all that the mapping rests on */
    char address_type[24], mail_domain[64];
    struct side_writer *writer; /* NULL until something is written */
};

void side_note(const struct ldap_side *side, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the server is asked for, and a digest of all that the mapping of answers rests on (side_ldap_filter.c). */
void side_filter(const struct side_names *names, const struct conf_directory *directory, struct buf *out);
uint64_t side_digest(const struct ldap_side *side);

/* Connects (anew) and learns what the server is. As dir_side_ops.open(). */
int side_ldap_open(struct dir_side *side, struct why *why);

/* side_ldap_read.c, side_ldap_write.c: as in dir_side_ops. */
int side_ldap_read(struct dir_side *side, struct dir_set **set, struct dir_reading *reading, bool full,
                   struct why *why);
void side_ldap_apply(struct dir_side *side, const struct dir_change *change,
                     void (*done)(void *arg, const struct dir_change *change, enum dir_result result,
                                  const struct why *why),
                     void *arg);
void side_ldap_flush(struct dir_side *side);
void side_writer_free(struct side_writer *writer);

#endif
