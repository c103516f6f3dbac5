/* crashpoint.c - runs a process tree and injects one fault at the N-th system call that changes the spool
 *
 *     crashpoint [-n N] [-a ACTION] [-P PREFIX]... [-X PREFIX]... [-T SECONDS] [-r FILE] [-t FILE]
 *                -- COMMAND ARGUMENTS...
 *
 *     ACTION   none            counts only (the default)
 *              kill-all        SIGKILL for every process, before the call is made
 *              kill-all-after  the same when the call has been made
 *              kill-one        SIGKILL for the process that makes the call; the rest goes on
 *              kill-one-after
 *              error:E         the call is not made and fails: EIO ENOSPC EDQUOT EROFS EMFILE ENOMEM EINTR
 *              error:E+        and so do all later calls of the same name: a disk that stays full
 *              short           a write takes half of what it is given
 *              stop:MS         the thread is stopped for so many milliseconds
 *     -P       counts calls on paths below PREFIX only; -X takes out what is below PREFIX again
 *     -T       after so many seconds the tree is killed: it hung
 *     -r       one line for the driver: "calls=C hit=0|1 hung=0|1 call=NAME by=PROGRAM what=PATHS"
 *     -t       a line for each counted call
 *
 * There is one counter for the whole tree, in the order in which the calls happen, so N names a moment of the
 * system and not of one process. A seccomp filter that children inherit stops only the calls of the table, the
 * others run at full speed; a filter of the tracee's own that refuses a call comes before ours, so confined
 * workers stay confined. Threads are followed as processes are. SIGTERM to crashpoint is handed to COMMAND, so
 * a driver can end it in order.
 *
 * Changes through shared mappings are not seen: the spool's are state and counter pages, which no mail depends
 * on. Exit status: COMMAND's; 137 when kill-all struck; 2 for trouble of its own. Linux on x86_64.
 *
 * Sources: ptrace(2), seccomp(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__

#include <sys/user.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum { PATH_MAX_BYTES = 600, PREFIXES_MAX = 16, TASKS_MAX = 4096, EXIT_TROUBLE = 2, EXIT_KILLED = 137 };

/* Where a call's paths stand: arguments are numbered from 0; -1: none, AT: a path relative to the descriptor
 * before it. */
enum shape { SHAPE_FD, SHAPE_PATH, SHAPE_TWO_PATHS, SHAPE_AT, SHAPE_TWO_AT };

struct call {
    int number;
    enum shape shape;
    const char *name;
};

static const struct call calls[] = {
    {SYS_open, SHAPE_PATH, "open"},
    {SYS_creat, SHAPE_PATH, "creat"},
    {SYS_openat, SHAPE_AT, "openat"},
    {SYS_rename, SHAPE_TWO_PATHS, "rename"},
    {SYS_renameat, SHAPE_TWO_AT, "renameat"},
    {SYS_renameat2, SHAPE_TWO_AT, "renameat2"},
    {SYS_link, SHAPE_TWO_PATHS, "link"},
    {SYS_linkat, SHAPE_TWO_AT, "linkat"},
    {SYS_unlink, SHAPE_PATH, "unlink"},
    {SYS_unlinkat, SHAPE_AT, "unlinkat"},
    {SYS_mkdir, SHAPE_PATH, "mkdir"},
    {SYS_mkdirat, SHAPE_AT, "mkdirat"},
    {SYS_rmdir, SHAPE_PATH, "rmdir"},
    {SYS_truncate, SHAPE_PATH, "truncate"},
    {SYS_ftruncate, SHAPE_FD, "ftruncate"},
    {SYS_fallocate, SHAPE_FD, "fallocate"},
    {SYS_write, SHAPE_FD, "write"},
    {SYS_pwrite64, SHAPE_FD, "pwrite64"},
    {SYS_writev, SHAPE_FD, "writev"},
    {SYS_pwritev, SHAPE_FD, "pwritev"},
    {SYS_copy_file_range, SHAPE_FD, "copy_file_range"},
    {SYS_sendfile, SHAPE_FD, "sendfile"},
    {SYS_fsync, SHAPE_FD, "fsync"},
    {SYS_fdatasync, SHAPE_FD, "fdatasync"},
};

