/* dir-set-t.c - all entries of one directory: what is put is what is got and found, and a file that is torn is no set */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "directory/set_inside.h"
#include "t/tap.h"

static struct why why;
static struct dir_room room;

static struct address
address_of(const char *type, const char *value)
{
    return (struct address){span_of(type), span_of(value)};
}

/* An entry with an id and little else. */
static struct dir_entry
plain(const char *id, const char *name, const char *mark)
{
    return (struct dir_entry){
        .id = span_of(id), .name = span_of(name), .mark = span_of(mark), .kind = DIR_CONTACT};
}

static size_t
put(struct dir_set *set, const char *id, const char *name, const char *mark, const char *smtp)
{
    struct dir_entry entry = plain(id, name, mark);
    struct dir_proxy proxy = {address_of("SMTP", smtp), true};
    entry.proxies = &proxy;
    entry.n_proxies = smtp[0] != '\0';
    return dir_set_put(set, &entry, &why);
}

static size_t
find_address(const struct dir_set *set, const char *type, const char *value, bool *more)
{
    struct address address = address_of(type, value);
    return dir_set_find_address(set, &address, more);
}

static bool
equal(const struct dir_entry *a, const struct dir_entry *b)
{
    bool same = span_equal(a->id, b->id) && span_equal(a->name, b->name) && span_equal(a->mark, b->mark) &&
                a->kind == b->kind && a->hidden == b->hidden && a->opted_out == b->opted_out &&
                a->disabled == b->disabled && a->broken == b->broken && a->policy == b->policy &&
                span_equal(a->trouble, b->trouble) && span_equal(a->target.type, b->target.type) &&
                span_equal(a->target.value, b->target.value) && a->n_proxies == b->n_proxies &&
                a->n_members == b->n_members;
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++)
        same = same && span_equal(a->value[i], b->value[i]);
    for (size_t i = 0; same && i < a->n_proxies; i++)
        same = a->proxies[i].primary == b->proxies[i].primary &&
               span_equal(a->proxies[i].address.type, b->proxies[i].address.type) &&
               span_equal(a->proxies[i].address.value, b->proxies[i].address.value);
    for (size_t i = 0; same && i < a->n_members; i++)
        same = span_equal(a->members[i], b->members[i]);
    return same;
}

/* An entry that uses everything. */
static struct dir_entry
full(void)
{
    static struct dir_proxy proxies[DIR_PROXIES_MAX];
    static struct span members[3000];
    static char values[DIR_ATTRIBUTES][300], addresses[DIR_PROXIES_MAX][30];
    struct dir_entry entry = plain("6a0e1111-2222", "CN=Ann \xc3\x84. Beebe,OU=x", "viaduct:gw:a:b");
    for (unsigned i = 0; i < DIR_ATTRIBUTES; i++) {
        snprintf(values[i], sizeof values[i], "%0*u", (int)(1 + i * 15), i);
        entry.value[i] = span_of(values[i]);
    }
    entry.value[DIR_CITY] = (struct span){NULL, 0};
    for (size_t i = 0; i < DIR_PROXIES_MAX; i++) {
        snprintf(addresses[i], sizeof addresses[i], "a%zu@x.example", i);
        proxies[i] = (struct dir_proxy){address_of("SMTP", addresses[i]), i == 0};
    }
    for (size_t i = 0; i < COUNT_OF(members); i++)
        members[i] = span_of(addresses[i % DIR_PROXIES_MAX]);
    entry.kind = DIR_GROUP;
    entry.hidden = entry.disabled = entry.broken = entry.opted_out = true;
    entry.policy = 300;
    entry.trouble = SPAN("no address");
    entry.target = address_of("GWISE", "Dom.PO.bob");
    entry.proxies = proxies;
    entry.n_proxies = DIR_PROXIES_MAX;
    entry.members = members;
    entry.n_members = COUNT_OF(members);
    return entry;
}

