/* readiness.c - whether workers could start with a configuration (see readiness.h) */
#include "systems/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/dsn.h"
#include "common/log.h"
#include "common/mapping.h"
#include "systems/mime/charset.h"
#include "systems/registry.h"
#include "systems/smtp/tls.h"

enum { CHILD_S = 60 };

struct check {
    const struct conf *conf;
    const struct conf_root *root;
    struct buf *errors;
};

/* ---- TLS ---- */

static void
check_server_tls(struct check *check, const struct conf_tls *tls)
{
    struct why why;
    enum tls_mode mode = tls_mode_by_word(tls->mode);
    if (mode == TLS_NONE || (tls->certificate == NULL && mode == TLS_MAY))
        return;
    SSL_CTX *context = tls_server_new(tls, &why);
    if (context == NULL)
        conf_complain(check->conf, tls->certificate != NULL ? (const void *)&tls->certificate : &tls->mode,
                      &tls->place, check->errors, "tls of a listener: %s", why.text);
    SSL_CTX_free(context);
}

static void
check_client_tls(struct check *check, const struct conf_tls *tls)
{
    struct why why;
    struct tls_client *client = tls_client_new(tls, &why);
    const void *blamed = tls->ca_file != NULL && strstr(why.text, tls->ca_file) != NULL ? &tls->ca_file
                         : tls->certificate != NULL                                     ? &tls->certificate
                                                    : (const void *)&tls->mode;
    if (client == NULL)
        conf_complain(check->conf, blamed, &tls->place, check->errors, "tls of a peer: %s", why.text);
    tls_client_free(client);
}

/* ---- the rest ---- */

static void
check_group(struct check *check, const char *const *member, const struct conf_place *place)
{
    const struct group *group = *member != NULL ? getgrnam(*member) : NULL;
    if (*member == NULL || (group != NULL && group->gr_gid != 0))
        return;
    conf_complain(check->conf, member, place, check->errors,
                  group == NULL ? "group: \"%s\" does not exist on this machine; `groupadd` makes one"
                                : "group: \"%s\" is root's, which no worker gets",
                  *member);
}

static void
check_templates(struct check *check)
{
    const struct conf_reports *reports = &check->root->reports;
    struct dsn_texts texts;
    struct why why;
    if (dsn_texts_load(&texts, reports->templates, &why) < 0)
        conf_complain(check->conf, &reports->templates, &reports->place, check->errors,
                      "templates: %s; without it the texts that are installed are used", why.text);
    else
        dsn_texts_clear(&texts);
}

/* Only who could start viaduct here can tell whether it could write there. */
static bool
is_ours_to_start(const struct conf_root *root)
{
    struct stat st;
    return geteuid() == 0 || stat(root->spool, &st) < 0 || st.st_uid == geteuid();
}

/* Nothing is made or written. 0 or -errno. */
static int
try_log_file(const char *path)
{
    struct stat st;
    char folder[4096];
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? -EISDIR : access(path, W_OK) < 0 ? -errno : 0;
    if (errno != ENOENT)
        return -errno;
    const char *slash = strrchr(path, '/');
    int len = slash == path ? 1 : (int)(slash - path);
    if ((size_t)snprintf(folder, sizeof folder, "%.*s", len, path) >= sizeof folder)
        return -ENAMETOOLONG;
    return access(folder, W_OK | X_OK) < 0 ? -errno : 0;
}

