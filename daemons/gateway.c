/* gateway.c - what both gateways share (see gateway.h) */
#include "daemons/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/worker_inside.h"
#include "conf/conf_option.h"
#include "systems/registry.h"
#include "systems/viaduct/reason.h"

void
reason_set(struct viaduct_reason *reason, const struct why *why)
{
    if (reason != NULL)
        reason_from(reason, why);
}

void
why_from(struct why *why, const struct viaduct_reason *reason)
{
    if (reason == NULL)
        *why = (struct why){"", ""};
    else
        why_set(why, reason->status, "%s", reason->text);
}

/* ---- services of both directions ---- */

static struct event_base *
serve_loop(struct viaduct_gateway *gateway)
{
    return gateway->service->base;
}

static const char *
serve_connector(struct viaduct_gateway *gateway)
{
    return gateway->service->connector_name;
}

/* Answers live until the gateway ends: options are asked for once, at the start. */
static const char *
serve_option(struct viaduct_gateway *gateway, const char *name)
{
    struct buf text = {0};
    const struct service *service = gateway->service;
    if (conf_option_text(service->root, service->connector, name, &text))
        return text.at != NULL ? text.at : "";
    buf_clear(&text);
    return NULL;
}

static const void *
serve_conf_root(struct viaduct_gateway *gateway)
{
    return gateway->service->root;
}

static const void *
serve_conf_connector(struct viaduct_gateway *gateway)
{
    return gateway->service->connector;
}

static void __attribute__((format(printf, 4, 5)))
serve_say(struct viaduct_gateway *gateway, enum viaduct_log_level level, const char *id, const char *format,
          ...)
{
    bool inbound = gateway->service->worker->id == WORKER_INBOUND;
    enum log_category category = inbound ? LOG_SESSIONS : LOG_TRANSFER;
    if (!log_wants(category, (enum log_level)level))
        return;
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_say(category, (enum log_level)level, id, "%s", text);
    if (level == VIADUCT_LOG_ERROR)
        state_error(gateway->service, text);
}

static int
serve_listener(struct viaduct_gateway *gateway, const char *address, struct viaduct_reason *reason)
{
    struct why why;
    int fd = service_listener(gateway->service, address, &why);
    if (fd < 0)
        reason_set(reason, &why);
    return fd;
}

static bool
serve_closed(struct viaduct_gateway *gateway, struct viaduct_reason *reason)
{
    const struct service *service = gateway->service;
    struct why why;
    if (service->full)
        why_set(&why, "4.3.1", "too little room in the spool, try again later");
    else if (service->ending)
        why_set(&why, "4.3.2", "shutting down, try again in a moment");
    else if (service->on_hold)
        why_set(&why, "4.3.2", "on hold by the administrator, try again later");
    else
        return false;
    reason_set(reason, &why);
    return true;
}

static bool
serve_ending(struct viaduct_gateway *gateway)
{
    return gateway->service->ending;
}

static const char *
serve_node(struct viaduct_gateway *gateway)
{
    return gateway->service->root->node;
}

static void
serve_reachable(struct viaduct_gateway *gateway)
{
    struct state_page *page = gateway->service->inside->state;
    page->last_ok_ms = time_ms();
    if (page->trouble_ms == 0)
        return;
    page->trouble_ms = 0;
    log_say(LOG_TRANSFER, LEVEL_MEDIUM, NULL,
            "the system can be reached again (it was: %s); all that is deferred is due", page->trouble);
    page->trouble[0] = '\0';
    service_run_deferred(gateway->service);
}

static void
serve_count_connection(struct viaduct_gateway *gateway, bool inbound, int delta, bool failed)
{
    (void)gateway;
    static int64_t open_now;
    open_now += delta;
    if (delta > 0)
        counter_add(inbound ? COUNTER_SESSIONS_IN : COUNTER_SESSIONS_OUT, 1);
    if (failed)
        counter_add(COUNTER_CONNECT_FAILED, 1);
    counter_set(COUNTER_CONNECTIONS, open_now);
}

/* ---- opening ---- */

