/* crash_calls.h - the system calls that change files: their table, what paths they are about, the filter that stops them
 *
 * Used by crashpoint alone. Sources: ptrace(2), seccomp(2), and the manual page of each call.
 */
#ifndef VIADUCT_CRASH_CALLS_H
#define VIADUCT_CRASH_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum { PATH_MAX_BYTES = 600 };

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
    {SYS_flock, SHAPE_FD, "flock"}, /* the last, since it is stopped for random scheduling only */
};

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

/* Opening changes nothing unless it makes or empties a file; a lock changes no file. */
static bool
only_looks(const struct call *call, const struct user_regs_struct *r)
{
    if (call->number == SYS_flock)
        return true;
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

_Noreturn static void
call_trouble(const char *what)
{
    fprintf(stderr, "crashpoint: %s: %s\n", what, strerror(errno));
    _exit(2);
}

static void
install_filter(bool with_locks)
{
    struct sock_filter filter[COUNT_OF(calls) + 8];
    size_t n = COUNT_OF(calls) - !with_locks, k = 0;
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
        call_trouble("no new privileges");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        call_trouble("seccomp");
}

#endif
