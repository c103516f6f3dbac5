/* filter-t.c - the filter grammar keeps its promises */
#include "commands/filter.h"

#include "commands/command.h"
#include "common/address.h"
#include "t/tap.h"

enum { F_ID, F_AGE, F_SIZE, F_CODE, F_REASON, F_RCPT, F_N };

static const struct field fields[] = {
    {"id", FIELD_TEXT, COST_NAME, 0, "", false},         {"age", FIELD_DURATION, COST_NAME, 0, "", false},
    {"size", FIELD_BYTES, COST_STAT, 0, "", false},      {"code", FIELD_CODE, COST_FILE, 0, "", false},
    {"reason", FIELD_TEXT, COST_FILE, 0, "", false},     {"rcpt", FIELD_TEXT, COST_FILE, 0, "", true},
    {"attempts", FIELD_NUMBER, COST_FILE, 0, "", false},
};

struct item {
    const char *id;
    int64_t age, size, attempts;
    const char *code, *reason, *rcpt[3];
};

static bool
get(const void *arg, size_t field, size_t i, struct field_value *value)
{
    const struct item *item = arg;
    const char *text = field == F_ID       ? item->id
                       : field == F_CODE   ? item->code
                       : field == F_REASON ? item->reason
                                           : item->rcpt[i < 3 ? i : 2];
    if (i > 0 && (field != F_RCPT || i >= 3 || item->rcpt[i] == NULL))
        return false;
    value->text = span_of(text);
    value->unknown = text == NULL;
    value->number = field == F_AGE ? item->age : field == F_SIZE ? item->size : item->attempts;
    if (field == F_AGE || field == F_SIZE || field == F_N)
        value->unknown = false;
    return true;
}

static const struct item item = {.id = "06H13DPVGK0023NO413O2N78A3",
                                 .age = 7500,
                                 .size = 2 << 20,
                                 .attempts = 3,
                                 .code = "4.4.1",
                                 .reason = "Connection refused by 192.0.2.1",
                                 .rcpt = {"bob@branch.example", "Eve@Other.Example", NULL}};

/* Whether the terms match the item: 1, 0, or -1 for a refused term. */
static int
matches(const char *const *terms)
{
    struct filter filter;
    struct why why;
    filter_init(&filter, fields, COUNT_OF(fields));
    for (; *terms != NULL; terms++)
        if (filter_add(&filter, *terms, &why) < 0)
            return -1;
    return filter_match(&filter, COST_NAME, get, &item) && filter_match(&filter, COST_STAT, get, &item) &&
           filter_match(&filter, COST_FILE, get, &item);
}

#define M(...) matches((const char *const[]){__VA_ARGS__, NULL})

static void
test_terms(void)
{
    is_int(M("age>2h"), 1, "an age above two hours matches a message of 2h05m");
    is_int(M("age>3h"), 0, "and not above three");
    is_int(M("age<1d"), 1, "days are a unit");
    is_int(M("size>1M"), 1, "sizes have units of 1024");
    is_int(M("size>2M"), 0, "> is strict");
    is_int(M("size=2M"), 1, "= compares numbers");
    is_int(M("attempts=3"), 1, "plain numbers");
    is_int(M("code=4.4.1"), 1, "a status code");
    is_int(M("code=4.4"), 1, "a code matches by its beginning at a dot");
    is_int(M("code=4"), 1, "also by its class");
    is_int(M("code=4.4.10"), 0, "a longer code does not");
    is_int(M("code=4.4."), 0, "nor does one that ends within");
    is_int(M("reason~CONNECTION"), 1, "~ finds part of a text without case");
    is_int(M("reason~timeout"), 0, "and only what is there");
    is_int(M("rcpt=eve@other.example"), 1, "any of several values matches, without case");
    is_int(M("rcpt=*@branch.example"), 1, "a star stands for any run");
    is_int(M("rcpt=*@*.example"), 1, "two stars");
    is_int(M("rcpt=bob"), 0, "without a star the whole value must match");
    is_int(M("id=06H13DPVGK0023NO413O2N78A3"), 1, "an id as a term");
    is_int(M("06H13DPVGK0023NO413O2N78A3"), 1, "a bare id is a filter");
    is_int(M("06H13DPVGK0023NO413O2N78A4"), 0, "another id is another message");
}

