/* confined-so.c - any worker that was taken over, for t/confine.t: loaded into the real program, it tries what it must not
 *
 * Preloaded, it stands in front of event_base_loop(): when the worker is about to run its loop, and so is confined, all
 * acts are tried. In front of alarm(), with which a converter's child begins, they are tried once more in the child. The
 * worker then goes its way, so that the test sees that mail still flows.
 *
 * Acts on files are the lines of VIADUCT_ACTS.<instance>: `operation TAB path [TAB path]`; calls are the table below.
 * Each is a line on stderr: `act INSTANCE TAB operation paths TAB SUCCEEDED or the errno's text`.
 *
 * The same file pretends to be an older kernel: lines `landlock N` (the newest version it knows, 0: none) and
 * `seccomp none`. What a succeeding act would do is harmless: it is the trying that counts.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct event_base;
int event_base_loop(struct event_base *base, int flags);
int seccomp_load(void *filter);

static char instance[200], *file_acts;
static int landlock_version = -1, writable_fd = -1;
static bool no_seccomp;
static pid_t worker_pid;

static int
result(long r)
{
    return r < 0 ? -errno : 0;
}

/* ---- what the kernel is said to have ---- */

long
syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    bool asks = number == SYS_landlock_create_ruleset && a[0] == 0;
    if (number == SYS_landlock_create_ruleset && landlock_version == 0) {
        errno = ENOSYS;
        return -1;
    }
    long r = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return asks && landlock_version > 0 && r > landlock_version ? landlock_version : r;
}

int
seccomp_load(void *filter)
{
    int (*real)(void *);
    *(void **)&real = dlsym(RTLD_NEXT, "seccomp_load");
    return no_seccomp ? -EINVAL : real(filter);
}

/* ---- acts on files ---- */

static int
try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd >= 0)
        close(fd);
    return result(fd);
}

/* What came of it is removed again, where that is possible. */
static int
try_make(long r, const char *path)
{
    int error = result(r);
    if (r >= 0)
        unlink(path);
    return error;
}

static int
run_program(const char *path)
{
    char *argv[] = {strdup(path), NULL}, *environment[] = {NULL};
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, argv, environment);
        _exit(errno);
    }
    free(argv[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -EIO;
    return -WEXITSTATUS(status);
}

static int
rename_and_back(const char *from, const char *to)
{
    int r = result(rename(from, to));
    if (r == 0)
        rename(to, from);
    return r;
}

/* Others try the same file, so it is there again. */
static int
unlink_and_make(const char *path)
{
    int r = result(unlink(path));
    int fd = r < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0660);
    if (fd >= 0)
        close(fd);
    return r;
}

static int
try_on_file(const char *operation, const char *a, const char *b)
{
    if (strcmp(operation, "list") == 0)
        return try_open(a, O_RDONLY | O_DIRECTORY);
    if (strcmp(operation, "read") == 0)
        return try_open(a, O_RDONLY);
    if (strcmp(operation, "write") == 0)
        return try_open(a, O_WRONLY);
    if (strcmp(operation, "cut") == 0)
        return try_open(a, O_WRONLY | O_TRUNC);
    if (strcmp(operation, "truncate") == 0)
        return result(truncate(a, 0));
    if (strcmp(operation, "create") == 0)
        return try_make(try_open(a, O_WRONLY | O_CREAT | O_EXCL), a);
    if (strcmp(operation, "rename") == 0)
        return rename_and_back(a, b);
    if (strcmp(operation, "unlink") == 0)
        return unlink_and_make(a);
    if (strcmp(operation, "mkdir") == 0)
        return result(mkdir(a, 0700)) < 0 ? -errno : (rmdir(a), 0);
    if (strcmp(operation, "chmod") == 0)
        return result(chmod(a, 0777));
    if (strcmp(operation, "chown") == 0)
        return result(chown(a, geteuid(), getegid()));
    if (strcmp(operation, "link") == 0)
        return try_make(link(a, b), b);
    if (strcmp(operation, "symlink") == 0)
        return try_make(symlink(a, b), b);
    if (strcmp(operation, "fifo") == 0)
        return try_make(mknod(a, S_IFIFO | 0600, 0), a);
    if (strcmp(operation, "device") == 0)
        return try_make(mknod(a, S_IFCHR | 0600, 1 << 8 | 3), a);
    if (strcmp(operation, "exec") == 0)
        return run_program(a);
    return -ENOSYS;
}