static void
test_put_and_get(void)
{
    struct dir_set *set = dir_set_new();
    struct dir_entry entry = full(), got;
    size_t place = dir_set_put(set, &entry, &why);
    ok(dir_set_get(set, place, &room, &got) && equal(&entry, &got), "what is put is what is got");
    struct dir_entry small = plain("1", "", "");
    ok(dir_set_get(set, dir_set_put(set, &small, &why), &room, &got) && equal(&small, &got),
       "an entry with an id alone too");
    struct span before = got.id;
    for (int i = 0; i < 5000; i++)
        dir_set_put(set, &entry, &why);
    ok(dir_set_count(set) == 2 && dir_set_places(set) == 2 && span_equal(before, SPAN("1")),
       "the same id is put in place of the old one; spans stay valid");
    ok(dir_set_drop(set, SPAN("1")) && !dir_set_drop(set, SPAN("1")) && dir_set_count(set) == 1,
       "an entry is dropped once");
    ok(!dir_set_get(set, 1, &room, &got) && !dir_set_get(set, 7, &room, &got) &&
           dir_set_find_id(set, SPAN("1")) == SIZE_MAX,
       "and is not found any more");
    is_int(dir_set_put(set, &small, &why), 2, "its place is not used again");
    dir_set_free(set);
}

static void
test_refused(void)
{
    struct dir_set *set = dir_set_new();
    struct dir_entry entry = full();
    static char long_text[70000];
    memset(long_text, 'x', sizeof long_text - 1);
    struct dir_entry bad[8] = {entry, entry, entry, entry, entry, entry, entry, entry};
    bad[0].id = SPAN("");
    bad[1].id = SPAN("a\nb");
    bad[2].id = (struct span){long_text, 300};
    bad[3].name = (struct span){long_text, DIR_NAME_MAX + 1};
    bad[4].mark = (struct span){long_text, DIR_MARK_MAX + 1};
    bad[5].value[DIR_INFO] = (struct span){long_text, 65536};
    bad[6].target = address_of("no type", "x");
    bad[7].n_proxies = DIR_PROXIES_MAX + 1;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why.text[0] = '\0';
        ok(dir_set_put(set, &bad[i], &why) == SIZE_MAX && why.text[0] != '\0', "refused with words: %s",
           why.text);
    }
    is_int(dir_set_count(set), 0, "and nothing of it is there");
    dir_set_free(set);
}

static void
test_find(void)
{
    struct dir_set *set = dir_set_new();
    bool more;
    ok(dir_set_find_id(set, SPAN("a")) == SIZE_MAX && dir_set_find_name(set, SPAN("a")) == SIZE_MAX,
       "nobody is found in an empty set");
    put(set, "a", "CN=Ann,OU=x", "viaduct:gw:1", "ann@contoso.example");
    put(set, "b", "CN=Bob,OU=x", "viaduct:gw:2",
        "\"bob\"@B\xc3\x9c"
        "CHER.example");
    put(set, "c", "", "", "");
    is_int(dir_set_find_id(set, SPAN("b")), 1, "by id");
    is_int(dir_set_find_id(set, SPAN("B")), -1, "octet for octet");
    is_int(dir_set_find_name(set, SPAN("cn=ANN,ou=x")), 0, "by name without case");
    is_int(dir_set_find_mark(set, SPAN("viaduct:gw:2")), 1, "by mark");
    is_int(dir_set_find_mark(set, SPAN("viaduct:GW:2")), -1, "octet for octet");
    is_int(dir_set_find_mark(set, SPAN("")), -1, "who has no mark is not found by none");
    is_int(find_address(set, "SMTP", "ANN@Contoso.Example", &more), 0, "by address");
    ok(!more, "which is his alone");
    is_int(find_address(set, "SMTP", "bob@xn--bcher-kva.example", &more), 1,
           "an address as address_equal() has it");
    is_int(find_address(set, "GWISE", "ann@contoso.example", &more), -1, "the type counts");
    put(set, "d", "CN=Ann 2,OU=x", "", "ann@contoso.example");
    is_int(find_address(set, "SMTP", "ann@contoso.example", &more), 0, "the first of two");
    ok(more, "and that there are more");
    dir_set_drop(set, SPAN("a"));
    is_int(find_address(set, "SMTP", "ann@contoso.example", &more), 3, "the second when the first is gone");
    ok(!more, "who is alone then");
    is_int(dir_set_find_name(set, SPAN("CN=Ann,OU=x")), -1, "a dropped one has no name");
    put(set, "b", "CN=Bob,OU=y", "", "robert@x.example");
    is_int(dir_set_find_name(set, SPAN("CN=Bob,OU=y")), 1, "a replaced one is found by what is new");
    is_int(dir_set_find_mark(set, SPAN("viaduct:gw:2")), -1, "and not by what was");
    struct dir_entry twice = plain("e", "e", "");
    struct dir_proxy proxies[2] = {{address_of("GWISE", "d.p.e"), true},
                                   {address_of("SMTP", "e@x.example"), true}};
    twice.target = proxies[0].address;
    twice.proxies = proxies;
    twice.n_proxies = 2;
    dir_set_put(set, &twice, &why);
    is_int(find_address(set, "GWISE", "D.P.E", &more), 4, "a target");
    ok(!more, "that is among the proxies too is no conflict");
    dir_set_free(set);
}

