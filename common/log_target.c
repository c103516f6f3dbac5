/* log_target.c - where lines go, and how each place wants them (see log.h)
 *
 * A stream gets all lines of a turn by one write. Sockets of syslog and the journal take a datagram each, sent
 * by one sendmmsg for many; they are never waited for: a log daemon that stands still must not stop the mail,
 * so its lines are lost, counted, and told of later.
 *
 * What is hostile here: nothing, but values of lines have been made harmless before (log_pair.c).
 * Sources: RFC 3164 section 4.1.1 (priority) and 5.3 (tag), RFC 5424 section 6.2.1 (facilities), syslog(3);
 * systemd's "Native Journal Protocol".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log_inside.h"

enum { FACILITY_MAIL = 2, PRIORITY_ERROR = 3, PRIORITY_INFO = 6, PRIORITY_DEBUG = 7, BATCH = 64 };

static const char journal_socket[] = "/run/systemd/journal/socket";
static const char syslog_socket[] = "/dev/log";
static const char journal_suffix[] = "/journal/socket"; /* the native protocol is spoken at sockets named so */

static bool
ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* ---- opening ---- */

static int
open_socket(const char *path)
{
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof peer.sun_path)
        return -ENAMETOOLONG;
    memcpy(peer.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&peer, sizeof peer) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* The path behind "word:", or the standard one for "word" alone; NULL where the target is another. */
static const char *
socket_path(const char *target, const char *word, const char *standard)
{
    size_t len = strlen(word);
    if (strncmp(target, word, len) != 0)
        return NULL;
    if (target[len] == '\0')
        return standard;
    return target[len] == ':' ? target + len + 1 : NULL;
}

static int
open_journal(const char *path)
{
    if (!ends_with(path, journal_suffix))
        return -EINVAL;
    int fd = open_socket(path);
    if (fd >= 0)
        return fd;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "no journal at %s (%s): the log goes to stderr", path,
            strerror(-fd));
    return STDERR_FILENO;
}

int
log_open_target(const char *target)
{
    const char *path;
    if (strcmp(target, "stderr") == 0)
        return STDERR_FILENO;
    if ((path = socket_path(target, "syslog", syslog_socket)) != NULL)
        return open_socket(path);
    if ((path = socket_path(target, "journal", journal_socket)) != NULL)
        return open_journal(path);
    int fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return fd < 0 ? -errno : fd;
}

void
log_target_start(struct log_target *target, int fd)
{
    int type = 0;
    socklen_t type_len = sizeof type;
    *target = (struct log_target){.fd = fd, .pid = (int)getpid()};
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != SOCK_DGRAM)
        return;
    target->peer_len = sizeof target->peer;
    if (getpeername(fd, (struct sockaddr *)&target->peer, &target->peer_len) < 0)
        target->peer_len = 0;
    target->peer.sun_path[sizeof target->peer.sun_path - 1] = '\0';
    target->framing = ends_with(target->peer.sun_path, journal_suffix) ? FRAMING_JOURNAL : FRAMING_SYSLOG;
}

/* ---- framing ---- */

static int
priority_of(enum log_level level)
{
    if (level <= LEVEL_MINIMUM)
        return PRIORITY_ERROR;
    return level <= LEVEL_MEDIUM ? PRIORITY_INFO : PRIORITY_DEBUG;
}

/* "cleanup", the program's name without its connector: tags hold no '/'. */
static struct span
tag_of(const char *by)
{
    return (struct span){by, strcspn(by, "/")};
}

void
log_target_begin_line(const struct log_target *target, struct buf *text, const char *by, enum log_level level,
                      const char *id)
{
    struct span tag = tag_of(by);
    int priority = priority_of(level);
    if (target->framing == FRAMING_SYSLOG)
        buf_printf(text, "<%d>viaduct-%.*s[%d]: ", FACILITY_MAIL << 3 | priority, (int)tag.len, tag.at,
                   target->pid);
    if (target->framing != FRAMING_JOURNAL)
        return;
    buf_printf(text, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=viaduct-%.*s\n", priority,
               FACILITY_MAIL, (int)tag.len, tag.at);
    if (id != NULL)
        buf_printf(text, "VIADUCT_ID=%s\n", id);
    buf_add_text(text, "MESSAGE=");
}

/* Lines hold no NUL, so it can stand between datagrams. */
void
log_target_end_line(const struct log_target *target, struct buf *text)
{
    if (target->framing != FRAMING_SYSLOG)
        buf_add_byte(text, '\n');
    if (target->framing != FRAMING_STREAM)
        buf_add_byte(text, '\0');
}

/* ---- writing ---- */

static uint64_t
count_bytes(const char *at, size_t len, char wanted)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += at[i] == wanted;
    return n;
}

static void
write_stream(struct log_target *target, struct buf *text)
{
    struct span rest = buf_span(text);
    if (target->torn && write(target->fd, "\n", 1) == 1)
        target->torn = false;
    while (rest.len > 0) {
        ssize_t n = write(target->fd, rest.at, rest.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        target->torn = rest.at[n - 1] != '\n';
        rest.at += n;
        rest.len -= (size_t)n;
    }
    target->lost += count_bytes(rest.at, rest.len, '\n');
}

/* A log daemon that was started again has another socket of the same name. */
static bool
connect_again(struct log_target *target)
{
    if (errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET)
        return false;
    return target->peer_len > 0 &&
           connect(target->fd, (const struct sockaddr *)&target->peer, target->peer_len) == 0;
}

/* Sends `n` datagrams; returns how many were sent or cannot be: those are counted as lost. */
static size_t
send_batch(struct log_target *target, struct mmsghdr *batch, size_t n, bool *tried)
{
    int sent = sendmmsg(target->fd, batch, (unsigned)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        return (size_t)sent;
    if (errno == EINTR)
        return 0;
    if (!*tried && connect_again(target)) {
        *tried = true;
        return 0;
    }
    if (errno == EMSGSIZE) {
        target->lost++;
        return 1;
    }
    target->lost += n;
    return n;
}

static void
write_datagrams(struct log_target *target, struct buf *text)
{
    struct span rest = buf_span(text);
    bool tried = false;
    while (rest.len > 0) {
        struct iovec parts[BATCH];
        struct mmsghdr batch[BATCH];
        size_t n = 0, done = 0;
        for (; n < BATCH && rest.len > 0; n++) {
            size_t len = strlen(rest.at);
            parts[n] = (struct iovec){(void *)(uintptr_t)rest.at, len};
            batch[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[n], .msg_iovlen = 1}};
            rest.at += len + 1;
            rest.len -= len + 1;
        }
        while (done < n)
            done += send_batch(target, batch + done, n - done, &tried);
    }
}

void
log_target_write(struct log_target *target, struct buf *text)
{
    if (text->len == 0)
        return;
    if (target->framing == FRAMING_STREAM)
        write_stream(target, text);
    else
        write_datagrams(target, text);
    buf_reset(text);
}