static void
test_combinations(void)
{
    is_int(M("age>2h", "size>1M"), 1, "terms of different fields are ANDed");
    is_int(M("age>2h", "size>5M"), 0, "so one that fails is enough");
    is_int(M("code=5", "code=4.4"), 1, "a repeated term is ORed");
    is_int(M("code=5", "code=4.2"), 0, "where none is true it fails");
    is_int(M("age>1h", "age<2h"), 0, "a range of two signs is ANDed");
    is_int(M("age>1h", "age<3h"), 1, "and matches within");
    is_int(M("all"), 1, "all matches everything");
    is_int(M("all", "age>3h"), 0, "all with a term is the term");
}

static void
test_refusals(void)
{
    is_int(M("sice>1M"), -1, "an unknown field is refused");
    is_int(M("age>soon"), -1, "a duration that is none is refused");
    is_int(M("age>99999999999999999999w"), -1, "a duration beyond all numbers is refused");
    is_int(M("size>1X"), -1, "a size with a strange unit is refused");
    is_int(M("reason>x"), -1, "texts have no order");
    is_int(M("age~2h"), -1, "numbers have no parts");
    is_int(M("everything"), -1, "a bare word that is no id is refused");
    is_int(M(""), -1, "the empty word is refused");
    is_int(M("06H13DPVGK0023NO413O2N78A3X"), -1, "an id with more behind is refused");

    struct filter filter;
    struct why why = {0};
    filter_init(&filter, fields, COUNT_OF(fields));
    filter_add(&filter, "sizw>1M", &why);
    ok(strstr(why.text, "did you mean \"size\"") != NULL, "a misspelt field is guessed");
    ok(filter_is_empty(&filter), "a refused term leaves the filter empty");
    for (int i = 0; i < FILTER_TERMS_MAX; i++)
        filter_add(&filter, "code=4", &why);
    ok(filter_add(&filter, "code=4", &why) < 0, "the number of terms is bounded");
}

static void
test_costs(void)
{
    struct filter filter;
    struct why why;
    filter_init(&filter, fields, COUNT_OF(fields));
    ok(!filter_needs(&filter, COST_NAME), "an empty filter needs nothing");
    filter_add(&filter, "age>1h", &why);
    ok(filter_needs(&filter, COST_NAME) && !filter_needs(&filter, COST_STAT), "age needs the name only");
    filter_add(&filter, "size>1", &why);
    ok(filter_needs(&filter, COST_STAT) && !filter_needs(&filter, COST_FILE), "size needs a stat");
    filter_add(&filter, "code=5", &why);
    ok(filter_needs(&filter, COST_FILE), "a code needs the file");
    ok(filter_match(&filter, COST_NAME, get, &item), "terms of other costs count as true");
    ok(!filter_match(&filter, COST_FILE, get, &item), "until it is their turn");
}

static void
test_wildcards(void)
{
    char text[20001], pattern[41];
    memset(text, 'a', 20000);
    text[20000] = '\0';
    for (int i = 0; i < 40; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[39] = 'b';
    pattern[40] = '\0';
    ok(!wildcard_match(span_of(pattern), span_of(text), false),
       "many stars on a long text end, and do not match");
    ok(wildcard_match(SPAN("a*"), SPAN("a"), false), "a star may stand for nothing");
    ok(wildcard_match(SPAN(""), SPAN(""), false), "nothing matches nothing");
    ok(!wildcard_match(SPAN(""), SPAN("a"), false), "and nothing else");
    ok(wildcard_match(SPAN("a%b?"), SPAN("A%B?"), false) && !wildcard_match(SPAN("a%b"), SPAN("axb"), false),
       "only the star stands for something else in a filter");
}

static void
test_units(void)
{
    int64_t n = -1;
    ok(parse_duration("90", &n) && n == 90, "a number alone is seconds");
    ok(parse_duration("2w", &n) && n == 1209600, "weeks");
    ok(!parse_duration("", &n) && !parse_duration("h", &n) && !parse_duration("-5m", &n) &&
           !parse_duration("5 m", &n),
       "no number, no sign, no blank");
    ok(parse_size("10k", &n) && n == 10240, "sizes take small letters");
    ok(parse_duration("3D", &n) && n == 259200 && parse_size("2G", &n) && n == INT64_C(2) << 30,
       "and durations large ones");
    ok(!parse_duration("99999999999999999999w", &n) && !parse_size("99999999999T", &n),
       "what is too much is none");
    ok(parse_when("2026-11-25T07:00:00Z", false, &n) && n == 1795590000, "RFC 3339");
    ok(!parse_when("2026-11-25T07:00:00X", false, &n), "with something else behind it is none");
    ok(parse_when("2h", true, &n) && n <= time_ms() / 1000 - 7200, "a duration ago");
}

int
main(void)
{
    test_terms();
    test_combinations();
    test_refusals();
    test_costs();
    test_wildcards();
    test_units();
    return tap_done();
}
