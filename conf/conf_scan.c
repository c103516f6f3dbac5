/* conf_scan.c - the guard before libconfuse: structure, places, repeats
 *
 * libconfuse keeps no line numbers of options, stops at the first error, lets the last of two equal options win
 * silently, loses its place (and memory) when an included file ends in an error, and its cost grows faster than
 * its input. So this scanner walks the statements first, under the same schema:
 *
 *     NAME = VALUE        NAME = { VALUE, ... }        NAME { ... }        NAME "TITLE" { ... }
 *     include("FILE")
 *
 * It reports what is wrong with all of them, remembers where each stands, and writes the sound ones, includes
 * in place, into a clean text of quoted values: the only form that libconfuse ever meets. Values are
 * libconfuse's work: the scanner does not know what they mean.
 *
 * Hostile here: all of the text. Nesting is bounded by the schema, what is unknown is skipped by counting.
 */
#include "conf/conf_scan.h"

#include <stdio.h>

/* libconfuse gives every section a copy of its schema: some 30 KiB for a connector. */
enum { SECTIONS_MAX = 4096, ELEMENTS_MAX = 10000, DEPTH_MAX = 8, TITLE_MAX = 64 };

struct scan {
    struct conf_sources sources;
    struct buf *clean;
    bool includes;
    struct conf_scanned *open[DEPTH_MAX]; /* open[0] is the root */
    size_t depth;
    size_t sections;
};

static struct conf_scanned *
scanned_new(struct scan *scan, const struct conf_schema *schema, struct conf_place place)
{
    struct conf_scanned *scanned = conf_alloc(scan->sources.conf, sizeof *scanned);
    scanned->schema = schema;
    scanned->place = place;
    scanned->title = SPAN("");
    scanned->seen = conf_alloc(scan->sources.conf, schema->n * sizeof *scanned->seen);
    return scanned;
}

static struct conf_scanned *
innermost(struct scan *scan)
{
    return scan->open[scan->depth - 1];
}

/* A piece of a token for a message. */
static int
shown(struct span raw)
{
    return raw.len < 60 ? (int)raw.len : 60;
}

static void
refuse_token(struct scan *scan, const struct conf_token *token, const char *wanted)
{
    struct conf_errors *errors = scan->sources.errors;
    if (token->type == TOKEN_END)
        conf_error(errors, &token->place, "the file ends where %s should stand", wanted);
    else
        conf_error(errors, &token->place, "%.*s where %s should stand", shown(token->raw), token->raw.at,
                   wanted);
}

/* Adds a value for libconfuse; words get quotes, so that it has nothing to guess. */
static void
add_value(struct scan *scan, const struct conf_token *token)
{
    const char *quote = token->type == TOKEN_WORD ? "\"" : "";
    buf_printf(scan->clean, "%s%.*s%s", quote, (int)token->raw.len, token->raw.at, quote);
}

static bool
take_elements(struct scan *scan)
{
    struct conf_sources *sources = &scan->sources;
    struct conf_token token = conf_token_next(sources);
    struct conf_place opened = token.place;
    size_t n = 0;
    for (;;) {
        token = *conf_token_peek(sources);
        if (conf_token_is(&token, '}')) {
            conf_token_next(sources);
            return true;
        }
        if (token.type == TOKEN_END) {
            conf_error(sources->errors, &opened, "this list is not closed by }");
            return false;
        }
        conf_token_next(sources);
        if (!conf_token_is_value(&token) || ++n > ELEMENTS_MAX) {
            if (n > ELEMENTS_MAX)
                conf_error(sources->errors, &token.place, "more than %d elements", ELEMENTS_MAX);
            else
                refuse_token(scan, &token, "an element of the list or its }");
            conf_token_skip_braces(sources, opened);
            return false;
        }
        add_value(scan, &token);
        buf_add_text(scan->clean, ", ");
        if (conf_token_is(conf_token_peek(sources), ','))
            conf_token_next(sources);
        else if (conf_token_is_value(conf_token_peek(sources)))
            conf_error(sources->errors, &conf_token_peek(sources)->place, "a comma is missing before %.*s",
                       shown(conf_token_peek(sources)->raw), conf_token_peek(sources)->raw.at);
    }
}

