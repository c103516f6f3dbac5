"""Disks and file systems for the tests of power cuts and of errors of a disk: images, loop devices, mounts, logdisk.

Loop devices and mounts are made by the system calls themselves, since there are some for each state and a process for each
step costs more than the step. Linux only. Sources: loop(4), mount(2), <linux/loop.h>.
"""
import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time

from crashrig import program

MB, BLOCK = 1 << 20, 4096
SIZES = {"ext4": 48, "xfs": 320, "btrfs": 128}
DATA = {"ext4": "", "xfs": "nouuid", "btrfs": ""}
WRITE, FLUSH, MARK, ZERO = range(4)
LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_AUTOCLEAR = 0x4C82, 0x4C0A, 4
MS_NOATIME, MNT_DETACH = 1024, 2
libc = ctypes.CDLL(None, use_errno=True)


def sh(*argv):
    """Runs a command; its output, or an error that says what it said."""
    r = subprocess.run(argv, capture_output=True, text=True)
    if r.returncode != 0:
        raise OSError("%s: %s" % (" ".join(argv), (r.stderr or r.stdout).strip()))
    return r.stdout.strip()


def call(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (what, os.strerror(error)))


def attach(image):
    """A loop device on an image, which goes when it is no longer used: its descriptor, and its path."""
    control = os.open("/dev/loop-control", os.O_RDWR)
    backing = os.open(image, os.O_RDWR)
    info = struct.pack("<QQQQQIIII64s64s32sQQ", 0, 0, 0, 0, 0, 0, 0, 0, LOOP_AUTOCLEAR, os.fsencode(image)[:63], b"", b"", 0, 0)
    config = struct.pack("<II", backing, 0) + info + bytes(64)
    try:
        for _ in range(200): # others look for a free one too
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            path = "/dev/loop%d" % number
            try:
                device = os.open(path, os.O_RDWR)
            except OSError:
                time.sleep(0.005)
                continue
            try:
                fcntl.ioctl(device, LOOP_CONFIGURE, config)
                return device, path
            except OSError as e:
                os.close(device)
                if e.errno not in (errno.EBUSY, errno.ENXIO):
                    raise
        raise OSError("no free loop device")
    finally:
        os.close(control)
        os.close(backing)


class Mount:
    """An image (or logdisk's file) mounted by way of a loop device."""

    def __init__(self, kind, image, folder):
        self.folder = folder
        device, path = attach(image)
        try:
            call(libc.mount(path.encode(), folder.encode(), kind.encode(), MS_NOATIME, DATA[kind].encode()), "mount " + image)
        finally:
            os.close(device)

    def sync(self):
        """This file system alone: sync() would wait for all of the machine's."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            call(libc.syncfs(fd), "syncfs")
        finally:
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(100): # what a killed process held is let go a moment later
            if libc.umount2(self.folder.encode(), 0) == 0:
                return
            time.sleep(0.01)
        libc.umount2(self.folder.encode(), MNT_DETACH)


def make_filesystem(kind, image):
    with open(image, "wb") as f:
        f.truncate(SIZES[kind] * MB)
    if kind == "ext4":
        sh("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=8", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    elif kind == "xfs":
        sh("mkfs.xfs", "-q", "-f", image)
    else:
        sh("mkfs.btrfs", "-q", "-f", image)


def copy(image, to):
    sh("cp", "--sparse=always", image, to)


class LogDisk:
    """logdisk on an image: `disk` is the file for a loop device. `ctl` sends it a command, `mark` puts a word into its log."""

    def __init__(self, image, log, folder):
        self.folder, self.log, self.disk = folder, log, os.path.join(folder, "disk")
        os.makedirs(folder, exist_ok=True)
        self.process = subprocess.Popen([program("t/crash/logdisk"), image, log, folder])
        while not os.path.exists(self.disk):
            if self.process.poll() is not None:
                raise OSError("logdisk does not run")
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(200): # the loop device goes a moment after the mount on it
            if libc.umount2(self.folder.encode(), 0) == 0:
                break
            time.sleep(0.01)
        else:
            libc.umount2(self.folder.encode(), MNT_DETACH)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def write(self, name, text):
        fd = os.open(os.path.join(self.folder, name), os.O_WRONLY)
        os.write(fd, text.encode())
        os.close(fd)

    def mark(self, *words):
        self.write("mark", " ".join(words))

    def ctl(self, text):
        self.write("ctl", text)

    def log_bytes(self):
        return os.path.getsize(self.log)


def read_log(path, live_bytes):
    """The records (type, offset, bytes), and how many of them were there when the run was over."""
    records, live, at = [], 0, 0
    with open(path, "rb") as f:
        while len(head := f.read(24)) == 24:
            if at < live_bytes:
                live = len(records) + 1
            _, kind, offset, length = struct.unpack("<IIQQ", head)
            data = f.read(length) if kind in (WRITE, MARK) else b""
            records.append((kind, offset, length if kind == ZERO else data))
            at = f.tell()
    return records, live


def play(image, records):
    with open(image, "r+b") as f:
        for kind, offset, data in records:
            if kind in (WRITE, ZERO):
                f.seek(offset)
                f.write(data if kind == WRITE else bytes(data))


def blocks(records):
    """Writes in blocks of 4 KiB: what a disk may write, or not, of what lies in its cache."""
    for kind, offset, data in records:
        if kind == WRITE:
            for at in range(0, len(data), BLOCK):
                yield (WRITE, offset + at, data[at:at + BLOCK])
        elif kind == ZERO:
            yield (kind, offset, data)


def missing(kind=None):
    """Why no disk can be made here; None where it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.access(program("t/crash/logdisk"), os.X_OK):
        return "logdisk is not built"
    if subprocess.run(["losetup", "-f"], capture_output=True).returncode != 0:
        return "there are no loop devices"
    if kind and not shutil.which("mkfs." + kind, path="/usr/sbin:/sbin"):
        return "there is no mkfs." + kind
    return None


def alone():
    """Mounts are this process's own: whatever happens to it, none is left behind."""
    if os.geteuid() == 0 and os.environ.get("VIADUCT_POWERCUT") != "alone":
        os.environ["VIADUCT_POWERCUT"] = "alone"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)
