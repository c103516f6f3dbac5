#!/usr/bin/python3
"""Queue files that a person edited or a disk cut off, in every folder of the running road: Badmail with its reason, and nobody else
waits for it."""
import os
import re

from rig import ROOT, TOP, Sink, Viaduct, done, is_, note, ok, smtp_pair, until
import rig
import spooltest

A, B = "anna@contoso.example", "bob@branch.example"
host, branch = Sink(), Sink(keywords=("PIPELINING", "SIZE 60000000")) # without 8BITMIME, so there is a converter on the road
port, from_branch, conf = smtp_pair(host, branch)
viaduct = Viaduct(conf).start()
rig.viaducts.remove(viaduct) # what this test puts into folders was never accepted

# Every folder of queue files that a worker takes from.
with open(os.path.join(TOP, "spool-layout", "flow.def")) as f:
    flow = f.read()
FOLDERS = {m[0]: m[1:] for m in re.findall(r'^FOLDER\((\w+), "([^"]+)", (\w+), (\w+),', flow, re.M)}
TAKEN = {m[1] for m in re.findall(r"^MOVE\((\w+), (\w+),", flow, re.M) if m[0] != "COMMAND"}
QUEUES = [path % "branch" if "%s" in path else path for symbol, (path, _, kind) in FOLDERS.items() if kind == "QUEUE" and symbol in TAKEN]
is_(sorted(QUEUES), sorted(["mailbox/branch/" + f for f in ("MTS-IN", "MTS-OUT", "Convert", "ReadyOut", "Deferred")] + ["Spooler-Queue", "Bounce"]),
    "queue files are taken from seven folders")


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


# What is done to the bytes of a sound file of a given envelope length.
DAMAGE = {
    "emptied": lambda data, envelope: b"",
    "cut within its first line": lambda data, envelope: data[:40],
    "cut within its envelope": lambda data, envelope: data[:64 + envelope // 2],
    "cut within its body": lambda data, envelope: data[:-30],
    "of another version": lambda data, envelope: data.replace(b"VIADUCT1", b"VIADUCT9", 1),
    "edited in its first line": lambda data, envelope: flip(data, 20),
    "edited in its envelope": lambda data, envelope: data.replace(b"bob", b"eve", 1),
    "edited in its header": lambda data, envelope: data.replace(b"charset", b"charmed", 1),
    "edited in its body": lambda data, envelope: flip(data, len(data) - 10),
    "longer in its body": lambda data, envelope: data.replace(b"\n\nGr", b"\n\nHello Gr", 1),
    "edited with another line end": lambda data, envelope: data.replace(b"\n", b"\r\n"),
    "overwritten with text": lambda data, envelope: b"Dear administrator,\nthis is no queue file.\n" * 20,
    "overwritten with zeros": lambda data, envelope: bytes(len(data)),
}


def put(folder, name, data):
    """As whoever puts there: into the folder at once, with the owner and the group of its taker's files."""
    at = os.path.join(viaduct.spool, folder)
    aside = os.path.join(viaduct.top, name)
    with open(aside, "wb") as f:
        f.write(data)
    os.chmod(aside, 0o660)
    if ROOT:
        os.chown(aside, os.stat(at).st_uid, os.stat(os.path.join(viaduct.spool, "state")).st_gid)
    os.rename(aside, os.path.join(at, name))


def sound(folder, token):
    """A message as it lies there: id, bytes, and the length of its envelope."""
    origin = "branch" if folder.endswith("MTS-IN") else "host"
    sender, to = (B, A) if origin == "branch" else (A, B)
    journal = b""
    if folder == "Bounce":
        journal = spooltest.journal_entry("mark", ("time", 1), ("mark", "0 failed"), ("mark-status", "5.1.1"), ("mark-text", "no such user"))
    m = spooltest.message(sender, [to], ("From: <%s>\nTo: <%s>\nSubject: %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                                         "Content-Transfer-Encoding: 8bit\n\nGr\u00fc\u00dfe, and enough text to be cut off.\n" % (sender, to, token)).encode(),
                          origin=origin, journal=journal)
    path = os.path.join(viaduct.top, "sound")
    m.write(path)
    with open(path, "rb") as f:
        data = f.read()
    return m.get("id"), data, int(data[9:17], 16)


def reason_of(ident):
    """The reason in its note; None while it is nowhere in Badmail."""
    for at, _, names in os.walk(os.path.join(viaduct.spool, "mailbox")):
        if at.endswith("/Badmail") and ident in names and ident + ".why" in names:
            with open(os.path.join(at, ident + ".why")) as f:
                return f.read()
    return None


good, bad = [], {}
for folder in QUEUES:
    for how, damage in DAMAGE.items():
        token = "token-%d." % len(good)
        for wanted, change in ((False, damage), (True, lambda data, envelope: data)):
            ident, data, envelope = sound(folder, token if wanted else "damaged-" + token)
            changed = change(data, envelope)
            if wanted:
                good.append(token)
            else:
                if changed == data:
                    ok(False, "%s: %s changes the file" % (folder, how))
                bad[ident] = (folder, how)
            put(folder, ident + ("@0" if folder.endswith("Deferred") else ""), changed)


def came():
    return set(re.findall(r"token-\d+\.", "".join(m.text() for m in host.mails + branch.mails)))


until(lambda: came() >= set(good), "the sound ones arrive")
is_(sorted(set(good) - came()), [], "the %d that lie beside them arrive" % len(good))
until(lambda: all(reason_of(i) for i in bad), "the damaged ones are put aside")
lost = sorted(how for ident, how in bad.items() if reason_of(ident) is None)
is_(lost, [], "each of %d that was damaged, in %d ways and %d folders, is in Badmail with its note" % (len(bad), len(DAMAGE), len(QUEUES)))
dumb = sorted((how, reason_of(i)) for i, how in bad.items() if not re.search(r'reason="?\S+ .*(damage|offset|checksum|version|magic|body|file)', reason_of(i) or ""))
is_(dumb[:3], [], "which says what is wrong with it")
viaduct.wait_empty(but=("Badmail",))
is_([m.text() for m in host.mails + branch.mails if "damaged-token" in m.text()][:1], [], "nothing that was damaged went on, as itself or in a report")
is_(len(host.mails + branch.mails), len(good), "and nothing came twice")
is_(viaduct.restarts(), 0, "no worker died of it")
status, said = viaduct.command("badmail", "list")
ok(status == 0 and all(i in said for i in bad), "badmail list shows them all")
is_(viaduct.stop(), 0, "it stops in order")
if lost or dumb:
    note("\n".join(viaduct.lines[-40:]))
done()
