/* maildir_in.c - takes in what lies in a maildir's folder new (see maildir.h)
 *
 *     poll --> scan new --> for each file: read the envelope --> intake_new --> copy, a megabyte a step --> commit
 *                                             |                       |                    (removes the file)
 *                                             +--(nobody is left)-->  +--(refused for good)--> failed/
 *
 * One file at a time (maildir_file.c); what cannot be done now is done at the next poll.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "systems/maildir/maildir_in.h"
#include "systems/viaduct/reason.h"

enum { NAMES_MAX = 2000 };

void
maildir_in_arm(struct maildir_in *in, int64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(in->timer, &wait);
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
        maildir_file_begin(in);
    if (in->intake != NULL && !in->committing)
        maildir_file_step(in);
    bool more =
        (in->intake != NULL && !in->committing) || (in->intake == NULL && !closed && in->next < in->n_names);
    maildir_in_arm(in, more ? 0 : in->poll_ms);
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
    reason_fill(reason, "4.4.1", "%.300s/new cannot be opened (peer.pickup)", root);
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
        reason_fill(reason, "4.3.0", "no timer");
        return -1;
    }
    in->polled_ms = monotonic_ms() - in->poll_ms;
    maildir_in_arm(in, 0);
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
    maildir_file_close(in);
    forget_names(in);
    if (in->timer != NULL)
        event_free(in->timer);
    if (in->root_fd >= 0)
        close(in->root_fd);
    if (in->new_fd >= 0)
        close(in->new_fd);
    buf_clear(&in->header);
    free(in->root);
    free(in);
}

/* The file of a message that was made durable before a crash: taken once more, it would be there twice. */
static void
in_forget_source(void *state, const char *remove_path, uint64_t inode)
{
    struct maildir_in *in = state;
    struct stat st;
    if (in->new_fd >= 0 && strchr(remove_path, '/') == NULL &&
        fstatat(in->new_fd, remove_path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == (ino_t)inode)
        unlinkat(in->new_fd, remove_path, 0);
}

const struct viaduct_inbound_ops maildir_inbound_ops = {.size = sizeof maildir_inbound_ops,
                                                        .prepare = in_prepare,
                                                        .begin = in_begin,
                                                        .tick = in_rest,
                                                        .drain = in_rest,
                                                        .busy = in_busy,
                                                        .finish = in_finish,
                                                        .forget = in_forget_source};
