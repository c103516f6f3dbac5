/* side_file_csv.c - entries as records of CSV files (see side_file.h; csv.h reads and writes the records)
 *
 *     id,kind,address,displayName,...,proxies,members,hidden
 *
 * The header line names the columns in any order, without regard to case: the attributes by their canonical names
 * (attributes.def), `address` (TYPE:value, or an Internet address), which must be there; `id`, what identifies an entry for ever;
 * `kind` as dir_kind_name(); `proxies` and `members` (ids or addresses of entries), with | or, where none of them has a blank,
 * blanks between them; `hidden` yes or no. Others are passed over. In a list \| is a | and \\ a backslash.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/csv.h"
#include "directory/side_file.h"

const char *const file_columns[FILE_COLUMNS] = {"id", "kind", "address", "proxies", "members", "hidden"};

enum { NO_COLUMN = CSV_FIELDS_MAX };

struct columns {
    size_t own[FILE_COLUMNS], attribute[DIR_ATTRIBUTES];
    size_t n;
};

/* ---- the header line ---- */

static size_t *
column_of(struct columns *columns, struct span name)
{
    enum dir_attribute attribute = dir_attribute_find(name);
    if (attribute != DIR_ATTRIBUTES)
        return &columns->attribute[attribute];
    for (size_t c = 0; c < FILE_COLUMNS; c++)
        if (span_equal_nocase(name, span_of(file_columns[c])))
            return &columns->own[c];
    return NULL;
}

static void
columns_clear(struct columns *columns)
{
    for (size_t i = 0; i < FILE_COLUMNS; i++)
        columns->own[i] = NO_COLUMN;
    for (size_t i = 0; i < DIR_ATTRIBUTES; i++)
        columns->attribute[i] = NO_COLUMN;
}

static bool
header_take(struct file_reader *reader, const struct csv *csv, struct columns *columns)
{
    columns_clear(columns);
    columns->n = csv_fields(csv);
    for (size_t i = 0; i < columns->n; i++) {
        struct span name = span_trim(csv_field(csv, i));
        size_t *column = column_of(columns, name);
        if (column != NULL && *column != NO_COLUMN)
            file_error(reader, "the column %.*s is there twice", (int)name.len, name.at);
        else if (column != NULL)
            *column = i;
        else if (name.len > 0)
            file_note(reader->side, "%s: the column \"%.*s\" is not known, and passed over", reader->path,
                      (int)(name.len < 100 ? name.len : 100), name.at);
    }
    if (columns->own[FILE_ADDRESS] == NO_COLUMN)
        file_error(reader, "the first line must name the column address, with commas between names");
    return reader->wrong == 0;
}

uint32_t
file_csv_attributes(int fd)
{
    struct csv *csv = csv_new(fd);
    struct columns columns;
    struct why why;
    uint32_t bits = 0;
    int n = csv_next(csv, &why);
    columns_clear(&columns);
    for (size_t i = 0; n == 1 && i < csv_fields(csv); i++) {
        enum dir_attribute attribute = dir_attribute_find(span_trim(csv_field(csv, i)));
        bits |= attribute != DIR_ATTRIBUTES ? UINT32_C(1) << attribute : 0;
    }
    csv_free(csv);
    return n == 1 ? bits : UINT32_MAX;
}

/* ---- lists ---- */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct list {
    struct span rest;
    bool bars;  /* they separate; else blanks do */
    char *room; /* for all elements without their escapes */
};

/* The next element; false behind the last. */
static bool
list_next(struct list *list, struct span *element)
{
    struct span rest = list->rest;
    char *out = list->room;
    size_t n = 0, i = 0;
    if (out == NULL || rest.len == 0)
        return false;
    for (; i < rest.len && rest.at[i] != '|' && (list->bars || !is_blank(rest.at[i])); i++) {
        bool escape =
            rest.at[i] == '\\' && i + 1 < rest.len && (rest.at[i + 1] == '|' || rest.at[i + 1] == '\\');
        i += escape;
        out[n++] = rest.at[i];
    }
    i += i < rest.len;
    list->rest = (struct span){rest.at + i, rest.len - i};
    list->room += n;
    *element = span_trim((struct span){out, n});
    return true;
}

static bool
has_bar(struct span list)
{
    for (size_t i = 0; i < list.len; i++)
        if (list.at[i] == '\\')
            i++;
        else if (list.at[i] == '|')
            return true;
    return false;
}

static struct list
list_begin(struct file_reader *reader, struct span text)
{
    text = span_trim(text);
    return (struct list){text, has_bar(text), arena_alloc(reader->arena, text.len + 1)};
}

