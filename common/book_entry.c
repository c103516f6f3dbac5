/* book_entry.c - a recipient as the book's files hold him, and which of his addresses is asked for (see book.h)
 *
 * What is hostile here: the bytes, when a disk has lost some. Each length is checked against what is left, and
 * each address is checked as if it came from outside.
 *
 *     u8 1 | u16 display | u8 side | u16 proxies | u16 index of the primary | per proxy: u8 flags, u8 type, u16
 * value
 *
 * Each length is followed by its octets. Flag 1 marks the primary of the type.
 */
#include <errno.h>

#include "common/book_internal.h"
#include "common/utf8.h"

enum { ENTRY_VERSION = 1, FLAG_PRIMARY = 1 };

static void
add_u8(struct buf *out, size_t n)
{
    BUG_UNLESS(n <= 0xff);
    buf_add_byte(out, (char)n);
}

static void
add_u16(struct buf *out, size_t n)
{
    BUG_UNLESS(n <= 0xffff);
    add_u8(out, n & 0xff);
    add_u8(out, n >> 8);
}

void
book_entry_write(const struct book_entry *entry, struct buf *out)
{
    size_t primary = 0;
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (address_equal(&entry->proxies[i].address, &entry->primary))
            primary = i;
    add_u8(out, ENTRY_VERSION);
    add_u16(out, entry->display.len);
    buf_add_span(out, entry->display);
    add_u8(out, entry->side.len);
    buf_add_span(out, entry->side);
    add_u16(out, entry->n_proxies);
    add_u16(out, primary);
    for (size_t i = 0; i < entry->n_proxies; i++) {
        const struct address *address = &entry->proxies[i].address;
        add_u8(out, entry->proxies[i].primary ? FLAG_PRIMARY : 0);
        add_u8(out, address->type.len);
        buf_add_span(out, address->type);
        add_u16(out, address->value.len);
        buf_add_span(out, address->value);
    }
}

/* A number of `octets` octets; `*good` becomes false where they are not there, and nothing is taken then. */
static size_t
take_number(struct span *bytes, size_t octets, bool *good)
{
    size_t n = 0;
    if (!*good || bytes->len < octets) {
        *good = false;
        return 0;
    }
    for (size_t i = octets; i-- > 0;)
        n = n << 8 | (unsigned char)bytes->at[i];
    bytes->at += octets;
    bytes->len -= octets;
    return n;
}

static struct span
take_text(struct span *bytes, size_t octets, bool *good)
{
    size_t len = take_number(bytes, octets, good);
    struct span text = {bytes->at, len};
    if (!*good || bytes->len < len) {
        *good = false;
        return (struct span){bytes->at, 0};
    }
    bytes->at += len;
    bytes->len -= len;
    return text;
}

static bool
type_is_upper(struct span type)
{
    for (size_t i = 0; i < type.len; i++)
        if (type.at[i] >= 'a' && type.at[i] <= 'z')
            return false;
    return address_type_valid(type);
}

static bool
take_proxy(struct span *bytes, struct book_proxy *proxy)
{
    bool good = true;
    size_t flags = take_number(bytes, 1, &good);
    proxy->primary = (flags & FLAG_PRIMARY) != 0;
    proxy->address.type = take_text(bytes, 1, &good);
    proxy->address.value = take_text(bytes, 2, &good);
    return good && type_is_upper(proxy->address.type) && address_check(&proxy->address, false, NULL) == 0;
}

int
book_entry_read(struct span bytes, struct arena *arena, struct book_entry *entry)
{
    bool good = true;
    size_t version = take_number(&bytes, 1, &good);
    entry->display = take_text(&bytes, 2, &good);
    entry->side = take_text(&bytes, 1, &good);
    entry->n_proxies = take_number(&bytes, 2, &good);
    size_t primary = take_number(&bytes, 2, &good);
    if (!good || version != ENTRY_VERSION || primary >= entry->n_proxies ||
        entry->n_proxies > BOOK_PROXIES_MAX || !utf8_printable(entry->display) || !utf8_printable(entry->side))
        return -EINVAL;
    entry->proxies = arena_alloc(arena, entry->n_proxies * sizeof *entry->proxies);
    if (entry->proxies == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (!take_proxy(&bytes, &entry->proxies[i]))
            return -EINVAL;
    entry->primary = entry->proxies[primary].address;
    return bytes.len == 0 ? 0 : -EINVAL;
}

/* The proxy of the type that is marked primary, else the first. */
static const struct address *
best_proxy(const struct book_entry *entry, struct span type)
{
    const struct address *any = NULL;
    for (size_t i = 0; i < entry->n_proxies; i++) {
        const struct book_proxy *proxy = &entry->proxies[i];
        if (!span_equal_nocase(proxy->address.type, type))
            continue;
        if (proxy->primary)
            return &proxy->address;
        any = any != NULL ? any : &proxy->address;
    }
    return any;
}

const struct address *
book_entry_address(const struct book_entry *entry, struct span type)
{
    if (span_equal_nocase(entry->primary.type, type))
        return &entry->primary;
    return best_proxy(entry, type);
}

const struct address *
book_entry_host_address(const struct book_entry *entry)
{
    if (span_equal(entry->side, SPAN("host")))
        return book_entry_address(entry, SPAN("SMTP"));
    const struct address *found = best_proxy(entry, SPAN("SMTP"));
    return found == NULL && address_is_smtp(&entry->primary) ? &entry->primary : found;
}
