/* tnef_field.c - the table of the properties that messages, attachments and recipients are made of (see tnef_field.h)
 *
 * Sources: [MS-OXPROPS]; the property sets are [MS-OXPROPS] section 1.3.2.
 */
#include "systems/mime/tnef_field.h"

#include <stdlib.h>

#define OF_MESSAGE(id, kind, field)                                                                            \
    {                                                                                                          \
        TNEF_IN_MESSAGE, id, TNEF_FIELD_##kind, offsetof(struct tnef_message, field)                           \
    }
#define OF_APPOINTMENT(id, kind, field)                                                                        \
    {                                                                                                          \
        TNEF_IN_APPOINTMENT, id, TNEF_FIELD_##kind, offsetof(struct tnef_message, meeting.field)               \
    }
#define OF_COMMON(id, kind, field)                                                                             \
    {                                                                                                          \
        TNEF_IN_COMMON, id, TNEF_FIELD_##kind, offsetof(struct tnef_message, meeting.field)                    \
    }
#define OF_MEETING(id, kind, field)                                                                            \
    {                                                                                                          \
        TNEF_IN_MEETING, id, TNEF_FIELD_##kind, offsetof(struct tnef_message, meeting.field)                   \
    }
#define OF_ATTACHMENT(id, kind, field)                                                                         \
    {                                                                                                          \
        TNEF_IN_ATTACHMENT, id, TNEF_FIELD_##kind, offsetof(struct tnef_attachment, field)                     \
    }
#define OF_RECIPIENT(id, kind, field)                                                                          \
    {                                                                                                          \
        TNEF_IN_RECIPIENT, id, TNEF_FIELD_##kind, offsetof(struct tnef_recipient, field)                       \
    }

/* In the order of sets and ids. */
static const struct tnef_field fields[] = {
    OF_MESSAGE(0x0015, TIME, expires_s),
    OF_MESSAGE(0x0017, NUMBER, importance),
    OF_MESSAGE(0x001a, TEXT, class),
    OF_MESSAGE(0x0023, NUMBER, wants_report),
    OF_MESSAGE(0x0026, NUMBER, priority),
    OF_MESSAGE(0x0029, NUMBER, wants_receipt),
    OF_MESSAGE(0x0036, NUMBER, sensitivity),
    OF_MESSAGE(0x0037, TEXT, subject),
    OF_MESSAGE(0x0039, TIME, sent_s),
    OF_MESSAGE(0x003d, TEXT, subject_prefix),
    OF_MESSAGE(0x0042, TEXT, from_name),
    OF_MESSAGE(0x0060, TIME, meeting.start_date_s),
    OF_MESSAGE(0x0061, TIME, meeting.end_date_s),
    OF_MESSAGE(0x0062, NUMBER, meeting.owner_appointment),
    OF_MESSAGE(0x0063, NUMBER, meeting.wants_response),
    OF_MESSAGE(0x0064, TEXT, from_type),
    OF_MESSAGE(0x0065, TEXT, from_address),
    OF_MESSAGE(0x0070, TEXT, topic),
    OF_MESSAGE(0x007f, PLACE, correlation_key),
    OF_MESSAGE(0x0c1a, TEXT, sender_name),
    OF_MESSAGE(0x0c1e, TEXT, sender_type),
    OF_MESSAGE(0x0c1f, TEXT, sender_address),
    OF_MESSAGE(0x0e06, TIME, delivered_s),
    OF_MESSAGE(0x0e1d, TEXT, subject_rest),
    OF_MESSAGE(0x0e1f, NUMBER, rtf_in_sync),
    OF_MESSAGE(0x1035, TEXT, message_id),
    OF_MESSAGE(0x1039, TEXT, references),
    OF_MESSAGE(0x1042, TEXT, in_reply_to),
    OF_MESSAGE(0x3fde, NUMBER, internet_codepage),
    OF_MESSAGE(0x3ffd, NUMBER, message_codepage),

    OF_APPOINTMENT(0x8201, NUMBER, sequence),
    OF_APPOINTMENT(0x8205, NUMBER, busy),
    OF_APPOINTMENT(0x8208, TEXT, location),
    OF_APPOINTMENT(0x820d, TIME, start_s),
    OF_APPOINTMENT(0x820e, TIME, end_s),
    OF_APPOINTMENT(0x8213, NUMBER, duration_min),
    OF_APPOINTMENT(0x8215, NUMBER, all_day),
    OF_APPOINTMENT(0x8216, PLACE, recurrence),
    OF_APPOINTMENT(0x8217, NUMBER, state_flags),
    OF_APPOINTMENT(0x8218, NUMBER, response),
    OF_APPOINTMENT(0x8223, NUMBER, recurring),
    OF_APPOINTMENT(0x8224, NUMBER, meant_busy),
    OF_APPOINTMENT(0x8232, TEXT, recurrence_pattern),
    OF_APPOINTMENT(0x8233, PLACE, zone_struct),
    OF_APPOINTMENT(0x8234, TEXT, time_zone),
    OF_APPOINTMENT(0x8250, TIME, proposed_start_s),
    OF_APPOINTMENT(0x8251, TIME, proposed_end_s),
    OF_APPOINTMENT(0x8257, NUMBER, counter_proposal),
    OF_APPOINTMENT(0x825e, PLACE, zone_start),
    OF_APPOINTMENT(0x825f, PLACE, zone_end),
    OF_APPOINTMENT(0x8260, PLACE, zone_recurrence),

    OF_COMMON(0x8501, NUMBER, reminder_min),
    OF_COMMON(0x8503, NUMBER, reminder),
    OF_COMMON(0x8516, TIME, common_start_s),
    OF_COMMON(0x8517, TIME, common_end_s),

    OF_MEETING(0x0001, TIME, attendee_critical_change_s),
    OF_MEETING(0x0002, TEXT, where),
    OF_MEETING(0x0003, PLACE, global_id),
    OF_MEETING(0x001a, TIME, owner_critical_change_s),
    OF_MEETING(0x0023, PLACE, clean_global_id),
    OF_MEETING(0x0026, NUMBER, type),

    OF_ATTACHMENT(0x3001, TEXT, display_name),
    OF_ATTACHMENT(0x3704, TEXT, short_name),
    OF_ATTACHMENT(0x3705, NUMBER, method),
    OF_ATTACHMENT(0x3707, TEXT, long_name),
    OF_ATTACHMENT(0x3709, PLACE, meta_file),
    OF_ATTACHMENT(0x370b, NUMBER, position),
    OF_ATTACHMENT(0x370d, TEXT, path),
    OF_ATTACHMENT(0x370e, TEXT, mime_tag),
    OF_ATTACHMENT(0x3712, TEXT, content_id),
    OF_ATTACHMENT(0x3713, TEXT, content_location),
    OF_ATTACHMENT(0x3714, NUMBER, flags),
    OF_ATTACHMENT(0x7ffe, NUMBER, hidden),

    OF_RECIPIENT(0x0c15, NUMBER, type),
    OF_RECIPIENT(0x3001, TEXT, name),
    OF_RECIPIENT(0x3002, TEXT, address_type),
    OF_RECIPIENT(0x3003, TEXT, address),
    OF_RECIPIENT(0x39fe, TEXT, smtp_address),
};

