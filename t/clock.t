#!/usr/bin/python3
"""P12: the wall clock jumps by a day and by 400 days, forward and back, while the system runs: nothing is lost, nothing is given
up early, what is deferred is tried again as planned, and no worker is taken for hung.

t/clock.so is loaded into every program and adds a number of seconds, which this test changes, to what the clock says.
"""
import os
import re
import shutil
import struct

import rig
from rig import BUILD, Sink, Viaduct, done, is_, message, note, ok, private_folder, send, skip_all, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
DAY = 86400
SCRIPT = """#!/bin/sh
VIADUCT_TEST_CLOCK=%s/clock LD_PRELOAD=%s/clock.so exec %s/real/$(basename "$0") "$@"
"""

with open(os.path.join(BUILD, "viaduct-router"), "rb") as f:
    if b"__asan_init" in f.read():
        skip_all("nothing is loaded before the sanitizers' own library")


def set_clock(seconds):
    with open(os.path.join(folder, "clock"), "r+b") as f:
        f.write(struct.pack("q", seconds))


def programs():
    """Every worker with the clock that is not the true one; the master gets it by its environment."""
    path = private_folder()
    os.mkdir(os.path.join(path, "real"), 0o755)
    shutil.copy(os.path.join(BUILD, "t", "clock.so"), path)
    with open(os.path.join(path, "clock"), "wb") as f:
        f.write(bytes(8))
    os.chmod(os.path.join(path, "clock"), 0o644)
    for name in os.listdir(BUILD):
        at = os.path.join(BUILD, name)
        if not (name == "viaduct" or name.startswith("viaduct-")) or not os.path.isfile(at) or not os.access(at, os.X_OK):
            continue
        if name in ("viaduct", "viaduct-master"):
            shutil.copy(at, path)
            continue
        shutil.copy(at, os.path.join(path, "real"))
        with open(os.path.join(path, name), "w") as f:
            f.write(SCRIPT % (path, path, path))
        os.chmod(os.path.join(path, name), 0o755)
    return path


later, busy = [], [True]


def answer(verb, address, mail):
    if verb == "RCPT" and address.startswith("later"):
        later.append(address)
        return "450 4.2.1 mailbox busy" if busy[0] else None
    return None


folder = rig.BUILD = programs()
host, branch = Sink(), Sink(answer=answer)
port, _, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf).start(env={"VIADUCT_TEST_CLOCK": folder + "/clock", "LD_PRELOAD": folder + "/clock.so"})
sent, waiting = [], []


def submit(to):
    subject = "to %s, number %d" % (to.split("@")[0], len(sent))
    ok(send(port, A, to, message(A, to, subject)).startswith("250"), subject + " is taken")
    sent.append(subject)


def defer():
    address = "later%d@branch.example" % len(waiting)
    submit(address)
    waiting.append(address)
    until(lambda: later.count(address) >= 2, "%s is tried, and tried again" % address)


def years():
    return sorted({line[5:] for line in re.findall(r"time=\d{4}", viaduct.log())})


defer()
for name, seconds in (("a day forward", DAY), ("back again", 0), ("400 days forward", 400 * DAY), ("back again", 0),
                      ("a day back", -DAY), ("forward again", 0), ("400 days back", -400 * DAY), ("forward again", 0)):
    set_clock(seconds)
    later.clear()
    ok(until(lambda: set(later) >= set(waiting), name + ": every deferred message is tried"), name + ": all that waits is tried again, soon")
    submit(B)
    branch.wait(1, lambda m: m.header("Subject") == sent[-1], what=sent[-1])
    defer()
    failed = [m.header("Subject") for m in host.mails if re.search(r"^Action: failed", m.text(), re.M)]
    if not ok(not failed, name + ": nothing is given up"):
        note(host.mails[-1].text())
ok(len(years()) > 1, "the log shows that the clock did jump: %s" % " ".join(years()))
busy[0] = False
viaduct.wait_empty("in the end all is delivered")
is_(sorted(m.header("Subject") for m in branch.mails), sorted(sent), "0 lost, and none twice")
is_(viaduct.restarts(), 0, "no worker died, none was ended as hung")
is_(viaduct.stop(), 0, "it stops in order")
done()
