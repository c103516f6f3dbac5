#!/usr/bin/python3
"""Who is responsible where several connectors could be: the best pattern, then the lowest cost; of equals each has its share, also
while one of them rests or cannot be reached; and with `hold = refuse` one that rests has none."""
from rig import Session, Sink, Viaduct, done, is_, like, message, ok, send, smtp_pair, until

A = "anna@contoso.example"
N, LEAST = 60, 10
NAMES = ("dear", "east", "west", "wide", "exact")
SPACES = {"east": ("*@far.example", 3), "west": ("*@far.example", 3), "dear": ("*@far.example", 5), "wide": ("*", 0),
          "exact": ("boss@far.example", 90)}
host, branch = Sink(), Sink()
sinks = {name: Sink() for name in NAMES}
more = "".join("""connector "%s" {
    type = "smtp"
    %%s
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "%s" cost = %d }
    retry { first = "1s" max = "1s" }
}
""" % ((name, sinks[name].port) + SPACES[name]) for name in NAMES)
port, _, conf = smtp_pair(host, branch, more % (("",) * 5))
refusing = conf.replace('connector "east" {', 'connector "east" {\nhold = refuse').replace('connector "west" {', 'connector "west" {\nhold = refuse')
viaduct = Viaduct(conf).start()
subjects = []


def send_some(what):
    """N messages, one after another; their subjects."""
    sent = ["%s %d." % (what, i) for i in range(N)]
    s = Session(port)
    refused = [a for subject in sent for a in s.mail(A, ["kim@far.example"], message(A, "kim@far.example", subject)) if a[:1] not in ("2", "3")]
    s.close()
    is_(refused, [], what + ": all are taken")
    subjects.extend(sent)
    return sent


def came(name, sent):
    return [m.header("Subject") for m in sinks[name].mails if m.header("Subject") in sent]


def waits_for(name):
    return viaduct.names("mailbox/%s/MTS-OUT" % name) + viaduct.names("mailbox/%s/Deferred" % name)


def order(*args):
    is_(viaduct.command("connector", *args, "--yes")[0], 0, " ".join(args))


# ---- pattern, cost, share ----

sent = send_some("shared")
until(lambda: len(came("east", sent) + came("west", sent)) == N, "all arrive")
ok(len(came("east", sent)) >= LEAST and len(came("west", sent)) >= LEAST, "of %d messages each of two equals has its share: %d and %d" % (
    N, len(came("east", sent)), len(came("west", sent))))
is_(sinks["dear"].mails + sinks["wide"].mails, [], "dearer ones have none, nor who is cheaper by a worse pattern")
like(send(port, A, "boss@far.example", message(A, subject="boss")), "^250", "the best pattern wins")
sinks["exact"].one(lambda m: m.header("Subject") == "boss", what="whatever it costs")
s = Session(port)
many = ["p%d@far.example" % i for i in range(20)] + ["x@elsewhere.example", "boss@far.example"]
like(s.mail(A, many, message(A, subject="many"))[-1], "^250", "a message for many")
s.close()
until(lambda: len([m for k in NAMES for m in sinks[k].mails if m.header("Subject") == "many"]) >= 3, "its parts arrive")
viaduct.wait_empty()
parts = {k: sorted(m.to()) for k in NAMES for m in sinks[k].mails if m.header("Subject") == "many"}
is_(sorted(parts.values()), sorted([sorted(many[:20]), ["x@elsewhere.example"], ["boss@far.example"]]),
    "is one for each connector: those whose pattern and cost are equal stay together")
is_((parts.get("wide"), parts.get("exact")), (["x@elsewhere.example"], ["boss@far.example"]), "each where it belongs")

# ---- one rests, and still has its share ----

order("hold", "east", "out")
sent = send_some("while one rests")
until(lambda: len(came("west", sent)) + len(waits_for("east")) == N, "all are somewhere")
ok(LEAST <= len(waits_for("east")) <= N - LEAST and not came("east", sent), "the share of who rests waits for it")
order("release", "east", "out")
until(lambda: len(came("east", sent) + came("west", sent)) == N, "and goes when it is released")

# ---- one cannot be reached ----

sinks["west"].close(hang_up=True)
sent = send_some("while one is away")
until(lambda: len(came("east", sent)) + len(waits_for("west")) == N, "all are somewhere")
ok(LEAST <= len(waits_for("west")) <= N - LEAST, "the share of who cannot be reached waits for it")
sinks["west"].open()
until(lambda: len(came("east", sent) + came("west", sent)) == N, "and goes when it is back")

# ---- one rests and takes nothing meanwhile ----

viaduct.reload(refusing, whole=True)
for rests, works in (("east", "west"), ("west", "east")):
    order("hold", rests, "out")
    sent = send_some("while %s takes nothing" % rests)
    until(lambda: len(came(works, sent)) == N, "all go to its equal")
    is_((waits_for(rests), came(rests, sent)), ([], []), "and none to %s" % rests)
    order("release", rests, "out")
for name in ("east", "west"):
    order("hold", name, "out")
s = Session(port)
s.say("MAIL FROM:<%s>" % A)
like(s.say("RCPT TO:<kim@far.example>"), r"^45\d 4\.3\.2 .*on hold", "where all equals rest the sender is asked to come again")
like(s.say("RCPT TO:<boss@far.example>"), "^250", "who has another connector is taken")
is_([waits_for(k) for k in ("dear", "wide")], [[], []], "a worse one does not step in")
s.close()
for name in ("east", "west"):
    order("release", name, "out")
sent = send_some("afterwards")
until(lambda: len(came("east", sent) + came("west", sent)) == N, "all arrive")
ok(len(came("east", sent)) >= LEAST and len(came("west", sent)) >= LEAST, "afterwards both have their share again")

viaduct.wait_empty()
is_(sorted(m.header("Subject") for k in ("east", "west") for m in sinks[k].mails if m.header("Subject") != "many"), sorted(subjects), "all came, none twice")
is_(viaduct.restarts(), 0, "no worker died")
is_(viaduct.stop(), 0, "and it stops in order")
done()
