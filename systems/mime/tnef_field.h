/* tnef_field.h - within the gathering of messages: which property or attribute fills which field */
#ifndef VIADUCT_TNEF_FIELD_H
#define VIADUCT_TNEF_FIELD_H

#include "systems/mime/tnef_message.h"

enum tnef_field_kind { TNEF_FIELD_TEXT, TNEF_FIELD_NUMBER, TNEF_FIELD_TIME, TNEF_FIELD_PLACE };

/* Where a property is looked up: by its id among those of messages, attachments, recipients; by its number in a set. */
enum tnef_field_set {
    TNEF_IN_MESSAGE,
    TNEF_IN_APPOINTMENT,
    TNEF_IN_COMMON,
    TNEF_IN_MEETING,
    TNEF_IN_ATTACHMENT,
    TNEF_IN_RECIPIENT
};

struct tnef_field {
    enum tnef_field_set set;
    uint32_t id;
    enum tnef_field_kind kind;
    size_t offset; /* in struct tnef_message, tnef_attachment, tnef_recipient */
};

/* The field of a property; NULL where none of ours. */
const struct tnef_field *tnef_field_of(const struct tnef_property *property);

/* Sets every number and time of a new structure, of which the sets from `first` to `last` fill fields, to TNEF_NOT_GIVEN. */
void tnef_fields_begin(void *structure, enum tnef_field_set first, enum tnef_field_set last);

/* Frees every text of a structure. */
void tnef_fields_clear(void *structure, enum tnef_field_set first, enum tnef_field_set last);

static inline char **
tnef_field_text(void *structure, const struct tnef_field *field)
{
    return (char **)(void *)((char *)structure + field->offset);
}

static inline int64_t *
tnef_field_number(void *structure, const struct tnef_field *field)
{
    return (int64_t *)(void *)((char *)structure + field->offset);
}

static inline struct tnef_place *
tnef_field_place(void *structure, const struct tnef_field *field)
{
    return (struct tnef_place *)(void *)((char *)structure + field->offset);
}

#endif
