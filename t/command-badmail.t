#!/usr/bin/python3
"""Badmail through the operator's command: kept for a person, never swept up with the rest."""
import json
import os
import subprocess

from spooltest import FOLDERS, Spool, done, is_, ok, program

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

is_(viaduct("badmail", "requeue")[0], 2, "requeue wants a filter")
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

spool.remove()
done()
