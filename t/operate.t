#!/usr/bin/python3
"""An administrator's day with the real daemons: start, look, hold, repair, reload, stop; and a spool that is full."""
import atexit
import os
import re
import subprocess

from rig import BUILD, ROOT, Session, Sink, Viaduct, done, is_, like, message, note, ok, program, run, send, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
refusing = []


def answer(verb, address, mail):
    return "550 5.1.1 nobody here" if verb == "RCPT" and address in refusing else None


host, branch = Sink(), Sink(answer=answer)
port, from_branch, conf = smtp_pair(host, branch, 'track { keep = "7d" }\n')
viaduct = Viaduct(conf, head='log { target = "{top}/log" }\n'.replace("{top}", "/nonexistent"))
viaduct.head = viaduct.head.replace("/nonexistent", viaduct.top)
viaduct.write(conf)


def say(*args, status=0, shows=(), name=None, no=()):
    """Runs a command; checks its exit status and what it shows."""
    code, said = viaduct.command(*args)
    label = name or "viaduct " + " ".join(args)
    if not ok(code == status and all(re.search(s, said, re.S) for s in shows) and not any(re.search(n, said) for n in no), label):
        note("exit status %d (wanted %d), said:\n%s" % (code, status, said))
    return said


def post(subject, to=B, sender=A):
    """A client that is told 421, as by a worker that makes room for its successor, comes again."""
    while True:
        s = Session(port)
        said = s.mail(sender, [to], message(sender, to, subject))
        s.close()
        if not said[0].startswith("421"):
            return said[-1]


def refused(subject):
    s = Session(port)
    said = s.mail(A, [B], message(A, B, subject))[0]
    s.close()
    return said.startswith("452 4.3.1")


def arrives(subject, sink=None):
    return (sink or branch).one(lambda m: m.header("Subject") == subject, what="%r" % subject)


def stop_master():
    viaduct.command("stop")


# ---- morning: start ----

say("check", shows=["valid"], name="check reads the configuration before anything runs")
atexit.register(stop_master)
say("start", shows=[r"the master runs \(pid \d+\)"], name="start comes back when the master runs")
say("start", status=6, shows=["runs already"], name="a second start is refused, with the pid")
until(lambda: "unknown" not in viaduct.command("status")[1], "all gateways have told how they are")
say("status", shows=["runs, pid", r"host\s+host\s+up", r"branch\s+smtp\s+up", "queues are empty"], name="status: all lights are up, the queues empty")
post("good morning")
ok(arrives("good morning").sender == A, "mail flows")


def logged():
    with open(os.path.join(viaduct.top, "log")) as f:
        return re.search(r"by=outbound-gateway/branch .*verdict=done", f.read())


ok(until(logged, "the log is written"), "its way stands in the log file")

def states():
    """Each worker's state: its name, bytes, and bytes that are on the disk."""
    with os.scandir(os.path.join(viaduct.spool, "state")) as entries:
        return [(e.name, e.stat().st_size, e.stat().st_blocks * 512) for e in entries if re.search(r"\.\d$", e.name)]


ok(len(states()) >= 9, "every worker has a state")
is_([s for s in states() if s[1] > 65536], [], "none takes more than 64 KiB, of the disk or of memory")
is_([s for s in states() if s[2] < s[1]], [], "nor is there a hole in one, which could not be filled when the disk is full")

# ---- hold, look, release ----

say("connector", "hold", "branch", "out", "--reason", "tape change", shows=["on hold"], name="one direction goes on hold, with a reason")
for i in range(3):
    post("held %d" % i)
