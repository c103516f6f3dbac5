#!/usr/bin/python3
"""`viaduct start` in the background lets go of the terminal or pipe it was started from; the log goes where somebody finds it."""
import atexit
import os
import pty
import socket
import subprocess
import threading

from rig import (BUILD, ROOT, Sink, Viaduct, done, is_, like, message, note, ok, private_folder, program, run, send, smtp_pair,
                 until)

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf)
environment = {k: v for k, v in os.environ.items() if k != "JOURNAL_STREAM"}
environment["VIADUCT_LIBEXECDIR"] = BUILD
START = [program("viaduct"), "-c", viaduct.conf, "start"]


@atexit.register
def stop():
    viaduct.command("stop")


def start(argv, **more):
    """Its status, and what came through pipes; None where these did not end."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=environment, start_new_session=True, **more)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        return None, "", ""
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def on_terminal(argv):
    """The same with a terminal as stderr; then what stands on it, when mail has flowed."""
    ours, theirs = pty.openpty()
    status, _, _ = start(argv, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    if status == 0:
        mail("from a terminal")
    os.set_blocking(ours, False)
    try:
        shown = os.read(ours, 100000).decode()
    except OSError:
        shown = ""
    os.close(ours)
    return status, shown


def mail(subject):
    like(send(port, A, B, message(A, B, subject)), "^250", "it runs and takes mail")
    branch.one(lambda m: m.header("Subject") == subject)


# ---- a file as stderr ----

log = os.path.join(viaduct.top, "log")
with open(log, "w") as f:
    is_(start(START, stdout=subprocess.DEVNULL, stderr=f)[0], 0, "started with a file as stderr it runs")
mail("into a file")


def logged():
    with open(log) as f:
        return "verdict=done" in f.read()


ok(until(logged, "the log is written"), "and logs into the file")
is_(viaduct.command("stop")[0], 0, "stop")

# ---- a terminal, without syslog ----

if os.path.exists("/dev/log"):
    ok(True, "a machine without syslog # SKIP this one has it")
else:
    status, shown = on_terminal(START)
    ok(status not in (0, None), "from a terminal, where there is no syslog, it does not start")
    like(shown, r"no syslog.*log \{ target = .*--foreground", "and says what to do")
    is_(viaduct.command("status")[0], 4, "nothing runs")

# ---- a terminal and a pipe, with syslog ----

SYSLOG = os.path.join(private_folder(), "syslog")
dev = private_folder()
lines = []
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(SYSLOG)


def listen():
    while True:
        lines.append(listener.recv(100000).decode("utf-8", "replace"))


threading.Thread(target=listen, daemon=True).start()
OTHER_DEV = ["unshare", "-m", "--propagation", "private", "sh", "-ec", """
mount -t tmpfs -o mode=755 viaduct-test "$1"
mknod -m 666 "$1/null" c 1 3; mknod -m 666 "$1/random" c 1 8; mknod -m 666 "$1/urandom" c 1 9
ln -s "$2" "$1/log"
mount --bind "$1" /dev
shift 2
exec "$@"
""", "sh", dev, SYSLOG]
if not ROOT or run(OTHER_DEV + ["true"])[0] != 0:
    ok(True, "a machine with syslog # SKIP only root can make a /dev of its own")
else:
    status, shown = on_terminal(OTHER_DEV + START)
    is_(status, 0, "from a terminal, where there is syslog, it starts")
    ok(until(lambda: any("viaduct-outbound-gateway" in line and "verdict=done" in line for line in lines), "syslog has it"), "the log goes to syslog")
    is_([line.split(":")[0:2] for line in shown.splitlines()], [["viaduct-master", " the log goes to syslog"]],
        "the terminal is told so, and is then left alone")
    note(shown)
    viaduct.command("stop")
    status, out, err = start(OTHER_DEV + START, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    is_(status, 0, "from a script that reads its pipes, these end when it has started")
    like(out, "the master runs", "with what start says")
    viaduct.command("stop")
done()
