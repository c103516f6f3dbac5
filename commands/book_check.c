/* book_check.c - `viaduct book check`: what in the book would lose mail, send it in circles, or was meant otherwise
 *
 * Faults are what breaks mail: a side that no connector has, an address that its system does not know, a primary address that
 * leads back, an address that two have. Notes are what a person should look at: one-offs kept as proxies, or used for whom the book
 * does not know, and people of one name on both sides, who may be one person.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/book.h"
#include "commands/book_check.h"
#include "commands/lookup.h"

struct name {
    uint64_t hash; /* of a display name without case; 0: nothing here */
    uint64_t side; /* of its side; 0: several, and told */
};

struct check {
    struct findings findings;
    const struct conf_root *root; /* NULL: no configuration, and nothing is known of connectors */
    struct book *book;
    struct arena *arena;
    struct name *names; /* open addressing, a power of two */
    size_t names_size, n_names;
    size_t n, n_wrong;
};

static struct span
of_entry(const struct book_entry *entry, struct buf *out)
{
    struct buf text = {0};
    address_print(&entry->primary, &text);
    text_add_clean(out, buf_span(&text));
    buf_clear(&text);
    return buf_span(out);
}

static void say(struct check *check, const struct book_entry *entry, bool wrong, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void
say(struct check *check, const struct book_entry *entry, bool wrong, const char *format, ...)
{
    struct buf who = {0}, text = {0}, clean = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    text_add_clean(&clean, buf_span(&text));
    of_entry(entry, &who);
    finding_of(&check->findings, wrong ? "wrong" : "note", who.at != NULL ? who.at : "", "%s", clean.at);
    check->n_wrong += wrong;
    buf_clear(&who);
    buf_clear(&text);
    buf_clear(&clean);
}

/* ---- where mail to it would go ---- */

static bool
is_host_domain(const struct conf_root *root, const struct address *address)
{
    struct mailbox_parts parts;
    return address_is_smtp(address) && mailbox_parse(address->value, &parts, NULL) == 0 &&
           host_domain_has(root, parts.domain);
}

/* A connector whose address space has the address. */
static const struct conf_connector *
space_of(const struct conf_root *root, const struct address *address)
{
    for (size_t i = 0; i < root->connectors_n; i++)
        for (size_t k = 0; k < root->connectors[i].address_spaces_n; k++) {
            const struct conf_address_space *space = &root->connectors[i].address_spaces[k];
            const char *pattern = space->pattern != NULL ? space->pattern : "";
            bool all =
                pattern[0] == '\0' || strcmp(pattern, "*") == 0; /* a connector to the rest of the world */
            if (!all && span_equal_nocase(span_of(space->type), address->type) &&
                pattern_match(address->type, span_of(pattern), address) > 0)
                return &root->connectors[i];
        }
    return NULL;
}

static void
check_foreign(struct check *check, const struct book_entry *entry)
{
    char side[CONNECTOR_NAME_MAX + 1];
    snprintf(side, sizeof side, "%.*s",
             (int)(entry->side.len < CONNECTOR_NAME_MAX ? entry->side.len : CONNECTOR_NAME_MAX),
             entry->side.at);
    const struct conf_connector *connector = conf_connector_find(check->root, side);
    if (connector == NULL) {
        say(check, entry, true, "its side is no connector");
        return;
    }
    if (is_host_domain(check->root, &entry->primary))
        say(check, entry, true,
            "a foreign recipient whose primary address lies in a host domain: mail to it would loop");
    struct span type = lookup_type(check->root, connector);
    if (!span_equal(type, entry->primary.type))
        say(check, entry, true,
            "its primary address is of type %.*s, and the system of connector %s knows %.*s",
            (int)entry->primary.type.len, entry->primary.type.at, side, (int)type.len, type.at);
}

static void
check_host(struct check *check, const struct book_entry *entry)
{
    if (is_host_domain(check->root, &entry->primary))
        return;
    const struct conf_connector *connector = space_of(check->root, &entry->primary);
    if (connector != NULL)
        say(check, entry, true,
            "one of the host's own whose primary address lies in an address space of connector %s: the host "
            "would send it back",
            connector->title);
}

/* ---- proxies ---- */

/* A proxy that encapsulates an address: whoever made it wrote to somebody whom the directory did not know. */
static void
check_oneoff(struct check *check, const struct book_entry *entry, const struct address *proxy)
{
    struct address inner;
    struct book_entry found;
    struct buf who = {0}, text = {0};
    if (!address_is_smtp(proxy) || imcea_decode(proxy->value, check->arena, &inner, NULL) != 0)
        return;
    address_print(&inner, &text);
    int r = book_find(check->book, &inner, check->arena, &found);
    if (r == 0 && !address_equal(&found.primary, &entry->primary)) {
        of_entry(&found, &who);
        say(check, entry, true, "its proxy %.*s is a one-off of %s, which is an address of %s",
            (int)proxy->value.len, proxy->value.at, text.at, who.at);
    } else if (r == 0)
        say(check, entry, false, "its proxy %.*s is a one-off of its own address %s: it is not needed",
            (int)proxy->value.len, proxy->value.at, text.at);
    else if (r == -ENOENT)
        say(check, entry, false, "its proxy %.*s is a one-off of %s, which could be a proxy itself",
            (int)proxy->value.len, proxy->value.at, text.at);
    buf_clear(&who);
    buf_clear(&text);
}

static void
say_too(struct check *check, const struct book_entry *entry, const struct book_entry *other,
        const struct address *proxy)
{
    struct buf who = {0};
    of_entry(other, &who);
    say(check, entry, true, "%s has its address %.*s:%.*s too", who.at != NULL ? who.at : "somebody",
        (int)proxy->type.len, proxy->type.at, (int)proxy->value.len, proxy->value.at);
    buf_clear(&who);
}

static void
check_proxy(struct check *check, const struct book_entry *entry, const struct address *proxy)
{
    struct book_entry found;
    arena_reset(check->arena);
    int r = book_find(check->book, proxy, check->arena, &found);
    if (r == -ENOENT)
        say(check, entry, true, "its address %.*s:%.*s is not found in the book", (int)proxy->type.len,
            proxy->type.at, (int)proxy->value.len, proxy->value.at);
    else if (r == 0 && !address_equal(&found.primary, &entry->primary))
        say_too(check, entry, &found, proxy);
    check_oneoff(check, entry, proxy);
}

/* ---- names ---- */

static uint64_t
hash_of(struct span text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32U : c)) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 32;
    return hash != 0 ? hash : 1;
}

