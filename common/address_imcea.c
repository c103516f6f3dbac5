/* address_imcea.c - foreign addresses inside others: IMCEA encapsulation and the one-off text (see address.h)
 *
 * What is hostile here: an encapsulated address is an address that somebody else's system wrote; what comes out
 * of it goes through the same checks as one that stands in the open. Layers are peeled in a loop with a limit.
 *
 * Sources: MS-OXCMAIL section 2.1.3.1.8; MAPI's text form of one-off addresses.
 */
#include <errno.h>

#include "common/address.h"
#include "common/hex.h"

static bool
is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

void
imcea_encode(const struct address *address, struct span domain, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    buf_add_text(out, "IMCEA");
    buf_add_span(out, address->type);
    buf_add_byte(out, '-');
    buf_reserve(out, address->value.len * 3 + domain.len + 1);
    for (size_t i = 0; i < address->value.len; i++) {
        unsigned char c = (unsigned char)address->value.at[i];
        if (is_alnum(c) || c == '-' || c == '=') {
            buf_add_byte(out, (char)c);
        } else if (c == '/') {
            buf_add_byte(out, '_');
        } else {
            char escaped[3] = {'+', digits[c >> 4], digits[c & 15]};
            buf_add(out, escaped, sizeof escaped);
        }
    }
    buf_add_byte(out, '@');
    buf_add_span(out, domain);
}

/* The local part without its quotes: relays add them without need. Others are given back as they are. */
static struct span
local_part(struct span mailbox, struct arena *arena)
{
    const char *sign = mailbox.len > 0 ? memrchr(mailbox.at, '@', mailbox.len) : NULL;
    struct span local = {mailbox.at, sign != NULL ? (size_t)(sign - mailbox.at) : mailbox.len};
    if (local.len < 2 || local.at[0] != '"' || local.at[local.len - 1] != '"' ||
        !span_starts_nocase((struct span){local.at + 1, local.len - 2}, SPAN("IMCEA")))
        return local;
    char *copy = arena_alloc(arena, local.len);
    size_t len = 0;
    for (size_t i = 1; copy != NULL && i + 1 < local.len; i++) {
        if (local.at[i] == '\\' && i + 2 < local.len)
            i++;
        copy[len++] = local.at[i];
    }
    return (struct span){copy, len};
}

static int
imcea_decode_value(struct span encoded, struct arena *arena, struct span *value, struct why *why)
{
    char *out = arena_alloc(arena, encoded.len + 1);
    size_t len = 0;
    if (out == NULL)
        return why_set(why, "4.3.1", "no memory for an address");
    for (size_t i = 0; i < encoded.len; i++) {
        char c = encoded.at[i];
        if (c == '+') {
            int octet = encoded.len - i > 2 ? hex_octet(encoded.at + i + 1) : -1;
            if (octet < 0)
                return why_set(why, "5.1.3", "encapsulated address with + and no two hex digits");
            c = (char)octet;
            i += 2;
        } else if (c == '_') {
            c = '/';
        }
        out[len++] = c;
    }
    *value = (struct span){out, len};
    return 0;
}

int
imcea_decode_once(struct span mailbox, struct arena *arena, struct address *address, struct why *why)
{
    struct span local = local_part(mailbox, arena), value = {NULL, 0};
    const size_t prefix = sizeof "IMCEA" - 1;
    if (!span_starts_nocase(local, SPAN("IMCEA")))
        return -ENOENT;
    size_t end = prefix;
    while (end < local.len && is_alnum((unsigned char)local.at[end]))
        end++;
    if (end == local.len || local.at[end] != '-')
        return -ENOENT;
    struct span type = {local.at + prefix, end - prefix};
    int err = imcea_decode_value((struct span){local.at + end + 1, local.len - end - 1}, arena, &value, why);
    return err == 0 ? address_make(type, value, false, arena, address, why) : err;
}

int
imcea_decode(struct span mailbox, struct arena *arena, struct address *address, struct why *why)
{
    struct address layer;
    int err = imcea_decode_once(mailbox, arena, &layer, why);
    for (unsigned depth = 1; err == 0; depth++) {
        if (depth > IMCEA_DEPTH_MAX)
            return why_set(why, "5.1.3", "address encapsulated more than %d deep", IMCEA_DEPTH_MAX);
        *address = layer;
        err = address_is_smtp(address) ? imcea_decode_once(address->value, arena, &layer, why) : -ENOENT;
        if (err == -ENOENT)
            return 0;
    }
    return err;
}

/* ---- one-off text ---- */

static void
oneoff_add_escaped(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < ' ' || c == 0x7f) {
            buf_printf(out, "\\x%02x", c);
            continue;
        }
        if (memchr("\\[]:,;", c, 6) != NULL)
            buf_add_byte(out, '\\');
        buf_add_byte(out, (char)c);
    }
}

void
oneoff_print(struct span display, const struct address *address, struct buf *out)
{
    oneoff_add_escaped(out, display);
    buf_add_byte(out, '[');
    buf_add_span(out, address->type);
    buf_add_byte(out, ':');
    oneoff_add_escaped(out, address->value);
    buf_add_byte(out, ']');
}

/* Where the bracket opens that the text's last octet closes: people leave brackets unescaped, as in a[b]
 * [SMTP:c@[::1]]. text.len where there is none. */
static size_t
oneoff_bracket(struct span text)
{
    size_t depth = 0, open = text.len;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\\') {
            i++;
        } else if (text.at[i] == '[') {
            open = depth == 0 ? i : open;
            depth++;
        } else if (text.at[i] == ']' && depth > 0) {
            depth--;
            if (i + 1 == text.len)
                return depth == 0 ? open : text.len;
        }
    }
    return text.len;
}

static int
oneoff_unescape(struct span text, struct arena *arena, struct span *out, struct why *why)
{
    char *copy = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (copy == NULL)
        return why_set(why, "4.3.1", "no memory for an address");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.at[++i];
            if (c == 'x') {
                int octet = text.len - i > 2 ? hex_octet(text.at + i + 1) : -1;
                if (octet < 0)
                    return why_set(why, "5.1.3", "one-off address with \\x and no two hex digits");
                c = (char)octet;
                i += 2;
            }
        }
        copy[len++] = c;
    }
    *out = (struct span){copy, len};
    return 0;
}

int
oneoff_parse(struct span text, struct arena *arena, struct span *display, struct address *address,
             struct why *why)
{
    text = span_trim(text);
    size_t open = oneoff_bracket(text);
    if (open == text.len)
        return -ENOENT;
    struct span inner = {text.at + open + 1, text.len - open - 2}, value = {NULL, 0};
    const char *colon = inner.len > 0 ? memchr(inner.at, ':', inner.len) : NULL;
    if (colon == NULL)
        return -ENOENT;
    struct span type = {inner.at, (size_t)(colon - inner.at)};
    if (!address_type_valid(type))
        return -ENOENT;
    int err = oneoff_unescape((struct span){colon + 1, inner.len - type.len - 1}, arena, &value, why);
    if (err == 0)
        err = oneoff_unescape(span_trim((struct span){text.at, open}), arena, display, why);
    return err == 0 ? address_make(type, value, false, arena, address, why) : err;
}
