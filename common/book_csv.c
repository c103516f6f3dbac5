/* book_csv.c - recipients from a CSV file (see book.h)
 *
 * The file is read in blocks by a machine with five states, so its size does not matter; a record is held in
 * memory up to a limit, and passed over beyond it.
 *
 *     START --other--> PLAIN --comma--> START         a line break ends the record, but for QUOTED
 *     START --quote--> QUOTED --quote--> CLOSED --quote--> QUOTED (a doubled quote)
 *                                        CLOSED --comma--> START
 *                                        CLOSED --blank--> BEHIND --comma--> START; other text there is an
 * error
 *
 * What is hostile here: people's spreadsheets. A quote within a plain field is a quote; a quote that is never
 * closed swallows the rest of the file as one record, whose first line is named.
 *
 * Source: RFC 4180.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/book_internal.h"
#include "common/utf8.h"

enum { BLOCK_BYTES = 64 * 1024, RECORD_BYTES_MAX = 1024 * 1024, FIELDS_MAX = 200 };

enum csv_state { CSV_START, CSV_PLAIN, CSV_QUOTED, CSV_CLOSED, CSV_BEHIND };

enum column { COLUMN_DISPLAY, COLUMN_PRIMARY, COLUMN_PROXIES, COLUMN_SIDE, COLUMN_COUNT };

struct csv {
    const char *name;
    struct book_builder *builder;
    struct buf *errors;
    struct arena *arena;
    enum csv_state state;
    struct buf record; /* the fields' bytes, one behind the other */
    size_t field_end[FIELDS_MAX];
    size_t fields;
    bool too_long, too_many, text_behind_quote, any;
    size_t line, record_line;
    bool header_seen;
    size_t header_fields;
    size_t column[COLUMN_COUNT]; /* field numbers; FIELDS_MAX: not there */
    int wrong, err;
};

static void csv_error(struct csv *csv, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
csv_error(struct csv *csv, const char *format, ...)
{
    va_list args;
    csv->wrong++;
    if (csv->errors == NULL)
        return;
    va_start(args, format);
    buf_printf(csv->errors, "%s:%zu: ", csv->name, csv->record_line);
    buf_vprintf(csv->errors, format, args);
    buf_add_byte(csv->errors, '\n');
    va_end(args);
}

static struct span
field(const struct csv *csv, size_t i)
{
    size_t start = i > 0 ? csv->field_end[i - 1] : 0;
    if (i >= csv->fields)
        return (struct span){NULL, 0};
    return span_trim((struct span){csv->record.at + start, csv->field_end[i] - start});
}

/* ---- the header line ---- */

static void
header_take(struct csv *csv)
{
    static const char *const names[COLUMN_COUNT] = {"display", "primary", "proxies", "side"};
    csv->header_seen = true;
    csv->header_fields = csv->fields;
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        csv->column[c] = FIELDS_MAX;
        for (size_t i = csv->fields; i-- > 0;)
            if (span_equal_nocase(field(csv, i), span_of(names[c])))
                csv->column[c] = i;
    }
    if (csv->column[COLUMN_PRIMARY] == FIELDS_MAX || csv->column[COLUMN_SIDE] == FIELDS_MAX) {
        csv_error(csv, "the first line must name the columns primary and side, with commas between names");
        csv->err = -EINVAL;
    }
}

/* ---- a recipient ---- */

/* Upper case says: primary of its type. */
static bool
is_marked(struct span text)
{
    for (size_t i = 0; i < text.len && text.at[i] != ':'; i++)
        if (text.at[i] >= 'a' && text.at[i] <= 'z')
            return false;
    return memchr(text.at, ':', text.len) != NULL;
}

static bool
has_primary(const struct book_entry *entry, struct span type)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (entry->proxies[i].primary && span_equal(entry->proxies[i].address.type, type))
            return true;
    return false;
}

