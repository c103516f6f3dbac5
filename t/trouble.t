#!/usr/bin/python3
"""What the manual says of a spool folder that vanished, and of too few file descriptors: nothing is lost, all goes on."""
import os
import re
import shutil
import subprocess
import threading
import time

import rig
from rig import TOP, Session, Sink, Viaduct, done, is_, like, message, note, ok, program, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch)

# ---- a folder that vanished, each in its turn, while mail flows ----

with open(os.path.join(TOP, "spool-layout", "flow.def")) as f:
    FOLDERS = [m[0] for m in re.findall(r'^FOLDER\(\w+, "([^"]+)", (\w+),', f.read(), re.M)]
KINDS = ("out", "in", "report", "later", "drop")
tried, lay_there, acked = set(), set(), {}


def answer(verb, address, mail):
    """Nobody is there; somebody is there at the second attempt only."""
    if verb != "RCPT" or address.startswith("bob"):
        return None
    if address.startswith("nobody"):
        return "550 5.1.1 no such user"
    first = address not in tried
    tried.add(address)
    return "451 4.2.0 come again" if first else None


branch.answer = answer
viaduct = Viaduct(conf.replace('space = "1M"', 'space = "1K"') + 'book { source = { "{top}/book.csv" } }\nreports { rate = 100000 }\n')
with open(os.path.join(viaduct.top, "book.csv"), "w") as f:
    f.write("display,primary,proxies,side\nAnna,SMTP:%s,,host\nBob,SMTP:%s,SMTP:bob@contoso.example,branch\n" % (A, B))
os.utime(f.name, (1, 1)) # not written a moment ago


class Flow:
    """Mail of every kind, one after the other, until it is stopped; remembers what was taken, and asks again where it was not."""

    def __init__(self):
        self.stopped, self.n = False, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped:
            kind = KINDS[self.n % len(KINDS)]
            token = "token-%s-%d." % (kind, self.n)
            self.n += 1
            while not self.try_one(kind, token) and not self.stopped:
                time.sleep(0.1)
            time.sleep(0.05)

    def try_one(self, kind, token):
        to = {"report": "nobody@branch.example", "later": "later%d@branch.example" % self.n, "in": A}.get(kind, "bob@contoso.example")
        sender = B if kind == "in" else A
        try:
            if kind == "drop":
                r = subprocess.run([program("viaduct-sendmail"), "-C", viaduct.conf, "-f", A, to], input=message(A, to, token),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                taken = r.returncode == 0
            else:
                s = Session(from_branch if kind == "in" else port)
                said = s.mail(sender, [to], message(sender, to, token))
                s.close()
                taken = said[-1].startswith("250")
                refusals.add(said[1][:3])
        except (OSError, AssertionError, EOFError, ValueError, IndexError):
            taken = False
        if taken:
            acked[token] = kind
        return taken


def vanish(path):
    """Removes a folder; what lay in it at that moment is known, since each file is read before it goes."""
    while True:
        for at, _, names in os.walk(path):
            for name in names:
                try:
                    with open(os.path.join(at, name), "rb") as f:
                        found = re.findall(rb"token-\w+-\d+\.", f.read())
                    os.unlink(os.path.join(at, name))
                    lay_there.update(t.decode() for t in found)
                except OSError:
                    pass
        try:
            shutil.rmtree(path)
            return
        except OSError:
            pass


def arrived():
    return set(re.findall(r"token-\w+-\d+\.", "".join(m.text() for m in host.mails + branch.mails)))


refusals = set()
rig.viaducts.remove(viaduct) # its tracking logs vanish too
viaduct.start()
viaduct.reload(open(viaduct.conf).read()[len(viaduct.head):].replace('connector "branch"', """connector "area" {
    type = "maildir" peer { to = { "maildir://{top}/area" } } address-space { type = "SMTP" pattern = "*@area.example" } }
connector "branch\"""", 1)) # numbers dealt out anew would be others
flow = Flow()
until(lambda: set(KINDS) <= {acked[t] for t in arrived() if t in acked}, "mail of every kind flows")
wrong = []
for path in sorted(FOLDERS, key=lambda p: p == "state"): # last: what it costs would be mended by the loss of others
    path = path % "branch" if "%s" in path else path
    renewed = len([line for line in viaduct.lines if "folders of the spool were made anew" in line])
    vanish(os.path.join(viaduct.spool, path))
    said = viaduct.wait_log(r"the spool folder %s is gone" % path)
    if path == "state":
        code, text = viaduct.command("status")
        like(text, r"runs.*pid %d" % viaduct.process.pid, "without state/ status knows that it runs, and its pid")
        is_(viaduct.command("start")[0], 6, "and a second start is refused")
    code, text = viaduct.command("spool", "check")
    repaired = viaduct.command("spool", "check", "--repair")
    if code != 1 or path + ": missing" not in text or repaired[0] not in (0, 1) or not os.path.isdir(os.path.join(viaduct.spool, path)):
        wrong.append((path, code, text, repaired))
    viaduct.wait_log("folders of the spool were made anew", renewed + 1)
is_(wrong, [], "spool check finds each of %d folders that vanished, and --repair makes it again" % len(FOLDERS))
before = len(acked)
until(lambda: len(acked) >= before + 3 * len(KINDS), "mail of every kind is taken again")
flow.stopped = True
flow.thread.join(60)
until(lambda: not set(acked) - lay_there - arrived(), "all that was taken arrives")
lost = sorted(set(acked) - lay_there - arrived())
is_(lost, [], "0 of %d lost, but the %d that lay in a folder that vanished" % (len(acked), len(lay_there & set(acked))))
ok(not {r for r in refusals if r[0] == "5"}, "no sender was refused for good: %s" % sorted(refusals))
viaduct.wait_empty(but=("Badmail",))
is_([n for n in viaduct.mail_left() if ".why" not in n], [], "nothing is left over")
is_(viaduct.command("stop")[0], 0, "it stops in order")
if lost:
    note("\n".join(line for line in viaduct.lines if any(t in line for t in lost[:1]) or "gone" in line or "cannot" in line)[-6000:])

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
