/* log_inside.h - what the files of the log share among themselves; not for others */
#ifndef VIADUCT_LOG_INSIDE_H
#define VIADUCT_LOG_INSIDE_H

#include <sys/socket.h>
#include <sys/un.h>

#include "common/log.h"

enum { LOG_LINE_MAX = 4000, LOG_VALUE_MAX = 2000 };

/* How lines are told from each other on their way. */
enum log_framing {
    FRAMING_STREAM,  /* a line end */
    FRAMING_SYSLOG,  /* a datagram each: "<priority>tag[pid]: line" (RFC 3164 section 4.1, as /dev/log takes it)
                      */
    FRAMING_JOURNAL, /* a datagram each of FIELD=value lines (systemd's native journal protocol) */
};

struct log_target {
    int fd;
    int pid; /* for syslog's tags: asked once, not for each line */
    enum log_framing framing;
    struct sockaddr_un peer; /* of datagrams, to connect again */
    socklen_t peer_len;
    uint64_t lost; /* lines that could not be written and that no line has told of */
    bool torn;     /* the last write ended within a line */
};

/* Sees by the descriptor's kind how lines are framed. */
void log_target_start(struct log_target *target, int fd);

/* Adds what stands before a line, and what ends it. */
void log_target_begin_line(const struct log_target *target, struct buf *text, const char *by,
                           enum log_level level, const char *id);
void log_target_end_line(const struct log_target *target, struct buf *text);

/* Writes lines framed so, and empties `text`. What cannot be written is counted in `lost`. */
void log_target_write(struct log_target *target, struct buf *text);

/* Adds `key=value` without a blank before it, the value printed in at most `limit` bytes. */
void log_print_cut(struct buf *out, const char *key, struct span value, size_t limit);

/* log_start()'s `by`. */
const char *log_by(void);

/* Writes the tracking records collected. 0 or -errno, the records are then kept. */
int track_flush(void);

#endif
