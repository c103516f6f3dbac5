#!/usr/bin/python3
"""The master's life: a reload and a stop cut nobody's sentence off, restarts come ever more rarely, the service manager is told,
and no worker outlives its master."""
import os
import re
import shutil
import signal
import socket
import subprocess

from rig import (BUILD, Session, Sink, Viaduct, done, is_, like, message, note, ok, private_folder, program, send, smtp_pair,
                 start_process, until)
import rig

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)

# ---- a service manager ----

manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(os.path.join(private_folder(), "notify"))
os.chmod(manager.getsockname(), 0o777)
manager.settimeout(rig.WAIT_S)


def told(word):
    """The next notice that has the word, all of its pairs."""
    while True:
        try:
            notice = dict(line.split("=", 1) for line in manager.recv(4096).decode().split("\n"))
        except socket.timeout:
            ok(False, "in time: the service manager is told " + word)
            return {}
        if word in notice:
            return notice


def begin(subject):
    """A session in the middle of its message."""
    s = Session(port)
    s.say("MAIL FROM:<%s>" % A)
    s.say("RCPT TO:<%s>" % B)
    like(s.say("DATA"), "^354", "a client is in the middle of its message: " + subject)
    s.send(message(A, B, subject).replace(b"\n", b"\r\n"))
    return s


def finish(s):
    s.send(b"the rest\r\n.\r\n")
    return s.reply()


def idle(subject):
    """A session that has brought a message, and stays."""
    s = Session(port)
    like(s.mail(A, [B], message(A, B, subject))[-1], "^250", "a client brings a message and stays: " + subject)
    return s


def rest_of(s):
    """What it hears without asking, up to the end of the connection."""
    try:
        return s.file.read().decode()
    except socket.timeout:
        return "nothing, and the connection stays"


def arrives(subject):
    return branch.one(lambda m: m.header("Subject") == subject, what="%r" % subject)


viaduct = Viaduct(conf)
viaduct.start(ready=False, env={"NOTIFY_SOCKET": manager.getsockname()})
is_(told("READY").get("STATUS"), "generation 1, 1 connectors", "the service manager hears that it is ready, and a word on it")
is_(told("WATCHDOG").get("WATCHDOG"), "1", "and again and again that it lives")

# ---- reload ----

half, staying = begin("half"), idle("before the reload")
before = viaduct.master()[1]["inbound-gateway-host"]["pid"]
viaduct.reload(conf)
notice = told("RELOADING")
ok(re.match(r"\d+$", notice.get("MONOTONIC_USEC", "")) and notice["STATUS"] == "reloading", "that it reloads, and when that began")
is_(told("READY").get("STATUS"), "generation 2, 1 connectors", "and when it has")
like(rest_of(staying), r"^421 4\.3\.2 [^\r\n]+\r\n$", "a client that has brought its mail and idles is told to come again")
like(send(port, A, B, message(A, B, "meanwhile")), "^250", "new clients are the new worker's")
like(finish(half), "^250", "the one in the middle of its message ends it, and is answered")
like(rest_of(half), r"^421 4\.3\.2 ", "then it is told to come again")
for subject in ("half", "before the reload", "meanwhile"):
    arrives(subject)
until(lambda: not os.path.exists("/proc/" + before), "its worker ends with it")
viaduct.reload(conf.replace("cost = 1", "cost = x"))
told("RELOADING")
like(told("READY").get("STATUS"), r"^generation 2; the configuration is not in force: .*viaduct.conf:\d+: .*cost", "of a configuration with a mistake the manager hears")
viaduct.reload(conf)

# ---- stop ----

half = begin("half at the stop")
stopping = start_process([program("viaduct"), "-c", viaduct.conf, "stop"], stdout=subprocess.DEVNULL)
is_(told("STOPPING").get("STATUS"), "stopping", "that it stops")
viaduct.wait_log("by=inbound-gateway/host .*asked to end")
like(finish(half), "^250", "a stop waits for a message that is under way")
is_(stopping.wait(30), 0, "and then it stops")
is_([s for s in (viaduct.process.wait(10), )], [0], "in order")
viaduct.process = None

# ---- drain ----

viaduct.start(ready=False, env={"NOTIFY_SOCKET": manager.getsockname()})
told("READY")
arrives("half at the stop")
half, staying = begin("half at the drain"), idle("before the drain")
fresh = Session(port)
stopping = start_process([program("viaduct"), "-c", viaduct.conf, "stop", "--drain=10m"], stdout=subprocess.DEVNULL)
like(told("STOPPING").get("STATUS"), "^draining", "that it drains")
like(rest_of(staying), r"^421 4\.3\.2 ", "who idles is told to come again")
arrives("before the drain")
like(fresh.say("MAIL FROM:<%s>" % A), r"^(250|421)", "who has brought nothing yet may still begin, or is told")
fresh.close()
viaduct.wait_log("by=pickup .*ended")
ok(stopping.poll() is None, "an empty road is not enough while somebody brings a message")
like(finish(half), "^250", "which is taken")
arrives("half at the drain")
is_(stopping.wait(60), 0, "and delivered, and then the drain ends, long before its deadline")
is_(viaduct.mail_left(), [], "nothing is left")
viaduct.process.wait(10)
viaduct.process = None

# ---- restarts ----

folder = private_folder()
for name in os.listdir(BUILD):
    path = os.path.join(BUILD, name)
    if name.startswith("viaduct-") and os.path.isfile(path) and os.access(path, os.X_OK):
        shutil.copy(path, folder)
for name, line in (("cleanup", "kill -SEGV $$"), ("router", "exit 71")):
    with open(os.path.join(folder, "viaduct-" + name), "w") as f:
        f.write("#!/bin/sh\n%s\n" % line)
old, rig.BUILD = rig.BUILD, folder
viaduct.lines.clear()
viaduct.start()
rig.BUILD = old
WAITS = {"cleanup": ["at once (0 seconds)"] * 3 + ["in 1 seconds", "in 2 seconds"], "router": ["in 1 seconds"] * 4}
for name, waits in WAITS.items():
    lines = viaduct.wait_log("%s .*starting it again" % name, len(waits))
    is_([re.search(r'starting it again ([^"]*)', line).group(1) for line in lines][:len(waits)], waits,
        "the waits of %s: %s" % (name, "a crash is tried again at once, three times" if name == "cleanup" else "what cannot start, once a second"))
like(viaduct.wait_log("cleanup was ended")[0], r"signal 11 \(Segmentation fault\)", "the log says how it ended")
viaduct.stop()

# ---- together ----

viaduct.start()
workers = {name: int(w["pid"]) for name, w in viaduct.master()[1].items()}
ok(len(workers) >= 9 and all(os.path.exists("/proc/%d" % pid) for pid in workers.values()), "workers run")
viaduct.process.kill()
viaduct.process.wait()
until(lambda: not [n for n, pid in workers.items() if os.path.exists("/proc/%d" % pid)], "all of them end with their master, killed as it was")
viaduct.process = None
viaduct.start()
like(send(port, A, B, message(A, B, "after all")), "^250", "the next one runs")
arrives("after all")
is_(viaduct.stop(), 0, "and stops")
done()
