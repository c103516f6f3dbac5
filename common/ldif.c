/* ldif.c - LDIF records read one at a time, and written (see ldif.h)
 *
 *     file --blocks--> physical lines --unfold--> a logical line --> an attribute --> a record
 *
 * A line is whole when the next one does not begin with a blank; so one octet is looked at before a line is taken.
 * All octets of a record lie in one buffer; attributes keep offsets until the record is whole, since it moves while it grows.
 */
#include "common/ldif.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base64.h"

enum { BLOCK_BYTES = 64 * 1024, FOLD_COLUMNS = 76 };

struct place {
    size_t name, name_len, value, value_len, line;
};

struct ldif {
    int fd;
    char *block;
    size_t from, len; /* what of the block is not read yet */
    bool at_end, ended, begun;
    size_t line_number;    /* of the physical line that comes next */
    size_t logical_number; /* where the logical line in `line` begins */
    struct buf line;
    bool too_long; /* the logical line, or the record */
    struct buf octets;
    struct place *places;
    size_t n_places, places_size;
    struct ldif_attribute *attributes;
    size_t attributes_size;
    char error[300]; /* the first of the record; "" none */
    size_t error_line;
};

struct ldif *
ldif_new(int fd)
{
    struct ldif *ldif = xcalloc(1, sizeof *ldif);
    ldif->fd = fd;
    ldif->block = xmalloc(BLOCK_BYTES);
    ldif->line_number = 1;
    ldif->ended = true;
    return ldif;
}

void
ldif_free(struct ldif *ldif)
{
    if (ldif == NULL)
        return;
    free(ldif->block);
    free(ldif->places);
    free(ldif->attributes);
    buf_clear(&ldif->line);
    buf_clear(&ldif->octets);
    free(ldif);
}

bool
ldif_ended(const struct ldif *ldif)
{
    return ldif->ended;
}

/* ---- physical lines ---- */

