#!/usr/bin/python3
"""Reports on the running road reach who has sent, whoever he is, and the log says of each what is true."""
import os

from rig import Sink, Viaduct, done, is_, like, message, ok, send, smtp_pair

A, STRANGER, B = "anna@contoso.example", "nadja@contoso.example", "bob@branch.example"
BOOK = "display,primary,proxies,side\nAnna,SMTP:%s,,host\nBob,SMTP:%s,,branch\n" % (A, B)


def answer(verb, address, mail):
    return "550 5.1.1 no such user" if verb == "RCPT" and address.startswith("nobody") else None


host, branch = Sink(), Sink(keywords=("PIPELINING", "8BITMIME", "SIZE 60000000"), answer=answer)
port, from_branch, conf = smtp_pair(host, branch, 'book { source = { "{top}/book.csv" } }\n', unknown="refuse")
viaduct = Viaduct(conf)
with open(viaduct.top + "/book.csv", "w") as f:
    f.write(BOOK)
os.utime(f.name, (1, 1)) # not written a moment ago
viaduct.start()
viaduct.wait_log("using book generation")

# ---- who is in no book ----

for sender in (STRANGER, A, "carl@elsewhere.example"):
    like(send(port, sender, "nobody@branch.example", message(sender, subject="of " + sender)), "^250", "mail of %s is taken" % sender)
    report = host.one(lambda m: "of " + sender in m.text(), what="the report to %s" % sender)
    is_((report.sender, report.to()), ("", [sender]), "%s hears that it failed" % sender)
    like(report.text(), r"Status: 5\.1\.1", "and why")
is_(viaduct.names("mailbox/host/Badmail"), [], "no report is put aside")

# ---- a success that was asked for ----

like(send(port, A, ["RCPT TO:<%s> NOTIFY=SUCCESS" % B], message(A, B, "tell me")), "^250", "a success is to be told")
branch.one(lambda m: m.header("Subject") == "tell me")
report = host.one(lambda m: "tell me" in m.text())
like(report.text(), r"Action: relayed", "where the next system has no DSN the sender is told that it was relayed")
line = viaduct.wait_log(r"by=outbound-gateway/branch .* to=Bounce .*sender asked")
ok(line and "verdict=tell" in line[0] and "status=2.0.0" in line[0], "and the log says why the message goes to Bounce, and of no failure")
fails = viaduct.wait_log("by=outbound-gateway/branch .*verdict=fail to=Bounce", 3)
is_(len(fails), 3, "as it does of those that failed")
ok(all("status=5.1.1" in line and "no such user" in line for line in fails), "with the reason")
viaduct.wait_empty()
is_(viaduct.stop(), 0, "it stops in order")
done()
