/* maildir_in.c - takes in what lies in a maildir's folder new (see maildir.h)
 *
 *     poll --> scan new --> for each file: read the envelope --> intake_new --> copy, a megabyte a step -->
 * commit (removes it) |                             |
 *                                    +--(no recipient)--> failed/  +--(refused for good)--> failed/   (for now:
 * next poll)
 *
 * One file at a time. A recipient whom the gateway would refuse is handed over all the same: a file has no
 * session in which to say so, and the sender is to get his report.
 *
 * What is hostile here: the files. Nothing is opened through a link; a header of any size costs HEADER_MAX.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address.h"
#include "common/buf.h"
#include "systems/maildir/maildir.h"

enum { STEP_BYTES = 1 << 20, HEADER_MAX = 1 << 20, NAMES_MAX = 2000, RECIPIENTS_MAX = 10000 };

struct maildir_in {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    char *root;
    int root_fd, new_fd;
    struct event *timer;
    char **names; /* of the last look, ordered; taken from the front */
    size_t n_names, next;
    int64_t poll_ms, polled_ms;
    struct viaduct_intake *intake; /* the file at hand; NULL */
    int fd;
    bool committing, lost;
    bool carriage; /* a CR waits for what follows it */
    off_t at;
};

struct envelope {
    struct buf originator, recipients; /* recipients: NUL behind each */
    size_t n;
    size_t skip; /* octets of X-Sender and X-Receiver lines, no part of the message */
};

static void
arm(struct maildir_in *in, int64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(in->timer, &wait);
}

/* ---- the envelope ---- */

static void
add_recipient(struct envelope *envelope, struct span text)
{
    struct span address = span_trim(text);
    if (address.len >= 2 && address.at[0] == '<' && address.at[address.len - 1] == '>')
        address = (struct span){address.at + 1, address.len - 2};
    if (address.len == 0 || address.len > 1300 || envelope->n == RECIPIENTS_MAX ||
        memchr(address.at, '\0', address.len))
        return;
    for (size_t at = 0;
         at < envelope->recipients.len && envelope->n < 200;) { /* of long lists repeats do no harm */
        struct span known = span_of(envelope->recipients.at + at);
        if (span_equal_nocase(known, address))
            return;
        at += known.len + 1;
    }
    buf_add_span(&envelope->recipients, address);
    buf_add_byte(&envelope->recipients, '\0');
    envelope->n++;
}

static void
set_originator(struct envelope *envelope, struct span text)
{
    struct span address = span_trim(text);
    if (address.len >= 2 && address.at[0] == '<' && address.at[address.len - 1] == '>')
        address = (struct span){address.at + 1, address.len - 2};
    buf_reset(&envelope->originator);
    if (address.len <= 1300)
        buf_add_span(&envelope->originator, address);
}

/* The next header field; false at the end of the header. */
static bool
next_field(struct span *rest, struct span *name, struct span *body)
{
    const char *line = rest->at, *end = rest->at + rest->len, *p = line;
    if (rest->len == 0 || *line == '\n' || *line == '\r')
        return false;
    do {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        p = lf != NULL ? lf + 1 : end;
    } while (p < end && (*p == ' ' || *p == '\t'));
    const char *colon = memchr(line, ':', (size_t)(p - line));
    *name = colon != NULL ? span_trim((struct span){line, (size_t)(colon - line)}) : (struct span){line, 0};
    *body =
        colon != NULL ? span_trim((struct span){colon + 1, (size_t)(p - colon - 1)}) : (struct span){line, 0};
    *rest = (struct span){p, (size_t)(end - p)};
    return true;
}

/* X-Sender and X-Receiver in the first lines. */
static bool
take_drop_form(struct envelope *envelope, struct span header)
{
    struct span rest = header, name, body, before = header;
    bool found = false;
    while (next_field(&rest, &name, &body)) {
        if (span_equal_nocase(name, SPAN("X-Sender")))
            set_originator(envelope, body);
        else if (span_equal_nocase(name, SPAN("X-Receiver")))
            add_recipient(envelope, body);
        else
            break;
        found = true;
        before = rest;
    }
    envelope->skip = (size_t)(before.at - header.at);
    return found && envelope->n > 0;
}

static void
note_recipient(const struct header_address *found, void *arg)
{
    add_recipient(arg, found->mailbox);
}