static const struct {
    const char *name;
    int number;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS},
              {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EINTR", EINTR},   {"EACCES", EACCES}};

enum action { ACTION_NONE, ACTION_KILL_ALL, ACTION_KILL_ONE, ACTION_ERROR, ACTION_SHORT, ACTION_STOP };

struct prefixes {
    const char *at[PREFIXES_MAX];
    size_t n;
};

static struct {
    enum action action;
    bool after, persists;
    int error;
    long stop_ms;
    unsigned long n, count; /* which call, and how many there were */
    struct prefixes counted, left_out;
    FILE *trace;
    bool hit;
    const struct call *hit_call;
    char hit_by[32], hit_what[2 * PATH_MAX_BYTES + 8];
} point;

/* Every process and thread of the tree, to be killed; and those that shall be killed when their call returns.
 */
static pid_t tasks[TASKS_MAX], striking;
static size_t n_tasks;
static volatile sig_atomic_t term_asked, time_is_up;

_Noreturn static void
give_up(const char *what)
{
    fprintf(stderr, "crashpoint: %s: %s\n", what, strerror(errno));
    exit(EXIT_TROUBLE);
}

static void
task_add(pid_t pid)
{
    for (size_t i = 0; i < n_tasks; i++)
        if (tasks[i] == pid)
            return;
    if (n_tasks == TASKS_MAX)
        give_up("too many processes");
    tasks[n_tasks++] = pid;
}

static void
task_remove(pid_t pid)
{
    for (size_t i = 0; i < n_tasks; i++)
        if (tasks[i] == pid)
            tasks[i--] = tasks[--n_tasks];
}

static void
kill_tree(void)
{
    for (size_t i = 0; i < n_tasks; i++)
        kill(tasks[i], SIGKILL);
}

/* ---- what a call is about ---- */

static void
read_text(pid_t pid, unsigned long long address, char text[PATH_MAX_BYTES])
{
    size_t got = 0;
    while (got < PATH_MAX_BYTES - 1) { /* page by page: the next one may not be there */
        size_t step = 256 - (size_t)((address + got) % 256), room = PATH_MAX_BYTES - 1 - got;
        struct iovec here = {text + got, step < room ? step : room};
        struct iovec there = {(void *)(uintptr_t)(address + got), here.iov_len};
        ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (n <= 0)
            break;
        if (memchr(text + got, '\0', (size_t)n) != NULL)
            return;
        got += (size_t)n;
    }
    text[got] = '\0';
}

static void
path_of_fd(pid_t pid, int fd, char path[PATH_MAX_BYTES])
{
    char link[64];
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, fd);
    ssize_t n = readlink(link, path, PATH_MAX_BYTES - 1);
    path[n > 0 ? n : 0] = '\0';
}

static void
path_at(pid_t pid, int fd, unsigned long long address, char path[PATH_MAX_BYTES])
{
    char name[PATH_MAX_BYTES];
    read_text(pid, address, name);
    size_t len = 0;
    if (name[0] != '/') {
        path_of_fd(pid, fd, path);
        len = strlen(path);
        if (len < PATH_MAX_BYTES - 1)
            path[len++] = '/';
    }
    snprintf(path + len, PATH_MAX_BYTES - len, "%s", name);
}

static void
paths_of(pid_t pid, const struct call *call, const struct user_regs_struct *r, char one[PATH_MAX_BYTES],
         char two[PATH_MAX_BYTES])
{
    two[0] = '\0';
    switch (call->shape) {
    case SHAPE_FD:
        path_of_fd(pid, (int)r->rdi, one);
        break;
    case SHAPE_PATH:
        path_at(pid, AT_FDCWD, r->rdi, one);
        break;
    case SHAPE_TWO_PATHS:
        path_at(pid, AT_FDCWD, r->rdi, one);
        path_at(pid, AT_FDCWD, r->rsi, two);
        break;
    case SHAPE_AT:
        path_at(pid, (int)r->rdi, r->rsi, one);
        break;
    case SHAPE_TWO_AT:
        path_at(pid, (int)r->rdi, r->rsi, one);
        path_at(pid, (int)r->rdx, r->r10, two);
        break;
    }
}

static bool
is_below(const char *path, const struct prefixes *prefixes)
{
    for (size_t i = 0; i < prefixes->n; i++) {
        size_t len = strlen(prefixes->at[i]);
        if (strncmp(path, prefixes->at[i], len) == 0 && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

static bool
is_counted_path(const char *path)
{
    if (path[0] != '/') /* a socket, a pipe, an eventfd */
        return false;
    return (point.counted.n == 0 || is_below(path, &point.counted)) && !is_below(path, &point.left_out);
}

/* Opening changes nothing unless it makes or empties a file. */
static bool
only_looks(const struct call *call, const struct user_regs_struct *r)
{
    unsigned long long flags = call->number == SYS_open     ? r->rsi
                               : call->number == SYS_openat ? r->rdx
                                                            : O_CREAT;
    return (flags & (O_CREAT | O_TRUNC)) == 0;
}

static const struct call *
call_find(const struct user_regs_struct *r)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        if (calls[i].number == (int)r->orig_rax)
            return &calls[i];
    return NULL;
}

/* ---- the fault ---- */

static void
go_on(pid_t pid, int signal_number)
{
    ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)signal_number);
}

