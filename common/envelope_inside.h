/* envelope_inside.h - what the chapters about envelopes and journals share, and nobody else uses
 *
 *     envelope.c           the base envelope, printed and read
 *     envelope_record.c    the records that it and the journal are made of
 *     envelope_journal.c   the journal's entries, printed, read and applied
 *
 * A record is `tag SP length ':' value LF`. mte.def says which members of the structs are records of which kind:
 * record_print_KIND() and record_read_KIND() are what its kinds expand to.
 */
#ifndef VIADUCT_ENVELOPE_INSIDE_H
#define VIADUCT_ENVELOPE_INSIDE_H

#include "common/envelope.h"

/* ---- printing ---- */

/* Tag and length of a value that the caller adds, with a line end behind it. */
void record_head(struct buf *out, const char *tag, size_t len);
void record_print(struct buf *out, const char *tag, struct span value);

/* Nothing is printed for an empty text, 0 and false. Control bytes of a text become '?'. */
void record_print_TEXT(struct buf *out, const char *tag, struct span value);

/* Whether a text member that reads `written` may have been printed from `text`, whose control bytes are not in it. */
bool record_text_is(struct span written, struct span text);

void record_print_NUMBER(struct buf *out, const char *tag, int64_t value); /* not negative */
void record_print_FLAG(struct buf *out, const char *tag, bool value);

/* ---- reading ---- */

struct record_reader {
    const char *start;
    struct span rest;
    struct span tag, value; /* of the record read last */
    struct arena *arena;
    struct why *why;
};

/* Reads the next record into tag and value. As all readers here: 0, or -EBADMSG with `why`. */
int record_next(struct record_reader *reader);

int record_read_TEXT(struct record_reader *reader, struct span *member);
int record_read_NUMBER(struct record_reader *reader, int64_t *member);
int record_read_FLAG(struct record_reader *reader, bool *member);

/* Set `why`; return -EBADMSG, and -ENOMEM. */
int record_error(struct record_reader *reader, const char *message);
int record_no_memory(struct record_reader *reader);

/* Written out, so that a comparison with a tag that the compiler knows costs no call: there are a dozen for each record. */
static inline bool
record_is(const struct record_reader *reader, struct span tag)
{
    return reader->tag.len == tag.len && memcmp(reader->tag.at, tag.at, tag.len) == 0;
}

#endif
