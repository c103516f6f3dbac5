/* book-t.c - the address book: the promises of common/book.h */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/book.h"
#include "t/book-rig.h"
#include "t/tap.h"

static struct arena *arena;
static struct why why;
static int temp_fd, book_fd;

static struct address
address_of(const char *text)
{
    struct address a = {SPAN("SMTP"), SPAN("")};
    if (address_parse(span_of(text), arena, &a, &why) != 0)
        printf("# cannot parse %s: %s\n", text, why.text);
    return a;
}

static int
add(struct book_builder *builder, const char *display, const char *side, const char *primary, const char *other)
{
    struct book_proxy proxies[2] = {{address_of(primary), true}, {address_of(other ? other : primary), false}};
    struct book_entry entry = {span_of(display), span_of(side), address_of(primary), proxies, other ? 2 : 1};
    proxies[1].primary = other != NULL && strncmp(other, "SMTP", 4) == 0;
    return book_builder_add(builder, &entry, &why);
}

/* A generation in which Bob has `bob_display`. */
static int
publish(uint64_t generation, const char *bob_display)
{
    struct book_builder *builder = book_builder_new(temp_fd, generation, "test", &why);
    if (builder == NULL)
        return -1;
    add(builder, bob_display, "groupwise", "GWISE:Dom.PO.bob", "SMTP:bob@contoso.example");
    add(builder, "Ann", "host", "SMTP:ann@contoso.example", "GWISE:Exchange.HQ.ann");
    return book_builder_publish(builder, book_fd, &why);
}

static int
find(struct book *book, const char *text, struct book_entry *entry)
{
    struct address a = address_of(text);
    return book_find(book, &a, arena, entry);
}

static bool
bob_is(struct book *book, const char *display)
{
    struct book_entry entry;
    return find(book, "smtp:bob@contoso.example", &entry) == 0 && span_equal(entry.display, span_of(display));
}

