/* crashpoint.c - runs a process tree and injects one fault at the N-th system call that changes the spool
 *
 *     crashpoint [-n N] [-a ACTION] [-P PREFIX]... [-X PREFIX]... [-T SECONDS] [-r FILE] [-t FILE] [-y FILE]
 *                [-s SEED] -- COMMAND ARGUMENTS...
 *
 *     ACTION   none            counts only (the default)
 *              kill-all        SIGKILL for every process, before the call is made
 *              kill-all-after  the same when the call has been made
 *              kill-one        SIGKILL for the process that makes the call; the rest goes on
 *              kill-one-after
 *              error:E         the call is not made and fails: EIO ENOSPC EDQUOT EROFS EMFILE ENOMEM EINTR EXDEV
 *              error:E+        and so do all later calls of the same name: a disk that stays full
 *              short           a write takes half of what it is given
 *              stop:MS         the thread is stopped for so many milliseconds, and all others at their next call
 *              hang            the call never returns: its thread stands still until it is killed
 *     -P       counts calls on paths below PREFIX only; -X takes out what is below PREFIX again
 *     -T       after so many seconds the tree is killed: it hung
 *     -r       one line for the driver: "calls=C hit=0|1 hung=0|1 main=0|1 call=NAME by=PROGRAM what=PATHS"; main: it was
 *              the thread that its process began with
 *     -t       a line for each counted call
 *     -y       a line for each fsync and fdatasync that has returned, "s RESULT INODE.BIRTH PATH", and for each pwrite that
 *              begins, "w OFFSET+BYTES INODE.BIRTH PATH"
 *     -s       random scheduling: threads are held at each call of the table, locks and mere opening too, and go on
 *              one at a time as the seed says
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
#include <stdio.h>

#ifdef __x86_64__

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "t/crash/crash_calls.h"

enum { PREFIXES_MAX = 16, TASKS_MAX = 4096, EXIT_TROUBLE = 2, EXIT_KILLED = 137, QUANTUM_NS = 50000 };

static const struct {
    const char *name;
    int number;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}, {"EMFILE", EMFILE},
              {"ENOMEM", ENOMEM}, {"EINTR", EINTR},   {"EACCES", EACCES}, {"EXDEV", EXDEV}};

enum action {
    ACTION_NONE,
    ACTION_KILL_ALL,
    ACTION_KILL_ONE,
    ACTION_ERROR,
    ACTION_SHORT,
    ACTION_STOP,
    ACTION_HANG
};

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
    FILE *trace, *syncs;
    unsigned seed;
    bool hit, in_main_thread;
    const struct call *hit_call;
    char hit_by[32], hit_what[2 * PATH_MAX_BYTES + 8];
} point;

/* Every process and thread of the tree, to be killed; and those that shall be killed when their call returns.
 */
static pid_t tasks[TASKS_MAX], striking;
static size_t n_tasks;

/* Those that wait at a call for their turn (random scheduling), and whose sync's result is waited for. */
static pid_t held[TASKS_MAX], syncing[TASKS_MAX];
static size_t n_held, n_syncing;
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

/* Takes a task off a list; false where it was not on it. */
static bool
list_remove(pid_t list[], size_t *n, pid_t pid)
{
    for (size_t i = 0; i < *n; i++)
        if (list[i] == pid) {
            list[i] = list[--*n];
            return true;
        }
    return false;
}

static void
kill_tree(void)
{
    for (size_t i = 0; i < n_tasks; i++)
        kill(tasks[i], SIGKILL);
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

/* ---- the fault ---- */

static void
go_on(pid_t pid, int signal_number)
{
    ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)signal_number);
}

/* Whether a task is the thread that its process began with. */
static bool
is_main_thread(pid_t pid)
{
    char path[64], line[80];
    int leader = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Tgid:", 5) == 0)
            leader = (int)strtol(line + 5, NULL, 10);
    if (file != NULL)
        fclose(file);
    return leader == pid;
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
    point.in_main_thread = is_main_thread(pid);
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
    case ACTION_HANG:
        return;
    case ACTION_STOP: /* the others run on until their next counted call */
        nanosleep(&(struct timespec){point.stop_ms / 1000, point.stop_ms % 1000 * 1000000}, NULL);
        break;
    case ACTION_NONE:
        break;
    }
    go_on(pid, 0);
}

/* The file by what never changes while it lives, and by its path. */
static void
note_file(pid_t pid, int fd)
{
    struct statx st = {0};
    char link[64], path[PATH_MAX_BYTES];
    path_of_fd(pid, fd, path);
    snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, fd);
    statx(AT_FDCWD, link, 0, STATX_INO | STATX_BTIME, &st);
    fprintf(point.syncs, "%llu.%lld%09u %s\n", (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec,
            st.stx_btime.tv_nsec, path);
}