/* Fields of a message that attributes alone fill. */
static const size_t other_numbers[] = {
    offsetof(struct tnef_message, codepage),
    offsetof(struct tnef_message, sent_local_s),
    offsetof(struct tnef_message, meeting.start_local_s),
    offsetof(struct tnef_message, meeting.end_local_s),
};

static int
by_id(const void *a, const void *b)
{
    const struct tnef_field *x = a, *y = b;
    if (x->set != y->set)
        return x->set < y->set ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* A named property's set; false for those that have nothing for us. */
static bool
set_of(const struct tnef_property *property, enum tnef_field_set *set)
{
    static const struct {
        enum tnef_field_set set;
        unsigned char guid[16];
    } sets[] = {
        {TNEF_IN_APPOINTMENT, {0x02, 0x20, 0x06, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}},
        {TNEF_IN_COMMON, {0x08, 0x20, 0x06, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}},
        {TNEF_IN_MEETING,
         {0x90, 0xda, 0xd8, 0x6e, 0x0b, 0x45, 0x1b, 0x10, 0x98, 0xda, 0, 0xaa, 0, 0x3f, 0x13, 0x05}},
    };
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        if (memcmp(sets[i].guid, property->set, sizeof property->set) == 0) {
            *set = sets[i].set;
            return property->name.bytes == 0;
        }
    return false;
}

const struct tnef_field *
tnef_field_of(const struct tnef_property *property)
{
    struct tnef_field wanted = {.set = TNEF_IN_MESSAGE, .id = property->id};
    if (property->list == TNEF_ATTACH_PROPS)
        wanted.set = TNEF_IN_ATTACHMENT;
    else if (property->list == TNEF_RECIP_TABLE)
        wanted.set = TNEF_IN_RECIPIENT;
    if (property->named && (wanted.set != TNEF_IN_MESSAGE || !set_of(property, &wanted.set)))
        return NULL;
    if (property->named)
        wanted.id = property->number;
    return bsearch(&wanted, fields, COUNT_OF(fields), sizeof fields[0], by_id);
}

void
tnef_fields_begin(void *structure, enum tnef_field_set first, enum tnef_field_set last)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].set >= first && fields[i].set <= last &&
            (fields[i].kind == TNEF_FIELD_NUMBER || fields[i].kind == TNEF_FIELD_TIME))
            *tnef_field_number(structure, &fields[i]) = TNEF_NOT_GIVEN;
    for (size_t i = 0; i < COUNT_OF(other_numbers) && first == TNEF_IN_MESSAGE; i++)
        *(int64_t *)(void *)((char *)structure + other_numbers[i]) = TNEF_NOT_GIVEN;
}

void
tnef_fields_clear(void *structure, enum tnef_field_set first, enum tnef_field_set last)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].set >= first && fields[i].set <= last && fields[i].kind == TNEF_FIELD_TEXT)
            free(*tnef_field_text(structure, &fields[i]));
}