static bool
proxy_add(struct csv *csv, struct book_entry *entry, struct span text)
{
    struct why why;
    struct address address;
    if (entry->n_proxies == BOOK_PROXIES_MAX) {
        csv_error(csv, "more than %d addresses", BOOK_PROXIES_MAX);
        return false;
    }
    if (address_parse(text, csv->arena, &address, &why) != 0) {
        csv_error(csv, "proxy \"%.*s\": %s (an address with blanks needs | between proxies)", (int)text.len,
                  text.at, why.text);
        return false;
    }
    bool primary = is_marked(text) && !has_primary(entry, address.type);
    entry->proxies[entry->n_proxies++] = (struct book_proxy){address, primary};
    return true;
}

static bool
proxies_take(struct csv *csv, struct book_entry *entry)
{
    struct span text = field(csv, csv->column[COLUMN_PROXIES]);
    bool bars = text.len > 0 && memchr(text.at, '|', text.len) != NULL;
    for (size_t i = 0, start = 0; i <= text.len; i++) {
        char c = i < text.len ? text.at[i] : '|';
        if (c != '|' && (bars || (c != ' ' && c != '\t' && c != '\n' && c != '\r')))
            continue;
        struct span one = i > start ? span_trim((struct span){text.at + start, i - start}) : SPAN("");
        start = i + 1;
        if (one.len > 0 && !proxy_add(csv, entry, one))
            return false;
    }
    return true;
}

/* The primary is among the proxies, and the primary of its type where nobody else is or the host's own world
 * asks. */
static bool
primary_take(struct csv *csv, struct book_entry *entry)
{
    size_t own = 0;
    while (own < entry->n_proxies && !address_equal(&entry->proxies[own].address, &entry->primary))
        own++;
    if (own == BOOK_PROXIES_MAX) {
        csv_error(csv, "more than %d addresses", BOOK_PROXIES_MAX);
        return false;
    }
    if (own == entry->n_proxies)
        entry->proxies[entry->n_proxies++] = (struct book_proxy){entry->primary, false};
    bool host = span_equal(entry->side, SPAN("host"));
    for (size_t i = 0; host && i < entry->n_proxies; i++)
        if (span_equal(entry->proxies[i].address.type, entry->primary.type))
            entry->proxies[i].primary = false;
    if (!has_primary(entry, entry->primary.type))
        entry->proxies[own].primary = true;
    return true;
}

/* Line breaks within a quoted name are blanks. */
static struct span
display_take(struct csv *csv)
{
    struct span text = field(csv, csv->column[COLUMN_DISPLAY]);
    char *copy = arena_copy(csv->arena, text);
    for (size_t i = 0; copy != NULL && i < text.len; i++)
        if (copy[i] == '\n' || copy[i] == '\r' || copy[i] == '\t')
            copy[i] = ' ';
    return (struct span){copy, copy != NULL ? text.len : 0};
}

static void
recipient_take(struct csv *csv)
{
    struct why why;
    struct book_entry entry = {.side = field(csv, csv->column[COLUMN_SIDE])};
    if (span_equal_nocase(entry.side, SPAN("host")))
        entry.side = SPAN("host");
    struct span primary = field(csv, csv->column[COLUMN_PRIMARY]);
    entry.display = display_take(csv);
    entry.proxies = arena_alloc(csv->arena, BOOK_PROXIES_MAX * sizeof *entry.proxies);
    BUG_UNLESS(entry.proxies != NULL);
    if (csv->fields > csv->header_fields) {
        csv_error(csv, "%zu fields, the first line has %zu (a comma within a field needs quotes)", csv->fields,
                  csv->header_fields);
        return;
    }
    if (address_parse(primary, csv->arena, &entry.primary, &why) != 0) {
        csv_error(csv, "primary \"%.*s\": %s", (int)primary.len, primary.at, why.text);
        return;
    }
    if (!proxies_take(csv, &entry) || !primary_take(csv, &entry))
        return;
    int err = book_builder_add(csv->builder, &entry, &why);
    if (err == 0)
        return;
    csv_error(csv, "%s", why.text);
    if (err != -EEXIST && err != -EINVAL && err != -EFBIG)
        csv->err = err;
}

/* ---- records ---- */

static void
record_begin(struct csv *csv)
{
    buf_reset(&csv->record);
    csv->fields = 0;
    csv->state = CSV_START;
    csv->too_long = csv->too_many = csv->text_behind_quote = csv->any = false;
    csv->record_line = csv->line;
}

