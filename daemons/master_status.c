/* master_status.c - state/master for `viaduct status`, and the service manager's protocol (see master.h)
 *
 * Sources: sd_notify(3): the protocol is the interface, so no library is linked for three datagrams.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "daemons/master.h"

int
status_open(struct master *master, struct why *why)
{
    int state = folder_open(master->spool_fd, FOLDER_STATE, NULL);
    if (master->status_fd >= 0)
        close(master->status_fd);
    master->status_fd =
        state < 0 ? -1 : openat(state, "master", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    int r = master->status_fd < 0 ? -errno : 0;
    if (r < 0)
        why_set(why, "4.3.0", "cannot open state/master: %s", strerror(-r));
    if (state >= 0)
        close(state);
    return r;
}

static const char *
state_word(const struct child *child)
{
    static const char *const words[] = {"waiting", "running", "ending", "gone"};
    return words[child->state];
}

static void
print_child(const struct child *child, struct buf *out)
{
    buf_printf(out, "worker=%s pid=%d state=%s since=%lld restarts=%u generation=%u last=%d\n", child->instance,
               (int)child->pid, state_word(child), (long long)child->since_s, child->restarts,
               child->generation, child->last_status);
}

static void
print_listener(const struct master_listener *listener, struct buf *out)
{
    log_print_pair(out, "listener", span_of(listener->address));
    buf_printf(out, " state=%s since=%lld\n", listener->refusing_s > 0 ? "refusing" : "open",
               (long long)listener->refusing_s);
}

/* One line of `key=value` pairs for the master, one for each worker and each listener. Written whole; a reader that meets it
 * half-written reads again (the last line is "end=1"). */
void
status_write(struct master *master)
{
    struct buf text = {0};
    bool over = master->stopping && master->children == NULL;
    buf_printf(
        &text, "pid=%d version=%s started=%lld loaded=%lld generation=%u reloads=%u stopping=%d user=%u ",
        over ? 0 : (int)getpid(), PACKAGE_VERSION, (long long)master->started_s, (long long)master->loaded_s,
        master->generation, master->reloads, master->stopping, (unsigned)geteuid());
    log_print_pair(&text, "config", span_of(master->conf_path));
    log_print_pair(&text, "config-error", span_of(master->conf_error));
    buf_add_text(&text, "\n");
    for (const struct child *child = master->children; child != NULL; child = child->next)
        print_child(child, &text);
    for (size_t i = 0; i < master->n_listeners; i++)
        print_listener(&master->listeners[i], &text);
    buf_add_text(&text, "end=1\n");
    if (pwrite(master->status_fd, text.at, text.len, 0) == (ssize_t)text.len &&
        ftruncate(master->status_fd, (off_t)text.len) == 0)
        master->dirty = false;
    buf_clear(&text);
}

void
status_notify(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char message[600];
    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
        log_say(LOG_GENERAL, LEVEL_MAXIMUM, NULL, "cannot notify the service manager: %s", strerror(errno));
    close(fd);
}

/* With the time, by which a manager of Type=notify-reload knows that this reload is the one it asked for. */
void
status_notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    status_notify("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reloading",
                  (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void
status_notify_ready(const struct master *master)
{
    if (master->conf_error[0] != '\0')
        status_notify("READY=1\nSTATUS=generation %u; the configuration is not in force: %s",
                      master->generation, master->conf_error);
    else
        status_notify("READY=1\nSTATUS=generation %u, %zu connectors", master->generation,
                      master->root->connectors_n);
}
