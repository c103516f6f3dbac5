/* message_show.h - the parts of one message, printed
 *
 * The message's file descriptor is open and the file was read (message->has_file). Each returns 0 or -errno
 * with message->why.
 */
#ifndef VIADUCT_MESSAGE_SHOW_H
#define VIADUCT_MESSAGE_SHOW_H

#include "commands/spool_walk.h"
#include "common/json_out.h"

int message_print_envelope(struct message *message);
int message_print_report(struct message *message);
/* What conversions lost or changed: lines behind a report, or the member "conversions" of an object. An entry of the journal that
 * tells of one. */
int message_print_conversion(struct message *message);
void message_add_conversion(struct message *message, struct json *json);
bool message_is_conversion(const struct journal_entry *entry);

int message_print_log(struct message *message);
int message_print_header(struct message *message);
int message_print_body(struct message *message);
int message_print_raw(struct message *message);
int message_print_json(struct message *message);
void message_print_summary(struct message *message, const struct command *command);

/* Lists messages: for `queue list`, `badmail list` and viaduct-mailq. Returns the exit code. */
int message_list(struct command *command, enum folder only, const char *columns);

#endif
