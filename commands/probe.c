/* probe.c - looking at the other side without moving mail (see probe.h)
 *
 * A system's module tests its own peers (names, ports, greeting, TLS, log-on): it is called here as in a
 * gateway, with services that have no spool behind them. Where a module has no test, its folders are looked at.
 */
#include "commands/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/become.h"
#include "commands/kit.h"
#include "directory/ldap.h"
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

/* One server of a directory. */
struct server_look {
    struct conf_directory directory; /* with one URL */
    pid_t asked_by;
};

static void
print_note(void *arg, const char *text)
{
    print_line(arg, text);
}

static const char *
name_changes(enum ldap_changes changes)
{
    static const char *const names[] = {[LDAP_CHANGES_NONE] = "reading all",
                                        [LDAP_CHANGES_DIRSYNC] = "DirSync",
                                        [LDAP_CHANGES_USN] = "update numbers",
                                        [LDAP_CHANGES_SYNCREPL] = "syncrepl"};
    return names[changes];
}

/* A session as dirsync has it: connected, verified, logged on. */
static int
look_at_server(void *arg)
{
    struct server_look *look = arg;
    const struct conf_directory *directory = &look->directory;
    struct why why = {"", ""};
    if (getpid() != look->asked_by && told.findings != NULL)
        told.findings->listing.sort = told.findings->listing.n_fields;
    struct ldap_link *link =
        ldap_link_new(directory, monotonic_ms() + 2000 * directory->timeout_s, print_note, NULL, &why);
    int r = link == NULL ? -EINVAL : ldap_link_open(link, &why);
    if (r < 0)
        finding(told.findings, "live", told.subject, "  directory %s: %s", directory->url.at[0], why.text);
    else
        finding(told.findings, "live", told.subject, "  directory %s: answers (%s; changes are found by %s)",
                directory->url.at[0],
                ldap_link_server(link)->active_directory ? "Active Directory" : "an LDAP server",
                name_changes(ldap_changes_of(link)));
    ldap_link_free(link);
    return r < 0 ? EXIT_UNREACHABLE : EXIT_DONE;
}

/* Each of its servers, since one that fails over is found too late. */
static int
probe_directory(const struct command *command, const struct conf_directory *directory)
{
    int r = EXIT_DONE;
    for (size_t i = 0; i < directory->url.n; i++) {
        struct server_look look = {.directory = *directory, .asked_by = getpid()};
        look.directory.url.at = &directory->url.at[i];
        look.directory.url.n = 1;
        int one = command_become(command, WORKER_DIRSYNC, FOLDER_DIRSYNC, NULL, look_at_server, &look);
        r = r != EXIT_DONE ? r : one;
    }
    return r;
}

static int
probe_directories(const struct command *command)
{
    const struct conf_root *root = command->root;
    int r = EXIT_DONE;
    told.subject = "directory";
    for (size_t i = 0; i < root->host.directories_n; i++) {
        int one = probe_directory(command, &root->host.directories[i]);
        r = r != EXIT_DONE ? r : one;
    }
    for (size_t i = 0; i < root->dirsyncs_n; i++) {
        const struct conf_foreign *foreign = &root->dirsyncs[i].foreign;
        int one = span_equal(span_of(foreign->format), SPAN("ldap"))
                      ? probe_directory(command, &foreign->directory)
                      : EXIT_DONE;
        r = r != EXIT_DONE ? r : one;
    }
    return r;
}

int
probe_all(const struct command *command, struct findings *findings)
{
    told.findings = findings;
    int r = probe_connector(command, NULL);
    int directories = probe_directories(command);
    r = r != EXIT_DONE ? r : directories;
    for (size_t i = 0; i < command->root->connectors_n; i++) {
        int one = probe_connector(command, &command->root->connectors[i]);
        r = r != EXIT_DONE ? r : one;
    }
    return r;
}
