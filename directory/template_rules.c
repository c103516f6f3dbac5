/* template_rules.c - what the addresses of each type are made of, and how its templates are cut (see template_inside.h)
 *
 *     SMTP     user@domain                        user part 64 octets; dot-string
 *     X400     c=US;a= ;p=Org;o=Exchange;s=..;g=..;  lengths of X.411; the printable string's characters
 *     NOTES    name/organisation@domain           codes with & or %
 *     GWISE    domain.postoffice.object           32, 32, 64
 *     MS       NETWORK/POSTOFFICE/MAILBOX         10, 10, 10
 *     CCMAIL   name at postoffice
 *     SNADS, PROFS  NODE(USER)                    8, 8
 *
 * Sources: Exchange's documentation of proxy generators; ITU-T X.411 (upper bounds); RFC 5321 section 4.5.3.1, RFC 5322
 * section 3.2.3; GroupWise's rules of names.
 */
#include "directory/template_inside.h"

static int
too_many(const struct template *template, struct why *why)
{
    return template_refuse(template, template->text.at, why, "it has too many parts");
}

static struct span
behind(struct span text, size_t at)
{
    return (struct span){text.at + at, text.len - at};
}

static struct span
until(struct span text, size_t at)
{
    return (struct span){text.at, at};
}

static void
add_user(struct template *template, struct span before, struct span text, size_t limit)
{
    if (text.len == 0)
        text = span_of(template->rules->user);
    template_add(template, before, text, limit)->user = true;
}

/* ---- SMTP ---- */

static int
cut_smtp(struct template *template, struct why *why)
{
    size_t at = template_find(template, "@", true);
    bool utf8;
    if (at == SIZE_MAX)
        return template_refuse(template, template->text.at + template->text.len, why,
                               "an SMTP template ends in @domain");
    struct span domain = behind(template->text, at + 1);
    if (!domain_valid(domain, &utf8))
        return template_refuse(template, domain.at, why, "this is no domain");
    add_user(template, SPAN(""), until(template->text, at), 64);
    template_add(template, SPAN("@"), domain, 0)->fixed = true;
    return 0;
}

/* ---- X400 ---- */

static const struct {
    struct span key;
    size_t limit;
    bool needless;
} x400_keys[] = {
    {{"c", 1}, 3, false},   {{"a", 1}, 16, false},  {{"p", 1}, 16, false},   {{"o", 1}, 64, true},
    {{"ou1", 3}, 32, true}, {{"ou2", 3}, 32, true}, {{"ou3", 3}, 32, true},  {{"ou4", 3}, 32, true},
    {{"s", 1}, 40, true},   {{"g", 1}, 16, true},   {{"i", 1}, 5, true},     {{"q", 1}, 3, true},
    {{"cn", 2}, 64, true},  {{"x", 1}, 15, true},   {{"n-id", 4}, 32, true}, {{"t-id", 4}, 24, true}};

/* "dda:TYPE=value": 128 characters. */
static size_t
x400_limit(struct span key, bool *needless)
{
    *needless = true;
    if (span_starts_nocase(key, SPAN("dda:")) && key.len > 4 && key.len <= 12)
        return 128;
    for (size_t i = 0; i < COUNT_OF(x400_keys); i++)
        if (span_equal_nocase(key, x400_keys[i].key)) {
            *needless = x400_keys[i].needless;
            return x400_keys[i].limit;
        }
    return 0;
}

static struct span
x400_key(const struct template_part *part)
{
    struct span key = part->before;
    if (key.len > 0 && key.at[0] == ';')
        key = behind(key, 1);
    return key.len > 0 ? until(key, key.len - 1) : key;
}

/* One field from `begin`, with the ";" before it in `before`. */
static int
x400_field(struct template *template, size_t begin, size_t from, size_t end, struct why *why)
{
    struct span field = {template->text.at + from, end - from};
    const char *equals = field.len > 0 ? memchr(field.at, '=', field.len) : NULL;
    bool needless;
    if (equals == NULL)
        return template_refuse(template, field.at, why, "a field is KEY=VALUE;");
    struct span key = {field.at, (size_t)(equals - field.at)};
    size_t limit = x400_limit(key, &needless);
    if (limit == 0)
        return template_refuse(
            template, field.at, why,
            "no field of an X.400 address: c a p o ou1 to ou4 s g i q cn x n-id t-id dda:TYPE");
    for (size_t i = 0; i < template->n_parts; i++)
        if (span_equal_nocase(x400_key(&template->part[i]), key))
            return template_refuse(template, field.at, why, "this field was there before");
    struct span before = {template->text.at + begin, (size_t)(equals + 1 - template->text.at) - begin};
    struct template_part *part = template_add(template, before, behind(field, key.len + 1), limit);
    if (part == NULL)
        return too_many(template, why);
    part->needless = needless;
    return 0;
}