until(lambda: len(viaduct.names("mailbox/branch/MTS-OUT")) == 3, "mail for it waits")
say("status", shows=[r"branch\s+smtp\s+held", "tape change", r"MTS-OUT\s+3"], name="status says held, why, and how many wait")
said = say("queue", "list", "connector=branch", shows=["3 messages", "anna@contoso.example"], name="queue list shows them")
rows = viaduct.rows("queue", "list", "connector=branch")
is_(len(rows), 3, "so does its JSON")
ident = rows[0]["id"] if rows else "none"
say("queue", "show", ident, shows=["MTS-OUT", "pending.*bob@branch.example"], name="queue show tells where one is, and who still waits for it")
say("queue", "show", ident, "--header", shows=["Subject: held"], name="its header")
say("queue", "show", ident, "--log", shows=["accepted"], name="its history")
say("queue", "shape", shows=[r"TOTAL\s+3", r"branch\.example\s+3"], name="queue shape counts by age and domain")
code, said = run([os.path.join(BUILD, "viaduct-qshape"), "-c", viaduct.conf])
like(said, r"branch\.example\s+3", "so does the qshape link")
code, said = run([os.path.join(BUILD, "viaduct-mailq"), "-c", viaduct.conf])
like(said, ident, "and mailq lists them")
say("queue", "delete", status=6, shows=["empty filter", "`all`"], name="a change without a filter is refused")
say("queue", "hold", ident, shows=["1 of 1 messages held"], name="one message is parked")
say("connector", "release", "branch", shows=["released"], name="the connector is released")
branch.wait(2, lambda m: (m.header("Subject") or "").startswith("held"))
is_([r["id"] for r in viaduct.rows("queue", "list")], [ident], "all but the parked one leave")
say("queue", "release", ident, shows=["1 of 1"], name="it is released")
branch.wait(3, lambda m: (m.header("Subject") or "").startswith("held"))
until(lambda: "SEND" in viaduct.command("track", "id=" + ident)[1], "its delivery is tracked")
say("track", "id=" + ident, shows=["RECEIVE", "TRANSFER", "SEND.*branch"], name="track tells its whole path")

# ---- a peer that is away ----

until(lambda: viaduct.rows("queue", "list") == [], "all is delivered")
branch.close()
say("connector", "test", "branch", status=7, shows=["(?i)refused", "does not work"], name="connector test says that the peer is away, and moves no mail")
viaduct.write(conf.replace('retry { first = "1s" max = "2s" }', 'retry { first = "1h" max = "1h" }'))
say("reload", shows=["reloaded"], name="a reload with other retries")
post("while away")
until(lambda: viaduct.names("mailbox/branch/Deferred"), "mail for a peer that is away is deferred")
say("queue", "list", "state=deferred", shows=["(?i)refused|connect"], name="the queue says why")
say("status", shows=[r"branch\s+smtp\s+\w+.*1 deferred"], name="status counts it")
branch.open()
say("connector", "test", "branch", shows=["(?i)works"], name="when the peer is back the test says so")
say("queue", "retry", "connector=branch", shows=["1 of 1"], name="queue retry makes it due")
arrives("while away")

# ---- Badmail ----

refusing.append("gone@branch.example")
send(port, "", "gone@branch.example", message("", "gone@branch.example", "bounce of a bounce"))
bad = until(lambda: viaduct.rows("badmail", "list"), "a report that fails is kept as Badmail")
say("badmail", "list", shows=["(?i)550|no sender"], name="badmail list gives the reason")
ident = bad[0]["id"] if bad else "none"
say("badmail", "show", ident, shows=["550 5.1.1 nobody here"], name="badmail show: what the server said")
say("status", shows=["(?i)badmail"], name="status has it")
refusing.clear()
say("badmail", "requeue", ident, shows=["1 of 1"], name="once the cause is gone it is requeued")
arrives("bounce of a bounce")
until(lambda: viaduct.rows("badmail", "list") == [], "and leaves Badmail")

# ---- reloads ----

viaduct.write(conf.replace("cost = 1", "cost = x"))
say("reload", status=3, shows=[r"viaduct\.conf:\d+: .*cost"], name="a configuration with a mistake is not loaded: file, line, what is wrong")
say("status", shows=[r"viaduct\.conf:\d+: .*cost", "going on without it", r"runs, pid", r"branch\s+up"], name="status still works, and says what is wrong with the file")
say("queue", "list", status=1, shows=["0 messages"], name="so does the queue")
for verb in ("plan", "show", "apply", "run", "status"):
    say("dirsync", verb, status=3, shows=[r"viaduct\.conf:\d+: .*cost"], no=["going on"], name="dirsync %s does not go on without a configuration" % verb)
