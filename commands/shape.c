/* shape.c - the shape of the queues at a glance: ages across, one row for each domain, sender, connector,
 * reason or folder
 *
 * After Postfix's qshape: columns count messages (for domains: recipients) younger than 5, 10, 20 ... minutes.
 * Rows are kept in a table that is bounded, so that a queue of hostile domains cannot fill memory: what comes
 * after ROWS_MAX names counts as "(others)".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "commands/listing.h"
#include "commands/spool_walk.h"

enum { BUCKETS_MAX = 20, ROWS_MAX = 200000, THREADS_MAX = 8 };

struct shape_row {
    char *name;
    uint64_t total, bucket[BUCKETS_MAX + 1];
};

struct shape {
    size_t field; /* of message_fields; counted by its values */
    bool domain_of_sender;
    bool folds; /* names differ in case only by accident */
    int n_buckets;
    int64_t first_minutes;
    struct shape_row *rows;
    size_t n_rows, size_rows;
    size_t *slots; /* open addressing: row + 1, 0 for free */
    size_t n_slots;
    uint64_t seed;
    struct shape_row all;
    struct buf name; /* of the row in question */
};

/* Seeded, so that nobody outside can choose domains that collide. */
static uint64_t
hash(uint64_t seed, struct span name)
{
    uint64_t h = seed;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.at[i]) * UINT64_C(0x9E3779B97F4A7C15);
        h ^= h >> 29;
    }
    return h;
}

static void
rehash(struct shape *shape)
{
    free(shape->slots);
    shape->n_slots = shape->n_slots > 0 ? shape->n_slots * 2 : 1024;
    shape->slots = xcalloc(shape->n_slots, sizeof *shape->slots);
    for (size_t i = 0; i < shape->n_rows; i++) {
        size_t at = hash(shape->seed, span_of(shape->rows[i].name)) & (shape->n_slots - 1);
        while (shape->slots[at] != 0)
            at = (at + 1) & (shape->n_slots - 1);
        shape->slots[at] = i + 1;
    }
}

static struct shape_row *
find_row(struct shape *shape, struct span name)
{
    if (shape->n_rows * 2 >= shape->n_slots)
        rehash(shape);
    size_t at = hash(shape->seed, name) & (shape->n_slots - 1);
    for (; shape->slots[at] != 0; at = (at + 1) & (shape->n_slots - 1))
        if (span_equal(span_of(shape->rows[shape->slots[at] - 1].name), name))
            return &shape->rows[shape->slots[at] - 1];
    if (shape->n_rows >= ROWS_MAX && !span_equal(name, SPAN("(others)")))
        return find_row(shape, SPAN("(others)"));
    if (shape->n_rows == shape->size_rows) {
        shape->size_rows = shape->size_rows > 0 ? shape->size_rows * 2 : 256;
        shape->rows = xrealloc(shape->rows, shape->size_rows * sizeof *shape->rows);
    }
    struct shape_row *row = &shape->rows[shape->n_rows++];
    *row = (struct shape_row){.name = xasprintf("%.*s", (int)name.len, name.at)};
    shape->slots[at] = shape->n_rows;
    return row;
}

static int
bucket_of(const struct shape *shape, int64_t age_s)
{
    int64_t limit = shape->first_minutes * 60;
    int bucket = 0;
    while (bucket < shape->n_buckets && age_s > limit) {
        limit *= 2;
        bucket++;
    }
    return bucket;
}

/* Domains count as one whatever their case; a name holds no byte that a table could not show. */
static struct span
row_name(const struct shape *shape, struct buf *name, struct span value)
{
    buf_reset(name);
    text_add_clean(name, value.len > 0 ? value : SPAN("(none)"));
    for (size_t i = 0; shape->folds && i < name->len; i++)
        if (name->at[i] >= 'A' && name->at[i] <= 'Z')
            name->at[i] = (char)(name->at[i] + 32);
    return buf_span(name);
}

static struct span
domain_of(struct span address)
{
    const char *at = address.len > 0 ? memrchr(address.at, '@', address.len) : NULL;
    return at == NULL ? address : (struct span){at + 1, (size_t)(address.at + address.len - at - 1)};
}

