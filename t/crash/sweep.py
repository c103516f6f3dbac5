#!/usr/bin/python3
"""sweep.py - one fault at each system call of each route of the road, then the oracle

    sweep.py [--route NAME]... [--mode MODE]... [--step N] [--limit N] [--jobs N] [--keep FOLDER]

For N = 1, 2, ... the route runs in a fresh spool under crashpoint, which strikes at the N-th call that changes the spool,
in the whole tree of processes; then the route runs again without a fault, and the ledgers are held against each other.

    MODE      kill-all kill-all-after kill-one kill-one-after error:E error:E+ short stop:MS hang double
    double    kill-all, and the recovery is killed too, at a call that differs from point to point
    --step    every N-th call only            --limit   so many points of a route and mode, spread over its calls
    --jobs    how many points at a time (twice the processors)
    --keep    a folder for the logs of what went wrong

Speaks TAP: one test for each route and mode. The routes by single workers are sequential, so the same N is the same
moment each time; those by the master are not, and what they find may need some repetitions.
"""
import argparse
import collections
import ctypes
import multiprocessing
import multiprocessing.util
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crashrig import Fault, Oracle # noqa: E402
from routes import ROUTES # noqa: E402
from spooltest import done, ok # noqa: E402

KILLS = ["kill-all", "kill-all-after", "kill-one", "kill-one-after", "double"]
ERRORS = ["error:" + e for e in ("EIO", "ENOSPC", "ENOSPC+", "EDQUOT", "EMFILE", "ENOMEM", "EROFS", "EXDEV", "EINTR")] + ["short"]
MODES = KILLS + ERRORS + ["stop:30", "hang"]
CRASH = re.compile(r"ended by signal (?!9\b|15\b)\d+ \(|Aborted|Segmentation fault|Bus error|Illegal instruction|BUG_UNLESS| bug in ")
PR_SET_PDEATHSIG, CLONE_NEWNS = 1, 0x20000
DOUBLE_SPREAD = 12 # a recovery makes few calls: one of the first so many

Point = collections.namedtuple("Point", "hit wrong duplicates calls story", defaults=(False, (), 0, 0, ""))

# ---- one point, in a process of the pool ----

own = {} # this process's routes, by name


def route_of(name):
    if name not in own:
        own[name] = ROUTES[name]()
    return own[name]


def close_routes():
    for route in own.values():
        route.close()
    own.clear()


