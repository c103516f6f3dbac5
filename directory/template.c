/* template.c - an address made of a template for an entry (see policy.h)
 *
 *     value --> %r maps --> first characters --> what the type forbids is left out --> part --> limit of the part
 *
 * in this order, as Exchange's generators did it. All of it counts characters, not octets: a generator of old that looked at
 * halves of characters broke names of Asia.
 *
 * What is hostile here: values of entries. Invalid UTF-8 in them is left out.
 */
#include "directory/template_inside.h"

#include <errno.h>
#include <stdio.h>

#include "common/utf8.h"

struct maker {
    const struct template *template;
    const struct dir_entry *entry;
    struct {
        struct span from, to;
    } map[TEMPLATE_MAPS_MAX];
    size_t n_maps;
    bool codes, values; /* codes were seen in the user part; one had something in it */
    bool alias_for_all; /* the alias in place of all that the user part asks for */
};

/* ---- characters ---- */

/* U+00C0 to U+017F without their marks. */
static const char *const plain[] = {
    "A", "A", "A",  "A", "A", "A", "AE", "C",  "E", "E", "E",  "E",  "I", "I", "I",  "I",  "D", "N", "O",  "O",
    "O", "O", "O",  "",  "O", "U", "U",  "U",  "U", "Y", "Th", "ss", "a", "a", "a",  "a",  "a", "a", "ae", "c",
    "e", "e", "e",  "e", "i", "i", "i",  "i",  "d", "n", "o",  "o",  "o", "o", "o",  "",   "o", "u", "u",  "u",
    "u", "y", "th", "y", "A", "a", "A",  "a",  "A", "a", "C",  "c",  "C", "c", "C",  "c",  "C", "c", "D",  "d",
    "D", "d", "E",  "e", "E", "e", "E",  "e",  "E", "e", "E",  "e",  "G", "g", "G",  "g",  "G", "g", "G",  "g",
    "H", "h", "H",  "h", "I", "i", "I",  "i",  "I", "i", "I",  "i",  "I", "i", "IJ", "ij", "J", "j", "K",  "k",
    "k", "L", "l",  "L", "l", "L", "l",  "L",  "l", "L", "l",  "N",  "n", "N", "n",  "N",  "n", "n", "N",  "n",
    "O", "o", "O",  "o", "O", "o", "OE", "oe", "R", "r", "R",  "r",  "R", "r", "S",  "s",  "S", "s", "S",  "s",
    "S", "s", "T",  "t", "T", "t", "T",  "t",  "U", "u", "U",  "u",  "U", "u", "U",  "u",  "U", "u", "U",  "u",
    "W", "w", "Y",  "y", "Y", "Z", "z",  "Z",  "z", "Z", "z",  "s"};

static uint32_t
code_point(struct span c)
{
    const unsigned char *at = (const unsigned char *)c.at;
    uint32_t value = c.len == 1   ? at[0]
                     : c.len == 2 ? at[0] & 0x1fU
                     : c.len == 3 ? at[0] & 0x0fU
                                  : at[0] & 0x07U;
    for (size_t i = 1; i < c.len; i++)
        value = value << 6 | (at[i] & 0x3fU);
    return value;
}

/* The next character of a text; octets that are none are passed over. Empty at the end. */
static struct span
next_character(struct span text, size_t *at)
{
    size_t len = 0;
    while (*at < text.len && (len = utf8_sequence(text.at + *at, text.len - *at)) == 0)
        ++*at;
    struct span c = {text.at + *at, len};
    *at += len;
    return *at <= text.len && len > 0 ? c : SPAN("");
}

static bool
is_alphanumeric(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_in(const char *set, uint32_t c)
{
    return set != NULL && c > 0 && c < 0x80 && strchr(set, (int)c) != NULL;
}

static bool
is_legal(const struct template_rules *rules, uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (rules->western && c > 0xff))
        return false;
    if (rules->legal != NULL)
        return is_alphanumeric(c) || is_in(rules->legal, c);
    return !is_in(rules->illegal, c);
}

bool
template_legal(const struct template_rules *rules, struct span c)
{
    return is_legal(rules, code_point(c));
}

static size_t
count_characters(struct span text)
{
    size_t n = 0, at = 0;
    while (next_character(text, &at).len > 0)
        n++;
    return n;
}

/* Keeps at most `limit` characters behind `from`. */
static void
cut_characters(struct buf *out, size_t from, size_t limit)
{
    struct span text = {out->at + from, out->len - from};
    size_t at = 0;
    for (size_t n = 0; n < limit; n++)
        if (next_character(text, &at).len == 0)
            return;
    if (from + at < out->len) {
        out->len = from + at;
        out->at[out->len] = '\0';
    }
}

/* ---- one value ---- */

