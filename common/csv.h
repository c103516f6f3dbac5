/* csv.h - CSV: records read one at a time from an open file, and fields written
 *
 *     struct csv *csv = csv_new(fd);
 *     while ((n = csv_next(csv, &why)) != 0)
 *         if (n == 1) ... csv_fields(csv), csv_field(csv, i), csv_line(csv) ...
 *         else if (n == -EINVAL) ... a record in error, passed over; csv_line() is where it begins ...
 *         else ... the file cannot be read ...
 *
 * Fields are separated by commas; one in double quotes may hold commas, line breaks and doubled quotes; blanks around fields are
 * no part of them, those within quotes are. Lines end in CR LF or LF. UTF-8 without NUL; a byte order mark is skipped. A record is held in memory up to a
 * limit, and passed over beyond it, so memory does not grow with the file.
 *
 * What is hostile here: people's spreadsheets; and for those who open what we write in one, our values: a field that begins as a
 * formula does (= + - @) gets an apostrophe before it, save what is made of digits and the like, as telephone numbers are.
 *
 * Source: RFC 4180.
 */
#ifndef VIADUCT_CSV_H
#define VIADUCT_CSV_H

#include "common/buf.h"

enum { CSV_RECORD_BYTES_MAX = 1024 * 1024, CSV_FIELDS_MAX = 200 };

struct csv;

/* A reader at where the descriptor stands; it is not closed by csv_free(), which takes NULL. */
NEW_MEMORY struct csv *csv_new(int fd);
void csv_free(struct csv *csv);

/* The next record that is not empty (spreadsheets write commas alone for an empty line). Returns 1; 0 at the end of the file;
 * -EINVAL with `why` (without file and line) for a record in error, behind which reading goes on; or another -errno with `why`,
 * where it ended. */
int csv_next(struct csv *csv, struct why *why);

/* Of the record last read: how many fields, and each of them, empty where there is none; they live until the next csv_next().
 * The line of the file where it begins. */
size_t csv_fields(const struct csv *csv);
struct span csv_field(const struct csv *csv, size_t i);
size_t csv_line(const struct csv *csv);

/* At the end of the file: whether its last line had a line break. Without one it may have been cut, or is still being written. */
bool csv_ended(const struct csv *csv);

/* Adds a value as a field, in quotes where it asks for them. The comma before it is the caller's. What begins as a formula gets an
 * apostrophe, which csv_value() takes away. */
void csv_add(struct span value, struct buf *out);

/* The value that csv_add() wrote as this field. */
struct span csv_value(struct span field);

#endif
