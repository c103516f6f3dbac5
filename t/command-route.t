#!/usr/bin/python3
"""What would become of an address or a message, told without sending anything; the book built, looked up, checked."""
import json
import os
import socket
import subprocess
import threading

from spooltest import Spool, done, is_, ok, program

VIADUCT = program("viaduct")
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
closed = socket.create_server(("127.0.0.1", 0))
closed_port = closed.getsockname()[1]
closed.close()
spool = Spool(connectors=("branch",), conf="""
connector "groupwise" { type = "gwise" peer { root = "%s" }
                        address-space { type = "GWISE" pattern = "*" cost = 1 } }
connector "near" { type = "smtp" peer { to = { "smtp://127.0.0.1:%d" } }
                   address-space { type = "SMTP" pattern = "*@near.example" cost = 1 } }
connector "far" { type = "smtp" peer { to = { "smtp://127.0.0.1:%d" } }
                  address-space { type = "SMTP" pattern = "*@far.example" cost = 1 } }
""" % ("/nonexistent", port, closed_port))


def viaduct(*args):
    r = subprocess.run([VIADUCT, "-c", spool.conf] + list(args), capture_output=True, text=True, timeout=90,
                       stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout, r.stderr


def rows(*args):
    code, out, _ = viaduct(*args, "--json")
    return code, [json.loads(line) for line in out.splitlines()]


def csv(name, text):
    path = os.path.join(spool.top, name)
    with open(path, "w") as f:
        f.write("display,primary,proxies,side\n" + text)
    return path


# ---- the book ----

is_(viaduct("book", "lookup", "alice@contoso.example")[0], 1, "without a book nobody is found")
is_(viaduct("book", "build")[0], 2, "build wants a file, here or in the configuration")
good = csv("book.csv", "Alice,SMTP:alice@contoso.example,GWISE:Exchange.HQ.alice,host\n"
                       "Bob,GWISE:Dom.PO.bob,SMTP:bob@gw.example,groupwise\n")
code, out, _ = viaduct("book", "build", good)
is_((code, "2 entries" in out), (0, True), "book build publishes a generation")
code, found = rows("book", "lookup", "BOB@gw.example")
is_((code, found[0]["primary"], found[0]["side"]), (0, "GWISE:Dom.PO.bob", "groupwise"), "any proxy finds its recipient")
is_(len(rows("book", "dump")[1]), 2, "dump gives every entry")
is_(viaduct("book", "check")[0], 0, "check finds no fault")
before = rows("book", "dump")[1]
for path, why in (("/nonexistent.csv", "No such file"), ("/etc/passwd", "/etc/passwd:1"), (spool.top, "directory")):
    code, _, err = viaduct("book", "build", path)
    ok(code != 0 and why in err and "the book in use stays" in err, "book build from %s says what is wrong" % path)
code, _, err = viaduct("book", "build", csv("empty.csv", ""))
is_((code, "empty" in err), (6, True), "nor is a book of nobody published")
is_(rows("book", "dump")[1], before, "and the book in use stays: nobody becomes unknown by a slip")
twice = csv("twice.csv", "A,SMTP:a@contoso.example,,host\nB,SMTP:b@contoso.example,SMTP:a@contoso.example,host\n"
                         "C,SMTP:c@contoso.example,,nowhere\n")
code, out, err = viaduct("book", "build", twice)
is_((code, "twice.csv:3" in err), (1, True), "an address that two recipients have is refused, with its line")
is_(rows("book", "dump")[1], before, "and with it the file")
viaduct("book", "build", csv("nowhere.csv", "C,SMTP:c@contoso.example,,nowhere\n"))
code, out, _ = viaduct("book", "check")
is_((code, "no connector" in out), (1, True), "check names entries of no connector")
viaduct("book", "build", good)

# ---- route, address, simulate ----

code, found = rows("route", "bob@gw.example")
is_((code, found[0]["connector"], found[0]["target"]), (0, "groupwise", "GWISE:Dom.PO.bob"), "the book decides first")
is_(rows("route", "x@branch.example")[1][0]["connector"], "branch", "else the address space")
code, found = rows("route", "nobody@contoso.example")
is_((code, found[0]["status"]), (1, "5.1.1"), "an unknown recipient of the host gets the words its sender would")
code, out, _ = viaduct("address", "alice@contoso.example", "--from", "SMTP", "--to", "GWISE")
ok(code == 0 and "GWISE:Exchange.HQ.alice" in out and "(book)" in out, "address says what it becomes, and by which rule")
ok("and back:" in out and "SMTP:alice@contoso.example" in out, "in both directions")
is_(viaduct("address", "alice@contoso.example")[0], 2, "address wants a type")
is_(viaduct("address", "alice@contoso.example", "--to", "X400")[0], 2, "which some connector has")
mail = os.path.join(spool.top, "m.eml")
with open(mail, "w") as f:
    f.write("From: alice@contoso.example\nSubject: x\n\nhello\n")
code, out, _ = viaduct("simulate", mail, "--sender", "alice@contoso.example", "--rcpt", "bob@gw.example", "--rcpt",
                       "nobody@contoso.example")
ok(code == 1 and "routed to groupwise" in out and "recipient becomes GWISE:Dom.PO.bob" in out, "simulate shows the road")
ok("the sender would be told 5.1.1" in out, "and the report there would be")
is_([f for _, _, files in os.walk(spool.path) for f in files if len(f) == 26], [], "and writes no message")

# ---- connector test ----


def greet():
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer, peer.makefile("rwb", buffering=0) as f:
            f.write(b"220 near.example ESMTP\r\n")
            for line in f:
                word = line[:4].upper()
                f.write(b"250 near.example\r\n" if word in (b"EHLO", b"HELO") else b"221 bye\r\n" if word == b"QUIT" else
                        b"502 no\r\n")
                if word == b"QUIT":
                    break


threading.Thread(target=greet, daemon=True).start()
code, out, _ = viaduct("connector", "test", "near")
is_((code, "no mail was moved" in out), (0, True), "connector test greets a peer that answers")
is_(viaduct("connector", "test", "far")[0], 7, "and exits 7 for one that does not")
is_(viaduct("connector", "test", "groupwise")[0], 7, "or whose folders are not there")
is_(viaduct("connector", "test", "nobody")[0], 2, "there must be such a connector")
is_(viaduct("check", "--live")[0], 7, "check --live looks at all of them")

listener.close()
spool.remove()
done()