/* ---- calls ---- */

static int
open_of_parent(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)getppid(), name);
    return try_open(path, O_RDONLY);
}

static int
parent_memory(void)
{
    return open_of_parent("mem");
}

static int
parent_environment(void)
{
    return open_of_parent("environ");
}

static int
own_memory(void)
{
    return try_open("/proc/self/mem", O_RDWR);
}

static int
own_program(void)
{
    return try_open("/proc/self/exe", O_RDONLY);
}

static int
become_root(void)
{
    return geteuid() == 0 ? -EPERM : result(setresuid((uid_t)-1, geteuid(), (uid_t)-1));
}

static int
take_group(void)
{
    return result(setresgid(getegid(), getegid(), getegid()));
}

static int
take_groups(void)
{
    gid_t group = 0;
    return result(setgroups(1, &group));
}

static int
mount_something(void)
{
    return result(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int
change_root(void)
{
    return result(chroot("/"));
}

static int
unshare_users(void)
{
    int status = 0;
    pid_t pid = fork(); /* one that succeeds is somebody else from then on */
    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -EIO;
    return -WEXITSTATUS(status);
}

static int
clone_users(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0L, 0L, 0L, 0L);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return result(pid);
}

static int
trace_parent(void)
{
    int r = result(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
    if (r == 0)
        ptrace(PTRACE_DETACH, getppid(), NULL, NULL);
    return r;
}

static int
parent_pages(void)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {(void *)&worker_pid, 1};
    return result(process_vm_readv(getppid(), &local, 1, &remote, 1, 0));
}

static int
signal_parent(void)
{
    return result(kill(getppid(), 0));
}

static int
signal_everybody(void)
{
    return result(kill(-1, 0));
}

static int
signal_thread(void)
{
    return result(syscall(SYS_tgkill, (long)getppid(), (long)getppid(), 0L));
}

static int
queue_signal(void)
{
    siginfo_t info = {.si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
    return result(syscall(SYS_rt_sigqueueinfo, (long)getppid(), (long)SIGCONT, &info));
}

/* A descriptor's owner can send signals too: by fcntl(), without a call of its own. */
static int
signal_by_owner(void)
{
    int ends[2], r = 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -EIO;
    if (fcntl(ends[0], F_SETOWN, getppid()) < 0)
        r = -errno;
    close(ends[0]);
    close(ends[1]);
    return r;
}

static int
choose_signal(void)
{
    return result(fcntl(STDERR_FILENO, F_SETSIG, SIGCONT));
}

static int
signal_by_owner_of_socket(void)
{
    int owner = getppid(), fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = result(ioctl(fd, FIOSETOWN, &owner));
    close(fd);
    return r;
}

static int
open_pidfd(void)
{
    return result(syscall(SYS_pidfd_open, (long)getppid(), 0L));
}

static int
limit_parent(void)
{
    struct rlimit limit;
    return result(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
}

static int
try_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return result(fd);
}

static int
internet_socket(void)
{
    return try_socket(AF_INET, SOCK_STREAM);
}

static int
udp_socket(void)
{
    return try_socket(AF_INET6, SOCK_DGRAM);
}

static int
unix_socket(void)
{
    return try_socket(AF_UNIX, SOCK_DGRAM);
}

static int
netlink_socket(void)
{
    return try_socket(AF_NETLINK, SOCK_RAW);
}

static int
connect_out(void)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = result(connect(fd, (struct sockaddr *)&peer, sizeof peer));
    close(fd);
    return r == -EINPROGRESS || r == -ECONNREFUSED ? 0 : r;
}

static int
open_a_door(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = result(listen(fd, 1)); /* unbound: the kernel chooses a port */
    close(fd);
    return r;
}

static int
load_bpf(void)
{
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return result(syscall(SYS_bpf, (long)BPF_MAP_CREATE, &attr, sizeof attr));
}

static int
open_perf(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_SW_CPU_CLOCK,
                                   .exclude_kernel = 1};
    return result(syscall(SYS_perf_event_open, &attr, 0L, -1L, -1L, 0L));
}

