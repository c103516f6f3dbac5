/* template_read.c - the text of a template: its type, its parts, its tokens (see template_inside.h) */
#include "directory/template_inside.h"

#include "common/utf8.h"

/* ---- tokens ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct span
character_at(struct span text, size_t at)
{
    return (struct span){text.at + at, at < text.len ? utf8_sequence(text.at + at, text.len - at) : 0};
}

/* At most 999: more characters than any value has are all of it. */
static bool
read_count(struct span text, size_t *at, size_t *count)
{
    size_t begin = *at;
    while (*at < text.len && is_digit(text.at[*at]) && *at < begin + 3)
        *count = *count * 10 + (size_t)(text.at[(*at)++] - '0');
    return *at == begin || *count > 0;
}

static struct token
read_map(struct span text, size_t *at)
{
    struct token token = {.kind = TOKEN_MAP};
    token.from = character_at(text, *at);
    *at += token.from.len;
    token.to = character_at(text, *at);
    *at += token.to.len;
    if (token.from.len == 0 || token.to.len == 0)
        token.kind = TOKEN_WRONG;
    return token;
}

/* Behind the % (or &). */
static struct token
read_code(const struct template_rules *rules, struct span text, size_t *at, char sign)
{
    struct token token = {.kind = TOKEN_WRONG};
    if (*at < text.len && text.at[*at] == sign) {
        token = (struct token){.kind = TOKEN_CHARACTER, .text = {text.at + *at, 1}};
        ++*at;
        return token;
    }
    bool good = read_count(text, at, &token.count);
    char code = *at < text.len ? text.at[*at] : '\0';
    if (rules->ampersand && code >= 'A' && code <= 'Z')
        code = (char)(code + 32);
    if (!good || code == '\0' || strchr("mgsidr", code) == NULL || (code == 'r' && token.count > 0))
        return token;
    ++*at;
    if (code == 'r')
        return read_map(text, at);
    if (rules->ampersand && token.count == 0 && !read_count(text, at, &token.count))
        return token;
    token.kind = TOKEN_CODE;
    token.code = code;
    return token;
}

struct token
template_token(const struct template_rules *rules, struct span text, size_t *at)
{
    if (*at >= text.len)
        return (struct token){.kind = TOKEN_END};
    BUG_UNLESS(text.at != NULL);
    char c = text.at[*at];
    if (c == '%' || (c == '&' && rules->ampersand)) {
        ++*at;
        return read_code(rules, text, at, c);
    }
    struct token token = {.kind = TOKEN_CHARACTER, .text = character_at(text, *at)};
    if (token.text.len == 0)
        token.kind = TOKEN_WRONG;
    *at += token.text.len;
    return token;
}

size_t
template_find(const struct template *template, const char *octets, bool last)
{
    size_t at = 0, found = SIZE_MAX;
    while (at < template->text.len) {
        size_t begin = at;
        struct token token = template_token(template->rules, template->text, &at);
        if (token.kind == TOKEN_WRONG)
            break;
        if (token.kind == TOKEN_CHARACTER && at == begin + 1 && strchr(octets, token.text.at[0]) != NULL &&
            (last || found == SIZE_MAX))
            found = begin;
    }
    return found;
}

/* ---- parts ---- */

int
template_refuse(const struct template *template, const char *at, struct why *why, const char *what)
{
    size_t place = template->offset;
    if (at >= template->text.at && at <= template->text.at + template->text.len)
        place += (size_t)(at - template->text.at);
    return why_set(why, "5.3.5", "template, character %zu: %s", place + 1, what);
}

struct template_part *
template_add(struct template *template, struct span before, struct span text, size_t limit)
{
    if (template->n_parts == TEMPLATE_PARTS_MAX)
        return NULL;
    struct template_part *part = &template->part[template->n_parts++];
    *part = (struct template_part){.before = before, .text = text, .limit = limit};
    return part;
}

static int
check_tokens(const struct template *template, struct why *why)
{
    for (size_t at = 0; at < template->text.len;) {
        const char *begin = template->text.at + at;
        if (template_token(template->rules, template->text, &at).kind == TOKEN_WRONG)
            return template_refuse(template, begin, why,
                                   template->rules->ampersand
                                       ? "no code: there are &m &g &s &i &d &rxy && and the same with %"
                                       : "no code: there are %m %g %s %i %d %rxy %%");
    }
    return 0;
}

/* What stands in an address beside values must be what it may hold; where an illegal character separates, it was cut out. */
static int
check_part(const struct template *template, const struct template_part *part, bool *codes, struct why *why)
{
    const struct template_rules *rules = template->rules;
    bool strict = part->user || rules->legal != NULL || rules->western;
    for (size_t at = 0; at < part->text.len;) {
        const char *begin = part->text.at + at;
        struct token token = template_token(rules, part->text, &at);
        bool own = token.kind == TOKEN_CHARACTER && strict;
        if (own && !template_legal(rules, token.text))
            return template_refuse(template, begin, why,
                                   "an address of this type does not hold this character there");
        if (token.kind == TOKEN_MAP && !span_equal(token.from, token.to) && !template_legal(rules, token.to))
            return template_refuse(template, begin, why,
                                   "an address of this type does not hold the character that %r puts in");
        *codes = *codes || (token.kind == TOKEN_CODE && part->user);
    }
    return 0;
}

static int
check_parts(const struct template *template, struct why *why)
{
    bool codes = false;
    for (size_t i = 0; i < template->n_parts; i++) {
        int r = template->part[i].fixed ? 0 : check_part(template, &template->part[i], &codes, why);
        if (r < 0)
            return r;
    }
    return codes ? 0
                 : template_refuse(template, template->text.at, why,
                                   "without a code everybody would get the same address");
}

int
template_read(struct span text, struct template *template, struct why *why)
{
    static const struct address_type other = {"", "plain", "", "", 1000, NULL};
    const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
    struct span type = {text.at, colon != NULL ? (size_t)(colon - text.at) : 0};
    *template = (struct template){.offset = 0};
    if (text.len > TEMPLATE_BYTES_MAX)
        return why_set(why, "5.3.5", "template: longer than %d octets", TEMPLATE_BYTES_MAX);
    if (!address_type_valid(type))
        return why_set(why, "5.3.5",
                       "template, character 1: it must begin with an address type and a colon, as SMTP:");
    template->offset = type.len + 1;
    template->text = (struct span){colon + 1, text.len - type.len - 1};
    template->type = address_type_find(type);
    for (size_t i = 0; i < type.len; i++)
        template->type_room[i] = type.at[i] >= 'a' && type.at[i] <= 'z' ? (char)(type.at[i] - 32) : type.at[i];
    template->type_name = (struct span){template->type_room, type.len};
    if (template->type == NULL)
        template->type = &other;
    template->rules = template_rules_of(template->type);
    if (template->text.len == 0)
        return template_refuse(template, template->text.at, why, "nothing stands behind the type");
    int r = check_tokens(template, why);
    if (r == 0)
        r = template->rules->cut(template, why);
    return r < 0 ? r : check_parts(template, why);
}
