"""Each protection that the protocol rests on is taken out in turn, in a build that can do that: the rig must see it."""
import os
import re
import subprocess
import sys
import tempfile
import time

import powercut
from spooltest import TOP, ok

HERE = os.path.dirname(os.path.abspath(__file__))
KILL = ["sweep.py", "--mode", "kill-all", "--limit", "20", "--route"]
CUT = ["powercut.py", "--fs", "ext4", "--states", "40", "--route"]
BUGS = {
    "nofsync": CUT + ["smtp-in"],
    "nosync": CUT + ["report"],
    "ackearly": CUT + ["whole"],
    "syncagain": ["diskerror.py", "--fs", "ext4", "--limit", "8", "--route", "smtp-in"],
    "norewrite": ["diskerror.py", "--fs", "ext4", "--limit", "12", "--route", "report"],
    "removeearly": KILL + ["drop"],
    "goneearly": KILL + ["straight"],
    "nocommit": KILL + ["split"],
    "noreported": KILL + ["report"],
    "norecords": ["sweep.py", "--mode", "kill-all-after", "--route", "straight"],
    "norecover": ["sweep.py", "--mode", "kill-all", "--limit", "9", "--route", "smtp-in"],
    "nowhole": KILL + ["drop"],
    "keepsource": KILL + ["drop"],
    "trustparts": KILL + ["split"],
    "noclaim": ["race.py", "--seeds", "12", "--route", "straight"],
    "nowatch": ["hang.py", "--worker", "router"],
}
SLOW = ["nowatch"]


def planted():
    """The names in planted.h's table, and those that the sources ask for."""
    with open(os.path.join(TOP, "common", "planted.h")) as f:
        listed = set(re.findall(r"^ \*     (\w+)  ", f.read(), re.M))
    asked = set()
    for folder in ("common", "daemons", "spool-layout", "commands"):
        for name in os.listdir(os.path.join(TOP, folder)):
            if name.endswith((".c", ".h")):
                with open(os.path.join(TOP, folder, name)) as f:
                    asked |= set(re.findall(r'planted_bug\("(\w+)"\)', f.read()))
    return listed, asked


class Trial:
    """A run of the rig on a build without a protection: it must fail, and for the reason that something is wrong with the mail."""

    def __init__(self, build, bug, command):
        self.bug, self.begun, self.out = bug, time.monotonic(), tempfile.TemporaryFile("w+")
        environment = dict(os.environ, VIADUCT_BUILD=build, VIADUCT_BUG=bug)
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, command[0])] + command[1:], env=environment,
                                        stdout=self.out, stderr=self.out, stdin=subprocess.DEVNULL)

    def judge(self):
        status = self.process.wait(300)
        self.out.seek(0)
        text = self.out.read()
        found = status == 1 and re.search(r"^not ok .*(nothing|comes right)", text, re.M)
        if "# skip" in text and not found:
            powercut.skip("%s: %s" % (self.bug, text.split("# skip ")[1].splitlines()[0]))
            return
        wrong = re.search(r"^#   .* \| (.*)", text, re.M)
        if ok(found, "without the protection \"%s\" the rig fails" % self.bug):
            print("#   %.1f s: %s" % (time.monotonic() - self.begun, wrong.group(1)[:150] if wrong else ""), flush=True)
        else:
            print("".join("# " + line for line in text.splitlines(True)[-12:]), flush=True)


def begin_slow(build):
    """Those that wait for time to pass, to be judged later."""
    return [Trial(build, bug, BUGS[bug]) for bug in SLOW] if build else []


def begin_hangs(build):
    """Workers that stand still, in the build whose master loses its patience soon; without a bug. None without a build."""
    if build is None:
        return None
    out = tempfile.TemporaryFile("w+")
    argv = [sys.executable, os.path.join(HERE, "hang.py"), "--worker", "router", "--worker", "outbound-gateway-branch"]
    return subprocess.Popen(argv, env=dict(os.environ, VIADUCT_BUILD=build), stdout=out, stderr=out, stdin=subprocess.DEVNULL), out


def judge_hangs(hangs):
    if hangs is None:
        powercut.skip("workers that stand still: VIADUCT_BUGGY_BUILD names no build whose master's patience can be set")
        return
    process, out = hangs
    status = process.wait(300)
    out.seek(0)
    if not ok(status == 0, "a worker that stands still is replaced, and no mail suffers"):
        print("".join("# " + line for line in out.read().splitlines(True)[-12:]), flush=True)


def all_found(build, slow):
    """Tries them all, one after the other; `slow` are those that were begun before."""
    listed, asked = planted()
    ok(listed == asked == set(BUGS), "every protection that can be taken out is: %s" % ", ".join(sorted(BUGS)))
    if build is None:
        powercut.skip("planted bugs: VIADUCT_BUGGY_BUILD names no build with them")
        return
    for bug, command in BUGS.items():
        if bug not in SLOW:
            Trial(build, bug, command).judge()
    for trial in slow:
        trial.judge()
