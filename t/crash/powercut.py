#!/usr/bin/python3
"""powercut.py - the power goes at every moment of a route, on real file systems

    powercut.py [--fs ext4|xfs|btrfs]... [--route NAME]... [--states N] [--reorder N] [--seed N] [--jobs N] [--keep FOLDER]

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
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk # noqa: E402
import sweep # noqa: E402
from crashrig import Run, workers # noqa: E402
from disk import FLUSH, MARK, WRITE, ZERO # noqa: E402
from routes import ROUTES # noqa: E402
from spooltest import counts, done, ok # noqa: E402

ROAD = ["drop", "smtp-in", "straight", "split", "report", "defer", "badmail", "requeue", "whole"]
State = collections.namedtuple("State", "wrong repeated story")


def skip(why):
    counts["run"] += 1
    print("ok %d # skip %s" % (counts["run"], why), flush=True)


# ---- recording ----


class Recording:
    """A route's run on a disk that is logged: the base image, the records, what was known from the beginning."""

    def __init__(self, kind, name, top):
        self.kind, self.name, self.top = kind, name, top
        self.base = os.path.join(top, "base")

    def record(self):
        """Runs the route on the logging disk."""
        image, log, folder = (os.path.join(self.top, n) for n in ("image", "log", "mnt"))
        os.mkdir(folder)
        disk.make_filesystem(self.kind, image)
        route = ROUTES[self.name](os.path.join(folder, "spool"))
        try:
            with disk.Mount(self.kind, image, folder) as mounted:
                os.makedirs(route.spool.path, exist_ok=True)
                os.chmod(folder, 0o755)
                route.prepare()
                self.before = set(route.acked)
                mounted.sync()
            disk.copy(image, self.base)
            with disk.LogDisk(image, log, os.path.join(self.top, "disk")) as logged:
                with disk.Mount(self.kind, logged.disk, folder):
                    self.run_noted(route, logged)
                    live_bytes = logged.log_bytes()
            self.records, self.live = disk.read_log(log, live_bytes)
            self.items = route.items
        finally:
            route.close()
        self.check_recorder(image)
        os.unlink(image)
        os.unlink(log)
        return self

    @staticmethod
    def run_noted(route, logged):
        """With a mark for each acknowledgement and for each message that the sink takes."""
        for sink in route.sink.values():
            sink.note = lambda token, key: logged.mark("took", token, key)
        if hasattr(route, "ack"):
            plain = route.ack
            route.ack = lambda token: (logged.mark("ack", token), plain(token))
        route.run(None)
        for sink in route.sink.values():
            sink.note = None

    def check_recorder(self, image):
        """The base and the whole log must be exactly the disk: else nothing below means anything."""
        again = os.path.join(self.top, "again")
        disk.copy(self.base, again)
        disk.play(again, self.records)
        with open(again, "rb") as a, open(image, "rb") as b:
            while piece := a.read(1 << 20):
                if piece != b.read(1 << 20):
                    raise OSError("the log is not the disk's story")
        os.unlink(again)

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

    def flushed_before(self, k):
        while k > 0 and self.records[k - 1][0] != FLUSH:
            k -= 1
        return k

    def of_state(self, k, case):
        """The records that are on the disk in this state."""
        if case == "prefix":
            return self.records[:k]
        flushed = self.flushed_before(k)
        if case == "flushed":
            return self.records[:flushed]
        chance = random.Random(case)
        behind = [r for r in self.records[flushed:k] if r[0] in (WRITE, ZERO)]
        return self.records[:flushed] + [b for b in disk.blocks(behind) if chance.random() < 0.5]

    def states(self, limit, reorder, seed):
        """(k, case) of all states, or of some of them spread over the run: those after which something differs."""
        found = []
        for k in [0] + [k for k in range(1, self.live + 1) if k == self.live or self.records[k - 1][0] != FLUSH]:
            found.append((k, "prefix"))
            if any(r[0] in (WRITE, ZERO) for r in self.records[self.flushed_before(k):k]) and reorder:
                found.append((k, "flushed"))
                found += [(k, "reordered %d %d %d" % (seed, k, i)) for i in range(reorder)]
        if limit and len(found) > limit:
            chance = random.Random(seed)
            found = [found[i] for i in sorted(chance.sample(range(len(found)), limit - 1))] + [(self.live, "prefix")]
        return found


# ---- one state, in a process of the pool ----

recordings = {} # by number, of the process that forks the pool


def place():
    """This process's own folder, for its image and its mount."""
    path = os.path.join(os.environ["VIADUCT_CRASH_TMP"], "state.%d" % os.getpid())
    os.makedirs(os.path.join(path, "mnt"), exist_ok=True)
    return path


def route_for(recording):
    """This process's own sinks and configuration: what lies in a spool names neither."""
    key = "powercut " + recording.name
    if key not in sweep.own:
        sweep.own[key] = ROUTES[recording.name](os.path.join(place(), "mnt", "spool"))
        shutil.rmtree(sweep.own[key].spool.path) # it lies below the mount
    return sweep.own[key]


