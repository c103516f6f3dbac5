#!/usr/bin/python3
"""viaduct-bouncer: senders are told once, as they asked, and nobody else is."""
import email
import email.policy
import email.utils
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, journal_entry, message, new_id, ok, program, start_process  # noqa: E402

BODY = (b"Received: from a by b; x\nFrom: anna@contoso.example\nTo: bob@branch.example\nSubject: Offer\n"
        b"Message-ID: <m1@contoso.example>\n\nThe body.\n")
FAILURE, SUCCESS, NEVER, DELAY = [("rcpt-notify", 4)], [("rcpt-notify", 2)], [("rcpt-notify", 1)], [("rcpt-notify", 8)]


def mark(*states, by="outbound-gateway-branch"):
    """A journal entry that marks recipients: (index, state, status, text)."""
    more = [("time", int(time.time() * 1000)), ("by", by)]
    for index, state, status, text in states:
        more += [("mark", "%d %s" % (index, state)), ("mark-status", status), ("mark-text", text)]
    return journal_entry("mark", *more)


def put(spool, m, name=None):
    m.write(os.path.join(spool.folder("BOUNCE"), name or m.get("id")))
    return m.get("id")


def bounce(spool, m, name=None):
    """One message through the bouncer; returns the report's queue file, its parts, or None."""
    for symbol in ("SPOOLER_QUEUE", "BADMAIL"):
        for f in spool.files(symbol):
            os.unlink(f.path)
    put(spool, m, name)
    spool.run("bouncer")
    made = spool.files("SPOOLER_QUEUE")
    return made[0] if len(made) == 1 else None


def parse(report):
    return email.message_from_bytes(report.body, policy=email.policy.default)


def groups(report):
    """What the delivery status says of recipients."""
    return [(g["Final-Recipient"].split("; ")[1], g["Action"], g["Status"]) for g in parse(report).get_payload()[1].get_payload()[1:]]


spool = Spool()

# ---- whole messages ----

m = message("anna@contoso.example", ["bob@branch.example", "carl@branch.example", ("dora@branch.example", NEVER)], BODY,
            envid="e1", hops=3,
            journal=mark((0, "failed", "5.1.1", "550 5.1.1 no such user"), (1, "delivered", "2.0.0", "250 ok"),
                         (2, "failed", "5.1.1", "no")))
r = bounce(spool, m)
if ok(r, "a failed message becomes a report"):
    is_(groups(r), [("bob@branch.example", "failed", "5.1.1")], "about those who are to be told of, and no others")
    is_((r.get("from"), r.all("rcpt")), ("SMTP:", ["SMTP:anna@contoso.example"]), "from nobody to the sender")
    is_((r.get("origin"), r.get("class"), r.get("parent")), ("report", "REPORT.IPM.Note.NDR", m.get("id")),
        "its envelope says what it is, and about what")
    is_(r.get("rcpt-notify"), "1", "nobody will be told of its own fate")
    is_(r.get("hops"), "4", "it goes on from the hops of what it tells of")
    ok(r.get("id") != m.get("id") and os.path.basename(r.path) == r.get("id"), "it has an id of its own")
    is_(int(r.get("header")), r.body.find(b"\n\n") + 2, "the length of its header is right")
    is_(parse(r)["Message-ID"], r.get("msgid"), "its Message-ID is known to tracking")
    ok((r.get("replaces") or "").endswith("Bounce/" + m.get("id")), "it says what it replaces")
    is_(spool.names("BOUNCE"), [], "what it tells of is gone")
    ok(spool.temp_is_empty(), "nothing is left in Temp")
    ok(any("event=DSN" in t and "id=" + r.get("id") in t and "rcpt=anna@contoso.example" in t for t in spool.track()),
       "it is tracked")
    ok("verdict=report" in spool.log and "to=Spooler-Queue" in spool.log, "and logged")

r = bounce(spool, message("anna@contoso.example", [("a@branch.example", SUCCESS), ("b@branch.example", SUCCESS)], BODY,
                          journal=mark((0, "relayed", "2.0.0", "250 ok"), (1, "delivered", "2.0.0", "250 ok"))))
ok(r and groups(r) == [("a@branch.example", "relayed", "2.0.0")] and r.get("class") == "REPORT.IPM.Note.Relayed.DR",
   "a success is reported where the other side does not do it")

# ---- nothing owed ----

