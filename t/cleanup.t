#!/usr/bin/python3
"""viaduct-cleanup: what is well-formed passes, loops end, and damaged queue files harm nobody, in any folder."""
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, journal_entry, message, new_id, ok  # noqa: E402

BODY = b"From: anna@contoso.example\nTo: bob@branch.example\nMessage-ID: <m@contoso.example>\n\nThe body.\n"
spool = Spool(connectors=("branch",), host="limits { hops = 20 }")


def clear(*symbols):
    for s in symbols:
        for c in ("host", "branch"):
            for n in os.listdir(spool.folder(s, c)):
                os.unlink(os.path.join(spool.folder(s, c), n))


def check(m, connector="host"):
    """One message through cleanup; returns where it went."""
    clear("SPOOLER_QUEUE", "BOUNCE", "BADMAIL", "MTS_IN")
    m.write(os.path.join(spool.folder("MTS_IN", connector), m.get("id")))
    spool.run("cleanup")
    return [s for s in ("SPOOLER_QUEUE", "BOUNCE", "BADMAIL", "MTS_IN") for n in spool.names(s)] + [
        "BADMAIL/branch" for n in spool.names("BADMAIL", "branch")]


def why(ident, connector="host"):
    with open(os.path.join(spool.folder("BADMAIL", connector), ident + ".why")) as f:
        return f.read()


def msg(**more):
    return message("anna@contoso.example", ["bob@branch.example"], more.pop("body", BODY), **more)


is_(check(msg()), ["SPOOLER_QUEUE"], "what is well-formed passes")
is_(spool.files("SPOOLER_QUEUE")[0].body, BODY, "unchanged")
ok(any("event=SUBMIT" in t for t in spool.track()), "a tracking record tells")

# ---- hops and loops ----

is_(check(msg(hops=20)), ["SPOOLER_QUEUE"], "as many hops as are allowed pass")
is_(check(msg(hops=21)), ["BOUNCE"], "one more is a loop, and its sender is told")
ok(b"0 failed" in spool.files("BOUNCE")[0].journal and b"5.4.6" in spool.files("BOUNCE")[0].journal, "with the reason")
is_(check(msg(loops=2)), ["SPOOLER_QUEUE"], "a message may come through a connector twice more")
is_(check(msg(loops=3)), ["BOUNCE"], "but not a third time")
is_(check(msg(hops=10**18)), ["BOUNCE"], "however many hops are claimed")
again = journal_entry("requeued", ("time", 1), ("by", "admin"))
is_(check(msg(hops=21, loops=3, journal=again)), ["SPOOLER_QUEUE"], "what a person sends again counts from zero")
is_(check(message("", ["bob@branch.example"], BODY, hops=21)), ["BOUNCE"], "a report that loops ends too")
killed = journal_entry("mark", ("time", 1), ("by", "cleanup"), ("mark", "0 failed"), ("mark-status", "5.4.6"), ("mark-text", "loop"))
is_(check(msg(hops=21, journal=killed)), ["BOUNCE"], "a kill between the mark and the move costs the sender no report")

# ---- doors ----

is_(check(message("bob@branch.example", ["anna@contoso.example"], BODY, origin="branch"), "branch"), ["SPOOLER_QUEUE"], "a system's mail comes by its door")
m = message("bob@branch.example", ["anna@contoso.example"], BODY, origin="host")
is_(check(m, "branch"), ["BADMAIL/branch"], "a system cannot pass for the host")
ok("stage=cleanup" in why(m.get("id"), "branch") and '\\"host\\"' in why(m.get("id"), "branch"), "and the note says so")
is_(check(msg(origin="branch")), ["BADMAIL"], "nor the host for a system")
is_(check(msg(origin="report")), ["SPOOLER_QUEUE"], "a report that a person sent again comes by the host's")
is_(check(msg(origin="report"), "branch"), ["BADMAIL/branch"], "and by no other")
everybody = journal_entry("mark", ("time", 1), ("mark", "0 delivered"))
is_(check(msg(journal=everybody)), ["BADMAIL"], "with nobody left to go to a person must look")
is_(check(message("anna@contoso.example", [("bob@branch.example", [("rcpt-listed", 1)])], BODY)), ["BADMAIL"], "nor with nobody but who is listed")

# ---- damaged files, in every folder of messages ----

