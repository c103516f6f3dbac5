/* api_read.c - the reader of API header files (see api_read.h) */
#include "systems/gwise/api_read.h"

#include <errno.h>

/* What keywords are. SUB keys live in groups; TOP keys end an unclosed group. Keys that are both stay where
 * they stand. */
enum shape { SHAPE_SCALAR, SHAPE_ADDRESS, SHAPE_GROUP };
enum place { PLACE_TOP = 1, PLACE_SUB = 2 };

static const struct keyword {
    const char *name;
    enum shape shape;
    int place;
} keywords[] = {
    {"WPC-API", SHAPE_SCALAR, PLACE_TOP},       {"Header-Char", SHAPE_SCALAR, PLACE_TOP},
    {"Msg-Type", SHAPE_SCALAR, PLACE_TOP},      {"Msg-Id", SHAPE_SCALAR, PLACE_TOP},
    {"Orig-Msg-Id", SHAPE_SCALAR, PLACE_TOP},   {"From", SHAPE_ADDRESS, PLACE_TOP},
    {"From-Text", SHAPE_SCALAR, PLACE_TOP},     {"To", SHAPE_ADDRESS, PLACE_TOP},
    {"To-CC", SHAPE_ADDRESS, PLACE_TOP},        {"To-BC", SHAPE_ADDRESS, PLACE_TOP},
    {"CC", SHAPE_ADDRESS, PLACE_TOP},           {"BC", SHAPE_ADDRESS, PLACE_TOP},
    {"All-To", SHAPE_ADDRESS, PLACE_TOP},       {"All-To-CC", SHAPE_ADDRESS, PLACE_TOP},
    {"To-Text", SHAPE_SCALAR, PLACE_TOP},       {"To-CC-Text", SHAPE_SCALAR, PLACE_TOP},
    {"Subject", SHAPE_SCALAR, PLACE_TOP},       {"Date-Sent", SHAPE_SCALAR, PLACE_TOP},
    {"Msg-File", SHAPE_SCALAR, PLACE_TOP},      {"Msg-Char", SHAPE_SCALAR, PLACE_TOP},
    {"Attach-File", SHAPE_GROUP, PLACE_TOP},    {"Msg-Priority", SHAPE_SCALAR, PLACE_TOP},
    {"Security", SHAPE_SCALAR, PLACE_TOP},      {"Status-Request", SHAPE_SCALAR, PLACE_TOP},
    {"Send-Options", SHAPE_SCALAR, PLACE_TOP},  {"Distribute-Date", SHAPE_SCALAR, PLACE_TOP},
    {"Respond-By", SHAPE_SCALAR, PLACE_TOP},    {"Folder-Name", SHAPE_SCALAR, PLACE_TOP},
    {"Msg-View", SHAPE_SCALAR, PLACE_TOP},      {"Msg-Action", SHAPE_SCALAR, PLACE_TOP},
    {"Set-Status", SHAPE_SCALAR, PLACE_TOP},    {"Status-Report", SHAPE_GROUP, PLACE_TOP},
    {"Begin-Time", SHAPE_SCALAR, PLACE_TOP},    {"End-Time", SHAPE_SCALAR, PLACE_TOP | PLACE_SUB},
    {"Start-Time", SHAPE_SCALAR, PLACE_SUB},    {"Location", SHAPE_SCALAR, PLACE_TOP},
    {"Task-Category", SHAPE_SCALAR, PLACE_TOP}, {"Task-Priority", SHAPE_SCALAR, PLACE_TOP},
    {"Caller-Name", SHAPE_SCALAR, PLACE_TOP},   {"Caller-Company", SHAPE_SCALAR, PLACE_TOP},
    {"Caller-Phone", SHAPE_SCALAR, PLACE_TOP},  {"Call-Action", SHAPE_SCALAR, PLACE_TOP},
    {"Busy-For", SHAPE_ADDRESS, PLACE_TOP},     {"Busy-Report", SHAPE_GROUP, PLACE_TOP},
    {"DS-User", SHAPE_GROUP, PLACE_TOP},        {"DS-External-Post-Office", SHAPE_GROUP, PLACE_TOP},
    {"DS-Resource", SHAPE_GROUP, PLACE_TOP},    {"DS-Group", SHAPE_GROUP, PLACE_TOP},
    {"Gw-Alias", SHAPE_GROUP, PLACE_SUB},
};

