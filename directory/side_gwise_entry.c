/* side_gwise_entry.c - GroupWise's entries and ours (see side_gwise.h)
 *
 * The key of an entry is domain, post office and object, compared without case: joined by dots it is its GWISE address, its name
 * here and, in upper case, its id. Others of GroupWise's are recipients with a mailbox there; what lies in our own foreign domain
 * is a copy of the host's.
 *
 * What is hostile here: answers. Values of blanks alone are none; control octets become blanks.
 */
#include "directory/side_gwise.h"

#include <errno.h>
#include <stdio.h>

#include "common/utf8.h"

enum { KEY_CHARACTERS = 32, OBJECT_CHARACTERS = 64, ENTRY_ARENA_BYTES = 1 << 20 };

/* What is kept in step, and where GroupWise has it. Description is the display name of copies; of others it says whatever somebody
 * wrote. */
static const struct {
    enum dir_attribute ours;
    enum directory_attribute theirs;
    size_t characters;
    bool copies_only;
} kept[] = {{DIR_SURNAME, DIRECTORY_LAST_NAME, 40, false},
            {DIR_GIVEN, DIRECTORY_FIRST_NAME, 32, false},
            {DIR_DISPLAY, DIRECTORY_DESCRIPTION, 64, true},
            {DIR_TITLE, DIRECTORY_TITLE, 32, false},
            {DIR_DEPARTMENT, DIRECTORY_DEPARTMENT, 32, false},
            {DIR_PHONE, DIRECTORY_PHONE, 33, false},
            {DIR_FAX, DIRECTORY_FAX, 33, false}};

struct taking {
    const struct gwise_side *side;
    const struct dir_set *before;
    struct dir_set *set;
    struct arena *arena; /* of one entry */
    struct dir_room room;
    struct why *why;
    int err;
};

/* ---- is it an answer? ---- */

/* A gateway tells in comments what a List asked for; in the answer to a request for everything it has nothing to tell. */
static bool
answers_a_list(struct span text)
{
    bool found = false;
    while (text.len > 0 && !found) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        found = len > 0 && text.at[0] == '#' && memmem(text.at, len, "query information", 17) != NULL;
        len += end != NULL;
        text = (struct span){text.at + len, text.len - len};
    }
    return found;
}

struct looking {
    struct span own;
    size_t others;
};

static bool
look(void *arg, const struct directory_entry *entry)
{
    struct looking *looking = arg;
    looking->others += !span_equal_nocase(entry->domain, looking->own);
    return true;
}

int
gwise_judge_answer(struct span text, struct span own_domain, struct arena *arena, struct api_file *file,
                   struct why *why)
{
    const struct directory_scope scope = {.everything = true};
    struct looking looking = {.own = own_domain};
    if (text.len == 0 || api_read(text, arena, file, why) < 0) {
        if (text.len == 0)
            why_set(why, "5.6.0", "it is empty");
        return -EBADMSG;
    }
    if (answers_a_list(text)) {
        why_set(why, "5.6.0", "it answers a List, and everything was asked for");
        return -EBADMSG;
    }
    int n = directory_read(file, &scope, look, &looking, why);
    if (n < 0)
        return -EBADMSG;
    if (looking.others > 0)
        return 0;
    why_set(why, "5.6.0", "it names nobody but in our own foreign domain %.*s: it is not the whole directory",
            (int)own_domain.len, own_domain.at);
    return -EBADMSG;
}

/* ---- values ---- */

static struct span
clean(struct arena *arena, struct span value)
{
    value = span_trim(value);
    if (value.len > 4096)
        value.len = 4096;
    if (utf8_printable(value))
        return value;
    char *copy = arena_copy(arena, value);
    for (size_t i = 0, len; copy != NULL && i < value.len; i += len) {
        len = utf8_sequence(copy + i, value.len - i);
        bool good = len > 0 && utf8_printable((struct span){copy + i, len});
        len = len > 0 ? len : 1;
        if (!good)
            memset(copy + i, ' ', len);
    }
    return copy != NULL ? span_trim((struct span){copy, value.len}) : SPAN("");
}

static struct span
cut(struct span text, size_t characters)
{
    size_t at = 0;
    for (size_t n = 0; n < characters && at < text.len; n++) {
        size_t len = utf8_sequence(text.at + at, text.len - at);
        at += len > 0 ? len : 1;
    }
    return (struct span){text.at, at};
}

