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

/* Who the worker is when root starts it; false where root does not, or never has. */
static bool
find_identity(const struct command *command, enum worker_id worker, enum folder folder, const char *connector,
              struct identity *identity)
{
    struct why why;
    struct stat st;
    char path[SPOOL_PATH_MAX];
    int spool = geteuid() == 0 ? open(command->root->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool known = spool >= 0 && folder_path(folder, connector, path) == 0 && fstatat(spool, path, &st, 0) == 0 &&
                 st.st_uid != 0;
    struct ownership *ownership = known ? ownership_open(spool, command->root, &why) : NULL;
    known = ownership != NULL &&
            ownership_identity(ownership, worker, worker_table[worker].per == PER_ONE ? "" : connector,
                               identity, &why) == 0 &&
            identity->uid == st.st_uid;
    ownership_free(ownership);
    if (spool >= 0)
        close(spool);
    return known;
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
    if (!find_identity(command, worker, folder, connector, &identity)) {
        free(identity.groups);
        return work(arg);
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
