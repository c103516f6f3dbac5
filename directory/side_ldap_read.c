/* side_ldap_read.c - a directory behind LDAP is read, whole or by what changed (see side.h)
 *
 *     whole      a new set, which takes the old one's place when the server has said that this was all
 *     changes    changed entries into a set of their own, ids of those that are gone; put into the set when all is there
 *
 * A group names its members by their names. A member that is renamed or deleted changes the group without the server calling it
 * changed (Active Directory does not), so groups that list an old name are read again. Who lies in a container that is renamed
 * is not called changed either: then all is read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/side_ldap.h"

enum { TRIES = 3, NOTES_MAX = 20, IDS_A_QUESTION = 50, PREFIX_MAX = 3 };

struct side_reading {
    struct ldap_side *side;
    struct dir_set *set;
    struct side_raw raw;
    struct buf gone; /* ids, each with a NUL behind it */
    bool changes;    /* who is no recipient (any more) is gone */
    uint64_t n, troubled, left_out;
    char first[300]; /* the first that was left out */
};

/* ---- entries ---- */

static void
add_gone(struct side_reading *reading, struct span id)
{
    dir_set_drop(reading->set, id);
    if (memchr(id.at, '\0', id.len) != NULL)
        return;
    buf_add_span(&reading->gone, id);
    buf_add_byte(&reading->gone, '\0');
}

/* Whoever cannot be kept as he is is kept as somebody who is there. */
static void
put(struct side_reading *reading, const struct dir_entry *entry)
{
    struct why why = {"", ""};
    if (entry->trouble.len > 0 && reading->troubled++ < NOTES_MAX)
        side_note(reading->side, "%.*s: %.*s", (int)(entry->name.len < 200 ? entry->name.len : 200),
                  entry->name.at, (int)entry->trouble.len, entry->trouble.at);
    if (dir_set_put(reading->set, entry, &why) != SIZE_MAX)
        return;
    struct dir_entry bare = {.id = entry->id,
                             .name = entry->name,
                             .mark = entry->mark,
                             .kind = entry->kind,
                             .broken = true,
                             .trouble = span_of(why.text)};
    struct why second;
    if (dir_set_put(reading->set, &bare, &second) != SIZE_MAX)
        return;
    bare.name = side_cut(bare.name, DIR_ID_MAX);
    bare.mark = bare.mark.len > 0 ? SPAN("?") : bare.mark;
    if (dir_set_put(reading->set, &bare, &second) == SIZE_MAX && reading->left_out++ == 0)
        snprintf(reading->first, sizeof reading->first, "%.*s: %.150s",
                 (int)(bare.name.len < 100 ? bare.name.len : 100), bare.name.at, second.text);
}

static bool
take(void *arg, const struct ldap_answer *answer)
{
    struct side_reading *reading = arg;
    struct ldap_side *side = reading->side;
    const struct dir_context *context = side->side.context;
    struct dir_entry entry;
    side_raw_fill(&reading->raw, &side->names, answer);
    if (side_entry_map(&side->reader, &reading->raw, &entry)) {
        put(reading, &entry);
    } else if (reading->changes) {
        struct span id = side_id_of(&side->names, &reading->raw, side->reader.arena);
        if (id.len > 0)
            add_gone(reading, id);
    }
    if (++reading->n % 1000 == 0 && context->progress != NULL)
        context->progress(context->arg, side->side.title, reading->n, 0);
    return true;
}

static bool
take_gone(void *arg, struct span id)
{
    add_gone(arg, id);
    return true;
}

static struct ldap_question
question_of(const struct ldap_side *side, const char *filter)
{
    const char *member = side->names.slot[SLOT_MEMBER];
    return (struct ldap_question){
        .base = side->directory->base != NULL ? side->directory->base : "",
        .filter = filter,
        .attributes = side->names.asked,
        .ranged = member[0] != '\0' ? member : NULL,
    };
}