static void
list_add(struct span element, bool *first, struct buf *out)
{
    if (!*first)
        buf_add_byte(out, '|');
    *first = false;
    for (size_t i = 0; i < element.len; i++) {
        char c = element.at[i], next = i + 1 < element.len ? element.at[i + 1] : '|';
        if (c == '|' || (c == '\\' && (next == '|' || next == '\\')))
            buf_add_byte(out, '\\');
        buf_add_byte(out, c);
    }
}

/* ---- a record is read ---- */

static struct span
field(const struct csv *csv, size_t column)
{
    return column == NO_COLUMN ? SPAN("") : csv_value(csv_field(csv, column));
}

static void
take_kind(struct file_reader *reader, struct span text, struct dir_entry *entry)
{
    text = span_trim(text);
    entry->kind = reader->ours ? DIR_CONTACT : DIR_MAILBOX;
    if (text.len == 0)
        return;
    for (unsigned kind = 0; kind < DIR_KINDS; kind++)
        if (span_equal_nocase(text, span_of(dir_kind_name((enum dir_kind)kind)))) {
            entry->kind = (enum dir_kind)kind;
            return;
        }
    file_trouble(reader, "kind \"%.*s\" is not known", (int)(text.len < 100 ? text.len : 100), text.at);
}

static void
take_hidden(struct file_reader *reader, struct span text, struct dir_entry *entry)
{
    static const char *const words[] = {"", "no", "false", "0", "yes", "true", "1"};
    text = span_trim(text);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (span_equal_nocase(text, span_of(words[i]))) {
            entry->hidden = i > 3;
            return;
        }
    file_trouble(reader, "hidden is neither yes nor no");
}

/* An address, which is also the entry's name; one that is none is trouble. */
static void
take_address(struct file_reader *reader, struct span text, struct dir_entry *entry)
{
    struct why why;
    text = span_trim(text);
    if (address_parse(text, reader->arena, &entry->target, &why) != 0 || entry->target.value.len == 0) {
        entry->target = (struct address){{NULL, 0}, {NULL, 0}};
        entry->name = file_clean(reader, text);
        file_trouble(reader, "address \"%.*s\": %s", (int)(text.len < 100 ? text.len : 100), text.at,
                     text.len > 0 ? why.text : "there is none");
        return;
    }
    entry->name = entry->target.value;
}

static void
take_members(struct file_reader *reader, struct span text, struct dir_entry *entry)
{
    struct list list = list_begin(reader, text);
    struct span one;
    size_t n = 1;
    for (size_t i = 0; i < list.rest.len; i++)
        n += list.rest.at[i] == '|' || (!list.bars && is_blank(list.rest.at[i]));
    entry->members = arena_alloc(reader->arena, n * sizeof *entry->members);
    while (entry->members != NULL && list_next(&list, &one))
        if (one.len > 0) /* whom it means is known when all are read */
            entry->members[entry->n_members++] = file_clean(reader, one);
}

static void
take_lists(struct file_reader *reader, const struct csv *csv, const struct columns *columns,
           struct dir_entry *entry)
{
    struct list proxies = list_begin(reader, field(csv, columns->own[FILE_PROXIES]));
    struct span one;
    while (list_next(&proxies, &one))
        if (one.len > 0)
            file_proxy(reader, entry, one);
    take_members(reader, field(csv, columns->own[FILE_MEMBERS]), entry);
}

/* What we wrote stands for the host's entry whose id it has. */
static void
take_own_id(struct file_reader *reader, struct dir_entry *entry)
{
    struct buf text = {0};
    struct span source = entry->id;
    const struct conf_dirsync *dirsync = reader->side->side.context->dirsync;
    if (source.len == 0)
        file_error(reader, "there is no id");
    dir_mark_print(dirsync != NULL ? dirsync->title : "", source, false, &text);
    entry->mark = arena_span(reader->arena, buf_span(&text));
    buf_reset(&text);
    buf_add_span(&text, FILE_EXPORT);
    buf_add_span(&text, source);
    entry->id = arena_span(reader->arena, buf_span(&text));
    buf_clear(&text);
}

static void
record_take(struct file_reader *reader, const struct csv *csv, const struct columns *columns)
{
    struct dir_entry entry = {.proxies = reader->proxies};
    if (csv_fields(csv) != columns->n) {
        file_error(reader, "%zu fields, the first line has %zu (a comma within a field needs quotes)",
                   csv_fields(csv), columns->n);
        return;
    }
    entry.id = file_clean(reader, field(csv, columns->own[FILE_ID]));
    take_kind(reader, field(csv, columns->own[FILE_KIND]), &entry);
    take_address(reader, field(csv, columns->own[FILE_ADDRESS]), &entry);
    take_hidden(reader, field(csv, columns->own[FILE_HIDDEN]), &entry);
    for (size_t i = 0; i < DIR_ATTRIBUTES; i++)
        entry.value[i] = file_clean(reader, field(csv, columns->attribute[i]));
    take_lists(reader, csv, columns, &entry);
    if (reader->ours)
        take_own_id(reader, &entry);
    file_put(reader, &entry);
}

