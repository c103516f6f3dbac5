#!/usr/bin/python3
"""The queue through the operator's command: looking disturbs nothing, every change is one declared move."""
import fcntl
import json
import os
import re
import shutil
import subprocess

from spooltest import FOLDERS, Spool, done, is_, new_id, ok, program

VIADUCT, MKMSG = program("viaduct"), program("t/mkmsg")
spool = Spool(connectors=("branch", "other"))


def viaduct(*args, **more):
    r = subprocess.run([VIADUCT, "-c", spool.conf] + list(args), capture_output=True, text=True, timeout=60,
                       stdin=subprocess.DEVNULL, **more)
    return r.returncode, r.stdout, r.stderr


def rows(*args):
    code, out, _ = viaduct(*args, "--json")
    return code, [json.loads(line) for line in out.splitlines()]


def make(symbol, connector, *args):
    """Messages in a folder: the names they got."""
    path = FOLDERS[symbol][0].rsplit("/", 1)[-1]
    r = subprocess.run([MKMSG, spool.path, path, connector] + list(args), capture_output=True, text=True, check=True)
    return r.stdout.split()


def held(connector="branch"):
    flat = (FOLDERS["DEFERRED"][0] % connector).replace("/", "+")
    folder = os.path.join(spool.folder("HOLD"), flat)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


# ---- listing ----

is_(viaduct("queue")[0], 1, "a listing of nothing exits 1")
old = make("DEFERRED", "branch", "--age", "3d", "--count", "3", "--attempts", "2", "--status", "4.2.2", "--reason",
           "mailbox full", "--at", "1900000000")
new = make("DEFERRED", "branch", "--rcpt", "x@branch.example", "--rcpt", "y@second.example", "--attempts", "1")
big = make("MTS_OUT", "other", "--size", "2M", "--from", "")
queued = make("SPOOLER_QUEUE", "-", "--from", "evil\"\\\u202e@host.example".replace("\"\\\u202e", "x"))

code, all_rows = rows("queue", "list")
is_(code, 0, "a listing of something exits 0")
is_(len(all_rows), 6, "the listing shows every message of every folder")
is_(sorted(r["id"] for r in all_rows), sorted(n.split("@")[0] for n in old + new + big + queued), "with its id")
code, out, _ = viaduct("queue")
ok("(offline)" in out and " as of " in out, "the listing says that the daemons are stopped, and of when it is")
ok("\x1b" not in out, "no colours where no terminal is")
is_(len(rows("queue", "list", "age>2d")[1]), 3, "age>2d")
ok(re.search(r"(?m)^age, size .*2.*M", viaduct("queue", "show", big[0])[1]), "show tells the size")
is_(len(rows("queue", "list", "size>1M")[1]), 1, "size>1M")
is_(len(rows("queue", "list", "code=4.2")[1]), 3, "code=4.2 finds 4.2.2")
is_(len(rows("queue", "list", "reason~FULL")[1]), 3, "reason~ finds a part")
is_(len(rows("queue", "list", "domain=second.example")[1]), 1, "domain= looks at every recipient")
is_(len(rows("queue", "list", "connector=branch", "dir=out", "state=deferred")[1]), 4, "terms are ANDed")
is_(len(rows("queue", "list", "connector=branch", "connector=other")[1]), 5, "a repeated term is ORed")
is_(len(rows("queue", "list", "sender=<>")[1]), 1, "the null sender can be asked for")
is_(len(rows("q", "l", "--limit", "2")[1]), 2, "--limit, and verbs shortened")
is_([r["id"] for r in rows("queue", "list", "--sort", "-age", "--columns", "id,age")[1]][-1], all_rows and
    min((r for r in all_rows), key=lambda r: r["age"])["id"], "--sort -age ends with the youngest")
is_(list(rows("queue", "list", "--columns", "id,age", "--limit", "1")[1][0]), ["id", "age"], "--columns chooses members")
is_(rows("queue", "list", "domain=second.example")[1][0]["rcpt"], ["x@branch.example", "y@second.example"],
    "recipients are an array")
is_(rows("queue", "list", "code=4.2", "--limit", "1")[1][0]["next"], "2030-03-17T17:46:40.000Z",
    "times are RFC 3339 in UTC")
