/* ldif.h - LDIF: records read one at a time from an open file, and written
 *
 *     struct ldif *ldif = ldif_new(fd);
 *     while ((n = ldif_next(ldif, &record, &why)) != 0)
 *         if (n == 1) ... record.dn, record.attributes ...
 *         else if (n == -EINVAL) ... record.line and why say what is wrong; the record was passed over, the next may be asked for ...
 *         else ... the file cannot be read ...
 *
 * Content records only, as exports are: "changetype: add" is passed over, since ldifde writes it; a record with another change, or
 * with a control, is an error. Lines may be folded, end in CR LF or LF, and be comments; "version: 1" may begin the file; values
 * may be base64. A value that stands in a file elsewhere (name:< URL) is an error: what is read may come from a stranger, and must
 * not make us open anything. Lengths are limited, so memory does not grow with the file.
 *
 * What is hostile here: everything. Values are any octets, NUL too.
 *
 * Source: RFC 2849.
 */
#ifndef VIADUCT_LDIF_H
#define VIADUCT_LDIF_H

#include "common/buf.h"

/* Of one record: octets of its lines, and its values. A group of a hundred thousand members fits in. */
enum { LDIF_RECORD_BYTES_MAX = 16 * 1024 * 1024, LDIF_ATTRIBUTES_MAX = 200000 };

struct ldif_attribute {
    struct span name;  /* as it stands there, options too ("member;range=0-1499", "userCertificate;binary") */
    struct span value; /* may be empty */
    size_t line;
};

struct ldif_record {
    struct span dn;
    size_t line; /* where it begins */
    const struct ldif_attribute *attributes;
    size_t n_attributes;
};

struct ldif;

/* A reader at where the descriptor stands; it is not closed by ldif_free(), which takes NULL. */
NEW_MEMORY struct ldif *ldif_new(int fd);
void ldif_free(struct ldif *ldif);

/* The next record. Returns 1 with `record`, whose spans live until the next call; 0 at the end of the file; -EINVAL with `why`
 * (neither file nor line) and `record->line` for a record in error, which was passed over whole; or another -errno with both,
 * where reading ended. */
int ldif_next(struct ldif *ldif, struct ldif_record *record, struct why *why);

/* At the end of the file: whether its last line had a line break. Without one it may have been cut, or is still being written. */
bool ldif_ended(const struct ldif *ldif);

/* The n-th value (from 0) of an attribute, ASCII case and options ignored; false behind the last. One value costs a pass over the
 * record: loop over `attributes` where there may be many. */
bool ldif_value(const struct ldif_record *record, struct span name, size_t n, struct span *value);

/* Whether an attribute has this name, ASCII case and options ignored. */
bool ldif_is(const struct ldif_attribute *attribute, struct span name);

/* Adds a line "name: value", in base64 where the value asks for it (RFC 2849: SAFE-STRING; not ASCII, a first blank, colon or
 * '<', a last blank, or control octets), folded at 76 columns. The record's empty line is the caller's. */
void ldif_add(struct span name, struct span value, struct buf *out);

#endif
