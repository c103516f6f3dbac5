/* json-out-t.c - JSON that is valid whatever goes into it */
#include "common/json_out.h"

#include <math.h>

#include "t/tap.h"

static struct buf out;

static const char *
string(struct span value, size_t limit)
{
    buf_reset(&out);
    json_print_string(&out, value, limit);
    return out.at;
}

static void
test_strings(void)
{
    is_text(string(SPAN("plain"), 100), "\"plain\"", "plain bytes stand as they are");
    is_text(string(SPAN("\"\\\n\t\r\0\x1f\x7f"), 100), "\"\\\"\\\\\\n\\t\\u000d\\u0000\\u001f\\u007f\"",
            "quotes and control characters are escaped");
    is_text(string(SPAN("caf\xc3\xa9 \xf0\x9f\x93\xa8"), 100), "\"caf\xc3\xa9 \xf0\x9f\x93\xa8\"",
            "UTF-8 is kept");
    is_text(string(SPAN("\xe2\x80\xa8\xe2\x80\xae\xc2\x9b"), 100), "\"\\u2028\\u202e\\u009b\"",
            "what could trouble a reader is escaped");
    is_text(string(SPAN("\xf4\x8f\xbf\xbf"), 100), "\"\\udbff\\udfff\"",
            "beyond the first plane by surrogates");
    is_text(string(SPAN("a\xff\xc3(\xed\xa0\x80z"), 100),
            "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"",
            "bytes that are not UTF-8 are replaced");
    is_text(string((struct span){NULL, 0}, 100), "\"\"", "nothing is the empty string");
}

static void
test_limits(void)
{
    is_text(string(SPAN("abcdef"), 6), "\"abcdef\"", "what fits exactly is not cut");
    is_text(string(SPAN("0123456789abcdef0123456789"), 20), "\"0123456789abcdef...\"",
            "what does not ends in ...");
    is_text(string(SPAN("\n\n\n\n"), 7), "\"\\n\\n...\"", "escapes are not cut through");
    is_text(string(SPAN("\xc3\xa9\xc3\xa9\xc3\xa9"), 5), "\"\xc3\xa9...\"", "nor are characters");
    is_text(string(SPAN("abc"), 2), "\"\"", "a limit too small for ... leaves nothing");
    bool bounded = true;
    for (size_t limit = 0; limit < 64; limit++)
        bounded =
            bounded && strlen(string(SPAN("ab\n\x01\xc3\xa9\xf4\x8f\xbf\xbfhello world, hello\xff\xff\xff\xff"),
                                     limit)) <= limit + 2;
    ok(bounded, "no limit is passed");
}

static void
test_document(void)
{
    struct json json;
    buf_reset(&out);
    json_start(&json, &out);
    json_begin_object(&json, NULL);
    json_add_text(&json, "id", "X");
    json_begin_array(&json, "list");
    json_add_number(&json, NULL, INT64_MIN);
    json_begin_object(&json, NULL);
    json_end_object(&json);
    json_begin_array(&json, NULL);
    json_end_array(&json);
    json_add_null(&json, NULL);
    json_end_array(&json);
    json_add_bool(&json, "yes", true);
    json_add_text(&json, "none", NULL);
    json_add_fraction(&json, "half", 0.5);
    json_add_fraction(&json, "nan", NAN);
    json_add_time(&json, "at", 1700000000123);
    json_add_time(&json, "never", -1);
    json_add_span(&json, "k\"ey", SPAN("v"));
    json_end_object(&json);
    is_text(out.at,
            "{\"id\":\"X\",\"list\":[-9223372036854775808,{},[],null],\"yes\":true,\"none\":null,\"half\":0.5,"
            "\"nan\":null,\"at\":\"2023-11-14T22:13:20.123Z\",\"never\":null,\"k\\\"ey\":\"v\"}",
            "objects and arrays nest, with commas where they belong");
}

int
main(void)
{
    test_strings();
    test_limits();
    test_document();
    buf_clear(&out);
    return tap_done();
}