enum { KEY_MAX = 60, DEPTH_MAX = 2 };

struct reader {
    const char *at, *end, *begin;
    struct arena *arena;
    struct api_file *file;
    struct api_item *element[DEPTH_MAX + 1]; /* [0]: top level */
    struct api_item *group[DEPTH_MAX + 1];
    int depth;
    bool full;
};

static const struct keyword *
keyword_of(struct span key)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (span_equal_nocase(key, span_of(keywords[i].name)))
            return &keywords[i];
    return NULL;
}

static struct api_item *
add_child(struct reader *reader, struct api_item *parent, enum api_kind kind, struct span key)
{
    struct api_item *item = arena_alloc(reader->arena, sizeof *item);
    if (item == NULL) {
        reader->full = true;
        return NULL;
    }
    item->kind = kind;
    item->key = key;
    if (parent->last != NULL)
        parent->last->next = item;
    else
        parent->children = item;
    parent->last = item;
    return item;
}

static void
skip_blanks(struct reader *reader, bool lines)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        (lines && (*reader->at == '\r' || *reader->at == '\n'))))
        reader->at++;
}

static bool
is_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The length of a name at `at`; 0 where there is none of a fitting length. */
static size_t
name_length(const struct reader *reader, const char *at)
{
    size_t len = 0;
    while (at + len < reader->end && is_name(at[len]) && len <= KEY_MAX)
        len++;
    return len <= KEY_MAX ? len : 0;
}

/* True at "NAME =": `key` gets the name. */
static bool
peek_key(const struct reader *reader, const char *at, struct span *key)
{
    size_t len = name_length(reader, at);
    const char *p = at + len;
    while (p < reader->end && (*p == ' ' || *p == '\t') && p - at < 2 * KEY_MAX)
        p++;
    *key = (struct span){at, len};
    return len > 0 && p < reader->end && *p == '=';
}

static bool
is_end_line(const char *at, const char *end)
{
    return end - at >= 5 && span_equal_nocase((struct span){at, 5}, SPAN("-END-"));
}

/* Copies a scalar: escapes and folds undone, blanks at its ends dropped (an escaped one too). */
static struct span
unescape(struct reader *reader, struct span raw)
{
    raw = span_trim(raw);
    if (raw.len == 0 || (memchr(raw.at, '\\', raw.len) == NULL && memchr(raw.at, '\n', raw.len) == NULL))
        return raw;
    char *copy = arena_alloc(reader->arena, raw.len + 1);
    if (copy == NULL) {
        reader->full = true;
        return (struct span){NULL, 0};
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        if (c == '\\' && i + 1 < raw.len) {
            copy[n++] = raw.at[++i];
        } else if (c == '\n' || (c == '\r' && i + 1 < raw.len && raw.at[i + 1] == '\n')) {
            while (i + 1 < raw.len && strchr("\r\n \t", raw.at[i + 1]) != NULL && raw.at[i + 1] != '\0')
                i++;
        } else {
            copy[n++] = c;
        }
    }
    return (struct span){copy, n};
}

/* Takes the octets up to an unescaped ';' (or ',' with `list`), which is taken too; `*by` tells what ended it:
 * 0 for a line -END- or the end. */
static struct span
take_scalar(struct reader *reader, bool list, char *by)
{
    const char *start = reader->at, *p = start;
    *by = 0;
    for (; p < reader->end; p++) {
        if (*p == '\\' && p + 1 < reader->end) {
            p++;
        } else if (*p == ';' || (list && *p == ',')) {
            *by = *p;
            break;
        } else if (*p == '\n' && is_end_line(p + 1, reader->end)) {
            reader->file->warnings++;
            break;
        }
    }
    reader->at = *by != 0 ? p + 1 : p;
    return unescape(reader, (struct span){start, (size_t)(p - start)});
}

