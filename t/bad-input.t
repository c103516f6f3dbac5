#!/usr/bin/python3
"""Bad input on the whole road: each gets a clear answer, nothing is lost, no worker dies, and normal mail passes afterwards."""
import os
import stat

from rig import ROOT, Session, Sink, Viaduct, crlf, done, is_, like, message, ok, private_folder, smtp_pair, until

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink()
port, from_branch, conf = smtp_pair(host, branch, host='limits { message = "60M" recipients = 20000 header = "2M" errors = 1000 }',
                                    branch='limits { recipients = 20000 } address-space { pattern = "*.idna.branch.example" }')
viaduct = Viaduct(conf).start()


def answers_to(data, to=B, sender=A, parameters=""):
    s = Session(port, seconds=30)
    got = s.mail(sender, [to], data, parameters)
    s.close()
    return got


def arrives_as_it_was(subject, data, parameters=""):
    """Taken, and the receiver has the same bytes below our trace; Date and Message-ID stand at the header's end where it had none."""
    got = answers_to(data, parameters=parameters)
    if not ok(got[-1].startswith("250"), subject + ": taken"):
        return
    head, _, body = crlf(data).partition(b"\r\n\r\n")
    head, body = head.rstrip(b"\r\n") + b"\r\n", b"\r\n\r\n" + body
    ok(branch.wait(1, lambda m: m.data.endswith(body) and b"\r\n" + head in m.data, what=subject), subject + ": arrives byte for byte")


# ---- octets, lines, headers ----

is_(answers_to(message(subject="nul") + b"a\0b\n")[-1], "550 5.6.0 the message has a NUL octet", "NUL in the body is refused, in words")
is_(answers_to(message(subject="nul", more="X-A: a\0b\n"))[-1], "550 5.6.0 the message has a NUL octet", "in the header too")
arrives_as_it_was("a line of 1,000,000 bytes", message(subject="a long line") + b"x" * 1000000 + b"\n")
arrives_as_it_was("a header field of 1,000,000 bytes", message(subject="a long field", more="X-Long: " + "y" * 1000000 + "\n"))
like(answers_to(message(more="X-Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n" * 200000))[-1], r"^552 5\.3\.4 .*header",
     "a header of 10 MiB is refused for good, in words")
