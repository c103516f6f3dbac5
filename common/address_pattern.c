/* address_pattern.c - patterns of address spaces: does an address match, and how well (see address.h)
 *
 * What is hostile here: the address. Matching is a loop that remembers only the last '*', so its cost is
 * bounded by length times pattern, and linear where there is one '*'.
 *
 * The order before any cost: exact above wildcard above the empty pattern; among wildcards more literal
 * characters.
 */
#include <errno.h>

#include "common/address.h"
#include "common/utf8.h"

enum { RANK_EMPTY = 1, RANK_WILDCARD = 2, RANK_EXACT = 1 << 24, RANK_EXACT_MAILBOX = 1 << 25 };

static unsigned char
lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool
is_single(char c)
{
    return c == '?' || c == '%';
}

/* '?' stands for one character, not for one octet of it. */
static size_t
character_length(struct span s, size_t i)
{
    size_t step = utf8_sequence(s.at + i, s.len - i);
    return step > 0 ? step : 1;
}

bool
wildcard_match(struct span pattern, struct span text, bool singles)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            resume = t;
        } else if (singles && p < pattern.len && is_single(pattern.at[p])) {
            p++;
            t += character_length(text, t);
        } else if (p < pattern.len && lower(pattern.at[p]) == lower(text.at[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

static unsigned
literal_count(struct span pattern)
{
    unsigned count = 0;
    for (size_t i = 0; i < pattern.len && count < RANK_EXACT - RANK_WILDCARD - 1; i++)
        if (pattern.at[i] != '*' && !is_single(pattern.at[i]))
            count++;
    return count;
}

static unsigned
foreign_rank(struct span pattern, struct span value)
{
    unsigned literals = literal_count(pattern);
    if (!wildcard_match(pattern, value, true))
        return 0;
    return literals == pattern.len ? RANK_EXACT : RANK_WILDCARD + literals;
}

/* ---- X.400: a pattern gives only the fields that must match (c=US;a=Fabrikam;p=Contoso) ---- */

/* The next field of "c=US;a= ;" or "/c=US/a= /", key and value; false at the end. Empty ones are passed over.
 */
static bool
next_field(struct span *rest, char separator, struct span *key, struct span *value)
{
    while (rest->len > 0) {
        const char *end = memchr(rest->at, separator, rest->len);
        struct span field = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};
        size_t taken = field.len + (end != NULL);
        rest->at += taken;
        rest->len -= taken;
        const char *sign = field.len > 0 ? memchr(field.at, '=', field.len) : NULL;
        if (sign == NULL && span_trim(field).len == 0)
            continue;
        size_t key_len = sign != NULL ? (size_t)(sign - field.at) : field.len;
        *key = span_trim((struct span){field.at, key_len});
        *value = sign != NULL ? span_trim((struct span){sign + 1, field.len - key_len - 1}) : SPAN("");
        return true;
    }
    return false;
}

static char
separator_of(struct span text)
{
    return text.len > 0 && text.at[0] == '/' ? '/' : ';';
}

static size_t
count_fields(struct span text)
{
    struct span key, value;
    size_t n = 0;
    for (char separator = separator_of(text); next_field(&text, separator, &key, &value);)
        n++;
    return n;
}

static bool
has_field(struct span address, struct span want_key, struct span want_value)
{
    struct span key, value;
    for (char separator = separator_of(address); next_field(&address, separator, &key, &value);)
        if (span_equal_nocase(key, want_key) && wildcard_match(want_value, value, true))
            return true;
    return false;
}

/* A value's length is at most ADDRESS_VALUE_MAX, which bounds the product of fields. */
static unsigned
x400_rank(struct span pattern, struct span address)
{
    struct span rest = pattern, key, value;
    unsigned literals = 0, fields = 0;
    bool wild = false;
    for (char separator = separator_of(pattern); next_field(&rest, separator, &key, &value); fields++) {
        if (!has_field(address, key, value))
            return 0;
        wild |= literal_count(value) != value.len;
        literals += (unsigned)key.len + literal_count(value) + 1;
    }
    return !wild && fields == count_fields(address) ? RANK_EXACT : RANK_WILDCARD + literals;
}

/* ---- SMTP ---- */

static bool
is_subdomain(struct span domain, struct span parent)
{
    if (domain.len > parent.len + 1 && domain.at[domain.len - parent.len - 1] == '.' &&
        span_equal_nocase((struct span){domain.at + domain.len - parent.len, parent.len}, parent))
        return true;
    struct buf one = {0}, two = {0};
    bool utf8 = false, below = false, other = false;
    if (domain_valid(domain, &utf8) && domain_valid(parent, &other) && (utf8 || other) &&
        domain_to_ascii(domain, &one, NULL) == 0 && domain_to_ascii(parent, &two, NULL) == 0)
        below = one.len > two.len + 1 && one.at[one.len - two.len - 1] == '.' &&
                memcmp(one.at + one.len - two.len, two.at, two.len) == 0;
    buf_clear(&one);
    buf_clear(&two);
    return below;
}

/* The pattern's domain: behind "*@", or all of it. A local part of its own gives false: an exact mailbox. */
static bool
pattern_domain(struct span pattern, struct span *domain)
{
    const char *sign = memrchr(pattern.at, '@', pattern.len);
    *domain = pattern;
    if (sign == NULL)
        return true;
    size_t local = (size_t)(sign - pattern.at);
    *domain = (struct span){sign + 1, pattern.len - local - 1};
    return local == 1 && pattern.at[0] == '*';
}

static unsigned
smtp_rank(struct span pattern, struct span value)
{
    struct span domain, own;
    const char *sign = value.len > 0 ? memrchr(value.at, '@', value.len) : NULL;
    if (sign == NULL)
        return 0;
    own = (struct span){sign + 1, value.len - (size_t)(sign - value.at) - 1};
    if (!pattern_domain(pattern, &domain)) {
        struct address a = {SPAN("SMTP"), pattern}, b = {SPAN("SMTP"), value};
        return domain_equal(domain, own) && address_equal(&a, &b) ? RANK_EXACT_MAILBOX : 0;
    }
    if (domain.len == 1 && domain.at[0] == '*')
        return RANK_WILDCARD;
    if (domain.len > 2 && domain.at[0] == '*' && domain.at[1] == '.')
        return is_subdomain(own, (struct span){domain.at + 2, domain.len - 2})
                   ? RANK_WILDCARD + literal_count(domain)
                   : 0;
    return domain_equal(domain, own) ? RANK_EXACT : 0;
}

unsigned
pattern_match(struct span type, struct span pattern, const struct address *address)
{
    if (!span_equal_nocase(type, address->type))
        return 0;
    if (pattern.len == 0)
        return RANK_EMPTY;
    if (address_is_smtp(address))
        return smtp_rank(pattern, address->value);
    bool fields = span_equal(address->type, SPAN("X400")) && memchr(pattern.at, '=', pattern.len) != NULL;
    return fields ? x400_rank(pattern, address->value) : foreign_rank(pattern, address->value);
}

static int
smtp_pattern_check(struct span pattern, struct why *why)
{
    struct span domain;
    struct mailbox_parts parts;
    bool utf8;
    if (!pattern_domain(pattern, &domain) && memchr(pattern.at, '*', pattern.len) != NULL)
        return why_set(why, "", "in a local part a * may stand only alone: *@domain");
    if (!pattern_domain(pattern, &domain))
        return mailbox_parse(pattern, &parts, why);
    if (domain.len == 1 && domain.at[0] == '*')
        return 0;
    if (domain.len > 2 && domain.at[0] == '*' && domain.at[1] == '.')
        domain = (struct span){domain.at + 2, domain.len - 2};
    if (domain.len > 0 && domain.at[0] == '*')
        return why_set(why, "", "a * may stand only alone or before a dot: *.domain, not *domain");
    return domain_valid(domain, &utf8) ? 0 : why_set(why, "", "not a domain, *.domain, *@domain or mailbox");
}

bool
pattern_valid(struct span type, struct span pattern, struct why *why)
{
    if (!address_type_valid(type))
        return why_set(why, "", "an address type has 1 to 20 letters and digits") == 0;
    if (pattern.len == 0)
        return true;
    if (span_equal_nocase(type, SPAN("SMTP")))
        return smtp_pattern_check(pattern, why) == 0;
    if (pattern.len > ADDRESS_VALUE_MAX || !utf8_printable(pattern))
        return why_set(why, "", "a pattern has at most %d octets and no control characters",
                       ADDRESS_VALUE_MAX) == 0;
    return true;
}
