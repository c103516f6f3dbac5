/* tnef_property.c - lists of properties within TNEF (see tnef.h) */
#include "systems/mime/tnef_inside.h"

enum { MULTIPLE = 0x1000, INSTANCE = 0x2000, FIRST_NAMED = 0x8000, VARIABLE = -1, UNKNOWN = -2 };

/* The interfaces of objects that occur: their numbers in front, and what all of them end in. */
enum { IID_MESSAGE = 0x00020307, IID_STORAGE = 0x0000000b, IID_BYTES = 16 };

/* Octets of a value in a list: those of two are filled up. */
static int
width_of(uint16_t type)
{
    switch (type) {
    case TNEF_NULL:
        return 0;
    case TNEF_I2:
    case TNEF_I4:
    case TNEF_R4:
    case TNEF_ERROR:
    case TNEF_BOOLEAN:
        return 4;
    case TNEF_R8:
    case TNEF_CURRENCY:
    case TNEF_APPTIME:
    case TNEF_I8:
    case TNEF_SYSTIME:
        return 8;
    case TNEF_CLSID:
        return 16;
    case TNEF_STRING8:
    case TNEF_UNICODE:
    case TNEF_BINARY:
    case TNEF_OBJECT:
        return VARIABLE;
    default:
        return UNKNOWN;
    }
}

/* Passes over octets and what fills them up to four; at the list's end that may be missing. */
static void
pass(struct tnef_cursor *list, uint64_t bytes)
{
    uint64_t left = list->end - list->at, padded = (bytes + 3) & ~(uint64_t)3;
    list->at += padded < left ? padded : left;
}

/* A number of four octets. False at the list's end, which is then damaged unless reading failed. */
static bool
take_u32(struct tnef_reading *reading, uint32_t *number)
{
    unsigned long long at = reading->list.at;
    const unsigned char *octets = tnef_take(&reading->list, 4);
    if (octets != NULL)
        *number = tnef_u32(octets);
    else if (reading->list.error == 0)
        tnef_damage(reading, "a list of properties in the TNEF ends too early, at octet %llu", at);
    return octets != NULL;
}

/* A length of octets that follow. */
static bool
take_length(struct tnef_reading *reading, uint32_t *bytes)
{
    if (!take_u32(reading, bytes))
        return false;
    uint64_t left = reading->list.end - reading->list.at;
    if (*bytes > left)
        tnef_damage(reading, "the value at octet %llu of the TNEF says it has %u octets, %llu are left",
                    (unsigned long long)reading->list.at, *bytes, (unsigned long long)left);
    return *bytes <= left;
}

static bool
take_octets(struct tnef_reading *reading, void *octets, size_t len)
{
    unsigned long long at = reading->list.at;
    const unsigned char *taken = tnef_take(&reading->list, len);
    if (taken != NULL)
        memcpy(octets, taken, len);
    else if (reading->list.error == 0)
        tnef_damage(reading, "a list of properties in the TNEF ends too early, at octet %llu", at);
    return taken != NULL;
}

static bool
take_name(struct tnef_reading *reading, struct tnef_property *property)
{
    uint32_t kind, bytes;
    property->named = true;
    if (!take_octets(reading, property->set, sizeof property->set) || !take_u32(reading, &kind))
        return false;
    if (kind == 0)
        return take_u32(reading, &property->number);
    if (kind != 1) {
        tnef_damage(reading, "the name of a property is of the unknown kind %u, before octet %llu of the TNEF",
                    kind, (unsigned long long)reading->list.at);
        return false;
    }
    if (!take_length(reading, &bytes))
        return false;
    property->name = (struct tnef_place){reading->list.at, bytes};
    pass(&reading->list, bytes);
    return true;
}

static bool
take_fixed(struct tnef_reading *reading, struct tnef_property *property, size_t width)
{
    unsigned char octets[16] = {0};
    property->value = (struct tnef_place){reading->list.at, width};
    if (!take_octets(reading, octets, width))
        return false;
    property->bits = tnef_u32(octets) | (uint64_t)tnef_u32(octets + 4) << 32;
    return true;
}