/* What the gateway makes of a value that we write: cut, and in its code page. */
static struct span
as_kept(const struct gwise_side *side, struct span value, size_t characters, struct arena *arena)
{
    struct buf octets = {0}, text = {0};
    codepage_encode(side->codepage, cut(span_trim(value), characters), side->unmappable, &octets);
    codepage_decode(side->codepage, buf_span(&octets), &text);
    struct span kept_value = arena_span(arena, span_trim(buf_span(&text)));
    buf_clear(&octets);
    buf_clear(&text);
    return kept_value.at != NULL ? kept_value : SPAN("");
}

struct span
gwise_id(struct span address, struct arena *arena)
{
    char *id = arena_copy(arena, address);
    BUG_UNLESS(id != NULL);
    for (size_t i = 0; i < address.len; i++)
        if (id[i] >= 'a' && id[i] <= 'z')
            id[i] = (char)(id[i] - 32);
    return (struct span){id, address.len};
}

/* ---- entries that are read ---- */

/* A copy's values as we wrote them, where the gateway has what it would make of these. */
static void
restore(struct taking *taking, struct dir_entry *entry)
{
    struct dir_entry old;
    size_t place = taking->before != NULL ? dir_set_find_id(taking->before, entry->id) : SIZE_MAX;
    if (place == SIZE_MAX || !dir_set_get(taking->before, place, &taking->room, &old))
        return;
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        struct span *value = &entry->value[kept[i].ours], was = old.value[kept[i].ours];
        if (!span_equal(*value, was) && was.len > 0 &&
            span_equal(as_kept(taking->side, was, kept[i].characters, taking->arena), *value))
            *value = was;
    }
}

static void
take_values(struct taking *taking, const struct directory_entry *from, bool own, struct dir_entry *entry)
{
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (own || !kept[i].copies_only)
            entry->value[kept[i].ours] = clean(taking->arena, from->values[kept[i].theirs]);
    struct span given = entry->value[DIR_GIVEN], surname = entry->value[DIR_SURNAME];
    if (own)
        return;
    char *display = arena_alloc(taking->arena, given.len + surname.len + 2);
    if (given.len > 0 && surname.len > 0 && display != NULL) {
        snprintf(display, given.len + surname.len + 2, "%.*s %.*s", (int)given.len, given.at, (int)surname.len,
                 surname.at);
        entry->value[DIR_DISPLAY] = span_of(display);
    } else {
        struct span object = clean(taking->arena, from->object);
        entry->value[DIR_DISPLAY] = given.len > 0 ? given : surname.len > 0 ? surname : object;
    }
}

static void
take_alias(struct taking *taking, const struct directory_entry *from, bool own, struct dir_entry *entry)
{
    const char *type = taking->side->foreign->alias;
    struct address address;
    entry->proxies = arena_alloc(taking->arena, DIRECTORY_ALIASES_MAX * sizeof *entry->proxies);
    for (size_t i = 0; type != NULL && entry->proxies != NULL && i < from->n_aliases; i++)
        if (span_equal_nocase(from->aliases[i].type, span_of(type)) &&
            address_make(SPAN("SMTP"), from->aliases[i].name, false, taking->arena, &address, NULL) == 0 &&
            !(own && entry->n_proxies > 0))
            entry->proxies[entry->n_proxies++] = (struct dir_proxy){address, own};
}

static struct span
own_mark(const struct gwise_side *side, struct arena *arena)
{
    struct buf mark = {0};
    dir_mark_print(side->side.context->dirsync->title, SPAN(""), false, &mark);
    struct span span = arena_span(arena, buf_span(&mark));
    buf_clear(&mark);
    return span;
}

static void
take_kind(const struct directory_entry *from, bool own, struct dir_entry *entry)
{
    entry->kind = from->kind == DIRECTORY_RESOURCE ? DIR_RESOURCE
                  : from->kind == DIRECTORY_GROUP  ? DIR_GROUP
                                                   : DIR_MAILBOX;
    if (own)
        entry->kind = DIR_CONTACT;
}

