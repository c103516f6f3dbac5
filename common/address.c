/* address.c - addresses of any type: parsed, printed, compared, made a key (see address.h)
 *
 * What is hostile here: every byte of a value. A domain goes to the IDNA library only when it holds octets
 * above 127 and after its labels were checked; what the library gives back is checked again, since its mapping
 * can turn a harmless-looking character into '@' or '/'.
 */
#include "common/address.h"

#include <errno.h>
#include <idn2.h>
#include <stdlib.h>

#include "common/utf8.h"

enum { TYPE_MAX = 20 };

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static char
upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

bool
address_type_valid(struct span type)
{
    for (size_t i = 0; i < type.len; i++) {
        char c = upper(type.at[i]);
        if ((c < 'A' || c > 'Z') && (c < '0' || c > '9'))
            return false;
    }
    return type.len > 0 && type.len <= TYPE_MAX;
}

int
address_check(const struct address *address, bool null_allowed, struct why *why)
{
    struct mailbox_parts parts;
    struct span value = address->value;
    if (value.len == 0 && null_allowed && address_is_smtp(address))
        return 0;
    if (address_is_smtp(address))
        return mailbox_parse(value, &parts, why);
    if (value.len == 0 || value.len > ADDRESS_VALUE_MAX)
        return why_set(why, "5.1.3", "foreign address of %zu octets, 1 to %d are allowed", value.len,
                       ADDRESS_VALUE_MAX);
    if (!utf8_printable(value))
        return why_set(why, "5.1.3", "foreign address with control characters, or not in UTF-8");
    return 0;
}

int
address_make(struct span type, struct span value, bool null_allowed, struct arena *arena,
             struct address *address, struct why *why)
{
    if (!address_type_valid(type))
        return why_set(why, "5.1.3", "bad address type");
    struct address made = {SPAN("SMTP"), value};
    if (!span_equal_nocase(type, made.type)) { /* the usual type costs no copy */
        char *copy = arena_copy(arena, type);
        if (copy == NULL)
            return why_set(why, "4.3.1", "no memory for an address");
        for (size_t i = 0; i < type.len; i++)
            copy[i] = upper(copy[i]);
        made.type = (struct span){copy, type.len};
    }
    int err = address_check(&made, null_allowed, why);
    if (err == 0)
        *address = made;
    return err;
}

int
address_parse(struct span text, struct arena *arena, struct address *address, struct why *why)
{
    const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
    struct span type = {text.at, colon != NULL ? (size_t)(colon - text.at) : 0};
    /* A colon may also stand within a mailbox: user@[IPv6:::1], "a:b"@x.example. */
    if (!address_type_valid(type))
        return address_make(SPAN("SMTP"), text, false, arena, address, why);
    struct span value = {text.at + type.len + 1, text.len - type.len - 1};
    return address_make(type, value, true, arena, address, why);
}

void
address_print(const struct address *address, struct buf *out)
{
    buf_add_span(out, address->type);
    buf_add_byte(out, ':');
    buf_add_span(out, address->value);
}

static bool
is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] >= 0x80)
            return false;
    return true;
}

static void
add_lower(struct buf *out, struct span text)
{
    buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len; i++)
        out->at[out->len + i] = lower(text.at[i]);
    out->len += text.len;
    out->at[out->len] = '\0';
}

/* U-labels by the library. The result must again be a domain: the mapping of UTS 46 makes '@' of U+FF20. */
static int
domain_by_library(struct span domain, struct buf *out)
{
    char text[ADDRESS_DOMAIN_MAX + 1], *ascii = NULL;
    bool utf8;
    memcpy(text, domain.at, domain.len);
    text[domain.len] = '\0';
    int rc = idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL);
    struct span made = span_of(ascii);
    bool good = rc == IDN2_OK && made.len > 0 && made.at[0] != '[' && domain_valid(made, &utf8) && !utf8;
    if (good)
        add_lower(out, made);
    idn2_free(ascii);
    return good ? 0 : -EINVAL;
}

/* Adds the A-label form; adds nothing on error. */
static int
domain_add_ascii(struct span domain, struct buf *out)
{
    bool utf8;
    if (!domain_valid(domain, &utf8) || domain.at[0] == '[')
        return -EINVAL;
    if (utf8)
        return domain_by_library(domain, out);
    add_lower(out, domain);
    return 0;
}

int
domain_to_ascii(struct span domain, struct buf *out, struct why *why)
{
    buf_reset(out);
    int err = domain_add_ascii(domain, out);
    return err == 0 ? 0 : why_set(why, "5.1.2", "not a domain name");
}

bool
domain_equal(struct span a, struct span b)
{
    if (span_equal_nocase(a, b))
        return true;
    if (is_ascii(a) && is_ascii(b))
        return false;
    struct buf one = {0}, two = {0};
    bool equal = domain_add_ascii(a, &one) == 0 && domain_add_ascii(b, &two) == 0 &&
                 span_equal(buf_span(&one), buf_span(&two));
    buf_clear(&one);
    buf_clear(&two);
    return equal;
}

/* A quoted local part means the same mailbox as its content (RFC 5321 section 4.1.2). The domain holds no '@',
 * so the last one still parts the key. */
static void
add_local(struct buf *out, struct span local)
{
    if (local.len < 2 || local.at[0] != '"') {
        add_lower(out, local);
        return;
    }
    for (size_t i = 1; i + 1 < local.len; i++) {
        if (local.at[i] == '\\' && i + 2 < local.len)
            i++;
        buf_add_byte(out, lower(local.at[i]));
    }
}

static void
add_folded(struct buf *out, struct span value)
{
    buf_reserve(out, value.len);
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] != ' ' || i == 0 || value.at[i - 1] != ' ')
            out->at[out->len++] = lower(value.at[i]);
    out->at[out->len] = '\0';
}

int
address_key(const struct address *address, struct buf *out)
{
    struct mailbox_parts parts;
    buf_reset(out);
    add_lower(out, address->type);
    buf_add_byte(out, ':');
    if (!address_is_smtp(address)) {
        add_folded(out, address->value);
        return 0;
    }
    if (address->value.len == 0)
        return 0;
    if (mailbox_parse(address->value, &parts, NULL) != 0)
        return -EINVAL;
    add_local(out, parts.local);
    buf_add_byte(out, '@');
    if (domain_add_ascii(parts.domain, out) != 0)
        add_lower(out, parts.domain);
    return 0;
}

/* Whether its key is its value in lower case, so that it is equal to no other that is so: most are. */
static bool
is_plain(const struct address *address)
{
    struct span value = address->value;
    if (address_is_smtp(address))
        return value.len > 0 && value.at[0] != '"' && is_ascii(value);
    return value.len == 0 || memmem(value.at, value.len, "  ", 2) == NULL;
}

bool
address_equal(const struct address *a, const struct address *b)
{
    if (!span_equal_nocase(a->type, b->type))
        return false;
    if (span_equal_nocase(a->value, b->value))
        return true;
    if (is_plain(a) && is_plain(b))
        return false;
    struct buf one = {0}, two = {0};
    bool equal =
        address_key(a, &one) == 0 && address_key(b, &two) == 0 && span_equal(buf_span(&one), buf_span(&two));
    buf_clear(&one);
    buf_clear(&two);
    return equal;
}
