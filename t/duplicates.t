#!/usr/bin/python3
"""P9: mail comes twice only where SMTP knows no better: where a server took it and did not live to say so.

Servers that answer 250 and tear the connection down, that hang up behind the dot, that ask to come again there; and
Postfix's smtp-sink, made to hang up, to refuse for now and for good, at every command. Each message is counted by its subject.
"""
import collections
import os
import shutil
import subprocess
import threading

from rig import Session, Sink, Viaduct, answers, done, end_process, is_, message, need, note, smtp_pair, start_process, until

need("smtp-sink")
A, B = "anna@contoso.example", "bob@branch.example"
SESSIONS = 8
host, branch = Sink(), Sink()
port, _, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf).start()


def submit(name, count):
    """So many messages called so, over several sessions; their subjects."""
    def some(k):
        s = Session(port)
        for i in range(k, count, SESSIONS):
            got = s.mail(A, [B], message(A, B, "%s %d" % (name, i)))
            if not got[-1].startswith("250"):
                refused.append(got)
        s.close()
    refused = []
    threads = [threading.Thread(target=some, args=(k,)) for k in range(SESSIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    is_(refused, [], "%s: %d messages are taken" % (name, count))
    return ["%s %d" % (name, i) for i in range(count)]


def came(sink):
    return collections.Counter(m.header("Subject") for m in sink.mails)


def forget():
    host.mails.clear()
    branch.mails.clear()
    seen.clear()


# ---- a server that behaves so the first time it sees a message ----

seen, lock = collections.Counter(), threading.Lock()


def first_time(end):
    def after(mail):
        with lock:
            seen[mail.header("Subject")] += 1
            return end if seen[mail.header("Subject")] == 1 else None
    return after


def try_server(name, end, count, least, most, counted):
    forget()
    branch.after = first_time(end)
    subjects = submit(name, count)
    viaduct.wait_empty(name + ": all goes through", 90)
    copies = counted()
    wrong = {s: copies[s] for s in subjects if not least <= copies[s] <= most}
    is_(dict(list(wrong.items())[:5]), {}, "%s: each arrives, %d to %d times: 0 lost, %d more than that" % (name, least, most, len(wrong)))
    is_(host.mails, [], name + ": and nobody is sent a report")
    branch.after = None


try_server("250, then a reset at the next command", "later", 1000, 1, 1, lambda: came(branch))
try_server("250 and a reset at once", "reset", 200, 1, 1, lambda: came(branch))
try_server("451 behind the dot", "451 4.3.0 come again", 200, 1, 1, lambda: came(branch))
try_server("a server that hangs up behind the dot", "drop", 200, 2, 2, lambda: seen) # it may have taken it: one more copy, no more

# ---- smtp-sink, then a server that takes all ----


def as_nobody():
    return ["-u", "nobody"] if os.geteuid() == 0 else []


def try_smtp_sink(name, options, count=20, delivered=True):
    """Meanwhile it is tried in vain; then everything arrives once, or was reported once where the refusal was for good."""
    forget()
    branch.close(hang_up=True)
    process = start_process([shutil.which("smtp-sink", path="/usr/sbin:" + os.environ["PATH"])] + as_nobody() + options +
                            ["127.0.0.1:%d" % branch.port, "100"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers(branch.port)
    subjects = submit("smtp-sink " + name, count)
    if delivered:
        until(lambda: viaduct.rows("queue", "list", "attempts>1"), name + ": it is tried, and tried again")
    else:
        host.wait(count, what=name + ": reports")
    end_process(process)
    branch.open()
    viaduct.wait_empty(name + ": all goes through", 60)
    is_([(s, n) for s, n in came(branch).items() if n != 1], [], "smtp-sink %s: none comes twice" % name)
    is_((len(branch.mails), len(host.mails)), (count, 0) if delivered else (0, count),
        "smtp-sink %s: each is %s once" % (name, "delivered" if delivered else "reported"))
    if len(branch.mails) + len(host.mails) != len(subjects):
        note(viaduct.log()[-2000:])


for command in ("ehlo", "mail", "rcpt", "data", "."):
    try_smtp_sink("-q " + command, ["-q", command])
    if command != "ehlo":
        try_smtp_sink("-r " + command, ["-r", command])
        try_smtp_sink("-f " + command, ["-f", command], delivered=False)
try_smtp_sink("-A 0", ["-A", "0"], delivered=False)
is_(viaduct.restarts(), 0, "no worker died")
is_(viaduct.stop(), 0, "it stops in order")
done()
