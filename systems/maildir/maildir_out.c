/* maildir_out.c - delivers messages into maildirs (see maildir.h)
 *
 *     deliver() --> COPY the body into the first recipient's tmp, a megabyte a step; then, recipient by
 * recipient: his own tmp copied from the first --> fsync --> renamed into new, never over anything --> new
 * fsynced
 *
 * The body can be read only once, in order, so the other copies are made from the first, which is renamed last.
 *
 * What is hostile here: addresses, which become names of folders (see maildir_box.c).
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "systems/maildir/maildir.h"
#include "systems/maildir/maildir_box.h"

enum { STEP_BYTES = 1 << 20 };

struct delivery {
    struct maildir_out *out;
    struct viaduct_delivery *message;
    size_t first;               /* the recipient whose tmp gets the body */
    size_t next;                /* the recipient whose copy is made now */
    int box_fd, box_tmp_fd, fd; /* the first one's maildir, its tmp, its file */
    off_t head;                 /* octets before the body in it */
    uint64_t offset;            /* of the body */
    bool read_all;
    int copy_box_fd, copy_fd; /* the copy being made; -1 */
    off_t copied;
    char name[200];
    struct delivery *after;
};

struct maildir_out {
    const struct viaduct_services *services;
    struct viaduct_gateway *gateway;
    char *root;
    int root_fd;
    struct event *timer;
    struct delivery *deliveries;
};

static void
arm(struct maildir_out *out)
{
    struct timeval now = {0, 0};
    event_add(out->timer, &now);
}

static void
add_address(struct buf *out, struct viaduct_text address)
{
    for (size_t i = 0; i < address.len; i++)
        buf_add_byte(out, (unsigned char)address.at[i] < ' ' ? '?' : address.at[i]);
}

static int
write_head(int fd, const struct viaduct_delivery *message, size_t index, off_t *len)
{
    struct buf head = {0};
    buf_add_text(&head, "Return-Path: <");
    add_address(&head, message->originator);
    buf_add_text(&head, ">\nDelivered-To: ");
    add_address(&head, message->recipients[index].address);
    buf_add_byte(&head, '\n');
    int error = maildir_write_all(fd, head.at, head.len);
    *len = (off_t)head.len;
    buf_clear(&head);
    return error;
}

/* ---- a delivery ---- */

static void
close_copy(struct delivery *delivery)
{
    if (delivery->copy_fd >= 0)
        close(delivery->copy_fd);
    if (delivery->copy_box_fd >= 0)
        close(delivery->copy_box_fd);
    delivery->copy_fd = delivery->copy_box_fd = -1;
}

static void
free_delivery(struct delivery *delivery)
{
    close_copy(delivery);
    if (delivery->fd >= 0)
        close(delivery->fd);
    if (delivery->box_tmp_fd >= 0)
        close(delivery->box_tmp_fd);
    if (delivery->box_fd >= 0)
        close(delivery->box_fd);
    free(delivery);
}

static void
give_result(struct delivery *delivery, size_t index, int error)
{
    struct viaduct_reason reason;
    enum viaduct_outcome outcome = error == 0 ? VIADUCT_RELAYED : VIADUCT_LATER;
    if (error == 0)
        reason_fill(&reason, "2.0.0", "stored as %s", delivery->name);
    else
        reason_fill(&reason,
                    error == -ENOSPC   ? "4.3.1"
                    : error == -EDQUOT ? "4.2.2"
                                       : "4.3.0",
                    "cannot be stored below %s: %s", delivery->out->root, strerror(-error));
    delivery->out->services->recipient_result(delivery->message, index, outcome, &reason, NULL);
}

static void
end_delivery(struct delivery *delivery, const struct viaduct_reason *reason, bool unreachable)
{
    struct maildir_out *out = delivery->out;
    struct viaduct_delivery *message = delivery->message;
    for (struct delivery **at = &out->deliveries; *at != NULL; at = &(*at)->after)
        if (*at == delivery) {
            *at = delivery->after;
            break;
        }
    free_delivery(delivery);
    out->services->delivery_end(message, unreachable, reason);
}

/* Nobody can get it now: what was begun is taken back. */
static void
fail_delivery(struct delivery *delivery, int error)
{
    struct viaduct_reason reason;
    struct stat status;
    bool gone = fstat(delivery->out->root_fd, &status) < 0 || status.st_nlink == 0;
    reason_fill(&reason,
                error == -ENOSPC   ? "4.3.1"
                : error == -EDQUOT ? "4.2.2"
                                   : "4.3.0",
                "cannot be stored below %s: %s", delivery->out->root, strerror(-error));
    if (delivery->box_tmp_fd >= 0)
        unlinkat(delivery->box_tmp_fd, delivery->name, 0);
    end_delivery(delivery, &reason, gone);
}

