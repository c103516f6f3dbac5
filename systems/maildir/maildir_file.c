/* maildir_file.c - one file of a maildir's folder new on its way in (see maildir_in.c)
 *
 * A file has no session in which a recipient could be refused: who is no address, or may not be written to, is named
 * in the log and in failed/NAME.why, and a copy of the file is kept there; the others get the message. We are no
 * relay for whoever can write a file.
 *
 * What is hostile here: the file. It is not opened through a link; a header of any size costs a megabyte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "systems/maildir/maildir_aside.h"
#include "systems/maildir/maildir_envelope.h"
#include "systems/maildir/maildir_in.h"

enum { STEP_BYTES = 1 << 20 };

static const char *
name_now(const struct maildir_in *in)
{
    return in->names[in->next];
}

/* Puts a file aside, for a person. What cannot be moved stays, and is named again at the next poll. */
static void
set_aside(struct maildir_in *in, const char *why)
{
    struct buf lines = {0};
    buf_printf(&lines, "%s\n", why);
    int error = maildir_set_aside(in->root_fd, in->new_fd, name_now(in), buf_span(&lines));
    in->services->say(
        in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new/%s is no message that can be taken: %s; it %s%s",
        in->root, name_now(in), why,
        error == 0 ? "lies in failed now" : "cannot be put aside: ", error == 0 ? "" : strerror(-error));
    buf_clear(&lines);
}

void
maildir_file_close(struct maildir_in *in)
{
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    in->intake = NULL;
    in->committing = false;
}

/* Each line of `lost` is somebody who gets nothing. */
static void
say_lost(struct maildir_in *in, const struct buf *lost)
{
    struct span rest = buf_span(lost);
    while (rest.len > 0) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t n = end != NULL ? (size_t)(end - rest.at) : rest.len;
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s: %.*s", name_now(in), (int)n, rest.at);
        rest.at += n + (end != NULL);
        rest.len -= n + (end != NULL);
    }
}

/* Asks for each recipient; those that are taken come to the front of `recipients`, the others are lines in `lost`.
 * Their number, or -1 where somebody cannot be answered for now. */
static long
ask_recipients(struct maildir_in *in, const struct maildir_envelope *envelope,
               struct viaduct_recipient_in *recipients, struct buf *lost)
{
    struct viaduct_text connector = {NULL, 0};
    const char *at = envelope->recipients.at;
    long n = 0;
    for (size_t i = 0; i < envelope->n; i++, at += strlen(at) + 1) {
        struct viaduct_reason reason = {"", ""};
        struct viaduct_text address = {at, strlen(at)};
        int answer = in->services->recipient_check(in->gateway, connector, address, &reason);
        if (answer == 0)
            recipients[n++] =
                (struct viaduct_recipient_in){.size = sizeof *recipients, .address = address, .kind = 1};
        else if (answer == -1)
            buf_printf(lost, "recipient %s: %s %s\n", at, reason.status, reason.text);
        else
            return -1;
    }
    return n;
}

/* Makes sure that a file of which somebody gets nothing does not go. */
static bool
keep_for_lost(struct maildir_in *in, const struct buf *lost)
{
    int error = lost->len > 0 ? maildir_keep_copy(in->root_fd, in->new_fd, name_now(in), buf_span(lost)) : 0;
    if (error != 0)
        in->services->say(
            in->gateway, VIADUCT_LOG_ERROR, NULL,
            "%s names people who cannot get it, and no copy can be kept in failed (%s): left for the "
            "next poll",
            name_now(in), strerror(-error));
    else
        say_lost(in, lost);
    return error == 0;
}

