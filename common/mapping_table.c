/* mapping_table.c - pairs of foreign and host addresses from a file (see mapping.h)
 *
 * Loaded once, when a worker starts; a look-up is a binary search over folded keys, then a walk over the lines
 * with a '*'. The file is the administrator's; each line is checked all the same, since a mistake in it
 * misleads mail.
 */
#include "common/mapping_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct pair {
    struct span side[2]; /* [0] foreign, [1] host; one allocation at side[0].at */
    size_t line;
};

struct key {
    char *at;
    size_t len;
    const struct pair *pair;
};

struct mapping_table {
    struct pair *pairs; /* those without '*' */
    size_t n_pairs;
    struct pair *wild;
    size_t n_wild;
    struct key *keys[2]; /* n_pairs each, sorted */
};

struct reader {
    struct mapping_table *table;
    struct span type;
    const char *path;
    size_t line;
    struct buf *errors;
    size_t n_errors;
    size_t pairs_size, wild_size;
    struct arena *arena; /* reset for each line */
};

static void line_error(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
line_error(struct reader *reader, const char *format, ...)
{
    va_list args;
    reader->n_errors++;
    if (reader->errors == NULL)
        return;
    va_start(args, format);
    buf_printf(reader->errors, "%s:%zu: ", reader->path, reader->line);
    buf_vprintf(reader->errors, format, args);
    buf_add_byte(reader->errors, '\n');
    va_end(args);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span
without_comment(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] == '#' && (i == 0 || is_blank(line.at[i - 1])))
            line.len = i;
    return span_trim(line);
}

static size_t
count_stars(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.at[i] == '*';
    return n;
}

/* Takes "TYPE:" off. False where another type stands there. */
static bool
strip_type(struct span *text, struct span type)
{
    const char *colon = memchr(text->at, ':', text->len);
    struct span prefix = {text->at, colon != NULL ? (size_t)(colon - text->at) : 0};
    if (!address_type_valid(prefix))
        return true;
    text->at += prefix.len + 1;
    text->len -= prefix.len + 1;
    return span_equal_nocase(prefix, type);
}

/* A '*' is checked as if it had caught one letter. */
static bool
side_valid(struct reader *reader, struct span text, struct span type, const char *name)
{
    struct why why;
    struct address address;
    char *copy = arena_copy(reader->arena, text);
    if (text.len > ADDRESS_VALUE_MAX || copy == NULL) {
        line_error(reader, "the %s address is too long", name);
        return false;
    }
    for (size_t i = 0; i < text.len; i++)
        if (copy[i] == '*')
            copy[i] = 'x';
    if (address_make(type, (struct span){copy, text.len}, false, reader->arena, &address, &why) == 0)
        return true;
    line_error(reader, "%s address: %s", name, why.text);
    return false;
}

static void
pair_add(struct pair **pairs, size_t *n, size_t *size, struct span foreign, struct span host, size_t line)
{
    if (*n == *size) {
        *size = *size > 0 ? *size * 2 : 64;
        *pairs = xrealloc(*pairs, *size * sizeof **pairs);
    }
    char *text = xmalloc(foreign.len + host.len);
    memcpy(text, foreign.at, foreign.len);
    memcpy(text + foreign.len, host.at, host.len);
    (*pairs)[(*n)++] = (struct pair){{{text, foreign.len}, {text + foreign.len, host.len}}, line};
}

static void
line_take(struct reader *reader, struct span line)
{
    struct mapping_table *table = reader->table;
    line = without_comment(line);
    if (line.len == 0)
        return;
    size_t at = line.len;
    while (at > 0 && !is_blank(line.at[at - 1]))
        at--;
    struct span foreign = span_trim((struct span){line.at, at});
    struct span host = {line.at + at, line.len - at};
    if (foreign.len == 0) {
        line_error(reader, "a line needs a foreign address, blanks, and a host address");
        return;
    }
    if (!strip_type(&foreign, reader->type) || !strip_type(&host, SPAN("SMTP"))) {
        line_error(reader, "the foreign address is of type %.*s, the host address of type SMTP",
                   (int)reader->type.len, reader->type.at);
        return;
    }
    size_t stars = count_stars(foreign);
    if (stars > 1 || stars != count_stars(host)) {
        line_error(reader, "a * stands once in both addresses or in neither");
        return;
    }
    if (!side_valid(reader, foreign, reader->type, "foreign") ||
        !side_valid(reader, host, SPAN("SMTP"), "host"))
        return;
    if (stars == 0)
        pair_add(&table->pairs, &table->n_pairs, &reader->pairs_size, foreign, host, reader->line);
    else
        pair_add(&table->wild, &table->n_wild, &reader->wild_size, foreign, host, reader->line);
}

static void
table_read(struct reader *reader)
{
    FILE *file = fopen(reader->path, "re");
    char *text = NULL;
    size_t size = 0;
    ssize_t len;
    reader->line = 1;
    if (file == NULL) {
        line_error(reader, "cannot be opened: %s", strerror(errno));
        return;
    }
    for (; (len = getline(&text, &size, file)) >= 0; reader->line++) {
        struct span line = {text, (size_t)len};
        if (reader->line == 1 && span_starts_nocase(line, SPAN("\xEF\xBB\xBF")))
            line = (struct span){text + 3, line.len - 3};
        line_take(reader, line);
        arena_reset(reader->arena);
    }
    if (ferror(file))
        line_error(reader, "cannot be read: %s", strerror(errno));
    free(text);
    fclose(file);
}

