/* message_show.h - the parts of one message, printed
 *
 * The message's file descriptor is open and the file was read (message->has_file). Each returns 0 or -errno
 * with message->why.
 */
#ifndef VIADUCT_MESSAGE_SHOW_H
#define VIADUCT_MESSAGE_SHOW_H

#include "commands/spool_walk.h"

int message_print_envelope(struct message *message);
int message_print_report(struct message *message);
int message_print_log(struct message *message);
int message_print_header(struct message *message);
int message_print_body(struct message *message);
int message_print_raw(struct message *message);
int message_print_json(struct message *message);
void message_print_summary(struct message *message, const struct command *command);

/* Lists messages: for `queue list`, `badmail list` and viaduct-mailq. Returns the exit code. */
int message_list(struct command *command, enum folder only, const char *columns);

#endif
