/* run_book.c - the address book, built of what both sides hold (see run.h)
 *
 *     book.source     as it stands there
 *     foreign sets    who is there, under the foreign address, with the proxies of his copy in the host's directory
 *     host sets       everybody else: under the primary SMTP address
 *
 * A copy in the host's directory (an entry with our mark) is no recipient of its own: it stands for the foreign one, and for as
 * long as it is there mail for it flows, even when the foreign directory no longer has its source. An address that two have
 * belongs to whoever came first, and the other is told of: mail goes to one, not to nobody.
 *
 * What has not changed is not published again, since every worker reads a new generation through: book.digest says what the one
 * that lies there was made of.
 *
 * No book is published while a directory of the configuration has not been read yet: who is in no book is unknown, and his mail
 * refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/book.h"
#include "common/quiet.h"
#include "directory/run.h"

enum { NOTES_MAX = 20, SOURCE_WAIT_MS = 60 * 1000 };

/* One set with who stands for whom. */
struct shelf {
    struct dir_set *set;
    struct dir_room room;
    bool *used;            /* host sets: places that a foreign entry took */
    struct dir_set *given; /* host sets: proxies that the directory does not keep; may be empty */
    struct dir_room given_room;
    const char *title;
    const char *connector, *type; /* foreign sets */
    size_t host;                  /* foreign sets: which host set has the copies */
};

struct building {
    struct dir_run *run;
    struct book_builder *builder;
    struct shelf *hosts, *foreigns;
    size_t n_hosts, n_foreigns;
    struct book_proxy *proxies;
    size_t n_proxies;
    uint64_t left_out; /* entries without an address */
    uint64_t digest;
    uint64_t told;
    char trouble[300]; /* the first that is wrong with the sources; "": nothing */
    int err;
};

