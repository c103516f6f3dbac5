/* inbound-gateway.c - receives or fetches mail from one system: the carrier of the inward direction
 *
 *     the system --accept--> MTS-IN        --fetch--> ReadyIn (for the converter)        --bad--> Badmail
 *
 * The module's state machines do the work; intake.c writes what they bring. A process of its own for each
 * connector, and one for the host.
 *
 * SECURITY: holds the network or the foreign folders; reads no message but the header it passes on.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemons/intake.h"

static int
prepare(struct service *service)
{
    int r = gateway_open(service, true);
    if (r < 0)
        return r;
    struct viaduct_gateway *gateway = service->data;
    struct viaduct_reason reason;
    if (gateway->system->inbound == NULL)
        return gateway_unused(service, "brings no mail in");
    gateway_allow_paths(gateway);
    r = intake_open(gateway);
    if (r < 0)
        return r;
    if (gateway->system->inbound->prepare(&gateway->services, gateway, &gateway->module, &reason) == 0)
        return 0;
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s", reason.text);
    service_error(service, reason.text);
    return -EINVAL;
}

static int
begin(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    struct viaduct_reason reason;
    gateway_refresh_book(gateway);
    if (gateway->system->inbound == NULL || gateway->system->inbound->begin(gateway->module, &reason) == 0)
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
    if (gateway->system->inbound != NULL && gateway->system->inbound->tick != NULL)
        gateway->system->inbound->tick(gateway->module);
}

static void
drain(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    if (gateway->system->inbound != NULL && gateway->system->inbound->drain != NULL)
        gateway->system->inbound->drain(gateway->module);
}

static bool
busy(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    return gateway->system->inbound != NULL && gateway->system->inbound->busy != NULL &&
           gateway->system->inbound->busy(gateway->module);
}

static void
finish(struct service *service)
{
    struct viaduct_gateway *gateway = service->data;
    if (gateway->system->inbound != NULL && gateway->system->inbound->finish != NULL)
        gateway->system->inbound->finish(gateway->module);
}

/* A complete file in Temp whose foreign source may still lie there: fetched once more, it would be there twice.
 */
static bool
recover(struct service *service, const char *name, struct queue_file *file)
{
    struct viaduct_gateway *gateway = service->data;
    const struct viaduct_inbound_ops *ops = gateway->system->inbound;
    struct span text = file->envelope.replaces;
    const char *blank = text.len > 0 ? memchr(text.at, ' ', text.len) : NULL;
    uint64_t inode;
    if (blank == NULL || ops == NULL || ops->size <= offsetof(struct viaduct_inbound_ops, forget) ||
        ops->forget == NULL ||
        !span_to_u64((struct span){text.at, (size_t)(blank - text.at)}, UINT64_MAX, &inode))
        return false;
    char *path = xstrndup(blank + 1, text.len - (size_t)(blank - text.at) - 1);
    log_say(LOG_GENERAL, LEVEL_MEDIUM, name, "recovery: removing %s, of which it is the copy", path);
    ops->forget(gateway->module, path, inode);
    free(path);
    return false;
}

static const struct worker inbound = {.id = WORKER_INBOUND,
                                      .max_in_hand = 1,
                                      .threads = 16,
                                      .network = NETWORK_CONNECT,
                                      .prepare = prepare,
                                      .begin = begin,
                                      .tick = tick,
                                      .drain = drain,
                                      .busy = busy,
                                      .recover = recover,
                                      .finish = finish};

int
main(int argc, char **argv)
{
    return worker_main(&inbound, argc, argv);
}
