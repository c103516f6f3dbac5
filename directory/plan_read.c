/* plan_read.c - a plan's file read back (see plan.h, and plan_write.c for the form)
 *
 * What is hostile here: all of it, though what a person has edited is refused by its hash before it is read. Linear; memory is
 * bounded by the text's length.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base64.h"
#include "directory/plan_inside.h"

enum { HASH_LINE = 6 + 64 + 1 };

struct reader {
    struct span rest;
    size_t line; /* number of the line taken last */
    struct dir_plan *plan;
    uint64_t changes, notices; /* how many the head says */
    struct draft draft;        /* values of the change being read */
    struct buf value;          /* base64 undone */
    struct why *why;
};

static int
bad(const struct reader *reader, const char *what)
{
    return why_set(reader->why, "5.3.5", "line %zu of the plan: %s", reader->line, what);
}

/* ---- lines ---- */

static bool
peek(const struct reader *reader, struct span *line)
{
    const char *end = reader->rest.len > 0 ? memchr(reader->rest.at, '\n', reader->rest.len) : NULL;
    if (end == NULL)
        return false;
    *line = (struct span){reader->rest.at, (size_t)(end - reader->rest.at)};
    return true;
}

static bool
take(struct reader *reader, struct span *line)
{
    if (!peek(reader, line))
        return false;
    reader->rest = (struct span){line->at + line->len + 1, reader->rest.len - line->len - 1};
    reader->line++;
    return true;
}

static bool
after(struct span *text, struct span prefix)
{
    if (text->len < prefix.len || memcmp(text->at, prefix.at, prefix.len) != 0)
        return false;
    *text = (struct span){text->at + prefix.len, text->len - prefix.len};
    return true;
}

/* "name: value" or "name:: base64" into the plan's memory. */
static bool
split(struct reader *reader, struct span line, struct span *name, struct span *value)
{
    const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
    if (colon == NULL)
        return false;
    *name = (struct span){line.at, (size_t)(colon - line.at)};
    struct span rest = {colon + 1, line.len - name->len - 1};
    if (after(&rest, SPAN(": "))) {
        buf_reset(&reader->value);
        if (!base64_read(rest, &reader->value))
            return false;
        rest = buf_span(&reader->value);
    } else if (rest.len > 0 && !after(&rest, SPAN(" "))) {
        return false;
    }
    *value = rest.len > 0 ? arena_span(reader->plan->arena, rest) : (struct span){"", 0};
    return true;
}

/* The next line where it has this name. */
static bool
take_named(struct reader *reader, const char *wanted, struct span *value)
{
    struct span line, name;
    if (!peek(reader, &line) || !split(reader, line, &name, value) || !span_equal(name, span_of(wanted)))
        return false;
    return take(reader, &line);
}

static bool
take_number(struct reader *reader, const char *name, uint64_t *number)
{
    struct span value;
    return take_named(reader, name, &value) && span_to_u64(value, INT64_MAX, number);
}

/* ---- words ---- */

/* A word at the beginning, with the blank behind it where there is more. */
static bool
take_word(struct span *text, struct span word)
{
    if (text->len < word.len || memcmp(text->at, word.at, word.len) != 0 ||
        (text->len > word.len && text->at[word.len] != ' '))
        return false;
    size_t len = word.len + (text->len > word.len);
    *text = (struct span){text->at + len, text->len - len};
    return true;
}

static bool
take_side(struct span *text, bool *host)
{
    *host = take_word(text, SPAN("host"));
    return *host || take_word(text, SPAN("foreign"));
}

static bool
take_operation(struct span *text, enum dir_operation *operation)
{
    for (unsigned i = 0; i < DIR_OPERATIONS; i++)
        if (take_word(text, span_of(dir_operation_name((enum dir_operation)i)))) {
            *operation = (enum dir_operation)i;
            return true;
        }
    return false;
}

static bool
read_kind(struct span text, enum dir_kind *kind)
{
    for (unsigned i = 0; i < DIR_KINDS; i++)
        if (span_equal(text, span_of(dir_kind_name((enum dir_kind)i)))) {
            *kind = (enum dir_kind)i;
            return true;
        }
    return false;
}

/* A decimal number at the beginning, with what stands behind it. */
static bool
take_count(struct span *text, struct span behind, uint64_t *number)
{
    size_t len = 0;
    while (len < text->len && text->at[len] >= '0' && text->at[len] <= '9')
        len++;
    if (!span_to_u64((struct span){text->at, len}, INT64_MAX, number))
        return false;
    *text = (struct span){text->at + len, text->len - len};
    return after(text, behind);
}

/* ---- the head ---- */

static bool
read_copies(struct reader *reader)
{
    struct span value;
    enum dir_kind kind;
    uint64_t n;
    bool host;
    while (take_named(reader, "copies", &value)) {
        if (!take_side(&value, &host) || !take_count(&value, SPAN(" "), &n) || !read_kind(value, &kind))
            return false;
        reader->plan->linked_kinds[host][kind] = n;
    }
    return true;
}