static void
tell(const struct side_reading *reading)
{
    if (reading->troubled > NOTES_MAX)
        side_note(reading->side, "%llu entries have values that cannot be used; the first %d were named",
                  (unsigned long long)reading->troubled, NOTES_MAX);
    if (reading->side->reader.homeless > 0)
        side_note(reading->side,
                  "%llu lists name no mail domain and are left out; an address-space of the connector says "
                  "which it is "
                  "(type NOTES, pattern *@DOMAIN)",
                  (unsigned long long)reading->side->reader.homeless);
    reading->side->reader.homeless = 0;
    if (reading->left_out > 0)
        side_note(reading->side, "%llu entries cannot be kept, the first is %s",
                  (unsigned long long)reading->left_out, reading->first);
}

static void
clear(struct side_reading *reading)
{
    dir_set_free(reading->set);
    side_raw_clear(&reading->raw);
    buf_clear(&reading->gone);
    memset(reading, 0, sizeof *reading);
}

/* ---- where changes come from ---- */

/* Whether what the change source calls an entry is what we call it. */
static bool
uses_changes(const struct ldap_side *side)
{
    enum ldap_changes source = ldap_changes_of(side->link);
    const char *id = side->names.slot[SLOT_ID];
    if (source == LDAP_CHANGES_NONE)
        return false;
    return span_equal_nocase(span_of(id),
                             source == LDAP_CHANGES_SYNCREPL ? SPAN("entryUUID") : SPAN("objectGUID"));
}

/* A lost connection is made anew, perhaps to another server. */
static int
reopen(struct ldap_side *side, int r, int try, struct why *why)
{
    if (r != -EAGAIN || try >= TRIES)
        return r;
    side_note(side, "%s; it is begun anew", why->text);
    int opened = side_ldap_open(&side->side, why);
    return opened < 0 ? opened : -EAGAIN;
}

/* ---- the whole ---- */

/* A server that shows no more than so many entries at a time, and knows no pages, is asked letter by letter: those whose name
 * begins with `prefix` and a letter, and last the others. */
static int
read_letters(struct side_reading *reading, const char *prefix, struct why *why)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct buf filter = {0}, rest = {0};
    char longer[PREFIX_MAX + 2];
    int r = 0;
    for (const char *letter = letters; *letter != '\0' && r == 0; letter++) {
        snprintf(longer, sizeof longer, "%s%c", prefix, *letter);
        buf_reset(&filter);
        buf_printf(&filter, "(&%s(cn=%s*))", reading->side->filter.at, longer);
        buf_printf(&rest, "(cn=%s*)", longer);
        struct ldap_question question = question_of(reading->side, filter.at);
        r = ldap_read(reading->side->link, &question, take, reading, why);
        if (r == -EMSGSIZE && strlen(longer) < PREFIX_MAX)
            r = read_letters(reading, longer, why);
    }
    buf_reset(&filter);
    buf_printf(&filter, prefix[0] != '\0' ? "(&%s(cn=%s*)(!(|%s)))" : "(&%s%s(!(|%s)))",
               reading->side->filter.at, prefix, rest.at);
    struct ldap_question question = question_of(reading->side, filter.at);
    if (r == 0)
        r = ldap_read(reading->side->link, &question, take, reading, why);
    buf_clear(&filter);
    buf_clear(&rest);
    return r;
}

static int
read_all_once(struct side_reading *reading, struct buf *cookie, struct why *why)
{
    struct ldap_side *side = reading->side;
    struct ldap_question question = question_of(side, side->filter.at);
    buf_reset(cookie);
    int r = uses_changes(side) ? ldap_changes_begin(side->link, cookie, why) : 0;
    if (r < 0 && r != -EAGAIN && r != -ETIMEDOUT) {
        side_note(side, "changes cannot be asked for, so all is read each time: %s", why->text);
        buf_reset(cookie);
        r = 0;
    }
    reading->set = dir_set_new();
    if (r == 0)
        r = ldap_read(side->link, &question, take, reading, why);
    return r == -EMSGSIZE ? read_letters(reading, "", why) : r;
}

