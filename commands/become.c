/* become.c - doing what a worker does, as the worker's user (see become.h) */
#include "commands/become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ownership.h"
#include "common/secret.h"

/* The user of a spool that no master of root's has dealt out: whoever runs it. */
static int
take_owner(const struct stat *st, struct identity *identity)
{
    *identity = (struct identity){.uid = st->st_uid, .gid = st->st_gid};
    return 1;
}

/* Who the worker is when root starts it. */
static int
take_worker(const struct command *command, int spool, enum worker_id worker, const char *connector,
            const struct stat *st, struct identity *identity)
{
    struct why why = {"", ""};
    struct ownership *ownership = ownership_open(spool, command->root, &why);
    int r = ownership == NULL
                ? -EINVAL
                : ownership_identity(ownership, worker, worker_table[worker].per == PER_ONE ? "" : connector,
                                     identity, &why);
    ownership_free(ownership);
    if (r < 0)
        return -command_fail(EXIT_NOTHING, "who the worker %s is cannot be told: %s",
                             worker_table[worker].program, why.text);
    if (identity->uid == st->st_uid)
        return 1;
    return -command_fail(EXIT_NOTHING,
                         "a folder of the worker %s belongs to user %u, and the worker is user %u: `viaduct "
                         "spool check` tells more, and a start of the daemons gives each folder to its own",
                         worker_table[worker].program, st->st_uid, identity->uid);
}

/* As whom root is to work: 1; 0 where it is not root, or the folder is root's own; else an exit code, negative, after saying why.
 * What root itself made there the worker could not read. */
static int
find_identity(const struct command *command, enum worker_id worker, enum folder folder, const char *connector,
              struct identity *identity)
{
    struct stat st;
    char path[SPOOL_PATH_MAX];
    int spool = geteuid() == 0 ? open(command->root->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int state = spool >= 0 ? folder_open(spool, FOLDER_STATE, NULL) : -1;
    int r = 0;
    if (spool >= 0 && folder_path(folder, connector, path) == 0 && fstatat(spool, path, &st, 0) == 0 &&
        st.st_uid != 0)
        r = state >= 0 && ownership_known(state) ? take_worker(command, spool, worker, connector, &st, identity)
                                                 : take_owner(&st, identity);
    if (state >= 0)
        close(state);
    if (spool >= 0)
        close(spool);
    return r;
}

_Noreturn static void
child(const struct command *command, enum worker_id worker, const char *connector,
      const struct identity *identity, int (*work)(void *arg), void *arg)
{
    char *secrets = secrets_open(command->root, worker, connector != NULL ? connector : "");
    if (secrets != NULL)
        putenv(secrets); /* stays */
    if (setgroups(identity->n_groups, identity->groups) < 0 || setgid(identity->gid) < 0 ||
        setuid(identity->uid) < 0)
        _exit(command_fail_errno(errno, "cannot become the user %u of the worker %s", identity->uid,
                                 worker_table[worker].program));
    int r = work(arg);
    fflush(NULL);
    _exit(r);
}

int
command_become(const struct command *command, enum worker_id worker, enum folder folder, const char *connector,
               int (*work)(void *arg), void *arg)
{
    struct identity identity = {0};
    int status = 0;
    int known = find_identity(command, worker, folder, connector, &identity);
    if (known <= 0) {
        free(identity.groups);
        return known == 0 ? work(arg) : -known;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(command, worker, connector, &identity, work, arg);
    free(identity.groups);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0)
        return command_fail_errno(errno, "no process for the work");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BUG;
}
