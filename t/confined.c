/* confined.c - a worker that was taken over, for t/confine.t: it stands in cleanup's place and tries what it must not
 *
 * Every act is one line of the log, `act NAME: SUCCEEDED` or the errno's text. The message that set it off then goes its way.
 * What a succeeding act would do is harmless: it is the trying that counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/worker.h"

static struct service *self;
static struct job *message;

/* ---- ways to try ---- */

static int
result(long r)
{
    return r < 0 ? -errno : 0;
}

static int
try_open(const char *path, int flags)
{
    int fd = openat(self->spool_fd, path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd >= 0)
        close(fd);
    return result(fd);
}

static const char *
in_spool(enum folder folder, const char *connector, const char *name)
{
    static char path[SPOOL_PATH_MAX + 100];
    char place[SPOOL_PATH_MAX];
    folder_path(folder, connector, place);
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static int
try_call(long number, long a, long b, long c, long d)
{
    return result(syscall(number, a, b, c, d, 0L, 0L));
}

/* ---- the acts ---- */

static int
read_shadow(void)
{
    return try_open("/etc/shadow", O_RDONLY);
}

static int
read_passwd(void)
{
    return try_open("/etc/passwd", O_RDONLY);
}

static int
list_root(void)
{
    return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int
list_spool(void)
{
    return try_open(".", O_RDONLY | O_DIRECTORY);
}

static int
write_tmp(void)
{
    return try_open("/tmp/viaduct-confined", O_WRONLY | O_CREAT);
}

static int
write_dev_shm(void)
{
    return try_open("/dev/shm/viaduct-confined", O_WRONLY | O_CREAT);
}

static int
read_master_memory(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
    return try_open(path, O_RDONLY);
}

static int
read_master_environment(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
    return try_open(path, O_RDONLY);
}

static int
write_own_memory(void)
{
    return try_open("/proc/self/mem", O_RDWR);
}

static int
list_drop(void)
{
    return try_open(in_spool(FOLDER_DROP, NULL, "."), O_RDONLY | O_DIRECTORY);
}

static int
list_hold(void)
{
    return try_open(in_spool(FOLDER_HOLD, NULL, "."), O_RDONLY | O_DIRECTORY);
}

static int
list_anothers_temp(void)
{
    return try_open(in_spool(FOLDER_TEMP, NULL, "router.0"), O_RDONLY | O_DIRECTORY);
}

static int
create_in_anothers_temp(void)
{
    return try_open(in_spool(FOLDER_TEMP, NULL, "router.0/evil"), O_WRONLY | O_CREAT);
}

static int
read_anothers_mail(void)
{
    return try_open(in_spool(FOLDER_MTS_OUT, "branch", "victim"), O_RDONLY);
}

static int
write_anothers_mail(void)
{
    return try_open(in_spool(FOLDER_MTS_OUT, "branch", "victim"), O_WRONLY);
}

static int
truncate_anothers_mail(void)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", self->root->spool, in_spool(FOLDER_MTS_OUT, "branch", "victim"));
    return result(truncate(path, 0));
}

static int
unlink_anothers_mail(void)
{
    return result(unlinkat(self->spool_fd, in_spool(FOLDER_MTS_OUT, "branch", "victim"), 0));
}

static int
write_masters_state(void)
{
    return try_open(in_spool(FOLDER_STATE, NULL, "master"), O_WRONLY);
}

static int
order_a_worker(void)
{
    return try_open(in_spool(FOLDER_CONTROL, NULL, "router/hold"), O_WRONLY | O_CREAT);
}

static int
change_the_book(void)
{
    return result(mkdirat(self->spool_fd, in_spool(FOLDER_BOOK, NULL, "999999"), 0700));
}

static int
create_where_it_takes(void)
{
    return try_open(in_spool(FOLDER_MTS_IN, "host", ".evil"), O_WRONLY | O_CREAT | O_EXCL);
}

static int
unlink_where_it_puts(void)
{
    int fd = openat(self->spool_fd, in_spool(FOLDER_SPOOLER_QUEUE, NULL, ".mine"),
                    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return result(unlinkat(self->spool_fd, in_spool(FOLDER_SPOOLER_QUEUE, NULL, ".mine"), 0));
}

static int
move_to_a_connector(void)
{
    char from[SPOOL_PATH_MAX + 100];
    snprintf(from, sizeof from, "%s", in_spool(FOLDER_MTS_IN, "host", message->name));
    return result(renameat(self->spool_fd, from, self->spool_fd, in_spool(FOLDER_MTS_OUT, "branch", "evil")));
}

static int
move_out_of_the_spool(void)
{
    return result(renameat(self->spool_fd, in_spool(FOLDER_MTS_IN, "host", message->name), AT_FDCWD,
                           "/tmp/viaduct-evil"));
}

static int
make_a_folder(void)
{
    return result(mkdirat(self->spool_fd, in_spool(FOLDER_SPOOLER_QUEUE, NULL, "evil"), 0700));
}

static int
chmod_anothers_folder(void)
{
    return result(fchmodat(self->spool_fd, in_spool(FOLDER_SPOOLER_QUEUE, NULL, "."), 0777, 0));
}

static int
make_a_link(void)
{
    return result(
        linkat(self->spool_fd, in_spool(FOLDER_MTS_IN, "host", message->name), self->temp_fd, "evil", 0));
}

static int
make_a_symlink(void)
{
    return result(symlinkat("/etc/passwd", self->temp_fd, "evil-symlink"));
}

static int
make_a_fifo(void)
{
    return result(mknodat(self->temp_fd, "evil-fifo", S_IFIFO | 0600, 0));
}

static int
make_a_device(void)
{
    return result(mknodat(self->temp_fd, "evil-device", S_IFCHR | 0600, 1 << 8 | 3));
}

static int
give_a_file_away(void)
{
    return result(fchown(message->fd, geteuid(), getegid()));
}

static int
become_root(void)
{
    return result(setresuid(0, 0, 0)) < 0 ? result(setresuid(geteuid(), geteuid(), geteuid())) : 0;
}

static int
take_a_group(void)
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
    return result(unshare(CLONE_NEWUSER));
}

static int
trace_the_master(void)
{
    long r = ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
    int error = result(r);
    if (r == 0)
        ptrace(PTRACE_DETACH, getppid(), NULL, NULL);
    return error;
}

static int
read_the_masters_pages(void)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {(void *)&self, 1};
    return result(process_vm_readv(getppid(), &local, 1, &remote, 1, 0));
}