static bool
x400_has_code(const struct template *template, const struct template_part *part)
{
    for (size_t at = 0; at < part->text.len;) {
        struct token token = template_token(template->rules, part->text, &at);
        if (token.kind == TOKEN_CODE)
            return true;
        if (token.kind == TOKEN_WRONG)
            return false;
    }
    return false;
}

/* The field that takes a number: the surname, or what there is of a person. */
static bool
x400_choose_user(struct template *template)
{
    static const char *const keys[] = {"s", "cn", "g", "dda:", "x", "n-id"};
    for (size_t k = 0; k < COUNT_OF(keys); k++)
        for (size_t i = 0; i < template->n_parts; i++) {
            struct template_part *part = &template->part[i];
            struct span key = x400_key(part);
            bool is =
                k == 3 ? span_starts_nocase(key, span_of(keys[k])) : span_equal_nocase(key, span_of(keys[k]));
            if (is && x400_has_code(template, part)) {
                part->user = true;
                return true;
            }
        }
    return false;
}

static int
x400_check(const struct template *template, struct why *why)
{
    for (size_t i = 0; i < template->n_parts; i++) {
        const struct template_part *part = &template->part[i];
        size_t n = part->text.len;
        uint64_t number;
        if (!span_equal_nocase(x400_key(part), SPAN("c")))
            continue;
        if (n == 2 || (n == 3 && span_to_u64(part->text, 999, &number)))
            return 0;
        return template_refuse(template, part->text.at, why, "a country is two letters or three digits");
    }
    return template_refuse(template, template->text.at, why, "an X400 template needs c=, the country");
}

static int
cut_x400(struct template *template, struct why *why)
{
    size_t begin = 0, from = 0, at = 0;
    while (at < template->text.len) {
        size_t here = at;
        struct token token = template_token(template->rules, template->text, &at);
        bool ends = token.kind == TOKEN_CHARACTER && at == here + 1 && token.text.at[0] == ';';
        size_t end = ends ? here : at;
        if ((ends || at == template->text.len) && end > from) {
            int r = x400_field(template, begin, from, end, why);
            if (r < 0)
                return r;
        }
        if (ends) {
            begin = here;
            from = at;
        }
    }
    int r = x400_check(template, why);
    if (r < 0)
        return r;
    if (!x400_choose_user(template)) {
        struct template_part *given = NULL, *surname = template_add(template, SPAN(";s="), SPAN("%s"), 40);
        if (surname != NULL)
            given = template_add(template, SPAN(";g="), SPAN("%g"), 16);
        if (given == NULL)
            return too_many(template, why);
        surname->user = true;
        given->needless = true;
    }
    template->end = SPAN(";");
    return 0;
}

/* ---- NOTES, CCMAIL and others ---- */

static int
cut_notes(struct template *template, struct why *why)
{
    size_t user = template_find(template, "/@", false), at = template_find(template, "@", true);
    if (at == SIZE_MAX || at + 1 == template->text.len)
        return template_refuse(template, template->text.at + template->text.len, why,
                               "a NOTES template ends in @domain");
    add_user(template, SPAN(""), until(template->text, user), 128);
    template_add(template, SPAN(""), (struct span){template->text.at + user, at - user}, 0);
    template_add(template, SPAN("@"), behind(template->text, at + 1), 0)->fixed = true;
    return 0;
}

static int
cut_ccmail(struct template *template, struct why *why)
{
    struct span text = template->text;
    size_t found = SIZE_MAX;
    if (span_starts_nocase(text, SPAN("at "))) {
        add_user(template, SPAN(""), SPAN(""), 0);
        template_add(template, SPAN(" "), text, 0)->fixed = true;
        return 0;
    }
    for (size_t i = 0; i + 4 < text.len; i++)
        if (span_starts_nocase(behind(text, i), SPAN(" at ")))
            found = i;
    if (found == SIZE_MAX)
        return template_refuse(template, text.at + text.len, why,
                               "a CCMAIL template ends in \" at \" and a post office");
    add_user(template, SPAN(""), until(text, found), 0);
    template_add(template, SPAN(""), behind(text, found), 0)->fixed = true;
    return 0;
}

