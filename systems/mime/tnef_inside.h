/* tnef_inside.h - within the TNEF reader: little numbers at a place that moves */
#ifndef VIADUCT_TNEF_INSIDE_H
#define VIADUCT_TNEF_INSIDE_H

#include "systems/mime/tnef.h"

/* Reads forward through a place, by a window. */
struct tnef_cursor {
    const struct tnef_source *source;
    uint64_t at, end;
    int error; /* -errno of the source's function */
    uint64_t window_at;
    size_t window_len;
    unsigned char window[2048];
};

void tnef_cursor_set(struct tnef_cursor *cursor, const struct tnef_source *source, struct tnef_place place);

/* The next `len` octets (no more than the window has), which are then behind the cursor. NULL where fewer are left; `error` tells whether they
 * could not be read. Valid until the next call. */
const unsigned char *tnef_take(struct tnef_cursor *cursor, size_t len);

/* Reads one or more of the octets at `offset`, at most `size`, as long as the source has them. The number read, 0 at its end,
 * -errno. */
ssize_t tnef_read_some(const struct tnef_source *source, uint64_t offset, void *bytes, size_t size);

static inline uint32_t
tnef_u16(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t
tnef_u32(const unsigned char *at)
{
    return tnef_u16(at) | tnef_u16(at + 2) << 16;
}

/* A reading in hand. */
struct tnef_reading {
    const struct tnef_source *source;
    const struct tnef_visitor *visitor;
    struct tnef_report *report;
    struct why *why;
    bool damaged;
    unsigned char *piece; /* of large data, for its checksum */
    struct tnef_cursor stream, list;
};

/* Notes damage; the first one's words stay. */
void tnef_damage(struct tnef_reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* tnef_property.c: tells the properties of an attribute that is a list of them, or a table of such lists. 0 (damage is
 * noted), what the visitor returned, or -errno. */
int tnef_read_list(struct tnef_reading *reading, uint32_t list, struct tnef_place data);

#endif
