#!/usr/bin/python3
"""A peer that knows neither 8BITMIME nor SMTPUTF8: what it gets, through the master, the carrier and the converter."""
import email
import email.header
import email.policy
import os
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import Spool, done, is_, message, ok, program  # noqa: E402

NOBODY = 65534


class Sink:
    """An SMTP server of RFC 5321 and no extension. It keeps what it is told: (sender, recipients, data)."""

    def __init__(self):
        self.mails, self.commands = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer, peer.makefile("rb") as lines:
            peer.sendall(b"220 sink.example\r\n")
            sender, recipients = b"", []
            for line in lines:
                self.commands.append(line)
                verb, path = line[:4].upper(), line.partition(b"<")[2].partition(b">")[0]
                if verb == b"MAIL":
                    sender, recipients = path, []
                if verb == b"RCPT":
                    recipients.append(path)
                if verb == b"DATA":
                    peer.sendall(b"354 go on\r\n")
                    data = b"".join(iter(lambda: self.data_line(lines), None))
                    self.mails.append((sender, recipients, data))
                peer.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 sink.example\r\n")
                if verb == b"QUIT":
                    return

    @staticmethod
    def data_line(lines):
        line = lines.readline()
        if line in (b".\r\n", b""):
            return None
        return line[1:] if line.startswith(b".") else line


sink = Sink()
spool = Spool()
with open(spool.conf) as f:
    text = f.read()
with open(spool.conf, "w") as f:
    f.write(text.replace('connector "branch" { type = "smtp" peer { to = { "smtp://127.0.0.1:9" }',
                         'connector "branch" { type = "smtp" peer { to = { "smtp://127.0.0.1:%d" }' % sink.port))


def put(sender, recipients, body, *flags):
    m = message(sender, recipients, body, via="branch", **{flag: 1 for flag in flags})
    m.write(os.path.join(spool.folder("MTS_OUT", "branch"), m.get("id")))
    return m


def master():
    """Until nothing moves any more. Never as root, whose workers would take nothing that root put down for them."""
    command = [program("viaduct-master"), "-c", spool.conf, "--once"]
    if os.geteuid() == 0:
        for folder, names, files in os.walk(spool.top):
            for name in [""] + files:
                os.chown(os.path.join(folder, name), NOBODY, NOBODY)
        command = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"] + command
    r = subprocess.run(command, stderr=subprocess.PIPE, timeout=60)
    log = r.stderr.decode("utf-8", "replace")
    if r.returncode != 0:
        print("# the master ended with %d\n# %s" % (r.returncode, log.replace("\n", "\n# ")))
    return log


def by_subject(word):
    return next((m for m in sink.mails if word in m[2]), (b"", [], b""))


TEXT = "Grüße aus Köln, 5 € = 1 Bier \n.\nFrom here\n\tand there\t\n"
BINARY = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"") * 3
PLAIN = b"ASCII = stays  \n=20 even this\n"
mixed = b"".join([
    b"DKIM-Signature: v=1; a=rsa-sha256; d=contoso.example; s=x; h=from; bh=eA==; b=eA==\n",
    "From: Jürgen Müller <j@contoso.example>\nTo: Bücher <bob@branch.example>\nSubject: mixed: Grüße, wie üblich\n".encode(),
    b"Message-ID: <1@contoso.example>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=b=\"\n",
    b"Content-Transfer-Encoding: 8bit\n\n--=b=\nContent-Type: text/plain; charset=utf-8\n",
    b"Content-Transfer-Encoding: 8bit\n\n", TEXT.encode(), b"\n--=b=\nContent-Type: application/octet-stream\n",
    "Content-Disposition: attachment; filename=\"Übersicht €.bin\"\n".encode(), b"Content-Transfer-Encoding: binary\n\n", BINARY,
    b"\n--=b=\nContent-Type: text/plain\n\n", PLAIN, b"\n--=b=\nContent-Type: message/rfc822\n\n",
    "Subject: inner ß\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\ninner: ß\n".encode(), b"\n--=b=--\n"])
world = ("From: Анна <анна@contoso.example>, Bob <bob@bücher.example>\nTo: <carl@branch.example>\nSubject: world\n"
         "Message-ID: <2@contoso.example>\n\nplain text\n").encode()
