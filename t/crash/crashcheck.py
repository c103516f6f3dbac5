#!/usr/bin/python3
"""crashcheck.py - everything that the crash tests can do, and a table of what came of it (make check-crash)

    crashcheck.py [--quick] [--only PART]... [--jobs N] [--keep FOLDER]

    PART     kills double errors stops disk power races hangs bugs
    --quick  a twentieth of it, to see that it runs

Some half an hour on two processors. Exits non-zero where anything was violated.
"""
import argparse
import collections
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bugs # noqa: E402
import crashrig # noqa: E402
import disk # noqa: E402
import diskerror # noqa: E402
import hang # noqa: E402
import powercut # noqa: E402
import race # noqa: E402
import sweep # noqa: E402
from spooltest import counts, done # noqa: E402

SINGLE = ["drop", "smtp-in", "straight", "split", "report", "defer", "badmail", "requeue"]
KINDS = ["ext4", "xfs", "btrfs"]
Row = collections.namedtuple("Row", "what points lost twice other duplicates seconds")


def row(what, sums, begun):
    return Row(what, sum(s.points for s in sums), sum(s.count("LOST|not once in Badmail|the spool is gone") for s in sums),
               sum(s.count("came \\d+ times|in two places") for s in sums), sum(len(s.wrong) for s in sums),
               sum(s.duplicates for s in sums), time.monotonic() - begun)


def show(rows, took):
    print("#\n# %-58s %7s %5s %6s %6s %11s %8s" % ("what", "points", "lost", "twice", "wrong", "duplicates", "seconds"))
    for r in rows:
        print("# %-58s %7d %5d %6d %6d %11d %8.0f" % r)
    print("# %-58s %7d %5d %6d %6d %11d %8.0f" % (("all",) + tuple(sum(r[i] for r in rows) for i in range(1, 6)) + (took,)))
    print("# duplicates: what the far end had taken when the fault struck, and was sent once more: SMTP has no way around\n#", flush=True)


class Check:
    def __init__(self, arguments):
        self.jobs, self.keep, self.part = arguments.jobs, arguments.keep, 20 if arguments.quick else 1
        self.only, self.rows = arguments.only, []

    def wants(self, part):
        return not self.only or part in self.only

    def sweep(self, what, plan):
        begun = time.monotonic()
        print("# ---- %s" % what, flush=True)
        with sweep.Folder(), sweep.Pool(self.jobs) as pool:
            sums = sweep.sweep(pool, [(r, m, step * self.part, 0) for r, m, step in plan], self.keep)
        self.rows.append(row(what, sums, begun))

    def other(self, what, function, *args):
        begun = time.monotonic()
        print("# ---- %s" % what, flush=True)
        self.rows.append(row(what, function(*args), begun))

    def all(self, build):
        if self.wants("kills"):
            for mode in ("kill-all", "kill-all-after", "kill-one", "kill-one-after"):
                self.sweep(mode, [(r, mode, 1) for r in SINGLE] + [("whole", mode, 1), ("whole-free", mode, 8)])
        if self.wants("double"):
            self.sweep("kill-all, and the recovery killed", [(r, "double", 1) for r in SINGLE] + [("whole", "double", 2)])
        if self.wants("errors"):
            for mode in sweep.ERRORS:
                self.sweep(mode, [(r, mode, 1) for r in SINGLE] + [("whole", mode, 8)])
        if self.wants("stops"):
            self.sweep("stopped for 30 ms", [(r, "stop:30", 1) for r in SINGLE] + [("whole", "stop:30", 4)])
            self.sweep("a call that never returns, then an end", [(r, "hang", 1) for r in SINGLE])
        self.disks()
        if self.wants("races"):
            self.other("two of each worker, by chance", race.race, race.ROAD, 1, 150 // self.part, self.jobs, self.keep)
        if self.wants("hangs") and build:
            self.hangs(build)
        if self.wants("bugs"):
            bugs.all_found(build, bugs.begin_slow(build))

    def disks(self):
        for kind in KINDS:
            if self.wants("disk"):
                self.other("the disk fails at a write or flush, " + kind, diskerror.fail,
                           [(kind, r, m, 6 if self.part > 1 else 0) for r in diskerror.ROAD for m in diskerror.MODES], self.jobs, self.keep)
        for kind in KINDS:
            if self.wants("power"):
                states = 230 // self.part
                self.other("the power goes, " + kind, powercut.cut,
                           [(kind, r, states, 4) for r in powercut.ROAD], self.jobs, 1, self.keep)

    def hangs(self, build):
        """In the build whose master loses its patience soon."""
        plain, crashrig.BUILD = crashrig.BUILD, build
        self.other("a worker or a call that hangs, under the master", hang.hang, hang.WORKERS, 40 // self.part, 0, self.keep)
        crashrig.BUILD = plain


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    disk.alone()
    begun = time.monotonic()
    check = Check(arguments)
    try:
        check.all(os.environ.get("VIADUCT_BUGGY_BUILD"))
    finally:
        show(check.rows, time.monotonic() - begun)
    print("# %d of %d tests failed" % (counts["failed"], counts["run"]))
    done()


if __name__ == "__main__":
    main()
