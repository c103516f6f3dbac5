/* logdisk.c - a disk in one file that logs every write and flush in order, for power-cut tests
 *
 *     logdisk IMAGE LOG FOLDER        (root; in the foreground, until FOLDER is unmounted)
 *
 *     FOLDER/disk    the image: a loop device on it carries the file system under test
 *     FOLDER/mark    what is written here goes into the log between the disk's writes: "this was acknowledged
 * now"
 *     FOLDER/ctl     commands: "eio-write N", "eio-flush N": the N-th write or flush from now fails once, with EIO and
 *                    nothing written; "0" for N takes it back
 *
 * The log is a row of records: magic, type, offset, length (two 32-bit and two 64-bit numbers of this machine),
 * then the bytes of writes and marks. Whoever plays a prefix of it into a copy of the image has the disk as it
 * was when the power went at that moment; what lies behind the last flush may also be played in part.
 *
 * It speaks the kernel's FUSE protocol itself, so that the tests need no library: one request at a time, which
 * is what gives the log its order. A request that it does not know is answered with ENOSYS.
 *
 * Source: the kernel's include/uapi/linux/fuse.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE_MAX = 128 << 10, REQUEST_MAX = WRITE_MAX + 4096, NODE_DISK = 2, NODE_MARK = 3, NODE_CTL = 4 };
enum record_type { RECORD_WRITE, RECORD_FLUSH, RECORD_MARK, RECORD_ZERO, RECORD_ERROR };

struct record {
    uint32_t magic, type;
    uint64_t offset, length;
};

static int fuse_fd, image_fd, log_fd;
static uint64_t image_bytes;
static unsigned long fail_write, fail_flush; /* so many from now; 0: none */

_Noreturn static void
give_up(const char *what)
{
    fprintf(stderr, "logdisk: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
log_record(enum record_type type, uint64_t offset, uint64_t length, const void *bytes)
{
    struct record record = {0x44474f4c, type, offset, length};
    if (write(log_fd, &record, sizeof record) != (ssize_t)sizeof record)
        give_up("log");
    if (bytes != NULL && write(log_fd, bytes, length) != (ssize_t)length)
        give_up("log");
}

/* ---- answers ---- */

static void
answer(uint64_t unique, int error, const void *bytes, size_t len)
{
    struct fuse_out_header header = {(uint32_t)(sizeof header + len), error, unique};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)bytes, len}};
    if (writev(fuse_fd, parts, len > 0 ? 2 : 1) < 0 && errno != ENOENT) /* ENOENT: interrupted meanwhile */
        give_up("answer");
}

static struct fuse_attr
attributes(uint64_t node)
{
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFREG | 0666};
    if (node == FUSE_ROOT_ID)
        attr.mode = S_IFDIR | 0755;
    if (node == NODE_DISK) {
        attr.size = image_bytes;
        attr.blocks = image_bytes / 512;
    }
    return attr;
}

static void
on_init(uint64_t unique, const struct fuse_init_in *in)
{
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                .minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor
                                                                               : FUSE_KERNEL_MINOR_VERSION,
                                .max_readahead = in->max_readahead,
                                .flags = in->flags & FUSE_BIG_WRITES,
                                .max_background = 16,
                                .congestion_threshold = 12,
                                .max_write = WRITE_MAX,
                                .time_gran = 1};
    answer(unique, 0, &out, sizeof out);
}

static void
on_lookup(uint64_t unique, const char *name)
{
    static const struct {
        const char *name;
        uint64_t node;
    } files[] = {{"disk", NODE_DISK}, {"mark", NODE_MARK}, {"ctl", NODE_CTL}};
    uint64_t node = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strcmp(name, files[i].name) == 0)
            node = files[i].node;
    struct fuse_entry_out out = {
        .nodeid = node, .entry_valid = 1000, .attr_valid = 1000, .attr = attributes(node)};
    answer(unique, node == 0 ? -ENOENT : 0, &out, node == 0 ? 0 : sizeof out);
}

static void
on_read(uint64_t unique, uint64_t node, const struct fuse_read_in *in)
{
    static char bytes[WRITE_MAX];
    size_t size = in->size < sizeof bytes ? in->size : sizeof bytes;
    ssize_t n = node == NODE_DISK ? pread(image_fd, bytes, size, (off_t)in->offset) : 0;
    answer(unique, n < 0 ? -errno : 0, bytes, n < 0 ? 0 : (size_t)n);
}

/* True where this one is to fail: it is counted down to. */
static bool
fails(unsigned long *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

static void
obey(const char *bytes, size_t len)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)len, bytes);
    if (strncmp(text, "eio-write ", 10) == 0)
        fail_write = strtoul(text + 10, NULL, 10);
    if (strncmp(text, "eio-flush ", 10) == 0)
        fail_flush = strtoul(text + 10, NULL, 10);
}