static int
read_all(struct ldap_side *side, struct dir_set **set, struct dir_reading *reading, struct why *why)
{
    struct side_reading now = {.side = side};
    struct buf cookie = {0};
    int r = -EAGAIN;
    for (int try = 1; r == -EAGAIN && try <= TRIES; try++) {
        clear(&now);
        now.side = side;
        r = reopen(side, read_all_once(&now, &cookie, why), try, why);
    }
    if (r == 0) {
        tell(&now);
        struct dir_set *old = *set;
        *set = now.set;
        now.set = old;
        struct buf swap = reading->cookie;
        reading->cookie = cookie;
        cookie = swap;
        snprintf(reading->source, sizeof reading->source, "%s", side->source);
        reading->full_s = reading->read_s = time_ms() / 1000;
    }
    clear(&now);
    buf_clear(&cookie);
    return r;
}

/* ---- groups whose members have other names now ---- */

struct stale {
    char **names; /* lower case */
    size_t n, size;
};

static char *
lower(struct span name)
{
    char *text = xstrndup(name.at, name.len);
    for (char *c = text; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    return text;
}

static void
add_stale(struct stale *stale, struct span name)
{
    if (stale->n == stale->size) {
        stale->size = stale->size > 0 ? 2 * stale->size : 64;
        stale->names = xrealloc(stale->names, stale->size * sizeof *stale->names);
    }
    stale->names[stale->n++] = lower(name);
}

static void
clear_stale(struct stale *stale)
{
    for (size_t i = 0; i < stale->n; i++)
        free(stale->names[i]);
    free(stale->names);
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
lists_stale(const struct stale *stale, const struct dir_entry *entry)
{
    for (size_t i = 0; i < entry->n_members; i++) {
        char *name = lower(entry->members[i]);
        bool found = bsearch(&name, stale->names, stale->n, sizeof *stale->names, by_text) != NULL;
        free(name);
        if (found)
            return true;
    }
    return false;
}

/* The names that changed or went, as the set has them still. */
static void
find_stale(const struct dir_set *set, const struct side_reading *now, struct stale *stale)
{
    struct dir_room room = {0}, other = {0};
    struct dir_entry entry, old;
    for (size_t place = 0; place < dir_set_places(now->set); place++)
        if (dir_set_get(now->set, place, &room, &entry) &&
            dir_set_get(set, dir_set_find_id(set, entry.id), &other, &old) &&
            !span_equal_nocase(entry.name, old.name))
            add_stale(stale, old.name);
    for (const char *id = now->gone.at, *end = id + now->gone.len; id < end; id += strlen(id) + 1)
        if (dir_set_get(set, dir_set_find_id(set, span_of(id)), &other, &old))
            add_stale(stale, old.name);
    if (stale->n > 0)
        qsort(stale->names, stale->n, sizeof *stale->names, by_text);
    dir_room_clear(&room);
    dir_room_clear(&other);
}

static int
ask_groups(struct side_reading *now, struct buf *filter, size_t *n, struct why *why)
{
    buf_add_byte(filter, ')');
    struct ldap_question question = question_of(now->side, filter->at);
    int r = *n > 0 ? ldap_read(now->side->link, &question, take, now, why) : 0;
    buf_reset(filter);
    buf_add_text(filter, "(|");
    *n = 0;
    return r;
}

static int
reread_groups(const struct dir_set *set, struct side_reading *now, struct why *why)
{
    struct stale stale = {0};
    struct dir_room room = {0};
    struct dir_entry entry;
    struct buf filter = {0};
    size_t n = 0;
    int r = 0;
    find_stale(set, now, &stale);
    buf_add_text(&filter, "(|");
    for (size_t place = 0; stale.n > 0 && place < dir_set_places(set) && r == 0; place++) {
        if (!dir_set_get(set, place, &room, &entry) || entry.kind != DIR_GROUP ||
            !lists_stale(&stale, &entry) || dir_set_find_id(now->set, entry.id) != SIZE_MAX)
            continue;
        side_id_filter(&now->side->names, entry.id, &filter);
        if (++n == IDS_A_QUESTION)
            r = ask_groups(now, &filter, &n, why);
    }
    if (r == 0)
        r = ask_groups(now, &filter, &n, why);
    buf_clear(&filter);
    clear_stale(&stale);
    dir_room_clear(&room);
    return r;
}

/* ---- containers that have other names now ---- */

/* What lies in a container that is renamed or moved is not called changed, though all its names are others. Which containers were
 * renamed no server tells; but then the set knows nobody below one of those that changed, and the server does. */
struct container_look {
    struct side_reading *now;
    const struct dir_set *set;
    char **names;
    size_t n, size;
};

static bool
take_container(void *arg, const struct ldap_answer *answer)
{
    struct container_look *look = arg;
    struct span dn = ldap_answer_dn(answer);
    if (look->n == look->size) {
        look->size = look->size > 0 ? 2 * look->size : 16;
        look->names = xrealloc(look->names, look->size * sizeof *look->names);
    }
    look->names[look->n++] = xstrndup(dn.at, dn.len);
    return true;
}

static bool
take_any(void *arg, const struct ldap_answer *answer)
{
    struct container_look *look = arg;
    struct dir_entry entry;
    side_raw_fill(&look->now->raw, &look->now->side->names, answer);
    bool is = side_entry_map(&look->now->side->reader, &look->now->raw, &entry);
    look->n += is;
    return !is;
}

/* Asks of the ids that are no recipients which are containers. */
static int
ask_containers(struct container_look *look, struct buf *ids, size_t *n, struct why *why)
{
    static const char *const few[] = {"objectClass", NULL};
    struct ldap_side *side = look->now->side;
    struct buf filter = {0};
    buf_printf(&filter,
               "(&(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=organization)"
               "(objectClass=domain)(objectClass=locality))(|%s))",
               ids->len > 0 ? ids->at : "");
    struct ldap_question question = {
        .base = ldap_link_server(side->link)->naming_context, .filter = filter.at, .attributes = few};
    int r = *n > 0 ? ldap_read(side->link, &question, take_container, look, why) : 0;
    buf_clear(&filter);
    buf_reset(ids);
    *n = 0;
    return r == -ENOENT ? 0 : r;
}

static bool
knows_below(const struct dir_set *set, struct span container)
{
    struct dir_entry entry;
    for (size_t place = 0; place < dir_set_places(set); place++)
        if (dir_set_glance(set, place, &entry) && ldap_dn_below(entry.name, container))
            return true;
    return false;
}

/* -ESTALE where it was moved here, or may have been moved away. */
static int
look_below(struct container_look *look, const char *container, struct why *why)
{
    struct ldap_side *side = look->now->side;
    struct container_look below = {.now = look->now};
    struct ldap_question question = question_of(side, side->filter.at);
    const char *base = question.base;
    if (ldap_dn_below(span_of(base), span_of(container)) || knows_below(look->set, span_of(container)))
        return 0;
    question.base = container;
    int r = ldap_dn_below(span_of(container), span_of(base))
                ? ldap_read(side->link, &question, take_any, &below, why)
                : -ECANCELED;
    if (r == -ECANCELED) {
        why_set(why, "4.3.0", "%.300s was renamed or moved, or is new, and its entries with it", container);
        return -ESTALE;
    }
    return r == -ENOENT ? 0 : r;
}

static int
look_at_containers(const struct dir_set *set, struct side_reading *now, struct why *why)
{
    struct container_look look = {.now = now, .set = set};
    struct buf ids = {0};
    size_t n = 0;
    int r = 0;
    const char *id = now->gone.at, *end = id + now->gone.len;
    for (; id < end && r == 0; id += strlen(id) + 1) {
        if (dir_set_find_id(set, span_of(id)) != SIZE_MAX)
            continue;
        side_id_filter(&now->side->names, span_of(id), &ids);
        if (++n == IDS_A_QUESTION)
            r = ask_containers(&look, &ids, &n, why);
    }
    if (r == 0)
        r = ask_containers(&look, &ids, &n, why);
    for (size_t i = 0; i < look.n && r == 0; i++)
        r = look_below(&look, look.names[i], why);
    for (size_t i = 0; i < look.n; i++)
        free(look.names[i]);
    free(look.names);
    buf_clear(&ids);
    return r;
}

/* ---- changes ---- */

static void
merge(struct dir_set *set, const struct side_reading *now)
{
    struct dir_room room = {0};
    struct dir_entry entry;
    struct why why;
    for (const char *id = now->gone.at, *end = id + now->gone.len; id < end; id += strlen(id) + 1)
        dir_set_drop(set, span_of(id));
    for (size_t place = 0; place < dir_set_places(now->set); place++)
        if (dir_set_get(now->set, place, &room, &entry))
            dir_set_put(set, &entry, &why);
    dir_room_clear(&room);
}

static int
read_changes_once(struct side_reading *now, const struct dir_set *set, struct buf *cookie, struct why *why)
{
    struct ldap_side *side = now->side;
    struct ldap_question question = question_of(side, side->filter.at);
    now->set = dir_set_new();
    now->changes = true;
    int r = ldap_changes(side->link, &question, cookie, take, take_gone, now, why);
    if (r == 0)
        r = look_at_containers(set, now, why);
    return r == 0 ? reread_groups(set, now, why) : r;
}

/* -ESTALE: all must be read. */
static int
read_changes(struct ldap_side *side, struct dir_set *set, struct dir_reading *reading, struct why *why)
{
    struct side_reading now = {.side = side};
    struct buf cookie = {0};
    int r = -EAGAIN;
    for (int try = 1; r == -EAGAIN && try <= TRIES; try++) {
        clear(&now);
        now.side = side;
        buf_reset(&cookie);
        buf_add_span(&cookie, buf_span(&reading->cookie));
        r = reopen(side, read_changes_once(&now, set, &cookie, why), try, why);
        if (r == -EAGAIN && !span_equal(span_of(side->source), span_of(reading->source))) {
            why_set(why, "4.3.0", "another server answers now, %s", ldap_link_server(side->link)->url);
            r = -ESTALE;
        }
    }
    if (r == 0) {
        merge(set, &now);
        tell(&now);
        struct buf swap = reading->cookie;
        reading->cookie = cookie;
        cookie = swap;
        reading->read_s = time_ms() / 1000;
    }
    clear(&now);
    buf_clear(&cookie);
    return r;
}

/* A long reading is no snapshot: who was moved meanwhile may have been passed over on both ends. What changed since it began puts
 * that right; where that fails the reading is as good as one without. */
static void
catch_up(struct ldap_side *side, struct dir_set *set, struct dir_reading *reading)
{
    struct why why = {"", ""};
    int r = read_changes(side, set, reading, &why);
    if (r < 0 && r != -ESTALE)
        side_note(side, "what changed while all was read is not known: %s", why.text);
}

int
side_ldap_read(struct dir_side *base, struct dir_set **set, struct dir_reading *reading, bool full,
               struct why *why)
{
    struct ldap_side *side = (struct ldap_side *)base;
    bool usable = *set != NULL && reading->cookie.len > 0 && reading->full_s > 0 && uses_changes(side) &&
                  span_equal(span_of(side->source), span_of(reading->source));
    if (!full && usable) {
        int r = read_changes(side, *set, reading, why);
        if (r != -ESTALE)
            return r;
        side_note(side, "what changed is not known any more, so all is read: %s", why->text);
    }
    int r = read_all(side, set, reading, why);
    if (r == 0 && reading->cookie.len > 0 && uses_changes(side))
        catch_up(side, *set, reading);
    return r;
}
