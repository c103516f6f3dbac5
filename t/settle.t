#!/usr/bin/python3
"""What becomes of a message after an attempt to transfer it: taken, refused, tried again in time, given up, told of."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import Sink  # noqa: E402
from spooltest import Spool, done, is_, journal_entry, message, new_id, ok, program, start_process  # noqa: E402

BODY = b"From: anna@contoso.example\nTo: bob@branch.example\nSubject: Offer\nMessage-ID: <m@contoso.example>\n\nThe body.\n"
NEVER, SUCCESS, FAILURE, DELAY = ([("rcpt-notify", n)] for n in (1, 2, 4, 8))
ADDRESS = "127.0.0.1:9"
replies = {}


def answer(verb, address, mail):
    """A recipient's reply is what its mailbox says: later@, never@; and what a test has set."""
    if verb == "RCPT" and address.startswith("many") and len(mail.to()) >= 2:
        return "452 4.5.3 too many recipients"
    if verb == "RCPT" and address.startswith("later"):
        return replies.get("later", "450 4.2.1 mailbox busy")
    if verb == "RCPT" and address.startswith("never"):
        return "550 5.1.1 no such user"
    return replies.get(verb)


sink = Sink(answer=answer)
plain = Sink(keywords=("PIPELINING", "8BITMIME"), answer=answer)


def spool_for(port, retry="", more=""):
    """A spool whose connector sends to that port."""
    s = Spool()
    with open(s.conf) as f:
        host, branch = f.read().split('connector "branch"')
    with open(s.conf, "w") as f:
        f.write(host + 'connector "branch"' + branch.replace(ADDRESS, "127.0.0.1:%d" % port).rstrip().rstrip("}") +
                " retry { %s } %s }\n" % (retry, more))
    return s


class Sent:
    """One message put before the outbound gateway, and where all of it is afterwards."""

    def __init__(self, s, m, symbol="MTS_OUT", name=None):
        self.spool, self.message, self.id = s, m, m.get("id")
        for symbol_, c in (("MTS_OUT", "branch"), ("DEFERRED", "branch"), ("BOUNCE", ""), ("BADMAIL", "branch"), ("SPOOLER_QUEUE", "")):
            for n in os.listdir(s.folder(symbol_, c)):
                os.unlink(os.path.join(s.folder(symbol_, c), n))
        m.write(os.path.join(s.folder(symbol, "branch"), name or self.id))
        self.run()

    def run(self):
        sink.mails.clear(), sink.commands.clear(), plain.mails.clear(), plain.commands.clear()
        self.before = int(time.time())
        self.spool.run("outbound-gateway", "--connector", "branch")
        self.after = int(time.time())

    def deferred(self):
        return self.spool.files("DEFERRED", "branch")

    def due(self):
        names = self.spool.names("DEFERRED", "branch")
        return int(names[0].split("@")[1]) if len(names) == 1 else -1

    def waits(self, seconds):
        """True where the time in its name is so many seconds behind its attempt."""
        return self.before + seconds <= self.due() <= self.after + seconds

    def again(self):
        """Its time has come."""
        folder = self.spool.folder("DEFERRED", "branch")
        for n in os.listdir(folder):
            os.rename(os.path.join(folder, n), os.path.join(folder, n.split("@")[0] + "@0"))
        self.run()

    def where(self):
        found = [n for n, s, c in (("MTS-OUT", "MTS_OUT", "branch"), ("Deferred", "DEFERRED", "branch"), ("Bounce", "BOUNCE", ""),
                                   ("Badmail", "BADMAIL", "branch")) for f in self.spool.names(s, c)]
        return " ".join(found)

    def bounce(self):
        """What the bouncer makes of what lies in Bounce: (recipient, action, status) of all reports."""
        self.spool.run("bouncer")
        found = []
        for f in self.spool.files("SPOOLER_QUEUE"):
            text = f.body.decode("utf-8", "replace")
            found += re.findall(r"^Final-Recipient: rfc822; ?(\S+)\nAction: (\w+)\nStatus: (\S+)", text, re.M | re.I)
        return sorted(found)


def msg(recipients, journal=b"", age_s=0, sender="anna@contoso.example", body=BODY, **more):
    m = message(sender, recipients, body, journal=journal, **more)
    m.envelope = [(t, str(int((time.time() - age_s) * 1000)).encode() if t == "arrival" else v) for t, v in m.envelope]
    return m


