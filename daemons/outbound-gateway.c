/* outbound-gateway.c - transfers mail to one system, and tries again: the carrier of the outward direction
 *
 *     MTS-OUT, Deferred --transfer--> the system      --convert--> Convert (where the body must change)
 *     ReadyOut          --transfer--> the system      --defer--> Deferred     --fail--> Bounce     --bad-->
 * Badmail
 *
 * A process of its own for each connector, and one for the host. delivery.c gives a message to the module;
 * settle.c decides what becomes of it.
 *
 * SECURITY: holds the network or the foreign folders, and keys; of a message it reads the header's addresses,
 * where they are translated, and no more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemons/delivery.h"

enum { IN_HAND_MAX = 512 };

static const struct conf_limits *
limits_of(const struct service *service)
{
    return service->connector != NULL ? &service->connector->limits : &service->root->host.limits;
}

static bool
needs_conversion(const struct viaduct_gateway *gateway, const struct job *job)
{
    return gateway->system->always_convert && job->folder != FOLDER_READY_OUT;
}

static bool
has_recipient(const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_recipients; i++)
        if (!envelope->recipients[i].listed)
            return true;
    return false;
}

static struct judgement
take(struct service *service, struct job *job)
{
    struct viaduct_gateway *gateway = service->data;
    if (job->folder == FOLDER_DIR_OUT &&
        (gateway->system->outbound == NULL || !gateway->system->always_convert))
        return judge(VERDICT_BAD, "5.3.3", "this system takes no requests");
    if (job->folder == FOLDER_DIR_OUT)
        return delivery_start_item(gateway, job);
    if (gateway->system->outbound == NULL)
        return judge(VERDICT_BAD, "5.3.3", "the system \"%s\" cannot be sent to", gateway->system->name);
    if (!has_recipient(&job->file.envelope))
        return judge(VERDICT_BAD, "5.5.0", "it is for nobody");
    if (needs_conversion(gateway, job))
        return judge(VERDICT_CONVERT, "", "%s", "");
    return delivery_start(gateway, job);
}

static int
prepare(struct service *service)
{
    int r = gateway_open(service, false);
    if (r < 0)
        return r;
    struct viaduct_gateway *gateway = service->data;
    struct viaduct_reason reason;
    unsigned most = (unsigned)limits_of(service)->concurrency * 4;
    service->max_in_hand = most < 64 ? 64 : most < IN_HAND_MAX ? most : IN_HAND_MAX;
    if (gateway->system->outbound != NULL && gateway->system->outbound->in_hand > service->max_in_hand)
        service->max_in_hand = gateway->system->outbound->in_hand;
    delivery_services(&gateway->services);
    gateway_allow_paths(gateway);
    if (gateway->system->outbound == NULL ||
        gateway->system->outbound->prepare(&gateway->services, gateway, &gateway->module, &reason) == 0)
        return 0;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s", reason.text);
    service_error(service, reason.text);
    return -EINVAL;
}

static void
look_at_schedule(struct service *service)
{
    const char *schedule =
        service->connector != NULL ? service->connector->schedule : service->root->host.schedule;
    bool resting = !conf_schedule_open(service->root, schedule, time_ms() / 1000);
    if (resting != service->resting)
        log_say(LOG_TRANSFER, LEVEL_MEDIUM, NULL,
                resting ? "its schedule \"%s\" is closed: nothing is sent now" : "its schedule \"%s\" is open",
                schedule);
    service->resting = resting;
}

/* Items whose message has gone: an end between the two removals left them. */
static void
sweep_items(struct service *service)
{
    int folder = service_folder(service, FOLDER_READY_OUT, service->connector_name);
    int copy = folder < 0 ? -1 : openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char stem[256];
        snprintf(stem, sizeof stem, "%s", entry->d_name);
        char *suffix = strrchr(stem, '.');
        if (suffix == NULL || strcmp(suffix, ".item") != 0)
            continue;
        *suffix = '\0';
        if (faccessat(folder, stem, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
            spool_remove(folder, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
}

static int
begin(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    struct viaduct_reason reason;
    gateway_refresh_book(gateway);
    look_at_schedule(service);
    sweep_items(service);
    if (gateway->system->outbound == NULL || gateway->system->outbound->begin(gateway->module, &reason) == 0)
        return 0;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s", reason.text);
    service_error(service, reason.text);
    return -EINVAL;
}

static void
tick(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    gateway_refresh_book(gateway);
    look_at_schedule(service);
    settle_unwritten();
    if (gateway->system->outbound != NULL && gateway->system->outbound->tick != NULL)
        gateway->system->outbound->tick(gateway->module);
}

static void
drain(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    if (gateway->system->outbound != NULL && gateway->system->outbound->drain != NULL)
        gateway->system->outbound->drain(gateway->module);
}

static void
finish(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    if (gateway->system->outbound != NULL && gateway->system->outbound->finish != NULL)
        gateway->system->outbound->finish(gateway->module);
}

static const struct worker outbound = {.id = WORKER_OUTBOUND,
                                       .max_in_hand = 64,
                                       .threads = 4,
                                       .network = NETWORK_CONNECT,
                                       .prepare = prepare,
                                       .begin = begin,
                                       .take = take,
                                       .tick = tick,
                                       .drain = drain,
                                       .finish = finish};

int
main(int argc, char **argv)
{
    return worker_main(&outbound, argc, argv);
}
