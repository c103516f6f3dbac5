#!/usr/bin/python3
"""A worker that is started and never comes to work (a library that does not load, a key on a file system that does not answer) is
ended and started again, more and more rarely; who writes meanwhile is refused, and served as soon as one works.

t/clock.so lets the master believe that minutes have passed.
"""
import os
import shutil
import signal
import struct

import rig
from rig import BUILD, Sink, Viaduct, done, is_, like, message, ok, private_folder, send, skip_all, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
PATIENCE_S = 301

with open(os.path.join(BUILD, "viaduct-router"), "rb") as f:
    if b"__asan_init" in f.read():
        skip_all("nothing is loaded before the sanitizers' own library")

folder, stuck, clock = private_folder(), os.path.join(private_folder(), "stuck"), os.path.join(private_folder(), "clock")
for name in os.listdir(BUILD):
    path = os.path.join(BUILD, name)
    if name.startswith("viaduct-") and os.path.isfile(path) and os.access(path, os.X_OK):
        shutil.copy(path, folder)
gateway = os.path.join(folder, "viaduct-inbound-gateway")
os.rename(gateway, os.path.join(folder, "whole"))
with open(gateway, "w") as f:
    f.write("""#!/bin/sh
case "$*" in *"--connector host"*) [ -e %s ] && exec sleep 3600 ;; esac
exec %s/whole "$@"
""" % (stuck, folder))
os.chmod(gateway, 0o755)
passed = [0]


def pass_time(seconds):
    passed[0] += seconds
    with open(clock, "r+b") as f:
        f.write(struct.pack("q", passed[0]))


def gateway_of_host():
    return viaduct.master()[1]["inbound-gateway-host"]


def started_since(old):
    """The gateway's process, where it is another than the old one; what the master wrote may be a moment old."""
    now = gateway_of_host()
    return now["pid"] if now["state"] == "running" and now["pid"] not in ("0", old) else None


with open(clock, "wb") as f:
    f.write(bytes(8))
host, branch = Sink(), Sink()
port, _, conf = smtp_pair(host, branch)
viaduct, rig.BUILD = Viaduct(conf), folder
viaduct.start(env={"VIADUCT_TEST_CLOCK": clock, "VIADUCT_TEST_STEADY": "1", "LD_PRELOAD": BUILD + "/t/clock.so"})
rig.BUILD = BUILD
like(send(port, A, B, message(A, B, "before")), "^250", "mail is taken")
branch.one(lambda m: m.header("Subject") == "before")
others = {name: w["pid"] for name, w in viaduct.master()[1].items() if name != "inbound-gateway-host"}

open(stuck, "w").close()
pid = gateway_of_host()["pid"]
os.kill(int(pid), signal.SIGKILL)
viaduct.wait_log("inbound-gateway-host was ended by signal 9")
for turn in range(1, 5):
    pid = until(lambda: started_since(pid), "it is started")
    if turn == 1:
        pass_time(PATIENCE_S - 20)
        viaduct.wait_log("no worker serves 127.0.0.1:%d" % port, name="when nobody has come to work for a minute, senders are refused")
        is_(gateway_of_host()["pid"], pid, "it still has its time")
        pass_time(20)
    else:
        pass_time(PATIENCE_S)
    said = viaduct.wait_log("inbound-gateway-host hangs: it was started and has not come to work for 300 seconds", turn,
                            name="start %d: one that never comes to work is ended, which the log says" % turn)
    viaduct.wait_log("inbound-gateway-host was ended by signal 9", turn + 1)
waits = [line.split("starting it again ")[1] for line in viaduct.wait_log("inbound-gateway-host was ended by signal 9")][1:]
is_([w.split(" seconds")[0].rstrip('"') for w in waits], ["in 1", "in 1", "in 1", "in 2"],
    "and is started again, more and more rarely")
os.unlink(stuck)
viaduct.wait_log("127.0.0.1:%d is served again" % port, name="when one comes to work, mail is taken again")
like(send(port, A, B, message(A, B, "after")), "^250", "from anybody")
branch.one(lambda m: m.header("Subject") == "after")
is_({name: w["pid"] for name, w in viaduct.master()[1].items() if name != "inbound-gateway-host"}, others, "no other worker was ended")
pass_time(PATIENCE_S)
like(send(port, A, B, message(A, B, "later")), "^250", "nor is one that works, however much time passes")
branch.one(lambda m: m.header("Subject") == "later")
is_(viaduct.stop(), 0, "and it stops in order")
done()
