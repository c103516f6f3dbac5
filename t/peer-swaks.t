#!/usr/bin/python3
"""Clients and servers that others wrote: swaks, msmtp, smtp-source, smtp-sink; TLS both ways, PROXY, XCLIENT, sizes, 8 bits."""
import email
import os
import re
import subprocess

from rig import (Authority, Session, Sink, Viaduct, answers, crlf, done, free_port, is_, like, message, need, ok,
                 private_folder, run, smtp_pair, start_process, until)

need("swaks", "msmtp", "smtp-source", "smtp-sink", "openssl")

folder = private_folder()
ca, stranger = Authority(folder), Authority(private_folder())
certificate, key = ca.certificate("localhost")
peer_certificate, _ = ca.certificate("mx.branch.example")
context = ca.context("mx.branch.example")
stranger_context = stranger.context("mx.branch.example")
if os.geteuid() == 0:
    os.chown(key, 0, 0)

host, branch, poor = Sink(), Sink(), Sink(keywords=("PIPELINING", "ENHANCEDSTATUSCODES"))
sinks = {name: Sink(context=c, implicit=implicit) for name, c, implicit in (
    ("verify", context, False), ("pin", ca.context("other.example"), False), ("implicit", context, True),
    ("stranger", stranger_context, False), ("wrongname", ca.context("another.example"), False), ("wrongpin", context, False))}
sinks["plain"] = Sink()
smtps, lmtp, eight = free_port(), free_port(), free_port()


def connector(name, to, tls="", more=""):
    return """connector "%s" {
    type = "smtp"
    peer { to = { "%s" } %s }
    address-space { type = "SMTP" pattern = "*@%s.example" cost = 1 }
    retry { first = "1m" }
    %s
}
""" % (name, to, tls, name, more)


def tls_of(mode, name="mx.branch.example"):
    text = {"verify": 'mode = "verify" ca-file = "%s" name = "%s"' % (ca.file, name),
            "pin": 'mode = "pin" pins = { "%s" }' % ca.pin(os.path.join(folder, "other.example.pem")),
            "wrongpin": 'mode = "pin" pins = { "%s" }' % ca.pin(os.path.join(folder, "other.example.pem")),
            "encrypt": 'mode = "encrypt"'}[mode]
    return "tls { %s }" % text


more = ""
for name, mode in (("verify", "verify"), ("stranger", "verify"), ("wrongname", "verify"), ("implicit", "verify"), ("pin", "pin"),
                   ("wrongpin", "wrongpin"), ("plain", "encrypt")):
    scheme = "smtps" if name == "implicit" else "smtp"
    more += connector(name, "%s://127.0.0.1:%d" % (scheme, sinks[name].port), tls_of(mode))
more += connector("poor", "smtp://127.0.0.1:%d" % poor.port)
more += connector("postfix", "smtp://127.0.0.1:%d" % eight)
more += connector("lmtp", "lmtp://127.0.0.1:%d" % lmtp)
smtp = 'tls { certificate = "%s" key-file = "%s" } proxy-from = { "127.0.0.2/32" } xclient-from = { "127.0.0.3/32" }' % (certificate, key)
port, from_branch, conf = smtp_pair(host, branch, more, smtp=smtp, host='limits { message = "1M" recipients = 50 }',
                                    branch='limits { message = "10M" }')
conf = conf.replace('listen = { "127.0.0.1:%d" } hostname' % port, 'listen = { "127.0.0.1:%d", "smtps://127.0.0.1:%d" } hostname' % (port, smtps))
viaduct = Viaduct(conf).start()


def swaks(*args, to="bob@branch.example", at=None):
    return run(["swaks", "--server", "127.0.0.1", "--port", str(at or port), "--from", "anna@contoso.example", "--to", to, "--helo",
                "client.example"] + list(args))


def arrives(sink, subject):
    return sink.one(lambda m: m.header("Subject") == subject, what="%r" % subject)


# ---- TLS inbound ----

status, said = swaks("--header", "Subject: starttls", "--tls", "--tls-verify", "--tls-ca-path", ca.file, "--tls-verify-target", "localhost")
if "Unknown" in said or "unknown option" in said.lower():
    status, said = swaks("--header", "Subject: starttls", "--tls", "--tls-verify", "--tls-ca-path", ca.file)
like(said, r"TLS started with cipher TLSv1\.[23]", "swaks starts TLS")
is_(status, 0, "and its message is taken")
like(arrives(branch, "starttls").header("Received"), r"with ESMTPS", "the trace says that it came over TLS")
status, said = swaks("--header", "Subject: implicit", "--tlsc", at=smtps)
is_((status, arrives(branch, "implicit").sender), (0, "anna@contoso.example"), "TLS from the first byte")
status, said = swaks("--tls", "--tls-protocol", "tlsv1_1")
ok(status != 0, "TLS 1.1 is not spoken")
out = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", "127.0.0.1:%d" % port, "-CAfile", ca.file, "-verify_hostname",
                      "localhost", "-verify_return_error", "-brief"], input=b"QUIT\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
