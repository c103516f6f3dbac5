"""directory.py - directories: what reading, planning, writing and the book cost, beside what is asked of them.

Each part is a function of its own that returns rows; alone: BENCH_PARTS=directory.
"""
import json
import os
import statistics
import subprocess

HEAD = ["directories", "viaduct", "beside", "share"]
PAIRS, CHANGED = 100000, 10000
PLAN_S, PLAN_MIB = 3.0, 200.0


def plan(build, top, say):
    """A plan over 100,000 pairs in memory: seconds, and the most that the process had, which holds both directories."""
    rows = []
    for changed, what in ((0, "plan of %d pairs without change" % PAIRS), (CHANGED, "with %d changes" % CHANGED)):
        runs = [json.loads(subprocess.run([os.path.join(build, "t/dir-plan-bench"), str(PAIRS), str(changed)], check=True,
                                          stdout=subprocess.PIPE).stdout) for _ in range(3)]
        took = statistics.median(r["plan_ms"] for r in runs) / 1000
        peak = max(r["peak_kib"] for r in runs) / 1024
        rows += [[what + ", s", "%.2f" % took, "%.0f allowed" % PLAN_S, "%.0f %%" % (100 * took / PLAN_S)],
                 ["its process, MiB", "%.0f" % peak, "%.0f allowed" % PLAN_MIB, "%.0f %%" % (100 * peak / PLAN_MIB)]]
        say("  directory  " + "  ".join(rows[-2]) + "  " + "  ".join(rows[-1]))
    return rows


PARTS = [plan]


def rows(build, top, say):
    return [row for part in PARTS for row in part(build, top, say)]
