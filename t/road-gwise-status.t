#!/usr/bin/python3
"""What became of a message in GroupWise comes back to its sender as the reports that he asked for, and a reply finds its thread.

The mail leaves the spool long before; the gateway's statuses are matched by what the converters remember.
"""
import os
import signal
import time

from gateway import Gateway
from rig import Session, Sink, Viaduct, done, free_port, is_, like, message, ok, private_folder, send, until

gateway, host = Gateway(), Sink()
port = free_port()
book = private_folder() + "/people.csv"
with open(book, "w") as f:
    f.write("""display,primary,proxies,side
Anna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host
Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise
""")
viaduct = Viaduct("""host {
    domains = { "contoso.example" }
    unknown = "pass"
    smtp { listen = { "127.0.0.1:%d" } }
    deliver { to = { "smtp://127.0.0.1:%d" } }
}
connector "groupwise" {
    type = "gwise"
    peer { root = "%s" poll = "1s" domain = "Exchange" settle = "1s" statuses = "full" }
    address-space { type = "GWISE" pattern = "*" }
    address-space { type = "SMTP" pattern = "*@gw.contoso.example" }
    retry { first = "1s" }
}
book { source = { "%s" } }
admin-address = "postmaster@contoso.example"
""" % (port, host.port, gateway.root, book)).start()
ANNA, LENA = "anna@contoso.example", "lnowak@gw.contoso.example"


def mail(subject, more="", rcpt="", envid=""):
    """Sends a message to GroupWise; the item that the gateway took."""
    session = Session(port)
    data = ("From: Anna <%s>\r\nTo: Lena <%s>\r\nSubject: %s\r\nMessage-ID: <%s@contoso.example>\r\n%s\r\nhello\r\n"
            % (ANNA, LENA, subject, subject.replace(" ", "."), more)).encode()
    answers = session.mail(ANNA, ["RCPT TO:<%s>%s" % (LENA, rcpt)], data, envid)
    session.close()
    ok(answers[-1].startswith("250"), "%s: taken" % subject)
    return gateway.wait(subject)


def reports(about):
    return [m for m in host.mails if m.sender == "" and about in m.text()]


viaduct.wait_log("by=router .*using book generation")


def book_in_use():
    send(port, ANNA, LENA, message(ANNA, LENA, "probe"))
    with gateway.changed:
        return gateway.changed.wait_for(lambda: gateway.taken, 1)


until(book_in_use, "the book is in use")
viaduct.wait_empty("the probes are gone")
host.mails.clear()

# ---- asked for ----

item = mail("tell me", "Disposition-Notification-To: <%s>\r\n" % ANNA, " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Lena+2BN@gw.contoso.example", " ENVID=QQ+3D7 RET=HDRS")
like(item["raw"], r"Status-Request= Full;", "the gateway is asked for statuses")
viaduct.wait_empty("the message leaves the spool")
is_(reports("tell me"), [], "nothing is told before the gateway says something")
gateway.tell(item, "Harbour.Quay.lnowak", "Delivered")
report = host.one(lambda m: "delivery-status" in m.text(), what="the report of delivery").text()
like(report, r"Action: delivered\s+Status: 2\.0\.0", "delivered: the sender is told")
like(report, r"Original-Envelope-Id: QQ=7", "with his ENVID")
like(report, r"Original-Recipient: rfc822;Lena\+N@gw\.contoso\.example", "and his ORCPT")
like(report, r"Final-Recipient: rfc822;lnowak@gw\.contoso\.example", "and the recipient's address here")
gateway.tell(item, "Harbour.Quay.lnowak", "Opened")
receipt = host.one(lambda m: "disposition-notification" in m.text(), what="the receipt").text()
like(receipt, r"; displayed", "opened: the sender gets a receipt")
like(receipt, r"Original-Message-ID: <tell\.me@contoso\.example>", "for that message")
like(receipt, r"(?m)^From: .*<lnowak@gw\.contoso\.example>", "from the reader")

# ---- not asked for ----

