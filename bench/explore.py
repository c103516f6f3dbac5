"""explore.py - one message, and a SIGKILL at each call of its road that changes the spool: the same kills for every system.

t/crash/crashpoint runs the whole system and strikes at the N-th such call; then the system runs again unharmed. A message that
was answered with 250 must arrive; where it arrives twice, the far end had taken it when the kill came.
"""
import collections
import os
import subprocess
import sys
import time

from peers import listens

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "t", "crash"))
from crashrig import Client  # noqa: E402

MODES = ("kill-all", "kill-all-after", "kill-one", "kill-one-after")
RUN_S, SETTLED_S, RECOVER_S = 12, 0.4, 40
Result = collections.namedtuple("Result", "mode calls points owed lost duplicates")


class Explorer:
    """A system that does not run yet: it says how it is started in the foreground, and where its spool is."""

    def __init__(self, build, system, sink, top):
        self.crashpoint, self.system, self.sink, self.result = os.path.join(build, "t/crash/crashpoint"), system, sink, os.path.join(top, "result")

    def start(self, action=None, n=0):
        argv, counted, left_out = self.system.foreground()
        if action is not None:
            more = ["-P", counted] + [word for path in left_out for word in ("-X", path)]
            argv = [self.crashpoint, "-a", action, "-n", str(n), "-T", "60", "-r", self.result] + more + ["--"] + argv
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        end = time.monotonic() + RUN_S
        while not listens(self.system.port) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()

    def wait(self, token, process, seconds):
        """Until it has come and is off the spool, or time is up, or the system has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            if self.sink.copy()[(token, "bob@branch.example")] and self.system.is_empty():
                time.sleep(SETTLED_S) # its last calls
                return
            time.sleep(0.02)

    def send(self, token, process):
        client = Client(self.system.port)
        try:
            if client.connect(5, lambda: process.poll() is None):
                client.send(token, "anna@contoso.example", ["bob@branch.example"])
        except OSError:
            pass
        client.close()
        return bool(client.acked)

    def point(self, mode, n):
        """(answered with 250, how often it came, calls that there were)."""
        token = "%s.%d" % (mode, n)
        process = self.start(mode if n else "none", n)
        acked = self.send(token, process)
        self.wait(token, process, RUN_S if acked else 1)
        self.stop(process)
        with open(self.result) as f:
            calls = int(f.read().split()[0].split("=")[1])
        if n:
            process = self.start()
            self.wait(token, process, RECOVER_S if acked else 2)
            self.stop(process)
        return acked, self.sink.copy()[(token, "bob@branch.example")], calls


def explore(build, system, sink, top, mode, step):
    explorer = Explorer(build, system, sink, top)
    explorer.stop(explorer.start()) # what is made once
    calls = max(explorer.point(mode, 0)[2] for _ in range(2))
    seen = [explorer.point(mode, n)[:2] for n in range(1, calls + 1, step)]
    owed = [came for acked, came in seen if acked]
    return Result(mode, calls, len(seen), len(owed), owed.count(0), sum(max(0, came - 1) for _, came in seen))