static int
open_userfault(void)
{
    return result(syscall(SYS_userfaultfd, 1L));
}

static int
set_up_io_uring(void)
{
    char parameters[128] = {0};
    return result(syscall(SYS_io_uring_setup, 4L, parameters));
}

static int
use_keyring(void)
{
    return result(syscall(SYS_keyctl, 0L, -3L, 1L));
}

static int
set_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return result(clock_settime(CLOCK_REALTIME, &now));
}

static int
change_personality(void)
{
    return result(syscall(SYS_personality, 0xffffffffL));
}

static int
name_a_handle(void)
{
    struct {
        struct file_handle handle;
        char bytes[128];
    } h = {.handle = {.handle_bytes = 128}};
    int mount;
    return result(name_to_handle_at(AT_FDCWD, "/", &h.handle, &mount, 0));
}

static int
memory_as_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -errno : 0;
}

static int
data_to_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -EIO : result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* A program from memory: no file is named. */
static int
run_from_memory(void)
{
    char *argv[] = {strdup("x"), NULL}, *environment[] = {NULL};
    int fd = memfd_create("x", MFD_CLOEXEC), status = 0;
    if (fd < 0 || write(fd, "#!/bin/true\n", 12) != 12 || fchmod(fd, 0700) < 0) {
        /* without a mode it cannot be run either way */
    }
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, (long)fd, "", argv, environment, (long)AT_EMPTY_PATH);
        _exit(errno);
    }
    close(fd);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -EIO;
    return WEXITSTATUS(status) == ENOENT ? 0
                                         : -WEXITSTATUS(status); /* ENOENT: run, but the descriptor closes */
}

static int
give_mode(void)
{
    return writable_fd < 0 ? -EIO : result(fchmod(writable_fd, 0777));
}

static int
give_owner(void)
{
    return writable_fd < 0 ? -EIO : result(fchown(writable_fd, geteuid(), getegid()));
}

static int
give_attribute(void)
{
    return writable_fd < 0 ? -EIO
                           : result((long)syscall(SYS_fsetxattr, (long)writable_fd, "user.x", "y", 1L, 0L));
}

static const struct call {
    const char *name;
    int (*try)(void);
} calls[] = {
    {"read-parents-memory", parent_memory},
    {"read-parents-environment", parent_environment},
    {"write-own-memory", own_memory},
    {"read-own-program", own_program},
    {"setuid", become_root},
    {"setgid", take_group},
    {"setgroups", take_groups},
    {"mount", mount_something},
    {"chroot", change_root},
    {"unshare", unshare_users},
    {"clone-users", clone_users},
    {"ptrace", trace_parent},
    {"read-parents-pages", parent_pages},
    {"kill", signal_parent},
    {"kill-all", signal_everybody},
    {"tgkill", signal_thread},
    {"sigqueue", queue_signal},
    {"owner-signal", signal_by_owner},
    {"owner-ioctl", signal_by_owner_of_socket},
    {"choose-signal", choose_signal},
    {"pidfd", open_pidfd},
    {"prlimit", limit_parent},
    {"socket", internet_socket},
    {"udp-socket", udp_socket},
    {"unix-socket", unix_socket},
    {"netlink", netlink_socket},
    {"connect", connect_out},
    {"listen", open_a_door},
    {"bpf", load_bpf},
    {"perf", open_perf},
    {"userfaultfd", open_userfault},
    {"io-uring", set_up_io_uring},
    {"keyring", use_keyring},
    {"set-the-clock", set_clock},
    {"personality", change_personality},
    {"handle", name_a_handle},
    {"memory-as-code", memory_as_code},
    {"data-to-code", data_to_code},
    {"run-from-memory", run_from_memory},
    {"fchmod", give_mode},
    {"fchown", give_owner},
    {"fsetxattr", give_attribute},
};