def try_state(task):
    number, k, case = task
    recording = recordings[number]
    route, image = route_for(recording), os.path.join(place(), "image.%d.%d" % (number, k))
    disk.copy(recording.base, image)
    disk.play(image, recording.of_state(k, case))
    acked, taken = recording.known_at(k)
    route.items = recording.items
    try:
        with disk.Mount(recording.kind, image, os.path.join(place(), "mnt")):
            os.unlink(image)
            if not os.path.isdir(route.spool.path):
                return State(["the spool is gone"], 0, "")
            open(route.spool.log_path, "w").close()
            recover(route)
            wrong, repeated = check(route, acked, taken)
            fault = "%s %s: %s at %d of %d" % (recording.kind, recording.name, case, k, recording.live)
            return State(wrong, repeated, sweep.story_of(route, fault, wrong) if wrong else "")
    except OSError as error:
        return State([str(error)], 0, "%s at %d of %d" % (case, k, recording.live))


def recover(route):
    for sink in route.sink.values():
        sink.forget()
    for n in range(4):
        Run(route.spool, workers(route.spool, *road(route))).wait(60)
        if not route.on_road():
            break
        if n > 0:
            time.sleep(1.1)


def road(route):
    """Every worker that may find something, in the order of the road; reports go around once more."""
    out = ["outbound-gateway:" + name for name in route.sinks]
    again = ["bouncer", "router", "outbound-gateway:host"] if route.reports else []
    own = ["viaduct badmail requeue all --yes"] if route.name == "requeue" else []
    return own + ["pickup", "inbound-gateway:host", "viaduct queue retry all --yes", "cleanup", "router"] + out + again


def check(route, acked, taken):
    wrong, repeated, received, places = [], 0, route.spool.received(), route.spool.places()
    for item in route.items:
        where = places.pop(item.token, []) if item.badmail else places.get(item.token)
        if item.badmail and [f for f, _ in where] != ["BADMAIL"]:
            wrong.append("%s is not once in Badmail: %s" % (item.token, where or "LOST"))
        for key, n in item.wanted().items():
            came, before = received[key], taken[key]
            if item.token in acked and came + before < n:
                wrong.append("LOST %s to %s: %s" % (key[0], key[1], where))
            if came > n:
                wrong.append("came %d times after the cut: %s to %s" % (came, key[0], key[1]))
            repeated += min(came, before)
    return wrong + ["left over: %s %s" % entry for entry in places.items()], repeated


# ---- all of them ----


class Cut(sweep.Sum):
    """What came of a route's states on a file system."""

    def say(self):
        took = time.monotonic() - self.begun
        ok(not self.wrong and self.points > 0, "%s, %s: the power goes in %d states, nothing acknowledged is lost" % (
            self.mode, self.name, self.points))
        for state in self.wrong[:4]:
            print("#   %s | %s" % (state.story.splitlines()[0] if state.story else "", "; ".join(state.wrong)[:600]))
        print("#   %d states, %d wrong, %d taken before the cut came again, %.1f s" % (
            self.points, len(self.wrong), self.duplicates, took), flush=True)


def make_recordings(plan, top):
    """Recordings by their place in the plan, and the reasons of those that could not be made."""
    failed = {}
    for number, (kind, name, *_) in enumerate(plan):
        folder = os.path.join(top, "record.%d" % number)
        os.mkdir(folder)
        try:
            recordings[number] = Recording(kind, name, folder).record()
        except OSError as error:
            failed[number] = str(error)
    return failed


def cut(plan, jobs=0, seed=1, folder=None):
    """plan: (file system, route, how many states or 0, how many reorderings). Returns a Cut for each that could be made."""
    recordings.clear()
    why = {kind: disk.missing(kind) for kind, *_ in plan}
    for kind, reason in why.items():
        if reason:
            skip("%s: %s" % (kind, reason))
    plan = [p for p in plan if not why[p[0]]]
    if not plan:
        return []
    with sweep.Folder() as top:
        failed = make_recordings(plan, top)
        with sweep.Pool(jobs) as pool:
            return cut_all(pool, plan, failed, seed, folder)


def cut_all(pool, plan, failed, seed, folder):
    states = {i: recordings[i].states(limit, reorder, seed)
              for i, (_, _, limit, reorder) in enumerate(plan) if i not in failed}
    found = pool.map(try_state, [(i, k, case) for i, some in states.items() for k, case in some])
    sums = []
    for i, (kind, name, *_) in enumerate(plan):
        if i in failed:
            ok(False, "%s, %s: %s" % (kind, name, failed[i]))
            continue
        total = Cut(name, kind)
        for _ in states[i]:
            state = next(found)
            total.add(sweep.Point(True, state.wrong, state.repeated, 0, state.story))
        total.say()
        if folder:
            sweep.keep(folder, total)
        sums.append(total)
    return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fs", action="append")
    parser.add_argument("--route", action="append")
    parser.add_argument("--states", type=int, default=0)
    parser.add_argument("--reorder", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--keep")
    a = parser.parse_args()
    disk.alone()
    cut([(fs, r, a.states, a.reorder) for fs in a.fs or ["ext4", "xfs", "btrfs"] for r in a.route or ROAD], a.jobs, a.seed, a.keep)
    done()


if __name__ == "__main__":
    main()
