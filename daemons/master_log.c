/* master_log.c - where the log goes: of the master, and of all workers, who inherit it as stderr (see master.h)
 *
 * In the foreground stderr is whoever watches. In the background it is often what must be let go: a terminal, on whose screen
 * a daemon has no business; the pipe of a script or of ssh, which would wait as long as we live. Then the log goes to syslog,
 * which is said, and where there is none either the start fails, since a daemon whose troubles nobody is told of is worse than
 * none. A file, and the journal's own stream, are meant to outlive the caller.
 *
 * A reload opens the target again: another one is taken, and a file that was moved away (log rotation) is begun anew. A worker has
 * what was stderr when it was started: those of the generation before end their days in the old file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "daemons/master.h"

/* sd-journal: JOURNAL_STREAM has device and inode of what stderr is, where that is the journal. */
static bool
is_journal(const struct stat *st)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && device == st->st_dev &&
           inode == st->st_ino;
}

static bool
stderr_outlives_caller(void)
{
    struct stat st;
    return fstat(STDERR_FILENO, &st) == 0 && (S_ISREG(st.st_mode) || is_journal(&st));
}

static int
open_syslog(void)
{
    int fd = log_open_target("syslog");
    if (fd < 0)
        fprintf(
            stderr,
            "viaduct-master: the log cannot go to stderr in the background, and there is no syslog (%s): set "
            "log { target = ... } to a file, or start with --foreground\n",
            strerror(-fd));
    else
        fprintf(stderr, "viaduct-master: the log goes to syslog: in the background stderr must be a file\n");
    return fd;
}

/* Before the first worker, who would keep what it inherits. */
static void
let_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    close(null);
}

/* A descriptor of its own, or -errno. */
static int
open_target(const struct master *master)
{
    int fd = log_open_target(master->root->log.target);
    if (fd != STDERR_FILENO)
        return fd;
    if (master->stderr_fd < 0)
        return open_syslog();
    fd = fcntl(master->stderr_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return fd < 0 ? -errno : fd;
}

static void
use_target(const struct master *master, int fd)
{
    const struct conf_log *log = &master->root->log;
    int level = log_level_by_word(log->level);
    log_flush();
    dup2(fd, STDERR_FILENO);
    close(fd);
    log_start("master", STDERR_FILENO, strcmp(log->format, "json") == 0,
              level < 0 ? LEVEL_MEDIUM : (enum log_level)level);
}

int
master_log_open(struct master *master)
{
    master->stderr_fd = master->foreground || stderr_outlives_caller()
                            ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                            : -1;
    int fd = open_target(master);
    if (fd < 0) {
        fprintf(stderr, "viaduct-master: cannot open the log target \"%s\": %s\n", master->root->log.target,
                strerror(-fd));
        return fd;
    }
    if (!master->foreground)
        let_go();
    use_target(master, fd);
    return 0;
}

void
master_log_reopen(const struct master *master)
{
    int fd = open_target(master);
    if (fd >= 0)
        use_target(master, fd);
    else
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL,
                "cannot open the log target \"%s\": %s; the log stays where it was", master->root->log.target,
                strerror(-fd));
}
