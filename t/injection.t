#!/usr/bin/python3
"""S5 over the road: whatever a client, a server or a book says, it begins no line of header, log, tracking or report."""
import email
import os
import re

from rig import Session, Sink, Viaduct, done, is_, message, ok, smtp_pair

A, B = "anna@contoso.example", "bob@branch.example"
EVIL = "X-Evil: 1"
ENDS = ("\r", "\n", "\0", "\v", "\f", "\x85", "\u2028", "\u2029", "\x1b", "\udcff", "+0D+0A", "\\x{0A}", "=0A")


def evil_lines(text):
    """Lines, by whatever some reader takes for their end, that begin with what was slipped in."""
    return [line for line in re.split("[\r\n\0\v\f\x85\u2028\u2029]", text) if line.startswith(EVIL)]


said = {"reply": "550 5.1.1 nobody"}
host = Sink()
branch = Sink(answer=lambda verb, address, mail: said["reply"] if verb == "RCPT" and address.startswith("gone") else None)
port, _, conf = smtp_pair(host, branch, host="limits { errors = 1000 }", more='reports { rate = 0 }\n')
viaduct = Viaduct(conf).start()
sent = answered = 0
for end in ENDS:
    slip = "x" + end + EVIL
    for helo, sender, parameters, recipient, rcpt_parameters in (
            (slip, A, "", B, ""), ("c", slip + "@contoso.example", "", B, ""), ('c', '"%s"@contoso.example' % slip, " SMTPUTF8", B, ""),
            ("c", A, " ENVID=" + slip.replace(" ", "+20"), "gone@branch.example", ""), ("c", A, " AUTH=" + slip.replace(" ", "+20"), B, ""),
            ("c", A, "", "gone@branch.example", " ORCPT=rfc822;" + slip.replace(" ", "+20") + "@x.example"),
            ("c", A, " SMTPUTF8", "gone@branch.example", " ORCPT=utf-8;" + slip.replace(" ", "\\x{20}")),
            ("c", A, " SMTPUTF8", '"gone%s"@branch.example' % slip, "")):
        said["reply"] = "550 5.1.1 nobody" + (end if end not in "\r\n" else " ") + EVIL
        s = Session(port, helo=helo.replace("\n", " "))
        try:
            got = s.say("MAIL FROM:<%s>%s" % (sender.replace("\n", ""), parameters.replace("\n", "")))
            got = s.say("RCPT TO:<%s>%s" % (recipient.replace("\n", ""), rcpt_parameters.replace("\n", ""))) if got[:1] == "2" else got
            got = s.body(message(A, B, "number %d" % sent)) if got[:1] == "2" else got
            sent += got.startswith("250")
            answered += 1
        except OSError:
            pass
        s.close()
is_(answered, 8 * len(ENDS), "every try has an answer")
ok(sent > 10, "%d of them are taken" % sent)
viaduct.wait_empty("and arrive, or are reported", 60, but=("Badmail",))
ok(len(host.mails) >= 5, "%d reports" % len(host.mails))
is_([line for m in host.mails + branch.mails for line in evil_lines(m.data.decode("utf-8", "surrogateescape"))], [],
    "no line of a header or a report begins with it")
is_([line for m in host.mails for line in evil_lines(email.message_from_bytes(m.data).get_payload(0).get_payload(
    decode=True).decode("utf-8", "replace"))], [], "nor, decoded, one of the text that people read")
is_(evil_lines(viaduct.log()), [], "none of the log")
track = ""
for name in os.listdir(os.path.join(viaduct.spool, "track")):
    with open(os.path.join(viaduct.spool, "track", name), errors="surrogateescape", newline="") as f:
        track += f.read()
ok(EVIL in track, "the tracking log tells of it")
is_(evil_lines(track), [], "in no line of its own")
is_(evil_lines(viaduct.command("queue", "list")[1] + viaduct.command("track", "all")[1] + viaduct.command("badmail", "list")[1]), [],
    "nor do lists show one")
is_(viaduct.restarts(), 0, "no worker died")
done()
