/* tnef_build.h - TNEF as senders write it, for tests: attributes with their checksums, lists of properties */
#ifndef VIADUCT_TNEF_BUILD_H
#define VIADUCT_TNEF_BUILD_H

#include "common/buf.h"
#include "systems/mime/tnef.h"

/* A list of properties that grows; `n` is how many there are. */
struct list {
    struct buf data;
    uint32_t n;
};

static inline void
put_u16(struct buf *out, uint32_t number)
{
    buf_add_byte(out, (char)(number & 0xff));
    buf_add_byte(out, (char)(number >> 8 & 0xff));
}

static inline void
put_u32(struct buf *out, uint32_t number)
{
    put_u16(out, number & 0xffff);
    put_u16(out, number >> 16);
}

static inline void
put_wide(struct buf *out, const char *ascii)
{
    for (const char *c = ascii; *c != '\0'; c++)
        put_u16(out, (unsigned char)*c);
}

static inline void
tnef_begin(struct buf *out)
{
    buf_reset(out);
    put_u32(out, 0x223e9f78);
    put_u16(out, 1);
}

static inline void
put_attribute(struct buf *out, enum tnef_level level, uint32_t id, struct span data)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < data.len; i++)
        sum += (unsigned char)data.at[i];
    buf_add_byte(out, (char)level);
    put_u32(out, id);
    put_u32(out, (uint32_t)data.len);
    buf_add_span(out, data);
    put_u16(out, sum & 0xffff);
}

/* A text with the NUL that ends it. */
static inline void
put_text(struct buf *out, enum tnef_level level, uint32_t id, const char *text)
{
    put_attribute(out, level, id, (struct span){text, strlen(text) + 1});
}

static inline void
put_date(struct buf *out, uint32_t id, const uint16_t part[7])
{
    struct buf data = {0};
    for (int i = 0; i < 7; i++)
        put_u16(&data, part[i]);
    put_attribute(out, TNEF_OF_MESSAGE, id, buf_span(&data));
    buf_clear(&data);
}

/* ---- properties ---- */

static inline void
fill_up(struct buf *out)
{
    while (out->len % 4 != 0)
        buf_add_byte(out, '\0');
}

static inline void
put_tag(struct list *list, uint32_t type, uint32_t id)
{
    list->n++;
    put_u16(&list->data, type);
    put_u16(&list->data, id);
}

/* A property whose name is a number in a set, whose first octets are `set`. */
static inline void
put_named(struct list *list, uint32_t type, const char set[16], uint32_t number)
{
    put_tag(list, type, 0x8000 + list->n);
    buf_add(&list->data, set, 16);
    put_u32(&list->data, 0);
    put_u32(&list->data, number);
}

static inline void
put_value(struct list *list, struct span octets)
{
    put_u32(&list->data, (uint32_t)octets.len);
    buf_add_span(&list->data, octets);
    fill_up(&list->data);
}

static inline void
put_one(struct list *list, struct span octets)
{
    put_u32(&list->data, 1);
    put_value(list, octets);
}

static inline void
put_one_wide(struct list *list, const char *ascii)
{
    struct buf wide = {0};
    put_wide(&wide, ascii);
    put_u16(&wide, 0);
    put_one(list, buf_span(&wide));
    buf_clear(&wide);
}

static inline void
put_i4(struct list *list, uint32_t id, uint32_t number)
{
    put_tag(list, TNEF_I4, id);
    put_u32(&list->data, number);
}

static inline void
put_unicode(struct list *list, uint32_t id, const char *ascii)
{
    put_tag(list, TNEF_UNICODE, id);
    put_one_wide(list, ascii);
}

static inline void
put_string8(struct list *list, uint32_t id, const char *text)
{
    put_tag(list, TNEF_STRING8, id);
    put_one(list, (struct span){text, strlen(text) + 1});
}

static inline void
put_binary(struct list *list, uint32_t id, struct span octets)
{
    put_tag(list, TNEF_BINARY, id);
    put_one(list, octets);
}

/* Seconds since 1970 as a time of Windows. */
static inline void
put_filetime(struct list *list, int64_t time_s)
{
    uint64_t value = (uint64_t)(time_s + 11644473600) * 10000000;
    put_u32(&list->data, (uint32_t)value);
    put_u32(&list->data, (uint32_t)(value >> 32));
}

static inline void
put_time(struct list *list, uint32_t id, int64_t time_s)
{
    put_tag(list, TNEF_SYSTIME, id);
    put_filetime(list, time_s);
}

/* Writes the list as an attribute, and empties it. */
static inline void
put_list(struct buf *out, enum tnef_level level, uint32_t id, struct list *list)
{
    struct buf data = {0};
    put_u32(&data, list->n);
    buf_add_span(&data, buf_span(&list->data));
    put_attribute(out, level, id, buf_span(&data));
    buf_clear(&data);
    buf_clear(&list->data);
    list->n = 0;
}

/* ---- attachments ---- */

static inline void
put_rend_data(struct buf *out, uint32_t type)
{
    struct buf data = {0};
    put_u16(&data, type);
    put_u32(&data, 0xffffffff);
    put_u32(&data, 0);
    put_u32(&data, 0);
    put_attribute(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_REND_DATA, buf_span(&data));
    buf_clear(&data);
}

#define IID_OF_MESSAGE  "\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
#define IID_OF_STORAGE  "\x0b\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
#define SET_APPOINTMENT "\x02\x20\x06\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
#define SET_COMMON      "\x08\x20\x06\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
#define SET_MEETING     "\x90\xda\xd8\x6e\x0b\x45\x1b\x10\x98\xda\0\xaa\0\x3f\x13\x05"

/* A message that is attached: TNEF behind the interface of a message. */
static inline void
put_attached(struct buf *out, struct span tnef, const char *name)
{
    struct list list = {0};
    struct buf object = {0};
    put_rend_data(out, 1);
    buf_add(&object, IID_OF_MESSAGE, 16);
    buf_add_span(&object, tnef);
    put_tag(&list, TNEF_OBJECT, 0x3701);
    put_one(&list, buf_span(&object));
    put_unicode(&list, 0x3001, name);
    put_i4(&list, 0x3705, 5);
    put_list(out, TNEF_OF_ATTACHMENT, TNEF_ATTACH_PROPS, &list);
    buf_clear(&object);
}

#endif
