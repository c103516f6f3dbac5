#!/usr/bin/python3
"""What waits converted is converted anew on an operator's word; and what conversions lost stays with the message, both ways."""
import fcntl
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gateway import Gateway  # noqa: E402
from rig import (Sink, Viaduct, done, free_port, is_, like, note, ok, private_folder, program, send, until)  # noqa: E402

gateway, host = Gateway(), Sink()
port, book = free_port(), private_folder() + "/people.csv"
with open(book, "w") as f:
    f.write("display,primary,proxies,side\nAnna Berg,SMTP:anna@contoso.example,GWISE:Exchange.HQ.anna,host\n"
            "Lena Nowak,GWISE:Harbour.Quay.lnowak,SMTP:lnowak@gw.contoso.example,groupwise\n")
HTML = ("From: Anna <anna@contoso.example>\nTo: lnowak@gw.contoso.example\nSubject: %s\nDate: Wed, 25 Nov 2026 08:00:00 +0000\n"
        "Message-ID: <%s@contoso.example>\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\nplain words\n--b\nContent-Type: text/html\n\n<p>rich words</p>\n--b--\n")
CONF = """host {
    domains = { "contoso.example" }
    smtp { listen = { "127.0.0.1:%d" } }
    deliver { to = { "smtp://127.0.0.1:%d" } }
    retry { first = "1s" }
}
connector "groupwise" {
    type = "gwise"
    peer { root = "%s" poll = "1s" domain = "Exchange" settle = "4s" }
    address-space { type = "GWISE" pattern = "*" }
    address-space { type = "SMTP" pattern = "*@gw.contoso.example" }
    retry { first = "10m" }
    convert { html = "text" }
}
connector "branch" {
    type = "smtp"
    peer { to = { "smtp://127.0.0.1:9" } }
    address-space { type = "SMTP" pattern = "*@branch.example" }
}
book { source = { "%s" } }
admin-address = "postmaster@contoso.example"
""" % (port, host.port, gateway.root, book)
viaduct = Viaduct(CONF)
viaduct.check_books = viaduct.stop # t/mkmsg lays messages that nobody has taken over


def command(*args):
    r = subprocess.run([program("viaduct"), "-c", viaduct.conf] + list(args), capture_output=True, text=True, timeout=60)
    return r.returncode, r.stdout, r.stderr


def box(name, connector="groupwise"):
    return os.path.join(viaduct.spool, "mailbox", connector, name)


def names(name, connector="groupwise"):
    return sorted(os.listdir(box(name, connector)))


def queued(folder, subject, connector="groupwise", rcpt="lnowak@gw.contoso.example", *more):
    path = os.path.join(viaduct.top, "message")
    with open(path, "w") as f:
        f.write(HTML % (subject, subject))
    name = subprocess.run([program("t/mkmsg"), viaduct.spool, folder, connector, "--from", "anna@contoso.example", "--rcpt", rcpt, "--body-file", path]
                          + list(more), capture_output=True, text=True, check=True).stdout.split()[0]
    hand_over()
    return name


def hand_over():
    """What was made here as root becomes the workers': each file its folder's owner's, and of the group that they share."""
    for path, _, files in os.walk(viaduct.spool) if os.geteuid() == 0 else ():
        for name in files:
            name = os.path.join(path, name)
            if os.stat(name).st_uid == 0:
                os.chown(name, os.stat(path).st_uid, os.stat(os.path.join(viaduct.spool, "state")).st_gid)
                os.chmod(name, 0o660)


def convert():
    r = subprocess.run([program("viaduct-outbound-converter"), "-c", viaduct.conf, "--connector", "groupwise", "--once"], capture_output=True, text=True, timeout=60)
    is_(r.returncode, 0, "the converter runs")
    for folder in ("state", "counters"): # of a process that is no worker's
        for name in os.listdir(os.path.join(viaduct.spool, folder)):
            if name.startswith("outbound-converter"):
                os.unlink(os.path.join(viaduct.spool, folder, name))
    hand_over()


def item(name):
    with open(os.path.join(box("ReadyOut"), name + ".item"), "rb") as f:
        return f.read()


def change(old, new):
    with open(viaduct.conf) as f:
        text = f.read()
    with open(viaduct.conf, "w") as f:
        f.write(text.replace(old, new))


# ---- with the daemons stopped: the item that waits is made anew by the options of now ----

is_(command("spool", "create")[0], 0, "a spool")
is_(command("book", "build")[0], 0, "a book")
ident = queued("Convert", "one")
with open(os.path.join(box("Convert"), ident), "rb") as f:
    original = f.read()
convert()
is_(names("ReadyOut"), [ident, ident + ".item"], "a message is converted and waits for its carrier")
ok(b"rich words" not in item(ident), "its HTML is left out")
like(command("queue", "show", ident, "--report")[1], r"converted .*lost or changed:\n  the HTML form of the body is left out", "its report says so")
shown = json.loads(command("queue", "show", ident, "--json")[1])
is_([len(c["lost"]) for c in shown["conversions"]], [1], "for programs too")

