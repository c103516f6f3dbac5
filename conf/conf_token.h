/* conf_token.h - the words of a configuration file, with their places (private to the scanner)
 *
 * What libconfuse would let pass or read in a surprising way is refused here: `;`, unquoted signs, control
 * bytes, escapes that eat digits (`\2a`), environment variables, strings over several lines.
 */
#ifndef VIADUCT_CONF_TOKEN_H
#define VIADUCT_CONF_TOKEN_H

#include "conf/conf_schema.h"

enum { CONF_INCLUDE_DEPTH = 8, CONF_STRING_MAX = 4096 };

enum conf_token_type {
    TOKEN_END,    /* of this file */
    TOKEN_WORD,   /* unquoted; `raw` needs no escapes */
    TOKEN_STRING, /* quoted; `raw` with its quotes and escapes */
    TOKEN_SIGN    /* one of { } ( ) = , */
};

struct conf_token {
    enum conf_token_type type;
    char sign;
    struct span raw;
    struct conf_place place;
};

/* A file being read. `open` counts the sections that were open when it began. */
struct conf_source {
    const char *name;
    struct span rest;
    struct buf text; /* what `rest` points into, for an included file */
    int line;
    size_t open;
};

struct conf_sources {
    struct conf *conf;
    struct conf_errors *errors;
    struct conf_source stack[CONF_INCLUDE_DEPTH];
    size_t n;
    size_t total_bytes, max_bytes;
    bool broken; /* a comment or the like is not closed: what follows means nothing */
    struct conf_token next;
    bool has_next;
};

/* Begins to read `text`, which must stay. Returns false where it is not text or too much. */
bool conf_source_push(struct conf_sources *sources, const char *name, struct span text, size_t open);
void conf_source_pop(struct conf_sources *sources);

/* The next token of the innermost file. */
struct conf_token conf_token_next(struct conf_sources *sources);

/* Looks at it without taking it. */
const struct conf_token *conf_token_peek(struct conf_sources *sources);

/* Skips to the brace that closes the one just taken at `opened`; reports where the file ends before it. */
void conf_token_skip_braces(struct conf_sources *sources, struct conf_place opened);

/* Skips what follows the name of a statement that was reported. A value or title must stand on the name's line
 * or behind `=`: a word on the next line is more likely the next statement. */
void conf_token_skip_statement(struct conf_sources *sources, struct conf_place name);

/* Skips the rest of the line on which something unexpected stood, up to a closing brace. */
void conf_token_skip_rest(struct conf_sources *sources, struct conf_place place);

static inline bool
conf_token_is_value(const struct conf_token *token)
{
    return token->type == TOKEN_WORD || token->type == TOKEN_STRING;
}

/* True where it is this sign. */
static inline bool
conf_token_is(const struct conf_token *token, char sign)
{
    return token->type == TOKEN_SIGN && token->sign == sign;
}

#endif
