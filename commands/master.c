/* master.c - start, stop, reload: the master is told by signals, and found by the lock it holds */
#include "commands/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands/command.h"

#ifndef VIADUCT_LIBEXECDIR
#define VIADUCT_LIBEXECDIR "/usr/local/libexec/viaduct"
#endif

/* What the master understands: TERM ends it, HUP reads the configuration anew, USR1 drains and ends it. */
enum { SIGNAL_STOP = SIGTERM, SIGNAL_RELOAD = SIGHUP, SIGNAL_DRAIN = SIGUSR1 };

static void
pause_ms(long ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

static int
not_running(const struct command *command)
{
    return command_fail(EXIT_NOT_RUNNING, "no master runs on the spool %s; `viaduct start` starts one",
                        command->spool_path);
}

/* ---- start ---- */

static void
exec_master(const struct command *command)
{
    const char *folder = getenv("VIADUCT_LIBEXECDIR");
    char *program =
        xasprintf("%s/viaduct-master", folder != NULL && folder[0] != '\0' ? folder : VIADUCT_LIBEXECDIR);
    char *conf = xstrdup(command->conf_path);
    char name[] = "viaduct-master", option[] = "-c";
    char *argv[] = {name, option, conf, NULL};
    execv(program, argv);
    command_fail(EXIT_NOT_RUNNING, "cannot run %s: %s", program, strerror(errno));
    free(program);
    free(conf);
}

/* The master is up when it holds its lock; it has failed when it exits before. */
static int
wait_for_start(const struct command *command, pid_t child)
{
    pid_t pid;
    int status = 0;
    for (int i = 0; i < 300; i++) {
        int fd = open(command->spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool up = fd >= 0 && master_runs(fd, &pid) && pid > 0;
        if (fd >= 0)
            close(fd);
        if (up) {
            printf("the master runs (pid %d)\n", (int)pid);
            return EXIT_DONE;
        }
        if (waitpid(child, &status, WNOHANG) == child)
            return command_fail(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG ? EXIT_CONFIG
                                                                                        : EXIT_NOT_RUNNING,
                                "the master ended at once (%s %d); what it said stands above or in the log",
                                WIFSIGNALED(status) ? "signal" : "status",
                                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        pause_ms(100);
    }
    return command_fail(EXIT_NOT_RUNNING, "the master (pid %d) has not said in 30 seconds that it runs",
                        (int)child);
}

int
master_start(struct command *command)
{
    pid_t pid;
    if (command->spool_fd >= 0 && master_runs(command->spool_fd, &pid))
        return command_fail(EXIT_REFUSED, "a master runs already (pid %d)", (int)pid);
    if (command_has(command, OPTION_FOREGROUND)) {
        exec_master(command);
        return EXIT_NOT_RUNNING;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return command_fail_errno(errno, "cannot start the master");
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        setsid();
        if (null >= 0) {
            dup2(null, STDIN_FILENO);
            dup2(null, STDOUT_FILENO);
        }
        exec_master(command);
        _exit(EXIT_NOT_RUNNING);
    }
    return wait_for_start(command, child);
}

/* ---- stop and reload ---- */

static int
send_signal(const struct command *command, int number, pid_t *pid)
{
    if (!master_runs(command->spool_fd, pid))
        return not_running(command);
    if (*pid <= 1)
        return command_fail(EXIT_NOTHING, "a master holds its lock, but its state file names no pid");
    if (kill(*pid, number) < 0)
        return errno == ESRCH ? not_running(command)
                              : command_fail_errno(errno, "the master (pid %d)", (int)*pid);
    return 0;
}

int
master_stop(struct command *command)
{
    const char *drain = command->values[OPTION_DRAIN];
    int64_t limit_s = 300;
    pid_t pid;
    if (drain != NULL && drain[0] != '\0' && !parse_duration(drain, &limit_s))
        return command_usage(command, "--drain wants a time like 5m, not \"%s\"", drain);
    int r = send_signal(command, drain != NULL ? SIGNAL_DRAIN : SIGNAL_STOP, &pid);
    if (r != 0)
        return r;
    if (drain == NULL)
        limit_s = 60;
    int64_t end = monotonic_ms() + limit_s * 1000;
    bool told = drain == NULL;
    while (master_runs(command->spool_fd, NULL)) {
        if (monotonic_ms() >= end && told)
            return command_fail(EXIT_NOTHING, "the master (pid %d) has not ended within the time", (int)pid);
        if (monotonic_ms() >= end) { /* drained long enough: what is left stays in the spool */
            r = send_signal(command, SIGNAL_STOP, &pid);
            if (r != 0)
                break;
            told = true;
            end = monotonic_ms() + 60000;
        }
        pause_ms(50);
    }
    printf("stopped\n");
    return EXIT_DONE;
}

static int
state_text(const struct command *command, const char *key, struct buf *value)
{
    struct buf text = {0};
    struct span span;
    int r = master_state(command->spool_fd, &text);
    buf_reset(value);
    if (r == 0 && master_value(buf_span(&text), key, &span))
        buf_add_span(value, span);
    buf_clear(&text);
    return r;
}

/* The configuration was checked before this is called (NEEDS_CONFIG). A new generation, or an error, is the
 * answer. */
int
master_reload(struct command *command)
{
    struct buf before = {0}, after = {0}, error = {0};
    pid_t pid;
    int r = EXIT_DONE;
    if (command->spool_fd < 0)
        return not_running(command);
    state_text(command, "generation", &before);
    r = send_signal(command, SIGNAL_RELOAD, &pid);
    for (int i = 0; r == 0 && i < 600; i++) {
        state_text(command, "generation", &after);
        state_text(command, "config-error", &error);
        if (after.len > 0 && !span_equal(buf_span(&before), buf_span(&after))) /* empty: being written */
            break;
        if (error.len > 0) {
            r = command_fail(EXIT_CONFIG, "the old configuration stays: %s", error.at);
            break;
        }
        if (i == 599)
            r = command_fail(EXIT_NOTHING, "the master (pid %d) has not answered in 30 seconds", (int)pid);
        pause_ms(50);
    }
    if (r == 0)
        printf("reloaded: generation %s\n", after.at != NULL ? after.at : "?");
    buf_clear(&before);
    buf_clear(&after);
    buf_clear(&error);
    return r;
}