static enum tnef_object
object_of(const unsigned char iid[IID_BYTES])
{
    static const unsigned char rest[] = {0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46};
    if (memcmp(iid + 4, rest, sizeof rest) != 0)
        return TNEF_OBJECT_OTHER;
    uint32_t number = tnef_u32(iid);
    return number == IID_MESSAGE   ? TNEF_OBJECT_MESSAGE
           : number == IID_STORAGE ? TNEF_OBJECT_STORAGE
                                   : TNEF_OBJECT_OTHER;
}

static bool
take_variable(struct tnef_reading *reading, struct tnef_property *property)
{
    unsigned char iid[IID_BYTES];
    uint32_t bytes;
    if (!take_length(reading, &bytes))
        return false;
    property->object = TNEF_NO_OBJECT;
    property->value = (struct tnef_place){reading->list.at, bytes};
    if (property->type == TNEF_OBJECT) {
        property->object = TNEF_OBJECT_OTHER;
        if (bytes >= IID_BYTES) {
            struct tnef_place whole = property->value;
            if (!take_octets(reading, iid, sizeof iid))
                return false;
            property->object = object_of(iid);
            property->value = (struct tnef_place){whole.offset + IID_BYTES, whole.bytes - IID_BYTES};
            reading->list.at = whole.offset;
        }
    }
    pass(&reading->list, bytes);
    return true;
}

/* Returns 0 with *more false where the list cannot be read on; the cursor or the damage says why. */
static int
read_values(struct tnef_reading *reading, struct tnef_property *property, bool *more)
{
    const struct tnef_visitor *visitor = reading->visitor;
    int width = width_of(property->type), error = 0;
    property->count = 1;
    *more = width != UNKNOWN;
    if (width == UNKNOWN)
        tnef_damage(reading, "the property 0x%04x before octet %llu of the TNEF is of the unknown type 0x%04x",
                    property->id, (unsigned long long)reading->list.at, property->type);
    if (*more && (property->multiple || width == VARIABLE))
        *more = take_u32(reading, &property->count);
    if (width == 0 && property->count > 1)
        property->count = 1; /* nothing, any number of times */
    for (property->index = 0; *more && error == 0 && property->index < property->count; property->index++) {
        *more =
            width == VARIABLE ? take_variable(reading, property) : take_fixed(reading, property, (size_t)width);
        if (!*more)
            break;
        reading->report->values++;
        if (visitor->property != NULL)
            error = visitor->property(visitor->arg, property);
    }
    return error;
}

static int
read_properties(struct tnef_reading *reading, uint32_t list, uint32_t row, bool *more)
{
    uint32_t count;
    int error = 0;
    *more = take_u32(reading, &count);
    for (uint32_t i = 0; *more && error == 0 && i < count; i++) {
        struct tnef_property property = {.list = list, .row = row};
        unsigned char tag[4];
        *more = take_octets(reading, tag, sizeof tag);
        if (!*more)
            break;
        uint32_t type = tnef_u16(tag);
        property.type = (uint16_t)(type & ~(uint32_t)(MULTIPLE | INSTANCE));
        property.multiple = (type & MULTIPLE) != 0;
        property.id = (uint16_t)tnef_u16(tag + 2);
        if (property.id >= FIRST_NAMED)
            *more = take_name(reading, &property);
        if (*more)
            error = read_values(reading, &property, more);
    }
    return error;
}

int
tnef_read_list(struct tnef_reading *reading, uint32_t list, struct tnef_place data)
{
    uint32_t rows = 1;
    bool more = true;
    int error = 0;
    tnef_cursor_set(&reading->list, reading->source, data);
    if (list == TNEF_RECIP_TABLE)
        more = take_u32(reading, &rows);
    for (uint32_t row = 0; more && error == 0 && row < rows; row++)
        error = read_properties(reading, list, row, &more);
    if (error == 0)
        error = reading->list.error;
    if (error == 0 && !more) /* where the source is shorter than it said, nothing was noted yet */
        tnef_damage(reading, "a list of properties in the TNEF cannot be read from octet %llu on",
                    (unsigned long long)reading->list.at);
    return error;
}