static void
hand_over(struct maildir_in *in, const struct maildir_envelope *envelope,
          const struct viaduct_recipient_in *recipients, size_t n)
{
    struct viaduct_reason reason = {"", ""};
    struct viaduct_envelope_in message = {.size = sizeof message,
                                          .originator = {envelope->originator.at, envelope->originator.len}};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < recipients[i].address.len; k++)
            message.smtputf8 = message.smtputf8 || (unsigned char)recipients[i].address.at[k] >= 0x80;
    in->intake = in->services->intake_new(in->gateway, &message, recipients, n, &reason);
    if (in->intake == NULL && reason.status[0] == '5')
        set_aside(in, reason.text);
    else if (in->intake == NULL)
        in->services->say(in->gateway, VIADUCT_LOG_INFO, NULL, "%s is left for the next poll: %s", name_now(in),
                          reason.text);
}

/* Hands the envelope over. False where the file is not taken now. */
static bool
begin_intake(struct maildir_in *in, const struct maildir_envelope *envelope)
{
    struct viaduct_recipient_in *recipients = xcalloc(envelope->n + 1, sizeof *recipients);
    struct buf lost = {0};
    buf_add_span(&lost, buf_span(&envelope->malformed));
    long n = ask_recipients(in, envelope, recipients, &lost);
    if (n == 0 && lost.len == 0) {
        set_aside(in, "it names no recipient");
    } else if (n == 0) {
        say_lost(in, &lost);
        buf_add_text(&lost, "so nobody is left who could get it");
        set_aside(in, lost.at);
    } else if (n > 0 && keep_for_lost(in, &lost)) {
        hand_over(in, envelope, recipients, (size_t)n);
    }
    free(recipients);
    buf_clear(&lost);
    return in->intake != NULL;
}

/* An opened file. True where its intake has begun. */
static bool
read_file(struct maildir_in *in)
{
    struct maildir_envelope envelope = {.n = 0};
    bool taken = false;
    if (maildir_read_envelope(in->fd, &envelope) < 0)
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new/%s cannot be read", in->root,
                          name_now(in));
    else if (envelope.refusal != NULL)
        set_aside(in, envelope.refusal);
    else
        taken = begin_intake(in, &envelope);
    in->at = (off_t)envelope.body;
    in->carriage = false;
    buf_reset(&in->header);
    if (taken)
        buf_add_span(&in->header, buf_span(&envelope.header));
    maildir_envelope_clear(&envelope);
    return taken;
}

void
maildir_file_begin(struct maildir_in *in)
{
    struct stat status;
    in->fd = openat(in->new_fd, name_now(in), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool taken = false;
    if (in->fd < 0 && errno == ENOENT) {
        /* another reader took it */
    } else if (in->fd < 0 && errno != ELOOP) {
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s/new/%s cannot be opened: %s", in->root,
                          name_now(in), strerror(errno));
    } else if (in->fd < 0 || fstat(in->fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        set_aside(in, "it is no regular file");
    } else {
        taken = read_file(in);
    }
    if (!taken) {
        maildir_file_close(in);
        in->next++;
    }
}

static void
committed(void *arg, int result, const struct viaduct_reason *reason)
{
    struct maildir_in *in = arg;
    if (result != 0)
        in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s could not be taken: %s", name_now(in),
                          reason != NULL ? reason->text : strerror(-result));
    maildir_file_close(in);
    in->next++;
    maildir_in_arm(in, 0);
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

void
maildir_file_step(struct maildir_in *in)
{
    static char piece[64 << 10];
    int error = in->header.len > 0 ? in->services->intake_add(in->intake, in->header.at, in->header.len) : 0;
    buf_reset(&in->header);
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
        in->services->intake_drop(in->intake);
        if (error == -EMSGSIZE)
            set_aside(in, "its header is larger than limits.header allows");
        else
            in->services->say(in->gateway, VIADUCT_LOG_ERROR, NULL, "%s is left for the next poll: %s",
                              name_now(in), strerror(abs(error)));
        maildir_file_close(in);
        in->next++;
        return;
    }
    in->committing = true;
    in->services->intake_commit(in->intake, in->new_fd, name_now(in), committed, in);
}