/* Many with one address, one name, one mark: that they stand in a table once keeps it fast, which instructions would show (a
 * table in which each stands costs the square: minutes here). */
static void
test_many(void)
{
    enum { MANY = 60000 };
    struct dir_set *set = dir_set_new();
    char id[20];
    bool more, good = true;
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        put(set, id, "CN=Same", "viaduct:gw:same", "same@contoso.example");
    }
    is_int(find_address(set, "SMTP", "same@contoso.example", &more), 0, "the first of many is found");
    ok(more && dir_set_find_name(set, SPAN("CN=Same")) == 0 &&
           dir_set_find_mark(set, SPAN("viaduct:gw:same")) == 0,
       "by name and mark as well");
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        good = good && dir_set_find_id(set, span_of(id)) == (size_t)i;
        if (i % 2 == 0)
            good = good && dir_set_drop(set, span_of(id));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        good = good && (dir_set_find_id(set, span_of(id)) != SIZE_MAX) == (i % 2 == 1);
    }
    ok(good && dir_set_count(set) == MANY / 2, "all are found by id, dropped ones are not");
    dir_set_free(set);
}

static void
test_marks(void)
{
    struct buf mark = {0};
    struct span dirsync, source;
    dir_mark_print("gw-1", SPAN("a:b c"), false, &mark);
    is_span(buf_span(&mark), "viaduct:gw-1:a:b c", "a mark");
    ok(dir_mark_parse(buf_span(&mark), &dirsync, &source) && span_equal(dirsync, SPAN("gw-1")) &&
           span_equal(source, SPAN("a:b c")) && !dir_mark_adopted(buf_span(&mark)),
       "has its parts");
    buf_reset(&mark);
    dir_mark_print("gw", SPAN("7"), true, &mark);
    ok(dir_mark_parse(buf_span(&mark), &dirsync, &source) && span_equal(source, SPAN("7")) &&
           dir_mark_adopted(buf_span(&mark)),
       "so has that of an adopted one");
    static const char *const strangers[] = {"",
                                            "viaduct",
                                            "viaduct:",
                                            "viaduct::x",
                                            "viaduct:gw",
                                            "Viaduct:gw:1",
                                            "viaducts:gw:1",
                                            "{26491CFC}",
                                            "viaduct-adopted:gw"};
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        ok(!dir_mark_parse(span_of(strangers[i]), &dirsync, &source), "'%s' is none of ours", strangers[i]);
    ok(dir_mark_parse(SPAN("viaduct:gw:"), &dirsync, &source) && source.len == 0, "ours without saying whose");
    buf_clear(&mark);
}

static void
test_primary(void)
{
    struct dir_proxy proxies[3] = {{address_of("SMTP", "a@x"), false},
                                   {address_of("GWISE", "d.p.a"), false},
                                   {address_of("SMTP", "b@x"), true}};
    struct dir_entry entry = {.proxies = proxies, .n_proxies = 3};
    ok(dir_entry_proxy(&entry, SPAN("SMTP")) == &proxies[2] &&
           dir_entry_proxy(&entry, SPAN("GWISE")) == &proxies[1] &&
           dir_entry_proxy(&entry, SPAN("X400")) == NULL,
       "the primary of a type, else its first, else none");
}

/* ---- the file ---- */

