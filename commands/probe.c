/* probe.c - looking at the other side without moving mail (see probe.h)
 *
 * A system's module tests its own peers (names, ports, greeting, TLS, log-on): it is called here as in a
 * gateway, with services that have no spool behind them. Where a module has no test, its folders are looked at.
 */
#include "commands/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/become.h"
#include "commands/kit.h"
#include "systems/registry.h"

/* ---- one connector ---- */

/* Where it is told, and of what. One look at a time: nothing is asked twice. */
static struct {
    struct findings *findings; /* NULL: printed */
    const char *subject;
} told;

static void
print_line(void *arg, const char *text)
{
    (void)arg;
    finding(told.findings, "live", told.subject, "  %s", text);
    fflush(stdout);
}

static int
probe_folder(const char *what, const char *path, int mode)
{
    if (path == NULL)
        return EXIT_DONE;
    if (access(path, mode | X_OK) == 0) {
        finding(told.findings, "live", told.subject, "  %s %s is there and can be used by user %u", what, path,
                geteuid());
        return EXIT_DONE;
    }
    finding(told.findings, "live", told.subject, "  %s %s, as user %u: %s", what, path, geteuid(),
            strerror(errno));
    return EXIT_UNREACHABLE;
}

static int
probe_folders(const struct conf_connector *connector)
{
    if (connector == NULL)
        return EXIT_DONE;
    int root = probe_folder("folder", connector->peer.root, R_OK | W_OK);
    int pickup = probe_folder("pickup folder", connector->peer.pickup, R_OK | W_OK);
    int drop = probe_folder("drop folder", connector->peer.drop, W_OK);
    return root != EXIT_DONE ? root : pickup != EXIT_DONE ? pickup : drop;
}

static int
run_test(const struct viaduct_outbound_ops *ops, struct viaduct_gateway *gateway)
{
    struct viaduct_reason reason = {0};
    void *state = NULL;
    gateway->base = event_base_new();
    if (gateway->base == NULL)
        return command_fail(EXIT_NOTHING, "no event loop: %s", strerror(errno));
    int r = EXIT_DONE;
    if (ops->prepare(&kit_services, gateway, &state, &reason) < 0) {
        finding(told.findings, "live", told.subject, "  cannot be prepared: %s", reason.text);
        r = EXIT_UNREACHABLE;
    } else {
        r = ops->test(state, print_line, NULL) < 0 ? EXIT_UNREACHABLE : EXIT_DONE;
        if (ops->finish != NULL)
            ops->finish(state);
    }
    event_base_free(gateway->base);
    return r;
}

static int
probe_here(const struct command *command, const struct conf_connector *connector)
{
    struct viaduct_gateway gateway = {.root = command->root, .connector = connector};
    struct why why;
    told.subject = connector != NULL ? connector->title : "host";
    gateway.quiet = told.findings != NULL && told.findings->listed;
    if (!gateway.quiet)
        printf("%s\n", told.subject);
    const struct viaduct_system *system = registry_for(command->root, connector, false, &why);
    if (system == NULL) {
        finding(told.findings, "live", told.subject, "  %s", why.text);
        return EXIT_CONFIG;
    }
    int r = probe_folders(connector);
    const struct viaduct_outbound_ops *ops = system->outbound;
    bool has_test = ops != NULL && ops->size > offsetof(struct viaduct_outbound_ops, test) && ops->test != NULL;
    if (r == EXIT_DONE && has_test)
        r = run_test(ops, &gateway);
    else if (r == EXIT_DONE)
        finding(told.findings, "live", told.subject, "  the system \"%s\" has no test of its own",
                system->name);
    kit_clear(&gateway);
    return r;
}

struct look {
    const struct command *command;
    const struct conf_connector *connector;
    pid_t asked_by;
};

static int
probe_as_gateway(void *arg)
{
    struct look *look = arg;
    if (getpid() != look->asked_by &&
        told.findings != NULL) /* the parent sorts what it knows; this cannot reach it */
        told.findings->listing.sort = told.findings->listing.n_fields;
    return probe_here(look->command, look->connector);
}

/* What root may do proves nothing for the gateway: root tests as its user. */
static int
probe_connector(const struct command *command, const struct conf_connector *connector)
{
    struct look look = {command, connector, getpid()};
    return command_become(command, WORKER_OUTBOUND, FOLDER_MTS_OUT,
                          connector != NULL ? connector->title : "host", probe_as_gateway, &look);
}

int
connector_test(struct command *command)
{
    const char *name = command->n_operands == 1 ? command->operands[0] : NULL;
    if (name == NULL)
        return command_usage(command, "which connector?");
    const struct conf_connector *connector = conf_connector_find(command->root, name);
    if (connector == NULL && strcmp(name, "host") != 0)
        return command_fail(EXIT_USAGE, "there is no connector \"%s\"; `viaduct connector list` shows them",
                            name);
    int r = probe_connector(command, connector);
    printf("%s: %s\n", name, r == EXIT_DONE ? "works; no mail was moved" : "does not work");
    return r;
}

/* ---- the rest of `check --live` ---- */

static int
connect_within(const struct addrinfo *at, int timeout_ms)
{
    int error = 0;
    socklen_t len = sizeof error;
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0)
        return errno;
    if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        error = errno;
        if (error == EINPROGRESS)
            error = poll(&wait, 1, timeout_ms) != 1                          ? ETIMEDOUT
                    : getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno
                                                                             : error;
    }
    close(fd);
    return error;
}

/* ldap://host[:port]/... */
static int
probe_directory(const char *url)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char host[256];
    const char *start = strstr(url, "://");
    bool tls = strncmp(url, "ldaps", 5) == 0;
    if (start == NULL)
        return EXIT_DONE;
    start += 3;
    size_t len = *start == '[' ? strcspn(start, "]") : strcspn(start, ":/");
    bool literal = *start == '[' && start[len] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(literal ? len - 1 : len), literal ? start + 1 : start);
    const char *rest = start + len + literal;
    char port[8];
    snprintf(port, sizeof port, "%.*s", *rest == ':' ? (int)strcspn(rest + 1, "/") : 3,
             *rest == ':' ? rest + 1
             : tls        ? "636"
                          : "389");
    int r = getaddrinfo(host, port, &hints, &list);
    if (r != 0) {
        finding(told.findings, "live", told.subject, "  directory %s: %s", url, gai_strerror(r));
        return EXIT_UNREACHABLE;
    }
    int error = ENOENT;
    for (const struct addrinfo *at = list; at != NULL && error != 0; at = at->ai_next)
        error = connect_within(at, 10000);
    freeaddrinfo(list);
    finding(told.findings, "live", told.subject, "  directory %s: %s", url,
            error == 0 ? "answers" : strerror(error));
    return error == 0 ? EXIT_DONE : EXIT_UNREACHABLE;
}

int
probe_all(const struct command *command, struct findings *findings)
{
    told.findings = findings;
    int r = probe_connector(command, NULL);
    told.subject = "directory";
    for (size_t i = 0; i < command->root->host.directories_n; i++) {
        const struct conf_texts *urls = &command->root->host.directories[i].url;
        for (size_t u = 0; u < urls->n; u++) {
            int one = probe_directory(urls->at[u]);
            r = r != EXIT_DONE ? r : one;
        }
    }
    for (size_t i = 0; i < command->root->connectors_n; i++) {
        int one = probe_connector(command, &command->root->connectors[i]);
        r = r != EXIT_DONE ? r : one;
    }
    return r;
}
