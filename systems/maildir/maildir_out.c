/* maildir_out.c - delivers messages into maildirs (see maildir.h)
 *
 *     deliver() --> COPY the body into the first recipient's tmp, a megabyte a step; then, recipient by
 * recipient: his own tmp copied from the first --> fsync --> renamed into new, never over anything --> new
 * fsynced
 *
 * The body can be read only once, in order, so the other copies are made from the first, which is renamed last.
 *
 * What is hostile here: addresses, which become names of folders (see box_name()).
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/crc32c.h"
#include "systems/maildir/maildir.h"

enum { STEP_BYTES = 1 << 20, BOX_NAME_MAX = 200 };

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

static void fill_reason(struct viaduct_reason *reason, const char *status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
fill_reason(struct viaduct_reason *reason, const char *status, const char *format, ...)
{
    struct why why;
    char text[sizeof why.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_set(&why, status, "%s", text);
    memcpy(reason->status, why.status, sizeof reason->status);
    memcpy(reason->text, why.text, sizeof reason->text);
}

static void
arm(struct maildir_out *out)
{
    struct timeval now = {0, 0};
    event_add(out->timer, &now);
}

/* ---- folders ---- */

/* An address as the name of a folder: one to one, and never a path. Long ones end in their CRC. */
static void
box_name(struct viaduct_text address, char name[256])
{
    size_t n = 0;
    bool cut = address.len == 0;
    for (size_t i = 0; i < address.len && !cut; i++) {
        unsigned char c = (unsigned char)address.at[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + 32);
        cut = n + 3 > BOX_NAME_MAX;
        if (cut)
            break;
        if (c < 0x20 || c == 0x7f || c == '/' || c == '%' || (c == '.' && n == 0))
            n += (size_t)snprintf(name + n, 4, "%%%02X", c);
        else
            name[n++] = (char)c;
    }
    name[n] = '\0';
    if (cut)
        snprintf(name + n, 256 - n, "%%%08x", crc32c(0, address.at, address.len));
}

static int
sync_close(int fd)
{
    int error = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    close(fd);
    return error;
}

/* Opens a sub-folder, made where it is missing. A descriptor, or -errno. */
static int
open_made(int parent_fd, const char *name, bool *made)
{
    if (mkdirat(parent_fd, name, 0700) == 0)
        *made = true;
    else if (errno != EEXIST)
        return -errno;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* Opens the maildir of an address, with all its folders on disk. */
static int
open_box(const struct maildir_out *out, struct viaduct_text address)
{
    static const char *const folders[] = {"tmp", "new", "cur"};
    char name[256];
    bool made = false;
    box_name(address, name);
    int box_fd = open_made(out->root_fd, name, &made), error = 0;
    if (box_fd < 0)
        return box_fd;
    for (size_t i = 0; i < COUNT_OF(folders) && error == 0; i++) {
        int fd = open_made(box_fd, folders[i], &made);
        if (fd < 0)
            error = fd;
        else
            close(fd);
    }
    if (error == 0 && made && (fsync(box_fd) < 0 || fsync(out->root_fd) < 0) && errno != EINVAL)
        error = -errno;
    if (error != 0)
        close(box_fd);
    return error != 0 ? error : box_fd;
}

static int
open_tmp(int box_fd, const char *name, int *tmp_fd)
{
    *tmp_fd = openat(box_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*tmp_fd < 0)
        return -errno;
    unlinkat(*tmp_fd, name, 0); /* of an attempt that was cut short: the name is this message's alone */
    int fd = openat(*tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : -errno;
}

static int
write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -ENOSPC;
        at += put;
        len -= (size_t)put;
    }
    return 0;
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
    int error = write_all(fd, head.at, head.len);
    *len = (off_t)head.len;
    buf_clear(&head);
    return error;
}

/* tmp/NAME, complete, becomes new/NAME. A file that is there already is this message, delivered before. */
static int
publish(int box_fd, const char *name, int fd)
{
    char from[220], to[220];
    if (fsync(fd) < 0)
        return -errno;
    snprintf(from, sizeof from, "tmp/%s", name);
    snprintf(to, sizeof to, "new/%s", name);
    int error = 0;
    if (renameat2(box_fd, from, box_fd, to, RENAME_NOREPLACE) < 0) {
        error = -errno;
        if (error == -EINVAL || error == -ENOSYS || error == -ENOTSUP)
            error = linkat(box_fd, from, box_fd, to, 0) < 0 ? -errno : 0;
        if (error == 0 || error == -EEXIST)
            unlinkat(box_fd, from, 0);
        if (error == -EEXIST)
            error = 0;
    }
    int new_fd = error == 0 ? openat(box_fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (new_fd >= 0)
        error = sync_close(new_fd);
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
        fill_reason(&reason, "2.0.0", "stored as %s", delivery->name);
    else
        fill_reason(&reason,
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
    fill_reason(&reason,
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
    delivery->box_fd = open_box(delivery->out, delivery->message->recipients[delivery->first].address);
    if (delivery->box_fd < 0)
        return delivery->box_fd;
    delivery->fd = open_tmp(delivery->box_fd, delivery->name, &delivery->box_tmp_fd);
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
        int error = write_all(delivery->fd, piece, (size_t)got);
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
    delivery->copy_box_fd = open_box(delivery->out, delivery->message->recipients[delivery->next].address);
    if (delivery->copy_box_fd < 0)
        return delivery->copy_box_fd;
    /* The same mailbox twice: its file is the first one's, and must not be unlinked as a leftover. */
    struct stat one, other;
    if (fstat(delivery->box_fd, &one) == 0 && fstat(delivery->copy_box_fd, &other) == 0 &&
        one.st_ino == other.st_ino && one.st_dev == other.st_dev)
        return -EALREADY;
    delivery->copy_fd = open_tmp(delivery->copy_box_fd, delivery->name, &tmp_fd);
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
            return publish(delivery->copy_box_fd, delivery->name, delivery->copy_fd);
        int error = write_all(delivery->copy_fd, piece, (size_t)got);
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
    int error = publish(delivery->box_fd, delivery->name, delivery->fd);
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
    return at[0] == '/' ? strndup(at, strcspn(at, "\n")) : NULL;
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
        fill_reason(reason, "5.3.5", "no maildir:///PATH is set as next hop");
        free(out);
        return -1;
    }
    if (mkdir(out->root, 0700) < 0 && errno != EEXIST) {
        /* open() tells */
    }
    out->root_fd = open(out->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->root_fd < 0) {
        fill_reason(reason, "4.4.1", "%s cannot be opened: %s", out->root, strerror(errno));
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
        fill_reason(reason, "4.3.0", "no timer");
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
