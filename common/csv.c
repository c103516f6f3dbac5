/* csv.c - CSV records read one at a time, and fields written (see csv.h)
 *
 * The file is read in blocks by a machine with five states.
 *
 *     START --other--> PLAIN --comma--> START         a line break ends the record, but for QUOTED
 *     START --quote--> QUOTED --quote--> CLOSED --quote--> QUOTED (a doubled quote)
 *                                        CLOSED --comma--> START
 *                                        CLOSED --blank--> BEHIND --comma--> START; other text there is an error
 *
 * A quote within a plain field is a quote; a quote that is never closed swallows the rest of the file as one record, whose first
 * line is named.
 */
#include "common/csv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/utf8.h"

enum { BLOCK_BYTES = 64 * 1024 };

enum csv_state { CSV_START, CSV_PLAIN, CSV_QUOTED, CSV_CLOSED, CSV_BEHIND };

struct csv {
    int fd;
    char *block;
    size_t from, len; /* what of the block is not read yet */
    bool begun, at_end, ended;
    enum csv_state state;
    struct buf record; /* the fields' bytes, one behind the other */
    size_t field_end[CSV_FIELDS_MAX];
    size_t fields;
    bool too_long, too_many, text_behind_quote, unclosed, any;
    size_t line, record_line;
};

struct csv *
csv_new(int fd)
{
    struct csv *csv = xcalloc(1, sizeof *csv);
    csv->fd = fd;
    csv->block = xmalloc(BLOCK_BYTES);
    csv->line = 1;
    csv->ended = true;
    return csv;
}

void
csv_free(struct csv *csv)
{
    if (csv == NULL)
        return;
    free(csv->block);
    buf_clear(&csv->record);
    free(csv);
}

size_t
csv_fields(const struct csv *csv)
{
    return csv->fields;
}

struct span
csv_field(const struct csv *csv, size_t i)
{
    size_t start = i > 0 && i < csv->fields ? csv->field_end[i - 1] : 0;
    if (i >= csv->fields || csv->record.at == NULL)
        return SPAN("");
    return (struct span){csv->record.at + start, csv->field_end[i] - start};
}

size_t
csv_line(const struct csv *csv)
{
    return csv->record_line;
}

bool
csv_ended(const struct csv *csv)
{
    return csv->ended;
}

/* ---- octets ---- */