static void tell(struct building *building, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Of thousands that are alike the first say enough. */
static void
tell(struct building *building, const char *format, ...)
{
    char text[1000];
    if (building->told++ >= NOTES_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (building->run->note != NULL)
        building->run->note(building->run->arg, text);
}

/* ---- one recipient ---- */

static bool
has_address(const struct building *building, const struct address *address)
{
    for (size_t i = 0; i < building->n_proxies; i++)
        if (address_equal(&building->proxies[i].address, address))
            return true;
    return false;
}

/* Only the first that is primary of a type stays so. */
static bool
has_primary(const struct building *building, struct span type)
{
    for (size_t i = 0; i < building->n_proxies; i++)
        if (building->proxies[i].primary && span_equal(building->proxies[i].address.type, type))
            return true;
    return false;
}

static void
push_address(struct building *building, const struct address *address, bool primary)
{
    building->proxies[building->n_proxies++] = (struct book_proxy){*address, primary};
}

/* Adds an address, unless it is there, cannot be, or is somebody else's. */
static void
add_address(struct building *building, const struct address *address, bool primary, struct span whose)
{
    struct why why;
    struct buf owner = {0};
    if (address->value.len == 0 || building->n_proxies == BOOK_PROXIES_MAX || has_address(building, address) ||
        address_check(address, false, &why) != 0)
        return;
    int taken = book_builder_has(building->builder, address, &owner);
    if (taken < 0)
        building->err = taken;
    else if (taken > 0)
        tell(building, "%.*s:%.*s of %.*s belongs to %.*s already, who keeps it in the book",
             (int)address->type.len, address->type.at, (int)address->value.len, address->value.at,
             (int)whose.len, whose.at, (int)owner.len, owner.len > 0 ? owner.at : "");
    else
        push_address(building, address, primary && !has_primary(building, address->type));
    buf_clear(&owner);
}

static void
add_entry_addresses(struct building *building, const struct dir_entry *entry)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (entry->proxies[i].primary)
            add_address(building, &entry->proxies[i].address, true, entry->name);
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (!entry->proxies[i].primary)
            add_address(building, &entry->proxies[i].address, false, entry->name);
}

/* What is gathered becomes a recipient: with the address `wanted` as primary where it is among them, else the first of the type,
 * else the first. */
static void
add_recipient(struct building *building, struct span display, struct span side, const struct address *wanted,
              struct span type)
{
    struct why why = {"", ""};
    const struct address *primary = building->n_proxies > 0 ? &building->proxies[0].address : NULL;
    for (size_t i = building->n_proxies; i > 0; i--) /* the type's first, its primary before others */
        if (span_equal(building->proxies[i - 1].address.type, type))
            primary = &building->proxies[i - 1].address;
    if (wanted != NULL && wanted->value.len > 0 && has_address(building, wanted))
        primary = wanted;
    if (primary == NULL) {
        building->left_out++;
        return;
    }
    struct book_entry entry = {.display = display.len <= BOOK_DISPLAY_MAX ? display : primary->value,
                               .side = side,
                               .primary = *primary,
                               .proxies = building->proxies,
                               .n_proxies = building->n_proxies};
    int r = book_builder_add(building->builder, &entry, &why);
    if (r == -EINVAL || r == -EFBIG || r == -EEXIST)
        tell(building, "not in the book: %s", why.text);
    else if (r < 0)
        building->err = r;
}

static struct span
display_of(const struct dir_entry *entry)
{
    return entry->value[DIR_DISPLAY].len > 0 ? entry->value[DIR_DISPLAY]
           : entry->value[DIR_ALIAS].len > 0 ? entry->value[DIR_ALIAS]
                                             : entry->target.value;
}

/* ---- foreign recipients ---- */

/* The copy of a foreign entry in the host's directory, made by us or adopted; its place is used up. */
static bool
find_copy(struct building *building, const struct shelf *foreign, struct span id, struct dir_entry *copy)
{
    struct shelf *host = foreign->host < building->n_hosts ? &building->hosts[foreign->host] : NULL;
    size_t place = SIZE_MAX;
    for (int adopted = 0; host != NULL && adopted < 2 && place == SIZE_MAX; adopted++) {
        struct buf mark = {0};
        dir_mark_print(foreign->title, id, adopted == 1, &mark);
        place = dir_set_find_mark(host->set, buf_span(&mark));
        buf_clear(&mark);
    }
    if (place == SIZE_MAX || !dir_set_get(host->set, place, &host->room, copy))
        return false;
    host->used[place] = true;
    return true;
}

static bool
is_ours(const struct dir_entry *entry)
{
    struct span dirsync, source;
    return dir_mark_parse(entry->mark, &dirsync, &source);
}

static void
add_foreign(struct building *building, struct shelf *foreign)
{
    struct dir_entry entry, copy;
    for (size_t place = 0; place < dir_set_places(foreign->set) && building->err == 0; place++) {
        if (!dir_set_get(foreign->set, place, &foreign->room, &entry) || is_ours(&entry))
            continue;
        building->n_proxies = 0;
        add_address(building, &entry.target, true, entry.name);
        add_entry_addresses(building, &entry);
        bool copied = find_copy(building, foreign, entry.id, &copy);
        if (copied)
            add_entry_addresses(building, &copy);
        struct span display = display_of(&entry);
        add_recipient(building, display.len > 0 || !copied ? display : display_of(&copy),
                      span_of(foreign->connector), &entry.target, span_of(foreign->type));
    }
}

/* ---- the host's ---- */

/* Whose mail goes to a foreign system: a copy whose source is gone, a contact that a person made. NULL: the host's. */
static const struct shelf *
shelf_of_entry(const struct building *building, const struct dir_entry *entry)
{
    struct span dirsync, source;
    if (dir_mark_parse(entry->mark, &dirsync, &source))
        for (size_t i = 0; i < building->n_foreigns; i++)
            if (span_equal(span_of(building->foreigns[i].title), dirsync))
                return &building->foreigns[i];
    for (size_t i = 0; i < building->n_foreigns && entry->target.value.len > 0; i++)
        if (!address_is_smtp(&entry->target) &&
            span_equal(span_of(building->foreigns[i].type), entry->target.type))
            return &building->foreigns[i];
    return NULL;
}

static void
add_given(struct building *building, struct shelf *host, struct span id)
{
    struct dir_entry given;
    size_t place = dir_set_find_id(host->given, id);
    if (place != SIZE_MAX && dir_set_get(host->given, place, &host->given_room, &given))
        add_entry_addresses(building, &given);
}

static void
add_host(struct building *building, struct shelf *host)
{
    struct dir_entry entry;
    for (size_t place = 0; place < dir_set_places(host->set) && building->err == 0; place++) {
        if (host->used[place] || !dir_set_get(host->set, place, &host->room, &entry))
            continue;
        const struct shelf *foreign = shelf_of_entry(building, &entry);
        building->n_proxies = 0;
        if (foreign != NULL)
            add_address(building, &entry.target, true, entry.name);
        add_entry_addresses(building, &entry);
        if (dir_entry_is_recipient(&entry))
            add_given(building, host, entry.id);
        add_recipient(building, display_of(&entry), span_of(foreign != NULL ? foreign->connector : "host"),
                      foreign != NULL ? &entry.target : NULL,
                      foreign != NULL ? span_of(foreign->type) : SPAN("SMTP"));
    }
}

/* ---- what there is ---- */

static int
load_set(struct building *building, struct dir_set **set, const char *name, struct why *why)
{
    struct dir_reading reading = {.full_s = 0};
    struct why found = {"", ""};
    *set = dir_set_new();
    int r = dir_set_read(*set, &reading, building->run->folder_fd, name, &found);
    buf_clear(&reading.cookie);
    if (r < 0 && r != -ENOENT)
        why_set(why, "4.3.0", "no new book: dirsync/%s in the spool cannot be read: %s", name, found.text);
    return r;
}

static int
load(struct building *building, struct shelf *shelf, const char *name, struct why *why)
{
    int r = load_set(building, &shelf->set, name, why);
    shelf->used = xcalloc(dir_set_places(shelf->set) + 1, sizeof *shelf->used);
    return r;
}

/* 0; -EAGAIN with `why` where a directory has not been read; or -errno with `why`: a book without those whom a torn file held
 * would make them unknown. */
static int
load_all(struct building *building, struct why *why)
{
    const struct conf_root *root = building->run->root;
    char name[300];
    building->hosts = xcalloc(root->host.directories_n + 1, sizeof *building->hosts);
    building->foreigns = xcalloc(root->dirsyncs_n + 1, sizeof *building->foreigns);
    for (size_t i = 0; i < root->host.directories_n; i++) {
        struct shelf *shelf = &building->hosts[building->n_hosts++];
        shelf->title = root->host.directories[i].title;
        run_given_name(&root->host.directories[i], name);
        int given = load_set(building, &shelf->given, name, why);
        run_directory_set_name(&root->host.directories[i], name);
        int r = load(building, shelf, name, why);
        if (given < 0 && given != -ENOENT)
            return given;
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == -ENOENT) {
            why_set(why, "4.3.0",
                    "no new book: directory \"%s\" has not been read yet, and its people would be unknown",
                    shelf->title);
            return -EAGAIN;
        }
    }
    for (size_t i = 0; i < root->dirsyncs_n; i++) {
        struct shelf *shelf = &building->foreigns[building->n_foreigns++];
        shelf->title = root->dirsyncs[i].title;
        shelf->connector = root->dirsyncs[i].connector;
        shelf->type = run_address_type(root, &root->dirsyncs[i]);
        const struct conf_directory *directory = run_directory(root, &root->dirsyncs[i]);
        shelf->host = directory != NULL ? (size_t)(directory - root->host.directories) : SIZE_MAX;
        run_dirsync_set_name(&root->dirsyncs[i], name);
        int r = load(building, shelf, name, why);
        if (r < 0 && r != -ENOENT) /* foreign people who are not known yet are nobody's loss but theirs */
            return r;
    }
    return 0;
}

