/* ldap_keytab.c - the key table of one principal (see ldap_inside.h)
 *
 * A process that logs on by Kerberos is who its key table's first entry says. Where the configuration names somebody else of a
 * table that holds several, the others are left out of the copy that the library reads.
 *
 *     05 02, then entries: length (4, a hole where negative), and in it
 *     number of components (2), realm, components: length (2) and octets; the rest is the key's
 *
 * Source: MIT Kerberos, "Keytab file format" (formats/keytab_file_format).
 */
#include <errno.h>

#include "directory/ldap_inside.h"

enum { VERSION_BYTES = 2, LENGTH_BYTES = 4 };

static uint32_t
number(const char *at, size_t bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)at[i];
    return n;
}

/* The next text of an entry; false where it has none. */
static bool
take_text(struct span *entry, struct span *text)
{
    if (entry->len < 2)
        return false;
    size_t len = number(entry->at, 2);
    if (entry->len - 2 < len)
        return false;
    *text = (struct span){entry->at + 2, len};
    *entry = (struct span){entry->at + 2 + len, entry->len - 2 - len};
    return true;
}

/* Whether an entry is of this principal. */
static bool
is_of(struct span entry, struct span principal)
{
    struct span realm, part;
    struct buf name = {0};
    if (entry.len < 2)
        return false;
    size_t n = number(entry.at, 2);
    entry = (struct span){entry.at + 2, entry.len - 2};
    bool good = take_text(&entry, &realm);
    for (size_t i = 0; good && i < n; i++) {
        good = take_text(&entry, &part);
        if (good && i > 0)
            buf_add_byte(&name, '/');
        if (good)
            buf_add_span(&name, part);
    }
    bool found = good && span_equal(buf_span(&name), principal);
    if (good && !found) {
        buf_add_byte(&name, '@');
        buf_add_span(&name, realm);
        found = span_equal(buf_span(&name), principal);
    }
    buf_clear(&name);
    return found;
}

int
keytab_of(struct span table, struct span principal, struct buf *out)
{
    bool found = false;
    if (table.len < VERSION_BYTES || table.at[0] != 5 || table.at[1] != 2)
        return -EBADMSG;
    buf_add(out, table.at, VERSION_BYTES);
    for (size_t at = VERSION_BYTES; table.len - at >= LENGTH_BYTES;) {
        uint32_t len = number(table.at + at, LENGTH_BYTES);
        bool hole = len > INT32_MAX;
        if (hole)
            len = ~len + 1;
        at += LENGTH_BYTES;
        if (len == 0)
            break;
        if (len > table.len - at)
            return -EBADMSG;
        if (!hole && is_of((struct span){table.at + at, len}, principal)) {
            buf_add(out, table.at + at - LENGTH_BYTES, LENGTH_BYTES + len);
            found = true;
        }
        at += len;
    }
    return found ? 0 : -ENOENT;
}
