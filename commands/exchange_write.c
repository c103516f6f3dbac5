/* exchange_write.c - a connector as the object that Exchange 2000 and 2003 kept of it in Active Directory (see
 * exchange_read.c for the way back)
 *
 *     connector NAME { ... }, dirsync { connector = NAME ... } --> msExchConnector, mailGateway, one of their classes
 *
 * So an Exchange administrator finds what he knows: address spaces as routingList, hours as activationSchedule, containers and
 * times of directory synchronisation. Names of the organisation, its groups and servers, which the schema asks for, are not known
 * here: they stand as in a new installation, to be changed. What has no attribute stands as a comment.
 *
 * Sources: Microsoft's schema of Exchange 2000 and 2003; its documentation of routingList.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/exchange.h"
#include "commands/grid.h"
#include "common/ldif.h"
#include "systems/registry.h"

struct object {
    const struct conf_root *root;
    const struct conf *conf;
    const struct conf_connector *connector;
    const char *type; /* of addresses */
    struct buf *out;
};

static void add(struct object *object, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
add(struct object *object, const char *name, const char *format, ...)
{
    struct buf value = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&value, format, args);
    va_end(args);
    ldif_add(span_of(name), buf_span(&value), object->out);
    buf_clear(&value);
}

/* ---- names ---- */

/* "contoso.example" as "DC=contoso,DC=example"; what no label can be is left out. */
static void
add_domain(struct buf *out, const char *domain)
{
    for (const char *c = domain; *c != '\0';) {
        buf_add_text(out, ",DC=");
        for (; *c != '\0' && *c != '.'; c++)
            if (isalnum((unsigned char)*c) || *c == '-' || (unsigned char)*c >= 0x80)
                buf_add_byte(out, *c);
        c += *c == '.';
    }
}

static void
add_organisation(struct object *object, struct buf *out)
{
    const struct conf_texts *domains = &object->root->host.domains;
    buf_add_text(out, "CN=" EXCHANGE_GROUP ",CN=Administrative Groups,CN=" EXCHANGE_ORGANISATION
                      ",CN=Microsoft Exchange,CN=Services,CN=Configuration");
    add_domain(out, domains->n > 0 ? domains->at[0] : "example");
}

/* The first label of the node's name, as a machine is named. */
static void
machine(const struct conf_root *root, char name[16])
{
    const char *node = root->node != NULL && root->node[0] != '\0' ? root->node : "viaduct";
    size_t n = 0;
    for (; n < 15 && (isalnum((unsigned char)node[n]) || node[n] == '-'); n++)
        name[n] = (char)toupper((unsigned char)node[n]);
    name[n] = '\0';
    if (n == 0)
        snprintf(name, 16, "VIADUCT");
}

static void
add_head(struct object *object)
{
    const char *name = object->connector->title;
    const struct exchange_kind *kind = exchange_kind_of_type(object->connector->type);
    struct buf dn = {0};
    char node[16];
    machine(object->root, node);
    buf_printf(&dn, "CN=%s,CN=Connections,CN=" EXCHANGE_ROUTING ",CN=Routing Groups,", name);
    add_organisation(object, &dn);
    ldif_add(SPAN("dn"), buf_span(&dn), object->out);
    add(object, "objectClass", "top");
    add(object, "objectClass", "msExchConnector");
    if (kind == NULL || kind->gateway)
        add(object, "objectClass", "mailGateway");
    if (kind != NULL)
        add(object, "objectClass", "%s", kind->class);
    add(object, "cn", "%s", name);
    add(object, "computerName", "%s", node);
    add(object, "msExchConnectorType", "%s", object->type);
    add(object, "legacyExchangeDN",
        "/o=" EXCHANGE_ORGANISATION "/ou=" EXCHANGE_GROUP "/cn=Configuration/cn=Connections/cn=%s", name);
    buf_add_text(
        object->out,
        "# the schema asks for these two: how its transfer agent hands mail over is not known of connectors\n"
        "# like this one, and which agent does must be set to one that is there\n");
    add(object, "deliveryMechanism", "%d", EXCHANGE_DELIVERY);
    buf_reset(&dn);
    buf_printf(&dn, "CN=Microsoft MTA,CN=%s,CN=Servers,", node);
    add_organisation(object, &dn);
    ldif_add(SPAN("homeMTA"), buf_span(&dn), object->out);
    buf_clear(&dn);
}

/* ---- schedules ---- */

/* `style` and `octets` name the attributes. */
static void
add_schedule(struct object *object, const char *style, const char *octets_name, const char *schedule, bool runs)
{
    struct grid grid;
    unsigned char octets[GRID_BYTES];
    const struct conf_schedule *found = NULL;
    for (size_t i = 0; schedule != NULL && i < object->root->schedules_n; i++)
        if (strcmp(object->root->schedules[i].title, schedule) == 0)
            found = &object->root->schedules[i];
    if (found == NULL) {
        bool never = schedule != NULL && strcmp(schedule, "never") == 0;
        add(object, style, "%d", never ? EXCHANGE_NEVER : EXCHANGE_ALWAYS);
        return;
    }
    add(object, style, "%d", EXCHANGE_SELECTED);
    if (!grid_of_schedule(found, runs, &grid))
        buf_printf(object->out, "# schedule %s has times between quarters of an hour: the nearest are chosen\n",
                   schedule);
    grid_to_octets(&grid, octets);
    ldif_add(span_of(octets_name), (struct span){(const char *)octets, GRID_BYTES}, object->out);
}

/* ---- what the connector has ---- */