static void
drop_if_empty(struct api_item *group)
{
    /* The last element of a group that ends in ", ;" */
    struct api_item *before = NULL, *item = group->children;
    for (; item != NULL && item->next != NULL; item = item->next)
        before = item;
    if (item == NULL || item->children != NULL)
        return;
    if (before != NULL)
        before->next = NULL;
    else
        group->children = NULL;
    group->last = before;
}

static void
close_group(struct reader *reader)
{
    drop_if_empty(reader->group[reader->depth]);
    reader->depth--;
}

static void
open_element(struct reader *reader)
{
    struct api_item *open = reader->element[reader->depth];
    if (open != NULL && open->children == NULL && reader->group[reader->depth]->last == open)
        return; /* still unused */
    struct api_item *element =
        add_child(reader, reader->group[reader->depth], API_ELEMENT, (struct span){NULL, 0});
    if (element != NULL)
        reader->element[reader->depth] = element;
}

static void
open_group(struct reader *reader, struct api_item *group)
{
    reader->depth++;
    reader->group[reader->depth] = group;
    reader->element[reader->depth] = NULL;
    open_element(reader);
}

/* A group keyword with texts instead of a group: dotted addresses. */
static void
take_texts(struct reader *reader, struct api_item *group)
{
    char by;
    do {
        struct span text = take_scalar(reader, true, &by);
        if (text.len == 0)
            continue;
        struct api_item *element = add_child(reader, group, API_ELEMENT, (struct span){NULL, 0});
        struct api_item *pair = element ? add_child(reader, element, API_SCALAR, (struct span){NULL, 0}) : NULL;
        if (pair != NULL)
            pair->text = text;
        reader->file->dotted = true;
    } while (by == ',' && !reader->full);
}

static void
take_group(struct reader *reader, struct span key, enum shape shape)
{
    struct api_item *group = add_child(reader, reader->element[reader->depth], API_GROUP, key);
    struct span first;
    if (group == NULL)
        return;
    skip_blanks(reader, true);
    if (reader->at < reader->end && *reader->at == ';') {
        reader->at++; /* the empty group: one ';' does both jobs */
        return;
    }
    const struct keyword *known = NULL;
    bool pair = peek_key(reader, reader->at, &first);
    if (pair)
        known = keyword_of(first);
    if (pair && known != NULL && known->place == PLACE_TOP)
        return; /* never opened */
    if (pair || shape != SHAPE_ADDRESS || (reader->at < reader->end && *reader->at == '-'))
        open_group(reader, group);
    else
        take_texts(reader, group);
}

/* A key that we do not know opens a group where an address does so. */
static bool
unknown_group(const struct reader *reader)
{
    const char *p = reader->at;
    struct span first;
    while (p < reader->end && strchr(" \t\r\n", *p) != NULL && *p != '\0' && p - reader->at < 80)
        p++;
    return peek_key(reader, p, &first) &&
           (span_equal_nocase(first, SPAN("WPD")) || span_equal_nocase(first, SPAN("CDBA")));
}

static void
take_pair(struct reader *reader, struct span key)
{
    const struct keyword *known = keyword_of(key);
    if (reader->depth > 0 && known != NULL && known->place == PLACE_TOP) {
        while (reader->depth > 0)
            close_group(reader);
        reader->file->warnings++;
    }
    reader->at = memchr(key.at + key.len, '=', (size_t)(reader->end - key.at) - key.len);
    reader->at++;
    enum shape shape = known != NULL ? known->shape : SHAPE_SCALAR;
    if (known == NULL && reader->depth == 0 && unknown_group(reader))
        shape = SHAPE_ADDRESS;
    if (shape != SHAPE_SCALAR && reader->depth < DEPTH_MAX) {
        take_group(reader, key, shape);
        return;
    }
    struct api_item *open = reader->element[reader->depth];
    if (reader->depth > 0 && span_equal_nocase(key, SPAN("Current-File")) &&
        api_find(open, "Current-File") != NULL) {
        open_element(reader);
        open = reader->element[reader->depth];
    }
    char by;
    struct api_item *item = add_child(reader, open, API_SCALAR, key);
    struct span text = take_scalar(reader, false, &by);
    if (item != NULL)
        item->text = text;
}