lost = "From: <анна@contoso.example>\nSubject: lost\nMessage-ID: <3@contoso.example>\n\nx\n".encode()

put("j@contoso.example", ["bob@branch.example"], mixed, "8bit")
put("bob@bücher.example", ["carl@branch.example", "dora@straße.branch.example", "жук@branch.example"], world, "8bit", "utf8")
put("анна@contoso.example", ["emil@branch.example"], lost, "8bit", "utf8")
log = master()

is_(len(sink.mails), 2, "what can be made 7-bit arrives, what cannot does not")
ok(all(line.isascii() for line in sink.commands) and all(m[2].isascii() for m in sink.mails),
   "nothing but ASCII reaches the peer, in commands and mail")
ok(not any(re.search(rb"BODY=|SMTPUTF8", line) for line in sink.commands), "and no parameter that it did not offer")

sender, recipients, data = by_subject(b"<1@contoso.example>")
got = email.message_from_bytes(data, policy=email.policy.default)
parts = list(got.iter_parts())
is_((sender, recipients), (b"j@contoso.example", [b"bob@branch.example"]), "the mixed message goes to whom it went")
is_(got["Subject"], "mixed: Grüße, wie üblich", "its subject decodes to what it was")
is_([a.display_name for a in got["From"].addresses + got["To"].addresses], ["Jürgen Müller", "Bücher"], "so do the names")
is_(parts[0].get_content().replace("\r\n", "\n"), TEXT, "so does its text")
is_(parts[0]["Content-Transfer-Encoding"], "quoted-printable", "as quoted-printable")
is_((parts[1].get_content(), parts[1].get_filename()), (BINARY, "Übersicht €.bin"), "so does the attached file, and its name")
is_(parts[1]["Content-Transfer-Encoding"], "base64", "as base 64")
ok(b"\r\n\r\n" + PLAIN.replace(b"\n", b"\r\n") in data, "the part that was 7-bit is what it was, octet for octet")
inner = parts[3].get_content()
is_((inner["Subject"], inner.get_content().strip()), ("inner ß", "inner: ß"), "so is the message within, decoded")
ok(all(len(line) <= 998 for line in data.split(b"\r\n")), "no line is longer than 998 octets")

said = "the DKIM signature of contoso.example no longer holds: the body had to be written anew"
events = [t for t in spool.track() if "event=UNSIGN" in t]
is_((log.count('say="%s"' % said), len(events)), (1, 1), "that its DKIM signature no longer holds stands in the log, and is tracked")
ok(said in events[0] and "connector=branch" in events[0] and "msgid=<1@contoso.example>" in events[0], "with what and where it was")
ok(b"DKIM-Signature: v=1; a=rsa-sha256" in data, "though it goes on with the message")

sender, recipients, data = by_subject(b"<2@contoso.example>")
got = email.message_from_bytes(data, policy=email.policy.default)
is_(sender, b"bob@xn--bcher-kva.example", "the sender's domain goes as A-labels")
is_(recipients, [b"carl@branch.example", b"dora@xn--strae-oqa.branch.example"], "so does a recipient's")
ok(b"bob@xn--bcher-kva.example" in data, "so does one in the header")
shown = str(email.header.make_header(email.header.decode_header(re.search(rb"^From: ((?:.*\r\n )*.*)", data, re.M)[1].decode())))
ok(shown.replace("\r\n", "").startswith("Анна анна@contoso.example") and b" :;" in data,
   "an address without ASCII form is shown as an empty group")

is_(len(re.findall("verdict=fail to=Bounce status=5.6.7", log)), 2, "who cannot be written in ASCII fails with 5.6.7")
is_(sorted(f.get("rcpt") for f in spool.files("DEFERRED")), ["SMTP:bob@bücher.example", "SMTP:анна@contoso.example"],
    "and the senders are told, were the host there")
is_(spool.names("BADMAIL", "branch"), [], "nothing is Badmail")
is_([n for s in ("CONVERT", "READY_OUT", "DEFERRED", "MTS_OUT") for n in spool.names(s, "branch")], [], "nothing stays behind")
spool.remove()
done()