static struct book *
open_book(struct service *service)
{
    int fd = folder_open(service->spool_fd, FOLDER_BOOK, NULL);
    if (fd < 0)
        log_say(LOG_DIRECTORY, LEVEL_MINIMUM, NULL, "cannot open the book: %s", strerror(-fd));
    struct book *book = fd < 0 ? NULL : book_new(fd);
    if (book != NULL && conf_makes_book(service->root))
        book_expect(book);
    return book;
}

int
gateway_open(struct service *service, bool inbound)
{
    struct viaduct_gateway *gateway = xcalloc(1, sizeof *gateway);
    struct why why;
    struct buf errors = {0};
    gateway->service = service;
    service->data = gateway;
    gateway->system = registry_for(service->root, service->connector, inbound, &why);
    if (gateway->system == NULL) {
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "%s", why.text);
        service_error(service, why.text);
        return -ENOENT;
    }
    gateway->book = open_book(service);
    gateway->translator = gateway->book == NULL
                              ? NULL
                              : translator_new(service->root, service->connector,
                                               span_of(gateway->system->address_type), gateway->book, &errors);
    if (gateway->translator == NULL)
        log_say(LOG_ADDRESSES, LEVEL_MINIMUM, NULL, "%s",
                errors.len > 0 ? errors.at : "no address translation");
    buf_clear(&errors);
    gateway->services = (struct viaduct_services){.size = sizeof gateway->services,
                                                  .loop = serve_loop,
                                                  .connector = serve_connector,
                                                  .option = serve_option,
                                                  .conf_root = serve_conf_root,
                                                  .conf_connector = serve_conf_connector,
                                                  .say = serve_say,
                                                  .listener = serve_listener,
                                                  .closed = serve_closed,
                                                  .ending = serve_ending,
                                                  .reachable = serve_reachable,
                                                  .count_connection = serve_count_connection,
                                                  .node = serve_node};
    return gateway->translator != NULL ? 0 : -EINVAL;
}

int
gateway_unused(struct service *service, const char *part)
{
    const struct viaduct_gateway *gateway = service->data;
    log_say(LOG_GENERAL, LEVEL_MEDIUM, NULL, "the system \"%s\" %s: ended, since there is nothing to do",
            gateway->system->name, part);
    return -EOPNOTSUPP;
}

void
gateway_refresh_book(struct viaduct_gateway *gateway)
{
    service_refresh_book(gateway->service, gateway->book, &gateway->book_told);
}

bool
gateway_has_newer_book(struct viaduct_gateway *gateway)
{
    int64_t now_ms = monotonic_ms();
    bool looked = gateway->looked_ms == now_ms;
    gateway->looked_ms = now_ms;
    return !looked && service_refresh_book(gateway->service, gateway->book, &gateway->book_told) == 1;
}

static void
allow_url(struct viaduct_gateway *gateway, const char *url)
{
    struct span s = span_of(url);
    if (span_starts_nocase(s, SPAN("maildir://")))
        service_allow_path(gateway->service, url + strlen("maildir://"), true);
    if (span_starts_nocase(s, SPAN("lmtp:///")))
        service_allow_path(gateway->service, url + strlen("lmtp://"), true);
}

void
gateway_allow_paths(struct viaduct_gateway *gateway)
{
    static const char *const resolver[] = {"/etc/resolv.conf", "/etc/hosts",     "/etc/nsswitch.conf",
                                           "/etc/services",    "/etc/host.conf", "/etc/gai.conf",
                                           "/etc/ssl",         "/usr/lib/ssl",   "/usr/share/ca-certificates",
                                           "/etc/localtime"};
    const struct service *service = gateway->service;
    const struct conf_connector *connector = service->connector;
    const struct conf_texts *to = connector != NULL ? &connector->peer.to : &service->root->host.deliver.to;
    for (size_t i = 0; i < COUNT_OF(resolver); i++)
        service_allow_path(gateway->service, resolver[i], false);
    for (size_t i = 0; i < to->n; i++)
        allow_url(gateway, to->at[i]);
    if (connector == NULL)
        return;
    const char *const folders[] = {connector->peer.root, connector->peer.pickup, connector->peer.drop};
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        if (folders[i] != NULL)
            service_allow_path(gateway->service, folders[i], true);
}