static struct dir_set *
make_set(void)
{
    struct dir_set *set = dir_set_new();
    struct dir_entry entry = full();
    put(set, "gone", "CN=gone", "", "");
    dir_set_put(set, &entry, &why);
    put(set, "a", "CN=Ann,OU=x", "viaduct:gw:1", "ann@contoso.example");
    dir_set_drop(set, SPAN("gone"));
    return set;
}

static void
test_file(int folder)
{
    struct dir_set *set = make_set(), *again = dir_set_new();
    struct dir_reading reading = {.source = "dc1.contoso.example 6a0e\n",
                                  .full_s = 1711111111,
                                  .read_s = 1711112222},
                       got = {0};
    struct dir_entry entry = full(), found;
    struct stat st;
    buf_add(&reading.cookie, "\0\xff\n", 3);
    is_int(dir_set_read(again, &got, folder, "x.set", &why), -ENOENT, "a file that is not there");
    is_int(dir_set_write(set, &reading, folder, "x.set", &why), 0, "a set is written");
    is_int(dir_set_read(again, &got, folder, "x.set", &why), 0, "and read back");
    ok(fstatat(folder, "x.set.new", &st, 0) < 0, "nothing else is left");
    ok(dir_set_count(again) == 2 && dir_set_get(again, 0, &room, &found) && equal(&entry, &found),
       "with its entries, dropped ones apart");
    ok(got.cookie.len == 3 && memcmp(got.cookie.at, "\0\xff\n", 3) == 0 && got.full_s == 1711111111 &&
           got.read_s == 1711112222 && strcmp(got.source, "dc1.contoso.example 6a0e?") == 0,
       "and what is known of the reading");
    dir_set_free(set);
    dir_set_free(again);
    buf_clear(&reading.cookie);
    buf_clear(&got.cookie);
}

static int
read_octets(int folder, const char *octets, size_t len)
{
    struct dir_reading got = {0};
    struct dir_set *set = dir_set_new();
    int fd = openat(folder, "torn", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (write(fd, octets, len) != (ssize_t)len)
        return 1;
    close(fd);
    why.text[0] = '\0';
    int r = dir_set_read(set, &got, folder, "torn", &why);
    dir_set_free(set);
    buf_clear(&got.cookie);
    return r;
}

static void
test_torn(int folder)
{
    static char octets[1 << 18];
    int fd = openat(folder, "x.set", O_RDONLY);
    ssize_t len = read(fd, octets, sizeof octets);
    close(fd);
    ok(len > 20000 && len < (ssize_t)sizeof octets && read_octets(folder, octets, (size_t)len) == 0,
       "the file is whole");
    int accepted = 0, wordless = 0;
    for (ssize_t end = 0; end < len; end += end < 300 || end > len - 300 ? 1 : 997) {
        accepted += read_octets(folder, octets, (size_t)end) != -EINVAL;
        wordless += why.text[0] == '\0';
    }
    is_int(accepted, 0, "torn anywhere it is none");
    is_int(wordless, 0, "and says so");
    octets[len] = '\n';
    is_int(read_octets(folder, octets, (size_t)len + 1), -EINVAL, "nor with something behind it");
    accepted = 0;
    for (ssize_t at = 0; at < len; at += at < 300 || at > len - 300 ? 1 : 997) {
        octets[at] = (char)(octets[at] ^ 0x10);
        accepted += read_octets(folder, octets, (size_t)len) == 0;
        octets[at] = (char)(octets[at] ^ 0x10);
    }
    is_int(accepted, 0, "nor with an octet changed");
    is_int(mkdirat(folder, "d", 0700), 0, "a folder");
    struct dir_reading got = {0};
    struct dir_set *set = dir_set_new();
    is_int(dir_set_read(set, &got, folder, "d", &why), -EINVAL, "is no set");
    is_int(dir_set_write(set, &got, folder, "d", &why) < 0, 1, "and none can be put there");
    dir_set_free(set);
}

int
main(void)
{
    const char *path = tap_folder();
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    test_put_and_get();
    test_refused();
    test_find();
    test_many();
    test_marks();
    test_primary();
    test_file(folder);
    test_torn(folder);
    unlinkat(folder, "x.set", 0);
    unlinkat(folder, "torn", 0);
    unlinkat(folder, "d", AT_REMOVEDIR);
    close(folder);
    rmdir(path);
    dir_room_clear(&room);
    return tap_done();
}
