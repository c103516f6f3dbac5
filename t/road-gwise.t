#!/usr/bin/python3
"""GroupWise and the host, both ways, with a stand-in for the API gateway; and folder trees, both ways.

The stand-in is t/gateway.py.
"""
import email
import email.policy
import os
import re
import time

from gateway import Gateway
from rig import (Sink, Viaduct, done, free_port, is_, like, message, ok, private_folder, send, until)

gateway, host = Gateway(), Sink()
boxes, pickup = private_folder(), private_folder()
os.chmod(boxes, 0o777)
for sub in ("new", "tmp", "cur", "failed"):
    os.mkdir(os.path.join(pickup, sub))
    os.chmod(os.path.join(pickup, sub), 0o777)
os.chmod(pickup, 0o777)
port = free_port()
book = private_folder() + "/people.csv"
with open(book, "w") as f:
    f.write("""display,primary,proxies,side
Anna Berg,SMTP:anna@contoso.example,SMTP:anna.berg@contoso.example GWISE:Exchange.HQ.anna,host
Carl Ohm,SMTP:carl@contoso.example,GWISE:Exchange.HQ.carl,host
Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise
Gone Away,GWISE:Harbour.Quay.gone,SMTP:gone@gw.contoso.example,groupwise
Jürgen Müller,GWISE:Harbour.Quay.jmueller,SMTP:jmueller@gw.contoso.example,groupwise
""")
viaduct = Viaduct("""host {
    domains = { "contoso.example" }
    unknown = "pass"
    smtp { listen = { "127.0.0.1:%d" } }
    deliver { to = { "smtp://127.0.0.1:%d" } }
    retry { first = "1s" }
}
connector "groupwise" {
    type = "gwise"
    peer { root = "%s" poll = "1s" domain = "Exchange" settle = "4s" }
    address-space { type = "GWISE" pattern = "*" }
    address-space { type = "SMTP" pattern = "*@gw.contoso.example" }
    retry { first = "1s" }
}
connector "tree" {
    type = "maildir"
    peer { to = { "maildir://%s" } pickup = "%s" poll = "1s" }
    address-space { type = "SMTP" pattern = "*@tree.example" }
}
book { source = { "%s" } }
admin-address = "postmaster@contoso.example"
""" % (port, host.port, gateway.root, boxes, pickup, book)).start()


def in_the_book(address):
    """Every worker has a book with the address when a message for it gets through; those before are reported."""
    gateway.taken.clear()

    def through():
        send(port, "anna@contoso.example", address, message("anna@contoso.example", address, "probe of the book"))
        with gateway.changed:
            return gateway.changed.wait_for(lambda: gateway.taken or gateway.refused, 1)
    until(through, "the book with %s is in use" % address)
    gateway.taken.clear()
    gateway.refused.clear()
    host.mails.clear()


viaduct.wait_log("by=router .*using book generation")
in_the_book("lnowak@gw.contoso.example")

# ---- from the host to GroupWise ----

data = b"\x00\x01binary\xff\r\n" * 50
mail = email.message.EmailMessage(policy=email.policy.SMTP)
mail["From"], mail["To"], mail["Cc"] = "Anna Berg <anna@contoso.example>", "Lena Nowak <lnowak@gw.contoso.example>", "Carl <carl@contoso.example>"
mail["Subject"], mail["Date"], mail["Message-ID"] = "Drei Kräne", "Wed, 25 Nov 2026 09:00:00 +0100", "<offer@contoso.example>"
mail.set_content("Schöne Grüße\n")
mail.add_attachment(data, maintype="application", subtype="octet-stream", filename="Zeichnung Ü.bin")
answer = send(port, "anna@contoso.example", "lnowak@gw.contoso.example", bytes(mail))
ok(answer.startswith("250"), "a message with an attachment for a GroupWise user is taken")
item = gateway.wait("Drei Kräne")
like(item["raw"], r"(?s)From\s*=.*WPD\s*=\s*Exchange;.*WPPO\s*=\s*HQ;.*WPU\s*=\s*anna;", "the sender has his GroupWise address from the book")
like(item["raw"], r"(?s)To\s*=\s*WPD\s*=\s*Harbour;\s*WPPO\s*=\s*Quay;\s*WPU\s*=\s*lnowak;", "the recipient hers")
ok("Schöne Grüße".encode("cp437") in b"".join(item["files"].values()), "the text is in the gateway's code page")
ok(data in item["files"].values(), "the attachment is carried as a file, byte for byte")
like(item["raw"], r"Original-File\s*=\s*Zeichnung Ü\.bin;", "under its name")
ok("-END-" in item["raw"] and item["name"].lower().endswith(".api"), "the header file is whole")

gateway.held = True
send(port, "anna@contoso.example", "lnowak@gw.contoso.example", message("anna@contoso.example", "lnowak@gw.contoso.example", "patience"))
until(lambda: [n for n in os.listdir(gateway.path("API_IN")) if n.lower().endswith(".api")], "a gateway that is slow: the header lies in API_IN")
ok(viaduct.mail_left() != [], "and the message is not let go of before it was taken")
gateway.held = False
gateway.wait("patience")
viaduct.wait_empty("when it was, it is")