static bool
count_message(struct message *message, void *arg)
{
    struct shape *shape = arg;
    struct field_value value = {0};
    int bucket = bucket_of(shape, message_age_s(message));
    for (size_t i = 0; message_get(message, shape->field, i, &value); i++) {
        struct span text = value.unknown ? SPAN("") : value.text;
        if (shape->domain_of_sender)
            text = domain_of(text);
        struct shape_row *row = find_row(shape, row_name(shape, &shape->name, text));
        row->total++;
        row->bucket[bucket]++;
        shape->all.total++;
        shape->all.bucket[bucket]++;
    }
    return true;
}

static void
shape_clear(struct shape *shape)
{
    for (size_t i = 0; i < shape->n_rows; i++)
        free(shape->rows[i].name);
    free(shape->rows);
    free(shape->slots);
    free(shape->all.name);
    buf_clear(&shape->name);
}

static void
add_row(struct shape *shape, const struct shape_row *more)
{
    struct shape_row *row = find_row(shape, span_of(more->name));
    row->total += more->total;
    shape->all.total += more->total;
    for (size_t i = 0; i <= BUCKETS_MAX; i++) {
        row->bucket[i] += more->bucket[i];
        shape->all.bucket[i] += more->bucket[i];
    }
}

/* Counts with a thread for each processor, and adds up in the first shape. */
static size_t
count_all(struct shape *shape, const struct spool_map *map, const struct filter *filter)
{
    struct shape shapes[THREADS_MAX];
    void *args[THREADS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : (size_t)processors;
    for (size_t i = 0; i < n; i++) {
        shapes[i] = *shape;
        args[i] = i == 0 ? shape : &shapes[i];
    }
    size_t matched =
        spool_walk_team(map, FOLDER_COUNT, filter, message_fields[shape->field].cost, count_message, args, n);
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; k < shapes[i].n_rows; k++)
            add_row(shape, &shapes[i].rows[k]);
        shape_clear(&shapes[i]);
    }
    return matched;
}

/* ---- printing ---- */

