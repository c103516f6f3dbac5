/* address_smtp.c - the mailbox and the path of SMTP (see address.h)
 *
 * What is hostile here: every byte. Each parser goes over the text once, left to right, and calls itself
 * nowhere.
 *
 * Sources: RFC 5321 sections 4.1.2 and 4.1.3 and appendix C; RFC 6531 section 3.3.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "common/address.h"
#include "common/utf8.h"

enum { LABEL_MAX = 63 };

static bool
is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* RFC 5322 section 3.2.3 */
static bool
is_atext(unsigned char c)
{
    static const char others[] = "!#$%&'*+-/=?^_`{|}~";
    return is_alnum(c) || (c != 0 && memchr(others, c, sizeof others - 1) != NULL);
}

/* The length of the printable character above 127 at `i`, else 0. */
static size_t
other_script(struct span s, size_t i)
{
    if ((unsigned char)s.at[i] < 0x80)
        return 0;
    size_t step = utf8_sequence(s.at + i, s.len - i);
    return step > 0 && utf8_printable((struct span){s.at + i, step}) ? step : 0;
}

/* The length of the quoted string that `s` begins with, quotes included; 0 where it is none. */
static size_t
quoted_length(struct span s, bool *utf8)
{
    size_t i = 1;
    while (i < s.len && s.at[i] != '"') {
        unsigned char c = (unsigned char)s.at[i];
        size_t step = 1;
        if (c >= 0x80) {
            *utf8 = true;
            step = other_script(s, i);
        } else if (c == '\\') {
            step = i + 1 < s.len && s.at[i + 1] >= ' ' && s.at[i + 1] <= '~' ? 2 : 0;
        } else if (c < ' ' || c == 0x7f) {
            step = 0;
        }
        if (step == 0)
            return 0;
        i += step;
    }
    return i < s.len ? i + 1 : 0;
}

/* The length of the dot-string that `s` begins with; 0 where it is none (an empty atom included). */
static size_t
dot_string_length(struct span s, bool *utf8)
{
    size_t i = 0;
    bool atom = false;
    while (i < s.len && s.at[i] != '@') {
        unsigned char c = (unsigned char)s.at[i];
        size_t step = 1;
        if (c >= 0x80) {
            *utf8 = true;
            step = other_script(s, i);
        } else if (c == '.' ? !atom : !is_atext(c)) {
            step = 0;
        }
        if (step == 0)
            return 0;
        atom = c != '.';
        i += step;
    }
    return atom ? i : 0;
}

/* RFC 5321 section 4.1.3. Of the tagged forms only IPv6 was ever registered, so any other is a mistake. */
static bool
literal_valid(struct span s)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char binary[16];
    bool six = span_starts_nocase(s, SPAN("[IPv6:"));
    size_t skip = six ? sizeof "[IPv6:" - 1 : 1;
    if (s.len < skip + 2 || s.at[s.len - 1] != ']' || s.len - skip - 1 >= sizeof text)
        return false;
    memcpy(text, s.at + skip, s.len - skip - 1);
    text[s.len - skip - 1] = '\0';
    return strlen(text) == s.len - skip - 1 && inet_pton(six ? AF_INET6 : AF_INET, text, binary) == 1;
}

static bool
label_valid(struct span s, bool *utf8)
{
    bool other = false;
    if (s.len == 0 || s.at[0] == '-' || s.at[s.len - 1] == '-')
        return false;
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.at[i];
        size_t step = 1;
        if (c >= 0x80) {
            other = true;
            step = other_script(s, i);
        } else if (!is_alnum(c) && c != '-' && c != '_') {
            step = 0;
        }
        if (step == 0)
            return false;
        i += step;
    }
    *utf8 |= other;
    return other || s.len <= LABEL_MAX;
}