static bool
is_for(const struct delivery *delivery, size_t index)
{
    return delivery->message->recipients[index].responsible;
}

static int
begin_first(struct delivery *delivery)
{
    delivery->box_fd =
        maildir_box_open(delivery->out->root_fd, delivery->message->recipients[delivery->first].address);
    if (delivery->box_fd < 0)
        return delivery->box_fd;
    delivery->fd = maildir_box_tmp(delivery->box_fd, delivery->name, &delivery->box_tmp_fd);
    if (delivery->fd < 0)
        return delivery->fd;
    return write_head(delivery->fd, delivery->message, delivery->first, &delivery->head);
}

/* A megabyte of the body into the first copy. */
static int
read_step(struct delivery *delivery)
{
    static char piece[64 << 10];
    for (size_t done = 0; done < STEP_BYTES;) {
        ssize_t got =
            delivery->out->services->body_read(delivery->message, delivery->offset, piece, sizeof piece);
        if (got < 0)
            return -EIO;
        if (got == 0) {
            delivery->read_all = true;
            return 0;
        }
        int error = maildir_write_all(delivery->fd, piece, (size_t)got);
        if (error != 0)
            return error;
        delivery->offset += (uint64_t)got;
        done += (size_t)got;
    }
    return 0;
}

static int
begin_copy(struct delivery *delivery)
{
    off_t head;
    int tmp_fd = -1;
    delivery->copied = delivery->head;
    delivery->copy_box_fd =
        maildir_box_open(delivery->out->root_fd, delivery->message->recipients[delivery->next].address);
    if (delivery->copy_box_fd < 0)
        return delivery->copy_box_fd;
    /* The same mailbox twice: its file is the first one's, and must not be unlinked as a leftover. */
    struct stat one, other;
    if (fstat(delivery->box_fd, &one) == 0 && fstat(delivery->copy_box_fd, &other) == 0 &&
        one.st_ino == other.st_ino && one.st_dev == other.st_dev)
        return -EALREADY;
    delivery->copy_fd = maildir_box_tmp(delivery->copy_box_fd, delivery->name, &tmp_fd);
    if (tmp_fd >= 0)
        close(tmp_fd);
    return delivery->copy_fd < 0 ? delivery->copy_fd
                                 : write_head(delivery->copy_fd, delivery->message, delivery->next, &head);
}

/* A megabyte of one copy. 1 while there is more. */
static int
copy_step(struct delivery *delivery)
{
    static char piece[64 << 10];
    if (delivery->copy_fd < 0) {
        int error = begin_copy(delivery);
        if (error != 0)
            return error == -EALREADY ? 0 : error;
    }
    for (size_t done = 0; done < STEP_BYTES;) {
        ssize_t got = pread(delivery->fd, piece, sizeof piece, delivery->copied);
        if (got < 0)
            return -errno;
        if (got == 0)
            return maildir_box_publish(delivery->copy_box_fd, delivery->name, delivery->copy_fd);
        int error = maildir_write_all(delivery->copy_fd, piece, (size_t)got);
        if (error != 0)
            return error;
        delivery->copied += got;
        done += (size_t)got;
    }
    return 1;
}

static void
drop_copy(struct delivery *delivery)
{
    char path[220];
    snprintf(path, sizeof path, "tmp/%s", delivery->name);
    if (delivery->copy_box_fd >= 0 && delivery->copy_fd >= 0)
        unlinkat(delivery->copy_box_fd, path, 0);
}

static void
delivery_step(struct delivery *delivery)
{
    const struct viaduct_delivery *message = delivery->message;
    if (!delivery->read_all) {
        int error = read_step(delivery);
        if (error != 0)
            fail_delivery(delivery, error);
        return;
    }
    while (delivery->next < message->n_recipients &&
           (delivery->next == delivery->first || !is_for(delivery, delivery->next)))
        delivery->next++;
    if (delivery->next < message->n_recipients) {
        int result = copy_step(delivery);
        if (result == 1)
            return;
        if (result < 0)
            drop_copy(delivery);
        close_copy(delivery);
        give_result(delivery, delivery->next++, result);
        return;
    }
    int error = maildir_box_publish(delivery->box_fd, delivery->name, delivery->fd);
    give_result(delivery, delivery->first, error);
    end_delivery(delivery, NULL, false);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct maildir_out *out = arg;
    (void)fd;
    (void)what;
    for (struct delivery *delivery = out->deliveries, *after; delivery != NULL; delivery = after) {
        after = delivery->after;
        delivery_step(delivery);
    }
    if (out->deliveries != NULL)
        arm(out);
}

