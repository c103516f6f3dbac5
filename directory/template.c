/* template.c - an address made of a template and an entry (see policy.h)
 *
 *     template   SMTP:%g.%s@contoso.example
 *     codes      each value: characters replaced (%r), cut (%3s), what the type forbids left out
 *     tail       the rest as it stands
 *     number     behind the user part, where the address is taken
 *
 * The user part is what stands before the last @ of SMTP, before the first / or @ of NOTES, behind the last dot of GWISE, behind the
 * last / of MS, before " at " of CCMAIL, in the field s of X400; of any other type all of it.
 *
 * Characters are Unicode's, not octets: what is cut or replaced is never half of one.
 */
#include <errno.h>
#include <stdio.h>

#include "common/utf8.h"
#include "directory/policy.h"

enum { RULES_MAX = 32, CHARACTER_MAX = 5, USER_MAX = 64 };

enum rules { RULES_SMTP, RULES_X400, RULES_NOTES, RULES_GWISE, RULES_MS, RULES_CCMAIL, RULES_PLAIN };

struct character {
    char at[CHARACTER_MAX];
    size_t len;
};

struct making {
    enum rules rules;
    const struct dir_entry *entry; /* NULL: only the template is checked */
    struct {
        struct character from, to;
    } replace[RULES_MAX];
    size_t n_replace;
    struct buf *out;
    struct why *why;
    struct span text;
    size_t at;
};

static enum rules
rules_of(struct span type)
{
    static const char *const names[] = {"SMTP", "X400", "NOTES", "GWISE", "MS", "CCMAIL"};
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (span_equal_nocase(type, span_of(names[i])))
            return (enum rules)i;
    return RULES_PLAIN;
}

static int
wrong(const struct making *making, const char *what)
{
    return why_set(making->why, "5.3.5", "template: %s at character %zu", what, making->at + 1);
}

/* ---- characters ---- */

/* The base letters of U+00C0 to U+017F, for types that know ASCII alone; '?' stands for none, digits for several. */
static const char letters[] = "AAAAAA1CEEEEIIIIDNOOOOO?OUUUUY23"
                              "aaaaaa4ceeeeiiiidnooooo?ouuuuy5y"
                              "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi67JjKkkLlLlLlL"
                              "lLlNnNnNnnNnOoOoOo89RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

static const char *
ascii_of(const char *at, size_t len, char single[2])
{
    static const char *const several[] = {"", "AE", "TH", "ss", "ae", "th", "IJ", "ij", "OE", "oe"};
    unsigned code = len == 2 ? (((unsigned char)at[0] & 0x1fU) << 6) | ((unsigned char)at[1] & 0x3fU) : 0;
    if (len == 1) {
        snprintf(single, 2, "%c", at[0]);
        return single;
    }
    if (code < 0xc0 || code - 0xc0 >= sizeof letters - 1 || letters[code - 0xc0] == '?')
        return "";
    if (letters[code - 0xc0] >= '0' && letters[code - 0xc0] <= '9')
        return several[letters[code - 0xc0] - '0'];
    single[0] = letters[code - 0xc0];
    single[1] = '\0';
    return single;
}

/* Whether a character of a value may stand in the user part. */
static bool
is_allowed(enum rules rules, char c, bool alias)
{
    bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    switch (rules) {
    case RULES_SMTP: /* atext; a dot of the alias is one of an address already */
        return alnum || strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL || (alias && c == '.');
    case RULES_X400: /* PrintableString without what separates fields */
        return alnum || strchr(" '()+,-.:?", c) != NULL;
    case RULES_MS:
        return alnum || c == '-' || c == '_';
    case RULES_GWISE:
        return strchr("()@.:,{}*\"", c) == NULL && c >= ' ';
    case RULES_NOTES:
        return strchr("@%/\",;<>|=", c) == NULL && c >= ' ';
    case RULES_CCMAIL:
        return strchr("@%\"<>", c) == NULL && c >= ' ';
    default:
        return c >= ' ' && c != '@' && c != ';';
    }
}

static bool
is_ascii_alone(enum rules rules)
{
    return rules == RULES_SMTP || rules == RULES_X400 || rules == RULES_MS;
}

/* Adds one character of a value. */
static void
add_character(struct making *making, const char *at, size_t len, bool alias)
{
    char single[2];
    bool western = len == 1 || (len == 2 && (unsigned char)at[0] <= 0xc3);
    if (making->rules == RULES_GWISE && len == 1 && *at == '.') {
        buf_add_byte(making->out, '_');
        return;
    }
    if (making->rules == RULES_GWISE && !western)
        return; /* the gateway's code pages hold Western European characters */
    if (len > 1 && !is_ascii_alone(making->rules)) {
        buf_add(making->out, at, len);
        return;
    }
    for (const char *c = ascii_of(at, len, single); *c != '\0'; c++)
        if (is_allowed(making->rules, *c, alias))
            buf_add_byte(making->out, making->rules == RULES_MS && *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c);
}