before = sorted(os.listdir(spool.folder("DEFERRED", "branch")))
is_(sorted(old + new), before, "listing has renamed nothing")

# ---- usage ----

for args, what in (((), "no command"), (("queu", "lst"), "an unknown verb"), (("queue", "list", "sice>1"), "an unknown filter"),
                   (("queue", "list", "--colums", "id"), "an unknown option"), (("queue", "list", "--to", "x"), "another verb's option"),
                   (("queue", "reroute", "all"), "reroute without --to"), (("queue", "list", "--sort", "xx"), "an unknown column"),
                   (("queue", "hold", "all", "--until", "yesterday"), "an end that is no time")):
    is_(viaduct(*args)[0], 2, "exit 2 for " + what)
ok("did you mean" in viaduct("queue", "lsit")[2], "a misspelt verb is guessed")
ok("did you mean" in viaduct("queue", "list", "--colums", "id")[2], "a misspelt option is guessed")
is_(viaduct("-c", "/nonexistent/viaduct.conf", "queue")[0], 3, "exit 3 without a configuration")

# ---- hold and release ----

code, out, _ = viaduct("queue", "hold", "connector=branch", "code=4.2", "--dry-run")
is_((code, len(out.splitlines())), (0, 4), "--dry-run names each message and counts")
is_(sorted(os.listdir(spool.folder("DEFERRED", "branch"))), before, "--dry-run changes nothing")
code, out, _ = viaduct("queue", "hold", "connector=branch", "code=4.2", "--until", "2h", "--reason", "the peer moves")
is_(code, 0, "hold works with the daemons stopped")
ok(out.startswith("3 of 3 messages held"), "and counts")
is_([n.split("@")[0] for n in held()], sorted(n.split("@")[0] for n in old), "held messages lie in Hold, by their folder")
ok(all(int(n.split("@")[1]) > 0 for n in held()), "until when stands in the name")
ident = old[0].split("@")[0]
ok("the peer moves" in viaduct("queue", "show", ident, "--log")[1], "the reason is kept in the message's log")
is_(viaduct("queue", "hold", "state=held")[0], 1, "what is held cannot be held again")
is_(viaduct("queue", "retry", ident)[0], 1, "what is held is not retried")
code, out, _ = viaduct("queue", "release", "all", "--limit", "1")
is_((code, len(held())), (0, 2), "--limit bounds an action")
viaduct("queue", "release", "all")
is_(held(), [], "release empties Hold")
ok(all(n.endswith("@0") for n in os.listdir(spool.folder("DEFERRED", "branch"))), "what was deferred is due then")

# ---- retry, with one in a worker's hand ----

later = make("DEFERRED", "branch", "--at", "1900000001", "--count", "2")
with open(os.path.join(spool.folder("DEFERRED", "branch"), later[0]), "rb") as taken:
    fcntl.flock(taken, fcntl.LOCK_EX)
    is_(rows("queue", "list", later[0].split("@")[0])[1][0]["state"], "transfer", "what a worker has locked is in transfer")
    code, report = rows("queue", "retry", "all")
    is_((code, report[0]["in_transfer"]), (1, 1), "what is in transfer is left alone, and counted")
ok(later[0] in os.listdir(spool.folder("DEFERRED", "branch")), "it kept its name")
is_(viaduct("flush", later[0].split("@")[0])[0], 0, "flush is retry")
ok(later[0].split("@")[0] + "@0" in os.listdir(spool.folder("DEFERRED", "branch")), "retry makes it due")

# ---- reroute, bounce, delete ----

