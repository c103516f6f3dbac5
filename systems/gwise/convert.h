/* convert.h - GroupWise items from and to Internet messages: what both directions share
 *
 * Carried: messages with a text body, subject, sender, recipients, date, importance, sensitivity and attached
 * files, both ways; appointments and what is answered to them as iCalendar, both ways (meeting_in.c,
 * meeting_out.c); tasks and notes towards GroupWise. From it, notes, tasks and phone messages come as readable
 * mail, statuses as reports, or as mail where there is no report for them.
 * Directory answers (Msg-Type Admin) are handed on, busy searches and what nobody knows are refused with their
 * reason, and stay for a person to look at.
 *
 * Options of the connector: convert.codepage, convert.unmappable, convert.timezone, peer.domain.
 */
#ifndef VIADUCT_GWISE_CONVERT_H
#define VIADUCT_GWISE_CONVERT_H

#include "common/buf.h"
#include "systems/mime/charset.h"
#include "systems/viaduct/system.h"

enum viaduct_converted gwise_to_foreign(const struct viaduct_convert_in *in,
                                        const struct viaduct_convert_out *out, struct viaduct_reason *reason);
enum viaduct_converted gwise_from_foreign(const struct viaduct_convert_in *in,
                                          const struct viaduct_convert_out *out, struct viaduct_reason *reason);

/* The two. In programs that never convert, others of this name, which abort, stand for them (systems/no_convert.c). */
extern const struct viaduct_convert_ops gwise_convert_ops;

/* What stands in Msg-Id before our queue id: by it a file in the gateway's folders is known as ours, and its
 * message. */
#define GWISE_ID_PREFIX "VIADUCT-"

/* The tag of ours in the token (CDBA) of a sender, which comes back in what is sent to him: that id. */
#define GWISE_TOKEN_ID "vmid"

/* The connector's option as text, or NULL. */
const char *gwise_option(const struct viaduct_convert_in *in, const char *name);

/* The code page and the stand-in of the connector; NULL, with the reason, where the page is unknown. */
struct codepage *gwise_codepage(const struct viaduct_convert_in *in, enum unmappable *how,
                                struct viaduct_reason *reason);

/* A line for the report of what was lost. */
void gwise_report(const struct viaduct_convert_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fills the reason; returns `result`. */
enum viaduct_converted gwise_ends(enum viaduct_converted result, struct viaduct_reason *reason,
                                  const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A file name fit to be shown and stored: no path, no control characters, no dot in front, at most 200 octets
 * with its extension kept, whole UTF-8 characters. Never empty. */
void gwise_file_name(struct span name, struct buf *out);

/* A media type by a file's extension, and an extension (with its dot, ".bin" for unknown ones) by a media type.
 */
const char *gwise_type_of_name(struct span name);
const char *gwise_extension_of_type(const char *type);

#endif