gateway.unknown.add("gone")
send(port, "anna@contoso.example", "gone@gw.contoso.example", message("anna@contoso.example", "gone@gw.contoso.example", "are you there"))
gateway.wait("are you there", refused=True)
report = host.one(lambda m: m.sender == "" and m.to() == ["anna@contoso.example"] and "are you there" in m.text(), what="the report")
like(report.text(), r"(?i)Action: failed", "what the gateway refuses into GWPROB is reported to the sender")
like(report.text(), r"Unknown destination in address string", "with the gateway's own words")

# ---- from GroupWise to the host ----

looked = []


def while_locked(path):
    """Half of the header is written and the file locked: nothing may happen for several polls."""
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        looked.append(os.path.exists(path))
        time.sleep(0.02)


gateway.send("Harbour.Quay.lnowak", ["Exchange.HQ.anna"], "Antwort\\; später", "Gerne, für Jürgen\n", [("Übersicht.doc", b"DOC\x00\x01")],
             cc=["Exchange.HQ.carl"], step=while_locked)
ok(looked and all(looked), "a header that the gateway still writes, locked and without its end, is left alone")
mail = host.one(lambda m: "anna@contoso.example" in m.to() and m.sender != "")
is_(mail.sender, "lnowak@gw.contoso.example", "then the message comes to the host, its sender by the book")
is_(sorted(mail.to()), ["anna@contoso.example", "carl@contoso.example"], "for both recipients")
parsed = email.message_from_bytes(mail.data, policy=email.policy.default)
is_(parsed["Subject"], "Antwort; später", "with its subject")
like(parsed.get_body(("plain",)).get_content() if parsed.get_body(("plain",)) else "", "Gerne, für Jürgen", "its text")
is_([a.get_content() for a in parsed.iter_attachments()], [b"DOC\x00\x01"], "and its attachment")
like(mail.text(), r"filename\*=utf-8''%C3%9Cbersicht\.doc", "under its name")
like(str(parsed["To"]) + str(parsed["Cc"]), r"anna@contoso\.example.*carl@contoso\.example", "its header names them")
until(lambda: not os.listdir(gateway.path("API_OUT")) and not os.listdir(gateway.path("ATT_OUT")), "the gateway's folders are empty again")

# a GroupWise user who stands in no book: encapsulated, and a reply reaches him
gateway.send("Harbour.Pier.o'brien", ["Exchange.HQ.anna"], "from a stranger", "Can you answer this?\n")
mail = host.one(lambda m: "from a stranger" in m.text())
like(mail.sender, r"(?i)^IMCEAGWISE-.*@contoso\.example$", "a sender in no book is encapsulated")
ok(mail.sender.lower() in (mail.header("From") or "").lower(), "in the header too")
answer = send(port, "anna@contoso.example", mail.sender, message("anna@contoso.example", mail.sender, "reply to the stranger", "Yes, I can.\n"))
ok(answer.startswith("250"), "a reply to that address is taken")
item = gateway.wait("reply to the stranger")
like(item["raw"], r"WPD\s*=\s*Harbour;\s*WPPO\s*=\s*Pier;\s*WPU\s*=\s*o'brien;", "and reaches the person")

# somebody who stands in no book
send(port, "anna@contoso.example", ["nobody1@gw.contoso.example", "nobody2@gw.contoso.example"],
     message("anna@contoso.example", "x@gw.contoso.example", "to nobody"))
report = host.one(lambda m: m.sender == "" and "to nobody" in m.text(), what="the report on those in no book")
words = re.sub(r"\s+", " ", report.text())
ok(all("SMTP:nobody%d@gw.contoso.example has no address of type GWISE" % n in words for n in (1, 2)),
   "of recipients in no book the sender is told each one's own reason")

# a sender from beyond the host, who is in no book: carried as a one-off, and an answer reaches him
send(port, "guest@partner.example", "lnowak@gw.contoso.example", message("guest@partner.example", "lnowak@gw.contoso.example", "from a guest"))
item = gateway.wait("from a guest")
like(item["raw"], r'(?s)From\s*=\s*WPD\s*=\s*Exchange;\s*WPPO\s*=\s*SMTP;\s*WPU\s*=\s*"guest@partner.example";',
     "a sender from beyond the host is carried in GroupWise's own form")
gateway.send("Harbour.Quay.lnowak", ['Exchange.SMTP."guest@partner.example"'], "to the guest", "Welcome\n")
answer = host.one(lambda m: "to the guest" in m.text(), what="the answer to the guest")
is_(answer.to(), ["guest@partner.example"], "and an answer goes to him, by the host")

# one of the host's own whom GroupWise does not know
send(port, "nora@contoso.example", "lnowak@gw.contoso.example", message("nora@contoso.example", "lnowak@gw.contoso.example", "from nora"))
report = host.one(lambda m: m.to() == ["nora@contoso.example"], what="the report to nora")
like(report.text(), r"Status: 5\.1\.7.*nora@contoso\.example has no.*GWISE", "a sender of the host without a GroupWise address is told so")

