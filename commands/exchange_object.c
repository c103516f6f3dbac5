/* exchange_object.c - the attributes of one connector object become sections of configuration (see exchange_read.c) */
#include <stdio.h>
#include <stdlib.h>

#include "commands/exchange_inside.h"
#include "commands/grid.h"
#include "common/address.h"
#include "systems/mime/charset.h"

enum { COMMENTS_MAX = 200, INDENT_TEXT = 12 };

/* What is used below, and what every object has and says nothing here. All others are told in comments. */
static const char *const used[] = {"routingList",
                                   "activationStyle",
                                   "activationSchedule",
                                   "delivContLength",
                                   "msExchGWiseAPIGatewayPath",
                                   "msExchGWiseForeignDomain",
                                   "msExchPartnerCP",
                                   "msExchSmtpSmartHost",
                                   "importContainer",
                                   "exportContainers",
                                   "msExchExportDLs",
                                   "exportCustomRecipients",
                                   "msExchDirsyncFilters",
                                   "msExchDirsyncStyle",
                                   "msExchDirsyncSchedule",
                                   "msExchServer1AlwaysCreateAs",
                                   "msExchNotesExportGroups",
                                   "dn",
                                   "distinguishedName",
                                   "cn",
                                   "name",
                                   "objectClass",
                                   "objectCategory",
                                   "objectGUID",
                                   "instanceType",
                                   "whenCreated",
                                   "whenChanged",
                                   "uSNCreated",
                                   "uSNChanged",
                                   "showInAdvancedViewOnly",
                                   "systemFlags",
                                   "deliveryMechanism",
                                   "homeMTA",
                                   "legacyExchangeDN",
                                   "msExchConnectorType",
                                   "computerName",
                                   "versionNumber",
                                   "adminDisplayName",
                                   "dSCorePropagationData"};

static const struct {
    const char *name, *text;
} told[] = {
    {"messageSizeLimit", "what is larger waits for hours of its own there; here limits.message refuses it"},
    {"msExchRoutingDisallowPriority", "priorities are not refused here"},
    {"authOrig", "who may send is not restricted here"},
    {"unauthOrig", "who may send is not restricted here"},
    {"dLMemSubmitPerms", "who may send is not restricted here"},
    {"dLMemRejectPerms", "who may send is not restricted here"},
    {"msExchBarMessageClass", "classes of messages are not refused here"},
    {"transferRetryInterval", "see the section retry"},
    {"transferTimeoutUrgent", "see retry.give-up"},
    {"transferTimeoutNormal", "see retry.give-up"},
    {"transferTimeoutNonUrgent", "see retry.give-up"},
    {"homeMDB", "there is no mailbox of the connector's: its queues lie in the spool"},
    {"msExchAdminMailbox", "see admin-address"},
    {"msExchGWiseUserId", "the gateway's folder is mounted by the machine, with its own credentials"},
    {"msExchGWiseFilterType", "import filters by domain or post office: not read"},
};

static bool
is_any_of(struct span name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_equal_nocase(name, span_of(names[i])))
            return true;
    return false;
}

static bool
is_true(const struct reading_object *object, const char *name)
{
    return span_equal_nocase(exchange_first(object, name), SPAN("TRUE"));
}

/* "name = value", or a comment. */
static bool
add_option(struct reading_object *object, const char *indent, const char *option, const char *attribute,
           struct span value)
{
    size_t before = object->out->len;
    buf_printf(object->out, "%s%s = ", indent, option);
    if (value.len > 0 && exchange_quote(value, object->out)) {
        buf_add_byte(object->out, '\n');
        return true;
    }
    object->out->len = before;
    if (value.len > 0)
        exchange_comment(object->out, indent, attribute, value, "no text that could stand here");
    return false;
}

/* ---- hours ---- */