static bool
take_value(struct scan *scan, const struct conf_item *item, struct conf_place place)
{
    struct conf_sources *sources = &scan->sources;
    if (conf_token_is(conf_token_peek(sources), '{')) {
        if (!conf_item_is_list(item)) {
            conf_error(sources->errors, &place, "%s takes one value, not a list", item->name);
            conf_token_skip_braces(sources, conf_token_next(sources).place);
            return false;
        }
        buf_add_text(scan->clean, "{ ");
        bool taken = take_elements(scan);
        buf_add_text(scan->clean, "}");
        return taken;
    }
    struct conf_token token = *conf_token_peek(sources);
    if (!conf_token_is_value(&token)) {
        refuse_token(scan, &token, "a value");
        conf_token_skip_rest(sources, place);
        return false;
    }
    conf_token_next(sources);
    add_value(scan, &token);
    return true;
}

static void
take_option(struct scan *scan, const struct conf_item *item, struct conf_seen *seen,
            const struct conf_token *name)
{
    struct conf_sources *sources = &scan->sources;
    if (!conf_token_is(conf_token_peek(sources), '=')) {
        conf_error(sources->errors, &name->place, "%s is an option: write %s = ...", item->name, item->name);
        conf_token_skip_statement(sources, name->place);
        return;
    }
    conf_token_next(sources);
    size_t before = scan->clean->len;
    buf_printf(scan->clean, "%s = ", item->name);
    bool taken = take_value(scan, item, name->place);
    buf_add_byte(scan->clean, '\n');
    if (seen->set)
        conf_error(sources->errors, &name->place, "%s stands here again; it was set at %s:%d", item->name,
                   seen->place.file, seen->place.line);
    if (!taken || seen->set)
        scan->clean->len = before;
    else
        *seen = (struct conf_seen){.set = true, .place = name->place};
}

/* Where a section with this title stands in the index, or would. */
static struct conf_scanned **
title_slot(const struct conf_seen *seen, struct span title)
{
    size_t hash = 5381;
    for (size_t i = 0; i < title.len; i++)
        hash = hash * 33 + (unsigned char)title.at[i];
    while (seen->index[hash %= seen->index_size] != NULL && !span_equal(seen->index[hash]->title, title))
        hash++;
    return &seen->index[hash];
}

static const struct conf_scanned *
find_title(const struct conf_seen *seen, struct span title)
{
    return seen->index_size > 0 ? *title_slot(seen, title) : NULL;
}

/* Thousands of connectors or rules are found by hash: each is looked for among those before it. */
static void
index_title(struct conf *conf, struct conf_seen *seen, struct conf_scanned *scanned)
{
    if (2 * seen->n >= seen->index_size) {
        seen->index_size = 4 * seen->n + 7;
        seen->index = conf_alloc(conf, seen->index_size * sizeof *seen->index);
        for (struct conf_scanned *other = seen->first; other != scanned; other = other->next)
            *title_slot(seen, other->title) = other;
    }
    *title_slot(seen, scanned->title) = scanned;
}

/* Titles are names: what needs an escape is none. */
static bool
is_title(struct span title)
{
    for (size_t i = 0; i < title.len; i++)
        if (strchr("\\'\"$", title.at[i]) != NULL)
            return false;
    return title.len > 0 && title.len <= TITLE_MAX;
}

/* Takes the title into `title`, without its quotes. */
static bool
take_title(struct scan *scan, const struct conf_item *item, struct span *title, struct conf_place place)
{
    struct conf_sources *sources = &scan->sources;
    struct conf_token token = *conf_token_peek(sources);
    *title = SPAN("");
    if (!conf_item_has_title(item)) {
        if (!conf_token_is_value(&token))
            return true;
        conf_error(sources->errors, &place, "%s has no title: write %s { ... }", item->name, item->name);
        return false;
    }
    if (!conf_token_is_value(&token)) {
        conf_error(sources->errors, &place, "%s needs a title: write %s \"NAME\" { ... }", item->name,
                   item->name);
        return false;
    }
    *title = token.raw;
    if (token.type == TOKEN_STRING)
        *title = (struct span){token.raw.at + 1, token.raw.len - 2};
    if (!is_title(*title)) {
        conf_error(sources->errors, &place, "a title has 1 to %d bytes, and neither backslash, quote nor $",
                   TITLE_MAX);
        return false;
    }
    conf_token_next(sources);
    return true;
}

