"""Each protection that the protocol rests on is taken out in turn, in a build that can do that: the rig must see it."""
import os
import re
import subprocess
import sys
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
    "removeearly": KILL + ["drop"],
    "goneearly": KILL + ["straight"],
    "nocommit": KILL + ["split"],
    "noreported": KILL + ["report"],
    "norecords": ["sweep.py", "--mode", "kill-all-after", "--route", "straight"],
    "norecover": KILL + ["smtp-in"],
    "nowhole": KILL + ["drop"],
    "keepsource": KILL + ["drop"],
    "trustparts": KILL + ["split"],
    "noclaim": ["race.py", "--seeds", "12", "--route", "straight"],
}


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


def is_found(build, bug, command):
    """The rig must fail, and for the reason that something is wrong with the mail."""
    environment = dict(os.environ, VIADUCT_BUILD=build, VIADUCT_BUG=bug)
    begun = time.monotonic()
    r = subprocess.run([sys.executable, os.path.join(HERE, command[0])] + command[1:], env=environment, capture_output=True,
                       text=True, timeout=300)
    found = r.returncode == 1 and re.search(r"^not ok .*(nothing|comes right)", r.stdout, re.M)
    if "# skip" in r.stdout and not found:
        powercut.skip("%s: %s" % (bug, r.stdout.split("# skip ")[1].splitlines()[0]))
        return
    wrong = re.search(r"^#   .* \| (.*)", r.stdout, re.M)
    if ok(found, "without the protection \"%s\" the rig fails" % bug):
        print("#   %.1f s: %s" % (time.monotonic() - begun, wrong.group(1)[:150] if wrong else ""), flush=True)
    else:
        print("".join("# " + line for line in (r.stdout + r.stderr).splitlines(True)[-12:]), flush=True)


def all_found(build):
    listed, asked = planted()
    ok(listed == asked == set(BUGS), "every protection that can be taken out is: %s" % ", ".join(sorted(BUGS)))
    if build is None:
        powercut.skip("planted bugs: VIADUCT_BUGGY_BUILD names no build with them")
        return 0
    for bug, command in BUGS.items():
        is_found(build, bug, command)
    return len(BUGS)