# what is torn stays where it is
torn = gateway.path("API_OUT", "BEEF0001.API")
with open(torn, "wb") as f:
    f.write(b"WPC-API= 1.2; \r\nMsg-Type= Mail; \r\n")
gateway.send("Harbour.Quay.lnowak", ["Exchange.HQ.anna"], "after the torn one", "x\n")
host.one(lambda m: "after the torn one" in m.text())
ok(os.path.exists(torn), "a header without its end waits for the gateway to finish, and others pass it")
os.unlink(torn)

# the gateway's folder is there, and may not be written to
os.chmod(gateway.path("ATT_IN"), 0o555)
send(port, "anna@contoso.example", "lnowak@gw.contoso.example", message("anna@contoso.example", "lnowak@gw.contoso.example", "no right"))


def light():
    return [(row["light"], row.get("why")) for row in viaduct.rows("connector", "list") if row["name"] == "groupwise"]


until(lambda: light()[0][0] == "trouble" and "Permission denied" in light()[0][1], "the light of a connector that can do nothing says so, and why")
status, said = viaduct.command("connector", "test", "groupwise")
ok(status == 7 and "does not work" in said, "connector test finds it, since it looks as the gateway's user, whoever calls it")
os.chmod(gateway.path("ATT_IN"), 0o777)
gateway.wait("no right")
until(lambda: light()[0][0] == "up", "and when the right is there, mail flows and the light is up")

# ---- folder trees ----

answer = send(port, "anna@contoso.example", ["kim@tree.example", '"../Evil"@tree.example'],
              message("anna@contoso.example", "kim@tree.example", "for the tree", ".\nFrom x\n"))
ok(answer.startswith("250"), "mail for a tree of folders is taken")


def new(box):
    folder = os.path.join(boxes, box, "new")
    return [os.path.join(folder, n) for n in os.listdir(folder)] if os.path.isdir(folder) else []


until(lambda: new("kim@tree.example"), "it lies in the recipient's maildir")
with open(new("kim@tree.example")[0], "rb") as f:
    text = f.read()
ok(text.startswith(b"Return-Path: <anna@contoso.example>") and text.endswith(b"\n\n.\nFrom x\n"), "with its return path, unchanged")
until(lambda: len(os.listdir(boxes)) == 2, "the other's address")
is_(sorted(os.listdir(boxes)), ['"..%2Fevil"@tree.example', "kim@tree.example"], "which was a path leads nowhere but into the tree")
name = os.path.join(pickup, "tmp", "one")
with open(name, "wb") as f:
    f.write(b"X-Sender: kim@tree.example\nX-Receiver: carl@contoso.example\n" + message("kim@tree.example", "carl@contoso.example", "from the tree"))
os.chmod(name, 0o666)
os.rename(name, os.path.join(pickup, "new", "one"))
mail = host.one(lambda m: m.header("Subject") == "from the tree")
is_((mail.sender, mail.to()), ("kim@tree.example", ["carl@contoso.example"]), "a file in the tree's pickup folder goes to the host")
until(lambda: not os.listdir(os.path.join(pickup, "new")), "and is gone from there")
name = os.path.join(pickup, "new", "nobody")
with open(name, "wb") as f:
    f.write(b"no header at all\n")
os.chmod(name, 0o666)
until(lambda: os.path.exists(os.path.join(pickup, "failed", "nobody")), "a file with no recipient is put aside")
viaduct.wait_log("nobody", name="and named in the log")
name = os.path.join(pickup, "new", "some")
with open(os.path.join(pickup, "tmp", "some"), "wb") as f:
    f.write(b"X-Sender: kim@tree.example\nX-Receiver: carl@contoso.example\nX-Receiver: eve@elsewhere.example\n"
            + message("kim@tree.example", "carl@contoso.example", "for some"))
os.chmod(os.path.join(pickup, "tmp", "some"), 0o666)
os.rename(os.path.join(pickup, "tmp", "some"), name)
mail = host.one(lambda m: m.header("Subject") == "for some")
is_(mail.to(), ["carl@contoso.example"], "a file is no way to relay: only who may be written to is")
until(lambda: os.path.exists(os.path.join(pickup, "failed", "some")) and not os.path.exists(name), "the file is kept for the other's sake")
with open(os.path.join(pickup, "failed", "some.why")) as f:
    like(f.read(), r"eve@elsewhere\.example: 5\.7\.1", "and why")

viaduct.wait_empty()
status, said = viaduct.command("book", "check")
is_(status, 0, "the book is in order")
like(said, r"(?m)^GWISE:Harbour\.Pier\.o'brien: 2 messages from or to a one-off of it, the last at .*proxy$", "and its check names the stranger, who could be in it")
ok("lnowak" not in said, "not whom it has")
status, said = viaduct.command("book", "check", "--since", "2099-01-01")
ok("o'brien" not in said, "and looks as far back as it is told")
status, said = viaduct.command("book", "check", "--since", "yesterday")
is_((status, "generation" in said), (2, False), "to a time, and does nothing before it knows it")
is_(viaduct.restarts(), 0, "no worker died")
is_(viaduct.stop(), 0, "and it stops in order")
done()
