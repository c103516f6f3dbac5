#!/usr/bin/python3
"""What the manual says of a spool folder that vanished, and of too few file descriptors: nothing is lost, all goes on."""
import os
import shutil

from rig import Session, Sink, Viaduct, done, is_, like, message, ok, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)

# ---- a folder that vanished ----
viaduct = Viaduct(conf)
viaduct.start()
like(send(port, A, B, message(A, B, "before")), r"^250", "mail is taken")
branch.one(lambda m: "before" in m.text())
shutil.rmtree(os.path.join(viaduct.spool, "mailbox", "branch", "Deferred"))
said = viaduct.wait_log(r"the spool folder Deferred of branch is gone")
ok(said, "the worker that takes from it says which folder is gone")
code, text = viaduct.command("spool", "check")
is_(code, 1, "spool check finds it")
like(text, "Deferred", "by name")
code, text = viaduct.command("spool", "check", "--repair")
is_(code, 0, "and makes it again")
like(send(port, A, B, message(A, B, "after the folder")), r"^250", "mail is taken as before")
branch.one(lambda m: "after the folder" in m.text())
is_(viaduct.stop(), 0, "it stops in order")

# ---- few file descriptors ----
few = Viaduct(conf)
few.start("--wrapper", "inbound-gateway-host=/usr/bin/prlimit --nofile=60:60")
sessions, opened = [], 0
for i in range(120):
    try:
        sessions.append(Session(port, seconds=1))
    except (OSError, AssertionError, EOFError):
        break
    opened += 1
ok(opened < 120, "more sessions than descriptors are not had")
for s in sessions:
    s.close()


def taken():
    try:
        return send(port, A, B, message(A, B, "after the rush")).startswith("250")
    except (OSError, AssertionError, EOFError):
        return False


ok(until(taken, "mail is taken again"), "when they have gone mail is taken again")
branch.one(lambda m: "after the rush" in m.text())
is_(few.restarts(), 0, "and no worker died of it")
is_(few.stop(), 0, "it stops in order")
done()