static int
signal_the_master(void)
{
    return result(kill(getppid(), 0));
}

static int
signal_a_thread_of_the_master(void)
{
    return try_call(SYS_tgkill, getppid(), getppid(), 0, 0);
}

static int
queue_a_signal_to_the_master(void)
{
    siginfo_t info = {.si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
    return try_call(SYS_rt_sigqueueinfo, getppid(), SIGCONT, (long)&info, 0);
}

static int
open_a_pidfd(void)
{
    return try_call(SYS_pidfd_open, getppid(), 0, 0, 0);
}

static int
open_a_socket(void)
{
    return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
open_a_unix_socket(void)
{
    return result(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int
open_a_packet_socket(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int
load_a_bpf_program(void)
{
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return try_call(SYS_bpf, BPF_MAP_CREATE, (long)&attr, sizeof attr, 0);
}

static int
open_a_perf_event(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_CPU_CLOCK};
    return try_call(SYS_perf_event_open, (long)&attr, 0, -1, -1);
}

static int
open_a_userfault(void)
{
    return try_call(SYS_userfaultfd, 1, 0, 0, 0);
}

static int
set_up_io_uring(void)
{
    char parameters[128] = {0};
    return try_call(SYS_io_uring_setup, 4, (long)parameters, 0, 0);
}

static int
use_a_keyring(void)
{
    return try_call(SYS_keyctl, 0, -3, 1, 0);
}

static int
set_the_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return result(clock_settime(CLOCK_REALTIME, &now));
}

static int
change_personality(void)
{
    return try_call(SYS_personality, 0xffffffffL, 0, 0, 0);
}

/* In a child, since one that succeeds does not come back. */
static int
run_a_program(void)
{
    static char path[] = "/bin/true";
    char *argv[] = {path, NULL}, *environment[] = {NULL};
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, argv, environment);
        _exit(errno);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -EIO;
    return -WEXITSTATUS(status);
}

static const struct act {
    const char *name;
    int (*try)(void);
} acts[] = {
    {"read-shadow", read_shadow},
    {"read-passwd", read_passwd},
    {"list-root", list_root},
    {"list-spool", list_spool},
    {"write-tmp", write_tmp},
    {"write-dev-shm", write_dev_shm},
    {"read-master-memory", read_master_memory},
    {"read-master-environment", read_master_environment},
    {"write-own-memory", write_own_memory},
    {"list-drop", list_drop},
    {"list-hold", list_hold},
    {"list-anothers-temp", list_anothers_temp},
    {"create-in-anothers-temp", create_in_anothers_temp},
    {"read-anothers-mail", read_anothers_mail},
    {"write-anothers-mail", write_anothers_mail},
    {"truncate-anothers-mail", truncate_anothers_mail},
    {"unlink-anothers-mail", unlink_anothers_mail},
    {"write-masters-state", write_masters_state},
    {"order-a-worker", order_a_worker},
    {"change-the-book", change_the_book},
    {"create-where-it-takes", create_where_it_takes},
    {"unlink-where-it-puts", unlink_where_it_puts},
    {"move-to-a-connector", move_to_a_connector},
    {"move-out-of-the-spool", move_out_of_the_spool},
    {"make-a-folder", make_a_folder},
    {"chmod-anothers-folder", chmod_anothers_folder},
    {"link", make_a_link},
    {"symlink", make_a_symlink},
    {"fifo", make_a_fifo},
    {"device", make_a_device},
    {"chown", give_a_file_away},
    {"setuid", become_root},
    {"setgid", take_a_group},
    {"setgroups", take_groups},
    {"mount", mount_something},
    {"chroot", change_root},
    {"unshare", unshare_users},
    {"ptrace", trace_the_master},
    {"read-masters-pages", read_the_masters_pages},
    {"kill", signal_the_master},
    {"tgkill", signal_a_thread_of_the_master},
    {"sigqueue", queue_a_signal_to_the_master},
    {"pidfd", open_a_pidfd},
    {"socket", open_a_socket},
    {"unix-socket", open_a_unix_socket},
    {"netlink", open_a_packet_socket},
    {"bpf", load_a_bpf_program},
    {"perf", open_a_perf_event},
    {"userfaultfd", open_a_userfault},
    {"io-uring", set_up_io_uring},
    {"keyring", use_a_keyring},
    {"set-the-clock", set_the_clock},
    {"personality", change_personality},
    {"exec", run_a_program},
};

static struct judgement
take(struct service *service, struct job *job)
{
    self = service;
    message = job;
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        int r = acts[i].try();
        log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "act %s: %s", acts[i].name,
                r == 0 ? "SUCCEEDED" : strerror(-r));
    }
    log_say(LOG_GENERAL, LEVEL_MINIMUM, NULL, "acts tried: %zu", COUNT_OF(acts));
    return judge(VERDICT_PASS, "", "%s", "");
}

static const struct worker confined = {.id = WORKER_CLEANUP, .max_in_hand = 1, .take = take};

int
main(int argc, char **argv)
{
    return worker_main(&confined, argc, argv);
}