static void
note_originator(const struct header_address *found, void *arg)
{
    struct envelope *envelope = arg;
    if (envelope->originator.len == 0)
        set_originator(envelope, found->mailbox);
}

enum pass { PASS_DELIVERY, PASS_ADDRESSES };

static void
take_fields(struct envelope *envelope, struct span header, enum pass pass)
{
    struct span rest = header, name, body;
    bool returned = false;
    while (next_field(&rest, &name, &body)) {
        bool delivery =
            span_equal_nocase(name, SPAN("Delivered-To")) || span_equal_nocase(name, SPAN("X-Original-To"));
        if (pass == PASS_DELIVERY && delivery)
            add_recipient(envelope, body);
        if (pass == PASS_ADDRESSES &&
            (span_equal_nocase(name, SPAN("To")) || span_equal_nocase(name, SPAN("Cc")) ||
             span_equal_nocase(name, SPAN("Bcc"))))
            header_addresses(body, note_recipient, envelope);
        if (span_equal_nocase(name, SPAN("Return-Path")) && !returned) {
            set_originator(envelope, body);
            returned = true;
        }
    }
    for (rest = header; !returned && next_field(&rest, &name, &body);)
        if (span_equal_nocase(name, SPAN("From")))
            header_addresses(body, note_originator, envelope);
}

static int
read_envelope(int fd, struct envelope *envelope)
{
    struct buf header = {0};
    char piece[16384];
    ssize_t got;
    int error = 0;
    while (header.len < HEADER_MAX) {
        got = pread(fd, piece, sizeof piece, (off_t)header.len);
        if (got < 0)
            error = -errno;
        if (got <= 0)
            break;
        size_t from = header.len > 3 ? header.len - 3 : 0;
        buf_add(&header, piece, (size_t)got);
        if (memmem(header.at + from, header.len - from, "\n\n", 2) != NULL ||
            memmem(header.at + from, header.len - from, "\n\r\n", 3) != NULL)
            break;
    }
    if (error == 0 && header.len > 0 && !take_drop_form(envelope, buf_span(&header))) {
        struct span rest = {header.at + envelope->skip, header.len - envelope->skip};
        take_fields(envelope, rest, PASS_DELIVERY);
        if (envelope->n == 0)
            take_fields(envelope, rest, PASS_ADDRESSES);
    }
    buf_clear(&header);
    return error;
}

/* ---- one file ---- */

static const char *
name_now(const struct maildir_in *in)
{
    return in->names[in->next];
}

/* Puts a file aside, for a person. Never over another; what cannot be moved stays, and is named again at the
 * next poll. */
static void
set_aside(struct maildir_in *in, const char *why)
{
    char path[300];
    int error = 0;
    if (mkdirat(in->root_fd, "failed", 0700) < 0 && errno != EEXIST)
        error = errno;
    snprintf(path, sizeof path, "failed/%s", name_now(in));
    if (error == 0 && renameat2(in->new_fd, name_now(in), in->root_fd, path, RENAME_NOREPLACE) < 0)
        error = errno;
    in->services->say(
        in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new/%s is no message that can be taken: %s; it %s%s",
        in->root, name_now(in), why,
        error == 0 ? "lies in failed now" : "cannot be put aside: ", error == 0 ? "" : strerror(error));
}

static void
close_file(struct maildir_in *in)
{
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    in->intake = NULL;
    in->committing = false;
}

/* Hands the envelope over. False where the file is not taken now. */
static bool
begin_intake(struct maildir_in *in, const struct envelope *envelope)
{
    struct viaduct_envelope_in message = {.size = sizeof message,
                                          .originator = {envelope->originator.at, envelope->originator.len}};
    struct viaduct_recipient_in *recipients = xcalloc(envelope->n, sizeof *recipients);
    struct viaduct_reason reason = {"", ""};
    const char *at = envelope->recipients.at;
    bool later = false;
    for (size_t i = 0; i < envelope->n && !later; i++, at += strlen(at) + 1) {
        recipients[i].size = sizeof recipients[i];
        recipients[i].address = (struct viaduct_text){at, strlen(at)};
        recipients[i].kind = 1;
        int answer =
            in->services->recipient_check(in->gateway, message.connector, recipients[i].address, &reason);
        later = answer == -2;
        if (answer == -1)
            in->services->say(in->gateway, VIADUCT_LOG_INFO, NULL, "%s: recipient %s: %s", name_now(in), at,
                              reason.text);
        for (size_t k = 0; k < recipients[i].address.len; k++)
            message.smtputf8 = message.smtputf8 || (unsigned char)at[k] >= 0x80;
    }
    if (!later)
        in->intake = in->services->intake_new(in->gateway, &message, recipients, envelope->n, &reason);
    free(recipients);
    if (in->intake == NULL && !later && reason.status[0] == '5')
        set_aside(in, reason.text);
    return in->intake != NULL;
}