static int
row_compare(const void *a, const void *b)
{
    const struct shape_row *x = a, *y = b;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void
print_head(const struct shape *shape, int width)
{
    int64_t minutes = shape->first_minutes;
    printf("%s%*s %6s", colour_on(COLOUR_BOLD), width, "", "T");
    for (int i = 0; i < shape->n_buckets; i++, minutes *= 2)
        printf(" %5" PRId64, minutes);
    printf(" %4" PRId64 "+%s\n", minutes / 2, colour_on(COLOUR_NONE));
}

enum { NAME_WIDTH_MAX = 60 };

/* The columns that a name takes, which is UTF-8, and the bytes of the first `max` of them. */
static int
name_width(const char *name, int max, int *bytes)
{
    int columns = 0;
    for (*bytes = 0; name[*bytes] != '\0'; ++*bytes) {
        bool begins = ((unsigned char)name[*bytes] & 0xC0) != 0x80;
        if (begins && columns == max)
            break;
        columns += begins;
    }
    return columns;
}

/* A name that is wider than the column ends in dots: the numbers stay below their heads. */
static void
print_name(const char *name, int width)
{
    int bytes, columns = name_width(name, width, &bytes);
    bool cut = name[bytes] != '\0';
    if (cut)
        columns = name_width(name, width - 3, &bytes) + 3;
    printf("%*s%.*s%s", width - columns, "", bytes, name, cut ? "..." : "");
}

static void
print_row(const struct shape *shape, int width, const struct shape_row *row)
{
    print_name(row->name, width);
    printf(" %6" PRIu64, row->total);
    for (int i = 0; i <= shape->n_buckets; i++)
        printf(" %5" PRIu64, row->bucket[i]);
    putchar('\n');
}

static void
print_row_json(const struct shape *shape, const struct shape_row *row)
{
    struct buf out = {0};
    struct json json;
    int64_t minutes = shape->first_minutes;
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "name", row->name);
    json_add_number(&json, "total", (int64_t)row->total);
    json_begin_array(&json, "buckets");
    for (int i = 0; i <= shape->n_buckets; i++, minutes *= 2) {
        json_begin_object(&json, NULL);
        if (i < shape->n_buckets)
            json_add_number(&json, "minutes", minutes);
        else
            json_add_null(&json, "minutes");
        json_add_number(&json, "count", (int64_t)row->bucket[i]);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    puts(out.at);
    buf_clear(&out);
}

/* ---- the same as a listing, where columns or an order are asked for ---- */

struct shape_item {
    const struct shape *shape;
    const struct shape_row *row;
};

enum { SHAPE_NAME, SHAPE_TOTAL, SHAPE_BUCKETS };

/* The columns are called as in the table's head: 5, 10 ... 1280, 1280+. */
static const struct field *
shape_fields(const struct shape *shape, size_t *n)
{
    static struct field fields[SHAPE_BUCKETS + BUCKETS_MAX + 1];
    static char names[BUCKETS_MAX + 1][32];
    int64_t minutes = shape->first_minutes;
    fields[SHAPE_NAME] = (struct field){"name", FIELD_TEXT, COST_NAME, 24, "what is counted", false};
    fields[SHAPE_TOTAL] = (struct field){"total", FIELD_NUMBER, COST_NAME, 6, "of all ages", false};
    for (int i = 0; i <= shape->n_buckets; i++, minutes *= 2) {
        snprintf(names[i], sizeof names[i], i < shape->n_buckets ? "%" PRId64 : "%" PRId64 "+",
                 i < shape->n_buckets ? minutes : minutes / 2);
        fields[SHAPE_BUCKETS + i] =
            (struct field){names[i], FIELD_NUMBER, COST_NAME, 5, "up to so many minutes", false};
    }
    *n = (size_t)SHAPE_BUCKETS + (size_t)shape->n_buckets + 1;
    return fields;
}

static bool
shape_get(const void *arg, size_t field, size_t i, struct field_value *value)
{
    const struct shape_item *item = arg;
    *value = (struct field_value){0};
    if (i > 0)
        return false;
    if (field == SHAPE_NAME)
        return field_text(value, span_of(item->row->name));
    return field_number(
        value, true,
        (int64_t)(field == SHAPE_TOTAL ? item->row->total : item->row->bucket[field - SHAPE_BUCKETS]));
}

static bool
shape_is_listed(const struct command *command)
{
    return command_has(command, OPTION_COLUMNS) || command_has(command, OPTION_SORT);
}

static int
shape_listing(const struct command *command, const struct shape *shape, struct listing *listing)
{
    size_t n;
    const struct field *fields = shape_fields(shape, &n);
    struct buf all = {0};
    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%s%s", i > 0 ? "," : "", fields[i].name);
    int r = listing_init(listing, command, fields, n, all.at, shape_get);
    buf_clear(&all);
    return r;
}

static void
sort_rows(struct shape *shape)
{
    if (shape->n_rows > 1)
        qsort(shape->rows, shape->n_rows, sizeof *shape->rows, row_compare);
}

static void
list_shape(struct shape *shape, struct listing *listing)
{
    sort_rows(shape);
    for (size_t i = 0; i < shape->n_rows; i++)
        if (!listing_add(listing, &(struct shape_item){shape, &shape->rows[i]}))
            break;
    listing_end(listing);
}

static void
print_shape(struct shape *shape, bool json, size_t limit)
{
    int width = 24;
    shape->all.name = xstrdup("TOTAL");
    sort_rows(shape);
    for (size_t i = 0; i < shape->n_rows && i < limit; i++) {
        int bytes, columns = name_width(shape->rows[i].name, NAME_WIDTH_MAX, &bytes);
        width = columns > width ? columns : width;
    }
    if (!json)
        print_head(shape, width);
    if (json)
        print_row_json(shape, &shape->all);
    else
        print_row(shape, width, &shape->all);
    for (size_t i = 0; i < shape->n_rows && i < limit; i++) {
        if (json)
            print_row_json(shape, &shape->rows[i]);
        else
            print_row(shape, width, &shape->rows[i]);
    }
}

/* ---- the command ---- */

static int
shape_run(struct command *command, struct shape *shape, const char *by)
{
    struct filter filter;
    struct spool_map map;
    struct listing listing;
    size_t limit;
    shape->field = field_find(message_fields, message_field_count, span_of(by));
    shape->folds = strcmp(by, "domain") == 0 || strcmp(by, "sender") == 0;
    if (getrandom(&shape->seed, sizeof shape->seed, 0) != (ssize_t)sizeof shape->seed)
        shape->seed = (uint64_t)time_ms();
    int r = message_filter(command, 0, &filter);
    if (r == 0 && !command_limit(command, &limit))
        r = EXIT_USAGE;
    if (r == 0)
        r = shape_listing(command, shape, &listing);
    if (r == 0)
        r = spool_map_open(&map, command);
    if (r != 0)
        return r;
    size_t matched = count_all(shape, &map, &filter);
    if (shape_is_listed(command))
        list_shape(shape, &listing);
    else
        print_shape(shape, command_has(command, OPTION_JSON), limit);
    shape_clear(shape);
    spool_map_close(&map);
    return matched > 0 ? EXIT_DONE : EXIT_NOTHING;
}

int
queue_shape(struct command *command)
{
    static const char *const known[] = {"domain", "sender", "connector", "reason", "folder"};
    struct shape shape = {.n_buckets = 9, .first_minutes = 5};
    const char *by = command_has(command, OPTION_BY) ? command->values[OPTION_BY] : "domain";
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(by, known[i]) == 0)
            return shape_run(command, &shape, by);
    return command_usage(command, "--by wants domain, sender, connector, reason or folder, not \"%s\"", by);
}

