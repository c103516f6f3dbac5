#!/usr/bin/python3
"""race.py - two of each worker at once, their calls in an order that chance gives

    race.py [--route NAME]... [--seeds N] [--first N] [--jobs N] [--keep FOLDER]

Each worker of a route runs twice, on the same folders, while crashpoint holds their threads at every call that opens, locks or
changes a file and lets one go on at a time, as the seed says. Nothing is killed and nothing fails: so nothing may come twice
to anybody, and nothing may be lost. A reload runs two of a worker for a moment, and an operator may by mistake.

Speaks TAP: one test for each route.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep # noqa: E402
from crashrig import Fault, Oracle, Run, workers # noqa: E402
from spooltest import done, ok # noqa: E402

ROAD = ["straight", "drop", "split", "report", "defer", "badmail", "requeue"]


def twice(spool, names):
    """A shell command that runs two of each worker, then two of the next."""
    text = []
    for name in names:
        one = workers(spool, name)[2]
        text.append(one if name.startswith("viaduct ") else "%s & %s & wait" % (one, one))
    return ["/bin/sh", "-c", "; ".join(text)]


def try_seed(task):
    name, seed = task
    route, fault = sweep.route_of(name), Fault("none", 0, seed)
    route.prepare()
    Run(route.spool, twice(route.spool, route.names), fault, None, 20).wait(30)
    wrong = sweep.crashes(route, "none")
    if fault.hung:
        wrong.append("does not end")
    route.recover()
    wrong += Oracle(route.spool).check(route.items, route.acked, None)
    story = sweep.story_of(route, "seed %d" % seed, wrong) if wrong else ""
    return sweep.Point(fault.calls > 0, wrong, 0, fault.calls, story)


class Races(sweep.Sum):
    """What came of a route's seeds."""

    def say(self):
        ok(not self.wrong and self.points > 0, "%s by two of each worker, %d orders: nothing lost, nothing twice" % (
            self.name, self.points))
        for point in self.wrong[:3]:
            print("#   %s | %s" % (point.story.splitlines()[0], "; ".join(point.wrong)[:800]))
        print("#   %d orders, %d wrong" % (self.points, len(self.wrong)), flush=True)


def race(names, first, seeds, jobs=0, folder=None):
    """So many seeds of each route, from the first. Returns Races for each."""
    with sweep.Folder(), sweep.Pool(jobs) as pool:
        found = pool.map(try_seed, [(name, seed) for name in names for seed in range(first, first + seeds)])
        sums = []
        for name in names:
            total = Races(name, "race")
            for _ in range(seeds):
                total.add(next(found))
            total.say()
            if folder:
                sweep.keep(folder, total)
            sums.append(total)
        return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--route", action="append")
    parser.add_argument("--seeds", type=int, default=150)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--keep")
    a = parser.parse_args()
    race(a.route or ROAD, a.first, a.seeds, a.jobs, a.keep)
    done()


if __name__ == "__main__":
    main()