/* The name of a schedule, or a word; `sections` gets the schedule. */
static void
take_schedule(struct reading_object *object, const char *style_name, const char *grid_name, bool runs,
              struct buf *sections)
{
    struct span style = exchange_first(object, style_name), octets = {"", 0};
    struct grid grid;
    uint64_t number = runs ? EXCHANGE_NEVER : EXCHANGE_ALWAYS;
    bool styled = span_to_u64(style, 100, &number);
    bool there = ldif_value(object->record, span_of(grid_name), 0, &octets);
    if (there && octets.len == GRID_BYTES)
        grid_from_octets((const unsigned char *)octets.at, &grid);
    else if (there)
        exchange_comment(object->out, "    ", grid_name, octets, "84 octets were expected");
    bool chosen = there && octets.len == GRID_BYTES && (number == EXCHANGE_SELECTED || !styled);
    if (chosen && grid_count(&grid) > 0 && grid_count(&grid) < GRID_QUARTERS) {
        buf_printf(object->out, "    schedule = \"%s-%s\"\n", object->name, runs ? "runs" : "hours");
        buf_printf(
            sections,
            "# %s: taken for quarters of an hour in UTC from Sunday on, and told in local time as it is now\n"
            "schedule \"%s-%s\" { %s = ",
            grid_name, object->name, runs ? "runs" : "hours", runs ? "at" : "during");
        grid_print(&grid, runs, sections);
        buf_add_text(sections, " }\n");
        return;
    }
    bool never = number == EXCHANGE_NEVER || (chosen && grid_count(&grid) == 0);
    if (number == EXCHANGE_REMOTE && styled)
        exchange_comment(object->out, "    ", style_name, style,
                         "begun by the other side: there is no such style here");
    if (runs && !never) {
        buf_printf(object->out, "    schedule = \"%s-runs\"\n", object->name);
        buf_printf(sections, "schedule \"%s-runs\" { every = \"15m\" }\n", object->name);
    } else {
        buf_printf(object->out, "    schedule = \"%s\"\n", never ? "never" : "always");
    }
}

/* ---- address spaces ---- */

/* "TYPE:pattern;cost": the type may be missing (SMTP), so may the cost, which follows the last semicolon. */
static bool
split_space(struct span text, struct span *type, struct span *pattern, uint64_t *cost)
{
    const char *semicolon = text.len > 0 ? memrchr(text.at, ';', text.len) : NULL;
    const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
    *cost = 1;
    *type = SPAN("SMTP");
    size_t len = semicolon != NULL ? (size_t)(semicolon - text.at) : text.len;
    if (semicolon != NULL &&
        !span_to_u64(span_trim((struct span){semicolon + 1, text.len - len - 1}), 100, cost))
        len = text.len;
    *pattern = (struct span){text.at, len};
    if (colon != NULL && colon < text.at + len &&
        address_type_valid((struct span){text.at, (size_t)(colon - text.at)})) {
        *type = (struct span){text.at, (size_t)(colon - text.at)};
        *pattern = (struct span){colon + 1, len - type->len - 1};
    }
    *pattern = span_trim(*pattern);
    if (pattern->len == 0) /* matches what nothing else does */
        *pattern = SPAN("*");
    return pattern_valid(*type, *pattern, NULL);
}

static void
add_space(struct reading_object *object, struct span text)
{
    struct span type, pattern;
    uint64_t cost;
    struct buf *out = object->out;
    size_t before = out->len;
    if (span_starts_nocase(text, SPAN("Local:"))) { /* its scope */
        exchange_comment(out, "    ", "routingList", text,
                         "for its own routing group alone there; for all here");
        text = (struct span){text.at + 6, text.len - 6};
        before = out->len;
    }
    bool good = split_space(text, &type, &pattern, &cost);
    if (good) {
        buf_printf(out, "    address-space { type = \"%.*s\"  pattern = ", (int)type.len, type.at);
        good = exchange_quote(pattern, out);
        buf_printf(out, "  cost = %llu }\n", (unsigned long long)cost);
    }
    if (good)
        return;
    out->len = before;
    exchange_comment(out, "    ", "routingList", text, "no address space that could be here");
}

static void
add_spaces(struct reading_object *object)
{
    for (size_t i = 0; i < object->record->n_attributes; i++)
        if (ldif_is(&object->record->attributes[i], SPAN("routingList")))
            add_space(object, span_trim(object->record->attributes[i].value));
}

/* ---- the connector by its kind ---- */

static void
add_groupwise(struct reading_object *object)
{
    struct span path = exchange_first(object, "msExchGWiseAPIGatewayPath");
    buf_add_text(object->out, "    peer {\n");
    if (path.len > 0 && path.at[0] == '/') {
        if (!add_option(object, "        ", "root", "msExchGWiseAPIGatewayPath", path))
            path = SPAN("");
    } else {
        if (path.len > 0)
            exchange_comment(object->out, "        ", "msExchGWiseAPIGatewayPath", path,
                             "mount it, and name the folder where it is");
        path = SPAN("");
    }
    if (path.len == 0)
        buf_printf(object->out, "        root = \"/srv/%s/api\"\n", object->name);
    add_option(object, "        ", "domain", "msExchGWiseForeignDomain",
               exchange_first(object, "msExchGWiseForeignDomain"));
    buf_add_text(object->out, "    }\n");
}

