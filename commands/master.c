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
#include "commands/instance.h"

#ifndef VIADUCT_LIBEXECDIR
#define VIADUCT_LIBEXECDIR "/usr/local/libexec/viaduct"
#endif

/* What the master understands. A drain is asked for by an order (control/master/drain: seconds) before the
 * signal. */
enum { SIGNAL_STOP = SIGTERM, SIGNAL_RELOAD = SIGHUP };

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
exec_master(const struct command *command, bool foreground)
{
    const char *folder = getenv("VIADUCT_LIBEXECDIR");
    char *program =
        xasprintf("%s/viaduct-master", folder != NULL && folder[0] != '\0' ? folder : VIADUCT_LIBEXECDIR);
    char *conf = xstrdup(command->conf_path);
    char name[] = "viaduct-master", option[] = "-c", stay[] = "--foreground";
    char *argv[] = {name, option, conf, foreground ? stay : NULL, NULL};
    execv(program, argv);
    command_fail(EXIT_NOT_RUNNING, "cannot run %s: %s", program, strerror(errno));
    free(program);
    free(conf);
}

/* The master detaches itself and ends its first process when it runs, or has failed: that exit status tells
 * which. */
static int
wait_for_start(const struct command *command, pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return command_fail_errno(errno, "the master");
    if (WIFSIGNALED(status))
        return command_fail(EXIT_NOT_RUNNING, "the master was ended by signal %d", WTERMSIG(status));
    int code = WEXITSTATUS(status);
    if (code == EXIT_CONFIG || code == EXIT_PERMISSION || code == EXIT_REFUSED || code == EXIT_NOT_RUNNING)
        return code;
    if (code != 0)
        return command_fail(EXIT_NOT_RUNNING,
                            "the master ended at once (status %d); what it said stands above or in "
                            "the log",
                            code);
    pid_t pid = 0;
    int fd = open(command->spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && master_runs(fd, &pid))
        printf("the master runs (pid %d)\n", (int)pid);
    if (fd >= 0)
        close(fd);
    return EXIT_DONE;
}

int
master_start(struct command *command)
{
    pid_t pid;
    if (command->spool_fd >= 0 && master_runs(command->spool_fd, &pid))
        return command_fail(EXIT_REFUSED, "a master runs already (pid %d)", (int)pid);
    fflush(NULL);
    if (command_has(command, OPTION_FOREGROUND)) {
        exec_master(command, true);
        return EXIT_NOT_RUNNING;
    }
    pid_t child = fork();
    if (child < 0)
        return command_fail_errno(errno, "cannot start the master");
    if (child > 0)
        return wait_for_start(command, child);
    exec_master(command, false);
    _exit(EXIT_NOT_RUNNING);
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

static int
ask_for_drain(const struct command *command, int64_t limit_s)
{
    char text[32];
    snprintf(text, sizeof text, "%lld\n", (long long)limit_s);
    int r = instance_order(command->spool_fd, "master", "drain", text);
    return r < 0 ? command_fail_errno(-r, "the order for the master") : 0;
}

/* The master gives its workers half a minute to end; a drain has its own time before that. */
int
master_stop(struct command *command)
{
    const char *drain = command->values[OPTION_DRAIN];
    int64_t drain_s = drain != NULL ? 300 : 0;
    pid_t pid;
    if (drain != NULL && drain[0] != '\0' &&
        (!parse_duration(drain, &drain_s) || drain_s < 1 || drain_s > 86400))
        return command_usage(command, "--drain wants a time from 1s to 1d, not \"%s\"", drain);
    if (!master_runs(command->spool_fd, &pid))
        return not_running(command);
    int r = drain != NULL ? ask_for_drain(command, drain_s) : 0;
    if (r == 0)
        r = send_signal(command, SIGNAL_STOP, &pid);
    if (r != 0)
        return r;
    int64_t end = monotonic_ms() + (drain_s + 60) * 1000;
    while (master_runs(command->spool_fd, NULL)) {
        if (monotonic_ms() >= end)
            return command_fail(EXIT_NOTHING, "the master (pid %d) has not ended within the time", (int)pid);
        pause_ms(50);
    }
    printf("stopped\n");
    return EXIT_DONE;
}

static void
state_value(const struct command *command, const char *key, struct buf *value)
{
    struct buf text = {0};
    buf_reset(value);
    if (master_state(command->spool_fd, &text) == 0)
        master_value(buf_span(&text), key, value);
    buf_clear(&text);
}

/* The configuration was checked before this is called (NEEDS_CONFIG). The master counts reloads:
 * the next number is the answer, with or without an error. */
int
master_reload(struct command *command)
{
    struct buf before = {0}, after = {0}, error = {0};
    pid_t pid;
    int r = EXIT_DONE;
    if (command->spool_fd < 0)
        return not_running(command);
    r = command_check_readable(command, FOLDER_STATE);
    if (r != 0)
        return r;
    state_value(command, "reloads", &before);
    r = send_signal(command, SIGNAL_RELOAD, &pid);
    for (int i = 0; r == 0 && i < 600; i++) {
        state_value(command, "reloads", &after);
        if (after.len > 0 && !span_equal(buf_span(&before), buf_span(&after))) /* empty: being written */
            break;
        if (i == 599)
            r = command_fail(EXIT_NOTHING, "the master (pid %d) has not answered in 30 seconds", (int)pid);
        pause_ms(50);
    }
    state_value(command, "config-error", &error);
    state_value(command, "generation", &after);
    if (r == 0 && error.len > 0)
        r = command_fail(EXIT_CONFIG, "the old configuration stays: %s", error.at);
    else if (r == 0)
        printf("reloaded: generation %s\n", after.at != NULL ? after.at : "?");
    buf_clear(&before);
    buf_clear(&after);
    buf_clear(&error);
    return r;
}
