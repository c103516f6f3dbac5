#!/usr/bin/python3
"""What an end in the middle of something left behind: every row of the table in worker_recover.c, and suspects."""
import fcntl
import os
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import FOLDERS, Spool, done, is_, journal_entry, message, new_id, ok  # noqa: E402

BODY = b"From: anna@contoso.example\nTo: bob@branch.example\nMessage-ID: <m@contoso.example>\n\nThe body.\n"
RCPTS = ["bob@branch.example", "carl@annex.example"]
spool = Spool(connectors=("branch", "annex"))


def lane(worker, number=0):
    path = os.path.join(spool.folder("TEMP"), "%s.%d" % (worker, number))
    os.makedirs(path, exist_ok=True)
    return path


def temp_file(worker, name, m, number=0):
    path = os.path.join(lane(worker, number), name)
    m.write(path)
    return path


def put(symbol, m, name=None, connector="host"):
    path = os.path.join(spool.folder(symbol, connector), name or m.get("id"))
    m.write(path)
    return path


def everywhere(name):
    """Where a file of this name (or stem) lies, relative to the spool."""
    return sorted(os.path.relpath(d, spool.path) for d, _, files in os.walk(spool.path)
                  for f in files if f.split("@")[0] == name)


def place(symbol, connector="host"):
    return os.path.relpath(spool.folder(symbol, connector), spool.path)




def part(parent, n, connector, rcpt, journal=b""):
    return message("anna@contoso.example", [rcpt], BODY, ident=parent, via=connector, journal=journal)


COMPLETE = journal_entry("complete", ("time", 1), ("by", "router"))


def own_part(parent, n, connector, rcpt):
    """A part that says itself that it is complete."""
    return part(parent, n, connector, rcpt, COMPLETE)


def committed(n):
    return journal_entry("committed", ("time", 1), ("by", "router"), ("number", n))


def reported(n, index=0):
    return journal_entry("reported", ("time", 1), ("by", "router"), ("number", n), ("mark", "%d reported" % index))


# ---- messages ----

m = message("anna@contoso.example", RCPTS, BODY)
temp_file("pickup", m.get("id"), m)
spool.run("pickup")
is_(everywhere(m.get("id")), [place("MTS_IN")], "a complete message may have been acknowledged: it is moved on")
is_(open(os.path.join(spool.folder("MTS_IN"), m.get("id")), "rb").read().endswith(BODY), True, "unchanged")

m = message("carl@annex.example", RCPTS, BODY, origin="annex")
temp_file("inbound-gateway-annex", m.get("id"), m, number=1)
spool.run("inbound-gateway", "--connector", "annex")
is_(everywhere(m.get("id")), [place("MTS_IN", "annex")], "to the folder of the connector that it came from, from the other lane too")

whole = message("anna@contoso.example", RCPTS, BODY)
path = temp_file("pickup", "x", whole)
data = open(path, "rb").read()
os.unlink(path)
envelope = int(data[9:17], 16)
torn = {"empty": b"", "only its header line": data[:64], "cut in the envelope": data[:100], "cut in the body": data[:-1],
        "with a gap where the envelope shall be": bytes(64 + envelope) + data[64 + envelope:],
        "with a body of zeroes": data[:64 + envelope] + bytes(len(BODY)),
        "with a byte of the body turned": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
        "without header line": bytes(64) + data[64:]}
names = {}
for what, bytes_ in torn.items():
    names[what] = new_id()
    with open(os.path.join(lane("pickup"), names[what]), "wb") as f:
        f.write(bytes_)
spool.run("pickup")
for what, name in names.items():
    is_(everywhere(name), [], "a torn file was never accepted and goes: " + what)
    ok(name in spool.log and "torn" in spool.log, "which is said")

# what it replaces: removed where it is still that file
old = message("anna@contoso.example", RCPTS, BODY)
for how, inode, there in (("that very file", 0, False), ("another file of its name", 1, True)):
    path = put("SPOOLER_QUEUE", old)
    was = "%d %s/%s" % (os.stat(path).st_ino + inode, place("SPOOLER_QUEUE"), old.get("id"))
    new = message("anna@contoso.example", ["bob@branch.example"], BODY, ident=new_id(), replaces=was, via="branch", origin="host",
                  journal=COMPLETE)
    temp_file("router", new.get("id") + ".1", new)
    os.makedirs(lane("router"), exist_ok=True)
    spool.run("router")
    is_(everywhere(new.get("id") + ".1"), [place("MTS_OUT", "branch")], "a file that replaces one is moved on")
    log_says = "removed " + old.get("id") in spool.log
    is_(log_says, not there, "and what it replaces is removed where it is %s: %s" % (how, not there))
    for d in everywhere(old.get("id")) + everywhere(old.get("id") + ".1") + everywhere(old.get("id") + ".2"):
        for f in os.listdir(os.path.join(spool.path, d)):
            if f.startswith(old.get("id")):
                os.unlink(os.path.join(spool.path, d, f))