static void
add_codepage(struct reading_object *object)
{
    char name[8];
    struct span text = exchange_first(object, "msExchPartnerCP");
    uint64_t number;
    if (text.len == 0)
        return;
    struct codepage *codepage = NULL;
    if (span_to_u64(text, 65535, &number)) {
        snprintf(name, sizeof name, "%u", (unsigned)number);
        codepage = codepage_new(name);
    }
    if (codepage != NULL)
        buf_printf(object->out, "    convert { codepage = \"%s\" }\n", name);
    else
        exchange_comment(object->out, "    ", "msExchPartnerCP", text, "no code page that is known here");
    codepage_free(codepage);
}

static bool
is_host(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!good)
            return false;
    }
    return text.len > 0 && text.len < 254;
}

/* An IPv6 address, as it stands in brackets. */
static bool
is_ipv6(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr("0123456789abcdefABCDEF:.", text.at[i], 24) == NULL)
            return false;
    return text.len > 1 && text.len < 46 && memchr(text.at, ':', text.len) != NULL;
}

/* "mail.example; [10.0.0.1]" */
static void
add_smart_hosts(struct reading_object *object)
{
    struct span rest = exchange_first(object, "msExchSmtpSmartHost");
    size_t n = 0;
    buf_add_text(object->out, "    peer { to = {");
    while (rest.len > 0) {
        size_t len = 0;
        while (len < rest.len && rest.at[len] != ';' && rest.at[len] != ',')
            len++;
        struct span one = span_trim((struct span){rest.at, len});
        if (one.len > 2 && one.at[0] == '[' && one.at[one.len - 1] == ']')
            one = (struct span){one.at + 1, one.len - 2};
        bool ipv6 = is_ipv6(one);
        if (ipv6 || is_host(one))
            buf_printf(object->out, "%s\"smtp://%s%.*s%s\"", n++ > 0 ? ", " : " ", ipv6 ? "[" : "",
                       (int)one.len, one.at, ipv6 ? "]" : "");
        len += len < rest.len;
        rest = (struct span){rest.at + len, rest.len - len};
    }
    if (n == 0)
        buf_printf(object->out, " \"smtp://%s.invalid\"", object->name);
    buf_add_text(object->out, " } }\n");
    if (n == 0)
        buf_add_text(object->out, "    # no smart host was named: peer.to says where its mail goes\n");
}

/* Systems for which there is no module here: their mail waits in a maildir. */
static void
add_other(struct reading_object *object)
{
    struct span type = exchange_first(object, "msExchConnectorType");
    exchange_comment(
        object->out, "    ", "msExchConnectorType", type.len > 0 ? type : span_of(object->kind->address_type),
        "what talks to this system is a module of its own; until it is there, mail for it lies in a maildir");
    buf_printf(object->out, "    peer { to = { \"maildir:///srv/%s/maildir\" } }\n", object->name);
}

static void
add_limit(struct reading_object *object)
{
    struct span text = exchange_first(object, "delivContLength");
    uint64_t kilobytes;
    if (text.len == 0)
        return;
    if (span_to_u64(text, UINT32_MAX, &kilobytes) && kilobytes > 0)
        buf_printf(object->out, "    limits { message = \"%lluK\" }\n", (unsigned long long)kilobytes);
    else
        exchange_comment(object->out, "    ", "delivContLength", text, "no limit");
}

/* ---- directory synchronisation ---- */

static bool
is_below(struct span dn, struct span base)
{
    return dn.len >= base.len && octets_equal_nocase(dn.at + dn.len - base.len, base.at, base.len) &&
           (dn.len == base.len || dn.at[dn.len - base.len - 1] == ',');
}

static void
add_container(struct reading_object *object, struct span value, struct span import, struct buf *list)
{
    size_t before = list->len;
    if (import.len > 0 && is_below(import, value)) {
        exchange_comment(object->out, "    ", "exportContainers", value,
                         "holds the import container: copies would come back");
        return;
    }
    buf_add_text(list, list->len > 0 ? ", " : " ");
    if (value.len > 0 && exchange_quote(value, list))
        return;
    list->len = before;
    exchange_comment(object->out, "    ", "exportContainers", value, "no text that could stand here");
}

static void
add_export(struct reading_object *object, struct span import)
{
    struct buf list = {0};
    struct span filter = exchange_first(object, "msExchDirsyncFilters");
    for (size_t i = 0; i < object->record->n_attributes; i++)
        if (ldif_is(&object->record->attributes[i], SPAN("exportContainers")))
            add_container(object, span_trim(object->record->attributes[i].value), import, &list);
    if (list.len > 0) {
        bool groups = is_true(object, "msExchExportDLs") || is_true(object, "msExchNotesExportGroups");
        buf_printf(object->out,
                   "    export {\n        containers = {%.*s }\n        groups = %s\n        contacts = %s\n",
                   (int)list.len, list.at, groups ? "contact" : "no",
                   is_true(object, "exportCustomRecipients") ? "yes" : "no");
        if (filter.len > 0 && filter.at[0] == '(')
            add_option(object, "        ", "filter", "msExchDirsyncFilters", filter);
        buf_add_text(object->out, "    }\n");
    }
    if (filter.len > 0 && (list.len == 0 || filter.at[0] != '('))
        exchange_comment(object->out, "    ", "msExchDirsyncFilters", filter,
                         list.len == 0 ? "nothing is exported" : "no LDAP filter for export");
    buf_clear(&list);
}

