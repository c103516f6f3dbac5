/* address.h - typed addresses: parsing, printing, comparing, encapsulating
 *
 * An address is a type and a value: SMTP:bob@contoso.example, GWISE:Dom.PO.bob, X400:c=US;a= ;p=MS;s=bob;
 * Types are upper case in a `struct address`, whatever case they were read in. Only the functions here make one.
 *
 * What is hostile here: everything. Values come from envelopes, headers, directories and foreign files; they may
 * hold any byte. A valid SMTP address holds no control character (C0, DEL, C1) and at most 254 octets of domain; local parts
 * up to 1,000 octets are taken, since encapsulated ones are long (RFC 5321 section 4.5.3.1 lets a server do so).
 *
 * Sources: RFC 5321 section 4.1.2, RFC 6531 section 3.3, RFC 5322 section 3.4; MS-OXCMAIL (IMCEA); RFC 5890 by libidn2.
 */
#ifndef VIADUCT_ADDRESS_H
#define VIADUCT_ADDRESS_H

#include "common/arena.h"
#include "common/base.h"
#include "common/buf.h"

struct address {
    struct span type;  /* "SMTP": upper case, 1 to 20 of A-Z 0-9 */
    struct span value; /* as written; empty with type SMTP is the null reverse-path <> */
};

enum { ADDRESS_LOCAL_MAX = 1000, ADDRESS_DOMAIN_MAX = 254, ADDRESS_VALUE_MAX = 2000 };

/* Parts of an SMTP address; spans into it. */
struct mailbox_parts {
    struct span local;  /* as written, quotes included */
    struct span domain; /* as written, brackets of a literal included */
    bool utf8;          /* local part or domain has octets above 127 */
};

/* True for 1 to 20 of A-Z a-z 0-9. */
bool address_type_valid(struct span type);

/* True for an address of type SMTP, the null reverse-path included. */
static inline bool
address_is_smtp(const struct address *address)
{
    return address->type.len == 4 && memcmp(address->type.at, "SMTP", 4) == 0;
}

/* True for the null reverse-path. */
static inline bool
address_is_null(const struct address *address)
{
    return address->value.len == 0 && address_is_smtp(address);
}

/* Parses an SMTP mailbox `local@domain`, no angle brackets: dot-string or quoted-string local part, domain or address
 * literal (IPv4 and IPv6), UTF-8 in both (RFC 6531; `parts->utf8` tells). The whole span must match. Domain labels: 1 to
 * 63 octets of letters, digits, hyphen (not at either end), underscore (seen in the field); labels with UTF-8 may be
 * longer, since their A-label's length counts. Returns 0, or -EINVAL with `why` (5.1.3 for a recipient's sake; the
 * caller changes the status for an originator). */
int mailbox_parse(struct span text, struct mailbox_parts *parts, struct why *why);

/* Parses the path of MAIL or RCPT: "<...>", with a source route skipped (RFC 5321 appendix C). "<>" gives an empty
 * address where `null_allowed`. "<postmaster>" without domain is allowed for recipients and is given
 * `default_domain`. Bytes behind the ">" are left in `*rest`. Spans point into `text` or the arena. */
int path_parse(struct span text, bool null_allowed, const char *default_domain, struct arena *arena,
               struct address *address, struct span *rest, struct why *why);

/* True for a domain as mailbox_parse takes it, a literal included; `*utf8` tells of octets above 127. */
bool domain_valid(struct span domain, bool *utf8);

/* Makes an address of a type (any case; copied to the arena in upper case unless it is SMTP) and a value (spanned),
 * checked as by address_parse; an empty SMTP value where `null_allowed`. Returns 0 or -EINVAL with `why`. */
int address_make(struct span type, struct span value, bool null_allowed, struct arena *arena,
                 struct address *address, struct why *why);

/* Checks the value of an address whose type is known to be good. Returns 0 or -EINVAL with `why`. */
int address_check(const struct address *address, bool null_allowed, struct why *why);

/* Parses "TYPE:value". SMTP values are checked by mailbox_parse (an empty one is allowed); others must be valid
 * UTF-8 without control bytes and have 1 to ADDRESS_VALUE_MAX octets. A text without a colon that is a mailbox is
 * taken as SMTP. The type is copied to the arena in upper case, the value's span points into `text`. */
int address_parse(struct span text, struct arena *arena, struct address *address, struct why *why);

/* Adds "TYPE:value". */
void address_print(const struct address *address, struct buf *out);

