/* conf_value.c - one option's value: from text, to text, and its default
 *
 * Units are spelt, never guessed: sizes are 512, 10K, 25M, 1G, 1T (1024), times 30s, 5m, 1h, 2d, 1w.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "conf/conf_schema.h"

struct unit {
    char letter;
    uint64_t factor;
};

static const struct unit byte_units[] = {
    {'T', UINT64_C(1) << 40}, {'G', 1 << 30}, {'M', 1 << 20}, {'K', 1 << 10}};
static const struct unit time_units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

/* So that sums of a few of them, in milliseconds too, cannot overflow. */
static const uint64_t bytes_max = UINT64_C(1) << 50, time_max_s = UINT64_C(36500) * 86400;

static bool
parse_unit(struct span text, const struct unit *units, size_t n, uint64_t max, int64_t *value)
{
    uint64_t factor = 1;
    for (size_t i = 0; i < n && text.len > 0; i++)
        if (text.at[text.len - 1] == units[i].letter) {
            factor = units[i].factor;
            text.len--;
            break;
        }
    uint64_t number;
    if (!span_to_u64(text, max / factor, &number))
        return false;
    *value = (int64_t)(number * factor);
    return true;
}

bool
conf_time_parse(struct span text, int64_t *seconds)
{
    return parse_unit(text, time_units, COUNT_OF(time_units), time_max_s, seconds);
}

bool
conf_bytes_parse(struct span text, int64_t *bytes)
{
    return parse_unit(text, byte_units, COUNT_OF(byte_units), bytes_max, bytes);
}

/* "lowest..highest value" of a NUMBER's default in config.def. */
static void
number_limits(const struct conf_item *item, long *low, long *high, long *standard)
{
    char *end;
    *low = strtol(item->standard, &end, 10);
    BUG_UNLESS(end[0] == '.' && end[1] == '.');
    *high = strtol(end + 2, &end, 10);
    BUG_UNLESS(end[0] == ' ');
    *standard = strtol(end + 1, &end, 10);
    BUG_UNLESS(end[0] == '\0' && *low <= *standard && *standard <= *high);
}

static int
parse_number(const struct conf_item *item, const char *text, void *member, struct why *why)
{
    long low, high, standard;
    uint64_t value;
    number_limits(item, &low, &high, &standard);
    if (!span_to_u64(span_of(text), LONG_MAX, &value) || (long)value < low || (long)value > high)
        return why_set(why, "", "%s = \"%.60s\": a whole number from %ld to %ld is needed", item->name, text,
                       low, high);
    *(long *)member = (long)value;
    return 0;
}

static int
parse_bytes(const struct conf_item *item, const char *text, void *member, struct why *why)
{
    int64_t value;
    if (!conf_bytes_parse(span_of(text), &value))
        return why_set(why, "", "%s = \"%.60s\": a size is needed, as 512, 10K, 25M or 1G", item->name, text);
    *(uint64_t *)member = (uint64_t)value;
    return 0;
}

static int
parse_time(const struct conf_item *item, const char *text, void *member, struct why *why)
{
    int64_t value;
    bool sound = conf_time_parse(span_of(text), &value);
    if (sound && value == 0 && item->kind == CONF_TIME)
        return why_set(why, "", "%s = \"%.60s\": at least 1s is needed", item->name, text);
    if (!sound || (value > 0 && isdigit((unsigned char)text[strlen(text) - 1])))
        return why_set(why, "", "%s = \"%.60s\": a time with its unit is needed, as 30s, 5m, 1h, 2d or 1w",
                       item->name, text);
    *(int64_t *)member = value;
    return 0;
}