static void
add_spaces(struct object *object)
{
    const struct conf_connector *connector = object->connector;
    for (size_t i = 0; i < connector->address_spaces_n; i++) {
        const struct conf_address_space *space = &connector->address_spaces[i];
        if (space->cost < 1)
            buf_add_text(object->out, "# cost 0 is 1 here\n");
        add(object, "routingList", "%s:%s;%ld", space->type, space->pattern, space->cost < 1 ? 1 : space->cost);
    }
}

static void
add_groupwise(struct object *object)
{
    const struct conf_connector *connector = object->connector;
    if (connector->peer.root != NULL)
        add(object, "msExchGWiseAPIGatewayPath", "%s", connector->peer.root);
    if (connector->peer.domain != NULL)
        add(object, "msExchGWiseForeignDomain", "%s", connector->peer.domain);
}

/* smtp://HOST[:PORT] as smart hosts are named. */
static void
add_smart_hosts(struct object *object)
{
    const struct conf_texts *to = &object->connector->peer.to;
    struct buf hosts = {0};
    for (size_t i = 0; i < to->n; i++) {
        const char *host = strstr(to->at[i], "://");
        if (host == NULL || !span_starts_nocase(span_of(to->at[i]), SPAN("smtp")))
            continue;
        size_t len = strcspn(host + 3, host[3] == '[' ? "]" : ":/");
        const char *port = host + 3 + len + (host[3] == '[' && host[3 + len] == ']');
        if (*port == ':')
            buf_printf(object->out, "# no attribute: the port%s\n", port);
        buf_printf(&hosts, "%s%.*s%s", hosts.len > 0 ? ";" : "", (int)len, host + 3, host[3] == '[' ? "]" : "");
    }
    if (hosts.len > 0)
        ldif_add(SPAN("msExchSmtpSmartHost"), buf_span(&hosts), object->out);
    buf_clear(&hosts);
}

static void
add_connector(struct object *object)
{
    const struct conf_connector *connector = object->connector;
    struct span codepage = span_of(connector->convert.codepage);
    uint64_t number;
    add_spaces(object);
    add_schedule(object, "activationStyle", "activationSchedule", connector->schedule, false);
    add(object, "delivContLength", "%llu", (unsigned long long)(connector->limits.message / 1024));
    if (strcmp(connector->type, "gwise") == 0)
        add_groupwise(object);
    if (strcmp(connector->type, "smtp") == 0)
        add_smart_hosts(object);
    if (strcmp(connector->type, "gwise") == 0 && span_to_u64(codepage, 65535, &number))
        add(object, "msExchPartnerCP", "%llu", (unsigned long long)number);
}

/* ---- what its dirsync has ---- */

static void
add_dirsync(struct object *object, const struct conf_dirsync *dirsync)
{
    const struct conf_import *import = &dirsync->import;
    const struct conf_export *export = &dirsync->export;
    if (import->set && import->container != NULL)
        add(object, "importContainer", "%s", import->container);
    if (import->set)
        add(object, "msExchServer1AlwaysCreateAs", "%d", exchange_create_as(import->create_as));
    for (size_t i = 0; export->set && i < export->containers.n; i++)
        add(object, "exportContainers", "%s", export->containers.at[i]);
    if (export->set) {
        add(object, "msExchExportDLs", "%s", strcmp(export->groups, "no") == 0 ? "FALSE" : "TRUE");
        add(object, "exportCustomRecipients", "%s", export->contacts ? "TRUE" : "FALSE");
    }
    if (export->set && export->filter != NULL)
        add(object, "msExchDirsyncFilters", "%s", export->filter);
    add_schedule(object, "msExchDirsyncStyle", "msExchDirsyncSchedule", dirsync->schedule, true);
}

/* ---- what has no attribute ---- */

static bool
is_told(const char *key)
{
    static const char *const told[] = {"type",    "schedule",         "peer.root",     "peer.domain",
                                       "peer.to", "convert.codepage", "limits.message"};
    for (size_t i = 0; i < COUNT_OF(told); i++)
        if (strcmp(key, told[i]) == 0)
            return true;
    return strncmp(key, "address-space.", 14) == 0;
}

static bool
add_comment(const struct conf_setting *setting, void *arg)
{
    struct object *object = arg;
    char prefix[CONNECTOR_NAME_MAX + 20];
    int len = snprintf(prefix, sizeof prefix, "connector.%s.", object->connector->title);
    if (strncmp(setting->key, prefix, (size_t)len) == 0 && !is_told(setting->key + len))
        buf_printf(object->out, "# no attribute: %s = %s\n", setting->key, setting->value);
    return true;
}

void
exchange_print(const struct conf *conf, const struct conf_connector *connector, struct buf *out)
{
    struct why why;
    struct object object = {.root = conf_root(conf), .conf = conf, .connector = connector, .out = out};
    const struct viaduct_system *system = registry_for(object.root, connector, false, &why);
    object.type = system != NULL ? system->address_type : "SMTP";
    if (connector->address_spaces_n > 0) /* a maildir carries any type */
        object.type = connector->address_spaces[0].type;
    bool first = true;
    buf_printf(out,
               "# connector \"%s\" of viaduct; organisation, groups and servers are to be named as they "
               "are\nversion: 1\n\n",
               connector->title);
    add_head(&object);
    add_connector(&object);
    for (size_t i = 0; i < object.root->dirsyncs_n; i++) {
        const struct conf_dirsync *dirsync = &object.root->dirsyncs[i];
        if (dirsync->connector == NULL || strcmp(dirsync->connector, connector->title) != 0)
            continue;
        if (first)
            add_dirsync(&object, dirsync);
        else
            buf_printf(out, "# no attribute: dirsync \"%s\", the connector's second one\n", dirsync->title);
        first = false;
    }
    if (first)
        add(&object, "msExchDirsyncStyle", "%d", EXCHANGE_NEVER);
    conf_each(conf, true, add_comment, &object);
}
