/* entry.c - addresses and marks of an entry (see entry.h) */
#include "directory/entry.h"

const struct dir_proxy *
dir_entry_proxy(const struct dir_entry *entry, struct span type)
{
    const struct dir_proxy *first = NULL;
    for (size_t i = 0; i < entry->n_proxies; i++) {
        const struct dir_proxy *proxy = &entry->proxies[i];
        if (!span_equal(proxy->address.type, type))
            continue;
        if (proxy->primary)
            return proxy;
        if (first == NULL)
            first = proxy;
    }
    return first;
}

bool
dir_entry_has_proxy(const struct dir_entry *entry, const struct address *address)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (span_equal(entry->proxies[i].address.type, address->type) &&
            span_equal_nocase(entry->proxies[i].address.value, address->value))
            return true;
    return false;
}

bool
dir_entry_is_recipient(const struct dir_entry *entry)
{
    return entry->mark.len > 0 || entry->target.type.len > 0 ||
           (entry->kind != DIR_CONTACT && entry->kind != DIR_MAIL_USER);
}

bool
dir_proxy_is_primary(struct span text)
{
    for (size_t i = 0; i < text.len && text.at[i] != ':'; i++)
        if (text.at[i] >= 'a' && text.at[i] <= 'z')
            return false;
    return true;
}

/* ---- marks ---- */

#define MARK    SPAN("viaduct:")
#define ADOPTED SPAN("viaduct-adopted:")

static bool
starts(struct span text, struct span prefix)
{
    return text.len >= prefix.len && memcmp(text.at, prefix.at, prefix.len) == 0;
}

bool
dir_mark_parse(struct span mark, struct span *dirsync, struct span *source)
{
    struct span prefix = starts(mark, MARK) ? MARK : ADOPTED;
    if (!starts(mark, prefix))
        return false;
    struct span rest = {mark.at + prefix.len, mark.len - prefix.len};
    const char *colon = rest.len > 0 ? memchr(rest.at, ':', rest.len) : NULL;
    if (colon == NULL || colon == rest.at)
        return false;
    *dirsync = (struct span){rest.at, (size_t)(colon - rest.at)};
    *source = (struct span){colon + 1, rest.len - dirsync->len - 1};
    return true;
}

bool
dir_mark_adopted(struct span mark)
{
    struct span dirsync, source;
    return starts(mark, ADOPTED) && dir_mark_parse(mark, &dirsync, &source);
}

void
dir_mark_print(const char *dirsync, struct span source, bool adopted, struct buf *out)
{
    buf_add_span(out, adopted ? ADOPTED : MARK);
    buf_add_text(out, dirsync);
    buf_add_byte(out, ':');
    buf_add_span(out, source);
}