m = message("anna@contoso.example", [("bob@branch.example", NEVER), ("carl@branch.example", SUCCESS), "d@branch.example"],
            BODY, journal=mark((0, "failed", "5.1.1", "no"), (1, "failed", "5.1.1", "no"), (2, "relayed", "2.0.0", "")))
ok(bounce(spool, m) is None and spool.names("BOUNCE") == [] and spool.names("BADMAIL") == [],
   "where nobody asked, nobody is told")
m = message("", ["bob@branch.example"], BODY, origin="report", journal=mark((0, "failed", "5.1.1", "no such user")))
ok(bounce(spool, m) is None and spool.names("BOUNCE") == [], "a report that fails is not answered by a report")
is_(spool.names("BADMAIL"), [m.get("id")], "it is kept for a person")
ok("no such user" in spool.log and "verdict=bad" in spool.log, "with the reason")
m = message("", [("bob@branch.example", FAILURE)], BODY, journal=mark((0, "failed", "5.1.1", "no")))
ok(bounce(spool, m) is None and spool.names("BADMAIL") == [m.get("id")], "nor is other mail without a sender, NOTIFY or not")
m = message("", [("bob@branch.example", SUCCESS)], BODY, journal=mark((0, "relayed", "2.0.0", "ok")))
ok(bounce(spool, m) is None and spool.names("BADMAIL") == [] and spool.names("BOUNCE") == [], "its success is nobody's business")

# ---- requests ----

ident = new_id()
m = message("anna@contoso.example", ["bob@branch.example"], BODY, ident=ident, full=100000,
            journal=mark((0, "delayed", "4.4.1", "connection refused")))
r = bounce(spool, m, ident + ".r1")
if ok(r, "a request for a delay report is taken"):
    is_(groups(r), [("bob@branch.example", "delayed", "4.4.1")], "it says delayed")
    ok(b"Will-Retry-Until: " in r.body and r.get("class") == "REPORT.IPM.Note.Delayed.DR", "and until when")
    ok(b"The body" not in r.body, "a part of a message is not returned as the message")

# ---- hostile ----

m = message("anna@contoso.example", ["bob@branch.example"], BODY, journal=mark((0, "failed", "5.1.1", "x")))
damaged = []
for m in (m, message("anna@contoso.example", ["bob@branch.example"], BODY + b"x" * 100000, journal=mark((0, "failed", "5.1.1", "x")))):
    path = os.path.join(spool.folder("BOUNCE"), m.get("id"))
    m.write(path)
    with open(path, "rb") as f:
        data = f.read()
    with open(path, "wb") as f:
        f.write(data.replace(b"The body.", b"The BODY."))
    damaged.append(m.get("id"))
for f in spool.files("SPOOLER_QUEUE") + spool.files("BADMAIL"):
    os.unlink(f.path)
spool.run("bouncer")
ok(spool.names("SPOOLER_QUEUE") == [] and set(damaged) <= set(spool.names("BADMAIL")),
   "a damaged message is not sent to anybody, nor is the header alone of one too large to be returned")
ok(spool.log.count("no report can be made of a damaged message") == 2, "the log says so")
for name in spool.names("BADMAIL"):
    os.unlink(os.path.join(spool.folder("BADMAIL"), name))
many = message("anna@contoso.example", ["u%d@branch.example" % i for i in range(3000)], BODY,
               journal=mark(*[(i, "failed", "5.1.1", "no such user") for i in range(3000)]))
r = bounce(spool, many)
ok(r and len(groups(r)) == 3000, "three thousand failures are one report")
utf8 = message("j\u00f6rg@contoso.example", ["zo\u00eb@branch.example"], BODY, utf8="1",
               journal=mark((0, "failed", "5.1.1", "unbekannt: zo\u00eb")))
r = bounce(spool, utf8)
ok(r and r.get("utf8") is not None and "utf-8; zo\u00eb@branch.example".encode() in r.body, "a sender with SMTPUTF8 gets UTF-8")
looping = message("anna@contoso.example", ["b@branch.example"], BODY, hops=60, journal=mark((0, "failed", "5.4.6", "loop")))
r = bounce(spool, looping)
ok(r and 2 <= int(r.get("hops")) <= 14, "a report about a loop has hops left to get home")
spool.remove()

# ---- whose retry times count ----

spool = Spool(connectors=("branch",), conf='connector "slow" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" } } '
              'address-space { type = "SMTP" pattern = "*@slow.example" cost = 1 } retry { give-up = "30d" } }\n')