static struct span
attribute_of(const struct dir_entry *entry, char code)
{
    return span_trim(entry->value[code == 'g'   ? DIR_GIVEN
                                  : code == 's' ? DIR_SURNAME
                                  : code == 'i' ? DIR_INITIALS
                                  : code == 'd' ? DIR_DISPLAY
                                                : DIR_ALIAS]);
}

/* The last %rxy for a character decides. True where one did. */
static bool
map_character(const struct maker *maker, struct span *c, bool *drop)
{
    for (size_t i = maker->n_maps; i-- > 0;)
        if (span_equal(maker->map[i].from, *c)) {
            bool same = span_equal(maker->map[i].from, maker->map[i].to);
            bool dot = c->at[0] == '.' && maker->template->rules->dots;
            *drop = same && !dot;
            *c = maker->map[i].to;
            return true;
        }
    return false;
}

static void
add_character(const struct maker *maker, struct span c, bool mapped, bool alias, struct buf *out)
{
    const struct template_rules *rules = maker->template->rules;
    uint32_t point = code_point(c);
    if (rules->latin && point >= 0xc0 && point < 0xc0 + COUNT_OF(plain)) {
        buf_add_text(out, plain[point - 0xc0]);
        return;
    }
    if (rules->underscores && point == '.') {
        buf_add_byte(out, '_');
        return;
    }
    if (!is_legal(rules, point) || (rules->dots && point == '.' && !mapped && !alias))
        return;
    buf_add_span(out, c);
}

/* "Beebe, Ann" is "Ann Beebe": what stands behind the first comma comes first. */
static struct span
swap_name(struct span value, struct buf *room)
{
    const char *comma = value.len > 0 ? memchr(value.at, ',', value.len) : NULL;
    if (comma == NULL)
        return value;
    size_t before = (size_t)(comma - value.at);
    buf_reset(room);
    buf_add_span(room, span_trim((struct span){comma + 1, value.len - before - 1}));
    buf_add_byte(room, ' ');
    buf_add_span(room, span_trim((struct span){value.at, before}));
    return span_trim(buf_span(room));
}

static void
add_value(struct maker *maker, char code, size_t count, struct buf *out)
{
    struct buf room = {0};
    struct span value = attribute_of(maker->entry, code), c;
    if (code == 's' && value.len == 0 && span_equal(maker->template->type_name, SPAN("X400")))
        value = attribute_of(maker->entry, 'm');
    if (code == 'd' && maker->template->rules->swap)
        value = swap_name(value, &room);
    size_t at = 0;
    for (size_t n = 0; (count == 0 || n < count) && out->len < ADDRESS_VALUE_MAX * 4;) {
        bool drop = false;
        c = next_character(value, &at);
        if (c.len == 0)
            break;
        bool mapped = map_character(maker, &c, &drop);
        if (drop)
            continue;
        n++;
        add_character(maker, c, mapped, code == 'm', out);
    }
    buf_clear(&room);
}

/* ---- one part ---- */

static void
add_tokens(struct maker *maker, struct span text, bool user, struct buf *out)
{
    size_t at = 0;
    for (;;) {
        struct token token = template_token(maker->template->rules, text, &at);
        size_t before = out->len;
        if (token.kind == TOKEN_END || token.kind == TOKEN_WRONG)
            return;
        if (token.kind == TOKEN_CHARACTER)
            buf_add_span(out, token.text);
        else if (token.kind == TOKEN_MAP) {
            if (maker->n_maps < TEMPLATE_MAPS_MAX) {
                maker->map[maker->n_maps].from = token.from;
                maker->map[maker->n_maps++].to = token.to;
            }
        } else {
            add_value(maker, token.code, token.count, out);
            maker->codes = maker->codes || user;
            maker->values = maker->values || (user && out->len > before);
        }
    }
}

/* Several dots are one, and none stands at an end: with an empty initial "%g.%i.%s" would be no address. */
static void
tidy_dots(struct buf *out, size_t from)
{
    size_t to = from;
    for (size_t i = from; i < out->len; i++)
        if (out->at[i] != '.' || (to > from && out->at[to - 1] != '.'))
            out->at[to++] = out->at[i];
    while (to > from && out->at[to - 1] == '.')
        to--;
    out->len = to;
}

static void
trim_ends(struct buf *out, size_t from, const char *what)
{
    size_t skip = from;
    while (out->len > from && strchr(what, out->at[out->len - 1]) != NULL)
        out->len--;
    while (skip < out->len && strchr(what, out->at[skip]) != NULL)
        skip++;
    memmove(out->at + from, out->at + skip, out->len - skip);
    out->len -= skip - from;
}

static void
tidy(const struct template_rules *rules, const struct template_part *part, struct buf *out, size_t from)
{
    if (out->len == from || part->fixed)
        return;
    if (rules->dots)
        tidy_dots(out, from);
    if (part->user && rules->trim != NULL)
        trim_ends(out, from, rules->trim);
    if (out->at != NULL)
        out->at[out->len] = '\0';
}

