#!/usr/bin/python3
"""viaduct-pickup: what local programs drop becomes mail, what strangers leave there harms nobody."""
import json
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spooltest import FOLDERS, Spool, done, is_, ok, program, start_process  # noqa: E402

spool = Spool(host='limits { message = "200K"  recipients = 2000  header = "20K" }')
DROP = spool.folder("DROP")


def drop(name, data):
    path = os.path.join(DROP, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def pick(name, data):
    """Drops one file, runs pickup; returns the message, or None."""
    for f in spool.files("MTS_IN"):
        os.unlink(f.path)
    drop(name, data)
    spool.run("pickup")
    found = spool.files("MTS_IN")
    return found[0] if len(found) == 1 else None


def header_of(message):
    return message.body.split(b"\n\n", 1)[0].decode()


def worker():
    with open(os.path.join(spool.top, "log"), "ab") as log_file:
        return start_process([program("viaduct-pickup"), "-c", spool.conf], stderr=log_file)


def ready_worker():
    """One that has said that it runs: before that a signal would end it as any program."""
    before = log_text().count('say="started')
    process = worker()
    wait_for(lambda: log_text().count('say="started') > before)
    return process


def end(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def log_text():
    if not os.path.exists(os.path.join(spool.top, "log")):
        return ""
    with open(os.path.join(spool.top, "log"), encoding="utf-8", errors="replace") as log_file:
        return log_file.read()


def wait_for(condition, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


# ---- the envelope ----

m = pick("one.eml", b"X-Sender: <anna@contoso.example> RET=HDRS ENVID=e+2B1\r\n"
         b"x-receiver: bob@branch.example NOTIFY=success,FAILURE ORCPT=rfc822;b@x\r\n"
         b"X-Receiver: <carl@branch.example>\r\nX-Receiver: <BOB@BRANCH.example>\r\n"
         b"To: bob@branch.example\r\nBcc: secret@x.example,\r\n other@x.example\r\nSubject: Hello\r\n\r\nBody\r\nend")
if ok(m, "a file in drop form becomes a message for the host"):
    is_(m.get("from"), "SMTP:anna@contoso.example", "its sender is X-Sender's")
    is_(m.all("rcpt"), ["SMTP:bob@branch.example", "SMTP:carl@branch.example"], "each X-Receiver once, in whatever case")
    is_((m.get("ret"), m.get("envid"), m.get("rcpt-notify"), m.get("rcpt-orcpt")), ("HDRS", "e+2B1", "6", "rfc822;b@x"),
        "parameters of reports are kept")
    is_((m.get("origin"), m.get("protocol"), m.get("client")), ("host", "local", "uid %d" % os.getuid()),
        "it says who dropped it")
    ok("X-Sender" not in header_of(m) and "X-Receiver" not in header_of(m), "the envelope's lines are not in the message")
    ok("secret" not in header_of(m) and "other" not in header_of(m), "nor is a blind copy's field")
    ok(b"\r" not in m.body and m.body.endswith(b"\n\nBody\nend\n"), "line ends are LF, the last one too")
    ok(header_of(m).startswith("Received: by gw1.contoso.example (viaduct host in)\n\twith local id " + m.get("id")),
       "a trace is put before it")
    ok("\nDate: " in header_of(m) and "\nMessage-ID: " + m.get("msgid") in header_of(m) and
       "\nFrom: anna@contoso.example\n" in header_of(m), "fields that a message needs are added")
    is_(int(m.get("header")), m.body.find(b"\n\n") + 2, "the length of the header is right")
    ok(spool.names("DROP") == [] and spool.temp_is_empty(), "the file is gone, nothing is left in Temp")
    ok(any("event=RECEIVE" in t and "carl@branch.example" in t for t in spool.track()), "each recipient is tracked")

m = pick("two", b"From: Anna <anna@contoso.example>\nSender: sec@contoso.example\nTo: bob@branch.example, root\n"
         b"Cc: list: c1@branch.example, \"c 2\"@branch.example;\nBcc: d@branch.example\n"
         b"Message-ID: <own@x>\nDate: Wed, 25 Nov 2026 07:26:28 +0000\n\nText\n")
if ok(m, "without envelope lines the header is the envelope"):
    is_(m.get("from"), "SMTP:sec@contoso.example", "Sender goes before From")
    is_(m.all("rcpt"), ["SMTP:bob@branch.example", "SMTP:root@contoso.example", "SMTP:c1@branch.example",
                        'SMTP:"c 2"@branch.example', "SMTP:d@branch.example"], "To, Cc and Bcc, names here get our domain")
    is_(m.all("rcpt-kind"), ["1", "1", "2", "2", "3"], "their kinds are kept")
    is_(header_of(m).count("Message-ID"), 1, "a Message-ID that is there is kept alone")
    is_(m.get("msgid"), "<own@x>", "and known to tracking")

m = pick("three", b"Resent-From: r@contoso.example\nResent-To: new@branch.example\nFrom: a@x.example\nTo: old@x.example\n\nx\n")
ok(m and m.all("rcpt") == ["SMTP:new@branch.example"] and m.get("from") == "SMTP:r@contoso.example",
   "Resent fields go before the others")
m = pick("four", b"X-Sender: <>\nX-Receiver: a@branch.example\n\nonly a body\n")
ok(m and m.get("from") == "SMTP:" and m.body.endswith(b"\n\nonly a body\n") and "From: MAILER-DAEMON@" in header_of(m),
   "no sender, no header: both are allowed")
m = pick("five", b"From anna Wed Nov 25\nFrom: a@x.example\nTo: b@branch.example\n\n.\nFrom here\n")
ok(m and m.body.endswith(b"\n\n.\nFrom here\n") and "From anna" not in header_of(m), "a mailbox's first line is passed over")
m = pick("six", "From: j\u00f6rg@contoso.example\nTo: zo\u00eb@branch.example\n\nSch\u00f6n\n".encode())
ok(m and m.get("utf8") is not None and m.get("8bit") is not None, "UTF-8 in addresses and text is noted")
m = pick("seven", b"X-Sender: a@x.example\n" + b"".join(b"X-Receiver: u%d@branch.example\n" % i for i in range(2000)) +
         b"Subject: many\n\nx\n")
ok(m and len(m.all("rcpt")) == 2000, "two thousand recipients are as welcome as one")
m = pick("eight", b"From: a@x.example\nTo: b@branch.example\n\n" + b"x" * 70 + b"\r\n" * 20000 + b"y\rz")
ok(m and m.body.endswith(b"\ny\nz\n") and b"\r" not in m.body, "a CR ends a line, wherever pieces are cut")
m = pick("nine", b"Received: by gw1.contoso.example (viaduct host in)\n\twith local id x; d\n" * 3 +
         b"From: a@x.example\nTo: b@branch.example\n\nx\n")
ok(m and (m.get("hops"), m.get("loops")) == ("3", "3"), "hops and loops that a message brings are counted")
m = pick("ten", b"X-Sender: <a@x.example>\nX-Receiver: <b@branch.example>\nX-Receiver-Note: z\nX-Receiver: c@x.example\n\nx\n")
ok(m and m.all("rcpt") == ["SMTP:b@branch.example"], "envelope lines end at the first other line")

# ---- Badmail ----

BAD = {
    "empty": b"",
    "no recipients": b"From: a@x.example\nSubject: x\n\nx\n",
    "no address": b"From: a@x.example\nTo: b@branch.example, not an address\n\nx\n",
    "no sender": b"To: b@branch.example\n\nx\n",
    "receiver without sender": b"X-Receiver: b@branch.example\n\nx\n",
    "two senders": b"X-Sender: a@x.example\nX-Sender: b@x.example\nX-Receiver: b@branch.example\n\nx\n",
    "folded line": b"X-Sender: a@x.example\nX-Receiver: b@branch.example\n NOTIFY=NEVER\n\nx\n",
    "bad notify": b"X-Sender: a@x.example\nX-Receiver: b@branch.example NOTIFY=NEVER,DELAY\n\nx\n",
    "too many": b"X-Sender: a@x.example\n" + b"".join(b"X-Receiver: u%d@b.example\n" % i for i in range(2001)) + b"\nx\n",
    "NUL in header": b"From: a@x.example\nTo: b@branch.example\nX: \0\n\nx\n",
    "NUL in body": b"From: a@x.example\nTo: b@branch.example\n\nx\0y\n",
    "large header": b"From: a@x.example\nTo: b@branch.example\nX: " + b"y" * 30000 + b"\n\nx\n",
    "rubbish": bytes(range(256)) * 40,
}
for name, data in BAD.items():
    m = pick(name, data)
    kept = spool.files("BADMAIL")
    if ok(m is None and len(kept) == 1 and spool.names("DROP") == [], "kept as Badmail: " + name):
        is_(kept[0].body.rstrip(b"\n"), data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n"),
            "with its bytes: " + name)
        ok(b"text " in kept[0].journal and "verdict=bad" in spool.log, "and the reason: " + name)
    for f in kept:
        os.unlink(f.path)

# ---- strangers ----

outside = os.path.join(spool.top, "outside")
with open(outside, "wb") as f:
    f.write(b"From: a@x.example\nTo: b@branch.example\n\nsecret\n")
os.utime(outside, (1, 1))
os.symlink(outside, os.path.join(DROP, "symlink"))
os.link(outside, os.path.join(DROP, "hardlink"))
os.mkfifo(os.path.join(DROP, "fifo"))
os.mkdir(os.path.join(DROP, "folder"))
with open(os.path.join(DROP, "folder", "inside"), "wb") as f:
    f.write(b"From: a@x.example\nTo: b@branch.example\n\nx\n")
server = socket.socket(socket.AF_UNIX)
server.bind(os.path.join(DROP, "socket"))
with open(os.path.join(DROP, "sparse"), "wb") as f:
    f.truncate(10 << 30)
GOOD = b"From: a@x.example\nTo: b@branch.example\n\nx\n"
drop("line\nevent=FAKE", GOOD)
with open(os.path.join(DROP.encode(), b"\xff\xfe"), "wb") as f:
    f.write(GOOD)
drop(".hidden", GOOD)
drop("-rf", GOOD)
drop("..x", GOOD)
drop("n" * 255, GOOD)
drop("sp ace;$(id)`", GOOD)
time.sleep(2.1)  # a second name is given a moment to go away, since some programs move files by link and unlink
for f in spool.files("MTS_IN"):
    os.unlink(f.path)
STRANGE = ("symlink", "hardlink", "fifo", "folder", "socket", "sparse", "line\\")
p = ready_worker()
ok(wait_for(lambda: len(spool.names("MTS_IN")) == 3 and all("file=" + n in log_text().replace('"', "") for n in STRANGE)),
   "nothing in drop/ makes pickup wait")
drop("nudge", GOOD)  # once more through all of it
ok(wait_for(lambda: len(spool.names("MTS_IN")) == 4), "it goes on")
is_(end(p), 0, "asked to end, it ends")
log = log_text()
taken = spool.files("MTS_IN")
ok(len(taken) == 4 and all(m.body.endswith(b"\n\nx\n") for m in taken), "files with odd but printable names are taken: - and 255 bytes")
is_(sorted(os.listdir(DROP.encode())),
    sorted([b"..x", b".hidden", b"fifo", b"folder", b"hardlink", b"line\nevent=FAKE", b"socket", b"sparse", b"symlink", b"\xff\xfe"]),
    "everything else stays")
ok(not any(b"secret" in m.body for m in taken) and spool.files("BADMAIL") == [], "nothing outside is read, nothing is Badmail")
for name in STRANGE[:-1]:
    ok(len([x for x in log.splitlines() if "file=" + name in x]) == 1, "it is named in the log: " + name)
ok("\nevent=FAKE" not in log and "event=FAKE" in log, "a name cannot begin a log line, and is not passed over in silence")
ok(".hidden" not in log, "what is still being written is nobody's business")

if os.getuid() != 0:
    os.chmod(drop("forbidden", GOOD), 0)
    p = ready_worker()
    ok(wait_for(lambda: "file=forbidden" in log_text()), "a file that pickup may not read is named in the log")
    end(p)
else:
    ok(True, "a file that pickup may not read is named in the log # SKIP root may read everything")
shutil.rmtree(os.path.join(DROP, "folder"))
for name in os.listdir(DROP.encode()):
    os.unlink(os.path.join(DROP.encode(), name))
ok(os.path.exists(outside), "what a link pointed to is still there")

# What is no file is named when it comes: the next look at the whole folder is half a minute away.
p = ready_worker()
os.symlink(outside, os.path.join(DROP, "late-symlink"))
os.mkfifo(os.path.join(DROP, "late-fifo"))
os.mkdir(os.path.join(DROP, "late-folder"))
late = socket.socket(socket.AF_UNIX)
late.bind(os.path.join(DROP, "late-socket"))
ok(wait_for(lambda: all("file=late-" + n in log_text() for n in ("symlink", "fifo", "folder", "socket")), 20),
   "links, FIFOs, folders and sockets are named when they come")
os.link(outside, os.path.join(DROP, "late-hardlink"))
ok(wait_for(lambda: "file=late-hardlink" in log_text(), 20), "so is a file's second name")
mover = os.path.join(spool.top, "mover")
shutil.copyfile(outside, mover)
os.link(mover, os.path.join(DROP, "late-file"))
os.unlink(mover)
ok(wait_for(lambda: len(spool.names("MTS_IN")) == 5, 20), "a file that is moved there by link and unlink is taken")
is_(end(p), 0, "asked to end, it ends")
os.rmdir(os.path.join(DROP, "late-folder"))
for name in os.listdir(DROP):
    os.unlink(os.path.join(DROP, name))

# ---- files that are not finished, and kills ----


for f in spool.files("MTS_IN"):
    os.unlink(f.path)
growing = open(os.path.join(DROP, "growing"), "wb")
growing.write(b"X-Sender: a@x.example\nX-Receiver: b@branch.example\n\nfirst\n")
growing.flush()
p = ready_worker()
drop("whole", GOOD)
ok(wait_for(lambda: len(spool.names("MTS_IN")) == 1), "a whole file is taken meanwhile")
growing.write(b"second\n")
growing.close()
ok(wait_for(lambda: len(spool.names("MTS_IN")) == 2), "a file is taken when its writer has closed it")
ok(any(m.body.endswith(b"\n\nfirst\nsecond\n") for m in spool.files("MTS_IN")), "whole")

for f in spool.files("MTS_IN"):
    os.unlink(f.path)


def flood(n):
    for i in range(n):
        drop(".f%d" % i, b"X-Sender: a@x.example\nX-Receiver: b@branch.example\nSubject: n%d\n\nx\n" % i)
        os.rename(os.path.join(DROP, ".f%d" % i), os.path.join(DROP, "f%d" % i))


thread = threading.Thread(target=flood, args=(600,))
thread.start()
for _ in range(12):
    time.sleep(0.1)
    p.send_signal(signal.SIGKILL)
    p.wait()
    p = worker()
thread.join()
p.kill()
p.wait()
p = ready_worker()
ok(wait_for(lambda: spool.names("DROP") == []), "everything dropped is taken, whatever was killed")
is_(end(p), 0, "asked to end, it ends")
spool.run("pickup")
subjects = [[x for x in header_of(m).split("\n") if x.startswith("Subject")][0] for m in spool.files("MTS_IN")]
is_(len(subjects), 600, "each file became one message: none lost, none twice")
is_(len(set(subjects)), 600, "and all are different")
ok(spool.temp_is_empty(), "nothing is left in Temp")

# ---- files that end their reader ----

# A limit on the size of files ends the process in the middle of its copy: by a signal, as a bug would.
DEATH = b"X-Sender: a@x.example\nX-Receiver: b@branch.example\n\n" + b"deadly line\n" * 12000
NAMES = [b"file-9NHERJNG", b"file 7 of Q", b"m" * 79, b"m" * 80, b"n" * 255, "\u00e9".encode() * 127]


def crashes(times):
    """Runs pickup that often, each time ended in the middle; how often it was."""
    ended = 0
    for _ in range(times):
        p = subprocess.run([program("viaduct-pickup"), "-c", spool.conf, "--once"], stderr=subprocess.DEVNULL,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)), timeout=60)
        ended += p.returncode == -signal.SIGXFSZ
    return ended


for f in spool.files("MTS_IN"):
    os.unlink(f.path)
signatures = set()
for name in NAMES:
    drop(os.fsdecode(name), DEATH)
    is_(crashes(3), 3, "a file called %.10r... (%d bytes) ends pickup three times" % (name.decode()[:10], len(name)))
    drop("innocent", GOOD)
    spool.run("pickup")
    is_(([m.body == DEATH for m in spool.files("BADMAIL")], len(spool.names("MTS_IN")), spool.names("DROP")), ([True], 1, []),
        "then it goes to Badmail, whole, and only it")
    listed = subprocess.run([program("viaduct"), "-c", spool.conf, "badmail", "list", "--json"], capture_output=True)
    signatures.add(json.loads(listed.stdout)["signature"])
    for f in spool.files("MTS_IN") + spool.files("BADMAIL"):
        os.unlink(f.path)

is_(len(signatures), 1, "its signature is that of all files with this fault, whatever their names")

# Names that no message is taken from: a crash at one of these, as the page of a dead pickup tells.
MESSAGE, SUSPECTS_AT, SLOTS_AT = "@256s41sII", struct.calcsize("@16siIqqQqq256s256sq160s5I160s"), 4096
PAGE = os.path.join(spool.folder("STATE"), "pickup.0")
for name in (b"line\nevent=FAKE " + b"x" * 200, b"\xff" * 255, b"\x01\x1b[2J\x7f"):
    with open(os.path.join(DROP.encode(), name), "wb") as f:
        f.write(GOOD)
    message = struct.pack(MESSAGE, name, b"", list(FOLDERS).index("DROP"), 2)
    with open(PAGE, "r+b") as f:
        f.seek(16)
        f.write(struct.pack("@i", 4711))
        f.seek(SUSPECTS_AT)
        f.write(struct.pack("@I", 1))
        f.seek(SLOTS_AT)
        f.write(message + message)
    spool.run("pickup")
    is_(([m.body for m in spool.files("BADMAIL")], os.listdir(DROP.encode())), ([GOOD], []),
        "so does one whose name is %r..." % name[:8])
    ok(all(line.startswith("by=") or line.startswith("id=") for line in spool.log.splitlines()), "which makes no line of the log its own")
    for f in spool.files("BADMAIL"):
        os.unlink(f.path)

# ---- a name that is exchanged all the time ----

for f in spool.files("MTS_IN"):
    os.unlink(f.path)
stop = threading.Event()


def exchange():
    while not stop.is_set():
        for target in ("link", "file"):
            path = os.path.join(DROP, ".x")
            try:
                os.symlink(outside, path) if target == "link" else open(path, "wb").write(GOOD)
                os.replace(path, os.path.join(DROP, "x"))
                time.sleep(random.uniform(0, 0.01) if target == "file" else 0)  # so that some are taken
            except OSError:
                pass


thread = threading.Thread(target=exchange, daemon=True)
p = ready_worker()
thread.start()
ok(wait_for(lambda: len(spool.names("MTS_IN")) >= 20), "a name that is exchanged for a link all the time is taken when it is a file")
stop.set()
thread.join()
end(p)
is_([m.body for m in spool.files("MTS_IN") if b"secret" in m.body], [], "and brings nothing from outside")
ok(os.path.exists(outside), "and removes nothing there")
spool.remove()
done()