like(out.stdout.decode("utf-8", "replace"), r"Verification: OK", "the certificate stands before openssl's own client")
s = Session(port)
s.send(b"STARTTLS\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<bob@branch.example>\r\n")
like(s.reply(), r"^(220|501|503|554)", "commands sent together with STARTTLS")
s.socket.settimeout(1)
try:
    rest = s.file.readline()
except OSError:
    rest = b""
ok(not rest.startswith(b"250"), "are not answered: none survives the change to TLS")
s.close()

# ---- TLS outbound ----

for name in ("verify", "implicit", "pin"):
    is_(swaks("--header", "Subject: to " + name, to="bob@%s.example" % name)[0], 0, "a message for a peer by TLS: " + name)
    ok(arrives(sinks[name], "to " + name).tls, "arrives over TLS")
for name, why in (("stranger", "an unknown authority"), ("wrongname", "another name"), ("wrongpin", "another key"), ("plain", "no TLS at all")):
    swaks("--header", "Subject: to " + name, to="bob@%s.example" % name)
    until(lambda: viaduct.names("mailbox/%s/Deferred" % name), "mail for a peer with %s waits" % why)
    row = [r for r in viaduct.rows("queue", "list", "connector=" + name)]
    like(repr(row), r"(?i)tls|certificate|pin", "%s: nothing is sent, and the queue says why" % why)
    is_(sinks[name].mails, [], "nothing was")

# ---- PROXY and XCLIENT ----