outside = os.path.join(spool.top, "outside")
open(outside, "w").close()
for was in ("%d %s/../../outside" % (os.stat(outside).st_ino, place("SPOOLER_QUEUE")), "no number", "1", " ", "%d /x" % 2**70):
    new = message("anna@contoso.example", ["bob@branch.example"], BODY, replaces=was, via="branch", journal=COMPLETE)
    temp_file("router", new.get("id") + ".1", new)
    spool.run("router")
    is_(everywhere(new.get("id") + ".1"), [place("MTS_OUT", "branch")], "a hostile %r harms nobody" % was)
ok(os.path.exists(outside), "and reaches nothing outside the folder")

# ---- parts ----

parent = message("anna@contoso.example", RCPTS, BODY, journal=committed(2))
put("SPOOLER_QUEUE", parent)
for n, connector, rcpt in ((1, "branch", RCPTS[0]), (2, "annex", RCPTS[1])):
    temp_file("router", "%s.%d" % (parent.get("id"), n), part(parent.get("id"), n, connector, rcpt))
spool.run("router")
is_([everywhere("%s.%d" % (parent.get("id"), n)) for n in (1, 2)], [[place("MTS_OUT", "branch")], [place("MTS_OUT", "annex")]],
    "parts whose split is committed go to their connectors")
is_(everywhere(parent.get("id")), [], "and their parent is done")

parent = message("anna@contoso.example", RCPTS, BODY, journal=committed(2))
put("SPOOLER_QUEUE", parent)
temp_file("router", parent.get("id") + ".2", part(parent.get("id"), 2, "annex", RCPTS[1]))
put("MTS_OUT", part(parent.get("id"), 1, "branch", RCPTS[0]), parent.get("id") + ".1", "branch")
spool.run("router")
is_([everywhere("%s.%d" % (parent.get("id"), n)) for n in (1, 2)], [[place("MTS_OUT", "branch")], [place("MTS_OUT", "annex")]],
    "of a split that was half moved the other half follows, and nothing comes twice")
is_(everywhere(parent.get("id")), [], "and their parent is done")

parent = message("anna@contoso.example", RCPTS, BODY)
put("SPOOLER_QUEUE", parent)
stale = part(parent.get("id"), 1, "annex", "stale@annex.example")
temp_file("router", parent.get("id") + ".1", stale)
spool.run("router")
one = spool.files("MTS_OUT", "branch")
ok(any(f.path.endswith(parent.get("id") + ".1") and f.all("rcpt") == ["SMTP:bob@branch.example"] for f in one),
   "a part of a split that was not committed is removed, and the split made anew")
is_((everywhere(parent.get("id") + ".1"), everywhere(parent.get("id") + ".2"), everywhere(parent.get("id"))),
    ([place("MTS_OUT", "branch")], [place("MTS_OUT", "annex")], []), "each recipient once")

gone = new_id()
temp_file("router", gone + ".1", own_part(gone, 1, "annex", RCPTS[1]))
spool.run("router")
is_(everywhere(gone + ".1"), [place("MTS_OUT", "annex")], "a part that says itself that it is complete goes to its connector, its parent gone")
gone = new_id()
temp_file("router", gone + ".1", part(gone, 1, "annex", RCPTS[1]))
spool.run("router")
is_(everywhere(gone + ".1"), [place("TEMP") + "/router.0"],
    "one that does not is left: an operator may hold the parent, and would send it twice")
ok(gone + ".1" in spool.log and "not to be found" in spool.log, "and is named in the log")
os.unlink(os.path.join(lane("router"), gone + ".1"))

parent = message("anna@contoso.example", RCPTS, BODY)
path = put("SPOOLER_QUEUE", parent)
with open(path, "r+b") as f:
    f.seek(70)
    f.write(b"!")
temp_file("router", parent.get("id") + ".1", part(parent.get("id"), 1, "branch", RCPTS[0]))
spool.run("router")
is_(everywhere(parent.get("id") + ".1"), [place("TEMP") + "/router.0"], "where the parent cannot be read a person must look: the part is left")
is_(everywhere(parent.get("id")), [place("BADMAIL")], "beside a parent in Badmail")
os.unlink(os.path.join(lane("router"), parent.get("id") + ".1"))

