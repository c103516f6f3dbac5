#!/usr/bin/python3
"""P12: the wall clock jumps by a day and by 400 days, forward and back, while the system runs: nothing is lost, nothing is given
up early, what is deferred is tried again as planned, and no worker is taken for hung.

t/clock.so is loaded into every program and adds a number of seconds, which this test changes, to what the clock says.
"""
import os
import re

import rig
from clockwork import ENV, folder, set_clock
from rig import Sink, Viaduct, done, is_, message, note, ok, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
DAY = 86400
later, busy = [], [True]


def answer(verb, address, mail):
    if verb == "RCPT" and address.startswith("later"):
        later.append(address)
        return "450 4.2.1 mailbox busy" if busy[0] else None
    if verb == "RCPT" and address.startswith("nobody"):
        return "550 5.1.1 no such user"
    return None


rig.BUILD = folder
host, branch = Sink(), Sink(answer=answer)
port, _, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf).start(env=ENV)
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

# ---- what an operator holds, what a sender may get, and a worker that is to be started again ----

viaduct = Viaduct(conf + "reports { rate = 2 }\n").start(env=ENV)
RITA = "rita@contoso.example"


def report_about(subject):
    """How often it was reported, and whether it is put aside instead."""
    return [m for m in host.mails if m.sender == "" and subject in m.text()]


def fails(subject, sender=RITA):
    ok(send(port, sender, "nobody@branch.example", message(sender, subject=subject)).startswith("250"), subject + " is taken")


viaduct.command("connector", "hold", "branch", "out", "--yes")
ids = []
for subject in ("held for two hours", "held for good"):
    ok(send(port, A, B, message(A, B, subject)).startswith("250"), "what will be %s is taken" % subject)
    new = until(lambda: [n for n in viaduct.names("mailbox/branch/MTS-OUT") if n not in ids], "it waits")
    ids += new
    viaduct.command("queue", "hold", ids[-1], *(("--until", "2h") if "two" in subject else ()))
viaduct.command("connector", "release", "branch", "out", "--yes")
for i in range(2):
    fails("fails %d." % i)
    ok(until(lambda: report_about("fails %d." % i), "its report"), "and reported")
set_clock(DAY)
branch.wait(1, lambda m: m.header("Subject") == "held for two hours", seconds=60, what="what was held for two hours, a day forward")
ok(not [m for m in branch.mails if m.header("Subject") == "held for good"], "a day forward the hold of two hours is over, and that without end is not")
fails("fails 2.")
viaduct.wait_log("verdict=bad .*reports", name="a sender who has got his reports of the hour gets no more because the clock was set")
is_(report_about("fails 2."), [], "he does not")
viaduct.command("badmail", "delete", "all", "--yes")
set_clock(0)
for i in range(5):
    pid = until(lambda: (lambda w: w["pid"] if w["state"] == "running" else None)(viaduct.master()[1]["pickup"]), "pickup runs")
    os.kill(int(pid), 9)
    until(lambda: viaduct.master()[1]["pickup"]["pid"] != pid, "the master has noticed")
set_clock(-400 * DAY)
ok(until(lambda: viaduct.master()[1]["pickup"]["state"] == "running", "pickup is started again"), "400 days back: a worker that waits for its start is started in time")
set_clock(0)
viaduct.command("queue", "release", ids[1], "--yes")
branch.wait(1, lambda m: m.header("Subject") == "held for good", what="what was held for good, released")
viaduct.wait_empty()
is_(viaduct.restarts(), 5, "it was started as often as it was ended here")
is_(viaduct.stop(), 0, "it stops in order")
done()