static void
clear(struct building *building)
{
    for (size_t i = 0; i < building->n_hosts; i++) {
        dir_set_free(building->hosts[i].set);
        dir_set_free(building->hosts[i].given);
        dir_room_clear(&building->hosts[i].room);
        dir_room_clear(&building->hosts[i].given_room);
        free(building->hosts[i].used);
    }
    for (size_t i = 0; i < building->n_foreigns; i++) {
        dir_set_free(building->foreigns[i].set);
        dir_room_clear(&building->foreigns[i].room);
        free(building->foreigns[i].used);
    }
    free(building->hosts);
    free(building->foreigns);
    free(building->proxies);
}

/* ---- files ---- */

static void note_trouble(struct building *building, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
note_trouble(struct building *building, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (building->trouble[0] == '\0')
        snprintf(building->trouble, sizeof building->trouble, "%.290s", text);
    tell(building, "%s", text);
}

/* The number of people in error, or -errno. */
static int
read_source(struct building *building, const char *path)
{
    struct buf errors = {0};
    struct stat before;
    struct why why = {"", ""};
    int fd = quiet_open(path, &why), n = fd;
    if (n >= 0)
        n = quiet_wait(fd, path, monotonic_ms() + SOURCE_WAIT_MS, &before, &why);
    if (n == 0)
        n = book_read_file(fd, path, building->builder, &errors);
    if (n >= 0 && quiet_judge(fd, path, &before, &why) < 0)
        n = -EAGAIN;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        note_trouble(building, "%s", why.text[0] != '\0' ? why.text : strerror(-n));
    struct span rest = buf_span(&errors);
    for (int lines = 0; rest.len > 0 && lines < 20; lines++) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.at) : rest.len;
        note_trouble(building, "%.*s", (int)len, rest.at);
        len += end != NULL;
        rest = (struct span){rest.at + len, rest.len - len};
    }
    buf_clear(&errors);
    return n;
}

