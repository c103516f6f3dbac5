/* api_read.h - reads the header files of a GroupWise API gateway, whoever wrote them
 *
 * One file is `keyword= value;` pairs, groups of such pairs, flags and comments, up to a line -END-. Three
 * writers inside Exchange alone spelled and closed their groups differently, gateways fold long values, write a
 * ',' for a ';', and programs in the field leave out what they can; so the reader takes every form that was
 * seen:
 *
 *   file     = { item } "-END-" { any }
 *   item     = comment | ";" | flag [";" | ","] | key "=" value
 *   value    = scalar ";" | group
 *   group    = element { "," element } ";"
 *   element  = { flag [";" | ","] | key "=" (scalar ";" | group) }
 *
 * A scalar runs to the next unescaped ';', whatever line ends lie between (they and the blanks behind them are
 * dropped); it also ends, with a warning, before a line -END-. A group may be closed by ';' on the last pair's
 * line or alone, by a ';' that stands for an empty group, or by a keyword that is known at top level only. A
 * ',' begins the next element; an element that stays empty is dropped. In Attach-File a second Current-File
 * begins the next element, and the separator behind a flag means nothing. An address keyword with a dotted
 * address (or a list of them) instead of a group gives elements with one pair whose key is empty.
 *
 * What is hostile here: everything. One pass, no recursion, groups nest two deep at most (deeper ones are
 * scalars), memory is the arena's, which is capped by its owner. Octets of the text are not interpreted but for
 * ASCII's signs, so a text in a code page can be read before or after it became UTF-8.
 *
 * Sources: files written by Exchange's connector and by gateways; Microsoft KB articles Q222506, Q222538,
 * Q234585, Q244467.
 */
#ifndef VIADUCT_GWISE_API_READ_H
#define VIADUCT_GWISE_API_READ_H

#include "common/arena.h"
#include "common/base.h"

enum {
    API_TEXT_MAX = 8 << 20,
    API_ARENA_MAX = 64 << 20,
    API_DIRECTORY_MAX = 96 << 20, /* of a gateway's directory: some 200,000 people */
    API_DIRECTORY_ARENA_MAX = 768 << 20
};

enum api_kind {
    API_SCALAR,  /* key, text */
    API_GROUP,   /* key, children: elements */
    API_ELEMENT, /* children: scalars, flags, groups */
    API_FLAG     /* key: the name without the outer hyphens */
};

struct api_item {
    enum api_kind kind;
    struct span key;  /* as written */
    struct span text; /* unescaped, unfolded, without blanks at its ends */
    struct api_item *children, *last, *next;
};

struct api_file {
    struct api_item root; /* an element: the items at top level are its children */
    bool ended;           /* -END- was there */
    struct span trailer;  /* what follows the line -END-: a gateway's complaints in GWPROB */
    unsigned warnings;    /* places that were read in spite of the grammar */
    bool dotted; /* an address stood in dotted form: the gateway's Addressing Format is not Component */
};

/* Reads a file of at most API_TEXT_MAX octets, or API_DIRECTORY_MAX where it is a directory. Spans point into the text or the arena. Returns 0; -EINVAL with
 * `why` where it is too long, or where the arena's cap was reached. A file without -END- is no error: see
 * `ended`. */
int api_read(struct span text, struct arena *arena, struct api_file *file, struct why *why);

/* True where the text begins as one of Msg-Type Admin does: a directory, or a request for one. */
bool api_is_directory(struct span text);

/* True where the text holds a line -END-: a file without is still being written. */
bool api_is_finished(struct span text);

/* The first child with this key (ASCII case ignored); NULL where there is none. */
const struct api_item *api_find(const struct api_item *parent, const char *key);
/* The next sibling with the same key. */
const struct api_item *api_find_next(const struct api_item *item);

/* The text of the first scalar child with this key; empty where there is none, or where it is the sign for an
 * empty value, one backslash (ADMIN files). */
struct span api_text(const struct api_item *parent, const char *key);

/* An address: an element with WPD, WPPO and WPU, or with a dotted text, whose first dot ends the domain and
 * second one the post office. False where a domain or user is missing. */
struct api_address {
    struct span domain, office, user; /* quotes round the user taken away */
};
bool api_address(const struct api_item *element, struct api_address *address);

/* A tag of the token in CDBA that Exchange's connector, or we, wrote: '^', a sign, four letters, the value up to the next
 * '^'. False where it has none. */
bool api_token(struct span token, const char tag[4], struct span *value);

/* Splits "Domain.PostOffice.User"; the user may hold dots. False where a part is missing or empty. */
bool api_split_address(struct span text, struct api_address *address);

/* The date of 1.2 files: D/M/YYYY H:M[:S] [+-HH[:MM]]. False where it is none. */
struct api_clock {
    int year, month, day, hour, minute, second; /* month 1 to 12 */
    bool zoned;
    int zone_s; /* of zoned ones, east of UTC */
};
bool api_read_clock(struct span text, struct api_clock *clock);
/* The same as a time; by the machine's clock where there is no zone. */
bool api_read_date(struct span text, int64_t *time_s);

#endif
