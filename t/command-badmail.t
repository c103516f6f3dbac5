#!/usr/bin/python3
"""Badmail through the operator's command: kept for a person, never swept up with the rest."""
import json
import os
import shutil
import subprocess

from spooltest import FOLDERS, QueueFile, Spool, done, is_, journal_entry, message, new_id, ok, program

VIADUCT, MKMSG = program("viaduct"), program("t/mkmsg")
spool = Spool(connectors=("branch",))


def viaduct(*args):
    r = subprocess.run([VIADUCT, "-c", spool.conf] + list(args), capture_output=True, text=True, timeout=60,
                       stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout, r.stderr


def rows(*args):
    code, out, _ = viaduct(*args, "--json")
    return code, [json.loads(line) for line in out.splitlines()]


def bad(connector, *args):
    path = FOLDERS["BADMAIL"][0].rsplit("/", 1)[-1]
    r = subprocess.run([MKMSG, spool.path, path, connector] + list(args), capture_output=True, text=True, check=True)
    return r.stdout.split()


is_(viaduct("badmail")[0], 1, "no badmail: exit 1")
one = bad("host", "--origin", "branch", "--stage", "cleanup", "--why", 'header field at byte 120 is not "ended"')[0]
two = bad("host", "--origin", "host", "--stage", "cleanup", "--why", 'header field at byte 99 is not "closed"')[0]
three = bad("branch", "--origin", "gone", "--stage", "router", "--why", "bob@x.example cannot be parsed")[0]

_, found = rows("badmail", "list")
is_(len(found), 3, "all Badmail folders are listed")
by_id = {r["id"]: r for r in found}
is_((by_id[one]["stage"], by_id[three]["stage"]), ("cleanup", "router"), "with the stage that gave up")
is_(by_id[one]["reason"], 'header field at byte 120 is not "ended"', "and its reason")
is_(by_id[one]["signature"], by_id[two]["signature"], "messages with one cause have one signature")
ok("bob@" not in by_id[three]["signature"], "in which no address stands")
is_(len(rows("badmail", "list", "signature=" + by_id[one]["signature"])[1]), 2, "by which they can be found")
ok("byte 120" in viaduct("badmail", "show", one)[1], "badmail show tells why")

is_(viaduct("queue", "delete", "all", "--yes")[0], 1, "queue delete all does not mean Badmail")
ok("Badmail were left alone" in viaduct("queue", "hold", one)[2], "and says so")
is_(len(rows("badmail")[1]), 3, "Badmail is still whole")

is_(viaduct("badmail", "requeue")[0], 6, "requeue wants a filter")
code, report = rows("requeue", one)
is_((code, report[0]["done"]), (0, 1), "requeue takes one")
is_(spool.names("MTS_IN", "branch"), [one], "to the MTS-IN of where it came from")
ok(not os.path.exists(os.path.join(spool.folder("BADMAIL"), one + ".why")), "its note is gone with it")
ok(b"requeued" in spool.files("MTS_IN", "branch")[0].journal, "a *requeued* entry resets its counts")
ok(any("event=REQUEUE" in t and one in t for t in spool.track()), "and a tracking record takes it in again")
viaduct("badmail", "requeue", three)
ok(three in spool.names("MTS_IN", "branch"), "one whose origin went is taken where it lies")

is_(viaduct("badmail", "delete", two)[0], 6, "delete asks")
is_(viaduct("badmail", "delete", two, "--yes")[0], 0, "and deletes with --yes")
is_(os.listdir(spool.folder("BADMAIL")), [], "with the note")

item = os.path.join(spool.folder("BADMAIL", "branch"), two)
with open(item, "wb") as f:
    f.write(b"WPC-API= 1.2;\nnot converted\n")
viaduct("badmail", "requeue", two)
is_(spool.names("READY_IN", "branch"), [two], "an item that was never converted goes back to ReadyIn")


# ---- an item that was fetched and not converted is a queue file, too ----

item = new_id()
QueueFile([("id", item), ("arrival", 1), ("origin", "branch"), ("class", "ITEM"), ("from", "SMTP:")], b"WPC-API= 1.2;\n").write(
    os.path.join(spool.folder("BADMAIL"), item))
is_(viaduct("badmail", "requeue", item)[0], 0, "a fetched item is sent again")
is_((item in spool.names("READY_IN", "branch"), item in spool.names("MTS_IN", "branch")), (True, False),
    "to its origin's converter: there is nobody yet whom it could be sent to")

# ---- recipients that failed ----


def put(m, **note):
    m.write(os.path.join(spool.folder("BADMAIL"), m.get("id")))
    with open(os.path.join(spool.folder("BADMAIL"), m.get("id") + ".why"), "w") as f:
        f.write(" ".join('%s="%s"' % pair for pair in note.items()) + "\n")
    return m.get("id")


def mark(*states, kind="mark"):
    more = [("time", 1), ("by", "outbound-gateway-branch")]
    for index, state in states:
        more += [("mark", "%d %s" % (index, state)), ("mark-status", "5.1.1"), ("mark-text", "no such user")]
    return journal_entry(kind, *more)


BODY = b"Subject: x\n\nThe body.\n"
over = put(message("anna@host.example", ["b@branch.example"], BODY, journal=mark((0, "failed"))),
           stage="bouncer", reason="its sender got 3 reports within an hour")
is_(viaduct("badmail", "requeue", over)[0], 0, "what the bouncer put aside while its sender had too many reports")
is_(spool.names("BOUNCE"), [over], "goes back to the bouncer")
ok(b"requeued" not in spool.files("BOUNCE")[0].journal, "its recipients stay failed")
spool.run("bouncer")
is_((spool.names("BOUNCE"), spool.names("BADMAIL")), ([], []), "who tells the sender now")
is_(len(spool.files("SPOOLER_QUEUE")), 1, "with one report")
double = put(message("", ["b@branch.example"], BODY, origin="branch", journal=mark((0, "failed"))), stage="bouncer")
viaduct("badmail", "requeue", double)
ok(double in spool.names("MTS_IN", "branch"), "what has no sender is tried again: the bouncer could tell nobody")
report = put(message("", ["b@branch.example"], BODY, origin="report", journal=mark((0, "failed"))), stage="bouncer")
viaduct("badmail", "requeue", report)
ok(report in spool.names("MTS_IN", "host"), "a report of our own begins at the host's MTS-IN")
for name in spool.names("MTS_IN", "host") + spool.names("MTS_IN", "branch"):
    for connector in ("host", "branch"):
        if name in spool.names("MTS_IN", connector):
            os.unlink(os.path.join(spool.folder("MTS_IN", connector), name))

spool2 = Spool(connectors=("branch",))
spool, first = spool2, spool
first.remove()
failed = put(message("anna@host.example", ["b@branch.example", "c@branch.example", "d@branch.example"], BODY,
                     journal=mark((0, "failed"), (1, "delivered"), (2, "reported"))), stage="router")


def track(event, ident, rcpt, ms):
    with open(os.path.join(spool.folder("TRACK"), "router.0.20251125"), "a") as f:
        f.write("time=2025-11-25T00:00:00.%03dZ event=%s id=%s by=router rcpt=%s\n" % (ms, event, ident, rcpt))


def books():
    out = subprocess.run([program("t/balance"), spool.folder("TRACK")], capture_output=True, text=True).stdout
    return {k: int(v) for k, v in (w.split("=") for w in out.split())}


for n, (event, rcpt) in enumerate((("RECEIVE", "b"), ("RECEIVE", "c"), ("RECEIVE", "d"), ("FAIL", "b"), ("SEND", "c"), ("FAIL", "d"))):
    track(event, failed, rcpt + "@branch.example", n)
viaduct("badmail", "requeue", failed)
shown = rows("queue", "show", failed)[1]
is_([r["state"] for r in shown[0]["recipients"]] if shown else None, ["pending", "delivered", "reported"],
    "who failed and was not reported is tried again, nobody else")
is_([b for b in (books()[k] for k in ("failed", "delivered", "badmail", "in_spool"))], [1, 1, 0, 1], "and the books know")

# ---- the worker's and the command's records are those of one recipient ----

bad_again = put(message("anna@host.example", ["b@branch.example"], BODY), stage="cleanup")
for n, event in enumerate(("RECEIVE", "BADMAIL")):
    track(event, bad_again, "b@branch.example", 10 + n)
viaduct("badmail", "delete", bad_again, "--yes")
is_([books()[k] for k in ("badmail", "deleted", "in_spool")], [0, 1, 1], "who is deleted from Badmail is counted once")

# ---- the books against the spool ----


def balance():
    r = subprocess.run([VIADUCT, "-c", spool.conf, "track", "--balance", "--json"], capture_output=True, text=True)
    said = json.loads(r.stdout) if r.stdout else {}
    return r.returncode, [said.get(k) for k in ("in-spool", "found", "difference", "found-badmail", "difference-badmail")]


for symbol in ("MTS_IN", "BADMAIL", "SPOOLER_QUEUE"):
    for name in os.listdir(spool.folder(symbol)):
        if not name.startswith(failed):
            os.unlink(os.path.join(spool.folder(symbol), name))
is_(balance(), (0, [1, 1, 0, 0, 0]), "track --balance finds the one who is still on his way")
again = [os.path.join(spool.folder(s), n) for s in ("MTS_IN", "SPOOLER_QUEUE") for n in os.listdir(spool.folder(s))][0]
shutil.copy(again, again + ".1")
is_(balance(), (1, [1, 2, -1, 0, 0]), "a message too many is a difference")
os.unlink(again + ".1")
os.rename(again, os.path.join(spool.top, "aside"))
is_(balance(), (1, [1, 0, 1, 0, 0]), "one that is lost too")
shutil.copy(os.path.join(spool.top, "aside"), os.path.join(spool.folder("BADMAIL"), os.path.basename(again)))
is_(balance(), (1, [1, 0, 1, 1, -1]), "and one in Badmail that the log does not know there")
os.unlink(os.path.join(spool.folder("BADMAIL"), os.path.basename(again)))
os.rename(os.path.join(spool.top, "aside"), again)

# ---- the note ----

stays = put(message("anna@host.example", ["b@branch.example"], BODY), stage="cleanup", reason="old")
taken = os.path.join(spool.folder("MTS_IN"), stays)
with open(taken, "wb") as f:
    f.write(b"another")
is_(viaduct("badmail", "requeue", stays)[0], 1, "a message whose name is taken stays in Badmail")
ok(stays in spool.names("BADMAIL"), "where it was")
os.unlink(taken)
with open(os.path.join(spool.folder("BADMAIL"), stays + ".why"), "w") as f:
    f.write("stage=cleanup\n")
r = subprocess.run(["strace", "-f", "-e", "trace=unlinkat,renameat2", VIADUCT, "-c", spool.conf, "badmail", "requeue", stays],
                   capture_output=True, text=True) if shutil.which("strace") else None
if r is None:
    viaduct("badmail", "requeue", stays)
    ok(True, "the note goes before the message # SKIP strace is not here")
else:
    calls = [line for line in r.stderr.splitlines() if stays in line and "= 0" in line]
    is_([c.split("(")[0] for c in calls], ["unlinkat", "renameat2"],
        "the note goes before the message, so a new one of that name is never taken for it")

spool.remove()
done()