/* Adds a value: what %r says first, then the length, then what the type forbids. */
static void
add_value(struct making *making, struct span value, size_t most, bool alias)
{
    for (size_t i = 0, n = 0; i < value.len && n < most;) {
        size_t len = utf8_sequence(value.at + i, value.len - i);
        const char *at = value.at + i;
        i += len > 0 ? len : 1;
        if (len == 0)
            continue;
        size_t rule = 0;
        while (rule < making->n_replace && (making->replace[rule].from.len != len ||
                                            memcmp(making->replace[rule].from.at, at, len) != 0))
            rule++;
        if (rule == making->n_replace) {
            size_t before = making->out->len;
            add_character(making, at, len, alias);
            n += making->out->len > before;
            continue;
        }
        const struct character *to = &making->replace[rule].to;
        bool same = to->len == len && memcmp(to->at, at, len) == 0;
        if (same && !(making->rules == RULES_SMTP && len == 1 && *at == '.'))
            continue;
        buf_add(making->out, to->at, to->len);
        n++;
    }
}

/* "Last, First I." as "First I. Last", for NOTES. */
static void
add_display(struct making *making, size_t most)
{
    struct span display = making->entry->value[DIR_DISPLAY];
    const char *comma = making->rules == RULES_NOTES && display.len > 0 ? memchr(display.at, ',', display.len) : NULL;
    if (comma == NULL) {
        add_value(making, display, most, false);
        return;
    }
    struct span last = span_trim((struct span){display.at, (size_t)(comma - display.at)});
    struct span first = span_trim((struct span){comma + 1, display.len - (size_t)(comma + 1 - display.at)});
    struct buf swapped = {0};
    buf_printf(&swapped, "%.*s%s%.*s", (int)first.len, first.at, first.len > 0 ? " " : "", (int)last.len, last.at);
    add_value(making, buf_span(&swapped), most, false);
    buf_clear(&swapped);
}

/* ---- codes ---- */

static bool
take_character(struct making *making, struct character *character)
{
    size_t len = utf8_sequence(making->text.at + making->at, making->text.len - making->at);
    if (len == 0 || len >= CHARACTER_MAX)
        return false;
    memcpy(character->at, making->text.at + making->at, len);
    character->len = len;
    making->at += len;
    return true;
}

static int
take_replacement(struct making *making)
{
    if (making->n_replace == RULES_MAX)
        return wrong(making, "more than 32 replacements");
    if (!take_character(making, &making->replace[making->n_replace].from) ||
        !take_character(making, &making->replace[making->n_replace].to))
        return wrong(making, "two characters must follow r");
    making->n_replace++;
    return 0;
}

static size_t
take_digits(struct making *making)
{
    size_t number = 0;
    while (making->at < making->text.len && making->text.at[making->at] >= '0' && making->text.at[making->at] <= '9' && number < 1000)
        number = number * 10 + (size_t)(making->text.at[making->at++] - '0');
    return number;
}

static int
add_code(struct making *making, char code, size_t most)
{
    static const struct dir_entry nobody;
    const struct dir_entry *entry = making->entry != NULL ? making->entry : &nobody;
    if (code == 'd' && making->entry != NULL)
        add_display(making, most);
    else if (code == 's')
        add_value(making, entry->value[DIR_SURNAME], most, false);
    else if (code == 'g')
        add_value(making, entry->value[DIR_GIVEN], most, false);
    else if (code == 'i')
        add_value(making, entry->value[DIR_INITIALS], most, false);
    else if (code == 'm')
        add_value(making, entry->value[DIR_ALIAS], most, true);
    else if (code != 'd')
        return wrong(making, "no such code (%m %g %s %i %d %r %%)");
    return 0;
}

/* Behind a percent sign. NOTES has its number behind the letter, too. */
static int
take_code(struct making *making)
{
    size_t most = take_digits(making);
    if (making->at == making->text.len)
        return wrong(making, "a percent sign at the end");
    char code = making->text.at[making->at++];
    if (making->rules == RULES_NOTES && code >= 'A' && code <= 'Z')
        code = (char)(code + 32);
    if (code == '%' && most == 0) {
        buf_add_byte(making->out, '%');
        return 0;
    }
    if (code == 'r')
        return most == 0 ? take_replacement(making) : wrong(making, "r takes no number");
    if (making->rules == RULES_NOTES && most == 0)
        most = take_digits(making);
    making->at--;
    int r = add_code(making, code, most > 0 ? most : SIZE_MAX);
    making->at++;
    return r;
}

