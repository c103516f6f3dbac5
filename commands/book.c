/* book.c - the address book: build from files, look up, dump */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/book.h"
#include "commands/dirsync.h"
#include "commands/listing.h"
#include "commands/lookup.h"
#include "commands/tree.h"
#include "common/quiet.h"

/* ---- build ---- */

static int
open_folders(const struct command *command, int *book_fd, int *temp_fd)
{
    char temp[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + 16];
    folder_path(FOLDER_TEMP, NULL, temp);
    snprintf(path, sizeof path, "%s/%s", temp, worker_table[WORKER_COMMAND].program);
    *temp_fd = -1;
    *book_fd = folder_open(command->spool_fd, FOLDER_BOOK, NULL);
    if (*book_fd < 0)
        return command_fail_errno(-*book_fd, "the book's folder in %s", command->spool_path);
    if (mkdirat(command->spool_fd, path, 0700) < 0 && errno != EEXIST)
        return command_fail_errno(errno, "%s/%s", command->spool_path, path);
    *temp_fd = openat(command->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *temp_fd < 0 ? command_fail_errno(errno, "%s/%s", command->spool_path, path) : 0;
}

static int
add_file(struct book_builder *builder, const char *path)
{
    struct buf errors = {0};
    struct stat before;
    struct why why = {"", ""};
    int fd = quiet_open(path, &why);
    if (fd == -EACCES || fd == -EPERM)
        return command_fail_errno(-fd, "%s", path);
    int n = fd < 0 ? fd : quiet_wait(fd, path, monotonic_ms() + 10 * 1000, &before, &why);
    if (n == 0)
        n = book_read_file(fd, path, builder, &errors);
    if (n >= 0 && quiet_judge(fd, path, &before, &why) < 0)
        n = -EAGAIN;
    if (fd >= 0)
        close(fd);
    if (errors.len > 0)
        fputs(errors.at, stderr);
    buf_clear(&errors);
    if (n < 0 && why.text[0] != '\0')
        return command_fail(EXIT_NOTHING, "%s", why.text);
    if (n < 0)
        return command_fail_errno(-n, "%s", path);
    return n == 0 ? 0 : command_fail(EXIT_NOTHING, "%s: %d recipients are in error", path, n);
}

static int
build(struct command *command, int book_fd, int temp_fd, const char **files, size_t n)
{
    struct why why = {0};
    uint64_t generation = book_next_generation(book_fd, &why); /* behind the highest there is, whole or not */
    struct book_builder *builder =
        generation > 0 ? book_builder_new(temp_fd, generation, "viaduct book build", &why) : NULL;
    int r = 0;
    if (builder == NULL)
        return command_fail(EXIT_NOTHING, "%s", why.text);
    for (size_t i = 0; i < n; i++) {
        int one = add_file(builder, files[i]);
        r = one > r ? one : r;
    }
    if (r != 0) { /* whoever is left out would be refused as unknown */
        book_builder_drop(builder);
        return command_fail((enum exit_code)r,
                            "nothing is published, the book in use stays; put the files right and build again");
    }
    if (book_builder_entries(builder) == 0) {
        book_builder_drop(builder);
        return command_fail(EXIT_REFUSED,
                            "the files are empty: with a book of nobody all recipients of the host would be "
                            "unknown; the book in use stays");
    }
    int published = book_builder_publish(builder, book_fd, &why);
    if (published == -EACCES || published == -EPERM)
        return command_fail_errno(-published, "%s", why.text);
    if (published < 0)
        return command_fail(EXIT_NOTHING, "%s", why.text);
    struct book *book = book_new(book_fd);
    book_refresh(book, &why);
    printf("book generation %" PRIu64 ": %" PRIu64 " entries, published whole; %s\n", book_generation(book),
           book_entries(book),
           command->offline ? "workers take it when they start (offline)"
                            : "running workers, who look every second, take it with the next message");
    book_free(book);
    if (command->n_operands > 0 && command->root != NULL && command->root->host.directories_n > 0)
        fprintf(
            stderr,
            "(the configuration has directories: the next reading of one builds the book of what they hold, "
            "without these files; book.source keeps them in it)\n");
    else if (command->n_operands > 0 && command->root != NULL && command->root->book.source.n > 0)
        fprintf(
            stderr,
            "(the configuration has book.source: the book is built of that again when those files change, and "
            "when the daemons start)\n");
    return r;
}

/* One book is built at a time: another build would take this one's folder for what a dead one left. */
static int
lock(const struct command *command, int book_fd, int *lock_fd)
{
    *lock_fd = book_lock(book_fd, false);
    if (*lock_fd == -EAGAIN) {
        fputs("(another build of the book is under way, and is waited for)\n", stderr);
        *lock_fd = book_lock(book_fd, true);
    }
    return *lock_fd >= 0 ? 0 : command_fail_errno(-*lock_fd, "the book's folder in %s", command->spool_path);
}

int
book_build(struct command *command)
{
    if (command->n_operands == 0 && command->root != NULL && command->root->host.directories_n > 0)
        return dirsync_build_book(command);
    const char **files = xcalloc(command->n_operands + 1, sizeof *files);
    size_t n = command->n_operands;
    int book_fd = -1, temp_fd = -1, lock_fd = -1, r;
    for (size_t i = 0; i < n; i++)
        files[i] = command->operands[i];
    if (n == 0 && command->root != NULL) { /* those of the configuration */
        free(files);
        n = command->root->book.source.n;
        files = xcalloc(n + 1, sizeof *files);
        for (size_t i = 0; i < n; i++)
            files[i] = command->root->book.source.at[i];
    }
    if (n == 0)
        r = command_usage(command, "name a CSV or LDIF file, here or as book.source in the configuration");
    else
        r = open_folders(command, &book_fd, &temp_fd);
    if (r == 0)
        r = lock(command, book_fd, &lock_fd);
    if (r == 0)
        r = build(command, book_fd, temp_fd, files, n);
    if (lock_fd >= 0)
        close(lock_fd);
    if (book_fd >= 0)
        close(book_fd);
    if (temp_fd >= 0)
        close(temp_fd);
    free(files);
    return r;
}

/* ---- looking ---- */

int
book_reader_open(struct book_reader *reader, struct command *command)
{
    struct why why = {0};
    *reader = (struct book_reader){.command = command, .fd = -1};
    int may = command_check_readable(command, FOLDER_BOOK);
    if (may != 0)
        return may;
    reader->fd = folder_open(command->spool_fd, FOLDER_BOOK, NULL);
    if (reader->fd < 0)
        return command_fail_errno(-reader->fd, "the book's folder in %s", command->spool_path);
    reader->book = book_new(reader->fd);
    int r = book_refresh(reader->book, &why);
    reader->torn = r >= 0 && why.text[0] != '\0';
    if (reader->torn)
        command_fail(EXIT_NOTHING, "%s; generation %" PRIu64 " is in use", why.text,
                     book_generation(reader->book));
    if (r == -ENOENT)
        return command_fail(EXIT_NOTHING, "there is no address book; `viaduct book build` makes one");
    return r < 0 ? command_fail(EXIT_NOTHING, "the address book cannot be read: %s", why.text) : 0;
}

void
book_reader_close(struct book_reader *reader)
{
    book_free(reader->book);
    if (reader->fd >= 0)
        close(reader->fd);
}

enum book_field { BF_DISPLAY, BF_SIDE, BF_PRIMARY, BF_HOST, BF_FOREIGN, BF_PROXIES, BF_COUNT };

static const struct field book_fields[BF_COUNT] = {
    [BF_DISPLAY] = {"display", FIELD_TEXT, COST_NAME, 24, "the name", false},
    [BF_SIDE] = {"side", FIELD_TEXT, COST_NAME, 12, "host, or the connector", false},
    [BF_PRIMARY] = {"primary", FIELD_TEXT, COST_NAME, 34, "the primary address", false},
    [BF_HOST] = {"host", FIELD_TEXT, COST_NAME, 30, "the address that the host's people know", false},
    [BF_FOREIGN] = {"foreign", FIELD_TEXT, COST_NAME, 40,
                    "CONNECTOR=ADDRESS: what each foreign system's people know", true},
    [BF_PROXIES] = {"proxies", FIELD_TEXT, COST_NAME, 0, "all addresses", true},
};

struct book_row {
    const struct conf_root *root; /* NULL: there is no configuration */
    const struct book_entry *entry;
    struct arena *arena; /* for texts */
};

static struct span
address_text(const struct book_row *row, const struct address *address)
{
    struct buf text = {0};
    address_print(address, &text);
    struct span span = arena_span(row->arena, buf_span(&text));
    buf_clear(&text);
    return span;
}

/* The n-th connector whose system knows the recipient: at his own, or by an address of its type. NULL behind the last. */
static const struct conf_connector *
known_to(const struct conf_root *root, const struct book_entry *entry, size_t n, const struct address **address)
{
    for (size_t i = 0; root != NULL && i < root->connectors_n; i++) {
        const struct conf_connector *connector = &root->connectors[i];
        bool own = span_equal(entry->side, span_of(connector->title));
        *address = own ? &entry->primary : book_entry_address(entry, lookup_type(root, connector));
        if (*address != NULL && n-- == 0)
            return connector;
    }
    return NULL;
}

static bool
get_foreign(const struct book_row *row, size_t n, struct field_value *value)
{
    const struct address *address;
    const struct conf_connector *connector = known_to(row->root, row->entry, n, &address);
    if (connector == NULL)
        return false;
    struct span text = address_text(row, address);
    const char *both = arena_printf(row->arena, "%s=%.*s", connector->title, (int)text.len, text.at);
    return field_text(value, span_of(both != NULL ? both : ""));
}

static bool
book_get(const void *item, size_t field, size_t i, struct field_value *value)
{
    const struct book_row *row = item;
    const struct book_entry *entry = row->entry;
    const struct address *host = book_entry_host_address(entry);
    *value = (struct field_value){0};
    if (field == BF_FOREIGN)
        return get_foreign(row, i, value);
    if (i >= (field == BF_PROXIES ? entry->n_proxies : 1))
        return false;
    switch ((enum book_field)field) {
    case BF_HOST:
        return field_text(value, host != NULL ? address_text(row, host) : SPAN(""));
    case BF_DISPLAY:
        value->text = entry->display; /* an empty one is told as such */
        return true;
    case BF_SIDE:
        return field_text(value, entry->side);
    case BF_PRIMARY:
        return field_text(value, address_text(row, &entry->primary));
    default:
        return field_text(value, address_text(row, &entry->proxies[i].address));
    }
}

static int
book_listing(struct listing *listing, const struct command *command)
{
    return listing_init(listing, command, book_fields, BF_COUNT, "display,side,primary,proxies", book_get);
}

/* A proxy in the notation of directories: an upper-case type marks the primary of its type. */
static void
add_proxy(const struct book_proxy *proxy, struct buf *out)
{
    size_t start = out->len;
    struct buf text = {0};
    address_print(&proxy->address, &text);
    text_add_clean(out, buf_span(&text));
    for (size_t i = start; !proxy->primary && i < out->len && out->at[i] != ':'; i++)
        if (out->at[i] >= 'A' && out->at[i] <= 'Z')
            out->at[i] = (char)(out->at[i] + 32);
    buf_clear(&text);
}

static void
print_known(const char *who, const struct address *address)
{
    struct buf out = {0}, text = {0};
    if (address != NULL)
        address_print(address, &text);
    text_add_clean(&out, address != NULL ? buf_span(&text) : SPAN("(no address)"));
    printf("  for %-14s %s\n", who, out.at);
    buf_clear(&out);
    buf_clear(&text);
}

static void
print_entry(const struct conf_root *root, const struct book_entry *entry)
{
    struct buf out = {0}, text = {0};
    text_add_clean(&out, entry->display.len > 0 ? entry->display : SPAN("(no name)"));
    buf_add_text(&out, "  side ");
    text_add_clean(&out, entry->side);
    address_print(&entry->primary, &text);
    buf_add_text(&out, "  primary ");
    text_add_clean(&out, buf_span(&text));
    puts(out.at);
    buf_reset(&out);
    const struct conf_connector *connector;
    const struct address *address;
    print_known("the host", book_entry_host_address(entry));
    for (size_t n = 0; (connector = known_to(root, entry, n, &address)) != NULL; n++)
        print_known(connector->title, address);
    for (size_t i = 0; i < entry->n_proxies; i++) {
        buf_add_text(&out, "    ");
        add_proxy(&entry->proxies[i], &out);
        buf_add_byte(&out, '\n');
    }
    fputs(out.at != NULL ? out.at : "", stdout);
    buf_clear(&out);
    buf_clear(&text);
}

struct dump {
    const struct conf_root *root;
    struct listing *listing;
    bool listed;
    struct arena *arena;
    size_t n;
};

/* Shows one in words or as a row. False where no more are wanted. */
static bool
show_entry(const struct book_entry *entry, void *arg)
{
    struct dump *dump = arg;
    dump->n++;
    if (!dump->listed) {
        print_entry(dump->root, entry);
        return true;
    }
    arena_reset(dump->arena);
    return listing_add(dump->listing, &(struct book_row){dump->root, entry, dump->arena});
}

static int
look_up(struct book_reader *reader, const char *text, struct arena *arena, struct dump *dump)
{
    struct address address, inner;
    struct book_entry entry;
    struct why why = {0};
    arena_reset(arena);
    int r = address_parse(span_of(text), arena, &address, &why);
    if (r == 0)
        r = book_find(reader->book, &address, arena, &entry);
    if (r == -ENOENT && address_is_smtp(&address) && imcea_decode(address.value, arena, &inner, NULL) == 0)
        r = book_find(reader->book, &inner, arena, &entry); /* a one-off of somebody who is known */
    if (r == 0)
        show_entry(&entry, dump);
    if (r == 0)
        return EXIT_DONE;
    return command_fail(EXIT_NOTHING, "%s: %s", text,
                        r == -ENOENT          ? "nobody has this address"
                        : why.text[0] != '\0' ? why.text
                                              : "the book cannot be read now");
}

int
book_lookup(struct command *command)
{
    struct book_reader reader;
    struct listing listing;
    struct dump dump = {.root = command->root, .listing = &listing, .listed = listing_wanted(command)};
    if (command->n_operands == 0)
        return command_usage(command, "which address?");
    int r = book_listing(&listing, command);
    if (r != 0)
        return r;
    r = book_reader_open(&reader, command);
    struct arena *arena = arena_new(BOOK_ARENA);
    dump.arena = arena_new(BOOK_ARENA);
    for (size_t i = 0; reader.book != NULL && book_generation(reader.book) > 0 && i < command->n_operands;
         i++) {
        int one = look_up(&reader, command->operands[i], arena, &dump);
        r = r != EXIT_DONE ? r : one;
    }
    listing_end(&listing);
    arena_free(arena);
    arena_free(dump.arena);
    book_reader_close(&reader);
    return r;
}

int
book_dump(struct command *command)
{
    struct book_reader reader;
    struct listing listing;
    struct dump dump = {.root = command->root, .listing = &listing, .listed = listing_wanted(command)};
    int r = book_listing(&listing, command);
    if (r != 0)
        return r;
    dump.arena = arena_new(BOOK_ARENA);
    r = book_reader_open(&reader, command);
    if (r == 0 && book_each(reader.book, show_entry, &dump) < 0)
        r = command_fail(EXIT_NOTHING, "the book cannot be read to its end");
    listing_end(&listing);
    arena_free(dump.arena);
    book_reader_close(&reader);
    return r == 0 && dump.n == 0 ? EXIT_NOTHING : r;
}