code, out, err = command("queue", "reconvert", "all", "--dry-run")
is_((code, out.splitlines()[-1].split(" (")[0]), (0, "1 messages would be sent back to be converted"), "--dry-run counts")
is_(names("ReadyOut"), [ident, ident + ".item"], "and changes nothing")
is_(command("queue", "reconvert")[0], 6, "an empty filter is refused")
with open(os.path.join(box("ReadyOut"), ident), "rb") as taken:
    fcntl.flock(taken, fcntl.LOCK_EX)
    code, out, err = command("queue", "reconvert", ident)
    ok(code == 1 and "1 in transfer were left alone" in out, "what is in transfer is left alone, and said") or note(out + err)
    is_(names("ReadyOut"), [ident, ident + ".item"], "its item too")
change('html = "text"', 'html = "attach"')
code, out, err = command("queue", "reconvert", ident, "--reason", "HTML is wanted")
ok(code == 0 and out.startswith("1 of 1 messages sent back to be converted"), "reconvert sends it back")
is_((names("Convert"), names("ReadyOut")), ([ident], []), "the original lies in Convert, the stale item is gone")
with open(os.path.join(box("Convert"), ident), "rb") as f:
    ok(f.read().startswith(original), "the original is what it was, with a longer journal")
like(command("queue", "show", ident, "--log")[1], r"verdict=reconvert.*HTML is wanted", "its log has the operator and his reason")
convert()
ok(b"rich words" in item(ident), "converted anew its HTML is a file")
report = command("queue", "show", ident, "--report")[1]
ok("is sent as the file message.html" in report and "left out" not in report, "and the report is that of the last conversion")

# ---- what cannot be ----

late = queued("Deferred", "late", "groupwise", "lnowak@gw.contoso.example", "--at", "1900000000")
plain = queued("Deferred", "other", "branch", "x@branch.example", "--at", "1900000000")
fresh = queued("MTS-OUT", "fresh")
code, out, err = command("queue", "reconvert", "all", "--json")
is_((code, json.loads(out)["matched"], json.loads(out)["done"]), (0, 2, 2), "all: those in ReadyOut and Deferred of a connector that converts")
like(err, "2 matching messages wait in no folder that holds converted ones", "others are left alone, and counted")
is_(names("Convert"), sorted([ident, late.split("@")[0]]), "a deferred one is converted too")
ok(plain in names("Deferred", "branch") and fresh in names("MTS-OUT"), "and the others are where they were")
is_(command("queue", "reconvert", plain.split("@")[0])[0], 1, "alone, such a one is not done")

# ---- an end between the removal of the item and the move: the carrier sends it back itself ----

convert()
os.unlink(os.path.join(box("ReadyOut"), ident + ".item"))
command("queue", "delete", "connector=branch", "--yes")
viaduct.start()
for word in ("one", "late", "fresh"):
    ok("rich words" in b"".join(gateway.wait("Subject= %s;" % word)["files"].values()).decode("cp437"), "%s comes to the gateway as converted last" % word)
until(lambda: not names("ReadyOut") and not names("Convert"), "nothing is left")
viaduct.stop()

# ---- over the running road ----

viaduct = Viaduct(CONF.replace('html = "text"', 'html = "attach"'))
is_(viaduct.command("spool", "create")[0], 0, "another spool")
is_(viaduct.command("book", "build")[0], 0, "with its book")
viaduct.start()
os.chmod(gateway.path("API_IN"), 0o555) # nothing can be handed over
send(port, "anna@contoso.example", "lnowak@gw.contoso.example", (HTML % ("running", "running")).encode())
until(lambda: names("Deferred"), "a message waits for the share")
ident = names("Deferred")[0].split("@")[0]
like(command("queue", "show", ident, "--report")[1], "is sent as the file message.html", "its conversion's report is with it")
change('html = "attach"', 'html = "text"')
is_(command("reload")[0], 0, "the option is changed")
os.chmod(gateway.path("API_IN"), 0o777)
until(lambda: command("queue", "reconvert", ident)[0] == 0 or not names("Deferred"), "it is sent back while workers run")
got = gateway.wait("Subject= running;")
ok("rich words" not in b"".join(got["files"].values()).decode("cp437"), "and goes by the changed option")
viaduct.wait_empty("the road is empty")

# ---- from GroupWise: what was lost on the way in ----

command("connector", "hold", "host", "out", "--yes")
base = "4000beef"
with open(gateway.path("ATT_OUT", base + ".bdy"), "wb") as f:
    f.write(b"words\r\n")
raw = gateway.header("Harbour.Quay.lnowak", ["Exchange.HQ.anna"], "inward", base).replace("To= ", "To= \r\n    WPD= Exchange; , ", 1)
with open(gateway.path("API_OUT", base.upper() + ".APX"), "wb") as f:
    f.write(raw.encode("cp437"))
for name in (gateway.path("ATT_OUT", base + ".bdy"), f.name):
    os.chmod(name, 0o666)
os.rename(f.name, gateway.path("API_OUT", base.upper() + ".API"))
until(lambda: names("MTS-OUT", "host"), "a message from GroupWise waits for the host")
ident = (names("MTS-OUT", "host") or [""])[0]
like(command("queue", "show", ident, "--report")[1], r"converted +by inbound-converter.*\n  entry 1 of To is no address", "what its conversion lost is kept with it")
log = command("queue", "show", ident, "--log")[1]
like(log, r"verdict=converted why=", "and stands in its log, a line")
command("connector", "release", "host", "out", "--yes")
mail = host.one(lambda m: "inward" in m.text())
ok("words" in mail.text(), "and it is delivered")
done()