static void
on_write(uint64_t unique, uint64_t node, const struct fuse_write_in *in)
{
    struct fuse_write_out out = {.size = in->size};
    const void *bytes = in + 1;
    if (node == NODE_MARK) {
        log_record(RECORD_MARK, 0, in->size, bytes);
    } else if (node == NODE_CTL) {
        obey(bytes, in->size);
    } else if (fails(&fail_write)) {
        log_record(RECORD_ERROR, in->offset, 0, NULL);
        answer(unique, -EIO, NULL, 0);
        return;
    } else if (in->offset + in->size > image_bytes) {
        answer(unique, -ENOSPC, NULL, 0);
        return;
    } else {
        if (pwrite(image_fd, bytes, in->size, (off_t)in->offset) != (ssize_t)in->size)
            give_up("image");
        log_record(RECORD_WRITE, in->offset, in->size, bytes);
    }
    answer(unique, 0, &out, sizeof out);
}

/* Discards: what they cover reads as zeros afterwards, here and in the replay. */
static void
on_fallocate(uint64_t unique, uint64_t node, const struct fuse_fallocate_in *in)
{
    int mode = (int)in->mode & ~FALLOC_FL_KEEP_SIZE;
    if (node != NODE_DISK || (mode != FALLOC_FL_PUNCH_HOLE && mode != FALLOC_FL_ZERO_RANGE)) {
        answer(unique, -EOPNOTSUPP, NULL, 0);
        return;
    }
    if (fallocate(image_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)in->offset, (off_t)in->length) <
        0)
        give_up("image");
    log_record(RECORD_ZERO, in->offset, in->length, NULL);
    answer(unique, 0, NULL, 0);
}

static void
on_flush(uint64_t unique, uint64_t node)
{
    bool failed = node == NODE_DISK && fails(&fail_flush);
    if (node == NODE_DISK)
        log_record(failed ? RECORD_ERROR : RECORD_FLUSH, 0, 0, NULL);
    answer(unique, failed ? -EIO : 0, NULL, 0);
}

static void
on_open(uint64_t unique, bool folder)
{
    struct fuse_open_out out = {.open_flags = folder ? 0 : FOPEN_DIRECT_IO};
    answer(unique, 0, &out, sizeof out);
}

static void
on_request(const struct fuse_in_header *in)
{
    const void *body = in + 1;
    struct fuse_attr_out attr = {.attr_valid = 1000, .attr = attributes(in->nodeid)};
    struct fuse_statfs_out statfs = {.st = {.bsize = 4096, .namelen = 255, .frsize = 4096}};
    switch (in->opcode) {
    case FUSE_INIT:
        on_init(in->unique, body);
        return;
    case FUSE_LOOKUP:
        on_lookup(in->unique, body);
        return;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        answer(in->unique, 0, &attr, sizeof attr);
        return;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        on_open(in->unique, in->opcode == FUSE_OPENDIR);
        return;
    case FUSE_READ:
        on_read(in->unique, in->nodeid, body);
        return;
    case FUSE_WRITE:
        on_write(in->unique, in->nodeid, body);
        return;
    case FUSE_FSYNC:
        on_flush(in->unique, in->nodeid);
        return;
    case FUSE_FALLOCATE:
        on_fallocate(in->unique, in->nodeid, body);
        return;
    case FUSE_STATFS:
        answer(in->unique, 0, &statfs, sizeof statfs);
        return;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_READDIR:
    case FUSE_DESTROY:
        answer(in->unique, 0, NULL, 0);
        return;
    case FUSE_FORGET: /* these three want no answer */
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        answer(in->unique, -ENOSYS, NULL, 0);
    }
}

/* Into a mount namespace of its own, without the folder: a file system on this disk is mounted later, in the namespace of
 * who started us. Were it ours too and we the last to die, the kernel would unmount it in our exit, and wait for ever for
 * us to take its last blocks. Who started us is not outlived. */
static void
stand_aside(const char *folder)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || umount2(folder, MNT_DETACH) < 0)
        give_up("namespace");
}

int
main(int argc, char **argv)
{
    static _Alignas(uint64_t) char request[REQUEST_MAX];
    struct stat st;
    char options[120];
    if (argc != 4) {
        fprintf(stderr, "usage: logdisk IMAGE LOG FOLDER\n");
        return 2;
    }
    image_fd = open(argv[1], O_RDWR | O_CLOEXEC);
    log_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (image_fd < 0 || log_fd < 0 || fuse_fd < 0 || fstat(image_fd, &st) < 0)
        give_up("open");
    image_bytes = (uint64_t)st.st_size;
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse_fd);
    if (mount("logdisk", argv[3], "fuse.logdisk", MS_NOSUID | MS_NODEV, options) < 0)
        give_up(argv[3]);
    stand_aside(argv[3]);
    for (;;) {
        ssize_t n = read(fuse_fd, request, sizeof request);
        if (n < 0 && errno == ENODEV) /* unmounted */
            return 0;
        if (n < 0 && errno != EINTR && errno != ENOENT)
            give_up("request");
        if (n >= (ssize_t)sizeof(struct fuse_in_header))
            on_request((const struct fuse_in_header *)(const void *)request);
    }
}