reads = ("shape", "badmail list", "connector list", "connector show branch", "book build", "book lookup " + B, "book dump", "book check", "track " + B,
         "stats", "top --once", "log level", "spool check")
ends = {words: viaduct.command(*words.split())[0] for words in reads}
is_([words for words, status in ends.items() if status < 0], [], "no command dies for want of one")
post("still the old one")
arrives("still the old one")
new = """connector "new" {
    type = "smtp"
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@new.example" cost = 1 }
}
""" % branch.port
viaduct.write(conf + new)
say("reload", shows=["reloaded"], name="a reload adds a connector")
until(lambda: post("to the new one", "x@new.example").startswith("250"), "whose mail is taken")
arrives("to the new one")
say("connector", "hold", "new", "out", name="it is put on hold")
post("kept", "x@new.example")
until(lambda: viaduct.names("mailbox/new/MTS-OUT"), "and has mail")
viaduct.write(conf)
say("reload", status=3, shows=['connector "new"', "still holds mail", "reroute, export or delete"], name="it cannot be removed while it has mail: the reload is refused, in words")
say("status", shows=["not in force", 'connector "new"'], name="status says that the file is not in force, and why")
say("queue", "reroute", "connector=new", "--to", "branch", shows=["1 of 1"], name="its mail is rerouted")
arrives("kept")
until(lambda: not viaduct.names("mailbox/new/MTS-OUT"), "it is empty")
say("reload", shows=["reloaded"], name="now it can be removed")
say("status", no=["not in force", r"  new "], name="and status is content")
until(lambda: post("nowhere", "x@new.example").startswith("5"), "its addresses are no longer taken")

# ---- a local program ----

r = subprocess.run([program("viaduct-sendmail"), "-C", viaduct.conf, "-f", A, B], input=b"Subject: by sendmail\n\nhello\n",
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
is_((r.returncode, r.stdout), (0, b""), "viaduct-sendmail takes a message without a word")
ok(arrives("by sendmail").sender == A, "and it arrives")

# ---- evening ----

say("connector", "hold", "branch", "out", name="before the night the branch is held")
post("overnight")
until(lambda: viaduct.names("mailbox/branch/MTS-OUT"), "one message waits")
say("stop", "--drain=1s", shows=["stopped"], name="stop --drain ends in time though something waits")
say("status", status=4, shows=["stopped", r"MTS-OUT\s+1"], name="status works while the daemons are stopped")
say("stop", status=4, shows=["no master runs"], name="a second stop says that nothing runs")
say("queue", "list", shows=["offline"], name="the queue can be looked at")
say("connector", "release", "branch", name="and the hold taken away")
say("start", shows=["the master runs"], name="the next morning")
arrives("overnight")
until(lambda: viaduct.mail_left() == [], "everything has been delivered")
is_(viaduct.restarts(), 0, "no worker has died")
say("stop", shows=["stopped"], name="stop")

# ---- a full spool ----

room = os.path.join(viaduct.top, "small")
os.mkdir(room)
if not ROOT or run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "viaduct-test", room])[0] != 0:
    ok(True, "a full spool # SKIP only root can mount a small file system")
else:
    atexit.register(run, ["umount", "-l", room])
    port, from_branch, conf = smtp_pair(host, branch)
    viaduct.head = 'node = "gw1.contoso.example"\nspool = "%s/spool"\nspace = "2M"\ninodes = 0\n' % room
    viaduct.spool = room + "/spool"
    viaduct.write(conf)
    viaduct.start()
    post("there is room")
    arrives("there is room")
    there = os.statvfs(room)
    with open(room + "/filler", "wb") as f:
        f.write(b"x" * (there.f_bavail * there.f_bsize - 1000000))
    until(lambda: refused("no room"), "with less room than `space` nothing is taken: 452 4.3.1")
    say("status", shows=["less than `space`, nothing is taken"], name="status says that there is no room")
    viaduct.wait_log("too little room", name="so does the log")
    os.unlink(room + "/filler")
    until(lambda: post("room again").startswith("250"), "when there is room again mail is taken, by itself")
    arrives("room again")
    is_(viaduct.restarts(), 0, "no worker has died")
    is_(viaduct.stop(), 0, "and it stops in order")
done()