bool
domain_valid(struct span domain, bool *utf8)
{
    size_t start = 0;
    *utf8 = false;
    if (domain.len == 0 || domain.len > ADDRESS_DOMAIN_MAX)
        return false;
    if (domain.at[0] == '[')
        return literal_valid(domain);
    for (size_t i = 0; i <= domain.len; i++) {
        if (i < domain.len && domain.at[i] != '.')
            continue;
        if (!label_valid((struct span){domain.at + start, i - start}, utf8))
            return false;
        start = i + 1;
    }
    return true;
}

int
mailbox_parse(struct span text, struct mailbox_parts *parts, struct why *why)
{
    bool local_utf8 = false, domain_utf8 = false;
    if (text.len == 0)
        return why_set(why, "5.1.3", "empty address");
    size_t local = text.at[0] == '"' ? quoted_length(text, &local_utf8) : dot_string_length(text, &local_utf8);
    if (local == 0)
        return why_set(why, "5.1.3", "bad local part of an address");
    if (local > ADDRESS_LOCAL_MAX)
        return why_set(why, "5.1.3", "local part of %zu octets, %d are allowed", local, ADDRESS_LOCAL_MAX);
    if (local == text.len || text.at[local] != '@')
        return why_set(why, "5.1.3", "address without a domain");
    struct span domain = {text.at + local + 1, text.len - local - 1};
    if (!domain_valid(domain, &domain_utf8))
        return why_set(why, "5.1.3", "bad domain of an address");
    *parts = (struct mailbox_parts){{text.at, local}, domain, local_utf8 || domain_utf8};
    return 0;
}

/* Where the path's closing bracket stands: quoted strings may hold one. text.len where it is missing. */
static size_t
path_end(struct span text)
{
    bool quoted = false;
    for (size_t i = 1; i < text.len; i++) {
        if (quoted && text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            quoted = !quoted;
        else if (text.at[i] == '>' && !quoted)
            return i;
    }
    return text.len;
}

/* Skips "@one,@two:": RFC 5321 appendix C wants such routes understood and ignored. False for a malformed one.
 */
static bool
route_skip(struct span *path)
{
    bool utf8;
    while (path->len > 0 && path->at[0] == '@') {
        size_t end = 1;
        bool literal = path->len > 1 && path->at[1] == '[';
        while (end < path->len &&
               (literal ? path->at[end - 1] != ']' : path->at[end] != ',' && path->at[end] != ':'))
            end++;
        if (end == path->len || !domain_valid((struct span){path->at + 1, end - 1}, &utf8))
            return false;
        char separator = path->at[end];
        path->at += end + 1;
        path->len -= end + 1;
        if (separator == ':')
            return true;
        if (separator != ',' || path->len == 0 || path->at[0] != '@')
            return false;
    }
    return true;
}

static int
postmaster(struct span local, const char *default_domain, struct arena *arena, struct address *address,
           struct why *why)
{
    const char *value = arena_printf(arena, "%.*s@%s", (int)local.len, local.at, default_domain);
    if (value == NULL)
        return why_set(why, "4.3.1", "no memory for an address");
    address->value = span_of(value);
    return 0;
}

int
path_parse(struct span text, bool null_allowed, const char *default_domain, struct arena *arena,
           struct address *address, struct span *rest, struct why *why)
{
    struct mailbox_parts parts;
    if (text.len == 0 || text.at[0] != '<')
        return why_set(why, "5.1.3", "path without angle brackets");
    size_t end = path_end(text);
    if (end == text.len)
        return why_set(why, "5.1.3", "path without a closing angle bracket");
    struct span path = {text.at + 1, end - 1};
    *rest = (struct span){text.at + end + 1, text.len - end - 1};
    *address = (struct address){SPAN("SMTP"), path};
    if (path.len == 0)
        return null_allowed ? 0 : why_set(why, "5.1.3", "empty path");
    if (default_domain != NULL && span_equal_nocase(path, SPAN("postmaster")))
        return postmaster(path, default_domain, arena, address, why);
    if (!route_skip(&path))
        return why_set(why, "5.1.3", "bad source route");
    address->value = path;
    return mailbox_parse(path, &parts, why);
}