static bool
is_repeated(struct scan *scan, const struct conf_item *item, const struct conf_seen *seen, struct span title,
            struct conf_place place)
{
    const struct conf_scanned *other = conf_item_has_title(item) ? find_title(seen, title) : seen->first;
    if (other == NULL || item->what == CONF_SERIES)
        return false;
    if (conf_item_has_title(item))
        conf_error(scan->sources.errors, &place, "%s \"%.*s\" stands here again; it stands at %s:%d",
                   item->name, (int)title.len, title.at, other->place.file, other->place.line);
    else
        conf_error(scan->sources.errors, &place, "%s stands here again; it stands at %s:%d", item->name,
                   other->place.file, other->place.line);
    return true;
}

static void
open_section(struct scan *scan, const struct conf_item *item, struct conf_seen *seen, struct span title,
             struct conf_place place)
{
    struct conf_scanned *scanned = scanned_new(scan, item->section(), place);
    scanned->title = span_of(conf_copy(scan->sources.conf, title)); /* an included file's text goes */
    if (seen->last != NULL)
        seen->last->next = scanned;
    else
        seen->first = scanned;
    seen->last = scanned;
    if (conf_item_has_title(item))
        index_title(scan->sources.conf, seen, scanned);
    seen->n++;
    seen->set = true;
    seen->place = place;
    BUG_UNLESS(scan->depth < DEPTH_MAX); /* the schema is not as deep */
    scan->open[scan->depth++] = scanned;
    buf_printf(scan->clean, "%s {\n", item->name);
}

static void
take_section(struct scan *scan, const struct conf_item *item, struct conf_seen *seen,
             const struct conf_token *name)
{
    struct conf_sources *sources = &scan->sources;
    struct span title;
    if (conf_token_is(conf_token_peek(sources), '=')) {
        conf_error(sources->errors, &name->place, "%s is a section: write %s%s { ... }", item->name, item->name,
                   conf_item_has_title(item) ? " \"NAME\"" : "");
        conf_token_skip_statement(sources, name->place);
        return;
    }
    if (!take_title(scan, item, &title, name->place)) {
        conf_token_skip_statement(sources, name->place);
        return;
    }
    if (!conf_token_is(conf_token_peek(sources), '{')) {
        refuse_token(scan, conf_token_peek(sources), "the { of a section");
        conf_token_skip_rest(sources, name->place);
        return;
    }
    struct conf_place opened = conf_token_next(sources).place;
    bool full = scan->sections++ >= SECTIONS_MAX;
    if (full)
        conf_error(sources->errors, &name->place, "more than %d sections", SECTIONS_MAX);
    if (full || is_repeated(scan, item, seen, title, name->place))
        conf_token_skip_braces(sources, opened);
    else
        open_section(scan, item, seen, title, name->place);
}

static void
take_include(struct scan *scan, const struct conf_token *name)
{
    struct conf_sources *sources = &scan->sources;
    struct span file = {NULL, 0};
    conf_token_next(sources); /* the parenthesis */
    bool sound = conf_token_is_value(conf_token_peek(sources));
    if (sound) {
        struct conf_token token = conf_token_next(sources);
        file = token.type == TOKEN_STRING ? (struct span){token.raw.at + 1, token.raw.len - 2} : token.raw;
        sound = file.len > 0 && memchr(file.at, '\\', file.len) == NULL &&
                conf_token_is(conf_token_peek(sources), ')');
    }
    if (!sound) {
        conf_error(sources->errors, &name->place, "write include(\"FILE\")");
        conf_token_skip_rest(sources, name->place);
        return;
    }
    conf_token_next(sources);
    if (!scan->includes)
        conf_error(sources->errors, &name->place, "a snapshot includes nothing");
    else
        conf_scan_include(sources, file, name->place, scan->depth);
}