/* -NAME-: the outer hyphens belong to it, what separates it from the next means nothing. */
static bool
take_flag(struct reader *reader)
{
    size_t len = name_length(reader, reader->at);
    if (len < 3 || reader->at[0] != '-' || reader->at[len - 1] != '-')
        return false;
    add_child(reader, reader->element[reader->depth], API_FLAG, (struct span){reader->at + 1, len - 2});
    reader->at += len;
    skip_blanks(reader, false);
    if (reader->at < reader->end && (*reader->at == ';' || *reader->at == ','))
        reader->at++;
    return true;
}

static void
skip_line(struct reader *reader)
{
    const char *lf = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    reader->at = lf != NULL ? lf + 1 : reader->end;
}

/* What is no pair, flag or sign: up to the next ';' or line end. */
static void
skip_junk(struct reader *reader)
{
    reader->file->warnings++;
    while (reader->at < reader->end && *reader->at != ';' && *reader->at != '\n')
        reader->at++;
    if (reader->at < reader->end)
        reader->at++;
}

static void
take_item(struct reader *reader)
{
    bool line_start = reader->at == reader->begin || reader->at[-1] == '\n';
    struct span key;
    if (line_start && *reader->at == '#') {
        skip_line(reader);
    } else if (*reader->at == ';') {
        reader->at++;
        if (reader->depth > 0)
            close_group(reader);
    } else if (*reader->at == ',') {
        reader->at++;
        if (reader->depth > 0)
            open_element(reader);
    } else if (*reader->at == '-' && take_flag(reader)) {
        return;
    } else if (peek_key(reader, reader->at, &key)) {
        take_pair(reader, key);
    } else {
        skip_junk(reader);
    }
}

int
api_read(struct span text, struct arena *arena, struct api_file *file, struct why *why)
{
    struct reader reader = {
        .at = text.at, .begin = text.at, .end = text.at + text.len, .arena = arena, .file = file};
    memset(file, 0, sizeof *file);
    file->root.kind = API_ELEMENT;
    reader.element[0] = &file->root;
    int most = text.len > API_TEXT_MAX && api_is_directory(text) ? API_DIRECTORY_MAX : API_TEXT_MAX;
    if (text.len > (size_t)most)
        return why_set(why, "5.6.0", "the header file has %zu octets, more than %d", text.len, most);
    if (text.len == 0)
        return 0;
    while (!reader.full) {
        skip_blanks(&reader, true);
        if (reader.at == reader.end)
            break;
        if (is_end_line(reader.at, reader.end)) {
            file->ended = true;
            skip_line(&reader);
            file->trailer = (struct span){reader.at, (size_t)(reader.end - reader.at)};
            break;
        }
        take_item(&reader);
    }
    while (reader.depth > 0)
        close_group(&reader);
    return reader.full ? why_set(why, "5.6.0", "the header file holds too many items") : 0;
}

bool
api_is_directory(struct span text)
{
    enum { HEAD = 4096 }; /* it is among the first lines */
    struct arena *arena = arena_new(1 << 20);
    struct api_file file;
    bool is = api_read((struct span){text.at, text.len < HEAD ? text.len : HEAD}, arena, &file, NULL) == 0 &&
              span_equal_nocase(api_text(&file.root, "Msg-Type"), SPAN("Admin"));
    arena_free(arena);
    return is;
}

bool
api_is_finished(struct span text)
{
    const char *p = text.len > 0 ? text.at : NULL, *end = p != NULL ? p + text.len : NULL;
    while (p != NULL && p < end) {
        const char *q = p;
        while (q < end && (*q == ' ' || *q == '\t'))
            q++;
        if (is_end_line(q, end))
            return true;
        p = memchr(q, '\n', (size_t)(end - q));
        if (p != NULL)
            p++;
    }
    return false;
}
