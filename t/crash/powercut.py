#!/usr/bin/python3
"""powercut.py - the power goes at every moment of a route, on real file systems

    powercut.py [--fs ext4|xfs|btrfs]... [--route NAME]... [--states N] [--reorder N] [--seed N] [--keep FOLDER]

A file system lies on a loop device on logdisk, which logs every write and flush in order, and between them the moments at
which a message was acknowledged or taken by the sink. Then, for each moment of the log:

    prefix      the disk as it was: all writes up to there
    flushed     only what the last flush before it covers
    reordered   that, and some of the writes behind it, each block of 4 KiB by chance: a disk with a cache

The state is mounted, the road runs again, and what had been acknowledged by then must arrive. What the sink had taken
before the power went may come once more, since the removal of its file may be undone; nothing else may.

Needs root, /dev/fuse, loop devices and the file system's mkfs; what is missing is skipped. Speaks TAP.
"""
import argparse
import collections
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep  # noqa: E402
from crashrig import Run, program, workers  # noqa: E402
from spooltest import counts, done, ok  # noqa: E402

MB, BLOCK = 1 << 20, 4096
SIZES = {"ext4": 48, "xfs": 320, "btrfs": 128}
WRITE, FLUSH, MARK, ZERO = range(4)
ROUTES = {r.name: r for r in (sweep.Drop, sweep.Straight, sweep.Split, sweep.Report, sweep.Defer, sweep.Whole)}


def sh(*argv):
    """Runs a command; its output, or an error that says what it said."""
    r = subprocess.run(argv, capture_output=True, text=True)
    if r.returncode != 0:
        raise OSError("%s: %s" % (" ".join(argv), (r.stderr or r.stdout).strip()))
    return r.stdout.strip()


def skip(why):
    counts["run"] += 1
    print("ok %d # skip %s" % (counts["run"], why))


class Mount:
    """An image (or logdisk's file) mounted by way of a loop device."""

    def __init__(self, image, folder):
        self.folder = folder
        self.loop = sh("losetup", "-f", "--show", image)
        try:
            sh("mount", "-o", "noatime", self.loop, folder)
        except OSError:
            sh("losetup", "-d", self.loop)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        sh("umount", self.folder)
        sh("losetup", "-d", self.loop)


