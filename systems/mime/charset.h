/* charset.h - text between character sets: whatever a message says it is, UTF-8 within, the gateway's code page
 * without
 *
 * Two directions, both streaming and both total: any octets become some valid UTF-8, and any UTF-8 becomes some
 * octets of the code page. Nothing fails; what was lost is counted.
 *
 *   charset   octets in a named character set -> UTF-8. UTF-8, UTF-16LE, ASCII, Latin-1 and Windows-1252 are ours; an
 * octet that is no UTF-8 where UTF-8 or ASCII was promised is read as Windows-1252, since that is what wrong
 * labels hide in practice. Others are iconv's; unknown names are read like UTF-8. codepage  UTF-8 <-> the code
 * page of an API gateway's files (Header-Char and Msg-Char T50): 437 by default, 850, 852, 865, 1252 or utf-8;
 * other numbers are iconv's where it has them.
 *
 * What is hostile here: the octets and the character set's name, which reaches iconv_open() only when it is
 * made of letters, digits, '-', '_', '.', ':' and '+', so that no suffix can be smuggled in.
 */
#ifndef VIADUCT_CHARSET_H
#define VIADUCT_CHARSET_H

#include "common/buf.h"

struct charset;

/* A decoder for the character set named `label` (empty: ASCII). Never NULL. charset_free() takes NULL. */
struct charset *charset_new(struct span label);
void charset_free(struct charset *charset);

/* The name under which charset_new() knows the code page that Windows gives a number: 1252 is "CP1252", 65001 "UTF-8", 28592
 * "ISO-8859-2". False, with `name` empty, where the number is none that mail is written in. */
enum { CHARSET_NAME_MAX = 24 };
bool charset_of_number(uint32_t number, char name[CHARSET_NAME_MAX]);

/* False where the name is unknown to us and to iconv; the decoder then guesses. */
bool charset_known(const struct charset *charset);

/* Adds the next octets as UTF-8. Incomplete sequences wait for the next call; charset_end() settles them. */
void charset_feed(struct charset *charset, const char *bytes, size_t len, struct buf *out);
void charset_end(struct charset *charset, struct buf *out);

/* Octets that were no valid text of the promised set so far. */
uint64_t charset_faults(const struct charset *charset);

/* Decodes a whole text. */
void charset_decode(struct span label, struct span bytes, struct buf *out);

/* What stands for a character that the code page lacks. */
enum unmappable { UNMAPPABLE_BEST_FIT, UNMAPPABLE_QUESTION, UNMAPPABLE_ENTITIES };

struct codepage;

/* A code page by its name ("437", "CP850", "utf-8"; NULL is 437). NULL where there is none of that name. */
struct codepage *codepage_new(const char *name);
void codepage_free(struct codepage *codepage);

/* Adds UTF-8 as octets of the code page; the span must hold whole characters (invalid octets become '?').
 * Returns the number of characters that were changed. */
uint64_t codepage_encode(const struct codepage *codepage, struct span utf8, enum unmappable how,
                         struct buf *out);

/* Adds octets of the code page as UTF-8. For "utf-8" any octets: what is invalid is read as Windows-1252. */
void codepage_decode(const struct codepage *codepage, struct span bytes, struct buf *out);

/* Reads one UTF-8 character at `at`. Returns its length and sets `*code`; 0 where the octets are no valid UTF-8
 * (RFC 3629: no surrogates, nothing overlong), -1 where they end within what may become one. */
int charset_take_utf8(const char *at, size_t len, uint32_t *code);

/* Adds a character as UTF-8; what is none becomes U+FFFD. */
void charset_add_utf8(struct buf *out, uint32_t code);

#endif