static void
field_end(struct csv *csv)
{
    if (csv->fields < FIELDS_MAX)
        csv->field_end[csv->fields++] = csv->record.len;
    else
        csv->too_many = true;
    csv->state = CSV_START;
}

static bool
record_is_text(const struct csv *csv)
{
    struct span bytes = buf_span(&csv->record);
    return utf8_valid(bytes) && memchr(bytes.at, '\0', bytes.len) == NULL;
}

static void
record_take(struct csv *csv, bool unclosed)
{
    if (unclosed)
        csv_error(csv, "a quote is not closed");
    else if (csv->too_long || csv->too_many)
        csv_error(csv, "more than %d octets or %d fields", RECORD_BYTES_MAX, FIELDS_MAX);
    else if (csv->text_behind_quote)
        csv_error(csv, "text behind a closing quote (a quote within quotes is doubled)");
    else if (csv->record.len == 0)
        return; /* an empty line, or the commas that spreadsheets write for one */
    else if (!record_is_text(csv))
        csv_error(csv, "not in UTF-8, or with a NUL");
    else if (!csv->header_seen)
        header_take(csv);
    else
        recipient_take(csv);
    if (!csv->header_seen)
        csv->err = -EINVAL; /* without the names of the columns nothing can be read */
}

static void
record_end(struct csv *csv)
{
    bool unclosed = csv->state == CSV_QUOTED;
    field_end(csv);
    if (csv->any)
        record_take(csv, unclosed);
    arena_reset(csv->arena);
    record_begin(csv);
}

static void
put(struct csv *csv, char c)
{
    csv->any = true;
    if (csv->record.len >= RECORD_BYTES_MAX)
        csv->too_long = true;
    else
        buf_add_byte(&csv->record, c);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* An octet outside quotes that is neither comma nor line break. */
static void
octet_plain(struct csv *csv, char c)
{
    if (csv->state == CSV_CLOSED && c == '"') {
        put(csv, c);
        csv->state = CSV_QUOTED;
    } else if (csv->state == CSV_CLOSED || csv->state == CSV_BEHIND) {
        csv->text_behind_quote |= !is_blank(c);
        csv->state = CSV_BEHIND;
    } else if (csv->state == CSV_START && c == '"') {
        csv->any = true;
        csv->state = CSV_QUOTED;
    } else if (csv->state == CSV_PLAIN || !is_blank(c)) {
        put(csv, c);
        csv->state = CSV_PLAIN;
    }
}

static void
octet_take(struct csv *csv, char c)
{
    csv->line += c == '\n';
    if (csv->state == CSV_QUOTED && c == '"') {
        csv->state = CSV_CLOSED;
    } else if (csv->state == CSV_QUOTED) {
        put(csv, c);
    } else if (c == '\n') {
        record_end(csv);
    } else if (c == ',') {
        field_end(csv);
    } else {
        octet_plain(csv, c);
    }
}

static void
csv_read(struct csv *csv, int fd)
{
    char *block = xmalloc(BLOCK_BYTES);
    bool first = true;
    while (csv->err == 0) {
        ssize_t n = read(fd, block, BLOCK_BYTES);
        size_t from = 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            csv->err = -errno;
        if (n <= 0)
            break;
        if (first && n >= 3 && memcmp(block, "\xEF\xBB\xBF", 3) == 0)
            from = 3;
        first = false;
        for (size_t i = from; i < (size_t)n && csv->err == 0; i++)
            octet_take(csv, block[i]);
    }
    if (csv->err == 0)
        record_end(csv);
    free(block);
}

int
book_read_csv(int fd, const char *name, struct book_builder *builder, struct buf *errors)
{
    struct csv csv = {.name = name, .builder = builder, .errors = errors, .line = 1};
    csv.arena = arena_new(RECORD_BYTES_MAX * 4);
    record_begin(&csv);
    csv_read(&csv, fd);
    if (csv.err == 0 && !csv.header_seen)
        csv_error(&csv, "no header line");
    arena_free(csv.arena);
    buf_clear(&csv.record);
    /* A first line that cannot be used is an error of the file's text, and told as one. */
    return csv.err != 0 && csv.err != -EINVAL ? csv.err : csv.wrong;
}