static void
add_import(struct reading_object *object, struct span container)
{
    struct span as = exchange_first(object, "msExchServer1AlwaysCreateAs");
    uint64_t number = 2;
    buf_add_text(object->out, "    import {\n");
    add_option(object, "        ", "container", "importContainer", container);
    if (as.len > 0 && !span_to_u64(as, 2, &number))
        exchange_comment(object->out, "        ", "msExchServer1AlwaysCreateAs", as, "neither 0, 1 nor 2");
    else if (as.len > 0)
        buf_printf(object->out, "        create-as = %s\n", exchange_create_word((int)number));
    buf_add_text(object->out, "    }\n");
}

static void
add_dirsync(struct reading_object *object, struct buf *sections)
{
    struct span import = exchange_first(object, "importContainer"), any;
    struct buf probe = {0};
    bool imports = import.len > 0 && exchange_quote(import, &probe);
    bool exports = ldif_value(object->record, SPAN("exportContainers"), 0, &any);
    buf_clear(&probe);
    if (!imports && !exports)
        return;
    size_t before = object->out->len;
    buf_printf(object->out, "dirsync \"%s\" {\n    connector = \"%s\"\n    directory = \"ad\"\n", object->name,
               object->name);
    take_schedule(object, "msExchDirsyncStyle", "msExchDirsyncSchedule", true, sections);
    if (object->kind->type == NULL || strcmp(object->kind->type, "gwise") != 0)
        buf_printf(object->out,
                   "    # whatever holds the foreign directory: an LDAP server, or files that are exchanged\n"
                   "    foreign { format = ldif  read = \"/srv/%s/from.ldif\"  write = \"/srv/%s/to.ldif\" }\n",
                   object->name, object->name);
    size_t empty = object->out->len;
    if (imports)
        add_import(object, import);
    add_export(object, imports ? import : SPAN(""));
    object->has_dirsync =
        imports || memmem(object->out->at + empty, object->out->len - empty, "    export {", 12) != NULL;
    buf_add_text(object->out, "}\n");
    if (object->has_dirsync)
        return;
    buf_consume(sections, sections->len); /* nothing is left to be synchronised */
    struct buf rest = {0};
    buf_add(&rest, object->out->at + empty, object->out->len - empty - 2);
    object->out->len = before;
    buf_add_span(object->out, buf_span(&rest));
    buf_clear(&rest);
}

/* ---- what has no counterpart ---- */

static void
add_others(struct reading_object *object)
{
    size_t n = 0;
    for (size_t i = 0; i < object->record->n_attributes; i++) {
        const struct ldif_attribute *attribute = &object->record->attributes[i];
        const char *text = "no counterpart";
        char name[80];
        if (is_any_of(attribute->name, used, COUNT_OF(used)) || n++ >= COMMENTS_MAX)
            continue;
        for (size_t k = 0; k < COUNT_OF(told); k++)
            if (span_equal_nocase(attribute->name, span_of(told[k].name)))
                text = told[k].text;
        snprintf(name, sizeof name, "%.*s", (int)(attribute->name.len < 79 ? attribute->name.len : 79),
                 attribute->name.at);
        exchange_comment(object->out, "    ", name, attribute->value, text);
    }
    if (n > COMMENTS_MAX)
        buf_printf(object->out, "    # ... and %zu more\n", n - COMMENTS_MAX);
}

void
exchange_object(struct reading_object *object)
{
    const char *type = object->kind->type;
    struct buf sections = {0};
    buf_printf(object->out, "connector \"%s\" {\n    type = \"%s\"\n", object->name,
               type != NULL ? type : "maildir");
    take_schedule(object, "activationStyle", "activationSchedule", false, &sections);
    if (type == NULL)
        add_other(object);
    else if (strcmp(type, "gwise") == 0)
        add_groupwise(object);
    else
        add_smart_hosts(object);
    if (type != NULL && strcmp(type, "gwise") == 0)
        add_codepage(object);
    add_limit(object);
    add_spaces(object);
    add_others(object);
    buf_add_text(object->out, "}\n");
    buf_add_span(object->out, buf_span(&sections));
    buf_reset(&sections);
    add_dirsync(object, &sections);
    buf_add_span(object->out, buf_span(&sections));
    buf_clear(&sections);
}