static void
begin_file(struct maildir_in *in)
{
    struct stat status;
    struct envelope envelope = {.n = 0};
    in->fd = openat(in->new_fd, name_now(in), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool taken = false;
    if (in->fd < 0 && errno == ENOENT) {
        /* another reader took it */
    } else if (in->fd < 0 && errno != ELOOP) {
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new/%s cannot be opened: %s", in->root,
                          name_now(in), strerror(errno));
    } else if (in->fd < 0 || fstat(in->fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        set_aside(in, "it is no regular file");
    } else if (read_envelope(in->fd, &envelope) < 0) {
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new/%s cannot be read", in->root,
                          name_now(in));
    } else if (envelope.n == 0) {
        set_aside(in, "it names no recipient");
    } else {
        taken = begin_intake(in, &envelope);
        in->at = (off_t)envelope.skip;
        in->carriage = false;
    }
    if (!taken) {
        close_file(in);
        in->next++;
    }
    buf_clear(&envelope.originator);
    buf_clear(&envelope.recipients);
}

static void
committed(void *arg, int result, const struct viaduct_reason *reason)
{
    struct maildir_in *in = arg;
    if (result != 0)
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s could not be taken: %s", name_now(in),
                          reason != NULL ? reason->text : strerror(-result));
    close_file(in);
    in->next++;
    arm(in, 0);
}

/* CRLF becomes LF; a CR by itself stays. */
static int
add_lines(struct maildir_in *in, const char *at, size_t len)
{
    struct buf lines = {0};
    buf_reserve(&lines, len + 1);
    for (size_t i = 0; i < len; i++) {
        if (in->carriage && at[i] != '\n')
            buf_add_byte(&lines, '\r');
        in->carriage = at[i] == '\r';
        if (!in->carriage)
            buf_add_byte(&lines, at[i]);
    }
    int error = lines.len > 0 ? in->services->intake_add(in->intake, lines.at, lines.len) : 0;
    buf_clear(&lines);
    return error;
}

static void
file_step(struct maildir_in *in)
{
    static char piece[64 << 10];
    int error = 0;
    for (size_t done = 0; done < STEP_BYTES && error == 0;) {
        ssize_t got = pread(in->fd, piece, sizeof piece, in->at);
        error = got < 0 ? -errno : got > 0 ? add_lines(in, piece, (size_t)got) : 0;
        if (got <= 0 || error != 0) {
            if (error == 0 && in->carriage)
                error = in->services->intake_add(in->intake, "\r", 1);
            break;
        }
        in->at += got;
        done += (size_t)got;
        if (done >= STEP_BYTES)
            return;
    }
    if (error != 0) {
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s is left for the next poll: %s",
                          name_now(in), strerror(abs(error)));
        in->services->intake_drop(in->intake);
        close_file(in);
        in->next++;
        return;
    }
    in->committing = true;
    in->services->intake_commit(in->intake, in->new_fd, name_now(in), committed, in);
}

/* ---- polling ---- */

static void
forget_names(struct maildir_in *in)
{
    for (size_t i = 0; i < in->n_names; i++)
        free(in->names[i]);
    free(in->names);
    in->names = NULL;
    in->n_names = in->next = 0;
}

