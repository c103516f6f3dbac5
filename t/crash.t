#!/usr/bin/python3
"""Killed, cut off, refused by the disk: over a thousand kills and three hundred power cuts, in three minutes.

Every system call that changes the spool is a moment to be killed at, before and after, on every route of single workers;
of what depends on time (the whole system, errors that are waited out, disks, hangs) there is a choice. `make check-crash`
has all. Power cuts need root and are skipped without. With VIADUCT_BUGGY_BUILD, a folder with a build made by
--enable-planted-bugs, each protection is taken out in turn, and the test passes when the rig finds that.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "crash"))
import bugs # noqa: E402
import diskerror # noqa: E402
import disk # noqa: E402
import powercut # noqa: E402
import race # noqa: E402
import sweep # noqa: E402
from spooltest import done, ok # noqa: E402

KILLS_MIN, CUTS_MIN = 1000, 300
SINGLE = ["drop", "smtp-in", "straight", "split", "report", "defer", "badmail", "requeue"]
# (route, mode, step, limit)
PLAN = [(route, mode, 1, 0) for route in SINGLE for mode in ("kill-all", "kill-one")]
PLAN += [(route, mode, 1, 0) for route in SINGLE for mode in ("kill-all-after", "kill-one-after")]
PLAN += [(route, "double", 1, 12) for route in SINGLE]
PLAN += [("whole", mode, 1, 12) for mode in ("kill-all", "kill-one", "kill-one-after")]
PLAN += [("drop", "error:EIO", 1, 8), ("report", "error:EIO", 1, 10), ("split", "error:ENOSPC", 1, 8), ("smtp-in", "error:ENOSPC+", 1, 4),
         ("defer", "error:EROFS", 1, 6), ("straight", "error:EINTR", 1, 6), ("smtp-in", "short", 1, 8), ("drop", "short", 1, 8)]
# (file system, route, states, reorderings)
CUTS = [("ext4", route, 70, 4) for route in ("smtp-in", "drop", "split", "report", "defer", "requeue")] + [("ext4", "whole", 120, 4)]

# (file system, route, mode, how many)
ERRORS = [("ext4", route, mode, 6) for route in ("smtp-in", "split", "report") for mode in diskerror.MODES]

disk.alone()
build = os.environ.get("VIADUCT_BUGGY_BUILD")
slow = bugs.begin_slow(build)
hangs = bugs.begin_hangs(build)
with sweep.Folder(), sweep.Pool() as pool:
    sums = sweep.sweep(pool, PLAN)
kills = sum(s.points for s in sums if s.mode in sweep.KILLS)
ok(kills >= KILLS_MIN, "at least %d kills: %d" % (KILLS_MIN, kills))
cuts = sum(s.points for s in powercut.cut(CUTS))
if disk.missing("ext4"):
    powercut.skip("at least %d power cuts: %s" % (CUTS_MIN, disk.missing("ext4")))
else:
    ok(cuts >= CUTS_MIN, "at least %d power cuts: %d" % (CUTS_MIN, cuts))
diskerror.fail(ERRORS)
race.race(["straight", "drop", "split", "report"], 1, 15)
bugs.all_found(build, slow)
bugs.judge_hangs(hangs)
done()
