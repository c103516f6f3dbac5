/* sandbox_calls.c - which system calls a worker may still make (see sandbox.c)
 *
 * Calls that no worker needs are refused with EPERM; those who have no network get no sockets, and no memory
 * becomes code that was not code before. The rest is allowed: a list of all that libraries may call would break
 * with the next C library. Calls of another processor's form (32 bit) end the process, which is libseccomp's rule.
 *
 * Source: seccomp(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/worker_inside.h"

/* Younger than the header files of Debian 12; the same number on every processor. */
enum { FCHMODAT2 = 452 };

/* What no worker has a use for. */
static const int refused_calls[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(link),
    SCMP_SYS(truncate),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(chown),
    SCMP_SYS(fchown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(personality),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(fsetxattr),
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    SCMP_SYS(fremovexattr),
    FCHMODAT2,
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(process_madvise),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(syslog),
    SCMP_SYS(vhangup),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(listen),
};

/* linkat: carriers fall back to it on foreign shares that know no RENAME_NOREPLACE. */
static const int connect_calls[] = {SCMP_SYS(linkat), SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect),
                                    SCMP_SYS(bind)};
static const int accept_calls[] = {SCMP_SYS(accept), SCMP_SYS(accept4)};

static int
refuse(scmp_filter_ctx filter, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
        if (r < 0 && r != -EDOM) /* -EDOM: this processor has no such call */
            return r;
    }
    return 0;
}

static int
refuse_where(scmp_filter_ctx filter, int call, struct scmp_arg_cmp argument)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &argument);
}

/* Sockets but local ones and those of IP: what the kernel has beside them is seldom used and often broken. */
static int
refuse_odd_sockets(scmp_filter_ctx filter)
{
    int r = refuse_where(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_INET6, 0));
    for (scmp_datum_t family = AF_INET + 1; r == 0 && family < AF_INET6; family++)
        r = refuse_where(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, family, 0));
    return r;
}

/* Signals that the kernel sends in a process's stead, when something happens to a descriptor; input pushed into the
 * terminal of whoever started the master in the foreground. */
static int
refuse_detours(scmp_filter_ctx filter)
{
    static const int controls[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
    static const unsigned ioctls[] = {FIOSETOWN, SIOCSPGRP, TIOCSTI};
    int r = 0;
    for (size_t i = 0; r == 0 && i < COUNT_OF(controls); i++)
        r = refuse_where(filter, SCMP_SYS(fcntl),
                         SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)controls[i]));
    for (size_t i = 0; r == 0 && i < COUNT_OF(ioctls); i++)
        r = refuse_where(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, ioctls[i]));
    return r;
}

/* Data that becomes code. */
static int
refuse_own_code(scmp_filter_ctx filter)
{
    int r = refuse_where(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    if (r == 0)
        r = refuse_where(filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    if (r == 0)
        r = refuse_where(filter, SCMP_SYS(pkey_mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    return r;
}

/* Signals to other processes than this one. A converter's child must be able to abort(), and its number is not known yet:
 * sandbox_refuse_signals() is for it. */
static int
refuse_signals(scmp_filter_ctx filter, bool has_children)
{
    struct scmp_arg_cmp rule[] = {SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0),
                                  SCMP_A2(SCMP_CMP_NE, SIGABRT, 0)};
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), has_children ? 2 : 1, rule);
}

/* New namespaces; limits of others. clone3 hides its flags in memory, so it is said not to exist, and the C library takes
 * clone. */
static int
refuse_by_argument(scmp_filter_ctx filter)
{
    int r = 0;
    for (unsigned bit = 7; r == 0 && bit < 32; bit++) {
        unsigned namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                              CLONE_NEWPID | CLONE_NEWNET;
        scmp_datum_t flag = (scmp_datum_t)1 << bit;
        if (flag & namespaces)
            r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (r == 0) /* limits of others */
        r = refuse_where(filter, SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_NE, 0, 0));
    return r;
}

int
sandbox_refuse_calls(const struct service *service)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return -ENOMEM;
    int r = refuse(filter, refused_calls, COUNT_OF(refused_calls));
    if (r == 0)
        r = refuse_by_argument(filter);
    if (r == 0)
        r = refuse_signals(filter, worker_table[service->worker->id].per == PER_CONVERTER);
    if (r == 0)
        r = refuse_detours(filter);
    if (r == 0)
        r = refuse_own_code(filter);
    if (r == 0)
        r = service->network == NETWORK_CONNECT ? refuse_odd_sockets(filter)
                                                : refuse(filter, connect_calls, COUNT_OF(connect_calls));
    if (r == 0 && service->network == NETWORK_NONE)
        r = refuse(filter, accept_calls, COUNT_OF(accept_calls));
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

void
sandbox_refuse_signals(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return;
    if (refuse_signals(filter, false) == 0)
        seccomp_load(filter); /* where it fails the kernel had no filters before either */
    seccomp_release(filter);
}
