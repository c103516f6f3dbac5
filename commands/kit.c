/* kit.c - the services that a module finds when the command calls it (see kit.h) */
#include "commands/kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf_option.h"

static struct event_base *
service_loop(struct viaduct_gateway *gateway)
{
    return gateway->base;
}

static const char *
service_connector(struct viaduct_gateway *gateway)
{
    return gateway->connector != NULL ? gateway->connector->title : "host";
}

static const char *
service_option(struct viaduct_gateway *gateway, const char *name)
{
    struct option_text *text = xcalloc(1, sizeof *text);
    if (!conf_option_text(gateway->root, gateway->connector, name, &text->value)) {
        buf_clear(&text->value);
        free(text);
        return NULL;
    }
    text->next = gateway->options; /* valid as long as the gateway */
    gateway->options = text;
    return text->value.at != NULL ? text->value.at : "";
}

void
kit_clear(struct viaduct_gateway *gateway)
{
    while (gateway->options != NULL) {
        struct option_text *text = gateway->options;
        gateway->options = text->next;
        buf_clear(&text->value);
        free(text);
    }
}

static const void *
service_conf_root(struct viaduct_gateway *gateway)
{
    return gateway->root;
}

static const void *
service_conf_connector(struct viaduct_gateway *gateway)
{
    return gateway->connector;
}

static void __attribute__((format(printf, 4, 5)))
service_say(struct viaduct_gateway *gateway, enum viaduct_log_level level, const char *id, const char *format,
            ...)
{
    va_list args;
    (void)id;
    if (level == VIADUCT_LOG_DETAIL)
        return;
    va_start(args, format);
    if (!gateway->quiet) {
        printf("    ");
        vprintf(format, args);
        putchar('\n');
    }
    va_end(args);
}

static bool
service_closed(struct viaduct_gateway *gateway, struct viaduct_reason *reason)
{
    (void)gateway;
    snprintf(reason->status, sizeof reason->status, "4.3.2");
    snprintf(reason->text, sizeof reason->text, "this is only a test");
    return true;
}

static bool
service_ending(struct viaduct_gateway *gateway)
{
    (void)gateway;
    return false;
}

static void
service_reachable(struct viaduct_gateway *gateway)
{
    (void)gateway;
}

static void
service_count(struct viaduct_gateway *gateway, bool inbound, int delta, bool failed)
{
    (void)gateway;
    (void)inbound;
    (void)delta;
    (void)failed;
}

static const char *
service_node(struct viaduct_gateway *gateway)
{
    static char host[256];
    if (gateway->root->node != NULL)
        return gateway->root->node;
    if (host[0] == '\0' && gethostname(host, sizeof host - 1) < 0)
        snprintf(host, sizeof host, "localhost");
    return host;
}

/* Nothing is kept by a look, and nothing was kept for it. */
static int
service_remember(struct viaduct_gateway *gateway, struct viaduct_text key, struct viaduct_text value,
                 struct viaduct_reason *reason)
{
    (void)gateway;
    (void)key;
    (void)value;
    (void)reason;
    return 0;
}

static int
service_recall(struct viaduct_gateway *gateway, struct viaduct_text key, struct viaduct_text *value)
{
    (void)gateway;
    (void)key;
    *value = (struct viaduct_text){"", 0};
    return 0;
}

const struct viaduct_services kit_services = {.size = sizeof kit_services,
                                              .loop = service_loop,
                                              .connector = service_connector,
                                              .option = service_option,
                                              .conf_root = service_conf_root,
                                              .conf_connector = service_conf_connector,
                                              .say = service_say,
                                              .closed = service_closed,
                                              .ending = service_ending,
                                              .reachable = service_reachable,
                                              .count_connection = service_count,
                                              .node = service_node,
                                              .remember = service_remember,
                                              .recall = service_recall};