static void
note_hit(pid_t pid, const struct call *call, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    char target[PATH_MAX_BYTES];
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(point.hit_by, sizeof point.hit_by, "%s", slash != NULL ? slash + 1 : "?");
    snprintf(point.hit_what, sizeof point.hit_what, "%s", what);
    point.hit = true;
    point.hit_call = call;
}

static bool
is_plain_write(const struct call *call)
{
    return call->number == SYS_write || call->number == SYS_pwrite64;
}

/* The call is about to be made, and is the one. */
static void
strike(pid_t pid, const struct call *call, struct user_regs_struct *r)
{
    switch (point.action) {
    case ACTION_KILL_ALL:
    case ACTION_KILL_ONE:
        if (point.after) {
            striking = pid;
            ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
        } else if (point.action == ACTION_KILL_ALL) {
            kill_tree();
        } else {
            kill(pid, SIGKILL);
        }
        return;
    case ACTION_ERROR:
        r->orig_rax = (unsigned long long)-1; /* no call at all; the result is what stands in rax */
        r->rax = (unsigned long long)-(long long)point.error;
        ptrace(PTRACE_SETREGS, pid, NULL, r);
        break;
    case ACTION_SHORT:
        if (is_plain_write(call) && r->rdx > 1) {
            r->rdx /= 2;
            ptrace(PTRACE_SETREGS, pid, NULL, r);
        }
        break;
    case ACTION_STOP: /* the others run on until their next counted call */
        nanosleep(&(struct timespec){point.stop_ms / 1000, point.stop_ms % 1000 * 1000000}, NULL);
        break;
    case ACTION_NONE:
        break;
    }
    go_on(pid, 0);
}

static void
on_call(pid_t pid)
{
    struct user_regs_struct r;
    char one[PATH_MAX_BYTES], two[PATH_MAX_BYTES], what[sizeof point.hit_what];
    if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
        return; /* killed meanwhile */
    const struct call *call = call_find(&r);
    if (call == NULL || only_looks(call, &r)) {
        go_on(pid, 0);
        return;
    }
    paths_of(pid, call, &r, one, two);
    if (!is_counted_path(one) && !is_counted_path(two)) {
        go_on(pid, 0);
        return;
    }
    point.count++;
    snprintf(what, sizeof what, "%s%s%s", one, two[0] != '\0' ? "->" : "", two);
    bool again = point.persists && point.hit && call == point.hit_call;
    bool now = (point.action != ACTION_NONE && point.count == point.n) || again;
    if (point.trace != NULL)
        fprintf(point.trace, "%lu %d %s %s%s\n", point.count, pid, call->name, what, now ? "   <== here" : "");
    if (!now) {
        go_on(pid, 0);
        return;
    }
    if (!point.hit)
        note_hit(pid, call, what);
    strike(pid, call, &r);
}

/* ---- the tree ---- */

static void
install_filter(void)
{
    struct sock_filter filter[COUNT_OF(calls) + 8];
    size_t n = COUNT_OF(calls), k = 0;
    filter[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    filter[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < n; i++)
        filter[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].number,
                                                   (uint8_t)(n - i), 0);
    filter[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog program = {(unsigned short)k, filter};
    if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up("no new privileges");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        give_up("seccomp");
}

/* Starts the command, which waits until it is traced. */
static pid_t
start(char **argv)
{
    int ready[2];
    char byte = 'x';
    if (pipe2(ready, O_CLOEXEC) < 0)
        give_up("pipe");
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid == 0) {
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
            _exit(EXIT_TROUBLE);
        install_filter();
        execvp(argv[0], argv);
        give_up(argv[0]);
    }
    close(ready[0]);
    intptr_t options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                       PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0)
        give_up("ptrace");
    if (write(ready[1], &byte, 1) != 1)
        give_up("start");
    close(ready[1]);
    return pid;
}

/* A tracee stopped; `status` is waitpid's. */
static void
on_stop(pid_t pid, int status)
{
    int signal_number = WSTOPSIG(status), event = status >> 16;
    bool dying = time_is_up || (point.hit && point.action == ACTION_KILL_ALL && striking == 0);
    if (dying) {
        kill(pid, SIGKILL); /* born while the others were killed */
    } else if (event == PTRACE_EVENT_SECCOMP) {
        on_call(pid);
    } else if (signal_number == (SIGTRAP | 0x80)) { /* the call of an -after action has returned */
        if (pid == striking && point.action == ACTION_KILL_ALL) {
            striking = 0;
            kill_tree();
        } else if (pid == striking) {
            striking = 0;
            kill(pid, SIGKILL);
        } else {
            go_on(pid, 0);
        }
    } else if (event == PTRACE_EVENT_STOP && (signal_number == SIGSTOP || signal_number == SIGTSTP)) {
        ptrace(PTRACE_LISTEN, pid, NULL, NULL);
    } else {
        go_on(pid, event != 0 ? 0 : signal_number);
    }
}