static int
read_sources(struct building *building, struct why *why)
{
    const struct conf_texts *sources = &building->run->root->book.source;
    int wrong = 0;
    for (size_t i = 0; i < sources->n; i++) {
        int n = read_source(building, sources->at[i]);
        wrong += n != 0;
    }
    if (wrong > 0)
        return why_set(why, "5.3.5", "%s; the sources have errors: the book in use stays", building->trouble);
    return 0;
}

static void
add_all(struct building *building)
{
    building->proxies = xcalloc(BOOK_PROXIES_MAX, sizeof *building->proxies);
    for (size_t i = 0; i < building->n_foreigns; i++)
        add_foreign(building, &building->foreigns[i]);
    for (size_t i = 0; i < building->n_hosts; i++)
        add_host(building, &building->hosts[i]);
    if (building->told > NOTES_MAX) {
        uint64_t more = building->told - NOTES_MAX;
        building->told = 0;
        tell(building, "... and %llu more of the kind; `viaduct book check` finds what is wrong with addresses",
             (unsigned long long)more);
    }
    if (building->left_out > 0)
        tell(building, "%llu entries of directories have no address and are not in the book",
             (unsigned long long)building->left_out);
}

/* ---- what it was made of ---- */

static uint64_t
mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(1099511628211);
}

static uint64_t
mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = mix(hash, (unsigned char)*text);
    return mix(hash, 0x100);
}

static uint64_t
digest_shelf(uint64_t hash, const struct shelf *shelf)
{
    hash = mix(mix_text(hash, shelf->title), dir_set_digest(shelf->set));
    if (shelf->given != NULL)
        hash = mix(hash, dir_set_digest(shelf->given));
    if (shelf->connector != NULL)
        hash = mix(mix_text(mix_text(hash, shelf->connector), shelf->type), shelf->host);
    return hash;
}

/* Of all that a book is built of; files by what tells that one has changed. */
static uint64_t
digest(const struct building *building)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    const struct conf_texts *sources = &building->run->root->book.source;
    for (size_t i = 0; i < sources->n; i++) {
        struct stat st;
        if (stat(sources->at[i], &st) < 0)
            memset(&st, 0, sizeof st);
        hash = mix(mix_text(hash, sources->at[i]), (uint64_t)st.st_ino);
        hash = mix(mix(mix(hash, (uint64_t)st.st_size), (uint64_t)st.st_mtim.tv_sec),
                   (uint64_t)st.st_mtim.tv_nsec);
    }
    for (size_t i = 0; i < building->n_hosts; i++)
        hash = digest_shelf(hash, &building->hosts[i]);
    for (size_t i = 0; i < building->n_foreigns; i++)
        hash = digest_shelf(hash, &building->foreigns[i]);
    return hash;
}

