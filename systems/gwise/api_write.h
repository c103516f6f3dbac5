/* api_write.h - writes header files for a GroupWise API gateway, in the form that Exchange's connector wrote
 *
 * Text comes in as UTF-8 and stays so; the caller encodes the whole file into the gateway's code page at the
 * end. Lines end in CRLF. In a value ';' and '\' are escaped, ',' is not (no reader of a scalar takes it for a
 * separator), and control characters become blanks, so that no value can end its line or pass for the mark of
 * the base name (container.h).
 *
 * Source: the one genuine mail header known, and KB articles Q222506, Q222538.
 */
#ifndef VIADUCT_GWISE_API_WRITE_H
#define VIADUCT_GWISE_API_WRITE_H

#include "common/buf.h"

/* "Key= value; " */
void api_put(struct buf *out, const char *key, struct span value);

/* The same where the value is ours, and goes out as it is (it may hold the mark of the base name). */
void api_put_raw(struct buf *out, const char *key, const char *value);

/* "To= " and its elements: begin, for each address api_put_address(), end. A list without elements must not be
 * begun. */
struct api_list {
    struct buf *out;
    size_t n;
};
void api_list_begin(struct api_list *list, struct buf *out, const char *key);
/* `token` is CDBA, left out where empty. */
void api_put_address(struct api_list *list, struct span domain, struct span office, struct span user,
                     struct span token);
/* An element of Attach-File; `current` goes out as it is. A size of 0 is left out. */
void api_put_file(struct api_list *list, const char *current, struct span original, uint64_t bytes);
void api_list_end(struct api_list *list);

/* The value with its escapes. */
void api_escape(struct buf *out, struct span value);

#endif