# a part that an operator sent again is a message like others: what it says of itself is no split of its own
again = new_id()
put("SPOOLER_QUEUE", part(again, 1, "annex", RCPTS[1], COMPLETE + journal_entry("requeued", ("time", 2), ("by", "root"))), again + ".1")
spool.run("router")
is_(everywhere(again + ".1"), [place("MTS_OUT", "annex")], "a part sent again from Badmail is routed, not taken for one that was split")

# ---- report requests ----

def request(ident, rcpt="bob@branch.example", more=b""):
    return message("anna@contoso.example", [rcpt], BODY, ident=ident,
                   journal=more + journal_entry("mark", ("time", 1), ("mark", "0 failed"), ("mark-status", "5.1.1"), ("mark-text", "no")))


later = int(time.time()) + 3600
for connector, symbol, suffix in (("branch", "MTS_OUT", ""), ("branch", "DEFERRED", "@%d" % later)):
    for what, journal, want in (("reported", reported(1), [place("BOUNCE")]), ("not reported", b"", []),
                                ("reported before, not this time", reported(1), [])):
        p = message("anna@contoso.example", ["bob@branch.example", "bert@branch.example"], BODY, journal=journal)
        name = p.get("id") + (".r2" if "before" in what else ".r1")
        put(symbol, p, p.get("id") + suffix, connector)
        temp_file("outbound-gateway-branch", name, request(p.get("id")))
        spool.run("outbound-gateway", "--connector", connector)
        is_(everywhere(name), want, "a request of a parent in %s, %s: %s" % (place(symbol), what, "moved" if want else "removed"))
        is_(len(everywhere(p.get("id"))), 1, "its parent goes on")

gone = new_id()
temp_file("outbound-gateway-branch", gone + ".r3", request(gone, more=COMPLETE))
temp_file("outbound-gateway-branch", gone + ".2.r1", request(gone, more=COMPLETE))
spool.run("outbound-gateway", "--connector", "branch")
is_(everywhere(gone + ".r3") + everywhere(gone + ".2.r1"), [place("BOUNCE")] * 2, "a committed request whose parent has gone is moved, of a part too")

# ---- what is none of ours ----

for name in ("README", "core", new_id() + "@5", new_id().lower(), new_id() + ".why", "-rf"):
    with open(os.path.join(lane("router"), name), "w") as f:
        f.write("x")
os.mkdir(os.path.join(lane("router"), new_id()))
os.symlink("/etc/passwd", os.path.join(lane("router"), new_id()))
before = sorted(os.listdir(lane("router")))
with open(os.path.join(lane("router"), new_id() + ".item"), "w") as f:
    f.write("half an item")
spool.run("router")
is_(sorted(os.listdir(lane("router"))), before, "strange files, folders and links in Temp are left alone; items go")
ok("README" in spool.log and "none of ours" in spool.log, "and are named in the log")

# a worker that never makes files leaves complete ones
m = message("anna@contoso.example", RCPTS, BODY)
temp_file("cleanup", m.get("id"), m)
spool.run("cleanup")
is_(everywhere(m.get("id")), [place("TEMP") + "/cleanup.0"], "a complete file that this worker never makes is left")

# what is there already is not written over
twin = own_part(new_id(), 1, "annex", RCPTS[1])
put("MTS_OUT", twin, twin.get("id") + ".1", "annex")
temp_file("router", twin.get("id") + ".1", twin)
spool.run("router")
is_(everywhere(twin.get("id") + ".1"), [place("MTS_OUT", "annex")], "a part that was moved before is not there twice")
other = own_part(twin.get("id"), 1, "annex", "other@annex.example")
temp_file("router", twin.get("id") + ".1", other)
spool.run("router")
is_(everywhere(twin.get("id") + ".1"), [place("TEMP") + "/router.0", place("MTS_OUT", "annex")],
    "another file of its name is neither written over it nor dropped")
os.unlink(os.path.join(lane("router"), twin.get("id") + ".1"))