is_(answers_to(b"just text\nthat is no header\n")[-1][:3], "250", "a message without a header is taken")
ok(branch.wait(1, lambda m: m.data.endswith(b"\r\n\r\njust text\r\nthat is no header\r\n")), "and its text arrives as text")
arrives_as_it_was("a header without a body", b"Subject: nothing follows\n")
is_(answers_to(b"")[-1][:3], "250", "an empty message is taken")
deep = "".join("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(1000))
arrives_as_it_was("MIME nested 1,000 deep", message(subject="deep", more="MIME-Version: 1.0\n" + deep))
arrives_as_it_was("wrong labels of charset and encoding", message(
    subject="labels", more="MIME-Version: 1.0\nContent-Type: text/plain; charset=klingon-1\nContent-Transfer-Encoding: base99\n",
    body="\udcff\udcfe\n"), " BODY=8BITMIME")
arrives_as_it_was("an 8-bit header", b"Subject: Gr\xfc\xdfe\nFrom: <anna@contoso.example>\n\nx\n")
arrives_as_it_was("fields that are none", b"Subject : odd\n: nothing\n\tfolded first\nFrom: <anna@contoso.example>\nno colon\n\nx\n")
for name, data in (("a bare LF in a line", b"Subject: x\r\n\r\na\nb\r\n.\r\n"), ("a bare CR", b"Subject: x\r\n\r\na\rb\r\n.\r\n"),
                   ("a dot between bare LFs", b"Subject: x\r\n\r\na\n.\nMAIL FROM:<evil@x.example>\r\n.\r\n")):
    s = Session(port)
    s.say("MAIL FROM:<%s>" % A)
    s.say("RCPT TO:<%s>" % B)
    s.say("DATA")
    s.send(data)
    like(s.reply(), r"^550 5\.6\.11 .*bare", name + ": refused, and no end of data but CRLF.CRLF")
    like(s.say("NOOP"), r"^421 4\.7\.0", "and the session ends: the two might not agree where the message did")
    s.close()

# ---- 10,000 recipients ----

s = Session(port, seconds=30)
s.send("MAIL FROM:<%s>\r\n" % A + "".join("RCPT TO:<u%d@branch.example>\r\n" % i for i in range(10000)))
is_(sorted({s.reply()[:9] for _ in range(10001)}), ["250 2.1.0", "250 2.1.5"], "10,000 recipients are taken")
ok(s.body(message(subject="for many")).startswith("250"), "and their message")
s.close()
mail = branch.one(lambda m: m.header("Subject") == "for many")
ok(len(set(mail.to())) == 10000 == len(mail.recipients), "it goes to each of them, once")
s = Session(port, seconds=30)
s.send("MAIL FROM:<%s>\r\n" % A + "".join("RCPT TO:<v%d@branch.example>\r\n" % i for i in range(20001)))
got = [s.reply() for _ in range(20002)]
like(got[-1], r"^452 4\.5\.3", "one more than limits.recipients is told to come with another message")
s.close()

# ---- addresses ----

LONG = "a" * 400 + "@branch.example"
for address, answer in (
        ('"john doe"@branch.example', r"^250"), ('"a\\"b@c"@branch.example', r"^250"), ('"<x>"@branch.example', r"^250"),
        (LONG, r"^250"), ("b@xn--mller-kva.idna.branch.example", r"^250"),
        ("a..b@branch.example", r"^501 5\.1\.3 .*local part"), (".a@branch.example", r"^501 5\.1\.3"),
        ("a b@branch.example", r"^501 5\.1\.3"), ("a@branch..example", r"^501 5\.1\.3 .*domain"), ("a", r"^501 5\.1\.3 .*domain"),
        ("a@" + "b" * 64 + ".example", r"^501 5\.1\.3"), ("\udcff@branch.example", r"^501 5\.1\.3"), ("", r"^501 5\.1\.3"),
        ("a@branch.example\0", r"^500 5\.5\.2"), ("jürgen@branch.example", r"^553 5\.6\.7 .*SMTPUTF8"),
        ("x@elsewhere.example", r"^550 5\.7\.1 .*relay")):
    s = Session(port)
    s.say("MAIL FROM:<%s>" % A)
    said = s.say("RCPT TO:<%s>" % address)
    like(said, answer, "%s is %s" % (ascii(address[:40]), "taken" if answer == "^250" else "refused, in words"))
    if answer == "^250":
        s.body(message(subject="to an odd one"))
        ok(branch.wait(1, lambda m: m.to() == [address]), "and its mail arrives under the same address")
    s.close()
s = Session(port)
got = s.mail("käthe@contoso.example", ["jürgen@branch.example"], message(subject="utf8"), " SMTPUTF8")
s.close()
ok(got[-1].startswith("250"), "with SMTPUTF8 local parts in UTF-8 are taken")
utf8 = "jürgen@branch.example".encode().decode("utf-8")
ok(branch.wait(1, lambda m: [t.encode("utf-8", "surrogateescape").decode() for t in m.to()] == [utf8]), "and arrive as they were")
for sender in ('"quoted sender"@contoso.example', LONG, ""):
    s = Session(port)
    got = s.mail(sender, [B], message(subject="odd sender"))
    s.close()
    ok(got[-1].startswith("250") and branch.wait(1, lambda m: m.sender == sender), "a sender %r is carried" % sender[:30])
s = Session(port)
said = s.mail(A, ["b@müller.idna.branch.example"], message(subject="idna"), " SMTPUTF8")
ok(said[-1].startswith("250") and branch.wait(1, lambda m: m.header("Subject") == "idna"), "a domain in UTF-8 is the same as its form in ASCII")
like(ascii(branch.one(lambda m: m.header("Subject") == "idna").to()), r"b@(xn--mller-kva|m.*ller)\.idna", "and stays that domain")
s.close()
s = Session(port)
long = s.say("MAIL FROM:<%s@x.example>" % ("a" * 5000))
like(long, r"^50[01] 5\.5\.\d|^501 5\.1\.7", "an address of 5,000 bytes is refused")
like(s.say("X" * 3000), r"^500 5\.5\.\d", "a command line without end is refused")
ok(s.say("NOOP").startswith("250"), "and the session goes on")
s.close()

# ---- drop ----

drop = os.path.join(viaduct.spool, "drop")
outside = os.path.join(private_folder(), "outside")
with open(outside, "wb") as f:
    f.write(b"X-Sender: <%s>\nX-Receiver: <%s>\nSubject: secret\n\nsecret\n" % (A.encode(), B.encode()))
whole = b"X-Sender: <anna@contoso.example>\nX-Receiver: <bob@branch.example>\nSubject: %s\n\nx\n"


def put(name, data):
    hidden = os.path.join(drop.encode(), b".put")
    with open(hidden, "wb") as f:
        f.write(data)
        os.fchmod(f.fileno(), 0o660)
    if ROOT:
        os.chown(hidden, 0, os.stat(drop).st_gid)
    os.rename(hidden, os.path.join(drop.encode(), name))


ODD = (b"plain", b"-rf", b"x..%2f..%2fetc", b"a b;c|d", "grüße".encode(), b"n" * 255)
for i, name in enumerate(ODD):
    put(name, whole % b"drop-%d" % i)
for i, name in enumerate(ODD):
    ok(branch.wait(1, lambda m: m.header("Subject") == "drop-%d" % i), "a dropped file is taken: %s" % ascii(name[:30].decode()))
put(b"evil\nid=FAKE verdict=done", whole % b"newline")
put(b"escape\x1b[2J", whole % b"escape")
put(b"latin\xff", whole % b"latin")
os.symlink(outside, os.path.join(drop, "link"))
os.symlink("/etc/passwd", os.path.join(drop, "passwd"))
os.mkfifo(os.path.join(drop, "fifo"))
os.mkdir(os.path.join(drop, "folder"))
os.link(outside, os.path.join(drop, "hard"))
put(b"no-one", b"Subject: for nobody\n\nx\n")
put(b"broken", b"X-Sender: <anna@contoso.example>\nX-Receiver: <not an address\n\nx\n")
put(b"paths", b"X-Sender: <anna@contoso.example>\nX-Receiver: <\"../../../etc/x\"@branch.example>\nSubject: paths\n\nx\n")
viaduct.reload(conf)  # links and FIFOs are seen when the folder is looked at whole, at the latest after half a minute: now
for word, why in (("link", "symbolic link"), ("passwd", "symbolic link"), ("fifo", "no regular file|socket or a device"), ("folder", "folder"),
                  ("hard", "second name"), (r"evil\\x0A", "control characters"), (r"escape\\x1B|escape\\e", "control characters"),
                  (r"latin\\xFF", "UTF-8")):
    viaduct.wait_log(r'file="?(%s).* why=.*(%s)' % (word, why), name="what is no plain file is named in the log: " + word)
ok(not [line for line in viaduct.lines if line.startswith("id=FAKE")], "a name cannot begin a line of the log")
ok(branch.wait(1, lambda m: m.header("Subject") == "paths"), "an address that looks like a path is only an address")
bad = until(lambda: len(viaduct.names("mailbox/host/Badmail")) >= 2 and viaduct.names("mailbox/host/Badmail"), "what has no envelope is kept as Badmail")
is_(len(bad or []), 2, "each of the two")
said = viaduct.command("badmail", "list")[1]
like(said, r"(?i)no recipient|recipient", "with a reason that the list shows")
status, said = viaduct.command("status")
like(said, r"drop", "status says that files in drop cannot be picked up")
left = sorted(os.listdir(drop.encode()))
is_(left, sorted([b"link", b"passwd", b"fifo", b"folder", b"hard", b"evil\nid=FAKE verdict=done", b"escape\x1b[2J", b"latin\xff"]),
    "what was named stays, the rest is taken")
ok(stat.S_ISFIFO(os.lstat(os.path.join(drop, "fifo")).st_mode) and os.path.exists(outside), "and nothing outside was touched")
ok(not [m for m in branch.mails if "secret" in m.text() or "root:" in m.text()], "nor read")

grows = open(os.path.join(drop, "grows"), "wb")
os.fchmod(grows.fileno(), 0o660)
grows.write(b"X-Sender: <anna@contoso.example>\nX-Receiver: <bob@branch.example>\nSubject: grows\n\nfirst\n")
grows.flush()
put(b"meanwhile", whole % b"meanwhile")


def grown():
    grows.write(b"more\n")
    grows.flush()
    return [m for m in branch.mails if m.header("Subject") == "meanwhile"]


until(grown, "another file is taken meanwhile")
ok(os.path.exists(os.path.join(drop, "grows")), "a file that still grows is passed over")
grows.write(b"last\n")
grows.close()
mail = branch.one(lambda m: m.header("Subject") == "grows", what="the file that grew")
ok(mail.data.endswith(b"\r\n\r\nfirst\r\n" + b"more\r\n" * mail.data.count(b"more\r\n") + b"last\r\n"), "and is taken whole when it is")

# ---- afterwards ----

viaduct.wait_empty("nothing else is left on the road", but=("drop/", "Badmail"))
viaduct.well(port, branch)
is_([m.sender for m in host.mails], [], "nobody was sent a report of what had been refused at the door")
ok("SMTPUTF8" in Session(port).features, "SMTPUTF8 is offered")
viaduct.reload(conf.replace("smtp { listen", "smtp { smtputf8 = no listen", 1))
ok(until(lambda: "SMTPUTF8" not in Session(port).features, "another gateway serves"), "where it is set to no it is not")
s = Session(port)
like(s.say("MAIL FROM:<käthe@contoso.example> SMTPUTF8"), r"^5\d\d 5\.", "and not taken either")
s.close()
is_(viaduct.stop(), 0, "and it stops in order")
done()