static bool
read_head(struct reader *reader)
{
    struct dir_plan *plan = reader->plan;
    struct span line, value;
    uint64_t made;
    if (!take(reader, &line) || !span_equal(line, SPAN("viaduct-plan 1")) ||
        !take_named(reader, "dirsync", &value))
        return false;
    snprintf(plan->dirsync, sizeof plan->dirsync, "%.*s", (int)(value.len < 127 ? value.len : 127), value.at);
    if (!take_number(reader, "made", &made) || !take_number(reader, "host-entries", &plan->host_entries) ||
        !take_number(reader, "foreign-entries", &plan->foreign_entries) ||
        !take_number(reader, "linked", &plan->linked) || !read_copies(reader))
        return false;
    plan->made_s = (int64_t)made;
    if (take_named(reader, "refused", &value))
        snprintf(plan->refused, sizeof plan->refused, "%.*s", (int)(value.len < 499 ? value.len : 499),
                 value.at);
    return take_number(reader, "changes", &reader->changes) && take_number(reader, "notices", &reader->notices);
}

/* ---- changes ---- */

/* Values of one attribute stand together, removed ones first: what they are written from. */
static bool
read_delta_line(struct reader *reader, struct span line, bool add)
{
    struct draft *draft = &reader->draft;
    struct span name, value;
    if (!split(reader, line, &name, &value))
        return false;
    struct dir_delta *delta = NULL;
    struct dir_change *change = &draft->change;
    if (change->n_deltas > 0 && span_equal(change->deltas[change->n_deltas - 1].name, name))
        delta = &change->deltas[change->n_deltas - 1];
    if (delta == NULL) {
        if (change->n_deltas == DRAFT_DELTAS)
            return false;
        delta = &change->deltas[change->n_deltas++];
        *delta = (struct dir_delta){.name = arena_span(reader->plan->arena, name)};
        draft->deltas[change->n_deltas - 1].n_add = draft->deltas[change->n_deltas - 1].n_remove = 0;
    }
    struct draft_delta *values = &draft->deltas[change->n_deltas - 1];
    size_t *n = add ? &values->n_add : &values->n_remove,
           *size = add ? &values->add_size : &values->remove_size;
    struct span **at = add ? &values->add : &values->remove;
    if (*n == *size) {
        *size = *size > 0 ? 2 * *size : 8;
        *at = xrealloc(*at, *size * sizeof **at);
    }
    (*at)[(*n)++] = value;
    return true;
}

static struct span *
copy_values(struct reader *reader, const struct span *values, size_t n)
{
    if (n == 0)
        return NULL;
    struct span *copy = plan_memory(reader->plan->arena, n, sizeof *copy);
    memcpy(copy, values, n * sizeof *copy);
    return copy;
}

static void
keep_change(struct reader *reader)
{
    struct dir_plan *plan = reader->plan;
    struct dir_change *change = &plan->changes[plan->n_changes++];
    *change = reader->draft.change;
    change->deltas = plan_memory(plan->arena, change->n_deltas + 1, sizeof *change->deltas);
    for (size_t i = 0; i < change->n_deltas; i++) {
        const struct draft_delta *values = &reader->draft.deltas[i];
        change->deltas[i] = (struct dir_delta){.name = reader->draft.change.deltas[i].name,
                                               .remove = copy_values(reader, values->remove, values->n_remove),
                                               .n_remove = values->n_remove,
                                               .add = copy_values(reader, values->add, values->n_add),
                                               .n_add = values->n_add};
    }
}

static bool
read_member(struct reader *reader, struct span line, struct dir_change *change)
{
    struct span name, value;
    if (!split(reader, line, &name, &value))
        return false;
    struct {
        const char *name;
        struct span *at;
    } members[] = {{"id", &change->id},
                   {"name", &change->name},
                   {"new-name", &change->new_name},
                   {"source", &change->source},
                   {"why", &change->why}};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (span_equal(name, span_of(members[i].name))) {
            *members[i].at = value;
            return true;
        }
    return false;
}

static bool
read_change(struct reader *reader)
{
    struct dir_delta deltas[DRAFT_DELTAS];
    struct dir_change *change = &reader->draft.change;
    struct span line, text;
    uint64_t number;
    *change = (struct dir_change){.id = {"", 0}, .name = {"", 0}, .new_name = {"", 0}, .deltas = deltas};
    change->source = change->why = change->id;
    if (!take(reader, &line) || line.len != 0 || !take(reader, &line) || !after(&line, SPAN("change ")) ||
        !take_count(&line, SPAN(": "), &number) || number != reader->plan->n_changes + 1 ||
        !take_side(&line, &change->host) || !take_operation(&line, &change->operation) ||
        !read_kind(line, &change->kind))
        return false;
    while (peek(reader, &line) && line.len > 2 && line.at[0] == ' ') {
        text = line;
        bool good = after(&text, SPAN("  + "))   ? read_delta_line(reader, text, true)
                    : after(&text, SPAN("  - ")) ? read_delta_line(reader, text, false)
                    : after(&text, SPAN("  "))   ? change->n_deltas == 0 && read_member(reader, text, change)
                                                 : false;
        take(reader, &line);
        if (!good)
            return false;
    }
    keep_change(reader);
    return true;
}

