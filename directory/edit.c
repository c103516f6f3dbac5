/* edit.c - a change carried out on an entry in memory (see edit.h) */
#include "directory/edit.h"

#include <errno.h>

#include "directory/words.h"

struct edit {
    struct dir_entry *entry;
    const struct dir_change *change;
    struct arena *arena;
    struct why *why;
    bool changed;
    enum dir_result result; /* DIR_DONE as long as all is well */
};

static void
fail(struct edit *edit, enum dir_result result, const char *what, struct span value)
{
    if (edit->result != DIR_DONE)
        return;
    edit->result = result;
    why_set(edit->why, result == DIR_STALE ? "4.3.2" : "5.3.5", "%s%s%.*s", what, value.len > 0 ? " " : "",
            (int)(value.len < 200 ? value.len : 200), value.at);
}

const struct dir_delta *
dir_change_delta(const struct dir_change *change, struct span name)
{
    for (size_t i = 0; i < change->n_deltas; i++)
        if (span_equal_nocase(change->deltas[i].name, name))
            return &change->deltas[i];
    return NULL;
}

static struct span
only(const struct span *values, size_t n)
{
    return n > 0 ? values[0] : SPAN("");
}

/* ---- single values ---- */

static void
edit_text(struct edit *edit, const struct dir_delta *delta, struct span *value)
{
    struct span remove = only(delta->remove, delta->n_remove), add = only(delta->add, delta->n_add);
    if (span_equal(*value, add))
        return;
    if (!span_equal(*value, remove)) {
        fail(edit, DIR_STALE, "somebody else has set", delta->name);
        return;
    }
    *value = add;
    edit->changed = true;
}

static bool
read_address(struct edit *edit, struct span text, struct address *address)
{
    struct why why;
    if (address_parse(text, edit->arena, address, &why) == 0)
        return true;
    fail(edit, DIR_REFUSED, why.text, text);
    return false;
}

static void
edit_target(struct edit *edit, const struct dir_delta *delta)
{
    struct address add = {{NULL, 0}, {NULL, 0}}, remove = {{NULL, 0}, {NULL, 0}};
    struct address *target = &edit->entry->target;
    if ((delta->n_add > 0 && !read_address(edit, delta->add[0], &add)) ||
        (delta->n_remove > 0 && !read_address(edit, delta->remove[0], &remove)))
        return;
    if (address_equal(target, &add) && span_equal(target->value, add.value))
        return;
    if (!address_equal(target, &remove)) {
        fail(edit, DIR_STALE, "somebody else has set", delta->name);
        return;
    }
    *target = add;
    edit->changed = true;
}

static void
set_hidden(struct edit *edit, bool hidden)
{
    edit->changed = edit->changed || edit->entry->hidden != hidden;
    edit->entry->hidden = hidden;
}

/* ---- lists ---- */

static size_t
find_proxy(const struct dir_proxy *proxies, size_t n, const struct address *address)
{
    size_t i = 0;
    while (i < n && !address_equal(&proxies[i].address, address))
        i++;
    return i;
}

static void
edit_proxies(struct edit *edit, const struct dir_delta *delta)
{
    struct dir_entry *entry = edit->entry;
    struct dir_proxy *proxies =
        arena_alloc(edit->arena, (entry->n_proxies + delta->n_add + 1) * sizeof *proxies);
    struct address address;
    size_t n = entry->n_proxies;
    if (proxies == NULL) {
        fail(edit, DIR_REFUSED, "it is too large", SPAN(""));
        return;
    }
    if (n > 0)
        memcpy(proxies, entry->proxies, n * sizeof *proxies);
    for (size_t i = 0; i < delta->n_remove && read_address(edit, delta->remove[i], &address); i++) {
        size_t at = find_proxy(proxies, n, &address);
        if (at == n || proxies[at].primary != dir_proxy_is_primary(delta->remove[i]))
            continue; /* gone already, or what is added instead is there already */
        memmove(proxies + at, proxies + at + 1, (n - at - 1) * sizeof *proxies);
        n--;
        edit->changed = true;
    }
    for (size_t i = 0; i < delta->n_add && read_address(edit, delta->add[i], &address); i++) {
        size_t at = find_proxy(proxies, n, &address);
        bool primary = dir_proxy_is_primary(delta->add[i]);
        if (at < n && proxies[at].primary == primary)
            continue;
        proxies[at] = (struct dir_proxy){address, primary};
        n += at == n;
        edit->changed = true;
    }
    if (n > DIR_PROXIES_MAX)
        fail(edit, DIR_REFUSED, "it has more addresses than an entry may have", SPAN(""));
    entry->proxies = proxies;
    entry->n_proxies = n;
}

/* Where a directory keeps one Internet address, it alone is there; else it goes with the proxies. */
static void
edit_mail(struct edit *edit, const struct dir_delta *delta)
{
    struct dir_entry *entry = edit->entry;
    struct span add = only(delta->add, delta->n_add);
    struct address address;
    const struct dir_proxy *old = dir_entry_proxy(entry, SPAN("SMTP"));
    if (dir_change_delta(edit->change, SPAN("proxyAddresses")) != NULL ||
        span_equal(old != NULL ? old->address.value : SPAN(""), add))
        return;
    edit->changed = true;
    entry->n_proxies = 0;
    entry->proxies = arena_alloc(edit->arena, sizeof *entry->proxies);
    if (entry->proxies == NULL ||
        (add.len > 0 && address_make(SPAN("SMTP"), add, false, edit->arena, &address, edit->why) < 0))
        fail(edit, DIR_REFUSED, "it is no Internet address:", add);
    else if (add.len > 0)
        entry->proxies[entry->n_proxies++] = (struct dir_proxy){address, true};
}