def tried_until(*entries, **more):
    """In how many days the last attempt is, as the sender is told."""
    ident = new_id()
    r = bounce(spool, message("anna@contoso.example", ["bob@branch.example"], BODY, ident=ident, journal=b"".join(entries), **more),
               ident + ".r1")
    until = r and parse(r).get_payload()[1].get_payload()[1]["Will-Retry-Until"]
    return until and round((email.utils.parsedate_to_datetime(until).timestamp() - time.time()) / 86400)


delayed = (0, "delayed", "4.4.1", "connection refused")
rerouted = journal_entry("trace", ("time", int(time.time() * 1000)), ("by", "command/root"), ("from", "Deferred"),
                         ("to", "mailbox/slow/MTS-OUT"), ("verdict", "reroute"))
is_(tried_until(mark(delayed)), 5, "delayed mail is tried for as long as its connector tries")
is_(tried_until(mark(delayed, by="outbound-gateway-slow"), via="branch"), 30,
    "a part that another connector tries now, for as long as that one does")
is_(tried_until(mark(delayed), rerouted), 30, "so is what an operator gave to another one that has not tried yet")
is_(tried_until(mark(delayed, by="command/root"), via="branch"), 5, "whoever else marks it does not change that")
spool.remove()

# ---- templates, limit ----

spool = Spool(conf='reports { templates = "TOP/texts" from = "post@contoso.example" rate = 3 return = "100" }\n')
os.mkdir(os.path.join(spool.top, "texts"))
with open(spool.conf) as f:
    text = f.read().replace("TOP", spool.top)
with open(spool.conf, "w") as f:
    f.write(text)
with open(os.path.join(spool.top, "texts", "failed.txt"), "w") as f:
    f.write("Unzustellbar f\u00fcr Sie: @SUBJECT@\nLeider:\n@RECIPIENTS@---\nIhr @NODE@\n")
failed = mark((0, "failed", "5.1.1", "x"))
r = bounce(spool, message("anna@contoso.example", ["b@branch.example"], BODY, journal=failed))
if ok(r, "with templates of one's own"):
    is_(str(parse(r)["Subject"]), "Unzustellbar f\u00fcr Sie: Offer", "the subject is the template's")
    ok("Leider:\n    b@branch.example\n" in parse(r).get_payload()[0].get_content(), "so is the text")
    is_(str(parse(r)["From"]), "Mail Delivery System <post@contoso.example>", "the sender is the configured one")
    ok(b"text/rfc822-headers" in r.body, "a message larger than reports.return is not returned whole")
for i in range(4):
    put(spool, message("anna@contoso.example", ["b%d@branch.example" % i], BODY, journal=failed))
    put(spool, message("emil%d@contoso.example" % i, ["b@branch.example"], BODY, journal=failed))
for f in spool.files("SPOOLER_QUEUE"):
    os.unlink(f.path)
spool.run("bouncer")
told = sorted(f.get("rcpt") for f in spool.files("SPOOLER_QUEUE"))
is_((told.count("SMTP:anna@contoso.example"), len(told)), (3, 7), "one sender gets so many an hour, others theirs")
ok(len(spool.names("BADMAIL")) == 1 and "reports.rate" in spool.log, "what is beyond is kept, and said")
with open(os.path.join(spool.top, "texts", "failed.txt"), "wb") as f:
    f.write(b"\xff\n")
ok(subprocess.run([program("viaduct-bouncer"), "-c", spool.conf, "--once"], stderr=subprocess.PIPE).returncode == 71,
   "with a template that is no text it does not start")
spool.remove()

# ---- kills ----

spool = Spool(conf="reports { rate = 0 }\n")
for i in range(400):
    put(spool, message("anna@contoso.example", ["b%d@branch.example" % i], BODY, journal=failed))
for i in range(15):
    p = start_process([program("viaduct-bouncer"), "-c", spool.conf], stderr=subprocess.DEVNULL)
    time.sleep(0.02 + 0.01 * i)
    p.send_signal(signal.SIGKILL)
    p.wait()
spool.run("bouncer")
reports = spool.files("SPOOLER_QUEUE")
about = [f.get("parent") for f in reports]
is_((spool.names("BOUNCE"), spool.names("BADMAIL")), ([], []), "killed again and again, it gets through")
is_((len(about), len(set(about))), (400, 400), "each sender was told once, and none twice")
ok(all(len(groups(f)) == 1 for f in reports), "the reports are whole")
ok(spool.temp_is_empty(), "nothing is left in Temp")
spool.remove()
done()