/* qshape's options: -s by sender's domain, -b buckets, -t minutes of the first. */
static int
qshape_option(struct shape *shape, const char **by, int argc, char **argv, int *at)
{
    uint64_t n;
    char letter = argv[*at][1];
    if (letter == 's') {
        *by = "sender";
        shape->domain_of_sender = true;
        return 0;
    }
    if (letter == 'l' || letter == 'p') /* its layouts: ours is wide as needed */
        return 0;
    if ((letter != 'b' && letter != 't') || *at + 1 >= argc ||
        !span_to_u64(span_of(argv[*at + 1]), letter == 'b' ? BUCKETS_MAX : 10000, &n) || n == 0)
        return command_fail(EXIT_USAGE,
                            "usage: viaduct-qshape [-s] [-b BUCKETS] [-t MINUTES] [FOLDER|FILTER...]");
    ++*at;
    if (letter == 'b')
        shape->n_buckets = (int)n;
    else
        shape->first_minutes = (int64_t)n;
    return 0;
}

/* An operand is the name of a folder, Postfix's or ours, or a filter, allocated. */
static char *
qshape_operand(const char *name)
{
    static const struct {
        const char *theirs;
        enum folder ours;
    } names[] = {{"incoming", FOLDER_MTS_IN},
                 {"active", FOLDER_MTS_OUT},
                 {"deferred", FOLDER_DEFERRED},
                 {"hold", FOLDER_HOLD}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i].theirs) == 0)
            return xasprintf("folder=%s", folder_name(names[i].ours));
    bool filter = strpbrk(name, "=<>~") != NULL || strcmp(name, "all") == 0;
    return filter ? xstrdup(name) : xasprintf("folder=%s", name);
}

int
qshape_main(struct command *command, int argc, char **argv)
{
    struct shape shape = {.n_buckets = 9, .first_minutes = 5};
    const char *by = "domain";
    int r = 0;
    for (int i = 1; i < argc && r == 0; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            command->values[OPTION_CONFIG] = argv[++i];
        else if (argv[i][0] == '-')
            r = qshape_option(&shape, &by, argc, argv, &i);
        else
            command->operands[command->n_operands++] = qshape_operand(argv[i]);
    }
    if (r == 0)
        r = command_prepare(command, "shape");
    if (r == 0)
        r = shape_run(command, &shape, by);
    while (command->n_operands > 0)
        free(command->operands[--command->n_operands]);
    return r;
}