static int
parse_bool(const struct conf_item *item, const char *text, void *member, struct why *why)
{
    struct span s = span_of(text);
    if (span_equal(s, SPAN("yes")) || span_equal(s, SPAN("no"))) {
        *(bool *)member = s.len == 3;
        return 0;
    }
    bool yes = span_equal_nocase(s, SPAN("true")) || span_equal_nocase(s, SPAN("on")) ||
               span_equal(s, SPAN("1")) || span_equal_nocase(s, SPAN("yes"));
    bool no = span_equal_nocase(s, SPAN("false")) || span_equal_nocase(s, SPAN("off")) ||
              span_equal(s, SPAN("0")) || span_equal_nocase(s, SPAN("no"));
    return why_set(why, "", "%s = \"%.60s\": yes or no is needed%s", item->name, text,
                   yes  ? "; did you mean \"yes\"?"
                   : no ? "; did you mean \"no\"?"
                        : "");
}

/* The next of "one|of|these:"; empty behind the last. */
static struct span
next_choice(const char **at)
{
    struct span word = {*at, strcspn(*at, "|:")};
    *at += word.len;
    if (**at == '|')
        (*at)++;
    return word;
}

static int
parse_choice(struct conf *conf, const struct conf_item *item, const char *text, void *member, struct why *why)
{
    const char *at = item->help;
    struct conf_nearest nearest = {0};
    struct buf all = {0};
    for (struct span word = next_choice(&at); word.len > 0; word = next_choice(&at)) {
        if (span_equal(word, span_of(text))) {
            *(const char **)member = conf_copy(conf, word);
            buf_clear(&all);
            return 0;
        }
        conf_nearest_offer(&nearest, span_of(text), conf_copy(conf, word));
        buf_printf(&all, "%s%.*s", all.len > 0 ? ", " : "", (int)word.len, word.at);
    }
    why_set(why, "", "%s = \"%.60s\": one of %s is needed%s%s%s", item->name, text, all.at,
            nearest.name != NULL ? "; did you mean \"" : "", nearest.name != NULL ? nearest.name : "",
            nearest.name != NULL ? "\"?" : "");
    buf_clear(&all);
    return -EINVAL;
}

/* What is no list. The text is kept by reference where it is the value. */
static int
parse_one(struct conf *conf, const struct conf_item *item, const char *text, void *member, struct why *why)
{
    switch (item->kind) {
    case CONF_CHOICE:
        return parse_choice(conf, item, text, member, why);
    case CONF_BOOL:
        return parse_bool(item, text, member, why);
    case CONF_NUMBER:
        return parse_number(item, text, member, why);
    case CONF_BYTES:
        return parse_bytes(item, text, member, why);
    case CONF_TIME:
    case CONF_TIME0:
        return parse_time(item, text, member, why);
    default:
        *(const char **)member = text;
        return 0;
    }
}

int
conf_value_parse(struct conf *conf, const struct conf_item *item, const struct conf_texts *texts, void *member,
                 struct why *why)
{
    if (conf_item_is_list(item)) {
        *(struct conf_texts *)member = *texts;
        return 0;
    }
    BUG_UNLESS(texts->n == 1);
    return parse_one(conf, item, texts->at[0], member, why);
}

static struct conf_texts
split(struct conf *conf, const char *text)
{
    struct conf_texts texts = {0};
    texts.at = conf_alloc(conf, (strlen(text) / 2 + 1) * sizeof *texts.at);
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        texts.at[texts.n++] = conf_copy(conf, (struct span){text, len});
        text += len + (text[len] == ' ');
    }
    return texts;
}

void
conf_value_default(struct conf *conf, const struct conf_item *item, void *member)
{
    struct why why = {0};
    if (item->kind == CONF_NUMBER) {
        long low, high;
        number_limits(item, &low, &high, member);
    } else if (item->standard == NULL) {
        return; /* all members are zero before */
    } else if (conf_item_is_list(item)) {
        *(struct conf_texts *)member = split(conf, item->standard);
    } else {
        BUG_UNLESS(parse_one(conf, item, item->standard, member, &why) == 0);
    }
}

static void
print_quoted(const char *text, struct buf *out)
{
    buf_add_byte(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\' || *text == '$')
            buf_add_byte(out, '\\');
        buf_add_byte(out, *text);
    }
    buf_add_byte(out, '"');
}