/* Sees to it that at least one octet is there, but at the end of the file. 0, or -errno. */
static int
block_fill(struct ldif *ldif)
{
    while (ldif->len == 0 && !ldif->at_end) {
        ssize_t n = read(ldif->fd, ldif->block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EINVAL ? -EIO : -errno; /* -EINVAL is said of a record */
        ldif->at_end = n == 0;
        ldif->from = 0;
        ldif->len = (size_t)n;
        if (!ldif->begun && n >= 3 && memcmp(ldif->block, "\xEF\xBB\xBF", 3) == 0) {
            ldif->from = 3;
            ldif->len -= 3;
        }
        ldif->begun = true;
    }
    return 0;
}

/* Adds the physical line to the logical one, from its `skip`-th octet. 0, or -errno. */
static int
physical_add(struct ldif *ldif, size_t skip)
{
    for (;;) {
        int err = block_fill(ldif);
        if (err != 0 || ldif->len == 0)
            return err;
        const char *at = ldif->block + ldif->from, *newline = memchr(at, '\n', ldif->len);
        size_t n = newline != NULL ? (size_t)(newline - at) : ldif->len;
        size_t skipped = n < skip ? n : skip;
        if (ldif->line.len + n > LDIF_RECORD_BYTES_MAX)
            ldif->too_long = true;
        else
            buf_add(&ldif->line, at + skipped, n - skipped);
        skip -= skipped;
        ldif->ended = newline != NULL;
        n += newline != NULL;
        ldif->from += n;
        ldif->len -= n;
        if (newline == NULL)
            continue;
        ldif->line_number++;
        if (ldif->line.len > 0 && ldif->line.at[ldif->line.len - 1] == '\r')
            ldif->line.len--;
        return 0;
    }
}

/* The next logical line. 1; 0 at the end; -errno. An empty line is one, and is never continued. */
static int
logical_next(struct ldif *ldif)
{
    buf_reset(&ldif->line);
    ldif->too_long = false;
    ldif->logical_number = ldif->line_number;
    int err = block_fill(ldif);
    if (err != 0 || ldif->len == 0)
        return err;
    err = physical_add(ldif, 0);
    while (err == 0 && (ldif->line.len > 0 || ldif->too_long)) {
        err = block_fill(ldif);
        if (err != 0 || ldif->len == 0 || ldif->block[ldif->from] != ' ')
            break;
        err = physical_add(ldif, 1);
    }
    return err == 0 ? 1 : err;
}

/* ---- attributes ---- */

static void record_error(struct ldif *ldif, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
record_error(struct ldif *ldif, const char *format, ...)
{
    va_list args;
    if (ldif->error[0] != '\0')
        return;
    ldif->error_line = ldif->logical_number;
    va_start(args, format);
    vsnprintf(ldif->error, sizeof ldif->error, format, args);
    va_end(args);
}

static bool
is_name(struct span name)
{
    if (name.len == 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && memchr("-;.=_", c, 5) == NULL)
            return false;
    }
    return true;
}

static struct span
without_spaces(struct span text)
{
    while (text.len > 0 && text.at[0] == ' ')
        text = (struct span){text.at + 1, text.len - 1};
    return text;
}

static void
place_add(struct ldif *ldif, struct span name, size_t value, size_t value_len)
{
    if (ldif->n_places == ldif->places_size) {
        ldif->places_size = ldif->places_size > 0 ? ldif->places_size * 2 : 64;
        ldif->places = xrealloc(ldif->places, ldif->places_size * sizeof *ldif->places);
    }
    ldif->places[ldif->n_places++] =
        (struct place){ldif->octets.len, name.len, value, value_len, ldif->logical_number};
    buf_add_span(&ldif->octets, name);
}

/* What stands behind the first colon, into the record's octets. False: in error. */
static bool
value_add(struct ldif *ldif, struct span text)
{
    if (text.len > 0 && text.at[0] == '<') {
        record_error(ldif, "the value stands in another file, which is not read");
        return false;
    }
    if (text.len == 0 || text.at[0] != ':') {
        buf_add_span(&ldif->octets, without_spaces(text));
        return true;
    }
    text = span_trim((struct span){text.at + 1, text.len - 1});
    if (base64_read(text, &ldif->octets))
        return true;
    record_error(ldif, "the value is no base64");
    return false;
}

static void
line_take(struct ldif *ldif)
{
    struct span line = buf_span(&ldif->line);
    const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
    struct span name = {line.at, colon != NULL ? (size_t)(colon - line.at) : 0};
    if (ldif->too_long || ldif->octets.len + line.len > LDIF_RECORD_BYTES_MAX ||
        ldif->n_places == LDIF_ATTRIBUTES_MAX) {
        record_error(ldif, "a record of more than %d octets or %d values", LDIF_RECORD_BYTES_MAX,
                     LDIF_ATTRIBUTES_MAX);
    } else if (span_equal(line, SPAN("-"))) {
        record_error(ldif, "a change of an entry (a line of \"-\"), not an entry");
    } else if (!is_name(name)) {
        record_error(ldif, "no \"name: value\"");
    } else {
        size_t value = ldif->octets.len;
        if (value_add(ldif, (struct span){colon + 1, line.len - name.len - 1}))
            place_add(ldif, name, value, ldif->octets.len - value);
    }
}

/* ---- records ---- */

static void
record_begin(struct ldif *ldif)
{
    ldif->n_places = 0;
    ldif->error[0] = '\0';
    buf_reset(&ldif->octets);
    buf_reserve(&ldif->octets, 1); /* spans of nothing point somewhere */
}

static bool
place_is(const struct ldif *ldif, const struct place *place, struct span name)
{
    return span_equal_nocase((struct span){ldif->octets.at + place->name, place->name_len}, name);
}

static struct span
place_value(const struct ldif *ldif, const struct place *place)
{
    return (struct span){ldif->octets.at + place->value, place->value_len};
}

/* "version: 1", which stands before the first record, as a paragraph of its own or not. Returns how many lines to pass over. */
static size_t
version_take(struct ldif *ldif)
{
    if (ldif->n_places == 0 || !place_is(ldif, &ldif->places[0], SPAN("version")))
        return 0;
    ldif->logical_number = ldif->places[0].line;
    if (!span_equal(span_trim(place_value(ldif, &ldif->places[0])), SPAN("1")))
        record_error(ldif, "version: only 1 is known");
    return 1;
}

static void
attributes_make(struct ldif *ldif, size_t from, struct ldif_record *record)
{
    size_t n = 0;
    if (ldif->attributes_size < ldif->n_places) {
        ldif->attributes_size = ldif->places_size;
        ldif->attributes = xrealloc(ldif->attributes, ldif->attributes_size * sizeof *ldif->attributes);
    }
    for (size_t i = from; i < ldif->n_places; i++) {
        const struct place *place = &ldif->places[i];
        struct span value = place_value(ldif, place);
        ldif->logical_number = place->line;
        if (place_is(ldif, place, SPAN("dn")))
            record_error(ldif, "a second dn; an empty line is missing before it");
        else if (place_is(ldif, place, SPAN("control")))
            record_error(ldif, "a record with a control is no entry");
        else if (!place_is(ldif, place, SPAN("changetype")))
            ldif->attributes[n++] =
                (struct ldif_attribute){{ldif->octets.at + place->name, place->name_len}, value, place->line};
        else if (!span_equal_nocase(span_trim(value), SPAN("add")))
            record_error(ldif, "a change (%.*s), not an entry", (int)(value.len < 20 ? value.len : 20),
                         value.at);
    }
    record->attributes = ldif->attributes;
    record->n_attributes = n;
}

/* The paragraph that was read. 1: a record; 0: nothing; -EINVAL. */
static int
record_take(struct ldif *ldif, struct ldif_record *record, struct why *why)
{
    size_t from = version_take(ldif);
    if (ldif->n_places > from) {
        ldif->logical_number = ldif->places[from].line;
        if (!place_is(ldif, &ldif->places[from], SPAN("dn")))
            record_error(ldif, "a record begins with dn");
        *record =
            (struct ldif_record){.dn = place_value(ldif, &ldif->places[from]), .line = ldif->logical_number};
        attributes_make(ldif, from + 1, record);
    }
    if (ldif->error[0] != '\0') {
        record->line = ldif->error_line;
        return why_set(why, "", "%s", ldif->error);
    }
    return ldif->n_places > from;
}

int
ldif_next(struct ldif *ldif, struct ldif_record *record, struct why *why)
{
    record_begin(ldif);
    for (;;) {
        int n = logical_next(ldif);
        if (n < 0) {
            record->line = ldif->line_number;
            why_set(why, "", "%s", strerror(-n));
            return n;
        }
        bool blank = ldif->line.len == 0 && !ldif->too_long;
        if (n > 0 && !blank) {
            if (ldif->line.len == 0 || ldif->line.at[0] != '#')
                line_take(ldif);
            continue;
        }
        int result = record_take(ldif, record, why);
        if (result != 0 || n == 0)
            return result;
        record_begin(ldif);
    }
}

/* ---- what a record says ---- */

bool
ldif_is(const struct ldif_attribute *attribute, struct span name)
{
    const char *option = attribute->name.len > 0 ? memchr(attribute->name.at, ';', attribute->name.len) : NULL;
    size_t len = option != NULL ? (size_t)(option - attribute->name.at) : attribute->name.len;
    return span_equal_nocase((struct span){attribute->name.at, len}, name);
}

bool
ldif_value(const struct ldif_record *record, struct span name, size_t n, struct span *value)
{
    for (size_t i = 0; i < record->n_attributes; i++)
        if (ldif_is(&record->attributes[i], name) && n-- == 0) {
            *value = record->attributes[i].value;
            return true;
        }
    return false;
}

/* ---- writing ---- */

static bool
is_safe(struct span value)
{
    if (value.len == 0)
        return true;
    if (memchr(" :<", value.at[0], 3) != NULL || value.at[value.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.at[i] < 0x20 || (unsigned char)value.at[i] > 0x7e)
            return false;
    return true;
}

void
ldif_add(struct span name, struct span value, struct buf *out)
{
    struct buf line = {0};
    bool safe = is_safe(value);
    buf_add_span(&line, name);
    buf_add_text(&line, safe ? ":" : "::");
    if (value.len > 0)
        buf_add_byte(&line, ' ');
    if (safe)
        buf_add_span(&line, value);
    else
        base64_add(value, &line);
    for (size_t at = 0, columns = FOLD_COLUMNS; at < line.len; at += columns, columns = FOLD_COLUMNS - 1) {
        size_t n = line.len - at < columns ? line.len - at : columns;
        if (at > 0)
            buf_add_byte(out, ' ');
        buf_add(out, line.at + at, n);
        buf_add_byte(out, '\n');
    }
    buf_clear(&line);
}