static bool
exists(int fd, const char *name)
{
    return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- a book's life ---- */

static void
test_empty(void)
{
    struct book *book = book_new(book_fd);
    struct book_entry entry;
    is_int(find(book, "SMTP:bob@contoso.example", &entry), -ENOENT, "without a generation nobody is found");
    is_int(book_refresh(book, &why), -ENOENT, "and refresh says that there is none");
    book_expect(book);
    is_int(find(book, "SMTP:bob@contoso.example", &entry), -EAGAIN,
           "where one is expected mail waits for the first generation");
    is_int(book_generation(book), 0, "generation 0");
    is_int(book_next_generation(book_fd, &why), 1, "the first generation will be 1");
    book_free(book);
    book = book_new(-1);
    is_int(find(book, "SMTP:bob@contoso.example", &entry), -EAGAIN,
           "a book that cannot be read makes mail wait");
    book_free(book);
}

static void
test_find(void)
{
    struct book *book = book_new(book_fd);
    struct book_entry entry;
    is_int(publish(1, "Bob"), 0, "a generation is published");
    ok(!exists(temp_fd, "book.1") && exists(book_fd, "00000001"), "by a rename out of Temp");
    is_int(find(book, "GWISE:dom.po.BOB", &entry), 0, "the first look-up opens it; case does not count");
    is_span(entry.display, "Bob", "display");
    is_span(entry.side, "groupwise", "side");
    is_span(entry.primary.value, "Dom.PO.bob", "primary address as written");
    is_int(entry.n_proxies, 2, "all proxies");
    ok(bob_is(book, "Bob"), "and by the other side's address");
    is_int(find(book, "SMTP:\"ann\"@Contoso.example", &entry), 0, "equal addresses find the same entry");
    is_span(book_entry_address(&entry, SPAN("GWISE"))->value, "Exchange.HQ.ann", "the proxy of a type");
    ok(book_entry_address(&entry, SPAN("NOTES")) == NULL, "or none");
    is_span(book_entry_host_address(&entry)->value, "ann@contoso.example",
            "the host knows its own by the primary");
    is_int(find(book, "SMTP:carl@contoso.example", &entry), -ENOENT, "a stranger is not found");
    is_int(find(book, "SMTP:", &entry), -ENOENT, "nor is nobody");
    is_int(book_generation(book), 1, "the generation in use");
    is_int(book_entries(book), 2, "and its number of entries");
    struct arena *small = arena_new(20);
    struct address bob = address_of("GWISE:dom.po.bob");
    is_int(book_find(book, &bob, small, &entry), -ENOMEM, "a full arena is told");
    arena_free(small);
    book_free(book);
}

static void
test_refresh(void)
{
    struct book *book = book_new(book_fd);
    is_int(book_refresh(book, &why), 1, "refresh opens what is there");
    is_int(book_refresh(book, &why), 0, "and then changes nothing");
    is_int(publish(2, "Bobby"), 0, "a second generation");
    ok(bob_is(book, "Bob"), "is not seen before a refresh");
    is_int(book_refresh(book, &why), 1, "refresh sees it");
    ok(bob_is(book, "Bobby"), "and it is used");
    is_int(publish(3, "Robert"), 0, "a third");
    ok(!exists(book_fd, "00000001") && exists(book_fd, "00000002") && exists(book_fd, "00000003"),
       "two generations are kept");
    ok(bob_is(book, "Bobby"), "a reader keeps what it has");
    is_int(publish(5, "Rob"), 0, "and a fifth");
    ok(bob_is(book, "Bobby"), "also when the name of its generation is gone");
    is_int(book_refresh(book, &why), 1, "and goes on to the newest");
    ok(bob_is(book, "Rob"), "which is used");
    is_int(book_next_generation(book_fd, &why), 6, "the next number is above all");
    is_int(publish(5, "Again"), -EEXIST, "a generation is never replaced");
    ok(!exists(temp_fd, "book.5"), "and nothing is left behind");
    is_int(renameat(book_fd, "00000005", temp_fd, "away"), 0, "the folder is restored from an older copy");
    is_int(book_refresh(book, &why), 1, "the highest that is there is taken");
    ok(book_generation(book) == 3 && bob_is(book, "Robert"), "the third");
    is_int(book_refresh(book, &why), 0, "and stays");
    is_int(renameat(temp_fd, "away", book_fd, "00000005"), 0, "until the other is back");
    is_int(book_refresh(book, &why), 1, "which is newer");
    ok(bob_is(book, "Rob"), "and used");
    book_free(book);
}

/* ---- torn ones ---- */

/* Changes one octet of a shard or cuts it. */
static void
damage(const char *generation, const char *name, off_t at, bool cut)
{
    char path[100], byte = 0;
    snprintf(path, sizeof path, "%s/%s", generation, name);
    int fd = openat(book_fd, path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return;
    at = at < 0 ? st.st_size + at : at;
    if (cut) {
        if (ftruncate(fd, at) != 0)
            printf("# cannot cut\n");
    } else if (pread(fd, &byte, 1, at) == 1) {
        byte ^= 0x20;
        if (pwrite(fd, &byte, 1, at) != 1)
            printf("# cannot write\n");
    }
    close(fd);
}

static void
check_torn(uint64_t generation, const char *name, off_t at, bool cut, const char *what)
{
    char folder_name[40];
    struct book *old = book_new(book_fd), *fresh = book_new(book_fd);
    snprintf(folder_name, sizeof folder_name, "%08llu", (unsigned long long)generation);
    book_refresh(old, &why);
    uint64_t before = book_generation(old);
    publish(generation, "Torn");
    damage(folder_name, name, at, cut);
    is_int(book_refresh(old, &why), 0, "%s: a reader keeps its generation", what);
    ok(strstr(why.text, folder_name) != NULL, "%s: and names the torn one", what);
    ok(bob_is(old, "Rob"), "%s: and finds", what);
    is_int(book_refresh(old, &why), 0, "%s: again", what);
    is_text(why.text, "", "%s: which is said once", what);
    is_int(book_refresh(fresh, &why), 1, "%s: a new reader takes the older generation", what);
    is_int(book_generation(fresh), (long long)before, "%s: that one", what);
    book_free(old);
    book_free(fresh);
}

static void
remove_generation(const char *name)
{
    static const char *const files[] = {"manifest"};
    char path[100];
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", name, files[i]);
        unlinkat(book_fd, path, 0);
    }
    for (unsigned i = 0; i < BOOK_SHARDS; i++) {
        snprintf(path, sizeof path, "%s/book-%03u.cdb", name, i);
        unlinkat(book_fd, path, 0);
    }
    unlinkat(book_fd, name, AT_REMOVEDIR);
}

/* Where more recipients are expected than 8 shards hold there are more shards; everything is found in them. */
static void
test_expected(void)
{
    char text[40];
    struct book_proxy proxy = {.primary = true};
    struct book_entry entry = {.side = SPAN("host"),
                               .display = SPAN("Many"),
                               .proxies = &proxy,
                               .n_proxies = 1},
                      found;
    struct book *book = book_new(book_fd);
    struct book_builder *builder = book_builder_new(temp_fd, 900000, "test", &why);
    size_t lost = 0;
    is_int(book_builder_expect(builder, 20000000, &why), 0, "twenty million recipients are expected");
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "p%u@contoso.example", i);
        proxy.address = (struct address){SPAN("SMTP"), span_of(text)};
        entry.primary = proxy.address;
        lost += book_builder_add(builder, &entry, &why) != 0;
    }
    ok(book_builder_add(builder, &entry, &why) == -EEXIST &&
           strstr(why.text, "belongs to SMTP:p1999@contoso.example") != NULL,
       "a duplicate is known by its name while nothing is written yet");
    is_int(book_builder_publish(builder, book_fd, &why), 0, "the book is published");
    ok(exists(book_fd, "00900000/book-038.cdb") && !exists(book_fd, "00900000/book-039.cdb"),
       "... in 39 shards");
    is_int(book_refresh(book, &why), 1, "... and read");
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "SMTP:p%u@contoso.example", i);
        arena_reset(arena);
        lost += find(book, text, &found) != 0;
    }
    lost += find(book, "SMTP:p2000@contoso.example", &found) != -ENOENT;
    is_int((long)lost, 0, "everybody is found, and nobody else");
    book_free(book);
}