static void
print_texts(const struct conf_texts *texts, struct buf *out)
{
    buf_add_text(out, "{");
    for (size_t i = 0; i < texts->n; i++) {
        buf_add_text(out, i > 0 ? ", " : " ");
        print_quoted(texts->at[i], out);
    }
    buf_add_text(out, " }");
}

static void
print_unit(uint64_t value, const struct unit *units, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        if (value > 0 && value % units[i].factor == 0) {
            buf_printf(out, "%" PRIu64 "%c", value / units[i].factor, units[i].letter);
            return;
        }
    buf_printf(out, "%" PRIu64, value);
}

void
conf_value_print_time(int64_t seconds, struct buf *out)
{
    print_unit((uint64_t)seconds, time_units, COUNT_OF(time_units), out);
}

void
conf_value_print(const struct conf_item *item, const void *member, struct buf *out)
{
    struct buf text = {0};
    switch (item->kind) {
    case CONF_TEXTS:
    case CONF_FILES:
        if (item->standard != NULL || ((const struct conf_texts *)member)->n > 0)
            print_texts(member, out);
        return;
    case CONF_BOOL:
        buf_add_text(out, *(const bool *)member ? "yes" : "no");
        return;
    case CONF_NUMBER:
        buf_printf(out, "%ld", *(const long *)member);
        return;
    case CONF_BYTES:
        print_unit(*(const uint64_t *)member, byte_units, COUNT_OF(byte_units), &text);
        break;
    case CONF_TIME:
    case CONF_TIME0:
        if (item->standard == NULL && *(const int64_t *)member == 0)
            return;
        conf_value_print_time(*(const int64_t *)member, &text);
        break;
    default:
        if (*(const char *const *)member != NULL)
            print_quoted(*(const char *const *)member, out);
        return;
    }
    print_quoted(text.at, out);
    buf_clear(&text);
}

void
conf_value_print_default(const struct conf_item *item, struct buf *out)
{
    union {
        const char *text;
        struct conf_texts texts;
        bool yes;
        long number;
        uint64_t bytes;
        int64_t seconds;
    } value;
    struct conf scratch = {.arena = arena_new(64 * 1024)};
    memset(&value, 0, sizeof value);
    conf_value_default(&scratch, item, &value);
    conf_value_print(item, &value, out);
    arena_free(scratch.arena);
}

bool
conf_value_is_default(const struct conf_item *item, const void *member)
{
    struct buf value = {0}, standard = {0};
    conf_value_print(item, member, &value);
    conf_value_print_default(item, &standard);
    bool same = span_equal(buf_span(&value), buf_span(&standard));
    buf_clear(&value);
    buf_clear(&standard);
    return same;
}

void
conf_value_print_range(const struct conf_item *item, struct buf *out)
{
    static const char *const words[] = {
        [CONF_TEXT] = "text",
        [CONF_TEXTS] = "a list of texts",
        [CONF_BOOL] = "yes or no",
        [CONF_BYTES] = "a size, as 512, 10K, 25M or 1G",
        [CONF_TIME] = "a time, as 30s, 5m, 1h, 2d or 1w",
        [CONF_TIME0] = "a time, as 30s, 5m, 1h, 2d or 1w, or 0",
        [CONF_FILE] = "a file",
        [CONF_FILES] = "a list of files",
        [CONF_FOLDER] = "a folder",
        [CONF_SECRET] = "a file that only its owner may read",
    };
    if (item->kind == CONF_NUMBER) {
        long low, high, standard;
        number_limits(item, &low, &high, &standard);
        buf_printf(out, "a number from %ld to %ld", low, high);
    } else if (item->kind == CONF_CHOICE) {
        const char *at = item->help;
        buf_add_text(out, "one of ");
        size_t begin = out->len;
        for (struct span word = next_choice(&at); word.len > 0; word = next_choice(&at))
            buf_printf(out, "%s%.*s", out->len > begin ? ", " : "", (int)word.len, word.at);
    } else {
        buf_add_text(out, words[item->kind]);
    }
}
