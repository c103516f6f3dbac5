/* template_inside.h - a template in parts, shared by its parser (template_read.c), the rules of types (template_rules.c) and the
 * maker of addresses (template.c), and by nobody else
 *
 * A template is cut into parts as the type's addresses are: each has fixed octets before it, a limit of characters, and one of
 * them (the user part) takes the number that tells alike people apart. Within a part stand tokens: characters, %-codes, and
 * %rxy, which counts for the rest of the template, whatever part it is in.
 */
#ifndef VIADUCT_DIRECTORY_TEMPLATE_INSIDE_H
#define VIADUCT_DIRECTORY_TEMPLATE_INSIDE_H

#include "directory/policy.h"

enum { TEMPLATE_PARTS_MAX = 20, TEMPLATE_BYTES_MAX = 1123, TEMPLATE_MAPS_MAX = 32 };

/* What a type's addresses hold and how its templates are written. */
struct template;

struct template_rules {
    const char *generator;
    bool ampersand; /* & is as %, digits stand on either side of the letter, letters in any case */
    bool swap;      /* "Last, First" as display name is "First Last" */
    bool upper;     /* all in upper case */
    bool latin;     /* letters with marks become plain ones, others are left out */
    bool western;   /* nothing above U+00FF */
    bool
        dots; /* dots of values vanish, save the alias's and behind %r..; several become one, none at the ends */
    bool underscores;  /* dots of values become underscores: they would begin another part */
    const char *legal; /* beside ASCII letters and digits; NULL: all but `illegal` */
    const char *illegal;
    const char *user; /* what stands for a user part that is not there */
    const char *trim; /* what the user part neither begins nor ends with */
    unsigned first;   /* number of the second alike one */
    int (*cut)(struct template *template, struct why *why); /* cuts the text into parts */
};

enum token_kind { TOKEN_END, TOKEN_CHARACTER, TOKEN_CODE, TOKEN_MAP, TOKEN_WRONG };

struct token {
    enum token_kind kind;
    struct span text;     /* of a character: its octets */
    char code;            /* m g s i d */
    size_t count;         /* 0: all */
    struct span from, to; /* of a map */
};

struct template_part {
    struct span before; /* fixed octets: "@", ";o=" */
    struct span text;   /* tokens */
    size_t limit;       /* characters of what it becomes; 0: none */
    bool needless;      /* left out with `before` where nothing is in it */
    bool user;
    bool fixed; /* as it stands: a domain */
};

struct template
{
    struct span text; /* behind "TYPE:" */
    size_t offset;    /* of `text` in the whole */
    const struct address_type *type;
    const struct template_rules *rules;
    struct span type_name;
    char type_room[21];
    struct template_part part[TEMPLATE_PARTS_MAX];
    size_t n_parts;
    struct span end; /* fixed octets behind all */
};

const struct template_rules *template_rules_of(const struct address_type *type);

/* Parses and checks a template. 0, or -EINVAL with `why`. Spans point into `text` or static memory. */
int template_read(struct span text, struct template *template, struct why *why);

/* Whether addresses of the type hold a character (its octets) within a part. */
bool template_legal(const struct template_rules *rules, struct span c);

/* The token at `*at` of a text; `*at` is set behind it. TOKEN_WRONG: none can begin so. */
struct token template_token(const struct template_rules *rules, struct span text, size_t *at);

/* Refuses: names the place of `at` (within the template's text) in the whole. */
int template_refuse(const struct template *template, const char *at, struct why *why, const char *what);

/* Adds a part; false where there are too many. */
struct template_part *template_add(struct template *template, struct span before, struct span text,
                                   size_t limit);

/* Where an octet stands as a character of its own, from the front or from behind; SIZE_MAX: nowhere. */
size_t template_find(const struct template *template, const char *octets, bool last);

#endif
