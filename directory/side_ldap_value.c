/* side_ldap_value.c - single values of an LDAP server: text, ids, marks (see side_ldap.h) */
#include "common/utf8.h"
#include "directory/side_ldap.h"

/* Most values are short and plain. */
static bool
is_plain(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < ' ' || value.at[i] > '~')
            return false;
    return true;
}

static struct span
scrub(struct arena *arena, struct span value)
{
    char *out = arena_alloc(arena, value.len + 1);
    size_t n = 0;
    if (out == NULL)
        return (struct span){NULL, 0};
    for (size_t i = 0, len; i < value.len; i += len) {
        len = utf8_sequence(value.at + i, value.len - i);
        if (len > 0 && utf8_printable((struct span){value.at + i, len})) {
            memcpy(out + n, value.at + i, len);
            n += len;
            continue;
        }
        len = len > 0 ? len : 1;
        if (n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    return (struct span){out, n};
}

struct span
side_cut(struct span value, size_t most)
{
    if (value.len <= most)
        return value;
    value.len = most;
    while (value.len > 0 && (value.at[value.len] & 0xc0) == 0x80)
        value.len--;
    return value;
}

struct span
side_clean(struct arena *arena, struct span value, bool *harmed)
{
    if (value.len > SIDE_VALUE_MAX) {
        *harmed = true;
        value = side_cut(value, SIDE_VALUE_MAX);
    }
    if (!is_plain(value) && !utf8_printable(value)) {
        *harmed = true;
        value = scrub(arena, value);
    }
    return span_trim(value);
}

/* ---- ids and marks ---- */

struct span
side_id_of(const struct side_names *names, const struct side_raw *raw, struct arena *arena)
{
    for (int slot = SLOT_ID; slot < SLOTS; slot++) {
        struct side_values values = side_raw_slot(raw, slot);
        if (values.n == 0 || values.at[0].len == 0 || values.at[0].len > DIR_ID_MAX / 2)
            continue;
        struct buf text = {0};
        ldap_id_print(names->slot[slot], values.at[0], &text);
        struct span id = arena_span(arena, buf_span(&text));
        buf_clear(&text);
        if (id.len > 0 && id.len <= DIR_ID_MAX)
            return id;
    }
    return (struct span){NULL, 0};
}

struct span
side_mark_of(const struct side_raw *raw, struct arena *arena)
{
    struct side_values values = side_raw_slot(raw, SLOT_MARK);
    struct span mark = {NULL, 0}, dirsync, source;
    for (size_t i = 0; i < values.n; i++) {
        bool harmed = false;
        struct span value = side_clean(arena, values.at[i], &harmed);
        if (value.len > DIR_MARK_MAX || value.len == 0)
            value = SPAN("?");
        if (!harmed && dir_mark_parse(value, &dirsync, &source))
            return value;
        if (mark.len == 0)
            mark = value;
    }
    return mark;
}