status, said = swaks("--header", "Subject: proxied", "--local-interface", "127.0.0.2", "--proxy-version", "1", "--proxy-family", "TCP4",
                     "--proxy-source", "127.9.9.9", "--proxy-source-port", "4000", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25")
is_(status, 0, "PROXY v1 from a listed network")
like(arrives(branch, "proxied").header("Received"), r"\[127\.9\.9\.9\]", "names the client in the trace")
status, said = swaks("--header", "Subject: proxied 2", "--local-interface", "127.0.0.2", "--proxy-version", "2", "--proxy-family", "AF_INET",
                     "--proxy-source", "127.8.8.8", "--proxy-source-port", "4000", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25",
                     "--proxy-command", "PROXY", "--proxy-protocol", "STREAM")
is_(status, 0, "PROXY v2")
like(arrives(branch, "proxied 2").header("Received"), r"\[127\.8\.8\.8\]", "too")
status, said = swaks("--local-interface", "127.0.0.2", "--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", "203.0.113.9",
                     "--proxy-source-port", "4000", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25")
ok(status != 0 and not [m for m in branch.mails if "203.0.113.9" in m.text()], "a proxied client that may not send is refused")
viaduct.wait_log(r"203\.0\.113\.9", name="with a line in the log")
status, said = swaks("--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", "127.9.9.9", "--proxy-source-port", "4000",
                     "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25")
ok(status != 0, "PROXY from a network that is not listed is no command")
status, said = swaks("--header", "Subject: xclient", "--local-interface", "127.0.0.3", "--xclient-addr", "127.7.7.7", "--xclient-name",
                     "desk.contoso.example", "--xclient-helo", "desk.contoso.example")
is_(status, 0, "XCLIENT from a listed network")
like(arrives(branch, "xclient").header("Received"), r"\(desk\.contoso\.example \[127\.7\.7\.7\]\)", "names the client too")
status, said = swaks("--xclient-addr", "127.7.7.7")
like(said, r"(?i)not advertised|550|503|XCLIENT", "elsewhere it is neither offered nor taken")

# ---- pipelining, sizes, many recipients ----

status, said = swaks("--header", "Subject: pipelined", "--pipeline", to=",".join("u%d@branch.example" % i for i in range(40)))
is_(status, 0, "swaks pipelines forty recipients")
is_(len(arrives(branch, "pipelined").to()), 40, "and all are served by one message")
status, said = swaks("--pipeline", to=",".join("u%d@branch.example" % i for i in range(60)))
like(said, r"452 4\.5\.3", "beyond the limit of recipients each is told to come later")
big = os.path.join(folder, "big")
with open(big, "wb") as f:
    f.write(crlf(message(subject="too big", body=("z" * 70 + "\n") * 20000)))
status, said = swaks("--data", "@" + big)
like(said, r"552 5\.3\.4", "a message beyond the limit of size is refused")
s = Session(port)
like(s.features, r"SIZE 1048576", "the limit is offered")
like(s.say("MAIL FROM:<anna@contoso.example> SIZE=2000000"), r"^552 5\.3\.4", "one that says its size before it is sent")
s.close()

# ---- eight bits, UTF-8, and peers without ----

latin = crlf(message(subject="octets", more="MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n",
                     body="") + b"Gr\xfc\xdfe\n=41\n")
s = Session(port)
got = s.mail("anna@contoso.example", ["bob@branch.example", "bob@poor.example"], latin, " BODY=8BITMIME")
s.close()
ok(got[-1].startswith("250"), "a message of 8-bit text is taken")
ok(b"Gr\xfc\xdfe" in arrives(branch, "octets").data, "and arrives as it was where the peer takes it")
mail = arrives(poor, "octets")
ok(mail.data and max(mail.data) < 128, "where it does not, in seven bits")
like(mail.text(), r"Content-Transfer-Encoding: (quoted-printable|base64)", "encoded, and labelled")

ok(b"Gr\xfc\xdfe\r\n=41" in (email.message_from_bytes(mail.data).get_payload(decode=True) or b"").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
   "and decodes to the same octets")
s = Session(port)
got = s.mail("anna@contoso.example", ["bob@poor.example"], message(subject="Größe", to="bob@poor.example"), " BODY=8BITMIME SMTPUTF8")
s.close()
mail = poor.one(lambda m: b"=?" in m.data.split(b"\r\n\r\n")[0], what="a message with a UTF-8 subject")
ok(mail.data and max(mail.data) < 128, "a UTF-8 subject is put in encoded words for a peer without SMTPUTF8")
s = Session(port)
got = s.mail("anna@contoso.example", ["jürgen@poor.example"], message(subject="utf8 address", to="bob@poor.example"), " BODY=8BITMIME SMTPUTF8")
s.close()
report = host.one(lambda m: m.sender == "" and "poor.example" in m.text(), what="a report on the address")
like(report.text(), r"Status: 5\.6\.7", "an address in UTF-8 that the peer cannot take comes back")
ok(not [m for m in poor.mails if m.header("Subject") == "utf8 address"], "and was not sent")

# ---- msmtp ----

r = subprocess.run(["msmtp", "--host=localhost", "--port=%d" % port, "--from=anna@contoso.example", "--tls=on", "--tls-starttls=on",
                    "--tls-trust-file=" + ca.file, "--domain=desk.contoso.example", "bob@branch.example", "eve@branch.example"],
                   input=message(subject="by msmtp"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
is_((r.returncode, r.stdout), (0, b""), "msmtp submits over TLS, the certificate verified")
is_(sorted(arrives(branch, "by msmtp").to()), ["bob@branch.example", "eve@branch.example"], "and its message arrives")
r = subprocess.run(["msmtp", "--host=localhost", "--port=%d" % port, "--from=anna@contoso.example", "--tls=off", "x@elsewhere.example"],
                   input=message(subject="relay?"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
like(r.stdout.decode(), r"550 5\.[17]\.[01]", "nobody relays to where no connector leads")

# ---- smtp-source and smtp-sink ----

dump = private_folder()
os.chmod(dump, 0o777)
user = ["-u", "nobody"] if os.geteuid() == 0 else []
sink = start_process(["smtp-sink", "-8", "-d", dump + "/%s"] + user + ["127.0.0.1:%d" % eight, "100"])
lmtp_sink = start_process(["smtp-sink", "-L"] + user + ["-d", dump + "/lmtp.%s", "127.0.0.1:%d" % lmtp, "100"])
answers(eight)
answers(lmtp)


def dumped(prefix):
    return [f for f in os.listdir(dump) if f.startswith("lmtp.") == (prefix == "lmtp.")]


def octets(files):
    data = b""
    for name in files:
        with open(os.path.join(dump, name), "rb") as f:
            data += f.read()
    return data


s = Session(port)
got = s.mail("anna@contoso.example", ["bob@postfix.example", "bob@lmtp.example"], latin, " BODY=8BITMIME")
s.close()
until(lambda: b"Subject: octets" in octets(dumped("")), "8-bit text goes to smtp-sink -8")
until(lambda: b"Subject: octets" in octets(dumped("lmtp.")), "and by LMTP")
data = octets(dumped(""))
ok(data and b"\xfc" not in data and re.search(rb"Gr=FC=DFe|R3L832U", data), "which offers no 8BITMIME: in seven bits")
ok(b"Gr\xfc\xdfe" in octets(dumped("lmtp.")), "which does: as it was")
viaduct.wait_empty("the spool is empty but for those deferred above", but=("Deferred",))
status, said = run(["smtp-source", "-s", "5", "-m", "200", "-l", "3000", "-f", "anna@contoso.example", "-t", "bob@postfix.example", "-M",
                    "client.example", "127.0.0.1:%d" % port])
is_((status, said), (0, ""), "smtp-source sends 200 messages in five sessions")
status, said = run(["smtp-source", "-s", "5", "-m", "100", "-r", "3", "-f", "anna@contoso.example", "-t", "b@lmtp.example", "-M",
                    "client.example", "127.0.0.1:%d" % port])
is_((status, said), (0, ""), "and 100 for three recipients each")
viaduct.wait_empty("all leave the spool", but=("Deferred",))



def count(prefix):
    return len(re.findall(rb"^Message-I[dD]: ", octets(dumped(prefix)), re.M))


is_((count(""), count("lmtp.")), (201, 101), "and every one has arrived once")
viaduct.well(port, branch)
is_(viaduct.stop(), 0, "and it stops in order")
done()
