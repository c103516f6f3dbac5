/* readiness_files.c - whether the workers that need a file may read it (see readiness.h)
 *
 * Root reads everything, and so tells nothing of what a worker could: each has a user of its own. So for each file and each worker
 * that opens it, the file is opened once as that worker. Private keys are not among them: the master opens these, and hands them
 * over. A worker that no master has started has no number yet; then it is judged with one that is nobody's.
 *
 * SECURITY: changes the effective user of its process, which has to be one that does nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/dsn.h"
#include "common/ownership.h"
#include "systems/readiness.h"
#include "systems/registry.h"
#include "systems/smtp/tls.h"

struct files {
    const struct conf *conf;
    const struct conf_root *root;
    struct ownership *ownership;
    struct buf *errors;
};

/* Where a path stands in the configuration. */
struct named {
    const char *option;
    const void *member;
    const struct conf_place *place;
};

/* ---- as a worker ---- */

static void
become_root(void)
{
    if (seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0)
        _exit(1);
}

/* 0 or -errno. Where this root may become nobody else, nothing is known. */
static int
open_as(const struct identity *identity, const char *path)
{
    int fd = -1, r = 0;
    if (setgroups(identity->n_groups, identity->groups) == 0 && setegid(identity->gid) == 0 &&
        seteuid(identity->uid) == 0) {
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        r = fd < 0 ? -errno : 0;
    }
    become_root();
    if (fd >= 0)
        close(fd);
    return r;
}

static bool
is_gateway(enum worker_id worker)
{
    return worker == WORKER_INBOUND || worker == WORKER_OUTBOUND;
}

/* What is not there, or no file, others tell. True where it can be read, or it is not known. */
static bool
check_file(struct files *files, enum worker_id worker, const char *connector, const char *path,
           struct named named)
{
    struct identity identity = {.groups = NULL};
    struct why why;
    int r = ownership_foresee(files->ownership, worker, connector, &identity, &why);
    if (r == 0)
        r = open_as(&identity, path);
    free(identity.groups);
    if (r != -EACCES && r != -EPERM)
        return true;
    conf_complain(files->conf, named.member, named.place, files->errors,
                  "%s: %s can be read by root, and not by the worker %s%s%s, which has a user of its own; %s",
                  named.option, path, worker_table[worker].program, connector[0] != '\0' ? "-" : "", connector,
                  is_gateway(worker)
                      ? "make it and its folders readable by all, or by the group that `group` names"
                      : "make it and its folders readable by all");
    return false;
}

/* ---- what each of them reads ---- */

static void
check_tls(struct files *files, enum worker_id worker, const char *connector, const struct conf_tls *tls)
{
    if (tls_mode_by_word(tls->mode) == TLS_NONE)
        return;
    if (tls->certificate != NULL)
        check_file(files, worker, connector, tls->certificate,
                   (struct named){"certificate", &tls->certificate, &tls->place});
    if (tls->ca_file != NULL)
        check_file(files, worker, connector, tls->ca_file,
                   (struct named){"ca-file", &tls->ca_file, &tls->place});
}

/* Converters first: they do not get the connector's group. */
static const enum worker_id of_connector[] = {WORKER_INBOUND_CONVERTER, WORKER_OUTBOUND_CONVERTER,
                                              WORKER_INBOUND, WORKER_OUTBOUND};

/* By all workers of a connector; the first that cannot read it is named. */
static void
check_file_for_all(struct files *files, const struct conf_connector *connector, const char *path,
                   struct named named)
{
    const struct viaduct_system *system = registry_builtin_for(files->root, connector, true);
    for (size_t i = 0; i < COUNT_OF(of_connector); i++)
        if ((system == NULL || registry_has_part(system, of_connector[i])) &&
            !check_file(files, of_connector[i], connector->title, path, named))
            return;
}

static void
check_connector(struct files *files, const struct conf_connector *connector)
{
    char path[REGISTRY_PATH_SIZE];
    struct why why;
    check_tls(files, WORKER_INBOUND, connector->title, &connector->smtp.tls);
    check_tls(files, WORKER_OUTBOUND, connector->title, &connector->peer.tls);
    for (size_t i = 0; i < connector->mapping.rules_n; i++) {
        const struct conf_rule *rule = &connector->mapping.rules[i];
        if (rule->file != NULL)
            check_file_for_all(files, connector, rule->file, (struct named){"file", &rule->file, &rule->place});
    }
    if (registry_find_builtin(connector->type) == NULL &&
        registry_path(files->root, connector->type, path, &why) == 0)
        check_file_for_all(files, connector, path, (struct named){"type", &connector->type, &connector->place});
}

static void
check_templates(struct files *files)
{
    const struct conf_reports *reports = &files->root->reports;
    struct named named = {"templates", &reports->templates, &reports->place};
    if (reports->templates == NULL || !check_file(files, WORKER_BOUNCER, "", reports->templates, named))
        return;
    for (int i = 0; i < DSN_TEXT_COUNT; i++) {
        char *path = xasprintf("%s/%s", reports->templates, dsn_text_file((enum dsn_text)i));
        check_file(files, WORKER_BOUNCER, "", path, named);
        free(path);
    }
}

static void
check_sources(struct files *files)
{
    const struct conf_book *book = &files->root->book;
    for (size_t i = 0; i < book->source.n; i++)
        check_file(files, WORKER_DIRSYNC, "", book->source.at[i],
                   (struct named){"source", &book->source, &book->place});
}

/* A spool that belongs to somebody else than root is run by him, with one user for all. */
static bool
has_own_users(int spool_fd)
{
    struct stat st;
    return geteuid() == 0 && (spool_fd < 0 || fstat(spool_fd, &st) < 0 || st.st_uid == 0);
}

void
readiness_check_files(const struct conf *conf, struct buf *errors)
{
    struct files files = {conf, conf_root(conf), NULL, errors};
    struct why why;
    int spool = open(files.root->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (has_own_users(spool))
        files.ownership = ownership_open(spool, files.root, &why);
    if (files.ownership != NULL) {
        check_tls(&files, WORKER_INBOUND, "host", &files.root->host.smtp.tls);
        check_tls(&files, WORKER_OUTBOUND, "host", &files.root->host.deliver.tls);
        check_templates(&files);
        check_sources(&files);
        for (size_t i = 0; i < files.root->connectors_n; i++)
            check_connector(&files, &files.root->connectors[i]);
    }
    ownership_free(files.ownership);
    if (spool >= 0)
        close(spool);
}
