#!/usr/bin/python3
"""Killed, cut off, refused by the disk: at a choice of moments of every route, in three minutes.

The whole sweeps are `make check-crash`; this is the same with fewer moments. Power cuts need root and are skipped without.
With VIADUCT_BUGGY_BUILD, a folder with a build made by --enable-planted-bugs, each protection is taken out in turn, and the
test passes when the rig finds that.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "crash"))
import powercut  # noqa: E402
import sweep  # noqa: E402
from spooltest import done, ok  # noqa: E402

# How many moments of which route, by mode.
SWEEPS = [
    ("kill-all", 12, ["drop", "split", "report", "defer"]),
    ("kill-all-after", 6, ["straight", "badmail", "requeue"]),
    ("kill-one", 10, ["drop", "split", "report"]),
    ("kill-all", 8, ["whole"]),
    ("kill-one", 8, ["whole"]),
    ("error:EIO", 8, ["drop", "report"]),
    ("error:ENOSPC", 8, ["split"]),
    ("short", 8, ["drop"]),
]
CUTS = [("ext4", "whole", 30), ("ext4", "report", 30), ("ext4", "drop", 20)]
BUGS = [("norecover", ["sweep.py", "--route", "drop", "--mode", "kill-all", "--limit", "20"]),
        ("removeearly", ["sweep.py", "--route", "drop", "--mode", "kill-all"]),
        ("nofsync", ["powercut.py", "--fs", "ext4", "--route", "whole", "--states", "50"]),
        ("ackearly", ["powercut.py", "--fs", "ext4", "--route", "whole", "--states", "50"]),
        ("nosync", ["powercut.py", "--fs", "ext4", "--route", "report", "--states", "50"])]


def sweep_some():
    calls = {}
    for mode, limit, names in SWEEPS:
        for kind in sweep.ROUTES:
            if kind.name not in names:
                continue
            route = kind()
            one = sweep.Sweep(route, argparse.Namespace(step=1, limit=limit, double=0, verbose=True, keep=None))
            if kind.name not in calls:
                calls[kind.name] = one.calls()
            one.sweep(mode, calls[kind.name])
            route.close()


def cut_some():
    for fs, route, states in CUTS:
        powercut.cut_all(argparse.Namespace(fs=[fs], route=[route], states=states, reorder=2, seed=1, keep=None))


def bug_is_found(build, bug, command):
    """The rig must fail, and for the reason that something is wrong with the mail."""
    environment = dict(os.environ, VIADUCT_BUILD=build, VIADUCT_BUG=bug)
    environment.pop("VIADUCT_POWERCUT", None)
    r = subprocess.run([sys.executable, os.path.join(HERE, "crash", command[0])] + command[1:], env=environment,
                       capture_output=True, text=True, timeout=300)
    found = r.returncode == 1 and "not ok" in r.stdout
    if "# skip" in r.stdout:
        powercut.skip("%s: %s" % (bug, r.stdout.split("# skip ")[1].splitlines()[0]))
    elif not ok(found, "without the protection \"%s\" the rig fails" % bug):
        print("".join("# " + line for line in r.stdout.splitlines(True)[-12:]))


def bugs():
    build = os.environ.get("VIADUCT_BUGGY_BUILD")
    if build is None:
        powercut.skip("planted bugs: VIADUCT_BUGGY_BUILD names no build with them")
        return
    for bug, command in BUGS:
        bug_is_found(build, bug, command)


powercut.alone()
sweep_some()
cut_some()
bugs()
done()
