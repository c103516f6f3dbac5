#!/usr/bin/python3
"""diskerror.py - the disk below the spool fails at one write or flush, and is asked what it did not keep

    diskerror.py [--fs ext4|xfs|btrfs]... [--route NAME]... [--limit N] [--jobs N] [--keep FOLDER]

A file system lies on a loop device on logdisk. For N = 1, 2, ... the route runs there, and the N-th write (and again, the
N-th flush) fails with EIO. Then the file system is mounted afresh, so that the memory of what was never written is gone, and
the road runs again. What was answered with 250 must arrive; what the sink had taken may come once more. And no file is
synced again after a sync of it failed, unless what had not been kept was written again: the second would say that all is
well, and the disk would have something else.

Needs what powercut.py needs. Speaks TAP.
"""
import argparse
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk # noqa: E402
import powercut # noqa: E402
import sweep # noqa: E402
from crashrig import Fault # noqa: E402
from routes import ROUTES # noqa: E402
from spooltest import done, ok # noqa: E402

ROAD = ["smtp-in", "drop", "split", "report", "defer", "requeue"]
MODES = ["eio-write", "eio-flush"]
ERROR = 4 # logdisk's record of a failure
failed_syncs = collections.Counter()


class Sick:
    """A route of this process on a file system of its own, on a disk that can be told to fail."""

    def __init__(self, kind, name):
        self.kind, self.top = kind, os.path.join(powercut.place(), "sick-%s-%s" % (kind, name))
        self.folder = self.path("mnt")
        os.makedirs(self.folder)
        self.route = ROUTES[name](os.path.join(self.folder, "spool"))
        self.route.syncs = self.path("syncs")
        self.route.patience = lambda fault: 3 # longer than until the next try
        os.rmdir(self.route.spool.path) if not os.listdir(self.route.spool.path) else None
        disk.make_filesystem(kind, self.path("empty"))

    def path(self, name):
        return os.path.join(self.top, name)

    def run(self, mode, n):
        """The route's run with a failure. Returns how many writes and flushes there were, and whether it struck."""
        disk.copy(self.path("empty"), self.path("image"))
        with disk.Mount(self.kind, self.path("image"), self.folder) as mounted:
            os.makedirs(self.route.spool.path, exist_ok=True)
            self.route.prepare()
            mounted.sync()
        open(self.route.syncs, "w").close()
        with disk.LogDisk(self.path("image"), self.path("log"), self.path("disk")) as logged:
            with disk.Mount(self.kind, logged.disk, self.folder):
                before = logged.log_bytes()
                if n > 0:
                    logged.ctl("%s %d" % (mode, n))
                self.route.run(Fault("none"))
                live_bytes = logged.log_bytes()
                logged.ctl("%s 0" % mode)
        records, live = disk.read_log(self.path("log"), live_bytes)
        first, _ = disk.read_log(self.path("log"), before)
        kinds = [r[0] for r in records[:live]]
        counted = {"eio-write": kinds.count(disk.WRITE), "eio-flush": kinds.count(disk.FLUSH)}
        return counted, ERROR in kinds

    def synced_again(self):
        """Files that were synced after a sync of theirs had failed, without being written again; and how many syncs failed."""
        unsynced, lost, n, wrong = {}, {}, 0, [] # file -> bytes from, to
        with open(self.route.syncs) as f:
            for line in f:
                what, value, file, path = line.rstrip("\n").split(" ", 3)
                if file.startswith("0."): # a file system that has shut itself down tells nothing of it, and takes nothing
                    continue
                if what == "w":
                    at, size = map(int, value.split("+"))
                    begin, end = unsynced.get(file, (at, at + size))
                    unsynced[file] = min(begin, at), max(end, at + size)
                    continue
                begin, end = unsynced.pop(file, (0, 0))
                if file in lost and not (begin <= lost[file][0] and end >= lost[file][1]):
                    wrong.append("synced again after an error, and not written again: " + path)
                if value == "0":
                    lost.pop(file, None)
                    continue
                n += 1
                before = lost.get(file, (begin, end))
                lost[file] = min(begin, before[0]), max(end, before[1])
        return wrong, n

    def recover(self):
        """The file system is mounted anew, and the road runs; what is wrong then."""
        taken = self.route.spool.received()
        with disk.Mount(self.kind, self.path("image"), self.folder):
            powercut.recover(self.route)
            return powercut.check(self.route, self.route.acked, taken)


own = {}


def sick(kind, name):
    if (kind, name) not in own:
        own[kind, name] = Sick(kind, name)
        sweep.own["sick %s %s" % (kind, name)] = own[kind, name].route
    return own[kind, name]


def try_point(task):
    kind, name, mode, n = task
    s = sick(kind, name)
    try:
        counted, struck = s.run(mode, n)
        if n == 0:
            return sweep.Point(True, (), 0, counted[mode], "")
        if not struck:
            return sweep.Point()
        wrong, failed = s.synced_again()
        more, repeated = s.recover()
        wrong += more
    except OSError as error:
        return sweep.Point(True, ["%s" % error], 0, 0, "%s %s: %s %d" % (kind, name, mode, n))
    fault = "%s %s: %s %d" % (kind, name, mode, n)
    return sweep.Point(True, wrong, repeated, failed, sweep.story_of(s.route, fault, wrong) if wrong else "")


class Errors(sweep.Sum):
    """What came of a route's errors on a file system."""

    failed = 0

    def add(self, point):
        super().add(point)
        self.failed += point.calls

    def say(self):
        ok(not self.wrong and self.points > 0, "%s at %d moments: nothing acknowledged is lost, nothing is synced twice" % (
            self.mode, self.points))
        for point in self.wrong[:4]:
            print("#   %s | %s" % (point.story.splitlines()[0], "; ".join(point.wrong)[:800]))
        print("#   %d points, %d wrong, %d syncs failed, %d taken before came again" % (
            self.points, len(self.wrong), self.failed, self.duplicates), flush=True)


def fail(plan, jobs=0, folder=None):
    """plan: (file system, route, mode, how many or 0). Returns Errors for each."""
    kinds = list(dict.fromkeys(p[0] for p in plan))
    for kind in kinds:
        if disk.missing(kind):
            powercut.skip("%s: %s" % (kind, disk.missing(kind)))
    plan = [p for p in plan if not disk.missing(p[0])]
    if not plan:
        return []
    with sweep.Folder(), sweep.Pool(jobs) as pool:
        counted = [p.calls for p in pool.map(try_point, [(kind, name, mode, 0) for kind, name, mode, _ in plan])]
        groups = [(kind, name, mode, sweep.spread(n, 1, limit, mode)) for (kind, name, mode, limit), n in zip(plan, counted)]
        found = pool.map(try_point, [(kind, name, mode, n) for kind, name, mode, ns in groups for n in ns])
        sums = []
        for kind, name, mode, ns in groups:
            total = Errors(name, "%s, %s, %s" % (kind, name, mode))
            for _ in ns:
                total.add(next(found))
            total.say()
            if folder:
                total.mode = mode
                sweep.keep(folder, total)
            sums.append(total)
        return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fs", action="append")
    parser.add_argument("--route", action="append")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--keep")
    a = parser.parse_args()
    disk.alone()
    fail([(fs, r, m, a.limit) for fs in a.fs or ["ext4", "xfs", "btrfs"] for r in a.route or ROAD for m in MODES], a.jobs, a.keep)
    done()


if __name__ == "__main__":
    main()
