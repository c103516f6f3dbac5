/* sendmail.h - what the chapters of viaduct-sendmail share
 *
 *     sendmail.c          command line, the file in drop/
 *     sendmail_message.c  envelope lines, header and body from standard input
 */
#ifndef VIADUCT_SENDMAIL_H
#define VIADUCT_SENDMAIL_H

#include <sys/types.h>

#include "common/buf.h"

struct options {
    const char *conf, *sender, *full_name, *notify, *ret, *envid;
    bool header_recipients; /* -t */
    bool dot_is_text;       /* -i: a line with a single dot does not end the message */
    bool verbose;
    char **recipients;
    int n_recipients;
};

/* Lines from standard input; a line of a single dot ends them unless -i. */
struct input {
    char *line;
    size_t size;
    bool dot_is_text, ended;
};

/* Tells on stderr and returns the status. */
int sendmail_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads the header, with LF ends; the first line behind it that is not its own stays in input->line, its length
 * in `*first` (else 0). A mailbox's "From " line is left out. Returns EX_OK, EX_NOINPUT, EX_DATAERR. */
int sendmail_read_header(struct input *input, struct buf *header, ssize_t *first);

/* Adds the envelope lines. With -t the recipients that the header names are among them. EX_OK, EX_DATAERR,
 * EX_USAGE. */
int sendmail_envelope(const struct options *options, struct span header, struct buf *out);

/* Adds a From field where -F gave a name and the header has none; without -F pickup adds it. */
void sendmail_add_from(const struct options *options, struct span header, const char *domain, struct buf *out);

/* Writes all of it; 0 or -errno. */
int sendmail_write(int fd, const char *at, size_t len);

/* Copies the rest of the message, `first` being the length of the line that was read already. 0 or -errno. */
int sendmail_write_body(struct input *input, ssize_t first, int fd);

#endif