bool
file_read_csv(struct file_reader *reader)
{
    struct csv *csv = csv_new(reader->fd);
    struct columns columns;
    struct why why;
    bool headed = false;
    int n;
    while ((n = csv_next(csv, &why)) != 0) {
        reader->line = csv_line(csv);
        if (n != 1 && n != -EINVAL) {
            file_broken(reader, n);
            break;
        }
        if (n != 1)
            file_error(reader, "%s", why.text);
        else if (headed)
            record_take(reader, csv, &columns);
        else
            headed = header_take(reader, csv, &columns);
        if (!headed)
            break; /* without the names of the columns nothing can be read */
        arena_reset(reader->arena);
        buf_reset(&reader->trouble);
    }
    bool whole = n != 0 || csv_ended(csv);
    csv_free(csv);
    return whole;
}

/* ---- a record is written ---- */

void
file_begin_csv(struct buf *out)
{
    buf_add_text(out, FILE_CSV_BEGIN);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        buf_printf(out, "%s,", dir_attribute_name((enum dir_attribute)i));
    buf_add_text(out, "proxies,members,hidden\r\n");
}

static void
add_address(const struct address *address, bool primary, struct buf *out)
{
    for (size_t i = 0; i < address->type.len; i++) {
        char c = address->type.at[i];
        buf_add_byte(out, primary || c < 'A' || c > 'Z' ? c : (char)(c + 32));
    }
    buf_add_byte(out, ':');
    buf_add_span(out, address->value);
}

/* A list of one element with a blank ends with a bar, else the blank would separate. */
static void
end_list(struct buf *list, bool blanks, bool bars)
{
    if (blanks && !bars)
        buf_add_byte(list, '|');
}

static void
add_proxies(const struct dir_entry *entry, struct buf *out)
{
    struct buf list = {0}, one = {0};
    bool first = true, blanks = false;
    for (size_t i = 0; i < entry->n_proxies; i++) {
        buf_reset(&one);
        add_address(&entry->proxies[i].address, entry->proxies[i].primary, &one);
        blanks = blanks || memchr(one.at, ' ', one.len) != NULL;
        list_add(buf_span(&one), &first, &list);
    }
    end_list(&list, blanks, entry->n_proxies > 1);
    csv_add(buf_span(&list), out);
    buf_clear(&list);
    buf_clear(&one);
}

/* A member who is a copy of ours is written with the type of his address; others by their names alone. */
static void
add_member(const struct dir_set *copies, struct span name, struct dir_room *room, struct buf *out)
{
    struct dir_entry copy;
    size_t place = dir_set_find_name(copies, name);
    buf_reset(out);
    if (place != SIZE_MAX && dir_set_get(copies, place, room, &copy) && copy.target.type.len > 0)
        add_address(&copy.target, true, out);
    else
        buf_add_span(out, name);
}

static void
add_members(const struct dir_set *copies, const struct dir_entry *entry, struct buf *out)
{
    struct buf list = {0}, one = {0};
    struct dir_room room = {0};
    bool first = true, blanks = false;
    for (size_t i = 0; i < entry->n_members; i++) {
        add_member(copies, entry->members[i], &room, &one);
        blanks = blanks || memchr(one.at, ' ', one.len) != NULL;
        list_add(buf_span(&one), &first, &list);
    }
    end_list(&list, blanks, entry->n_members > 1);
    csv_add(buf_span(&list), out);
    buf_clear(&list);
    buf_clear(&one);
    dir_room_clear(&room);
}

void
file_add_csv(const struct dir_set *copies, const struct dir_entry *entry, struct buf *out)
{
    struct buf address = {0};
    struct span dirsync, source = {"", 0};
    dir_mark_parse(entry->mark, &dirsync, &source);
    csv_add(source, out);
    buf_add_byte(out, ',');
    csv_add(span_of(dir_kind_name(entry->kind)), out);
    buf_add_byte(out, ',');
    if (entry->target.type.len > 0)
        add_address(&entry->target, true, &address);
    csv_add(buf_span(&address), out);
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++) {
        buf_add_byte(out, ',');
        csv_add(entry->value[i], out);
    }
    buf_add_byte(out, ',');
    add_proxies(entry, out);
    buf_add_byte(out, ',');
    add_members(copies, entry, out);
    buf_add_text(out, entry->hidden ? ",yes\r\n" : ",no\r\n");
    buf_clear(&address);
}
