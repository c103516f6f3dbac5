/* listing.c - tables and JSON lines (see listing.h) */
#include "commands/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/shown.h"
#include "conf/conf_schema.h"

struct listing_row {
    char *line;
    char *key_text; /* NULL: number */
    int64_t key;
    size_t at; /* as they came: the order of equals */
};

static int
unknown_column(const struct listing *listing, const struct command *command, struct span name)
{
    struct conf_nearest near = {0};
    for (size_t i = 0; i < listing->n_fields; i++)
        conf_nearest_offer(&near, name, listing->fields[i].name);
    if (near.name != NULL)
        return command_usage(command, "there is no column \"%.*s\"; did you mean \"%s\"?", (int)name.len,
                             name.at, near.name);
    struct buf names = {0};
    for (size_t i = 0; i < listing->n_fields; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", listing->fields[i].name);
    int r =
        command_usage(command, "there is no column \"%.*s\"; there are %s", (int)name.len, name.at, names.at);
    buf_clear(&names);
    return r;
}

static int
choose_columns(struct listing *listing, const struct command *command, const char *names)
{
    for (const char *p = names; *p != '\0';) {
        struct span name = {p, strcspn(p, ",")};
        p += name.len + (p[name.len] == ',');
        name = span_trim(name);
        size_t field = field_find(listing->fields, listing->n_fields, name);
        if (field == listing->n_fields)
            return unknown_column(listing, command, name);
        if (listing->n_columns == LISTING_COLUMNS_MAX)
            return command_usage(command, "more than %d columns", LISTING_COLUMNS_MAX);
        listing->columns[listing->n_columns++] = field;
    }
    return listing->n_columns > 0 ? 0 : command_usage(command, "--columns names none");
}

int
listing_init(struct listing *listing, const struct command *command, const struct field *fields,
             size_t n_fields, const char *standard, field_get *get)
{
    *listing = (struct listing){.fields = fields, .n_fields = n_fields, .get = get, .sort = n_fields};
    listing->json = command_has(command, OPTION_JSON);
    if (!command_limit(command, &listing->limit))
        return EXIT_USAGE;
    const char *sort = command->values[OPTION_SORT];
    if (sort != NULL) {
        listing->backwards = sort[0] == '-';
        struct span name = span_of(sort + listing->backwards);
        listing->sort = field_find(fields, n_fields, name);
        if (listing->sort == n_fields)
            return unknown_column(listing, command, name);
    }
    if (command_has(command, OPTION_COLUMNS))
        return choose_columns(listing, command, command->values[OPTION_COLUMNS]);
    if (!listing->json)
        return choose_columns(listing, command, standard);
    for (size_t i = 0; i < n_fields && i < LISTING_COLUMNS_MAX; i++)
        listing->columns[listing->n_columns++] = i;
    return 0;
}

bool
listing_wanted(const struct command *command)
{
    return command_has(command, OPTION_JSON) || command_has(command, OPTION_COLUMNS) ||
           command_has(command, OPTION_SORT) || command_has(command, OPTION_LIMIT);
}

enum field_cost
listing_cost(const struct listing *listing)
{
    enum field_cost cost = listing->sort < listing->n_fields ? listing->fields[listing->sort].cost : COST_NAME;
    for (size_t i = 0; i < listing->n_columns; i++)
        if (listing->fields[listing->columns[i]].cost > cost)
            cost = listing->fields[listing->columns[i]].cost;
    return cost;
}

/* ---- one row ---- */

void
text_add_clean(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = shown_sequence(text.at + i, text.len - i);
        if (len > 0)
            buf_add(out, text.at + i, len);
        else
            buf_add_byte(out, '?');
        i += len > 0 ? len : 1;
    }
}

static void
add_json_value(struct json *json, const char *key, const struct field *field, const struct field_value *value)
{
    switch (field->kind) {
    case FIELD_NUMBER:
    case FIELD_DURATION:
    case FIELD_BYTES:
        json_add_number(json, key, value->number);
        break;
    case FIELD_TENTHS:
        json_add_fraction(json, key, (double)value->number / 10);
        break;
    case FIELD_TIME:
        json_add_time(json, key, value->number * 1000);
        break;
    case FIELD_MOMENT:
        json_add_time(json, key, value->number);
        break;
    case FIELD_TEXT:
    case FIELD_CODE:
        json_add_span(json, key, value->text);
        break;
    }
}

/* Values of one field: one as it is, several as an array. */
static void
add_json_field(const struct listing *listing, size_t field, const void *item, struct json *json)
{
    struct field_value value = {0};
    const struct field *row = &listing->fields[field];
    if (!listing->get(item, field, 0, &value) || value.unknown)
        return;
    if (!row->several) {
        add_json_value(json, row->name, row, &value);
        return;
    }
    json_begin_array(json, row->name);
    for (size_t i = 0; listing->get(item, field, i, &value); i++)
        add_json_value(json, NULL, row, &value);
    json_end_array(json);
}

static void
add_text_value(struct buf *out, const struct field *field, const struct field_value *value)
{
    char text[40] = "-";
    if (!value->unknown && (field->kind == FIELD_TEXT || field->kind == FIELD_CODE)) {
        text_add_clean(out, value->text.len > 0 ? value->text : SPAN("-"));
        return;
    }
    if (value->unknown)
        ;
    else if (field->kind == FIELD_TENTHS)
        snprintf(text, sizeof text, "%.1f", (double)value->number / 10);
    else if (field->kind == FIELD_DURATION)
        print_age(value->number, text);
    else if (field->kind == FIELD_BYTES)
        print_bytes((uint64_t)value->number, text);
    else if (field->kind == FIELD_TIME)
        print_time(value->number, text);
    else if (field->kind == FIELD_MOMENT)
        print_time_ms(value->number, text);
    else
        snprintf(text, sizeof text, "%" PRId64, value->number);
    buf_add_text(out, text);
}

