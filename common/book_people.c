/* book_people.c - what the readers of files make of a recipient, whatever the file's form (see book_internal.h) */
#include "common/book_internal.h"

bool
book_marks_primary(struct span text)
{
    for (size_t i = 0; i < text.len && text.at[i] != ':'; i++)
        if (text.at[i] >= 'a' && text.at[i] <= 'z')
            return false;
    return text.len > 0 && memchr(text.at, ':', text.len) != NULL;
}

bool
book_entry_has_primary(const struct book_entry *entry, struct span type)
{
    for (size_t i = 0; i < entry->n_proxies; i++)
        if (entry->proxies[i].primary && span_equal(entry->proxies[i].address.type, type))
            return true;
    return false;
}

bool
book_entry_add_primary(struct book_entry *entry)
{
    size_t own = 0;
    while (own < entry->n_proxies && !address_equal(&entry->proxies[own].address, &entry->primary))
        own++;
    if (own == BOOK_PROXIES_MAX)
        return false;
    if (own == entry->n_proxies)
        entry->proxies[entry->n_proxies++] = (struct book_proxy){entry->primary, false};
    bool host = span_equal(entry->side, SPAN("host"));
    for (size_t i = 0; host && i < entry->n_proxies; i++)
        if (span_equal(entry->proxies[i].address.type, entry->primary.type))
            entry->proxies[i].primary = false;
    if (!book_entry_has_primary(entry, entry->primary.type))
        entry->proxies[own].primary = true;
    return true;
}

struct span
book_display(struct arena *arena, struct span text)
{
    char *copy = arena_copy(arena, text);
    for (size_t i = 0; copy != NULL && i < text.len; i++)
        if (copy[i] == '\n' || copy[i] == '\r' || copy[i] == '\t')
            copy[i] = ' ';
    return (struct span){copy, copy != NULL ? text.len : 0};
}