def begin_process():
    """A process of the pool: it ends with its test, and what it mounts is its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.geteuid() == 0:
        libc.unshare(CLONE_NEWNS)
    multiprocessing.util.Finalize(None, close_routes, exitpriority=1)


def story_of(route, fault, wrong):
    """What one needs to find out why: the log, the tracking logs, the ledger."""
    return "%s\n%s\n\n%s\n%s\n%s\n" % (fault, "\n".join(wrong), route.spool.say_log(10000), "\n".join(route.spool.track()),
                                       route.spool.received())


def crashes(route, mode):
    """Workers that ended themselves: a fault that they should have borne."""
    found = [] if "kill" in mode else [line for line in route.spool.say_log(10000).splitlines() if CRASH.search(line)]
    return ["ended itself: " + line for line in found]


def kill_recovery(route, oracle, n):
    """A second kill, somewhere in the recovery; where differs from point to point."""
    route.recover_once(Fault("kill-all", 1 + n * 7 % DOUBLE_SPREAD))
    oracle.look()


def try_point(task):
    """One fault: a Point, not hit where N is past the last call."""
    name, mode, n = task
    route, fault = route_of(name), Fault("kill-all" if mode == "double" else mode, n)
    route.prepare()
    oracle = Oracle(route.spool)
    route.run(fault)
    if fault.action.startswith("kill-all"):
        oracle.look()
    if not fault.hit:
        return Point()
    if mode == "hang":
        oracle.look()
    wrong = list(route.troubles) + crashes(route, fault.action)
    if mode == "double":
        kill_recovery(route, oracle, n)
    route.recover()
    wrong += oracle.check(route.items, route.acked, fault)
    return Point(True, wrong, oracle.duplicates, fault.calls, story_of(route, fault, wrong) if wrong else "")


def try_nothing(name):
    """How many calls the route makes when nothing happens; checks the rig itself."""
    route, fault = route_of(name), Fault("none")
    route.prepare()
    route.run(fault, os.path.join(route.spool.top, "trace"))
    oracle = Oracle(route.spool)
    route.recover()
    wrong = oracle.check(route.items, route.acked, None) + crashes(route, "none")
    return Point(True, wrong, 0, fault.calls, story_of(route, fault, wrong) if wrong else "")


# ---- all of them ----


class Folder:
    """A folder for all folders of a test, which goes at the end whatever happened."""

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="viaduct-crash-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        os.chmod(self.top, 0o755)
        os.environ["VIADUCT_CRASH_TMP"] = self.top
        return self.top

    def __exit__(self, *_):
        os.environ.pop("VIADUCT_CRASH_TMP")
        shutil.rmtree(self.top, ignore_errors=True)


class Pool:
    """Processes that try points."""

    def __init__(self, jobs=0):
        self.processes = multiprocessing.get_context("fork").Pool(jobs or 2 * (os.cpu_count() or 1), begin_process)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.processes.close()
        else:
            self.processes.terminate()
        self.processes.join()

    def map(self, do, tasks):
        return self.processes.imap(do, tasks)


def spread(calls, step, limit, mode):
    """Which calls of so many, where not every one."""
    step = max(step, -(-calls // limit) if limit else 1)
    return range(1 + zlib.crc32(mode.encode()) % max(1, min(step, calls)), calls + 1, step)


class Sum:
    """What came of a route's points in one mode."""

    def __init__(self, name, mode):
        self.name, self.mode, self.points, self.duplicates, self.wrong, self.begun = name, mode, 0, 0, [], time.monotonic()

    def add(self, point):
        self.points += point.hit
        self.duplicates += point.duplicates
        if point.wrong:
            self.wrong.append(point)

    def count(self, pattern):
        return sum(bool(re.search(pattern, "; ".join(p.wrong))) for p in self.wrong)

    def say(self):
        took = time.monotonic() - self.begun
        ok(not self.wrong and self.points > 0, "%s, %s at %d moments: nothing lost, nothing twice, the books balance" % (
            self.name, self.mode, self.points))
        for point in self.wrong[:3]:
            print("#   %s | %s" % (point.story.splitlines()[0], "; ".join(point.wrong)[:800]))
        print("#   %d points, %d wrong, %d duplicates that SMTP knows no way around, %.1f s" % (
            self.points, len(self.wrong), self.duplicates, took), flush=True)


def keep(folder, total):
    for i, point in enumerate(total.wrong):
        with open(os.path.join(folder, re.sub(r"\W+", "-", "%s-%s-%d" % (total.name, total.mode, i))), "w") as f:
            f.write(point.story)


def sweep(pool, plan, folder=None):
    """plan: (route, mode, step, limit). The points of all groups are one row of work, so that no process waits for a group's
    last. Returns a Sum for each group."""
    names = list(dict.fromkeys(name for name, *_ in plan))
    calls = {}
    for name, point in zip(names, pool.map(try_nothing, names)):
        calls[name] = point.calls
        if not ok(not point.wrong and point.calls > 0, "%s: arrives where nothing happens (%d calls)" % (name, point.calls)):
            print("#   " + "\n#   ".join(point.wrong))
    groups = [(name, mode, spread(calls[name], step, limit, mode)) for name, mode, step, limit in plan]
    found = pool.map(try_point, [(name, mode, n) for name, mode, ns in groups for n in ns])
    sums = []
    for name, mode, ns in groups:
        total = Sum(name, mode)
        for _ in ns:
            total.add(next(found))
        total.say()
        if folder:
            keep(folder, total)
        sums.append(total)
    return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--route", action="append")
    parser.add_argument("--mode", action="append")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--keep")
    a = parser.parse_args()
    with Folder(), Pool(a.jobs) as pool:
        sweep(pool, [(r, m, a.step, a.limit) for r in a.route or ROUTES for m in a.mode or MODES], a.keep)
    done()


if __name__ == "__main__":
    main()
