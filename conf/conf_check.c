/* conf_check.c - what no single option can tell: needs, and names
 *
 * Runs when every option is sound by itself. Each check blames the line of the option that is wrong, or the
 * line of its section where a default or an omission is.
 */
#include "conf/conf_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct conf_place *
conf_blame(const struct conf *conf, const void *member, const struct conf_place *section)
{
    const struct conf_place *place = conf_origin(conf, member);
    return place != NULL ? place : section;
}

void
conf_complain(const struct conf *conf, const void *member, const struct conf_place *section, struct buf *errors,
              const char *format, ...)
{
    struct conf_errors one = {.out = errors};
    char text[420];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    conf_error(&one, conf_blame(conf, member, section), "%s", text);
}

static bool
only(const char *text, const char *extra)
{
    for (const char *c = text; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr(extra, *c)))
            return false;
    return *text != '\0';
}

/* A name that can be a folder's, a counter's label and a word of a log line. */
static bool
is_name(const char *text)
{
    return only(text, "-_.") && strlen(text) <= 64 && text[0] != '.' && text[0] != '-';
}

/* A host or domain name: labels of letters (UTF-8 for IDNA), digits and hyphens (RFC 1035 section 2.3.1). */
static bool
is_domain(const char *text)
{
    size_t label = 0;
    for (const char *c = text; *c != '\0'; c++) {
        bool plain = (unsigned char)*c >= 0x80 || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '-' || *c == '_';
        if (*c == '.' ? label == 0 : !plain || ++label > 63)
            return false;
        if (*c == '.')
            label = 0;
    }
    return label > 0 && strlen(text) <= 255;
}

static bool
is_mail_address(const char *text)
{
    const char *at = strrchr(text, '@');
    return at != NULL && at > text && strpbrk(text, " \t<>,;\"") == NULL && is_domain(at + 1);
}

/* An address type: 1 to 20 letters and digits. */
static bool
is_address_type(struct span type)
{
    char text[21];
    if (type.len == 0 || type.len >= sizeof text)
        return false;
    memcpy(text, type.at, type.len);
    text[type.len] = '\0';
    return only(text, "");
}

static void
check_address(const struct conf *conf, struct conf_errors *errors, const char *const *member, const char *name,
              const struct conf_place *section)
{
    if (*member != NULL && !is_mail_address(*member))
        conf_error(errors, conf_blame(conf, member, section), "%s: \"%s\" is not an address like a@b.example",
                   name, *member);
}

