#!/usr/bin/python3
"""One spool, one master: of two that start at the same moment, one runs and the other says so and ends with status 6."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "crash"))
from crashrig import CrashSpool, Sink, end_group, free_port, master  # noqa: E402
from spooltest import done, is_, ok, program, start_process  # noqa: E402

TIMES, REFUSED, PERMISSION = 100, 6, 5
BIND = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"']
sinks = {"host": Sink(), "branch": Sink()}
spool = CrashSpool(sinks, listen=free_port())


def start():
    return start_process(master(spool, "--foreground"), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                            start_new_session=True)


def runs(process):
    """Whether it has said so in its state file."""
    try:
        with open(os.path.join(spool.folder("STATE"), "master")) as f:
            return f.read().startswith("pid=%d " % process.pid)
    except FileNotFoundError:
        return False


def race():
    """Starts two; returns the status of the one that ended, and of the other when it is asked to end."""
    pair = [start(), start()]
    end = time.monotonic() + 30
    while time.monotonic() < end and all(p.poll() is None for p in pair):
        time.sleep(0.005)
    ended = [p for p in pair if p.poll() is not None]
    running = [p for p in pair if p.poll() is None]
    if len(ended) != 1:
        for p in running:
            end_group(p)
        return [p.returncode for p in ended], None
    winner = running[0]
    stopped = None
    for _ in range(200): # until it minds signals
        winner.send_signal(signal.SIGTERM)
        try:
            stopped = winner.wait(0.2)
            break
        except subprocess.TimeoutExpired:
            pass
    return ended[0].returncode, stopped


with open(spool.log_path, "wb") as log:
    results = [race() for _ in range(TIMES)]
    is_([r[0] for r in results], [REFUSED] * TIMES, "the second refuses, %d times of %d" % (TIMES, TIMES))
    ok(all(r[1] in (0, -signal.SIGTERM) for r in results), "the first is not disturbed, and ends in order")
    first = start()
    while not runs(first):
        time.sleep(0.02)
    second = start()
    is_(second.wait(30), REFUSED, "nor does one come in beside one that has been running")
    shutil.rmtree(spool.folder("STATE"))
    again = start()
    is_(again.wait(30), REFUSED, "nor where somebody has removed all that the first has written: the lock is on what stays")
    ok(not os.path.exists(spool.folder("STATE")), "and the one that was refused has touched nothing")
    said = subprocess.run([program("viaduct"), "-c", spool.conf, "status"], capture_output=True, text=True)
    like = "runs" in said.stdout and "pid %d" % first.pid in said.stdout
    if not ok(said.returncode == 0 and like, "status tells that it runs, and its pid"):
        print("# %r" % said)
    by_link = os.path.join(spool.top, "by-link")
    os.symlink(spool.path, by_link)
    conf = os.path.join(spool.top, "other.conf")
    for how, path, under in (("by a symbolic link", by_link, []), ("by a bind mount", os.path.join(spool.top, "bound"), BIND)):
        if under and os.geteuid() != 0:
            ok(True, "nor by a bind mount # SKIP only root mounts")
            continue
        os.makedirs(path, exist_ok=True)
        with open(spool.conf) as f, open(conf, "w") as other:
            other.write(f.read().replace('"%s"' % spool.path, '"%s"' % path))
        argv = under + ["sh", spool.path, path] * bool(under)
        r = subprocess.run(argv + [program("viaduct-master"), "-c", conf, "--foreground"], stderr=subprocess.PIPE, timeout=30)
        is_(r.returncode, REFUSED, "nor does one that comes to the same spool " + how)
        ok(b"another viaduct-master runs on the spool" in r.stderr, "and it says why")
    if os.geteuid() == 0:
        r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + master(spool, "--foreground"),
                           stderr=subprocess.PIPE, timeout=30)
        ok(r.returncode in (PERMISSION, REFUSED) and spool.path.encode() in r.stderr, "nor one of another user: %d, %r" % (r.returncode, r.stderr[-200:]))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    third = start()
    time.sleep(0.5)
    status = third.poll()
    if status is not None: # its port may still be in old workers' hands
        is_(status != REFUSED, True, "a master that was killed leaves no lock behind")
    else:
        ok(True, "a master that was killed leaves no lock behind")
    for p in (first, second, again, third):
        end_group(p)
for sink in sinks.values():
    sink.close()
spool.remove()
done()