/* The number stands behind the user part, which gives way where both are too long. */
static void
add_number(const struct maker *maker, const struct template_part *part, unsigned number, size_t spare,
           struct buf *out, size_t from)
{
    char digits[16] = "";
    if (number > 1)
        snprintf(digits, sizeof digits, "%u", number - 2 + maker->template->rules->first);
    size_t room = part->limit > 0 && part->limit < spare ? part->limit : spare;
    cut_characters(out, from, room > strlen(digits) ? room - strlen(digits) : 0);
    tidy(maker->template->rules, part, out, from);
    buf_add_text(out, digits);
}

static void
add_upper(struct buf *out, size_t from)
{
    for (size_t i = from; i < out->len; i++)
        if (out->at[i] >= 'a' && out->at[i] <= 'z')
            out->at[i] = (char)(out->at[i] - 32);
}

static void
add_part(struct maker *maker, const struct template_part *part, unsigned number, size_t spare, struct buf *out)
{
    size_t begin = out->len;
    buf_add_span(out, part->before);
    size_t from = out->len;
    if (part->fixed) {
        buf_add_span(out, part->text);
        return;
    }
    if (part->user && maker->alias_for_all) {
        struct buf unused = {0};
        add_tokens(maker, part->text, false, &unused); /* its maps count for what is behind */
        buf_clear(&unused);
        add_value(maker, 'm', 0, out);
    } else
        add_tokens(maker, part->text, part->user, out);
    tidy(maker->template->rules, part, out, from);
    if (part->user)
        add_number(maker, part, number, spare, out, from);
    else if (part->limit > 0)
        cut_characters(out, from, part->limit);
    if (part->needless && out->len == from) {
        out->len = begin;
        if (out->at != NULL)
            out->at[begin] = '\0';
    }
}

/* ---- the whole ---- */

static void
make(struct maker *maker, unsigned number, size_t spare, struct buf *out)
{
    const struct template *template = maker->template;
    buf_reset(out);
    maker->n_maps = 0;
    maker->codes = maker->values = false;
    for (size_t i = 0; i < template->n_parts; i++)
        add_part(maker, &template->part[i], number, spare, out);
    buf_add_span(out, template->end);
    if (template->rules->upper)
        add_upper(out, 0);
}

/* Where the whole is too long the user part gives way. */
static void
make_fit(struct maker *maker, unsigned number, struct buf *out)
{
    size_t longest = maker->template->type->longest;
    make(maker, number, SIZE_MAX, out);
    size_t n = count_characters(buf_span(out));
    if (n <= longest)
        return;
    const struct template *template = maker->template;
    struct buf user = {0};
    for (size_t i = 0; i < template->n_parts; i++)
        if (template->part[i].user) {
            struct maker other = *maker;
            struct template_part part = template->part[i];
            part.before = SPAN("");
            add_part(&other, &part, number, SIZE_MAX, &user);
        }
    size_t length = count_characters(buf_span(&user)), over = n - longest;
    buf_clear(&user);
    if (length > over)
        make(maker, number, length - over, out);
}

static int
judge(const struct maker *maker, struct buf *out, struct why *why)
{
    struct address address = {maker->template->type_name, buf_span(out)};
    struct why inner = {.text = ""};
    if (maker->codes && !maker->values) {
        why_set(why, "", "nothing of the entry's values is left, and it has no alias that could be used");
        return -ENODATA;
    }
    if (count_characters(buf_span(out)) > maker->template->type->longest) {
        why_set(why, "", "it would be longer than %zu characters", maker->template->type->longest);
        return -ENODATA;
    }
    if (address_check(&address, false, &inner) == 0)
        return 0;
    why_set(why, "", "\"%.*s\" is no address: %s", (int)(out->len < 200 ? out->len : 200),
            out->at != NULL ? out->at : "", inner.text);
    return -ENODATA;
}

int
address_template(struct span text, const struct dir_entry *entry, unsigned number, struct buf *out,
                 struct why *why)
{
    struct template template;
    int r = template_read(text, &template, why);
    buf_reset(out);
    if (r < 0)
        return r;
    struct maker maker = {.template = &template, .entry = entry};
    make_fit(&maker, number, out);
    if (maker.codes && !maker.values) {
        struct buf alias = {0};
        add_value(&maker, 'm', 0, &alias);
        maker.alias_for_all = alias.len > 0;
        buf_clear(&alias);
        if (maker.alias_for_all) {
            make_fit(&maker, number, out);
            maker.values = true;
        }
    }
    r = judge(&maker, out, why);
    if (r < 0)
        buf_reset(out);
    return r;
}

int
address_template_check(struct span text, struct why *why)
{
    struct template template;
    return template_read(text, &template, why);
}