static int
cut_plain(struct template *template, struct why *why)
{
    size_t at = template_find(template, "@", false);
    (void)why;
    if (at == SIZE_MAX)
        at = template->text.len;
    add_user(template, SPAN(""), until(template->text, at), 0);
    template_add(template, SPAN(""), behind(template->text, at), 0);
    return 0;
}

static int
cut_node(struct template *template, struct why *why)
{
    size_t open = template_find(template, "(", false), close = template_find(template, ")", true);
    size_t end = open != SIZE_MAX ? open : template->text.len;
    if (end == 0 ||
        (open != SIZE_MAX && (close == SIZE_MAX || close < open || close + 1 != template->text.len)))
        return template_refuse(template, template->text.at, why, "a template of this type is NODE(USER)");
    template_add(template, SPAN(""), until(template->text, end), 8);
    add_user(template, SPAN("("),
             open != SIZE_MAX ? (struct span){template->text.at + open + 1, close - open - 1} : SPAN(""), 8);
    template->end = SPAN(")");
    return 0;
}

/* ---- three names with separators: GWISE, MS ---- */

static int
cut_three(struct template *template, const char *separator, const size_t limits[3], const char *what,
          struct why *why)
{
    struct template rest = *template;
    for (size_t i = 0; i < 3; i++) {
        size_t at = template_find(&rest, separator, false);
        struct span before = i > 0 ? span_of(separator) : SPAN("");
        bool last = i == 2 || at == SIZE_MAX;
        if ((i == 2 && at != SIZE_MAX) || (last && i == 0) || (!last && at == 0))
            return template_refuse(template, rest.text.at, why, what);
        struct span text = last ? rest.text : until(rest.text, at);
        if (i == 2)
            add_user(template, before, text, limits[i]);
        else
            template_add(template, before, text, limits[i]);
        rest.text = last ? SPAN("") : behind(rest.text, at + 1);
    }
    return 0;
}

static int
cut_gwise(struct template *template, struct why *why)
{
    static const size_t limits[3] = {32, 32, 64};
    return cut_three(template, ".", limits, "a GWISE template is DOMAIN.POSTOFFICE.OBJECT", why);
}

static int
cut_ms(struct template *template, struct why *why)
{
    static const size_t limits[3] = {10, 10, 10};
    return cut_three(template, "/", limits, "an MS template is NETWORK/POSTOFFICE/MAILBOX", why);
}

/* ---- the rules ---- */

static const struct template_rules rules[] = {
    {.generator = "plain", .illegal = "", .user = "%m", .trim = " ", .first = 2, .cut = cut_plain},
    {.generator = "smtp",
     .latin = true,
     .dots = true,
     .legal = ".!#$%&'*+-/=?^_`{|}~",
     .user = "%m",
     .first = 2,
     .cut = cut_smtp},
    {.generator = "x400",
     .latin = true,
     .legal = " '()+,-./:=?",
     .user = "%s",
     .trim = " ",
     .first = 2,
     .cut = cut_x400},
    {.generator = "notes",
     .ampersand = true,
     .swap = true,
     .illegal = "/@;,=\"<>|\\:%",
     .user = "&d",
     .trim = " ",
     .first = 2,
     .cut = cut_notes},
    {.generator = "gwise",
     .western = true,
     .underscores = true,
     .illegal = "()@.:,{}*\"",
     .user = "%m",
     .trim = " ",
     .first = 2,
     .cut = cut_gwise},
    {.generator = "ms",
     .upper = true,
     .latin = true,
     .legal = " -_&'",
     .user = "%m",
     .trim = " ",
     .first = 2,
     .cut = cut_ms},
    {.generator = "ccmail", .illegal = "@;\"<>", .user = "%s, %g", .trim = " ,", .first = 1, .cut = cut_ccmail},
    {.generator = "node",
     .ampersand = true,
     .upper = true,
     .latin = true,
     .legal = "$#@",
     .user = "&m",
     .first = 2,
     .cut = cut_node},
};

const struct template_rules *
template_rules_of(const struct address_type *type)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (span_equal(span_of(type->generator), span_of(rules[i].generator)))
            return &rules[i];
    return &rules[0];
}
