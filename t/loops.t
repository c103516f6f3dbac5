#!/usr/bin/python3
"""What goes round ends by itself: two viaducts that point at each other, reports that cannot be delivered, unknown recipients.

    S9    a loop between two nodes stops, with one report at most
    S10   ten thousand unknown recipients are ten thousand refusals, and not one report
"""

from rig import Session, Sink, Viaduct, done, free_port, is_, like, message, ok, send, smtp_pair, until

# ---- two viaducts pointed at each other ----

host = Sink()
first, second = free_port(), free_port()


def conf(listen, peer):
    """The domain loop.example leads from each to the other, both take it as host mail: a loop of configuration."""
    return """host {
    domains = { "contoso.example" }
    unknown = "pass"
    smtp { listen = { "127.0.0.1:%d" } }
    deliver { to = { "smtp://127.0.0.1:%d" } }
}
connector "other" {
    type = "smtp"
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@loop.example" cost = 1 }
}
""" % (listen, host.port, peer)


one = Viaduct(conf(first, second), name="gw1.contoso.example", node=1).start()
two = Viaduct(conf(second, first), name="gw2.contoso.example", node=2).start()
answer = send(first, "anna@contoso.example", "x@loop.example", message("anna@contoso.example", "x@loop.example", "round and round"))
ok(answer.startswith("250"), "a message into the loop is taken")
report = host.one(lambda m: m.to() == ["anna@contoso.example"], what="the report of the loop")
is_(report.sender, "", "the loop ends in a report to the sender")
like(report.text(), r"(?is)Status: 5\.4\.6.*loop|loop.*Status: 5\.4\.6", "that says it is a loop")
one.wait_empty("nothing is left on the first")
two.wait_empty("nor on the second")
is_(len(host.mails), 1, "one report, not more")
passes = len([line for v in (one, two) for line in v.lines if "verdict=accept" in line and "from=system" in line])
ok(passes <= 8, "and it went round three times, as mail that comes back for good reasons may, not until its hops were counted")
answer = send(first, "", "x@loop.example", message("", "x@loop.example", "a report in the loop"))
until(lambda: one.names("mailbox/host/Badmail") + two.names("mailbox/host/Badmail") or
      [n for v in (one, two) for c in ("other",) for n in v.names("mailbox/%s/Badmail" % c)], "a loop of a message without a sender ends in Badmail")
is_(len(host.mails), 1, "without a report")
is_((one.restarts(), two.restarts()), (0, 0), "no worker died")
one.stop()
two.stop()

# a loop that hides its traces still ends: the hops are counted
host.mails.clear()
relay = Sink()
a, b, text = smtp_pair(host, relay)
viaduct = Viaduct(text).start()
many = "".join("Received: from h%d.example by h%d.example; Wed, 25 Nov 2026 08:00:00 +0000\n" % (i, i + 1) for i in range(26))
answer = send(a, "anna@contoso.example", "b@branch.example", many.encode() + message(subject="many hops"))
like(answer, r"^(250|554 5\.4\.6)", "a message with 26 hops is answered")
if answer.startswith("250"):
    report = host.one(lambda m: m.to() == ["anna@contoso.example"], what="the report of too many hops")
    like(report.text(), r"Status: 5\.4\.6", "and reported as a loop")
is_(relay.mails, [], "it does not go on")
like(send(a, "anna@contoso.example", "b@branch.example", many.replace("h25", "x").encode().split(b"\n", 3)[3] + message(subject="fewer hops")), r"^250",
     "one with 23 is taken")
ok(relay.wait(1, lambda m: m.header("Subject") == "fewer hops"), "and goes on")

# ---- a report to a sender who cannot be told ----


def refuse(verb, address, mail):
    if verb == "RCPT" and (address.startswith("gone") or (mail.sender == "" and address.startswith("liar"))):
        return "550 5.1.1 nobody here"
    return None


host.answer = relay.answer = refuse
host.mails.clear()
send(a, "liar@contoso.example", "gone@branch.example", message("liar@contoso.example", "gone@branch.example", "double bounce"))
bad = until(lambda: viaduct.names("mailbox/host/Badmail"), "a report that its reader refuses ends in Badmail")
is_(len(bad or []), 1, "once")
is_(host.mails, [], "there is no report about a report")
status, said = viaduct.command("badmail", "list")
like(said, r"(?s)no sender|report", "badmail says that nobody can be told")
status, said = viaduct.command("badmail", "show", (bad or ["x"])[0])
like(said, r"550 5\.1\.1", "and shows what the server answered")
send(a, "", "gone@branch.example", message("", "gone@branch.example", "somebody's report"))
until(lambda: len(viaduct.names("mailbox/host/Badmail") + viaduct.names("mailbox/branch/Badmail")) >= 2, "somebody else's report that fails is kept too")
is_(host.mails, [], "and nobody is told")
viaduct.wait_empty("otherwise the spool is empty", but=("Badmail",))

# ---- ten thousand unknown recipients ----

viaduct.stop()
host.answer = relay.answer = None
book = viaduct.top + "/people.csv"
with open(book, "w") as f:
    f.write("display,primary,proxies,side\nAnna,SMTP:anna@contoso.example,,host\nBob,SMTP:bob@branch.example,,branch\n")
a, b, text = smtp_pair(host, relay, 'book { source = { "%s" } }\n' % book, unknown="refuse",
                       host='limits { errors = 1000 commands = 30000 }', branch='limits { errors = 1000 commands = 30000 }')
viaduct = Viaduct(text).start()
viaduct.wait_log("by=router .*using book generation")



def known():
    s = Session(b)
    s.say("MAIL FROM:<bob@branch.example>")
    got = s.say("RCPT TO:<nobody@contoso.example>")
    s.close()
    return got.startswith("550")


until(known, "the book is in use at the door")
host.mails.clear()
relay.mails.clear()
s = Session(b, seconds=30)
s.say("MAIL FROM:<bob@branch.example>")
s.send("".join("RCPT TO:<nobody%d@contoso.example>\r\n" % i for i in range(10000)))
got = [s.reply() for _ in range(10000)]
is_(sorted({g[:9] for g in got}), ["550 5.1.1"], "10,000 unknown recipients are 10,000 times 550 5.1.1")
like(s.say("DATA"), r"^5(03|54)", "no message follows")
s.say("RCPT TO:<anna@contoso.example>")
ok(s.body(message("bob@branch.example", "anna@contoso.example", "one is known")).startswith("250"), "the one who is known still gets her message")
s.close()
host.one(lambda m: m.header("Subject") == "one is known")
viaduct.wait_empty()
is_((len(host.mails), len(relay.mails)), (1, 0), "and there is no report")
is_(viaduct.mail_left(), [], "nor anything left")
viaduct.well(a, relay, sender="anna@contoso.example", to="bob@branch.example")
is_(viaduct.stop(), 0, "and it stops in order")
done()