static bool
begins_code(const struct making *making, char c)
{
    return c == '%' || (making->rules == RULES_NOTES && c == '&');
}

/* Expands the span of the template into `out`. */
static int
expand(struct making *making, struct span text)
{
    int r = 0;
    making->text = text;
    for (making->at = 0; r == 0 && making->at < text.len;) {
        char c = text.at[making->at++];
        if (begins_code(making, c))
            r = take_code(making);
        else
            buf_add_byte(making->out, c);
    }
    return r;
}

/* ---- parts ---- */

static struct span
from(struct span text, size_t at)
{
    return (struct span){text.at + at, text.len - at};
}

/* Where the user part of a template or address ends or begins. */
static void
split(enum rules rules, struct span text, struct span *before, struct span *user, struct span *behind)
{
    size_t begin = 0, end = text.len;
    if (rules == RULES_SMTP) {
        for (size_t i = 0; i < text.len; i++)
            if (text.at[i] == '@')
                end = i;
    } else if (rules == RULES_NOTES) {
        for (end = 0; end < text.len && text.at[end] != '/' && text.at[end] != '@';)
            end++;
    } else if (rules == RULES_GWISE) { /* the first two dots split */
        for (size_t i = 0, dots = 0; i < text.len && dots < 2; i++)
            if (text.at[i] == '.') {
                begin = i + 1;
                dots++;
            }
    } else if (rules == RULES_MS) {
        for (size_t i = 0; i < text.len; i++)
            if (text.at[i] == '/')
                begin = i + 1;
    } else if (rules == RULES_CCMAIL) {
        for (size_t i = 0; i + 4 <= text.len; i++)
            if (octets_equal_nocase(text.at + i, " at ", 4))
                end = i;
    }
    *before = (struct span){text.at, begin};
    *user = (struct span){text.at + begin, end - begin};
    *behind = from(text, end);
}

/* Dots that stand together become one, those at either end go. */
static void
tidy_dots(struct buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++)
        if (text->at[i] != '.' || (n > 0 && text->at[n - 1] != '.'))
            text->at[n++] = text->at[i];
    while (n > 0 && text->at[n - 1] == '.')
        n--;
    text->len = n;
}

static void
tidy_blanks(struct buf *text)
{
    struct span trimmed = text->len > 0 ? span_trim(buf_span(text)) : (struct span){"", 0};
    if (trimmed.len > 0)
        memmove(text->at, trimmed.at, trimmed.len);
    text->len = trimmed.len;
}

/* Cuts to at most so many octets, between characters. */
static void
cut(struct buf *text, size_t most)
{
    size_t at = 0, len;
    while (at < text->len && (len = utf8_sequence(text->at + at, text->len - at)) > 0 && at + len <= most)
        at += len;
    text->len = at;
}

static size_t
user_most(enum rules rules)
{
    return rules == RULES_SMTP ? USER_MAX : rules == RULES_MS ? 10 : rules == RULES_GWISE ? 64 : rules == RULES_CCMAIL ? 40 : 256;
}

/* The number of a try, cut in so that the user part keeps its length. cc:Mail's first collision is 1, others' 2. */
static void
add_number(enum rules rules, unsigned number, struct buf *user)
{
    char digits[16] = "";
    if (number > 1)
        snprintf(digits, sizeof digits, "%u", rules == RULES_CCMAIL ? number - 1 : number);
    cut(user, user_most(rules) - strlen(digits));
    if (rules == RULES_SMTP && digits[0] != '\0')
        tidy_dots(user);
    buf_add_text(user, digits);
}

static bool
is_empty(enum rules rules, const struct buf *user)
{
    for (size_t i = 0; i < user->len; i++)
        if (rules != RULES_CCMAIL || (user->at[i] != ' ' && user->at[i] != ','))
            return false;
    return true;
}

/* ---- X.400 ---- */

static size_t
field_most(struct span key)
{
    static const struct {
        const char *key;
        size_t most;
    } fields[] = {{"c", 3}, {"a", 16}, {"p", 16}, {"o", 64}, {"s", 40}, {"g", 16}, {"i", 5}};
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (span_equal_nocase(key, span_of(fields[i].key)))
            return fields[i].most;
    return span_starts_nocase(key, SPAN("ou")) ? 32 : 128;
}