code, out, _ = viaduct("queue", "reroute", later[0].split("@")[0], "--to", "other")
is_((code, later[0].split("@")[0] in spool.names("MTS_OUT", "other")), (0, True), "reroute gives it to the other connector")
ok(any("event=REDIRECT" in t and later[0].split("@")[0] in t for t in spool.track()), "and the tracking log knows")
is_(viaduct("queue", "reroute", later[1].split("@")[0], "--to", "nobody")[0], 2, "there must be such a connector")
is_(viaduct("queue", "reroute", queued[0], "--to", "other")[0], 1, "what is not routed yet is not rerouted")
is_(viaduct("queue", "bounce", ident)[0], 6, "bounce without --yes and without a terminal is refused")
ok(any(n.startswith(ident) for n in spool.names("DEFERRED", "branch")), "and nothing has happened")
code, out, _ = viaduct("queue", "bounce", ident, "--yes", "--reason", "the user left")
is_((code, spool.names("BOUNCE")), (0, [ident]), "bounce puts it before the bouncer")
journal = spool.files("BOUNCE")[0].journal
ok(b"failed" in journal and b"the user left" in journal, "its recipients are marked failed with the reason")
ok(any("event=FAIL" in t and ident in t for t in spool.track()), "one FAIL record")
code, report = rows("queue", "delete", later[1].split("@")[0], "--yes")
is_((code, report[0]["done"]), (0, 1), "delete removes it")
ok(any("event=DELETE" in t and later[1].split("@")[0] in t for t in spool.track()), "one DELETE record")
is_(viaduct("queue", "delete", later[1].split("@")[0], "--yes")[0], 1, "what is gone does not match any more")

# ---- show ----

is_(viaduct("queue", "show", queued[0], "--body")[1].splitlines()[0], "Hello.", "show --body")
ok(viaduct("queue", "show", queued[0], "--header")[1].startswith("From: "), "show --header")
ok("originator" in viaduct("queue", "show", queued[0], "--envelope")[1], "show --envelope")
with open(os.path.join(spool.folder("SPOOLER_QUEUE"), queued[0]), "rb") as f:
    raw = subprocess.run([VIADUCT, "-c", spool.conf, "queue", "show", queued[0], "--raw"], capture_output=True).stdout
    ok(raw == f.read(), "show --raw gives the file byte for byte")
is_(rows("queue", "show", queued[0])[1][0]["recipients"][0]["state"], "pending", "show --json has each recipient's state")
is_(viaduct("queue", "show", later[1].split("@")[0])[0], 1, "show of what is not there exits 1")

# ---- damage ----

damaged = make("MTS_OUT", "branch")[0]
path = os.path.join(spool.folder("MTS_OUT", "branch"), damaged)
with open(path, "r+b") as f:
    f.seek(70)
    f.write(b"\x00\x1b[31m\xff")
code, shown = rows("queue", "list", damaged)
is_((code, len(shown)), (0, 1), "a damaged file is listed, not left out")
ok("reason" in shown[0], "with what is wrong")
is_(viaduct("queue", "bounce", damaged, "--yes")[0], 1, "it cannot be returned")
is_(viaduct("queue", "hold", damaged)[0], 0, "but held")
is_(viaduct("queue", "release", damaged)[0], 0, "and released")
is_(viaduct("queue", "delete", damaged, "--yes")[0], 0, "and deleted")
os.symlink("/etc/passwd", os.path.join(spool.folder("MTS_OUT", "branch"), damaged))
is_(viaduct("queue", "delete", damaged, "--yes")[0], 1, "a link is not followed and not touched")
os.unlink(os.path.join(spool.folder("MTS_OUT", "branch"), damaged))

# ---- export and import ----

out_dir = os.path.join(spool.top, "out")
names = [r["id"] for r in rows("queue", "list")[1]]
viaduct("queue", "hold", "connector=branch")
code, report = rows("queue", "export", out_dir, "all", "--yes")
is_((code, report[0]["done"]), (0, len(names)), "export takes every message")
is_(rows("queue", "list")[1], [], "out of the spool")
code, report = rows("queue", "import", out_dir)
is_((code, report[0]["done"]), (0, len(names)), "import brings them back")
is_(sorted(r["id"] for r in rows("queue", "list")[1]), sorted(names), "with their ids")
ok(len(held()) > 0, "held ones are on hold again")
is_([f for _, _, files in os.walk(out_dir) for f in files], [], "nothing stays in the exported folder")
is_(viaduct("queue", "export", out_dir, "all", "--copy")[0], 0, "--copy leaves them in the spool")
code, report = rows("queue", "import", out_dir)
is_((code, report[0]["failed"]), (1, len(names)), "what the spool has is never overwritten")
ok(spool.temp_is_empty(), "nothing stays in Temp")
ok(all(os.stat(os.path.join(d, f)).st_mode & 0o777 == 0o600 for d, _, files in os.walk(out_dir) for f in files),
   "what is exported is for its owner alone")