random.seed(10)
PER_FOLDER = int(os.environ.get("VIADUCT_DAMAGES", "400"))
ENTRY = journal_entry("trace", ("time", 1), ("by", "command"), ("verdict", "release"))
WORKERS = (("MTS_IN", "cleanup", "host", ()), ("SPOOLER_QUEUE", "router", "", ()),
           ("MTS_OUT", "outbound-gateway", "branch", ("--connector", "branch")),
           ("DEFERRED", "outbound-gateway", "branch", ("--connector", "branch")), ("BOUNCE", "bouncer", "", ()))


def damage(data, kind):
    """A copy that is cut, or has one bit turned."""
    if kind == 0:
        return data[:random.randrange(len(data))]
    at = random.randrange(len(data) * 8)
    return data[:at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1:]


def in_body(data, bad):
    start = int(data[9:17], 16) + 64
    return len(bad) == len(data) and bad[:start] == data[:start] and bad[start + len(BODY):] == data[start + len(BODY):]


def place_of(ident):
    """Everywhere a file of this id lies: path -> bytes."""
    found = {}
    for d, _, files in os.walk(spool.path):
        if os.path.basename(os.path.dirname(d)) == "track" or os.path.basename(d) == "track":
            continue
        for f in files:
            if f.startswith(ident):
                with open(os.path.join(d, f), "rb") as file:
                    found[os.path.join(os.path.relpath(d, spool.path), f)] = file.read()
    return found


failed_mark = journal_entry("mark", ("time", 1), ("mark", "0 failed"), ("mark-status", "5.1.1"), ("mark-text", "no such user"))
for symbol, worker, connector, args in WORKERS:
    clear("SPOOLER_QUEUE", "BOUNCE", "BADMAIL", "MTS_IN", "MTS_OUT", "DEFERRED")
    folder = spool.folder(symbol, connector)
    journal = (failed_mark if symbol == "BOUNCE" else b"") + ENTRY
    body_from = {}
    for i in range(PER_FOLDER):
        m = msg(journal=journal)
        name = m.get("id") + ("@0" if symbol == "DEFERRED" else "")
        m.write(os.path.join(folder, name))
        with open(os.path.join(folder, name), "r+b") as f:
            data = f.read()
            bad = damage(data, i % 2)
            f.seek(0)
            f.truncate()
            f.write(bad)
        body_from[m.get("id")] = (data, bad)
    good = [msg(journal=journal) for _ in range(20)]
    for m in good:
        m.write(os.path.join(folder, m.get("id") + ("@0" if symbol == "DEFERRED" else "")))
    spool.run(worker, *args)
    ok(spool.status == 0, "%s meets %d damaged files in %s and does not crash" % (worker, PER_FOLDER, symbol))
    reported = {f.get("parent") for f in spool.files("SPOOLER_QUEUE")} if symbol == "BOUNCE" else ()
    lost, unsaid, changed, left = [], [], [], []
    for ident, (data, bad) in body_from.items():
        found = place_of(ident)
        badmail = [p for p in found if "/Badmail/" in "/" + p and not p.endswith(".why")]
        others = [p for p in found if "/Badmail/" not in "/" + p]
        tail = len(bad) >= len(data) - len(ENTRY) and data.startswith(bad)
        if badmail:
            unsaid += [ident for p in badmail if p + ".why" not in found or b"reason=" not in found[p + ".why"]]
            changed += [ident for p in badmail if found[p] != bad]
            lost += [ident] if others else []
        elif not others:
            # gone, where a report tells of it: it needs the envelope and the journal, not the body
            told = tail or in_body(data, bad)
            lost += [ident] if symbol != "BOUNCE" or not told or ident not in reported else []
        else:
            # passed on: its meaning must be unchanged, or the damage be in a body that is checked at its end
            for p in others:
                if not tail and not (in_body(data, bad) and symbol != "MTS_IN"):
                    changed.append(ident)
            left += [p for p in others if p.startswith(os.path.relpath(folder, spool.path)) and symbol not in ("MTS_OUT", "DEFERRED")]
    is_((lost, unsaid, changed, left), ([], [], [], []),
        "each lies in Badmail as it was, with its reason, or goes on with its meaning unchanged")
    well = [len([p for p in place_of(m.get("id")) if "/Badmail/" in "/" + p]) for m in good]
    is_(sum(well), 0, "and the others are not held up")
    is_([p for m in good for p in place_of(m.get("id")) if symbol in ("MTS_IN", "SPOOLER_QUEUE") and p.startswith(os.path.relpath(folder, spool.path))], [],
        "they all go on")

spool.remove()
done()
