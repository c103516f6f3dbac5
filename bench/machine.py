"""machine.py - where a run takes place: the file system, made for it where that is allowed, and the machine in words."""
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time

IMAGE_BYTES = 16 << 30 # sparse
BYTES_PER_INODE = 4096 # a million small messages take as many inodes
SBIN = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def run(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=SBIN)


class FileSystem:
    """A private folder on the file system to measure: below `folder` where given; else on a journaled ext4 in a file of the private
    folder, mounted; where that cannot be, in the private folder itself. All of it goes at the end."""

    def __init__(self, folder=None):
        self.folder = folder
        self.mounted = None

    def __enter__(self):
        self.private = tempfile.mkdtemp(prefix="viaduct-bench-", dir=self.folder or os.environ.get("TMPDIR", "/var/tmp"))
        os.chmod(self.private, 0o755)
        self.top = self.private
        try:
            if not self.folder and os.geteuid() == 0:
                self._mount()
        except (OSError, subprocess.CalledProcessError) as e:
            print("no journaled ext4 can be made here (%s): the folder's own file system is taken" % e, flush=True)
        return self

    def _mount(self):
        image, at = os.path.join(self.private, "image"), os.path.join(self.private, "fs")
        with open(image, "wb") as f:
            f.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-F", "-O", "has_journal", "-E", "lazy_itable_init=0,lazy_journal_init=0",
            "-i", str(BYTES_PER_INODE), image)
        os.mkdir(at)
        run("mount", "-o", "loop", image, at)
        self.mounted = at
        self.top = os.path.join(at, "bench")
        os.mkdir(self.top, 0o755)

    def __exit__(self, *_):
        if self.mounted:
            end = time.monotonic() + 10
            while subprocess.run(["umount", self.mounted], env=SBIN, stderr=subprocess.DEVNULL).returncode != 0:
                if time.monotonic() > end:
                    run("umount", "-l", self.mounted)
                    break
                time.sleep(0.2)
        shutil.rmtree(self.private, ignore_errors=True)

    def words(self):
        if self.mounted:
            return "ext4 with a journal, in a file on " + mount_of(self.private)
        return mount_of(self.private)


def mount_of(path):
    """Type of the file system that a path is on; whether an ext4 has a journal is asked of jbd2's list."""
    best, kind, device = "", "unknown", ""
    with open("/proc/mounts") as f:
        for line in f:
            source, at, fs = line.split()[:3]
            if (path + "/").startswith(at.rstrip("/") + "/") and len(at) >= len(best):
                best, kind, device = at, fs, source
    if kind == "ext4" and os.path.isdir("/proc/fs/jbd2"):
        journal = any(name.startswith(os.path.basename(device) + "-") for name in os.listdir("/proc/fs/jbd2"))
        return "ext4 with a journal" if journal else "ext4 without a journal"
    return kind


def processor():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"^model name\s*:\s*(.*)$", f.read(), re.M)
    return found.group(1) if found else platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2.0**30


def describe(fs, versions, pairs):
    load = ", ".join("%.1f" % x for x in os.getloadavg())
    return "\n".join([
        "- %s; %s" % (time.strftime("%Y-%m-%d"), ", ".join(versions)),
        "- machine: %d x %s, %.0f GiB" % (os.cpu_count(), processor(), memory_gib()),
        "- kernel: %s %s; load average at the end %s" % (platform.system(), platform.release(), load),
        "- file system: " + fs.words(),
        "- medians of %d pairs of runs; smtp-source with 20 sessions, the system, smtp-sink, all on this machine" % pairs])