static void
on_term(int signal_number)
{
    (void)signal_number;
    term_asked = 1;
}

static void
on_alarm(int signal_number)
{
    (void)signal_number;
    time_is_up = 1;
}

/* Until the last process has gone; returns the exit status of the first. */
static int
watch(pid_t first)
{
    int result = EXIT_TROUBLE;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (term_asked) {
            term_asked = 0;
            kill(first, SIGTERM);
        }
        if (time_is_up)
            kill_tree();
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return result;
        task_add(pid);
        if (WIFSTOPPED(status)) {
            on_stop(pid, status);
            continue;
        }
        if (pid == first)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (pid == striking)
            striking = 0;
        task_remove(pid);
    }
}

/* ---- arguments ---- */

static int
usage(void)
{
    fprintf(stderr, "usage: crashpoint [-n N] [-a ACTION] [-P PREFIX]... [-X PREFIX]... [-T SECONDS] [-r FILE] "
                    "[-t FILE] -- "
                    "COMMAND...\n");
    return EXIT_TROUBLE;
}

static bool
parse_error(const char *name)
{
    size_t len = strcspn(name, "+");
    point.action = ACTION_ERROR;
    point.persists = name[len] == '+';
    for (size_t i = 0; i < COUNT_OF(errors); i++)
        if (strlen(errors[i].name) == len && strncmp(errors[i].name, name, len) == 0)
            point.error = errors[i].number;
    return point.error != 0;
}

static bool
parse_action(const char *text)
{
    size_t len = strlen(text);
    point.after = len > 6 && strcmp(text + len - 6, "-after") == 0;
    if (point.after)
        len -= 6;
    if (strncmp(text, "error:", 6) == 0)
        return parse_error(text + 6);
    if (strncmp(text, "stop:", 5) == 0) {
        point.action = ACTION_STOP;
        point.stop_ms = strtol(text + 5, NULL, 10);
        return point.stop_ms > 0;
    }
    static const char *const words[] = {[ACTION_NONE] = "none",
                                        [ACTION_KILL_ALL] = "kill-all",
                                        [ACTION_KILL_ONE] = "kill-one",
                                        [ACTION_SHORT] = "short"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i] != NULL && strlen(words[i]) == len && strncmp(words[i], text, len) == 0) {
            point.action = (enum action)i;
            return true;
        }
    return false;
}

static bool
add_prefix(struct prefixes *prefixes, const char *text)
{
    if (prefixes->n == PREFIXES_MAX)
        return false;
    prefixes->at[prefixes->n++] = text;
    return true;
}

static void
write_result(const char *path)
{
    FILE *file = path != NULL ? fopen(path, "w") : stderr;
    if (file == NULL)
        give_up(path);
    fprintf(file, "calls=%lu hit=%d hung=%d call=%s by=%s what=%s\n", point.count, point.hit, (int)time_is_up,
            point.hit_call != NULL ? point.hit_call->name : "-", point.hit ? point.hit_by : "-",
            point.hit_what);
    fclose(file);
}

int
main(int argc, char **argv)
{
    const char *result_path = NULL;
    bool good = true;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    for (int c; good && (c = getopt(argc, argv, "+n:a:P:X:r:t:T:")) != -1;) {
        if (c == 'n')
            point.n = strtoul(optarg, NULL, 10);
        else if (c == 'T')
            alarm((unsigned)strtoul(optarg, NULL, 10));
        else if (c == 'a')
            good = parse_action(optarg);
        else if (c == 'P' || c == 'X')
            good = add_prefix(c == 'P' ? &point.counted : &point.left_out, optarg);
        else if (c == 'r')
            result_path = optarg;
        else if (c == 't')
            good = (point.trace = fopen(optarg, "w")) != NULL;
        else
            good = false;
    }
    if (!good || optind >= argc)
        return usage();
    pid_t first = start(argv + optind);
    task_add(first);
    int status = watch(first);
    write_result(result_path);
    return point.hit && point.action == ACTION_KILL_ALL ? EXIT_KILLED : status;
}

#else

int
main(void)
{
    fprintf(stderr, "crashpoint: made for x86_64 only\n");
    return 77;
}

#endif