# What was copied out and went on meanwhile is not brought in a second time.
moved = make("MTS_OUT", "other")[0]
copies = os.path.join(spool.top, "copies")
viaduct("queue", "export", copies, moved, "--copy")
viaduct("queue", "hold", moved)
code, _, err = viaduct("queue", "import", copies)
is_((code, "the spool has it already" in err), (1, True), "a message that lies in another folder is refused")
is_(len(rows("queue", "list", moved)[1]), 1, "it stays one")
flat = (FOLDERS["MTS_OUT"][0] % "other").replace("/", "+")
is_(os.listdir(os.path.join(copies, flat)), [moved], "and the copy where it was")
viaduct("queue", "delete", moved, "--yes")
os.makedirs(os.path.join(copies, (FOLDERS["DEFERRED"][0] % "other").replace("/", "+")))
shutil.copy(os.path.join(copies, flat, moved), os.path.join(copies, (FOLDERS["DEFERRED"][0] % "other").replace("/", "+"), moved))
code, report = rows("queue", "import", copies)
is_((report[0]["done"], report[0]["failed"], len(rows("queue", "list", moved)[1])), (1, 1, 1),
    "of two copies in one export one is taken")
viaduct("queue", "delete", moved, "--yes")
shutil.rmtree(copies)
os.makedirs(os.path.join(copies, (FOLDERS["BADMAIL"][0] % "other").replace("/", "+")))
is_(viaduct("queue", "import", copies)[0], 1, "what no export writes is not imported")
shutil.rmtree(copies)


def import_one(umask):
    """A message out and in again, under a umask: what the file then is like."""
    old = os.umask(0o007)  # as workers have it
    ident = make("MTS_OUT", "other")[0]
    viaduct("queue", "export", copies, ident, "--yes")
    left = os.path.join(spool.folder("TEMP"), "command", new_id())
    with open(left, "wb") as half:
        half.write(b"VIADUCT1 half of it")
    os.umask(umask)
    code, report = rows("queue", "import", copies)
    os.umask(old)
    is_((code, report[0]["done"], spool.temp_is_empty()), (0, 1, True), "what a killed import left is cleared away")
    return ident, os.stat(os.path.join(spool.folder("MTS_OUT", "other"), ident))


for umask in (0o077, 0):
    ident, st = import_one(umask)
    is_(st.st_mode & 0o7777, 0o660, "an imported file has a queue file's mode, whatever the umask")
events = [next(w[6:] for w in t.split() if w.startswith("event=")) for t in spool.track() if ident in t]
is_(events, ["EXPORT", "IMPORT"], "the tracking log tells of both")
balance = subprocess.run([program("t/balance"), spool.folder("TRACK")], capture_output=True, text=True).stdout
books = dict((k, int(v)) for k, v in (w.split("=") for w in balance.split()))
is_(books["exported"] - books["imported"], sum(books[k] for k in ("accepted", "reports")) - books["in_spool"] - sum(
    books[k] for k in ("delivered", "failed", "badmail", "deleted")), "and the books add up")
is_(viaduct("spool", "check")[0], 0, "the spool is sound")
path = os.path.join(spool.folder("MTS_OUT", "other"), ident)
if os.geteuid() == 0:
    os.chown(spool.folder("STATE"), 0, 62000)
    for symbol in ("MTS_OUT", "DEFERRED"):
        os.chown(spool.folder(symbol, "other"), 62003, 62004)
    ident, st = import_one(0o077)
    is_((st.st_uid, st.st_gid), (62003, 62000), "an imported file belongs to the folder's taker and to all workers' group")
    path = os.path.join(spool.folder("MTS_OUT", "other"), ident)
    os.chown(path, 0, 0)
    code, out, _ = viaduct("spool", "check")
    ok(code == 1 and ident + ": the worker that takes from there cannot open it" in out, "spool check names a file of another user")
    os.chown(path, 0, 62000)
    ok(ident not in viaduct("spool", "check")[1], "and none that is shared by group")
    for folder in [spool.folder(s, "other") for s in ("MTS_OUT", "DEFERRED")] + [spool.folder("STATE")]:
        os.chown(folder, 0, 0)