item = mail("do not tell")
like(item["raw"], r"Status-Request= None;", "who asks for nothing asks the gateway for nothing")
viaduct.wait_empty("this one leaves too")
host.mails.clear()
for action in ("Delivered", "Opened", "Deleted"):
    gateway.tell(item, "Harbour.Quay.lnowak", action)
gateway.tell(item, "Harbour.Quay.lnowak", "Undeliverable: mailbox full")
failure = host.one(lambda m: "do not tell" in m.text(), what="the report of failure").text()
like(failure, r"Action: failed\s+Status: 5\.0\.0\s+Diagnostic-Code: x-system;Undeliverable: mailbox full", "a failure is told always, in the gateway's words")
viaduct.wait_empty("all statuses are understood")
is_(len(host.mails), 1, "and nothing else")
viaduct.wait_log("by=inbound-converter.* verdict=done to=gone why=\"delivered: nobody asked to be told\"")

# ---- remembered over a restart ----

item = mail("later", "", " NOTIFY=SUCCESS")
viaduct.wait_empty("it leaves")
viaduct.stop()
viaduct.start()
host.mails.clear()
gateway.tell(item, "Harbour.Quay.lnowak", "Delivered")
report = host.one(lambda m: "later" in m.text(), what="the report").text()
like(report, r"Action: delivered", "what was remembered survives a restart")
kept = [os.path.join(viaduct.spool, "mailbox/groupwise/Correlation", n) for n in os.listdir(os.path.join(viaduct.spool, "mailbox/groupwise/Correlation"))]
ok(kept != [], "in files of the spool")
for path in kept:
    with open(path, "r+b") as f:
        f.write(b"\xffdamaged\n")
gateway.tell(item, "Harbour.Quay.lnowak", "Delivered")
unknown = host.one(lambda m: "[Status of a message]" in m.text() or "delivery-status" in m.text() and m.text() != report, what="the status comes")
ok(unknown.data != b"", "and a damaged one stops nothing")

# ---- busy searches ----

gateway.ask("Harbour.Quay.lnowak", "Exchange.HQ.anna", "4567.89AB.000B.000")
answer = gateway.wait("4567.89AB.000B.000")
like(answer["raw"], r"(?s)Msg-Type= SEARCH;.*Orig-Msg-ID= 4567\.89AB\.000B\.000;.*WPU= lnowak;.*Busy-For= \r\n    CDBA= Exchange\.HQ\.anna;.*Busy-Report= \r\n    ;",
     "a busy search is answered through the gateway")
viaduct.wait_empty("and leaves nothing behind")
gateway.held = True
gateway.ask("Harbour.Quay.lnowak", "Exchange.HQ.anna", "4567.89AB.000B.001")
until(lambda: [n for n in os.listdir(gateway.path("API_IN")) if n.lower().endswith(".api")], "the next answer lies in API_IN")
viaduct.process.kill()
viaduct.process.wait()
until(lambda: viaduct.start(ready=False) and (time.sleep(0.5) or viaduct.process.poll() is None), "the master is killed and started again")
gateway.held = False
gateway.wait("4567.89AB.000B.001")
viaduct.wait_empty("it is let go of when it was taken")
is_(sum("4567.89AB.000B.001" in i["raw"] for i in gateway.taken), 1, "and was sent once")

# ---- many that only wait, and a crash ----

gateway.held = True
for n in range(20):
    send(port, ANNA, LENA, message(ANNA, LENA, "waits %d" % n))
until(lambda: len([n for n in os.listdir(gateway.path("API_IN")) if n.lower().endswith(".api")]) == 20, "twenty wait for the gateway")
gateway.taken.clear()
before = len([line for line in viaduct.lines if "was handed over before as" in line])
os.kill(int(viaduct.master()[1]["outbound-gateway-groupwise"]["pid"]), signal.SIGKILL)
viaduct.wait_log("was handed over before as", before + 20,
                 name="after a crash all of them wait again at once, though none of them can end")
gateway.held = False
viaduct.wait_empty("and all are let go of when they were taken")
is_(len(gateway.taken), 20, "each was sent once")

viaduct.stop()
done()
