#!/usr/bin/python3
"""What would become of an address or a message, told without sending anything; the book built, looked up, checked."""
import json
import os
import re
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
    os.utime(path, (1, 1)) # not written a moment ago
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
mask = os.umask(0o077)
is_(viaduct("book", "build", good)[0], 0, "built under a narrow mask")
os.umask(mask)
book = spool.folder("BOOK")
newest = os.path.join(book, max(n for n in os.listdir(book) if n.isdigit()))
is_((os.stat(newest).st_mode & 0o777, {os.stat(os.path.join(newest, n)).st_mode & 0o777 for n in os.listdir(newest)}), (0o750, {0o640}), "it can be read by the workers' group all the same")
many = csv("many.csv", "".join("U%d,SMTP:u%d@contoso.example,,host\n" % (n, n) for n in range(20000)))
both = [subprocess.Popen([VIADUCT, "-c", spool.conf, "book", "build", many], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(3)]
said = [p.communicate(timeout=90)[0] for p in both]
is_(([p.returncode for p in both], len({re.search("generation ([0-9]+): 20000", s)[1] for s in said})), ([0, 0, 0], 3), "builds at the same time wait for each other: %r" % said)
viaduct("book", "build", good)
before = rows("book", "dump")[1]
for path, why in (("/nonexistent.csv", "No such file"), ("/etc/passwd", "/etc/passwd:1"), (spool.top, "it is no file")):
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

ldif = os.path.join(spool.top, "people.ldif")
with open(ldif, "w") as f:
    f.write("version: 1\n\ndn: CN=Alice,DC=contoso,DC=example\ndisplayName: Alice\nproxyAddresses: SMTP:alice@contoso.example\n"
            "proxyAddresses: GWISE:Exchange.HQ.alice\n\ndn: CN=Bob,DC=contoso,DC=example\ncn: Bob\nviaductSide: groupwise\n"
            "targetAddress: GWISE:Dom.PO.bob\nproxyAddresses: SMTP:bob@gw.example\n")
code, out, err = viaduct("book", "build", ldif)
is_((code, [dict(r, proxies=sorted(r["proxies"])) for r in rows("book", "dump")[1]]), (0, [dict(r, proxies=sorted(r["proxies"])) for r in before]),
    "the same people in LDIF are the same book")
with open(ldif, "a") as f:
    f.write("\ndn: CN=Carl\nchangetype: modify\nreplace: mail\nmail: c@contoso.example\n-\n")
code, _, err = viaduct("book", "build", ldif)
ok(code == 1 and "people.ldif:18: a change of an entry" in err, "LDIF that changes is no book, which is told with its line: %s" % err)
code, found = rows("book", "lookup", "bob@gw.example", "alice@contoso.example")
is_((code, [(r["host"], r["foreign"]) for r in found]),
    (0, [("SMTP:bob@gw.example", ["branch=SMTP:bob@gw.example", "groupwise=GWISE:Dom.PO.bob", "near=SMTP:bob@gw.example", "far=SMTP:bob@gw.example"]),
         ("SMTP:alice@contoso.example", ["branch=SMTP:alice@contoso.example", "groupwise=GWISE:Exchange.HQ.alice", "near=SMTP:alice@contoso.example",
                                      "far=SMTP:alice@contoso.example"])]),
    "lookup says what the people of each side call somebody: %r" % found)
code, out, _ = viaduct("book", "lookup", "IMCEAGWISE-Dom+2EPO+2Ebob@contoso.example")
ok(code == 0 and "for groupwise      GWISE:Dom.PO.bob" in out and "for the host       SMTP:bob@gw.example" in out, "a one-off finds whom it stands for: %s" % out)
doubtful = csv("doubtful.csv", "Alice,SMTP:alice@contoso.example,SMTP:IMCEAGWISE-Dom+2EPO+2Ebob@contoso.example|SMTP:IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example,host\n"
                               "Bob,GWISE:Dom.PO.bob,SMTP:bob@gw.example|SMTP:IMCEAGWISE-dom+2EPO+2Ebob@gw.example,groupwise\n"
                               "ALICE,GWISE:Dom.PO.alice,SMTP:alice@gw.example,groupwise\n"
                               "Nora,SMTP:nora@near.example,,host\nCarl,SMTP:carl@contoso.example,,groupwise\n")
is_(viaduct("book", "build", doubtful)[0], 0, "a doubtful book is built")
code, found = rows("book", "check")
said = [(r["level"], r["subject"].split(":")[-1], r["text"]) for r in found]
for level, subject, words in (("wrong", "alice@contoso.example", "one-off of GWISE:Dom.PO.bob, which is an address of GWISE:Dom.PO.bob"),
                              ("note", "alice@contoso.example", "one-off of GWISE:Dom.PO.zoe, which could be a proxy itself"),
                              ("note", "Dom.PO.bob", "one-off of its own address"),
                              ("note", "", "is it one person, who is in both directories"),
                              ("wrong", "nora@near.example", "lies in an address space of connector"),
                              ("wrong", "carl@contoso.example", "lies in a host domain: mail to it would loop"),
                              ("wrong", "carl@contoso.example", "is of type SMTP, and the system of connector groupwise knows GWISE")):
    ok([s for s in said if s[0] == level and subject in s[1] and words in s[2]], "check: %s (%s)" % (words, level))
is_((code, len([s for s in said if s[0] == "wrong"])), (1, 4), "faults are counted, notes are not: %r" % said)
viaduct("book", "build", csv("mute.csv", "Dave,GWISE:Dom.PO.dave,,groupwise\n"))
code, found = rows("book", "check")
is_((code, [r["subject"] for r in found if "has no SMTP address" in r["text"]]), (1, ["GWISE:Dom.PO.dave"]), "check names whom the host cannot write to")


def crc32c(data):
    crc = 0xffffffff
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


# a book that its builder would not make: its index is of others than its entries say
viaduct("book", "build", csv("index.csv", "Ann,SMTP:Ann.One@contoso.example,SMTP:Ann.Two@contoso.example,host\n"
                                          "Ben,SMTP:Ben.One@contoso.example,SMTP:Ben.Two@contoso.example,host\n"))
folder = os.path.join(spool.path, "book", max(os.listdir(os.path.join(spool.path, "book"))))
with open(folder + "/manifest") as f:
    manifest = f.read().splitlines()
for n, line in enumerate(manifest):
    if line.startswith("shard "):
        name = line.split()[1]
        with open(os.path.join(folder, name), "r+b") as f:
            data = f.read().replace(b"Ann.Two", b"Ann.Xyz").replace(b"Ben.Two", b"Ann.One") # keys are in small letters
            f.seek(0)
            f.write(data)
        manifest[n] = "shard %s %d %08x" % (name, len(data), crc32c(data))
with open(folder + "/manifest", "w") as f:
    f.write("\n".join(manifest) + "\n")
code, found = rows("book", "check")
said = [(r["level"], r["subject"], r["text"]) for r in found]
for subject, words in (("SMTP:Ann.One@contoso.example", "its address SMTP:Ann.Xyz@contoso.example is not found in the book"),
                       ("SMTP:Ben.One@contoso.example", "has its address SMTP:Ann.One@contoso.example too")):
    ok([r for r in said if r[:2] == ("wrong", subject) and r[2].endswith(words)], "check: %s: %r" % (words, said))
is_(code, 1, "which are faults")
viaduct("book", "build", good)
is_([r for r in rows("book", "check")[1] if r["level"] != "ok"], [], "a book without faults has no note either")

# ---- address types and templates ----

code, found = rows("address", "types")
types = {r["type"]: r for r in found}
is_((code, types["GWISE"]["generator"], types["GWISE"]["module"], types["GWISE"]["connectors"]), (0, "gwise", "built in", ["groupwise"]),
    "address types names each type, who makes addresses of it, and whose it is")
ok({"SMTP", "X400", "NOTES", "GWISE", "MS", "CCMAIL"} <= set(types) and all(r["version"] for r in found), "... with its version")
code, found = rows("address", "types", "SMTP:%g.%s@contoso.example", "NOTES:&d/Org@Exchange")
is_((code, [(r["gives"], r["alike"]) for r in found]), (0, [("Ann.Beebe@contoso.example", "Ann.Beebe2@contoso.example"),
                                                            ("Ann B. Beebe/Org@Exchange", "Ann B. Beebe2/Org@Exchange")]), "templates are tried")
code, out, _ = viaduct("address", "types", "SMTP:%q@contoso.example")
ok(code == 1 and "character 6" in out, "one that cannot be is told so, and where")

# ---- route, address, simulate ----

code, found = rows("route", "bob@gw.example")
is_((code, found[0]["connector"], found[0]["target"]), (0, "groupwise", "GWISE:Dom.PO.bob"), "the book decides first")
is_(rows("route", "x@branch.example")[1][0]["connector"], "branch", "else the address space")
place = viaduct("route", "x@branch.example")[1]
is_((place.count("*@branch.example"), "cost 1; " + spool.conf + ":" in place), (1, True), "the space that decided is told once, with its line")
code, found = rows("route", "nobody@contoso.example")
is_((code, found[0]["status"]), (1, "5.1.1"), "an unknown recipient of the host gets the words its sender would")
code, out, _ = viaduct("address", "alice@contoso.example", "--from", "SMTP", "--to", "GWISE")
ok(code == 0 and "GWISE:Exchange.HQ.alice" in out and "(book)" in out, "address says what it becomes, and by which rule")
code, _, err = viaduct("address", "GW.PO.user", "--from", "GWISE", "--to", "SMTP", "--connector", "host")
is_((code, "connector host has addresses of type SMTP" in err), (2, True), "the host is no connector for addresses of another type, and is told so")
ok("and back:" in out and "SMTP:alice@contoso.example" in out, "in both directions")
for args in ((), ("--to", "X400")):
    code, _, err = viaduct("address", "alice@contoso.example", *args)
    ok(code == 2 and "GWISE (groupwise)" in err, "address wants types that there are: %s" % err.split(chr(10))[0])
for text, args in (("GWISE:Dom.PO.bob", ()), ("Dom.PO.bob", ("--from", "GWISE", "--to", "SMTP")), ("GWISE:Dom.PO.bob", ("--from", "groupwise")),
                   ("IMCEAGWISE-Dom+2EPO+2Ebob@contoso.example", ("--from", "GWISE"))):
    code, found = rows("address", text, *args)
    is_((code, [(r["way"], r["direction"], r["becomes"], r["rule"]) for r in found if r["role"] == "as recipient"]),
        (0, [("there", "in", "SMTP:bob@gw.example", "book"), ("back", "out", "GWISE:Dom.PO.bob", "book")]), "from GroupWise and back: %s" % text)
code, _, err = viaduct("address", "GWISE:Dom.PO.bob", "--from", "SMTP", "--to", "GWISE")
ok(code == 1 and "of type GWISE, and --from says SMTP" in err, "an address of another type than --from says is told so")
code, found = rows("address", "IMCEAGWISE-Dom+2EPO+2Ezoe@contoso.example", "--to", "GWISE", "--columns", "role,becomes,rule", "--limit", "2")
is_(found, [{"role": "as originator", "becomes": "GWISE:Dom.PO.zoe", "rule": "unwrapped"}, {"role": "as recipient", "becomes": "GWISE:Dom.PO.zoe",
    "rule": "unwrapped"}], "a one-off becomes what it is of, and the columns are chosen")
mail = os.path.join(spool.top, "m.eml")
with open(mail, "w") as f:
    f.write("From: alice@contoso.example\r\nTo: bob@gw.example\r\nCc: else@out.example\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nhello \u4e2d\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>hello</b>\r\n--b--\r\n")
code, out, _ = viaduct("simulate", mail, "--sender", "alice@contoso.example", "--rcpt", "bob@gw.example", "--rcpt",
                       "nobody@contoso.example")
ok(code == 1 and "routed to groupwise" in out and "recipient becomes GWISE:Dom.PO.bob" in out, "simulate shows the road")
ok("the sender would be told 5.1.1" in out, "and who is told what")
ok("Subject: Undeliverable: caf\u00e9" in out and "Nobody has this address." in out and "nobody@contoso.example\n" in out, "in the very report there would be")
ok("bob@gw.example -> Dom.PO.bob" in out, "what becomes of the addresses in the header")
ok("HTML form of the body is left out" in out and "not in the gateway's code page" in out, "what the conversion loses")
ok("| Wpc-Api= 1.2;" in out and "| hello ?" in out, "and what the module writes")
code, found = rows("simulate", mail, "--sender", "alice@contoso.example", "--rcpt", "bob@gw.example", "--rcpt", "nobody@contoso.example", "--rcpt", "x@branch.example")
is_((code, [r["fate"] for r in found]), (1, ["goes", "fails", "goes"]), "a row for each recipient")
is_((found[0]["sender"], found[0]["becomes"], len(found[0]["lost"]), "WPU= bob" in found[0]["item"]), ("GWISE:Exchange.HQ.alice", "GWISE:Dom.PO.bob", 2, True),
    "of one that goes: addresses, losses, the item")
is_((found[1]["code"], found[1]["at"], "Status 5.1.1" in found[1]["report"]), ("5.1.1", "routing", True), "of one that fails: where, and the report")
is_(list(rows("simulate", mail, "--sender", "<>", "--rcpt", "x@branch.example", "--columns", "rcpt,fate", "--sort", "rcpt", "--limit", "1")[1][0]), ["rcpt", "fate"], "its columns are chosen")
code, out, _ = viaduct("simulate", mail, "--sender", "bob@gw.example", "--rcpt", "x@elsewhere.example")
ok(code == 0 and "routed to host (from connector groupwise" in out, "mail of a foreign system goes to the host, which routes it")
is_(viaduct("simulate", mail, "--sender", "alice@contoso.example", "--rcpt", "alice@contoso.example")[0], 1, "the host's own mail does not come back to it: a loop")
code, out, _ = viaduct("simulate", mail, "--sender", "stranger@out.example", "--rcpt", "bob@gw.example")
ok("translating the sender" in out and "5.1.7" in out and "Your own address" in out, "a sender that the other side cannot know is told what it means")
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