static bool
take_entry(void *arg, const struct directory_entry *from)
{
    struct taking *taking = arg;
    struct dir_entry entry = {.hidden = span_equal_nocase(from->visibility, SPAN("None"))};
    struct why reason;
    bool own = span_equal_nocase(from->domain, span_of(taking->side->domain));
    arena_reset(taking->arena);
    if (from->kind == DIRECTORY_OFFICE)
        return true; /* no recipient */
    char *name = arena_printf(taking->arena, "%.*s.%.*s.%.*s", (int)from->domain.len, from->domain.at,
                              (int)from->office.len, from->office.at, (int)from->object.len, from->object.at);
    if (name == NULL || strlen(name) > DIR_ID_MAX) {
        why_set(taking->why, "5.6.0", "an entry's name is too long: %.100s", name != NULL ? name : "");
        taking->err = -EBADMSG;
        return false;
    }
    entry.name = clean(taking->arena, span_of(name));
    entry.id = gwise_id(entry.name, taking->arena);
    if (address_make(SPAN("GWISE"), entry.name, false, taking->arena, &entry.target, &reason) < 0) {
        entry.target = (struct address){{NULL, 0}, {NULL, 0}};
        entry.broken = true;
        entry.trouble = span_of(reason.text);
    }
    take_kind(from, own, &entry);
    take_values(taking, from, own, &entry);
    take_alias(taking, from, own, &entry);
    if (own) {
        entry.mark = own_mark(taking->side, taking->arena);
        restore(taking, &entry);
    }
    if (dir_set_put(taking->set, &entry, taking->why) == SIZE_MAX)
        taking->err = -EBADMSG;
    return taking->err == 0;
}

int
gwise_take_answer(const struct gwise_side *side, struct span text, const struct dir_set *before,
                  struct dir_set *set, struct why *why)
{
    const struct directory_scope scope = {.everything = true};
    struct arena *arena = arena_new(API_DIRECTORY_ARENA_MAX);
    struct api_file file;
    struct taking taking = {
        .side = side, .before = before, .set = set, .arena = arena_new(ENTRY_ARENA_BYTES), .why = why};
    int err = gwise_judge_answer(text, span_of(side->domain), arena, &file, why);
    if (err == 0 && directory_read(&file, &scope, take_entry, &taking, why) < 0)
        err = -EBADMSG;
    arena_free(taking.arena);
    arena_free(arena);
    dir_room_clear(&taking.room);
    return err != 0 ? err : taking.err;
}

/* ---- entries that are written ---- */

/* A part of the key must stay what it is: cut, or in another alphabet, it would be somebody else. */
static bool
key_fits(const struct gwise_side *side, struct span part, size_t characters, struct why *why)
{
    struct buf octets = {0};
    size_t n = cut(part, characters).len;
    bool fits = n == part.len && part.len > 0 && utf8_printable(part) && span_trim(part).len == part.len &&
                codepage_encode(side->codepage, part, UNMAPPABLE_QUESTION, &octets) == 0;
    buf_clear(&octets);
    if (!fits)
        why_set(
            why, "5.1.3",
            "GroupWise cannot have \"%.*s\" in an address: longer than %zu characters, or not in code page %s",
            (int)(part.len < 100 ? part.len : 100), part.at, characters,
            side->connector->convert.codepage != NULL ? side->connector->convert.codepage : "437");
    return fits;
}

bool
gwise_fill(const struct gwise_side *side, const struct dir_entry *entry, struct directory_entry *out,
           struct why *why)
{
    struct api_address address;
    const struct dir_proxy *mail = dir_entry_proxy(entry, SPAN("SMTP"));
    *out = (struct directory_entry){.kind = entry->kind == DIR_RESOURCE ? DIRECTORY_RESOURCE : DIRECTORY_USER};
    if (!api_split_address(entry->name, &address)) {
        why_set(why, "5.1.3", "\"%.*s\" is not Domain.PostOffice.User",
                (int)(entry->name.len < 100 ? entry->name.len : 100), entry->name.at);
        return false;
    }
    if (!span_equal_nocase(address.domain, span_of(side->domain))) {
        why_set(why, "5.7.1",
                "it does not lie in %s, the domain that stands for the host: nothing else is written",
                side->domain);
        return false;
    }
    if (!key_fits(side, address.domain, KEY_CHARACTERS, why) ||
        !key_fits(side, address.office, KEY_CHARACTERS, why) ||
        !key_fits(side, address.user, OBJECT_CHARACTERS, why))
        return false;
    out->domain = address.domain;
    out->office = address.office;
    out->object = address.user;
    out->visibility = entry->hidden ? SPAN("None") : SPAN("System");
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        out->has[kept[i].theirs] = true;
        out->values[kept[i].theirs] = entry->value[kept[i].ours];
    }
    if (side->foreign->alias != NULL && mail != NULL)
        out->aliases[out->n_aliases++] =
            (struct directory_alias){span_of(side->foreign->alias), mail->address.value};
    return true;
}