/* One "key=value"; an empty one is left out, save the ADMD's blank. */
static int
add_field(struct making *making, struct span field, unsigned number, struct buf *out)
{
    const char *equals = field.len > 0 ? memchr(field.at, '=', field.len) : NULL;
    if (equals == NULL)
        return wrong(making, "a field without = ");
    struct span key = span_trim((struct span){field.at, (size_t)(equals - field.at)});
    struct buf value = {0};
    making->out = &value;
    int r = expand(making, from(field, (size_t)(equals + 1 - field.at)));
    bool surname = span_equal_nocase(key, SPAN("s"));
    if (r == 0 && making->entry != NULL && surname && span_trim(buf_span(&value)).len == 0)
        add_value(making, making->entry->value[DIR_ALIAS], SIZE_MAX, true);
    if (surname && number > 1) {
        char digits[16];
        snprintf(digits, sizeof digits, "%u", number);
        cut(&value, field_most(key) - strlen(digits));
        buf_add_text(&value, digits);
    }
    cut(&value, field_most(key));
    if (r == 0 && value.len > 0)
        buf_printf(out, "%.*s=%.*s;", (int)key.len, key.at, (int)value.len, value.at);
    buf_clear(&value);
    return r;
}

static int
make_x400(struct making *making, struct span text, unsigned number, struct buf *out)
{
    int r = 0;
    bool person = false;
    while (r == 0 && text.len > 0) {
        const char *semicolon = memchr(text.at, ';', text.len);
        struct span field = {text.at, semicolon != NULL ? (size_t)(semicolon - text.at) : text.len};
        person |= span_starts_nocase(span_trim(field), SPAN("s="));
        if (span_trim(field).len > 0)
            r = add_field(making, field, number, out);
        text = from(text, field.len + (semicolon != NULL));
    }
    if (r == 0 && !person)
        return wrong(making, "no field s= (surname)");
    if (r == 0 && making->entry != NULL && strstr(out->at, "s=") == NULL)
        return -ENODATA;
    return r;
}

/* ---- the whole ---- */

static int
make_user(struct making *making, struct span user, unsigned number, struct buf *out)
{
    struct buf text = {0};
    making->out = &text;
    int r = expand(making, user.len > 0 ? user : SPAN("%m"));
    if (making->rules == RULES_SMTP)
        tidy_dots(&text);
    tidy_blanks(&text);
    if (r == 0 && making->entry != NULL && is_empty(making->rules, &text)) {
        text.len = 0;
        add_value(making, making->entry->value[DIR_ALIAS], SIZE_MAX, true);
        if (making->rules == RULES_SMTP)
            tidy_dots(&text);
        if (text.len == 0)
            r = -ENODATA;
    }
    add_number(making->rules, number, &text);
    if (r == 0)
        buf_add_span(out, buf_span(&text));
    buf_clear(&text);
    return r;
}

static int
make(struct making *making, struct span text, unsigned number, struct buf *out)
{
    struct span before, user, behind;
    if (making->rules == RULES_X400)
        return make_x400(making, text, number, out);
    split(making->rules, text, &before, &user, &behind);
    if (making->rules == RULES_SMTP && behind.len < 2)
        return wrong(making, "no @domain");
    if (making->rules == RULES_GWISE && before.len == 0)
        return wrong(making, "not of the form domain.postoffice.object");
    making->out = out;
    int r = expand(making, before);
    if (r == 0)
        r = make_user(making, user, number, out);
    making->out = out;
    return r == 0 ? expand(making, behind) : r;
}

static int
make_of(struct span template, const struct dir_entry *entry, unsigned number, struct buf *out, struct why *why)
{
    const char *colon = template.len > 0 ? memchr(template.at, ':', template.len) : NULL;
    struct making making = {.entry = entry, .why = why};
    buf_reset(out);
    if (colon == NULL || !address_type_valid((struct span){template.at, (size_t)(colon - template.at)}))
        return why_set(why, "5.3.5", "template: \"%.*s\" is not TYPE:text", (int)(template.len < 200 ? template.len : 200), template.at);
    struct span type = {template.at, (size_t)(colon - template.at)}, text = from(template, type.len + 1);
    if (text.len == 0)
        return why_set(why, "5.3.5", "template: nothing behind %.*s:", (int)type.len, type.at);
    making.rules = rules_of(type);
    int r = make(&making, text, number, out);
    const struct address_type *row = address_type_find(type);
    if (r == -ENODATA)
        why_set(why, "", "it has no name and no alias of which an address of type %.*s could be made", (int)type.len, type.at);
    if (r == 0 && out->len > (row != NULL ? row->longest : 1123))
        r = why_set(why, "", "the address of type %.*s would be longer than %zu characters", (int)type.len, type.at,
                    row != NULL ? row->longest : (size_t)1123);
    return r;
}

int
address_template(struct span template, const struct dir_entry *entry, unsigned number, struct buf *out, struct why *why)
{
    return make_of(template, entry, number, out, why);
}

int
address_template_check(struct span template, struct why *why)
{
    struct buf out = {0};
    int r = make_of(template, NULL, 0, &out, why);
    buf_clear(&out);
    return r;
}
