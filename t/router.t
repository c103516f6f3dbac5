#!/usr/bin/python3
"""viaduct-router: each recipient goes to the one connector that is responsible, once, whatever fails."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, journal_entry, message, new_id, ok  # noqa: E402

BODY = b"From: anna@contoso.example\nTo: bob@branch.example\nMessage-ID: <m@contoso.example>\n\nThe body.\n"
LISTED = [("rcpt-listed", 1)]
spool = Spool(connectors=("branch", "annex"))
PLACES = [("MTS_OUT", c) for c in ("host", "branch", "annex")] + [
    ("SPOOLER_QUEUE", ""), ("BOUNCE", ""), ("BADMAIL", "host"), ("BADMAIL", "branch"), ("BADMAIL", "annex")]


def put(m, name=None):
    m.write(os.path.join(spool.folder("SPOOLER_QUEUE"), name or m.get("id")))
    return m


def found():
    """What lies where: "MTS_OUT/branch" -> [queue file]."""
    return {s + "/" + c if s != "SPOOLER_QUEUE" and s != "BOUNCE" else s: spool.files(s, c) for s, c in PLACES if spool.names(s, c)}


def clear():
    for s, c in PLACES:
        for n in os.listdir(spool.folder(s, c)):
            os.unlink(os.path.join(spool.folder(s, c), n))


def route(m, name=None):
    """One message through the router; returns where what of it lies: folder -> (name behind the id, recipients)."""
    clear()
    put(m, name)
    spool.run("router")
    ok(spool.temp_is_empty(), "(nothing is left in Temp)")
    return {k: [(os.path.basename(f.path)[26:], rcpts(f)) for f in v] for k, v in found().items()}


def rcpts(f):
    return " ".join(r.split(":")[1].split("@")[0] for r in f.all("rcpt"))


# ---- the straight road ----

is_(route(message("anna@contoso.example", ["bob@branch.example", "ben@branch.example"], BODY)),
    {"MTS_OUT/branch": [("", "bob ben")]}, "one connector for all: the message goes there as it is")
m = message("anna@contoso.example", ["bob@branch.example"], BODY)
route(m)
is_(spool.files("MTS_OUT", "branch")[0].body, BODY, "unchanged")
is_(spool.files("MTS_OUT", "branch")[0].journal, b"", "and nothing is written")
is_(route(message("", ["bob@branch.example"], BODY, origin="report")), {"MTS_OUT/branch": [("", "bob")]}, "a report is routed as host mail")

# ---- split ----

m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example", "ben@branch.example", "amy@annex.example"], BODY,
            envid="e1")
is_(route(m), {"MTS_OUT/branch": [(".1", "bob ben")], "MTS_OUT/annex": [(".2", "alf amy")]}, "each connector gets its part")
for c in ("branch", "annex"):
    part = spool.files("MTS_OUT", c)[0]
    is_((part.body, part.get("id"), part.get("via"), part.get("envid"), part.get("from")),
        (BODY, m.get("id"), c, "e1", "SMTP:anna@contoso.example"), "which is the message, and names its connector")
m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], BODY)
is_(route(m, m.get("id") + ".3"), {"MTS_OUT/branch": [(".3.1", "bob")], "MTS_OUT/annex": [(".3.2", "alf")]}, "a part can be split again")
big = BODY + b"line\n" * 40000
m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], big)
route(m)
is_([spool.files("MTS_OUT", c)[0].body == big for c in ("branch", "annex")], [True, True], "a large message is whole in both parts")
m = message("anna@contoso.example", ["bob@branch.example", ("lisa@branch.example", LISTED), ("alf@annex.example", LISTED)], BODY)
is_(route(m), {"MTS_OUT/branch": [("", "bob lisa alf")]}, "who is only listed needs no part")
done_before = journal_entry("mark", ("time", 1), ("mark", "0 delivered"), ("mark", "2 reported"))
m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example", "bad@nowhere.example"], BODY, journal=done_before)
is_(route(m), {"MTS_OUT/annex": [("", "bob alf bad")]}, "who is settled is not routed again")

# a committed split goes on, with what is left of it
m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], BODY, journal=journal_entry("committed", ("number", 2)))
is_(route(m), {}, "a committed split whose parts are on their way is done")
m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], BODY, journal=journal_entry("committed", ("number", 2**62)))
is_(list(route(m)), ["BADMAIL/host"], "one into more parts than there are recipients is damage, and takes no time")

# a part that cannot be written: nothing of the split may be left, nor be sent
clear()
m = put(message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], BODY))
lane = os.path.join(spool.folder("TEMP"), "router.0")
os.makedirs(os.path.join(lane, m.get("id") + ".2"))
spool.run("router")
is_(list(found()), ["SPOOLER_QUEUE"], "where a part cannot be written the message waits whole")
is_(os.listdir(lane), [m.get("id") + ".2"], "and no part of it is left that recovery could take for a committed one")
os.rmdir(os.path.join(lane, m.get("id") + ".2"))
spool.run("router")
is_(sorted(found()), ["MTS_OUT/annex", "MTS_OUT/branch"], "it is split when it can be")

# a part that cannot be moved: the split is committed by then, and goes on from there
clear()
m = put(message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], BODY))
block = os.path.join(spool.folder("MTS_OUT", "annex"), m.get("id") + ".2")
message("anna@contoso.example", ["other@annex.example"], BODY, ident=m.get("id"), via="annex").write(block)
spool.run("router")
is_(spool.names("MTS_OUT", "branch") + spool.names("SPOOLER_QUEUE"), [m.get("id") + ".1", m.get("id")], "a part that cannot be moved waits, and its message with it")
ok(b"committed" in spool.files("SPOOLER_QUEUE")[0].journal, "which says that its split is committed")
os.unlink(block)
os.unlink(os.path.join(spool.folder("MTS_OUT", "branch"), m.get("id") + ".1"))
spool.run("router")
is_({k: [rcpts(f) for f in v] for k, v in found().items()}, {"MTS_OUT/annex": ["alf"]}, "so the part that was moved is not made anew, and the other follows")

# a name that is taken: nothing is written over, and nobody else is held up
clear()
m, twin, good = (message("anna@contoso.example", ["bob@branch.example"], BODY) for _ in range(3))
twin.write(os.path.join(spool.folder("MTS_OUT", "branch"), m.get("id")))
put(m), put(good)
spool.run("router")
is_((spool.names("SPOOLER_QUEUE"), spool.status), ([m.get("id")], 0), "a message whose name is taken there waits, and --once ends")
is_({f.get("id") for f in spool.files("MTS_OUT", "branch")}, {twin.get("id"), good.get("id")}, "nothing is written over, and the others go on")

# ---- failures ----

m = message("anna@contoso.example", ["bob@branch.example", "bad@nowhere.example"], BODY)
is_(route(m), {"MTS_OUT/branch": [("", "bob bad")], "BOUNCE": [(".r1", "bad")]}, "some fail: a report request, and the rest goes on")
request, rest = spool.files("BOUNCE")[0], spool.files("MTS_OUT", "branch")[0]
ok(b"0 failed" in request.journal and b"5.1.2" in request.journal, "the request says who failed and why")
ok(b"1 reported" in rest.journal, "in the message they are settled and told of")
m = message("anna@contoso.example", ["bob@branch.example", "bad@nowhere.example", "alf@annex.example"], BODY)
is_(route(m), {"MTS_OUT/branch": [(".1", "bob")], "MTS_OUT/annex": [(".2", "alf")], "BOUNCE": [(".r1", "bad")]}, "with a split as well")
m = message("anna@contoso.example", ["bad@nowhere.example", "worse@nowhere.example"], BODY)
is_(route(m), {"BOUNCE": [("", "bad worse")]}, "all fail: the message itself goes to Bounce")
ok(spool.files("BOUNCE")[0].journal.count(b" failed\n") == 2, "with its marks")
failed = journal_entry("mark", ("time", 1), ("mark", "0 failed"), ("mark-status", "5.1.2"), ("mark-text", "no"))
is_(list(route(message("anna@contoso.example", ["bad@nowhere.example"], BODY, journal=failed))), ["BOUNCE"],
    "a kill between the marks and the move costs the sender no report")
m = message("anna@contoso.example", ["bob@contoso.example"], BODY)
is_(list(route(m)), ["BOUNCE"], "host mail for the host itself would go round for ever: it fails")
m = message("anna@contoso.example", ["Postmaster@contoso.example"], BODY)
is_(route(m), {"MTS_OUT/host": [("", "Postmaster")]}, "the host's postmaster gets what the host sends him")
is_(route(message("", ["anna@contoso.example"], BODY, origin="report")), {"MTS_OUT/host": [("", "anna")]}, "a report for the host does not")
everybody = journal_entry("mark", ("time", 1), ("mark", "0 delivered"))
is_(list(route(message("anna@contoso.example", ["bob@branch.example"], BODY, journal=everybody))), ["BADMAIL/host"],
    "with nobody left to route to a person must look")
is_(list(route(message("anna@contoso.example", [("bob@branch.example", LISTED)], BODY))), ["BADMAIL/host"], "nor with nobody but who is listed")
is_(list(route(message("anna@contoso.example", [], BODY))), ["BADMAIL/host"], "nor with nobody at all")

# ---- foreign mail ----

m = message("bob@branch.example", ["anna@contoso.example", "alf@annex.example", "x@nowhere.example"], BODY, origin="branch")
is_(route(m), {"MTS_OUT/host": [("", "anna alf x")]}, "what came from a system goes to the host, unrouted")

# ---- damage ----

for length, what in ((100, "small"), (40000, "large")):
    clear()
    m = message("anna@contoso.example", ["bob@branch.example", "alf@annex.example"], BODY + b"x" * length + b"\n")
    path = os.path.join(spool.folder("SPOOLER_QUEUE"), m.get("id"))
    m.write(path)
    with open(path, "r+b") as f:
        f.seek(-5, 2)
        f.write(b"!")
    spool.run("router")
    is_(os.listdir(spool.folder("MTS_OUT", "branch")) + os.listdir(spool.folder("MTS_OUT", "annex")), [], "no part is made of a %s damaged body" % what)
    is_(sorted(os.listdir(spool.folder("BADMAIL"))), [m.get("id"), m.get("id") + ".why"], "it goes to Badmail, once for all")
    ok(spool.temp_is_empty(), "and nothing of it is left in Temp")

# ---- many ----

people = ["p%d@%s.example" % (i, ("branch", "annex", "nowhere")[i % 3]) for i in range(3000)]
got = route(message("anna@contoso.example", people, BODY))
is_({k: len(v[0][1].split()) for k, v in got.items()}, {"MTS_OUT/branch": 1000, "MTS_OUT/annex": 1000, "BOUNCE": 1000},
    "3,000 recipients are all somewhere, each once")

# ---- the book ----

clear()
os.makedirs(os.path.join(spool.folder("BOOK"), "00000001"))
with open(os.path.join(spool.folder("BOOK"), "00000001", "manifest"), "w") as f:
    f.write("viaduct-book 1\nentries 1\nshard book-000.cdb 100 00000000\n")
m = put(message("anna@contoso.example", ["bob@branch.example"], BODY))
foreign = put(message("bob@branch.example", ["anna@contoso.example"], BODY, origin="branch"))
spool.run("router")
is_(spool.names("SPOOLER_QUEUE"), [m.get("id")], "while the book is torn host mail waits")
is_(spool.names("MTS_OUT", "host"), [foreign.get("id")], "and what needs no book does not")
ok("book" in spool.log and m.get("id") in spool.log, "which is said")
os.unlink(os.path.join(spool.folder("BOOK"), "00000001", "manifest"))
os.rmdir(os.path.join(spool.folder("BOOK"), "00000001"))
spool.run("router")
is_(spool.names("MTS_OUT", "branch"), [m.get("id")], "it goes when the book is whole")

spool.remove()
done()
