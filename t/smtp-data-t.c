/* smtp-data-t.c - only CRLF . CRLF ends a message, whatever the bytes and however they come (server_data.h)
 *
 * The reference looks at whole prefixes, byte by byte, and shares no line with what it judges.
 */
#include "systems/smtp/server_data.h"
#include "t/tap.h"

enum { LONGEST = 7, ROOM = 64 };

struct result {
    char out[ROOM];
    size_t n, consumed;
    unsigned faults;
    bool over;
};

static void
take(void *arg, const char *bytes, size_t len)
{
    struct result *r = arg;
    memcpy(r->out + r->n, bytes, len);
    r->n += len;
}

/* The other automaton: normalising, one octet at a time. `s[-2]` and `s[-1]` are the CRLF of the DATA command.
 */
static struct result
reference(const char *s, size_t len)
{
    struct result r = {.n = 0};
    for (size_t i = 0; i < len && !r.over; i++) {
        bool begins = s[(long)i - 2] == '\r' && s[(long)i - 1] == '\n';
        char next = i + 1 < len ? s[i + 1] : '?';
        r.consumed = i + 1;
        if (begins && i + 2 < len && memcmp(s + i, ".\r\n", 3) == 0) {
            r.over = true;
            r.consumed = i + 3;
        } else if (s[i] == '\0') {
            r.faults |= DATA_NUL;
            r.out[r.n++] = '\0';
        } else if (s[i] == '\n') {
            r.faults |= s[(long)i - 1] == '\r' ? 0 : DATA_BARE_LF;
            r.out[r.n++] = '\n';
        } else if (s[i] == '\r') {
            bool bare = i + 1 < len && next != '\n';
            r.faults |= bare ? DATA_BARE_CR : 0;
            if (bare)
                r.out[r.n++] = '\n';
        } else if (s[i] != '.' || !begins) {
            r.out[r.n++] = s[i];
        }
    }
    return r;
}

static struct result
fed(const char *s, size_t len, size_t split, bool normalize)
{
    struct smtp_data data;
    struct result r = {.n = 0};
    struct smtp_data_sink sink = {take, &r};
    size_t used;
    smtp_data_begin(&data, normalize);
    r.over = smtp_data_feed(&data, s, split, &r.consumed, &sink);
    if (!r.over) {
        r.over = smtp_data_feed(&data, s + split, len - split, &used, &sink);
        r.consumed += used;
    }
    r.faults = data.faults;
    return r;
}

/* The same by single octets. */
static struct result
trickled(const char *s, size_t len)
{
    struct smtp_data data;
    struct result r = {.n = 0};
    struct smtp_data_sink sink = {take, &r};
    smtp_data_begin(&data, true);
    for (size_t i = 0; i < len && !r.over; i++) {
        size_t used;
        r.over = smtp_data_feed(&data, s + i, 1, &used, &sink);
        r.consumed += used;
    }
    r.faults = data.faults;
    return r;
}

static bool
same(const struct result *a, const struct result *b)
{
    return a->over == b->over && a->consumed == b->consumed && a->faults == b->faults && a->n == b->n &&
           memcmp(a->out, b->out, a->n) == 0;
}

/* Without normalising: the same end and the same faults; what is given out is true as far as there is no fault.
 */
static bool
strict_agrees(const struct result *want, const struct result *got)
{
    bool clean = (want->faults & (DATA_BARE_CR | DATA_BARE_LF)) == 0;
    return got->over == want->over && got->consumed == want->consumed && got->faults == want->faults &&
           got->n <= want->n && (!clean || got->n == want->n) && memcmp(got->out, want->out, got->n) == 0;
}

static unsigned long strings, differences, ends, strict_differences;

static void
try_string(const char *s, size_t len)
{
    struct result want = reference(s, len), got = trickled(s, len);
    strings++;
    ends += want.over;
    differences += !same(&want, &got);
    for (size_t split = 0; split <= len; split++) {
        got = fed(s, len, split, true);
        differences += !same(&want, &got);
        got = fed(s, len, split, false);
        strict_differences += !strict_agrees(&want, &got);
    }
}

static void
try_all(void)
{
    static const char alphabet[5] = {'\r', '\n', '.', 'a', '\0'};
    char text[2 + LONGEST] = "\r\n";
    unsigned long count = 1;
    for (size_t len = 1; len <= LONGEST; len++) {
        count *= 5;
        for (unsigned long number = 0; number < count; number++) {
            unsigned long rest = number;
            for (size_t i = 0; i < len; i++, rest /= 5)
                text[2 + i] = alphabet[rest % 5];
            try_string(text + 2, len);
        }
    }
}

static void
is_end(const char *s, size_t consumed, bool over)
{
    char text[2 + ROOM] = "\r\n";
    size_t len = strlen(s);
    memcpy(text + 2, s, len);
    struct result r = fed(text + 2, len, len, false);
    ok(r.over == over && r.consumed == consumed, "%zu of %zu bytes belong to it, the end is %sthere", consumed,
       len, over ? "" : "not ");
}

static size_t calls, bytes_out;

static void
count(void *arg, const char *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    calls++;
    bytes_out += len;
}

static void
test_pieces(void)
{
    static char big[1000003];
    struct smtp_data data;
    struct smtp_data_sink sink = {count, NULL};
    size_t used;
    memset(big, 'x', sizeof big);
    for (size_t i = 78; i < 4096; i += 80)
        memcpy(big + i, "\r\n", 2);
    smtp_data_begin(&data, false);
    smtp_data_feed(&data, big, 4096, &used, &sink);
    ok(calls == 1 && used == 4096, "4 KiB of lines are given out in one call");
    memset(big, 'x', sizeof big);
    memcpy(big + 1000000, "\r\n", 2);
    calls = bytes_out = 0;
    smtp_data_begin(&data, false);
    smtp_data_feed(&data, big, 1000002, &used, &sink);
    ok(bytes_out == 1000001 && data.faults == 0, "a line of 1,000,000 bytes passes whole");
    ok(data.wire_bytes == 1000002, "bytes are counted as transferred");
    smtp_data_begin(&data, false);
    smtp_data_feed(&data, "..ab\r\n.\r\n", 9, &used, &sink);
    is_int(smtp_data_size(&data), 5,
           "the size is that of RFC 1870: CRLF is two, stuffed dots and the end do not count");
}

int
main(void)
{
    try_all();
    is_int(strings, 5 + 25 + 125 + 625 + 3125 + 15625 + 78125,
           "all strings over CR LF . a NUL up to length 7 are tried");
    ok(ends > 0, "some of them end a message (%lu)", ends);
    is_int(differences, 0,
           "normalising: no difference from the reference, split at every byte and byte by byte");
    is_int(strict_differences, 0, "refusing: the same ends and faults, and nothing given out after the first");
    is_end(".\r\nQUIT\r\n", 3, true);
    is_end("a\r\n.\r\nMAIL", 6, true);
    is_end("a\n.\nb", 5, false);
    is_end("a\n.\r\nb", 6, false);
    is_end("a\r\n.\nb", 6, false);
    is_end("a\r.\rb", 5, false);
    is_end("a\r\n.\r\r\nb", 8, false);
    is_end("a\r\n..\r\nb", 8, false);
    test_pieces();
    return tap_done();
}