static int
try_log_socket(const char *target)
{
    int fd = log_open_target(target);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

static void
check_log(struct check *check)
{
    const struct conf_log *log = &check->root->log;
    if (strcmp(log->target, "stderr") == 0)
        return;
    int r = log->target[0] == '/' ? try_log_file(log->target) : try_log_socket(log->target);
    if (r < 0 && (r != -EACCES || is_ours_to_start(check->root)))
        conf_complain(check->conf, &log->target, &log->place, check->errors,
                      "target: the log cannot be written to %s: %s", log->target, strerror(-r));
}

/* What a module from outside calls its addresses only its code can tell: then the connector's first address space does. */
static void
check_mapping(struct check *check, const struct conf_connector *connector)
{
    const struct viaduct_system *system = registry_builtin_for(check->root, connector, true);
    const char *type = system != NULL                    ? system->address_type
                       : connector->address_spaces_n > 0 ? connector->address_spaces[0].type
                                                         : NULL;
    if (type != NULL)
        mapping_free(mapping_new(&connector->mapping, span_of(type), check->errors));
}

static void
check_codepage(struct check *check, const struct conf_connector *connector)
{
    struct codepage *codepage = codepage_new(connector->convert.codepage);
    if (codepage == NULL)
        conf_complain(check->conf, &connector->convert.codepage, &connector->convert.place, check->errors,
                      "codepage: \"%s\" is no code page known here", connector->convert.codepage);
    codepage_free(codepage);
}

/* Converters know zones by tables of their own; here the machine's are asked, where it has them. */
static void
check_timezone(struct check *check, const struct conf_connector *connector)
{
    static const char folder[] = "/usr/share/zoneinfo";
    const char *name = connector->convert.timezone;
    struct stat status;
    char path[256];
    if (name == NULL || stat(folder, &status) < 0)
        return;
    bool fine = name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL &&
                (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path &&
                stat(path, &status) == 0 && S_ISREG(status.st_mode);
    if (!fine)
        conf_complain(check->conf, &connector->convert.timezone, &connector->convert.place, check->errors,
                      "timezone: \"%s\" is no time zone known here; it is written like Europe/Berlin", name);
}

static void
check_connector(struct check *check, const struct conf_connector *connector)
{
    struct why why;
    if (registry_check(check->root, connector->type, &why) < 0)
        conf_complain(check->conf, &connector->type, &connector->place, check->errors, "type: %s", why.text);
    check_group(check, &connector->group, &connector->place);
    check_server_tls(check, &connector->smtp.tls);
    check_client_tls(check, &connector->peer.tls);
    check_mapping(check, connector);
    if (strcmp(connector->type, "gwise") == 0)
        check_codepage(check, connector);
    if (strcmp(connector->type, "gwise") == 0)
        check_timezone(check, connector);
}

static void
check_all(struct check *check)
{
    const struct conf_host *host = &check->root->host;
    check_log(check);
    check_templates(check);
    check_group(check, &host->group, &host->place);
    check_server_tls(check, &host->smtp.tls);
    check_client_tls(check, &host->deliver.tls);
    for (size_t i = 0; i < check->root->connectors_n; i++)
        check_connector(check, &check->root->connectors[i]);
}

/* ---- in a child ---- */

_Noreturn static void
run_child(const struct conf *conf, int out)
{
    struct buf errors = {0};
    struct check check = {conf, conf_root(conf), &errors};
    sigset_t alarm_only;
    signal(SIGALRM, SIG_DFL);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    alarm(CHILD_S);
    check_all(&check);
    readiness_check_files(conf, &errors);
    for (size_t at = 0; at < errors.len;) {
        ssize_t n = write(out, errors.at + at, errors.len - at);
        if (n <= 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    _exit(errors.len > 0);
}

static void
read_all(int fd, struct buf *out)
{
    char block[4096];
    for (ssize_t n = 1; n > 0 || (n < 0 && errno == EINTR);) {
        n = read(fd, block, sizeof block);
        if (n > 0)
            buf_add(out, block, (size_t)n);
    }
}

int
readiness_check(const struct conf *conf, struct buf *errors)
{
    int ends[2] = {-1, -1}, status = 0;
    fflush(NULL);
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    int failed = pid < 0 ? errno : 0;
    if (pid == 0)
        run_child(conf, ends[1]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (failed == 0)
        read_all(ends[0], errors);
    if (ends[0] >= 0)
        close(ends[0]);
    while (failed == 0 && waitpid(pid, &status, 0) < 0)
        failed = errno == EINTR ? 0 : errno;
    if (failed != 0)
        buf_printf(errors, "the files that the configuration names cannot be checked: %s\n", strerror(failed));
    else if (WIFSIGNALED(status))
        buf_printf(errors, "the check of the files that the configuration names was ended by signal %d (%s)\n",
                   WTERMSIG(status), strsignal(WTERMSIG(status)));
    return failed == 0 && status == 0 ? 0 : -EINVAL;
}