def make_filesystem(kind, image):
    with open(image, "wb") as f:
        f.truncate(SIZES[kind] * MB)
    if kind == "ext4":
        sh("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=8", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    elif kind == "xfs":
        sh("mkfs.xfs", "-q", "-f", image)
    else:
        sh("mkfs.btrfs", "-q", "-f", image)


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


class PowerCut:
    def __init__(self, kind, route_class, arguments):
        self.kind, self.arguments = kind, arguments
        self.random = random.Random(arguments.seed)
        self.top = tempfile.mkdtemp(prefix="viaduct-power-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        os.chmod(self.top, 0o755)
        self.folder = self.path("mnt")
        os.mkdir(self.folder)
        os.mkdir(self.path("disk"))
        self.route = route_class(os.path.join(self.folder, "spool"))
        self.states = self.repeated = 0
        self.wrong = []

    def path(self, name):
        return os.path.join(self.top, name)

    # ---- recording ----

    def note(self, *words):
        with open(self.path("disk/mark"), "wb", buffering=0) as f:
            f.write(" ".join(words).encode())

    def record(self):
        """Runs the route on the logging disk: its base image, its log, what was in it from the beginning."""
        make_filesystem(self.kind, self.path("image"))
        with Mount(self.path("image"), self.folder):
            os.makedirs(self.route.spool.path, exist_ok=True)
            os.chmod(self.folder, 0o755)
            self.route.prepare()
            self.before = set(self.route.acked)
            os.sync()
        shutil.copyfile(self.path("image"), self.path("base"))
        logdisk = subprocess.Popen([program("t/crash/logdisk"), self.path("image"), self.path("log"), self.path("disk")])
        try:
            while not os.path.exists(self.path("disk/disk")):
                if logdisk.poll() is not None:
                    raise OSError("logdisk does not run")
                time.sleep(0.01)
            with Mount(self.path("disk/disk"), self.folder):
                self.run_noted()
                live_bytes = os.path.getsize(self.path("log"))
        finally:
            subprocess.run(["umount", self.path("disk")])
            logdisk.wait(30)
        self.records, self.live = read_log(self.path("log"), live_bytes)
        self.check_recorder()

    def run_noted(self):
        """With a mark for each acknowledgement and for each message that the sink takes."""
        for sink in self.route.sink.values():
            sink.note = lambda token, key: self.note("took", token, key)
        plain = self.route.__class__.ack if hasattr(self.route, "ack") else None
        if plain:
            self.route.ack = lambda token: (self.note("ack", token), plain(self.route, token))
        self.route.run(None)
        for sink in self.route.sink.values():
            sink.note = None

    def check_recorder(self):
        """The base and the whole log must be exactly the disk: else nothing below means anything."""
        shutil.copyfile(self.path("base"), self.path("state"))
        play(self.path("state"), self.records)
        if subprocess.run(["cmp", "-s", self.path("state"), self.path("image")]).returncode != 0:
            raise OSError("the log is not the disk's story")

    # ---- replay ----

    def known_at(self, k):
        """What had been acknowledged, and what the sink had, when k records were on the disk."""
        acked, taken = set(self.before), collections.Counter()
        for kind, _, data in self.records[:k]:
            if kind == MARK:
                words = data.decode().split(" ")
                if words[0] == "ack":
                    acked.add(words[1])
                else:
                    taken[(words[1], words[2])] += 1
        return acked, taken

    def cases(self, k, flushed):
        yield "prefix", self.records[:k]
        behind = [r for r in self.records[flushed:k] if r[0] in (WRITE, ZERO)]
        if not behind:
            return
        if self.arguments.reorder:
            yield "flushed", self.records[:flushed]
        for _ in range(self.arguments.reorder):
            some = [b for b in blocks(behind) if self.random.random() < 0.5]
            yield "reordered", self.records[:flushed] + some

    def moments(self):
        """Those after which something differs, thinned out to the number asked for."""
        all_k = [k for k in range(self.live + 1) if k == 0 or k == self.live or self.records[k - 1][0] != FLUSH]
        each = 1 + self.arguments.reorder + (self.arguments.reorder > 0)
        step = max(1, len(all_k) * each // self.arguments.states) if self.arguments.states else 1
        return sorted(set(all_k[self.random.randrange(step)::step] + [self.live]))

    def flushed_before(self, k):
        while k > 0 and self.records[k - 1][0] != FLUSH:
            k -= 1
        return k

    def try_all(self):
        for k in self.moments():
            for name, records in self.cases(k, self.flushed_before(k)):
                wrong = self.try_state(k, records)
                self.states += 1
                if wrong:
                    self.wrong.append(wrong)
                    if len(self.wrong) <= 4:
                        print("#   %s at %d of %d: %s" % (name, k, self.live, "; ".join(wrong)[:600]))

    def try_state(self, k, records):
        sh("cp", "--sparse=always", self.path("base"), self.path("state"))
        play(self.path("state"), records)
        acked, taken = self.known_at(k)
        try:
            with Mount(self.path("state"), self.folder):
                if not os.path.isdir(self.route.spool.path):
                    return ["the spool is gone"]
                open(self.route.spool.log_path, "w").close()
                wrong = self.recover(acked, taken)
                if wrong and self.arguments.keep:
                    self.keep(str(k), wrong)
                return wrong
        except OSError as error:
            return [str(error)]

    def recover(self, acked, taken):
        for sink in self.route.sink.values():
            sink.forget()
        for _ in range(3):
            Run(self.route.spool, workers(self.route.spool, *self.road())).wait(40)
            if not self.route.on_road():
                break
            time.sleep(1.1)
        return self.check(acked, taken)

    def road(self):
        """Every worker that may find something, in the order of the road; reports go around once more."""
        out = ["outbound-gateway:" + name for name in self.route.sinks]
        return (["pickup", "inbound-gateway:host", "viaduct queue retry all --yes", "cleanup", "router"] + out +
                ["bouncer", "router", "outbound-gateway:host"])

    def check(self, acked, taken):
        wrong, received, places = [], self.route.spool.received(), self.route.spool.places()
        for item in self.route.items:
            for key, n in item.wanted().items():
                came, before = received[key], taken[key]
                if item.token in acked and came + before < n:
                    wrong.append("LOST %s to %s: %s" % (key[0], key[1], places.get(item.token)))
                if came > n:
                    wrong.append("came %d times after the cut: %s to %s" % (came, key[0], key[1]))
                self.repeated += min(came, before)
        wrong += ["left over: %s %s" % entry for entry in places.items()]
        return wrong

    def keep(self, name, wrong):
        """What one needs to find out why: the log of the recovery, the tracking logs, the ledger."""
        with open(os.path.join(self.arguments.keep, "%s-%s-%s" % (self.kind, self.route.name, name)), "w") as f:
            f.write("%s\n\n%s\n" % ("\n".join(wrong), self.route.spool.say_log(10000)))
            f.write("\n".join(self.route.spool.track()) + "\n%s\n" % self.route.spool.received())

    def close(self):
        self.route.close()
        shutil.rmtree(self.top, ignore_errors=True)


def cut(kind, name, arguments):
    begun = time.monotonic()
    test = PowerCut(kind, ROUTES[name], arguments)
    try:
        test.record()
        test.try_all()
        arrived = not test.wrong and test.states > 0
        ok(arrived, "%s, %s: the power goes at %d moments, nothing acknowledged is lost" % (kind, name, test.states))
        took = time.monotonic() - begun
        print("#   %d records, %d wrong, %d taken before the cut came again, %.1f s (%.0f ms each)" % (
            test.live, len(test.wrong), test.repeated, took, 1000 * took / max(1, test.states)), flush=True)
    except OSError as error:
        ok(False, "%s, %s: %s" % (kind, name, error))
    finally:
        test.close()


def missing():
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.access(program("t/crash/logdisk"), os.X_OK):
        return "logdisk is not built"
    if subprocess.run(["losetup", "-f"], capture_output=True).returncode != 0:
        return "there are no loop devices"
    return None


def cut_all(arguments):
    for kind in arguments.fs or ["ext4", "xfs", "btrfs"]:
        why = missing() or (None if shutil.which("mkfs." + kind, path="/usr/sbin:/sbin") else "there is no mkfs." + kind)
        if why:
            skip("%s: %s" % (kind, why))
            continue
        for name in arguments.route or list(ROUTES):
            cut(kind, name, arguments)


def alone():
    """Mounts are this process's own: whatever happens to it, none is left behind."""
    if os.geteuid() == 0 and os.environ.get("VIADUCT_POWERCUT") != "alone":
        os.environ["VIADUCT_POWERCUT"] = "alone"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fs", action="append")
    parser.add_argument("--route", action="append")
    parser.add_argument("--states", type=int, default=0)
    parser.add_argument("--reorder", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    alone()
    cut_all(arguments)
    done()


if __name__ == "__main__":
    main()