enum { MEMBER_STAYS = 1, MEMBER_GOES = 2 };

static size_t
keep_members(struct edit *edit, struct dir_words *words, struct buf *key, struct span *members)
{
    size_t n = 0;
    for (size_t i = 0; i < edit->entry->n_members; i++)
        if (dir_words_get(words, dir_fold(key, edit->entry->members[i]), 0) == MEMBER_STAYS)
            members[n++] = edit->entry->members[i];
        else
            edit->changed = true;
    return n;
}

static void
edit_members(struct edit *edit, const struct dir_delta *delta)
{
    struct dir_entry *entry = edit->entry;
    struct span *members = arena_alloc(edit->arena, (entry->n_members + delta->n_add + 1) * sizeof *members);
    struct dir_words *words = dir_words_new();
    struct buf key = {0};
    size_t n = 0;
    for (size_t i = 0; i < entry->n_members; i++)
        dir_words_set(words, dir_fold(&key, entry->members[i]), MEMBER_STAYS);
    for (size_t i = 0; i < delta->n_remove; i++)
        dir_words_set(words, dir_fold(&key, delta->remove[i]), MEMBER_GOES);
    if (members == NULL)
        fail(edit, DIR_REFUSED, "it has more members than fit in memory", SPAN(""));
    else
        n = keep_members(edit, words, &key, members);
    for (size_t i = 0; members != NULL && i < delta->n_add; i++) {
        if (dir_words_get(words, dir_fold(&key, delta->add[i]), 0) == MEMBER_STAYS)
            continue;
        dir_words_set(words, buf_span(&key), MEMBER_STAYS);
        members[n++] = delta->add[i];
        edit->changed = true;
    }
    entry->members = members;
    entry->n_members = n;
    dir_words_free(words);
    buf_clear(&key);
}

/* ---- the whole ---- */

static void
edit_delta(struct edit *edit, const struct dir_delta *delta)
{
    struct dir_entry *entry = edit->entry;
    enum dir_attribute attribute = dir_attribute_find(delta->name);
    if (attribute != DIR_ATTRIBUTES)
        edit_text(edit, delta, &entry->value[attribute]);
    else if (span_equal_nocase(delta->name, SPAN("proxyAddresses")))
        edit_proxies(edit, delta);
    else if (span_equal_nocase(delta->name, SPAN("member")))
        edit_members(edit, delta);
    else if (span_equal_nocase(delta->name, SPAN("targetAddress")))
        edit_target(edit, delta);
    else if (span_equal_nocase(delta->name, SPAN("hidden")))
        set_hidden(edit, span_equal_nocase(only(delta->add, delta->n_add), SPAN("TRUE")));
    else if (span_equal_nocase(delta->name, SPAN("mark")))
        edit_text(edit, delta, &entry->mark);
    else if (span_equal_nocase(delta->name, SPAN("mail")))
        edit_mail(edit, delta);
    else
        fail(edit, DIR_REFUSED, "there is no attribute", delta->name);
}

static void
begin_entry(struct edit *edit, const char *dirsync)
{
    struct buf mark = {0};
    edit->entry->kind = edit->change->kind;
    edit->entry->name = edit->change->name;
    edit->changed = true;
    if (dirsync == NULL || dir_change_delta(edit->change, SPAN("mark")) != NULL)
        return;
    dir_mark_print(dirsync, edit->change->source, false, &mark);
    edit->entry->mark = arena_span(edit->arena, buf_span(&mark));
    buf_clear(&mark);
    if (edit->entry->mark.at == NULL)
        fail(edit, DIR_REFUSED, "it is too large", SPAN(""));
}

static void
rename_entry(struct edit *edit)
{
    edit->changed = edit->changed || !span_equal(edit->entry->name, edit->change->new_name);
    edit->entry->name = edit->change->new_name;
}

enum dir_result
dir_entry_edit(struct dir_entry *entry, const struct dir_change *change, const char *dirsync,
               struct arena *arena, struct why *why)
{
    struct edit edit = {.entry = entry, .change = change, .arena = arena, .why = why, .result = DIR_DONE};
    switch (change->operation) {
    case DIR_ADD:
        begin_entry(&edit, dirsync);
        break;
    case DIR_RENAME:
        rename_entry(&edit);
        break;
    case DIR_HIDE:
    case DIR_SHOW:
        set_hidden(&edit, change->operation == DIR_HIDE);
        break;
    case DIR_CHANGE:
        break;
    default:
        fail(&edit, DIR_REFUSED, "this directory knows no operation",
             span_of(dir_operation_name(change->operation)));
    }
    for (size_t i = 0; i < change->n_deltas && edit.result == DIR_DONE; i++)
        edit_delta(&edit, &change->deltas[i]);
    return edit.result != DIR_DONE || edit.changed ? edit.result : DIR_DONE_BEFORE;
}