static void
test_torn(void)
{
    struct {
        const char *name;
        off_t at;
        bool cut;
        const char *what;
    } cases[] = {
        {"book-000.cdb", 100, true, "a shard cut in its head"},
        {"book-003.cdb", -1, true, "a shard cut at its end"},
        {"book-007.cdb", -3, false, "a changed octet at the end"},
        {"book-001.cdb", 4, false, "a changed octet in the head"},
        {"manifest", -1, true, "a manifest without its last octet"},
        {"manifest", 0, true, "an empty manifest"},
        {"manifest", 20, false, "a manifest with a changed number"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[40];
        /* Number 20 + i; each is taken away again, lest publishing the next one removes generation 5. */
        snprintf(name, sizeof name, "%08zu", 20 + i);
        check_torn(20 + i, cases[i].name, cases[i].at, cases[i].cut, cases[i].what);
        remove_generation(name);
    }
}

static void
test_only_torn(void)
{
    struct book_entry entry;
    struct book *book = book_new(book_fd);
    damage("00000003", "book-000.cdb", 4, false);
    damage("00000005", "book-000.cdb", 4, false);
    is_int(book_refresh(book, &why), -EAGAIN, "with torn generations only, refresh says so");
    ok(strstr(why.text, "book-000.cdb") != NULL, "and names the file: %s", why.text);
    is_int(find(book, "SMTP:bob@contoso.example", &entry), -EAGAIN, "look-ups make mail wait");
    is_int(find(book, "SMTP:nobody@contoso.example", &entry), -EAGAIN, "for strangers too: who knows");
    is_int(book_refresh(book, &why), -EAGAIN, "and again");
    ok(strstr(why.text, "book-000.cdb") != NULL, "with the reason");
    is_int(publish(40, "Back"), 0, "until a whole one comes");
    is_int(book_refresh(book, &why), 1, "which is opened");
    ok(bob_is(book, "Back"), "and used");
    book_free(book);
}

static void
test_strange_names(void)
{
    struct book *book = book_new(book_fd);
    mkdirat(book_fd, "00000099", 0700);
    mkdirat(book_fd, "0000000099", 0700);
    mkdirat(book_fd, "99", 0700);
    mkdirat(book_fd, "lost+found", 0700);
    close(openat(book_fd, "00000098", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ok(symlinkat("00000040", book_fd, "00000097") == 0, "a link lies there");
    is_int(book_refresh(book, &why), 1, "folders, files and links that are no generation are passed over");
    is_int(book_generation(book), 40, "for the one that is");
    book_free(book);
    unlinkat(book_fd, "00000097", 0);
    unlinkat(book_fd, "00000098", 0);
    unlinkat(book_fd, "00000099", AT_REMOVEDIR);
}

static void
test_shrinking(void)
{
    struct book *book = book_new(book_fd);
    struct book_entry entry;
    unsigned waits = 0;
    publish(100, "Shrunk");
    is_int(book_refresh(book, &why), 1, "a whole generation is opened");
    for (unsigned i = 0; i < BOOK_SHARDS; i++) {
        char name[40];
        snprintf(name, sizeof name, "book-%03u.cdb", i);
        damage("00000100", name, 2048, true);
    }
    waits += find(book, "GWISE:dom.po.bob", &entry) == -EAGAIN;
    waits += find(book, "SMTP:ann@contoso.example", &entry) == -EAGAIN;
    is_int(waits, 2, "a shard that shrinks under the reader makes mail wait, and kills nobody");
    book_free(book);
    remove_generation("00000100");
}

/* ---- many ---- */

struct seen {
    size_t n, own;
    uint64_t sum;
};

static bool
count_entry(const struct book_entry *entry, void *arg)
{
    struct seen *seen = arg;
    uint64_t n = 0;
    seen->n++;
    seen->own += entry->n_proxies == 2;
    if (span_to_u64(entry->display, 100000, &n))
        seen->sum += n;
    return true;
}

static bool
stop_at_three(const struct book_entry *entry, void *arg)
{
    size_t *n = arg;
    return entry->n_proxies > 0 && ++*n < 3;
}

static void
test_many(void)
{
    enum { MANY = 20000 };
    struct book_builder *builder = book_builder_new(temp_fd, 200, "many", &why);
    char display[20], smtp[60], gwise[60];
    unsigned failed = 0, lost = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(display, sizeof display, "%u", i);
        snprintf(smtp, sizeof smtp, "SMTP:user%u@contoso.example", i);
        snprintf(gwise, sizeof gwise, "GWISE:Exchange.HQ.user%u", i);
        failed += add(builder, display, "host", smtp, gwise) != 0;
        arena_reset(arena);
    }
    is_int(failed, 0, "20000 recipients are added");
    is_int(add(builder, "x", "host", "SMTP:USER7@contoso.example", NULL), -EEXIST,
           "one who is there is refused");
    ok(strstr(why.text, "user7@contoso.example") && strstr(why.text, "SMTP:user7@"), "both are named: %s",
       why.text);
    is_int(add(builder, "x", "host", "SMTP:new@contoso.example", "GWISE:exchange.hq.USER19999"), -EEXIST,
           "by any of his addresses");
    ok(strstr(why.text, "new@contoso.example") && strstr(why.text, "SMTP:user19999@"), "both are named: %s",
       why.text);
    is_int(book_builder_publish(builder, book_fd, &why), 0, "the book is published");
    struct book *book = book_new(book_fd);
    struct book_entry entry;
    is_int(book_refresh(book, &why), 1, "and opened");
    is_int(book_entries(book), MANY, "with its number");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(display, sizeof display, "%u", i);
        snprintf(gwise, sizeof gwise, i % 2 ? "GWISE:Exchange.HQ.USER%u" : "SMTP:user%u@CONTOSO.example", i);
        lost += find(book, gwise, &entry) != 0 || !span_equal(entry.display, span_of(display));
        arena_reset(arena);
    }
    is_int(lost, 0, "each is found by each address");
    is_int(find(book, "SMTP:new@contoso.example", &entry), -ENOENT, "who was refused is not there");
    struct seen seen = {0};
    is_int(book_each(book, count_entry, &seen), 0, "the book can be walked");
    is_int(seen.n, MANY, "each entry once");
    is_int(seen.own, MANY, "with its proxies");
    is_int((long long)seen.sum, (long long)MANY * (MANY - 1) / 2, "and none twice");
    size_t n = 0;
    book_each(book, stop_at_three, &n);
    is_int(n, 3, "a walk can be ended");
    book_free(book);
}

static void
test_refusals(void)
{
    struct book_builder *builder = book_builder_new(temp_fd, 300, "a\nb", &why);
    struct book_proxy two[2] = {{address_of("SMTP:a@x.example"), true}, {address_of("SMTP:b@x.example"), true}};
    struct book_entry entry = {SPAN("A"), SPAN("host"), two[0].address, two, 2};
    is_int(book_builder_add(builder, &entry, &why), -EINVAL, "two primaries of one type are refused");
    two[1].primary = false;
    entry.primary = address_of("SMTP:c@x.example");
    is_int(book_builder_add(builder, &entry, &why), -EINVAL, "a primary that is no proxy too");
    entry.primary = two[0].address;
    entry.side = SPAN("");
    is_int(book_builder_add(builder, &entry, &why), -EINVAL, "and an empty side");
    entry.side = SPAN("host");
    entry.display = SPAN("a\nb");
    is_int(book_builder_add(builder, &entry, &why), -EINVAL, "and a line break in a display");
    entry.display = SPAN("A");
    two[1].address = (struct address){SPAN("SMTP"), SPAN("no mailbox")};
    is_int(book_builder_add(builder, &entry, &why), -EINVAL, "and what is no address");
    two[1].address = address_of("smtp:A@X.example");
    is_int(book_builder_add(builder, &entry, &why), 0, "the same address twice in one entry counts once");
    is_int(book_builder_add(builder, &entry, &why), -EEXIST, "the same recipient twice is a duplicate");
    book_builder_drop(builder);
    ok(!exists(temp_fd, "book.300"), "a dropped build leaves nothing");
    book_builder_drop(NULL);
    mkdirat(temp_fd, "book.301", 0700);
    close(openat(temp_fd, "book.301/book-000.cdb", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    builder = book_builder_new(temp_fd, 301, "x", &why);
    ok(builder != NULL, "what a build that died left is removed by the next");
    book_builder_drop(builder);
    ok(book_builder_new(-1, 1, "x", &why) == NULL && why.text[0] != '\0', "a folder that is not there is told");
}

int
main(void)
{
    arena = arena_new(1 << 24);
    struct book_rig rig = book_rig_make();
    temp_fd = rig.temp_fd;
    book_fd = rig.book_fd;
    test_empty();
    test_find();
    test_refresh();
    test_torn();
    test_only_torn();
    test_strange_names();
    test_shrinking();
    test_many();
    test_refusals();
    test_expected();
    book_rig_clear(&rig);
    arena_free(arena);
    return tap_done();
}
