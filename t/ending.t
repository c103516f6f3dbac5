#!/usr/bin/python3
"""Tests leave nothing behind: what one has started and made is gone when it ends, dies in the middle, or is told to end."""
import os
import signal
import subprocess
import sys

from rig import HERE, TOP, BUILD, done, is_, ok, private_folder, until

SPOOL = """
import sys, time
sys.path.insert(0, %r)
from spooltest import Spool, start_process
spool = Spool()
process = start_process(["sleep", "1000"])
print(process.pid, spool.top, flush=True)
""" % HERE
MASTER = """
import sys, time
sys.path.insert(0, %r)
from rig import Sink, Viaduct, smtp_pair
host, branch = Sink(), Sink()
viaduct = Viaduct(smtp_pair(host, branch)[2] + 'log { target = "{top}/log" }')
%%s
print(viaduct.master()[0]["pid"], viaduct.top, flush=True)
""" % HERE
STARTS = {"a program": SPOOL, "a master": MASTER % "viaduct.start()",
          "a master in the background": MASTER % 'viaduct.command("start")'}
ENDS = {"is through": "", "dies in the middle": "raise ValueError('in the middle')", "is told to end": "time.sleep(1000)"}
script = os.path.join(private_folder(), "script")
for what, start in STARTS.items():
    for how, end in ENDS.items():
        with open(script, "w") as f:
            f.write(start + end + "\n")
        p = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=TOP,
                             env=dict(os.environ, VIADUCT_BUILD=BUILD, PYTHONDONTWRITEBYTECODE="1"))
        pid, folder = (p.stdout.readline().split() + ["0", ""])[:2]
        ok(int(pid) > 0 and os.path.isdir(folder), "a test starts %s" % what)
        if how == "is told to end":
            p.send_signal(signal.SIGTERM)
        p.stdout.read()
        is_(p.wait(30), {"is through": 0, "dies in the middle": 1, "is told to end": 128 + signal.SIGTERM}[how], "and %s" % how)
        ok(until(lambda: not os.path.exists("/proc/" + pid), "it has ended", 5) and not os.path.exists(folder), "nothing is left")
done()