# a stranger's file, whatever its name: an envelope holds no control bytes, and what was taken shall not be taken again
for name, written, there in ((b"two words", "two words", False), (b"line\nid=FAKE", "line?id=FAKE", False), (b"\x01?\x7f", "???", False),
                             (b"what?", "what?", False), (b"another", "what?er", True)):
    path = os.path.join(spool.folder("DROP").encode(), name)
    with open(path, "wb") as f:
        f.write(b"X-Sender: a@x.example\nX-Receiver: b@branch.example\n\nx\n")
    m = message("anna@contoso.example", RCPTS, BODY, replaces="%d %s/%s" % (os.stat(path).st_ino, place("DROP"), written))
    temp_file("pickup", m.get("id"), m)
    before = len(spool.names("MTS_IN"))
    spool.run("pickup")
    is_((everywhere(m.get("id")), len(spool.names("MTS_IN")) - before, os.path.exists(path)), ([place("MTS_IN")], 1 + there, False),
        "a file %r in drop %s" % (name, "is another, and becomes mail" if there else "was taken before: it goes, and comes once"))

# damage of what was complete once
only = {}
for what, more in (("committed", {}), ("its source gone", {"replaces": "1 %s/%s" % (place("SPOOLER_QUEUE"), new_id())})):
    m = message("anna@contoso.example", [RCPTS[1]], BODY, via="annex", journal=b"" if more else COMPLETE, **more)
    only[what] = m.get("id") + ".1"
    path = temp_file("router", only[what], m)
    with open(path, "r+b") as f:
        data = f.read()
        f.seek(data.index(b"The body."))
        f.write(b"!")
spool.run("router")
for what, name in only.items():
    is_(everywhere(name), [place("TEMP") + "/router.0"], "a damaged file that is the only copy is left (%s)" % what)
    ok(name in spool.log and "only copy" in spool.log, "and named")
    os.unlink(os.path.join(lane("router"), name))

# ---- lanes ----

ids = [new_id() for _ in range(3)]
for number in (0, 1):
    temp_file("router", ids[number] + ".1", own_part(ids[number], 1, "annex", RCPTS[1]), number)
held = os.open(lane("router", 0), os.O_RDONLY)
fcntl.flock(held, fcntl.LOCK_EX)
temp_file("bouncer", ids[2] + ".1", part(ids[2], 1, "annex", RCPTS[1]))
spool.run("router")
is_(everywhere(ids[0] + ".1"), [place("TEMP") + "/router.0"], "a lane that another process holds is not touched")
is_(everywhere(ids[1] + ".1"), [place("MTS_OUT", "annex")], "its own is swept")
is_(everywhere(ids[2] + ".1"), [place("TEMP") + "/bouncer.0"], "another worker's never")
os.close(held)
held = os.open(lane("router", 1), os.O_RDONLY)
os.close(held)
spool.run("router")
is_(everywhere(ids[0] + ".1"), [place("MTS_OUT", "annex")], "when its holder has ended it is swept, by whoever starts")

# ---- suspects ----

SLOTS, HEAD = 64, 4096  # of cleanup
MESSAGE = "@256s41sII"
PAGE = "@16siIqqQqq256s256sq160s5I160s"
N_AT, SIZE = struct.calcsize(PAGE), struct.calcsize(MESSAGE)


def page(pid=0, slots=(), suspects=()):
    """A state file as worker_state.h has it; messages are (name, connector, symbol, crashes)."""
    def pack(messages):
        rows = [struct.pack(MESSAGE, n.encode(), c.encode(), list(FOLDERS).index(s), k) for n, c, s, k in messages]
        return rows + [bytes(SIZE)] * (SLOTS - len(rows))
    head = struct.pack(PAGE, b"viaduct-state 3", pid, 1, 0, 0, 0, 0, 0, b"", b"", 0, b"", 0, 0, 0, 0, 0, b"") + struct.pack("@I", len(suspects))
    return head.ljust(HEAD, b"\0") + b"".join(a + b for a, b in zip(pack(slots), pack(suspects)))


def state(worker, data):
    with open(os.path.join(spool.folder("STATE"), worker + ".0"), "wb") as f:
        f.write(data)


def read_state(worker):
    with open(os.path.join(spool.folder("STATE"), worker + ".0"), "rb") as f:
        data = f.read()
    n = struct.unpack_from("@I", data, N_AT)[0]
    rows = [struct.unpack_from(MESSAGE, data, HEAD + (2 * i + 1) * SIZE) for i in range(n)]
    return struct.unpack_from("@i", data, 16)[0], [(r[0].split(b"\0")[0].decode(), r[3]) for r in rows]


spool.run("cleanup")
is_(os.path.getsize(os.path.join(spool.folder("STATE"), "cleanup.0")), len(page()), "a state page is as large as it says")
is_(read_state("cleanup"), (0, []), "a worker that ended in order has nothing in hand and no suspects")


def submit():
    m = message("anna@contoso.example", RCPTS, BODY)
    put("MTS_IN", m)
    return m.get("id")