static void
out_deliver(void *state, struct viaduct_delivery *message)
{
    struct maildir_out *out = state;
    struct delivery *delivery = xcalloc(1, sizeof *delivery);
    delivery->out = out;
    delivery->message = message;
    delivery->box_fd = delivery->box_tmp_fd = delivery->fd = delivery->copy_box_fd = delivery->copy_fd = -1;
    delivery->after = out->deliveries;
    out->deliveries = delivery;
    const char *node = out->services->node != NULL ? out->services->node(out->gateway) : NULL;
    int len =
        snprintf(delivery->name, sizeof delivery->name, "%lld.Q%s.%s", (long long)(message->arrival_ms / 1000),
                 message->id, node != NULL && strchr(node, '/') == NULL ? node : "viaduct");
    while (delivery->first < message->n_recipients && !is_for(delivery, delivery->first))
        delivery->first++;
    if (delivery->first == message->n_recipients) { /* nobody to deliver to: nothing to do */
        end_delivery(delivery, NULL, false);
        return;
    }
    int error = len < 0 || (size_t)len >= sizeof delivery->name ? -ENAMETOOLONG : begin_first(delivery);
    if (error != 0)
        fail_delivery(delivery, error);
    if (out->deliveries != NULL)
        arm(out);
}

/* ---- life ---- */

/* The path of the first maildir:// URL among the lines of an option; NULL where there is none. */
static char *
find_root(const char *lines)
{
    static const char scheme[] = "maildir://";
    const char *at = lines != NULL ? strstr(lines, scheme) : NULL;
    if (at == NULL)
        return NULL;
    at += sizeof scheme - 1;
    while (at[0] == '/' && at[1] == '/')
        at++;
    return at[0] == '/' ? xstrndup(at, strcspn(at, "\n")) : NULL;
}

static int
out_prepare(const struct viaduct_services *services, struct viaduct_gateway *gateway, void **state,
            struct viaduct_reason *reason)
{
    static const char *const options[] = {"peer.to", "deliver.to", "host.deliver.to"};
    struct maildir_out *out = xcalloc(1, sizeof *out);
    out->services = services;
    out->gateway = gateway;
    for (size_t i = 0; i < COUNT_OF(options) && out->root == NULL; i++)
        out->root = find_root(services->option(gateway, options[i]));
    if (out->root == NULL) {
        reason_fill(reason, "5.3.5", "no maildir:///PATH is set as next hop");
        free(out);
        return -1;
    }
    if (mkdir(out->root, 0700) < 0 && errno != EEXIST) {
        /* open() tells */
    }
    out->root_fd = open(out->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->root_fd < 0) {
        reason_fill(reason, "4.4.1", "%s cannot be opened: %s", out->root, strerror(errno));
        free(out->root);
        free(out);
        return -1;
    }
    *state = out;
    return 0;
}

static int
out_begin(void *state, struct viaduct_reason *reason)
{
    struct maildir_out *out = state;
    out->timer = event_new(out->services->loop(out->gateway), -1, 0, on_timer, out);
    if (out->timer == NULL)
        reason_fill(reason, "4.3.0", "no timer");
    return out->timer == NULL ? -1 : 0;
}

static void
out_rest(void *state) /* the timer does all there is to do */
{
    (void)state;
}

static bool
out_busy(void *state)
{
    return ((struct maildir_out *)state)->deliveries != NULL;
}

static void
out_finish(void *state)
{
    struct maildir_out *out = state;
    while (out->deliveries != NULL) {
        struct delivery *delivery = out->deliveries;
        out->deliveries = delivery->after;
        free_delivery(delivery);
    }
    if (out->timer != NULL)
        event_free(out->timer);
    close(out->root_fd);
    free(out->root);
    free(out);
}

static int
out_test(void *state, void (*line)(void *arg, const char *text), void *arg)
{
    const struct maildir_out *out = state;
    char text[600];
    int error = faccessat(out->root_fd, ".", W_OK | X_OK, 0) < 0 ? errno : 0;
    snprintf(text, sizeof text, "%s %s%s", out->root,
             error == 0 ? "can be written" : "cannot be written: ", error == 0 ? "" : strerror(error));
    line(arg, text);
    return error == 0 ? 0 : -1;
}

const struct viaduct_outbound_ops maildir_outbound_ops = {.size = sizeof maildir_outbound_ops,
                                                          .prepare = out_prepare,
                                                          .begin = out_begin,
                                                          .deliver = out_deliver,
                                                          .tick = out_rest,
                                                          .drain = out_rest,
                                                          .busy = out_busy,
                                                          .finish = out_finish,
                                                          .test = out_test};
