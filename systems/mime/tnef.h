/* tnef.h - TNEF (application/ms-tnef, "winmail.dat"): attributes and properties, told one by one
 *
 * tnef_read() passes once through a TNEF stream that can be read at any offset and calls a visitor for each
 * attribute, and for each value of each property in the lists that some attributes are. Values are not held:
 * the visitor gets their place, and reads what it wants with the same function, then or later; numbers up to
 * eight octets come with the call. A file of 1 GiB in it costs a checksum.
 *
 *     signature (4), key (2), then attributes: level (1), id (4), length (4), data, checksum (2)
 *     property list: count, then properties: type (2), id (2), [set (16), kind (4), number or name], values
 *     table of recipients: count, then a property list for each
 *
 * A message that is attached is TNEF within an attachment's data: tnef_message.h goes into it, not this reader.
 *
 * What is hostile here: all of it. Nothing is allocated; no length is believed before it was held against what
 * is left, so that one of 4 GiB costs nothing; no loop runs without using up octets. A wrong checksum is
 * counted, and the data used: senders exist that get them wrong. A list that is damaged is left at the damage,
 * and reading goes on with the attribute that follows.
 *
 * Source: [MS-OXTNEF] sections 2.1.3 and 3.1; [MS-OXCDATA] section 2.11.1 (types).
 */
#ifndef VIADUCT_TNEF_H
#define VIADUCT_TNEF_H

#include "systems/mime/mime_walk.h"

/* Octets, by their place in what the source's function reads. */
struct tnef_place {
    uint64_t offset, bytes;
};

struct tnef_source {
    mime_read_fn *read; /* as pread(): octets read, 0 at the end, -errno */
    void *arg;
    struct tnef_place place; /* where in it the TNEF lies */
    bool trusts_sums; /* within another TNEF, whose checksum holds for this too: they are not looked at */
};

enum tnef_level { TNEF_OF_MESSAGE = 1, TNEF_OF_ATTACHMENT = 2 };

/* Attributes, by their whole id (type and number: numbers of different types collide). */
enum tnef_id {
    TNEF_SENT_FOR = 0x00060001,
    TNEF_DATE_START = 0x00030006,
    TNEF_DATE_END = 0x00030007,
    TNEF_AID_OWNER = 0x00050008,
    TNEF_REQUEST_RES = 0x00040009,
    TNEF_FROM = 0x00008000,
    TNEF_SUBJECT = 0x00018004,
    TNEF_DATE_SENT = 0x00038005,
    TNEF_MESSAGE_CLASS = 0x00078008,
    TNEF_BODY = 0x0002800c,
    TNEF_PRIORITY = 0x0004800d,
    TNEF_MSG_PROPS = 0x00069003,
    TNEF_RECIP_TABLE = 0x00069004,
    TNEF_OEM_CODEPAGE = 0x00069007,
    TNEF_ATTACH_DATA = 0x0006800f,
    TNEF_ATTACH_TITLE = 0x00018010,
    TNEF_ATTACH_META_FILE = 0x00068011,
    TNEF_ATTACH_TRANSPORT_NAME = 0x00069001,
    TNEF_ATTACH_REND_DATA = 0x00069002,
    TNEF_ATTACH_PROPS = 0x00069005
};

struct tnef_attribute {
    enum tnef_level level;
    uint32_t id; /* enum tnef_id, or any other */
    struct tnef_place data;
};

enum tnef_type {
    TNEF_NULL = 1,
    TNEF_I2 = 2,
    TNEF_I4 = 3,
    TNEF_R4 = 4,
    TNEF_R8 = 5,
    TNEF_CURRENCY = 6,
    TNEF_APPTIME = 7,
    TNEF_ERROR = 10,
    TNEF_BOOLEAN = 11,
    TNEF_OBJECT = 13,
    TNEF_I8 = 20,
    TNEF_STRING8 = 30,
    TNEF_UNICODE = 31,
    TNEF_SYSTIME = 64,
    TNEF_CLSID = 72,
    TNEF_BINARY = 258
};

/* What an object is, by the interface that stands before its octets. */
enum tnef_object { TNEF_NO_OBJECT, TNEF_OBJECT_MESSAGE, TNEF_OBJECT_STORAGE, TNEF_OBJECT_OTHER };

/* One value of a property. */
struct tnef_property {
    uint32_t list; /* the attribute that it stands in: TNEF_MSG_PROPS, TNEF_ATTACH_PROPS, TNEF_RECIP_TABLE */
    uint32_t row;  /* of the table */
    uint16_t type; /* enum tnef_type, without the flag of multiple values */
    uint16_t id;
    bool multiple;
    uint32_t index, count;   /* which of its values this is */
    bool named;              /* ids from 0x8000 on are names' */
    unsigned char set[16];   /* named: the property set, as it stands */
    uint32_t number;         /* named: its number in the set, where `name` is empty */
    struct tnef_place name;  /* named: its name, UTF-16LE */
    struct tnef_place value; /* without what fills it up to four octets, and without an object's interface */
    enum tnef_object object;
    uint64_t bits; /* numbers of up to eight octets; see tnef_number() */
};

/* Either function may be NULL. What they return ends the reading unless it is 0, and is returned: positive numbers or -errno.
 * The attribute is told before its properties. */
struct tnef_visitor {
    int (*attribute)(void *arg, const struct tnef_attribute *attribute);
    int (*property)(void *arg, const struct tnef_property *property);
    void *arg;
};

struct tnef_report {
    uint64_t attributes, values;
    uint64_t wrong_sums, first_wrong_sum; /* how many; the offset of the first attribute that has one */
};

/* Reads the whole stream. 0; what the visitor returned; -errno of the source's function; -EINVAL with `why`, which gives the
 * offset, where something is no TNEF: what could be read was told then, before and behind the damage. `why` keeps the
 * first. */
int tnef_read(const struct tnef_source *source, const struct tnef_visitor *visitor, struct tnef_report *report,
              struct why *why);

/* The value of a number (TNEF_I2, I4, I8, BOOLEAN as 0 or 1, ERROR), with its sign; of a TNEF_SYSTIME the seconds since 1970,
 * which may be negative. 0 for other types. */
int64_t tnef_number(const struct tnef_property *property);

enum { TNEF_TEXT_MAX = 8000 };

/* Reads a text: up to its NUL, its end, or TNEF_TEXT_MAX octets. `charset` is a name for charset_new(). Adds UTF-8 without
 * control characters to `out`. 0, or -errno of the source's function. */
int tnef_read_text(const struct tnef_source *source, struct tnef_place place, const char *charset,
                   struct buf *out);

#endif
