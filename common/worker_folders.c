/* worker_folders.c - descriptors of the folders that a worker's moves name, and of its listeners (see worker.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/listen.h"
#include "common/worker_inside.h"

int
service_folder(struct service *service, enum folder folder, const char *connector)
{
    struct service_inside *in = service->inside;
    if (folder == FOLDER_TEMP)
        return service->temp_fd;
    BUG_UNLESS(flow_takes(service->worker->id, folder) || flow_puts(service->worker->id, folder));
    if (folder_table[folder].per == PER_ONE)
        connector = "";
    BUG_UNLESS(connector != NULL);
    for (size_t i = 0; i < in->n_opened; i++)
        if (in->opened[i].folder == folder && strcmp(in->opened[i].connector, connector) == 0)
            return in->opened[i].fd;
    /* Folders that it only puts into need not be read: a name is enough for a move. */
    bool takes = flow_takes(service->worker->id, folder);
    int fd = takes ? folder_open(service->spool_fd, folder, connector)
                   : folder_open_path(service->spool_fd, folder, connector);
    if (fd < 0)
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "cannot open the spool folder %s of \"%s\": %s",
                folder_name(folder), connector, strerror(-fd));
    if (fd < 0)
        return fd; /* moves into it fail and are repeated */
    in->opened = xrealloc(in->opened, (in->n_opened + 1) * sizeof *in->opened);
    in->opened[in->n_opened++] = (struct opened){folder, xstrdup(connector), fd};
    return fd;
}

int
lane_open(struct service *service, int lane)
{
    char temp[SPOOL_PATH_MAX], path[SPOOL_PATH_MAX + sizeof service->instance + 4];
    folder_path(FOLDER_TEMP, NULL, temp);
    snprintf(path, sizeof path, "%s/%s.%d", temp, service->instance, lane);
    int fd = openat(service->spool_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
service_listener(struct service *service, const char *address, struct why *why)
{
    struct service_inside *in = service->inside;
    for (size_t i = 0; i < in->n_listeners; i++)
        if (strcmp(in->listeners[i].address, address) == 0)
            return in->listeners[i].fd;
    return listen_open(address, why);
}
