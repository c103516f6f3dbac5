/* tnef_gather.h - within the gathering of messages: the message in hand */
#ifndef VIADUCT_TNEF_GATHER_H
#define VIADUCT_TNEF_GATHER_H

#include "systems/mime/tnef_message.h"

enum { TNEF_NO_ATTACHMENT = -1, TNEF_LEFT_OUT = -2 };

struct tnef_gathering {
    struct tnef_source source; /* of the message in hand */
    struct tnef_tree *tree;
    int message;    /* in hand */
    int attachment; /* of it, being described; TNEF_NO_ATTACHMENT; TNEF_LEFT_OUT: one beyond the limit */
    int recipient;  /* of it; -1: beyond the limit */
    uint64_t row;   /* of the recipient; UINT64_MAX: none yet */
    char octets[CHARSET_NAME_MAX]; /* the name of the code page of its texts of octets */
};

/* The text at a place, at its end cut to the limits, instead of what *text was. 0, or -errno of the source's function. */
int tnef_gather_text(struct tnef_gathering *gathering, struct tnef_place place, const char *charset,
                     char **text);

/* tnef_attribute.c: takes an attribute. 0, or -errno of the source's function. */
int tnef_gather_attribute(struct tnef_gathering *gathering, const struct tnef_attribute *attribute);

/* tnef_message.c: begins an attachment, which ends the one before. */
void tnef_begin_attachment(struct tnef_gathering *gathering);

#endif
