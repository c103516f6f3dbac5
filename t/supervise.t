#!/usr/bin/python3
"""A worker that dies is missed by nobody; one that cannot be started keeps no sender waiting."""
import json
import os
import shutil
import signal
import socket
import subprocess

from rig import (BUILD, Sink, Viaduct, done, is_, like, message, ok, private_folder, program, send, smtp_pair,
                 start_process, until)
import rig

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)

# ---- programs, among them an inbound gateway that can be broken ----

folder, broken = private_folder(), os.path.join(private_folder(), "broken")
for name in os.listdir(BUILD):
    path = os.path.join(BUILD, name)
    if name.startswith("viaduct-") and os.path.isfile(path) and os.access(path, os.X_OK):
        shutil.copy(path, folder)
gateway = os.path.join(folder, "viaduct-inbound-gateway")
os.rename(gateway, os.path.join(folder, "whole"))
with open(gateway, "w") as f:
    f.write("""#!/bin/sh
case "$*" in *"--connector host"*) [ -e %s ] && exit 71 ;; esac
exec %s/whole "$@"
""" % (broken, folder))
os.chmod(gateway, 0o755)


def start(conf):
    viaduct = Viaduct(conf)
    old, rig.BUILD = rig.BUILD, folder
    viaduct.start()
    rig.BUILD = old
    return viaduct


def pid_of(worker):
    return int(viaduct.master()[1][worker]["pid"])


def connection():
    """What comes of it: the socket, or None where it is refused."""
    s = socket.socket()
    s.settimeout(20)
    if s.connect_ex(("127.0.0.1", port)) != 0:
        s.close()
        return None
    return s


def is_refused():
    s = connection()
    if s is not None:
        s.close()
    return s is None


def greeting(s):
    """The first bytes; b"" where the connection was ended, None where nothing came."""
    try:
        return s.recv(100)
    except socket.timeout:
        return None
    except OSError:
        return b""


viaduct = start(conf)
like(send(port, A, B, message(A, B, "before")), "^250", "mail is taken")
branch.one(lambda m: m.header("Subject") == "before")

# ---- a worker that dies and can be started ----

os.kill(pid_of("inbound-gateway-host"), signal.SIGKILL)
s = connection()
ok(s is not None and greeting(s), "a sender who comes while a worker is started again waits a moment, and is served")
s.close()

# ---- one that cannot ----

open(broken, "w").close()
os.kill(pid_of("inbound-gateway-host"), signal.SIGKILL)
waiting = connection()
ok(waiting is not None, "at first it is waited for as well")
viaduct.wait_log("no worker serves 127.0.0.1:%d" % port, name="when it cannot be started the log says that nobody is served")
is_(greeting(waiting), b"", "who has waited is hung up on")
ok(until(is_refused, "refused"), "who comes is refused at once, and can try another way")
with socket.socket() as thief:
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ok(thief.connect_ex(("127.0.0.1", port)) != 0, "nobody listens")
    try:
        thief.bind(("127.0.0.1", port))
        bound = True
    except OSError:
        bound = False
    ok(not bound, "the port is still the master's: nobody else can bind it")
shown = viaduct.command("status")[1]
like(shown, r"Listeners\n  127\.0\.0\.1:%d: connections are refused" % port, "status says so")
like(shown, r"host +host +down", "and the light is red")
said = json.loads(viaduct.command("status", "--json")[1])
is_([r["listener"] for r in said["refusing"]], ["127.0.0.1:%d" % port], "JSON too")
like(send(from_branch, B, A, message(B, A, "the other way")), "^250", "the other gateway works")
host.one(lambda m: m.header("Subject") == "the other way")
viaduct.reload(conf)
viaduct.wait_log("inbound-gateway-host could not go on", len(viaduct.wait_log("inbound-gateway-host could not go on")) + 1)
ok(until(is_refused, "refused again"), "a reload with which it cannot be started either changes nothing")
os.unlink(broken)
viaduct.reload(conf)
viaduct.wait_log("127.0.0.1:%d is served again" % port, name="when it can be started again the log says so")
like(send(port, A, B, message(A, B, "after")), "^250", "mail is taken")
branch.one(lambda m: m.header("Subject") == "after")
ok("Listeners" not in viaduct.command("status")[1], "and status is content")
is_(len(viaduct.wait_log("no worker serves")), 1, "all that was said once")
is_(viaduct.stop(), 0, "it stops in order")

# ---- one that dies during a drain ----

viaduct = start(conf)
viaduct.wait_log("by=router .*started")
os.kill(pid_of("router"), signal.SIGSTOP)
like(send(port, A, B, message(A, B, "on the road")), "^250", "mail is taken")
until(lambda: viaduct.names("Spooler-Queue"), "it waits for a worker that stands still")
stopping = start_process([program("viaduct"), "-c", viaduct.conf, "stop", "--drain=5m"], stdout=subprocess.DEVNULL)
viaduct.wait_log("draining for 300 seconds")
viaduct.wait_log("by=inbound-gateway/host say=ended")
ok(until(is_refused, "refused"), "during a drain senders are refused at once")
ok(stopping.poll() is None, "the drain waits for mail on the road")
os.kill(pid_of("router"), signal.SIGKILL)
viaduct.wait_log("router was ended by signal 9 .*starting it again", name="a worker that dies then is started again")
branch.one(lambda m: m.header("Subject") == "on the road")
is_(stopping.wait(60), 0, "what it had to do is done, and the drain ends long before its deadline")
ok(viaduct.stop() == 0 and viaduct.mail_left() == [], "nothing is left")
done()