else:
    os.chmod(path, 0o400)
    code, out, _ = viaduct("spool", "check")
    ok(code == 1 and ident + ": the worker that takes from there cannot open it" in out, "spool check names a file that cannot be written to")
    os.chmod(path, 0o660)
names += [r["id"] for r in rows("queue", "list", "connector=other")[1] if r["id"] not in names]

# ---- shape ----

code, out, _ = viaduct("shape")
head = out.splitlines()[0].split()
is_(head, ["T", "5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"], "shape has qshape's columns")
is_(out.splitlines()[1].split()[0], "TOTAL", "and its TOTAL first")
_, by_folder = rows("queue", "shape", "--by", "folder")
is_(by_folder[0]["total"], len(names), "shape --by folder counts every message once")
is_(sum(r["total"] for r in by_folder[1:]), len(names), "its rows add up")
is_(viaduct("shape", "--by", "colour")[0], 2, "shape by something else is refused")
os.symlink(VIADUCT, os.path.join(spool.top, "viaduct-qshape"))
os.symlink(VIADUCT, os.path.join(spool.top, "viaduct-mailq"))
r = subprocess.run([os.path.join(spool.top, "viaduct-qshape"), "-c", spool.conf, "-s", "-b", "3", "deferred", "hold"],
                   capture_output=True, text=True)
is_(r.stdout.splitlines()[0].split(), ["T", "5", "10", "20", "20+"], "viaduct-qshape takes qshape's options")
def qshape(*args):
    r = subprocess.run([os.path.join(spool.top, "viaduct-qshape"), "-c", spool.conf] + list(args), capture_output=True, text=True)
    return r.returncode, [line.split()[:2] for line in r.stdout.splitlines()[1:2]], r.stderr


deferred = [["TOTAL", str(len(rows("queue", "list", "state=deferred")[1]))]]
is_((qshape("deferred")[1], qshape("Deferred")[1], qshape("state=deferred")[1]), (deferred, deferred, deferred),
    "whose operands are Postfix's queues, folders, or filters")
code, _, err = qshape("defered")
is_((code, "Deferred" in err), (2, True), "and what is neither is an error")
is_(len({line.rindex(" ") for line in viaduct("shape", "--by", "reason")[1].splitlines()[1:]}), 1, "a long reason leaves the numbers in their columns")
r = subprocess.run([os.path.join(spool.top, "viaduct-mailq"), "-c", spool.conf], capture_output=True, text=True)
is_(len(r.stdout.splitlines()), len(names) + 2, "viaduct-mailq is the listing")

# ---- what no message can be ----

for term, hint in (("state=nosuch", "deferred"), ("state=defered", "did you mean \"deferred\""), ("dir=sideways", "in, out"),
                   ("folder=nosuch", "MTS-OUT"), ("connector=brunch", "did you mean \"branch\"")):
    for verb in (("queue", "list"), ("queue", "retry", "--yes"), ("shape",), ("badmail", "list")):
        code, _, err = viaduct(*verb, term)
        if not ok(code == 2 and hint in err, "%s %s is an error, with a hint" % (" ".join(verb), term)):
            print("#", code, err)
ok(viaduct("queue", "list", "state=DEF*", "connector=bran*", "dir=OUT")[0] < 2, "case and wildcards are as in every filter")
for verb in ("hold", "delete", "bounce", "retry"):
    is_(viaduct("queue", verb, "--yes")[0], 6, "an empty filter to %s is refused by a guard: exit 6" % verb)

# ---- permission ----

if os.geteuid() == 0:
    ok(True, "exit 5 without permission # SKIP root may everything")
else:
    os.chmod(spool.folder("MTS_OUT", "branch"), 0)
    code, _, err = viaduct("queue")
    is_((code, "viaduct-adm" in err), (5, True), "exit 5 without permission, with help")
    os.chmod(spool.folder("MTS_OUT", "branch"), 0o700)

spool.remove()
done()