def where(ident):
    return {"Spooler-Queue": "passed", place("BADMAIL"): "badmail", place("MTS_IN"): "stays"}.get("".join(everywhere(ident)), "?")


suspect, others = submit(), [submit() for _ in range(3)]
state("cleanup", page(4711, [(suspect, "host", "MTS_IN", 0)]))
spool.run("cleanup")
ok("did not end in order" in spool.log, "a crash of the one before is said")
is_([where(i) for i in [suspect] + others], ["passed"] * 4, "the message that was in hand is taken again, and the others")
first = next(line for line in spool.log.splitlines() if "verdict=pass" in line)
ok(suspect in first, "it is taken alone and first")
is_(read_state("cleanup"), (0, []), "having passed, it is a suspect no longer")

# alone in hand at a crash: counted; the worker dies again and again, as its page tells
suspect, other = submit(), submit()
state("cleanup", page(4711, [(suspect, "host", "MTS_IN", 0)], [(suspect, "host", "MTS_IN", 1)]))
spool.run("cleanup")
is_((where(suspect), where(other)), ("passed", "passed"), "two crashes are not enough")

suspect, other = submit(), submit()
state("cleanup", page(4711, [(suspect, "host", "MTS_IN", 0)], [(suspect, "host", "MTS_IN", 2)]))
spool.run("cleanup")
is_((where(suspect), where(other)), ("badmail", "passed"), "after three crashes alone it goes to Badmail, and only it")
with open(os.path.join(spool.folder("BADMAIL"), suspect + ".why")) as f:
    why = f.read()
ok("stage=cleanup" in why and "3 times" in why and "from=MTS-IN" in why, "with the reason beside it")
is_(read_state("cleanup"), (0, []), "and is a suspect no longer")
ok(any("event=BADMAIL" in t and suspect in t for t in spool.track()), "a tracking record tells")

is_(sum("event=BADMAIL" in t and suspect in t and "rcpt=" in t for t in spool.track()), len(RCPTS), "for each of its recipients")
suspect = submit()
state("cleanup", page(4711, [(suspect, "host", "MTS_IN", 0)], [(suspect, "host", "MTS_IN", 3)]))
spool.run("cleanup")
told = [t for t in spool.track() if "event=BADMAIL" in t and suspect in t]
is_((where(suspect), len(told), "rcpt=" in "".join(told)), ("badmail", 1, False), "where even reading them ends the worker it goes unread")

two = [submit(), submit()]
state("cleanup", page(4711, [(i, "host", "MTS_IN", 0) for i in two], [(i, "host", "MTS_IN", 2) for i in two]))
spool.run("cleanup")
is_([where(i) for i in two], ["passed", "passed"], "of several in hand at a crash none is counted: it may have been the other")

suspect = submit()
state("cleanup", page(0, [], [(suspect, "host", "MTS_IN", 3)]))
spool.run("cleanup")
is_(where(suspect), "badmail", "what was a suspect before an end in order stays one")

# a page that cannot be believed
suspect = submit()
for what, data in (("cut", page(4711)[:5000]), ("cut at an entry", page(4711)[:HEAD + 2 * SIZE]), ("empty", b""), ("without entries", page(4711)[:HEAD]),
                   ("too long", page(4711) + bytes(2 * SIZE * 512)), ("another version", page(4711).replace(b"state 3", b"state 9")),
                   ("too many suspects", page(4711)[:N_AT] + struct.pack("@I", 4000000000) + page(4711)[N_AT + 4:]),
                   ("names without end", page(4711, [("A" * 256, "B" * 41, "MTS_IN", 9)], [("C" * 256, "D" * 41, "MTS_IN", 9)])),
                   ("folders that are none", page(4711, [(suspect, "host", "MTS_IN", 0)]).replace(
                       struct.pack("@II", list(FOLDERS).index("MTS_IN"), 0), b"\xff" * 8))):
    ident = submit()
    state("cleanup", data)
    spool.run("cleanup")
    is_((spool.status, where(ident)), (0, "passed"), "a page that is %s stops nobody" % what)

# suspects that cannot be taken
missing, folder, link, good = new_id(), new_id(), new_id(), submit()
os.mkdir(os.path.join(spool.folder("MTS_IN"), folder))
os.symlink("/etc/passwd", os.path.join(spool.folder("MTS_IN"), link))
state("cleanup", page(4711, [(i, "host", "MTS_IN", 0) for i in (missing, folder, link)]))
spool.run("cleanup")
is_((spool.status, where(good)), (0, "passed"), "a suspect that has gone, or is a folder or a link, keeps nobody waiting")

spool.remove()
done()