static bool
read_changes(struct reader *reader)
{
    if (reader->changes > reader->rest.len)
        return false;
    reader->plan->changes = xcalloc((size_t)reader->changes + 1, sizeof *reader->plan->changes);
    while (reader->plan->n_changes < reader->changes)
        if (!read_change(reader))
            return false;
    return true;
}

/* ---- notices ---- */

static bool
read_notice(struct reader *reader)
{
    struct dir_plan *plan = reader->plan;
    struct dir_notice notice = {.id = {"", 0}, .name = {"", 0}, .text = {"", 0}};
    struct span line, name, value;
    uint64_t number;
    unsigned kind = 0;
    if (!take(reader, &line) || line.len != 0 || !take(reader, &line))
        return false;
    while (kind < DIR_NOTE_KINDS && !take_word(&line, span_of(dir_note_name((enum dir_note)kind))))
        kind++;
    if (kind == DIR_NOTE_KINDS || !take_count(&line, SPAN(": "), &number) || number != plan->n_notices + 1 ||
        !take_side(&line, &notice.host) || line.len != 0)
        return false;
    notice.kind = (enum dir_note)kind;
    while (peek(reader, &line) && line.len > 2 && line.at[0] == ' ') {
        take(reader, &line);
        if (!after(&line, SPAN("  ")) || !split(reader, line, &name, &value))
            return false;
        if (span_equal(name, SPAN("id")))
            notice.id = value;
        else if (span_equal(name, SPAN("name")))
            notice.name = value;
        else if (span_equal(name, SPAN("text")))
            notice.text = value;
        else
            return false;
    }
    plan->notices[plan->n_notices++] = notice;
    return true;
}

static bool
read_notices(struct reader *reader)
{
    if (reader->notices > reader->rest.len)
        return false;
    reader->plan->notices = xcalloc((size_t)reader->notices + 1, sizeof *reader->plan->notices);
    while (reader->plan->n_notices < reader->notices)
        if (!read_notice(reader))
            return false;
    return true;
}

/* ---- the whole ---- */

/* The last line, and whether it fits what stands before it. */
static int
check_hash(struct span text, char hash[65], struct why *why)
{
    if (text.len < HASH_LINE || memcmp(text.at + text.len - HASH_LINE, "hash: ", 6) != 0 ||
        text.at[text.len - 1] != '\n') {
        why_set(why, "5.3.5", "the plan has no hash at its end: it was cut, or is none");
        return -EBADMSG;
    }
    plan_hash((struct span){text.at, text.len - HASH_LINE}, hash);
    if (memcmp(hash, text.at + text.len - 65, 64) == 0)
        return 0;
    why_set(why, "5.3.5",
            "the plan was edited or cut: its hash does not fit; a plan is made anew, not changed");
    return -EBADMSG;
}

static int
read_all(struct reader *reader)
{
    struct span line, value;
    if (!read_head(reader))
        return bad(reader, "the head is not that of a plan");
    if (!read_changes(reader))
        return bad(reader, "no change is to be read here");
    if (!read_notices(reader))
        return bad(reader, "no notice is to be read here");
    if (!take(reader, &line) || line.len != 0 || !take_named(reader, "summary", &value) ||
        reader->rest.len != HASH_LINE)
        return bad(reader, "there is more, or less, than the head says");
    return 0;
}

int
plan_read_text(struct span text, struct dir_plan **plan, struct why *why)
{
    struct reader reader = {.rest = text, .why = why};
    reader.plan = xcalloc(1, sizeof *reader.plan);
    reader.plan->arena = arena_new(SIZE_MAX / 2);
    int r = read_all(&reader);
    draft_clear(&reader.draft);
    buf_clear(&reader.value);
    if (r < 0)
        dir_plan_free(reader.plan);
    else
        *plan = reader.plan;
    return r;
}

int
dir_plan_read(struct span text, struct dir_plan **plan, struct why *why)
{
    char hash[65];
    int r = check_hash(text, hash, why);
    if (r == -EBADMSG && !after(&(struct span){text.at, text.len}, SPAN("viaduct-plan 1\n")))
        r = why_set(why, "5.3.5", "line 1: this is no plan");
    if (r == 0)
        r = plan_read_text(text, plan, why);
    if (r == 0)
        memcpy((*plan)->hash, hash, sizeof hash);
    return r;
}