/* A sync is followed to its end. */
static void
note_sync(pid_t pid)
{
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
        return;
    fprintf(point.syncs, "s %lld ", (long long)r.rax);
    note_file(pid, (int)r.rdi);
}

static void
let_call(pid_t pid, const struct call *call, const struct user_regs_struct *r)
{
    if (point.syncs != NULL && call->number == SYS_pwrite64) {
        fprintf(point.syncs, "w %llu+%llu ", r->r10, r->rdx);
        note_file(pid, (int)r->rdi);
    }
    bool follows = point.syncs != NULL && (call->number == SYS_fsync || call->number == SYS_fdatasync);
    if (!follows || n_syncing == TASKS_MAX) {
        go_on(pid, 0);
        return;
    }
    syncing[n_syncing++] = pid;
    ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
}

static void
hold(pid_t pid)
{
    if (n_held < TASKS_MAX)
        held[n_held++] = pid;
}

/* Lets one of those that wait make its call. */
static void
release_one(void)
{
    size_t i = (size_t)rand() % n_held;
    pid_t pid = held[i];
    held[i] = held[--n_held];
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
    bool looks = call == NULL || only_looks(call, &r);
    if (looks && (call == NULL || point.seed == 0)) {
        go_on(pid, 0);
        return;
    }
    paths_of(pid, call, &r, one, two);
    if (!is_counted_path(one) && !is_counted_path(two)) {
        go_on(pid, 0);
        return;
    }
    if (point.seed != 0)
        hold(pid);
    if (looks)
        return;
    point.count++;
    snprintf(what, sizeof what, "%s%s%s", one, two[0] != '\0' ? "->" : "", two);
    bool again = point.persists && point.hit && call == point.hit_call;
    bool now = (point.action != ACTION_NONE && point.count == point.n) || again;
    if (point.trace != NULL)
        fprintf(point.trace, "%lu %d %s %s%s\n", point.count, pid, call->name, what, now ? "   <== here" : "");
    if (point.seed != 0)
        return;
    if (!now) {
        let_call(pid, call, &r);
        return;
    }
    if (!point.hit)
        note_hit(pid, call, what);
    strike(pid, call, &r);
}

/* ---- the tree ---- */

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
        install_filter(point.seed != 0);
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
            if (list_remove(syncing, &n_syncing, pid))
                note_sync(pid);
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

/* Nobody else has stopped: after a moment, in which others may still arrive, one goes on. */
static void
wait_and_release(void)
{
    static size_t n_before;
    nanosleep(&(struct timespec){.tv_nsec = QUANTUM_NS}, NULL);
    if (n_held == n_before)
        release_one();
    n_before = n_held;
}

/* Until the last process has gone; returns the exit status of the first. */
static int
watch(pid_t first)
{
    int result = EXIT_TROUBLE;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL | (n_held > 0 ? WNOHANG : 0));
        if (pid == 0 && !time_is_up && !term_asked) {
            wait_and_release();
            continue;
        }
        if (term_asked) {
            term_asked = 0;
            kill(first, SIGTERM);
        }
        if (time_is_up)
            kill_tree();
        if (pid == 0 || (pid < 0 && errno == EINTR)) {
            nanosleep(&(struct timespec){.tv_nsec = QUANTUM_NS}, NULL);
            continue;
        }
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
        list_remove(tasks, &n_tasks, pid);
        list_remove(held, &n_held, pid);
        list_remove(syncing, &n_syncing, pid);
    }
}

/* ---- arguments ---- */

static int
usage(void)
{
    fprintf(stderr, "usage: crashpoint [-n N] [-a ACTION] [-P PREFIX]... [-X PREFIX]... [-T SECONDS] [-r FILE] "
                    "[-t FILE] [-y FILE] [-s SEED] -- COMMAND...\n");
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
                                        [ACTION_SHORT] = "short",
                                        [ACTION_HANG] = "hang"};
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
    fprintf(file, "calls=%lu hit=%d hung=%d main=%d call=%s by=%s what=%s\n", point.count, point.hit,
            (int)time_is_up, point.in_main_thread, point.hit_call != NULL ? point.hit_call->name : "-",
            point.hit ? point.hit_by : "-", point.hit_what);
    fclose(file);
}

int
main(int argc, char **argv)
{
    const char *result_path = NULL;
    bool good = true;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    for (int c; good && (c = getopt(argc, argv, "+n:a:P:X:r:t:y:s:T:")) != -1;) {
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
        else if (c == 'y')
            good = (point.syncs = fopen(optarg, "a")) != NULL;
        else if (c == 's')
            srand(point.seed = (unsigned)strtoul(optarg, NULL, 10));
        else
            good = false;
    }
    if (!good || optind >= argc)
        return usage();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* what a test started ends with it */
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
