/* base-t.c - spans, reasons, arenas and growing strings: their edges */
#include "common/base.h"

#include <errno.h>

#include "common/arena.h"
#include "common/buf.h"
#include "t/tap.h"

static void
test_numbers(void)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616", "99999999999999999999", "101"};
    uint64_t value = 7;
    size_t taken = 0;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        taken += span_to_u64(span_of(bad[i]), i + 1 == COUNT_OF(bad) ? 100 : UINT64_MAX, &value);
    is_int(taken, 0, "no text but a number in range is a number");
    is_int(value, 7, "and the value is not touched");
    ok(span_to_u64(SPAN("18446744073709551615"), UINT64_MAX, &value) && value == UINT64_MAX,
       "the largest is read");
    ok(span_to_u64(SPAN("100"), 100, &value) && value == 100, "a limit belongs to its range");
    ok(!span_to_u64(SPAN("1\0"
                         "2"),
                    UINT64_MAX, &value),
       "a NUL is no digit and no end");
    ok(!span_to_u64((struct span){NULL, 0}, UINT64_MAX, &value), "a span of nothing is no number");
}

static void
test_spans(void)
{
    ok(span_equal(SPAN("a\0b"), SPAN("a\0b")) && !span_equal(SPAN("a\0b"), SPAN("a\0c")),
       "spans compare behind a NUL");
    ok(!span_equal(SPAN("a"), SPAN("ab")) && span_equal((struct span){NULL, 0}, SPAN("")), "and by length");
    ok(span_equal_nocase(SPAN("aZ[1"), SPAN("Az[1")) && !span_equal_nocase(SPAN("["), SPAN("{")),
       "only letters have a case");
    ok(!span_equal_nocase(SPAN("\xc4"), SPAN("\xe4")), "of ASCII");
    ok(span_starts_nocase(SPAN("SMTP:x"), SPAN("smtp:")) && !span_starts_nocase(SPAN("SM"), SPAN("smtp:")),
       "a span begins with its prefix, a shorter one does not");
    is_span(span_trim(SPAN(" \t\r\nx y\r\n ")), "x y", "blanks go at both ends");
    is_int(span_trim(SPAN(" \t ")).len, 0, "all of it where there is nothing else");
}

static void
test_copies(void)
{
    char *part = xstrndup("abc", 2), *short_one = xstrndup("ab\0c", 4), *none = xstrndup(NULL, 0);
    is_text(part, "ab", "a copy has as many bytes as it was told");
    is_text(short_one, "ab", "or as there are before a NUL");
    is_text(none, "", "nothing is copied to an empty text");
    free(part);
    free(short_one);
    free(none);
}

static void
test_why(void)
{
    struct why why;
    char text[2000];
    is_int(why_set(&why, "5.1.1", "no\r\n550 \x01%s", "x"), -EINVAL, "why_set() ends a parser");
    is_text(why.text, "no??550 ?x", "a reason is one line");
    why_set(&why, "5.1.1", "because: %s", why.text);
    is_text(why.text, "because: no??550 ?x", "a reason can hold itself");
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    why_set(&why, "5.1.1234567890123456", "%s", text);
    is_int(strlen(why.text), sizeof why.text - 1, "a long one is cut");
    is_int(strlen(why.status), sizeof why.status - 1, "and a long status");
    is_int(why_set(NULL, "5.0.0", "x"), -EINVAL, "who wants no reason gets none");
    ok(!why_is_temporary(&why), "5 is for good");
    why_set(&why, "4.4.1", "x");
    ok(why_is_temporary(&why), "4 is for now");
}

static void
test_arena(void)
{
    struct arena *arena = arena_new(100000);
    ok(arena_alloc(arena, 100001) == NULL, "more than the cap is not given");
    ok(arena_alloc(arena, 100) != NULL, "less is");
    volatile size_t most = SIZE_MAX; /* the compiler would warn of a constant */
    ok(arena_alloc(arena, most) == NULL && arena_alloc(arena, most - 15) == NULL,
       "nor a size that would turn over");
    size_t given = 0, unaligned = 0, dirty = 0;
    for (unsigned char *p; (p = arena_alloc(arena, 333)) != NULL; given += 333) {
        unaligned += (uintptr_t)p % _Alignof(max_align_t) != 0;
        for (size_t i = 0; i < 333; i++)
            dirty += p[i] != 0;
        memset(p, 0xaa, 333);
    }
    ok(given > 99000 && given <= 100000, "what is given counts up to the cap");
    is_int(unaligned, 0, "and is aligned");
    is_int(dirty, 0, "and zero");
    ok(arena_copy(arena, SPAN("a long text that does not fit any more, since the cap has been reached by what "
                              "was given before "
                              "and so on and on until it must be too long for what can be left of a hundred "
                              "thousand bytes when "
                              "three hundred and thirty-three more did not fit: at most three hundred and "
                              "thirty-two are, so this "
                              "text has to have more than that.......")) == NULL,
       "a text neither");
    is_int(arena_span(arena, (struct span){"x", 1000}).len, 0, "a span of what was not given is empty");
    arena_reset(arena);
    unsigned char *p = arena_alloc(arena, 333);
    for (size_t i = 0; i < 333; i++)
        dirty += p[i] != 0;
    is_int(dirty, 0, "after a reset memory is zero again");
    ok(arena_alloc(arena, 99000) != NULL, "and all of the cap is there");
    is_text(arena_printf(arena, "%d-%s", 42, "x"), "42-x", "formatted text is whole");
    is_text(arena_copy(arena, SPAN("ab")), "ab", "a copy ends in NUL");
    ok(arena_alloc(arena, 0) != NULL, "nothing can be asked for");
    arena_free(arena);
    arena_free(NULL);
}

static void
test_buf(void)
{
    struct buf buf = {0};
    size_t wrong = 0;
    for (unsigned i = 0; i < 100000; i++)
        buf_add_byte(&buf, (char)i);
    for (unsigned i = 0; i < 100000; i++)
        wrong += buf.at[i] != (char)i;
    is_int(wrong, 0, "a string keeps what was added while it grows");
    ok(buf.len == 100000 && buf.at[buf.len] == '\0', "and ends in NUL");
    buf_consume(&buf, 99999);
    ok(buf.len == 1 && buf.at[0] == (char)99999, "its beginning can be dropped");
    buf_consume(&buf, 1);
    buf_printf(&buf, "%0*d", 5000, 7);
    ok(buf.len == 5000 && buf.at[4999] == '7' && buf.at[0] == '0', "a long formatted text is whole");
    buf_reset(&buf);
    ok(buf.len == 0 && buf.at[0] == '\0' && buf.size >= 5000, "a reset keeps the memory");
    buf_add(&buf, NULL, 0);
    buf_add_span(&buf, (struct span){NULL, 0});
    is_int(buf.len, 0, "nothing adds nothing");
    buf_clear(&buf);
    ok(buf.at == NULL && buf.size == 0, "a cleared one has none");
    buf_add_text(&buf, "x");
    is_text(buf.at, "x", "and can be used again");
    buf_clear(&buf);
}

int
main(void)
{
    test_numbers();
    test_spans();
    test_copies();
    test_why();
    test_arena();
    test_buf();
    return tap_done();
}