static int
bytes_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t common = a_len < b_len ? a_len : b_len;
    int order = common > 0 ? memcmp(a, b, common) : 0;
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* By key, then by line: so the first of equal keys is the first of the file. */
static int
key_compare(const void *one, const void *two)
{
    const struct key *a = one, *b = two;
    int order = bytes_compare(a->at, a->len, b->at, b->len);
    return order != 0 ? order : (a->pair->line > b->pair->line) - (a->pair->line < b->pair->line);
}

static void
keys_make(struct reader *reader, unsigned side)
{
    struct mapping_table *table = reader->table;
    struct key *keys = table->keys[side] = xcalloc(table->n_pairs, sizeof *keys);
    struct buf text = {0};
    for (size_t i = 0; i < table->n_pairs; i++) {
        struct address address = {side == 0 ? reader->type : SPAN("SMTP"), table->pairs[i].side[side]};
        BUG_UNLESS(address_key(&address, &text) == 0);
        keys[i] = (struct key){xmalloc(text.len), text.len, &table->pairs[i]};
        memcpy(keys[i].at, text.at, text.len);
    }
    buf_clear(&text);
    qsort(keys, table->n_pairs, sizeof *keys, key_compare);
    for (size_t i = 1; side == 0 && i < table->n_pairs; i++) {
        if (bytes_compare(keys[i].at, keys[i].len, keys[i - 1].at, keys[i - 1].len) == 0) {
            reader->line = keys[i].pair->line;
            line_error(reader, "this foreign address stands already in line %zu", keys[i - 1].pair->line);
        }
    }
}

struct mapping_table *
mapping_table_new(const char *path, struct span type, struct buf *errors)
{
    struct mapping_table *table = xcalloc(1, sizeof *table);
    struct reader reader = {.table = table, .type = type, .path = path, .errors = errors};
    reader.arena = arena_new(64 * 1024);
    table_read(&reader);
    keys_make(&reader, 0);
    keys_make(&reader, 1);
    arena_free(reader.arena);
    if (reader.n_errors == 0)
        return table;
    mapping_table_free(table);
    return NULL;
}

void
mapping_table_free(struct mapping_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->n_pairs; i++) {
        free(table->keys[0][i].at);
        free(table->keys[1][i].at);
    }
    /* The spans point to const bytes; the allocation itself is the table's. */
    for (size_t i = 0; i < table->n_pairs; i++)
        free((void *)(uintptr_t)table->pairs[i].side[0].at);
    for (size_t i = 0; i < table->n_wild; i++)
        free((void *)(uintptr_t)table->wild[i].side[0].at);
    free(table->keys[0]);
    free(table->keys[1]);
    free(table->pairs);
    free(table->wild);
    free(table);
}

/* The first line with this key, by bisection to its lowest index. */
static const struct pair *
pair_find(const struct mapping_table *table, unsigned side, const struct address *address)
{
    struct buf key = {0};
    const struct pair *found = NULL;
    size_t low = 0, high = table->n_pairs;
    if (high == 0 || address_key(address, &key) != 0)
        high = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct key *k = &table->keys[side][middle];
        int order = bytes_compare(k->at, k->len, key.at, key.len);
        if (order == 0)
            found = k->pair;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    buf_clear(&key);
    return found;
}

/* What the '*' of `pattern` catches in `text`; false where it does not match. */
static bool
star_catch(struct span pattern, struct span text, struct span *caught)
{
    const char *star = memchr(pattern.at, '*', pattern.len);
    size_t before = (size_t)(star - pattern.at), behind = pattern.len - before - 1;
    if (text.len <= before + behind || !span_starts_nocase(text, (struct span){pattern.at, before}) ||
        !span_equal_nocase((struct span){text.at + text.len - behind, behind}, (struct span){star + 1, behind}))
        return false;
    *caught = (struct span){text.at + before, text.len - before - behind};
    return true;
}

static int
star_fill(struct span pattern, struct span caught, struct arena *arena, struct span *text)
{
    const char *star = memchr(pattern.at, '*', pattern.len);
    size_t before = (size_t)(star - pattern.at);
    char *made = arena_alloc(arena, pattern.len + caught.len);
    if (made == NULL)
        return -ENOMEM;
    memcpy(made, pattern.at, before);
    memcpy(made + before, caught.at, caught.len);
    memcpy(made + before + caught.len, star + 1, pattern.len - before - 1);
    *text = (struct span){made, pattern.len + caught.len - 1};
    return 0;
}

int
mapping_table_find(const struct mapping_table *table, bool outwards, const struct address *address,
                   struct arena *arena, struct span *text)
{
    unsigned from = outwards ? 1 : 0;
    struct span caught;
    const struct pair *pair = pair_find(table, from, address);
    if (pair != NULL) {
        *text = pair->side[1 - from];
        return 0;
    }
    for (size_t i = 0; i < table->n_wild; i++)
        if (star_catch(table->wild[i].side[from], address->value, &caught))
            return star_fill(table->wild[i].side[1 - from], caught, arena, text);
    return -ENOENT;
}