/* One name on two sides is told once. */
static void
check_name(struct check *check, const struct book_entry *entry)
{
    if (entry->display.len == 0 || check->names_size == 0)
        return;
    uint64_t hash = hash_of(entry->display), side = hash_of(entry->side);
    size_t i = (size_t)hash & (check->names_size - 1);
    while (check->names[i].hash != 0 && check->names[i].hash != hash)
        i = (i + 1) & (check->names_size - 1);
    struct name *name = &check->names[i];
    if (name->hash == 0) { /* the manifest may count less than there are */
        check->n_names++;
        if (2 * check->n_names < check->names_size)
            *name = (struct name){hash, side};
    } else if (name->side != 0 && name->side != side) {
        say(check, entry, false,
            "somebody on another side is called %.*s too: is it one person, who is in both directories?",
            (int)entry->display.len, entry->display.at);
        name->side = 0;
    }
}

/* ---- all ---- */

static bool
check_entry(const struct book_entry *entry, void *arg)
{
    struct check *check = arg;
    bool host = span_equal(entry->side, SPAN("host"));
    check->n++;
    if (check->root != NULL)
        (host ? check_host : check_foreign)(check, entry);
    if (book_entry_host_address(entry) == NULL)
        say(check, entry, true, "it has no SMTP address: the host cannot write to it");
    for (size_t i = 0; i < entry->n_proxies; i++)
        check_proxy(check, entry, &entry->proxies[i].address);
    check_name(check, entry);
    return true;
}

static void
make_names(struct check *check)
{
    check->names_size = 1024;
    while (check->names_size < 4 * book_entries(check->book))
        check->names_size *= 2;
    check->names = xcalloc(check->names_size, sizeof *check->names);
}

int
book_check(struct command *command)
{
    struct book_reader reader;
    struct check check = {.root = command->root};
    int64_t since_ms;
    int r = command_since(command, &since_ms);
    if (r == 0)
        r = findings_open(&check.findings, command);
    if (r != 0)
        return r;
    r = book_reader_open(&reader, command);
    if (r == 0) {
        check.book = reader.book;
        check.arena = arena_new(BOOK_ARENA);
        make_names(&check);
        if (book_each(reader.book, check_entry, &check) < 0)
            r = command_fail(EXIT_NOTHING, "the book cannot be read to its end");
        int unread = book_check_tracked(command, since_ms, reader.book, &check.findings);
        r = r == 0 ? unread : r;
        finding(&check.findings, check.n_wrong > 0 ? "note" : "ok", "book",
                "generation %" PRIu64 ": %zu entries, %zu faults", book_generation(reader.book), check.n,
                check.n_wrong);
        arena_free(check.arena);
        free(check.names);
    }
    findings_close(&check.findings);
    book_reader_close(&reader);
    return r == 0 && (check.n_wrong > 0 || reader.torn) ? EXIT_NOTHING : r;
}