static void
print_digest(char line[80], uint64_t generation, uint64_t sum)
{
    snprintf(line, 80, "%llu %016llx\n", (unsigned long long)generation, (unsigned long long)sum);
}

/* Whether readers can use it: one that is torn is built anew. */
static bool
is_whole(int book_fd, uint64_t generation)
{
    struct why why;
    struct book *book = book_new(book_fd);
    bool whole = book_refresh(book, &why) >= 0 && book_generation(book) == generation;
    book_free(book);
    return whole;
}

static bool
is_unchanged(const struct building *building, uint64_t generation)
{
    char line[80];
    struct buf kept = {0};
    print_digest(line, generation, building->digest);
    bool same = dir_file_read(building->run->folder_fd, "book.digest", sizeof line, &kept) == 0 &&
                span_equal(buf_span(&kept), span_of(line));
    buf_clear(&kept);
    return same && is_whole(building->run->book_fd, generation);
}

/* One that is lost costs a generation more. */
static void
keep_digest(const struct building *building, uint64_t generation)
{
    char line[80];
    print_digest(line, generation, building->digest);
    dir_file_write(building->run->folder_fd, "book.digest", span_of(line), true);
}

/* How many recipients there may be; a line of a file has some hundred octets. */
static uint64_t
count_expected(const struct building *building)
{
    const struct conf_texts *sources = &building->run->root->book.source;
    uint64_t n = 0;
    struct stat st;
    for (size_t i = 0; i < building->n_hosts; i++)
        n += dir_set_count(building->hosts[i].set);
    for (size_t i = 0; i < building->n_foreigns; i++)
        n += dir_set_count(building->foreigns[i].set);
    for (size_t i = 0; i < sources->n; i++)
        if (stat(sources->at[i], &st) == 0)
            n += (uint64_t)st.st_size / 100;
    return n;
}

static int
build(struct building *building, struct why *why)
{
    struct dir_run *run = building->run;
    int r = book_builder_expect(building->builder, count_expected(building), why);
    if (r == 0)
        r = read_sources(building, why);
    if (r == 0)
        add_all(building);
    if (r == 0 && building->err != 0) {
        why_set(why, "4.3.0", "the book cannot be written: %s", strerror(-building->err));
        r = building->err;
    }
    if (r == 0 && book_builder_entries(building->builder) == 0)
        r = why_set(why, "5.3.5",
                    "the sources are empty, and a book of nobody makes all unknown: the book in use stays");
    if (r < 0) {
        book_builder_drop(building->builder);
        return r;
    }
    r = book_builder_publish(building->builder, run->book_fd, why);
    run->published = r == 0;
    return r;
}

static int
build_new(struct building *building, uint64_t generation, struct why *why)
{
    const struct conf_root *root = building->run->root;
    building->builder = book_builder_new(
        building->run->folder_fd, generation,
        root->book.source.n > 0 ? root->book.source.at[0] : root->host.directories[0].title, why);
    int r = building->builder != NULL ? build(building, why) : -EIO;
    if (r == 0)
        keep_digest(building, generation);
    return r;
}

int
run_book(struct dir_run *run, struct why *why)
{
    struct building building = {.run = run};
    const struct conf_root *root = run->root;
    if (!conf_makes_book(root))
        return 0;
    int lock = book_lock(run->book_fd, true);
    uint64_t generation = lock < 0 ? 0 : book_next_generation(run->book_fd, why);
    if (lock < 0)
        why_set(why, "4.3.0", "the book's folder cannot be locked: %s", strerror(-lock));
    int r = generation == 0 ? -EIO : load_all(&building, why);
    if (r == 0) {
        building.digest = digest(&building);
        if (!is_unchanged(&building, generation - 1))
            r = build_new(&building, generation, why);
    }
    clear(&building);
    if (lock >= 0)
        close(lock);
    return r;
}