void
conf_check_tls(const struct conf *conf, struct conf_errors *errors, const struct conf_tls *tls)
{
    const struct conf_place *mode = conf_blame(conf, &tls->mode, &tls->place);
    if ((tls->certificate == NULL) != (tls->key_file == NULL))
        conf_error(errors, &tls->place, "tls: certificate and key-file belong together, and only %s is set",
                   tls->certificate != NULL ? "certificate" : "key-file");
    if (span_equal(span_of(tls->mode), SPAN("pin")) && tls->pins.n == 0)
        conf_error(errors, mode, "tls: mode \"pin\" needs pins");
    for (size_t i = 0; i < tls->pins.n; i++) {
        const char *pin = tls->pins.at[i];
        if (strlen(pin) != 44 || pin[43] != '=' ||
            strspn(pin, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") != 43)
            conf_error(errors, conf_blame(conf, &tls->pins, &tls->place),
                       "pins: \"%s\" is not a SHA-256 digest in base64 (44 characters)", pin);
    }
}

/* A listener has clients, whose certificates it does not ask for. */
static void
check_listener_tls(const struct conf *conf, struct conf_errors *errors, const struct conf_tls *tls)
{
    const struct conf_place *mode = conf_blame(conf, &tls->mode, &tls->place);
    conf_check_tls(conf, errors, tls);
    if (span_equal(span_of(tls->mode), SPAN("verify")) || span_equal(span_of(tls->mode), SPAN("pin")))
        conf_error(errors, mode, "tls: mode \"%s\" is for peers; a listener takes none, may or encrypt",
                   tls->mode);
    if (span_equal(span_of(tls->mode), SPAN("encrypt")) && tls->certificate == NULL)
        conf_error(errors, mode, "tls: mode \"encrypt\" of a listener needs certificate and key-file");
}

/* TLS from the first byte that is switched off is no connection. */
static void
check_peer_tls(const struct conf *conf, struct conf_errors *errors, const struct conf_tls *tls,
               const struct conf_texts *to)
{
    conf_check_tls(conf, errors, tls);
    for (size_t i = 0; i < to->n; i++)
        if (span_equal(span_of(tls->mode), SPAN("none")) &&
            span_starts_nocase(span_of(to->at[i]), SPAN("smtps:")))
            conf_error(errors, conf_blame(conf, &tls->mode, &tls->place),
                       "tls: mode is \"none\", but %s needs TLS", to->at[i]);
}

static void
check_retry(const struct conf *conf, struct conf_errors *errors, const struct conf_retry *retry)
{
    const struct conf_place *first = conf_origin(conf, &retry->first_s);
    const struct conf_place *warn = conf_origin(conf, &retry->warn_s);
    struct buf a = {0}, b = {0};
    conf_value_print_time(retry->first_s, &a);
    conf_value_print_time(retry->max_s, &b);
    if (retry->first_s > retry->max_s)
        conf_error(errors, first != NULL ? first : conf_blame(conf, &retry->max_s, &retry->place),
                   "first (%s) is longer than max, the longest wait (%s)", a.at, b.at);
    /* Not so where the default of warn is behind an early give-up: nobody wrote that. */
    if (warn != NULL && retry->warn_s >= retry->give_up_s)
        conf_error(errors, warn, "warn is not before give-up: nobody would be told of a delay");
    buf_clear(&a);
    buf_clear(&b);
}

/* A limit of nothing would refuse all mail; who writes 0 means no limit, which there is not. */
static void
check_limits(const struct conf *conf, struct conf_errors *errors, const struct conf_limits *limits)
{
    enum { LEAST = 1024 };
    if (limits->message < LEAST)
        conf_error(errors, conf_blame(conf, &limits->message, &limits->place),
                   "message: at least 1K is needed");
    if (limits->header < LEAST)
        conf_error(errors, conf_blame(conf, &limits->header, &limits->place), "header: at least 1K is needed");
}

static void
check_host(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_host *host = &conf->root.host;
    const struct conf_place *place = conf_blame(conf, &host->domains, &host->place);
    if (host->domains.n == 0)
        conf_error(errors, place, "%sdomains is needed: host { domains = { \"DOMAIN\" } }",
                   host->set ? "" : "host: ");
    for (size_t i = 0; i < host->domains.n; i++)
        if (!is_domain(host->domains.at[i]))
            conf_error(errors, place, "domains: \"%s\" is not a domain's name", host->domains.at[i]);
    conf_check_sending(conf, errors, &host->schedule, &host->place);
    check_retry(conf, errors, &host->retry);
    check_limits(conf, errors, &host->limits);
    check_listener_tls(conf, errors, &host->smtp.tls);
    check_peer_tls(conf, errors, &host->deliver.tls, &host->deliver.to);
}

static void
check_spaces(const struct conf *conf, struct conf_errors *errors, const struct conf_connector *connector)
{
    for (size_t i = 0; i < connector->address_spaces_n; i++) {
        const struct conf_address_space *space = &connector->address_spaces[i];
        if (!is_address_type(span_of(space->type)))
            conf_error(errors, conf_blame(conf, &space->type, &space->place),
                       "type: \"%s\" is not an address type (1 to 20 letters and digits)", space->type);
        if (space->pattern[0] == '\0')
            conf_error(errors, conf_blame(conf, &space->pattern, &space->place),
                       "pattern is empty; \"*\" is all");
    }
}

static void
check_mapping(struct conf_errors *errors, const struct conf_mapping *mapping)
{
    for (size_t i = 0; i < mapping->rules_n; i++) {
        const struct conf_rule *rule = &mapping->rules[i];
        bool table = span_equal(span_of(rule->kind), SPAN("table"));
        if (table && rule->file == NULL)
            conf_error(errors, &rule->place, "rule \"%s\" is a table, which needs file", rule->title);
        if (table && (rule->in != NULL || rule->out != NULL))
            conf_error(errors, &rule->place,
                       "rule \"%s\" is a table, and in and out are for kind = \"template\"", rule->title);
        if (!table && rule->in == NULL && rule->out == NULL)
            conf_error(errors, &rule->place, "rule \"%s\" is a template, which needs in, out or both",
                       rule->title);
        if (!table && rule->file != NULL)
            conf_error(errors, &rule->place, "rule \"%s\" is a template, and file is for kind = \"table\"",
                       rule->title);
    }
}

/* What the systems that come with us cannot do without. */
static void
check_peer(const struct conf *conf, struct conf_errors *errors, const struct conf_connector *connector)
{
    const struct conf_peer *peer = &connector->peer;
    const struct conf_place *place = peer->set ? &peer->place : &connector->place;
    struct span type = span_of(connector->type);
    if (span_equal(type, SPAN("gwise")) && peer->root == NULL)
        conf_error(errors, place, "connector \"%s\": gwise needs peer { root = \"FOLDER\" }", connector->title);
    if (span_equal(type, SPAN("notes")) && peer->pickup == NULL && peer->drop == NULL)
        conf_error(errors, place,
                   "connector \"%s\": notes needs peer { pickup = \"FOLDER\"  drop = \"FOLDER\" }",
                   connector->title);
    if ((span_equal(type, SPAN("smtp")) || span_equal(type, SPAN("maildir"))) &&
        connector->address_spaces_n > 0 && peer->to.n == 0)
        conf_error(errors, place,
                   "connector \"%s\" has an address space, and no peer { to = ... } to bring mail to",
                   connector->title);
    check_peer_tls(conf, errors, &peer->tls, &peer->to);
}

static void
check_connector_name(const struct conf *conf, struct conf_errors *errors, size_t i)
{
    const struct conf_connector *connector = &conf->root.connectors[i];
    if (!is_name(connector->title))
        conf_error(
            errors, &connector->place,
            "connector \"%s\": its name is a folder's too: letters, digits, - _ . and at most 64 of them",
            connector->title);
    if (span_equal_nocase(span_of(connector->title), SPAN("host")))
        conf_error(errors, &connector->place, "connector \"%s\": this name is the host organisation's own",
                   connector->title);
}

/* By name without case, and in the order of the file where that is the same. */
static int
compare_names(const void *a, const void *b)
{
    const struct conf_connector *const *one = a, *const *other = b;
    int by_name = strcasecmp((*one)->title, (*other)->title);
    return by_name != 0 ? by_name : (*one < *other ? -1 : 1);
}

static void
check_same_names(const struct conf *conf, struct conf_errors *errors)
{
    size_t n = conf->root.connectors_n;
    const struct conf_connector **sorted = xcalloc(n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &conf->root.connectors[i];
    qsort(sorted, n, sizeof *sorted, compare_names);
    for (size_t i = 1; i < n; i++)
        if (strcasecmp(sorted[i - 1]->title, sorted[i]->title) == 0)
            conf_error(errors, &sorted[i]->place, "connector \"%s\" differs from \"%s\" by case only",
                       sorted[i]->title, sorted[i - 1]->title);
    free(sorted);
}

static void
check_connector(const struct conf *conf, struct conf_errors *errors, size_t i)
{
    const struct conf_connector *connector = &conf->root.connectors[i];
    check_connector_name(conf, errors, i);
    if (connector->type == NULL) {
        conf_error(errors, &connector->place, "connector \"%s\" needs type", connector->title);
        return;
    }
    if (!is_name(connector->type))
        conf_error(errors, conf_blame(conf, &connector->type, &connector->place),
                   "type: \"%s\" cannot be the name of a system", connector->type);
    conf_check_sending(conf, errors, &connector->schedule, &connector->place);
    check_spaces(conf, errors, connector);
    check_mapping(errors, &connector->mapping);
    check_peer(conf, errors, connector);
    check_retry(conf, errors, &connector->retry);
    check_limits(conf, errors, &connector->limits);
    check_listener_tls(conf, errors, &connector->smtp.tls);
}

static void
check_uids(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_privileges *privileges = &conf->root.privileges;
    const char *dash = strchr(privileges->uids, '-');
    uint64_t from = 0, to = 0;
    if (dash == NULL ||
        !span_to_u64((struct span){privileges->uids, (size_t)(dash - privileges->uids)}, UINT32_MAX - 1,
                     &from) ||
        !span_to_u64(span_of(dash + 1), UINT32_MAX - 1, &to) || from == 0 || to < from)
        conf_error(errors, conf_blame(conf, &privileges->uids, &privileges->place),
                   "uids: \"%s\" is not a range of user numbers like 62000-62999", privileges->uids);
}

static void
check_log(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_log *log = &conf->root.log;
    static const char *const targets[] = {"stderr", "syslog", "journal"};
    struct conf_nearest nearest = {0};
    bool known = log->target[0] == '/';
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        known = known || span_equal(span_of(targets[i]), span_of(log->target));
        conf_nearest_offer(&nearest, span_of(log->target), targets[i]);
    }
    if (!known)
        conf_error_nearest(errors, conf_blame(conf, &log->target, &log->place), &nearest,
                           "target: \"%s\" is neither stderr, syslog, journal nor a path that begins with /",
                           log->target);
}

void
conf_check(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_root *root = &conf->root;
    if (root->node == NULL || !is_domain(root->node))
        conf_error(errors, conf_blame(conf, &root->node, &root->place),
                   "node: \"%s\" is not a host's name; set node = \"NAME\"",
                   root->node != NULL ? root->node : "");
    if (root->spool[0] == '\0')
        conf_error(errors, conf_blame(conf, &root->spool, &root->place), "spool is empty");
    check_address(conf, errors, &root->admin_address, "admin-address", &root->place);
    check_address(conf, errors, &root->reports.from, "from", &root->reports.place);
    check_host(conf, errors);
    check_same_names(conf, errors);
    for (size_t i = 0; i < root->connectors_n; i++)
        check_connector(conf, errors, i);
    conf_check_times(conf, errors);
    conf_check_directories(conf, errors);
    conf_check_policies(conf, errors);
    check_uids(conf, errors);
    check_log(conf, errors);
    conf_check_net(conf, errors);
}