def attempts(n, over_s=7 * 86400):
    """So many, evenly spread over the time before now."""
    times = [int(time.time()) - over_s + over_s * i // n for i in range(n)]
    return b"".join(journal_entry("attempt", ("time", t * 1000), ("by", "w"), ("status", "4.4.1"), ("text", "busy"), ("next", t + 1))
                    for t in times)


def marks(*states):
    more = []
    for index, state in states:
        more += [("mark", "%d %s" % (index, state)), ("mark-status", "5.1.1"), ("mark-text", "no such user")]
    return journal_entry("mark", ("time", 1), ("by", "w"), *more)


spool = spool_for(sink.port)
deaf = spool_for(plain.port)

# ---- taken ----

s = Sent(spool, msg(["bob@branch.example"]))
is_((s.where(), len(sink.mails)), ("", 1), "taken by the other side, a message is done")
ok(sink.mails[0].data.replace(b"\r\n", b"\n").endswith(b"The body.\n"), "and was sent whole")

# ---- some are taken, some refused, some not now ----

s = Sent(spool, msg(["bob@branch.example", "later@branch.example", "never@branch.example"]))
is_([m.to() for m in sink.mails], [["bob@branch.example"]], "who is taken has it")
is_(s.where(), "Deferred Bounce", "the rest waits, and a request tells of who was refused")
journal = s.deferred()[0].journal
is_(sorted(re.findall(rb"mark \d+:(\d \w+)", journal)), [b"0 delivered", b"2 failed", b"2 reported"], "each has its state in the journal")
ok(s.waits(300), "its next attempt is due after retry.first, as its name says")
is_(s.bounce(), [("never@branch.example", "failed", "5.1.1")], "the sender is told of the one that failed")
s.again()
is_([c for c in sink.commands if c.startswith("RCPT")], ["RCPT TO:<later@branch.example>"], "only who is left is tried again")
ok(s.where() == "Deferred" and s.waits(600), "the second wait is longer")
replies["later"] = None
s.again()
is_((s.where(), [m.to() for m in sink.mails]), ("", [["later@branch.example"]]), "at last it is taken, and the message is done")
replies["later"] = "550 5.2.1 gone"
s = Sent(spool, msg(["later@branch.example", "bob@branch.example"]))
is_(s.where(), "Bounce", "with everybody settled and one refused the message itself is the report's material")
is_(s.bounce(), [("later@branch.example", "failed", "5.2.1")], "which tells of that one only")
del replies["later"]

for verb, reply, where in (("MAIL", "550 5.7.1 not you", "Bounce"), ("MAIL", "451 4.3.0 not now", "Deferred"), ("DATA", "554 5.6.0 not this", "Bounce"),
                           ("DATA", "452 4.3.1 full", "Deferred"), ("RCPT", "drop", "Deferred"), ("DATA", "drop", "Deferred")):
    replies[verb] = reply
    s = Sent(spool, msg(["bob@branch.example", "ben@branch.example"]))
    is_((s.where(), [m for m in sink.mails if m.data]), (where, []), "%s answered by %s: %s" % (verb, reply, where))
    if where == "Bounce":
        is_(len(s.bounce()), 2, "and both are told of")
    del replies[verb]

# ---- more recipients than the other side takes at once ----

crowd = ["many%d@branch.example" % i for i in range(5)] + ["never@branch.example", "later@branch.example"]
long_body = BODY + b"".join(b"Line %d of a body that is longer than what is read at once.\n" % i for i in range(5000))
s = Sent(spool, msg(crowd, body=long_body))
is_([m.to() for m in sink.mails], [crowd[0:2], crowd[2:4], crowd[4:5]], "they get it one after the other, at once")
is_({m.data.replace(b"\r\n", b"\n").endswith(long_body) for m in sink.mails}, {True}, "each time whole")
is_(s.where(), "Deferred Bounce", "the others have answers of their own")
is_(sorted(re.findall(rb"mark \d+:(\d \w+)", s.deferred()[0].journal)),
    [b"%d delivered" % i for i in range(5)] + [b"5 failed", b"5 reported"], "as the journal says")
s.again()
is_([c for c in sink.commands if c.startswith("RCPT")], ["RCPT TO:<later@branch.example>"], "nobody is asked for twice")

# ---- in time ----

quick = spool_for(sink.port, "first = 1s max = 1s")
m = msg(["later@branch.example"])
m.write(os.path.join(quick.folder("MTS_OUT", "branch"), m.get("id")))
sink.mails.clear()
early, seen, tries = [], {}, [0]


def later_twice(verb, address, mail):
    if verb != "RCPT":
        return None
    now = time.time()
    names = quick.names("DEFERRED", "branch")
    early.extend(n for n in names if int(n.split("@")[1]) > now)
    tries[0] += 1
    return "450 4.2.1 busy" if tries[0] < 3 else None


sink.answer = later_twice
worker = start_process([program("viaduct-outbound-gateway"), "-c", quick.conf, "--connector", "branch"], stderr=subprocess.DEVNULL)
sink.wait(1, seconds=30, what="the third attempt")
worker.send_signal(signal.SIGTERM)
is_(worker.wait(30), 0, "(it ends as asked)")
is_((tries[0], early), (3, []), "attempts are made when the time in the name has come, and not before")
is_(quick.names("DEFERRED", "branch"), [], "until it is taken")
sink.answer = answer

# ---- given up ----

week = 7 * 86400
s = Sent(spool, msg(["later@branch.example", "bob@branch.example", "never@branch.example"], attempts(20), week))
is_(s.where(), "Bounce", "past retry.give-up a message is given up")
is_(s.bounce(), [("later@branch.example", "failed", "5.4.7"), ("never@branch.example", "failed", "5.1.1")], "and its sender told, with the reason of each")
s = Sent(spool, msg(["later@branch.example"], b"", week))
is_(s.where(), "Deferred Bounce", "but not at the first attempt, however long it lay elsewhere (a warning is due)")
is_(s.bounce(), [("later@branch.example", "delayed", "4.2.1")], "of which the sender is told")
again = journal_entry("requeued", ("time", int(time.time() * 1000)), ("by", "admin"))
s = Sent(spool, msg(["later@branch.example"], attempts(3) + again + attempts(1), week))
is_(s.where(), "Deferred", "what a person sent again has its time from then")
s = Sent(spool, msg(["later@branch.example"], attempts(3, 0), -week))
ok(s.where() == "Deferred" and s.waits(2400), "a clock that was set back neither gives up nor stops the attempts")
s = Sent(spool, msg([("later@branch.example", NEVER)], attempts(50), 86400))
ok(s.where() == "Deferred" and s.waits(3600), "no wait is longer than retry.max")
s = Sent(spool, msg(["later@branch.example"], attempts(20), week, sender=""))
is_(s.where(), "Bounce", "a report that is given up goes to Bounce too, where it is kept for a person")

s = Sent(spool, msg(["later@branch.example"], attempts(2, 60), 400 * 86400))
is_(s.where(), "Deferred", "what was tried for a minute is not given up because the clock says that a year has passed")
s = Sent(spool, msg(["later@branch.example"], attempts(6, 5 * 86400 + 60), -week))
is_(s.where(), "Bounce", "nor kept for ever because its arrival lies in the future")

# ---- a warning, once ----

hours = 5 * 3600
s = Sent(spool, msg(["later@branch.example"], attempts(1), hours))
is_(s.where(), "Deferred Bounce", "after retry.warn the sender is told of the delay")
is_(s.bounce(), [("later@branch.example", "delayed", "4.2.1")], "by a report of a delay")
s.again()
is_(s.where(), "Deferred", "once only")
replies["later"] = None
s.again()
is_((s.where(), len(sink.mails)), ("", 1), "who was delayed is still delivered to")
del replies["later"]
for what, recipients, sender in (("NOTIFY=NEVER", [("later@branch.example", NEVER)], "a@contoso.example"),
                                 ("NOTIFY=FAILURE", [("later@branch.example", FAILURE)], "a@contoso.example"),
                                 ("the null reverse-path", ["later@branch.example"], "")):
    is_(Sent(spool, msg(recipients, attempts(1), hours, sender)).where(), "Deferred", "with %s nobody is told of a delay" % what)
s = Sent(spool, msg([("later@branch.example", DELAY), ("later2@branch.example", NEVER)], attempts(1), hours))
is_(s.bounce(), [("later@branch.example", "delayed", "4.2.1")], "NOTIFY=DELAY asks for it, for that recipient")
is_(Sent(spool, msg(["later@branch.example"], attempts(1), 3 * 3600)).where(), "Deferred", "before retry.warn nobody is told")

# ---- success ----

s = Sent(deaf, msg([("bob@branch.example", SUCCESS), "ben@branch.example"]))
is_((s.where(), len(plain.mails)), ("Bounce", 1), "where the peer sends no reports the success is ours to tell")
is_([(r, a) for r, a, _ in s.bounce()], [("bob@branch.example", "relayed")], "as relayed, to who asked for it")
s = Sent(spool, msg([("bob@branch.example", SUCCESS)]))
is_((s.where(), sink.mails[0].recipients), ("", [("bob@branch.example", "NOTIFY=SUCCESS")]), "where the peer does, it is asked to")
is_(Sent(deaf, msg(["bob@branch.example"])).where(), "", "unasked, no success is told")
is_(Sent(deaf, msg([("bob@branch.example", SUCCESS)], sender="")).where(), "", "nor of a report")
silent = spool_for(plain.port, more='report = "none"')
is_(Sent(silent, msg([("bob@branch.example", SUCCESS)])).where(), "", "nor with report = none")
s = Sent(deaf, msg([("bob@branch.example", SUCCESS), "later@branch.example"]))
is_(s.where(), "Deferred Bounce", "a success is told while others wait")
is_([(r, a) for r, a, _ in s.bounce()], [("bob@branch.example", "relayed")], "of that one")
replies["later"] = None
s.again()
is_(s.where(), "", "and not told again when they are done")
del replies["later"]

# ---- kills: what was marked and not told of ----

s = Sent(spool, msg(["never@branch.example", "bob@branch.example"], marks((0, "failed"))))
is_(s.where(), "Bounce", "a kill between a mark and its request costs the sender no report")
is_(s.bounce(), [("never@branch.example", "failed", "5.1.1")], "he is told")
s = Sent(spool, msg(["never@branch.example"], marks((0, "failed"))))
is_((s.where(), sink.commands), ("Bounce", []), "a kill between the marks and the move to Bounce neither; nobody is asked again")
s = Sent(spool, msg(["bob@branch.example", "ben@branch.example"], marks((0, "delivered"))))
is_([m.to() for m in sink.mails], [["ben@branch.example"]], "who is marked delivered does not get it twice")
s = Sent(spool, msg(["never@branch.example"], marks((0, "reported"))))
is_(s.where(), "", "who was told of is not told of twice")

# ---- recipients that cannot be mapped ----

m = msg(["bob@branch.example", "ben@branch.example", "fax"], marks((0, "delivered")))
m.envelope = [(t, b"FAX:+49 30 12345" if v == b"SMTP:fax" else v) for t, v in m.envelope]
s = Sent(spool, m)
is_(s.where(), "Bounce", "a recipient without an address on the other side fails")
bounced = s.spool.files("BOUNCE")[0].journal if s.spool.files("BOUNCE") else b""
is_(bounced.count(b"2 failed"), 1, "once, wherever in the list it stands")
is_([m.to() for m in sink.mails], [["ben@branch.example"]], "and the others get theirs")

# ---- what must not be sent ----

large = BODY + b"line of text\n" * 20000
m = msg(["bob@branch.example"], body=large)
path = os.path.join(spool.top, "damaged")
m.write(path)
with open(path, "r+b") as f:
    f.seek(-1000, 2)
    f.write(b"!")


class Damaged:
    get = m.get

    def write(self, to):
        with open(path, "rb") as a, open(to, "wb") as b:
            b.write(a.read())


s = Sent(spool, Damaged())
is_((s.where(), sink.mails), ("Badmail", []), "a damaged body is never ended: the peer does not take it")
ok("checksum of the body" in open(os.path.join(spool.folder("BADMAIL", "branch"), m.get("id") + ".why")).read(), "and Badmail says why")
is_(Sent(spool, msg([])).where(), "Badmail", "a message for nobody does not vanish")
is_(Sent(spool, msg([("bob@branch.example", [("rcpt-listed", 1)])])).where(), "Badmail", "nor one for nobody but who is listed")

# ---- an outage ----

dark = Sink(answer=answer)
dark.close()
spool_dark = spool_for(dark.port, "first = 1h max = 1h")
ids = []
for _ in range(5):
    m = msg(["bob@branch.example"])
    m.write(os.path.join(spool_dark.folder("MTS_OUT", "branch"), m.get("id")))
    ids.append(m.get("id"))
spool_dark.run("outbound-gateway", "--connector", "branch")
is_(len(spool_dark.names("DEFERRED", "branch")), 5, "while nobody answers mail waits")
ok(all(int(n.split("@")[1]) > time.time() + 3000 for n in spool_dark.names("DEFERRED", "branch")), "for its next attempt")
ok("cannot be reached" in spool_dark.log, "which is said")
spool_dark.run("outbound-gateway", "--connector", "branch")
is_(len(spool_dark.names("DEFERRED", "branch")), 5, "which is not made before")
dark.open()
m = msg(["bob@branch.example"])
m.write(os.path.join(spool_dark.folder("MTS_OUT", "branch"), m.get("id")))
spool_dark.run("outbound-gateway", "--connector", "branch")
is_((spool_dark.names("DEFERRED", "branch"), len(dark.mails)), ([], 6), "the first that gets through makes all of it due")
ok("can be reached again" in spool_dark.log, "which is said too")

for s in (spool, deaf, quick, silent, spool_dark):
    s.remove()
done()
