#!/usr/bin/python3
"""Too few file descriptors cost time, not mail: every worker in its turn, then all at once, has next to none left while mail of
every kind comes; what was taken arrives, nobody dies, and all goes on when there are more."""
import os
import re
import subprocess
import threading
import time

from rig import Session, Sink, Viaduct, done, is_, message, need, note, program, run, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
# One user's limits are that user's to set: viaduct runs as one.
KINDS = ("out", "in", "report", "later", "drop", "eight")
EACH, SPARE = 3, 3 # messages of each kind at once; descriptors that a worker has left
tried, acked, lock = set(), {}, threading.Lock()


def answer(verb, address, mail):
    if verb != "RCPT" or address.startswith("bob"):
        return None
    if address.startswith("nobody"):
        return "550 5.1.1 no such user"
    first = address not in tried
    tried.add(address)
    return "451 4.2.0 come again" if first else None


host = Sink()
branch = Sink(keywords=("PIPELINING", "SIZE 60000000"), answer=answer) # without 8BITMIME, so there is a converter on the road
port, from_branch, conf = smtp_pair(host, branch, 'book { source = { "{top}/book.csv" } }\nreports { rate = 0 }\n')
need("prlimit")
viaduct = Viaduct(conf + "privileges { sandbox = no }\n", user=True) # else nobody but root may look at their descriptors
with open(os.path.join(viaduct.top, "book.csv"), "w") as f:
    f.write("display,primary,proxies,side\nAnna,SMTP:%s,,host\nBob,SMTP:%s,SMTP:bob@contoso.example,branch\n" % (A, B))
os.utime(f.name, (1, 1)) # not written a moment ago
viaduct.start()


def try_one(kind, token):
    to = {"report": "nobody@branch.example", "later": "later.%s@branch.example" % token.strip("."), "in": A}.get(kind, "bob@contoso.example")
    sender = B if kind == "in" else A
    data = message(sender, to, token)
    if kind == "eight":
        data = message(sender, to, token, "Gr\u00fc\u00dfe\n", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n")
    try:
        if kind == "drop":
            return subprocess.run([program("viaduct-sendmail"), "-C", viaduct.conf, "-f", A, to], input=data,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        s = Session(from_branch if kind == "in" else port, seconds=10)
        said = s.mail(sender, [to], data, " BODY=8BITMIME" if kind == "eight" else "")
        s.close()
        return said[-1].startswith("250")
    except (OSError, AssertionError, EOFError, ValueError, IndexError):
        return False


def submit(kind, token):
    """Comes again until it is taken, as any sender does."""
    end = time.monotonic() + 30
    while not try_one(kind, token):
        if time.monotonic() > end:
            return
        time.sleep(0.05)
    with lock:
        acked[token] = kind


def rush(name):
    threads = [threading.Thread(target=submit, args=(kind, "token-%s-%s-%d." % (name, kind, i))) for i in range(EACH) for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def arrived():
    return set(re.findall(r"token-[\w-]+-\d+\.", "".join(m.text() for m in host.mails + branch.mails)))


def limit(pid, spare):
    """A soft limit just above what it has open; None gives it back what it had."""
    highest = max(int(fd) for fd in os.listdir("/proc/%d/fd" % pid))
    code, said = run(viaduct._as_user(["prlimit", "--pid", str(pid), "--nofile=%d:" % (4096 if spare is None else highest + 1 + spare)]))
    if code != 0:
        note(said)


def workers():
    return {name: int(w["pid"]) for name, w in viaduct.master()[1].items() if w["state"] == "running"}


rush("first")
until(lambda: set(acked) <= arrived(), "mail of every kind flows")
viaduct.wait_empty()
missed = []
names = sorted(workers())
for name in names:
    limit(workers()[name], SPARE)
    rush(name)
    if not until(lambda: not set(acked) - arrived(), "with few descriptors for %s all that was taken arrives" % name, 15):
        missed.append(name)
    limit(workers()[name], None)
is_(missed, [], "each of %d workers does its work with %d descriptors to spare" % (len(names), SPARE))
for name, pid in workers().items():
    limit(pid, 1)
rush("all")
for name, pid in workers().items():
    limit(pid, None)
until(lambda: not set(acked) - arrived(), "all that was taken arrives")
is_(sorted(set(acked) - arrived()), [], "0 lost of %d" % len(acked))
viaduct.wait_empty()
is_(viaduct.restarts(), 0, "no worker died of it")
is_(viaduct.names("mailbox/host/Badmail") + viaduct.names("mailbox/branch/Badmail"), [], "nothing was put aside")
reports = [m for m in host.mails if m.sender == "" and not re.search("token-[\\w-]+-report-", m.text())]
is_([m.text()[:2000] for m in reports[:1]], [], "nobody was told of a failure that was none")
is_(viaduct.stop(), 0, "it stops in order")
if missed:
    note("\n".join(line for line in viaduct.lines if "verdict=" not in line)[-5000:])
done()
