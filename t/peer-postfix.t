#!/usr/bin/python3
"""A real Postfix is the host organisation: mail both ways, reports asked for, reports of failures.

    swaks -> Postfix -> viaduct (host's port) -> branch, a server with a ledger
    branch -> viaduct (branch's port) -> Postfix -> an LMTP server with a ledger: the host's mailboxes
"""
import atexit
import os
import re

from rig import (ROOT, Session, Sink, Viaduct, answers, done, free_port, is_, like, message, need, note, ok, private_folder, run, skip_all,
                 smtp_pair, until)

if not ROOT:
    skip_all("Postfix must be started as root")
need("postfix", "swaks")

MAIN = """compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
maillog_file = {top}/log
maillog_file_prefixes = {top}
mail_owner = postfix
myhostname = mail.contoso.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = contoso.example
virtual_mailbox_maps = inline:{ {anna@contoso.example=x}, {bert@contoso.example=x}, {postmaster@contoso.example=x}, {jörg@contoso.example=x} }
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
transport_maps = inline:{ {branch.example=smtp:[127.0.0.1]:{viaduct}} {plain.branch.example=smtp:[127.0.0.1]:{viaduct}} }
relay_domains = branch.example
smtp_host_lookup = native
disable_dns_lookups = yes
smtpd_relay_restrictions = permit_mynetworks, reject
smtputf8_enable = yes
message_size_limit = 30000000
"""
SERVICES = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, viaduct_port, lmtp_port):
        self.top, self.port = private_folder(), free_port()
        self.conf = os.path.join(self.top, "conf")
        for name in ("conf", "queue", "data"):
            os.mkdir(os.path.join(self.top, name), 0o755)
        import pwd
        os.chown(os.path.join(self.top, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        text = MAIN.replace("{top}", self.top).replace("{lmtp}", str(lmtp_port)).replace("{viaduct}", str(viaduct_port))
        with open(os.path.join(self.conf, "main.cf"), "w") as f:
            f.write(text)
        with open(os.path.join(self.conf, "master.cf"), "w") as f:
            f.write("127.0.0.1:%d inet n - n - - smtpd\n" % self.port + SERVICES)
        status, said = run(["postfix", "-c", self.conf, "start"])
        atexit.register(run, ["postfix", "-c", self.conf, "stop"])
        if status != 0:
            note(said)
        answers(self.port)

    def log(self):
        try:
            with open(os.path.join(self.top, "log")) as f:
                return f.read()
        except FileNotFoundError:
            return ""


def swaks(port, sender, to, *more):
    return run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", sender, "--to", to, "--helo", "client.example"]
               + list(more))


def refuse(verb, address, mail):
    return "550 5.1.1 <%s>: no such user" % address if verb == "RCPT" and address.startswith("nobody") else None


mailboxes = Sink(lmtp=True, keywords=("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"))  # no DSN: Postfix reports
branch = Sink(answer=refuse)
plain = Sink(keywords=("PIPELINING", "8BITMIME", "SIZE 60000000"))
to_viaduct, from_branch, _ = smtp_pair(branch, branch)
postfix = Postfix(to_viaduct, mailboxes.port)
conf = smtp_pair(postfix, branch)[2]
conf = re.sub(r'smtp \{ listen = \{ "[^"]*"', 'smtp { listen = { "127.0.0.1:%d"' % to_viaduct, conf)
conf = re.sub(r'(type = "smtp"\s+listen = \{ ")[^"]*"', r'\g<1>127.0.0.1:%d"' % from_branch, conf)
conf += """connector "plain" {
    type = "smtp"
    peer { to = { "smtp://127.0.0.1:%d" } }
    address-space { type = "SMTP" pattern = "*@plain.branch.example" cost = 1 }
}
""" % plain.port
viaduct = Viaduct(conf).start()

# ---- mail both ways ----

status, said = swaks(postfix.port, "anna@contoso.example", "bob@branch.example", "--header", "Subject: from the host", "--body",
                     "Line\n.dot\n..two\n")
is_(status, 0, "Postfix takes a message for the branch")
mail = branch.one(lambda m: m.header("Subject") == "from the host")
is_((mail.sender, mail.to()), ("anna@contoso.example", ["bob@branch.example"]), "and it arrives there through viaduct")
ok("\r\n.dot\r\n..two\r\n" in mail.text(), "lines that begin with dots as they were")
like(mail.text(), r"\AReceived: from mail\.contoso\.example .*by gw1\.contoso\.example.*^Received: ", "with both traces, the last on top")

status, said = swaks(from_branch, "bob@branch.example", "anna@contoso.example,bert@contoso.example", "--header",
                     "Subject: from the branch")
is_(status, 0, "viaduct takes a message for two of the host's people")
mail = mailboxes.one(lambda m: m.header("Subject") == "from the branch")
is_((mail.sender, sorted(mail.to())), ("bob@branch.example", ["anna@contoso.example", "bert@contoso.example"]),
    "and Postfix delivers it to both")

text = "Grüße".encode()
s = Session(postfix.port)
got = s.mail("anna@contoso.example", ["jürgen@branch.example"],
             message("anna@contoso.example", "jürgen@branch.example", "Grüße aus dem Süden", "Grüße\n"), " BODY=8BITMIME SMTPUTF8")
s.close()
ok(got[-1].startswith("250"), "Postfix takes an address and a header in UTF-8")
mail = branch.one(lambda m: "jürgen@branch.example" in [t.encode("utf-8", "surrogateescape").decode() for t in m.to()])
ok(text in mail.data and "SMTPUTF8" in mail.parameters, "and they arrive as they were, SMTPUTF8 asked for")

body = "".join("%06d %s\n" % (i, "x" * 60) for i in range(60000))
s = Session(from_branch)
got = s.mail("bob@branch.example", ["anna@contoso.example"], message("bob@branch.example", "anna@contoso.example", "large", body))
s.close()
ok(got[-1].startswith("250"), "a message of 4 MB is taken")
mail = mailboxes.one(lambda m: m.header("Subject") == "large")
ok(mail.data.endswith(body.replace("\n", "\r\n").encode()), "and arrives byte for byte")

# ---- reports asked for ----

s = Session(postfix.port)
s.say("MAIL FROM:<anna@contoso.example> RET=HDRS ENVID=env-1")
s.say("RCPT TO:<bob@branch.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@branch.example")
s.body(message("anna@contoso.example", "bob@branch.example", "tell me"))
s.close()
mail = branch.one(lambda m: m.header("Subject") == "tell me")
ok("ENVID=env-1" in mail.parameters and "RET=HDRS" in mail.parameters, "what Postfix asks of reports is passed on: RET, ENVID")
like(mail.recipients[0][1] if mail.recipients else "", r"NOTIFY=(SUCCESS,FAILURE|FAILURE,SUCCESS).*ORCPT=rfc822;bob@branch\.example",
     "NOTIFY and ORCPT")

s = Session(postfix.port)
s.say("MAIL FROM:<anna@contoso.example> RET=HDRS ENVID=env-2")
s.say("RCPT TO:<carl@plain.branch.example> NOTIFY=SUCCESS ORCPT=rfc822;carl@plain.branch.example")
s.body(message("anna@contoso.example", "carl@plain.branch.example", "tell me too", "secret body\n"))
s.close()
plain.one(lambda m: m.header("Subject") == "tell me too")
report = mailboxes.one(lambda m: m.to() == ["anna@contoso.example"] and "env-2" in m.text(), what="the success report")
is_(report.sender, "", "a peer without DSN: viaduct itself reports, with the empty return path")
like(report.text(), r"Content-Type: message/delivery-status.*Original-Envelope-Id: env-2.*Final-Recipient: rfc822;\s*carl@plain\.branch\.example"
     r".*Action: relayed.*Status: 2\.", "that the message was relayed, with the envelope id")
ok("secret body" not in report.text(), "and returns headers only, as RET=HDRS asked")

s = Session(from_branch)
s.say("MAIL FROM:<bob@branch.example> ENVID=env-3")
s.say("RCPT TO:<anna@contoso.example> NOTIFY=SUCCESS")
s.body(message("bob@branch.example", "anna@contoso.example", "arrived?"))
s.close()
report = branch.one(lambda m: m.to() == ["bob@branch.example"] and "env-3" in m.text(), what="Postfix's success report")
like(report.text(), r"Final-Recipient: rfc822;\s*anna@contoso\.example.*Action: (delivered|relayed)",
     "Postfix's own report comes back to the branch, with the branch's envelope id")
is_(report.sender, "", "with the empty return path")

# ---- reports of failures ----

swaks(postfix.port, "anna@contoso.example", "nobody@branch.example", "--header", "Subject: lost")
report = mailboxes.one(lambda m: m.to() == ["anna@contoso.example"] and "nobody@branch.example" in m.text(), what="the report of failure")
is_(report.sender, "", "an unknown foreign user is reported to the Postfix user who wrote")
like(report.text(), r"Final-Recipient: rfc822;\s*nobody@branch\.example.*Action: failed.*Status: 5\.1\.1.*Diagnostic-Code: smtp;\s*550 5\.1\.1",
     "with the answer of the foreign server")
like(report.text(), r"Subject: lost", "and the message that failed")

swaks(from_branch, "bob@branch.example", "nobody@contoso.example", "--header", "Subject: lost the other way")
report = branch.one(lambda m: m.to() == ["bob@branch.example"] and "nobody@contoso.example" in m.text(), what="the report to the branch")
like(report.text(), r"Final-Recipient: rfc822;\s*nobody@contoso\.example.*Action: failed.*Status: 5\.1\.1.*Remote-MTA: dns;",
     "a user unknown to Postfix is reported to the foreign sender, naming the server that refused")

swaks(postfix.port, "anna@contoso.example", "bob@branch.example,nobody@branch.example", "--header", "Subject: half")
branch.one(lambda m: m.header("Subject") == "half")
report = mailboxes.one(lambda m: "Subject: half" in m.text() and m.sender == "", what="the report of one of two")
ok("Final-Recipient: rfc822; nobody@" in report.text() and "Final-Recipient: rfc822; bob@" not in report.text(),
   "one of two fails: the other is delivered, and only the one is reported")

# ---- an outage of the host ----

branch_count = len(branch.mails)
mailboxes.close()
swaks(from_branch, "bob@branch.example", "anna@contoso.example", "--header", "Subject: while the mailboxes are away")
until(lambda: re.search(r"status=deferred", postfix.log()), "Postfix keeps it")
is_(viaduct.mail_left(), [], "what Postfix has taken is no longer viaduct's")
mailboxes.open()
run(["postqueue", "-c", postfix.conf, "-f"])
ok(mailboxes.wait(1, lambda m: m.header("Subject") == "while the mailboxes are away"), "and arrives when the mailboxes are back")
is_(len(branch.mails), branch_count, "nobody was told anything")

viaduct.wait_empty()
viaduct.well(to_viaduct, branch)
is_(viaduct.stop(), 0, "and it stops in order")
done()
