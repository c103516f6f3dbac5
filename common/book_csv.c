/* book_csv.c - recipients from a CSV file (see book.h; csv.h reads the records)
 *
 * What is hostile here: people's spreadsheets.
 */
#include <errno.h>

#include "common/book_internal.h"
#include "common/csv.h"

enum column { COLUMN_DISPLAY, COLUMN_PRIMARY, COLUMN_PROXIES, COLUMN_SIDE, COLUMN_COUNT };

struct people {
    const char *name;
    struct book_builder *builder;
    struct buf *errors;
    struct arena *arena;
    struct csv *csv;
    bool header_seen;
    size_t header_fields;
    size_t column[COLUMN_COUNT]; /* field numbers; CSV_FIELDS_MAX: not there */
    int wrong, err;
};

static void people_error(struct people *people, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
people_error(struct people *people, const char *format, ...)
{
    va_list args;
    people->wrong++;
    if (people->errors == NULL)
        return;
    va_start(args, format);
    buf_printf(people->errors, "%s:%zu: ", people->name, csv_line(people->csv));
    buf_vprintf(people->errors, format, args);
    buf_add_byte(people->errors, '\n');
    va_end(args);
}

static struct span
field(const struct people *people, size_t i)
{
    return span_trim(csv_field(people->csv, i));
}

/* ---- the header line ---- */

static void
header_take(struct people *people)
{
    static const char *const names[COLUMN_COUNT] = {"display", "primary", "proxies", "side"};
    people->header_seen = true;
    people->header_fields = csv_fields(people->csv);
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        people->column[c] = CSV_FIELDS_MAX;
        for (size_t i = csv_fields(people->csv); i-- > 0;)
            if (span_equal_nocase(field(people, i), span_of(names[c])))
                people->column[c] = i;
    }
    if (people->column[COLUMN_PRIMARY] == CSV_FIELDS_MAX || people->column[COLUMN_SIDE] == CSV_FIELDS_MAX) {
        people_error(people,
                     "the first line must name the columns primary and side, with commas between names");
        people->err = -EINVAL;
    }
}

/* ---- a recipient ---- */

static bool
proxy_add(struct people *people, struct book_entry *entry, struct span text)
{
    struct why why;
    struct address address;
    if (entry->n_proxies == BOOK_PROXIES_MAX) {
        people_error(people, "more than %d addresses", BOOK_PROXIES_MAX);
        return false;
    }
    if (address_parse(text, people->arena, &address, &why) != 0) {
        people_error(people, "proxy \"%.*s\": %s (an address with blanks needs | between proxies)",
                     (int)text.len, text.at, why.text);
        return false;
    }
    bool primary = book_marks_primary(text) && !book_entry_has_primary(entry, address.type);
    entry->proxies[entry->n_proxies++] = (struct book_proxy){address, primary};
    return true;
}

static bool
proxies_take(struct people *people, struct book_entry *entry)
{
    struct span text = field(people, people->column[COLUMN_PROXIES]);
    bool bars = text.len > 0 && memchr(text.at, '|', text.len) != NULL;
    for (size_t i = 0, start = 0; i <= text.len; i++) {
        char c = i < text.len ? text.at[i] : '|';
        if (c != '|' && (bars || (c != ' ' && c != '\t' && c != '\n' && c != '\r')))
            continue;
        struct span one = i > start ? span_trim((struct span){text.at + start, i - start}) : SPAN("");
        start = i + 1;
        if (one.len > 0 && !proxy_add(people, entry, one))
            return false;
    }
    return true;
}

static void
recipient_take(struct people *people)
{
    struct why why;
    struct book_entry entry = {.side = field(people, people->column[COLUMN_SIDE])};
    if (span_equal_nocase(entry.side, SPAN("host")))
        entry.side = SPAN("host");
    struct span primary = field(people, people->column[COLUMN_PRIMARY]);
    entry.display = book_display(people->arena, field(people, people->column[COLUMN_DISPLAY]));
    entry.proxies = arena_alloc(people->arena, BOOK_PROXIES_MAX * sizeof *entry.proxies);
    BUG_UNLESS(entry.proxies != NULL);
    if (csv_fields(people->csv) > people->header_fields) {
        people_error(people, "%zu fields, the first line has %zu (a comma within a field needs quotes)",
                     csv_fields(people->csv), people->header_fields);
        return;
    }
    if (address_parse(primary, people->arena, &entry.primary, &why) != 0) {
        people_error(people, "primary \"%.*s\": %s", (int)primary.len, primary.at, why.text);
        return;
    }
    if (!proxies_take(people, &entry))
        return;
    if (!book_entry_add_primary(&entry)) {
        people_error(people, "more than %d addresses", BOOK_PROXIES_MAX);
        return;
    }
    int err = book_builder_add(people->builder, &entry, &why);
    if (err == 0)
        return;
    people_error(people, "%s", why.text);
    if (err != -EEXIST && err != -EINVAL && err != -EFBIG)
        people->err = err;
}

/* ---- the file ---- */

static void
people_read(struct people *people)
{
    struct why why;
    int n;
    while (people->err == 0 && (n = csv_next(people->csv, &why)) != 0) {
        if (n == 1 && people->header_seen)
            recipient_take(people);
        else if (n == 1)
            header_take(people);
        else if (n == -EINVAL)
            people_error(people, "%s", why.text);
        else
            people->err = n;
        if (!people->header_seen && people->err == 0)
            people->err = -EINVAL; /* without the names of the columns nothing can be read */
        arena_reset(people->arena);
    }
}

int
book_read_csv(int fd, const char *name, struct book_builder *builder, struct buf *errors)
{
    struct people people = {.name = name, .builder = builder, .errors = errors, .csv = csv_new(fd)};
    people.arena = arena_new(CSV_RECORD_BYTES_MAX * 4);
    people_read(&people);
    if (people.err == 0 && !people.header_seen)
        people_error(&people, "no header line");
    if (people.err == 0 && people.header_seen && !csv_ended(people.csv))
        people_error(&people, "the last line has no line break: the file may have been cut");
    arena_free(people.arena);
    csv_free(people.csv);
    /* A first line that cannot be used is an error of the file's text, and told as one. */
    return people.err != 0 && people.err != -EINVAL ? people.err : people.wrong;
}