static int
by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static void
scan(struct maildir_in *in)
{
    const struct dirent *entry;
    int fd = openat(in->new_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    forget_names(in);
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    in->names = xcalloc(NAMES_MAX, sizeof *in->names);
    while (in->n_names < NAMES_MAX && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            in->names[in->n_names++] = xstrdup(entry->d_name);
    closedir(folder);
    qsort(in->names, in->n_names, sizeof *in->names, by_name);
}

static bool
open_again(struct maildir_in *in)
{
    struct stat status;
    if (in->new_fd >= 0 && fstat(in->new_fd, &status) == 0 && status.st_nlink > 0)
        return true;
    if (in->root_fd >= 0)
        close(in->root_fd);
    if (in->new_fd >= 0)
        close(in->new_fd);
    in->root_fd = open(in->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    in->new_fd = in->root_fd >= 0 ? openat(in->root_fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (in->new_fd < 0 && !in->lost)
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new cannot be opened: %s", in->root,
                          strerror(errno));
    in->lost = in->new_fd < 0;
    return !in->lost;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct maildir_in *in = arg;
    struct viaduct_reason reason;
    int64_t now_ms = monotonic_ms();
    (void)fd;
    (void)what;
    bool idle = in->intake == NULL, open = true;
    if (idle && in->next == in->n_names && now_ms - in->polled_ms >= in->poll_ms && (open = open_again(in))) {
        in->polled_ms = now_ms;
        scan(in);
    }
    bool closed = in->services->ending(in->gateway) || in->services->closed(in->gateway, &reason);
    if (idle && !closed && open && in->next < in->n_names)
        begin_file(in);
    if (in->intake != NULL && !in->committing)
        file_step(in);
    bool more =
        (in->intake != NULL && !in->committing) || (in->intake == NULL && !closed && in->next < in->n_names);
    arm(in, more ? 0 : in->poll_ms);
}

/* ---- life ---- */

static int64_t
poll_option_ms(const char *text)
{
    struct span digits = span_trim(span_of(text));
    uint64_t seconds;
    int64_t unit = 1;
    if (digits.len > 0 && (digits.at[digits.len - 1] == 's' || digits.at[digits.len - 1] == 'm'))
        unit = digits.at[--digits.len] == 'm' ? 60 : 1;
    int64_t ms = span_to_u64(digits, 1000000, &seconds) ? (int64_t)seconds * unit * 1000 : 2000;
    return ms < 20 ? 20 : ms;
}

static int
in_prepare(const struct viaduct_services *services, struct viaduct_gateway *gateway, void **state,
           struct viaduct_reason *reason)
{
    struct maildir_in *in = xcalloc(1, sizeof *in);
    const char *root = services->option(gateway, "peer.pickup");
    *in = (struct maildir_in){.services = services, .gateway = gateway, .root_fd = -1, .new_fd = -1, .fd = -1};
    in->poll_ms = poll_option_ms(services->option(gateway, "peer.poll"));
    *state = in;
    if (root == NULL)
        return 0; /* a connector that only delivers */
    in->root = xstrdup(root);
    if (open_again(in))
        return 0;
    snprintf(reason->status, sizeof reason->status, "4.4.1");
    snprintf(reason->text, sizeof reason->text, "%.300s/new cannot be opened (peer.pickup)", root);
    if (in->root_fd >= 0)
        close(in->root_fd);
    free(in->root);
    free(in);
    return -1;
}

static int
in_begin(void *state, struct viaduct_reason *reason)
{
    struct maildir_in *in = state;
    if (in->root == NULL)
        return 0;
    in->timer = event_new(in->services->loop(in->gateway), -1, 0, on_timer, in);
    if (in->timer == NULL) {
        snprintf(reason->status, sizeof reason->status, "4.3.0");
        snprintf(reason->text, sizeof reason->text, "no timer");
        return -1;
    }
    in->polled_ms = monotonic_ms() - in->poll_ms;
    arm(in, 0);
    return 0;
}

static void
in_rest(void *state) /* the timer does all there is to do */
{
    (void)state;
}

static bool
in_busy(void *state)
{
    return ((struct maildir_in *)state)->intake != NULL;
}

static void
in_finish(void *state)
{
    struct maildir_in *in = state;
    if (in->intake != NULL && !in->committing)
        in->services->intake_drop(in->intake);
    close_file(in);
    forget_names(in);
    if (in->timer != NULL)
        event_free(in->timer);
    if (in->root_fd >= 0)
        close(in->root_fd);
    if (in->new_fd >= 0)
        close(in->new_fd);
    free(in->root);
    free(in);
}

const struct viaduct_inbound_ops maildir_inbound_ops = {.size = sizeof maildir_inbound_ops,
                                                        .prepare = in_prepare,
                                                        .begin = in_begin,
                                                        .tick = in_rest,
                                                        .drain = in_rest,
                                                        .busy = in_busy,
                                                        .finish = in_finish};