/* True where both mean the same mailbox: types equal; SMTP: domains compare as IDNA A-labels without case, local parts
 * without ASCII case (as every system on either side does; RFC 5321 would let them differ); other types: without
 * ASCII case, runs of blanks equal to one. */
bool address_equal(const struct address *a, const struct address *b);

/* The key under which the book knows an address: lower-case type, ':', value folded so that equal addresses (see
 * address_equal) have equal keys. `out` is reset first. Returns 0, or -EINVAL (a domain that IDNA refuses is kept
 * as it is, folded by ASCII). */
int address_key(const struct address *address, struct buf *out);

/* A domain as A-label form, lower case (IDNA 2008 non-transitional by libidn2); -EINVAL with `why` when it has none.
 * ASCII domains take a short way without the library. `out` is reset first. */
int domain_to_ascii(struct span domain, struct buf *out, struct why *why);

/* True where both domains have the same A-label form, or are the same without ASCII case. */
bool domain_equal(struct span a, struct span b);

/* ---- encapsulation (MS-OXCMAIL 2.1.3.1.8; tests hold its vectors) ---- */

/* Adds "IMCEA<TYPE>-<encoded value>@<domain>" for any type: '/' becomes '_'; letters, digits, '-', '=' stay;
 * every other octet '+' and two upper-case hex digits. */
void imcea_encode(const struct address *address, struct span domain, struct buf *out);

/* Undoes it. `mailbox` is local@domain or a local part alone. Prefix and hex digits in any case; the type is made upper
 * case. An SMTP address inside SMTP is unwrapped the same way. Returns 0; -ENOENT where it is no encapsulated
 * address; -EINVAL with `why` where it begins like one and is malformed (bad hex, no type, control bytes or NUL
 * after decoding, an inner address that address_parse refuses). Nested encapsulation is unwrapped up to 4 deep. */
int imcea_decode(struct span mailbox, struct arena *arena, struct address *address, struct why *why);

/* The same for the outermost layer only: for a caller that must look at each layer's domain before it opens it. */
int imcea_decode_once(struct span mailbox, struct arena *arena, struct address *address, struct why *why);

enum { IMCEA_DEPTH_MAX = 4 };

/* Adds the one-off text Display[TYPE:value], with backslash before \ [ ] : , ; and \xHH for control bytes. An empty
 * display is left out. */
void oneoff_print(struct span display, const struct address *address, struct buf *out);

/* Parses it; only blanks may follow the "]". Brackets left unescaped are taken in pairs. `display` has lost its
 * escapes and may hold any byte, line breaks too. Returns 0, -ENOENT where it is no one-off, -EINVAL with `why`. */
int oneoff_parse(struct span text, struct arena *arena, struct span *display, struct address *address,
                 struct why *why);

/* ---- patterns of address spaces ----
 * SMTP: "*", "domain", "*.domain" (below the domain, not itself), "*@domain", "*@*.domain", and a whole mailbox, which is
 * the most exact of all. Other types: '*' any run, '?' and '%' one character. X400: each field of the pattern, key=value
 * with such wildcards, must be among the address's; fields not given match anything. An empty pattern matches
 * anything, last of all. ASCII case ignored. */

/* Returns a rank of the match: 0 none; higher is more specific. An exact match ranks above every wildcard, a wildcard
 * above an empty pattern; among wildcards the number of literal characters decides. Linear in the input's length
 * for one '*', never worse than length x pattern. */
unsigned pattern_match(struct span type, struct span pattern, const struct address *address);

/* True where the whole text matches: '*' any run and, with `singles`, '?' and '%' one character; ASCII case ignored.
 * Linear for one '*', never worse than length x pattern. */
bool wildcard_match(struct span pattern, struct span text, bool singles);

/* True where the pattern is allowed for the type: an SMTP pattern "*dom" without the dot, or with blanks, is not. */
bool pattern_valid(struct span type, struct span pattern, struct why *why);

/* ---- header fields ---- */

/* One address in a header field's list (RFC 5322 section 3.4, with obsolete forms read leniently). Spans point into the
 * field. `display` keeps quotes and encoded words as written; where an address without angle brackets is followed by a
 * comment, it is that comment's inside; `mailbox` is the bare local@domain, empty where the
 * element is no address (then `whole` is kept as text). */
struct header_address {
    struct span whole, display, mailbox;
};

/* Calls `each` for every address of a field body (unfolded or not), groups' members included, in order. Bounded: work is
 * linear in the body's length; nesting of comments is counted, not recursed. Returns the number of elements. */
size_t header_addresses(struct span body, void (*each)(const struct header_address *, void *), void *arg);

#endif
