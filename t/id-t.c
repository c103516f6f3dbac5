/* id-t.c - queue ids: sorted, unique, and nothing hostile in a name that is accepted */
#include "common/id.h"

#include <time.h>

#include "t/tap.h"

enum { MANY = 1000000 };

/* The clock under test: id.c reads it through base.c's time_ms(), which asks the system. */
static int64_t clock_offset_ms;

int
clock_gettime(clockid_t clock, struct timespec *now)
{
    static int64_t ticks;
    int64_t ms = 1764054000000 + clock_offset_ms + ticks++ / 64;
    (void)clock;
    now->tv_sec = ms / 1000;
    now->tv_nsec = ms % 1000 * 1000000;
    return 0;
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, ID_LEN);
}

static size_t
repeated(char (*ids)[ID_LEN + 1], size_t n)
{
    size_t same = 0;
    qsort(ids, n, sizeof *ids, compare);
    for (size_t i = 1; i < n; i++)
        same += memcmp(ids[i], ids[i - 1], ID_LEN) == 0;
    return same;
}

static void
test_form(void)
{
    char id[ID_LEN + 1];
    size_t wrong = 0;
    id_start(0xffff, 0xffff);
    for (int i = 0; i < 1000; i++) {
        int64_t before = time_ms();
        id_new(id);
        wrong += strlen(id) != 26 || strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUV") != 26;
        wrong += id_time_ms(id) < before || id_time_ms(id) > before + 1;
    }
    is_int(wrong, 0, "an id has 26 characters and tells its time");
}

static void
test_sorted_and_unique(void)
{
    char(*ids)[ID_LEN + 1] = xcalloc(MANY, sizeof *ids);
    size_t back = 0;
    id_start(1, 1);
    for (size_t i = 0; i < MANY; i++) {
        id_new(ids[i]);
        back += i > 0 && id_time_ms(ids[i]) > id_time_ms(ids[i - 1]) && memcmp(ids[i], ids[i - 1], ID_LEN) <= 0;
    }
    is_int(back, 0, "a later id sorts behind an earlier one");
    is_int(repeated(ids, MANY), 0, "a million ids are all different");
    free(ids);
}

static void
test_clock_back(void)
{
    char(*ids)[ID_LEN + 1] = xcalloc(MANY, sizeof *ids);
    size_t early = 0;
    id_start(1, 1);
    for (size_t i = 0; i < MANY / 2; i++)
        id_new(ids[i]);
    int64_t last = id_time_ms(ids[MANY / 2 - 1]);
    clock_offset_ms -= 3600000;
    for (size_t i = MANY / 2; i < MANY; i++) {
        id_new(ids[i]);
        early += id_time_ms(ids[i]) < last;
    }
    is_int(early, 0, "a clock that goes back does not take ids with it");
    is_int(repeated(ids, MANY), 0, "and no id comes twice");
    for (size_t i = 0; i < MANY; i++) {
        if (i % 1000 == 0) { /* a thousand starts, all within the same few milliseconds over and over */
            id_start(1, 1);
            clock_offset_ms -= 16;
        }
        id_new(ids[i]);
    }
    is_int(repeated(ids, MANY), 0, "nor over a thousand starts in the same milliseconds");
    free(ids);
}

/* The bits [from, from + count) of an id, of 130. */
static unsigned
bits_of(const char *id, unsigned from, unsigned count)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    unsigned value = 0;
    for (unsigned i = from; i < from + count; i++)
        value = value << 1 | ((unsigned)(strchr(digits, id[i / 5]) - digits) >> (4 - i % 5) & 1);
    return value;
}

static void
test_nodes(void)
{
    char id[ID_LEN + 1];
    size_t wrong = 0;
    for (unsigned i = 0; i < 65536; i += 13) {
        id_start((uint16_t)i, (uint16_t)(i * 7));
        id_new(id);
        wrong += bits_of(id, 48, 16) != i || bits_of(id, 64, 16) != (i * 7 & 0xffff);
    }
    is_int(wrong, 0, "node and slot stand each in their bits: no other node or process makes the same id");
}

/* ---- names ---- */

#define ID "0123456789ABCDEFGHIJKLMNOP"

static void
test_good_names(void)
{
    struct queue_name parts;
    ok(queue_name_parse(ID, &parts) && !parts.is_part && !parts.is_request && !parts.has_time, "an id alone");
    ok(queue_name_parse(ID ".2", &parts) && parts.is_part && !parts.is_request, "a part");
    is_text(parts.id, ID, "has its message's id");
    ok(queue_name_parse(ID ".2.11.r3@1764054000", &parts) && parts.is_part && parts.is_request &&
           parts.has_time,
       "a request of a part of a part, with a time");
    is_text(parts.stem, ID ".2.11.r3", "whose stem goes without the time");
    is_int(parts.time_s, 1764054000, "and the time is read");
    ok(queue_name_parse(ID "@0", &parts) && parts.has_time && parts.time_s == 0,
       "time 0: at once, or without end");
    char name[QUEUE_NAME_MAX];
    queue_name_at(ID ".1", INT64_C(999999999999999999), name);
    ok(queue_name_parse(name, &parts) && parts.time_s == INT64_C(999999999999999999),
       "the latest time comes back");
}

static void
test_hostile_names(void)
{
    static const char *const bad[] = {
        "",
        "@",
        ".",
        "..",
        "x",
        ID "X",
        ID " ",
        ID "\n",
        ID ".",
        ID "..",
        ID ".0",
        ID ".01",
        ID ".r",
        ID ".r0",
        ID ".r01",
        ID ".R1",
        ID ".-1",
        ID ".+1",
        ID ". 1",
        ID ".1.",
        ID ".r1.1",
        ID ".r1.r2",
        ID ".1.1.1.1.1",
        ID ".1.1.1.1.r1",
        ID ".1234567",
        ID "@",
        ID "@-1",
        ID "@01",
        ID "@1@1",
        ID "@1.1",
        ID "@1 ",
        ID "@9999999999999999999",
        ID "@18446744073709551617",
        ID ".why",
        ID ".item",
        ID "/..",
        "0123456789ABCDEFGHIJKLMNO",
        "../" ID,
        "0123456789abcdefghijklmnop",
        "0123456789ABCDEFGHIJKLMNOW",
        "0123456789ABCDEFGHIJKLMN\xc3\x84",
        "." ID,
        ID ".1/../../x",
        ID ".1@1\xff",
    };
    struct queue_name parts;
    size_t taken = 0;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (queue_name_parse(bad[i], &parts)) {
            printf("# accepted: %s\n", bad[i]);
            taken++;
        }
    is_int(taken, 0, "no hostile name is a queue file's");
    char longest[300];
    memset(longest, '1', sizeof longest);
    memcpy(longest, ID ".", ID_LEN + 1);
    longest[sizeof longest - 1] = '\0';
    ok(!queue_name_parse(longest, &parts), "one as long as a name can be is none either");
    for (int c = 1; c < 256; c++) {
        char name[ID_LEN + 2] = ID;
        for (int at = 0; at <= ID_LEN; at++) {
            name[at] = (char)c;
            bool digit = at < ID_LEN && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'V'));
            taken += queue_name_parse(name, &parts) != digit;
            name[at] = ID[at];
        }
    }
    is_int(taken, 0, "every byte at every place is a digit or refused");
    is_int(id_time_ms("0123456789"), -1, "a text that ends early has no time");
}

int
main(void)
{
    test_form();
    test_sorted_and_unique();
    test_clock_back();
    test_nodes();
    test_good_names();
    test_hostile_names();
    return tap_done();
}