static void
record_begin(struct csv *csv)
{
    buf_reset(&csv->record);
    csv->fields = 0;
    csv->state = CSV_START;
    csv->too_long = csv->too_many = csv->text_behind_quote = csv->unclosed = csv->any = false;
    csv->record_line = csv->line;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void
field_end(struct csv *csv)
{
    size_t start = csv->fields > 0 ? csv->field_end[csv->fields - 1] : 0;
    while (csv->state == CSV_PLAIN && csv->record.len > start && is_blank(csv->record.at[csv->record.len - 1]))
        csv->record.len--;
    if (csv->fields < CSV_FIELDS_MAX)
        csv->field_end[csv->fields++] = csv->record.len;
    else
        csv->too_many = true;
    csv->state = CSV_START;
}

static void
put(struct csv *csv, char c)
{
    csv->any = true;
    if (csv->record.len >= CSV_RECORD_BYTES_MAX)
        csv->too_long = true;
    else
        buf_add_byte(&csv->record, c);
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

/* True at the end of a record. */
static bool
octet_take(struct csv *csv, char c)
{
    csv->ended = c == '\n';
    csv->line += c == '\n';
    if (csv->state == CSV_QUOTED && c == '"') {
        csv->state = CSV_CLOSED;
    } else if (csv->state == CSV_QUOTED) {
        put(csv, c);
    } else if (c == '\n') {
        return true;
    } else if (c == ',') {
        field_end(csv);
    } else {
        octet_plain(csv, c);
    }
    return false;
}

/* ---- records ---- */

/* Sees to it that at least one octet is there, but at the end of the file. 0, or -errno. */
static int
block_fill(struct csv *csv)
{
    while (csv->len == 0 && !csv->at_end) {
        ssize_t n = read(csv->fd, csv->block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EINVAL ? -EIO : -errno; /* -EINVAL is said of a record */
        csv->at_end = n == 0;
        csv->from = 0;
        csv->len = (size_t)n;
        if (!csv->begun && n >= 3 && memcmp(csv->block, "\xEF\xBB\xBF", 3) == 0) {
            csv->from = 3;
            csv->len -= 3;
        }
        csv->begun = true;
    }
    return 0;
}

/* Reads up to a record's end, or the file's. 0, or -errno. */
static int
record_read(struct csv *csv)
{
    for (;;) {
        int err = block_fill(csv);
        if (err != 0)
            return err;
        if (csv->len == 0)
            break;
        size_t i = 0;
        bool end = false;
        while (i < csv->len && !end)
            end = octet_take(csv, csv->block[csv->from + i++]);
        csv->from += i;
        csv->len -= i;
        if (end)
            break;
    }
    csv->unclosed = csv->state == CSV_QUOTED;
    field_end(csv);
    return 0;
}

static bool
record_is_text(const struct csv *csv)
{
    struct span bytes = buf_span(&csv->record);
    return utf8_valid(bytes) && memchr(bytes.at, '\0', bytes.len) == NULL;
}

/* 1, 0 for an empty one, -EINVAL. */
static int
record_judge(const struct csv *csv, struct why *why)
{
    if (csv->unclosed)
        return why_set(why, "", "a quote is not closed");
    if (csv->too_long || csv->too_many)
        return why_set(why, "", "more than %d octets or %d fields", CSV_RECORD_BYTES_MAX, CSV_FIELDS_MAX);
    if (csv->text_behind_quote)
        return why_set(why, "", "text behind a closing quote (a quote within quotes is doubled)");
    if (!csv->any || csv->record.len == 0)
        return 0;
    if (!record_is_text(csv))
        return why_set(why, "", "not in UTF-8, or with a NUL");
    return 1;
}

int
csv_next(struct csv *csv, struct why *why)
{
    for (;;) {
        record_begin(csv);
        int err = record_read(csv);
        if (err != 0) {
            why_set(why, "", "%s", strerror(-err));
            return err;
        }
        int result = record_judge(csv, why);
        if (result != 0)
            return result;
        if (csv->at_end && csv->len == 0) {
            csv->fields = 0;
            return 0;
        }
    }
}

/* ---- writing ---- */

/* Of digits and what stands between them: no spreadsheet computes a formula of it that does anything. */
static bool
is_number_like(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (memchr("0123456789 ()/.-+", value.at[i], 17) == NULL)
            return false;
    return true;
}

/* Whether it begins, behind apostrophes, as a formula does. */
static bool
is_formula(struct span value)
{
    size_t i = 0;
    if (value.len == 0)
        return false;
    while (i < value.len && value.at[i] == '\'')
        i++;
    struct span rest = {value.at + i, value.len - i};
    return rest.len > 0 && memchr("=+-@", rest.at[0], 4) != NULL && (i > 0 || !is_number_like(rest));
}

static bool
needs_quotes(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (memchr(",\"\r\n|;\t", value.at[i], 7) != NULL)
            return true;
    return value.len > 0 && (value.at[0] == ' ' || value.at[value.len - 1] == ' ');
}

void
csv_add(struct span value, struct buf *out)
{
    bool quotes = needs_quotes(value);
    if (quotes)
        buf_add_byte(out, '"');
    if (is_formula(value))
        buf_add_byte(out, '\'');
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '"')
            buf_add_byte(out, '"');
        buf_add_byte(out, value.at[i]);
    }
    if (quotes)
        buf_add_byte(out, '"');
}

struct span
csv_value(struct span field)
{
    bool apostrophe = field.len > 0 && field.at[0] == '\'';
    return apostrophe && is_formula(field) ? (struct span){field.at + 1, field.len - 1} : field;
}