/* A name that the section does not know; perhaps another one does. */
static void
refuse_name(struct scan *scan, const struct conf_token *name)
{
    struct conf_sources *sources = &scan->sources;
    const struct conf_schema *schema = innermost(scan)->schema;
    struct conf_nearest nearest = {0};
    const char *home = conf_schema_home(name->raw);
    for (size_t i = 0; i < schema->n; i++)
        conf_nearest_offer(&nearest, name->raw, schema->items[i].name);
    if (scan->depth == 1)
        conf_nearest_offer(&nearest, name->raw, "include");
    const char *where = scan->depth > 1 ? schema->name : "viaduct.conf";
    if (nearest.name == NULL && home != NULL)
        conf_error(sources->errors, &name->place, "%.*s is not known in %s; it belongs into %s",
                   shown(name->raw), name->raw.at, where, home);
    else
        conf_error_nearest(sources->errors, &name->place, &nearest, "%.*s is not known in %s", shown(name->raw),
                           name->raw.at, where);
    conf_token_skip_statement(sources, name->place);
}

static void
take_statement(struct scan *scan, const struct conf_token *name)
{
    struct conf_scanned *section = innermost(scan);
    const struct conf_item *item = conf_schema_find(section->schema, name->raw);
    if (item == NULL && span_equal(name->raw, SPAN("include")) &&
        conf_token_is(conf_token_peek(&scan->sources), '('))
        take_include(scan, name);
    else if (item == NULL)
        refuse_name(scan, name);
    else if (item->what == CONF_OPTION)
        take_option(scan, item, &section->seen[item - section->schema->items], name);
    else
        take_section(scan, item, &section->seen[item - section->schema->items], name);
}

static void
close_section(struct scan *scan, const struct conf_token *brace)
{
    struct conf_sources *sources = &scan->sources;
    if (scan->depth <= sources->stack[sources->n - 1].open) {
        conf_error(sources->errors, &brace->place, "this } closes nothing");
        return;
    }
    scan->depth--;
    buf_add_text(scan->clean, "}\n");
}

/* At the end of a file, what it opened must be closed. */
static void
end_file(struct scan *scan)
{
    struct conf_sources *sources = &scan->sources;
    for (; scan->depth > sources->stack[sources->n - 1].open; scan->depth--) {
        const struct conf_scanned *section = innermost(scan);
        conf_error(sources->errors, &section->place, "%s { is not closed by }", section->schema->name);
        buf_add_text(scan->clean, "}\n");
    }
    conf_source_pop(sources);
}

struct conf_scanned *
conf_scan(struct conf *conf, const char *name, struct span text, bool includes, struct buf *clean,
          struct conf_errors *errors)
{
    struct scan scan = {
        .sources = {.conf = conf, .errors = errors, .max_bytes = includes ? CONF_SIZE_MAX : CONF_SNAPSHOT_MAX},
        .clean = clean,
        .includes = includes};
    struct conf_sources *sources = &scan.sources;
    scan.open[scan.depth++] = scanned_new(&scan, conf_schema_root(), (struct conf_place){name, 1});
    bool readable = conf_source_push(sources, name, text, scan.depth);
    /* Hostile text could be nothing but mistakes: what would not be shown is not looked for. */
    while (sources->n > 0 && errors->n <= CONF_ERRORS_MAX) {
        struct conf_token token = conf_token_next(sources);
        if (token.type == TOKEN_END)
            end_file(&scan);
        else if (conf_token_is(&token, '}'))
            close_section(&scan, &token);
        else if (token.type == TOKEN_WORD)
            take_statement(&scan, &token);
        else {
            refuse_token(&scan, &token, "the name of an option");
            conf_token_skip_rest(sources, token.place);
        }
    }
    bool whole = readable && sources->n == 0 && !sources->broken;
    while (sources->n > 0)
        conf_source_pop(sources);
    return whole ? scan.open[0] : NULL;
}