enum { VALUES_SHOWN = 3 }; /* of a field with many, in a table */

static void
add_text_field(const struct listing *listing, size_t field, const void *item, struct buf *out)
{
    struct field_value value = {.unknown = true};
    const struct field *row = &listing->fields[field];
    if (!listing->get(item, field, 0, &value))
        value.unknown = true;
    add_text_value(out, row, &value);
    size_t n = 1;
    for (; n < VALUES_SHOWN && listing->get(item, field, n, &value); n++) {
        buf_add_byte(out, ',');
        add_text_value(out, row, &value);
    }
    if (n == VALUES_SHOWN && listing->get(item, field, n, &value))
        buf_add_text(out, ",...");
}

static size_t
columns_wide(struct span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.at[i] & 0xC0) != 0x80;
    return n;
}

static bool
is_right(enum field_kind kind)
{
    return kind == FIELD_NUMBER || kind == FIELD_TENTHS || kind == FIELD_DURATION || kind == FIELD_BYTES;
}

static void
add_cell(struct buf *out, const struct field *field, struct span text, bool last)
{
    size_t wide = columns_wide(text), width = (size_t)field->width;
    size_t fill = wide < width ? width - wide : 0;
    if (is_right(field->kind))
        buf_printf(out, "%*s", (int)fill, "");
    buf_add_span(out, text);
    if (!last)
        buf_printf(out, "%*s  ", is_right(field->kind) ? 0 : (int)fill, "");
}

static void
add_row(const struct listing *listing, const void *item, struct buf *out)
{
    if (listing->json) {
        struct json json;
        json_start(&json, out);
        json_begin_object(&json, NULL);
        for (size_t i = 0; i < listing->n_columns; i++)
            add_json_field(listing, listing->columns[i], item, &json);
        json_end_object(&json);
        return;
    }
    struct buf cell = {0};
    for (size_t i = 0; i < listing->n_columns; i++) {
        buf_reset(&cell);
        add_text_field(listing, listing->columns[i], item, &cell);
        add_cell(out, &listing->fields[listing->columns[i]], buf_span(&cell), i + 1 == listing->n_columns);
    }
    buf_clear(&cell);
}

static void
print_head(struct listing *listing)
{
    struct buf head = {0};
    if (listing->headed || listing->json)
        return;
    listing->headed = true;
    for (size_t i = 0; i < listing->n_columns; i++) {
        const struct field *field = &listing->fields[listing->columns[i]];
        add_cell(&head, field, span_of(field->name), i + 1 == listing->n_columns);
    }
    printf("%s%s%s\n", colour_on(COLOUR_BOLD), head.at, colour_on(COLOUR_NONE));
    buf_clear(&head);
}

static void
print_line(struct listing *listing, const char *line)
{
    print_head(listing);
    puts(line);
    listing->shown++;
}

/* ---- sorting ---- */

static void
keep_row(struct listing *listing, const void *item, char *line)
{
    struct field_value value = {0};
    const struct field *field = &listing->fields[listing->sort];
    if (listing->n_rows == listing->size_rows) {
        listing->size_rows = listing->size_rows > 0 ? listing->size_rows * 2 : 256;
        listing->rows = xrealloc(listing->rows, listing->size_rows * sizeof *listing->rows);
    }
    struct listing_row *row = &listing->rows[listing->n_rows++];
    *row = (struct listing_row){.line = line, .at = listing->n_rows - 1};
    if (!listing->get(item, listing->sort, 0, &value) || value.unknown)
        value = (struct field_value){.number = INT64_MIN};
    row->key = value.number;
    if (field->kind == FIELD_TEXT || field->kind == FIELD_CODE)
        row->key_text = xasprintf("%.*s", (int)value.text.len, value.text.len > 0 ? value.text.at : "");
}

static int
row_compare(const void *a, const void *b)
{
    const struct listing_row *x = a, *y = b;
    int order = x->key_text != NULL ? strcmp(x->key_text, y->key_text) : (x->key > y->key) - (x->key < y->key);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

bool
listing_add(struct listing *listing, const void *item)
{
    bool sorts = listing->sort < listing->n_fields;
    if (!sorts && listing->shown >= listing->limit)
        return false;
    struct buf line = {0};
    add_row(listing, item, &line);
    if (sorts) {
        keep_row(listing, item, line.at);
        return true;
    }
    print_line(listing, line.at);
    buf_clear(&line);
    return listing->shown < listing->limit;
}

void
listing_end(struct listing *listing)
{
    if (listing->n_rows > 0)
        qsort(listing->rows, listing->n_rows, sizeof *listing->rows, row_compare);
    for (size_t i = 0; i < listing->n_rows; i++) {
        struct listing_row *row = &listing->rows[listing->backwards ? listing->n_rows - 1 - i : i];
        if (listing->shown < listing->limit)
            print_line(listing, row->line);
        free(row->line);
        free(row->key_text);
    }
    free(listing->rows);
    listing->rows = NULL;
    listing->n_rows = 0;
}