/* ---- the trying ---- */

static void
tell(const char *what, int r)
{
    dprintf(STDERR_FILENO, "act %s%s\t%s\t%s\n", instance, getpid() == worker_pid ? "" : "+child", what,
            r == 0 ? "SUCCEEDED" : strerror(-r));
}

/* `operation TAB path [TAB path]` */
static void
try_line(const char *line, size_t len)
{
    char what[5000], *words = strndup(line, len), *word[3] = {words, NULL, NULL};
    snprintf(what, sizeof what, "%.*s", (int)len, line);
    for (char *tab; (tab = strchr(what, '\t')) != NULL;)
        *tab = ' ';
    for (int i = 1; i < 3 && word[i - 1] != NULL && (word[i] = strchr(word[i - 1], '\t')) != NULL; i++)
        *word[i]++ = '\0';
    tell(what, word[1] == NULL ? -EIO : try_on_file(word[0], word[1], word[2]));
    free(words);
}

static void
try_all(void)
{
    int n = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++, n++)
        tell(calls[i].name, calls[i].try());
    for (const char *line = file_acts, *end; line != NULL && *line != '\0';
         line = *end != '\0' ? end + 1 : NULL, n++) {
        end = line + strcspn(line, "\n");
        try_line(line, (size_t)(end - line));
    }
    dprintf(STDERR_FILENO, "tried %s%s\t%d\n", instance, getpid() == worker_pid ? "" : "+child", n);
}

int
event_base_loop(struct event_base *base, int flags)
{
    static int (*real)(struct event_base *, int);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "event_base_loop");
        try_all();
    }
    return real(base, flags);
}

unsigned
alarm(unsigned seconds)
{
    unsigned (*real)(unsigned);
    *(void **)&real = dlsym(RTLD_NEXT, "alarm");
    if (getpid() != worker_pid)
        try_all();
    return real(seconds);
}

/* Before the worker's first line: reads its acts while it may. */
__attribute__((constructor)) static void
load(void)
{
    static char command[4096], text[1 << 20], path[4096];
    const char *from = getenv("VIADUCT_ACTS");
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, command, sizeof command - 1);
    if (fd >= 0)
        close(fd);
    const char *base = strrchr(command, '/'), *connector = NULL;
    for (const char *at = command; n > 0 && at < command + n; at += strlen(at) + 1)
        if (strcmp(at, "--connector") == 0)
            connector = at + strlen(at) + 1;
    base = base != NULL ? base + 1 : command;
    base += strncmp(base, "viaduct-", 8) == 0 ? 8 : 0;
    snprintf(instance, sizeof instance, "%s%s%s", base, connector != NULL ? "-" : "",
             connector != NULL ? connector : "");
    worker_pid = getpid();
    if (from == NULL)
        return;
    snprintf(path, sizeof path, "%s.%s", from, instance);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    file_acts = n > 0 ? text : NULL;
    for (char *end; file_acts != NULL &&
                    (strncmp(file_acts, "landlock ", 9) == 0 || strncmp(file_acts, "seccomp ", 8) == 0);) {
        if (file_acts[0] == 'l')
            landlock_version = (int)strtol(file_acts + 9, NULL, 10);
        else
            no_seccomp = true;
        end = strchr(file_acts, '\n');
        file_acts = end != NULL ? end + 1 : NULL;
    }
    writable_fd = memfd_create("held", MFD_CLOEXEC); /* a file that it holds open, as it would a message */
}
